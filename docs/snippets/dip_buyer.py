"""Buy once when the market has come down to a price, then offer what was bought a little higher, then finish."""

from decimal import Decimal

from dogwatch import Quotes, Rounding, Strategy


class DipBuyer(Strategy):
    """The sequential voice: straight-line Trio code in `run()`."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        buy_at: Decimal  # buy when the best ask is at this price or below, in the quote asset
        gain: Decimal  # offer it this much above the price paid, in the quote asset
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
        async for quote in self.follow(Quotes(self.config.symbol)):
            if quote.ask <= self.config.buy_at:
                await self.closed(await self.buy(self.config.symbol, quantity=self.config.size))
                return
