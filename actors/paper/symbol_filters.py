"""The filters of a symbol and of the whole exchange, as settings, and in the exchange's own words (filters.md).

Checking an order against them is done in rules.py.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from dogwatch.actors.paper.decimals import ZERO, text

Row = dict[str, Any]


class SymbolFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one symbol demands of orders. Prices are in the quote asset, quantities in the base asset; zero is no rule.

    `notional_…` is the filter NOTIONAL, `min_notional…` the older MIN_NOTIONAL; `bid_…` and `ask_…` are
    PERCENT_PRICE_BY_SIDE, `multiplier_…` PERCENT_PRICE; `trailing_…` are basis points. `price_range_…` is no filter but
    the execution rule PRICE_RANGE. `reference_price`: what filters and the range compare with, instead of the average
    price of the last `average_price_minutes`, or of the last price for 0 minutes.
    """

    price_min: Decimal = ZERO
    price_max: Decimal = ZERO
    tick_size: Decimal = ZERO
    quantity_min: Decimal = ZERO
    quantity_max: Decimal = ZERO
    step_size: Decimal = ZERO
    market_quantity_min: Decimal = ZERO
    market_quantity_max: Decimal = ZERO
    market_step_size: Decimal = ZERO
    notional_min: Decimal = ZERO
    notional_max: Decimal = Decimal(9_000_000)
    notional_min_applies_to_market: bool = True
    notional_max_applies_to_market: bool = False
    min_notional: Decimal = ZERO
    min_notional_applies_to_market: bool = True
    bid_multiplier_up: Decimal = Decimal(5)
    bid_multiplier_down: Decimal = Decimal("0.2")
    ask_multiplier_up: Decimal = Decimal(5)
    ask_multiplier_down: Decimal = Decimal("0.2")
    multiplier_up: Decimal = ZERO
    multiplier_down: Decimal = ZERO
    average_price_minutes: int = 5
    reference_price: Decimal = ZERO
    price_range_bid_up: Decimal = ZERO
    price_range_bid_down: Decimal = ZERO
    price_range_ask_up: Decimal = ZERO
    price_range_ask_down: Decimal = ZERO
    trailing_above_min: int = 10
    trailing_above_max: int = 2000
    trailing_below_min: int = 10
    trailing_below_max: int = 2000
    iceberg_parts_max: int = 100
    orders_max: int = 200
    algo_orders_max: int = 5
    iceberg_orders_max: int = 0
    order_lists_max: int = 20
    amends_max: int = 10
    position_max: Decimal = ZERO


class ExchangeFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What binds an account on all symbols together, zero for nothing; `asset_max`: asset → what one order may move."""

    orders_max: int = 0
    algo_orders_max: int = 0
    iceberg_orders_max: int = 0
    order_lists_max: int = 0
    asset_max: dict[str, Decimal] = {}


def symbol_filters(filters: SymbolFilters) -> list[Row]:
    """As exchangeInfo lists them. The first ones are there on every symbol, switched off by zeros."""
    return [
        *_price_and_lot(filters),
        *_trailing(filters),
        *_percent_price(filters),
        *_notional(filters),
        *_counts(filters),
    ]


def exchange_filters(filters: ExchangeFilters) -> list[Row]:
    """As exchangeInfo lists them."""
    limits = {
        "EXCHANGE_MAX_NUM_ORDERS": ("maxNumOrders", filters.orders_max),
        "EXCHANGE_MAX_NUM_ALGO_ORDERS": ("maxNumAlgoOrders", filters.algo_orders_max),
        "EXCHANGE_MAX_NUM_ICEBERG_ORDERS": ("maxNumIcebergOrders", filters.iceberg_orders_max),
        "EXCHANGE_MAX_NUM_ORDER_LISTS": ("maxNumOrderLists", filters.order_lists_max),
    }
    return [{"filterType": name, field: limit} for name, (field, limit) in limits.items() if limit]


def my_filters(symbol: SymbolFilters, exchange: ExchangeFilters, assets: tuple[str, str]) -> Row:
    """What myFilters says of a symbol with these assets: what binds its orders besides their own terms."""
    limits = [(asset, exchange.asset_max.get(asset)) for asset in assets]
    return {
        "exchangeFilters": exchange_filters(exchange),
        "symbolFilters": list(_counts(symbol)),
        "assetFilters": [
            {"filterType": "MAX_ASSET", "asset": asset, "limit": text(limit)} for asset, limit in limits if limit
        ],
    }


def execution_rules(filters: SymbolFilters) -> list[Row]:
    """What executionRules says of a symbol: nothing without a range."""
    bounds = {
        "bidLimitMultUp": filters.price_range_bid_up,
        "bidLimitMultDown": filters.price_range_bid_down,
        "askLimitMultUp": filters.price_range_ask_up,
        "askLimitMultDown": filters.price_range_ask_down,
    }
    given = {name: str(multiplier) for name, multiplier in bounds.items() if multiplier}
    return [{"ruleType": "PRICE_RANGE", **given}] if given else []


def _price_and_lot(filters: SymbolFilters) -> Iterator[Row]:
    yield {
        "filterType": "PRICE_FILTER",
        "minPrice": text(filters.price_min),
        "maxPrice": text(filters.price_max),
        "tickSize": text(filters.tick_size),
    }
    yield {
        "filterType": "LOT_SIZE",
        "minQty": text(filters.quantity_min),
        "maxQty": text(filters.quantity_max),
        "stepSize": text(filters.step_size),
    }
    yield {"filterType": "ICEBERG_PARTS", "limit": filters.iceberg_parts_max}
    yield {
        "filterType": "MARKET_LOT_SIZE",
        "minQty": text(filters.market_quantity_min),
        "maxQty": text(filters.market_quantity_max),
        "stepSize": text(filters.market_step_size),
    }


def _trailing(filters: SymbolFilters) -> Iterator[Row]:
    yield {
        "filterType": "TRAILING_DELTA",
        "minTrailingAboveDelta": filters.trailing_above_min,
        "maxTrailingAboveDelta": filters.trailing_above_max,
        "minTrailingBelowDelta": filters.trailing_below_min,
        "maxTrailingBelowDelta": filters.trailing_below_max,
    }


def _percent_price(filters: SymbolFilters) -> Iterator[Row]:
    if filters.multiplier_up or filters.multiplier_down:
        yield {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": str(filters.multiplier_up),
            "multiplierDown": str(filters.multiplier_down),
            "avgPriceMins": filters.average_price_minutes,
        }
    yield {
        "filterType": "PERCENT_PRICE_BY_SIDE",
        "bidMultiplierUp": str(filters.bid_multiplier_up),
        "bidMultiplierDown": str(filters.bid_multiplier_down),
        "askMultiplierUp": str(filters.ask_multiplier_up),
        "askMultiplierDown": str(filters.ask_multiplier_down),
        "avgPriceMins": filters.average_price_minutes,
    }


def _notional(filters: SymbolFilters) -> Iterator[Row]:
    if filters.min_notional:
        yield {
            "filterType": "MIN_NOTIONAL",
            "minNotional": text(filters.min_notional),
            "applyToMarket": filters.min_notional_applies_to_market,
            "avgPriceMins": filters.average_price_minutes,
        }
    yield {
        "filterType": "NOTIONAL",
        "minNotional": text(filters.notional_min),
        "applyMinToMarket": filters.notional_min_applies_to_market,
        "maxNotional": text(filters.notional_max),
        "applyMaxToMarket": filters.notional_max_applies_to_market,
        "avgPriceMins": filters.average_price_minutes,
    }


def _counts(filters: SymbolFilters) -> Iterator[Row]:
    yield {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": filters.orders_max}
    yield {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": filters.order_lists_max}
    yield {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": filters.algo_orders_max}
    if filters.iceberg_orders_max:
        yield {"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": filters.iceberg_orders_max}
    yield {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": filters.amends_max}
    if filters.position_max:
        yield {"filterType": "MAX_POSITION", "maxPosition": text(filters.position_max)}
