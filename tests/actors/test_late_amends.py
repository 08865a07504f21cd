"""An answer to an amend that comes when nobody waits for it any more says something about that amend and no other."""

from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.order_messages import AmendOrder
from dogwatch.actors.session import Call
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Amend, Order
from tests.actors.fake_session import refusal, result
from tests.actors.order_bench import Asked, Bench, acknowledgement, bench, placed

pytestmark = pytest.mark.usefixtures("virtual_clock")

BUSY = refusal(-1003, "Too many requests queued.", status=429)


def found_as_it_was(call: Call) -> Any:
    """order.status finds the order with the quantity that it was placed with."""
    if call.method is not Method.ORDER_STATUS:
        return None
    return result(acknowledgement(call))


async def amended(b: Bench, nursery: trio.Nursery, order: Order, quantity: str, *, within_s: float = 2) -> Call:
    """Ask for an amend, and return the request that it led to."""
    Asked(
        nursery,
        b.orders,
        AmendOrder(
            client_order_id=order.client_order_id,
            quantity=Decimal(quantity),
            deadline_s=trio.current_time() + within_s,
        ),
    )
    await wait_all_tasks_blocked()
    call = b.session.calls[-1][0]
    assert call.method is Method.ORDER_AMEND
    return call


async def test_a_late_refusal_settles_the_amend_that_it_is_about() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        b.session.automatic = found_as_it_was
        order = await placed(b, nursery)
        call = await amended(b, nursery, order, "0.0008")
        await trio.sleep(3)
        assert b.latest().amend is Amend.IN_DOUBT
        b.session.late(call, BUSY)
        await wait_all_tasks_blocked()
        assert (b.latest().amend, b.latest().is_unknown) == (Amend.NONE, False)


async def test_a_late_refusal_of_an_earlier_amend_does_not_settle_the_one_under_way() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        b.session.automatic = found_as_it_was
        order = await placed(b, nursery)
        earlier = await amended(b, nursery, order, "0.0008")
        await trio.sleep(100)
        assert b.latest().amend is Amend.NONE, "it is proven to have come to nothing"
        await amended(b, nursery, order, "0.0006")
        b.session.late(earlier, BUSY)
        await wait_all_tasks_blocked()
        assert (b.latest().amend, b.latest().amend_quantity) == (Amend.AMENDING, Decimal("0.0006"))
        await trio.sleep(3)
        b.session.late(earlier, BUSY)
        await wait_all_tasks_blocked()
        assert (b.latest().amend, b.latest().amend_quantity) == (Amend.IN_DOUBT, Decimal("0.0006"))
