"""What the exchange says about order lists, and about an amended order, which may be in one (WebSocket API, Trading
requests)."""

from decimal import Decimal

import msgspec

from dogwatch.actors.spot.enums import (
    ContingencyType,
    ListOrderStatus,
    ListStatusType,
    OrderStatus,
    OrderType,
    PegOffsetType,
    PegPriceType,
    SelfTradePreventionMode,
    Side,
    TimeInForce,
    WorkingFloor,
)
from dogwatch.actors.spot.order_results import OrderReport
from dogwatch.actors.spot.wire_names import wire_names


class ListMember(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=wire_names()):
    """One order of an order list."""

    symbol: str
    order_id: int
    client_order_id: str


class OrderListReport(msgspec.Struct, frozen=True, kw_only=True, rename=wire_names()):
    """What the exchange says about an order list: the answer to placing one, to orderList.cancel and orderList.status,
    and each element of openOrderLists.status and allOrderLists. A cancel of one member answers with this as well, for
    all are canceled.

    `order_reports` are in the answers to placing and canceling only. They rise by order id, as `orders` do. A member of
    an OPO whose quantity is not known yet has none.
    """

    order_list_id: int
    contingency_type: ContingencyType
    list_status_type: ListStatusType
    list_order_status: ListOrderStatus
    list_client_order_id: str
    transaction_time_ms: int
    symbol: str
    orders: tuple[ListMember, ...] = ()
    order_reports: tuple[OrderReport, ...] | None = None


class AmendedOrder(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename=wire_names(
        original_client_order_id="origClientOrderId",
        quantity="qty",
        executed_quantity="executedQty",
        prevented_quantity="preventedQty",
        quote_order_quantity="quoteOrderQty",
        cumulative_quote_quantity="cumulativeQuoteQty",
        order_type="type",
        iceberg_quantity="icebergQty",
    ),
):
    """An order as it is after an amend. The wire has names of its own for what every other answer calls otherwise.

    `client_order_id` is the order's name from now on, `original_client_order_id` the one before. `working_time_ms` is
    None for an order that is not on the book yet. What else does not apply is None too, as in an OrderReport.
    """

    symbol: str
    order_id: int
    client_order_id: str
    original_client_order_id: str
    price: Decimal
    quantity: Decimal
    executed_quantity: Decimal
    status: OrderStatus
    order_list_id: int = -1
    prevented_quantity: Decimal | None = None
    quote_order_quantity: Decimal | None = None
    cumulative_quote_quantity: Decimal | None = None
    time_in_force: TimeInForce | None = None
    order_type: OrderType | None = None
    side: Side | None = None
    working_time_ms: int | None = None
    stop_price: Decimal | None = None
    iceberg_quantity: Decimal | None = None
    self_trade_prevention_mode: SelfTradePreventionMode | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None
    trailing_delta: int | None = None
    trailing_time_ms: int | None = None
    peg_price_type: PegPriceType | None = None
    peg_offset_type: PegOffsetType | None = None
    peg_offset_value: int | None = None
    pegged_price: Decimal | None = None
    used_sor: bool | None = None
    working_floor: WorkingFloor | None = None


class AmendedList(msgspec.Struct, frozen=True, kw_only=True, rename=wire_names()):
    """The list of an amended order, with the order's name from now on."""

    order_list_id: int
    contingency_type: ContingencyType
    list_order_status: ListOrderStatus
    list_client_order_id: str
    symbol: str
    orders: tuple[ListMember, ...]


class AmendResult(msgspec.Struct, frozen=True, kw_only=True, rename=wire_names(transaction_time_ms="transactTime")):
    """The answer to order.amend.keepPriority (Order Amend Keep Priority). `list_status` is None for an order that is in
    no list."""

    transaction_time_ms: int
    execution_id: int
    amended_order: AmendedOrder
    list_status: AmendedList | None = None
