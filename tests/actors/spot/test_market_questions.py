"""Which questions serve which streams, and what of their answers is an event: trades without holes, candles from where
they ended, and nothing that REST does not tell.
"""

from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.actors.feeds import (
    AggTrades,
    AllMiniTickers,
    AllRollingTickers,
    AveragePrices,
    BlockTrades,
    Depth,
    DepthDiffs,
    Klines,
    MarketFeed,
    MiniTickers,
    Quotes,
    ReferencePrices,
    RollingTickers,
    Tickers,
    Trades,
)
from dogwatch.actors.spot import market_questions
from dogwatch.actors.spot.errors import MalformedResult, NotSent
from dogwatch.actors.spot.market_questions import (
    LOOK_BACK_AFTER,
    PAGE,
    BooksQuestion,
    Question,
    questions_for,
    why_not_asked,
)
from dogwatch.actors.spot.order_book import OrderBook
from dogwatch.actors.spot.request import Request
from dogwatch.actors.spot.stream_events import Book, Kline, PriceLevel, Quote
from dogwatch.actors.spot.stream_frames import kind_of_stream
from dogwatch.actors.spot.stream_overlap import Hole
from dogwatch.actors.spot.ticker_events import MiniTicker, Ticker24h

SYMBOL = "BTCUSDT"
DAY = {
    "symbol": SYMBOL,
    "priceChange": "-94.9",
    "priceChangePercent": "-95.96",
    "weightedAvgPrice": "0.29",
    "prevClosePrice": "0.1",
    "lastPrice": "4.0",
    "lastQty": "200",
    "bidPrice": "3.9",
    "bidQty": "100",
    "askPrice": "4.1",
    "askQty": "101",
    "openPrice": "99",
    "highPrice": "100",
    "lowPrice": "0.1",
    "volume": "8913.3",
    "quoteVolume": "15.3",
    "openTime": 1499783499040,
    "closeTime": 1499869899040,
    "firstId": 28385,
    "lastId": 28460,
    "count": 76,
}
NOT_IN_WINDOWS = ("prevClosePrice", "lastQty", "bidPrice", "bidQty", "askPrice", "askQty")
WINDOW = {name: value for name, value in DAY.items() if name not in NOT_IN_WINDOWS}
LEVELS = {
    "lastUpdateId": 7,
    "bids": [[str(9 - n), "1"] for n in range(8)],
    "asks": [[str(10 + n), "2"] for n in range(8)],
}
CANDLE = [60_000, "1", "4", "1", "3", "10", 119_999, "30", 5, "6", "18", "0"]
ANSWERS: dict[str, Any] = {
    "ticker.book": {"symbol": SYMBOL, "bidPrice": "9", "bidQty": "1", "askPrice": "10", "askQty": "2"},
    "ticker.24hr": DAY,
    "ticker": WINDOW,
    "avgPrice": {"mins": 5, "price": "9.35", "closeTime": 1694061154503},
    "referencePrice": {"symbol": SYMBOL, "referencePrice": None, "timestamp": 1770736694138},
    "depth": LEVELS,
    "klines": [CANDLE],
}
STATES: dict[MarketFeed[Any], tuple[str, dict[str, Any], int]] = {
    Quotes(SYMBOL): ("ticker.book", {"symbol": SYMBOL}, 2),
    MiniTickers(SYMBOL): ("ticker.24hr", {"symbol": SYMBOL}, 2),
    Tickers(SYMBOL): ("ticker.24hr", {"symbol": SYMBOL}, 2),
    RollingTickers(SYMBOL, window="4h"): ("ticker", {"symbol": SYMBOL, "windowSize": "4h"}, 4),
    AveragePrices(SYMBOL): ("avgPrice", {"symbol": SYMBOL}, 2),
    ReferencePrices(SYMBOL): ("referencePrice", {"symbol": SYMBOL}, 2),
    Depth(SYMBOL, levels=5): ("depth", {"symbol": SYMBOL, "limit": 5}, 5),
    Klines(SYMBOL): ("klines", {"symbol": SYMBOL, "interval": "1m", "limit": 1}, 2),
}


class Answering:
    """Answers by `answer`, and keeps what was asked: (method, parameters, weight)."""

    def __init__(self, answer: Callable[[str, dict[str, Any]], Any] = lambda method, _params: ANSWERS[method]) -> None:
        self.asked: list[tuple[str, dict[str, Any], int]] = []
        self._answer = answer

    async def ask(self, request: Request[Any], /) -> Any:
        method, params = request.declaration.method, dict(request.params())
        self.asked.append((str(method), params, request.declaration.weight_of(params)))
        return request.decode(msgspec.json.encode(self._answer(str(method), params)))


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def tell(question: Question, answering: Answering, newest: dict[str, Any] | None = None) -> list[tuple[str, Any]]:
    """What one question makes known, which is the newest then."""
    newest = {} if newest is None else newest
    told: list[tuple[str, Any]] = run(question.tell(answering.ask, newest.get))
    newest.update((stream, event) for stream, event in told if not isinstance(event, Hole))
    return told


def only(*feeds: MarketFeed[Any]) -> Question:
    (question,) = questions_for(feed.stream for feed in feeds)
    return question


# States.


@pytest.mark.parametrize("feed", STATES, ids=str)
def test_a_state_is_asked_for_and_told_only_when_it_is_new(feed: MarketFeed[Any]) -> None:
    question, answering, newest = only(feed), Answering(), dict[str, Any]()
    ((stream, event),) = tell(question, answering, newest)
    assert answering.asked == [STATES[feed]]
    assert stream == feed.stream
    assert type(event) in feed.events
    assert event.symbol == SYMBOL
    assert tell(question, answering, newest) == []


def test_what_rest_does_not_tell_is_none_and_the_rest_is_as_told() -> None:
    told = {type(event): event for feed in STATES for _, event in tell(only(feed), Answering())}
    assert (told[Quote].update_id, told[Quote].bid, told[Quote].ask_quantity) == (None, 9, 2)
    mini, full = told[MiniTicker], told[Ticker24h]
    assert (mini.event_time_ms, mini.close_price, mini.volume) == (None, Decimal("4.0"), Decimal("8913.3"))
    assert (full.event_time_ms, full.previous_close_price, full.ask, full.trade_count) == (
        None,
        Decimal("0.1"),
        Decimal("4.1"),
        76,
    )
    assert (told[Kline].first_trade_id, told[Kline].last_trade_id, told[Kline].is_closed) == (None, None, False)
    assert (told[Kline].close_price, told[Kline].taker_buy_quote_volume) == (3, 18)


def test_streams_that_one_answer_serves_are_one_question() -> None:
    question = only(Depth(SYMBOL, levels=5), Depth(SYMBOL, levels=20, period_ms=1000))
    answering = Answering()
    shown = {stream: len(event.bids) for stream, event in tell(question, answering) if isinstance(event, Book)}
    assert shown == {"btcusdt@depth5@100ms": 5, "btcusdt@depth20": 8}
    assert answering.asked == [("depth", {"symbol": SYMBOL, "limit": 20}, 5)]
    assert [type(event) for _, event in tell(only(MiniTickers(SYMBOL), Tickers(SYMBOL)), Answering())] == [
        MiniTicker,
        Ticker24h,
    ]


def test_several_symbols_are_asked_for_together_where_that_weighs_less() -> None:
    symbols = [f"S{number:02}USDT" for number in range(45)]
    streams = [feed.stream for symbol in symbols for feed in (Quotes(symbol), Tickers(symbol), AveragePrices(symbol))]
    questions = questions_for(streams)
    assert sorted(stream for question in questions for stream in question.streams) == sorted(streams)
    by_method: dict[str, list[int]] = {}
    for question in questions:
        answering = Answering(lambda method, _params: ANSWERS[method] if method == "avgPrice" else [])
        tell(question, answering)
        ((method, _, weight),) = answering.asked
        by_method.setdefault(method, []).append(weight)
    assert by_method == {"ticker.book": [4], "ticker.24hr": [2, 2, 2], "avgPrice": 45 * [2]}


def test_symbols_that_are_apart_are_asked_for_one_by_one() -> None:
    streams = [Quotes(symbol).stream for symbol in ("AAA", "BBB", "CCC", "DDD")]
    assert [question.symbols for question in questions_for(streams, apart={"BBB", "DDD"})] == [
        ("AAA", "CCC"),
        ("BBB",),
        ("DDD",),
    ]


def test_windows_are_not_asked_for_together() -> None:
    streams = [RollingTickers(SYMBOL, window=window).stream for window in ("1h", "4h", "1d")]
    answering = Answering()
    for question in questions_for(streams):
        tell(question, answering)
    assert [params["windowSize"] for _, params, _ in answering.asked] == ["1d", "1h", "4h"]


def test_a_ticker_that_leaves_something_out_is_no_event() -> None:
    answering = Answering(lambda _method, _params: WINDOW)
    with pytest.raises(MalformedResult, match="says nothing of previous_close_price, last_quantity"):
        tell(only(Tickers(SYMBOL)), answering)


def test_an_amount_that_is_no_number_ends_nothing() -> None:
    question, newest = only(Quotes(SYMBOL)), dict[str, Any]()
    tell(question, Answering(), newest)
    odd = Answering(lambda _method, _params: {**ANSWERS["ticker.book"], "bidPrice": "sNaN"})
    with pytest.raises(MalformedResult, match="no number"):
        tell(question, odd, newest)


# Candles.


def candle(minute: int, trades: int) -> list[Any]:
    return [minute * 60_000, *CANDLE[1:6], (minute + 1) * 60_000 - 1, "30", trades, *CANDLE[9:]]


def test_candles_are_asked_for_from_the_newest_known_one_and_closed_by_a_later_one() -> None:
    rows: list[list[Any]] = [candle(1, 5)]
    answering, question, newest = Answering(lambda _method, _params: rows), only(Klines(SYMBOL)), dict[str, Any]()
    told: list[Kline] = []
    for rows in ([candle(1, 5)], [candle(1, 5)], [candle(1, 6), candle(2, 0), candle(3, 1)], [candle(3, 2)]):  # noqa: B007
        told += [event for _, event in tell(question, answering, newest)]
    assert [(kline.start_time_ms // 60_000, kline.trade_count, kline.is_closed) for kline in told] == [
        (1, 5, False),
        (1, 6, True),
        (2, 0, True),
        (3, 1, False),
        (3, 2, False),
    ]
    assert [params.get("startTime") for _, params, _ in answering.asked] == [None, 60_000, 60_000, 180_000]


def test_candles_of_another_time_zone_are_asked_for_by_its_hours() -> None:
    answering = Answering()
    tell(only(Klines(SYMBOL, interval="1d", utc_offset="+08:00")), answering)
    ((_, params, _),) = answering.asked
    assert (params["interval"], params["timeZone"]) == ("1d", "8")


# Books.


def test_a_book_is_shown_to_each_of_its_depths_and_only_when_it_has_changed() -> None:
    question, newest = BooksQuestion(SYMBOL, {"narrow": 2, "wide": 500}), dict[str, Any]()
    answering = Answering()
    told = dict(tell(question, answering, newest))
    assert answering.asked == [("depth", {"symbol": SYMBOL, "limit": 500}, 25)]
    narrow, wide = told["narrow"], told["wide"]
    assert isinstance(narrow, OrderBook)
    assert (narrow.update_id, narrow.event_time_ms, len(narrow.bids), narrow.has_all_bids) == (7, None, 2, False)
    assert (len(wide.bids), wide.has_all_bids, wide.best_ask) == (
        8,
        True,
        PriceLevel(price=Decimal(10), quantity=Decimal(2)),
    )
    assert tell(question, answering, newest) == []


def test_a_snapshot_whose_sides_cross_is_no_book() -> None:
    crossed = {"lastUpdateId": 7, "bids": [["10", "1"]], "asks": [["9", "1"]]}
    with pytest.raises(MalformedResult, match="the snapshot is no book"):
        tell(BooksQuestion(SYMBOL, {"a": 5}), Answering(lambda _method, _params: crossed))


# Trades.


class Tape:
    """The trades of an exchange so far, numbered from `first`. Of the next questions one has no answer, the first if
    `fails_in` is 1.
    """

    def __init__(self, first: int = 1) -> None:
        self.ids = range(first, first)
        self.fails_in = 0

    def grow(self, number: int) -> None:
        self.ids = range(self.ids.start, self.ids.stop + number)

    def answer(self, method: str, params: dict[str, Any]) -> Any:
        self.fails_in -= 1
        if self.fails_in == 0:
            raise NotSent("no connection")
        limit, first_id = params["limit"], params.get("fromId")
        later = self.ids[-limit:] if first_id is None else range(max(first_id, self.ids.start), self.ids.stop)
        return [self.row(method, number) for number in later[:limit]]

    @staticmethod
    def row(method: str, number: int) -> dict[str, Any]:
        if method == "trades.aggregate":
            return {"a": number, "p": "1", "q": "2", "f": number, "l": number, "T": 3, "m": True, "M": True}
        return {
            "id": number,
            "price": "1",
            "qty": "2",
            "quoteQty": "2",
            "time": 3,
            "isBuyerMaker": True,
            "isBestMatch": True,
        }


def id_of(event: Any) -> int:
    return int(event.trade_id if hasattr(event, "trade_id") else event.aggregate_trade_id)


SMALL_PAGE = 5
NUMBERED = [Trades(SYMBOL), AggTrades(SYMBOL)]


@pytest.mark.parametrize("feed", NUMBERED, ids=str)
@settings(max_examples=60)
@given(
    before=st.integers(0, 3),
    steps=st.lists(st.tuples(st.integers(0, 3 * SMALL_PAGE), st.integers(0, 3))),
)
def test_every_trade_is_told_once_and_in_order_or_counted_as_missing(
    feed: MarketFeed[Any], before: int, steps: list[tuple[int, int]]
) -> None:
    tape, question = Tape(), only(feed)
    tape.grow(before)
    answering = Answering(tape.answer)
    assert tell(question, answering) == []
    begun_at, told = tape.ids.stop, list[Any]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(market_questions, "PAGE", SMALL_PAGE)
        for number, fails_in in [*steps, (0, 0)]:
            tape.grow(number)
            tape.fails_in = fails_in
            try:
                told += [event for _, event in tell(question, answering)]
            except NotSent:
                assert fails_in in (1, 2)
    expected = begun_at
    for event in told:
        if isinstance(event, Hole):
            assert event.first_id == expected
            expected = event.last_id + 1
        else:
            assert isinstance(event, feed.events)
            assert id_of(event) == expected
            expected += 1
    assert expected == tape.ids.stop


@pytest.mark.parametrize(("feed", "weight"), [(NUMBERED[0], 25), (NUMBERED[1], 4)], ids=str)
def test_one_page_is_all_that_is_asked_for_unless_it_is_full(feed: MarketFeed[Any], weight: int) -> None:
    tape, question = Tape(5), only(feed)
    tape.grow(10)
    answering = Answering(tape.answer)
    tell(question, answering)
    tape.grow(PAGE - 1)
    assert len(tell(question, answering)) == PAGE - 1
    assert [(params.get("fromId"), params["limit"], of) for _, params, of in answering.asked] == [
        (None, 1, weight),
        (15, PAGE, weight),
    ]
    tape.grow(2 * PAGE + 1)
    told = [event for _, event in tell(question, answering)]
    assert [event.size for event in told if isinstance(event, Hole)] == [1]
    assert len(answering.asked) == 4


def test_a_question_asked_anew_goes_on_after_what_was_published_last() -> None:
    tape, newest = Tape(), dict[str, Any]()
    answering = Answering(tape.answer)
    question = only(Trades(SYMBOL))
    tell(question, answering, newest)
    tape.grow(3)
    tell(question, answering, newest)
    tape.grow(4)
    successor = only(Trades(SYMBOL))
    assert tell(successor, answering, newest) == []
    assert [id_of(event) for _, event in tell(successor, answering, newest)] == [4, 5, 6, 7]


def test_a_numbering_that_has_begun_anew_is_noticed_and_followed() -> None:
    tape, question = Tape(1_000), only(Trades(SYMBOL))
    tape.grow(10)
    answering = Answering(tape.answer)
    tell(question, answering)
    tape.ids = range(1, 6)
    for _ in range(LOOK_BACK_AFTER - 1):
        assert tell(question, answering) == []
    with pytest.raises(MalformedResult, match="begun anew, the newest is 5 and was 1009"):
        tell(question, answering)
    tape.grow(2)
    assert [id_of(event) for _, event in tell(question, answering)] == [6, 7]


def test_a_market_that_is_merely_quiet_is_left_alone() -> None:
    tape, question = Tape(), only(Trades(SYMBOL))
    tape.grow(3)
    answering = Answering(tape.answer)
    for _ in range(3 * LOOK_BACK_AFTER):
        assert tell(question, answering) == []
    assert sum(method == "trades.recent" for method, _, _ in answering.asked) == 3
    tape.grow(1)
    assert [id_of(event) for _, event in tell(question, answering)] == [4]


# What cannot be had.


@pytest.mark.parametrize(
    ("feed", "reason"),
    [
        (DepthDiffs(SYMBOL), "follow Books or Depth"),
        (BlockTrades(SYMBOL), "from an id on"),
        (AllMiniTickers(), "follow the symbols that you need one by one"),
        (AllRollingTickers(), "follow the symbols that you need one by one"),
    ],
    ids=str,
)
def test_a_stream_that_no_question_brings_has_a_reason(feed: MarketFeed[Any], reason: str) -> None:
    assert reason in why_not_asked(feed.stream)
    assert questions_for([feed.stream]) == []


@pytest.mark.parametrize("feed", [*STATES, *NUMBERED], ids=str)
def test_nothing_is_against_all_others(feed: MarketFeed[Any]) -> None:
    assert why_not_asked(feed.stream) == ""


def test_a_stream_that_came_later_cannot_be_asked_for() -> None:
    assert kind_of_stream("btcusdt@later") is None
    assert why_not_asked("btcusdt@later") == "there is nothing like it to be asked for"
