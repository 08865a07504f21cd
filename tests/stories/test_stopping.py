"""A process is asked to stop when that is hardest: under full load, with orders open, with subscribers that hang or do
not read, and with nobody who reads what it says.

A real process, a real port, a real journal. The exchange stands in the test's own process: its ledger is the judge.
"""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import trio

from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.paper.config import PaperConfig, RandomWalkFeed
from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.actors.paper.port import LOOPBACK, serve_on_port
from dogwatch.runtime.clock import Clock
from tests.stories.far_exchange import PATIENCE_S, PLENTY, write_access
from tests.stories.scene import SYMBOL, until

STOPPED_WITHIN_S = 10.0
"""The bound that is promised; an idle machine takes 3 s."""
RESTING = 40
"""How many orders each strategy has open."""

CONFIG = """
[runtime]
control = "laden.sock"
"""
STRATEGY = """
[[strategy]]
name = "{name}"
use = "{file}:{kind}"
config = {{ orders = {orders} }}
"""


class Stage:
    """An exchange on a port, and the folder of a process that trades there."""

    def __init__(self, exchange: PaperExchange, folder: Path, ready: Path) -> None:
        self.exchange = exchange
        self.folder = folder
        self.journal = folder / "laden.journal"
        self._ready = ready

    def configure(self, *kinds: str) -> None:
        """Write `laden.toml` with these strategies of laden.py."""
        file = Path(__file__).with_name("laden.py")
        strategies = [STRATEGY.format(name=kind.lower(), file=file, kind=kind, orders=RESTING) for kind in kinds]
        content = "".join([write_access(self.folder, self._ready), CONFIG, *strategies])
        (self.folder / "laden.toml").write_text(content, encoding="utf-8")

    def open_orders(self) -> int:
        return sum(row["status"] in ("NEW", "PARTIALLY_FILLED") for row in self.exchange.orders())

    async def wait_until_laden(self, orders: int) -> None:
        """All orders rest, and more come and go."""
        await until(lambda: self.open_orders() >= orders, within_s=PATIENCE_S, step_s=0.02)
        placed = len(self.exchange.intents)
        await until(lambda: len(self.exchange.intents) > placed + 20, within_s=PATIENCE_S, step_s=0.02)


@asynccontextmanager
async def staged(folder: Path, seed: int) -> AsyncIterator[Stage]:
    feed = RandomWalkFeed(symbol=SYMBOL, price=Decimal(40_000), step=Decimal(5), interval_ms=20)
    exchange = PaperExchange(PaperConfig(feed=feed, rate_limits=PLENTY), clock=Clock.system(), seed=seed)
    async with trio.open_nursery() as nursery:
        ready = folder / "ready.json"
        await nursery.start(serve_on_port, exchange, LOOPBACK, 0, ready)
        nursery.start_soon(exchange.run_feed)
        yield Stage(exchange, folder, ready)
        nursery.cancel_scope.cancel()


@contextmanager
def stalled_pipe() -> Iterator[int]:
    """The end to write into of a pipe that is full, and that nobody reads."""
    reading, writing = os.pipe()
    try:
        flags = fcntl.fcntl(writing, fcntl.F_GETFL)
        fcntl.fcntl(writing, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        with suppress(BlockingIOError):
            while os.write(writing, bytes(4096)):
                pass
        fcntl.fcntl(writing, fcntl.F_SETFL, flags)
        yield writing
    finally:
        os.close(reading)
        os.close(writing)


@contextmanager
def process(folder: Path, *, stdout: int, stderr: int) -> "Iterator[subprocess.Popen[bytes]]":
    command = [sys.executable, "-m", "dogwatch", "run", "laden.toml", "--report", "report.json"]
    with subprocess.Popen(command, stdout=stdout, stderr=stderr, cwd=folder) as running:
        try:
            yield running
        finally:
            running.kill()


async def gone(running: "subprocess.Popen[bytes]") -> float:
    """Wait until the process has ended. Returns how long that took, in seconds."""
    began_s = trio.current_time()
    await trio.to_thread.run_sync(running.wait, PATIENCE_S)
    return trio.current_time() - began_s


def check_that_all_is_known_and_closed(stage: Stage) -> None:
    assert stage.open_orders() == 0
    files = {path.name for path in stage.folder.glob("laden.journal*")}
    assert files == {"laden.journal", "laden.journal.lock"}, "the journal was not closed"
    with OrderJournal.open(stage.journal, in_thread=False) as journal:
        recorded = {order.client_order_id: order for order in journal.orders(closed_max=1_000_000)}
    assert stage.exchange.intents.keys() <= recorded.keys()
    assert all(order.is_closed and not order.is_unknown for order in recorded.values())


def check_that_all_ended_in_its_order(stage: Stage) -> None:
    """The last order, then the last cancel, then the ledger is read, and only then the line is closed."""
    record = stage.exchange.record
    last_s = {request.method: request.at_s for request in record.requests}
    (line,) = [line for line in record.connections if line.to == "api" and line.logged_on]
    assert line.closed_s is not None
    assert last_s["order.place"] <= last_s["order.cancel"] <= last_s["account.status"] <= line.closed_s
    assert record.events[-1].at_s <= last_s["account.status"]


@pytest.mark.parametrize("stalled", ["stdout", "stdout and stderr"])
async def test_a_process_under_full_load_stops_in_order_and_in_time_although_nobody_reads_what_it_says(
    tmp_path: Path, seed: int, stalled: str
) -> None:
    async with staged(tmp_path, seed) as stage:
        stage.configure("Stuck", "Laden", "Deaf")
        with stalled_pipe() as pipe, (tmp_path / "stderr.txt").open("wb") as log:
            stderr = pipe if stalled == "stdout and stderr" else log.fileno()
            with process(tmp_path, stdout=pipe, stderr=stderr) as running:
                await stage.wait_until_laden(3 * RESTING)
                running.send_signal(signal.SIGTERM)
                took_s = await gone(running)
        said = (tmp_path / "stderr.txt").read_text(encoding="utf-8")
        assert running.returncode == 0, said
        check_that_all_is_known_and_closed(stage)
        check_that_all_ended_in_its_order(stage)
        report = msgspec.json.decode((tmp_path / "report.json").read_bytes())
        assert (report["orders_open"], report["orders_unknown"], report["ledger_read"]) == (0, 0, True)
        assert ("nobody reads the standard output" in said) == (stalled == "stdout")
        assert took_s < STOPPED_WITHIN_S
    sys.stdout.write(f"\na stop under full load, {stalled} stalled: {took_s:.1f} s\n")


async def test_a_second_signal_ends_it_at_once_and_the_journal_knows_what_it_leaves(tmp_path: Path, seed: int) -> None:
    async with staged(tmp_path, seed) as stage:
        stage.configure("Clinging", "Laden")
        with stalled_pipe() as pipe, process(tmp_path, stdout=pipe, stderr=pipe) as running:
            await stage.wait_until_laden(2 * RESTING)
            running.send_signal(signal.SIGTERM)
            await until(lambda: stage.open_orders() == RESTING, within_s=PATIENCE_S, step_s=0.02)
            assert running.poll() is None, "it waits for the strategy that clings"
            running.send_signal(signal.SIGTERM)
            took_s = await gone(running)
        assert running.returncode == 128 + signal.SIGTERM
        assert took_s < STOPPED_WITHIN_S
        with OrderJournal.open(stage.journal, in_thread=False) as journal:
            left = {order.order_id for order in journal.orders()}
        still_open = {row["orderId"] for row in stage.exchange.orders() if row["status"] == "NEW"}
        assert len(still_open) == RESTING
        assert still_open <= left, "what it had just canceled may be in doubt as well"
