"""Market stream events as values, and `decode_stream_frame`, which makes them of a frame (WebSocket Streams).

Prices and quantities are `Decimal`; times are integers in milliseconds. Covers every documented stream, raw and in the
combined wrapper `{"stream":…,"data":…}`, the shutdown notice in both shapes and in that of the WebSocket API, and the
answers to requests. Tickers and the like stand in `ticker_events.py`. Data of streams that come later becomes an
`UnknownStreamEvent`; nothing raises.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Generic, TypeAlias, TypeVar, get_args, get_origin

import msgspec

from dogwatch.actors.spot.envelope import UNDECODABLE, MalformedFrame, malformed
from dogwatch.actors.spot.errors import ExchangeError
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


class Trade(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="e",
    tag="trade",
    rename={
        "event_time_ms": "E",
        "symbol": "s",
        "trade_id": "t",
        "price": "p",
        "quantity": "q",
        "trade_time_ms": "T",
        "is_buyer_maker": "m",
    },
):
    """One public trade (Trade Streams): `price` in the quote asset, `quantity` in the base asset, times in milliseconds
    since 1970. Ids rise without holes. `is_buyer_maker` means that the seller was the aggressor. `event_time_ms` is
    None where it was asked for over REST.
    """

    event_time_ms: int | None
    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    trade_time_ms: int
    is_buyer_maker: bool


class AggregateTradeEvent(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="e",
    tag="aggTrade",
    rename={
        "event_time_ms": "E",
        "symbol": "s",
        "aggregate_trade_id": "a",
        "price": "p",
        "quantity": "q",
        "first_trade_id": "f",
        "last_trade_id": "l",
        "trade_time_ms": "T",
        "is_buyer_maker": "m",
    },
):
    """All trades of one taker order at one price and time together (Aggregate Trade Streams). `event_time_ms` is None
    where it was asked for over REST.
    """

    event_time_ms: int | None
    symbol: str
    aggregate_trade_id: int
    price: Decimal
    quantity: Decimal
    first_trade_id: int
    last_trade_id: int
    trade_time_ms: int
    is_buyer_maker: bool


class BlockTradeEvent(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="e",
    tag="blockTrade",
    rename={
        "event_time_ms": "E",
        "symbol": "s",
        "block_trade_id": "t",
        "price": "p",
        "quantity": "q",
        "trade_time_ms": "T",
        "is_buyer_maker": "m",
    },
):
    """A trade that two parties agreed on beside the book (Block Trade Streams), with ids of its own kind."""

    event_time_ms: int
    symbol: str
    block_trade_id: int
    price: Decimal
    quantity: Decimal
    trade_time_ms: int
    is_buyer_maker: bool


class Quote(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={
        "update_id": "u",
        "symbol": "s",
        "bid": "b",
        "bid_quantity": "B",
        "ask": "a",
        "ask_quantity": "A",
    },
):
    """Best bid and ask (Individual Symbol Book Ticker Streams): prices in the quote asset, quantities in the base one.

    Carries no time; `update_id` rises, and is None where it was asked for over REST.
    """

    update_id: int | None
    symbol: str
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal

    @property
    def middle(self) -> Decimal:
        """Halfway between bid and ask; not a multiple of the tick size in general."""
        return (self.bid + self.ask) / 2


class PriceLevel(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """One level of a book, in quote and base asset. In a BookDiff a quantity of zero removes the level."""

    price: Decimal
    quantity: Decimal


class BookDiff(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="e",
    tag="depthUpdate",
    rename={
        "event_time_ms": "E",
        "symbol": "s",
        "first_update_id": "U",
        "final_update_id": "u",
        "bids": "b",
        "asks": "a",
    },
):
    """Changed levels (Diff. Depth Stream). Follows the event whose `final_update_id` is `first_update_id - 1`."""

    event_time_ms: int
    symbol: str
    first_update_id: int
    final_update_id: int
    bids: tuple[PriceLevel, ...]
    asks: tuple[PriceLevel, ...]


class Book(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={"last_update_id": "lastUpdateId"},
):
    """The best levels of a book, best first (Partial Book Depth Streams).

    The wire does not say of which symbol, except in the stream's name: `symbol` is filled in by whoever knows it.
    """

    last_update_id: int
    bids: tuple[PriceLevel, ...]
    asks: tuple[PriceLevel, ...]
    symbol: str = ""


class Kline(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={
        "start_time_ms": "t",
        "close_time_ms": "T",
        "symbol": "s",
        "interval": "i",
        "first_trade_id": "f",
        "last_trade_id": "L",
        "open_price": "o",
        "close_price": "c",
        "high_price": "h",
        "low_price": "l",
        "volume": "v",
        "trade_count": "n",
        "is_closed": "x",
        "quote_volume": "q",
        "taker_buy_volume": "V",
        "taker_buy_quote_volume": "Q",
    },
):
    """One candlestick. Volumes are in the base asset, those with `quote` in the name in the quote asset. The ids of the
    first and the last trade are -1 where there was none, and None where it was asked for over REST.
    """

    start_time_ms: int
    close_time_ms: int
    symbol: str
    interval: str
    first_trade_id: int | None
    last_trade_id: int | None
    open_price: Decimal
    close_price: Decimal
    high_price: Decimal
    low_price: Decimal
    volume: Decimal
    trade_count: int
    is_closed: bool
    quote_volume: Decimal
    taker_buy_volume: Decimal
    taker_buy_quote_volume: Decimal


class KlineEvent(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="e",
    tag="kline",
    rename={"event_time_ms": "E", "symbol": "s", "kline": "k"},
):
    """The current candlestick as it stands (Kline/Candlestick Streams). The last one of an interval `is_closed`.

    With a time zone in the stream's name the days begin at its midnight; the times are in UTC all the same.
    """

    event_time_ms: int
    symbol: str
    kline: Kline


class UnknownStreamEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Data of a stream that came later. `event_type` is its "e", empty if it has none; `raw` its JSON."""

    event_type: str
    raw: bytes


TickerEvent = MiniTicker | Ticker24h | HourTicker | FourHoursTicker | DayTicker
"""What the streams of all symbols bring as a tuple: of those symbols only whose ticker changed."""

_Tagged = (
    Trade
    | AggregateTradeEvent
    | BlockTradeEvent
    | BookDiff
    | KlineEvent
    | TickerEvent
    | AveragePriceEvent
    | ReferencePriceEvent
    | ServerShutdown
)
AnyStreamEvent = _Tagged | Quote | Book | tuple[TickerEvent, ...] | UnknownStreamEvent

E = TypeVar("E", covariant=True)


class StreamEvent(msgspec.Struct, Generic[E], frozen=True, kw_only=True, rename={"event": "data"}):
    """An event and the name of its stream, which only the combined wrapper tells (else None)."""

    stream: str | None = None
    event: E


class StreamResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a request on a market stream connection. `result` is raw JSON, `null` for a success without data.

    An error may come without the id of the request that it answers.
    """

    id: int | str | None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: ExchangeError | None = None


StreamFrame = StreamEvent[AnyStreamEvent] | StreamResponse | MalformedFrame


class _Shape(msgspec.Struct, frozen=True, kw_only=True):
    """The members that tell the shapes apart. An error stands in `error`, or flat in `code` and `msg`."""

    id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: ExchangeError | None = None
    code: int | None = None
    msg: str = ""
    stream: str | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _EventShape(msgspec.Struct, frozen=True, kw_only=True, rename={"last_update_id": "lastUpdateId"}):
    e: str = ""
    u: int | None = None
    last_update_id: int | None = None


_tagged: msgspec.json.Decoder[_Tagged] = msgspec.json.Decoder(_Tagged)
_quote = msgspec.json.Decoder(Quote)
_book = msgspec.json.Decoder(Book)
_shape = msgspec.json.Decoder(_Shape)
_event_shape = msgspec.json.Decoder(_EventShape)
_tickers: msgspec.json.Decoder[tuple[TickerEvent, ...]] = msgspec.json.Decoder(tuple[TickerEvent, ...])
_event_shapes = msgspec.json.Decoder(list[_EventShape])

_EVENT_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(_Tagged))
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

_CombinedDecoder: TypeAlias = "Callable[[bytes], StreamEvent[Any]]"
_stream_by_key: dict[bytes, tuple[str, _CombinedDecoder]] = {}
_decode_by_kind: dict[Any, _CombinedDecoder] = {}


def kind_of_stream(name: str) -> Any:
    """The type of what a stream of this name brings, for all symbols a tuple; None for a stream that came later."""
    what = name.partition("@")[2]
    if name.startswith("!"):
        kind = _KINDS.get(name[1:].removesuffix(_ALL_SYMBOLS)) if name.endswith(_ALL_SYMBOLS) else None
        return None if kind is None else tuple[kind, ...]  # type: ignore[valid-type] # a value here
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


def _read_response(shape: _Shape) -> StreamResponse | None:
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
