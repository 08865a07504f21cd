"""What the market streams say and when: shapes as documented, ticks on the clock, changes that add up to the book."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dogwatch.actors.paper.engine import Engine
from dogwatch.actors.paper.market_streams import MarketStreams
from dogwatch.actors.paper.streams import StreamClient, StreamHub
from dogwatch.actors.paper.symbols import SYMBOLS

NOW_MS = 1_767_225_600_000
KLINE_FIELDS = "t T s i f L o c h l v n x q V Q B"


class Square:
    """A market with one listener. Time moves by `wait`, which lets the streams speak whenever they are due."""

    def __init__(self, *names: str, in_microseconds: bool = False) -> None:
        self.now_ms = NOW_MS
        self.engine = Engine(tuple(SYMBOLS.values()))
        self.engine.open_account("main", {"BTC": Decimal(10), "USDT": Decimal(1_000_000)})
        self.heard: list[tuple[int, str, Any]] = []
        hub = StreamHub()
        self.hub = hub
        self.client = StreamClient(deliver=self._hear, is_combined=True, in_microseconds=in_microseconds)
        hub.subscribe(self.client, names)
        self.streams = MarketStreams(hub, SYMBOLS, self.engine)

    def _hear(self, payload: bytes) -> None:
        frame = msgspec.json.decode(payload)
        self.heard.append((self.now_ms - NOW_MS, frame["stream"], frame["data"]))

    def observe(self) -> None:
        self.streams.observe(self.engine.take_market_events(), self.now_ms)

    def trade(self, price: str, quantity: str = "1") -> None:
        self.engine.apply_trade("BTCUSDT", Decimal(price), Decimal(quantity), self.now_ms, buyer_is_maker=False)
        self.observe()

    def wait(self, ms: int) -> None:
        until_ms = self.now_ms + ms
        while (due_ms := self.streams.due_ms(self.now_ms)) is not None and due_ms <= until_ms:
            assert due_ms > self.now_ms
            self.now_ms = due_ms
            self.streams.tick(due_ms)
        self.now_ms = until_ms

    def said(self, stream: str) -> list[Any]:
        return [data for _, name, data in self.heard if name == stream]

    def spoke_at(self, stream: str) -> list[int]:
        return [at_ms for at_ms, name, _ in self.heard if name == stream]


def fields(data: Iterable[str]) -> set[str]:
    return set(data)


def test_streams_have_the_documented_fields() -> None:
    names = ["trade", "aggTrade", "bookTicker", "depth", "depth5", "kline_1m"]
    square = Square(*[f"btcusdt@{name}" for name in names])
    square.trade("100")
    square.wait(2000)
    first = {name: square.said(f"btcusdt@{name}")[0] for name in names}
    assert fields(first["trade"]) == fields(["e", "E", "s", "t", "p", "q", "T", "m", "M"])
    assert fields(first["aggTrade"]) == fields(["e", "E", "s", "a", "p", "q", "f", "l", "T", "m", "M"])
    assert fields(first["bookTicker"]) == fields(["u", "s", "b", "B", "a", "A"])
    assert fields(first["depth"]) == fields(["e", "E", "s", "U", "u", "b", "a"])
    assert fields(first["depth5"]) == fields(["lastUpdateId", "bids", "asks"])
    assert fields(first["kline_1m"]) == fields(["e", "E", "s", "k"])
    assert fields(first["kline_1m"]["k"]) == fields(KLINE_FIELDS.split())
    assert [first[name]["e"] for name in ("trade", "aggTrade", "depth", "kline_1m")] == [
        "trade",
        "aggTrade",
        "depthUpdate",
        "kline",
    ]


def test_a_trade_is_told_at_once_and_exactly() -> None:
    square = Square("btcusdt@trade")
    square.now_ms += 7
    square.trade("100.5", "0.25")
    assert square.said("btcusdt@trade") == [
        {
            "e": "trade",
            "E": NOW_MS + 7,
            "s": "BTCUSDT",
            "t": 0,
            "p": "100.50000000",
            "q": "0.25000000",
            "T": NOW_MS + 7,
            "m": False,
            "M": True,
        }
    ]


def test_fills_of_one_taker_at_one_price_are_one_aggregate_trade() -> None:
    square = Square("btcusdt@aggTrade")
    square.trade("100")
    order = {"symbol": "BTCUSDT", "type": "LIMIT_MAKER", "side": "SELL", "quantity": "0.1"}
    for price in ("99", "99", "98"):
        square.engine.place("main", {**order, "price": price, "side": "BUY"}, square.now_ms)
    square.observe()
    square.heard.clear()
    # Sold through all three, then at its own price.
    square.trade("97", "5")
    told = [(data["p"], data["q"], data["f"], data["l"]) for data in square.said("btcusdt@aggTrade")]
    assert told[0] == ("99.00000000", "0.20000000", 1, 2)
    assert [price for price, *_ in told] == ["99.00000000", "98.00000000", "97.00000000"]


def test_book_changes_wait_for_their_tick_and_are_numbered_without_a_gap() -> None:
    square = Square("btcusdt@depth@100ms", "btcusdt@depth")
    square.now_ms += 30
    for price in ("100", "101", "102", "103"):
        square.trade(price)
        square.wait(40)
    square.wait(3000)
    fast = square.said("btcusdt@depth@100ms")
    assert square.spoke_at("btcusdt@depth@100ms") == [100, 200]
    assert square.spoke_at("btcusdt@depth") == [1000]
    assert [event["U"] for event in fast] == [1, fast[0]["u"] + 1]
    assert square.said("btcusdt@depth")[0]["u"] == fast[-1]["u"]


def test_book_changes_add_up_to_the_book() -> None:
    square = Square("btcusdt@depth@100ms")
    for step in range(40):
        square.trade(str(100 + step * 7 % 11))
        side, price = ("BUY", "50") if step % 2 else ("SELL", str(200 + step))
        order = {"symbol": "BTCUSDT", "side": side, "type": "LIMIT_MAKER", "price": price, "quantity": "0.1"}
        square.engine.place("main", order, square.now_ms)
        square.observe()
        square.wait(37)
    square.wait(200)
    books: dict[str, dict[str, str]] = {"b": {}, "a": {}}
    for event in square.said("btcusdt@depth@100ms"):
        for side, levels in books.items():
            levels.update(event[side])
    kept = {side: {price: size for price, size in levels.items() if Decimal(size)} for side, levels in books.items()}
    depth = square.engine.depth("BTCUSDT", 5000)
    assert kept == {"b": dict(depth["bids"]), "a": dict(depth["asks"])}
    assert square.said("btcusdt@depth@100ms")[-1]["u"] == depth["lastUpdateId"]


def test_a_closed_candle_is_told_once_and_quiet_ones_are_told_too() -> None:
    square = Square("btcusdt@kline_1m")
    square.trade("100")
    square.wait(59_000)
    square.trade("101")
    square.wait(122_000)
    closed = [data["k"] for data in square.said("btcusdt@kline_1m") if data["k"]["x"]]
    assert [(k["t"] - NOW_MS, k["n"], k["o"][:3], k["c"][:3]) for k in closed] == [
        (0, 2, "100", "101"),
        (60_000, 0, "101", "101"),
        (120_000, 0, "101", "101"),
    ]
    assert square.spoke_at("btcusdt@kline_1m") == [2000, 60_000, 60_000, 120_000, 120_000, 180_000, 180_000]


def test_an_unchanged_candle_is_not_repeated() -> None:
    square = Square("btcusdt@kline_1d")
    square.trade("100")
    square.wait(100_000)
    assert square.spoke_at("btcusdt@kline_1d") == [2000]


def test_seconds_are_told_every_second() -> None:
    square = Square("btcusdt@kline_1s")
    square.trade("100")
    square.wait(3000)
    assert [(at, data["k"]["x"]) for at, _, data in square.heard] == [
        (1000, True),
        (1000, False),
        (2000, True),
        (2000, False),
        (3000, True),
        (3000, False),
    ]


def test_nothing_is_due_while_nobody_listens() -> None:
    square = Square("btcusdt@trade", "btcusdt@bookTicker", "nope@kline_1m@x")
    square.trade("100")
    assert square.streams.due_ms(square.now_ms) is None


def test_who_left_is_not_told_and_who_returns_starts_anew() -> None:
    square = Square("btcusdt@kline_1s", "btcusdt@depth")
    square.trade("100")
    square.wait(1500)
    square.hub.drop(square.client)
    square.wait(3_600_000)
    assert square.streams.due_ms(square.now_ms) is None
    square.heard.clear()
    square.hub.subscribe(square.client, ["btcusdt@kline_1s"])
    square.wait(1000)
    told = [((data["k"]["t"] - square.now_ms) // 1000, data["k"]["x"]) for data in square.said("btcusdt@kline_1s")]
    assert told == [(-2, True), (-1, False)]


def test_candles_of_an_unknown_symbol_are_silent() -> None:
    square = Square("nopeusdt@kline_1s")
    square.wait(5000)
    assert square.heard == []


def test_event_times_come_in_microseconds_when_asked_for() -> None:
    square = Square("btcusdt@trade", "btcusdt@kline_1s", "btcusdt@bookTicker", in_microseconds=True)
    square.trade("100")
    square.wait(1000)
    trade, quote = square.said("btcusdt@trade")[0], square.said("btcusdt@bookTicker")[0]
    assert (trade["T"], trade["t"]) == (NOW_MS * 1000, 0)
    assert quote["u"] < 10
    candle = square.said("btcusdt@kline_1s")[0]["k"]
    assert (candle["t"], candle["T"], candle["n"]) == (NOW_MS * 1000, (NOW_MS + 999) * 1000, 1)


TICKERS = ("miniTicker", "ticker", "ticker_1h", "ticker_4h", "ticker_1d", "avgPrice")


@pytest.mark.parametrize("name", TICKERS)
def test_statistics_are_told_each_second_in_which_they_changed(name: str) -> None:
    stream = f"btcusdt@{name}"
    square = Square(stream)
    square.wait(1500)
    for wait_ms in (100, 200, 4000):
        square.trade("100")
        square.wait(wait_ms)
    assert square.spoke_at(stream) == [2000]
    square.trade("101")
    square.wait(5000)
    assert square.spoke_at(stream) == [2000, 6000]


def test_a_new_quote_alone_is_told_by_the_ticker_that_shows_it() -> None:
    square = Square("btcusdt@ticker", "btcusdt@miniTicker")
    square.trade("100")
    square.wait(1000)
    square.engine.apply_quote("BTCUSDT", Decimal(98), Decimal(2), Decimal(99), Decimal(3), square.now_ms)
    square.observe()
    square.wait(1000)
    assert (len(square.said("btcusdt@ticker")), len(square.said("btcusdt@miniTicker"))) == (2, 1)
    last = square.said("btcusdt@ticker")[-1]
    assert (last["b"], last["B"], last["a"], last["A"]) == ("98.00000000", "2.00000000", "99.00000000", "3.00000000")


def test_statistics_say_what_happened_in_their_window() -> None:
    square = Square("btcusdt@ticker", "btcusdt@ticker_1h")
    for price, quantity in (("100", "1"), ("103", "2"), ("99", "1")):
        square.trade(price, quantity)
        square.wait(2 * 3_600_000)
    day, hour = square.said("btcusdt@ticker")[-1], square.said("btcusdt@ticker_1h")[-1]
    assert (day["e"], hour["e"]) == ("24hrTicker", "1hTicker")
    assert (day["o"], day["h"], day["l"], day["c"], day["v"], day["n"]) == (
        "100.00000000", "103.00000000", "99.00000000", "99.00000000", "4.00000000", 3,
    )  # fmt: skip
    assert (day["p"], day["P"], day["w"], day["q"]) == ("-1.00000000", "-1.000", "101.25000000", "405.00000000")
    assert (hour["n"], hour["F"], hour["L"], hour["O"] % 60_000) == (1, 2, 2, 0)
    assert day["C"] - day["O"] == 86_400_000


def test_all_market_streams_list_only_what_has_changed() -> None:
    square = Square("!miniTicker@arr", "!ticker_4h@arr")
    square.trade("100")
    square.wait(1000)
    for symbol in ("ETHUSDT", "BTCUSDT"):
        square.engine.apply_trade(symbol, Decimal(50), Decimal(1), square.now_ms, buyer_is_maker=True)
    square.observe()
    square.wait(1000)
    for stream, kind in (("!miniTicker@arr", "24hrMiniTicker"), ("!ticker_4h@arr", "4hTicker")):
        told = [[(event["e"], event["s"]) for event in events] for events in square.said(stream)]
        assert told == [[(kind, "BTCUSDT")], [(kind, "ETHUSDT"), (kind, "BTCUSDT")]]


def test_a_reference_price_is_told_each_second_once_there_is_one() -> None:
    square = Square("btcusdt@referencePrice")
    square.wait(2000)
    assert square.heard == []
    square.engine.set_reference_price("BTCUSDT", Decimal("99.5"))
    square.wait(2000)
    event = {"e": "referencePrice", "s": "BTCUSDT", "r": "99.50000000"}
    assert square.heard == [(at_ms, "btcusdt@referencePrice", {**event, "t": NOW_MS + at_ms}) for at_ms in (3000, 4000)]
    square.engine.set_reference_price("BTCUSDT", None)
    square.wait(1000)
    assert square.heard[-1][2]["r"] is None


def test_an_average_price_names_its_minutes() -> None:
    square = Square("btcusdt@avgPrice")
    square.trade("100")
    square.wait(500)
    square.trade("103", "2")
    square.wait(500)
    assert square.said("btcusdt@avgPrice") == [
        {"e": "avgPrice", "E": NOW_MS + 1000, "s": "BTCUSDT", "i": "5m", "w": "102.00000000", "T": NOW_MS + 500}
    ]


def test_a_candle_of_a_day_that_ends_in_the_east_is_closed_there() -> None:
    square = Square("btcusdt@kline_1d@+08:00", "btcusdt@kline_1d")
    square.now_ms += 15 * 3_600_000 + 59 * 60_000
    square.trade("100")
    square.wait(62_000)
    east = [
        (data["k"]["t"] - NOW_MS, data["k"]["x"], data["k"]["n"]) for data in square.said("btcusdt@kline_1d@+08:00")
    ]
    hours = 3_600_000
    assert east == [(-8 * hours, False, 1), (-8 * hours, True, 1), (16 * hours, False, 0)]
    assert [data["k"]["x"] for data in square.said("btcusdt@kline_1d")] == [False]


def test_nobody_hears_of_tickers_of_whom_nothing_is_known() -> None:
    square = Square("nopeusdt@ticker", "nopeusdt@referencePrice", "btcusdt@blockTrade")
    square.trade("100")
    square.wait(5000)
    assert square.heard == []


def test_statistics_come_in_microseconds_when_asked_for() -> None:
    square = Square("btcusdt@ticker", "!ticker_1h@arr", "btcusdt@avgPrice", in_microseconds=True)
    square.trade("100")
    square.wait(1000)
    day, average = square.said("btcusdt@ticker")[0], square.said("btcusdt@avgPrice")[0]
    (hour,) = square.said("!ticker_1h@arr")[0]
    now_us = (NOW_MS + 1000) * 1000
    assert (day["E"], day["C"], day["F"]) == (hour["E"], hour["C"], hour["F"]) == (now_us, now_us, 0)
    assert (average["E"], average["T"]) == (now_us, NOW_MS * 1000)


def test_who_leaves_a_ticker_leaves_nothing_behind() -> None:
    square = Square("btcusdt@ticker", "!miniTicker@arr", "btcusdt@referencePrice")
    square.trade("100")
    square.hub.drop(square.client)
    square.wait(10_000)
    assert square.streams.due_ms(square.now_ms) is None
    assert square.heard == []
