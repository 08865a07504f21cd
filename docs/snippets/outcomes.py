"""Every outcome of an order, and who is to act on it."""

from decimal import Decimal

import trio

from dogwatch import NotSent, Order, Quotes, Rejected, Strategy


class Careful(Strategy):
    """Place one limit order at the best bid and see it to its end."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        size: Decimal

    async def run(self) -> None:
        quote = await self.first(Quotes(self.config.symbol))
        order = await self.bid(quote.bid)
        if order is None:
            return
        with trio.move_on_after(60):  # a deadline is a cancel scope
            order = await self.closed(order)
        if not self.latest(order).is_closed:
            order = await self.cancel(order)
        self.log.info("ended", order=order, filled=order.filled_quantity)

    async def bid(self, price: Decimal) -> Order | None:
        symbol, size = self.config.symbol, self.config.size
        try:
            order = await self.buy(symbol, quantity=size, price=price, within_s=2)
        except NotSent as reason:  # nothing left this machine
            self.log.warning("not sent", reason=reason.message, hint=reason.hint)
            return None
        except Rejected as refusal:  # the exchange said no
            self.log.warning("rejected", code=refusal.code, reason=refusal.wording)
            return None
        if order.is_unknown:  # it left this machine: it may be open, and is not sent again
            self.log.warning("unknown", reason=order.reason)
        return order
