"""Which answers say that something was done, which that it was not, and which say neither."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.errors import CODES, ExchangeError
from dogwatch.actors.spot.outcome import (
    Accepted,
    NotExecuted,
    Outcome,
    Refused,
    Unknown,
    classify,
    found_nothing_to_cancel,
)

CASES: list[tuple[int, int | None, str, type[Outcome]]] = [
    (200, None, "", Accepted),
    (400, -2010, "Account has insufficient balance for requested action.", Refused),
    (400, -2010, "Order would immediately match and take.", Refused),
    (400, -1013, "Filter failure: LOT_SIZE", Refused),
    (400, -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed.", Refused),
    (400, -1111, "Parameter 'quantity' has too much precision.", Refused),
    (400, -1121, "Invalid symbol.", Refused),
    (400, -2011, "Unknown order sent.", Refused),
    (400, -2013, "Order does not exist.", Refused),
    (400, -2022, "Order cancel-replace failed.", Refused),
    (400, -9999, "A code of tomorrow.", Refused),
    (429, -1003, "Too many requests queued.", NotExecuted),
    (418, -1003, "Way too much request weight used; IP banned until 1. ", NotExecuted),
    (429, -1015, "Too many new orders; current limit is 50 orders per 10 SECOND.", NotExecuted),
    (400, -1015, "Too many new orders.", NotExecuted),
    (400, -1021, "Timestamp for this request is outside of the recvWindow.", NotExecuted),
    (400, -1022, "Signature for this request is not valid.", NotExecuted),
    (400, -1008, "Server is currently overloaded with other requests.", NotExecuted),
    (400, -1016, "This service is no longer available.", NotExecuted),
    (400, -1193, "WebSocket session not authenticated.", NotExecuted),
    (401, -2015, "Invalid API-key, IP, or permissions for action.", NotExecuted),
    (403, None, "", NotExecuted),
    (418, None, "", NotExecuted),
    (429, None, "", NotExecuted),
    (400, -1000, "An unknown error occurred while processing the request.", Unknown),
    (400, -1001, "Internal error; unable to process your request. Please try again.", Unknown),
    (400, -1006, "An unexpected response was received from the message bus. Execution status unknown.", Unknown),
    (400, -1007, "Timeout waiting for response from backend server. Send status unknown.", Unknown),
    (504, -1007, "Timeout waiting for response from backend server. Send status unknown.", Unknown),
    (400, -2010, "Duplicate order sent.", Unknown),
    (409, -2021, "Order cancel-replace partially failed.", Unknown),
    (500, None, "", Unknown),
    (502, None, "", Unknown),
    (503, -1008, "Server is currently overloaded with other requests.", Unknown),
    (503, -1016, "This service is no longer available.", Unknown),
    (500, -2010, "Account has insufficient balance for requested action.", Unknown),
    (302, None, "", Unknown),
    (400, None, "", Unknown),
    (0, None, "", Unknown),
]


def an_error(code: int, message: str, status: int = 400, data: bytes = b"") -> ExchangeError:
    return ExchangeError(code=code, message=message, status=status, data=msgspec.Raw(data))


@pytest.mark.parametrize(("status", "code", "message", "expected"), CASES)
def test_each_answer_has_one_of_four_outcomes(
    status: int, code: int | None, message: str, expected: type[Outcome]
) -> None:
    error = None if code is None else an_error(code, message, status)
    outcome = classify(status, error)
    assert type(outcome) is expected
    if error is not None and not isinstance(outcome, Accepted):
        assert (outcome.code, outcome.wording) == (code, message), "the exchange's own words are kept"


@given(status=st.integers(500, 599), code=st.sampled_from([None, *CODES]))
def test_no_answer_of_5xx_ever_decides_anything(status: int, code: int | None) -> None:
    error = None if code is None else an_error(code, "whatever it says", status)
    assert isinstance(classify(status, error), Unknown)


@given(status=st.integers(0, 599), code=st.one_of(st.none(), st.integers(-9999, -1000)))
def test_an_error_is_never_taken_for_success(status: int, code: int | None) -> None:
    error = None if code is None else an_error(code, "no", status)
    assert isinstance(classify(status, error), Accepted) == (status == 200 and error is None)


@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007])
def test_codes_that_say_unknown_are_unknown_whatever_the_status(code: int) -> None:
    assert isinstance(classify(400, an_error(code, "no")), Unknown)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_every_5xx_is_unknown_whatever_the_code(status: int) -> None:
    judged_otherwise = [
        code for code in CODES if not isinstance(classify(status, an_error(code, "no", status)), Unknown)
    ]
    assert judged_otherwise == []


def test_a_refusal_says_what_to_do_about_it() -> None:
    outcome = classify(400, an_error(-1013, "Filter failure: LOT_SIZE"))
    assert isinstance(outcome, Refused)
    assert "stepSize" in outcome.hint


def test_a_limit_says_when_to_come_back() -> None:
    data = b'{"serverTime":1000,"retryAfter":61000}'
    outcome = classify(429, an_error(-1003, "Too much request weight used.", 429, data))
    assert isinstance(outcome, NotExecuted)
    assert outcome.retry_after_ms == 61_000


def test_a_limit_without_a_time_is_still_a_limit() -> None:
    outcome = classify(429, an_error(-1015, "Too many new orders.", 429))
    assert isinstance(outcome, NotExecuted)
    assert outcome.retry_after_ms is None


@pytest.mark.parametrize(
    ("code", "wording", "expected"),
    [
        (-2011, "Unknown order sent.", True),
        (-2011, "Order was not canceled due to cancel restrictions.", False),
        (-2011, "Cancel order is invalid. Check origClOrdId and orderId.", False),
        (-2011, "This account may not place or cancel orders.", False),
        (-2013, "Order does not exist.", False),
        (-1003, "Too many requests queued.", False),
    ],
)
def test_only_one_refusal_of_a_cancel_says_that_the_order_is_not_open(code: int, wording: str, expected: bool) -> None:
    assert found_nothing_to_cancel(code, wording) is expected
