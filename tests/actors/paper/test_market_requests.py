"""Market data on request: which trades, which window, which symbols; and what is refused."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.actors.paper.methods import METHODS, Security
from tests.actors.paper.counter import NOW_MS, Counter, error_of

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
SYMBOL = {"symbol": "BTCUSDT"}


def busy() -> Counter:
    """Trades at 100, 101 and 102, of 1, 2 and 3, two hours apart; the last one just now."""
    counter = Counter()
    for price, quantity in (("101", "2"), ("102", "3")):
        counter.now_ms += 2 * HOUR_MS
        counter.trade(price, quantity)
    return counter


def ids(rows: Any, name: str = "id") -> list[int]:
    return [row[name] for row in rows]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, [0, 1, 2]),
        ({"limit": 2}, [1, 2]),
        ({"fromId": 1}, [1, 2]),
        ({"fromId": 1, "limit": 1}, [1]),
        ({"fromId": 9}, []),
    ],
)
def test_trades_are_the_newest_or_those_from_an_id_on(params: Any, expected: list[int]) -> None:
    assert ids(busy().ask("trades.historical", {**SYMBOL, **params})["result"]) == expected


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, [1, 2, 3]),
        ({"fromId": 2, "limit": 1}, [2]),
        ({"startTime": NOW_MS + 1}, [2, 3]),
        ({"startTime": NOW_MS, "endTime": NOW_MS + 3 * HOUR_MS}, [1, 2]),
        ({"endTime": NOW_MS + 3 * HOUR_MS, "limit": 1}, [2]),
    ],
)
def test_aggregates_are_chosen_by_id_or_by_time(params: Any, expected: list[int]) -> None:
    assert ids(busy().ask("trades.aggregate", {**SYMBOL, **params})["result"], "a") == expected


def test_an_aggregate_is_what_one_taker_did_at_one_price() -> None:
    counter = Counter()
    # Both offers stand at one price: the account's own and the market's.
    for quantity in ("1", "2"):
        order = {**SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "price": "101", "quantity": quantity}
        assert counter.ask_signed("order.place", order)["status"] == 200
    counter.trade("102", "4")
    (_, fills, outside) = counter.ask("trades.aggregate", SYMBOL)["result"]
    assert (fills["f"], fills["l"], fills["p"], fills["q"]) == (1, 2, "101.00000000", "3.00000000")
    assert (outside["f"], outside["l"], outside["q"]) == (3, 3, "4.00000000")


def test_a_day_and_its_numbers() -> None:
    counter = busy()
    result = counter.ask("ticker.24hr", SYMBOL)["result"]
    assert result["openTime"] == counter.now_ms - DAY_MS
    assert result["closeTime"] == counter.now_ms
    wanted = {
        "openPrice": "100.00000000",
        "highPrice": "102.00000000",
        "lastPrice": "102.00000000",
        "lastQty": "3.00000000",
        "volume": "6.00000000",
        "quoteVolume": "608.00000000",
        "weightedAvgPrice": "101.33333333",
        "priceChange": "2.00000000",
        "priceChangePercent": "2.000",
        "prevClosePrice": "100.00000000",
        "firstId": 0,
        "lastId": 2,
        "count": 3,
    }
    assert {name: result[name] for name in wanted} == wanted


@pytest.mark.parametrize(("size", "trades"), [("1m", 1), ("59m", 1), ("2h", 2), ("3h", 2), ("5h", 3), ("7d", 3)])
def test_a_window_opens_at_a_minute(size: str, trades: int) -> None:
    result = busy().ask("ticker", {**SYMBOL, "windowSize": size})["result"]
    assert result["count"] == trades
    assert result["openTime"] % MINUTE_MS == 0


@pytest.mark.parametrize(("zone", "trades"), [("0", 3), ("-1:00", 2), ("8", 3), ("-3:00", 1)])
def test_a_trading_day_opens_at_midnight_there(zone: str, trades: int) -> None:
    counter = busy()
    result = counter.ask("ticker.tradingDay", {**SYMBOL, "timeZone": zone})["result"]
    assert result["closeTime"] - result["openTime"] == DAY_MS - 1
    assert result["openTime"] <= counter.now_ms <= result["closeTime"]
    assert result["count"] == trades


def test_a_symbol_that_never_traded_has_zeros() -> None:
    result = busy().ask("ticker.24hr", {"symbol": "ETHUSDT"})["result"]
    assert {result[name] for name in ("openPrice", "lastPrice", "volume", "weightedAvgPrice")} == {"0.00000000"}
    assert (result["firstId"], result["count"], result["priceChangePercent"]) == (-1, 0, "0.000")


def test_a_quiet_window_knows_the_last_price() -> None:
    counter = busy()
    counter.now_ms += 3 * HOUR_MS
    result = counter.ask("ticker", {**SYMBOL, "windowSize": "1h"})["result"]
    assert (result["lastPrice"], result["openPrice"], result["count"]) == ("102.00000000", "0.00000000", 0)


def test_all_symbols_are_told_where_none_is_named() -> None:
    rows = busy().ask("ticker.24hr")["result"]
    assert {row["symbol"] for row in rows} == {"BTCUSDT", "ETHUSDT", "BNBUSDT", "ETHBTC"}
    assert busy().ask("ticker.24hr", {"symbolStatus": "HALT"})["result"] == []


def test_an_average_price_is_that_of_the_last_minutes() -> None:
    counter = busy()
    result = counter.ask("avgPrice", SYMBOL)["result"]
    assert result == {"mins": 5, "price": "102.00000000", "closeTime": counter.now_ms}
    never = counter.ask("avgPrice", {"symbol": "ETHUSDT"})["result"]
    assert (never["price"], never["closeTime"]) == ("0.00000000", 0)


INVALID_SYMBOL = (400, -1121, "Invalid symbol.")


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("ticker", {}, -1102),
        ("ticker.tradingDay", {}, -1102),
        ("ticker", {**SYMBOL, "symbols": ["ETHUSDT"]}, -1128),
        ("ticker", {"symbols": ["ETHUSDT", "ETHUSDT"]}, -1151),
        ("ticker", {"symbols": ["ETHUSDT", "NONE"]}, -1121),
        ("ticker", {"symbols": "ETHUSDT"}, -1102),
        ("ticker", {**SYMBOL, "windowSize": "8d"}, -1130),
        ("ticker", {**SYMBOL, "type": "SOME"}, -1139),
        ("ticker", {**SYMBOL, "symbolStatus": "HALT"}, -1220),
        ("ticker", {**SYMBOL, "symbolStatus": "OPEN"}, -1122),
        ("ticker.tradingDay", {**SYMBOL, "timeZone": "15"}, -1130),
        ("klines", {**SYMBOL, "interval": "1d", "timeZone": "UTC"}, -1130),
        ("klines", {**SYMBOL, "interval": "2d"}, -1120),
        ("uiKlines", {"symbol": "NONE", "interval": "1d"}, -1121),
        ("trades.historical", {**SYMBOL, "fromId": "x"}, -1130),
        ("trades.aggregate", {**SYMBOL, "fromId": 1, "endTime": 1}, -1128),
        ("blockTrades.historical", SYMBOL, -1102),
        ("blockTrades.historical", {"symbol": "NONE", "fromId": 1}, -1121),
        ("executionRules", {"symbols": ["NONE"]}, -1121),
        ("executionRules", {**SYMBOL, "symbolStatus": "TRADING"}, -1128),
        ("avgPrice", {"symbol": "NONE"}, -1121),
        ("referencePrice", SYMBOL, -2043),
        ("referencePrice.calculation", SYMBOL, -2043),
    ],
)
def test_what_cannot_be_meant_is_refused(method: str, params: Any, code: int) -> None:
    assert error_of(busy().ask(method, params))[:2] == (400, code)


def test_a_candle_of_another_time_zone_opens_there() -> None:
    rows = busy().ask("klines", {**SYMBOL, "interval": "1d", "timeZone": "-3:00"})["result"]
    assert [(row[0] - NOW_MS // DAY_MS * DAY_MS) // HOUR_MS for row in rows] == [-21, 3]
    assert [row[8] for row in rows] == [2, 1]
    assert rows[0][6] == rows[1][0] - 1


junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**20),
    st.text(max_size=5),
    st.lists(st.sampled_from(["BTCUSDT", "x", 5]), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)
MARKET_METHODS = [name for name, method in METHODS.items() if method.security is Security.NONE and method.required]


ONE_DAY = Counter(request_weight_per_minute=10**9)


@settings(max_examples=60)
@given(method=st.sampled_from([*MARKET_METHODS, "ticker", "ticker.24hr", "executionRules"]), data=st.data())
def test_no_parameters_of_a_real_symbol_are_more_than_an_error(method: str, data: st.DataObject) -> None:
    names = sorted(METHODS[method].readable)
    params = data.draw(st.dictionaries(st.sampled_from(names), junk, max_size=4))
    reply = ONE_DAY.ask(method, {**SYMBOL, "interval": "1d", **params} if "interval" in names else {**SYMBOL, **params})
    assert reply["status"] in {200, 400}


@pytest.mark.parametrize("price", [Decimal("99.5"), None])
def test_a_reference_price_that_was_set_is_told(price: Decimal | None) -> None:
    counter = busy()
    counter.engine.set_reference_price("BTCUSDT", price)
    result = counter.ask("referencePrice", SYMBOL)["result"]
    told = None if price is None else "99.50000000"
    assert result == {"symbol": "BTCUSDT", "referencePrice": told, "timestamp": counter.now_ms}
    calculation = counter.ask("referencePrice.calculation", SYMBOL)["result"]
    assert calculation == {"symbol": "BTCUSDT", "calculationType": "EXTERNAL", "externalCalculationId": 0}


# What an account asks.


def test_an_order_remembers_its_amendments() -> None:
    counter = Counter()
    order = {**SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "90", "quantity": "3"}
    order_id = counter.ask_signed("order.place", {**order, "newClientOrderId": "a"})["result"]["orderId"]
    for quantity, name in (("2", "b"), ("1", "c")):
        named = {**SYMBOL, "orderId": order_id, "newQty": quantity, "newClientOrderId": name}
        assert counter.ask_signed("order.amend.keepPriority", named)["status"] == 200
    rows = counter.ask_signed("order.amendments", {**SYMBOL, "orderId": order_id})["result"]
    assert [(row["origClientOrderId"], row["newClientOrderId"], row["origQty"], row["newQty"]) for row in rows] == [
        ("a", "b", "3.00000000", "2.00000000"),
        ("b", "c", "2.00000000", "1.00000000"),
    ]
    since = {**SYMBOL, "orderId": order_id, "fromExecutionId": rows[1]["executionId"]}
    assert counter.ask_signed("order.amendments", since)["result"] == rows[1:]
    assert counter.ask_signed("order.amendments", {**SYMBOL, "orderId": 99})["result"] == []


def test_prevented_matches_are_found_by_their_id_or_by_either_order() -> None:
    counter = Counter()
    order = {**SYMBOL, "type": "LIMIT", "timeInForce": "GTC", "price": "99", "selfTradePreventionMode": "EXPIRE_MAKER"}
    # The market outside takes the first of the two that are sold.
    for side, quantity in (("BUY", "1"), ("SELL", "2")):
        placed = counter.ask_signed("order.place", {**order, "side": side, "quantity": quantity})
        assert placed["status"] == 200
    (row,) = counter.ask_signed("myPreventedMatches", {**SYMBOL, "preventedMatchId": 0})["result"]
    assert (row["makerOrderId"], row["takerOrderId"], row["selfTradePreventionMode"]) == (1, 2, "EXPIRE_MAKER")
    assert row["makerPreventedQuantity"] == "1.00000000"
    for params in ({"orderId": 1}, {"orderId": 2}, {"orderId": 2, "fromPreventedMatchId": 0}):
        assert counter.ask_signed("myPreventedMatches", {**SYMBOL, **params})["result"] == [row]
    for params in ({"orderId": 3}, {"orderId": 2, "fromPreventedMatchId": 1}, {"preventedMatchId": 1}):
        assert counter.ask_signed("myPreventedMatches", {**SYMBOL, **params})["result"] == []
    assert error_of(counter.ask_signed("myPreventedMatches", SYMBOL))[1] == -1128


@pytest.mark.parametrize("method", ["account.commission", "myFilters", "myAllocations"])
def test_an_account_asks_of_symbols_that_trade(method: str) -> None:
    assert Counter().ask_signed(method, SYMBOL)["status"] == 200
    assert error_of(Counter().ask_signed(method, {"symbol": "NONE"})) == INVALID_SYMBOL
