"""Taking a WebSocket API frame apart: a response, a user data event, or something that is neither (Response format;
User Data Streams). Pure; what a response or an event means is decided elsewhere.

`decode_frame` never raises, whatever the bytes are. The three shapes that make up the traffic are told apart by their
first bytes, as the exchange writes them, and decoded in one pass into their final value. A frame that is spelled in
another way (blanks, another order of members) takes a slower way to the same value.
"""

from typing import get_args

import msgspec

from dogwatch.actors.spot.amounts import with_sound_amounts
from dogwatch.actors.spot.enums import RateLimitInterval, RateLimitType
from dogwatch.actors.spot.errors import ExchangeError
from dogwatch.actors.spot.user_events import AnyUserEvent, UnknownEvent

_EXCERPT_BYTES = 200


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


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename={"subscription_id": "subscriptionId"}):
    """The members that tell the shapes apart."""

    id: int | str | None = None
    status: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    subscription_id: int | None = None
    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    e: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _EventType(msgspec.Struct, frozen=True):
    e: str


_event_decoder: msgspec.json.Decoder[AnyUserEvent] = msgspec.json.Decoder(AnyUserEvent)
_decode_rate_limits = msgspec.json.Decoder(tuple[RateLimitUsage, ...]).decode
_decode_response = msgspec.json.Decoder(Response).decode
_decode_user_event = msgspec.json.Decoder(UserEvent).decode
_decode_shape = msgspec.json.Decoder(_Shape).decode
_decode_event_type = msgspec.json.Decoder(_EventType).decode

_EVENT_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(AnyUserEvent))


def decode_frame(payload: bytes) -> Frame:
    """Return what a WebSocket API frame says. Never raises; what cannot be read becomes a MalformedFrame."""
    try:
        if payload.startswith(b'{"id":'):
            response = _decode_response(payload)
            return response if response.error is None else _with_status_in_error(response)
        if payload.startswith(b'{"subscriptionId":'):
            event = _decode_user_event(payload)
            with_sound_amounts(event.event)
            return event
    except UNDECODABLE:
        pass  # the slow way finds out what is wrong with it
    return _decode_slowly(payload)


def malformed(payload: bytes, problem: str, *, request_id: int | str | None = None) -> MalformedFrame:
    """Return the value for a frame that nobody can read."""
    return MalformedFrame(problem=problem, excerpt=payload[:_EXCERPT_BYTES], length=len(payload), id=request_id)


def _decode_slowly(payload: bytes) -> Frame:
    try:
        shape = _decode_shape(payload)
    except UNDECODABLE as error:
        return malformed(payload, str(error))
    try:
        if shape.status is not msgspec.UNSET:
            return _with_status_in_error(_decode_response(payload))
        if shape.event is not msgspec.UNSET:
            return UserEvent(subscription_id=shape.subscription_id, event=_read_event(shape.event))
        if shape.data is not msgspec.UNSET:  # the combined wrapper of the market streams, used for serverShutdown
            return UserEvent(event=_read_event(shape.data))
        if shape.e is not msgspec.UNSET:
            return UserEvent(event=_read_event(payload))
    except UNDECODABLE as error:
        return malformed(payload, str(error), request_id=shape.id)
    return malformed(payload, "neither a response nor an event", request_id=shape.id)


def _read_event(raw: bytes | msgspec.Raw) -> AnyUserEvent:
    event_type = _decode_event_type(raw).e
    if event_type in _EVENT_TYPES:
        return with_sound_amounts(_event_decoder.decode(raw))
    return UnknownEvent(event_type=event_type, raw=bytes(raw))


def _with_status_in_error(response: Response) -> Response:
    """The error value is passed on alone, and a 5XX says as much about the outcome as the code does."""
    if response.error is None:
        return response
    return msgspec.structs.replace(response, error=msgspec.structs.replace(response.error, status=response.status))
