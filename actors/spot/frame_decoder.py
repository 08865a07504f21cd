"""Taking a WebSocket API frame apart (`envelope.py` says into what). Pure.

`decode_frame` never raises, whatever the bytes are. The three shapes that make up the traffic are told apart by their
first bytes, as the exchange writes them, and decoded in one pass into their final value. A frame that is spelled in
another way (blanks, another order of members) takes a slower way to the same value.
"""

from typing import get_args

import msgspec

from dogwatch.actors.spot.amounts import with_sound_amounts
from dogwatch.actors.spot.envelope import (
    UNDECODABLE,
    EventType,
    Frame,
    FrameShape,
    MalformedFrame,
    Response,
    UserEvent,
)
from dogwatch.actors.spot.user_events import AnyUserEvent, UnknownEvent

__all__ = ["decode_frame", "malformed"]

_EXCERPT_BYTES = 200

_event_decoder: msgspec.json.Decoder[AnyUserEvent] = msgspec.json.Decoder(AnyUserEvent)
_decode_response = msgspec.json.Decoder(Response).decode
_decode_user_event = msgspec.json.Decoder(UserEvent).decode
_decode_shape = msgspec.json.Decoder(FrameShape).decode
_decode_event_type = msgspec.json.Decoder(EventType).decode

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
