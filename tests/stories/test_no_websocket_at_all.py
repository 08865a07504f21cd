"""Where no WebSocket can be opened market data is asked for over REST as well. The same strategy, not changed by a
word, sees the same trades, candles, quotes and books, and the exchange has not seen one attempt to open a WebSocket.
"""

from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from dogwatch import (
    AggTrades,
    AveragePrices,
    BookDiff,
    BookLost,
    Books,
    Broken,
    Context,
    Depth,
    DepthDiffs,
    Gap,
    Kline,
    Klines,
    MiniTickers,
    Order,
    OrderBook,
    Quote,
    Quotes,
    RollingTickers,
    Tickers,
    Trades,
)
from dogwatch.actors.connection_settings import ConnectionSettings
from dogwatch.actors.feeds import Feed
from dogwatch.actors.paper.faults import RefuseRequest
from dogwatch.actors.spot.order import Life
from dogwatch.actors.testing import StagedExchange
from dogwatch.runtime.errors import ConfigError
from tests.stories.hand import ASK, BID
from tests.stories.judge import Judge
from tests.stories.scene import SIZE, SYMBOL, Account, Character, Part, check_that_all_is_square, open_exchange, until

OVER_REST = ConnectionSettings(api="rest", market="rest")
CHEAP = Decimal(39_000)
FEEDS: dict[str, Feed[Any]] = {
    "quotes": Quotes(SYMBOL),
    "trades": Trades(SYMBOL),
    "aggregates": AggTrades(SYMBOL),
    "klines": Klines(SYMBOL, interval="1m"),
    "depth": Depth(SYMBOL, levels=5),
    "book": Books(SYMBOL, depth=10),
    "ticker": Tickers(SYMBOL),
    "mini": MiniTickers(SYMBOL),
    "window": RollingTickers(SYMBOL, window="4h"),
    "average": AveragePrices(SYMBOL),
}


class Reader(Character):
    """Notes all that the market tells, and buys when it is cheap."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.heard: dict[str, list[Any]] = {name: [] for name in FEEDS}
        self.bought: Order | None = None

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for name, feed in FEEDS.items():
                nursery.start_soon(self.read, feed, self.heard[name])
            quotes = self.follow(Quotes(SYMBOL))
            while (quote := await anext(quotes)).ask > CHEAP:
                pass
            self.bought = await self.closed(await self.buy(SYMBOL, quantity=SIZE, price=quote.ask))
            await self.sleep(5)
            nursery.cancel_scope.cancel()

    async def read(self, feed: Feed[Any], heard: list[Any]) -> None:
        async for event in self.follow(feed):
            heard.append(event)  # noqa: PERF401 - it is looked at while it grows


def account_of(exchange: StagedExchange, part: Part[Any], seed: int, *, over_rest: bool = True) -> Account:
    settings = OVER_REST if over_rest else ConnectionSettings()
    return Account(exchange, part.entry, seed=seed, over_rest=over_rest, connection_settings=settings)


async def lives_of_a_reader(exchange: StagedExchange, seed: int, *, over_rest: bool) -> Reader:
    """A minute and a half of a market with trades, until it becomes cheap."""
    part = Part("reader", Reader)
    exchange.quote(SYMBOL, BID, ASK)
    account = account_of(exchange, part, seed, over_rest=over_rest)
    judge = Judge(exchange, account.tree)
    async with account.trading() as system:
        await until(lambda: bool(part.lives), step_s=0.05)
        await trio.sleep(3)
        for number in range(85):
            exchange.trade(SYMBOL, BID - number, SIZE)
            exchange.quote(SYMBOL, BID - number - 1, ASK - number)
            await trio.sleep(1)
        exchange.quote(SYMBOL, CHEAP - 1, CHEAP)
        with trio.fail_after(60):
            await system.wait_ended()
    judge.check()
    check_that_all_is_square(exchange, account)
    return part.now


def last_states(klines: list[Kline]) -> dict[int, tuple[Any, ...]]:
    """Each candle as it was told last."""
    return {
        kline.start_time_ms: (kline.is_closed, kline.close_price, kline.low_price, kline.volume, kline.trade_count)
        for kline in klines
    }


async def test_the_same_strategy_sees_the_same_market_and_no_websocket_is_opened(
    virtual_clock: MockClock, seed: int
) -> None:
    readers: dict[bool, Reader] = {}
    for over_rest in (False, True):
        async with open_exchange(seed=seed) as exchange:
            readers[over_rest] = await lives_of_a_reader(exchange, seed, over_rest=over_rest)
            assert bool(exchange.paper.record.attempted) is not over_rest
            asked = {request.connection for request in exchange.paper.record.requests}
            assert (asked == {-1}) is over_rest
    streamed, asked_for = readers[False].heard, readers[True].heard
    for reader in readers.values():
        assert reader.bought is not None
        assert (reader.bought.life, reader.bought.average_price) == (Life.FILLED, CHEAP)
    ids = [[trade.trade_id for trade in heard["trades"]] for heard in (streamed, asked_for)]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 86
    groups = [[(trade.price, trade.quantity) for trade in heard["aggregates"]] for heard in (streamed, asked_for)]
    assert groups[0] == groups[1]
    assert last_states(streamed["klines"]) == last_states(asked_for["klines"])
    for name in ("quotes", "depth", "book", "ticker", "mini", "window", "average"):
        assert type(streamed[name][-1]) is type(asked_for[name][-1])
        assert len(asked_for[name]) > 40, name
    prices = [(heard["quotes"][-1].bid, heard["depth"][-1].asks[0]) for heard in (streamed, asked_for)]
    assert prices[0] == prices[1]
    for name in ("trades", "aggregates", "ticker", "mini", "window", "average"):
        assert {event.event_time_ms for event in asked_for[name]} == {None}, "REST does not tell it"
    assert {quote.update_id for quote in asked_for["quotes"]} == {None}
    assert {kline.first_trade_id for kline in asked_for["klines"]} == {None}


class Follower(Character):
    """Follows one feed."""

    class Config(Character.Config, frozen=True, kw_only=True):
        feed: Any

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.heard: list[Any] = []

    async def run(self) -> None:
        async for event in self.follow(self.config.feed):
            self.heard.append(event)


class Handler(Character):
    """The same in the other voice: it is called for each change of a book."""

    class Config(Character.Config, frozen=True, kw_only=True):
        feed: Any

    def feeds(self) -> list[Feed[Any]]:
        return [Quotes(SYMBOL), self.config.feed]

    def on_quote(self, event: Quote) -> None:
        raise AssertionError("it does not come to that")

    def on_diff(self, event: BookDiff) -> None:
        raise AssertionError("it does not come to that")

    def on_broken(self, event: Broken) -> None:
        raise AssertionError("it does not come to that")


@pytest.mark.parametrize("voice", [Follower, Handler])
async def test_whoever_follows_what_rest_cannot_tell_is_told_why(
    virtual_clock: MockClock, seed: int, voice: type[Character]
) -> None:
    part = Part("follower", voice, feed=DepthDiffs(SYMBOL))
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        account = account_of(exchange, part, seed)
        with pytest.raises(ConfigError, match=r"connection\.market: btcusdt@depth@100ms cannot be followed over REST"):
            async with account.trading() as system:
                await system.wait_ended()
    assert len(part.lives) == 1
    assert Quotes(SYMBOL).stream not in account.tree.desk.interest.links[0].wanted(trio.current_time(), linger_s=0)


async def test_while_the_exchange_wants_silence_nothing_is_asked_and_then_no_trade_is_missing(
    virtual_clock: MockClock, seed: int
) -> None:
    part = Part("follower", Follower, feed=Trades(SYMBOL))
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        async with account_of(exchange, part, seed).trading():
            await until(lambda: bool(part.lives), step_s=0.05)
            await trio.sleep(3)
            exchange.faults.add(
                RefuseRequest(
                    method="trades.historical", status=429, code=-1003, message="Too much weight", retry_after_s=20
                )
            )
            await trio.sleep(2)
            before = exchange.paper.record.requested
            for _ in range(50):
                exchange.trade(SYMBOL, BID, SIZE)
            await trio.sleep(15)
            assert exchange.paper.record.requested == before
            await trio.sleep(10)
            ids = [trade.trade_id for trade in part.now.heard]
            assert len(ids) == 50
            assert ids == list(range(ids[0], ids[0] + 50))


async def test_more_trades_than_can_be_asked_for_are_a_gap_with_their_number(
    virtual_clock: MockClock, seed: int
) -> None:
    part = Part("follower", Follower, feed=Trades(SYMBOL))
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        async with account_of(exchange, part, seed).trading():
            await until(lambda: bool(part.lives), step_s=0.05)
            await trio.sleep(3)
            for _ in range(2_500):
                exchange.trade(SYMBOL, BID, SIZE)
            await trio.sleep(3)
            heard = part.now.heard
            assert [event.dropped for event in heard if isinstance(event, Gap)] == [500]
            assert len(heard) == 2_001
            assert heard[-1].trade_id == heard[0].trade_id + 2_499


async def test_a_book_that_cannot_be_asked_for_is_lost_until_it_can(virtual_clock: MockClock, seed: int) -> None:
    part = Part("follower", Follower, feed=Books(SYMBOL, depth=10))
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        async with account_of(exchange, part, seed).trading():
            await until(lambda: bool(part.lives), step_s=0.05)
            await trio.sleep(3)
            exchange.faults.add(RefuseRequest(method="depth", status=400, code=-1000, message="Not now"))
            await trio.sleep(5)
            assert [type(event) for event in part.now.heard] == [OrderBook, BookLost, OrderBook]
            assert part.now.heard[-1].best_bid.price == BID
