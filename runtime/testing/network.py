"""A network in memory: listeners, connections, and faults in every direction. Works in virtual and in real time.

Streams keep Trio's contract for streams to the letter. One direction of a connection, with its faults, is in `pipe.py`.
"""

import errno
import operator
from collections.abc import Iterable, Iterator
from random import Random

import trio
from trio.abc import HalfCloseableStream, Listener

from dogwatch.runtime.testing.pipe import RECEIVE_BYTES_MAX, Pipe

EPHEMERAL_PORT_FIRST = 49_152
SOURCE = "memory"
"""The address of those who connect without giving one."""


class MemoryStream(HalfCloseableStream):
    """One end of a connection. `peer` is the address of the other end, `port` the one that was connected to."""

    def __init__(self, outgoing: Pipe, incoming: Pipe, name: str, *, peer: str, port: int) -> None:
        self.peer = peer
        self.port = port
        self._outgoing = outgoing
        self._incoming = incoming
        self._name = name
        self._sending = False
        self._receiving = False
        self._closed = False

    def __repr__(self) -> str:
        return f"<MemoryStream {self._name}>"

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._begin_sending()
        try:
            await self._outgoing.send(data)
        finally:
            self._sending = False

    async def wait_send_all_might_not_block(self) -> None:
        self._begin_sending()
        try:
            await self._outgoing.wait_for_room()
        finally:
            self._sending = False

    async def send_eof(self) -> None:
        self._begin_sending()
        try:
            await trio.lowlevel.checkpoint()
            if self._closed:
                raise trio.ClosedResourceError("this stream was closed on this side")
            self._outgoing.close_sender()
        finally:
            self._sending = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        bytes_max = RECEIVE_BYTES_MAX if max_bytes is None else operator.index(max_bytes)
        if bytes_max < 1:
            raise ValueError("max_bytes must be at least 1")
        if self._receiving:
            raise trio.BusyResourceError("another task is already receiving from this stream")
        self._receiving = True
        try:
            return await self._incoming.receive(bytes_max)
        finally:
            self._receiving = False

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close at once, both directions. What was sent before still arrives."""
        self._closed = True
        self._outgoing.close_sender()
        self._incoming.close_receiver()

    def _begin_sending(self) -> None:
        if self._sending:
            raise trio.BusyResourceError("another task is already sending on this stream")
        self._sending = True


class MemoryConnection:
    """A connection as the network sees it: both ends, both directions, and what can go wrong."""

    def __init__(self, host: str, port: int, *, capacity_bytes: int, delay_s: float, source: str = SOURCE) -> None:
        self.host = host
        self.port = port
        self.upstream = Pipe(capacity_bytes=capacity_bytes, delay_s=delay_s)
        """From the client to the server. Put a fault here to have it in this direction only."""
        self.downstream = Pipe(capacity_bytes=capacity_bytes, delay_s=delay_s)
        """From the server to the client."""
        self.client = MemoryStream(self.upstream, self.downstream, f"to {host}:{port}", peer=host, port=port)
        self.server = MemoryStream(self.downstream, self.upstream, f"at {host}:{port}", peer=source, port=port)

    def __repr__(self) -> str:
        return f"<MemoryConnection {self.host}:{self.port}>"

    @property
    def is_closed(self) -> bool:
        """Whether both ends have let go; a cut connection stays open until its ends are closed."""
        return self.upstream.is_closed and self.downstream.is_closed

    def delay(self, delay_s: float) -> None:
        """From now on every byte travels for `delay_s` seconds, in each direction."""
        for pipe in self._pipes():
            pipe.delay_s = delay_s

    def stall(self) -> None:
        """Nothing arrives any more and nobody is told: the way a dead link looks."""
        for pipe in self._pipes():
            pipe.stall()

    def resume(self) -> None:
        """End a stall: what was sent meanwhile arrives."""
        for pipe in self._pipes():
            pipe.resume()

    def split(self, sizes: Iterable[int]) -> None:
        """Receivers get pieces of these sizes in bytes, each direction starting with the first."""
        sizes = list(sizes)
        for pipe in self._pipes():
            pipe.split(sizes)

    def split_randomly(self, *, seed: int, bytes_max: int = 16) -> None:
        """Receivers get pieces of 1 to `bytes_max` bytes, for ever, as `seed` decides."""
        for offset, pipe in enumerate(self._pipes()):
            pipe.split(random_sizes(seed=2 * seed + offset, bytes_max=bytes_max))

    def end(self) -> None:
        """Both sides meet the end of the stream after the bytes under way, as if the other had closed in order."""
        for pipe in self._pipes():
            pipe.end()

    def cut(self, *, lose_in_flight: bool = True) -> None:
        """Break the connection now: sending and receiving raise BrokenResourceError on both sides.

        With `lose_in_flight=False` the receivers first get the bytes that are under way.
        """
        for pipe in self._pipes():
            pipe.cut(lose_in_flight=lose_in_flight)

    def abandon(self) -> None:
        """Let go of both ends."""
        self.client.close()
        self.server.close()

    def _pipes(self) -> tuple[Pipe, Pipe]:
        return self.upstream, self.downstream


class MemoryListener(Listener[MemoryStream]):
    """Where connections to one host and port arrive."""

    def __init__(self, network: "MemoryNetwork", host: str, port: int, backlog: int) -> None:
        self.host = host
        self.port = port
        self._network = network
        self._closed = False
        self._arrive, self._arrivals = trio.open_memory_channel[MemoryConnection](backlog)

    def __repr__(self) -> str:
        return f"<MemoryListener {self.host}:{self.port}>"

    async def accept(self) -> MemoryStream:
        """The next connection. Raises ClosedResourceError once this listener is closed."""
        return (await self._arrivals.receive()).server

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Refuse new connections from now on; those that nobody accepted are cut, the accepted ones live on."""
        self._closed = True
        self._network.forget_listener(self)
        while True:
            try:
                self._arrivals.receive_nowait().cut()
            except (trio.WouldBlock, trio.ClosedResourceError):
                break
        self._arrivals.close()

    async def arrive(self, connection: MemoryConnection) -> None:
        """Queue a connection for `accept`; waits while the backlog is full. BrokenResourceError once closed."""
        await self._arrive.send(connection)
        if self._closed:  # let in only to be cut
            raise trio.BrokenResourceError("this listener was closed")


class MemoryNetwork:
    """Hosts and ports that exist in this process only.

    New connections carry `delay_s` (seconds per direction) and hold at most `capacity_bytes` under way per direction.
    While `reachable` is False every attempt to connect is refused.
    """

    def __init__(self, *, delay_s: float = 0.0, capacity_bytes: int = 65_536) -> None:
        self.delay_s = delay_s
        self.capacity_bytes = capacity_bytes
        self.reachable = True
        self._connections: list[MemoryConnection] = []
        self._listeners: dict[tuple[str, int], MemoryListener] = {}

    @property
    def connections(self) -> list[MemoryConnection]:
        """Those that at least one end still holds, oldest first: `connections[-1].cut()` breaks the newest."""
        self._connections = [connection for connection in self._connections if not connection.is_closed]
        return list(self._connections)

    def listen(self, host: str = "localhost", port: int = 0, *, backlog: int = 128) -> MemoryListener:
        """Accept connections to `host` and `port`; port 0 picks a free one (see `.port` of the listener).

        Raises OSError (EADDRINUSE) when somebody listens there already.
        """
        if port == 0:
            port = EPHEMERAL_PORT_FIRST
            while (host, port) in self._listeners:
                port += 1
        if (host, port) in self._listeners:
            raise OSError(errno.EADDRINUSE, f"somebody listens on {host}:{port} already")
        listener = MemoryListener(self, host, port, backlog)
        self._listeners[host, port] = listener
        return listener

    async def connect(self, host: str, port: int, *, source: str = SOURCE) -> MemoryStream:
        """A stream to whoever listens there; takes one round trip. `source` is the address that they see.

        Raises ConnectionRefusedError (an OSError) when nobody listens or the network is not reachable.
        """
        await trio.sleep(2 * self.delay_s)
        listener = self._listeners.get((host, port)) if self.reachable else None
        if listener is None:
            raise _refused(host, port)
        connection = MemoryConnection(
            host, port, capacity_bytes=self.capacity_bytes, delay_s=self.delay_s, source=source
        )
        self._connections = [*self.connections, connection]
        try:
            await listener.arrive(connection)
        except trio.BrokenResourceError:
            connection.abandon()
            raise _refused(host, port) from None
        except trio.Cancelled:
            connection.abandon()
            raise
        return connection.client

    def cut_all(self, *, lose_in_flight: bool = True) -> None:
        """Break every connection, as when a cable is pulled. New ones are possible while `reachable`."""
        for connection in self.connections:
            connection.cut(lose_in_flight=lose_in_flight)

    def forget_listener(self, listener: MemoryListener) -> None:
        """Free the host and port of a listener that closes."""
        if self._listeners.get((listener.host, listener.port)) is listener:
            del self._listeners[listener.host, listener.port]


def random_sizes(*, seed: int, bytes_max: int) -> Iterator[int]:
    """Endless piece sizes of 1 to `bytes_max`; the same seed gives the same sizes."""
    random = Random(seed)  # repeatable on purpose, guards no secret
    while True:
        yield random.randint(1, bytes_max)


def _refused(host: str, port: int) -> ConnectionRefusedError:
    return ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens on {host}:{port}")
