"""The reconciler: spaced queries under every name, a back-off while nothing is found out, verdicts when due."""

from itertools import pairwise

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.order_messages import CancelOrder, ReconcileWanted
from dogwatch.actors.reconciler import LONGEST_AGAIN_S, SPACING_S
from dogwatch.actors.session import Call
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Request
from tests.actors.fake_session import refusal, result
from tests.actors.order_bench import Asked, acknowledgement, bench, intent, placed

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def test_orders_that_became_unknown_together_are_asked_about_once_and_spaced() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        for _ in range(40):
            Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        names = {call.params["newClientOrderId"] for call, _ in b.session.calls}
        asked: list[tuple[float, object]] = []

        def found(call: Call) -> Response:
            asked.append((trio.current_time(), call.params["origClientOrderId"]))
            return result(acknowledgement(call, orderId=len(asked)))

        b.session.automatic = found
        for _ in range(40):
            b.session.answer(OutcomeUnknown("no answer"))
        await trio.sleep(60)
        assert {name for _, name in asked} == names
        assert len(asked) == 40
        times = [at_s for at_s, _ in asked]
        assert min(later - earlier for earlier, later in pairwise(times)) >= SPACING_S - 1e-9


async def test_an_order_that_stays_in_doubt_is_asked_about_ever_more_rarely_and_never_sent_again() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        times: list[float] = []

        def silent(call: Call) -> Exception | None:
            if call.method is Method.ORDER_PLACE:
                return None
            times.append(trio.current_time())
            return OutcomeUnknown("nobody knows")

        b.session.automatic = silent
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.answer(OutcomeUnknown("no answer"))
        await trio.sleep(120)
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert pauses[:4] == pytest.approx([1, 2, 4, 8])
        assert pauses[4:] == pytest.approx([LONGEST_AGAIN_S] * len(pauses[4:]))
        assert b.session.calls == []
        assert b.latest().is_unknown


async def test_nothing_is_asked_while_there_is_no_session() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.session.lost()
        b.topics.reconcile.publish(ReconcileWanted(client_order_id=order.client_order_id, reason="a test"))
        await trio.sleep(30)
        assert b.session.calls == []
        b.session.ready()
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_STATUS]


async def test_a_query_that_was_not_sent_is_asked_again() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.topics.reconcile.publish(ReconcileWanted(client_order_id=order.client_order_id, reason="a test"))
        await trio.sleep(0.1)
        b.session.answer(NotSent("no socket"))
        await trio.sleep(2)
        assert b.session.methods() == [Method.ORDER_STATUS]
        b.session.answer(result(acknowledgement(b.session.calls[0][0])))
        await trio.sleep(60)
        assert b.session.calls == []


async def test_a_cancel_of_unknown_outcome_is_over_when_it_can_no_longer_be_executed() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        Asked(nursery, b.orders, CancelOrder(client_order_id=order.client_order_id, deadline_s=100.0))
        await wait_all_tasks_blocked()
        b.session.automatic = lambda call: result(acknowledgement(call))
        b.session.answer(refusal(-1007, "Timeout waiting for response from backend server.", 504))
        await trio.sleep(79)
        assert b.latest().request is Request.IN_DOUBT
        assert b.latest().is_unknown
        await trio.sleep(20)
        assert b.latest().request is Request.NONE
        assert b.latest().is_open
        nursery.cancel_scope.cancel()
