"""How often a supervisor restarts and how long it waits before: pure arithmetic, no clock, no randomness of its own."""

import math
from collections import deque
from collections.abc import Callable

import msgspec


class Intensity(msgspec.Struct, frozen=True, kw_only=True):
    """At most `restarts` restarts within any `within_s` seconds; one more and the supervisor gives up."""

    restarts: int = 5
    within_s: float = 60.0

    def problems(self) -> list[str]:
        """What is wrong with it, one sentence each."""
        found = []
        if self.restarts < 0:
            found.append(f"intensity.restarts must be 0 or more, not {self.restarts}")
        if not self.within_s > 0:
            found.append(f"intensity.within_s must be positive, not {self.within_s}")
        return found


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """The wait before a restart: `first_s`, then `factor` times longer each time up to `longest_s`.

    `jitter` is the share of the wait that is left to chance: 0.5 gives between one half and the whole. A life
    that was healthy for `healthy_after_s` begins again at `first_s`.
    """

    first_s: float = 0.1
    longest_s: float = 30.0
    factor: float = 2.0
    jitter: float = 0.5
    healthy_after_s: float = 60.0

    def delay_s(self, attempt: int, random: Callable[[], float]) -> float:
        """The wait before restart number `attempt` (0 is the first) in seconds; `random()` gives [0, 1)."""
        try:
            whole_s = min(self.longest_s, self.first_s * self.factor**attempt)
        except OverflowError:
            whole_s = self.longest_s
        return whole_s * (1.0 - self.jitter * random())

    def problems(self) -> list[str]:
        """What is wrong with it, one sentence each."""
        found = []
        if not 0 <= self.first_s <= self.longest_s < math.inf:
            span = f"first_s ({self.first_s}) must be 0 or more and at most longest_s ({self.longest_s})"
            found.append(f"backoff: {span}")
        if not self.factor >= 1:
            found.append(f"backoff.factor must be 1 or more, not {self.factor}")
        if not 0 <= self.jitter <= 1:
            found.append(f"backoff.jitter must be between 0 and 1, not {self.jitter}")
        if not self.healthy_after_s >= 0:
            found.append(f"backoff.healthy_after_s must be 0 or more, not {self.healthy_after_s}")
        return found


class RestartWindow:
    """The restarts of the last `within_s` seconds, counted against an Intensity."""

    def __init__(self, intensity: Intensity) -> None:
        self._intensity = intensity
        self._times_s: deque[float] = deque()

    def allows_one_more(self, now_s: float) -> bool:
        """Count a restart at `now_s`; False when it is one too many."""
        while self._times_s and self._times_s[0] <= now_s - self._intensity.within_s:
            self._times_s.popleft()
        self._times_s.append(now_s)
        return len(self._times_s) <= self._intensity.restarts


class Attempts:
    """The failures of one child in a row, which decide its back-off."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failures = 0

    def next_delay_s(self, healthy_s: float, random: Callable[[], float]) -> float:
        """The wait after a life that was up for `healthy_s` seconds (0 if it never started)."""
        if healthy_s >= self._backoff.healthy_after_s:
            self._failures = 0
        delay_s = self._backoff.delay_s(self._failures, random)
        self._failures += 1
        return delay_s
