"""A market maker in one page: quote both sides around the middle, lean away from inventory."""

from decimal import Decimal

from dogwatch import NotSent, Order, Quote, Quotes, Rejected, Rounding, Side, Strategy


class Quoter(Strategy):
    """Keep one bid and one ask in the book; move them when the market has moved by `requote`."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        half_spread: Decimal  # distance of each quote from the middle, in the quote asset
        requote: Decimal  # how far the wanted price may drift before an order is replaced
        size: Decimal  # quantity of each order, in the base asset
        position_max: Decimal  # stop adding to a position of this size, in the base asset

    async def run(self) -> None:
        working: dict[Side, Order | None] = {Side.BUY: None, Side.SELL: None}
        async for quote in self.follow(Quotes(self.config.symbol)):
            for side in working:
                working[side] = await self.keep(side, working[side], self.wanted_price(side, quote))

    def wanted_price(self, side: Side, quote: Quote) -> Decimal | None:
        """Where the order of this side should rest, or None where the position allows no more of it."""
        config = self.config
        fullness = self.position(config.symbol) / config.position_max
        away = config.half_spread * (1 + max(fullness * side.sign, Decimal(0)))
        if fullness * side.sign >= 1:
            return None
        rules = self.symbol(config.symbol)
        if side is Side.BUY:
            return rules.round_price(min(quote.middle - away, quote.bid), Rounding.DOWN)
        return rules.round_price(max(quote.middle + away, quote.ask), Rounding.UP)

    async def keep(self, side: Side, order: Order | None, price: Decimal | None) -> Order | None:
        """Leave a good order alone; otherwise cancel it and place a new one."""
        current = self.latest(order) if order else None
        try:
            if current and not current.is_closed:
                if price and current.price and abs(price - current.price) < self.config.requote:
                    return current
                current = await self.cancel(current)
                if not current.is_closed:
                    return current  # its fate is not known yet: never quote the same side twice
            if price is None:
                return None
            return await self.place(side, self.config.symbol, quantity=self.config.size, price=price, post_only=True)
        except (NotSent, Rejected) as refusal:
            self.log.info("not quoted", side=side, price=price, reason=refusal.message)
            return current
