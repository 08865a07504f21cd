"""The halt switch: what is set holds until it is lifted, over processes if a journal takes it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.halt import RECORDED_WITHIN_S, Halt, HaltSwitch
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.journal import Durability

pytestmark = pytest.mark.usefixtures("virtual_clock")


class Disk:
    """A journal of halts that says what the test says, or nothing at all."""

    def __init__(self, *verdicts: JournalError | None) -> None:
        self.halted: Halt | None = None
        self.rows: list[tuple[str | None, int]] = []
        self._verdicts = list(verdicts)

    def halt(self, reason: str, at_ms: int) -> None:
        self.rows.append((reason, at_ms))

    def resume(self, at_ms: int) -> None:
        self.rows.append((None, at_ms))

    def commit(self, then: Callable[[JournalError | None], None] | None = None) -> None:
        assert then is not None
        if self._verdicts:
            then(self._verdicts.pop(0))


async def test_a_halt_that_is_set_stays_as_it_is_until_it_is_lifted() -> None:
    disk = Disk(None, None)
    switch = HaltSwitch(disk)
    assert switch.lift(1) is None
    assert switch.set("first", 2) == switch.set("second", 3) == switch.halt == Halt("first", 2)
    assert "trading is halted: first" in str(switch.refusal())
    assert switch.lift(4) == Halt("first", 2)
    assert switch.lift(5) is None
    assert disk.rows == [("first", 2), (None, 4)]


async def test_who_waits_for_its_end_waits_as_long_as_it_is_set() -> None:
    switch = HaltSwitch()
    lifted: list[bool] = []

    async def wait() -> None:
        await switch.wait_lifted()
        lifted.append(True)

    await switch.wait_lifted()
    switch.set("first", 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        switch.lift(2)
        switch.set("again, at once", 2)
        await wait_all_tasks_blocked()
        assert not lifted
        switch.lift(3)
        await wait_all_tasks_blocked()
        assert lifted


async def test_it_says_why_the_next_process_would_not_know() -> None:
    assert (HaltSwitch().is_lasting, await HaltSwitch().trouble()) == (False, "")
    full = JournalError("trade.journal: the disk is full", hint="free space on it")
    switch = HaltSwitch(Disk(full, None))
    assert await switch.trouble() == "trade.journal: the disk is full (free space on it)"
    assert await switch.trouble() == ""
    began_s = trio.current_time()
    assert await switch.trouble() == "the disk has not answered within 5 s"
    assert trio.current_time() - began_s == RECORDED_WITHIN_S


async def test_the_next_process_begins_with_it(tmp_path: Path) -> None:
    seen: list[Halt | None] = []
    for act in ("set", "look", "lift", "look"):
        with OrderJournal.open(tmp_path / "trade.journal", durability=Durability.PROCESS, in_thread=False) as journal:
            switch = HaltSwitch(journal)
            if act == "set":
                switch.set("by hand", 5)
            elif act == "lift":
                switch.lift(6)
            else:
                seen.append(switch.halt)
            assert await switch.trouble() == ""
    assert seen == [Halt("by hand", 5), None]
