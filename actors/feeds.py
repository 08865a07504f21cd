"""What a strategy can follow: one small value per feed, typed by the events it yields.

A feed says which stream of the exchange it is and how its events wait for a slow reader, who may choose otherwise with
`keep`. Subscribing at the exchange is `market_data.py`'s work, keeping books `order_books.py`'s, iterating over a feed
`following.py`'s.
"""

from collections.abc import Hashable
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from dogwatch.actors.balance import Balance
from dogwatch.actors.order_messages import OrderChanged
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
    DayTicker,
    FourHoursTicker,
    HourTicker,
    MiniTicker,
    ReferencePriceEvent,
    Ticker24h,
)
from dogwatch.runtime.messages import Gap, Message
from dogwatch.runtime.overflow import Overflow
from dogwatch.runtime.topic import Subscription, Topic

EventT = TypeVar("EventT")

STREAM_CAPACITY = 4096
ONE_SLOT = 0
INTERVALS = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
WINDOWS: dict[str, type[HourTicker] | type[FourHoursTicker] | type[DayTicker]] = {
    kind.window: kind for kind in (HourTicker, FourHoursTicker, DayTicker)
}
UTC_OFFSETS = ("", "+08:00")
LEVELS_MAX = 5_000
"""No snapshot of a book has more on a side."""


class Broken(Message, frozen=True, kw_only=True):
    """A feed lost events that cannot be skipped: whatever was built from `stream` must be built anew."""

    stream: str
    reason: str


class BookLost(Message, frozen=True, kw_only=True):
    """The book that `Books(symbol, depth)` shows is not known any more; the next OrderBook is whole again."""

    symbol: str
    depth: int
    reason: str


class Keep(StrEnum):
    """What waits for a slow reader."""

    LATEST = "latest"
    """The newest event only, of each symbol or candle where a feed has several."""
    ALL = "all"
    """Every event, in order."""


class Feed(msgspec.Struct, Generic[EventT], frozen=True, repr_omit_defaults=True):
    """Something to follow. A value: two equal feeds are one feed."""

    EVENTS: ClassVar[tuple[type, ...]] = ()
    """What feeds of this kind yield, besides the markers of what was lost."""

    @property
    def events(self) -> tuple[type, ...]:
        """What this one yields."""
        return self.EVENTS

    def subscription(self, topic: Topic[Any]) -> Subscription[Any]:
        """A place where its events wait, in the way that fits their kind."""
        return topic.stream(capacity=STREAM_CAPACITY, overflow=Overflow.STOP)


class MarketFeed(Feed[EventT], Generic[EventT], frozen=True, kw_only=True):
    """A feed that comes from a market stream (WebSocket Streams).

    `keep` is for a reader who wants his events to wait in another way than the feed's kind suggests. Where all are
    kept by that choice, more than 4,096 unread ones raise MailboxFull.
    """

    keep: Keep | None = None

    USUALLY: ClassVar[Keep] = Keep.LATEST
    """How events of this kind wait unless the reader chooses."""
    OVERFLOW: ClassVar[Overflow] = Overflow.STOP
    """What happens when all are kept and not read."""

    @property
    def stream(self) -> str:
        """The exchange's name of the stream."""
        raise NotImplementedError

    @property
    def kept(self) -> Keep:
        """How its events wait."""
        return self.USUALLY if self.keep is None else Keep(self.keep)

    @property
    def has_slots(self) -> bool:
        """Whether its events are of several slots."""
        return type(self).slot is not MarketFeed.slot

    @staticmethod
    def slot(event: Any) -> Hashable:
        """Where only the latest is kept, it is the latest of each slot."""
        del event
        return ONE_SLOT

    def subscription(self, topic: Topic[Any]) -> Subscription[Any]:
        if self.kept is Keep.LATEST:
            return topic.latest(conflate_by=self.slot if self.has_slots else None)
        if self.OVERFLOW is Overflow.DROP_OLDEST:
            return topic.stream(capacity=STREAM_CAPACITY, overflow=Overflow.DROP_OLDEST)
        if self.OVERFLOW is Overflow.CLEAR:
            return topic.stream(capacity=STREAM_CAPACITY, overflow=Overflow.CLEAR)
        return topic.stream(capacity=STREAM_CAPACITY, overflow=Overflow.STOP)


class SymbolFeed(MarketFeed[EventT], Generic[EventT], frozen=True):
    """A market stream of one symbol."""

    symbol: str

    NAME: ClassVar[str] = ""

    @property
    def stream(self) -> str:
        return f"{self.symbol.lower()}@{self.NAME}"


class Quotes(SymbolFeed[Quote], frozen=True):
    """Best bid and ask, at every change (Individual Symbol Book Ticker Streams). A slow reader sees the newest only."""

    EVENTS: ClassVar[tuple[type, ...]] = (Quote,)
    NAME: ClassVar[str] = "bookTicker"


class Trades(SymbolFeed[Trade | Gap], frozen=True):
    """Every public trade (Trade Streams). A slow reader gets a Gap with the number that it missed."""

    EVENTS: ClassVar[tuple[type, ...]] = (Trade,)
    NAME: ClassVar[str] = "trade"
    USUALLY: ClassVar[Keep] = Keep.ALL
    OVERFLOW: ClassVar[Overflow] = Overflow.DROP_OLDEST


class AggTrades(SymbolFeed[AggregateTradeEvent | Gap], frozen=True):
    """Trades, those of one order at one price as one (Aggregate Trade Streams). A slow reader gets a Gap as above."""

    EVENTS: ClassVar[tuple[type, ...]] = (AggregateTradeEvent,)
    NAME: ClassVar[str] = "aggTrade"
    USUALLY: ClassVar[Keep] = Keep.ALL
    OVERFLOW: ClassVar[Overflow] = Overflow.DROP_OLDEST


class BlockTrades(SymbolFeed[BlockTradeEvent | Gap], frozen=True):
    """Trades that were agreed on outside of the book (Block Trade Streams). A slow reader gets a Gap as above; what a
    lost connection has hidden is not told, for their ids may have holes.
    """

    EVENTS: ClassVar[tuple[type, ...]] = (BlockTradeEvent,)
    NAME: ClassVar[str] = "blockTrade"
    USUALLY: ClassVar[Keep] = Keep.ALL
    OVERFLOW: ClassVar[Overflow] = Overflow.DROP_OLDEST


class Klines(SymbolFeed[Kline], frozen=True):
    """Candles as they stand (Kline/Candlestick Streams). A slow reader sees each candle in its last state.

    With the `utc_offset` "+08:00", the only one there is, longer candles begin at midnight there.
    Beyond 4,096 unseen candles (68 hours of `1m`) iterating raises MailboxFull; handlers get the newest 1,024.
    """

    interval: str = "1m"
    utc_offset: str = ""

    EVENTS: ClassVar[tuple[type, ...]] = (Kline,)

    def __post_init__(self) -> None:
        if self.interval not in INTERVALS:
            raise ValueError(f"candles span {', '.join(INTERVALS)}, not {self.interval!r}")
        if self.utc_offset not in UTC_OFFSETS:
            raise ValueError(f"candles begin in UTC or at its offset '+08:00', not {self.utc_offset!r}")

    @property
    def stream(self) -> str:
        offset = f"@{self.utc_offset}" if self.utc_offset else ""
        return f"{self.symbol.lower()}@kline_{self.interval}{offset}"

    @staticmethod
    def slot(event: Kline) -> Hashable:
        return event.start_time_ms


class MiniTickers(SymbolFeed[MiniTicker], frozen=True):
    """The last 24 hours in short, once a second (Individual Symbol Mini Ticker Stream). The newest only."""

    EVENTS: ClassVar[tuple[type, ...]] = (MiniTicker,)
    NAME: ClassVar[str] = "miniTicker"


class Tickers(SymbolFeed[Ticker24h], frozen=True):
    """The last 24 hours in full, once a second (Individual Symbol Ticker Streams). The newest only."""

    EVENTS: ClassVar[tuple[type, ...]] = (Ticker24h,)
    NAME: ClassVar[str] = "ticker"


class RollingTickers(SymbolFeed[HourTicker | FourHoursTicker | DayTicker], frozen=True):
    """Statistics of the last `window`, 1h, 4h or 1d, once a second (Individual Symbol Rolling Window Statistics
    Streams). The newest only.
    """

    window: str = "1h"

    EVENTS: ClassVar[tuple[type, ...]] = (HourTicker, FourHoursTicker, DayTicker)

    def __post_init__(self) -> None:
        _check_window(self.window)

    @property
    def events(self) -> tuple[type, ...]:
        return (WINDOWS[self.window],)

    @property
    def stream(self) -> str:
        return f"{self.symbol.lower()}@ticker_{self.window}"


class AveragePrices(SymbolFeed[AveragePriceEvent], frozen=True):
    """The average price that filters use, once a second (Average Price). The newest only."""

    EVENTS: ClassVar[tuple[type, ...]] = (AveragePriceEvent,)
    NAME: ClassVar[str] = "avgPrice"


class ReferencePrices(SymbolFeed[ReferencePriceEvent], frozen=True):
    """The reference price, once a second (Reference Price Streams). The newest only."""

    EVENTS: ClassVar[tuple[type, ...]] = (ReferencePriceEvent,)
    NAME: ClassVar[str] = "referencePrice"


class AllMiniTickers(MarketFeed[MiniTicker], frozen=True):
    """MiniTickers of all symbols that have changed, one event each (All Market Mini Tickers Stream). A slow reader sees
    the newest of each symbol.
    """

    EVENTS: ClassVar[tuple[type, ...]] = (MiniTicker,)

    @property
    def stream(self) -> str:
        return "!miniTicker@arr"

    @staticmethod
    def slot(event: MiniTicker) -> Hashable:
        return event.symbol


class AllRollingTickers(MarketFeed[HourTicker | FourHoursTicker | DayTicker], frozen=True):
    """RollingTickers of all symbols that have changed, one event each (All Market Rolling Window Statistics Streams). A
    slow reader sees the newest of each symbol.
    """

    window: str = "1h"

    EVENTS: ClassVar[tuple[type, ...]] = (HourTicker, FourHoursTicker, DayTicker)

    def __post_init__(self) -> None:
        _check_window(self.window)

    @property
    def events(self) -> tuple[type, ...]:
        return (WINDOWS[self.window],)

    @property
    def stream(self) -> str:
        return f"!ticker_{self.window}@arr"

    @staticmethod
    def slot(event: HourTicker | FourHoursTicker | DayTicker) -> Hashable:
        return event.symbol


class Depth(SymbolFeed[Book], frozen=True):
    """The best `levels` (5, 10 or 20) of both sides, every `period_ms` (100 or 1000) (Partial Book Depth Streams).

    A slow reader sees the newest only.
    """

    levels: int = 20
    period_ms: int = 100

    EVENTS: ClassVar[tuple[type, ...]] = (Book,)

    def __post_init__(self) -> None:
        if self.levels not in {5, 10, 20}:
            raise ValueError(f"Depth has 5, 10 or 20 levels, not {self.levels}; Books has up to {LEVELS_MAX:,}")
        _check_period(self.period_ms)

    @property
    def stream(self) -> str:
        return f"{self.symbol.lower()}@depth{self.levels}{_period(self.period_ms)}"


class DepthDiffs(SymbolFeed[BookDiff | Broken], frozen=True):
    """Every change of the book (Diff. Depth Stream). A reader that fell behind gets Broken and must start anew."""

    period_ms: int = 100

    EVENTS: ClassVar[tuple[type, ...]] = (BookDiff,)
    USUALLY: ClassVar[Keep] = Keep.ALL
    OVERFLOW: ClassVar[Overflow] = Overflow.CLEAR

    def __post_init__(self) -> None:
        if self.keep is Keep.LATEST:
            raise ValueError("a change of a book means nothing without those before it: follow Books instead")
        _check_period(self.period_ms)

    @property
    def stream(self) -> str:
        return f"{self.symbol.lower()}@depth{_period(self.period_ms)}"


class Books(Feed[OrderBook | BookLost], frozen=True):
    """The local order book, its best `depth` levels (1 to 5,000) at every change (How to manage a local order book
    correctly). A slow reader sees the newest only, and BookLost when nothing is known for certain.

    All followers of a symbol share one book, and so one stream and one snapshot.
    """

    symbol: str
    depth: int = 100

    EVENTS: ClassVar[tuple[type, ...]] = (OrderBook,)

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= LEVELS_MAX:
            raise ValueError(f"a book has a depth of 1 to {LEVELS_MAX} levels, not {self.depth}")

    def subscription(self, topic: Topic[Any]) -> Subscription[Any]:
        return topic.latest()


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


def _asset(balance: Balance) -> str:
    return balance.asset


def _check_period(period_ms: int) -> None:
    if period_ms not in {100, 1000}:
        raise ValueError(f"depth streams come every 100 or 1000 ms, not every {period_ms}")


def _period(period_ms: int) -> str:
    """How a stream's name ends: nothing is said of the longer one."""
    return "@100ms" if period_ms == 100 else ""


def _check_window(window: str) -> None:
    if window not in WINDOWS:
        raise ValueError(f"windows span {', '.join(WINDOWS)}, not {window!r}")
