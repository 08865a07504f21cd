"""Market data by asking: the questions whose answers bring what market streams bring, and which streams have none.
Pure: whoever asks passes a function for it (REST API, Market Data endpoints).

A question serves one stream, or several that share an answer. What is known already is the newest event of each stream,
so an answer brings only what is new. What streams tell and answers do not is None.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec

from dogwatch.actors.spot.book import LocalBook
from dogwatch.actors.spot.errors import MalformedResult
from dogwatch.actors.spot.market_requests import (
    AvgPrice,
    Depth,
    Klines,
    QueryReferencePrice,
    QueryTicker,
    Ticker24hr,
    TickerBook,
    TradesAggregate,
    TradesHistorical,
    TradesRecent,
)
from dogwatch.actors.spot.market_results import AggregateTrade, Candle, PublicTrade, Ticker
from dogwatch.actors.spot.order_book import OrderBook
from dogwatch.actors.spot.request import Request
from dogwatch.actors.spot.stream_events import (
    AggregateTradeEvent,
    BlockTradeEvent,
    Book,
    BookDiff,
    Kline,
    KlineEvent,
    Quote,
    Trade,
)
from dogwatch.actors.spot.stream_frames import kind_of_stream
from dogwatch.actors.spot.stream_overlap import Hole
from dogwatch.actors.spot.taken import Taken
from dogwatch.actors.spot.ticker_events import (
    AveragePriceEvent,
    DayTicker,
    FourHoursTicker,
    HourTicker,
    MiniTicker,
    ReferencePriceEvent,
    Ticker24h,
)

__all__ = ["Ask", "BooksQuestion", "Question", "Told", "questions_for", "why_not_asked"]

PAGE = 1_000
"""The most trades or candles in one answer."""
LOOK_BACK_AFTER = 60
"""After so many answers without a new trade it is asked which the newest is: where the numbering has begun anew, as on
a testnet that was emptied, none would ever come."""
NONE_YET = -1

ResultT = TypeVar("ResultT")
Newest: TypeAlias = Callable[[str], Any]
"""Stream → the newest event that was published of it, None before the first."""
Told: TypeAlias = list[tuple[str, Any]]
"""What is to be published now, in order: (stream, event, or a Hole where some are missing)."""


class Ask(Protocol):
    """Makes a request and returns its result. Raises what `Spot.call` raises."""

    async def __call__(self, request: Request[ResultT], /) -> ResultT: ...


class Question:
    """What has to be asked again and again for these streams. Two with the same `key` are the same question."""

    def __init__(self, streams: tuple[str, ...]) -> None:
        self.streams = streams
        self.symbols = tuple(dict.fromkeys(map(symbol_of, streams)))

    @property
    def key(self) -> Hashable:
        return type(self), self.streams

    async def tell(self, ask: Ask, newest: Newest) -> Told:
        """Ask, and return what is new. Raises what `ask` raises; then nothing of it is lost for the next time."""
        raise NotImplementedError


# States, of which only the newest counts.


class StateQuestion(Question):
    """A question for what is so at the moment. One answer says it for all of its streams."""

    async def tell(self, ask: Ask, newest: Newest) -> Told:
        result = await ask(self.request(newest))
        try:
            return [(stream, event) for stream, event in self.events(result) if event != newest(stream)]
        except ArithmeticError:
            raise MalformedResult("the answer has an amount that is no number") from None

    def request(self, newest: Newest) -> Request[Any]:
        """What to ask now."""
        raise NotImplementedError

    def events(self, result: Any) -> Iterator[tuple[str, Any]]:
        """What the answer says of each stream."""
        raise NotImplementedError

    def _of_symbols(self) -> dict[str, Any]:
        """The parameter for one symbol, which weighs less, or for several."""
        return {"symbol": self.symbols[0]} if len(self.symbols) == 1 else {"symbols": self.symbols}

    def _by_stream(self, rows: Iterable[Any]) -> Iterator[tuple[str, Any]]:
        """Each stream with the row of its symbol."""
        by_symbol = {row.symbol: row for row in rows}
        for stream in self.streams:
            row = by_symbol.get(symbol_of(stream))
            if row is not None:
                yield stream, row


class QuotesQuestion(StateQuestion):
    """Best prices of up to a hundred symbols; the weight is the same for two and for all."""

    def request(self, newest: Newest) -> TickerBook:
        return TickerBook(**self._of_symbols())

    def events(self, result: Any) -> Iterator[tuple[str, Quote]]:
        for stream, row in self._by_stream(result):
            yield (
                stream,
                Quote(
                    update_id=None,
                    symbol=row.symbol,
                    bid=row.bid,
                    bid_quantity=row.bid_quantity,
                    ask=row.ask,
                    ask_quantity=row.ask_quantity,
                ),
            )


class DayQuestion(StateQuestion):
    """The last 24 hours of up to 20 symbols, for which the weight is that of one."""

    def request(self, newest: Newest) -> Ticker24hr:
        return Ticker24hr(**self._of_symbols())

    def events(self, result: Any) -> Iterator[tuple[str, MiniTicker | Ticker24h]]:
        for stream, row in self._by_stream(result):
            is_mini = kind_of_stream(stream) is MiniTicker
            yield stream, _mini_ticker(row) if is_mini else Ticker24h(event_time_ms=None, **_values(row, Ticker24h))


class WindowQuestion(StateQuestion):
    """A rolling window of up to a hundred symbols, each of which has its weight."""

    def __init__(self, streams: tuple[str, ...]) -> None:
        super().__init__(streams)
        self._kind: type[HourTicker | FourHoursTicker | DayTicker] = kind_of_stream(streams[0])

    def request(self, newest: Newest) -> QueryTicker:
        return QueryTicker(window_size=self._kind.window, **self._of_symbols())

    def events(self, result: Any) -> Iterator[tuple[str, Any]]:
        for stream, row in self._by_stream(result):
            yield stream, self._kind(event_time_ms=None, **_values(row, self._kind))


class AverageQuestion(StateQuestion):
    """The average price of a symbol."""

    def request(self, newest: Newest) -> AvgPrice:
        return AvgPrice(symbol=self.symbols[0])

    def events(self, result: Any) -> Iterator[tuple[str, AveragePriceEvent]]:
        event = AveragePriceEvent(
            event_time_ms=None,
            symbol=self.symbols[0],
            interval=f"{result.interval_min}m",
            price=result.price,
            last_trade_time_ms=result.close_time_ms,
        )
        yield self.streams[0], event


class ReferenceQuestion(StateQuestion):
    """The reference price of a symbol."""

    def request(self, newest: Newest) -> QueryReferencePrice:
        return QueryReferencePrice(symbol=self.symbols[0])

    def events(self, result: Any) -> Iterator[tuple[str, ReferencePriceEvent]]:
        event = ReferencePriceEvent(symbol=self.symbols[0], price=result.reference_price, time_ms=result.time_ms)
        yield self.streams[0], event


class DepthQuestion(StateQuestion):
    """The best levels of a symbol, as many as the deepest of its streams has."""

    def __init__(self, streams: tuple[str, ...]) -> None:
        super().__init__(streams)
        self._levels = {stream: _levels_of(stream) for stream in streams}

    def request(self, newest: Newest) -> Depth:
        return Depth(symbol=self.symbols[0], limit=max(self._levels.values()))

    def events(self, result: Any) -> Iterator[tuple[str, Book]]:
        for stream, levels in self._levels.items():
            yield (
                stream,
                Book(
                    last_update_id=result.last_update_id,
                    bids=result.bids[:levels],
                    asks=result.asks[:levels],
                    symbol=self.symbols[0],
                ),
            )


class KlinesQuestion(StateQuestion):
    """The candles of a symbol, from the newest that is known on: so none is missing after a while without answers. A
    candle is closed when there is a later one."""

    def __init__(self, streams: tuple[str, ...]) -> None:
        super().__init__(streams)
        name, _, offset = streams[0].partition("@kline_")[2].partition("@")
        self._interval: Any = name
        self._time_zone = str(int(offset.partition(":")[0])) if offset else None

    def request(self, newest: Newest) -> Klines:
        known: Kline | None = newest(self.streams[0])
        return Klines(
            symbol=self.symbols[0],
            interval=self._interval,
            start_time_ms=None if known is None else known.start_time_ms,
            time_zone=self._time_zone,
            limit=1 if known is None else PAGE,
        )

    def events(self, result: Any) -> Iterator[tuple[str, Kline]]:
        for number, candle in enumerate(result, 1):
            yield self.streams[0], self._kline(candle, is_closed=number < len(result))

    def _kline(self, candle: Candle, *, is_closed: bool) -> Kline:
        return Kline(
            start_time_ms=candle.start_time_ms,
            close_time_ms=candle.close_time_ms,
            symbol=self.symbols[0],
            interval=self._interval,
            first_trade_id=None,
            last_trade_id=None,
            open_price=candle.open_price,
            close_price=candle.close_price,
            high_price=candle.high_price,
            low_price=candle.low_price,
            volume=candle.volume,
            trade_count=candle.trade_count,
            is_closed=is_closed,
            quote_volume=candle.quote_volume,
            taker_buy_volume=candle.taker_buy_volume,
            taker_buy_quote_volume=candle.taker_buy_quote_volume,
        )


class BooksQuestion(Question):
    """The order book of a symbol as snapshots, for those who follow it. `depths` is the name of each one's topic → how
    many levels it shows."""

    def __init__(self, symbol: str, depths: Mapping[str, int]) -> None:
        super().__init__(tuple(depths))
        self.symbols = (symbol,)
        self.depths = dict(depths)

    async def tell(self, ask: Ask, newest: Newest) -> Told:
        limit = max(self.depths.values())
        snapshot = await ask(Depth(symbol=self.symbols[0], limit=limit))
        book = LocalBook(self.symbols[0])
        if book.take_snapshot(snapshot.last_update_id, snapshot.bids, snapshot.asks, limit=limit) is not Taken.APPLIED:
            raise MalformedResult(f"the snapshot is no book: {book.reason}")
        return [(name, book.view(depth)) for name, depth in self.depths.items() if _is_new(book, newest(name))]


# Trades, which have numbers.


class NumberedQuestion(Question):
    """A question for the trades since the last one that is known, by their ids, which have no holes. More than one
    answer holds are followed by the newest of all; what is between is a Hole."""

    def __init__(self, streams: tuple[str, ...]) -> None:
        super().__init__(streams)
        self._last: int | None = None
        self._empty_answers = 0

    async def tell(self, ask: Ask, newest: Newest) -> Told:
        if self._last is None:
            self._last = await self._begin(ask, newest(self.streams[0]))
            return []
        events = await self._read(ask, self.since(self._last + 1))
        if len(events) >= PAGE:
            events += await self._read(ask, self.latest(PAGE))
        elif events:
            self._empty_answers = 0
        else:
            await self._look_back(ask, self._last)
        return list(self._follow_on(events))

    def latest(self, limit: int) -> Request[Any]:
        """Asks for the newest ones."""
        raise NotImplementedError

    def since(self, first_id: int) -> Request[Any]:
        """Asks for a page of those from an id on."""
        raise NotImplementedError

    def number(self, event: Any) -> int:
        """The id of an event."""
        raise NotImplementedError

    def event(self, row: Any) -> Any:
        """The event that a row of an answer tells of."""
        raise NotImplementedError

    async def _begin(self, ask: Ask, known: Any) -> int:
        """Where to begin: after what was published last, else after what there is now."""
        if known is not None:
            return self.number(known)
        events = await self._read(ask, self.latest(1))
        return self.number(events[-1]) if events else NONE_YET

    async def _read(self, ask: Ask, request: Request[Any]) -> list[Any]:
        return [self.event(row) for row in await ask(request)]

    async def _look_back(self, ask: Ask, last: int) -> None:
        self._empty_answers += 1
        if self._empty_answers < LOOK_BACK_AFTER:
            return
        self._empty_answers = 0
        newest = await self._begin(ask, None)
        if newest < last:
            self._last = newest
            raise MalformedResult(f"the numbering of trades has begun anew, the newest is {newest} and was {last}")

    def _follow_on(self, events: Iterable[Any]) -> Iterator[tuple[str, Any]]:
        stream, last = self.streams[0], self._last
        assert last is not None  # it has begun
        for event in events:
            number = self.number(event)
            if number <= last:
                continue
            if number > last + 1 and last != NONE_YET:
                yield stream, Hole(first_id=last + 1, last_id=number - 1)
            yield stream, event
            last = number
        self._last = last


class TradesQuestion(NumberedQuestion):
    """The public trades of a symbol."""

    def latest(self, limit: int) -> TradesRecent:
        return TradesRecent(symbol=self.symbols[0], limit=limit)

    def since(self, first_id: int) -> TradesHistorical:
        return TradesHistorical(symbol=self.symbols[0], from_id=first_id, limit=PAGE)

    def number(self, event: Trade) -> int:
        return event.trade_id

    def event(self, row: PublicTrade) -> Trade:
        return Trade(
            event_time_ms=None,
            symbol=self.symbols[0],
            trade_id=row.trade_id,
            price=row.price,
            quantity=row.quantity,
            trade_time_ms=row.time_ms,
            is_buyer_maker=row.is_buyer_maker,
        )


class AggregateTradesQuestion(NumberedQuestion):
    """The aggregate trades of a symbol."""

    def latest(self, limit: int) -> TradesAggregate:
        return TradesAggregate(symbol=self.symbols[0], limit=limit)

    def since(self, first_id: int) -> TradesAggregate:
        return TradesAggregate(symbol=self.symbols[0], from_id=first_id, limit=PAGE)

    def number(self, event: AggregateTradeEvent) -> int:
        return event.aggregate_trade_id

    def event(self, row: AggregateTrade) -> AggregateTradeEvent:
        return AggregateTradeEvent(
            event_time_ms=None,
            symbol=self.symbols[0],
            aggregate_trade_id=row.aggregate_trade_id,
            price=row.price,
            quantity=row.quantity,
            first_trade_id=row.first_trade_id,
            last_trade_id=row.last_trade_id,
            trade_time_ms=row.time_ms,
            is_buyer_maker=row.is_buyer_maker,
        )


# Which questions there are.

_QUESTIONS: dict[Any, type[Question]] = {
    Quote: QuotesQuestion,
    MiniTicker: DayQuestion,
    Ticker24h: DayQuestion,
    HourTicker: WindowQuestion,
    FourHoursTicker: WindowQuestion,
    DayTicker: WindowQuestion,
    AveragePriceEvent: AverageQuestion,
    ReferencePriceEvent: ReferenceQuestion,
    Book: DepthQuestion,
    KlineEvent: KlinesQuestion,
    Trade: TradesQuestion,
    AggregateTradeEvent: AggregateTradesQuestion,
}
_SYMBOLS_MAX: dict[type[Question], int] = {QuotesQuestion: 100, DayQuestion: 20, WindowQuestion: 100}
"""Those that are asked for several symbols at once."""


def questions_for(streams: Iterable[str], *, apart: AbstractSet[str] = frozenset()) -> list[Question]:
    """The questions that serve these streams, with as little weight as can be. Symbols that are `apart` are asked for
    one by one. A stream that `why_not_asked` gives a reason for has none."""
    groups: dict[Hashable, list[str]] = {}
    for stream in sorted(streams):
        kind, symbol = kind_of_stream(stream), symbol_of(stream)
        question = _QUESTIONS.get(kind)
        if question in _SYMBOLS_MAX:
            window = kind if question is WindowQuestion else None
            groups.setdefault((question, window, symbol if symbol in apart else None), []).append(stream)
        elif question is DepthQuestion:
            groups.setdefault((question, symbol), []).append(stream)
        elif question is not None:
            groups[question, stream] = [stream]
    return [question for group in groups.values() for question in _split(group)]


def _split(streams: list[str]) -> Iterator[Question]:
    """One question for so many symbols as it may have."""
    question = _QUESTIONS[kind_of_stream(streams[0])]
    symbols = list(dict.fromkeys(map(symbol_of, streams)))
    size = _SYMBOLS_MAX.get(question, 1)
    for first in range(0, len(symbols), size):
        chunk = set(symbols[first : first + size])
        yield question(tuple(stream for stream in streams if symbol_of(stream) in chunk))


def why_not_asked(stream: str) -> str:
    """Why no question brings what this stream brings; empty if one does."""
    kind = kind_of_stream(stream)
    if kind in _QUESTIONS:
        return ""
    if stream.startswith("!"):
        return "what changes on any symbol is told by streams alone: follow the symbols that you need one by one"
    if kind is BookDiff:
        return (
            "the changes of a book are told by streams alone: follow Books or Depth, which are asked for as they stand"
        )
    if kind is BlockTradeEvent:
        return "block trades can be asked for only from an id on, and none is known to begin with"
    return "there is nothing like it to be asked for"


def symbol_of(stream: str) -> str:
    """The symbol in a stream's name."""
    return stream.partition("@")[0].upper()


_LEVELS = re.compile(r"@depth(\d+)")


def _levels_of(stream: str) -> int:
    found = _LEVELS.search(stream)
    assert found is not None  # else it would bring changes
    return int(found[1])


def _is_new(book: LocalBook, known: Any) -> bool:
    return not isinstance(known, OrderBook) or known.update_id != book.update_id


def _mini_ticker(row: Ticker) -> MiniTicker:
    return MiniTicker(
        event_time_ms=None,
        symbol=row.symbol,
        close_price=row.last_price,
        open_price=row.open_price,
        high_price=row.high_price,
        low_price=row.low_price,
        volume=row.volume,
        quote_volume=row.quote_volume,
    )


def _values(row: Ticker, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """What a ticker says under the names that an event has for it, which are the same."""
    values = {name: getattr(row, name) for name in kind.__struct_fields__ if name != "event_time_ms"}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise MalformedResult(f"the ticker of {row.symbol} says nothing of {', '.join(missing)}")
    return values
