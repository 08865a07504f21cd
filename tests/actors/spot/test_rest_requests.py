"""Requests over REST: the documented signatures come out as documented, and what is signed is what is sent."""

import base64
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.actors.spot.methods import Method, Params, Security
from dogwatch.actors.spot.request import Declaration, Endpoint
from dogwatch.actors.spot.rest_requests import RestRequest, encoded, rest_request
from tests.actors.spot.test_signing import ED25519, HMAC, RSA, RSA_KEY
from tests.conformance.reference import needs_reference, reference

AT_MS = 1_668_481_559_918


def declared(
    verb: Any = "GET", path: str = "/api/v3/order", *, security: Security = Security.NONE, method: Any = "order.status"
) -> Declaration:
    return Declaration(
        method=Method(method),
        section="",
        security=security,
        weight=1,
        endpoint=Endpoint(verb=verb, path=path),
    )


PLACING = declared("POST", security=Security.TRADE, method="order.place")


def header(request: RestRequest, name: str) -> str | None:
    return dict(request.headers).get(name)


@needs_reference
@pytest.mark.parametrize(
    "vector",
    [vector for vector in reference("signatures").get("vectors", ()) if vector["api"] == "rest"],
    ids=lambda vector: str(vector["id"]),
)
def test_the_documented_signatures_come_out(vector: dict[str, Any]) -> None:
    assert encoded(vector["params"]) == vector["payload"]
    signer = HMAC if vector["algo"] == "HMAC-SHA256" else ED25519
    assert signer.signature(vector["payload"].encode()) == vector["signature"]


def test_an_order_goes_into_the_body_as_it_was_signed_and_its_signature_comes_last() -> None:
    params: Params = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC"}
    params |= {"quantity": "1", "price": "0.2"}
    request = rest_request(PLACING, params, signer=ED25519, timestamp_ms=AT_MS, recv_window_ms=5_000)
    assert (request.verb, request.target) == ("POST", "/api/v3/order")
    # The signature that the documentation prints for this order, percent-encoded.
    assert request.body == (
        b"symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2"
        b"&timestamp=1668481559918&recvWindow=5000"
        b"&signature=inDT086KVIP8vgUfw5sV3VTkescWztiAGlf4x8FLKHM4NInsn0c1kYVLoGMO8cyjfR6vmTku2YQE0gtfVVlfCw%3D%3D"
    )
    assert header(request, "X-MBX-APIKEY") == ED25519.api_key
    assert header(request, "Content-Type") == "application/x-www-form-urlencoded"


def test_an_rsa_signature_is_one_of_the_text_as_it_is_sent() -> None:
    request = rest_request(PLACING, {"symbol": "１２３４５６"}, signer=RSA, timestamp_ms=AT_MS)
    sent, _, signature = request.body.partition(b"&signature=")
    assert not set(signature) & set(b"+/=")
    RSA_KEY.public_key().verify(base64.b64decode(unquote(signature.decode())), sent, padding.PKCS1v15(), SHA256())


@pytest.mark.parametrize("verb", ["GET", "DELETE"])
def test_what_asks_and_what_deletes_has_its_parameters_in_the_address(verb: str) -> None:
    declaration = declared(verb, security=Security.USER_DATA)
    request = rest_request(declaration, {"symbol": "BTCUSDT"}, signer=HMAC, timestamp_ms=AT_MS)
    assert request.body == b""
    assert request.target.startswith(f"/api/v3/order?symbol=BTCUSDT&timestamp={AT_MS}&signature=")
    assert header(request, "Content-Type") is None


@pytest.mark.parametrize("verb", ["POST", "PUT"])
def test_what_places_and_what_amends_has_its_parameters_in_the_body(verb: str) -> None:
    declaration = declared(verb, security=Security.TRADE)
    request = rest_request(declaration, {"symbol": "BTCUSDT"}, signer=HMAC, timestamp_ms=AT_MS)
    assert request.query == ""
    assert request.body.startswith(f"symbol=BTCUSDT&timestamp={AT_MS}&signature=".encode())


def test_what_is_public_is_neither_signed_nor_shows_a_key() -> None:
    request = rest_request(declared(path="/api/v3/depth"), {"symbol": "BTCUSDT", "limit": 5}, signer=HMAC)
    assert request.target == "/api/v3/depth?symbol=BTCUSDT&limit=5"
    assert request.headers == ()


def test_without_parameters_there_is_no_question_mark() -> None:
    assert rest_request(declared(path="/api/v3/ping"), {}).target == "/api/v3/ping"


def test_times_are_asked_for_in_microseconds_by_a_header() -> None:
    request = rest_request(declared(), {}, time_unit="MICROSECOND")
    assert request.headers == (("X-MBX-TIME-UNIT", "MICROSECOND"),)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"symbols": ["BTCUSDT", "币安"]}, "symbols=%5B%22BTCUSDT%22%2C%22%E5%B8%81%E5%AE%89%22%5D"),
        ({"omitZeroBalances": True, "limit": 5}, "omitZeroBalances=true&limit=5"),
        ({"newClientOrderId": "a.b:c/d_e-f"}, "newClientOrderId=a.b%3Ac%2Fd_e-f"),
        ({"a": "one two&three=four+five%"}, "a=one%20two%26three%3Dfour%2Bfive%25"),
        ({"email": "Ann.Lee+Spot@Example.COM"}, "email=ann.lee%2Bspot%40example.com"),
        ({"toEmail": "A@B"}, "toEmail=a%40b"),
    ],
)
def test_values_are_percent_encoded_and_lists_are_json(params: Params, text: str) -> None:
    assert encoded(params) == text


@settings(max_examples=50)
@given(st.dictionaries(st.from_regex(r"[a-z][A-Za-z]{0,8}", fullmatch=True), st.text(max_size=12), max_size=5))
def test_whatever_is_sent_is_read_as_it_was_meant_and_signed_as_it_was_sent(params: dict[str, str]) -> None:
    params = {name: value for name, value in params.items() if not name.lower().endswith("email")}
    reserved = {"timestamp", "signature", "recvWindow"}
    params = {name: value for name, value in params.items() if name not in reserved}
    request = rest_request(declared(security=Security.USER_DATA), dict(params), signer=HMAC, timestamp_ms=AT_MS)
    assert request.query.isascii()
    sent, _, signature = request.query.rpartition("&signature=")
    assert signature == HMAC.signature(sent.encode())
    read = parse_qsl(sent, keep_blank_values=True, strict_parsing=True)
    assert read == [*params.items(), ("timestamp", str(AT_MS))]


def test_a_number_with_more_than_one_spelling_is_not_sent() -> None:
    wrong: Any = {"price": 0.1}
    with pytest.raises(TypeError, match="price cannot be sent: a float"):
        encoded(wrong)


def test_what_only_the_websocket_has_is_refused_by_name() -> None:
    declaration = Declaration(method=Method.SESSION_LOGON, section="", weight=2)
    with pytest.raises(ValueError, match=r"session\.logon exists on the WebSocket API only"):
        rest_request(declaration, {})


def test_what_needs_a_key_is_refused_without_one() -> None:
    with pytest.raises(ValueError, match=r"order\.place needs an API key"):
        rest_request(PLACING, {})


def test_a_request_shows_neither_key_nor_signature() -> None:
    request = rest_request(PLACING, {"symbol": "BTCUSDT"}, signer=HMAC, timestamp_ms=AT_MS)
    assert repr(request) == str(request) == "<RestRequest POST /api/v3/order>"
