"""What a request costs, and who goes first when little is left: weights, unfilled orders, lanes. Pure.

Weights are those that are declared with each request. How much may be spent is in `rate_budget.py`; what the exchange
counts is learned from its answers.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import msgspec

from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.priority import Priority
from dogwatch.actors.spot.request import Declaration
from dogwatch.actors.spot.requests import DECLARATIONS

__all__ = ["CONNECTING_WEIGHT", "Cost", "Kind", "Priority", "cost_of"]

CONNECTING_WEIGHT = 2
"""Every connection attempt to the WebSocket API (General information on rate limits, IP limits)."""


class Kind(IntEnum):
    """What is counted. The values are places in `Cost.amounts`."""

    WEIGHT = 0
    ORDERS = 1
    RAW = 2


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
        declaration = DECLARATIONS[method]
        cost = _cost(declaration, declaration.weight_of(params))
    if priority is None or priority is cost.priority:
        return cost
    return msgspec.structs.replace(cost, priority=priority)


def _cost(declaration: Declaration, weight: int) -> Cost:
    return Cost(
        amounts=(weight, declaration.orders, 1),
        priority=declaration.priority,
        is_free=declaration.is_free_on_success,
    )


_COSTS: dict[Method, Cost] = {
    method: _cost(declaration, declaration.weight)
    for method, declaration in DECLARATIONS.items()
    if isinstance(declaration.weight, int)
}
