"""Dogwatch, whole: a strategy in the tree that `dogwatch run` starts, with a journal at level `process`.

strategy → orders (filters, state machine, table, journal) → rate limiter → session → connection, and back; events come
to the strategy's handlers as typed values with `Decimal`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from client import API, API_KEY, HOST, SECRET, SEED, STREAMS, SYMBOL, AutoResetEvent, Blasts, Figures, Job, read_job

job = read_job()
figures = Figures(job)
with figures.importing():
    import dogwatch
    from dogwatch import Balance, BookLost, Fill, OrderBook, Quote, Strategy
    from dogwatch.actors.tree import StrategyEntry, build

import logging  # noqa: E402
import ssl  # noqa: E402
from decimal import Decimal  # noqa: E402
from typing import Any  # noqa: E402

import trio  # noqa: E402

from dogwatch import Books, Keep, Quotes, TimeInForce  # noqa: E402
from dogwatch.actors.dialler import Door, tcp_dialler, tls_dialler  # noqa: E402
from dogwatch.actors.order_journal import OrderJournal  # noqa: E402
from dogwatch.actors.spot.keys import Ed25519Key  # noqa: E402
from dogwatch.actors.spot.signing import Ed25519Signer, HmacSigner, Signer  # noqa: E402
from dogwatch.runtime.clock import Clock  # noqa: E402
from dogwatch.runtime.interpreter import settled_interpreter  # noqa: E402
from dogwatch.runtime.journal import Durability  # noqa: E402
from dogwatch.runtime.watchdog import LoopWatchdog  # noqa: E402

PRICE, QUANTITY = Decimal(40_000), Decimal(1)


class EachSigned(Ed25519Signer):
    """Has each request signed by itself, although its key could log on."""

    can_log_on = False


class Trader(Strategy):
    """Places immediate-or-cancel orders, which the exchange lets expire at once."""

    class Config(Strategy.Config, frozen=True):
        symbol: str = SYMBOL

    async def run(self) -> None:
        figures.connected()
        await figures.alone(self.place_one)
        await figures.together(self.place_one, run_all)
        figures.print()

    async def place_one(self) -> object:
        return await self.buy(SYMBOL, quantity=QUANTITY, price=PRICE, time_in_force=TimeInForce.IOC)


async def run_all(placers: list[Any]) -> None:
    async with trio.open_nursery() as nursery:
        for placer in placers:
            nursery.start_soon(placer)


class Listener(Strategy):
    """Hears events with its handlers."""

    class Config(Strategy.Config, frozen=True):
        symbol: str = SYMBOL

    order_id = ""

    async def on_start(self) -> None:
        listening.set(self)


class AccountListener(Listener):
    """Hears fills of an order, and balances."""

    async def on_start(self) -> None:
        order = await self.buy(SYMBOL, quantity=QUANTITY, price=PRICE)
        self.order_id = order.client_order_id
        listening.set(self)

    def on_fill(self, fill: Fill) -> None:
        blasts.delivered(fill.trade_id)

    def on_balance(self, balance: Balance) -> None:
        blasts.delivered(int(balance.free))


class QuoteListener(Listener):
    """Hears each quote: of a batch only the newest would be decoded otherwise."""

    def feeds(self) -> tuple[Quotes]:
        return (Quotes(SYMBOL, keep=Keep.ALL),)

    def on_quote(self, quote: Quote) -> None:
        blasts.delivered(quote.update_id)


class BookListener(Listener):
    """Has the live book of a symbol."""

    async def on_start(self) -> None:
        pass  # only the first book shows that there is one

    def feeds(self) -> tuple[Books]:
        return (Books(SYMBOL),)

    def on_order_book(self, book: OrderBook) -> None:
        listening.set(self)
        blasts.delivered(book.update_id)

    def on_book_lost(self, event: BookLost) -> None:
        raise RuntimeError(event.reason)  # the exchange of the benchmark loses nothing


class Listening:
    """Set when a strategy is ready to hear."""

    def __init__(self) -> None:
        self.strategy: Listener
        self._heard = AutoResetEvent(trio.Event)
        self._is_ready = trio.Event()

    def set(self, strategy: Listener) -> None:
        self.strategy = strategy
        self._is_ready.set()

    async def measure(self) -> None:
        """All kinds of events, one after another."""
        await self._is_ready.wait()
        figures.connected()
        self._heard = AutoResetEvent(trio.Event)  # what it is to hear comes from now on
        for kind in job.kinds:
            await figures.listened(kind, trio.sleep)
            await blasts.measure(kind, self._heard.wait, order=self.strategy.order_id)

    def done(self) -> None:
        self._heard.set()


listening = Listening()
blasts = Blasts(figures)
blasts.done = listening.done
MARKET = {"quotes": QuoteListener, "depth": BookListener}


def strategy(job: Job) -> type[Strategy]:
    if job.task == "orders":
        return Trader
    return AccountListener if job.task == "user" else MARKET[job.kinds[0]]


def signer(job: Job) -> Signer:
    if job.key == "hmac":
        return HmacSigner(API_KEY, SECRET)
    return (Ed25519Signer if job.logon else EachSigned)(API_KEY, Ed25519Key(SEED))


def dialler(job: Job) -> Any:
    if job.is_tls:
        return tls_dialler(HOST, job.port, ssl.create_default_context(cafile=job.authority))
    return tcp_dialler(HOST, job.port)


async def main(job: Job) -> None:
    with OrderJournal.open(Path(job.folder) / "journal", durability=Durability.PROCESS) as journal:
        chosen = strategy(job)
        tree = build(
            api=Door(dialler(job), HOST, API),
            streams=Door(dialler(job), HOST, STREAMS),
            clock=Clock.system(),
            signer=signer(job),
            strategies=[StrategyEntry(name="bench", strategy=chosen, config=chosen.Config())],
            journal=journal,
        )
        async with tree.system() as system:
            with settled_interpreter():  # as in `dogwatch run`, like the watchdog below
                if job.task == "orders":
                    await system.wait_ended()
                await listening.measure()
                figures.print()


assert dogwatch
logging.disable(logging.WARNING)
trio.run(main, job, instruments=[LoopWatchdog(lambda _held: None)])
