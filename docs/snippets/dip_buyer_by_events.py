"""The same strategy in the other voice: handlers that are called for each event."""

from decimal import Decimal

from dogwatch import Fill, Quote, Quotes, Rounding, Side, Strategy


class DipBuyer(Strategy):
    """The event-driven voice: `on_<event>` methods, found by annotation, one at a time."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        buy_at: Decimal
        gain: Decimal
        size: Decimal

    def feeds(self) -> list[Quotes]:
        return [Quotes(self.config.symbol)]

    async def on_quote(self, quote: Quote) -> None:
        if self.orders or self.position(quote.symbol):
            return
        if quote.ask <= self.config.buy_at:
            await self.buy(quote.symbol, quantity=self.config.size)

    async def on_fill(self, fill: Fill) -> None:
        if fill.side is Side.BUY:
            rules = self.symbol(fill.symbol)
            held = rules.round_quantity(fill.quantity - fill.commission, Rounding.DOWN)
            target = self.config.buy_at + self.config.gain
            price = rules.round_price(target, Rounding.UP)
            await self.sell(fill.symbol, quantity=held, price=price)
