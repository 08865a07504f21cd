"""A cancelReplace is judged part by part: each by its own words, and unknown where there are none."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.cancel_replace import Canceled, CancelReplaceOutcome, NotAttempted, Placed, judge
from dogwatch.actors.spot.enums import OrderStatus
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.outcome import NotExecuted, Refused, Unknown
from dogwatch.actors.spot.results import OrderListReport, OrderReport

# The examples of the documentation (WebSocket API, Cancel and replace order), shortened to what is told.
CANCELED: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "origClientOrderId": "4d96324ff9d44481926157",
    "orderId": 125690984230,
    "orderListId": -1,
    "clientOrderId": "91fe37ce9e69c90d6358c0",
    "transactTime": 1684804350068,
    "price": "23450.00000000",
    "origQty": "0.00847000",
    "executedQty": "0.00001000",
    "cummulativeQuoteQty": "0.23450000",
    "status": "CANCELED",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "SELL",
}
PLACED: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "orderId": 12569099453,
    "orderListId": -1,
    "clientOrderId": "bX5wROblo6YeDwa9iTLeyY",
    "transactTime": 1660813156959,
    "price": "23416.10000000",
    "origQty": "0.00847000",
    "executedQty": "0.00000000",
    "cummulativeQuoteQty": "0.00000000",
    "status": "NEW",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "SELL",
}
LIST_CANCELED: dict[str, Any] = {
    "orderListId": 19431,
    "contingencyType": "OCO",
    "listStatusType": "ALL_DONE",
    "listOrderStatus": "ALL_DONE",
    "listClientOrderId": "l",
    "transactionTime": 1660803702431,
    "symbol": "BTCUSDT",
    "orders": [],
    "orderReports": [CANCELED],
}
NO_SUCH = {"code": -2011, "msg": "Unknown order sent."}
WOULD_MATCH = {"code": -2010, "msg": "Order would immediately match and take."}
TOO_MANY = {"code": -1015, "msg": "Too many new orders; current limit is 50 orders per 10 SECOND."}
TIMEOUT = {"code": -1007, "msg": "Timeout waiting for response from backend server. Send status unknown."}
DUPLICATE = {"code": -2010, "msg": "Duplicate order sent."}


def parts(cancel_result: str, cancel: object, new_order_result: str, new_order: object) -> dict[str, Any]:
    return {
        "cancelResult": cancel_result,
        "newOrderResult": new_order_result,
        "cancelResponse": cancel,
        "newOrderResponse": new_order,
    }


def done(data: object) -> Response:
    return answered({"id": 1, "status": 200, "result": data})


def failed(status: int, code: int, message: str = "It failed.", data: object = None) -> Response:
    error: dict[str, Any] = {"code": code, "msg": message}
    if data is not None:
        error["data"] = data
    return answered({"id": 1, "status": status, "error": error})


def answered(frame: object) -> Response:
    """The answer as it comes off the wire, so that the raw parts are what they will be."""
    response = decode_frame(json.dumps(frame).encode())
    assert isinstance(response, Response)
    return response


def kinds(outcome: CancelReplaceOutcome) -> tuple[type, type]:
    return type(outcome.cancel), type(outcome.placing)


BOTH = parts("SUCCESS", CANCELED, "SUCCESS", PLACED)
STOPPED = parts("FAILURE", NO_SUCH, "NOT_ATTEMPTED", None)
ONLY_CANCELED = parts("SUCCESS", CANCELED, "FAILURE", WOULD_MATCH)
ONLY_PLACED = parts("FAILURE", NO_SUCH, "SUCCESS", PLACED)
NEITHER = parts("FAILURE", NO_SUCH, "FAILURE", WOULD_MATCH)
OVER_LIMIT = parts("SUCCESS", CANCELED, "FAILURE", TOO_MANY)

DOCUMENTED: list[tuple[str, Response, type, type]] = [
    ("both", done(BOTH), Canceled, Placed),
    ("the cancel failed and that was the end", failed(400, -2022, data=STOPPED), Refused, NotAttempted),
    ("canceled, the new order refused", failed(409, -2021, data=ONLY_CANCELED), Canceled, Refused),
    ("placed although the cancel failed", failed(409, -2021, data=ONLY_PLACED), Refused, Placed),
    ("neither", failed(400, -2022, data=NEITHER), Refused, Refused),
    ("over the limit, nothing done", failed(429, -1015), NotExecuted, NotExecuted),
    ("over the limit, canceled all the same", failed(409, -2021, data=OVER_LIMIT), Canceled, NotExecuted),
    ("the same under another status", failed(429, -2021, data=OVER_LIMIT), Canceled, NotExecuted),
    ("the same under another code", failed(429, -1015, data=OVER_LIMIT), Canceled, NotExecuted),
]


@pytest.mark.parametrize(("name", "response", "cancel", "placing"), DOCUMENTED, ids=[case[0] for case in DOCUMENTED])
def test_every_documented_answer_is_read_part_by_part(
    name: str, response: Response, cancel: type, placing: type
) -> None:
    assert kinds(judge(response)) == (cancel, placing)


def test_the_reports_of_both_parts_are_those_of_a_cancel_and_of_a_placing() -> None:
    outcome = judge(done(BOTH))
    assert isinstance(outcome.cancel, Canceled)
    assert isinstance(outcome.cancel.report, OrderReport)
    assert isinstance(outcome.placing, Placed)
    assert outcome.cancel.report.placed_client_order_id == "4d96324ff9d44481926157"
    assert outcome.cancel.report.status is OrderStatus.CANCELED
    assert (outcome.placing.report.order_id, outcome.placing.report.status) == (12569099453, OrderStatus.NEW)


def test_a_refusal_keeps_the_words_of_its_own_part() -> None:
    outcome = judge(failed(400, -2022, "Order cancel-replace failed.", NEITHER))
    assert isinstance(outcome.cancel, Refused)
    assert isinstance(outcome.placing, Refused)
    assert (outcome.cancel.code, outcome.cancel.wording) == (-2011, "Unknown order sent.")
    assert (outcome.placing.code, outcome.placing.wording) == (-2010, "Order would immediately match and take.")
    assert "further away" in outcome.placing.hint


def test_canceling_a_member_of_a_list_tells_of_the_list() -> None:
    outcome = judge(done(parts("SUCCESS", LIST_CANCELED, "SUCCESS", PLACED)))
    assert isinstance(outcome.cancel, Canceled)
    assert isinstance(outcome.cancel.report, OrderListReport)


NOTHING_DONE: list[tuple[int, int, str, type]] = [
    (400, -1013, "Filter failure: LOT_SIZE", Refused),
    (400, -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed.", Refused),
    (400, -1121, "Invalid symbol.", Refused),
    (400, -1021, "Timestamp for this request is outside of the recvWindow.", NotExecuted),
    (401, -2015, "Invalid API-key, IP, or permissions for action.", NotExecuted),
    (429, -1003, "Too many requests queued.", NotExecuted),
    (418, -1003, "Way too much request weight used; IP banned until 1.", NotExecuted),
]


@pytest.mark.parametrize(("status", "code", "message", "kind"), NOTHING_DONE)
def test_what_is_refused_at_the_door_holds_for_both_parts(status: int, code: int, message: str, kind: type) -> None:
    outcome = judge(failed(status, code, message))
    assert kinds(outcome) == (kind, kind)
    assert outcome.cancel == outcome.placing
    assert isinstance(outcome.cancel, Refused | NotExecuted)
    assert (outcome.cancel.code, outcome.cancel.wording) == (code, message)


def test_the_data_of_a_limit_is_not_taken_for_parts() -> None:
    outcome = judge(failed(429, -1003, "Too many requests queued.", {"serverTime": 1, "retryAfter": 61_000}))
    assert isinstance(outcome.placing, NotExecuted)
    assert outcome.placing.retry_after_ms == 61_000


ALL_UNKNOWN: list[tuple[str, Response]] = [
    ("-1007", failed(400, -1007)),
    ("-1006", failed(400, -1006)),
    ("-1000", failed(400, -1000)),
    ("-1001", failed(400, -1001)),
    ("500", failed(500, -1000)),
    ("503 with a code that elsewhere decides", failed(503, -1013)),
    ("5XX outweighs the data", failed(504, -2021, data=ONLY_CANCELED)),
    ("no body", Response(id=1, status=502)),
    ("-2021 without data", failed(409, -2021)),
    ("-2022 without data", failed(400, -2022)),
    ("-2021 with other data", failed(409, -2021, data={"serverTime": 1, "retryAfter": 2})),
    ("-2021 with half of the data", failed(409, -2021, data={"cancelResult": "SUCCESS", "cancelResponse": CANCELED})),
    ("-2022 with data of another shape", failed(400, -2022, data=[STOPPED])),
    ("a result that is none", done({})),
    ("a result of another method", done(PLACED)),
    ("a duplicate: the other one may be this request", failed(400, -2010, "Duplicate order sent.")),
]


@pytest.mark.parametrize(("name", "response"), ALL_UNKNOWN, ids=[case[0] for case in ALL_UNKNOWN])
def test_an_answer_that_does_not_tell_leaves_both_parts_unknown(name: str, response: Response) -> None:
    assert kinds(judge(response)) == (Unknown, Unknown)


def partly(cancel_result: str, cancel: object, new_order_result: str, new_order: object) -> Response:
    return failed(409, -2021, data=parts(cancel_result, cancel, new_order_result, new_order))


ONE_UNKNOWN: list[tuple[str, Response, type, type]] = [
    ("a success without a report", done(parts("SUCCESS", CANCELED, "SUCCESS", None)), Canceled, Unknown),
    ("a success with an error", done(parts("SUCCESS", NO_SUCH, "SUCCESS", PLACED)), Unknown, Placed),
    ("a failure without an error", partly("SUCCESS", CANCELED, "FAILURE", None), Canceled, Unknown),
    ("a failure with a report", partly("FAILURE", CANCELED, "SUCCESS", PLACED), Unknown, Placed),
    ("not tried, but there", partly("FAILURE", NO_SUCH, "NOT_ATTEMPTED", PLACED), Refused, Unknown),
    ("a new word", partly("SUCCESS", CANCELED, "DELAYED", None), Canceled, Unknown),
    ("a timeout of one part", partly("SUCCESS", CANCELED, "FAILURE", TIMEOUT), Canceled, Unknown),
    ("a duplicate of one part", partly("SUCCESS", CANCELED, "FAILURE", DUPLICATE), Canceled, Unknown),
    ("the order's refusal alone", failed(400, -2010, "Account has insufficient balance."), Unknown, Refused),
    ("the cancel's refusal alone", failed(400, -2011, "Unknown order sent."), Refused, Unknown),
]


@pytest.mark.parametrize(("name", "response", "cancel", "placing"), ONE_UNKNOWN, ids=[case[0] for case in ONE_UNKNOWN])
def test_a_part_that_contradicts_itself_is_unknown_and_the_other_is_not(
    name: str, response: Response, cancel: type, placing: type
) -> None:
    assert kinds(judge(response)) == (cancel, placing)


def test_a_cancel_may_be_the_part_that_was_not_tried() -> None:
    assert kinds(judge(partly("NOT_ATTEMPTED", None, "FAILURE", TOO_MANY))) == (NotAttempted, NotExecuted)


def test_nothing_may_be_said_of_what_was_not_tried() -> None:
    data = {"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED", "cancelResponse": NO_SUCH}
    assert kinds(judge(failed(400, -2022, data=data))) == (Refused, NotAttempted)


ANY_PART = st.sampled_from(
    [None, CANCELED, PLACED, LIST_CANCELED, NO_SUCH, WOULD_MATCH, TIMEOUT, TOO_MANY, {}, [], 1, "x"]
)
ANY_WORD = st.sampled_from(["SUCCESS", "FAILURE", "NOT_ATTEMPTED", "SOMETHING_NEW"])


@given(cancel_word=ANY_WORD, cancel=ANY_PART, new_word=ANY_WORD, new=ANY_PART, status=st.integers(400, 499))
def test_only_a_success_with_a_report_is_done_and_only_an_error_or_nothing_is_not(
    cancel_word: str, cancel: object, new_word: str, new: object, status: int
) -> None:
    outcome = judge(failed(status, -2021, data=parts(cancel_word, cancel, new_word, new)))
    reports = [CANCELED, PLACED]
    assert isinstance(outcome.cancel, Canceled) == (cancel_word == "SUCCESS" and cancel in [*reports, LIST_CANCELED])
    assert isinstance(outcome.placing, Placed) == (new_word == "SUCCESS" and new in reports)
    for part, word, said in ((outcome.cancel, cancel_word, cancel), (outcome.placing, new_word, new)):
        assert isinstance(part, NotAttempted) == (word == "NOT_ATTEMPTED" and said is None)
        refused = word == "FAILURE" and said in [NO_SUCH, WOULD_MATCH, TOO_MANY]
        assert isinstance(part, Refused | NotExecuted) == refused


@given(raw=st.binary(max_size=60), status=st.integers(0, 599))
def test_no_bytes_and_no_status_raise_anything(raw: bytes, status: int) -> None:
    outcome = judge(Response(id=1, status=status, result=msgspec.Raw(raw)))
    assert isinstance(outcome.placing, Unknown | NotExecuted)
    error = failed(409, -2021).error
    assert error is not None
    error = msgspec.structs.replace(error, data=msgspec.Raw(raw))
    assert kinds(judge(Response(id=1, status=status, error=error))) == (Unknown, Unknown)
