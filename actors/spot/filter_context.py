"""What filters look at: the terms of an order, the symbol's rules, and what is known about the market and the account.

The checks themselves live in `filter_checks.py`.
"""

from decimal import Decimal
from typing import Self

import msgspec

from dogwatch.actors.spot.enums import OrderType, Side
from dogwatch.actors.spot.filters import OpenOrders, SymbolRules
from dogwatch.actors.spot.grid import text
from dogwatch.actors.spot.order_requests import OrderCancelReplace, OrderPlace, OrderTest

ALGO_TYPES = frozenset(
    {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
)


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

    @classmethod
    def of(cls, request: OrderPlace | OrderTest | OrderCancelReplace) -> Self:
        """Of a request as it would be sent."""
        return cls(
            side=request.side,
            type=request.type,
            quantity=_exact(request.quantity),
            quote_quantity=_exact(request.quote_order_qty),
            price=_exact(request.price),
            stop_price=_exact(request.stop_price),
            iceberg_quantity=_exact(request.iceberg_qty),
            trailing_delta=request.trailing_delta,
        )


def _exact(amount: Decimal | int | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)


NOTHING_KNOWN = OpenOrders()


class FilterContext(msgspec.Struct, frozen=True, kw_only=True):
    """The rules that an order has to keep, and the facts that some of them depend on. A fact that is None switches the
    checks off that need it.

    `reference_price`, `average_price`, `last_price`: see `reference`. `position`: balance, free and locked, plus open
    BUY quantity of the base asset. `on_symbol`, `on_account`: what is open now, there and on all symbols together.
    `amends`: how often the order that is to be amended has been.
    """

    rules: SymbolRules
    reference_price: Decimal | None = None
    average_price: Decimal | None = None
    last_price: Decimal | None = None
    position: Decimal | None = None
    on_symbol: OpenOrders = NOTHING_KNOWN
    on_account: OpenOrders = NOTHING_KNOWN
    amends: int | None = None

    def reference(self, average_minutes: int) -> Decimal | None:
        """The price that a filter compares with: the exchange's reference price where there is one, else the average
        price of the filter's last minutes, or for 0 minutes the last price."""
        if self.reference_price is not None:
            return self.reference_price
        return self.average_price if average_minutes else self.last_price


class Refusal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that an order would be refused for.

    `filter` is the exchange's name of the filter, of the field of exchangeInfo, or its error code; `field` what is
    wrong and `value` what it is, where it is an amount; `problem` a sentence about it; `legal` the nearest value of
    `field` that this filter takes, where there is one.
    """

    filter: str
    field: str
    problem: str
    value: Decimal | None = None
    legal: Decimal | None = None

    @property
    def hint(self) -> str:
        """What to do about it, or an empty string."""
        return "" if self.legal is None else f"the nearest legal {self.field} is {text(self.legal)}"

    def __str__(self) -> str:
        return f"{self.problem} ({self.filter})" + (f"; {self.hint}" if self.hint else "")
