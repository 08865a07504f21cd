"""The header Retry-After in both of its forms, and in none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.retry_after import RETRY_AFTER_S_MAX, retry_after_s

DATE = "Sat, 21 Nov 2026 16:20:00 GMT"


@pytest.mark.parametrize(
    ("value", "date", "expected_s"),
    [
        ("90", None, 90.0),
        (" 90 ", DATE, 90.0),
        ("0", None, 0.0),
        (None, DATE, 0.0),
        ("", DATE, 0.0),
        ("-5", DATE, 0.0),
        ("1.5", DATE, 0.0),
        ("tomorrow", DATE, 0.0),
        ("²", DATE, 0.0),
        ("9" * 400, None, RETRY_AFTER_S_MAX),
        ("Sat, 21 Nov 2026 16:25:30 GMT", DATE, 330.0),
        ("Sat, 21 Nov 2026 16:25:30 GMT", None, 0.0),
        ("Sat, 21 Nov 2026 16:25:30 GMT", "today", 0.0),
        ("Sat, 21 Nov 2026 16:00:00 GMT", DATE, 0.0),
        ("Sun, 21 Nov 2027 16:20:00 GMT", DATE, RETRY_AFTER_S_MAX),
    ],
)
def test_what_the_server_asks_for_in_seconds(value: str | None, date: str | None, expected_s: float) -> None:
    assert retry_after_s(value, date=date) == expected_s


@given(st.text(), st.none() | st.text())
def test_whatever_the_header_says_gives_a_bounded_wait(value: str, date: str | None) -> None:
    assert 0.0 <= retry_after_s(value, date=date) <= RETRY_AFTER_S_MAX
