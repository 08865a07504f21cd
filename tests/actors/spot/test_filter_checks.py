"""Checks of orders, lists and amendments that name the filter, what is wrong, and what would be right."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.account_results import MyFilters
from dogwatch.actors.spot.enums import OrderType, Side, SymbolStatus, TimeInForce
from dogwatch.actors.spot.exchange_info import (
    ExchangeMaxNumAlgoOrders,
    ExchangeMaxNumIcebergOrders,
    ExchangeMaxNumOrderLists,
    ExchangeMaxNumOrders,
    Filter,
    IcebergParts,
    LotSize,
    MarketLotSize,
    MaxAsset,
    MaxNumAlgoOrders,
    MaxNumIcebergOrders,
    MaxNumOrderAmends,
    MaxNumOrderLists,
    MaxNumOrders,
    MaxPosition,
    MinNotional,
    Notional,
    PercentPrice,
    PriceFilter,
    TrailingDelta,
    UnknownFilter,
)
from dogwatch.actors.spot.filter_checks import check, check_amendment, check_list, why_not
from dogwatch.actors.spot.filter_context import FilterContext, Refusal, Terms
from dogwatch.actors.spot.filters import OpenOrders
from dogwatch.actors.spot.order_requests import OrderPlace
from tests.actors.spot.rules_made import (
    BTCUSDT,
    BY_SIDE,
    LOT,
    NOTIONAL,
    PRICE,
    ZERO,
    limit,
    market,
    rules_with,
    under,
)


def the_one(failures: tuple[Refusal, ...]) -> Refusal:
    assert len(failures) == 1, failures
    return failures[0]


amounts = st.decimals(min_value=0, max_value=10**12, places=12, allow_nan=False, allow_infinity=False)


def test_a_good_order_passes() -> None:
    context = under(
        BTCUSDT, average_price=Decimal(40_000), position=Decimal(1), on_symbol=OpenOrders(orders=3, order_lists=1)
    )
    assert check(limit(), context) == ()
    assert check(limit(side=Side.SELL), context) == ()
    assert check(market("0.01"), context) == ()
    assert check(market(quote_quantity="100"), context) == ()
    assert why_not(limit(), context) is None


REFUSED: list[tuple[str, FilterContext, Terms, str, str, str | None]] = [
    ("tick", under(BTCUSDT), limit(price="40000.123"), "PRICE_FILTER", "is not a multiple of 0.01", "40000.12"),
    ("low price", under(rules_with(PRICE)), limit(price="0.001"), "PRICE_FILTER", "below the least of 0.01", "0.01"),
    ("high price", under(rules_with(PRICE)), limit(price="1000000.01"), "PRICE_FILTER", "above the gre", "1000000"),
    ("step", under(BTCUSDT), limit("0.010004"), "LOT_SIZE", "is not a multiple of 0.00001", "0.01"),
    ("small", under(rules_with(LOT)), limit("0.000001"), "LOT_SIZE", "is below the least of 0.00001", "0.00001"),
    ("large", under(rules_with(LOT)), limit("9001"), "LOT_SIZE", "is above the greatest of 9000", "9000"),
    ("market large", under(BTCUSDT), market("107.2"), "MARKET_LOT_SIZE", "greatest of 107.19006", "107.19006"),
    ("notional", under(BTCUSDT), limit("0.0001"), "NOTIONAL", "0.0001 at 40000 is 4 USDT, which is below 5", "0.00013"),
    ("notional high", under(BTCUSDT), limit("300"), "NOTIONAL", "is above 9000000", "225"),
    (
        "market notional",
        under(BTCUSDT, average_price=Decimal(40_000)),
        market("0.0001"),
        "NOTIONAL",
        "is 4 USDT, which is below 5",
        "0.00013",
    ),
    ("quote small", under(BTCUSDT), market(quote_quantity="4"), "NOTIONAL", "quote quantity 4 is below", "5"),
    (
        "digits",
        under(rules_with()),
        limit("1.123456789"),
        "-1111",
        "whose smallest amount is 0.00000001",
        "1.12345679",
    ),
    ("price digits", under(rules_with()), limit(price="1.123456781"), "-1111", "more digits than USDT", "1.12345678"),
    (
        "buy too high",
        under(BTCUSDT, average_price=Decimal(40_000)),
        limit(price="48000.01"),
        "PERCENT_PRICE_BY_SIDE",
        "is above 48000, too far from the reference price 40000",
        "48000",
    ),
    (
        "sell too low",
        under(BTCUSDT, average_price=Decimal(40_000)),
        limit(price="31999.99", side=Side.SELL),
        "PERCENT_PRICE_BY_SIDE",
        "is below 32000",
        "32000",
    ),
    (
        "percent",
        under(
            rules_with(
                PRICE, PercentPrice(multiplier_up=Decimal("1.3"), multiplier_down=Decimal("0.7"), avg_price_mins=5)
            ),
            average_price=Decimal("33.333"),
        ),
        limit(price="100"),
        "PERCENT_PRICE",
        "is above 43.3329",
        "43.33",
    ),
    (
        "minimum notional",
        under(rules_with(LOT, MinNotional(min_notional=Decimal(10), apply_to_market=False, avg_price_mins=5))),
        limit("0.1", "30"),
        "MIN_NOTIONAL",
        "0.1 at 30 is 3 USDT, which is below 10",
        "0.33334",
    ),
    (
        "iceberg parts",
        under(rules_with(LOT, IcebergParts(limit=10))),
        limit("1", iceberg_quantity="0.09"),
        "ICEBERG_PARTS",
        "iceberg quantity 0.09 makes 12 parts, more than 10",
        "0.1",
    ),
    (
        "iceberg larger",
        under(rules_with(LOT)),
        limit("1", iceberg_quantity="2"),
        "-2010",
        "above the quantity 1",
        "1",
    ),
    (
        "position",
        under(rules_with(LOT, MaxPosition(max_position=Decimal(10))), position=Decimal("9.5")),
        limit("2"),
        "MAX_POSITION",
        "quantity 2 on top of 9.5 BTC is above 10",
        "0.5",
    ),
    (
        "orders",
        under(rules_with(MaxNumOrders(max_num_orders=25)), on_symbol=OpenOrders(orders=25)),
        limit(),
        "MAX_NUM_ORDERS",
        "there are 25 open orders, and 25 is the most",
        None,
    ),
    (
        "algo orders",
        under(rules_with(MaxNumAlgoOrders(max_num_algo_orders=5)), on_symbol=OpenOrders(algo_orders=5)),
        Terms(side=Side.BUY, type=OrderType.STOP_LOSS, quantity=Decimal(1), stop_price=Decimal(1)),
        "MAX_NUM_ALGO_ORDERS",
        "there are 5 open stop orders",
        None,
    ),
    (
        "iceberg orders",
        under(rules_with(MaxNumIcebergOrders(max_num_iceberg_orders=1)), on_symbol=OpenOrders(iceberg_orders=1)),
        limit("1", iceberg_quantity="0.5"),
        "MAX_NUM_ICEBERG_ORDERS",
        "there are 1 open iceberg orders",
        None,
    ),
    ("zero", under(rules_with()), limit("0"), "LOT_SIZE", "quantity 0 is not above zero", None),
    ("zero price", under(rules_with()), limit(price="0"), "PRICE_FILTER", "price 0 is not above zero", None),
    ("quote zero", under(rules_with()), market(quote_quantity="0"), "LOT_SIZE", "quote quantity 0 is not", None),
    (
        "negative quote",
        under(rules_with()),
        market(quote_quantity="-1"),
        "-1100",
        "quote quantity -1 is below zero",
        None,
    ),
    ("halt", under(rules_with(status=SymbolStatus.HALT)), limit(), "status", "its status is HALT", None),
    (
        "quote forbidden",
        under(rules_with(by_quote=False)),
        market(quote_quantity="10"),
        "quoteOrderQtyMarketAllowed",
        "takes no orders by quote quantity",
        None,
    ),
    (
        "type",
        under(rules_with()),
        Terms(side=Side.BUY, type=OrderType.TAKE_PROFIT, quantity=Decimal(1), stop_price=Decimal(1)),
        "orderTypes",
        "takes no TAKE_PROFIT orders, only LIMIT, LIMIT_MAKER, MARKET, STOP_LOSS",
        None,
    ),
]


@pytest.mark.parametrize(
    ("context", "terms", "name", "problem", "legal"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED]
)
def test_a_failure_names_the_filter_what_is_wrong_and_the_nearest_legal_value(
    context: FilterContext, terms: Terms, name: str, problem: str, legal: str | None
) -> None:
    failure = the_one(check(terms, context))
    assert why_not(terms, context) == failure
    assert failure.filter == name
    assert problem in failure.problem
    assert failure.legal == (None if legal is None else Decimal(legal))
    assert str(failure).startswith(failure.problem)
    assert failure.hint in str(failure)
    assert bool(failure.hint) == (legal is not None)


def test_every_failure_is_reported_not_only_the_first() -> None:
    failures = check(limit("0.000015", "40000.123"), under(BTCUSDT))
    assert [failure.filter for failure in failures] == ["PRICE_FILTER", "LOT_SIZE", "NOTIONAL"]
    assert why_not(limit("0.000015", "40000.123"), under(BTCUSDT)) == failures[0]


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
        return [failure.legal for failure in check(terms, under(rules)) if failure.filter == "TRAILING_DELTA"]

    least, greatest = bounds
    assert failures(least) == failures(greatest) == []
    assert failures(least - 1) == [least]
    assert failures(greatest + 1) == [greatest]


def test_without_its_facts_a_check_is_left_out() -> None:
    rules = rules_with(MaxPosition(max_position=Decimal(1)), MaxNumOrders(max_num_orders=1), BY_SIDE)
    assert check(limit("2", "1"), under(rules)) == ()


def test_selling_never_exceeds_the_greatest_position() -> None:
    rules = rules_with(MaxPosition(max_position=Decimal(1)))
    assert check(limit("2", side=Side.SELL), under(rules, position=Decimal(5))) == ()


def test_filters_that_are_switched_off_or_unknown_limit_nothing() -> None:
    off = rules_with(
        PriceFilter(min_price=ZERO, max_price=ZERO, tick_size=ZERO),
        LotSize(min_quantity=ZERO, max_quantity=ZERO, step_size=ZERO),
        MarketLotSize(min_quantity=ZERO, max_quantity=ZERO, step_size=ZERO),
        MaxPosition(max_position=ZERO),
        UnknownFilter(name="MOON_PHASE", raw=b"{}"),
    )
    assert check(limit("0.00000001", "0.00000001"), under(off, position=Decimal(9))) == ()


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
        failures = [failure for failure in check(terms, under(rules)) if failure.filter != "-1111"]
        if not failures:
            return
        advised = failures[-1].legal
        if advised is not None and advised > 9000:
            return  # at this price no quantity is worth enough and small enough
        terms = Terms(side=Side.BUY, type=OrderType.LIMIT, quantity=advised, price=price)
    assert check(terms, under(rules)) == ()


def test_multiples_of_zero_bound_no_price() -> None:
    free = PercentPrice(multiplier_up=ZERO, multiplier_down=Decimal("0.5"), avg_price_mins=5)
    context = under(rules_with(free), average_price=Decimal(100))
    assert check(limit(price="1000000"), context) == ()
    assert the_one(check(limit(price="49"), context)).legal == 50


@pytest.mark.parametrize(
    ("minutes", "facts", "bound"),
    [
        (5, {"average_price": Decimal(100), "last_price": Decimal(10)}, "200"),
        (0, {"average_price": Decimal(100), "last_price": Decimal(10)}, "20"),
        (5, {"average_price": Decimal(100), "reference_price": Decimal(50)}, "100"),
        (0, {"last_price": Decimal(10), "reference_price": Decimal(50)}, "100"),
    ],
)
def test_a_reference_price_goes_before_an_average_and_an_average_before_the_last_price(
    minutes: int, facts: dict[str, Decimal], bound: str
) -> None:
    filters = PercentPrice(multiplier_up=Decimal(2), multiplier_down=ZERO, avg_price_mins=minutes)
    refusal = why_not(limit(price="1000"), under(rules_with(filters), **facts))
    assert refusal is not None
    assert refusal.legal == Decimal(bound)


def assets(**limits: str) -> MyFilters:
    found = tuple(MaxAsset(asset=asset, limit=Decimal(limit)) for asset, limit in limits.items())
    return MyFilters(exchange_filters=(), symbol_filters=(), asset_filters=found)


@pytest.mark.parametrize(
    ("mine", "terms", "problem", "legal"),
    [
        (assets(BTC="2"), limit("2.00001"), "quantity 2.00001 is above 2 BTC for one order", "2"),
        (assets(BTC="2"), market("3"), "quantity 3 is above 2 BTC", "2"),
        (assets(USDT="1000"), limit("1", "1000.01"), "1 at 1000.01 is 1000.01 USDT, which is above 1000", "0.99999"),
        (
            assets(USDT="1000"),
            market(quote_quantity="1001"),
            "quote quantity 1001 is above the greatest of 1000",
            "1000",
        ),
        (assets(USDT="1000"), market("0.02501"), "which is above 1000", "0.025"),
    ],
)
def test_an_order_may_move_only_so_much_of_an_asset(mine: MyFilters, terms: Terms, problem: str, legal: str) -> None:
    context = under(rules_with(LOT, mine=mine), last_price=Decimal(40_000))
    refusal = the_one(check(terms, context))
    assert (refusal.filter, refusal.legal) == ("MAX_ASSET", Decimal(legal))
    assert problem in refusal.problem


def test_limits_of_assets_bind_both_sides_and_other_assets_limit_nothing() -> None:
    rules = rules_with(mine=assets(BTC="2", JPY="1"))
    assert rules.base_max == 2
    assert rules.quote_max is None
    assert check(limit("3", side=Side.SELL), under(rules)) == check(limit("3"), under(rules)) != ()


EVERYWHERE: tuple[Filter, ...] = (
    ExchangeMaxNumOrders(max_num_orders=10),
    ExchangeMaxNumAlgoOrders(max_num_algo_orders=4),
    ExchangeMaxNumIcebergOrders(max_num_iceberg_orders=3),
    ExchangeMaxNumOrderLists(max_num_order_lists=2),
)
STOP = Terms(side=Side.SELL, type=OrderType.STOP_LOSS, quantity=Decimal(1), stop_price=Decimal(1))


@pytest.mark.parametrize(
    ("terms", "counts", "name"),
    [
        (limit(), OpenOrders(orders=10), "EXCHANGE_MAX_NUM_ORDERS"),
        (STOP, OpenOrders(orders=9, algo_orders=4), "EXCHANGE_MAX_NUM_ALGO_ORDERS"),
        (limit("1", iceberg_quantity="1"), OpenOrders(iceberg_orders=3), "EXCHANGE_MAX_NUM_ICEBERG_ORDERS"),
    ],
)
def test_an_account_has_limits_of_its_own_on_all_symbols_together(terms: Terms, counts: OpenOrders, name: str) -> None:
    rules = rules_with(exchange_filters=EVERYWHERE)
    refusal = the_one(check(terms, under(rules, on_account=counts, on_symbol=counts)))
    assert refusal.filter == name
    assert "on all symbols" in refusal.problem
    assert check(terms, under(rules, on_symbol=counts)) == (), "what is open on the symbol is another count"


def test_a_list_needs_a_place_for_each_of_its_legs_and_one_for_itself() -> None:
    rules = rules_with(
        MaxNumOrders(max_num_orders=4),
        MaxNumAlgoOrders(max_num_algo_orders=2),
        MaxNumOrderLists(max_num_order_lists=1),
        exchange_filters=EVERYWHERE,
    )
    legs = (limit("1", "100", side=Side.SELL), STOP, STOP)

    def refusing(**counts: int) -> list[str]:
        context = under(rules, on_symbol=OpenOrders(**counts), on_account=OpenOrders(**counts))
        return [refusal.filter for refusal in check_list(legs, context)]

    assert refusing(orders=1, algo_orders=0, order_lists=0) == []
    assert refusing(orders=2) == ["MAX_NUM_ORDERS"]
    assert refusing(algo_orders=1) == ["MAX_NUM_ALGO_ORDERS"]
    assert refusing(order_lists=1) == ["MAX_NUM_ORDER_LISTS"]
    assert refusing(order_lists=2) == ["MAX_NUM_ORDER_LISTS", "EXCHANGE_MAX_NUM_ORDER_LISTS"]


def test_each_leg_of_a_list_keeps_the_filters() -> None:
    legs = (limit("0.000015", side=Side.SELL), limit(price="0.001", side=Side.SELL))
    assert [refusal.filter for refusal in check_list(legs, under(rules_with(PRICE, LOT)))] == [
        "LOT_SIZE",
        "PRICE_FILTER",
    ]


@pytest.mark.parametrize(
    ("context", "quantity", "name"),
    [
        (under(rules_with(LOT, NOTIONAL)), "0.0001", "NOTIONAL"),
        (under(rules_with(LOT, NOTIONAL)), "0.000015", "LOT_SIZE"),
        (under(rules_with(MaxNumOrderAmends(max_num_order_amends=10)), amends=10), "1", "MAX_NUM_ORDER_AMENDS"),
        (under(rules_with(amends=False)), "1", "amendAllowed"),
        (under(rules_with(status=SymbolStatus.HALT)), "1", "status"),
    ],
)
def test_an_amendment_has_filters_of_its_own(context: FilterContext, quantity: str, name: str) -> None:
    assert name in [refusal.filter for refusal in check_amendment(limit(quantity), context)]


def test_an_amendment_needs_no_place_and_goes_where_new_orders_do_not() -> None:
    rules = rules_with(
        MaxNumOrders(max_num_orders=1),
        MaxNumOrderAmends(max_num_order_amends=10),
        status=SymbolStatus.CANCEL_ONLY,
    )
    assert check_amendment(limit(), under(rules, on_symbol=OpenOrders(orders=1), amends=9)) == ()


def test_what_the_symbol_does_not_take_is_named_after_the_field_that_says_so() -> None:
    context = under(rules_with(icebergs=False, trailing=False))
    trailing = Terms(side=Side.BUY, type=OrderType.STOP_LOSS, quantity=Decimal(1), trailing_delta=10)
    assert the_one(check(trailing, context)).filter == "allowTrailingStop"
    assert the_one(check(limit("1", iceberg_quantity="1"), context)).filter == "icebergAllowed"


def test_what_binds_this_account_goes_before_what_binds_everybody() -> None:
    mine = MyFilters(
        exchange_filters=(ExchangeMaxNumOrders(max_num_orders=7),),
        symbol_filters=(MaxNumOrders(max_num_orders=3), UnknownFilter(name="MOON_PHASE", raw=b"{}")),
        asset_filters=(),
    )
    everybody = MaxNumOrders(max_num_orders=200), MaxNumOrderLists(max_num_order_lists=20)
    rules = rules_with(*everybody, mine=mine, exchange_filters=(*EVERYWHERE, UnknownFilter(name="TIDE", raw=b"{}")))
    assert rules.open_max == OpenOrders(orders=3, order_lists=20)
    assert rules.open_max_of_account == OpenOrders(orders=7, algo_orders=4, iceberg_orders=3, order_lists=2)
    assert rules.unknown_filters == ("MOON_PHASE", "TIDE")


def test_a_request_is_checked_as_it_would_be_sent() -> None:
    request = OrderPlace(
        symbol="BTCUSDT",
        side=Side.SELL,
        type=OrderType.STOP_LOSS_LIMIT,
        time_in_force=TimeInForce.GTC,
        price=Decimal("100.001"),
        stop_price=Decimal("101.001"),
        quantity=Decimal("0.000015"),
        iceberg_qty=Decimal("0.000001"),
        trailing_delta=100,
    )
    refusals = check(Terms.of(request), under(rules_with(PRICE, LOT, trailing=False)))
    assert [refusal.field for refusal in refusals] == [
        *("type", "trailing delta", "price", "stop price", "quantity", "iceberg quantity")
    ]
    by_quote = OrderPlace(symbol="BTCUSDT", side=Side.BUY, type=OrderType.MARKET, quote_order_qty=Decimal(4))
    assert Terms.of(by_quote) == market(quote_quantity="4")
