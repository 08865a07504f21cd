"""Faults by chance: how often each of them strikes, and the plan that draws them from a seed. Pure.

The rates are the TOML table `[paper.faults]`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from random import Random
from typing import TypeVar, get_args

import msgspec

from dogwatch.actors.paper.faults import (
    SUBSCRIBING,
    AnswerFault,
    AnswerUnknown,
    ConnectionFault,
    Cut,
    DelayAnswer,
    DelayEvent,
    Door,
    DuplicateEvent,
    EventFault,
    EventsFirst,
    Execution,
    Fault,
    GarbleAnswer,
    HalfClose,
    HalfOpen,
    HandshakeFault,
    HideOrder,
    LoseAnswer,
    LoseEvent,
    LoseRequest,
    Lost,
    NoData,
    RefuseHandshake,
    RefuseLogon,
    ReorderEvents,
    ServerError,
    ShutDown,
    SilentSubscription,
    Stall,
    Way,
    When,
)

FaultT = TypeVar("FaultT", bound=Fault)

PLACING = frozenset({"order.place", "order.cancelReplace"})
STRUCK_METHODS = PLACING | {
    "order.cancel",
    "order.amend.keepPriority",
    "order.status",
    "openOrders.cancelAll",
    "openOrders.status",
    "allOrders",
    "myTrades",
    "account.status",
}
"""A plan leaves alone what a connection needs to come up, but for the rates that say so, and market data."""

LOGON = "session.logon"
DOORS = frozenset(get_args(Door))
REFUSING = (429, 502, 503, 504)
"""HTTP statuses of a refused handshake."""

STRUCK_EVENT = "executionReport"

_ANSWER_RATES = ("lose_request", "lose_answer", "delay_answer", "garble_answer", "answer_unknown", "server_error")
_EVENT_RATES = ("lose_event", "duplicate_event", "delay_event", "reorder_events")
_CONNECTION_RATES = ("cut", "half_close", "stall", "shut_down", "half_open", "no_data")
_STATION_RATES = ("refuse_handshake", "refuse_logon", "silent_subscription")
ALTERNATIVES = (_ANSWER_RATES, _EVENT_RATES, _CONNECTION_RATES)
"""Rates of which at most one strikes at a time: together they are no more than 1."""


class FaultRates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often faults strike: the probability, 0 to 1, for each request, placed order or execution report; for the
    last three for each attempt to connect, to log on and to subscribe.

    `delay_s_max`: the longest delay of an answer, an event or an execution. `hide_s_max`: how long an order cannot be
    found at most. `stall_s_max`: the longest stall.
    """

    lose_request: float = 0.0
    lose_answer: float = 0.0
    delay_answer: float = 0.0
    garble_answer: float = 0.0
    answer_unknown: float = 0.0
    server_error: float = 0.0
    events_first: float = 0.0
    hide_order: float = 0.0
    lose_event: float = 0.0
    duplicate_event: float = 0.0
    delay_event: float = 0.0
    reorder_events: float = 0.0
    cut: float = 0.0
    half_close: float = 0.0
    stall: float = 0.0
    shut_down: float = 0.0
    half_open: float = 0.0
    no_data: float = 0.0
    refuse_handshake: float = 0.0
    refuse_logon: float = 0.0
    silent_subscription: float = 0.0
    delay_s_max: float = 5.0
    hide_s_max: float = 30.0
    stall_s_max: float = 5.0

    @property
    def are_any(self) -> bool:
        """Whether anything strikes at all."""
        return any(getattr(self, name) > 0 for name in RATES)

    def mistakes(self) -> Iterator[tuple[str, str, str]]:
        """What is senseless in them: the field, what is wrong with it, and a hint."""
        for name in RATES:
            if not 0 <= getattr(self, name) <= 1:
                yield name, f"{getattr(self, name)} is no probability", "give 0 to 1; one in a hundred is 0.01"
        for names in ALTERNATIVES:
            total = sum(getattr(self, name) for name in names)
            if total > 1:
                hint = f"at most one of these strikes at a time: {', '.join(names)}"
                yield names[0], f"the rates of its kind add up to {total:g}, more than 1", hint
        for name in ("delay_s_max", "hide_s_max", "stall_s_max"):
            if not 0 <= getattr(self, name) <= SECONDS_MAX:
                yield name, f"{getattr(self, name)} is no time to wait", f"give seconds, 0 to {SECONDS_MAX}"


SECONDS_MAX = 3600
RATES = (*_ANSWER_RATES, "events_first", "hide_order", *_EVENT_RATES, *_CONNECTION_RATES, *_STATION_RATES)


class SeededPlan:
    """Draws the faults that requests and events meet; nothing but their order and the seed decides."""

    def __init__(self, rates: FaultRates, random: Random) -> None:
        self._rates = rates
        self._random = random

    def draw(self, kind: type[FaultT], name: str) -> FaultT | None:
        """The fault of this kind that a request of the method `name`, or an event of that kind, meets."""
        makers: Mapping[type[Fault], tuple[Callable[[str], Fault | None], Collection[str]]] = {
            AnswerFault: (self._answer_fault, {*STRUCK_METHODS, LOGON}),
            EventsFirst: (self._events_first, STRUCK_METHODS),
            HideOrder: (self._hiding, PLACING),
            ConnectionFault: (self._connection_fault, STRUCK_METHODS),
            EventFault: (self._event_fault, (STRUCK_EVENT,)),
            HandshakeFault: (self._handshake_fault, DOORS),
            SilentSubscription: (self._silence, SUBSCRIBING),
        }
        make, struck = makers.get(kind, (None, ()))
        fault = make(name) if make is not None and name in struck else None
        return fault if isinstance(fault, kind) else None

    def _events_first(self, method: str) -> EventsFirst | None:
        return EventsFirst(method=method) if self._draw(("events_first",)) is not None else None

    def _hiding(self, method: str) -> HideOrder | None:
        if self._draw(("hide_order",)) is None:
            return None
        return HideOrder(method=method, for_s=self._seconds(self._rates.hide_s_max))

    def _event_fault(self, _kind: str) -> EventFault | None:
        match self._draw(_EVENT_RATES):
            case "lose_event":
                return LoseEvent()
            case "duplicate_event":
                return DuplicateEvent(copies=self._random.randint(1, 3))
            case "delay_event":
                return DelayEvent(delay_s=self._seconds(self._rates.delay_s_max))
            case "reorder_events":
                return ReorderEvents(count=self._random.randint(2, 4))
        return None

    def _handshake_fault(self, _door: str) -> HandshakeFault | None:
        if self._draw_rare("refuse_handshake") is None:
            return None
        retry_after_s = self._random.choice((None, float(self._random.randint(1, 20))))
        return RefuseHandshake(status=self._random.choice(REFUSING), retry_after_s=retry_after_s)

    def _silence(self, method: str) -> SilentSubscription | None:
        if self._draw_rare("silent_subscription") is None:
            return None
        return SilentSubscription(method=method, is_listed=self._random.random() < 0.5)

    def _answer_fault(self, method: str) -> AnswerFault | None:
        if method == LOGON:
            return RefuseLogon() if self._draw_rare("refuse_logon") is not None else None
        match self._draw(_ANSWER_RATES):
            case "lose_request":
                return LoseRequest(method=method)
            case "lose_answer":
                return LoseAnswer(method=method)
            case "delay_answer":
                return DelayAnswer(method=method, delay_s=self._seconds(self._rates.delay_s_max))
            case "garble_answer":
                return GarbleAnswer(method=method)
            case "answer_unknown":
                return self._outcome_fault(AnswerUnknown, method)
            case "server_error":
                return self._outcome_fault(ServerError, method)
        return None

    def _outcome_fault(self, make: type[AnswerUnknown] | type[ServerError], method: str) -> AnswerFault:
        executions: tuple[Execution, ...] = ("now", "never", "later")
        return make(
            method=method,
            execution=self._random.choice(executions),
            execute_after_s=self._seconds(self._rates.delay_s_max),
            answer_after_s=self._seconds(self._rates.delay_s_max),
        )

    def _connection_fault(self, method: str) -> ConnectionFault | None:
        name = self._draw(_CONNECTION_RATES)
        if name is None:
            return None
        moments: tuple[When, ...] = ("before", "after")
        ways: tuple[Way, ...] = ("in", "out")
        when = self._random.choice(moments)
        match name:
            case "cut":
                return Cut(on=method, when=when)
            case "half_close":
                return HalfClose(on=method, when=when, way=self._random.choice(ways))
            case "stall":
                return Stall(on=method, when=when, for_s=self._seconds(self._rates.stall_s_max))
            case "half_open":
                return HalfOpen(on=method, when=when)
            case "no_data":
                lost: tuple[Lost, ...] = get_args(Lost)
                return NoData(on=method, when=when, what=self._random.choice(lost))
        return ShutDown(on=method, when=when, notice_s=self._seconds(self._rates.delay_s_max))

    def _draw(self, names: tuple[str, ...]) -> str | None:
        """One of these, or none, each as often as its rate says."""
        at = self._random.random()
        for name in names:
            at -= getattr(self._rates, name)
            if at < 0:
                return name
        return None

    def _draw_rare(self, name: str) -> str | None:
        """Draws only where the rate is above zero: seeds without it go on as they always did."""
        return self._draw((name,)) if getattr(self._rates, name) else None

    def _seconds(self, longest_s: float) -> float:
        """Whole milliseconds, as the exchange counts."""
        return round(self._random.uniform(0, longest_s), 3)
