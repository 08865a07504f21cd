"""Which order books somebody follows, and the topic of each feed. Shared by those who follow and who keeps them.

A level like `Interest`, which is the same for streams: whoever reads it sees what is wanted now.
"""

from collections.abc import Callable
from typing import TypeAlias

from dogwatch.actors.feeds import BookLost, Books
from dogwatch.actors.spot.order_book import OrderBook
from dogwatch.runtime.topic import Topic

__all__ = ["BookTable", "Feeds"]

LINGER_S = 10.0
"""How long a book that nobody follows is kept: a loop that is left and entered again costs no snapshot."""

Feeds: TypeAlias = dict[Books, Topic[OrderBook | BookLost]]
"""Those of one symbol, which differ in depth."""


class BookTable:
    """Feed → its topic and how many follow it. `changed` is called whenever what is wanted may have changed."""

    def __init__(self) -> None:
        self.changed: Callable[[], None] = _nothing
        self.fresh: set[Books] = set()
        """Followed anew since the publisher has last looked: whoever follows has seen nothing yet."""
        self._topics: Feeds = {}
        self._followers: dict[Books, int] = {}
        self._left_s: dict[Books, float | None] = {}

    def follow(self, feed: Books) -> Topic[OrderBook | BookLost]:
        """Want a book from now on. Every call is undone by one `release`."""
        topic = self._topics.get(feed)
        if topic is None:
            topic = self._topics[feed] = Topic(f"{feed.symbol}.book.{feed.depth}")
        self._followers[feed] = self._followers.get(feed, 0) + 1
        self._left_s.pop(feed, None)
        self.fresh.add(feed)
        self.changed()
        return topic

    def release(self, feed: Books) -> None:
        """Want it no longer."""
        self._followers[feed] -= 1
        if not self._followers[feed]:
            del self._followers[feed]
            self._left_s[feed] = None
            self.changed()

    def wanted(self, now_s: float) -> dict[str, Feeds]:
        """By symbol what somebody follows, or has left less than `LINGER_S` ago, as seen from here."""
        for feed, left_s in tuple(self._left_s.items()):
            if left_s is None:
                self._left_s[feed] = now_s
            elif left_s + LINGER_S <= now_s:
                del self._left_s[feed], self._topics[feed]
                self.fresh.discard(feed)
        found: dict[str, Feeds] = {}
        for feed, topic in self._topics.items():
            found.setdefault(feed.symbol, {})[feed] = topic
        return found


def _nothing() -> None:
    """Nobody keeps books yet; the level is read when somebody does."""
