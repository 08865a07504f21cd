"""Keys that the exchange gives out: three types, permissions, addresses, further accounts, a customer's own key."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dogwatch.actors.paper.key_ring import KeyRing
from dogwatch.actors.paper.keys import API_KEY_PATTERN, IssuedKey, Permission, signed_payload
from tests.actors.paper.counter import LIMIT_ORDER, NOW_MS, Counter, error_of

INVALID_KEY = (401, -2015, "Invalid API-key, IP, or permissions for action.")
INVALID_SIGNATURE = (400, -1022, "Signature for this request is not valid.")

Sign = Callable[[bytes], str]
Private = Ed25519PrivateKey | rsa.RSAPrivateKey


@cache
def rsa_private_key() -> rsa.RSAPrivateKey:
    """One for all tests: each takes a tenth of a second to make."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def public_pem(private: Private) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(serialization.Encoding.PEM, form)


def sign_privately(private: Private, payload: bytes) -> str:
    if isinstance(private, rsa.RSAPrivateKey):
        return base64.b64encode(private.sign(payload, padding.PKCS1v15(), hashes.SHA256())).decode()
    return base64.b64encode(private.sign(payload)).decode()


def sign_with(issued: IssuedKey, payload: bytes) -> str:
    if issued.secret:
        return hmac.new(issued.secret.encode(), payload, hashlib.sha256).hexdigest()
    private = serialization.load_pem_private_key(issued.private_key_pem, None)
    assert isinstance(private, Ed25519PrivateKey | rsa.RSAPrivateKey)
    return sign_privately(private, payload)


class Bank(Counter):
    """The counter with a key ring of its own: everybody brings his key."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = KeyRing(seed=1)
        self.keys.clear()

    def ask_with(self, api_key: str, sign: Sign, method: str, params: Any = None, address: str = "") -> Any:
        self.keys.update(self.ring.valid)
        named = {"timestamp": NOW_MS, **(params or {}), "apiKey": api_key}
        signed = {**named, "signature": sign(signed_payload(named))}
        return self.ask(method, signed, self.connect(address=address))

    def ask_by(self, issued: IssuedKey, method: str, params: Any = None, address: str = "") -> Any:
        return self.ask_with(issued.api_key, lambda payload: sign_with(issued, payload), method, params, address)


@pytest.mark.parametrize("kind", ["ed25519", "hmac", "rsa"])
def test_each_type_of_key_signs_and_only_ed25519_logs_on(kind: str) -> None:
    bank = Bank()
    issued = {"ed25519": bank.ring.issue_ed25519, "hmac": bank.ring.issue_hmac, "rsa": bank.ring.issue_rsa}[kind](
        "main"
    )
    assert API_KEY_PATTERN.fullmatch(issued.api_key)
    assert bank.ask_by(issued, "order.place", LIMIT_ORDER)["status"] == 200
    assert bank.ask_by(issued, "userDataStream.subscribe.signature")["status"] == 200
    wrong = bank.ask_with(issued.api_key, lambda payload: sign_with(issued, payload + b" "), "account.status")
    assert error_of(wrong) == INVALID_SIGNATURE
    logged_on = bank.ask_by(issued, "session.logon")
    assert logged_on["status"] == (200 if kind == "ed25519" else 400)
    assert kind == "ed25519" or logged_on["error"]["code"] == -2028


@pytest.mark.parametrize("private", [Ed25519PrivateKey.generate, rsa_private_key], ids=["ed25519", "rsa"])
def test_a_customer_brings_a_public_key(private: Callable[[], Private]) -> None:
    bank, key = Bank(), private()
    api_key = bank.ring.register(public_pem(key), "main", permissions=[Permission.USER_DATA])
    reply = bank.ask_with(api_key, lambda payload: sign_privately(key, payload), "account.status")
    assert reply["status"] == 200
    reply = bank.ask_with(api_key, lambda payload: sign_privately(key, payload), "order.place", LIMIT_ORDER)
    assert error_of(reply) == INVALID_KEY


def test_an_rsa_signature_is_strict_base64() -> None:
    bank, key = Bank(), rsa_private_key()
    api_key = bank.ring.register(public_pem(key), "main")

    def refused(sign: Sign) -> bool:
        return error_of(bank.ask_with(api_key, sign, "account.status")) == INVALID_SIGNATURE

    assert refused(lambda payload: sign_privately(key, payload) + " ")
    assert refused(lambda payload: sign_privately(key, payload).swapcase())
    assert refused(lambda _: "ä")


def test_what_is_no_public_key_is_not_taken() -> None:
    ring = KeyRing(seed=1)
    with pytest.raises(ValueError, match="no public key"):
        ring.register(b"-----BEGIN PUBLIC KEY-----\n", "main")
    assert ring.valid == {}


@pytest.mark.parametrize(
    ("permission", "method", "params"),
    [
        (Permission.TRADE, "order.place", LIMIT_ORDER),
        (Permission.TRADE, "order.test", LIMIT_ORDER),
        (Permission.USER_DATA, "account.status", {}),
        (Permission.USER_DATA, "myTrades", {"symbol": "BTCUSDT"}),
        (Permission.USER_STREAM, "userDataStream.subscribe.signature", {}),
    ],
)
def test_a_key_does_what_it_was_given_for_and_nothing_else(permission: Permission, method: str, params: Any) -> None:
    bank = Bank()
    able = bank.ring.issue_hmac("main", permissions=[permission])
    unable = bank.ring.issue_hmac("main", permissions=set(Permission) - {permission})
    assert bank.ask_by(able, method, params)["status"] == 200
    assert error_of(bank.ask_by(unable, method, params)) == INVALID_KEY


def test_a_session_can_do_no_more_than_its_key() -> None:
    bank = Bank()
    issued = bank.ring.issue_ed25519("main", permissions=[Permission.USER_DATA])
    bank.keys.update(bank.ring.valid)
    named = {"timestamp": NOW_MS, "apiKey": issued.api_key}
    signature = sign_with(issued, signed_payload(named))
    assert bank.ask("session.logon", {**named, "signature": signature})["status"] == 200
    assert bank.ask("account.status", {"timestamp": NOW_MS})["status"] == 200
    refused = bank.ask("order.place", {**LIMIT_ORDER, "timestamp": NOW_MS})
    assert (refused["id"], error_of(refused)) == (1, INVALID_KEY)
    assert error_of(bank.ask("userDataStream.subscribe")) == INVALID_KEY
    assert bank.ask("session.status")["result"]["apiKey"] == issued.api_key


def test_a_key_is_good_at_its_addresses_only() -> None:
    bank = Bank()
    issued = bank.ring.issue_hmac("main", addresses=["192.0.2.1"])
    assert bank.ask_by(issued, "account.status", address="192.0.2.1")["status"] == 200
    assert error_of(bank.ask_by(issued, "account.status", address="192.0.2.2")) == INVALID_KEY


def test_keys_of_different_accounts_open_different_accounts() -> None:
    bank = Bank()
    bank.engine.open_account("second", {})
    first, second = bank.ring.issue_hmac("main"), bank.ring.issue_hmac("second")
    balances = [
        bank.ask_by(issued, "account.status", {"omitZeroBalances": True})["result"]["balances"]
        for issued in (first, second)
    ]
    assert [len(rows) for rows in balances] == [2, 0]


def test_a_revoked_key_is_refused_until_it_is_restored() -> None:
    bank = Bank()
    issued = bank.ring.issue_hmac("main")
    bank.ring.revoke(issued.api_key)
    assert error_of(bank.ask_by(issued, "account.status")) == INVALID_KEY
    assert bank.ring.names_of("main") == [issued.api_key]
    bank.ring.restore(issued.api_key)
    assert bank.ask_by(issued, "account.status")["status"] == 200


def test_a_seed_decides_every_key_of_the_ring_and_no_two_are_equal() -> None:
    def issue(ring: KeyRing) -> list[IssuedKey]:
        return [ring.issue_ed25519("main"), ring.issue_ed25519("main"), ring.issue_hmac("main"), ring.issue_hmac("x")]

    assert issue(KeyRing(seed=1)) == issue(KeyRing(seed=1))
    assert len({key.api_key for seed in (1, 2) for key in issue(KeyRing(seed=seed))}) == 8


def test_what_is_issued_shows_no_secret() -> None:
    ring = KeyRing(seed=1)
    for issued in (ring.issue_hmac("main"), ring.issue_ed25519("main")):
        shown = repr(issued) + str(ring.valid[issued.api_key])
        assert issued.secret == "" or issued.secret not in shown
        assert all(line not in shown for line in issued.private_key_pem.decode().splitlines())
