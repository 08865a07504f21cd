"""The poller: where no events tell of orders, asks which of them are still open, again and again while any is.

That is so over REST. What it finds goes to the tracker as listed rows; an order that is no longer open is left to the
reconciler, which asks what has become of it and for its fills. The whole record is compared by `recovery.py`.
"""

from collections.abc import Iterable
from typing import Any

import trio

from dogwatch.actors.account import Account, Refresh
from dogwatch.actors.order_messages import OrdersFound, ReconcileWanted
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.orders import Orders
from dogwatch.actors.rate_limiter import RateLimiter
from dogwatch.actors.session_messages import Call, SessionReady, SessionTopics, Speaker
from dogwatch.actors.spot.account_requests import OpenOrdersStatus
from dogwatch.actors.spot.errors import MalformedResult
from dogwatch.actors.spot.order import Order
from dogwatch.actors.spot.request_costs import Priority, cost_of
from dogwatch.actors.spot.results import OrderReport
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.errors import DogwatchError
from dogwatch.runtime.ref import ActorRef

__all__ = ["Poller"]

ANSWER_WITHIN_S = 10.0
WEIGHT_SHARE = 1 / 3
"""What part of the request weight asking may take; with many symbols it is done less often."""


class Poller(Actor):
    """Asks for the open orders of each symbol with a live order, every `poll_every_s` seconds, or as often as a part of
    the limits allows. When orders have changed it has the balances loaded anew."""

    def __init__(
        self,
        *,
        session: ActorRef[Speaker],
        session_topics: SessionTopics,
        account: ActorRef[Account],
        orders: ActorRef[Orders],
        table: OrderTable,
        topics: OrderTopics,
        limiter: RateLimiter,
        poll_every_s: float = 1.0,
    ) -> None:
        self._session = session
        self._session_topics = session_topics
        self._account = account
        self._orders = orders
        self._table = table
        self._topics = topics
        self._limiter = limiter
        self._poll_every_s = poll_every_s
        self._has_changed = False
        self._weight = 0
        self._rounds = self._questions = self._unanswered = self._gone = 0

    async def on_start(self) -> None:
        self.tap(self._topics.changes, self._note_change)
        self.tasks.start_soon(self._poll_on)

    def statistics(self) -> dict[str, Any]:
        return {
            "rounds": self._rounds,
            "questions": self._questions,
            "unanswered": self._unanswered,
            "gone": self._gone,
            "every_s": round(self._pause_s(), 3),
        }

    def _note_change(self, _event: object) -> None:
        self._has_changed = True

    async def _poll_on(self) -> None:
        while True:
            await trio.sleep(self._pause_s())
            if isinstance(self._session_topics.states.last, SessionReady):
                await self._poll()

    def _pause_s(self) -> float:
        """How long to wait until the next round, so that its weight stays within its share."""
        return max(self._poll_every_s, self._limiter.round_s(self._weight, Priority.QUERY, share=WEIGHT_SHARE))

    async def _poll(self) -> None:
        self._rounds += 1
        by_symbol: dict[str, list[Order]] = {}
        for order in self._table.all_live():
            if order.order_id is not None:  # of any other an answer is awaited, or the reconciler asks
                by_symbol.setdefault(order.symbol, []).append(order)
        self._weight = 0
        for symbol, orders in by_symbol.items():
            await self._ask(symbol, orders)
        if self._has_changed:
            self._has_changed = False
            self._account.tell(Refresh())

    async def _ask(self, symbol: str, orders: Iterable[Order]) -> None:
        request = OpenOrdersStatus(symbol=symbol)
        call = Call.of(request)
        self._weight += cost_of(call.method, call.params).weight
        self._questions += 1
        try:
            response = await self._session.ask(call, within_s=ANSWER_WITHIN_S)
            if not response.is_ok:
                raise MalformedResult(f"status {response.status}: {response.error}")
            reports = request.decode(response.result)
        except DogwatchError as failure:
            self._unanswered += 1
            self.log.info("the open orders could not be read", symbol=symbol, reason=failure.message)
            return
        self._tell(orders, reports)

    def _tell(self, asked_about: Iterable[Order], reports: tuple[OrderReport, ...]) -> None:
        if reports:
            self._orders.tell(OrdersFound(reports=reports))
        listed = {report.order_id for report in reports}
        for order in asked_about:
            latest = self._table.latest(order)
            if not latest.is_closed and latest.order_id not in listed:
                self._gone += 1
                reason = "it is no longer among the open orders"
                self._topics.reconcile.publish(ReconcileWanted(client_order_id=order.client_order_id, reason=reason))
