"""What could still happen to a position: the sums of what live orders may yet buy and sell. Pure.

An order of unknown fate counts as if it were live: until there is evidence, it may fill. So does the quantity that an
amend takes away: until that is known, the larger one counts.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from dogwatch.actors.spot.enums import Side
from dogwatch.actors.spot.order import Order

ZERO = Decimal(0)


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol. `…_base` in the base asset; `buying_quote` is what market orders by quote quantity may yet spend."""

    buying_base: Decimal = ZERO
    selling_base: Decimal = ZERO
    buying_quote: Decimal = ZERO
    selling_quote: Decimal = ZERO
    orders: int = 0
    unknown: int = 0

    def with_order(self, order: Order) -> "Exposure":
        """This and one more order."""
        remaining = order.remaining
        if remaining is None:
            unit, amount = "quote", (order.quote_quantity or ZERO) - order.filled_quote
        else:
            unit, amount = "base", remaining
        field = f"{'buying' if order.side is Side.BUY else 'selling'}_{unit}"
        changes = {
            field: getattr(self, field) + max(amount, ZERO),
            "orders": self.orders + 1,
            "unknown": self.unknown + order.is_unknown,
        }
        return msgspec.structs.replace(self, **changes)


def exposures(orders: Iterable[Order]) -> dict[str, Exposure]:
    """Symbol → what its live orders may yet do. Closed orders count for nothing."""
    found: dict[str, Exposure] = {}
    for order in orders:
        if not order.is_closed:
            found[order.symbol] = found.get(order.symbol, Exposure()).with_order(order)
    return found
