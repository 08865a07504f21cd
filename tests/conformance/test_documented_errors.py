"""The error codes and texts of the documentation: each has a name and an outcome here, and keeps its words."""

from typing import Any

import pytest

from dogwatch.actors.spot.error_codes import CODES
from dogwatch.actors.spot.errors import ExchangeError
from dogwatch.actors.spot.outcome import Accepted, NotExecuted, Refused, Unknown, classify
from tests.conformance.reference import needs_reference, reference

pytestmark = needs_reference

DOCUMENT = reference("errors")
DOCUMENTED: list[dict[str, Any]] = DOCUMENT.get("codes", [])
TABLES: dict[str, list[dict[str, Any]]] = DOCUMENT.get("message_tables", {})
ENGINE_CODES = (-1010, -2010, -2011, -2038)

# The headings of the two are sentences; the names are ours.
NAMED_HERE = {-2021: "CANCEL_REPLACE_PARTIALLY_FAILED", -2022: "CANCEL_REPLACE_FAILED"}
# In the heading of a table only, without an entry of their own.
IN_A_HEADING = {-1010, -2038}
SEEN_ON_THE_WIRE = {-1193, -2028}

# Whatever else is documented was looked at and refused.
UNKNOWN = {-1000, -1001, -1006, -1007, -1161, -2021}
TURNED_AWAY = {-1002, -1003, -1008, -1015, -1016, -1021, -1022, -1034, -2014, -2015}
DUPLICATE = "Duplicate order sent"
"""The open order that has the id already may be this very one."""


def texts_of(table: str) -> list[str]:
    """The texts of one of the tables; one line of it holds two, quoted."""
    rows = next((rows for heading, rows in TABLES.items() if heading.startswith(table)), [])
    return [text.rstrip('".') for row in rows for text in row["message"].split('" / "')]


def test_every_documented_code_is_here_under_its_name_and_no_other_is() -> None:
    documented = {entry["code"]: NAMED_HERE.get(entry["code"], entry["name"]) for entry in DOCUMENTED}
    ours = {code: facts.name for code, facts in CODES.items()}
    assert ours == documented | {code: ours[code] for code in IN_A_HEADING | SEEN_ON_THE_WIRE}


@pytest.mark.parametrize("entry", DOCUMENTED, ids=lambda entry: str(entry["code"]))
def test_every_text_of_a_code_has_its_outcome_and_is_kept(entry: dict[str, Any]) -> None:
    code = entry["code"]
    expected = Unknown if code in UNKNOWN else NotExecuted if code in TURNED_AWAY else Refused
    assert entry["messages"]
    for text in entry["messages"]:
        for status in (400, 409):
            outcome = classify(status, ExchangeError(code=code, message=text, status=status))
            assert type(outcome) is expected
            assert not isinstance(outcome, Accepted)
            assert (outcome.code, outcome.wording) == (code, text)


@pytest.mark.parametrize("code", ENGINE_CODES)
def test_every_text_of_the_engine_is_a_refusal_that_says_what_to_do(code: int) -> None:
    texts = texts_of("Messages for -1010")
    assert len(texts) > 30
    for text in texts:
        outcome = classify(400, ExchangeError(code=code, message=text, status=400))
        if text == DUPLICATE:
            assert isinstance(outcome, Unknown)
        else:
            assert isinstance(outcome, Refused)
            assert outcome.hint, text
        assert outcome.wording == text


def test_every_filter_failure_is_a_refusal_that_says_what_to_do() -> None:
    texts = texts_of("Filter failures")
    assert len(texts) >= 18
    for text in texts:
        outcome = classify(400, ExchangeError(code=-1013, message=text, status=400))
        assert isinstance(outcome, Refused)
        assert outcome.hint not in ("", CODES[-1013].hint), text
