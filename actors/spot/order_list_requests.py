"""Requests that place and cancel order lists (WebSocket API, Order lists): OCO, OTO, OTOCO, OPO, OPOCO.

Of an OCO's two orders, above and below the price, one cancels the other. The pending orders of the others are placed
when the working order has filled. With OPO the pending quantity is what the working order has brought.
"""

from typing import ClassVar

from dogwatch.actors.spot.enums import (
    OrderType,
    PegOffsetType,
    PegPriceType,
    ResponseType,
    SelfTradePreventionMode,
    Side,
    TimeInForce,
)
from dogwatch.actors.spot.methods import Method, Params, Security
from dogwatch.actors.spot.order_requests import PegOffset, StrategyType
from dogwatch.actors.spot.order_types import Leg
from dogwatch.actors.spot.parameters import Amount, ClientOrderId, Count
from dogwatch.actors.spot.priority import Priority
from dogwatch.actors.spot.request import Declaration, Endpoint, Request
from dogwatch.actors.spot.request_checks import some_of
from dogwatch.actors.spot.results import OrderListReport

__all__ = [
    "OrderListCancel",
    "OrderListPlace",
    "OrderListPlaceOco",
    "OrderListPlaceOpo",
    "OrderListPlaceOpoco",
    "OrderListPlaceOto",
    "OrderListPlaceOtoco",
]

_OCO_TYPES = (
    OrderType.LIMIT_MAKER,
    OrderType.STOP_LOSS,
    OrderType.STOP_LOSS_LIMIT,
    OrderType.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT,
)
_ABOVE = Leg("above", _OCO_TYPES, has_quantity=False)
_BELOW = Leg("below", _OCO_TYPES, has_quantity=False)
_WORKING = Leg("working", (OrderType.LIMIT, OrderType.LIMIT_MAKER), has_quantity=False)
_PENDING = Leg("pending", has_quantity=False)
_PENDING_ABOVE = Leg("pendingAbove", _OCO_TYPES, has_quantity=False)
_PENDING_BELOW = Leg("pendingBelow", _OCO_TYPES, has_quantity=False)


def _declared(method: Method, section: str, path: str, *, orders: int) -> Declaration:
    """What all requests have in common that place a list."""
    return Declaration(
        method=method,
        section=section,
        security=Security.TRADE,
        weight=1,
        orders=orders,
        is_free_on_success=True,
        priority=Priority.PLACE,
        endpoint=Endpoint("POST", path),
    )


class OrderListPlace(Request[OrderListReport], frozen=True, kw_only=True):
    """Place an OCO in the old way: a limit order at `price` and a stop order. `OrderListPlaceOco` does more."""

    symbol: str
    side: Side
    price: Amount
    quantity: Amount
    list_client_order_id: ClientOrderId | None = None
    limit_client_order_id: ClientOrderId | None = None
    limit_iceberg_qty: Amount | None = None
    limit_strategy_id: Count | None = None
    limit_strategy_type: StrategyType | None = None
    stop_price: Amount | None = None
    trailing_delta: Count | None = None
    stop_client_order_id: ClientOrderId | None = None
    stop_limit_price: Amount | None = None
    stop_limit_time_in_force: TimeInForce | None = None
    stop_iceberg_qty: Amount | None = None
    stop_strategy_id: Count | None = None
    stop_strategy_type: StrategyType | None = None
    new_order_resp_type: ResponseType | None = None
    self_trade_prevention_mode: SelfTradePreventionMode | None = None

    # The description of the method says 1, its example and REST 2.
    declaration: ClassVar = _declared(
        Method.ORDER_LIST_PLACE, "Place new OCO - Deprecated", "/api/v3/order/oco", orders=2
    )

    def check(self, params: Params) -> None:
        some_of(params, "stopPrice", "trailingDelta")
        if ("stopLimitPrice" in params) != ("stopLimitTimeInForce" in params):
            raise ValueError("stop_limit_price and stop_limit_time_in_force go together: give both or none of them")


class OrderListPlaceOco(Request[OrderListReport], frozen=True, kw_only=True):
    """Place an OCO: one order above the price and one below, with the same quantity. When one of them trades or is
    triggered, the other is canceled.

    One leg is a LIMIT_MAKER or takes profit, the other is a stop.
    """

    symbol: str
    list_client_order_id: ClientOrderId | None = None
    side: Side
    quantity: Amount
    above_type: OrderType
    above_client_order_id: ClientOrderId | None = None
    above_iceberg_qty: Amount | None = None
    above_price: Amount | None = None
    above_stop_price: Amount | None = None
    above_trailing_delta: Count | None = None
    above_time_in_force: TimeInForce | None = None
    above_strategy_id: Count | None = None
    above_strategy_type: StrategyType | None = None
    above_peg_price_type: PegPriceType | None = None
    above_peg_offset_type: PegOffsetType | None = None
    above_peg_offset_value: PegOffset | None = None
    below_type: OrderType
    below_client_order_id: ClientOrderId | None = None
    below_iceberg_qty: Amount | None = None
    below_price: Amount | None = None
    below_stop_price: Amount | None = None
    below_trailing_delta: Count | None = None
    below_time_in_force: TimeInForce | None = None
    below_strategy_id: Count | None = None
    below_strategy_type: StrategyType | None = None
    below_peg_price_type: PegPriceType | None = None
    below_peg_offset_type: PegOffsetType | None = None
    below_peg_offset_value: PegOffset | None = None
    new_order_resp_type: ResponseType | None = None
    self_trade_prevention_mode: SelfTradePreventionMode | None = None

    declaration: ClassVar = _declared(
        Method.ORDER_LIST_PLACE_OCO, "Place new Order list - OCO", "/api/v3/orderList/oco", orders=2
    )

    def check(self, params: Params) -> None:
        _ABOVE.check(params)
        _BELOW.check(params)


class _Working(Request[OrderListReport], frozen=True, kw_only=True):
    """A list whose working order, a LIMIT or LIMIT_MAKER, has to fill before anything else of it is placed."""

    symbol: str
    list_client_order_id: ClientOrderId | None = None
    new_order_resp_type: ResponseType | None = None
    self_trade_prevention_mode: SelfTradePreventionMode | None = None
    working_type: OrderType
    working_side: Side
    working_client_order_id: ClientOrderId | None = None
    working_price: Amount
    working_quantity: Amount
    working_iceberg_qty: Amount | None = None
    working_time_in_force: TimeInForce | None = None
    working_strategy_id: Count | None = None
    working_strategy_type: StrategyType | None = None
    working_peg_price_type: PegPriceType | None = None
    working_peg_offset_type: PegOffsetType | None = None
    working_peg_offset_value: PegOffset | None = None

    def check(self, params: Params) -> None:
        _WORKING.check(params)


class _OnePending(_Working, frozen=True, kw_only=True):
    """With one order that waits for the working order."""

    pending_type: OrderType
    pending_side: Side
    pending_client_order_id: ClientOrderId | None = None
    pending_price: Amount | None = None
    pending_stop_price: Amount | None = None
    pending_trailing_delta: Count | None = None
    pending_iceberg_qty: Amount | None = None
    pending_time_in_force: TimeInForce | None = None
    pending_strategy_id: Count | None = None
    pending_strategy_type: StrategyType | None = None
    pending_peg_price_type: PegPriceType | None = None
    pending_peg_offset_type: PegOffsetType | None = None
    pending_peg_offset_value: PegOffset | None = None

    def check(self, params: Params) -> None:
        super().check(params)
        _PENDING.check(params)


class _TwoPending(_Working, frozen=True, kw_only=True):
    """With two orders that wait for the working order, and are an OCO of their own."""

    pending_side: Side
    pending_above_type: OrderType
    pending_above_client_order_id: ClientOrderId | None = None
    pending_above_price: Amount | None = None
    pending_above_stop_price: Amount | None = None
    pending_above_trailing_delta: Count | None = None
    pending_above_iceberg_qty: Amount | None = None
    pending_above_time_in_force: TimeInForce | None = None
    pending_above_strategy_id: Count | None = None
    pending_above_strategy_type: StrategyType | None = None
    pending_above_peg_price_type: PegPriceType | None = None
    pending_above_peg_offset_type: PegOffsetType | None = None
    pending_above_peg_offset_value: PegOffset | None = None
    pending_below_type: OrderType | None = None
    pending_below_client_order_id: ClientOrderId | None = None
    pending_below_price: Amount | None = None
    pending_below_stop_price: Amount | None = None
    pending_below_trailing_delta: Count | None = None
    pending_below_iceberg_qty: Amount | None = None
    pending_below_time_in_force: TimeInForce | None = None
    pending_below_strategy_id: Count | None = None
    pending_below_strategy_type: StrategyType | None = None
    pending_below_peg_price_type: PegPriceType | None = None
    pending_below_peg_offset_type: PegOffsetType | None = None
    pending_below_peg_offset_value: PegOffset | None = None

    def check(self, params: Params) -> None:
        super().check(params)
        _PENDING_ABOVE.check(params)
        _PENDING_BELOW.check(params)


class OrderListPlaceOto(_OnePending, frozen=True, kw_only=True):
    """Place an OTO: when the working order has filled, the pending one is placed, of any type but a MARKET order with a
    quote quantity."""

    pending_quantity: Amount

    declaration: ClassVar = _declared(
        Method.ORDER_LIST_PLACE_OTO, "Place new Order list - OTO", "/api/v3/orderList/oto", orders=2
    )


class OrderListPlaceOtoco(_TwoPending, frozen=True, kw_only=True):
    """Place an OTOCO: when the working order has filled, the pending two are placed as an OCO."""

    pending_quantity: Amount

    declaration: ClassVar = _declared(
        Method.ORDER_LIST_PLACE_OTOCO, "Place new Order list - OTOCO", "/api/v3/orderList/otoco", orders=3
    )


class OrderListPlaceOpo(_OnePending, frozen=True, kw_only=True):
    """Place an OPO: an OTO whose working order buys, and whose pending order sells what that has brought."""

    declaration: ClassVar = _declared(Method.ORDER_LIST_PLACE_OPO, "OPO", "/api/v3/orderList/opo", orders=2)


class OrderListPlaceOpoco(_TwoPending, frozen=True, kw_only=True):
    """Place an OPOCO: an OTOCO whose working order buys, and whose pending orders sell what that has brought."""

    declaration: ClassVar = _declared(Method.ORDER_LIST_PLACE_OPOCO, "OPOCO", "/api/v3/orderList/opoco", orders=3)


class OrderListCancel(Request[OrderListReport], frozen=True, kw_only=True):
    """Cancel a whole order list, by its id or its name. The list is renamed to `new_client_order_id`, or to a name that
    the exchange makes up."""

    symbol: str
    order_list_id: Count | None = None
    list_client_order_id: ClientOrderId | None = None
    new_client_order_id: ClientOrderId | None = None

    declaration: ClassVar = Declaration(
        method=Method.ORDER_LIST_CANCEL,
        section="Cancel Order list",
        security=Security.TRADE,
        weight=1,
        is_free_on_success=True,
        priority=Priority.CANCEL,
        endpoint=Endpoint("DELETE", "/api/v3/orderList"),
    )

    def check(self, params: Params) -> None:
        some_of(params, "orderListId", "listClientOrderId")
