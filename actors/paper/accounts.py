"""What the exchange remembers of one account: its wallet, its orders by symbol, its trades. Bounded; no rules here."""

from collections import deque
from collections.abc import Iterator

from dogwatch.actors.paper.decimals import ZERO
from dogwatch.actors.paper.ledger import Wallet
from dogwatch.actors.paper.order import Fill, PaperOrder


class SymbolHistory:
    """An account's orders and trades on one symbol; finished ones beyond `history_max` are forgotten, oldest first."""

    __slots__ = ("_finished", "_history_max", "by_client_id", "fills", "net_quantity", "open", "orders")

    def __init__(self, history_max: int) -> None:
        self._history_max = history_max
        self._finished: deque[PaperOrder] = deque()
        self.orders: dict[int, PaperOrder] = {}
        self.open: dict[int, PaperOrder] = {}
        self.by_client_id: dict[str, PaperOrder] = {}
        self.fills: deque[Fill] = deque(maxlen=history_max)
        self.net_quantity = ZERO

    def add(self, order: PaperOrder) -> None:
        self.orders[order.order_id] = order
        self.open[order.order_id] = order
        self.by_client_id[order.client_order_id] = order

    def add_fill(self, fill: Fill) -> None:
        self.fills.append(fill)
        self.net_quantity += fill.quantity if fill.side == "BUY" else -fill.quantity

    def finish(self, order: PaperOrder) -> None:
        del self.open[order.order_id]
        self._finished.append(order)
        if len(self._finished) > self._history_max:
            self._forget(self._finished.popleft())

    def rename(self, order: PaperOrder, client_order_id: str, *, keep_old: bool) -> None:
        """A cancelled order carries a new client order id; the old one is free for another order."""
        if not keep_old and self.by_client_id.get(order.client_order_id) is order:
            del self.by_client_id[order.client_order_id]
        order.original_client_order_id, order.client_order_id = order.client_order_id, client_order_id
        named = self.by_client_id.get(client_order_id)
        if named is None or not named.is_open:
            self.by_client_id[client_order_id] = order

    def _forget(self, order: PaperOrder) -> None:
        del self.orders[order.order_id]
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

    def finish(self, order: PaperOrder) -> None:
        """The order is no longer open: its client order id may be used again. Call before it is renamed."""
        self.history(order.symbol).finish(order)
        self.open_client_ids.discard(order.client_order_id)
