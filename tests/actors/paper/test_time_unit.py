"""Timestamps in microseconds: every time of a payload, and nothing else."""

from typing import Any

import pytest

from dogwatch.actors.paper.refusals import Refused
from dogwatch.actors.paper.time_unit import event_in_microseconds, is_in_microseconds, result_in_microseconds


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", False),
        ("timeUnit=MICROSECOND", True),
        ("timeUnit=microsecond", True),
        ("streams=a@b&timeUnit=MICROSECOND", True),
        ("timeUnit=MILLISECOND", False),
        ("timeUnit=millisecond", False),
    ],
)
def test_the_unit_is_read_from_the_url(query: str, expected: bool) -> None:
    assert is_in_microseconds(query) is expected


def test_another_unit_is_refused() -> None:
    with pytest.raises(Refused) as refusal:
        is_in_microseconds("timeUnit=Microsecond")
    assert refusal.value.code == -1194


def test_results_keep_everything_but_their_times() -> None:
    order = {"orderId": 5, "transactTime": 7, "workingTime": -1, "fills": [{"tradeId": 3, "price": "1"}]}
    assert result_in_microseconds([order]) == [{**order, "transactTime": 7000}]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"e": "executionReport", "E": 1, "T": 2, "t": -1, "i": 9}, {"E": 1000, "T": 2000}),
        ({"e": "outboundAccountPosition", "E": 1, "u": 2}, {"E": 1000, "u": 2000}),
        ({"e": "trade", "E": 1, "T": 2, "t": 4}, {"E": 1000, "T": 2000}),
        ({"e": "depthUpdate", "E": 1, "U": 2, "u": 3}, {"E": 1000}),
        ({"u": 5, "s": "BTCUSDT"}, {}),
    ],
)
def test_events_keep_their_ids(event: dict[str, Any], expected: dict[str, Any]) -> None:
    assert event_in_microseconds(event) == {**event, **expected}
