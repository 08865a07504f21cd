"""Mutated and random frames into what runs: a session and market data read on, and count and name what is wrong."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from math import inf
from random import Random
from typing import Any

import pytest
import trio
from trio.abc import Stream
from trio.testing import wait_all_tasks_blocked
from wsproto.events import BytesMessage, TextMessage

from dogwatch.actors.feeds import (
    AggTrades,
    AllMiniTickers,
    Broken,
    Depth,
    DepthDiffs,
    Klines,
    MarketFeed,
    Quotes,
    Tickers,
    Trades,
)
from dogwatch.actors.following import Following
from dogwatch.actors.interest import Interest
from dogwatch.actors.link import stream_link
from dogwatch.actors.market_data import MarketData
from dogwatch.actors.spot.envelope import MalformedFrame, UserEvent
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.stream_frames import decode_stream_frame
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.messages import Gap
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import System, run_system
from dogwatch.runtime.testing.network import MemoryNetwork
from dogwatch.runtime.tree import TreeNode
from tests.actors.api_stage import HOST, PORT, ApiStage, staged
from tests.actors.fake_server import FakeServer
from tests.actors.spot.test_stream_events import TRADE
from tests.fuzz.examples import api_frame, misplaced, stream_frame
from tests.fuzz.mutations import mutated

pytestmark = pytest.mark.usefixtures("virtual_clock")

SEED = int(os.environ.get("SEED", "0"))
BATCHES, FRAMES = 40, 25


def message(payload: bytes, rng: Random) -> TextMessage | BytesMessage:
    """The payload as a text message, if it is text and chance wants so; else as a binary one."""
    if rng.random() < 0.7:
        try:
            return TextMessage(data=payload.decode())
        except UnicodeDecodeError:
            pass
    return BytesMessage(data=payload)


def is_notice(payload: bytes) -> bool:
    """Whether it ends a subscription, a connection or a key: a good frame, after which other things are right."""
    return any(word in payload for word in (b"eventStreamTerminated", b"serverShutdown", b"401", b"418", b"429"))


def records(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records)


# A session.


async def answer_requests(stage: ApiStage, server: FakeServer, method: str) -> None:
    """Answer what the session asks, until and including a request of this method."""
    while True:
        request = await server.next_request()
        await server.answer(request, {"serverTime": stage.server_time.unix_ms()})
        if request["method"] == method:
            await wait_all_tasks_blocked()
            return


async def test_no_frame_ends_a_session_or_leaves_a_call_without_its_outcome(
    network: MemoryNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    rng = Random(SEED)
    sent: list[bytes] = []
    async with staged(network) as stage:
        server = await stage.establish()
        for batch in range(BATCHES):
            payloads = [mutated(api_frame(rng), rng) for _ in range(FRAMES)]
            payloads = [payload for payload in payloads if payload and not is_notice(payload)]
            stage.request(Method.PING, f"call {batch}", within_s=100_000)
            await server.send(*(message(payload, rng) for payload in payloads))
            sent += payloads
            await answer_requests(stage, server, "ping")
        frames = [decode_frame(payload) for payload in sent]
        malformed = sum(isinstance(frame, MalformedFrame) for frame in frames)
        node = stage.node("session")
        assert (node.life, node.statistics["malformed"]) == (1, malformed), f"seed {SEED}"
        assert sum(isinstance(one, MalformedFrame) for one in stage.unmatched) == malformed > BATCHES
        assert records(caplog, "a frame that cannot be read") == malformed
        events = [frame for frame in frames if isinstance(frame, UserEvent)]
        assert repr(stage.events) == repr(events), "amounts that are no numbers are not equal to themselves"
        assert sorted(tag for tag, _, _ in stage.answers) == sorted(f"call {batch}" for batch in range(BATCHES))
        assert [type(state).__name__ for state in stage.states] == ["SessionReady"]


def damaged(frame: bytes, rng: Random) -> bytes:
    """A WebSocket frame with some of its bytes changed, most often in its head."""
    changed = bytearray(frame)
    for _ in range(rng.randint(1, 3)):
        changed[rng.randrange(min(len(changed), rng.choice((2, 4, 200))))] = rng.randrange(256)
    return bytes(changed)


async def test_no_bytes_on_a_socket_end_more_than_the_socket(network: MemoryNetwork) -> None:
    rng = Random(SEED)
    async with staged(network) as stage:
        for _ in range(BATCHES):
            server = await stage.establish()
            sound = (server.bytes_of(message(mutated(api_frame(rng), rng), rng)) for _ in range(5))
            garbage = b"".join(damaged(frame, rng) if frame else frame for frame in sound)
            with suppress(trio.BrokenResourceError):  # cut already
                await server.stream.send_all(garbage + rng.randbytes(rng.choice((0, 20))))
                await wait_all_tasks_blocked()
            await server.stream.aclose()
        server = await stage.establish()
        stage.request(Method.PING, "the last call")
        await answer_requests(stage, server, "ping")
        assert (await stage.answer_to("the last call")).error is None
        assert {node.path: node.life for node in stage.system.tree().walk() if node.life > 1} == {}, f"seed {SEED}"


# Market data.

SYMBOL = "BTCUSDT"
FEEDS: tuple[MarketFeed[Any], ...] = (
    Trades(SYMBOL), AggTrades(SYMBOL), Quotes(SYMBOL), Depth(SYMBOL), DepthDiffs(SYMBOL), Klines(SYMBOL),
    Tickers(SYMBOL), AllMiniTickers(),
)  # fmt: skip


class MarketStage:
    """Market data with followers of many feeds, on a server that answers what it is asked and sends what it is told."""

    def __init__(self, network: MemoryNetwork) -> None:
        self._listener = network.listen(HOST, PORT)
        self._network = network
        self.interest = Interest()
        self.heard: dict[str, list[Any]] = {feed.stream: [] for feed in FEEDS}
        self.link = stream_link("market", dial=self.dial, host=HOST, resource="/stream", random=Random(1))
        owner = ChildSpec("market_data", self._market_data, actor=MarketData)
        self.spec = self.link.owned_by(owner, clock=Clock.virtual(0), probe_after_s=inf)
        self.system: System

    async def dial(self) -> Stream:
        return await self._network.connect(HOST, PORT)

    def _market_data(self) -> MarketData:
        return MarketData(lines=self.link.lines, interest=self.interest, rotation_topics=self.link.rotation)

    @property
    def node(self) -> TreeNode:
        return next(node for node in self.system.tree().walk() if node.path.endswith("market_data"))

    async def serve(self) -> FakeServer:
        """Accept the socket and let it be subscribed to all feeds."""
        server = FakeServer(await self._listener.accept())
        await server.accept()
        subscribe = await server.next_request()
        assert set(subscribe["params"]) == self.heard.keys()
        await server.send_json({"result": None, "id": subscribe["id"]})
        await wait_all_tasks_blocked()
        return server

    async def follow(self, feed: MarketFeed[Any]) -> None:
        topic = self.interest.follow(feed.stream)
        following = Following(feed, feed.subscription(topic), partial(self.interest.release, feed.stream))
        async for event in following:
            self.heard[feed.stream].append(event)


@asynccontextmanager
async def market(network: MemoryNetwork) -> AsyncIterator[MarketStage]:
    stage = MarketStage(network)
    with trio.fail_after(200_000):
        async with run_system(SupervisorSpec("top", [stage.spec])) as stage.system, trio.open_nursery() as nursery:
            for feed in FEEDS:
                nursery.start_soon(stage.follow, feed)
            yield stage
            nursery.cancel_scope.cancel()


async def test_no_frame_ends_market_data_or_reaches_those_who_follow_something_else(
    network: MemoryNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    rng = Random(SEED)
    sent: list[bytes] = []
    async with market(network) as stage:
        server = await stage.serve()
        for _ in range(BATCHES):
            makers = rng.choices((stream_frame, misplaced), weights=(3, 1), k=FRAMES)
            payloads = [mutated(make(rng, tuple(stage.heard)), rng) for make in makers]
            payloads = [payload for payload in payloads if payload and not is_notice(payload)]
            await server.send(*(message(payload, rng) for payload in payloads))
            sent += payloads
            await wait_all_tasks_blocked()
        malformed = sum(isinstance(decode_stream_frame(payload), MalformedFrame) for payload in sent)
        assert stage.node.life == 1, f"seed {SEED}"
        assert records(caplog, "frame not understood") == malformed > BATCHES
        assert stage.node.statistics["unread"] >= malformed
        for feed in FEEDS:
            heard = stage.heard[feed.stream]
            assert heard, f"seed {SEED}: nothing ever came on {feed.stream}"
            assert {type(event) for event in heard} <= {*feed.EVENTS, Gap, Broken}, f"seed {SEED}"
        last = {**TRADE, "t": 10**9}
        await server.send_json({"stream": Trades(SYMBOL).stream, "data": last})
        await wait_all_tasks_blocked()
        assert stage.heard[Trades(SYMBOL).stream][-1].trade_id == 10**9
