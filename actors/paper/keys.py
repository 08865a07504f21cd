"""API keys as the exchange holds them: how a key checks a signature, and a key pair made from a seed.

The signing side lives with the client and shares no line with this file. (WebSocket API, "Request security".)
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

API_KEY_PATTERN = re.compile(r"[A-Za-z0-9]{64}")

# PKCS#8 wrapping of a raw Ed25519 seed (RFC 8410): SEQUENCE, version 0, OID 1.3.101.112, OCTET STRING of 32 bytes.
_PKCS8_ED25519_HEAD = bytes.fromhex("302e020100300506032b657004220420")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class ApiKey(Protocol):
    """What the exchange knows about a key: whose it is, and whether a signature was made with it."""

    @property
    def api_key(self) -> str: ...
    @property
    def account(self) -> str: ...
    @property
    def may_log_on(self) -> bool: ...

    def verify(self, payload: bytes, signature: str) -> bool: ...


class Ed25519Key(msgspec.Struct, frozen=True, kw_only=True):
    """A public Ed25519 key. Signatures are base64 and case-sensitive."""

    api_key: str
    account: str
    verify_key: VerifyKey
    may_log_on: bool = True

    def verify(self, payload: bytes, signature: str) -> bool:
        try:
            self.verify_key.verify(payload, base64.b64decode(signature, validate=True))
        except (BadSignatureError, binascii.Error, ValueError):
            return False
        return True


class HmacKey(msgspec.Struct, frozen=True, kw_only=True):
    """A shared HMAC-SHA-256 secret. Signatures are hexadecimal in either case. It may not log a session on."""

    api_key: str
    account: str
    secret: str
    may_log_on: bool = False

    def verify(self, payload: bytes, signature: str) -> bool:
        expected = hmac.new(self.secret.encode(), payload, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), signature.lower().encode())

    def __repr__(self) -> str:
        return f"HmacKey(api_key={self.api_key!r}, account={self.account!r}, secret=…)"


class KeyMaterial(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer of the exchange is handed: two keys for one account. The secrets stay out of its repr."""

    api_key: str
    private_key_pem: bytes
    hmac_api_key: str
    hmac_secret: str

    def __repr__(self) -> str:
        return f"KeyMaterial(api_key={self.api_key!r}, hmac_api_key={self.hmac_api_key!r}, …)"


def make_keys(account: str, *, seed: int) -> tuple[KeyMaterial, tuple[Ed25519Key, HmacKey]]:
    """An Ed25519 key pair and an HMAC key of `account`; the same seed gives the same keys."""
    raw_seed = _derive(account, seed, "ed25519 seed")
    material = KeyMaterial(
        api_key=_letters(account, seed, "ed25519 api key"),
        private_key_pem=_pem(raw_seed),
        hmac_api_key=_letters(account, seed, "hmac api key"),
        hmac_secret=_letters(account, seed, "hmac secret"),
    )
    public = SigningKey(raw_seed).verify_key
    return material, (
        Ed25519Key(api_key=material.api_key, account=account, verify_key=public),
        HmacKey(api_key=material.hmac_api_key, account=account, secret=material.hmac_secret),
    )


def signed_payload(params: Mapping[str, Any]) -> bytes:
    """What was signed: every parameter but the signature, sorted by name, `name=value` joined by `&`, raw UTF-8.

    WebSocket API, "SIGNED request example": values stand as sent, without percent-encoding.
    """
    return "&".join([f"{name}={_text(params[name])}" for name in sorted(params) if name != "signature"]).encode()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return msgspec.json.encode(value).decode()


def _derive(account: str, seed: int, purpose: str) -> bytes:
    return hashlib.sha256(f"dogwatch paper exchange|{account}|{seed}|{purpose}".encode()).digest()


def _letters(account: str, seed: int, purpose: str) -> str:
    """64 letters and digits, the shape of the exchange's keys."""
    number = int.from_bytes(hashlib.sha512(_derive(account, seed, purpose)).digest())
    letters = []
    for _ in range(64):
        number, index = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    return "".join(letters)


def _pem(raw_seed: bytes) -> bytes:
    body = base64.b64encode(_PKCS8_ED25519_HEAD + raw_seed)
    return b"-----BEGIN PRIVATE KEY-----\n" + body + b"\n-----END PRIVATE KEY-----\n"
