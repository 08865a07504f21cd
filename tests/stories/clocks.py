"""Clocks that are wrong."""

import trio

from dogwatch.runtime.clock import VIRTUAL_START_UNIX_MS, Clock


class WrongClock(Clock):
    """A wall clock that is `ahead_s` off, gains `drift` seconds in a second, and may be set by anybody."""

    def __init__(self, *, ahead_s: float = 0.0, drift: float = 0.0) -> None:
        self.ahead_s = ahead_s
        self._rate = 1.0 + drift
        self._asleep_s = 0.0

    def unix_us(self) -> int:
        return VIRTUAL_START_UNIX_MS * 1000 + round((trio.current_time() * self._rate + self.ahead_s) * 1_000_000)

    def asleep_s(self) -> float:
        return self._asleep_s

    def drift_by(self, drift: float) -> None:
        """From now on it gains so many seconds in a second, as when the system corrects it slowly."""
        rate = 1.0 + drift
        self.ahead_s += trio.current_time() * (self._rate - rate)
        self._rate = rate

    def sleep(self, for_s: float) -> None:
        """The machine was suspended: this clock has gone on, Trio's has not."""
        self._asleep_s += for_s
        self.ahead_s += for_s
