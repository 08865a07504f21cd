"""Signing requests (WebSocket API, Request security; SIGNED request example).

Over the WebSocket all parameters but the signature are signed, sorted by name, `name=value` joined by `&`, as UTF-8
without any percent-encoding, the API key among them. Over REST, the request as it is sent: see rest_requests.py.
Getting the time right is the session's business.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, NoReturn, Protocol

from dogwatch.actors.spot.keys import Ed25519Key
from dogwatch.actors.spot.methods import Params, ParamValue

if TYPE_CHECKING:  # it imports `cryptography`, which only those with such a key have
    from dogwatch.actors.spot.rsa_key import RsaKey


class Signer(Protocol):
    """Signs requests in the name of one API key."""

    @property
    def api_key(self) -> str: ...

    @property
    def can_log_on(self) -> bool:
        """Whether session.logon takes this kind of key; if not, each request is signed by itself."""
        ...

    def signature(self, payload: bytes) -> str:
        """Return the signature of these very bytes as the exchange wants to read it: not yet percent-encoded."""
        ...

    def sign(self, params: Mapping[str, ParamValue]) -> Params:
        """Return the parameters with `apiKey` and `signature`. A `timestamp` must be among them already."""
        ...


class SigningKey(Protocol):
    """A private key, of whatever kind: Ed25519Key, RsaKey."""

    def sign(self, message: bytes) -> bytes: ...


class _OwnKeySigner:
    """Signs with a private key whose public half the exchange knows. The signature is base64."""

    can_log_on = False

    def __init__(self, api_key: str, key: SigningKey) -> None:
        self.api_key = _checked(api_key)
        self._key = key

    def signature(self, payload: bytes) -> str:
        return base64.b64encode(self._key.sign(payload)).decode("ascii")

    def sign(self, params: Mapping[str, ParamValue]) -> Params:
        return _signed(self, params)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(api_key={_shortened(self.api_key)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer is not pickled: its key would leave this process")


class Ed25519Signer(_OwnKeySigner):
    """Signs with an Ed25519 key, the one kind that can log on."""

    can_log_on = True

    def __init__(self, api_key: str, key: Ed25519Key) -> None:
        super().__init__(api_key, key)


class RsaSigner(_OwnKeySigner):
    """Signs with an RSA key, PKCS#1 v1.5 and SHA-256. session.logon refuses such keys."""

    def __init__(self, api_key: str, key: "RsaKey") -> None:
        super().__init__(api_key, key)


class HmacSigner:
    """Signs with a shared secret, HMAC-SHA256. The signature is in hexadecimal. session.logon refuses such keys."""

    can_log_on = False

    def __init__(self, api_key: str, secret: str) -> None:
        if not secret or secret != secret.strip():
            raise ValueError("the HMAC secret is empty or has blanks around it")
        self.api_key = _checked(api_key)
        # The secret itself is not kept: a copy of this begins every signature, and is quicker too.
        self._begun = hmac.new(secret.encode(), digestmod=hashlib.sha256)

    def signature(self, payload: bytes) -> str:
        signature = self._begun.copy()
        signature.update(payload)
        return signature.hexdigest()

    def sign(self, params: Mapping[str, ParamValue]) -> Params:
        return _signed(self, params)

    def __repr__(self) -> str:
        return f"HmacSigner(api_key={_shortened(self.api_key)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer is not pickled: its secret would leave this process")


def _signed(signer: Signer, params: Mapping[str, ParamValue]) -> Params:
    signed: Params = {**params, "apiKey": signer.api_key}
    signed["signature"] = signer.signature(payload(signed).encode())
    return signed


def payload(params: Mapping[str, ParamValue]) -> str:
    """Return the text to sign. Numbers are integers or strings; TypeError for what has more than one spelling."""
    # Requests of one kind have the same names: where each value goes is found out once. 1.5 instead of 2.5 us an order.
    layout, values_of = _layout(tuple(params))
    values = values_of(params)
    if _PLAIN.issuperset(map(type, values)):
        return layout % values
    return "&".join([f"{name}={_text(name, params[name])}" for name in sorted(params) if name != "signature"])


_PLAIN = frozenset({str, int})
"""What has one spelling, and is written as it is. No subclass: a truth value is an integer, too."""


@lru_cache(maxsize=1024)
def _layout(names: tuple[str, ...]) -> tuple[str, Callable[[Mapping[str, ParamValue]], tuple[ParamValue, ...]]]:
    """The text to sign with a gap for each value, and what takes the values out of parameters with these names."""
    in_order = tuple(sorted(name for name in names if name != "signature"))
    layout = "&".join(name.replace("%", "%%") + "=%s" for name in in_order)
    if len(in_order) > 1:
        return layout, itemgetter(*in_order)
    return layout, lambda params: tuple(params[name] for name in in_order)  # of one name it gives no tuple


def _text(name: str, value: ParamValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    raise TypeError(f"{name} cannot be signed: a {type(value).__name__} has more than one spelling, use a string")


def _checked(api_key: str) -> str:
    if not api_key or not api_key.isascii() or not api_key.isalnum():
        raise ValueError("the API key is letters and digits only: look for a stray blank, quotation mark or newline")
    return api_key


def _shortened(api_key: str) -> str:
    return f"{api_key[:4]}…" if len(api_key) > 8 else "…"
