"""Clocks that are wrong."""

import trio

from dogwatch.runtime.clock import VIRTUAL_START_UNIX_MS, Clock


class WrongClock(Clock):
    """A wall clock that is `ahead_s` off, gains `drift` seconds in a second, and may be set by anybody."""

    def __init__(self, *, ahead_s: float = 0.0, drift: float = 0.0) -> None:
        self.ahead_s = ahead_s
        self._rate = 1.0 + drift

    def unix_us(self) -> int:
        return VIRTUAL_START_UNIX_MS * 1000 + round((trio.current_time() * self._rate + self.ahead_s) * 1_000_000)
