"""The results of WebSocket API methods as values, and `decode_result`, which makes them of a response's raw JSON.

Field names are spelled out; the wire's names stand in the rename tables. Numbers that are JSON strings become
`Decimal`, times are integers in milliseconds. Fields that the exchange adds later are ignored. exchangeInfo, the
largest of them, has a file of its own.
"""

from decimal import Decimal
from typing import Any, TypeVar, cast

import msgspec

from dogwatch.actors.spot.enums import (
    AttemptResult,
    ContingencyType,
    ExpiryReason,
    ListOrderStatus,
    ListStatusType,
    OrderStatus,
    OrderType,
    SelfTradePreventionMode,
    Side,
    TimeInForce,
)
from dogwatch.actors.spot.envelope import UNDECODABLE
from dogwatch.actors.spot.errors import MalformedResult
from dogwatch.actors.spot.exchange_info import ExchangeInfo, decode_exchange_info

T = TypeVar("T")


class ReportedFill(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={
        "quantity": "qty",
        "commission_asset": "commissionAsset",
        "trade_id": "tradeId",
    },
):
    """One execution in a FULL answer to order.place."""

    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str | None
    trade_id: int


class OrderReport(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "order_id": "orderId",
        "order_list_id": "orderListId",
        "client_order_id": "clientOrderId",
        "original_client_order_id": "origClientOrderId",
        "transaction_time_ms": "transactTime",
        "quantity": "origQty",
        "executed_quantity": "executedQty",
        "cumulative_quote_quantity": "cummulativeQuoteQty",
        "quote_order_quantity": "origQuoteOrderQty",
        "time_in_force": "timeInForce",
        "order_type": "type",
        "creation_time_ms": "time",
        "update_time_ms": "updateTime",
        "working_time_ms": "workingTime",
        "is_working": "isWorking",
        "stop_price": "stopPrice",
        "iceberg_quantity": "icebergQty",
        "self_trade_prevention_mode": "selfTradePreventionMode",
        "expiry_reason": "expiryReason",
        "prevented_match_id": "preventedMatchId",
        "prevented_quantity": "preventedQuantity",
        "strategy_id": "strategyId",
        "strategy_type": "strategyType",
        "trailing_delta": "trailingDelta",
        "trailing_time_ms": "trailingTime",
        "pegged_price": "peggedPrice",
    },
):
    """What the exchange says about one order: the answer to order.place (ACK, RESULT or FULL), order.cancel and
    order.status, and each element of openOrders.status, openOrders.cancelAll and allOrders.

    What the answer did not carry is None: an ACK has the first five only. `transaction_time_ms` comes with what was
    done now (place, cancel), `creation_time_ms` and `update_time_ms` with queries. After a cancel `client_order_id`
    is the cancel's name and `original_client_order_id` the order's. A negative `cumulative_quote_quantity` means that
    the exchange no longer knows it (old orders).
    """

    symbol: str
    order_id: int
    client_order_id: str
    order_list_id: int = -1
    transaction_time_ms: int | None = None
    original_client_order_id: str | None = None
    status: OrderStatus | None = None
    side: Side | None = None
    order_type: OrderType | None = None
    time_in_force: TimeInForce | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    executed_quantity: Decimal | None = None
    cumulative_quote_quantity: Decimal | None = None
    quote_order_quantity: Decimal | None = None
    fills: tuple[ReportedFill, ...] = ()
    creation_time_ms: int | None = None
    update_time_ms: int | None = None
    working_time_ms: int | None = None
    is_working: bool | None = None
    stop_price: Decimal | None = None
    iceberg_quantity: Decimal | None = None
    self_trade_prevention_mode: SelfTradePreventionMode | None = None
    expiry_reason: ExpiryReason | None = None
    prevented_match_id: int | None = None
    prevented_quantity: Decimal | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None
    trailing_delta: int | None = None
    trailing_time_ms: int | None = None
    pegged_price: Decimal | None = None

    @property
    def placed_client_order_id(self) -> str:
        """The name under which the order was placed, also after a cancel gave it another one."""
        return self.original_client_order_id or self.client_order_id

    @property
    def time_ms(self) -> int | None:
        """The server time of what this report says, from whichever field the answer carries it in."""
        return self.transaction_time_ms if self.transaction_time_ms is not None else self.update_time_ms


class AmendedOrder(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={
        "order_id": "orderId",
        "order_list_id": "orderListId",
        "client_order_id": "clientOrderId",
        "original_client_order_id": "origClientOrderId",
        "quantity": "qty",
        "executed_quantity": "executedQty",
        "prevented_quantity": "preventedQty",
        "quote_order_quantity": "quoteOrderQty",
        "cumulative_quote_quantity": "cumulativeQuoteQty",
        "time_in_force": "timeInForce",
        "order_type": "type",
        "working_time_ms": "workingTime",
        "self_trade_prevention_mode": "selfTradePreventionMode",
    },
):
    """An order as it is after an amend. The wire has names of its own for what every other answer calls otherwise.

    `client_order_id` is the order's name from now on, `original_client_order_id` the one before.
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
    self_trade_prevention_mode: SelfTradePreventionMode | None = None


class AmendResult(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={
        "transaction_time_ms": "transactTime",
        "execution_id": "executionId",
        "amended_order": "amendedOrder",
    },
):
    """The answer to order.amend.keepPriority (Order Amend Keep Priority). What it says of a list is not read."""

    transaction_time_ms: int
    execution_id: int
    amended_order: AmendedOrder


class ListMember(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={"order_id": "orderId", "client_order_id": "clientOrderId"},
):
    """One order of an order list."""

    symbol: str
    order_id: int
    client_order_id: str


class OrderListReport(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "order_list_id": "orderListId",
        "contingency_type": "contingencyType",
        "list_status_type": "listStatusType",
        "list_order_status": "listOrderStatus",
        "list_client_order_id": "listClientOrderId",
        "transaction_time_ms": "transactionTime",
        "order_reports": "orderReports",
    },
):
    """What the exchange says about an order list. A cancel of one member answers with this, for all are canceled."""

    order_list_id: int
    contingency_type: ContingencyType
    list_status_type: ListStatusType
    list_order_status: ListOrderStatus
    list_client_order_id: str
    transaction_time_ms: int
    symbol: str
    orders: tuple[ListMember, ...] = ()
    order_reports: tuple[OrderReport, ...] = ()


class CancelReplaceResult(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "cancel_result": "cancelResult",
        "new_order_result": "newOrderResult",
        "cancel_response": "cancelResponse",
        "new_order_response": "newOrderResponse",
    },
):
    """What became of the two parts of order.cancelReplace: the result of an answer, or the `data` of its error.

    Each response is the raw JSON of what order.cancel or order.place would have answered, of an error (`code`, `msg`),
    or null; empty if there was none. `cancel_replace.judge` reads them.
    """

    cancel_result: AttemptResult
    new_order_result: AttemptResult
    cancel_response: msgspec.Raw = msgspec.Raw(b"")
    new_order_response: msgspec.Raw = msgspec.Raw(b"")


class SessionStatus(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={
        "api_key": "apiKey",
        "authorized_since_ms": "authorizedSince",
        "connected_since_ms": "connectedSince",
        "returns_rate_limits": "returnRateLimits",
        "server_time_ms": "serverTime",
        "has_user_data_stream": "userDataStream",
    },
):
    """The state of the connection (session.logon, session.status, session.logout). Nobody is logged on when `api_key`
    is None. `has_user_data_stream` is None where the server does not offer user data on this connection."""

    api_key: str | None
    authorized_since_ms: int | None
    connected_since_ms: int
    server_time_ms: int
    returns_rate_limits: bool = True
    has_user_data_stream: bool | None = None

    def __repr__(self) -> str:
        """Without the key: it is no secret by itself, but it need not be in every log either."""
        return f"SessionStatus(logged_on={self.api_key is not None}, server_time_ms={self.server_time_ms})"


class SubscribeResult(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={"subscription_id": "subscriptionId"}
):
    """The id under which events will come (userDataStream.subscribe, userDataStream.subscribe.signature)."""

    subscription_id: int


class ServerTime(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={"server_time_ms": "serverTime"}):
    """The server's clock (time)."""

    server_time_ms: int


class Empty(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`{}`: it worked and there is nothing to say (ping, order.test, userDataStream.unsubscribe)."""


class CommissionRates(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Commission as fractions (0.001 is 0.1 %). An order pays maker or taker plus buyer or seller."""

    maker: Decimal
    taker: Decimal
    buyer: Decimal
    seller: Decimal


class AccountBalance(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an account holds of one asset."""

    asset: str
    free: Decimal
    locked: Decimal


class AccountStatus(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "can_trade": "canTrade",
        "can_withdraw": "canWithdraw",
        "can_deposit": "canDeposit",
        "commission_rates": "commissionRates",
        "update_time_ms": "updateTime",
        "account_type": "accountType",
    },
):
    """The account as it stands (account.status)."""

    balances: tuple[AccountBalance, ...]
    can_trade: bool
    update_time_ms: int
    can_withdraw: bool = False
    can_deposit: bool = False
    commission_rates: CommissionRates | None = None
    account_type: str = "SPOT"
    permissions: tuple[str, ...] = ()
    uid: int | None = None


class AccountTrade(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={
        "trade_id": "id",
        "order_id": "orderId",
        "order_list_id": "orderListId",
        "quantity": "qty",
        "quote_quantity": "quoteQty",
        "commission_asset": "commissionAsset",
        "time_ms": "time",
        "is_buyer": "isBuyer",
        "is_maker": "isMaker",
    },
):
    """One trade of the account (myTrades)."""

    symbol: str
    trade_id: int
    order_id: int
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    commission: Decimal
    commission_asset: str
    time_ms: int
    is_buyer: bool
    is_maker: bool
    order_list_id: int = -1


def decode_result(result: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Return a response's result as a `kind` of this file, or as an ExchangeInfo.

    Raises MalformedResult if it is not one. The request was answered then, but how is not known.
    """
    try:
        if kind is ExchangeInfo:
            return cast(T, decode_exchange_info(result))
        return cast(T, _decoder(kind).decode(result))
    except UNDECODABLE as error:
        raise _malformed(result, kind.__name__, error) from None


def decode_results(result: bytes | msgspec.Raw, kind: type[T]) -> tuple[T, ...]:
    """Return a result that is an array of `kind` (openOrders.status, allOrders, myTrades). Raises MalformedResult."""
    try:
        return cast(tuple[T, ...], _decoder(tuple[kind, ...]).decode(result))  # type: ignore[valid-type] # a value here
    except UNDECODABLE as error:
        raise _malformed(result, f"an array of {kind.__name__}", error) from None


def decode_cancel(result: bytes | msgspec.Raw) -> OrderReport | OrderListReport:
    """Return the result of order.cancel: the order's report, or its list's if the order was a member of one."""
    # As a key or a value, no order report contains this word in quotation marks.
    if b'"contingencyType"' in bytes(result):
        return decode_result(result, OrderListReport)
    return decode_result(result, OrderReport)


def decode_cancels(result: bytes | msgspec.Raw) -> tuple[OrderReport | OrderListReport, ...]:
    """Return the result of openOrders.cancelAll, which mixes orders and order lists. Raises MalformedResult."""
    return tuple(decode_cancel(item) for item in decode_results(result, msgspec.Raw))


_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """A decoder is costly to make and cheap to keep; there are as many as kinds in this file."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    return decoder


def _malformed(result: bytes | msgspec.Raw, kind: str, error: Exception) -> MalformedResult:
    excerpt = bytes(result)[:200].decode("utf-8", "replace")
    return MalformedResult(f"a result is not {kind}: {error}; it begins with {excerpt!r}")
