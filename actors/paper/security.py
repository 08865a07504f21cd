"""Whether a request may be carried out: its key, its signature, its timing. Pure: the time is passed in.

(WebSocket API, "Request security", "Timing security", "Session authentication".)
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from dogwatch.actors.paper.keys import API_KEY_PATTERN, ApiKey, signed_payload
from dogwatch.actors.paper.methods import Method, Security
from dogwatch.actors.paper.refusals import Refused, missing, out_of_range, refused
from dogwatch.actors.paper.sessions import Session

RECEIVE_WINDOW_MS = 5000
RECEIVE_WINDOW_MS_MAX = 60_000
AHEAD_US_MAX = 1_000_000
TIMESTAMP_MS_MIN = 1_483_228_800_000
TIMESTAMP_AHEAD_US_MAX = 10_000_000

# No millisecond timestamp of this era is this large, no microsecond timestamp is smaller.
_MICROSECONDS_FROM = 100_000_000_000_000


class SessionRevoked(Refused):
    """The session's key is no longer valid: to be answered under no id, and the session to be logged out."""

    def __init__(self) -> None:
        super().__init__(-2015, "Invalid API-key, IP, or permissions for action.", status=401)


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """How a REST request is signed: the key in its header, and the bytes that were signed as they were sent."""

    api_key: str
    payload: bytes


def authorize(
    method: Method,
    params: Mapping[str, Any],
    session: Session,
    keys: Mapping[str, ApiKey],
    now_us: int,
    proof: Proof | None = None,
) -> str:
    """The account that the request acts for; empty for public methods. `proof` comes with REST. Raises Refused."""
    if method.security is Security.NONE:
        return ""
    if proof is not None:
        return _proven_account(method, params, proof, session, keys, now_us)
    if method.security is Security.USER_STREAM:
        return _session_account(method, session, keys, otherwise=refused(-1193))
    names_a_key = "apiKey" in params or "signature" in params or method.security is Security.SIGNED
    if names_a_key:
        _check_given(params, "apiKey", "signature", "timestamp")
        by_name = Proof(api_key=params["apiKey"], payload=signed_payload(params))
        return _proven_account(method, params, by_name, session, keys, now_us)
    account = _session_account(method, session, keys, otherwise=missing("apiKey"))
    check_timing(params, now_us)
    return account


def check_timing(params: Mapping[str, Any], now_us: int) -> None:
    """Refuse a request from the future, or one that is older than its recvWindow."""
    timestamp_us = _timestamp_us(params.get("timestamp"), now_us)
    window_us = _receive_window_us(params.get("recvWindow"))
    if timestamp_us >= now_us + AHEAD_US_MAX:
        raise Refused(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_us - timestamp_us > window_us:
        raise Refused(-1021, "Timestamp for this request is outside of the recvWindow.")


def _session_account(method: Method, session: Session, keys: Mapping[str, ApiKey], *, otherwise: Refused) -> str:
    if session.api_key is None or session.account is None:
        raise otherwise
    key = keys.get(session.api_key)
    if key is None:
        raise SessionRevoked
    if not key.permits(method.permission, session.address):
        raise refused(-2015)
    return session.account


def _proven_account(
    method: Method,
    params: Mapping[str, Any],
    proof: Proof,
    session: Session,
    keys: Mapping[str, ApiKey],
    now_us: int,
) -> str:
    if not isinstance(proof.api_key, str) or API_KEY_PATTERN.fullmatch(proof.api_key) is None:
        raise refused(-2014)
    key = keys.get(proof.api_key)
    if key is None:
        raise refused(-2015)
    _check_given(params, "signature", "timestamp")
    if method.name == "session.logon" and not key.may_log_on:
        raise refused(-2028)
    signature = params["signature"]
    if not isinstance(signature, str) or not key.verify(proof.payload, signature):
        raise refused(-1022)
    if not key.permits(method.permission, session.address):
        raise refused(-2015)
    check_timing(params, now_us)
    return key.account


def _check_given(params: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if params.get(name) in (None, ""):
            raise missing(name)


def _timestamp_us(value: Any, now_us: int) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise missing("timestamp")
    timestamp_us = value if value >= _MICROSECONDS_FROM else value * 1000
    if not TIMESTAMP_MS_MIN * 1000 <= timestamp_us <= now_us + TIMESTAMP_AHEAD_US_MAX:
        raise missing("timestamp")
    return timestamp_us


def _receive_window_us(value: Any) -> int:
    if value is None:
        return RECEIVE_WINDOW_MS * 1000
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= RECEIVE_WINDOW_MS_MAX:
        return value * 1000
    try:
        window_ms = Decimal(str(value))
    except InvalidOperation:
        raise missing("recvWindow") from None
    if not window_ms.is_finite() or window_ms < 0:
        raise missing("recvWindow")
    if window_ms > RECEIVE_WINDOW_MS_MAX:
        raise out_of_range("recvWindow", RECEIVE_WINDOW_MS_MAX)
    window_us = window_ms * 1000
    if window_us != int(window_us):
        raise Refused(-1111, "Parameter 'recvWindow' has too much precision.")
    return int(window_us)
