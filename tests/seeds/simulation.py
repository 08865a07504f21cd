"""One seed, played from beginning to end: an exchange with prices that move, processes that come and go, and trouble.

Then everything is put right, and given time; what is known then is held against the ledger by `checker.py`.
"""

import shutil
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import trio

from dogwatch.actors.connection import Reconnect
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.order_messages import CaughtUp, Evidence
from dogwatch.actors.paper.engine_errors import EngineError
from dogwatch.actors.paper.exchange import ACCOUNT, PaperExchange
from dogwatch.actors.paper.faults import ConnectionFault, Cut, HalfClose, ShutDown, Stall
from dogwatch.actors.session import Call as SessionCall
from dogwatch.actors.spot.order import Life
from dogwatch.actors.testing import StagedExchange
from dogwatch.actors.testing.staged_exchange import HOST, PORT
from dogwatch.actors.tree import StrategyEntry, build
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import DogwatchError
from dogwatch.runtime.lifecycle import Exited, LifecycleEvent
from dogwatch.runtime.logger import Logger, StandardLogger
from dogwatch.runtime.specs import Restart, actor_specs
from dogwatch.runtime.testing import MemoryNetwork, run_virtual
from tests.seeds.checker import Checker, Listener
from tests.seeds.operator import Operator
from tests.seeds.plan import PRICES, STEPS, SYMBOLS, End, Plan, PlanOfFaults, ProcessPlan, plan_of
from tests.seeds.station import Station, machine_clock
from tests.seeds.trader import Call, LifeStory, OwnMistake, Trader
from tests.seeds.witness import Witness

CAUGHT_UP_WITHIN_S = 60.0
SETTLED_WITHIN_S = 200.0
"""The longest that anything may stay in doubt: the time for a verdict, and for the audits that it may hang on."""
BEGUN_IS_OVER_S = 12.0
"""What the faults have begun is over after this."""


def simulate(seed: int, folder: Path) -> list[str]:
    """Play a seed. Returns what went wrong, nothing if all is well. `folder` is for the journals, and empty."""
    problems: list[str] = []
    run_virtual(_play, plan_of(seed), folder, problems, seed=seed)
    return problems


async def _play(plan: Plan, folder: Path, problems: list[str]) -> None:
    network = MemoryNetwork(delay_s=plan.network_delay_s)
    paper = PaperExchange(plan.config, clock=Clock.virtual(), seed=plan.seed)
    paper.engine.switches = plan.switches
    exchange = StagedExchange(paper, network, paper.clock)
    simulation = Simulation(plan, exchange, folder)
    async with trio.open_nursery() as nursery:
        await nursery.start(paper.serve, [network.listen(HOST, PORT)])
        nursery.start_soon(simulation.move_market)
        try:
            await simulation.run()
        finally:
            problems.extend(simulation.checker.problems)
        nursery.cancel_scope.cancel()


class Simulation:
    """The world in which the traders live."""

    def __init__(self, plan: Plan, exchange: StagedExchange, folder: Path) -> None:
        self.plan = plan
        self.exchange = exchange
        self.witness = Witness(exchange.paper)
        self.checker = Checker(exchange.paper, self.witness)
        self.calls: list[Call] = []
        self.amended: set[tuple[str, Decimal]] = set()
        self.prices = dict(PRICES)
        self.is_calm = self.is_over = False
        self.journal = folder / "0.journal" if plan.has_journal else None
        self._folder = folder
        self._amounts = 0
        self._market = plan.random("market")
        for symbol in SYMBOLS:
            self._quote(symbol)

    async def run(self) -> None:
        """From the first process to the last word."""
        plan = self.plan
        self.exchange.faults.seeded(plan.rates, Random())
        self.exchange.faults._plan = PlanOfFaults(plan)
        *earlier, last = plan.processes
        for number, process in enumerate(earlier):
            await self._live(number, process)
            await trio.sleep(process.away_s)
        await self._end(len(earlier), last)

    # What the traders ask of it.

    def born(self, trader: Trader) -> LifeStory:
        return self.checker.processes[-1].born(trader.name, trader.life)

    def heard(self, call: Call) -> None:
        if self.checker.processes[-1].killed_at_s is None:
            self.checker.judge_outcome(call)

    def next_amount(self, symbol: str) -> Decimal:
        self._amounts += 1
        return (200 + self._amounts) * STEPS[symbol]

    def next_quote_amount(self) -> Decimal:
        self._amounts += 1
        return Decimal(20) + self._amounts / Decimal(100)

    # Processes.

    async def _live(self, number: int, plan: ProcessPlan) -> None:
        """One process that ends before the others."""
        process = self._process(number, plan)
        random = self.plan.random(f"end/{number}")
        async with trio.open_nursery() as nursery:
            await nursery.start(process.run)
            await process.live(plan)
            if plan.end is not End.KILLED:
                process.stop()
            if plan.end is End.KILLED_WHILE_IT_STOPS:
                await trio.sleep(random.choice((0.0, 0.1, 3.0)))
            if plan.end is not End.STOPPED and not process.ended.is_set():
                await self.any_moment(random)
            if plan.end is not End.STOPPED and not process.ended.is_set():
                self.journal = process.kill(self.exchange.network, random, self._folder / f"{number + 1}.journal")
            await process.ended.wait()
            self.exchange.network.reachable = True

    async def _end(self, number: int, plan: ProcessPlan) -> None:
        """The last process: after its time everything is put right."""
        process = self._process(number, plan)
        async with trio.open_nursery() as nursery:
            await nursery.start(process.run)
            await process.live(plan)
            self.is_calm = True
            process.calm_down()
            self.exchange.faults.clear()
            self.exchange.network.reachable = True
            for connection in self.exchange.network.connections:
                connection.resume()
            await trio.sleep(BEGUN_IS_OVER_S)
            self.is_over = True
            await process.settled()
            self._check(process, is_stopped=False)
            process.stop()
            await process.ended.wait()
        self._check(process, is_stopped=True)
        self._check_journal(process)

    def _process(self, number: int, plan: ProcessPlan) -> "Process":
        if number:
            self._check_intents_recorded()
        return Process(self, number, plan)

    async def any_moment(self, random: Random) -> None:
        """Until some step after a request has reached the exchange, or a gap was opened, or just now."""
        reached = trio.Event()

        def hear(_what: object) -> None:
            reached.set()

        match random.randrange(4):
            case 0 | 1:
                self.witness.heard.append(hear)
                with trio.move_on_after(5):
                    await reached.wait()
                self.witness.heard.remove(hear)
            case 2:
                await trio.sleep(random.choice((0.0, 0.001, 0.02, 0.3)))
        for _ in range(random.randrange(30)):
            await trio.lowlevel.checkpoint()

    # Checks.

    def _check(self, process: "Process", *, is_stopped: bool) -> None:
        checker = self.checker
        checker.check_record(process.table, is_stopped=is_stopped)
        checker.check_calls(self.calls)
        if not is_stopped:
            checker.check_fills()
            checker.check_answered(self.calls)

    def _check_intents_recorded(self) -> None:
        """Nothing has reached the exchange that is not in the journal that is left."""
        if self.journal is None:
            return
        with OrderJournal.read_only(self.journal) as journal:
            names = {order.client_order_id for order in journal.orders(closed_max=100_000)}
        missing = self.exchange.paper.intents.keys() - names
        if missing:
            self.checker.complain(f"sent before it was in the journal: {missing}")

    def _check_journal(self, process: "Process") -> None:
        """The file says what the table says."""
        if self.journal is None:
            return
        with OrderJournal.read_only(self.journal) as journal:
            recorded = journal.load()
        table = process.table
        for order in recorded.orders:
            if table.get(order.client_order_id) != order:
                self.checker.complain(f"the journal has {order!r}, the table {table.get(order.client_order_id)!r}")
            if recorded.booked.get(order.client_order_id, 0) != order.filled_quantity - table.unbooked(order):
                self.checker.complain(f"the journal explains another part of {order!r}")
        if len(recorded.orders) != len(table):
            self.checker.complain(f"the journal has {len(recorded.orders)} orders, the table {len(table)}")
        for strategy in table.strategies():
            ledger = recorded.ledgers.get(strategy)
            positions = {} if ledger is None else {position.symbol: position for position in ledger.positions()}
            if positions != {position.symbol: position for position in table.positions(strategy)}:
                self.checker.complain(
                    f"positions of {strategy}: {positions} in the journal, {table.positions(strategy)}"
                )

    # The market.

    async def move_market(self) -> None:
        """Random walks; trades go through resting orders, most of them smaller than those."""
        while not self.is_over:
            await trio.sleep(self.plan.market_every_s)
            symbol = self._market.choice(SYMBOLS)
            step = Decimal(str(round(self._market.gauss(0, 0.0005), 6)))
            self.prices[symbol] = (self.prices[symbol] * (1 + step)).quantize(Decimal("0.01"))
            self._quote(symbol)
            quantity = self._market.choice((50, 130, 1_000)) * STEPS[symbol]
            self.exchange.trade(symbol, self.prices[symbol], quantity, buyer_is_maker=self._market.random() < 0.5)

    def _quote(self, symbol: str) -> None:
        price, half = self.prices[symbol], self.prices[symbol] * Decimal("0.0001")
        bid, ask = ((price - half).quantize(Decimal("0.01")), (price + half).quantize(Decimal("0.01")))
        quantities = [self._market.choice((90, 400, 5_000)) * STEPS[symbol] for _ in range(2)]
        self.exchange.quote(symbol, bid, ask, bid_quantity=quantities[0], ask_quantity=quantities[1])


class Process:
    """One process with all its actors, and what happens to them. Make it inside of the run."""

    def __init__(self, simulation: Simulation, number: int, plan: ProcessPlan) -> None:
        self._simulation = simulation
        self._number = number
        self._plan = simulation.plan
        exchange = simulation.exchange
        clock = machine_clock(exchange.clock.unix_ms() + plan.skew_ms)
        self._journal = None
        if simulation.journal is not None:
            self._journal = OrderJournal.open(simulation.journal, in_thread=False)
        self._random = self._plan.random(f"process/{number}")
        hasty_or_not_s = self._random.choice((2.0, 15.0))
        is_last = number == len(self._plan.processes) - 1
        self.tree = build(
            api=exchange.api,
            streams=exchange.streams,
            clock=clock,
            signer=exchange.signer(),
            strategies=[self._entry(index) for index in range(len(self._plan.strategies))],
            journal=self._journal,
            order_settings=self._plan.settings,
            connection_settings=self._plan.station.connection_settings,
            random=self._random,
            # What the last one leaves is looked at: it may have to log on again before it can cancel.
            strategy_stop_within_s=15.0 if is_last else hasty_or_not_s,
        )
        self.table = self.tree.desk.order_table
        self._station = Station(self._plan.station, exchange, self.tree, clock)
        self._operator = Operator(self.tree, exchange, simulation.checker.complain)
        self.listener = Listener(simulation.checker, self.tree, number)
        simulation.checker.processes.append(self.listener)
        self.tree.lifecycle.tap(self._hear, on_error=simulation.checker.stumble)
        self.ended = trio.Event()
        self._stop = trio.Event()
        self._troubles = trio.CancelScope()
        self._calm_ms = 0

    def _entry(self, index: int) -> StrategyEntry:
        plan = self._plan.strategies[index]
        config = Trader.Config(symbols=SYMBOLS, plan=plan, world=self._simulation, process=self._number)
        return StrategyEntry(
            name=plan.name,
            strategy=Trader,
            config=config,
            orders_on_crash=plan.orders_on_crash,
            restart=Restart.TRANSIENT,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until `stop` or `kill`."""
        try:
            async with (
                self.tree.system(random=self._random.random, logger_for=self._logger) as self._system,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(self._make_trouble)
                task_status.started()
                await self._stop.wait()
                nursery.cancel_scope.cancel()
        except DogwatchError as failure:
            self._simulation.checker.complain(f"process {self._number} came to an end: {failure!r}")
        finally:
            if self._journal is not None:
                self._journal.close()
            self.ended.set()

    async def live(self, plan: ProcessPlan) -> None:
        """Let it be for its time."""
        if plan.is_given_time:
            with trio.move_on_after(CAUGHT_UP_WITHIN_S):
                while self.tree.desk.order_topics.caught_up.last is None:  # noqa: ASYNC110  # it may die before
                    await trio.sleep(0.1)
        with trio.move_on_after(plan.lives_s):
            await self.ended.wait()

    def stop(self) -> None:
        """In order."""
        self._stop.set()

    def kill(self, network: MemoryNetwork, random: Random, left: Path) -> Path | None:
        """At once. What is left of the journal is what was in the file in this moment."""
        self.listener.dies()
        source = self._simulation.journal
        if source is not None:
            for ending in ("", "-wal"):
                if Path(f"{source}{ending}").exists():
                    shutil.copyfile(f"{source}{ending}", f"{left}{ending}")
        network.reachable = False
        network.cut_all(lose_in_flight=random.random() < 0.5)
        self._system.stop(at_once=True)
        self._stop.set()
        return None if source is None else left

    def calm_down(self) -> None:
        """No more trouble."""
        self._troubles.cancel()
        self._calm_ms = self._simulation.exchange.clock.unix_ms()

    async def settled(self) -> None:
        """Wait until nothing is in doubt and an audit that begins now, or later, has looked at everything."""
        audited = trio.Event()

        def hear(event: CaughtUp) -> None:
            audited.set()

        self.tree.desk.order_topics.caught_up.tap(hear, on_error=self._simulation.checker.stumble)
        with trio.move_on_after(SETTLED_WITHIN_S) as patience:
            await audited.wait()
            while self._is_anything_in_doubt():  # noqa: ASYNC110  # no event says that nothing is
                await trio.sleep(1)
            await trio.sleep(2)
        if patience.cancelled_caught:
            doubts = [order for order in self.table.all_live() if order.is_unknown or order.life is Life.SENT]
            self._simulation.checker.complain(
                f"not settled after {SETTLED_WITHIN_S} s: {audited.is_set()=} {doubts=} {self.table.unexplained()=}"
            )

    def _is_anything_in_doubt(self) -> bool:
        return bool(self.table.unexplained()) or any(
            order.is_unknown or order.life is Life.SENT for order in self.table.all_live()
        )

    # Trouble.

    async def _make_trouble(self) -> None:
        with self._troubles:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._again, self._plan.trouble_every_s, self._trouble_the_line)
                nursery.start_soon(self._again, self._plan.crash_every_s, self._crash_somebody)
                nursery.start_soon(self._again, self._plan.trouble_every_s, self._meddle)
                nursery.start_soon(self._again, self._plan.clock_every_s, self._set_clock)
                for every_s, strike in self._station.troubles():
                    nursery.start_soon(self._again, every_s, strike)
                nursery.start_soon(self._operator.take_over, self._plan.random(f"take_over/{self._number}"))
                nursery.start_soon(self._again, self._plan.halt_every_s, self._operator.halt)
                if self._journal is not None:
                    nursery.start_soon(self._again, 2 * self._plan.trouble_every_s, self._spoil_the_disk)

    async def _again(self, every_s: float, act: Callable[[Random], Any]) -> None:
        random = self._plan.random(f"{act.__name__}/{self._number}")
        while True:
            await trio.sleep(random.uniform(0.3, 1.7) * every_s)
            await self._simulation.any_moment(random)
            await act(random)

    async def _trouble_the_line(self, random: Random) -> None:
        network, faults = self._simulation.exchange.network, self._simulation.exchange.faults
        kinds: tuple[Callable[[], ConnectionFault], ...] = (
            Cut,
            partial(HalfClose, way="in"),
            partial(HalfClose, way="out"),
            partial(Stall, for_s=random.uniform(0.1, 4)),
            partial(ShutDown, notice_s=random.uniform(0, 4)),
        )
        match random.randrange(8):
            case 0:
                network.cut_all(lose_in_flight=random.random() < 0.5)
            case 1:
                network.reachable = False
                network.cut_all()
                await trio.sleep(random.choice((0.5, 2, 10)))
                network.reachable = True
            case 2:
                epoch = self.tree.link.lines[0].topics.epoch
                if epoch is not None:
                    self.tree.link.lines[0].connection.tell(Reconnect(epoch=epoch, reason="somebody wants it"))
            case number:
                faults.now(kinds[number - 3]())

    async def _set_clock(self, random: Random) -> None:
        self._simulation.exchange.paper.clock.jump(random.choice((-12, -5, -2, 0.5, 2, 5, 12)))

    async def _meddle(self, random: Random) -> None:
        """The account's owner has other means: places orders that are none of ours, and cancels any."""
        paper = self._simulation.exchange.paper
        symbol = random.choice(SYMBOLS)
        known = [order for order in self.table.all_live() if order.order_id is not None]
        try:
            if known and random.random() < 0.4:
                order = random.choice(known)
                cancellation = {"symbol": order.symbol, "orderId": order.order_id}
                paper.engine.cancel(ACCOUNT, cancellation, paper.clock.unix_ms())
                self._simulation.checker.taken_off.add(order.client_order_id)
            else:
                price = self._simulation.prices[symbol] * random.choice((Decimal("0.999"), Decimal("1.001")))
                terms = {"side": random.choice(("BUY", "SELL")), "type": "LIMIT", "timeInForce": "GTC"}
                amounts = {"quantity": str(300 * STEPS[symbol]), "price": str(price.quantize(Decimal("0.01")))}
                row = paper.engine.place(ACCOUNT, {"symbol": symbol, **terms, **amounts}, paper.clock.unix_ms())
                self._simulation.checker.foreign.add((symbol, row["orderId"]))
        except EngineError:
            pass  # it was over already, or nothing is left to pay with
        paper.settle()

    async def _spoil_the_disk(self, random: Random) -> None:
        """For a while nothing can be written."""
        assert self._journal is not None
        journal: Any = self._journal._journal
        self.listener.unwritten_since_s = trio.current_time()
        journal._execute_all = _refuse
        try:
            await trio.sleep(random.choice((0.1, 1.5, 6.0)))
        finally:
            del journal._execute_all
        await trio.sleep(2.5)
        self.listener.unwritten_since_s = None

    async def _crash_somebody(self, random: Random) -> None:
        actors = {path: child.ref for path, child in actor_specs(self.tree.spec)}
        nonsense: Any = Nonsense()
        match random.choice(("orders", "orders", "orders", "reconciler", "session")):
            case "orders":
                live = [order.client_order_id for order in self.table.all_live()]
                if live:
                    actors["dogwatch/orders"].tell(Evidence(client_order_id=random.choice(live), event=nonsense))
            case "reconciler":
                told = CaughtUp(gap=None, began_ms=nonsense, orders=0, trades=0, took_s=0)
                actors["dogwatch/reconciler"].tell(told)
            case _:
                actors["dogwatch/link/session"].tell(SessionCall(method=nonsense))

    def _hear(self, event: LifecycleEvent) -> None:
        if isinstance(event, Exited) and event.error is not None and self.listener.killed_at_s is None:
            is_wanted = isinstance(event.error, OwnMistake) or "Nonsense" in f"{event.error!r}"
            if not is_wanted:
                self._simulation.checker.complain(f"{event.path} crashed: {event.error!r}")

    def _logger(self, path: str) -> Logger:
        return AlarmBell(path, self._simulation.checker.complain, self.listener)


def _refuse(_rows: object, _sequence: int) -> None:
    raise sqlite3.OperationalError("the disk is full")


class Nonsense:
    """What no actor expects."""


class AlarmBell(StandardLogger):
    """Alarms are problems: nothing that the exchange does here contradicts itself."""

    def __init__(self, path: str, complain: Callable[[str], None], listener: Listener) -> None:
        super().__init__(path)
        self._complain = complain
        self._listener = listener

    def _log(self, level: int, event: str, facts: dict[str, Any]) -> None:
        if event == "alarm" and "journal cannot be written" not in facts["text"] and self._listener.killed_at_s is None:
            self._complain(f"alarm: {facts['text']}")
        super()._log(level, event, facts)
