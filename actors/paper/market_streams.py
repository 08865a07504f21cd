"""What the market streams say: trades, best quotes, book changes and candles, from what the engine reports. Pure.

Statistics and averages stand in ticker_streams.py. (WebSocket Streams for Binance, "Detailed Stream information".)
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dogwatch.actors.paper.candle_views import CandleView
from dogwatch.actors.paper.klines import Bar, opened_at_ms
from dogwatch.actors.paper.streams import StreamHub, StreamName
from dogwatch.actors.paper.symbol_market import SymbolMarket, aggregate_row
from dogwatch.actors.paper.ticker_streams import (
    AFTER_QUOTES,
    AFTER_TRADES,
    KINDS,
    STEADY,
    MarketReading,
    TickerStreams,
)

MarketEvent = tuple[str, str, dict[str, Any]]
"""Kind, symbol and payload, as the engine reports them: kind is trade, bookTicker or depth."""


class _Changes:
    """Book changes that wait for the next tick: the newest quantity per price."""

    __slots__ = ("asks", "bids", "first_id", "last_id")

    def __init__(self) -> None:
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.first_id = 0
        self.last_id = 0

    def add(self, payload: Mapping[str, Any]) -> None:
        self.first_id = self.first_id or payload["U"]
        self.last_id = payload["u"]
        self.bids.update(payload["b"])
        self.asks.update(payload["a"])


class MarketStreams:
    """Turns the engine's market events into stream events, at once or at the next tick."""

    def __init__(self, hub: StreamHub, symbols: Iterable[str], engine: MarketReading) -> None:
        self.symbols = {symbol: SymbolMarket(symbol) for symbol in symbols}
        self._hub = hub
        self._engine = engine
        self._tickers = TickerStreams(hub, self.symbols, engine)
        # When each stream speaks next: book streams after a change, candle streams always.
        self._due: dict[str, tuple[int, StreamName]] = {}
        self._changes: dict[str, _Changes] = {}
        # Per candle stream: when the bar opened that was reported last, and how many trades it had.
        self._reported: dict[str, tuple[int, int]] = {}

    def observe(self, events: Sequence[MarketEvent], now_ms: int) -> None:
        """Publish what happened at once; keep what waits for a tick."""
        for kind, symbol, payload in events:
            market = self.symbols[symbol]
            if kind == "trade":
                self._observe_trade(market, payload, now_ms)
            elif kind == "bookTicker":
                if market.quote_stream in self._hub:
                    self._hub.publish(market.quote_stream, _quote(symbol, payload))
                self._change(symbol, AFTER_QUOTES, now_ms)
            else:
                self._observe_depth(symbol, payload, now_ms)
        for symbol, trades in _aggregates(events):
            self._publish_aggregate(self.symbols[symbol], trades, now_ms)

    def due_ms(self, now_ms: int) -> int | None:
        """When the next tick has something to say; None while nobody waits for one."""
        for stream in self._hub.of_kind("kline"):
            if stream.name not in self._due:
                # What closes from now on has to be told.
                self._reported[stream.name] = (opened_at_ms(stream.interval, now_ms, stream.offset_ms), -1)
                self._schedule(stream, now_ms)
        for stream in self._hub.of_kind(STEADY):
            self._schedule(stream, now_ms)
        return min((due_ms for due_ms, _ in self._due.values()), default=None)

    def tick(self, now_ms: int) -> None:
        """Publish what is due: book changes every 100 or 1000 ms, candles every 1 or 2 s, closed candles once."""
        for name, (due_ms, stream) in list(self._due.items()):
            if due_ms > now_ms:
                continue
            del self._due[name]
            if name not in self._hub:
                self._changes.pop(name, None)
                self._reported.pop(name, None)
                self._tickers.forget(name)
            elif stream.kind == "depth":
                self._publish_changes(stream, now_ms)
            elif stream.kind == "book":
                self._hub.publish(name, self._engine.depth(stream.symbol, stream.levels))
            elif stream.kind in KINDS:
                self._tickers.publish(stream, now_ms)
            else:
                self._publish_kline(stream, now_ms)
                self._schedule(stream, now_ms)

    def _schedule(self, stream: StreamName, now_ms: int) -> None:
        period_ms = stream.period_ms
        self._due.setdefault(stream.name, ((now_ms // period_ms + 1) * period_ms, stream))

    def _observe_trade(self, market: SymbolMarket, payload: Mapping[str, Any], now_ms: int) -> None:
        market.add_trade(payload, now_ms)
        self._change(market.symbol, AFTER_TRADES, now_ms)
        if market.trade_stream in self._hub:
            event = {"e": "trade", "E": now_ms, "s": market.symbol, **_trade(payload), "M": True}
            self._hub.publish(market.trade_stream, event)

    def _change(self, symbol: str, kinds: tuple[str, ...], now_ms: int) -> None:
        for stream in self._tickers.changed(symbol, kinds):
            self._schedule(stream, now_ms)

    def _observe_depth(self, symbol: str, payload: Mapping[str, Any], now_ms: int) -> None:
        for stream in self._hub.of_kind("depth"):
            if stream.symbol == symbol:
                self._changes.setdefault(stream.name, _Changes()).add(payload)
                self._schedule(stream, now_ms)
        for stream in self._hub.of_kind("book"):
            if stream.symbol == symbol:
                self._schedule(stream, now_ms)

    def _publish_changes(self, stream: StreamName, now_ms: int) -> None:
        changes = self._changes.pop(stream.name)
        event = {
            "e": "depthUpdate",
            "E": now_ms,
            "s": stream.symbol,
            "U": changes.first_id,
            "u": changes.last_id,
            "b": list(changes.bids.items()),
            "a": list(changes.asks.items()),
        }
        self._hub.publish(stream.name, event)

    def _publish_aggregate(self, market: SymbolMarket, trades: Sequence[Mapping[str, Any]], now_ms: int) -> None:
        """Fills of one taker at one price and time are one aggregate trade."""
        aggregate_id = market.add_aggregate(trades)
        if market.aggregate_stream in self._hub:
            event = {"e": "aggTrade", "E": now_ms, "s": market.symbol, **aggregate_row(aggregate_id, trades)}
            self._hub.publish(market.aggregate_stream, event)

    def _publish_kline(self, stream: StreamName, now_ms: int) -> None:
        market = self.symbols.get(stream.symbol)
        if market is None:
            return
        market.klines.advance(now_ms)
        opened_ms, trades = self._reported[stream.name]
        bars = list(CandleView(market.klines, stream.interval, stream.offset_ms).bars(opened_ms))
        if not bars:
            return
        *closed, current = bars
        for bar in closed:
            self._tell_kline(stream, bar, is_closed=True, now_ms=now_ms)
        if (current.opened_ms, current.trades) != (opened_ms, trades):
            self._tell_kline(stream, current, is_closed=False, now_ms=now_ms)
        self._reported[stream.name] = (current.opened_ms, current.trades)

    def _tell_kline(self, stream: StreamName, bar: Bar, *, is_closed: bool, now_ms: int) -> None:
        event = bar.event(
            stream.symbol, stream.interval, is_closed=is_closed, now_ms=now_ms, offset_ms=stream.offset_ms
        )
        self._hub.publish(stream.name, event)


def _quote(symbol: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "u": payload["u"],
        "s": symbol,
        "b": payload["b"],
        "B": payload["B"],
        "a": payload["a"],
        "A": payload["A"],
    }


def _trade(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"t": payload["t"], "p": payload["p"], "q": payload["q"], "T": payload["T"], "m": payload["m"]}


def _aggregates(events: Sequence[MarketEvent]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """The trades among the events, grouped by what one taker did at one price and time."""
    groups: list[tuple[str, list[Mapping[str, Any]]]] = []
    previous: tuple[Any, ...] | None = None
    for kind, symbol, payload in events:
        if kind != "trade":
            continue
        taker = (symbol, payload["p"], payload["T"], payload["m"])
        if taker == previous:
            groups[-1][1].append(payload)
        else:
            groups.append((symbol, [payload]))
        previous = taker
    return groups
