"""The terminal: a status line that is rewritten in place, log lines above it, plain lines where there is no terminal.

The loop never waits for the terminal: `show` leaves the newest line in a slot, and a thread writes it. `say` is for
the last words, when the loop has ended: it gives up on a terminal that has stalled.
"""

import select
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from dogwatch.runtime.logs import Patience

CLEAR_LINE = b"\r\x1b[K"
FLUSH_WITHIN_S = 1.0

Write = Callable[[bytes], object]


class Screen:
    """Use as a context manager around the loop. `write` and `write_log` may block and may raise OSError.

    With `in_thread=False` lines are written at the call, for virtual time.
    """

    def __init__(self, write: Write, write_log: Write, *, is_terminal: bool, in_thread: bool = True) -> None:
        self._write = write
        self._write_log = write_log
        self._is_terminal = is_terminal
        self._shown = b""
        self._next: str | None = None
        self._wanted = threading.Event()
        self._ending = False
        self._patience = Patience(FLUSH_WITHIN_S)
        self._lock = threading.Lock()  # between the writing threads; the loop never takes it
        self._thread = threading.Thread(target=self._work, name="screen", daemon=True) if in_thread else None

    def show(self, line: str) -> None:
        """Show this line instead of the one before. Never waits; only the newest line is sure to be shown."""
        self._next = line
        if self._thread is None:
            self._refresh()
        else:
            self._wanted.set()

    def log(self, lines: bytes) -> None:
        """Write whole log lines above the status line. For the writer of the logs: it may block."""
        if not lines:
            return
        with self._lock:
            if self._shown:
                self._write(CLEAR_LINE)
            self._write_log(lines)
            if self._shown:
                self._write(self._shown)

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        if self._thread is not None:
            self._wanted.set()
            self._thread.join(self._patience.left_s())  # a daemon: a stalled terminal does not keep the process alive
        if self._shown and (self._thread is None or not self._thread.is_alive()):
            self._attempt(b"\n")

    def _work(self) -> None:
        while not self._ending:
            self._wanted.wait()
            self._wanted.clear()
            self._refresh()
        self._refresh()  # what came between the last look and the end

    def _refresh(self) -> None:
        line, self._next = self._next, None
        if line is None:
            return
        with self._patience, self._lock:
            if self._is_terminal:
                self._shown = line.encode()
                self._attempt(CLEAR_LINE + self._shown)
            else:
                self._attempt(line.encode() + b"\n")

    def _attempt(self, data: bytes) -> None:
        try:
            self._write(data)
        except OSError:
            self._shown = b""  # nobody reads: the run is worth more than its picture


def say(stream: TextIO, text: str, *, within_s: float) -> bool:
    """Write lines to standard output or error, as long as whoever is at the other end takes them.

    Returns False when he did not take all of them in this time: the rest is not written. Raises OSError.
    """
    deadline_s = time.monotonic() + within_s
    for line in text.splitlines():
        if not _takes_a_line(stream, deadline_s - time.monotonic()):
            return False
        stream.write(f"{line}\n")
        stream.flush()
    return True


def _takes_a_line(stream: TextIO, within_s: float) -> bool:
    """Whether a write of some bytes, 4,096 for a pipe, would not block."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # it is no file: somebody has put another stream in its place
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(max(0.0, within_s) * 1000))
