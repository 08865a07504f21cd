"""The outbox: requests that carry a new order wait here until the order is in the journal. Nothing is sent before that.

Everything else that is written to the journal goes with the next group, or a moment later: losing the last of it costs
nothing, for a recovery asks the exchange. What is sent and what is refused is decided in `orders.py`.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from dogwatch.actors.order_table import OrderLog
from dogwatch.actors.session import Call
from dogwatch.actors.spot.errors import NotSent
from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.messages import Message

FLUSH_WITHIN_S = 0.05
"""How long an answer or an event may wait for a group to be committed with."""
RETRY_S = 1.0
"""How often it is tried again to write a journal that cannot be written."""
BATCH_MAX = 64
"""So many orders at once go out without waiting for more of them."""
WAITING_MAX = 1_024


class Outgoing(NamedTuple):
    """A request with a new order called `name`, of use until `deadline_s`. `replaces`: the order that it cancels."""

    name: str
    call: Call
    deadline_s: float
    replaces: str | None = None


class Flush(Message, frozen=True, kw_only=True):
    """Told by the tracker to itself behind everything else that waits: commit the group."""


class FlushDue(Message, frozen=True, kw_only=True):
    """A timer's message: commit what was written since the last group, and look after what waits for too long."""


class Committed(Message, frozen=True, kw_only=True):
    """The disk has answered. `error`: why these orders are not in the journal; None if they are."""

    outbox: "Outbox"
    batch: tuple[Outgoing, ...]
    error: JournalError | None


class Outbox:
    """Groups what is written and sends what is durable, in the order in which it came.

    `tell` puts a message into the tracker's own mailbox, `send` and `turn_back` are what becomes of a request, `heed`
    is told how every commit ended. All are called on the tracker's own turn, `tell` alone at any time.
    """

    def __init__(
        self,
        journal: OrderLog,
        *,
        tell: Callable[[Message], None],
        send: Callable[[Outgoing], None],
        turn_back: Callable[[Outgoing, NotSent], None],
        heed: Callable[[JournalError | None], None],
    ) -> None:
        self._journal = journal
        self._tell = tell
        self._send = send
        self._turn_back = turn_back
        self._heed = heed
        self._waiting: dict[str, Outgoing] = {}
        self._group: list[Outgoing] = []
        self._commits = 0
        self._is_committing = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_busy(self) -> bool:
        """Whether the disk, or a request, is waited for."""
        return bool(self._waiting or self._commits)

    def check(self) -> None:
        """Raises NotSent when nothing new may be sent now: it could not be recorded before."""
        failure = self._journal.failure
        if failure is not None:
            raise not_recorded(failure)
        if len(self._waiting) >= WAITING_MAX:
            raise NotSent(f"{WAITING_MAX} orders wait for the journal already", hint="the disk is too slow")

    def put(self, outgoing: Outgoing) -> None:
        """Send it as soon as what was written until now is durable."""
        self._waiting[outgoing.name] = outgoing
        self._group.append(outgoing)
        if len(self._group) == 1:
            self._tell(Flush())
        elif len(self._group) >= BATCH_MAX:
            self.flush()

    def withdraw(self, name: str) -> Outgoing | None:
        """Take a request back that has not been sent; None when there is none of this order."""
        return self._waiting.pop(name, None)

    def withdraw_all(self) -> tuple[Outgoing, ...]:
        """Take everything back."""
        taken = tuple(self._waiting.values())
        self._waiting.clear()
        return taken

    def withdraw_overdue(self, now_s: float) -> tuple[Outgoing, ...]:
        """Take back what would be stale, for the disk took too long."""
        overdue = tuple(outgoing for outgoing in self._waiting.values() if outgoing.deadline_s <= now_s)
        for outgoing in overdue:
            del self._waiting[outgoing.name]
        return overdue

    def flush(self) -> None:
        """Have everything committed that was written until now."""
        group, self._group = tuple(self._group), []
        if not group and self._commits:
            return  # the disk is at work, and nobody waits for what came since
        self._commits += 1
        self._is_committing = True
        try:
            self._journal.commit(partial(self._hear, group))
        finally:
            self._is_committing = False

    def settle(self, committed: Committed) -> None:
        """Send the group, or turn it back when it is not recorded. An earlier life's group was turned back then."""
        if committed.outbox is not self:
            return
        self._commits -= 1
        self._heed(committed.error)
        for outgoing in committed.batch:
            if self._waiting.pop(outgoing.name, None) is None:
                continue  # withdrawn
            if committed.error is None:
                self._send(outgoing)
            else:
                self._turn_back(outgoing, not_recorded(committed.error))

    def _hear(self, group: tuple[Outgoing, ...], error: JournalError | None) -> None:
        """Called by the journal: before `commit` returns, or later between any two turns of the tracker."""
        committed = Committed(outbox=self, batch=group, error=error)
        if self._is_committing:
            self.settle(committed)
        else:
            self._tell(committed)


def not_recorded(failure: JournalError) -> NotSent:
    """Why an order is not sent while the journal cannot be written."""
    hint = failure.hint or "until it can be written nothing new is sent"
    return NotSent(f"the journal cannot be written: {failure.message}", hint=hint)
