"""Every change of an order says what it rests on, and nothing else changes what it says."""

from decimal import Decimal
from typing import get_args

import pytest

from dogwatch.actors.spot.enums import ExecutionType, OrderStatus
from dogwatch.actors.spot.order import Order
from dogwatch.actors.spot.order_events import (
    Acknowledged,
    AmendAcknowledged,
    AmendRefused,
    AmendSent,
    AmendUnknown,
    AmendUnsent,
    CancelAcknowledged,
    CancelRefused,
    CancelSent,
    CancelUnknown,
    CancelUnsent,
    NeverPlaced,
    NotAmended,
    NotAttempted,
    NotCanceled,
    OrderEvent,
    QueryFound,
    QueryMissing,
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
    an_ack,
    an_amend_answer,
    an_answer,
    an_order,
)

HALF = Decimal("0.5")
DRAFT = an_order()
SENT = after(DRAFT, Sent())
UNKNOWN = after(SENT, Unknown(reason="no answer"))
OPEN = after(SENT, Acknowledged(an_answer()))
CANCELING = after(OPEN, CancelSent())
CANCEL_IN_DOUBT = after(CANCELING, CancelUnknown("no answer"))
AMENDING = after(OPEN, AmendSent(HALF))
AMEND_IN_DOUBT = after(AMENDING, AmendUnknown("no answer"))

CASES: list[tuple[Order, OrderEvent, str]] = [
    (DRAFT, Sent(), "sent"),
    (DRAFT, Unsent("the link was down"), "not sent"),
    (SENT, Acknowledged(an_ack()), "answer to order.place"),
    (SENT, Refused(code=-2010, wording="no"), "answer to order.place"),
    (SENT, NotExecuted(code=-1003, wording="too many"), "answer to order.place"),
    (SENT, NotAttempted("the cancel was refused"), "answer to order.place"),
    (SENT, Unknown(reason="no answer"), "no answer to order.place that tells the outcome"),
    (OPEN, CancelSent(), "cancel sent"),
    (CANCELING, CancelUnsent("the link was down"), "cancel not sent"),
    (CANCELING, CancelAcknowledged(an_answer(OrderStatus.CANCELED, original=NAME)), "answer to order.cancel"),
    (CANCELING, CancelRefused(-1003, "too many"), "answer to order.cancel"),
    (CANCELING, CancelRefused(-2011, "Unknown order sent."), "answer to order.cancel"),
    (CANCELING, CancelUnknown("no answer"), "no answer to order.cancel that tells the outcome"),
    (OPEN, AmendSent(HALF), "amend sent"),
    (AMENDING, AmendUnsent("the link was down"), "amend not sent"),
    (AMENDING, AmendAcknowledged(an_amend_answer("0.5")), "answer to order.amend.keepPriority"),
    (AMENDING, AmendRefused(-1003, "too many"), "answer to order.amend.keepPriority"),
    (AMENDING, AmendRefused(-2013, "Order does not exist."), "answer to order.amend.keepPriority"),
    (AMENDING, AmendUnknown("no answer"), "no answer to order.amend.keepPriority that tells the outcome"),
    (SENT, Reported(a_report()), "executionReport NEW"),
    (OPEN, Reported(a_trade("0.4", "0.4", at=2, trade_id=1)), "executionReport TRADE"),
    (OPEN, Reported(a_cancel_report(at=2)), "executionReport CANCELED"),
    (OPEN, Reported(a_report(ExecutionType("PEGGED_AGAIN"), at=2)), "executionReport PEGGED_AGAIN"),
    (UNKNOWN, QueryFound(a_query(OrderStatus.NEW)), "order.status"),
    (UNKNOWN, QueryFound(a_query(OrderStatus.NEW), is_listed=True), "listed by the exchange"),
    (UNKNOWN, NeverPlaced("not found twice"), "order.status: no such order"),
    (CANCEL_IN_DOUBT, NotCanceled("found open"), "order.status"),
    (AMEND_IN_DOUBT, NotAmended("found with the old quantity"), "order.status"),
]


@pytest.mark.parametrize(("order", "event", "evidence"), CASES, ids=lambda value: getattr(value, "evidence", None))
def test_a_change_says_what_it_rests_on(order: Order, event: OrderEvent, evidence: str) -> None:
    changed, _ = apply(order, event, T0 + 9_000)
    assert changed is not order
    assert changed.evidence == evidence
    same, _ = apply(order, QueryMissing(), T0 + 9_000)
    assert same is order, "what changes nothing is no evidence of anything"


def test_every_event_that_can_change_an_order_is_among_the_cases() -> None:
    assert {type(event) for _, event, _ in CASES} == set(get_args(OrderEvent)) - {QueryMissing}


def test_events_have_their_execution_type_in_it() -> None:
    for number, kind in enumerate(ExecutionType, start=2):
        order = after(OPEN, Reported(a_report(kind, at=number)))
        assert order.evidence == f"executionReport {kind}"


def test_a_message_that_tells_nothing_new_leaves_the_evidence_of_what_is_known() -> None:
    order = after(OPEN, Reported(a_report()))
    assert order.evidence == "executionReport NEW", "it told the execution id"
    order = after(order, Acknowledged(an_answer()), Reported(a_report()), QueryFound(a_query(OrderStatus.NEW)))
    assert order.evidence == "executionReport NEW"
