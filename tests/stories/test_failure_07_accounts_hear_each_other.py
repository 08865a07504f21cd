"""Failure 7: two accounts in one process receive each other's events, because both have subscription id 0.

Here each account has its own link, and nothing is told apart by an id that two connections share. The accounts of these
stories use the same names: of the strategy, and so of their orders.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from dogwatch import Side
from dogwatch.actors.spot.envelope import UserEvent
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.testing import AnswerUnknown, DelayAnswer, DelayEvent, DuplicateEvent, HideOrder, LoseEvent
from dogwatch.runtime.testing import MemoryNetwork
from tests.actors.test_tree import crash_the_tracker
from tests.stories.hand import ASK, BID, DEEP, DEEPER, Deed, Play, perform
from tests.stories.scene import SIZE, SYMBOL, api_lines, open_account, open_exchange, until

SECOND = "second"
RICHES = {"BTC": Decimal(10), "USDT": Decimal(1_000_000)}
BETWEEN = Decimal("40000.50")
"""Inside of the spread: there the accounts trade with each other."""


@asynccontextmanager
async def two_plays(seed: int) -> AsyncIterator[tuple[Play, Play]]:
    """Two accounts of one exchange, each in a tree of its own, in one process."""
    async with open_exchange(seed=seed, network=MemoryNetwork()) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        signer = open_account(exchange, SECOND, RICHES)
        async with (
            perform(exchange, seed, orders_on_crash=OrdersOnCrash.KEEP) as first,
            perform(exchange, seed, signer=signer, ledger=SECOND, orders_on_crash=OrdersOnCrash.KEEP) as second,
        ):
            yield first, second


async def settle_both(first: Play, second: Play) -> None:
    """Each one's record is its own ledger, and neither has heard of anything that is not its own.

    Both name their orders alike, so how often the engine has seen a name tells nothing here.
    """
    for p in (first, second):
        await until(lambda p=p: not p.judge.is_anything_in_doubt, within_s=150, step_s=0.25)  # type: ignore[misc]
    first.exchange.paper.intents.clear()
    for p in (first, second):
        p.judge.check()
        assert p.account.tree.desk.order_topics.external.published == 0
        own = {order.order_id for order in p.judge.told.values()}
        assert {fill.order_id for fill in p.hand.fills} <= own
        assert {order.order_id for order in p.hand.changes} <= own | {None}


async def test_both_have_subscription_id_0_and_hear_their_own_events_only(virtual_clock: MockClock, seed: int) -> None:
    async with two_plays(seed) as (first, second):
        ids: list[int | None] = []
        for p in (first, second):
            topics = p.account.tree.link.topics
            topics.user_events.tap(lambda frame: ids.append(_subscription(frame)), on_error=_raise)
        bought = await first.hand.rest(price=DEEP)
        sold = await second.hand.place(Side.SELL, SYMBOL, quantity=2 * SIZE, price=ASK + 1)
        await trio.sleep(0.1)
        assert bought.client_order_id == sold.client_order_id
        assert ids
        assert set(ids) == {0}
        assert {order.order_id for order in first.hand.changes} - {None} == {bought.order_id}
        assert {order.order_id for order in second.hand.changes} - {None} == {sold.order_id}
        await settle_both(first, second)


@pytest.mark.parametrize("deed", Deed)
async def test_what_one_does_changes_nothing_of_the_other(virtual_clock: MockClock, seed: int, deed: Deed) -> None:
    async with two_plays(seed) as (first, second):
        orders = [await p.hand.rest(price=DEEP) for p in (first, second)]
        before = second.latest(orders[1])
        await deed.do(first.hand, orders[0])
        await trio.sleep(1)
        assert second.latest(orders[1]) == before
        await settle_both(first, second)


async def test_each_side_of_a_trade_between_them_is_told_to_its_own(virtual_clock: MockClock, seed: int) -> None:
    async with two_plays(seed) as (first, second):
        for _ in range(5):
            await first.hand.buy(SYMBOL, quantity=SIZE, price=BETWEEN)
            await second.hand.sell(SYMBOL, quantity=SIZE, price=BETWEEN)
        await trio.sleep(0.1)
        assert [fill.side for fill in first.hand.fills] == [Side.BUY] * 5
        assert [fill.side for fill in second.hand.fills] == [Side.SELL] * 5
        assert first.hand.position(SYMBOL) == 5 * SIZE * Decimal("0.999")
        assert second.hand.position(SYMBOL) == -5 * SIZE
        await settle_both(first, second)


@pytest.mark.parametrize("trouble", ["answer unknown", "events late", "events twice", "events lost", "order hidden"])
async def test_the_trouble_of_one_is_not_the_other_s(virtual_clock: MockClock, seed: int, trouble: str) -> None:
    """Faults strike the first one's orders alone: told apart by their price, for their names are the same."""
    fault = {
        "answer unknown": AnswerUnknown(execution="later", execute_after_s=3),
        "events late": DelayEvent(delay_s=3),
        "events twice": DuplicateEvent(copies=2),
        "events lost": LoseEvent(),
        "order hidden": HideOrder(for_s=30),
    }[trouble]
    async with two_plays(seed) as (first, second):
        first.exchange.faults.add(
            fault, times=None, where=lambda facts: Decimal(facts.get("price") or facts.get("p") or 0) == DEEP
        )
        if trouble == "order hidden":
            first.exchange.faults.add(DelayAnswer(delay_s=20), times=1)
        await first.hand.rest(price=DEEP, within_s=1)
        begun_s = trio.current_time()
        other = await second.hand.rest(price=DEEPER, within_s=1)
        assert trio.current_time() == begun_s
        assert other.is_open
        assert not other.is_unknown
        first.exchange.faults.clear()
        await settle_both(first, second)


async def test_fills_that_one_has_missed_are_recovered_for_it_alone(virtual_clock: MockClock, seed: int) -> None:
    async with two_plays(seed) as (first, second):
        for p in (first, second):
            for _ in range(3):
                await p.hand.rest(SIZE, DEEP)
        api_lines(first.exchange)[0].cut()  # the first account's: it was dialled first
        first.exchange.trade(SYMBOL, DEEP - 1, 6 * SIZE)
        await trio.sleep(20)
        assert len(first.hand.fills) == 3
        assert len(second.hand.fills) == 3
        assert not any(fill.is_recovered for fill in second.hand.fills)
        await settle_both(first, second)


async def test_a_new_life_of_one_tracker_is_none_of_the_other(virtual_clock: MockClock, seed: int) -> None:
    async with two_plays(seed) as (first, second):
        for p in (first, second):
            await p.hand.rest(price=DEEP)
        crash_the_tracker(first.account.tree)
        begun_s = trio.current_time()
        order = await second.hand.rest(price=DEEP)
        assert order.is_open
        assert trio.current_time() == begun_s
        await trio.sleep(5)
        assert [len(p.part.lives) for p in (first, second)] == [2, 1]
        await settle_both(first, second)


def _subscription(frame: UserEvent) -> int | None:
    return frame.subscription_id


def _raise(error: Exception) -> None:
    raise error
