"""When to dial again: decorrelated back-off, what the server asked for, and the exchange's budget of attempts. Pure.

Who dials, and what a failure was, is in connection.py.
"""

import math
from collections import deque
from random import Random

__all__ = ["AttemptBudget", "Redial"]


class AttemptBudget:
    """At most `attempts_max` connection attempts in any `within_s` seconds (WebSocket API, General information: 300 in
    5 minutes per IP address). Share one among all connections that leave this machine for the same exchange."""

    def __init__(self, *, attempts_max: int = 300, within_s: float = 300.0) -> None:
        self._within_s = within_s
        self._attempts_s: deque[float] = deque(maxlen=attempts_max)
        self._barred_until_s = -math.inf

    def bar(self, until_s: float) -> None:
        """The exchange wants to see no attempt of this machine before then, whichever connection it was told."""
        self._barred_until_s = max(self._barred_until_s, until_s)

    def take(self, now_s: float) -> float:
        """Book the next attempt that is possible; returns in how many seconds that is, most often 0."""
        attempts_s = self._attempts_s
        is_full = len(attempts_s) == attempts_s.maxlen
        at_s = max(now_s, self._barred_until_s, attempts_s[0] + self._within_s if is_full else now_s)
        attempts_s.append(at_s)
        return at_s - now_s


class Redial:
    """Delays between the attempts of one connection, in seconds.

    Each is drawn between `first_s` and three times the one before, up to `longest_s`, so that many clients that lost
    the same server do not come back as one. After a connection that held for `healthy_after_s` it begins anew.
    """

    def __init__(
        self,
        *,
        first_s: float = 0.25,
        longest_s: float = 30.0,
        healthy_after_s: float = 60.0,
        random: Random | None = None,
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._healthy_after_s = healthy_after_s
        self._random = random or Random()
        self._previous_s = first_s

    def next_delay_s(self, *, held_s: float = 0.0, asked_s: float = 0.0) -> float:
        """How long to wait after a failed attempt, or after a connection that held for `held_s` seconds.

        `asked_s` is what the server asked for (Retry-After); the delay is never less than that.
        """
        if held_s >= self._healthy_after_s:
            self._previous_s = self._first_s
        drawn_s = self._random.uniform(self._first_s, 3 * self._previous_s)
        self._previous_s = min(self._longest_s, drawn_s)
        return max(self._previous_s, asked_s)
