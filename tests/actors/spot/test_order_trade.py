"""The straight line of a trade says what the state machine says, or nothing at all."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import ExecutionType, ExpiryReason, OrderStatus, RejectReason
from dogwatch.actors.spot.instant import Instant, in_us
from dogwatch.actors.spot.order import Order
from dogwatch.actors.spot.order_events import Acknowledged, PublishFill, Reported, Sent, UnexpectedEvent
from dogwatch.actors.spot.order_state import apply
from dogwatch.actors.spot.order_trade import apply_trade
from dogwatch.actors.spot.user_events import ExecutionReport
from tests.actors.spot.order_cases import AMOUNTS, ANY_ORDERS, SYMBOLS, cases
from tests.actors.spot.orders_made import ORDER_ID, PRICE, T0, a_trade, after, an_answer, an_order

NOW = T0 + 5_000
OPEN = after(an_order(), Sent(), Acknowledged(an_answer()), Reported(a_trade("0.2", "0.2", at=2, trade_id=1)))
PLAIN = a_trade("0.5", "0.3", at=3, trade_id=2)

QUOTES = AMOUNTS.map(lambda amount: amount * PRICE)
TIMES_MS = st.integers(T0 + 1, T0 + 4)

ORDERS = ANY_ORDERS | {
    "filled_quote": QUOTES,
    "transaction_time_ms": TIMES_MS,
    "execution_id": st.integers(100, 104),
}
REPORTS = {
    "execution_type": st.sampled_from(ExecutionType),
    "status": st.sampled_from(OrderStatus),
    "symbol": SYMBOLS,
    "order_id": st.sampled_from([-1, ORDER_ID]),
    "order_list_id": st.sampled_from([-1, 7, 8]),
    "quantity": AMOUNTS,
    "price": st.sampled_from([Decimal(0), PRICE, PRICE + 1]),
    "executed_quantity": AMOUNTS,
    "cumulative_quote_quantity": QUOTES,
    "last_executed_quantity": AMOUNTS,
    "commission": st.none() | AMOUNTS,
    "transaction_time_ms": TIMES_MS,
    "execution_id": st.integers(100, 104),
    "prevented_quantity": st.none() | AMOUNTS,
    "expiry_reason": st.none() | st.sampled_from(ExpiryReason),
    "reject_reason": st.sampled_from(RejectReason),
}


@settings(max_examples=100)
@given(case=cases(OPEN, ORDERS, PLAIN, REPORTS))
@example(case=(OPEN, PLAIN))
def test_the_straight_line_of_a_trade_gives_what_the_state_machine_gives_or_nothing(
    case: tuple[Order, ExecutionReport],
) -> None:
    order, report = case
    traded = apply_trade(order, report, NOW)
    if traded is None:
        return
    changed, fill = traded
    expected, actions = apply(order, Reported(report), NOW)
    assert msgspec.structs.asdict(changed) == msgspec.structs.asdict(expected)
    assert actions == (PublishFill(fill),)


def test_a_part_of_an_open_order_goes_the_straight_line() -> None:
    assert apply_trade(OPEN, PLAIN, NOW) is not None


def test_a_trade_told_in_microseconds_keeps_them_on_both_ways() -> None:
    us = (T0 + 3) * 1000 + 7
    report = msgspec.structs.replace(PLAIN, transaction_time_ms=Instant(us))
    traded = apply_trade(OPEN, report, NOW)
    assert traded is not None
    weighed, (published,) = apply(OPEN, Reported(report), NOW)
    assert isinstance(published, PublishFill)
    for order, fill in (traded, (weighed, published.fill)):
        assert (in_us(order.transaction_time_ms), in_us(fill.traded_ms)) == (us, us)


def test_what_ends_an_order_or_is_told_again_does_not() -> None:
    assert apply_trade(OPEN, a_trade("1", "0.8", at=3, trade_id=2), NOW) is None
    assert apply_trade(OPEN, a_trade("0.2", "0.2", at=2, trade_id=1), NOW) is None


def test_a_trade_of_another_order_is_left_for_the_state_machine_to_refuse() -> None:
    other = msgspec.structs.replace(PLAIN, order_id=ORDER_ID + 1)
    assert apply_trade(OPEN, other, NOW) is None
    with pytest.raises(UnexpectedEvent):
        apply(OPEN, Reported(other), NOW)
