"""A move of the market data from one socket to a newer one: the steps until the newer one carries, and the proof that
it brings what the former one brings.

What of both is published is decided in spot/stream_overlap.py, who carries and who is told what in market_data.py.
"""

from collections.abc import Callable
from math import inf

import trio

from dogwatch.actors.handover_times import OVERLAP_S_MAX, OVERLAP_S_MIN, OWED_S_MAX, REMEMBER_S
from dogwatch.actors.rotation_messages import NotAdopted
from dogwatch.actors.spot.errors import Rejected
from dogwatch.actors.spot.stream_overlap import Outcome, Side, StreamOverlap
from dogwatch.actors.stream_socket import StreamSocket

__all__ = ["MarketHandover"]

PREPARED_WITHIN_S = 35.0
"""1,024 streams take 2 s at the pace that the exchange allows; the rest is for a slow line."""
EXAMPLES = 3
"""How many streams are named in a message."""


class MarketHandover:
    """From `former` to `newer`. `newest` tells what was published last on a stream."""

    def __init__(self, former: StreamSocket, newer: StreamSocket, newest: Callable[[str], object]) -> None:
        self.former = former
        self.newer = newer
        self.overlap = StreamOverlap(newest)
        self.decided = trio.Event()
        """Set when it is known which of the two stays."""
        self.failure = ""
        """Why it is not the newer one."""
        self._joined_s = inf
        self._proof_due_s = inf
        self._over_s = inf

    async def prepare(self) -> None:
        """Have the newer one subscribed and checked, then the former one read up to there. Raises NotAdopted.

        The end of the former one changes nothing: the newer one is prepared all the same.
        """
        newer = self.newer
        with trio.move_on_after(PREPARED_WITHIN_S):
            await newer.be_complete()
            missing = await newer.check() | (newer.refused & self.former.subscribed)
            if missing:
                reason = f"the exchange does not subscribe the new socket to {_named(missing)}"
                raise NotAdopted(reason, hint="what it said to each request is in the log")
            if not self.former.ended_because:
                await self._question_former()
            newer.check_that_it_stands()  # it may have ended in the same step in which the last answer came
            return
        reason = f"the new socket was not subscribed within {PREPARED_WITHIN_S:g} s"
        raise NotAdopted(reason, hint="check how long this machine's network takes to the exchange and back")

    def side_of(self, socket: StreamSocket) -> Side | None:
        """Which of the two this is; None for any other."""
        if socket is self.newer:
            return Side.NEW
        return Side.OLD if socket is self.former else None

    def join(self) -> Outcome:
        """The newer one carries from now on. Returns what is to be published now."""
        self._joined_s = trio.current_time()
        return self.overlap.join(self.newer.subscribed, self._joined_s)

    def has_taken_over(self, stream: str) -> bool:
        """Whether the newer one has brought something of this stream: then holes are told by the numbers."""
        return self.overlap.has_brought(Side.NEW, stream)

    def lose(self, socket: StreamSocket, reason: str) -> Outcome:
        """One of the two is gone, or is listened to no longer. Returns what is to be published now."""
        now_s = trio.current_time()
        if not self.overlap.is_alone:
            self._over_s = now_s + REMEMBER_S
            self.failure = reason if socket is self.newer else ""
        self.decided.set()
        return self.overlap.lose(Side.NEW if socket is self.newer else Side.OLD, now_s)

    def deafness(self) -> str:
        """What the newer one should have brought and has not; empty while there is nothing."""
        late = self.overlap.late(trio.current_time() - OWED_S_MAX)
        return f"nothing more of {_named(late)} comes over the new socket" if late else ""

    def look_for_proof(self) -> None:
        """Decide for the newer one when both were listened to long enough and it owes nothing from that time."""
        now_s = trio.current_time()
        has_heard = self.overlap.has_heard_new or not self.newer.subscribed
        if now_s >= self._joined_s + (OVERLAP_S_MIN if has_heard else OVERLAP_S_MAX):
            self._proof_due_s = min(self._proof_due_s, now_s)
        if self._proof_due_s <= now_s and not self.overlap.late(self._proof_due_s):
            self.decided.set()

    def is_over(self) -> bool:
        """Whether nothing can come twice any more."""
        return trio.current_time() >= self._over_s

    async def _question_former(self) -> None:
        """Whatever it answers, and be it a refusal, everything before has been read."""
        try:
            await self.former.check()
        except Rejected:
            return


def _named(streams: frozenset[str] | list[str]) -> str:
    first = ", ".join(sorted(streams)[:EXAMPLES])
    more = len(streams) - EXAMPLES
    return f"{first} and {more} more" if more > 0 else first
