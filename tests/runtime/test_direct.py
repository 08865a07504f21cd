"""Direct lanes: what finds its actor waiting is handled before `tell` returns, and everything else stays as it was."""

import functools
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from dogwatch.runtime import (
    ActorCrashed,
    ActorRef,
    ActorStopped,
    Answer,
    AskTimeout,
    ChildSpec,
    Lane,
    Message,
    Query,
    Reply,
    Restart,
    System,
    Topic,
    run_system,
)
from tests.runtime.crew import Crash, CrashOnAsk, Double, Note, Notes, Wait, Writer, eventually, tree

BOOM = Crash(error=ValueError("boom"))


class Urgent(Message, frozen=True, kw_only=True):
    """Something for the first lane."""

    text: str


class Do(Query[Any], frozen=True, kw_only=True):
    """Has the actor call this, and answer with what it gives."""

    action: Callable[["Clerk"], Any]


class Later(Query[str], frozen=True, kw_only=True):
    """Asks for an answer that comes when somebody tells `Urgent`."""


class Clerk(Writer):
    """A writer with direct lanes: it keeps what it hears as notes, and does what it is asked to."""

    lanes: ClassVar[tuple[Lane, ...]] = (
        Lane("urgent", accepts=(Urgent,), is_direct=True),
        Lane("slow", accepts=(str,)),
        Lane("messages", is_direct=True),
    )

    def __init__(self, name: str = "", diary: list[str] | None = None) -> None:
        super().__init__(name, diary)
        self.replies: list[Reply[str]] = []

    def on_urgent(self, message: Urgent) -> None:
        self.notes.append(message.text)
        for reply in self.replies:
            reply.send(message.text)

    def on_text(self, message: str) -> None:
        self.notes.append(message)

    def on_do(self, message: Do) -> Any:
        return message.action(self)

    def on_later(self, _message: Later, reply: Reply[str]) -> None:
        self.replies.append(reply)

    def on_answer(self, message: Answer) -> None:
        self.notes.append(f"{message.tag}: {message.value or type(message.error).__name__}")


class Crew:
    """A clerk in its place, and all the objects that it has been."""

    def __init__(self, name: str = "clerk", actor: type[Clerk] = Clerk, **options: Any) -> None:
        self.lives: list[Clerk] = []
        self.diary: list[str] = []
        self.spec = ChildSpec(name, self._start, actor=actor, **options)
        self.system: System
        self._actor = actor

    def _start(self) -> Clerk:
        self.lives.append(self._actor(self.spec.name, self.diary))
        return self.lives[-1]

    @property
    def ref(self) -> ActorRef[Clerk]:
        return self.spec.ref

    @property
    def notes(self) -> list[str]:
        """Those of the present life."""
        return self.lives[-1].notes

    def tell(self, *texts: str) -> None:
        for text in texts:
            self.ref.tell(Note(text=text))

    async def begun_anew(self, life: int = 2) -> None:
        """Wait until so many lives have begun and the last one waits for messages."""
        await eventually(lambda: len(self.lives) == life)
        await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def crewed(name: str = "clerk", actor: type[Clerk] = Clerk, **options: Any) -> AsyncIterator[Crew]:
    crew = Crew(name, actor, **options)
    async with run_system(tree(crew.spec)) as crew.system:
        await trio.testing.wait_all_tasks_blocked()
        yield crew


# What is handled at once, and what is not.


async def test_a_message_to_a_waiting_actor_is_handled_before_tell_returns(autojump_clock: MockClock) -> None:
    async with crewed() as crew:
        crew.tell("at once")
        assert crew.notes == ["at once"]
        figures = crew.ref.statistics()
        assert (figures.put, figures.taken, figures.direct, figures.depth) == (1, 1, 1, 0)


async def test_a_message_for_another_lane_is_queued_and_nothing_overtakes_it(autojump_clock: MockClock) -> None:
    async with crewed() as crew:
        crew.ref.tell("queued")
        crew.tell("behind it")
        assert crew.notes == []
        await trio.testing.wait_all_tasks_blocked()
        assert crew.notes == ["queued", "behind it"]
        crew.tell("at once again")
        assert crew.notes[-1] == "at once again"
        assert crew.ref.statistics().direct == 1


async def test_what_is_queued_is_served_by_lane_and_age(autojump_clock: MockClock) -> None:
    async with crewed() as crew:
        crew.ref.tell("slow")
        crew.tell("1", "2")
        crew.ref.tell(Urgent(text="urgent"))
        await trio.testing.wait_all_tasks_blocked()
        assert crew.notes == ["urgent", "slow", "1", "2"]


async def test_an_async_handler_is_never_run_on_the_senders_step(autojump_clock: MockClock) -> None:
    async with crewed() as crew:
        crew.ref.tell(Wait(seconds=1))
        crew.tell("behind it")
        assert crew.notes == []
        await trio.sleep(2)
        assert (crew.notes, crew.diary) == (["behind it"], ["clerk started", "clerk waited"])


async def test_while_an_async_handler_goes_on_messages_are_queued(autojump_clock: MockClock) -> None:
    async with crewed() as crew:
        crew.ref.tell(Wait(seconds=1))
        await trio.testing.wait_all_tasks_blocked()
        crew.tell("later")
        assert crew.notes == []
        await trio.sleep(2)
        assert crew.notes == ["later"]


async def test_before_an_actor_serves_its_messages_are_queued(autojump_clock: MockClock) -> None:
    class Preparing(Clerk):
        async def on_start(self) -> None:
            self.ref.tell(Note(text="from on_start"))
            self.notes.append("on_start")
            await trio.sleep(1)

        async def run(self) -> None:
            self.ref.tell(Note(text="from run"))
            self.notes.append("run")
            await super().run()

    async with crewed(actor=Preparing) as crew:
        await trio.sleep(2)
        assert crew.notes == ["on_start", "run", "from on_start", "from run"]


async def test_a_message_of_a_derived_type_is_handled_at_once_from_the_second_on(autojump_clock: MockClock) -> None:
    class Longer(Note, frozen=True, kw_only=True):
        pass

    async with crewed() as crew:
        for number in range(3):
            crew.ref.tell(Longer(text=str(number)))
            await trio.testing.wait_all_tasks_blocked()
        assert crew.notes == ["0", "1", "2"]
        assert crew.ref.statistics().direct == 2


async def test_a_message_that_no_lane_accepts_is_still_the_senders_mistake(autojump_clock: MockClock) -> None:
    class Narrow(Clerk):
        lanes: ClassVar[tuple[Lane, ...]] = (Lane("notes", accepts=(Note,), is_direct=True),)

    async with crewed(actor=Narrow) as crew:
        with pytest.raises(TypeError, match="accepts no Urgent"):
            crew.ref.tell(Urgent(text="no lane for it"))


async def test_a_publisher_has_its_event_handled_at_once(autojump_clock: MockClock) -> None:
    topic: Topic[Note] = Topic("notes")

    async with crewed() as crew:
        crew.lives[0].subscribe(topic)
        topic.publish(Note(text="published"))
        assert crew.notes == ["published"]


async def test_a_timers_message_is_handled_at_its_time(autojump_clock: MockClock) -> None:
    async with crewed() as crew:
        crew.lives[0].tell_after(1, Note(text="after a second"))
        crew.lives[0].tell_every(0.4, Note(text="tick"))
        await trio.sleep(1.1)
        assert crew.notes == ["tick", "tick", "after a second"]
        assert crew.ref.statistics().direct == 3


# One message at a time.


async def test_what_an_actor_tells_itself_while_it_handles_a_message_comes_afterwards(
    autojump_clock: MockClock,
) -> None:
    def tell_itself(clerk: Clerk) -> None:
        clerk.ref.tell(Note(text="told"))
        clerk.notes.append("handled")

    async with crewed() as crew:
        crew.ref.tell(Do(action=tell_itself))
        crew.tell("behind it")
        assert crew.notes == ["handled"]
        await trio.testing.wait_all_tasks_blocked()
        assert crew.notes == ["handled", "told", "behind it"]


async def test_two_actors_that_answer_each_other_at_once_do_so_one_message_at_a_time(
    autojump_clock: MockClock,
) -> None:
    first, second = Crew("first"), Crew("second")

    def answer(clerk: Clerk) -> None:
        first.tell("back")
        clerk.notes.append("there")

    def ask(clerk: Clerk) -> None:
        second.ref.tell(Do(action=answer))
        clerk.notes.append("gone on")

    async with run_system(tree(first.spec, second.spec)):
        await trio.testing.wait_all_tasks_blocked()
        first.ref.tell(Do(action=ask))
        assert (first.notes, second.notes) == (["gone on"], ["there"])
        await trio.testing.wait_all_tasks_blocked()
        assert first.notes == ["gone on", "back"]


async def test_while_an_actor_hears_a_topic_that_it_taps_messages_are_queued(autojump_clock: MockClock) -> None:
    topic: Topic[str] = Topic("words")

    async with crewed() as crew:

        def hear(word: str) -> None:
            crew.tell("told by the tap")
            crew.notes.append(word)

        crew.lives[0].tap(topic, hear)
        topic.publish("heard")
        assert crew.notes == ["heard"]
        await trio.testing.wait_all_tasks_blocked()
        crew.tell("at once")
        assert crew.notes == ["heard", "told by the tap", "at once"]


async def test_a_tap_within_a_direct_handling_does_not_let_the_next_message_in(autojump_clock: MockClock) -> None:
    topic: Topic[str] = Topic("words")

    def publish(clerk: Clerk) -> None:
        topic.publish("heard")
        clerk.ref.tell(Note(text="told"))
        clerk.notes.append("handled")

    async with crewed() as crew:
        crew.lives[0].tap(topic, crew.lives[0].notes.append)
        crew.ref.tell(Do(action=publish))
        await trio.testing.wait_all_tasks_blocked()
        assert crew.notes == ["heard", "handled", "told"]


# Asks.


async def test_an_ask_is_answered_without_waiting(autojump_clock: MockClock) -> None:
    async with crewed() as crew:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crew.lives[0].on_notes, Notes())
            assert await crew.ref.ask(Double(number=4), within_s=1) == 8
            assert len(nursery.child_tasks) == 1  # nobody else has run
        assert len(crew.ref.mailbox.timers) == 0
        assert crew.ref.statistics().direct == 1


async def test_an_answer_that_comes_later_is_waited_for(autojump_clock: MockClock) -> None:
    async with crewed() as crew:
        crew.lives[0].tell_after(3, Urgent(text="now"))
        assert await crew.ref.ask(Later(), within_s=10) == "now"
        assert trio.current_time() == 3


async def test_an_answer_that_never_comes_is_waited_for_as_long_as_was_said(autojump_clock: MockClock) -> None:
    async with crewed() as crew:
        with pytest.raises(AskTimeout):
            await crew.ref.ask(Later(), within_s=2)
        assert trio.current_time() == 2
        crew.ref.tell(Urgent(text="too late"))
        assert crew.ref.statistics().late == 1


@pytest.mark.parametrize("within_s", [0.0, -1.0])
async def test_a_question_whose_time_is_over_already_is_not_handled(within_s: float, autojump_clock: MockClock) -> None:
    async with crewed() as crew:
        with pytest.raises(AskTimeout):
            await crew.ref.ask(Do(action=lambda clerk: clerk.notes.append("handled")), within_s=within_s)
        crew.ref.request(
            Do(action=lambda clerk: clerk.notes.append("handled")), reply_to=crew.ref, tag="tag", within_s=within_s
        )
        await trio.sleep(1)
        assert crew.notes == ["tag: AskTimeout"]
        assert crew.ref.statistics().expired == 2


async def test_a_request_that_is_answered_at_once_is_told_like_any_other(autojump_clock: MockClock) -> None:
    async with crewed() as crew, crewed("asker") as asker:
        crew.ref.request(Double(number=2), reply_to=asker.ref, tag="double", within_s=1)
        assert asker.notes == ["double: 4"]
        assert len(crew.ref.mailbox.timers) == 0


async def test_the_answer_to_a_request_of_a_busy_actor_comes_when_it_is_done(autojump_clock: MockClock) -> None:
    def request(clerk: Clerk) -> None:
        other.ref.request(Double(number=2), reply_to=clerk.ref, tag="double")
        clerk.notes.append("requested")

    async with crewed("other") as other, crewed() as crew:
        crew.ref.tell(Do(action=request))
        assert crew.notes == ["requested"]
        await trio.testing.wait_all_tasks_blocked()
        assert crew.notes == ["requested", "double: 4"]


async def test_an_asker_whose_asks_are_all_answered_at_once_lets_the_others_run(autojump_clock: MockClock) -> None:
    passes = 0

    async def count() -> None:
        nonlocal passes
        while True:
            passes += 1
            await trio.lowlevel.checkpoint()

    async with crewed() as crew, trio.open_nursery() as nursery:
        nursery.start_soon(count)
        for number in range(320):
            await crew.ref.ask(Double(number=number), within_s=1)
        assert passes >= 9
        nursery.cancel_scope.cancel()
    assert crew.ref.statistics().direct == 320


async def test_an_answer_that_is_there_is_not_lost_to_a_cancellation(autojump_clock: MockClock) -> None:
    answers: list[int] = []

    def cancel(_clerk: Clerk) -> int:
        scope.cancel()
        return len(answers)

    async with crewed() as crew:
        with trio.CancelScope() as scope:
            while True:
                answers.append(await crew.ref.ask(Do(action=cancel), within_s=1))
        assert answers == [0]


# Crashes and ends.


async def test_what_a_handler_raises_crashes_its_actor_and_not_the_sender(autojump_clock: MockClock) -> None:
    async with crewed() as crew:
        crew.ref.tell(BOOM)
        crew.tell("for the next life")
        assert crew.lives[0].notes == []
        await crew.begun_anew()
        assert crew.notes == ["for the next life"]
        crew.tell("at once")
        assert crew.notes == ["for the next life", "at once"]
        assert crew.system.tree().children[0].last_error == "ValueError: boom"


async def test_the_asker_of_a_crash_is_told_of_it_at_once(autojump_clock: MockClock) -> None:
    async with crewed() as crew:
        with pytest.raises(ActorCrashed, match="root/clerk crashed: ValueError: cannot answer"):
            await crew.ref.ask(CrashOnAsk(), within_s=60)
        assert trio.current_time() == 0


async def test_a_crash_answers_the_questions_that_were_taken_before(autojump_clock: MockClock) -> None:
    async with crewed() as crew, trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ActorCrashed, match="boom"):
                await crew.ref.ask(Later(), within_s=60)

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        crew.ref.tell(BOOM)
    assert trio.current_time() == 0


async def test_an_actor_that_is_gone_for_good_says_so(autojump_clock: MockClock) -> None:
    async with crewed(restart=Restart.TEMPORARY) as crew:
        crew.ref.tell(BOOM)
        await eventually(lambda: crew.system.tree().children[0].state == "gone")
        with pytest.raises(ActorStopped):
            crew.tell("too late")


async def test_an_actor_that_was_asked_to_stop_handles_nothing_more(autojump_clock: MockClock) -> None:
    async with crewed() as crew:
        crew.lives[0].tasks.start_soon(trio.sleep_forever)
        crew.system.stop()
        while crew.system.tree().children[0].state != "stopping":
            await trio.lowlevel.checkpoint()
        crew.tell("too late")
        await crew.system.wait_ended()
        assert crew.notes == []
        assert crew.diary == ["clerk started", "clerk stopped"]


@pytest.mark.parametrize("handler_within_s", [1.0, math.inf])
async def test_a_life_that_is_asked_to_stop_within_a_handler_finishes_it_and_says_goodbye(
    handler_within_s: float, autojump_clock: MockClock
) -> None:
    def stop(clerk: Clerk) -> None:
        crew.system.root.children[0].request_stop(for_good=True)
        crew.tell("too late")
        clerk.notes.append("finished")

    async with crewed(handler_within_s=handler_within_s) as crew:
        assert await crew.ref.ask(Do(action=stop), within_s=10) is None
        crew.tell("too late as well")
        await eventually(lambda: crew.system.tree().children[0].state == "down")
        assert crew.notes == ["finished"]
        assert crew.diary == ["clerk started", "clerk stopped"]
        assert trio.current_time() < 1


async def test_a_question_that_is_kept_is_answered_when_its_actor_stops(autojump_clock: MockClock) -> None:
    async with crewed() as crew, trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ActorStopped, match="ended before it answered"):
                await crew.ref.ask(Later(), within_s=60)

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        crew.system.root.children[0].request_stop(for_good=True)
    assert trio.current_time() == 0


async def test_a_life_that_is_killed_within_a_handler_handles_nothing_more(autojump_clock: MockClock) -> None:
    async with crewed() as crew:
        crew.ref.tell(Do(action=lambda _clerk: crew.system.stop(at_once=True)))
        crew.tell("too late")
        await crew.system.wait_ended()
        assert (crew.notes, crew.diary) == ([], ["clerk started"])


async def test_a_life_whose_serving_was_cancelled_by_its_author_handles_nothing_meanwhile(
    autojump_clock: MockClock,
) -> None:
    class Pausing(Clerk):
        async def run(self) -> None:
            with trio.move_on_after(1):
                await self.serve()
            self.notes.append("paused")
            await trio.sleep(1)
            await self.serve()

    async with crewed(actor=Pausing) as crew:
        await trio.sleep(1.5)
        crew.tell("while it pauses")
        assert crew.notes == ["paused"]
        await trio.sleep(1)
        crew.tell("at once")
        assert crew.notes == ["paused", "while it pauses", "at once"]


async def test_an_interrupt_within_a_handler_goes_through_the_sender_and_ends_the_life(
    autojump_clock: MockClock,
) -> None:
    def interrupt(_clerk: Clerk) -> None:
        raise KeyboardInterrupt

    async with crewed() as crew:
        with pytest.raises(KeyboardInterrupt):
            crew.ref.tell(Do(action=interrupt))
        crew.tell("for the next life")
        assert crew.lives[0].notes == []
        await crew.begun_anew()
        assert crew.notes == ["for the next life"]


# Handlers that are not what they seem.


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(self: Clerk, message: Any) -> Any:
        self.notes.append("called")
        return function(self, message)

    return wrapper


class Decorated(Clerk):
    @logged
    async def on_note(self, message: Note) -> None:
        await trio.sleep(1)
        self.notes.append(message.text)

    def on_double(self, message: Double) -> Coroutine[Any, Any, int]:  # type: ignore[override]
        return self._doubled(message.number)

    async def _doubled(self, number: int) -> int:
        await trio.sleep(1)
        return number * 2


async def test_an_async_handler_behind_a_decorator_is_known_as_one(autojump_clock: MockClock) -> None:
    assert Decorated.handlers[Note].is_async
    async with crewed(actor=Decorated) as crew:
        crew.tell("waited for")
        assert crew.ref.statistics().direct == 0
        await trio.sleep(2)
        assert crew.notes == ["called", "waited for"]


async def test_a_plain_function_that_gives_a_coroutine_is_gone_on_with_by_the_actor(
    autojump_clock: MockClock,
) -> None:
    async with crewed(actor=Decorated) as crew:
        for number in (1, 2):
            began_s = trio.current_time()
            assert await crew.ref.ask(Double(number=number), within_s=10) == number * 2
            assert trio.current_time() == began_s + 1
        assert crew.ref.statistics().direct == 1


async def test_what_the_function_of_one_actor_gave_says_nothing_of_another_of_its_class(
    autojump_clock: MockClock,
) -> None:
    for _ in range(2):
        async with crewed(actor=Decorated) as crew:
            assert await crew.ref.ask(Double(number=1), within_s=10) == 2
            assert crew.ref.statistics().direct == 1


async def test_a_coroutine_that_nobody_can_go_on_with_is_closed(autojump_clock: MockClock) -> None:
    class Leaving(Clerk):
        def on_double(self, message: Double) -> Coroutine[Any, Any, None]:  # type: ignore[override]
            crew.system.stop(at_once=True)
            return self._doubled(message.number)

        async def _doubled(self, _number: int) -> None:
            self.notes.append("gone on")

    async with crewed(actor=Leaving) as crew:
        crew.ref.tell(Double(number=1))
        await crew.system.wait_ended()
    assert crew.notes == []
