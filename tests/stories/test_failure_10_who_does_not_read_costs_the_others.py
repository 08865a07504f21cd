"""Failure 10: queues without a bound, or with one that kills the socket; a slow callback delays the pong.

Here a strategy that does not read loses what it does not read, or its own life, and nobody else anything: not the
sockets, whose pongs are on their way before any callback runs, nor the orders of another one. Bytes travel for 20 ms
each way; the exchange's own record says when pongs came.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from dogwatch import (
    Context,
    Feed,
    Fill,
    Fills,
    Gap,
    Kline,
    Klines,
    OrderChanged,
    OrderChanges,
    Quote,
    Quotes,
    Trade,
    Trades,
)
from dogwatch.actors.feeds import STREAM_CAPACITY
from dogwatch.actors.paper.exchange import ACCOUNT
from dogwatch.actors.session import SessionState
from dogwatch.actors.strategy_host import OrdersOnCrash, StrategyHost
from dogwatch.actors.testing import StagedExchange
from dogwatch.runtime.system import System
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.hand import ASK, BID, DEEP, Hand
from tests.stories.scene import (
    SIZE,
    SYMBOL,
    Account,
    Character,
    Part,
    check_that_all_is_square,
    open_exchange,
    strategy_node,
    until,
)

TRAVEL_S = 0.020
A_MOMENT_S = 0.001
PING_EVERY_S = 20.0
LONG_S = 400.0
BURST = 12_000
"""Trades in one moment: three times as many as wait for anybody."""
MARKET: tuple[Feed[Any], ...] = (Trades(SYMBOL), Quotes(SYMBOL), Klines(SYMBOL))


class Asleep(Character):
    """Handles everything, and does not come back from its first handler for a long while."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.handled: list[object] = []

    def feeds(self) -> Iterable[Any]:
        return (*MARKET, Fills(), OrderChanges())

    async def on_anything(self, event: Trade | Quote | Kline | Fill | OrderChanged | Gap) -> None:
        if not self.handled:
            await self.sleep(LONG_S)
        self.handled.append(event)


class Hoarder(Character):
    """Follows everything and reads nothing."""

    async def run(self) -> None:
        everything: tuple[Feed[Any], ...] = (*MARKET, Fills(), OrderChanges())
        self.followings = [self.follow(feed) for feed in everything]
        await trio.sleep_forever()


class Thinker(Character):
    """Computes for as long as it is told to at its next quote: nothing else runs in this process meanwhile."""

    class Config(Character.Config, frozen=True, kw_only=True):
        clock: MockClock

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.thinks_s = 0.0

    def feeds(self) -> Iterable[Any]:
        return [Quotes(SYMBOL)]

    async def on_quote(self, _quote: Quote) -> None:
        for_s, self.thinks_s = self.thinks_s, 0.0
        self.config.clock.jump(for_s)


class Stage:
    """A hand that trades beside another strategy."""

    def __init__(self, exchange: StagedExchange, account: Account, hand: Part[Hand], system: System) -> None:
        self.exchange = exchange
        self.account = account
        self.part = hand
        self.system = system
        self.states: list[SessionState] = []
        account.tree.link.topics.states.tap(self.states.append, on_error=_raise)

    @property
    def hand(self) -> Hand:
        return self.part.now

    def burst(self, trades: int = BURST) -> None:
        """So many trades in one moment, at a price that fills no order."""
        for _ in range(trades):
            self.exchange.paper.engine.apply_trade(
                SYMBOL, BID, Decimal("0.01"), self.exchange.clock.unix_ms(), buyer_is_maker=False
            )
        self.exchange.paper.settle()

    async def trade_in_time(self) -> None:
        """The hand's order, its answer and its fill take no longer than bytes travel."""
        asked_s, fills = trio.current_time(), len(self.hand.fills)
        order = await self.hand.buy(SYMBOL, quantity=SIZE)
        assert order.is_filled
        await until(lambda: len(self.hand.fills) > fills, within_s=TRAVEL_S)
        assert trio.current_time() - asked_s <= 2 * TRAVEL_S + 2 * A_MOMENT_S

    async def see_pongs_in_time(self, pings: int) -> None:
        """Each of the next pings is answered as quickly as bytes travel, on every socket."""
        record = self.exchange.paper.record
        for _ in range(pings):
            opened_s = record.connections[-1].opened_s
            pinged = int((trio.current_time() - opened_s) / PING_EVERY_S) + 1
            await trio.sleep_until(opened_s + pinged * PING_EVERY_S + 2 * TRAVEL_S + A_MOMENT_S)
            for connection in self.exchange.paper.connections():
                assert connection.pings_sent == connection.pongs_matched == pinged

    def check_that_the_sockets_stand(self) -> None:
        """They are the first ones, nothing waits for them, and nobody was away."""
        connections = self.exchange.paper.connections()
        assert [(connection.is_open, connection.queued_bytes) for connection in connections] == [(True, 0)] * 2
        assert self.states == []
        record = self.exchange.paper.record
        assert record.away(ACCOUNT, record.connections[0].opened_s + 1, trio.current_time()) == []

    def check_that_nothing_piles_up(self, part: Part[Any]) -> None:
        mailbox = strategy_node(self.system, part.name).mailbox
        assert mailbox is not None
        assert all(mailbox.depth_by_lane[lane.name] <= lane.capacity for lane in StrategyHost.lanes)


@asynccontextmanager
async def staged(seed: int, other: Part[Any]) -> AsyncIterator[Stage]:
    hand = Part("hand", Hand)
    async with open_exchange(seed=seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        account = Account(exchange, other.entry, hand.entry, seed=seed)
        async with account.trading() as system:
            await until(lambda: bool(hand.lives and other.lives), step_s=0.01)
            await trio.sleep(1)
            yield Stage(exchange, account, hand, system)
        check_that_all_is_square(exchange, account)


@pytest.mark.parametrize("other", [Asleep, Hoarder])
async def test_whoever_does_not_read_delays_no_pong_and_no_order_and_keeps_no_backlog(
    virtual_clock: MockClock, seed: int, other: type[Character]
) -> None:
    part = Part("other", other)
    async with staged(seed, part) as stage, trio.open_nursery() as nursery:
        nursery.start_soon(stage.see_pongs_in_time, 10)
        for _ in range(15):
            stage.burst(BURST // 15)
            stage.exchange.quote(SYMBOL, BID, ASK)
            await stage.trade_in_time()
            await trio.sleep(13)
            stage.check_that_nothing_piles_up(part)
        stage.check_that_the_sockets_stand()


async def test_a_burst_is_bounded_and_whoever_is_asleep_is_told_how_much_it_has_missed(
    virtual_clock: MockClock, seed: int
) -> None:
    part = Part("other", Asleep)
    async with staged(seed, part) as stage:
        stage.burst()
        await stage.trade_in_time()
        await trio.sleep(LONG_S)
        events = part.now.handled[1:]
        (gap,) = (event for event in events if isinstance(event, Gap))
        trades = [event for event in events if isinstance(event, Trade)]
        assert len(trades) == STREAM_CAPACITY
        assert gap.dropped + len(trades) == BURST
        stage.check_that_the_sockets_stand()


async def test_a_queue_of_what_must_not_be_lost_has_an_end_too_and_ends_the_life_that_does_not_read(
    virtual_clock: MockClock, seed: int
) -> None:
    """Fills in thousands, each with a change of the order. It is made anew, and no fill is lost of its record."""
    part = Part("other", Asleep, orders_on_crash=OrdersOnCrash.KEEP)
    fills = STREAM_CAPACITY
    async with staged(seed, part) as stage:
        order = await part.now.buy(SYMBOL, quantity=fills * Decimal("0.00001"), price=DEEP)
        for number in range(1, fills + 1):
            stage.exchange.trade(SYMBOL, DEEP - 1, Decimal("0.00001"))
            if number % 512 == 0:
                await trio.sleep(1)
                await stage.trade_in_time()
        assert len(part.lives) >= 2
        assert {restarted.path for restarted in stage.account.restarts} == {"dogwatch/strategies/other"}
        assert stage.account.table.latest(order).is_filled
        (position,) = stage.account.table.positions("other")
        assert position.fills == fills
        stage.check_that_the_sockets_stand()


@pytest.mark.parametrize("for_s", [5.0, 30.0, 50.0])
async def test_a_callback_that_holds_everything_up_is_not_taken_for_a_silent_exchange(
    virtual_clock: MockClock, seed: int, for_s: float
) -> None:
    """It is the one thing that does delay a pong. What has come meanwhile is read before anybody judges."""
    part = Part("other", Thinker, clock=virtual_clock)
    async with staged(seed, part) as stage:
        for _ in range(4):
            part.now.thinks_s = for_s
            began_s = trio.current_time()
            stage.exchange.quote(SYMBOL, BID, ASK + 1)
            stage.exchange.quote(SYMBOL, BID, ASK)
            await until(lambda: part.now.thinks_s == 0)
            await trio.sleep(1)
            assert trio.current_time() - began_s >= for_s
            await stage.trade_in_time()
            await trio.sleep(7)
        stage.check_that_the_sockets_stand()


def _raise(error: Exception) -> None:
    raise error
