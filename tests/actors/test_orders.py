"""The tracker against a session that answers when and how the test says: refusals, silence, late answers, doubts."""

from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors import sender
from dogwatch.actors.order_messages import (
    AwaitClosed,
    AwaitReady,
    CancelOrder,
    CancelStrategyOrders,
    QueryOrder,
)
from dogwatch.actors.session import Call
from dogwatch.actors.spot.enums import ExecutionType, OrderStatus
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown, Rejected
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Life
from tests.actors.fake_session import refusal, result
from tests.actors.order_bench import (
    SYMBOL,
    Asked,
    acknowledgement,
    bench,
    canceled,
    fail,
    intent,
    listed,
    placed,
    report,
    trade_report,
)

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def test_an_order_is_sent_once_and_open_when_the_exchange_says_so() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_PLACE]
        assert b.latest().life is Life.SENT
        call = b.session.answer(result(acknowledgement(b.session.calls[0][0])))
        await wait_all_tasks_blocked()
        assert asked.value.is_open
        assert asked.value.client_order_id == call.params["newClientOrderId"]
        assert call.params["newClientOrderId"] == "dw-test-run-1-1"
        assert b.table.placed == 1


async def test_one_slow_answer_delays_no_other_order() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        slow = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        quick = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.answer(result(acknowledgement(b.session.calls[1][0], orderId=8)), 1)
        await wait_all_tasks_blocked()
        assert quick.value.is_open
        assert not slow.is_answered
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"price": Decimal("40000.001")}, "PRICE_FILTER"),
        ({"quantity": Decimal("0.000001")}, "LOT_SIZE"),
        ({"price": Decimal("1E+300")}, "more digits than the exchange reads"),
        ({"quantity": Decimal("1." + 120 * "3")}, "more digits than the exchange reads"),
        ({"symbol": "ETHUSDT"}, "the rules of ETHUSDT are not known"),
        ({"strategy": "a name that is too long"}, "does not fit into a client order id"),
    ],
)
async def test_what_the_exchange_would_refuse_for_certain_is_refused_here(changes: dict[str, Any], text: str) -> None:
    async with bench() as b:
        with pytest.raises((NotSent, ValueError), match=text):
            await b.orders.ask(intent(**changes), within_s=1)
        assert b.session.calls == []
        assert b.changes == []


async def test_an_order_that_is_too_old_is_not_sent() -> None:
    async with bench() as b:
        with pytest.raises(NotSent, match="too old"):
            await b.orders.ask(intent(deadline_s=trio.current_time()), within_s=1)
        assert b.session.calls == []


async def test_without_a_session_nothing_is_sent() -> None:
    async with bench() as b:
        b.session.lost()
        with pytest.raises(NotSent, match="no session"):
            await b.orders.ask(intent(), within_s=1)
        assert b.session.calls == []


async def test_a_refusal_is_raised_with_the_words_of_the_exchange() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.answer(refusal(-2010, "Account has insufficient balance for requested action."))
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, Rejected)
        assert asked.error.code == -2010
        assert b.latest().life is Life.REJECTED


async def test_an_order_that_never_left_is_not_sent() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.answer(NotSent("the socket is gone"))
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, NotSent)
        assert b.latest().life is Life.NEVER_PLACED


UNKNOWN = [
    OutcomeUnknown("the link was lost"),
    refusal(-1007, "Timeout waiting for response from backend server.", 504),
    refusal(-1006, "An unexpected response was received from the message bus.", 500),
    result({"nonsense": True}),
]


@pytest.mark.parametrize("answer", UNKNOWN, ids=["link lost", "-1007", "-1006", "unreadable"])
async def test_an_unknown_outcome_is_a_state_of_the_order_and_is_asked_about(answer: Any) -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.answer(answer)
        await wait_all_tasks_blocked()
        assert asked.value.is_unknown
        assert asked.value.life is Life.SENT
        await trio.sleep(1)
        assert b.session.methods() == [Method.ORDER_STATUS]
        b.session.answer(result(acknowledgement(b.session.calls[0][0])))
        await wait_all_tasks_blocked()
        assert b.latest().is_open
        assert not b.latest().is_unknown
        await trio.sleep(60)
        assert b.session.calls == []


async def test_no_answer_in_time_leaves_the_order_unknown_and_the_late_answer_is_evidence() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent(deadline_s=trio.current_time() + 2))
        await trio.sleep(2.5)
        assert asked.value.is_unknown
        call = b.session.calls[0][0]
        assert call.method is Method.ORDER_PLACE
        b.session.late(call, result(acknowledgement(call)))
        await wait_all_tasks_blocked()
        assert b.latest().is_open
        assert not b.latest().is_unknown
        assert [made.method for made, _ in b.session.calls].count(Method.ORDER_PLACE) == 1


async def test_an_order_nobody_finds_stays_unknown_until_it_is_proven_absent() -> None:
    async with bench() as b, trio.open_nursery() as nursery:

        def missing(call: Call) -> Any:
            return refusal(-2013, "Order does not exist.") if call.method is Method.ORDER_STATUS else None

        b.session.automatic = missing
        asked = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.answer(OutcomeUnknown("no answer"))
        await trio.sleep(79)
        assert b.latest().is_unknown
        assert asked.value.life is Life.SENT
        await trio.sleep(30)
        assert b.latest().life is Life.NEVER_PLACED


async def test_an_order_whose_stream_was_interrupted_is_not_called_absent_before_the_record_was_compared() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        b.session.automatic = lambda call: (
            refusal(-2013, "Order does not exist.") if call.method is Method.ORDER_STATUS else None
        )
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.lost()
        b.session.answer(OutcomeUnknown("the link was lost"))
        await trio.sleep(1)
        b.session.ready()
        await trio.sleep(600)
        assert b.latest().is_unknown
        assert b.latest().life is Life.SENT
        assert b.recovery.wishes
        b.recovery.end(None)
        await wait_all_tasks_blocked()
        assert b.latest().life is Life.NEVER_PLACED


async def test_the_event_before_the_answer_makes_the_order_known() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        name = str(b.session.calls[0][0].params["newClientOrderId"])
        b.session.event(report(name, OrderStatus.NEW, ExecutionType.NEW))
        b.session.event(trade_report(name))
        await wait_all_tasks_blocked()
        assert b.latest().is_filled
        b.session.answer(result(acknowledgement(b.session.calls[0][0])))
        await wait_all_tasks_blocked()
        assert asked.value.is_filled


async def test_a_fill_told_twice_is_published_once_and_booked_once() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        for _ in range(3):
            b.session.event(trade_report(order.client_order_id))
        await wait_all_tasks_blocked()
        assert len(b.fills) == 1
        assert b.table.position("test", SYMBOL) == Decimal("0.001")
        assert b.table.ended[Life.FILLED] == 1


async def test_orders_that_are_not_ours_are_told_and_not_adopted() -> None:
    async with bench() as b:
        external: list[Any] = []
        b.topics.external.tap(external.append, on_error=fail)
        b.session.event(report("by-hand", OrderStatus.NEW, ExecutionType.NEW))
        await wait_all_tasks_blocked()
        assert [entry.client_order_id for entry in external] == ["by-hand"]
        assert b.changes == []


async def test_two_who_cancel_one_order_send_one_cancel() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        command = CancelOrder(client_order_id=order.client_order_id, deadline_s=trio.current_time() + 10)
        first = Asked(nursery, b.orders, command)
        second = Asked(nursery, b.orders, command)
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_CANCEL]
        b.session.answer(result(canceled(b.session.calls[0][0])))
        await wait_all_tasks_blocked()
        assert first.value.life is Life.CANCELED
        assert second.value.life is Life.CANCELED


async def test_a_cancel_that_finds_nothing_waits_for_the_truth() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        asked = Asked(nursery, b.orders, CancelOrder(client_order_id=order.client_order_id, deadline_s=100.0))
        await wait_all_tasks_blocked()
        b.session.answer(refusal(-2011, "Unknown order sent."))
        await trio.sleep(0.2)
        assert not asked.is_answered
        assert b.latest().is_unknown
        assert b.session.methods() == [Method.ORDER_STATUS]
        filled = acknowledgement(b.session.calls[0][0], "FILLED", executedQty="0.001", cummulativeQuoteQty="40")
        b.session.answer(result(filled))
        await wait_all_tasks_blocked()
        assert asked.value.is_filled


async def test_fills_that_nobody_told_are_fetched_and_booked_once() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.recovery.find(orders=[listed(order.client_order_id, status="FILLED", filled="0.001")])
        await trio.sleep(2)
        assert b.session.methods() == [Method.MY_TRADES]
        trade = {
            "symbol": SYMBOL,
            "id": 5,
            "orderId": 7,
            "price": "40000",
            "qty": "0.001",
            "quoteQty": "40",
            "commission": "0.000001",
            "commissionAsset": "BTC",
            "time": 1,
            "isBuyer": True,
            "isMaker": True,
        }
        b.session.answer(result([trade]))
        await wait_all_tasks_blocked()
        assert [fill.trade_id for fill in b.fills] == [5]
        b.session.event(trade_report(order.client_order_id))
        await trio.sleep(60)
        assert len(b.fills) == 1
        assert b.table.position("test", SYMBOL) == Decimal("0.000999")
        assert b.session.calls == []


async def test_a_fill_that_shows_a_gap_before_it_has_the_others_fetched() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.session.event(trade_report(order.client_order_id, trade_id=6, last="0.0004", total="0.001"))
        await trio.sleep(2)
        assert Method.ORDER_STATUS in b.session.methods() or Method.MY_TRADES in b.session.methods()


async def test_all_orders_of_a_strategy_are_canceled_again_and_again_until_they_have_ended() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        await placed(b, nursery)
        swept = Asked(nursery, b.orders, CancelStrategyOrders(strategy="test"))
        await wait_all_tasks_blocked()
        b.session.answer(refusal(-1003, "Too much request weight used.", 429))
        await wait_all_tasks_blocked()
        assert not swept.is_answered
        await trio.sleep(1.1)
        assert b.session.methods() == [Method.ORDER_CANCEL]
        b.session.answer(NotSent("the socket is gone"))
        b.session.lost()
        await trio.sleep(5)
        assert b.session.calls == []
        b.session.ready()
        await wait_all_tasks_blocked()
        assert Method.ORDER_CANCEL in b.session.methods()
        index = b.session.methods().index(Method.ORDER_CANCEL)
        b.session.answer(result(canceled(b.session.calls[index][0])), index)
        await wait_all_tasks_blocked()
        assert swept.value == 1


async def test_no_more_orders_are_canceled_at_once_than_a_session_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "CANCELS_AT_ONCE", 2)
    async with bench() as b, trio.open_nursery() as nursery:
        for _ in range(5):
            await placed(b, nursery)
        Asked(nursery, b.orders, CancelStrategyOrders(strategy="test"))
        await wait_all_tasks_blocked()
        for canceled_so_far in (2, 4, 5, 5):
            assert b.session.methods() == [Method.ORDER_CANCEL] * canceled_so_far
            await trio.sleep(1.1)
        nursery.cancel_scope.cancel()


async def test_nothing_to_cancel_is_answered_at_once() -> None:
    async with bench() as b:
        assert await b.orders.ask(CancelStrategyOrders(strategy="nobody"), within_s=1) == 0


async def test_a_refused_cancel_of_an_open_order_is_raised() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        asked = Asked(nursery, b.orders, CancelOrder(client_order_id=order.client_order_id, deadline_s=100.0))
        await wait_all_tasks_blocked()
        b.session.answer(refusal(-2011, "Order was not canceled due to cancel restrictions."))
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, Rejected)
        assert b.latest().is_open


async def test_waiting_for_the_end_ends_with_it_and_a_query_tells_what_is() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        closed = Asked(nursery, b.orders, AwaitClosed(client_order_id=order.client_order_id))
        queried = Asked(nursery, b.orders, QueryOrder(client_order_id=order.client_order_id, deadline_s=100.0))
        await wait_all_tasks_blocked()
        b.session.answer(result(acknowledgement(b.session.calls[0][0])))
        await wait_all_tasks_blocked()
        assert queried.value.is_open
        assert not closed.is_answered
        b.session.event(trade_report(order.client_order_id))
        await wait_all_tasks_blocked()
        assert closed.value.is_filled


async def test_ready_is_answered_when_the_session_stands() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        b.session.lost()
        asked = Asked(nursery, b.orders, AwaitReady())
        await wait_all_tasks_blocked()
        assert not b.orders.statistics().depth
        with trio.move_on_after(1):
            await b.orders.ask(AwaitReady(), within_s=5)
            pytest.fail("there is no session")
        b.session.ready()
        await b.orders.ask(AwaitReady(), within_s=1)
        assert asked.error is None


async def test_an_event_that_contradicts_is_an_alarm_and_is_asked_about() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.session.event(report(order.client_order_id, OrderStatus.NEW, ExecutionType.NEW, order_id=99))
        await trio.sleep(0.2)
        assert b.session.methods() == [Method.ORDER_STATUS]
        assert b.latest() == order


async def test_fills_of_an_order_that_has_ended_are_fetched_when_their_events_were_lost() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        Asked(nursery, b.orders, CancelOrder(client_order_id=order.client_order_id, deadline_s=100.0))
        await wait_all_tasks_blocked()
        partly = {**canceled(b.session.calls[0][0]), "executedQty": "0.0004", "cummulativeQuoteQty": "16"}
        b.session.answer(result(partly))
        await trio.sleep(1)
        assert b.latest().is_closed
        assert b.session.methods() == [Method.MY_TRADES]
        nursery.cancel_scope.cancel()
