"""Who holds the loop too long, and whose messages wait too long. Both only report; others decide what to do."""

import time
from collections.abc import Callable, Iterator

import msgspec
from trio.abc import Instrument
from trio.lowlevel import Task

from dogwatch.runtime.tree import TreeNode

STEP_MS_MAX = 10.0
MESSAGE_AGE_S_MAX = 5.0


class LoopHeld(msgspec.Struct, frozen=True, kw_only=True):
    """One task ran for `held_ms` without a checkpoint, and everybody else waited. Tasks of actors bear their path."""

    task: str
    held_ms: float


class LoopWatchdog(Instrument):
    """Measures every step of every task and hands those above `step_ms_max` to `report`, when the step has ended.

    Give it to `trio.run(..., instruments=[watchdog])`. `report` runs between two steps: it must be quick, and if it
    raises, Trio drops the watchdog. `timer` gives nanoseconds of real time, also in virtual time.
    """

    def __init__(
        self,
        report: Callable[[LoopHeld], object],
        *,
        step_ms_max: float = STEP_MS_MAX,
        timer: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.holds = 0
        """How many steps were above the limit so far."""
        self.longest: LoopHeld | None = None
        self._report = report
        self._step_ns_max = round(step_ms_max * 1_000_000)
        self._timer = timer
        self._began_ns = 0

    def before_task_step(self, task: Task) -> None:
        self._began_ns = self._timer()

    def after_task_step(self, task: Task) -> None:
        held_ns = self._timer() - self._began_ns
        if held_ns > self._step_ns_max:
            self._report_hold(task, held_ns)

    def _report_hold(self, task: Task, held_ns: int) -> None:
        held = LoopHeld(task=task.name, held_ms=held_ns / 1_000_000)
        self.holds += 1
        if self.longest is None or held.held_ms > self.longest.held_ms:
            self.longest = held
        self._report(held)


def overdue(tree: TreeNode, *, age_s_max: float = MESSAGE_AGE_S_MAX) -> Iterator[TreeNode]:
    """The members of the tree whose oldest unhandled message is older than `age_s_max` seconds, in start order."""
    return (node for node in tree.walk() if node.oldest_message_age_s > age_s_max)
