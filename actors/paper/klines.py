"""Candles of every interval from one symbol's trades, in UTC (other time zones: candle_views.py). Pure.

A trade touches the one-second bar only. A bar that ends is merged into the next longer one: seconds into minutes,
minutes into everything else; a bar that is asked for before its end is put together on the spot.
(WebSocket Streams, "Kline/Candlestick Streams"; WebSocket API, "Klines".)
"""

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dogwatch.actors.paper.decimals import ZERO, text

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
# The epoch was a Thursday; the exchange's weeks start on Monday.
MONDAY_MS = 4 * DAY_MS
KEPT_BARS = 1000
KEPT_MINUTES = 1500
"""Statistics of a day begin at any minute of it."""

LENGTHS_MS = {
    "1s": SECOND_MS,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": WEEK_MS,
}
INTERVALS = (*LENGTHS_MS, "1M")
_FROM_MINUTES = INTERVALS[2:]


def opened_at_ms(interval: str, now_ms: int, offset_ms: int = 0) -> int:
    """When the bar of `interval` that contains `now_ms` opened, where clocks are so much ahead of UTC."""
    local_ms = now_ms + offset_ms
    if interval == "1M":
        day = datetime.fromtimestamp(local_ms // 1000, UTC)
        return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()) * 1000 - offset_ms
    if interval == "1w":
        return (local_ms - MONDAY_MS) // WEEK_MS * WEEK_MS + MONDAY_MS - offset_ms
    length_ms = LENGTHS_MS[interval]
    return local_ms // length_ms * length_ms - offset_ms


def ends_at_ms(interval: str, opened_ms: int, offset_ms: int = 0) -> int:
    """When the bar that opened then ends: the first millisecond of the next one."""
    if interval == "1M":
        day = datetime.fromtimestamp((opened_ms + offset_ms) // 1000, UTC)
        year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
        return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000 - offset_ms
    return opened_ms + LENGTHS_MS[interval]


class Bar:
    """One candle, open or closed. Without a trade it is flat at the last close."""

    __slots__ = (
        "close",
        "first_trade_id",
        "high",
        "last_trade_id",
        "low",
        "open",
        "opened_ms",
        "quote_volume",
        "taker_quote_volume",
        "taker_volume",
        "trades",
        "volume",
    )

    def __init__(self, opened_ms: int, price: Decimal) -> None:
        self.opened_ms = opened_ms
        self.open = self.high = self.low = self.close = price
        self.volume = self.quote_volume = self.taker_volume = self.taker_quote_volume = ZERO
        self.trades = 0
        self.first_trade_id = self.last_trade_id = -1

    def add_trade(self, trade_id: int, price: Decimal, quantity: Decimal, *, buyer_is_maker: bool) -> None:
        if not self.trades:
            self.open = self.high = self.low = price
            self.first_trade_id = trade_id
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.last_trade_id = trade_id
        self.trades += 1
        notional = price * quantity
        self.volume += quantity
        self.quote_volume += notional
        if not buyer_is_maker:
            self.taker_volume += quantity
            self.taker_quote_volume += notional

    def merge(self, later: "Bar") -> None:
        """Take in a shorter bar that comes after what is in here already."""
        if not later.trades:
            return
        if not self.trades:
            self.open, self.high, self.low = later.open, later.high, later.low
            self.first_trade_id = later.first_trade_id
        else:
            self.high = max(self.high, later.high)
            self.low = min(self.low, later.low)
        self.close = later.close
        self.last_trade_id = later.last_trade_id
        self.trades += later.trades
        self.volume += later.volume
        self.quote_volume += later.quote_volume
        self.taker_volume += later.taker_volume
        self.taker_quote_volume += later.taker_quote_volume

    def copy(self) -> "Bar":
        twin = Bar(self.opened_ms, self.close)
        for name in Bar.__slots__:
            setattr(twin, name, getattr(self, name))
        return twin

    def row(self, interval: str, offset_ms: int = 0) -> list[Any]:
        """The bar as a row of a `klines` reply."""
        return [
            self.opened_ms,
            text(self.open),
            text(self.high),
            text(self.low),
            text(self.close),
            text(self.volume),
            ends_at_ms(interval, self.opened_ms, offset_ms) - 1,
            text(self.quote_volume),
            self.trades,
            text(self.taker_volume),
            text(self.taker_quote_volume),
            "0",
        ]

    def event(self, symbol: str, interval: str, *, is_closed: bool, now_ms: int, offset_ms: int = 0) -> dict[str, Any]:
        """The bar as a `kline` event."""
        return {
            "e": "kline",
            "E": now_ms,
            "s": symbol,
            "k": {
                "t": self.opened_ms,
                "T": ends_at_ms(interval, self.opened_ms, offset_ms) - 1,
                "s": symbol,
                "i": interval,
                "f": self.first_trade_id,
                "L": self.last_trade_id,
                "o": text(self.open),
                "c": text(self.close),
                "h": text(self.high),
                "l": text(self.low),
                "v": text(self.volume),
                "n": self.trades,
                "x": is_closed,
                "q": text(self.quote_volume),
                "V": text(self.taker_volume),
                "Q": text(self.taker_quote_volume),
                "B": "0",
            },
        }


class Klines:
    """The candles of one symbol: the open ones, and up to 1,000 closed ones per interval, 1,500 minutes."""

    def __init__(self) -> None:
        self._open: dict[str, Bar] = {}
        self._closed: dict[str, deque[Bar]] = {
            interval: deque(maxlen=KEPT_MINUTES if interval == "1m" else KEPT_BARS) for interval in INTERVALS
        }

    def add_trade(self, trade_id: int, price: Decimal, quantity: Decimal, *, buyer_is_maker: bool, now_ms: int) -> None:
        if not self._open:
            self._open = {interval: Bar(opened_at_ms(interval, now_ms), price) for interval in INTERVALS}
        second = self._open["1s"]
        if now_ms >= second.opened_ms + SECOND_MS:
            self.advance(now_ms)
            second = self._open["1s"]
        second.add_trade(trade_id, price, quantity, buyer_is_maker=buyer_is_maker)

    def advance(self, now_ms: int) -> None:
        """Close every bar that has ended by `now_ms`; bars without a trade are flat."""
        if not self._open:
            return
        second = self._open["1s"]
        if now_ms < second.opened_ms + SECOND_MS:
            return
        minute = self._open["1m"]
        minute.merge(second)
        self._close("1s", now_ms)
        if now_ms < minute.opened_ms + MINUTE_MS:
            return
        for interval in _FROM_MINUTES:
            bar = self._open[interval]
            bar.merge(minute)
            if now_ms >= ends_at_ms(interval, bar.opened_ms):
                self._close(interval, now_ms)
        self._close("1m", now_ms)

    def current(self, interval: str) -> Bar | None:
        """The open bar with all trades so far; None before the first trade."""
        if not self._open:
            return None
        bar = self._open[interval].copy()
        if interval != "1s":
            if interval != "1m":
                bar.merge(self._open["1m"])
            bar.merge(self._open["1s"])
        return bar

    def closed_since(self, interval: str, opened_ms: int) -> list[Bar]:
        """The closed bars that opened at `opened_ms` or later, oldest first."""
        newest_first = reversed(self._closed[interval])
        since: list[Bar] = []
        for bar in newest_first:
            if bar.opened_ms < opened_ms:
                break
            since.append(bar)
        return since[::-1]

    def all(self, interval: str) -> Iterator[Bar]:
        """The closed bars that are kept, oldest first, then the open one."""
        yield from self._closed[interval]
        current = self.current(interval)
        if current is not None:
            yield current

    def _close(self, interval: str, now_ms: int) -> None:
        """Put the open bar away, fill the quiet time after it with flat bars, open the one that contains now."""
        bar = self._open[interval]
        closed = self._closed[interval]
        closed.append(bar)
        current_ms = opened_at_ms(interval, now_ms)
        opened_ms = ends_at_ms(interval, bar.opened_ms)
        if interval != "1M":
            # After a long silence only the flat bars that are kept have to be made.
            opened_ms = max(opened_ms, current_ms - (closed.maxlen or 0) * LENGTHS_MS[interval])
        while opened_ms < current_ms:
            closed.append(Bar(opened_ms, bar.close))
            opened_ms = ends_at_ms(interval, opened_ms)
        self._open[interval] = Bar(current_ms, bar.close)
