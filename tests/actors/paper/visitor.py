"""A client of the paper exchange that shares nothing with ours: trio-websocket, json, its own signatures."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import trio
from trio.abc import Stream
from trio_websocket import WebSocketConnection, wrap_client_stream

from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.actors.paper.keys import KeyMaterial
from dogwatch.actors.paper.price_feed import MarketTick, QuoteTick, TradeTick
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.paper.counter import sign_with_ed25519, sign_with_hmac

HOST, PORT = "paper", 9443
API = "/ws-api/v3"
HANDSHAKE = (
    b"GET /ws-api/v3 HTTP/1.1\r\nHost: paper\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
"""As any client might write it."""


def quote(time_ms: int, bid: str, ask: str, *, quantity: str = "5", symbol: str = "BTCUSDT") -> QuoteTick:
    amounts = Decimal(bid), Decimal(quantity), Decimal(ask), Decimal(quantity)
    return QuoteTick(
        symbol=symbol,
        time_ms=time_ms,
        bid=amounts[0],
        bid_quantity=amounts[1],
        ask=amounts[2],
        ask_quantity=amounts[3],
    )


def trade(time_ms: int, price: str, quantity: str = "1", *, symbol: str = "BTCUSDT") -> TradeTick:
    return TradeTick(
        symbol=symbol, time_ms=time_ms, price=Decimal(price), quantity=Decimal(quantity), buyer_is_maker=False
    )


class Visitor:
    """One open connection. `ask` takes the next frame for the reply: nothing else may be on its way."""

    def __init__(self, websocket: WebSocketConnection, material: KeyMaterial, clock: Clock) -> None:
        self.websocket = websocket
        self._material = material
        self._clock = clock
        self._ids = 0

    async def send(self, method: str, params: Any = None) -> int:
        self._ids += 1
        request = {"id": self._ids, "method": method} | ({} if params is None else {"params": params})
        await self.websocket.send_message(json.dumps(request))
        return self._ids

    async def hear(self) -> Any:
        return json.loads(await self.websocket.get_message())

    async def ask(self, method: str, params: Any = None) -> Any:
        await self.send(method, params)
        return await self.hear()

    async def ask_signed(self, method: str, params: dict[str, Any] | None = None) -> Any:
        return await self.ask(method, sign_with_hmac(self.stamped(params), self._material))

    async def log_on(self) -> Any:
        return await self.ask("session.logon", sign_with_ed25519(self.stamped(), self._material))

    def stamped(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        return {**(params or {}), "timestamp": self._clock.unix_ms()}


@dataclass
class Hall:
    """A served exchange and the network that leads to it."""

    exchange: PaperExchange
    network: MemoryNetwork
    clock: Clock
    nursery: trio.Nursery

    async def connect(self) -> Stream:
        return await self.network.connect(HOST, PORT)

    async def visit(self, target: str = API) -> Visitor:
        # The library takes any stream, but its annotation says sockets.
        stream: Any = await self.connect()
        websocket = await wrap_client_stream(self.nursery, stream, HOST, target)
        exchange = self.exchange
        material = KeyMaterial(
            api_key=exchange.api_key,
            private_key_pem=exchange.private_key_pem,
            hmac_api_key=exchange.hmac_api_key,
            hmac_secret=exchange.hmac_secret,
        )
        return Visitor(websocket, material, self.clock)


@asynccontextmanager
async def open_hall(
    config: PaperConfig | None = None, *, feed: Sequence[MarketTick] | None = None, capacity_bytes: int = 65_536
) -> AsyncIterator[Hall]:
    """An exchange in memory, served until the block ends. Its feed is played by the test."""
    network = MemoryNetwork(capacity_bytes=capacity_bytes)
    clock = Clock.virtual()
    exchange = PaperExchange(config or PaperConfig(), clock=clock, seed=1, feed=feed)
    async with trio.open_nursery() as nursery:
        await nursery.start(exchange.serve, [network.listen(HOST, PORT)])
        yield Hall(exchange, network, clock, nursery)
        nursery.cancel_scope.cancel()
