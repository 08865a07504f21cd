"""Supervisors: start children in order, restart those that end, stop them in reverse order, give up in time.

How it works: one nursery for the children, and one loop that serves ends, due restarts and the stop. No child ever
raises an Exception into the nursery; its end arrives as a notice. No cancellation comes in from outside: the system
is shielded, and makes a request to stop of it (system.py).
"""

import heapq
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import trio

from dogwatch.runtime.child import Child, Surroundings
from dogwatch.runtime.errors import ConfigError, RestartsExhausted, StartFailed, StartTimeout, alone
from dogwatch.runtime.life import ActorChild, described
from dogwatch.runtime.lifecycle import Reason, RestartScheduled, State
from dogwatch.runtime.logger import Logger
from dogwatch.runtime.parked_until import parked_until
from dogwatch.runtime.parking import Parking
from dogwatch.runtime.restarts import Attempts, RestartWindow
from dogwatch.runtime.specs import AutoShutdown, ChildSpec, Restart, Scope, SupervisorSpec
from dogwatch.runtime.tree import TreeNode

CANCELLATION_TAKES_S_MAX = 5.0


class Supervisor(Child):
    """A supervisor's place in the tree. Its children are there from the beginning; their lives come and go."""

    # Of the present life; see _forget_former_life.
    _nursery: trio.Nursery
    _ends: deque[Child]
    _due: list[tuple[float, int]]  # when, and the child's position
    _window: RestartWindow
    _attempts: dict[Child, Attempts]
    _failure: Exception | None
    _stopping: bool
    _was_asked: bool
    _for_good: bool

    def __init__(self, spec: SupervisorSpec, parent_path: str, surroundings: Surroundings) -> None:
        super().__init__(spec, parent_path, surroundings)
        self.spec = spec
        self.children: tuple[Child, ...] = tuple(self._placed(child) for child in spec.children)
        self._positions = {child: position for position, child in enumerate(self.children)}
        self._parking = Parking()
        self._forget_former_life()

    def request_stop(self, *, for_good: bool) -> None:
        self._stopping = True
        self._for_good = self._for_good or for_good
        self._was_asked = True
        if self.alive:
            self.state = State.STOPPING
        self._parking.wake()

    def kill(self, error: Exception | None = None) -> None:
        if self._failure is None:
            self._failure = error
        self.request_stop(for_good=False)
        for child in reversed(self.children):
            if child.alive:
                child.kill()

    def node(self) -> TreeNode:
        return TreeNode(
            name=self.name,
            path=self.path,
            kind="supervisor",
            state=self.state,
            life=self.life,
            restarts=self.restarts,
            last_error=described(self.last_error),
            children=tuple(child.node() for child in self.children),
        )

    # One life: start all, watch, stop all.

    def _begin(self) -> Callable[[], Awaitable[None]]:
        self._forget_former_life()
        return self._live

    async def _live(self) -> None:
        reason, error = Reason.KILLED, None
        try:
            async with trio.open_nursery() as self._nursery:
                await self._supervise()
            reason, error = self._outcome()
        except Exception as defect:  # noqa: BLE001 - even a defect here is a notice to the supervisor above
            reason, error = Reason.CRASHED, alone(defect)
        finally:
            self.ended(reason, error)

    async def _supervise(self) -> None:
        await self._start_all()
        if self._failure is None and not self._was_asked:
            self.acknowledge()  # even if there is nothing left to do, and it shuts down at once
        while not self._stopping:
            if self._ends:
                await self._see_to(self._ends.popleft())
            elif self._next_due_s() <= trio.current_time():
                await self._restart_due()
            else:
                await parked_until(self._parking, self._next_due_s())
        await self._stop(self.children)

    def _outcome(self) -> tuple[Reason, Exception | None]:
        if self._failure is not None:
            return Reason.CRASHED, self._failure
        return (Reason.STOPPED if self._was_asked else Reason.NORMAL), None

    # Starting.

    async def _start_all(self) -> None:
        for child in self.children:
            if self._stopping:
                return
            if self._is_done(child):
                child.close()
                continue
            error = await self._start(child)
            if error is not None:
                self._give_up(_start_failure(child, error))
        self._shut_down_if_due()

    async def _start(self, child: Child) -> Exception | None:
        """Begin a life and wait until it acknowledges; gives the error if it does not."""
        child.spawn(self._nursery, self._child_changed)
        deadline_s = trio.current_time() + child.start_within_s
        while child.state is State.STARTING:
            if self._stopping:
                await self._stop_one(child)
            elif trio.current_time() >= deadline_s:
                waited = f"{child.path} did not acknowledge its start within {child.start_within_s:g} s"
                hint = "on_start has to return; let run() or a task do what takes long"
                await self._cut_off(child, StartTimeout(waited, hint=hint))
            else:
                await parked_until(self._parking, deadline_s)
        return None if child.acknowledged or self._stopping else child.error

    def _child_changed(self, child: Child, unexpected: bool) -> None:
        if unexpected:
            self._ends.append(child)
        self._parking.wake()

    # A child has ended by itself.

    async def _see_to(self, child: Child) -> None:
        if child.state is not State.DOWN:
            return  # stopped or begun anew meanwhile, together with a sibling
        if child.restart is Restart.TEMPORARY or self._is_done(child):
            self._finish(child)
        else:
            await self._recover(child)

    async def _recover(self, child: Child) -> None:
        """Stop whoever has to begin anew with `child`, and schedule their restart; or give up."""
        error = child.error
        if isinstance(error, ConfigError):
            self._give_up(error)
            return
        now_s = trio.current_time()
        if not self._window.allows_one_more(now_s):
            self._give_up(self._exhausted(child))
            return
        delay_s = self._attempts[child].next_delay_s(child.healthy_s, self.surroundings.random)
        event = RestartScheduled(path=child.path, at_s=now_s, delay_s=delay_s, error=error)
        self.surroundings.events.publish(event)
        group = self._group(child)
        await self._stop([other for other in group if other is not child])
        for member in group:
            self._schedule(member, now_s + delay_s)

    def _group(self, child: Child) -> Sequence[Child]:
        match self.spec.scope:
            case Scope.ONE_FOR_ONE:
                return (child,)
            case Scope.ONE_FOR_ALL:
                return self.children
            case Scope.REST_FOR_ONE:
                return self.children[self._positions[child] :]

    def _schedule(self, child: Child, due_s: float) -> None:
        if child.restart is Restart.TEMPORARY or self._is_done(child):
            self._finish(child)
            return
        child.state = State.WAITING
        child.due_s = due_s
        heapq.heappush(self._due, (due_s, self._positions[child]))

    def _is_done(self, child: Child) -> bool:
        """Its work is done: neither a sibling's failure nor a new life of this supervisor calls it back."""
        ended_normally = child.state is State.DOWN and child.reason is Reason.NORMAL
        return child.state is State.GONE or (ended_normally and child.restart is Restart.TRANSIENT)

    def _next_due_s(self) -> float:
        return self._due[0][0] if self._due else math.inf

    async def _restart_due(self) -> None:
        """Restart the next whose time has come; a group is due at one time, and so comes in start order.

        A failed start is a failure like any other. One at a time, so that an end in between is seen to first.
        """
        due_s, position = heapq.heappop(self._due)
        child = self.children[position]
        if child.state is not State.WAITING or child.due_s != due_s:
            return  # started or scheduled anew since
        child.restarts += 1
        if await self._start(child) is not None:
            await self._recover(child)

    def _finish(self, child: Child) -> None:
        """It has come to its end for good; a significant one may take the supervisor with it."""
        child.close()
        self._shut_down_if_due()

    def _shut_down_if_due(self) -> None:
        rule = self.spec.auto_shutdown
        if rule is AutoShutdown.NEVER:
            return
        ended = [child.state is State.GONE for child in self.children if child.significant]
        if any(ended) if rule is AutoShutdown.ANY_SIGNIFICANT else all(ended):
            self._stopping = True

    def _give_up(self, error: Exception) -> None:
        self._failure = error
        self._stopping = True

    def _exhausted(self, child: Child) -> RestartsExhausted:
        intensity = self.spec.intensity
        what = described(child.error) or "it came to its end, and is permanent"
        error = RestartsExhausted(
            f"{self.path} gave up: more than {intensity.restarts} restarts within {intensity.within_s:g} s; "
            f"the last to fail was {child.path}: {what}",
        )
        error.__cause__ = child.error
        return error

    # Stopping.

    async def _stop(self, children: Sequence[Child]) -> None:
        """Stop these, the last first, each within its own time; or all of them at once."""
        asked_s: float | None = None
        if self.spec.stops_together:
            asked_s = trio.current_time()
            for child in reversed(children):
                if child.alive:
                    child.request_stop(for_good=self._for_good)
        for child in reversed(children):
            if child.alive:
                await self._stop_one(child, asked_s)
            if self._for_good:
                child.close()

    async def _stop_one(self, child: Child, asked_s: float | None = None) -> None:
        """Wait for the end of a child that was asked to stop then, or is asked now."""
        if asked_s is None:
            asked_s = trio.current_time()
            child.request_stop(for_good=self._for_good)
        await self._wait_for_end(child, asked_s + child.stop_within_s)
        if child.alive:
            self._log(child).warning("did not stop in time, is cancelled", stop_within_s=child.stop_within_s)
            await self._cut_off(child)

    async def _cut_off(self, child: Child, error: Exception | None = None) -> None:
        child.kill(error)
        await self._wait_for_end(child, trio.current_time() + CANCELLATION_TAKES_S_MAX)
        if child.alive:
            self._log(child).error("does not react to its cancellation", hint="does it shield itself, or swallow it?")
            await self._wait_for_end(child, math.inf)

    def _log(self, child: Child) -> Logger:
        return self.surroundings.logger_for(child.path)

    async def _wait_for_end(self, child: Child, deadline_s: float) -> None:
        while child.alive and trio.current_time() < deadline_s:
            await parked_until(self._parking, deadline_s)

    # Bookkeeping.

    def _placed(self, spec: ChildSpec[Any] | SupervisorSpec) -> Child:
        if isinstance(spec, SupervisorSpec):
            return Supervisor(spec, self.path, self.surroundings)
        return ActorChild(spec, self.path, self.surroundings)

    def _close(self) -> None:
        for child in reversed(self.children):
            child.close()

    def _forget_former_life(self) -> None:
        self._ends = deque()
        self._due = []
        self._window = RestartWindow(self.spec.intensity)
        self._attempts = {child: Attempts(self.spec.backoff) for child in self.children}
        self._failure = None
        self._stopping = False
        self._was_asked = False
        self._for_good = False


def _start_failure(child: Child, error: Exception) -> Exception:
    """What a failed first start is called: a mistake in the configuration keeps its own name."""
    if isinstance(error, ConfigError | StartFailed):
        return error
    failure = StartFailed(f"{child.path} could not be started: {described(error)}")
    failure.__cause__ = error
    return failure
