"""Where the REST API has which method: verb and path (REST API, "General endpoints" to "Account Endpoints")."""

from collections.abc import Mapping

API = "/api/v3/"

METHOD_OF: Mapping[tuple[str, str], str] = {
    (verb, API + path): method
    for verb, path, method in (
        ("GET", "ping", "ping"),
        ("GET", "time", "time"),
        ("GET", "exchangeInfo", "exchangeInfo"),
        ("GET", "executionRules", "executionRules"),
        ("GET", "depth", "depth"),
        ("GET", "trades", "trades.recent"),
        ("GET", "historicalTrades", "trades.historical"),
        ("GET", "historicalBlockTrades", "blockTrades.historical"),
        ("GET", "aggTrades", "trades.aggregate"),
        ("GET", "klines", "klines"),
        ("GET", "uiKlines", "uiKlines"),
        ("GET", "avgPrice", "avgPrice"),
        ("GET", "ticker/24hr", "ticker.24hr"),
        ("GET", "ticker/tradingDay", "ticker.tradingDay"),
        ("GET", "ticker/price", "ticker.price"),
        ("GET", "ticker/bookTicker", "ticker.book"),
        ("GET", "ticker", "ticker"),
        ("GET", "referencePrice", "referencePrice"),
        ("GET", "referencePrice/calculation", "referencePrice.calculation"),
        ("POST", "order", "order.place"),
        ("POST", "order/test", "order.test"),
        ("DELETE", "order", "order.cancel"),
        ("DELETE", "openOrders", "openOrders.cancelAll"),
        ("POST", "order/cancelReplace", "order.cancelReplace"),
        ("PUT", "order/amend/keepPriority", "order.amend.keepPriority"),
        ("POST", "order/oco", "orderList.place"),
        ("POST", "orderList/oco", "orderList.place.oco"),
        ("POST", "orderList/oto", "orderList.place.oto"),
        ("POST", "orderList/otoco", "orderList.place.otoco"),
        ("POST", "orderList/opo", "orderList.place.opo"),
        ("POST", "orderList/opoco", "orderList.place.opoco"),
        ("DELETE", "orderList", "orderList.cancel"),
        ("POST", "sor/order", "sor.order.place"),
        ("POST", "sor/order/test", "sor.order.test"),
        ("GET", "account", "account.status"),
        ("GET", "order", "order.status"),
        ("GET", "openOrders", "openOrders.status"),
        ("GET", "allOrders", "allOrders"),
        ("GET", "orderList", "orderList.status"),
        ("GET", "allOrderList", "allOrderLists"),
        ("GET", "openOrderList", "openOrderLists.status"),
        ("GET", "myTrades", "myTrades"),
        ("GET", "rateLimit/order", "account.rateLimits.orders"),
        ("GET", "myPreventedMatches", "myPreventedMatches"),
        ("GET", "myAllocations", "myAllocations"),
        ("GET", "account/commission", "account.commission"),
        ("GET", "order/amendments", "order.amendments"),
        ("GET", "myFilters", "myFilters"),
    )
}

PATHS = frozenset(path for _, path in METHOD_OF)

GONE = frozenset({API + "userDataStream"})
"""What was an endpoint once: listen keys (CHANGELOG, 2026-02-20)."""
