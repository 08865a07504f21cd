"""Checking an order against a symbol's rules before it is sent: what is wrong, and the nearest value that is not.

What comes first is what the exchange is believed to name: digits, what the symbol takes at all, then the filters in the
order in which exchangeInfo lists them. A check whose facts are not given (`FilterContext`) is left out, so an order
that passes here may still be refused. The exchange's own refusals live in `errors.py`.
"""

from collections.abc import Sequence
from decimal import Decimal

from dogwatch.actors.spot.enums import OrderType, Side, SymbolStatus
from dogwatch.actors.spot.filter_context import ALGO_TYPES, NOTHING_KNOWN, FilterContext, Refusal, Terms
from dogwatch.actors.spot.filters import OpenOrders, PercentBand, Rounding, SymbolRules
from dogwatch.actors.spot.grid import EXACT, Grid, steps_worth, text, unit

Refusals = tuple[Refusal, ...]

_STOP_LOSSES = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})
_AMENDED_IN = frozenset({SymbolStatus.TRADING, SymbolStatus.CANCEL_ONLY})


def why_not(order: Terms, context: FilterContext) -> Refusal | None:
    """The first thing that the rules forbid about an order; None when it may be sent. Raises as `check`."""
    return next(iter(check(order, context)), None)


def check(order: Terms, context: FilterContext) -> Refusals:
    """Everything that the rules forbid about an order; empty when it may be sent (Filters).

    Raises ArithmeticError for amounts of so many digits that they cannot be compared exactly (see `grid.EXACT`); the
    exchange reads 20 on each side of the point.
    """
    return _terms(order, context) + _counts((order,), context) + _holdings(order, context)


def check_list(legs: Sequence[Terms], context: FilterContext) -> Refusals:
    """The same of an order list, which is placed as a whole or not at all: its legs together need as many places among
    the open orders, and the list one among the open lists. Raises as `check`."""
    return (
        *(refusal for leg in legs for refusal in _terms(leg, context)),
        *_counts(legs, context, lists=1),
        *(refusal for leg in legs for refusal in _holdings(leg, context)),
    )


def check_amendment(order: Terms, context: FilterContext) -> Refusals:
    """Everything that the rules forbid about giving an open order the quantity that it has here. Raises as `check`."""
    rules = context.rules
    return (
        *_digits(order, rules),
        *_amendable(rules),
        *_quantities(order, rules),
        *_notional(order, context),
        *_count("MAX_NUM_ORDER_AMENDS", "amendments of this order", 1, context.amends, rules.amends_max),
    )


def _terms(order: Terms, context: FilterContext) -> Refusals:
    """What the order itself is refused for, whatever else is open."""
    rules = context.rules
    found = _digits(order, rules) + _symbol(order, rules) + _prices(order, rules) + _quantities(order, rules)
    if order.iceberg_quantity is not None:
        found += _iceberg_parts(order, order.iceberg_quantity, rules)
    if order.trailing_delta is not None:
        found += _trailing(order, order.trailing_delta, rules)
    if order.price is not None:
        found += _percentages(order.side, order.price, context)
    return found + _notional(order, context)


def _holdings(order: Terms, context: FilterContext) -> Refusals:
    """What comes last: positions, assets, and what the matching engine says of icebergs."""
    rules = context.rules
    found: Refusals = ()
    if order.side is Side.BUY and rules.position_max is not None:
        found += _position(order, rules.position_max, context)
    if rules.base_max is not None or rules.quote_max is not None:
        found += _assets(order, context)
    if order.iceberg_quantity is not None:
        found += _iceberg(order, order.iceberg_quantity, rules)
    return found


def _amendable(rules: SymbolRules) -> Refusals:
    if not rules.amend_allowed:
        return (Refusal(filter="amendAllowed", field="symbol", problem=f"{rules.symbol} takes no amendments"),)
    if rules.status not in _AMENDED_IN:
        problem = f"{rules.symbol} takes no amendments now: its status is {rules.status}"
        return (Refusal(filter="status", field="symbol", problem=problem),)
    return ()


def _digits(order: Terms, rules: SymbolRules) -> Refusals:
    """What the exchange cannot read (-1100), and what the asset cannot express (-1111): refused before any filter."""
    found: Refusals = ()
    smallest = unit(rules.quote_precision)
    if order.price is not None:
        found += _expressible("price", order.price, smallest, rules.quote_asset)
    if order.stop_price is not None:
        found += _expressible("stop price", order.stop_price, smallest, rules.quote_asset)
    if order.quote_quantity is not None:
        found += _expressible("quote quantity", order.quote_quantity, smallest, rules.quote_asset)
    smallest = unit(rules.base_precision)
    if order.quantity is not None:
        found += _expressible("quantity", order.quantity, smallest, rules.base_asset)
    if order.iceberg_quantity is not None:
        found += _expressible("iceberg quantity", order.iceberg_quantity, smallest, rules.base_asset)
    return found


def _expressible(field: str, value: Decimal, smallest: Decimal, asset: str) -> Refusals:
    if value < 0:
        return (Refusal(filter="-1100", field=field, value=value, problem=f"{field} {text(value)} is below zero"),)
    if EXACT.remainder(value, smallest):
        problem = f"{field} {text(value)} has more digits than {asset}, whose smallest amount is {text(smallest)}"
        legal = Grid(step=smallest).nearest(value)
        return (Refusal(filter="-1111", field=field, value=value, problem=problem, legal=legal),)
    return ()


def _symbol(order: Terms, rules: SymbolRules) -> Refusals:
    found: Refusals = ()
    if rules.status != SymbolStatus.TRADING:
        problem = f"{rules.symbol} takes no new orders now: its status is {rules.status}"
        found += (Refusal(filter="status", field="symbol", problem=problem),)
    if order.type not in rules.order_types:
        problem = f"{rules.symbol} takes no {order.type} orders, only {', '.join(sorted(rules.order_types))}"
        found += (Refusal(filter="orderTypes", field="type", problem=problem),)
    if order.quote_quantity is not None and not rules.quote_quantity_allowed:
        problem = f"{rules.symbol} takes no orders by quote quantity"
        found += (Refusal(filter="quoteOrderQtyMarketAllowed", field="quote quantity", problem=problem),)
    if order.trailing_delta is not None and not rules.trailing_allowed:
        problem = f"{rules.symbol} takes no trailing stops"
        found += (Refusal(filter="allowTrailingStop", field="trailing delta", problem=problem),)
    return found


def _prices(order: Terms, rules: SymbolRules) -> Refusals:
    found: Refusals = ()
    if order.price is not None:
        found += _on_grid("PRICE_FILTER", "price", order.price, rules.price)
    if order.stop_price is not None:
        found += _on_grid("PRICE_FILTER", "stop price", order.stop_price, rules.price)
    return found


def _quantities(order: Terms, rules: SymbolRules) -> Refusals:
    found: Refusals = ()
    if order.quantity is not None:
        found += _on_grid("LOT_SIZE", "quantity", order.quantity, rules.lot)
        if order.type is OrderType.MARKET:
            found += _on_grid("MARKET_LOT_SIZE", "quantity", order.quantity, rules.market_lot)
    if order.iceberg_quantity is not None:
        found += _on_grid("LOT_SIZE", "iceberg quantity", order.iceberg_quantity, rules.lot)
    if order.quote_quantity is not None and not order.quote_quantity:
        found += _of_nothing("LOT_SIZE", "quote quantity")
    return found


def _on_grid(name: str, field: str, value: Decimal, grid: Grid) -> Refusals:
    problem = grid.problem(value)
    if problem:
        problem = f"{field} {text(value)} {problem}"
        return (Refusal(filter=name, field=field, value=value, problem=problem, legal=grid.nearest(value)),)
    return () if value else _of_nothing(name, field)


def _of_nothing(name: str, field: str) -> Refusals:
    return (Refusal(filter=name, field=field, value=Decimal(0), problem=f"{field} 0 is not above zero"),)


def _iceberg_parts(order: Terms, shown: Decimal, rules: SymbolRules) -> Refusals:
    quantity, parts_max = order.quantity, rules.iceberg_parts_max
    if quantity is None or parts_max is None or shown <= 0:
        return ()
    parts = steps_worth(quantity, shown, Rounding.UP)
    if parts <= parts_max:
        return ()
    problem = f"iceberg quantity {text(shown)} makes {parts} parts, more than {parts_max}"
    legal = rules.quantity_worth(quantity, Decimal(parts_max), Rounding.UP)
    return (Refusal(filter="ICEBERG_PARTS", field="iceberg quantity", value=shown, problem=problem, legal=legal),)


def _trailing(order: Terms, delta: int, rules: SymbolRules) -> Refusals:
    limits = rules.trailing
    if limits is None:
        return ()
    if (order.side is Side.BUY) == (order.type in _STOP_LOSSES):
        least, greatest = limits.min_trailing_above_delta, limits.max_trailing_above_delta
    else:
        least, greatest = limits.min_trailing_below_delta, limits.max_trailing_below_delta
    grid = Grid.of(Decimal(least), Decimal(greatest), Decimal(1))
    return _on_grid("TRAILING_DELTA", "trailing delta", Decimal(delta), grid)


def _percentages(side: Side, price: Decimal, context: FilterContext) -> Refusals:
    found: Refusals = ()
    for band in context.rules.percent_bands:
        reference_price = context.reference(band.average_minutes)
        if reference_price is not None:
            found += _in_band(side, price, band, reference_price, context.rules)
    return found


def _in_band(side: Side, price: Decimal, band: PercentBand, reference_price: Decimal, rules: SymbolRules) -> Refusals:
    least, greatest = band.prices(side, reference_price)
    if least is not None and price < least:
        word, bound, legal = "below", least, rules.round_price(least, Rounding.UP)
    elif greatest is not None and price > greatest:
        word, bound, legal = "above", greatest, rules.round_price(greatest, Rounding.DOWN)
    else:
        return ()
    problem = f"price {text(price)} is {word} {text(bound)}, too far from the reference price {text(reference_price)}"
    is_legal = legal > 0 and (least is None or legal >= least) and (greatest is None or legal <= greatest)
    return (
        Refusal(filter=band.filter, field="price", value=price, problem=problem, legal=legal if is_legal else None),
    )


def _notional(order: Terms, context: FilterContext) -> Refusals:
    found: Refusals = ()
    is_market = order.type is OrderType.MARKET
    for band in context.rules.notional_bands:
        least = band.least if band.least_binds_market or not is_market else None
        greatest = band.greatest if band.greatest_binds_market or not is_market else None
        found += _worth(band.filter, order, Grid(least=least, greatest=greatest), band.average_minutes, context)
    return found


def _worth(name: str, order: Terms, grid: Grid, average_minutes: int, context: FilterContext) -> Refusals:
    """Whether what an order is worth lies between bounds. What a stop without a price is worth nobody knows."""
    if order.quote_quantity is not None:
        return _on_grid(name, "quote quantity", order.quote_quantity, grid) if order.quote_quantity > 0 else ()
    is_market = order.type is OrderType.MARKET
    price = context.reference(average_minutes) if is_market else order.price
    quantity = order.quantity
    if price is None or quantity is None or price <= 0:
        return ()
    notional = EXACT.multiply(price, quantity)
    if grid.least is not None and notional < grid.least:
        word, bound, rounding = "below", grid.least, Rounding.UP
    elif grid.greatest is not None and notional > grid.greatest:
        word, bound, rounding = "above", grid.greatest, Rounding.DOWN
    else:
        return ()
    worth = f"{text(quantity)} at {text(price)} is {text(notional)} {context.rules.quote_asset}"
    problem = f"{worth}, which is {word} {text(bound)}"
    legal = context.rules.quantity_worth(bound, price, rounding, market=is_market) or None
    return (Refusal(filter=name, field="quantity", value=quantity, problem=problem, legal=legal),)


def _counts(legs: Sequence[Terms], context: FilterContext, *, lists: int = 0) -> Refusals:
    """Whether there is room for `legs`, which are placed together as `lists` lists."""
    rules = context.rules
    found: Refusals = ()
    if context.on_symbol is not NOTHING_KNOWN:
        found = _room("", legs, context.on_symbol, rules.open_max, lists)
    if context.on_account is not NOTHING_KNOWN:
        found += _room("EXCHANGE_", legs, context.on_account, rules.open_max_of_account, lists)
    return found


def _room(scope: str, legs: Sequence[Terms], now: OpenOrders, most: OpenOrders, lists: int) -> Refusals:
    """`scope` is what the names of these filters begin with."""
    found = _count(f"{scope}MAX_NUM_ORDERS", "open orders", len(legs), now.orders, most.orders)
    if lists:
        name = f"{scope}MAX_NUM_ORDER_LISTS"
        found += _count(name, "open order lists", lists, now.order_lists, most.order_lists)
    if now.algo_orders is not None:
        more = sum(leg.type in ALGO_TYPES for leg in legs)
        found += _count(f"{scope}MAX_NUM_ALGO_ORDERS", "open stop orders", more, now.algo_orders, most.algo_orders)
    if now.iceberg_orders is not None:
        name, more = f"{scope}MAX_NUM_ICEBERG_ORDERS", sum(bool(leg.iceberg_quantity) for leg in legs)
        found += _count(name, "open iceberg orders", more, now.iceberg_orders, most.iceberg_orders)
    return found


def _count(name: str, field: str, more: int, count: int | None, limit: int | None) -> Refusals:
    """Whether there is room for so many more."""
    if not more or count is None or limit is None or count + more <= limit:
        return ()
    where = " on all symbols" if name.startswith("EXCHANGE_") else ""
    problem = f"there are {count} {field}{where}, and {limit} is the most"
    return (Refusal(filter=name, field=field, value=Decimal(count), problem=problem),)


def _position(order: Terms, limit: Decimal, context: FilterContext) -> Refusals:
    wanted, held, rules = order.quantity, context.position, context.rules
    if wanted is None or held is None or held + wanted <= limit:
        return ()
    room = max(limit - held, Decimal(0))
    problem = f"quantity {text(wanted)} on top of {text(held)} {rules.base_asset} is above {text(limit)}"
    legal = rules.round_quantity(room, Rounding.DOWN, market=order.type is OrderType.MARKET) or None
    return (Refusal(filter="MAX_POSITION", field="quantity", value=wanted, problem=problem, legal=legal),)


def _assets(order: Terms, context: FilterContext) -> Refusals:
    """What one order may move of its assets: its quantity of the base asset, what it is worth of the quote asset."""
    rules, quantity = context.rules, order.quantity
    found: Refusals = ()
    if quantity is not None and rules.base_max is not None and quantity > rules.base_max:
        problem = f"quantity {text(quantity)} is above {text(rules.base_max)} {rules.base_asset} for one order"
        legal = rules.round_quantity(rules.base_max, Rounding.DOWN, market=order.type is OrderType.MARKET) or None
        found = (Refusal(filter="MAX_ASSET", field="quantity", value=quantity, problem=problem, legal=legal),)
    if rules.quote_max is not None:
        found += _worth("MAX_ASSET", order, Grid(greatest=rules.quote_max), _average_minutes(rules), context)
    return found


def _average_minutes(rules: SymbolRules) -> int:
    """Whose average price a MARKET order is worth where no filter of its own says so."""
    minutes = [band.average_minutes for band in rules.notional_bands]
    return next(iter([*minutes, *(band.average_minutes for band in rules.percent_bands)]), 0)


def _iceberg(order: Terms, shown: Decimal, rules: SymbolRules) -> Refusals:
    found: Refusals = ()
    if order.quantity is not None and shown > order.quantity:
        problem = f"iceberg quantity {text(shown)} is above the quantity {text(order.quantity)}"
        legal = order.quantity
        found = (Refusal(filter="-2010", field="iceberg quantity", value=shown, problem=problem, legal=legal),)
    if not rules.iceberg_allowed:
        problem = f"{rules.symbol} takes no iceberg orders"
        found += (Refusal(filter="icebergAllowed", field="iceberg quantity", value=shown, problem=problem),)
    return found
