"""One pass of the recovery, from beginning to end: what the exchange is asked, in which order, what is told of it.

Open orders first, then, for each symbol, all orders and all trades from its watermark on, then every order that is
live here and was in none of the lists, and at last the fills that some order is known to have and that are older than
the watermark: those of adopted orders. What a row means for an order is the tracker's business; when a pass is due is
`recovery.py`'s. Everything is told in pieces, each entered before the next is told.
"""

import math
from collections.abc import Iterable, Sequence

from dogwatch.actors.account_history import AccountHistory, NotListed
from dogwatch.actors.order_messages import OrdersFound, ReconcileWanted, TradesFound
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.orders import Orders
from dogwatch.actors.spot.account_requests import AllOrders, QueryOrderStatus
from dogwatch.actors.spot.client_order_id import cancel_id
from dogwatch.actors.spot.mark import NOTHING, Mark
from dogwatch.actors.spot.order import Life, Order
from dogwatch.actors.spot.paging import Paging, Row
from dogwatch.actors.spot.results import AccountTrade, OrderReport
from dogwatch.runtime.logger import Logger
from dogwatch.runtime.ref import ActorRef

PIECE_ROWS = 100
"""So many rows are told at once: between two pieces everybody else has a turn."""

SURELY_TOLD_MS = 1_000
"""What happened so long after the beginning of a pass came later than it for certain, by the exchange's own clock too:
that clock is known to well within a second. So the stream of events tells it."""

WORTH_A_PAGE = AllOrders.declaration.weight_of({}) // QueryOrderStatus.declaration.weight_of({})
"""So many orders asked for one by one weigh as much as a page of a thousand."""


class RecoveryPass:
    """Compares the record here with the exchange's. `run` returns when all is told; cancel it when the session is lost.

    It reads `symbols`, and those of every order that is live or lacks fills. `marks`: symbol → the newest order and
    trade that were listed. `began_ms` is by the exchange's clock; from then on the stream of events has to be whole.
    """

    def __init__(
        self,
        *,
        history: AccountHistory,
        orders: ActorRef[Orders],
        table: OrderTable,
        topics: OrderTopics,
        symbols: Iterable[str],
        began_ms: int,
        log: Logger,
    ) -> None:
        self.began_ms = began_ms
        self.marks: dict[str, Mark] = {}
        self.orders = 0
        self.trades = 0
        self._history = history
        self._tracker = orders
        self._table = table
        self._topics = topics
        self._wanted = tuple(symbols)
        self._log = log
        self._listed: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Raises ActorCrashed or ActorStopped when the tracker ends meanwhile: its next life needs a new pass."""
        await self._tell_orders(await self._history.open_orders())
        for symbol in self._symbols():
            try:
                await self._read(symbol)
            except NotListed as refusal:
                # It cannot trade either; what is live there stays in doubt, and the reconciler alarms.
                self._log.error("a symbol could not be recovered", symbol=symbol, reason=refusal.message)
        await self._ask_for_unlisted()
        await self._explain()

    def _symbols(self) -> list[str]:
        orders = (*self._table.all_live(), *self._table.unexplained())
        return list(dict.fromkeys((*self._wanted, *(order.symbol for order in orders))))

    # The lists.

    async def _read(self, symbol: str) -> None:
        mark = self._table.marks.settled(symbol)
        if mark is None:
            self.marks[symbol] = await self._newest(symbol)
            return
        order_id = await self._read_orders(symbol, mark.order_id)
        trade_id = await self._read_trades(symbol, mark.trade_id)
        self.marks[symbol] = Mark(order_id=order_id, trade_id=trade_id)

    async def _newest(self, symbol: str) -> Mark:
        """Where the record of a symbol begins that never was recorded: what was before is none of ours."""
        orders = await self._history.orders(symbol, None, limit=1)
        trades = await self._history.trades(symbol, None, limit=1)
        return Mark(
            order_id=max((row.order_id for row in orders), default=NOTHING),
            trade_id=max((row.trade_id for row in trades), default=NOTHING),
        )

    async def _read_orders(self, symbol: str, after_id: int) -> int:
        paging = self._paging(after_id)
        while not paging.is_complete:
            await self._tell_orders(paging.add(await self._history.orders(symbol, paging.next_id)))
        return paging.newest_id

    async def _read_trades(self, symbol: str, after_id: int) -> int:
        paging = self._paging(after_id)
        while not paging.is_complete:
            await self._tell_trades(symbol, paging.add(await self._history.trades(symbol, paging.next_id)))
        return paging.newest_id

    def _paging(self, after_id: int) -> Paging:
        return Paging(after_id=after_id, until_ms=self.began_ms + SURELY_TOLD_MS)

    # What is in none of them.

    async def _ask_for_unlisted(self) -> None:
        by_symbol: dict[str, list[int]] = {}
        for order in tuple(self._table.all_live()):
            if order.created_ms >= self.began_ms:
                continue  # placed during an audit: its answer and its events tell
            if order.order_id is None:
                await self._ask_by_name(order)
            elif (order.symbol, order.order_id) not in self._listed:
                by_symbol.setdefault(order.symbol, []).append(order.order_id)
        for symbol, order_ids in by_symbol.items():
            for order_id in await self._look_up(symbol, order_ids):
                self._doubt(self._table.by_order_id(symbol, order_id))

    async def _ask_by_name(self, order: Order) -> None:
        """An order whose answer nobody has seen. A cancel that went out may have given it another name."""
        if order.life is not Life.SENT or not order.is_unknown:
            return  # somebody waits for its answer
        names = [order.client_order_id]
        if order.cancel_sent_ms is not None:
            names.append(cancel_id(order.client_order_id) or order.client_order_id)
        for name in dict.fromkeys(names):
            try:
                report = await self._history.order(order.symbol, client_order_id=name)
            except NotListed:
                break
            if report is not None:
                await self._tell_orders([report])
                return
        self._doubt(order)

    async def _look_up(self, symbol: str, order_ids: Iterable[int]) -> list[int]:
        """Ask for orders by their ids: by pages while that is cheaper than one by one. Returns those not found."""
        missing = sorted(set(order_ids))
        try:
            while len(missing) > WORTH_A_PAGE:
                before = len(missing)
                missing = await self._page_for(symbol, missing)
                if before - len(missing) <= WORTH_A_PAGE:
                    break  # they lie far apart
            for order_id in tuple(missing):
                report = await self._history.order(symbol, order_id=order_id)
                if report is not None:
                    await self._tell_orders([report])
                    missing.remove(order_id)
        except NotListed:
            pass  # whatever is left is not found
        return missing

    async def _page_for(self, symbol: str, missing: list[int]) -> list[int]:
        """Ask for the page that begins with the first of these orders. Returns those that are not in it."""
        wanted = frozenset(missing)
        page = await self._history.orders(symbol, missing[0])
        found = [row for row in page if row.order_id in wanted]  # what else is on it is from before the record began
        await self._tell_orders(found)
        return sorted(wanted.difference(row.order_id for row in found))

    async def _explain(self) -> None:
        """Ask once for fills that the lists have not explained. What is missing then is the reconciler's to find."""
        for order in self._table.unexplained():
            if order.order_id is None or order.created_ms >= self.began_ms:
                continue
            paging = self._paging(NOTHING)
            try:
                while not paging.is_complete:
                    page = await self._history.trades(order.symbol, paging.next_id, order_id=order.order_id)
                    await self._tell_trades(order.symbol, paging.add(page))
            except NotListed:
                continue

    def _doubt(self, order: Order | None) -> None:
        """It is neither listed nor found. That proves nothing yet: the reconciler goes on asking."""
        if order is not None and not order.is_closed:
            wish = ReconcileWanted(client_order_id=order.client_order_id, reason="the exchange does not list it")
            self._topics.reconcile.publish(wish)

    # Telling.

    async def _tell_orders(self, reports: Sequence[OrderReport]) -> None:
        for piece in _pieces(reports):
            await self._tracker.ask(OrdersFound(reports=piece), within_s=math.inf)
            self._listed.update((report.symbol, report.order_id) for report in piece)
        self.orders = len(self._listed)

    async def _tell_trades(self, symbol: str, trades: Sequence[AccountTrade]) -> None:
        for piece in _pieces(trades):
            await self._tell_piece(symbol, piece)
        self.trades += len(trades)

    async def _tell_piece(self, symbol: str, trades: tuple[AccountTrade, ...]) -> None:
        """Trades of orders that nobody knows are told again when it is known whose orders they are."""
        strange = await self._tracker.ask(TradesFound(symbol=symbol, trades=trades), within_s=math.inf)
        if not strange:
            return
        missing = await self._look_up(symbol, strange)
        if missing:
            self._log.warning("trades of orders that the exchange does not find", symbol=symbol, orders=missing)
        found = frozenset(strange).difference(missing)
        again = tuple(trade for trade in trades if trade.order_id in found)
        if again:
            await self._tracker.ask(TradesFound(symbol=symbol, trades=again), within_s=math.inf)


def _pieces(rows: Sequence[Row]) -> Iterable[tuple[Row, ...]]:
    return (tuple(rows[at : at + PIECE_ROWS]) for at in range(0, len(rows), PIECE_ROWS))
