"""The judge of a story: holds what is said about orders against the exchange's own ledger, in the moment it is said.

Nothing that is told here may be ahead of the ledger: an order is not over that is open there, and not absent that is
there. In the end both must be equal.
"""

from collections import Counter
from decimal import Decimal
from typing import Any

from dogwatch import Fill, Order, OrderChanged
from dogwatch.actors.order_table import CLOSED_KEPT, OrderTable
from dogwatch.actors.paper.engine_errors import EngineError
from dogwatch.actors.paper.exchange import ACCOUNT
from dogwatch.actors.paper.order import Fill as LedgerFill
from dogwatch.actors.spot.client_order_id import cancel_id
from dogwatch.actors.spot.order import Life
from dogwatch.actors.testing import StagedExchange
from dogwatch.actors.tree import Tree

LIVES = {
    "NEW": Life.OPEN,
    "PARTIALLY_FILLED": Life.OPEN,
    "FILLED": Life.FILLED,
    "CANCELED": Life.CANCELED,
    "EXPIRED": Life.EXPIRED,
    "EXPIRED_IN_MATCH": Life.EXPIRED,
}
ABSENT = frozenset({Life.REJECTED, Life.NEVER_PLACED})

Row = dict[str, Any]


class Judge:
    """Listens to one tree from the moment it is made. `told` is the newest word about each order, `fills` all fills.

    `earlier` has judged the processes before this one, `foreign` are the ids of orders that somebody else has placed.
    """

    def __init__(
        self, exchange: StagedExchange, tree: Tree, *, ledger: str = ACCOUNT, earlier: "Judge | None" = None
    ) -> None:
        self.told: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.fills_before: list[Fill] = [] if earlier is None else [*earlier.fills_before, *earlier.fills]
        """What was told in processes before: maybe not recorded, and then told again."""
        self.foreign: set[int] = set() if earlier is None else earlier.foreign
        self.contradictions: list[str] = []
        self._exchange = exchange
        self._ledger = ledger
        self._table: OrderTable = tree.desk.order_table
        inherited = (*self._table.all_live(), *self._table.newest_closed(CLOSED_KEPT))
        self._inherited = {order.client_order_id: order for order in inherited}
        topics = tree.desk.order_topics
        topics.changes.tap(self._hear_change, on_error=self._stumble)
        topics.fills.tap(self.fills.append, on_error=self._stumble)

    @property
    def is_anything_in_doubt(self) -> bool:
        """Whether an order waits for an answer or is unknown."""
        return any(order.is_unknown or order.life is Life.SENT for order in self._table.all_live())

    def check(self) -> None:
        """The record is the ledger: every order, every fill once, the positions; nothing was sent twice."""
        assert self.contradictions == []
        self.check_that_each_intent_was_seen_at_most_once()
        on_record = self._inherited | self.told
        latest = [order for name in on_record if (order := self._table.get(name)) is not None]
        for order in latest:
            assert not order.is_unknown, order
            contradiction = self._contradiction(order) or self._difference(order)
            assert contradiction is None, contradiction
        rows = {row["orderId"] for row in self._rows()} - self.foreign
        assert rows == {order.order_id for order in latest} - {None}, "an order of the exchange is missing here"
        self._check_fills()

    def check_that_each_intent_was_seen_at_most_once(self) -> None:
        """The engine was never asked twice to place the same order."""
        assert [name for name, times in self._exchange.paper.intents.items() if times > 1] == []

    def _check_fills(self) -> None:
        fills = self._exchange.paper.engine.fills(self._ledger)
        ours = [fill for fill in fills if fill.order_id not in self.foreign]
        for symbol in {fill.symbol for fill in ours}:
            told = Counter(fill.trade_id for fill in self.fills if fill.symbol == symbol)
            before = Counter(fill.trade_id for fill in self.fills_before if fill.symbol == symbol)
            # Two of one trade are two fills: whoever trades with himself has both sides.
            happened = Counter(fill.trade_id for fill in ours if fill.symbol == symbol)
            assert told <= happened, "a fill was told twice"
            assert told | (before & happened) == happened, "a fill was not told"
            position = sum(
                (self._table.position(strategy, symbol) for strategy in self._table.strategies()), Decimal(0)
            )
            assert position == sum((_gained(fill) for fill in ours if fill.symbol == symbol), Decimal(0)), symbol

    def check_the_order_of_fills(self) -> None:
        """Each symbol's fills were told in the order in which they happened."""
        for symbol in {fill.symbol for fill in self.fills}:
            trade_ids = [fill.trade_id for fill in self.fills if fill.symbol == symbol]
            assert trade_ids == sorted(trade_ids), symbol

    def _rows(self) -> list[Row]:
        return self._exchange.paper.engine.orders(self._ledger)

    def _row(self, order: Order) -> Row | None:
        """The ledger's own word about an order: by its number, else by any name that it may have."""
        if order.order_id is not None:
            return self._row_under({"orderId": order.order_id}, order.symbol)
        names = (order.client_order_id, cancel_id(order.client_order_id))
        rows = (self._row_under({"origClientOrderId": name}, order.symbol) for name in names if name is not None)
        return next((row for row in rows if row is not None), None)

    def _row_under(self, key: Row, symbol: str) -> Row | None:
        try:
            return self._exchange.paper.engine.order_status(self._ledger, {"symbol": symbol, **key})
        except EngineError:
            return None

    def _hear_change(self, change: OrderChanged) -> None:
        order = change.order
        self.told[order.client_order_id] = order
        contradiction = self._contradiction(order)
        if contradiction is not None:
            self.contradictions.append(contradiction)

    def _contradiction(self, order: Order) -> str | None:
        """What is said here and is not true there. Being behind contradicts nothing."""
        row = self._row(order)
        if row is None:
            is_said_to_be_there = order.life not in ABSENT and order.order_id is not None
            return f"the exchange does not have {order!r}" if is_said_to_be_there else None
        if order.life in ABSENT:
            return f"{order!r} is there: {row}"
        if order.is_closed and LIVES[row["status"]] is not order.life:
            return f"{order!r} is not over like this: {row}"
        if order.filled_quantity > Decimal(row["executedQty"]):
            return f"{order!r} has not filled so far: {row}"
        return None

    def _difference(self, order: Order) -> str | None:
        """What is still missing here when everything has been told."""
        row = self._row(order)
        if row is None:
            return None if order.life in ABSENT else f"{order!r} is not at the exchange, and not known to be absent"
        is_same = (
            order.life is LIVES[row["status"]]
            and order.order_id == row["orderId"]
            and order.filled_quantity == Decimal(row["executedQty"])
            and order.quantity == Decimal(row["origQty"])
        )
        return None if is_same else f"{order!r} is at the exchange: {row}"

    def _stumble(self, error: Exception) -> None:
        self.contradictions.append(repr(error))


def _gained(fill: LedgerFill) -> Decimal:
    """What a fill of the exchange's has added to the account in the base asset."""
    quantity = fill.quantity if fill.side == "BUY" else -fill.quantity
    return quantity - fill.commission if fill.symbol.startswith(fill.commission_asset) else quantity
