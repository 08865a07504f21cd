"""Where REST requests come in: each goes through the faults to the REST protocol, and its answer back to who waits.

Each request is a connection of its own here, as far as faults are concerned: what strikes a connection strikes it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import trio

from dogwatch.actors.paper.answers import Answer, Close
from dogwatch.actors.paper.breaking import Later
from dogwatch.actors.paper.engine_errors import EngineError
from dogwatch.actors.paper.faults import Door, Shape
from dogwatch.actors.paper.gate import Gate
from dogwatch.actors.paper.request_service import Between
from dogwatch.actors.paper.rest_protocol import RestAnswer, RestProtocol, RestRequest, read_params
from dogwatch.actors.paper.sessions import Session


class RestLink:
    """The way back to the client of one request. `ended` is set with an `answer`, or without one: it was cut."""

    def __init__(self, later: Later) -> None:
        self.ended = trio.Event()
        self.answer: RestAnswer | None = None
        self._later = later
        self._is_mute = False
        self._held_until_s = 0.0

    def conclude(self, answer: RestAnswer) -> None:
        """The answer goes out, unless it is lost, or nobody is there any more."""
        if self._is_mute or self.ended.is_set() or not answer.payloads:
            return
        held_s = self._held_until_s - trio.current_time()
        if held_s > 0:
            self._later(held_s, partial(self._end, answer))
        else:
            self._end(answer)

    def deliver(self, payload: bytes) -> None:
        """Nothing but its answer goes out."""

    def tell(self, payload: bytes) -> None:
        """No event goes out."""

    def close(self, close: Close) -> None:
        self.cut()

    # How it fails on purpose.

    def cut(self) -> None:
        self._end(None)

    def vanish(self) -> None:
        self._is_mute = True

    def stop_reading(self) -> None:
        """There is nothing more to read."""

    def stop_sending(self) -> None:
        self.cut()

    def stall(self, for_s: float, then: Callable[[], None] | None = None) -> None:
        self._held_until_s = trio.current_time() + for_s
        if then is not None:
            self._later(for_s, then)

    def lose(self, for_s: float, *, answers: bool, events: bool) -> None:
        self._is_mute = self._is_mute or answers

    def stop_pings(self, *, for_s: float = 0.0, count: int = 0) -> None:
        """There are none."""

    def _end(self, answer: RestAnswer | None) -> None:
        if not self.ended.is_set():
            self.answer = answer
            self.ended.set()


class RestDoor:
    """Lets requests in. `latency_s` is how long everything takes that the exchange sends."""

    def __init__(self, gate: Gate, protocol: RestProtocol, *, latency_s: float) -> None:
        self.gate = gate
        self.protocol = protocol
        self.latency_s = latency_s

    def receive(self, request: RestRequest, address: str, port: int = 0) -> RestLink:
        """Carry a request out, or let it meet a fault. Its answer comes by the link, at once or later."""
        gate = self.gate
        visit = RestVisit(self, request, address, port)
        if gate.faults.is_armed:
            gate.interference.meet(request.method, _facts(request), request, visit)
        else:
            visit.conclude(visit.answer(request), events_first=gate.events_first)
        return visit.link


class RestVisit:
    """One request and who sent it."""

    to: Door = "api"
    shape: Shape = "api"
    is_logged_on = False
    is_subscribed = False

    def __init__(self, door: RestDoor, request: RestRequest, address: str, port: int) -> None:
        gate = door.gate
        self.link = RestLink(gate.interference.later)
        self.logbook = gate.record.visited(address, port, request.path)
        self._door = door
        self._address = address

    def answer(self, request: RestRequest, between: Between | None = None) -> RestAnswer:
        """What the request brings about."""
        door = self._door
        return door.protocol.answer(request, self._open_session, door.gate.clock.unix_us(), between)

    def conclude(self, answer: Answer, *, events_first: bool) -> None:
        """Hand out an answer, and the events that its request has caused."""
        gate = self._door.gate
        assert isinstance(answer, RestAnswer)
        if events_first:
            gate.settle()
        self.link.conclude(answer)
        gate.settle()
        if answer.status == 418 and gate.protocol.service.is_banned(self._address, gate.clock.unix_ms()):
            gate.drop_address(self._address)

    def silence(self, names: Sequence[object], *, is_listed: bool) -> bool:
        """Nothing is subscribed here."""
        return False

    def end_subscriptions(self, *, is_told: bool) -> None:
        """Nothing is subscribed here."""

    def _open_session(self, in_microseconds: bool) -> Session:
        return Session(
            deliver=self.link.tell,
            connected_since_ms=self._door.gate.clock.unix_ms(),
            address=self._address,
            in_microseconds=in_microseconds,
            logbook=self.logbook,
        )


def _facts(request: RestRequest) -> dict[str, Any]:
    try:
        return read_params(request)
    except EngineError:
        return {}  # it cannot be read and will be refused
