"""What may be sent again for its timestamp: only what an answer proves not to have been executed in any part."""

from typing import Any

import msgspec
import pytest

from dogwatch.actors.spot.clock_refusal import is_ahead, is_turned_away_by_the_clock
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.requests import DECLARATIONS

OUTDATED = (-1021, "Timestamp for this request is outside of the recvWindow.")
AHEAD = (-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
FAR_AHEAD = (-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")
NO_QUANTITY = (-1102, "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed.")
INSUFFICIENT = (-2010, "Account has insufficient balance for requested action.")
NO_SUCH_ORDER = (-2011, "Unknown order sent.")
PARTLY, NOT_AT_ALL = (-2021, "Order cancel-replace partially failed."), (-2022, "Order cancel-replace failed.")
DONE = {"symbol": "BTCUSDT", "orderId": 1}
SUCCESS, FAILURE, NOT_ATTEMPTED = "SUCCESS", "FAILURE", "NOT_ATTEMPTED"


def response(status: int, error: tuple[int, str] | None, data: dict[str, Any] | None = None) -> Response:
    body: dict[str, Any] = {"id": 1, "status": status}
    if error is None:
        body["result"] = DONE
    else:
        body["error"] = {"code": error[0], "msg": error[1]} | ({} if data is None else {"data": data})
    frame = decode_frame(msgspec.json.encode(body))
    assert isinstance(frame, Response)
    return frame


def parts(cancel: str, cancel_says: Any, placing: str, placing_says: Any) -> dict[str, Any]:
    def said(value: Any) -> Any:
        return {"code": value[0], "msg": value[1]} if isinstance(value, tuple) else value

    return {
        "cancelResult": cancel,
        "newOrderResult": placing,
        "cancelResponse": said(cancel_says),
        "newOrderResponse": said(placing_says),
    }


@pytest.mark.parametrize("method", [method for method in Method if DECLARATIONS[method].security.needs_timestamp])
@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (400, OUTDATED, True),
        (400, AHEAD, True),
        (400, FAR_AHEAD, True),
        (409, OUTDATED, True),
        (400, NO_QUANTITY, False),
        (400, INSUFFICIENT, False),
        (429, (-1003, "Too many requests; current limit is 6000 request weight per 1 MINUTE."), False),
        (200, None, False),
        (500, OUTDATED, False),
        (504, AHEAD, False),
        (200, OUTDATED, False),
        (0, OUTDATED, False),
    ],
)
def test_only_a_refusal_that_names_the_timestamp_counts(
    method: Method, status: int, error: tuple[int, str] | None, expected: bool
) -> None:
    assert is_turned_away_by_the_clock(method, response(status, error)) is expected


@pytest.mark.parametrize(
    ("status", "error", "data", "expected"),
    [
        (400, NOT_AT_ALL, parts(FAILURE, OUTDATED, NOT_ATTEMPTED, None), True),
        (400, NOT_AT_ALL, parts(FAILURE, AHEAD, FAILURE, OUTDATED), True),
        (400, OUTDATED, parts(FAILURE, OUTDATED, NOT_ATTEMPTED, None), True),
        (409, PARTLY, parts(SUCCESS, DONE, FAILURE, OUTDATED), False),
        (409, PARTLY, parts(FAILURE, OUTDATED, SUCCESS, DONE), False),
        (400, OUTDATED, parts(SUCCESS, DONE, FAILURE, OUTDATED), False),
        (400, NOT_AT_ALL, parts(FAILURE, NO_SUCH_ORDER, FAILURE, OUTDATED), False),
        (400, NOT_AT_ALL, parts(FAILURE, OUTDATED, FAILURE, INSUFFICIENT), False),
        (400, NOT_AT_ALL, parts(NOT_ATTEMPTED, None, NOT_ATTEMPTED, None), False),
        (400, NOT_AT_ALL, parts(FAILURE, OUTDATED, FAILURE, (-1007, "Timeout waiting for response.")), False),
        (400, NOT_AT_ALL, parts(FAILURE, OUTDATED, "PERHAPS", None), False),
        (400, NOT_AT_ALL, None, False),
        (503, NOT_AT_ALL, parts(FAILURE, OUTDATED, NOT_ATTEMPTED, None), False),
    ],
)
def test_of_a_replacement_both_parts_must_have_failed_by_the_clock_or_not_been_tried(
    status: int, error: tuple[int, str], data: dict[str, Any] | None, expected: bool
) -> None:
    answer = response(status, error, data)
    assert is_turned_away_by_the_clock(Method.ORDER_CANCEL_REPLACE, answer) is expected


@pytest.mark.parametrize(
    ("error", "expected"), [(AHEAD, True), (OUTDATED, False), (FAR_AHEAD, None), ((-1021, "Other words."), None)]
)
def test_which_way_the_clock_was_wrong_is_in_the_words(error: tuple[int, str], expected: bool | None) -> None:
    assert is_ahead(*error) is expected
