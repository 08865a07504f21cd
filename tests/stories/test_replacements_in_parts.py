"""Cancel and replace is two requests in one, and each may go its own way: done, refused, not attempted, unknown.

Both orders are judged by evidence of their own, and the caller's error says what became of the old one.
"""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
import trio

from dogwatch import NotSent, Order, Rejected
from dogwatch.actors.exposure import exposures
from dogwatch.actors.paper.faults import Fault
from dogwatch.actors.paper.rate_limits import RateLimitRules
from dogwatch.actors.spot.order import Life
from dogwatch.actors.testing import (
    AnswerUnknown,
    Cut,
    DelayAnswer,
    EventsFirst,
    GarbleAnswer,
    HideOrder,
    LoseAnswer,
    LoseEvent,
    LoseRequest,
    ServerError,
)
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.hand import ASK, DEEP, DEEPER, TOUCHED, Play, play
from tests.stories.scene import SIZE, SYMBOL

METHOD = "order.cancelReplace"
MORE_THAN_THERE_IS = Decimal(5)
MUCH = Decimal("0.05")

DOUBTS: dict[str, Callable[[], Fault]] = {
    "carried out": lambda: LoseAnswer(method=METHOD),
    "not carried out": lambda: LoseRequest(method=METHOD),
    "-1007, carried out": lambda: AnswerUnknown(method=METHOD),
    "-1007, not carried out": lambda: AnswerUnknown(method=METHOD, execution="never"),
    "-1007, carried out later": lambda: AnswerUnknown(method=METHOD, execution="later", execute_after_s=8),
    "503, carried out": lambda: ServerError(method=METHOD, execution="now"),
    "the answer breaks off": lambda: GarbleAnswer(method=METHOD),
    "cut before it": lambda: Cut(on=METHOD, when="before"),
    "cut after it": lambda: Cut(on=METHOD),
}

pytestmark = pytest.mark.usefixtures("virtual_clock")


def switch(p: Play, **switches: object) -> None:
    """What the documentation leaves open, as it is at this exchange."""
    engine = p.exchange.paper.engine
    engine.switches = msgspec.structs.replace(engine.switches, **switches)


@pytest.mark.parametrize("is_event_first", [False, True])
async def test_both_are_done(seed: int, is_event_first: bool) -> None:
    async with play(seed) as p:
        old = await p.hand.rest(price=DEEP)
        if is_event_first:
            p.exchange.faults.add(EventsFirst(method=METHOD))
        new = await p.hand.replace(old, price=DEEPER, quantity=2 * SIZE)
        assert (new.life, new.price, new.quantity) == (Life.OPEN, DEEPER, 2 * SIZE)
        assert not new.is_unknown
        assert p.latest(old).life is Life.CANCELED
        assert new.client_order_id != old.client_order_id
        await p.settle()


async def test_the_new_one_fills_at_once(seed: int) -> None:
    async with play(seed) as p:
        old = await p.hand.rest(price=DEEP)
        new = await p.hand.replace(old, price=ASK)
        await trio.sleep(0.1)
        assert p.latest(new).is_filled
        assert [fill.order_id for fill in p.hand.fills] == [new.order_id]
        await p.settle()


@pytest.mark.parametrize("is_told", [False, True])
async def test_the_old_one_is_canceled_and_the_new_one_refused(seed: int, is_told: bool) -> None:
    async with play(seed) as p:
        switch(p, rejected_replacements_are_told=is_told)
        old = await p.hand.rest(price=DEEP)
        with pytest.raises(Rejected) as refusal:
            await p.hand.replace(old, quantity=MORE_THAN_THERE_IS)
        assert refusal.value.code == -2010
        assert "is canceled" in str(refusal.value)
        assert p.latest(old).life is Life.CANCELED
        assert not p.judge.is_anything_in_doubt
        await p.settle()
        assert sorted(order.life for order in p.judge.told.values()) == [Life.CANCELED, Life.REJECTED]


async def test_the_old_one_has_filled_and_the_new_one_is_not_attempted(seed: int) -> None:
    async with play(seed) as p:
        old = await p.hand.rest(price=DEEP)
        lost = p.exchange.faults.add(LoseEvent(), times=None)
        p.exchange.trade(SYMBOL, TOUCHED)
        lost.disarm()
        with pytest.raises((NotSent, Rejected)) as refusal:
            await p.hand.replace(old, price=DEEPER)
        assert "the new order was not placed" in str(refusal.value)
        assert len(p.exchange.orders()) == 1
        await p.settle()
        assert p.latest(old).is_filled


@pytest.mark.parametrize("have_parts", [False, True])
async def test_a_filter_that_only_the_exchange_knows_of_changes_nothing(seed: int, have_parts: bool) -> None:
    async with play(seed) as p:
        switch(p, filter_failures_have_parts=have_parts)
        old = await p.hand.rest(price=DEEP)
        with pytest.raises((NotSent, Rejected)):
            await p.hand.replace(old, price=Decimal(390_000))  # beyond the band around the average price
        assert p.latest(old).is_open
        assert not p.judge.is_anything_in_doubt
        assert (await p.hand.replace(old, price=DEEPER)).is_open
        await p.settle()


async def test_over_the_limit_of_orders_nothing_happens(seed: int) -> None:
    async with play(seed) as p:
        orders = [await p.hand.rest(price=DEEP - number) for number in range(3)]
        p.exchange.paper.use_orders(RateLimitRules().orders_per_10_seconds)  # by somebody else, which nobody here knows
        with pytest.raises(Rejected) as refusal:
            await p.hand.replace(orders[0], price=DEEPER)
        assert refusal.value.code == -1015
        assert p.latest(orders[0]).is_open
        assert not p.judge.is_anything_in_doubt
        await p.settle()


async def test_an_order_that_is_not_open_is_not_replaced(seed: int) -> None:
    async with play(seed) as p:
        filled = await p.hand.buy(SYMBOL, quantity=SIZE, price=ASK)
        await trio.sleep(0.1)
        with pytest.raises(NotSent):
            await p.hand.replace(filled, price=DEEP, quantity=SIZE)
        assert len(p.exchange.paper.intents) == 1
        await p.settle()


@pytest.mark.parametrize("events", ["told", "lost"])
@pytest.mark.parametrize("market", ["stands still", "fills the old one first", "fills both later"])
@pytest.mark.parametrize("doubt", DOUBTS)
async def test_what_nobody_knows_is_found_out_for_each_of_both(seed: int, doubt: str, market: str, events: str) -> None:
    async with play(seed) as p:
        old = await p.hand.rest(price=DEEP)
        lost = p.exchange.faults.add(LoseEvent(), times=None)
        if events == "told":
            lost.disarm()
        if market == "fills the old one first":
            p.exchange.trade(SYMBOL, TOUCHED)
        p.exchange.faults.add(DOUBTS[doubt]())
        new = await replace(p, old)
        lost.disarm()
        if market == "fills both later":
            await trio.sleep(2)
            p.exchange.trade(SYMBOL, DEEPER - 1)
            await trio.sleep(0.1)
        await p.settle()
        assert not p.latest(old).is_unknown
        assert new is None or not p.latest(new).is_unknown


async def replace(p: Play, old: Order) -> Order | None:
    """The new order; none if it was not placed, for the old one had filled or there is no line."""
    try:
        return await p.hand.replace(old, price=DEEPER, within_s=2)
    except (NotSent, Rejected):
        return None


async def test_the_new_one_is_hidden_for_a_minute_and_the_old_one_carries_another_name(seed: int) -> None:
    async with play(seed) as p:
        switch(p, cancelled_found_by_old_id=False)
        old = await p.hand.rest(price=DEEP)
        p.exchange.faults.add(LoseEvent(), times=None)
        p.exchange.faults.add(LoseAnswer(method=METHOD))
        p.exchange.faults.add(HideOrder(method=METHOD, for_s=60))
        new = await p.hand.replace(old, price=DEEPER, within_s=2)
        await trio.sleep(55)
        assert p.latest(new).is_unknown
        assert p.latest(old).life is Life.CANCELED
        await p.settle()
        assert p.latest(new).is_open
        p.exchange.faults.clear()


async def test_while_it_is_in_doubt_both_may_still_fill_and_both_are_counted(seed: int) -> None:
    async with play(seed) as p:
        old = await p.hand.rest(MUCH, DEEP)
        p.exchange.faults.add(LoseRequest(method=METHOD))
        await p.hand.replace(old, price=DEEPER, quantity=SIZE, within_s=1)
        exposed = exposures(p.account.table.all_live())[SYMBOL]
        assert exposed.buying_base == MUCH + SIZE
        assert (exposed.orders, exposed.unknown) == (2, 2)
        await p.settle()
        assert exposures(p.account.table.all_live())[SYMBOL].buying_base == MUCH


async def test_a_late_answer_tells_the_fate_of_both(seed: int) -> None:
    async with play(seed) as p:
        old = await p.hand.rest(price=DEEP)
        for query in ("order.status", "openOrders.status", "allOrders"):
            p.exchange.faults.add(LoseAnswer(method=query), times=None)
        p.exchange.faults.add(LoseEvent(), times=None)
        p.exchange.faults.add(DelayAnswer(method=METHOD, delay_s=5))
        with trio.move_on_after(1):
            await p.hand.replace(old, quantity=MORE_THAN_THERE_IS)
        await trio.sleep(3.9)
        assert p.latest(old).is_unknown or p.latest(old).request.value == "CANCELING"
        await trio.sleep(0.2)
        assert p.latest(old).life is Life.CANCELED
        assert not p.judge.is_anything_in_doubt
        p.judge.check()
        p.exchange.faults.clear()


async def test_the_line_breaks_at_any_stage_of_it(seed: int) -> None:
    for after_ms in range(0, 60, 5):
        async with play(seed, network=MemoryNetwork(delay_s=0.02)) as p, trio.open_nursery() as nursery:
            old = await p.hand.rest(price=DEEP)
            nursery.start_soon(replace, p, old)
            await trio.sleep(after_ms / 1000)
            p.exchange.cut()
            await trio.sleep(5)
            await p.settle()
