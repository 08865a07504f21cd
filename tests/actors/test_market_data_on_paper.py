"""The market link against the paper exchange: whatever becomes of its sockets, every event is published once and in
order, or it is told that some are missing."""

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest
import trio

from dogwatch.actors.connection_settings import ConnectionSettings
from dogwatch.actors.feeds import Broken, Depth, DepthDiffs, Klines, MarketFeed, Quotes, Trades
from dogwatch.actors.interest import Interest
from dogwatch.actors.link import stream_link
from dogwatch.actors.market_data import MarketData
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.actors.paper.faults import (
    ConnectionFault,
    EndSubscriptions,
    HalfOpen,
    NoData,
    NoPings,
    ShutDown,
    SilentSubscription,
)
from dogwatch.actors.paper.price_feed import RandomWalk
from dogwatch.actors.paper.streams import StreamClient
from dogwatch.actors.rotation_messages import Rotated, RotateNow, RotationFailed
from dogwatch.actors.spot.stream_events import Book, BookDiff, Kline, Quote, Trade
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.messages import Gap
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import run_system
from dogwatch.runtime.testing.network import MemoryNetwork

pytestmark = pytest.mark.usefixtures("virtual_clock")

HOST, PORT, SYMBOL = "paper", 9443, "BTCUSDT"
TRAVEL_S = 0.02
TRADES, DIFFS, QUOTES = Trades(SYMBOL), DepthDiffs(SYMBOL), Quotes(SYMBOL)
FEEDS: tuple[MarketFeed[Any], ...] = (TRADES, DIFFS, QUOTES, Depth(SYMBOL, levels=5), Klines(SYMBOL))
FUZZES = int(os.environ.get("MARKET_FUZZES", "4"))
"""`MARKET_FUZZES=300` plays as many."""
LOST_TO_FOUND_S = 1.0
"""How long a new connection with its subscription takes here, waiting before the first attempt included."""


class Floor:
    """A market, the link that reads it, and what both say of it."""

    def __init__(self, *, seed: int, interval_ms: int, settings: ConnectionSettings, life_h: float) -> None:
        clock = Clock.virtual()
        walk = RandomWalk(SYMBOL, seed=seed, price=Decimal(40_000), step=Decimal(1), interval_ms=interval_ms)
        self.network = MemoryNetwork(delay_s=TRAVEL_S)
        self.exchange = PaperExchange(PaperConfig(connection_life_h=life_h), clock=clock, seed=seed, feed=walk)
        self.interest = Interest()
        self.link = stream_link(
            "market_link",
            dial=lambda: self.network.connect(HOST, PORT),
            host=HOST,
            resource="/stream",
            random=Random(seed),
            settings=settings,
        )
        data = ChildSpec(
            "market_data",
            lambda: MarketData(lines=self.link.lines, interest=self.interest, rotation_topics=self.link.rotation),
            actor=MarketData,
        )
        self.spec = self.link.owned_by(data, clock=clock)
        self.published: dict[str, list[Any]] = {feed.stream: [] for feed in FEEDS}
        self.told: dict[str, list[Any]] = {feed.stream: [] for feed in FEEDS}
        self.rotated: list[Rotated] = []
        self.failed: list[RotationFailed] = []
        self.link.rotation.rotated.tap(self.rotated.append, on_error=fail)
        self.link.rotation.failed.tap(self.failed.append, on_error=fail)

    def follow_all(self) -> None:
        for feed in FEEDS:
            self.interest.follow(feed.stream).tap(self.published[feed.stream].append, on_error=fail)
        witness = StreamClient(deliver=self._witness, is_combined=True)
        assert self.exchange._gate.hub.subscribe(witness, [feed.stream for feed in FEEDS])

    def rotate(self) -> None:
        self.link.rotation.wanted.publish(RotateNow(reason="the test wants it"))

    def strike(self, fault: ConnectionFault) -> None:
        assert self.exchange.faults.now(fault, to="market") == 1

    def strike_all(self, fault: ConnectionFault) -> None:
        assert self.exchange.faults.now(fault, to="market") >= 1

    def disturb(self, chance: Random) -> None:
        """Something happens to the link."""
        kind = chance.choice(["rotate", "rotate", "cut", "cut all", "delay", "fault", "next subscription"])
        standing = [line for line in self.network.connections if not line.is_closed]
        if kind == "rotate":
            self.rotate()
        elif kind == "cut" and standing:
            chance.choice(standing).cut()
        elif kind == "delay" and standing:
            chance.choice(standing).delay(chance.random() / 2)
        elif kind == "cut all":
            self.network.cut_all()
        elif kind == "fault":
            faults = (HalfOpen(), EndSubscriptions(), NoPings(), ShutDown(notice_s=chance.random() * 5), NoData())
            self.exchange.faults.now(chance.choice(faults), to="market")
        else:
            self.exchange.faults.add(SilentSubscription(method="SUBSCRIBE", is_listed=chance.random() < 0.5))

    def market_sockets(self) -> list[str]:
        """How each socket has ended so far, oldest first; empty for those that stand."""
        return [entry.closed_because for entry in self.exchange.connections()]

    async def heard_again_s(self) -> float:
        """How long it takes from now until a trade is published that happens from now on."""
        began_s, seen = trio.current_time(), len(self.told[TRADES.stream])
        arrived = trio.Event()

        def note(event: Any) -> None:
            told = self.told[TRADES.stream][seen:]
            if isinstance(event, Trade) and told and event.trade_id >= told[0]:
                arrived.set()

        tap = self.interest.follow(TRADES.stream).tap(note, on_error=fail)
        with trio.fail_after(1000):
            await arrived.wait()
        tap.close()
        self.interest.release(TRADES.stream)
        return trio.current_time() - began_s

    def _witness(self, payload: bytes) -> None:
        frame = msgspec.json.decode(payload)
        self.told[frame["stream"]].append(mark_of_frame(frame["data"]))


def mark_of_frame(data: dict[str, Any]) -> Any:
    """What tells an event from all others of its stream, as the exchange has it."""
    match data.get("e"):
        case "trade":
            return data["t"]
        case "depthUpdate":
            return (data["U"], data["u"])
        case "kline":
            return (data["k"]["t"], data["k"]["n"], data["k"]["x"])
        case _:
            return data["lastUpdateId"] if "lastUpdateId" in data else data["u"]


def mark_of(event: Any) -> Any:
    """The same, as it was published; the markers of what was lost are themselves."""
    match event:
        case Trade():
            return event.trade_id
        case BookDiff():
            return (event.first_update_id, event.final_update_id)
        case Kline():
            return (event.start_time_ms, event.trade_count, event.is_closed)
        case Quote():
            return event.update_id
        case Book():
            return event.last_update_id
        case _:
            return event


def fail(error: Exception) -> None:
    raise error


@asynccontextmanager
async def open_floor(
    seed: int = 1, *, interval_ms: int = 200, life_h: float = 24.0, **settings: Any
) -> AsyncIterator[Floor]:
    floor = Floor(seed=seed, interval_ms=interval_ms, settings=ConnectionSettings(**settings), life_h=life_h)
    async with trio.open_nursery() as nursery:
        await nursery.start(floor.exchange.serve, [floor.network.listen(HOST, PORT)])
        async with run_system(SupervisorSpec("dogwatch", [floor.spec])):
            floor.follow_all()
            await trio.sleep(2)
            async with trio.open_nursery() as feeding:
                feeding.start_soon(floor.exchange.run_feed)
                yield floor
                feeding.cancel_scope.cancel()
            await trio.sleep(5)  # what is on its way arrives
        nursery.cancel_scope.cancel()


def assert_that_nothing_is_missing(floor: Floor) -> None:
    for stream, told in floor.told.items():
        assert [mark_of(event) for event in floor.published[stream]] == told, stream
        assert len(told) > 1


def assert_that_what_is_missing_is_told(floor: Floor) -> None:
    for stream, told in floor.told.items():
        marks = [mark_of(event) for event in floor.published[stream]]
        events = [mark for mark in marks if not isinstance(mark, Gap | Broken)]
        assert sorted(set(events)) == events, f"{stream}: in order, and none twice"
        assert set(events) <= set(told), f"{stream}: nothing made up"
        assert events[-1] == told[-1], f"{stream}: up to the end"
    assert_that_trades_are_whole([mark_of(event) for event in floor.published[TRADES.stream]])
    assert_that_changes_are_whole([mark_of(event) for event in floor.published[DIFFS.stream]])


def assert_that_trades_are_whole(marks: Iterable[Any]) -> None:
    last, missing = None, 0
    for mark in marks:
        if isinstance(mark, Gap):
            missing += mark.dropped
        else:
            assert last is None or mark == last + missing + 1, f"{last}, {missing} missing, {mark}"
            last, missing = mark, 0


def assert_that_changes_are_whole(marks: Iterable[Any]) -> None:
    last, is_broken = None, False
    for mark in marks:
        if isinstance(mark, Broken):
            is_broken = True
        else:
            assert last is None or is_broken or mark[0] == last[1] + 1, f"{last}, {mark}"
            last, is_broken = mark, False


# Rotations.


async def test_hours_of_rotations_lose_nothing_and_break_nothing(seed: int) -> None:
    async with open_floor(seed, interval_ms=1000, rotate_after_h=0.1, life_h=0.15) as floor:
        await trio.sleep(3600)
    assert len(floor.rotated) >= 8
    assert all(rotation.is_seamless for rotation in floor.rotated)
    assert floor.failed == []
    assert_that_nothing_is_missing(floor)
    assert not any("greatest age" in ending for ending in floor.market_sockets())


@pytest.mark.parametrize("shape", ["raw", "combined", "api"])
async def test_a_shutdown_that_is_announced_in_any_shape_is_not_noticed_by_who_follows(shape: Any) -> None:
    async with open_floor() as floor:
        await trio.sleep(5)
        floor.strike(ShutDown(notice_s=30, shape=shape))
        await trio.sleep(1)
        floor.strike_all(ShutDown(notice_s=30, shape=shape, ending="none"))
        await trio.sleep(120)
    assert len(floor.rotated) == 2, "the new socket has announced its end, too"
    assert_that_nothing_is_missing(floor)
    assert "closed by the exchange: 1001 going away" not in floor.market_sockets()


@pytest.mark.parametrize("after_s", [0.0, 0.2, 0.32, 0.36, 0.5, 1.5])
@pytest.mark.parametrize("which", ["old", "new"])
async def test_the_death_of_either_socket_in_the_middle_of_a_rotation_is_survived_and_told(
    which: str, after_s: float, seed: int
) -> None:
    """Subscribed, checked, asked about, joined, overlapping: each step falls between two of these moments."""
    async with open_floor(seed, interval_ms=20) as floor:
        await trio.sleep(2)
        floor.rotate()
        await trio.sleep(0.05 + after_s)
        lines = floor.network.connections
        if which == "old":
            lines[0].cut()
        elif len(lines) > 1:
            lines[1].cut()
        await trio.sleep(15)
        assert await floor.heard_again_s() < LOST_TO_FOUND_S
    assert_that_what_is_missing_is_told(floor)
    if which == "new":
        assert_that_nothing_is_missing(floor)


async def test_a_new_socket_whose_subscription_is_silent_is_left_again_and_the_next_one_is_taken() -> None:
    async with open_floor() as floor:
        await trio.sleep(5)
        floor.exchange.faults.add(SilentSubscription(method="SUBSCRIBE"), times=1)
        floor.rotate()
        await trio.sleep(60)
    assert len(floor.failed) == 1
    assert len(floor.rotated) == 1
    assert_that_nothing_is_missing(floor)


async def test_a_reconnect_tells_that_something_is_missing() -> None:
    async with open_floor() as floor:
        await trio.sleep(5)
        floor.network.cut_all()
        assert await floor.heard_again_s() < LOST_TO_FOUND_S
        await trio.sleep(5)
    assert any(isinstance(event, Gap) for event in floor.published[TRADES.stream])
    assert any(isinstance(event, Broken) for event in floor.published[DIFFS.stream])
    assert_that_what_is_missing_is_told(floor)


async def test_as_many_streams_as_there_may_be_are_moved_at_the_pace_that_the_exchange_allows() -> None:
    async with open_floor() as floor:
        others = [Quotes(f"OTHER{number}").stream for number in range(1024 - len(FEEDS))]
        for stream in others:
            floor.interest.follow(stream)
        await trio.sleep(20)
        floor.rotate()
        await trio.sleep(60)
        (standing,) = floor.exchange._gate.hub._clients[others[-1]]
        assert len(standing.names) == 1024
    assert len(floor.rotated) == 1
    assert_that_nothing_is_missing(floor)
    assert not any("Too many" in ending for ending in floor.market_sockets())


# Silence of every kind, and how long it lasts.


@pytest.mark.parametrize(
    ("fault", "seconds_max"),
    [
        (HalfOpen(), 45),
        (NoData(what="all"), 45),
        (NoData(what="answers"), 0.5),
        (NoData(what="events"), 75),
        (NoPings(), 0.5),
        (EndSubscriptions(), 35),
    ],
    ids=lambda value: type(value).__name__ + getattr(value, "what", "") if isinstance(value, ConnectionFault) else "",
)
async def test_silence_of_any_kind_ends(fault: ConnectionFault, seconds_max: float, seed: int) -> None:
    async with open_floor(seed) as floor:
        await trio.sleep(20)
        floor.strike(fault)
        assert await floor.heard_again_s() <= seconds_max + LOST_TO_FOUND_S
        await trio.sleep(120)
        assert await floor.heard_again_s() < LOST_TO_FOUND_S
    assert_that_what_is_missing_is_told(floor)


@pytest.mark.parametrize("number", range(FUZZES))
async def test_whatever_happens_at_whatever_time_is_published_whole_or_told(number: int, seed: int) -> None:
    chance = Random(f"{seed} {number}")
    async with open_floor(chance.randrange(10**9), interval_ms=100) as floor:
        for _ in range(chance.randint(3, 12)):
            await trio.sleep(chance.choice([0.02, 0.1, 0.5, 1, 3, 12, 40]) * chance.random())
            floor.disturb(chance)
        floor.exchange.faults.clear()
        await trio.sleep(150)
        assert await floor.heard_again_s() < LOST_TO_FOUND_S
    assert_that_what_is_missing_is_told(floor)
