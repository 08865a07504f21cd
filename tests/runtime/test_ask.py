"""Asks: answers, refusals, crashes and deadlines; and requests, the asks that do not wait."""

import math
from typing import Any, ClassVar

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from dogwatch.runtime import (
    Actor,
    ActorCrashed,
    ActorRef,
    ActorStopped,
    Answer,
    AskTimeout,
    ChildSpec,
    Lane,
    MailboxFull,
    Message,
    Overflow,
    Query,
    Reply,
    Restart,
    run_system,
)
from tests.runtime.crew import (
    Crash,
    CrashOnAsk,
    Double,
    Note,
    Notes,
    Wait,
    Writer,
    eventually,
    finisher,
    tree,
    writer,
)


async def ask_in_vain(ref: ActorRef[Any], query: Query[Any], within_s: float) -> None:
    """Ask, and do not mind that no answer comes in time."""
    with pytest.raises(AskTimeout):
        await ref.ask(query, within_s=within_s)


# Crashes and answers.


async def test_the_crash_of_the_callee_is_answered_at_once(autojump_clock: MockClock) -> None:
    spec = writer("clerk")
    async with run_system(tree(spec)):
        begun_s = trio.current_time()
        with pytest.raises(ActorCrashed, match="root/clerk crashed: ValueError: cannot answer") as caught:
            await spec.ref.ask(CrashOnAsk(), within_s=60)
        assert trio.current_time() == begun_s
        assert isinstance(caught.value.__cause__, ValueError)


async def test_queued_messages_survive_a_crash_and_the_one_that_crashed_is_never_redelivered(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    spec = writer("clerk", diary)
    async with run_system(tree(spec)):
        spec.ref.tell(Note(text="lost with the first life"))
        spec.ref.tell(Crash(error=ValueError("once")))
        spec.ref.tell(Note(text="kept"))
        assert await spec.ref.ask(Notes(), within_s=10) == ("kept",)
        assert diary == ["clerk started", "clerk started"]


async def test_an_ask_that_waits_in_the_mailbox_survives_a_crash(autojump_clock: MockClock) -> None:
    spec = writer("clerk")
    async with run_system(tree(spec)):
        spec.ref.tell(Crash(error=ValueError("once")))
        assert await spec.ref.ask(Double(number=1), within_s=10) == 2


async def test_a_message_without_handler_crashes_the_actor_and_says_what_is_missing(
    autojump_clock: MockClock,
) -> None:
    spec = ChildSpec("silent", Actor, restart=Restart.TEMPORARY)
    async with run_system(tree(spec)):
        with pytest.raises(ActorCrashed, match=r"root/silent has no handler for Double: write on_…\(self, message"):
            await spec.ref.ask(Double(number=1), within_s=1)


async def test_a_stopped_actor_says_so_to_tells_and_asks(autojump_clock: MockClock) -> None:
    spec = finisher("clerk", restart=Restart.TEMPORARY)
    async with run_system(tree(spec)) as system:
        spec.ref.tell(Crash(error=ValueError("for good")))
        await eventually(lambda: system.tree().children[0].state == "gone")
        with pytest.raises(ActorStopped, match="root/clerk has stopped"):
            spec.ref.tell(Note(text="too late"))
        with pytest.raises(ActorStopped, match="root/clerk has stopped"):
            await spec.ref.ask(Double(number=1), within_s=1)


async def test_asks_in_the_mailbox_of_an_actor_that_stops_for_good_are_answered_at_once(
    autojump_clock: MockClock,
) -> None:
    spec = writer("clerk", restart=Restart.TEMPORARY)
    async with run_system(tree(spec)):
        spec.ref.tell(Crash(error=ValueError("for good")))
        with pytest.raises(ActorStopped, match="stopped before it handled the message"):
            await spec.ref.ask(Double(number=1), within_s=60)
        assert trio.current_time() == 0


# Deadlines.


async def test_an_ask_that_is_not_answered_in_time_raises_and_the_late_answer_is_dropped_and_counted(
    autojump_clock: MockClock,
) -> None:
    spec = writer("clerk")
    async with run_system(tree(spec)):
        with pytest.raises(AskTimeout, match="root/clerk did not answer in time"):
            await spec.ref.ask(Wait(seconds=5), within_s=2)
        assert trio.current_time() == 2
        assert await spec.ref.ask(Double(number=1), within_s=10) == 2
        assert spec.ref.statistics().late == 1


async def test_an_asker_learns_whether_the_actor_had_come_to_it_in_time(autojump_clock: MockClock) -> None:
    spec = writer("clerk")
    begun: list[bool] = []

    async def ask(query: Query[Any]) -> None:
        with pytest.raises(AskTimeout) as timeout:
            await spec.ref.ask(query, within_s=2)
        begun.append(timeout.value.is_begun)

    async with run_system(tree(spec)), trio.open_nursery() as nursery:
        nursery.start_soon(ask, Wait(seconds=5))
        await trio.sleep(1)
        nursery.start_soon(ask, Wait(seconds=5))
    assert begun == [True, False]
    assert spec.ref.statistics().taken == 1


async def test_an_answered_ask_leaves_no_deadline_behind(autojump_clock: MockClock) -> None:
    spec = writer("clerk")
    async with run_system(tree(spec)):
        await spec.ref.ask(Double(number=1), within_s=2)
        assert len(spec.ref.mailbox.timers) == 0
        await trio.sleep(10)
        assert spec.ref.statistics().late == 0


async def test_an_ask_before_there_is_a_system_leaves_no_deadline_behind(autojump_clock: MockClock) -> None:
    spec = writer("clerk")
    with pytest.raises(RuntimeError, match="clerk is not part of a system yet"):
        await spec.ref.ask(Double(number=1), within_s=60)
    async with run_system(tree(spec)):
        assert await spec.ref.ask(Double(number=2), within_s=60) == 4
        assert len(spec.ref.mailbox.timers) == 0


async def test_an_expired_ask_is_not_handled_but_counted(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    spec = writer("clerk", diary)
    async with run_system(tree(spec)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_in_vain, spec.ref, Wait(seconds=5), 4)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(ask_in_vain, spec.ref, Wait(seconds=1), 2)
        await trio.sleep(20)
        assert diary == ["clerk started", "clerk waited"]
        assert spec.ref.statistics().expired == 1


async def test_the_ask_of_a_cancelled_caller_is_not_handled_any_more(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    spec = writer("clerk", diary)
    async with run_system(tree(spec)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_in_vain, spec.ref, Wait(seconds=5), 4)
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(1):
                await spec.ref.ask(Wait(seconds=1), within_s=60)
        await trio.sleep(20)
        assert diary == ["clerk started", "clerk waited"]
        assert spec.ref.statistics().expired == 1


async def test_a_caller_that_is_cancelled_already_asks_nothing(autojump_clock: MockClock) -> None:
    spec = writer("clerk")
    async with run_system(tree(spec)):
        with trio.CancelScope() as scope:
            scope.cancel()
            await spec.ref.ask(Double(number=1), within_s=1)
        assert scope.cancelled_caught
        assert spec.ref.statistics().put == 0


class Slowly(Query[str], frozen=True, kw_only=True):
    """Asks for something that takes a while."""

    takes_s: float = 1.0


class Release(Message, frozen=True, kw_only=True):
    """Answers the oldest open ask."""

    text: str


class Reluctant(Actor):
    """Keeps its replies and answers when told to."""

    lanes: ClassVar = (Lane("messages", capacity=4),)

    def __init__(self) -> None:
        self.replies: list[Reply[str]] = []

    def on_slowly(self, _message: Slowly, reply: Reply[str]) -> None:
        self.replies.append(reply)

    def on_release(self, message: Release) -> None:
        self.replies.pop(0).send(message.text)

    def on_double(self, _message: Double, reply: Reply[int]) -> None:
        reply.fail(LookupError("no numbers here"))

    def on_crash(self, message: Crash) -> None:
        raise message.error


def reluctant(**options: Any) -> ChildSpec[Reluctant]:
    return ChildSpec("reluctant", Reluctant, **options)


async def test_a_handler_may_keep_the_reply_and_answer_later(autojump_clock: MockClock) -> None:
    spec = reluctant()
    async with run_system(tree(spec)), trio.open_nursery() as nursery:

        async def release() -> None:
            await trio.sleep(3)
            spec.ref.tell(Release(text="at last"))

        nursery.start_soon(release)
        assert await spec.ref.ask(Slowly(), within_s=10) == "at last"
        assert trio.current_time() == 3


async def test_a_refusal_raises_the_reason_in_the_asker_and_nothing_in_the_actor(autojump_clock: MockClock) -> None:
    spec = reluctant()
    async with run_system(tree(spec)) as system:
        with pytest.raises(LookupError, match="no numbers here"):
            await spec.ref.ask(Double(number=1), within_s=1)
        assert system.tree().children[0].life == 1


async def test_a_kept_reply_is_answered_when_its_actor_crashes_over_something_else(
    autojump_clock: MockClock,
) -> None:
    spec = reluctant()
    async with run_system(tree(spec)), trio.open_nursery() as nursery:

        async def crash() -> None:
            await trio.sleep(1)
            spec.ref.tell(Crash(error=ValueError("unrelated")))

        nursery.start_soon(crash)
        with pytest.raises(ActorCrashed, match="ValueError: unrelated"):
            await spec.ref.ask(Slowly(), within_s=60)
        assert trio.current_time() == 1


async def test_a_kept_reply_is_answered_when_its_actor_is_stopped(autojump_clock: MockClock) -> None:
    spec = reluctant()
    async with trio.open_nursery() as nursery, run_system(tree(spec)) as system:

        async def ask() -> None:
            with pytest.raises(ActorStopped, match="root/reluctant ended before it answered"):
                await spec.ref.ask(Slowly(), within_s=60)

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        system.stop()
    assert trio.current_time() == 0


async def test_the_first_answer_counts_and_a_second_is_dropped_and_counted(autojump_clock: MockClock) -> None:
    class Twice(Actor):
        def on_double(self, message: Double, reply: Reply[int]) -> None:
            reply.send(message.number * 2)
            reply.send(0)

    spec = ChildSpec("twice", Twice)
    async with run_system(tree(spec)):
        assert await spec.ref.ask(Double(number=4), within_s=1) == 8
        assert spec.ref.statistics().late == 1


async def test_the_deadline_travels_with_the_message(autojump_clock: MockClock) -> None:
    deadlines: list[tuple[float, float]] = []

    class Clerk(Actor):
        def on_double(self, message: Double, reply: Reply[int]) -> None:
            deadlines.append((reply.deadline_s, reply.remaining_s()))
            reply.send(message.number)

    spec = ChildSpec("clerk", Clerk)
    async with run_system(tree(spec)):
        await trio.sleep(5)
        await spec.ref.ask(Double(number=1), within_s=2)
        spec.ref.tell(Double(number=1))
        await trio.testing.wait_all_tasks_blocked()
    assert deadlines == [(7, 2), (math.inf, math.inf)]


async def test_a_full_mailbox_refuses_an_ask_at_once(autojump_clock: MockClock) -> None:
    spec = reluctant()
    async with run_system(tree(spec)):
        for _ in range(4):
            spec.ref.tell(Slowly())
        with pytest.raises(MailboxFull, match="root/reluctant: lane 'messages' is full"):
            await spec.ref.ask(Slowly(), within_s=60)


async def test_an_asker_that_tries_again_and_again_does_not_starve_the_actor(autojump_clock: MockClock) -> None:
    spec = reluctant()
    refused = 0
    answered = False
    async with run_system(tree(spec)):
        for _ in range(4):
            spec.ref.tell(Slowly())
        while not answered:
            try:
                await spec.ref.ask(Double(number=1), within_s=60)
            except MailboxFull:
                refused += 1
            except LookupError:
                answered = True
    assert refused >= 1


@pytest.mark.parametrize("overflow", [Overflow.DROP_OLDEST, Overflow.CLEAR, Overflow.STOP])
async def test_an_ask_that_an_overflow_throws_away_is_answered_at_once(
    overflow: Overflow, autojump_clock: MockClock
) -> None:
    class Narrow(Actor):
        lanes: ClassVar = (Lane("asks", capacity=1, overflow=overflow),)

        async def serve(self) -> None:
            await trio.sleep_forever()

    spec = ChildSpec("narrow", Narrow)
    async with run_system(tree(spec)), trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(MailboxFull, match="the message was dropped: lane 'asks' is full"):
                await spec.ref.ask(Double(number=1), within_s=60)

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        spec.ref.tell(Double(number=2))
    assert trio.current_time() == 0


async def test_an_ask_that_a_newer_message_replaces_is_answered_at_once(autojump_clock: MockClock) -> None:
    class Conflating(Actor):
        lanes: ClassVar = (Lane("asks", conflate_by=type),)

        async def serve(self) -> None:
            await trio.sleep_forever()

    spec = ChildSpec("conflating", Conflating)
    async with run_system(tree(spec)), trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(MailboxFull, match="a newer message of the same key"):
                await spec.ref.ask(Double(number=1), within_s=60)

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        spec.ref.tell(Double(number=2))
    assert trio.current_time() == 0


# Requests: the ask that does not wait.


class Collector(Actor):
    """Keeps the answers that come to it."""

    lanes: ClassVar = (Lane("answers", accepts=(Answer,), capacity=2), Lane("messages"))

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers

    def on_answer(self, message: Answer) -> None:
        self.answers.append(message)

    async def on_wait(self, message: Wait) -> str:
        await trio.sleep(message.seconds)
        return "waited"


def collector(answers: list[Answer]) -> ChildSpec[Collector]:
    return ChildSpec("collector", lambda: Collector(answers), actor=Collector)


async def test_the_answer_to_a_request_is_told_to_the_requester_with_its_tag(autojump_clock: MockClock) -> None:
    answers: list[Answer] = []
    clerk, asker = writer("clerk"), collector(answers)
    async with run_system(tree(clerk, asker)):
        clerk.ref.request(Double(number=4), reply_to=asker.ref, tag=("order", 1))
        await trio.testing.wait_all_tasks_blocked()
    assert answers == [Answer(tag=("order", 1), value=8)]


async def test_every_other_outcome_of_a_request_is_an_answer_with_an_error(autojump_clock: MockClock) -> None:
    answers: list[Answer] = []
    clerk, asker, gone = writer("clerk"), collector(answers), writer("gone", restart=Restart.TEMPORARY)
    async with run_system(tree(clerk, gone, asker)):
        clerk.ref.request(CrashOnAsk(), reply_to=asker.ref, tag="crash")
        await trio.sleep(1.5)
        clerk.ref.request(Wait(seconds=5), reply_to=asker.ref, tag="late", within_s=2)
        await trio.sleep(10)
        gone.ref.tell(Crash(error=ValueError("for good")))
        await trio.sleep(1)
        gone.ref.request(Double(number=1), reply_to=asker.ref, tag="gone", within_s=2)
        await trio.sleep(10)
    outcomes = [(answer.tag, type(answer.error)) for answer in answers]
    assert outcomes == [("crash", ActorCrashed), ("late", AskTimeout), ("gone", ActorStopped)]


async def test_a_requester_that_cannot_take_its_answer_begins_anew_instead_of_waiting_for_ever(
    autojump_clock: MockClock,
) -> None:
    answers: list[Answer] = []
    clerk, asker = writer("clerk"), collector(answers)
    async with run_system(tree(clerk, asker)) as system:
        asker.ref.tell(Wait(seconds=60))
        await trio.testing.wait_all_tasks_blocked()
        for number in range(3):
            clerk.ref.request(Double(number=number), reply_to=asker.ref, tag=number)
        await trio.sleep(5)
        node = system.tree().children[1]
        assert node.life == 2
        assert node.last_error is not None
        assert node.last_error.startswith("MailboxFull: root/collector: lane 'answers' is full")


async def test_an_answer_for_a_requester_that_has_stopped_is_dropped_and_counted(autojump_clock: MockClock) -> None:
    clerk = writer("clerk")
    asker = writer("asker", restart=Restart.TEMPORARY)
    async with run_system(tree(clerk, asker)) as system:
        clerk.ref.request(Wait(seconds=5), reply_to=asker.ref, tag=1)
        asker.ref.tell(Crash(error=ValueError("for good")))
        await trio.sleep(10)
        assert system.tree().children[0].life == 1
        assert clerk.ref.statistics().late == 1


async def test_a_requester_without_a_lane_for_answers_crashes_and_not_who_answers(autojump_clock: MockClock) -> None:
    class Deaf(Writer):
        lanes: ClassVar = (Lane("notes", accepts=(Note,)),)

        def on_note(self, message: Note) -> None:
            clerk.ref.request(Wait(seconds=float(message.text)), reply_to=self.ref, tag=1, within_s=2)

    clerk, deaf = writer("clerk"), ChildSpec("deaf", Deaf)
    async with run_system(tree(clerk, deaf)) as system:
        for answered_or_late in ("1", "5"):  # the answer, and the news that there is none, which a timer brings
            deaf.ref.tell(Note(text=answered_or_late))
            await trio.sleep(20)
        callee, requester = system.tree().children
        assert (callee.life, requester.life) == (1, 3)
        assert (
            requester.last_error == "TypeError: root/deaf accepts no Answer: none of its lanes (notes) is for this type"
        )


async def test_requests_that_a_crash_leaves_open_are_answered_in_the_order_of_asking(
    autojump_clock: MockClock,
) -> None:
    tags: list[int] = []

    class Roomy(Reluctant):
        lanes: ClassVar = (Lane("messages"),)

    class Asker(Actor):
        def on_answer(self, message: Answer) -> None:
            tags.append(message.tag)

    callee, asker = ChildSpec("callee", Roomy), ChildSpec("asker", Asker)
    async with run_system(tree(callee, asker)):
        for tag in range(50):
            callee.ref.request(Slowly(), reply_to=asker.ref, tag=tag)
        callee.ref.tell(Crash(error=ValueError("unrelated")))
        await trio.sleep(0.5)
    assert tags == list(range(50))
