"""The WebSocket API without a connection: frames in, replies out, at a time that the test sets."""

import base64
import hashlib
import hmac
from decimal import Decimal
from typing import Any

import msgspec
from nacl.signing import SigningKey

from dogwatch.actors.paper.answers import Answer
from dogwatch.actors.paper.engine import Engine
from dogwatch.actors.paper.handlers import Handlers
from dogwatch.actors.paper.keys import ApiKey, KeyMaterial, make_keys, signed_payload
from dogwatch.actors.paper.market_streams import MarketStreams
from dogwatch.actors.paper.protocol import EnvelopeProtocol
from dogwatch.actors.paper.rate_limits import RateLimitRules
from dogwatch.actors.paper.request_service import RequestService
from dogwatch.actors.paper.sessions import Session
from dogwatch.actors.paper.streams import StreamHub
from dogwatch.actors.paper.symbols import SYMBOLS
from dogwatch.actors.paper.user_streams import UserStreams

NOW_MS = 1_767_225_603_000
"""Three seconds into 2026."""

LIMIT_ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "price": "90",
    "quantity": "1",
}


def sign_with_hmac(params: dict[str, Any], material: KeyMaterial) -> dict[str, Any]:
    named = {**params, "apiKey": material.hmac_api_key}
    signature = hmac.new(material.hmac_secret.encode(), signed_payload(named), hashlib.sha256).hexdigest()
    return {**named, "signature": signature}


def sign_with_ed25519(params: dict[str, Any], material: KeyMaterial) -> dict[str, Any]:
    named = {**params, "apiKey": material.api_key}
    seed = base64.b64decode(material.private_key_pem.splitlines()[1])[-32:]
    signature = SigningKey(seed).sign(signed_payload(named)).signature
    return {**named, "signature": base64.b64encode(signature).decode()}


class Counter:
    """An exchange's API with one account (10 BTC, 1,000,000 USDT) and one connection; last BTCUSDT price 100."""

    def __init__(self, **rules: int) -> None:
        self.now_ms = NOW_MS
        self.engine = Engine(tuple(SYMBOLS.values()))
        self.engine.open_account("main", {"BTC": Decimal(10), "USDT": Decimal(1_000_000)})
        self.material, keys = make_keys("main", seed=1)
        self.keys: dict[str, ApiKey] = {key.api_key: key for key in keys}
        self.user_streams = UserStreams()
        self.streams = MarketStreams(StreamHub(), SYMBOLS, self.engine)
        limits = RateLimitRules(**rules)
        handlers = Handlers(
            self.engine,
            user_streams=self.user_streams,
            markets=self.streams.symbols,
            limits_of=lambda account: self.service.account_limits(account),
            rules=limits,
        )
        self.service = RequestService(
            handlers=handlers.table(), keys=self.keys, rules=limits, user_streams=self.user_streams
        )
        self.protocol = EnvelopeProtocol(self.service)
        self.delivered: list[Any] = []
        self.session = self.connect()
        self.trade("100")

    def connect(self, **options: Any) -> Session:
        def deliver(payload: bytes) -> None:
            self.delivered.append(msgspec.json.decode(payload))

        return Session(deliver=deliver, connected_since_ms=self.now_ms, **options)

    def trade(self, price: str, quantity: str = "1") -> None:
        self.engine.apply_trade("BTCUSDT", Decimal(price), Decimal(quantity), self.now_ms, buyer_is_maker=False)
        self.streams.observe(self.engine.take_market_events(), self.now_ms)

    def answer(self, frame: bytes | str, session: Session | None = None) -> Answer:
        return self.protocol.answer(frame, session or self.session, self.now_ms * 1000)

    def send(self, frame: Any, session: Session | None = None) -> Any:
        """The one reply to a frame, decoded; a value is sent as JSON."""
        raw = frame if isinstance(frame, bytes | str) else msgspec.json.encode(frame)
        (payload,) = self.answer(raw, session).payloads
        return msgspec.json.decode(payload)

    def ask(self, method: str, params: dict[str, Any] | None = None, session: Session | None = None) -> Any:
        """An unsigned request."""
        return self.send({"id": 1, "method": method, "params": params or {}}, session)

    def ask_signed(self, method: str, params: dict[str, Any] | None = None, session: Session | None = None) -> Any:
        """A request under the HMAC key, with a timestamp unless there is one."""
        signed = sign_with_hmac({"timestamp": self.now_ms, **(params or {})}, self.material)
        return self.ask(method, signed, session)

    def log_on(self, session: Session | None = None) -> Any:
        return self.ask("session.logon", sign_with_ed25519({"timestamp": self.now_ms}, self.material), session)


def error_of(reply: Any) -> tuple[int, int, str]:
    """Status, code and message of a refusal."""
    return reply["status"], reply["error"]["code"], reply["error"]["msg"]
