"""Refuses here what the exchange would refuse for its filters, before a request is spent on it.

What the filters say is in `spot/filter_checks.py`. Here is what is known of the account at this moment; what is not
known switches checks off, and the exchange has the last word.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from dogwatch.actors.balance_table import BalanceTable
from dogwatch.actors.feeds import AveragePrices, ReferencePrices
from dogwatch.actors.interest import Interests
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.filter_bounds import Bounds
from dogwatch.actors.spot.filter_checks import Refusals, check, check_amendment
from dogwatch.actors.spot.filter_context import NOTHING_KNOWN, FilterContext, Terms
from dogwatch.actors.spot.filters import OpenOrders, SymbolRules
from dogwatch.actors.spot.order import Order
from dogwatch.actors.symbols import SymbolTable


class FilterGuard:
    """Reads what the tables say at the moment of asking, and the newest prices of `interest`: what prices are compared
    with is known while somebody follows it.

    `is_on`: `check_filters` of the configuration; without it only orders on symbols without rules are refused here, for
    their fills could not be counted.
    """

    def __init__(
        self,
        *,
        symbols: SymbolTable,
        table: OrderTable,
        balances: BalanceTable | None = None,
        interest: Interests | None = None,
        is_on: bool = True,
    ) -> None:
        self._symbols = symbols
        self._table = table
        self._balances = balances
        self._links = () if interest is None else interest.links
        self._topics = tuple(link.topic for link in self._links)
        self._is_on = is_on
        self._bounds: dict[str, Bounds] = {}

    def context(self, rules: SymbolRules) -> FilterContext:
        """What is known now of what the filters of a symbol look at. Orders of others are not among the open ones."""
        reference_price, average_price = self._prices(rules)
        return FilterContext(
            rules=rules,
            reference_price=reference_price,
            average_price=average_price,
            on_symbol=_orders(self._table.open_on(rules.symbol)) if rules.open_max.orders else NOTHING_KNOWN,
            on_account=_orders(self._table.open_orders) if rules.open_max_of_account.orders else NOTHING_KNOWN,
            position=self._position(rules) if rules.position_max is not None else None,
        )

    def check_placing(self, symbol: str, terms: Terms) -> None:
        """Raises NotSent for what the symbol's rules forbid, and when nobody knows them."""
        bounds = self._bounds_of(symbol)
        # Nearly every order is within bounds: 1.6 instead of 6.8 µs.
        if self._is_on and not (bounds.hold(terms) and self._is_plain_now(bounds)):
            _refuse(check, terms, self.context(bounds.rules))

    def check_amending(self, order: Order, terms: Terms) -> None:
        """The same of an open order that is to have these terms."""
        bounds = self._bounds_of(order.symbol)
        rules = bounds.rules
        amends = self._table.amends(order)
        # What may be placed with a price may be amended to it, if there is room for an amendment.
        is_fine = (
            rules.amend_allowed
            and (rules.amends_max is None or amends < rules.amends_max)
            and terms.price is not None
            and bounds.hold(terms)
        )
        if self._is_on and not is_fine:
            _refuse(check_amendment, terms, FilterContext(rules=rules, amends=amends))

    def _bounds_of(self, symbol: str) -> Bounds:
        """As they are by the rules that are known now. Raises NotSent when nobody knows them."""
        rules, bounds = self._symbols.get(symbol), self._bounds.get(symbol)
        if rules is None:
            raise NotSent(
                f"the rules of {symbol} are not known",
                hint=f"configured and loaded are: {', '.join(self._symbols.names()) or 'none'}",
            )
        if bounds is None or bounds.rules is not rules:
            bounds = self._bounds[symbol] = Bounds(rules)
        return bounds

    def _is_plain_now(self, bounds: Bounds) -> bool:
        """Whether it is certain that nothing stands against an order but what it is itself: no price is known that
        filters compare with, and there is room for it."""
        symbol, table = bounds.rules.symbol, self._table
        if bounds.compares_prices:
            reference_stream, average_stream = _price_streams(symbol)
            for topic in self._topics:
                if topic(reference_stream) is not None or topic(average_stream) is not None:
                    return False  # they may say a price now
        return not bounds.counts_orders or bounds.have_room(table.open_on(symbol), table.open_orders)

    def _prices(self, rules: SymbolRules) -> tuple[Decimal | None, Decimal | None]:
        """The reference price and the average price; of the average only what all the symbol's filters mean by it."""
        reference_stream, average_stream = _price_streams(rules.symbol)
        reference, average = self._newest(reference_stream), self._newest(average_stream)
        if average is not None:
            minutes = {band.average_minutes for band in rules.percent_bands}
            minutes |= {band.average_minutes for band in rules.notional_bands}
            if {f"{each}m" for each in minutes} != {average.interval}:
                average = None
        return None if reference is None else reference.price, None if average is None else average.price

    def _newest(self, stream: str) -> Any:
        """The newest event, if the exchange is known to send more of them now."""
        for link in self._links:
            topic = link.topic(stream)
            if topic is not None:
                return topic.last if link.is_served(stream) else None
        return None

    def _position(self, rules: SymbolRules) -> Decimal | None:
        """What the account holds of the base asset, and what the open orders that are known here may yet buy."""
        if self._balances is None or not self._balances.is_loaded:
            return None
        return self._balances.get(rules.base_asset).total + self._table.buying_on(rules.symbol)


@lru_cache(maxsize=4096)
def _price_streams(symbol: str) -> tuple[str, str]:
    return ReferencePrices(symbol).stream, AveragePrices(symbol).stream


def _orders(count: int) -> OpenOrders:
    return OpenOrders(orders=count)


def _refuse(find: Callable[[Terms, FilterContext], Refusals], terms: Terms, context: FilterContext) -> None:
    try:
        refusals = find(terms, context)
    except ArithmeticError:
        hint = "round them with the symbol's rules: round_price and round_quantity"
        raise NotSent("price or quantity has more digits than the exchange reads", hint=hint) from None
    if refusals:
        reasons = "; ".join(f"{refusal.problem} ({refusal.filter})" for refusal in refusals)
        raise NotSent(reasons, hint=refusals[0].hint)
