"""Accepts connections and shakes hands with them. What they lead to is decided by the venue (terms.py, gate.py)."""

from collections import deque
from collections.abc import Sequence
from functools import partial

import trio
from trio.abc import Listener, Stream

from dogwatch.actors.paper.connection import GONE, Connection
from dogwatch.actors.paper.faults import (
    AcceptFault,
    CutAccept,
    CutHandshake,
    GarbleHandshake,
    HandshakeFault,
    StallAccept,
    StallHandshake,
)
from dogwatch.actors.paper.record import Attempt
from dogwatch.actors.paper.terms import Client, ConnectionRules, ConnectionStatistics, Rejection, Venue
from dogwatch.runtime.clock import Clock

HANDSHAKE_S_MAX = 10.0
HALF_OPEN_S_MAX = 2 * 3600.0
"""How long the stream of a connection that has vanished is held, so that its client is told nothing."""

SWITCHING_PROTOCOLS = 101
GARBAGE = b"\x00\xff\x15\x03 this is neither TLS nor HTTP\r\n\r\n"


class Server:
    """Serves a venue on any listeners. One connection's trouble is never another's."""

    def __init__(self, venue: Venue, *, clock: Clock, rules: ConnectionRules) -> None:
        self._venue = venue
        self._clock = clock
        self._rules = rules
        self._open: dict[Connection, None] = {}
        self._past: deque[ConnectionStatistics] = deque(maxlen=1000)

    async def serve(
        self,
        listeners: Sequence[Listener[Stream]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept connections until cancelled; the listeners are closed at the end."""
        async with trio.open_nursery() as nursery:
            await nursery.start(
                partial(trio.serve_listeners, self._serve_stream, list(listeners), handler_nursery=nursery)
            )
            task_status.started()

    def statistics(self) -> list[ConnectionStatistics]:
        """The open connections, after the last thousand closed ones; oldest first."""
        return [*self._past, *(connection.statistics() for connection in self._open)]

    async def _serve_stream(self, stream: Stream) -> None:
        attempt, fault = self._venue.accept(*_origin(stream))
        if not await self._passes(fault):
            return
        connection = Connection(stream, clock=self._clock, rules=self._rules)
        client: Client | None = None
        try:
            client = await self._shake_hands(connection, stream, attempt)
            if client is not None:
                self._open[connection] = None
                await connection.run(client)
        except GONE:
            connection.note_end("the client went away")
        finally:
            if client is not None:
                del self._open[connection]
                self._past.append(connection.statistics())
                client.closed()
        if connection.has_vanished:
            await trio.sleep(HALF_OPEN_S_MAX)

    async def _passes(self, fault: AcceptFault | None) -> bool:
        if isinstance(fault, StallAccept):
            await trio.sleep(fault.for_s)
        return not isinstance(fault, CutAccept)

    async def _shake_hands(self, connection: Connection, stream: Stream, attempt: Attempt) -> Client | None:
        with trio.move_on_after(HANDSHAKE_S_MAX):
            target = await connection.receive_request()
            attempt.target = target or ""
        if not attempt.target:
            attempt.status = connection.refused_status
            return None
        answer = self._venue.knock(attempt)
        if isinstance(answer, HandshakeFault):
            if not await self._gets_over(answer, stream):
                return None
            answer = None
        with trio.move_on_after(HANDSHAKE_S_MAX):
            return await self._answer(connection, attempt, answer)
        return None

    async def _gets_over(self, fault: HandshakeFault, stream: Stream) -> bool:
        """Let the fault happen; whether the handshake goes on."""
        match fault:
            case StallHandshake():
                await trio.sleep(fault.for_s)
                return True
            case GarbleHandshake():
                await stream.send_all(GARBAGE)
            case CutHandshake():
                pass  # nothing is said
        return False

    async def _answer(self, connection: Connection, attempt: Attempt, rejection: Rejection | None) -> Client | None:
        opened = rejection or self._venue.open(attempt, connection)
        if isinstance(opened, Rejection):
            attempt.status = opened.status
            await connection.reject(opened)
            return None
        try:
            await connection.accept()
        except BaseException:
            opened.closed()
            raise
        attempt.status = SWITCHING_PROTOCOLS
        return opened


def _origin(stream: Stream) -> tuple[str, int]:
    """The client's address, and the port that it has come to."""
    if not isinstance(stream, trio.SocketStream):
        return getattr(stream, "peer", "memory"), getattr(stream, "port", 0)
    try:
        return str(stream.socket.getpeername()[0]), int(stream.socket.getsockname()[1])
    except OSError:  # it has gone already
        return "gone", 0
