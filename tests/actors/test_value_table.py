"""What a person sees of a typed value: names, every digit, dates, and tables where they fit."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dogwatch.actors.spot.instants import Instant
from dogwatch.actors.spot.results import (
    AccountBalance,
    BookSnapshot,
    Empty,
    PriceTicker,
    ServerTime,
    decode_result,
)
from dogwatch.actors.value_table import render_value

AT_MS = 1_732_219_923_123


def lines(value: Any, width: int = 80) -> list[str]:
    return render_value(value, width=width).split("\n")


def test_a_struct_is_a_line_for_each_thing_that_it_says_and_times_have_a_date() -> None:
    assert lines(ServerTime(server_time_ms=AT_MS)) == ["server_time_ms  1732219923123  (2024-11-21 20:12:03.123 UTC)"]


def test_microseconds_are_shown_where_they_are_known() -> None:
    time = ServerTime(server_time_ms=Instant(AT_MS * 1000 + 7))
    assert lines(time) == ["server_time_ms  1732219923123  (2024-11-21 20:12:03.123007 UTC)"]


def test_amounts_keep_every_digit_and_never_have_an_exponent() -> None:
    balance = AccountBalance(asset="BTC", free=Decimal("0.00000000"), locked=Decimal("1E+3"))
    assert lines(balance) == ["asset   BTC", "free    0.00000000", "locked  1000"]


def test_several_of_a_kind_are_a_table_with_numbers_on_the_right() -> None:
    tickers = (
        PriceTicker(symbol="BTCUSDT", price=Decimal("98000.50")),
        PriceTicker(symbol="１２３", price=Decimal("0.1")),
    )
    assert lines(tickers) == ["symbol      price", "BTCUSDT  98000.50", "１２３           0.1"]


def test_what_is_too_wide_for_a_table_is_told_in_a_few_lines_each() -> None:
    tickers = (
        PriceTicker(symbol="BTCUSDT", price=Decimal("98000.50")),
        PriceTicker(symbol="ETHUSDT", price=Decimal("3300.00")),
    )
    assert lines(tickers, width=16) == [
        "symbol BTCUSDT",
        "  price 98000.50",
        "",
        "symbol ETHUSDT",
        "  price 3300.00",
    ]


def test_what_is_inside_stands_below_its_name() -> None:
    book = decode_result(b'{"lastUpdateId":5,"bids":[["1.0","2"]],"asks":[]}', BookSnapshot)
    assert lines(book) == [
        "last_update_id  5",
        "bids",
        "  price  quantity",
        "    1.0         2",
        "asks",
        "  (none)",
    ]


def test_nothing_is_said_to_have_worked() -> None:
    assert lines(Empty()) == ["nothing to say: it worked"]
    assert lines(()) == ["(none)"]


class Odd(msgspec.Struct):
    period_ms: int = 5
    flags: tuple[bool, ...] = (True, False)
    far_ms: int = 10**30
    absent: int | None = None
    words: str = ""


def test_periods_are_no_dates_and_absent_things_are_left_out() -> None:
    assert lines(Odd()) == [
        "period_ms  5",
        "flags      yes, no",
        f"far_ms     {10**30}",
        "words      (empty)",
    ]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_long_texts_are_wrapped_below_themselves(width: int) -> None:
    value = Odd(words="word " * 60)
    assert all(len(line) <= max(width, 31) for line in lines(value, width) if not line.startswith("far_ms"))
    assert sum(line.count("word") for line in lines(value, width)) == 61


def test_nothing_that_the_exchange_sends_moves_the_cursor_or_fills_the_memory() -> None:
    assert lines(Odd(words="\x1b[2J\nBTC"))[-1] == r"words      \x1b[2J\nBTC"
    assert len(render_value(PriceTicker(symbol="B", price=Decimal("1E+999999999")))) < 100
