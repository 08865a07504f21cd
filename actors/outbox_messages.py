"""What the tracker is told about its outbox: by itself, by a timer, by the disk."""

from typing import TYPE_CHECKING

from dogwatch.actors.outgoing import Outgoing
from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.messages import Message

if TYPE_CHECKING:
    from dogwatch.actors.outbox import Outbox


class Flush(Message, frozen=True, kw_only=True):
    """Told by the tracker to itself behind everything else that waits: commit the group."""


class FlushDue(Message, frozen=True, kw_only=True):
    """A timer's message: commit what was written since the last group, and look after what waits for too long."""


class Committed(Message, frozen=True, kw_only=True):
    """The disk has answered. `error`: why these orders are not in the journal; None if they are."""

    outbox: "Outbox"
    group: tuple[Outgoing, ...]
    error: JournalError | None
