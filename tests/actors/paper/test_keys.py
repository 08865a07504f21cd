"""Keys from a seed, and how the exchange checks signatures: published vectors, and what is not a signature."""

import base64
from typing import Any

import pytest
from nacl.signing import SigningKey

from dogwatch.actors.paper.keys import API_KEY_PATTERN, Ed25519Key, HmacKey, make_keys, signed_payload
from dogwatch.actors.spot.keys import load_ed25519_private_key

# WebSocket API, "SIGNED request example (HMAC)": the sample key of the documentation.
SAMPLE_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SAMPLE_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
ASCII_ORDER = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01000000",
    "price": "52000.00",
    "recvWindow": 100,
    "timestamp": 1645423376532,
    "apiKey": SAMPLE_KEY,
}
OTHER_ORDER = {
    "symbol": "１２３４５６",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "1.00000000",
    "price": "0.10000000",
    "recvWindow": 5000,
    "timestamp": 1645423376532,
    "apiKey": SAMPLE_KEY,
}


@pytest.mark.parametrize(
    ("params", "signature"),
    [
        (ASCII_ORDER, "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"),
        (OTHER_ORDER, "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"),
    ],
    ids=["ascii", "non-ascii"],
)
def test_the_published_hmac_signatures_are_valid_in_either_case(params: dict[str, Any], signature: str) -> None:
    key = HmacKey(api_key=SAMPLE_KEY, account="main", secret=SAMPLE_SECRET)
    payload = signed_payload({**params, "signature": signature})
    assert key.verify(payload, signature)
    assert key.verify(payload, signature.upper())
    assert not key.verify(payload + b"x", signature)


@pytest.mark.parametrize("signature", ["", "nonsense", "ä", "0" * 64, "A" * 86 + "=="])
def test_what_is_no_signature_is_not_valid(signature: str) -> None:
    _, keys = make_keys("main", seed=1)
    assert not any(key.verify(b"payload", signature) for key in keys)


def test_an_ed25519_signature_is_case_sensitive_base64() -> None:
    signing = SigningKey(bytes(range(32)))
    key = Ed25519Key(api_key="k", account="main", verify_key=signing.verify_key)
    signature = base64.b64encode(signing.sign(b"payload").signature).decode()
    assert key.verify(b"payload", signature)
    assert not key.verify(b"payload", signature.swapcase())
    assert not key.verify(b"payload", signature + " ")


def test_booleans_and_numbers_are_signed_as_json_writes_them() -> None:
    assert signed_payload({"b": True, "a": 1, "c": None, "d": [1]}) == b"a=1&b=true&c=null&d=[1]"


def test_a_seed_decides_the_keys() -> None:
    assert make_keys("main", seed=1) == make_keys("main", seed=1)
    seen = {make_keys(account, seed=seed)[0].api_key for account in ("main", "other") for seed in (1, 2)}
    assert len(seen) == 4


def test_keys_have_the_exchanges_shape() -> None:
    material, (ed25519, hmac) = make_keys("main", seed=7)
    names = [material.api_key, material.hmac_api_key, material.hmac_secret]
    assert all(API_KEY_PATTERN.fullmatch(name) for name in names)
    assert len(set(names)) == 3
    assert (ed25519.may_log_on, hmac.may_log_on) == (True, False)


def test_secrets_stay_out_of_the_repr() -> None:
    material, (_, hmac) = make_keys("main", seed=7)
    for shown in (repr(material), repr(hmac), str(material)):
        assert material.hmac_secret not in shown
        assert material.private_key_pem.splitlines()[1].decode() not in shown


def test_the_clients_reader_reads_the_private_key() -> None:
    material, (ed25519, _) = make_keys("main", seed=7)
    key = load_ed25519_private_key(material.private_key_pem)
    signature = base64.b64encode(key.sign(b"payload")).decode()
    assert ed25519.verify(b"payload", signature)
