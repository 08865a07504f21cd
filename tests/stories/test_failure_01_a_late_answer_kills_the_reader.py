"""Failure 1: an answer that comes after its caller has timed out, or was cancelled, kills the reader of the connection.

Then the account's events stop, and the next order is really sent but reported as timed out. Here a late answer is
evidence: it changes the order that it is about, and disturbs nothing else.
"""

from random import Random

import pytest
import trio
from trio.testing import MockClock

from dogwatch import Order
from dogwatch.actors.spot.order import Amend, Life
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.testing import DelayAnswer, DelayEvent, LoseAnswer, LoseEvent
from tests.actors.test_tree import crash_the_tracker
from tests.stories.hand import ACTS, ASK, DEEP, Deed, Play, play
from tests.stories.scene import SIZE, SYMBOL, api_connections

GIVES_UP_AFTER_S = 1.0
ANSWERED_AFTER_S = 5.0
A_MOMENT_S = 0.001
QUERIES = ("order.status", "openOrders.status", "allOrders", "myTrades")


async def do_and_give_up(p: Play, deed: Deed, order: Order | None, how: str) -> None:
    """Do it, and wait for its outcome no longer than `GIVES_UP_AFTER_S`. Events do not tell it before."""
    begun_s = trio.current_time()
    events = p.exchange.faults.add(DelayEvent(delay_s=2 * GIVES_UP_AFTER_S), times=None)
    if how == "times out":
        await deed.do(p.hand, order, within_s=GIVES_UP_AFTER_S)
    else:
        with trio.move_on_after(GIVES_UP_AFTER_S) as scope:
            await deed.do(p.hand, order)
        assert scope.cancelled_caught
    events.disarm()
    assert trio.current_time() - begun_s == pytest.approx(GIVES_UP_AFTER_S)


async def check_that_the_account_is_heard_and_served(p: Play) -> None:
    """Answers come at once, on the first connection, and so do events that nobody has asked for."""
    begun_s = trio.current_time()
    placed = await p.hand.rest(SIZE, DEEP)
    assert placed.is_open
    assert not placed.is_unknown
    heard = len(p.hand.fills)
    p.exchange.trade(SYMBOL, DEEP - 1, SIZE)
    await trio.sleep(A_MOMENT_S)
    assert len(p.hand.fills) > heard
    assert not p.hand.fills[-1].is_recovered
    assert trio.current_time() - begun_s <= 2 * A_MOMENT_S
    assert len(api_connections(p.exchange)) == 1
    assert [node.path for node in p.system.tree().walk() if node.restarts] == []


def silence_all_but_answers(p: Play) -> None:
    """From now on no query finds anything out, and no event tells anything."""
    for query in QUERIES:
        p.exchange.faults.add(LoseAnswer(method=query), times=None)
    p.exchange.faults.add(LoseEvent(kind=None), times=None)


@pytest.mark.parametrize("how", ["times out", "is cancelled"])
@pytest.mark.parametrize("deed", Deed)
async def test_after_it_events_flow_and_the_next_order_is_answered(
    virtual_clock: MockClock, seed: int, deed: Deed, how: str
) -> None:
    async with play(seed) as p:
        order = await p.hand.rest()
        late = p.exchange.faults.add(DelayAnswer(method=deed.value, delay_s=ANSWERED_AFTER_S))
        await do_and_give_up(p, deed, order, how)
        await check_that_the_account_is_heard_and_served(p)
        await trio.sleep(ANSWERED_AFTER_S)
        assert late.hits == 1
        await check_that_the_account_is_heard_and_served(p)
        await p.settle()
        p.judge.check_the_order_of_fills()


@pytest.mark.parametrize("deed", ACTS)
async def test_it_is_believed_where_nothing_else_tells(virtual_clock: MockClock, seed: int, deed: Deed) -> None:
    async with play(seed) as p:
        order = await p.hand.rest()
        p.exchange.faults.add(DelayAnswer(method=deed.value, delay_s=ANSWERED_AFTER_S))
        silence_all_but_answers(p)
        began_s = trio.current_time()
        done = await deed.do(p.hand, order, within_s=GIVES_UP_AFTER_S)
        assert done.is_unknown
        await trio.sleep_until(began_s + ANSWERED_AFTER_S - A_MOMENT_S)
        assert p.latest(done).is_unknown
        await trio.sleep_until(began_s + ANSWERED_AFTER_S + A_MOMENT_S)
        done, order = p.latest(done), p.latest(order)
        assert not done.is_unknown
        assert not order.is_unknown
        assert done.life is (Life.CANCELED if deed is Deed.CANCEL else Life.OPEN)
        assert order.life is (Life.CANCELED if deed in (Deed.CANCEL, Deed.REPLACE) else Life.OPEN)
        assert order.amend is Amend.NONE
        assert order.quantity == (2 * SIZE if deed is Deed.AMEND else 3 * SIZE)
        assert done.evidence.startswith("answer to order.")
        p.judge.check()
        p.exchange.faults.clear()


async def test_a_late_refusal_is_a_refusal(virtual_clock: MockClock, seed: int) -> None:
    async with play(seed) as p:
        p.exchange.faults.add(DelayAnswer(delay_s=ANSWERED_AFTER_S))
        began_s = trio.current_time()
        order = await p.hand.buy(SYMBOL, quantity=SIZE, price=ASK, post_only=True, within_s=GIVES_UP_AFTER_S)
        assert order.is_unknown
        assert order.life is Life.SENT
        await trio.sleep_until(began_s + ANSWERED_AFTER_S + A_MOMENT_S)
        order = p.latest(order)
        assert order.life is Life.REJECTED
        assert not order.is_unknown
        assert "would immediately match" in order.reason
        await p.settle()


@pytest.mark.parametrize("events", ["before the answer", "after the answer", "never"])
async def test_the_fills_in_it_count_once(virtual_clock: MockClock, seed: int, events: str) -> None:
    async with play(seed) as p:
        p.exchange.faults.add(DelayAnswer(delay_s=ANSWERED_AFTER_S))
        if events == "after the answer":
            p.exchange.faults.add(DelayEvent(delay_s=2 * ANSWERED_AFTER_S), times=None)
        elif events == "never":
            p.exchange.faults.add(LoseEvent(), times=None)
        order = await p.hand.buy(SYMBOL, quantity=SIZE, within_s=GIVES_UP_AFTER_S)
        await trio.sleep(3 * ANSWERED_AFTER_S)
        assert p.latest(order).is_filled
        assert len(p.hand.fills) == 1
        assert p.hand.position(SYMBOL) == p.exchange.position("BTC") > 0
        await p.settle()


@pytest.mark.parametrize("deed", ACTS)
async def test_it_finds_its_order_also_in_a_new_life_of_the_tracker(
    virtual_clock: MockClock, seed: int, deed: Deed
) -> None:
    async with play(seed, orders_on_crash=OrdersOnCrash.KEEP) as p:
        order = await p.hand.rest()
        late = p.exchange.faults.add(DelayAnswer(method=deed.value, delay_s=ANSWERED_AFTER_S))
        done = await deed.do(p.hand, order, within_s=GIVES_UP_AFTER_S)
        crash_the_tracker(p.account.tree)
        await trio.sleep(2 * ANSWERED_AFTER_S)
        assert late.hits == 1
        assert not p.latest(done).is_unknown
        await p.settle()


async def test_many_late_answers_at_once_in_any_order(virtual_clock: MockClock, seed: int) -> None:
    random, count = Random(seed), 40
    async with play(seed) as p, trio.open_nursery() as nursery:
        for _ in range(count):
            p.exchange.faults.add(DelayAnswer(delay_s=random.uniform(2.0, 8.0)))
            how = random.choice(["times out", "is cancelled"])
            nursery.start_soon(do_and_give_up, p, Deed.PLACE, None, how)
        await trio.sleep(GIVES_UP_AFTER_S + A_MOMENT_S)
        assert len(p.exchange.orders()) == count
        await check_that_the_account_is_heard_and_served(p)
        await trio.sleep(8.0)
        assert not p.judge.is_anything_in_doubt
        await check_that_the_account_is_heard_and_served(p)
        await p.settle()


async def test_it_may_come_after_the_order_has_ended_and_been_forgotten(virtual_clock: MockClock, seed: int) -> None:
    async with play(seed) as p:
        p.account.table._closed_kept = 3
        p.exchange.faults.add(DelayAnswer(delay_s=ANSWERED_AFTER_S))
        order = await p.hand.buy(SYMBOL, quantity=SIZE, within_s=GIVES_UP_AFTER_S)
        for _ in range(5):
            await p.hand.buy(SYMBOL, quantity=SIZE)
        assert p.account.table.get(order.client_order_id) is None
        await trio.sleep(ANSWERED_AFTER_S)
        await check_that_the_account_is_heard_and_served(p)
        assert p.hand.position(SYMBOL) == p.exchange.position("BTC")
