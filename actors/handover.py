"""A handover: one move of a session from the socket that carries to a newer one, so that nobody notices.

First the newer one is prepared while the former carries on. When all that the former had to say from before is known to
have been said, the newer one carries; both are listened to until the newer one is known to hear. What is passed on of
what both bring is decided in spot/overlap.py; who is told what, in session.py.
"""

import math
from enum import Enum, auto

import trio

from dogwatch.actors.conversation import Conversation
from dogwatch.actors.handover_times import OVERLAP_S_MAX, OVERLAP_S_MIN, OWED_S_MAX, REMEMBER_S
from dogwatch.actors.spot.envelope import UserEvent
from dogwatch.actors.spot.overlap import Overlap, identity
from dogwatch.actors.spot.user_events import EventStreamTerminated, ServerShutdown
from dogwatch.runtime.reply import Reply

__all__ = ["Handover", "Phase"]

NOTICES = (EventStreamTerminated, ServerShutdown)
"""What concerns one connection only."""


class Phase(Enum):
    """What a handover has come to."""

    PREPARING = auto()
    """The former one carries."""
    MOVED = auto()
    """The newer one carries."""
    REVERSED = auto()
    """The former one carries again."""


class Handover:
    """From `former` to `newer`; `reply` is Rotation's. Without an account (`has_events`) there is nothing to hear."""

    def __init__(self, former: Conversation, newer: Conversation, reply: Reply[None], *, has_events: bool) -> None:
        self.former = former
        self.newer = newer
        self.reply = reply
        self._has_events = has_events
        self.phase = Phase.PREPARING
        self.preparing = trio.CancelScope()
        self._overlap: Overlap[UserEvent] = Overlap(key=lambda frame: identity(frame.event))
        self._is_former_heard = True
        self._moved_s = math.inf
        self._alone_since_s = math.inf

    @property
    def is_preparing(self) -> bool:
        return self.phase is Phase.PREPARING

    @property
    def can_go_back(self) -> bool:
        """Whether the former socket would do as well as before: it stands, and nothing that it said was passed over."""
        return self.phase is Phase.MOVED and self.former.is_ready and self._is_former_heard

    @property
    def is_full(self) -> bool:
        """More than can be held has come from one socket alone."""
        return self._overlap.is_full

    def passes_on(self, conversation: Conversation, frame: UserEvent) -> bool:
        """An event has arrived: whether the account's listeners are to hear of it now.

        On a third socket, made since both of these died, everything is news.
        """
        if conversation is not self.newer and conversation is not self.former:
            return True
        if isinstance(frame.event, NOTICES):
            return conversation is (self.newer if self.phase is Phase.MOVED else self.former)
        if conversation is self.newer:
            return self.phase is not Phase.REVERSED and self._overlap.from_new(frame)
        return self._is_former_heard and self._overlap.from_old(frame, trio.current_time())

    def move(self) -> list[UserEvent]:
        """The newer one carries from now on. Returns what it has brought and the former one has not, in order."""
        self.phase = Phase.MOVED
        self._moved_s = trio.current_time()
        held = self._overlap.join()
        if self._alone_since_s < math.inf:
            self._leave_former()
        return held

    def go_back(self) -> None:
        """The former one carries again, and alone."""
        self.phase = Phase.REVERSED
        self._overlap.end_new()

    def end_of(self, conversation: Conversation) -> None:
        """The socket of one of them is gone."""
        self._alone_since_s = min(self._alone_since_s, trio.current_time())
        if conversation is self.former and not self.is_preparing:
            self._leave_former()

    def is_over(self) -> bool:
        """Whether one of them has been alone for so long that no copies come any more."""
        return trio.current_time() >= self._alone_since_s + REMEMBER_S

    def is_settled(self) -> bool:
        """Whether another handover may begin: one of them is gone, and the other owes nothing."""
        return self._alone_since_s < math.inf and not self._overlap.is_owed

    def is_deaf(self) -> bool:
        """Whether the newer one carries and does not bring what the former one brings.

        If so much comes that not all of it can be remembered, the one that lags behind is not listened to any longer.
        """
        if self.phase is not Phase.MOVED:
            return False
        if self.is_full and not self._overlap.is_owed:
            self._leave_former()
        return self.is_full or self._overlap.awaited_s(trio.current_time()) > OWED_S_MAX

    def is_proven(self) -> bool:
        """Whether the former one is not needed any more, as far as events are concerned."""
        if self.phase is Phase.REVERSED:
            return True
        is_idle = self._has_events and self.former.is_ready and self._is_former_heard and not self._overlap.seen_on_both
        listened_s = OVERLAP_S_MAX if is_idle else OVERLAP_S_MIN
        return trio.current_time() >= self._moved_s + listened_s and not self._overlap.is_owed

    def _leave_former(self) -> None:
        self._is_former_heard = False
        self._overlap.end_old()
