"""A trade of an order that stays open: what `order_state.apply` says of it, said in a straight line.

Of all that is told of orders this comes most often, and nothing has to be weighed about it. Whatever is not as plain as
that gets None here and is left to `apply`. The same evidence has to lead to the same order on both ways:
tests/actors/spot/test_order_trade.py holds them against each other.
"""

import msgspec

from dogwatch.actors.spot.enums import ExecutionType, OrderStatus, RejectReason
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.order import ZERO, Amend, Certainty, Life, Order, Request
from dogwatch.actors.spot.order_evidence import EVENT_SOURCES, fill_of_report
from dogwatch.actors.spot.user_events import ExecutionReport

# Looking up a member of an enumeration takes longer than most of what is done with it here.
_TRADE = ExecutionType.TRADE
_PARTIALLY_FILLED = OrderStatus.PARTIALLY_FILLED
_NO_REJECTION = RejectReason.NONE
_OPEN, _NO_REQUEST, _NO_AMEND, _KNOWN = Life.OPEN, Request.NONE, Amend.NONE, Certainty.KNOWN
_EVIDENCE = EVENT_SOURCES[_TRADE]
_with = msgspec.structs.replace


def apply_trade(order: Order, report: ExecutionReport, now_ms: int) -> tuple[Order, Fill] | None:
    """The order after a report that it has traded further, and the trade; None for anything that is not so plain.

    `now_ms` is the local clock. 1.1 instead of 5.0 us a fill.
    """
    filled, price = report.executed_quantity, report.price
    if (
        report.execution_type is _TRADE
        and report.status is _PARTIALLY_FILLED
        and order.life is _OPEN
        and order.request is _NO_REQUEST
        and order.amend is _NO_AMEND
        and order.certainty is _KNOWN
        and report.order_id == order.order_id
        and report.symbol == order.symbol
        and report.transaction_time_ms >= order.transaction_time_ms
        and report.execution_id > order.execution_id
        and order.filled_quantity < filled <= report.quantity
        and report.quantity == order.quantity
        and report.cumulative_quote_quantity > order.filled_quote
        and report.last_executed_quantity > ZERO
        and (price == order.price or not price)
        and (report.order_list_id < 0 or order.order_list_id is not None)
        and report.prevented_quantity is None
        and report.expiry_reason is None
        and report.reject_reason is _NO_REJECTION
        and not order.reason
    ):
        changed = _with(
            order,
            status=_PARTIALLY_FILLED,
            evidence=_EVIDENCE,
            filled_quantity=filled,
            filled_quote=report.cumulative_quote_quantity,
            updated_ms=now_ms,
            transaction_time_ms=report.transaction_time_ms,
            execution_id=report.execution_id,
        )
        return changed, fill_of_report(order, report)
    return None
