"""New orders, replacements and amends are checked and drafted here, as strategies want them, and handed to the sender.

Against which filters is `filter_guard.py`'s; what an order and its request look like is `placing.py`'s.
"""

from collections.abc import Callable

from dogwatch.actors.bookkeeper import Bookkeeper
from dogwatch.actors.filter_guard import FilterGuard
from dogwatch.actors.halt import HaltSwitch
from dogwatch.actors.order_messages import AmendOrder, PlaceOrder, ReplaceOrder
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.outbox import Outbox
from dogwatch.actors.placing import (
    amended_terms,
    check_amendable,
    check_settled,
    no_session,
    no_such_order,
    placing_call,
    replacing_call,
    sent_order,
    terms_of,
    too_late,
)
from dogwatch.actors.sender import AMENDING, Sender
from dogwatch.actors.session_messages import Call
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.order import Order
from dogwatch.actors.spot.order_events import AmendSent, CancelSent
from dogwatch.actors.spot.order_requests import OrderAmendKeepPriority
from dogwatch.actors.waiting import Waiters
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.reply import Reply


class Drafting:
    """Of one tracker. What may not be sent is refused through its reply, and `refused` counts it.

    The `outbox`, if there is a journal, comes with `begin`; `alarm` is told what a person should look at. `now_s` is
    Trio's time.
    """

    def __init__(
        self,
        *,
        table: OrderTable,
        books: Bookkeeper,
        sender: Sender,
        waiters: Waiters,
        guard: FilterGuard,
        halts: HaltSwitch,
        clock: Clock,
        alarm: Callable[[str], None],
    ) -> None:
        self._table = table
        self._books = books
        self._sender = sender
        self._waiters = waiters
        self._guard = guard
        self._halts = halts
        self._clock = clock
        self._alarm = alarm
        self._outbox: Outbox | None = None
        self.refused = 0

    def begin(self, outbox: Outbox | None) -> None:
        """A life of the tracker begins."""
        self._outbox = outbox

    def place(self, intent: PlaceOrder, reply: Reply[Order], now_s: float) -> None:
        """A new order."""
        try:
            order = self._drafted(intent, now_s)
            call = placing_call(order)
        except (NotSent, ValueError, TypeError) as refusal:
            self._refuse(reply, refusal)
            return
        self._sender.place(order, call, intent.deadline_s, reply, now_s=now_s)

    def replace(self, command: ReplaceOrder, reply: Reply[Order], now_s: float) -> None:
        """A new order in place of another."""
        intent, name = command.placing, command.client_order_id
        old = self._table.get(name)
        try:
            if old is None:
                raise no_such_order(name, "replace")
            if intent.symbol != old.symbol:
                raise NotSent(f"an order on {old.symbol} cannot be replaced by one on {intent.symbol}")
            check_settled(old, "replaced")
            order = self._drafted(intent, now_s)
            call = replacing_call(old, order)
        except (NotSent, ValueError, TypeError) as refusal:
            self._refuse(reply, refusal)
            return
        self._books.apply(old, CancelSent())
        self._sender.place(order, call, intent.deadline_s, reply, now_s=now_s, replaces=name)

    def amend(self, command: AmendOrder, reply: Reply[Order], now_s: float) -> None:
        """Less of an order. One that has ended is the answer itself."""
        name, quantity = command.client_order_id, command.quantity
        order = self._table.get(name)
        if order is not None and order.is_closed:
            reply.send(order)
            return
        try:
            if order is None:
                raise no_such_order(name, "amend")
            self._check_open(command.deadline_s, now_s)
            check_amendable(order, quantity)
            self._guard.check_amending(order, amended_terms(order, quantity))
            request = OrderAmendKeepPriority(
                symbol=order.symbol, order_id=order.order_id, new_qty=quantity, new_client_order_id=name
            )
            call = Call.of(request)
        except (NotSent, ValueError, TypeError) as refusal:
            self._refuse(reply, refusal)
            return
        self._waiters.amending.add(name, reply)
        self._books.apply(order, AmendSent(quantity))
        self._sender.request(AMENDING, call, name, command.deadline_s - now_s)

    def _check_open(self, deadline_s: float, now_s: float) -> None:
        """Raises NotSent when nothing new may be sent now."""
        if not self._sender.is_session_ready:
            raise no_session()
        if not self._books.is_caught_up:
            hint = "what was missed is being asked for; try again in a moment"
            raise NotSent("the record of the orders is not caught up with the exchange's", hint=hint)
        if self._outbox is not None:
            self._outbox.check()
        if deadline_s <= now_s:
            raise too_late()

    def _drafted(self, intent: PlaceOrder, now_s: float) -> Order:
        """Raises NotSent for what may not be sent, ValueError for a strategy's name that cannot be part of an id."""
        if self._halts.halt is not None:
            raise self._halts.refusal()
        self._check_open(intent.deadline_s, now_s)
        self._guard.check_placing(intent.symbol, terms_of(intent))
        name = self._table.next_client_order_id(intent.strategy, intent.life)
        if self._table.get(name) is not None:
            # The exchange takes a repeated id as soon as the first order has filled: then there would be two of them.
            self._alarm(f"the client order id {name} was to be used again")
            raise NotSent(f"the client order id {name} was given to another order before", hint="restart the process")
        return sent_order(intent, client_order_id=name, now_ms=self._clock.unix_ms())

    def _refuse(self, reply: Reply[Order], refusal: Exception) -> None:
        self.refused += 1
        reply.fail(refusal)
