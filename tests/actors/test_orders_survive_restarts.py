"""What the tracker's own restart must not cost: fills told meanwhile, answers that died with its life."""

import math
from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.order_messages import AwaitClosed, CancelOrder, CancelStrategyOrders, QueryOrder
from dogwatch.actors.session import Call
from dogwatch.actors.spot.enums import ExecutionType, OrderStatus
from dogwatch.actors.spot.envelope import MalformedFrame
from dogwatch.actors.spot.errors import OutcomeUnknown
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Life, Request
from dogwatch.runtime.errors import ActorCrashed
from tests.actors.fake_session import refusal, result
from tests.actors.order_bench import SYMBOL, Asked, Bench, acknowledgement, bench, canceled, intent, placed, report

pytestmark = pytest.mark.usefixtures("virtual_clock")

NONSENSE: Any = "no response at all: whoever reads it as one crashes"


def trade(*, quantity: str = "0.0004", trade_id: int = 5) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "id": trade_id,
        "orderId": 7,
        "price": "40000",
        "qty": quantity,
        "quoteQty": str(Decimal(quantity) * 40_000),
        "commission": "0",
        "commissionAsset": "BNB",
        "time": 1,
        "isBuyer": True,
        "isMaker": True,
    }


def crash_the_tracker(b: Bench, nursery: trio.Nursery, index: int = 0) -> None:
    """Answer a call with something that no exchange sends."""
    b.session.answer(NONSENSE, index)


async def test_a_fill_told_while_the_tracker_was_down_is_fetched_although_the_order_has_ended() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        other = await placed_with_id(b, nursery, 8)
        name = order.client_order_id
        first = Asked(nursery, b.orders, CancelOrder(client_order_id=name, deadline_s=100))
        await wait_all_tasks_blocked()
        second = Asked(nursery, b.orders, CancelOrder(client_order_id=other, deadline_s=100))
        await wait_all_tasks_blocked()
        call = b.session.calls[0][0]
        assert call.params["origClientOrderId"] == name
        # The second cancel's answer takes the tracker down; the first one's waits in its mailbox until it is back.
        b.session.answer(NONSENSE, 1)
        b.session.answer(result(canceled(call) | {"executedQty": "0.0004", "cummulativeQuoteQty": "16"}))
        asked: list[Method] = []

        def answering(made: Call) -> Any:
            asked.append(made.method)
            if made.method is Method.MY_TRADES:
                return result([trade()])
            if made.params.get("origClientOrderId") == name:
                return refusal(-2013, "Order does not exist.")
            return result(acknowledgement(made, orderId=8))

        b.session.automatic = answering
        await trio.sleep(30)
        known = b.table.get(name)
        assert known is not None
        assert known.life is Life.CANCELED
        assert b.table.position("test", SYMBOL) == Decimal("0.0004")
        assert asked.count(Method.MY_TRADES) == 1
        assert first.is_answered
        assert second.is_answered


async def placed_with_id(b: Bench, nursery: trio.Nursery, order_id: int) -> str:
    Asked(nursery, b.orders, intent())
    await wait_all_tasks_blocked()
    call = b.session.calls[-1][0]
    b.session.answer(result(acknowledgement(call, orderId=order_id)), -1)
    await wait_all_tasks_blocked()
    return str(call.params["newClientOrderId"])


async def test_a_cancel_whose_answer_died_with_the_tracker_is_sent_again_for_an_order_that_has_to_end() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        Asked(nursery, b.orders, CancelStrategyOrders(strategy="test"))
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_CANCEL]
        crash_the_tracker(b, nursery)
        b.session.automatic = lambda call: result(acknowledgement(call)) if call.method is Method.ORDER_STATUS else None
        await trio.sleep(5)
        assert b.table.latest(order).request is Request.IN_DOUBT
        Asked(nursery, b.orders, CancelStrategyOrders(strategy="test"))
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_CANCEL]
        b.session.answer(result(canceled(b.session.calls[0][0])))
        await wait_all_tasks_blocked()
        assert b.table.latest(order).life is Life.CANCELED


async def test_an_order_whose_answer_died_with_the_tracker_is_unknown_and_not_merely_sent() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        crash_the_tracker(b, nursery)
        b.session.automatic = lambda _call: refusal(-2013, "Order does not exist.")
        await trio.sleep(2)
        assert b.latest().life is Life.SENT
        assert b.latest().is_unknown


async def test_an_answer_that_comes_after_the_tracker_was_restarted_makes_the_order_known() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        Asked(nursery, b.orders, intent())
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        crash_the_tracker(b, nursery)
        await trio.sleep(2)
        index = b.session.methods().index(Method.ORDER_PLACE)
        call = b.session.calls[index][0]
        b.session.answer(result(acknowledgement(call, orderId=9)), index)
        await wait_all_tasks_blocked()
        order = b.table.get(str(call.params["newClientOrderId"]))
        assert order is not None
        assert order.is_open
        assert not order.is_unknown


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "SOMETHING_NEW"},
        {"status": "NEW", "orderId": 99},
        {"status": "EXPIRED"},
    ],
    ids=["a status nobody knows", "another order", "a contradiction"],
)
async def test_evidence_that_cannot_be_is_an_alarm_and_not_a_flood_of_queries(answer: dict[str, Any]) -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        times: list[float] = []

        def impossible(call: Call) -> Any:
            times.append(trio.current_time())
            return result(acknowledgement(call) | answer)

        b.session.automatic = impossible
        b.session.event(report(order.client_order_id, OrderStatus.CANCELED, ExecutionType.CANCELED, execution_id=5))
        b.session.event(report(order.client_order_id, OrderStatus.EXPIRED, ExecutionType.EXPIRED, execution_id=6))
        await trio.sleep(300)
        assert 1 <= len(times) <= 3


async def test_an_event_that_cannot_be_read_has_the_whole_record_compared_and_breaks_the_stream() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.answer(OutcomeUnknown("no answer"))
        await trio.sleep(1)
        b.session.automatic = lambda _call: refusal(-2013, "Order does not exist.")
        b.session.topics.unmatched.publish(MalformedFrame(problem="what is this", excerpt=b"{", length=1))
        await wait_all_tasks_blocked()
        assert b.recovery.wishes == ["an event could not be read"]
        await trio.sleep(300)
        assert b.latest().is_unknown, "it may have been about this order"


async def test_an_order_that_has_to_end_and_stays_in_doubt_is_canceled_ever_more_rarely() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        await placed(b, nursery)
        times: list[float] = []

        def doubtful(call: Call) -> Any:
            if call.method is Method.ORDER_CANCEL:
                times.append(trio.current_time())
                return refusal(-2011, "Unknown order sent.")
            return result(acknowledgement(call))

        b.session.automatic = doubtful
        Asked(nursery, b.orders, CancelStrategyOrders(strategy="test"), within_s=600)
        await trio.sleep(300)
        assert 25 <= len(times) <= 40
        nursery.cancel_scope.cancel()


async def test_who_waits_for_an_order_when_the_tracker_crashes_is_told_so_at_once() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        name = order.client_order_id
        waiting = [
            Asked(nursery, b.orders, query, within_s=math.inf)
            for query in (
                AwaitClosed(client_order_id=name),
                CancelOrder(client_order_id=name, deadline_s=1_000),
                QueryOrder(client_order_id=name, deadline_s=1_000),
                CancelStrategyOrders(strategy="test"),
                intent(deadline_s=trio.current_time() + 1_000),
            )
        ]
        await wait_all_tasks_blocked()
        b.crash_the_tracker()
        await wait_all_tasks_blocked()
        assert [type(asked.error) for asked in waiting] == [ActorCrashed] * len(waiting)
        nursery.cancel_scope.cancel()
