"""How a supervision tree is described, and the check of a whole description before anything starts."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Generic, TypeVar

from dogwatch.runtime.actor import Actor
from dogwatch.runtime.errors import SpecError
from dogwatch.runtime.handlers import find_handler
from dogwatch.runtime.mailbox import Lane, Mailbox
from dogwatch.runtime.messages import Gap, Overflowed
from dogwatch.runtime.overflow import Overflow
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.restarts import Backoff, Intensity

A = TypeVar("A", bound=Actor)

LEGAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")
MARKERS: dict[Overflow, type] = {Overflow.DROP_OLDEST: Gap, Overflow.CLEAR: Overflowed}


class Restart(StrEnum):
    """When a child that ended by itself is restarted."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """After a crash; a normal end is the end."""
    TEMPORARY = "temporary"
    """Never."""


class Scope(StrEnum):
    """Which children are restarted when one of them has to be."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"
    """It and all that come after it in the list."""


class AutoShutdown(StrEnum):
    """When a supervisor ends by itself because significant children have come to their end."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class ChildSpec(Generic[A]):
    """One actor in a tree: how to make it, when to restart it, how long its start and stop may take.

    `start` is called at the beginning of every life and makes a new actor. `actor` is its class, needed for its
    lanes; it may be left out if `start` is the class itself. `ref` exists at once, so the `start` of a later
    sibling can close over it: that is how the dependency order is enforced by Python itself. Of the time for its stop
    the handler in progress may take `handler_within_s`; then it is cancelled, and `on_stop` comes all the same.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], A],
        *,
        actor: type[A] | None = None,
        restart: Restart = Restart.PERMANENT,
        significant: bool = False,
        start_within_s: float = 10.0,
        stop_within_s: float = 5.0,
        handler_within_s: float = math.inf,
    ) -> None:
        if actor is None:
            if not isinstance(start, type):
                raise TypeError(f"child {name!r}: say which class it starts, as actor=…, so that its lanes are known")
            actor = start
        self.name = name
        self.start = start
        self.actor: type[A] = actor
        self.restart = restart
        self.significant = significant
        self.start_within_s = start_within_s
        self.stop_within_s = stop_within_s
        self.handler_within_s = handler_within_s
        self.ref: ActorRef[A] = ActorRef(name, Mailbox(name, actor.lanes))
        self.placed = False  # set when a system takes it: a ref leads to one actor only

    def __repr__(self) -> str:
        return f"<ChildSpec {self.name}: {self.actor.__name__}, {self.restart.value}>"


class SupervisorSpec:
    """A supervisor and its children, listed once, in dependency order: start order, reverse stop order, ask order.

    With `stops_together` all are asked to stop at once: for children that do not need each other.
    """

    def __init__(
        self,
        name: str,
        children: "Sequence[ChildSpec[Any] | SupervisorSpec]",
        *,
        scope: Scope = Scope.ONE_FOR_ONE,
        intensity: Intensity | None = None,
        backoff: Backoff | None = None,
        restart: Restart = Restart.PERMANENT,
        significant: bool = False,
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
        stop_within_s: float = math.inf,
        stops_together: bool = False,
    ) -> None:
        self.name = name
        self.children = tuple(children)
        self.scope = scope
        self.intensity = intensity or Intensity()
        self.backoff = backoff or Backoff()
        self.restart = restart
        self.significant = significant
        self.auto_shutdown = auto_shutdown
        self.stop_within_s = stop_within_s
        self.stops_together = stops_together

    def __repr__(self) -> str:
        return f"<SupervisorSpec {self.name}: {len(self.children)} children, {self.scope.value}>"


def check_spec(spec: SupervisorSpec) -> None:
    """Raises SpecError that names all the problems of the tree, each with its place. Starts nothing."""
    problems = [*_problems(spec, spec.name), *_placed_twice(spec)]
    if problems:
        raise SpecError(problems)


def actor_specs(spec: SupervisorSpec, path: str = "") -> "Iterator[tuple[str, ChildSpec[Any]]]":
    """Every actor of the tree with its path, in start order."""
    own_path = path or spec.name
    for child in spec.children:
        child_path = f"{own_path}/{child.name}"
        if isinstance(child, SupervisorSpec):
            yield from actor_specs(child, child_path)
        else:
            yield child_path, child


def _problems(spec: SupervisorSpec, path: str) -> Iterator[str]:
    yield from (f"{path}: {problem}" for problem in _own_problems(spec))
    seen: set[str] = set()
    for child in spec.children:
        child_path = f"{path}/{child.name}"
        if child.name in seen:
            yield f"{child_path}: there are two children of this name"
        seen.add(child.name)
        yield from (f"{child_path}: {problem}" for problem in _role_problems(child, spec))
        if isinstance(child, SupervisorSpec):
            yield from _problems(child, child_path)
        else:
            yield from (f"{child_path}: {problem}" for problem in _actor_problems(child))


def _own_problems(spec: SupervisorSpec) -> Iterator[str]:
    yield from _name_problems(spec.name)
    yield from spec.intensity.problems()
    yield from spec.backoff.problems()
    if not spec.stop_within_s >= 0:
        yield f"stop_within_s must be 0 or more, not {spec.stop_within_s}"
    if spec.stops_together and spec.scope is not Scope.ONE_FOR_ONE:
        yield f"its children stop together, but their scope {spec.scope.value} says that they need each other"
    if spec.auto_shutdown is not AutoShutdown.NEVER and not any(child.significant for child in spec.children):
        yield f"auto_shutdown is {spec.auto_shutdown.value}, but no child is significant: it would never shut down"


def _role_problems(child: "ChildSpec[Any] | SupervisorSpec", parent: SupervisorSpec) -> Iterator[str]:
    if (
        isinstance(child, SupervisorSpec)
        and child.auto_shutdown is not AutoShutdown.NEVER
        and child.restart is Restart.PERMANENT
    ):
        yield "it shuts itself down, but is permanent: it would be restarted with nothing left to do, again and again"
    if not child.significant:
        return
    if child.restart is Restart.PERMANENT:
        yield "a significant child cannot be permanent: it would be restarted and never come to its end"
    if parent.auto_shutdown is AutoShutdown.NEVER:
        yield f"it is significant, but {parent.name!r} has auto_shutdown never"


def _actor_problems(spec: ChildSpec[Any]) -> Iterator[str]:
    yield from _name_problems(spec.name)
    if not spec.start_within_s > 0:
        yield f"start_within_s must be positive, not {spec.start_within_s}"
    if not spec.stop_within_s >= 0:
        yield f"stop_within_s must be 0 or more, not {spec.stop_within_s}"
    if not spec.handler_within_s >= 0:
        yield f"handler_within_s must be 0 or more, not {spec.handler_within_s}"
    if spec.placed:
        yield "it has been part of another system: make a new ChildSpec for each system"
    yield from _lane_problems(spec.actor)


def _lane_problems(actor: type[Actor]) -> Iterator[str]:
    lanes: tuple[Lane, ...] = actor.lanes
    if not lanes:
        yield f"{actor.__name__} has no lanes"
    names: set[str] = set()
    for lane in lanes:
        yield from lane.problems()
        if lane.name in names:
            yield f"lane {lane.name!r} is listed twice"
        names.add(lane.name)
        marker = MARKERS.get(lane.overflow)
        if marker is not None and actor.serve is Actor.serve and find_handler(actor.handlers, marker) is None:
            yield (
                f"lane {lane.name!r} leaves {marker.__name__} when it overflows, and {actor.__name__} has no handler "
                f"for it: write on_{marker.__name__.lower()}(self, message: {marker.__name__})"
            )


def _name_problems(name: str) -> Iterator[str]:
    if not LEGAL_NAME.fullmatch(name):
        yield f"{name!r} is no legal name: use letters, digits and _ . : - and begin with a letter or digit"


def _placed_twice(spec: SupervisorSpec) -> Iterator[str]:
    places: dict[int, str] = {}
    for path, child in actor_specs(spec):
        other = places.setdefault(id(child), path)
        if other != path:
            yield f"{path}: the same ChildSpec stands at {other} too: a ref leads to one actor only"
