"""Every stream of the exchange has a feed, impossible ones are refused, and who follows may choose what waits."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dogwatch.actors.feeds import (
    AggTrades,
    AllMiniTickers,
    AllRollingTickers,
    AveragePrices,
    BlockTrades,
    Books,
    Depth,
    DepthDiffs,
    Keep,
    Klines,
    MarketFeed,
    MiniTickers,
    Quotes,
    ReferencePrices,
    RollingTickers,
    Tickers,
    Trades,
)
from dogwatch.actors.spot.stream_events import Quote, Trade
from dogwatch.actors.spot.stream_frames import decode_stream_frame
from dogwatch.actors.spot.ticker_events import MiniTicker
from dogwatch.runtime.errors import MailboxFull
from dogwatch.runtime.messages import Gap
from dogwatch.runtime.topic import Topic
from tests.conformance.reference import needs_reference, reference

ONE = Decimal(1)
STREAMS: dict[str, MarketFeed[Any]] = {
    "btcusdt@referencePrice": ReferencePrices("BTCUSDT"),
    "btcusdt@aggTrade": AggTrades("BTCUSDT"),
    "btcusdt@trade": Trades("BTCUSDT"),
    "btcusdt@blockTrade": BlockTrades("BTCUSDT"),
    "btcusdt@kline_1h": Klines("BTCUSDT", "1h"),
    "btcusdt@kline_1h@+08:00": Klines("BTCUSDT", "1h", "+08:00"),
    "btcusdt@miniTicker": MiniTickers("BTCUSDT"),
    "!miniTicker@arr": AllMiniTickers(),
    "btcusdt@ticker": Tickers("BTCUSDT"),
    "btcusdt@ticker_1h": RollingTickers("BTCUSDT"),
    "!ticker_1h@arr": AllRollingTickers("1h"),
    "btcusdt@bookTicker": Quotes("BTCUSDT"),
    "btcusdt@avgPrice": AveragePrices("BTCUSDT"),
    "btcusdt@depth5": Depth("BTCUSDT", levels=5, period_ms=1000),
    "btcusdt@depth5@100ms": Depth("BTCUSDT", levels=5),
    "btcusdt@depth": DepthDiffs("BTCUSDT", period_ms=1000),
    "btcusdt@depth@100ms": DepthDiffs("BTCUSDT"),
}


@pytest.mark.parametrize(("stream", "feed"), STREAMS.items(), ids=list(STREAMS))
def test_a_feed_knows_its_stream(stream: str, feed: MarketFeed[Any]) -> None:
    assert feed.stream == stream


@needs_reference
def test_every_stream_of_the_documentation_has_a_feed_that_names_what_it_brings() -> None:
    feeds = dict(STREAMS)
    fill = {"<symbol>": "btcusdt", "<interval>": "1h", "<window_size>": "1h", "<window-size>": "1h", "<levels>": "5"}
    for entry in reference("streams")["streams"]:
        for name in entry["names"]:
            for place, value in fill.items():
                name = name.replace(place, value)
            feed = feeds.pop(name)
            for payload in entry["payloads"]:
                if payload["json"] == [{}]:
                    continue  # the documentation refers to the stream of one symbol
                frame: Any = decode_stream_frame(msgspec.json.encode({"stream": name, "data": payload["json"]}))
                assert isinstance(getattr(frame.event, "kline", frame.event), feed.events)
    assert not feeds


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Depth("BTCUSDT", levels=7), "5, 10 or 20 levels, not 7"),
        (lambda: DepthDiffs("BTCUSDT", period_ms=250), "every 100 or 1000 ms, not every 250"),
        (lambda: DepthDiffs("BTCUSDT", keep=Keep.LATEST), "follow Books instead"),
        (lambda: Klines("BTCUSDT", "2m"), "candles span 1s, .*, not '2m'"),
        (lambda: Klines("BTCUSDT", "1d", "+09:00"), "not '\\+09:00'"),
        (lambda: RollingTickers("BTCUSDT", "2h"), "windows span 1h, 4h, 1d, not '2h'"),
        (lambda: AllRollingTickers("24h"), "windows span"),
        (lambda: Books("BTCUSDT", 0), "1 to 5000 levels, not 0"),
        (lambda: Books("BTCUSDT", 5001), "not 5001"),
        (lambda: Quotes("BTCUSDT", keep="some").kept, "'some' is not a valid Keep"),  # type: ignore[arg-type]
    ],
)
def test_a_feed_with_impossible_settings_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_equal_feeds_are_one_and_a_choice_makes_another() -> None:
    assert Quotes("BTCUSDT") == Quotes("BTCUSDT")
    assert Quotes("BTCUSDT", keep=Keep.ALL) != Quotes("BTCUSDT")
    assert Quotes("BTCUSDT", keep=Keep.ALL).stream == Quotes("BTCUSDT").stream
    assert repr(Klines("BTCUSDT", "1h")) == "Klines(symbol='BTCUSDT', interval='1h')"


# What waits.


def quote(number: int) -> Quote:
    return Quote(update_id=number, symbol="A", bid=ONE, bid_quantity=ONE, ask=ONE, ask_quantity=ONE)


def trade(number: int) -> Trade:
    return Trade(
        event_time_ms=1, symbol="A", trade_id=number, price=ONE, quantity=ONE, trade_time_ms=1, is_buyer_maker=True
    )


def ticker(symbol: str, number: int) -> MiniTicker:
    return MiniTicker(
        event_time_ms=number,
        symbol=symbol,
        close_price=ONE,
        open_price=ONE,
        high_price=ONE,
        low_price=ONE,
        volume=ONE,
        quote_volume=ONE,
    )


async def unread(feed: MarketFeed[Any], *events: Any) -> list[Any]:
    """What a reader gets who comes when all of these have happened."""
    topic: Topic[Any] = Topic("t")
    with feed.subscription(topic) as subscription:
        for event in events:
            topic.publish(event)
        return [await subscription.get() for _ in range(max(1, subscription.statistics().depth))]


async def test_every_quote_is_kept_for_those_who_want_them_all() -> None:
    quotes = [quote(number) for number in range(3)]
    assert await unread(Quotes("A"), *quotes) == quotes[-1:]
    assert await unread(Quotes("A", keep=Keep.ALL), *quotes) == quotes


async def test_the_latest_trade_is_enough_for_those_who_say_so() -> None:
    trades = [trade(number) for number in range(3)]
    assert await unread(Trades("A"), *trades) == trades
    assert await unread(Trades("A", keep=Keep.LATEST), *trades) == trades[-1:]


async def test_of_all_tickers_the_newest_of_each_symbol_is_kept() -> None:
    tickers = [ticker("A", 1), ticker("B", 1), ticker("A", 2)]
    assert await unread(AllMiniTickers(), *tickers) == [tickers[2], tickers[1]]
    assert await unread(AllMiniTickers(keep=Keep.ALL), *tickers) == tickers


async def test_who_wants_all_quotes_and_does_not_read_them_is_told_by_an_error() -> None:
    with pytest.raises(MailboxFull):
        await unread(Quotes("A", keep=Keep.ALL), *[quote(1)] * 4_097)


async def test_who_does_not_read_trades_is_told_how_many_were_dropped() -> None:
    assert (await unread(AggTrades("A"), *[trade(1)] * 4_098))[0] == Gap(lane="t", dropped=2)
