"""Requests for what the account has and what has become of its orders (WebSocket API, Account requests)."""

from typing import ClassVar

from dogwatch.actors.spot.methods import Method, Params, Security
from dogwatch.actors.spot.parameters import ClientOrderId, Count, Limit
from dogwatch.actors.spot.request import Declaration, Endpoint, Request
from dogwatch.actors.spot.request_checks import DAY_MS, check_times, excludes, one_of, some_of
from dogwatch.actors.spot.results import (
    AccountCommission,
    AccountStatus,
    AccountTrade,
    Allocation,
    Amendment,
    MyFilters,
    OrderListReport,
    OrderReport,
    PreventedMatch,
    RateLimitUsage,
)
from dogwatch.actors.spot.weights import by_symbol, with_parameter

__all__ = [
    "AccountRateLimitsOrders",
    "AllOrderLists",
    "AllOrders",
    "MyAllocations",
    "MyPreventedMatches",
    "MyTrades",
    "OpenOrderListsStatus",
    "OpenOrdersStatus",
    "OrderAmendments",
    "OrderListStatus",
    "QueryAccountCommission",
    "QueryAccountStatus",
    "QueryMyFilters",
    "QueryOrderStatus",
]


class QueryAccountStatus(Request[AccountStatus], frozen=True, kw_only=True):
    """Balances, commission and permissions. Unless `omit_zero_balances`, every asset there is."""

    omit_zero_balances: bool | None = None

    declaration: ClassVar = Declaration(
        method=Method.ACCOUNT_STATUS,
        section="Account information",
        security=Security.USER_DATA,
        weight=20,
        endpoint=Endpoint("GET", "/api/v3/account"),
    )


class QueryOrderStatus(Request[OrderReport], frozen=True, kw_only=True):
    """One order. With both ids `order_id` finds it and the other must match."""

    symbol: str
    order_id: Count | None = None
    orig_client_order_id: ClientOrderId | None = None

    declaration: ClassVar = Declaration(
        method=Method.ORDER_STATUS,
        section="Query order",
        security=Security.USER_DATA,
        weight=4,
        endpoint=Endpoint("GET", "/api/v3/order"),
    )

    def check(self, params: Params) -> None:
        some_of(params, "orderId", "origClientOrderId")


class OpenOrdersStatus(Request[tuple[OrderReport, ...]], frozen=True, kw_only=True):
    """The open orders of a symbol. Without a symbol all, at weight 80."""

    symbol: str | None = None

    declaration: ClassVar = Declaration(
        method=Method.OPEN_ORDERS_STATUS,
        section="Current open orders",
        security=Security.USER_DATA,
        weight=by_symbol(one=6, otherwise=80),
        endpoint=Endpoint("GET", "/api/v3/openOrders"),
    )


class AllOrders(Request[tuple[OrderReport, ...]], frozen=True, kw_only=True):
    """Orders of a symbol, open or not, from an id on, or of a range of time (24 hours at most, `order_id` is ignored
    then), or the latest; 500 if nothing is said."""

    symbol: str
    order_id: Count | None = None
    start_time_ms: Count | None = None
    end_time_ms: Count | None = None
    limit: Limit | None = None

    declaration: ClassVar = Declaration(
        method=Method.ALL_ORDERS,
        section="Account order history",
        security=Security.USER_DATA,
        weight=20,
        endpoint=Endpoint("GET", "/api/v3/allOrders"),
    )

    def check(self, params: Params) -> None:
        check_times(params, width_ms_max=DAY_MS)


class OrderListStatus(Request[OrderListReport], frozen=True, kw_only=True):
    """One order list, by its id or by its name (`listClientOrderId`), which goes first."""

    orig_client_order_id: ClientOrderId | None = None
    order_list_id: Count | None = None

    declaration: ClassVar = Declaration(
        method=Method.ORDER_LIST_STATUS,
        section="Query Order list",
        security=Security.USER_DATA,
        weight=4,
        endpoint=Endpoint("GET", "/api/v3/orderList"),
    )

    def check(self, params: Params) -> None:
        some_of(params, "origClientOrderId", "orderListId")


class OpenOrderListsStatus(Request[tuple[OrderListReport, ...]], frozen=True, kw_only=True):
    """All open order lists."""

    declaration: ClassVar = Declaration(
        method=Method.OPEN_ORDER_LISTS_STATUS,
        section="Current open Order lists",
        security=Security.USER_DATA,
        weight=6,
        endpoint=Endpoint("GET", "/api/v3/openOrderList"),
    )


class AllOrderLists(Request[tuple[OrderListReport, ...]], frozen=True, kw_only=True):
    """Order lists, open or not, from an id on, or of a range of time (24 hours at most), or the latest; 500 if nothing
    is said."""

    from_id: Count | None = None
    start_time_ms: Count | None = None
    end_time_ms: Count | None = None
    limit: Limit | None = None

    declaration: ClassVar = Declaration(
        method=Method.ALL_ORDER_LISTS,
        section="Account order list history",
        security=Security.USER_DATA,
        weight=20,
        endpoint=Endpoint("GET", "/api/v3/allOrderList"),
    )

    def check(self, params: Params) -> None:
        excludes(params, "fromId", "startTime", "endTime")
        check_times(params, width_ms_max=DAY_MS)


class MyTrades(Request[tuple[AccountTrade, ...]], frozen=True, kw_only=True):
    """The account's trades of a symbol: of one order, from an id on, of a range of time (24 hours at most), or the
    latest; 500 if nothing is said. Of one order it is cheap."""

    symbol: str
    order_id: Count | None = None
    start_time_ms: Count | None = None
    end_time_ms: Count | None = None
    from_id: Count | None = None
    limit: Limit | None = None

    declaration: ClassVar = Declaration(
        method=Method.MY_TRADES,
        section="Account trade history",
        security=Security.USER_DATA,
        weight=with_parameter("orderId", given=5, missing=20),
        endpoint=Endpoint("GET", "/api/v3/myTrades"),
    )

    def check(self, params: Params) -> None:
        excludes(params, "fromId", "startTime", "endTime")
        excludes(params, "orderId", "startTime", "endTime")
        check_times(params, width_ms_max=DAY_MS)


class AccountRateLimitsOrders(Request[tuple[RateLimitUsage, ...]], frozen=True, kw_only=True):
    """How many orders of the account count as unfilled, of how many that may."""

    declaration: ClassVar = Declaration(
        method=Method.ACCOUNT_RATE_LIMITS_ORDERS,
        section="Unfilled Order Count",
        security=Security.USER_DATA,
        weight=40,
        endpoint=Endpoint("GET", "/api/v3/rateLimit/order"),
    )


class MyPreventedMatches(Request[tuple[PreventedMatch, ...]], frozen=True, kw_only=True):
    """Trades that self-trade prevention has prevented: one by its id, or those of an order, from an id on."""

    symbol: str
    prevented_match_id: Count | None = None
    order_id: Count | None = None
    from_prevented_match_id: Count | None = None
    limit: Limit | None = None

    declaration: ClassVar = Declaration(
        method=Method.MY_PREVENTED_MATCHES,
        section="Account prevented matches",
        security=Security.USER_DATA,
        weight=with_parameter("orderId", given=20, missing=2),
        endpoint=Endpoint("GET", "/api/v3/myPreventedMatches"),
    )

    def check(self, params: Params) -> None:
        one_of(params, "preventedMatchId", "orderId")
        excludes(params, "preventedMatchId", "fromPreventedMatchId")


class MyAllocations(Request[tuple[Allocation, ...]], frozen=True, kw_only=True):
    """What smart order routing has brought from other books: of an order, from an id on, of a range of time (24 hours
    at most), or the latest; 500 if nothing is said."""

    symbol: str
    start_time_ms: Count | None = None
    end_time_ms: Count | None = None
    from_allocation_id: Count | None = None
    limit: Limit | None = None
    order_id: Count | None = None

    declaration: ClassVar = Declaration(
        method=Method.MY_ALLOCATIONS,
        section="Account allocations",
        security=Security.USER_DATA,
        weight=20,
        endpoint=Endpoint("GET", "/api/v3/myAllocations"),
    )

    def check(self, params: Params) -> None:
        check_times(params, width_ms_max=DAY_MS)


class QueryAccountCommission(Request[AccountCommission], frozen=True, kw_only=True):
    """What the account pays for trades of a symbol."""

    symbol: str

    declaration: ClassVar = Declaration(
        method=Method.ACCOUNT_COMMISSION,
        section="Account Commission Rates",
        security=Security.USER_DATA,
        weight=20,
        endpoint=Endpoint("GET", "/api/v3/account/commission"),
    )


class OrderAmendments(Request[tuple[Amendment, ...]], frozen=True, kw_only=True):
    """All amends of an order, from an execution on; 500 if nothing is said."""

    symbol: str
    order_id: Count
    from_execution_id: Count | None = None
    limit: Limit | None = None

    declaration: ClassVar = Declaration(
        method=Method.ORDER_AMENDMENTS,
        section="Query Order Amendments",
        security=Security.USER_DATA,
        weight=4,
        endpoint=Endpoint("GET", "/api/v3/order/amendments"),
    )


class QueryMyFilters(Request[MyFilters], frozen=True, kw_only=True):
    """The filters that hold for this account, of the exchange, of a symbol, and of its assets."""

    symbol: str

    declaration: ClassVar = Declaration(
        method=Method.MY_FILTERS,
        section="Query Relevant Filters",
        security=Security.USER_DATA,
        weight=40,
        endpoint=Endpoint("GET", "/api/v3/myFilters"),
    )
