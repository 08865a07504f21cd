"""When a socket is to be replaced by a new one, and when to try again after a failure. Pure.

The exchange cuts every connection after 24 hours (WebSocket API and WebSocket Streams, General information), so each is
replaced before: at times of day that the user has chosen, or at an age. Who does it is rotation.py.
"""

import re
from dataclasses import dataclass

__all__ = ["RotationRules", "Step", "next_step", "time_of_day_s"]

HOUR_S, DAY_S = 3_600.0, 86_400.0
CUT_OFF_S = DAY_S
"""The age at which the exchange cuts."""
JITTER_S_MAX = 1_800.0
JITTER_SHARE = 0.05
"""Ages are drawn between the limit and so much less, so that links opened together do not rotate together."""
WINDOW_S = 60.0
"""A time of day means the minute after it, for the same reason."""
YOUNG_S = 900.0
"""A socket that is no older than this when a time of day comes is left for the next one."""
RETRY_FIRST_S, RETRY_LONGEST_S, RETRY_NOTICED_S = 5.0, 300.0, 30.0
URGENT_FAILURES_MAX = 10
"""A server that has announced its end minutes ago, and stands, is in no such hurry."""
MOMENT_S = 0.001
"""Less than this is now: a clock may be too coarse to wait for it."""
ALARM_S = 1_800.0
"""A socket that nearly ends and cannot be replaced is worth waking somebody for."""
NOTICED_FAILURES_MAX = 3
"""How often that may fail when a server has announced its end, which comes at a moment that nobody knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RotationRules:
    """What the user has chosen: at the latest at the age of `rotate_after_s`, which is below 24 hours; and before that
    at the last of `times_of_day_s` (seconds after midnight UTC) that comes by then."""

    rotate_after_s: float = 23 * HOUR_S
    times_of_day_s: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What comes next for a socket: begin to replace it in `wait_s` seconds, 0 being now, and why.

    The exchange will cut it in `cut_off_in_s` at the latest. `is_alarming` when a human should know that it fails.
    """

    wait_s: float
    reason: str
    cut_off_in_s: float
    is_alarming: bool


def next_step(
    rules: RotationRules,
    *,
    age_s: float,
    unix_s: float,
    draw: float,
    notice: str = "",
    failures: int = 0,
    failed_ago_s: float = 0.0,
) -> Step:
    """Decide for a socket that was opened `age_s` seconds ago, at the wall clock's time `unix_s`.

    `draw` is a random number from 0 up to 1, drawn once for each socket. `notice` says why it will not last, if the
    server has told so. `failures` counts the attempts to replace it so far, the last of which ended `failed_ago_s` ago.
    """
    planned_s, reason = _planned(rules, age_s, unix_s, draw)
    wait_s = 0.0 if notice else max(0.0, planned_s - age_s)
    cut_off_in_s = max(0.0, CUT_OFF_S - age_s)
    if failures:
        wait_s = max(wait_s, _pause_s(failures, draw, cut_off_in_s, is_noticed=bool(notice)) - failed_ago_s)
    is_late = cut_off_in_s <= ALARM_S or (bool(notice) and failures >= NOTICED_FAILURES_MAX)
    return Step(
        wait_s=wait_s if wait_s > MOMENT_S else 0.0,
        reason=notice or reason,
        cut_off_in_s=cut_off_in_s,
        is_alarming=bool(failures) and is_late,
    )


def time_of_day_s(text: str) -> float:
    """Seconds after midnight of "HH:MM". Raises ValueError for anything else."""
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", text, re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is no time of day: write it as HH:MM, from 00:00 to 23:59, in UTC")
    return int(match[1]) * HOUR_S + int(match[2]) * 60.0


def _planned(rules: RotationRules, age_s: float, unix_s: float, draw: float) -> tuple[float, str]:
    """At which age, and why."""
    latest_s = rules.rotate_after_s - draw * min(JITTER_S_MAX, JITTER_SHARE * rules.rotate_after_s)
    opened_s = round(unix_s - age_s, 3) % DAY_S  # as a time of day; rounded, so that a later look sees the same
    ages_s = [(time_s - opened_s) % DAY_S for time_s in rules.times_of_day_s]
    in_time_s = [at_s for at_s in ages_s if at_s > YOUNG_S and at_s + WINDOW_S <= latest_s]
    if not in_time_s:
        return latest_s, f"it is {latest_s / HOUR_S:.1f} h old"
    return max(in_time_s) + draw * WINDOW_S, "it is time"


def _pause_s(failures: int, draw: float, cut_off_in_s: float, *, is_noticed: bool) -> float:
    """How long to wait after that many failures: twice as long each time, but never a large part of what is left."""
    is_urgent = is_noticed and failures <= URGENT_FAILURES_MAX
    longest_s = RETRY_NOTICED_S if is_urgent else max(RETRY_FIRST_S, min(RETRY_LONGEST_S, cut_off_in_s / 10))
    doubled_s = RETRY_FIRST_S * 2.0 ** min(failures - 1, 16)
    return float(min(longest_s, doubled_s)) * (1.0 - 0.2 * draw)
