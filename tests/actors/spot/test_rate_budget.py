"""The budget: never a request too many, by any window, however late an answer and however wrong the clock is."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.actors.spot.booking import Booking
from dogwatch.actors.spot.envelope import RateLimitUsage
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.rate_budget import RateBudget
from dogwatch.actors.spot.rate_windows import AccountWindows
from dogwatch.actors.spot.request_costs import Cost, Priority, cost_of
from dogwatch.actors.spot.shares import Shares
from tests.actors.spot.limits_said import limit, usage

MINUTE_MS = 60_000
START_MS = 1_767_225_600_000
"""A full day, so the beginning of every window."""
PLACE = cost_of(Method.ORDER_PLACE, {})
CANCEL = cost_of(Method.ORDER_CANCEL, {})
QUERY = cost_of(Method.ALL_ORDERS, {})
BULK = cost_of(Method.ALL_ORDERS, {}, Priority.BULK)
ALL = Shares(cancel_reserve=0, query_reserve=0, bulk=1.0)


def weight(count: int, most: int = 100) -> RateLimitUsage:
    return usage("REQUEST_WEIGHT", "MINUTE", 1, most, count)


def orders(count: int, most: int = 10) -> RateLimitUsage:
    return usage("ORDERS", "SECOND", 10, most, count)


class Bench:
    """A budget of 100 weight a minute and 10 orders in 10 seconds, with its own idea of the time."""

    def __init__(self, *, shares: Shares = ALL, guard_ms: int = 100) -> None:
        limits = [limit("REQUEST_WEIGHT", "MINUTE", 1, 100), limit("ORDERS", "SECOND", 10, 10)]
        self.budget = RateBudget(limits, shares=shares)
        self.account: AccountWindows = self.budget.account("main")
        self.budget.set_guard(guard_ms)
        self.now_ms = START_MS + 5_000

    def book(self, cost: Cost = QUERY) -> Booking:
        booking = self.budget.book(cost, self.account, self.now_ms)
        assert booking is not None
        return booking

    def may(self, cost: Cost = QUERY) -> bool:
        booking = self.budget.book(cost, self.account, self.now_ms)
        if booking is not None:
            self.budget.withdraw(booking)
        return booking is not None

    def settle(self, booking: Booking, *said: RateLimitUsage, is_ok: bool = True) -> None:
        self.budget.settle(booking, self.now_ms, is_ok=is_ok, said=said)

    def spend(self, cost: Cost, times: int, *, is_ok: bool = True) -> None:
        for _ in range(times):
            self.settle(self.book(cost), is_ok=is_ok)

    def wait_s(self, cost: Cost = QUERY, ahead: tuple[int, int, int] = (0, 0, 0)) -> float:
        return self.budget.wait_ms(cost, self.account, self.now_ms, ahead) / 1000

    @property
    def weight(self) -> int:
        return self.budget.address.windows[0].count

    @property
    def orders(self) -> int:
        return self.account.windows[0].count


def test_the_last_unit_may_be_spent_and_not_one_more() -> None:
    bench = Bench()
    bench.spend(QUERY, 5)
    assert not bench.may()
    assert bench.wait_s() == 55.1


def test_a_window_begins_late_by_as_much_as_the_clock_may_be_wrong() -> None:
    bench = Bench(guard_ms=250)
    bench.spend(QUERY, 5)
    bench.now_ms = START_MS + MINUTE_MS + 249
    assert not bench.may()
    bench.now_ms += 1
    assert bench.may()


def test_what_is_under_way_at_the_boundary_counts_in_both_windows() -> None:
    bench = Bench()
    booking = bench.book()
    bench.now_ms = START_MS + MINUTE_MS + 500
    bench.spend(QUERY, 4)
    assert not bench.may()
    bench.settle(booking)
    assert not bench.may()


@pytest.mark.parametrize(("before_ms", "room"), [(101, 5), (99, 4), (-99, 4)])
def test_what_is_answered_near_the_boundary_counts_in_both_windows(before_ms: int, room: int) -> None:
    bench = Bench()
    booking = bench.book()
    bench.now_ms = START_MS + MINUTE_MS - before_ms
    bench.settle(booking)
    bench.now_ms = START_MS + MINUTE_MS + 500
    bench.spend(QUERY, room)
    assert not bench.may()


def test_a_success_that_is_free_gives_its_weight_back_and_a_failure_does_not() -> None:
    bench = Bench()
    bench.spend(CANCEL, 1000)
    assert bench.weight == 0
    bench.spend(CANCEL, 3, is_ok=False)
    assert bench.weight == 3


def test_a_request_that_never_left_costs_nothing() -> None:
    bench = Bench()
    bench.budget.withdraw(bench.book(PLACE))
    assert (bench.weight, bench.orders) == (0, 0)


def test_a_request_whose_answer_will_not_come_counts_in_both_windows() -> None:
    bench = Bench()
    bench.budget.give_up(bench.book())
    assert bench.weight == 20
    bench.now_ms += MINUTE_MS
    bench.spend(QUERY, 4)
    assert not bench.may()


def test_a_request_that_is_not_answered_for_a_minute_is_given_up_and_its_late_answer_changes_nothing() -> None:
    bench = Bench()
    booking = bench.book()
    bench.now_ms += 3 * MINUTE_MS
    assert bench.may()
    counted = bench.weight
    bench.settle(booking, weight(3))
    assert bench.weight == counted
    bench.now_ms += MINUTE_MS
    bench.spend(QUERY, 5)


def test_a_connection_attempt_weighs_two() -> None:
    bench = Bench()
    bench.budget.charge_connection(bench.now_ms)
    assert bench.weight == 2


def test_the_exchanges_word_lowers_a_count_that_was_too_high() -> None:
    bench = Bench()
    bench.settle(bench.book(), weight(17))
    assert bench.weight == 17


def test_the_exchanges_word_raises_a_count_when_others_spend_and_what_is_under_way_comes_on_top() -> None:
    bench = Bench()
    first = bench.book()
    bench.book()
    bench.settle(first, weight(55))
    assert bench.weight == 75


def test_the_exchanges_word_says_nothing_of_what_it_may_have_counted_later() -> None:
    """Answers may overtake each other: what was answered since a request was sent may not be in its count."""
    bench = Bench()
    slow, fast = bench.book(), bench.book()
    bench.settle(fast)
    bench.settle(slow, weight(20))
    assert bench.weight == 40


def test_near_a_boundary_the_exchanges_word_may_be_about_another_window() -> None:
    bench = Bench()
    bench.now_ms = START_MS + MINUTE_MS - 50
    bench.settle(bench.book(), weight(0))
    assert bench.weight == 20
    bench.now_ms = START_MS + MINUTE_MS - 200
    booking = bench.book()
    bench.now_ms += 1_000
    bench.settle(booking, weight(90))
    assert bench.weight == 40


def test_a_limit_that_an_answer_tells_holds_at_once() -> None:
    bench = Bench()
    bench.settle(bench.book(), weight(20, most=40))
    bench.spend(QUERY, 1)
    assert not bench.may()


def test_limits_of_exchange_info_take_the_place_of_those_of_their_type() -> None:
    bench = Bench()
    bench.budget.learn([limit("REQUEST_WEIGHT", "MINUTE", 1, 40), limit("REQUEST_WEIGHT", "HOUR", 1, 60)])
    bench.spend(QUERY, 2)
    assert bench.wait_s() == 55.1
    bench.now_ms += MINUTE_MS
    bench.spend(QUERY, 1)
    assert bench.wait_s() == 3600 - 65 + 0.1
    assert [window.limit for window in bench.account.windows] == [10]


def test_a_limit_that_is_learned_counts_what_is_under_way() -> None:
    bench = Bench()
    booking = bench.book()
    bench.budget.learn([limit("REQUEST_WEIGHT", "HOUR", 1, 40)])
    bench.spend(QUERY, 1)
    assert not bench.may()
    bench.settle(booking)
    assert bench.weight == 40


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([PLACE, CANCEL, QUERY, BULK]),
            st.sampled_from(["answered", "refused", "withdrawn", "lost", "left open"]),
            st.sampled_from([0, 0, 0, 1_000, 9_000, 55_000]),
        ),
        max_size=60,
    )
)
@settings(max_examples=60, deadline=None)
def test_one_sum_and_one_comparison_say_what_counting_in_each_window_does(steps: list[tuple[Cost, str, int]]) -> None:
    bench = Bench(shares=Shares(cancel_reserve=0.1, query_reserve=0.1, bulk=0.5))
    bench.budget.learn([limit("REQUEST_WEIGHT", "MINUTE", 1, 100), limit("REQUEST_WEIGHT", "HOUR", 1, 150)])
    bench.budget.learn([limit("ORDERS", "SECOND", 10, 3), limit("ORDERS", "DAY", 1, 8)])
    for cost, outcome, wait_ms in steps:
        bench.now_ms += wait_ms
        bench.may(cost)  # begins the windows of this moment
        amounts = [cost.weight, cost.weight, cost.orders, cost.orders]
        windows = [*bench.budget.address.windows, *bench.account.windows]
        counts = [window.count for window in windows]
        has_room = all(
            not amount or count + amount <= window.caps[cost.priority]
            for window, count, amount in zip(windows, counts, amounts, strict=True)
        )
        booking = bench.budget.book(cost, bench.account, bench.now_ms)
        assert (booking is not None) == has_room
        if booking is None:
            assert [window.count for window in windows] == counts
            continue
        assert [window.count for window in windows] == [a + b for a, b in zip(counts, amounts, strict=True)]
        if outcome == "withdrawn":
            bench.budget.withdraw(booking)
            assert [window.count for window in windows] == counts
        elif outcome == "lost":
            bench.budget.give_up(booking)
        elif outcome != "left open":
            bench.settle(booking, is_ok=outcome == "answered")


def test_a_limit_of_a_type_that_nobody_knows_is_passed_over() -> None:
    bench = Bench()
    bench.budget.learn([limit("SOMETHING_NEW", "MINUTE", 1, 1), limit("ORDERS", "FORTNIGHT", 1, 1)])
    bench.spend(QUERY, 4)
    bench.spend(PLACE, 10)


def test_raw_requests_count_each_request_once() -> None:
    bench = Bench()
    bench.budget.learn([limit("RAW_REQUESTS", "MINUTE", 5, 3)])
    bench.spend(CANCEL, 3)
    assert not bench.may(CANCEL)
    assert bench.wait_s(CANCEL) == 295.1


@pytest.mark.parametrize(
    ("cost", "most"),
    [(CANCEL, 1000), (QUERY, 900), (PLACE, 700), (BULK, 500)],
    ids=["cancel", "query", "place", "bulk"],
)
def test_each_lane_leaves_a_reserve_to_those_before_it(cost: Cost, most: int) -> None:
    bench = Bench(shares=Shares(cancel_reserve=0.1, query_reserve=0.2, bulk=0.5))
    bench.budget.learn([limit("REQUEST_WEIGHT", "MINUTE", 1, 1000), limit("ORDERS", "SECOND", 10, 10_000)])
    spent = 0
    while bench.may(cost):
        bench.spend(cost, 1, is_ok=False)
        spent += cost.weight
    assert most - cost.weight < spent <= most


def test_only_the_usable_share_of_a_limit_is_used() -> None:
    bench = Bench(shares=Shares(usable=0.5, cancel_reserve=0, query_reserve=0))
    bench.spend(QUERY, 2)
    assert not bench.may()
    bench.spend(PLACE, 5)
    assert not bench.may(PLACE)


def test_orders_count_for_their_account_alone() -> None:
    bench = Bench()
    bench.spend(PLACE, 10)
    assert not bench.may(PLACE)
    assert bench.wait_s(PLACE) == 5.1
    assert not bench.budget.is_for_all(PLACE, bench.now_ms)
    assert bench.budget.book(PLACE, bench.budget.account("other"), bench.now_ms) is not None
    assert bench.may(CANCEL)


def test_an_order_that_fills_no_longer_counts_a_second_later_by_the_slower_of_the_two_clocks() -> None:
    bench = Bench(guard_ms=100)
    bench.spend(PLACE, 10)
    bench.account.filled(created_ms=bench.now_ms, at_ms=bench.now_ms + 20)
    bench.now_ms += 1_119
    assert not bench.may(PLACE)
    assert bench.account.next_credit_ms == bench.now_ms + 1
    bench.now_ms += 1
    bench.spend(PLACE, 1)
    assert not bench.may(PLACE)


def test_a_fill_that_the_exchange_has_deducted_already_is_not_deducted_twice() -> None:
    bench = Bench()
    bench.spend(PLACE, 5)
    bench.settle(bench.book(PLACE), orders(1))
    bench.account.filled(created_ms=bench.now_ms, at_ms=bench.now_ms)
    bench.now_ms += 1_000
    bench.spend(PLACE, 9)
    assert not bench.may(PLACE)


def test_the_fill_of_an_order_of_an_earlier_window_is_no_credit() -> None:
    """Whether the exchange's count was above zero at that moment cannot be known."""
    bench = Bench()
    bench.account.filled(created_ms=bench.now_ms - 20_000, at_ms=bench.now_ms)
    bench.spend(PLACE, 10)
    bench.now_ms += 2_000
    assert not bench.may(PLACE)


def test_a_refusal_for_want_of_room_fills_the_shortest_window() -> None:
    bench = Bench()
    bench.budget.fill(bench.account, bench.now_ms)
    assert not bench.may(PLACE)
    assert bench.may(CANCEL)
    bench.budget.fill(None, bench.now_ms)
    assert not bench.may(CANCEL)
    bench.now_ms += MINUTE_MS
    assert bench.may(PLACE)


def test_whoever_comes_behind_others_is_told_a_later_window() -> None:
    bench = Bench()
    bench.spend(QUERY, 5)
    assert bench.wait_s(ahead=(80, 0, 4)) == 55.1
    assert bench.wait_s(ahead=(81, 0, 5)) == 115.1
    assert bench.wait_s(ahead=(181, 0, 10)) == 175.1


def test_whoever_asks_at_a_boundary_is_told_of_the_window_after_what_is_carried_over() -> None:
    bench = Bench()
    bench.now_ms = START_MS + MINUTE_MS
    bookings = [bench.book() for _ in range(5)]
    assert bench.wait_s() == 60.1
    bench.settle(bookings[0])
    assert bench.wait_s() == 60.1


def test_what_is_larger_than_its_limit_never_goes() -> None:
    bench = Bench()
    bench.budget.learn([limit("REQUEST_WEIGHT", "MINUTE", 1, 19)])
    assert bench.wait_s() == inf


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    bench = Bench()
    bench.spend(QUERY, 5)
    bench.now_ms -= MINUTE_MS
    assert not bench.may()
    bench.now_ms += MINUTE_MS
    assert not bench.may()
    bench.now_ms += MINUTE_MS
    assert bench.may()


def test_before_the_clock_is_known_everything_may_belong_to_the_next_window() -> None:
    bench = Bench()
    bench.spend(QUERY, 3)
    bench.budget.set_guard(50, is_first=True)
    bench.now_ms += MINUTE_MS
    bench.spend(QUERY, 2)
    assert not bench.may()


def test_the_highest_use_of_each_limit_is_remembered() -> None:
    bench = Bench()
    bench.spend(QUERY, 4)
    bench.spend(PLACE, 3)
    bench.now_ms += MINUTE_MS
    bench.spend(QUERY, 1)
    assert bench.budget.highest_shares() == {"weight_1_minute": 0.8, "orders_10_second": 0.3}
    assert bench.budget.usage()["weight_1_minute"] == 20


def test_accounts_that_share_an_address_are_told_apart_by_their_names() -> None:
    bench = Bench()
    bench.budget.account("other")
    assert {"main_orders_10_second", "other_orders_10_second"} < bench.budget.usage().keys()


def test_accounts_of_one_name_are_told_apart_by_what_they_are() -> None:
    bench = Bench()
    first, second = object(), object()
    assert bench.budget.account("main", of=first) is bench.budget.account("main", of=first)
    assert bench.budget.account("main", of=first) is not bench.budget.account("main", of=second)
    assert bench.budget.account("main") is bench.account
    names = {"main_orders_10_second", "main#2_orders_10_second", "main#3_orders_10_second"}
    assert names < bench.budget.usage().keys()
