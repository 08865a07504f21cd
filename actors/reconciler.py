"""The reconciler: asks the exchange about orders that are in doubt, until they are not. It never sends an order again.

It works on the wishes that the tracker publishes, and on every order that is unknown. What it finds goes to the tracker
as evidence; what evidence means is decided in `spot/order_state.py`, and when silence becomes proof in
`spot/verdict.py`. Finding out what is missing in the whole record is `recovery.py`'s.
"""

import heapq
import itertools
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

from dogwatch.actors.order_answers import event_of_query
from dogwatch.actors.order_messages import CaughtUp, Evidence, ReconcileWanted, RecoverNow, TradesFound
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.orders import Orders
from dogwatch.actors.recovery import Recovery
from dogwatch.actors.session_messages import Call, LogonFailed, SessionLost, SessionReady, SessionTopics, Speaker
from dogwatch.actors.spot.account_requests import MyTrades, QueryOrderStatus
from dogwatch.actors.spot.client_order_id import cancel_id
from dogwatch.actors.spot.enums import OrderStatus
from dogwatch.actors.spot.envelope import MalformedFrame, Response
from dogwatch.actors.spot.errors import MalformedResult
from dogwatch.actors.spot.order import Amend, Life, Order, Request
from dogwatch.actors.spot.order_events import NeverPlaced, NotAmended, NotCanceled, OrderEvent, QueryFound, QueryMissing
from dogwatch.actors.spot.results import AccountTrade, decode_results
from dogwatch.actors.spot.verdict import (
    VerdictMargins,
    is_proven_absent,
    is_proven_not_amended,
    is_proven_not_canceled,
    verdict_due_ms,
)
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Answer, Message
from dogwatch.runtime.overflow import Overflow
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.timers import Timer

SPACING_S = 0.15
"""Between two queries: order.status weighs 4, so at worst 1,600 of the 6,000 a minute; a recovery may take 4,000."""
FIRST_AGAIN_S = 0.5
LONGEST_AGAIN_S = 10.0
ANSWER_WITHIN_S = 15.0
AUDIT_AGAIN_S = 30.0
"""How long after a wish for an audit the next one is made, while only that is missing for a verdict."""
ALARM_LATE_S = 1.0
"""An alarm comes so much later than it could: then one look sees all orders that became unknown together."""
ALARM_HINT = (
    "`dogwatch orders` has its history; if the exchange has begun anew, as test networks do, move the journal away"
)
TRADES_PER_PAGE = 1000
MISSING_KEPT = 100

STILL_OPEN = frozenset({OrderStatus.NEW, OrderStatus.PENDING_NEW, OrderStatus.PARTIALLY_FILLED})

STATUS, TRADES = "status", "trades"


class AskNext(Message, frozen=True, kw_only=True):
    """A timer's message: the next query may be due."""


class CheckUnknown(Message, frozen=True, kw_only=True):
    """A timer's message: an order may have been unknown for too long."""


class Case:
    """One order in doubt: how often it was asked about, and what the answers were."""

    def __init__(self, name: str, reason: str, *, opened_ms: int) -> None:
        self.name = name
        self.reason = reason
        self.wants_status = False
        self.wants_trades = False
        self.attempts = 0
        self.asked_ms = 0
        self.first_asked_ms: int | None = None
        self.asked_name: str | None = None
        self.not_found: dict[str, int] = {}
        """Name → when it was asked for and not found, since all names were last not found."""
        self.missing_ms: list[int] = []
        """When it was asked for and found under none of its names."""
        self.silent_since_ms = opened_ms
        """Since when the exchange has not told of this order, asked or not."""
        self.due_s = 0.0
        self.trades: list[AccountTrade] = []
        self.is_asked = False
        self.alarmed_since_ms: int | None = None
        """When the doubt began that a person was called for: another one later is another call."""

    @property
    def next_trade_id(self) -> int | None:
        """Where the next page of trades begins; None for the first page."""
        return self.trades[-1].trade_id + 1 if self.trades else None

    def next_name(self, order: Order) -> str:
        """Under which name to ask for an order whose id nobody knows: the first that was not looked for this time."""
        names = names_of(order)
        return next((name for name in names if name not in self.not_found), names[0])

    def note_missing(self, order: Order) -> None:
        """The name that was asked for was not found. Only when none is found does that say something."""
        if self.asked_name is None:
            return
        self.not_found[self.asked_name] = self.asked_ms
        if all(name in self.not_found for name in names_of(order)):
            self.missing_ms.append(min(self.not_found.values()))
            del self.missing_ms[:-MISSING_KEPT]
            self.not_found.clear()

    def next_delay_s(self) -> float:
        """How long to wait after an answer that settled nothing: doubling, bounded. The other name comes at once."""
        if self.not_found:
            return 0.0
        return float(min(LONGEST_AGAIN_S, FIRST_AGAIN_S * 2 ** min(self.attempts, 16)))


def names_of(order: Order) -> tuple[str, ...]:
    """The names that an order may go by at the exchange: a cancel that was carried out has given it its own."""
    name = order.client_order_id
    renamed = None if order.cancel_sent_ms is None else cancel_id(name)
    return (name,) if renamed is None else (name, renamed)


class Reconciler(Actor):
    """Settles doubts by queries (WebSocket API, Query order; Account trade history), spaced and with a back-off.

    `margins` say when silence is proof. An order that is unknown for longer than `unknown_s_max` raises an alarm, once;
    it is asked about all the same.
    """

    lanes: ClassVar[tuple[Lane, ...]] = (
        Lane(
            "messages",
            accepts=(Answer, ReconcileWanted, CaughtUp, SessionReady, SessionLost, LogonFailed),
            capacity=65_536,
            overflow=Overflow.STOP,
        ),
        Lane("timers", accepts=(AskNext, CheckUnknown), capacity=2, conflate_by=type),
    )

    def __init__(
        self,
        *,
        orders: ActorRef[Orders],
        table: OrderTable,
        topics: OrderTopics,
        session: ActorRef[Speaker],
        session_topics: SessionTopics,
        clock: Clock,
        recovery: ActorRef[Recovery],
        margins: VerdictMargins | None = None,
        unknown_s_max: float = 120.0,
    ) -> None:
        self._orders = orders
        self._table = table
        self._topics = topics
        self._session = session
        self._session_topics = session_topics
        self._clock = clock
        self._recovery = recovery
        self._margins = VerdictMargins() if margins is None else margins
        self._unknown_s_max = unknown_s_max
        self._cases: dict[str, Case] = {}
        self._due: list[tuple[float, int, str]] = []
        self._sequence = itertools.count()
        self._next_ask_s = 0.0
        self._timer: Timer | None = None
        self._checking: Timer | None = None
        self._whole_since_ms: int | None = None
        self._hears_events = True
        self._pass_began_ms = 0
        self._next_audit_s = 0.0
        self.queries = self.alarms = 0

    async def on_start(self) -> None:
        self.subscribe(self._topics.reconcile)
        self.subscribe(self._topics.caught_up)
        self.subscribe(self._session_topics.states)
        self.tap(self._session_topics.unmatched, self._hear_unmatched)
        state = self._session_topics.states.last
        if isinstance(state, SessionReady):
            self._hears_events = state.hears_events
            self._begin_whole()
        # A wish that was published before this life is still visible in the order itself.
        for order in self._table.unexplained():
            self._open(order.client_order_id, "fills are missing", delay_s=FIRST_AGAIN_S).wants_trades = True
        for order in tuple(self._table.all_live()):
            if order.is_unknown:
                self._open(order.client_order_id, order.reason)

    def statistics(self) -> dict[str, Any]:
        return {"cases": len(self._cases), "queries": self.queries, "alarms": self.alarms}

    def on_reconcile_wanted(self, wish: ReconcileWanted) -> None:
        # Missing fills may be told in a moment, by events that follow the answer which counts them.
        case = self._open(wish.client_order_id, wish.reason, delay_s=FIRST_AGAIN_S if wish.trades else 0.0)
        if wish.trades:
            case.wants_trades = True
        else:
            case.wants_status = True

    def on_session_ready(self, event: SessionReady) -> None:
        self._hears_events = event.hears_events
        self._begin_whole()
        for case in self._cases.values():
            self._schedule(case, 0.0)

    def on_session_lost(self, _event: SessionLost | LogonFailed) -> None:
        self._whole_since_ms = None

    def on_caught_up(self, event: CaughtUp) -> None:
        """What a pass has not found was not there when it began. So much the better if that was late enough."""
        self._pass_began_ms = max(self._pass_began_ms, event.began_ms)
        for case in self._cases.values():
            order = self._table.get(case.name)
            if order is not None:
                self._judge_absence(case, order)

    def on_check_unknown(self, _message: CheckUnknown) -> None:
        """Look after orders that stay unknown, also while nobody can be asked about them."""
        self._checking = None
        for case in self._cases.values():
            self._alarm_if_long(case)

    def _hear_unmatched(self, frame: object) -> None:
        """An event that cannot be read may have been about any order."""
        if isinstance(frame, MalformedFrame) and frame.id is None:
            if self._whole_since_ms is not None:
                self._begin_whole()
            self._want_audit("an event could not be read")

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
        kind: str
        case: Case
        kind, case = answer.tag
        if self._cases.get(case.name) is not case:
            return  # asked for an earlier doubt: it came to its end, or an earlier life did, and this one asks itself
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
            case = self._cases[name] = Case(name, reason, opened_ms=self._clock.unix_ms())
            self._schedule(case, delay_s)
        self._alarm_if_long(case)
        return case

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
            kind = TRADES
            call = Call.of(
                MyTrades(
                    symbol=order.symbol, order_id=order.order_id, from_id=case.next_trade_id, limit=TRADES_PER_PAGE
                )
            )
        else:
            kind = STATUS
            # Once its id is known that is the only name that no cancel changes.
            case.asked_name = case.next_name(order) if order.order_id is None else None
            call = Call.of(
                QueryOrderStatus(symbol=order.symbol, order_id=order.order_id, orig_client_order_id=case.asked_name)
            )
        case.is_asked = True
        case.attempts += 1
        case.asked_ms = self._clock.unix_ms()
        case.first_asked_ms = case.first_asked_ms or case.asked_ms
        self.queries += 1
        self._session.request(call, reply_to=self.ref, tag=(kind, case), within_s=ANSWER_WITHIN_S)
        return True

    # Judging.

    def _on_status(self, case: Case, event: OrderEvent) -> None:
        self._tell(case, event)
        order = self._table.get(case.name)
        if order is None:
            return
        if isinstance(event, QueryFound):
            case.wants_status = False
            case.silent_since_ms = case.asked_ms
            case.not_found.clear()
            case.missing_ms.clear()
            if event.report.status in STILL_OPEN:
                self._judge_cancel(case, order)
                self._judge_amend(case, order, event.report.quantity)
        elif isinstance(event, QueryMissing):
            if order.is_closed:
                case.wants_status = False  # there is nothing more to be told of it
            case.note_missing(order)
            self._judge_absence(case, order)

    def _judge_absence(self, case: Case, order: Order) -> None:
        """Silence is proof only when nothing else can have been missed; if just that is open, have it looked at."""
        if order.life is not Life.SENT or not order.is_unknown:
            return
        due_ms = self._verdict_due_ms(case, order, order.sent_ms)
        is_silent = partial(is_proven_absent, due_ms=due_ms, missing_ms=case.missing_ms, margins=self._margins)
        if is_silent(record_is_whole=self._is_whole_since(order) or self._pass_began_ms >= due_ms):
            self._tell(case, NeverPlaced("the exchange does not know it after it could last have been executed"))
            case.wants_status = False
        elif is_silent(record_is_whole=True):
            self._want_audit(f"whether {case.name} was ever placed hangs on it")

    def _judge_cancel(self, case: Case, order: Order) -> None:
        due_ms = self._verdict_due_ms(case, order, order.cancel_sent_ms)
        if order.request is Request.IN_DOUBT and is_proven_not_canceled(
            due_ms=due_ms, found_open_asked_ms=case.asked_ms
        ):
            self._tell(case, NotCanceled("it is open after its cancel could last have been executed"))

    def _judge_amend(self, case: Case, order: Order, quantity: Decimal | None) -> None:
        wanted = order.amend_quantity
        if (
            order.amend is Amend.IN_DOUBT
            and wanted is not None
            and is_proven_not_amended(
                due_ms=self._verdict_due_ms(case, order, order.amend_sent_ms),
                found_open_asked_ms=case.asked_ms,
                found_quantity=quantity,
                amend_quantity=wanted,
            )
        ):
            self._tell(case, NotAmended("its quantity is the old one after its amend could last have been executed"))

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
        self._alarm_if_long(case)
        self._schedule(case, case.next_delay_s())

    def _is_settled(self, case: Case, order: Order) -> bool:
        return not case.wants_status and not case.wants_trades and not order.is_unknown

    def _want_audit(self, reason: str) -> None:
        """Have the whole record compared; not again before the last wish can have been heard."""
        if self._next_audit_s <= self._clock.now_s():
            self._next_audit_s = self._clock.now_s() + AUDIT_AGAIN_S
            self._recovery.mailbox.offer(RecoverNow(reason=reason))

    def _alarm_if_long(self, case: Case) -> None:
        order = self._table.get(case.name)
        if order is None:
            return
        since_ms = order.unknown_since_ms or case.silent_since_ms
        if since_ms == case.alarmed_since_ms:
            return
        unknown_s = (self._clock.unix_ms() - since_ms) / 1000
        if unknown_s <= self._unknown_s_max:
            if self._checking is None:
                self._checking = self.tell_after(self._unknown_s_max - unknown_s + ALARM_LATE_S, CheckUnknown())
            return
        case.alarmed_since_ms = since_ms
        self.alarms += 1
        self.log.error(
            "order stays unknown: look at it by hand"
            if order.is_unknown
            else "the exchange does not tell what has become of an order",
            order=case.name,
            unknown_s=round(unknown_s, 1),
            reason=order.reason or case.reason,
            can_ask=self._whole_since_ms is not None,
            asked=case.attempts,
            hint=ALARM_HINT,
        )

    def _verdict_due_ms(self, case: Case, order: Order, sent_ms: int | None) -> int:
        """When not finding the effect of a request means something. Each request has its own time.

        It may have waited before it was stamped, but not for longer than somebody waited for its answer; nor until it
        was asked about, which is by the exchange's clock, where a doubt from before the first session is not.
        """
        sent_ms = order.created_ms if sent_ms is None else sent_ms
        doubted_ms = order.unknown_since_ms or 0
        if case.first_asked_ms is not None:
            doubted_ms = min(doubted_ms, case.first_asked_ms)
        return verdict_due_ms(max(sent_ms, doubted_ms), self._margins)

    def _begin_whole(self) -> None:
        """From now on every event is heard. Whatever was sent already was sent before, also by a clock that was set
        back meanwhile."""
        sent = (order.sent_ms or order.created_ms for order in self._table.all_live())
        self._whole_since_ms = max(self._clock.unix_ms(), 1 + max(sent, default=0))

    def _is_whole_since(self, order: Order) -> bool:
        """Whether no event about this order can have been missed. Where none come at all, only a pass is proof."""
        sent_ms = order.created_ms if order.sent_ms is None else order.sent_ms
        return self._hears_events and self._whole_since_ms is not None and self._whole_since_ms <= sent_ms
