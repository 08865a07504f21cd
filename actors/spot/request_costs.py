"""What a request costs, and who goes first when little is left: weights, unfilled orders, lanes. Pure.

Weights are those that stand with each method of the WebSocket API, July 2026. How much may be spent is in
`rate_budget.py`; what the exchange counts is learned from its answers.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

import msgspec

from dogwatch.actors.spot.methods import Method

__all__ = ["CONNECTING_WEIGHT", "Cost", "Kind", "Priority", "cost_of"]

CONNECTING_WEIGHT = 2
"""Every connection attempt to the WebSocket API (General information on rate limits, IP limits)."""


class Kind(IntEnum):
    """What is counted. The values are places in `Cost.amounts`."""

    WEIGHT = 0
    ORDERS = 1
    RAW = 2


class Priority(IntEnum):
    """Which requests go first when the budget is short. Each leaves a reserve to those before it."""

    CANCEL = 0
    """Cancels, and what keeps a session alive: logging on, subscribing, asking for the time."""
    QUERY = 1
    PLACE = 2
    BULK = 3
    """Long readings that can wait: pages of the account's history."""


class Cost(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one request adds to each kind of counter. `is_free`: it weighs nothing when it succeeds."""

    amounts: tuple[int, int, int]
    priority: Priority
    is_free: bool = False

    @property
    def weight(self) -> int:
        return self.amounts[Kind.WEIGHT]

    @property
    def orders(self) -> int:
        return self.amounts[Kind.ORDERS]


def cost_of(method: Method, params: Mapping[str, Any], priority: Priority | None = None) -> Cost:
    """Return what this request costs if it fails. `priority` puts it into another lane than its method's own."""
    cost = _COSTS.get(method)
    if cost is None:
        cost = _DEPENDENT[method](params)
    if priority is None or priority is cost.priority:
        return cost
    return msgspec.structs.replace(cost, priority=priority)


def _cost(weight: int, priority: Priority, *, orders: int = 0, is_free: bool = False) -> Cost:
    return Cost(amounts=(weight, orders, 1), priority=priority, is_free=is_free)


_COSTS: dict[Method, Cost] = {
    Method.PING: _cost(1, Priority.CANCEL),
    Method.TIME: _cost(1, Priority.CANCEL),
    Method.SESSION_LOGON: _cost(2, Priority.CANCEL),
    Method.SESSION_STATUS: _cost(2, Priority.CANCEL),
    Method.SESSION_LOGOUT: _cost(2, Priority.CANCEL),
    Method.USER_DATA_STREAM_SUBSCRIBE: _cost(2, Priority.CANCEL),
    Method.USER_DATA_STREAM_SUBSCRIBE_SIGNATURE: _cost(2, Priority.CANCEL),
    Method.USER_DATA_STREAM_UNSUBSCRIBE: _cost(2, Priority.CANCEL),
    Method.ORDER_CANCEL: _cost(1, Priority.CANCEL, is_free=True),
    Method.OPEN_ORDERS_CANCEL_ALL: _cost(1, Priority.CANCEL, is_free=True),
    Method.EXCHANGE_INFO: _cost(20, Priority.QUERY),
    Method.ORDER_STATUS: _cost(4, Priority.QUERY),
    Method.ALL_ORDERS: _cost(20, Priority.QUERY),
    Method.ACCOUNT_STATUS: _cost(20, Priority.QUERY),
    Method.ORDER_PLACE: _cost(1, Priority.PLACE, orders=1, is_free=True),
    # The order counts although it may not be attempted (Cancel and replace order).
    Method.ORDER_CANCEL_REPLACE: _cost(1, Priority.PLACE, orders=1, is_free=True),
    # Free only if the order expires by it, which the answer's own counts will tell.
    Method.ORDER_AMEND: _cost(4, Priority.PLACE),
}
_DEPENDENT: dict[Method, Callable[[Mapping[str, Any]], Cost]] = {
    Method.OPEN_ORDERS_STATUS: lambda params: _cost(6 if params.get("symbol") else 80, Priority.QUERY),
    Method.MY_TRADES: lambda params: _cost(5 if params.get("orderId") is not None else 20, Priority.QUERY),
    Method.ORDER_TEST: lambda params: _cost(20 if params.get("computeCommissionRates") else 1, Priority.PLACE),
}
