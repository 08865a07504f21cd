"""The same true story ends in the same order, however its messages are delayed, repeated, reordered or lost."""

from collections.abc import Sequence
from decimal import Decimal
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import ExecutionType, ExpiryReason, OrderStatus
from dogwatch.actors.spot.fills import FillLedger
from dogwatch.actors.spot.order import Amend, Certainty, Order
from dogwatch.actors.spot.order_events import (
    Acknowledged,
    AmendAcknowledged,
    AmendSent,
    AmendUnknown,
    CancelAcknowledged,
    CancelRefused,
    CancelSent,
    CancelUnknown,
    NotAmended,
    OrderEvent,
    PublishFill,
    QueryFound,
    QueryMissing,
    Reported,
    Sent,
)
from dogwatch.actors.spot.order_state import apply
from dogwatch.actors.spot.order_tables import RANK
from dogwatch.actors.spot.outcome import Unknown
from dogwatch.actors.spot.results import OrderReport
from dogwatch.actors.spot.user_events import ExecutionReport
from tests.actors.spot.orders_made import (
    NAME,
    SYMBOL,
    T0,
    a_listed_fill,
    a_report,
    an_ack,
    an_amend_answer,
    an_answer,
    an_order,
)

WORKING = {OrderStatus.NEW, OrderStatus.PENDING_NEW, OrderStatus.PARTIALLY_FILLED}


class Story(msgspec.Struct, frozen=True):
    """What truly happened to an order at the exchange, and every message that tells of it."""

    reports: list[ExecutionReport]
    messages: list[OrderEvent]

    @property
    def is_closed(self) -> bool:
        return self.reports[-1].status not in WORKING


@st.composite
def true_reports(draw: st.DrawFn) -> list[ExecutionReport]:
    """A life of an order of quantity 1 as the exchange lives it: nothing it counts ever goes down."""
    at = 1
    filled, quantity, prevented = Decimal(0), Decimal(1), Decimal(0)
    reports = [a_report(at=at, execution_id=50)]
    if draw(st.booleans()):
        reports.insert(0, a_report(status=OrderStatus.PENDING_NEW, at=at, execution_id=49))
    for step in range(draw(st.integers(0, 5))):
        at += draw(st.integers(0, 2))  # often within the same millisecond
        kind = draw(st.sampled_from(["trade", "trade", "amend", "prevent"]))
        room = quantity - filled - prevented
        part = Decimal(draw(st.integers(1, 9))).scaleb(-1)
        if part >= room:
            break
        last = Decimal(0)
        if kind == "trade":
            filled, last = filled + part, part
            execution = ExecutionType.TRADE
        elif kind == "amend":
            quantity -= part
            execution = ExecutionType.REPLACED
        else:
            prevented += part
            execution = ExecutionType.TRADE_PREVENTION
        reports.append(
            a_report(
                execution,
                OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW,
                filled=str(filled),
                last=str(last),
                quantity=str(quantity),
                at=at,
                execution_id=60 + step,
                trade_id=step if last else -1,
                prevented=str(prevented) if prevented else None,
            )
        )
    return reports + draw(endings(filled, quantity, prevented, at))


@st.composite
def endings(draw: st.DrawFn, filled: Decimal, quantity: Decimal, prevented: Decimal, at: int) -> list[ExecutionReport]:
    at += draw(st.integers(0, 2))
    ending = draw(st.sampled_from(["open", "filled", "canceled", "expired", "prevented", "canceled, then filled"]))
    kept = str(prevented) if prevented else None
    ended: list[ExecutionReport] = []
    if ending.startswith("canceled"):
        ended.append(
            a_report(
                ExecutionType.CANCELED,
                OrderStatus.CANCELED,
                filled=str(filled),
                quantity=str(quantity),
                at=at,
                execution_id=90,
                client_order_id="cancel-of-17",
                original=NAME,
                prevented=kept,
            )
        )
    if ending.endswith("filled") and not prevented:
        last = str(quantity - filled)
        ended.append(
            a_report(
                ExecutionType.TRADE,
                OrderStatus.FILLED,
                filled=str(quantity),
                last=last,
                quantity=str(quantity),
                at=at + 1,
                execution_id=91,
                trade_id=91,
            )
        )
    if ending in {"expired", "prevented"}:
        status = OrderStatus.EXPIRED if ending == "expired" else OrderStatus.EXPIRED_IN_MATCH
        reason = ExpiryReason.UNFILLED_IOC_QUANTITY_EXPIRED if ending == "expired" else None
        ended.append(
            a_report(
                ExecutionType.EXPIRED,
                status,
                filled=str(filled),
                quantity=str(quantity),
                at=at,
                execution_id=92,
                expiry_reason=reason,
                prevented=kept,
            )
        )
    return ended


def told_by_answer(reports: list[ExecutionReport], *, is_query: bool = False, is_full: bool = False) -> OrderReport:
    """What an answer says that was made when these reports, and no later one, had happened."""
    last = reports[-1]
    trades = [report for report in reports if report.trade_id >= 0]
    return OrderReport(
        symbol=SYMBOL,
        order_id=last.order_id,
        client_order_id=last.client_order_id,
        original_client_order_id=last.original_client_order_id or None,
        transaction_time_ms=None if is_query else last.transaction_time_ms,
        update_time_ms=last.transaction_time_ms if is_query else None,
        status=last.status,
        price=last.price,
        quantity=last.quantity,
        executed_quantity=last.executed_quantity,
        cumulative_quote_quantity=last.cumulative_quote_quantity,
        prevented_quantity=last.prevented_quantity,
        expiry_reason=last.expiry_reason,
        fills=tuple(a_listed_fill(str(trade.last_executed_quantity), trade.trade_id) for trade in trades)
        if is_full
        else (),
    )


@st.composite
def stories(draw: st.DrawFn) -> Story:
    reports = draw(true_reports())
    moments = st.integers(1, len(reports))
    answered = draw(st.sampled_from(["ack", "result", "full", "nothing"]))
    upto = reports[: draw(moments)]
    messages: list[OrderEvent] = [Reported(report) for report in reports]
    if answered == "ack":
        messages.append(Acknowledged(an_ack(at=1)))
    elif answered == "nothing":
        messages.append(Unknown(reason="no answer within 5 s"))
    else:
        messages.append(Acknowledged(told_by_answer(upto, is_full=answered == "full")))
    asked = draw(st.lists(moments, max_size=3))
    messages += [QueryFound(told_by_answer(reports[:moment], is_query=True)) for moment in asked]
    messages += [QueryMissing()] * draw(st.integers(0, 2))
    return Story(reports, messages)


def deliver(order: Order, messages: Sequence[OrderEvent]) -> tuple[Order, FillLedger]:
    """Apply the messages, and check at every step what must never happen."""
    ledger = FillLedger()
    ledger.follow(SYMBOL, "BTC", "USDT")
    for number, message in enumerate(messages):
        following, actions = apply(order, message, T0 + number)
        assert following.filled_quantity >= order.filled_quantity, "the filled quantity never decreases"
        assert following.quantity is not None
        assert following.filled_quantity <= following.quantity, "and never exceeds the quantity"
        assert RANK[following.life] >= RANK[order.life]
        assert following.execution_id >= order.execution_id
        assert following.client_order_id == NAME
        for action in actions:
            if isinstance(action, PublishFill):
                ledger.record(action.fill)
        order = following
    return order, ledger


def what_matters(order: Order) -> Order:
    return msgspec.structs.replace(order, updated_ms=0, cancel_sent_ms=None, amend_sent_ms=None, evidence="")


def sent() -> Order:
    return apply(an_order(), Sent(), T0)[0]


@given(story=stories(), random=st.randoms(use_true_random=False))
def test_any_order_of_arrival_and_any_repetition_ends_in_the_same_order(story: Story, random: Random) -> None:
    expected, ledger = deliver(sent(), [Reported(report) for report in story.reports])
    told = story.messages + random.choices(story.messages, k=len(story.messages))
    random.shuffle(told)
    order, other_ledger = deliver(sent(), told)
    assert what_matters(order) == what_matters(expected)
    assert order.certainty is Certainty.KNOWN
    last = story.reports[-1]
    assert (order.filled_quantity, order.filled_quote) == (last.executed_quantity, last.cumulative_quote_quantity)
    assert order.is_closed == story.is_closed
    positions = ledger.position(SYMBOL), other_ledger.position(SYMBOL)
    assert positions[0].quantity == positions[1].quantity
    assert positions[0].fills == positions[1].fills
    assert positions[1].volume_base == order.filled_quantity


@given(story=stories(), random=st.randoms(use_true_random=False))
def test_whatever_is_lost_the_last_report_alone_is_enough(story: Story, random: Random) -> None:
    expected, _ = deliver(sent(), [Reported(report) for report in story.reports])
    told = [message for message in story.messages if random.random() < 0.5]
    told.append(Reported(story.reports[-1]))
    random.shuffle(told)
    order, _ = deliver(sent(), told)
    assert what_matters(order) == what_matters(expected)


@given(story=stories().filter(lambda story: story.is_closed), random=st.randoms(use_true_random=False))
def test_a_cancel_in_doubt_is_settled_by_the_end_of_the_order_wherever_its_own_outcome_comes(
    story: Story, random: Random
) -> None:
    expected, _ = deliver(sent(), [Reported(report) for report in story.reports])
    outcomes: list[OrderEvent] = [CancelUnknown("no answer within 5 s"), CancelRefused(-2011, "Unknown order sent.")]
    if story.reports[-1].status is OrderStatus.CANCELED:
        outcomes.append(CancelAcknowledged(told_by_answer(story.reports)))
    told = story.messages + outcomes
    random.shuffle(told)
    order, _ = deliver(sent(), [CancelSent(), *told])
    assert what_matters(order) == what_matters(expected)


@given(story=stories(), random=st.randoms(use_true_random=False))
def test_certainty_comes_back_with_the_first_evidence_and_not_before(story: Story, random: Random) -> None:
    told = list(story.messages)
    random.shuffle(told)
    order, _ = apply(sent(), Unknown(reason="link lost after writing"), T0)
    for message in told:
        order, _ = apply(order, message, T0)
        if isinstance(message, Unknown | QueryMissing):
            assert order.is_unknown
        else:
            assert not order.is_unknown
            return


@given(story=stories(), randoms=st.tuples(*[st.randoms(use_true_random=False)] * 3))
def test_the_same_evidence_leads_to_the_same_order_whatever_is_lost_and_however_the_rest_comes(
    story: Story, randoms: tuple[Random, Random, Random]
) -> None:
    losing, *shuffling = randoms
    # Two answers of one millisecond do not say which of them is the later: of a leg's release only the events do.
    is_released = story.reports[0].status is OrderStatus.PENDING_NEW
    silent = (Unknown, QueryMissing, Acknowledged, QueryFound) if is_released else (Unknown, QueryMissing)
    told = [message for message in story.messages if not isinstance(message, silent) and losing.random() < 0.6]
    orders = []
    for random in shuffling:
        arrival = told + random.choices(told, k=len(told)) if told else []
        random.shuffle(arrival)
        orders.append(what_matters(deliver(sent(), arrival)[0]))
    assert orders[0] == orders[1]


class AmendStory(msgspec.Struct, frozen=True):
    """A story in which an amend of ours was carried out: the report of it, and what tells of it besides."""

    story: Story
    wanted: Decimal
    answer: OrderEvent

    @property
    def begun(self) -> Order:
        """The order as it is known when its amend is sent."""
        order = apply(sent(), Acknowledged(an_answer(at=0)), T0)[0]
        return apply(order, AmendSent(self.wanted), T0)[0]


@st.composite
def amend_stories(draw: st.DrawFn) -> AmendStory:
    story = draw(stories().filter(lambda story: any(is_amend(report) for report in story.reports)))
    amended = draw(st.sampled_from([report for report in story.reports if is_amend(report)]))
    answer = an_amend_answer(
        str(amended.quantity),
        str(amended.executed_quantity),
        at=amended.transaction_time_ms - T0,
        status=amended.status,
    )
    answer = msgspec.structs.replace(answer, execution_id=amended.execution_id)
    answers: list[OrderEvent] = [AmendAcknowledged(answer), AmendUnknown("no answer within 5 s")]
    return AmendStory(story, amended.quantity, draw(st.sampled_from(answers)))


def is_amend(report: ExecutionReport) -> bool:
    return report.execution_type is ExecutionType.REPLACED


@given(amending=amend_stories(), random=st.randoms(use_true_random=False), is_lossy=st.booleans())
def test_an_amend_that_was_carried_out_is_known_however_it_is_told(
    amending: AmendStory, random: Random, is_lossy: bool
) -> None:
    story = amending.story
    expected, _ = deliver(sent(), [Reported(report) for report in story.reports])
    told = [*story.messages, amending.answer]
    if is_lossy:
        told = [message for message in told if random.random() < 0.5]
    told = (
        [*told, *random.choices(told, k=len(told)), Reported(story.reports[-1])]
        if told
        else [Reported(story.reports[-1])]
    )
    random.shuffle(told)
    order, _ = deliver(amending.begun, told)
    assert what_matters(order) == what_matters(expected)
    assert (order.amend, order.certainty) == (Amend.NONE, Certainty.KNOWN)


@given(story=stories(), random=st.randoms(use_true_random=False))
def test_an_amend_that_was_not_carried_out_is_in_doubt_until_the_order_ends_or_that_is_proven(
    story: Story, random: Random
) -> None:
    expected, _ = deliver(sent(), [Reported(report) for report in story.reports])
    told = [*story.messages, AmendUnknown("no answer within 5 s")]
    random.shuffle(told)
    begun = AmendStory(story, Decimal("0.05"), told[0]).begun  # less than any report of the story shows
    order, _ = deliver(begun, told)
    assert order.is_unknown == (not story.is_closed)
    assert order.amend is (Amend.NONE if story.is_closed else Amend.IN_DOUBT)
    order, _ = apply(order, NotAmended("found with the old quantity"), T0)
    assert what_matters(order) == what_matters(expected)
