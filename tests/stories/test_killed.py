"""The process is killed (`kill -9`) at random moments, again and again, and started again each time.

A real process, a real port, a real journal. The exchange stands in the test's own process: its ledger is the judge.
The variable KILLS says how many times; `make kills` runs hundreds.
"""

import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from random import Random

import trio

from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.paper.config import PaperConfig, RandomWalkFeed
from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.actors.paper.port import LOOPBACK, serve_on_port
from dogwatch.actors.spot.order_tables import STATUS_SIGNALS
from dogwatch.runtime.clock import Clock
from tests.stories.far_exchange import PATIENCE_S, PLENTY, write_access
from tests.stories.scene import SYMBOL

KILLS = int(os.environ.get("KILLS", "30"))
LANES = 2
"""So many exchanges side by side, each with its own process that is killed: most of the time is spent on starting."""
SHARE_KILLED_EARLY = 0.3
"""How many processes are killed wherever they are on their way up, and not while they trade."""

CONFIG = """
[journal]
file = "restless.journal"
[orders]
verdict_margin_s = 1
[runtime]
control = "restless.sock"
stop_within_s = 60
[[strategy]]
name = "restless"
use = "{strategy}:Restless"
orders_on_crash = "keep"
config = {{ symbol = "BTCUSDT", size = "0.001", is_calm = {is_calm} }}
"""


class Folder:
    """Where the killed processes live: configuration, key, journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = path / "restless.journal"

    def write(self, ready: Path) -> None:
        access = write_access(self.path, ready)
        strategy = Path(__file__).with_name("restless.py")
        for name, is_calm in (("trade.toml", "false"), ("calm.toml", "true")):
            content = access + CONFIG.format(strategy=strategy, is_calm=is_calm)
            (self.path / name).write_text(content, encoding="utf-8")

    def start(self, config: str) -> "subprocess.Popen[bytes]":
        log = (self.path / "stderr.txt").open("wb")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "dogwatch", "run", config], stdout=log, stderr=log, cwd=self.path
            )

    def said(self) -> str:
        return (self.path / "stderr.txt").read_text(encoding="utf-8")


async def live_and_be_killed(folder: Folder, exchange: PaperExchange, random: Random) -> None:
    """One process: it comes up, maybe trades for a moment, and is gone."""
    placed = len(exchange.intents)
    process = folder.start("trade.toml")
    try:
        if random.random() < SHARE_KILLED_EARLY:
            await trio.sleep(random.uniform(0.2, 1.2))
        else:
            with trio.fail_after(PATIENCE_S):
                while len(exchange.intents) == placed:
                    assert process.poll() is None, folder.said()
                    await trio.sleep(0.005)
            await trio.sleep(random.uniform(0.0, 0.3))
        assert process.poll() is None, folder.said()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


async def end_in_peace(folder: Folder) -> None:
    """One more process that ends every order and then itself, in order."""
    process = folder.start("calm.toml")
    try:
        await trio.to_thread.run_sync(process.wait, PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, folder.said()


def check_that_nothing_was_lost_or_doubled(exchange: PaperExchange, journal_file: Path) -> None:
    with OrderJournal.read_only(journal_file) as journal:
        recorded = journal.load()
        orders = {order.client_order_id: order for order in journal.orders(closed_max=1_000_000)}
    doubled = {name: times for name, times in exchange.intents.items() if times != 1}
    assert not doubled
    assert exchange.intents.keys() <= orders.keys(), "an intent reached the exchange that the journal does not know"
    by_order_id = {order.order_id: order for order in orders.values() if order.order_id is not None}
    for row in exchange.orders():
        order = by_order_id[row["orderId"]]
        assert order.is_closed, order
        assert STATUS_SIGNALS[row["status"]] == order.life.value, (row, order)
        assert order.filled_quantity == Decimal(row["executedQty"]), (row, order)
    assert all(order.is_closed for order in orders.values())
    placed = {row["orderId"] for row in exchange.orders()}
    assert by_order_id.keys() == placed
    position = recorded.ledgers["restless"].position(SYMBOL)
    assert position.quantity == exchange.position("BTC")
    assert position.fills == len(exchange.fills())


async def play_one_lane(folder: Folder, seed: int, kills: int) -> int:
    """An exchange of its own, and the processes that live and die on it. Returns how many intents it saw."""
    feed = RandomWalkFeed(symbol=SYMBOL, price=Decimal(40_000), step=Decimal(5), interval_ms=20)
    exchange = PaperExchange(PaperConfig(feed=feed, rate_limits=PLENTY), clock=Clock.system(), seed=seed)
    random = Random(seed)
    async with trio.open_nursery() as nursery:
        ready = folder.path / "ready.json"
        await nursery.start(serve_on_port, exchange, LOOPBACK, 0, ready)
        nursery.start_soon(exchange.run_feed)
        folder.write(ready)
        for _ in range(kills):
            await live_and_be_killed(folder, exchange, random)
        await end_in_peace(folder)
        nursery.cancel_scope.cancel()
    check_that_nothing_was_lost_or_doubled(exchange, folder.journal)
    return len(exchange.intents)


async def test_killed_at_any_moment_it_loses_no_intent_doubles_none_and_knows_its_position(
    tmp_path: Path, seed: int
) -> None:
    intents: list[int] = []

    async def play(number: int) -> None:
        path = tmp_path / str(number)
        path.mkdir()
        intents.append(await play_one_lane(Folder(path), LANES * seed + number, -(-KILLS // LANES)))

    async with trio.open_nursery() as nursery:
        for number in range(LANES):
            nursery.start_soon(play, number)
    assert sum(intents) >= KILLS / 2, "hardly anything was placed: nothing was put to the test"
