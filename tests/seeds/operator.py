"""The operator of a simulated process: halts trading now and then, and holds what he is told against the exchange."""

from collections.abc import Callable
from random import Random

import trio

from dogwatch.actors.halting import Halting, HaltNow
from dogwatch.actors.spot import client_order_id
from dogwatch.actors.testing import StagedExchange
from dogwatch.actors.tree import Tree
from dogwatch.runtime.logger import StandardLogger

OPEN = ("NEW", "PARTIALLY_FILLED")


class Operator:
    """Of the process with this tree. `complain` is told when a halt is not what it says."""

    def __init__(self, tree: Tree, exchange: StagedExchange, complain: Callable[[str], None]) -> None:
        self._desk = tree.desk
        self._exchange = exchange
        self._complain = complain
        self._halting = Halting(tree.desk, obstacle=lambda: "", log=StandardLogger("operator"))

    async def take_over(self, random: Random) -> None:
        """A process before this one may have been killed during a halt: lift it after a while."""
        if self._desk.halts.halt is not None:
            await trio.sleep(random.uniform(0, 3))
            self._lift()

    async def halt(self, random: Random) -> None:
        """Halt, look at what came of it, and lift it after a while."""
        while self._desk.halts.halt is not None:  # noqa: ASYNC110  # the last process's is lifted soon
            await trio.sleep(1)
        try:
            halted = await self._halting.halt(HaltNow(reason="by chance", within_s=random.choice((0.5, 5.0, 60.0))))
            open_names = self._open_names()
            if halted.is_done and open_names:
                self._complain(f"a halt said that all has ended, and {open_names} are open")
            reached = set(self._exchange.paper.intents)
            await trio.sleep(random.uniform(0, 5))
            late = [name for name in self._exchange.paper.intents if name not in reached and is_ours(name)]
            if halted.is_done and late:
                self._complain(f"{late} reached the exchange during a halt that was done")
        finally:
            self._lift()

    def _lift(self) -> None:
        self._desk.halts.lift(self._desk.clock.unix_ms())

    def _open_names(self) -> list[str]:
        """The orders with ids of ours that are open at the exchange."""
        names = [
            client_order_id.original_of(row["clientOrderId"])
            for row in self._exchange.orders()
            if row["status"] in OPEN
        ]
        return [name for name in names if is_ours(name)]


def is_ours(name: str) -> bool:
    """Whether this is the id of an order that a strategy has placed."""
    return client_order_id.parse(name) is not None
