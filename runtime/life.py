"""One life of an actor: from its construction to its end, the loop that serves its mailbox, what dies with it.

When lives begin and end is decided in supervisor.py.
"""

import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakSet

import trio

from dogwatch.runtime.actor import Actor
from dogwatch.runtime.child import Child, Surroundings
from dogwatch.runtime.errors import alone
from dogwatch.runtime.lifecycle import Reason, State
from dogwatch.runtime.logger import Logger
from dogwatch.runtime.mailbox import Mailbox
from dogwatch.runtime.reception import Reception
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.tap import Tap
from dogwatch.runtime.timers import Timer
from dogwatch.runtime.topic import Topic
from dogwatch.runtime.tree import TreeNode

if TYPE_CHECKING:
    from dogwatch.runtime.specs import ChildSpec

T = TypeVar("T")


class Closable(Protocol):
    """Something that a life closes at its end."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Closable)


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
        self._serving = False
        self._reception = Reception(child.mailbox, crash=self.crash, kill=self.kill)
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

    async def serve(self) -> None:
        """Handle messages until the life is to end: one wake-up, then everything that waits."""
        if not self._reception.is_leaving:
            self._serving = True
            try:
                await self._drain()
            finally:
                self._serving = False
                self.mailbox.dismiss()
        # run() is cancelled only now, so that the handler in progress could finish.
        self._soft.cancel()
        await trio.lowlevel.checkpoint_if_cancelled()

    def request_stop(self) -> None:
        """Finish the handler in progress, within its time, and go; a run() of the author's own is cancelled."""
        self._stop_requested = True
        self._reception.leave()
        self.mailbox.wake()
        if not self._serving:
            self._soft.cancel()
        elif self._child.handler_within_s < math.inf:
            deadline_s = trio.current_time() + self._child.handler_within_s
            self._hold(self.mailbox.timers.add(deadline_s, self._soft.cancel))

    def kill(self) -> None:
        """Cancel everything now."""
        self._reception.leave()
        self._hard.cancel()

    def crash(self, error: Exception) -> None:
        """End the life from outside its own code, as if it had raised `error`. The first error counts."""
        self._note(error)
        self.kill()

    def tap(self, topic: Topic[T], callback: Callable[[T], object]) -> Tap[T]:
        if self._reception.direct:
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
        self._reception.introduce(actor, actor.handlers)
        return actor

    async def _drain(self) -> None:
        reception = self._reception
        reception.open()
        while not reception.is_leaving:
            begun = reception.serve()
            if begun is not None:
                reception.finish(await begun)
            elif reception.is_turn_over:
                await trio.lowlevel.checkpoint()
                reception.take_turn()
            elif not reception.is_leaving:
                await self.mailbox.wait()
                if reception.begun is not None:
                    reception.finish(await reception.begun)
                reception.take_turn()

    def _end(self) -> None:
        self.mailbox.on_overflow = None
        self.mailbox.dismiss()
        for closable in tuple(self._closables):
            try:
                closable.close()
            except Exception as failure:  # noqa: BLE001 - what one raises keeps nothing else open
                self._note(failure)
        for timer in tuple(self._timers):
            timer.cancel()
        self._reception.end(self.ref.path, self._error)


def described(error: BaseException | None) -> str | None:
    """An error in one phrase, as the introspection tree shows it."""
    return None if error is None else f"{type(error).__name__}: {error}"
