"""What can happen to an order (`OrderEvent`), and what is to be done about it (`Action`). Data only.

`order_state.apply` turns the first into the second.
"""

from decimal import Decimal

import msgspec

from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.outcome import NotExecuted, Refused, Unknown
from dogwatch.actors.spot.results import AmendResult, OrderReport
from dogwatch.actors.spot.user_events import ExecutionReport
from dogwatch.runtime.errors import DogwatchError


class Event(msgspec.Struct, frozen=True, gc=False):
    """Something happened to an order."""


# What this side did.


class Sent(Event, frozen=True):
    """The order was handed to the connection."""


class Unsent(Event, frozen=True):
    """The order has not left this machine and will not."""

    reason: str
    retry_after_s: float | None = None


class CancelSent(Event, frozen=True):
    """A cancel of the order was handed to the connection."""


class CancelUnsent(Event, frozen=True):
    """The cancel has not left this machine and will not."""

    reason: str
    retry_after_s: float | None = None


class AmendSent(Event, frozen=True):
    """An amend of the order to this quantity was handed to the connection. Only when no other amend is unsettled."""

    quantity: Decimal


class AmendUnsent(Event, frozen=True):
    """The amend has not left this machine and will not."""

    reason: str
    retry_after_s: float | None = None


# What the exchange answered. `Refused`, `NotExecuted` and `Unknown` of outcome.py are the other answers to a placing.


class Acknowledged(Event, frozen=True):
    """The answer to order.place: ACK, RESULT or FULL."""

    report: OrderReport


class CancelAcknowledged(Event, frozen=True):
    """The answer to order.cancel: it is canceled."""

    report: OrderReport


class CancelRefused(Event, frozen=True):
    """The cancel was refused or turned away, with the exchange's code and wording."""

    code: int
    wording: str


class CancelUnknown(Event, frozen=True):
    """The cancel left this machine and nobody knows whether it was executed."""

    reason: str


class NotAttempted(Event, frozen=True):
    """The exchange did not try to place the order: the cancel came to nothing that it was to follow (cancelReplace)."""

    reason: str


class AmendAcknowledged(Event, frozen=True):
    """The answer to order.amend.keepPriority: the order has another quantity now."""

    result: AmendResult


class AmendRefused(Event, frozen=True):
    """The amend was refused or turned away, with the exchange's code and wording."""

    code: int
    wording: str


class AmendUnknown(Event, frozen=True):
    """The amend left this machine and nobody knows whether it was executed."""

    reason: str


# What the exchange told by itself, or when asked.


class Reported(Event, frozen=True):
    """An executionReport came."""

    report: ExecutionReport


class QueryFound(Event, frozen=True):
    """order.status has the order, or (`is_listed`) openOrders.status or allOrders."""

    report: OrderReport
    is_listed: bool = False


class QueryMissing(Event, frozen=True):
    """order.status found no such order (-2013). By itself it proves nothing: it may not be visible yet."""


# What was concluded from all of it (see verdict.py).


class NeverPlaced(Event, frozen=True):
    """The order is proven not to be there, and cannot come any more."""

    reason: str


class NotCanceled(Event, frozen=True):
    """The order is proven to be open after its cancel could last have been executed."""

    reason: str


class NotAmended(Event, frozen=True):
    """The order is proven to have its old quantity after its amend could last have been executed."""

    reason: str


OrderEvent = (
    Sent
    | Unsent
    | CancelSent
    | CancelUnsent
    | AmendSent
    | AmendUnsent
    | Acknowledged
    | Refused
    | NotExecuted
    | Unknown
    | NotAttempted
    | CancelAcknowledged
    | CancelRefused
    | CancelUnknown
    | AmendAcknowledged
    | AmendRefused
    | AmendUnknown
    | Reported
    | QueryFound
    | QueryMissing
    | NeverPlaced
    | NotCanceled
    | NotAmended
)


class Reconcile(msgspec.Struct, frozen=True, gc=False):
    """Ask the exchange about this order until it is known."""

    reason: str


class PublishFill(msgspec.Struct, frozen=True, gc=False):
    """A trade of this order, as the evidence tells it. The same trade may be told more than once, by the answer and by
    the event: publish it only when the `FillLedger` has not seen it."""

    fill: Fill


class Alarm(msgspec.Struct, frozen=True, gc=False):
    """Somebody should look at this: what the exchange says contradicts what it said."""

    text: str


Action = Reconcile | PublishFill | Alarm


class UnexpectedEvent(DogwatchError):
    """An event that cannot happen to this order: a mistake of ours, or a message that belongs to another order.

    Nothing was changed. In production: raise the alarm and ask the exchange about the order.
    """
