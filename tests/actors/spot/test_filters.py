"""Rules made of exchangeInfo, exact rounding, and checks that name what is wrong and what would be right."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import OrderType, Side, SymbolStatus
from dogwatch.actors.spot.exchange_info import (
    Filter,
    IcebergParts,
    LotSize,
    MarketLotSize,
    MaxNumAlgoOrders,
    MaxNumIcebergOrders,
    MaxNumOrders,
    MaxPosition,
    MinNotional,
    Notional,
    PercentPrice,
    PercentPriceBySide,
    PriceFilter,
    SymbolInfo,
    TrailingDelta,
    UnknownFilter,
)
from dogwatch.actors.spot.filter_checks import FilterFailure, Market, Terms, check
from dogwatch.actors.spot.filters import Rounding, SymbolRules
from dogwatch.actors.spot.grid import Grid

ZERO = Decimal(0)

PRICE = PriceFilter(min_price=Decimal("0.01"), max_price=Decimal(1_000_000), tick_size=Decimal("0.01000000"))
LOT = LotSize(min_quantity=Decimal("0.00001"), max_quantity=Decimal(9000), step_size=Decimal("0.00001000"))
MARKET_LOT = MarketLotSize(min_quantity=ZERO, max_quantity=Decimal("107.19006"), step_size=ZERO)
NOTIONAL = Notional(
    min_notional=Decimal(5),
    apply_min_to_market=True,
    max_notional=Decimal(9_000_000),
    apply_max_to_market=False,
    avg_price_mins=5,
)
BY_SIDE = PercentPriceBySide(
    bid_multiplier_up=Decimal("1.2"),
    bid_multiplier_down=Decimal("0.2"),
    ask_multiplier_up=Decimal(5),
    ask_multiplier_down=Decimal("0.8"),
    avg_price_mins=5,
)


def rules_with(*filters: Filter, status: SymbolStatus = SymbolStatus.TRADING, by_quote: bool = True) -> SymbolRules:
    info = SymbolInfo(
        symbol="BTCUSDT",
        status=status,
        base_asset="BTC",
        base_asset_precision=8,
        quote_asset="USDT",
        quote_asset_precision=8,
        order_types=(OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET, OrderType.STOP_LOSS),
        quote_order_qty_market_allowed=by_quote,
        filters=filters,
    )
    return SymbolRules.of(info)


BTCUSDT = rules_with(PRICE, LOT, MARKET_LOT, NOTIONAL, BY_SIDE)


def limit(
    quantity: str = "0.01",
    price: str = "40000",
    *,
    side: Side = Side.BUY,
    iceberg_quantity: str | None = None,
) -> Terms:
    return Terms(
        side=side,
        type=OrderType.LIMIT,
        quantity=Decimal(quantity),
        price=Decimal(price),
        iceberg_quantity=None if iceberg_quantity is None else Decimal(iceberg_quantity),
    )


def market(quantity: str | None = None, *, quote_quantity: str | None = None) -> Terms:
    return Terms(
        side=Side.BUY,
        type=OrderType.MARKET,
        quantity=None if quantity is None else Decimal(quantity),
        quote_quantity=None if quote_quantity is None else Decimal(quote_quantity),
    )


def the_one(failures: tuple[FilterFailure, ...]) -> FilterFailure:
    assert len(failures) == 1, failures
    return failures[0]


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


def test_a_good_order_passes() -> None:
    facts = Market(reference_price=Decimal(40_000), position=Decimal(1), open_orders=3)
    assert check(BTCUSDT, limit(), facts) == ()
    assert check(BTCUSDT, limit(side=Side.SELL), facts) == ()
    assert check(BTCUSDT, market("0.01"), facts) == ()
    assert check(BTCUSDT, market(quote_quantity="100"), facts) == ()


REFUSED: list[tuple[str, SymbolRules, Terms, Market, str, str, str | None]] = [
    ("tick", BTCUSDT, limit(price="40000.123"), Market(), "PRICE_FILTER", "is not a multiple of 0.01", "40000.12"),
    ("low price", rules_with(PRICE), limit(price="0.001"), Market(), "PRICE_FILTER", "below the least of 0.01", "0.01"),
    ("high price", rules_with(PRICE), limit(price="1000000.01"), Market(), "PRICE_FILTER", "above the gre", "1000000"),
    ("step", BTCUSDT, limit("0.010004"), Market(), "LOT_SIZE", "is not a multiple of 0.00001", "0.01"),
    ("small", rules_with(LOT), limit("0.000001"), Market(), "LOT_SIZE", "is below the least of 0.00001", "0.00001"),
    ("large", rules_with(LOT), limit("9001"), Market(), "LOT_SIZE", "is above the greatest of 9000", "9000"),
    ("market large", BTCUSDT, market("107.2"), Market(), "MARKET_LOT_SIZE", "greatest of 107.19006", "107.19006"),
    (
        "notional",
        BTCUSDT,
        limit("0.0001"),
        Market(),
        "NOTIONAL",
        "0.0001 at 40000 is 4 USDT, which is below 5",
        "0.00013",
    ),
    ("notional high", BTCUSDT, limit("300"), Market(), "NOTIONAL", "is above 9000000", "225"),
    (
        "market notional",
        BTCUSDT,
        market("0.0001"),
        Market(reference_price=Decimal(40_000)),
        "NOTIONAL",
        "is 4 USDT, which is below 5",
        "0.00013",
    ),
    ("quote small", BTCUSDT, market(quote_quantity="4"), Market(), "NOTIONAL", "quote quantity 4 is below", "5"),
    ("digits", rules_with(), limit("1.123456789"), Market(), "-1111", "more than the 8 decimals of BTC", "1.12345679"),
    ("price digits", rules_with(), limit(price="1.123456781"), Market(), "-1111", "decimals of USDT", "1.12345678"),
    (
        "buy too high",
        BTCUSDT,
        limit(price="48000.01"),
        Market(reference_price=Decimal(40_000)),
        "PERCENT_PRICE_BY_SIDE",
        "is above 48000, too far from the reference price 40000",
        "48000",
    ),
    (
        "sell too low",
        BTCUSDT,
        limit(price="31999.99", side=Side.SELL),
        Market(reference_price=Decimal(40_000)),
        "PERCENT_PRICE_BY_SIDE",
        "is below 32000",
        "32000",
    ),
    (
        "percent",
        rules_with(PRICE, PercentPrice(multiplier_up=Decimal("1.3"), multiplier_down=Decimal("0.7"), avg_price_mins=5)),
        limit(price="100"),
        Market(reference_price=Decimal("33.333")),
        "PERCENT_PRICE",
        "is above 43.3329",
        "43.33",
    ),
    (
        "minimum notional",
        rules_with(LOT, MinNotional(min_notional=Decimal(10), apply_to_market=False, avg_price_mins=5)),
        limit("0.1", "30"),
        Market(),
        "MIN_NOTIONAL",
        "0.1 at 30 is 3 USDT, which is below 10",
        "0.33334",
    ),
    (
        "iceberg parts",
        rules_with(LOT, IcebergParts(limit=10)),
        limit("1", iceberg_quantity="0.09"),
        Market(),
        "ICEBERG_PARTS",
        "iceberg quantity 0.09 makes 12 parts, more than 10",
        "0.1",
    ),
    (
        "iceberg larger",
        rules_with(LOT),
        limit("1", iceberg_quantity="2"),
        Market(),
        "ICEBERG_PARTS",
        "above the quantity 1",
        "1",
    ),
    (
        "position",
        rules_with(LOT, MaxPosition(max_position=Decimal(10))),
        limit("2"),
        Market(position=Decimal("9.5")),
        "MAX_POSITION",
        "quantity 2 on top of 9.5 BTC is above 10",
        "0.5",
    ),
    (
        "orders",
        rules_with(MaxNumOrders(max_num_orders=25)),
        limit(),
        Market(open_orders=25),
        "MAX_NUM_ORDERS",
        "there are 25 open orders, and 25 is the most",
        None,
    ),
    (
        "algo orders",
        rules_with(MaxNumAlgoOrders(max_num_algo_orders=5)),
        Terms(side=Side.BUY, type=OrderType.STOP_LOSS, quantity=Decimal(1), stop_price=Decimal(1)),
        Market(open_algo_orders=5),
        "MAX_NUM_ALGO_ORDERS",
        "there are 5 open stop orders",
        None,
    ),
    (
        "iceberg orders",
        rules_with(MaxNumIcebergOrders(max_num_iceberg_orders=1)),
        limit("1", iceberg_quantity="0.5"),
        Market(open_iceberg_orders=1),
        "MAX_NUM_ICEBERG_ORDERS",
        "there are 1 open iceberg orders",
        None,
    ),
    ("zero", rules_with(), limit("0"), Market(), "-1100", "quantity 0 is not above zero", None),
    ("negative quote", rules_with(), market(quote_quantity="-1"), Market(), "-1100", "is not above zero", None),
    ("halt", rules_with(status=SymbolStatus.HALT), limit(), Market(), "status", "its status is HALT", None),
    (
        "quote forbidden",
        rules_with(by_quote=False),
        market(quote_quantity="10"),
        Market(),
        "quoteOrderQtyMarketAllowed",
        "takes no orders by quote quantity",
        None,
    ),
    (
        "type",
        rules_with(),
        Terms(side=Side.BUY, type=OrderType.TAKE_PROFIT, quantity=Decimal(1), stop_price=Decimal(1)),
        Market(),
        "orderTypes",
        "takes no TAKE_PROFIT orders, only LIMIT, LIMIT_MAKER, MARKET, STOP_LOSS",
        None,
    ),
]


@pytest.mark.parametrize(
    ("rules", "terms", "facts", "name", "problem", "legal"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED]
)
def test_a_failure_names_the_filter_what_is_wrong_and_the_nearest_legal_value(
    rules: SymbolRules, terms: Terms, facts: Market, name: str, problem: str, legal: str | None
) -> None:
    failure = the_one(check(rules, terms, facts))
    assert failure.filter == name
    assert problem in failure.problem
    assert failure.legal == (None if legal is None else Decimal(legal))
    assert str(failure).startswith(failure.problem)
    assert failure.hint in str(failure)
    assert bool(failure.hint) == (legal is not None)


def test_every_failure_is_reported_not_only_the_first() -> None:
    failures = check(BTCUSDT, limit("0.000015", "40000.123"))
    assert [failure.filter for failure in failures] == ["PRICE_FILTER", "LOT_SIZE", "NOTIONAL"]


@pytest.mark.parametrize(
    ("side", "order_type", "bounds"),
    [
        (Side.BUY, OrderType.STOP_LOSS, (10, 2000)),
        (Side.SELL, OrderType.TAKE_PROFIT, (10, 2000)),
        (Side.SELL, OrderType.STOP_LOSS_LIMIT, (20, 1000)),
        (Side.BUY, OrderType.TAKE_PROFIT_LIMIT, (20, 1000)),
    ],
)
def test_a_trailing_delta_has_bounds_above_or_below_the_market(
    side: Side, order_type: OrderType, bounds: tuple[int, int]
) -> None:
    filters = TrailingDelta(
        min_trailing_above_delta=10,
        max_trailing_above_delta=2000,
        min_trailing_below_delta=20,
        max_trailing_below_delta=1000,
    )
    rules = rules_with(filters)

    def failures(delta: int) -> list[Decimal | None]:
        terms = Terms(side=side, type=order_type, quantity=Decimal(1), trailing_delta=delta)
        return [failure.legal for failure in check(rules, terms) if failure.filter == "TRAILING_DELTA"]

    least, greatest = bounds
    assert failures(least) == failures(greatest) == []
    assert failures(least - 1) == [least]
    assert failures(greatest + 1) == [greatest]


def test_without_its_facts_a_check_is_left_out() -> None:
    rules = rules_with(MaxPosition(max_position=Decimal(1)), MaxNumOrders(max_num_orders=1), BY_SIDE)
    assert check(rules, limit("2", "1")) == ()


def test_selling_never_exceeds_the_greatest_position() -> None:
    rules = rules_with(MaxPosition(max_position=Decimal(1)))
    assert check(rules, limit("2", side=Side.SELL), Market(position=Decimal(5))) == ()


def test_filters_that_are_switched_off_or_unknown_limit_nothing() -> None:
    off = rules_with(
        PriceFilter(min_price=ZERO, max_price=ZERO, tick_size=ZERO),
        LotSize(min_quantity=ZERO, max_quantity=ZERO, step_size=ZERO),
        MarketLotSize(min_quantity=ZERO, max_quantity=ZERO, step_size=ZERO),
        MaxPosition(max_position=ZERO),
        UnknownFilter(name="MOON_PHASE"),
    )
    assert check(off, limit("0.00000001", "0.00000001"), Market(position=Decimal(9))) == ()


@given(
    quantity=amounts.filter(lambda amount: amount > 0),
    price=st.integers(1, 10**8).map(lambda number: Decimal(number).scaleb(-2)),
)
def test_a_quantity_corrected_as_advised_passes(quantity: Decimal, price: Decimal) -> None:
    rules = rules_with(
        LOT,
        Notional(
            min_notional=Decimal(5),
            apply_min_to_market=True,
            max_notional=Decimal(10**12),
            apply_max_to_market=True,
            avg_price_mins=5,
        ),
    )
    terms = Terms(side=Side.BUY, type=OrderType.LIMIT, quantity=quantity, price=price)
    for _ in range(3):
        failures = [failure for failure in check(rules, terms) if failure.filter != "-1111"]
        if not failures:
            return
        advised = failures[-1].legal
        if advised is not None and advised > 9000:
            return  # at this price no quantity is worth enough and small enough
        terms = Terms(side=Side.BUY, type=OrderType.LIMIT, quantity=advised, price=price)
    assert check(rules, terms) == ()
