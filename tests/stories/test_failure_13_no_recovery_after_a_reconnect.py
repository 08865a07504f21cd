"""Failure 13: after a reconnect nobody asks what has happened meanwhile; or only for symbols in a cache, or for the
newest 1,000 without another page.

Here every new session begins with a recovery, for every symbol that an order may be on, page by page. What it finds is
told once, in order, marked as recovered; until it has ended no strategy's order is sent.
"""

from collections.abc import Callable
from decimal import Decimal
from random import Random

import pytest
import trio
from trio.testing import MockClock

from dogwatch import NotSent
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.faults import Fault
from dogwatch.actors.paper.rate_limits import RateLimitRules
from dogwatch.actors.spot.order import Life
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.testing import (
    AnswerUnknown,
    Cut,
    DelayAnswer,
    DelayEvent,
    GarbleAnswer,
    HalfClose,
    LoseAnswer,
    LoseEvent,
    LoseRequest,
    ServerError,
)
from dogwatch.runtime.testing import MemoryNetwork
from tests.actors.test_tree import crash_the_tracker
from tests.stories.hand import ASK, BID, DEEP, DEEPER, Play, play
from tests.stories.scene import SIZE, SYMBOL, until

OTHER = "ETHUSDT"
BOTH = (SYMBOL, OTHER)
PAGE = 1_000
TRAVEL_S = 0.020
A_MOMENT_S = 0.001
AUDIT_EVERY_S = 300.0

LISTS = ("openOrders.status", "allOrders", "myTrades")
TROUBLES: dict[str, Callable[[str], Fault]] = {
    "lost": lambda method: LoseRequest(method=method),
    "its answer lost": lambda method: LoseAnswer(method=method),
    "its answer breaks off": lambda method: GarbleAnswer(method=method),
    "its answer late": lambda method: DelayAnswer(method=method, delay_s=40),
    "-1007": lambda method: AnswerUnknown(method=method, answer_after_s=10),
    "503": lambda method: ServerError(method=method),
    "cut before it": lambda method: Cut(on=method, when="before"),
    "cut after it": lambda method: Cut(on=method),
    "half closed after it": lambda method: HalfClose(on=method),
}


def check_that_it_was_recovered_in_order(p: Play, count: int) -> None:
    assert len(p.hand.fills) == count
    assert all(fill.is_recovered for fill in p.hand.fills)
    p.judge.check_the_order_of_fills()


async def test_all_that_happened_while_the_line_was_down_is_known_when_it_is_back(
    virtual_clock: MockClock, seed: int
) -> None:
    async with play(seed, symbols=BOTH) as p:
        p.exchange.quote(OTHER, BID, ASK)
        filled = await p.hand.rest(2 * SIZE, DEEP)
        partly = await p.hand.rest(3 * SIZE, DEEP - 1)
        canceled, untouched = await p.hand.rest(price=DEEPER), await p.hand.rest(price=DEEPER)
        elsewhere = await p.hand.buy(OTHER, quantity=SIZE, price=DEEP)
        async with p.away():
            p.exchange.trade(SYMBOL, DEEP - 2, SIZE)
            p.exchange.trade(OTHER, DEEP - 1, SIZE)
            p.exchange.trade(SYMBOL, DEEP - 2, 2 * SIZE)
            assert canceled.order_id is not None
            p.cancel_by_hand(canceled.order_id)
        assert p.latest(filled).life is Life.FILLED
        assert p.latest(elsewhere).life is Life.FILLED
        assert p.latest(canceled).life is Life.CANCELED
        assert p.latest(untouched).is_open
        assert p.latest(partly).is_open
        assert p.latest(partly).filled_quantity > 0
        check_that_it_was_recovered_in_order(p, 4)
        assert not p.judge.is_anything_in_doubt
        await p.settle()


async def test_what_was_in_flight_when_it_broke_is_found_too(virtual_clock: MockClock, seed: int) -> None:
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(p.hand.rest, SIZE, DEEP)
            await trio.sleep(1.5 * TRAVEL_S)
            p.exchange.cut()
        p.exchange.trade(SYMBOL, DEEP - 1, SIZE)
        await p.caught_up()
        await trio.sleep(5)
        check_that_it_was_recovered_in_order(p, 1)
        await p.settle()


async def test_what_was_in_flight_and_canceled_by_its_owner_meanwhile_is_found_too(
    virtual_clock: MockClock, seed: int
) -> None:
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(p.hand.rest, 3 * SIZE, DEEP)
            await trio.sleep(1.5 * TRAVEL_S)
            p.exchange.cut()
        p.exchange.trade(SYMBOL, DEEP - 1, SIZE)
        (row,) = p.exchange.orders()
        p.cancel_by_hand(row["orderId"])
        await p.caught_up()
        await p.settle()
        (order,) = p.judge.told.values()
        assert (order.life, order.filled_quantity) == (Life.CANCELED, SIZE)
        check_that_it_was_recovered_in_order(p, 1)


async def test_no_order_is_sent_before_the_recovery_has_ended(virtual_clock: MockClock, seed: int) -> None:
    async with play(seed) as p:
        resting = await p.hand.rest()
        known = len(p.exchange.paper.intents)
        p.exchange.faults.add(DelayAnswer(method="allOrders", delay_s=8))
        p.exchange.cut()
        await trio.sleep(5)
        assert p.account.tree.link.topics.states.published > 1
        refusals: list[NotSent] = []
        for wanted in (p.hand.rest(), p.hand.amend(resting, SIZE), p.hand.replace(resting, price=DEEPER)):
            with pytest.raises(NotSent) as refusal:
                await wanted
            refusals.append(refusal.value)
        assert all(refusal.hint for refusal in refusals)
        assert len(p.exchange.paper.intents) == known
        assert (await p.hand.cancel(resting)).life is Life.CANCELED  # a cancel waits for nothing
        await p.caught_up()
        assert (await p.hand.rest()).is_open
        await p.settle()


@pytest.mark.parametrize("fills", [PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 500])
async def test_more_fills_than_a_page_holds(virtual_clock: MockClock, seed: int, fills: int) -> None:
    piece = Decimal("0.00001")
    async with play(seed) as p:
        order = await p.hand.rest(Decimal("0.05"), DEEP)
        async with p.away():
            for _ in range(fills):
                p.exchange.trade(SYMBOL, DEEP - 1, piece)
        assert p.latest(order).filled_quantity == fills * piece
        assert p.hand.position(SYMBOL) == p.exchange.position("BTC")
        check_that_it_was_recovered_in_order(p, fills)
        await p.settle()


@pytest.mark.parametrize("others", [PAGE - 2, PAGE, 2 * PAGE + 300])
async def test_more_orders_than_a_page_holds(virtual_clock: MockClock, seed: int, others: int) -> None:
    """Somebody else's orders fill the pages; an order of ours that was in flight comes before them all."""
    config = PaperConfig(rate_limits=RateLimitRules(orders_per_10_seconds=100_000))
    async with play(seed, config=config, network=MemoryNetwork(delay_s=TRAVEL_S)) as p:
        filled = await p.hand.rest(SIZE, DEEP)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(p.hand.rest, 2 * SIZE, DEEP)
            await trio.sleep(1.5 * TRAVEL_S)
            async with p.away():
                p.exchange.trade(SYMBOL, DEEP - 1, SIZE)
                for _ in range(others):
                    p.cancel_by_hand(p.order_of_somebody_else())
        assert p.latest(filled).is_filled
        check_that_it_was_recovered_in_order(p, 1)
        await p.settle()


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("query", LISTS)
async def test_trouble_with_any_list_only_delays_it(
    virtual_clock: MockClock, seed: int, query: str, trouble: str, times: int
) -> None:
    async with play(seed) as p:
        filled, resting = await p.hand.rest(SIZE, DEEP), await p.hand.rest(price=DEEPER)
        armed = p.exchange.faults.add(TROUBLES[trouble](query), times=times)
        p.exchange.cut()
        p.exchange.trade(SYMBOL, DEEP - 1, SIZE)
        await until(lambda: armed.hits == times, within_s=200, step_s=0.1)
        await p.caught_up()
        await until(lambda: bool(p.hand.fills), within_s=60, step_s=0.1)
        assert p.latest(filled).is_filled
        assert p.latest(resting).is_open
        check_that_it_was_recovered_in_order(p, 1)
        await p.settle()


@pytest.mark.parametrize("after_ms", range(0, 640, 40))
async def test_a_second_cut_in_the_middle_of_it_loses_nothing_and_doubles_nothing(
    virtual_clock: MockClock, seed: int, after_ms: int
) -> None:
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p:
        orders = [await p.hand.rest(SIZE, DEEP - number) for number in range(6)]
        async with p.away():
            p.exchange.trade(SYMBOL, orders[2].price or DEEP, 3 * SIZE)
        # What follows happens at another moment of the next recovery each time.
        p.exchange.cut()
        p.exchange.trade(SYMBOL, DEEP - 10, SIZE)
        await trio.sleep(after_ms / 1000)
        p.exchange.cut()
        p.exchange.trade(SYMBOL, DEEP - 10, SIZE)
        await p.caught_up()
        await trio.sleep(10)
        assert len(p.hand.fills) == len(p.exchange.fills()) > 3
        p.judge.check_the_order_of_fills()
        await p.settle()


async def test_what_is_told_while_it_is_under_way_is_told_after_what_it_finds(
    virtual_clock: MockClock, seed: int
) -> None:
    async with play(seed) as p:
        for number in range(4):
            await p.hand.rest(SIZE, DEEP - number)
        page = p.exchange.faults.add(DelayAnswer(method="myTrades", delay_s=3), times=None)
        p.exchange.cut()
        p.exchange.trade(SYMBOL, DEEP - 10, SIZE)
        p.exchange.trade(SYMBOL, DEEP - 10, SIZE)
        await until(lambda: page.hits == 2)
        await trio.sleep(1)  # the last page is on its way, and this is not in it
        p.exchange.trade(SYMBOL, DEEP - 10, SIZE)
        await trio.sleep(A_MOMENT_S)
        check_that_it_was_recovered_in_order(p, 2)
        await p.caught_up()
        p.exchange.trade(SYMBOL, DEEP - 10, SIZE)
        await trio.sleep(A_MOMENT_S)
        assert [fill.is_recovered for fill in p.hand.fills] == [True, True, False, False]
        p.judge.check_the_order_of_fills()
        await p.settle()


async def test_what_is_both_listed_and_told_counts_once(virtual_clock: MockClock, seed: int) -> None:
    async with play(seed) as p:
        for number in range(3):
            await p.hand.rest(SIZE, DEEP - number)
        p.exchange.faults.add(LoseRequest(method="myTrades"))  # it is asked for again, when more has happened
        p.exchange.cut()
        p.exchange.trade(SYMBOL, DEEP - 10, SIZE)
        await trio.sleep(2)
        p.exchange.trade(SYMBOL, DEEP - 10, SIZE)
        await p.caught_up()
        await trio.sleep(A_MOMENT_S)
        assert len(p.hand.fills) == 2
        p.judge.check_the_order_of_fills()
        await p.settle()


async def test_events_of_the_old_line_that_are_late_are_known_already(virtual_clock: MockClock, seed: int) -> None:
    """They come on the new line, to whoever listens then, after the recovery has found what they tell."""
    async with play(seed) as p:
        for number in range(3):
            await p.hand.rest(SIZE, DEEP - number)
        p.exchange.faults.add(DelayEvent(delay_s=20), times=None)
        p.exchange.trade(SYMBOL, DEEP - 10, 2 * SIZE)
        p.exchange.cut()
        await trio.sleep(10)
        await p.caught_up()
        check_that_it_was_recovered_in_order(p, 2)
        await trio.sleep(30)
        check_that_it_was_recovered_in_order(p, 2)
        await p.settle()
        p.exchange.faults.clear()


async def test_a_new_life_of_the_tracker_in_the_middle_of_it(virtual_clock: MockClock, seed: int) -> None:
    async with play(seed, orders_on_crash=OrdersOnCrash.KEEP) as p:
        for number in range(3):
            await p.hand.rest(SIZE, DEEP - number)
        p.exchange.faults.add(DelayAnswer(method="myTrades", delay_s=5))
        p.exchange.cut()
        p.exchange.trade(SYMBOL, DEEP - 10, SIZE)
        await trio.sleep(2)
        crash_the_tracker(p.account.tree)
        p.exchange.trade(SYMBOL, DEEP - 10, SIZE)
        await p.caught_up()
        await trio.sleep(10)
        assert len(p.judge.fills) == 2
        p.judge.check_the_order_of_fills()
        await p.settle()


async def test_fills_whose_events_were_lost_on_a_line_that_stood_are_found_by_the_audit(
    virtual_clock: MockClock, seed: int
) -> None:
    async with play(seed) as p:
        order = await p.hand.rest(2 * SIZE, DEEP)
        p.exchange.faults.add(LoseEvent(), times=None)
        p.exchange.trade(SYMBOL, DEEP - 1, SIZE)
        p.exchange.faults.clear()
        assert p.latest(order).filled_quantity == 0
        await trio.sleep(AUDIT_EVERY_S + 30)
        assert p.latest(order).filled_quantity == SIZE
        check_that_it_was_recovered_in_order(p, 1)
        await p.settle()


async def test_a_day_of_broken_lines(virtual_clock: MockClock, seed: int) -> None:
    """Orders are placed, fill and are canceled while the line breaks at random; all of it is told, and told once."""
    random = Random(seed)
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p:
        for _ in range(60):
            try:
                await p.hand.rest(SIZE, DEEP - random.randrange(100), within_s=1)
            except NotSent:
                pass  # the line, or the recovery
            if random.random() < 0.4:
                p.exchange.trade(SYMBOL, DEEP - 100, SIZE * random.randrange(1, 4))
            if random.random() < 0.3:
                p.exchange.network.cut_all(lose_in_flight=random.random() < 0.5)
            open_there = [row["orderId"] for row in p.exchange.orders() if row["status"] in ("NEW", "PARTIALLY_FILLED")]
            if open_there and random.random() < 0.2:
                p.cancel_by_hand(random.choice(open_there))
            await trio.sleep(random.expovariate(0.5))
        await p.caught_up()
        await p.settle()
        p.judge.check_the_order_of_fills()
        assert len(p.judge.fills) > 10
