"""What each request costs, as it stands with each method in the exchange's documentation."""

import pytest

from dogwatch.actors.spot.methods import Method, Params
from dogwatch.actors.spot.request_costs import Priority, cost_of
from dogwatch.actors.spot.requests import DECLARATIONS

TABLE: list[tuple[Method, Params, int, int, bool, Priority]] = [
    (Method.PING, {}, 1, 0, False, Priority.CANCEL),
    (Method.TIME, {}, 1, 0, False, Priority.CANCEL),
    (Method.SESSION_LOGON, {}, 2, 0, False, Priority.CANCEL),
    (Method.SESSION_STATUS, {}, 2, 0, False, Priority.CANCEL),
    (Method.SESSION_LOGOUT, {}, 2, 0, False, Priority.CANCEL),
    (Method.USER_DATA_STREAM_SUBSCRIBE, {}, 2, 0, False, Priority.CANCEL),
    (Method.USER_DATA_STREAM_SUBSCRIBE_SIGNATURE, {}, 2, 0, False, Priority.CANCEL),
    (Method.USER_DATA_STREAM_UNSUBSCRIBE, {}, 2, 0, False, Priority.CANCEL),
    (Method.ORDER_CANCEL, {"symbol": "BTCUSDT"}, 1, 0, True, Priority.CANCEL),
    (Method.OPEN_ORDERS_CANCEL_ALL, {"symbol": "BTCUSDT"}, 1, 0, True, Priority.CANCEL),
    (Method.EXCHANGE_INFO, {}, 20, 0, False, Priority.QUERY),
    (Method.ORDER_STATUS, {"symbol": "BTCUSDT"}, 4, 0, False, Priority.QUERY),
    (Method.OPEN_ORDERS_STATUS, {}, 80, 0, False, Priority.QUERY),
    (Method.OPEN_ORDERS_STATUS, {"symbol": "BTCUSDT"}, 6, 0, False, Priority.QUERY),
    (Method.ALL_ORDERS, {"symbol": "BTCUSDT"}, 20, 0, False, Priority.QUERY),
    (Method.MY_TRADES, {"symbol": "BTCUSDT"}, 20, 0, False, Priority.QUERY),
    (Method.MY_TRADES, {"symbol": "BTCUSDT", "orderId": 7}, 5, 0, False, Priority.QUERY),
    (Method.ACCOUNT_STATUS, {}, 20, 0, False, Priority.QUERY),
    (Method.ORDER_PLACE, {"symbol": "BTCUSDT"}, 1, 1, True, Priority.PLACE),
    (Method.ORDER_CANCEL_REPLACE, {"symbol": "BTCUSDT"}, 1, 1, True, Priority.PLACE),
    (Method.ORDER_AMEND, {"symbol": "BTCUSDT"}, 4, 0, False, Priority.PLACE),
    (Method.ORDER_TEST, {"symbol": "BTCUSDT"}, 1, 0, False, Priority.PLACE),
    (Method.ORDER_TEST, {"computeCommissionRates": True}, 20, 0, False, Priority.PLACE),
]

CONSTANT = {method for method, declaration in DECLARATIONS.items() if isinstance(declaration.weight, int)}


@pytest.mark.parametrize(("method", "params", "weight", "orders", "is_free", "priority"), TABLE)
def test_a_request_costs_what_the_documentation_says(
    method: Method, params: Params, weight: int, orders: int, is_free: bool, priority: Priority
) -> None:
    cost = cost_of(method, params)
    assert (cost.weight, cost.orders, cost.is_free, cost.priority) == (weight, orders, is_free, priority)
    assert cost.amounts[2] == 1


@pytest.mark.parametrize("method", Method)
def test_every_method_has_a_cost(method: Method) -> None:
    assert cost_of(method, {}).weight > 0


def test_a_cost_that_depends_on_nothing_is_not_reckoned_again() -> None:
    for method in CONSTANT:
        assert cost_of(method, {}) is cost_of(method, {"symbol": "BTCUSDT"})


def test_a_call_may_be_put_into_another_lane() -> None:
    cost = cost_of(Method.MY_TRADES, {"symbol": "BTCUSDT"}, Priority.BULK)
    assert (cost.weight, cost.priority) == (20, Priority.BULK)
