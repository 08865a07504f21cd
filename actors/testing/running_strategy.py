"""Strategies started by a test: each in a tree of its own, with every actor that it has in production."""

from collections.abc import Mapping
from contextlib import ExitStack
from decimal import Decimal
from os import PathLike
from typing import Any

import msgspec
import trio

from dogwatch.actors.desk import Context
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.spot.order import Order
from dogwatch.actors.strategy import Strategy
from dogwatch.actors.strategy_host import OrdersOnCrash, strategy_at
from dogwatch.actors.testing.staged_exchange import StagedExchange
from dogwatch.actors.tree import StrategyEntry, Tree, build
from dogwatch.runtime.lifecycle import Exited, LifecycleEvent
from dogwatch.runtime.specs import Restart
from dogwatch.runtime.system import System


class RunningStrategy:
    """One strategy in its tree. What it knows is here; what is true is in the exchange's ledger."""

    def __init__(self, tree: Tree, name: str, journal: OrderJournal | None = None) -> None:
        self.tree = tree
        self.name = name
        self._journal = journal
        self.lives: list[Strategy] = []
        """The strategy's objects, one for each life, newest last."""
        self.system: System
        self._begun = trio.Event()
        self._stillborn: Exception | None = None
        self._stop = trio.Event()
        self._ended = trio.Event()
        tree.lifecycle.tap(self._hear, on_error=_defect)

    @property
    def strategy(self) -> Strategy:
        """The strategy's object of now."""
        return self.lives[-1]

    @property
    def orders(self) -> tuple[Order, ...]:
        """Its orders that are open, on their way or unknown."""
        return self.tree.desk.order_table.live(self.name)

    def position(self, symbol: str) -> Decimal:
        """What it believes to have gained, in the base asset."""
        return self.tree.desk.order_table.position(self.name, symbol)

    async def stop(self) -> None:
        """Stop in order: orders canceled and known, then the link closed."""
        self._stop.set()
        await self._ended.wait()

    async def kill(self) -> None:
        """End at once, as a killed process does: nothing is canceled, and a journal keeps what it had."""
        self.system.stop(at_once=True)
        await self.stop()

    async def ended(self) -> None:
        """Wait until the strategy has come to its end by itself and everything is down."""
        await self._ended.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the tree until `stop`, or until it ends by itself; started when the strategy's first object stands.

        Raises what the strategy's own `__init__` has raised: a test should hear of it, and not wait for a next life.
        """
        try:
            async with self.tree.system() as self.system:
                await self._begun.wait()
                if self._stillborn is not None:
                    raise self._stillborn
                task_status.started()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._wait_for_own_end, nursery.cancel_scope)
                    await self._stop.wait()
                    nursery.cancel_scope.cancel()
        finally:
            if self._journal is not None:
                self._journal.close()
            self._ended.set()

    def born(self, strategy: Strategy) -> None:
        """A life has begun."""
        self.lives.append(strategy)
        self._begun.set()

    def _hear(self, event: LifecycleEvent) -> None:
        is_own = strategy_at(event.path) == self.name
        if is_own and isinstance(event, Exited) and event.error is not None and not self.lives:
            self._stillborn = event.error
            self._begun.set()

    async def _wait_for_own_end(self, scope: trio.CancelScope) -> None:
        await self.system.wait_ended()
        scope.cancel()


class StrategyStarter:
    """`await start(MyStrategy, symbol="BTCUSDT", …)`: the keywords are the strategy's configuration, as in its file."""

    def __init__(self, exchange: StagedExchange, nursery: trio.Nursery) -> None:
        self._exchange = exchange
        self._nursery = nursery
        self.started: list[RunningStrategy] = []

    async def __call__(
        self,
        strategy: type[Strategy],
        /,
        *,
        name: str = "strategy",
        orders_on_crash: str = "cancel",
        restart: str = "transient",
        journal: str | PathLike[str] | None = None,
        **config: Any,
    ) -> RunningStrategy:
        """Start a strategy, and come back when it runs.

        With the path of a `journal` it goes on from what an earlier one has left there, as a new process does: `stop()`
        or `kill()` one and start the next.

        Raises msgspec.ValidationError for a wrong configuration, ConfigError for a symbol that the exchange does not
        know, JournalError for a journal that cannot be used, and what the strategy's own `__init__` raises.
        """
        observed = _observed(strategy)
        entry = StrategyEntry(
            name=name,
            strategy=observed,
            config=config_of(strategy, config),
            orders_on_crash=OrdersOnCrash(orders_on_crash),
            restart=Restart(restart),
        )
        exchange = self._exchange
        with ExitStack() as undo:
            # No threads: under virtual time nobody could wait for them.
            record = undo.enter_context(OrderJournal.open(journal, in_thread=False)) if journal is not None else None
            tree = build(
                api=exchange.api,
                streams=exchange.streams,
                clock=exchange.clock,
                signer=exchange.signer(),
                strategies=[entry],
                journal=record,
            )
            undo.pop_all()
        running = RunningStrategy(tree, name, record)
        observed.running = running
        self.started.append(running)
        await self._nursery.start(running.run)
        return running

    async def stop_all(self) -> None:
        """Stop what still runs, in order."""
        for running in reversed(self.started):
            await running.stop()


def config_of(strategy: type[Strategy], values: Mapping[str, Any]) -> Strategy.Config:
    """A strategy's configuration from plain values: texts become Decimals, as in a configuration file."""
    return msgspec.convert(dict(values), strategy.Config)


def _defect(error: Exception) -> None:
    """Listening cannot fail; if it does, say so instead of hiding it."""
    raise error


class _Observed(Strategy):
    """Tells the test of every new object of the strategy."""

    running: RunningStrategy

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.running.born(self)


def _observed(strategy: type[Strategy]) -> type[_Observed]:
    namespace = {"__module__": strategy.__module__, "__qualname__": strategy.__qualname__, "Config": strategy.Config}
    return type(strategy.__name__, (_Observed, strategy), namespace)
