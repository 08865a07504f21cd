"""Buy or sell a quantity in equal slices over a period: the sequential voice, straight-line Trio code."""

from decimal import Decimal

import trio

from dogwatch import Quotes, Rounding, Side, Strategy


class Twap(Strategy):
    """Trade `quantity` in `slices` market orders, one every `period_s / slices` seconds, then finish."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        side: Side
        quantity: Decimal  # in the base asset
        slices: int
        period_s: float

    async def run(self) -> None:
        config = self.config
        rules = self.symbol(config.symbol)
        slice_quantity = rules.round_quantity(config.quantity / config.slices, Rounding.DOWN)
        await self.first(Quotes(config.symbol))  # no price yet means no market to trade in
        traded = Decimal(0)
        for number in range(config.slices):
            last = number == config.slices - 1
            quantity = rules.round_quantity(config.quantity - traded, Rounding.DOWN) if last else slice_quantity
            order = await self.closed(await self.place(config.side, config.symbol, quantity=quantity))
            traded += order.filled_quantity
            self.log.info("slice", number=number + 1, of=config.slices, traded=traded, price=order.average_price)
            if not last:
                await trio.sleep(config.period_s / config.slices)
