"""Rules made of filters and execution rules, and exact rounding to them."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import Side
from dogwatch.actors.spot.exchange_info import LotSize, MarketLotSize, PriceFilter
from dogwatch.actors.spot.execution_rules import PriceRange, UnknownRule
from dogwatch.actors.spot.filter_checks import check
from dogwatch.actors.spot.filters import Rounding
from dogwatch.actors.spot.grid import Grid
from tests.actors.spot.rules_made import BTCUSDT, ZERO, limit, rules_with, under


@pytest.mark.parametrize(
    ("price", "rounding", "expected"),
    [
        ("40000.123", Rounding.DOWN, "40000.12"),
        ("40000.123", Rounding.UP, "40000.13"),
        ("40000.12", Rounding.UP, "40000.12"),
        ("40000.12", Rounding.DOWN, "40000.12"),
        ("40000", Rounding.UP, "40000.00"),
        ("0.001", Rounding.DOWN, "0.00"),
        ("0.001", Rounding.UP, "0.01"),
    ],
)
def test_a_price_moves_to_the_next_tick_in_the_named_direction(price: str, rounding: Rounding, expected: str) -> None:
    assert str(BTCUSDT.round_price(Decimal(price), rounding)) == expected


def test_a_rounded_value_is_written_without_an_exponent() -> None:
    whole = rules_with(
        PriceFilter(min_price=ZERO, max_price=ZERO, tick_size=Decimal("10.00000000")),
        LotSize(min_quantity=ZERO, max_quantity=ZERO, step_size=Decimal("1E+2")),
    )
    assert str(whole.round_price(Decimal("12345.6"), Rounding.DOWN)) == "12340"
    assert str(whole.round_quantity(Decimal(12_345), Rounding.UP)) == "12400"


def test_rounding_is_exact_for_numbers_with_more_digits_than_the_context_has() -> None:
    price = Decimal("98765432109876543210.00999999999999999999")
    with localcontext() as context:
        context.prec = 6
        assert BTCUSDT.round_price(price, Rounding.UP) == Decimal("98765432109876543210.01")


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_what_is_no_number_cannot_be_rounded(value: str) -> None:
    with pytest.raises(ValueError, match="cannot be rounded"):
        BTCUSDT.round_price(Decimal(value), Rounding.DOWN)


def test_a_market_quantity_is_a_multiple_of_both_steps() -> None:
    rules = rules_with(
        LotSize(min_quantity=ZERO, max_quantity=ZERO, step_size=Decimal("0.004")),
        MarketLotSize(min_quantity=ZERO, max_quantity=ZERO, step_size=Decimal("0.006")),
    )
    assert str(rules.round_quantity(Decimal("0.0201"), Rounding.DOWN)) == "0.020"
    assert str(rules.round_quantity(Decimal("0.0201"), Rounding.DOWN, market=True)) == "0.012"
    assert str(rules.round_quantity(Decimal("0.0201"), Rounding.UP, market=True)) == "0.024"


def test_a_symbol_without_steps_takes_what_its_assets_can_express() -> None:
    free = rules_with()
    assert str(free.round_price(Decimal("1.123456789"), Rounding.DOWN)) == "1.12345678"
    assert str(free.round_quantity(Decimal("1.123456789"), Rounding.UP)) == "1.12345679"


steps = st.integers(1, 10**6).map(lambda number: Decimal(number).scaleb(-8))
amounts = st.decimals(min_value=0, max_value=10**12, places=12, allow_nan=False, allow_infinity=False)


signed_amounts = st.decimals(min_value=-(10**6), max_value=10**12, places=12, allow_nan=False, allow_infinity=False)


@given(value=signed_amounts, step=steps, rounding=st.sampled_from(Rounding))
def test_a_rounded_value_passes_its_filter_and_has_moved_in_the_named_direction_by_less_than_a_step(
    value: Decimal, step: Decimal, rounding: Rounding
) -> None:
    rules = rules_with(
        PriceFilter(min_price=ZERO, max_price=ZERO, tick_size=step),
        LotSize(min_quantity=ZERO, max_quantity=ZERO, step_size=step),
    )
    for rounded, grid in (
        (rules.round_price(value, rounding), rules.price),
        (rules.round_quantity(value, rounding), rules.lot),
    ):
        assert grid.problem(rounded) == ""
        moved = rounded - value if rounding is Rounding.UP else value - rounded
        assert 0 <= moved < step
        exponent = rounded.as_tuple().exponent
        assert isinstance(exponent, int)
        assert exponent <= 0, "1E+2 is no number to the exchange"
        assert rules.round_price(rounded, rounding) == rounded, "rounding twice is rounding once"


@given(value=amounts, first=steps, second=steps, rounding=st.sampled_from(Rounding))
def test_a_rounded_market_quantity_passes_both_filters(
    value: Decimal, first: Decimal, second: Decimal, rounding: Rounding
) -> None:
    rules = rules_with(
        LotSize(min_quantity=ZERO, max_quantity=ZERO, step_size=first),
        MarketLotSize(min_quantity=ZERO, max_quantity=ZERO, step_size=second),
    )
    rounded = rules.round_quantity(value, rounding, market=True)
    assert (rules.lot.problem(rounded), rules.market_lot.problem(rounded)) == ("", "")
    assert (rounded >= value) if rounding is Rounding.UP else (rounded <= value)


@given(value=amounts, least=amounts, width=amounts, step=steps)
def test_the_nearest_legal_value_is_legal_and_none_is_nearer(
    value: Decimal, least: Decimal, width: Decimal, step: Decimal
) -> None:
    grid = Grid.of(least, least + width, step)
    nearest = grid.nearest(value)
    if nearest is None:
        first = grid.round(least, Rounding.UP) or step
        assert grid.problem(first), "there is no multiple between the bounds"
        return
    assert grid.problem(nearest) == ""
    assert nearest > 0
    for other in (nearest - step, nearest + step):
        if other > 0 and not grid.problem(other):
            assert abs(other - value) >= abs(nearest - value)


def test_a_range_of_prices_bounds_what_a_taker_takes_and_refuses_nothing() -> None:
    price_range = PriceRange(
        bid_multiplier_up=Decimal("1.01"), ask_multiplier_down=Decimal("0.99"), ask_multiplier_up=Decimal(2)
    )
    rules = rules_with(execution_rules=(UnknownRule(name="MOON", raw=b"{}"), price_range))
    assert rules.taker_prices(Side.BUY, Decimal(100)) == (None, Decimal(101))
    assert rules.taker_prices(Side.SELL, Decimal(100)) == (Decimal(99), Decimal(200))
    assert check(limit(price="1000"), under(rules, reference_price=Decimal(100))) == ()
    assert rules_with().taker_prices(Side.SELL, Decimal(100)) == (None, None)


def test_an_amount_of_the_quote_asset_is_rounded_to_what_it_can_express() -> None:
    assert BTCUSDT.round_quote(Decimal("10.123456789"), Rounding.DOWN) == Decimal("10.12345678")
    assert BTCUSDT.round_quote(Decimal("10.123456781"), Rounding.UP) == Decimal("10.12345679")


@given(
    notional=amounts,
    price=st.integers(1, 10**8).map(lambda number: Decimal(number).scaleb(-2)),
    rounding=st.sampled_from(Rounding),
    market=st.booleans(),
)
def test_a_quantity_is_worth_what_it_is_for_to_less_than_a_step(
    notional: Decimal, price: Decimal, rounding: Rounding, market: bool
) -> None:
    quantity = BTCUSDT.quantity_worth(notional, price, rounding, market=market)
    step = BTCUSDT.quantity_step(market=market)
    assert quantity % step == 0
    too_much = quantity * price - notional if rounding is Rounding.UP else notional - quantity * price
    assert 0 <= too_much < step * price


@pytest.mark.parametrize("price", ["0", "-1", "NaN"])
def test_nothing_is_worth_anything_at_a_price_of_nothing(price: str) -> None:
    with pytest.raises(ValueError, match="at a price of"):
        BTCUSDT.quantity_worth(Decimal(1), Decimal(price), Rounding.UP)
