"""Actors as their authors see them: handlers, life hooks, tells and asks."""

from trio.testing import MockClock

from dogwatch.runtime import run_system
from tests.runtime.crew import Double, Note, Notes, tree, writer


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
