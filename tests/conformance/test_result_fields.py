"""field_types.json, every path of every response: the name is known here, and the JSON that stands there is what the
field takes. And the other way: no field of ours was invented."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import msgspec
import pytest

from dogwatch.actors.spot.envelope import RateLimitUsage, Response
from dogwatch.actors.spot.errors import ExchangeError
from dogwatch.actors.spot.exchange_info import Filter, UnknownFilter
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.request import Request
from dogwatch.actors.spot.requests import REQUESTS, request_of
from dogwatch.actors.spot.results import (
    AccountStatus,
    AmendedOrder,
    CancelReplaceResult,
    OrderListReport,
    OrderReport,
    PreventedMatch,
    ReportedPreventedMatch,
    Ticker,
    decode_book_tickers,
    decode_price_tickers,
    decode_reference_price,
    decode_routed_orders,
    decode_tickers,
)
from tests.conformance.field_types import Owner, Place, misfits, places
from tests.conformance.reference import needs_reference, reference

pytestmark = needs_reference

ONE_OR_MANY = {decode_tickers, decode_price_tickers, decode_book_tickers, decode_routed_orders}
MAY_BE_AN_ERROR = {decode_reference_price}
WITHOUT_AN_ENVELOPE = {Method.TICKER: Ticker}
"""What is printed among the responses besides: two members of a result, to explain them. Elsewhere it is errors."""


class ErrorOfAPart(msgspec.Struct):
    """An error within the data of an error. It has no data of its own."""

    code: int
    msg: str


RAW: Mapping[Owner, Any] = {
    (Response, "rate_limits_raw"): tuple[RateLimitUsage, ...],
    (ExchangeError, "data"): CancelReplaceResult,
    (CancelReplaceResult, "cancel_response"): OrderReport | OrderListReport | ErrorOfAPart,
    (CancelReplaceResult, "new_order_response"): OrderReport | ErrorOfAPart | None,
}

FILTERS = {str(kind.__struct_config__.tag): kind for kind in get_args(Filter) if kind is not UnknownFilter}
"""Few of them are in an example of a response: filters.json has them all."""

CONDITIONAL = "expiry_reason peg_offset_type peg_offset_value peg_price_type pegged_price"
AMENDED = (
    "stop_price iceberg_quantity strategy_id strategy_type trailing_delta trailing_time_ms peg_price_type "
    "peg_offset_type peg_offset_value pegged_price used_sor working_floor"
)
SELF_TRADE = "prevented_match_id maker_order_id price taker_prevented_quantity maker_prevented_quantity maker_symbol"
IN_NO_EXAMPLE: set[Owner] = {
    # conditional_fields.json; that they are read is tested in test_documented_results.py.
    *((OrderReport, name) for name in CONDITIONAL.split()),
    # The same conditions, as the SBE schema (3:4, OrderAmendKeepPriorityResponse) has them for an amended order.
    *((AmendedOrder, name) for name in AMENDED.split()),
    # The FAQ on self trade prevention.
    (AccountStatus, "trade_group_id"),
    *((OrderReport, name) for name in ("prevented_matches", "trade_group_id")),
    *((ReportedPreventedMatch, name) for name in SELF_TRADE.split()),
    (PreventedMatch, "taker_prevented_quantity"),
}


def result_places(request: type[Request[Any]]) -> Iterator[Place]:
    """Every place of a response's result, at `$`."""
    kind = get_args(request.__orig_bases__[0])[0]  # type: ignore[attr-defined] # typing sets it
    yield from places(kind, raw=RAW)
    if request.declaration.decode in ONE_OR_MANY:
        yield from places(get_args(kind)[0], raw=RAW)
    if request.declaration.decode in MAY_BE_AN_ERROR:
        yield from places(ExchangeError, raw=RAW)


def our_places(request: type[Request[Any]], is_rest: bool) -> Iterator[Place]:
    """Every place of a response: over REST of a result or an error, over WebSocket of the envelope around it too."""
    if is_rest:
        yield from result_places(request)
        yield from places(ExchangeError, raw=RAW)
        return
    yield from places(Response, raw=RAW)
    for place in result_places(request):
        yield place._replace(path=place.path.replace("$", "$.result", 1))
    yield from places(WITHOUT_AN_ENVELOPE.get(request.declaration.method, ExchangeError), raw=RAW)


Case = tuple[type[Request[Any]], bool, dict[str, dict[str, int]]]


def cases() -> Iterator[tuple[str, Case]]:
    """Each request with the paths that stand in the examples of its responses, of WebSocket and of REST."""
    for name, method in reference("field_types").get("ws", {}).items():
        yield name, (request_of(Method(name)), False, method["paths"])
    endpoints = ((request.declaration.endpoint, request) for request in REQUESTS)
    requests = {f"{endpoint.verb} {endpoint.path}": request for endpoint, request in endpoints if endpoint is not None}
    for name, endpoint in reference("field_types").get("rest", {}).items():
        yield name, (requests[name], True, endpoint["paths"])


CASES = dict(cases())


@pytest.mark.parametrize("name", CASES)
def test_every_documented_path_is_known_and_takes_what_stands_there(name: str) -> None:
    request, is_rest, documented = CASES[name]
    assert documented
    assert misfits(our_places(request, is_rest), documented) == []


def test_no_field_of_a_result_was_invented() -> None:
    ours: set[Owner] = set()
    documented: set[Owner] = set()
    for request, is_rest, paths in CASES.values():
        owned = {(place.owner, place.path) for place in our_places(request, is_rest) if place.owner is not None}
        ours |= {owner for owner, _ in owned if owner[0] not in FILTERS.values()}
        documented |= {owner for owner, path in owned if path in paths}
    assert ours - documented == IN_NO_EXAMPLE


def test_every_filter_has_the_documented_fields_and_no_others() -> None:
    documented = {filter_["filter"]: filter_["fields"] for filter_ in reference("filters")["filters"]}
    assert documented.keys() == FILTERS.keys()
    for name, kind in FILTERS.items():
        owned = [place for place in places(kind) if place.owner is not None]
        ours = {place.path.removeprefix("$."): kind for place in owned for kind in place.kinds}
        assert documented[name] == {field: kind.split(":")[0] for field, kind in ours.items()}
