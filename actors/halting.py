"""What `dogwatch halt` and `dogwatch resume` do: in a running process, or to the journal of one that has ended.

The switch itself lives in `halt.py`; how a person is told is in `commands/halt.py`.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import trio

from dogwatch.actors.desk import Desk
from dogwatch.actors.halt import HaltSwitch
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.order_messages import EndAllOrders
from dogwatch.actors.spot.order import Order
from dogwatch.runtime.control import Instruction
from dogwatch.runtime.errors import AskTimeout, DogwatchError
from dogwatch.runtime.journal import Durability
from dogwatch.runtime.logger import Logger

REASON_CHARS_MAX = 200
WITHIN_S_MAX = 600.0
AGAIN_S = 0.1
NOBODY = "no process runs this configuration, and the next one cancels them"


class HaltNow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of the command `halt`: why, and how long the end of the orders is waited for."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_CHARS_MAX)]
    within_s: Annotated[float, msgspec.Meta(gt=0, le=WITHIN_S_MAX)]

    def __post_init__(self) -> None:
        if not self.reason.isprintable():
            raise ValueError("a reason is one line of printable characters")


class ResumeNow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The command `resume`. `until_ms` (wall clock) is when its asker goes: after that it is too late, for a process
    that was suspended and reads it an hour later would trade on behind his back."""

    until_ms: int | None = None


class Halted(msgspec.Struct, frozen=True, kw_only=True):
    """What a halt has come to."""

    reason: str
    at_ms: int
    source: str
    """Who says so: a process, or a journal."""
    is_new: bool
    """No: trading was halted before, and this is the reason from then."""
    is_lasting: bool
    """Whether there is a journal, so that later processes begin halted too."""
    trouble: str
    """Why it is not recorded there yet, "" if it is."""
    ended: dict[str, int]
    """How many of the orders that were live when this command came have ended, and in which life."""
    live: tuple[Order, ...]
    """The orders that are not known to have ended."""
    obstacle: str
    """What keeps orders from being canceled, or from being known, "" for nothing."""

    @property
    def is_done(self) -> bool:
        """Whether every order is known to have ended."""
        return not self.live and not self.obstacle


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a wish to go on trading."""

    source: str
    was_halted: bool
    reason: str
    """Why it was."""
    trouble: str
    """Why this is not recorded in the journal yet, so that the next process would be halted still; "" if it is."""


class Halting:
    """Halts and resumes the trading of this process. `obstacle` says what is amiss with link or record, if anything."""

    def __init__(self, desk: Desk, *, obstacle: Callable[[], str], log: Logger) -> None:
        self._desk = desk
        self._obstacle = obstacle
        self._log = log

    def instructions(self) -> dict[str, Instruction]:
        """The commands for the control socket."""
        return {"halt": Instruction(HaltNow, self.halt), "resume": Instruction(ResumeNow, self.resume)}

    async def halt(self, command: HaltNow) -> Halted:
        """Refuse new orders from now on, end the live ones, and tell how far that has come in time."""
        desk = self._desk
        is_new = desk.halts.halt is None
        halt = desk.halts.set(command.reason, desk.clock.unix_ms())
        names = [order.client_order_id for order in desk.order_table.all_live()]
        if is_new:
            self._log.warning("trading is halted", reason=halt.reason, orders_live=len(names))
        obstacle = await self._end_orders(command.within_s)
        return Halted(
            reason=halt.reason,
            at_ms=halt.at_ms,
            source="the running process",
            is_new=is_new,
            is_lasting=desk.halts.is_lasting,
            trouble=await desk.halts.trouble(),
            ended=self._ended(names),
            live=tuple(desk.order_table.all_live()),
            obstacle=obstacle,
        )

    async def resume(self, command: ResumeNow) -> Resumed:
        """Let new orders through again. Raises DogwatchError when nobody waits for that any more."""
        now_ms = self._desk.clock.unix_ms()
        if command.until_ms is not None and now_ms > command.until_ms:
            late_s = (now_ms - command.until_ms) / 1000
            self._log.warning("not resumed: whoever asked for it has given up", late_s=late_s)
            raise DogwatchError("this came too late")
        halt = self._desk.halts.lift(now_ms)
        if halt is not None:
            self._log.warning("trading is resumed", reason_of_halt=halt.reason)
        return Resumed(
            source="the running process",
            was_halted=halt is not None,
            reason="" if halt is None else halt.reason,
            trouble=await self._desk.halts.trouble(),
        )

    async def _end_orders(self, within_s: float) -> str:
        """Returns why it is not known that all have ended, "" if it is. A tracker that crashes is asked again."""
        deadline_s = trio.current_time() + within_s
        silence = "the tracker of orders has not answered"
        while (remaining_s := deadline_s - trio.current_time()) > 0:
            try:
                await self._desk.orders.ask(EndAllOrders(), within_s=remaining_s)
            except AskTimeout:
                break
            except DogwatchError as failure:
                silence = failure.message
                await trio.sleep(min(AGAIN_S, remaining_s))
            else:
                return ""
        return self._obstacle() or ("" if self._is_anything_live() else silence)

    def _is_anything_live(self) -> bool:
        return any(self._desk.order_table.all_live())

    def _ended(self, names: Iterable[str]) -> dict[str, int]:
        table = self._desk.order_table
        orders = [order for name in names if (order := table.get(name)) is not None and order.is_closed]
        return dict(Counter(order.life.value for order in orders))


def halt_journal(path: Path, command: HaltNow, *, now_ms: int) -> Halted:
    """Record a halt where no process runs: the next one begins with it. Raises JournalError, JournalInUse."""
    with _open(path) as journal:
        switch = HaltSwitch(journal)
        is_new = switch.halt is None
        halt = switch.set(command.reason, now_ms)
        live = journal.orders()
        return Halted(
            reason=halt.reason,
            at_ms=halt.at_ms,
            source=str(path),
            is_new=is_new,
            is_lasting=True,
            trouble=trio.run(switch.trouble),
            ended={},
            live=live,
            obstacle=NOBODY if live else "",
        )


def resume_journal(path: Path, *, now_ms: int) -> Resumed:
    """Lift a halt where no process runs. Raises JournalError, JournalInUse."""
    with _open(path) as journal:
        switch = HaltSwitch(journal)
        halt = switch.lift(now_ms)
        return Resumed(
            source=str(path),
            was_halted=halt is not None,
            reason="" if halt is None else halt.reason,
            trouble=trio.run(switch.trouble),
        )


def _open(path: Path) -> OrderJournal:
    return OrderJournal.open(path, durability=Durability.HOST, in_thread=False)
