"""Dogwatch, whole, under load: see under_load.py, which starts this and reads the figures that it prints."""

import json
import logging
import os
import ssl
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import trio

sys.path.insert(0, str(Path(__file__).parents[1]))
from client import API, API_KEY, HOST, SEED, STREAMS, SYMBOL, Control, Job, cpu_s, percentile

from dogwatch import BookLost, Books, Keep, OrderBook, Quote, Quotes, Strategy, TimeInForce, Trade, Trades
from dogwatch.actors.dialler import Door, tcp_dialler, tls_dialler
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.spot.keys import Ed25519Key
from dogwatch.actors.spot.signing import Ed25519Signer
from dogwatch.actors.tree import StrategyEntry, build
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.interpreter import settled_interpreter
from dogwatch.runtime.journal import Durability

PRICE, QUANTITY = Decimal(40_000), Decimal(1)
WARM_UP = 300
QUIET_S = 1.5
SHARES = {"quotes": 0.7, "trades": 0.25, "depth": 0.05}
"""Of all market events. A change of the depth has twenty levels."""
PINGS_PER_S = 100
MAKING_S = 2.0
"""What the exchange may take to make the events that it sends, in which it is slow to answer."""


class Listener(Strategy):
    """Hears the market."""

    class Config(Strategy.Config, frozen=True):
        symbol: str = SYMBOL

    heard = trio.Event()

    def feeds(self) -> tuple[Quotes, Trades, Books]:
        return Quotes(SYMBOL, keep=Keep.ALL), Trades(SYMBOL), Books(SYMBOL)  # each is decoded and delivered

    def on_quote(self, quote: Quote) -> None:
        self.middle = quote.middle

    def on_trade(self, trade: Trade) -> None:
        self.price = trade.price

    def on_order_book(self, book: OrderBook) -> None:
        self.book = book
        self.heard.set()

    def on_book_lost(self, event: BookLost) -> None:
        raise RuntimeError(event.reason)  # the exchange of the benchmark loses nothing


class Placer(Strategy):
    """Places immediate-or-cancel orders one at a time, in a quiet market and under load."""

    class Config(Strategy.Config, frozen=True):
        symbol: str = SYMBOL

    async def run(self) -> None:
        for _ in range(WARM_UP):
            await self.place_one()
        await Listener.heard.wait()
        quiet = await self.latencies(QUIET_S)
        ask_for_load()
        await trio.sleep(MAKING_S)
        control.ask(do="pongs")
        begun, spent_s, before = time.perf_counter(), cpu_s(), heard_so_far()
        exchange_s = control.ask(do="usage")["cpu_s"]
        loaded = await self.latencies(seconds)
        lasted = time.perf_counter() - begun
        figures = {
            **{f"quiet_p{at}_us": percentile(quiet, at / 100) for at in (50, 99)},
            **{f"order_p{at}_us": percentile(loaded, at / 100) for at in (50, 99)},
            "order_p99_ratio": percentile(loaded, 0.99) / percentile(quiet, 0.99),
            "events_s": (heard_so_far() - before) / lasted,
            "busy": (cpu_s() - spent_s) / lasted,
            "exchange_busy": (control.ask(do="usage")["cpu_s"] - exchange_s) / lasted,
        }
        pongs_ms = [us / 1000 for us in control.ask(do="pongs")]
        figures |= {f"pong_p{at}_ms": percentile(pongs_ms, at / 100) for at in (50, 99)}
        print(json.dumps(figures), flush=True)
        os._exit(0)

    async def latencies(self, for_s: float) -> list[float]:
        """Of orders one after another, in µs."""
        taken: list[float] = []
        until = time.perf_counter() + for_s
        while time.perf_counter() < until:
            begun_ns = time.perf_counter_ns()
            await self.place_one()
            taken.append((time.perf_counter_ns() - begun_ns) / 1000)
        return taken

    async def place_one(self) -> object:
        return await self.buy(SYMBOL, quantity=QUANTITY, price=PRICE, time_in_force=TimeInForce.IOC)


def ask_for_load() -> None:
    for kind, share in SHARES.items():
        pings = PINGS_PER_S if kind == "quotes" else 0
        control.ask(do="flow", kind=kind, rate=round(rate * share), seconds=seconds + MAKING_S + 1, pings=pings)


def heard_so_far() -> int:
    """Market events that were decoded and handed on."""
    return sum(link.published for link in published())


def published() -> list[Any]:
    return [topic for link in tree.desk.interest.links for stream in STREAMS_HEARD if (topic := link.topic(stream))]


STREAMS_HEARD = tuple(feed.stream for feed in (Quotes(SYMBOL), Trades(SYMBOL)))


def dialler(job: Job) -> Any:
    if job.is_tls:
        return tls_dialler(HOST, job.port, ssl.create_default_context(cafile=job.authority))
    return tcp_dialler(HOST, job.port)


async def main(job: Job) -> None:
    global tree
    with OrderJournal.open(Path(job.folder) / "journal", durability=Durability.PROCESS) as journal:
        tree = build(
            api=Door(dialler(job), HOST, API),
            streams=Door(dialler(job), HOST, STREAMS),
            clock=Clock.system(),
            signer=Ed25519Signer(API_KEY, Ed25519Key(SEED)),
            strategies=[
                StrategyEntry(name="listener", strategy=Listener, config=Listener.Config()),
                StrategyEntry(name="placer", strategy=Placer, config=Placer.Config()),
            ],
            journal=journal,
        )
        async with tree.system() as system:
            with settled_interpreter():  # as in `dogwatch run`
                await system.wait_ended()


wishes = json.loads(sys.argv[1])
rate, seconds, core = wishes.pop("rate"), wishes.pop("seconds"), wishes.pop("core")
if core is not None:
    os.sched_setaffinity(0, {core})
job = Job(**wishes)
control = Control(job)
control.ask(do="reset")
logging.disable(logging.WARNING)
trio.run(main, job)
