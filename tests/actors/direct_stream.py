"""A stream in memory that can be written to without waiting, by a network that takes as much as it is told to."""

import trio
import trio.testing
from trio.abc import Stream


class DirectStream(Stream):
    """The client's end; `server` is the other one."""

    def __init__(self) -> None:
        client, self.server = trio.testing.memory_stream_pair()
        self._client = client
        self._rest = b""
        self._room = trio.Event()
        self._room.set()
        self.takes_bytes: int | None = None
        """How much is taken without waiting, from now on; None for everything."""
        self.error: Exception | None = None
        """What the next writes raise."""
        self.writes: list[bytes] = []
        """What each call has brought."""

    def stall(self) -> None:
        """Take nothing until `resume`."""
        self.takes_bytes = 0
        if self._room.is_set():
            self._room = trio.Event()

    def resume(self) -> None:
        """Take everything."""
        self.takes_bytes = None
        self._room.set()

    def send_now(self, data: bytes) -> bool:
        if self._rest:
            raise trio.BusyResourceError
        if self.error is not None:
            raise self.error
        self.writes.append(data)
        taken = len(data) if self.takes_bytes is None else min(len(data), self.takes_bytes)
        self._pass_on(data[:taken])
        self._rest = data[taken:]
        return not self._rest

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))
        rest, self._rest = self._rest + bytes(data), b""
        await trio.lowlevel.checkpoint()
        await self._room.wait()
        if self.error is not None:
            raise self.error
        self._pass_on(rest)

    async def wait_send_all_might_not_block(self) -> None:
        await self._room.wait()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._client.receive_some(max_bytes)

    async def aclose(self) -> None:
        if not self._room.is_set():
            self.error = trio.ClosedResourceError()
            self._room.set()
        await self._client.aclose()

    def _pass_on(self, data: bytes) -> None:
        if data:
            self.server.receive_stream.put_data(data)
