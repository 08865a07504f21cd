"""An order book as a strategy sees it: the best levels of both sides at one moment, and what an order would meet there.

Keeping it true is `book.py`'s work. Nothing is guessed: whether there is more beyond the last level is said, and an
answer that would need more than is known says so.
"""

from decimal import Decimal
from itertools import takewhile
from operator import attrgetter

import msgspec

from dogwatch.actors.spot.enums import Side
from dogwatch.actors.spot.stream_events import PriceLevel

__all__ = ["OrderBook", "Sweep"]

ZERO = Decimal(0)


class Sweep(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an order would take from a book, level by level: `quantity` in the base asset for `quote_quantity` in the
    quote asset, commissions left out. `worst_price` is that of the last level, None if there is none.

    `is_whole`: all that was asked for. Otherwise the levels that are shown end before it, and this is what they hold.
    """

    quantity: Decimal
    quote_quantity: Decimal
    worst_price: Decimal | None
    is_whole: bool

    @property
    def average_price(self) -> Decimal | None:
        """The price of it all, weighted by volume; None when nothing would be taken."""
        return self.quote_quantity / self.quantity if self.quantity else None


class OrderBook(msgspec.Struct, frozen=True, kw_only=True):
    """The local book of a symbol after the change `update_id` (How to manage a local order book correctly).

    `bids` and `asks` are the best `depth` levels of each side at most, best first, all of them exact. A side may show
    fewer: `has_all_bids` and `has_all_asks` tell whether there is nothing beyond what is shown. Where there is, it is
    not known here. `event_time_ms` is the time of the newest change, None when there was none since the snapshot.
    """

    symbol: str
    depth: int
    update_id: int
    event_time_ms: int | None
    bids: tuple[PriceLevel, ...]
    asks: tuple[PriceLevel, ...]
    has_all_bids: bool
    has_all_asks: bool

    @property
    def best_bid(self) -> PriceLevel | None:
        """The highest price that somebody buys at, None when nobody does."""
        return self.bids[0] if self.bids else None

    @property
    def best_ask(self) -> PriceLevel | None:
        """The lowest price that somebody sells at, None when nobody does."""
        return self.asks[0] if self.asks else None

    @property
    def middle(self) -> Decimal | None:
        """Halfway between the best prices, None when a side is empty; not a multiple of the tick size in general."""
        return (self.bids[0].price + self.asks[0].price) / 2 if self.bids and self.asks else None

    @property
    def spread(self) -> Decimal | None:
        """Best ask less best bid, None when a side is empty."""
        return self.asks[0].price - self.bids[0].price if self.bids and self.asks else None

    def sweep(self, side: Side, quantity: Decimal) -> Sweep:
        """What a market order of `quantity` in the base asset would take: its price to fill is `average_price`."""
        taken = quote = ZERO
        worst: Decimal | None = None
        for level in self._against(side):
            if taken >= quantity:
                break
            part = min(level.quantity, quantity - taken)
            taken, quote, worst = taken + part, quote + part * level.price, level.price
        return Sweep(quantity=taken, quote_quantity=quote, worst_price=worst, is_whole=taken >= quantity)

    def sweep_quote(self, side: Side, quote_quantity: Decimal) -> Sweep:
        """What a market order over `quote_quantity` in the quote asset would take, lot sizes left out. The last part is
        divided, and so rounded to 28 digits."""
        taken = quote = ZERO
        worst: Decimal | None = None
        for level in self._against(side):
            rest = quote_quantity - quote
            if rest <= 0:
                break
            value, worst = level.quantity * level.price, level.price
            is_last = value >= rest
            taken += rest / level.price if is_last else level.quantity
            quote = quote_quantity if is_last else quote + value
        return Sweep(quantity=taken, quote_quantity=quote, worst_price=worst, is_whole=quote >= quote_quantity)

    def sweep_to(self, side: Side, price: Decimal) -> Sweep:
        """What a limit order at `price` of any size would take at once: the volume down or up to there."""
        levels, is_buy = self._against(side), side is Side.BUY
        met = list(takewhile(lambda level: level.price <= price if is_buy else level.price >= price, levels))
        has_all = self.has_all_asks if is_buy else self.has_all_bids
        return Sweep(
            quantity=sum(map(attrgetter("quantity"), met), ZERO),
            quote_quantity=sum((level.price * level.quantity for level in met), ZERO),
            worst_price=met[-1].price if met else None,
            # At the price of the last level everything is known, beyond it nothing.
            is_whole=has_all or len(met) < len(levels) or bool(met and met[-1].price == price),
        )

    def _against(self, side: Side) -> tuple[PriceLevel, ...]:
        return self.asks if side is Side.BUY else self.bids
