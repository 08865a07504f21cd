"""A symbol's rules in the shape in which orders are built (`SymbolRules`), made from filters and execution rules.

Filters are of the symbol, of the whole exchange, or of an asset; what exchangeInfo says of them myFilters may say
otherwise for one account. Checking an order against them lives in `filter_checks.py`, exact rounding in `grid.py`,
decoding in `exchange_info.py`.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Self, TypeVar

import msgspec

from dogwatch.actors.spot.account_results import MyFilters
from dogwatch.actors.spot.enums import OrderType, Side, SymbolStatus
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
    PercentPriceBySide,
    PriceFilter,
    SymbolInfo,
    TrailingDelta,
    UnknownFilter,
)
from dogwatch.actors.spot.execution_rules import ExecutionRule, PriceRange
from dogwatch.actors.spot.grid import EXACT, Grid, common_multiple, steps_worth, text, to_step, unit
from dogwatch.actors.spot.grid import Rounding as Rounding

F = TypeVar("F")


class PercentBand(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far a price may be from the reference price, as multiples of it (PERCENT_PRICE, PERCENT_PRICE_BY_SIDE).

    Which price that is depends on `average_minutes`, see `FilterContext.reference`. A multiple of zero is switched off.
    """

    filter: str
    buy_up: Decimal
    buy_down: Decimal
    sell_up: Decimal
    sell_down: Decimal
    average_minutes: int

    def prices(self, side: Side, reference_price: Decimal) -> tuple[Decimal | None, Decimal | None]:
        """The least and the greatest price an order of this side may have; None where a multiple is switched off."""
        down, up = (self.buy_down, self.buy_up) if side is Side.BUY else (self.sell_down, self.sell_up)
        return _multiple(reference_price, down), _multiple(reference_price, up)


class NotionalBand(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Bounds of price times quantity (MIN_NOTIONAL, NOTIONAL), None where there is none, and whether they bind MARKET
    orders. The price of a MARKET order is then the reference price of `PercentBand`."""

    filter: str
    least: Decimal | None
    greatest: Decimal | None
    least_binds_market: bool
    greatest_binds_market: bool
    average_minutes: int


class OpenOrders(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Numbers of open orders, or the most that there may be: all of them, those of the four stop types, icebergs, and
    order lists. None: not known, or no limit."""

    orders: int | None = None
    algo_orders: int | None = None
    iceberg_orders: int | None = None
    order_lists: int | None = None


class SymbolRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a symbol demands of an order (Filters). A filter that is absent or switched off limits nothing.

    `price` is in the quote asset, `lot` and `market_lot` (which binds MARKET orders besides `lot`) in the base asset.
    `open_max` is of the account's orders on this symbol, `open_max_of_account` of those on all symbols. `base_max` and
    `quote_max` bound what one order may move of these assets. `price_range` refuses no order: what a taker would
    execute beyond it expires. `unknown_filters` are names of filters that this version does not know.
    """

    symbol: str
    base_asset: str
    quote_asset: str
    base_precision: int
    quote_precision: int
    status: SymbolStatus
    order_types: frozenset[OrderType]
    quote_quantity_allowed: bool
    iceberg_allowed: bool
    trailing_allowed: bool
    amend_allowed: bool
    price: Grid
    lot: Grid
    market_lot: Grid
    percent_bands: tuple[PercentBand, ...]
    notional_bands: tuple[NotionalBand, ...]
    trailing: TrailingDelta | None
    position_max: Decimal | None
    base_max: Decimal | None
    quote_max: Decimal | None
    iceberg_parts_max: int | None
    amends_max: int | None
    open_max: OpenOrders
    open_max_of_account: OpenOrders
    price_range: PriceRange | None = None
    unknown_filters: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        info: SymbolInfo,
        *,
        exchange_filters: tuple[Filter, ...] = (),
        mine: MyFilters | None = None,
        execution_rules: tuple[ExecutionRule, ...] = (),
    ) -> Self:
        """From one element of exchangeInfo's `symbols` and its `exchangeFilters`. Where `mine` (myFilters) has a filter
        of the same kind, that is the one which binds this account."""
        filters = (*info.filters, *exchange_filters)
        if mine is not None:
            filters = (*mine.symbol_filters, *mine.exchange_filters, *mine.asset_filters, *filters)
        position, trailing = _find(filters, MaxPosition), _find(filters, TrailingDelta)
        iceberg_parts, amends = _find(filters, IcebergParts), _find(filters, MaxNumOrderAmends)
        return cls(
            symbol=info.symbol,
            base_asset=info.base_asset,
            quote_asset=info.quote_asset,
            base_precision=info.base_asset_precision,
            quote_precision=info.quote_asset_precision,
            status=info.status,
            order_types=frozenset(info.order_types),
            quote_quantity_allowed=info.quote_order_qty_market_allowed,
            iceberg_allowed=info.iceberg_allowed,
            trailing_allowed=info.allow_trailing_stop,
            amend_allowed=info.amend_allowed,
            price=_price_grid(filters),
            lot=_lot_grid(_find(filters, LotSize)),
            market_lot=_lot_grid(_find(filters, MarketLotSize)),
            percent_bands=tuple(_percent_bands(filters)),
            notional_bands=tuple(_notional_bands(filters)),
            trailing=trailing,
            position_max=position.max_position or None if position else None,
            base_max=_asset_max(filters, info.base_asset),
            quote_max=_asset_max(filters, info.quote_asset),
            iceberg_parts_max=iceberg_parts.limit or None if iceberg_parts else None,
            amends_max=amends.max_num_order_amends or None if amends else None,
            open_max=_open_max(filters),
            open_max_of_account=_open_max_of_account(filters),
            price_range=next((rule for rule in execution_rules if isinstance(rule, PriceRange)), None),
            unknown_filters=tuple(item.name for item in filters if isinstance(item, UnknownFilter)),
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

    def round_quote(self, quote_quantity: Decimal, rounding: Rounding) -> Decimal:
        """The nearest amount in this direction that the quote asset can express, for a MARKET order by quote
        quantity."""
        return to_step(quote_quantity, unit(self.quote_precision), rounding)

    def quantity_worth(self, notional: Decimal, price: Decimal, rounding: Rounding, *, market: bool = False) -> Decimal:
        """The multiple of the step size that is worth this notional at this price, or just more (UP) or less (DOWN).

        Exact. Raises ValueError for a price that is not above zero. Bounds are not looked at.
        """
        if not (price.is_finite() and price > 0):
            raise ValueError(f"nothing is worth {text(notional)} at a price of {price}")
        step = self.quantity_step(market=market)
        return EXACT.multiply(steps_worth(notional, EXACT.multiply(price, step), rounding), step)

    def taker_prices(self, side: Side, reference_price: Decimal) -> tuple[Decimal | None, Decimal | None]:
        """The least and the greatest price at which an order of this side takes from the book (PRICE_RANGE); what is
        left of it beyond them expires. None where there is no bound."""
        bounds = self.price_range
        if bounds is None:
            return None, None
        if side is Side.BUY:
            down, up = bounds.bid_multiplier_down, bounds.bid_multiplier_up
        else:
            down, up = bounds.ask_multiplier_down, bounds.ask_multiplier_up
        return _multiple(reference_price, down), _multiple(reference_price, up)

    def quantity_step(self, *, market: bool = False) -> Decimal:
        """What quantities are multiples of. A symbol without a step size takes what its base asset can express."""
        step = self.lot.step or unit(self.base_precision)
        if market and self.market_lot.step is not None:
            return common_multiple(step, self.market_lot.step)
        return step


def _multiple(reference_price: Decimal, multiplier: Decimal | None) -> Decimal | None:
    return EXACT.multiply(reference_price, multiplier) if multiplier else None


def _find(filters: tuple[Filter, ...], kind: type[F]) -> F | None:
    return next((item for item in filters if isinstance(item, kind)), None)


def _asset_max(filters: Iterable[Filter], asset: str) -> Decimal | None:
    limits = (item.limit for item in filters if isinstance(item, MaxAsset) and item.asset == asset)
    return next(limits, None) or None


def _open_max(filters: tuple[Filter, ...]) -> OpenOrders:
    orders, algo_orders = _find(filters, MaxNumOrders), _find(filters, MaxNumAlgoOrders)
    iceberg_orders, order_lists = _find(filters, MaxNumIcebergOrders), _find(filters, MaxNumOrderLists)
    return OpenOrders(
        orders=orders.max_num_orders or None if orders else None,
        algo_orders=algo_orders.max_num_algo_orders or None if algo_orders else None,
        iceberg_orders=iceberg_orders.max_num_iceberg_orders or None if iceberg_orders else None,
        order_lists=order_lists.max_num_order_lists or None if order_lists else None,
    )


def _open_max_of_account(filters: tuple[Filter, ...]) -> OpenOrders:
    orders, algo_orders = _find(filters, ExchangeMaxNumOrders), _find(filters, ExchangeMaxNumAlgoOrders)
    iceberg_orders = _find(filters, ExchangeMaxNumIcebergOrders)
    order_lists = _find(filters, ExchangeMaxNumOrderLists)
    return OpenOrders(
        orders=orders.max_num_orders or None if orders else None,
        algo_orders=algo_orders.max_num_algo_orders or None if algo_orders else None,
        iceberg_orders=iceberg_orders.max_num_iceberg_orders or None if iceberg_orders else None,
        order_lists=order_lists.max_num_order_lists or None if order_lists else None,
    )


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
