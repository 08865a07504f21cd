"""The table [limits]: safe by itself, and every senseless value is named with its place."""

from math import nan
from typing import Any

import msgspec
import pytest

from dogwatch.actors.limit_settings import LimitSettings
from dogwatch.actors.spot.request_costs import Kind
from dogwatch.actors.spot.shares import Shares


def test_the_defaults_are_those_of_the_budget_and_make_sense() -> None:
    settings = LimitSettings()
    assert list(settings.mistakes()) == []
    assert settings.shares() == Shares()


def test_what_is_set_decides_what_each_lane_may_use() -> None:
    settings = LimitSettings(share=0.5, cancel_reserve=0.1, query_reserve=0.2, recovery_share=0.4)
    assert settings.shares().caps(Kind.WEIGHT, 6_000) == (3_000, 2_700, 2_100, 1_200)
    assert settings.shares().caps(Kind.ORDERS, 100) == (50, 50, 50, 50)


@pytest.mark.parametrize("usable", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("limit", [1, 7, 100, 6_000])
def test_no_lane_may_use_more_than_one_before_it(usable: float, limit: int) -> None:
    caps = LimitSettings(share=usable, cancel_reserve=0.4, query_reserve=0.4).shares().caps(Kind.WEIGHT, limit)
    assert list(caps) == sorted(caps, reverse=True)
    assert caps[-1] >= 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"share": 0.0}, "limits.share: must be more than 0 and at most 1"),
        ({"share": 1.1}, "limits.share"),
        ({"share": nan}, "limits.share"),
        ({"recovery_share": 0.0}, "limits.recovery_share: must be more than 0 and at most 1"),
        ({"cancel_reserve": -0.1}, "limits.cancel_reserve: must be 0 to 0.4"),
        ({"query_reserve": 0.5}, "limits.query_reserve: must be 0 to 0.4"),
        ({"share": 0.001}, "limits: leave 4 of weight a minute to reading the account, which needs 80 at once"),
        ({"recovery_share": 0.01}, "limits: leave 60 of weight"),
        ({"share": 0.05, "cancel_reserve": 0.4, "query_reserve": 0.4}, "limits: leave 60 of weight"),
    ],
)
def test_a_senseless_value_is_named_with_its_place(changes: dict[str, Any], says: str) -> None:
    (mistake,) = msgspec.structs.replace(LimitSettings(), **changes).mistakes()
    assert says in str(mistake)
    assert mistake.hint
