"""The straight line of an answer to order.place says what the state machine says, or nothing at all."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import ExpiryReason, OrderStatus
from dogwatch.actors.spot.instant import Instant, in_us
from dogwatch.actors.spot.order import Order
from dogwatch.actors.spot.order_acceptance import apply_acceptance
from dogwatch.actors.spot.order_events import Acknowledged, Sent, UnexpectedEvent
from dogwatch.actors.spot.order_state import apply
from dogwatch.actors.spot.results import OrderReport
from tests.actors.spot.order_cases import AMOUNTS, ANY_ORDERS, SYMBOLS, cases
from tests.actors.spot.orders_made import PRICE, T0, a_listed_fill, after, an_ack, an_answer, an_order

NOW = T0 + 5_000
SENT = after(an_order(), Sent())
PLAIN = an_answer()

ORDERS = ANY_ORDERS | {
    "quote_quantity": st.none() | AMOUNTS,
    "filled_quote": AMOUNTS,
    "transaction_time_ms": st.sampled_from([0, T0 + 1, T0 + 2]),
    "execution_id": st.sampled_from([0, 101]),
    "status": st.none() | st.sampled_from(OrderStatus),
}
REPORTS = {
    "status": st.none() | st.sampled_from(OrderStatus),
    "symbol": SYMBOLS,
    "order_list_id": st.sampled_from([-1, 7]),
    "quantity": st.none() | AMOUNTS,
    "price": st.sampled_from([None, Decimal(0), PRICE, PRICE + 1]),
    "executed_quantity": st.none() | AMOUNTS,
    "cumulative_quote_quantity": st.none() | st.just(Decimal(-1)) | AMOUNTS,
    "transaction_time_ms": st.sampled_from([None, 0, T0 + 1]),
    "update_time_ms": st.sampled_from([None, T0 + 3]),
    "prevented_quantity": st.none() | AMOUNTS,
    "expiry_reason": st.none() | st.sampled_from(ExpiryReason),
    "fills": st.sampled_from([None, (), (a_listed_fill("0.5", 3),)]),
}


@settings(max_examples=100)
@given(case=cases(SENT, ORDERS, PLAIN, REPORTS))
@example(case=(SENT, PLAIN))
@example(case=(SENT, an_answer(OrderStatus.EXPIRED)))
def test_the_straight_line_of_an_answer_gives_what_the_state_machine_gives_or_nothing(
    case: tuple[Order, OrderReport],
) -> None:
    order, report = case
    accepted = apply_acceptance(order, report, NOW)
    if accepted is None:
        return
    expected, actions = apply(order, Acknowledged(report), NOW)
    assert msgspec.structs.asdict(accepted) == msgspec.structs.asdict(expected)
    assert actions == ()


@pytest.mark.parametrize("status", [OrderStatus.NEW, OrderStatus.EXPIRED])
def test_an_answer_that_nothing_has_filled_goes_the_straight_line(status: OrderStatus) -> None:
    assert apply_acceptance(SENT, an_answer(status), NOW) is not None


def test_an_answer_in_microseconds_keeps_them() -> None:
    us = (T0 + 1) * 1000 + 7
    accepted = apply_acceptance(SENT, msgspec.structs.replace(PLAIN, transaction_time_ms=Instant(us)), NOW)
    assert accepted is not None
    assert in_us(accepted.transaction_time_ms) == us


def test_an_ack_a_fill_and_an_order_that_is_known_already_do_not() -> None:
    assert apply_acceptance(SENT, an_ack(), NOW) is None
    assert apply_acceptance(SENT, an_answer(OrderStatus.FILLED, filled="1"), NOW) is None
    assert apply_acceptance(after(SENT, Acknowledged(PLAIN)), PLAIN, NOW) is None


def test_an_answer_about_another_symbol_is_left_for_the_state_machine_to_refuse() -> None:
    other = msgspec.structs.replace(PLAIN, symbol="ETHUSDT")
    assert apply_acceptance(SENT, other, NOW) is None
    with pytest.raises(UnexpectedEvent):
        apply(SENT, Acknowledged(other), NOW)
