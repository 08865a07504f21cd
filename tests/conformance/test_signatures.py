"""The published sample keys give the published signatures, over the WebSocket and over REST."""

import base64
from typing import Any

import pytest

from dogwatch.actors.spot.keys import load_ed25519_private_key
from dogwatch.actors.spot.signing import Ed25519Signer, HmacSigner, Signer, payload
from tests.conformance.reference import needs_reference, reference

pytestmark = needs_reference

VECTORS: list[dict[str, Any]] = reference("signatures").get("vectors", [])


def signer_of(vector: dict[str, Any]) -> Signer:
    api_key = vector.get("apiKey") or vector["params"].get("apiKey") or "unused"
    if vector["algo"] == "HMAC-SHA256":
        return HmacSigner(api_key, vector["secret"])
    der = base64.b64decode(vector["pkcs8_der_base64"])
    pem = b"-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(der) + b"\n-----END PRIVATE KEY-----\n"
    return Ed25519Signer(api_key, load_ed25519_private_key(pem))


def test_there_are_samples_of_both_transports() -> None:
    assert {(vector["api"], vector["algo"]) for vector in VECTORS} == {
        (api, algorithm) for api in ("ws", "rest") for algorithm in ("HMAC-SHA256", "Ed25519")
    }


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_a_published_text_gives_the_published_signature(vector: dict[str, Any]) -> None:
    assert signer_of(vector).signature(vector["payload"].encode()) == vector["signature"]


OVER_WEBSOCKET = [vector for vector in VECTORS if vector["api"] == "ws"]


@pytest.mark.parametrize("vector", OVER_WEBSOCKET, ids=[vector["id"] for vector in OVER_WEBSOCKET])
def test_published_parameters_are_signed_as_published(vector: dict[str, Any]) -> None:
    params = {name: value for name, value in vector["params"].items() if name != "apiKey"}
    assert payload(vector["params"]) == vector["payload"]
    assert signer_of(vector).sign(params) == {**vector["params"], "signature": vector["signature"]}
