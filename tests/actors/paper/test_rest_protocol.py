"""The REST envelope without HTTP: what was signed, what is read, and that nothing whatever is more than an error."""

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from dogwatch.actors.paper.keys import Ed25519Key, HmacKey
from dogwatch.actors.paper.refusals import Refused
from dogwatch.actors.paper.rest_endpoints import METHOD_OF
from dogwatch.actors.paper.rest_protocol import RestProtocol, RestRequest, read_params, signed_payload
from tests.actors.paper.counter import NOW_MS, Counter
from tests.conformance.reference import needs_reference, reference

# REST API, "SIGNED Endpoint Examples for POST /api/v3/order".
QUERY = b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC"
BODY = b"quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"


def post(query: bytes = b"", body: bytes = b"", **headers: str) -> RestRequest:
    return RestRequest(verb="POST", path="/api/v3/order", query=query, body=body, **headers)


@pytest.mark.parametrize(
    ("request_", "payload"),
    [
        (post(QUERY + b"&" + BODY + b"&signature=x"), QUERY + b"&" + BODY),
        (post(b"", QUERY + b"&" + BODY + b"&signature=x"), QUERY + b"&" + BODY),
        (post(QUERY, BODY + b"&signature=x"), QUERY + BODY),
        (post(b"signature=x&" + QUERY, BODY), QUERY + BODY),
        (post(b"newClientOrderId=signature%3D&a=1"), b"newClientOrderId=signature%3D&a=1"),
        (post(QUERY, b"{}", content_type="application/json"), QUERY),
        (RestRequest(verb="GET", path="/api/v3/order", query=QUERY, body=BODY), QUERY),
    ],
)
def test_what_was_signed_is_what_was_sent_without_the_signature(request_: RestRequest, payload: bytes) -> None:
    assert signed_payload(request_) == payload


def test_a_plus_is_a_space_and_percents_are_text() -> None:
    assert read_params(post(b"a=1+2&b=%2B&c=%EF%BC%91&d=")) == {"a": "1 2", "b": "+", "c": "１", "d": ""}


@pytest.mark.parametrize(("query", "code"), [(b"a=%FF", -1100), (b"\xff=1", -1100), (b"a=1&a=1", -1101)])
def test_what_cannot_be_read_is_refused(query: bytes, code: int) -> None:
    with pytest.raises(Refused) as refusal:
        read_params(post(query))
    assert refusal.value.code == code


@needs_reference
def test_the_published_rest_signatures_are_valid() -> None:
    vectors = [vector for vector in reference("signatures")["vectors"] if vector["api"] == "rest"]
    assert vectors
    for vector in vectors:
        payload, signature = vector["payload"].encode(), vector["signature"]
        if vector["algo"] == "Ed25519":
            seed = base64.b64decode(vector["pkcs8_der_base64"])[-32:]
            key: Any = Ed25519Key(api_key="k", account="main", verify_key=SigningKey(seed).verify_key)
            sent = vector["signature_in_url"]
        else:
            key, sent = HmacKey(api_key="k", account="main", secret=vector["secret"]), signature
        request = post(payload + b"&signature=" + sent.encode())
        assert read_params(request)["signature"] == signature
        assert key.verify(signed_payload(request), signature)
        assert not key.verify(signed_payload(request) + b"&", signature)


def answer(counter: Counter, request: RestRequest) -> Any:
    return RestProtocol(counter.service).answer(request, lambda _: counter.connect(), NOW_MS * 1000)


names = st.sampled_from(["symbol", "symbols", "limit", "interval", "timestamp", "signature", "windowSize", "type", "x"])
values = st.sampled_from(["BTCUSDT", "%5B%22BTCUSDT%22%5D", "%5B", "1", "1d", "%FF", "", "%00", "+", "LIMIT", "9" * 30])
forms = st.lists(st.tuples(names, values), max_size=6).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs).encode()
)


@settings(max_examples=100)
@given(place=st.sampled_from(sorted(METHOD_OF)), query=forms | st.binary(), body=forms | st.binary(), key=st.text())
def test_no_request_whatever_is_more_than_an_error(place: tuple[str, str], query: bytes, body: bytes, key: str) -> None:
    verb, path = place
    request = RestRequest(verb=verb, path=path, query=query, body=body, api_key=key)
    reply = answer(SHARED, request)
    assert 200 <= reply.status < 500
    msgspec.json.decode(reply.payloads[0])


SHARED = Counter(request_weight_per_minute=10**9)
