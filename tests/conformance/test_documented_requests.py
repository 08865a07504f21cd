"""Every declaration agrees with the documentation: parameters, security, weights, REST; and every documented request
can be made of the typed one."""

import json
from collections.abc import Iterator
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from dogwatch.actors.spot.methods import Method, Params, Security
from dogwatch.actors.spot.parameters import without_none
from dogwatch.actors.spot.request import Declaration, Request
from dogwatch.actors.spot.request_frames import encode_request
from dogwatch.actors.spot.requests import DECLARATIONS, REQUESTS, Endpoint, request_of
from tests.conformance.reference import needs_reference, reference

pytestmark = needs_reference

METHODS: dict[str, Any] = {entry["method"]: entry for entry in reference("ws_api").get("methods", ())}
ENDPOINTS: dict[str, Any] = {
    f"{entry['verb']} {entry['path']}": entry for entry in reference("rest_api").get("endpoints", ())
}
WEIGHTS: dict[str, Any] = reference("weights")

BY_THE_SENDER = {"apiKey", "signature", "timestamp", "recvWindow"}
"""What no request has: whoever sends it adds them."""

EITHER: dict[str, set[str]] = {
    "order.cancel": {"orderId", "origClientOrderId"},
    "order.cancelReplace": {"cancelOrderId", "cancelOrigClientOrderId"},
    "order.status": {"orderId", "origClientOrderId"},
    "orderList.cancel": {"orderListId", "listClientOrderId"},
    "orderList.place": {"stopPrice", "trailingDelta"},
    "ticker": {"symbol", "symbols"},
    "ticker.tradingDay": {"symbol", "symbols"},
}
"""Called mandatory, of which one is enough: they have a default, and `check` demands one of them."""

WHOLE_ORDER = {"order.test": "order.place", "sor.order.test": "sor.order.place"}
"""Documented as all parameters of the other and `computeCommissionRates`."""

KINDS: dict[str, set[Any]] = {
    "STRING": {str},
    "ENUM": {str},
    "INT": {int},
    "LONG": {int},
    "DECIMAL": {Decimal},
    "BOOLEAN": {bool},
    "ARRAY of STRING": {tuple},
}
OTHER_KINDS: dict[str, Any] = {
    "symbols": tuple,  # executionRules calls it a string; its weight is by symbol, and REST reads an array
    "aboveIcebergQty": Decimal,  # quantities, called whole numbers for one method
    "belowIcebergQty": Decimal,
    "trailingDelta": int,  # basis points, called decimals in some tables
    "pendingTrailingDelta": int,
    "pendingAboveTrailingDelta": int,
    "pendingBelowTrailingDelta": int,
}
"""Where a table contradicts the others, or the sense."""

RESPELLED: dict[str, Params] = {
    # We send amounts as text only, so that no digit depends on how somebody reads a JSON number.
    "orderList.place.oco": {"quantity": "1"},
    "orderList.place.oto": {"pendingQuantity": "1", "workingPrice": "1", "workingQuantity": "1"},
    "orderList.place.otoco": {
        "pendingQuantity": "5",
        "pendingBelowPrice": "5",
        "pendingAboveStopPrice": "0.5",
        "workingPrice": "1.5",
        "workingQuantity": "1",
    },
    "sor.order.place": {"quantity": "0.5", "price": "31000"},
    "sor.order.test": {"quantity": "0.1", "price": "0.1"},
    # Ids are whole numbers everywhere else.
    "order.amendments": {"orderId": 23},
}
"""What an example spells in a way that we do not use."""

COUNTED_AS_EXAMPLE: dict[str, int] = {"orderList.place": 2}
"""The text of the method says 1; its example counts both orders, and so does REST."""


def kind_of(hint: Any) -> Any:
    """str, int, bool, Decimal or tuple: what a parameter is on the wire."""
    hint = without_none(hint)
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, UnionType):
        return Decimal
    origin = get_origin(hint) or hint
    if origin is tuple:
        return tuple
    return str if origin not in (int, bool) else origin


def documented_parameters(method: str) -> dict[str, Any]:
    rows = METHODS[method]["parameters"] or []
    if method in WHOLE_ORDER:
        rows = [*METHODS[WHOLE_ORDER[method]]["parameters"], *rows]
    return {row["name"]: row for row in rows if row["name"] not in BY_THE_SENDER}


def fields_of(request: type[Request[Any]]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(request)}


def titled(entry: Any) -> str:
    """The heading without the security that stands behind it."""
    return str(entry["section"][-1]).partition(" (")[0]


def test_all_methods_and_all_endpoints_are_declared_once() -> None:
    assert [request.declaration.method for request in REQUESTS] == list(METHODS)
    declared = [endpoint_of(declaration) for declaration in DECLARATIONS.values() if declaration.endpoint]
    assert sorted(declared) == sorted(ENDPOINTS)


def endpoint_of(declaration: Declaration) -> str:
    assert isinstance(declaration.endpoint, Endpoint)
    return f"{declaration.endpoint.verb} {declaration.endpoint.path}"


@pytest.mark.parametrize("method", Method)
def test_a_request_has_the_documented_parameters_and_no_other(method: Method) -> None:
    request, documented = request_of(method), documented_parameters(method)
    fields, hints = fields_of(request), get_type_hints(request, include_extras=True)
    assert fields.keys() == documented.keys()
    assert request.declaration.section == titled(METHODS[method])
    for name, row in documented.items():
        is_mandatory = row["mandatory"].startswith("YES") and name not in EITHER.get(method, ())
        assert fields[name].required is is_mandatory, name
        kind = kind_of(hints[fields[name].name])
        assert kind is OTHER_KINDS.get(name) or kind in KINDS[row["type"]], name


@pytest.mark.parametrize("method", [method for method in Method if DECLARATIONS[method].endpoint])
def test_rest_has_the_same_parameters(method: Method) -> None:
    rows = ENDPOINTS[endpoint_of(DECLARATIONS[method])]["parameters"] or []
    names = {row["name"] for row in rows} - BY_THE_SENDER
    if method in WHOLE_ORDER:
        whole = ENDPOINTS[endpoint_of(DECLARATIONS[Method(WHOLE_ORDER[method])])]["parameters"]
        names |= {row["name"] for row in whole} - BY_THE_SENDER
    assert names == fields_of(request_of(method)).keys()
    required = {name for name, field in fields_of(request_of(method)).items() if field.required}
    mandatory = {row["name"] for row in rows if row["mandatory"] == "YES"} - BY_THE_SENDER
    assert required >= mandatory - EITHER.get(method, set())


@pytest.mark.parametrize("method", Method)
def test_what_a_method_demands_is_what_the_documentation_says(method: Method) -> None:
    declaration, entry = DECLARATIONS[method], METHODS[method]
    if declaration.security is Security.SIGNED:
        # Our name for what is signed even by somebody who is logged on; documented as a kind of USER_STREAM.
        assert method in ("session.logon", "userDataStream.subscribe.signature")
        assert entry["requires_api_key"]
    else:
        assert declaration.security.value == entry["security"]
        assert (declaration.security is not Security.NONE) is entry["requires_api_key"]
    assert declaration.security.needs_timestamp is entry["signed"] or method == "userDataStream.subscribe.signature"
    if declaration.endpoint is not None:
        assert ENDPOINTS[endpoint_of(declaration)]["security"] == entry["security"]


def weighings(rule: Any) -> Iterator[tuple[Params, int]]:
    """Parameters, and what a request with them weighs by one rule of the documentation."""
    kind = rule["kind"]
    if kind == "fixed":
        yield {}, rule["weight"]
        yield {"symbol": "A", "limit": 1, "orderId": 1}, rule["weight"]
    elif kind == "flag":
        yield {}, rule["without"]
        yield {rule["param"]: 0 if rule["param"] == "orderId" else True}, rule["with"]
    elif kind == "limit":
        steps = rule["steps"]
        yield {}, next(weight for most, weight in steps if rule["default_limit"] <= most)
        for (low, _), (most, weight) in zip([[0, 0], *steps], steps, strict=False):
            yield {"limit": low + 1}, weight
            yield {"limit": most}, weight
    elif kind == "symbol_count":
        yield {}, rule["none"]
        yield {"symbol": "A"}, rule["steps"][0][1]
        low = 0
        for most, weight in rule["steps"]:
            for number in {low + 1, most or low + 100}:
                yield {"symbols": ["A"] * number}, weight
            low = most
    elif kind == "case":
        yield {"symbol": "A", "preventedMatchId": 0}, rule["preventedMatchId"]
        yield {"symbol": "A", "orderId": 0}, rule["orderId"]
    else:
        yield from weighings_by_symbols(rule)


def weighings_by_symbols(rule: Any) -> Iterator[tuple[Params, int]]:
    assert rule["kind"] == "symbols"
    yield {"symbol": "A"}, rule["symbol"]
    if "none" in rule:
        yield {}, rule["none"]
    if "symbolStatus" in rule:
        yield {"symbolStatus": "TRADING"}, rule["symbolStatus"]
    if "symbols" in rule:
        yield {"symbols": ["A"] * 3}, rule["symbols"]
    if "per_symbol" in rule:
        for number in (1, 2, rule["cap"] // rule["per_symbol"], rule["cap"]):
            yield {"symbols": ["A"] * number}, min(number * rule["per_symbol"], rule["cap"])


@pytest.mark.parametrize("method", Method)
def test_weights_and_counts_are_the_documented_ones(method: Method) -> None:
    declaration, entry = DECLARATIONS[method], WEIGHTS["ws"][method]
    for params, weight in weighings(entry["rule"]):
        assert declaration.weight_of(params) == weight, params
    assert declaration.orders == COUNTED_AS_EXAMPLE.get(method, entry["orders"] or 0)
    # An amend is free only if the order expires by it: a thing of its answer, not of the request.
    assert declaration.is_free_on_success is (entry["zero_on_success"] is True)
    if declaration.endpoint is not None:
        over_rest = WEIGHTS["rest"][endpoint_of(declaration)]
        assert over_rest["rule"] == entry["rule"]
        assert declaration.orders == (over_rest["orders"] or 0)


@pytest.mark.parametrize(
    ("method", "documented"),
    [(entry["method"], request["json"]) for entry in METHODS.values() for request in entry["requests"] or ()],
    ids=[entry["method"] for entry in METHODS.values() for _ in entry["requests"] or ()],
)
def test_every_documented_request_is_sent_as_it_is_printed(method: str, documented: dict[str, Any]) -> None:
    given = documented.get("params", {})
    own = {name: value for name, value in given.items() if name not in BY_THE_SENDER}
    request = msgspec.convert(own, request_of(Method(method)), strict=False)
    added: Params = {name: value for name, value in given.items() if name in BY_THE_SENDER}
    # Ids are a session's own; two of those printed have 37 characters, one more than the exchange takes.
    sent = json.loads(encode_request(1, method, {**request.params(), **added}))
    respelled = RESPELLED.get(method, {})
    assert respelled.keys() <= given.keys()
    expected = {"id": 1, "method": method, "params": {**given, **respelled}}
    if not given:
        del expected["params"]  # an empty object says as much
    assert sent == expected


def test_every_exception_is_needed() -> None:
    for method, names in EITHER.items():
        assert {row["mandatory"][:3] for name, row in documented_parameters(method).items() if name in names} == {"YES"}
    for method, respelled in RESPELLED.items():
        for example in METHODS[method]["requests"]:
            assert all(example["json"]["params"][name] != value for name, value in respelled.items())
    for method, count in COUNTED_AS_EXAMPLE.items():
        assert WEIGHTS["ws"][method]["orders"] != count
