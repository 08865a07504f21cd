"""The way out of one socket: a frame goes at once where it can, and else together with those that follow it.

Which messages belong to this socket is decided in connection.py; how bytes get onto the network, in outlet.py and
websocket.py; the task that writes what was not written at once is in writing.py.
"""

from collections import deque

import trio

from dogwatch.actors.transmit import Tag, Transmit
from dogwatch.actors.websocket import WebSocket
from dogwatch.runtime.parking import Parking
from dogwatch.runtime.timers import Timers

__all__ = ["FrameWriter", "WriteCounts"]

WRITE_BYTES_MAX = 65_536
"""How much is joined into one write: pongs that come meanwhile go before the next one."""
WAITING_MAX = 4096
PONGS_WAITING_MAX = 64


class WriteCounts:
    """What the writers of one connection have handed to their sockets, one after the other."""

    __slots__ = ("messages", "writes")

    def __init__(self) -> None:
        self.writes = 0
        self.messages = 0


class FrameWriter:
    """Writes on `socket`, in the order of `write`, pongs first. `keep_writing` is to run as a task of the connection.

    Since the reader was last here, the first message goes out at once, in the step of whoever wants it sent: a request
    alone waits for no pass of the scheduler. Those that follow it are joined into one write in the next pass: a
    hundred requests in flight make two writes and not a hundred. On a stream that cannot write without waiting, all are
    joined. Whatever was handed to the socket, in whole or in part, counts as written.

    A write that the network does not take within `write_within_s` means that the socket is lost.
    """

    def __init__(self, socket: WebSocket, *, timers: Timers, write_within_s: float, counts: WriteCounts) -> None:
        self._socket = socket
        self._outlet = socket.outlet
        self._timers = timers
        self._write_within_s = write_within_s
        self._counts = counts
        self._waiting: deque[Transmit] = deque()
        self._pongs: deque[bytes] = deque()
        self.failure: trio.BrokenResourceError | None = None
        """Why nothing can be written any more, of which the socket does not know yet."""
        self._writing_since_s: float | None = None
        self._is_watched = False
        self.parking = Parking()
        """Where the task that writes waits until there is something to write, or the socket is lost."""
        self.idle = Parking()
        """Where one task waits until all that was to be written has been, or the socket is lost."""
        self.may_write_now = True
        """Whether nothing has been written since the reader was last here. The reader sets it."""

    def write(self, message: Transmit) -> bool:
        """Write it now or soon. False: never, as too many wait."""
        if self.may_write_now and not self._waiting and not self._pongs:
            frame = self._outlet.text_frame(message.payload)
            if self._write_now(frame):
                self._counts.messages += 1
                self.may_write_now = False
                return True
        elif len(self._waiting) >= WAITING_MAX:
            return False
        if not self._waiting:
            self.parking.wake()  # where others wait already, it has been woken for them
        self._waiting.append(message)
        return True

    def write_pong(self, payload: bytes) -> bool:
        """Write a pong before all that waits. False: never, as too many wait."""
        frame = self._outlet.pong_frame(payload)
        if self._pongs or not self._write_now(frame):
            if len(self._pongs) >= PONGS_WAITING_MAX:
                return False
            self._pongs.append(frame)
            self.parking.wake()
        return True

    def unsent(self) -> list[Tag]:
        """The tags of what was never handed to the socket."""
        return [message.tag for message in self._waiting]

    def end(self) -> None:
        """The socket is lost: write no more."""
        self.parking.wake()

    @property
    def is_busy(self) -> bool:
        """Whether something is being written, or to be."""
        return bool(
            self._waiting
            or self._pongs
            or self._outlet.has_rest
            or self.failure is not None
            or self._writing_since_s is not None
        )

    def _write_now(self, frame: bytes) -> bool:
        """Whether it was written now. Nothing is told from in here that would reach whoever is just sending."""
        if self.failure is not None:
            return False
        try:
            written = self._outlet.send_now(frame)
        except trio.BrokenResourceError as error:
            self.failure = error
            written = False
        if written:
            self._counts.writes += 1
        if self.failure is not None or self._outlet.has_rest:
            self.parking.wake()
        return written

    def begin(self) -> bytes:
        """What is to be written next, which counts as written from now on: `finish` when it is, or never will be."""
        frames = self._joined()
        self._counts.writes += 1
        now_s = self._writing_since_s = trio.current_time()
        if not self._is_watched:
            self._watch_until(now_s + self._write_within_s)
        return frames

    def finish(self) -> None:
        """What was begun has come to its end."""
        self._writing_since_s = None
        self.may_write_now = True

    def _joined(self) -> bytes:
        frames = list(self._pongs)
        self._pongs.clear()
        size = sum(map(len, frames))
        while self._waiting and size < WRITE_BYTES_MAX:
            frame = self._outlet.text_frame(self._waiting.popleft().payload)
            self._counts.messages += 1
            size += len(frame)
            frames.append(frame)
        return b"".join(frames)

    def _watch_until(self, due_s: float) -> None:
        # One timer for all writes of that time: a deadline for each would cost more than the write.
        self._is_watched = True
        self._timers.add(due_s, self._look_at_write)

    def _look_at_write(self) -> None:
        self._is_watched = False
        since_s = self._writing_since_s
        if since_s is None or self._socket.is_lost:
            return
        due_s = since_s + self._write_within_s
        if trio.current_time() < due_s:
            self._watch_until(due_s)
        else:
            self._socket.abandon(f"the network has taken no data for {self._write_within_s:g} s")
