"""Orders as requests: what each type needs and takes, and what the exchange would refuse for certain."""

from decimal import Decimal
from typing import Any

import pytest

from dogwatch.actors.spot.enums import (
    CancelReplaceMode,
    CancelRestrictions,
    OrderRateLimitExceededMode,
    OrderType,
    PegOffsetType,
    PegPriceType,
    ResponseType,
    SelfTradePreventionMode,
    Side,
    TimeInForce,
)
from dogwatch.actors.spot.methods import Params
from dogwatch.actors.spot.order_requests import (
    OpenOrdersCancelAll,
    OrderAmendKeepPriority,
    OrderCancel,
    OrderCancelReplace,
    OrderPlace,
    OrderTest,
    SorOrderPlace,
)

LIMIT: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "side": Side.SELL,
    "type": OrderType.LIMIT,
    "time_in_force": TimeInForce.GTC,
    "quantity": Decimal("0.01000000"),
    "price": Decimal("52000.00"),
}
STOP = {"type": OrderType.STOP_LOSS, "time_in_force": None, "price": None}
MARKET = {"type": OrderType.MARKET, "time_in_force": None, "price": None}
PEG: dict[str, Any] = {"price": None, "peg_price_type": PegPriceType.PRIMARY_PEG}


def placing(**changes: Any) -> Params:
    return OrderPlace(**{**LIMIT, **changes}).params()


def test_a_limit_order_has_the_exchanges_names() -> None:
    assert placing(
        new_client_order_id="dw-a-b-1-2",
        new_order_resp_type=ResponseType.FULL,
        iceberg_qty=Decimal("0.001"),
        self_trade_prevention_mode=SelfTradePreventionMode.EXPIRE_MAKER,
        strategy_id=1,
        strategy_type=1_000_000,
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
        "strategyType": 1_000_000,
    }


def test_what_is_sent_is_plain_text_not_an_enumeration() -> None:
    assert {type(value) for value in placing().values()} == {str}


def test_market_orders_take_one_of_two_quantities() -> None:
    assert placing(**MARKET)["quantity"] == "0.01000000"
    assert placing(**MARKET, quantity=None, quote_order_qty=Decimal(10)) == {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "MARKET",
        "quoteOrderQty": "10",
    }


def test_stop_orders_take_a_stop_price_or_a_trailing_delta_or_both() -> None:
    assert placing(**STOP, stop_price=Decimal(50000))["stopPrice"] == "50000"
    assert placing(**STOP, trailing_delta=100)["trailingDelta"] == 100
    both = placing(type=OrderType.TAKE_PROFIT_LIMIT, stop_price=Decimal(1), trailing_delta=1)
    assert {"stopPrice", "trailingDelta", "price", "timeInForce"} <= set(both)


def test_a_pegged_order_needs_no_price_and_may_have_one() -> None:
    assert "price" not in placing(**PEG)
    assert placing(peg_price_type=PegPriceType.MARKET_PEG, time_in_force=TimeInForce.IOC)["price"] == "52000.00"
    deeper = placing(**PEG, peg_offset_type=PegOffsetType.PRICE_LEVEL, peg_offset_value=3)
    assert (deeper["pegOffsetType"], deeper["pegOffsetValue"]) == ("PRICE_LEVEL", 3)
    maker = placing(**PEG, type=OrderType.LIMIT_MAKER, time_in_force=None)
    assert maker["pegPriceType"] == "PRIMARY_PEG"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"price": None}, "LIMIT order needs price"),
        ({"quantity": None}, "LIMIT order needs quantity"),
        ({"time_in_force": None}, "LIMIT order needs time_in_force"),
        ({"stop_price": Decimal(1)}, "does not take stop_price"),
        ({"quote_order_qty": Decimal(1)}, "does not take quote_order_qty"),
        ({"type": OrderType.LIMIT_MAKER}, "does not take time_in_force"),
        ({"type": OrderType.MARKET}, "does not take price"),
        ({**MARKET, "quantity": None}, "one of quantity, quote_order_qty must be given"),
        ({**MARKET, "quote_order_qty": Decimal(1)}, "quantity and quote_order_qty exclude each other"),
        (STOP, "needs stop_price, trailing_delta"),
        ({**STOP, "stop_price": 1, "quantity": None}, "STOP_LOSS order needs quantity"),
        ({"type": OrderType("NEW_TYPE")}, "OrderType has no NEW_TYPE"),
        ({"time_in_force": TimeInForce("GTX")}, "TimeInForce has no GTX: use one of GTC, IOC, FOK"),
        ({"new_client_order_id": "a" * 37}, "new_client_order_id"),
        ({"quantity": Decimal(-1)}, "quantity is -1"),
        ({"strategy_type": 999_999}, "strategy_type is 999999: the exchange takes 1000000 or more"),
        ({"iceberg_qty": Decimal("0.001"), "time_in_force": TimeInForce.IOC}, "use GTC, not IOC"),
        ({**PEG, "time_in_force": TimeInForce.IOC}, "use GTC, not IOC"),
        ({**PEG, "quantity": None}, "LIMIT order needs quantity"),
        ({**PEG, "peg_offset_value": 1}, "peg_offset_type and peg_offset_value go together"),
        ({**PEG, "peg_offset_value": 101}, "peg_offset_value is 101"),
        ({"peg_offset_value": 1, "peg_offset_type": PegOffsetType.PRICE_LEVEL}, "needs peg_price_type"),
        (
            {"type": OrderType.LIMIT_MAKER, "time_in_force": None, "peg_price_type": PegPriceType.MARKET_PEG},
            "use PRIMARY_PEG",
        ),
        ({**MARKET, "peg_price_type": PegPriceType.MARKET_PEG}, "does not take peg_price_type"),
    ],
)
def test_an_order_that_the_exchange_must_refuse_is_refused_here(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        placing(**changes)
    with pytest.raises(ValueError, match=says):
        OrderTest(**{**LIMIT, **changes}).params()


def test_an_order_can_be_tested_with_the_commission_it_would_pay() -> None:
    assert OrderTest(**LIMIT, compute_commission_rates=True).params() == {**placing(), "computeCommissionRates": True}


def test_orders_are_canceled_by_either_id() -> None:
    assert OrderCancel(
        symbol="A",
        order_id=1,
        orig_client_order_id="c",
        new_client_order_id="d",
        cancel_restrictions=CancelRestrictions.ONLY_NEW,
    ).params() == {
        "symbol": "A",
        "orderId": 1,
        "origClientOrderId": "c",
        "newClientOrderId": "d",
        "cancelRestrictions": "ONLY_NEW",
    }
    with pytest.raises(ValueError, match="order_id or orig_client_order_id must be given"):
        OrderCancel(symbol="A").params()
    assert OpenOrdersCancelAll(symbol="A").params() == {"symbol": "A"}


def test_an_amend_names_the_order_the_quantity_and_the_name_that_stays() -> None:
    assert OrderAmendKeepPriority(
        symbol="A", orig_client_order_id="c", new_qty=Decimal("0.50000000"), new_client_order_id="c"
    ).params() == {"symbol": "A", "origClientOrderId": "c", "newQty": "0.50000000", "newClientOrderId": "c"}
    assert OrderAmendKeepPriority(symbol="A", order_id=1, new_qty=Decimal("1E-3")).params() == {
        "symbol": "A",
        "orderId": 1,
        "newQty": "0.001",
    }


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"order_id": None}, "order_id or orig_client_order_id must be given"),
        ({"new_qty": Decimal(0)}, r"new_qty is 0: .*cancel the order instead"),
        ({"new_qty": Decimal(-1)}, "new_qty is -1"),
        ({"new_client_order_id": "a b"}, "new_client_order_id"),
        ({"orig_client_order_id": "a b"}, "orig_client_order_id"),
    ],
)
def test_an_amend_that_the_exchange_must_refuse_is_refused_here(changes: dict[str, Any], says: str) -> None:
    amend: dict[str, Any] = {"symbol": "A", "order_id": 1, "new_qty": Decimal(1), **changes}
    with pytest.raises(ValueError, match=says):
        OrderAmendKeepPriority(**amend).params()


def test_an_amend_takes_no_float() -> None:
    with pytest.raises(TypeError, match=r'new_qty must be a Decimal.*Decimal\("0\.1"\)'):
        OrderAmendKeepPriority(symbol="A", order_id=1, new_qty=0.1).params()  # type: ignore[arg-type] # the mistake


def test_a_cancel_replace_is_a_placing_with_the_order_to_cancel() -> None:
    replacing = OrderCancelReplace(
        **LIMIT,
        new_client_order_id="dw-a-b-1-2",
        cancel_replace_mode=CancelReplaceMode.STOP_ON_FAILURE,
        cancel_order_id=7,
        cancel_orig_client_order_id="dw-a-b-1-1",
        cancel_new_client_order_id="dx-a-b-1-1",
        cancel_restrictions=CancelRestrictions.ONLY_NEW,
        order_rate_limit_exceeded_mode=OrderRateLimitExceededMode.CANCEL_ONLY,
    )
    assert replacing.params() == {
        **placing(new_client_order_id="dw-a-b-1-2"),
        "cancelReplaceMode": "STOP_ON_FAILURE",
        "cancelOrderId": 7,
        "cancelOrigClientOrderId": "dw-a-b-1-1",
        "cancelNewClientOrderId": "dx-a-b-1-1",
        "cancelRestrictions": "ONLY_NEW",
        "orderRateLimitExceededMode": "CANCEL_ONLY",
    }


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"cancel_order_id": None}, "cancel_order_id or cancel_orig_client_order_id must be given"),
        ({"cancel_orig_client_order_id": "a b"}, "cancel_orig_client_order_id"),
        ({"cancel_new_client_order_id": ""}, "cancel_new_client_order_id"),
        ({"cancel_replace_mode": CancelReplaceMode("WHATEVER")}, "CancelReplaceMode has no WHATEVER: use one of STOP"),
        ({"price": None}, "LIMIT order needs price"),
    ],
)
def test_a_cancel_replace_that_names_no_order_or_mode_is_refused(changes: dict[str, Any], says: str) -> None:
    replacing: dict[str, Any] = {**LIMIT, "cancel_replace_mode": CancelReplaceMode.ALLOW_FAILURE, "cancel_order_id": 1}
    with pytest.raises(ValueError, match=says):
        OrderCancelReplace(**{**replacing, **changes}).params()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"type": OrderType.LIMIT_MAKER, "time_in_force": None},
            "cannot be LIMIT_MAKER: use one of LIMIT, MARKET",
        ),
        ({"price": None}, "LIMIT order needs price"),
        ({"type": OrderType.MARKET}, "does not take price"),
    ],
)
def test_only_limit_and_market_orders_are_routed(changes: dict[str, Any], says: str) -> None:
    assert SorOrderPlace(**LIMIT).params() == placing()
    with pytest.raises(ValueError, match=says):
        SorOrderPlace(**{**LIMIT, **changes}).params()
