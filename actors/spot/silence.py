"""When a silence is longer than the pauses of its source explain. Pure; seconds of any one clock.

A socket may be subscribed and deaf; a market may be quiet. Only trying another socket tells them apart, so the pauses
that a source has made are remembered, and a quiet one is suspected less and less often.
"""

SHORTEST_S, LONGEST_S = 60.0, 3_600.0
PAUSES = 2.0
"""How many times its longest pause of late a source may be silent."""
FORGET_S = 3_600.0
"""In this time a remembered pause counts half as much."""


class Silence:
    """Suspects a source that has said nothing for a minute, or for twice as long as it has paused of late."""

    def __init__(self, now_s: float) -> None:
        self._heard_s = now_s
        self._pause_s = 0.0
        self._suspect_s = now_s + SHORTEST_S

    def heard(self, now_s: float) -> None:
        """The source has said something."""
        paused_s = now_s - self._heard_s
        self._pause_s = max(paused_s, self._pause_s * 0.5 ** (paused_s / FORGET_S))
        self._begin(now_s)

    def forget(self, now_s: float) -> None:
        """It could not have said anything until now."""
        self._begin(now_s)

    def lasts_s(self, now_s: float) -> float:
        return now_s - self._heard_s

    def is_suspicious(self, now_s: float) -> bool:
        """Whether to try something. If so, the next time is after twice as long."""
        if now_s < self._suspect_s:
            return False
        self._suspect_s = now_s + min(LONGEST_S, SHORTEST_S + self.lasts_s(now_s))
        return True

    def _begin(self, now_s: float) -> None:
        self._heard_s = now_s
        self._suspect_s = now_s + min(LONGEST_S, max(SHORTEST_S, PAUSES * self._pause_s))
