"""The reconciler: spaced queries under every name, a back-off while nothing is found out, verdicts when due."""

from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.order_messages import CancelOrder, ReconcileWanted
from dogwatch.actors.reconciler import LONGEST_AGAIN_S, SPACING_S
from dogwatch.actors.session import Call
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Life, Request
from tests.actors.fake_session import refusal, result
from tests.actors.order_bench import SYMBOL, Asked, Bench, acknowledgement, bench, intent, listed, placed

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def test_orders_that_became_unknown_together_are_asked_about_once_and_spaced() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        for _ in range(40):
            Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        names = {str(call.params["newClientOrderId"]) for call, _ in b.session.calls}
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


# Names and verdicts.


def missing(call: Call) -> Response | None:
    return refusal(-2013, "Order does not exist.") if call.method is Method.ORDER_STATUS else None


async def unanswered(b: Bench, nursery: trio.Nursery) -> str:
    """The name of an order whose placing nobody answered."""
    Asked(nursery, b.orders, intent())
    await wait_all_tasks_blocked()
    b.session.answer(OutcomeUnknown("no answer"), -1)
    await wait_all_tasks_blocked()
    return b.latest().client_order_id


async def test_an_order_that_may_have_been_canceled_is_looked_for_under_both_names() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        asked: list[object] = []

        def renamed(call: Call) -> Response | None:
            if call.method is not Method.ORDER_STATUS:
                return None
            asked.append(call.params["origClientOrderId"])
            name = str(asked[-1])
            if name.startswith("dw-"):
                return refusal(-2013, "Order does not exist.")
            return result(acknowledgement(call, "CANCELED", clientOrderId=name))

        name = await unanswered(b, nursery)
        Asked(nursery, b.orders, CancelOrder(client_order_id=name, deadline_s=trio.current_time() + 1))
        await wait_all_tasks_blocked()
        b.session.automatic = renamed
        for _ in range(len(b.session.calls)):
            b.session.answer(OutcomeUnknown("the link was lost"))
        await trio.sleep(5)
        assert asked[-2:] == [name, name.replace("dw-", "dx-", 1)]
        assert b.known(name).life is Life.CANCELED
        nursery.cancel_scope.cancel()


async def test_silence_counts_only_when_no_name_is_found() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        name = await unanswered(b, nursery)
        Asked(nursery, b.orders, CancelOrder(client_order_id=name, deadline_s=trio.current_time() + 1))
        await wait_all_tasks_blocked()

        def half(call: Call) -> Any:
            if str(call.params["origClientOrderId"]).startswith("dx-"):
                return OutcomeUnknown("nobody knows")
            return refusal(-2013, "Order does not exist.")

        b.session.automatic = half
        for _ in range(len(b.session.calls)):
            b.session.answer(OutcomeUnknown("the link was lost"))
        await trio.sleep(300)
        assert b.known(name).life is Life.SENT
        b.session.automatic = missing
        await trio.sleep(60)
        assert b.known(name).life is Life.NEVER_PLACED
        nursery.cancel_scope.cancel()


async def test_an_order_whose_id_is_known_is_asked_for_by_nothing_else() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.topics.reconcile.publish(ReconcileWanted(client_order_id=order.client_order_id, reason="a test"))
        await trio.sleep(0.2)
        (call, _) = b.session.calls[0]
        assert call.params == {"symbol": SYMBOL, "orderId": 7}


async def test_a_doubt_that_began_late_is_settled_as_late() -> None:
    """The request may have waited on its way out until the moment in which its outcome became unknown."""
    async with bench() as b, trio.open_nursery() as nursery:
        b.session.automatic = missing
        Asked(nursery, b.orders, intent(deadline_s=trio.current_time() + 50))
        await trio.sleep(40)
        b.session.answer(OutcomeUnknown("no answer"))
        await trio.sleep(79)
        assert b.latest().is_unknown
        await trio.sleep(30)
        assert b.latest().life is Life.NEVER_PLACED
        nursery.cancel_scope.cancel()


async def test_only_a_comparison_that_began_late_enough_makes_a_broken_record_whole() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        b.session.automatic = missing
        name = await unanswered(b, nursery)
        b.session.lost()
        await trio.sleep(1)
        b.session.ready()
        await trio.sleep(60)
        assert b.recovery.wishes == [], "it is too early to ask for one"
        early_ms = b.clock.unix_ms()
        await trio.sleep(60)
        assert b.recovery.wishes
        b.recovery.end(None, began_ms=early_ms)
        await trio.sleep(60)
        assert b.known(name).is_unknown
        assert len(b.recovery.wishes) <= 5
        b.recovery.end(None)
        await wait_all_tasks_blocked()
        assert b.known(name).life is Life.NEVER_PLACED
        assert b.session.methods().count(Method.ORDER_PLACE) == 0
        nursery.cancel_scope.cancel()


async def test_what_a_comparison_finds_is_believed_whatever_the_silence_before() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        b.session.automatic = missing
        name = await unanswered(b, nursery)
        b.session.lost()
        await trio.sleep(1)
        b.session.ready()
        await trio.sleep(120)
        b.recovery.find(orders=[listed(name, status="FILLED", filled="0.001")])
        b.recovery.end(None)
        await wait_all_tasks_blocked()
        assert b.known(name).is_filled
        assert b.statistics()["alarms"] == 0
        nursery.cancel_scope.cancel()


async def test_an_order_that_stays_unknown_alarms_once_and_is_asked_about_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        times: list[float] = []

        def silent(call: Call) -> Exception | None:
            if call.method is Method.ORDER_PLACE:
                return None
            times.append(trio.current_time())
            return OutcomeUnknown("nobody knows")

        b.session.automatic = silent
        await unanswered(b, nursery)
        await trio.sleep(119)
        assert b.asker.statistics()["alarms"] == 0
        await trio.sleep(12)
        assert b.asker.statistics()["alarms"] == 1
        asked = len(times)
        await trio.sleep(600)
        assert b.asker.statistics()["alarms"] == 1
        assert len(times) - asked >= 55
        nursery.cancel_scope.cancel()
    (alarm,) = [record.getMessage() for record in caplog.records if "stays unknown" in record.getMessage()]
    assert "`dogwatch orders` has its history" in alarm


async def test_the_alarm_comes_also_while_nobody_can_be_asked_and_again_for_another_doubt() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        name = await unanswered(b, nursery)
        b.session.lost()
        await trio.sleep(125)
        assert b.asker.statistics()["alarms"] == 1
        b.session.automatic = lambda call: result(acknowledgement(call)) if call.method is Method.ORDER_STATUS else None
        b.session.ready()
        await trio.sleep(5)
        assert b.known(name).is_open
        Asked(nursery, b.orders, CancelOrder(client_order_id=name, deadline_s=trio.current_time() + 1))
        await wait_all_tasks_blocked()
        b.session.lost()
        b.session.answer(OutcomeUnknown("the link was lost"), -1)
        await trio.sleep(125)
        assert b.asker.statistics()["alarms"] == 2
        nursery.cancel_scope.cancel()


async def test_an_open_order_that_the_exchange_does_not_find_any_more_stays_open_and_alarms() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.session.automatic = missing
        wish = ReconcileWanted(client_order_id=order.client_order_id, reason="the exchange does not list it")
        b.topics.reconcile.publish(wish)
        await trio.sleep(110)
        assert b.asker.statistics()["alarms"] == 0
        await trio.sleep(40)
        assert b.asker.statistics()["alarms"] == 1
        assert b.known(order.client_order_id).is_open
        b.session.automatic = lambda call: result(acknowledgement(call))
        await trio.sleep(15)
        assert b.asker.statistics()["cases"] == 0


async def test_an_open_order_that_the_exchange_refuses_to_tell_of_alarms_too() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.session.automatic = lambda _call: refusal(-1121, "Invalid symbol.")
        wish = ReconcileWanted(client_order_id=order.client_order_id, reason="the exchange does not list it")
        b.topics.reconcile.publish(wish)
        await trio.sleep(150)
        assert b.asker.statistics()["alarms"] == 1
        assert b.known(order.client_order_id).is_open


async def test_an_order_that_has_ended_and_is_not_found_is_not_asked_about_for_ever() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.answer(refusal(-2010, "no"))
        await wait_all_tasks_blocked()
        b.session.automatic = missing
        wish = ReconcileWanted(client_order_id=b.latest().client_order_id, reason="an event came that cannot be")
        b.topics.reconcile.publish(wish)
        await trio.sleep(5)
        assert b.asker.statistics() == {"cases": 0, "queries": 1, "alarms": 0}


async def test_the_answer_to_an_earlier_life_counts_for_no_later_question() -> None:
    """It was asked for too early to prove anything, and comes when the next life has asked in time."""
    async with bench() as b, trio.open_nursery() as nursery:
        name = await unanswered(b, nursery)
        b.session.calls.clear()
        b.session.automatic = missing
        await trio.sleep(78)
        b.session.automatic = lambda _call: None
        for lives in (1, 2):
            b.asker.ref.mailbox.fail_consumer(RuntimeError("a mistake in the reconciler"))
            await trio.sleep(2.5 if lives == 1 else 3)
            assert len(b.session.calls) == lives
        b.recovery.end(None)
        await wait_all_tasks_blocked()
        b.session.answer(refusal(-2013, "Order does not exist."))
        await trio.sleep(3)
        b.session.automatic = missing
        b.session.answer(refusal(-2013, "Order does not exist."))
        await wait_all_tasks_blocked()
        assert b.known(name).is_unknown, "one question that was asked in time is not enough"
        await trio.sleep(5)
        assert b.known(name).life is Life.NEVER_PLACED
        nursery.cancel_scope.cancel()


async def test_a_filled_order_proves_nothing_about_its_cancel_and_raises_no_alarm() -> None:
    """A query that finds it ended says nothing about a cancel that it would have had to survive."""
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        Asked(nursery, b.orders, CancelOrder(client_order_id=order.client_order_id, deadline_s=100.0))
        await wait_all_tasks_blocked()
        b.session.automatic = lambda _call: OutcomeUnknown("nobody knows")
        b.session.answer(OutcomeUnknown("the link was lost"))
        await trio.sleep(100)
        filled = {"executedQty": "0.001", "cummulativeQuoteQty": "40"}
        b.session.automatic = lambda call: result(acknowledgement(call, "FILLED", **filled))
        await trio.sleep(20)
        assert b.known(order.client_order_id).is_filled
        assert b.statistics()["alarms"] == 0
        nursery.cancel_scope.cancel()
