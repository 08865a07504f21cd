"""Words that settle nothing: answers that cannot be true or are not known here, and a name that somebody else gave."""

from decimal import Decimal

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.order_messages import AmendOrder, CancelOrder, CancelStrategyOrders
from dogwatch.actors.spot.enums import ExecutionType, OrderStatus
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Amend, Life, Request
from tests.actors.fake_session import refusal, result
from tests.actors.order_bench import (
    SYMBOL,
    Asked,
    acknowledgement,
    bench,
    intent,
    listed,
    placed,
    report,
    trade_report,
)

pytestmark = pytest.mark.usefixtures("virtual_clock")

HALF = Decimal("0.0005")


async def test_an_answer_with_a_status_that_nobody_knows_leaves_the_order_unknown_and_asked_about() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.answer(result(acknowledgement(b.session.calls[0][0], "WAITING_FOR_GODOT")))
        await wait_all_tasks_blocked()
        assert asked.value.life is Life.SENT
        assert asked.value.is_unknown
        assert b.session.methods() == [Method.ORDER_STATUS]
        b.session.answer(result(acknowledgement(b.session.calls[0][0])))
        await wait_all_tasks_blocked()
        assert b.latest().is_open
        assert not b.latest().is_unknown


@pytest.mark.parametrize("status", ["PENDING_CANCEL", "WAITING_FOR_GODOT"])
async def test_a_cancel_whose_answer_settles_nothing_is_in_doubt_and_answered(status: str) -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        asked = Asked(nursery, b.orders, CancelOrder(client_order_id=order.client_order_id, deadline_s=100))
        await wait_all_tasks_blocked()
        b.session.answer(result(acknowledgement(b.session.calls[0][0], status)))
        await wait_all_tasks_blocked()
        assert asked.value.request is Request.IN_DOUBT
        assert b.session.methods() == [Method.ORDER_STATUS]


async def test_an_order_that_has_to_end_is_canceled_again_when_an_answer_settles_nothing() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        sweep = Asked(nursery, b.orders, CancelStrategyOrders(strategy="test"))
        await wait_all_tasks_blocked()
        b.session.answer(result(acknowledgement(b.session.calls[0][0], "PENDING_CANCEL")))
        await trio.sleep(2)
        assert b.session.methods().count(Method.ORDER_CANCEL) == 1
        b.session.event(report(order.client_order_id, OrderStatus.CANCELED, ExecutionType.CANCELED))
        await wait_all_tasks_blocked()
        assert sweep.value == 1


async def test_an_amend_whose_answer_settles_nothing_is_in_doubt_and_answered() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        command = AmendOrder(client_order_id=order.client_order_id, quantity=HALF, deadline_s=100)
        asked = Asked(nursery, b.orders, command)
        await wait_all_tasks_blocked()
        amended = {
            "symbol": SYMBOL,
            "orderId": 7,
            "clientOrderId": order.client_order_id,
            "origClientOrderId": order.client_order_id,
            "price": "40000",
            "qty": "0.0005",
            "executedQty": "0",
            "status": "WAITING_FOR_GODOT",
        }
        answer = {"transactTime": 1_767_225_600_002, "executionId": 9, "amendedOrder": amended}
        b.session.answer(result(answer))
        await wait_all_tasks_blocked()
        assert asked.value.amend is Amend.IN_DOUBT
        assert b.session.methods() == [Method.ORDER_STATUS]


async def test_a_cancel_that_found_nothing_is_answered_when_the_order_is_proven_to_be_open() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        command = CancelOrder(client_order_id=order.client_order_id, deadline_s=1_000)
        asked = Asked(nursery, b.orders, command, within_s=1_000)
        await wait_all_tasks_blocked()
        b.session.automatic = lambda call: result(acknowledgement(call))
        b.session.answer(refusal(-2011, "Unknown order sent."))
        await trio.sleep(60)
        assert not asked.is_answered
        await trio.sleep(60)
        assert asked.value.is_open
        assert asked.value.request is Request.NONE


async def test_an_order_of_ours_that_somebody_else_has_renamed_is_followed_by_its_id() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.session.event(trade_report("a-name-given-by-hand"))
        await wait_all_tasks_blocked()
        assert b.known(order.client_order_id).is_filled
        assert b.table.position("test", SYMBOL) == Decimal("0.001")
        assert b.statistics()["external"] == 0


async def test_an_id_that_the_exchange_gives_again_makes_no_fill_of_somebody_else_ours() -> None:
    """A test network begins anew now and then, and counts from one again."""
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.session.event(report(order.client_order_id, OrderStatus.CANCELED, ExecutionType.CANCELED))
        b.session.event(trade_report("somebody-elses"))
        await wait_all_tasks_blocked()
        assert b.known(order.client_order_id).life is Life.CANCELED
        assert b.fills == []
        assert b.statistics()["external"] == 1
        asked = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        name = b.latest().client_order_id
        b.recovery.find(orders=[listed(name, status="FILLED", filled="0.001", order_id=7)])
        await wait_all_tasks_blocked()
        assert b.known(name).is_filled
        assert b.known(order.client_order_id).life is Life.CANCELED
        assert asked.error is None
        nursery.cancel_scope.cancel()


async def test_a_second_cancel_that_never_left_says_so_although_the_first_is_in_doubt() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        command = CancelOrder(client_order_id=order.client_order_id, deadline_s=1_000)
        Asked(nursery, b.orders, command)
        await wait_all_tasks_blocked()
        b.session.answer(OutcomeUnknown("the link was lost"))
        await wait_all_tasks_blocked()
        again = Asked(nursery, b.orders, command)
        await wait_all_tasks_blocked()
        b.session.answer(NotSent("there is no link"), -1)
        await wait_all_tasks_blocked()
        assert isinstance(again.error, NotSent)
        assert b.latest().request is Request.IN_DOUBT


async def test_a_list_with_words_that_nobody_knows_is_read_all_the_same() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.recovery.is_prompt = False
        b.session.lost()
        b.session.ready()
        await wait_all_tasks_blocked()
        odd = "WAITING_FOR_GODOT"
        rows = [
            listed("dw-test-old-1-1", order_id=1, status=odd),
            listed("dw-test-old-1-2", order_id=2, type=odd, timeInForce=odd, expiryReason=odd),
            listed(order.client_order_id, status=odd),
            listed("dw-test-old-1-3", order_id=3, status="EXPIRED", expiryReason=odd),
        ]
        b.recovery.find(orders=rows)
        b.recovery.end(b.recovery.gaps[0].number)
        await wait_all_tasks_blocked()
        assert b.caught_up
        assert b.statistics()["alarms"] == 2
        assert b.known(order.client_order_id).is_open
        assert b.table.get("dw-test-old-1-1") is None
        assert b.known("dw-test-old-1-2").type == odd
        assert b.known("dw-test-old-1-3").reason == odd
