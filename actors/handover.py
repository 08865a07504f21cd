"""A handover: one move of a session from the socket that carries to a newer one, so that nobody notices.

First the newer one is prepared while the former carries on. When all that the former had to say from before is known to
have been said, the newer one carries; both are listened to until the newer one is known to hear. What is passed on of
what both bring is decided in spot/overlap.py; who is told what, in session.py.
"""

import math
from collections.abc import Iterable
from enum import Enum, auto

import trio

from dogwatch.actors.conversation import Conversation
from dogwatch.actors.handover_times import OVERLAP_S_MAX, OVERLAP_S_MIN, OWED_S_MAX, REMEMBER_S
from dogwatch.actors.spot.envelope import UserEvent
from dogwatch.actors.spot.overlap import Overlap, identity
from dogwatch.actors.spot.user_events import EventStreamTerminated, ServerShutdown
from dogwatch.actors.terms import OWN
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
    """From `former` to `newer`; `reply` is Rotation's. `accounts` are those whose events come over the former one."""

    def __init__(
        self, former: Conversation, newer: Conversation, reply: Reply[None], *, accounts: Iterable[str] = (OWN,)
    ) -> None:
        self.former = former
        self.newer = newer
        self.reply = reply
        self.phase = Phase.PREPARING
        self.preparing = trio.CancelScope()
        self._overlaps: dict[str, Overlap[UserEvent]] = {
            account: Overlap(key=lambda frame: identity(frame.event)) for account in accounts
        }
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
        return any(overlap.is_full for overlap in self._overlaps.values())

    @property
    def accounts(self) -> tuple[str, ...]:
        """Whose events come over both."""
        return tuple(self._overlaps)

    def forget(self, account: str) -> None:
        """Its events do not come over both any more, or never did: only the one that carries is left to it."""
        self._overlaps.pop(account, None)
        if self.phase is Phase.MOVED:
            self.former.standing(account).is_ready = False

    def passes_on(self, conversation: Conversation, frame: UserEvent, account: str = OWN) -> bool:
        """An event has arrived: whether the account's listeners are to hear of it now.

        On a third socket, made since both of these died, everything is news.
        """
        if conversation is not self.newer and conversation is not self.former:
            return True
        overlap = self._overlaps.get(account)
        if overlap is None or isinstance(frame.event, NOTICES):
            return conversation is (self.newer if self.phase is Phase.MOVED else self.former)
        if conversation is self.newer:
            return self.phase is not Phase.REVERSED and overlap.from_new(frame)
        return self._is_former_heard and overlap.from_old(frame, trio.current_time())

    def move(self) -> list[tuple[str, UserEvent]]:
        """The newer one carries from now on. Returns what it has brought and the former one has not, with whose it is,
        in order."""
        self.phase = Phase.MOVED
        self._moved_s = trio.current_time()
        held = [(account, frame) for account, overlap in self._overlaps.items() for frame in overlap.join()]
        if self._alone_since_s < math.inf:
            self._leave_former()
        return held

    def go_back(self) -> None:
        """The former one carries again, and alone."""
        self.phase = Phase.REVERSED
        for overlap in self._overlaps.values():
            overlap.end_new()

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
        return self._alone_since_s < math.inf and not self._is_owed

    def is_deaf(self) -> bool:
        """Whether the newer one carries and does not bring what the former one brings.

        If so much comes that not all of it can be remembered, the one that lags behind is not listened to any longer.
        """
        if self.phase is not Phase.MOVED:
            return False
        if self.is_full and not self._is_owed:
            self._leave_former()
        now_s = trio.current_time()
        return self.is_full or any(overlap.awaited_s(now_s) > OWED_S_MAX for overlap in self._overlaps.values())

    def is_proven(self) -> bool:
        """Whether the former one is not needed any more, as far as events are concerned."""
        if self.phase is Phase.REVERSED:
            return True
        listened_s = OVERLAP_S_MAX if self._is_idle() else OVERLAP_S_MIN
        return trio.current_time() >= self._moved_s + listened_s and not self._is_owed

    @property
    def _is_owed(self) -> bool:
        return any(overlap.is_owed for overlap in self._overlaps.values())

    def _is_idle(self) -> bool:
        """Whether an account has not been heard on both yet, and may still be."""
        return self._is_former_heard and any(
            self.former.standing(account).is_ready and not overlap.seen_on_both
            for account, overlap in self._overlaps.items()
        )

    def _leave_former(self) -> None:
        self._is_former_heard = False
        for overlap in self._overlaps.values():
            overlap.end_old()
