"""Carries out the faults that are armed: between connection and envelope, envelope and engine, engine and listeners.

Requests and events come here only while faults are armed. What each fault does is told in faults.py.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import msgspec

from dogwatch.actors.paper.answers import Answer, Close
from dogwatch.actors.paper.armed_faults import Armed, Chosen, Faults
from dogwatch.actors.paper.calls import Call, Handler, Outcome
from dogwatch.actors.paper.engine_errors import EngineError
from dogwatch.actors.paper.faults import (
    ConnectionFault,
    Cut,
    DelayAnswer,
    DelayEvent,
    DuplicateEvent,
    Fault,
    GarbleAnswer,
    HalfClose,
    HideOrder,
    LoseAnswer,
    LoseRequest,
    OutcomeFault,
    ReorderEvents,
    ShutDown,
    Stall,
)
from dogwatch.actors.paper.nesting import is_too_nested
from dogwatch.actors.paper.protocol import EnvelopeProtocol
from dogwatch.actors.paper.server import Link
from dogwatch.actors.paper.sessions import Session
from dogwatch.actors.paper.user_streams import UserStreams
from dogwatch.runtime.clock import Clock

SHUT_DOWN = Close(code=1001, reason="The server shuts down")

Later = Callable[[float, Callable[[], None]], None]
"""`later(delay_s, act)` calls `act` in so many seconds."""


class Caller(Protocol):
    """The connection that a request came in on."""

    session: Session
    link: Link

    def conclude(self, answer: Answer, *, events_first: bool) -> None:
        """Hand out an answer, and the events that its request has caused."""


class _Envelope(msgspec.Struct):
    method: str
    params: dict[str, Any] = {}


_decode = msgspec.json.Decoder(_Envelope, float_hook=str).decode
_encode = msgspec.json.Encoder().encode


class Request(msgspec.Struct, kw_only=True):
    """A request in the hands of its faults. `is_outcome_hidden`: its true outcome was replaced by an error."""

    message: str
    method: str
    client_order_id: str
    caller: Caller
    chosen: Chosen
    is_outcome_hidden: bool = False


class Interference:
    """Stands in for the plain way of requests and events while faults are armed."""

    def __init__(
        self,
        faults: Faults,
        *,
        protocol: EnvelopeProtocol,
        user_streams: UserStreams,
        clock: Clock,
        settle: Callable[[], None],
        later: Later,
        events_first: bool,
    ) -> None:
        self.faults = faults
        self._protocol = protocol
        self._user_streams = user_streams
        self._clock = clock
        self._settle = settle
        self._later = later
        self._events_first = events_first
        # Events that are held back, by the fault that does it.
        self._held: dict[Armed, list[Callable[[], None]]] = {}

    # Requests.

    def receive(self, message: str, caller: Caller) -> None:
        """A frame from a client."""
        request = self._read(message, caller)
        breaking = _connection_fault(request, "before")
        if breaking is None or self._goes_on_after(breaking, request):
            self._serve(request)
        self.faults.tidy()

    def break_link(self, fault: ConnectionFault, link: Link) -> None:
        """Let this happen to a connection now."""
        match fault:
            case Cut():
                link.cut()
            case HalfClose(way="in"):
                link.stop_reading()
            case HalfClose():
                link.stop_sending()
            case Stall():
                link.stall(fault.for_s)
            case ShutDown():
                link.deliver(_encode({"event": {"e": "serverShutdown", "E": self._clock.unix_ms()}}))
                self._later(fault.notice_s, partial(link.close, SHUT_DOWN))

    def _read(self, message: str, caller: Caller) -> Request:
        method, params = _read(message)
        # What cannot be read meets no fault and is refused as always.
        chosen = self.faults.of_request(method, params) if method else {}
        client_order_id = params.get("origClientOrderId") or params.get("newClientOrderId") or ""
        return Request(
            message=message, method=method, client_order_id=str(client_order_id), caller=caller, chosen=chosen
        )

    def _goes_on_after(self, breaking: Armed, request: Request) -> bool:
        """Break the connection before the request; whether the request is carried out now, all the same."""
        self._strike(breaking, request)
        link = request.caller.link
        match breaking.fault:
            case Stall() as stall:
                link.stall(stall.for_s, then=partial(self._serve_late, request))
                return False
            case ConnectionFault() as fault:
                self.break_link(fault, link)
                return not isinstance(fault, Cut) and not (isinstance(fault, HalfClose) and fault.way == "in")
        return True

    def _serve_late(self, request: Request) -> None:
        self._serve(request)
        self.faults.tidy()

    def _serve(self, request: Request) -> None:
        armed = request.chosen.get("answer")
        if armed is not None and isinstance(armed.fault, LoseRequest):
            self._strike(armed, request)
            return
        session, now_us = request.caller.session, self._clock.unix_us()
        answer = self._protocol.answer(request.message, session, now_us, partial(self._execute, request))
        breaking = _connection_fault(request, "after")
        if breaking is not None and isinstance(breaking.fault, ConnectionFault):
            self._strike(breaking, request)
            self.break_link(breaking.fault, request.caller.link)
        first = request.chosen.get("order of events")
        if first is not None:
            self._strike(first, request)
        self._hand_out(answer, request, events_first=self._events_first or first is not None)

    def _hand_out(self, answer: Answer, request: Request, *, events_first: bool) -> None:
        armed, delay_s = request.chosen.get("answer"), 0.0
        if armed is not None and not isinstance(armed.fault, OutcomeFault):
            self._strike(armed, request)
            answer = _damaged(answer, armed.fault)
            delay_s = armed.fault.delay_s if isinstance(armed.fault, DelayAnswer) else 0.0
        elif armed is not None and isinstance(armed.fault, OutcomeFault) and request.is_outcome_hidden:
            delay_s = armed.fault.answer_after_s
        if delay_s:
            self._settle()
            self._later(delay_s, partial(request.caller.conclude, answer, events_first=False))
        else:
            request.caller.conclude(answer, events_first=events_first)

    def _strike(self, armed: Armed, request: Request) -> None:
        self.faults.strike(armed, method=request.method, client_order_id=request.client_order_id)

    # Between envelope and engine.

    def _execute(self, request: Request, handler: Handler, call: Call) -> Outcome:
        armed = request.chosen.get("answer")
        if armed is None or not isinstance(armed.fault, OutcomeFault):
            return self._carry_out(request, handler, call)
        fault = armed.fault
        self._strike(armed, request)
        request.is_outcome_hidden = True
        if fault.execution == "now":
            self._attempt(request, handler, call)
        elif fault.execution == "later":
            self._later(fault.execute_after_s, partial(self._execute_late, request, handler, call))
        raise EngineError(fault.code, fault.message, fault.status)

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
        hiding = request.chosen.get("visibility")
        if hiding is None:
            return handler(call)
        try:
            outcome = handler(call)
        except EngineError as refusal:
            self._hide(hiding, request, refusal.data)
            raise
        self._hide(hiding, request, outcome.result)
        return outcome

    def _hide(self, hiding: Armed, request: Request, result: Any) -> None:
        """Hide the order that was placed, if one was: a part of order.cancelReplace may have failed."""
        placed = result.get("newOrderResponse", result) if isinstance(result, dict) else None
        if isinstance(placed, dict) and "orderId" in placed and isinstance(hiding.fault, HideOrder):
            self._strike(hiding, request)
            self.faults.hide(placed["symbol"], placed["orderId"], hiding.fault)

    # Events.

    def publish(self, account: str, event: dict[str, Any]) -> None:
        """An account event on its way to those who listen."""
        armed = self.faults.of_event(event)
        tell = partial(self._user_streams.publish, account, event)
        if armed is None:
            tell()
            return
        if isinstance(armed.fault, ReorderEvents):
            self._hold(armed, armed.fault, tell)
            return
        # A canceled order bears a new name; `C` is its own.
        name = event.get("C") or event.get("c") or ""
        self.faults.strike(armed, event=event["e"], client_order_id=name)
        match armed.fault:
            case DuplicateEvent() as fault:
                for _ in range(1 + fault.copies):
                    tell()
            case DelayEvent() as fault:
                self._later(fault.delay_s, tell)
        self.faults.tidy()

    def _hold(self, armed: Armed, fault: ReorderEvents, tell: Callable[[], None]) -> None:
        held = self._held.get(armed)
        if held is None:
            held = self._held[armed] = []
            self._later(fault.within_s, partial(self._release, armed, held))
        held.append(tell)
        if len(held) == fault.count:
            self._release(armed, held)

    def _release(self, armed: Armed, held: list[Callable[[], None]]) -> None:
        if self._held.get(armed) is not held:
            return  # they were told when the last one came
        del self._held[armed]
        for tell in reversed(held):
            tell()
        self.faults.strike(armed, event=armed.fault.kind or "" if isinstance(armed.fault, ReorderEvents) else "")
        self.faults.tidy()


def _read(message: str) -> tuple[str, dict[str, Any]]:
    """Method and parameters of a frame; no method where there is none."""
    if is_too_nested(message):
        return "", {}
    try:
        envelope = _decode(message)
    except (msgspec.DecodeError, UnicodeError):
        return "", {}
    return envelope.method.removeprefix("v3/"), envelope.params


def _connection_fault(request: Request, when: str) -> Armed | None:
    armed = request.chosen.get("connection")
    if armed is not None and isinstance(armed.fault, ConnectionFault) and armed.fault.when == when:
        return armed
    return None


def _damaged(answer: Answer, fault: Fault) -> Answer:
    """The answer as it goes out; what comes before the reply itself is left alone."""
    *before, reply = answer.payloads or (b"",)
    match fault:
        case LoseAnswer():
            return msgspec.structs.replace(answer, payloads=tuple(before))
        case GarbleAnswer():
            return msgspec.structs.replace(answer, payloads=(*before, reply[: len(reply) // 2]))
    return answer
