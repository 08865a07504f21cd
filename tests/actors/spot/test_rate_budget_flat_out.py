"""Whoever asks as fast as the budget allows is never refused: by a counter that shares nothing with the budget's.

The counter has a clock that is wrong by some amount within what is known of it, requests and answers overtake each
other, some answers are lost, some orders fill, some are refused. Every figure that fails names its seed.
"""

import heapq
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dogwatch.actors.spot.booking import Booking
from dogwatch.actors.spot.envelope import RateLimitUsage
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.rate_budget import RateBudget
from dogwatch.actors.spot.request_costs import Cost, Priority, cost_of
from dogwatch.actors.spot.shares import Shares
from tests.actors.spot.limits_said import limit, usage

START_MS = 1_767_225_600_000
MINUTE_MS, DAY_MS = 60_000, 86_400_000
WEIGHT_MAX, ORDERS_MAX, DAY_MAX = 600, 30, 100_000
COSTS = [
    cost_of(Method.ORDER_PLACE, {}),
    cost_of(Method.ORDER_PLACE, {}),
    cost_of(Method.ORDER_CANCEL, {}),
    cost_of(Method.ORDER_STATUS, {}),
    cost_of(Method.MY_TRADES, {}),
    cost_of(Method.ORDER_AMEND, {}),
    cost_of(Method.OPEN_ORDERS_STATUS, {}, Priority.BULK),
]


class Tally:
    """What an exchange counts in windows of its own clock."""

    def __init__(self, length_ms: int, most: int) -> None:
        self.length_ms, self.most = length_ms, most
        self.number, self.count, self.highest = -1, 0, 0

    def at(self, now_ms: int) -> int:
        if now_ms // self.length_ms != self.number:
            self.number, self.count = now_ms // self.length_ms, 0
        return self.count

    def add(self, amount: int, now_ms: int) -> None:
        self.count = max(0, self.at(now_ms) + amount)
        self.highest = max(self.highest, self.count)


class World:
    """An exchange, the wires to it, and somebody who asks for as much as the budget gives."""

    def __init__(self, seed: int, guard_ms: int, delay_ms_max: int) -> None:
        self.random = Random(seed)
        self.delay_ms_max = delay_ms_max
        self.ahead_ms = self.random.randint(-guard_ms, guard_ms)
        self.now_ms = START_MS + self.random.randint(0, MINUTE_MS)
        self.weight = Tally(MINUTE_MS, WEIGHT_MAX)
        self.orders = Tally(10_000, ORDERS_MAX)
        self.day = Tally(DAY_MS, DAY_MAX)
        self.refused = self.sent = 0
        self.is_steady = self.random.random() < 0.4
        self.costs = COSTS if self.random.random() < 0.5 else COSTS[:3]
        limits = [
            limit("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_MAX),
            limit("ORDERS", "SECOND", 10, ORDERS_MAX),
            limit("ORDERS", "DAY", 1, DAY_MAX),
        ]
        self.budget = RateBudget(limits, shares=Shares())
        self.account = self.budget.account("main")
        self.budget.set_guard(guard_ms)
        self._due: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0

    def run(self, minutes: int) -> None:
        until_ms = self.now_ms + minutes * MINUTE_MS
        while self.now_ms < until_ms:
            next_ms = self.now_ms + self.random.randint(1, 400 if self.is_steady else 150)
            while self._due and self._due[0][0] <= next_ms:
                self.now_ms, _, happen, facts = heapq.heappop(self._due)
                happen(*facts)
            self.now_ms = next_ms
            if self._is_asking():
                for _ in range(self.random.randint(0, 40)):
                    self._ask(self.random.choice(self.costs))

    def _is_asking(self) -> bool:
        """Some ask all the time; some only around the boundaries, where one window's work falls into the next."""
        return self.is_steady or (self.now_ms + 30_000) % 10_000 - 10_000 > -1_000 or self.now_ms % 10_000 < 1_000

    def _ask(self, cost: Cost) -> None:
        booking = self.budget.book(cost, self.account, self.now_ms)
        if booking is not None:
            self.sent += 1
            self._later(self._come_in, booking)

    def _come_in(self, booking: Booking) -> None:
        """The exchange reads a request."""
        now_ms, cost = self.now_ms + self.ahead_ms, booking.cost
        if self.weight.at(now_ms) + cost.weight > WEIGHT_MAX:
            self.refused += 1
        if cost.orders and max(self.orders.at(now_ms) - ORDERS_MAX, self.day.at(now_ms) - DAY_MAX) + cost.orders > 0:
            self.refused += 1
        is_ok = self.random.random() < 0.7
        if not (is_ok and cost.is_free):
            self.weight.add(cost.weight, now_ms)
        if cost.orders and (is_ok or self.random.random() < 0.5):
            self.orders.add(cost.orders, now_ms)
            self.day.add(cost.orders, now_ms)
            if is_ok and self.random.random() < 0.5:
                is_maker = self.random.random() < 0.5
                self._later(self._fill, now_ms, is_maker, most_ms=4_000 if is_maker else 50)
        if self.random.random() < 0.97:
            self._later(self._answer, booking, is_ok, self._counts(now_ms, with_orders=bool(cost.orders)))

    def _fill(self, created_ms: int, is_maker: bool) -> None:
        now_ms = self.now_ms + self.ahead_ms
        self._later(self._deduct, 5 if is_maker else 1, most_ms=900)
        self._later(self._hear_of_fill, created_ms, now_ms)

    def _deduct(self, amount: int) -> None:
        for tally in (self.orders, self.day):
            tally.add(-amount, self.now_ms + self.ahead_ms)

    def _hear_of_fill(self, created_ms: int, at_ms: int) -> None:
        self.account.filled(created_ms=created_ms, at_ms=at_ms)

    def _answer(self, booking: Booking, is_ok: bool, said: list[RateLimitUsage]) -> None:
        self.budget.settle(booking, self.now_ms, is_ok=is_ok, said=said)

    def _counts(self, now_ms: int, *, with_orders: bool) -> list[RateLimitUsage]:
        said = [usage("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_MAX, self.weight.at(now_ms))]
        if with_orders:
            said.append(usage("ORDERS", "SECOND", 10, ORDERS_MAX, self.orders.at(now_ms)))
            said.append(usage("ORDERS", "DAY", 1, DAY_MAX, self.day.at(now_ms)))
        return said

    def _later(self, happen: Callable[..., None], *facts: Any, most_ms: int | None = None) -> None:
        at_ms = self.now_ms + self.random.randint(0, self.delay_ms_max if most_ms is None else most_ms)
        self._sequence += 1
        heapq.heappush(self._due, (at_ms, self._sequence, happen, facts))


@given(
    seed=st.integers(0, 2**32), guard_ms=st.sampled_from([0, 1, 20, 400]), delay_ms=st.sampled_from([0, 5, 200, 3_000])
)
@example(seed=1434, guard_ms=400, delay_ms=5)  # fills were credited before the exchange had deducted them
@settings(max_examples=30, deadline=None)
def test_nobody_is_ever_refused(seed: int, guard_ms: int, delay_ms: int) -> None:
    world = World(seed, guard_ms, delay_ms)
    world.run(minutes=3)
    assert world.sent > 100
    assert world.refused == 0
    assert world.weight.highest <= WEIGHT_MAX
    assert world.orders.highest <= ORDERS_MAX
