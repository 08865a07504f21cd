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


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something that goes wrong. Times are seconds, zero or more. Raises ValueError for what cannot be meant."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name.endswith("_s") and not (isfinite(value) and value >= 0):
                raise ValueError(f"{type(self).__name__}: {name} is seconds, zero or more, not {value}")
            if name in _WORDS and value not in _WORDS[name]:
                raise ValueError(f"{type(self).__name__}: {name} is one of {', '.join(_WORDS[name])}, not {value!r}")

    def fits(self, name: str, facts: Mapping[str, Any]) -> bool:
        """Whether it is meant for a request of this method with these parameters, or for an event of this kind."""
        raise NotImplementedError


_WORDS: Mapping[str, tuple[str, ...]] = {
    "execution": get_args(Execution),
    "when": get_args(When),
    "way": get_args(Way),
}


# Requests and their answers.


class RequestFault(Fault, frozen=True, kw_only=True):
    """Strikes a request of this method; of any method if it is None."""

    method: str | None = "order.place"

    def fits(self, name: str, facts: Mapping[str, Any]) -> bool:
        return self.method in (None, name)


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


# Connections.


class ConnectionFault(Fault, frozen=True, kw_only=True):
    """Strikes the connection that a request of the method `on` (None: any) came in on: before the request is carried
    out, or after it and before its answer and events. With `faults.now` it strikes every API connection at once.
    """

    on: str | None = "order.place"
    when: When = "after"

    def fits(self, name: str, facts: Mapping[str, Any]) -> bool:
        return self.on in (None, name)


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


class ShutDown(ConnectionFault, frozen=True, kw_only=True):
    """The exchange says `serverShutdown` and closes the connection in order (1001), `notice_s` later."""

    notice_s: float = 0.0
