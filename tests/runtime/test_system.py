"""A system as a block and as a task: what is raised, what is cancelled, what is written down."""

import logging

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from dogwatch.runtime import (
    ActorStopped,
    AutoShutdown,
    ChildSpec,
    Intensity,
    LifecycleEvent,
    Reason,
    Restart,
    RestartsExhausted,
    Started,
    StartFailed,
    System,
    Topic,
    run_system,
)
from dogwatch.runtime.logger import StandardLogger
from dogwatch.runtime.testing import run_virtual
from tests.runtime.crew import Crash, Double, EventLog, Note, Writer, tree, writer


async def test_a_system_may_run_in_a_task_of_its_own(autojump_clock: MockClock) -> None:
    spec = writer("a")
    async with trio.open_nursery() as nursery:
        system: System = await nursery.start(run_system(tree(spec)).run)
        assert await spec.ref.ask(Double(number=1), within_s=1) == 2
        system.stop()
        await system.wait_ended()
        assert system.ended is Reason.STOPPED


async def test_a_task_of_its_own_raises_what_made_the_system_fail(autojump_clock: MockClock) -> None:
    spec = writer("a")
    spec.ref.tell(Crash(error=ValueError("boom")))
    with pytest.raises(RestartsExhausted):
        await run_system(tree(spec, intensity=Intensity(restarts=0))).run()


async def test_a_system_runs_once(autojump_clock: MockClock) -> None:
    system = run_system(tree(writer("a")))
    async with system:
        pass
    with pytest.raises(RuntimeError, match="a system runs once"):
        await system.run()
    with pytest.raises(RuntimeError, match="a system runs once"):
        async with system:
            pass


async def test_the_failure_of_the_tree_cancels_the_block_and_is_raised_alone(autojump_clock: MockClock) -> None:
    spec = writer("a")
    spec.ref.tell(Crash(error=ValueError("boom")))
    with pytest.raises(RestartsExhausted, match="root gave up"):
        async with run_system(tree(spec, intensity=Intensity(restarts=0))):
            await trio.sleep(1)
    assert trio.current_time() == 0


async def test_what_the_block_raises_comes_out_alone_after_the_tree_has_stopped(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    with pytest.raises(KeyError, match="mine"):
        async with run_system(tree(writer("a", diary))):
            raise KeyError("mine")
    assert diary == ["a started", "a stopped"]


async def test_a_block_that_fails_because_the_tree_has_failed_names_the_tree(autojump_clock: MockClock) -> None:
    spec = writer("a")

    async def tell_too_late(system: System) -> None:
        spec.ref.tell(Crash(error=ValueError("boom")))
        with trio.CancelScope(shield=True):
            await system.wait_ended()
        spec.ref.tell(Note(text="too late"))

    with pytest.raises(RestartsExhausted) as caught:
        async with run_system(tree(spec, intensity=Intensity(restarts=0))) as system:
            await tell_too_late(system)
    assert isinstance(caught.value.__context__, ActorStopped)


async def test_a_system_that_ends_by_itself_leaves_the_block_running(autojump_clock: MockClock) -> None:
    spec = writer("a")
    async with run_system(tree(spec)) as system:
        system.stop()
        await system.wait_ended()
        await trio.sleep(1)
        with pytest.raises(ActorStopped):
            spec.ref.tell(Note(text="too late"))
    assert trio.current_time() == 1


async def test_a_stop_before_the_start_starts_nothing_for_long(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    system = run_system(tree(writer("a", diary)))
    system.stop()
    async with system:
        assert system.ended is Reason.STOPPED
    assert diary == []


async def test_events_may_go_to_a_topic_that_was_there_before(autojump_clock: MockClock) -> None:
    log = EventLog()
    system = run_system(tree(writer("a")), events=log.topic)
    assert system.events is log.topic
    async with system:
        assert log.words(Started) == ["Started root/a", "Started root"]


async def test_crashes_and_restarts_are_written_down_even_if_nobody_listens(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    spec = writer("a")
    spec.ref.tell(Crash(error=ValueError("boom")))
    async with run_system(tree(spec)):
        await trio.sleep(5)
    assert [record.getMessage() for record in caplog.records] == [
        "root/a: crashed life=1 error='ValueError: boom'",
        "root/a: restarts in_s=1.0",
    ]
    assert caplog.records[0].exc_info is not None


async def test_a_logger_that_fails_does_not_stop_the_system(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(StandardLogger):
        def error(self, event: str, **facts: object) -> None:
            raise OSError("disk full")

    spec = writer("a")
    spec.ref.tell(Crash(error=ValueError("boom")))
    async with run_system(tree(spec), logger_for=Broken) as system:
        await trio.sleep(5)
        assert system.tree().children[0].life == 2
    assert "the logger itself failed: OSError('disk full')" in caplog.messages


async def test_an_actor_logs_under_its_own_path(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    class Talkative(Writer):
        async def on_start(self) -> None:
            self.log.debug("unheard")
            self.log.info("subscribed", symbol="BTCUSDT")

    caplog.set_level(logging.INFO, "dogwatch")
    spec = writer("a")
    spec.start = Talkative
    async with run_system(tree(spec)):
        pass
    assert caplog.messages == ["root/a: subscribed symbol='BTCUSDT'"]


async def test_a_keyboard_interrupt_inside_an_actor_comes_out_alone(autojump_clock: MockClock) -> None:
    class Interrupted(Writer):
        def on_note(self, message: Note) -> None:
            raise KeyboardInterrupt

    spec = writer("a")
    spec.start = Interrupted
    spec.ref.tell(Note(text="press"))
    with pytest.raises(KeyboardInterrupt):
        async with run_system(tree(writer("b"), spec)):
            await trio.sleep_forever()


async def test_a_failed_start_is_raised_even_if_the_caller_is_cancelled_while_the_rest_stops(
    autojump_clock: MockClock,
) -> None:
    class Slow(Writer):
        async def on_stop(self) -> None:
            await trio.sleep(3)

    class Failing(Writer):
        async def on_start(self) -> None:
            raise ValueError("no luck")

    with pytest.raises(StartFailed, match="no luck"), trio.move_on_after(1):
        async with run_system(tree(ChildSpec("slow", Slow), ChildSpec("failing", Failing))):
            pass
    assert trio.current_time() == 3


def test_a_topic_of_lifecycle_events_can_be_named_before_there_is_a_system() -> None:
    system = run_system(tree(writer("a")), events=Topic("of my own"))
    assert system.events.name == "of my own"


async def test_the_failure_of_the_tree_is_raised_alone_when_the_block_waits_in_nurseries(
    autojump_clock: MockClock,
) -> None:
    """A cancelled nursery gives a group of cancellations, which must neither hide the failure nor come out."""
    spec = writer("a")

    async def wait_together() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked()
            spec.ref.tell(Crash(error=ValueError("boom")))

    # Of BaseException, because a cancellation that came out would end this test without failing it.
    with pytest.raises(BaseException, match="root gave up") as caught:
        async with run_system(tree(spec, intensity=Intensity(restarts=0))):
            await wait_together()
    assert caught.type is RestartsExhausted


async def test_a_keyboard_interrupt_in_the_block_goes_before_the_failure_of_the_tree(
    autojump_clock: MockClock,
) -> None:
    spec = writer("a")

    async def press(system: System) -> None:
        with trio.CancelScope(shield=True):
            await system.wait_ended()
        raise KeyboardInterrupt

    async def wait_together(system: System) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(press, system)
            spec.ref.tell(Crash(error=ValueError("boom")))
            await trio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as caught:
        async with run_system(tree(spec, intensity=Intensity(restarts=0))) as system:
            await wait_together(system)
    assert caught.group_contains(KeyboardInterrupt)


@pytest.mark.parametrize("seed", range(8))  # whether the end or the news of the start comes first
def test_a_task_whose_tree_is_at_its_end_as_it_starts_has_started_all_the_same(seed: int) -> None:
    class Brief(Writer):
        async def run(self) -> None:
            return

    async def start_and_wait() -> Reason | None:
        job = ChildSpec("job", Brief, restart=Restart.TRANSIENT, significant=True)
        async with trio.open_nursery() as nursery:
            ends_at_once = run_system(tree(job, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT))
            system: System = await nursery.start(ends_at_once.run)
            await system.wait_ended()
        return system.ended

    assert run_virtual(start_and_wait, seed=seed) is Reason.NORMAL


async def test_a_topic_of_lifecycle_events_that_serves_several_systems_is_written_down_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    topic: Topic[LifecycleEvent] = Topic("lifecycle")
    for _ in range(3):
        caplog.clear()
        spec = writer("a", restart=Restart.TEMPORARY)
        spec.ref.tell(Crash(error=ValueError("boom")))
        async with run_system(tree(spec), events=topic):
            await trio.sleep(1)
        assert caplog.messages == ["root/a: crashed life=1 error='ValueError: boom'"]
    assert repr(topic).startswith("<Topic lifecycle: 0 listeners")
