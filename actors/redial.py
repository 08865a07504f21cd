"""When and where to dial again: decorrelated back-off, what the server asked for, the exchange's budget of attempts,
and the other port. Pure.

Who dials, and what a failure was, is in connection.py.
"""

import math
from collections import deque
from random import Random

__all__ = ["Alternation", "AttemptBudget", "Redial"]


class AttemptBudget:
    """At most `attempts_max` connection attempts in any `within_s` seconds (WebSocket API, General information: 300 in
    5 minutes per IP address). Share one among all connections that leave this machine for the same exchange."""

    def __init__(self, *, attempts_max: int = 300, within_s: float = 300.0) -> None:
        self._within_s = within_s
        self._attempts_s: deque[float] = deque(maxlen=attempts_max)
        self.barred_until_s = -math.inf
        """Before then the exchange wants to see no attempt of this machine."""
        self.banned_until_s = -math.inf
        """Before then it refuses whatever comes from this machine (HTTP status 418)."""

    def allow(self, attempts_max: int, within_s: float) -> None:
        """The exchange has told its limit. Attempts that were made count on."""
        self._within_s = within_s
        if attempts_max != self._attempts_s.maxlen:
            self._attempts_s = deque(self._attempts_s, maxlen=attempts_max)

    def bar(self, until_s: float, *, is_ban: bool = False) -> None:
        """No attempt before then, whichever connection was told. A ban concerns more than attempts to connect."""
        self.barred_until_s = max(self.barred_until_s, until_s)
        if is_ban:
            self.banned_until_s = max(self.banned_until_s, until_s)

    def take(self, now_s: float) -> float:
        """Book an attempt for now, and return `now_s`; or book nothing, and return when to ask again."""
        attempts_s = self._attempts_s
        is_full = len(attempts_s) == attempts_s.maxlen
        at_s = max(now_s, self.barred_until_s, attempts_s[0] + self._within_s if is_full else now_s)
        if at_s <= now_s:
            attempts_s.append(now_s)
        return at_s


class Alternation:
    """Which of several doors to the same server is tried: the one that opened last. After `failures_max` failures in a
    row it is the next one's turn."""

    def __init__(self, count: int, *, failures_max: int = 3) -> None:
        self._count = count
        self._failures_max = failures_max
        self._failures = 0
        self.current = 0

    def opened(self) -> None:
        self._failures = 0

    def failed(self) -> bool:
        """Note a failure that may be the door's own. Returns whether another door is tried from now on."""
        self._failures += 1
        if self._failures < self._failures_max or self._count == 1:
            return False
        self._failures = 0
        self.current = (self.current + 1) % self._count
        return True


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

    def begin_anew(self) -> None:
        """What failed before does not matter any more."""
        self._previous_s = self._first_s

    def next_delay_s(self, *, held_s: float = 0.0, asked_s: float = 0.0) -> float:
        """How long to wait after a failed attempt, or after a connection that held for `held_s` seconds.

        `asked_s` is what the server asked for (Retry-After); the delay is never less than that.
        """
        if held_s >= self._healthy_after_s:
            self.begin_anew()
        drawn_s = self._random.uniform(self._first_s, 3 * self._previous_s)
        self._previous_s = min(self._longest_s, drawn_s)
        return max(self._previous_s, asked_s)
