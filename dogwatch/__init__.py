"""Dogwatch keeps trading strategies running on Binance Spot. These are the words that a strategy's author needs.

Each is loaded when it is first used, so that a part of the package can be imported without the whole.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dogwatch.actors.balance import Balance
    from dogwatch.actors.desk import Context
    from dogwatch.actors.exposure import Exposure
    from dogwatch.actors.feeds import (
        AggTrades,
        AllMiniTickers,
        AllRollingTickers,
        AveragePrices,
        Balances,
        BlockTrades,
        BookLost,
        Books,
        Broken,
        Depth,
        DepthDiffs,
        Feed,
        Fills,
        Keep,
        Klines,
        MiniTickers,
        OrderChanges,
        Quotes,
        ReferencePrices,
        RollingTickers,
        Tick,
        Tickers,
        Ticks,
        Trades,
    )
    from dogwatch.actors.open_spot import open_spot
    from dogwatch.actors.order_messages import OrderChanged
    from dogwatch.actors.spot.enums import OrderStatus, OrderType, Side, TimeInForce
    from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown, Rejected
    from dogwatch.actors.spot.fill import Fill
    from dogwatch.actors.spot.filter_context import Refusal
    from dogwatch.actors.spot.filters import Rounding, SymbolRules
    from dogwatch.actors.spot.instant import in_us
    from dogwatch.actors.spot.order import Order
    from dogwatch.actors.spot.order_book import OrderBook, Sweep
    from dogwatch.actors.spot.stream_events import (
        AggregateTradeEvent,
        BlockTradeEvent,
        Book,
        BookDiff,
        Kline,
        PriceLevel,
        Quote,
        Trade,
    )
    from dogwatch.actors.spot.ticker_events import (
        AveragePriceEvent,
        DayTicker,
        FourHoursTicker,
        HourTicker,
        MiniTicker,
        ReferencePriceEvent,
        Ticker24h,
    )
    from dogwatch.actors.spot_client import Spot
    from dogwatch.actors.strategy import Strategy
    from dogwatch.runtime.errors import ConfigError, DogwatchError
    from dogwatch.runtime.messages import Gap

__all__ = [
    "AggTrades",
    "AggregateTradeEvent",
    "AllMiniTickers",
    "AllRollingTickers",
    "AveragePriceEvent",
    "AveragePrices",
    "Balance",
    "Balances",
    "BlockTradeEvent",
    "BlockTrades",
    "Book",
    "BookDiff",
    "BookLost",
    "Books",
    "Broken",
    "ConfigError",
    "Context",
    "DayTicker",
    "Depth",
    "DepthDiffs",
    "DogwatchError",
    "Exposure",
    "Feed",
    "Fill",
    "Fills",
    "FourHoursTicker",
    "Gap",
    "HourTicker",
    "Keep",
    "Kline",
    "Klines",
    "MiniTicker",
    "MiniTickers",
    "NotSent",
    "Order",
    "OrderBook",
    "OrderChanged",
    "OrderChanges",
    "OrderStatus",
    "OrderType",
    "OutcomeUnknown",
    "PriceLevel",
    "Quote",
    "Quotes",
    "ReferencePriceEvent",
    "ReferencePrices",
    "Refusal",
    "Rejected",
    "RollingTickers",
    "Rounding",
    "Side",
    "Spot",
    "Strategy",
    "Sweep",
    "SymbolRules",
    "Tick",
    "Ticker24h",
    "Tickers",
    "Ticks",
    "TimeInForce",
    "Trade",
    "Trades",
    "in_us",
    "open_spot",
]

_HOMES = {
    "dogwatch.actors.balance": ("Balance",),
    "dogwatch.actors.desk": ("Context",),
    "dogwatch.actors.exposure": ("Exposure",),
    "dogwatch.actors.feeds": (
        "AggTrades",
        "AllMiniTickers",
        "AllRollingTickers",
        "AveragePrices",
        "Balances",
        "BlockTrades",
        "BookLost",
        "Books",
        "Broken",
        "Depth",
        "DepthDiffs",
        "Feed",
        "Fills",
        "Keep",
        "Klines",
        "MiniTickers",
        "OrderChanges",
        "Quotes",
        "ReferencePrices",
        "RollingTickers",
        "Tick",
        "Tickers",
        "Ticks",
        "Trades",
    ),
    "dogwatch.actors.open_spot": ("open_spot",),
    "dogwatch.actors.order_messages": ("OrderChanged",),
    "dogwatch.actors.spot.enums": ("OrderStatus", "OrderType", "Side", "TimeInForce"),
    "dogwatch.actors.spot.errors": ("NotSent", "OutcomeUnknown", "Rejected"),
    "dogwatch.actors.spot.fill": ("Fill",),
    "dogwatch.actors.spot.filter_context": ("Refusal",),
    "dogwatch.actors.spot.filters": ("Rounding", "SymbolRules"),
    "dogwatch.actors.spot.instant": ("in_us",),
    "dogwatch.actors.spot.order": ("Order",),
    "dogwatch.actors.spot.order_book": ("OrderBook", "Sweep"),
    "dogwatch.actors.spot.stream_events": (
        "AggregateTradeEvent",
        "BlockTradeEvent",
        "Book",
        "BookDiff",
        "Kline",
        "PriceLevel",
        "Quote",
        "Trade",
    ),
    "dogwatch.actors.spot.ticker_events": (
        "AveragePriceEvent",
        "DayTicker",
        "FourHoursTicker",
        "HourTicker",
        "MiniTicker",
        "ReferencePriceEvent",
        "Ticker24h",
    ),
    "dogwatch.actors.spot_client": ("Spot",),
    "dogwatch.actors.strategy": ("Strategy",),
    "dogwatch.runtime.errors": ("ConfigError", "DogwatchError"),
    "dogwatch.runtime.messages": ("Gap",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # type checkers know the names from above, and should complain of any other

    def __getattr__(name: str) -> object:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module 'dogwatch' has no attribute {name!r}: it offers {', '.join(__all__)}")
        value = globals()[name] = getattr(import_module(home), name)
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
