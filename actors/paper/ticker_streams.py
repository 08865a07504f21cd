"""What the streams of statistics and averages say, each second: of what has changed since the last one. Pure.

(WebSocket Streams, "Individual Symbol Mini Ticker Stream" to "Average Price", "Reference Price Streams".)
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Protocol

from dogwatch.actors.paper.decimals import text
from dogwatch.actors.paper.streams import StreamHub, StreamName
from dogwatch.actors.paper.symbol_market import SymbolMarket
from dogwatch.actors.paper.symbols import SymbolDefinition
from dogwatch.actors.paper.tickers import statistics_of_day, statistics_of_window

AFTER_TRADES = ("miniTicker", "ticker", "rolling", "avgPrice")
AFTER_QUOTES = ("ticker",)
STEADY = "referencePrice"
KINDS = frozenset({*AFTER_TRADES, STEADY})

Event = dict[str, Any]


class MarketReading(Protocol):
    """What is asked of the engine."""

    @property
    def definitions(self) -> Mapping[str, SymbolDefinition]: ...
    def depth(self, symbol: str, limit: int) -> dict[str, Any]: ...
    def book_ticker(self, symbol: str) -> dict[str, str]: ...
    def average_price(self, symbol: str, now_ms: int) -> Decimal | None: ...
    def reference_price(self, symbol: str) -> Decimal | None: ...
    def knows_reference_price(self, symbol: str) -> bool: ...


class TickerStreams:
    """Remembers which symbols have changed for each stream that somebody listens to."""

    def __init__(self, hub: StreamHub, markets: Mapping[str, SymbolMarket], engine: MarketReading) -> None:
        self._hub = hub
        self._markets = markets
        self._engine = engine
        # By stream, the symbols that it has to speak of.
        self._changed: dict[str, dict[str, None]] = {}
        self._makers: Mapping[str, Callable[[StreamName, SymbolMarket, int], Event | None]] = {
            "miniTicker": self._mini_ticker,
            "ticker": self._ticker,
            "rolling": self._rolling_ticker,
            "avgPrice": self._average_price,
            STEADY: self._reference_price,
        }

    def changed(self, symbol: str, kinds: tuple[str, ...]) -> Iterator[StreamName]:
        """The streams that have something to say of it at the next second."""
        for kind in kinds:
            for stream in self._hub.of_kind(kind):
                if stream.symbol in ("", symbol):
                    self._changed.setdefault(stream.name, {})[symbol] = None
                    yield stream

    def publish(self, stream: StreamName, now_ms: int) -> None:
        """Let one stream speak: an event of its symbol, or the list of all that have changed."""
        symbols = {stream.symbol: None} if stream.symbol else self._changed.get(stream.name, {})
        self._changed.pop(stream.name, None)
        make = self._makers[stream.kind]
        events = [
            event
            for symbol in symbols
            if (market := self._markets.get(symbol)) is not None and (event := make(stream, market, now_ms)) is not None
        ]
        if not stream.symbol:
            self._hub.publish(stream.name, events)
        elif events:
            self._hub.publish(stream.name, events[0])

    def forget(self, name: str) -> None:
        """Nobody listens to it any more."""
        self._changed.pop(name, None)

    def _mini_ticker(self, _stream: StreamName, market: SymbolMarket, now_ms: int) -> Event:
        return statistics_of_day(market.symbol, market.klines, now_ms).mini_event(now_ms)

    def _ticker(self, _stream: StreamName, market: SymbolMarket, now_ms: int) -> Event:
        statistics = statistics_of_day(market.symbol, market.klines, now_ms)
        return statistics.day_event(now_ms, market.last_quantity, self._engine.book_ticker(market.symbol))

    def _rolling_ticker(self, stream: StreamName, market: SymbolMarket, now_ms: int) -> Event:
        statistics = statistics_of_window(market.symbol, market.klines, stream.interval, now_ms)
        return statistics.event(f"{stream.interval}Ticker", now_ms)

    def _average_price(self, _stream: StreamName, market: SymbolMarket, now_ms: int) -> Event | None:
        average = self._engine.average_price(market.symbol, now_ms)
        if average is None:
            return None
        return {
            "e": "avgPrice",
            "E": now_ms,
            "s": market.symbol,
            "i": f"{self._engine.definitions[market.symbol].average_price_minutes}m",
            "w": text(average),
            "T": market.trades[-1]["T"] if market.trades else 0,
        }

    def _reference_price(self, _stream: StreamName, market: SymbolMarket, now_ms: int) -> Event | None:
        if not self._engine.knows_reference_price(market.symbol):
            return None
        price = self._engine.reference_price(market.symbol)
        told = None if price is None else text(price)
        return {"e": "referencePrice", "s": market.symbol, "r": told, "t": now_ms}
