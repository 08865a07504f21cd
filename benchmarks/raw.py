"""Requests and decoders for the clients without anything above the WebSocket, one and the same for all of them.

Requests are made from a template and signed by libsodium; answers and events are decoded by msgspec into small typed
values, `Decimal` included. msgspec and PyNaCl are all that is needed.
"""

import base64
import hashlib
import hmac
import itertools
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from client import API_KEY, SECRET, SEED, Job
from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_seed_keypair

# In the order in which they are signed.
FIELDS = (
    b"newClientOrderId=bench-%d&price=40000&quantity=1&recvWindow=5000&side=BUY&symbol=BTCUSDT&timeInForce=IOC"
    b"&timestamp=%d&type=LIMIT"
)
PARAMS = (
    b'{"id":%d,"method":"order.place","params":{"newClientOrderId":"bench-%d","price":"40000","quantity":"1",'
    b'"recvWindow":5000,"side":"BUY","symbol":"BTCUSDT","timeInForce":"IOC","timestamp":%d,"type":"LIMIT"'
)
SIGNED = b',"apiKey":"' + API_KEY.encode() + b'","signature":"%b"}}'


class _Order(msgspec.Struct, rename="camel"):
    order_id: int
    client_order_id: str
    status: str
    price: Decimal
    executed_qty: Decimal


class Answer(msgspec.Struct):
    id: int
    status: int
    result: _Order


class _Balance(msgspec.Struct):
    a: str
    f: Decimal
    l: Decimal  # noqa: E741 (as the exchange calls it)


class Position(msgspec.Struct, tag_field="e", tag="outboundAccountPosition"):
    E: int
    B: list[_Balance]

    @property
    def number(self) -> int:
        return int(self.B[0].f)


class Fill(msgspec.Struct, tag_field="e", tag="executionReport"):
    E: int
    c: str
    i: int
    t: int
    X: str
    l: Decimal  # noqa: E741 (as the exchange calls it)
    L: Decimal
    z: Decimal
    n: Decimal

    @property
    def number(self) -> int:
        return self.t


class _UserEvent(msgspec.Struct):
    event: Position | Fill


class _Quote(msgspec.Struct):
    u: int
    s: str
    b: Decimal
    B: Decimal
    a: Decimal
    A: Decimal


class _StreamEvent(msgspec.Struct):
    stream: str
    data: _Quote


decode_answer = msgspec.json.Decoder(Answer).decode
_decode_user = msgspec.json.Decoder(_UserEvent).decode
_decode_stream = msgspec.json.Decoder(_StreamEvent).decode


def user_number(payload: bytes | str) -> int:
    """The number of a user data event, decoded as a whole."""
    return _decode_user(payload).event.number


def stream_number(payload: bytes | str) -> int:
    """The number of a market event, decoded as a whole."""
    return _decode_stream(payload).data.u


def number_of(kind: str) -> Callable[[bytes | str], int]:
    return stream_number if kind == "quotes" else user_number


def requests(job: Job) -> Callable[[], bytes]:
    """Makes the next order.place, as a text frame's payload."""
    numbers = itertools.count(1)
    sign = None if job.logon else _signer(job.key)

    def next_request() -> bytes:
        number = next(numbers)
        now_ms = time.time_ns() // 1_000_000
        text = PARAMS % (number, number, now_ms)
        if sign is None:
            return text + b"}}"
        return text + SIGNED % sign(b"apiKey=%b&" % API_KEY.encode() + FIELDS % (number, now_ms))

    return next_request


def _signer(key: str) -> Callable[[bytes], bytes]:
    if key == "hmac":
        begun = hmac.new(SECRET.encode(), digestmod=hashlib.sha256)

        def sign_with_secret(payload: bytes) -> bytes:
            signature: Any = begun.copy()
            signature.update(payload)
            return signature.hexdigest().encode()

        return sign_with_secret
    _, private = crypto_sign_seed_keypair(SEED)
    return lambda payload: base64.b64encode(crypto_sign(payload, private)[:crypto_sign_BYTES])
