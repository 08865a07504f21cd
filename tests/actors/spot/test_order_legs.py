"""Legs of order lists: they wait, work, and end because another leg did (User Data Streams, Order Update)."""

import itertools
from decimal import Decimal

import msgspec
import pytest

from dogwatch.actors.spot.enums import ExecutionType, ExpiryReason, OrderStatus
from dogwatch.actors.spot.order import Life, Order
from dogwatch.actors.spot.order_events import (
    Acknowledged,
    AmendAcknowledged,
    AmendSent,
    CancelAcknowledged,
    CancelSent,
    OrderEvent,
    QueryFound,
    Reported,
    Sent,
)
from dogwatch.actors.spot.order_state import apply
from dogwatch.actors.spot.results import OrderReport
from dogwatch.actors.spot.user_events import ExecutionReport
from tests.actors.spot.orders_made import (
    NAME,
    PRICE,
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

LIST_ID = 4


def of_list(report: ExecutionReport) -> ExecutionReport:
    return msgspec.structs.replace(report, order_list_id=LIST_ID)


def told(answer: OrderReport) -> OrderReport:
    return msgspec.structs.replace(answer, order_list_id=LIST_ID)


def sent() -> Order:
    return after(an_order(), Sent())


def ending(expiry_reason: ExpiryReason, *, at: int = 5) -> ExecutionReport:
    return of_list(a_report(ExecutionType.EXPIRED, OrderStatus.EXPIRED, at=at, expiry_reason=expiry_reason))


@pytest.mark.parametrize(
    "event",
    [
        Reported(of_list(a_report())),
        Acknowledged(told(an_ack())),
        Acknowledged(told(an_answer())),
        QueryFound(told(a_query(OrderStatus.NEW))),
        CancelAcknowledged(told(an_answer(OrderStatus.CANCELED, original=NAME))),
    ],
    ids=repr,
)
def test_whatever_tells_of_a_leg_tells_of_its_list(event: OrderEvent) -> None:
    assert after(sent(), event).order_list_id == LIST_ID


def test_an_amended_leg_keeps_its_list() -> None:
    answer = an_amend_answer("0.5")
    leg = msgspec.structs.replace(answer.amended_order, order_list_id=LIST_ID)
    order = after(sent(), Acknowledged(an_answer()), AmendSent(Decimal("0.5")))
    assert order.order_list_id is None
    order = after(order, AmendAcknowledged(msgspec.structs.replace(answer, amended_order=leg)))
    assert (order.order_list_id, order.quantity) == (LIST_ID, Decimal("0.5"))


def test_an_order_by_itself_has_no_list_and_a_leg_keeps_its_own() -> None:
    assert after(sent(), Reported(a_report()), QueryFound(a_query(OrderStatus.NEW, at=5))).order_list_id is None
    leg = after(sent(), Reported(of_list(a_report())))
    assert after(leg, Reported(a_report(at=5))).order_list_id == LIST_ID, "a report that does not say so denies nothing"


def test_a_pending_leg_is_open_from_the_start_and_fills_after_its_release() -> None:
    messages = [
        Reported(of_list(a_report(status=OrderStatus.PENDING_NEW, at=1))),
        Reported(of_list(a_report(at=4))),
        Reported(of_list(a_trade("1", "1", at=5, trade_id=1))),
    ]
    lives = []
    order = sent()
    for message in messages:
        order, _ = apply(order, message, T0)
        lives.append((order.life, order.status))
    assert lives == [
        (Life.OPEN, OrderStatus.PENDING_NEW),
        (Life.OPEN, OrderStatus.NEW),
        (Life.FILLED, OrderStatus.FILLED),
    ]
    for arrival in itertools.permutations(messages):
        order = after(sent(), *arrival)
        assert (order.life, order.status, order.order_list_id) == (Life.FILLED, OrderStatus.FILLED, LIST_ID)


@pytest.mark.parametrize(
    "reason",
    [
        ExpiryReason.OCO_TRIGGER,
        ExpiryReason.OTO_PHASE_ONE_EXPIRED,
        ExpiryReason.REJECTED,
        ExpiryReason.EXECUTION_RULE_PRICE_RANGE_EXCEEDED,
    ],
)
@pytest.mark.parametrize("waiting", [OrderStatus.PENDING_NEW, OrderStatus.NEW])
def test_a_leg_that_the_exchange_ends_has_expired_and_says_why(reason: ExpiryReason, waiting: OrderStatus) -> None:
    told_in_order = [Reported(of_list(a_report(status=waiting))), Reported(ending(reason))]
    for arrival in itertools.permutations(told_in_order):
        order = after(sent(), *arrival)
        assert (order.life, order.reason, order.remaining) == (Life.EXPIRED, str(reason), Decimal(0))
        assert order.evidence == "executionReport EXPIRED"


def test_a_leg_that_expires_while_its_cancel_is_on_its_way_has_expired() -> None:
    order = after(sent(), Reported(of_list(a_report())), CancelSent(), Reported(ending(ExpiryReason.OCO_TRIGGER)))
    assert order.life is Life.EXPIRED
    assert not order.is_unknown


def test_the_two_legs_of_an_oco_end_each_in_its_own_way() -> None:
    limit = after(sent(), Reported(of_list(a_report())))
    stop = after(sent(), Reported(of_list(a_report())))
    limit = after(limit, Reported(of_list(a_trade("1", "1", at=3, trade_id=1))))
    stop = after(stop, Reported(ending(ExpiryReason.OCO_TRIGGER, at=3)))
    assert (limit.life, stop.life) == (Life.FILLED, Life.EXPIRED)
    assert limit.order_list_id == stop.order_list_id == LIST_ID


def test_the_cancel_of_a_list_cancels_its_legs() -> None:
    order = after(sent(), Reported(of_list(a_report())), CancelSent(), Reported(of_list(a_cancel_report(at=3))))
    assert (order.life, order.client_order_id, order.order_list_id) == (Life.CANCELED, NAME, LIST_ID)


def test_a_leg_whose_quantity_depends_on_the_fills_of_another_learns_it_when_it_is_released() -> None:
    # One Pays the Other: the pending quantity is what the working leg has received, known only after its fills.
    pending = Reported(of_list(a_report(status=OrderStatus.PENDING_NEW, quantity="0.9", at=1)))
    released = Reported(of_list(a_report(quantity="0.95", at=4)))
    for arrival in itertools.permutations([pending, released]):
        assert after(sent(), *arrival).quantity == Decimal("0.95")


def test_a_stop_has_no_fills_before_it_triggers_and_then_fills_like_any_other() -> None:
    stop = after(sent(), Reported(of_list(a_report())))
    assert stop.average_price is None
    stop = after(stop, Reported(of_list(a_report(at=3))), Reported(of_list(a_trade("1", "1", at=3, trade_id=1))))
    assert (stop.life, stop.average_price) == (Life.FILLED, PRICE)
