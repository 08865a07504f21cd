"""The Orders actor: every order of one account, from the intent to its known end. It alone writes the order table.

It waits for nothing: requests go to the session as asynchronous asks, whose answers come back as messages, so one slow
answer delays no other order. What a message means for an order is decided in `spot/order_state.py`; asking about
orders in doubt is `reconciler.py`'s work; which orders a strategy leaves behind is `risk.py`'s.
"""

from typing import Any

import trio

from dogwatch.actors.order_answers import (
    error_of,
    event_of_canceling,
    event_of_late_response,
    event_of_placing,
    event_of_query,
)
from dogwatch.actors.order_messages import (
    AwaitClosed,
    AwaitReady,
    CancelOrder,
    CancelStrategyOrders,
    Evidence,
    OrderChanged,
    PlaceOrder,
    QueryOrder,
    ReconcileWanted,
    TradesFound,
)
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.session import Call, LateResponse, LogonFailed, Session, SessionLost, SessionReady, SessionTopics
from dogwatch.actors.spot import methods
from dogwatch.actors.spot.envelope import UserEvent
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.fills import Fill
from dogwatch.actors.spot.filter_checks import Terms, check
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Life, Order, Request
from dogwatch.actors.spot.order_events import (
    Action,
    Alarm,
    CancelSent,
    CancelUnknown,
    OrderEvent,
    PublishFill,
    QueryFound,
    Reconcile,
    Reported,
    Sent,
    UnexpectedEvent,
)
from dogwatch.actors.spot.order_state import apply
from dogwatch.actors.spot.outcome import Unknown
from dogwatch.actors.spot.results import AccountTrade
from dogwatch.actors.spot.user_events import ExecutionReport
from dogwatch.actors.symbols import SymbolTable
from dogwatch.actors.waiting import Sweep, Waiting
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.mailbox import Lane, Overflow
from dogwatch.runtime.messages import Answer, Message
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.reply import Reply

CANCEL_AGAIN_S, CANCEL_AGAIN_S_MAX = 1.0, 10.0
"""How long after a cancel that came to nothing the next one is sent, for orders that have to be ended: doubling."""
CANCEL_WITHIN_S = 15.0
"""How long such a cancel is waited for: longer than the exchange waits for its engine."""

ANSWER_LOST = "the tracker was restarted; the answer may be lost"

PLACING, CANCELING, QUERYING = "placing", "canceling", "querying"


class CancelDoomed(Message, frozen=True, kw_only=True):
    """A timer's message: look after the orders that have to be ended."""


class Doom:
    """When the next cancel of an order that has to be ended may be sent."""

    __slots__ = ("_again_s", "due_s")

    def __init__(self) -> None:
        self.due_s = 0.0
        self._again_s = CANCEL_AGAIN_S

    def put_off(self, now_s: float) -> None:
        """A cancel is sent now: the next one later, ever later."""
        self.due_s = now_s + self._again_s
        self._again_s = min(2 * self._again_s, CANCEL_AGAIN_S_MAX)


class Orders(Actor):
    """Places, cancels and queries orders, follows what the exchange tells of them, and publishes every change."""

    lanes = (
        Lane("cancels", accepts=(CancelOrder, CancelStrategyOrders, CancelDoomed), capacity=65_536),
        # Answers and events share a lane: so they are seen in the order in which they came over the wire.
        Lane(
            "evidence",
            accepts=(Answer, UserEvent, LateResponse, SessionReady, SessionLost, LogonFailed, Evidence, TradesFound),
            capacity=65_536,
            overflow=Overflow.STOP,
        ),
        Lane("queries", accepts=(QueryOrder, AwaitClosed, AwaitReady), capacity=4_096),
        Lane("intents", accepts=(PlaceOrder,), capacity=256),
    )

    def __init__(
        self,
        *,
        session: ActorRef[Session],
        session_topics: SessionTopics,
        symbols: SymbolTable,
        table: OrderTable,
        topics: OrderTopics,
        clock: Clock,
    ) -> None:
        self._session = session
        self._session_topics = session_topics
        self._symbols = symbols
        self._table = table
        self._topics = topics
        self._clock = clock
        self._is_session_ready = False
        self._placing: Waiting[Order] = Waiting()
        self._canceling: Waiting[Order] = Waiting()
        self._querying: Waiting[Order] = Waiting()
        self._ending: Waiting[Order] = Waiting()
        self._doomed: dict[str, Doom] = {}
        self._sweeps: list[Sweep] = []
        self._is_cancel_due = False
        self._ready_replies: list[Reply[None]] = []
        self.refused_here = 0
        self.external = 0
        self.alarms = 0

    async def on_start(self) -> None:
        topics = self._session_topics
        self._is_session_ready = isinstance(topics.states.last, SessionReady)
        for topic in (topics.states, topics.user_events, topics.late_responses):
            self.subscribe(topic)
        self.tap(self._symbols.loaded, lambda _event: self._answer_ready())
        for order in tuple(self._table.all_live()):
            self._doubt_answers(order)
        self._want_missing_fills()

    async def run(self) -> None:
        self._table.is_tracked = True
        try:
            await self.serve()
        finally:
            self._table.is_tracked = False

    def statistics(self) -> dict[str, Any]:
        live = tuple(self._table.all_live())
        return {
            "live": len(live),
            "unknown": sum(order.is_unknown for order in live),
            "refused_here": self.refused_here,
            "external": self.external,
            "alarms": self.alarms,
        }

    # Commands.

    def on_place_order(self, intent: PlaceOrder, reply: Reply[Order]) -> None:
        now_s = trio.current_time()
        try:
            self._check(intent, now_s)
            order = self._drafted(intent)
            call = Call(method=Method.ORDER_PLACE, params=_placing_params(order))
        except (NotSent, ValueError, TypeError) as refusal:
            self.refused_here += 1
            reply.fail(refusal)
            return
        name = order.client_order_id
        self._placing.add(name, reply)
        self._apply(order, Sent())
        self._session.request(call, reply_to=self.ref, tag=(PLACING, name), within_s=intent.deadline_s - now_s)

    def on_cancel_order(self, command: CancelOrder, reply: Reply[Order]) -> None:
        name = command.client_order_id
        order = self._table.get(name)
        if order is None:
            reply.fail(NotSent(f"there is no order {name} here", hint="cancel what place() has returned"))
        elif order.is_closed:
            reply.send(order)
        elif not self._is_session_ready:
            reply.fail(_no_session())
        else:
            self._canceling.add(name, reply)
            if order.request is not Request.CANCELING:  # one on its way serves all who wait
                self._cancel(order, command.deadline_s - trio.current_time())

    def on_cancel_strategy_orders(self, command: CancelStrategyOrders, reply: Reply[int]) -> None:
        names = [order.client_order_id for order in self._table.live(command.strategy)]
        for name in names:
            self._doomed.setdefault(name, Doom())
        sweep = Sweep(names, reply)
        sweep.answer_if_done()
        if not sweep.is_done:
            self._sweeps.append(sweep)
        self._cancel_doomed()

    def on_cancel_doomed(self, _message: CancelDoomed) -> None:
        self._is_cancel_due = False
        self._cancel_doomed()

    def on_query_order(self, command: QueryOrder, reply: Reply[Order]) -> None:
        name = command.client_order_id
        order = self._table.get(name)
        if order is None:
            reply.fail(NotSent(f"there is no order {name} here", hint="query what place() has returned"))
        elif not self._is_session_ready:
            reply.fail(_no_session())
        elif name in self._querying:
            self._querying.add(name, reply)
        else:
            self._querying.add(name, reply)
            params = methods.query_order(symbol=order.symbol, client_order_id=name)
            self._request(QUERYING, Method.ORDER_STATUS, params, name, command.deadline_s - trio.current_time())

    def on_await_closed(self, query: AwaitClosed, reply: Reply[Order]) -> None:
        order = self._table.get(query.client_order_id)
        if order is None:
            reply.fail(NotSent(f"there is no order {query.client_order_id} here", hint="wait for your own orders only"))
        elif order.is_closed:
            reply.send(order)
        else:
            self._ending.add(query.client_order_id, reply)

    def on_await_ready(self, _query: AwaitReady, reply: Reply[None]) -> None:
        self._ready_replies.append(reply)
        self._answer_ready()

    # Evidence.

    def on_answer(self, answer: Answer) -> None:
        kind, name = answer.tag
        order = self._table.get(name)
        if order is None:
            return  # it ended, and was forgotten, before the answer came
        if kind == PLACING:
            self._on_placing_answer(order, event_of_placing(answer))
        elif kind == CANCELING:
            self._on_canceling_answer(order, event_of_canceling(answer))
        else:
            event = event_of_query(answer)
            self._querying.send(name, order if event is None else self._apply(order, event))

    def on_evidence(self, evidence: Evidence) -> None:
        order = self._table.get(evidence.client_order_id)
        if order is not None:
            self._apply(order, evidence.event, is_recovered=True)

    def on_trades_found(self, found: TradesFound) -> tuple[int, ...]:
        unknown: dict[int, None] = {}
        for trade in found.trades:
            order = self._table.by_order_id(trade.symbol, trade.order_id)
            if order is None:
                unknown[trade.order_id] = None
            else:
                self._book(_recovered_fill(order, trade))
        return tuple(unknown)

    def on_user_event(self, message: UserEvent) -> None:
        if isinstance(message.event, ExecutionReport):
            self._report(message.event)

    def on_late_response(self, late: LateResponse) -> None:
        """Nobody waits for it any more, and it is evidence all the same."""
        name = late.params.get("newClientOrderId") or late.params.get("origClientOrderId")
        order = self._table.get(name) if isinstance(name, str) else None
        event = event_of_late_response(late.method, late.response)
        if order is not None and event is not None:
            self._apply(order, event)

    def on_session_ready(self, _event: SessionReady) -> None:
        self._is_session_ready = True
        self._answer_ready()
        for name in self._doomed:
            self._doomed[name] = Doom()
        self._cancel_doomed()
        self._want_missing_fills()

    def on_session_lost(self, _event: SessionLost | LogonFailed) -> None:
        self._is_session_ready = False

    # What commands have in common.

    def _check(self, intent: PlaceOrder, now_s: float) -> None:
        """Refuse what would be stale, or what the exchange would refuse for certain, before it is sent."""
        if not self._is_session_ready:
            raise _no_session()
        if intent.deadline_s <= now_s:
            raise NotSent("the order is too old to be sent: its deadline has passed", hint="raise within_s")
        rules = self._symbols.get(intent.symbol)
        if rules is None:
            raise NotSent(
                f"the rules of {intent.symbol} are not known",
                hint=f"configured and loaded are: {', '.join(self._symbols.names()) or 'none'}",
            )
        terms = Terms(
            side=intent.side,
            type=intent.order_type,
            quantity=intent.quantity,
            quote_quantity=intent.quote_quantity,
            price=intent.price,
        )
        try:
            failures = check(rules, terms)
        except ArithmeticError:
            hint = "round them with the symbol's rules: round_price and round_quantity"
            raise NotSent("price or quantity has more digits than the exchange reads", hint=hint) from None
        if failures:
            reasons = "; ".join(f"{failure.problem} ({failure.filter})" for failure in failures)
            raise NotSent(reasons, hint=failures[0].hint)

    def _drafted(self, intent: PlaceOrder) -> Order:
        return Order(
            client_order_id=self._table.next_client_order_id(intent.strategy, intent.life),
            strategy=intent.strategy,
            symbol=intent.symbol,
            side=intent.side,
            type=intent.order_type,
            time_in_force=intent.time_in_force,
            quantity=intent.quantity,
            quote_quantity=intent.quote_quantity,
            price=intent.price,
            created_ms=self._clock.unix_ms(),
        )

    def _cancel(self, order: Order, within_s: float) -> None:
        name = order.client_order_id
        params = methods.cancel_order(symbol=order.symbol, client_order_id=name)
        self._apply(order, CancelSent())
        self._request(CANCELING, Method.ORDER_CANCEL, params, name, within_s)

    def _request(self, kind: str, method: Method, params: methods.Params, name: str, within_s: float) -> None:
        call = Call(method=method, params=params)
        self._session.request(call, reply_to=self.ref, tag=(kind, name), within_s=within_s)

    def _cancel_doomed(self) -> None:
        """Send a cancel for every order that has to be ended and has none on its way; look again a little later."""
        now_s = trio.current_time()
        for name, doom in tuple(self._doomed.items()):
            order = self._table.get(name)
            if order is None or order.is_closed:
                del self._doomed[name]
            elif self._is_session_ready and order.request is not Request.CANCELING and doom.due_s <= now_s:
                doom.put_off(now_s)
                self._cancel(order, CANCEL_WITHIN_S)
        if self._doomed and not self._is_cancel_due:
            self._is_cancel_due = True
            self.tell_after(CANCEL_AGAIN_S, CancelDoomed())

    def _doubt_answers(self, order: Order) -> None:
        """An earlier life may have died over the answer to a request: then nobody will hear of it any more."""
        if order.life is Life.SENT:
            order = self._apply(order, Unknown(reason=ANSWER_LOST))
        if order.request is Request.CANCELING:
            order = self._apply(order, CancelUnknown(ANSWER_LOST))
        self._want(order.client_order_id, "the tracker was restarted")

    # What evidence leads to.

    def _on_placing_answer(self, order: Order, event: OrderEvent) -> None:
        changed = self._apply(order, event)
        error = error_of(event)
        if error is None or changed.life not in {Life.REJECTED, Life.NEVER_PLACED}:  # evidence denies the refusal
            self._placing.send(order.client_order_id, changed)
        else:
            self._placing.fail(order.client_order_id, error)

    def _on_canceling_answer(self, order: Order, event: OrderEvent) -> None:
        changed = self._apply(order, event)
        error = error_of(event)
        if error is not None and changed.request is Request.NONE and not changed.is_closed:
            self._canceling.fail(order.client_order_id, error)

    def _report(self, report: ExecutionReport) -> None:
        """An executionReport names the order as it is called now; after a cancel its own name is the original one."""
        order = self._table.get(report.original_client_order_id or report.client_order_id)
        if order is None:
            self.external += 1
            self._topics.external.publish(report)
            return
        changed = self._apply(order, Reported(report))
        if report.trade_id >= 0 and self._table.unbooked(changed) > 0:
            self._want(order.client_order_id, "fills are missing", trades=True)

    def _apply(self, order: Order, event: OrderEvent, *, is_recovered: bool = False) -> Order:
        try:
            changed, actions = apply(order, event, self._clock.unix_ms())
        except UnexpectedEvent as unexpected:
            self._alarm(str(unexpected))
            if not is_recovered:  # the same question would be answered in the same way
                self._want(order.client_order_id, "an event came that cannot be")
            return order
        if changed is not order:
            self._table.put(changed)
        for action in actions:
            if not (is_recovered and isinstance(action, Reconcile)):
                self._act(changed, action)
        if changed is not order:
            self._topics.publish_change(OrderChanged(order=changed, is_recovered=is_recovered))
            if changed.is_closed:
                self._ended(changed)
        if (changed.is_closed or isinstance(event, QueryFound)) and self._table.unbooked(changed) > 0:
            self._want(order.client_order_id, "fills are missing", trades=True)
        return changed

    def _act(self, order: Order, action: Action) -> None:
        if isinstance(action, PublishFill):
            self._book(action.fill)
        elif isinstance(action, Reconcile):
            self._want(order.client_order_id, action.reason)
        elif isinstance(action, Alarm):
            self._alarm(action.text)

    def _book(self, fill: Fill) -> None:
        rules = self._symbols.rules(fill.symbol)  # known, or the order would not have been sent
        if self._table.book(fill, base_asset=rules.base_asset, quote_asset=rules.quote_asset):
            self._topics.publish_fill(fill)

    def _want(self, name: str, reason: str, *, trades: bool = False) -> None:
        self._topics.reconcile.publish(ReconcileWanted(client_order_id=name, reason=reason, trades=trades))

    def _want_missing_fills(self) -> None:
        """What events would have told while nobody listened, also of orders whose end is known already."""
        for order in self._table.unexplained():
            self._want(order.client_order_id, "fills are missing", trades=True)

    def _alarm(self, text: str) -> None:
        self.alarms += 1
        self.log.error("alarm", text=text)

    def _ended(self, order: Order) -> None:
        name = order.client_order_id
        self._canceling.send(name, order)
        self._ending.send(name, order)
        self._doomed.pop(name, None)
        if self._sweeps:
            for sweep in self._sweeps:
                sweep.ended(name)
            self._sweeps = [sweep for sweep in self._sweeps if not sweep.is_done]

    def _answer_ready(self) -> None:
        if self._is_session_ready and self._symbols.is_loaded:
            for reply in self._ready_replies:
                if not reply.done:
                    reply.send(None)
            self._ready_replies.clear()


def _placing_params(order: Order) -> methods.Params:
    return methods.place_order(
        symbol=order.symbol,
        side=order.side,
        order_type=order.type,
        quantity=order.quantity,
        quote_order_quantity=order.quote_quantity,
        price=order.price,
        time_in_force=order.time_in_force,
        client_order_id=order.client_order_id,
    )


def _recovered_fill(order: Order, trade: AccountTrade) -> Fill:
    return Fill(
        symbol=trade.symbol,
        trade_id=trade.trade_id,
        order_id=trade.order_id,
        client_order_id=order.client_order_id,
        side=order.side,
        price=trade.price,
        quantity=trade.quantity,
        quote_quantity=trade.quote_quantity,
        commission=trade.commission,
        commission_asset=trade.commission_asset,
        is_maker=trade.is_maker,
        traded_ms=trade.time_ms,
        strategy=order.strategy,
    )


def _no_session() -> NotSent:
    return NotSent("there is no session with the exchange now", hint="it is being restored; try again in a moment")
