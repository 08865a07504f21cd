"""`decode_stream_frame`, which makes events of what a market stream connection brings (WebSocket Streams).

Covers every documented stream, raw and in the combined wrapper `{"stream":…,"data":…}`, the shutdown notice in both
shapes and in that of the WebSocket API, and the answers to requests. Nothing raises.
"""

import re
from collections.abc import Callable
from typing import Any, TypeAlias, get_args, get_origin

import msgspec

from dogwatch.actors.spot.envelope import UNDECODABLE
from dogwatch.actors.spot.errors import ExchangeError
from dogwatch.actors.spot.frame_decoder import malformed
from dogwatch.actors.spot.stream_events import (
    AggregateTradeEvent,
    AnyStreamEvent,
    BlockTradeEvent,
    Book,
    BookDiff,
    KlineEvent,
    Quote,
    StreamEvent,
    StreamFrame,
    StreamResponse,
    TaggedEvent,
    TickerEvent,
    Trade,
    UnknownStreamEvent,
)
from dogwatch.actors.spot.stream_shapes import EventShape, FrameShape
from dogwatch.actors.spot.ticker_events import (
    AveragePriceEvent,
    DayTicker,
    FourHoursTicker,
    HourTicker,
    MiniTicker,
    ReferencePriceEvent,
    Ticker24h,
)
from dogwatch.actors.spot.user_events import ServerShutdown

_tagged: msgspec.json.Decoder[TaggedEvent] = msgspec.json.Decoder(TaggedEvent)
_quote = msgspec.json.Decoder(Quote)
_book = msgspec.json.Decoder(Book)
_shape = msgspec.json.Decoder(FrameShape)
_event_shape = msgspec.json.Decoder(EventShape)
_tickers: msgspec.json.Decoder[tuple[TickerEvent, ...]] = msgspec.json.Decoder(tuple[TickerEvent, ...])
_event_shapes = msgspec.json.Decoder(list[EventShape])

_EVENT_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(TaggedEvent))
_TICKER_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(TickerEvent))

# What stands behind the symbol and the first "@" in a stream's name → what it brings. For klines and books the rest of
# the name is their interval, or their levels and period.
_KINDS: dict[str, type[msgspec.Struct]] = {
    "trade": Trade,
    "aggTrade": AggregateTradeEvent,
    "blockTrade": BlockTradeEvent,
    "bookTicker": Quote,
    "miniTicker": MiniTicker,
    "ticker": Ticker24h,
    "ticker_1h": HourTicker,
    "ticker_4h": FourHoursTicker,
    "ticker_1d": DayTicker,
    "avgPrice": AveragePriceEvent,
    "referencePrice": ReferencePriceEvent,
}
_KLINES = re.compile(r"kline_\w+(@.*)?")
_DEPTHS = re.compile(r"depth(\d*)(@\d+ms)?")
_ALL_SYMBOLS = "@arr"
_TUPLE: Any = tuple

_BEGINNING = b'{"stream":"'
_NAME_FROM = len(_BEGINNING)
_NAME_TO = 100
"""Between these bytes stands a stream's name in every combined frame that takes the fast way."""
NEWEST_IS_ENOUGH = (b'","data":{"u', b'","data":{"l')
"""So end the keys of quotes and partial books, with no "e" in front. Each of them says all that the one before said."""
_BEYOND = len(NEWEST_IS_ENOUGH[0])
"""So many bytes of a key stand behind the name."""
_STREAMS_MAX = 16_384
"""So many streams are remembered. One connection has 1,024 of them at most."""

_CombinedDecoder: TypeAlias = Callable[[bytes], StreamEvent[Any]]
_stream_by_key: dict[bytes, tuple[str, _CombinedDecoder]] = {}
_decode_by_kind: dict[Any, _CombinedDecoder] = {}


def kind_of_stream(name: str) -> Any:
    """The type of what a stream of this name brings, for all symbols a tuple; None for a stream that came later."""
    what = name.partition("@")[2]
    if name.startswith("!"):
        kind = _KINDS.get(name[1:].removesuffix(_ALL_SYMBOLS)) if name.endswith(_ALL_SYMBOLS) else None
        return None if kind is None else _TUPLE[kind, ...]
    if _KLINES.fullmatch(what):
        return KlineEvent
    if depth := _DEPTHS.fullmatch(what):
        return Book if depth[1] else BookDiff
    return _KINDS.get(what)


def key_of(payload: bytes) -> bytes:
    """What the usual combined frame begins with, up to the first bytes of its data. Frames of one stream share it."""
    return payload[: payload.find(b'"', _NAME_FROM, _NAME_TO) + _BEYOND]


def stream_of(key: bytes) -> tuple[str, _CombinedDecoder] | None:
    """The name of the stream whose frames have this key, and what decodes them; None for any other frame, for which
    `decode_stream_frame` is there. What is decoded must name that stream, or the frame has two names.
    """
    return _stream_by_key.get(key) or _meet(key)


def decode_stream_frame(payload: bytes) -> StreamFrame:
    """Return what a market stream frame says. Never raises; what cannot be read becomes a MalformedFrame, and so does
    an event under the name of a stream that brings others.

    As in `envelope.py`, the usual frames are recognised by their first bytes and decoded in one pass.
    """
    try:
        stream = stream_of(key_of(payload))
        if stream is not None:
            name, decode = stream
            frame = decode(payload)
            if frame.stream == name:  # else a frame has two of them
                return frame
        elif payload.startswith(b'{"e":"'):
            return StreamEvent(event=_tagged.decode(payload))
        elif payload.startswith(b'{"u":'):
            return StreamEvent(event=_quote.decode(payload))
    except UNDECODABLE:
        pass  # the slow way finds out what is wrong with it
    return _decode_slowly(payload)


def _meet(key: bytes) -> tuple[str, _CombinedDecoder] | None:
    """A stream that is not known yet; remembered for its next frame. None for one that came later."""
    if not key.startswith(_BEGINNING):
        return None
    try:
        name = key[_NAME_FROM:].partition(b'"')[0].decode()
    except UnicodeDecodeError:
        return None
    kind = kind_of_stream(name)
    if kind is None:
        return None
    events: Any = StreamEvent
    decode = _decode_by_kind.get(kind) or msgspec.json.Decoder(events[kind]).decode
    stream = name, _decode_by_kind.setdefault(kind, decode)
    if len(_stream_by_key) >= _STREAMS_MAX:
        _stream_by_key.clear()
    _stream_by_key[key] = stream
    return stream


def _decode_slowly(payload: bytes) -> StreamFrame:
    try:
        if _is_array(payload):
            return StreamEvent(event=_read_event(payload))
        shape = _shape.decode(payload)
        if shape.data is not msgspec.UNSET:
            event = _read_event(bytes(shape.data))
            _check_kind(event, shape.stream or "")
            return StreamEvent(stream=shape.stream, event=event)
        if shape.event is not msgspec.UNSET:  # the wrapper of the WebSocket API
            return StreamEvent(event=_read_event(bytes(shape.event)))
        return _read_response(shape) or StreamEvent(event=_read_event(payload))
    except UNDECODABLE as error:
        return malformed(payload, str(error))


def _read_response(shape: FrameShape) -> StreamResponse | None:
    request_id = None if shape.id is msgspec.UNSET else shape.id
    if shape.error is not None:
        return StreamResponse(id=request_id, error=shape.error)
    if shape.code is not None:
        return StreamResponse(id=request_id, error=ExchangeError(code=shape.code, message=shape.msg))
    if shape.result is not msgspec.UNSET:
        return StreamResponse(id=request_id, result=shape.result)
    if shape.id is not msgspec.UNSET:
        raise msgspec.ValidationError("an answer with neither a result nor an error")
    return None


def _read_event(raw: bytes) -> AnyStreamEvent:
    if _is_array(raw):
        return _read_tickers(raw)
    shape = _event_shape.decode(raw)
    if shape.e in _EVENT_TYPES:
        return _tagged.decode(raw)
    if not shape.e and shape.u is not None:
        return _quote.decode(raw)
    if not shape.e and shape.last_update_id is not None:
        return _book.decode(raw)
    return UnknownStreamEvent(event_type=shape.e, raw=raw)


def _check_kind(event: AnyStreamEvent, stream: str) -> None:
    """Who follows a stream gets what it brings and nothing else. The notice of a shutdown is good anywhere."""
    kind = kind_of_stream(stream)
    if kind is None or isinstance(event, ServerShutdown):
        return
    events, wanted = (event, get_args(kind)[0]) if get_origin(kind) is tuple else ((event,), kind)
    if not isinstance(events, tuple) or any(type(one) is not wanted for one in events):
        raise msgspec.ValidationError(f"this does not come on {stream}: a {wanted.__name__} does")


def _read_tickers(raw: bytes) -> tuple[TickerEvent, ...] | UnknownStreamEvent:
    """What the streams of all symbols send."""
    types = {shape.e for shape in _event_shapes.decode(raw)}
    if types <= _TICKER_TYPES:
        return _tickers.decode(raw)
    return UnknownStreamEvent(event_type=min(types - _TICKER_TYPES), raw=raw)


def _is_array(raw: bytes) -> bool:
    return raw.lstrip()[:1] == b"["
