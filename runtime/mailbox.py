"""Bounded mailboxes: lanes in priority order, what happens when a lane is full, and the figures about it.

A mailbox belongs to the supervisor's side: it outlives the lives of its actor. Who takes from it, and who handles what
need not be queued, is in reception.py.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import TYPE_CHECKING, Any

import trio

from dogwatch.runtime.errors import ActorStopped, MailboxFull
from dogwatch.runtime.handler import Handler
from dogwatch.runtime.mailbox_statistics import MailboxStatistics
from dogwatch.runtime.messages import Gap, Overflowed
from dogwatch.runtime.overflow import Overflow
from dogwatch.runtime.reply import Reply
from dogwatch.runtime.timers import Timers

if TYPE_CHECKING:
    from dogwatch.runtime.reception import Reception

Entry = tuple[Any, Reply[Any] | None, float]  # message, where to answer, when it was put

NOBODY: dict[type, Handler] = {}  # handles nothing at once: the actor is busy, away, or has no lane for it


class Lane:
    """A part of a mailbox for messages of some types, with a capacity and an overflow policy of its own.

    Lanes are served in the order in which an actor lists them: everything in an earlier lane goes first. A
    message goes to the first lane that accepts its type. With `conflate_by`, the newest message of a key
    replaces the unseen older one in its place; the capacity then counts keys.

    With `is_direct`, a message that finds its actor waiting, with nothing queued in any lane, is handled on the
    sender's step, before `tell` returns; an ask may have its answer before it waits. Everything else is queued as ever:
    what comes while the actor handles a message or hears an event of a topic that it taps, while it starts, stops or
    begins anew, and what an async handler is for. So there is still one message at a time, in the same order, and what
    a handler raises still crashes its actor, never the sender. Two things differ for who writes the actors. A
    sender goes on after the message was handled: what the handler may need is to be in place before the tell. And a
    handler runs inside of the sender's step: it is to be quick, and what it publishes is heard there and then.
    """

    __slots__ = ("accepts", "capacity", "conflate_by", "is_direct", "name", "overflow")

    def __init__(
        self,
        name: str,
        *,
        accepts: tuple[type, ...] = (object,),
        capacity: int = 1024,
        overflow: Overflow = Overflow.REFUSE,
        conflate_by: Callable[[Any], Hashable] | None = None,
        is_direct: bool = False,
    ) -> None:
        self.name = name
        self.accepts = accepts
        self.capacity = capacity
        self.overflow = overflow
        self.conflate_by = conflate_by
        self.is_direct = is_direct

    def __repr__(self) -> str:
        return f"Lane({self.name!r}, capacity={self.capacity}, overflow={self.overflow.value})"

    def problems(self) -> list[str]:
        """What is wrong with this lane's description, one sentence each."""
        found = []
        if self.capacity < 1:
            found.append(f"lane {self.name!r}: capacity must be at least 1, not {self.capacity}")
        if not self.accepts:
            found.append(f"lane {self.name!r}: accepts no type of message")
        return found


class Mailbox:
    """The bounded queue of one actor. `put` never waits; one consumer takes; it survives restarts.

    While the consumer waits here, `_attending` are the handlers that need not be queued for; else NOBODY.
    """

    def __init__(self, name: str, lanes: tuple[Lane, ...]) -> None:
        self.path = name
        self.lanes = lanes
        self._timers: Timers | None = None
        self.taken = 0
        self.direct = 0
        self.answered_at_once = 0
        self.expired = 0
        self.late = 0
        self.closed = False
        self.on_overflow: Callable[[Exception], None] | None = None
        self._queues = tuple(queue_for(lane) for lane in lanes)
        self._routes: dict[type, LaneQueue] = {}
        self.now: Callable[[], float] = trio.current_time
        """Trio's time, at less than half the cost as soon as a life has begun."""
        self._task: trio.lowlevel.Task | None = None  # the consumer, while it waits
        self._attending = self._direct = NOBODY
        self._reception: Reception

    def attach(self, path: str, timers: Timers) -> None:
        """Make it part of a system."""
        self.path = path
        self._timers = timers

    @property
    def timers(self) -> Timers:
        """Those of the system. Raises RuntimeError before there is one."""
        if self._timers is None:
            raise RuntimeError(f"{self.path} is not part of a system yet: only tell it, or run the system first")
        return self._timers

    def put(self, message: Any, reply: Reply[Any] | None = None) -> None:
        """Queue a message and wake the consumer; or have it handled at once, if its lane is direct.

        Raises MailboxFull (the lane refuses), ActorStopped (gone for good) or TypeError (no lane accepts it).
        """
        handler = self._attending.get(message.__class__)
        if handler is not None:
            self.direct += 1
            self._attending = NOBODY
            self._reception.receive(handler, message, reply)
            if self._task is not None:  # else it was woken meanwhile, and has something to look at
                self._attending = self._direct
            return
        if self.closed:
            raise ActorStopped(f"{self.path} has stopped", hint="it will not be started again")
        kind = message.__class__
        queue = self._routes.get(kind) or self._route(kind)
        if queue.put((message, reply, self.now())):
            if self._task is not None:
                self.wake()
            return
        error = MailboxFull(f"{self.path}: {queue.full_text()}")
        if queue.lane.overflow is Overflow.REFUSE:
            raise error
        self.fail_consumer(error)

    def queue(self, message: Any, reply: Reply[Any] | None = None) -> None:
        """`put` without being handled at once."""
        self._attending = NOBODY  # until the consumer, who wakes now, waits again
        self.put(message, reply)

    def offer(self, message: Any) -> None:
        """`put` for publishers: a message that is refused, or that comes too late, is only counted."""
        try:
            self.put(message)
        except (MailboxFull, ActorStopped):
            pass  # counted by the lane; a publisher must not suffer for a slow or stopped subscriber

    def take(self) -> Entry | None:
        """The next message by lane and age, or None. Asks that nobody waits for any more are passed over."""
        for queue in self._queues:
            if not queue.waiting:  # most lanes are empty most of the time
                continue
            while (entry := queue.take()) is not None:
                reply = entry[1]
                if reply is None or not self._is_stale(reply):
                    self.taken += 1
                    return entry
                self.expired += 1
        return None

    def wait(self) -> Awaitable[None]:
        """Wait for the next `put` or `wake`: await it at once. Call it only after `take` gave None.

        Raises trio.BusyResourceError if another task waits here already.
        """
        if self._task is not None:
            raise trio.BusyResourceError("another task is waiting here already")
        self._task = trio.lowlevel.current_task()
        self._attending = self._direct
        return trio.lowlevel.wait_task_rescheduled(self._abort)  # noqa: ASYNC105 - the caller awaits it

    def wake(self) -> None:
        """Wake the consumer so that it looks at its own state."""
        task = self._task
        if task is not None:
            self._task = None
            self._attending = NOBODY
            trio.lowlevel.reschedule(task)

    def attend(self, handlers: dict[type, Handler], reception: "Reception") -> None:
        """From now on, whenever the consumer waits, `reception` receives messages of the types in `handlers`."""
        self._direct = handlers
        self._reception = reception

    def dismiss(self) -> None:
        """Queue whatever comes, from now on."""
        self._attending = self._direct = NOBODY

    def lane_of(self, kind: type) -> Lane:
        """Where messages of this type go. Raises TypeError if no lane accepts them."""
        return (self._routes.get(kind) or self._route(kind)).lane

    def occupied(self, callback: Callable[[Any], object]) -> Callable[[Any], None]:
        """`callback`, during which the consumer counts as busy: what comes meanwhile is queued."""

        def call(event: Any) -> None:
            if not self._attending:  # busy already, as with what one tap of a session leads to in another
                callback(event)
                return
            self._attending = NOBODY
            try:
                callback(event)
            finally:
                if self._task is not None:
                    self._attending = self._direct

        return call

    def fail_consumer(self, error: Exception) -> None:
        """End the consumer's life with `error`. Between two lives there is none: the next begins anew anyway."""
        if self.on_overflow is not None:
            self.on_overflow(error)

    def open(self) -> None:
        """Accept messages (again): a life begins."""
        self.closed = False
        self.now = trio.lowlevel.current_clock().current_time  # the same as trio.current_time, at half the cost

    def close(self) -> None:
        """The actor is gone for good: queued asks are answered with ActorStopped, queued messages dropped."""
        self.closed = True
        for queue in self._queues:
            queue.discard_all(ActorStopped(f"{self.path} stopped before it handled the message"))

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits: the consumer will wait after what it does now."""
        for queue in self._queues:  # noqa: SIM110  # asked for every order: `any` of a generator costs three times this
            if queue.waiting:
                return False
        return True

    def statistics(self) -> MailboxStatistics:
        """The figures of this moment."""
        depths = {queue.lane.name: len(queue.waiting) for queue in self._queues}
        depth = sum(depths.values())
        return MailboxStatistics(
            depth=depth,
            depth_by_lane=depths,
            capacity=sum(lane.capacity for lane in self.lanes),
            put=self.direct + sum(queue.accepted for queue in self._queues),
            taken=self.direct + self.taken,
            direct=self.direct,
            dropped=sum(queue.dropped for queue in self._queues),
            refused=sum(queue.refused for queue in self._queues),
            conflated=sum(queue.conflated for queue in self._queues),
            expired=self.expired,
            late=self.late,
            oldest_message_age_s=self._oldest_age_s() if depth else 0.0,
        )

    def _oldest_age_s(self) -> float:
        return max(0.0, self.now() - min(queue.oldest_put_s() for queue in self._queues))

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._task = None
        self._attending = NOBODY
        return trio.lowlevel.Abort.SUCCEEDED

    def _is_stale(self, reply: Reply[Any]) -> bool:
        return reply.done or reply.deadline_s <= self.now()

    def _route(self, kind: type) -> "LaneQueue":
        for queue in self._queues:
            if issubclass(kind, queue.lane.accepts):
                self._routes[kind] = queue
                return queue
        lanes = ", ".join(lane.name for lane in self.lanes)
        raise TypeError(f"{self.path} accepts no {kind.__name__}: none of its lanes ({lanes}) is for this type")


class LaneQueue:
    """One lane's messages, oldest first."""

    __slots__ = ("accepted", "conflated", "dropped", "lane", "refused", "unseen_drops", "waiting")

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.waiting: deque[Any] = deque()
        self.accepted = 0
        self.dropped = 0
        self.refused = 0
        self.conflated = 0
        self.unseen_drops = 0

    def full_text(self) -> str:
        return f"lane {self.lane.name!r} is full, {self.lane.capacity} messages wait"

    def put(self, entry: Entry) -> bool:
        """False: it was not queued, and the lane's policy says whose trouble that is."""
        if len(self.waiting) >= self.lane.capacity and not self._make_room(entry):
            return False
        self.waiting.append(entry)
        self.accepted += 1
        return True

    def take(self) -> Entry | None:
        if self.unseen_drops:
            return self._marker()
        return self.waiting.popleft() if self.waiting else None

    def oldest_put_s(self) -> float:
        put_s: float = self.waiting[0][2] if self.waiting else math.inf
        return put_s

    def discard_all(self, error: Exception) -> None:
        self.unseen_drops = 0
        while self.waiting:
            self._drop(self.waiting.popleft(), error)

    def _make_room(self, entry: Entry) -> bool:
        overflow = self.lane.overflow
        if overflow is Overflow.REFUSE:
            self.refused += 1
            return False
        error = MailboxFull(f"the message was dropped: {self.full_text()}")
        if overflow is Overflow.DROP_OLDEST:
            self._drop_oldest(error)
            self.unseen_drops += 1
            return True
        lost = len(self.waiting)
        self.discard_all(error)
        if overflow is Overflow.CLEAR:
            self.unseen_drops += lost
            return True
        self._drop(entry, error)
        return False

    def _drop_oldest(self, error: Exception) -> None:
        self._drop(self.waiting.popleft(), error)

    def _drop(self, entry: Entry, error: Exception) -> None:
        self.dropped += 1
        reply = entry[1]
        if reply is not None:
            reply.fail(error)

    def _marker(self) -> Entry:
        kind = Overflowed if self.lane.overflow is Overflow.CLEAR else Gap
        marker = kind(lane=self.lane.name, dropped=self.unseen_drops)
        self.unseen_drops = 0
        return (marker, None, 0.0)


class ConflatingQueue(LaneQueue):
    """A lane that keeps the newest message of each key, in the place of the oldest unseen one.

    `waiting` holds the keys. The age of a slot counts from its first unseen message: it tells how long the
    consumer has not looked, which the age of the newest would hide.
    """

    __slots__ = ("_entries", "_key_of")

    def __init__(self, lane: Lane, key_of: Callable[[Any], Hashable]) -> None:
        super().__init__(lane)
        self._key_of = key_of
        self._entries: dict[Hashable, Entry] = {}

    def put(self, entry: Entry) -> bool:
        key = self._key_of(entry[0])
        older = self._entries.get(key)
        if older is None:
            if len(self.waiting) >= self.lane.capacity and not self._make_room(entry):
                return False
            self.waiting.append(key)
            self._entries[key] = entry
        else:
            self._entries[key] = (entry[0], entry[1], older[2])
            self.conflated += 1
            if older[1] is not None:
                older[1].fail(MailboxFull("a newer message of the same key took the place of this one"))
        self.accepted += 1
        return True

    def take(self) -> Entry | None:
        if self.unseen_drops:
            return self._marker()
        return self._entries.pop(self.waiting.popleft()) if self.waiting else None

    def oldest_put_s(self) -> float:
        return self._entries[self.waiting[0]][2] if self.waiting else math.inf

    def discard_all(self, error: Exception) -> None:
        self.unseen_drops = 0
        while self.waiting:
            self._drop(self._entries.pop(self.waiting.popleft()), error)

    def _drop_oldest(self, error: Exception) -> None:
        self._drop(self._entries.pop(self.waiting.popleft()), error)


def queue_for(lane: Lane) -> LaneQueue:
    return LaneQueue(lane) if lane.conflate_by is None else ConflatingQueue(lane, lane.conflate_by)
