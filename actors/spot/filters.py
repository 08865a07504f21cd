"""A symbol's rules in the shape in which orders are built (`SymbolRules`), made from exchangeInfo's filters.

Checking an order against them lives in `filter_checks.py`, exact rounding in `grid.py`, decoding in `exchange_info.py`.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Self, TypeVar

import msgspec

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
)
from dogwatch.actors.spot.grid import EXACT, Grid, common_multiple, to_step, unit
from dogwatch.actors.spot.grid import Rounding as Rounding

F = TypeVar("F")


class PercentBand(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far a price may be from the reference price, as multiples of it (PERCENT_PRICE, PERCENT_PRICE_BY_SIDE).

    The reference is the symbol's reference price, else the average price of the last `average_minutes`, else (0
    minutes) the last price.
    """

    filter: str
    buy_up: Decimal
    buy_down: Decimal
    sell_up: Decimal
    sell_down: Decimal
    average_minutes: int

    def prices(self, side: Side, reference_price: Decimal) -> tuple[Decimal, Decimal]:
        """The least and the greatest price an order of this side may have."""
        down, up = (self.buy_down, self.buy_up) if side is Side.BUY else (self.sell_down, self.sell_up)
        return EXACT.multiply(reference_price, down), EXACT.multiply(reference_price, up)


class NotionalBand(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Bounds of price times quantity (MIN_NOTIONAL, NOTIONAL), None where there is none, and whether they bind MARKET
    orders. The price of a MARKET order is then the reference price of `PercentBand`."""

    filter: str
    least: Decimal | None
    greatest: Decimal | None
    least_binds_market: bool
    greatest_binds_market: bool
    average_minutes: int


class SymbolRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a symbol demands of an order (Filters). A filter that is absent or switched off limits nothing.

    `price` is in the quote asset, `lot` and `market_lot` (which binds MARKET orders besides `lot`) in the base asset.
    """

    symbol: str
    base_asset: str
    quote_asset: str
    base_precision: int
    quote_precision: int
    status: SymbolStatus
    order_types: frozenset[OrderType]
    quote_quantity_allowed: bool
    price: Grid
    lot: Grid
    market_lot: Grid
    percent_bands: tuple[PercentBand, ...]
    notional_bands: tuple[NotionalBand, ...]
    trailing: TrailingDelta | None
    position_max: Decimal | None
    iceberg_parts_max: int | None
    orders_max: int | None
    algo_orders_max: int | None
    iceberg_orders_max: int | None

    @classmethod
    def of(cls, info: SymbolInfo) -> Self:
        """From one element of exchangeInfo's `symbols`."""
        filters = info.filters
        position = _find(filters, MaxPosition)
        iceberg_parts = _find(filters, IcebergParts)
        orders = _find(filters, MaxNumOrders)
        algo_orders = _find(filters, MaxNumAlgoOrders)
        iceberg_orders = _find(filters, MaxNumIcebergOrders)
        return cls(
            symbol=info.symbol,
            base_asset=info.base_asset,
            quote_asset=info.quote_asset,
            base_precision=info.base_asset_precision,
            quote_precision=info.quote_asset_precision,
            status=info.status,
            order_types=frozenset(info.order_types),
            quote_quantity_allowed=info.quote_order_qty_market_allowed,
            price=_price_grid(filters),
            lot=_lot_grid(_find(filters, LotSize)),
            market_lot=_lot_grid(_find(filters, MarketLotSize)),
            percent_bands=tuple(_percent_bands(filters)),
            notional_bands=tuple(_notional_bands(filters)),
            trailing=_find(filters, TrailingDelta),
            position_max=position.max_position or None if position else None,
            iceberg_parts_max=iceberg_parts.limit or None if iceberg_parts else None,
            orders_max=orders.max_num_orders or None if orders else None,
            algo_orders_max=algo_orders.max_num_algo_orders or None if algo_orders else None,
            iceberg_orders_max=iceberg_orders.max_num_iceberg_orders or None if iceberg_orders else None,
        )

    def round_price(self, price: Decimal, rounding: Rounding) -> Decimal:
        """The nearest price in this direction that is a multiple of the tick size. Exact, and less than a tick away.

        A symbol without a tick size takes what its quote asset can express. Bounds are not looked at: the result may
        be below the least price or above the greatest, which `filter_checks.check` tells.
        """
        return to_step(price, self.price.step or unit(self.quote_precision), rounding)

    def round_quantity(self, quantity: Decimal, rounding: Rounding, *, market: bool = False) -> Decimal:
        """The nearest quantity in this direction that is a multiple of the step size, for a MARKET order (`market`)
        of its own step size too. Exact, and less than a step away. Bounds are not looked at, as with prices."""
        return to_step(quantity, self.quantity_step(market=market), rounding)

    def quantity_step(self, *, market: bool = False) -> Decimal:
        """What quantities are multiples of. A symbol without a step size takes what its base asset can express."""
        step = self.lot.step or unit(self.base_precision)
        if market and self.market_lot.step is not None:
            return common_multiple(step, self.market_lot.step)
        return step


def _find(filters: tuple[Filter, ...], kind: type[F]) -> F | None:
    return next((item for item in filters if isinstance(item, kind)), None)


def _price_grid(filters: tuple[Filter, ...]) -> Grid:
    found = _find(filters, PriceFilter)
    return Grid() if found is None else Grid.of(found.min_price, found.max_price, found.tick_size)


def _lot_grid(found: LotSize | MarketLotSize | None) -> Grid:
    return Grid() if found is None else Grid.of(found.min_quantity, found.max_quantity, found.step_size)


def _percent_bands(filters: tuple[Filter, ...]) -> Iterator[PercentBand]:
    if both_sides := _find(filters, PercentPrice):
        yield PercentBand(
            filter="PERCENT_PRICE",
            buy_up=both_sides.multiplier_up,
            buy_down=both_sides.multiplier_down,
            sell_up=both_sides.multiplier_up,
            sell_down=both_sides.multiplier_down,
            average_minutes=both_sides.avg_price_mins,
        )
    if by_side := _find(filters, PercentPriceBySide):
        yield PercentBand(
            filter="PERCENT_PRICE_BY_SIDE",
            buy_up=by_side.bid_multiplier_up,
            buy_down=by_side.bid_multiplier_down,
            sell_up=by_side.ask_multiplier_up,
            sell_down=by_side.ask_multiplier_down,
            average_minutes=by_side.avg_price_mins,
        )


def _notional_bands(filters: tuple[Filter, ...]) -> Iterator[NotionalBand]:
    if least := _find(filters, MinNotional):
        yield NotionalBand(
            filter="MIN_NOTIONAL",
            least=least.min_notional or None,
            greatest=None,
            least_binds_market=least.apply_to_market,
            greatest_binds_market=False,
            average_minutes=least.avg_price_mins,
        )
    if both := _find(filters, Notional):
        yield NotionalBand(
            filter="NOTIONAL",
            least=both.min_notional or None,
            greatest=both.max_notional or None,
            least_binds_market=both.apply_min_to_market,
            greatest_binds_market=both.apply_max_to_market,
            average_minutes=both.avg_price_mins,
        )
