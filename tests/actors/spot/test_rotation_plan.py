"""When a socket is replaced: the user's times, never beyond the exchange's, and again after failures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.rotation_plan import (
    CUT_OFF_S,
    DAY_S,
    HOUR_S,
    RETRY_NOTICED_S,
    RotationRules,
    next_step,
    time_of_day_s,
)

MIDNIGHT_S = 1_767_225_600.0
"""The first moment of a day, in Unix time."""


def at(text: str) -> float:
    return MIDNIGHT_S + time_of_day_s(text)


def rules(*times: str, rotate_after_h: float = 23.0) -> RotationRules:
    return RotationRules(
        rotate_after_s=rotate_after_h * HOUR_S, times_of_day_s=tuple(time_of_day_s(text) for text in times)
    )


# Opened at, the user's times, the age limit in hours: when it is replaced, as hours of age.
PLANS = [
    ("00:00", (), 23.0, 23.0),
    ("13:37", (), 6.0, 6.0),
    ("00:00", ("03:15",), 23.0, 3.25),
    ("04:15", ("03:15",), 23.0, 23.0),  # 23:00 h ahead, but its minute would end after the limit
    ("04:30", ("03:15",), 23.0, 22.75),
    ("03:14", ("03:15",), 23.0, 23.0),  # too young to be replaced in a minute
    ("03:15", ("03:15",), 23.0, 23.0),  # a day later the exchange has cut it
    ("02:15", ("03:15",), 23.0, 1.0),
    ("23:30", ("00:30",), 23.0, 1.0),  # across midnight
    ("03:15", ("03:15", "15:15"), 23.0, 12.0),
    ("16:00", ("00:00", "08:00", "16:00"), 23.0, 16.0),  # the last one that is in time: as few as can be
    ("16:00", ("00:00", "08:00", "16:00"), 10.0, 8.0),
    ("16:00", ("00:00",), 6.0, 6.0),
]


@pytest.mark.parametrize(("opened", "times", "rotate_after_h", "age_h"), PLANS)
def test_a_socket_is_replaced_at_the_last_chosen_time_that_comes_before_the_age_limit(
    opened: str, times: tuple[str, ...], rotate_after_h: float, age_h: float
) -> None:
    step = next_step(rules(*times, rotate_after_h=rotate_after_h), age_s=0, unix_s=at(opened), draw=0)
    assert step.wait_s == pytest.approx(age_h * HOUR_S)
    assert not step.is_alarming
    assert step.cut_off_in_s == CUT_OFF_S


chosen_times = st.lists(st.integers(0, 1439).map(lambda minute: minute * 60.0), max_size=5).map(tuple)
any_rules = st.builds(RotationRules, rotate_after_s=st.floats(60, 23.9 * HOUR_S), times_of_day_s=chosen_times)
draws = st.floats(0, 1, exclude_max=True)
moments_s = st.floats(MIDNIGHT_S, MIDNIGHT_S + 3 * DAY_S)


@given(any_rules, moments_s, draws, st.floats(0, 1))
def test_the_plan_is_the_same_whenever_it_is_looked_at(
    chosen: RotationRules, opened_s: float, draw: float, share: float
) -> None:
    first = next_step(chosen, age_s=0, unix_s=opened_s, draw=draw)
    age_s = share * first.wait_s
    later = next_step(chosen, age_s=age_s, unix_s=opened_s + age_s, draw=draw)
    assert age_s + later.wait_s == pytest.approx(first.wait_s, abs=0.01)


@given(any_rules, moments_s, draws)
def test_no_socket_is_left_to_grow_older_than_the_limit(chosen: RotationRules, opened_s: float, draw: float) -> None:
    step = next_step(chosen, age_s=0, unix_s=opened_s, draw=draw)
    assert 0 < step.wait_s <= chosen.rotate_after_s
    assert next_step(chosen, age_s=chosen.rotate_after_s, unix_s=opened_s, draw=draw).wait_s == 0


@given(any_rules, st.floats(0, DAY_S), moments_s, draws)
def test_a_server_that_announces_its_end_is_left_at_once(
    chosen: RotationRules, age_s: float, unix_s: float, draw: float
) -> None:
    step = next_step(chosen, age_s=age_s, unix_s=unix_s, draw=draw, notice="the server said goodbye")
    assert (step.wait_s, step.reason) == (0, "the server said goodbye")


def test_after_failures_the_pauses_grow_but_stay_small_against_what_is_left() -> None:
    def pause_s(failures: int, *, age_h: float = 23.0, notice: str = "") -> float:
        return next_step(
            rules(), age_s=age_h * HOUR_S, unix_s=MIDNIGHT_S, draw=0, notice=notice, failures=failures
        ).wait_s

    assert [pause_s(failures) for failures in range(1, 9)] == [5, 10, 20, 40, 80, 160, 300, 300]
    assert pause_s(100) == 300
    assert pause_s(100, age_h=23 + 50 / 60) == pytest.approx(60), "ten minutes are left"
    assert pause_s(100, age_h=24.5) == 5, "the exchange has not cut it yet"
    assert [pause_s(failures, notice="bye") for failures in (1, 2, 3, 4, 10, 11)] == [
        *(5, 10, 20, RETRY_NOTICED_S, RETRY_NOTICED_S),
        300,
    ]


def test_the_pause_is_counted_from_the_failure() -> None:
    step = next_step(rules(), age_s=23 * HOUR_S, unix_s=MIDNIGHT_S, draw=0, failures=3, failed_ago_s=15)
    assert step.wait_s == 5
    assert next_step(rules(), age_s=23 * HOUR_S, unix_s=MIDNIGHT_S, draw=0, failures=3, failed_ago_s=99).wait_s == 0


@pytest.mark.parametrize(
    ("age_h", "notice", "failures", "is_alarming"),
    [
        (23.0, "", 5, False),
        (23.5, "", 0, False),
        (23.5, "", 1, True),
        (23.9, "", 1, True),
        (1.0, "bye", 2, False),
        (1.0, "bye", 3, True),
    ],
)
def test_a_human_is_told_when_failures_bring_the_cut_off_near(
    age_h: float, notice: str, failures: int, is_alarming: bool
) -> None:
    step = next_step(rules(), age_s=age_h * HOUR_S, unix_s=MIDNIGHT_S, draw=0.5, notice=notice, failures=failures)
    assert step.is_alarming is is_alarming


@pytest.mark.parametrize("text", ["3:15", "24:00", "12:60", "", "12:00:00", " 12:00", "٠٣:١٥", "noon"])
def test_what_is_no_time_of_day_is_refused_with_the_shape_that_is(text: str) -> None:
    with pytest.raises(ValueError, match="HH:MM"):
        time_of_day_s(text)


def test_links_that_were_opened_together_do_not_rotate_together() -> None:
    waits_s = {
        next_step(chosen, age_s=0, unix_s=at("00:00"), draw=draw).wait_s
        for chosen in (rules(), rules("12:00"))
        for draw in (0.0, 0.3, 0.9)
    }
    assert len(waits_s) == 6
