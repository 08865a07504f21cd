"""Questions as requests: what they send, and what the exchange would refuse for certain."""

from typing import Any

import pytest

from dogwatch.actors.spot.enums import SymbolStatus, TickerType
from dogwatch.actors.spot.methods import Method, Params, Security
from dogwatch.actors.spot.requests import (
    DECLARATIONS,
    AllOrderLists,
    AllOrders,
    Depth,
    Klines,
    MyAllocations,
    MyPreventedMatches,
    MyTrades,
    OpenOrdersStatus,
    OrderListStatus,
    QueryAccountStatus,
    QueryExchangeInfo,
    QueryExecutionRules,
    QueryOrderStatus,
    QueryTicker,
    Request,
    Ticker24hr,
    TickerTradingDay,
    TradesAggregate,
)

DAY_MS = 86_400_000
ABOUT_THE_CONNECTION = {method for method in Method if method.startswith(("session.", "userDataStream."))}


@pytest.mark.parametrize(
    ("request_made", "expected"),
    [
        (OpenOrdersStatus(), {}),
        (OpenOrdersStatus(symbol="A"), {"symbol": "A"}),
        (AllOrders(symbol="A", order_id=5, limit=1000), {"symbol": "A", "orderId": 5, "limit": 1000}),
        (AllOrders(symbol="A", start_time_ms=0, end_time_ms=2), {"symbol": "A", "startTime": 0, "endTime": 2}),
        (AllOrders(symbol="A", start_time_ms=1, end_time_ms=1), {"symbol": "A", "startTime": 1, "endTime": 1}),
        (MyTrades(symbol="A", order_id=5, from_id=0), {"symbol": "A", "orderId": 5, "fromId": 0}),
        (MyTrades(symbol="A", start_time_ms=1, end_time_ms=2), {"symbol": "A", "startTime": 1, "endTime": 2}),
        (QueryAccountStatus(), {}),
        (QueryAccountStatus(omit_zero_balances=True), {"omitZeroBalances": True}),
        (QueryOrderStatus(symbol="A", order_id=1), {"symbol": "A", "orderId": 1}),
        (QueryOrderStatus(symbol="A", orig_client_order_id="c"), {"symbol": "A", "origClientOrderId": "c"}),
        (QueryExchangeInfo(), {}),
        (QueryExchangeInfo(symbols=("A", "B")), {"symbols": ["A", "B"]}),
        (QueryExchangeInfo(symbol_status=SymbolStatus.HALT), {"symbolStatus": "HALT"}),
        (Depth(symbol="A", limit=5000), {"symbol": "A", "limit": 5000}),
        (Klines(symbol="A", interval="1M", time_zone="-1:00"), {"symbol": "A", "interval": "1M", "timeZone": "-1:00"}),
        (QueryTicker(symbol="A", window_size="59m"), {"symbol": "A", "windowSize": "59m"}),
        (Ticker24hr(type=TickerType.MINI), {"type": "MINI"}),
        (
            MyPreventedMatches(symbol="A", order_id=1, from_prevented_match_id=2),
            {"symbol": "A", "orderId": 1, "fromPreventedMatchId": 2},
        ),
    ],
    ids=repr,
)
def test_questions_send_what_was_given_and_nothing_else(request_made: Request[Any], expected: Params) -> None:
    assert request_made.params() == expected


@pytest.mark.parametrize(
    ("request_made", "says"),
    [
        (AllOrders(symbol="A", limit=0), "limit is 0: the exchange takes 1 to 1000"),
        (MyTrades(symbol="A", limit=1001), "limit is 1001"),
        (Depth(symbol="A", limit=5001), "limit is 5001: the exchange takes 1 to 5000"),
        (MyTrades(symbol="A", from_id=1, start_time_ms=1), "from_id and start_time_ms exclude each other"),
        (MyTrades(symbol="A", order_id=1, end_time_ms=1), "order_id and end_time_ms exclude each other"),
        (TradesAggregate(symbol="A", from_id=1, end_time_ms=1), "from_id and end_time_ms exclude each other"),
        (AllOrderLists(from_id=1, start_time_ms=1), "from_id and start_time_ms exclude each other"),
        (AllOrders(symbol="A", start_time_ms=2, end_time_ms=1), "end_time_ms is before start_time_ms"),
        (Klines(symbol="A", interval="1h", start_time_ms=2, end_time_ms=1), "end_time_ms is before start_time_ms"),
        (MyTrades(symbol="A", start_time_ms=0, end_time_ms=DAY_MS + 1), "longer than 24 hours"),
        (MyAllocations(symbol="A", start_time_ms=0, end_time_ms=DAY_MS + 1), "longer than 24 hours"),
        (QueryOrderStatus(symbol="A"), "order_id or orig_client_order_id must be given"),
        (OrderListStatus(), "orig_client_order_id or order_list_id must be given"),
        (MyPreventedMatches(symbol="A"), "one of prevented_match_id, order_id must be given"),
        (QueryTicker(), "one of symbol, symbols must be given"),
        (TickerTradingDay(symbol="A", symbols=("B",)), "symbol and symbols exclude each other"),
        (Ticker24hr(symbols=()), "symbols is empty"),
        (QueryTicker(symbol="A", window_size="60m"), "window_size '60m': use 1m to 59m"),
        (TickerTradingDay(symbol="A", time_zone="CET"), "time_zone 'CET': use hours from UTC"),
        (QueryExchangeInfo(symbol="A", permissions=("SPOT",)), "symbol and permissions exclude each other"),
        (QueryExchangeInfo(symbol="A", symbol_status=SymbolStatus.BREAK), "exclude each other"),
        (QueryExecutionRules(symbol="A", symbol_status=SymbolStatus.BREAK), "exclude each other"),
    ],
    ids=repr,
)
def test_questions_outside_of_what_the_exchange_takes_are_refused(request_made: Request[Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        request_made.params()


def test_only_what_is_about_the_connection_is_bound_to_it() -> None:
    bound = {method for method, declaration in DECLARATIONS.items() if declaration.is_bound}
    assert bound == {method for method in Method if method.startswith(("session.", "userDataStream."))} | {
        "ping",
        "time",
    }


def test_whatever_rest_has_not_is_about_the_connection() -> None:
    without = {method for method, declaration in DECLARATIONS.items() if declaration.endpoint is None}
    assert without == ABOUT_THE_CONNECTION


def test_only_trading_is_free_or_counts_as_an_unfilled_order() -> None:
    for method, declaration in DECLARATIONS.items():
        if declaration.is_free_on_success or declaration.orders:
            assert declaration.security is Security.TRADE, method
