"""What is known about one order, as a value: `Order`, and the states that it can be in.

How an order gets from one state to the next lives in `order_tables.py` and `order_state.py`.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from dogwatch.actors.spot.enums import OrderStatus, OrderType, Side, TimeInForce

ZERO = Decimal(0)


class Life(StrEnum):
    """How far an order has come. Partly filled is no state of its own: `Order.filled_quantity` says it."""

    DRAFT = "DRAFT"
    """Made, not yet handed to the connection."""
    SENT = "SENT"
    """Handed to the connection; the exchange has not said anything about it."""
    OPEN = "OPEN"
    """The exchange has it."""
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    """Ended by the exchange: time in force, no liquidity, self-trade prevention. `Order.reason` says which."""
    REJECTED = "REJECTED"
    """Refused by the exchange."""
    NEVER_PLACED = "NEVER_PLACED"
    """Proven not to have reached the book: it never left this machine, or all the evidence is in."""


class Request(StrEnum):
    """What became of the last cancel. The request that places the order is told by `Life` and `Certainty`."""

    NONE = "NONE"
    CANCELING = "CANCELING"
    """A cancel is on its way."""
    IN_DOUBT = "IN_DOUBT"
    """A cancel was not answered, or the exchange found nothing to cancel. The order may be open or not."""


class Amend(StrEnum):
    """What became of the last amend, which lowers the quantity and keeps the place in the queue.

    One at a time: the next may be sent when this one is settled.
    """

    NONE = "NONE"
    AMENDING = "AMENDING"
    """An amend is on its way."""
    IN_DOUBT = "IN_DOUBT"
    """An amend was not answered, or the exchange found nothing to amend. The quantity may be the old or the new one."""


class Certainty(StrEnum):
    """Whether the other fields tell what is true at the exchange. UNKNOWN ends on evidence only."""

    KNOWN = "KNOWN"
    UNKNOWN = "UNKNOWN"


CLOSED = frozenset({Life.FILLED, Life.CANCELED, Life.EXPIRED, Life.REJECTED, Life.NEVER_PLACED})


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One order as far as it is known now. A snapshot: it never changes, a later one takes its place.

    Amounts are in the base asset, `…quote…` in the quote asset. Times are milliseconds since 1970 by the exchange's
    clock: `transaction_time_ms` as it told, the others as that clock is seen from here.
    """

    client_order_id: str
    """The name under which the order was placed. It stays, also when a cancel gives the order another one."""
    symbol: str
    side: Side
    type: OrderType
    created_ms: int
    time_in_force: TimeInForce | None = None
    quantity: Decimal | None = None
    """None for a MARKET order by quote quantity until the exchange has said how much that is. Lowered by an amend when
    that is known to have been carried out: until then what may still fill is counted by the larger one."""
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    strategy: str = ""

    life: Life = Life.DRAFT
    request: Request = Request.NONE
    amend: Amend = Amend.NONE
    certainty: Certainty = Certainty.KNOWN
    status: OrderStatus | None = None
    """The exchange's last word, where `life` is our reading of it."""
    reason: str = ""
    """Why it ended as it did, or why it is unknown, in the exchange's words where there are any."""
    evidence: str = ""
    """What the newest change of this snapshot rests on: "sent", "answer to order.place", "executionReport TRADE" …"""
    order_id: int | None = None
    order_list_id: int | None = None
    """The order list that it is a leg of, if it is."""
    filled_quantity: Decimal = ZERO
    filled_quote: Decimal = ZERO
    prevented_quantity: Decimal = ZERO
    """Taken out of the order by self-trade prevention."""

    updated_ms: int = 0
    sent_ms: int | None = None
    """When the order was handed to the connection; its verdict cannot be due before (see `outcome.py`)."""
    cancel_sent_ms: int | None = None
    """The same of its last cancel."""
    amend_sent_ms: int | None = None
    """The same of its last amend."""
    amend_quantity: Decimal | None = None
    """The quantity that an amend asks for while it is on its way or in doubt; less than `quantity`."""
    unknown_since_ms: int | None = None
    transaction_time_ms: int = 0
    execution_id: int = 0
    """The newest execution of this order that was reported, by an event or by the answer to an amend. Grows; 0 before
    the first."""

    @property
    def average_price(self) -> Decimal | None:
        """Quote paid or received per base filled; None before the first fill, or when the exchange no longer says."""
        if not self.filled_quantity or not self.filled_quote:
            return None
        return self.filled_quote / self.filled_quantity

    @property
    def remaining(self) -> Decimal | None:
        """What may still fill: zero once the order is closed. None while the quantity itself is not known."""
        if self.life in CLOSED:
            return ZERO
        if self.quantity is None:
            return None
        return self.quantity - self.filled_quantity - self.prevented_quantity

    @property
    def is_open(self) -> bool:
        """The exchange has it and has not said that it ended."""
        return self.life is Life.OPEN

    @property
    def is_closed(self) -> bool:
        """It has ended, one way or another."""
        return self.life in CLOSED

    @property
    def is_unknown(self) -> bool:
        """A request about it left this machine and nobody knows what became of it. Count it as if it were open."""
        return self.certainty is Certainty.UNKNOWN

    @property
    def is_filled(self) -> bool:
        """Filled completely."""
        return self.life is Life.FILLED

    def __repr__(self) -> str:
        quantity = f"{self.quote_quantity} quote" if self.quantity is None else f"{self.quantity:f}"
        words = [self.client_order_id, self.symbol, self.side, quantity, self.type]
        if self.price is not None:
            words.append(f"at {self.price:f}")
        words.append(self.life)
        if self.filled_quantity:
            words.append(f"filled {self.filled_quantity:f}")
        if self.request is not Request.NONE:
            words.append(self.request)
        if self.amend is not Amend.NONE:
            words.append(f"amend to {self.amend_quantity} {self.amend}")
        if self.is_unknown:
            words.append(self.certainty)
        if self.reason:
            words.append(f"({self.reason})")
        return f"<Order {' '.join(words)}>"

    def __str__(self) -> str:
        return repr(self)
