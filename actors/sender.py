"""Requests about orders on their way out: handed to the session, held by the journal, taken back, sent after all.

Which requests there are, and what their answers mean, is `orders.py`'s; waiting for the disk is `outbox.py`'s.
"""

from collections.abc import Iterable
from typing import Any

import trio

from dogwatch.actors.bookkeeper import Bookkeeper
from dogwatch.actors.doomed import Doomed
from dogwatch.actors.halt import HaltSwitch
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.outbox import Outbox
from dogwatch.actors.outgoing import Outgoing
from dogwatch.actors.placing import canceling_call, no_session, too_late
from dogwatch.actors.session_messages import Call, Speaker
from dogwatch.actors.spot.errors import NotSent, Rejected
from dogwatch.actors.spot.order import Order, Request
from dogwatch.actors.spot.order_events import CancelSent, CancelUnsent, Unsent
from dogwatch.actors.waiting import Waiters
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.reply import Reply

CANCEL_WITHIN_S = 15.0
"""How long a cancel of an order that has to be ended is waited for: longer than the exchange waits for its engine."""

CANCELS_AT_ONCE = 500
"""Half of what a session keeps in flight. All of 100,000 at once would be refused, and their refusals would fill the
tracker's mailbox; the others follow a second later."""

PLACING, CANCELING, QUERYING, AMENDING, REPLACING = "placing", "canceling", "querying", "amending", "replacing"
"""What an answer's tag begins with; the name of the order follows, and of a replacement the old order's."""


class Sender:
    """Sends for the tracker. Every request that it takes leads to an answer with its tag, or is turned back at once.

    `reply_to`, where answers go, and the `outbox`, if there is a journal, come with `begin`.
    """

    def __init__(
        self,
        *,
        session: ActorRef[Speaker],
        table: OrderTable,
        books: Bookkeeper,
        halts: HaltSwitch,
        waiters: Waiters,
    ) -> None:
        self._session = session
        self._table = table
        self._books = books
        self._halts = halts
        self._waiters = waiters
        self._reply_to: ActorRef[Any] | None = None
        self._outbox: Outbox | None = None
        self._doomed = Doomed()
        self.is_session_ready = False

    def __len__(self) -> int:
        """How many orders wait to be sent."""
        return 0 if self._outbox is None else len(self._outbox)

    def begin(self, reply_to: ActorRef[Any], outbox: Outbox | None) -> None:
        """A life of the tracker begins."""
        self._reply_to = reply_to
        self._outbox = outbox

    def request(self, kind: str, call: Call, name: str, within_s: float) -> None:
        """Send a request about an order that the exchange may have."""
        self._ask(call, (kind, name), within_s)

    # New orders.

    def place(
        self,
        order: Order,
        call: Call,
        deadline_s: float,
        reply: Reply[Order],
        *,
        now_s: float,
        replaces: str | None = None,
    ) -> None:
        """Have a new order sent, with a journal as soon as it is recorded there. It says that it is already."""
        name = order.client_order_id
        self._waiters.placing.add(name, reply)
        self._books.enter_sent(order)
        outgoing = Outgoing(name, call, deadline_s, replaces)
        if self._outbox is None:
            self._hand_over(outgoing, now_s)
        else:
            self._outbox.put(outgoing)

    def hand_over(self, outgoing: Outgoing) -> None:
        """It may have waited: look again whether it may be sent."""
        assert self._reply_to is not None
        self._hand_over(outgoing, self._reply_to.mailbox.now())

    def _hand_over(self, outgoing: Outgoing, now_s: float) -> None:
        within_s = outgoing.deadline_s - now_s
        old = None if outgoing.replaces is None else self._table.get(outgoing.replaces)
        if within_s <= 0:
            self.turn_back(outgoing, too_late())
        elif self._halts.halt is not None:
            self.turn_back(outgoing, self._halts.refusal())
        elif not self.is_session_ready:
            self.turn_back(outgoing, no_session())
        elif old is not None and old.is_closed:
            self.turn_back(outgoing, NotSent(f"the order that it was to replace has ended: {old}"))
        else:
            tag = (PLACING, outgoing.name) if old is None else (REPLACING, outgoing.name, old.client_order_id)
            self._ask(outgoing.call, tag, within_s)

    def turn_back(self, outgoing: Outgoing, error: NotSent) -> None:
        """It has not left this machine and will not."""
        order = self._table.get(outgoing.name)
        if order is not None:
            self._books.apply(order, Unsent(error.message))
        old = None if outgoing.replaces is None else self._table.get(outgoing.replaces)
        if old is not None:
            self.cancel_after_all(self._books.apply(old, CancelUnsent(error.message)), error)
        self._waiters.placing.fail(outgoing.name, error)

    def turn_back_overdue(self) -> None:
        """Turn back what would be stale, for the disk took too long."""
        if self._outbox is not None:
            for outgoing in self._outbox.withdraw_overdue(trio.current_time()):
                self.turn_back(outgoing, too_late())

    def turn_back_all(self, error: NotSent) -> None:
        """Nothing that waits may be sent any more."""
        if self._outbox is not None:
            for outgoing in self._outbox.withdraw_all():
                self.turn_back(outgoing, error)

    def withdraw(self, name: str) -> bool:
        """Whether the order had not been sent yet, and now will not be."""
        outgoing = None if self._outbox is None else self._outbox.withdraw(name)
        if outgoing is None:
            return False
        self.turn_back(outgoing, NotSent("it was canceled before it was sent"))
        return True

    # Cancels.

    def cancel(self, order: Order, within_s: float) -> None:
        """Send a cancel, unless one is on its way: that serves all who wait."""
        if self._is_being_canceled(order):
            return
        order = self._table.latest(order)
        call = canceling_call(order)
        self._books.apply(order, CancelSent())
        self._ask(call, (CANCELING, order.client_order_id), within_s)

    def cancel_after_all(self, order: Order, error: NotSent | Rejected) -> None:
        """A replacement came to nothing and has not canceled the order either: who waits for that still wants it."""
        if self.is_session_ready and not order.is_closed and self._waiters.canceling.is_awaited(order.client_order_id):
            self.cancel(order, CANCEL_WITHIN_S)
        else:
            self._waiters.canceling.fail(order.client_order_id, error)

    def _is_being_canceled(self, order: Order) -> bool:
        """Whether a cancel is on its way. One that waits for the disk, with a replacement, is not: it is taken back."""
        if order.request is not Request.CANCELING:
            return False
        outgoing = None if self._outbox is None else self._outbox.withdraw_replacement_of(order.client_order_id)
        if outgoing is not None:
            self.turn_back(outgoing, NotSent("the order that it was to replace is canceled"))
        return self._table.latest(order).request is Request.CANCELING

    # Orders that have to be ended.

    def doom(self, names: Iterable[str]) -> None:
        """Cancel these again and again until their end is known: see `cancel_doomed`."""
        self._doomed.add(names)

    def spare(self, name: str) -> None:
        """It has ended."""
        self._doomed.discard(name)

    def hurry(self) -> None:
        """A new session: all that have to be ended may be canceled at once."""
        self._doomed.hurry()

    def cancel_doomed(self) -> bool:
        """Cancel what has to be ended and has no cancel on its way. Returns whether to look again a little later."""
        now_s = trio.current_time()
        sent = 0
        for name in self._doomed.due(now_s):
            order = self._table.get(name)
            if order is None or order.is_closed or self.withdraw(name):
                self._doomed.discard(name)
            elif self.is_session_ready and not self._is_being_canceled(order):
                if sent == CANCELS_AT_ONCE:
                    break
                sent += 1
                self._doomed.put_off(name, now_s)
                self.cancel(order, CANCEL_WITHIN_S)
        return len(self._doomed) > 0

    def _ask(self, call: Call, tag: tuple[str, ...], within_s: float) -> None:
        assert self._reply_to is not None  # nothing is sent before a life has begun
        self._session.request(call, reply_to=self._reply_to, tag=tag, within_s=within_s)
