"""When silence becomes proof: never early, never on one answer, never with a gap in the record."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.verdict import (
    ENGINE_TIMEOUT_MS,
    VerdictMargins,
    is_proven_absent,
    is_proven_not_amended,
    is_proven_not_canceled,
    verdict_due_ms,
)

MARGINS = VerdictMargins()
HIDDEN_MS_MAX = 60_000
DUE_MS = 10_000


def test_a_verdict_waits_for_the_window_the_engine_and_a_margin() -> None:
    assert verdict_due_ms(1_000_000, MARGINS) == 1_000_000 + 5_000 + 10_000 + 65_000
    assert verdict_due_ms(0, VerdictMargins(recv_window_ms=60_000, margin_ms=500)) == 70_500


@given(
    sent_ms=st.integers(0, 2**45),
    recv_window_ms=st.integers(1, 60_000),
    hidden_ms=st.integers(0, HIDDEN_MS_MAX),
)
def test_by_default_no_verdict_falls_while_an_order_executed_as_late_as_possible_may_be_hidden(
    sent_ms: int, recv_window_ms: int, hidden_ms: int
) -> None:
    margins = VerdictMargins(recv_window_ms=recv_window_ms)
    visible_ms = sent_ms + recv_window_ms + ENGINE_TIMEOUT_MS + hidden_ms
    assert verdict_due_ms(sent_ms, margins) > visible_ms


ABSENT: list[tuple[list[int], bool, bool]] = [
    ([], True, False),
    ([10_000], True, False),
    ([10_000, 10_999], True, False),
    ([10_000, 11_000], True, True),
    ([10_000, 10_500, 11_000], True, True),
    ([10_000, 10_900, 10_950, 11_000], True, True),
    ([9_000, 10_000], True, False),
    ([1_000, 2_000, 3_000], True, False),
    ([9_999, 10_000, 11_000], True, True),
    ([9_999, 10_999], True, False),
    ([10_000, 10_000, 10_000], True, False),
    ([90_000, 95_000], True, True),
    ([10_000, 11_000, 12_000], False, False),
    ([], False, False),
]


@pytest.mark.parametrize(("missing_ms", "record_is_whole", "expected"), ABSENT, ids=str)
def test_absence_is_proven_only_by_spaced_queries_after_the_verdict_is_due_and_a_whole_record(
    missing_ms: list[int], record_is_whole: bool, expected: bool
) -> None:
    proven = is_proven_absent(due_ms=DUE_MS, missing_ms=missing_ms, record_is_whole=record_is_whole, margins=MARGINS)
    assert proven is expected


@pytest.mark.parametrize(
    ("answers_min", "spacing_ms", "missing_ms", "expected"),
    [
        (3, 1_000, [10_000, 11_000], False),
        (3, 1_000, [10_000, 11_000, 12_000], True),
        (3, 1_000, [10_000, 11_000, 11_999], False),
        (2, 30_000, [10_000, 20_000, 30_000], False),
        (2, 30_000, [10_000, 20_000, 30_000, 40_000], True),
        (2, 0, [10_000, 10_000], True),
    ],
)
def test_how_many_answers_and_how_far_apart_is_a_matter_of_margins(
    answers_min: int, spacing_ms: int, missing_ms: list[int], expected: bool
) -> None:
    margins = VerdictMargins(answers_min=answers_min, spacing_ms=spacing_ms)
    assert is_proven_absent(due_ms=DUE_MS, missing_ms=missing_ms, record_is_whole=True, margins=margins) is expected


@given(missing_ms=st.lists(st.integers(0, 30_000)).map(sorted), later_ms=st.integers(30_000, 60_000))
def test_another_answer_never_takes_a_proof_back(missing_ms: list[int], later_ms: int) -> None:
    def proven(times_ms: list[int]) -> bool:
        return is_proven_absent(due_ms=DUE_MS, missing_ms=times_ms, record_is_whole=True, margins=MARGINS)

    assert proven([*missing_ms, later_ms]) >= proven(missing_ms)


@given(missing_ms=st.lists(st.integers(0, DUE_MS - 1)).map(sorted))
def test_what_was_asked_before_the_verdict_is_due_proves_nothing_however_often(missing_ms: list[int]) -> None:
    assert not is_proven_absent(due_ms=DUE_MS, missing_ms=missing_ms, record_is_whole=True, margins=MARGINS)


@pytest.mark.parametrize(
    ("found_open_asked_ms", "expected"), [(None, False), (0, False), (9_999, False), (10_000, True), (99_000, True)]
)
def test_an_order_found_open_after_its_cancel_is_due_was_not_canceled(
    found_open_asked_ms: int | None, expected: bool
) -> None:
    assert is_proven_not_canceled(due_ms=DUE_MS, found_open_asked_ms=found_open_asked_ms) is expected


@pytest.mark.parametrize(
    ("found_open_asked_ms", "found_quantity", "expected"),
    [
        (None, None, False),
        (None, "2", False),
        (10_000, None, False),
        (9_999, "2", False),
        (10_000, "2", True),
        (10_000, "1", False),
        (10_000, "1.00000000", False),
        (10_000, "0.5", True),
    ],
)
def test_an_order_found_with_another_quantity_after_its_amend_is_due_was_not_amended(
    found_open_asked_ms: int | None, found_quantity: str | None, expected: bool
) -> None:
    proven = is_proven_not_amended(
        due_ms=DUE_MS,
        found_open_asked_ms=found_open_asked_ms,
        found_quantity=None if found_quantity is None else Decimal(found_quantity),
        amend_quantity=Decimal(1),
    )
    assert proven is expected
