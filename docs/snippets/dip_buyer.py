"""Buy once when the market has come down to a price, then offer it a little higher."""

from decimal import Decimal

from dogwatch import Quotes, Rounding, Strategy


class DipBuyer(Strategy):
    """The sequential voice: straight-line Trio code in `run()`."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        buy_at: Decimal  # buy when the best ask is here or below, in the quote asset
        gain: Decimal  # offer it this much above `buy_at`, in the quote asset
        size: Decimal  # how much to buy, in the base asset

    async def run(self) -> None:
        config, rules = self.config, self.symbol(self.config.symbol)
        if not self.position(config.symbol):  # else an earlier life has bought already
            await self.buy_the_dip()
        held = rules.round_quantity(self.position(config.symbol), Rounding.DOWN)
        price = rules.round_price(config.buy_at + config.gain, Rounding.UP)
        offer = await self.sell(config.symbol, quantity=held, price=price)
        sold = await self.closed(offer)
        self.log.info("sold", quantity=sold.filled_quantity, price=sold.average_price)

    async def buy_the_dip(self) -> None:
        symbol = self.config.symbol
        async for quote in self.follow(Quotes(symbol)):
            if quote.ask <= self.config.buy_at:
                await self.closed(await self.buy(symbol, quantity=self.config.size))
                return
