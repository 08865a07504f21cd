"""Market links against the paper exchange: connections without names of streams or with other times, and more streams
than one connection takes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import trio

from dogwatch.actors.feeds import Depth, Klines, MarketFeed, Quotes, Trades
from dogwatch.actors.interest import Interests
from dogwatch.actors.link import StreamLink, stream_link
from dogwatch.actors.market_data import MarketData
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.actors.paper.price_feed import RandomWalk
from dogwatch.actors.rotation_messages import RotateNow
from dogwatch.actors.spot.instant import Instant, in_us
from dogwatch.actors.spot.stream_events import Book, Kline, Trade
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import run_system
from dogwatch.runtime.testing.network import MemoryNetwork

pytestmark = pytest.mark.usefixtures("virtual_clock")

HOST, PORT, SYMBOL = "paper", 9443, "BTCUSDT"
FEEDS: tuple[MarketFeed[Any], ...] = (
    Trades(SYMBOL),
    Quotes(SYMBOL),
    Depth(SYMBOL, levels=5),
    Klines(SYMBOL),
    Klines(SYMBOL, "1h"),
)


class Floor:
    """A market that moves twice a second, links that read it, and what they published last."""

    def __init__(self, *, links: int, streams_max: int, resource: str) -> None:
        self.clock = Clock.virtual()
        walk = RandomWalk(SYMBOL, seed=1, price=Decimal(40_000), step=Decimal(1), interval_ms=500)
        self.network = MemoryNetwork(delay_s=0.01)
        self.exchange = PaperExchange(PaperConfig(), clock=self.clock, seed=1, feed=walk)
        self.interest = Interests(links, streams_max=streams_max)
        self.links = [self._link(number, resource) for number in range(links)]
        specs = [link.owned_by(self._data(link, number), clock=self.clock) for number, link in enumerate(self.links)]
        self.spec = SupervisorSpec("root", specs)

    def _link(self, number: int, resource: str) -> StreamLink:
        return stream_link(
            f"link_{number}",
            dial=lambda: self.network.connect(HOST, PORT),
            host=HOST,
            resource=resource,
            random=Random(number),
            is_spare=number > 0,
        )

    def _data(self, link: StreamLink, number: int) -> ChildSpec[MarketData]:
        return ChildSpec(
            "market_data",
            lambda: MarketData(
                lines=link.lines,
                interest=self.interest.links[number],
                rotation_topics=link.rotation,
                resource=link.resource,
            ),
            actor=MarketData,
        )

    def sockets(self) -> list[int]:
        """How many stand, by link."""
        return [sum(line.topics.epoch is not None for line in link.lines) for link in self.links]

    def published(self, feed: MarketFeed[Any]) -> int:
        topic = self.interest.topic(feed.stream)
        return 0 if topic is None else topic.published

    def last(self, feed: MarketFeed[Any]) -> Any:
        topic = self.interest.topic(feed.stream)
        return None if topic is None else topic.last


@asynccontextmanager
async def floor(*, links: int = 1, streams_max: int = 2, resource: str = "/stream") -> AsyncIterator[Floor]:
    made = Floor(links=links, streams_max=streams_max, resource=resource)
    async with trio.open_nursery() as nursery:
        await nursery.start(made.exchange.serve, [made.network.listen(HOST, PORT)])
        nursery.start_soon(made.exchange.run_feed)
        async with run_system(made.spec):
            yield made
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("resource", ["/ws", "/ws?timeUnit=MICROSECOND", "/stream?timeUnit=MICROSECOND"])
async def test_events_are_the_same_with_and_without_names_and_in_any_unit_of_time(resource: str) -> None:
    async with floor(streams_max=100, resource=resource) as market:
        for feed in FEEDS:
            market.interest.follow(feed.stream)
        await trio.sleep(5)
        trade, book, candle = market.last(FEEDS[0]), market.last(FEEDS[2]), market.last(FEEDS[3])
        assert isinstance(trade, Trade)
        assert isinstance(book, Book)
        assert isinstance(candle, Kline)
        assert book.symbol == SYMBOL
        now_ms = market.clock.unix_ms()
        assert now_ms - 1_000 < trade.trade_time_ms <= now_ms
        assert candle.start_time_ms % 60_000 == 0
        assert isinstance(trade.trade_time_ms, Instant) is ("MICRO" in resource)
        assert in_us(trade.trade_time_ms) // 1000 == trade.trade_time_ms


async def test_what_one_connection_has_no_room_for_goes_over_a_spare_one_that_dials_only_then() -> None:
    async with floor(links=3) as market:
        for feed in FEEDS[:2]:
            market.interest.follow(feed.stream)
        await trio.sleep(100)
        assert market.sockets() == [1, 0, 0]
        market.interest.follow(FEEDS[2].stream)
        await trio.sleep(5)
        assert market.sockets() == [1, 1, 0]
        for feed in FEEDS[3:]:
            market.interest.follow(feed.stream)
        await trio.sleep(5)
        assert market.sockets() == [1, 1, 1]
        assert all(market.published(feed) for feed in FEEDS)
        assert [len(link) for link in market.interest.links] == [2, 2, 1]
        assert sum(link.events for link in market.interest.links) == market.interest.events


async def test_a_stream_stays_on_its_link_and_a_free_place_is_taken_by_the_next() -> None:
    async with floor(links=2) as market:
        for feed in FEEDS[:3]:
            market.interest.follow(feed.stream)
        await trio.sleep(5)
        market.interest.release(FEEDS[0].stream)
        await trio.sleep(30)
        assert market.interest.topic(FEEDS[0].stream) is None
        market.interest.follow(FEEDS[3].stream)
        assert [link.topic(FEEDS[2].stream) is not None for link in market.interest.links] == [False, True]
        assert [len(link) for link in market.interest.links] == [2, 1]


async def test_a_spare_link_that_stands_is_rotated_and_mended_like_any_other() -> None:
    async with floor(links=2, streams_max=1) as market:
        for feed in FEEDS[:2]:
            market.interest.follow(feed.stream)
        await trio.sleep(5)
        market.links[1].rotation.wanted.publish(RotateNow(reason="the test wants it"))
        await trio.sleep(120)
        assert market.links[1].rotation.rotated.published == 1
        assert market.sockets() == [1, 1]
        market.network.cut_all()
        await trio.sleep(30)
        assert market.sockets() == [1, 1]
        before = [market.published(feed) for feed in FEEDS[:2]]
        await trio.sleep(5)
        assert all(market.published(feed) > count for feed, count in zip(FEEDS, before, strict=False))
