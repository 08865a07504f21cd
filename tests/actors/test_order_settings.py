"""The table [orders]: safe by itself, and every senseless value is named with its place."""

from math import inf, nan
from typing import Any

import msgspec
import pytest

from dogwatch.actors.order_settings import OrderSettings
from dogwatch.actors.spot.verdict import VerdictMargins, verdict_due_ms


def test_the_defaults_are_those_of_the_verdict_and_make_sense() -> None:
    settings = OrderSettings()
    assert list(settings.mistakes()) == []
    assert settings.margins(5_000) == VerdictMargins()


def test_by_default_the_alarm_comes_after_silence_could_have_settled_the_order() -> None:
    settings = OrderSettings()
    assert verdict_due_ms(0, settings.margins(5_000)) < settings.unknown_s_max * 1000


def test_seconds_become_the_milliseconds_of_the_margins() -> None:
    settings = OrderSettings(verdict_margin_s=2.5, missing_answers_min=3, missing_spacing_s=0.25)
    assert settings.margins(60_000) == VerdictMargins(
        recv_window_ms=60_000, margin_ms=2_500, answers_min=3, spacing_ms=250
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"verdict_margin_s": -1.0}, "orders.verdict_margin_s: must be 0 seconds or more"),
        ({"verdict_margin_s": nan}, "orders.verdict_margin_s"),
        ({"verdict_margin_s": inf}, "orders.verdict_margin_s"),
        ({"missing_answers_min": 1}, "orders.missing_answers_min: must be 2 to 10"),
        ({"missing_answers_min": 11}, "orders.missing_answers_min"),
        ({"missing_spacing_s": -0.1}, "orders.missing_spacing_s: must be 0 to 60 seconds"),
        ({"missing_spacing_s": 61.0}, "orders.missing_spacing_s"),
        ({"missing_spacing_s": nan}, "orders.missing_spacing_s"),
        ({"unknown_s_max": 0.0}, "orders.unknown_s_max: must be more than 0 seconds"),
        ({"unknown_s_max": inf}, "orders.unknown_s_max"),
        ({"unknown_s_max": nan}, "orders.unknown_s_max"),
        ({"audit_every_s": 9.0}, "orders.audit_every_s: must be 10 seconds or more, or 0 for never"),
        ({"audit_every_s": -1.0}, "orders.audit_every_s"),
        ({"audit_every_s": nan}, "orders.audit_every_s"),
        ({"audit_every_s": inf}, "orders.audit_every_s"),
    ],
)
def test_a_value_without_sense_is_named_with_its_place(changes: dict[str, Any], says: str) -> None:
    (mistake,) = OrderSettings(**changes).mistakes()
    assert says in str(mistake)


def test_every_mistake_is_told_at_once() -> None:
    settings = OrderSettings(verdict_margin_s=-1, missing_answers_min=0, unknown_s_max=0)
    assert [mistake.where for mistake in settings.mistakes("table")] == [
        "table.verdict_margin_s",
        "table.missing_answers_min",
        "table.unknown_s_max",
    ]


def test_never_comparing_is_a_choice() -> None:
    assert list(OrderSettings(audit_every_s=0).mistakes()) == []


def test_a_key_that_does_not_exist_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="verdict_margin_ms"):
        msgspec.convert({"verdict_margin_ms": 65_000}, OrderSettings)
