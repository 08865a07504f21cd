"""Price statistics of a symbol over a window of time, in the words of requests and of streams. Pure.

(WebSocket API, "24hr ticker price change statistics", "Trading Day Ticker", "Rolling window price change statistics";
WebSocket Streams, "… Mini Ticker …", "… Ticker …", "… Rolling Window Statistics …".)
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from dogwatch.actors.paper.candle_views import window
from dogwatch.actors.paper.decimals import ZERO, text
from dogwatch.actors.paper.klines import DAY_MS, HOUR_MS, MINUTE_MS, Klines

Row = dict[str, Any]

WINDOWS_MS: Mapping[str, int] = {
    **{f"{count}m": count * MINUTE_MS for count in range(1, 60)},
    **{f"{count}h": count * HOUR_MS for count in range(1, 24)},
    **{f"{count}d": count * DAY_MS for count in range(1, 8)},
}
"""The lengths that a rolling window may have."""


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a symbol between two times (ms). Without a trade in between, only the last price is known.

    `previous` is the price before the window, where it is known.
    """

    symbol: str
    open_ms: int
    close_ms: int
    first: Decimal = ZERO
    high: Decimal = ZERO
    low: Decimal = ZERO
    last: Decimal = ZERO
    previous: Decimal = ZERO
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO
    first_id: int = -1
    last_id: int = -1
    trades: int = 0

    @classmethod
    def of(cls, symbol: str, klines: Klines, *, open_ms: int, close_ms: int, now_ms: int) -> "Statistics":
        """From the minute on in which the window opens until now."""
        klines.advance(now_ms)
        start_ms = open_ms // MINUTE_MS * MINUTE_MS
        bar = window(klines, start_ms)
        if bar is None:
            return cls(symbol=symbol, open_ms=open_ms, close_ms=close_ms)
        if not bar.trades:
            return cls(symbol=symbol, open_ms=open_ms, close_ms=close_ms, last=bar.close, previous=bar.close)
        return cls(
            symbol=symbol,
            open_ms=open_ms,
            close_ms=close_ms,
            first=bar.open,
            high=bar.high,
            low=bar.low,
            last=bar.close,
            previous=_close_before(klines, start_ms) or bar.open,
            volume=bar.volume,
            quote_volume=bar.quote_volume,
            first_id=bar.first_trade_id,
            last_id=bar.last_trade_id,
            trades=bar.trades,
        )

    @property
    def change(self) -> Decimal:
        return self.last - self.first if self.trades else ZERO

    @property
    def change_percent(self) -> str:
        return f"{self.change / self.first * 100:.3f}" if self.first else "0.000"

    @property
    def average(self) -> Decimal:
        return self.quote_volume / self.volume if self.volume else ZERO

    # Rows of replies.

    def mini_row(self) -> Row:
        """The type MINI of every statistics request."""
        return {
            "symbol": self.symbol,
            "openPrice": text(self.first),
            "highPrice": text(self.high),
            "lowPrice": text(self.low),
            "lastPrice": text(self.last),
            "volume": text(self.volume),
            "quoteVolume": text(self.quote_volume),
            "openTime": self.open_ms,
            "closeTime": self.close_ms,
            "firstId": self.first_id,
            "lastId": self.last_id,
            "count": self.trades,
        }

    def row(self) -> Row:
        """The type FULL of `ticker` and `ticker.tradingDay`."""
        mini = self.mini_row()
        return {
            "symbol": mini.pop("symbol"),
            "priceChange": text(self.change),
            "priceChangePercent": self.change_percent,
            "weightedAvgPrice": text(self.average),
            **mini,
        }

    def day_row(self, last_quantity: str, quote: Mapping[str, str]) -> Row:
        """The type FULL of `ticker.24hr`, which knows more."""
        return {
            **self.row(),
            "prevClosePrice": text(self.previous),
            "lastQty": last_quantity,
            **{name: quote[name] for name in ("bidPrice", "bidQty", "askPrice", "askQty")},
        }

    # Events of streams.

    def mini_event(self, now_ms: int) -> Row:
        """Of `<symbol>@miniTicker`."""
        return {
            "e": "24hrMiniTicker",
            "E": now_ms,
            "s": self.symbol,
            "c": text(self.last),
            "o": text(self.first),
            "h": text(self.high),
            "l": text(self.low),
            "v": text(self.volume),
            "q": text(self.quote_volume),
        }

    def event(self, kind: str, now_ms: int) -> Row:
        """Of `<symbol>@ticker_<window>`; `kind` is its event type."""
        return {
            **self.mini_event(now_ms),
            "e": kind,
            "p": text(self.change),
            "P": self.change_percent,
            "w": text(self.average),
            "O": self.open_ms,
            "C": self.close_ms,
            "F": self.first_id,
            "L": self.last_id,
            "n": self.trades,
        }

    def day_event(self, now_ms: int, last_quantity: str, quote: Mapping[str, str]) -> Row:
        """Of `<symbol>@ticker`."""
        return {
            **self.event("24hrTicker", now_ms),
            "x": text(self.previous),
            "Q": last_quantity,
            "b": quote["bidPrice"],
            "B": quote["bidQty"],
            "a": quote["askPrice"],
            "A": quote["askQty"],
        }


def statistics_of_day(symbol: str, klines: Klines, now_ms: int) -> Statistics:
    """Of the last 24 hours."""
    return Statistics.of(symbol, klines, open_ms=now_ms - DAY_MS, close_ms=now_ms, now_ms=now_ms)


def statistics_of_window(symbol: str, klines: Klines, size: str, now_ms: int) -> Statistics:
    """Of a rolling window (`WINDOWS_MS`), which opens at the beginning of a minute."""
    open_ms = (now_ms - WINDOWS_MS[size]) // MINUTE_MS * MINUTE_MS
    return Statistics.of(symbol, klines, open_ms=open_ms, close_ms=now_ms, now_ms=now_ms)


def _close_before(klines: Klines, start_ms: int) -> Decimal | None:
    close = None
    for bar in klines.all("1m"):
        if bar.opened_ms >= start_ms:
            break
        close = bar.close
    return close
