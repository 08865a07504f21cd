"""Strategies that make a stop hard: for the processes that are stopped in test_stopping.py."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import trio

from dogwatch import Feed, NotSent, Order, Quote, Quotes, Rejected, Rounding, Side, Strategy, Trades

FAR = {Side.BUY: Decimal("0.9"), Side.SELL: Decimal("1.1")}
"""Of the middle: too far to be filled."""


class Resting(Strategy):
    """Has orders open."""

    class Config(Strategy.Config, frozen=True):
        symbol: str = "BTCUSDT"
        size: Decimal = Decimal("0.001")
        orders: int = 40

    async def rest_all(self, quote: Quote) -> None:
        for number in range(self.config.orders):
            await self.rest(quote, Side.BUY if number % 2 else Side.SELL)

    async def rest(self, quote: Quote, side: Side) -> Order:
        price = self.symbol(self.config.symbol).round_price(quote.middle * FAR[side], Rounding.DOWN)
        return await self.place(side, self.config.symbol, quantity=self.config.size, price=price)


class Laden(Resting):
    """Places and cancels besides, in several tasks as fast as they can."""

    async def run(self) -> None:
        quote = await self.first(Quotes(self.config.symbol))
        await self.rest_all(quote)
        async with trio.open_nursery() as nursery:
            for side in (*Side, *Side):
                nursery.start_soon(self._hurry, quote, side)

    async def _hurry(self, quote: Quote, side: Side) -> None:
        while True:
            try:
                await self.cancel(await self.rest(quote, side))
            except (NotSent, Rejected):
                await trio.sleep(0.01)


class Stuck(Resting):
    """A subscriber whose handler never comes back from the first quote."""

    def feeds(self) -> Iterable[Feed[Any]]:
        return [Quotes(self.config.symbol)]

    async def on_quote(self, quote: Quote) -> None:
        await self.rest_all(quote)
        await trio.sleep_forever()


class Deaf(Resting):
    """A subscriber that never reads what it follows."""

    async def run(self) -> None:
        await self.rest_all(await self.first(Quotes(self.config.symbol)))
        with self.follow(Trades(self.config.symbol)):
            await trio.sleep_forever()


class Clinging(Resting):
    """Does not end when it is asked to."""

    async def run(self) -> None:
        await self.rest_all(await self.first(Quotes(self.config.symbol)))
        await trio.sleep_forever()

    async def on_stop(self) -> None:
        await trio.sleep_forever()
