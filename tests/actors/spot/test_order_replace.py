"""order.cancelReplace is about two orders: each has its own story, and none is told by what became of the other."""

import itertools

import msgspec
import pytest

from dogwatch.actors.spot.enums import ExecutionType, OrderStatus, RejectReason
from dogwatch.actors.spot.order import CLOSED, Certainty, Life, Order, Request
from dogwatch.actors.spot.order_events import (
    Acknowledged,
    Alarm,
    CancelAcknowledged,
    CancelRefused,
    CancelSent,
    CancelUnknown,
    NeverPlaced,
    NotAttempted,
    NotCanceled,
    OrderEvent,
    QueryFound,
    QueryMissing,
    Reconcile,
    Reported,
    Sent,
    Unsent,
)
from dogwatch.actors.spot.order_state import apply
from dogwatch.actors.spot.outcome import NotExecuted, Refused, Unknown
from tests.actors.spot.orders_made import (
    NAME,
    T0,
    a_cancel_report,
    a_query,
    a_report,
    a_trade,
    after,
    an_answer,
    an_order,
)

NOW = T0 + 5_000
NO_ANSWER = "no answer within 5 s"
NOT_ATTEMPTED = NotAttempted("the cancel before it was refused")


def the_old_one() -> Order:
    return after(an_order(), Sent(), Acknowledged(an_answer()), CancelSent())


def the_new_one() -> Order:
    return after(msgspec.structs.replace(an_order(), client_order_id="q-1-18"), Sent())


def answered(status: OrderStatus = OrderStatus.CANCELED) -> CancelAcknowledged:
    return CancelAcknowledged(an_answer(status, original=NAME, at=3))


@pytest.mark.parametrize(
    ("of_cancel", "of_placing", "old_life", "new_life"),
    [
        (answered(), Acknowledged(an_answer(at=3)), Life.CANCELED, Life.OPEN),
        (answered(), Refused(code=-2010, wording="insufficient balance"), Life.CANCELED, Life.REJECTED),
        (CancelRefused(-1003, "Too many requests queued."), NOT_ATTEMPTED, Life.OPEN, Life.NEVER_PLACED),
        (CancelRefused(-1003, "Too many"), Acknowledged(an_answer(at=3)), Life.OPEN, Life.OPEN),
        (CancelRefused(-1003, "Too many"), Refused(code=-2010, wording="no"), Life.OPEN, Life.REJECTED),
        (
            CancelRefused(-1015, "Too many new orders."),
            NotExecuted(code=-1015, wording="Too many new orders."),
            Life.OPEN,
            Life.REJECTED,
        ),
    ],
    ids=["both done", "placing refused", "stopped on failure", "cancel refused", "both refused", "over the limit"],
)
def test_each_part_is_judged_by_itself_and_nothing_is_left_in_doubt(
    of_cancel: OrderEvent, of_placing: OrderEvent, old_life: Life, new_life: Life
) -> None:
    old, new = after(the_old_one(), of_cancel), after(the_new_one(), of_placing)
    assert (old.life, new.life) == (old_life, new_life)
    assert (old.request, old.certainty, new.certainty) == (Request.NONE, Certainty.KNOWN, Certainty.KNOWN)


def test_without_an_answer_both_are_unknown_and_each_is_asked_about() -> None:
    old, of_old = apply(the_old_one(), CancelUnknown(NO_ANSWER), NOW)
    new, of_new = apply(the_new_one(), Unknown(reason=NO_ANSWER), NOW)
    assert (old.is_unknown, new.is_unknown) == (True, True)
    assert of_old == of_new == (Reconcile(NO_ANSWER),)


def test_what_became_of_the_new_order_proves_nothing_about_the_old_one_nor_the_other_way_round() -> None:
    old = after(the_old_one(), CancelUnknown(NO_ANSWER))
    new = after(the_new_one(), Unknown(reason=NO_ANSWER))
    new = after(new, Reported(a_report(order_id=10, client_order_id="q-1-18", at=4)))
    assert (new.life, new.is_unknown, old.is_unknown) == (Life.OPEN, False, True)
    old = after(old, NotCanceled("found open after the window had passed"))
    assert (old.life, old.is_unknown) == (Life.OPEN, False)


def test_the_cancel_may_fill_the_old_order_first_and_the_new_one_is_then_not_attempted() -> None:
    told: list[OrderEvent] = [
        Reported(a_trade("1", "1", at=2, trade_id=1)),
        CancelRefused(-2011, "Unknown order sent."),
    ]
    for arrival in itertools.permutations(told):
        order = after(the_old_one(), *arrival)
        assert (order.life, order.request, order.certainty) == (Life.FILLED, Request.NONE, Certainty.KNOWN)
    new = after(the_new_one(), NOT_ATTEMPTED)
    assert (new.life, new.reason) == (Life.NEVER_PLACED, "the cancel before it was refused")
    assert new.evidence == "answer to order.place"


def test_the_answer_and_the_event_of_the_cancel_come_in_any_order() -> None:
    told: list[OrderEvent] = [answered(), Reported(a_cancel_report(at=3)), Reported(a_cancel_report(at=3))]
    for arrival in itertools.permutations(told):
        order = after(the_old_one(), *arrival)
        assert (order.life, order.client_order_id, order.execution_id) == (Life.CANCELED, NAME, 103)


def test_a_new_order_that_is_rejected_after_the_cancel_says_why_also_by_an_event() -> None:
    event = a_report(
        ExecutionType.REJECTED,
        OrderStatus.REJECTED,
        at=3,
        client_order_id="q-1-18",
        reject_reason=RejectReason.WOULD_MATCH_IMMEDIATELY,
        order_id=-1,
    )
    told: list[OrderEvent] = [
        Reported(event),
        Refused(code=-2010, wording="Order would immediately match and take."),
    ]
    for arrival in itertools.permutations(told):
        order = after(the_new_one(), *arrival)
        assert (order.life, order.reason, order.is_unknown) == (Life.REJECTED, "WOULD_MATCH_IMMEDIATELY", False)
        assert order.order_id is None, "it never got one"


@pytest.mark.parametrize("before", [NOT_ATTEMPTED, Unknown(reason=NO_ANSWER)], ids=["known", "unknown"])
def test_not_attempted_means_never_placed_also_when_it_is_said_late_and_twice(before: OrderEvent) -> None:
    order = after(the_new_one(), before, NOT_ATTEMPTED, QueryMissing(), NeverPlaced("concluded"))
    assert (order.life, order.certainty, order.unknown_since_ms) == (Life.NEVER_PLACED, Certainty.KNOWN, None)
    assert order.reason == "the cancel before it was refused"


@pytest.mark.parametrize(
    "evidence",
    [
        Acknowledged(an_answer(at=3)),
        Reported(a_trade("1", "1", at=3, trade_id=1)),
        Reported(a_cancel_report(at=3)),
        QueryFound(a_query(OrderStatus.EXPIRED, at=3)),
    ],
    ids=["open", "filled", "canceled", "expired"],
)
def test_an_order_that_is_there_although_it_was_not_attempted_is_there_and_raises_the_alarm(
    evidence: OrderEvent,
) -> None:
    for first, second in itertools.permutations([evidence, NOT_ATTEMPTED]):
        order, actions = apply(after(the_new_one(), first), second, NOW)
        assert order.life not in {Life.NEVER_PLACED, Life.SENT}
        assert [type(action) for action in actions if isinstance(action, Alarm | Reconcile)] == [Alarm, Reconcile]


def test_refused_and_not_attempted_and_never_sent_agree_that_it_is_not_there() -> None:
    endings: list[OrderEvent] = [Refused(code=-2010, wording="no"), NOT_ATTEMPTED]
    for arrival in itertools.permutations(endings):
        order, actions = apply(after(the_new_one(), arrival[0]), arrival[1], NOW)
        assert order.life is Life.REJECTED
        assert actions == ()
    order, actions = apply(after(the_new_one(), Unsent("the link was down")), NOT_ATTEMPTED, NOW)
    assert (order.life, actions) == (Life.NEVER_PLACED, ())
    assert order.life in CLOSED
