"""Dogwatch, whole, of a certain size: see growth.py, which starts this and reads the figures that it prints."""

import json
import logging
import os
import sys
import time
from decimal import Decimal
from functools import partial
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parents[1]))
from client import API, API_KEY, HOST, SEED, STREAMS, Control, Job
from growth_exchange import symbols

from dogwatch import Fill, Quote, Quotes, Strategy, TimeInForce
from dogwatch.actors.dialler import Door, tcp_dialler
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.spot.keys import Ed25519Key
from dogwatch.actors.spot.signing import Ed25519Signer
from dogwatch.actors.tree import StrategyEntry, build
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.interpreter import settled_interpreter
from dogwatch.runtime.journal import Durability

PRICE, QUANTITY = Decimal(40_000), Decimal(1)
IN_FLIGHT = 100
ORDERS, FILLS, QUOTES = 3_000, 5_000, 40_000


class Trader(Strategy):
    """Places orders when it is told to, and hears its fills; the first one hears the quotes of a symbol too."""

    class Config(Strategy.Config, frozen=True):
        symbols: tuple[str, ...]
        is_first: bool

    async def on_start(self) -> None:
        traders.append(self)
        if len(traders) == sizes["strategies"]:
            all_stand.set()

    def feeds(self) -> tuple[Quotes, ...]:
        return tuple(Quotes(symbol) for symbol in (self.config.symbols if self.config.is_first else ()))

    def on_fill(self, fill: Fill) -> None:
        heard(fill.trade_id)

    async def place_one(self, number: int, time_in_force: TimeInForce) -> str:
        names = self.config.symbols
        order = await self.buy(
            names[number % len(names)], quantity=QUANTITY, price=PRICE, time_in_force=time_in_force, within_s=60
        )
        return order.client_order_id


class FirstTrader(Trader):
    def on_quote(self, quote: Quote) -> None:
        heard(quote.update_id)


class Measurement:
    """All that is measured in one process."""

    def __init__(self) -> None:
        self.last = 0
        self.all_heard = trio.Event()

    async def run(self) -> None:
        await all_stand.wait()
        await self.place(sizes["open_orders"], TimeInForce.GTC)
        resting = await traders[0].place_one(0, TimeInForce.GTC)
        await self.place(ORDERS // 3, TimeInForce.IOC)
        begun_ns = time.thread_time_ns()
        await self.place(ORDERS, TimeInForce.IOC)
        figures = {"order_us": (time.thread_time_ns() - begun_ns) / 1000 / ORDERS}
        figures["fill_us"] = await self.hear("fills", FILLS, resting)
        figures["quote_us"] = await self.hear("quotes", QUOTES)
        print(json.dumps(figures | {"rss_mib": resident_mib()}), flush=True)
        os._exit(0)

    async def place(self, count: int, time_in_force: TimeInForce) -> None:
        numbers = iter(range(count))

        async def placing() -> None:
            for number in numbers:
                await traders[number % len(traders)].place_one(number, time_in_force)

        async with trio.open_nursery() as nursery:
            for _ in range(IN_FLIGHT):
                nursery.start_soon(placing)

    async def hear(self, kind: str, count: int, order: str = "") -> float:
        """µs of each event of a blast."""
        self.all_heard = trio.Event()
        prepare = partial(control.ask, do="prepare", kind=kind, count=count, order=order)
        self.last = await trio.to_thread.run_sync(prepare)
        begun_ns = time.thread_time_ns()
        control.tell(do="go")
        await self.all_heard.wait()
        return (time.thread_time_ns() - begun_ns) / 1000 / count


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def heard(number: int) -> None:
    if number == measurement.last:
        measurement.all_heard.set()


async def main() -> None:
    dial = tcp_dialler(HOST, wishes["port"])
    names = symbols(sizes["symbols"])
    with OrderJournal.open(Path(wishes["folder"]) / "journal", durability=Durability.PROCESS) as journal:
        tree = build(
            api=Door(dial, HOST, API),
            streams=Door(dial, HOST, STREAMS),
            clock=Clock.system(),
            signer=Ed25519Signer(API_KEY, Ed25519Key(SEED)),
            strategies=[
                StrategyEntry(
                    name=f"trader{number}",
                    strategy=Trader if number else FirstTrader,
                    config=Trader.Config(symbols=names, is_first=not number),
                )
                for number in range(sizes["strategies"])
            ],
            journal=journal,
        )
        async with tree.system(), trio.open_nursery() as nursery:
            with settled_interpreter():  # as in `dogwatch run`
                nursery.start_soon(measurement.run)
                await trio.sleep_forever()


wishes = json.loads(sys.argv[1])
if wishes["core"] is not None:
    os.sched_setaffinity(0, {wishes["core"]})
sizes = {name: wishes[name] for name in ("strategies", "open_orders", "symbols")}
control = Control(Job(task="orders", port=wishes["port"], control=wishes["control"]))
control.ask(do="reset")
traders: list[Trader] = []
all_stand = trio.Event()
measurement = Measurement()
logging.disable(logging.WARNING)
trio.run(main)
