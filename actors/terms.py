"""On whose behalf a session speaks, and on what terms: what all of its conversations share."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from dogwatch.actors.server_clock import ServerClock
from dogwatch.actors.session_messages import SessionTopics
from dogwatch.actors.spot.signing import Signer
from dogwatch.actors.turnstile import Turnstile

if TYPE_CHECKING:
    from dogwatch.actors.conversation import Conversation

__all__ = ["OWN", "Party", "Terms"]

OWN = ""
"""The name of a session's own account: the one that logs on where its key can."""


class Party:
    """An account on whose behalf a session speaks: who signs for it (nobody: public calls only), what is published of
    it, and its way through the limits."""

    __slots__ = ("signer", "topics", "turnstile")

    def __init__(self, *, signer: Signer | None, topics: SessionTopics, turnstile: Turnstile) -> None:
        self.signer = signer
        self.topics = topics
        self.turnstile = turnstile


class Terms:
    """What all conversations of a session share: on whose behalf, by which clock, and how much may be in flight on one.

    `own` is the session's own account, `further` are others by name, each request of which is signed by itself.
    """

    __slots__ = ("carrying", "further", "own", "parties", "pending_max", "recv_window_ms", "server_clock")

    def __init__(
        self,
        *,
        own: Party,
        further: Mapping[str, Party] | None = None,
        recv_window_ms: int | None,
        server_clock: ServerClock,
        carrying: "Callable[[], Conversation | None]",
        pending_max: int,
    ) -> None:
        self.own = own
        self.further = dict(further or {})
        self.parties = (own, *self.further.values())
        """All accounts, the session's own first."""
        self.recv_window_ms = recv_window_ms
        self.server_clock = server_clock
        self.carrying = carrying
        self.pending_max = pending_max

    def party(self, account: str) -> Party:
        """The account of this name. Raises KeyError for one that is none of this session's."""
        return self.further[account] if account else self.own

    def barred_s(self) -> float:
        """For how long nothing may be sent; 0 when it may."""
        return self.own.turnstile.limiter.quiet_s()
