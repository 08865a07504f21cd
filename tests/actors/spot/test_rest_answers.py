"""Answers over REST mean what the documentation says of each status, and their headers are counted like any counts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.cancel_replace import Canceled, judge
from dogwatch.actors.spot.enums import RateLimitInterval, RateLimitType
from dogwatch.actors.spot.envelope import MalformedFrame, RateLimitUsage, Response
from dogwatch.actors.spot.outcome import Accepted, NotExecuted, Outcome, Refused, Unknown, classify
from dogwatch.actors.spot.rest_answers import RestAnswer, read_answer

HTML = b"<html>\r\n<head><title>403 Forbidden</title></head><body>...</body></html>"


def limit_of(rate_limit_type: RateLimitType, interval: RateLimitInterval, count: int) -> int | None:
    known = {("REQUEST_WEIGHT", "MINUTE", 1): 6_000, ("ORDERS", "SECOND", 10): 50, ("ORDERS", "DAY", 1): 160_000}
    return known.get((rate_limit_type, interval, count))


def answered(status: int, body: bytes = b"", **headers: str) -> RestAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_answer(status, named, body, limit_of=limit_of)


def response_of(answer: RestAnswer) -> Response:
    assert isinstance(answer.response, Response)
    return answer.response


def outcome_of(status: int, body: bytes = b"") -> Outcome:
    response = response_of(answered(status, body))
    return classify(response.status, response.error)


def test_a_result_is_the_body_as_it_came() -> None:
    body = b'{"symbol":"BTCUSDT","price":"4.00000200"}'
    response = response_of(answered(200, body))
    assert response.is_ok
    assert bytes(response.result) == body
    assert bytes(response_of(answered(200, b"[]")).result) == b"[]"


@pytest.mark.parametrize("body", [b"", b"<html>login</html>", b'{"cut":', b"\xff\xfe", b"[" * 100_000])
def test_a_success_that_nobody_can_read_is_told_as_that(body: bytes) -> None:
    frame = answered(200, body).response
    assert isinstance(frame, MalformedFrame)
    assert frame.length == len(body)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b"{}", Accepted),
        (400, b'{"code":-2010,"msg":"Account has insufficient balance for requested action."}', Refused),
        (400, b'{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}', NotExecuted),
        (400, b'{"code":-1007,"msg":"Timeout waiting for response from backend server."}', Unknown),
        (401, b'{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}', NotExecuted),
        (403, HTML, NotExecuted),
        (404, b"", Refused),
        (409, b'{"code":-2021,"msg":"Order cancel-replace partially failed."}', Unknown),
        (410, b"<html>Gone</html>", Refused),
        (418, b'{"code":-1003,"msg":"Way too much request weight used; IP banned until 1659146400000."}', NotExecuted),
        (418, b"", NotExecuted),
        (429, b'{"code":-1015,"msg":"Too many new orders; current limit is 50 orders per 10 SECOND."}', NotExecuted),
        (429, b"<html>slow down</html>", NotExecuted),
        (500, b'{"code":-1000,"msg":"An unknown error occurred while processing the request."}', Unknown),
        (502, b"<html>Bad Gateway</html>", Unknown),
        (503, b'{"code":-1008,"msg":"Server is currently overloaded."}', Unknown),
        (504, b"", Unknown),
        (302, b"", Unknown),
    ],
)
def test_each_status_means_what_the_documentation_says(status: int, body: bytes, outcome: Any) -> None:
    assert isinstance(outcome_of(status, body), outcome)


def test_a_refusal_keeps_the_words_and_the_data_of_the_exchange() -> None:
    error = response_of(answered(400, b'{"code":-2022,"msg":"Order cancel-replace failed.","data":{"a":1}}')).error
    assert error is not None
    assert (error.code, error.message, error.status) == (-2022, "Order cancel-replace failed.", 400)
    assert bytes(error.data) == b'{"a":1}'


def test_a_refusal_without_a_reason_says_what_its_status_means() -> None:
    error = response_of(answered(403, HTML)).error
    assert error is not None
    assert error.message == "the firewall in front of the exchange has refused it (status 403, '403 Forbidden')"
    gone = response_of(answered(410)).error
    assert gone is not None
    assert gone.message == "this endpoint exists no more (status 410)"


def test_half_of_a_replacement_is_judged_by_its_parts() -> None:
    body = (
        b'{"code":-2021,"msg":"Order cancel-replace partially failed.","data":{"cancelResult":"SUCCESS",'
        b'"newOrderResult":"FAILURE","cancelResponse":{"symbol":"BTCUSDT","origClientOrderId":"a","orderId":1,'
        b'"orderListId":-1,"clientOrderId":"b","transactTime":1684804350068,"price":"1","origQty":"1",'
        b'"executedQty":"0","origQuoteOrderQty":"0","cummulativeQuoteQty":"0","status":"CANCELED",'
        b'"timeInForce":"GTC","type":"LIMIT","side":"BUY","selfTradePreventionMode":"NONE"},'
        b'"newOrderResponse":{"code":-2010,"msg":"Order would immediately match and take."}}}'
    )
    outcome = judge(response_of(answered(409, body)))
    assert isinstance(outcome.cancel, Canceled)
    assert isinstance(outcome.placing, Refused)


def test_headers_tell_how_much_of_each_known_limit_is_used() -> None:
    answer = answered(
        200,
        b"{}",
        x_mbx_used_weight="17",
        x_mbx_used_weight_1m="18",
        x_mbx_order_count_10s="3",
        x_mbx_order_count_1d="1234",
        x_mbx_order_count_7h="1",
        x_mbx_used_weight_1s="many",
        content_type="application/json",
    )
    assert response_of(answer).rate_limits == (
        used("REQUEST_WEIGHT", "MINUTE", 1, 6_000, 18),
        used("ORDERS", "SECOND", 10, 50, 3),
        used("ORDERS", "DAY", 1, 160_000, 1_234),
    )


def used(kind: str, interval: str, interval_count: int, limit: int, count: int) -> RateLimitUsage:
    return RateLimitUsage(
        rate_limit_type=RateLimitType(kind),
        interval=RateLimitInterval(interval),
        interval_count=interval_count,
        limit=limit,
        count=count,
    )


def test_refusals_are_counted_too() -> None:
    assert response_of(answered(400, b'{"code":-1,"msg":""}', x_mbx_used_weight_1m="7")).rate_limits[0].count == 7


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "47"}, 47.0),
        ({}, 0.0),
        ({"retry_after": "soon"}, 0.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:10 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 10.0),
    ],
)
def test_a_refusal_tells_for_how_long_nothing_may_be_sent(headers: dict[str, str], seconds: float) -> None:
    assert answered(429, b'{"code":-1003,"msg":"Too much request weight used"}', **headers).retry_after_s == seconds


@given(st.integers(100, 599), st.binary(max_size=60), st.dictionaries(st.text(max_size=24), st.text(max_size=8)))
def test_nothing_that_comes_escapes(status: int, body: bytes, headers: dict[str, str]) -> None:
    response = read_answer(status, headers, body, limit_of=limit_of).response
    if isinstance(response, Response):
        classify(response.status, response.error)
