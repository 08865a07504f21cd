"""Where the main thread is, thousands of times a second: counted call stacks, and what the counting costs.

A timer's signal is handled between two instructions of Python: work in C (signing, encoding, a system call) is counted
where it was called from, and a few instructions of a caller may be counted for the function that it calls next. Trio's
loop is not woken by these signals.
"""

import signal
from collections import Counter
from types import CodeType, FrameType, TracebackType
from typing import Self

EVERY_S = 0.000_997
"""Often enough for some thousand samples in some seconds, seldom enough to change little of what is measured."""
LOOP = "unrolled_run"
"""Trio's loop, below which every task runs. What called the loop is of no interest."""

Stack = tuple[CodeType, ...]
"""Innermost first; empty in the loop itself."""


class Sampler:
    """Counts stacks between `start` and `stop`. A context manager around the Trio run; belongs to the main thread."""

    def __init__(self) -> None:
        self.stacks: Counter[Stack] = Counter()
        self._is_on = False
        self._wakeup = -1

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGALRM, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)

    def start(self) -> None:
        """Begin to count. Call it inside the Trio run."""
        self._is_on = True
        self._wakeup = signal.set_wakeup_fd(-1)  # else each signal would send Trio's loop round once
        signal.setitimer(signal.ITIMER_REAL, EVERY_S)

    def stop(self) -> None:
        """Count no more."""
        self._is_on = False
        signal.set_wakeup_fd(self._wakeup)

    def _take(self, _number: int, frame: FrameType | None) -> None:
        codes = []
        while frame is not None and frame.f_code.co_name != LOOP:
            codes.append(frame.f_code)
            frame = frame.f_back
        self.stacks[tuple(codes)] += 1
        if self._is_on:
            signal.setitimer(signal.ITIMER_REAL, EVERY_S)  # not before: no sample is taken of this function
