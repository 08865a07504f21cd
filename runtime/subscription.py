"""Waiting for the events of a topic: the newest one (Latest) or every one (Stream). Publishing is in topic.py."""

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import msgspec
import trio

from dogwatch.runtime.errors import MailboxFull, SubscriptionClosed
from dogwatch.runtime.mailbox import Lane, LaneQueue, queue_for
from dogwatch.runtime.overflow import Overflow
from dogwatch.runtime.parking import Parking

T = TypeVar("T")
S = TypeVar("S")
Attach = Callable[[Callable[[Any], object], Callable[[Exception], None]], Callable[[], None]]

KEYS_MAX = 4096
DRAIN_MAX = 128  # events taken without a checkpoint: enough to make the checkpoint cheap, few enough to be fair


class SubscriptionStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription at one moment."""

    depth: int
    received: int
    taken: int
    dropped: int
    conflated: int


class Subscription(Generic[S]):
    """Events for one consuming task: `async for event in subscription`, or `await subscription.get()`.

    Waits only when there is no unseen event, and lets other tasks run at least once in every 128 events.
    Raises MailboxFull if it is to be stopped when it cannot keep up. After `close()` iteration ends and `get`
    raises SubscriptionClosed. `with subscription:` closes it at the end.
    """

    def __init__(self, queue: LaneQueue, attach: Attach) -> None:
        self.closed = False
        self.received = 0
        self._taken = 0
        self._queue = queue
        self._failure: Exception | None = None
        self._parking = Parking()
        self._detach = attach(self._receive, self._fail)

    def __aiter__(self) -> "Subscription[S]":
        return self

    async def __anext__(self) -> S:
        try:
            return await self.get()
        except SubscriptionClosed:
            raise StopAsyncIteration from None

    def __enter__(self) -> "Subscription[S]":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def get(self) -> S:
        """The next unseen event."""
        if self._taken % DRAIN_MAX == 0:
            await trio.lowlevel.checkpoint()
        while (entry := self._queue.take()) is None:
            if self._failure is not None:
                raise self._failure
            if self.closed:
                raise SubscriptionClosed(f"the subscription to {self._queue.lane.name!r} is closed")
            await self._parking.wait()
        self._taken += 1
        event: S = entry[0]
        return event

    def close(self) -> None:
        """Receive nothing more and forget what is unseen. May be called any number of times."""
        self.closed = True
        self._detach()
        self._queue.discard_all(SubscriptionClosed("the subscription is closed"))
        self._parking.wake()

    def statistics(self) -> SubscriptionStatistics:
        """The figures of this moment."""
        return SubscriptionStatistics(
            depth=len(self._queue.waiting),
            received=self.received,
            taken=self._taken,
            dropped=self._queue.dropped,
            conflated=self._queue.conflated,
        )

    def _receive(self, event: Any) -> None:
        self.received += 1
        if not self._queue.put((event, None, 0.0)):
            self._fail(MailboxFull(f"the subscriber to {self._queue.lane.name!r} cannot keep up"))
        self._parking.wake()

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._detach()
        self._parking.wake()


class Latest(Subscription[T]):
    """The newest unseen event of a topic, or the newest unseen one of each key: never a backlog.

    Level-triggered: `version` counts every event, so an event that comes while the consumer is busy is seen
    at its next look. Keys come in the order in which they became unseen. More than 4096 unseen keys at once
    raise MailboxFull in the consumer.
    """

    def __init__(self, name: str, attach: Attach, conflate_by: Callable[[Any], Hashable] | None) -> None:
        lane = Lane(name, capacity=KEYS_MAX, overflow=Overflow.STOP, conflate_by=conflate_by or _one_key)
        self.newest: T | None = None
        super().__init__(queue_for(lane), attach)

    @property
    def version(self) -> int:
        """How many events there have been since the subscription began."""
        return self.received

    def _receive(self, event: Any) -> None:
        self.newest = event
        super()._receive(event)


class Stream(Subscription[S]):
    """Every event of a topic in order, at most `capacity` of them unseen; `overflow` says what comes then."""

    def __init__(self, name: str, attach: Attach, capacity: int, overflow: Overflow) -> None:
        if overflow is Overflow.REFUSE:
            raise ValueError("a stream cannot refuse, for publishers never wait: use DROP_OLDEST, CLEAR or STOP")
        lane = Lane(name, capacity=capacity, overflow=overflow)
        if lane.problems():
            raise ValueError("; ".join(lane.problems()))
        super().__init__(queue_for(lane), attach)


def _one_key(_event: object) -> None:
    return None
