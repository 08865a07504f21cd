"""One client WebSocket from upgrade to end: the only client file that knows trio-websocket and wsproto.

trio-websocket upgrades the stream and drives the reading. Messages, pings and closes never reach its queue: a codec of
ours in front of its wsproto connection hands them over synchronously, as the bytes arrive. When to dial, what to send
and what a message means is not decided here.
"""

import os
from collections.abc import Callable, Iterator
from typing import Protocol, cast

import trio
import trio_websocket
from trio.abc import Stream
from wsproto import WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Event, Ping
from wsproto.utilities import RemoteProtocolError

from dogwatch.actors.connect_errors import NO_WEBSOCKET_HINT, HandshakeRefused, refused_with
from dogwatch.actors.spot.frames import FrameReader, Oversized, encode_pong_frame, encode_text_frame
from dogwatch.actors.spot.retry_after import retry_after_s

__all__ = ["HandshakeRefused", "Sink", "WebSocket", "run_websocket"]

RECEIVE_BYTES = 65_536
RESPONSE_HEAD_BYTES_MAX = 65_536
MASKING_KEYS_PER_DRAW = 1024
REFUSAL_TEXT_MAX = 200
END_OF_HEAD = b"\r\n\r\n"
NORMAL_CLOSURE, MESSAGE_TOO_BIG = 1000, 1009
CLOSABLE = (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING)
"""The states in which this side has not sent its close frame yet."""


class Sink(Protocol):
    """Who hears what arrives. Called synchronously by the reader: must neither block nor raise."""

    def opened(self, socket: "WebSocket", /) -> None:
        """The server has accepted; what it sends comes after this."""

    def received(self, payloads: list[bytes], /) -> None:
        """All messages that one `recv` brought, in order. An empty list is a mere sign of life."""

    def pinged(self, payload: bytes, /) -> None:
        """A ping, to be answered with the same payload."""

    def lost(self, reason: str, /) -> None:
        """The socket is of no use any more. Called once, at the very moment this is known; nothing comes after it."""


class WebSocket:
    """The sending side of an upgraded socket. Made by `run_websocket`."""

    def __init__(
        self, wire: "Wire", connection: trio_websocket.WebSocketConnection, codec: "Codec | None" = None
    ) -> None:
        self._wire = wire
        self._connection = connection
        self._codec = codec
        self._keys = b""
        self._next_key = 0

    @property
    def is_open(self) -> bool:
        """Whether messages may still be sent: the socket is not lost and nobody has begun to close it."""
        closing = self._connection.closed if self._codec is None else self._codec.state is not ConnectionState.OPEN
        return not closing and not self._wire.lost

    @property
    def is_lost(self) -> bool:
        """Whether the sink has been told, or will not be."""
        return self._wire.lost

    @property
    def has_rest(self) -> bool:
        """Whether the network has not taken all of what was given to `send_now` yet: `send` does the rest."""
        return self._wire.has_rest

    @property
    def is_leaving(self) -> bool:
        """Whether this side has begun to close."""
        return self._wire.leaving

    def text_frame(self, payload: bytes) -> bytes:
        """The bytes of one text message, masked with a fresh key."""
        return encode_text_frame(payload, self._fresh_key())

    def pong_frame(self, payload: bytes) -> bytes:
        """The bytes of one pong, masked with a fresh key."""
        return encode_pong_frame(payload, self._fresh_key())

    def send_now(self, frames: bytes) -> bool:
        """Write whole frames without waiting. False: that cannot be done now, and nothing of them was taken. True: they
        count as written, though perhaps not all of them has gone yet (`has_rest`).

        Raises trio.BrokenResourceError when the socket is of no use any more, and then nothing of them has gone. The
        sink has not been told of it: `give_up` does.
        """
        return self._wire.send_now(frames)

    async def send(self, frames: bytes) -> None:
        """Write whole frames with one call, after what `send_now` has left.

        Raises trio.BrokenResourceError when the socket is or gets lost. Cancelled in the middle it leaves half a frame
        behind, so the socket is lost then too.
        """
        await self._wire.send_all(frames)

    async def close(self, reason: str) -> None:
        """Send a close frame and wait until the server has answered it or gone. Give it a deadline."""
        was_open = self.is_open
        self._wire.leaving = True
        if self._codec is None:
            await self._connection.aclose(NORMAL_CLOSURE, reason)
            self._wire.lose(reason)
        elif was_open:
            frame = self._codec.send(CloseConnection(code=NORMAL_CLOSURE, reason=reason))
            try:
                await self._wire.send_all(frame)
            except trio.BrokenResourceError:
                return
        await self._wire.wait_lost()

    def abandon(self, reason: str) -> None:
        """Give the socket up at once, for a reason of ours. A close frame is sent, but nobody waits for the answer."""
        if self._codec is not None and self.is_open:
            self._codec.goodbye = CloseConnection(code=NORMAL_CLOSURE, reason=reason)
        self._wire.lose(reason)

    def give_up(self, failure: trio.BrokenResourceError) -> None:
        """The socket is lost: `send_now` has raised this."""
        self._wire.lose(f"the connection broke: {cause_of(failure)}")

    def _fresh_key(self) -> bytes:
        # Drawn from the system in blocks: one draw per message would cost more than the masking itself.
        offset = self._next_key
        if offset == len(self._keys):
            self._keys = os.urandom(4 * MASKING_KEYS_PER_DRAW)
            offset = 0
        self._next_key = offset + 4
        return self._keys[offset : offset + 4]


async def run_websocket(
    stream: Stream,
    sink: Sink,
    *,
    host: str,
    resource: str,
    message_bytes_max: int,
    close_within_s: float,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Upgrade `stream`, then read until the socket is lost; the stream is closed on return.

    Started means that the server has accepted and the sink has the socket. Nothing of what the server sends is missing,
    however early it came. Raises HandshakeRefused when the server does not accept.
    """
    wire = Wire(stream, sink)
    accepted = False
    refusals: list[HandshakeRefused] = []
    try:
        async with trio.open_nursery() as nursery:
            connection = await trio_websocket.wrap_client_stream(
                nursery,
                cast("trio.SocketStream", wire),  # any stream will do, whatever the annotation says
                host,
                resource,
                receive_buffer_size=RECEIVE_BYTES,
                max_message_size=message_bytes_max,
            )
            codec = install_codec(connection, wire, sink, message_bytes_max)
            if codec is None:
                nursery.start_soon(read_plainly, connection, wire, sink)
            accepted = True
            sink.opened(WebSocket(wire, connection, codec))
            task_status.started()
            wire.open_gate(announce_all=codec is None)
            await wire.wait_lost()
            with trio.move_on_after(close_within_s):
                await wire.say_goodbye(codec)
            nursery.cancel_scope.cancel()
    except* Exception as group:
        if accepted:
            raise
        refusals = [refusal(error, wire.head) for error in leaf_errors(group)]
    finally:
        wire.lose("it was stopped by this side")
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)
    if refusals:
        raise refusals[0]


def install_codec(
    connection: trio_websocket.WebSocketConnection, wire: "Wire", sink: Sink, message_bytes_max: int
) -> "Codec | None":
    """Put our codec where the library keeps its own; None when a later version of the library keeps it elsewhere.

    `_wsproto` is the one private name in use. Without it everything still works, one message at a time.
    """
    inner = getattr(connection, "_wsproto", None)
    if not isinstance(inner, WSConnection):
        return None
    codec = Codec(inner, wire, sink, message_bytes_max)
    setattr(connection, "_wsproto", codec)  # noqa: B010 (assigning it plainly would need a lie about its type)
    return codec


async def read_plainly(connection: trio_websocket.WebSocketConnection, wire: "Wire", sink: Sink) -> None:
    """The path without our codec: the library's queue, one message at a time; the library answers pings by itself."""
    try:
        while True:
            message = await connection.get_message()
            if wire.lost:
                return
            sink.received([message.encode() if isinstance(message, str) else message])
    except trio_websocket.ConnectionClosed as closed:
        if not wire.leaving:
            wire.lose(closed_by_server(closed.reason.code, closed.reason.reason) if closed.reason else "it was closed")


class Codec:
    """Stands in for the library's wsproto connection: what arrives goes to the sink, and nothing to the library."""

    client = True

    def __init__(self, inner: WSConnection, wire: "Wire", sink: Sink, message_bytes_max: int) -> None:
        self._inner = inner
        self._wire = wire
        self._sink = sink
        self._reader: FrameReader[Event] = FrameReader(inner, message_bytes_max=message_bytes_max)
        self.goodbye: CloseConnection | None = None
        """The close frame that we owe the server: an answer to its own, or why we leave."""

    @property
    def state(self) -> ConnectionState:
        return self._inner.state

    def send(self, event: Event) -> bytes:
        return self._inner.send(event)

    def events(self) -> Iterator[Event]:
        return iter(())

    def receive_data(self, data: bytes) -> None:
        for item in self._reader.receive(data):
            if self._wire.lost:
                return
            if isinstance(item, list):
                self._sink.received(item)
            elif isinstance(item, Ping):
                self._sink.pinged(bytes(item.payload))
            elif isinstance(item, Oversized):
                text = f"a message of {item.size_bytes} bytes, more than {item.size_bytes_max}"
                self.goodbye = CloseConnection(code=MESSAGE_TOO_BIG, reason=text)
                self._wire.lose(f"the server sent {text}")
            elif isinstance(item, CloseConnection):
                self._end(item.code, item.reason)

    def _end(self, code: int, reason: str | None) -> None:
        if self.state is ConnectionState.CLOSED:
            self._wire.lose("the close was answered")
            return
        # wsproto reports a broken rule as a close too, but one that nobody sent: its state is open still.
        by_server = self.state is ConnectionState.REMOTE_CLOSING
        self.goodbye = CloseConnection(code=code, reason=reason)
        self._wire.lose(closed_by_server(code, reason) if by_server else f"the server broke the protocol: {reason}")


class NoAnswer(Exception):
    """The stream ended before the upgrade was answered. Not one of Trio's errors: on those the library waits on."""


class Wire(Stream):
    """The stream below the library. Knows at once when it is lost, lets two parties send in turn, and has a gate.

    The gate: what follows the head of the server's 101 response is not passed up before `open_gate()`, so that a server
    that speaks first is heard by our codec and not by the library's queue.
    """

    def __init__(self, stream: Stream, sink: Sink) -> None:
        self._stream = stream
        self._stream_send_now: Callable[[bytes], bool] | None = getattr(stream, "send_now", None)
        self._sink = sink
        self._send_lock = trio.StrictFIFOLock()
        self._gate = trio.Event()
        self._lost = trio.Event()
        self._behind_gate = b""
        self._announce_all = False
        self.head = bytearray()
        """What the server answered to the upgrade."""
        self.upgraded = False
        self.has_rest = False
        """Whether the stream holds a rest of what `send_now` gave it."""
        self.leaving = False
        """Whether this side has begun to close: then that is the reason for every end."""

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    async def wait_lost(self) -> None:
        await self._lost.wait()

    def lose(self, reason: str) -> None:
        if not self._lost.is_set():
            self._lost.set()
            if self._gate.is_set():
                self._sink.lost("closed by this side" if self.leaving else reason)

    def open_gate(self, *, announce_all: bool) -> None:
        """Let the library read on. `announce_all`: tell the sink about every `recv`, as nobody shows it the pings."""
        self._announce_all = announce_all
        self._gate.set()

    async def say_goodbye(self, codec: Codec | None) -> None:
        """Send the close frame that is owed, if any, after what is being sent now."""
        if codec is not None and codec.goodbye is not None and codec.state in CLOSABLE:
            try:
                await self.send_all(codec.send(codec.goodbye))
            except trio.BrokenResourceError:
                pass  # a server that has gone needs no goodbye

    def send_now(self, data: bytes) -> bool:
        send_now = self._stream_send_now
        if send_now is None or self.has_rest or self._send_lock.locked():
            return False
        try:
            self.has_rest = not send_now(data)
        except trio.BusyResourceError:
            return False  # the stream is writing something of its own
        except trio.ClosedResourceError as error:
            raise trio.BrokenResourceError from error
        return True

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            # A lock that is free is taken without the scheduler pass that `async with` costs.
            self._send_lock.acquire_nowait()
        except trio.WouldBlock:
            await self._send_lock.acquire()
        sent = False
        try:
            await self._stream.send_all(data)
            self.has_rest = False
            sent = True
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.lose(f"the connection broke: {cause_of(error)}")
            raise trio.BrokenResourceError from error
        finally:
            self._send_lock.release()
            if not sent:
                self.lose("a write was given up half-way")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if not self.upgraded:
            return await self._receive_head(max_bytes)
        if not self._gate.is_set():  # waiting for an event that is set still costs a scheduler pass
            await self._gate.wait()
        if self._behind_gate:
            data, self._behind_gate = self._behind_gate, b""
            return data
        try:
            received = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.lose(f"the connection broke: {cause_of(error)}")
            raise
        if not received:
            self.lose("the server ended the connection without a close frame")
        elif self._announce_all and not self.lost:
            self._sink.received([])
        return received

    async def aclose(self) -> None:
        self.lose("it was closed")
        await self._stream.aclose()

    async def _receive_head(self, max_bytes: int | None) -> bytes | bytearray:
        """A piece of the answer to the upgrade. What follows the head of a 101 is kept behind the gate."""
        try:
            data = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise NoAnswer from error
        before = len(self.head)
        self.head += data
        if not data or before > RESPONSE_HEAD_BYTES_MAX:
            raise NoAnswer
        end = self.head.find(END_OF_HEAD, max(0, before - len(END_OF_HEAD) + 1))
        if end < 0 or status_of(self.head) != 101:
            return data
        passed = end + len(END_OF_HEAD) - before
        self.upgraded = True
        self._behind_gate = bytes(data[passed:])
        return data[:passed]


def closed_by_server(code: int, reason: str | None) -> str:
    return f"the server closed the connection: {code} {reason or ''}".rstrip()


def cause_of(error: BaseException) -> str:
    """What the system said; Trio puts it below its own error."""
    return str(error.__cause__ or error or type(error).__name__)


def leaf_errors(group: BaseExceptionGroup[Exception]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (leaf_errors(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def status_of(head: bytes | bytearray) -> int:
    """The status of an HTTP/1 response that begins like this, 0 when it is none."""
    digits = bytes(head[9:12])
    return int(digits) if head.startswith(b"HTTP/1.") and digits.isdigit() else 0


def refusal(error: BaseException, head: bytes | bytearray) -> HandshakeRefused:
    """Why there is no WebSocket: from the library's error and what the server has answered so far."""
    status, text = status_of(head), ""
    if isinstance(error, trio_websocket.ConnectionRejected):
        status = error.status_code
        text = " ".join(bytes(error.body or b"").decode(errors="replace").split())[:REFUSAL_TEXT_MAX]
    if status not in (0, 101):
        fields = header_fields(head)
        return refused_with(status, text, retry_after_s(fields.get("retry-after"), date=fields.get("date")))
    if isinstance(error, NoAnswer):
        return HandshakeRefused(
            "the server ended the connection instead of answering the upgrade",
            hint="check that this port serves WebSocket, and whether it expects TLS",
        )
    return HandshakeRefused(
        f"the answer to the upgrade is not a WebSocket's: {what_was_bad(error)}", hint=NO_WEBSOCKET_HINT
    )


def header_fields(head: bytes | bytearray) -> dict[str, str]:
    """The fields of an HTTP/1 response that begins like this, by their names in lower case."""
    lines = bytes(head).partition(END_OF_HEAD)[0].decode("latin-1").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def what_was_bad(error: BaseException) -> str:
    """The library trips over its own answer to a bad response; what was bad is further up the chain."""
    origin: BaseException | None = error
    while origin is not None and not isinstance(origin, RemoteProtocolError):
        origin = origin.__context__
    return str(origin or error)
