"""The bookkeeper: what is told of orders enters the order table here, and whoever follows them is told what changed.

Told by answers, events and lists. What a report means for an order is decided in `spot/order_state.py`; requests, and
who waits for their outcome, are `orders.py`'s.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from dogwatch.actors.order_answers import event_of_late_response, events_of_replacing_response
from dogwatch.actors.order_messages import CaughtUp, Evidence, GapOpened, OrderChanged, ReconcileWanted, RecoveryEnded
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.outbox import Outbox
from dogwatch.actors.session_messages import LateResponse
from dogwatch.actors.spot import client_order_id
from dogwatch.actors.spot.envelope import UserEvent
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.filters import SymbolRules
from dogwatch.actors.spot.mark import Mark
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import CLOSED, ZERO, Amend, Life, Order, Request
from dogwatch.actors.spot.order_acceptance import apply_acceptance
from dogwatch.actors.spot.order_events import (
    Acknowledged,
    Action,
    Alarm,
    AmendRefused,
    AmendUnknown,
    NeverPlaced,
    NotAmended,
    NotCanceled,
    OrderEvent,
    PublishFill,
    QueryFound,
    Reconcile,
    Reported,
    UnexpectedEvent,
)
from dogwatch.actors.spot.order_evidence import recovered_fill
from dogwatch.actors.spot.order_state import adopt, apply
from dogwatch.actors.spot.order_trade import apply_trade
from dogwatch.actors.spot.results import AccountTrade, OrderReport
from dogwatch.actors.spot.user_events import ExecutionReport
from dogwatch.actors.symbols import SymbolTable
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import MailboxFull

ROTATE_EVERY_S = 30.0
"""How often what was seen grows older for the watermarks: see `spot/marks.py`."""

HELD_MAX = 100_000
"""So many events are held back while a gap is open; with more the tracker's life ends, and the next asks for them."""
EXTERNAL_KEPT = 10_000
"""Of so many orders that are not ours it is remembered that they were told of."""


class Bookkeeper:
    """Writes the table, publishes changes and fills, and knows whether something may be missing.

    While a gap is open events are held back, so that what was missed before them is told first. `alarm` is told what
    a person should look at; `settled`, which comes with `begin`, is called after an order has ended, and after nothing
    more can come of its amend or of a cancel in doubt, with the event that did it.
    """

    def __init__(
        self,
        *,
        table: OrderTable,
        topics: OrderTopics,
        symbols: SymbolTable,
        clock: Clock,
        alarm: Callable[[str], None],
    ) -> None:
        self._table = table
        self._topics = topics
        self._symbols = symbols
        self._clock = clock
        self._alarm = alarm
        self._outbox: Outbox | None = None
        self._settled: Callable[[Order, OrderEvent], None]
        self._gap: int | None = None
        self._held: list[ExecutionReport] = []
        self._externals: dict[tuple[str, int], None] = {}
        self._ruleless: set[str] = set()
        self.is_caught_up = False
        """Whether everything that the exchange has told, and would tell if it were asked, is entered here."""
        self.external = 0
        """Orders that are not ours."""

    def begin(self, outbox: Outbox | None, *, settled: Callable[[Order, OrderEvent], None]) -> None:
        """A life of the tracker begins. The `outbox`, if there is a journal, has what is written here committed."""
        self._outbox = outbox
        self._settled = settled

    @property
    def held(self) -> int:
        """How many events wait for the gap to be closed."""
        return len(self._held)

    # What is told.

    def apply(self, order: Order, event: OrderEvent, *, is_recovered: bool = False) -> Order:
        """Enter what happened to an order. Returns its new snapshot, the same one if nothing changed."""
        try:
            changed, actions = apply(order, event, self._clock.unix_ms())
        except UnexpectedEvent as unexpected:
            self._alarm(str(unexpected))
            if not is_recovered:  # the same question would be answered in the same way
                self._want(order, "an event came that cannot be")
            return order
        if changed is not order:
            self._table.put(changed)
            self._wrote()
        for action in actions:
            if not (is_recovered and isinstance(action, Reconcile)):
                self._act(changed, action)
        is_closed = changed.life in CLOSED
        if changed is not order:
            self._topics.publish_change(OrderChanged(order=changed, is_recovered=is_recovered))
            if is_closed or _is_settled(order, changed):
                self._settled(changed, event)
        if (is_closed or event.__class__ is QueryFound) and self._table.is_unexplained(changed):
            self._want_trades(changed)
        return changed

    def enter_answer(self, order: Order, event: OrderEvent) -> Order:
        """`apply` for the answer to order.place: in a straight line where it was taken, and nothing has filled."""
        accepted: Order | None = None
        if isinstance(event, Acknowledged):
            accepted = apply_acceptance(order, event.report, self._clock.unix_ms())
        if accepted is None:
            return self.apply(order, event)
        self._table.put_accepted(accepted)
        self._wrote()
        self._topics.publish_change(OrderChanged(order=accepted))
        if accepted.life in CLOSED:
            self._settled(accepted, event)
        return accepted

    def enter_sent(self, order: Order) -> None:
        """Enter a new order, which is on its way from now on."""
        self._table.add_sent(order)
        self._wrote()
        self._topics.publish_change(OrderChanged(order=order))

    def hear(self, message: UserEvent) -> None:
        """Enter an event of the stream, or hold it back. Raises MailboxFull when too many are held."""
        report = message.event
        if not isinstance(report, ExecutionReport):
            return
        if self.is_caught_up:
            self.enter(report)
        elif len(self._held) < HELD_MAX:
            self._held.append(report)
        else:
            hint = "the recovery is too slow for them"
            raise MailboxFull(f"{HELD_MAX} events came while the record was not caught up", hint=hint)

    def enter_listed(self, reports: Iterable[OrderReport]) -> list[Order]:
        """Enter orders as the exchange lists them. Returns those that have ids of ours and were not on record."""
        adopted = []
        for report in reports:
            name = client_order_id.original_of(report.placed_client_order_id)
            order = self._table.get(name) or self._table.by_order_id(report.symbol, report.order_id)
            if order is not None:
                self.apply(order, QueryFound(report, is_listed=True), is_recovered=True)
                continue
            origin = client_order_id.parse(name)
            if origin is not None:
                adopted += self._adopt(report, name, origin.strategy)
            elif self._is_new_external(report.symbol, report.order_id):
                self._topics.external.publish(report)
        return adopted

    def enter_trades(self, trades: Iterable[AccountTrade]) -> tuple[int, ...]:
        """Enter trades as the exchange lists them. Returns the ids of the orders that nobody knows."""
        unknown: dict[int, None] = {}
        sums: dict[str, Decimal] = {}
        for trade in sorted(trades, key=lambda trade: (trade.time_ms, trade.trade_id)):
            order = self._table.by_order_id(trade.symbol, trade.order_id)
            if order is not None:
                if self._book(recovered_fill(order, trade)):
                    sums[order.client_order_id] = sums.get(order.client_order_id, ZERO) + trade.quantity
            elif (trade.symbol, trade.order_id) not in self._externals:
                unknown[trade.order_id] = None
        for name, quantity in sums.items():
            order = self._table.get(name)
            if order is not None:
                self._table.explain(order, quantity)
        return tuple(unknown)

    def enter_late(self, late: LateResponse) -> None:
        """Enter an answer that nobody waits for any more: it is evidence all the same."""
        params = late.params
        if late.method is Method.ORDER_CANCEL_REPLACE:
            of_cancel, of_placing = events_of_replacing_response(late.response)
            self._enter_about(self._called(params.get("cancelOrigClientOrderId")), of_cancel)
            self._enter_about(self._called(params.get("newClientOrderId")), of_placing)
        else:
            order, event = self._named_in(params), event_of_late_response(late.method, late.response)
            if order is not None and not _is_of_an_earlier_amend(order, event, params.get("newQty")):
                self._enter_about(order, event)

    def enter_evidence(self, evidence: Evidence) -> None:
        """Enter what the reconciler has found out, unless what came meanwhile has overtaken its conclusion."""
        order = self._table.get(evidence.client_order_id)
        if order is not None and not _is_overtaken(order, evidence.event):
            self.apply(order, evidence.event, is_recovered=True)

    # Gaps.

    def doubt(self) -> None:
        """From here on something may be missed, until a gap is opened and closed."""
        self.is_caught_up = False
        self._gap = None

    def open_gap(self, reason: str) -> None:
        """Events can be heard (again): have a recovery look for what was missed until now."""
        last = self._topics.gaps.last
        self.is_caught_up = False
        self._gap = 1 if last is None else last.number + 1
        self._topics.gaps.publish(GapOpened(number=self._gap, reason=reason))

    def is_waiting_for(self, ended: RecoveryEnded) -> bool:
        """Whether a pass counts: not one for an older gap, nor one that a newer gap has overtaken."""
        is_closing = ended.gap is not None and ended.gap == self._gap
        return is_closing or (ended.gap is None and self.is_caught_up)

    def raise_marks(self, marks: Mapping[str, Mark]) -> None:
        """What a pass has listed is known up to here."""
        for symbol, mark in marks.items():
            self._raise_mark(symbol, mark)

    def take_held(self) -> list[ExecutionReport]:
        """What has come while a gap was open, to be entered now, in this order."""
        held, self._held = self._held, []
        return held

    def close_gap(self) -> None:
        """All is entered that was missed, and all that came meanwhile."""
        self.is_caught_up = True
        for order in self._table.unexplained():
            self._want_trades(order)

    def tell_caught_up(self, ended: RecoveryEnded) -> None:
        """What this pass has found is complete."""
        self._topics.caught_up.publish(
            CaughtUp(
                gap=ended.gap, began_ms=ended.began_ms, orders=ended.orders, trades=ended.trades, took_s=ended.took_s
            )
        )

    # Watermarks.

    def rotate_marks(self) -> None:
        """Let the marks rise over what has lain still. To be called every `ROTATE_EVERY_S` while nothing is missing."""
        for symbol, mark in self._table.marks.rotate(self._frozen()).items():
            self._table.record_mark(symbol, mark)
            self._wrote()

    def _frozen(self) -> set[str]:
        """Symbols with an order whose id nobody knows although it should: it may be lower than what was seen."""
        soon_ms = self._clock.unix_ms() - ROTATE_EVERY_S * 1000
        return {
            order.symbol
            for order in self._table.all_live()
            if order.order_id is None and (order.is_unknown or order.sent_ms is None or order.sent_ms < soon_ms)
        }

    def _raise_mark(self, symbol: str, mark: Mark) -> None:
        """What a pass has listed lies still for a while, as what events tell; the first mark of a symbol counts now."""
        marks = self._table.marks
        if marks.settled(symbol) is None:
            marks.raise_to(symbol, mark)
            self._table.record_mark(symbol, mark, is_first=True)
            self._wrote()
        else:
            marks.saw(symbol, mark.order_id, mark.trade_id)

    # What it leads to.

    def _enter_about(self, order: Order | None, event: OrderEvent | None) -> None:
        if order is not None and event is not None:
            self.apply(order, event)

    def _named_in(self, params: Mapping[str, Any]) -> Order | None:
        """The order that a request was about."""
        order_id, symbol = params.get("orderId"), params.get("symbol")
        if isinstance(order_id, int) and isinstance(symbol, str):
            return self._table.by_order_id(symbol, order_id)
        return self._called(params.get("origClientOrderId") or params.get("newClientOrderId"))

    def _called(self, name: object) -> Order | None:
        return self._table.get(client_order_id.original_of(name)) if isinstance(name, str) else None

    def enter(self, report: ExecutionReport) -> None:
        """Enter an event now. It names the order as it is called now, and once as it was called before."""
        table, trade_id = self._table, report.trade_id
        table.marks.saw(report.symbol, report.order_id, trade_id)
        name = report.original_client_order_id or report.client_order_id
        order = table.get(name) or self._renamed(report)
        if order is None:
            if not client_order_id.is_ours(name):  # else the next listing has it adopted
                self._is_new_external(report.symbol, report.order_id)
            self._topics.external.publish(report)
            return
        traded = apply_trade(order, report, self._clock.unix_ms())
        changed = self.apply(order, Reported(report)) if traded is None else self._trade(*traded)
        if trade_id >= 0 and table.is_unexplained(changed):
            self._want_trades(order)

    def _trade(self, changed: Order, fill: Fill) -> Order:
        """What `apply` does with an order that has traded and stays open: nothing is settled by it."""
        self._table.put_traded(changed)
        self._wrote()
        if not self._book(fill):
            self._table.explain(changed, ZERO)
        self._topics.publish_change(OrderChanged(order=changed))
        return changed

    def _renamed(self, report: ExecutionReport) -> Order | None:
        """Whoever else has a key of the account may have amended an order and given it a name of his own. Its id stays.

        The id of one that has ended says nothing: a test network begins anew now and then, and counts from one again.
        """
        order = self._table.by_order_id(report.symbol, report.order_id)
        return None if order is None or order.is_closed else order

    def _adopt(self, report: OrderReport, name: str, strategy: str) -> list[Order]:
        try:
            order = adopt(report, client_order_id=name, strategy=strategy, now_ms=self._clock.unix_ms())
        except UnexpectedEvent as unexpected:
            self._alarm(str(unexpected))
            return []
        self._table.put(order)
        self._wrote()
        self._topics.publish_change(OrderChanged(order=order, is_recovered=True))
        if self._table.is_unexplained(order):
            self._want_trades(order)
        return [order]

    def _is_new_external(self, symbol: str, order_id: int) -> bool:
        if (symbol, order_id) in self._externals:
            return False
        self.external += 1
        self._externals[symbol, order_id] = None
        if len(self._externals) > EXTERNAL_KEPT:
            del self._externals[next(iter(self._externals))]
        return True

    def _act(self, order: Order, action: Action) -> None:
        match action:
            case PublishFill(fill=fill):
                self._book(fill)
            case Reconcile(reason=reason):
                self._want(order, reason)
            case Alarm(text=text):
                self._alarm(text)

    def _book(self, fill: Fill) -> bool:
        """Whether the fill is entered, now or before."""
        rules = self._rules(fill.symbol)
        if rules is None:
            return False
        if self._table.book(fill, base_asset=rules.base_asset, quote_asset=rules.quote_asset):
            self._wrote()
            self._topics.publish_fill(fill)
        return True

    def _wrote(self) -> None:
        """Something was written into the journal that nobody waits for."""
        if self._outbox is not None:
            self._outbox.flush_later()

    def _want(self, order: Order, reason: str, *, trades: bool = False) -> None:
        wish = ReconcileWanted(client_order_id=order.client_order_id, reason=reason, trades=trades)
        self._topics.reconcile.publish(wish)

    def _rules(self, symbol: str) -> SymbolRules | None:
        """What is placed here has rules, but what is adopted may have none: then its fills cannot be counted.

        Before the rules were read that says nothing: recovery waits for them, and enters what came meanwhile.
        """
        rules = self._symbols.get(symbol)
        if rules is None and self._symbols.is_loaded and symbol not in self._ruleless:
            self._ruleless.add(symbol)
            self._alarm(f"fills on {symbol} cannot be counted: its rules are not known; configure a strategy for it")
        return rules

    def _want_trades(self, order: Order) -> None:
        """Fills are missing. A recovery that is under way will list them, or they are asked for at its end."""
        if self.is_caught_up and self._rules(order.symbol) is not None:
            self._want(order, "fills are missing", trades=True)


def _is_settled(order: Order, changed: Order) -> bool:
    """Whether nothing more can come of an amend, or of a cancel that was in doubt."""
    return (order.amend is not Amend.NONE and changed.amend is Amend.NONE) or (
        order.request is Request.IN_DOUBT and changed.request is Request.NONE
    )


def _is_of_an_earlier_amend(order: Order, event: OrderEvent | None, quantity: object) -> bool:
    """Whether a late answer says that an amend came to nothing, and means another than the one that is in doubt now.

    The answer to one that is still on its way does not come late.
    """
    if not isinstance(event, AmendRefused | AmendUnknown):
        return False
    is_in_doubt = (
        order.amend is Amend.IN_DOUBT and isinstance(quantity, str) and Decimal(quantity) == order.amend_quantity
    )
    return not is_in_doubt


def _is_overtaken(order: Order, event: OrderEvent) -> bool:
    match event:
        case NeverPlaced():
            return order.life is not Life.SENT or not order.is_unknown
        case NotCanceled():
            return order.request is not Request.IN_DOUBT
        case NotAmended():
            return order.amend is not Amend.IN_DOUBT
        case _:
            return False
