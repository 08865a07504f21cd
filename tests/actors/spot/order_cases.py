"""Orders and reports a little beside the plain ones: what a straight line beside the state machine is tried with."""

from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st

from dogwatch.actors.spot.order import Amend, Certainty, Life, Order, Request
from tests.actors.spot.orders_made import ORDER_ID, PRICE

Report = TypeVar("Report", bound=msgspec.Struct)
Fields = dict[str, st.SearchStrategy[Any]]
"""What may stand in a field instead of what does."""

AMOUNTS = st.sampled_from([Decimal(text) for text in ("0", "0.1", "0.2", "0.20", "0.5", "1", "1.00", "2")])
SYMBOLS = st.sampled_from(["BTCUSDT", "ETHUSDT"])

ANY_ORDERS: Fields = {
    "life": st.sampled_from(Life),
    "request": st.sampled_from(Request),
    "amend": st.sampled_from(Amend),
    "certainty": st.sampled_from(Certainty),
    "order_id": st.sampled_from([None, ORDER_ID, ORDER_ID + 1]),
    "order_list_id": st.sampled_from([None, 7]),
    "quantity": st.none() | AMOUNTS,
    "price": st.sampled_from([None, PRICE, PRICE + 1]),
    "filled_quantity": AMOUNTS,
    "prevented_quantity": AMOUNTS,
    "reason": st.sampled_from(["", "it was unknown"]),
}


@st.composite
def cases(draw: st.DrawFn, order: Order, orders: Fields, report: Report, reports: Fields) -> tuple[Order, Report]:
    """The plain case with a few things changed: few enough that it is often plain still."""
    of_order, of_report = (
        {name: draw(fields[name]) for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=2, unique=True))}
        for fields in (orders, reports)
    )
    return msgspec.structs.replace(order, **of_order), msgspec.structs.replace(report, **of_report)
