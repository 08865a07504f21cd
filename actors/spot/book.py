"""The local order book of one symbol, kept by the documented algorithm: changes are held until a snapshot comes, then
applied one after the other (WebSocket Streams, How to manage a local order book correctly). Pure.

A book is either whole, which means exactly the exchange's as far as it is known, or it says that it is not. It knows
as far as its snapshot went: what changes beyond is left out, for its neighbours there are not known. Where snapshots
and changes come from is `order_books.py`'s work; how a book looks to a strategy is in `order_book.py`.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from dogwatch.actors.spot.order_book import OrderBook
from dogwatch.actors.spot.stream_events import BookDiff, PriceLevel
from dogwatch.actors.spot.taken import Taken

__all__ = ["BookSide", "LocalBook"]

HELD_MAX = 2_048
"""Changes that wait for a snapshot: more than three minutes of the fastest stream. The oldest go first."""
LEVELS_MAX = 10_000
LEVELS_KEPT = 5_000
"""A side that has grown beyond `LEVELS_MAX` is cut to so many, as many as the largest snapshot has."""
ZERO = Decimal(0)


class BookSide:
    """The levels of one side. `known_to` is the last price that is known, and all better ones are; None: all are.

    `prices` and `levels` go together, ascending on both sides: the best ones are a slice, which costs nothing much.
    """

    __slots__ = ("is_bids", "known_to", "levels", "prices")

    def __init__(self, levels: Sequence[PriceLevel], *, is_bids: bool, limit: int) -> None:
        self.is_bids = is_bids
        by_price = {level.price: level for level in levels if level.quantity > ZERO and level.price > ZERO}
        self.prices = sorted(by_price)
        self.levels = [by_price[price] for price in self.prices]
        self.known_to: Decimal | None = None
        if len(levels) >= limit and self.prices:
            self.known_to = self.prices[0] if is_bids else self.prices[-1]

    def __len__(self) -> int:
        return len(self.prices)

    def change(self, changes: Iterable[PriceLevel]) -> None:
        """Take the new quantities, zero of which remove their levels. Removing what is not there is nothing unusual.

        Raises ArithmeticError or TypeError for what is no number: then this side is spoilt.
        """
        levels, prices, known_to = self.levels, self.prices, self.known_to
        for level in changes:
            price, is_there = level.price, level.quantity > ZERO
            at = bisect_left(prices, price)
            if at < len(prices) and prices[at] == price:
                if is_there:
                    levels[at] = level
                else:
                    del levels[at], prices[at]
            elif is_there and price > ZERO and (known_to is None or not self._is_worse(price, known_to)):
                levels.insert(at, level)
                prices.insert(at, price)
        if len(prices) > LEVELS_MAX:
            self._cut()

    def best(self, depth: int) -> tuple[PriceLevel, ...]:
        """At most `depth` levels, best first."""
        return tuple(self.levels[: -depth - 1 : -1] if self.is_bids else self.levels[:depth])

    def is_all(self, depth: int) -> bool:
        """Whether there is nothing beyond the best `depth` levels."""
        return self.known_to is None and len(self.prices) <= depth

    def _is_worse(self, price: Decimal, than: Decimal) -> bool:
        return price < than if self.is_bids else price > than

    def _cut(self) -> None:
        """Forget the worst levels, so that a side does not grow for ever in a market that moves away from it."""
        surplus = len(self.prices) - LEVELS_KEPT
        forgotten = slice(0, surplus) if self.is_bids else slice(LEVELS_KEPT, None)
        del self.prices[forgotten], self.levels[forgotten]
        self.known_to = self.prices[0] if self.is_bids else self.prices[-1]


class LocalBook:
    """The book of `symbol`, not whole until there is a snapshot. `reason` says why it is not."""

    def __init__(self, symbol: str, *, reason: str = "there is no snapshot yet") -> None:
        self.symbol = symbol
        self.is_whole = False
        self.reason = reason
        self.update_id = 0
        """The newest change that is in it."""
        self.event_time_ms: Any = None
        """An int or None, and not said so: machine code would make an `int` of an Instant, without its microseconds."""
        self.bids = self.asks = _nothing()
        self._held: deque[BookDiff] = deque(maxlen=HELD_MAX)
        self._is_holding = True
        self._seen = 0  # the newest change that has ever come: no book may be older

    def expect_snapshot(self) -> None:
        """A snapshot will be asked for: from now on changes are held for it. One that is whole stays so meanwhile."""
        self._is_holding = True

    def take_diff(self, diff: BookDiff) -> Taken:
        """Take the next change of the Diff. Depth Stream."""
        self._seen = max(self._seen, diff.final_update_id)
        if self._is_holding:
            self._hold(diff)
        if not self.is_whole:
            return Taken.HELD
        if diff.final_update_id <= self.update_id:
            return Taken.OLD
        if diff.first_update_id > self.update_id + 1:
            missing = f"the changes {self.update_id + 1} to {diff.first_update_id - 1} are missing"
            return self.break_off(missing, next_diff=diff)
        return self._apply(diff)

    def take_snapshot(
        self, last_update_id: int, bids: Sequence[PriceLevel], asks: Sequence[PriceLevel], *, limit: int
    ) -> Taken:
        """Begin anew from a snapshot of at most `limit` levels a side (Order book), and the changes held meanwhile."""
        held = self._held
        reached = max(last_update_id, held[-1].final_update_id if held else 0)
        if (held and held[0].first_update_id > last_update_id + 1) or reached < self._seen:
            return Taken.OLD
        try:
            self.bids = BookSide(bids, is_bids=True, limit=limit)
            self.asks = BookSide(asks, is_bids=False, limit=limit)
        except (ArithmeticError, TypeError):
            return self.break_off("the snapshot has a level that is no number")
        self.is_whole, self.reason, self.update_id, self.event_time_ms = True, "", last_update_id, None
        outcome = self._check()
        waiting = tuple(held)
        self._is_holding = False
        held.clear()
        for diff in waiting:
            if outcome is Taken.APPLIED and diff.final_update_id > self.update_id:
                outcome = self._apply(diff)
        return outcome

    def break_off(self, reason: str, *, next_diff: BookDiff | None = None) -> Taken:
        """It can be trusted no longer: a snapshot is needed, and changes are held for it, from `next_diff` on."""
        self.is_whole, self.reason, self.update_id = False, reason, 0
        self.bids = self.asks = _nothing()
        self._is_holding = True
        self._held.clear()
        if next_diff is not None:
            self._held.append(next_diff)
        return Taken.BROKEN

    def knows(self, depth: int) -> bool:
        """Whether the best `depth` levels of both sides are known, or all that there are."""
        return all(side.known_to is None or len(side) >= depth for side in (self.bids, self.asks))

    def view(self, depth: int) -> OrderBook:
        """What it looks like now. Only for a book that is whole."""
        return OrderBook(
            symbol=self.symbol,
            depth=depth,
            update_id=self.update_id,
            event_time_ms=self.event_time_ms,
            bids=self.bids.best(depth),
            asks=self.asks.best(depth),
            has_all_bids=self.bids.is_all(depth),
            has_all_asks=self.asks.is_all(depth),
        )

    def _hold(self, diff: BookDiff) -> None:
        held = self._held
        if held:
            reached = held[-1].final_update_id
            if diff.final_update_id <= reached:
                return
            if diff.first_update_id > reached + 1:
                held.clear()  # a snapshot must be newer than the hole
        held.append(diff)

    def _apply(self, diff: BookDiff) -> Taken:
        try:
            self.bids.change(diff.bids)
            self.asks.change(diff.asks)
        except (ArithmeticError, TypeError):
            return self.break_off(f"the change {diff.final_update_id} has a level that is no number")
        self.update_id = diff.final_update_id
        changed: Any = diff  # as there
        self.event_time_ms = changed.event_time_ms
        return self._check()

    def _check(self) -> Taken:
        """What cannot be is found here, should a mistake have slipped past the numbers."""
        bids, asks = self.bids, self.asks
        if bids.prices and asks.prices:
            bid, ask = bids.prices[-1], asks.prices[0]
            if bid >= ask:
                return self.break_off(f"the best bid {bid} is not below the best ask {ask}")
        elif (bids.known_to is not None and not bids.prices) or (asks.known_to is not None and not asks.prices):
            return self.break_off("the price has left the levels that are known")
        return Taken.APPLIED


def _nothing() -> BookSide:
    return BookSide((), is_bids=True, limit=1)
