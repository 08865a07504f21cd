"""What answers about orders lead to: they are entered into the books, and told to whoever waits for them.

What an answer means for an order is decided in `order_answers.py` and `spot/order_state.py`.
"""

from dogwatch.actors.bookkeeper import Bookkeeper
from dogwatch.actors.order_answers import (
    error_of,
    error_of_replacing,
    event_of_amending,
    event_of_canceling,
    event_of_placing,
    event_of_query,
    events_of_replacing,
)
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.sender import AMENDING, CANCELING, PLACING, REPLACING, Sender
from dogwatch.actors.spot.errors import NotSent, Rejected
from dogwatch.actors.spot.order import Amend, Life, Order, Request
from dogwatch.actors.spot.order_events import AmendUnknown, CancelUnknown, OrderEvent
from dogwatch.actors.spot.outcome import Unknown
from dogwatch.actors.waiting import Waiters, answer_all
from dogwatch.runtime.messages import Answer
from dogwatch.runtime.reply import Reply

ANSWER_LOST = "the tracker was restarted; the answer may be lost"
NOT_UNDERSTOOD = "its answer cannot be understood"


class Outcomes:
    """Of one tracker. After its answer nothing of a request is on its way: what the answer does not settle is in doubt.

    `all_ended`: who waits until no order is live any more.
    """

    def __init__(self, *, table: OrderTable, books: Bookkeeper, sender: Sender, waiters: Waiters) -> None:
        self._table = table
        self._books = books
        self._sender = sender
        self._waiters = waiters
        self.all_ended: list[Reply[None]] = []

    def hear(self, answer: Answer) -> None:
        """The answer to a request of the sender's, whose tag says what it was about."""
        kind, name = answer.tag[:2]
        if kind == REPLACING:
            self._on_replacing_answer(answer, new_name=name, old_name=answer.tag[2])
            return
        order = self._table.get(name)
        if order is None:
            return  # it ended, and was forgotten, before the answer came
        if kind == PLACING:
            event = event_of_placing(answer)
            self._on_placing_answer(order, event, error_of(event))
        elif kind == CANCELING:
            self._on_canceling_answer(order, event_of_canceling(answer))
        elif kind == AMENDING:
            self._on_amending_answer(order, event_of_amending(answer))
        else:
            found = event_of_query(answer)
            self._waiters.querying.send(name, order if found is None else self._books.apply(order, found))

    def doubt(self, order: Order) -> None:
        """An earlier life may have died over the answer to a request: then nobody will hear of it any more."""
        if order.life is Life.SENT:
            order = self._books.apply(order, Unknown(reason=ANSWER_LOST))
        if order.request is Request.CANCELING:
            order = self._books.apply(order, CancelUnknown(ANSWER_LOST))
        if order.amend is Amend.AMENDING:
            order = self._books.apply(order, AmendUnknown(ANSWER_LOST))

    def settle(self, order: Order, event: OrderEvent) -> None:
        """The order has ended, or nothing more can come of its cancel or its amend."""
        if order.is_closed:
            self._sender.spare(order.client_order_id)
        self._waiters.settle(order, event)
        if self.all_ended:
            self.answer_all_ended()

    def await_all_ended(self, reply: Reply[None]) -> None:
        """Answer when no order is live any more, and the record is caught up with the exchange's."""
        self.all_ended = [*(waiting for waiting in self.all_ended if not waiting.done), reply]

    def answer_all_ended(self) -> None:
        """If it is so now, tell those who wait for it."""
        if self._books.is_caught_up and not any(self._table.all_live()):
            answer_all(self.all_ended)

    def _on_placing_answer(self, order: Order, event: OrderEvent, error: NotSent | Rejected | None) -> None:
        changed = self._books.enter_answer(order, event)
        if changed.life is Life.SENT and not changed.is_unknown:
            changed = self._books.apply(changed, Unknown(reason=NOT_UNDERSTOOD))
        self._waiters.answer_placing(changed, error)

    def _on_canceling_answer(self, order: Order, event: OrderEvent, *, is_replacing: bool = False) -> None:
        changed = self._books.apply(order, event)
        if changed.request is Request.CANCELING:
            event = CancelUnknown(NOT_UNDERSTOOD)
            changed = self._books.apply(changed, event)
        refusal = error_of(event) if is_replacing else None
        if refusal is not None and changed.request is Request.NONE:
            self._sender.cancel_after_all(changed, refusal)
        else:
            self._waiters.answer_canceling(changed, event)

    def _on_amending_answer(self, order: Order, event: OrderEvent) -> None:
        changed = self._books.apply(order, event)
        if changed.amend is Amend.AMENDING:
            changed = self._books.apply(changed, AmendUnknown(NOT_UNDERSTOOD))
        if changed.amend is Amend.IN_DOUBT:
            self._waiters.amending.send(changed.client_order_id, changed)

    def _on_replacing_answer(self, answer: Answer, *, new_name: str, old_name: str) -> None:
        """Each part is judged by itself; whoever replaces learns of both."""
        of_cancel, of_placing = events_of_replacing(answer)
        old, new = self._table.get(old_name), self._table.get(new_name)
        if old is not None:
            self._on_canceling_answer(old, of_cancel, is_replacing=True)
        if new is not None:
            self._on_placing_answer(new, of_placing, error_of_replacing(of_cancel, of_placing))
