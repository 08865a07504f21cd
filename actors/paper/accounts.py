"""What the exchange remembers of one account: its wallet, its orders by symbol, its trades. Bounded; no rules here."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from operator import attrgetter

from dogwatch.actors.paper.decimals import ZERO
from dogwatch.actors.paper.ledger import Wallet
from dogwatch.actors.paper.order import Fill, PaperOrder, Prevention


class FillHistory:
    """The newest `kept_max` fills, oldest first, which is by rising trade id. From an id on costs what is asked for."""

    __slots__ = ("_fills", "_kept_max")

    def __init__(self, kept_max: int) -> None:
        self._kept_max = kept_max
        self._fills: list[Fill] = []

    def __iter__(self) -> Iterator[Fill]:
        return iter(self.newest(self._kept_max))

    def append(self, fill: Fill) -> None:
        self._fills.append(fill)
        if len(self._fills) > 2 * self._kept_max:
            del self._fills[: -self._kept_max]

    def newest(self, limit: int) -> list[Fill]:
        return self._fills[-min(limit, self._kept_max) :]

    def since(self, trade_id: int, limit: int) -> list[Fill]:
        """At most `limit` fills with this trade id or a higher one."""
        oldest = max(0, len(self._fills) - self._kept_max)
        first = bisect_left(self._fills, trade_id, lo=oldest, key=_trade_id)
        return self._fills[first : first + limit]


_trade_id = attrgetter("trade_id")


class SymbolHistory:
    """An account's orders and trades on one symbol; finished ones beyond `history_max` are forgotten, oldest first.

    `orders` has all that are remembered, by rising id.
    """

    __slots__ = (
        "_finished",
        "_history_max",
        "_order_ids",
        "by_client_id",
        "fills",
        "net_quantity",
        "open",
        "orders",
        "preventions",
    )

    def __init__(self, history_max: int) -> None:
        self._history_max = history_max
        self._finished: deque[PaperOrder] = deque()
        self._order_ids: list[int] = []  # rising; some of them may be forgotten by now
        self.orders: dict[int, PaperOrder] = {}
        self.open: dict[int, PaperOrder] = {}
        self.by_client_id: dict[str, PaperOrder] = {}
        self.fills = FillHistory(history_max)
        self.preventions: deque[Prevention] = deque(maxlen=history_max)
        self.net_quantity = ZERO

    def add(self, order: PaperOrder) -> None:
        self._order_ids.append(order.order_id)
        self.orders[order.order_id] = order
        self.open[order.order_id] = order
        self.by_client_id[order.client_order_id] = order

    def orders_since(self, order_id: int) -> Iterator[PaperOrder]:
        """The orders with this id or a higher one, by rising id; the older ones are not looked at."""
        ids = self._order_ids
        for place in range(bisect_left(ids, order_id), len(ids)):
            order = self.orders.get(ids[place])
            if order is not None:
                yield order

    def add_fill(self, fill: Fill) -> None:
        self.fills.append(fill)
        self.net_quantity += fill.quantity if fill.side == "BUY" else -fill.quantity

    def finish(self, order: PaperOrder) -> None:
        del self.open[order.order_id]
        self._finished.append(order)
        if len(self._finished) > self._history_max:
            self._forget(self._finished.popleft())

    def rename(self, order: PaperOrder, client_order_id: str, *, keep_old: bool) -> None:
        """The order carries a new client order id; the old one, by which it may still be found, is free for another."""
        if not keep_old and self.by_client_id.get(order.client_order_id) is order:
            del self.by_client_id[order.client_order_id]
        order.client_order_id = client_order_id
        named = self.by_client_id.get(client_order_id)
        if named is None or not named.is_open:
            self.by_client_id[client_order_id] = order

    def _forget(self, order: PaperOrder) -> None:
        del self.orders[order.order_id]
        if len(self._order_ids) > 2 * len(self.orders):
            self._order_ids = list(self.orders)
        for client_order_id in (order.client_order_id, order.original_client_order_id):
            if self.by_client_id.get(client_order_id) is order:
                del self.by_client_id[client_order_id]


class Account:
    """One account: independent of all others but for the book they share."""

    __slots__ = ("_histories", "_history_max", "name", "open_client_ids", "uid", "updated_ms", "wallet")

    def __init__(self, name: str, wallet: Wallet, uid: int, history_max: int) -> None:
        self.name = name
        self.wallet = wallet
        self.uid = uid
        self.updated_ms = 0
        self.open_client_ids: set[str] = set()
        self._history_max = history_max
        self._histories: dict[str, SymbolHistory] = {}

    def history(self, symbol: str) -> SymbolHistory:
        history = self._histories.get(symbol)
        if history is None:
            history = self._histories[symbol] = SymbolHistory(self._history_max)
        return history

    def histories(self) -> Iterator[SymbolHistory]:
        yield from self._histories.values()

    def add(self, order: PaperOrder) -> None:
        self.history(order.symbol).add(order)
        self.open_client_ids.add(order.client_order_id)

    def rename_open(self, order: PaperOrder, client_order_id: str) -> None:
        """An order that stays open is called otherwise from now on, and is found by the new name alone."""
        self.open_client_ids.discard(order.client_order_id)
        self.history(order.symbol).rename(order, client_order_id, keep_old=False)
        self.open_client_ids.add(client_order_id)

    def finish(self, order: PaperOrder) -> None:
        """The order is no longer open: its client order id may be used again. Call before it is renamed."""
        self.history(order.symbol).finish(order)
        self.open_client_ids.discard(order.client_order_id)
