"""The exchange's accounting is exact: its counters equal what its own record, and a tally made aside, add up to."""

from collections import Counter as Tally
from random import Random
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.rate_limits import AccountLimits, AddressLimits, RateLimitRules, Window
from dogwatch.runtime.clock import VIRTUAL_START_UNIX_MS
from tests.actors.paper.guest import Guest, open_guest

MINUTE_MS = 60_000
CONNECTING_WEIGHT = 2

REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ping", {}),
    ("account.status", {}),
    ("order.status", {"symbol": "BTCUSDT", "origClientOrderId": "nobody"}),
    ("myTrades", {"symbol": "BTCUSDT"}),
    ("openOrders.status", {}),
    ("order.cancel", {"symbol": "BTCUSDT", "origClientOrderId": "nobody"}),
    ("no.such.method", {}),
)


def counted(window: Window, now_ms: int) -> dict[int, int]:
    """Start of each window and what it counted, the running one included."""
    running = {now_ms // window.length_ms * window.length_ms: window.count} if window.count else {}
    return {**dict(window.past), **running}


@pytest.mark.parametrize("seed_of_day", range(3))
async def test_weights_and_requests_are_the_sum_of_the_record(seed_of_day: int, virtual_clock: MockClock) -> None:
    random = Random(seed_of_day)
    rules = RateLimitRules(request_weight_per_minute=600, refusals_before_ban=10**6)
    async with open_guest(PaperConfig(rate_limits=rules)) as guest:
        exchange = guest.hall.exchange
        for number in range(400):
            if number % 100 == 50:
                guest = await Guest.arrive(guest.hall)
            if random.random() < 0.4:
                await guest.buy(f"n{number}", price=random.choice(("101", "90", "nonsense")), quantity="0.1")
            else:
                method, params = random.choice(REQUESTS)
                await guest.send(method, dict(params))
            await trio.sleep(random.choice((0.0, 0.1, 2.0)))
        await trio.sleep(1)
        record, now_ms = exchange.record, guest.hall.clock.unix_ms()
        weights, requests = Tally[int](), Tally[int]()
        for log in record.connections:
            weights[_start_ms(log.opened_s, MINUTE_MS)] += CONNECTING_WEIGHT
        for entry in record.requests:
            weights[_start_ms(entry.at_s, MINUTE_MS)] += entry.weight
            requests[_start_ms(entry.at_s, 5 * MINUTE_MS)] += 1
        limits = exchange.limits_of_address()
        assert counted(limits.weight, now_ms) == dict(weights)
        assert counted(limits.raw_requests, now_ms) == dict(requests)
        assert {entry.status for entry in record.requests} >= {200, 400, 429}
        first_fills = {fill.order_id for fill in exchange.fills()}
        placed = [entry for entry in record.requests if (entry.method, entry.status) == ("order.place", 200)]
        assert sum(counted(exchange.limits_of_account().day, now_ms).values()) == len(placed) - len(first_fills)


def _start_ms(at_s: float, length_ms: int) -> int:
    return (VIRTUAL_START_UNIX_MS + round(at_s * 1000)) // length_ms * length_ms


@given(steps=st.lists(st.tuples(st.integers(0, 30_000), st.integers(1, 250), st.booleans()), max_size=200))
@settings(deadline=None)
def test_what_is_admitted_never_exceeds_the_limit_of_a_window(steps: list[tuple[int, int, bool]]) -> None:
    """Requests are admitted while there is room for all of their weight; charged is what they cost in the end."""
    limits = AddressLimits(RateLimitRules(request_weight_per_minute=500, raw_requests_per_5_minutes=40))
    now_ms, admitted, asked = 0, Tally[int](), Tally[int]()
    for pause_ms, weight, is_charged in steps:
        now_ms += pause_ms
        asked[now_ms // (5 * MINUTE_MS)] += 1
        has_room = admitted[now_ms // MINUTE_MS] + weight <= 500 and asked[now_ms // (5 * MINUTE_MS)] <= 40
        assert limits.admits(weight, now_ms) == has_room
        if not has_room:
            assert limits.exhausted() is (
                limits.raw_requests if asked[now_ms // (5 * MINUTE_MS)] > 40 else limits.weight
            )
            admitted[now_ms // MINUTE_MS] += weight  # a refused request is counted too
        elif is_charged:
            limits.charge(weight, now_ms)
            admitted[now_ms // MINUTE_MS] += weight


@given(steps=st.lists(st.tuples(st.integers(0, 8_000), st.sampled_from(["place", "taker", "maker"])), max_size=200))
def test_unfilled_orders_are_counted_as_the_documentation_tells_it(steps: list[tuple[int, str]]) -> None:
    """Plus 1 for each new order; minus 1 for a first fill as taker, minus 5 as maker, never below zero."""
    limits = AccountLimits(RateLimitRules(orders_per_10_seconds=7, orders_per_day=60))
    counts = {10_000: 0, 24 * 60 * MINUTE_MS: 0}
    now_ms = 23 * 60 * MINUTE_MS
    for pause_ms, what in steps:
        for length_ms in counts:
            if now_ms // length_ms != (now_ms + pause_ms) // length_ms:
                counts[length_ms] = 0
        now_ms += pause_ms
        if what == "place":
            exhausted = limits.exhausted(now_ms)
            assert (exhausted is None) == (counts[10_000] < 7 and counts[24 * 60 * MINUTE_MS] < 60)
            if exhausted is None:
                limits.placed(now_ms)
            change = 1 if exhausted is None else 0
        else:
            limits.first_filled(is_maker=what == "maker", now_ms=now_ms)
            change = -5 if what == "maker" else -1
        counts = {length_ms: max(0, count + change) for length_ms, count in counts.items()}
        assert [row["count"] for row in limits.rows(now_ms)] == list(counts.values())
