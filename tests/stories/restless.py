"""A strategy that is always in the middle of something: for the processes that are killed in test_killed.py."""

from decimal import Decimal

import trio

from dogwatch import NotSent, Order, Quotes, Rejected, Side, Strategy


class Restless(Strategy):
    """Several tasks place, cross and cancel orders as fast as they can. A calm one ends all there is, and itself."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        size: Decimal
        tasks: int = 4
        is_calm: bool = False

    async def run(self) -> None:
        if self.config.is_calm:
            return  # its orders, also those of earlier processes, are canceled and waited for
        async with trio.open_nursery() as nursery:
            for number in range(self.config.tasks):
                nursery.start_soon(self._trade, Side.BUY if number % 2 else Side.SELL)

    async def _trade(self, side: Side) -> None:
        while True:
            quote = await self.first(Quotes(self.config.symbol))
            try:
                await self._cross(side)
                await self._rest(side, quote.bid if side is Side.BUY else quote.ask)
            except (NotSent, Rejected):
                await trio.sleep(0.01)  # the link, the limits or the market: the next round will tell

    async def _cross(self, side: Side) -> None:
        await self.place(side, self.config.symbol, quantity=self.config.size)

    async def _rest(self, side: Side, price: Decimal) -> None:
        order: Order = await self.place(side, self.config.symbol, quantity=self.config.size, price=price)
        if not order.is_closed:
            await trio.sleep(0.01)
            await self.cancel(order)
