"""The methods of the WebSocket API that the exchange plays: who may call them, what they read, what they cost.

Only facts stand here, method by method as in the API's document; what a method does stands in handlers.py.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from dogwatch.actors.paper.keys import Permission

Params = Mapping[str, Any]
Weigh = Callable[[Params], int]

_NOT_GIVEN = (None, False, "", "false")

SIGNED_PARAMS = frozenset({"apiKey", "recvWindow", "signature", "timestamp"})


class Security(StrEnum):
    """WebSocket API, "Request security"."""

    NONE = "NONE"
    TRADE = "TRADE"
    USER_DATA = "USER_DATA"
    USER_STREAM = "USER_STREAM"
    """Needs the key of the session; no signature of its own."""
    SIGNED = "SIGNED"
    """Signed with a key that is named in the request: the session's key does not stand in for it."""


_PERMISSIONS = {
    Security.TRADE: Permission.TRADE,
    Security.USER_DATA: Permission.USER_DATA,
    Security.USER_STREAM: Permission.USER_STREAM,
}


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """One method: `required` parameters, all readable parameters, its weight, what a success costs.

    Whether a success that may be free is charged all the same is said by its Outcome (an amend is free only when the
    order expires by it). `places_an_order`: its answer carries the account's counts of orders. `permission`: what its
    key must be allowed.
    """

    name: str
    security: Security
    required: tuple[str, ...]
    readable: frozenset[str]
    weigh: Weigh
    is_free_on_success: bool
    places_an_order: bool
    permission: Permission | None


def _fixed(weight: int) -> Weigh:
    return lambda _params: weight


def _depth(params: Params) -> int:
    limit = params.get("limit", 100)
    # A REST request says everything in text.
    if isinstance(limit, str) and limit.isascii() and limit.isdigit() and len(limit) < 20:
        limit = int(limit)
    limit = limit if isinstance(limit, int) else 100
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250


def _per_symbol(weight: int, largest: int, *, otherwise: int) -> Weigh:
    """So much for each symbol that is named, and `otherwise` where none is."""

    def weigh(params: Params) -> int:
        named = _named(params)
        return otherwise if named is None else min(weight * named, largest)

    return weigh


def _day_ticker(params: Params) -> int:
    named = _named(params)
    return 80 if named is None or named > 100 else 40 if named > 20 else 2


def _named(params: Params) -> int | None:
    """How many symbols are named; None where a request means all."""
    if params.get("symbol"):
        return 1
    symbols = params.get("symbols")
    return len(symbols) if isinstance(symbols, list) and symbols else None


def _with(name: str, *, present: int, absent: int) -> Weigh:
    return lambda params: present if params.get(name) not in _NOT_GIVEN else absent


def _method(
    name: str,
    security: Security,
    weight: int | Weigh,
    *,
    required: str = "",
    optional: str = "",
    is_free_on_success: bool = False,
    places_an_order: bool = False,
    permission: Permission | None = None,
) -> Method:
    needs = tuple(required.split())
    signs = SIGNED_PARAMS if security not in {Security.NONE, Security.USER_STREAM} else frozenset()
    return Method(
        name=name,
        security=security,
        required=needs,
        readable=frozenset({*needs, *optional.split(), *signs, "returnRateLimits"}),
        weigh=weight if callable(weight) else _fixed(weight),
        is_free_on_success=is_free_on_success,
        places_an_order=places_an_order,
        permission=permission or _PERMISSIONS.get(security),
    )


_ORDER = (
    "timeInForce price quantity quoteOrderQty newClientOrderId newOrderRespType stopPrice trailingDelta icebergQty "
    "strategyId strategyType selfTradePreventionMode pegPriceType pegOffsetValue pegOffsetType"
)
_PER_TICKER = _per_symbol(4, 200, otherwise=4)
_KLINES = "startTime endTime timeZone limit"
_NONE, _TRADE, _USER_DATA = Security.NONE, Security.TRADE, Security.USER_DATA

METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        # General requests and market data.
        _method("ping", _NONE, 1),
        _method("time", _NONE, 1),
        _method("exchangeInfo", _NONE, 20, optional="symbol symbols permissions showPermissionSets symbolStatus"),
        _method("executionRules", _NONE, _per_symbol(2, 40, otherwise=40), optional="symbol symbols symbolStatus"),
        _method("depth", _NONE, _depth, required="symbol", optional="limit symbolStatus"),
        _method("trades.recent", _NONE, 25, required="symbol", optional="limit"),
        _method("trades.historical", _NONE, 25, required="symbol", optional="fromId limit"),
        _method("blockTrades.historical", _NONE, 25, required="symbol fromId", optional="limit"),
        _method("trades.aggregate", _NONE, 4, required="symbol", optional="fromId startTime endTime limit"),
        _method("klines", _NONE, 2, required="symbol interval", optional=_KLINES),
        _method("uiKlines", _NONE, 2, required="symbol interval", optional=_KLINES),
        _method("avgPrice", _NONE, 2, required="symbol"),
        _method("ticker.24hr", _NONE, _day_ticker, optional="symbol symbols type symbolStatus"),
        _method("ticker.tradingDay", _NONE, _PER_TICKER, optional="symbol symbols timeZone type symbolStatus"),
        _method("ticker", _NONE, _PER_TICKER, optional="symbol symbols type windowSize symbolStatus"),
        _method("referencePrice", _NONE, 2, required="symbol"),
        _method("referencePrice.calculation", _NONE, 2, required="symbol", optional="symbolStatus"),
        _method("ticker.price", _NONE, _with("symbol", present=2, absent=4), optional="symbol symbols symbolStatus"),
        _method("ticker.book", _NONE, _with("symbol", present=2, absent=4), optional="symbol symbols symbolStatus"),
        # The session.
        _method("session.logon", Security.SIGNED, 2),
        _method("session.status", _NONE, 2),
        _method("session.logout", _NONE, 2),
        # Trading.
        _method(
            "order.place",
            _TRADE,
            1,
            required="symbol side type",
            optional=_ORDER,
            is_free_on_success=True,
            places_an_order=True,
        ),
        _method(
            "order.test",
            _TRADE,
            _with("computeCommissionRates", present=20, absent=1),
            required="symbol side type",
            optional=_ORDER + " computeCommissionRates",
        ),
        _method(
            "order.cancel",
            _TRADE,
            1,
            required="symbol",
            optional="orderId origClientOrderId newClientOrderId cancelRestrictions",
            is_free_on_success=True,
        ),
        _method(
            "order.cancelReplace",
            _TRADE,
            1,
            required="symbol cancelReplaceMode side type",
            optional=_ORDER + " cancelOrderId cancelOrigClientOrderId cancelNewClientOrderId cancelRestrictions "
            "orderRateLimitExceededMode",
            is_free_on_success=True,
            places_an_order=True,
        ),
        _method(
            "order.amend.keepPriority",
            _TRADE,
            4,
            required="symbol newQty",
            optional="orderId origClientOrderId newClientOrderId",
            is_free_on_success=True,
        ),
        _method("openOrders.cancelAll", _TRADE, 1, required="symbol", is_free_on_success=True),
        # The account.
        _method("order.status", _USER_DATA, 4, required="symbol", optional="orderId origClientOrderId"),
        _method("openOrders.status", _USER_DATA, _with("symbol", present=6, absent=80), optional="symbol"),
        _method("allOrders", _USER_DATA, 20, required="symbol", optional="orderId startTime endTime limit"),
        _method(
            "myTrades",
            _USER_DATA,
            _with("orderId", present=5, absent=20),
            required="symbol",
            optional="orderId startTime endTime fromId limit",
        ),
        _method("account.status", _USER_DATA, 20, optional="omitZeroBalances"),
        _method("account.rateLimits.orders", _USER_DATA, 40),
        _method("account.commission", _USER_DATA, 20, required="symbol"),
        _method("order.amendments", _USER_DATA, 4, required="symbol orderId", optional="fromExecutionId limit"),
        _method(
            "myPreventedMatches",
            _USER_DATA,
            _with("orderId", present=20, absent=2),
            required="symbol",
            optional="preventedMatchId orderId fromPreventedMatchId limit",
        ),
        _method(
            "myAllocations",
            _USER_DATA,
            20,
            required="symbol",
            optional="startTime endTime fromAllocationId limit orderId",
        ),
        _method("myFilters", _USER_DATA, 40, required="symbol"),
        # The user data stream.
        _method("userDataStream.subscribe", Security.USER_STREAM, 2),
        _method("userDataStream.subscribe.signature", Security.SIGNED, 2, permission=Permission.USER_STREAM),
        _method("userDataStream.unsubscribe", _NONE, 2, optional="subscriptionId"),
        _method("session.subscriptions", _NONE, 2),
    )
}
