"""Restarts: whom they concern, how long they wait, when a supervisor gives up."""

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from dogwatch.runtime import (
    ActorStopped,
    Backoff,
    ChildSpec,
    Exited,
    Intensity,
    Restart,
    Restarted,
    RestartScheduled,
    RestartsExhausted,
    Scope,
    Started,
    StoppedForGood,
    SupervisorSpec,
    run_system,
)
from tests.runtime.crew import Crash, Double, EventLog, Finish, Wait, Writer, finisher, tree, writer

BOOM = Crash(error=ValueError("boom"))


def trio_of_writers(diary: list[str], scope: Scope) -> tuple[list[ChildSpec[Writer]], SupervisorSpec]:
    children = [writer(name, diary) for name in ("a", "b", "c")]
    return children, tree(*children, scope=scope)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope.ONE_FOR_ONE, ["b started"]),
        (Scope.REST_FOR_ONE, ["c stopped", "b started", "c started"]),
        (Scope.ONE_FOR_ALL, ["c stopped", "a stopped", "a started", "b started", "c started"]),
    ],
)
async def test_the_scope_says_who_begins_anew(scope: Scope, expected: list[str], autojump_clock: MockClock) -> None:
    diary: list[str] = []
    (_, b, _), spec = trio_of_writers(diary, scope)
    async with run_system(spec):
        diary.clear()
        b.ref.tell(BOOM)
        await trio.sleep(5)
        assert diary == expected


async def test_nobody_else_notices_the_restart_of_one(autojump_clock: MockClock) -> None:
    (a, b, c), spec = trio_of_writers([], Scope.ONE_FOR_ONE)
    async with run_system(spec) as system:
        b.ref.tell(BOOM)
        assert await a.ref.ask(Double(number=1), within_s=0.1) == 2
        assert await c.ref.ask(Double(number=1), within_s=0.1) == 2
        await trio.sleep(5)
        assert [child.life for child in system.tree().children] == [1, 2, 1]


async def test_siblings_that_crash_at_the_same_moment_cost_one_restart_of_the_group(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    log = EventLog()
    (a, b, c), spec = trio_of_writers(diary, Scope.ONE_FOR_ALL)
    async with run_system(spec, events=log.topic):
        diary.clear()
        for child in (c, a, b):
            child.ref.tell(BOOM)
        await trio.sleep(5)
        assert diary == ["a started", "b started", "c started"]
        assert len(log.of(RestartScheduled)) == 1


async def test_an_earlier_crash_while_later_ones_wait_for_their_restart_takes_them_along(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    (a, _, c), spec = trio_of_writers(diary, Scope.REST_FOR_ONE)
    async with run_system(spec):
        diary.clear()
        c.ref.tell(BOOM)
        await trio.sleep(0.5)
        a.ref.tell(BOOM)
        await trio.sleep(0.9)
        assert diary == ["b stopped"]  # c's own restart, due at 1.0 s, is overtaken by that of all, due at 1.5 s
        await trio.sleep(1)
        assert diary == ["b stopped", "a started", "b started", "c started"]


async def test_a_temporary_sibling_does_not_come_back_with_its_group(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    a, b = writer("a", diary), writer("b", diary, restart=Restart.TEMPORARY)
    async with run_system(tree(a, b, scope=Scope.ONE_FOR_ALL)):
        diary.clear()
        a.ref.tell(BOOM)
        await trio.sleep(5)
        assert diary == ["b stopped", "a started"]
        with pytest.raises(ActorStopped):
            b.ref.tell(BOOM)


async def test_the_wait_before_a_restart_doubles_and_begins_anew_after_a_healthy_time(
    autojump_clock: MockClock,
) -> None:
    log = EventLog()
    spec = writer("a")
    backoff = Backoff(first_s=1, longest_s=5, jitter=0, healthy_after_s=60)
    async with run_system(tree(spec, backoff=backoff), events=log.topic):
        for up_s, waits_s in ((0, 1), (10, 2), (10, 4), (10, 5), (59, 5), (60, 1)):
            await trio.sleep(up_s)
            spec.ref.tell(BOOM)
            await trio.sleep(waits_s)
            await trio.testing.wait_all_tasks_blocked()
            scheduled = log.of(RestartScheduled)[-1]
            assert isinstance(scheduled, RestartScheduled)
            assert scheduled.delay_s == waits_s


async def test_the_time_of_starting_counts_for_no_health(autojump_clock: MockClock) -> None:
    log = EventLog()

    class Slow(Writer):
        async def on_start(self) -> None:
            await trio.sleep(59)

    spec = ChildSpec("a", Slow, start_within_s=100)
    for _ in range(2):
        spec.ref.tell(BOOM)
    backoff = Backoff(first_s=1, jitter=0, healthy_after_s=50)
    async with run_system(tree(spec, backoff=backoff), events=log.topic):
        await trio.sleep(200)
    assert [event.delay_s for event in log.events if isinstance(event, RestartScheduled)] == [1, 2]


async def test_a_former_healthy_life_does_not_excuse_starts_that_fail_now(autojump_clock: MockClock) -> None:
    log = EventLog()

    class Unlucky(Writer):
        async def on_start(self) -> None:
            if self.life in (2, 3, 4):
                raise ValueError("not yet")

    spec = ChildSpec("a", Unlucky)
    backoff = Backoff(first_s=1, jitter=0, healthy_after_s=2)
    async with run_system(tree(spec, backoff=backoff), events=log.topic):
        await trio.sleep(100)
        spec.ref.tell(BOOM)
        await trio.sleep(100)
    assert [event.delay_s for event in log.events if isinstance(event, RestartScheduled)] == [1, 2, 4, 8]


async def test_the_jitter_comes_from_the_given_randomness(autojump_clock: MockClock) -> None:
    log = EventLog()
    spec = writer("a")
    spec.ref.tell(BOOM)
    backoff = Backoff(first_s=10, longest_s=30, jitter=0.5)
    async with run_system(tree(spec, backoff=backoff), events=log.topic, random=lambda: 0.5):
        await trio.sleep(60)
    delays = [event.delay_s for event in log.events if isinstance(event, RestartScheduled)]
    assert delays == [7.5]


async def test_one_restart_too_many_and_the_supervisor_stops_the_rest_and_gives_up(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    a, b = writer("a", diary), writer("b", diary)
    for _ in range(3):
        b.ref.tell(BOOM)
    with pytest.raises(
        RestartsExhausted, match=r"root gave up: more than 2 restarts within 60 s.*root/b.*boom"
    ) as caught:
        async with run_system(tree(a, b, intensity=Intensity(restarts=2, within_s=60))):
            await trio.sleep_forever()
    assert isinstance(caught.value.__cause__, ValueError)
    assert diary == ["a started", "b started", "b started", "b started", "a stopped"]


async def test_restarts_that_are_far_apart_go_on_for_ever(autojump_clock: MockClock) -> None:
    spec = writer("a")
    async with run_system(tree(spec, intensity=Intensity(restarts=1, within_s=60))) as system:
        for _ in range(10):
            spec.ref.tell(BOOM)
            await trio.sleep(100)
        assert system.tree().children[0].life == 11


async def test_no_restart_at_all_is_a_legal_intensity(autojump_clock: MockClock) -> None:
    spec = writer("a")
    spec.ref.tell(BOOM)
    with pytest.raises(RestartsExhausted):
        async with run_system(tree(spec, intensity=Intensity(restarts=0))):
            await trio.sleep_forever()
    assert trio.current_time() == 0


async def test_a_permanent_child_that_ends_normally_too_often_exhausts_the_restarts_as_well(
    autojump_clock: MockClock,
) -> None:
    spec = finisher("a", restart=Restart.PERMANENT)
    spec.ref.tell(Finish())
    with pytest.raises(RestartsExhausted, match="it came to its end, and is permanent"):
        async with run_system(tree(spec, intensity=Intensity(restarts=0))):
            await trio.sleep_forever()


async def test_a_restart_that_fails_to_start_counts_and_is_tried_again(autojump_clock: MockClock) -> None:
    class Unlucky(Writer):
        async def on_start(self) -> None:
            if self.life in (2, 3):
                raise ValueError("not yet")

    spec = ChildSpec("a", Unlucky)
    spec.ref.tell(BOOM)
    async with run_system(tree(spec)) as system:
        await trio.sleep(1 + 2 + 4 - 0.1)
        assert system.tree().children[0].state == "waiting"
        await trio.sleep(0.2)
        assert (system.tree().children[0].state, system.tree().children[0].life) == ("running", 4)


async def test_a_group_restart_in_which_one_fails_stops_those_that_had_started_again(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []

    class Unlucky(Writer):
        async def on_start(self) -> None:
            if self.life == 2:
                raise ValueError("not yet")

    a, b, c = writer("a", diary), ChildSpec("b", Unlucky), writer("c", diary)
    async with run_system(tree(a, b, c, scope=Scope.ONE_FOR_ALL)):
        diary.clear()
        a.ref.tell(BOOM)
        await trio.sleep(5)
        assert diary == ["c stopped", "a started", "a stopped", "a started", "c started"]


# Nesting.


async def test_a_supervisor_that_gave_up_is_restarted_by_the_one_above_with_all_its_children(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    a, b = writer("a", diary), writer("b", diary)
    sub = SupervisorSpec("sub", [a, b], intensity=Intensity(restarts=0))
    async with run_system(tree(sub)) as system:
        diary.clear()
        b.ref.tell(BOOM)
        await trio.sleep(5)
        assert diary == ["a stopped", "a started", "b started"]
        node = system.tree().children[0]
        assert (node.life, node.restarts) == (2, 1)
        assert node.last_error is not None
        assert node.last_error.startswith("RestartsExhausted: root/sub gave up")


async def test_mailboxes_survive_the_restart_of_their_supervisor(autojump_clock: MockClock) -> None:
    a = writer("a")
    async with run_system(tree(SupervisorSpec("sub", [a], intensity=Intensity(restarts=0)))):
        a.ref.tell(BOOM)
        assert await a.ref.ask(Double(number=3), within_s=10) == 6


async def test_giving_up_climbs_to_the_root_when_nobody_can_help(autojump_clock: MockClock) -> None:
    log = EventLog()
    a = writer("a")
    for _ in range(10):
        a.ref.tell(BOOM)
    sub = SupervisorSpec("sub", [a], intensity=Intensity(restarts=1))
    with pytest.raises(RestartsExhausted, match="root gave up") as caught:
        async with run_system(tree(sub, intensity=Intensity(restarts=1)), events=log.topic):
            await trio.sleep_forever()
    assert isinstance(caught.value.__cause__, RestartsExhausted)
    assert len([event for event in log.of(Exited) if event.path == "root/sub/a"]) == 4
    assert log.words(StoppedForGood)[-1] == "StoppedForGood root"


async def test_a_supervisor_that_cannot_start_again_is_tried_again(autojump_clock: MockClock) -> None:
    lives: list[int] = []

    class Unlucky(Writer):
        async def on_start(self) -> None:
            lives.append(self.life)
            if self.life == 2:
                raise ValueError("not yet")

    a = ChildSpec("a", Unlucky)
    async with run_system(tree(SupervisorSpec("sub", [a], intensity=Intensity(restarts=0)))) as system:
        a.ref.tell(BOOM)
        await trio.sleep(10)
        assert lives == [1, 2, 3]
        assert system.tree().children[0].life == 3


async def test_a_stop_request_overtakes_a_restart_that_is_due_later(autojump_clock: MockClock) -> None:
    log = EventLog()
    a = writer("a")
    backoff = Backoff(first_s=30, longest_s=30, jitter=0)
    async with run_system(tree(a, backoff=backoff), events=log.topic):
        a.ref.tell(BOOM)
        await trio.sleep(1)
    assert trio.current_time() == 1
    assert log.of(Restarted) == []


async def test_a_stop_request_while_a_group_is_being_stopped_ends_in_a_stop(autojump_clock: MockClock) -> None:
    (a, _, c), spec = trio_of_writers([], Scope.ONE_FOR_ALL)
    async with run_system(spec) as system:
        c.ref.tell(Wait(seconds=3))
        await trio.testing.wait_all_tasks_blocked()
        a.ref.tell(BOOM)
        await trio.sleep(1)
        system.stop()
        await system.wait_ended()
        assert trio.current_time() == 3
        assert {node.state for node in system.tree().walk()} == {"gone"}


async def test_restarts_are_counted_where_one_looks_for_them(autojump_clock: MockClock) -> None:
    log = EventLog()
    a = writer("a")
    async with run_system(tree(a), events=log.topic) as system:
        a.ref.tell(BOOM)
        await trio.sleep(5)
        node = system.tree().children[0]
        assert (node.restarts, node.life, node.last_error) == (1, 2, "ValueError: boom")
    assert log.words(Started, Exited, RestartScheduled) == [
        "Started root/a",
        "Started root",
        "Exited root/a",
        "RestartScheduled root/a",
        "Restarted root/a",
        "Exited root/a",
        "Exited root",
    ]


async def test_a_group_begins_anew_in_order_also_without_any_wait(autojump_clock: MockClock) -> None:
    """All is due at the same moment, the members of a group that failed half-way as well."""
    started: list[tuple[str, int]] = []

    class Unlucky(Writer):
        async def on_start(self) -> None:
            started.append((self.name, self.life))
            if (self.name, self.life) == ("b", 2):
                raise ValueError("not yet")

    children = [ChildSpec(name, lambda name=name: Unlucky(name), actor=Unlucky) for name in ("a", "b", "c")]  # type: ignore[misc]
    at_once = Backoff(first_s=0, longest_s=0)
    async with run_system(tree(*children, scope=Scope.ONE_FOR_ALL, backoff=at_once)):
        started.clear()
        children[0].ref.tell(BOOM)
        await trio.sleep(5)
    assert started == [("a", 2), ("b", 2), ("a", 3), ("b", 3), ("c", 2)]


async def test_a_member_of_a_group_that_falls_while_the_next_starts_is_seen_to_before_the_one_after_that(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []

    class Slow(Writer):
        async def on_start(self) -> None:
            await trio.sleep(1)
            await super().on_start()

    a, b, c = writer("a", diary), ChildSpec("b", lambda: Slow("b", diary), actor=Slow), writer("c", diary)
    async with run_system(tree(a, b, c, scope=Scope.ONE_FOR_ALL)):
        diary.clear()
        a.ref.tell(BOOM)
        await trio.sleep(1.5)  # a has begun anew, b is about to
        a.ref.tell(BOOM)
        await trio.sleep(10)
        again = ["a started", "b started"]
        assert diary == ["c stopped", "b stopped", *again, "b stopped", *again, "c started"]
