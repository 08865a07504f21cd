"""What the exchange may do to an order, told one case at a time. Any order of arrival is in test_order_convergence."""

import itertools
from decimal import Decimal

import msgspec
import pytest

from dogwatch.actors.spot.enums import ExecutionType, ExpiryReason, OrderStatus, RejectReason
from dogwatch.actors.spot.order import Certainty, Life, Order, Request
from dogwatch.actors.spot.order_events import (
    Acknowledged,
    Alarm,
    CancelAcknowledged,
    CancelRefused,
    CancelSent,
    CancelUnknown,
    CancelUnsent,
    NeverPlaced,
    NotCanceled,
    OrderEvent,
    PublishFill,
    QueryFound,
    QueryMissing,
    Reconcile,
    Reported,
    Sent,
    UnexpectedEvent,
    Unsent,
)
from dogwatch.actors.spot.order_state import apply
from dogwatch.actors.spot.outcome import NotExecuted, Refused, Unknown
from tests.actors.spot.orders_made import (
    NAME,
    ORDER_ID,
    PRICE,
    T0,
    a_cancel_report,
    a_listed_fill,
    a_query,
    a_report,
    a_trade,
    after,
    an_ack,
    an_answer,
    an_order,
)

NO_ANSWER = Unknown(reason="no answer within 5 s")
UNKNOWN_ORDER = CancelRefused(-2011, "Unknown order sent.")
NOW = T0 + 5_000


def sent() -> Order:
    return after(an_order(), Sent())


def opened() -> Order:
    return after(sent(), Acknowledged(an_answer()))


def test_a_resting_order_is_sent_acknowledged_filled_in_parts_and_done() -> None:
    order = sent()
    assert (order.life, order.sent_ms) == (Life.SENT, T0 + 1000)
    order = after(order, Acknowledged(an_answer()), Reported(a_report()))
    assert (order.life, order.order_id, order.status) == (Life.OPEN, ORDER_ID, OrderStatus.NEW)
    order = after(order, Reported(a_trade("0.4", "0.4", at=2, trade_id=1)))
    assert order.is_open
    assert (order.filled_quantity, order.remaining) == (Decimal("0.4"), Decimal("0.6"))
    order = after(order, Reported(a_trade("1", "0.6", at=3, trade_id=2)))
    assert order.is_filled
    assert order.is_closed
    assert (order.filled_quantity, order.remaining, order.average_price) == (Decimal(1), Decimal(0), PRICE)


def test_fills_before_the_answer_count_and_the_answer_changes_nothing_more() -> None:
    filled = after(sent(), Reported(a_report()), Reported(a_trade("1", "1", at=2, trade_id=1)))
    assert filled.is_filled
    same, actions = apply(filled, Acknowledged(an_ack(at=1)), NOW)
    assert same is filled
    assert actions == ()


def test_a_full_answer_tells_the_fills_before_their_events_do() -> None:
    answer = an_answer(OrderStatus.FILLED, filled="1", at=2, fills=(a_listed_fill("0.4", 1), a_listed_fill("0.6", 2)))
    order, actions = apply(sent(), Acknowledged(answer), NOW)
    assert order.is_filled
    told = [action.fill for action in actions if isinstance(action, PublishFill)]
    assert [(fill.trade_id, fill.quantity, fill.quote_quantity) for fill in told] == [
        (1, Decimal("0.4"), Decimal(16_000)),
        (2, Decimal("0.6"), Decimal(24_000)),
    ]
    assert {(fill.client_order_id, fill.strategy, fill.traded_ms) for fill in told} == {(NAME, "quoter", T0 + 2)}


def test_the_event_of_a_trade_that_the_answer_told_names_the_same_trade_and_changes_nothing_but_the_execution() -> None:
    answer = an_answer(OrderStatus.FILLED, filled="1", at=2, fills=(a_listed_fill("1", 1),))
    filled, (told,) = apply(sent(), Acknowledged(answer), NOW)
    later, (again,) = apply(filled, Reported(a_trade("1", "1", at=2, trade_id=1)), NOW + 1)
    assert isinstance(told, PublishFill)
    assert isinstance(again, PublishFill)
    assert told.fill.trade_id == again.fill.trade_id
    expected = msgspec.structs.replace(filled, execution_id=102, evidence="executionReport TRADE", updated_ms=NOW + 1)
    assert later == expected


def test_an_ack_says_only_that_there_is_an_order() -> None:
    order = after(sent(), Acknowledged(an_ack()))
    assert (order.life, order.order_id, order.status) == (Life.OPEN, ORDER_ID, None)
    assert order.filled_quantity == 0


def test_a_duplicated_event_changes_nothing() -> None:
    partly = after(opened(), Reported(a_trade("0.4", "0.4", at=2, trade_id=1)))
    same, _ = apply(partly, Reported(a_trade("0.4", "0.4", at=2, trade_id=1)), NOW)
    assert same is partly


def test_a_stale_report_never_moves_an_order_back() -> None:
    done = after(opened(), Reported(a_trade("0.4", "0.4", at=2, trade_id=1)), Reported(a_cancel_report("0.4", at=3)))
    for stale in (a_report(at=1), a_trade("0.4", "0.4", at=2, trade_id=1)):
        same, _ = apply(done, Reported(stale), NOW)
        assert same is done
    assert done.life is Life.CANCELED
    assert done.filled_quantity == Decimal("0.4")


def test_events_of_one_millisecond_are_told_apart_by_execution_and_fill() -> None:
    later = a_report(ExecutionType.REPLACED, OrderStatus.NEW, quantity="0.5", at=1, execution_id=12)
    earlier = a_report(at=1, execution_id=11)
    order = after(sent(), Reported(later), Reported(earlier))
    assert order.quantity == Decimal("0.5")
    assert order.execution_id == 12


def test_a_cancel_gives_the_order_another_name_at_the_exchange_but_not_here() -> None:
    order = after(opened(), CancelSent())
    assert order.request is Request.CANCELING
    order = after(order, CancelAcknowledged(an_answer(OrderStatus.CANCELED, at=2, original=NAME)))
    assert (order.life, order.request, order.client_order_id) == (Life.CANCELED, Request.NONE, NAME)
    same = after(order, Reported(a_cancel_report(at=2)))
    assert same.client_order_id == NAME
    assert same.life is Life.CANCELED


def test_canceled_and_then_filled_ends_filled() -> None:
    canceled = after(opened(), Reported(a_cancel_report(at=2)))
    order, actions = apply(canceled, Reported(a_trade("1", "1", at=3, trade_id=1)), NOW)
    assert order.life is Life.FILLED
    assert order.status is OrderStatus.FILLED
    assert order.filled_quantity == 1
    assert [type(action) for action in actions] == [PublishFill]


def test_filled_and_then_canceled_stays_filled() -> None:
    filled = after(opened(), Reported(a_trade("1", "1", at=3, trade_id=1)))
    same, actions = apply(filled, Reported(a_cancel_report(at=2)), NOW)
    assert same is filled
    assert actions == ()


def test_a_closed_order_that_fills_further_counts_the_fill_and_asks() -> None:
    canceled = after(opened(), Reported(a_cancel_report("0.2", at=4)))
    order, actions = apply(canceled, Reported(a_trade("0.5", "0.3", at=3, trade_id=2)), NOW)
    assert (order.life, order.filled_quantity) == (Life.CANCELED, Decimal("0.5"))
    assert [type(action) for action in actions] == [PublishFill, Reconcile]


@pytest.mark.parametrize("unknown", [NO_ANSWER, Unknown(reason="link lost", code=-1007, wording="Timeout waiting")])
def test_no_answer_makes_a_sent_order_unknown_and_asks(unknown: Unknown) -> None:
    order, actions = apply(sent(), unknown, NOW)
    assert (order.life, order.certainty, order.unknown_since_ms) == (Life.SENT, Certainty.UNKNOWN, NOW)
    assert order.is_unknown
    assert not order.is_closed
    assert actions == (Reconcile(order.reason),)
    assert unknown.reason in order.reason
    assert unknown.wording in order.reason


@pytest.mark.parametrize(
    ("evidence", "life"),
    [
        (Acknowledged(an_answer()), Life.OPEN),
        (Acknowledged(an_ack()), Life.OPEN),
        (Reported(a_report()), Life.OPEN),
        (Reported(a_trade("1", "1", at=2, trade_id=1)), Life.FILLED),
        (QueryFound(a_query(OrderStatus.NEW)), Life.OPEN),
        (QueryFound(a_query(OrderStatus.EXPIRED)), Life.EXPIRED),
        (Reported(a_cancel_report(at=2)), Life.CANCELED),
        (Refused(code=-2010, wording="Account has insufficient balance for requested action."), Life.REJECTED),
        (NotExecuted(code=-1003, wording="Too many requests queued."), Life.REJECTED),
        (Unsent("the link was down"), Life.NEVER_PLACED),
        (NeverPlaced("not found twice after the window had passed"), Life.NEVER_PLACED),
    ],
    ids=repr,
)
def test_unknown_ends_on_evidence_at_once_also_when_it_comes_late(evidence: OrderEvent, life: Life) -> None:
    order = after(sent(), NO_ANSWER, evidence)
    assert (order.life, order.certainty, order.unknown_since_ms) == (life, Certainty.KNOWN, None)
    assert "no answer" not in order.reason


@pytest.mark.parametrize("event", [QueryMissing(), CancelSent(), CancelRefused(-1003, "Too many requests queued.")])
def test_unknown_does_not_end_without_evidence(event: OrderEvent) -> None:
    order = after(sent(), NO_ANSWER, event)
    assert order.is_unknown
    assert order.life is Life.SENT


def test_a_timeout_after_the_events_tells_nothing_new() -> None:
    order = opened()
    same, actions = apply(order, NO_ANSWER, NOW)
    assert same is order
    assert actions == ()


def test_a_refusal_keeps_the_exchanges_words() -> None:
    order = after(sent(), Refused(code=-2010, wording="Order would immediately match and take."))
    assert order.life is Life.REJECTED
    assert order.reason == "Order would immediately match and take. [-2010]"


def test_a_rejected_report_says_why() -> None:
    report = a_report(
        ExecutionType.REJECTED, OrderStatus.REJECTED, reject_reason=RejectReason.INSUFFICIENT_BALANCES, at=1
    )
    order = after(sent(), Reported(report))
    assert (order.life, order.reason) == (Life.REJECTED, "INSUFFICIENT_BALANCES")


@pytest.mark.parametrize("status", [OrderStatus.EXPIRED, OrderStatus.EXPIRED_IN_MATCH])
def test_an_expired_order_keeps_what_it_filled_and_why_it_ended(status: OrderStatus) -> None:
    report = a_report(
        ExecutionType.EXPIRED, status, filled="0.3", at=3, expiry_reason=ExpiryReason.INSUFFICIENT_LIQUIDITY
    )
    order = after(opened(), Reported(report))
    assert (order.life, order.status, order.filled_quantity) == (Life.EXPIRED, status, Decimal("0.3"))
    assert order.reason == "INSUFFICIENT_LIQUIDITY"


def test_self_trade_prevention_takes_out_quantity_without_a_fill() -> None:
    report = a_report(ExecutionType.TRADE_PREVENTION, OrderStatus.NEW, prevented="0.3", at=2)
    order, actions = apply(opened(), Reported(report), NOW)
    assert order.is_open
    assert order.remaining == Decimal("0.7")
    assert actions == ()


def test_a_pending_order_is_open_and_becomes_new() -> None:
    order = after(sent(), Reported(a_report(status=OrderStatus.PENDING_NEW)))
    assert (order.life, order.status) == (Life.OPEN, OrderStatus.PENDING_NEW)
    order = after(order, Reported(a_report(at=5)))
    assert (order.life, order.status) == (Life.OPEN, OrderStatus.NEW)


def test_an_amended_order_has_its_new_quantity_and_its_old_name() -> None:
    report = a_report(
        ExecutionType.REPLACED, OrderStatus.NEW, quantity="0.5", at=2, client_order_id="other", original=NAME
    )
    order = after(opened(), Reported(report))
    assert (order.quantity, order.client_order_id, order.life) == (Decimal("0.5"), NAME, Life.OPEN)


def test_an_order_by_quote_quantity_learns_its_quantity() -> None:
    order = after(an_order(quantity=None), Sent())
    assert order.remaining is None
    order = after(order, Reported(a_report(quantity="0.9")))
    assert order.remaining == Decimal("0.9")


def test_the_quantity_of_an_order_by_quote_quantity_is_what_the_newest_report_says() -> None:
    told: list[OrderEvent] = [Reported(a_report(quantity="0.9", at=1)), Reported(a_report(quantity="0.95", at=2))]
    for arrival in itertools.permutations(told):
        assert after(an_order(quantity=None), Sent(), *arrival).quantity == Decimal("0.95")


def test_a_report_without_an_order_id_is_about_the_order_that_its_name_says() -> None:
    rejected = a_report(ExecutionType.REJECTED, OrderStatus.REJECTED, order_id=-1, at=2)
    order, actions = apply(opened(), Reported(rejected), NOW)
    assert (order.life, order.order_id) == (Life.OPEN, ORDER_ID)
    assert [type(action) for action in actions] == [Alarm, Reconcile]
    assert after(sent(), Reported(rejected)).order_id is None


def test_a_cancel_that_found_nothing_leaves_the_order_in_doubt_until_it_is_found_filled() -> None:
    order, actions = apply(after(opened(), CancelSent()), UNKNOWN_ORDER, NOW)
    assert (order.life, order.request, order.certainty) == (Life.OPEN, Request.IN_DOUBT, Certainty.UNKNOWN)
    assert actions == (Reconcile("Unknown order sent. [-2011]"),)
    order = after(order, QueryFound(a_query(OrderStatus.FILLED, filled="1", at=4)))
    assert (order.life, order.request, order.certainty) == (Life.FILLED, Request.NONE, Certainty.KNOWN)
    assert order.reason == ""


def test_an_old_report_that_the_order_is_open_does_not_end_the_doubt_about_its_cancel() -> None:
    doubted = after(opened(), CancelSent(), CancelUnknown("no answer within 5 s"))
    for event in (Reported(a_report()), Reported(a_trade("0.4", "0.4", at=2, trade_id=1))):
        assert after(doubted, event).is_unknown


def test_each_request_keeps_the_time_at_which_it_was_sent() -> None:
    order = after(an_order(), Sent(), CancelSent(), CancelUnknown("no answer"), CancelSent())
    assert (order.sent_ms, order.cancel_sent_ms) == (T0 + 1000, T0 + 1003)


def test_the_doubt_about_a_cancel_ends_when_it_can_no_longer_be_executed() -> None:
    doubted = after(opened(), CancelSent(), CancelUnknown("no answer within 5 s"))
    order = after(doubted, NotCanceled("found open after the window had passed"))
    assert (order.life, order.request, order.certainty) == (Life.OPEN, Request.NONE, Certainty.KNOWN)
    assert (order.reason, order.unknown_since_ms) == ("", None)
    assert after(order, CancelSent()).request is Request.CANCELING


def test_a_second_cancel_that_is_refused_does_not_end_the_doubt_about_the_first() -> None:
    doubted = after(opened(), CancelSent(), CancelUnknown("no answer"), CancelSent())
    for event in (CancelRefused(-1003, "Too many requests queued."), CancelUnsent("the link is down")):
        order = after(doubted, event)
        assert order.request is Request.IN_DOUBT
        assert order.is_unknown


def test_a_refused_or_unsent_cancel_leaves_the_order_as_it_was() -> None:
    before = opened()
    for event in (CancelRefused(-1003, "Too many requests queued."), CancelUnsent("the link is down")):
        order = after(before, CancelSent(), event)
        assert (order.life, order.request, order.certainty, order.reason) == (
            Life.OPEN,
            Request.NONE,
            Certainty.KNOWN,
            "",
        )


def test_a_cancel_may_overtake_its_order() -> None:
    order = after(sent(), CancelSent(), UNKNOWN_ORDER)
    assert (order.life, order.is_unknown) == (Life.SENT, True)
    order = after(order, Acknowledged(an_answer(at=6)))
    assert (order.life, order.is_unknown) == (Life.OPEN, True), "the answer may be older than a fill we have missed"
    assert not after(order, NotCanceled("found open")).is_unknown


def test_a_fill_that_crosses_the_cancel_wins() -> None:
    order = after(opened(), CancelSent(), Reported(a_trade("1", "1", at=2, trade_id=1)), UNKNOWN_ORDER)
    assert (order.life, order.request, order.certainty) == (Life.FILLED, Request.NONE, Certainty.KNOWN)


@pytest.mark.parametrize(
    ("ended", "evidence"),
    [
        (NeverPlaced("concluded"), Reported(a_trade("1", "1", at=2, trade_id=1))),
        (NeverPlaced("concluded"), Acknowledged(an_answer())),
        (Unsent("the link was down"), QueryFound(a_query(OrderStatus.NEW))),
        (Refused(code=-2010, wording="no"), Reported(a_report())),
    ],
    ids=repr,
)
def test_positive_evidence_overrules_what_was_concluded_and_raises_the_alarm(
    ended: OrderEvent, evidence: OrderEvent
) -> None:
    order, actions = apply(after(sent(), ended), evidence, NOW)
    assert order.life in {Life.OPEN, Life.FILLED}
    assert not order.is_unknown
    kinds = [type(action) for action in actions if not isinstance(action, PublishFill)]
    assert kinds == [Alarm, Reconcile]


def test_a_refusal_of_an_order_that_is_open_raises_the_alarm_and_changes_nothing() -> None:
    order = opened()
    same, actions = apply(order, Refused(code=-2010, wording="no"), NOW)
    assert same is order
    assert [type(action) for action in actions] == [Alarm, Reconcile]
    assert isinstance(actions[0], Alarm)
    assert actions[0].text == f"order {NAME} of BTCUSDT is OPEN, and now the exchange says REJECTED"


@pytest.mark.parametrize(
    "report",
    [
        a_report(order_id=10),
        a_report(symbol="ETHUSDT"),
        a_report(filled="2", quantity="1"),
        a_report(filled="-1"),
        a_report(status=OrderStatus("HIBERNATING")),
    ],
    ids=["another order", "another symbol", "overfilled", "negative", "unknown status"],
)
def test_a_report_that_cannot_be_about_this_order_is_refused(report: object) -> None:
    assert isinstance(report, type(a_report()))
    order = opened()
    with pytest.raises(UnexpectedEvent) as caught:
        apply(order, Reported(report), NOW)
    assert caught.value.hint
    assert order == opened()


def test_a_report_without_a_quantity_is_held_against_the_quantity_of_the_order() -> None:
    overfilled = msgspec.structs.replace(an_answer(filled="2"), quantity=None)
    with pytest.raises(UnexpectedEvent, match="2 of 1"):
        apply(opened(), QueryFound(overfilled), NOW)


def test_fills_beyond_a_lowered_quantity_are_not_denied() -> None:
    amended = a_report(ExecutionType.REPLACED, quantity="0.5", at=2)
    canceled = a_report(ExecutionType.CANCELED, OrderStatus.CANCELED, quantity="0.5", filled="0.2", at=3)
    for ending in ([], [Reported(canceled)]):
        order = after(opened(), Reported(amended), *ending, Reported(a_trade("0.6", "0.6", at=1, trade_id=1)))
        assert order.filled_quantity == Decimal("0.6")
        assert order.quantity is not None
        assert order.filled_quantity <= order.quantity


def test_an_old_order_whose_quote_the_exchange_has_forgotten_has_no_average_price() -> None:
    report = msgspec.structs.replace(a_query(OrderStatus.FILLED, filled="1"), cumulative_quote_quantity=Decimal(-1))
    order = after(sent(), QueryFound(report))
    assert order.is_filled
    assert order.average_price is None


def test_an_allocation_in_an_answer_waits_for_the_event_that_names_it() -> None:
    answer = an_answer(OrderStatus.FILLED, filled="1", fills=(a_listed_fill("1", -1),))
    _, actions = apply(sent(), Acknowledged(answer), NOW)
    assert actions == ()
