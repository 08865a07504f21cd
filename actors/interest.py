"""Which market streams somebody listens to, and the topic of each. Shared by those who follow and the one who
subscribes.

A level, not a series of orders: whoever reads it sees what is wanted now, so nothing is lost over a restart.
"""

from collections.abc import Callable
from typing import Any

from dogwatch.runtime.topic import Topic


class Interest:
    """Stream name → its topic and how many follow it. `changed` is called whenever what is wanted may have changed."""

    def __init__(self) -> None:
        self.changed: Callable[[], None] = _nothing
        self.events = 0
        """Events published on these topics, over all lives of the publisher."""
        self._topics: dict[str, Topic[Any]] = {}
        self._followers: dict[str, int] = {}
        self._left_s: dict[str, float | None] = {}

    def topic(self, stream: str) -> Topic[Any] | None:
        """The topic of a stream that is or was followed; None for a stream that nobody has asked for."""
        return self._topics.get(stream)

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

    def wanted(self, now_s: float, *, linger_s: float) -> frozenset[str]:
        """The streams that somebody follows, or that were left less than `linger_s` seconds ago, as seen from here."""
        for stream, left_s in tuple(self._left_s.items()):
            if left_s is None:
                self._left_s[stream] = now_s
            elif left_s + linger_s <= now_s:
                del self._left_s[stream], self._topics[stream]
        return frozenset(self._followers) | frozenset(self._left_s)


def _nothing() -> None:
    """Nobody subscribes yet; the level is read when somebody does."""
