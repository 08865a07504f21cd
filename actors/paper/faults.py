"""What may go wrong at the exchange on purpose: the vocabulary of faults. Only values.

Which of them are armed stands in armed_faults.py, how they are carried out in interference.py, and how a plan makes
them up in fault_rates.py.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Literal, get_args

import msgspec

Execution = Literal["now", "never", "later"]
When = Literal["before", "after"]
Way = Literal["in", "out"]
Door = Literal["api", "market"]
"""Where a connection leads: the WebSocket API, or the market streams."""
Lost = Literal["all", "events", "answers"]
Shape = Literal["api", "combined", "raw"]
Ending = Literal["close", "cut", "none"]

FOR_LONG_S = 3600.0
SUBSCRIBING = frozenset({"userDataStream.subscribe", "userDataStream.subscribe.signature"})
STREAM_SUBSCRIBING = "SUBSCRIBE"
STREAM_METHODS = frozenset({STREAM_SUBSCRIBING, "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY"})
"""The messages of a market stream connection. A fault meets them only where it names them."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something that goes wrong. Times are seconds, zero or more. Raises ValueError for what cannot be meant."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name.endswith("_s") and value is not None and not (isfinite(value) and value >= 0):
                raise ValueError(f"{type(self).__name__}: {name} is seconds, zero or more, not {value}")
            if name in _WORDS and value not in _WORDS[name]:
                words = ", ".join(str(word) for word in _WORDS[name])
                raise ValueError(f"{type(self).__name__}: {name} is one of {words}, not {value!r}")

    def fits(self, name: str, facts: Mapping[str, Any]) -> bool:
        """Whether it is meant for a request of this method with these parameters, or for an event of this kind, or
        for an attempt to connect to this door.
        """
        raise NotImplementedError


_WORDS: Mapping[str, tuple[str | None, ...]] = {
    "execution": get_args(Execution),
    "when": get_args(When),
    "way": get_args(Way),
    "to": (*get_args(Door), None),
    "what": get_args(Lost),
    "shape": (*get_args(Shape), None),
    "ending": get_args(Ending),
}


def _is_meant(named: str | None, method: str) -> bool:
    """None is any request to the WebSocket API."""
    return named == method if named is not None else method not in STREAM_METHODS


# Requests and their answers.


class RequestFault(Fault, frozen=True, kw_only=True):
    """Strikes a request of this method; of any method of the WebSocket API if it is None."""

    method: str | None = "order.place"

    def fits(self, name: str, facts: Mapping[str, Any]) -> bool:
        return _is_meant(self.method, name)


class AnswerFault(RequestFault, frozen=True, kw_only=True):
    """Decides whether a request is carried out, and how it is answered; a request meets one of them."""


class LoseRequest(AnswerFault, frozen=True, kw_only=True):
    """The request is lost on its way to the engine: it is not carried out and never answered."""


class LoseAnswer(AnswerFault, frozen=True, kw_only=True):
    """The request is carried out, its events are told, and it is never answered."""


class DelayAnswer(AnswerFault, frozen=True, kw_only=True):
    """The request is carried out and its events are told at once; the answer comes `delay_s` later."""

    delay_s: float


class GarbleAnswer(AnswerFault, frozen=True, kw_only=True):
    """The request is carried out; the answer breaks off in the middle and is no JSON."""


class OutcomeFault(AnswerFault, frozen=True, kw_only=True):
    """The answer, `answer_after_s` after the request, is an error that does not say whether it was carried out.

    With `execution="later"` the engine carries it out `execute_after_s` after it came in, by the rules and prices of
    that moment; what the engine then refuses leaves no trace. A request that is turned away before the engine
    (signature, timing, request weight) gets its true answer, and the fault waits for the next one.
    """

    execution: Execution = "now"
    execute_after_s: float = 0.0
    answer_after_s: float = 0.0
    code: int
    status: int
    message: str


class AnswerUnknown(OutcomeFault, frozen=True, kw_only=True):
    """-1007: the engine has not answered in time. The real exchange says so after ten seconds, this one at once."""

    code: int = -1007
    status: int = 504
    message: str = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."


class ServerError(OutcomeFault, frozen=True, kw_only=True):
    """A 5XX answer. By default nothing was carried out, which its words do not say."""

    execution: Execution = "never"
    code: int = -1000
    status: int = 503
    message: str = "An unknown error occurred while processing the request."


class RefuseRequest(OutcomeFault, frozen=True, kw_only=True):
    """The request is not carried out and answered with this error: by default, -1008, the exchange is busy.

    With `retry_after_s` its `data` says when it may be tried again.
    """

    execution: Execution = "never"
    code: int = -1008
    status: int = 503
    message: str = "Server is currently overloaded with other requests. Please try again in a few minutes."
    retry_after_s: float | None = None


class RefuseLogon(RefuseRequest, frozen=True, kw_only=True):
    """`session.logon` is refused, although key and signature are right."""

    method: str | None = "session.logon"


class SilentSubscription(RequestFault, frozen=True, kw_only=True):
    """A subscription is acknowledged and never brings an event. None is either way to subscribe to account events;
    `SUBSCRIBE` subscribes to market streams. Without `is_listed` it is also left out where subscriptions are listed.
    """

    method: str | None = None
    is_listed: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method not in (None, STREAM_SUBSCRIBING, *SUBSCRIBING):
            raise ValueError(f"SilentSubscription: {self.method} does not subscribe to anything")

    def fits(self, name: str, facts: Mapping[str, Any]) -> bool:
        return name in SUBSCRIBING if self.method is None else name == self.method


class EventsFirst(RequestFault, frozen=True, kw_only=True):
    """The events that the request causes are told before its answer."""


class HideOrder(RequestFault, frozen=True, kw_only=True):
    """For `for_s` seconds from the moment it is placed, an order cannot be found: `order.status` says -2013, and
    `openOrders.status` and `allOrders` leave it out; with `everywhere` so does `myTrades`. It is there all the same: it
    trades, and can be canceled.
    """

    for_s: float
    everywhere: bool = True


# Account events.


class EventFault(Fault, frozen=True, kw_only=True):
    """Strikes account events of this kind (`e`), and, if given, of this execution type (`x`). None is any kind."""

    kind: str | None = "executionReport"
    execution_type: str | None = None

    def fits(self, name: str, facts: Mapping[str, Any]) -> bool:
        return self.kind in (None, name) and self.execution_type in (None, facts.get("x"))


class LoseEvent(EventFault, frozen=True, kw_only=True):
    """Nobody is told."""


class DuplicateEvent(EventFault, frozen=True, kw_only=True):
    """It is told once more for each of `copies`."""

    copies: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.copies < 1:
            raise ValueError(f"DuplicateEvent: copies is 1 or more, not {self.copies}")


class DelayEvent(EventFault, frozen=True, kw_only=True):
    """It is told `delay_s` later, to those who listen then; later events overtake it."""

    delay_s: float


class ReorderEvents(EventFault, frozen=True, kw_only=True):
    """`count` events are held back and told in reverse order; those that came within `within_s`, if no more come."""

    count: int = 2
    within_s: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count < 2:
            raise ValueError(f"ReorderEvents: count is 2 or more, not {self.count}")


# Attempts to connect.


class AcceptFault(Fault, frozen=True, kw_only=True):
    """Strikes a connection when it is accepted, before anything was said: as TLS would begin."""

    def fits(self, name: str, facts: Mapping[str, Any]) -> bool:
        return True


class StallAccept(AcceptFault, frozen=True, kw_only=True):
    """For `for_s` seconds nothing is read or said, whatever the client begins with: a TLS handshake gets no answer."""

    for_s: float = FOR_LONG_S


class CutAccept(AcceptFault, frozen=True, kw_only=True):
    """The connection ends at once."""


class HandshakeFault(Fault, frozen=True, kw_only=True):
    """Strikes a WebSocket handshake to this door of the exchange; None is any."""

    to: Door | None = None

    def fits(self, name: str, facts: Mapping[str, Any]) -> bool:
        return self.to in (None, name)


class RefuseHandshake(HandshakeFault, frozen=True, kw_only=True):
    """It is refused with this HTTP status, perhaps with `Retry-After`, and this error as its body."""

    status: int = 503
    retry_after_s: float | None = None
    code: int = -1000
    message: str = "The connection is refused."

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 300 <= self.status <= 599:
            raise ValueError(f"RefuseHandshake: status refuses, 300 to 599, not {self.status}")


class StallHandshake(HandshakeFault, frozen=True, kw_only=True):
    """It is answered `for_s` seconds late."""

    for_s: float = FOR_LONG_S


class CutHandshake(HandshakeFault, frozen=True, kw_only=True):
    """The connection ends instead of an answer."""


class GarbleHandshake(HandshakeFault, frozen=True, kw_only=True):
    """The answer is no HTTP."""


# Connections.


class ConnectionFault(Fault, frozen=True, kw_only=True):
    """Strikes the connection that a request of the method `on` (None: any) came in on: before the request is carried
    out, or after it and before its answer and events. With `faults.now` it strikes open connections at once.
    """

    on: str | None = "order.place"
    when: When = "after"

    def fits(self, name: str, facts: Mapping[str, Any]) -> bool:
        return _is_meant(self.on, name)


class Cut(ConnectionFault, frozen=True, kw_only=True):
    """The connection ends without a close frame. What was on its way is lost; `before`: so is the request."""


class HalfClose(ConnectionFault, frozen=True, kw_only=True):
    """One way of the connection ends. "out": nothing is sent any more, and the client meets the end of the stream, but
    what it sends is carried out. "in": what the client sends is not read any more, without any sign of it.
    """

    way: Way = "out"


class Stall(ConnectionFault, frozen=True, kw_only=True):
    """For `for_s` seconds nothing passes, in either direction; then all of it does. `before`: so does the request."""

    for_s: float


class HalfOpen(ConnectionFault, frozen=True, kw_only=True):
    """The other end is gone and nobody is told: nothing is sent or read ever again, and the exchange itself has
    forgotten the connection. `before`: so is the request.
    """


class NoData(ConnectionFault, frozen=True, kw_only=True):
    """For `for_s` seconds pings and pongs come and go, and what else the exchange says is lost: all of it, or only
    "events", or only "answers". Requests are carried out.
    """

    for_s: float = FOR_LONG_S
    what: Lost = "all"


class NoPings(ConnectionFault, frozen=True, kw_only=True):
    """For `for_s` seconds the exchange sends no pings; all else comes and goes."""

    for_s: float = FOR_LONG_S


class SkipPings(ConnectionFault, frozen=True, kw_only=True):
    """The next `count` pings are not sent."""

    count: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count < 1:
            raise ValueError(f"SkipPings: count is 1 or more, not {self.count}")


class EndSubscriptions(ConnectionFault, frozen=True, kw_only=True):
    """The connection's subscriptions end, and it lives on. Those to account events end with `eventStreamTerminated`,
    unless `is_told` is False; those to market streams without a word.
    """

    is_told: bool = True


class ShutDown(ConnectionFault, frozen=True, kw_only=True):
    """The exchange says `serverShutdown`, and `notice_s` later the connection is closed in order (1001), or cut, or
    "none" of it. The notice has the shape that belongs to the connection, unless `shape` says otherwise.
    """

    notice_s: float = 0.0
    shape: Shape | None = None
    ending: Ending = "close"
