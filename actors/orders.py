"""The Orders actor: every order of one account, from the intent to its known end. It alone writes the order table.

It waits for nothing: requests go to the session as asynchronous asks, whose answers come back as messages, so one slow
answer delays no other order. What a message means for an order is decided in `spot/order_state.py`; asking about
orders in doubt is `reconciler.py`'s work, comparing the whole record `recovery.py`'s, checking
and drafting what strategies intend `drafting.py`'s, putting requests on the wire `sender.py`'s, and what their answers
lead to `outcomes.py`'s; which orders a strategy leaves behind is `risk.py`'s.
"""

from collections.abc import Callable
from typing import Any

from dogwatch.actors.bookkeeper import ROTATE_EVERY_S, Bookkeeper
from dogwatch.actors.catching_up import catch_up
from dogwatch.actors.doomed import CANCEL_AGAIN_S
from dogwatch.actors.drafting import Drafting
from dogwatch.actors.filter_guard import FilterGuard
from dogwatch.actors.halt import HaltSwitch
from dogwatch.actors.order_messages import (
    AmendOrder,
    AwaitClosed,
    AwaitReady,
    CancelDoomed,
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
from dogwatch.actors.outbox import Outbox
from dogwatch.actors.outbox_messages import Committed, Flush, FlushDue
from dogwatch.actors.outcomes import Outcomes
from dogwatch.actors.placing import no_session, no_such_order
from dogwatch.actors.sender import QUERYING, Sender
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
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.order import Order
from dogwatch.actors.spot.order_requests import (
    OrderAmendKeepPriority,
    OrderCancel,
    OrderCancelReplace,
    OrderPlace,
)
from dogwatch.actors.symbols import SymbolTable
from dogwatch.actors.waiting import Waiters, answer_all
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Answer, Message
from dogwatch.runtime.overflow import Overflow
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.reply import Reply

ADOPTED_NAMED = 3


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
        self._books = Bookkeeper(
            table=table,
            topics=topics,
            symbols=symbols,
            clock=clock,
            alarm=self._alarm,
        )
        self._waiters = Waiters()
        self._sender = Sender(
            session=session,
            table=table,
            books=self._books,
            halts=halts,
            waiters=self._waiters,
        )
        self._drafting = Drafting(
            table=table,
            books=self._books,
            sender=self._sender,
            waiters=self._waiters,
            guard=guard or FilterGuard(symbols=symbols, table=table),
            halts=halts,
            clock=clock,
            alarm=self._alarm,
        )
        self._outcomes = Outcomes(table=table, books=self._books, sender=self._sender, waiters=self._waiters)
        self._now_s: Callable[[], float]  # the mailbox's, from on_start on
        self._has_begun = False
        self._outbox: Outbox | None = None
        self._is_cancel_due = False
        self._ready_replies: list[Reply[None]] = []
        self.adopted = self.alarms = 0

    async def on_start(self) -> None:
        self._now_s = self.ref.mailbox.now
        if self._table.journal is not None:
            self._outbox = Outbox(
                self._table.journal,
                mailbox=self.ref.mailbox,
                send=self._sender.hand_over,
                turn_back=self._sender.turn_back,
                tell_after=self.tell_after,
                alarm=self._alarm,
                log=self.log,
            )
        self._books.begin(self._outbox, settled=self._outcomes.settle)
        self._sender.begin(self.ref, self._outbox)
        self._drafting.begin(self._outbox)
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
            self._outcomes.doubt(order)
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
            "refused_here": self._drafting.refused,
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
        self._drafting.place(intent, reply, self._now_s())

    def on_replace_order(self, command: ReplaceOrder, reply: Reply[Order]) -> None:
        self._drafting.replace(command, reply, self._now_s())

    def on_amend_order(self, command: AmendOrder, reply: Reply[Order]) -> None:
        self._drafting.amend(command, reply, self._now_s())

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
        self._outcomes.await_all_ended(reply)
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
        self._outcomes.hear(answer)

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
        self._books.hear(message)

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
        await catch_up(self._books, ended)
        self._answer_ready()
        self._end_all_while_halted()

    # The journal.

    def on_flush(self, _message: Flush) -> None:
        if self._outbox is not None:
            self._outbox.flush()

    def on_flush_due(self, _message: FlushDue) -> None:
        outbox = self._outbox
        if outbox is None:
            return
        outbox.flush_due()
        self._sender.turn_back_overdue()
        if outbox.is_busy:
            outbox.flush_later()

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

    # What commands have in common.

    def _cancel_doomed(self) -> None:
        if self._sender.cancel_doomed() and not self._is_cancel_due:
            self._is_cancel_due = True
            self.tell_after(CANCEL_AGAIN_S, CancelDoomed())

    def _end_all(self) -> None:
        self._sender.doom([order.client_order_id for order in self._table.all_live()])
        self._cancel_doomed()
        self._outcomes.answer_all_ended()

    def _end_all_while_halted(self) -> None:
        """What comes to light during a halt, by a list or by late evidence, has to be ended as well."""
        if self._halts.halt is not None or self._outcomes.all_ended:
            self._end_all()

    def _answer_ready(self) -> None:
        if self._sender.is_session_ready and self._books.is_caught_up and self._symbols.is_loaded:
            answer_all(self._ready_replies)

    def _alarm(self, text: str) -> None:
        self.alarms += 1
        self.log.error("alarm", text=text)
