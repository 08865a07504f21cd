"""What the exchange says about single orders: the answers to placing, canceling and asking (WebSocket API, Trading
requests; Account requests)."""

from decimal import Decimal

import msgspec

from dogwatch.actors.spot.enums import (
    AttemptResult,
    ExpiryReason,
    MatchType,
    OrderStatus,
    OrderType,
    PegOffsetType,
    PegPriceType,
    SelfTradePreventionMode,
    Side,
    TimeInForce,
    WorkingFloor,
)
from dogwatch.actors.spot.wire_names import wire_names


class ReportedFill(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename=wire_names(quantity="qty", allocation_id="allocId"),
):
    """One execution in a FULL answer to order.place.

    Smart order routing fills on other books as well: such a fill is an allocation, with a `match_type` and an
    `allocation_id`, and its `trade_id` is -1.
    """

    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str | None
    trade_id: int
    match_type: MatchType | None = None
    allocation_id: int | None = None


class ReportedPreventedMatch(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=wire_names()):
    """A trade of the account with itself that a FULL answer to order.place says was prevented (Self Trade Prevention
    FAQ). Whose quantity is not in it loses none."""

    prevented_match_id: int
    maker_order_id: int | None = None
    price: Decimal | None = None
    taker_prevented_quantity: Decimal | None = None
    maker_prevented_quantity: Decimal | None = None
    maker_symbol: str | None = None


class OrderReport(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename=wire_names(
        original_client_order_id="origClientOrderId",
        transaction_time_ms="transactTime",
        quantity="origQty",
        executed_quantity="executedQty",
        cumulative_quote_quantity="cummulativeQuoteQty",
        quote_order_quantity="origQuoteOrderQty",
        order_type="type",
        creation_time_ms="time",
        iceberg_quantity="icebergQty",
    ),
):
    """What the exchange says about one order: the answer to order.place (ACK, RESULT or FULL), sor.order.place,
    order.cancel and order.status, and each element of openOrders.status, openOrders.cancelAll and allOrders.

    What the answer did not carry is None: an ACK has the first five only, `fills` are in a FULL one (of which a new
    order in a cancelReplace may list none). `transaction_time_ms` comes with what was done now (place, cancel),
    `creation_time_ms` and `update_time_ms` with queries. After a cancel `client_order_id` is the cancel's name and
    `original_client_order_id` the order's. A negative `cumulative_quote_quantity` means that the exchange no longer
    knows it (old orders). `working_time_ms` and `trailing_time_ms` are -1 as long as they have not come.
    """

    # In the order in which an answer to order.place has them: then each is found where the one before ended.
    symbol: str
    original_client_order_id: str | None = None
    order_id: int
    order_list_id: int = -1
    client_order_id: str
    transaction_time_ms: int | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    executed_quantity: Decimal | None = None
    quote_order_quantity: Decimal | None = None
    cumulative_quote_quantity: Decimal | None = None
    status: OrderStatus | None = None
    time_in_force: TimeInForce | None = None
    order_type: OrderType | None = None
    side: Side | None = None
    stop_price: Decimal | None = None
    iceberg_quantity: Decimal | None = None
    creation_time_ms: int | None = None
    update_time_ms: int | None = None
    is_working: bool | None = None
    working_time_ms: int | None = None
    fills: tuple[ReportedFill, ...] | None = None
    self_trade_prevention_mode: SelfTradePreventionMode | None = None
    expiry_reason: ExpiryReason | None = None
    prevented_match_id: int | None = None
    prevented_quantity: Decimal | None = None
    prevented_matches: tuple[ReportedPreventedMatch, ...] | None = None
    trade_group_id: int | None = None
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

    @property
    def placed_client_order_id(self) -> str:
        """The name under which the order was placed, also after a cancel gave it another one."""
        return self.original_client_order_id or self.client_order_id

    @property
    def time_ms(self) -> int | None:
        """The server time of what this report says, from whichever field the answer carries it in."""
        return self.transaction_time_ms if self.transaction_time_ms is not None else self.update_time_ms


class CancelReplaceResult(msgspec.Struct, frozen=True, kw_only=True, rename=wire_names()):
    """What became of the two parts of order.cancelReplace: the result of an answer, or the `data` of its error.

    Each response is the raw JSON of what order.cancel or order.place would have answered, of an error (`code`, `msg`),
    or null; empty if there was none. `cancel_replace.judge_parts` reads them.
    """

    cancel_result: AttemptResult
    new_order_result: AttemptResult
    cancel_response: msgspec.Raw = msgspec.Raw(b"")
    new_order_response: msgspec.Raw = msgspec.Raw(b"")

    @property
    def is_success(self) -> bool:
        """Whether both parts are said to have worked."""
        return self.cancel_result is AttemptResult.SUCCESS and self.new_order_result is AttemptResult.SUCCESS


class Amendment(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename=wire_names(original_client_order_id="origClientOrderId", original_quantity="origQty", new_quantity="newQty"),
):
    """One amend of an order (order.amendments): the quantity and the name before it and since."""

    symbol: str
    order_id: int
    execution_id: int
    original_client_order_id: str
    new_client_order_id: str
    original_quantity: Decimal
    new_quantity: Decimal
    time_ms: int
