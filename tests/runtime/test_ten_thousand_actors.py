"""Ten thousand actors in one system: started, told, asked, shown and stopped."""

from trio.testing import MockClock

from dogwatch.runtime import SupervisorSpec, run_system
from tests.runtime.crew import Double, Note, Notes, tree, writer

ACTORS = 10_000


async def test_ten_thousand_actors_start_hear_answer_and_stop(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    children = [writer(f"a{number}", diary) for number in range(ACTORS)]
    halves = [SupervisorSpec("left", children[::2]), SupervisorSpec("right", children[1::2])]
    async with run_system(tree(*halves)) as system:
        assert len(diary) == ACTORS
        for child in children:
            child.ref.tell(Note(text=child.name))
        for number, child in enumerate(children):
            assert await child.ref.ask(Double(number=number), within_s=1) == 2 * number
        assert await children[-1].ref.ask(Notes(), within_s=1) == (children[-1].name,)
        nodes = list(system.tree().walk())
        assert len(nodes) == ACTORS + 3
        assert {node.state for node in nodes} == {"running"}
        diary.clear()
    stopped = [f"{child.name} stopped" for child in [*children[::2], *children[1::2]]]
    assert diary == stopped[::-1]
