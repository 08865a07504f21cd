"""A quiet market is not a deaf socket, and only trying tells."""

from dogwatch.actors.spot.silence import FORGET_S, LONGEST_S, SHORTEST_S, Silence


def suspected_after(silence: Silence, from_s: float, *, until_s: float) -> list[float]:
    """At which whole seconds of a silence it is suspected, counted from its beginning."""
    return [s - from_s for s in map(float, range(int(from_s), int(until_s))) if silence.is_suspicious(s)]


def test_a_silence_is_suspected_after_a_minute_and_then_less_and_less_often() -> None:
    assert suspected_after(Silence(0.0), 0, until_s=1000) == [60, 180, 420, 900]
    times = suspected_after(Silence(0.0), 0, until_s=20_000)
    assert times[-1] - times[-2] == LONGEST_S


def test_a_source_that_pauses_by_nature_is_not_suspected_for_such_a_pause() -> None:
    silence = Silence(0.0)
    for at_s in range(120, 7_200, 120):
        suspicious = [silence.is_suspicious(float(s)) for s in range(at_s - 120, at_s)]
        assert any(suspicious) is (at_s == 120)  # the first one is all that there is to know
        silence.heard(float(at_s))


def test_a_source_in_bursts_is_not_suspected_for_each_pause_between_them() -> None:
    silence = Silence(0.0)
    suspected = 0
    for burst in range(60):
        begin_s = 150.0 * burst
        for s in range(20):
            silence.heard(begin_s + s)
        suspected += len(suspected_after(silence, begin_s + 20, until_s=begin_s + 150))
    assert suspected <= 2


def test_a_pause_of_long_ago_counts_no_more() -> None:
    silence = Silence(0.0)
    silence.heard(1_000.0)
    end_s = 1_000.0 + 8 * FORGET_S
    for s in range(1_000, int(end_s) + 1, 5):
        silence.heard(float(s))
    assert suspected_after(silence, end_s, until_s=end_s + 100) == [SHORTEST_S]


def test_a_time_in_which_nothing_could_be_said_is_no_pause() -> None:
    silence = Silence(0.0)
    silence.forget(5_000.0)
    assert suspected_after(silence, 5_000, until_s=5_100) == [SHORTEST_S]


def test_how_long_it_has_lasted_is_told() -> None:
    silence = Silence(10.0)
    assert silence.is_suspicious(70.0)
    assert silence.lasts_s(75.0) == 65.0
    silence.heard(80.0)
    assert silence.lasts_s(81.0) == 1.0
