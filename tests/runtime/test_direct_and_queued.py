"""Beside the queue, a direct lane changes nothing but the moment."""

from typing import Any, ClassVar

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.runtime import Actor, AskTimeout, ChildSpec, Lane, Query, Reply, run_system
from dogwatch.runtime.testing import run_virtual
from tests.runtime.crew import Double, Note, Wait, tree
from tests.runtime.test_direct import Later, Urgent


class Station(Actor):
    """Answers some, tells itself others, keeps one reply, and writes down what it handles."""

    lanes: ClassVar = (Lane("urgent", accepts=(Urgent,)), Lane("rest"))

    def __init__(self, handled: list[str]) -> None:
        self.handled = handled
        self.kept: list[Reply[str]] = []

    def on_urgent(self, message: Urgent) -> None:
        self.handled.append(message.text)
        for reply in self.kept:
            reply.send(message.text)
        self.kept.clear()

    def on_note(self, message: Note) -> None:
        self.handled.append(message.text)
        if message.text.endswith("3"):
            self.ref.tell(Note(text=f"{message.text} again"))

    def on_double(self, message: Double) -> int:
        self.handled.append(f"double {message.number}")
        return message.number * 2

    async def on_wait(self, message: Wait) -> str:
        await trio.sleep(message.seconds)
        self.handled.append("waited")
        return "waited"

    def on_later(self, _message: Later, reply: Reply[str]) -> None:
        self.handled.append("later")
        self.kept.append(reply)


class DirectStation(Station):
    """The same, directly."""

    lanes: ClassVar = (Lane("urgent", accepts=(Urgent,), is_direct=True), Lane("rest", is_direct=True))


def played(station: type[Station], script: list[tuple[str, int]]) -> tuple[list[str], list[str], int, int]:
    """What is handled and what is answered, in order, when each step of the script is done as the one before is over;
    and the figures."""
    handled: list[str] = []
    answered: list[str] = []
    spec = ChildSpec("station", lambda: station(handled), actor=station)

    async def ask(query: Query[Any], within_s: float) -> None:
        try:
            answered.append(str(await spec.ref.ask(query, within_s=within_s)))
        except AskTimeout:
            answered.append("nothing in time")

    async def play() -> None:
        async with run_system(tree(spec)), trio.open_nursery() as nursery:
            for kind, number in script:
                if kind == "tell":
                    spec.ref.tell(Note(text=f"note {number}"))
                elif kind == "urgent":
                    spec.ref.tell(Urgent(text=f"urgent {number}"))
                elif kind == "sleep":
                    await trio.sleep(number)
                else:
                    query = {"double": Double(number=number), "wait": Wait(seconds=number), "later": Later()}[kind]
                    nursery.start_soon(ask, query, number - 1.5)
                await trio.testing.wait_all_tasks_blocked()

    run_virtual(play)
    figures = spec.ref.statistics()
    return handled, answered, figures.put, figures.taken + figures.expired


KINDS = st.sampled_from(["tell", "tell", "urgent", "sleep", "double", "wait", "later"])


@given(script=st.lists(st.tuples(KINDS, st.integers(0, 4)), max_size=12))
def test_a_direct_lane_handles_and_answers_what_a_queue_does_in_the_same_order(script: list[tuple[str, int]]) -> None:
    assert played(DirectStation, script) == played(Station, script)


def test_that_comparison_does_take_the_direct_way() -> None:
    spec = ChildSpec("station", lambda: DirectStation([]), actor=DirectStation)

    async def tell() -> None:
        async with run_system(tree(spec)):
            await trio.testing.wait_all_tasks_blocked()
            spec.ref.tell(Note(text="note"))

    run_virtual(tell)
    assert spec.ref.statistics().direct == 1
