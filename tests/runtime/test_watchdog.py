from functools import partial
from typing import Literal

import trio

from dogwatch.runtime.testing.virtual_time import run_virtual
from dogwatch.runtime.tree import TreeNode
from dogwatch.runtime.watchdog import LoopHeld, LoopWatchdog, overdue


class HandTimer:
    """Real time as the test says it passes."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    def compute_for(self, ms: float) -> None:
        self.now_ns += round(ms * 1_000_000)


def test_a_synchronous_loop_starves_everyone_and_is_named_by_the_watchdog() -> None:
    timer = HandTimer()
    reports: list[LoopHeld] = []
    watchdog = LoopWatchdog(reports.append, timer=timer)

    async def compute(ms: float) -> None:
        await trio.lowlevel.checkpoint()
        timer.compute_for(ms)
        await trio.lowlevel.checkpoint()

    async def scenario() -> None:
        async with trio.open_nursery() as nursery:
            for name, ms in (("strategies/greedy", 250.0), ("strategies/quick", 10.0), ("orders", 10.5)):
                nursery.start_soon(partial(compute, ms), name=name)

    run_virtual(scenario, instruments=[watchdog])
    assert sorted(reports, key=lambda held: held.held_ms) == [
        LoopHeld(task="orders", held_ms=10.5),
        LoopHeld(task="strategies/greedy", held_ms=250.0),
    ]
    assert watchdog.holds == 2
    assert watchdog.longest == LoopHeld(task="strategies/greedy", held_ms=250.0)


def test_waiting_is_not_holding() -> None:
    timer = HandTimer()
    reports: list[LoopHeld] = []

    async def scenario() -> None:
        async def wait() -> None:
            await trio.sleep(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            for _ in range(10):
                timer.compute_for(9)
                await trio.lowlevel.checkpoint()

    run_virtual(scenario, instruments=[LoopWatchdog(reports.append, timer=timer)])
    assert reports == []


def test_the_limit_can_be_chosen() -> None:
    timer = HandTimer()
    reports: list[LoopHeld] = []

    async def scenario() -> None:
        timer.compute_for(2)

    run_virtual(scenario, instruments=[LoopWatchdog(reports.append, step_ms_max=1, timer=timer)])
    assert [held.held_ms for held in reports] == [2.0]


def node(name: str, age_s: float, *children: TreeNode, kind: Literal["actor", "supervisor"] = "actor") -> TreeNode:
    return TreeNode(
        name=name,
        path=name,
        kind=kind,
        state="running",
        life=1,
        restarts=0,
        oldest_message_age_s=age_s,
        children=children,
    )


def test_actors_whose_messages_wait_too_long_are_found_anywhere_in_the_tree() -> None:
    link = node("link", 0, node("connection", 5.1), node("session", 4.9), kind="supervisor")
    tree = node("dogwatch", 0, link, node("orders", 60), kind="supervisor")
    assert [late.name for late in overdue(tree)] == ["connection", "orders"]
    assert [late.name for late in overdue(tree, age_s_max=10)] == ["orders"]
