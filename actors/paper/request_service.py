"""What a request comes to, by whatever transport it came: limits, names, security, then its handler. Pure.

The order of the checks: method, request weight, unread and mandatory parameters, key, signature, timing; then a handler
counts orders and does the work (handlers.py). How it is read and written stands in protocol.py and rest_protocol.py.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from dogwatch.actors.paper.calls import Call, Handler, Outcome
from dogwatch.actors.paper.engine_errors import EngineError, unsupported_method
from dogwatch.actors.paper.keys import ApiKey
from dogwatch.actors.paper.methods import METHODS, Method
from dogwatch.actors.paper.rate_limits import AccountLimits, AddressLimits, RateLimitRules
from dogwatch.actors.paper.refusals import Refused, missing, refused
from dogwatch.actors.paper.security import Proof, SessionRevoked, authorize
from dogwatch.actors.paper.sessions import Session
from dogwatch.actors.paper.user_streams import UserStreams

UNKNOWN_METHOD_WEIGHT = 1

# What a REST request says otherwise: the key stands in a header, the limits always come along.
_NOT_BY_REST = frozenset({"apiKey", "returnRateLimits"})

Between = Callable[[Handler, Call], Outcome]
"""Stands between envelope and engine: it is given what would carry out a request, and the request."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A request's result, or its `refusal`. `before`: what the client is told before the reply.

    `counts_orders`: whose counts of orders go along; empty if none do. `is_over_limit`: it was not looked at.
    """

    result: Any = None
    refusal: EngineError | None = None
    before: tuple[bytes, ...] = ()
    counts_orders: str = ""
    is_over_limit: bool = False

    @property
    def status(self) -> int:
        return 200 if self.refusal is None else self.refusal.status


class RequestService:
    """Everything about requests that all connections and transports share."""

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

    def turn_away(self, session: Session, refusal: EngineError, now_ms: int) -> None:
        """Count a request that cannot be read."""
        limits = self.address_limits(session.address)
        limits.requested(now_ms)
        limits.charge(UNKNOWN_METHOD_WEIGHT, now_ms)
        session.logbook.answered("", "", refusal.status, refusal.code, UNKNOWN_METHOD_WEIGHT)

    def answer(
        self,
        name: str,
        params: dict[str, Any],
        session: Session,
        now_us: int,
        *,
        proof: Proof | None = None,
        between: Between | None = None,
    ) -> Answered:
        """Carry a request out. `proof` comes with REST; `between` may put itself before the engine."""
        now_ms = now_us // 1000
        method = METHODS.get(name)
        limits = self.address_limits(session.address)
        weight = method.weigh(params) if method is not None else UNKNOWN_METHOD_WEIGHT
        if not limits.admits(weight, now_ms):
            return self._over_limit(name, weight, session, now_ms)
        account, status, code = "", 200, 0
        is_free = False
        try:
            if method is None:
                raise unsupported_method(name) or refused(-1020)
            _check_names(method, params, by_rest=proof is not None)
            sent = {name: value for name, value in params.items() if value is not None}
            _check_mandatory(method, sent)
            account = authorize(method, sent, session, self._keys, now_us, proof)
            call = Call(session=session, params=sent, account=account, now_ms=now_ms)
            handler = self._handlers[method.name]
            outcome = handler(call) if between is None else between(handler, call)
            answered = Answered(
                result=outcome.result,
                before=outcome.before,
                counts_orders=account if method.places_an_order else "",
            )
            is_free = method.is_free_on_success and not outcome.is_charged
        except EngineError as refusal:
            status, code = refusal.status, refusal.code
            answered = Answered(
                refusal=refusal,
                before=self._user_streams.end_session(session, now_ms) if isinstance(refusal, SessionRevoked) else (),
                counts_orders=account if method is not None and method.places_an_order else "",
            )
        if not is_free:
            limits.charge(weight, now_ms)
        session.logbook.answered(account, name, status, code, 0 if is_free else weight)
        return answered

    def _over_limit(self, name: str, weight: int, session: Session, now_ms: int) -> Answered:
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
        return Answered(refusal=refusal, is_over_limit=True)


def _check_names(method: Method, params: Mapping[str, Any], *, by_rest: bool) -> None:
    """Everything sent must be read (-1104). The counts include the key, the signature and nulls."""
    readable = method.readable - _NOT_BY_REST if by_rest else method.readable
    if params.keys() <= readable:
        return
    read = len(params.keys() & readable)
    raise Refused(-1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(params)}'.")


def _check_mandatory(method: Method, params: Mapping[str, Any]) -> None:
    for name in method.required:
        if params.get(name) in (None, ""):
            raise missing(name)
