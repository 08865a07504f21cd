"""Who waits for what to become known about an order: replies, kept until they are answered or nobody listens.

What an answer or an event means for an order is decided before; here is only who learns of it.
"""

from collections.abc import Iterable
from typing import Generic

from dogwatch.actors.order_answers import error_of
from dogwatch.actors.spot.errors import NotSent, Rejected
from dogwatch.actors.spot.order import Amend, Life, Order, Request
from dogwatch.actors.spot.order_events import OrderEvent
from dogwatch.runtime.messages import R
from dogwatch.runtime.reply import Reply

PRUNE_ABOVE = 8


class Waiting(Generic[R]):
    """Replies by the name of the order that they wait for."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply[R]]] = {}
        """To be looked at: usually nobody waits for most things."""

    def add(self, name: str, reply: Reply[R]) -> bool:
        """Answer `reply` later, through `send` or `fail`. Returns whether somebody else waits already."""
        replies = self.replies.get(name)
        if replies is None:
            self.replies[name] = [reply]
            return False
        if len(replies) >= PRUNE_ABOVE:  # whoever asks again and again with short deadlines leaves done ones behind
            replies[:] = [kept for kept in replies if not kept.done]
        replies.append(reply)
        return len(replies) > 1

    def is_awaited(self, name: str) -> bool:
        """Whether anybody still listens."""
        return any(not reply.done for reply in self.replies.get(name, ()))

    def send(self, name: str, value: R) -> None:
        """Answer all that wait for this order."""
        for reply in self.replies.pop(name, ()):
            if not reply.done:
                reply.send(value)

    def fail(self, name: str, error: Exception) -> None:
        """Refuse all that wait for this order."""
        for reply in self.replies.pop(name, ()):
            if not reply.done:
                reply.fail(error)


def answer_all(replies: list[Reply[None]]) -> None:
    """Answer all that wait, and forget them."""
    for reply in replies:
        if not reply.done:
            reply.send(None)
    replies.clear()


class Sweep:
    """Somebody waits for the end of several orders. `reply` is None when the orders are to be ended unattended."""

    def __init__(self, names: Iterable[str], reply: Reply[int] | None) -> None:
        self._remaining = set(names)
        self._count = len(self._remaining)
        self._reply = reply

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to wait for, or nobody waits."""
        return not self._remaining or self._reply is None or self._reply.done

    def ended(self, name: str) -> None:
        """One order has ended. The last one answers."""
        self._remaining.discard(name)
        self.answer_if_done()

    def answer_if_done(self) -> None:
        """Answer when nothing is left, also when there was nothing to begin with."""
        if not self._remaining and self._reply is not None and not self._reply.done:
            self._reply.send(self._count)


class Waiters:
    """Everybody who waits for orders, by what they wait for: the outcome of a request, or the end of the order."""

    def __init__(self) -> None:
        self.placing: Waiting[Order] = Waiting()
        self.canceling: Waiting[Order] = Waiting()
        self.amending: Waiting[Order] = Waiting()
        self.querying: Waiting[Order] = Waiting()
        self.ending: Waiting[Order] = Waiting()
        self._sweeps: list[Sweep] = []

    def add_sweep(self, names: Iterable[str], reply: Reply[int]) -> None:
        """Answer `reply` when all of these orders have ended."""
        sweep = Sweep(names, reply)
        sweep.answer_if_done()
        if not sweep.is_done:
            self._sweeps.append(sweep)

    def answer_placing(self, order: Order, error: NotSent | Rejected | None) -> None:
        """The request that places the order is answered, maybe with a refusal."""
        if error is None or order.life not in {Life.REJECTED, Life.NEVER_PLACED}:  # evidence denies the refusal
            self.placing.send(order.client_order_id, order)
        else:
            self.placing.fail(order.client_order_id, error)

    def answer_canceling(self, order: Order, event: OrderEvent) -> None:
        """The request that cancels the order is answered. One that found nothing to cancel may have come too late:
        then the end of the order is on its way."""
        error = error_of(event)
        if error is None:
            self.canceling.send(order.client_order_id, order)
        elif not order.is_closed and (order.request is Request.NONE or isinstance(error, NotSent)):
            self.canceling.fail(order.client_order_id, error)

    def settle(self, order: Order, event: OrderEvent) -> None:
        """The order has ended, or nothing more can come of its cancel or its amend: tell those who wait for that."""
        name = order.client_order_id
        if self.amending.replies and order.amend is Amend.NONE:
            error = None if order.is_closed else error_of(event)
            if error is None:
                self.amending.send(name, order)
            else:
                self.amending.fail(name, error)
        if self.canceling.replies and order.request is Request.NONE:
            self.canceling.send(name, order)
        if order.is_closed:
            if self.ending.replies:
                self.ending.send(name, order)
            if self._sweeps:
                self._end_in_sweeps(name)

    def _end_in_sweeps(self, name: str) -> None:
        for sweep in self._sweeps:
            sweep.ended(name)
        self._sweeps = [sweep for sweep in self._sweeps if not sweep.is_done]
