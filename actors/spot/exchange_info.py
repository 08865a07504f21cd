"""exchangeInfo as values: limits, symbols and their filters (WebSocket API, Exchange information; filters.md).

Filters are a union tagged by "filterType". One that the exchange added later becomes an `UnknownFilter`, so that a new
filter never stops a program from starting; `filters.py` says what the known ones demand of an order.
"""

from decimal import Decimal
from typing import get_args

import msgspec

from dogwatch.actors.spot.enums import (
    OrderType,
    RateLimitInterval,
    RateLimitType,
    SelfTradePreventionMode,
    SymbolStatus,
)
from dogwatch.actors.spot.open_unions import OpenDecoder, OpenUnion
from dogwatch.actors.spot.wire_names import wire_names


class _Filter(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="filterType", rename="camel"):
    """Zero, or absence, of a bound means that there is none."""


class PriceFilter(_Filter, frozen=True, kw_only=True, gc=False, tag="PRICE_FILTER"):
    """Bounds and step of price and stop price."""

    min_price: Decimal
    max_price: Decimal
    tick_size: Decimal


class PercentPrice(_Filter, frozen=True, kw_only=True, gc=False, tag="PERCENT_PRICE"):
    """Bounds of the price as multiples of the average price of the last `avg_price_mins` minutes."""

    multiplier_up: Decimal
    multiplier_down: Decimal
    avg_price_mins: int


class PercentPriceBySide(_Filter, frozen=True, kw_only=True, gc=False, tag="PERCENT_PRICE_BY_SIDE"):
    """The same with other multiples for buying (bid) and selling (ask)."""

    bid_multiplier_up: Decimal
    bid_multiplier_down: Decimal
    ask_multiplier_up: Decimal
    ask_multiplier_down: Decimal
    avg_price_mins: int


class LotSize(
    _Filter,
    frozen=True,
    kw_only=True,
    gc=False,
    tag="LOT_SIZE",
    rename={"min_quantity": "minQty", "max_quantity": "maxQty", "step_size": "stepSize"},
):
    """Bounds and step of quantity and iceberg quantity."""

    min_quantity: Decimal
    max_quantity: Decimal
    step_size: Decimal


class MarketLotSize(
    _Filter,
    frozen=True,
    kw_only=True,
    gc=False,
    tag="MARKET_LOT_SIZE",
    rename={"min_quantity": "minQty", "max_quantity": "maxQty", "step_size": "stepSize"},
):
    """Bounds and step of the quantity of MARKET orders, besides those of LOT_SIZE."""

    min_quantity: Decimal
    max_quantity: Decimal
    step_size: Decimal


class MinNotional(_Filter, frozen=True, kw_only=True, gc=False, tag="MIN_NOTIONAL"):
    """Least price times quantity; for MARKET orders only if `apply_to_market`."""

    min_notional: Decimal
    apply_to_market: bool
    avg_price_mins: int


class Notional(_Filter, frozen=True, kw_only=True, gc=False, tag="NOTIONAL"):
    """Least and greatest price times quantity, each for MARKET orders only if it says so."""

    min_notional: Decimal
    apply_min_to_market: bool
    max_notional: Decimal
    apply_max_to_market: bool
    avg_price_mins: int


class IcebergParts(_Filter, frozen=True, kw_only=True, gc=False, tag="ICEBERG_PARTS"):
    limit: int


class MaxNumOrders(_Filter, frozen=True, kw_only=True, gc=False, tag="MAX_NUM_ORDERS"):
    max_num_orders: int


class MaxNumAlgoOrders(_Filter, frozen=True, kw_only=True, gc=False, tag="MAX_NUM_ALGO_ORDERS"):
    max_num_algo_orders: int


class MaxNumIcebergOrders(_Filter, frozen=True, kw_only=True, gc=False, tag="MAX_NUM_ICEBERG_ORDERS"):
    max_num_iceberg_orders: int


class MaxNumOrderLists(_Filter, frozen=True, kw_only=True, gc=False, tag="MAX_NUM_ORDER_LISTS"):
    max_num_order_lists: int


class MaxNumOrderAmends(_Filter, frozen=True, kw_only=True, gc=False, tag="MAX_NUM_ORDER_AMENDS"):
    max_num_order_amends: int


class MaxPosition(_Filter, frozen=True, kw_only=True, gc=False, tag="MAX_POSITION"):
    """Greatest sum of balance and open buy orders, in the base asset."""

    max_position: Decimal


class TrailingDelta(_Filter, frozen=True, kw_only=True, gc=False, tag="TRAILING_DELTA"):
    """Bounds of the trailing delta, in basis points."""

    min_trailing_above_delta: int
    max_trailing_above_delta: int
    min_trailing_below_delta: int
    max_trailing_below_delta: int


class ExchangeMaxNumOrders(_Filter, frozen=True, kw_only=True, gc=False, tag="EXCHANGE_MAX_NUM_ORDERS"):
    max_num_orders: int


class ExchangeMaxNumAlgoOrders(_Filter, frozen=True, kw_only=True, gc=False, tag="EXCHANGE_MAX_NUM_ALGO_ORDERS"):
    max_num_algo_orders: int


class ExchangeMaxNumIcebergOrders(_Filter, frozen=True, kw_only=True, gc=False, tag="EXCHANGE_MAX_NUM_ICEBERG_ORDERS"):
    max_num_iceberg_orders: int


class ExchangeMaxNumOrderLists(_Filter, frozen=True, kw_only=True, gc=False, tag="EXCHANGE_MAX_NUM_ORDER_LISTS"):
    max_num_order_lists: int


class MaxAsset(_Filter, frozen=True, kw_only=True, gc=False, tag="MAX_ASSET"):
    """Greatest amount of `asset` that one order may move, as its quantity or as price times quantity (myFilters)."""

    asset: str
    limit: Decimal


class UnknownFilter(_Filter, frozen=True, kw_only=True, gc=False, tag="UnknownFilter"):
    """A filter that the exchange added later. Its own tag is never sent; `name` is the filterType on the wire, `raw`
    the filter's JSON."""

    name: str
    raw: bytes = b""


Filter = (
    PriceFilter
    | PercentPrice
    | PercentPriceBySide
    | LotSize
    | MarketLotSize
    | MinNotional
    | Notional
    | IcebergParts
    | MaxNumOrders
    | MaxNumAlgoOrders
    | MaxNumIcebergOrders
    | MaxNumOrderLists
    | MaxNumOrderAmends
    | MaxPosition
    | TrailingDelta
    | ExchangeMaxNumOrders
    | ExchangeMaxNumAlgoOrders
    | ExchangeMaxNumIcebergOrders
    | ExchangeMaxNumOrderLists
    | MaxAsset
    | UnknownFilter
)


class RateLimit(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={"rate_limit_type": "rateLimitType", "interval_count": "intervalNum"},
):
    """At most `limit` in `interval_count` intervals. Windows are aligned to the clock."""

    rate_limit_type: RateLimitType
    interval: RateLimitInterval
    interval_count: int
    limit: int


class SymbolInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A symbol: its assets, their precision in decimals, what orders it takes, and its filters."""

    symbol: str
    status: SymbolStatus
    base_asset: str
    base_asset_precision: int
    quote_asset: str
    quote_asset_precision: int
    quote_precision: int | None = None
    order_types: tuple[OrderType, ...]
    filters: tuple[Filter, ...]
    base_commission_precision: int = 8
    quote_commission_precision: int = 8
    iceberg_allowed: bool = False
    oco_allowed: bool = False
    oto_allowed: bool = False
    opo_allowed: bool | None = None
    quote_order_qty_market_allowed: bool = False
    allow_trailing_stop: bool = False
    cancel_replace_allowed: bool = False
    amend_allowed: bool = False
    peg_instructions_allowed: bool | None = None
    is_spot_trading_allowed: bool = True
    is_margin_trading_allowed: bool | None = None
    permissions: tuple[str, ...] = ()
    permission_sets: tuple[tuple[str, ...], ...] = ()
    default_self_trade_prevention_mode: SelfTradePreventionMode = SelfTradePreventionMode.NONE
    allowed_self_trade_prevention_modes: tuple[SelfTradePreventionMode, ...] = ()


class SmartOrderRouting(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The symbols of one base asset over whose books an order can be routed (SOR)."""

    base_asset: str
    symbols: tuple[str, ...]


class ExchangeInfo(msgspec.Struct, frozen=True, kw_only=True, rename=wire_names()):
    """The exchange's trading rules (exchangeInfo). `sors` is None where nothing is routed."""

    server_time_ms: int
    symbols: tuple[SymbolInfo, ...]
    rate_limits: tuple[RateLimit, ...] = ()
    exchange_filters: tuple[Filter, ...] = ()
    sors: tuple[SmartOrderRouting, ...] | None = None
    timezone: str = "UTC"

    def symbol(self, name: str) -> SymbolInfo | None:
        """Return the symbol of this name, or None."""
        return next((info for info in self.symbols if info.symbol == name), None)


FILTERS = OpenUnion(
    tag_field="filterType",
    known=frozenset(str(kind.__struct_config__.tag) for kind in get_args(Filter)) - {"UnknownFilter"},
    unknown="UnknownFilter",
)
decode_exchange_info = OpenDecoder(ExchangeInfo, FILTERS).decode
