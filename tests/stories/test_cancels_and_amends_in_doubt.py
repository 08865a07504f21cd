"""A cancel or an amend of which nobody knows what became of it, whatever the exchange has done with it meanwhile.

It is asked about until that is known, and never sent again behind the caller's back.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio

from dogwatch import NotSent, Order
from dogwatch.actors.order_messages import CancelStrategyOrders
from dogwatch.actors.paper.faults import Fault
from dogwatch.actors.spot.client_order_id import cancel_id
from dogwatch.actors.spot.order import Amend, Life, Request
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.testing import AnswerUnknown, DelayAnswer, EventsFirst, LoseAnswer, LoseEvent, LoseRequest
from tests.actors.test_tree import crash_the_tracker
from tests.stories.hand import DEEP, DEEPER, KNOWN_WITHIN_S, TOUCHED, Deed, Play, play
from tests.stories.scene import SIZE, SYMBOL, until

FATES: dict[str, Callable[[str], Fault]] = {
    "carried out": lambda method: LoseAnswer(method=method),
    "not carried out": lambda method: LoseRequest(method=method),
    "carried out after 4 s": lambda method: AnswerUnknown(method=method, execution="later", execute_after_s=4),
    "carried out after 9 s": lambda method: AnswerUnknown(method=method, execution="later", execute_after_s=9),
}
MARKETS = ("stands still", "fills it first", "fills a part first", "fills it later")

pytestmark = pytest.mark.usefixtures("virtual_clock")


class Requests:
    """Counts the requests of one method that reach the exchange."""

    def __init__(self, p: Play, method: str) -> None:
        self.count = 0
        p.exchange.faults.add(LoseRequest(method=method), where=self._spy)

    def _spy(self, _params: Mapping[str, Any]) -> bool:
        self.count += 1
        return False


def find_canceled_by_new_name_only(p: Play) -> None:
    """The documentation does not say whether a canceled order is found by the name that it was placed with."""
    engine = p.exchange.paper.engine
    engine.switches = msgspec.structs.replace(engine.switches, cancelled_found_by_old_id=False)


async def let_the_market(p: Play, market: str, *, is_before: bool) -> None:
    """What happens to the order at `DEEP` before the request, or while it is in doubt."""
    if is_before and market == "fills it first":
        p.exchange.trade(SYMBOL, TOUCHED)
    elif is_before and market == "fills a part first":
        p.exchange.trade(SYMBOL, TOUCHED, SIZE)
    elif not is_before and market == "fills it later":
        await trio.sleep(2)
        p.exchange.trade(SYMBOL, TOUCHED)
        await trio.sleep(0.1)


@pytest.mark.parametrize("by_new_name_only", [False, True], ids=["found by either name", "found by the new name"])
@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("deed", [Deed.CANCEL, Deed.AMEND])
async def test_it_ends_in_what_the_ledger_says(
    seed: int, deed: Deed, fate: str, market: str, by_new_name_only: bool
) -> None:
    async with play(seed) as p:
        if by_new_name_only:
            find_canceled_by_new_name_only(p)
        order = await p.hand.rest(price=DEEP)
        lost = p.exchange.faults.add(LoseEvent(), times=None)
        await let_the_market(p, market, is_before=True)
        requests = Requests(p, deed.value)
        p.exchange.faults.add(FATES[fate](deed.value))
        done = await deed.do(p.hand, order, within_s=1)
        assert done.is_unknown or done.is_closed or deed is Deed.AMEND
        lost.disarm()
        await let_the_market(p, market, is_before=False)
        await p.settle()
        assert requests.count == 1
        latest = p.latest(order)
        assert (latest.request, latest.amend) == (Request.NONE, Amend.NONE)


@pytest.mark.parametrize("deed", [Deed.CANCEL, Deed.AMEND])
async def test_that_the_order_is_still_as_it_was_proves_nothing_as_long_as_it_may_yet_be_carried_out(
    seed: int, deed: Deed
) -> None:
    async with play(seed) as p:
        order = await p.hand.rest(price=DEEP)
        p.exchange.faults.add(LoseEvent(), times=None)
        p.exchange.faults.add(FATES["carried out after 9 s"](deed.value))
        began_s = trio.current_time()
        await deed.do(p.hand, order, within_s=1)
        while trio.current_time() < began_s + 9:
            assert p.latest(order).is_unknown
            await trio.sleep(0.1)
        await until(lambda: not p.latest(order).is_unknown, within_s=20, step_s=0.1)
        assert p.latest(order).is_closed == (deed is Deed.CANCEL)
        assert p.latest(order).quantity == (3 * SIZE if deed is Deed.CANCEL else 2 * SIZE)
        await p.settle()
        p.exchange.faults.clear()


@pytest.mark.parametrize("by_new_name_only", [False, True], ids=["found by either name", "found by the new name"])
@pytest.mark.parametrize("is_filled_in_part", [False, True])
async def test_an_order_that_nobody_has_ever_answered_for_is_canceled_and_the_cancel_is_lost_too(
    seed: int, by_new_name_only: bool, is_filled_in_part: bool
) -> None:
    """Its id is not known, and its name is another one by now."""
    async with play(seed) as p:
        if by_new_name_only:
            find_canceled_by_new_name_only(p)
        p.exchange.faults.add(LoseEvent(), times=None)
        p.exchange.faults.add(LoseAnswer())
        p.exchange.faults.add(LoseAnswer(method="order.cancel"))
        p.exchange.faults.add(LoseAnswer(method="order.status"), times=2)
        order = await p.hand.rest(price=DEEP, within_s=0.1)
        assert order.is_unknown
        if is_filled_in_part:
            p.exchange.trade(SYMBOL, TOUCHED, SIZE)
        canceled = await p.hand.cancel(order, within_s=0.1)
        assert canceled.is_unknown
        (row,) = p.exchange.orders()
        assert row["clientOrderId"] == cancel_id(order.client_order_id)
        await p.settle()
        assert p.latest(order).life is Life.CANCELED
        assert p.latest(order).filled_quantity == (SIZE if is_filled_in_part else 0)
        p.exchange.faults.clear()


async def test_a_cancel_and_an_amend_of_one_order_are_in_doubt_together(seed: int) -> None:
    for fates in [(cancel, amend) for cancel in FATES.values() for amend in FATES.values()]:
        async with play(seed) as p:
            order = await p.hand.rest(price=DEEP)
            p.exchange.faults.add(LoseEvent(), times=None)
            for deed, fate in zip((Deed.CANCEL, Deed.AMEND), fates, strict=True):
                p.exchange.faults.add(fate(deed.value))
            async with trio.open_nursery() as nursery:
                for deed in (Deed.AMEND, Deed.CANCEL):
                    nursery.start_soon(deed.do, p.hand, order)
                    await trio.sleep(0.01)
            await p.settle()
            p.exchange.faults.clear()


async def test_a_second_amend_is_not_sent_while_the_first_is_in_doubt(seed: int) -> None:
    async with play(seed) as p:
        order = await p.hand.rest(price=DEEP)
        requests = Requests(p, Deed.AMEND.value)
        p.exchange.faults.add(LoseRequest(method=Deed.AMEND.value))
        assert (await p.hand.amend(order, 2 * SIZE, within_s=1)).amend is Amend.IN_DOUBT
        with pytest.raises(NotSent):
            await p.hand.amend(order, SIZE)
        with pytest.raises(NotSent):
            await p.hand.replace(order, price=DEEPER)
        assert requests.count == 1
        await until(lambda: not p.latest(order).is_unknown, within_s=KNOWN_WITHIN_S, step_s=0.1)
        assert p.latest(order).quantity == 3 * SIZE
        assert (await p.hand.amend(order, SIZE)).quantity == SIZE
        await p.settle()


async def test_an_order_that_has_to_be_ended_is_canceled_until_it_has_ended(seed: int) -> None:
    """A cancel that came to nothing is tried again then: a cancel twice is a cancel."""
    async with play(seed) as p:
        orders = [await p.hand.rest(price=DEEP - number) for number in range(5)]
        p.exchange.faults.add(LoseRequest(method="order.cancel"), times=7)
        p.exchange.faults.add(AnswerUnknown(method="order.cancel", execution="later", execute_after_s=3), times=3)
        p.account.tree.desk.orders.tell(CancelStrategyOrders(strategy="hand"))
        await until(lambda: p.hand.orders == (), within_s=KNOWN_WITHIN_S, step_s=0.1)
        assert {p.latest(order).life for order in orders} == {Life.CANCELED}
        await p.settle()


@pytest.mark.parametrize("is_event_first", [False, True])
async def test_a_cancel_that_finds_the_order_filled_returns_it_filled(seed: int, is_event_first: bool) -> None:
    async with play(seed) as p:
        order = await p.hand.rest(price=DEEP)
        if is_event_first:
            p.exchange.faults.add(EventsFirst(method="order.cancel"))
        p.exchange.faults.add(LoseEvent(), times=None)
        p.exchange.trade(SYMBOL, TOUCHED)
        assert p.latest(order).is_open
        canceled = await p.hand.cancel(order)
        assert canceled.is_filled
        await p.settle()
        p.exchange.faults.clear()


async def test_an_amend_that_finds_the_order_filled_takes_no_refusal_for_an_open_order(seed: int) -> None:
    async with play(seed) as p:
        order = await p.hand.rest(price=DEEP)
        p.exchange.faults.add(LoseEvent(), times=None)
        p.exchange.trade(SYMBOL, TOUCHED)
        amended = await p.hand.amend(order, SIZE)
        assert amended.is_filled or amended.is_unknown
        await p.settle()
        assert p.latest(order).is_filled
        p.exchange.faults.clear()


@pytest.mark.parametrize("quantity", [Decimal("0.0005"), SIZE])
async def test_an_amend_to_what_has_filled_meanwhile_ends_the_order(seed: int, quantity: Decimal) -> None:
    """Nobody here has heard of the fill when it is sent."""
    async with play(seed) as p:
        order = await p.hand.rest(price=DEEP)
        lost = p.exchange.faults.add(LoseEvent(), times=None)
        p.exchange.trade(SYMBOL, TOUCHED, SIZE)
        lost.disarm()
        amended = await p.hand.amend(order, quantity)
        await trio.sleep(1)
        assert amended.is_closed or amended.is_unknown
        await p.settle()
        assert p.latest(order).life is Life.EXPIRED
        assert p.hand.position(SYMBOL) == p.exchange.position("BTC") > 0


@pytest.mark.parametrize("deed", [Deed.CANCEL, Deed.AMEND])
@pytest.mark.parametrize("fate", FATES)
async def test_a_new_life_of_the_tracker_goes_on_asking(seed: int, fate: str, deed: Deed) -> None:
    async with play(seed, orders_on_crash=OrdersOnCrash.KEEP) as p:
        order = await p.hand.rest(price=DEEP)
        requests = Requests(p, deed.value)
        p.exchange.faults.add(LoseEvent(), times=None)
        p.exchange.faults.add(FATES[fate](deed.value))
        with trio.move_on_after(1):
            await deed.do(p.hand, order)
        crash_the_tracker(p.account.tree)
        await trio.sleep(1)
        await p.settle()
        assert requests.count == 1
        p.exchange.faults.clear()


async def test_whoever_cancels_what_is_being_canceled_waits_for_the_same_cancel(seed: int) -> None:
    async with play(seed) as p, trio.open_nursery() as nursery:
        order = await p.hand.rest(price=DEEP)
        requests = Requests(p, "order.cancel")
        p.exchange.faults.add(DelayAnswer(method="order.cancel", delay_s=2))
        p.exchange.faults.add(LoseEvent(), times=None)
        ended: list[Order] = []

        async def cancel() -> None:
            ended.append(await p.hand.cancel(order))

        for _ in range(4):
            nursery.start_soon(cancel)
        await trio.sleep(3)
        assert [entry.life for entry in ended] == [Life.CANCELED] * 4
        assert requests.count == 1
        p.exchange.faults.clear()
        await p.settle()
