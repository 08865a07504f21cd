"""Failure 4: `serverShutdown` is ignored, or the reader stands still over it for ten seconds; in the shape of combined
streams nobody recognises it.

Here it is heard in every shape and at every moment. Another socket is in use before the one that was announced to end
has ended, and nothing that comes meanwhile is read late. Bytes travel for 20 ms each way.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from dogwatch import Gap, Trade, Trades
from dogwatch.actors.paper.exchange import ACCOUNT
from dogwatch.actors.paper.faults import Door, Ending, Shape
from dogwatch.actors.paper.record import ConnectionLog
from dogwatch.actors.session import SessionReady, SessionState
from dogwatch.actors.testing import ShutDown
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.hand import ASK, BID, DEEP, DEEPER, Play, perform
from tests.stories.scene import SIZE, SYMBOL, open_exchange, until

TRAVEL_S = 0.020
NOTICE_S = 10.0
SHAPES: tuple[Shape, ...] = ("api", "combined", "raw")
DOORS: tuple[Door, ...] = ("api", "market")


class Audience:
    """Hears the trades that the exchange makes one after the other, and what is said of the session."""

    def __init__(self, p: Play) -> None:
        self.p = p
        self.states: list[SessionState] = []
        self.made = 0
        self.heard: list[int] = []
        self.late: list[Trade] = []
        self.gaps: list[Gap] = []
        self.began_s = trio.current_time()
        p.account.tree.link.topics.states.tap(self.states.append, on_error=_raise)

    async def make_trades(self) -> None:
        """Four a second, at a price that fills no order."""
        while True:
            self.p.exchange.trade(SYMBOL, BID, Decimal("0.01"))
            self.made += 1
            await trio.sleep(0.25)

    async def hear_trades(self) -> None:
        with self.p.hand.follow(Trades(SYMBOL)) as trades:
            async for event in trades:
                if isinstance(event, Gap):
                    self.gaps.append(event)
                    continue
                self.heard.append(event.trade_id)
                if self.p.exchange.clock.unix_ms() - event.trade_time_ms > 2 * TRAVEL_S * 1000:
                    self.late.append(event)

    def sockets(self, to: Door) -> list[ConnectionLog]:
        return [log for log in self.p.exchange.paper.record.connections if log.to == to]

    def rotations(self, to: Door) -> int:
        link = self.p.account.tree.link if to == "api" else self.p.account.tree.market_link
        return link.rotation.rotated.published

    def check_that_nobody_noticed(self) -> None:
        record = self.p.exchange.paper.record
        assert record.away(ACCOUNT, self.began_s, trio.current_time(), what="subscribed") == []
        assert self.states == []
        assert self.gaps == []
        assert self.late == []
        assert self.heard == list(range(self.heard[0], self.heard[0] + len(self.heard)))
        assert self.made - len(self.heard) <= 5, "what was made before anybody listened, and the last one"


@asynccontextmanager
async def audience(seed: int) -> AsyncIterator[Audience]:
    async with open_exchange(seed=seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        async with perform(exchange, seed) as p, trio.open_nursery() as nursery:
            listening = Audience(p)
            nursery.start_soon(listening.hear_trades)
            await trio.sleep(1)
            nursery.start_soon(listening.make_trades)
            await trio.sleep(1)
            yield listening
            nursery.cancel_scope.cancel()
            await p.settle()


async def trade_in_time(p: Play) -> None:
    """An order is answered, and its fill is told, as quickly as bytes travel."""
    asked_s, fills = trio.current_time(), len(p.hand.fills)
    order = await p.hand.buy(SYMBOL, quantity=SIZE)
    assert trio.current_time() - asked_s == pytest.approx(2 * TRAVEL_S)
    assert order.is_filled
    await until(lambda: len(p.hand.fills) > fills, within_s=TRAVEL_S)
    assert [fill.order_id for fill in p.hand.fills[fills:]] == [order.order_id]


@pytest.mark.parametrize("ending", ["close", "cut"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("to", DOORS)
async def test_in_every_shape_it_is_heeded_and_nobody_notices(
    virtual_clock: MockClock, seed: int, to: Door, shape: Shape, ending: Ending
) -> None:
    async with audience(seed) as listening:
        p = listening.p
        announced_s = trio.current_time()
        assert p.exchange.faults.now(ShutDown(notice_s=NOTICE_S, shape=shape, ending=ending), to=to) == 1
        for _ in range(30):
            await trade_in_time(p)
            await trio.sleep(0.5)
        old, new = listening.sockets(to)
        assert listening.rotations(to) == 1
        assert new.opened_s - announced_s < 1
        assert old.closed_s is not None
        assert old.closed_s - announced_s < NOTICE_S, "it was left before it ended"
        listening.check_that_nobody_noticed()


@pytest.mark.parametrize("to", DOORS)
async def test_what_is_read_behind_it_is_read_at_once(virtual_clock: MockClock, seed: int, to: Door) -> None:
    """Notice, trades and answers come in one piece of bytes."""
    async with audience(seed) as listening, trio.open_nursery() as nursery:
        p = listening.p
        for line in p.exchange.network.connections:
            line.downstream.stall()
        nursery.start_soon(p.hand.rest, SIZE, DEEPER)
        await trio.sleep(2 * TRAVEL_S)
        for _ in range(3):
            p.exchange.faults.now(ShutDown(notice_s=NOTICE_S, ending="none"), to=to)
            for _ in range(20):
                p.exchange.trade(SYMBOL, BID, Decimal("0.01"))
        listening.made += 60
        resumed_s = trio.current_time()
        for line in p.exchange.network.connections:
            line.downstream.resume()
        await until(lambda: bool(p.hand.orders) and p.hand.orders[0].is_open, within_s=TRAVEL_S)
        await until(lambda: len(listening.heard) >= listening.made - 5, within_s=TRAVEL_S)
        assert trio.current_time() - resumed_s <= TRAVEL_S + 0.002
        listening.late.clear()  # the line was held up, not the reader
        for _ in range(10):
            await trade_in_time(p)
            await trio.sleep(1)
        assert listening.rotations(to) == 1
        listening.check_that_nobody_noticed()


@pytest.mark.parametrize("to", [*DOORS, None])
async def test_said_again_while_the_link_moves_it_does_no_harm(
    virtual_clock: MockClock, seed: int, to: Door | None
) -> None:
    """Over and over, on each socket that stands, until nothing stands any more that was told of it first."""
    async with audience(seed) as listening:
        p = listening.p
        p.exchange.faults.now(ShutDown(notice_s=NOTICE_S), to=to)
        first = {log.number for log in p.exchange.paper.record.connections if log.is_open}
        for _ in range(40):
            await trio.sleep(0.02)
            p.exchange.faults.now(ShutDown(ending="none"), to=to, where=lambda facts: facts["number"] in first)
        for _ in range(20):
            await trade_in_time(p)
            await trio.sleep(1)
        for door in DOORS if to is None else (to,):
            assert listening.rotations(door) == 1
            assert len(listening.sockets(door)) == 2
        listening.check_that_nobody_noticed()


async def test_servers_that_go_down_one_after_the_other_are_left_one_after_the_other(
    virtual_clock: MockClock, seed: int
) -> None:
    """Each next one says so as soon as it is subscribed to."""
    async with audience(seed) as listening:
        p = listening.p
        armed = p.exchange.faults.add(ShutDown(on="userDataStream.subscribe", notice_s=60), times=3)
        p.exchange.faults.now(ShutDown(notice_s=60), to="api")
        for _ in range(60):
            await trade_in_time(p)
            await trio.sleep(1)
        assert armed.hits == 3
        assert listening.rotations("api") == 4
        listening.check_that_nobody_noticed()


async def test_a_server_that_says_so_and_stays_is_left_all_the_same(virtual_clock: MockClock, seed: int) -> None:
    async with audience(seed) as listening:
        p = listening.p
        p.exchange.faults.now(ShutDown(ending="none"), to=None)
        for _ in range(10):
            await trade_in_time(p)
            await trio.sleep(1)
        for to in DOORS:
            old, new = listening.sockets(to)
            assert not old.is_open
            assert new.is_open
        listening.check_that_nobody_noticed()


@pytest.mark.parametrize("shape", SHAPES)
async def test_with_no_time_between_word_and_deed_the_session_is_back_within_a_second_and_nothing_is_lost(
    virtual_clock: MockClock, seed: int, shape: Shape
) -> None:
    async with audience(seed) as listening:
        p = listening.p
        resting = await p.hand.rest(SIZE, DEEP)
        p.exchange.faults.now(ShutDown(shape=shape, ending="cut"), to="api")
        p.exchange.trade(SYMBOL, DEEP - 1, SIZE)
        await trio.sleep(TRAVEL_S)
        listening.made += 1
        await until(lambda: bool(listening.states) and isinstance(listening.states[-1], SessionReady), within_s=1.5)
        await until(lambda: p.latest(resting).is_filled, within_s=1)
        await until(lambda: bool(p.hand.fills), within_s=1)
        assert [fill.order_id for fill in p.hand.fills] == [resting.order_id]
        await p.caught_up()
        await trade_in_time(p)


def _raise(error: Exception) -> None:
    raise error
