"""The reconciler: asks the exchange about orders that are in doubt, until they are not. It never sends an order again.

It works on the wishes that the Orders actor publishes, and once for every live order after each new session. What it
finds goes to the Orders actor as evidence; what evidence means is decided in `spot/order_state.py`, and when silence
becomes proof in `spot/verdict.py`.
"""

import heapq
import itertools
from decimal import Decimal
from typing import Any, ClassVar

from dogwatch.actors.order_answers import event_of_query
from dogwatch.actors.order_messages import Evidence, ReconcileWanted, TradesFound
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.orders import Orders
from dogwatch.actors.session import Call, LogonFailed, Session, SessionLost, SessionReady, SessionTopics
from dogwatch.actors.spot import methods
from dogwatch.actors.spot.envelope import MalformedFrame, Response
from dogwatch.actors.spot.errors import MalformedResult
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Life, Order, Request
from dogwatch.actors.spot.order_events import NeverPlaced, NotCanceled, OrderEvent, QueryFound, QueryMissing
from dogwatch.actors.spot.results import AccountTrade, decode_results
from dogwatch.actors.spot.verdict import VerdictMargins, is_proven_absent, verdict_due_ms
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.mailbox import Lane, Overflow
from dogwatch.runtime.messages import Answer, Message
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.timers import Timer

SPACING_S = 0.05
"""Between two queries: order.status weighs 4 of 6000 a minute, so this takes most of the budget at worst."""
FIRST_AGAIN_S = 0.5
LONGEST_AGAIN_S = 10.0
ANSWER_WITHIN_S = 15.0
ALARM_AFTER_S = 60.0
"""An order that stays unknown for this long is worth a person's attention."""
TRADES_PER_PAGE = 1000
MISSING_KEPT = 100

STATUS, TRADES = "status", "trades"


class AskNext(Message, frozen=True, kw_only=True):
    """A timer's message: the next query may be due."""


class Case:
    """One order in doubt: how often it was asked about, and what the answers were."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        self.wants_status = False
        self.wants_trades = False
        self.attempts = 0
        self.asked_ms = 0
        self.missing_ms: list[int] = []
        self.due_s = 0.0
        self.trades: list[AccountTrade] = []
        self.is_asked = False
        self.is_alarmed = False

    @property
    def next_trade_id(self) -> int | None:
        """Where the next page of trades begins; None for the first page."""
        return self.trades[-1].trade_id + 1 if self.trades else None

    def next_delay_s(self) -> float:
        """How long to wait after an answer that settled nothing: doubling, bounded."""
        return float(min(LONGEST_AGAIN_S, FIRST_AGAIN_S * 2 ** min(self.attempts, 16)))


class Reconciler(Actor):
    """Settles doubts by queries (WebSocket API, Query order; Account trade history), spaced and with a back-off."""

    lanes: ClassVar[tuple[Lane, ...]] = (
        Lane(
            "messages",
            accepts=(Answer, ReconcileWanted, SessionReady, SessionLost, LogonFailed),
            capacity=65_536,
            overflow=Overflow.STOP,
        ),
        Lane("timers", accepts=(AskNext,), capacity=1, conflate_by=type),
    )

    def __init__(
        self,
        *,
        orders: ActorRef[Orders],
        table: OrderTable,
        topics: OrderTopics,
        session: ActorRef[Session],
        session_topics: SessionTopics,
        clock: Clock,
        recv_window_ms: int = 5_000,
    ) -> None:
        self._orders = orders
        self._table = table
        self._topics = topics
        self._session = session
        self._session_topics = session_topics
        self._clock = clock
        self._margins = VerdictMargins(recv_window_ms=recv_window_ms, margin_ms=2_000)
        self._cases: dict[str, Case] = {}
        self._due: list[tuple[float, int, str]] = []
        self._sequence = itertools.count()
        self._next_ask_s = 0.0
        self._timer: Timer | None = None
        self._whole_since_ms: int | None = None
        self.queries = 0

    async def on_start(self) -> None:
        self.subscribe(self._topics.reconcile)
        self.subscribe(self._session_topics.states)
        # A wish that was published before this life is still visible in the order itself.
        for order in self._table.unexplained():
            self._open(order.client_order_id, "fills are missing").wants_trades = True
        self._doubt_all("the reconciler was started")
        self.tap(self._session_topics.unmatched, self._hear_unmatched)
        state = self._session_topics.states.last
        if isinstance(state, SessionReady):
            self.on_session_ready(state)

    def statistics(self) -> dict[str, Any]:
        return {"cases": len(self._cases), "queries": self.queries}

    def on_reconcile_wanted(self, wish: ReconcileWanted) -> None:
        # Missing fills may be told in a moment, by events that follow the answer which counts them.
        case = self._open(wish.client_order_id, wish.reason, delay_s=FIRST_AGAIN_S if wish.trades else 0.0)
        if wish.trades:
            case.wants_trades = True
        else:
            case.wants_status = True

    def on_session_ready(self, _event: SessionReady) -> None:
        """What happened while nobody was listening is found out by asking once about every live order."""
        self._whole_since_ms = self._clock.unix_ms()
        self._doubt_all("a new session")
        for case in self._cases.values():
            self._schedule(case, 0.0)

    def _hear_unmatched(self, frame: object) -> None:
        """An event that cannot be read may have been about any order."""
        if isinstance(frame, MalformedFrame) and frame.id is None:
            self._doubt_all("an event could not be read")

    def on_session_lost(self, _event: SessionLost | LogonFailed) -> None:
        self._whole_since_ms = None

    def on_ask_next(self, _message: AskNext) -> None:
        """Ask about one order whose time has come; the spacing leads to the next."""
        self._timer = None
        now_s = self._clock.now_s()
        while self._due and max(self._due[0][0], self._next_ask_s) <= now_s:
            due_s, _, name = heapq.heappop(self._due)
            case = self._cases.get(name)
            if case is not None and case.due_s == due_s and not case.is_asked and self._ask(case):
                self._next_ask_s = now_s + SPACING_S
        self._wake()

    def on_answer(self, answer: Answer) -> None:
        kind, name = answer.tag
        case = self._cases.get(name)
        if case is None:
            return
        case.is_asked = False
        if kind == TRADES:
            self._on_trades(case, answer)
        else:
            event = event_of_query(answer)
            if event is not None:
                self._on_status(case, event)
        self._settle_or_go_on(case)

    # Asking.

    def _open(self, name: str, reason: str, *, delay_s: float = 0.0) -> Case:
        case = self._cases.get(name)
        if case is None:
            case = self._cases[name] = Case(name, reason)
            self._schedule(case, delay_s)
        return case

    def _doubt_all(self, reason: str) -> None:
        """Ask about every order that is not known to have ended."""
        for order in tuple(self._table.all_live()):
            self._open(order.client_order_id, reason).wants_status = True

    def _schedule(self, case: Case, delay_s: float) -> None:
        case.due_s = self._clock.now_s() + delay_s
        heapq.heappush(self._due, (case.due_s, next(self._sequence), case.name))
        self._wake()

    def _wake(self) -> None:
        """One timer, for whatever is due first."""
        if not self._due:
            return
        due_s = max(self._due[0][0], self._next_ask_s)
        if self._timer is not None:
            if self._timer.due_s <= due_s:
                return
            self._timer.cancel()
        self._timer = self.tell_after(max(0.0, due_s - self._clock.now_s()), AskNext())

    def _ask(self, case: Case) -> bool:
        """Send the query that this case needs next. False when none is needed or possible now."""
        order = self._table.get(case.name)
        if order is not None and self._table.unbooked(order) <= 0:
            case.wants_trades = False
        if order is None or self._is_settled(case, order):
            del self._cases[case.name]
            return False
        if self._whole_since_ms is None:
            return False  # a new session asks about everything
        if case.wants_trades and not case.wants_status and order.order_id is not None:
            kind, method = TRADES, Method.MY_TRADES
            params = methods.query_trades(
                symbol=order.symbol, order_id=order.order_id, from_id=case.next_trade_id, limit=TRADES_PER_PAGE
            )
        else:
            kind, method = STATUS, Method.ORDER_STATUS
            params = methods.query_order(symbol=order.symbol, client_order_id=case.name)
        case.is_asked = True
        case.attempts += 1
        case.asked_ms = self._clock.unix_ms()
        self.queries += 1
        call = Call(method=method, params=params)
        self._session.request(call, reply_to=self.ref, tag=(kind, case.name), within_s=ANSWER_WITHIN_S)
        return True

    # Judging.

    def _on_status(self, case: Case, event: OrderEvent) -> None:
        self._tell(case, event)
        order = self._table.get(case.name)
        if order is None:
            return
        if isinstance(event, QueryFound):
            case.wants_status = False
            case.missing_ms.clear()
            if order.request is Request.IN_DOUBT and case.asked_ms >= self._verdict_due_ms(order, order.cancel_sent_ms):
                self._tell(case, NotCanceled("it is open after its cancel could last have been executed"))
        elif isinstance(event, QueryMissing):
            case.missing_ms.append(case.asked_ms)
            del case.missing_ms[:-MISSING_KEPT]
            if order.life is Life.SENT and self._is_proven_absent(case, order):
                self._tell(case, NeverPlaced("the exchange does not know it after it could last have been executed"))
                case.wants_status = False

    def _on_trades(self, case: Case, answer: Answer) -> None:
        response: Response | None = answer.value
        if response is None or not response.is_ok:
            return
        try:
            trades = decode_results(response.result, AccountTrade)
        except MalformedResult as problem:
            self.log.warning("trades not understood", order=case.name, reason=str(problem))
            return
        case.trades.extend(trades)
        if len(trades) == TRADES_PER_PAGE:
            return  # there are more
        order = self._table.get(case.name)
        found = sum((trade.quantity for trade in case.trades), Decimal(0))
        if order is not None and found >= order.filled_quantity:
            case.wants_trades = False
        if case.trades:
            self._orders.tell(TradesFound(symbol=case.trades[0].symbol, trades=tuple(case.trades)))
            case.trades.clear()

    def _tell(self, case: Case, event: OrderEvent) -> None:
        self._orders.tell(Evidence(client_order_id=case.name, event=event))

    def _settle_or_go_on(self, case: Case) -> None:
        order = self._table.get(case.name)
        if order is None or self._is_settled(case, order):
            del self._cases[case.name]
            return
        self._alarm_if_long(case, order)
        self._schedule(case, case.next_delay_s())

    def _is_settled(self, case: Case, order: Order) -> bool:
        return not case.wants_status and not case.wants_trades and not order.is_unknown

    def _alarm_if_long(self, case: Case, order: Order) -> None:
        since_ms = order.unknown_since_ms
        if since_ms is None or case.is_alarmed:
            return
        unknown_s = (self._clock.unix_ms() - since_ms) / 1000
        if unknown_s > ALARM_AFTER_S:
            case.is_alarmed = True
            self.log.error(
                "order stays unknown: look at it by hand",
                order=case.name,
                unknown_s=unknown_s,
                reason=order.reason,
                # If not, the exchange's silence proves nothing: its events may have been missed.
                events_complete=self._was_whole_since(order),
            )

    def _verdict_due_ms(self, order: Order, sent_ms: int | None) -> int:
        """When not finding the effect of a request means something. Placing and cancel have each their own time."""
        return verdict_due_ms(order.created_ms if sent_ms is None else sent_ms, self._margins)

    def _is_proven_absent(self, case: Case, order: Order) -> bool:
        return is_proven_absent(
            due_ms=self._verdict_due_ms(order, order.sent_ms),
            missing_ms=case.missing_ms,
            record_is_whole=self._was_whole_since(order),
            margins=self._margins,
        )

    def _was_whole_since(self, order: Order) -> bool:
        """Whether no event about this order can have been missed."""
        sent_ms = order.created_ms if order.sent_ms is None else order.sent_ms
        return self._whole_since_ms is not None and self._whole_since_ms <= sent_ms
