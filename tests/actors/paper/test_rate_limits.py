"""The exchange's counters: windows aligned to the clock, credit for fills, connection attempts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.paper.rate_limits import AccountLimits, AddressLimits, RateLimitRules, Window

MINUTE_MS = 60_000


@given(now_ms=st.integers(0, 2 * 10**12), length_ms=st.sampled_from([1000, 10_000, MINUTE_MS, 86_400_000]))
def test_a_window_ends_at_the_next_multiple_of_its_length(now_ms: int, length_ms: int) -> None:
    window = Window("ORDERS", "SECOND", 1, length_ms, 10)
    window.roll(now_ms)
    window.count = 5
    end_ms = window.next_start_ms(now_ms)
    assert end_ms % length_ms == 0
    assert now_ms < end_ms <= now_ms + length_ms
    window.roll(end_ms - 1)
    assert window.count == 5
    window.roll(end_ms)
    assert window.count == 0


def test_the_first_fill_gives_credit_in_both_windows_but_never_below_zero() -> None:
    limits = AccountLimits(RateLimitRules())
    for _ in range(7):
        limits.placed(0)
    limits.first_filled(is_maker=False, now_ms=0)
    assert [row["count"] for row in limits.rows(0)] == [6, 6]
    limits.first_filled(is_maker=True, now_ms=0)
    assert [row["count"] for row in limits.rows(0)] == [1, 1]
    limits.first_filled(is_maker=True, now_ms=0)
    assert [row["count"] for row in limits.rows(0)] == [0, 0]


def test_credit_goes_to_the_current_window_also_for_an_order_of_an_earlier_one() -> None:
    limits = AccountLimits(RateLimitRules())
    limits.placed(0)
    limits.placed(10_000)
    limits.first_filled(is_maker=False, now_ms=10_000)
    assert [row["count"] for row in limits.rows(10_000)] == [0, 1]


def test_an_exhausted_day_counts_before_exhausted_seconds() -> None:
    limits = AccountLimits(RateLimitRules(orders_per_10_seconds=1, orders_per_day=2))
    limits.placed(0)
    assert limits.exhausted(0) is limits.ten_seconds
    assert limits.exhausted(10_000) is None
    limits.placed(10_000)
    assert limits.exhausted(10_000) is limits.day
    assert limits.exhausted(86_400_000) is None


def test_connection_attempts_are_counted_over_five_minutes() -> None:
    limits = AddressLimits(RateLimitRules(connections_per_5_minutes=2))
    assert [limits.admits_connection(0) for _ in range(3)] == [True, True, False]
    assert not limits.admits_connection(5 * MINUTE_MS - 1)
    assert limits.admits_connection(5 * MINUTE_MS)


def test_a_ban_never_lasts_more_than_three_days() -> None:
    limits = AddressLimits(RateLimitRules(request_weight_per_minute=1, refusals_before_ban=1))
    now_ms, lengths_ms = 0, []
    for _ in range(14):
        while limits.banned_until_ms <= now_ms:
            limits.admits(5, now_ms)
        assert not limits.admits_connection(now_ms)
        lengths_ms.append(limits.banned_until_ms - now_ms)
        now_ms = limits.banned_until_ms
    assert lengths_ms[0] == 2 * MINUTE_MS
    assert lengths_ms == sorted(lengths_ms)
    assert lengths_ms[-1] == 3 * 24 * 60 * MINUTE_MS


@pytest.mark.parametrize("weight", [1, 6000])
def test_a_request_that_fits_exactly_is_admitted(weight: int) -> None:
    limits = AddressLimits(RateLimitRules())
    limits.charge(6000 - weight, 0)
    assert limits.admits(weight, 0)
    assert not limits.admits(weight + 1, 0)


def test_a_finished_window_is_remembered_with_what_it_counted() -> None:
    limits = AddressLimits(RateLimitRules())
    for now_ms in (0, 59_999, 60_000, 240_000):
        assert limits.admits(5, now_ms)
        limits.charge(5, now_ms)
    limits.weight.roll(300_000)
    assert list(limits.weight.past) == [(0, 10), (60_000, 5), (240_000, 5)]
    limits.raw_requests.roll(300_000)
    assert list(limits.raw_requests.past) == [(0, 4)]


def test_requests_are_counted_whatever_they_weigh() -> None:
    limits = AddressLimits(RateLimitRules(raw_requests_per_5_minutes=3))
    assert [limits.admits(0, 0) for _ in range(4)] == [True, True, True, False]
    assert limits.exhausted() is limits.raw_requests
    assert not limits.admits(0, 5 * MINUTE_MS - 1)
    assert limits.admits(0, 5 * MINUTE_MS)


def test_somebody_who_is_banned_by_hand_is_banned_for_longer_the_next_time() -> None:
    limits = AddressLimits(RateLimitRules(request_weight_per_minute=1, refusals_before_ban=1))
    limits.ban(0, 1_000)
    assert not limits.admits(1, 999)
    assert limits.admits(1, 1_000)
    while limits.banned_until_ms <= 1_000:
        limits.admits(5, 1_000)
    assert limits.banned_until_ms == 1_000 + 4 * MINUTE_MS
