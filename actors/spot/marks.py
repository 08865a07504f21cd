"""Watermarks: up to which order id and which trade id of a symbol the record here is known to be complete. Pure.

A recovery reads from there on, so a mark that is too high loses orders and one that is too low only costs time. Events
may come reordered, and an order may stay invisible to queries for a while although it was placed: so what was seen
counts only after it has lain still for two whole turns of `Marks.rotate`.
"""

from collections.abc import Collection, Mapping

from dogwatch.actors.spot.mark import NOTHING, Mark


class Marks:
    """The marks of one account. They never go down.

    A symbol has a mark only from the first `raise_to` on: before that nobody has said where its record begins.
    """

    def __init__(self) -> None:
        self._symbols: dict[str, _Aging] = {}

    def settled(self, symbol: str) -> Mark | None:
        """Where a recovery of this symbol begins; None when nobody has said where its record begins."""
        aging = self._symbols.get(symbol)
        return None if aging is None else aging.settled

    def all_settled(self) -> Mapping[str, Mark]:
        """Symbol → mark, for every symbol that has one."""
        return {symbol: aging.settled for symbol, aging in self._symbols.items() if aging.settled is not None}

    def saw(self, symbol: str, order_id: int, trade_id: int = NOTHING) -> None:
        """An order with this id is recorded, and so is every order before it, apart from what may still come late. The
        same of a trade."""
        aging = self._aging(symbol)
        if order_id > aging.order_id:
            aging.order_id = order_id
        if trade_id > aging.trade_id:
            aging.trade_id = trade_id

    def rotate(self, frozen: Collection[str] = ()) -> dict[str, Mark]:
        """One turn: let everything that was seen grow older. Returns the marks that have gone up.

        Symbols in `frozen` stay as they are: an order of theirs may be missing from the record below what was seen.
        """
        return {
            symbol: aging.settled
            for symbol, aging in self._symbols.items()
            if symbol not in frozen and aging.turn() and aging.settled is not None
        }

    def raise_to(self, symbol: str, mark: Mark) -> None:
        """The record is complete up to this mark, or is to begin after it. Counts at once."""
        aging = self._aging(symbol)
        aging.settled = mark if aging.settled is None else aging.settled.joined(mark)

    def _aging(self, symbol: str) -> "_Aging":
        aging = self._symbols.get(symbol)
        if aging is None:
            aging = self._symbols[symbol] = _Aging()
        return aging


class _Aging:
    """What was seen of a symbol: up to now (the ids), up to the last turn (`_young`), up to the one before (`_old`)."""

    __slots__ = ("_old", "_young", "order_id", "settled", "trade_id")

    def __init__(self) -> None:
        self.order_id = NOTHING
        self.trade_id = NOTHING
        self.settled: Mark | None = None
        self._young = self._old = Mark()

    def turn(self) -> bool:
        """Whether the mark has gone up."""
        ripe, self._old, self._young = self._old, self._young, Mark(order_id=self.order_id, trade_id=self.trade_id)
        if self.settled is None:
            return False
        earlier, self.settled = self.settled, self.settled.joined(ripe)
        return self.settled != earlier
