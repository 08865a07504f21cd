"""What the session's answer to a request means for the order that it is about. Pure translations, none raises.

An answer is a response of the exchange, or an error that says whether the request left this machine. The meaning of a
response is `spot/outcome.py`'s, what follows for the order `spot/order_state.py`'s.
"""

from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import MalformedResult, NotSent, Rejected
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order_events import (
    Acknowledged,
    CancelAcknowledged,
    CancelRefused,
    CancelUnknown,
    CancelUnsent,
    OrderEvent,
    QueryFound,
    QueryMissing,
    Unsent,
)
from dogwatch.actors.spot.outcome import Accepted, NotExecuted, Refused, Unknown, classify
from dogwatch.actors.spot.results import OrderReport, decode_result
from dogwatch.runtime.errors import MailboxFull
from dogwatch.runtime.messages import Answer

NO_SUCH_ORDER = -2013
NEVER_LEFT = (NotSent, MailboxFull)
"""Errors that prove that nothing left this machine. Every other error leaves that open."""


def event_of_placing(answer: Answer) -> OrderEvent:
    """The answer to order.place."""
    if answer.error is not None:
        reason = str(answer.error)
        return Unsent(reason) if isinstance(answer.error, NEVER_LEFT) else Unknown(reason=reason)
    return event_of_placing_response(answer.value)


def event_of_placing_response(response: Response) -> OrderEvent:
    """A response to order.place, in time or late."""
    outcome = classify(response.status, response.error)
    if not isinstance(outcome, Accepted):
        return outcome
    try:
        return Acknowledged(decode_result(response.result, OrderReport))
    except MalformedResult as problem:
        return Unknown(reason=str(problem))


def event_of_canceling(answer: Answer) -> OrderEvent:
    """The answer to order.cancel."""
    if answer.error is not None:
        reason = str(answer.error)
        return CancelUnsent(reason) if isinstance(answer.error, NEVER_LEFT) else CancelUnknown(reason)
    return event_of_canceling_response(answer.value)


def event_of_canceling_response(response: Response) -> OrderEvent:
    """A response to order.cancel, in time or late."""
    outcome = classify(response.status, response.error)
    match outcome:
        case Accepted():
            try:
                return CancelAcknowledged(decode_result(response.result, OrderReport))
            except MalformedResult as problem:
                return CancelUnknown(str(problem))
        case Unknown():
            return CancelUnknown(outcome.wording or outcome.reason)
        case Refused() | NotExecuted():
            return CancelRefused(outcome.code, outcome.wording)


def event_of_query(answer: Answer) -> OrderEvent | None:
    """The answer to order.status. None when it says nothing about the order: no answer, or a refusal to tell."""
    return None if answer.error is not None else event_of_query_response(answer.value)


def event_of_query_response(response: Response) -> OrderEvent | None:
    """A response to order.status, in time or late."""
    outcome = classify(response.status, response.error)
    if isinstance(outcome, Accepted):
        try:
            return QueryFound(decode_result(response.result, OrderReport))
        except MalformedResult:
            return None
    if isinstance(outcome, Refused) and outcome.code == NO_SUCH_ORDER:
        return QueryMissing()
    return None


def event_of_late_response(method: Method, response: Response) -> OrderEvent | None:
    """A response that came after its request had been settled. None when it is not about an order."""
    match method:
        case Method.ORDER_PLACE:
            return event_of_placing_response(response)
        case Method.ORDER_CANCEL:
            return event_of_canceling_response(response)
        case Method.ORDER_STATUS:
            return event_of_query_response(response)
        case _:
            return None


def error_of(event: OrderEvent) -> NotSent | Rejected | None:
    """What the caller gets raised for this outcome of a request. None: an outcome that the order itself tells."""
    match event:
        case Unsent(reason=reason) | CancelUnsent(reason=reason):
            return NotSent(reason)
        case Refused() | NotExecuted():
            return Rejected(event.code, event.wording, hint=event.hint)
        case CancelRefused(code=code, wording=wording):
            return Rejected(code, wording)
        case _:
            return None
