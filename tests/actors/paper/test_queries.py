"""Questions about orders, trades, balances and symbols, and the refusals of those that make no sense."""

from typing import Any

import pytest

from dogwatch.actors.paper.engine import EngineError, Switches
from tests.actors.paper.trading import NOW_MS, Floor

DAY_MS = 86_400_000
BTC = {"symbol": "BTCUSDT"}


@pytest.fixture
def floor() -> Floor:
    """Six market orders of alice, a second apart, and one resting order `rest`."""
    floor = Floor()
    for number in range(6):
        floor.now_ms = NOW_MS + number * 1000
        floor.market("alice", "BUY", "0.1", newClientOrderId=f"m{number}")
    floor.limit("alice", "BUY", "98", "1", newClientOrderId="rest", strategyId=7, strategyType=1_000_000)
    return floor


def test_an_order_is_found_by_either_id_and_shown_whole(floor: Floor) -> None:
    row = floor.engine.order_status("alice", BTC | {"origClientOrderId": "rest"})
    assert row == {
        "symbol": "BTCUSDT",
        "orderId": 7,
        "orderListId": -1,
        "clientOrderId": "rest",
        "price": "98.00000000",
        "origQty": "1.00000000",
        "executedQty": "0.00000000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "strategyId": 7,
        "strategyType": 1_000_000,
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": NOW_MS + 5000,
        "updateTime": NOW_MS + 5000,
        "isWorking": True,
        "workingTime": NOW_MS + 5000,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }
    assert floor.engine.order_status("alice", BTC | {"orderId": 7}) == row
    assert floor.engine.order_status("alice", BTC | {"orderId": "7", "origClientOrderId": "rest"}) == row
    assert floor.engine.open_orders("alice", {}) == floor.engine.open_orders("alice", BTC) == [row]
    assert floor.engine.open_orders("alice", {"symbol": "ETHUSDT"}) == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"orderId": 99}, -2013),
        ({"origClientOrderId": "nobody"}, -2013),
        ({"orderId": 7, "origClientOrderId": "m1"}, -2039),
        ({}, -1102),
        ({"symbol": "NOPE", "orderId": 1}, -1121),
        ({"symbol": None, "orderId": 1}, -1102),
    ],
)
def test_an_order_that_is_not_there_is_said_not_to_exist(floor: Floor, params: dict[str, Any], code: int) -> None:
    with pytest.raises(EngineError) as refused:
        floor.engine.order_status("alice", BTC | params)
    assert refused.value.code == code


@pytest.mark.parametrize("found", [True, False])
def test_whether_a_cancelled_order_answers_to_its_old_id_is_a_switch(found: bool) -> None:
    floor = Floor(switches=Switches(cancelled_found_by_old_id=found))
    floor.limit("alice", "BUY", "98", "1", newClientOrderId="old")
    floor.cancel("alice", origClientOrderId="old", newClientOrderId="new")
    assert floor.engine.order_status("alice", BTC | {"origClientOrderId": "new"})["status"] == "CANCELED"
    if found:
        assert floor.engine.order_status("alice", BTC | {"origClientOrderId": "old"})["clientOrderId"] == "new"
    else:
        with pytest.raises(EngineError, match="does not exist"):
            floor.engine.order_status("alice", BTC | {"origClientOrderId": "old"})


def test_a_cancel_that_takes_the_id_of_an_open_order_does_not_hide_it() -> None:
    floor = Floor()
    floor.limit("alice", "BUY", "98", "1", newClientOrderId="first")
    floor.limit("alice", "BUY", "98", "1", newClientOrderId="second")
    floor.cancel("alice", origClientOrderId="first", newClientOrderId="second")
    assert floor.cancel("alice", origClientOrderId="second")["orderId"] == 2


def test_a_cancelled_order_is_listed_under_the_cancel_s_name_and_by_its_id(floor: Floor) -> None:
    floor.cancel("alice", origClientOrderId="rest", newClientOrderId="rest-x")
    listed = floor.engine.all_orders("alice", BTC | {"orderId": 7})
    assert [(row["clientOrderId"], row["status"]) for row in listed] == [("rest-x", "CANCELED")]
    assert floor.engine.order_status("alice", BTC | {"orderId": 7}) == listed[0]
    assert floor.engine.open_orders("alice", BTC) == []


def test_a_name_leads_to_the_newest_order_that_has_it() -> None:
    floor = Floor()
    for _ in range(3):
        floor.market("alice", "BUY", "0.1", newClientOrderId="again")
    assert floor.engine.order_status("alice", BTC | {"origClientOrderId": "again"})["orderId"] == 3
    floor.limit("alice", "BUY", "98", "1", newClientOrderId="again")
    floor.cancel("alice", origClientOrderId="again", newClientOrderId="gone")
    floor.limit("alice", "BUY", "98", "1", newClientOrderId="again")
    assert floor.engine.order_status("alice", BTC | {"origClientOrderId": "again"})["orderId"] == 5


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7]),
        ({"limit": 2}, [6, 7]),
        ({"orderId": 3, "limit": 2}, [3, 4]),
        ({"startTime": NOW_MS + 4000}, [5, 6, 7]),
        ({"endTime": NOW_MS + 1000}, [1, 2]),
        ({"startTime": NOW_MS + 1000, "endTime": NOW_MS + 3000, "orderId": 99, "limit": 2}, [2, 3]),
    ],
)
def test_all_orders_are_chosen_by_time_by_id_or_by_recency(
    floor: Floor, params: dict[str, Any], ids: list[int]
) -> None:
    assert [row["orderId"] for row in floor.engine.all_orders("alice", BTC | params)] == ids


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"limit": 2}, [5, 6]),
        ({"orderId": 3}, [3]),
        ({"fromId": 3, "limit": 2}, [3, 4]),
        ({"fromId": 4, "orderId": 3}, []),
        ({"startTime": NOW_MS + 4000}, [5, 6]),
        ({"endTime": NOW_MS + 1000, "limit": 1}, [2]),
        ({"startTime": NOW_MS + 1000, "endTime": NOW_MS + 3000}, [2, 3, 4]),
    ],
)
def test_trades_are_chosen_by_order_by_id_by_time_or_by_recency(
    floor: Floor, params: dict[str, Any], ids: list[int]
) -> None:
    rows = floor.engine.my_trades("alice", BTC | params)
    assert [row["orderId"] for row in rows] == ids
    assert all(row["isBuyer"] and not row["isMaker"] and row["commissionAsset"] == "BTC" for row in rows)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"fromId": 1, "startTime": 1}, -1128),
        ({"orderId": 1, "startTime": 1}, -1128),
        ({"orderId": 1, "fromId": 1, "endTime": 1}, -1128),
        ({"startTime": 0, "endTime": DAY_MS + 1}, -1127),
        ({"limit": 0}, -1130),
        ({"limit": "ten"}, -1100),
        ({"recent": True}, -1104),
    ],
)
def test_conditions_that_do_not_go_together_are_refused(floor: Floor, params: dict[str, Any], code: int) -> None:
    with pytest.raises(EngineError) as refused:
        floor.engine.my_trades("alice", BTC | params)
    assert refused.value.code == code


@pytest.mark.parametrize("ask", ["all_orders", "my_trades"])
def test_a_time_range_is_no_longer_than_a_day_and_may_be_a_moment(floor: Floor, ask: str) -> None:
    query = getattr(floor.engine, ask)
    assert query("alice", BTC | {"startTime": NOW_MS - DAY_MS, "endTime": NOW_MS})[0]["orderId"] == 1
    assert [row["orderId"] for row in query("alice", BTC | {"startTime": NOW_MS, "endTime": NOW_MS})] == [1]
    with pytest.raises(EngineError) as refused:
        query("alice", BTC | {"startTime": NOW_MS - DAY_MS, "endTime": NOW_MS + 1})
    assert (refused.value.code, refused.value.msg) == (-1127, "More than 24 hours between startTime and endTime.")


def test_the_account_shows_every_asset_or_only_what_is_owned(floor: Floor) -> None:
    whole = floor.engine.account_status("alice", {})
    assert {"LTC", "BNB"} < {row["asset"] for row in whole["balances"]}
    owned = floor.engine.account_status("alice", {"omitZeroBalances": True})["balances"]
    assert owned == [
        {"asset": "BTC", "free": "10.59940000", "locked": "0.00000000"},
        {"asset": "ETH", "free": "100.00000000", "locked": "0.00000000"},
        {"asset": "USDT", "free": "999841.40000000", "locked": "98.00000000"},
    ]
    assert (whole["makerCommission"], whole["commissionRates"]["taker"]) == (10, "0.00100000")
    assert whole["updateTime"] == NOW_MS + 5000


@pytest.mark.parametrize(
    ("params", "chosen"),
    [
        ({}, ["BTCUSDT", "ETHUSDT", "BNBUSDT", "ETHBTC"]),
        ({"symbol": "ETHBTC"}, ["ETHBTC"]),
        ({"symbols": ["ETHBTC", "BTCUSDT"]}, ["ETHBTC", "BTCUSDT"]),
        ({"permissions": "SPOT", "symbolStatus": "TRADING"}, ["BTCUSDT", "ETHUSDT", "BNBUSDT", "ETHBTC"]),
        ({"permissions": ["MARGIN"]}, []),
        ({"symbolStatus": "HALT"}, []),
    ],
)
def test_exchange_information_is_about_the_chosen_symbols(params: dict[str, Any], chosen: list[str]) -> None:
    info = Floor().engine.exchange_info(params, NOW_MS)
    assert [entry["symbol"] for entry in info["symbols"]] == chosen
    assert (info["serverTime"], info["timezone"], info["exchangeFilters"]) == (NOW_MS, "UTC", [])


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"symbol": "NOPE"}, -1121),
        ({"symbols": ["BTCUSDT", "NOPE"]}, -1121),
        ({"symbols": ["BTCUSDT", "BTCUSDT"]}, -1151),
        ({"symbols": []}, -1105),
        ({"symbols": {"a": 1}}, -1135),
        ({"symbol": "BTCUSDT", "permissions": "SPOT"}, -1128),
        ({"symbol": "BTCUSDT", "symbolStatus": "HALT"}, -1128),
        ({"symbolStatus": "OPEN"}, -1122),
        ({"showPermissionSets": "maybe"}, -1100),
    ],
)
def test_a_choice_of_symbols_that_makes_no_sense_is_refused(params: dict[str, Any], code: int) -> None:
    with pytest.raises(EngineError) as refused:
        Floor().engine.exchange_info(params, NOW_MS)
    assert refused.value.code == code


def test_a_symbol_publishes_the_filters_that_are_applied() -> None:
    entry = Floor().engine.exchange_info({"symbol": "BTCUSDT", "showPermissionSets": False}, NOW_MS)["symbols"][0]
    filters = {one["filterType"]: one for one in entry["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00001000"
    assert filters["NOTIONAL"] == {
        "filterType": "NOTIONAL",
        "minNotional": "5.00000000",
        "applyMinToMarket": True,
        "maxNotional": "9000000.00000000",
        "applyMaxToMarket": False,
        "avgPriceMins": 5,
    }
    assert (entry["orderTypes"], entry["permissionSets"]) == (["LIMIT", "LIMIT_MAKER", "MARKET"], [])
