"""What a request has reserved of the limits (`rate_budget.py`)."""

import msgspec

from dogwatch.actors.spot.rate_windows import AccountWindows
from dogwatch.actors.spot.request_costs import Cost

__all__ = ["Booking"]


class Booking(msgspec.Struct, eq=False, gc=False):
    """A request that may be sent: its cost is reserved until it is settled, withdrawn or given up. `…_settled` is what
    had been charged to the address and to the account before."""

    cost: Cost
    account: AccountWindows
    at_ms: int
    weight_settled: int
    orders_settled: int
