"""The halt: a switch that keeps new orders back until it is lifted, in later processes too if there is a journal.

Read on the way of every order, so without asking anybody. Ending the orders that are live is `orders.py`'s work, what
`dogwatch halt` and `resume` do in a running process `halting.py`'s.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import trio

from dogwatch.actors.spot.errors import NotSent
from dogwatch.runtime.errors import JournalError

RECORDED_WITHIN_S = 5.0
"""How long the disk is waited for."""


class Halt(NamedTuple):
    """Trading was halted at `at_ms`, and was not resumed since."""

    reason: str
    at_ms: int


class HaltLog(Protocol):
    """What the switch needs of a journal: see `order_journal.py`."""

    @property
    def halted(self) -> Halt | None:
        """What earlier processes, or this one, have recorded."""

    def halt(self, reason: str, at_ms: int) -> None:
        """Remember a halt."""

    def resume(self, at_ms: int) -> None:
        """Remember its end."""

    def commit(self, then: Callable[[JournalError | None], None] | None = None) -> None:
        """Make what was recorded durable, then say how that went: at once, or later on the loop."""


class HaltSwitch:
    """Whether trading is halted. It outlives every actor; without a `journal` it does not outlive the process."""

    def __init__(self, journal: HaltLog | None = None) -> None:
        self._journal = journal
        self.halt: Halt | None = None if journal is None else journal.halted
        """None while orders may be placed."""
        self._lifted = trio.Event()

    @property
    def is_lasting(self) -> bool:
        """Whether there is a journal that later processes go on from."""
        return self._journal is not None

    def refusal(self) -> NotSent:
        """Why no new order is sent, while `halt` is set."""
        reason = "" if self.halt is None else self.halt.reason
        return NotSent(f"trading is halted: {reason}", hint="`dogwatch resume` lifts it; cancels go through")

    def set(self, reason: str, at_ms: int) -> Halt:
        """Halt from this moment on. A halt that is set already stays as it is. Returns the one that counts."""
        if self.halt is None:
            self.halt = Halt(reason, at_ms)
            self._lifted = trio.Event()
            if self._journal is not None:
                self._journal.halt(reason, at_ms)
        return self.halt

    def lift(self, at_ms: int) -> Halt | None:
        """Let new orders through. Returns the halt that is over, None if there was none."""
        halt, self.halt = self.halt, None
        if halt is not None:
            if self._journal is not None:
                self._journal.resume(at_ms)
            self._lifted.set()
        return halt

    async def wait_lifted(self) -> None:
        """Wait until new orders may be sent."""
        while self.halt is not None:
            await self._lifted.wait()

    async def trouble(self) -> str:
        """Why the journal does not know yet how the switch stands: "" if it does, or if there is none. Waits for it."""
        if self._journal is None:
            return ""
        failures: list[JournalError | None] = []
        done = trio.Event()

        def hear(failure: JournalError | None) -> None:
            failures.append(failure)
            done.set()

        self._journal.commit(hear)
        with trio.move_on_after(RECORDED_WITHIN_S):
            await done.wait()
        if not failures:
            return f"the disk has not answered within {RECORDED_WITHIN_S:g} s"
        return "" if failures[0] is None else str(failures[0])
