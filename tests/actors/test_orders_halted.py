"""A halted tracker: nothing new is sent, every live order is ended, whenever it comes to light, until it is lifted."""

from decimal import Decimal

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.order_messages import AmendOrder, CancelOrder, EndAllOrders, ReplaceOrder
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.spot.enums import ExecutionType, OrderStatus
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Life
from tests.actors.fake_journal import FakeJournal
from tests.actors.fake_session import result
from tests.actors.order_bench import Asked, Bench, acknowledgement, bench, canceled, intent, listed, placed, report

pytestmark = pytest.mark.usefixtures("virtual_clock")

REASON = "a look at the position"


def halt(b: Bench) -> None:
    b.halts.set(REASON, b.clock.unix_ms())


def acknowledge_cancels(b: Bench) -> list[str]:
    """Carry out every cancel that has been sent. Returns the orders' names."""
    names: list[str] = []
    while Method.ORDER_CANCEL in b.session.methods():
        place = b.session.methods().index(Method.ORDER_CANCEL)
        call = b.session.calls[place][0]
        names.append(str(call.params["origClientOrderId"]))
        b.session.answer(result(canceled(call)), place)
    return names


async def test_while_trading_is_halted_nothing_new_is_sent_and_the_refusal_says_why_and_what_to_do() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        halt(b)
        for command in (intent(), ReplaceOrder(client_order_id=order.client_order_id, placing=intent())):
            with pytest.raises(NotSent, match=f"trading is halted: {REASON}") as refused:
                await b.orders.ask(command, within_s=1)
            assert "dogwatch resume" in refused.value.hint
        assert b.session.calls == []
        assert b.known(order.client_order_id) == order
        b.halts.lift(b.clock.unix_ms())
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_PLACE]
        nursery.cancel_scope.cancel()


async def test_what_lessens_the_exposure_goes_through_a_halt() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order, other = await placed(b, nursery), await placed(b, nursery)
        halt(b)
        amend = AmendOrder(client_order_id=order.client_order_id, quantity=Decimal("0.0005"), deadline_s=100)
        Asked(nursery, b.orders, amend)
        Asked(nursery, b.orders, CancelOrder(client_order_id=other.client_order_id, deadline_s=100))
        await wait_all_tasks_blocked()
        assert sorted(b.session.methods()) == [Method.ORDER_AMEND, Method.ORDER_CANCEL]
        nursery.cancel_scope.cancel()


async def test_all_orders_of_all_strategies_are_canceled_and_it_is_told_when_the_last_has_ended() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        orders = [await placed(b, nursery, strategy=name) for name in ("one", "other", "one")]
        halt(b)
        asked = Asked(nursery, b.orders, EndAllOrders())
        await wait_all_tasks_blocked()
        first = b.session.calls[0][0]
        b.session.answer(result(canceled(first)))
        await wait_all_tasks_blocked()
        assert not b.orders.statistics().depth
        assert len(list(b.table.all_live())) == 2
        ended = {str(first.params["origClientOrderId"]), *acknowledge_cancels(b)}
        assert ended == {order.client_order_id for order in orders}
        await wait_all_tasks_blocked()
        assert asked.error is None
        assert list(b.table.all_live()) == []
        await b.orders.ask(EndAllOrders(), within_s=1)


async def test_an_order_on_its_way_when_the_halt_comes_is_ended_too() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        halt(b)
        ended = Asked(nursery, b.orders, EndAllOrders())
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_PLACE, Method.ORDER_CANCEL]
        b.session.answer(result(acknowledgement(b.session.calls[0][0])))
        await wait_all_tasks_blocked()
        acknowledge_cancels(b)
        await wait_all_tasks_blocked()
        assert b.latest().life is Life.CANCELED
        assert ended.error is None
        await b.orders.ask(EndAllOrders(), within_s=1)


async def test_an_order_that_waits_for_the_disk_when_the_halt_comes_is_never_sent() -> None:
    journal = FakeJournal(is_slow=True)
    async with bench(table=OrderTable(run="run", journal=journal)) as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        halt(b)
        journal.work()
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, NotSent)
        assert REASON in asked.error.message
        assert b.session.calls == []
        assert b.latest().life is Life.NEVER_PLACED


async def test_without_a_session_the_cancels_follow_when_it_is_back_and_only_then_it_is_done() -> None:
    async with bench(recovers_promptly=False) as b, trio.open_nursery() as nursery:
        b.recovery.end(b.recovery.gaps[-1].number)
        await wait_all_tasks_blocked()
        order = await placed(b, nursery)
        b.session.lost()
        await wait_all_tasks_blocked()
        halt(b)
        asked: list[bool] = []

        async def ask() -> None:
            await b.orders.ask(EndAllOrders(), within_s=100)
            asked.append(True)

        nursery.start_soon(ask)
        await trio.sleep(10)
        assert b.session.calls == []
        b.session.ready()
        await wait_all_tasks_blocked()
        assert acknowledge_cancels(b) == [order.client_order_id]
        await wait_all_tasks_blocked()
        assert not asked, "there may be more that nobody knows of yet"
        b.recovery.end(b.recovery.gaps[-1].number)
        await wait_all_tasks_blocked()
        assert asked == [True]


async def test_what_a_recovery_finds_during_a_halt_is_canceled() -> None:
    async with bench(recovers_promptly=False) as b, trio.open_nursery():
        halt(b)
        b.recovery.find([listed("dw-gone-0lder-1-1")])
        b.recovery.end(b.recovery.gaps[-1].number)
        await wait_all_tasks_blocked()
        assert acknowledge_cancels(b) == ["dw-gone-0lder-1-1"]
        await wait_all_tasks_blocked()
        await b.orders.ask(EndAllOrders(), within_s=1)


async def test_an_order_that_comes_back_to_life_during_a_halt_is_canceled_once_more() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.answer(NotSent("the socket is gone"))
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, NotSent)
        name = b.latest().client_order_id
        halt(b)
        b.session.event(report(name, OrderStatus.NEW, ExecutionType.NEW))
        await trio.sleep(31)
        assert acknowledge_cancels(b) == [name]
        await b.orders.ask(EndAllOrders(), within_s=1)


async def test_a_tracker_that_is_restarted_during_a_halt_goes_on_with_it() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        halt(b)
        b.crash_the_tracker()
        await trio.sleep(2)
        assert order.client_order_id in acknowledge_cancels(b)
        with pytest.raises(NotSent, match=REASON):
            await b.orders.ask(intent(), within_s=1)
