"""Requests that place, cancel and change orders (WebSocket API, Trading requests; SOR).

Their outcome may be unknown: whoever places orders that must not be lost leaves it to the order tracker
(order_messages.py).
"""

from typing import Annotated, ClassVar, TypeAlias

import msgspec

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
from dogwatch.actors.spot.methods import Method, Params, Security
from dogwatch.actors.spot.order_types import Leg
from dogwatch.actors.spot.parameters import Amount, ClientOrderId, Count
from dogwatch.actors.spot.priority import Priority
from dogwatch.actors.spot.request import Declaration, Endpoint, Request, ResultT_co
from dogwatch.actors.spot.request_checks import one_of, some_of
from dogwatch.actors.spot.results import (
    AmendResult,
    CancelReplaceResult,
    OrderListReport,
    OrderReport,
    OrderTestResult,
    decode_cancel,
    decode_cancels,
    decode_routed_orders,
)
from dogwatch.actors.spot.weights import with_parameter

__all__ = [
    "OpenOrdersCancelAll",
    "OrderAmendKeepPriority",
    "OrderCancel",
    "OrderCancelReplace",
    "OrderPlace",
    "OrderTest",
    "PegOffset",
    "SorOrderPlace",
    "SorOrderTest",
    "StrategyType",
]

PegOffset: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=100)]
"""How many levels deeper in the book than the best."""
StrategyType: TypeAlias = Annotated[int, msgspec.Meta(ge=1_000_000)]
"""Any number of one's own; smaller ones are reserved."""

_ORDER = Leg()
_ROUTED = Leg(types=(OrderType.LIMIT, OrderType.MARKET))


class _Placing(Request[ResultT_co], frozen=True, kw_only=True):
    """A new order. Quantities are in the base asset, `quote_order_qty` in the quote asset, prices in quote per base;
    `trailing_delta` is in basis points. Which parameters an order needs depends on its type."""

    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce | None = None
    price: Amount | None = None
    quantity: Amount | None = None
    quote_order_qty: Amount | None = None
    new_client_order_id: ClientOrderId | None = None
    new_order_resp_type: ResponseType | None = None
    stop_price: Amount | None = None
    trailing_delta: Count | None = None
    iceberg_qty: Amount | None = None
    strategy_id: Count | None = None
    strategy_type: StrategyType | None = None
    self_trade_prevention_mode: SelfTradePreventionMode | None = None
    peg_price_type: PegPriceType | None = None
    peg_offset_value: PegOffset | None = None
    peg_offset_type: PegOffsetType | None = None

    def check(self, params: Params) -> None:
        _ORDER.check(params)
        if self.type == OrderType.MARKET:
            one_of(params, "quantity", "quoteOrderQty")


class OrderPlace(_Placing[OrderReport], frozen=True, kw_only=True):
    """Place an order."""

    declaration: ClassVar = Declaration(
        method=Method.ORDER_PLACE,
        section="Place new order",
        security=Security.TRADE,
        weight=1,
        orders=1,
        is_free_on_success=True,
        priority=Priority.PLACE,
        endpoint=Endpoint("POST", "/api/v3/order"),
    )


class OrderTest(_Placing[OrderTestResult], frozen=True, kw_only=True):
    """Have an order checked without placing it; with `compute_commission_rates` the answer has what it would pay."""

    compute_commission_rates: bool | None = None

    declaration: ClassVar = Declaration(
        method=Method.ORDER_TEST,
        section="Test new order",
        security=Security.TRADE,
        weight=with_parameter("computeCommissionRates", given=20, missing=1),
        priority=Priority.PLACE,
        endpoint=Endpoint("POST", "/api/v3/order/test"),
    )


class OrderCancel(Request[OrderReport | OrderListReport], frozen=True, kw_only=True):
    """Cancel an order; of an order list, the whole list. With both ids `order_id` finds it and the other must match.

    The canceled order is renamed to `new_client_order_id`, or to a name that the exchange makes up.
    """

    symbol: str
    order_id: Count | None = None
    orig_client_order_id: ClientOrderId | None = None
    new_client_order_id: ClientOrderId | None = None
    cancel_restrictions: CancelRestrictions | None = None

    declaration: ClassVar = Declaration(
        method=Method.ORDER_CANCEL,
        section="Cancel order",
        security=Security.TRADE,
        weight=1,
        is_free_on_success=True,
        priority=Priority.CANCEL,
        endpoint=Endpoint("DELETE", "/api/v3/order"),
        decode=decode_cancel,
    )

    def check(self, params: Params) -> None:
        some_of(params, "orderId", "origClientOrderId")


class OrderCancelReplace(_Placing[CancelReplaceResult], frozen=True, kw_only=True):
    """Cancel one order, then place another on its symbol. The order to cancel is named as in `OrderCancel`.

    The parts are not one transaction: `cancel_replace.judge` says what became of each. The new order counts although it
    may not be attempted.
    """

    cancel_replace_mode: CancelReplaceMode
    cancel_order_id: Count | None = None
    cancel_orig_client_order_id: ClientOrderId | None = None
    cancel_new_client_order_id: ClientOrderId | None = None
    cancel_restrictions: CancelRestrictions | None = None
    order_rate_limit_exceeded_mode: OrderRateLimitExceededMode | None = None

    declaration: ClassVar = Declaration(
        method=Method.ORDER_CANCEL_REPLACE,
        section="Cancel and replace order",
        security=Security.TRADE,
        weight=1,
        orders=1,
        is_free_on_success=True,
        priority=Priority.PLACE,
        endpoint=Endpoint("POST", "/api/v3/order/cancelReplace"),
    )

    def check(self, params: Params) -> None:
        super().check(params)
        some_of(params, "cancelOrderId", "cancelOrigClientOrderId")


class OrderAmendKeepPriority(Request[AmendResult], frozen=True, kw_only=True):
    """Lower an order's quantity, keeping its place in the queue. With both ids `order_id` finds it and the other must
    match.

    `new_qty` is the whole quantity, what has filled included. The amended order is renamed to `new_client_order_id`,
    which may be the name that it has; left out, to a name that the exchange makes up. A success is free only if the
    order expires by it.
    """

    symbol: str
    new_qty: Amount
    order_id: Count | None = None
    orig_client_order_id: ClientOrderId | None = None
    new_client_order_id: ClientOrderId | None = None

    declaration: ClassVar = Declaration(
        method=Method.ORDER_AMEND,
        section="Order Amend Keep Priority",
        security=Security.TRADE,
        weight=4,
        priority=Priority.PLACE,
        endpoint=Endpoint("PUT", "/api/v3/order/amend/keepPriority"),
    )

    def check(self, params: Params) -> None:
        some_of(params, "orderId", "origClientOrderId")
        if not self.new_qty:
            raise ValueError("new_qty is 0: an amend keeps more than nothing; cancel the order instead")


class OpenOrdersCancelAll(Request[tuple[OrderReport | OrderListReport, ...]], frozen=True, kw_only=True):
    """Cancel all open orders and order lists of a symbol, whoever has placed them."""

    symbol: str

    declaration: ClassVar = Declaration(
        method=Method.OPEN_ORDERS_CANCEL_ALL,
        section="Cancel open orders",
        security=Security.TRADE,
        weight=1,
        is_free_on_success=True,
        priority=Priority.CANCEL,
        endpoint=Endpoint("DELETE", "/api/v3/openOrders"),
        decode=decode_cancels,
    )


class _Routing(Request[ResultT_co], frozen=True, kw_only=True):
    """A new LIMIT or MARKET order that takes the best prices of all books of its group (smart order routing)."""

    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce | None = None
    price: Amount | None = None
    quantity: Amount
    new_client_order_id: ClientOrderId | None = None
    new_order_resp_type: ResponseType | None = None
    iceberg_qty: Amount | None = None
    strategy_id: Count | None = None
    strategy_type: StrategyType | None = None
    self_trade_prevention_mode: SelfTradePreventionMode | None = None

    def check(self, params: Params) -> None:
        _ROUTED.check(params)


class SorOrderPlace(_Routing[tuple[OrderReport, ...]], frozen=True, kw_only=True):
    """Place an order by smart order routing. The answer is one order, in a tuple."""

    declaration: ClassVar = Declaration(
        method=Method.SOR_ORDER_PLACE,
        section="Place new order using SOR",
        security=Security.TRADE,
        weight=1,
        orders=1,
        is_free_on_success=True,
        priority=Priority.PLACE,
        endpoint=Endpoint("POST", "/api/v3/sor/order"),
        decode=decode_routed_orders,
    )


class SorOrderTest(_Routing[OrderTestResult], frozen=True, kw_only=True):
    """Have such an order checked without placing it."""

    compute_commission_rates: bool | None = None

    declaration: ClassVar = Declaration(
        method=Method.SOR_ORDER_TEST,
        section="Test new order using SOR",
        security=Security.TRADE,
        weight=with_parameter("computeCommissionRates", given=20, missing=1),
        priority=Priority.PLACE,
        endpoint=Endpoint("POST", "/api/v3/sor/order/test"),
    )
