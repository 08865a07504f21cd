"""One symbol as the public sees it: last price, average price, book, and what changed. It holds no accounts' money.

Happenings are collected as (kind, symbol, payload) with the payload in the market streams' own words:
`trade` t p q T m, `bookTicker` u b B a A, `depth` U u b a T (WebSocket Streams; event type and time are the server's).
"""

from collections import deque
from decimal import Decimal
from typing import Any

from dogwatch.actors.paper.decimals import ZERO, text
from dogwatch.actors.paper.matching import Book, BookSide
from dogwatch.actors.paper.symbols import SymbolDefinition

MarketEvent = tuple[str, str, dict[str, Any]]


class Market:
    """The state of one symbol: its ids, its book, its last trades' average, the depth that was last published."""

    def __init__(self, definition: SymbolDefinition, events: list[MarketEvent]) -> None:
        self.definition = definition
        self.symbol = definition.symbol
        self.book = Book(definition.tick_size)
        self.last_price: Decimal | None = None
        self.reference_price: Decimal | None = definition.reference_price or None
        self.knows_reference_price = self.reference_price is not None
        self.update_id = 0
        self._events = events
        self._order_id = 0
        self._trade_id = -1
        self._execution_id = 0
        self._prevented_match_id = -1
        self._has_quotes = False
        self._traded: deque[tuple[int, Decimal, Decimal]] = deque()
        self._traded_quote = ZERO
        self._traded_base = ZERO
        self._shown_bids: dict[Decimal, Decimal] = {}
        self._shown_asks: dict[Decimal, Decimal] = {}
        self._shown_best = (ZERO, ZERO, ZERO, ZERO)
        self._shown_outside_bid = (ZERO, ZERO)
        self._shown_outside_ask = (ZERO, ZERO)
        self._touched_bids: set[Decimal] = set()
        self._touched_asks: set[Decimal] = set()

    def next_order_id(self) -> int:
        self._order_id += 1
        return self._order_id

    def next_execution_id(self) -> int:
        self._execution_id += 1
        return self._execution_id

    def next_prevented_match_id(self) -> int:
        self._prevented_match_id += 1
        return self._prevented_match_id

    def next_trade_id(self, recorded: int | None = None) -> int:
        """Ids only rise: a recorded id is kept as long as no trade of an account has used it up."""
        self._trade_id = max(self._trade_id + 1, -1 if recorded is None else recorded)
        return self._trade_id

    def touch(self, side: BookSide, price: Decimal) -> None:
        """Remember that the resting quantity at this price has changed."""
        (self._touched_bids if side.is_bids else self._touched_asks).add(price)

    def record_trade(
        self, trade_id: int, price: Decimal, quantity: Decimal, time_ms: int, *, buyer_is_maker: bool
    ) -> None:
        """A trade becomes the last price, enters the average, and is made public."""
        self.last_price = price
        self._traded.append((time_ms, price * quantity, quantity))
        self._traded_quote += price * quantity
        self._traded_base += quantity
        self._forget_trades(time_ms)
        payload = {"t": trade_id, "p": text(price), "q": text(quantity), "T": time_ms, "m": buyer_is_maker}
        self._events.append(("trade", self.symbol, payload))

    def average_price(self, now_ms: int) -> Decimal | None:
        """Volume-weighted over the filter's minutes; without a trade in them the last price; None if never traded."""
        self._forget_trades(now_ms)
        return self._traded_quote / self._traded_base if self._traded_base else self.last_price

    def set_reference_price(self, price: Decimal | None) -> None:
        """None takes it away; that there has been one is remembered."""
        self.reference_price = price
        self.knows_reference_price = True

    def comparable_price(self, now_ms: int) -> Decimal | None:
        """What filters compare an order's price with: the reference price, else the average of the filter's minutes,
        for 0 minutes the last price; None if there is none of them."""
        if self.reference_price is not None:
            return self.reference_price
        return self.average_price(now_ms) if self.definition.average_price_minutes else self.last_price

    def range_for_takers(self, side: str) -> tuple[Decimal | None, Decimal | None]:
        """The least and the greatest price at which a taker of this side may execute now (PRICE_RANGE). None: any."""
        definition, reference_price = self.definition, self.reference_price
        if reference_price is None:
            return None, None
        down, up = (
            (definition.price_range_bid_down, definition.price_range_bid_up)
            if side == "BUY"
            else (definition.price_range_ask_down, definition.price_range_ask_up)
        )
        return reference_price * down if down else None, reference_price * up if up else None

    def quote(self, bid: Decimal, bid_quantity: Decimal, ask: Decimal, ask_quantity: Decimal) -> None:
        """The market outside shows a new best bid and ask."""
        self._has_quotes = True
        self._set_outside(bid, bid_quantity, ask, ask_quantity)

    def derive_quote(self, price: Decimal, *, buyer_is_maker: bool) -> None:
        """Without quotes in the feed: the side that was hit stands at the trade's price; the other side stays where it
        was, but no nearer than one tick and no further than `spread_ticks_max`; both show the typical quantity."""
        if self._has_quotes:
            return
        definition, outside = self.definition, self.book.outside
        tick = definition.tick_size
        widest = tick * definition.spread_ticks_max
        if buyer_is_maker:
            bid = price
            ask = min(max(outside.ask, bid + tick), bid + widest)
        else:
            ask = price
            bid = max(min(outside.bid or ask - tick, ask - tick), ask - widest)
        quantity = definition.typical_quantity
        self._set_outside(bid, quantity if bid > 0 else ZERO, ask, quantity)

    def publish(self, time_ms: int) -> None:
        """Tell the public what differs from what it was last shown: depth levels, then the best bid and ask."""
        book = self.book
        outside_bid = book.outside_bid(), book.outside.bid_quantity
        outside_ask = book.outside_ask(), book.outside.ask_quantity
        if outside_bid != self._shown_outside_bid:
            self._touched_bids.update((outside_bid[0], self._shown_outside_bid[0]))
            self._shown_outside_bid = outside_bid
        if outside_ask != self._shown_outside_ask:
            self._touched_asks.update((outside_ask[0], self._shown_outside_ask[0]))
            self._shown_outside_ask = outside_ask
        bids = _changed_levels(book.bids, self._touched_bids, self._shown_bids, outside_bid)
        asks = _changed_levels(book.asks, self._touched_asks, self._shown_asks, outside_ask)
        if bids or asks:
            first = self.update_id + 1
            self.update_id += len(bids) + len(asks)
            payload = {"U": first, "u": self.update_id, "b": bids, "a": asks, "T": time_ms}
            self._events.append(("depth", self.symbol, payload))
            self._publish_best()

    def book_ticker(self) -> dict[str, str]:
        bid, bid_quantity = self.book.best_bid()
        ask, ask_quantity = self.book.best_ask()
        return {
            "symbol": self.symbol,
            "bidPrice": text(bid),
            "bidQty": text(bid_quantity),
            "askPrice": text(ask),
            "askQty": text(ask_quantity),
        }

    def depth(self, limit: int) -> dict[str, Any]:
        """The published book, at most `limit` levels a side, best first."""
        bids = sorted(self._shown_bids.items(), reverse=True)[:limit]
        asks = sorted(self._shown_asks.items())[:limit]
        return {
            "lastUpdateId": self.update_id,
            "bids": [[text(price), text(quantity)] for price, quantity in bids],
            "asks": [[text(price), text(quantity)] for price, quantity in asks],
        }

    def _set_outside(self, bid: Decimal, bid_quantity: Decimal, ask: Decimal, ask_quantity: Decimal) -> None:
        outside = self.book.outside
        outside.bid, outside.bid_quantity = bid, bid_quantity
        outside.ask, outside.ask_quantity = ask, ask_quantity

    def _forget_trades(self, now_ms: int) -> None:
        traded, oldest = self._traded, now_ms - self.definition.average_price_minutes * 60_000
        while traded and traded[0][0] < oldest:
            _, quote, base = traded.popleft()
            self._traded_quote -= quote
            self._traded_base -= base
        if not traded:
            self._traded_quote = self._traded_base = ZERO

    def _publish_best(self) -> None:
        best = self.book.best_bid() + self.book.best_ask()
        if best != self._shown_best:
            self._shown_best = best
            bid, bid_quantity, ask, ask_quantity = best
            payload = {
                "u": self.update_id,
                "b": text(bid),
                "B": text(bid_quantity),
                "a": text(ask),
                "A": text(ask_quantity),
            }
            self._events.append(("bookTicker", self.symbol, payload))


def _changed_levels(
    side: BookSide, touched: set[Decimal], shown: dict[Decimal, Decimal], outside: tuple[Decimal, Decimal]
) -> list[list[str]]:
    """The touched prices (all taken from the set) whose quantity differs from what is shown, which it then is."""
    changed = []
    while touched:
        price = touched.pop()
        if not price:
            continue
        quantity = side.quantity_at(price)
        if price == outside[0]:
            quantity += outside[1]
        if quantity != shown.get(price, ZERO):
            if quantity:
                shown[price] = quantity
            else:
                del shown[price]
            changed.append((price, quantity))
    if len(changed) > 1:
        changed.sort(reverse=side.is_bids)
    return [[text(price), text(quantity)] for price, quantity in changed]
