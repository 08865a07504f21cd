"""`dogwatch run`: the strategies of a configuration, from the first dial to the report."""

import argparse
import math
import shutil
import sys
import time
from functools import partial
from pathlib import Path
from random import Random

import msgspec
import trio

from dogwatch.actors.auditor import Audit
from dogwatch.actors.commands.paper import DUMP_HINT
from dogwatch.actors.commands.tree import default_control_path
from dogwatch.actors.figures import Figures
from dogwatch.actors.order_messages import AwaitReady
from dogwatch.actors.paper.config import PaperConfig, TradesFeed
from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.actors.progress import COLUMNS, status_line
from dogwatch.actors.report import Report, render
from dogwatch.actors.screen import Screen
from dogwatch.actors.settings import Plan, Settings, load_plan
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.tree import Door, StrategyEntry, Tree, build
from dogwatch.actors.venue import Venue, far_venue, open_paper_venue
from dogwatch.runtime.app import App, run_app
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.control import ControlError, serve_control
from dogwatch.runtime.errors import ConfigError, DogwatchError
from dogwatch.runtime.logger import Logger, StandardLogger
from dogwatch.runtime.logs import Logs, file_writer
from dogwatch.runtime.specs import Restart
from dogwatch.runtime.system import System
from dogwatch.runtime.testing import seeded_scheduling, virtual_clock
from dogwatch.runtime.watchdog import LoopHeld, LoopWatchdog

TERMINAL_EVERY_S = 0.5
PLAIN_EVERY_S = 5.0
STDOUT, STDERR = 1, 2


def main(options: argparse.Namespace) -> int:
    """Run, print the report, write it. Exit code 1 when belief and ledger differ, or an order stays open or unknown."""
    plan = with_trades(load_plan(options.config), options.trades)
    refuse_wrong_use(plan.settings, options)
    if options.report is not None:
        write_report(options.report, b"")  # better to hear now than after a month that it cannot be written
    run = Run(plan, options)
    code = run.execute()
    if run.report is not None:
        print(render(run.report))
        if options.report is not None:
            write_report(options.report, run.report.to_json())
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
    if not file.is_file():
        raise ConfigError("--trades", f"there is no file {file}", hint=DUMP_HINT)
    paper = plan.settings.paper or PaperConfig()
    symbols = [symbol for entry in plan.strategies for symbol in entry.strategy.symbols(entry.config)]
    symbol = paper.feed.symbol if paper.feed is not None else next(iter(symbols), "BTCUSDT")
    paper = msgspec.structs.replace(paper, feed=TradesFeed(symbol=symbol, file=file))
    return msgspec.structs.replace(plan, settings=msgspec.structs.replace(plan.settings, paper=paper))


def write_report(path: Path, content: bytes) -> None:
    """Write the report's file. Raises ConfigError."""
    try:
        path.write_bytes(content)
    except OSError as error:
        problem = f"{path} cannot be written: {error.strerror or error}"
        raise ConfigError("--report", problem, hint="check that its folder exists and is yours") from error


class Run:
    """One run of a plan."""

    def __init__(self, plan: Plan, options: argparse.Namespace) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._seed: int = options.seed
        self._seconds: float | None = options.seconds
        self._is_virtual: bool = options.virtual
        self._failure: DogwatchError | None = None
        self._watchdog = LoopWatchdog(self._tell_hold)
        self._logger: Logger = StandardLogger("dogwatch")
        self.report: Report | None = None
        """What the run came to; None when it was ended at once."""

    def execute(self) -> int:
        """Run in real or virtual time, and return the exit code. Raises ConfigError, or what made the tree fail."""
        run = partial(run_app, self._main, stop_within_s=self._settings.runtime.stop_within_s)
        if self._is_virtual:
            with seeded_scheduling(self._seed):
                return run(clock=virtual_clock(), instruments=[self._watchdog])
        return run(instruments=[self._watchdog])

    async def _main(self, app: App) -> int:
        clock = Clock.virtual() if self._is_virtual else Clock.system()
        in_thread = not self._is_virtual
        screen = Screen(file_writer(STDOUT), file_writer(STDERR), is_terminal=sys.stdout.isatty(), in_thread=in_thread)
        level = self._settings.runtime.log_level
        logs = Logs(screen.log, clock=clock, style="human", level=level, in_thread=in_thread)
        with screen, logs:
            self._logger = logs.get_logger("dogwatch")
            self.report = await self._trade(app, clock, screen, logs)
        return 0 if self.report.agrees else 1

    async def _trade(self, app: App, clock: Clock, screen: Screen, logs: Logs) -> Report:
        audit = Audit()
        begun_ns, begun_s = time.perf_counter_ns(), trio.current_time()
        async with trio.open_nursery() as nursery:
            venue = await self._open_venue(clock, nursery)
            tree = self._tree(venue, clock, audit)
            figures = Figures(tree, audit)
            system = tree.system(random=Random(self._seed).random, logger_for=logs.get_logger)
            with app.stops(system):
                async with system:
                    self._attend(system, tree, venue, nursery)
                    nursery.start_soon(self._show_progress, screen, figures)
                    await system.wait_ended()
            nursery.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure
        return figures.report(wall_s=(time.perf_counter_ns() - begun_ns) / 1e9, virtual_s=trio.current_time() - begun_s)

    async def _open_venue(self, clock: Clock, nursery: trio.Nursery) -> Venue:
        if self._settings.brings_its_exchange:
            return await open_paper_venue(self._settings, clock=clock, seed=self._seed, nursery=nursery)
        return far_venue(self._settings)

    def _tree(self, venue: Venue, clock: Clock, audit: Audit) -> Tree:
        api, streams = venue.endpoints.ws_api, venue.endpoints.streams
        return build(
            api=Door(venue.dial_api, api.host, api.resource),
            streams=Door(venue.dial_streams, streams.host, streams.resource),
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
            audit=audit,
            random=Random(self._seed),
        )

    def _attend(self, system: System, tree: Tree, venue: Venue, nursery: trio.Nursery) -> None:
        """Start what goes on beside the tree: prices, the end of the time, the control socket."""
        if venue.exchange is not None:
            nursery.start_soon(self._play_feed, venue.exchange, tree, system)
        if self._seconds is not None:
            nursery.start_soon(self._stop_after, self._seconds, system)
        if not self._is_virtual:
            nursery.start_soon(self._serve_control, system)

    async def _serve_control(self, system: System) -> None:
        try:
            path = self._settings.runtime.control or default_control_path(self._plan.path)
            await serve_control(path, {"tree": system.tree})
        except ControlError as failure:
            # Trading does not depend on it; two runs of one configuration share the default path.
            self._logger.warning("`dogwatch tree` cannot ask this process", reason=str(failure))

    def _tell_hold(self, held: LoopHeld) -> None:
        self._logger.warning("the loop was held", task=held.task, held_ms=round(held.held_ms, 1))

    async def _play_feed(self, exchange: PaperExchange, tree: Tree, system: System) -> None:
        """Prices begin when somebody can trade on them, and the run ends with them."""
        await tree.desk.orders.ask(AwaitReady(), within_s=math.inf)
        try:
            await exchange.run_feed()
        except DogwatchError as failure:
            self._failure = failure
            system.stop()
            return
        if exchange.finished.is_set():
            system.stop()

    async def _stop_after(self, seconds: float, system: System) -> None:
        await trio.sleep(seconds)
        system.stop()

    async def _show_progress(self, screen: Screen, figures: Figures) -> None:
        if self._is_virtual:
            return  # it would be over before it is read
        begun_s = trio.current_time()
        period_s = TERMINAL_EVERY_S if sys.stdout.isatty() else PLAIN_EVERY_S
        columns = min(COLUMNS, shutil.get_terminal_size().columns - 1)
        while True:
            await trio.sleep(period_s)
            screen.show(status_line(figures.snapshot(trio.current_time() - begun_s), columns=columns))
