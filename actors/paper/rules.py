"""The filters of a symbol, applied to one order before the matching engine sees it. A failure is an EngineError.

They are checked in the order in which `exchangeInfo` lists them; the first that fails is the one reported (filters.md).
"""

from decimal import ROUND_CEILING, Decimal

from dogwatch.actors.paper.engine_errors import filter_failure
from dogwatch.actors.paper.symbols import SymbolDefinition


def check_price(definition: SymbolDefinition, price: Decimal) -> None:
    """PRICE_FILTER."""
    _check_range("PRICE_FILTER", price, definition.price_min, definition.price_max, definition.tick_size)


def check_quantity(definition: SymbolDefinition, quantity: Decimal, *, is_market: bool) -> None:
    """LOT_SIZE, and MARKET_LOT_SIZE for a market order."""
    lowest, highest = definition.quantity_min, definition.quantity_max
    _check_range("LOT_SIZE", quantity, lowest, highest, definition.step_size)
    if is_market:
        lowest, highest = definition.market_quantity_min, definition.market_quantity_max
        _check_range("MARKET_LOT_SIZE", quantity, lowest, highest, definition.market_step_size)


def check_iceberg(definition: SymbolDefinition, quantity: Decimal, iceberg_quantity: Decimal) -> None:
    """LOT_SIZE for the visible quantity, ICEBERG_PARTS for their number."""
    check_quantity(definition, iceberg_quantity, is_market=False)
    parts = (quantity / iceberg_quantity).to_integral_value(ROUND_CEILING)
    if parts > definition.iceberg_parts_max:
        raise filter_failure("ICEBERG_PARTS")


def check_price_percent(definition: SymbolDefinition, side: str, price: Decimal, average_price: Decimal | None) -> None:
    """PERCENT_PRICE_BY_SIDE; not enforced on a symbol that never traded."""
    if average_price is None:
        return
    up, down = (
        (definition.bid_multiplier_up, definition.bid_multiplier_down)
        if side == "BUY"
        else (definition.ask_multiplier_up, definition.ask_multiplier_down)
    )
    if (up and price > average_price * up) or (down and price < average_price * down):
        raise filter_failure("PERCENT_PRICE_BY_SIDE")


def check_notional(definition: SymbolDefinition, notional: Decimal | None, *, is_market: bool) -> None:
    """NOTIONAL. A market order of a symbol that never traded has no notional (None) and cannot be placed."""
    check_min = definition.notional_min_applies_to_market or not is_market
    check_max = definition.notional_max_applies_to_market or not is_market
    if not (check_min or check_max):
        return
    if (
        notional is None
        or (check_min and notional < definition.notional_min)
        or (check_max and definition.notional_max and notional > definition.notional_max)
    ):
        raise filter_failure("NOTIONAL")


def check_open_orders(definition: SymbolDefinition, open_orders: int) -> None:
    """MAX_NUM_ORDERS: how many orders the account has open on the symbol before this one."""
    if definition.orders_max and open_orders >= definition.orders_max:
        raise filter_failure("MAX_NUM_ORDERS")


def check_position(definition: SymbolDefinition, position: Decimal, quantity: Decimal) -> None:
    """MAX_POSITION: what the account owns of the base asset plus its open buys, with this buy on top."""
    if definition.position_max and position + quantity > definition.position_max:
        raise filter_failure("MAX_POSITION")


def _check_range(name: str, value: Decimal, lowest: Decimal, highest: Decimal, step: Decimal) -> None:
    if value <= 0 or (lowest and value < lowest) or (highest and value > highest) or (step and value % step):
        raise filter_failure(name)
