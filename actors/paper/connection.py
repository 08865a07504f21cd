"""One WebSocket connection of the exchange: frames in and out, pings, limits, and how it fails on purpose.

Spoken through wsproto, not through trio-websocket: the exchange has to see every pong with its payload, and writes all
that is queued for a client at once. What frames mean is decided by the client object behind the connection (terms.py).
"""

from collections import deque
from collections.abc import Callable

import trio
from trio.abc import HalfCloseableStream, Stream
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import RemoteProtocolError

from dogwatch.actors.paper.answers import Close
from dogwatch.actors.paper.frames import FrameIntake
from dogwatch.actors.paper.terms import Client, ConnectionRules, ConnectionStatistics, Rejection
from dogwatch.runtime.clock import Clock

CLOSE_GRACE_S = 2.0
RECEIVE_BYTES = 65_536
MESSAGE_BYTES_MAX = 1 << 20
BAD_REQUEST = 400

# Opcodes of RFC 6455, 11.8, and the bit of a frame that is a message of its own.
TEXT, PING, PONG = 0x1, 0x9, 0xA
FINAL = 0x80

GONE = (trio.BrokenResourceError, trio.ClosedResourceError)
"""The client has left."""


class Connection:
    """One client. Frames queue up to a bound in bytes; a client that does not read is cut off, nobody waits for it."""

    def __init__(self, stream: Stream, *, clock: Clock, rules: ConnectionRules) -> None:
        self._stream = stream
        self._clock = clock
        self._rules = rules
        self._websocket = WSConnection(ConnectionType.SERVER)
        self._intake = FrameIntake(self._websocket)
        self._scope = trio.CancelScope()
        self._target = ""
        self.refused_status = 0
        self._is_open = False
        self._frames: deque[tuple[float, bytes]] = deque()
        self._queued_bytes = 0
        self._is_sending = False
        self._is_receiving = False
        self._writer = trio.lowlevel.ParkingLot()
        self._due = trio.CancelScope()
        self._parts: list[str] = []
        self._parts_size = 0
        # Payloads of pings without a pong yet, oldest first, and when they were due.
        self._unanswered: dict[bytes, float] = {}
        self._pings_sent = self._pongs_matched = self._messages_in = self._messages_out = 0
        self._closed_because = ""
        # How it fails on purpose.
        self.has_vanished = False
        self._is_deaf = self._is_mute = False
        self._no_answers_until_s = self._no_events_until_s = self._no_pings_until_s = 0.0
        self._pings_to_skip = 0
        self._stalled_until_s = 0.0
        self._after_stall: list[Callable[[], None]] = []

    def statistics(self) -> ConnectionStatistics:
        return ConnectionStatistics(
            target=self._target,
            is_open=self._is_open,
            pings_sent=self._pings_sent,
            pongs_matched=self._pongs_matched,
            messages_in=self._messages_in,
            messages_out=self._messages_out,
            queued_bytes=self._queued_bytes,
            closed_because=self._closed_because,
        )

    # The handshake.

    async def receive_request(self) -> str | None:
        """The target of the client's handshake; None when the client has left, or has sent something else: that was
        answered with an error, `refused_status`.
        """
        while True:
            data = await self._stream.receive_some(RECEIVE_BYTES)
            if not data:
                return None
            try:
                self._websocket.receive_data(bytes(data))
            except RemoteProtocolError as error:
                hint = error.event_hint or RejectConnection(status_code=BAD_REQUEST)
                self.refused_status = getattr(hint, "status_code", BAD_REQUEST)
                await self._stream.send_all(self._websocket.send(hint))
                return None
            for event in self._websocket.events():
                if isinstance(event, Request):
                    self._target = event.target
                    return event.target

    async def reject(self, rejection: Rejection) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(rejection.body))]
        if rejection.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % rejection.retry_after_s))
        head = RejectConnection(status_code=rejection.status, headers=headers, has_body=True)
        data = self._websocket.send(head) + self._websocket.send(RejectData(data=rejection.body))
        await self._stream.send_all(data)

    async def accept(self) -> None:
        await self._stream.send_all(self._websocket.send(AcceptConnection()))

    # The link: called by the venue, never waits.

    def deliver(self, payload: bytes) -> None:
        """Queue an answer; after the end has begun there is nothing left to say."""
        if self._no_answers_until_s <= 0 or trio.current_time() >= self._no_answers_until_s:
            self._say(payload)

    def tell(self, payload: bytes) -> None:
        """Queue an event."""
        if self._no_events_until_s <= 0 or trio.current_time() >= self._no_events_until_s:
            self._say(payload)

    def _say(self, payload: bytes) -> None:
        if self._websocket.state is ConnectionState.OPEN:
            self._messages_out += 1
            self._put(whole_frame(TEXT, payload))

    def close(self, close: Close) -> None:
        """Queue a close frame after what is queued already; the client has two seconds to read and to answer it."""
        if self._websocket.state is not ConnectionState.OPEN:
            return
        self.note_end(f"closed by the exchange: {close.code} {close.reason}")
        self._put(self._websocket.send(CloseConnection(code=close.code, reason=close.reason)))
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + CLOSE_GRACE_S)

    # Failures on purpose.

    def cut(self) -> None:
        """Break off without a word; what is queued is lost."""
        self.note_end("cut by a fault")
        self._is_deaf = self._is_mute = True
        self._scope.cancel()

    def vanish(self) -> None:
        """As if this end had lost its power: nothing more is sent or read, and the client is not told."""
        self.note_end("vanished by a fault")
        self.has_vanished = True
        self.cut()

    def lose(self, for_s: float, *, answers: bool, events: bool) -> None:
        """What the exchange says is lost for so many seconds, but for pings and pongs."""
        until_s = trio.current_time() + for_s
        if answers:
            self._no_answers_until_s = max(self._no_answers_until_s, until_s)
        if events:
            self._no_events_until_s = max(self._no_events_until_s, until_s)

    def stop_pings(self, *, for_s: float = 0.0, count: int = 0) -> None:
        """Send no pings for so many seconds, and skip so many."""
        self._no_pings_until_s = max(self._no_pings_until_s, trio.current_time() + for_s)
        self._pings_to_skip += count

    def stop_reading(self) -> None:
        """Nothing that comes in is read any more."""
        self._is_deaf = True

    def stop_sending(self) -> None:
        """End the outgoing stream; what is queued is lost. What comes in is still read."""
        self._is_mute = True
        self._frames.clear()
        self._queued_bytes = 0
        self._writer.unpark()

    def stall(self, for_s: float, then: Callable[[], None] | None = None) -> None:
        """Read and send nothing for so many seconds; then comes `then`, before anything else that came in."""
        self._stalled_until_s = max(self._stalled_until_s, trio.current_time() + for_s)
        if then is not None:
            self._after_stall.append(then)

    # The life of the connection.

    async def run(self, client: Client) -> None:
        """Serve the client until either side ends the connection."""
        self._is_open = True
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._keep_alive)
                    await self._read(client)
                    nursery.cancel_scope.cancel()
        except* GONE:
            self.note_end("the client went away")
        finally:
            self._is_open = False

    def note_end(self, reason: str) -> None:
        """The first reason is the one that counts."""
        self._closed_because = self._closed_because or reason

    async def _read(self, client: Client) -> None:
        while self._websocket.state is not ConnectionState.CLOSED:
            data = await self._stream.receive_some(RECEIVE_BYTES)
            if not data:
                self.note_end("the client went away")
                return
            self._is_receiving = True
            try:
                if self._stalled_until_s:
                    await self._sit_out_stall()
                for event in self._intake.take(bytes(data)):
                    self._receive(event, client)
                    if self._stalled_until_s:
                        await self._sit_out_stall()
            finally:
                self._is_receiving = False
            await self._flush()
            if self._is_deaf:
                await trio.sleep_forever()

    def _is_stalled(self) -> bool:
        return self._stalled_until_s > 0 and trio.current_time() < self._stalled_until_s

    async def _sit_out_stall(self) -> None:
        while self._is_stalled():
            await trio.sleep_until(self._stalled_until_s)
            if not self._is_stalled():
                waiting, self._after_stall = self._after_stall, []
                for act in waiting:
                    act()

    def _receive(self, event: str | Event, client: Client) -> None:
        if self._is_deaf or self._websocket.state is ConnectionState.LOCAL_CLOSING:
            return
        match event:
            case str():
                self._messages_in += 1
                client.receive(event)
            case TextMessage():
                self._receive_text(event, client)
            case Pong():
                client.receive_control()
                self._receive_pong(bytes(event.payload))
            case Ping():
                client.receive_control()
                self._put(whole_frame(PONG, bytes(event.payload)))
            case BytesMessage():
                self.close(Close(code=1003, reason="Requests must be sent as JSON in text frames"))
            case CloseConnection() if self._websocket.state is ConnectionState.REMOTE_CLOSING:
                self.note_end(f"closed by the client: {event.code} {event.reason or ''}".rstrip())
                self._put(self._websocket.send(event.response()))
            case CloseConnection():
                # Bytes that are no frames: wsproto says with what they have to be answered.
                self.close(Close(code=event.code, reason=event.reason or ""))

    def _receive_text(self, event: TextMessage, client: Client) -> None:
        self._parts_size += len(event.data)
        if self._parts_size > MESSAGE_BYTES_MAX:
            self.close(Close(code=1009, reason="Message too big"))
            return
        self._parts.append(event.data)
        if event.message_finished:
            message = "".join(self._parts) if len(self._parts) > 1 else event.data
            self._parts.clear()
            self._parts_size = 0
            self._messages_in += 1
            client.receive(message)

    def _receive_pong(self, payload: bytes) -> None:
        if payload not in self._unanswered:
            return
        self._pongs_matched += 1
        # A pong may answer the newest of several pings (RFC 6455, 5.5.3): the older ones count as answered too.
        for older in list(self._unanswered):
            del self._unanswered[older]
            if older == payload:
                break

    async def _keep_alive(self) -> None:
        rules = self._rules
        ping_s = start_s = trio.current_time()
        while True:
            ping_s += rules.ping_every_s
            await trio.sleep_until(ping_s)
            if self._websocket.state is not ConnectionState.OPEN:
                return
            if ping_s - start_s >= rules.life_s_max:
                self.close(Close(code=1001, reason="The connection has reached its greatest age"))
                return
            if ping_s - next(iter(self._unanswered.values()), ping_s) >= rules.pong_within_s:
                self.close(Close(code=1008, reason="Pong timeout"))
                return
            if self._skips_ping(ping_s):
                continue
            payload = str(self._clock.unix_ms()).encode()
            self._unanswered[payload] = ping_s
            self._pings_sent += 1
            self._put(whole_frame(PING, payload))

    def _skips_ping(self, now_s: float) -> bool:
        if now_s < self._no_pings_until_s:
            return True
        if not self._pings_to_skip:
            return False
        self._pings_to_skip -= 1
        return True

    # Writing.

    def _put(self, frame: bytes) -> None:
        if self._is_mute:
            return
        if self._queued_bytes + len(frame) > self._rules.queued_bytes_max:
            self.note_end("the client does not read: its queue is full")
            self._scope.cancel()
            return
        due_s = trio.current_time() + self._rules.latency_s if self._rules.latency_s else 0.0
        self._frames.append((due_s, frame))
        self._queued_bytes += len(frame)
        # The reader flushes by itself when it has handled everything that came in.
        if not self._is_sending and not self._is_receiving:
            self._rouse()

    def _rouse(self) -> None:
        """Have the writer look at what is queued; with a latency not before it is due, which spares it a wake-up."""
        if self._rules.latency_s and self._frames:
            self._due.deadline = min(self._due.deadline, self._frames[0][0])
        else:
            self._writer.unpark()

    async def _write(self) -> None:
        while not self._is_mute:
            if not self._frames or self._is_sending or self._frames[0][0] > trio.current_time():
                with trio.CancelScope() as self._due:
                    if self._frames and not self._is_sending:
                        self._due.deadline = self._frames[0][0]
                    await self._writer.park()
            if self._is_stalled():
                await trio.sleep_until(self._stalled_until_s)
            await self._send_due()
        while self._is_sending:
            await self._writer.park()
        if isinstance(self._stream, HalfCloseableStream):
            await self._stream.send_eof()

    async def _flush(self) -> None:
        """Send from the reader itself: one task switch less on the way of every reply."""
        if not self._frames:
            return
        if self._rules.latency_s or self._is_stalled():
            self._rouse()
        else:
            await self._send_due()

    async def _send_due(self) -> None:
        if self._is_sending:
            return
        self._is_sending = True
        try:
            while not self._is_stalled() and (data := self._take_due()):
                await self._stream.send_all(data)
        finally:
            self._is_sending = False
            if self._is_mute or self._stalled_until_s:
                # What this task leaves undone is the writer's.
                self._writer.unpark()

    def _take_due(self) -> bytes:
        frames = self._frames
        if self._rules.latency_s:
            now_s = trio.current_time()
            due = []
            while frames and frames[0][0] <= now_s:
                due.append(frames.popleft()[1])
        else:
            due = [frame for _, frame in frames]
            frames.clear()
        data = due[0] if len(due) == 1 else b"".join(due)
        self._queued_bytes -= len(data)
        return data


def whole_frame(opcode: int, payload: bytes) -> bytes:
    """A whole, unmasked frame as RFC 6455 writes it."""
    size = len(payload)
    if size < 126:
        return b"%c%c%b" % (FINAL | opcode, size, payload)
    if size < 65_536:
        return b"%c\x7e%b%b" % (FINAL | opcode, size.to_bytes(2), payload)
    return b"%c\x7f%b%b" % (FINAL | opcode, size.to_bytes(8), payload)
