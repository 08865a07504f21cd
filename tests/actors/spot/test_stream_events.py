"""Market stream frames: raw and combined, known and unknown, and never an exception."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.envelope import MalformedFrame
from dogwatch.actors.spot.errors import ExchangeError
from dogwatch.actors.spot.stream_events import (
    AggregateTradeEvent,
    AnyStreamEvent,
    BlockTradeEvent,
    Book,
    BookDiff,
    Kline,
    KlineEvent,
    PriceLevel,
    Quote,
    StreamEvent,
    StreamResponse,
    Trade,
    UnknownStreamEvent,
)
from dogwatch.actors.spot.stream_frames import decode_stream_frame, key_of, kind_of_stream, stream_of
from dogwatch.actors.spot.ticker_events import (
    AveragePriceEvent,
    DayTicker,
    FourHoursTicker,
    HourTicker,
    MiniTicker,
    ReferencePriceEvent,
    RollingWindowTicker,
    Ticker24h,
)
from dogwatch.actors.spot.user_events import ServerShutdown

TRADE: dict[str, Any] = {
    "e": "trade",
    "E": 3,
    "s": "BTCUSDT",
    "t": 17,
    "p": "61000.10",
    "q": "0.5",
    "T": 2,
    "m": True,
    "M": True,
}
TICKER: dict[str, Any] = {"u": 9, "s": "BTCUSDT", "b": "1.10", "B": "2", "a": "1.20", "A": "3"}
DEPTH: dict[str, Any] = {
    "e": "depthUpdate",
    "E": 3,
    "s": "BTCUSDT",
    "U": 5,
    "u": 7,
    "b": [["1.1", "2"], ["1.0", "0"]],
    "a": [],
}
CANDLE: dict[str, Any] = {
    "t": 0,
    "T": 59999,
    "s": "BTCUSDT",
    "i": "1m",
    "f": 1,
    "L": 4,
    "o": "1.0",
    "c": "2.0",
    "h": "2.5",
    "l": "0.5",
    "v": "10",
    "n": 4,
    "x": False,
    "q": "20",
    "V": "5",
    "Q": "9",
    "B": "0",
}
KLINE: dict[str, Any] = {"e": "kline", "E": 3, "s": "BTCUSDT", "k": CANDLE}
AGGREGATE: dict[str, Any] = {
    "e": "aggTrade",
    "E": 4,
    "s": "BTCUSDT",
    "a": 5,
    "p": "61000.10",
    "q": "0.5",
    "f": 17,
    "l": 19,
    "T": 3,
    "m": False,
    "M": True,
}
BLOCK: dict[str, Any] = {
    "e": "blockTrade",
    "E": 4,
    "s": "BTCUSDT",
    "t": 6,
    "p": "61000.10",
    "q": "5838",
    "T": 3,
    "m": True,
}
PRICES: dict[str, Any] = {"c": "2.5", "o": "1.0", "h": "2.6", "l": "0.9", "v": "10000", "q": "18"}
MINI: dict[str, Any] = {"e": "24hrMiniTicker", "E": 4, "s": "BTCUSDT", **PRICES}
WINDOW: dict[str, Any] = {
    "E": 4,
    "s": "BTCUSDT",
    **PRICES,
    "p": "1.5",
    "P": "150.00",
    "w": "1.8",
    "O": 1,
    "C": 3,
    "F": 0,
    "L": 7,
    "n": 8,
}
DAY: dict[str, Any] = {
    "e": "24hrTicker",
    **WINDOW,
    "x": "0.8",
    "Q": "11",
    "b": "2.4",
    "B": "12",
    "a": "2.7",
    "A": "13",
}
PRICES_READ: dict[str, Any] = {
    "event_time_ms": 4,
    "symbol": "BTCUSDT",
    "open_price": Decimal("1.0"),
    "high_price": Decimal("2.6"),
    "low_price": Decimal("0.9"),
    "volume": Decimal(10000),
    "quote_volume": Decimal(18),
}
WINDOW_READ: dict[str, Any] = {
    **PRICES_READ,
    "last_price": Decimal("2.5"),
    "price_change": Decimal("1.5"),
    "price_change_percent": Decimal(150),
    "weighted_average_price": Decimal("1.8"),
    "open_time_ms": 1,
    "close_time_ms": 3,
    "first_trade_id": 0,
    "last_trade_id": 7,
    "trade_count": 8,
}
MINI_READ = MiniTicker(**PRICES_READ, close_price=Decimal("2.5"))

EXPECTED: list[tuple[str, dict[str, Any], AnyStreamEvent]] = [
    (
        "btcusdt@trade",
        TRADE,
        Trade(
            event_time_ms=3,
            symbol="BTCUSDT",
            trade_id=17,
            price=Decimal("61000.10"),
            quantity=Decimal("0.5"),
            trade_time_ms=2,
            is_buyer_maker=True,
        ),
    ),
    (
        "btcusdt@bookTicker",
        TICKER,
        Quote(
            update_id=9,
            symbol="BTCUSDT",
            bid=Decimal("1.10"),
            bid_quantity=Decimal(2),
            ask=Decimal("1.20"),
            ask_quantity=Decimal(3),
        ),
    ),
    (
        "btcusdt@depth@100ms",
        DEPTH,
        BookDiff(
            event_time_ms=3,
            symbol="BTCUSDT",
            first_update_id=5,
            final_update_id=7,
            bids=(
                PriceLevel(price=Decimal("1.1"), quantity=Decimal(2)),
                PriceLevel(price=Decimal("1.0"), quantity=Decimal(0)),
            ),
            asks=(),
        ),
    ),
    (
        "btcusdt@kline_1m",
        KLINE,
        KlineEvent(
            event_time_ms=3,
            symbol="BTCUSDT",
            kline=Kline(
                start_time_ms=0,
                close_time_ms=59999,
                symbol="BTCUSDT",
                interval="1m",
                first_trade_id=1,
                last_trade_id=4,
                open_price=Decimal("1.0"),
                close_price=Decimal("2.0"),
                high_price=Decimal("2.5"),
                low_price=Decimal("0.5"),
                volume=Decimal(10),
                trade_count=4,
                is_closed=False,
                quote_volume=Decimal(20),
                taker_buy_volume=Decimal(5),
                taker_buy_quote_volume=Decimal(9),
            ),
        ),
    ),
    (
        "btcusdt@depth5",
        {"lastUpdateId": 160, "bids": [["1.1", "2"]], "asks": [["1.2", "3"]]},
        Book(
            last_update_id=160,
            bids=(PriceLevel(price=Decimal("1.1"), quantity=Decimal(2)),),
            asks=(PriceLevel(price=Decimal("1.2"), quantity=Decimal(3)),),
        ),
    ),
    (
        "btcusdt@aggTrade",
        AGGREGATE,
        AggregateTradeEvent(
            event_time_ms=4,
            symbol="BTCUSDT",
            aggregate_trade_id=5,
            price=Decimal("61000.10"),
            quantity=Decimal("0.5"),
            first_trade_id=17,
            last_trade_id=19,
            trade_time_ms=3,
            is_buyer_maker=False,
        ),
    ),
    (
        "btcusdt@blockTrade",
        BLOCK,
        BlockTradeEvent(
            event_time_ms=4,
            symbol="BTCUSDT",
            block_trade_id=6,
            price=Decimal("61000.10"),
            quantity=Decimal(5838),
            trade_time_ms=3,
            is_buyer_maker=True,
        ),
    ),
    ("btcusdt@miniTicker", MINI, MINI_READ),
    (
        "btcusdt@ticker",
        DAY,
        Ticker24h(
            **WINDOW_READ,
            previous_close_price=Decimal("0.8"),
            last_quantity=Decimal(11),
            bid=Decimal("2.4"),
            bid_quantity=Decimal(12),
            ask=Decimal("2.7"),
            ask_quantity=Decimal(13),
        ),
    ),
    ("btcusdt@ticker_1h", {"e": "1hTicker", **WINDOW}, HourTicker(**WINDOW_READ)),
    ("btcusdt@ticker_4h", {"e": "4hTicker", **WINDOW}, FourHoursTicker(**WINDOW_READ)),
    ("btcusdt@ticker_1d", {"e": "1dTicker", **WINDOW}, DayTicker(**WINDOW_READ)),
    (
        "btcusdt@avgPrice",
        {"e": "avgPrice", "E": 4, "s": "BTCUSDT", "i": "5m", "w": "2.5", "T": 3},
        AveragePriceEvent(event_time_ms=4, symbol="BTCUSDT", interval="5m", price=Decimal("2.5"), last_trade_time_ms=3),
    ),
    (
        "btcusdt@referencePrice",
        {"e": "referencePrice", "s": "BTCUSDT", "r": "2.5", "t": 3},
        ReferencePriceEvent(symbol="BTCUSDT", price=Decimal("2.5"), time_ms=3),
    ),
    (
        "ethusdt@referencePrice",
        {"e": "referencePrice", "s": "ETHUSDT", "r": None, "t": 3},
        ReferencePriceEvent(symbol="ETHUSDT", price=None, time_ms=3),
    ),
    ("!serverShutdown", {"e": "serverShutdown", "E": 1}, ServerShutdown(event_time_ms=1)),
]


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@pytest.mark.parametrize(("stream", "wire", "event"), EXPECTED, ids=[name for name, _, _ in EXPECTED])
def test_an_event_is_the_same_raw_combined_and_oddly_spelled(
    stream: str, wire: dict[str, Any], event: AnyStreamEvent
) -> None:
    combined = {"stream": stream, "data": wire}
    assert decode_stream_frame(compact(wire)) == StreamEvent(event=event)
    assert decode_stream_frame(compact(combined)) == StreamEvent(stream=stream, event=event)
    assert decode_stream_frame(json.dumps(combined, indent=1).encode()) == StreamEvent(stream=stream, event=event)
    assert decode_stream_frame(compact({"data": wire, "stream": stream})) == StreamEvent(stream=stream, event=event)
    backwards = dict(reversed(wire.items()))
    assert decode_stream_frame(compact(backwards)) == StreamEvent(event=event)
    assert decode_stream_frame(compact({"stream": stream, "data": backwards})) == StreamEvent(
        stream=stream, event=event
    )


@pytest.mark.parametrize("stream", [name for name, _, _ in EXPECTED])
@pytest.mark.parametrize("wire", [wire for _, wire, _ in EXPECTED], ids=lambda wire: str(wire.get("e", "none")))
def test_an_event_comes_on_a_stream_that_brings_it_and_on_no_other(stream: str, wire: dict[str, Any]) -> None:
    (event,) = (event for _, other, event in EXPECTED if other is wire)
    frames = [
        decode_stream_frame(compact({"stream": stream, "data": wire})),
        decode_stream_frame(compact({"data": wire, "stream": stream})),
    ]
    if type(event) is kind_of_stream(stream) or isinstance(event, ServerShutdown) or stream == "!serverShutdown":
        assert frames == [StreamEvent(stream=stream, event=event)] * 2
    else:
        problems = [frame.problem for frame in frames if isinstance(frame, MalformedFrame)]
        assert problems == [f"this does not come on {stream}: a {kind_of_stream(stream).__name__} does"] * 2


@pytest.mark.parametrize(
    ("stream", "wire"),
    [
        ("!miniTicker@arr", MINI),
        ("!miniTicker@arr", [{"e": "1hTicker", **WINDOW}]),
        ("!ticker_1h@arr", [{"e": "1hTicker", **WINDOW}, {"e": "4hTicker", **WINDOW}]),
        ("btcusdt@miniTicker", [MINI]),
        ("btcusdt@trade", {"e": "invented"}),
    ],
)
def test_who_follows_a_stream_of_one_or_of_all_gets_nothing_else(stream: str, wire: Any) -> None:
    frame = decode_stream_frame(compact({"stream": stream, "data": wire}))
    assert isinstance(frame, MalformedFrame)
    assert f"this does not come on {stream}" in frame.problem


def test_of_two_names_in_a_frame_the_last_one_counts_as_everywhere_in_json() -> None:
    trade = compact(TRADE)
    for _ in range(2):  # on the slow way, and on the fast one
        frame = decode_stream_frame(b'{"stream":"x@trade","stream":"y@trade","data":%b}' % trade)
        assert isinstance(frame, StreamEvent)
        assert frame.stream == "y@trade"
        frame = decode_stream_frame(b'{"stream":"x@trade","stream":"x@kline_1m","data":%b}' % trade)
        assert isinstance(frame, MalformedFrame)


def test_what_decodes_a_stream_is_found_by_how_its_frames_begin() -> None:
    first, second = (compact({"stream": "x@trade", "data": {**TRADE, "t": number}}) for number in (17, 18))
    known = stream_of(key_of(first))
    assert known is not None
    name, decode = known
    assert name == "x@trade"
    assert decode(second) == decode_stream_frame(second)
    assert stream_of(key_of(second)) == known
    assert stream_of(key_of(compact(TRADE))) is None


@pytest.mark.parametrize("name", ["x" * 100 + "@trade", "x@kline_1m@" + "x" * 100])
def test_a_stream_whose_name_is_too_long_for_that_is_understood_all_the_same(name: str) -> None:
    wire, event = next(
        (wire, event) for other, wire, event in EXPECTED if kind_of_stream(other) is kind_of_stream(name)
    )
    frame = compact({"stream": name, "data": wire})
    assert stream_of(key_of(frame)) is None
    assert decode_stream_frame(frame) == StreamEvent(stream=name, event=event)


def test_the_names_of_all_streams_say_what_they_bring() -> None:
    kinds = {
        "btcusdt@depth": BookDiff,
        "btcusdt@depth@100ms": BookDiff,
        "btcusdt@depth20": Book,
        "btcusdt@depth5@100ms": Book,
        "btcusdt@kline_1d@+08:00": KlineEvent,
        "币安人生usdt@trade": Trade,
        "!miniTicker@arr": tuple[MiniTicker, ...],
        "!ticker_4h@arr": tuple[FourHoursTicker, ...],
        "btcusdt@invented": None,
        "!invented@arr": None,
        "!miniTicker": None,
        "": None,
    }
    assert {name: kind_of_stream(name) for name in kinds} == kinds


@pytest.mark.parametrize(
    ("stream", "wire", "events"),
    [
        ("!miniTicker@arr", [MINI, MINI], (MINI_READ, MINI_READ)),
        ("!ticker_4h@arr", [{"e": "4hTicker", **WINDOW}], (FourHoursTicker(**WINDOW_READ),)),
        ("!miniTicker@arr", [], ()),
    ],
)
def test_tickers_of_all_symbols_arrive_together(stream: str, wire: Any, events: tuple[object, ...]) -> None:
    assert decode_stream_frame(compact(wire)) == StreamEvent(event=events)
    assert decode_stream_frame(compact({"stream": stream, "data": wire})) == StreamEvent(stream=stream, event=events)
    assert decode_stream_frame(compact({"data": wire, "stream": stream})) == StreamEvent(stream=stream, event=events)


@pytest.mark.parametrize("window", ["1h", "4h", "1d"])
def test_a_rolling_ticker_knows_its_window_as_the_streams_name_says_it(window: str) -> None:
    frame = decode_stream_frame(compact({"e": f"{window}Ticker", **WINDOW}))
    assert isinstance(frame, StreamEvent)
    assert isinstance(frame.event, RollingWindowTicker)
    assert frame.event.window == window


def test_a_shutdown_is_understood_as_the_websocket_api_says_it() -> None:
    frame = decode_stream_frame(b'{"event":{"e":"serverShutdown","E":1770123456789}}')
    assert frame == StreamEvent(event=ServerShutdown(event_time_ms=1770123456789))


def test_the_middle_of_a_quote_is_exact() -> None:
    frame = decode_stream_frame(compact({**TICKER, "b": "0.00000001", "a": "0.00000002"}))
    assert isinstance(frame, StreamEvent)
    assert isinstance(frame.event, Quote)
    assert frame.event.middle == Decimal("0.000000015")


def test_a_symbol_that_looks_like_a_stream_name_confuses_nobody() -> None:
    frame = decode_stream_frame(compact({"stream": "x@trade", "data": {**TRADE, "s": '@bookTicker"'}}))
    assert isinstance(frame, StreamEvent)
    assert isinstance(frame.event, Trade)
    assert frame.event.symbol == '@bookTicker"'


@pytest.mark.parametrize(
    ("wire", "event_type"),
    [
        ({"e": "48hrTicker", "E": 1, "u": 5}, "48hrTicker"),
        ({"unheard": "of"}, ""),
        ([{"e": "48hrTicker"}], "48hrTicker"),
        ([{"unheard": "of"}], ""),
    ],
)
def test_data_of_other_streams_arrives_with_its_text(wire: Any, event_type: str) -> None:
    expected = UnknownStreamEvent(event_type=event_type, raw=compact(wire))
    assert decode_stream_frame(compact(wire)) == StreamEvent(event=expected)
    assert decode_stream_frame(compact({"stream": "s", "data": wire})) == StreamEvent(stream="s", event=expected)


def test_answers_to_subscribing_are_told_from_events() -> None:
    done = decode_stream_frame(b'{"result":null,"id":1}')
    listed = decode_stream_frame(b'{"result":["btcusdt@trade"],"id":"x"}')
    assert isinstance(done, StreamResponse)
    assert (done.id, done.error, bytes(done.result)) == (1, None, b"null")
    assert isinstance(listed, StreamResponse)
    assert (listed.id, bytes(listed.result)) == ("x", b'["btcusdt@trade"]')


@pytest.mark.parametrize(
    ("payload", "request_id"),
    [
        (b'{"error":{"code":2,"msg":"Invalid request"},"id":null}', None),
        (b'{"code":2,"msg":"Invalid request","id":5}', 5),
        (b'{"code":2,"msg":"Invalid request"}', None),
    ],
)
def test_a_refused_subscription_never_looks_like_a_success(payload: bytes, request_id: int | None) -> None:
    frame = decode_stream_frame(payload)
    assert isinstance(frame, StreamResponse)
    assert (frame.id, frame.error) == (request_id, ExchangeError(code=2, message="Invalid request"))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"7",
        b"\xff",
        b'{"id":1}',
        b'{"e":"trade","E":1}',
        b'{"stream":"x@bookTicker","data":{"u":"1"}}',
        b'{"stream":"x@trade","data":{"e":"trade","E":1}}',
        b'{"stream":"x@trade"',
        b'{"stream":"x@trade","data":' + b"[" * 100_000,
        b"[" * 100_000,
    ],
    ids=lambda payload: payload[:30].decode("latin-1"),
)
def test_what_cannot_be_read_is_a_value_too(payload: bytes) -> None:
    assert isinstance(decode_stream_frame(payload), MalformedFrame)


@given(st.sampled_from([compact({"stream": name, "data": wire}) for name, wire, _ in EXPECTED]), st.data())
def test_no_damage_to_a_good_frame_raises(payload: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(payload)))
    end = data.draw(st.integers(start, min(len(payload), start + 8)))
    damaged = payload[:start] + data.draw(st.binary(max_size=4)) + payload[end:]
    assert isinstance(decode_stream_frame(damaged), StreamEvent | StreamResponse | MalformedFrame)


@given(st.binary(max_size=40))
def test_no_bytes_raise(payload: bytes) -> None:
    assert isinstance(decode_stream_frame(payload), StreamEvent | StreamResponse | MalformedFrame)
