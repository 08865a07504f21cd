"""What market streams tell about a time span: tickers of a day and of a rolling window, the average price, and the
reference price (WebSocket Streams). Taking a frame apart into these values is `stream_events.py`'s work.

Prices and quantities are `Decimal`, volumes in the base asset unless `quote` is in the name; times are integers in
milliseconds since 1970. Tickers come once a second, and only when something changed. Where they were asked for over
REST, `event_time_ms` is None.
"""

from decimal import Decimal
from typing import ClassVar

import msgspec


class MiniTicker(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="e",
    tag="24hrMiniTicker",
    rename={
        "event_time_ms": "E",
        "symbol": "s",
        "close_price": "c",
        "open_price": "o",
        "high_price": "h",
        "low_price": "l",
        "volume": "v",
        "quote_volume": "q",
    },
):
    """A symbol's last 24 hours in short (Individual Symbol Mini Ticker Stream, All Market Mini Tickers Stream)."""

    event_time_ms: int | None
    symbol: str
    close_price: Decimal
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    volume: Decimal
    quote_volume: Decimal


class Ticker24h(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="e",
    tag="24hrTicker",
    rename={
        "event_time_ms": "E",
        "symbol": "s",
        "price_change": "p",
        "price_change_percent": "P",
        "weighted_average_price": "w",
        "previous_close_price": "x",
        "last_price": "c",
        "last_quantity": "Q",
        "bid": "b",
        "bid_quantity": "B",
        "ask": "a",
        "ask_quantity": "A",
        "open_price": "o",
        "high_price": "h",
        "low_price": "l",
        "volume": "v",
        "quote_volume": "q",
        "open_time_ms": "O",
        "close_time_ms": "C",
        "first_trade_id": "F",
        "last_trade_id": "L",
        "trade_count": "n",
    },
):
    """A symbol's last 24 hours in full (Individual Symbol Ticker Streams).

    `previous_close_price` is that of the last trade before the window; `price_change_percent` 250 means 250 %.
    """

    event_time_ms: int | None
    symbol: str
    price_change: Decimal
    price_change_percent: Decimal
    weighted_average_price: Decimal
    previous_close_price: Decimal
    last_price: Decimal
    last_quantity: Decimal
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    volume: Decimal
    quote_volume: Decimal
    open_time_ms: int
    close_time_ms: int
    first_trade_id: int
    last_trade_id: int
    trade_count: int


class RollingWindowTicker(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={
        "event_time_ms": "E",
        "symbol": "s",
        "price_change": "p",
        "price_change_percent": "P",
        "open_price": "o",
        "high_price": "h",
        "low_price": "l",
        "last_price": "c",
        "weighted_average_price": "w",
        "volume": "v",
        "quote_volume": "q",
        "open_time_ms": "O",
        "close_time_ms": "C",
        "first_trade_id": "F",
        "last_trade_id": "L",
        "trade_count": "n",
    },
):
    """A symbol's statistics over a window of the length `window`: the base of the three types below, as which they come
    (Individual Symbol and All Market Rolling Window Statistics Streams). The window opens on a full minute and closes
    with the event, so it is up to a minute longer than its name says.
    """

    window: ClassVar[str]
    """The window's length, as it stands in the stream's name."""

    event_time_ms: int | None
    symbol: str
    price_change: Decimal
    price_change_percent: Decimal
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    last_price: Decimal
    weighted_average_price: Decimal
    volume: Decimal
    quote_volume: Decimal
    open_time_ms: int
    close_time_ms: int
    first_trade_id: int
    last_trade_id: int
    trade_count: int


class HourTicker(RollingWindowTicker, frozen=True, kw_only=True, gc=False, tag_field="e", tag="1hTicker"):
    """The last hour."""

    window: ClassVar[str] = "1h"


class FourHoursTicker(RollingWindowTicker, frozen=True, kw_only=True, gc=False, tag_field="e", tag="4hTicker"):
    """The last four hours."""

    window: ClassVar[str] = "4h"


class DayTicker(RollingWindowTicker, frozen=True, kw_only=True, gc=False, tag_field="e", tag="1dTicker"):
    """The last day."""

    window: ClassVar[str] = "1d"


class AveragePriceEvent(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="e",
    tag="avgPrice",
    rename={
        "event_time_ms": "E",
        "symbol": "s",
        "interval": "i",
        "price": "w",
        "last_trade_time_ms": "T",
    },
):
    """The average price over `interval`, such as `5m` (Average Price)."""

    event_time_ms: int | None
    symbol: str
    interval: str
    price: Decimal
    last_trade_time_ms: int


class ReferencePriceEvent(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="e",
    tag="referencePrice",
    rename={"symbol": "s", "price": "r", "time_ms": "t"},
):
    """The reference price of a symbol and since when it is valid (Reference Price Streams). None: there is none now."""

    symbol: str
    price: Decimal | None
    time_ms: int
