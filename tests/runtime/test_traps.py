"""The traps of Trio and of long-running programs that the runtime must not step into, one test each."""

import contextlib
import contextvars
import functools
import importlib
import inspect
import pkgutil
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

import dogwatch.runtime
from dogwatch.runtime import (
    Actor,
    ChildSpec,
    Exited,
    Intensity,
    Message,
    Overflow,
    Reason,
    RestartsExhausted,
    Scope,
    StartFailed,
    SupervisorSpec,
    Topic,
    run_system,
)
from tests.runtime.crew import Crash, Double, EventLog, Note, Notes, Wait, Writer, tree, writer

BOOM = Crash(error=ValueError("boom"))


async def test_messages_survive_while_nobody_receives(autojump_clock: MockClock) -> None:
    """A memory channel forgets its buffer when its last receiver is closed; a mailbox does not."""
    spec = writer("a")
    async with run_system(tree(spec)):
        spec.ref.tell(BOOM)
        await trio.testing.wait_all_tasks_blocked()  # the first life is over, the second not yet begun
        spec.ref.tell(Note(text="between two lives"))
        assert await spec.ref.ask(Notes(), within_s=10) == ("between two lives",)


async def test_the_real_exception_of_a_block_survives_a_cancellation_at_the_same_time(
    autojump_clock: MockClock,
) -> None:
    """`async with` over something that checkpoints at its exit replaces an exception by Cancelled."""
    diary: list[str] = []

    def fail_in(scope: trio.CancelScope) -> None:
        scope.cancel()
        raise KeyError("the real one")

    with pytest.raises(KeyError, match="the real one"), trio.CancelScope() as scope:
        async with run_system(tree(writer("a", diary))):
            fail_in(scope)
    assert diary == ["a started", "a stopped"]


async def test_the_real_exception_of_an_actor_survives_its_own_cancellation(autojump_clock: MockClock) -> None:
    log = EventLog()

    class Clumsy(Writer):
        async def run(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("while leaving")

    async with run_system(tree(ChildSpec("a", Clumsy)), events=log.topic):
        await trio.testing.wait_all_tasks_blocked()
    ends = [event for event in log.events if isinstance(event, Exited) and event.path == "root/a"]
    assert [(event.reason, str(event.error)) for event in ends] == [(Reason.CRASHED, "while leaving")]


async def test_a_failure_of_the_tree_survives_a_cancellation_from_outside_while_it_stops(
    autojump_clock: MockClock,
) -> None:
    slow, failing = writer("slow"), writer("failing")
    slow.ref.tell(Wait(seconds=3))
    failing.ref.tell(BOOM)
    with pytest.raises(RestartsExhausted), trio.move_on_after(1):
        await run_system(tree(slow, failing, intensity=Intensity(restarts=0))).run()
    assert trio.current_time() == 3


voice: contextvars.ContextVar[str] = contextvars.ContextVar("voice", default="nobody")


async def test_a_life_runs_in_the_context_of_the_system_whoever_caused_it(autojump_clock: MockClock) -> None:
    """A task inherits the context variables of whoever spawned it; a crash must not carry them into the next life."""
    heard: list[str] = []

    class Listening(Writer):
        async def on_start(self) -> None:
            heard.append(voice.get())
            voice.set("a former life")

    spec = ChildSpec("a", Listening)
    voice.set("the caller of run_system")
    async with run_system(tree(spec)):
        voice.set("the teller of the crash")
        spec.ref.tell(BOOM)
        await trio.sleep(5)
    assert heard == ["the caller of run_system"] * 2


async def test_a_start_beside_a_crash_does_not_hang(autojump_clock: MockClock) -> None:
    """`nursery.start` into a nursery that is just crashing waits for ever in some versions of Trio."""

    class StartsWhileTheOtherCrashes(Writer):
        async def on_start(self) -> None:
            crashing.ref.tell(BOOM)
            await trio.sleep(1)

    crashing = writer("crashing")
    spec = tree(crashing, ChildSpec("slow", StartsWhileTheOtherCrashes))
    with trio.fail_after(60):
        async with run_system(spec) as system:
            await trio.sleep(5)
            assert [child.state for child in system.tree().children] == ["running", "running"]
            assert system.tree().children[0].life == 2


async def test_a_start_into_a_system_that_gives_up_does_not_hang(autojump_clock: MockClock) -> None:
    class NeverStarts(Writer):
        async def on_start(self) -> None:
            await trio.sleep_forever()

    spec = tree(writer("a"), ChildSpec("hangs", NeverStarts, start_within_s=5))
    with trio.fail_after(60), pytest.raises(StartFailed):
        async with run_system(spec):
            pass


@pytest.mark.parametrize("nested", [False, True])
async def test_a_cancellation_from_outside_stops_in_reverse_order(nested: bool, autojump_clock: MockClock) -> None:
    """A cancelled nursery cancels all its tasks at once; a tree must let the last go first, and say goodbye."""
    diary: list[str] = []

    class Slow(Writer):
        async def on_stop(self) -> None:
            await trio.sleep(1)  # a checkpoint: possible, because the cancellation does not reach in here
            self.diary.append(f"{self.name} stopped at {trio.current_time():g}")

    children = [ChildSpec(name, lambda name=name: Slow(name, diary), actor=Slow) for name in ("a", "b", "c")]  # type: ignore[misc]
    spec = tree(SupervisorSpec("sub", children)) if nested else tree(*children)
    with trio.move_on_after(10):
        async with run_system(spec):
            diary.clear()
            await trio.sleep_forever()
    assert diary == ["c stopped at 11", "b stopped at 12", "a stopped at 13"]


async def test_the_farewell_may_await_where_a_finally_could_not(autojump_clock: MockClock) -> None:
    """In a cancelled scope every await in a `finally` raises again; on_stop runs outside of it."""
    done: list[str] = []

    class Polite(Writer):
        async def run(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                try:
                    await trio.sleep(1)
                except trio.Cancelled:
                    done.append("await in finally failed")
                    raise

        async def on_stop(self) -> None:
            await trio.sleep(1)
            done.append("await in on_stop succeeded")

    async with run_system(tree(ChildSpec("a", Polite))):
        await trio.testing.wait_all_tasks_blocked()
    assert done == ["await in finally failed", "await in on_stop succeeded"]


async def test_a_single_failure_never_comes_as_a_group(autojump_clock: MockClock) -> None:
    log = EventLog()

    class Deep(Writer):
        async def on_start(self) -> None:
            async with trio.open_nursery() as outer, trio.open_nursery() as inner:
                inner.start_soon(self.fail)
                outer.start_soon(trio.sleep, 0)

        async def fail(self) -> None:
            raise ValueError("deep inside")

    with pytest.raises(StartFailed, match="ValueError: deep inside") as caught:
        async with run_system(tree(ChildSpec("a", Deep)), events=log.topic):
            pass
    assert type(caught.value.__cause__) is ValueError


async def test_failures_that_come_together_are_kept_together(autojump_clock: MockClock) -> None:
    class Twice(Writer):
        async def on_start(self) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.fail, "one")
                nursery.start_soon(self.fail, "two")

        async def fail(self, word: str) -> None:
            raise ValueError(word)

    with pytest.raises(StartFailed) as caught:
        async with run_system(tree(ChildSpec("a", Twice))):
            pass
    cause = caught.value.__cause__
    assert isinstance(cause, ExceptionGroup)
    assert sorted(str(error) for error in cause.exceptions) == ["one", "two"]


class Again(Message, frozen=True, kw_only=True):
    """Told by an actor to itself, for ever."""


async def test_an_actor_that_never_runs_out_of_messages_does_not_starve_the_others(
    autojump_clock: MockClock,
) -> None:
    class Restless(Actor):
        def on_again(self, message: Again) -> None:
            self.ref.tell(message)

    restless, other = ChildSpec("restless", Restless), writer("other")
    restless.ref.tell(Again())
    async with run_system(tree(restless, other)):
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        other.ref.tell(Note(text="heard"))
        answer: list[tuple[str, ...]] = []

        async def ask() -> None:
            answer.append(await other.ref.ask(Notes(), within_s=60))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            for _ in range(10):
                await trio.lowlevel.checkpoint()
        assert answer == [("heard",)]


NOT_FOR_USERS = {"__main__", "pytest_plugin"}  # pytest closes the generators of fixtures by itself


def is_of_contextlib(value: Any) -> bool:
    return inspect.isfunction(value) and value.__code__.co_filename == contextlib.__file__


def async_generators_of(package: ModuleType) -> list[str]:
    """Every async generator among the functions and methods of a package and all that is below it.

    One below `asynccontextmanager` is none for its users: they get a context manager, which closes it in time.
    """
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    modules = [
        importlib.import_module(info.name) for info in found if info.name.rpartition(".")[2] not in NOT_FOR_USERS
    ]
    offenders = []
    for module in [package, *modules]:
        for name, thing in vars(module).items():
            members = [(name, thing)]
            if inspect.isclass(thing) and thing.__module__ == module.__name__:
                members += [(f"{name}.{member}", value) for member, value in vars(thing).items()]
            offenders += [
                f"{module.__name__}.{path}"
                for path, value in members
                if callable(value) and inspect.isasyncgenfunction(inspect.unwrap(value, stop=is_of_contextlib))
            ]
    return offenders


def test_nothing_public_is_an_async_generator() -> None:
    """Their clean-up runs whenever the collector likes, and breaks the nesting of cancel scopes."""
    assert async_generators_of(dogwatch.runtime) == []


def test_an_async_generator_would_be_found() -> None:
    async def generate() -> AsyncIterator[int]:
        yield 1

    class Feed:
        method = generate

    package = ModuleType("package")
    package.__path__ = []
    Feed.__module__ = package.__name__
    manager = contextlib.asynccontextmanager(generate)
    vars(package).update(generate=generate, Feed=Feed, manager=manager, wrapped=functools.wraps(generate)(lambda: None))
    assert async_generators_of(package) == ["package.generate", "package.Feed.method", "package.wrapped"]


async def test_a_retry_timer_dies_with_its_life(autojump_clock: MockClock) -> None:
    """A timer of a former life would act on a state that it never knew."""
    ticks: list[int] = []

    class Retrying(Writer):
        async def on_start(self) -> None:
            if self.life == 1:
                self.tell_after(5, Note(text="retry"))
                self.tell_every(2, Note(text="again"))

        def on_note(self, message: Note) -> None:
            ticks.append(self.life)

    spec = ChildSpec("a", Retrying)
    async with run_system(tree(spec)):
        await trio.sleep(3)
        spec.ref.tell(BOOM)
        await trio.sleep(60)
    assert ticks == [1]


async def test_the_answer_of_a_former_life_reaches_nobody_else(autojump_clock: MockClock) -> None:
    """The asker of the first life is gone: its answer is dropped and counted, not given to the second."""
    callee = writer("callee")
    answers: list[int] = []

    class Asking(Writer):
        async def on_note(self, message: Note) -> None:  # type: ignore[override]  # pyright: ignore  # sync in Writer
            self.tasks.start_soon(self.crash_soon)
            answers.append(await callee.ref.ask(Double(number=1), within_s=60))

        async def crash_soon(self) -> None:
            await trio.sleep(1)
            raise ValueError("boom")

    asker = ChildSpec("asker", Asking)
    async with run_system(tree(callee, asker)) as system:
        callee.ref.tell(Wait(seconds=10))
        await trio.testing.wait_all_tasks_blocked()
        asker.ref.tell(Note(text="ask"))
        await trio.sleep(60)
        assert answers == []
        assert [child.life for child in system.tree().children] == [1, 2]


async def test_the_last_event_before_the_consumer_looks_is_not_lost(autojump_clock: MockClock) -> None:
    """A bare Event that is set and replaced loses an update that comes between the two."""
    topic: Topic[int] = Topic("quotes")
    latest = topic.latest()
    topic.publish(1)
    assert await latest.get() == 1
    topic.publish(2)  # nobody waits at this moment
    with trio.fail_after(1):
        assert await latest.get() == 2


async def test_a_subscriber_that_never_reads_costs_the_publisher_nothing_and_stays_bounded(
    autojump_clock: MockClock,
) -> None:
    topic: Topic[int] = Topic("trades")
    stream = topic.stream(capacity=10, overflow=Overflow.DROP_OLDEST)
    for number in range(10_000):
        topic.publish(number)
    figures = stream.statistics()
    assert (figures.depth, figures.dropped) == (10, 9_990)


async def test_actors_of_a_group_restart_never_see_a_sibling_of_the_wrong_life(autojump_clock: MockClock) -> None:
    """All that depends on the crashed one is down before it begins anew."""
    alive: set[str] = set()
    overlaps: list[tuple[str, set[str]]] = []

    class Dependent(Writer):
        async def on_start(self) -> None:
            later = {name for name in alive if name > self.name}
            if later:
                overlaps.append((self.name, later))
            alive.add(self.name)

        async def run(self) -> None:
            try:
                await self.serve()
            finally:
                alive.discard(self.name)

    def dependent(name: str) -> ChildSpec[Any]:
        return ChildSpec(name, lambda: Dependent(name), actor=Dependent)

    first = dependent("a")
    async with run_system(tree(first, dependent("b"), dependent("c"), scope=Scope.REST_FOR_ONE)):
        for _ in range(3):
            first.ref.tell(BOOM)
            await trio.sleep(10)
    assert overlaps == []
