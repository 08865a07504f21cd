"""What a WebSocket API frame says: a response, a user data event, or something that is neither (Response format; User
Data Streams). Frames are read in `frame_decoder.py`; what a response or an event means is decided elsewhere.
"""

import msgspec

from dogwatch.actors.spot.enums import RateLimitInterval, RateLimitType
from dogwatch.actors.spot.errors import ExchangeError
from dogwatch.actors.spot.user_events import AnyUserEvent


class RateLimitUsage(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={"rate_limit_type": "rateLimitType", "interval_count": "intervalNum"},
):
    """How far a limit is used up: `count` of `limit` in `interval_count` intervals (WebSocket API, Rate limits)."""

    rate_limit_type: RateLimitType
    interval: RateLimitInterval
    interval_count: int
    limit: int
    count: int


class Response(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={"rate_limits_raw": "rateLimits"}):
    """The answer to a request. Either `error` is set, or `result` is the raw JSON of what was asked for.

    `id` is the request's, or None: then the error belongs to no request (a malformed id, a revoked key).
    `rate_limits_raw` is the raw JSON of `rate_limits`, empty if nothing is said of them.
    """

    id: int | str | None
    status: int
    result: msgspec.Raw = msgspec.Raw(b"")
    error: ExchangeError | None = None
    rate_limits_raw: msgspec.Raw = msgspec.Raw(b"")

    @property
    def is_ok(self) -> bool:
        return self.error is None and self.status == 200

    @property
    def rate_limits(self) -> tuple[RateLimitUsage, ...]:
        """How far the limits are used up that this request counts in; nothing where that cannot be read."""
        # Read when somebody looks, for few answers are heeded: 1.3 instead of 2.2 us for each other one.
        raw = self.rate_limits_raw
        try:
            return _decode_rate_limits(raw) if raw else ()
        except UNDECODABLE:
            return ()


class UserEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={"subscription_id": "subscriptionId"}):
    """An event of a user data subscription. `subscription_id` is None for what concerns the whole connection, such as
    ServerShutdown; else it counts from 0 on each connection, so it means nothing on another one."""

    subscription_id: int | None = None
    event: AnyUserEvent


class MalformedFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that is none of the documented shapes. `excerpt` is its beginning, at most 200 bytes of `length`.

    `id` is the request's if the frame was an answer with a readable id: the request was answered, but nobody can read
    how, so its outcome is unknown.
    """

    problem: str
    excerpt: bytes
    length: int
    id: int | str | None = None


Frame = Response | UserEvent | MalformedFrame

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises when the bytes are not what it expects; RecursionError for absurdly deep nesting."""


class FrameShape(msgspec.Struct, frozen=True, kw_only=True, rename={"subscription_id": "subscriptionId"}):
    """The members that tell the shapes apart."""

    id: int | str | None = None
    status: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    subscription_id: int | None = None
    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    e: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class EventType(msgspec.Struct, frozen=True):
    """The member that tells events apart."""

    e: str


_decode_rate_limits = msgspec.json.Decoder(tuple[RateLimitUsage, ...]).decode
