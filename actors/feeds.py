"""What a strategy can follow: one small value per feed, typed by the events it yields.

A feed says which stream of the exchange it is and how its events wait for a slow reader. Subscribing at the exchange is
`market_data.py`'s work, iterating over a feed `following.py`'s.
"""

from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from dogwatch.actors.account import Balance
from dogwatch.actors.order_messages import OrderChanged
from dogwatch.actors.spot.fills import Fill
from dogwatch.actors.spot.stream_events import Book, BookDiff, Kline, Quote, Trade
from dogwatch.runtime.mailbox import Overflow
from dogwatch.runtime.messages import Gap, Message
from dogwatch.runtime.topic import Subscription, Topic

EventT = TypeVar("EventT")

STREAM_CAPACITY = 4096


class Broken(Message, frozen=True, kw_only=True):
    """A feed lost events that cannot be skipped: whatever was built from `stream` must be built anew."""

    stream: str
    reason: str


class Feed(msgspec.Struct, Generic[EventT], frozen=True):
    """Something to follow. A value: two equal feeds are one feed."""

    EVENTS: ClassVar[tuple[type, ...]] = ()
    """What it yields, besides the markers of what was lost."""

    def subscription(self, topic: Topic[Any]) -> Subscription[Any]:
        """A place where its events wait, in the way that fits their kind."""
        return topic.stream(capacity=STREAM_CAPACITY, overflow=Overflow.STOP)


class MarketFeed(Feed[EventT], Generic[EventT], frozen=True):
    """A feed that comes from a market stream (WebSocket Streams)."""

    symbol: str

    @property
    def stream(self) -> str:
        """The exchange's name of the stream."""
        raise NotImplementedError

    def subscription(self, topic: Topic[Any]) -> Subscription[Any]:
        return topic.latest()


class Quotes(MarketFeed[Quote], frozen=True):
    """Best bid and ask, at every change (Individual Symbol Book Ticker Streams). A slow reader sees the newest only."""

    EVENTS: ClassVar[tuple[type, ...]] = (Quote,)

    @property
    def stream(self) -> str:
        return f"{self.symbol.lower()}@bookTicker"


class Trades(MarketFeed[Trade | Gap], frozen=True):
    """Every public trade (Trade Streams). A slow reader gets a Gap with the number that it missed."""

    EVENTS: ClassVar[tuple[type, ...]] = (Trade,)

    @property
    def stream(self) -> str:
        return f"{self.symbol.lower()}@trade"

    def subscription(self, topic: Topic[Any]) -> Subscription[Any]:
        return topic.stream(capacity=STREAM_CAPACITY, overflow=Overflow.DROP_OLDEST)


class Klines(MarketFeed[Kline], frozen=True):
    """Candles as they stand (Kline/Candlestick Streams). A slow reader sees each candle in its last state.

    Beyond 4,096 unseen candles (68 hours of `1m`) iterating raises MailboxFull; handlers get the newest 1,024.
    """

    interval: str = "1m"

    EVENTS: ClassVar[tuple[type, ...]] = (Kline,)

    @property
    def stream(self) -> str:
        return f"{self.symbol.lower()}@kline_{self.interval}"

    def subscription(self, topic: Topic[Any]) -> Subscription[Any]:
        return topic.latest(conflate_by=_candle)


class Depth(MarketFeed[Book], frozen=True):
    """The best `levels` (5, 10 or 20) of both sides, every `period_ms` (100 or 1000) (Partial Book Depth Streams).

    A slow reader sees the newest only.
    """

    levels: int = 20
    period_ms: int = 100

    EVENTS: ClassVar[tuple[type, ...]] = (Book,)

    def __post_init__(self) -> None:
        if self.levels not in {5, 10, 20}:
            raise ValueError(f"Depth has 5, 10 or 20 levels, not {self.levels}")
        _check_period(self.period_ms)

    @property
    def stream(self) -> str:
        return f"{self.symbol.lower()}@depth{self.levels}@{self.period_ms}ms"


class DepthDiffs(MarketFeed[BookDiff | Broken], frozen=True):
    """Every change of the book (Diff. Depth Stream). A reader that fell behind gets Broken and must start anew."""

    period_ms: int = 100

    EVENTS: ClassVar[tuple[type, ...]] = (BookDiff,)

    def __post_init__(self) -> None:
        _check_period(self.period_ms)

    @property
    def stream(self) -> str:
        return f"{self.symbol.lower()}@depth@{self.period_ms}ms"

    def subscription(self, topic: Topic[Any]) -> Subscription[Any]:
        return topic.stream(capacity=STREAM_CAPACITY, overflow=Overflow.CLEAR)


class Fills(Feed[Fill], frozen=True):
    """Every fill of the strategy's own orders, once and in order."""

    EVENTS: ClassVar[tuple[type, ...]] = (Fill,)


class OrderChanges(Feed[OrderChanged], frozen=True):
    """Every change of the strategy's own orders, in order."""

    EVENTS: ClassVar[tuple[type, ...]] = (OrderChanged,)


class Balances(Feed[Balance], frozen=True):
    """The account's balances, the newest of each asset. Shared by all strategies of the account."""

    EVENTS: ClassVar[tuple[type, ...]] = (Balance,)

    def subscription(self, topic: Topic[Any]) -> Subscription[Any]:
        return topic.latest(conflate_by=_asset)


class Tick(Message, frozen=True, kw_only=True):
    """A period of a `Ticks` feed is over."""

    period_s: float


class Ticks(Feed[Tick], frozen=True):
    """The passing of time, for strategies with handlers: every `period_s` seconds, ticks that nobody saw left out.

    A sequential strategy waits with `trio.sleep` instead.
    """

    period_s: float

    EVENTS: ClassVar[tuple[type, ...]] = (Tick,)

    def __post_init__(self) -> None:
        if not self.period_s > 0:
            raise ValueError(f"a period is longer than 0 s, not {self.period_s}")


def _candle(kline: Kline) -> int:
    return kline.start_time_ms


def _asset(balance: Balance) -> str:
    return balance.asset


def _check_period(period_ms: int) -> None:
    if period_ms not in {100, 1000}:
        raise ValueError(f"depth streams come every 100 or 1000 ms, not every {period_ms}")
