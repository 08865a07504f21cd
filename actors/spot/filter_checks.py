"""Checking an order against a symbol's rules before it is sent: what is wrong, and the nearest value that is not.

A check whose facts are not given (`Market`) is left out, so an order that passes here may still be refused. The
exchange's own refusals live in `errors.py`.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from dogwatch.actors.spot.enums import OrderType, Side, SymbolStatus
from dogwatch.actors.spot.filters import NotionalBand, PercentBand, Rounding, SymbolRules
from dogwatch.actors.spot.grid import EXACT, Grid, text, unit

ALGO_TYPES = frozenset(
    {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
)
_STOP_LOSSES = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})


class Terms(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an order asks for, as far as filters look at it. Amounts as in `Order`; the delta in basis points."""

    side: Side
    type: OrderType
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    iceberg_quantity: Decimal | None = None
    trailing_delta: int | None = None


class Market(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What some filters must know besides the order. None switches their check off.

    `reference_price`: see `PercentBand`. `position`: balance, free and locked, plus open BUY quantity of the base
    asset. The counts are of this symbol.
    """

    reference_price: Decimal | None = None
    position: Decimal | None = None
    open_orders: int | None = None
    open_algo_orders: int | None = None
    open_iceberg_orders: int | None = None


class FilterFailure(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that an order would be refused for.

    `filter` is the exchange's name of the filter (or of the field of exchangeInfo), `field` what is wrong, `problem` a
    sentence about it, `legal` the nearest value of `field` that this filter takes, where there is one.
    """

    filter: str
    field: str
    problem: str
    legal: Decimal | None = None

    @property
    def hint(self) -> str:
        """What to do about it, or an empty string."""
        return "" if self.legal is None else f"the nearest legal {self.field} is {text(self.legal)}"

    def __str__(self) -> str:
        return f"{self.problem} ({self.filter})" + (f"; {self.hint}" if self.hint else "")


_NO_FACTS = Market()


def check(rules: SymbolRules, terms: Terms, market: Market = _NO_FACTS) -> tuple[FilterFailure, ...]:
    """Everything that the symbol's rules forbid about an order; empty when it may be sent (Filters).

    Raises ArithmeticError for amounts of so many digits that they cannot be compared exactly (see `grid.EXACT`); the
    exchange reads 20 on each side of the point.
    """
    always = (
        *_symbol(rules, terms),
        *_prices(rules, terms, market),
        *_quantities(rules, terms),
        *_notional(rules, terms, market),
    )
    if market is _NO_FACTS and terms.iceberg_quantity is None and terms.trailing_delta is None:
        return always  # the rest looks at nothing else, and most orders are like that
    return (
        *always,
        *_iceberg(rules, terms),
        *_trailing(rules, terms),
        *_position(rules, terms, market),
        *_counts(rules, terms, market),
    )


def _symbol(rules: SymbolRules, terms: Terms) -> Iterator[FilterFailure]:
    if rules.status != SymbolStatus.TRADING:
        problem = f"{rules.symbol} takes no new orders now: its status is {rules.status}"
        yield FilterFailure(filter="status", field="symbol", problem=problem)
    if terms.type not in rules.order_types:
        taken = ", ".join(sorted(rules.order_types))
        problem = f"{rules.symbol} takes no {terms.type} orders, only {taken}"
        yield FilterFailure(filter="orderTypes", field="type", problem=problem)
    if terms.quote_quantity is not None and not rules.quote_quantity_allowed:
        problem = f"{rules.symbol} takes no orders by quote quantity"
        yield FilterFailure(filter="quoteOrderQtyMarketAllowed", field="quote quantity", problem=problem)


def _prices(rules: SymbolRules, terms: Terms, market: Market) -> Iterator[FilterFailure]:
    for field, price in (("price", terms.price), ("stop price", terms.stop_price)):
        if price is not None:
            yield from _on_grid("PRICE_FILTER", field, price, rules.price)
            yield from _expressible(field, price, rules.quote_precision, rules.quote_asset)
    if terms.price is not None and market.reference_price is not None:
        for band in rules.percent_bands:
            yield from _in_band(rules, terms.side, terms.price, band, market.reference_price)


def _quantities(rules: SymbolRules, terms: Terms) -> Iterator[FilterFailure]:
    for field, quantity in (("quantity", terms.quantity), ("iceberg quantity", terms.iceberg_quantity)):
        if quantity is not None:
            yield from _on_grid("LOT_SIZE", field, quantity, rules.lot)
            yield from _expressible(field, quantity, rules.base_precision, rules.base_asset)
    if terms.type is OrderType.MARKET and terms.quantity is not None:
        yield from _on_grid("MARKET_LOT_SIZE", "quantity", terms.quantity, rules.market_lot)
    if terms.quote_quantity is not None:
        yield from _above_zero("quote quantity", terms.quote_quantity)
        yield from _expressible("quote quantity", terms.quote_quantity, rules.quote_precision, rules.quote_asset)


def _on_grid(name: str, field: str, value: Decimal, grid: Grid) -> Iterator[FilterFailure]:
    problem = grid.problem(value)
    if problem:
        yield FilterFailure(
            filter=name, field=field, problem=f"{field} {text(value)} {problem}", legal=grid.nearest(value)
        )
    elif grid.least is None:
        yield from _above_zero(field, value)


def _above_zero(field: str, value: Decimal) -> Iterator[FilterFailure]:
    if value <= 0:
        yield FilterFailure(filter="-1100", field=field, problem=f"{field} {text(value)} is not above zero")


def _expressible(field: str, value: Decimal, precision: int, asset: str) -> Iterator[FilterFailure]:
    """The exchange refuses what the asset cannot express before it looks at any filter (-1111)."""
    smallest = unit(precision)
    if EXACT.remainder(value, smallest):
        problem = f"{field} {text(value)} has more than the {precision} decimals of {asset}"
        legal = Grid(step=smallest).nearest(value)
        yield FilterFailure(filter="-1111", field=field, problem=problem, legal=legal)


def _in_band(
    rules: SymbolRules, side: Side, price: Decimal, band: PercentBand, reference_price: Decimal
) -> Iterator[FilterFailure]:
    least, greatest = band.prices(side, reference_price)
    if least <= price <= greatest:
        return
    if price < least:
        problem, legal = f"is below {text(least)}", rules.round_price(least, Rounding.UP)
    else:
        problem, legal = f"is above {text(greatest)}", rules.round_price(greatest, Rounding.DOWN)
    yield FilterFailure(
        filter=band.filter,
        field="price",
        problem=f"price {text(price)} {problem}, too far from the reference price {text(reference_price)}",
        legal=legal,
    )


def _notional(rules: SymbolRules, terms: Terms, market: Market) -> Iterator[FilterFailure]:
    for band in rules.notional_bands:
        least, greatest = _notional_bounds(band, terms)
        if terms.quote_quantity is not None:
            grid = Grid(least=least, greatest=greatest)
            yield from _on_grid(band.filter, "quote quantity", terms.quote_quantity, grid)
            continue
        price = market.reference_price if terms.type is OrderType.MARKET else terms.price
        if price is None or terms.quantity is None or price <= 0:
            continue
        notional = EXACT.multiply(price, terms.quantity)
        if least is not None and notional < least:
            word, bound, rounding = "below", least, Rounding.UP
        elif greatest is not None and notional > greatest:
            word, bound, rounding = "above", greatest, Rounding.DOWN
        else:
            continue
        worth = f"{text(terms.quantity)} at {text(price)} is {text(notional)} {rules.quote_asset}"
        step = rules.quantity_step(market=terms.type is OrderType.MARKET)
        yield FilterFailure(
            filter=band.filter,
            field="quantity",
            problem=f"{worth}, which is {word} {text(bound)}",
            legal=_quantity_worth(bound, price, step, rounding),
        )


def _notional_bounds(band: NotionalBand, terms: Terms) -> tuple[Decimal | None, Decimal | None]:
    if terms.type is not OrderType.MARKET:
        return band.least, band.greatest
    return (band.least if band.least_binds_market else None, band.greatest if band.greatest_binds_market else None)


def _quantity_worth(notional: Decimal, price: Decimal, step: Decimal, rounding: Rounding) -> Decimal:
    """The multiple of the step that is worth just this notional, or just more (UP) or less (DOWN). The quotient itself
    may have no end, so steps are counted instead."""
    step_worth = EXACT.multiply(price, step)
    steps = EXACT.divide_int(notional, step_worth)
    if rounding is Rounding.UP and EXACT.remainder(notional, step_worth):
        steps += 1
    return EXACT.multiply(steps, step)


def _iceberg(rules: SymbolRules, terms: Terms) -> Iterator[FilterFailure]:
    shown, quantity = terms.iceberg_quantity, terms.quantity
    if shown is None or quantity is None or shown <= 0:
        return
    if shown > quantity:
        problem = f"iceberg quantity {text(shown)} is above the quantity {text(quantity)}"
        yield FilterFailure(filter="ICEBERG_PARTS", field="iceberg quantity", problem=problem, legal=quantity)
        return
    if rules.iceberg_parts_max is None:
        return
    parts = EXACT.divide_int(quantity, shown) + (1 if EXACT.remainder(quantity, shown) else 0)
    if parts > rules.iceberg_parts_max:
        problem = f"iceberg quantity {text(shown)} makes {parts} parts, more than {rules.iceberg_parts_max}"
        step = rules.quantity_step()
        legal = _quantity_worth(quantity, Decimal(rules.iceberg_parts_max), step, Rounding.UP)
        yield FilterFailure(filter="ICEBERG_PARTS", field="iceberg quantity", problem=problem, legal=legal)


def _trailing(rules: SymbolRules, terms: Terms) -> Iterator[FilterFailure]:
    if terms.trailing_delta is None or rules.trailing is None:
        return
    limits = rules.trailing
    if (terms.side is Side.BUY) == (terms.type in _STOP_LOSSES):
        least, greatest = limits.min_trailing_above_delta, limits.max_trailing_above_delta
    else:
        least, greatest = limits.min_trailing_below_delta, limits.max_trailing_below_delta
    grid = Grid.of(Decimal(least), Decimal(greatest), Decimal(1))
    yield from _on_grid("TRAILING_DELTA", "trailing delta", Decimal(terms.trailing_delta), grid)


def _position(rules: SymbolRules, terms: Terms, market: Market) -> Iterator[FilterFailure]:
    wanted, held, limit = terms.quantity, market.position, rules.position_max
    if terms.side is not Side.BUY or wanted is None or held is None or limit is None or held + wanted <= limit:
        return
    room = max(limit - held, Decimal(0))
    problem = f"quantity {text(wanted)} on top of {text(held)} {rules.base_asset} is above {text(limit)}"
    legal = rules.round_quantity(room, Rounding.DOWN) or None
    yield FilterFailure(filter="MAX_POSITION", field="quantity", problem=problem, legal=legal)


def _counts(rules: SymbolRules, terms: Terms, market: Market) -> Iterator[FilterFailure]:
    yield from _count("MAX_NUM_ORDERS", "open orders", market.open_orders, rules.orders_max)
    if terms.type in ALGO_TYPES:
        yield from _count("MAX_NUM_ALGO_ORDERS", "open stop orders", market.open_algo_orders, rules.algo_orders_max)
    if terms.iceberg_quantity:
        count, limit = market.open_iceberg_orders, rules.iceberg_orders_max
        yield from _count("MAX_NUM_ICEBERG_ORDERS", "open iceberg orders", count, limit)


def _count(name: str, field: str, count: int | None, limit: int | None) -> Iterator[FilterFailure]:
    if count is not None and limit is not None and count >= limit:
        yield FilterFailure(filter=name, field=field, problem=f"there are {count} {field}, and {limit} is the most")
