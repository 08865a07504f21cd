"""The filters, applied to one order before the matching engine sees it. A failure is an EngineError.

They are checked in the order in which `exchangeInfo` lists them; the first that fails is the one reported (filters.md).
"""

from decimal import ROUND_CEILING, Decimal

import msgspec

from dogwatch.actors.paper.decimals import ZERO
from dogwatch.actors.paper.engine_errors import filter_failure
from dogwatch.actors.paper.parameters import STOP_TYPES, Placement
from dogwatch.actors.paper.symbol_filters import ExchangeFilters, SymbolFilters
from dogwatch.actors.paper.symbols import SymbolDefinition


class OpenCounts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How many orders are open before this one."""

    orders: int = 0
    algo_orders: int = 0
    iceberg_orders: int = 0


NONE_OPEN = OpenCounts()


class Facts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the filters look at besides the order.

    `price`: what its price is compared with, see Market.comparable_price. `position`: what the account owns of the base
    asset plus its open buys. `on_symbol`, `on_account`: what it has open.
    """

    price: Decimal | None = None
    position: Decimal = ZERO
    on_symbol: OpenCounts = NONE_OPEN
    on_account: OpenCounts = NONE_OPEN


def check_order(
    definition: SymbolDefinition, exchange: ExchangeFilters, placement: Placement, quantity: Decimal, facts: Facts
) -> None:
    """All of them. `quantity` is in the base asset, also of an order by quote quantity."""
    is_market = placement.type == "MARKET"
    if placement.price is not None:
        check_price(definition, placement.price)
    if placement.stop_price is not None:
        check_price(definition, placement.stop_price)
    check_quantity(definition, quantity, is_market=is_market)
    if placement.iceberg_quantity is not None:
        check_iceberg(definition, quantity, placement.iceberg_quantity)
    if placement.trailing_delta is not None:
        check_trailing(definition, placement.side, placement.type, placement.trailing_delta)
    if placement.price is not None and facts.price is not None:
        check_price_percent(definition, placement.side, placement.price, facts.price)
    notional = notional_of(placement, quantity, facts.price)
    if is_market or notional is not None:
        check_notional(definition, notional, is_market=is_market)
    check_open_orders(definition, exchange, placement, facts)
    if placement.side == "BUY":
        check_position(definition, facts.position, quantity)
    check_assets(definition, exchange, quantity, notional)


def check_quote_order(
    definition: SymbolDefinition, exchange: ExchangeFilters, placement: Placement, facts: Facts
) -> None:
    """What can be said of an order by quote quantity before anybody knows how much of the base asset that is."""
    if not placement.quote_quantity:
        raise filter_failure("LOT_SIZE")
    check_notional(definition, placement.quote_quantity, is_market=True)
    check_open_orders(definition, exchange, placement, facts)
    check_assets(definition, exchange, ZERO, placement.quote_quantity)


def notional_of(placement: Placement, quantity: Decimal, price: Decimal | None) -> Decimal | None:
    """What the order is worth. A market order is reckoned at the price that filters compare with; what a stop without
    a price will be worth nobody knows."""
    if placement.quote_quantity is not None:
        return placement.quote_quantity
    if placement.type == "MARKET":
        return None if price is None else price * quantity
    return None if placement.price is None else placement.price * quantity


def check_price(definition: SymbolFilters, price: Decimal) -> None:
    """PRICE_FILTER, of the price and the stop price."""
    _check_range("PRICE_FILTER", price, definition.price_min, definition.price_max, definition.tick_size)


def check_quantity(definition: SymbolFilters, quantity: Decimal, *, is_market: bool) -> None:
    """LOT_SIZE, and MARKET_LOT_SIZE for a market order."""
    lowest, highest = definition.quantity_min, definition.quantity_max
    _check_range("LOT_SIZE", quantity, lowest, highest, definition.step_size)
    if is_market:
        lowest, highest = definition.market_quantity_min, definition.market_quantity_max
        _check_range("MARKET_LOT_SIZE", quantity, lowest, highest, definition.market_step_size)


def check_iceberg(definition: SymbolFilters, quantity: Decimal, iceberg_quantity: Decimal) -> None:
    """LOT_SIZE for the visible quantity, ICEBERG_PARTS for their number."""
    check_quantity(definition, iceberg_quantity, is_market=False)
    parts = (quantity / iceberg_quantity).to_integral_value(ROUND_CEILING)
    if definition.iceberg_parts_max and parts > definition.iceberg_parts_max:
        raise filter_failure("ICEBERG_PARTS")


def check_trailing(definition: SymbolFilters, side: str, kind: str, delta: int) -> None:
    """TRAILING_DELTA: the limits above the market for what triggers on a rise, those below for what triggers on a
    fall."""
    if (side == "BUY") == kind.startswith("STOP_LOSS"):
        lowest, highest = definition.trailing_above_min, definition.trailing_above_max
    else:
        lowest, highest = definition.trailing_below_min, definition.trailing_below_max
    _check_range("TRAILING_DELTA", Decimal(delta), Decimal(lowest), Decimal(highest), ZERO)


def check_price_percent(definition: SymbolFilters, side: str, price: Decimal, compared: Decimal) -> None:
    """PERCENT_PRICE, then PERCENT_PRICE_BY_SIDE."""
    _check_band("PERCENT_PRICE", price, compared, definition.multiplier_down, definition.multiplier_up)
    if side == "BUY":
        down, up = definition.bid_multiplier_down, definition.bid_multiplier_up
    else:
        down, up = definition.ask_multiplier_down, definition.ask_multiplier_up
    _check_band("PERCENT_PRICE_BY_SIDE", price, compared, down, up)


def check_notional(definition: SymbolFilters, notional: Decimal | None, *, is_market: bool) -> None:
    """MIN_NOTIONAL, then NOTIONAL. A market order of a symbol that never traded has no notional (None) and cannot be
    placed where one is asked for."""
    least = definition.min_notional if definition.min_notional_applies_to_market or not is_market else ZERO
    if least and (notional is None or notional < least):
        raise filter_failure("MIN_NOTIONAL")
    least = definition.notional_min if definition.notional_min_applies_to_market or not is_market else ZERO
    greatest = definition.notional_max if definition.notional_max_applies_to_market or not is_market else ZERO
    if not (least or greatest):
        return
    if notional is None or notional < least or (greatest and notional > greatest):
        raise filter_failure("NOTIONAL")


def check_open_orders(definition: SymbolFilters, exchange: ExchangeFilters, placement: Placement, facts: Facts) -> None:
    """MAX_NUM_ORDERS, MAX_NUM_ALGO_ORDERS, MAX_NUM_ICEBERG_ORDERS, then the same of all symbols together."""
    _check_counts("", placement, facts.on_symbol, definition)
    _check_counts("EXCHANGE_", placement, facts.on_account, exchange)


def check_position(definition: SymbolFilters, position: Decimal, quantity: Decimal) -> None:
    """MAX_POSITION, with this buy on top."""
    if definition.position_max and position + quantity > definition.position_max:
        raise filter_failure("MAX_POSITION")


def check_assets(
    definition: SymbolDefinition, exchange: ExchangeFilters, quantity: Decimal, notional: Decimal | None
) -> None:
    """MAX_ASSET: what the order moves of the base asset, and what it is worth of the quote asset."""
    if not exchange.asset_max:
        return
    for asset, amount in ((definition.base_asset, quantity), (definition.quote_asset, notional)):
        limit = exchange.asset_max.get(asset)
        if limit and amount is not None and amount > limit:
            raise filter_failure("MAX_ASSET")


def _check_counts(scope: str, placement: Placement, now: OpenCounts, limits: SymbolFilters | ExchangeFilters) -> None:
    if limits.orders_max and now.orders >= limits.orders_max:
        raise filter_failure(f"{scope}MAX_NUM_ORDERS")
    if placement.type in STOP_TYPES and limits.algo_orders_max and now.algo_orders >= limits.algo_orders_max:
        raise filter_failure(f"{scope}MAX_NUM_ALGO_ORDERS")
    if placement.iceberg_quantity is None or not limits.iceberg_orders_max:
        return
    if now.iceberg_orders >= limits.iceberg_orders_max:
        raise filter_failure(f"{scope}MAX_NUM_ICEBERG_ORDERS")


def _check_band(name: str, price: Decimal, compared: Decimal, down: Decimal, up: Decimal) -> None:
    if (up and price > compared * up) or (down and price < compared * down):
        raise filter_failure(name)


def _check_range(name: str, value: Decimal, lowest: Decimal, highest: Decimal, step: Decimal) -> None:
    if value <= 0 or (lowest and value < lowest) or (highest and value > highest) or (step and value % step):
        raise filter_failure(name)
