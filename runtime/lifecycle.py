"""What happens to the members of a tree, as events. Who publishes them is in child.py and supervisor.py."""

from enum import StrEnum

from dogwatch.runtime.messages import Message


class State(StrEnum):
    """Where a member of the tree stands."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    DOWN = "down"
    WAITING = "waiting"
    """Down, and to be restarted when its back-off is over."""
    GONE = "gone"
    """Down for good: its ref raises ActorStopped."""


class Reason(StrEnum):
    """Why a life ended."""

    NORMAL = "normal"
    """It came to its end by itself."""
    STOPPED = "stopped"
    """It was asked to stop and did."""
    KILLED = "killed"
    """It was cancelled, because it did not stop in time or had not started yet."""
    CRASHED = "crashed"


class LifecycleEvent(Message, frozen=True, kw_only=True):
    """Something happened to the member at `path`, at `at_s` in Trio's time."""

    path: str
    at_s: float


class Started(LifecycleEvent, frozen=True, kw_only=True):
    """A life acknowledged its start, `took_s` seconds after it was begun."""

    life: int
    took_s: float


class Restarted(Started, frozen=True, kw_only=True):
    """As Started, and it is not the first life."""


class Exited(LifecycleEvent, frozen=True, kw_only=True):
    """A life ended."""

    life: int
    reason: Reason
    error: Exception | None
    ran_s: float


class RestartScheduled(LifecycleEvent, frozen=True, kw_only=True):
    """A supervisor will restart this member in `delay_s` seconds."""

    delay_s: float
    error: Exception | None


class StoppedForGood(LifecycleEvent, frozen=True, kw_only=True):
    """This member will not be started again."""
