"""Signatures: the published samples come out as published, and every method's text is sorted, raw UTF-8 and whole."""

import base64
import pickle
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.account_requests import QueryOrderStatus
from dogwatch.actors.spot.enums import Side
from dogwatch.actors.spot.keys import Ed25519Key, load_ed25519_private_key
from dogwatch.actors.spot.methods import Params
from dogwatch.actors.spot.request_frames import stamp
from dogwatch.actors.spot.rsa_key import RsaKey
from dogwatch.actors.spot.signing import Ed25519Signer, HmacSigner, RsaSigner, Signer, payload

# The sample keys that the documentation prints, and the signatures it prints for them. Nothing here is a live key.
HMAC_API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
HMAC_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
ED25519_API_KEY = "4yNzx3yWC5bS6YTwEkSRaC0nRmSQIIStAUOh1b6kqaBrTLIhjCpI5lJH8q8R8WNO"
ED25519_PEM = b"""\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u
-----END PRIVATE KEY-----
"""

ASCII_ORDER: Params = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01000000",
    "price": "52000.00",
    "recvWindow": 100,
    "timestamp": 1645423376532,
}
WIDE_ORDER: Params = {
    "symbol": "１２３４５６",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "1.00000000",
    "price": "0.10000000",
    "recvWindow": 5000,
    "timestamp": 1645423376532,
}

HMAC = HmacSigner(HMAC_API_KEY, HMAC_SECRET)
ED25519 = Ed25519Signer(ED25519_API_KEY, load_ed25519_private_key(ED25519_PEM))
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
RSA = RsaSigner(ED25519_API_KEY, RsaKey(RSA_KEY))
SIGNERS = (HMAC, ED25519, RSA)


@pytest.mark.parametrize(
    ("signer", "params", "signature"),
    [
        (HMAC, ASCII_ORDER, "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"),
        (HMAC, WIDE_ORDER, "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"),
        (
            ED25519,
            {"timestamp": 1649729878532},
            "cGkloHLHGGNbrduoWDYBlzIPwRHyDVYVfCE0rDkPwKdKedurBgm2JNWRkwloQDBFG6Mcloavo1siYfEtZbV/Ag==",
        ),
        (
            ED25519,
            ASCII_ORDER,
            "82wlF5RobwT7JZehRQgOaupNEm5GrAqJj5tqZeCCE6ZxkhlUbWBThOx00q3FVnCKn882P+9p85phztjk4bOMAQ==",
        ),
        (
            ED25519,
            WIDE_ORDER,
            "c54NpyUZhXB0TQWxM60+OHcwRu50TfjPg5I3J3mPeFasLGjHZnuNGE6Ych+fRF6te6sr6URRF4lxUmYXbQ/rCA==",
        ),
        (
            Ed25519Signer(
                "mjcKCrJzTU6TChLsnPmgnQJJMR616J4yWvdZWDUeXkk6vL6dLyS7rcVOQlADlVjA",
                load_ed25519_private_key(ED25519_PEM),
            ),
            {"timestamp": 1747385641636},
            "YHniJjbW6kh+IL/34zRP84SoGmE+Wm1XZD6JK2oHk9XsjiEP6zcjvjNMtHcIVcleifg7QaJr18cH+XlWfb2SDA==",
        ),
    ],
    ids=["HMAC", "HMAC, wide", "Ed25519 logon", "Ed25519", "Ed25519, wide", "Ed25519 subscribe.signature"],
)
def test_the_published_samples_come_out_as_published(signer: Signer, params: Params, signature: str) -> None:
    signed = signer.sign(params)
    assert signed == {**params, "apiKey": signer.api_key, "signature": signature}


def test_the_text_to_sign_is_sorted_raw_and_includes_the_key() -> None:
    assert payload({**WIDE_ORDER, "apiKey": "k"}) == (
        "apiKey=k&price=0.10000000&quantity=1.00000000&recvWindow=5000&side=BUY"
        "&symbol=１２３４５６&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
    )


def test_a_signature_is_not_part_of_what_is_signed() -> None:
    signed = HMAC.sign(ASCII_ORDER)
    assert HMAC.sign(signed) == signed


def test_signing_leaves_the_parameters_as_they_were() -> None:
    params = stamp(QueryOrderStatus(symbol="A", order_id=1).params(), timestamp_ms=1)
    before = dict(params)
    for signer in SIGNERS:
        signer.sign(params)
        assert params == before


@given(st.dictionaries(st.sampled_from(["a", "b", "symbol", "Z"]), st.text(max_size=5) | st.integers()))
def test_the_order_in_which_parameters_were_given_does_not_matter(params: dict[str, Any]) -> None:
    assert payload(params) == payload(dict(reversed(params.items())))
    assert payload(params).count("=") >= len(params)


@given(
    st.dictionaries(
        st.text("a%s=&", max_size=4) | st.just("signature"),
        st.text("a%s=&", max_size=4) | st.integers() | st.booleans() | st.sampled_from(Side),
        max_size=5,
    )
)
def test_the_text_to_sign_is_what_joining_names_and_values_gives(params: dict[str, Any]) -> None:
    spelled = {True: "true", False: "false"}
    texts = {name: spelled[value] if isinstance(value, bool) else f"{value}" for name, value in params.items()}
    assert payload(params) == "&".join(f"{name}={texts[name]}" for name in sorted(params) if name != "signature")


def test_each_value_has_one_spelling() -> None:
    assert payload({"flag": True, "off": False, "n": 10**20, "side": Side.BUY}) == (
        f"flag=true&n={10**20}&off=false&side=BUY"
    )


@pytest.mark.parametrize("value", [0.1, None, ["a"], {"a": 1}, b"x"])
def test_values_with_more_than_one_spelling_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="price cannot be signed"):
        payload({"price": value})


@given(st.binary(min_size=32, max_size=32))
def test_an_ed25519_signature_is_64_bytes_in_base64(seed: bytes) -> None:
    signature = Ed25519Signer("k", Ed25519Key(seed)).sign({"timestamp": 1})["signature"]
    assert isinstance(signature, str)
    assert len(base64.b64decode(signature, validate=True)) == 64


def test_an_rsa_signature_is_verified_by_its_public_key() -> None:
    signed = RSA.sign(WIDE_ORDER)
    signature = base64.b64decode(str(signed["signature"]), validate=True)
    assert len(signature) == 256
    RSA_KEY.public_key().verify(signature, payload(signed).encode(), padding.PKCS1v15(), SHA256())


@pytest.mark.parametrize("signer", SIGNERS)
def test_parameters_are_signed_as_their_text_is(signer: Signer) -> None:
    text = payload({**WIDE_ORDER, "apiKey": signer.api_key})
    assert signer.sign(WIDE_ORDER)["signature"] == signer.signature(text.encode())


def test_only_ed25519_keys_can_log_on() -> None:
    assert [signer.can_log_on for signer in SIGNERS] == [False, True, False]


@pytest.mark.parametrize("api_key", ["", " k", "k\n", '"k"', "kü", "a b"])
def test_an_api_key_with_something_around_it_is_noticed_at_once(api_key: str) -> None:
    with pytest.raises(ValueError, match="stray"):
        HmacSigner(api_key, "secret")
    with pytest.raises(ValueError, match="stray"):
        Ed25519Signer(api_key, Ed25519Key(bytes(32)))


@pytest.mark.parametrize("secret", ["", " s", "s\n"])
def test_a_secret_with_something_around_it_is_noticed_at_once(secret: str) -> None:
    with pytest.raises(ValueError, match="HMAC secret") as caught:
        HmacSigner("k", secret)
    assert repr(secret) not in str(caught.value)


@pytest.mark.parametrize("signer", SIGNERS)
def test_no_secret_shows_anywhere(signer: HmacSigner | Ed25519Signer | RsaSigner) -> None:
    shown = repr(signer) + str(signer) + repr(vars(signer))
    assert HMAC_SECRET not in shown
    assert "IJEYWtGBrhACmb9" not in shown
    assert str(RSA_KEY.private_numbers().d) not in shown
    assert signer.api_key[:4] in repr(signer)
    assert signer.api_key not in repr(signer)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(signer)
