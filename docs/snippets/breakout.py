"""Look back first, then follow: buy above the highest price of the last 24 hours."""

from decimal import Decimal

from dogwatch import OutcomeUnknown, Rejected, Strategy, Trades


class Breakout(Strategy):
    """Buy once when the price goes above what it has been for a day."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        size: Decimal

    async def run(self) -> None:
        highest = await self.highest()
        async for trade in self.follow(Trades(self.config.symbol)):
            if getattr(trade, "price", highest) > highest:  # a Gap has none
                await self.buy(self.config.symbol, quantity=self.config.size)
                return

    async def highest(self) -> Decimal:
        while True:
            try:
                candles = await self.spot.klines(symbol=self.config.symbol, interval="1h", limit=24)
            except (OutcomeUnknown, Rejected) as reason:  # nothing was changed by asking: ask again
                self.log.warning("no candles", reason=reason.message, hint=reason.hint)
                await self.sleep(5)
            else:
                return max(candle.high_price for candle in candles)
