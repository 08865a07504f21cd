"""Client and paper exchange agree on every result: what the one sends, the other reads by its request's declaration and
writes back as it was, and nothing of it is unread."""

import json
from decimal import Decimal
from typing import Any

import pytest

from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.symbol_filters import ExchangeFilters
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.requests import request_of
from dogwatch.actors.spot.wire_form import wire_form
from tests.actors.paper.visitor import Visitor
from tests.conformance.test_paper_answers import LIMIT, MARKET, SYMBOL, open_market

pytestmark = pytest.mark.usefixtures("virtual_clock")

RULES = {
    "reference_price": Decimal(100),
    "price_range_bid_up": Decimal("1.5"),
    "price_range_ask_down": Decimal("0.5"),
    "multiplier_up": Decimal(5),
    "multiplier_down": Decimal("0.2"),
    "min_notional": Decimal(1),
    "iceberg_orders_max": 5,
    "position_max": Decimal(1_000_000),
}
CONFIG = PaperConfig(
    filters={SYMBOL: RULES},
    exchange_filters=ExchangeFilters(
        orders_max=1000,
        algo_orders_max=200,
        iceberg_orders_max=10,
        order_lists_max=20,
        asset_max={"USDT": Decimal(10_000_000)},
    ),
)
"""Every filter and rule that there is."""

BOTH = ["BTCUSDT", "ETHUSDT"]
TYPES = ("FULL", "MINI")
TICKERS = ("ticker.24hr", "ticker.tradingDay", "ticker")
SHORT = ("ticker.price", "ticker.book")

# In this order: what is asked later has something to tell by then.
SIGNED: list[tuple[str, dict[str, Any]]] = [
    ("order.place", LIMIT),
    ("order.place", {**LIMIT, "newOrderRespType": "ACK", "strategyId": 1, "strategyType": 1_000_000}),
    ("order.place", {**LIMIT, "newOrderRespType": "RESULT"}),
    ("order.place", MARKET),
    ("order.place", {**LIMIT, "price": "101", "timeInForce": "IOC", "quantity": "9"}),
    ("order.place", {**LIMIT, "side": "SELL", "price": "99", "selfTradePreventionMode": "EXPIRE_BOTH"}),
    ("order.place", LIMIT),
    ("order.place", LIMIT),
    ("order.test", LIMIT),
    ("order.test", {**LIMIT, "computeCommissionRates": True}),
    ("account.status", {}),
    ("openOrders.status", {"symbol": SYMBOL}),
    ("order.status", {"symbol": SYMBOL, "orderId": 1}),
    ("allOrders", {"symbol": SYMBOL}),
    ("myTrades", {"symbol": SYMBOL}),
    ("myPreventedMatches", {"symbol": SYMBOL, "orderId": 6}),
    ("myAllocations", {"symbol": SYMBOL}),
    ("myFilters", {"symbol": SYMBOL}),
    ("account.rateLimits.orders", {}),
    ("account.commission", {"symbol": SYMBOL}),
    ("order.amend.keepPriority", {"symbol": SYMBOL, "orderId": 2, "newQty": "0.5"}),
    ("order.amendments", {"symbol": SYMBOL, "orderId": 2}),
    ("order.cancelReplace", {**LIMIT, "cancelOrderId": 2, "cancelReplaceMode": "STOP_ON_FAILURE"}),
    ("order.cancel", {"symbol": SYMBOL, "orderId": 7}),
    ("openOrders.cancelAll", {"symbol": SYMBOL}),
]
UNSIGNED: list[tuple[str, Any]] = [
    ("ping", None),
    ("time", None),
    ("exchangeInfo", None),
    ("executionRules", {"symbols": BOTH}),
    ("depth", {"symbol": SYMBOL}),
    ("trades.recent", {"symbol": SYMBOL}),
    ("trades.historical", {"symbol": SYMBOL, "fromId": 0}),
    ("trades.aggregate", {"symbol": SYMBOL}),
    ("blockTrades.historical", {"symbol": SYMBOL, "fromId": 0}),
    ("klines", {"symbol": SYMBOL, "interval": "1m"}),
    ("uiKlines", {"symbol": SYMBOL, "interval": "1m"}),
    ("avgPrice", {"symbol": SYMBOL}),
    *((method, {"symbol": SYMBOL, "type": type_}) for method in TICKERS for type_ in TYPES),
    *((method, {"symbols": BOTH, "type": type_}) for method in TICKERS for type_ in TYPES),
    *((method, {name: symbols}) for method in SHORT for name, symbols in (("symbol", SYMBOL), ("symbols", BOTH))),
    ("referencePrice", {"symbol": SYMBOL}),
    ("referencePrice.calculation", {"symbol": SYMBOL}),
    ("session.status", None),
    ("userDataStream.subscribe", None),
    ("session.subscriptions", None),
    ("userDataStream.unsubscribe", None),
    ("session.logout", None),
]


def assert_agreed(method: str, reply: Any) -> None:
    result = reply["result"]
    value = request_of(Method(method)).decode(json.dumps(result).encode())
    assert "Unknown" not in repr(value), "filters and rules are known"
    form = wire_form(value)
    if isinstance(value, tuple) and isinstance(result, dict):
        [form] = form
    assert json.dumps(form, sort_keys=True) == json.dumps(result, sort_keys=True), method


async def answer_to(visitor: Visitor, method: str, params: Any) -> Any:
    """Its answer; the notice that a subscription ends may come before it."""
    reply = await visitor.ask(method, params)
    while "event" in reply:
        reply = await visitor.hear()
    assert reply["status"] == 200, (method, params, reply)
    return reply


async def test_every_result_of_the_paper_exchange_is_read_and_written_back() -> None:
    async with open_market(CONFIG) as (_, visitor):
        for method, params in SIGNED:
            assert_agreed(method, await answer_to(visitor, method, visitor.stamped(params)))
        for method, params in UNSIGNED:
            assert_agreed(method, await answer_to(visitor, method, params))


def test_every_method_is_asked_that_the_paper_exchange_answers() -> None:
    asked = {method for method, _ in (*SIGNED, *UNSIGNED)}
    others = {method.value for method in Method} - asked
    logging_on = {"session.logon", "userDataStream.subscribe.signature"}
    not_played = {name for name in others if name.startswith(("orderList.", "sor."))}
    assert others == logging_on | not_played | {"openOrderLists.status", "allOrderLists"}
