"""Which market streams somebody listens to, and the topic of each. Shared by those who follow and those who subscribe.

A level, not a series of orders: whoever reads it sees what is wanted now, so nothing is lost over a restart. Each
market link has an `Interest` of its own; those who follow see `Interests`, which are all of them.
"""

from collections.abc import Callable
from itertools import chain, islice
from typing import Any

from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.topic import Topic

STREAMS_MAX = 1024
"""More on one connection are refused (WebSocket Streams)."""


class Interest:
    """Stream name → its topic and how many follow it. `changed` is called whenever what is wanted may have changed."""

    def __init__(self) -> None:
        self.changed: Callable[[], None] = _nothing
        self.is_served: Callable[[str], bool] = _never
        """Whether the exchange has confirmed that it sends a stream, on the connection that carries now."""
        self.events = 0
        """Events published on these topics, over all lives of the publisher."""
        self._topics: dict[str, Topic[Any]] = {}
        self.topic: Callable[[str], Topic[Any] | None] = self._topics.get
        """The topic of a stream that is or was followed; None for a stream that nobody has asked for."""
        self._followers: dict[str, int] = {}
        self._left_s: dict[str, float | None] = {}

    def __len__(self) -> int:
        """How many streams are followed, or were a moment ago."""
        return len(self._topics)

    def follow(self, stream: str) -> Topic[Any]:
        """Want a stream from now on. Every call is undone by one `release`."""
        topic = self._topics.get(stream)
        if topic is None:
            topic = self._topics[stream] = Topic(stream)
        self._followers[stream] = self._followers.get(stream, 0) + 1
        self._left_s.pop(stream, None)
        self.changed()
        return topic

    def release(self, stream: str) -> None:
        """Want it no longer."""
        self._followers[stream] -= 1
        if not self._followers[stream]:
            del self._followers[stream]
            self._left_s[stream] = None
            self.changed()

    def wanted(self, now_s: float, *, linger_s: float, at_most: int | None = None) -> frozenset[str]:
        """The streams that somebody follows, or that were left less than `linger_s` seconds ago, as seen from here.

        Of more than `at_most` those that have been followed for longest: whoever comes last takes nothing from others.
        """
        for stream, left_s in tuple(self._left_s.items()):
            if left_s is None:
                self._left_s[stream] = now_s
            elif left_s + linger_s <= now_s:
                del self._left_s[stream], self._topics[stream]
        return frozenset(islice(chain(self._followers, self._left_s), at_most))


class Interests:
    """The interests of all market links. A stream goes to the first link that has room, and stays there.

    `why_not` gives the reason why a stream cannot be had here, empty for one that can.
    """

    def __init__(
        self,
        links: int = 1,
        *,
        streams_max: int = STREAMS_MAX,
        why_not: Callable[[str], str] | None = None,
    ) -> None:
        self.links = tuple(Interest() for _ in range(links))
        self._streams_max = streams_max
        self._why_not = why_not or _nothing_against

    @property
    def events(self) -> int:
        """Events published on all their topics."""
        return sum(link.events for link in self.links)

    def topic(self, stream: str) -> Topic[Any] | None:
        """As of an Interest."""
        return self._link_of(stream).topic(stream)

    def check(self, stream: str) -> None:
        """Raises ConfigError for a stream that cannot be had here: no restart can mend that."""
        reason = self._why_not(stream)
        if reason:
            hint = 'or set market = "websocket" in [connection]'
            raise ConfigError("connection.market", f"{stream} cannot be followed over REST: {reason}", hint=hint)

    def follow(self, stream: str) -> Topic[Any]:
        """As of an Interest. When no link has room, the last one has one stream too many and says so. Raises as `check`
        does."""
        self.check(stream)
        return self._link_of(stream).follow(stream)

    def release(self, stream: str) -> None:
        """As of an Interest."""
        self._link_of(stream).release(stream)

    def is_served(self, stream: str) -> bool:
        """Whether the exchange has confirmed that it sends a stream."""
        return self._link_of(stream).is_served(stream)

    def _link_of(self, stream: str) -> Interest:
        """The one that has it, else the one that shall have it."""
        for link in self.links:
            if link.topic(stream) is not None:
                return link
        return next((link for link in self.links if len(link) < self._streams_max), self.links[-1])


def _nothing() -> None:
    """Nobody subscribes yet; the level is read when somebody does."""


def _nothing_against(_stream: str) -> str:
    """All streams can be had on a market link."""
    return ""


def _never(_stream: str) -> bool:
    """Nobody subscribes yet."""
    return False
