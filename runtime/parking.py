"""Room for one waiting task: the cheapest wake-up that Trio offers. What is waited for lives with its owner."""

from collections.abc import Awaitable

import trio


class Parking:
    """One task waits here until it is woken.

    A wake-up is not remembered: look at the state, and wait only if it gives nothing to do. There is no
    checkpoint between the look and the wait, so no wake-up is lost.
    """

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None

    def wake(self) -> None:
        """Wake the waiting task, if there is one."""
        task = self._task
        if task is not None:
            self._task = None
            trio.lowlevel.reschedule(task)

    def wait(self) -> Awaitable[None]:
        """Wait until woken: await it at once. Raises trio.BusyResourceError if another task waits here already."""
        if self._task is not None:
            raise trio.BusyResourceError("another task is waiting here already")
        self._task = trio.lowlevel.current_task()
        return trio.lowlevel.wait_task_rescheduled(self._abort)  # noqa: ASYNC105 - the caller awaits it

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
