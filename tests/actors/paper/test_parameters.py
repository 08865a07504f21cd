"""Malformed requests, each with the code and the words of the exchange's own refusal (errors.md, 11xx)."""

from decimal import Decimal
from typing import Any

import pytest

from dogwatch.actors.paper.engine_errors import EngineError, unsupported_method
from dogwatch.actors.paper.parameters import Parameters, read_placement

LIMIT: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "price": "98",
    "quantity": "1",
}
MARKET: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
MAKER: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "price": "98", "quantity": "1"}
GONE = object()


def mandatory(name: str) -> str:
    return f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."


def unwanted(name: str) -> str:
    return f"Parameter '{name}' sent when not required."


@pytest.mark.parametrize(
    ("base", "changes", "code", "text"),
    [
        (LIMIT, {"symbol": GONE}, -1102, mandatory("symbol")),
        (LIMIT, {"symbol": None}, -1102, mandatory("symbol")),
        (LIMIT, {"side": GONE}, -1102, mandatory("side")),
        (LIMIT, {"type": GONE}, -1102, mandatory("type")),
        (LIMIT, {"timeInForce": GONE}, -1102, mandatory("timeInForce")),
        (LIMIT, {"price": GONE}, -1102, mandatory("price")),
        (LIMIT, {"quantity": GONE}, -1102, mandatory("quantity")),
        (MAKER, {"price": GONE}, -1102, mandatory("price")),
        (MARKET, {"quantity": GONE}, -1102,
         "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"),
        (LIMIT, {"foo": "1"}, -1104, "Not all sent parameters were read; read '6' parameter(s) but was sent '7'."),
        (LIMIT, {"price": ""}, -1105, "Parameter 'price' was empty."),
        (LIMIT, {"side": ""}, -1105, "Parameter 'side' was empty."),
        (MARKET, {"price": "98"}, -1106, unwanted("price")),
        (MARKET, {"timeInForce": "GTC"}, -1106, unwanted("timeInForce")),
        (MARKET, {"icebergQty": "1"}, -1106, unwanted("icebergQty")),
        (MAKER, {"timeInForce": "GTC"}, -1106, unwanted("timeInForce")),
        (LIMIT, {"stopPrice": "97"}, -1106, unwanted("stopPrice")),
        (LIMIT, {"trailingDelta": 10}, -1106, unwanted("trailingDelta")),
        (LIMIT, {"quoteOrderQty": "97"}, -1106, unwanted("quoteOrderQty")),
        (LIMIT, {"strategyId": 2**63}, -1108, "Parameter 'strategyId' overflowed."),
        (LIMIT, {"quantity": "92233720369"}, -1108, "Parameter 'quantity' overflowed."),
        (LIMIT, {"price": "98.000000001"}, -1111, "Parameter 'price' has too much precision."),
        (LIMIT, {"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
        (LIMIT, {"type": "OCO"}, -1116, "Invalid orderType."),
        (LIMIT, {"side": "buy"}, -1117, "Invalid side."),
        (LIMIT, {"side": 1}, -1117, "Invalid side."),
        (MARKET, {"quoteOrderQty": "10"}, -1128, "Combination of optional parameters invalid."),
        (LIMIT, {"newOrderRespType": "LONG"}, -1130, "Data sent for parameter 'newOrderRespType' is not valid."),
        (LIMIT, {"strategyType": 999_999}, -1134, "`strategyType` was less than 1000000."),
        (LIMIT, {"pegPriceType": "BEST"}, -1210, "Invalid pegPriceType."),
        (LIMIT, {"pegOffsetType": "TICKS", "pegOffsetValue": 1}, -1211, "Invalid pegOffsetType."),
        (LIMIT, {"pegOffsetValue": 1}, -1128, "Combination of optional parameters invalid."),
    ],
)  # fmt: skip
def test_a_malformed_order_is_refused(base: dict[str, Any], changes: dict[str, Any], code: int, text: str) -> None:
    params = {name: value for name, value in (base | changes).items() if value is not GONE}
    with pytest.raises(EngineError) as refused:
        read_placement(Parameters("order.place", params))
    assert (refused.value.code, refused.value.msg, refused.value.status) == (code, text, 400)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("symbol", "btcusdt"),
        ("symbol", ["BTCUSDT"]),
        ("price", "1e3"),
        ("price", 1e-7),
        ("price", "-98"),
        ("price", "+98"),
        ("price", "98."),
        ("price", ".5"),
        ("price", " 98"),
        ("price", "NaN"),
        ("price", True),
        ("price", "1" * 21),
        ("price", "٩٨"),
        ("newClientOrderId", "a" * 37),
        ("newClientOrderId", "a b"),
        ("newClientOrderId", "a\n"),
        ("strategyId", "1.5"),
        ("strategyId", -1),
    ],
)
def test_illegal_characters_are_named_with_the_legal_range(name: str, value: object) -> None:
    with pytest.raises(EngineError) as refused:
        read_placement(Parameters("order.place", LIMIT | {name: value}))
    assert refused.value.code == -1100
    assert refused.value.msg.startswith(f"Illegal characters found in parameter '{name}'; legal range is '^")


@pytest.mark.parametrize("value", ["0.5", "0.50000000", 0.5, "000.5"])
def test_decimals_may_come_as_text_or_as_number(value: object) -> None:
    assert read_placement(Parameters("order.place", LIMIT | {"quantity": value})).quantity == Decimal("0.5")


def test_security_parameters_may_be_left_in_and_nulls_count_as_absent() -> None:
    security = {"apiKey": "k", "signature": "s", "timestamp": 1, "recvWindow": 5000}
    placement = read_placement(Parameters("order.place", LIMIT | security | {"newClientOrderId": None}))
    assert placement.client_order_id is None


@pytest.mark.parametrize(("base", "form"), [(LIMIT, "FULL"), (MARKET, "FULL"), (MAKER, "ACK")])
def test_the_reply_s_form_depends_on_the_type_when_it_is_not_asked_for(base: dict[str, Any], form: str) -> None:
    assert read_placement(Parameters("order.place", base)).response_type == form


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("orderList.place.oco", -2010),
        ("orderList.place.otoco", -2010),
        ("sor.order.place", -2010),
    ],
)
def test_a_feature_that_no_symbol_has_is_refused_in_words(method: str, code: int) -> None:
    error = unsupported_method(method)
    assert error is not None
    assert error.code == code
    assert error.msg


def test_other_methods_are_not_refused() -> None:
    assert unsupported_method("order.place") is None
