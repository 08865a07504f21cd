"""The measure itself: it finds what is missing, what is too much, and what is of another type."""

from typing import Any

import pytest

from tests.conformance.shapes import differences

SHAPE = {"id": "int|null", "amount": "decimal", "levels": [["decimal"]], "note?": "text"}
GOOD: dict[str, Any] = {"id": 1, "amount": "0.10", "levels": [["1", "2.5"]]}


def test_what_fits_has_no_differences() -> None:
    assert list(differences(GOOD, SHAPE)) == []
    assert list(differences(GOOD | {"id": None, "note": "", "levels": []}, SHAPE)) == []


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"more": 1}, "$.more is not documented"),
        ({"id": True}, "$.id is True, not int|null"),
        ({"id": "1"}, "$.id is '1', not int|null"),
        ({"amount": 0.1}, "$.amount is 0.1, not decimal"),
        ({"amount": "1E-8"}, "$.amount is '1E-8', not decimal"),
        ({"levels": {}}, "$.levels is {}, not an array"),
        ({"levels": [["1", 2]]}, "$.levels[0][1] is 2, not decimal"),
        ({"note": None}, "$.note is None, not text"),
    ],
)
def test_every_difference_is_named(change: dict[str, Any], difference: str) -> None:
    assert list(differences(GOOD | change, SHAPE)) == [difference]


def test_what_is_missing_is_named() -> None:
    assert list(differences({"id": 1, "levels": []}, SHAPE)) == ["$.amount is missing"]
    assert list(differences([], SHAPE)) == ["$ is [], not an object"]
