"""One direction of a connection in memory: bytes in order, with a bound, a delay, and faults that can be put in.

Closing follows TCP: the end of one side reaches the other after the delay, like any byte. The two-way stream and the
network are in `network.py`.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from math import inf

import trio
from trio.lowlevel import ParkingLot

RECEIVE_BYTES_MAX = 65_536


class Pipe:
    """What one side sends and the other receives. Tests use its faults; streams use the rest."""

    def __init__(self, *, capacity_bytes: int, delay_s: float) -> None:
        self.delay_s = delay_s
        """How long a byte travels, in seconds. Bytes that are already under way keep the delay they were sent with."""
        self.bytes_sent = 0
        self.bytes_received = 0
        self._capacity_bytes = capacity_bytes
        self._chunks: deque[tuple[float, memoryview]] = deque()  # (arrives_at_s, bytes), oldest first
        self._bytes_held = 0
        self._sizes: Iterator[int] = iter(())
        self._stalled = False
        # A state that begins at a moment is stored as that moment: inf means never.
        self._ended_at_s = inf  # the receiver meets the end of the stream, once it has read everything
        self._unread_at_s = inf  # the sender learns that nobody reads
        self._broken = False
        self._sender_closed = False
        self._receiver_closed = False
        self._senders = ParkingLot()
        self._receivers = ParkingLot()

    # Faults

    def stall(self) -> None:
        """Deliver nothing from now on, and say nothing: the sender goes on until `capacity_bytes` are under way."""
        self._stalled = True

    def resume(self) -> None:
        """Deliver again what was stalled."""
        self._stalled = False
        if self._receiver_closed:
            self._turn_away()
        self._wake_both()

    def split(self, sizes: Iterable[int]) -> None:
        """Hand over at most the next of `sizes` at every receive; after the last one as much as there is."""
        self._sizes = iter(sizes)

    def end(self) -> None:
        """Half-close: the receiver meets the end of the stream, the sender meets BrokenResourceError."""
        self._unread_at_s = min(self._unread_at_s, trio.current_time())
        self._end_for_receiver()
        self._wake_both()

    def cut(self, *, lose_in_flight: bool) -> None:
        """Both sides meet BrokenResourceError: the receiver at once, or after the bytes that are under way."""
        self._broken = True
        self._stalled = False
        self._unread_at_s = min(self._unread_at_s, trio.current_time())
        if lose_in_flight:
            self._discard()
        self._end_for_receiver()
        self._wake_both()

    # The sender's side

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Put all of `data` on the way; waits while `capacity_bytes` are under way."""
        rest = memoryview(bytes(data))
        await trio.lowlevel.checkpoint()
        while True:
            self._check_sender()
            taken = rest[: self._room()]
            if taken:
                self._put(taken)
                rest = rest[len(taken) :]
            if not rest:
                return
            await self._park(self._senders, self._unread_at_s)

    async def wait_for_room(self) -> None:
        """Returns when `send` can put at least one byte on the way, or would raise."""
        await trio.lowlevel.checkpoint()
        while not self._sender_closed and trio.current_time() < self._unread_at_s and not self._room():
            await self._park(self._senders, self._unread_at_s)
        if self._sender_closed:
            raise trio.ClosedResourceError("this stream was closed on this side")

    def close_sender(self) -> None:
        """No more bytes will come; the receiver meets the end after those that are under way."""
        if not self._sender_closed:
            self._sender_closed = True
            self._end_for_receiver()
            self._wake_both()

    # The receiver's side

    async def receive(self, bytes_max: int) -> bytes:
        """What has arrived, at most `bytes_max`; b"" at the end of the stream. Waits while there is nothing."""
        is_checkpoint_passed = False
        while True:
            ready_at_s, now_s = self._ready_at_s(), trio.current_time()
            if ready_at_s > now_s:
                await self._park(self._receivers, ready_at_s)
            elif is_checkpoint_passed:
                return self._hand_over(bytes_max, now_s)
            else:
                await trio.lowlevel.checkpoint()
            is_checkpoint_passed = True

    def close_receiver(self) -> None:
        """Nobody reads any more; the sender learns it one delay later, and what it sends meanwhile is lost."""
        if not self._receiver_closed:
            self._receiver_closed = True
            if not self._stalled:  # what does not arrive cannot be turned away either
                self._turn_away()
            self._wake_both()

    @property
    def is_closed(self) -> bool:
        """Whether both ends have let go."""
        return self._sender_closed and self._receiver_closed

    # Helpers

    def _check_sender(self) -> None:
        if self._sender_closed:
            raise trio.ClosedResourceError("this stream was closed on this side")
        if self._unread_at_s <= trio.current_time():
            raise trio.BrokenResourceError("the other side is gone")

    def _room(self) -> int:
        return self._capacity_bytes - self._bytes_held

    def _put(self, data: memoryview) -> None:
        self.bytes_sent += len(data)
        arrives_at_s = trio.current_time() + self.delay_s
        if self._chunks:
            arrives_at_s = max(arrives_at_s, self._chunks[-1][0])  # never overtakes
        self._chunks.append((arrives_at_s, data))
        self._bytes_held += len(data)
        self._receivers.unpark_all()

    def _ready_at_s(self) -> float:
        """When the receiver gets something: bytes, the end, or an error."""
        if self._receiver_closed:
            return -inf
        if self._stalled:
            return inf
        return self._chunks[0][0] if self._chunks else self._ended_at_s

    def _hand_over(self, bytes_max: int, now_s: float) -> bytes:
        if self._receiver_closed:
            raise trio.ClosedResourceError("this stream was closed on this side")
        if self._chunks:
            return self._take(min(bytes_max, next(self._sizes, bytes_max)), now_s)
        if self._broken:
            raise trio.BrokenResourceError("the connection was cut")
        return b""

    def _take(self, bytes_max: int, now_s: float) -> bytes:
        """Like a socket: what came in several pieces may be handed over as one."""
        parts: list[memoryview] = []
        wanted = bytes_max
        while wanted and self._chunks and self._chunks[0][0] <= now_s:
            arrives_at_s, data = self._chunks.popleft()
            if len(data) > wanted:
                self._chunks.appendleft((arrives_at_s, data[wanted:]))
                data = data[:wanted]
            wanted -= len(data)
            parts.append(data)
        taken = b"".join(parts)
        self._bytes_held -= len(taken)
        self.bytes_received += len(taken)
        self._senders.unpark_all()
        return taken

    def _end_for_receiver(self) -> None:
        ended_at_s = trio.current_time() + (0.0 if self._broken else self.delay_s)
        self._ended_at_s = min(self._ended_at_s, ended_at_s)

    def _turn_away(self) -> None:
        self._discard()
        self._unread_at_s = min(self._unread_at_s, trio.current_time() + self.delay_s)

    def _discard(self) -> None:
        self._chunks.clear()
        self._bytes_held = 0

    def _wake_both(self) -> None:
        self._senders.unpark_all()
        self._receivers.unpark_all()

    async def _park(self, lot: ParkingLot, until_s: float) -> None:
        if until_s == inf:
            await lot.park()
            return
        with trio.move_on_at(until_s):
            await lot.park()
