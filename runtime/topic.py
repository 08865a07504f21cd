"""Topics: events for whoever listens. Publishing never waits and never fails because of a listener.

Delivery into an actor's mailbox is in actor.py, waiting for events in subscription.py.
"""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, Generic, Literal, TypeVar, overload

from dogwatch.runtime.messages import Gap, Overflowed
from dogwatch.runtime.overflow import Overflow
from dogwatch.runtime.subscription import Latest, Stream, Subscription, SubscriptionStatistics

__all__ = ["Latest", "Stream", "Subscription", "SubscriptionStatistics", "Topic"]
from dogwatch.runtime.tap import Tap

T = TypeVar("T")


class Topic(Generic[T]):
    """A named stream of events. Make it where the tree is built and pass it to publisher and listeners.

    `last` is the newest event published, None before the first: what a listener that comes late needs to know.
    `is_latest`: of events that come together every listener wants the newest only, so the others need not be published.
    """

    __slots__ = ("_order", "_taps", "is_latest", "last", "name", "published")

    def __init__(self, name: str) -> None:
        self.name = name
        self.last: T | None = None
        self.published = 0
        self.is_latest = True
        self._taps: dict[Tap[T], None] = {}
        self._order: tuple[Tap[T], ...] = ()  # what a publish that goes on while _taps changes keeps to

    def __repr__(self) -> str:
        return f"<Topic {self.name}: {len(self._taps)} listeners, {self.published} published>"

    def publish(self, event: T) -> None:
        """Hand `event` to every listener, in the order in which they came. Never waits, never raises.

        A listener that publishes to the same topic is heard out first: those after it get the newer event before the
        older one. Let it tell its own actor a message instead.
        """
        self.published += 1
        self.last = event
        for tap in self._order:
            if tap.closed:
                continue
            try:
                tap.callback(event)
            except Exception as error:  # noqa: BLE001 - a listener's failure is the listener's
                tap.on_error(error)

    def tap(
        self, callback: Callable[[T], object], *, on_error: Callable[[Exception], None], is_latest: bool = False
    ) -> Tap[T]:
        """Call `callback(event)` inside every publish; what it raises goes to `on_error`. Actors use `Actor.tap`.

        `is_latest`: of events that come together it wants the newest only.
        """
        tap = Tap(self, callback, on_error, is_latest=is_latest)
        self._taps[tap] = None
        self._note_taps()
        return tap

    def remove(self, tap: Tap[T]) -> None:
        """What `Tap.close` does."""
        if tap in self._taps:
            del self._taps[tap]
            self._note_taps()

    def latest(self, *, conflate_by: Callable[[T], Hashable] | None = None) -> "Latest[T]":
        """Subscribe to the newest unseen event, or to the newest unseen one of each key."""
        return Latest(self.name, partial(self._attach, is_latest=conflate_by is None), conflate_by)

    @overload
    def stream(self, *, capacity: int = ..., overflow: Literal[Overflow.STOP]) -> "Stream[T]": ...
    @overload
    def stream(self, *, capacity: int = ..., overflow: Literal[Overflow.DROP_OLDEST]) -> "Stream[T | Gap]": ...
    @overload
    def stream(self, *, capacity: int = ..., overflow: Literal[Overflow.CLEAR]) -> "Stream[T | Overflowed]": ...
    def stream(self, *, capacity: int = 1024, overflow: Overflow) -> "Stream[Any]":
        """Subscribe to every event in order, bounded. Raises ValueError for REFUSE: a publisher is never refused.

        What a full stream does: STOP raises MailboxFull in the consumer, DROP_OLDEST leaves a Gap in place of
        the dropped, CLEAR throws all away and leaves Overflowed.
        """
        return Stream(self.name, self._attach, capacity, overflow)

    def _attach(
        self, callback: Callable[[T], object], on_error: Callable[[Exception], None], *, is_latest: bool = False
    ) -> Callable[[], None]:
        return self.tap(callback, on_error=on_error, is_latest=is_latest).close

    def _note_taps(self) -> None:
        self._order = tuple(self._taps)
        self.is_latest = all(tap.is_latest for tap in self._taps)
