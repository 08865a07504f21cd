"""The WebSocket API's envelope: a frame and its session in, reply frames out. Pure: the time is passed in.

The order of the checks: JSON and id, method, request weight, unread and mandatory parameters, key, signature, timing;
then a handler counts orders and does the work (handlers.py). (WebSocket API, "Request format", "Response format".)
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from dogwatch.actors.paper.answers import DISCONNECTED, Answer
from dogwatch.actors.paper.calls import Call, Handler, Outcome
from dogwatch.actors.paper.engine_errors import EngineError, unsupported_method
from dogwatch.actors.paper.keys import ApiKey
from dogwatch.actors.paper.methods import METHODS, Method
from dogwatch.actors.paper.nesting import is_too_nested
from dogwatch.actors.paper.rate_limits import AccountLimits, AddressLimits, RateLimitRules
from dogwatch.actors.paper.refusals import Refused, missing, refused
from dogwatch.actors.paper.security import SessionRevoked, authorize
from dogwatch.actors.paper.sessions import Session
from dogwatch.actors.paper.time_unit import result_in_microseconds
from dogwatch.actors.paper.user_streams import UserStreams

ID_PATTERN = re.compile(rb'-?[0-9]{1,19}|null|"[a-zA-Z0-9\-_]{1,36}"')
MALFORMED_IN_A_ROW_MAX = 3
UNKNOWN_METHOD_WEIGHT = 1

_ID_TEXT = "Invalid 'id' in JSON request; expected an integer, a string matching '^[a-zA-Z0-9-_]{1,36}$', or null."
_PARAMS_TEXT = "Invalid 'params' in JSON request; expected an object."
_METHOD_TEXT = "Invalid 'method' in JSON request; expected a string."
_ABSENT = msgspec.Raw(b"")

Between = Callable[[Handler, Call], Outcome]
"""Stands between envelope and engine: it is given what would carry out a request, and the request."""


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

    def __init__(
        self,
        *,
        handlers: Mapping[str, Handler],
        keys: Mapping[str, ApiKey],
        rules: RateLimitRules,
        user_streams: UserStreams,
    ) -> None:
        self._handlers = handlers
        self._user_streams = user_streams
        self._keys = keys
        self._rules = rules
        self._addresses: dict[str, AddressLimits] = {}
        self._accounts: dict[str, AccountLimits] = {}

    def address_limits(self, address: str) -> AddressLimits:
        limits = self._addresses.get(address)
        if limits is None:
            limits = self._addresses[address] = AddressLimits(self._rules)
        return limits

    def is_banned(self, address: str, now_ms: int) -> bool:
        return now_ms < self.address_limits(address).banned_until_ms

    def account_limits(self, account: str) -> AccountLimits:
        limits = self._accounts.get(account)
        if limits is None:
            limits = self._accounts[account] = AccountLimits(self._rules)
        return limits

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
        limits = self.address_limits(session.address)
        limits.requested(now_us // 1000)
        limits.charge(UNKNOWN_METHOD_WEIGHT, now_us // 1000)
        session.logbook.answered("", "", 400, -1135, UNKNOWN_METHOD_WEIGHT)
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
        method = METHODS.get(name)
        now_ms = now_us // 1000
        limits = self.address_limits(session.address)
        weight = method.weigh(params) if method is not None else UNKNOWN_METHOD_WEIGHT
        if not limits.admits(weight, now_ms):
            return self._over_limit(request_id, name, weight, session, now_ms)
        account, status, code = "", 200, 0
        before: tuple[bytes, ...] = ()
        is_free = False
        try:
            if method is None:
                raise unsupported_method(name) or refused(-1020)
            _check_names(method, params)
            sent = {name: value for name, value in params.items() if value is not None}
            _check_mandatory(method, sent)
            account = authorize(method, sent, session, self._keys, now_us)
            call = Call(session=session, params=sent, account=account, now_ms=now_ms)
            handler = self._handlers[method.name]
            outcome = handler(call) if between is None else between(handler, call)
            result = result_in_microseconds(outcome.result) if session.in_microseconds else outcome.result
            body, before = b'200,"result":' + _encode(result), outcome.before
            is_free = method.is_free_on_success and not outcome.is_charged
        except EngineError as refusal:
            body, status, code = _error(refusal, session), refusal.status, refusal.code
            if isinstance(refusal, SessionRevoked):
                request_id, before = b"null", self._user_streams.end_session(session, now_ms)
        if not is_free:
            limits.charge(weight, now_ms)
        session.logbook.answered(account, name, status, code, 0 if is_free else weight)
        rate_limits = b""
        if _wants_rate_limits(params, session):
            counted = method is not None and method.places_an_order
            rate_limits = self._rate_limits(limits, account if counted else "", now_ms)
        return Answer(payloads=(*before, b'{"id":%b,"status":%b%b}' % (request_id, body, rate_limits)))

    def _over_limit(self, request_id: bytes, name: str, weight: int, session: Session, now_ms: int) -> Answer:
        limits = self.address_limits(session.address)
        banned = now_ms < limits.banned_until_ms
        if banned:
            status, until_ms = 418, limits.banned_until_ms
            text = (
                f"Way too much request weight used; IP banned until {until_ms}. "
                "Please use WebSocket Streams for live updates to avoid bans."
            )
        elif limits.exhausted() is limits.raw_requests:
            status, until_ms, text = 429, limits.raw_requests.next_start_ms(now_ms), "Too many requests queued."
        else:
            status, until_ms = 429, limits.weight.next_start_ms(now_ms)
            text = (
                f"Too much request weight used; current limit is {limits.weight.limit} request weight per "
                f"{limits.weight.text}. Please use WebSocket Streams for live updates to avoid polling the API."
            )
        session.logbook.answered("", name, status, -1003, 0 if banned else weight)
        refusal = Refused(-1003, text, status=status, data={"serverTime": now_ms, "retryAfter": until_ms})
        body = _error(refusal, session)
        payload = b'{"id":%b,"status":%b%b}' % (request_id, body, self._rate_limits(limits, "", now_ms))
        return Answer(payloads=(payload,), close=DISCONNECTED if banned else None)

    def _rate_limits(self, limits: AddressLimits, account: str, now_ms: int) -> bytes:
        """The entries that the request touched: ORDERS by rising interval, then REQUEST_WEIGHT."""
        entries = self.account_limits(account).entries(now_ms) if account else []
        limits.weight.roll(now_ms)
        return b',"rateLimits":[%b]' % b",".join([*entries, limits.weight.entry()])


def _check_names(method: Method, params: Mapping[str, Any]) -> None:
    """Everything sent must be read (-1104). The counts include the key, the signature and nulls."""
    if params.keys() <= method.readable:
        return
    read = len(params.keys() & method.readable)
    raise Refused(-1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(params)}'.")


def _check_mandatory(method: Method, params: Mapping[str, Any]) -> None:
    for name in method.required:
        if params.get(name) in (None, ""):
            raise missing(name)


def _wants_rate_limits(params: Mapping[str, Any], session: Session) -> bool:
    wanted = params.get("returnRateLimits")
    return session.returns_rate_limits if wanted is None else wanted in (True, "true")


def _error(refusal: EngineError, session: Session) -> bytes:
    error: dict[str, Any] = {"code": refusal.code, "msg": refusal.msg}
    if refusal.data is not None:
        error["data"] = result_in_microseconds(refusal.data) if session.in_microseconds else refusal.data
    return b'%d,"error":%b' % (refusal.status, _encode(error))
