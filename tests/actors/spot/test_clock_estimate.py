"""The estimate of a clock: right within what it says, however slow the answers; outliers and steps told apart."""

from dataclasses import dataclass
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.clock_estimate import ClockEstimator, Finding, Measurement, StampRefused

SERVER_MS = 1_767_225_600_000.0
PPM = 1e-3
"""Of milliseconds per second."""
FITS, DOUBTFUL, STEPPED, OUTDATED = Finding.FITS, Finding.DOUBTFUL, Finding.STEPPED, Finding.OUTDATED


@dataclass
class Server:
    """A clock that is ahead of ours by so much at 0 s, and gains so much."""

    ahead_ms: float = SERVER_MS
    drift_ms_per_s: float = 0.0

    def ahead_ms_at(self, at_s: float) -> float:
        return self.ahead_ms + self.drift_ms_per_s * at_s

    def answer(self, asked_s: float, there_s: float = 0.01, back_s: float = 0.01) -> Measurement:
        """The question is on its way for `there_s`, the answer for `back_s`."""
        read_s = asked_s + there_s
        server_time_ms = floor(self.ahead_ms_at(read_s) + 1000 * read_s)
        return Measurement(asked_s=asked_s, answered_s=read_s + back_s, server_time_ms=server_time_ms)


def error_ms(estimator: ClockEstimator, server: Server, now_s: float) -> float:
    """How wrong it is."""
    assert estimator.estimate is not None
    return abs(estimator.estimate.ahead_ms_at(now_s) - server.ahead_ms_at(now_s))


def uncertainty_ms(estimator: ClockEstimator, now_s: float) -> float:
    assert estimator.estimate is not None
    return estimator.estimate.error_ms_at(now_s)


delays_s = st.one_of(st.just(0.0), st.floats(0, 0.05), st.floats(0, 5))
questions = st.lists(st.tuples(st.floats(0, 400), delays_s, delays_s), min_size=1, max_size=60)
drifts = st.floats(-400 * PPM, 400 * PPM)


@given(questions, st.floats(-1e12, 1e12), drifts, st.floats(0, 3600))
def test_the_truth_is_always_within_what_the_estimate_leaves_open(
    asked: list[tuple[float, float, float]], ahead_ms: float, drift: float, later_s: float
) -> None:
    server, estimator = Server(SERVER_MS + ahead_ms, drift), ClockEstimator()
    now_s = 1000.0
    for pause_s, there_s, back_s in asked:
        now_s += pause_s
        assert estimator.observe(server.answer(now_s, there_s, back_s)) is FITS
        now_s += there_s + back_s
        for at_s in (now_s, now_s + later_s):
            assert error_ms(estimator, server, at_s) <= uncertainty_ms(estimator, at_s) + 0.01
    assert estimator.outliers == 0


@given(questions, drifts)
def test_what_is_left_open_is_never_more_than_the_best_answer_leaves_open(
    asked: list[tuple[float, float, float]], drift: float
) -> None:
    server, estimator = Server(drift_ms_per_s=drift), ClockEstimator()
    now_s, best_ms, best_at_s = 0.0, 1e9, 0.0
    for pause_s, there_s, back_s in asked[:16]:
        now_s += pause_s
        estimator.observe(server.answer(now_s, there_s, back_s))
        round_trip_s = there_s + back_s
        now_s += round_trip_s
        best_ms += 0.5 * (now_s - best_at_s)
        best_at_s = now_s
        # The half of the way, of a millisecond, and of what the clocks may have drifted apart on the way.
        best_ms = min(best_ms, 0.51 + 501 * round_trip_s)
        if now_s < 3000:  # what is older does not count
            assert uncertainty_ms(estimator, now_s) <= best_ms + 0.01


@pytest.mark.parametrize("drift", [-200 * PPM, -30 * PPM, 0, 30 * PPM, 200 * PPM])
def test_a_drift_is_learnt(drift: float) -> None:
    """After an hour of answers that take 40 ms the clock can be left alone for ten minutes."""
    server, estimator = Server(drift_ms_per_s=drift), ClockEstimator()
    for number in range(16):
        estimator.observe(server.answer(240.0 * number, 0.02, 0.02))
    assert estimator.estimate is not None
    assert estimator.estimate.drift_ms_per_s == pytest.approx(drift, abs=2 * PPM)
    assert estimator.estimate.drift_error_ms_per_s < 15 * PPM
    assert error_ms(estimator, server, 3600 + 600) < 2


@pytest.mark.parametrize("outlier_ms", [-86_400_000, -5_000, -250, 250, 5_000, 86_400_000])
def test_an_answer_that_nothing_agrees_with_changes_nothing(outlier_ms: float) -> None:
    server, estimator = Server(), ClockEstimator()
    for asked_s in (0.0, 1.0, 240.0):
        estimator.observe(server.answer(asked_s))
    before = estimator.estimate
    assert estimator.observe(Server(SERVER_MS + outlier_ms).answer(241.0)) is DOUBTFUL
    assert estimator.estimate is before
    assert estimator.observe(server.answer(242.0)) is FITS
    assert error_ms(estimator, server, 243.0) < 1
    assert estimator.outliers == 1


outliers = st.one_of(st.none(), st.floats(300, 1e8), st.floats(-1e8, -300))


@given(st.lists(st.tuples(st.floats(0.1, 240), outliers), max_size=40))
def test_answers_that_agree_with_no_other_are_never_believed(asked: list[tuple[float, float | None]]) -> None:
    """Between two of them there is always an honest one."""
    server, estimator = Server(), ClockEstimator()
    now_s = 0.0
    estimator.observe(server.answer(now_s))
    for pause_s, outlier_ms in asked:
        now_s += pause_s
        if outlier_ms is not None:
            assert estimator.observe(Server(SERVER_MS + outlier_ms).answer(now_s)) is DOUBTFUL
            now_s += 0.1
        assert estimator.observe(server.answer(now_s)) is FITS
        assert error_ms(estimator, server, now_s) <= uncertainty_ms(estimator, now_s) + 0.01


@pytest.mark.parametrize("step_ms", [-3_600_000, -5_000, -200, 200, 5_000, 3_600_000])
def test_the_second_answer_of_a_clock_that_was_set_is_believed(step_ms: float) -> None:
    server, estimator = Server(), ClockEstimator()
    for asked_s in (0.0, 1.0, 240.0):
        estimator.observe(server.answer(asked_s))
    server.ahead_ms += step_ms
    assert [estimator.observe(server.answer(at_s)) for at_s in (241.0, 242.0, 243.0)] == [DOUBTFUL, STEPPED, FITS]
    assert error_ms(estimator, server, 243.0) < 1
    assert estimator.outliers == 0


def test_if_the_first_answer_of_all_was_wrong_the_next_two_outvote_it() -> None:
    server, estimator = Server(), ClockEstimator()
    assert estimator.observe(Server(SERVER_MS + 60_000).answer(0.0)) is FITS
    assert [estimator.observe(server.answer(at_s)) for at_s in (1.0, 2.0)] == [DOUBTFUL, STEPPED]
    assert error_ms(estimator, server, 3.0) < 1


def test_two_outliers_that_disagree_with_each_other_are_not_believed_either() -> None:
    server, estimator = Server(), ClockEstimator()
    estimator.observe(server.answer(0.0))
    wrong = [Server(SERVER_MS + ahead_ms) for ahead_ms in (9_000, 20_000, -7_000)]
    assert [estimator.observe(other.answer(1.0 + n)) for n, other in enumerate(wrong)] == [DOUBTFUL] * 3
    assert estimator.observe(server.answer(9.0)) is FITS
    assert estimator.outliers == 3


def test_a_slow_answer_that_agrees_with_both_sides_decides_nothing() -> None:
    server, estimator = Server(), ClockEstimator()
    estimator.observe(server.answer(0.0))
    server.ahead_ms += 1_000
    assert estimator.observe(server.answer(1.0)) is DOUBTFUL
    assert estimator.observe(server.answer(2.0, 0.0, 4.0)) is FITS
    assert estimator.observe(server.answer(7.0)) is STEPPED


@pytest.mark.parametrize("rates", [(0, 500 * PPM), (-500 * PPM, 0), (200 * PPM, -300 * PPM)])
def test_a_clock_that_is_corrected_slowly_is_followed_without_a_word(rates: tuple[float, float]) -> None:
    """As an operating system does it. Until the next answer nothing can be known of it."""
    server, estimator = Server(), ClockEstimator()
    for number in range(60):
        server.drift_ms_per_s = rates[0] if number < 30 else rates[1]
        server.ahead_ms = SERVER_MS + (0 if number < 30 else 30 * 240 * (rates[0] - rates[1]))
        assert estimator.observe(server.answer(240.0 * number)) is FITS
        assert error_ms(estimator, server, 240.0 * number) < 11
    assert error_ms(estimator, server, 60 * 240.0) < 11


def test_slow_answers_take_no_place_of_good_ones() -> None:
    server, estimator = Server(), ClockEstimator()
    estimator.observe(server.answer(0.0, 0.001, 0.001))
    for number in range(50):
        estimator.observe(server.answer(1.0 + number, 2.0, 0.0))
    assert uncertainty_ms(estimator, 60.0) < 2 + 0.5 * 60


def test_a_measurement_that_is_an_hour_old_does_not_count() -> None:
    server, estimator = Server(), ClockEstimator()
    estimator.observe(server.answer(0.0))
    server.ahead_ms += 1e6
    assert estimator.observe(server.answer(3_601.0)) is FITS
    assert error_ms(estimator, server, 3_602.0) < 1


def test_what_was_asked_before_all_was_forgotten_does_not_count() -> None:
    server, estimator = Server(), ClockEstimator()
    estimator.observe(server.answer(0.0))
    doubts = [estimator.is_in_doubt]
    old = server.answer(10.0)
    estimator.forget(10.01)
    server.ahead_ms += 5_000
    doubts.append(estimator.is_in_doubt)
    assert estimator.observe(old) is OUTDATED
    doubts.append(estimator.is_in_doubt)
    assert estimator.observe(server.answer(10.01)) is FITS
    doubts.append(estimator.is_in_doubt)
    assert doubts == [False, True, True, False]
    assert error_ms(estimator, server, 11.0) < 1


WINDOW_MS = 5_000


def refused(server: Server, sent_s: float, way_s: float, *, stamp_ms: int) -> StampRefused | None:
    """What the exchange says to this stamp, with the whole way before its door; None if it takes it."""
    read_s = sent_s + way_s
    server_ms = server.ahead_ms_at(read_s) + 1000 * read_s
    is_ahead = stamp_ms >= server_ms + 1000
    if not is_ahead and server_ms - stamp_ms <= WINDOW_MS:
        return None
    return StampRefused(
        stamp_ms=stamp_ms, sent_s=sent_s, answered_s=read_s, recv_window_ms=WINDOW_MS, is_ahead=is_ahead
    )


@given(
    st.floats(-20_000, 20_000),
    st.floats(0, 20),
    st.lists(st.tuples(delays_s, delays_s), min_size=1, max_size=5),
)
def test_an_estimate_that_is_right_outlives_a_refusal_and_one_that_is_far_off_does_not(
    step_ms: float, way_s: float, asked: list[tuple[float, float]]
) -> None:
    server, estimator = Server(), ClockEstimator()
    now_s = 0.0
    for there_s, back_s in asked:
        estimator.observe(server.answer(now_s, there_s, back_s))
        now_s += there_s + back_s
    server.ahead_ms += step_ms
    assert estimator.estimate is not None
    stamp_ms = int(1000 * now_s + estimator.estimate.ahead_ms_at(now_s))
    error_at_most_ms = uncertainty_ms(estimator, now_s + way_s)
    is_wrong = error_ms(estimator, server, now_s + way_s) > error_at_most_ms + 1
    refusal = refused(server, now_s, way_s, stamp_ms=stamp_ms)
    if refusal is None:
        return
    stands = estimator.heed(refusal)
    assert estimator.is_in_doubt is not stands
    if not is_wrong:
        assert stands
    if error_at_most_ms < 900 and way_s < 4:
        assert not stands


def test_a_request_that_was_long_on_its_way_says_nothing_of_the_clock() -> None:
    server, estimator = Server(), ClockEstimator()
    estimator.observe(server.answer(0.0))
    refusal = refused(server, 1.0, 7.0, stamp_ms=int(SERVER_MS + 1000))
    assert refusal is not None
    assert estimator.heed(refusal)
    assert not estimator.is_in_doubt


def test_the_refusal_of_a_stamp_that_is_doubted_already_outdates_no_question() -> None:
    server, estimator = Server(), ClockEstimator()
    estimator.observe(server.answer(0.0))
    server.ahead_ms += 6_000
    for sent_s in (1.0, 1.01):
        refusal = refused(server, sent_s, 0.02, stamp_ms=int(SERVER_MS + 1000 * sent_s))
        assert refusal is not None
        assert not estimator.heed(refusal)
    assert estimator.observe(server.answer(1.02)) is FITS  # asked between the two refusals
    assert error_ms(estimator, server, 2.0) < 1


@pytest.mark.parametrize("is_measured", [True, False])
def test_a_refusal_that_does_not_say_why_is_taken_for_a_wrong_clock(is_measured: bool) -> None:
    server, estimator = Server(), ClockEstimator()
    if is_measured:
        estimator.observe(server.answer(0.0))
    refusal = StampRefused(stamp_ms=1, sent_s=1.0, answered_s=9.0, recv_window_ms=WINDOW_MS, is_ahead=None)
    assert not estimator.heed(refusal)
    assert estimator.is_in_doubt
