"""A call that is in flight."""

import msgspec

from dogwatch.actors.session_messages import Call
from dogwatch.actors.spot.booking import Booking
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.request import Declaration
from dogwatch.runtime.reply import Reply

__all__ = ["Pending"]


class Pending(msgspec.Struct, eq=False, gc=False):
    """A call that was handed to the connection, at `sent_s` on Trio's clock and `stamp_ms` on the exchange's. A struct
    is made in 0.1 us, an object with an `__init__` in 0.3."""

    call: Call
    reply: Reply[Response]
    sends: int
    booking: Booking
    declaration: Declaration
    sent_s: float
    stamp_ms: int
    sent_ns: int
