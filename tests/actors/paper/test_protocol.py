"""The envelope of the WebSocket API: ids, methods, parameters, weights, counters. No connection."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.paper.answers import DISCONNECTED
from dogwatch.actors.paper.methods import METHODS
from tests.actors.paper.counter import LIMIT_ORDER, NOW_MS, Counter, error_of

WEIGHT = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}


@pytest.mark.parametrize("request_id", [7, -1, 0, None, "a", "A-b_9", "x" * 36])
def test_an_id_comes_back_as_it_was_sent(request_id: Any) -> None:
    reply = Counter().send({"id": request_id, "method": "ping"})
    assert reply == {"id": request_id, "status": 200, "result": {}, "rateLimits": [{**WEIGHT, "count": 1}]}


@pytest.mark.parametrize("request_id", ["", "x" * 37, "a b", "ä", 1.5, True, [], {}, 10**20])
def test_an_id_of_another_form_is_answered_under_null(request_id: Any) -> None:
    reply = Counter().send({"id": request_id, "method": "ping"})
    assert reply["id"] is None
    assert error_of(reply)[:2] == (400, -1135)
    assert "rateLimits" not in reply


NESTED = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "nonsense",
        "[]",
        '"ping"',
        b"\xff",
        NESTED,
        NESTED.encode(),
        f'{{"id":{NESTED},"method":"ping"}}',
        f'{{"id":1,"method":{NESTED}}}',
        f'{{"id":1,"method":"ping","params":{NESTED}}}',
        f'{{"id":1,"method":"ping","params":{{"a":{NESTED}}}}}',
    ],
    ids=lambda frame: repr(frame[:40]),
)
def test_what_is_no_json_object_is_answered_under_null(frame: str | bytes) -> None:
    assert Counter().send(frame) == {
        "id": None,
        "status": 400,
        "error": {"code": -1135, "msg": "Invalid JSON Request"},
    }


def test_a_request_without_an_id_ends_the_connection_without_an_answer() -> None:
    answer = Counter().answer('{"method":"ping"}')
    assert answer.payloads == ()
    assert answer.close == DISCONNECTED


def test_the_third_malformed_frame_in_a_row_ends_the_connection() -> None:
    counter = Counter()
    answers = [counter.answer("{") for _ in range(2)]
    counter.ask("ping")
    answers += [counter.answer("{") for _ in range(3)]
    assert [answer.close for answer in answers] == [None, None, None, None, DISCONNECTED]
    assert all(answer.payloads for answer in answers)


@pytest.mark.parametrize("params", [[], "", 1, None])
def test_params_are_an_object(params: Any) -> None:
    reply = Counter().send({"id": 1, "method": "ping", "params": params})
    assert error_of(reply) == (400, -1135, "Invalid 'params' in JSON request; expected an object.")
    assert reply["id"] == 1
    assert "rateLimits" not in reply


@pytest.mark.parametrize("method", [1, None, []])
def test_a_method_is_a_string(method: Any) -> None:
    assert error_of(Counter().send({"id": 1, "method": method}))[:2] == (400, -1135)


def test_an_unknown_method_is_refused() -> None:
    assert error_of(Counter().ask("order.destroy")) == (400, -1020, "This operation is not supported.")


def test_a_method_whose_feature_is_switched_off_says_so() -> None:
    assert error_of(Counter().ask("orderList.place.oco")) == (
        400,
        -2010,
        "OCO orders are not supported for this symbol",
    )


def test_a_method_may_carry_its_version() -> None:
    assert Counter().ask("v3/time")["result"] == {"serverTime": NOW_MS}


def test_every_parameter_must_be_read_and_all_are_counted() -> None:
    reply = Counter().ask_signed("order.place", {**LIMIT_ORDER, "colour": "red", "size": None})
    assert error_of(reply) == (
        400,
        -1104,
        "Not all sent parameters were read; read '9' parameter(s) but was sent '11'.",
    )


@pytest.mark.parametrize("name", ["symbol", "side", "type"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_mandatory_parameter_may_not_be_empty(name: str, value: Any) -> None:
    reply = Counter().ask_signed("order.place", {**LIMIT_ORDER, name: value})
    assert error_of(reply) == (
        400,
        -1102,
        f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
    )


def test_numbers_are_read_as_they_are_written() -> None:
    counter = Counter()
    order = {**LIMIT_ORDER, "quantity": 0.5, "newOrderRespType": "RESULT"}
    # A float literal is signed as its text.
    signed = {**order, "quantity": "0.5"}
    assert counter.ask_signed("order.place", signed)["result"]["origQty"] == "0.50000000"
    counter.log_on()
    reply = counter.ask("order.place", {**order, "timestamp": counter.now_ms})
    assert reply["result"]["origQty"] == "0.50000000"


def test_rate_limits_may_be_left_out_by_request_and_by_connection() -> None:
    counter = Counter()
    quiet = counter.connect(returns_rate_limits=False)
    assert "rateLimits" not in counter.ask("ping", {"returnRateLimits": False})
    assert "rateLimits" not in counter.ask("ping", session=quiet)
    assert counter.ask("ping", {"returnRateLimits": True}, quiet)["rateLimits"] == [{**WEIGHT, "count": 3}]


def test_an_order_touches_the_order_counts_then_the_weight_and_costs_no_weight() -> None:
    reply = Counter().ask_signed("order.place", LIMIT_ORDER)
    assert [
        (limit["rateLimitType"], limit["interval"], limit["intervalNum"], limit["count"])
        for limit in reply["rateLimits"]
    ] == [("ORDERS", "SECOND", 10, 1), ("ORDERS", "DAY", 1, 1), ("REQUEST_WEIGHT", "MINUTE", 1, 0)]


def test_a_refused_order_costs_weight_and_still_shows_the_order_counts() -> None:
    reply = Counter().ask_signed("order.place", {**LIMIT_ORDER, "quantity": "100000"})
    assert error_of(reply)[1] == -1013
    assert [limit["count"] for limit in reply["rateLimits"]] == [0, 0, 1]


def test_a_cancel_touches_the_weight_only() -> None:
    counter = Counter()
    order_id = counter.ask_signed("order.place", LIMIT_ORDER)["result"]["orderId"]
    reply = counter.ask_signed("order.cancel", {"symbol": "BTCUSDT", "orderId": order_id})
    assert reply["result"]["status"] == "CANCELED"
    assert reply["rateLimits"] == [{**WEIGHT, "count": 0}]


def counts_of(reply: Any) -> list[int]:
    """Orders in 10 s, orders today, weight this minute."""
    return [limit["count"] for limit in reply["rateLimits"]]


def replace(counter: Counter, order_id: int, **params: Any) -> Any:
    named = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": order_id}
    return counter.ask_signed("order.cancelReplace", {**LIMIT_ORDER, **named, **params})


def test_a_replaced_order_counts_once_and_costs_no_weight() -> None:
    counter = Counter()
    counter.ask_signed("order.place", LIMIT_ORDER)
    reply = replace(counter, 1)
    assert (reply["status"], counts_of(reply)) == (200, [2, 2, 0])


def test_a_new_order_that_failed_or_was_not_attempted_counts_and_costs_weight() -> None:
    counter = Counter()
    counter.ask_signed("order.place", LIMIT_ORDER)
    not_attempted = replace(counter, 9)
    assert error_of(not_attempted)[:2] == (400, -2022)
    assert not_attempted["error"]["data"]["newOrderResult"] == "NOT_ATTEMPTED"
    assert counts_of(not_attempted) == [2, 2, 1]
    failed = replace(counter, 1, newOrderRespType="ACK", price="400", quantity="9000")
    assert error_of(failed)[:2] == (409, -2021)
    assert counts_of(failed) == [3, 3, 2]


def test_a_filter_that_stops_a_replacement_counts_no_order() -> None:
    counter = Counter()
    counter.ask_signed("order.place", LIMIT_ORDER)
    reply = replace(counter, 1, price="90.001")
    assert error_of(reply) == (400, -1013, "Filter failure: PRICE_FILTER")
    assert "data" not in reply["error"]
    assert counts_of(reply) == [1, 1, 1]


@pytest.mark.parametrize("mode", [None, "DO_NOTHING"])
def test_over_the_limit_of_orders_a_replacement_does_nothing_unless_told(mode: str | None) -> None:
    counter = Counter(orders_per_10_seconds=1)
    counter.ask_signed("order.place", LIMIT_ORDER)
    reply = replace(counter, 1, **({} if mode is None else {"orderRateLimitExceededMode": mode}))
    assert error_of(reply) == (429, -1015, "Too many new orders; current limit is 1 orders per 10 SECOND.")
    assert counts_of(reply)[:2] == [1, 1]
    assert len(counter.engine.open_orders("main", {})) == 1


def test_over_the_limit_of_orders_a_replacement_cancels_when_told() -> None:
    counter = Counter(orders_per_10_seconds=1)
    counter.ask_signed("order.place", LIMIT_ORDER)
    reply = replace(counter, 1, orderRateLimitExceededMode="CANCEL_ONLY")
    assert error_of(reply)[:2] == (409, -2021)
    parts = reply["error"]["data"]
    assert (parts["cancelResult"], parts["newOrderResult"]) == ("SUCCESS", "FAILURE")
    text = "Too many new orders; current limit is 1 orders per 10 SECOND."
    assert parts["newOrderResponse"] == {"code": -1015, "msg": text}
    assert counts_of(reply)[:2] == [1, 1]
    assert counter.engine.open_orders("main", {}) == []


def test_an_amend_counts_no_order_and_is_free_only_when_it_ends_the_order() -> None:
    counter = Counter()
    counter.ask_signed("order.place", LIMIT_ORDER)
    named = {"symbol": "BTCUSDT", "orderId": 1}
    amended = counter.ask_signed("order.amend.keepPriority", {**named, "newQty": "0.9"})
    assert amended["rateLimits"] == [{**WEIGHT, "count": 4}]
    refused = counter.ask_signed("order.amend.keepPriority", {**named, "newQty": "2"})
    assert error_of(refused)[:2] == (400, -2038)
    assert refused["rateLimits"] == [{**WEIGHT, "count": 8}]
    counter.trade("89", "0.5")
    ended = counter.ask_signed("order.amend.keepPriority", {**named, "newQty": "0.5"})
    assert ended["result"]["amendedOrder"]["status"] == "EXPIRED"
    assert ended["rateLimits"] == [{**WEIGHT, "count": 8}]


def test_the_times_in_both_parts_of_a_failed_replacement_follow_the_connection_s_unit() -> None:
    counter = Counter()
    session = counter.connect(in_microseconds=True)
    counter.ask_signed("order.place", LIMIT_ORDER)
    named = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": 1, "price": "400", "quantity": "9000"}
    reply = counter.ask_signed("order.cancelReplace", {**LIMIT_ORDER, **named}, session)
    assert reply["error"]["data"]["cancelResponse"]["transactTime"] == NOW_MS * 1000


@pytest.mark.parametrize(
    ("method", "params", "weight"),
    [
        ("ping", {}, 1),
        ("time", {}, 1),
        ("exchangeInfo", {}, 20),
        ("depth", {"symbol": "BTCUSDT"}, 5),
        ("depth", {"symbol": "BTCUSDT", "limit": 101}, 25),
        ("depth", {"symbol": "BTCUSDT", "limit": 1000}, 50),
        ("depth", {"symbol": "BTCUSDT", "limit": 5000}, 250),
        ("trades.recent", {"symbol": "BTCUSDT"}, 25),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m"}, 2),
        ("ticker.price", {"symbol": "BTCUSDT"}, 2),
        ("ticker.price", {}, 4),
        ("ticker.book", {"symbols": ["BTCUSDT"]}, 4),
        ("session.status", {}, 2),
        ("session.logout", {}, 2),
        ("session.subscriptions", {}, 2),
        ("userDataStream.unsubscribe", {}, 2),
    ],
)
def test_public_methods_weigh_what_the_document_says(method: str, params: dict[str, Any], weight: int) -> None:
    reply = Counter().ask(method, params)
    assert reply["status"] == 200
    assert reply["rateLimits"] == [{**WEIGHT, "count": weight}]


@pytest.mark.parametrize(
    ("method", "params", "weight"),
    [
        ("order.test", LIMIT_ORDER, 1),
        ("order.test", {**LIMIT_ORDER, "computeCommissionRates": True}, 20),
        ("openOrders.status", {"symbol": "BTCUSDT"}, 6),
        ("openOrders.status", {}, 80),
        ("allOrders", {"symbol": "BTCUSDT"}, 20),
        ("myTrades", {"symbol": "BTCUSDT"}, 20),
        ("myTrades", {"symbol": "BTCUSDT", "orderId": 1}, 5),
        ("account.status", {}, 20),
        ("account.rateLimits.orders", {}, 40),
        ("userDataStream.subscribe.signature", {}, 2),
    ],
)
def test_signed_methods_weigh_what_the_document_says(method: str, params: dict[str, Any], weight: int) -> None:
    reply = Counter().ask_signed(method, params)
    assert reply["status"] == 200
    assert reply["rateLimits"] == [{**WEIGHT, "count": weight}]


def test_the_weight_is_refused_over_the_limit_until_the_next_minute() -> None:
    counter = Counter(request_weight_per_minute=2)
    counter.ask("ping")
    counter.ask("ping")
    reply = counter.ask("ping")
    assert error_of(reply) == (
        429,
        -1003,
        "Too much request weight used; current limit is 2 request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API.",
    )
    retry_after_ms = reply["error"]["data"]["retryAfter"]
    assert reply["error"]["data"] == {"serverTime": NOW_MS, "retryAfter": NOW_MS + 57_000}
    counter.now_ms = retry_after_ms - 1
    assert counter.ask("ping")["status"] == 429
    counter.now_ms = retry_after_ms
    assert counter.ask("ping")["status"] == 200


def test_who_does_not_back_off_is_banned_for_longer_each_time() -> None:
    counter = Counter(request_weight_per_minute=1, refusals_before_ban=1)
    bans_ms = []
    for _ in range(2):
        counter.now_ms = counter.now_ms // 60_000 * 60_000 + 60_000
        counter.ask("ping")
        assert counter.ask("ping")["status"] == 429
        reply = counter.ask("ping")
        assert error_of(reply)[:2] == (418, -1003)
        until_ms = reply["error"]["data"]["retryAfter"]
        assert f"IP banned until {until_ms}" in reply["error"]["msg"]
        bans_ms.append(until_ms - counter.now_ms)
        counter.now_ms = until_ms
    assert bans_ms == [120_000, 240_000]


def test_a_banned_client_is_dropped() -> None:
    counter = Counter(request_weight_per_minute=1, refusals_before_ban=1)
    closes = [counter.answer('{"id":1,"method":"ping"}').close for _ in range(3)]
    assert closes == [None, None, DISCONNECTED]


def test_too_many_open_orders_are_refused_until_the_window_ends() -> None:
    counter = Counter(orders_per_10_seconds=2)
    for _ in range(2):
        counter.ask_signed("order.place", LIMIT_ORDER)
    reply = counter.ask_signed("order.place", LIMIT_ORDER)
    assert error_of(reply) == (429, -1015, "Too many new orders; current limit is 2 orders per 10 SECOND.")
    assert reply["error"]["data"]["retryAfter"] == NOW_MS + 7_000
    counter.now_ms += 7_000
    assert counter.ask_signed("order.place", LIMIT_ORDER)["status"] == 200


def test_an_account_can_read_its_order_counts() -> None:
    counter = Counter()
    counter.ask_signed("order.place", LIMIT_ORDER)
    limits = counter.ask_signed("account.rateLimits.orders")["result"]
    assert limits == [
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100, "count": 1},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000, "count": 1},
    ]


def test_timestamps_come_in_microseconds_when_the_connection_asked_for_them() -> None:
    counter = Counter()
    session = counter.connect(in_microseconds=True)
    assert counter.ask("time", session=session)["result"] == {"serverTime": NOW_MS * 1000}
    row = counter.ask("klines", {"symbol": "BTCUSDT", "interval": "1s"}, session)["result"][0]
    assert (row[0], row[6]) == (NOW_MS * 1000, (NOW_MS + 999) * 1000)
    order = counter.ask_signed("order.place", {**LIMIT_ORDER, "newOrderRespType": "RESULT"}, session)["result"]
    assert order["transactTime"] == order["workingTime"] == NOW_MS * 1000
    assert order["orderId"] == 1


def test_market_data_of_an_unknown_symbol_is_refused() -> None:
    counter = Counter()
    for method in ("depth", "trades.recent", "ticker.price", "ticker.book"):
        assert error_of(counter.ask(method, {"symbol": "NOPE"})) == (400, -1121, "Invalid symbol.")
    assert error_of(counter.ask("klines", {"symbol": "BTCUSDT", "interval": "7m"})) == (400, -1120, "Invalid interval.")


@pytest.mark.parametrize("method", ["depth", "ticker.price", "ticker.book"])
def test_a_symbol_of_another_status_than_asked_for_is_refused(method: str) -> None:
    counter = Counter()
    assert counter.ask(method, {"symbol": "BTCUSDT", "symbolStatus": "TRADING"})["status"] == 200
    mismatch = "The symbol's status does not match the requested symbolStatus."
    assert error_of(counter.ask(method, {"symbol": "BTCUSDT", "symbolStatus": "HALT"})) == (400, -1220, mismatch)
    for nonsense in ("OPEN", ["HALT"], 1):
        reply = counter.ask(method, {"symbol": "BTCUSDT", "symbolStatus": nonsense})
        assert error_of(reply) == (400, -1122, "Invalid symbolStatus.")


@pytest.mark.parametrize("method", ["ticker.price", "ticker.book"])
def test_of_several_symbols_those_of_another_status_are_left_out(method: str) -> None:
    counter = Counter()
    assert len(counter.ask(method, {"symbols": ["BTCUSDT", "ETHBTC"], "symbolStatus": "TRADING"})["result"]) == 2
    assert counter.ask(method, {"symbolStatus": "BREAK"})["result"] == []


def test_market_data_has_the_documented_shapes() -> None:
    counter = Counter()
    assert counter.ask("ticker.price", {"symbol": "BTCUSDT"})["result"] == {
        "symbol": "BTCUSDT",
        "price": "100.00000000",
    }
    book = counter.ask("ticker.book", {"symbols": ["BTCUSDT"]})["result"]
    assert [set(row) for row in book] == [{"symbol", "bidPrice", "bidQty", "askPrice", "askQty"}]
    assert set(counter.ask("depth", {"symbol": "BTCUSDT", "limit": 5})["result"]) == {"lastUpdateId", "bids", "asks"}
    assert counter.ask("trades.recent", {"symbol": "BTCUSDT", "limit": 1})["result"] == [
        {
            "id": 0,
            "price": "100.00000000",
            "qty": "1.00000000",
            "quoteQty": "100.00000000",
            "time": NOW_MS,
            "isBuyerMaker": False,
            "isBestMatch": True,
        }
    ]
    (row,) = counter.ask("klines", {"symbol": "BTCUSDT", "interval": "1m"})["result"]
    assert len(row) == 12


def test_exchange_info_says_the_limits_that_are_in_force() -> None:
    info = Counter(request_weight_per_minute=123, orders_per_day=456).ask("exchangeInfo", {"symbol": "BTCUSDT"})[
        "result"
    ]
    limits = {(limit["rateLimitType"], limit["interval"]): limit["limit"] for limit in info["rateLimits"]}
    assert limits["REQUEST_WEIGHT", "MINUTE"] == 123
    assert limits["ORDERS", "DAY"] == 456


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
parameter_names = sorted({name for method in METHODS.values() for name in method.readable})


@given(
    method=st.sampled_from(sorted(METHODS)),
    params=st.dictionaries(st.sampled_from(parameter_names), json_values, max_size=8),
)
def test_no_parameters_whatever_are_more_than_an_error(method: str, params: dict[str, Any]) -> None:
    counter = Counter()
    counter.log_on()
    readable = {name: value for name, value in params.items() if name in METHODS[method].readable}
    for sent in (params, readable, {"timestamp": counter.now_ms, **readable}):
        for payload in counter.answer(msgspec.json.encode({"id": 1, "method": method, "params": sent})).payloads:
            msgspec.json.decode(payload)


@given(frame=st.binary() | st.text())
def test_no_frame_whatever_is_more_than_an_error(frame: bytes | str) -> None:
    for payload in Counter().answer(frame).payloads:
        msgspec.json.decode(payload)
