"""Answers of the REST API: what status, headers and body of an HTTP answer say, as the same Response that the WebSocket
API gives (REST API, HTTP return codes; Error codes; IP limits). Pure.

What a Response means for the execution of its request is judged in `outcome.py`, for both transports alike: 4XX is
refused, 403, 418 and 429 turned away, 409 half of an order.cancelReplace, and 5XX unknown, never failed.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from dogwatch.actors.spot.enums import RateLimitInterval, RateLimitType
from dogwatch.actors.spot.envelope import UNDECODABLE, MalformedFrame, RateLimitUsage, Response
from dogwatch.actors.spot.errors import ExchangeError
from dogwatch.actors.spot.frame_decoder import malformed
from dogwatch.actors.spot.retry_after import retry_after_s

__all__ = ["UNTOLD", "LimitOf", "RestAnswer", "read_answer"]

LimitOf: TypeAlias = Callable[[RateLimitType, RateLimitInterval, int], int | None]
"""How much a limit is, by its type, interval and number of intervals; None if it is not known. Headers tell only how
much of it is used."""

UNTOLD = 0
"""The code of a refusal that has none: something in front of the exchange has answered."""

_MEANINGS = {
    403: "the firewall in front of the exchange has refused it",
    404: "there is no such endpoint",
    410: "this endpoint exists no more",
    418: "this machine's address is banned",
    429: "too much was asked",
}
"""What a refusal without a code means (HTTP return codes)."""

_USED = re.compile(r"x-mbx-(used-weight|order-count)-(\d{1,6})([smhd])")
_TYPES = {"used-weight": RateLimitType.REQUEST_WEIGHT, "order-count": RateLimitType.ORDERS}
_INTERVALS = {
    "s": RateLimitInterval.SECOND,
    "m": RateLimitInterval.MINUTE,
    "h": RateLimitInterval.HOUR,
    "d": RateLimitInterval.DAY,
}
_TITLE = re.compile(rb"<title>\s*([^<]{1,100}?)\s*</title>", re.IGNORECASE)


class RestAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`response` is what was answered, or says that nobody can read it. `retry_after_s`: for how long the server wants
    nothing to be sent (429, 418), 0 if it does not say."""

    response: Response | MalformedFrame
    retry_after_s: float = 0.0


class _Refusal(msgspec.Struct, frozen=True, rename={"message": "msg"}):
    code: int
    message: str
    data: msgspec.Raw = msgspec.Raw(b"")


_decode_refusal = msgspec.json.Decoder(_Refusal).decode
_encode = msgspec.json.Encoder().encode
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode


def read_answer(status: int, headers: Mapping[str, str], body: bytes, *, limit_of: LimitOf) -> RestAnswer:
    """Say what an HTTP answer is. Never raises, whatever the bytes are. Names of headers are in lower case."""
    rate_limits_raw = msgspec.Raw(_encode(used_limits(headers, limit_of)))
    asked_s = retry_after_s(headers.get("retry-after"), date=headers.get("date"))
    if status != 200:
        error = _error_of(status, body)
        response = Response(id=None, status=status, error=error, rate_limits_raw=rate_limits_raw)
        return RestAnswer(response=response, retry_after_s=asked_s)
    try:
        result = _decode_raw(body)
    except UNDECODABLE as problem:
        return RestAnswer(response=malformed(body, str(problem)))
    return RestAnswer(response=Response(id=None, status=status, result=result, rate_limits_raw=rate_limits_raw))


def used_limits(headers: Mapping[str, str], limit_of: LimitOf) -> tuple[RateLimitUsage, ...]:
    """What the headers `X-MBX-USED-WEIGHT-1M`, `X-MBX-ORDER-COUNT-10S` and the like count, of limits that are known."""
    usages = []
    for name, value in headers.items():
        if not name.startswith("x-mbx-"):
            continue
        match = _USED.fullmatch(name)
        if match is None or not (value.isascii() and value.isdigit()):
            continue
        rate_limit_type, interval, count = _TYPES[match[1]], _INTERVALS[match[3]], int(match[2])
        limit = limit_of(rate_limit_type, interval, count)
        if limit is not None:
            usages.append(
                RateLimitUsage(
                    rate_limit_type=rate_limit_type,
                    interval=interval,
                    interval_count=count,
                    limit=limit,
                    count=int(value),
                )
            )
    return tuple(usages)


def _error_of(status: int, body: bytes) -> ExchangeError | None:
    """What was refused and why. A 4XX is a refusal whether it says why or not; of anything else without a readable
    reason the status is all that is known."""
    try:
        refusal = _decode_refusal(body)
    except UNDECODABLE:
        if not 400 <= status < 500:
            return None
        title = _TITLE.search(body)
        said = "" if title is None else f", {title[1].decode(errors='replace')!r}"
        meaning = _MEANINGS.get(status, "it was refused without a reason")
        return ExchangeError(code=UNTOLD, message=f"{meaning} (status {status}{said})", status=status)
    return ExchangeError(code=refusal.code, message=refusal.message, status=status, data=refusal.data)
