"""What is certain to pass the filters passes the complete check, whatever the rules and the order; and most orders are
certain."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import OrderType, Side, SymbolStatus
from dogwatch.actors.spot.exchange_info import (
    ExchangeMaxNumOrders,
    LotSize,
    MarketLotSize,
    MaxAsset,
    MaxNumOrders,
    MaxPosition,
    MinNotional,
)
from dogwatch.actors.spot.filter_bounds import Bounds
from dogwatch.actors.spot.filter_checks import check, check_amendment
from dogwatch.actors.spot.filter_context import FilterContext, Terms
from dogwatch.actors.spot.filters import OpenOrders, SymbolRules
from tests.actors.spot.rules_made import BTCUSDT, LOT, PRICE, limit, market, rules_with
from tests.conformance.test_filters_agree import Case, cases, rules_of, terms_of


def is_certain(order: Terms, rules: SymbolRules = BTCUSDT, *, on_symbol: int = 0, on_account: int = 0) -> bool:
    bounds = Bounds(rules)
    is_counted = rules.open_max.orders is not None or rules.open_max_of_account.orders is not None
    assert bounds.counts_orders is is_counted
    return bounds.hold(order) and bounds.have_room(on_symbol, on_account)


def refusals(order: Terms, rules: SymbolRules, *, on_symbol: int, on_account: int) -> tuple[object, ...]:
    """Of the complete check, as far as it can look while no price is known."""
    try:
        return check(
            order,
            FilterContext(
                rules=rules,
                on_symbol=OpenOrders(orders=on_symbol),
                on_account=OpenOrders(orders=on_account),
                position=Decimal(0),
            ),
        )
    except ArithmeticError:
        return ("it cannot tell",)


@settings(max_examples=100, deadline=None)
@given(case=cases(), scale=st.sampled_from([1, Decimal("0.1"), 10, Decimal("1E-30"), Decimal("1E+30"), -1]))
def test_what_is_certain_to_pass_passes(case: Case, scale: Decimal | int) -> None:
    rules, order = rules_of(case), terms_of(case.params)
    if scale != 1 and order.quantity is not None:
        order = msgspec.structs.replace(order, quantity=order.quantity * scale)
    on_symbol, on_account = case.open_orders, case.open_orders + case.open_elsewhere
    if Bounds(rules).hold(order) and order.type is not OrderType.MARKET:
        amended = msgspec.structs.replace(rules, amend_allowed=True)
        assert check_amendment(order, FilterContext(rules=amended)) == ()
    if is_certain(order, rules, on_symbol=on_symbol, on_account=on_account):
        assert refusals(order, rules, on_symbol=on_symbol, on_account=on_account) == ()
        event("certain")


PLAIN = [
    limit(),
    limit(side=Side.SELL),
    limit("9000", "1000"),
    msgspec.structs.replace(limit(), type=OrderType.LIMIT_MAKER),
    limit("0.010", "40000.00"),
    limit("1E-2", "4E+4"),
    market("0.01"),
    market(quote_quantity="100.12345678"),
]


@pytest.mark.parametrize("order", PLAIN, ids=repr)
def test_plain_orders_are_certain_on_a_symbol_like_most(order: Terms) -> None:
    assert is_certain(order)


ONE_TOO_MANY = [
    (limit(), rules_with(PRICE, LOT, MaxNumOrders(max_num_orders=3))),
    (limit(), rules_with(PRICE, LOT, exchange_filters=(ExchangeMaxNumOrders(max_num_orders=5),))),
]


@pytest.mark.parametrize(("order", "rules"), ONE_TOO_MANY)
def test_the_last_place_among_the_open_orders_is_certain_and_one_more_is_not(order: Terms, rules: SymbolRules) -> None:
    assert is_certain(order, rules, on_symbol=2, on_account=4)
    assert not is_certain(order, rules, on_symbol=3, on_account=5)


NOT_CERTAIN = [
    (limit("0.000015"), BTCUSDT),
    (limit(price="40000.001"), BTCUSDT),
    (limit(price="0.001"), rules_with(PRICE)),
    (limit("0.0001"), BTCUSDT),
    (limit("300"), BTCUSDT),
    (limit("NaN"), BTCUSDT),
    (limit("Infinity"), rules_with()),
    (limit("1", f"1.{'0' * 120}1"), rules_with(PRICE)),
    (limit("1E+21"), rules_with()),
    (limit("0"), rules_with()),
    (limit("-1"), rules_with()),
    (limit(), rules_with(status=SymbolStatus.HALT)),
    (market("0.01"), rules_with(status=SymbolStatus.HALT)),
    (limit(iceberg_quantity="0.01"), BTCUSDT),
    (limit(), rules_with(MaxPosition(max_position=Decimal(1)))),
    (limit("2"), rules_with(MaxAsset(limit=Decimal(1), asset="BTC"))),
    (limit("2", "1"), rules_with(MaxAsset(limit=Decimal(1), asset="USDT"))),
    (market("107.19007"), BTCUSDT),
    (market(quote_quantity="4"), BTCUSDT),
    (market(quote_quantity="100"), rules_with(by_quote=False)),
    (market(quote_quantity="0"), rules_with()),
    (msgspec.structs.replace(limit(), type=OrderType.TAKE_PROFIT_LIMIT), BTCUSDT),
    (msgspec.structs.replace(limit(), type=OrderType.STOP_LOSS), BTCUSDT),
    (msgspec.structs.replace(limit(), price=None), BTCUSDT),
]


@pytest.mark.parametrize(("order", "rules"), NOT_CERTAIN)
def test_what_a_filter_may_forbid_is_left_to_the_complete_check(order: Terms, rules: SymbolRules) -> None:
    assert not is_certain(order, rules)


def test_a_quantity_that_two_steps_bind_is_certain_when_it_is_a_multiple_of_both() -> None:
    lot = LotSize(min_quantity=Decimal(0), max_quantity=Decimal(0), step_size=Decimal("0.02"))
    market_lot = MarketLotSize(min_quantity=Decimal(0), max_quantity=Decimal(0), step_size=Decimal("0.03"))
    rules = rules_with(lot, market_lot)
    assert [is_certain(market(quantity), rules) for quantity in ("0.06", "0.04", "0.03")] == [True, False, False]
    assert is_certain(limit("0.04"), rules)


def test_prices_are_compared_by_bands_and_by_what_an_order_is_worth_alone() -> None:
    assert Bounds(BTCUSDT).compares_prices
    worth = MinNotional(min_notional=Decimal(5), apply_to_market=True, avg_price_mins=5)
    assert Bounds(rules_with(worth)).compares_prices
    assert Bounds(rules_with(MaxAsset(limit=Decimal(1), asset="USDT"))).compares_prices
    assert not Bounds(rules_with(PRICE, LOT)).compares_prices
