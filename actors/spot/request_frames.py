"""The frames that carry requests (Request format). Time, signature and the moment of sending belong to the session."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from dogwatch.actors.spot.methods import RECV_WINDOW_MS_MAX, Params, ParamValue, RequestForm

__all__ = ["encode_request", "encode_stream_request", "stamp"]


def encode_request(request_id: int | str, method: str, params: Mapping[str, ParamValue] | None = None) -> bytes:
    """Return the text frame of a request. A string id is 1 to 36 characters of `[a-zA-Z0-9-_]`, else ValueError."""
    if isinstance(request_id, str) and not _ID.fullmatch(request_id):
        raise ValueError(f"request id {request_id!r}: use 1 to 36 letters, digits, '-' or '_', or an integer")
    return _encode(RequestForm(request_id, method, params or msgspec.UNSET))


def encode_stream_request(request_id: int, method: str, params: Sequence[str | bool] = ()) -> bytes:
    """Return the text frame of a request on a market connection: SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS with names
    of streams, SET_PROPERTY and GET_PROPERTY with a property (WebSocket Streams, Live Subscribing/Unsubscribing).
    """
    if params:
        return _encode({"method": method, "params": params, "id": request_id})
    return _encode({"method": method, "id": request_id})


def stamp(params: Mapping[str, ParamValue], *, timestamp_ms: int, recv_window_ms: int | None = None) -> Params:
    """Return the parameters with the time of the request, and how long after it the exchange may still take it.

    Server time in milliseconds; `recv_window_ms` is 1 to 60,000, the exchange takes 5,000 if it is left out
    (Timing security).
    """
    if recv_window_ms is None:
        return {**params, "timestamp": timestamp_ms}
    if not 1 <= recv_window_ms <= RECV_WINDOW_MS_MAX:
        raise ValueError(f"recv_window_ms is {recv_window_ms}: the exchange takes 1 to {RECV_WINDOW_MS_MAX}")
    return {**params, "timestamp": timestamp_ms, "recvWindow": recv_window_ms}


_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,36}")
_encode: Final = msgspec.json.Encoder().encode
