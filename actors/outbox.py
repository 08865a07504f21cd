"""The outbox: requests that carry a new order wait here until the order is in the journal. Nothing is sent before that.

Everything else is written behind: losing the last of it costs nothing, for a recovery asks the exchange. What is sent
and what is refused is decided in `orders.py`.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from dogwatch.actors.order_table import OrderLog
from dogwatch.actors.outbox_messages import Committed, Flush, FlushDue
from dogwatch.actors.outgoing import Outgoing
from dogwatch.actors.spot.errors import NotSent
from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.logger import Logger
from dogwatch.runtime.mailbox import Mailbox

FLUSH_WITHIN_S = 0.05
"""How long an answer or an event may wait to be committed, where no thread stores it meanwhile."""
RETRY_S = 1.0
"""How often it is tried again to write a journal that cannot be written."""
ALONE_AFTER_S = 0.0001
"""An order that comes so long after another was recorded is recorded at once; until then those that come go together,
in the next turn of the tracker."""
BATCH_MAX = 64
"""So many orders go out without waiting for more of them."""
WAITING_MAX = 1_024


class Outbox:
    """Groups what is written and sends what is durable, in the order in which it came.

    `mailbox` and `tell_after` are the tracker's own, `send` and `turn_back` are what becomes of a request; `alarm` is
    told when the journal cannot be written. All on the tracker's own turn.
    """

    def __init__(
        self,
        journal: OrderLog,
        *,
        mailbox: Mailbox,
        send: Callable[[Outgoing], None],
        turn_back: Callable[[Outgoing, NotSent], None],
        tell_after: Callable[[float, Any], object],
        alarm: Callable[[str], None],
        log: Logger,
    ) -> None:
        self._journal = journal
        self._mailbox = mailbox
        self._send = send
        self._turn_back = turn_back
        self._tell_after = tell_after
        self._alarm = alarm
        self._log = log
        self._waiting: dict[str, Outgoing] = {}
        self._group: list[Outgoing] = []
        self._commits = 0
        self._recorded_s = -math.inf
        self._is_committing = False
        self._is_flush_due = False
        self.is_failing = False
        """Whether the last commit did not work."""

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
            self._heed(failure)
            raise not_recorded(failure)
        if len(self._waiting) >= WAITING_MAX:
            raise NotSent(f"{WAITING_MAX} orders wait for the journal already", hint="the disk is too slow")

    def put(self, outgoing: Outgoing) -> None:
        """Send it as soon as what was written until now is durable."""
        self._waiting[outgoing.name] = outgoing
        self._group.append(outgoing)
        now_s = self._mailbox.now()
        is_alone = now_s > self._recorded_s + ALONE_AFTER_S and self._mailbox.is_empty
        if is_alone or len(self._group) >= BATCH_MAX:
            self._recorded_s = now_s
            self.flush()
        elif len(self._group) == 1:
            self._mailbox.offer(Flush())

    def withdraw(self, name: str) -> Outgoing | None:
        """Take a request back that has not been sent; None when there is none of this order."""
        return self._waiting.pop(name, None)

    def withdraw_replacement_of(self, name: str) -> Outgoing | None:
        """Take back the request that is to replace this order; None when there is none."""
        found = next((outgoing for outgoing in self._waiting.values() if outgoing.replaces == name), None)
        return None if found is None else self._waiting.pop(found.name)

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
        group, self._group = self._group, []
        if not group and self._commits:
            return  # the disk is at work, and nobody waits for what came since
        self._commits += 1
        self._is_committing = True
        try:
            self._journal.commit(partial(self._hear, group))
        finally:
            self._is_committing = False

    def flush_later(self) -> None:
        """Something was written that nobody waits for: a `FlushDue` comes soon, for all that is written until then."""
        if not self._is_flush_due:
            self._is_flush_due = True
            self._tell_after(RETRY_S if self.is_failing else FLUSH_WITHIN_S, FlushDue())

    def flush_due(self) -> None:
        """The `FlushDue` has come."""
        self._is_flush_due = False
        self.flush()

    def compact(self, now_ms: int) -> None:
        """Do a little of the work that keeps the journal small. To be called now and then."""
        try:
            self._journal.compact(now_ms)
        except JournalError as problem:  # it grows; what it holds is untouched
            self._log.warning("the journal could not be made smaller", reason=str(problem))

    def settle(self, group: Sequence[Outgoing], error: JournalError | None) -> None:
        """Send the group, or turn it back when it is not recorded."""
        self._commits -= 1
        self._heed(error)
        for outgoing in group:
            if self._waiting.pop(outgoing.name, None) is None:
                continue  # withdrawn
            if error is None:
                self._send(outgoing)
            else:
                self._turn_back(outgoing, not_recorded(error))

    def _heed(self, failure: JournalError | None) -> None:
        if failure is not None:
            if not self.is_failing:
                self.is_failing = True
                self._alarm(f"the journal cannot be written, and until it can, nothing new is sent: {failure}")
            self.flush_later()
        elif self.is_failing:
            self.is_failing = False
            self._log.warning("the journal can be written again, new orders are sent again")

    def _hear(self, group: Sequence[Outgoing], error: JournalError | None) -> None:
        """Called by the journal: before `commit` returns, or later between any two turns of the tracker."""
        if self._is_committing:
            self.settle(group, error)
        else:
            self._mailbox.offer(Committed(outbox=self, group=tuple(group), error=error))


def not_recorded(failure: JournalError) -> NotSent:
    """Why an order is not sent while the journal cannot be written."""
    hint = failure.hint or "until it can be written nothing new is sent"
    return NotSent(f"the journal cannot be written: {failure.message}", hint=hint)
