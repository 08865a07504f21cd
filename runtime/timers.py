"""All deadlines and timers of a system on one heap. The one task that serves it is in sweep.py; what happens at a
deadline lives elsewhere.

One shared sweep costs a heap entry for each deadline, where a cancel scope of its own costs ten times as much.
"""

import heapq
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from dogwatch.runtime.parking import Parking

if TYPE_CHECKING:
    from dogwatch.runtime.reply import Reply

Due: TypeAlias = "Timer | Reply[Any]"
"""What stands on the heap: something with an `action`, or None once it was cancelled or has run."""

COMPACT_ABOVE = 256


class Timer:
    """One thing due at `due_s` (Trio's time). `cancel()` may be called at any time and any number of times."""

    __slots__ = ("_timers", "action", "due_s", "holder", "period_s")

    def __init__(self, timers: "Timers", due_s: float, period_s: float, action: Callable[[], None]) -> None:
        self._timers = timers
        self.due_s = due_s
        self.period_s = period_s  # math.inf: only once
        self.action: Callable[[], None] | None = action
        self.holder: set[Timer] | None = None  # whoever has to cancel it in time

    def cancel(self) -> None:
        """Never run the action, unless it ran already."""
        if self.action is not None:
            self.forget()
            self._timers.count_cancelled()

    def forget(self) -> None:
        """It has run for the last time, or never will."""
        self.action = None
        if self.holder is not None:
            self.holder.discard(self)


class Timers:
    """A heap of timers. Actions run synchronously, in the order of their due times; they must not raise."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Due]] = []
        self._sequence = 0
        self._cancelled = 0  # how many that were cancelled are on the heap still
        self.sleeps_until_s = -math.inf
        """When the sweep looks again by itself."""
        self.parking = Parking()
        """Where it waits until then, or until something is due before."""

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def add(self, due_s: float, action: Callable[[], None]) -> Timer:
        """Run `action()` at `due_s` in Trio's time; math.inf means never."""
        timer = Timer(self, due_s, math.inf, action)
        if due_s == math.inf:
            timer.action = None
            return timer
        self.push(due_s, timer)
        return timer

    def repeat(self, period_s: float, action: Callable[[], None]) -> Timer:
        """Run `action()` every `period_s` seconds, first after one period. Missed ticks are not made up for."""
        timer = Timer(self, trio.current_time() + period_s, period_s, action)
        self.push(timer.due_s, timer)
        return timer

    def push(self, due_s: float, due: Due) -> None:
        """Run `due.action` at `due_s`, which is finite. Who sets it to None before calls `count_cancelled`."""
        self._sequence = sequence = self._sequence + 1
        heapq.heappush(self._heap, (due_s, sequence, due))
        if due_s < self.sleeps_until_s:
            self.parking.wake()

    def count_cancelled(self) -> None:
        """Something on the heap has lost its action. Such are cleared from it when they are many, and the majority."""
        self._cancelled += 1
        if self._cancelled > COMPACT_ABOVE and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].action is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def run_due(self) -> float:
        """Run what is due. When the next one is."""
        now_s = trio.current_time()  # one moment for the whole sweep: however short a period, the sweep comes to an end
        while self._heap:
            due_s, _, due = self._heap[0]
            action = due.action
            if action is not None and due_s > now_s:
                return due_s
            heapq.heappop(self._heap)
            if action is None:
                self._cancelled -= 1
                continue
            if isinstance(due, Timer) and due.period_s < math.inf:
                self._repeat(due, now_s)
            else:
                due.forget()
            action()
        return math.inf

    def _repeat(self, timer: Timer, now_s: float) -> None:
        timer.due_s = now_s + timer.period_s if timer.due_s + timer.period_s < now_s else timer.due_s + timer.period_s
        self.push(timer.due_s, timer)
