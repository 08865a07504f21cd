"""Rules of a made-up BTCUSDT and terms of orders on it, in short words."""

from decimal import Decimal
from typing import Any

from dogwatch.actors.spot.account_results import MyFilters
from dogwatch.actors.spot.enums import OrderType, Side, SymbolStatus
from dogwatch.actors.spot.exchange_info import (
    Filter,
    LotSize,
    MarketLotSize,
    Notional,
    PercentPriceBySide,
    PriceFilter,
    SymbolInfo,
)
from dogwatch.actors.spot.execution_rules import ExecutionRule
from dogwatch.actors.spot.filter_context import FilterContext, Terms
from dogwatch.actors.spot.filters import SymbolRules

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


def rules_with(
    *filters: Filter,
    status: SymbolStatus = SymbolStatus.TRADING,
    by_quote: bool = True,
    icebergs: bool = True,
    trailing: bool = True,
    amends: bool = True,
    mine: MyFilters | None = None,
    exchange_filters: tuple[Filter, ...] = (),
    execution_rules: tuple[ExecutionRule, ...] = (),
) -> SymbolRules:
    info = SymbolInfo(
        symbol="BTCUSDT",
        status=status,
        iceberg_allowed=icebergs,
        allow_trailing_stop=trailing,
        amend_allowed=amends,
        base_asset="BTC",
        base_asset_precision=8,
        quote_asset="USDT",
        quote_asset_precision=8,
        order_types=(OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET, OrderType.STOP_LOSS),
        quote_order_qty_market_allowed=by_quote,
        filters=filters,
    )
    return SymbolRules.of(info, exchange_filters=exchange_filters, mine=mine, execution_rules=execution_rules)


def under(rules: SymbolRules, **facts: Any) -> FilterContext:
    return FilterContext(rules=rules, **facts)


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
