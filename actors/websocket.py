"""One client WebSocket from upgrade to end: frames in, frames out, and the moment at which it is lost.

Complete messages are cut out of the received bytes by spot/frames.py and handed over synchronously, as they arrive;
wsproto reads every other frame. When to dial, what to send and what a message means is not decided here.
"""

from typing import Protocol

import trio
from trio.abc import Stream
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import CloseConnection, Event, Ping

from dogwatch.actors.connect_errors import HandshakeRefused
from dogwatch.actors.outlet import Outlet
from dogwatch.actors.spot.frames import FrameReader
from dogwatch.actors.spot.oversized import Oversized
from dogwatch.actors.upgrade import upgrade

__all__ = ["HandshakeRefused", "Sink", "WebSocket", "run_websocket"]

RECEIVE_BYTES = 16_384
"""What is handed over in one step: 120 quotes or 40 answers, so that a ping, or any other task, waits for no more than
a millisecond. Larger pieces made no event cheaper that could be measured."""
NORMAL_CLOSURE, MESSAGE_TOO_BIG = 1000, 1009
CLOSABLE = (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING)
"""The states in which this side has not sent its close frame yet."""


class Sink(Protocol):
    """Who hears what arrives. Called synchronously by the reader: must neither block nor raise."""

    def opened(self, socket: "WebSocket", /) -> None:
        """The server has accepted; what it sends comes after this."""

    def received(self, payloads: list[bytes], /) -> None:
        """All messages that one `recv` brought, in order."""

    def pinged(self, payload: bytes, /) -> None:
        """A ping, to be answered with the same payload."""

    def lost(self, reason: str, /) -> None:
        """The socket is of no use any more. Called once, at the very moment this is known; nothing comes after it."""


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
    socket: WebSocket | None = None
    try:
        early = await upgrade(stream, host=host, resource=resource)
        socket = WebSocket(stream, sink, message_bytes_max=message_bytes_max)
        sink.opened(socket)
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(socket.read, early)
            await socket.wait_lost()
            with trio.move_on_after(close_within_s):
                await socket.say_goodbye()
            nursery.cancel_scope.cancel()
    finally:
        if socket is not None:
            socket.lose("it was stopped by this side")
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)


class WebSocket:
    """An upgraded socket. Made by `run_websocket`, which reads; whoever has it sends, any number of tasks in turn."""

    def __init__(self, stream: Stream, sink: Sink, *, message_bytes_max: int) -> None:
        self._stream = stream
        self._sink = sink
        self._protocol = Connection(ConnectionType.CLIENT)
        self._reader: FrameReader[Event] = FrameReader(self._protocol, message_bytes_max=message_bytes_max)
        self._send_lock = trio.StrictFIFOLock()
        self.outlet = Outlet(getattr(stream, "send_now", None), is_sending=self._send_lock.locked)
        """What makes frames, and writes them where nobody has to wait for that."""
        self._lost = trio.Event()
        self._goodbye: CloseConnection | None = None  # the close frame that we owe: an answer, or why we leave
        self.is_open = True
        """Whether messages may still be sent: the socket is not lost and nobody has begun to close it."""
        self.is_leaving = False
        """Whether this side has begun to close: then that is the reason for every end."""
        self.is_lost = False
        """Whether the sink has been told so."""

    async def send(self, frames: bytes) -> None:
        """Write whole frames with one call, after what the outlet has left.

        Raises trio.BrokenResourceError when the socket is or gets lost. Cancelled in the middle it leaves half a frame
        behind, so the socket is lost then too.
        """
        try:
            # A lock that is free is taken without the scheduler pass that `async with` costs.
            self._send_lock.acquire_nowait()
        except trio.WouldBlock:
            await self._send_lock.acquire()
        sent = False
        try:
            await self._stream.send_all(frames)
            self.outlet.has_rest = False
            sent = True
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.give_up(error)
            raise trio.BrokenResourceError from error
        finally:
            self._send_lock.release()
            if not sent:
                self.lose("a write was given up half-way")

    async def close(self, reason: str) -> None:
        """Send a close frame and wait until the server has answered it or gone. Give it a deadline."""
        was_open = self.is_open
        self.is_leaving, self.is_open = True, False
        if was_open:
            try:
                await self.send(self._protocol.send(CloseConnection(code=NORMAL_CLOSURE, reason=reason)))
            except trio.BrokenResourceError:
                return
        await self.wait_lost()

    def abandon(self, reason: str) -> None:
        """Give the socket up at once, for a reason of ours. A close frame is sent, but nobody waits for the answer."""
        if self.is_open:
            self._goodbye = CloseConnection(code=NORMAL_CLOSURE, reason=reason)
        self.lose(reason)

    def give_up(self, failure: trio.BrokenResourceError | trio.ClosedResourceError) -> None:
        """The socket is lost: its stream, or the outlet, has raised this."""
        self.lose(f"the connection broke: {cause_of(failure)}")

    # For run_websocket.

    async def read(self, early: bytes) -> None:
        """Hand over what arrives, `early` first, until the socket is lost."""
        data: bytes | bytearray = early
        receive_some = self._stream.receive_some
        try:
            while True:
                if data:
                    self._take(data)
                if self.is_lost:
                    return
                data = await receive_some(RECEIVE_BYTES)
                if not data:
                    self.lose("the server ended the connection without a close frame")
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.give_up(error)

    async def wait_lost(self) -> None:
        await self._lost.wait()

    def lose(self, reason: str) -> None:
        """It is of no use any more. The first reason counts."""
        if not self.is_lost:
            self.is_lost, self.is_open = True, False
            self._lost.set()
            self._sink.lost("closed by this side" if self.is_leaving else reason)

    async def say_goodbye(self) -> None:
        """Send the close frame that is owed, if any, after what is being sent now."""
        if self._goodbye is not None and self._protocol.state in CLOSABLE:
            try:
                await self.send(self._protocol.send(self._goodbye))
            except trio.BrokenResourceError:
                pass  # a server that has gone needs no goodbye

    def _take(self, data: bytes | bytearray) -> None:
        for item in self._reader.receive(data):
            if self.is_lost:
                return
            if isinstance(item, list):
                self._sink.received(item)
            elif isinstance(item, Ping):
                self._sink.pinged(bytes(item.payload))
            elif isinstance(item, Oversized):
                text = f"a message of {item.size_bytes} bytes, more than {item.size_bytes_max}"
                self._goodbye = CloseConnection(code=MESSAGE_TOO_BIG, reason=text)
                self.lose(f"the server sent {text}")
            elif isinstance(item, CloseConnection):
                self._end(item.code, item.reason)

    def _end(self, code: int, reason: str | None) -> None:
        if self._protocol.state is ConnectionState.CLOSED:
            self.lose("the close was answered")
            return
        # wsproto reports a broken rule as a close too, but one that nobody sent: its state is open still.
        by_server = self._protocol.state is ConnectionState.REMOTE_CLOSING
        self._goodbye = CloseConnection(code=code, reason=reason)
        self.lose(closed_by_server(code, reason) if by_server else f"the server broke the protocol: {reason}")


def closed_by_server(code: int, reason: str | None) -> str:
    return f"the server closed the connection: {code} {reason or ''}".rstrip()


def cause_of(error: BaseException) -> str:
    """What the system said; Trio puts it below its own error."""
    return str(error.__cause__ or error or type(error).__name__)
