"""The contestants of the order path: Dogwatch whole and in parts, and trio-websocket as it is.

Each places orders with the same fields and reads the answers, first one at a time, then with many in flight.
"""

import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
import trio_websocket
from measuring import HOST, PeerProcess, Stopwatch

from dogwatch import Strategy, TimeInForce
from dogwatch.actors.dialler import Door
from dogwatch.actors.link import api_link
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.session import Call, SessionReady
from dogwatch.actors.spot.envelope import Response, decode_frame
from dogwatch.actors.spot.keys import Ed25519Key
from dogwatch.actors.spot.methods import Method, encode_request
from dogwatch.actors.spot.results import OrderReport, decode_result
from dogwatch.actors.spot.signing import Ed25519Signer
from dogwatch.actors.tree import StrategyEntry, build
from dogwatch.actors.websocket import WebSocket, run_websocket
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.journal import Durability
from dogwatch.runtime.parking import Parking
from dogwatch.runtime.specs import SupervisorSpec
from dogwatch.runtime.system import run_system

API = "/ws-api/v3"
STREAMS = "/stream"
SYMBOL = "BTCUSDT"
PRICE, QUANTITY = Decimal(40_000), Decimal(1)


@dataclass
class Load:
    """How many orders to place, and what came of it."""

    alone: int
    in_flight: int
    together: int
    warm_up: int = 20
    latencies_us: list[float] = field(default_factory=list)
    per_second: float = 0.0

    async def drive(self, place: Callable[[], Awaitable[object]]) -> None:
        """Place orders through an awaitable call: one task at first, then many."""
        await self.drive_alone(place)
        numbers = iter(range(self.together))

        async def placing() -> None:
            for _ in numbers:
                await place()

        watch = Stopwatch()
        async with trio.open_nursery() as nursery:
            for _ in range(self.in_flight):
                nursery.start_soon(placing)
        self.per_second = watch.per_second(self.together)

    async def drive_alone(self, place: Callable[[], Awaitable[object]]) -> None:
        """One at a time."""
        for _ in range(self.warm_up):
            await place()
        for _ in range(self.alone):
            watch = Stopwatch()
            await place()
            self.latencies_us.append(watch.us())


class Requests:
    """Requests as text frames' payloads, of one account that has logged on."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self.params = {
            "symbol": SYMBOL,
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "IOC",
            "quantity": "1",
            "price": "40000",
        }

    def next_payload(self) -> bytes:
        number = next(self._ids)
        params = self.params | {
            "newClientOrderId": f"bench-{number}",
            "timestamp": time.time_ns() // 1_000_000,
            "recvWindow": 5000,
        }
        return encode_request(number, Method.ORDER_PLACE, params)


def signer() -> Ed25519Signer:
    return Ed25519Signer("k" * 64, Ed25519Key(bytes(32)))


# Dogwatch, whole: the tree that `dogwatch run` starts.


class Placer(Strategy):
    """Places immediate-or-cancel orders, which the peer lets expire at once."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        load: Load

    async def run(self) -> None:
        config: Placer.Config = self.config
        await config.load.drive(self.place_one)

    async def place_one(self) -> object:
        return await self.buy(SYMBOL, quantity=QUANTITY, price=PRICE, time_in_force=TimeInForce.IOC)


async def whole(peer: PeerProcess, load: Load, journal: OrderJournal | None = None) -> None:
    """strategy.buy → orders → session → connection and back, with filters, state machine and order table."""
    tree = build(
        api=Door(peer.dial, HOST, API),
        streams=Door(peer.dial, HOST, STREAMS),
        clock=Clock.system(),
        signer=signer(),
        strategies=[StrategyEntry(name="placer", strategy=Placer, config=Placer.Config(symbol=SYMBOL, load=load))],
        journal=journal,
    )
    async with tree.system() as system:
        await system.wait_ended()


async def whole_with_journal(durability: Durability, peer: PeerProcess, load: Load) -> None:
    """The same with every order in a journal before it is sent."""
    with (
        TemporaryDirectory(dir=Path.cwd()) as folder,  # the disk that one works on, not a memory file system
        OrderJournal.open(Path(folder) / "journal", durability=durability) as journal,
    ):
        await whole(peer, load, journal)


# Dogwatch's link alone.


async def link_alone(peer: PeerProcess, load: Load) -> None:
    """session.ask → connection and back: signing, stamping, matching of answers, one result decoded."""
    link = api_link("link", dial=peer.dial, host=HOST, resource=API, clock=Clock.system(), signer=signer())
    params = Requests().params

    async def place() -> object:
        response: Response = await link.session.ask(Call(method=Method.ORDER_PLACE, params=params), within_s=10)
        return decode_result(response.result, OrderReport)

    states = link.topics.states.latest()
    async with run_system(SupervisorSpec("benchmark", [link.spec])) as system:
        async for state in states:
            if isinstance(state, SessionReady):
                break
        await load.drive(place)
        system.stop()


# Dogwatch's socket alone.


class FrameClient:
    """The frame path with nothing above it: the answers of one `recv` are counted, and as many requests written."""

    def __init__(self) -> None:
        self.socket: WebSocket
        self._parking = Parking()
        self._answers = 0
        self._requests = Requests()

    def opened(self, socket: WebSocket) -> None:
        self.socket = socket

    def received(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            assert isinstance(decode_frame(payload), Response)
        self._answers += len(payloads)
        self._parking.wake()

    def pinged(self, payload: bytes) -> None:
        raise NotImplementedError

    def lost(self, reason: str) -> None:
        del reason

    async def place(self) -> None:
        await self.send(1)
        await self.answered()

    async def send(self, count: int) -> None:
        frames = [self.socket.text_frame(self._requests.next_payload()) for _ in range(count)]
        await self.socket.send(b"".join(frames))

    async def answered(self) -> int:
        while not self._answers:
            await self._parking.wait()
        answers, self._answers = self._answers, 0
        return answers


async def frames_alone(peer: PeerProcess, load: Load) -> None:
    """run_websocket with a sink that decodes the response: the floor of what is built upon it."""
    client = FrameClient()
    async with trio.open_nursery() as nursery:
        stream = await peer.dial()
        await nursery.start(
            partial(run_websocket, stream, client, host=HOST, resource=API, message_bytes_max=2**20, close_within_s=1)
        )
        await load.drive_alone(client.place)
        watch = Stopwatch()
        await client.send(load.in_flight)
        sent, answered = load.in_flight, 0
        while answered < load.together:
            fresh = await client.answered()
            answered += fresh
            following = min(fresh, load.together - sent)
            if following:
                await client.send(following)
                sent += following
        load.per_second = watch.per_second(load.together)
        nursery.cancel_scope.cancel()


# Others.


async def trio_websocket_alone(peer: PeerProcess, load: Load) -> None:
    """trio-websocket as it is, with the same encoder and decoder."""
    requests = Requests()
    async with trio_websocket.open_websocket(HOST, peer.port, API, use_ssl=peer.context or False) as connection:

        async def send() -> None:
            await connection.send_message(requests.next_payload().decode())

        async def answered() -> None:
            assert isinstance(decode_frame((await connection.get_message()).encode()), Response)

        async def place() -> None:
            await send()
            await answered()

        await load.drive_alone(place)
        watch = Stopwatch()
        for _ in range(load.in_flight):
            await send()
        for number in range(load.together):
            await answered()
            if number < load.together - load.in_flight:
                await send()
        load.per_second = watch.per_second(load.together)
