"""Candles of other time zones and windows of time: what adding up every trade by hand would say."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.actors.paper.candle_views import CandleView, read_time_zone, window
from dogwatch.actors.paper.klines import DAY_MS, HOUR_MS, INTERVALS, MINUTE_MS, Bar, Klines, ends_at_ms, opened_at_ms

START_MS = 1_767_225_600_000
"""Thursday, 2026-01-01 00:00 UTC."""

Trades = list[tuple[int, int, int]]
trades = st.lists(
    st.tuples(
        st.sampled_from([0, 400, 61_000, 20 * MINUTE_MS, HOUR_MS, 9 * HOUR_MS]), st.integers(1, 9), st.integers(1, 9)
    ),
    min_size=1,
    max_size=20,
)


def played(history: Trades) -> tuple[Klines, list[tuple[int, int, int]], int]:
    """Candles, the trades with their times, and when the last one was."""
    klines, timed, now_ms = Klines(), [], START_MS
    for trade_id, (wait_ms, price, quantity) in enumerate(history):
        now_ms += wait_ms
        klines.add_trade(trade_id, Decimal(price), Decimal(quantity), buyer_is_maker=False, now_ms=now_ms)
        timed.append((now_ms, price, quantity))
    return klines, timed, now_ms


@settings(max_examples=100)
@given(
    history=trades,
    interval=st.sampled_from(INTERVALS),
    offset_minutes=st.sampled_from([-720, -570, -60, 0, 60, 330, 345, 480, 757, 840]),
)
def test_candles_of_any_time_zone_tell_every_trade(history: Trades, interval: str, offset_minutes: int) -> None:
    offset_ms = offset_minutes * MINUTE_MS
    klines, timed, now_ms = played(history)
    expected: dict[int, Bar] = {}
    for trade_id, (at_ms, price, quantity) in enumerate(timed):
        opened_ms = opened_at_ms(interval, at_ms, offset_ms)
        bar = expected.setdefault(opened_ms, Bar(opened_ms, Decimal(price)))
        bar.add_trade(trade_id, Decimal(price), Decimal(quantity), buyer_is_maker=False)
    klines.advance(now_ms)
    rows = CandleView(klines, interval, offset_ms).rows(start_ms=None, end_ms=None, limit=10_000)
    kept = [bar.row(interval, offset_ms) for bar in expected.values() if bar.opened_ms >= rows[0][0]]
    # A bar whose beginning is no longer kept tells less.
    assert [row for row in rows[1:] if row[8]] == [row for row in kept if row[0] > rows[0][0]]
    for before, after in pairwise(rows):
        assert after[0] == ends_at_ms(interval, before[0], offset_ms)


@given(history=trades, back_ms=st.integers(0, 30 * HOUR_MS))
def test_a_window_tells_every_trade_since_it_opened(history: Trades, back_ms: int) -> None:
    klines, timed, now_ms = played(history)
    start_ms = max(START_MS, (now_ms - back_ms) // MINUTE_MS * MINUTE_MS)
    opened_ms = start_ms // HOUR_MS * HOUR_MS if now_ms // HOUR_MS * HOUR_MS - start_ms > DAY_MS else start_ms
    inside = [(Decimal(price), Decimal(quantity)) for at_ms, price, quantity in timed if at_ms >= opened_ms]
    bar = window(klines, start_ms)
    assert bar is not None
    assert (bar.trades, bar.volume) == (len(inside), sum((quantity for _, quantity in inside), Decimal(0)))
    assert bar.close == timed[-1][1]
    if inside:
        assert (bar.open, bar.high, bar.low) == (
            inside[0][0],
            max(price for price, _ in inside),
            min(price for price, _ in inside),
        )


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("0", 0), ("8", 480), ("+08:00", 480), ("-1:00", -60), ("05:45", 345), ("-12", -720), ("14:00", 840)],
)
def test_a_time_zone_is_hours_and_perhaps_minutes(text: str, minutes: int) -> None:
    assert read_time_zone(text) == minutes * MINUTE_MS


@pytest.mark.parametrize("text", ["", "UTC", "8:5", "14:01", "-12:30", "15", "1:60", "+-1"])
def test_what_is_no_time_zone(text: str) -> None:
    assert read_time_zone(text) is None


def test_a_day_elsewhere_opens_at_its_own_midnight() -> None:
    assert opened_at_ms("1d", START_MS, 8 * HOUR_MS) == START_MS - 8 * HOUR_MS
    assert opened_at_ms("1M", START_MS - 1, 8 * HOUR_MS) == START_MS - 8 * HOUR_MS
    assert ends_at_ms("1M", START_MS - 8 * HOUR_MS, 8 * HOUR_MS) == START_MS + 31 * DAY_MS - 8 * HOUR_MS
