"""The Orders actor: every order of one account, from the intent to its known end. It alone writes the order table.

It waits for nothing: requests go to the session as asynchronous asks, whose answers come back as messages, so one slow
answer delays no other order. What a message means for an order is decided in `spot/order_state.py`; asking about
orders in doubt is `reconciler.py`'s work, comparing the whole record `recovery.py`'s, putting requests on the wire
`sender.py`'s; which orders a strategy leaves behind is `risk.py`'s.
"""

from collections.abc import Callable
from typing import Any

from dogwatch.actors.bookkeeper import ROTATE_EVERY_S, Bookkeeper
from dogwatch.actors.doomed import CANCEL_AGAIN_S, CancelDoomed
from dogwatch.actors.filter_guard import FilterGuard
from dogwatch.actors.halt import HaltSwitch
from dogwatch.actors.order_answers import (
    error_of,
    error_of_replacing,
    event_of_amending,
    event_of_canceling,
    event_of_placing,
    event_of_query,
    events_of_replacing,
)
from dogwatch.actors.order_messages import (
    AmendOrder,
    AwaitClosed,
    AwaitReady,
    CancelOrder,
    CancelStrategyOrders,
    EndAllOrders,
    Evidence,
    OrdersFound,
    PlaceOrder,
    QueryOrder,
    RecoveryEnded,
    ReplaceOrder,
    TradesFound,
)
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.outbox import (
    FLUSH_WITHIN_S,
    RETRY_S,
    Committed,
    Flush,
    FlushDue,
    Outbox,
)
from dogwatch.actors.placing import (
    amended_terms,
    check_amendable,
    check_settled,
    no_session,
    no_such_order,
    placing_call,
    replacing_call,
    sent_order,
    terms_of,
    too_late,
)
from dogwatch.actors.sender import AMENDING, CANCELING, PLACING, QUERYING, REPLACING, Sender
from dogwatch.actors.session_messages import (
    Call,
    LateResponse,
    LogonFailed,
    SessionLost,
    SessionReady,
    SessionTopics,
    Speaker,
)
from dogwatch.actors.spot.account_requests import QueryOrderStatus
from dogwatch.actors.spot.envelope import UserEvent
from dogwatch.actors.spot.errors import NotSent, Rejected
from dogwatch.actors.spot.order import Amend, Life, Order, Request
from dogwatch.actors.spot.order_events import (
    AmendSent,
    AmendUnknown,
    CancelSent,
    CancelUnknown,
    OrderEvent,
)
from dogwatch.actors.spot.order_requests import (
    OrderAmendKeepPriority,
    OrderCancel,
    OrderCancelReplace,
    OrderPlace,
)
from dogwatch.actors.spot.outcome import Unknown
from dogwatch.actors.spot.user_events import ExecutionReport
from dogwatch.actors.symbols import SymbolTable
from dogwatch.actors.waiting import Waiters
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Answer, Message
from dogwatch.runtime.overflow import Overflow
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.reply import Reply

ADOPTED_NAMED = 3
ANSWER_LOST = "the tracker was restarted; the answer may be lost"
NOT_UNDERSTOOD = "its answer cannot be understood"


class LifeBegan(Message, frozen=True, kw_only=True):
    """What waited in the mailbox before this was told to an earlier life: no word of it about the session is new."""


class RotateMarks(Message, frozen=True, kw_only=True):
    """A timer's message: let the watermarks rise over what has lain still."""


class Orders(Actor):
    """Places, cancels, amends, replaces and queries orders, and follows what the exchange tells of them.

    Whenever events may have been missed it opens a gap: strategies place nothing and events are held back until a
    recovery has closed it, so that what was missed is told first.
    """

    lanes = (
        Lane(
            "cancels",
            accepts=(CancelOrder, CancelStrategyOrders, EndAllOrders, CancelDoomed),
            capacity=65_536,
            is_direct=True,
        ),
        # Answers and events share a lane: so they are seen in the order in which they came over the wire.
        Lane(
            "evidence",
            accepts=(
                *(Answer, UserEvent, LateResponse, SessionReady, SessionLost, LogonFailed, LifeBegan),
                *(Evidence, OrdersFound, TradesFound, RecoveryEnded, Committed),
            ),
            capacity=65_536,
            overflow=Overflow.STOP,
            is_direct=True,
        ),
        Lane("queries", accepts=(QueryOrder, AwaitClosed, AwaitReady), capacity=4_096, is_direct=True),
        Lane("intents", accepts=(PlaceOrder, AmendOrder, ReplaceOrder), capacity=256, is_direct=True),
        # Behind everything else: so one commit serves all the orders that waited.
        Lane("journal", accepts=(Flush, FlushDue, RotateMarks), capacity=3, conflate_by=type),
    )

    def __init__(
        self,
        *,
        session: ActorRef[Speaker],
        session_topics: SessionTopics,
        symbols: SymbolTable,
        table: OrderTable,
        topics: OrderTopics,
        halts: HaltSwitch,
        clock: Clock,
        guard: FilterGuard | None = None,
    ) -> None:
        self._session_topics = session_topics
        self._symbols = symbols
        self._table = table
        self._topics = topics
        self._halts = halts
        self._clock = clock
        self._guard = guard or FilterGuard(symbols=symbols, table=table)
        self._books = Bookkeeper(
            table=table,
            topics=topics,
            symbols=symbols,
            clock=clock,
            alarm=self._alarm,
            wrote=self._flush_later,
            settled=self._settle,
        )
        self._apply = self._books.apply
        self._waiters = Waiters()
        self._sender = Sender(
            session=session,
            table=table,
            halts=halts,
            waiters=self._waiters,
            apply=self._apply,
            enter_sent=self._books.enter_sent,
        )
        self._now_s: Callable[[], float]  # the mailbox's, from on_start on
        self._has_begun = False
        self._outbox: Outbox | None = None
        self._is_flush_due = False
        self._is_cancel_due = False
        self._ready_replies: list[Reply[None]] = []
        self._ended_replies: list[Reply[None]] = []
        self.refused_here = self.adopted = self.alarms = 0

    async def on_start(self) -> None:
        self._now_s = self.ref.mailbox.now
        if self._table.journal is not None:
            self._outbox = Outbox(
                self._table.journal,
                mailbox=self.ref.mailbox,
                send=self._sender.hand_over,
                turn_back=self._sender.turn_back,
                flush_later=self._flush_later,
                alarm=self._alarm,
                log=self.log,
            )
        self._sender.begin(self.ref, self._outbox)
        for request in (OrderPlace, OrderCancel, OrderCancelReplace, OrderAmendKeepPriority, QueryOrderStatus):
            request.prepare()
        topics = self._session_topics
        self._sender.is_session_ready = isinstance(topics.states.last, SessionReady)
        for topic in (topics.states, topics.user_events, topics.late_responses):
            self.subscribe(topic)
        self.ref.tell(LifeBegan())
        self.tap(self._symbols.loaded, lambda _event: self._answer_ready())
        self.tell_every(ROTATE_EVERY_S, RotateMarks())
        for order in tuple(self._table.all_live()):
            self._doubt_answers(order)
        if self._sender.is_session_ready:
            self._books.open_gap("the tracker was started")

    async def run(self) -> None:
        self._table.is_tracked = True
        try:
            await self.serve()
        finally:
            self._table.is_tracked = self._sender.is_session_ready = False
            self._sender.turn_back_all(NotSent("the tracker has stopped", hint="it was not sent and will not be"))

    def statistics(self) -> dict[str, Any]:
        live = tuple(self._table.all_live())
        return {
            "live": len(live),
            "unknown": sum(order.is_unknown for order in live),
            "caught_up": self._books.is_caught_up,
            "held": self._books.held,
            "outbox": len(self._sender),
            "refused_here": self.refused_here,
            "adopted": self.adopted,
            "external": self._books.external,
            "alarms": self.alarms,
        }

    def summary(self) -> str:
        live = tuple(self._table.all_live())
        unknown = sum(order.is_unknown for order in live)
        words = [
            *(["HALTED"] if self._halts.halt is not None else []),
            *([f"{unknown} UNKNOWN"] if unknown else []),
            *([] if self._books.is_caught_up else ["behind"]),
            f"{len(live)} live",
        ]
        return ", ".join(words)

    # Commands.

    def on_place_order(self, intent: PlaceOrder, reply: Reply[Order]) -> None:
        now_s = self._now_s()
        try:
            order = self._drafted(intent, now_s)
            call = placing_call(order)
        except (NotSent, ValueError, TypeError) as refusal:
            self._refuse(reply, refusal)
            return
        self._sender.place(order, call, intent.deadline_s, reply, now_s=now_s)

    def on_replace_order(self, command: ReplaceOrder, reply: Reply[Order]) -> None:
        intent, name, now_s = command.placing, command.client_order_id, self._now_s()
        old = self._table.get(name)
        try:
            if old is None:
                raise no_such_order(name, "replace")
            if intent.symbol != old.symbol:
                raise NotSent(f"an order on {old.symbol} cannot be replaced by one on {intent.symbol}")
            check_settled(old, "replaced")
            order = self._drafted(intent, now_s)
            call = replacing_call(old, order)
        except (NotSent, ValueError, TypeError) as refusal:
            self._refuse(reply, refusal)
            return
        self._apply(old, CancelSent())
        self._sender.place(order, call, intent.deadline_s, reply, now_s=now_s, replaces=name)

    def on_amend_order(self, command: AmendOrder, reply: Reply[Order]) -> None:
        name, quantity, now_s = command.client_order_id, command.quantity, self._now_s()
        order = self._table.get(name)
        if order is not None and order.is_closed:
            reply.send(order)
            return
        try:
            if order is None:
                raise no_such_order(name, "amend")
            self._check_open(command.deadline_s, now_s)
            check_amendable(order, quantity)
            self._guard.check_amending(order, amended_terms(order, quantity))
            request = OrderAmendKeepPriority(
                symbol=order.symbol, order_id=order.order_id, new_qty=quantity, new_client_order_id=name
            )
            call = Call.of(request)
        except (NotSent, ValueError, TypeError) as refusal:
            self._refuse(reply, refusal)
            return
        self._waiters.amending.add(name, reply)
        self._apply(order, AmendSent(quantity))
        self._sender.request(AMENDING, call, name, command.deadline_s - now_s)

    def on_cancel_order(self, command: CancelOrder, reply: Reply[Order]) -> None:
        name = command.client_order_id
        order = self._table.get(name)
        if order is None:
            reply.fail(no_such_order(name, "cancel"))
        elif order.is_closed or self._sender.withdraw(name):
            reply.send(self._table.latest(order))
        elif not self._sender.is_session_ready:
            reply.fail(no_session())
        else:
            self._waiters.canceling.add(name, reply)
            self._sender.cancel(order, command.deadline_s - self._now_s())

    def on_cancel_strategy_orders(self, command: CancelStrategyOrders, reply: Reply[int]) -> None:
        names = [order.client_order_id for order in self._table.live(command.strategy)]
        self._sender.doom(names)
        self._waiters.add_sweep(names, reply)
        self._cancel_doomed()

    def on_end_all_orders(self, _command: EndAllOrders, reply: Reply[None]) -> None:
        self._ended_replies = [*(waiting for waiting in self._ended_replies if not waiting.done), reply]
        self._end_all()

    def on_cancel_doomed(self, _message: CancelDoomed) -> None:
        self._is_cancel_due = False
        self._cancel_doomed()

    def on_query_order(self, command: QueryOrder, reply: Reply[Order]) -> None:
        name = command.client_order_id
        order = self._table.get(name)
        if order is None:
            reply.fail(no_such_order(name, "query"))
        elif not self._sender.is_session_ready:
            reply.fail(no_session())
        elif not self._waiters.querying.add(name, reply):  # else somebody asks already
            by_name = name if order.order_id is None else None  # a cancel may have given it another one
            request = QueryOrderStatus(symbol=order.symbol, order_id=order.order_id, orig_client_order_id=by_name)
            self._sender.request(QUERYING, Call.of(request), name, command.deadline_s - self._now_s())

    def on_await_closed(self, query: AwaitClosed, reply: Reply[Order]) -> None:
        order = self._table.get(query.client_order_id)
        if order is None:
            reply.fail(no_such_order(query.client_order_id, "wait for"))
        elif order.is_closed:
            reply.send(order)
        else:
            self._waiters.ending.add(query.client_order_id, reply)

    def on_await_ready(self, _query: AwaitReady, reply: Reply[None]) -> None:
        self._ready_replies.append(reply)
        self._answer_ready()

    # Evidence.

    def on_answer(self, answer: Answer) -> None:
        kind, name = answer.tag[:2]
        if kind == REPLACING:
            self._on_replacing_answer(answer, new_name=name, old_name=answer.tag[2])
            return
        order = self._table.get(name)
        if order is None:
            return  # it ended, and was forgotten, before the answer came
        if kind == PLACING:
            event = event_of_placing(answer)
            self._on_placing_answer(order, event, error_of(event))
        elif kind == CANCELING:
            self._on_canceling_answer(order, event_of_canceling(answer))
        elif kind == AMENDING:
            self._on_amending_answer(order, event_of_amending(answer))
        else:
            found = event_of_query(answer)
            self._waiters.querying.send(name, order if found is None else self._apply(order, found))

    def on_evidence(self, evidence: Evidence) -> None:
        self._books.enter_evidence(evidence)

    def on_orders_found(self, found: OrdersFound) -> None:
        adopted = self._books.enter_listed(found.reports)
        if adopted:  # one line for all: after the loss of a journal there may be thousands
            self.adopted += len(adopted)
            text = "orders with ids of ours were not on record here: adopted"
            self.log.warning(text, count=len(adopted), orders=adopted[:ADOPTED_NAMED])

    def on_trades_found(self, found: TradesFound) -> tuple[int, ...]:
        return self._books.enter_trades(found.trades)

    def on_user_event(self, message: UserEvent) -> None:
        if isinstance(message.event, ExecutionReport):
            self._books.hear(message.event)

    def on_late_response(self, late: LateResponse) -> None:
        self._books.enter_late(late)

    def on_life_began(self, _message: LifeBegan) -> None:
        self._has_begun = True

    def on_session_ready(self, _event: SessionReady) -> None:
        if not self._has_begun:
            return
        self._sender.is_session_ready = True
        self._books.open_gap("a new session")
        self._answer_ready()
        self._sender.hurry()
        self._cancel_doomed()

    def on_session_lost(self, _event: SessionLost | LogonFailed) -> None:
        if not self._has_begun:
            return
        self._sender.is_session_ready = False
        self._books.doubt()
        self._sender.turn_back_all(no_session())

    async def on_recovery_ended(self, ended: RecoveryEnded) -> None:
        await self._books.end_recovery(ended)
        self._answer_ready()
        self._end_all_while_halted()

    # The journal.

    def on_flush(self, _message: Flush) -> None:
        if self._outbox is not None:
            self._outbox.flush()

    def on_flush_due(self, _message: FlushDue) -> None:
        self._is_flush_due = False
        outbox = self._outbox
        if outbox is None:
            return
        outbox.flush()
        self._sender.turn_back_overdue()
        if outbox.is_busy:
            self._flush_later()

    def on_committed(self, committed: Committed) -> None:
        if committed.outbox is self._outbox:  # what waited in an earlier life was turned back at its end
            committed.outbox.settle(committed.group, committed.error)

    def on_rotate_marks(self, _message: RotateMarks) -> None:
        """Marks rise by what events tell, and only while none can be missing."""
        if self._sender.is_session_ready and self._books.is_caught_up:
            self._books.rotate_marks()
        self._end_all_while_halted()
        if self._outbox is not None:
            self._outbox.compact(self._clock.unix_ms())

    def _flush_later(self) -> None:
        outbox = self._outbox
        if outbox is not None and not self._is_flush_due:
            self._is_flush_due = True
            self.tell_after(RETRY_S if outbox.is_failing else FLUSH_WITHIN_S, FlushDue())

    # What commands have in common.

    def _check_open(self, deadline_s: float, now_s: float) -> None:
        """Raises NotSent when nothing new may be sent now."""
        if not self._sender.is_session_ready:
            raise no_session()
        if not self._books.is_caught_up:
            hint = "what was missed is being asked for; try again in a moment"
            raise NotSent("the record of the orders is not caught up with the exchange's", hint=hint)
        if self._outbox is not None:
            self._outbox.check()
        if deadline_s <= now_s:
            raise too_late()

    def _drafted(self, intent: PlaceOrder, now_s: float) -> Order:
        """Raises NotSent for what may not be sent, ValueError for a strategy's name that cannot be part of an id."""
        if self._halts.halt is not None:
            raise self._halts.refusal()
        self._check_open(intent.deadline_s, now_s)
        self._guard.check_placing(intent.symbol, terms_of(intent))
        name = self._table.next_client_order_id(intent.strategy, intent.life)
        if self._table.get(name) is not None:
            # The exchange takes a repeated id as soon as the first order has filled: then there would be two of them.
            self._alarm(f"the client order id {name} was to be used again")
            raise NotSent(f"the client order id {name} was given to another order before", hint="restart the process")
        return sent_order(intent, client_order_id=name, now_ms=self._clock.unix_ms())

    def _refuse(self, reply: Reply[Order], refusal: Exception) -> None:
        self.refused_here += 1
        reply.fail(refusal)

    def _cancel_doomed(self) -> None:
        if self._sender.cancel_doomed() and not self._is_cancel_due:
            self._is_cancel_due = True
            self.tell_after(CANCEL_AGAIN_S, CancelDoomed())

    def _end_all(self) -> None:
        self._sender.doom([order.client_order_id for order in self._table.all_live()])
        self._cancel_doomed()
        self._answer_ended()

    def _end_all_while_halted(self) -> None:
        """What comes to light during a halt, by a list or by late evidence, has to be ended as well."""
        if self._halts.halt is not None or self._ended_replies:
            self._end_all()

    def _answer_ended(self) -> None:
        if self._books.is_caught_up and not any(self._table.all_live()):
            _answer_all(self._ended_replies)

    def _doubt_answers(self, order: Order) -> None:
        """An earlier life may have died over the answer to a request: then nobody will hear of it any more."""
        if order.life is Life.SENT:
            order = self._apply(order, Unknown(reason=ANSWER_LOST))
        if order.request is Request.CANCELING:
            order = self._apply(order, CancelUnknown(ANSWER_LOST))
        if order.amend is Amend.AMENDING:
            order = self._apply(order, AmendUnknown(ANSWER_LOST))

    # What evidence leads to.

    # After its answer nothing is on its way any more: what the answer does not settle is in doubt.

    def _on_placing_answer(self, order: Order, event: OrderEvent, error: NotSent | Rejected | None) -> None:
        changed = self._books.enter_answer(order, event)
        if changed.life is Life.SENT and not changed.is_unknown:
            changed = self._apply(changed, Unknown(reason=NOT_UNDERSTOOD))
        self._waiters.answer_placing(changed, error)

    def _on_canceling_answer(self, order: Order, event: OrderEvent, *, is_replacing: bool = False) -> None:
        changed = self._apply(order, event)
        if changed.request is Request.CANCELING:
            event = CancelUnknown(NOT_UNDERSTOOD)
            changed = self._apply(changed, event)
        refusal = error_of(event) if is_replacing else None
        if refusal is not None and changed.request is Request.NONE:
            self._sender.cancel_after_all(changed, refusal)
        else:
            self._waiters.answer_canceling(changed, event)

    def _on_amending_answer(self, order: Order, event: OrderEvent) -> None:
        changed = self._apply(order, event)
        if changed.amend is Amend.AMENDING:
            changed = self._apply(changed, AmendUnknown(NOT_UNDERSTOOD))
        if changed.amend is Amend.IN_DOUBT:
            self._waiters.amending.send(changed.client_order_id, changed)

    def _on_replacing_answer(self, answer: Answer, *, new_name: str, old_name: str) -> None:
        """Each part is judged by itself; whoever replaces learns of both."""
        of_cancel, of_placing = events_of_replacing(answer)
        old, new = self._table.get(old_name), self._table.get(new_name)
        if old is not None:
            self._on_canceling_answer(old, of_cancel, is_replacing=True)
        if new is not None:
            self._on_placing_answer(new, of_placing, error_of_replacing(of_cancel, of_placing))

    def _settle(self, order: Order, event: OrderEvent) -> None:
        if order.is_closed:
            self._sender.spare(order.client_order_id)
        self._waiters.settle(order, event)
        if self._ended_replies:
            self._answer_ended()

    def _answer_ready(self) -> None:
        if self._sender.is_session_ready and self._books.is_caught_up and self._symbols.is_loaded:
            _answer_all(self._ready_replies)

    def _alarm(self, text: str) -> None:
        self.alarms += 1
        self.log.error("alarm", text=text)


def _answer_all(replies: list[Reply[None]]) -> None:
    for reply in replies:
        if not reply.done:
            reply.send(None)
    replies.clear()
