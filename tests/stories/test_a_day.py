"""A whole day on station: every ping is answered with its payload, and hour 24 finds the link on another socket.

Prices move once a minute, at the half minute.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import trio
from trio.testing import MockClock

from dogwatch import Context, Order, Quote, Quotes, Rejected, Side
from tests.stories.scene import (
    SIZE,
    Account,
    Character,
    Part,
    api_connections,
    check_that_all_is_square,
    open_exchange,
    prices_move,
    strategy_node,
    walk,
)

HOUR_S = 3600
PINGS_A_DAY = 24 * HOUR_S // 20
MINUTES_A_DAY = 24 * 60
AFTER_THE_DAY_S = 300


class Patient(Character):
    """Every two minutes: one market order, back and forth, and a resting bid that is moved along with the price."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.swings: list[Order] = []
        self.bid: Order | None = None

    async def run(self) -> None:
        async for quote in self.follow(Quotes(self.config.symbol)):
            side = Side.BUY if len(self.swings) % 2 == 0 else Side.SELL
            self.swings.append(await self.closed(await self.place(side, self.config.symbol, quantity=SIZE)))
            await self.move_bid(quote)
            await self.sleep(110)  # its own orders move the quotes too

    async def move_bid(self, quote: Quote) -> None:
        if self.bid is not None:
            await self.cancel(self.bid)
        price = quote.bid - Decimal(1)
        try:
            self.bid = await self.buy(self.config.symbol, quantity=SIZE, price=price, post_only=True)
        except Rejected:
            self.bid = None


class Daydreamer(Character):
    """Waits for ever in the handler of its first quote."""

    def feeds(self) -> Iterable[Any]:
        return [Quotes(self.config.symbol)]

    async def on_quote(self, _quote: Quote) -> None:
        await trio.sleep_forever()


class Sleeper(Character):
    """Never returns from run()."""

    async def run(self) -> None:
        await trio.sleep_forever()


async def test_all_pings_of_a_day_are_answered_while_one_strategy_trades_one_dreams_and_one_sleeps(
    virtual_clock: MockClock, seed: int
) -> None:
    trader, dreamer, sleeper = Part("trader", Patient), Part("dreamer", Daydreamer), Part("sleeper", Sleeper)
    feed = walk(seed, interval_ms=60_000)
    async with open_exchange(seed=seed, feed=feed) as exchange:
        account = Account(exchange, trader.entry, dreamer.entry, sleeper.entry, seed=seed)
        async with account.trading() as system:
            await trio.sleep(30)
            async with prices_move(exchange):
                await trio.sleep(24 * HOUR_S + AFTER_THE_DAY_S - 30)
            first, second = api_connections(exchange)
            assert "rotated" in first.closed_because, "before the exchange cut it"
            assert second.is_open
            assert first.pings_sent + second.pings_sent >= PINGS_A_DAY
            for connection in exchange.paper.connections():
                assert connection.pings_sent >= AFTER_THE_DAY_S // 20 - 1
                assert connection.pongs_matched == connection.pings_sent, connection
            assert [node.path for node in system.tree().walk() if node.kind == "actor" and node.restarts] == []
            assert len(trader.now.swings) >= MINUTES_A_DAY // 2
            assert strategy_node(system, "trader").life == 1
        check_that_all_is_square(exchange, account)
    assert account.table.placed >= MINUTES_A_DAY * 9 // 10
    assert account.fills_booked() >= MINUTES_A_DAY // 2
