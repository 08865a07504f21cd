"""Whatever happens to an order, in whatever order, some things are always true of it. Nonsense included."""

from decimal import Decimal
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import ExecutionType, OrderStatus
from dogwatch.actors.spot.order import CLOSED, Amend, Certainty, Life, Order, Request
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
    Reconcile,
    Reported,
    Sent,
    UnexpectedEvent,
    Unsent,
)
from dogwatch.actors.spot.order_state import apply
from dogwatch.actors.spot.order_tables import RANK
from dogwatch.actors.spot.outcome import NotExecuted, Refused, Unknown
from tests.actors.spot.orders_made import NAME, T0, a_query, a_report, an_ack, an_amend_answer, an_answer, an_order

AMOUNTS = st.sampled_from(["0", "0.2", "0.5", "0.8", "1"])
TIMES = st.integers(1, 6)
STATUSES = st.sampled_from(OrderStatus)
WORDS = st.sampled_from(["Unknown order sent.", "Too many requests queued."])
CODES = st.sampled_from([-1003, -2011, -2013, -2038])
WHY = st.just("why")

EVENTS: dict[type[object], st.SearchStrategy[OrderEvent]] = {
    Sent: st.just(Sent()),
    Unsent: st.builds(Unsent, WHY),
    Unknown: st.builds(Unknown, reason=WHY, code=st.none() | st.just(-1007), wording=WHY),
    Refused: st.builds(Refused, code=CODES, wording=WORDS),
    NotExecuted: st.builds(NotExecuted, code=CODES, wording=WORDS),
    NotAttempted: st.builds(NotAttempted, WHY),
    CancelSent: st.just(CancelSent()),
    CancelUnsent: st.builds(CancelUnsent, WHY),
    CancelRefused: st.builds(CancelRefused, CODES, WORDS),
    CancelUnknown: st.builds(CancelUnknown, WHY),
    AmendSent: st.builds(AmendSent, AMOUNTS.map(Decimal)),
    AmendUnsent: st.builds(AmendUnsent, WHY),
    AmendRefused: st.builds(AmendRefused, CODES, WORDS),
    AmendUnknown: st.builds(AmendUnknown, WHY),
    AmendAcknowledged: st.builds(
        AmendAcknowledged, st.builds(an_amend_answer, AMOUNTS, AMOUNTS, at=TIMES, status=STATUSES)
    ),
    Acknowledged: st.builds(
        Acknowledged,
        st.builds(an_answer, STATUSES, filled=AMOUNTS, quantity=AMOUNTS, at=TIMES) | st.builds(an_ack, at=TIMES),
    ),
    CancelAcknowledged: st.builds(
        CancelAcknowledged,
        st.builds(an_answer, STATUSES, filled=AMOUNTS, quantity=AMOUNTS, at=TIMES, original=st.just(NAME)),
    ),
    QueryFound: st.builds(
        QueryFound,
        st.builds(a_query, STATUSES, filled=AMOUNTS, quantity=AMOUNTS, at=TIMES),
        is_listed=st.booleans(),
    ),
    QueryMissing: st.just(QueryMissing()),
    Reported: st.builds(
        Reported,
        st.builds(
            a_report,
            st.sampled_from(ExecutionType),
            STATUSES,
            filled=AMOUNTS,
            last=AMOUNTS,
            quantity=AMOUNTS,
            at=TIMES,
            trade_id=st.integers(-1, 3),
            order_id=st.sampled_from([9, 9, 9, 10, -1]),
            order_list_id=st.sampled_from([-1, -1, 4]),
            prevented=st.none() | AMOUNTS,
        ),
    ),
    NeverPlaced: st.builds(NeverPlaced, WHY),
    NotCanceled: st.builds(NotCanceled, WHY),
    NotAmended: st.builds(NotAmended, WHY),
}

# What the exchange said, what we know of ourselves, and what was concluded from both. Silence is none of them.
EVIDENCE = (
    Reported,
    Acknowledged,
    CancelAcknowledged,
    AmendAcknowledged,
    QueryFound,
    Refused,
    NotExecuted,
    NotAttempted,
    AmendRefused,
    Unsent,
    AmendUnsent,
    NeverPlaced,
    NotCanceled,
    NotAmended,
)


def test_every_event_takes_part() -> None:
    assert set(EVENTS) == set(get_args(OrderEvent))


def check_snapshot(order: Order) -> None:
    """What must be true of every snapshot by itself."""
    assert order.client_order_id == NAME
    assert (order.amend is Amend.NONE) == (order.amend_quantity is None)
    assert order.is_unknown == (order.unknown_since_ms is not None)
    assert order.quantity is not None
    assert 0 <= order.filled_quantity <= order.quantity
    if order.amend_quantity is not None:
        assert 0 < order.amend_quantity < order.quantity, "the larger of both is what counts until it is known"
        assert order.life is Life.OPEN
    if order.life in CLOSED:
        assert (order.request, order.amend, order.certainty) == (Request.NONE, Amend.NONE, Certainty.KNOWN)
    if order.life is Life.OPEN:
        is_doubted = order.request is Request.IN_DOUBT or order.amend is Amend.IN_DOUBT
        assert order.is_unknown == is_doubted
    if order.life in {Life.SENT, Life.OPEN} and order.is_unknown:
        assert order.reason, "whatever is unknown says why"


def check_step(before: Order, event: OrderEvent, after: Order, now_ms: int) -> None:
    """What must be true of every change."""
    assert RANK[after.life] >= RANK[before.life]
    assert after.filled_quantity >= before.filled_quantity
    assert after.filled_quote >= before.filled_quote
    assert after.prevented_quantity >= before.prevented_quantity
    assert after.execution_id >= before.execution_id
    if before.order_id is not None:
        assert after.order_id == before.order_id
    if after.certainty is Certainty.KNOWN and before.certainty is Certainty.UNKNOWN:
        assert isinstance(event, EVIDENCE)
    if after.certainty is Certainty.UNKNOWN and before.certainty is Certainty.KNOWN:
        assert not isinstance(event, Reported | Acknowledged | QueryFound), "no report makes anything unknown"
    if (after is not before) != (after != before):
        raise AssertionError("a change that changes nothing")
    if after is not before:
        assert after.updated_ms == now_ms
        assert after.evidence


@given(events=st.lists(st.one_of(*EVENTS.values()), max_size=25), is_sent=st.booleans())
def test_no_sequence_of_events_breaks_an_order(events: list[OrderEvent], is_sent: bool) -> None:
    order = an_order()
    if is_sent:  # or most of what follows is a mistake of ours
        order, _ = apply(order, Sent(), T0)
    for number, event in enumerate(events, start=1):
        before = order
        try:
            order, actions = apply(before, event, T0 + number)
        except UnexpectedEvent:
            continue
        check_snapshot(order)
        check_step(before, event, order, T0 + number)
        if order.is_unknown and not before.is_unknown:
            assert any(isinstance(action, Reconcile) for action in actions), "a new doubt is asked about"
        again, _ = apply(order, event, T0 + number) if not isinstance(event, Sent | AmendSent) else (order, ())
        if isinstance(event, Reported | Acknowledged | QueryFound | AmendAcknowledged | CancelAcknowledged):
            assert again == order, "a message that comes twice says nothing new"
