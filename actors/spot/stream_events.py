"""Market stream events as values (WebSocket Streams). `stream_frames.py` makes them of frames.

Prices and quantities are `Decimal`; times are integers in milliseconds. Tickers and the like stand in
`ticker_events.py`. Data of streams that come later becomes an `UnknownStreamEvent`.
"""

from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

from dogwatch.actors.spot.envelope import MalformedFrame
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

TaggedEvent = (
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
"""Those that say by an "e" what they are."""
AnyStreamEvent = TaggedEvent | Quote | Book | tuple[TickerEvent, ...] | UnknownStreamEvent

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
