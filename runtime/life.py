"""One life of an actor: from its construction to its end, the loop that serves its mailbox, what dies with it.

When lives begin and end is decided in supervisor.py.
"""

import math
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakSet

import trio

from dogwatch.runtime.actor import Actor
from dogwatch.runtime.child import Child, Surroundings
from dogwatch.runtime.errors import ActorCrashed, ActorStopped, alone
from dogwatch.runtime.handlers import Handler, find_handler
from dogwatch.runtime.lifecycle import Reason, State
from dogwatch.runtime.logger import Logger
from dogwatch.runtime.mailbox import NOBODY, Mailbox
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.reply import Reply
from dogwatch.runtime.timers import Timer
from dogwatch.runtime.topic import Tap, Topic
from dogwatch.runtime.tree import TreeNode

if TYPE_CHECKING:
    from dogwatch.runtime.specs import ChildSpec

T = TypeVar("T")


class Closable(Protocol):
    """Something that a life closes at its end."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Closable)

DRAIN_MAX = 128  # messages handled without a checkpoint: enough to make it cheap, few enough to be fair


class ActorChild(Child):
    """An actor's place in the tree. The mailbox is here, and so outlives every life."""

    def __init__(self, spec: "ChildSpec[Any]", parent_path: str, surroundings: Surroundings) -> None:
        super().__init__(spec, parent_path, surroundings)
        self.start_within_s = spec.start_within_s
        self.handler_within_s = spec.handler_within_s
        self.start = spec.start
        self.ref: ActorRef[Any] = spec.ref
        self.mailbox: Mailbox = spec.ref.mailbox
        self.mailbox.attach(self.path, surroundings.timers)
        spec.placed = True
        self.log: Logger = surroundings.logger_for(self.path)
        self.current: Life | None = None

    def request_stop(self, *, for_good: bool) -> None:
        del for_good  # an actor has nobody below it to tell
        if self.current is not None:
            starting = self.state is State.STARTING
            self.state = State.STOPPING
            if starting:
                self.current.kill()
            else:
                self.current.request_stop()

    def kill(self, error: Exception | None = None) -> None:
        if self.current is None:
            return
        if error is None:
            self.current.kill()
        else:
            self.current.crash(error)

    def node(self) -> TreeNode:
        statistics = self.mailbox.statistics()
        return TreeNode(
            name=self.name,
            path=self.path,
            kind="actor",
            state=self.state,
            life=self.life,
            restarts=self.restarts,
            depth=statistics.depth,
            oldest_message_age_s=statistics.oldest_message_age_s,
            last_error=described(self.last_error),
            mailbox=statistics,
            statistics=self._own_statistics(),
            summary=self._own_summary(),
        )

    def _begin(self) -> Callable[[], Awaitable[None]]:
        self.mailbox.open()
        self.current = life = Life(self)
        return partial(self._live, life)

    async def _live(self, life: "Life") -> None:
        reason, error = Reason.KILLED, None
        try:
            reason, error = await life.run()
        finally:
            self.current = None
            self.ended(reason, error)

    def _close(self) -> None:
        self.mailbox.close()

    def _own_statistics(self) -> dict[str, Any]:
        if self.current is None or self.current.actor is None:
            return {}
        try:
            return self.current.actor.statistics()
        except Exception as error:  # noqa: BLE001 - looking at an actor must not disturb it
            return {"statistics_failed": described(error)}

    def _own_summary(self) -> str:
        if self.current is None or self.current.actor is None:
            return ""
        try:
            return str(self.current.actor.summary())
        except Exception as error:  # noqa: BLE001 - looking at an actor must not disturb it
            return type(error).__name__


class Life:
    """One Actor object, its task, and everything that ends with them: tasks, timers, taps, open replies."""

    def __init__(self, child: ActorChild) -> None:
        self.number = child.life
        self.ref = child.ref
        self.mailbox = child.mailbox
        self.log = child.log
        self.actor: Actor | None = None
        self._child = child
        self.tasks: trio.Nursery  # open before the actor is made
        self._hard = trio.CancelScope()
        self._soft = trio.CancelScope()
        self._error: Exception | None = None
        self._stop_requested = False
        self._came_to_its_end = False  # run() returned by itself, be a stop requested or not
        self._leaving = False  # no further message is handled: stop requested, or crashed
        self._serving = False
        self._direct: dict[type, Handler] = NOBODY  # what is handled on the sender's step while this life waits
        self._begun: tuple[Coroutine[Any, Any, Any], Reply[Any] | None] | None = None  # see _go_on_with
        self._open_replies: dict[Reply[Any], None] = {}  # in the order of asking
        self._timers: set[Timer] = set()
        self._closables: WeakSet[Closable] = WeakSet()  # what is in use is held by its topic

    async def run(self) -> tuple[Reason, Exception | None]:
        """Live; gives the reason for the end. Never raises an Exception."""
        self.mailbox.on_overflow = self.crash
        try:
            with self._hard:
                async with trio.open_nursery() as self.tasks:
                    await self._live()
                    self.tasks.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 - a crash is data for the supervisor
            self._note(alone(error))
        finally:
            self._end()
        if self._error is not None:
            return Reason.CRASHED, self._error
        if self._hard.cancelled_caught:
            return Reason.KILLED, None
        return (Reason.NORMAL if self._came_to_its_end else Reason.STOPPED), None

    async def serve(self, actor: Actor) -> None:
        """Handle messages until the life is to end: one wake-up, then everything that waits."""
        if not self._leaving:
            self._serving = True
            try:
                await self._drain(actor)
            finally:
                self._serving = False
                self.mailbox.dismiss()
        # run() is cancelled only now, so that the handler in progress could finish.
        self._soft.cancel()
        await trio.lowlevel.checkpoint_if_cancelled()

    def request_stop(self) -> None:
        """Finish the handler in progress, within its time, and go; a run() of the author's own is cancelled."""
        self._stop_requested = True
        self._leaving = True
        self.mailbox.dismiss()
        self.mailbox.wake()
        if not self._serving:
            self._soft.cancel()
        elif self._child.handler_within_s < math.inf:
            deadline_s = trio.current_time() + self._child.handler_within_s
            self._hold(self.mailbox.timers.add(deadline_s, self._soft.cancel))

    def kill(self) -> None:
        """Cancel everything now."""
        self._leaving = True
        self.mailbox.dismiss()
        self._hard.cancel()

    def crash(self, error: Exception) -> None:
        """End the life from outside its own code, as if it had raised `error`. The first error counts."""
        self._note(error)
        self.kill()

    def tap(self, topic: Topic[T], callback: Callable[[T], object]) -> Tap[T]:
        if self._direct:
            callback = self.mailbox.occupied(callback)
        return self.until_end(topic.tap(callback, on_error=self.crash))

    def subscribe(self, topic: Topic[T], *, is_latest: bool, put_as: Callable[[T], object] | None) -> Tap[T]:
        offer = self.mailbox.offer
        callback: Callable[[T], object] = offer if put_as is None else lambda event: offer(put_as(event))
        return self.until_end(topic.tap(callback, on_error=self.crash, is_latest=is_latest))

    def until_end(self, closable: C) -> C:
        self._closables.add(closable)
        return closable

    def tell_after(self, delay_s: float, message: Any) -> Timer:
        return self._hold(self.mailbox.timers.add(trio.current_time() + delay_s, partial(self._remind, message)))

    def tell_every(self, period_s: float, message: Any) -> Timer:
        if not period_s > 0:
            raise ValueError(f"the period must be positive, not {period_s}")
        return self._hold(self.mailbox.timers.repeat(period_s, partial(self._tick, message)))

    def _note(self, error: Exception) -> None:
        if self._error is None:
            self._error = error

    def _hold(self, timer: Timer) -> Timer:
        if timer.action is not None:  # else it is never due
            timer.holder = self._timers
            self._timers.add(timer)
        return timer

    def _remind(self, message: Any) -> None:
        try:
            self.mailbox.put(message)
        except Exception as error:  # noqa: BLE001 - lost in silence, it would be waited for in vain
            self.crash(error)

    def _tick(self, message: Any) -> None:
        try:
            self.mailbox.offer(message)
        except Exception as error:  # noqa: BLE001 - a message that fits no lane is this actor's mistake, not the sweep's
            self.crash(error)

    async def _live(self) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()  # killed before its first step: nothing is even made
        self.actor = actor = self._construct()
        await actor.on_start()
        await trio.lowlevel.checkpoint_if_cancelled()  # too late: its start is given up already
        self._child.acknowledge()
        with self._soft:
            await actor.run()
        self._came_to_its_end = not self._soft.cancelled_caught
        if self._stop_requested:
            await actor.on_stop()
        elif self._error is not None:
            await trio.lowlevel.checkpoint()  # crashed from outside: let the cancellation through

    def _construct(self) -> Actor:
        actor: Actor = self._child.start()
        if not isinstance(actor, Actor):
            raise TypeError(f"start of {self.ref.path} gave {type(actor).__name__}, not an Actor")
        if actor._runtime_life is not None:  # noqa: SLF001 - the runtime's own side of Actor
            raise TypeError(f"start of {self.ref.path} gave the same object again; each life needs a new one")
        actor._runtime_begin(self)  # noqa: SLF001
        if any(lane.is_direct for lane in self.mailbox.lanes):
            self._direct = self._find_direct(actor)
        return actor

    def _find_direct(self, actor: Actor) -> dict[type, Handler]:
        kinds = {*actor.handlers, *(kind for lane in self.mailbox.lanes if lane.is_direct for kind in lane.accepts)}
        found = ((kind, find_handler(actor.handlers, kind)) for kind in kinds)
        return {kind: handler for kind, handler in found if handler is not None and self._is_direct(kind, handler)}

    def _is_direct(self, kind: type, handler: Handler) -> bool:
        if handler.is_async:
            return False
        try:
            return self.mailbox.lane_of(kind).is_direct
        except TypeError:  # a type that others are derived from, and that no lane accepts by itself
            return False

    async def _drain(self, actor: Actor) -> None:
        mailbox = self.mailbox
        mailbox.attend(self._direct, self._receive)
        table = actor.handlers
        budget = DRAIN_MAX
        while not self._leaving:
            entry = mailbox.take()
            if entry is None:
                await mailbox.wait()
                if self._begun is not None:
                    await self._finish_begun(*self._begun)
                budget = DRAIN_MAX
                continue
            message, reply, _ = entry
            if reply is not None:
                self._owe(reply)
            handler = table.get(message.__class__) or self._find(table, message)
            if handler.wants_reply:
                result = handler.function(actor, message, reply or Reply(mailbox, math.inf))
            else:
                result = handler.function(actor, message)
            if result.__class__ is CoroutineType:
                result = await result
            if reply is not None and not handler.wants_reply:
                reply.send(result)
            budget -= 1
            if not budget:
                await trio.lowlevel.checkpoint()
                budget = DRAIN_MAX

    def _receive(self, handler: Handler, message: Any, reply: Reply[Any] | None) -> None:
        """Handle a message on its sender's step."""
        actor = self.actor
        try:
            if handler.wants_reply:
                result = handler.function(actor, message, reply or Reply(self.mailbox, math.inf))
            else:
                result = handler.function(actor, message)
            if result.__class__ is CoroutineType:
                self._go_on_with(result, message.__class__, handler, reply)
            elif reply is not None and not handler.wants_reply:
                reply.send(result)
        except Exception as error:  # noqa: BLE001 - the actor's failure is not the sender's
            self.crash(error)
        except BaseException:
            self.kill()  # torn out of its work, as the sender is
            raise
        finally:
            if reply is not None and not reply.done:
                self._owe(reply)

    def _owe(self, reply: Reply[Any]) -> None:
        """From here on this life owes the answer: if it ends, the asker is told at once."""
        reply.holder = self._open_replies
        self._open_replies[reply] = None

    def _go_on_with(
        self, begun: Coroutine[Any, Any, Any], kind: type, handler: Handler, reply: Reply[Any] | None
    ) -> None:
        """What looked like a plain function gave a coroutine: the life's task goes on with it, before all else. Further
        messages of that kind are queued in this life."""
        self._direct.pop(kind, None)
        self._begun = begun, None if handler.wants_reply else reply
        self.mailbox.wake()

    async def _finish_begun(self, begun: Coroutine[Any, Any, Any], reply: Reply[Any] | None) -> None:
        self._begun = None
        result = await begun
        if reply is not None:
            reply.send(result)

    def _find(self, table: dict[type, Handler], message: Any) -> Handler:
        handler = find_handler(table, message.__class__)
        if handler is None:
            kind = type(message).__name__
            raise TypeError(f"{self.ref.path} has no handler for {kind}: write on_…(self, message: {kind})")
        if self._direct and self._is_direct(message.__class__, handler):
            self._direct[message.__class__] = handler
        return handler

    def _end(self) -> None:
        self.mailbox.on_overflow = None
        self.mailbox.dismiss()
        if self._begun is not None:
            self._begun[0].close()
        for closable in tuple(self._closables):
            try:
                closable.close()
            except Exception as failure:  # noqa: BLE001 - what one raises keeps nothing else open
                self._note(failure)
        for timer in tuple(self._timers):
            timer.cancel()
        error = self._error
        path = self.ref.path
        for reply in tuple(self._open_replies):
            if error is not None:
                reply.fail(ActorCrashed(path, error))
            else:
                reply.fail(ActorStopped(f"{path} ended before it answered"))


def described(error: BaseException | None) -> str | None:
    """An error in one phrase, as the introspection tree shows it."""
    return None if error is None else f"{type(error).__name__}: {error}"
