"""What the public sees: derived quotes, depth changes, the best bid and ask."""

from decimal import Decimal

from dogwatch.actors.paper.engine import Engine
from dogwatch.actors.paper.symbols import BTCUSDT
from tests.actors.paper.trading import Floor


def traded(*trades: tuple[str, bool]) -> tuple[Decimal, Decimal]:
    """Bid and ask after these (price, buyer is maker) trades of a feed without quotes."""
    engine = Engine([BTCUSDT])
    for time_ms, (price, buyer_is_maker) in enumerate(trades):
        engine.apply_trade("BTCUSDT", Decimal(price), Decimal(1), time_ms, buyer_is_maker=buyer_is_maker)
    ticker = engine.book_ticker("BTCUSDT")
    assert ticker["bidQty"] == ticker["askQty"] == "1.00000000"
    return Decimal(ticker["bidPrice"]), Decimal(ticker["askPrice"])


def test_a_trade_shows_the_side_it_hit_and_the_other_one_a_tick_away() -> None:
    assert traded(("100", True)) == (Decimal(100), Decimal("100.01"))
    assert traded(("100", False)) == (Decimal("99.99"), Decimal(100))


def test_the_other_side_stays_where_it_was_within_reason() -> None:
    assert traded(("100", True), ("100.40", False)) == (Decimal(100), Decimal("100.40"))
    assert traded(("100", True), ("100.40", False), ("100.40", True)) == (Decimal("100.40"), Decimal("100.41"))
    assert traded(("100", True), ("105", False)) == (Decimal(104), Decimal(105))


def test_quotes_of_the_feed_are_not_replaced_by_derived_ones() -> None:
    floor = Floor()
    floor.trade("150")
    assert floor.engine.book_ticker("BTCUSDT")["bidPrice"] == "99.00000000"


def test_only_what_changed_is_told() -> None:
    floor = Floor()
    floor.limit("alice", "BUY", "98", "1", newClientOrderId="low")
    floor.limit("alice", "BUY", "100", "2")
    floor.cancel("alice", origClientOrderId="low")
    events = floor.engine.take_market_events()
    first = events[0][2]["U"]
    assert [
        (kind, payload.get("U", first) - first, payload.get("b"), payload.get("a")) for kind, _, payload in events
    ] == [
        ("depth", 0, [["98.00000000", "1.00000000"]], []),
        ("depth", 1, [["100.00000000", "2.00000000"]], []),
        ("bookTicker", 0, "100.00000000", "101.00000000"),
        ("depth", 2, [["98.00000000", "0.00000000"]], []),
    ]
    floor.quote("99", "5", "101", "5")
    assert floor.engine.take_market_events() == []


def test_depth_adds_accounts_to_the_outside_and_is_cut_to_the_limit() -> None:
    floor = Floor()
    for price in ("99", "98", "97"):
        floor.limit("alice", "BUY", price, "1")
    depth = floor.engine.depth("BTCUSDT", 2)
    assert depth["bids"] == [["99.00000000", "6.00000000"], ["98.00000000", "1.00000000"]]
    assert depth["asks"] == [["101.00000000", "5.00000000"]]


def test_an_empty_side_is_shown_as_zero() -> None:
    floor = Floor(quoted=False)
    assert floor.engine.book_ticker("BTCUSDT") == {
        "symbol": "BTCUSDT",
        "bidPrice": "0.00000000",
        "bidQty": "0.00000000",
        "askPrice": "0.00000000",
        "askQty": "0.00000000",
    }
    assert floor.engine.last_price("BTCUSDT") == "100.00000000"
    assert floor.engine.last_price("ETHUSDT") is None
