"""What a supervisor knows of each child, be it an actor or another supervisor: its state, its lives, its figures."""

import math
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import trio

from dogwatch.runtime.lifecycle import Exited, LifecycleEvent, Reason, Restarted, Started, State, StoppedForGood
from dogwatch.runtime.logger import Logger
from dogwatch.runtime.timers import Timers
from dogwatch.runtime.topic import Topic
from dogwatch.runtime.tree import TreeNode

if TYPE_CHECKING:
    from dogwatch.runtime.specs import ChildSpec, SupervisorSpec

ALIVE = frozenset({State.STARTING, State.RUNNING, State.STOPPING})


class Surroundings:
    """What every member of one system shares."""

    def __init__(
        self,
        *,
        events: Topic[LifecycleEvent],
        random: Callable[[], float],
        logger_for: Callable[[str], Logger],
    ) -> None:
        self.timers = Timers()
        self.events = events
        self.random = random
        self.logger_for = logger_for


class Child(ABC):
    """One place in the tree and the lives it has had. Its supervisor starts and stops it and hears of its end."""

    def __init__(self, spec: "ChildSpec[Any] | SupervisorSpec", parent_path: str, surroundings: Surroundings) -> None:
        self.name = spec.name
        self.path = f"{parent_path}/{spec.name}" if parent_path else spec.name
        self.restart = spec.restart
        self.significant = spec.significant
        self.start_within_s = math.inf
        self.stop_within_s = spec.stop_within_s
        self.surroundings = surroundings
        self.state = State.NEW
        self.life = 0
        self.restarts = 0
        self.acknowledged = False
        self.reason = Reason.NORMAL
        self.error: Exception | None = None
        self.last_error: Exception | None = None
        self.due_s = math.inf
        self._begun_s = 0.0
        self._acknowledged_s = 0.0
        self.healthy_s = 0.0
        self._changed: Callable[[Child, bool], None] | None = None

    @property
    def alive(self) -> bool:
        """A life of it is going on."""
        return self.state in ALIVE

    def spawn(self, nursery: trio.Nursery, changed: Callable[["Child", bool], None]) -> None:
        """Begin a life in `nursery`. `changed(child, unexpected)` is called when it acknowledged and when it ended."""
        self.life += 1
        self.state = State.STARTING
        self.acknowledged = False
        self.error = None
        self.due_s = math.inf
        self._begun_s = trio.current_time()
        self._changed = changed
        nursery.start_soon(self._begin(), name=self.path)

    def acknowledge(self) -> None:
        """The life says that it has started."""
        if self.state is State.STARTING:
            self.state = State.RUNNING
        self.acknowledged = True
        now_s = self._acknowledged_s = trio.current_time()
        kind = Started if self.life == 1 else Restarted
        self._publish(kind(path=self.path, at_s=now_s, life=self.life, took_s=now_s - self._begun_s))
        self._notify(unexpected=False)

    def ended(self, reason: Reason, error: Exception | None) -> None:
        """The life says that it is over; its task does nothing more."""
        unexpected = self.state is State.RUNNING
        self.state = State.DOWN
        self.reason = reason
        self.error = error
        if error is not None:
            self.last_error = error
        now_s = trio.current_time()
        self.healthy_s = now_s - self._acknowledged_s if self.acknowledged else 0.0
        ran_s = now_s - self._begun_s
        self._publish(Exited(path=self.path, at_s=now_s, life=self.life, reason=reason, error=error, ran_s=ran_s))
        self._notify(unexpected=unexpected)

    def close(self) -> None:
        """It is down and will not be started again."""
        if self.state is not State.GONE:
            self.state = State.GONE
            self._close()
            self._publish(StoppedForGood(path=self.path, at_s=trio.current_time()))

    @abstractmethod
    def request_stop(self, *, for_good: bool) -> None:
        """Ask the life to end in its own way."""

    @abstractmethod
    def kill(self, error: Exception | None = None) -> None:
        """Cancel the life; with `error`, as a crash of this kind."""

    @abstractmethod
    def node(self) -> TreeNode:
        """A snapshot for introspection."""

    @abstractmethod
    def _begin(self) -> Callable[[], Awaitable[None]]:
        """The task of a new life: it acknowledges, and says `ended` at its very end. It never raises an Exception."""

    @abstractmethod
    def _close(self) -> None:
        """Release what outlives single lives."""

    def _publish(self, event: LifecycleEvent) -> None:
        self.surroundings.events.publish(event)

    def _notify(self, *, unexpected: bool) -> None:
        if self._changed is not None:
            self._changed(self, unexpected)
