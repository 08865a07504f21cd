"""Amends and replacements: what may be asked, what each answer means to whoever asked, and doubts that end by proof."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.order_messages import AmendOrder, CancelOrder, CancelStrategyOrders, ReplaceOrder
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.session import Call
from dogwatch.actors.spot.enums import ExecutionType, OrderStatus
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import ExchangeError, NotSent, OutcomeUnknown, Rejected
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Amend, Life, Order, Request
from tests.actors.fake_journal import FakeJournal
from tests.actors.fake_session import refusal, result
from tests.actors.order_bench import (
    SYMBOL,
    Asked,
    Bench,
    acknowledgement,
    bench,
    canceled,
    intent,
    placed,
    report,
    trade_report,
)

pytestmark = pytest.mark.usefixtures("virtual_clock")

HALF = Decimal("0.0005")


def amend(order: Order, quantity: Decimal = HALF, *, within_s: float = 10) -> AmendOrder:
    deadline_s = trio.current_time() + within_s
    return AmendOrder(client_order_id=order.client_order_id, quantity=quantity, deadline_s=deadline_s)


def amended(call: Call) -> dict[str, Any]:
    """The answer to order.amend.keepPriority."""
    name = call.params["newClientOrderId"]
    return {
        "transactTime": 1_767_225_600_010,
        "executionId": 60,
        "amendedOrder": {
            "symbol": SYMBOL,
            "orderId": call.params["orderId"],
            "orderListId": -1,
            "origClientOrderId": name,
            "clientOrderId": name,
            "price": "40000",
            "qty": call.params["newQty"],
            "executedQty": "0",
            "preventedQty": "0",
            "quoteOrderQty": "0",
            "cumulativeQuoteQty": "0",
            "status": "NEW",
            "timeInForce": "GTC",
            "type": "LIMIT",
            "side": "BUY",
        },
    }


async def asked_to(b: Bench, nursery: trio.Nursery, query: Any) -> tuple[Asked, Call]:
    asked = Asked(nursery, b.orders, query)
    await wait_all_tasks_blocked()
    return asked, b.session.calls[-1][0]


# Amends.


async def test_an_amend_names_the_order_by_its_id_keeps_its_name_and_lowers_its_quantity() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        asked, call = await asked_to(b, nursery, amend(order))
        assert call.method is Method.ORDER_AMEND
        assert (call.params["orderId"], call.params["newQty"]) == (7, "0.0005")
        assert call.params["newClientOrderId"] == order.client_order_id
        assert b.latest().amend is Amend.AMENDING
        b.session.answer(result(amended(call)))
        await wait_all_tasks_blocked()
        assert (asked.value.quantity, asked.value.amend) == (HALF, Amend.NONE)


async def test_a_refused_amend_is_raised_and_changes_nothing() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        asked, _ = await asked_to(b, nursery, amend(order))
        b.session.answer(refusal(-2038, "Order amend (quantity increase) is not supported."))
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, Rejected)
        assert (b.latest().quantity, b.latest().amend) == (order.quantity, Amend.NONE)


async def test_an_amend_that_never_left_is_not_sent() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        asked, _ = await asked_to(b, nursery, amend(order))
        b.session.answer(NotSent("the socket is gone"))
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, NotSent)
        assert not b.latest().is_unknown


async def test_an_amend_in_doubt_is_told_at_once_and_settled_by_what_the_exchange_finds() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        asked, _ = await asked_to(b, nursery, amend(order))
        b.session.answer(OutcomeUnknown("the link was lost"))
        await wait_all_tasks_blocked()
        assert asked.value.is_unknown
        await trio.sleep(1)
        assert b.session.methods() == [Method.ORDER_STATUS]
        call = b.session.calls[0][0]
        assert call.params == {"symbol": SYMBOL, "orderId": 7}
        b.session.answer(result(acknowledgement(call, origQty="0.0005")))
        await wait_all_tasks_blocked()
        assert (b.latest().quantity, b.latest().amend, b.latest().is_unknown) == (HALF, Amend.NONE, False)


async def test_an_amend_that_shows_no_effect_is_in_doubt_until_it_can_have_none_any_more() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        await asked_to(b, nursery, amend(order))
        b.session.automatic = lambda call: result(acknowledgement(call))
        b.session.answer(refusal(-1007, "Timeout waiting for response from backend server.", 504))
        await trio.sleep(79)
        assert b.latest().is_unknown
        await trio.sleep(20)
        assert (b.latest().amend, b.latest().quantity, b.latest().is_unknown) == (Amend.NONE, order.quantity, False)
        assert b.statistics()["alarms"] == 0


async def test_an_amend_whose_order_fills_meanwhile_is_answered_with_the_filled_order() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        asked, _ = await asked_to(b, nursery, amend(order))
        b.session.event(trade_report(order.client_order_id))
        await wait_all_tasks_blocked()
        assert asked.value.is_filled
        b.session.answer(refusal(-2013, "Order does not exist."))
        await wait_all_tasks_blocked()
        assert b.latest().is_filled
        assert b.statistics()["alarms"] == 0


async def test_the_event_before_the_answer_answers_an_amend() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        asked, call = await asked_to(b, nursery, amend(order))
        name = order.client_order_id
        event = report(
            name,
            OrderStatus.NEW,
            ExecutionType.REPLACED,
            quantity=HALF,
            original_client_order_id=name,
            transaction_time_ms=1_767_225_600_010,
            execution_id=60,
        )
        b.session.event(event)
        await wait_all_tasks_blocked()
        assert asked.value.quantity == HALF
        b.session.answer(result(amended(call)))
        await wait_all_tasks_blocked()
        assert b.latest() == asked.value


async def test_a_late_answer_to_an_amend_settles_it() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        asked, call = await asked_to(b, nursery, amend(order, within_s=2))
        await trio.sleep(2.1)
        assert asked.value.is_unknown
        b.session.late(call, result(amended(call)))
        await wait_all_tasks_blocked()
        assert (b.latest().quantity, b.latest().is_unknown) == (HALF, False)


async def test_an_amend_whose_answer_died_with_the_tracker_is_in_doubt() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        await asked_to(b, nursery, amend(order))
        b.crash_the_tracker()
        await trio.sleep(2)
        assert b.known(order.client_order_id).amend is Amend.IN_DOUBT
        assert b.known(order.client_order_id).is_unknown
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        (Decimal("0.001"), "can only lower"),
        (Decimal("0.002"), "can only lower"),
        (Decimal(0), "can only lower"),
        (Decimal("0.000501"), "LOT_SIZE"),
    ],
)
async def test_an_amend_that_the_exchange_would_refuse_is_refused_here(quantity: Decimal, text: str) -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        with pytest.raises(NotSent, match=text):
            await b.orders.ask(amend(order, quantity), within_s=1)
        assert b.session.calls == []
        assert b.latest() == order


async def test_one_amend_or_cancel_at_a_time() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        await asked_to(b, nursery, amend(order))
        with pytest.raises(NotSent, match="a cancel or an amend of it is on its way"):
            await b.orders.ask(amend(order, Decimal("0.0004")), within_s=1)
        with pytest.raises(NotSent, match="a cancel or an amend of it is on its way"):
            await b.orders.ask(replace(order), within_s=1)
        Asked(nursery, b.orders, CancelOrder(client_order_id=order.client_order_id, deadline_s=100))
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_AMEND, Method.ORDER_CANCEL], "a cancel is always possible"
        nursery.cancel_scope.cancel()


async def test_only_an_order_that_is_known_to_be_open_is_amended() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        await asked_to(b, nursery, intent())
        with pytest.raises(NotSent, match="not known to be open"):
            await b.orders.ask(amend(b.latest()), within_s=1)
        order = b.latest()
        b.session.answer(refusal(-2010, "no"))
        await wait_all_tasks_blocked()
        assert (await b.orders.ask(amend(order), within_s=1)).life is Life.REJECTED
        gone = msgspec.structs.replace(order, client_order_id="gone")
        with pytest.raises(NotSent, match="no order gone here"):
            await b.orders.ask(amend(gone), within_s=1)
        nursery.cancel_scope.cancel()


async def test_nothing_is_amended_or_replaced_while_the_record_or_the_journal_is_not_whole() -> None:
    journal = FakeJournal()
    async with bench(table=OrderTable(run="run", journal=journal)) as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.recovery.is_prompt = False
        b.session.lost()
        b.session.ready()
        await wait_all_tasks_blocked()
        for query in (amend(order), replace(order)):
            with pytest.raises(NotSent, match="not caught up"):
                await b.orders.ask(query, within_s=1)
        assert b.session.calls == []


# Replacements.


def replace(order: Order, **changes: Any) -> ReplaceOrder:
    placing = intent(**{"price": Decimal(39_000), **changes})
    return ReplaceOrder(client_order_id=order.client_order_id, placing=placing)


def replaced(call: Call) -> dict[str, Any]:
    """The answer to order.cancelReplace of which both parts worked."""
    return {
        "cancelResult": "SUCCESS",
        "newOrderResult": "SUCCESS",
        "cancelResponse": acknowledgement(
            call,
            "CANCELED",
            clientOrderId=call.params["cancelNewClientOrderId"],
            origClientOrderId=call.params["cancelOrigClientOrderId"],
        ),
        "newOrderResponse": acknowledgement(call, orderId=8, price="39000"),
    }


def partly(status: int, code: int, **data: Any) -> Response:
    """An answer that tells of each part in its error's data."""
    raw = msgspec.Raw(msgspec.json.encode(data))
    return Response(id=1, status=status, error=ExchangeError(code=code, message="partly", status=status, data=raw))


NO_BALANCE = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
UNKNOWN_ORDER = {"code": -2011, "msg": "Unknown order sent."}


async def test_a_replacement_ends_the_old_order_and_is_answered_with_the_new_one() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        asked, call = await asked_to(b, nursery, replace(order))
        assert call.method is Method.ORDER_CANCEL_REPLACE
        assert call.params["cancelReplaceMode"] == "STOP_ON_FAILURE"
        assert call.params["cancelOrigClientOrderId"] == order.client_order_id
        assert call.params["cancelNewClientOrderId"] == order.client_order_id.replace("dw-", "dx-", 1)
        b.session.answer(result(replaced(call)))
        await wait_all_tasks_blocked()
        assert asked.value.is_open
        assert asked.value.price == 39_000
        assert b.known(order.client_order_id).life is Life.CANCELED


async def test_a_replacement_whose_cancel_failed_places_nothing_and_says_so() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        asked, call = await asked_to(b, nursery, replace(order))
        b.session.answer(
            partly(
                400,
                -2022,
                cancelResult="FAILURE",
                newOrderResult="NOT_ATTEMPTED",
                cancelResponse=UNKNOWN_ORDER,
                newOrderResponse=None,
            )
        )
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, Rejected)
        assert asked.error.code == -2011
        assert b.known(str(call.params["newClientOrderId"])).life is Life.NEVER_PLACED
        assert b.known(order.client_order_id).request is Request.IN_DOUBT, "it may have filled"


async def test_a_replacement_that_was_refused_after_the_cancel_worked_says_so() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        asked, call = await asked_to(b, nursery, replace(order))
        b.session.answer(
            partly(
                409,
                -2021,
                cancelResult="SUCCESS",
                newOrderResult="FAILURE",
                cancelResponse=replaced(call)["cancelResponse"],
                newOrderResponse=NO_BALANCE,
            )
        )
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, Rejected)
        assert asked.error.code == -2010
        assert "the order to replace is canceled" in str(asked.error)
        assert b.known(order.client_order_id).life is Life.CANCELED
        assert b.known(str(call.params["newClientOrderId"])).life is Life.REJECTED


async def test_a_replacement_without_an_answer_leaves_both_orders_in_doubt_and_both_are_asked_about() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        asked, call = await asked_to(b, nursery, replace(order))
        b.session.answer(OutcomeUnknown("the link was lost"))
        await wait_all_tasks_blocked()
        assert asked.value.is_unknown
        assert b.known(order.client_order_id).is_unknown
        await trio.sleep(1)
        asked_for = [made.params.get("origClientOrderId", made.params.get("orderId")) for made, _ in b.session.calls]
        assert sorted(map(str, asked_for)) == sorted(["7", str(call.params["newClientOrderId"])])
        b.session.late(call, result(replaced(call)))
        await wait_all_tasks_blocked()
        assert b.known(order.client_order_id).life is Life.CANCELED
        assert b.known(asked.value.client_order_id).is_open
        assert b.table.live("test") == (b.known(asked.value.client_order_id),)


async def test_a_replacement_waits_for_the_journal_and_is_taken_back_with_its_cancel() -> None:
    journal = FakeJournal()
    async with bench(table=OrderTable(run="run", journal=journal)) as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        journal.is_slow = True
        asked = Asked(nursery, b.orders, replace(order))
        await wait_all_tasks_blocked()
        assert b.session.calls == []
        b.session.lost()
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, NotSent)
        assert b.known(order.client_order_id).request is Request.NONE
        assert not b.known(order.client_order_id).is_unknown
        assert b.latest().client_order_id == order.client_order_id


async def test_a_cancel_waits_for_no_replacement_that_waits_for_the_disk() -> None:
    journal = FakeJournal()
    async with bench(table=OrderTable(run="run", journal=journal)) as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        journal.is_slow = True
        asked = Asked(nursery, b.orders, replace(order))
        await wait_all_tasks_blocked()
        Asked(nursery, b.orders, CancelOrder(client_order_id=order.client_order_id, deadline_s=100))
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_CANCEL]
        assert isinstance(asked.error, NotSent)
        journal.work()
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_CANCEL], "it was taken back"
        nursery.cancel_scope.cancel()


async def test_a_strategys_orders_are_canceled_although_the_replacement_of_one_waits_for_the_disk() -> None:
    journal = FakeJournal()
    async with bench(table=OrderTable(run="run", journal=journal)) as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        journal.is_slow = True
        Asked(nursery, b.orders, replace(order))
        await wait_all_tasks_blocked()
        b.orders.tell(CancelStrategyOrders(strategy="test"))
        await wait_all_tasks_blocked()
        assert [call.params["origClientOrderId"] for call, _ in b.session.calls] == [order.client_order_id]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "answer",
    [refusal(-1015, "Too many new orders; current limit is 100 orders per 10 SECOND."), NotSent("the queue is full")],
    ids=["refused", "not sent"],
)
async def test_a_cancel_that_waits_for_a_replacement_is_sent_by_itself_when_that_comes_to_nothing(
    answer: Response | NotSent,
) -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        replaced_by, _ = await asked_to(b, nursery, replace(order))
        asked = Asked(nursery, b.orders, CancelOrder(client_order_id=order.client_order_id, deadline_s=100))
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_CANCEL_REPLACE]
        b.session.answer(answer)
        await wait_all_tasks_blocked()
        assert isinstance(replaced_by.error, NotSent | Rejected)
        ((call, _),) = b.session.calls
        assert call.method is Method.ORDER_CANCEL
        b.session.answer(result(canceled(call)))
        await wait_all_tasks_blocked()
        assert asked.value.life is Life.CANCELED


async def test_an_order_that_fills_while_its_replacement_waits_for_the_journal_is_not_replaced() -> None:
    journal = FakeJournal()
    async with bench(table=OrderTable(run="run", journal=journal)) as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        journal.is_slow = True
        asked = Asked(nursery, b.orders, replace(order))
        await wait_all_tasks_blocked()
        b.session.event(trade_report(order.client_order_id))
        await wait_all_tasks_blocked()
        journal.work()
        await wait_all_tasks_blocked()
        assert b.session.calls == []
        assert isinstance(asked.error, NotSent)
        assert "has ended" in asked.error.message


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"symbol": "ETHUSDT"}, "cannot be replaced by one on ETHUSDT"), ({"price": Decimal("1.001")}, "PRICE_FILTER")],
)
async def test_a_replacement_that_cannot_work_is_refused_here(changes: dict[str, Any], text: str) -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        with pytest.raises(NotSent, match=text):
            await b.orders.ask(replace(order, **changes), within_s=1)
        assert b.session.calls == []
        assert b.latest() == order
