"""The words one speaks with the Orders actor: commands to place, cancel, query and wait; evidence; what it publishes.

Deadlines (`deadline_s`) are on Trio's clock, in seconds: they travel with the command, so that waiting in a queue
counts.
"""

from collections.abc import Mapping
from decimal import Decimal

from dogwatch.actors.spot.enums import OrderType, Side, TimeInForce
from dogwatch.actors.spot.mark import Mark
from dogwatch.actors.spot.order import Order
from dogwatch.actors.spot.order_events import OrderEvent
from dogwatch.actors.spot.results import AccountTrade, OrderReport
from dogwatch.runtime.messages import Message, Query


class PlaceOrder(Query[Order], frozen=True, kw_only=True, gc=False):
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
    """Cancel one order. Answered when its end is known, or when nobody knows whether the cancel was carried out.

    Fails with NotSent, or with Rejected if the order is known to stay open.
    """

    client_order_id: str
    deadline_s: float


class CancelStrategyOrders(Query[int], frozen=True, kw_only=True):
    """Cancel the orders that a strategy has now, again and again until their end is known.

    Answered with their number then. Works as a told message too: the cancels are pursued whether anybody waits or not.
    """

    strategy: str


class EndAllOrders(Query[None], frozen=True, kw_only=True):
    """Cancel every live order of the account that this process knows, again and again until its end is known.

    Answered when none is live any more and the record is caught up with the exchange's. Works as a told message too.
    """


class CancelDoomed(Message, frozen=True, kw_only=True):
    """A timer's message: look after the orders that have to be ended."""


class QueryOrder(Query[Order], frozen=True, kw_only=True):
    """Ask the exchange about one order. Answered with what is known then."""

    client_order_id: str
    deadline_s: float


class AwaitClosed(Query[Order], frozen=True, kw_only=True):
    """Answered when the order is known to have ended."""

    client_order_id: str


class AmendOrder(Query[Order], frozen=True, kw_only=True):
    """Lower an order's quantity to `quantity` (base asset); it keeps its place in the queue.

    Answered when the outcome is known, or nobody knows it: then the order's quantity is in doubt. Fails with NotSent or
    Rejected.
    """

    client_order_id: str
    quantity: Decimal
    deadline_s: float


class ReplaceOrder(Query[Order], frozen=True, kw_only=True):
    """Cancel an order and place another in its stead, in one request; the second only if the cancel worked.

    Answered with the new Order: open, closed or unknown. Fails with NotSent or Rejected, whose text says what became
    of the old one. `placing.deadline_s` is the deadline of both.
    """

    client_order_id: str
    placing: PlaceOrder


class AwaitReady(Query[None], frozen=True, kw_only=True):
    """Answered when orders can be placed: the session is up, the symbols' rules are known, the record is caught up."""


class Evidence(Message, frozen=True, kw_only=True):
    """What the reconciler found out about an order."""

    client_order_id: str
    event: OrderEvent


class OrdersFound(Query[None], frozen=True, kw_only=True):
    """Orders as the exchange lists them (openOrders.status, allOrders, order.status), of anybody's making.

    Known ones are evidence, unknown ones with an id of ours are adopted, the others are external. Answered when all are
    entered; works as a told message too.
    """

    reports: tuple[OrderReport, ...]


class TradesFound(Query[tuple[int, ...]], frozen=True, kw_only=True):
    """Trades of one symbol as the exchange lists them (myTrades), of anybody's orders; each is counted once.

    Answered, when all are entered, with the ids of the orders among them that nobody knows here, neither as ours nor as
    external: report those with `OrdersFound`, then tell these trades again. Works as a told message too.
    """

    symbol: str
    trades: tuple[AccountTrade, ...]


class GapOpened(Message, frozen=True, kw_only=True):
    """The record of the orders may have a gap from here on: a life of the tracker began, or a session was lost.

    No strategy's order is placed, and events wait, until a recovery pass that began later has closed it. `number` rises
    with every gap of this process; a newer gap takes the place of an older one.
    """

    number: int
    reason: str


class RecoveryEnded(Message, frozen=True, kw_only=True):
    """Told to the tracker after everything that a pass has found. It is not told for a pass that came to nothing."""

    gap: int | None = None
    """The gap that is closed by this pass; None: it was an audit."""
    began_ms: int
    """When it began, by the exchange's clock as it is seen from here."""
    marks: Mapping[str, Mark]
    """Symbol → the newest order and trade that the pass has listed."""
    orders: int
    trades: int
    took_s: float


class CaughtUp(Message, frozen=True, kw_only=True):
    """A pass has ended and all that it found is entered: what the exchange could tell at `began_ms` is known.

    `gap`: as in `RecoveryEnded`.
    """

    gap: int | None
    began_ms: int
    orders: int
    trades: int
    took_s: float


class RecoverNow(Message, frozen=True, kw_only=True):
    """Told to the recovery: make an audit as soon as you can."""

    reason: str


class OrderChanged(Message, frozen=True, kw_only=True, gc=False):
    """An order has a new snapshot. `is_recovered`: found out by asking, not told as it happened."""

    order: Order
    is_recovered: bool = False


class ReconcileWanted(Message, frozen=True, kw_only=True):
    """Somebody has to ask the exchange about this order. `trades`: about its trades too, for fills are missing."""

    client_order_id: str
    reason: str
    trades: bool = False
