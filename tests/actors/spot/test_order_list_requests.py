"""Order lists as requests: each leg has the rules of its type, under names of its own."""

from decimal import Decimal
from typing import Any

import pytest

from dogwatch.actors.spot.enums import OrderType, Side, TimeInForce
from dogwatch.actors.spot.methods import Params
from dogwatch.actors.spot.order_list_requests import (
    OrderListCancel,
    OrderListPlace,
    OrderListPlaceOco,
    OrderListPlaceOpo,
    OrderListPlaceOpoco,
    OrderListPlaceOto,
    OrderListPlaceOtoco,
)

OCO: dict[str, Any] = {
    "symbol": "A",
    "side": Side.SELL,
    "quantity": 1,
    "above_type": OrderType.LIMIT_MAKER,
    "above_price": Decimal("1.2"),
    "below_type": OrderType.STOP_LOSS_LIMIT,
    "below_stop_price": Decimal("0.9"),
    "below_price": Decimal("0.8"),
    "below_time_in_force": TimeInForce.GTC,
}
WORKING: dict[str, Any] = {
    "symbol": "A",
    "working_type": OrderType.LIMIT,
    "working_side": Side.BUY,
    "working_price": 1,
    "working_quantity": 2,
    "working_time_in_force": TimeInForce.GTC,
    "pending_side": Side.SELL,
}
ONE = {**WORKING, "pending_type": OrderType.MARKET}
TWO = {
    **WORKING,
    "pending_above_type": OrderType.LIMIT_MAKER,
    "pending_above_price": 3,
    "pending_below_type": OrderType.STOP_LOSS,
    "pending_below_stop_price": Decimal("0.5"),
}
OLD: dict[str, Any] = {"symbol": "A", "side": Side.SELL, "quantity": 1, "price": 3, "stop_price": 2}


def test_an_oco_has_two_legs_and_one_quantity() -> None:
    assert OrderListPlaceOco(**OCO).params() == {
        "symbol": "A",
        "side": "SELL",
        "quantity": "1",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "1.2",
        "belowType": "STOP_LOSS_LIMIT",
        "belowStopPrice": "0.9",
        "belowPrice": "0.8",
        "belowTimeInForce": "GTC",
    }


def test_a_pending_order_has_a_quantity_unless_the_working_one_brings_it() -> None:
    oto: Params = OrderListPlaceOto(**ONE, pending_quantity=Decimal("1.50")).params()
    opo: Params = OrderListPlaceOpo(**ONE).params()
    assert oto == {**opo, "pendingQuantity": "1.50"}
    otoco: Params = OrderListPlaceOtoco(**TWO, pending_quantity=1).params()
    opoco: Params = OrderListPlaceOpoco(**TWO).params()
    assert otoco == {**opoco, "pendingQuantity": "1"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"above_type": OrderType.LIMIT}, "above_type cannot be LIMIT: use one of LIMIT_MAKER, STOP_LOSS"),
        ({"above_price": None}, "LIMIT_MAKER order needs above_price"),
        ({"above_stop_price": 1}, "does not take above_stop_price"),
        ({"below_stop_price": None}, "needs below_stop_price, below_trailing_delta or both"),
        ({"below_time_in_force": None}, "STOP_LOSS_LIMIT order needs below_time_in_force"),
        ({"below_iceberg_qty": 1, "below_time_in_force": TimeInForce.FOK}, "use GTC, not FOK"),
    ],
)
def test_each_leg_of_an_oco_is_checked_by_its_type(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        OrderListPlaceOco(**{**OCO, **changes}).params()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"working_type": OrderType.MARKET}, "working_type cannot be MARKET: use one of LIMIT, LIMIT_MAKER"),
        ({"working_time_in_force": None}, "LIMIT order needs working_time_in_force"),
        ({"pending_price": 1}, "MARKET order does not take pending_price"),
        ({"pending_type": OrderType.LIMIT}, "LIMIT order needs pending_price, pending_time_in_force"),
    ],
)
def test_working_and_pending_orders_are_checked_by_their_types(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        OrderListPlaceOto(**{**ONE, **changes}, pending_quantity=1).params()
    with pytest.raises(ValueError, match=says):
        OrderListPlaceOpo(**{**ONE, **changes}).params()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pending_above_price": None}, "LIMIT_MAKER order needs pending_above_price"),
        ({"pending_below_price": 1}, "STOP_LOSS order does not take pending_below_price"),
        ({"pending_below_type": OrderType.MARKET}, "pending_below_type cannot be MARKET"),
    ],
)
def test_both_pending_orders_are_checked_by_their_types(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        OrderListPlaceOtoco(**{**TWO, **changes}, pending_quantity=1).params()
    with pytest.raises(ValueError, match=says):
        OrderListPlaceOpoco(**{**TWO, **changes}).params()


def test_the_old_oco_is_a_limit_order_and_a_stop() -> None:
    assert OrderListPlace(**OLD).params() == {
        "symbol": "A",
        "side": "SELL",
        "price": "3",
        "quantity": "1",
        "stopPrice": "2",
    }
    with pytest.raises(ValueError, match="stop_price or trailing_delta must be given"):
        OrderListPlace(**{**OLD, "stop_price": None}).params()
    with pytest.raises(ValueError, match="go together"):
        OrderListPlace(**OLD, stop_limit_price=1).params()


def test_a_list_is_canceled_by_either_id() -> None:
    assert OrderListCancel(symbol="A", order_list_id=0).params() == {"symbol": "A", "orderListId": 0}
    assert OrderListCancel(symbol="A", list_client_order_id="l").params() == {"symbol": "A", "listClientOrderId": "l"}
    with pytest.raises(ValueError, match="order_list_id or list_client_order_id must be given"):
        OrderListCancel(symbol="A").params()
