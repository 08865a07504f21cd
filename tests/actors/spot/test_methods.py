"""Requests: what goes on the wire, digit by digit, and what is refused before it does."""

import json
import re
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import (
    CancelReplaceMode,
    CancelRestrictions,
    OrderType,
    ResponseType,
    SelfTradePreventionMode,
    Side,
    TimeInForce,
)
from dogwatch.actors.spot.methods import (
    Method,
    Params,
    Security,
    amend_order,
    cancel_open_orders,
    cancel_order,
    cancel_replace_order,
    decimal_text,
    encode_request,
    encode_stream_request,
    place_order,
    query_account,
    query_all_orders,
    query_exchange_info,
    query_open_orders,
    query_order,
    query_trades,
    stamp,
    unsubscribe_user_data,
)

LEGAL_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")


@given(st.decimals(min_value=0, max_value=Decimal(10) ** 19, allow_nan=False, allow_infinity=False, places=8))
def test_a_number_keeps_its_digits_and_gets_no_exponent(value: Decimal) -> None:
    text = decimal_text(value)
    assert LEGAL_DECIMAL.fullmatch(text)
    assert Decimal(text) == value


@given(st.integers(0, 10**20 - 1), st.integers(-20, 0), st.integers(0, 12))
def test_no_digit_is_lost_whatever_the_exponent_and_the_context(digits: int, exponent: int, zeros: int) -> None:
    value = Decimal((0, tuple(int(digit) for digit in str(digits) + "0" * zeros), exponent - zeros))
    with localcontext() as context:
        context.prec = 3
        text = decimal_text(value)
    assert LEGAL_DECIMAL.fullmatch(text)
    assert Decimal(text) == value


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_a_number_is_written_exactly_or_refused(value: Decimal) -> None:
    try:
        text = decimal_text(value)
    except ValueError:
        return
    assert LEGAL_DECIMAL.fullmatch(text)
    assert Decimal(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1E-8"), "0.00000001"),
        (Decimal("0.00000000"), "0"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0E+30"), "0"),
        (Decimal("-0"), "0"),
        (Decimal("0.1000"), "0.1000"),
        (Decimal("52000.00"), "52000.00"),
        (Decimal("1.0E-20"), "0.00000000000000000001"),
        (Decimal("12345678901234567890.12345678901234567890"), "12345678901234567890.12345678901234567890"),
        (7, "7"),
        (0, "0"),
    ],
)
def test_numbers_are_written_as_the_exchange_reads_them(value: Decimal | int, text: str) -> None:
    assert decimal_text(value) == text


@pytest.mark.parametrize(
    "value",
    [
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal(-1),
        Decimal("1E+20"),
        Decimal("1E+1000000"),
        Decimal("1E-21"),
        Decimal("1.000000000000000000001"),
        Decimal("1E-1000000"),
        -1,
        10**20,
    ],
)
def test_numbers_that_the_exchange_cannot_read_are_refused(value: Decimal | int) -> None:
    with pytest.raises(ValueError, match="price"):
        decimal_text(value, "price")


@pytest.mark.parametrize("value", [0.1, 1.0, True, "1", None])
def test_a_float_is_refused_with_a_way_out(value: Any) -> None:
    with pytest.raises(TypeError, match="price must be a Decimal") as caught:
        decimal_text(value, "price")
    if isinstance(value, float):
        assert f'Decimal("{value}")' in str(caught.value)


def limit_order(**changes: Any) -> Params:
    order: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "side": Side.SELL,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "quantity": Decimal("0.01000000"),
        "price": Decimal("52000.00"),
    }
    return place_order(**{name: value for name, value in {**order, **changes}.items() if value is not ...})


def test_a_limit_order_has_the_exchanges_names() -> None:
    assert limit_order(
        client_order_id="dw-a-b-1-2",
        response_type=ResponseType.FULL,
        iceberg_quantity=Decimal("0.001"),
        self_trade_prevention_mode=SelfTradePreventionMode.EXPIRE_MAKER,
        strategy_id=1,
        strategy_type=1000000,
    ) == {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01000000",
        "price": "52000.00",
        "icebergQty": "0.001",
        "newClientOrderId": "dw-a-b-1-2",
        "newOrderRespType": "FULL",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "strategyId": 1,
        "strategyType": 1000000,
    }


def test_what_is_sent_is_plain_text_not_an_enumeration() -> None:
    assert {type(value) for value in limit_order().values()} == {str}


def test_market_orders_take_one_of_two_quantities() -> None:
    market = {"order_type": OrderType.MARKET, "time_in_force": ..., "price": ...}
    assert limit_order(**market)["quantity"] == "0.01000000"
    assert limit_order(**market, quantity=..., quote_order_quantity=Decimal(10)) == {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "MARKET",
        "quoteOrderQty": "10",
    }


def test_stop_orders_take_a_stop_price_or_a_trailing_delta_or_both() -> None:
    stop = {"order_type": OrderType.STOP_LOSS, "time_in_force": ..., "price": ...}
    assert limit_order(**stop, stop_price=Decimal(50000))["stopPrice"] == "50000"
    assert limit_order(**stop, trailing_delta=100)["trailingDelta"] == 100
    both = limit_order(order_type=OrderType.TAKE_PROFIT_LIMIT, stop_price=Decimal(1), trailing_delta=1)
    assert {"stopPrice", "trailingDelta", "price", "timeInForce"} <= set(both)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"price": ...}, "LIMIT order needs price"),
        ({"quantity": ...}, "LIMIT order needs quantity"),
        ({"time_in_force": ...}, "LIMIT order needs timeInForce"),
        ({"stop_price": Decimal(1)}, "does not take stopPrice"),
        ({"quote_order_quantity": Decimal(1)}, "does not take quoteOrderQty"),
        ({"order_type": OrderType.LIMIT_MAKER}, "does not take timeInForce"),
        ({"order_type": OrderType.MARKET}, "does not take price"),
        ({"order_type": OrderType.MARKET, "price": ..., "time_in_force": ..., "quantity": ...}, "either quantity or"),
        (
            {"order_type": OrderType.MARKET, "price": ..., "time_in_force": ..., "quote_order_quantity": Decimal(1)},
            "either quantity or",
        ),
        ({"order_type": OrderType.STOP_LOSS, "price": ..., "time_in_force": ...}, "needs stopPrice, trailingDelta"),
        ({"order_type": OrderType("NEW_TYPE")}, "OrderType has no NEW_TYPE"),
        ({"time_in_force": TimeInForce("GTX")}, "TimeInForce has no GTX: use one of GTC, IOC, FOK"),
        ({"client_order_id": "a" * 37}, "client order id"),
        ({"client_order_id": "ü"}, "client order id"),
        ({"client_order_id": ""}, "client order id"),
        ({"quantity": Decimal(-1)}, "quantity is -1"),
    ],
)
def test_an_order_that_the_exchange_must_refuse_is_refused_here(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        limit_order(**changes)


def test_orders_are_named_by_either_id() -> None:
    assert query_order(symbol="A", order_id=1) == {"symbol": "A", "orderId": 1}
    assert query_order(symbol="A", client_order_id="c") == {"symbol": "A", "origClientOrderId": "c"}
    assert cancel_order(
        symbol="A",
        order_id=1,
        client_order_id="c",
        new_client_order_id="d",
        cancel_restrictions=CancelRestrictions.ONLY_NEW,
    ) == {
        "symbol": "A",
        "orderId": 1,
        "origClientOrderId": "c",
        "newClientOrderId": "d",
        "cancelRestrictions": "ONLY_NEW",
    }
    for build in (query_order, cancel_order):
        with pytest.raises(ValueError, match="give one of them"):
            build(symbol="A")


def test_an_amend_names_the_order_the_quantity_and_the_name_that_stays() -> None:
    assert amend_order(
        symbol="A", client_order_id="c", new_quantity=Decimal("0.50000000"), new_client_order_id="c"
    ) == {"symbol": "A", "origClientOrderId": "c", "newQty": "0.50000000", "newClientOrderId": "c"}
    assert amend_order(symbol="A", order_id=1, new_quantity=Decimal("1E-3")) == {
        "symbol": "A",
        "orderId": 1,
        "newQty": "0.001",
    }


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"order_id": None}, "give one of them"),
        ({"new_quantity": Decimal(0)}, "new_quantity is 0: .*cancel the order instead"),
        ({"new_quantity": Decimal(-1)}, "new_quantity is -1"),
        ({"new_client_order_id": "a b"}, "client order id"),
        ({"client_order_id": "a b"}, "client order id"),
    ],
)
def test_an_amend_that_the_exchange_must_refuse_is_refused_here(changes: dict[str, Any], says: str) -> None:
    amend: dict[str, Any] = {"symbol": "A", "order_id": 1, "new_quantity": Decimal(1), **changes}
    with pytest.raises(ValueError, match=says):
        amend_order(**amend)


def test_an_amend_takes_no_float() -> None:
    with pytest.raises(TypeError, match=r'new_quantity must be a Decimal.*Decimal\("0\.1"\)'):
        amend_order(symbol="A", order_id=1, new_quantity=0.1)  # type: ignore[arg-type] # the mistake under test


def test_a_cancel_replace_is_a_placing_with_the_order_to_cancel() -> None:
    placing = limit_order(client_order_id="dw-a-b-1-2")
    params = cancel_replace_order(
        placing,
        mode=CancelReplaceMode.STOP_ON_FAILURE,
        cancel_order_id=7,
        cancel_client_order_id="dw-a-b-1-1",
        cancel_new_client_order_id="dx-a-b-1-1",
        cancel_restrictions=CancelRestrictions.ONLY_NEW,
    )
    assert params == {
        **placing,
        "cancelReplaceMode": "STOP_ON_FAILURE",
        "cancelOrderId": 7,
        "cancelOrigClientOrderId": "dw-a-b-1-1",
        "cancelNewClientOrderId": "dx-a-b-1-1",
        "cancelRestrictions": "ONLY_NEW",
    }
    assert "cancelReplaceMode" not in placing, "what it was made of is not changed"
    short = cancel_replace_order(placing, mode=CancelReplaceMode.ALLOW_FAILURE, cancel_order_id=7)
    assert short == {**placing, "cancelReplaceMode": "ALLOW_FAILURE", "cancelOrderId": 7}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"cancel_order_id": None}, "give one of them"),
        ({"cancel_client_order_id": "a b"}, "client order id"),
        ({"cancel_new_client_order_id": ""}, "client order id"),
        ({"mode": CancelReplaceMode("WHATEVER")}, "CancelReplaceMode has no WHATEVER: use one of STOP_ON_FAILURE"),
    ],
)
def test_a_cancel_replace_that_names_no_order_or_mode_is_refused(changes: dict[str, Any], says: str) -> None:
    replace: dict[str, Any] = {"mode": CancelReplaceMode.ALLOW_FAILURE, "cancel_order_id": 1, **changes}
    with pytest.raises(ValueError, match=says):
        cancel_replace_order(limit_order(), **replace)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (cancel_open_orders(symbol="A"), {"symbol": "A"}),
        (query_open_orders(), {}),
        (query_open_orders(symbol="A"), {"symbol": "A"}),
        (query_all_orders(symbol="A", order_id=5, limit=1000), {"symbol": "A", "orderId": 5, "limit": 1000}),
        (
            query_all_orders(symbol="A", start_time_ms=0, end_time_ms=2),
            {"symbol": "A", "startTime": 0, "endTime": 2},
        ),
        (query_trades(symbol="A", order_id=5, from_id=0), {"symbol": "A", "orderId": 5, "fromId": 0}),
        (query_trades(symbol="A", start_time_ms=1, end_time_ms=2), {"symbol": "A", "startTime": 1, "endTime": 2}),
        (query_account(), {"omitZeroBalances": True}),
        (query_exchange_info(), {}),
        (query_exchange_info(symbols=("A", "B")), {"symbols": ["A", "B"]}),
        (unsubscribe_user_data(), {}),
        (unsubscribe_user_data(subscription_id=0), {"subscriptionId": 0}),
    ],
)
def test_queries_send_what_was_given_and_nothing_else(params: Params, expected: Params) -> None:
    assert params == expected


@pytest.mark.parametrize(
    "build",
    [
        lambda: query_all_orders(symbol="A", limit=0),
        lambda: query_trades(symbol="A", limit=1001),
        lambda: query_trades(symbol="A", from_id=1, start_time_ms=1),
    ],
)
def test_queries_outside_of_what_the_exchange_takes_are_refused(build: Callable[[], Params]) -> None:
    with pytest.raises(ValueError, match=r"limit is|exclude each other"):
        build()


def test_a_request_is_stamped_without_changing_what_it_was_made_of() -> None:
    params = query_order(symbol="A", order_id=1)
    assert stamp(params, timestamp_ms=7, recv_window_ms=60_000) == {**params, "timestamp": 7, "recvWindow": 60_000}
    assert stamp(params, timestamp_ms=7) == {**params, "timestamp": 7}
    assert "timestamp" not in params
    for wrong in (0, -1, 60_001):
        with pytest.raises(ValueError, match="recv_window_ms"):
            stamp(params, timestamp_ms=7, recv_window_ms=wrong)


def test_a_frame_is_the_json_that_the_exchange_reads() -> None:
    assert encode_request(1, Method.ORDER_PLACE, {"symbol": "１２３"}).decode() == (
        '{"id":1,"method":"order.place","params":{"symbol":"１２３"}}'
    )
    assert encode_request("a-1", "time") == b'{"id":"a-1","method":"time"}'
    assert json.loads(encode_request(2, Method.PING, {})) == {"id": 2, "method": "ping"}


@pytest.mark.parametrize("request_id", ["", "a" * 37, "a b", "ü", "a\n"])
def test_an_id_that_would_lose_its_answer_is_refused(request_id: str) -> None:
    with pytest.raises(ValueError, match="request id"):
        encode_request(request_id, Method.TIME)


def test_a_stream_request_is_what_the_streams_read() -> None:
    assert json.loads(encode_stream_request(3, "SUBSCRIBE", ["a@trade"])) == {
        "method": "SUBSCRIBE",
        "params": ["a@trade"],
        "id": 3,
    }
    assert json.loads(encode_stream_request(4, "LIST_SUBSCRIPTIONS")) == {"method": "LIST_SUBSCRIPTIONS", "id": 4}


def test_each_method_knows_what_it_demands() -> None:
    demands = {method: method.security for method in Method}
    assert {method for method, security in demands.items() if security is Security.NONE} == {
        "ping",
        "time",
        "exchangeInfo",
        "session.status",
        "session.logout",
        "userDataStream.unsubscribe",
    }
    assert {method for method in Method if method.security is Security.SIGNED} == {
        "session.logon",
        "userDataStream.subscribe.signature",
    }
    assert not Method.USER_DATA_STREAM_SUBSCRIBE.security.needs_timestamp
    assert {method for method in Method if method.security is Security.TRADE} == {
        "order.place",
        "order.test",
        "order.cancel",
        "order.cancelReplace",
        "order.amend.keepPriority",
        "openOrders.cancelAll",
    }
