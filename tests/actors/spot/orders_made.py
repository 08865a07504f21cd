"""Orders, reports and true histories for the tests of the order state."""

from decimal import Decimal

import msgspec

from dogwatch.actors.spot.enums import (
    ExecutionType,
    ExpiryReason,
    OrderStatus,
    OrderType,
    RejectReason,
    Side,
    TimeInForce,
)
from dogwatch.actors.spot.order import Amend, Certainty, Life, Order, Request
from dogwatch.actors.spot.order_events import OrderEvent
from dogwatch.actors.spot.order_state import apply
from dogwatch.actors.spot.results import AmendedOrder, AmendResult, OrderReport, ReportedFill
from dogwatch.actors.spot.user_events import ExecutionReport

NAME = "q-1-17"
SYMBOL = "BTCUSDT"
ORDER_ID = 9
PRICE = Decimal(40_000)
T0 = 1_700_000_000_000


def an_order(
    *,
    life: Life = Life.DRAFT,
    request: Request = Request.NONE,
    amend: Amend = Amend.NONE,
    certainty: Certainty = Certainty.KNOWN,
    quantity: str | None = "1",
) -> Order:
    return Order(
        client_order_id=NAME,
        symbol=SYMBOL,
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=None if quantity is None else Decimal(quantity),
        quote_quantity=Decimal(40_000) if quantity is None else None,
        price=PRICE,
        strategy="quoter",
        created_ms=T0,
        life=life,
        request=request,
        amend=amend,
        amend_quantity=None if amend is Amend.NONE else Decimal("0.5"),
        certainty=certainty,
    )


def a_report(
    execution_type: ExecutionType = ExecutionType.NEW,
    status: OrderStatus = OrderStatus.NEW,
    *,
    filled: str = "0",
    last: str = "0",
    quantity: str = "1",
    at: int = 1,
    execution_id: int | None = None,
    trade_id: int = -1,
    client_order_id: str = NAME,
    original: str = "",
    order_id: int = ORDER_ID,
    symbol: str = SYMBOL,
    expiry_reason: ExpiryReason | None = None,
    reject_reason: RejectReason = RejectReason.NONE,
    prevented: str | None = None,
    order_list_id: int = -1,
) -> ExecutionReport:
    """An executionReport at `at` milliseconds after T0; the execution id rises with it unless given."""
    return ExecutionReport(
        event_time_ms=T0 + at,
        symbol=symbol,
        client_order_id=client_order_id,
        original_client_order_id=original,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(quantity),
        price=PRICE,
        execution_type=execution_type,
        status=status,
        reject_reason=reject_reason,
        expiry_reason=expiry_reason,
        order_id=order_id,
        order_list_id=order_list_id,
        last_executed_quantity=Decimal(last),
        executed_quantity=Decimal(filled),
        last_executed_price=PRICE if Decimal(last) else Decimal(0),
        commission=Decimal("0.001") * Decimal(last),
        commission_asset="BTC" if Decimal(last) else None,
        transaction_time_ms=T0 + at,
        trade_id=trade_id,
        execution_id=100 + at if execution_id is None else execution_id,
        is_maker=False,
        cumulative_quote_quantity=PRICE * Decimal(filled),
        last_quote_quantity=PRICE * Decimal(last),
        prevented_quantity=None if prevented is None else Decimal(prevented),
    )


def a_trade(filled: str, last: str, *, at: int, trade_id: int, quantity: str = "1") -> ExecutionReport:
    status = OrderStatus.FILLED if Decimal(filled) == Decimal(quantity) else OrderStatus.PARTIALLY_FILLED
    return a_report(ExecutionType.TRADE, status, filled=filled, last=last, at=at, trade_id=trade_id, quantity=quantity)


def a_cancel_report(filled: str = "0", *, at: int) -> ExecutionReport:
    return a_report(
        ExecutionType.CANCELED,
        OrderStatus.CANCELED,
        filled=filled,
        at=at,
        client_order_id="cancel-of-17",
        original=NAME,
    )


def an_amend_report(
    quantity: str, filled: str = "0", *, at: int = 2, status: OrderStatus = OrderStatus.NEW
) -> ExecutionReport:
    return a_report(ExecutionType.REPLACED, status, quantity=quantity, filled=filled, at=at)


def an_amend_answer(
    quantity: str,
    filled: str = "0",
    *,
    at: int = 2,
    status: OrderStatus = OrderStatus.NEW,
    prevented: str = "0",
) -> AmendResult:
    """The answer to order.amend.keepPriority: of the same execution as `an_amend_report`."""
    order = AmendedOrder(
        symbol=SYMBOL,
        order_id=ORDER_ID,
        client_order_id=NAME,
        original_client_order_id=NAME,
        price=PRICE,
        quantity=Decimal(quantity),
        executed_quantity=Decimal(filled),
        prevented_quantity=Decimal(prevented),
        cumulative_quote_quantity=PRICE * Decimal(filled),
        status=status,
    )
    return AmendResult(transaction_time_ms=T0 + at, execution_id=100 + at, amended_order=order)


def an_answer(
    status: OrderStatus = OrderStatus.NEW,
    *,
    filled: str = "0",
    quantity: str = "1",
    at: int = 1,
    fills: tuple[ReportedFill, ...] = (),
    original: str | None = None,
) -> OrderReport:
    """The answer to order.place (RESULT, or FULL with fills) or to order.cancel (with `original`)."""
    return OrderReport(
        symbol=SYMBOL,
        order_id=ORDER_ID,
        client_order_id=NAME if original is None else "cancel-of-17",
        original_client_order_id=original,
        transaction_time_ms=T0 + at,
        status=status,
        price=PRICE,
        quantity=Decimal(quantity),
        executed_quantity=Decimal(filled),
        cumulative_quote_quantity=PRICE * Decimal(filled),
        fills=fills,
    )


def an_ack(*, at: int = 1) -> OrderReport:
    return OrderReport(symbol=SYMBOL, order_id=ORDER_ID, client_order_id=NAME, transaction_time_ms=T0 + at)


def a_listed_fill(quantity: str, trade_id: int) -> ReportedFill:
    return ReportedFill(
        price=PRICE,
        quantity=Decimal(quantity),
        commission=Decimal("0.001") * Decimal(quantity),
        commission_asset="BTC",
        trade_id=trade_id,
    )


def a_query(status: OrderStatus, *, filled: str = "0", quantity: str = "1", at: int = 1) -> OrderReport:
    """What order.status says: its time is that of the last change."""
    answer = an_answer(status, filled=filled, quantity=quantity, at=at)
    return msgspec.structs.replace(answer, transaction_time_ms=None, creation_time_ms=T0, update_time_ms=T0 + at)


def after(order: Order, *events: OrderEvent) -> Order:
    """The order after these events, applied one millisecond apart."""
    for number, event in enumerate(events):
        order, _ = apply(order, event, T0 + 1000 + number)
    return order
