"""The table [connection]: what it means, and which mistakes are told."""

import msgspec
import pytest

from dogwatch.actors.connection_settings import ConnectionSettings
from dogwatch.actors.spot.rotation_plan import RotationRules


def test_what_nobody_has_set_makes_no_mistake() -> None:
    assert list(ConnectionSettings().mistakes()) == []
    assert ConnectionSettings().rules() == RotationRules(rotate_after_s=82_800.0, times_of_day_s=())


def test_times_of_day_are_read_as_utc() -> None:
    settings = msgspec.convert(
        {"rotate_at_utc": ["03:15", "15:00"], "rotate_after_h": 20, "silence_s_max": 40}, ConnectionSettings
    )
    assert list(settings.mistakes()) == []
    assert settings.rules() == RotationRules(rotate_after_s=72_000.0, times_of_day_s=(11_700.0, 54_000.0))


def test_all_of_it_may_go_over_rest() -> None:
    settings = msgspec.convert({"api": "rest", "market": "rest", "market_poll_every_s": 0.1}, ConnectionSettings)
    assert list(settings.mistakes()) == []


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ({"rotate_at_utc": ["03:15", "25:00"]}, "connection.rotate_at_utc[1]"),
        ({"rotate_at_utc": ["noon"]}, "connection.rotate_at_utc[0]"),
        ({"rotate_at_utc": [""]}, "connection.rotate_at_utc[0]"),
        ({"rotate_after_h": 0}, "connection.rotate_after_h"),
        ({"rotate_after_h": 24}, "connection.rotate_after_h"),
        ({"rotate_after_h": float("nan")}, "connection.rotate_after_h"),
        ({"api": "rest", "poll_every_s": 0.05}, "connection.poll_every_s"),
        ({"poll_every_s": 61}, "connection.poll_every_s"),
        ({"poll_every_s": float("nan")}, "connection.poll_every_s"),
        ({"api": "rest", "market": "rest", "market_poll_every_s": 0.05}, "connection.market_poll_every_s"),
        ({"market_poll_every_s": 61}, "connection.market_poll_every_s"),
        ({"market_poll_every_s": float("nan")}, "connection.market_poll_every_s"),
        ({"market": "rest"}, "connection.market"),
        ({"silence_s_max": 34}, "connection.silence_s_max"),
        ({"silence_s_max": 60}, "connection.silence_s_max"),
        ({"silence_s_max": float("nan")}, "connection.silence_s_max"),
    ],
)
def test_a_mistake_is_named_with_its_place(table: dict[str, object], where: str) -> None:
    (mistake,) = msgspec.convert(table, ConnectionSettings).mistakes()
    assert mistake.where == where
    assert mistake.problem
