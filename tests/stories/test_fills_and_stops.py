"""Fills are told once and in order, to both voices; a clean stop leaves nothing open or unknown, whenever it comes."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from dogwatch import Context, Fill, Fills, Order, OrderChanged, Quote, Quotes, Side
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.testing import StagedExchange
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.scene import (
    SIZE,
    SYMBOL,
    Account,
    Character,
    Part,
    check_that_all_is_square,
    open_exchange,
    status_of,
    until,
)

TRAVEL_S = 0.020
THINKING_MS = 100.0
CHUNKS = 5


class Sequential(Character):
    """Takes once, then rests one order on each side; hears of its fills in a task beside that."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.told: list[Fill] = []

    async def run(self) -> None:
        with self.follow(Fills()) as fills:
            await self.first(Quotes(self.config.symbol))
            await trade_both_ways(self)
            async for fill in fills:
                self.told.append(fill)


class Handling(Character):
    """The same with handlers."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.told: list[Fill] = []
        self.changes: list[Order] = []
        self.has_begun = False

    def feeds(self) -> Iterable[Any]:
        return [Quotes(self.config.symbol)]

    async def on_quote(self, _quote: Quote) -> None:
        if not self.has_begun:
            self.has_begun = True
            await trade_both_ways(self)

    def on_fill(self, fill: Fill) -> None:
        self.told.append(fill)

    def on_change(self, change: OrderChanged) -> None:
        self.changes.append(change.order)


async def trade_both_ways(strategy: Character) -> None:
    await strategy.buy(strategy.config.symbol, quantity=SIZE)
    for side in Side.BUY, Side.SELL:
        price = Decimal(40_000) - side.sign * Decimal(100)
        await strategy.place(side, strategy.config.symbol, quantity=CHUNKS * SIZE, price=price)


def trade_through(exchange: StagedExchange) -> None:
    """The market outside falls through the bids and rises through the asks, in small trades."""
    for price in "39800", "40200":
        for _ in range(2 * CHUNKS):
            exchange.trade(SYMBOL, price, SIZE)


@pytest.mark.parametrize("events_first", [False, True], ids=["replies first", "events first"])
async def test_both_voices_hear_of_every_fill_once_and_in_order(
    virtual_clock: MockClock, seed: int, events_first: bool
) -> None:
    voices = Part("sequential", Sequential), Part("handling", Handling)
    config = PaperConfig(events_before_replies=events_first, latency_ms=THINKING_MS)
    async with open_exchange(seed=seed, config=config, network=MemoryNetwork(delay_s=TRAVEL_S)) as exchange:
        account = Account(exchange, *(part.entry for part in voices), seed=seed)
        async with account.trading():
            await trio.sleep(1)
            exchange.quote(SYMBOL, "40000", "40001")
            await trio.sleep(2)
            trade_through(exchange)
            await trio.sleep(2)
        check_that_all_is_square(exchange, account)
        for part in voices:
            true = [fill for fill in exchange.fills() if fill.client_order_id.startswith(f"dw-{part.name}-")]
            assert len(true) == 1 + 2 * CHUNKS
            told = [(fill.trade_id, fill.price, fill.quantity, fill.commission) for fill in part.now.told]
            assert told == [(fill.trade_id, fill.price, fill.quantity, fill.commission) for fill in true]
        handling = voices[1].now
        filled = [order.filled_quantity for order in handling.changes if order.side is Side.SELL]
        assert filled == sorted(filled)
        assert filled[-1] == CHUNKS * SIZE


class Rester(Character):
    """Keeps placing orders that rest, one after another."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.stopped_ms: int | None = None

    async def run(self) -> None:
        await self.first(Quotes(self.config.symbol))
        await rest_many(self)
        await trio.sleep_forever()

    async def on_stop(self) -> None:
        self.stopped_ms = self.now_ms()


class RestingHandler(Character):
    """The same in the handler of the first quote."""

    def feeds(self) -> Iterable[Any]:
        return [Quotes(self.config.symbol)]

    async def on_quote(self, _quote: Quote) -> None:
        if not self.orders:
            await rest_many(self)


async def rest_many(strategy: Character) -> None:
    for number in range(20):
        await strategy.buy(strategy.config.symbol, quantity=SIZE, price=Decimal(39_000 - number))


async def test_a_clean_stop_cancels_what_rests_and_waits_until_that_is_known(
    virtual_clock: MockClock, seed: int
) -> None:
    rester = Part("rester", Rester)
    config = PaperConfig(latency_ms=THINKING_MS)
    async with open_exchange(seed=seed, config=config, network=MemoryNetwork(delay_s=TRAVEL_S)) as exchange:
        account = Account(exchange, rester.entry, seed=seed)
        async with account.trading():
            await trio.sleep(1)
            exchange.quote(SYMBOL, "40000", "40001")
            await trio.sleep(10)
            orders = rester.now.orders
            assert [status_of(exchange, order) for order in orders] == ["NEW"] * 20
        assert rester.now.stopped_ms is not None
        answered_after_s = (exchange.clock.unix_ms() - rester.now.stopped_ms) / 1000
        assert answered_after_s >= 2 * TRAVEL_S + THINKING_MS / 1000
        assert [status_of(exchange, order) for order in orders] == ["CANCELED"] * 20
        check_that_all_is_square(exchange, account)


@pytest.mark.parametrize("strategy", [Rester, RestingHandler])
@pytest.mark.parametrize("after_ms", [0, 1, 19, 20, 21, 60, 120, 139, 140, 141, 150, 500])
async def test_a_stop_in_the_middle_of_placing_leaves_nothing_open_and_nothing_unknown(
    virtual_clock: MockClock, seed: int, strategy: type[Character], after_ms: int
) -> None:
    rester = Part("rester", strategy)
    config = PaperConfig(latency_ms=THINKING_MS)
    async with open_exchange(seed=seed, config=config, network=MemoryNetwork(delay_s=TRAVEL_S)) as exchange:
        account = Account(exchange, rester.entry, seed=seed)
        async with account.trading():
            await trio.sleep(1)
            exchange.quote(SYMBOL, "40000", "40001")
            await until(lambda: any(account.table.all_live()))
            await trio.sleep(after_ms / 1000)
        assert {order["status"] for order in exchange.orders()} == {"CANCELED"}
        assert account.table.placed == len(exchange.orders()) >= 1
        check_that_all_is_square(exchange, account)
