"""Carries out the faults that are armed: between connection and envelope, envelope and engine, engine and listeners.

Requests and events come here only while faults are armed. What each fault does is told in faults.py.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from dogwatch.actors.paper.answers import Answer
from dogwatch.actors.paper.armed_faults import Armed, Faults
from dogwatch.actors.paper.breaking import Breakable, Later, break_connection, is_dead_after
from dogwatch.actors.paper.calls import Call, Handler, Outcome
from dogwatch.actors.paper.engine_errors import EngineError
from dogwatch.actors.paper.faults import (
    STREAM_SUBSCRIBING,
    SUBSCRIBING,
    AnswerFault,
    ConnectionFault,
    DelayAnswer,
    DelayEvent,
    DuplicateEvent,
    EventFault,
    EventsFirst,
    Fault,
    GarbleAnswer,
    HideOrder,
    LoseAnswer,
    LoseRequest,
    OutcomeFault,
    RefuseRequest,
    ReorderEvents,
    SilentSubscription,
    Stall,
)
from dogwatch.actors.paper.nesting import is_too_nested
from dogwatch.actors.paper.request_service import Between
from dogwatch.actors.paper.user_streams import UserStreams
from dogwatch.runtime.clock import Clock

FaultT = TypeVar("FaultT", bound=Fault)


class Caller(Breakable, Protocol):
    """The connection that a request came in on."""

    def answer(self, message: Any, between: Between, /) -> Answer:
        """What the request brings about; `between` stands before the engine."""
        ...

    def silence(self, names: Sequence[object], *, is_listed: bool) -> bool:
        """Tell nothing to these subscriptions; false where none of them was open."""
        ...

    def conclude(self, answer: Answer, *, events_first: bool) -> None:
        """Hand out an answer, and the events that its request has caused."""


class _Envelope(msgspec.Struct):
    method: str
    params: dict[str, Any] | list[Any] = {}


_decode = msgspec.json.Decoder(_Envelope, float_hook=str).decode


class Request(msgspec.Struct, kw_only=True):
    """A request as it came, and the faults that it meets. `is_outcome_hidden`: an error stands in for its true outcome.
    `is_hiding_struck`: `hiding` is counted already.
    """

    message: Any
    method: str
    params: dict[str, Any]
    caller: Caller
    answering: Armed[AnswerFault] | None = None
    hiding: Armed[HideOrder] | None = None
    silencing: Armed[SilentSubscription] | None = None
    is_outcome_hidden: bool = False
    is_hiding_struck: bool = False

    @property
    def client_order_id(self) -> str:
        return str(self.params.get("origClientOrderId") or self.params.get("newClientOrderId") or "")


class Interference:
    """Stands in for the plain way of requests and events while faults are armed."""

    def __init__(
        self,
        faults: Faults,
        *,
        user_streams: UserStreams,
        clock: Clock,
        settle: Callable[[], None],
        later: Later,
        events_first: bool,
    ) -> None:
        self.faults = faults
        self._user_streams = user_streams
        self._clock = clock
        self._settle = settle
        self.later = later
        self._events_first = events_first
        # Events that are held back, by the fault that does it.
        self._held: dict[Armed[Any], list[Callable[[], None]]] = {}

    # Requests.

    def receive(self, message: str, caller: Caller) -> None:
        """A frame from a client."""
        method, params = _read(message)
        self.meet(method, params, message, caller)

    def meet(self, method: str, params: dict[str, Any], message: Any, caller: Caller) -> None:
        """A request from a client, whatever its form; without a method where it cannot be read."""
        request = Request(message=message, method=method, params=params, caller=caller)
        breaking = self._choose(ConnectionFault, request)
        if breaking is None or breaking.fault.when == "after":
            self._serve(request, breaking)
        elif self._goes_on_after(breaking, request):
            self._serve(request)
        self.faults.tidy()

    def _choose(self, kind: type[FaultT], request: Request) -> Armed[FaultT] | None:
        # What cannot be read meets no fault and is refused as always.
        return self.faults.choose(kind, request.method, request.params) if request.method else None

    def _break(self, fault: ConnectionFault, request: Request) -> None:
        break_connection(fault, request.caller, self._clock, self.later)

    def _goes_on_after(self, breaking: Armed[ConnectionFault], request: Request) -> bool:
        """Break the connection before the request; whether the request is carried out now, all the same."""
        self._strike(breaking, request)
        fault = breaking.fault
        if isinstance(fault, Stall):
            request.caller.link.stall(fault.for_s, then=partial(self._serve_late, request))
            return False
        self._break(fault, request)
        return not is_dead_after(fault)

    def _serve_late(self, request: Request) -> None:
        self._serve(request)
        self.faults.tidy()

    def _serve(self, request: Request, breaking: Armed[ConnectionFault] | None = None) -> None:
        request.answering = self._choose(AnswerFault, request)
        request.hiding = self._choose(HideOrder, request)
        request.silencing = self._choose(SilentSubscription, request)
        first = self._choose(EventsFirst, request)
        if request.answering is not None and isinstance(request.answering.fault, LoseRequest):
            self._strike(request.answering, request)
            return
        answer = request.caller.answer(request.message, partial(self._execute, request))
        if request.method == STREAM_SUBSCRIBING and isinstance(names := request.params.get("params"), list):
            self._silence(request, names)
        if breaking is not None:
            self._strike(breaking, request)
            self._break(breaking.fault, request)
        if first is not None:
            self._strike(first, request)
        self._hand_out(answer, request, events_first=self._events_first or first is not None)

    def _hand_out(self, answer: Answer, request: Request, *, events_first: bool) -> None:
        delay_s = 0.0
        if request.is_outcome_hidden:
            assert request.answering is not None
            assert isinstance(request.answering.fault, OutcomeFault)
            delay_s = request.answering.fault.answer_after_s
        elif request.answering is not None and not isinstance(request.answering.fault, OutcomeFault):
            self._strike(request.answering, request)
            answer = _damaged(answer, request.answering.fault)
            delay_s = request.answering.fault.delay_s if isinstance(request.answering.fault, DelayAnswer) else 0.0
        if delay_s:
            self._settle()
            self.later(delay_s, partial(request.caller.conclude, answer, events_first=False))
        else:
            request.caller.conclude(answer, events_first=events_first)

    def _strike(self, armed: Armed[Any], request: Request) -> None:
        self.faults.strike(armed, method=request.method, client_order_id=request.client_order_id)

    # Between envelope and engine.

    def _execute(self, request: Request, handler: Handler, call: Call) -> Outcome:
        if request.answering is None or not isinstance(request.answering.fault, OutcomeFault):
            return self._carry_out(request, handler, call)
        fault = request.answering.fault
        self._strike(request.answering, request)
        request.is_outcome_hidden = True
        if fault.execution == "now":
            self._attempt(request, handler, call)
        elif fault.execution == "later":
            if request.hiding is not None:
                # It is this order that it strikes, not one that overtakes it.
                self._strike(request.hiding, request)
                request.is_hiding_struck = True
            self.later(fault.execute_after_s, partial(self._execute_late, request, handler, call))
        raise EngineError(fault.code, fault.message, fault.status, self._advice(fault))

    def _advice(self, fault: OutcomeFault) -> dict[str, Any] | None:
        """When it may be tried again."""
        if not isinstance(fault, RefuseRequest) or fault.retry_after_s is None:
            return None
        now_ms = self._clock.unix_ms()
        return {"serverTime": now_ms, "retryAfter": now_ms + round(fault.retry_after_s * 1000)}

    def _execute_late(self, request: Request, handler: Handler, call: Call) -> None:
        self._attempt(request, handler, msgspec.structs.replace(call, now_ms=self._clock.unix_ms()))
        self._settle()

    def _attempt(self, request: Request, handler: Handler, call: Call) -> None:
        """Nobody is told what comes of it."""
        try:
            self._carry_out(request, handler, call)
        except EngineError:
            pass  # refused: it leaves no trace

    def _carry_out(self, request: Request, handler: Handler, call: Call) -> Outcome:
        if self.faults.hidden:
            handler = partial(self.faults.hidden.answer, request.method, handler)
        try:
            outcome = handler(call)
        except EngineError as refusal:
            self._hide(request, refusal.data)
            raise
        self._hide(request, outcome.result)
        if request.method in SUBSCRIBING:
            self._silence(request, [outcome.result["subscriptionId"]])
        return outcome

    def _silence(self, request: Request, names: Sequence[object]) -> None:
        silencing = request.silencing
        if silencing is not None and request.caller.silence(names, is_listed=silencing.fault.is_listed):
            self._strike(silencing, request)

    def _hide(self, request: Request, result: Any) -> None:
        """Hide the order that was placed, if one was: a part of order.cancelReplace may have failed."""
        placed = result.get("newOrderResponse", result) if isinstance(result, dict) else None
        if request.hiding is None or not isinstance(placed, dict) or "orderId" not in placed:
            return
        if not request.is_hiding_struck:
            self._strike(request.hiding, request)
        self.faults.hide(placed["symbol"], placed["orderId"], request.hiding.fault)

    # Events.

    def publish(self, account: str, event: dict[str, Any]) -> None:
        """An account event on its way to those who listen."""
        armed = self.faults.choose(EventFault, event["e"], event)
        tell = partial(self._user_streams.publish, account, event)
        if armed is None:
            tell()
            return
        if isinstance(armed.fault, ReorderEvents):
            self._hold(armed, armed.fault, event["e"], tell)
            return
        # A canceled order bears a new name; `C` is its own.
        name = event.get("C") or event.get("c") or ""
        self.faults.strike(armed, event=event["e"], client_order_id=name)
        match armed.fault:
            case DuplicateEvent() as fault:
                for _ in range(1 + fault.copies):
                    tell()
            case DelayEvent() as fault:
                self.later(fault.delay_s, tell)
        self.faults.tidy()

    def _hold(self, armed: Armed[Any], fault: ReorderEvents, kind: str, tell: Callable[[], None]) -> None:
        held = self._held.get(armed)
        if held is None:
            held = self._held[armed] = []
            self.later(fault.within_s, partial(self._release, armed, kind, held))
        held.append(tell)
        if len(held) == fault.count:
            self._release(armed, kind, held)

    def _release(self, armed: Armed[Any], kind: str, held: list[Callable[[], None]]) -> None:
        if self._held.get(armed) is not held:
            return  # they were told when the last one came
        del self._held[armed]
        for tell in reversed(held):
            tell()
        self.faults.strike(armed, event=kind)
        self.faults.tidy()


def _read(message: str) -> tuple[str, dict[str, Any]]:
    """Method and parameters of a frame; no method where there is none."""
    if is_too_nested(message):
        return "", {}
    try:
        envelope = _decode(message)
    except (msgspec.DecodeError, UnicodeError):
        return "", {}
    params = envelope.params
    return envelope.method.removeprefix("v3/"), params if isinstance(params, dict) else {"params": params}


def _damaged(answer: Answer, fault: AnswerFault) -> Answer:
    """The answer as it goes out; what comes before the reply itself is left alone."""
    if not answer.payloads:
        return answer
    *before, reply = answer.payloads
    match fault:
        case LoseAnswer():
            return msgspec.structs.replace(answer, payloads=tuple(before))
        case GarbleAnswer():
            return msgspec.structs.replace(answer, payloads=(*before, reply[: len(reply) // 2]))
    return answer
