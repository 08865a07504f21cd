"""The answer that an order was taken and nothing of it has filled: what `order_state.apply` says of it, said in a
straight line.

Nearly every order is answered so, and nothing has to be weighed about it. Whatever is not as plain as that gets None
here and is left to `apply`. Both ways have to lead to the same order: tests/actors/spot/test_order_acceptance.py holds
them against each other.
"""

import msgspec

from dogwatch.actors.spot.enums import OrderStatus
from dogwatch.actors.spot.order import Amend, Certainty, Life, Order, Request
from dogwatch.actors.spot.order_state import PLACE_ANSWER
from dogwatch.actors.spot.results import OrderReport

# Looking up a member of an enumeration takes longer than most of what is done with it here.
_SENT, _NO_REQUEST, _NO_AMEND, _KNOWN = Life.SENT, Request.NONE, Amend.NONE, Certainty.KNOWN
_LIVES = {OrderStatus.NEW: Life.OPEN, OrderStatus.EXPIRED: Life.EXPIRED}
_with = msgspec.structs.replace


def apply_acceptance(order: Order, report: OrderReport, now_ms: int) -> Order | None:
    """The order after the answer to order.place; None for anything that is not so plain. `now_ms` is the local clock.

    0.5 instead of 7.4 us an order.
    """
    price, transaction_time_ms, status = report.price, report.transaction_time_ms, report.status
    if (
        order.life is _SENT
        and order.request is _NO_REQUEST
        and order.amend is _NO_AMEND
        and order.certainty is _KNOWN
        and order.order_id is None
        and not order.filled_quantity
        and not order.reason
        and status is not None
        and status in _LIVES
        and report.symbol == order.symbol
        and report.quantity == order.quantity
        and (price == order.price or not price)
        and not report.executed_quantity
        and not report.cumulative_quote_quantity
        and not report.fills
        and report.order_list_id < 0
        and report.prevented_quantity is None
        and report.expiry_reason is None
        and transaction_time_ms is not None
    ):
        return _with(
            order,
            life=_LIVES[status],
            status=status,
            evidence=PLACE_ANSWER,
            order_id=report.order_id,
            updated_ms=now_ms,
            transaction_time_ms=transaction_time_ms,
        )
    return None
