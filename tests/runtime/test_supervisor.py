"""Supervisors: start in order, stop in reverse order, each within its own time."""

import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from dogwatch.runtime import (
    Actor,
    ActorStopped,
    AutoShutdown,
    ChildSpec,
    ConfigError,
    Exited,
    LifecycleEvent,
    Reason,
    Restart,
    Scope,
    Started,
    StartFailed,
    StartTimeout,
    StoppedForGood,
    SupervisorSpec,
    Topic,
    run_system,
)
from dogwatch.runtime.testing import run_virtual
from tests.runtime.crew import Crash, EventLog, Finish, Note, Notes, Wait, Writer, eventually, finisher, tree, writer


def acting(name: str, **hooks: Callable[[Any], Awaitable[None]]) -> ChildSpec[Actor]:
    """An actor whose life hooks are these functions."""
    kind: type[Actor] = type(name, (Actor,), dict(hooks))
    return ChildSpec(name, kind, stop_within_s=5.0, start_within_s=10.0)


async def test_children_start_in_order_and_stop_in_reverse_order(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    sub = SupervisorSpec("sub", [writer("b", diary), writer("c", diary)])
    async with run_system(tree(writer("a", diary), sub, writer("d", diary))):
        assert diary == ["a started", "b started", "c started", "d started"]
        diary.clear()
    assert diary == ["d stopped", "c stopped", "b stopped", "a stopped"]


async def test_a_child_starts_only_when_the_one_before_has_acknowledged(autojump_clock: MockClock) -> None:
    log = EventLog()

    async def slowly(_actor: Actor) -> None:
        await trio.sleep(3)

    async with run_system(tree(acting("slow", on_start=slowly), writer("next")), events=log.topic):
        pass
    started = {event.path: event for event in log.events if isinstance(event, Started)}
    assert started["root/slow"].at_s == 3
    assert started["root/slow"].took_s == 3
    assert started["root/next"].at_s == 3
    assert started["root/next"].took_s == 0


async def test_a_later_sibling_may_ask_an_earlier_one_while_it_starts(autojump_clock: MockClock) -> None:
    earlier = writer("earlier")
    heard: list[tuple[str, ...]] = []

    async def ask(_actor: Actor) -> None:
        heard.append(await earlier.ref.ask(Notes(), within_s=1))

    async with run_system(tree(earlier, acting("later", on_start=ask))):
        assert heard == [()]


# A start that fails.


async def test_a_first_start_that_fails_stops_what_had_started_and_says_who_and_why(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []

    async def fail(_actor: Actor) -> None:
        raise ValueError("no luck")

    spec = tree(writer("a", diary), SupervisorSpec("sub", [acting("b", on_start=fail)]), writer("c", diary))
    with pytest.raises(StartFailed, match=r"root/sub/b could not be started: ValueError: no luck") as caught:
        async with run_system(spec):
            raise AssertionError("the block is not entered")
    assert isinstance(caught.value.__cause__, ValueError)
    assert diary == ["a started", "a stopped"]


async def test_a_constructor_that_raises_is_a_failed_start(autojump_clock: MockClock) -> None:
    def start() -> Actor:
        raise ValueError("no luck")

    with pytest.raises(StartFailed, match="root/a could not be started: ValueError: no luck"):
        async with run_system(tree(ChildSpec("a", start, actor=Actor))):
            pass


async def test_a_start_that_gives_no_actor_is_a_failed_start(autojump_clock: MockClock) -> None:
    start: Any = dict
    with pytest.raises(StartFailed, match="start of root/a gave dict, not an Actor"):
        async with run_system(tree(ChildSpec("a", start, actor=Actor))):
            pass


async def test_a_start_that_gives_the_same_object_again_is_found_out(autojump_clock: MockClock) -> None:
    only = Writer()
    spec = ChildSpec("a", lambda: only, actor=Writer)
    async with run_system(tree(spec)) as system:
        spec.ref.tell(Crash(error=ValueError("once")))
        await trio.sleep(1.5)
        assert system.tree().children[0].last_error == (
            "TypeError: start of root/a gave the same object again; each life needs a new one"
        )


async def test_a_child_that_does_not_acknowledge_in_time_is_cancelled_and_fails_the_start(
    autojump_clock: MockClock,
) -> None:
    async def hang(_actor: Actor) -> None:
        await trio.sleep_forever()

    with pytest.raises(StartTimeout, match="root/a did not acknowledge its start within 10 s"):
        async with run_system(tree(acting("a", on_start=hang))):
            pass
    assert trio.current_time() == 10


async def test_a_mistake_in_the_configuration_keeps_its_name(autojump_clock: MockClock) -> None:
    async def fail(_actor: Actor) -> None:
        raise ConfigError("strategies.quoter.size", "must be positive")

    with pytest.raises(ConfigError, match=r"strategies\.quoter\.size: must be positive"):
        async with run_system(tree(SupervisorSpec("sub", [acting("a", on_start=fail)]))):
            pass


async def test_a_mistake_in_the_configuration_is_never_retried(autojump_clock: MockClock) -> None:
    log = EventLog()
    spec = writer("a")
    spec.ref.tell(Crash(error=ConfigError("symbol", "unknown")))
    with pytest.raises(ConfigError, match="symbol: unknown"):
        async with run_system(tree(SupervisorSpec("sub", [spec])), events=log.topic):
            await trio.sleep_forever()
    assert len(log.of(Started)) == 3  # the actor, its supervisor, the root: each once


async def test_a_stop_request_interrupts_a_start(autojump_clock: MockClock) -> None:
    diary: list[str] = []

    async def hang(_actor: Actor) -> None:
        await trio.sleep_forever()

    spec = tree(writer("a", diary), SupervisorSpec("sub", [acting("b", on_start=hang)]), writer("c", diary))
    with trio.move_on_after(1) as scope:
        async with run_system(spec):
            raise AssertionError("the block is not entered")
    assert scope.cancelled_caught
    assert trio.current_time() == 1
    assert diary == ["a started", "a stopped"]


# Stopping.


async def test_the_handler_in_progress_finishes_before_its_actor_stops(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    spec = writer("a", diary)
    async with run_system(tree(spec)):
        spec.ref.tell(Wait(seconds=3))
        spec.ref.tell(Note(text="not handled any more"))
        await trio.testing.wait_all_tasks_blocked()
    assert diary == ["a started", "a waited", "a stopped"]
    assert trio.current_time() == 3


async def test_a_handler_that_takes_longer_than_the_stop_may_is_cancelled(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    log = EventLog()
    spec = writer("a", diary, stop_within_s=2.0)
    async with run_system(tree(spec), events=log.topic):
        spec.ref.tell(Wait(seconds=60))
        await trio.testing.wait_all_tasks_blocked()
    assert trio.current_time() == 2
    assert diary == ["a started"]
    assert [event.reason for event in log.events if isinstance(event, Exited)] == [Reason.KILLED, Reason.STOPPED]


async def test_the_farewell_has_only_the_rest_of_the_time(autojump_clock: MockClock) -> None:
    async def farewell(_actor: Actor) -> None:
        await trio.sleep_forever()

    async with run_system(tree(acting("a", on_stop=farewell))):
        pass
    assert trio.current_time() == 5


async def test_a_run_of_the_authors_own_is_cancelled_by_a_stop_and_the_farewell_follows(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []

    async def run(_actor: Actor) -> None:
        try:
            await trio.sleep_forever()
        finally:
            diary.append("run over")

    async def farewell(_actor: Actor) -> None:
        await trio.sleep(1)
        diary.append("farewell")

    async with run_system(tree(acting("a", run=run, on_stop=farewell))):
        pass
    assert diary == ["run over", "farewell"]


async def test_tasks_of_a_life_are_there_for_the_farewell_and_end_with_it(autojump_clock: MockClock) -> None:
    diary: list[str] = []

    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            diary.append("task over")

    async def begin(actor: Actor) -> None:
        actor.tasks.start_soon(work)

    async def farewell(_actor: Actor) -> None:
        diary.append("farewell")

    async with run_system(tree(acting("a", on_start=begin, on_stop=farewell))):
        await trio.testing.wait_all_tasks_blocked()
    assert diary == ["farewell", "task over"]


async def test_an_earlier_sibling_still_answers_while_a_later_one_says_goodbye(autojump_clock: MockClock) -> None:
    earlier = writer("earlier")
    heard: list[tuple[str, ...]] = []

    async def farewell(_actor: Actor) -> None:
        earlier.ref.tell(Note(text="cancel my orders"))
        heard.append(await earlier.ref.ask(Notes(), within_s=1))

    async with run_system(tree(earlier, acting("later", on_stop=farewell))):
        pass
    assert heard == [("cancel my orders",)]


async def test_a_later_sibling_that_has_stopped_already_says_so_at_once(autojump_clock: MockClock) -> None:
    later = writer("later")
    refused: list[float] = []

    async def farewell(_actor: Actor) -> None:
        with pytest.raises(ActorStopped):
            await later.ref.ask(Notes(), within_s=4)
        refused.append(trio.current_time())

    async with run_system(tree(SupervisorSpec("sub", [acting("earlier", on_stop=farewell), later]))):
        await trio.sleep(1)
    assert refused == [1]


async def test_a_crash_during_the_stop_is_reported_and_disturbs_nobody(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    log = EventLog()

    async def fail(_actor: Actor) -> None:
        raise ValueError("bad goodbye")

    async with run_system(tree(writer("a", diary), acting("b", on_stop=fail)), events=log.topic):
        pass
    assert diary == ["a started", "a stopped"]
    errors = [event.error for event in log.events if isinstance(event, Exited) and event.path == "root/b"]
    assert [str(error) for error in errors] == ["bad goodbye"]


async def test_a_stop_at_once_leaves_no_time_for_goodbyes(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    spec = writer("b", diary)
    async with run_system(tree(writer("a", diary), SupervisorSpec("sub", [spec]))) as system:
        spec.ref.tell(Wait(seconds=60))
        await trio.testing.wait_all_tasks_blocked()
        system.stop()
        await trio.testing.wait_all_tasks_blocked()
        system.stop(at_once=True)
        await system.wait_ended()
        assert trio.current_time() == 0
    assert diary == ["a started", "b started"]


async def test_a_handler_that_takes_too_long_at_a_stop_is_cancelled_and_the_farewell_comes_all_the_same(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    hanging, quick = writer("a", diary, handler_within_s=2.0), writer("b", diary, handler_within_s=2.0)
    async with run_system(tree(hanging, quick)):
        hanging.ref.tell(Wait(seconds=60))
        quick.ref.tell(Wait(seconds=1))
        await trio.testing.wait_all_tasks_blocked()
    assert diary[2:] == ["b waited", "b stopped", "a stopped"]
    assert trio.current_time() == 3


async def test_children_that_do_not_need_each_other_stop_together_each_within_its_time(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    specs = [writer(name, diary, stop_within_s=3.0) for name in "abc"]
    crew = SupervisorSpec("crew", specs, stops_together=True)
    async with run_system(tree(writer("first", diary), crew)) as system:
        specs[0].ref.tell(Wait(seconds=60))
        specs[1].ref.tell(Wait(seconds=2))
        await trio.testing.wait_all_tasks_blocked()
        system.stop()
        await trio.testing.wait_all_tasks_blocked()
        assert diary[4:] == ["c stopped"]
    assert diary[5:] == ["b waited", "b stopped", "first stopped"], "who came before them stops after them"
    assert trio.current_time() == 3


async def test_a_supervisor_with_a_limit_of_its_own_kills_its_children_when_it_is_over(
    autojump_clock: MockClock,
) -> None:
    spec = writer("b", stop_within_s=math.inf)
    async with run_system(tree(SupervisorSpec("sub", [spec], stop_within_s=3.0))):
        spec.ref.tell(Wait(seconds=60))
        await trio.testing.wait_all_tasks_blocked()
    assert trio.current_time() == 3


async def test_a_life_that_shields_itself_is_reported_and_waited_for(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def run(_actor: Actor) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    async with run_system(tree(acting("a", run=run))):
        pass
    assert trio.current_time() == 60
    words = [record.getMessage() for record in caplog.records]
    assert words[0] == "root/a: did not stop in time, is cancelled stop_within_s=5.0"
    assert words[1].startswith("root/a: does not react to its cancellation")


# Children that come to their end.


async def test_a_permanent_child_is_restarted_after_a_normal_end_too(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    spec = finisher("a", diary, restart=Restart.PERMANENT)
    async with run_system(tree(spec)):
        spec.ref.tell(Finish())
        await eventually(lambda: len(diary) == 2)
    assert diary == ["a started", "a started", "a stopped"]


async def test_a_transient_child_is_restarted_after_a_crash_only(autojump_clock: MockClock) -> None:
    log = EventLog()
    spec = finisher("a")
    async with run_system(tree(spec), events=log.topic) as system:
        spec.ref.tell(Crash(error=ValueError("once")))
        await eventually(lambda: system.tree().children[0].life == 2)
        spec.ref.tell(Finish())
        await eventually(lambda: system.tree().children[0].state == "gone")
        assert log.words(StoppedForGood) == ["StoppedForGood root/a"]


async def test_a_temporary_child_is_never_restarted(autojump_clock: MockClock) -> None:
    spec = finisher("a", restart=Restart.TEMPORARY)
    async with run_system(tree(spec)) as system:
        spec.ref.tell(Crash(error=ValueError("once")))
        await trio.sleep(100)
        assert (system.tree().children[0].state, system.tree().children[0].life) == ("gone", 1)


async def test_the_end_of_any_significant_child_shuts_its_supervisor_down(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    first, second = finisher("first", diary, significant=True), finisher("second", diary, significant=True)
    spec = tree(writer("a", diary), first, second, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    async with run_system(spec) as system:
        diary.clear()
        first.ref.tell(Finish())
        await system.wait_ended()
        assert system.ended is Reason.NORMAL
    assert diary == ["second stopped", "a stopped"]


async def test_all_significant_children_have_to_end_if_that_is_the_rule(autojump_clock: MockClock) -> None:
    first, second = finisher("first", significant=True), finisher("second", significant=True)
    spec = tree(writer("a"), first, second, auto_shutdown=AutoShutdown.ALL_SIGNIFICANT)
    async with run_system(spec) as system:
        first.ref.tell(Finish())
        await trio.sleep(60)
        assert system.ended is None
        second.ref.tell(Finish())
        await system.wait_ended()
        assert system.ended is Reason.NORMAL


async def test_a_significant_supervisor_that_shut_itself_down_takes_its_own_supervisor_along(
    autojump_clock: MockClock,
) -> None:
    strategy = finisher("twap", significant=True)
    strategies = SupervisorSpec(
        "strategies",
        [strategy],
        auto_shutdown=AutoShutdown.ALL_SIGNIFICANT,
        restart=Restart.TRANSIENT,
        significant=True,
    )
    spec = tree(writer("link"), strategies, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    async with run_system(spec) as system:
        strategy.ref.tell(Finish())
        await system.wait_ended()
        assert system.ended is Reason.NORMAL


async def test_what_has_come_to_its_end_is_not_started_again_with_its_siblings(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    link, twap = writer("link", diary), finisher("twap", diary)
    async with run_system(tree(link, twap, writer("quoter", diary), scope=Scope.ONE_FOR_ALL)):
        twap.ref.tell(Finish())
        await trio.testing.wait_all_tasks_blocked()
        diary.clear()
        link.ref.tell(Crash(error=ValueError("once")))
        await trio.sleep(5)
        assert diary == ["quoter stopped", "link started", "quoter started"]


async def test_what_comes_to_its_end_while_its_siblings_are_stopped_for_a_restart_is_not_started_again(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    link, twap, slow = writer("link", diary), finisher("twap", diary), writer("slow", diary)
    async with run_system(tree(link, twap, slow, scope=Scope.ONE_FOR_ALL)):
        slow.ref.tell(Wait(seconds=3))
        await trio.testing.wait_all_tasks_blocked()
        link.ref.tell(Crash(error=ValueError("once")))
        await trio.sleep(1)
        twap.ref.tell(Finish())
        diary.clear()
        await trio.sleep(10)
        assert diary == ["slow waited", "slow stopped", "link started", "slow started"]


async def test_a_run_that_returns_while_a_stop_is_asked_for_has_come_to_its_end(autojump_clock: MockClock) -> None:
    log = EventLog()

    async def run(_actor: Actor) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(1)

    async with run_system(tree(acting("a", run=run)), events=log.topic):
        await trio.testing.wait_all_tasks_blocked()
    assert [event.reason for event in log.events if isinstance(event, Exited)] == [Reason.NORMAL, Reason.STOPPED]


async def test_a_supervisor_begun_anew_with_nothing_left_to_do_shuts_down(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    link, twap, slow = writer("link"), finisher("twap", diary, significant=True), writer("slow", diary)
    strategies = SupervisorSpec(
        "strategies", [twap, slow], auto_shutdown=AutoShutdown.ALL_SIGNIFICANT, restart=Restart.TRANSIENT
    )
    async with run_system(tree(link, strategies, scope=Scope.REST_FOR_ONE)) as system:
        slow.ref.tell(Wait(seconds=3))
        await trio.testing.wait_all_tasks_blocked()
        link.ref.tell(Crash(error=ValueError("once")))
        await trio.sleep(1)
        twap.ref.tell(Finish())
        diary.clear()
        await trio.sleep(10)
        assert diary == ["slow waited", "slow stopped", "slow started", "slow stopped"]
        assert system.tree().children[1].state == "gone"


async def test_what_has_come_to_its_end_is_not_started_again_below_a_sibling(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    link, twap = writer("link", diary), finisher("twap", diary)
    strategies = SupervisorSpec("strategies", [twap, writer("quoter", diary)])
    async with run_system(tree(link, strategies, scope=Scope.REST_FOR_ONE)):
        twap.ref.tell(Finish())
        await trio.testing.wait_all_tasks_blocked()
        diary.clear()
        link.ref.tell(Crash(error=ValueError("once")))
        await trio.sleep(5)
        assert diary == ["quoter stopped", "link started", "quoter started"]


async def test_a_start_that_does_not_react_to_its_cancellation_is_reported_and_waited_for(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def hang(_actor: Actor) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    with pytest.raises(StartTimeout, match="root/a did not acknowledge its start within 10 s"):
        async with run_system(tree(acting("a", on_start=hang))):
            pass
    assert trio.current_time() == 60
    assert caplog.messages[0].startswith("root/a: does not react to its cancellation")


@pytest.mark.parametrize("seed", range(8))  # whether its first step or the kill comes first
def test_what_is_killed_before_its_first_step_is_not_even_made(seed: int) -> None:
    steps: list[str] = []

    def make() -> Writer:
        steps.append("made")
        return Writer()

    async def kill_between_spawn_and_first_step() -> None:
        def kill(event: LifecycleEvent) -> None:
            if isinstance(event, Started) and event.path == "root/first":
                nursery.start_soon(stop_at_once)

        async def stop_at_once() -> None:
            await trio.lowlevel.checkpoint()
            steps.append("killed")
            system.stop(at_once=True)

        events: Topic[LifecycleEvent] = Topic("lifecycle")
        events.tap(kill, on_error=lambda _: None)
        system = run_system(tree(writer("first"), ChildSpec("second", make, actor=Writer)), events=events)
        async with trio.open_nursery() as nursery:
            await system.run()

    run_virtual(kill_between_spawn_and_first_step, seed=seed)
    assert steps in (["killed"], ["made", "killed"])
