"""Requests for market data (WebSocket API, Market data requests). No key is needed.

Answers to requests for `symbol` or for `symbols` are tuples alike. What changes all the time is better followed as a
stream than asked for again and again.
"""

from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec

from dogwatch.actors.spot.enums import SymbolStatus, TickerType
from dogwatch.actors.spot.methods import Method, Params
from dogwatch.actors.spot.parameters import Count, Limit
from dogwatch.actors.spot.request import Declaration, Endpoint, Request, ResultT_co
from dogwatch.actors.spot.request_checks import check_times, excludes, one_of
from dogwatch.actors.spot.results import (
    AggregateTrade,
    AveragePrice,
    BlockTrade,
    BookSnapshot,
    BookTicker,
    Candle,
    PriceTicker,
    PublicTrade,
    ReferencePrice,
    ReferencePriceCalculation,
    Ticker,
    decode_book_tickers,
    decode_price_tickers,
    decode_reference_price,
    decode_reference_price_calculation,
    decode_tickers,
)
from dogwatch.actors.spot.weights import by_limit, by_number_of_symbols, by_symbol, per_symbol

__all__ = [
    "AvgPrice",
    "BlockTradesHistorical",
    "Depth",
    "DepthLimit",
    "Interval",
    "Klines",
    "QueryReferencePrice",
    "QueryReferencePriceCalculation",
    "QueryTicker",
    "Ticker24hr",
    "TickerBook",
    "TickerPrice",
    "TickerTradingDay",
    "TimeZone",
    "TradesAggregate",
    "TradesHistorical",
    "TradesRecent",
    "UiKlines",
    "WindowSize",
]

DepthLimit: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=5000)]
"""How many levels of each side."""
Interval: TypeAlias = Literal[
    "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"
]
"""How long a candle lasts; `1m` is a minute, `1M` a month."""
TimeZone: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^[+-]?\d{1,2}(:\d{2})?$", description="hours from UTC: 0, 8, -1:00, 05:45")
]
"""By which days are counted: -12:00 to +14:00."""
WindowSize: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(([1-9]|[1-5]\d)m|([1-9]|1\d|2[0-3])h|[1-7]d)$", description="1m to 59m, 1h to 23h or 1d to 7d"
    ),
]


class Depth(Request[BookSnapshot], frozen=True, kw_only=True):
    """The best `limit` levels of each side of the book, 100 if nothing is said."""

    symbol: str
    limit: DepthLimit | None = None
    symbol_status: SymbolStatus | None = None

    declaration: ClassVar = Declaration(
        method=Method.DEPTH,
        section="Order book",
        weight=by_limit((100, 5), (500, 25), (1000, 50), (5000, 250), default=100),
        endpoint=Endpoint("GET", "/api/v3/depth"),
    )


class TradesRecent(Request[tuple[PublicTrade, ...]], frozen=True, kw_only=True):
    """The latest trades, the newest last; 500 if nothing is said."""

    symbol: str
    limit: Limit | None = None

    declaration: ClassVar = Declaration(
        method=Method.TRADES_RECENT,
        section="Recent trades",
        weight=25,
        endpoint=Endpoint("GET", "/api/v3/trades"),
    )


class TradesHistorical(Request[tuple[PublicTrade, ...]], frozen=True, kw_only=True):
    """Trades from an id on, or the latest; 500 if nothing is said."""

    symbol: str
    from_id: Count | None = None
    limit: Limit | None = None

    declaration: ClassVar = Declaration(
        method=Method.TRADES_HISTORICAL,
        section="Historical trades",
        weight=25,
        endpoint=Endpoint("GET", "/api/v3/historicalTrades"),
    )


class BlockTradesHistorical(Request[tuple[BlockTrade, ...]], frozen=True, kw_only=True):
    """Block trades from an id on; 500 if nothing is said."""

    symbol: str
    from_id: Count
    limit: Limit | None = None

    declaration: ClassVar = Declaration(
        method=Method.BLOCK_TRADES_HISTORICAL,
        section="Historical Block Trades",
        weight=25,
        endpoint=Endpoint("GET", "/api/v3/historicalBlockTrades"),
    )


class TradesAggregate(Request[tuple[AggregateTrade, ...]], frozen=True, kw_only=True):
    """Trades of the same taker order at the same price and time as one: from an id on, of a range of time, or the
    latest; 500 if nothing is said."""

    symbol: str
    from_id: Count | None = None
    start_time_ms: Count | None = None
    end_time_ms: Count | None = None
    limit: Limit | None = None

    declaration: ClassVar = Declaration(
        method=Method.TRADES_AGGREGATE,
        section="Aggregate trades",
        weight=4,
        endpoint=Endpoint("GET", "/api/v3/aggTrades"),
    )

    def check(self, params: Params) -> None:
        excludes(params, "fromId", "startTime", "endTime")
        check_times(params)


class _Candles(Request[ResultT_co], frozen=True, kw_only=True):
    """Candles of a symbol: the latest, or those of a range of time."""

    symbol: str
    interval: Interval
    start_time_ms: Count | None = None
    end_time_ms: Count | None = None
    time_zone: TimeZone | None = None
    limit: Limit | None = None

    def check(self, params: Params) -> None:
        check_times(params)


class Klines(_Candles[tuple[Candle, ...]], frozen=True, kw_only=True):
    """Candles by the time they open, the oldest first; 500 if nothing is said. Without times the latest, of which the
    last one is not closed yet."""

    declaration: ClassVar = Declaration(
        method=Method.KLINES,
        section="Klines",
        weight=2,
        endpoint=Endpoint("GET", "/api/v3/klines"),
    )


class UiKlines(_Candles[tuple[Candle, ...]], frozen=True, kw_only=True):
    """The same as `Klines`, changed for charts."""

    declaration: ClassVar = Declaration(
        method=Method.UI_KLINES,
        section="UI Klines",
        weight=2,
        endpoint=Endpoint("GET", "/api/v3/uiKlines"),
    )


class AvgPrice(Request[AveragePrice], frozen=True, kw_only=True):
    """The average price of the last minutes, by which filters judge market orders."""

    symbol: str

    declaration: ClassVar = Declaration(
        method=Method.AVG_PRICE,
        section="Current average price",
        weight=2,
        endpoint=Endpoint("GET", "/api/v3/avgPrice"),
    )


class Ticker24hr(Request[tuple[Ticker, ...]], frozen=True, kw_only=True):
    """What the last 24 hours brought, of one symbol, several, or all (which is dear)."""

    symbol: str | None = None
    symbols: tuple[str, ...] | None = None
    type: TickerType | None = None
    symbol_status: SymbolStatus | None = None

    declaration: ClassVar = Declaration(
        method=Method.TICKER_24HR,
        section="24hr ticker price change statistics",
        weight=by_number_of_symbols((20, 2), (100, 40), everything=80),
        endpoint=Endpoint("GET", "/api/v3/ticker/24hr"),
        decode=decode_tickers,
    )

    def check(self, params: Params) -> None:
        one_of(params, "symbol", "symbols", or_none=True)


class TickerTradingDay(Request[tuple[Ticker, ...]], frozen=True, kw_only=True):
    """What the trading day brought so far, of one symbol or up to 100; the day is one of UTC, or of `time_zone`."""

    symbol: str | None = None
    symbols: tuple[str, ...] | None = None
    time_zone: TimeZone | None = None
    type: TickerType | None = None
    symbol_status: SymbolStatus | None = None

    declaration: ClassVar = Declaration(
        method=Method.TICKER_TRADING_DAY,
        section="Trading Day Ticker",
        weight=per_symbol(4, most=200),
        endpoint=Endpoint("GET", "/api/v3/ticker/tradingDay"),
        decode=decode_tickers,
    )

    def check(self, params: Params) -> None:
        one_of(params, "symbol", "symbols")


class QueryTicker(Request[tuple[Ticker, ...]], frozen=True, kw_only=True):
    """What a rolling window of time brought, of one symbol or several; a day if nothing is said. The window is wider
    than asked for by up to a minute."""

    symbol: str | None = None
    symbols: tuple[str, ...] | None = None
    type: TickerType | None = None
    window_size: WindowSize | None = None
    symbol_status: SymbolStatus | None = None

    declaration: ClassVar = Declaration(
        method=Method.TICKER,
        section="Rolling window price change statistics",
        weight=per_symbol(4, most=200),
        endpoint=Endpoint("GET", "/api/v3/ticker"),
        decode=decode_tickers,
    )

    def check(self, params: Params) -> None:
        one_of(params, "symbol", "symbols")


class TickerPrice(Request[tuple[PriceTicker, ...]], frozen=True, kw_only=True):
    """The last price of one symbol, several, or all."""

    symbol: str | None = None
    symbols: tuple[str, ...] | None = None
    symbol_status: SymbolStatus | None = None

    declaration: ClassVar = Declaration(
        method=Method.TICKER_PRICE,
        section="Symbol price ticker",
        weight=by_symbol(one=2, otherwise=4),
        endpoint=Endpoint("GET", "/api/v3/ticker/price"),
        decode=decode_price_tickers,
    )

    def check(self, params: Params) -> None:
        one_of(params, "symbol", "symbols", or_none=True)


class TickerBook(Request[tuple[BookTicker, ...]], frozen=True, kw_only=True):
    """The best bid and ask of one symbol, several, or all."""

    symbol: str | None = None
    symbols: tuple[str, ...] | None = None
    symbol_status: SymbolStatus | None = None

    declaration: ClassVar = Declaration(
        method=Method.TICKER_BOOK,
        section="Symbol order book ticker",
        weight=by_symbol(one=2, otherwise=4),
        endpoint=Endpoint("GET", "/api/v3/ticker/bookTicker"),
        decode=decode_book_tickers,
    )

    def check(self, params: Params) -> None:
        one_of(params, "symbol", "symbols", or_none=True)


class QueryReferencePrice(Request[ReferencePrice], frozen=True, kw_only=True):
    """The price by which the exchange judges whether an execution is in range. Rejected where there has never been
    one."""

    symbol: str

    declaration: ClassVar = Declaration(
        method=Method.REFERENCE_PRICE,
        section="Query Reference Price",
        weight=2,
        endpoint=Endpoint("GET", "/api/v3/referencePrice"),
        decode=decode_reference_price,
    )


class QueryReferencePriceCalculation(Request[ReferencePriceCalculation], frozen=True, kw_only=True):
    """How the reference price of a symbol is found."""

    symbol: str
    symbol_status: SymbolStatus | None = None

    declaration: ClassVar = Declaration(
        method=Method.REFERENCE_PRICE_CALCULATION,
        section="Query Reference Price Calculation",
        weight=2,
        endpoint=Endpoint("GET", "/api/v3/referencePrice/calculation"),
        decode=decode_reference_price_calculation,
    )
