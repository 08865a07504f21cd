"""Pacing by weight: a burst at once, then the rate, never more in any stretch of time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.weight_bucket import WeightBucket


def test_what_is_in_the_bucket_may_be_spent_at_once() -> None:
    bucket = WeightBucket(burst=100, per_s=10)
    assert [bucket.take(50, 7.0), bucket.take(50, 7.0)] == [0.0, 0.0]


def test_what_is_not_in_it_yet_is_waited_for() -> None:
    bucket = WeightBucket(burst=100, per_s=10)
    bucket.take(100, 0.0)
    assert bucket.take(20, 0.0) == 2.0
    assert bucket.take(20, 2.0) == 2.0


def test_it_fills_again_but_never_above_its_brim() -> None:
    bucket = WeightBucket(burst=100, per_s=10)
    bucket.take(100, 0.0)
    assert bucket.take(100, 1_000.0) == 0.0
    assert bucket.take(10, 1_000.0) == 1.0


def test_emptied_it_starts_over_from_nothing_and_forgives_no_debt() -> None:
    bucket = WeightBucket(burst=100, per_s=10)
    bucket.empty(0.0)
    assert bucket.take(20, 0.0) == 2.0
    bucket.empty(1.0)
    assert bucket.take(10, 1.0) == 2.0


@pytest.mark.parametrize(("burst", "per_s"), [(0, 10), (100, 0), (-1, 10)])
def test_a_bucket_that_can_give_nothing_is_refused(burst: float, per_s: float) -> None:
    with pytest.raises(ValueError, match="must both be positive"):
        WeightBucket(burst=burst, per_s=per_s)


@given(st.lists(st.tuples(st.integers(1, 80), st.floats(0, 30)), min_size=1, max_size=60))
def test_in_no_stretch_of_time_more_is_spent_than_the_burst_and_the_rate_allow(steps: list[tuple[int, float]]) -> None:
    bucket, now_s = WeightBucket(burst=100, per_s=10), 0.0
    spent: list[tuple[float, int]] = []
    for weight, pause_s in steps:
        now_s += pause_s
        now_s += bucket.take(weight, now_s)
        spent.append((now_s, weight))
    for first, (from_s, _) in enumerate(spent):
        total = 0
        for at_s, weight in spent[first:]:
            total += weight
            assert total <= 100 + 10 * (at_s - from_s) + 1e-6
