"""The checker: holds what was said of orders and fills against the exchange's own ledger. It knows nothing of the code
that says it, but the words in which it speaks.

In the moment in which something is said it must not be ahead of the ledger, nor behind what was said before. In the end
both must be equal.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import trio

from dogwatch import Fill, NotSent, Order, OrderChanged, Rejected
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.paper.exchange import ACCOUNT, PaperExchange
from dogwatch.actors.paper.order import Fill as LedgerFill
from dogwatch.actors.paper.order import PaperOrder
from dogwatch.actors.spot.client_order_id import is_ours
from dogwatch.actors.spot.envelope import UserEvent
from dogwatch.actors.spot.order import Amend, Life
from dogwatch.actors.spot.user_events import ExecutionReport
from dogwatch.actors.tree import Tree
from dogwatch.runtime.errors import ActorCrashed, ActorStopped
from tests.seeds.trader import Call, LifeStory
from tests.seeds.witness import Witness

ENDS = {
    "FILLED": Life.FILLED,
    "CANCELED": Life.CANCELED,
    "EXPIRED": Life.EXPIRED,
    "EXPIRED_IN_MATCH": Life.EXPIRED,
}
ABSENT = frozenset({Life.REJECTED, Life.NEVER_PLACED})
STEPS = {Life.DRAFT: 0, Life.SENT: 1, Life.OPEN: 2}
"""How far an order has come; an end is the last step, and no other end follows it."""
END = 3
GRACE_S = 1.1
"""So much later than its deadline a call is answered at the latest."""
LOST_WITHIN_S = 1.0
"""What was told so shortly before a kill may be told again by the next process."""

FillKey = tuple[str, int, str]


class Listener:
    """What one process says, from its first word to its death."""

    def __init__(self, checker: "Checker", tree: Tree, number: int) -> None:
        self.number = number
        self.table: OrderTable = tree.desk.order_table
        self.told: dict[str, Order] = {}
        self.changes: defaultdict[str, list[OrderChanged]] = defaultdict(list)
        self.fills: defaultdict[str, list[Fill]] = defaultdict(list)
        self.told_at_s: dict[FillKey, float] = {}
        self.began_ms = tree.desk.clock.unix_ms()
        self.killed_at_s: float | None = None
        self.unwritten_since_s: float | None = None
        """Since when the journal cannot be written."""
        self.lives: defaultdict[str, list[LifeStory]] = defaultdict(list)
        self.trades_heard: set[tuple[str, int, int]] = set()
        self._checker = checker
        self._topics = tree.desk.order_topics
        self._topics.changes.tap(self._hear_change, on_error=checker.stumble)
        self._topics.fills.tap(self._hear_fill, on_error=checker.stumble)
        tree.link.topics.user_events.tap(self._hear_event, on_error=checker.stumble)

    def born(self, strategy: str, life: int) -> LifeStory:
        """A life of a strategy begins now."""
        story = LifeStory(self.number, strategy, life)
        story.first_fill, story.first_change = len(self.fills[strategy]), len(self.changes[strategy])
        self.lives[strategy].append(story)
        return story

    def is_going_on(self, story: LifeStory) -> bool:
        """Whether this is the newest life of its strategy."""
        return story is self.lives[story.strategy][-1]

    def dies(self) -> None:
        """It is killed in this moment: what it says from now on nobody hears."""
        self.killed_at_s = trio.current_time()

    def is_surely_recorded(self, told_s: float) -> bool:
        """Whether what was told then is in the journal that it has left."""
        if self.killed_at_s is None:
            return True
        lost_from_s = self.killed_at_s if self.unwritten_since_s is None else self.unwritten_since_s
        return told_s < lost_from_s - LOST_WITHIN_S

    def _hear_change(self, change: OrderChanged) -> None:
        if self.killed_at_s is None:
            order = change.order
            self._checker.judge_change(self, self.told.get(order.client_order_id), order)
            self.told[order.client_order_id] = order
            self.changes[order.strategy].append(change)

    def _hear_fill(self, fill: Fill) -> None:
        if self.killed_at_s is None:
            self._checker.judge_fill(self, fill)
            self.fills[fill.strategy].append(fill)
            self.told_at_s[key_of(fill)] = trio.current_time()

    def _hear_event(self, message: UserEvent) -> None:
        report = message.event
        if isinstance(report, ExecutionReport) and report.trade_id >= 0:
            self.trades_heard.add((report.symbol, report.trade_id, report.order_id))


class Checker:
    """Collects every contradiction, in words, in `problems`."""

    def __init__(self, paper: PaperExchange, witness: Witness) -> None:
        self.problems: list[str] = []
        self.names: dict[tuple[str, Decimal], str] = {}
        """(Symbol, amount) → the order that a call has become: see `Call.amount`."""
        self.foreign: set[tuple[str, int]] = set()
        self.taken_off: set[str] = set()
        """Orders that the account's owner has canceled by other means: a cancel of ours may be refused then."""
        self.processes: list[Listener] = []
        self._paper = paper
        self._witness = witness

    def stumble(self, error: Exception) -> None:
        self.complain(f"the checker itself stumbled: {error!r}")

    def complain(self, problem: str) -> None:
        self.problems.append(f"{trio.current_time():.3f} s: {problem}")

    # In the moment in which it is said.

    def judge_change(self, listener: Listener, before: Order | None, order: Order) -> None:
        """A snapshot was published."""
        amount = order.quantity if order.quote_quantity is None else order.quote_quantity
        if order.life is Life.SENT and amount is not None:
            self.names.setdefault((order.symbol, amount), order.client_order_id)
        self._judge_claims(order)
        if before is not None and _is_backwards(before, order):
            self.complain(f"process {listener.number} went backwards: {before!r} and then {order!r}")

    def judge_fill(self, listener: Listener, fill: Fill) -> None:
        """A fill was published."""
        key = key_of(fill)
        if key in listener.told_at_s:
            self.complain(f"told twice by process {listener.number}: {fill!r}")
        for earlier in self.processes:
            told_s = earlier.told_at_s.get(key)
            if earlier is not listener and told_s is not None and earlier.is_surely_recorded(told_s):
                self.complain(f"told by process {earlier.number} already: {fill!r}")
        order = self._witness.order(fill.symbol, fill.order_id)
        ledger = [other for other in order.fills if other.trade_id == fill.trade_id] if order else []
        if not any(_is_same_fill(fill, other) for other in ledger):
            self.complain(f"a fill that is none: {fill!r}, and the ledger has {ledger}")
        was_heard = (fill.symbol, fill.trade_id, fill.order_id) in listener.trades_heard
        if fill.is_maker and not fill.is_recovered and not was_heard:
            self.complain(f"nobody told of it, and it is not marked as recovered: {fill!r}")

    def judge_outcome(self, call: Call) -> None:
        """A call was answered."""
        assert call.ended_s is not None
        if call.ended_s - call.began_s > call.within_s + GRACE_S:
            self.complain(f"answered late: {call}")
        outcome = call.outcome
        if isinstance(outcome, Order):
            self._judge_claims(outcome)
            if (call.kind in ("place", "replace") and self._name_of(call) != outcome.client_order_id) or (
                call.kind not in ("place", "replace") and call.name != outcome.client_order_id
            ):
                self.complain(f"answered with another order: {call}")
            if call.kind == "amend":
                self._judge_amended(call, outcome)
        elif isinstance(outcome, NotSent | Rejected):
            self._judge_refusal(call)
        elif not isinstance(outcome, ActorCrashed | ActorStopped):
            self.complain(f"that is no outcome: {call}")

    def _judge_claims(self, order: Order) -> None:
        """What is said of an order and is not true. Being behind is no lie."""
        there = self._witness.placed.get(order.client_order_id)
        if there is None:
            if order.life not in {Life.DRAFT, Life.SENT} | ABSENT:
                self.complain(f"the exchange does not have {order!r}")
            return
        if order.life in ABSENT:
            self.complain(f"the exchange has it: {order!r}")
        elif order.is_closed and ENDS.get(there.status) is not order.life:
            self.complain(f"it has not ended so: {order!r}, there it is {there.status}")
        if order.filled_quantity > there.executed:
            self.complain(f"not so much has filled: {order!r}, there {there.executed}")
        if order.order_id not in (None, there.order_id):
            self.complain(f"another order has that number: {order!r}, there {there.order_id}")
        may_fill = order.quantity is not None and order.quantity < there.quantity
        if may_fill and not there.is_open and not order.is_closed:
            may_fill = False
        if may_fill:
            self.complain(f"more of it may fill: {order!r}, there {there.quantity}")

    def _judge_amended(self, call: Call, order: Order) -> None:
        if order.is_closed or order.is_unknown or order.amend is not Amend.NONE:
            return
        assert call.name is not None
        if order.quantity != call.amount and (order.quantity is None or order.quantity > (call.amount or 0)):
            self.complain(f"it is neither amended nor in doubt nor refused: {call}")

    def _judge_refusal(self, call: Call) -> None:
        """It said that nothing was done: then nothing was."""
        if call.kind in ("place", "replace"):
            name = self._name_of(call)
            if name is not None and name in self._witness.placed:
                self.complain(f"the exchange has the order: {call}")
            is_denied = call.kind == "place" and isinstance(call.outcome, NotSent)
            if name is not None and is_denied and self._witness.was_asked_for(name):
                self.complain(f"it reached the exchange: {call}")
        elif call.kind == "amend":
            assert call.name is not None
            if self._witness.has_amended(call.name, f"{call.amount}"):
                self.complain(f"it was amended: {call}")
        elif call.kind == "cancel" and isinstance(call.outcome, Rejected):
            there = self._witness.placed.get(call.name or "")
            if there is not None and there.status == "CANCELED" and call.name not in self.taken_off:
                self.complain(f"it is canceled: {call}")

    def _name_of(self, call: Call) -> str | None:
        return None if call.amount is None else self.names.get((call.symbol, call.amount))

    # In the end.

    def check_calls(self, calls: Iterable[Call]) -> None:
        """What was said then is still true now, and everybody was answered whose life went on."""
        for call in calls:
            if call.ended_s is not None:
                if isinstance(call.outcome, NotSent | Rejected) and call.kind != "cancel":
                    self._judge_refusal(call)
                elif isinstance(call.outcome, Order) and call.outcome.is_closed:
                    self._judge_claims(call.outcome)

    def check_answered(self, calls: Iterable[Call]) -> None:
        """Nobody whose life goes on waits for an answer that is overdue."""
        last = self.processes[-1]
        for call in calls:
            is_overdue = trio.current_time() - call.began_s > call.within_s + GRACE_S
            is_waiting = call.ended_s is None and is_overdue and call.story.process == last.number
            if is_waiting and last.is_going_on(call.story):
                self.complain(f"never answered: {call}")

    def check_record(self, table: OrderTable, *, is_stopped: bool) -> None:
        """The record is the ledger: every order, every position; nothing is unknown, nothing was asked for twice."""
        doubled = {name: times for name, times in self._paper.intents.items() if times > 1}
        if doubled:
            self.complain(f"asked for more than once: {doubled}")
        for name, there in self._witness.placed.items():
            if is_ours(name):
                self._check_order(table, name, there, is_stopped=is_stopped)
        for order in table.all_live():
            if order.client_order_id not in self._witness.placed:
                self.complain(f"live here, and nowhere else: {order!r}")
        self._check_positions(table)

    def _check_order(self, table: OrderTable, name: str, there: PaperOrder, *, is_stopped: bool) -> None:
        order = table.get(name)
        if order is None:
            self.complain(f"not known here: {name}, {there}")
            return
        is_same = (
            order.life is ENDS.get(there.status, Life.OPEN)
            and order.order_id == there.order_id
            and order.filled_quantity == there.executed
            and not order.is_unknown
            and order.amend is Amend.NONE
            and (order.is_closed or order.quantity == there.quantity)
        )
        if not is_same:
            self.complain(f"here {order!r}, there {there}")
        if is_stopped and there.is_open:
            self.complain(f"left open: {there}")
        if table.unbooked(order):
            self.complain(f"{table.unbooked(order)} of it is not explained by fills: {order!r}")

    def _ledger_fills(self) -> list[LedgerFill]:
        fills = self._paper.engine.fills(ACCOUNT)
        return [fill for fill in fills if (fill.symbol, fill.order_id) not in self.foreign]

    def _check_positions(self, table: OrderTable) -> None:
        quantities: defaultdict[str, Decimal] = defaultdict(Decimal)
        commissions: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        counts: Counter[str] = Counter()
        for fill in self._ledger_fills():
            counts[fill.symbol] += 1
            commissions[fill.symbol, fill.commission_asset] += fill.commission
            quantities[fill.symbol] += fill.quantity if fill.side == "BUY" else -fill.quantity
            if fill.symbol.startswith(fill.commission_asset):
                quantities[fill.symbol] -= fill.commission
        for strategy in table.strategies():
            for position in table.positions(strategy):
                counts[position.symbol] -= position.fills
                quantities[position.symbol] -= position.quantity
                for asset, paid in position.commissions.items():
                    commissions[position.symbol, asset] -= paid
        for sums in (quantities, commissions, counts):
            for what, difference in sums.items():
                if difference:
                    self.complain(f"the positions are not the ledger's: {what} differs by {difference}")

    def check_fills(self) -> None:
        """Every fill was told, and each life of each strategy was told everything from its beginning on."""
        told = {key for process in self.processes for key in process.told_at_s}
        for fill in self._ledger_fills():
            if (fill.symbol, fill.trade_id, fill.side) not in told:
                self.complain(f"never told: {fill}")
        for process in self.processes:
            for stories in process.lives.values():
                for story in stories:
                    self._check_life(process, story)

    def _check_life(self, process: Listener, story: LifeStory) -> None:
        pairs: tuple[tuple[list[Any], list[Any]], ...] = (
            (story.fills, process.fills[story.strategy][story.first_fill :]),
            (story.changes, process.changes[story.strategy][story.first_change :]),
        )
        for heard, published in pairs:
            if heard != published[: len(heard)]:
                self.complain(f"{story.strategy} of process {process.number} heard something else than was published")
        is_going_on = process is self.processes[-1] and process.is_going_on(story)
        if is_going_on and any(len(heard) != len(published) for heard, published in pairs):
            self.complain(f"{story.strategy} of process {process.number} has not heard everything")


def key_of(fill: Fill) -> FillKey:
    """A fill is one side of a trade."""
    return fill.symbol, fill.trade_id, str(fill.side)


def _is_backwards(before: Order, order: Order) -> bool:
    is_less = order.filled_quantity < before.filled_quantity or STEPS.get(order.life, END) < STEPS.get(before.life, END)
    is_other_end = before.is_closed and order.life is not before.life
    is_filled_after_all = before.life is Life.CANCELED and order.life is Life.FILLED
    return is_less or (is_other_end and not is_filled_after_all)


def _is_same_fill(fill: Fill, other: LedgerFill) -> bool:
    return (
        fill.side == other.side
        and fill.price == other.price
        and fill.quantity == other.quantity
        and fill.quote_quantity == other.quote_quantity
        and fill.commission == other.commission
        and fill.commission_asset == other.commission_asset
        and fill.is_maker == other.is_maker
        and fill.traded_ms == other.time_ms
    )
