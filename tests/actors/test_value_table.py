"""What a person sees of a typed value: names, every digit, dates, and tables where they fit."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dogwatch.actors.spot.exchange_info import Filter
from dogwatch.actors.spot.instant import Instant
from dogwatch.actors.spot.results import (
    AccountBalance,
    BookSnapshot,
    CancelReplaceResult,
    Empty,
    ExchangeInfo,
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


def test_a_filter_is_told_with_its_name() -> None:
    known = b'{"filterType":"ICEBERG_PARTS","limit":10}'
    assert lines(msgspec.json.decode(known, type=Filter)) == ["filter_type  ICEBERG_PARTS", "limit        10"]
    info = b'{"exchangeFilters":[{"filterType":"NEW_ONE","most":3}],"timezone":"UTC","serverTime":5,"symbols":[]}'
    told = lines(decode_result(info, ExchangeInfo))
    assert "UnknownFilter" not in "".join(told)
    assert any(line.split()[0] == "NEW_ONE" for line in told)


def test_each_part_of_a_cancel_replace_is_told_in_its_own_type() -> None:
    failed = (
        b'{"cancelResult":"FAILURE","newOrderResult":"NOT_ATTEMPTED",'
        b'"cancelResponse":{"code":-2011,"msg":"Unknown order sent."},"newOrderResponse":null}'
    )
    told = lines(decode_result(failed, CancelReplaceResult))
    assert told[:5] == [
        "cancel_result     FAILURE",
        "new_order_result  NOT_ATTEMPTED",
        "cancel",
        "  code     -2011",
        "  wording  Unknown order sent.",
    ]
    assert told[5].startswith("  hint     ")
    assert not any(line.startswith("new_order ") for line in told)


def test_times_have_a_date_among_many_too() -> None:
    many = (Moment(at_ms=AT_MS, words="w" * 70), Moment(at_ms=AT_MS + 1, words="v" * 70))
    assert lines(many)[::3] == [
        "at_ms 1732219923123  (2024-11-21 20:12:03.123 UTC)",
        "at_ms 1732219923124  (2024-11-21 20:12:03.124 UTC)",
    ]


def test_one_alone_has_a_line_for_each_thing_where_it_is_no_table() -> None:
    one = Moment(at_ms=AT_MS, words="w" * 70)
    assert lines((one,)) == lines(one)


@pytest.mark.parametrize("width", [40, 80])
def test_no_line_is_wider_than_it_may_be_or_ends_in_blanks(width: int) -> None:
    values = (Odd(flags=(True, False) * 40), Odd(flags=(True,), inside=(Odd(), Odd(words="a b"))))
    told = [line for line in lines(values, width) if "far_ms" not in line]
    assert max(map(len, told)) <= width
    assert told == [line.rstrip() for line in told]


class Moment(msgspec.Struct):
    at_ms: int
    words: str


class Odd(msgspec.Struct):
    period_ms: int = 5
    flags: tuple[bool, ...] = (True, False)
    far_ms: int = 10**30
    absent: int | None = None
    words: str = ""
    inside: "tuple[Odd, ...] | None" = None


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
