"""What the type checkers know of a strategy: its own configuration, and what each feed yields.

The checks happen when `mypy --strict` and `pyright` read this file; a wrong use stands with an ignore comment.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from decimal import Decimal
from typing import assert_type

from dogwatch import (
    AggregateTradeEvent,
    AggTrades,
    AllMiniTickers,
    Balance,
    Balances,
    Book,
    BookDiff,
    BookLost,
    Books,
    Broken,
    DayTicker,
    Depth,
    DepthDiffs,
    Fill,
    Fills,
    FourHoursTicker,
    Gap,
    HourTicker,
    Keep,
    Kline,
    Klines,
    MiniTicker,
    Order,
    OrderBook,
    OrderChanged,
    OrderChanges,
    Quote,
    Quotes,
    RollingTickers,
    Strategy,
    Trade,
    Trades,
)


class Typed(Strategy):
    """Uses everything once; never run."""

    class Config(Strategy.Config, frozen=True):
        symbol: str
        size: Decimal

    async def run(self) -> None:
        assert_type(self.config.symbol, str)
        assert_type(self.config.size, Decimal)
        symbol = self.config.symbol
        async for quote in self.follow(Quotes(symbol)):
            assert_type(quote, Quote)
        async for trade in self.follow(Trades(symbol)):
            assert_type(trade, Trade | Gap)
        async for change in self.follow(OrderChanges()):
            assert_type(change, OrderChanged)
        assert_type(await self.first(Klines(symbol)), Kline)
        assert_type(await self.first(Depth(symbol)), Book)
        assert_type(await self.first(DepthDiffs(symbol)), BookDiff | Broken)
        assert_type(await self.first(Books(symbol)), OrderBook | BookLost)
        assert_type(await self.first(Quotes(symbol, keep=Keep.ALL)), Quote)
        assert_type(await self.first(AggTrades(symbol)), AggregateTradeEvent | Gap)
        assert_type(await self.first(AllMiniTickers()), MiniTicker)
        assert_type(await self.first(RollingTickers(symbol, "4h")), HourTicker | FourHoursTicker | DayTicker)
        assert_type(await self.first(Fills()), Fill)
        assert_type(await self.first(Balances()), Balance)
        order = await self.buy(symbol, quantity=self.config.size)
        assert_type(order, Order)
        assert_type(await self.closed(order), Order)
        await self.sell(symbol, quantity=0.1)  # type: ignore[arg-type] # a float has lost digits already
        self.follow(symbol)  # type: ignore[arg-type] # a symbol is no feed
        print(self.config.sizes)  # type: ignore[attr-defined] # noqa: T201 # no such setting


class Heir(Typed):
    """A strategy of a strategy."""

    async def run(self) -> None:
        assert_type(self.config.size, Decimal)


def test_the_nested_configuration_of_the_own_class_is_used() -> None:
    assert Heir.Config is Typed.Config
