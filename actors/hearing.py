"""Hearing: finds the socket that answers what changes orders and brings no event of it, and has it replaced."""

from collections.abc import Callable
from functools import partial

import trio

from dogwatch.actors.connection import Reconnect
from dogwatch.actors.conversation import Conversation, Standing
from dogwatch.actors.pending import Pending
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.methods import Method
from dogwatch.runtime.timers import Timers

__all__ = ["Hearing"]

HEARD_WITHIN_S = 10.0
"""How long after its answer a changed order may be without any event of the account."""
TOLD = frozenset({Method.ORDER_PLACE, Method.ORDER_CANCEL})
"""What changes an order, so that an event has to tell of it."""


class Hearing:
    """Of one session, account by account. `is_alone(conversation)`: whether events have to come over this one."""

    def __init__(self, timers: Timers, *, is_alone: Callable[[Conversation], bool]) -> None:
        self._timers = timers
        self._is_alone = is_alone

    def note_answer(self, conversation: Conversation, pending: Pending, response: Response) -> None:
        """An order has perhaps changed. If no event has come since it was asked to, one has to come now."""
        call = pending.call
        if call.method not in TOLD or not response.is_ok:
            return
        standing = conversation.standing(call.account)
        if standing.heard_s < pending.sent_s and not standing.is_listening:
            standing.is_listening = True
            until_s = trio.current_time() + HEARD_WITHIN_S
            self._timers.add(until_s, partial(self._look, conversation, standing, pending.sent_s))

    def _look(self, conversation: Conversation, standing: Standing, since_s: float) -> None:
        standing.is_listening = False
        is_deaf = standing.is_ready and standing.heard_s < since_s
        if is_deaf and self._is_alone(conversation):
            reason = "orders are answered, and no event comes of them"
            conversation.line.connection.tell(Reconnect(epoch=conversation.epoch, reason=reason))
