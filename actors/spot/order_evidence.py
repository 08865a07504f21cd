"""What a report of any kind says about its order (`Evidence`), and the trades that it tells of.

The exchange speaks of an order by events, by answers, and by answers to queries. Here they become one.
Joining evidence with what is known lives in `order_state.py`.
"""

from decimal import Decimal

import msgspec

from dogwatch.actors.spot.enums import ExecutionType, ExpiryReason, OrderStatus, RejectReason
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.order import ZERO, Order
from dogwatch.actors.spot.order_events import PublishFill, UnexpectedEvent
from dogwatch.actors.spot.order_tables import STATUS_SIGNALS, Signal
from dogwatch.actors.spot.results import AccountTrade, AmendResult, OrderReport
from dogwatch.actors.spot.user_events import ExecutionReport

_NO_EXPIRY = ExpiryReason.NONE
_NO_REJECTION = RejectReason.NONE
_OPEN = Signal.OPEN
_TRADE = ExecutionType.TRADE
EVENT_SOURCES = {execution_type: f"executionReport {execution_type}" for execution_type in ExecutionType}
AMEND_ANSWER = "answer to order.amend.keepPriority"


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """What one report says. None, or zero for `execution_id`, is what it does not say. `source`: which kind it is."""

    signal: Signal
    source: str
    symbol: str
    order_id: int | None
    order_list_id: int | None
    transaction_time_ms: int
    execution_id: int
    filled_quantity: Decimal
    filled_quote: Decimal
    quantity: Decimal | None
    price: Decimal | None
    status: OrderStatus | None
    prevented_quantity: Decimal | None
    reason: str


def read_execution_report(report: ExecutionReport) -> Evidence:
    """What an executionReport says (User Data Streams, Order Update). What never came to be has order id -1."""
    reason = _reason(report.expiry_reason)
    if not reason and report.reject_reason is not _NO_REJECTION:
        reason = str(report.reject_reason)
    execution_type = report.execution_type
    return Evidence(
        _signal_of(report.status),
        EVENT_SOURCES.get(execution_type) or f"executionReport {execution_type}",
        report.symbol,
        report.order_id if report.order_id >= 0 else None,
        report.order_list_id if report.order_list_id >= 0 else None,
        report.transaction_time_ms,
        report.execution_id,
        report.executed_quantity,
        report.cumulative_quote_quantity,
        report.quantity,
        report.price,
        report.status,
        report.prevented_quantity,
        reason,
    )


def read_order_report(report: OrderReport, source: str) -> Evidence:
    """What the answer to order.place, order.cancel or a query says. An ACK says only that there is one."""
    return Evidence(
        _OPEN if report.status is None else _signal_of(report.status),
        source,
        report.symbol,
        report.order_id,
        report.order_list_id if report.order_list_id >= 0 else None,
        report.time_ms or 0,
        0,
        report.executed_quantity or ZERO,
        report.cumulative_quote_quantity or ZERO,
        report.quantity,
        report.price,
        report.status,
        report.prevented_quantity,
        _reason(report.expiry_reason),
    )


def read_amend_result(result: AmendResult) -> Evidence:
    """What the answer to order.amend.keepPriority says."""
    order = result.amended_order
    return Evidence(
        _signal_of(order.status),
        AMEND_ANSWER,
        order.symbol,
        order.order_id,
        order.order_list_id if order.order_list_id >= 0 else None,
        result.transaction_time_ms,
        result.execution_id,
        order.executed_quantity,
        order.cumulative_quote_quantity or ZERO,
        order.quantity,
        order.price,
        order.status,
        order.prevented_quantity,
        "",
    )


def fill_of_event(order: Order, report: ExecutionReport) -> tuple[PublishFill, ...]:
    """The trade that an executionReport tells of, if it does."""
    if report.execution_type is not _TRADE or report.last_executed_quantity <= 0:
        return ()
    return (PublishFill(fill_of_report(order, report)),)


def fill_of_report(order: Order, report: ExecutionReport) -> Fill:
    """The trade that an executionReport of one tells of."""
    return Fill(
        symbol=report.symbol,
        trade_id=report.trade_id,
        order_id=report.order_id,
        client_order_id=order.client_order_id,
        side=order.side,
        price=report.last_executed_price,
        quantity=report.last_executed_quantity,
        quote_quantity=report.last_quote_quantity,
        commission=report.commission or ZERO,
        commission_asset=report.commission_asset,
        is_maker=report.is_maker,
        traded_ms=report.transaction_time_ms,
        execution_id=report.execution_id,
        strategy=order.strategy,
    )


def fills_of_answer(order: Order, report: OrderReport) -> tuple[PublishFill, ...]:
    """The trades listed in a FULL answer to order.place: the order took them at once."""
    # An allocation has no trade id, and the answer has no other name for it: its event will tell of it.
    traded = [listed for listed in report.fills or () if listed.trade_id >= 0]
    return tuple(
        PublishFill(
            Fill(
                symbol=report.symbol,
                trade_id=listed.trade_id,
                order_id=report.order_id,
                client_order_id=order.client_order_id,
                side=order.side,
                price=listed.price,
                quantity=listed.quantity,
                quote_quantity=listed.price * listed.quantity,
                commission=listed.commission,
                commission_asset=listed.commission_asset,
                is_maker=False,
                traded_ms=report.time_ms or 0,
                strategy=order.strategy,
            )
        )
        for listed in traded
    )


def recovered_fill(order: Order, trade: AccountTrade) -> Fill:
    """A trade of an order as the exchange lists it."""
    return Fill(
        symbol=trade.symbol,
        trade_id=trade.trade_id,
        order_id=trade.order_id,
        client_order_id=order.client_order_id,
        side=order.side,
        price=trade.price,
        quantity=trade.quantity,
        quote_quantity=trade.quote_quantity,
        commission=trade.commission,
        commission_asset=trade.commission_asset,
        is_maker=trade.is_maker,
        traded_ms=trade.time_ms,
        strategy=order.strategy,
        is_recovered=True,
    )


def _signal_of(status: OrderStatus) -> Signal:
    signal = STATUS_SIGNALS.get(status)
    if signal is None:
        raise UnexpectedEvent(
            f"the exchange reports an order status that is not known here: {status!s}",
            hint="see the change log of the exchange and look at the order by hand",
        )
    return signal


def _reason(expiry_reason: ExpiryReason | None) -> str:
    return "" if expiry_reason is None or expiry_reason is _NO_EXPIRY else str(expiry_reason)
