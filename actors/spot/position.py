"""What the fills of one symbol amount to. How they are added is in `fills.py`."""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal

import msgspec

__all__ = ["ARITHMETIC", "ZERO", "Position"]

ZERO = Decimal(0)

ARITHMETIC = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Wide enough that only a division can be inexact."""


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """What the fills of one symbol amount to. Negative quantity: more was sold than bought.

    Commission in the base asset lowers the quantity, commission in the quote asset the profit; commission in another
    asset is only in `commissions`. `cost` is the quote paid for what is held (negative: received for what is short).
    At all times: quote received - quote paid = realised_pnl - cost.
    """

    symbol: str
    base_asset: str
    quote_asset: str
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realised_pnl: Decimal = ZERO
    volume_base: Decimal = ZERO
    volume_quote: Decimal = ZERO
    fills: int = 0
    commissions: Mapping[str, Decimal] = {}

    @property
    def average_cost(self) -> Decimal | None:
        """Quote per base of what is held, commission included. None when nothing is."""
        return ARITHMETIC.divide(self.cost, self.quantity) if self.quantity else None

    def unrealised_pnl(self, price: Decimal) -> Decimal:
        """Profit in quote if what is held were sold (or what is short bought) at `price`, before commission."""
        return ARITHMETIC.subtract(ARITHMETIC.multiply(self.quantity, price), self.cost)
