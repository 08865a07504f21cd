"""API keys as the exchange holds them: how a key checks a signature, and keys made from a seed. RSA: rsa_key.py.

The signing side lives with the client and shares no line with this file. (WebSocket API, "Request security".)
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

API_KEY_PATTERN = re.compile(r"[A-Za-z0-9]{64}")

# PKCS#8 wrapping of a raw Ed25519 seed (RFC 8410): SEQUENCE, version 0, OID 1.3.101.112, OCTET STRING of 32 bytes.
_PKCS8_ED25519_HEAD = bytes.fromhex("302e020100300506032b657004220420")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Permission(StrEnum):
    """What a key may be used for (WebSocket API, "Request security")."""

    TRADE = "TRADE"
    USER_DATA = "USER_DATA"
    USER_STREAM = "USER_STREAM"


EVERYTHING = frozenset(Permission)


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What the exchange knows about a key: whose it is, what it may be used for, whether a signature was made with it.

    `addresses`: from where it may be used; from anywhere when there are none.
    """

    may_log_on: ClassVar[bool] = False

    api_key: str
    account: str
    permissions: frozenset[Permission] = EVERYTHING
    addresses: frozenset[str] = frozenset()

    def permits(self, permission: Permission | None, address: str) -> bool:
        """Whether it may be used for this, from there. None is what any key may be used for."""
        return (permission is None or permission in self.permissions) and (
            not self.addresses or address in self.addresses
        )

    def verify(self, payload: bytes, signature: str) -> bool:
        """Whether it has signed these bytes."""
        raise NotImplementedError


class Ed25519Key(ApiKey, frozen=True, kw_only=True):
    """A public Ed25519 key. Signatures are base64 and case-sensitive."""

    may_log_on: ClassVar[bool] = True

    verify_key: VerifyKey

    def verify(self, payload: bytes, signature: str) -> bool:
        try:
            self.verify_key.verify(payload, base64.b64decode(signature, validate=True))
        except (BadSignatureError, binascii.Error, ValueError):
            return False
        return True


class HmacKey(ApiKey, frozen=True, kw_only=True):
    """A shared HMAC-SHA-256 secret. Signatures are hexadecimal in either case. It may not log a session on."""

    secret: str

    def verify(self, payload: bytes, signature: str) -> bool:
        expected = hmac.new(self.secret.encode(), payload, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), signature.lower().encode())

    def __repr__(self) -> str:
        return f"HmacKey(api_key={self.api_key!r}, account={self.account!r}, secret=…)"


class IssuedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as its owner holds it: `private_key_pem` (PKCS#8) or `secret` signs. Neither stands in its repr."""

    api_key: str
    account: str
    private_key_pem: bytes = b""
    secret: str = ""

    def __repr__(self) -> str:
        return f"IssuedKey(api_key={self.api_key!r}, account={self.account!r}, …)"


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
    pair, shared = make_ed25519(account, seed=seed), make_hmac(account, seed=seed)
    material = KeyMaterial(
        api_key=pair[0].api_key,
        private_key_pem=pair[0].private_key_pem,
        hmac_api_key=shared[0].api_key,
        hmac_secret=shared[0].secret,
    )
    return material, (pair[1], shared[1])


def make_ed25519(account: str, *, seed: int, serial: int = 0) -> tuple[IssuedKey, Ed25519Key]:
    """A key pair of `account`; the same seed and number give the same."""
    raw_seed = _derive(account, seed, _numbered("ed25519 seed", serial))
    api_key = make_api_key(account, "ed25519", seed=seed, serial=serial)
    issued = IssuedKey(api_key=api_key, account=account, private_key_pem=_pem(raw_seed))
    return issued, Ed25519Key(api_key=api_key, account=account, verify_key=SigningKey(raw_seed).verify_key)


def make_hmac(account: str, *, seed: int, serial: int = 0) -> tuple[IssuedKey, HmacKey]:
    """A shared secret of `account`; the same seed and number give the same."""
    secret = _letters(account, seed, _numbered("hmac secret", serial))
    api_key = make_api_key(account, "hmac", seed=seed, serial=serial)
    issued = IssuedKey(api_key=api_key, account=account, secret=secret)
    return issued, HmacKey(api_key=api_key, account=account, secret=secret)


def make_api_key(account: str, kind: str, *, seed: int, serial: int = 0) -> str:
    """The name of a key, as the exchange would give it."""
    return _letters(account, seed, _numbered(f"{kind} api key", serial))


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


def _numbered(purpose: str, serial: int) -> str:
    return f"{purpose} {serial}" if serial else purpose


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
