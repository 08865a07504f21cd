"""The arithmetic of restarts: intensity and back-off."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.runtime import Backoff, Intensity
from dogwatch.runtime.restarts import Attempts, RestartWindow

spans = st.floats(0.01, 1000, allow_nan=False)


@given(
    gaps=st.lists(st.floats(0, 100, allow_nan=False), max_size=40),
    restarts=st.integers(0, 5),
    within_s=spans,
)
def test_a_restart_is_one_too_many_exactly_when_the_window_holds_more_than_allowed(
    gaps: list[float], restarts: int, within_s: float
) -> None:
    window = RestartWindow(Intensity(restarts=restarts, within_s=within_s))
    times: list[float] = []
    now_s = 0.0
    for gap in gaps:
        now_s += gap
        times.append(now_s)
        in_window = sum(time_s > now_s - within_s for time_s in times)
        assert window.allows_one_more(now_s) == (in_window <= restarts)


@given(
    first_s=st.floats(0, 10, allow_nan=False),
    extra_s=st.floats(0, 100, allow_nan=False),
    factor=st.floats(1, 10, allow_nan=False),
    jitter=st.floats(0, 1, allow_nan=False),
    attempt=st.integers(0, 5000),
    chance=st.floats(0, 1, exclude_max=True, allow_nan=False),
)
def test_a_delay_lies_between_the_jittered_share_and_the_whole_and_never_above_the_longest(
    first_s: float, extra_s: float, factor: float, jitter: float, attempt: int, chance: float
) -> None:
    longest_s = first_s + extra_s
    backoff = Backoff(first_s=first_s, longest_s=longest_s, factor=factor, jitter=jitter)
    assert backoff.problems() == []
    whole_s = backoff.delay_s(attempt, lambda: 0.0)
    delay_s = backoff.delay_s(attempt, lambda: chance)
    assert first_s <= whole_s <= longest_s
    assert whole_s * (1 - jitter) <= delay_s <= whole_s


@given(attempt=st.integers(0, 5000))
def test_without_jitter_a_later_attempt_never_waits_less(attempt: int) -> None:
    backoff = Backoff(jitter=0.0)
    assert backoff.delay_s(attempt, lambda: 0.9) <= backoff.delay_s(attempt + 1, lambda: 0.1)


def test_attempts_grow_while_unhealthy_and_begin_anew_after_a_healthy_life() -> None:
    attempts = Attempts(Backoff(first_s=1, longest_s=100, jitter=0, healthy_after_s=60))
    delays = [attempts.next_delay_s(healthy_s, lambda: 0.0) for healthy_s in (0, 1, 59.9, 60, 0)]
    assert delays == [1, 2, 4, 1, 2]


@pytest.mark.parametrize(
    "backoff",
    [
        Backoff(first_s=-1),
        Backoff(first_s=math.nan),
        Backoff(first_s=10, longest_s=5),
        Backoff(longest_s=math.inf),
        Backoff(factor=0.5),
        Backoff(jitter=1.5),
        Backoff(jitter=math.nan),
        Backoff(healthy_after_s=-1),
    ],
)
def test_a_back_off_that_makes_no_sense_is_named(backoff: Backoff) -> None:
    assert len(backoff.problems()) == 1


@pytest.mark.parametrize("intensity", [Intensity(restarts=-1), Intensity(within_s=0), Intensity(within_s=math.nan)])
def test_an_intensity_that_makes_no_sense_is_named(intensity: Intensity) -> None:
    assert len(intensity.problems()) == 1
