"""The shared heap of timers."""

import math
from collections.abc import Callable

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from dogwatch.runtime.sweep import sweep
from dogwatch.runtime.timers import COMPACT_ABOVE, Timers


async def served(timers: Timers, for_s: float) -> None:
    with trio.move_on_after(for_s):
        await sweep(timers)


async def test_actions_run_when_they_are_due_in_the_order_of_their_times(autojump_clock: MockClock) -> None:
    timers = Timers()
    ran: list[tuple[str, float]] = []

    def write(word: str) -> Callable[[], None]:
        return lambda: ran.append((word, trio.current_time()))

    timers.add(3, write("third"))
    timers.add(1, write("first"))
    timers.add(2, write("second a"))
    timers.add(2, write("second b"))
    await served(timers, 10)
    assert ran == [("first", 1), ("second a", 2), ("second b", 2), ("third", 3)]


async def test_a_timer_added_while_the_sweep_sleeps_is_in_time(autojump_clock: MockClock) -> None:
    timers = Timers()
    ran: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sweep, timers)
        timers.add(100, lambda: None)
        await trio.sleep(5)
        timers.add(6, lambda: ran.append(trio.current_time()))
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    assert ran == [6]


async def test_a_timer_may_add_and_cancel_others(autojump_clock: MockClock) -> None:
    timers = Timers()
    ran: list[str] = []
    doomed = timers.add(2, lambda: ran.append("doomed"))

    def first() -> None:
        doomed.cancel()
        timers.add(0, lambda: ran.append("added, due at once"))

    timers.add(1, first)
    await served(timers, 5)
    assert ran == ["added, due at once"]
    assert len(timers) == 0


async def test_ticks_missed_by_a_stalled_loop_are_not_made_up_for(autojump_clock: MockClock) -> None:
    timers = Timers()
    ticks: list[float] = []
    timers.repeat(2, lambda: ticks.append(trio.current_time()))
    autojump_clock.jump(7)  # the loop stood still
    await served(timers, 5)
    assert ticks == [7, 9, 11]


def test_a_timer_that_is_never_due_takes_no_room() -> None:
    timers = Timers()
    timers.add(math.inf, lambda: None).cancel()
    assert len(timers) == 0


@given(cancelled=st.lists(st.booleans(), max_size=3 * COMPACT_ABOVE))
def test_cancelled_timers_are_cleared_away_and_the_others_stay(cancelled: list[bool]) -> None:
    timers = Timers()
    handles = [timers.add(number, lambda: None) for number in range(len(cancelled))]
    for handle, is_cancelled in zip(handles, cancelled, strict=True):
        if is_cancelled:
            handle.cancel()
            handle.cancel()
    alive = cancelled.count(False)
    assert len(timers) == alive
    assert len(timers._heap) <= 2 * alive + COMPACT_ABOVE + 1


async def test_a_period_shorter_than_a_sweep_takes_leaves_time_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]

    def later() -> float:
        now_s[0] += 1.0  # every look at the clock takes longer than a period
        return now_s[0]

    timers = Timers()
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(now_s[0])
        assert len(ticks) < 100, "the sweep never ends"

    monkeypatch.setattr(trio, "current_time", later)
    timers.repeat(0.5, tick)
    timers.run_due()
    assert 1 <= len(ticks) <= 3
