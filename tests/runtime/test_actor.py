"""Actors as their authors see them: messages, asks, life hooks, timers."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from dogwatch.runtime import (
    Actor,
    ChildSpec,
    Gap,
    Lane,
    Message,
    Overflow,
    Overflowed,
    Topic,
    run_system,
)
from tests.runtime.crew import Crash, Double, Note, Notes, Writer, tree, writer


async def test_a_told_message_is_handled_by_the_handler_for_its_type(autojump_clock: MockClock) -> None:
    spec = writer("clerk")
    async with run_system(tree(spec)):
        spec.ref.tell(Note(text="one"))
        spec.ref.tell(Note(text="two"))
        assert await spec.ref.ask(Notes(), within_s=1) == ("one", "two")


async def test_an_ask_is_answered_with_the_return_value_of_the_handler(autojump_clock: MockClock) -> None:
    spec = writer("clerk")
    async with run_system(tree(spec)):
        assert await spec.ref.ask(Double(number=21), within_s=1) == 42


async def test_messages_told_before_the_first_life_are_handled_in_it(autojump_clock: MockClock) -> None:
    spec = writer("clerk")
    spec.ref.tell(Note(text="early"))
    async with run_system(tree(spec)):
        assert await spec.ref.ask(Notes(), within_s=1) == ("early",)


async def test_an_ask_before_there_is_a_system_says_what_to_do(autojump_clock: MockClock) -> None:
    spec = writer("clerk")
    with pytest.raises(RuntimeError, match="run the system first"):
        await spec.ref.ask(Double(number=1), within_s=1)


async def test_an_actor_knows_its_place_its_life_and_its_address(autojump_clock: MockClock) -> None:
    seen: list[object] = []

    class Curious(Actor):
        async def on_start(self) -> None:
            seen.extend([self.path, self.life, self.ref is spec.ref, self.ref.name])

    spec = ChildSpec("curious", Curious)
    async with run_system(tree(spec)):
        assert seen == ["root/curious", 1, True, "curious"]


def test_before_its_life_an_actor_says_when_to_ask_for_its_place() -> None:
    with pytest.raises(RuntimeError, match="Writer has no life yet: use this from on_start on"):
        _ = Writer().ref


class Tick(Message, frozen=True, kw_only=True):
    """What timers tell."""

    number: int = 0


class Timed(Actor):
    """Writes down when its ticks come: (number, seconds, life)."""

    def __init__(self, ticks: list[tuple[int, float, int]], begin: Callable[["Timed"], Any]) -> None:
        self.ticks = ticks
        self.begin = begin

    async def on_start(self) -> None:
        self.begin(self)

    def on_tick(self, message: Tick) -> None:
        self.ticks.append((message.number, trio.current_time(), self.life))

    def on_crash(self, message: Crash) -> None:
        raise message.error


def timed(ticks: list[tuple[int, float, int]], begin: Callable[[Timed], Any]) -> ChildSpec[Timed]:
    return ChildSpec("timed", lambda: Timed(ticks, begin), actor=Timed)


async def test_a_timer_tells_its_message_once_when_it_is_due(autojump_clock: MockClock) -> None:
    ticks: list[tuple[int, float, int]] = []
    async with run_system(tree(timed(ticks, lambda actor: actor.tell_after(3, Tick(number=7))))):
        await trio.sleep(10)
    assert ticks == [(7, 3, 1)]


async def test_a_periodic_timer_tells_its_message_again_and_again(autojump_clock: MockClock) -> None:
    ticks: list[tuple[int, float, int]] = []
    async with run_system(tree(timed(ticks, lambda actor: actor.tell_every(2, Tick())))):
        await trio.sleep(7)
    assert [at_s for _, at_s, _ in ticks] == [2, 4, 6]


async def test_a_cancelled_timer_tells_nothing(autojump_clock: MockClock) -> None:
    ticks: list[tuple[int, float, int]] = []

    def begin(actor: Timed) -> None:
        actor.tell_after(1, Tick(number=1)).cancel()
        actor.tell_after(2, Tick(number=2))
        periodic = actor.tell_every(3, Tick(number=3))
        periodic.cancel()
        periodic.cancel()

    async with run_system(tree(timed(ticks, begin))):
        await trio.sleep(10)
    assert ticks == [(2, 2, 1)]


async def test_timers_that_are_over_are_not_kept(autojump_clock: MockClock) -> None:
    kept: list[int] = []

    def begin(actor: Timed) -> None:
        for _ in range(100):
            actor.tell_after(1000, Tick()).cancel()
            actor.tell_after(math.inf, Tick())
        actor.tell_after(1, Tick())
        actor.tell_after(1000, Tick())

    class Counting(Timed):
        def on_tick(self, message: Tick) -> None:
            life = self._runtime_life
            assert life is not None
            kept.append(len(life._timers))

    async with run_system(tree(ChildSpec("timed", lambda: Counting([], begin), actor=Counting))):
        await trio.sleep(2)
    assert kept == [1]


async def test_a_period_of_zero_is_refused(autojump_clock: MockClock) -> None:
    refused: list[ValueError] = []

    def begin(actor: Timed) -> None:
        try:
            actor.tell_every(0, Tick())
        except ValueError as error:
            refused.append(error)

    async with run_system(tree(timed([], begin))):
        assert "the period must be positive" in str(refused[0])


async def test_topic_events_come_to_the_own_mailbox_until_the_life_ends(autojump_clock: MockClock) -> None:
    topic: Topic[Note] = Topic("notes")

    class Listener(Writer):
        async def on_start(self) -> None:
            self.subscribe(topic)

    spec = ChildSpec("listener", Listener)
    async with run_system(tree(spec)):
        topic.publish(Note(text="first life"))
        assert await spec.ref.ask(Notes(), within_s=1) == ("first life",)
        spec.ref.tell(Crash(error=ValueError("end of the first life")))
        await trio.testing.wait_all_tasks_blocked()
        topic.publish(Note(text="between two lives"))
        await trio.sleep(5)
        topic.publish(Note(text="second life"))
        assert await spec.ref.ask(Notes(), within_s=1) == ("second life",)


async def test_a_topic_s_events_come_as_what_the_subscriber_makes_of_them(autojump_clock: MockClock) -> None:
    topic: Topic[str] = Topic("words")

    class Listener(Writer):
        async def on_start(self) -> None:
            self.subscribe(topic, put_as=lambda word: Note(text=word.upper()))

    spec = ChildSpec("listener", Listener)
    async with run_system(tree(spec)):
        topic.publish("a word")
        assert await spec.ref.ask(Notes(), within_s=1) == ("A WORD",)


async def test_a_tap_that_raises_crashes_its_own_actor_and_not_the_publisher(autojump_clock: MockClock) -> None:
    topic: Topic[str] = Topic("words")

    class Fragile(Writer):
        async def on_start(self) -> None:
            self.tap(topic, self.hear)

        def hear(self, event: str) -> None:
            raise ValueError(event)

    spec = ChildSpec("fragile", Fragile)
    heard: list[str] = []
    async with run_system(tree(spec)) as system:
        topic.tap(heard.append, on_error=lambda _: None)
        topic.publish("boom")
        await trio.sleep(5)
        assert heard == ["boom"]
        node = system.tree().children[0]
        assert (node.life, node.last_error) == (2, "ValueError: boom")


async def test_of_several_failures_the_first_is_the_reason(autojump_clock: MockClock) -> None:
    topic: Topic[str] = Topic("words")

    class Fragile(Writer):
        async def on_start(self) -> None:
            self.tap(topic, self.hear)

        async def run(self) -> None:
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                raise ValueError("second") from None

        def hear(self, event: str) -> None:
            raise ValueError(event)

    async with run_system(tree(ChildSpec("fragile", Fragile))) as system:
        await trio.testing.wait_all_tasks_blocked()
        topic.publish("first")
        await trio.sleep(0.5)
        assert system.tree().children[0].last_error == "ValueError: first"


async def test_what_is_kept_until_the_end_is_closed_with_the_life(autojump_clock: MockClock) -> None:
    topic: Topic[str] = Topic("words")

    class Follower(Writer):
        async def on_start(self) -> None:
            subscription = self.until_end(topic.stream(overflow=Overflow.STOP))
            subscriptions.append(subscription)

    subscriptions: list[Any] = []
    spec = ChildSpec("follower", Follower)
    async with run_system(tree(spec)):
        assert not subscriptions[0].closed
        spec.ref.tell(Crash(error=ValueError("end of the first life")))
        await trio.sleep(5)
        assert [subscription.closed for subscription in subscriptions] == [True, False]


async def test_an_authors_private_names_do_not_meet_those_of_the_runtime(autojump_clock: MockClock) -> None:
    class Private(Writer):
        _life = _begin = _mailbox = _handlers = "mine"

    spec = ChildSpec("private", Private)
    async with run_system(tree(spec)):
        assert await spec.ref.ask(Double(number=2), within_s=1) == 4


async def test_a_task_that_raises_crashes_its_actor_with_its_own_error(autojump_clock: MockClock) -> None:
    class Busy(Writer):
        async def on_start(self) -> None:
            if self.life == 1:
                self.tasks.start_soon(self.work)

        async def work(self) -> None:
            await trio.sleep(1)
            raise ValueError("in a task")

    spec = ChildSpec("busy", Busy)
    async with run_system(tree(spec)) as system:
        await trio.sleep(5)
        node = system.tree().children[0]
        assert (node.life, node.last_error) == (2, "ValueError: in a task")


async def test_a_consumer_that_may_miss_nothing_begins_anew_when_it_cannot_keep_up(
    autojump_clock: MockClock,
) -> None:
    class Fills(Writer):
        lanes: ClassVar = (Lane("fills", accepts=(Note,), capacity=2, overflow=Overflow.STOP), Lane("messages"))

    spec = ChildSpec("fills", Fills)
    async with run_system(tree(spec)) as system:
        for number in range(3):
            spec.ref.tell(Note(text=str(number)))
        await trio.sleep(5)
        node = system.tree().children[0]
        assert node.life == 2
        assert node.last_error == "MailboxFull: root/fills: lane 'fills' is full, 2 messages wait"
        assert await spec.ref.ask(Notes(), within_s=1) == ()


async def test_the_marker_of_an_overflow_reaches_its_handler_in_its_place(autojump_clock: MockClock) -> None:
    seen: list[object] = []

    class Trades(Actor):
        lanes: ClassVar = (
            Lane("depth", accepts=(Tick, Overflowed), capacity=2, overflow=Overflow.CLEAR),
            Lane("trades", capacity=2, overflow=Overflow.DROP_OLDEST),
        )

        def on_any(self, message: Note | Gap | Tick | Overflowed) -> None:
            seen.append(message)

    spec = ChildSpec("trades", Trades)
    for number in range(4):
        spec.ref.tell(Note(text=str(number)))
        spec.ref.tell(Tick(number=number))
    async with run_system(tree(spec)):
        await trio.testing.wait_all_tasks_blocked()
    assert seen == [
        Overflowed(lane="depth", dropped=2),
        Tick(number=2),
        Tick(number=3),
        Gap(lane="trades", dropped=2),
        Note(text="2"),
        Note(text="3"),
    ]


async def test_an_actor_reports_figures_of_its_own_and_a_broken_report_does_no_harm(
    autojump_clock: MockClock,
) -> None:
    class Counting(Actor):
        def statistics(self) -> dict[str, Any]:
            return {"orders": 3}

    class Broken(Actor):
        def statistics(self) -> dict[str, Any]:
            raise ValueError("no figures")

    async with run_system(tree(ChildSpec("counting", Counting), ChildSpec("broken", Broken))) as system:
        counting, broken = system.tree().children
        assert counting.statistics == {"orders": 3}
        assert broken.statistics == {"statistics_failed": "ValueError: no figures"}
        assert broken.state == "running"


async def test_a_periodic_message_that_fits_no_lane_crashes_its_own_actor_and_nobody_else(
    autojump_clock: MockClock,
) -> None:
    class Mistaken(Writer):
        lanes: ClassVar = (Lane("notes", accepts=(Note,)),)

        async def on_start(self) -> None:
            if self.life == 1:
                self.tell_every(1, Tick())

    other = writer("other")
    async with run_system(tree(ChildSpec("mistaken", Mistaken), other)) as system:
        await trio.sleep(10)
        mistaken = system.tree().children[0]
        assert (mistaken.life, mistaken.state) == (2, "running")
        assert (
            mistaken.last_error
            == "TypeError: root/mistaken accepts no Tick: none of its lanes (notes) is for this type"
        )
        assert await other.ref.ask(Double(number=1), within_s=1) == 2


class Stuck:
    """Something whose closing fails."""

    def close(self) -> None:
        raise OSError("stuck")


async def test_what_cannot_be_closed_is_a_crash_of_its_own_actor_and_keeps_nothing_else_open(
    autojump_clock: MockClock,
) -> None:
    topic: Topic[str] = Topic("words")

    class Holding(Writer):
        async def on_start(self) -> None:
            self.held = [self.until_end(Stuck()), self.until_end(topic.latest()), self.until_end(Stuck())]
            if self.life == 1:
                self.tell_every(1, Note(text="tick of the first life"))
                self.tasks.start_soon(self.leave)

        async def run(self) -> None:
            self.left = trio.Event()
            self.tasks.start_soon(self.serve)
            await self.left.wait()

        async def leave(self) -> None:
            await trio.sleep(0.5)
            self.left.set()

    spec, other = ChildSpec("holding", Holding), writer("other")
    async with run_system(tree(spec, other)) as system:
        await trio.sleep(10)
        assert system.tree().children[0].last_error == "OSError: stuck"
        assert await spec.ref.ask(Notes(), within_s=1) == ()
        assert await other.ref.ask(Double(number=1), within_s=1) == 2
    assert repr(topic) == "<Topic words: 0 listeners, 0 published>"
