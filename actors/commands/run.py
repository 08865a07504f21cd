"""`dogwatch run`: the strategies of a configuration, from the first dial to the report."""

import argparse
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import msgspec
import trio

from dogwatch.actors.auditor import Audit
from dogwatch.actors.commands.orders import ENDED_MAX
from dogwatch.actors.commands.tree import default_control_path
from dogwatch.actors.figures import Figures
from dogwatch.actors.halting import Halting
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.order_messages import AwaitReady
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.progress import COLUMNS, status_line
from dogwatch.actors.report import Report, render
from dogwatch.actors.screen import Screen, say
from dogwatch.actors.settings import JournalSettings, Plan, Settings, load_plan
from dogwatch.actors.spot.enums import OrderType
from dogwatch.actors.spot.order import Order
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.tree import StrategyEntry, Tree, build
from dogwatch.actors.venue import Venue, far_venue, open_paper_venue
from dogwatch.runtime.app import App, run_app
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.control import Commands, ControlError, serve_control
from dogwatch.runtime.errors import ConfigError, DogwatchError, JournalError, alone
from dogwatch.runtime.interpreter import settled_interpreter
from dogwatch.runtime.journal import Durability
from dogwatch.runtime.logger import Logger, StandardLogger
from dogwatch.runtime.logs import Logs, file_writer
from dogwatch.runtime.specs import Restart
from dogwatch.runtime.system import System
from dogwatch.runtime.testing import seeded_scheduling, virtual_clock
from dogwatch.runtime.watchdog import LoopHeld, LoopWatchdog

if TYPE_CHECKING:
    from dogwatch.actors.paper.exchange import PaperExchange

TERMINAL_EVERY_S = 0.5
PLAIN_EVERY_S = 5.0
VIRTUAL_STEP_S = 10.0
HELD_MS_MAX = 100.0
STDOUT, STDERR = 1, 2
SAID_WITHIN_S = 1.0
"""How long the last words wait for a terminal or a pipe that takes nothing."""
STOPPING = "stopping, again ends at once"
CUT_SHORT = "ended before the strategies had stopped: look for orders that are still open at the exchange"
NOT_SAID = "dogwatch: nobody reads the standard output: the report was not printed\n  hint: --report FILE.json keeps it"
CUT_SHORT_HINT = "`dogwatch orders {config}` lists them, and the next run goes on with them"


def main(options: argparse.Namespace) -> int:
    """Run, write the report, print it. The exit code is 0 when everything is as it should be at the end.

    It is 1 when belief and ledger differ or the ledger could not be read, when an order stays open or unknown, or when
    a strategy was down after a crash.
    """
    plan = load_plan(options.config)
    refuse_wrong_use(plan.settings, options)
    plan = with_trades(plan, options.trades)
    refuse_missing_prices(plan)
    if options.report is not None:
        refuse_unwritable(options.report, sources=[options.config, *([options.trades] if options.trades else [])])
    run = Run(plan, options)
    code = run.execute()
    if run.report is None:
        hint = "" if plan.journal_file is None else f"\n  hint: {CUT_SHORT_HINT.format(config=options.config)}"
        say(sys.stderr, f"dogwatch: {CUT_SHORT}{hint}", within_s=SAID_WITHIN_S)
    else:
        try:
            if options.report is not None:
                write_report(options.report, run.report.to_json())
        finally:
            if not say(sys.stdout, render(run.report), within_s=SAID_WITHIN_S):
                say(sys.stderr, NOT_SAID, within_s=SAID_WITHIN_S)
    if run.failure is not None:
        raise run.failure
    return code


def refuse_wrong_use(settings: Settings, options: argparse.Namespace) -> None:
    """Raise ConfigError for options that do not go with the configuration."""
    if settings.endpoints.is_live and not options.mainnet:
        raise ConfigError("venue.name", "mainnet trades real money", hint="add --mainnet if that is what you want")
    if options.mainnet and not settings.endpoints.is_live:
        raise ConfigError("--mainnet", f"the venue is {settings.venue.name}", hint="leave the option out")
    if not settings.brings_its_exchange:
        for option, given in (("--virtual", options.virtual), ("--trades", options.trades is not None)):
            if given:
                hint = 'set venue.name = "paper" without addresses'
                raise ConfigError(option, "works only with the paper exchange in this process", hint=hint)


def with_trades(plan: Plan, file: Path | None) -> Plan:
    """The plan with this trade dump as the price feed, of the symbol that the plan's feed or first strategy names."""
    if file is None:
        return plan
    from dogwatch.actors.commands.paper import trades_feed  # loads the whole paper exchange

    paper = plan.settings.paper or PaperConfig()
    symbols = [symbol for entry in plan.strategies for symbol in entry.symbols]
    symbol = paper.feed.symbol if paper.feed is not None else next(iter(symbols), "BTCUSDT")
    paper = msgspec.structs.replace(paper, feed=trades_feed(symbol, file))
    return msgspec.structs.replace(plan, settings=msgspec.structs.replace(plan.settings, paper=paper))


def refuse_missing_prices(plan: Plan) -> None:
    """Raise ConfigError when the paper exchange in this process could never give a strategy a price."""
    settings = plan.settings
    if not settings.brings_its_exchange:
        return
    feed = settings.paper.feed if settings.paper is not None else None
    if feed is None:
        hint = "add a table [paper.feed], or --trades FILE.csv"
        raise ConfigError("paper.feed", "is missing: nothing can trade without prices", hint=hint)
    for entry in plan.strategies:
        if entry.symbols and feed.symbol not in entry.symbols:
            wanted = " and ".join(entry.symbols)
            raise ConfigError(
                f"strategy {entry.settings.name}",
                f"trades {wanted}, but the feed has prices of {feed.symbol} only",
                hint="let paper.feed.symbol be what the strategy trades",
            )


def refuse_unwritable(path: Path, *, sources: Sequence[Path]) -> None:
    """Raise ConfigError when a report could not be written, or would be written over a source. Changes nothing.

    Better now than after a month.
    """
    problem = ""
    if path.is_dir():
        problem = "it is a folder"
    elif path.resolve() in [source.resolve() for source in sources]:
        problem = "this run reads it"
    elif not path.parent.is_dir():
        problem = f"there is no folder {path.parent}"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        problem = "you may not write there"
    if problem:
        raise ConfigError("--report", f"{path} cannot be written: {problem}", hint="name a file in a folder of yours")


def write_report(path: Path, content: bytes) -> None:
    """Write the report's file. Raises ConfigError."""
    try:
        path.write_bytes(content)
    except OSError as error:
        problem = f"{path} cannot be written: {error.strerror or error}"
        raise ConfigError("--report", problem, hint="the report is below, as text") from error


class Run:
    """One run of a plan."""

    def __init__(self, plan: Plan, options: argparse.Namespace) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._seed: int = options.seed
        self._seconds: float | None = options.seconds
        self._is_virtual: bool = options.virtual
        self._has_begun = False
        self._is_over = False
        self._watchdog = LoopWatchdog(self._tell_hold)
        self._logger: Logger = StandardLogger("dogwatch")
        self.report: Report | None = None
        """What the run came to; None when it was ended at once."""
        self.failure: DogwatchError | None = None
        """What ended the run before its time, although in order."""
        self._far: Venue | None = None

    def execute(self) -> int:
        """Run in real or virtual time, and return the exit code. Raises ConfigError, or what made the tree fail."""
        if not self._settings.brings_its_exchange:
            self._far = far_venue(self._settings)  # reads keys and certificates: not while the loop runs
        run = partial(run_app, self._main, stop_within_s=self._settings.runtime.stop_within_s)
        try:
            if self._is_virtual:
                with seeded_scheduling(self._seed):
                    return run(clock=virtual_clock(), instruments=[self._watchdog])
            return run(instruments=[self._watchdog])
        except JournalError as failure:  # at the start only: later, orders are refused and the log has an error
            raise ConfigError("", failure.message, hint=failure.hint) from failure

    async def _main(self, app: App) -> int:
        clock = Clock.virtual() if self._is_virtual else Clock.system()
        in_thread = not self._is_virtual
        screen = Screen(file_writer(STDOUT), file_writer(STDERR), is_terminal=sys.stdout.isatty(), in_thread=in_thread)
        level = self._settings.runtime.log_level
        logs = Logs(screen.log, clock=clock, style="human", level=level, in_thread=in_thread)
        with screen, logs:
            self._logger = logs.get_logger("dogwatch")
            self.report = await self._trade(app, clock, screen, logs)
        return 0 if self.report.agrees and not self.report.crashed else 1

    async def _trade(self, app: App, clock: Clock, screen: Screen, logs: Logs) -> Report:
        audit = Audit()
        begun_ns, begun_s = time.perf_counter_ns(), trio.current_time()
        with self._journal() as journal:
            try:
                async with trio.open_nursery() as nursery:
                    venue = await self._open_venue(clock, nursery)
                    tree = self._tree(venue, clock, audit, journal)
                    figures = Figures(tree, audit, on_rejected=self._tell_rejection)
                    self._tell_what_was_left(tree)
                    system = tree.system(random=Random(self._seed).random, logger_for=logs.get_logger)
                    with app.stops(system):
                        async with system:
                            self._attend(app, system, tree, venue, figures, nursery)
                            nursery.start_soon(self._show_progress, app, screen, figures)
                            with settled_interpreter():  # the process is ours, and the tree stands
                                await system.wait_ended()
                    nursery.cancel_scope.cancel()
            except ExceptionGroup as group:
                raise alone(group) from None
        return figures.report(wall_s=(time.perf_counter_ns() - begun_ns) / 1e9, virtual_s=trio.current_time() - begun_s)

    @contextmanager
    def _journal(self) -> Iterator[OrderJournal | None]:
        """The journal of this run, None where there is none. Raises JournalError when it cannot be used."""
        path = self._plan.journal_file
        if path is None:
            yield None
            return
        durability = Durability((self._settings.journal or JournalSettings()).durability)
        with OrderJournal.open(path, durability=durability) as journal:
            yield journal
        if journal.failure is not None and self.failure is None:
            hint = f"{journal.failure.hint}; what is missing is asked for by the next run"
            self.failure = JournalError(f"{journal.failure.message}: the last changes are not in it", hint=hint)

    async def _open_venue(self, clock: Clock, nursery: trio.Nursery) -> Venue:
        if self._far is not None:
            return self._far
        return await open_paper_venue(self._settings, clock=clock, seed=self._seed, nursery=nursery)

    def _tree(self, venue: Venue, clock: Clock, audit: Audit, journal: OrderJournal | None) -> Tree:
        return build(
            api=venue.api,
            streams=venue.streams,
            clock=clock,
            signer=venue.signer,
            strategies=[
                StrategyEntry(
                    name=entry.settings.name,
                    strategy=entry.strategy,
                    config=entry.config,
                    orders_on_crash=OrdersOnCrash(entry.settings.orders_on_crash),
                    restart=Restart(entry.settings.restart),
                )
                for entry in self._plan.strategies
            ],
            journal=journal,
            venue=self._settings.venue.name,
            order_settings=self._settings.orders,
            limit_settings=self._settings.limits,
            connection_settings=self._settings.connection,
            audit=audit,
            random=Random(self._seed),
        )

    def _attend(
        self, app: App, system: System, tree: Tree, venue: Venue, figures: Figures, nursery: trio.Nursery
    ) -> None:
        """Start what goes on beside the tree: prices, the end of the time, the control socket."""
        self._has_begun = True
        if venue.exchange is not None:
            nursery.start_soon(self._play_feed, venue.exchange, tree, app)
        if self._seconds is not None:
            nursery.start_soon(self._stop_after, self._seconds, app)
        if not self._is_virtual:
            nursery.start_soon(self._serve_control, system, tree, figures)

    async def _serve_control(self, system: System, tree: Tree, figures: Figures) -> None:
        table = tree.desk.order_table
        commands: Commands = {
            **Halting(tree.desk, obstacle=figures.obstacle, log=self._logger).instructions(),
            "tree": system.tree,
            "orders": lambda: tuple(table.all_live()),
            "all_orders": lambda: (*table.all_live(), *table.newest_closed(ENDED_MAX)),
        }
        try:
            path = self._settings.runtime.control or default_control_path(self._plan.path)
            await serve_control(path, commands)
        except ControlError as failure:
            # Trading does not depend on it; two runs of one configuration share the default path.
            self._logger.warning("`dogwatch halt` and `tree` cannot reach this process", reason=str(failure))

    def _tell_what_was_left(self, tree: Tree) -> None:
        """Say that trading is halted since an earlier run, and that one that was killed has left orders, as of a
        strategy that crashes. Risk tells of those that no strategy of this run looks after."""
        halt = tree.desk.halts.halt
        if halt is not None:
            hint = f"`dogwatch resume {self._plan.path}` lifts it"
            self._logger.warning("trading is halted, as in the run before", reason=halt.reason, hint=hint)
        for entry in self._plan.strategies:
            name, policy = entry.settings.name, entry.settings.orders_on_crash
            live = len(tree.desk.order_table.live(name))
            if live:
                self._logger.warning(
                    "an earlier run ended without cleaning up", strategy=name, orders_live=live, orders_on_crash=policy
                )

    def _tell_hold(self, held: LoopHeld) -> None:
        # A busy machine takes us off its processor now and then, virtual time waits, and a journal is read before
        # anything can be late: nothing to warn of.
        is_serious = held.held_ms >= HELD_MS_MAX and self._has_begun and not self._is_virtual
        log = self._logger.warning if is_serious else self._logger.info
        log("the loop was held", task=held.task, held_ms=round(held.held_ms, 1))

    def _tell_rejection(self, order: Order) -> None:
        # Post-only orders are refused every now and then when the market moves: every quoter lives with that.
        is_routine = order.type is OrderType.LIMIT_MAKER and "would immediately match" in order.reason
        log = self._logger.info if is_routine else self._logger.warning
        log("order rejected", strategy=order.strategy, order=repr(order), reason=order.reason)

    async def _play_feed(self, exchange: "PaperExchange", tree: Tree, app: App) -> None:
        """Prices begin when somebody can trade on them, and the run ends with them."""
        await tree.desk.orders.ask(AwaitReady(), within_s=math.inf)
        try:
            await exchange.run_feed()
        except DogwatchError as failure:
            self.failure = failure
            self._stop(app)
            return
        if exchange.finished.is_set():
            self._stop(app)

    async def _stop_after(self, seconds: float, app: App) -> None:
        await trio.sleep(seconds)
        self._stop(app)

    def _stop(self, app: App) -> None:
        """It is over: stop as after a signal, within the same time."""
        self._is_over = True
        app.request_stop()

    async def _show_progress(self, app: App, screen: Screen, figures: Figures) -> None:
        begun_s = trio.current_time()
        period_s = TERMINAL_EVERY_S if sys.stdout.isatty() else PLAIN_EVERY_S
        columns = min(COLUMNS, shutil.get_terminal_size().columns - 1)

        def show(notice: str = "") -> None:
            screen.show(status_line(figures.snapshot(trio.current_time() - begun_s, notice), columns=columns))

        with trio.CancelScope() as playing:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._show_regularly, period_s, show)
                await app.stop_requested.wait()
                playing.cancel()
        if not self._is_over:
            show(STOPPING)

    async def _show_regularly(self, period_s: float, show: Callable[[], None]) -> None:
        """Every `period_s` seconds of wall time, also where virtual time flies."""
        shown_ns = time.perf_counter_ns()
        while True:
            await trio.sleep(VIRTUAL_STEP_S if self._is_virtual else period_s)
            now_ns = time.perf_counter_ns()
            if not self._is_virtual or now_ns - shown_ns >= period_s * 1e9:
                shown_ns = now_ns
                show()
