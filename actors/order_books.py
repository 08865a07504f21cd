"""Order books: keeps the local book of every symbol that somebody follows, and publishes how it looks.

The algorithm is in `spot/book.py`; here changes come from the market streams, snapshots from whoever speaks to the
exchange (WebSocket API or REST, Order book). A book that is not whole is asked for anew until it is, and meanwhile
whoever follows it has been told.
"""

import math
from functools import partial
from typing import Any, ClassVar

import trio

from dogwatch.actors.book_table import BookTable, Feeds
from dogwatch.actors.feeds import BookLost, Books, Broken, DepthDiffs
from dogwatch.actors.interest import Interests
from dogwatch.actors.look_after import LOOK_LANE, LookAfter, look_soon
from dogwatch.actors.session_messages import Call, SessionReady, SessionTopics, Speaker
from dogwatch.actors.spot.book import LocalBook
from dogwatch.actors.spot.errors import NotSent, Rejected
from dogwatch.actors.spot.market_requests import Depth
from dogwatch.actors.spot.market_results import BookSnapshot
from dogwatch.actors.spot.priority import Priority
from dogwatch.actors.spot.stream_events import BookDiff
from dogwatch.actors.spot.taken import Taken
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.errors import DogwatchError
from dogwatch.runtime.logger import Logger
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.ref import ActorRef

__all__ = ["OrderBooks"]

LIMITS = (100, 500, 1_000, 5_000)
"""Up to so many levels a snapshot costs the same weight: 5, 25, 50 and 250 (WebSocket API, Order book)."""
ROOM = 2
"""So many times as many levels as are shown are asked for, so that the price may move for a while."""
LOOK_EVERY_S = 5.0
"""How often it is looked which books are wanted, and which have become too shallow."""
QUIET_S = 2.0
"""A symbol of which nothing has come for so long since its stream is subscribed is quiet: its snapshot stands alone."""
DEEPER_EVERY_S = 30.0
"""How often a book that has become too shallow is asked for anew, while it goes on."""
ANSWER_WITHIN_S = 10.0
PAUSE_S_MIN, PAUSE_S_MAX = 0.5, 30.0
"""Between a snapshot that has not lasted, or could not be used, and the next, doubling."""
STEADY_S = 60.0
"""A book that was whole for so long is asked for at once when it is lost."""


class OrderBooks(Actor):
    """Keeps the books that `table` wants, from the streams that it follows itself in `interest`.

    Changes are applied as they are published, and the new state is published within the same step: a book is as new as
    its stream.
    """

    lanes: ClassVar[tuple[Lane, ...]] = (LOOK_LANE,)

    def __init__(
        self, *, speaker: ActorRef[Speaker], session_topics: SessionTopics, interest: Interests, table: BookTable
    ) -> None:
        self._speaker = speaker
        self._session_topics = session_topics
        self._interest = interest
        self._table = table
        self._kept: dict[str, KeptBook] = {}
        self.snapshots = self.losses = 0

    async def on_start(self) -> None:
        self.tap(self._session_topics.states, self._hear)
        self._table.changed = partial(look_soon, self.ref)
        self.tell_every(LOOK_EVERY_S, LookAfter())
        for symbol, feeds in self._table.wanted(trio.current_time()).items():
            self._begin(symbol, feeds)
            if self.life > 1:
                self._kept[symbol].lose("the order books were restarted")

    def statistics(self) -> dict[str, Any]:
        books = self._kept.values()
        return {
            "books": len(books),
            "whole": sum(kept.book.is_whole for kept in books),
            "snapshots": self.snapshots,
            "losses": self.losses,
            "levels_max": max((len(side) for kept in books for side in (kept.book.bids, kept.book.asks)), default=0),
        }

    def summary(self) -> str:
        missing = sum(not kept.book.is_whole for kept in self._kept.values())
        count = f"{len(self._kept)} book{'' if len(self._kept) == 1 else 's'}"
        return f"{count}, {missing} missing" if missing else count

    def on_look_after(self, _message: LookAfter) -> None:
        wanted = self._table.wanted(trio.current_time())
        for symbol in self._kept.keys() - wanted.keys():
            self._kept.pop(symbol).close()
        for symbol, feeds in wanted.items():
            if symbol in self._kept:
                self._kept[symbol].show_to(feeds, fresh=self._table.fresh)
            else:
                self._begin(symbol, feeds)
        self._table.fresh.clear()

    def _begin(self, symbol: str, feeds: Feeds) -> None:
        kept = self._kept[symbol] = KeptBook(symbol, feeds, self._interest, self)
        self.until_end(kept)
        self.tasks.start_soon(kept.keep_known)

    def _hear(self, state: object) -> None:
        if isinstance(state, SessionReady):
            for kept in self._kept.values():
                kept.hurry()

    async def snapshot(self, symbol: str, limit: int) -> BookSnapshot:
        """Ask for one. Raises a DogwatchError when there is none."""
        request = Depth(symbol=symbol, limit=limit)
        response = await self._speaker.ask(Call.of(request, lane=Priority.BULK), within_s=ANSWER_WITHIN_S)
        if response.error is not None:
            raise Rejected(response.error.code, response.error.message)
        self.snapshots += 1
        return request.decode(response.result)


class KeptBook:
    """The book of one symbol and those who follow it. `keep_known` runs as long as it is wanted, until `close`."""

    def __init__(self, symbol: str, feeds: Feeds, interest: Interests, books: OrderBooks) -> None:
        self.symbol = symbol
        self.book = LocalBook(symbol)
        self._name = DepthDiffs(symbol).stream
        self._tap = books.tap(interest.follow(self._name), self.take)
        self._feeds = feeds
        self._interest = interest
        self._books = books
        self._log: Logger = books.log
        self._changed = trio.Event()
        self._scope = trio.CancelScope()
        self._is_closed = False
        self._is_known_lost = False
        self._has_heard = False  # a change has come since the book was last begun anew
        self._served_s: float | None = None  # since when the stream is known to be subscribed
        self._limit = 0
        self._asked_s = self._whole_s = self._due_s = -math.inf
        self._pause_s = PAUSE_S_MIN

    def close(self) -> None:
        """Nobody follows it any more, or the life of its keeper has ended."""
        if not self._is_closed:
            self._is_closed = True
            self._scope.cancel()
            self._tap.close()
            self._interest.release(self._name)

    def look(self) -> None:
        """Something has happened that `keep_known` may wait for."""
        self._changed.set()
        self._changed = trio.Event()

    def show_to(self, feeds: Feeds, *, fresh: set[Books]) -> None:
        """Those who follow it now; the `fresh` ones have not seen it yet."""
        self._feeds = feeds
        for feed, topic in feeds.items():
            if feed in fresh and self.book.is_whole:
                topic.publish(self.book.view(feed.depth))
        if not self.book.knows(self._depth):
            self.look()

    def take(self, event: BookDiff | Broken) -> None:
        """What the stream has brought."""
        if isinstance(event, Broken):
            self.lose(event.reason)
            return
        outcome = self.book.take_diff(event)
        if outcome is Taken.APPLIED:
            self._publish()
        elif outcome is Taken.BROKEN:
            self._tell_loss()
        if not self._has_heard:
            self._has_heard = True
            self.look()

    def lose(self, reason: str) -> None:
        """What has come so far is worth nothing, its numbers included: the next exchange may count anew."""
        self.book = LocalBook(self.symbol, reason=reason)
        self._has_heard = False
        self._served_s = None
        self._tell_loss()

    async def keep_known(self) -> None:
        """Ask for a snapshot whenever there is need for one."""
        with self._scope:
            while True:
                await self._until_needed()
                was_whole = self.book.is_whole
                try:
                    was_used = await self._renew()
                except DogwatchError as failure:
                    self._slow_down(failure)
                else:
                    if not (was_used and was_whole):
                        self._slow_down()

    def hurry(self) -> None:
        """Whoever answers is there again."""
        self._pause_s, self._due_s = PAUSE_S_MIN, -math.inf
        self.look()

    def _slow_down(self, failure: DogwatchError | None = None) -> None:
        """The next one takes its time, and those after it more, until a book has been whole for a while."""
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, PAUSE_S_MAX)
        if failure is not None:
            if isinstance(failure, NotSent) and failure.retry_after_s is not None:
                pause_s = max(pause_s, failure.retry_after_s)
            self._log.warning("no snapshot", symbol=self.symbol, reason=failure.message, retry_in_s=pause_s)
        self._due_s = trio.current_time() + pause_s

    @property
    def _depth(self) -> int:
        return max((feed.depth for feed in self._feeds), default=1)

    async def _until_needed(self) -> None:
        while (wait_s := self._needed_in_s()) > 0:
            changed = self._changed
            with trio.move_on_after(wait_s):
                await changed.wait()

    def _needed_in_s(self) -> float:
        """In how many seconds a snapshot is to be asked for, or this is to be looked at again."""
        now_s = trio.current_time()
        if self.book.is_whole:
            if self.book.knows(self._depth):
                return math.inf
            is_asked_deeper = limit_for(self._depth) > self._limit
            return (self._due_s if is_asked_deeper else self._asked_s + DEEPER_EVERY_S) - now_s
        if self._has_heard:
            return self._due_s - now_s
        if not self._interest.is_served(self._name):
            self._served_s = None
            return QUIET_S
        if self._served_s is None:
            self._served_s = now_s
        return self._served_s + QUIET_S - now_s

    async def _renew(self) -> bool:
        """Ask for a snapshot and begin anew from it. Returns whether it could be used."""
        book, limit = self.book, limit_for(self._depth)
        book.expect_snapshot()
        self._asked_s = trio.current_time()
        snapshot = await self._books.snapshot(self.symbol, limit)
        if book is not self.book:
            return False  # it was lost meanwhile: what has come since is all that counts
        self._limit = limit
        outcome = book.take_snapshot(snapshot.last_update_id, snapshot.bids, snapshot.asks, limit=limit)
        if outcome is Taken.APPLIED:
            self._publish()
        elif outcome is Taken.BROKEN:
            self._tell_loss()
        return outcome is Taken.APPLIED

    def _publish(self) -> None:
        if self._is_known_lost:
            self._is_known_lost = False
            self._whole_s = trio.current_time()
        for feed, topic in self._feeds.items():
            topic.publish(self.book.view(feed.depth))

    def _tell_loss(self) -> None:
        self.look()
        if self._is_known_lost:
            return
        self._is_known_lost = True
        if trio.current_time() >= self._whole_s + STEADY_S:
            self.hurry()
        self._books.losses += 1
        reason = self.book.reason
        self._log.warning("book lost", symbol=self.symbol, reason=reason)
        for feed, topic in self._feeds.items():
            topic.publish(BookLost(symbol=self.symbol, depth=feed.depth, reason=reason))


def limit_for(depth: int) -> int:
    """How many levels to ask for, so that `depth` of them stay known for a while."""
    return next((limit for limit in LIMITS if limit >= ROOM * depth), LIMITS[-1])
