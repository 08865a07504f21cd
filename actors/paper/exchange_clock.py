"""The exchange's own clock: right, unless somebody makes it jump or drift."""

from dogwatch.runtime.clock import Clock

PPM = 1_000_000


class ExchangeClock(Clock):
    """A wall clock beside another, which is taken for the right one. It steps with `jump` and runs off with `drift`."""

    def __init__(self, right: Clock) -> None:
        self._right = right
        self._is_right = True
        self._ppm = 0.0
        # How far it was ahead when it was last meddled with, and when that was.
        self._ahead_us = 0.0
        self._since_us = 0

    @property
    def ahead_s(self) -> float:
        """How far it is ahead of the right time."""
        return self._ahead_of(self._right.unix_us()) / 1_000_000

    def jump(self, by_s: float) -> None:
        """Step by so many seconds, back if they are negative."""
        self._rebase(by_s)

    def drift(self, ppm: float) -> None:
        """From now on gain so many microseconds in a second, or lose them; 0 ends it. What was gained stays."""
        self._rebase(0.0)
        self._ppm = ppm

    def correct(self) -> None:
        """Be right again, and stay so."""
        self._is_right = True
        self._ahead_us = self._ppm = 0.0

    def unix_us(self) -> int:
        now_us = self._right.unix_us()
        return now_us if self._is_right else now_us + round(self._ahead_of(now_us))

    def _ahead_of(self, now_us: int) -> float:
        return self._ahead_us + (now_us - self._since_us) * self._ppm / PPM

    def _rebase(self, by_s: float) -> None:
        now_us = self._right.unix_us()
        self._ahead_us = self._ahead_of(now_us) + by_s * 1_000_000
        self._since_us = now_us
        self._is_right = False
