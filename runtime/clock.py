"""Time for actors: a monotonic clock for deadlines and a wall clock for timestamps, given to actors by constructor.

Sleeping and timeouts belong to Trio. How virtual time advances lives in `testing/virtual_time.py`.
"""

import sys
import time
from abc import ABC, abstractmethod

import trio

VIRTUAL_START_UNIX_MS = 1_767_225_600_000
"""Where a virtual wall clock starts unless told otherwise: 2026-01-01 00:00:00 UTC, in milliseconds."""


class Clock(ABC):
    """What time it is. Two clocks in one: `now_s` never goes back, `unix_*` is what the wall says."""

    @staticmethod
    def system() -> "Clock":
        """The machine's clock. Its wall time may step when the machine is corrected."""
        return _SystemClock()

    @staticmethod
    def virtual(start_unix_ms: int = VIRTUAL_START_UNIX_MS) -> "Clock":
        """A wall clock that is bound to Trio's clock: it reads `start_unix_ms` now and moves as Trio's time moves.

        Call it inside of the run. Two virtual clocks with different starts are two machines whose clocks disagree.
        """
        return _VirtualClock(start_unix_ms)

    now_s = staticmethod(trio.current_time)  # no call in between: every order asks four times
    """Seconds of Trio's monotonic clock: the scale of deadlines. Only differences mean something."""

    def unix_ms(self) -> int:
        """Wall time in whole milliseconds since 1970-01-01 UTC."""
        return self.unix_us() // 1000

    @abstractmethod
    def unix_us(self) -> int:
        """Wall time in whole microseconds since 1970-01-01 UTC."""

    def asleep_s(self) -> float:
        """For how many seconds this machine was suspended and `now_s` stood still; only differences mean something.

        0 where the system does not tell, or where `now_s` goes on meanwhile (Windows).
        """
        return 0.0


class _SystemClock(Clock):
    def unix_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def unix_us(self) -> int:
        return time.time_ns() // 1000

    def asleep_s(self) -> float:
        if sys.platform == "linux":
            goes_on, stands_still = time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC
        elif sys.platform == "darwin":
            goes_on, stands_still = time.CLOCK_MONOTONIC, time.CLOCK_UPTIME_RAW
        else:
            return 0.0
        return time.clock_gettime(goes_on) - time.clock_gettime(stands_still)


class _VirtualClock(Clock):
    def __init__(self, start_unix_ms: int) -> None:
        self._start_unix_us = start_unix_ms * 1000
        self._start_s = trio.current_time()

    def unix_us(self) -> int:
        return self._start_unix_us + round((trio.current_time() - self._start_s) * 1_000_000)
