"""Failure 11: token buckets with numbers of their own, which ignore what the server counts, its `retryAfter` and 418;
nobody counts connections.

Here the limits are the exchange's, its counters correct ours, and what it asks for is done by all. Others behind the
address, and other programs of the account, spend as well. Judged by the exchange's own record and windows.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from dogwatch import NotSent, Order
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import ACCOUNT
from dogwatch.actors.paper.rate_limits import RateLimitRules, Window
from dogwatch.actors.paper.record import RequestLog
from dogwatch.actors.rotation_messages import RotateNow
from dogwatch.actors.session import SessionLost, SessionState
from dogwatch.actors.testing import RefuseHandshake, RefuseRequest
from tests.stories.hand import DEEPER, Play, play
from tests.stories.scene import SIZE, until

A_MOMENT_S = 0.005
SURELY_S = 1.0
QUERY_WEIGHT = 4
REFUSED = (418, 429)


@asynccontextmanager
async def limited(seed: int, **rules: int) -> AsyncIterator[Play]:
    async with play(seed, config=PaperConfig(rate_limits=RateLimitRules(**rules))) as p:
        p.exchange.paper.record.keep(100_000)
        yield p
        p.exchange.faults.clear()
        await p.settle()


async def next_window(p: Play, window: Window) -> None:
    """Until the exchange has begun to count anew, beyond doubt: what answers say at the boundary nobody believes."""
    now_ms = p.exchange.paper.clock.unix_ms()
    await trio.sleep((window.next_start_ms(now_ms) - now_ms) / 1000 + SURELY_S)


def requests(p: Play, since_s: float) -> list[RequestLog]:
    return [request for request in p.exchange.paper.record.requests if request.at_s > since_s]


def refused(p: Play) -> list[RequestLog]:
    return [request for request in p.exchange.paper.record.requests if request.status in REFUSED]


def queries(p: Play) -> int:
    """How many questions for an order it has answered so far."""
    return sum(request.method == "order.status" and request.status == 200 for request in requests(p, 0))


async def query_often(p: Play, order: Order, times: int) -> int:
    """Ask so often, one after the other. How many of them the exchange has answered."""
    before = queries(p)
    for _ in range(times):
        await p.hand.query(order, within_s=2)
    return queries(p) - before


async def place_often(p: Play, times: int, *, within_s: float) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(times):
            nursery.start_soon(place, p, within_s)


async def place(p: Play, within_s: float) -> None:
    try:
        order = await p.hand.rest(SIZE, DEEPER, within_s=within_s)
        await p.hand.cancel(order)
    except NotSent:
        pass  # there was no room in time


@pytest.mark.parametrize("weight_max", [400, 1_200])
async def test_the_weight_in_a_minute_is_the_exchange_s_and_not_a_number_of_ours(
    virtual_clock: MockClock, seed: int, weight_max: int
) -> None:
    async with limited(seed, request_weight_per_minute=weight_max) as p:
        order = await p.hand.rest(SIZE, DEEPER)
        weight = p.exchange.paper.limits_of_address().weight
        await next_window(p, weight)
        for _ in range(3):
            began_s = trio.current_time()
            assert 0 < await query_often(p, order, 2 * weight_max // QUERY_WEIGHT) < weight_max // QUERY_WEIGHT
            assert trio.current_time() - began_s < 1, "it is said at once that there will be no room in time"
            await next_window(p, weight)
        weight.roll(p.exchange.paper.clock.unix_ms())
        counts = [count for _, count in list(weight.past)[-3:]]
        assert max(counts) <= weight_max
        assert min(counts) >= 0.7 * weight_max, "a reserve is kept for cancels"
        assert refused(p) == []


@pytest.mark.parametrize("orders_max", [5, 30])
async def test_the_orders_in_ten_seconds_are_the_exchange_s_and_not_a_number_of_ours(
    virtual_clock: MockClock, seed: int, orders_max: int
) -> None:
    """They wait for the next ten seconds, each as long as its caller does."""
    async with limited(seed, orders_per_10_seconds=orders_max) as p:
        window = p.exchange.paper.limits_of_account().ten_seconds
        await next_window(p, window)
        await place_often(p, 3 * orders_max, within_s=25)
        await next_window(p, window)
        window.roll(p.exchange.paper.clock.unix_ms())
        counts = [count for _, count in list(window.past)[-3:]]
        assert counts == [orders_max] * 3
        assert refused(p) == []


async def test_what_others_behind_the_address_use_up_is_learned_from_the_answers(
    virtual_clock: MockClock, seed: int
) -> None:
    """The first answer after it says so: nothing that does not fit is sent after that."""
    async with limited(seed, request_weight_per_minute=1_000) as p:
        order = await p.hand.rest(SIZE, DEEPER)
        weight = p.exchange.paper.limits_of_address().weight
        await next_window(p, weight)
        p.exchange.paper.use_weight(960)
        await p.hand.query(order)
        assert await query_often(p, order, 100) <= 9
        assert refused(p) == []
        assert weight.count <= 1_000
        await next_window(p, weight)
        assert await query_often(p, order, 100) == 100


async def test_what_other_programs_of_the_account_place_is_learned_from_the_answers(
    virtual_clock: MockClock, seed: int
) -> None:
    async with limited(seed, orders_per_10_seconds=20) as p:
        window = p.exchange.paper.limits_of_account().ten_seconds
        await next_window(p, window)
        p.exchange.paper.use_orders(15)
        await place(p, 5)
        began_s = trio.current_time()
        await place_often(p, 10, within_s=2)
        took_s = trio.current_time() - began_s
        assert took_s <= 2 + A_MOMENT_S, took_s
        assert window.count == 20
        assert refused(p) == []
        await next_window(p, window)
        await place_often(p, 10, within_s=2)
        assert window.count == 10


@pytest.mark.parametrize("status", REFUSED)
@pytest.mark.parametrize("retry_after_s", [3.0, 47.0])
async def test_until_the_time_that_an_answer_names_nothing_is_sent_and_then_all_goes_on(
    virtual_clock: MockClock, seed: int, retry_after_s: float, status: int
) -> None:
    """429 as much as 418; nobody dials either, and nobody is left waiting beyond his deadline."""
    async with limited(seed) as p:
        order = await p.hand.rest(SIZE, DEEPER)
        refusal = RefuseRequest(method="order.status", code=-1003, status=status, retry_after_s=retry_after_s)
        p.exchange.faults.add(refusal)
        told_s = trio.current_time()
        await p.hand.query(order, within_s=1)
        p.account.tree.link.rotation.wanted.publish(RotateNow(reason="a bad moment"))
        while trio.current_time() < told_s + retry_after_s - 1.5:
            asked_s = trio.current_time()
            with pytest.raises(NotSent) as failure:
                await p.hand.rest(SIZE, DEEPER, within_s=1)
            assert trio.current_time() - asked_s <= 1
            assert failure.value.retry_after_s == pytest.approx(told_s + retry_after_s - asked_s, abs=0.01)
            await trio.sleep(0.5)
        assert (await p.hand.rest(SIZE, DEEPER, within_s=5)).is_open
        later = requests(p, told_s)
        assert later[0].at_s >= told_s + retry_after_s
        attempts = [attempt for attempt in p.exchange.paper.record.attempts if attempt.at_s > told_s]
        assert all(attempt.at_s >= told_s + retry_after_s for attempt in attempts)


@pytest.mark.parametrize("status", REFUSED)
async def test_the_market_streams_door_speaks_for_the_address(virtual_clock: MockClock, seed: int, status: int) -> None:
    """What is said there concerns the attempts of every link; a ban, its requests as well."""
    async with limited(seed) as p:
        p.exchange.faults.add(RefuseHandshake(to="market", status=status, retry_after_s=100))
        for line in p.exchange.network.connections:
            line.cut()
        record = p.exchange.paper.record
        await until(lambda: record.attempts[-1].status == status, within_s=10)
        told_s = trio.current_time()
        if status == 418:
            with pytest.raises(NotSent):
                await p.hand.rest(SIZE, DEEPER, within_s=5)
        await trio.sleep(99)
        assert record.attempts[-1].at_s <= told_s
        assert status == 429 or requests(p, told_s) == []
        await p.caught_up()
        assert (await p.hand.rest(SIZE, DEEPER)).is_open


@pytest.mark.parametrize("connections_max", [6, 12])
async def test_connections_are_counted_however_often_somebody_wants_another_one(
    virtual_clock: MockClock, seed: int, connections_max: int
) -> None:
    """For half an hour both links are to rotate again and again: they do so as often as they may."""
    async with limited(seed, connections_per_5_minutes=connections_max) as p:
        states: list[SessionState] = []
        link, market_link = p.account.tree.link, p.account.tree.market_link
        link.topics.states.tap(states.append, on_error=_raise)
        began_s = trio.current_time()
        for _ in range(60):
            for either in (link, market_link):
                either.rotation.wanted.publish(RotateNow(reason="somebody is nervous"))
            order = await p.hand.rest(SIZE, DEEPER)
            await trio.sleep(15)
            await p.hand.cancel(order)
            await trio.sleep(15)
        attempts = [attempt.at_s for attempt in p.exchange.paper.record.attempts]
        assert all(is_apart(times_s) for times_s in pairwise(attempts[::connections_max]))
        assert 429 not in {attempt.status for attempt in p.exchange.paper.record.attempts}
        assert len(attempts) > 4 * connections_max
        assert not [state for state in states if isinstance(state, SessionLost)]
        assert p.exchange.paper.record.away(ACCOUNT, began_s, trio.current_time()) == []


async def test_lines_that_break_as_soon_as_they_stand_are_dialled_within_the_budget(
    virtual_clock: MockClock, seed: int
) -> None:
    async with limited(seed, connections_per_5_minutes=20) as p:
        record = p.exchange.paper.record
        seen = 0
        with trio.move_on_after(1_000):
            while True:
                await until(lambda seen=seen: record.attempted > seen, within_s=400, step_s=0.5)  # type: ignore[misc]
                seen = record.attempted
                await trio.sleep(0.2)
                p.exchange.cut()
        attempts = [attempt.at_s for attempt in record.attempts]
        assert all(is_apart(times_s) for times_s in pairwise(attempts[::20]))
        assert 429 not in {attempt.status for attempt in record.attempts}
        assert len(attempts) >= 60
        await p.caught_up(within_s=400)
        assert (await p.hand.rest(SIZE, DEEPER)).is_open


def is_apart(times_s: tuple[float, float]) -> bool:
    """Whether five minutes lie between the two."""
    return times_s[1] - times_s[0] > 300 - A_MOMENT_S


def _raise(error: Exception) -> None:
    raise error
