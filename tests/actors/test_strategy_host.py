"""Strategies in their tree, against the paper exchange, under virtual time: both voices, crashes, clean ends."""

import sys
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, TypeVar, cast

import pytest
import trio

from dogwatch import (
    Balance,
    Books,
    Fill,
    HourTicker,
    Keep,
    Order,
    OrderBook,
    OrderChanged,
    Quote,
    Quotes,
    RollingTickers,
    Side,
    Strategy,
    Tick,
    Ticks,
    Trade,
    Trades,
)
from dogwatch.actors.spot.order import Life
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.testing import RunningStrategy, StagedExchange, StrategyStarter
from dogwatch.actors.tree import StrategyEntry, build
from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.specs import Restart

SIZE = Decimal("0.001")
SYMBOL = "BTCUSDT"

S = TypeVar("S", bound=Strategy)


class Settings(Strategy.Config, frozen=True):
    symbol: str = SYMBOL


class Buyer(Strategy):
    """Buys once and waits."""

    class Config(Settings, frozen=True):
        pass

    order: Order | None = None

    async def run(self) -> None:
        self.order = await self.buy(self.config.symbol, quantity=SIZE)
        await trio.sleep_forever()


class Rester(Strategy):
    """Rests one order below the market; raises when the market falls below `crash_below`."""

    class Config(Settings, frozen=True):
        price: Decimal = Decimal(39_000)
        crash_below: Decimal = Decimal(0)

    order: Order | None = None
    found: tuple[Order, ...] = ()

    async def run(self) -> None:
        self.found = self.orders
        self.order = await self.buy(self.config.symbol, quantity=SIZE, price=self.config.price, post_only=True)
        async for quote in self.follow(Quotes(self.config.symbol)):
            if quote.bid < self.config.crash_below:
                raise RuntimeError("the market fell")


async def begun_at_a_price(
    exchange: StagedExchange, start: StrategyStarter, kind: type[S], **wishes: Any
) -> tuple[RunningStrategy, S]:
    """A strategy that found the market at 40,000, after a second; and its object."""
    exchange.quote(SYMBOL, "40000", "40001")
    running = await start(kind, **wishes)
    await trio.sleep(1)
    return running, object_of(running, kind)


async def begun_before_the_first_price(
    exchange: StagedExchange, start: StrategyStarter, kind: type[S]
) -> tuple[RunningStrategy, S]:
    """A strategy that was there before the market came to 40,000, after a second; and its object."""
    running = await start(kind)
    await trio.sleep(0.5)
    exchange.quote(SYMBOL, "40000", "40001")
    await trio.sleep(0.5)
    return running, object_of(running, kind)


def object_of(running: RunningStrategy, kind: type[S]) -> S:
    strategy = running.strategy
    assert isinstance(strategy, kind)
    return strategy


async def test_a_sequential_strategy_buys_and_its_belief_is_the_ledger(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    _, strategy = await begun_at_a_price(exchange, start, Buyer)
    assert strategy.order is not None
    assert strategy.order.is_filled
    assert strategy.order.average_price == Decimal(40_001)
    assert strategy.position(SYMBOL) == exchange.position("BTC") == SIZE * (1 - Decimal("0.001"))
    assert strategy.balance("BTC").total == exchange.balances()["BTC"].free
    assert strategy.latest(strategy.order).filled_quantity == SIZE


class Worder(Strategy):
    """Says the side in the exchange's own word, as one does without a type checker."""

    class Config(Settings, frozen=True):
        pass

    async def run(self) -> None:
        await self.place(cast(Any, "BUY"), self.config.symbol, quantity=SIZE)
        with pytest.raises(ValueError, match="buy"):
            await self.place(cast(Any, "buy"), self.config.symbol, quantity=SIZE)
        await trio.sleep_forever()


async def test_a_side_in_the_exchanges_word_counts_as_what_it_says(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    running, _ = await begun_at_a_price(exchange, start, Worder)
    assert running.position(SYMBOL) == exchange.position("BTC") > 0
    assert running.strategy.life == 1


async def test_a_clean_stop_cancels_what_rests(exchange: StagedExchange, start: StrategyStarter) -> None:
    running, _ = await begun_at_a_price(exchange, start, Rester)
    assert [order["status"] for order in exchange.orders()] == ["NEW"]
    await running.stop()
    assert [order["status"] for order in exchange.orders()] == ["CANCELED"]
    assert running.orders == ()


class Once(Strategy):
    """Leaves an order behind and ends."""

    class Config(Settings, frozen=True):
        pass

    async def run(self) -> None:
        await self.buy(self.config.symbol, quantity=SIZE, price=Decimal(39_000))


async def test_a_strategy_that_ends_leaves_no_order_and_ends_its_tree(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    exchange.quote(SYMBOL, "40000", "40001")
    running = await start(Once)
    with trio.fail_after(5):
        await running.ended()
    assert [order["status"] for order in exchange.orders()] == ["CANCELED"]


class Handling(Strategy):
    """Speaks through handlers."""

    class Config(Settings, frozen=True):
        pass

    def feeds(self) -> Iterable[Any]:
        return [Quotes(self.config.symbol)]

    async def on_start(self) -> None:
        self.seen: list[object] = []

    async def on_quote(self, quote: Quote) -> None:
        self.seen.append(quote)
        if len(self.seen) == 1:
            await self.place(Side.SELL, quote.symbol, quantity=SIZE)

    def on_own(self, event: Fill | OrderChanged) -> None:
        self.seen.append(event)

    def on_balance(self, balance: Balance) -> None:
        self.seen.append(balance)

    async def on_stop(self) -> None:
        self.seen.append("stopped")


async def test_handlers_get_quotes_and_the_own_fills_changes_and_balances(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    running, strategy = await begun_before_the_first_price(exchange, start, Handling)
    kinds = [type(event).__name__ for event in strategy.seen]
    assert kinds.count("Fill") == 1
    assert set(kinds) == {"Quote", "Fill", "OrderChanged", "Balance"}
    changes = [event.order.life for event in strategy.seen if isinstance(event, OrderChanged)]
    assert changes[0] is Life.SENT
    assert changes[-1] is Life.FILLED
    await running.stop()
    assert strategy.seen[-1] == "stopped"


async def test_a_strategy_that_waits_is_told_of_an_order_in_the_step_in_which_it_is_entered(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    running, strategy = await begun_before_the_first_price(exchange, start, Handling)
    told = next(event for event in strategy.seen if isinstance(event, OrderChanged))
    before = len(strategy.seen)
    running.tree.desk.order_topics.of(running.name).changes.publish(told)
    assert strategy.seen[before:] == [told]


class Choosing(Strategy):
    """Wants every quote and only the latest trade, and is slow."""

    class Config(Settings, frozen=True):
        pass

    def feeds(self) -> Iterable[Any]:
        return [Quotes(self.config.symbol, keep=Keep.ALL), Trades(self.config.symbol, keep=Keep.LATEST)]

    async def on_start(self) -> None:
        self.bids: list[Decimal] = []
        self.prices: list[Decimal] = []

    async def on_quote(self, quote: Quote) -> None:
        self.bids.append(quote.bid)
        await trio.sleep(2)

    def on_trade(self, trade: Trade) -> None:
        self.prices.append(trade.price)


async def test_handlers_get_as_much_as_their_feeds_keep(exchange: StagedExchange, start: StrategyStarter) -> None:
    running = await start(Choosing)
    await trio.sleep(0.5)
    for step in range(4):
        exchange.quote(SYMBOL, str(40_000 + step), str(40_001 + step))
        exchange.trade(SYMBOL, str(40_001 + step))
        await trio.sleep(0.2)
    await trio.sleep(20)
    strategy = object_of(running, Choosing)
    assert strategy.bids[-4:] == [40_000, 40_001, 40_002, 40_003]
    assert strategy.prices[-1] == 40_004
    assert len(strategy.prices) < 4


class HandlingWithoutFeed(Strategy):
    class Config(Settings, frozen=True):
        pass

    def on_quote(self, quote: Quote) -> None: ...


class FeedWithoutHandler(HandlingWithoutFeed):
    def feeds(self) -> Iterable[Any]:
        return [Quotes(SYMBOL), Trades(SYMBOL)]


class BookOnly(Strategy):
    def feeds(self) -> Iterable[Any]:
        return [Books(SYMBOL)]

    def on_book(self, book: OrderBook) -> None: ...


class OtherWindow(Strategy):
    def feeds(self) -> Iterable[Any]:
        return [RollingTickers(SYMBOL, "4h")]

    def on_ticker(self, ticker: HourTicker) -> None: ...


class OneFeed(HandlingWithoutFeed):
    def feeds(self) -> Any:
        return Quotes(SYMBOL)


class FeedsClass(HandlingWithoutFeed):
    def feeds(self) -> Iterable[Any]:
        return [Quotes]


@pytest.mark.parametrize(
    ("strategy", "problem"),
    [
        (OneFeed, r"Quotes\(symbol='BTCUSDT'\) is no list of feeds"),
        (FeedsClass, "Quotes'> is no feed"),
        (BookOnly, "can be lost for a while, and nothing handles that"),
        (OtherWindow, "is followed, but nothing handles its events"),
        (HandlingWithoutFeed, "Quote is handled, but no feed yields it"),
        (FeedWithoutHandler, "is followed, but nothing handles its events"),
    ],
)
async def test_handlers_and_feeds_that_disagree_are_a_configuration_error(
    exchange: StagedExchange, strategy: type[Strategy], problem: str
) -> None:
    tree = tree_of(exchange, StrategyEntry(name="wrong", strategy=strategy, config=Settings()))
    with pytest.raises(ConfigError, match=problem):
        async with tree.system() as system:
            await system.wait_ended()


def tree_of(exchange: StagedExchange, *entries: StrategyEntry) -> Any:
    return build(
        api=exchange.api,
        streams=exchange.streams,
        clock=exchange.clock,
        signer=exchange.signer(),
        strategies=entries,
    )


async def test_a_crashed_strategy_begins_anew_while_another_trades_on(exchange: StagedExchange) -> None:
    crashing: list[Rester] = []
    steady: list[Rester] = []

    class Crashing(Rester):
        async def on_start(self) -> None:
            crashing.append(self)

    class Steady(Rester):
        async def on_start(self) -> None:
            steady.append(self)

    exchange.quote(SYMBOL, "40000", "40001")
    tree = tree_of(
        exchange,
        StrategyEntry(name="crashing", strategy=Crashing, config=Crashing.Config(crash_below=Decimal(39_500))),
        StrategyEntry(name="steady", strategy=Steady, config=Steady.Config(price=Decimal(38_000))),
    )
    async with tree.system() as system:
        await trio.sleep(1)
        exchange.quote(SYMBOL, "39400", "39401")
        await trio.sleep(0.1)
        assert status_of(exchange, crashing[0]) == "CANCELED"
        exchange.quote(SYMBOL, "40000", "40001")
        await trio.sleep(5)
        assert len(crashing) == 2
        assert crashing[1].life == 2
        assert crashing[1].found == ()
        assert crashing[1].order is not None
        assert crashing[1].order.client_order_id.split("-")[3] == "2"
        assert len(steady) == 1
        assert status_of(exchange, steady[0]) == "NEW"
        strategies = system.tree().children[-1].children
        assert [(node.name, node.life, node.restarts) for node in strategies] == [("crashing", 2, 1), ("steady", 1, 0)]
        assert "the market fell" in str(strategies[0].last_error)


class Leaving(Strategy):
    """Has had enough after the first quote, or the first trade."""

    class Config(Settings, frozen=True):
        pass

    def feeds(self) -> Iterable[Any]:
        return [Quotes(self.config.symbol, keep=Keep.ALL), Trades(self.config.symbol)]

    def on_quote(self, quote: Quote) -> None:
        if quote.bid < 40_000:
            sys.exit("enough of quotes")

    def on_trade(self, trade: Trade) -> None:
        sys.exit("enough of trades")


@pytest.mark.parametrize("kind", ["quote", "trade"])
async def test_a_handler_that_calls_sys_exit_ends_its_own_strategy_only(exchange: StagedExchange, kind: str) -> None:
    exchange.quote(SYMBOL, "40000", "40001")
    tree = tree_of(
        exchange,
        StrategyEntry(name="leaving", strategy=Leaving, config=Leaving.Config()),
        StrategyEntry(name="steady", strategy=Rester, config=Rester.Config(price=Decimal(38_000))),
    )
    async with tree.system() as system:
        await trio.sleep(1)
        if kind == "quote":
            exchange.quote(SYMBOL, "39400", "39401")
        else:
            exchange.trade(SYMBOL, "40001")
        await trio.sleep(0.1)
        leaving, steady = system.tree().children[-1].children
        assert "sys.exit()" in str(leaving.last_error)
        assert steady.last_error is None
        assert [node.path for node in system.tree().walk() if node.last_error] == [leaving.path]


def status_of(exchange: StagedExchange, strategy: Rester) -> str:
    assert strategy.order is not None
    wanted = strategy.order.order_id
    return next(str(order["status"]) for order in exchange.orders() if order["orderId"] == wanted)


async def test_orders_of_a_crashed_strategy_stay_if_it_says_so(exchange: StagedExchange) -> None:
    made: list[Rester] = []

    class Crashing(Rester):
        async def on_start(self) -> None:
            made.append(self)

    exchange.quote(SYMBOL, "40000", "40001")
    config = Crashing.Config(crash_below=Decimal(39_500))
    entry = StrategyEntry(name="keeper", strategy=Crashing, config=config, orders_on_crash=OrdersOnCrash.KEEP)
    async with tree_of(exchange, entry).system():
        await trio.sleep(1)
        exchange.quote(SYMBOL, "39400", "39401")
        await trio.sleep(0.1)
        exchange.quote(SYMBOL, "40000", "40001")
        await trio.sleep(5)
        assert status_of(exchange, made[0]) == "NEW"
        assert [order.client_order_id for order in made[1].found] == [made[0].order.client_order_id]  # type: ignore[union-attr] # set at its start
        assert len(made[1].orders) == 2


async def test_a_strategy_that_is_not_restarted_leaves_no_order_behind(exchange: StagedExchange) -> None:
    exchange.quote(SYMBOL, "40000", "40001")
    config = Rester.Config(crash_below=Decimal(39_500))
    tree = tree_of(exchange, StrategyEntry(name="once", strategy=Rester, config=config, restart=Restart.TEMPORARY))
    async with tree.system() as system:
        await trio.sleep(1)
        exchange.quote(SYMBOL, "39400", "39401")
        with trio.fail_after(5):
            await system.wait_ended()
    assert [order["status"] for order in exchange.orders()] == ["CANCELED"]
    assert list(tree.desk.order_table.all_live()) == []


class Ungracious(Rester):
    """Fails in its goodbye."""

    async def on_stop(self) -> None:
        raise RuntimeError("no goodbye")


@pytest.mark.parametrize("orders_on_crash", ["cancel", "keep"])
async def test_a_goodbye_that_fails_leaves_no_order_behind(
    exchange: StagedExchange, start: StrategyStarter, orders_on_crash: str
) -> None:
    """Orders are kept for the next life after a crash, and after a stop there is none."""
    running, _ = await begun_at_a_price(exchange, start, Ungracious, orders_on_crash=orders_on_crash)
    await running.stop()
    assert [order["status"] for order in exchange.orders()] == ["CANCELED"]


class Clinging(Rester):
    """Never comes to an end by itself."""

    async def on_stop(self) -> None:
        await trio.sleep_forever()


async def test_a_strategy_that_has_to_be_killed_leaves_no_order_behind(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    running, _ = await begun_at_a_price(exchange, start, Clinging)
    with trio.fail_after(20):
        await running.stop()
    assert [order["status"] for order in exchange.orders()] == ["CANCELED"]


class Punctual(Strategy):
    """Does something every ten seconds."""

    class Config(Strategy.Config, frozen=True):
        pass

    def feeds(self) -> Iterable[Any]:
        return [Ticks(10)]

    async def on_start(self) -> None:
        self.times_ms: list[int] = []

    async def on_tick(self, tick: Tick) -> None:
        self.times_ms.append(self.now_ms())
        await trio.sleep(25 if len(self.times_ms) == 2 else 0)


async def test_handlers_are_told_of_passing_time_and_missed_ticks_are_left_out(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    running = await start(Punctual)
    strategy = object_of(running, Punctual)
    began_ms = strategy.now_ms()
    await trio.sleep(61)
    assert [round((at_ms - began_ms) / 1000) for at_ms in strategy.times_ms] == [10, 20, 45, 50, 60]
    with pytest.raises(TypeError, match=r"await trio.sleep\(seconds\)"):
        strategy.follow(Ticks(10))


class Stuck(Strategy):
    """Waits for ever in its first handler."""

    class Config(Settings, frozen=True):
        pass

    def feeds(self) -> Iterable[Any]:
        return [Quotes(self.config.symbol), Trades(self.config.symbol)]

    async def on_quote(self, quote: Quote) -> None:
        await trio.sleep_forever()

    def on_trade(self, trade: Trade) -> None: ...


async def test_a_handler_that_waits_for_ever_hurts_nobody_else(exchange: StagedExchange) -> None:
    seen: list[Quote] = []

    class Awake(Strategy):
        class Config(Settings, frozen=True):
            pass

        async def run(self) -> None:
            async for quote in self.follow(Quotes(self.config.symbol)):
                seen.append(quote)
                with trio.fail_after(0.001):
                    await self.closed(await self.buy(self.config.symbol, quantity=SIZE))

    tree = tree_of(
        exchange,
        StrategyEntry(name="stuck", strategy=Stuck, config=Stuck.Config()),
        StrategyEntry(name="awake", strategy=Awake, config=Awake.Config()),
    )
    async with tree.system() as system:
        await trio.sleep(1)
        for second in range(600):
            exchange.quote(SYMBOL, str(40_000 + second), str(40_001 + second))
            for _ in range(20):
                exchange.trade(SYMBOL, str(40_001 + second), "0.01")
            await trio.sleep(1)
        assert len(seen) >= 600
        assert system.tree().children[-1].restarts == 0
        assert all(link.pings_sent == link.pongs_matched for link in exchange.paper.connections())
        stuck = system.tree().children[-1].children[0]
        assert stuck.depth <= 5000
