"""What an actor is to its author: handlers, life hooks, timers, topics. How a life is run is in life.py."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import trio

from dogwatch.runtime.handler import Handler
from dogwatch.runtime.handlers import handlers_of
from dogwatch.runtime.logger import Logger
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.tap import Tap
from dogwatch.runtime.timers import Timer
from dogwatch.runtime.topic import Topic

if TYPE_CHECKING:
    from dogwatch.runtime.life import Closable, Life

C = TypeVar("C", bound="Closable")
T = TypeVar("T")


class Actor:
    """One concern, one mailbox, one message at a time. A crash ends this object; the next life is a new one.

    Handlers are the methods `on_<something>(self, message: Type)`, sync or async, found by the annotation
    (unions allowed; the nearest base class counts). They answer an ask with their return value, or, written
    as `on_<something>(self, message: Type, reply: Reply[R])`, at any later time. An exception crashes the actor
    and is answered as ActorCrashed; `reply.fail(error)` refuses without a crash. A message without handler
    crashes the actor too: it is a mistake somewhere, and silence would hide it.

    `self.ref` and everything below it may be used from `on_start` on, not in `__init__`. Private names are the
    author's, except those that begin with `_runtime`.
    """

    lanes: ClassVar[tuple[Lane, ...]] = (Lane("messages"),)
    handlers: ClassVar[dict[type, Handler]] = {}
    _runtime_life: "Life | None" = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.handlers = handlers_of(cls)

    async def on_start(self) -> None:
        """Prepare. The start is acknowledged when this returns; what it raises is a failed start."""

    async def run(self) -> None:
        """The life. When it returns, the life is over. A stop request cancels it, except inside `serve`."""
        await self.serve()

    async def serve(self) -> None:
        """Handle messages until a stop is requested; the handler in progress finishes first."""
        await self.__life.serve()

    async def on_stop(self) -> None:
        """Say goodbye: called after a stop request, not after a crash, and only for the rest of `stop_within_s`."""

    def statistics(self) -> dict[str, Any]:
        """Figures of its own for `dogwatch tree`; values that JSON can hold."""
        return {}

    def summary(self) -> str:
        """How it stands, in two or three words for `dogwatch tree`; "" for nothing worth the place."""
        return ""

    @property
    def ref(self) -> ActorRef[Self]:
        """The own address."""
        return self.__life.ref

    @property
    def path(self) -> str:
        """The own place in the tree."""
        return self.__life.ref.path

    @property
    def life(self) -> int:
        """Which life this is; 1 is the first."""
        return self.__life.number

    @property
    def tasks(self) -> trio.Nursery:
        """A nursery that ends with this life. A task that raises in it crashes the actor."""
        return self.__life.tasks

    @property
    def log(self) -> Logger:
        """A structured logger bound to the own path: `self.log.info("subscribed", symbol=symbol)`."""
        return self.__life.log

    def subscribe(
        self, topic: Topic[Any], *, is_latest: bool = False, put_as: Callable[[Any], object] | None = None
    ) -> Tap[Any]:
        """Receive the topic's events in the own mailbox until this life ends, each as what `put_as` makes of it.

        `is_latest`: of those that come together only the newest is wanted.
        """
        return self.__life.subscribe(topic, is_latest=is_latest, put_as=put_as)

    def tap(self, topic: Topic[T], callback: Callable[[T], object]) -> Tap[T]:
        """Have `callback(event)` called inside every publish until this life ends.

        It must be quick: the publisher waits for it. If it raises, this actor crashes, not the publisher.
        """
        return self.__life.tap(topic, callback)

    def until_end(self, closable: C) -> C:
        """Close this at the end of this life: `self.until_end(topic.latest())`.

        It is held weakly, so that any number may come and go within a long life: keep what has to be closed.
        """
        return self.__life.until_end(closable)

    def tell_after(self, delay_s: float, message: Any) -> Timer:
        """Tell oneself `message` in `delay_s` seconds, unless this life ends before or the timer is cancelled."""
        return self.__life.tell_after(delay_s, message)

    def tell_every(self, period_s: float, message: Any) -> Timer:
        """Tell oneself `message` every `period_s` seconds, first after one period, until this life ends.

        A tick that the mailbox refuses is left out; ticks missed by a stalled loop are not made up for.
        """
        return self.__life.tell_every(period_s, message)

    @property
    def __life(self) -> "Life":
        life = self._runtime_life
        if life is None:
            raise RuntimeError(f"{type(self).__name__} has no life yet: use this from on_start on, not in __init__")
        return life

    def _runtime_begin(self, life: "Life") -> None:
        self._runtime_life = life
