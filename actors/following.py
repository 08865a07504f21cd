"""Iterating over a feed: events of one subscription, until the loop ends or the strategy does.

An iterator class and no async generator: leaving the loop early leaves nothing half-closed behind.
"""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

from dogwatch.actors.feeds import Broken, Feed
from dogwatch.runtime.messages import Overflowed
from dogwatch.runtime.topic import Subscription

EventT = TypeVar("EventT")


class Following(Generic[EventT]):
    """`async for event in following`, or `await anext(following)`. Waits only when there is no unseen event.

    Ends by itself when it is no longer used; `with following:` ends it at the end of the block. Raises MailboxFull for
    own fills and order changes that were not read for too long: nothing of those may be missed.
    """

    def __init__(self, feed: Feed[EventT], subscription: Subscription[Any], release: Callable[[], None]) -> None:
        self.feed = feed
        self._subscription = subscription
        self._release: Callable[[], None] | None = release

    def __repr__(self) -> str:
        return f"<Following {self.feed!r}>"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventT:
        event: Any = await anext(self._subscription)
        if isinstance(event, Overflowed):
            event = _broken(event)
        following: EventT = event
        return following

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Follow no longer. Called by itself when nobody holds this object; may be called any number of times."""
        release, self._release = self._release, None
        if release is not None:
            self._subscription.close()
            release()


def _broken(overflowed: Overflowed) -> Any:
    """The author's word for it; only feeds whose events include Broken overflow in this way."""
    return Broken(stream=overflowed.lane, reason=f"{overflowed.dropped} events were not read in time")
