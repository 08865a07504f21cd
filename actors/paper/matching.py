"""Price–time priority: the resting orders of one symbol, the quote of the market outside, and who meets whom.

`plan_match` only says what would happen; the engine makes it happen. No balances, no reports, no filters here.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from dogwatch.actors.paper.decimals import ZERO, floor_to_step
from dogwatch.actors.paper.order import PaperOrder


class Level:
    """All resting orders at one price, oldest first."""

    __slots__ = ("orders", "quantity")

    def __init__(self) -> None:
        self.orders: dict[int, PaperOrder] = {}
        self.quantity = ZERO


class BookSide:
    """The resting orders of one side, best price first, oldest first within a price."""

    __slots__ = ("_levels", "_prices", "is_bids")

    def __init__(self, *, is_bids: bool) -> None:
        self.is_bids = is_bids
        self._prices: list[Decimal] = []  # ascending
        self._levels: dict[Decimal, Level] = {}

    @property
    def best(self) -> Decimal | None:
        if not self._prices:
            return None
        return self._prices[-1] if self.is_bids else self._prices[0]

    def prices(self) -> list[Decimal]:
        """Best first."""
        return self._prices[::-1] if self.is_bids else self._prices[:]

    def quantity_at(self, price: Decimal) -> Decimal:
        level = self._levels.get(price)
        return level.quantity if level else ZERO

    def add(self, order: PaperOrder) -> None:
        level = self._levels.get(order.price)
        if level is None:
            level = self._levels[order.price] = Level()
            insort(self._prices, order.price)
        level.orders[order.order_id] = order
        level.quantity += order.remaining

    def reduce(self, order: PaperOrder, quantity: Decimal) -> None:
        """The order's open quantity has become smaller by this much; its place in the queue stays."""
        self._levels[order.price].quantity -= quantity

    def remove(self, order: PaperOrder) -> None:
        level = self._levels[order.price]
        del level.orders[order.order_id]
        level.quantity -= order.remaining
        if not level.orders:
            del self._levels[order.price]
            del self._prices[bisect_left(self._prices, order.price)]

    def orders_at(self, price: Decimal) -> list[PaperOrder]:
        """Oldest first; a copy, so that the caller may remove while it walks."""
        return list(self._levels[price].orders.values())

    def orders(self) -> Iterator[PaperOrder]:
        """In priority order."""
        for price in self.prices():
            yield from self._levels[price].orders.values()


class Outside(msgspec.Struct, kw_only=True):
    """The best quote of the market outside; a side without liquidity has price and quantity zero."""

    bid: Decimal = ZERO
    bid_quantity: Decimal = ZERO
    ask: Decimal = ZERO
    ask_quantity: Decimal = ZERO


class Book:
    """Both sides of one symbol, and the market outside.

    At one price the outside stands before the accounts' orders, whose place in its queue nobody can know. Where the
    outside quote would cross a resting order, which only a trade through its price may fill, the quote is held back
    to one tick away from it: the book that everybody sees is never crossed.
    """

    __slots__ = ("asks", "bids", "outside", "tick_size")

    def __init__(self, tick_size: Decimal) -> None:
        self.tick_size = tick_size
        self.bids = BookSide(is_bids=True)
        self.asks = BookSide(is_bids=False)
        self.outside = Outside()

    def side_of(self, order: PaperOrder) -> BookSide:
        return self.bids if order.side == "BUY" else self.asks

    def outside_bid(self) -> Decimal:
        """The price of the outside bid as it is seen; zero when there is none."""
        outside, ask = self.outside, self.asks.best
        if not outside.bid_quantity:
            return ZERO
        return outside.bid if ask is None or outside.bid < ask else ask - self.tick_size

    def outside_ask(self) -> Decimal:
        """The price of the outside ask as it is seen; zero when there is none."""
        outside, bid = self.outside, self.bids.best
        if not outside.ask_quantity:
            return ZERO
        return outside.ask if bid is None or outside.ask > bid else bid + self.tick_size

    def best_bid(self) -> tuple[Decimal, Decimal]:
        """Price and quantity; zeros when nobody bids."""
        return self._best(self.bids, self.outside_bid(), self.outside.bid_quantity)

    def best_ask(self) -> tuple[Decimal, Decimal]:
        """Price and quantity; zeros when nobody offers."""
        return self._best(self.asks, self.outside_ask(), self.outside.ask_quantity)

    def would_take(self, side: str, price: Decimal) -> bool:
        """Whether an order of this side and price would meet somebody at once."""
        if side == "BUY":
            ask = self.best_ask()[0]
            return bool(ask) and price >= ask
        bid = self.best_bid()[0]
        return bool(bid) and price <= bid

    @staticmethod
    def _best(side: BookSide, outside: Decimal, outside_quantity: Decimal) -> tuple[Decimal, Decimal]:
        own = side.best
        if own is None:
            return (outside, outside_quantity) if outside else (ZERO, ZERO)
        if not outside or (own > outside if side.is_bids else own < outside):
            return own, side.quantity_at(own)
        return outside, outside_quantity + (side.quantity_at(own) if own == outside else ZERO)


class Match(msgspec.Struct, frozen=True, gc=False):
    """One step of a taker through the book.

    `maker` is None for the market outside. Where self-trade prevention forbids the trade, `quantity` is what would
    have traded, and `taker_prevented` or `maker_prevented` what expires instead (both zero for a real trade).
    """

    maker: PaperOrder | None
    price: Decimal
    quantity: Decimal
    taker_prevented: Decimal = ZERO
    maker_prevented: Decimal = ZERO

    @property
    def is_prevented(self) -> bool:
        return bool(self.taker_prevented or self.maker_prevented)


def liquidity(book: Book, side: str) -> Iterator[tuple[PaperOrder | None, Decimal, Decimal]]:
    """What a taker of this side would meet: (maker or None for outside, price, quantity) in priority order."""
    makers, outside, quantity = (
        (book.asks, book.outside_ask(), book.outside.ask_quantity)
        if side == "BUY"
        else (book.bids, book.outside_bid(), book.outside.bid_quantity)
    )
    pending = bool(outside)
    for price in makers.prices():
        if pending and (outside <= price if side == "BUY" else outside >= price):
            yield None, outside, quantity
            pending = False
        for maker in makers.orders_at(price):
            yield maker, price, maker.remaining
    if pending:
        yield None, outside, quantity


def plan_match(book: Book, taker: PaperOrder, step_size: Decimal) -> list[Match]:
    """How the taker would go through the book by price and time, until it is satisfied or a limit is reached: its own,
    or that of the prices at which it may execute at all.

    Self-trade prevention follows the taker's mode (STP FAQ): EXPIRE_MAKER removes the resting order and goes on,
    EXPIRE_TAKER and EXPIRE_BOTH end the taker, DECREMENT takes the smaller quantity from both.
    """
    rest = taker.remaining
    matches: list[Match] = []
    for maker, price, available in liquidity(book, taker.side):
        if not rest or not taker.accepts(price) or taker.is_out_of_range(price):
            break
        if maker is not None and maker.account == taker.account and taker.self_trade_prevention != "NONE":
            match = _prevent(taker.self_trade_prevention, maker, price, rest)
            matches.append(match)
            rest -= match.taker_prevented
            continue
        quantity = min(rest, available if maker is not None else floor_to_step(available, step_size))
        if quantity:
            matches.append(Match(maker, price, quantity))
            rest -= quantity
    return matches


def is_cut_off(book: Book, taker: PaperOrder) -> bool:
    """Whether the taker would go on if it might execute at any price."""
    if taker.least_taken is None and taker.greatest_taken is None:
        return False
    for _, price, _ in liquidity(book, taker.side):
        if not taker.accepts(price):
            return False
        if taker.is_out_of_range(price):
            return True
    return False


def _prevent(mode: str, maker: PaperOrder, price: Decimal, rest: Decimal) -> Match:
    quantity = min(rest, maker.remaining)
    if mode == "EXPIRE_MAKER":
        return Match(maker, price, quantity, maker_prevented=maker.remaining)
    if mode == "EXPIRE_TAKER":
        return Match(maker, price, quantity, taker_prevented=rest)
    if mode == "EXPIRE_BOTH":
        return Match(maker, price, quantity, taker_prevented=rest, maker_prevented=maker.remaining)
    return Match(maker, price, quantity, taker_prevented=quantity, maker_prevented=quantity)
