"""The messages and actors that the tests of the runtime share."""

from collections.abc import Callable, Sequence
from typing import Any

import trio

from dogwatch.runtime import (
    Actor,
    Backoff,
    ChildSpec,
    Intensity,
    LifecycleEvent,
    Message,
    Query,
    Restart,
    SupervisorSpec,
    Topic,
)

WITHOUT_JITTER = Backoff(first_s=1.0, longest_s=30.0, jitter=0.0)


class Note(Message, frozen=True, kw_only=True):
    """Something to remember."""

    text: str


class Double(Query[int], frozen=True, kw_only=True):
    """Asks for twice the number."""

    number: int


class Notes(Query[tuple[str, ...]], frozen=True, kw_only=True):
    """Asks for all notes of this life."""


class Crash(Message, frozen=True, kw_only=True):
    """Makes the actor raise this error."""

    error: Exception


class CrashOnAsk(Query[int], frozen=True, kw_only=True):
    """Makes the actor raise ValueError instead of answering."""


class Wait(Query[str], frozen=True, kw_only=True):
    """Keeps the actor in its handler for so long."""

    seconds: float


class Finish(Message, frozen=True, kw_only=True):
    """Makes a Finisher come to its normal end."""


class Writer(Actor):
    """Keeps notes; writes what happens to it into `diary`, which outlives it."""

    def __init__(self, name: str = "", diary: list[str] | None = None) -> None:
        self.name = name
        self.diary = diary if diary is not None else []
        self.notes: list[str] = []

    async def on_start(self) -> None:
        self.diary.append(f"{self.name} started")

    async def on_stop(self) -> None:
        self.diary.append(f"{self.name} stopped")

    def on_note(self, message: Note) -> None:
        self.notes.append(message.text)

    def on_double(self, message: Double) -> int:
        return message.number * 2

    async def on_notes(self, _message: Notes) -> tuple[str, ...]:
        return tuple(self.notes)

    def on_crash(self, message: Crash) -> None:
        raise message.error

    def on_crash_on_ask(self, _message: CrashOnAsk) -> int:
        raise ValueError("cannot answer")

    async def on_wait(self, message: Wait) -> str:
        await trio.sleep(message.seconds)
        self.diary.append(f"{self.name} waited")
        return "waited"


class Finisher(Writer):
    """A writer whose life ends by itself when it is told to finish."""

    async def run(self) -> None:
        self.finished = trio.Event()
        self.tasks.start_soon(self.serve)
        await self.finished.wait()

    def on_finish(self, _message: Finish) -> None:
        self.finished.set()


def writer(name: str, diary: list[str] | None = None, **options: Any) -> ChildSpec[Writer]:
    """A child spec of a Writer."""
    return ChildSpec(name, lambda: Writer(name, diary), actor=Writer, **options)


def finisher(name: str, diary: list[str] | None = None, **options: Any) -> ChildSpec[Finisher]:
    """A child spec of a Finisher, transient unless said otherwise."""
    options.setdefault("restart", Restart.TRANSIENT)
    return ChildSpec(name, lambda: Finisher(name, diary), actor=Finisher, **options)


def tree(*children: ChildSpec[Any] | SupervisorSpec, **options: Any) -> SupervisorSpec:
    """A root with these children, without jitter and with room for many restarts unless said otherwise."""
    options.setdefault("backoff", WITHOUT_JITTER)
    options.setdefault("intensity", Intensity(restarts=100))
    return SupervisorSpec("root", children, **options)


class EventLog:
    """A topic of lifecycle events that keeps all of them."""

    def __init__(self) -> None:
        self.topic: Topic[LifecycleEvent] = Topic("lifecycle")
        self.events: list[LifecycleEvent] = []
        self.topic.tap(self.events.append, on_error=_reraise)

    def of(self, kind: type[LifecycleEvent]) -> Sequence[LifecycleEvent]:
        """The events of exactly this kind."""
        return [event for event in self.events if type(event) is kind]

    def words(self, *kinds: type[LifecycleEvent]) -> list[str]:
        """The events of these kinds as `Kind path`, in order."""
        return [f"{type(event).__name__} {event.path}" for event in self.events if isinstance(event, kinds)]


def _reraise(error: Exception) -> None:
    raise error


async def eventually(condition: Callable[[], bool]) -> None:
    """Let (virtual) time pass until `condition()` holds; fails after ten minutes."""
    for _ in range(60_000):
        if condition():
            return
        await trio.sleep(0.01)
    raise AssertionError("it did not come about within ten minutes")
