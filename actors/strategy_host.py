"""Runs one strategy: a fresh object for each life, its events one at a time, its orders cleaned up at a clean end.

The strategy itself is written by others and knows nothing of actors; see `strategy.py` for what it may do. What happens
to the orders of a strategy that crashed is `risk.py`'s work.
"""

import math
from collections.abc import Hashable, Iterable
from enum import StrEnum
from functools import partial
from types import CoroutineType
from typing import Any, ClassVar

import msgspec

from dogwatch.actors.account import AwaitBalances
from dogwatch.actors.balance import Balance
from dogwatch.actors.desk import Context, Desk
from dogwatch.actors.dispatch import LEFT, Dispatch
from dogwatch.actors.feeds import (
    Balances,
    BookLost,
    Books,
    Broken,
    DepthDiffs,
    Feed,
    Fills,
    Keep,
    MarketFeed,
    OrderChanges,
    Tick,
    Ticks,
)
from dogwatch.actors.order_messages import AwaitReady, CancelStrategyOrders, OrderChanged
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.order_book import OrderBook
from dogwatch.actors.spot.stream_events import (
    AggregateTradeEvent,
    BlockTradeEvent,
    Book,
    BookDiff,
    Kline,
    Quote,
    Trade,
)
from dogwatch.actors.spot.ticker_events import (
    AveragePriceEvent,
    MiniTicker,
    ReferencePriceEvent,
    RollingWindowTicker,
    Ticker24h,
)
from dogwatch.actors.strategy import Strategy
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Gap, Overflowed
from dogwatch.runtime.overflow import Overflow

OWN_FEEDS: tuple[Feed[Any], ...] = (Fills(), OrderChanges(), Balances())
SUPERVISOR = "strategies"
"""The supervisor that all hosts stand below, each under the name of its strategy."""
FEEDS_HINT = "return a list of feeds, such as [Quotes(self.config.symbol)]"


def strategy_at(path: str) -> str | None:
    """The strategy whose host stands at this place in the tree, None for the place of any other actor."""
    parent, _, name = path.rpartition("/")
    return name if parent.endswith(f"/{SUPERVISOR}") else None


class OrdersOnCrash(StrEnum):
    """What happens to a strategy's orders when it crashes, or when its process has ended without cleaning up."""

    CANCEL = "cancel"
    """They are canceled; the next life begins when their end is known."""
    KEEP = "keep"
    """They stay; the next life, of the next process too, finds them in `self.orders`."""


class Newest(msgspec.Struct, frozen=True):
    """An event of a feed that is followed with `Keep.LATEST`, although events of its kind are all kept usually."""

    slot: Hashable
    event: object


class Each(msgspec.Struct, frozen=True):
    """An event of a feed that is followed with `Keep.ALL`, although of its kind only the latest is kept usually."""

    event: object


class StrategyHost(Actor):
    """The actor around a strategy. Events for handlers wait in its mailbox, each kind in its own way."""

    lanes: ClassVar[tuple[Lane, ...]] = (
        # Direct: a strategy that waits is told in the step in which the tracker learns of it.
        Lane("orders", accepts=(Fill, OrderChanged), capacity=4_096, overflow=Overflow.STOP, is_direct=True),
        Lane(
            "balances",
            accepts=(Balance,),
            capacity=4_096,
            conflate_by=lambda balance: balance.asset,
            is_direct=True,
        ),
        Lane("ticks", accepts=(Tick,), conflate_by=lambda tick: tick.period_s),
        Lane("quotes", accepts=(Quote,), conflate_by=lambda quote: quote.symbol),
        Lane("order_books", accepts=(OrderBook, BookLost), conflate_by=lambda book: (book.symbol, book.depth)),
        Lane("books", accepts=(Book,), conflate_by=lambda book: book.symbol),
        Lane(
            "klines",
            accepts=(Kline,),
            overflow=Overflow.DROP_OLDEST,
            conflate_by=lambda kline: (kline.symbol, kline.interval, kline.start_time_ms),
        ),
        Lane(
            "tickers",
            accepts=(MiniTicker, Ticker24h, RollingWindowTicker, AveragePriceEvent, ReferencePriceEvent),
            capacity=16_384,
            overflow=Overflow.DROP_OLDEST,
            conflate_by=lambda ticker: (ticker.__class__, ticker.symbol),
        ),
        Lane("latest", accepts=(Newest,), capacity=4_096, conflate_by=lambda newest: newest.slot),
        Lane("diffs", accepts=(BookDiff, Broken), capacity=4_096, overflow=Overflow.CLEAR),
        Lane(
            "trades",
            accepts=(Trade, AggregateTradeEvent, BlockTradeEvent, Gap),
            capacity=4_096,
            overflow=Overflow.DROP_OLDEST,
            is_direct=True,
        ),
        Lane("all", accepts=(Each,), capacity=4_096, overflow=Overflow.STOP, is_direct=True),
    )

    def __init__(
        self,
        *,
        strategy: type[Strategy],
        name: str,
        config: Strategy.Config,
        desk: Desk,
        orders_on_crash: OrdersOnCrash = OrdersOnCrash.CANCEL,
    ) -> None:
        self._class = strategy
        self._name = name
        self._config = config
        self._desk = desk
        self._orders_on_crash = orders_on_crash
        self._context: Context | None = None
        self._strategy: Strategy | None = None
        self._feeds: tuple[Feed[Any], ...] = ()
        self._dispatch: Dispatch | None = None

    async def run(self) -> None:
        """Wait until orders can be placed, then live the strategy's life.

        Only then it is also known which orders an earlier process has left: they are treated as a crash's. While
        trading is halted no life begins; one that goes on meanwhile is told by the refusal of its orders.
        """
        await self._desk.account.ask(AwaitBalances(), within_s=math.inf)
        await self._desk.orders.ask(AwaitReady(), within_s=math.inf)
        if self._orders_on_crash is OrdersOnCrash.CANCEL:
            await self._end_orders()
        while self._desk.halts.halt is not None:
            self.log.info("waits: trading is halted")
            await self._desk.halts.wait_lifted()
            await self._desk.orders.ask(AwaitReady(), within_s=math.inf)
        self._context = Context(name=self._name, life=self.life, config=self._config, desk=self._desk, log=self.log)
        try:
            self._strategy = self._class(self._context)
            self._dispatch = Dispatch(self._strategy, self._strategy.handlers, self._unwrap)
            await self._live(self._strategy, self._context)
        except* SystemExit as leaving:
            # It would end every other strategy too, and none of them in order.
            raise RuntimeError(LEFT) from leaving
        finally:
            self._context.close()

    def on_event(self, event: object) -> object:
        """Give an event to its handler. No coroutine function: what a plain handler does needs none (0.9 instead of
        1.6 us). What an `async` one gives is awaited by the life."""
        dispatch = self._dispatch
        return None if dispatch is None else dispatch.give(event)  # nothing is served before there is a strategy

    def on_each(self, each: Each) -> object:
        """As `on_event`, of an event that waited in the lane of those that are all kept."""
        dispatch = self._dispatch
        return None if dispatch is None else dispatch.give(each.event)

    def _unwrap(self, event: object) -> object:
        """What is no event of a handler by its type: one that waited in another lane, or a marker."""
        if isinstance(event, Newest):
            return self.on_event(event.event)
        if isinstance(event, Overflowed):
            return self._tell_broken(event)
        self.log.warning("events were lost", marker=event)  # only markers come without a handler
        return None

    async def _tell_broken(self, overflowed: Overflowed) -> None:
        for feed in self._feeds:
            if isinstance(feed, DepthDiffs):
                result = self.on_event(Broken(stream=feed.stream, reason=f"{overflowed.dropped} events were lost"))
                if isinstance(result, CoroutineType):
                    await result

    async def on_stop(self) -> None:
        try:
            if self._strategy is not None:
                await self._strategy.on_stop()
        finally:
            # Also when that failed: orders are kept for a next life only, and after a stop there is none.
            if self._desk.order_table.is_tracked:  # else this stop is a part of the tracker's own restart
                await self._end_orders()

    def statistics(self) -> dict[str, Any]:
        return {
            "strategy": self._class.__name__,
            "events_handled": 0 if self._dispatch is None else self._dispatch.handled,
            "orders_live": len(self._desk.order_table.live(self._name)),
        }

    def summary(self) -> str:
        return "waits" if self._strategy is None else f"{len(self._desk.order_table.live(self._name))} live"

    async def _live(self, strategy: Strategy, context: Context) -> None:
        await strategy.on_start()
        if strategy.handlers:
            self._feeds = checked_feeds(strategy, strategy.feeds())
            while self.ref.mailbox.take() is not None:
                pass  # it waited for the life before: to this one it would be old news
            self._listen(context)
            try:
                await self.serve()
            finally:
                for feed in self._feeds:
                    context.leave(feed)
        else:
            await strategy.run()
            await self._end_orders()

    def _listen(self, context: Context) -> None:
        for feed in self._feeds:
            context.check(feed)
        for feed in self._feeds:
            if isinstance(feed, Ticks):
                self.tell_every(feed.period_s, Tick(period_s=feed.period_s))
            elif isinstance(feed, MarketFeed) and feed.kept is not feed.USUALLY:
                put_as = partial(_newest, feed) if feed.kept is Keep.LATEST else Each
                self.subscribe(context.join(feed), put_as=put_as)
            else:
                is_latest = isinstance(feed, MarketFeed) and feed.kept is Keep.LATEST and not feed.has_slots
                self.subscribe(context.join(feed), is_latest=is_latest)

    async def _end_orders(self) -> None:
        """Have all orders canceled and wait until their end is known; the runtime bounds how long."""
        await self._desk.orders.ask(CancelStrategyOrders(strategy=self._name), within_s=math.inf)


def _newest(feed: MarketFeed[Any], event: object) -> Newest:
    return Newest((feed, feed.slot(event)), event)


def checked_feeds(strategy: Strategy, feeds: object) -> tuple[Feed[Any], ...]:
    """The feeds of a strategy with handlers, and its own ones. Raises ConfigError when handlers and feeds disagree, or
    for what is no list of feeds: no restart can mend that."""
    name = type(strategy).__name__
    if not isinstance(feeds, Iterable):
        raise ConfigError(f"{name}.feeds()", f"{feeds!r} is no list of feeds", hint=FEEDS_HINT)
    wanted = tuple(dict.fromkeys(feeds))
    for feed in wanted:
        if not isinstance(feed, Feed):
            raise ConfigError(f"{name}.feeds()", f"{feed!r} is no feed", hint=FEEDS_HINT)
        if not any(event in strategy.handlers for event in feed.events):
            kinds = " or ".join(event.__name__ for event in feed.events)
            raise ConfigError(
                f"{name}.feeds()",
                f"{feed!r} is followed, but nothing handles its events",
                hint=f"define on_…(self, event: {kinds}), or leave the feed out",
            )
        if isinstance(feed, DepthDiffs) and Broken not in strategy.handlers:
            raise ConfigError(
                f"{name}.feeds()",
                f"{feed!r} can break, and nothing handles that",
                hint="define on_broken(self, event: Broken) and build the book anew there, or follow Books",
            )
        if isinstance(feed, Books) and BookLost not in strategy.handlers:
            raise ConfigError(
                f"{name}.feeds()",
                f"{feed!r} can be lost for a while, and nothing handles that",
                hint="define on_book_lost(self, event: BookLost) and trust no book until the next one comes",
            )
    own = tuple(feed for feed in OWN_FEEDS if any(event in strategy.handlers for event in feed.events))
    wanted = tuple(dict.fromkeys((*wanted, *own)))
    covered = {event for feed in wanted for event in feed.events} | {Gap, Broken, BookLost}
    for event in strategy.handlers:
        if event not in covered:
            raise ConfigError(
                f"{name}.feeds()",
                f"{event.__name__} is handled, but no feed yields it",
                hint="return the feed from feeds(), made of self.config",
            )
    return wanted
