"""Which answers say that something was done, which that it was not, and which say neither."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.error_codes import CODES
from dogwatch.actors.spot.errors import ExchangeError
from dogwatch.actors.spot.outcome import (
    Accepted,
    NotExecuted,
    Outcome,
    Refused,
    Unknown,
    classify,
    found_nothing_to_amend,
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
    (409, None, "", Unknown),
    (200, -2010, "Account has insufficient balance for requested action.", Unknown),
    (0, -2010, "Account has insufficient balance for requested action.", Unknown),
    (0, None, "", Unknown),
]


# Every code of errors.md, July 2026, FIX and SBE included, and those that were seen on the wire only. Each stands for
# what it says with a status of 4XX.
UNKNOWN = (-1000, -1001, -1006, -1007, -1161, -2021)
NOT_EXECUTED = (-1002, -1003, -1008, -1015, -1016, -1021, -1022, -1034, -1193, -2014, -2015)
REFUSED = (
    *(-1010, -1013, -1014, -1020, -1033, -1035),
    *(-1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108, -1111, -1112, -1114, -1115, -1116, -1117, -1118, -1119),
    *(-1120, -1121, -1122, -1125, -1127, -1128, -1130, -1134, -1135, -1139, -1145, -1151, -1152, -1153, -1155, -1158),
    *(-1160, -1165, -1166, -1168, -1169, -1170, -1171, -1172, -1173, -1174, -1175, -1176, -1177, -1178, -1179, -1180),
    *(-1181, -1182, -1183, -1184, -1185, -1186, -1187, -1188, -1189, -1190, -1191, -1194, -1196, -1197, -1198, -1199),
    *(-1210, -1211, -1220, -1221, -1222, -1223, -1224, -1225),
    *(-2010, -2011, -2013, -2016, -2022, -2026, -2028, -2035, -2036, -2038, -2039, -2042, -2043),
)
EVERY_CODE = [
    *((code, Unknown) for code in UNKNOWN),
    *((code, NotExecuted) for code in NOT_EXECUTED),
    *((code, Refused) for code in REFUSED),
]

# Messages for -1010, -2010, -2011 and -2038; the one that is missing, "Duplicate order sent.", has a case above.
ENGINE_TEXTS = [
    "Unknown order sent.",
    "Market is closed.",
    "Account has insufficient balance for requested action.",
    "Market orders are not supported for this symbol.",
    "Iceberg orders are not supported for this symbol.",
    "Stop loss orders are not supported for this symbol.",
    "Stop loss limit orders are not supported for this symbol.",
    "Take profit orders are not supported for this symbol.",
    "Take profit limit orders are not supported for this symbol.",
    "Order amend is not supported for this symbol.",
    "Price * QTY is zero or less.",
    "IcebergQty exceeds QTY.",
    "This action is disabled on this account.",
    "This account may not place or cancel orders.",
    "Unsupported order combination",
    "Order would trigger immediately.",
    "Cancel order is invalid. Check origClOrdId and orderId.",
    "Order would immediately match and take.",
    "The relationship of the prices for the orders is not correct.",
    "OCO orders are not supported for this symbol",
    "Quote order qty market orders are not support for this symbol.",
    "Trailing stop orders are not supported for this symbol.",
    "Order cancel-replace is not supported for this symbol.",
    "This symbol is not permitted for this account.",
    "This symbol is restricted for this account.",
    "Order was not canceled due to cancel restrictions.",
    "Rest API trading is not enabled.",
    "WebSocket API trading is not enabled.",
    "FIX API trading is not enabled.",
    "Order book liquidity is less than LOT_SIZE filter minimum quantity.",
    "Order book liquidity is less than MARKET_LOT_SIZE filter minimum quantity.",
    "Order book liquidity is less than symbol minimum quantity.",
    "Order amend (quantity increase) is not supported.",
    "The requested action would change no state; rejecting",
    "Pegged orders are not supported for this symbol.",
    "This order type may not use pegged price.",
    "This price peg cannot be used with this order type.",
    "Order book liquidity is too low for this pegged order.",
    "OPO orders are not supported for this symbol.",
    "Order amend (pending OPO order) is not supported.",
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


def test_the_table_holds_every_code_that_is_known_here() -> None:
    listed = [code for code, _ in EVERY_CODE]
    assert len(set(listed)) == len(listed)
    assert set(listed) == set(CODES)


@pytest.mark.parametrize(("code", "expected"), EVERY_CODE)
def test_every_documented_code_of_4xx_has_one_outcome(code: int, expected: type[Outcome]) -> None:
    outcome = classify(400, an_error(code, "what it says"))
    assert type(outcome) is expected
    assert not isinstance(outcome, Accepted)
    assert (outcome.code, outcome.wording) == (code, "what it says")


@pytest.mark.parametrize("text", ENGINE_TEXTS)
@pytest.mark.parametrize("code", [-1010, -2010, -2011, -2038])
def test_whatever_the_engine_refuses_was_not_done_and_says_what_to_do(code: int, text: str) -> None:
    outcome = classify(400, an_error(code, text))
    assert isinstance(outcome, Refused)
    assert outcome.wording == text
    assert outcome.hint


@pytest.mark.parametrize("code", [-1010, -2010, -2011, -2038])
def test_a_duplicate_may_be_the_order_itself_whatever_the_code(code: int) -> None:
    assert isinstance(classify(400, an_error(code, "Duplicate order sent.")), Unknown)


@given(status=st.integers(500, 599), code=st.sampled_from([None, *(code for code, _ in EVERY_CODE)]))
def test_no_answer_of_5xx_ever_decides_anything(status: int, code: int | None) -> None:
    error = None if code is None else an_error(code, "whatever it says", status)
    assert isinstance(classify(status, error), Unknown)


@given(status=st.integers(0, 399) | st.integers(500, 999), code=st.sampled_from([code for code, _ in EVERY_CODE]))
def test_an_error_is_a_refusal_only_with_a_status_of_4xx(status: int, code: int) -> None:
    assert isinstance(classify(status, an_error(code, "no", status)), Unknown)


@given(status=st.integers(0, 599), code=st.one_of(st.none(), st.integers(-9999, -1000)))
def test_an_error_is_never_taken_for_success(status: int, code: int | None) -> None:
    error = None if code is None else an_error(code, "no", status)
    assert isinstance(classify(status, error), Accepted) == (status == 200 and error is None)


@pytest.mark.parametrize("code", UNKNOWN)
@given(status=st.integers(0, 999))
def test_codes_that_say_unknown_are_unknown_whatever_the_status(code: int, status: int) -> None:
    assert isinstance(classify(status, an_error(code, "no", status)), Unknown)


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
        (-1010, "Unknown order sent.", True),
        (-2011, "Order was not canceled due to cancel restrictions.", False),
        (-2011, "Cancel order is invalid. Check origClOrdId and orderId.", False),
        (-2011, "This account may not place or cancel orders.", False),
        (-2013, "Order does not exist.", False),
        (-1003, "Too many requests queued.", False),
    ],
)
def test_only_one_refusal_of_a_cancel_says_that_the_order_is_not_open(code: int, wording: str, expected: bool) -> None:
    assert found_nothing_to_cancel(code, wording) is expected


@pytest.mark.parametrize(
    ("code", "wording", "expected"),
    [
        (-2038, "Unknown order sent.", True),
        (-2011, "Unknown order sent.", True),
        (-2013, "Order does not exist.", True),
        (-2038, "Order amend (quantity increase) is not supported.", False),
        (-2038, "The requested action would change no state; rejecting", False),
        (-1013, "Filter failure: MAX_NUM_ORDER_AMENDS", False),
        (-1003, "Too many requests queued.", False),
    ],
)
def test_an_amend_may_find_no_open_order_either(code: int, wording: str, expected: bool) -> None:
    assert found_nothing_to_amend(code, wording) is expected
