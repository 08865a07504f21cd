"""Strategies that play in more than one story."""

from dogwatch import Context, NotSent, Order, Quotes, Side
from tests.stories.scene import SIZE, Character


class Swinger(Character):
    """Buys, sells, buys … at a steady pace that falls in step with no feed; remembers how long each order took.

    It paces itself because its own orders move the quotes that it follows.
    """

    class Config(Character.Config, frozen=True, kw_only=True):
        every_s: float = 0.731

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.orders_placed: list[Order] = []
        self.took_s: list[float] = []

    async def run(self) -> None:
        side = Side.BUY
        async for _quote in self.follow(Quotes(self.config.symbol)):
            try:
                await self.swing(side)
                side = Side.SELL if side is Side.BUY else Side.BUY
            except NotSent:
                pass  # no session just now: the next quote is another chance
            await self.sleep(self.config.every_s)

    async def swing(self, side: Side) -> None:
        begun_ms = self.now_ms()
        order = await self.closed(await self.place(side, self.config.symbol, quantity=SIZE))
        self.orders_placed.append(order)
        self.took_s.append((self.now_ms() - begun_ms) / 1000)
