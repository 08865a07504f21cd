"""User data events as values: what the exchange tells an account about its orders and balances (User Data Streams).

Field names are spelled out; the wire's one-letter names stand in the rename tables. Numbers that are JSON strings
become `Decimal`, times are integers with their unit in the name. Fields that the exchange adds later are ignored.
Taking a frame apart into these values is `envelope.py`'s work.
"""

from decimal import Decimal

import msgspec

from dogwatch.actors.spot.enums import (
    ContingencyType,
    ExecutionType,
    ExpiryReason,
    ListOrderStatus,
    ListStatusType,
    MatchType,
    OrderStatus,
    OrderType,
    PegOffsetType,
    PegPriceType,
    RejectReason,
    SelfTradePreventionMode,
    Side,
    TimeInForce,
    WorkingFloor,
)

_ZERO = Decimal(0)


class ExecutionReport(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="e",
    tag="executionReport",
    rename={
        "event_time_ms": "E",
        "symbol": "s",
        "client_order_id": "c",
        "side": "S",
        "order_type": "o",
        "time_in_force": "f",
        "quantity": "q",
        "price": "p",
        "stop_price": "P",
        "iceberg_quantity": "F",
        "order_list_id": "g",
        "original_client_order_id": "C",
        "execution_type": "x",
        "status": "X",
        "reject_reason": "r",
        "order_id": "i",
        "last_executed_quantity": "l",
        "executed_quantity": "z",
        "last_executed_price": "L",
        "commission": "n",
        "commission_asset": "N",
        "transaction_time_ms": "T",
        "trade_id": "t",
        "execution_id": "I",
        "is_on_book": "w",
        "is_maker": "m",
        "order_creation_time_ms": "O",
        "cumulative_quote_quantity": "Z",
        "last_quote_quantity": "Y",
        "quote_order_quantity": "Q",
        "self_trade_prevention_mode": "V",
        "working_time_ms": "W",
        "expiry_reason": "eR",
        "prevented_match_id": "v",
        "prevented_quantity": "A",
        "last_prevented_quantity": "B",
        "trade_group_id": "u",
        "counter_order_id": "U",
        "counter_symbol": "Cs",
        "prevented_execution_quantity": "pl",
        "prevented_execution_price": "pL",
        "prevented_execution_quote_quantity": "pY",
        "strategy_id": "j",
        "strategy_type": "J",
        "trailing_delta": "d",
        "trailing_time_ms": "D",
        "match_type": "b",
        "allocation_id": "a",
        "working_floor": "k",
        "used_sor": "uS",
        "peg_price_type": "gP",
        "peg_offset_type": "gOT",
        "peg_offset_value": "gOV",
        "pegged_price": "gp",
    },
):
    """An order changed (executionReport, Order Update).

    `executed_quantity` and `cumulative_quote_quantity` are totals of the order; the `last_…` fields and the commission
    belong to this one execution. `client_order_id` is the order's name from now on; after a cancel or an amend the
    earlier name is in `original_client_order_id`, else that is empty. `trade_id` is -1 when nothing traded.
    `execution_id` is unique per symbol. Zero means "not used" for stop price, iceberg and quote order quantity. What
    comes under a condition only (Conditional Fields in Execution Report) is None without it.
    """

    # In the order in which they are sent: so each is found where the one before ended (3.6 instead of 4.4 us).
    event_time_ms: int
    symbol: str
    client_order_id: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal
    stop_price: Decimal = _ZERO
    iceberg_quantity: Decimal = _ZERO
    order_list_id: int = -1
    original_client_order_id: str = ""
    execution_type: ExecutionType
    status: OrderStatus
    reject_reason: RejectReason = RejectReason.NONE
    order_id: int
    last_executed_quantity: Decimal
    executed_quantity: Decimal
    last_executed_price: Decimal
    commission: Decimal | None
    commission_asset: str | None
    transaction_time_ms: int
    trade_id: int
    execution_id: int
    is_on_book: bool = False
    is_maker: bool
    order_creation_time_ms: int = -1
    cumulative_quote_quantity: Decimal
    last_quote_quantity: Decimal
    quote_order_quantity: Decimal = _ZERO
    working_time_ms: int | None = None
    """When the order went on the book. Absent before."""
    self_trade_prevention_mode: SelfTradePreventionMode = SelfTradePreventionMode.NONE
    expiry_reason: ExpiryReason | None = None
    """Only on an expired order."""
    prevented_match_id: int | None = None
    """This and the eight below when self-trade prevention acted. `counter_order_id` is the order that it would have
    traded with, of `counter_symbol`; `prevented_execution_…` is the trade that did not happen."""
    prevented_quantity: Decimal | None = None
    last_prevented_quantity: Decimal | None = None
    trade_group_id: int | None = None
    counter_order_id: int | None = None
    counter_symbol: str | None = None
    prevented_execution_quantity: Decimal | None = None
    prevented_execution_price: Decimal | None = None
    prevented_execution_quote_quantity: Decimal | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None
    trailing_delta: int | None = None
    """In basis points: 1 is 0.01 %."""
    trailing_time_ms: int | None = None
    """Since when a trailing stop follows the price; -1 before."""
    match_type: MatchType | None = None
    """This and `allocation_id` on a fill that came from another book (Smart Order Routing)."""
    allocation_id: int | None = None
    working_floor: WorkingFloor | None = None
    used_sor: bool | None = None
    peg_price_type: PegPriceType | None = None
    peg_offset_type: PegOffsetType | None = None
    peg_offset_value: int | None = None
    pegged_price: Decimal | None = None
    """Of a pegged order, from when it is known on."""


class PositionBalance(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={"asset": "a", "free": "f", "locked": "l"}
):
    """What an account holds of one asset now."""

    asset: str
    free: Decimal
    locked: Decimal


class AccountPosition(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="e",
    tag="outboundAccountPosition",
    rename={"event_time_ms": "E", "last_update_ms": "u", "balances": "B"},
):
    """Balances changed (outboundAccountPosition, Account Update). Absolute amounts, of every asset that may
    have changed."""

    event_time_ms: int
    last_update_ms: int
    balances: tuple[PositionBalance, ...]


class BalanceUpdate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="e",
    tag="balanceUpdate",
    rename={"event_time_ms": "E", "asset": "a", "delta": "d", "clear_time_ms": "T"},
):
    """A deposit, a withdrawal or a transfer between accounts (balanceUpdate). `delta` is signed."""

    event_time_ms: int
    asset: str
    delta: Decimal
    clear_time_ms: int


class ExternalLockUpdate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="e",
    tag="externalLockUpdate",
    rename={"event_time_ms": "E", "asset": "a", "delta": "d", "transaction_time_ms": "T"},
):
    """Another system locked or unlocked a part of a balance (externalLockUpdate). `delta` is signed."""

    event_time_ms: int
    asset: str
    delta: Decimal
    transaction_time_ms: int


class ListedOrder(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={"symbol": "s", "order_id": "i", "client_order_id": "c"},
):
    """One order of an order list."""

    symbol: str
    order_id: int
    client_order_id: str


class ListStatus(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="e",
    tag="listStatus",
    rename={
        "event_time_ms": "E",
        "symbol": "s",
        "order_list_id": "g",
        "contingency_type": "c",
        "list_status_type": "l",
        "list_order_status": "L",
        "reject_reason": "r",
        "list_client_order_id": "C",
        "transaction_time_ms": "T",
        "orders": "O",
    },
):
    """An order list changed (listStatus). Comes besides the reports of its orders."""

    event_time_ms: int
    symbol: str
    order_list_id: int
    contingency_type: ContingencyType
    list_status_type: ListStatusType
    list_order_status: ListOrderStatus
    reject_reason: RejectReason
    list_client_order_id: str
    transaction_time_ms: int
    orders: tuple[ListedOrder, ...]


class EventStreamTerminated(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="e",
    tag="eventStreamTerminated",
    rename={"event_time_ms": "E"},
):
    """This subscription has ended: unsubscribed, logged out, or its token expired. No event follows under its id."""

    event_time_ms: int


class ServerShutdown(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="e",
    tag="serverShutdown",
    rename={"event_time_ms": "E"},
):
    """The server behind this connection will go away soon; no lead time is promised (WebSocket API, General API
    information; WebSocket Streams, Server Shutdown). Open another connection now."""

    event_time_ms: int


class UnknownEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="e", tag="UnknownEvent"):
    """An event of a type that the exchange added later. `event_type` is its "e", `raw` its JSON text.

    Its own tag is never sent; it only lets the union below be decoded in one pass.
    """

    event_type: str
    raw: bytes


AnyUserEvent = (
    ExecutionReport
    | AccountPosition
    | BalanceUpdate
    | ExternalLockUpdate
    | ListStatus
    | EventStreamTerminated
    | ServerShutdown
    | UnknownEvent
)
"""Every event of a user data subscription and of its connection: a union tagged by "e"."""
