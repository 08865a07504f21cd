"""Requests of mixed weights as fast as the budget gives them, counted by the exchange's own accounting: never one over
a limit, and nearly nothing of it left unused. `make budget` does it with ten million requests.

The exchange's counters and weights are those of the paper exchange, which share nothing with the client's.
"""

import os
from collections import deque
from random import Random
from typing import Any, NamedTuple

import pytest

from dogwatch.actors.paper.methods import METHODS
from dogwatch.actors.paper.rate_limits import AccountLimits, AddressLimits, RateLimitRules, Window
from dogwatch.actors.spot.booking import Booking
from dogwatch.actors.spot.enums import RateLimitInterval, RateLimitType
from dogwatch.actors.spot.envelope import RateLimitUsage
from dogwatch.actors.spot.exchange_info import RateLimit
from dogwatch.actors.spot.methods import Method, Params
from dogwatch.actors.spot.rate_budget import RateBudget
from dogwatch.actors.spot.request_costs import cost_of

REQUESTS = int(os.environ.get("REQUESTS", "60000"))
START_MS = 1_767_225_600_000
MINUTE_MS = 60_000
TICK_MS = 10
ASKED_IN_A_TICK = 9
CLOCK_WRONG_MS_MAX = 15
UTILISATION_MIN = 0.95
ORDER: Params = {"symbol": "BTCUSDT"}
TRADING = {Method.ORDER_PLACE, Method.ORDER_CANCEL, Method.ORDER_AMEND}

Ask = tuple[Method, Params]
EVERYTHING: list[Ask] = [
    *[(Method.ORDER_CANCEL, ORDER)] * 12,
    *[(Method.ORDER_PLACE, ORDER)] * 6,
    (Method.ORDER_AMEND, ORDER),
    (Method.ORDER_STATUS, ORDER),
    (Method.ALL_ORDERS, ORDER),
    (Method.MY_TRADES, ORDER),
    (Method.MY_TRADES, {**ORDER, "orderId": 1}),
    (Method.OPEN_ORDERS_STATUS, {}),
    (Method.OPEN_ORDERS_STATUS, ORDER),
    (Method.ACCOUNT_STATUS, {}),
    (Method.TIME, {}),
]
ORDERS: list[Ask] = [(Method.ORDER_PLACE, ORDER)]
QUERIES: list[Ask] = [(Method.ALL_ORDERS, ORDER), (Method.ORDER_STATUS, ORDER), (Method.MY_TRADES, ORDER)]
PINGS: list[Ask] = [(Method.ORDER_CANCEL, ORDER)]


class UnderWay(NamedTuple):
    """A request, or its answer, on the wire until `due_ms`."""

    due_ms: int
    booking: Booking
    method: Method
    params: Params
    is_ok: bool = False
    said: tuple[RateLimitUsage, ...] = ()


class FlatOut:
    """A client whose clock is a little wrong, a wire that takes its time, and the exchange's own counters."""

    def __init__(self, seed: int, rules: RateLimitRules, asks: list[Ask], *, fill_share: float = 0.0) -> None:
        self.random = Random(seed)
        self.asks = asks
        self.fill_share = fill_share
        self.address, self.account_limits = AddressLimits(rules), AccountLimits(rules)
        self.windows = (
            self.address.weight,
            self.address.raw_requests,
            self.account_limits.ten_seconds,
            self.account_limits.day,
        )
        self.budget = RateBudget([_limit(window) for window in self.windows])
        self.account = self.budget.account("main")
        self.budget.set_guard(CLOCK_WRONG_MS_MAX)
        self.ahead_ms = self.random.randint(-CLOCK_WRONG_MS_MAX, CLOCK_WRONG_MS_MAX)
        self.now_ms = START_MS
        self.sent = self.refused = 0
        self._up: deque[UnderWay] = deque()
        self._down: deque[UnderWay] = deque()
        self._fills: deque[tuple[int, int]] = deque()

    def run(self, requests: int) -> None:
        while self.sent < requests:
            sent = self.sent
            for _ in range(ASKED_IN_A_TICK):
                self._ask(*self.random.choice(self.asks))
            is_idle = self.sent == sent and not (self._up or self._down or self._fills)
            self._pass_time(self._until_there_is_room_ms() if is_idle else TICK_MS)

    def used(self, window: Window) -> list[float]:
        """The share of a limit that was used in each whole window but the first and the last."""
        return [count / window.limit for _, count in list(window.past)[1:]]

    def _ask(self, method: Method, params: Params) -> None:
        booking = self.budget.book(cost_of(method, params), self.account, self.now_ms)
        if booking is not None:
            self.sent += 1
            due_ms = max(self.now_ms + self.random.randint(1, 30), self._up[-1].due_ms if self._up else 0)
            self._up.append(UnderWay(due_ms, booking, method, params))

    def _until_there_is_room_ms(self) -> int:
        waits_ms = (self.budget.wait_ms(cost_of(*ask), self.account, self.now_ms) for ask in self.asks)
        return max(TICK_MS, int(min(waits_ms)))

    def _pass_time(self, passing_ms: int) -> None:
        self.now_ms += passing_ms
        while self._up and self._up[0].due_ms <= self.now_ms:
            self._come_in(self._up.popleft())
        while self._fills and self._fills[0][0] <= self.now_ms:
            at_ms, created_ms = self._fills.popleft()
            self.account_limits.first_filled(is_maker=False, now_ms=at_ms + self.ahead_ms)
            self.account.filled(created_ms=created_ms, at_ms=at_ms + self.ahead_ms)
        while self._down and self._down[0].due_ms <= self.now_ms:
            answer = self._down.popleft()
            self.budget.settle(answer.booking, self.now_ms, is_ok=answer.is_ok, said=answer.said)

    def _come_in(self, request: UnderWay) -> None:
        """What the exchange does with a request."""
        now_ms = request.due_ms + self.ahead_ms
        method = METHODS[request.method.value]
        weight = method.weigh(request.params)
        is_refused = not self.address.admits(weight, now_ms)
        if method.places_an_order:
            is_refused |= self.account_limits.exhausted(now_ms) is not None
        self.refused += is_refused
        is_ok = self.random.random() < 0.97
        if not (is_ok and method.is_free_on_success) or request.method is Method.ORDER_AMEND:
            self.address.charge(weight, now_ms)
        if method.places_an_order:
            self.account_limits.placed(now_ms)
            if is_ok and self.random.random() < self.fill_share:
                self._fills.append((request.due_ms, now_ms))
        said = tuple(_usage(window) for window in self.windows if method.places_an_order or window is self.windows[0])
        self._down.append(request._replace(due_ms=request.due_ms + 8, is_ok=is_ok, said=said))


def _limit(window: Window) -> RateLimit:
    return RateLimit(**_words(window), limit=window.limit)


def _usage(window: Window) -> RateLimitUsage:
    return RateLimitUsage(**_words(window), limit=window.limit, count=window.count)


def _words(window: Window) -> dict[str, Any]:
    return {
        "rate_limit_type": RateLimitType(str(window.row["rateLimitType"])),
        "interval": RateLimitInterval(str(window.row["interval"])),
        "interval_count": window.row["intervalNum"],
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_mixed_requests_use_up_the_weight_and_never_exceed_a_limit(seed: int) -> None:
    world = FlatOut(seed, RateLimitRules(), EVERYTHING, fill_share=0.3)
    world.run(REQUESTS // 2)
    used = world.used(world.address.weight)
    assert world.refused == 0
    assert len(used) >= 3
    assert UTILISATION_MIN <= min(used) <= max(used) <= 1, f"seed {seed}: {min(used):.3f} to {max(used):.3f}"


@pytest.mark.parametrize(
    ("asks", "window", "rules"),
    [
        (QUERIES, 0, RateLimitRules()),
        (PINGS, 1, RateLimitRules(raw_requests_per_5_minutes=3_000)),
        (ORDERS, 2, RateLimitRules()),
        (ORDERS, 3, RateLimitRules(orders_per_10_seconds=1_000_000, orders_per_day=500)),
    ],
    ids=["weight", "raw requests", "orders in ten seconds", "orders a day"],
)
def test_each_limit_alone_is_used_up_and_never_exceeded(asks: list[Ask], window: int, rules: RateLimitRules) -> None:
    world = FlatOut(3, rules, asks)
    world.run({0: 2_500, 1: 13_000, 2: 2_000, 3: 2_100}[window])
    used = world.used(world.windows[window])
    assert world.refused == 0
    assert len(used) >= 2
    assert UTILISATION_MIN <= min(used) <= max(used) <= 1


def test_who_trades_may_place_more_orders_than_the_limit_says() -> None:
    world = FlatOut(4, RateLimitRules(), ORDERS, fill_share=1.0)
    world.run(20_000)
    assert world.refused == 0
    assert world.sent / (world.now_ms - START_MS) > 3 * 100 / 10_000
