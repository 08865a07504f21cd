"""The symbols that trade here: assets, precisions, what orders they take, with the filters of symbol_filters.py.

Values are those the exchange publishes for these symbols.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from dogwatch.actors.paper.symbol_filters import SymbolFilters, symbol_filters

# The exchange lists assets in the order in which it first listed them; balances in account events follow it.
ASSET_ORDER = ("BTC", "LTC", "ETH", "NEO", "BNB", "QTUM", "EOS", "SNT", "BNT", "GAS", "USDT")
FEE_ASSET = "BNB"

SELF_TRADE_PREVENTION_MODES = ("EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT")
SYMBOL_STATUSES = ("TRADING", "END_OF_DAY", "HALT", "BREAK", "CANCEL_ONLY")


class SymbolDefinition(SymbolFilters, frozen=True, kw_only=True):
    """One symbol with its filters.

    Stop orders and icebergs do not trade here yet: `order.test` checks them all the same, placing one is refused
    whatever `order_types`, `iceberg_allowed` and `trailing_allowed` say. `typical_quantity` and `spread_ticks_max`
    shape the quote that is derived from trades when a feed brings no quotes.
    """

    symbol: str
    base_asset: str
    quote_asset: str
    status: str = "TRADING"
    asset_precision: int = 8
    order_types: tuple[str, ...] = ("LIMIT", "LIMIT_MAKER", "MARKET")
    iceberg_allowed: bool = False
    trailing_allowed: bool = False
    quote_quantity_allowed: bool = True
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


def with_filters(definition: SymbolDefinition, changes: Mapping[str, Any]) -> SymbolDefinition:
    """The same symbol with other filters: the names are those of `SymbolFilters`.

    Raises KeyError for a name that is none, msgspec.ValidationError for a value of another type.
    """
    values = {name: msgspec.convert(value, FILTER_TYPES[name]) for name, value in changes.items()}
    return msgspec.structs.replace(definition, **values)


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
        "icebergAllowed": definition.iceberg_allowed,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": definition.quote_quantity_allowed,
        "allowTrailingStop": definition.trailing_allowed,
        "cancelReplaceAllowed": definition.cancel_replace_allowed,
        "amendAllowed": definition.amend_allowed,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": symbol_filters(definition),
        "permissions": [],
        "permissionSets": [list(group) for group in definition.permission_sets] if show_permission_sets else [],
        "defaultSelfTradePreventionMode": definition.default_self_trade_prevention,
        "allowedSelfTradePreventionModes": list(definition.self_trade_prevention_modes),
    }


FILTER_TYPES = {field.name: field.type for field in msgspec.structs.fields(SymbolFilters)}
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
