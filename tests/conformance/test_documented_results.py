"""Every response of the documentation, WebSocket and REST: it decodes by its request's declaration, and what comes out
is written back as the same JSON: numbers, texts, and what is there at all."""

import json
from collections.abc import Container, Iterator
from typing import Any

import msgspec
import pytest

from dogwatch.actors.spot.cancel_replace import Canceled, CancelPart, NotAttempted, Placed, PlacingPart, judge
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import ExchangeError, Rejected
from dogwatch.actors.spot.exchange_info import UnknownFilter
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.outcome import NotExecuted, Refused
from dogwatch.actors.spot.request import Request
from dogwatch.actors.spot.requests import REQUESTS, request_of
from dogwatch.actors.spot.results import CancelReplaceResult, MyFilters, OrderReport, decode_result
from dogwatch.actors.spot.wire_form import wire_form
from tests.conformance.reference import needs_reference, reference

pytestmark = needs_reference

# What is not written back as it is printed, by method or endpoint and the number of the example.
ABRIDGED = {"GET /api/v3/exchangeInfo 0": "rateLimits is printed with an empty object in the place of all limits"}
NO_RESPONSES = {"ticker 0": "two members of a result, printed to explain what they are"}
REFUSALS_IN_RESULTS = {
    "referencePrice 2": "an error in the place of the result, with status 200: raised as the refusal that it is",
    "GET /api/v3/referencePrice 2": "the same; the status is not printed",
}

Example = tuple[str, type[Request[Any]], Any]


def of_websocket() -> Iterator[Example]:
    for method in reference("ws_api").get("methods", []):
        for number, example in enumerate(method["responses"]):
            yield f"{method['method']} {number}", request_of(Method(method["method"])), example["json"]


def of_rest() -> Iterator[Example]:
    endpoints = ((request.declaration.endpoint, request) for request in REQUESTS)
    requests = {f"{endpoint.verb} {endpoint.path}": request for endpoint, request in endpoints if endpoint is not None}
    for endpoint in reference("rest_api").get("endpoints", []):
        name = f"{endpoint['verb']} {endpoint['path']}"
        for number, example in enumerate(endpoint["responses"]):
            yield f"{name} {number}", requests[name], example["json"]


def is_error(body: Any) -> bool:
    return isinstance(body, dict) and "code" in body


def results() -> Iterator[Example]:
    """What is said of a success: what stands in the envelope of WebSocket, the whole body of REST."""
    for name, request, example in of_websocket():
        if "result" in example:
            yield name, request, example["result"]
    for name, request, body in of_rest():
        if not is_error(body) or name in REFUSALS_IN_RESULTS:
            yield name, request, body


def errors() -> Iterator[Example]:
    """The error objects: a few of WebSocket are printed without their envelope."""
    for name, request, example in of_websocket():
        if "error" in example or is_error(example):
            yield name, request, example.get("error", example)
    for name, request, body in of_rest():
        if is_error(body) and name not in REFUSALS_IN_RESULTS:
            yield name, request, body


def cases(
    examples: Iterator[Example], *, without: Container[str] = (), only: Container[str] | None = None
) -> list[Any]:
    chosen = (case for case in examples if case[0] not in without and (only is None or case[0] in only))
    return [pytest.param(*case, id=case[0]) for case in chosen]


def wire(value: Any) -> bytes:
    return json.dumps(value).encode()


def exactly(value: Any) -> str:
    """JSON values compare as text: in Python `1 == True == 1.0`."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def written_back(value: object, body: Any) -> Any:
    """The wire form of a value; a tuple of one where the wire sends the one without an array."""
    form = wire_form(value)
    if isinstance(value, tuple) and isinstance(body, dict):
        [form] = form
    return form


@pytest.mark.parametrize(("name", "request_type", "body"), cases(results(), without=ABRIDGED | REFUSALS_IN_RESULTS))
def test_every_documented_result_is_read_and_written_back(
    name: str, request_type: type[Request[Any]], body: Any
) -> None:
    assert exactly(written_back(request_type.decode(wire(body)), body)) == exactly(body)


@pytest.mark.parametrize(("name", "request_type", "body"), cases(results(), only=ABRIDGED))
def test_an_abridged_result_is_written_back_without_what_is_abridged(
    name: str, request_type: type[Request[Any]], body: Any
) -> None:
    whole = {**body, "rateLimits": []}
    assert body["rateLimits"] == [{}], "it is printed in full by now"
    assert exactly(wire_form(request_type.decode(wire(whole)))) == exactly(whole)


@pytest.mark.parametrize(("name", "request_type", "body"), cases(results(), only=REFUSALS_IN_RESULTS))
def test_a_refusal_in_the_place_of_a_result_is_raised(name: str, request_type: type[Request[Any]], body: Any) -> None:
    with pytest.raises(Rejected) as refused:
        request_type.decode(wire(body))
    assert (refused.value.code, refused.value.wording) == (body["code"], body["msg"])


@pytest.mark.parametrize(("name", "request_type", "body"), cases(errors()))
def test_every_documented_error_is_read_and_written_back(
    name: str, request_type: type[Request[Any]], body: Any
) -> None:
    error = decode_result(wire(body), ExchangeError)
    assert exactly(wire_form(error)) == exactly(body)
    assert error.facts.name != "UNLISTED"


@pytest.mark.parametrize(("name", "_request", "example"), cases(of_websocket()))
def test_every_documented_frame_is_an_answer_or_an_error_alone(
    name: str, _request: type[Request[Any]], example: Any
) -> None:
    if "id" not in example:
        assert is_error(example) or name in NO_RESPONSES
        return
    frame = decode_frame(wire(example))
    assert isinstance(frame, Response)
    assert (frame.id, frame.status, frame.is_ok) == (example["id"], example["status"], "result" in example)
    assert exactly(wire_form(frame.rate_limits)) == exactly(example.get("rateLimits", []))
    assert exactly(wire_form(frame.result) if frame.is_ok else None) == exactly(example.get("result"))


def replacements() -> Iterator[tuple[str, int, Any]]:
    """The answers to a cancelReplace that tell of its parts: name, status, and the result or the error."""
    for name, _, example in of_websocket():
        if name.startswith("order.cancelReplace ") and "data" in example.get("error", {"data": ...}):
            yield name, example["status"], example.get("error", example.get("result"))


@pytest.mark.parametrize(("name", "status", "body"), list(replacements()))
def test_the_parts_of_a_replacement_are_what_their_own_methods_would_have_answered(
    name: str, status: int, body: Any
) -> None:
    error = decode_result(wire(body), ExchangeError) if is_error(body) else None
    said = body["data"] if is_error(body) else body
    parts = decode_result(wire(said), CancelReplaceResult)
    assert exactly(wire_form(parts)) == exactly(said)
    result = msgspec.Raw(b"") if error is not None else msgspec.Raw(wire(body))
    outcome = judge(Response(id=1, status=status, result=result, error=error))
    assert exactly(part_form(outcome.cancel)) == exactly(said["cancelResponse"])
    assert exactly(part_form(outcome.placing)) == exactly(said["newOrderResponse"])


def part_form(part: CancelPart | PlacingPart) -> Any:
    match part:
        case Canceled() | Placed():
            return wire_form(part.report)
        case Refused() | NotExecuted():
            return {"code": part.code, "msg": part.wording}
        case NotAttempted():
            return None
        case _:
            raise AssertionError(f"nobody knows what became of it: {part}")


def test_every_method_and_every_endpoint_shows_at_least_one_result() -> None:
    shown = {request_type for _, request_type, _ in results()}
    assert shown == set(REQUESTS)
    assert len({name.rsplit(" ", 1)[0] for name, _, _ in results()}) == 55 + 48


def test_every_exception_is_about_an_example() -> None:
    names = {name for name, _, _ in (*of_websocket(), *of_rest())}
    assert {*ABRIDGED, *NO_RESPONSES, *REFUSALS_IN_RESULTS} <= names
    assert not {*NO_RESPONSES} & {name for name, _, _ in (*results(), *errors())}


@pytest.mark.parametrize("page", ["ws_api", "rest_api"])
def test_every_conditional_field_of_an_order_is_read_and_written_back(page: str) -> None:
    ack = {"symbol": "BTCUSDT", "orderId": 1, "orderListId": -1, "clientOrderId": "a"}
    fields = [field for table in reference("conditional_fields")[page] for field in table["fields"]]
    assert len(fields) >= 15
    for field in fields:
        body = {**ack, **json.loads(f"{{{field['example']}}}")}
        assert exactly(wire_form(decode_result(wire(body), OrderReport))) == exactly(body)


def test_every_documented_filter_is_read_and_written_back() -> None:
    filters = [filter_["example"] for filter_ in reference("filters")["filters"]]
    assert len(filters) == 20
    body = {"exchangeFilters": filters, "symbolFilters": [], "assetFilters": []}
    mine = decode_result(wire(body), MyFilters)
    assert not any(isinstance(filter_, UnknownFilter) for filter_ in mine.exchange_filters)
    assert exactly(wire_form(mine)) == exactly(body)
