"""One listener of a topic. Who publishes is in topic.py."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from dogwatch.runtime.topic import Topic

T = TypeVar("T")


class Tap(Generic[T]):
    """One callback on one topic, until `close()`."""

    __slots__ = ("__weakref__", "_topic", "callback", "closed", "is_latest", "on_error")

    def __init__(
        self,
        topic: "Topic[T]",
        callback: Callable[[T], object],
        on_error: Callable[[Exception], None],
        *,
        is_latest: bool = False,
    ) -> None:
        self._topic = topic
        self.closed = False
        self.is_latest = is_latest
        self.callback = callback
        self.on_error = on_error

    def close(self) -> None:
        """Receive nothing more. May be called any number of times."""
        self.closed = True
        self._topic.remove(self)
