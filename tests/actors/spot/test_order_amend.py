"""What becomes of an amend: it lowers the quantity when that is known, and is in doubt until then."""

import itertools
from decimal import Decimal

import msgspec
import pytest

from dogwatch.actors.spot.enums import ExecutionType, ExpiryReason, OrderStatus
from dogwatch.actors.spot.order import Amend, Certainty, Life, Order, Request
from dogwatch.actors.spot.order_events import (
    Acknowledged,
    AmendAcknowledged,
    AmendRefused,
    AmendSent,
    AmendUnknown,
    AmendUnsent,
    CancelRefused,
    CancelSent,
    CancelUnknown,
    NotAmended,
    NotCanceled,
    OrderEvent,
    PublishFill,
    QueryFound,
    QueryMissing,
    Reconcile,
    Reported,
    Sent,
    UnexpectedEvent,
)
from dogwatch.actors.spot.order_state import apply
from tests.actors.spot.orders_made import (
    NAME,
    PRICE,
    T0,
    a_cancel_report,
    a_query,
    a_report,
    a_trade,
    after,
    an_amend_answer,
    an_amend_report,
    an_answer,
    an_order,
)

NOW = T0 + 5_000
HALF = Decimal("0.5")
NO_ANSWER = AmendUnknown("no answer within 5 s")
BUSY = AmendRefused(-1003, "Too many requests queued.")
GONE = AmendRefused(-2038, "Unknown order sent.")


def opened() -> Order:
    return after(an_order(), Sent(), Acknowledged(an_answer()))


def amending() -> Order:
    return after(opened(), AmendSent(HALF))


def doubted() -> Order:
    return after(amending(), NO_ANSWER)


def amend_of(order: Order) -> tuple[Amend, Decimal | None, Certainty, Decimal | None]:
    return order.amend, order.amend_quantity, order.certainty, order.quantity


AMENDED = Amend.NONE, None, Certainty.KNOWN, HALF
UNCHANGED = Amend.NONE, None, Certainty.KNOWN, Decimal(1)


def test_an_amend_on_its_way_changes_nothing_yet_but_says_what_it_asks_for() -> None:
    order = amending()
    assert amend_of(order) == (Amend.AMENDING, HALF, Certainty.KNOWN, Decimal(1))
    assert order.amend_sent_ms == order.updated_ms
    assert order.remaining == 1
    assert "amend to 0.5 AMENDING" in repr(order)


def test_an_amend_is_told_by_the_answer_and_by_the_event_in_either_order_and_twice() -> None:
    messages: list[OrderEvent] = [AmendAcknowledged(an_amend_answer("0.5")), Reported(an_amend_report("0.5"))]
    for told in [*itertools.permutations(messages), messages + messages, messages[:1], messages[1:]]:
        order = after(amending(), *told)
        assert amend_of(order) == AMENDED
        assert (order.remaining, order.execution_id, order.client_order_id) == (HALF, 102, NAME)


def test_the_answer_to_an_amend_tells_of_fills_and_of_what_was_prevented_too() -> None:
    order = after(amending(), AmendAcknowledged(an_amend_answer("0.5", "0.2", prevented="0.1")))
    assert (order.filled_quantity, order.average_price, order.remaining) == (Decimal("0.2"), PRICE, Decimal("0.2"))


def test_the_second_message_about_the_same_amend_changes_nothing() -> None:
    order = after(amending(), Reported(an_amend_report("0.5")))
    same, actions = apply(order, AmendAcknowledged(an_amend_answer("0.5")), NOW)
    assert same is order
    assert actions == ()


def test_no_answer_leaves_the_amend_in_doubt_and_asks() -> None:
    order, actions = apply(amending(), NO_ANSWER, NOW)
    assert amend_of(order) == (Amend.IN_DOUBT, HALF, Certainty.UNKNOWN, Decimal(1))
    assert (order.unknown_since_ms, order.reason) == (NOW, "no answer within 5 s")
    assert actions == (Reconcile("no answer within 5 s"),)


def test_an_amend_that_found_no_order_leaves_the_order_in_doubt_until_it_is_found_filled() -> None:
    order, actions = apply(amending(), GONE, NOW)
    assert amend_of(order) == (Amend.IN_DOUBT, HALF, Certainty.UNKNOWN, Decimal(1))
    assert actions == (Reconcile("Unknown order sent. [-2038]"),)
    order = after(order, QueryFound(a_query(OrderStatus.FILLED, filled="1", at=3)))
    assert (order.life, amend_of(order), order.reason) == (Life.FILLED, UNCHANGED, "")


@pytest.mark.parametrize(
    "evidence",
    [
        Reported(an_amend_report("0.5")),
        AmendAcknowledged(an_amend_answer("0.5")),
        QueryFound(a_query(OrderStatus.NEW, quantity="0.5", at=2)),
        QueryFound(a_query(OrderStatus.NEW, quantity="0.5", at=2), is_listed=True),
        Reported(a_trade("0.2", "0.2", at=3, trade_id=1, quantity="0.5")),
        Reported(an_amend_report("0.3")),
    ],
    ids=["event", "late answer", "query", "listing", "a later trade", "amended lower still by somebody else"],
)
def test_whatever_shows_the_quantity_that_was_asked_for_ends_the_doubt(evidence: OrderEvent) -> None:
    order = after(doubted(), evidence)
    assert (order.amend, order.amend_quantity, order.certainty) == (Amend.NONE, None, Certainty.KNOWN)
    assert order.quantity is not None
    assert order.quantity <= HALF
    assert (order.unknown_since_ms, order.reason) == (None, "")


def test_an_old_report_of_the_new_quantity_ends_the_doubt_although_newer_things_are_known() -> None:
    order = after(doubted(), Reported(a_trade("0.2", "0.2", at=9, trade_id=1)))
    assert order.is_unknown
    late = Reported(an_amend_report("0.5", at=5))
    order = after(order, late)
    assert amend_of(order) == AMENDED
    assert (order.filled_quantity, order.transaction_time_ms) == (Decimal("0.2"), T0 + 9)
    assert (order.reason, order.unknown_since_ms) == ("", None)


@pytest.mark.parametrize(
    "event",
    [
        Reported(a_report(at=2)),
        Reported(a_trade("0.2", "0.2", at=3, trade_id=1)),
        QueryFound(a_query(OrderStatus.NEW, at=9)),
        Reported(an_amend_report("0.8")),
        AmendAcknowledged(an_amend_answer("0.8")),
        QueryFound(a_query(OrderStatus.NEW, quantity="0", at=9)),
        QueryMissing(),
        CancelSent(),
        CancelRefused(-1003, "Too many requests queued."),
        NotCanceled("found open after the window had passed"),
        NO_ANSWER,
        GONE,
    ],
    ids=repr,
)
def test_an_order_that_is_not_seen_with_the_new_quantity_proves_nothing_about_the_amend(event: OrderEvent) -> None:
    order = after(doubted(), event)
    assert (order.amend, order.amend_quantity, order.certainty) == (Amend.IN_DOUBT, HALF, Certainty.UNKNOWN)
    assert order.reason == "no answer within 5 s"


def test_the_doubt_ends_when_the_amend_can_no_longer_be_carried_out() -> None:
    order = after(doubted(), NotAmended("its quantity is the old one after the window had passed"))
    assert amend_of(order) == UNCHANGED
    assert (order.reason, order.unknown_since_ms) == ("", None)
    assert after(order, AmendSent(HALF)).amend is Amend.AMENDING


@pytest.mark.parametrize("refusal", [BUSY, AmendRefused(-2038, "Order amend is not supported for this symbol.")])
def test_a_refused_amend_leaves_the_order_as_it_was_also_when_the_refusal_comes_late(refusal: AmendRefused) -> None:
    for order in (after(amending(), refusal), after(doubted(), refusal)):
        assert amend_of(order) == UNCHANGED
        assert (order.life, order.reason) == (Life.OPEN, "")


def test_an_amend_that_never_left_leaves_the_order_as_it_was() -> None:
    order = after(amending(), AmendUnsent("the link is down"))
    assert (amend_of(order), order.reason) == (UNCHANGED, "")


def test_what_came_after_evidence_has_settled_the_amend_does_not_doubt_it_again() -> None:
    amended = after(amending(), Reported(an_amend_report("0.5")))
    for event in (NO_ANSWER, BUSY, GONE, AmendUnsent("the link is down"), NotAmended("concluded too late")):
        same, actions = apply(amended, event, NOW)
        assert same is amended
        assert actions == ()


def test_there_is_one_amend_at_a_time() -> None:
    for order in (amending(), doubted()):
        with pytest.raises(UnexpectedEvent, match="AMEND_SENT cannot happen"):
            apply(order, AmendSent(Decimal("0.4")), NOW)
    settled = after(amending(), Reported(an_amend_report("0.5")))
    assert after(settled, AmendSent(Decimal("0.4"))).amend_quantity == Decimal("0.4")


@pytest.mark.parametrize("quantity", ["0", "-1", "1", "1.5"])
def test_an_amend_lowers_the_quantity_to_more_than_nothing(quantity: str) -> None:
    order = opened()
    with pytest.raises(UnexpectedEvent) as caught:
        apply(order, AmendSent(Decimal(quantity)), NOW)
    assert "lowers" in caught.value.hint
    assert order == opened()


def test_an_order_whose_quantity_is_not_known_cannot_be_amended() -> None:
    by_quote = msgspec.structs.replace(an_order(quantity=None), life=Life.OPEN)
    with pytest.raises(UnexpectedEvent):
        apply(by_quote, AmendSent(HALF), NOW)


def test_a_late_answer_to_an_earlier_amend_does_not_settle_the_one_on_its_way() -> None:
    order = after(amending(), NO_ANSWER, NotAmended("concluded"), AmendSent(Decimal("0.3")))
    order = after(order, AmendAcknowledged(an_amend_answer("0.5")))
    assert (order.amend, order.amend_quantity) == (Amend.AMENDING, Decimal("0.3"))
    assert order.quantity == HALF, "but it is evidence all the same"


def test_an_amend_by_somebody_else_is_taken_as_it_comes() -> None:
    order = after(opened(), Reported(an_amend_report("0.4")))
    assert (order.quantity, order.amend, order.life) == (Decimal("0.4"), Amend.NONE, Life.OPEN)


# Races with fills.


def test_a_fill_that_completes_the_order_wins_over_the_amend_that_crosses_it() -> None:
    filled = Reported(a_trade("1", "1", at=2, trade_id=1))
    for order in (after(amending(), filled, GONE), after(amending(), GONE, filled), after(doubted(), filled)):
        assert (order.life, amend_of(order)) == (Life.FILLED, UNCHANGED)
        assert order.filled_quantity == 1


@pytest.mark.parametrize("is_answer_lost", [False, True])
def test_fills_before_and_after_the_amend_add_up_in_any_order_of_arrival(is_answer_lost: bool) -> None:
    told: list[OrderEvent] = [
        Reported(a_trade("0.2", "0.2", at=2, trade_id=1)),
        Reported(an_amend_report("0.5", "0.2", at=3, status=OrderStatus.PARTIALLY_FILLED)),
        NO_ANSWER if is_answer_lost else AmendAcknowledged(an_amend_answer("0.5", "0.2", at=3)),
        Reported(a_trade("0.5", "0.3", at=4, trade_id=2, quantity="0.5")),
    ]
    for messages in itertools.permutations(told):
        order = after(amending(), *messages)
        assert (order.life, order.filled_quantity, amend_of(order)) == (Life.FILLED, HALF, AMENDED)
        assert order.remaining == 0


def test_a_trade_of_the_same_millisecond_as_the_amend_does_not_bring_the_old_quantity_back() -> None:
    # The query was answered after both, yet it carries no execution id that would say so; the amend's event is lost.
    trade = Reported(a_trade("0.2", "0.2", at=2, trade_id=1))
    query = QueryFound(a_query(OrderStatus.PARTIALLY_FILLED, filled="0.2", quantity="0.5", at=2))
    both: list[OrderEvent] = [trade, query]
    for told in itertools.permutations(both):
        assert amend_of(after(doubted(), *told)) == AMENDED


@pytest.mark.parametrize("told_quantity", ["0.5", "0.6"])
def test_an_amend_to_no_more_than_has_filled_ends_the_order(told_quantity: str) -> None:
    partly = after(opened(), Reported(a_trade("0.6", "0.6", at=2, trade_id=1)), AmendSent(HALF))
    expired = a_report(
        ExecutionType.EXPIRED,
        OrderStatus.EXPIRED,
        quantity=told_quantity,
        filled="0.6",
        at=3,
        expiry_reason=ExpiryReason.EXCHANGE_CANCELED,
    )
    answer = AmendAcknowledged(an_amend_answer(told_quantity, "0.6", at=3, status=OrderStatus.EXPIRED))
    replaced = an_amend_report(told_quantity, "0.6", at=3, status=OrderStatus.PARTIALLY_FILLED)
    messages: list[OrderEvent] = [Reported(replaced), Reported(expired), answer, Reported(expired), NO_ANSWER]
    for told in itertools.permutations(messages):
        order = after(partly, *told)
        assert (order.life, order.amend, order.certainty) == (Life.EXPIRED, Amend.NONE, Certainty.KNOWN)
        assert (order.filled_quantity, order.quantity) == (Decimal("0.6"), Decimal("0.6")), "what has filled has filled"
        assert order.reason == "EXCHANGE_CANCELED"


# Races with a cancel.


def test_a_cancel_and_an_amend_may_cross_and_the_cancel_ends_both() -> None:
    both = after(opened(), AmendSent(HALF), CancelSent())
    assert (both.request, both.amend, both.certainty) == (Request.CANCELING, Amend.AMENDING, Certainty.KNOWN)
    for told in (
        [Reported(an_amend_report("0.5")), Reported(a_cancel_report(at=3))],
        [Reported(a_cancel_report(at=3)), GONE],
        [GONE, Reported(a_cancel_report(at=3))],
        [NO_ANSWER, CancelUnknown("no answer"), Reported(a_cancel_report(at=3))],
    ):
        order = after(both, *told)
        assert (order.life, order.request, order.amend) == (Life.CANCELED, Request.NONE, Amend.NONE)
        assert (order.certainty, order.amend_quantity, order.remaining) == (Certainty.KNOWN, None, Decimal(0))


def test_two_doubts_end_one_by_one_and_the_order_is_unknown_until_both_have() -> None:
    both = after(opened(), AmendSent(HALF), CancelSent(), NO_ANSWER, CancelUnknown("nor of the cancel"))
    endings: list[OrderEvent] = [Reported(an_amend_report("0.5")), NotCanceled("it is open after all")]
    for first, second in itertools.permutations(endings):
        order = after(both, first)
        assert order.is_unknown
        assert order.reason == "nor of the cancel"
        assert order.unknown_since_ms == both.unknown_since_ms, "it has been unknown all the time"
        order = after(order, second)
        assert not order.is_unknown
        assert (order.reason, order.unknown_since_ms, order.quantity) == ("", None, HALF)


@pytest.mark.parametrize("outcomes", [(NO_ANSWER, CancelUnknown("nor")), (CancelUnknown("nor"), NO_ANSWER)], ids=str)
def test_a_second_doubt_about_an_unknown_order_asks_again(outcomes: tuple[AmendUnknown | CancelUnknown, ...]) -> None:
    first, second = outcomes
    order, actions = apply(after(amending(), CancelSent(), first), second, NOW)
    assert actions == (Reconcile(second.reason),)
    assert order.reason == second.reason
    same, actions = apply(order, second, NOW)
    assert same is order
    assert actions == ()


def test_a_conclusion_that_the_end_of_the_order_has_overtaken_changes_nothing() -> None:
    for ending in (a_cancel_report(at=3), a_trade("1", "1", at=3, trade_id=1)):
        closed = after(doubted(), CancelSent(), CancelUnknown("no answer"), Reported(ending))
        for conclusion in (NotAmended("concluded"), NotCanceled("concluded")):
            same, actions = apply(closed, conclusion, NOW)
            assert same is closed
            assert actions == ()


def test_the_fill_of_an_order_with_an_amend_in_doubt_is_published_once_and_the_doubt_stays() -> None:
    order, actions = apply(doubted(), Reported(a_trade("0.2", "0.2", at=3, trade_id=1)), NOW)
    assert [type(action) for action in actions] == [PublishFill]
    assert (order.is_unknown, order.filled_quantity) == (True, Decimal("0.2"))
