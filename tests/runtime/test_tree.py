"""Introspection: a snapshot of the tree, as JSON and as text in 80 columns."""

import json
from functools import partial

import msgspec
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from dogwatch.runtime import ChildSpec, Restart, SupervisorSpec, TreeNode, render, run_system
from tests.runtime.crew import Crash, Note, Wait, Writer, tree, writer


async def test_a_snapshot_shows_every_member_with_its_state_and_its_queue(autojump_clock: MockClock) -> None:
    spec = writer("b")
    async with run_system(tree(writer("a"), SupervisorSpec("sub", [spec]))) as system:
        spec.ref.tell(Wait(seconds=9))
        await trio.testing.wait_all_tasks_blocked()
        spec.ref.tell(Note(text="waits"))
        await trio.sleep(2)
        nodes = {node.path: node for node in system.tree().walk()}
        assert list(nodes) == ["root", "root/a", "root/sub", "root/sub/b"]
        assert {node.state for node in nodes.values()} == {"running"}
        busy = nodes["root/sub/b"]
        assert (busy.kind, busy.depth, busy.oldest_message_age_s) == ("actor", 1, 2)
        assert busy.mailbox is not None
        assert (busy.mailbox.put, busy.mailbox.taken) == (2, 1)


async def test_a_snapshot_is_json_and_comes_back_from_it(autojump_clock: MockClock) -> None:
    async with run_system(tree(writer("a"))) as system:
        snapshot = system.tree()
    text = msgspec.json.encode(snapshot)
    assert json.loads(text)["children"][0]["path"] == "root/a"
    assert msgspec.json.decode(text, type=TreeNode) == snapshot


async def test_the_text_shows_the_tree_with_crashes_below_their_actor(autojump_clock: MockClock) -> None:
    quoter = writer("quoter")
    gone = writer("once", restart=Restart.TEMPORARY)
    strategies = SupervisorSpec("strategies", [quoter, gone])
    async with run_system(tree(writer("link"), strategies)) as system:
        quoter.ref.tell(Crash(error=ValueError("price\nmoved")))
        gone.ref.tell(Crash(error=ValueError("for good")))
        await trio.sleep(5)
        quoter.ref.tell(Wait(seconds=99))
        await trio.testing.wait_all_tasks_blocked()
        quoter.ref.tell(Note(text="waits"))
        await trio.sleep(2.5)
        text = render(system.tree())
    assert text.splitlines() == [
        "name           state    life  restarts  queued  oldest",
        "root           running     1         0",
        "├─ link        running     1         0       0",
        "└─ strategies  running     1         0",
        "   ├─ quoter   running     2         1       1   2.5 s",
        "   │     ! ValueError: price moved",
        "   └─ once     gone        1         0       0",
        "         ! ValueError: for good",
    ]


class Talker(Writer):
    """Says how it stands, or fails to."""

    def summary(self) -> str:
        if self.name == "b":
            raise ValueError("no words")
        return f"has {len(self.notes)}\nnotes"


async def test_what_actors_say_of_themselves_stands_in_the_last_column_as_far_as_there_is_room(
    autojump_clock: MockClock,
) -> None:
    specs = [ChildSpec(name, partial(Talker, name), actor=Talker) for name in "ab"]
    async with run_system(tree(*specs, writer("c"))) as system:
        snapshot = system.tree()
    assert render(snapshot, width=59).splitlines() == [
        "name          state    life  restarts  queued  oldest  now",
        "root          running     1         0",
        "├─ a          running     1         0       0          has…",
        "├─ b          running     1         0       0          Val…",
        "└─ c          running     1         0       0",
    ]
    assert "  has 0 notes\n" in render(snapshot)
    assert "  ValueError\n" in render(snapshot)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_asked_for_however_long_names_and_errors_are(width: int) -> None:
    child = TreeNode(
        name="a" * 200,
        path="root/a",
        kind="actor",
        state="running",
        life=12345,
        restarts=12344,
        depth=1024,
        oldest_message_age_s=86400.0,
        last_error="ValueError: " + "long " * 100,
        summary="word " * 100,
    )
    root = TreeNode(name="root", path="root", kind="supervisor", state="running", life=1, restarts=0, children=(child,))
    lines = render(root, width=width).splitlines()
    assert max(len(line) for line in lines) <= width
    assert any("12345" in line and "1440 min" in line for line in lines)


@pytest.mark.parametrize(("age_s", "text"), [(0.0123, "12 ms"), (1.25, "1.2 s"), (99.94, "99.9 s"), (600, "10 min")])
def test_ages_are_told_in_the_unit_that_fits(age_s: float, text: str) -> None:
    node = TreeNode(
        name="a", path="a", kind="actor", state="running", life=1, restarts=0, depth=1, oldest_message_age_s=age_s
    )
    assert render(node).splitlines()[1].endswith(text)
