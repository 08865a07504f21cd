"""Parameters: what goes on the wire, digit by digit, and what is refused before it does."""

import re
from decimal import Decimal, localcontext
from typing import Annotated, Any, Literal, Optional

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import Side, TimeInForce
from dogwatch.actors.spot.instant import Instant
from dogwatch.actors.spot.parameters import (
    Amount,
    ClientOrderId,
    Count,
    Limit,
    decimal_text,
    without_none,
    writer_of,
)

LEGAL_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")


@given(st.decimals(min_value=0, max_value=Decimal(10) ** 19, allow_nan=False, allow_infinity=False, places=8))
def test_a_number_keeps_its_digits_and_gets_no_exponent(value: Decimal) -> None:
    text = decimal_text(value)
    assert LEGAL_DECIMAL.fullmatch(text)
    assert Decimal(text) == value


@given(st.integers(0, 10**20 - 1), st.integers(-20, 0), st.integers(0, 12))
def test_no_digit_is_lost_whatever_the_exponent_and_the_context(digits: int, exponent: int, zeros: int) -> None:
    value = Decimal((0, tuple(int(digit) for digit in str(digits) + "0" * zeros), exponent - zeros))
    with localcontext() as context:
        context.prec = 3
        text = decimal_text(value)
    assert LEGAL_DECIMAL.fullmatch(text)
    assert Decimal(text) == value


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_a_number_is_written_exactly_or_refused(value: Decimal) -> None:
    try:
        text = decimal_text(value)
    except ValueError:
        return
    assert LEGAL_DECIMAL.fullmatch(text)
    assert Decimal(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1E-8"), "0.00000001"),
        (Decimal("0.00000000"), "0"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0E+30"), "0"),
        (Decimal("-0"), "0"),
        (Decimal("0.1000"), "0.1000"),
        (Decimal("52000.00"), "52000.00"),
        (Decimal("1.0E-20"), "0.00000000000000000001"),
        (Decimal("12345678901234567890.12345678901234567890"), "12345678901234567890.12345678901234567890"),
        (7, "7"),
        (0, "0"),
    ],
)
def test_numbers_are_written_as_the_exchange_reads_them(value: Decimal | int, text: str) -> None:
    assert decimal_text(value) == text


@pytest.mark.parametrize(
    "value",
    [
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal(-1),
        Decimal("1E+20"),
        Decimal("1E+1000000"),
        Decimal("1E-21"),
        Decimal("1.000000000000000000001"),
        Decimal("1E-1000000"),
        -1,
        10**20,
    ],
)
def test_numbers_that_the_exchange_cannot_read_are_refused(value: Decimal | int) -> None:
    with pytest.raises(ValueError, match="price"):
        decimal_text(value, "price")


@pytest.mark.parametrize("value", [0.1, 1.0, True, "1", None])
def test_a_float_is_refused_with_a_way_out(value: Any) -> None:
    with pytest.raises(TypeError, match="price must be a Decimal") as caught:
        decimal_text(value, "price")
    if isinstance(value, float):
        assert f'Decimal("{value}")' in str(caught.value)


@pytest.mark.parametrize(
    ("hint", "value", "written"),
    [
        (Amount, Decimal("0.10"), "0.10"),
        (Amount, 7, "7"),
        (Amount, Decimal("1E-8"), "0.00000001"),
        (str, "１２３４５６", "１２３４５６"),
        (ClientOrderId, "dw-a_b-1-2", "dw-a_b-1-2"),
        (int, -5, -5),
        (Count, 0, 0),
        (Limit, 1000, 1000),
        (bool, False, False),
        (Side, Side.SELL, "SELL"),
        (Side, "SELL", "SELL"),
        (Literal["1m", "1M"], "1M", "1M"),
        (tuple[str, ...], ("A", "B"), ["A", "B"]),
        (tuple[str, ...], ["A"], ["A"]),
    ],
)
def test_each_type_is_written_as_the_exchange_reads_it(hint: Any, value: object, written: object) -> None:
    sent = writer_of(hint, "it")(value)
    assert sent == written
    assert type(sent) in (str, int, bool, list), "an encoder takes no other types"


def test_a_time_that_knows_more_is_sent_as_plain_milliseconds() -> None:
    sent = writer_of(Count, "start_time_ms")(Instant(1_700_000_000_123_456))
    assert (sent, type(sent)) == (1_700_000_000_123, int)


@pytest.mark.parametrize(
    ("hint", "value", "error", "says"),
    [
        (Amount, 0.1, TypeError, r'it must be a Decimal.*Decimal\("0\.1"\)'),
        (Amount, "0.1", TypeError, "it must be a Decimal"),
        (Amount, Decimal(-1), ValueError, "it is -1"),
        (str, 1, TypeError, "it must be a str"),
        (str, "", ValueError, "it is empty"),
        (ClientOrderId, "a" * 37, ValueError, "use 1 to 36 letters, digits"),
        (ClientOrderId, "ü", ValueError, "use 1 to 36 letters, digits"),
        (ClientOrderId, "a\n", ValueError, "use 1 to 36 letters, digits"),
        (ClientOrderId, "", ValueError, "use 1 to 36 letters, digits"),
        (ClientOrderId, 7, TypeError, "it must be a str"),
        (int, 1.0, TypeError, "it must be an int"),
        (int, True, TypeError, "it must be an int"),
        (Count, -1, ValueError, "it is -1: the exchange takes 0 or more"),
        (Limit, 0, ValueError, "it is 0: the exchange takes 1 to 1000"),
        (Limit, 1001, ValueError, "it is 1001: the exchange takes 1 to 1000"),
        (bool, 1, TypeError, "it must be a bool"),
        (Side, "HOLD", ValueError, "Side has no HOLD: use one of BUY, SELL"),
        (TimeInForce, TimeInForce("GTX"), ValueError, "TimeInForce has no GTX: use one of GTC, IOC, FOK"),
        (Literal["1m", "1M"], "2m", ValueError, "it has no 2m: use one of 1m, 1M"),
        (tuple[str, ...], "BTCUSDT", TypeError, "it must be a tuple"),
        (tuple[str, ...], (), ValueError, "it is empty: leave it out"),
        (tuple[str, ...], ("A", ""), ValueError, "it is empty"),
    ],
)
def test_what_the_exchange_would_not_read_as_meant_is_refused(
    hint: Any, value: object, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        writer_of(hint, "it")(value)


def test_a_type_that_nothing_writes_is_a_mistake_in_the_request() -> None:
    with pytest.raises(TypeError, match="no parameter can be"):
        writer_of(dict[str, str], "it")


def test_none_is_not_part_of_what_is_written() -> None:
    bounded = Annotated[int, msgspec.Meta(ge=1)]
    assert without_none(Optional[bounded]) == bounded  # noqa: UP045 # as type hints are read
    assert without_none(Amount | None) == Amount
    assert without_none(str) is str
