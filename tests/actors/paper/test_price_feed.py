"""Price feeds: what a good file gives, and where exactly a bad one is bad."""

from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path

import pytest

from dogwatch.actors.paper.engine import Engine
from dogwatch.actors.paper.price_feed import (
    FeedError,
    KlineFile,
    QuoteTick,
    RandomWalk,
    Script,
    TradeDump,
    TradeTick,
    apply_tick,
)
from dogwatch.actors.paper.symbols import BTCUSDT

DUMP = """\
901,39432.48000000,0.00026300,10.37074224,1610064000278,True,True
902,39439.44000000,0.00437600,172.58698944,1610064000310,False,True
"""
CANDLES = """\
1610064000000,100.0,110.0,90.0,105.0,4.0,1610064059999,400.0,12,2.0,200.0,0
1610064060000,105.0,106.0,101.0,102.0,0.00000003,1610064119999,0,3,0,0,0
1610064120000,102.0,102.0,102.0,102.0,0,1610064179999,0,0,0,0,0
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "feed.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_dump_gives_its_trades(tmp_path: Path) -> None:
    assert list(TradeDump(written(tmp_path, DUMP), "BTCUSDT")) == [
        TradeTick(
            symbol="BTCUSDT",
            trade_id=901,
            price=Decimal("39432.48"),
            quantity=Decimal("0.000263"),
            time_ms=1_610_064_000_278,
            buyer_is_maker=True,
        ),
        TradeTick(
            symbol="BTCUSDT",
            trade_id=902,
            price=Decimal("39439.44"),
            quantity=Decimal("0.004376"),
            time_ms=1_610_064_000_310,
            buyer_is_maker=False,
        ),
    ]


def test_a_dump_is_the_same_with_header_microseconds_windows_line_ends_or_lower_case(tmp_path: Path) -> None:
    plain = list(TradeDump(written(tmp_path, DUMP), "BTCUSDT"))
    variants = [
        "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match\n" + DUMP,
        DUMP.replace("278,T", "278999,T").replace("310,F", "310000,F"),
        DUMP.replace("\n", "\r\n"),
        DUMP.lower() + "\n\n",
        DUMP.replace(",True\n", "\n"),
    ]
    for variant in variants:
        assert list(TradeDump(written(tmp_path, variant), "BTCUSDT")) == plain


def test_a_dump_can_be_played_twice(tmp_path: Path) -> None:
    feed = TradeDump(written(tmp_path, DUMP), "BTCUSDT")
    assert list(feed) == list(feed)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("x,1,1,1,1610064000400,True,True", "feed.csv:3: column 1 (trade id): expected a whole number, found 'x'"),
        (
            "903,,1,1,1610064000400,True,True",
            "feed.csv:3: column 2 (price): expected a decimal number above zero, found ''",
        ),
        ("903,-1,1,1,1610064000400,True,True", "column 2 (price): expected a decimal number above zero, found '-1'"),
        ("903,NaN,1,1,1610064000400,True,True", "column 2 (price): expected a decimal number above zero, found 'NaN'"),
        ("903,1,0,1,1610064000400,True,True", "column 3 (quantity): expected a decimal number above zero, found '0'"),
        ("903,1,1,1,12.5,True,True", "column 5 (time): expected a whole number, found '12.5'"),
        ("903,1,1,1,1610064000400,yes,True", "column 6 (is buyer maker): expected True or False, found 'yes'"),
        ("903,1,1,1,1610064000400", "feed.csv:3: column 6: expected at least 6 columns, found 5"),
        (
            "903,1,1,1,1610064000309,True,True",
            "column 5 (time): expected a time not before the line above (1610064000310 ms), found '1610064000309'",
        ),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_file_line_and_column(tmp_path: Path, line: str, problem: str) -> None:
    feed = iter(TradeDump(written(tmp_path, DUMP + line + "\n"), "BTCUSDT"))
    assert [tick.trade_id for tick in islice(feed, 2)] == [901, 902]
    with pytest.raises(FeedError) as failure:
        next(feed)
    assert problem in str(failure.value)
    assert failure.value.line == 3


def test_a_missing_an_empty_and_a_binary_file_are_feed_errors(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"nowhere\.csv: cannot be read: No such file"):
        list(TradeDump(tmp_path / "nowhere.csv", "BTCUSDT"))
    with pytest.raises(FeedError, match="cannot be read"):
        list(TradeDump(tmp_path, "BTCUSDT"))
    with pytest.raises(FeedError, match="has no data"):
        list(TradeDump(written(tmp_path, "id,price,qty,quote_qty,time,is_buyer_maker\n"), "BTCUSDT"))
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FeedError, match="is not a text file"):
        list(TradeDump(binary, "BTCUSDT"))


def test_a_rising_candle_goes_over_its_low_and_a_falling_one_over_its_high(tmp_path: Path) -> None:
    ticks = list(KlineFile(written(tmp_path, CANDLES), "BTCUSDT"))
    assert [(tick.time_ms - 1_610_064_000_000, str(tick.price), tick.buyer_is_maker) for tick in ticks] == [
        (0, "100.0", False),
        (19_999, "90.0", True),
        (39_999, "110.0", False),
        (59_999, "105.0", True),
        (60_000, "105.0", False),
        (79_999, "106.0", False),
        (99_999, "101.0", True),
    ]
    assert sum(tick.quantity for tick in ticks) == Decimal("4.00000003")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1610064180000,100,99,90,98,1,1610064239999", "column 3 (high): expected the highest price of the candle"),
        ("1610064180000,100,110,99.5,98,1,1610064239999", "column 4 (low): expected the lowest price of the candle"),
        ("1610064179999,100,110,90,98,1,1610064239999", "column 1 (open time): expected a time after the candle above"),
        ("1610064180000,100,110,90,98,1,1610064179999", "column 7 (close time): expected a time not before the open"),
        ("1610064180000,100,110,90,98,-1,1610064239999", "column 6 (volume): expected a decimal number, zero or more"),
    ],
)
def test_an_impossible_candle_is_named(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(FeedError) as failure:
        list(KlineFile(written(tmp_path, CANDLES + line + "\n"), "BTCUSDT"))
    assert f"feed.csv:4: {problem}" in str(failure.value)


def walk(seed: int, ticks_max: int | None = None) -> RandomWalk:
    return RandomWalk(
        "BTCUSDT",
        seed=seed,
        price=Decimal("0.05"),
        step=Decimal("0.01"),
        interval_ms=250,
        start_ms=1000,
        ticks_max=ticks_max,
    )


def test_a_walk_is_made_by_its_seed_alone() -> None:
    assert list(walk(7, 50)) == list(walk(7, 50))
    assert list(walk(7, 50)) != list(walk(8, 50))
    assert len(list(islice(walk(7), 5_000))) == 5_000


def test_a_walk_takes_steps_in_time_and_price_and_keeps_off_zero() -> None:
    quotes = [tick for tick in walk(3, 500) if isinstance(tick, QuoteTick)]
    assert [quote.time_ms for quote in quotes] == [1000 + 250 * number for number in range(500)]
    assert all(Decimal(0) < quote.bid < quote.ask and quote.bid_quantity > 0 < quote.ask_quantity for quote in quotes)
    moves = {later.bid - earlier.bid for earlier, later in pairwise(quotes)}
    assert moves == {Decimal("-0.01"), Decimal(0), Decimal("0.01")}
    for quote, trade in zip(*[iter(walk(3, 500))] * 2, strict=True):
        assert isinstance(quote, QuoteTick)
        assert isinstance(trade, TradeTick)
        assert trade.price == (quote.bid if trade.buyer_is_maker else quote.ask)


@pytest.mark.parametrize("wrong", [{"price": Decimal(0)}, {"step": Decimal(-1)}, {"interval_ms": 0}])
def test_a_walk_to_nowhere_is_refused(wrong: dict[str, object]) -> None:
    good: dict[str, object] = {"seed": 1, "price": Decimal(1), "step": Decimal(1), "interval_ms": 1}
    with pytest.raises(ValueError, match="positive"):
        RandomWalk("BTCUSDT", **(good | wrong))  # type: ignore[arg-type]  # the wrong values are the point


def test_ticks_reach_the_engine_at_their_own_time_or_at_another() -> None:
    engine = Engine([BTCUSDT])
    trade = TradeTick(
        symbol="BTCUSDT", time_ms=5, price=Decimal(100), quantity=Decimal(1), buyer_is_maker=True, trade_id=77
    )
    quote = QuoteTick(
        symbol="BTCUSDT", time_ms=6, bid=Decimal(1), bid_quantity=Decimal(2), ask=Decimal(3), ask_quantity=Decimal(4)
    )
    for tick in Script([trade, quote]):
        apply_tick(engine, tick)
    apply_tick(engine, trade, 99)
    trades = [payload for kind, _, payload in engine.take_market_events() if kind == "trade"]
    assert [(payload["t"], payload["T"], payload["m"]) for payload in trades] == [(77, 5, True), (78, 99, True)]
    assert engine.book_ticker("BTCUSDT")["askQty"] == "4.00000000"
