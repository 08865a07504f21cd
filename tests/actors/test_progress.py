"""The status line: the most important first, never wider than it may be."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.progress import COLUMNS, Snapshot, elapsed, status_line


def snapshot(
    *,
    price: str | None = "39440.5",
    unknown: int = 0,
    notice: str = "",
    base_asset: str = "BTC",
    symbol: str = "BTCUSDT",
) -> Snapshot:
    return Snapshot(
        elapsed_s=75.9,
        symbol=symbol,
        price=None if price is None else Decimal(price),
        placed=12,
        live=2,
        unknown=unknown,
        fills=7,
        position=Decimal("-0.001"),
        base_asset=base_asset,
        pnl_quote=Decimal("3.14159"),
        quote_asset="USDT" if base_asset else "",
        notice=notice,
    )


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (snapshot(), "01:15  BTCUSDT 39440.5  12 orders, 2 live, 7 fills  -0.001 BTC  +3.14 USDT"),
        (snapshot(price=None), "01:15  BTCUSDT no price yet  12 orders, 2 live, 7 fills  -0.001 BTC  +3.14 USDT"),
        (snapshot(price="1E+3"), "01:15  BTCUSDT 1000  12 orders, 2 live, 7 fills  -0.001 BTC  +3.14 USDT"),
        (snapshot(unknown=1), "01:15  BTCUSDT 39440.5  12 orders, 2 live, 1 UNKNOWN, 7 fills  -0.001 BTC  +3.14 USDT"),
        (
            snapshot(notice="connecting", base_asset=""),
            "01:15  connecting  BTCUSDT 39440.5  12 orders, 2 live, 7 fills",
        ),
        (snapshot(symbol="", base_asset=""), "01:15  12 orders, 2 live, 7 fills"),
    ],
)
def test_a_line_says_what_matters_now(now: Snapshot, line: str) -> None:
    assert status_line(now, columns=200) == line


def test_a_figure_that_finds_no_room_is_left_out_whole() -> None:
    now = snapshot(notice="catching up", unknown=1)
    whole = "01:15  catching up  BTCUSDT 39440.5  12 orders, 2 live, 1 UNKNOWN, 7 fills  -0.001 BTC"
    assert status_line(now, columns=len(whole) + 3) == whole
    assert status_line(now, columns=len(whole) - 1) == whole.removesuffix("  -0.001 BTC")


@given(st.integers(min_value=0, max_value=300), st.booleans())
def test_a_line_is_never_wider_than_it_may_be(columns: int, is_down: bool) -> None:
    line = status_line(snapshot(notice="connecting" if is_down else ""), columns=columns)
    assert len(line) <= columns
    assert len(status_line(snapshot(unknown=99, notice="stopping, again ends at once"))) <= COLUMNS


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "00:00"),
        (7.99, "00:07"),
        (754, "12:34"),
        (3723, "1:02:03"),
        (86_399, "23:59:59"),
        (183_845, "2d 03:04:05"),
    ],
)
def test_elapsed_time_grows_with_its_size(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text
