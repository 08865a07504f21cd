"""Candles: the cascade of intervals says what adding every trade to every interval would say."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.paper.candle_views import CandleView
from dogwatch.actors.paper.klines import INTERVALS, KEPT_MINUTES, Bar, Klines, ends_at_ms, opened_at_ms

START_MS = 1_767_225_600_000
"""Thursday, 2026-01-01 00:00 UTC."""
MONDAY_MS = START_MS + 4 * 86_400_000

Trades = list[tuple[int, int, int, bool]]

trades = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 400, 999, 1000, 61_000, 3_600_000, 90_000_000]),
        st.integers(1, 9),
        st.integers(1, 9),
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


@given(trades=trades, interval=st.sampled_from(INTERVALS))
def test_every_interval_tells_the_same_trades(trades: Trades, interval: str) -> None:
    klines = Klines()
    expected: dict[int, Bar] = {}
    now_ms = START_MS
    for trade_id, (wait_ms, price, quantity, buyer_is_maker) in enumerate(trades):
        now_ms += wait_ms
        amounts = Decimal(price), Decimal(quantity)
        klines.add_trade(trade_id, *amounts, buyer_is_maker=buyer_is_maker, now_ms=now_ms)
        opened_ms = opened_at_ms(interval, now_ms)
        bar = expected.setdefault(opened_ms, Bar(opened_ms, amounts[0]))
        bar.add_trade(trade_id, *amounts, buyer_is_maker=buyer_is_maker)
    rows = CandleView(klines, interval).rows(start_ms=None, end_ms=None, limit=KEPT_MINUTES)
    oldest_ms = rows[0][0]
    assert [row for row in rows if row[8]] == [
        bar.row(interval) for bar in expected.values() if bar.opened_ms >= oldest_ms
    ]
    # Bars follow each other without a gap, and quiet ones stand flat at the last close.
    for before, after in pairwise(rows):
        assert after[0] == ends_at_ms(interval, before[0]) == before[6] + 1
        if not after[8]:
            assert {after[1], after[2], after[3], after[4]} == {before[4]}


@pytest.mark.parametrize(
    ("interval", "now_ms", "opened_ms", "ends_ms"),
    [
        ("1s", START_MS + 1999, START_MS + 1000, START_MS + 2000),
        ("1d", START_MS + 5, START_MS, START_MS + 86_400_000),
        ("1w", MONDAY_MS + 5, MONDAY_MS, MONDAY_MS + 7 * 86_400_000),
        ("1w", MONDAY_MS - 1, MONDAY_MS - 7 * 86_400_000, MONDAY_MS),
        ("1M", START_MS + 40 * 86_400_000, START_MS + 31 * 86_400_000, START_MS + 59 * 86_400_000),
        ("1M", START_MS - 1, START_MS - 31 * 86_400_000, START_MS),
    ],
)
def test_intervals_stand_on_the_calendar(interval: str, now_ms: int, opened_ms: int, ends_ms: int) -> None:
    assert opened_at_ms(interval, now_ms) == opened_ms
    assert ends_at_ms(interval, opened_ms) == ends_ms


def filled(seconds: int) -> Klines:
    klines = Klines()
    for second in range(seconds):
        now_ms = START_MS + 1000 * second
        klines.add_trade(second, Decimal(second + 1), Decimal(1), buyer_is_maker=False, now_ms=now_ms)
    return klines


def test_rows_are_the_newest_without_a_start_and_the_oldest_with_one() -> None:
    klines = filled(10)

    def opens(start_ms: int | None, end_ms: int | None, limit: int) -> list[int]:
        rows = CandleView(klines, "1s").rows(start_ms=start_ms, end_ms=end_ms, limit=limit)
        return [(row[0] - START_MS) // 1000 for row in rows]

    assert opens(None, None, 3) == [7, 8, 9]
    assert opens(None, START_MS + 5000, 3) == [3, 4, 5]
    assert opens(START_MS + 2000, None, 3) == [2, 3, 4]
    assert opens(START_MS + 2000, START_MS + 3000, 3) == [2, 3]


def test_memory_is_bounded_however_long_the_silence() -> None:
    klines = filled(1)
    klines.advance(START_MS + 400 * 86_400_000)
    for interval in INTERVALS:
        assert len(CandleView(klines, interval).rows(start_ms=None, end_ms=None, limit=10**9)) <= KEPT_MINUTES + 1
    newest = CandleView(klines, "1s").rows(start_ms=None, end_ms=None, limit=2)
    assert [row[0] for row in newest] == [START_MS + 400 * 86_400_000 - 1000, START_MS + 400 * 86_400_000]


def test_before_the_first_trade_there_is_no_candle() -> None:
    klines = Klines()
    klines.advance(START_MS)
    assert klines.current("1m") is None
    assert CandleView(klines, "1m").rows(start_ms=None, end_ms=None, limit=5) == []


def test_looking_at_the_open_candle_changes_nothing() -> None:
    klines = filled(3)
    first, second = klines.current("1h"), klines.current("1h")
    assert first is not None
    assert second is not None
    assert first.row("1h") == second.row("1h")
    assert first.trades == 3
