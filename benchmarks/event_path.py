"""The event path: from the bytes of a blast of events to a strategy's handler or loop, beside the floors below it.

Thousands of events a second, decoded into typed values with `Decimal` included: medians over rounds that take turns, in
brackets the ratio to trio-websocket as it is, whose messages go through the same decoder and to one function. A fill
comes as an executionReport and goes through state machine, order table and ledger. Quotes are conflated for a slow
reader by design: what counts for them is that all were decoded and the last one was delivered.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import trio
import trio.testing
import trio_websocket
from measuring import HOST, Column, PeerProcess, Stopwatch, arguments, run, table
from order_clients import API, PRICE, QUANTITY, STREAMS, SYMBOL, signer

from dogwatch import Fill, Fills, Quote, Quotes, Strategy, Trade, Trades
from dogwatch.actors.dialler import Door
from dogwatch.actors.spot.envelope import decode_frame
from dogwatch.actors.spot.stream_events import decode_stream_frame
from dogwatch.actors.tree import StrategyEntry, build
from dogwatch.actors.websocket import WebSocket, run_websocket
from dogwatch.runtime.clock import Clock

BASE = "trio-websocket"


class Blast:
    """So many events of one kind, and how many thousands a second were delivered."""

    def __init__(self, peer: PeerProcess, kind: str, count: int) -> None:
        self.kind = kind
        self.count = count
        self.thousands_per_second = 0.0
        self.listening = trio.Event()
        self._peer = peer
        self._watch: Stopwatch | None = None
        self._all_delivered = trio.Event()

    async def measure(self) -> None:
        """Begin once everybody listens; return when the last event has been delivered."""
        await self.listening.wait()
        await trio.testing.wait_all_tasks_blocked()
        await trio.to_thread.run_sync(self._peer.prepare, self.kind, self.count)  # a link may still be dialling
        self._watch = Stopwatch()
        self._peer.blast()
        await self._all_delivered.wait()

    def delivered(self, number: int) -> None:
        """The event of this number has reached its reader."""
        if number == self.count:
            assert self._watch is not None
            self.thousands_per_second = self._watch.per_second(self.count) / 1000
            self._all_delivered.set()


class Listener(Strategy):
    """What both voices have in common: an order that the fills belong to."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        blast: Blast

    async def on_start(self) -> None:
        if self.blast.kind == "fills":
            await self.buy(SYMBOL, quantity=QUANTITY, price=PRICE)
        self.blast.listening.set()

    @property
    def blast(self) -> Blast:
        config: Listener.Config = self.config
        return config.blast


class Handlers(Listener):
    """The event-driven voice."""

    def feeds(self) -> tuple[Quotes, Trades]:
        return Quotes(SYMBOL), Trades(SYMBOL)

    def on_fill(self, fill: Fill) -> None:
        self.blast.delivered(fill.trade_id)

    def on_quote(self, quote: Quote) -> None:
        self.blast.delivered(quote.update_id)

    def on_trade(self, trade: Trade) -> None:
        self.blast.delivered(trade.trade_id)


class Loop(Listener):
    """The sequential voice."""

    async def run(self) -> None:
        if self.blast.kind == "fills":
            async for fill in self.follow(Fills()):
                self.blast.delivered(fill.trade_id)
        elif self.blast.kind == "quotes":
            async for quote in self.follow(Quotes(SYMBOL)):
                self.blast.delivered(quote.update_id)
        else:
            async for trade in self.follow(Trades(SYMBOL)):
                if isinstance(trade, Trade):
                    self.blast.delivered(trade.trade_id)


async def whole(strategy: type[Listener], peer: PeerProcess, blast: Blast) -> None:
    """The tree that `dogwatch run` starts."""
    tree = build(
        api=Door(peer.dial, HOST, API),
        streams=Door(peer.dial, HOST, STREAMS),
        clock=Clock.system(),
        signer=signer(),
        strategies=[
            StrategyEntry(name="listener", strategy=strategy, config=strategy.Config(symbol=SYMBOL, blast=blast))
        ],
    )
    async with tree.system() as system:
        await blast.measure()
        system.stop()


class Decoding:
    """A sink that decodes every message and hands it on, and nothing above it."""

    def __init__(self, blast: Blast) -> None:
        self._deliver = deliverer(blast)

    def opened(self, socket: WebSocket) -> None:
        pass

    def received(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            self._deliver(payload)

    def pinged(self, payload: bytes) -> None:
        pass

    def lost(self, reason: str) -> None:
        pass


async def frames_alone(peer: PeerProcess, blast: Blast) -> None:
    """run_websocket with a sink that decodes: the floor of what is built upon it."""
    async with trio.open_nursery() as nursery:
        stream = await peer.dial()
        await nursery.start(
            partial(
                run_websocket,
                stream,
                Decoding(blast),
                host=HOST,
                resource=resource_of(blast),
                message_bytes_max=2**20,
                close_within_s=1,
            )
        )
        blast.listening.set()
        await blast.measure()
        nursery.cancel_scope.cancel()


async def trio_websocket_alone(peer: PeerProcess, blast: Blast) -> None:
    """trio-websocket as it is, with the same decoders."""
    deliver = deliverer(blast)
    url = f"{'wss' if peer.tls else 'ws'}://{HOST}:{peer.port}{resource_of(blast)}"
    async with (
        trio_websocket.open_websocket_url(url, ssl_context=peer.context) as connection,
        trio.open_nursery() as nursery,
    ):

        async def read() -> None:
            while True:
                deliver((await connection.get_message()).encode())

        nursery.start_soon(read)
        blast.listening.set()
        await blast.measure()
        nursery.cancel_scope.cancel()


def resource_of(blast: Blast) -> str:
    return API if blast.kind == "fills" else STREAMS


def deliverer(blast: Blast) -> Callable[[bytes], None]:
    """Decodes one message and hands its number on."""
    numbers: dict[str, tuple[Callable[[bytes], Any], str]] = {
        "fills": (decode_frame, "trade_id"),
        "quotes": (decode_stream_frame, "update_id"),
        "trades": (decode_stream_frame, "trade_id"),
    }
    decode, name = numbers[blast.kind]

    def deliver(payload: bytes) -> None:
        blast.delivered(getattr(decode(payload).event, name))

    return deliver


CONTESTANTS: dict[str, Callable[[PeerProcess, Blast], Awaitable[None]]] = {
    "Dogwatch, handlers": partial(whole, Handlers),
    "Dogwatch, follow() loop": partial(whole, Loop),
    "Dogwatch, frames alone": frames_alone,
    BASE: trio_websocket_alone,
}


def main() -> None:
    sizes = arguments(__doc__ or "", rounds=3, fills=6_000, quotes=25_000, trades=25_000)
    logging.disable(logging.WARNING)  # the end of each connection is expected
    for tls in (False, True):
        columns = {kind: Column(f"{kind}, 1000/s") for kind in ("fills", "quotes", "trades")}
        with PeerProcess(tls=tls) as peer:
            for _ in range(sizes.rounds):
                for kind, column in columns.items():
                    for name, measure in CONTESTANTS.items():
                        blast = Blast(peer, kind, getattr(sizes, kind))
                        run(measure, peer, blast)
                        column.add(name, blast.thousands_per_second)
        print(table("TLS" if tls else "plain", tuple(columns.values()), base=BASE), end="\n\n")


if __name__ == "__main__":
    main()
