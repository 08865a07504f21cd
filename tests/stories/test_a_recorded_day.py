"""Prices from a recorded dump: an order that rests is filled when the record trades through it, and only then."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import NamedTuple

import trio
from trio.testing import MockClock

from dogwatch import Context, Fill, Fills, Order, Quotes, Side
from dogwatch.actors.paper.config import PaperConfig, TradesFeed
from tests.stories.scene import (
    SIZE,
    SYMBOL,
    Account,
    Character,
    Part,
    check_that_all_is_square,
    open_exchange,
    prices_move,
)

RECORDED_FROM_MS = 1_610_064_000_000
STEPS = Decimal("0.50"), Decimal("1.00"), Decimal("3.00")
FIRST_RUNG = Decimal("1.50")
RUNGS = 9


class Recorded(NamedTuple):
    trade_id: int
    price: Decimal
    time_ms: int


def record_a_dump(path: Path, seed: int, *, trades: int = 200) -> list[Recorded]:
    """A file in the exchange's public format (id, price, quantity, quote quantity, time, buyer is maker, best match).

    The price walks on a grid of half a quote unit, on which the orders stand too: so its extremes may be an order's own
    price. Every trade is large enough for all orders that it goes through.
    """
    chance = Random(seed)
    price, time_ms, record = Decimal(40_000), RECORDED_FROM_MS, []
    with path.open("w") as lines:
        for trade_id in range(7_000_000, 7_000_000 + trades):
            quantity = SIZE * RUNGS + SIZE * chance.randint(0, 9)
            seller_hit = chance.random() < 0.5
            row = (trade_id, price, quantity, price * quantity, time_ms, seller_hit, True)
            lines.write(",".join(map(str, row)) + "\n")
            record.append(Recorded(trade_id, price, time_ms))
            price += chance.choice((-1, 1)) * chance.choice(STEPS)
            time_ms += chance.randint(1, 900)
    return record


class Ladder(Character):
    """At the first quote, puts a ladder of orders on both sides, each twice as far as the last, and lets them rest."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.rungs: list[Order] = []
        self.told: list[Fill] = []

    async def run(self) -> None:
        with self.follow(Fills()) as fills:
            quote = await self.first(Quotes(self.config.symbol))
            middle = quote.middle.quantize(Decimal(1))
            for number in range(RUNGS):
                for side in Side.BUY, Side.SELL:
                    price = middle - side.sign * FIRST_RUNG * 2**number
                    self.rungs.append(
                        await self.place(side, self.config.symbol, quantity=SIZE, price=price, post_only=True)
                    )
            async for fill in fills:
                self.told.append(fill)


@asynccontextmanager
async def first_subscriptions() -> AsyncIterator[None]:
    """The strategy's feeds are subscribed before the first recorded trade."""
    await trio.sleep(1)
    yield


def is_traded_through(order: Order, record: list[Recorded]) -> bool:
    """Whether a trade after the first one, at which the order was placed, was on the far side of its price."""
    assert order.price is not None
    prices = [trade.price for trade in record[1:]]
    return min(prices) < order.price if order.side is Side.BUY else max(prices) > order.price


async def test_a_resting_order_is_filled_exactly_when_the_record_trades_through_it(
    virtual_clock: MockClock, seed: int, tmp_path: Path
) -> None:
    dump = tmp_path / "BTCUSDT-trades.csv"
    record = record_a_dump(dump, seed)
    ladder = Part("ladder", Ladder)
    config = PaperConfig(feed=TradesFeed(symbol=SYMBOL, file=dump))
    async with open_exchange(seed=seed, config=config) as exchange:
        account = Account(exchange, ladder.entry, seed=seed)
        async with account.trading(), first_subscriptions(), prices_move(exchange):
            with trio.fail_after((record[-1].time_ms - record[0].time_ms) / 1000 + 1):
                await exchange.paper.finished.wait()
            await trio.sleep(1)
            orders = [account.table.latest(order) for order in ladder.now.rungs]
            told = ladder.now.told
        check_that_all_is_square(exchange, account)
    expected = {order.client_order_id for order in orders if is_traded_through(order, record)}
    assert {order.client_order_id for order in orders if order.is_filled} == expected
    assert len(orders) == 2 * RUNGS
    assert 0 < len(expected) < len(orders), "the record tells nothing: it goes through every order, or through none"
    by_name = {order.client_order_id: order for order in orders}
    assert sorted(fill.client_order_id for fill in told) == sorted(expected)
    for fill in told:
        order = by_name[fill.client_order_id]
        assert (fill.price, fill.quantity, fill.is_maker) == (order.price, order.quantity, True)


async def test_a_trade_at_an_orders_own_price_does_not_fill_it_and_one_tick_further_does(
    virtual_clock: MockClock, seed: int, tmp_path: Path
) -> None:
    dump = tmp_path / "BTCUSDT-trades.csv"
    prices = ["40000.00", "39998.50", "39998.50", "39998.49"]
    dump.write_text(
        "".join(f"{i},{price},5,{5 * Decimal(price)},{1000 * i},True,True\n" for i, price in enumerate(prices))
    )
    ladder = Part("ladder", Ladder)
    config = PaperConfig(feed=TradesFeed(symbol=SYMBOL, file=dump))
    async with open_exchange(seed=seed, config=config) as exchange:
        account = Account(exchange, ladder.entry, seed=seed)
        async with account.trading(), first_subscriptions(), prices_move(exchange):
            await trio.sleep(2.5)
            assert Decimal("39998.50") in {order.price for order in ladder.now.rungs}
            assert ladder.now.told == []
            await trio.sleep(1)
            assert [fill.price for fill in ladder.now.told] == [Decimal("39998.50")]
        check_that_all_is_square(exchange, account)
