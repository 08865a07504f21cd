"""The words one speaks with the Orders actor: commands to place, cancel, query and wait; evidence; what it publishes.

Deadlines (`deadline_s`) are on Trio's clock, in seconds: they travel with the command, so that waiting in a queue
counts.
"""

from decimal import Decimal

from dogwatch.actors.spot.enums import OrderType, Side, TimeInForce
from dogwatch.actors.spot.order import Order
from dogwatch.actors.spot.order_events import OrderEvent
from dogwatch.actors.spot.results import AccountTrade
from dogwatch.runtime.messages import Message, Query


class PlaceOrder(Query[Order], frozen=True, kw_only=True):
    """Place an order for a strategy. Answered with an open, closed or unknown Order; fails with NotSent or Rejected."""

    strategy: str
    life: int
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    deadline_s: float


class CancelOrder(Query[Order], frozen=True, kw_only=True):
    """Cancel one order. Answered when its end is known; fails with NotSent, or Rejected if it is known to stay open."""

    client_order_id: str
    deadline_s: float


class CancelStrategyOrders(Query[int], frozen=True, kw_only=True):
    """Cancel the orders that a strategy has now, again and again until their end is known.

    Answered with their number then. Works as a told message too: the cancels are pursued whether anybody waits or not.
    """

    strategy: str


class QueryOrder(Query[Order], frozen=True, kw_only=True):
    """Ask the exchange about one order. Answered with what is known then."""

    client_order_id: str
    deadline_s: float


class AwaitClosed(Query[Order], frozen=True, kw_only=True):
    """Answered when the order is known to have ended."""

    client_order_id: str


class AwaitReady(Query[None], frozen=True, kw_only=True):
    """Answered when orders can be placed: the session is up and the symbols' rules are known."""


class Evidence(Message, frozen=True, kw_only=True):
    """What the reconciler found out about an order."""

    client_order_id: str
    event: OrderEvent


class TradesFound(Message, frozen=True, kw_only=True):
    """All trades of one order, as the exchange lists them (myTrades)."""

    client_order_id: str
    trades: tuple[AccountTrade, ...]


class OrderChanged(Message, frozen=True, kw_only=True):
    """An order has a new snapshot. `is_recovered`: found out by asking, not told as it happened."""

    order: Order
    is_recovered: bool = False


class ReconcileWanted(Message, frozen=True, kw_only=True):
    """Somebody has to ask the exchange about this order. `trades`: about its trades too, for fills are missing."""

    client_order_id: str
    reason: str
    trades: bool = False
