"""The REST API's envelope: an HTTP request in, status, headers and body out. Pure: the time is passed in.

Path, parameters and time unit are read here, all else in request_service.py. (REST API, "General API Information",
"LIMITS", "Request Security".)
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from dogwatch.actors.paper.answers import Answer
from dogwatch.actors.paper.engine_errors import EngineError
from dogwatch.actors.paper.refusals import Refused
from dogwatch.actors.paper.request_service import Answered, Between, RequestService
from dogwatch.actors.paper.rest_endpoints import GONE, METHOD_OF, PATHS
from dogwatch.actors.paper.security import Proof
from dogwatch.actors.paper.sessions import Session
from dogwatch.actors.paper.time_unit import is_microseconds, result_in_microseconds

FORM = "application/x-www-form-urlencoded"
JSON = "application/json;charset=UTF-8"
HTML = "text/html"

# Parameters that are lists are JSON texts in a query string; a single word may stand for itself.
_LISTS = frozenset({"symbols", "permissions"})
_LIST_LEGAL = r'^\[("[\w\-._&&[^a-z]]{1,50}"(,"[\w\-._&&[^a-z]]{1,50}"){0,})?\]$'

_encode = msgspec.json.Encoder().encode
_decode_names = msgspec.json.Decoder(list[str]).decode


class RestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request as it was sent: `query` is what follows the question mark, `api_key` its X-MBX-APIKEY."""

    verb: str
    path: str
    query: bytes = b""
    body: bytes = b""
    content_type: str = FORM
    api_key: str = ""
    time_unit: str = ""

    @property
    def method(self) -> str:
        """The method of the WebSocket API that does the same; empty when there is nothing at this path."""
        return METHOD_OF.get((self.verb, self.path), "")

    @property
    def has_form(self) -> bool:
        return self.verb != "GET" and self.content_type.partition(";")[0].strip().lower() == FORM


class RestAnswer(Answer, frozen=True, kw_only=True):
    """The answer: its body is the one payload."""

    status: int
    headers: tuple[tuple[str, str], ...]


class RestProtocol:
    """The exchange's end of the REST API, for all its clients."""

    def __init__(self, service: RequestService) -> None:
        self.service = service

    def answer(
        self, request: RestRequest, open_session: Callable[[bool], Session], now_us: int, between: Between | None = None
    ) -> RestAnswer:
        """Everything that one request brings about. `open_session` makes its session, in microseconds or not."""
        if not request.method:
            return _nothing_there(request)
        session = open_session(False)
        try:
            if request.time_unit:
                session = open_session(is_microseconds(request.time_unit))
            params = read_params(request)
        except EngineError as refusal:
            self.service.turn_away(session, refusal, now_us // 1000)
            return self._write(Answered(refusal=refusal), session, now_us // 1000)
        proof = Proof(api_key=request.api_key, payload=signed_payload(request))
        answered = self.service.answer(request.method, params, session, now_us, proof=proof, between=between)
        return self._write(answered, session, now_us // 1000)

    def _write(self, answered: Answered, session: Session, now_ms: int) -> RestAnswer:
        refusal = answered.refusal
        if refusal is None:
            result = result_in_microseconds(answered.result) if session.in_microseconds else answered.result
            body = _encode(result)
        else:
            body = _error(refusal, in_microseconds=session.in_microseconds)
        headers = (
            ("content-type", JSON),
            *self._used_weight(session.address, now_ms),
            *self._order_counts(answered.counts_orders, now_ms),
            *_retry_after(refusal, now_ms),
        )
        return RestAnswer(payloads=(body,), status=answered.status, headers=headers)

    def _used_weight(self, address: str, now_ms: int) -> Iterator[tuple[str, str]]:
        weight = self.service.address_limits(address).weight
        weight.roll(now_ms)
        yield "x-mbx-used-weight", str(weight.count)
        yield "x-mbx-used-weight-1m", str(weight.count)

    def _order_counts(self, account: str, now_ms: int) -> Iterator[tuple[str, str]]:
        if account:
            limits = self.service.account_limits(account)
            for letters, window in (("10s", limits.ten_seconds), ("1d", limits.day)):
                window.roll(now_ms)
                yield f"x-mbx-order-count-{letters}", str(window.count)


def read_params(request: RestRequest) -> dict[str, Any]:
    """The parameters; one that stands in both query string and body has the value of the query string.

    Raises Refused: -1100 for text that is no UTF-8 or no list, -1101 for a parameter twice in one place.
    """
    params = _read_form(request.body) if request.has_form else {}
    params.update(_read_form(request.query))
    for name in _LISTS & params.keys():
        if params[name].startswith("["):
            params[name] = _read_names(name, params[name])
        elif name == "symbols":
            raise _illegal_list(name)
    return params


def signed_payload(request: RestRequest) -> bytes:
    """What was signed: query string and body as they were sent, one after the other, without the signature."""
    return _unsigned(request.query) + (_unsigned(request.body) if request.has_form else b"")


def _unsigned(form: bytes) -> bytes:
    if b"signature=" not in form:
        return form
    return b"&".join([pair for pair in form.split(b"&") if not pair.startswith(b"signature=")])


def _read_form(form: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(form.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise Refused(-1100, "Illegal characters found in a parameter.") from None
    params = dict(pairs)
    if len(params) < len(pairs):
        raise Refused(-1101, "Duplicate values for a parameter detected.")
    return params


def _read_names(name: str, text: str) -> list[str]:
    try:
        return _decode_names(text)
    except msgspec.DecodeError:
        raise _illegal_list(name) from None


def _illegal_list(name: str) -> Refused:
    return Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{_LIST_LEGAL}'.")


def _error(refusal: EngineError, *, in_microseconds: bool) -> bytes:
    error: dict[str, Any] = {"code": refusal.code, "msg": refusal.msg}
    if refusal.data is not None and "retryAfter" not in refusal.data:
        error["data"] = result_in_microseconds(refusal.data) if in_microseconds else refusal.data
    return _encode(error)


def _retry_after(refusal: EngineError | None, now_ms: int) -> Iterator[tuple[str, str]]:
    """In whole seconds, never too few."""
    if refusal is not None and refusal.data is not None and "retryAfter" in refusal.data:
        yield "retry-after", str(max(0, -(-(refusal.data["retryAfter"] - now_ms) // 1000)))


def _nothing_there(request: RestRequest) -> RestAnswer:
    if request.path in GONE:
        status, words = 410, "Gone"
    elif request.path in PATHS:
        status, words = 405, "Method Not Allowed"
    else:
        status, words = 404, "Not Found"
    body = f"<html><head><title>{status} {words}</title></head><body><h1>{status} {words}</h1></body></html>"
    return RestAnswer(payloads=(body.encode(),), status=status, headers=(("content-type", HTML),))
