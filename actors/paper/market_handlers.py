"""What each method of public market data does, once its envelope has passed every check.

(WebSocket API, "General requests", "Market data requests".)
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

from dogwatch.actors.paper.call_values import optional_integer, row_limit, symbol_in, symbols_in, wanted_status
from dogwatch.actors.paper.calls import Call, Handler, Outcome
from dogwatch.actors.paper.candle_views import CandleView, read_time_zone
from dogwatch.actors.paper.decimals import ZERO, ZERO_TEXT, text
from dogwatch.actors.paper.engine import Engine
from dogwatch.actors.paper.engine_errors import bad_combination, not_valid, one_of_two
from dogwatch.actors.paper.klines import DAY_MS, INTERVALS, opened_at_ms
from dogwatch.actors.paper.refusals import refused
from dogwatch.actors.paper.symbol_filters import execution_rules
from dogwatch.actors.paper.symbol_market import SymbolMarket, aggregate_row
from dogwatch.actors.paper.tickers import WINDOWS_MS, Statistics, statistics_of_day, statistics_of_window
from dogwatch.actors.paper.time_unit import klines_in_microseconds

Row = dict[str, Any]

DEPTH_LIMIT, DEPTH_LIMIT_MAX = 100, 5000
ROWS, ROWS_MAX = 500, 1000


class MarketHandlers:
    """The methods of one exchange's market data. `table()` names them as the API does."""

    def __init__(self, engine: Engine, markets: Mapping[str, SymbolMarket]) -> None:
        self._engine = engine
        self._markets = markets

    def table(self) -> dict[str, Handler]:
        return {
            "executionRules": self._execution_rules,
            "depth": self._depth,
            "trades.recent": self._recent_trades,
            "trades.historical": self._historical_trades,
            "blockTrades.historical": self._block_trades,
            "trades.aggregate": self._aggregate_trades,
            "klines": self._klines,
            "uiKlines": self._klines,
            "avgPrice": self._average_price,
            "ticker.24hr": self._day_ticker,
            "ticker.tradingDay": self._trading_day_ticker,
            "ticker": self._rolling_ticker,
            "ticker.price": self._price_ticker,
            "ticker.book": self._book_ticker,
            "referencePrice": self._reference_price,
            "referencePrice.calculation": self._reference_price_calculation,
        }

    # Books and trades.

    def _depth(self, call: Call) -> Outcome:
        limit = row_limit(call, default=DEPTH_LIMIT, largest=DEPTH_LIMIT_MAX)
        book = self._engine.depth(symbol_in(call), limit)
        self._check_status(call, symbol_in(call))
        return Outcome(result=book)

    def _recent_trades(self, call: Call) -> Outcome:
        trades = self._market(call).trades
        limit = row_limit(call, default=ROWS, largest=ROWS_MAX)
        return Outcome(result=[_trade_row(trade) for trade in _newest(trades, limit)])

    def _historical_trades(self, call: Call) -> Outcome:
        """From an id on, or the most recent."""
        trades = self._market(call).trades
        first_id, limit = optional_integer(call, "fromId"), row_limit(call, default=ROWS, largest=ROWS_MAX)
        if first_id is None:
            return Outcome(result=[_trade_row(trade) for trade in _newest(trades, limit)])
        start = bisect_left(trades, first_id, key=lambda trade: trade["t"])
        return Outcome(result=[_trade_row(trade) for trade in islice(trades, start, start + limit)])

    def _block_trades(self, call: Call) -> Outcome:
        """There are none here."""
        self._market(call)
        optional_integer(call, "fromId")
        row_limit(call, default=ROWS, largest=ROWS_MAX)
        return Outcome(result=[])

    def _aggregate_trades(self, call: Call) -> Outcome:
        """From an id on, by time, or the most recent."""
        groups = self._market(call).aggregates
        first_id, limit = optional_integer(call, "fromId"), row_limit(call, default=ROWS, largest=ROWS_MAX)
        start_ms, end_ms = optional_integer(call, "startTime"), optional_integer(call, "endTime")
        if first_id is not None and (start_ms is not None or end_ms is not None):
            raise bad_combination()
        if first_id is not None:
            start = bisect_left(groups, first_id, key=lambda group: group[0])
            chosen = list(islice(groups, start, start + limit))
        else:
            inside = [group for group in groups if _is_inside(group[1][-1]["T"], start_ms, end_ms)]
            chosen = inside[:limit] if start_ms is not None else inside[-limit:]
        return Outcome(result=[aggregate_row(aggregate_id, trades) for aggregate_id, trades in chosen])

    # Candles and averages.

    def _klines(self, call: Call) -> Outcome:
        klines = self._market(call).klines
        interval = call.params["interval"]
        if interval not in INTERVALS:
            raise refused(-1120)
        klines.advance(call.now_ms)
        rows = CandleView(klines, interval, _offset_ms(call)).rows(
            start_ms=optional_integer(call, "startTime"),
            end_ms=optional_integer(call, "endTime"),
            limit=row_limit(call, default=ROWS, largest=ROWS_MAX),
        )
        return Outcome(result=klines_in_microseconds(rows) if call.session.in_microseconds else rows)

    def _average_price(self, call: Call) -> Outcome:
        market = self._market(call)
        average = self._engine.average_price(market.symbol, call.now_ms)
        return Outcome(
            result={
                "mins": self._engine.definitions[market.symbol].average_price_minutes,
                "price": text(ZERO if average is None else average),
                "closeTime": market.trades[-1]["T"] if market.trades else 0,
            }
        )

    # Statistics.

    def _day_ticker(self, call: Call) -> Outcome:
        """Of one symbol, of some, or of all."""

        def row(market: SymbolMarket) -> Row:
            statistics = statistics_of_day(market.symbol, market.klines, call.now_ms)
            if _is_mini(call):
                return statistics.mini_row()
            return statistics.day_row(market.last_quantity, self._engine.book_ticker(market.symbol))

        return self._rows(call, row, symbols_in(call) or list(self._markets))

    def _trading_day_ticker(self, call: Call) -> Outcome:
        offset_ms = _offset_ms(call)
        open_ms = opened_at_ms("1d", call.now_ms, offset_ms)

        def row(market: SymbolMarket) -> Row:
            statistics = Statistics.of(
                market.symbol, market.klines, open_ms=open_ms, close_ms=open_ms + DAY_MS - 1, now_ms=call.now_ms
            )
            return statistics.mini_row() if _is_mini(call) else statistics.row()

        return self._rows(call, row, _mandatory_symbols(call))

    def _rolling_ticker(self, call: Call) -> Outcome:
        size = call.params.get("windowSize", "1d")
        if not isinstance(size, str) or size not in WINDOWS_MS:
            raise not_valid("windowSize")

        def row(market: SymbolMarket) -> Row:
            statistics = statistics_of_window(market.symbol, market.klines, size, call.now_ms)
            return statistics.mini_row() if _is_mini(call) else statistics.row()

        return self._rows(call, row, _mandatory_symbols(call))

    def _price_ticker(self, call: Call) -> Outcome:
        def row(market: SymbolMarket) -> Row:
            return {"symbol": market.symbol, "price": self._engine.last_price(market.symbol) or ZERO_TEXT}

        return self._rows(call, row, symbols_in(call) or list(self._markets))

    def _book_ticker(self, call: Call) -> Outcome:
        def row(market: SymbolMarket) -> Row:
            return dict(self._engine.book_ticker(market.symbol))

        return self._rows(call, row, symbols_in(call) or list(self._markets))

    def _rows(self, call: Call, row: Callable[[SymbolMarket], Row], symbols: Sequence[str]) -> Outcome:
        """One row for `symbol`, else a row for each that has the wanted status."""
        if any(symbol not in self._markets for symbol in symbols):
            raise refused(-1121)
        if "symbol" in call.params:
            self._check_status(call, symbols[0])
            return Outcome(result=row(self._markets[symbols[0]]))
        wanted = wanted_status(call)
        return Outcome(
            result=[row(self._markets[symbol]) for symbol in symbols if wanted in (None, self._status(symbol))]
        )

    # Execution rules and reference prices.

    def _execution_rules(self, call: Call) -> Outcome:
        symbols, wanted = symbols_in(call), wanted_status(call)
        if symbols is not None and wanted is not None:
            raise bad_combination()
        if symbols is not None and any(symbol not in self._markets for symbol in symbols):
            raise refused(-1121)
        rows = [
            {"symbol": symbol, "rules": execution_rules(self._engine.definitions[symbol])}
            for symbol in symbols or self._markets
            if wanted in (None, self._status(symbol))
        ]
        return Outcome(result={"symbolRules": [row for row in rows if row["rules"] or symbols is not None]})

    def _reference_price(self, call: Call) -> Outcome:
        market = self._market(call)
        if not self._engine.knows_reference_price(market.symbol):
            raise refused(-2043)
        price = self._engine.reference_price(market.symbol)
        told = None if price is None else text(price)
        return Outcome(result={"symbol": market.symbol, "referencePrice": told, "timestamp": call.now_ms})

    def _reference_price_calculation(self, call: Call) -> Outcome:
        """Whoever sets a reference price here does it from outside."""
        market = self._market(call)
        self._check_status(call, market.symbol)
        if not self._engine.knows_reference_price(market.symbol):
            raise refused(-2043)
        result = {"symbol": market.symbol, "calculationType": "EXTERNAL", "externalCalculationId": 0}
        return Outcome(result=result)

    def _market(self, call: Call) -> SymbolMarket:
        market = self._markets.get(symbol_in(call))
        if market is None:
            raise refused(-1121)
        return market

    def _status(self, symbol: str) -> str:
        return self._engine.definitions[symbol].status

    def _check_status(self, call: Call, symbol: str) -> None:
        """Whether it has the `symbolStatus` that was asked for, if any was."""
        if wanted_status(call) not in (None, self._status(symbol)):
            raise refused(-1220)


def _mandatory_symbols(call: Call) -> list[str]:
    symbols = symbols_in(call)
    if symbols is None:
        raise one_of_two("symbol", "symbols")
    return symbols


def _is_mini(call: Call) -> bool:
    kind = call.params.get("type", "FULL")
    if kind not in ("FULL", "MINI"):
        raise refused(-1139)
    return bool(kind == "MINI")


def _offset_ms(call: Call) -> int:
    """Of the time zone that was asked for; UTC when none was."""
    offset_ms = read_time_zone(str(call.params.get("timeZone", "0")))
    if offset_ms is None:
        raise not_valid("timeZone")
    return offset_ms


def _is_inside(time_ms: int, start_ms: int | None, end_ms: int | None) -> bool:
    return (start_ms is None or time_ms >= start_ms) and (end_ms is None or time_ms <= end_ms)


def _newest(trades: Sequence[Mapping[str, Any]], limit: int) -> list[Mapping[str, Any]]:
    return list(islice(trades, max(0, len(trades) - limit), None))


def _trade_row(trade: Mapping[str, Any]) -> Row:
    """A row of `trades.recent` from the trade as the streams say it."""
    return {
        "id": trade["t"],
        "price": trade["p"],
        "qty": trade["q"],
        "quoteQty": text(Decimal(trade["p"]) * Decimal(trade["q"])),
        "time": trade["T"],
        "isBuyerMaker": trade["m"],
        "isBestMatch": True,
    }
