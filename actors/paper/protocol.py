"""The WebSocket API's envelope: a frame and its session in, reply frames out. Pure: the time is passed in.

JSON and id are checked here, all else in request_service.py. (WebSocket API, "Request format", "Response format".)
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from dogwatch.actors.paper.answers import DISCONNECTED, Answer
from dogwatch.actors.paper.engine_errors import EngineError
from dogwatch.actors.paper.nesting import is_too_nested
from dogwatch.actors.paper.refusals import Refused
from dogwatch.actors.paper.request_service import Between, RequestService
from dogwatch.actors.paper.security import SessionRevoked
from dogwatch.actors.paper.sessions import Session
from dogwatch.actors.paper.time_unit import result_in_microseconds

ID_PATTERN = re.compile(rb'-?[0-9]{1,19}|null|"[a-zA-Z0-9\-_]{1,36}"')
MALFORMED_IN_A_ROW_MAX = 3

_ID_TEXT = "Invalid 'id' in JSON request; expected an integer, a string matching '^[a-zA-Z0-9-_]{1,36}$', or null."
_PARAMS_TEXT = "Invalid 'params' in JSON request; expected an object."
_METHOD_TEXT = "Invalid 'method' in JSON request; expected a string."
_ABSENT = msgspec.Raw(b"")


class _Envelope(msgspec.Struct):
    id: msgspec.Raw = _ABSENT
    method: msgspec.Raw = _ABSENT
    params: msgspec.Raw = _ABSENT


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_params = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class EnvelopeProtocol:
    """The exchange's end of the WebSocket API, for all its connections."""

    def __init__(self, service: RequestService) -> None:
        self.service = service

    def answer(self, frame: bytes | str, session: Session, now_us: int, between: Between | None = None) -> Answer:
        """Everything that one text frame brings about. `between` may put itself before the engine."""
        if is_too_nested(frame):
            return self._malformed(session, b"null", "Invalid JSON Request", now_us)
        try:
            envelope = _decode_envelope(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._malformed(session, b"null", "Invalid JSON Request", now_us)
        request_id = bytes(envelope.id)
        if not request_id:
            return Answer(close=DISCONNECTED)
        if ID_PATTERN.fullmatch(request_id) is None:
            return self._malformed(session, b"null", _ID_TEXT, now_us)
        try:
            params = _decode_params(envelope.params) if envelope.params else {}
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._malformed(session, request_id, _PARAMS_TEXT, now_us)
        name = _decode_any(envelope.method) if envelope.method else None
        if not isinstance(name, str):
            return self._malformed(session, request_id, _METHOD_TEXT, now_us)
        session.malformed_in_a_row = 0
        return self._answer_request(request_id, name.removeprefix("v3/"), params, session, now_us, between)

    def _malformed(self, session: Session, request_id: bytes, text: str, now_us: int) -> Answer:
        self.service.turn_away(session, Refused(-1135, text), now_us // 1000)
        session.malformed_in_a_row += 1
        too_often = session.malformed_in_a_row >= MALFORMED_IN_A_ROW_MAX
        payload = b'{"id":%b,"status":400,"error":%b}' % (request_id, _encode({"code": -1135, "msg": text}))
        return Answer(payloads=(payload,), close=DISCONNECTED if too_often else None)

    def _answer_request(
        self,
        request_id: bytes,
        name: str,
        params: dict[str, Any],
        session: Session,
        now_us: int,
        between: Between | None,
    ) -> Answer:
        answered = self.service.answer(name, params, session, now_us, between=between)
        refusal, now_ms = answered.refusal, now_us // 1000
        if refusal is None:
            result = result_in_microseconds(answered.result) if session.in_microseconds else answered.result
            body = b'200,"result":' + _encode(result)
        else:
            body = _error(refusal, session)
            if isinstance(refusal, SessionRevoked):
                request_id = b"null"
        rate_limits = b""
        if answered.is_over_limit or _wants_rate_limits(params, session):
            rate_limits = self._rate_limits(session.address, answered.counts_orders, now_ms)
        payload = b'{"id":%b,"status":%b%b}' % (request_id, body, rate_limits)
        is_banned = answered.is_over_limit and answered.status == 418
        return Answer(payloads=(*answered.before, payload), close=DISCONNECTED if is_banned else None)

    def _rate_limits(self, address: str, account: str, now_ms: int) -> bytes:
        """The entries that the request touched: ORDERS by rising interval, then REQUEST_WEIGHT."""
        limits = self.service.address_limits(address)
        entries = self.service.account_limits(account).entries(now_ms) if account else []
        limits.weight.roll(now_ms)
        return b',"rateLimits":[%b]' % b",".join([*entries, limits.weight.entry()])


def _wants_rate_limits(params: Mapping[str, Any], session: Session) -> bool:
    wanted = params.get("returnRateLimits")
    return session.returns_rate_limits if wanted is None else wanted in (True, "true")


def _error(refusal: EngineError, session: Session) -> bytes:
    error: dict[str, Any] = {"code": refusal.code, "msg": refusal.msg}
    if refusal.data is not None:
        error["data"] = result_in_microseconds(refusal.data) if session.in_microseconds else refusal.data
    return b'%d,"error":%b' % (refusal.status, _encode(error))
