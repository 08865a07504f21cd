"""The symbols that trade here: filters, precisions, assets. Checking an order against them is done in rules.py.

Values are those the exchange publishes for these symbols; filters.md says what each filter means.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from dogwatch.actors.paper.decimals import ZERO, text

# The exchange lists assets in the order in which it first listed them; balances in account events follow it.
ASSET_ORDER = ("BTC", "LTC", "ETH", "NEO", "BNB", "QTUM", "EOS", "SNT", "BNT", "GAS", "USDT")
FEE_ASSET = "BNB"

SELF_TRADE_PREVENTION_MODES = ("EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT")
SYMBOL_STATUSES = ("TRADING", "END_OF_DAY", "HALT", "BREAK", "CANCEL_ONLY")


class SymbolDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol with its filters. Prices are in the quote asset, quantities in the base asset; zero: no such rule.

    `typical_quantity` and `spread_ticks_max` shape the quote that is derived from trades when a feed brings no quotes.
    """

    symbol: str
    base_asset: str
    quote_asset: str
    status: str = "TRADING"
    asset_precision: int = 8
    price_min: Decimal
    price_max: Decimal
    tick_size: Decimal
    quantity_min: Decimal
    quantity_max: Decimal
    step_size: Decimal
    market_quantity_min: Decimal = ZERO
    market_quantity_max: Decimal = ZERO
    market_step_size: Decimal = ZERO
    notional_min: Decimal
    notional_max: Decimal = Decimal(9_000_000)
    notional_min_applies_to_market: bool = True
    notional_max_applies_to_market: bool = False
    bid_multiplier_up: Decimal = Decimal(5)
    bid_multiplier_down: Decimal = Decimal("0.2")
    ask_multiplier_up: Decimal = Decimal(5)
    ask_multiplier_down: Decimal = Decimal("0.2")
    average_price_minutes: int = 5
    iceberg_parts_max: int = 100
    orders_max: int = 200
    algo_orders_max: int = 5
    order_lists_max: int = 20
    amends_max: int = 10
    position_max: Decimal = ZERO
    order_types: tuple[str, ...] = ("LIMIT", "LIMIT_MAKER", "MARKET")
    default_self_trade_prevention: str = "EXPIRE_MAKER"
    self_trade_prevention_modes: tuple[str, ...] = SELF_TRADE_PREVENTION_MODES
    permission_sets: tuple[tuple[str, ...], ...] = (("SPOT",),)
    cancel_replace_allowed: bool = True
    amend_allowed: bool = True
    typical_quantity: Decimal = Decimal(1)
    spread_ticks_max: int = 100

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets that an order here may touch, the fee asset included, in the exchange's order."""
        return in_exchange_order({self.base_asset, self.quote_asset, FEE_ASSET})


def in_exchange_order(assets: Iterable[str]) -> tuple[str, ...]:
    """Known assets in listing order, the others after them by name."""
    return tuple(sorted(assets, key=lambda asset: (_RANK.get(asset, len(_RANK)), asset)))


def describe(definition: SymbolDefinition, *, show_permission_sets: bool = True) -> dict[str, Any]:
    """The symbol's entry in `exchangeInfo` (WebSocket API, Exchange information)."""
    precision = definition.asset_precision
    return {
        "symbol": definition.symbol,
        "status": definition.status,
        "baseAsset": definition.base_asset,
        "baseAssetPrecision": precision,
        "quoteAsset": definition.quote_asset,
        "quotePrecision": precision,
        "quoteAssetPrecision": precision,
        "baseCommissionPrecision": precision,
        "quoteCommissionPrecision": precision,
        "orderTypes": list(definition.order_types),
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": definition.cancel_replace_allowed,
        "amendAllowed": definition.amend_allowed,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(definition),
        "permissions": [],
        "permissionSets": [list(group) for group in definition.permission_sets] if show_permission_sets else [],
        "defaultSelfTradePreventionMode": definition.default_self_trade_prevention,
        "allowedSelfTradePreventionModes": list(definition.self_trade_prevention_modes),
    }


def _filters(definition: SymbolDefinition) -> list[dict[str, Any]]:
    filters: list[dict[str, Any]] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": text(definition.price_min),
            "maxPrice": text(definition.price_max),
            "tickSize": text(definition.tick_size),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": text(definition.quantity_min),
            "maxQty": text(definition.quantity_max),
            "stepSize": text(definition.step_size),
        },
        {"filterType": "ICEBERG_PARTS", "limit": definition.iceberg_parts_max},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": text(definition.market_quantity_min),
            "maxQty": text(definition.market_quantity_max),
            "stepSize": text(definition.market_step_size),
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": str(definition.bid_multiplier_up),
            "bidMultiplierDown": str(definition.bid_multiplier_down),
            "askMultiplierUp": str(definition.ask_multiplier_up),
            "askMultiplierDown": str(definition.ask_multiplier_down),
            "avgPriceMins": definition.average_price_minutes,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": text(definition.notional_min),
            "applyMinToMarket": definition.notional_min_applies_to_market,
            "maxNotional": text(definition.notional_max),
            "applyMaxToMarket": definition.notional_max_applies_to_market,
            "avgPriceMins": definition.average_price_minutes,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": definition.orders_max},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": definition.order_lists_max},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": definition.algo_orders_max},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": definition.amends_max},
    ]
    if definition.position_max:
        filters.append({"filterType": "MAX_POSITION", "maxPosition": text(definition.position_max)})
    return filters


_RANK = {asset: rank for rank, asset in enumerate(ASSET_ORDER)}

BTCUSDT = SymbolDefinition(
    symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    price_min=Decimal("0.01"),
    price_max=Decimal(1_000_000),
    tick_size=Decimal("0.01"),
    quantity_min=Decimal("0.00001"),
    quantity_max=Decimal(9000),
    step_size=Decimal("0.00001"),
    market_quantity_max=Decimal("116.60534416"),
    notional_min=Decimal(5),
    typical_quantity=Decimal(1),
)
ETHUSDT = SymbolDefinition(
    symbol="ETHUSDT",
    base_asset="ETH",
    quote_asset="USDT",
    price_min=Decimal("0.01"),
    price_max=Decimal(1_000_000),
    tick_size=Decimal("0.01"),
    quantity_min=Decimal("0.0001"),
    quantity_max=Decimal(9000),
    step_size=Decimal("0.0001"),
    market_quantity_max=Decimal("2738.83672583"),
    notional_min=Decimal(5),
    typical_quantity=Decimal(20),
    spread_ticks_max=20,
)
BNBUSDT = SymbolDefinition(
    symbol="BNBUSDT",
    base_asset="BNB",
    quote_asset="USDT",
    price_min=Decimal("0.01"),
    price_max=Decimal(100_000),
    tick_size=Decimal("0.01"),
    quantity_min=Decimal("0.001"),
    quantity_max=Decimal(900_000),
    step_size=Decimal("0.001"),
    market_quantity_max=Decimal("1592.67925000"),
    notional_min=Decimal(5),
    typical_quantity=Decimal(50),
    spread_ticks_max=10,
)
ETHBTC = SymbolDefinition(
    symbol="ETHBTC",
    base_asset="ETH",
    quote_asset="BTC",
    price_min=Decimal("0.00001"),
    price_max=Decimal(922_327),
    tick_size=Decimal("0.00001"),
    quantity_min=Decimal("0.0001"),
    quantity_max=Decimal(100_000),
    step_size=Decimal("0.0001"),
    market_quantity_max=Decimal("1141.37430416"),
    notional_min=Decimal("0.0001"),
    typical_quantity=Decimal(20),
    spread_ticks_max=5,
)

# Every built-in definition by symbol.
SYMBOLS = {definition.symbol: definition for definition in (BTCUSDT, ETHUSDT, BNBUSDT, ETHBTC)}
