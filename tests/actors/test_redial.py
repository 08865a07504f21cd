"""When to dial again: arithmetic only."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.redial import Alternation, AttemptBudget, Redial


@given(st.integers(0, 1000))
def test_delays_stay_between_the_first_and_the_longest(seed: int) -> None:
    redial = Redial(first_s=0.5, longest_s=20, random=Random(seed))
    delays = [redial.next_delay_s() for _ in range(50)]
    assert min(delays) >= 0.5
    assert max(delays) <= 20
    assert delays[0] <= 1.5
    assert max(delays[20:]) > 5


def test_two_clients_that_lost_the_same_server_come_back_at_different_times() -> None:
    assert Redial(random=Random(1)).next_delay_s() != Redial(random=Random(2)).next_delay_s()


def test_a_connection_that_held_begins_anew_and_one_that_did_not_goes_on() -> None:
    redial = Redial(first_s=1, longest_s=1000, healthy_after_s=60, random=Random(3))
    delays = [redial.next_delay_s(held_s=59) for _ in range(20)]
    assert delays[-1] > 3
    assert redial.next_delay_s(held_s=60) <= 3


def test_what_the_server_asks_for_is_the_least() -> None:
    redial = Redial(first_s=1, longest_s=2)
    assert redial.next_delay_s(asked_s=90) == 90
    assert redial.next_delay_s() <= 2


@given(st.lists(st.floats(0, 100), max_size=60))
def test_no_window_ever_holds_more_attempts_than_the_budget(gaps_s: list[float]) -> None:
    budget = AttemptBudget(attempts_max=5, within_s=300)
    now_s = 0.0
    attempts_s: list[float] = []
    for gap_s in gaps_s:
        now_s += gap_s
        while (at_s := budget.take(now_s)) > now_s:
            now_s = at_s
        attempts_s.append(now_s)
    for first_s, sixth_s in zip(attempts_s, attempts_s[5:], strict=False):
        assert sixth_s - first_s >= 300 - 1e-6


def test_a_bar_holds_for_everybody_who_shares_the_budget_until_it_lifts() -> None:
    budget = AttemptBudget()
    budget.bar(100.0)
    budget.bar(50.0)
    assert [budget.take(now_s) for now_s in (0.0, 40.0, 100.0, 101.0)] == [100.0, 100.0, 100.0, 101.0]
    assert budget.banned_until_s < 0
    budget.bar(200.0, is_ban=True)
    assert (budget.barred_until_s, budget.banned_until_s) == (200.0, 200.0)


def test_who_waits_books_nothing() -> None:
    """Whoever gives up while it waits has cost nothing, and a bar that comes meanwhile counts."""
    budget = AttemptBudget(attempts_max=2, within_s=300)
    budget.bar(100.0)
    for _ in range(10):
        assert budget.take(0.0) == 100.0
    assert [budget.take(100.0) for _ in range(3)] == [100.0, 100.0, 400.0]


def test_another_door_is_tried_after_three_failures_in_a_row_and_kept_when_it_opens() -> None:
    alternation = Alternation(2)
    tried = []
    for has_opened in [False, False, True, False, False, False, False, True, False, True, False, False, False, False]:
        tried.append(alternation.current)
        if has_opened:
            alternation.opened()
        else:
            alternation.failed()
    assert tried == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0]


def test_who_has_one_door_only_never_leaves_it() -> None:
    alternation = Alternation(1)
    assert not any(alternation.failed() for _ in range(10))
    assert alternation.current == 0


def test_what_failed_before_an_opening_does_not_slow_the_next_one_down() -> None:
    redial = Redial(first_s=1, longest_s=1000, random=Random(3))
    assert max(redial.next_delay_s() for _ in range(20)) > 3
    redial.begin_anew()
    assert redial.next_delay_s() <= 3


def test_a_limit_that_the_exchange_tells_counts_the_attempts_that_were_made() -> None:
    budget = AttemptBudget(attempts_max=300, within_s=300)
    for _ in range(4):
        budget.take(10.0)
    budget.allow(5, 60.0)
    assert [budget.take(20.0), budget.take(20.0)] == [20.0, 70.0]
