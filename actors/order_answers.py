"""What the session's answer to a request means for the order that it is about. Pure translations, none raises.

An answer is a response of the exchange, or an error that says whether the request left this machine. The meaning of a
response is `spot/outcome.py`'s, what follows for the order `spot/order_state.py`'s.
"""

from dogwatch.actors.spot.cancel_replace import Canceled, CancelPart, Placed, PlacingPart, judge
from dogwatch.actors.spot.cancel_replace import NotAttempted as PartNotAttempted
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.error_codes import hint_for
from dogwatch.actors.spot.errors import ExchangeError, MalformedResult, NotSent, Rejected
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order_events import (
    Acknowledged,
    AmendAcknowledged,
    AmendRefused,
    AmendUnknown,
    AmendUnsent,
    CancelAcknowledged,
    CancelRefused,
    CancelUnknown,
    CancelUnsent,
    NotAttempted,
    OrderEvent,
    QueryFound,
    QueryMissing,
    Unsent,
)
from dogwatch.actors.spot.outcome import Accepted, NotExecuted, Refused, Unknown, classify
from dogwatch.actors.spot.results import AmendResult, OrderListReport, OrderReport, decode_cancel, decode_result
from dogwatch.runtime.errors import AskTimeout, MailboxFull
from dogwatch.runtime.messages import Answer

NO_SUCH_ORDER = -2013
NEVER_LEFT = (NotSent, MailboxFull)
"""Errors that prove that nothing left this machine. Every other error leaves that open."""


def _reason_of(error: Exception) -> str:
    """In the words of who reads it by an order, who need not know that a session was asked."""
    return "no answer came in time" if isinstance(error, AskTimeout) else str(error)


def _retry_after_s(error: Exception) -> float | None:
    return error.retry_after_s if isinstance(error, NotSent) else None


def event_of_placing(answer: Answer) -> OrderEvent:
    """The answer to order.place."""
    if answer.error is not None:
        reason = _reason_of(answer.error)
        return (
            Unsent(reason, _retry_after_s(answer.error))
            if isinstance(answer.error, NEVER_LEFT)
            else Unknown(reason=reason)
        )
    return event_of_placing_response(answer.value)


def event_of_placing_response(response: Response) -> OrderEvent:
    """A response to order.place, in time or late."""
    outcome = classify(response.status, response.error)
    match outcome:
        case Accepted():
            try:
                return Acknowledged(decode_result(response.result, OrderReport))
            except MalformedResult as problem:
                return Unknown(reason=str(problem))
        case Refused() | NotExecuted() | Unknown():
            return outcome


def event_of_canceling(answer: Answer) -> OrderEvent:
    """The answer to order.cancel."""
    if answer.error is not None:
        reason = _reason_of(answer.error)
        return (
            CancelUnsent(reason, _retry_after_s(answer.error))
            if isinstance(answer.error, NEVER_LEFT)
            else CancelUnknown(reason)
        )
    return event_of_canceling_response(answer.value)


def event_of_canceling_response(response: Response) -> OrderEvent:
    """A response to order.cancel, in time or late."""
    outcome = classify(response.status, response.error)
    match outcome:
        case Accepted():
            try:
                return _canceled(decode_cancel(response.result))
            except MalformedResult as problem:
                return CancelUnknown(str(problem))
        case Unknown():
            return CancelUnknown(_doubt(outcome))
        case Refused() | NotExecuted():
            return CancelRefused(outcome.code, outcome.wording)


def _canceled(report: OrderReport | OrderListReport) -> OrderEvent:
    """A list's report is about several orders. A query will tell of the one."""
    if isinstance(report, OrderListReport):
        return CancelUnknown("it was canceled with its order list")
    return CancelAcknowledged(report)


def _doubt(unknown: Unknown) -> str:
    """Why, with the exchange's words where it said any."""
    return unknown.reason if unknown.code is None else f"{unknown.reason}: {unknown.wording} [{unknown.code}]"


def event_of_amending(answer: Answer) -> OrderEvent:
    """The answer to order.amend.keepPriority."""
    if answer.error is not None:
        reason = _reason_of(answer.error)
        return (
            AmendUnsent(reason, _retry_after_s(answer.error))
            if isinstance(answer.error, NEVER_LEFT)
            else AmendUnknown(reason)
        )
    return event_of_amending_response(answer.value)


def event_of_amending_response(response: Response) -> OrderEvent:
    """A response to order.amend.keepPriority, in time or late."""
    outcome = classify(response.status, response.error)
    match outcome:
        case Accepted():
            try:
                return AmendAcknowledged(decode_result(response.result, AmendResult))
            except MalformedResult as problem:
                return AmendUnknown(str(problem))
        case Unknown():
            return AmendUnknown(_doubt(outcome))
        case Refused() | NotExecuted():
            return AmendRefused(outcome.code, outcome.wording)


def events_of_replacing(answer: Answer) -> tuple[OrderEvent, OrderEvent]:
    """The answer to order.cancelReplace: what it means for the order that was to be canceled, and for the new one."""
    if answer.error is not None:
        reason = _reason_of(answer.error)
        if isinstance(answer.error, NEVER_LEFT):
            return CancelUnsent(reason), Unsent(reason)
        return CancelUnknown(reason), Unknown(reason=reason)
    return events_of_replacing_response(answer.value)


def events_of_replacing_response(response: Response) -> tuple[OrderEvent, OrderEvent]:
    """A response to order.cancelReplace, in time or late. The same two."""
    outcome = judge(response)
    canceling = _event_of_cancel_part(outcome.cancel, response.error)
    return canceling, _event_of_placing_part(outcome.placing, outcome.cancel)


def _event_of_cancel_part(part: CancelPart, error: ExchangeError | None) -> OrderEvent:
    match part:
        case Canceled(report=report):
            return _canceled(report)
        case Unknown():
            return CancelUnknown(_doubt(part))
        case Refused() | NotExecuted():
            return CancelRefused(part.code, part.wording)
        case PartNotAttempted():
            code, wording = (0, "") if error is None else (error.code, f": {error.message}")
            return CancelRefused(code, f"the exchange did not attempt the cancel{wording}")


def _event_of_placing_part(part: PlacingPart, cancel: CancelPart) -> OrderEvent:
    match part:
        case Placed(report=report):
            return Acknowledged(report)
        case Refused() | NotExecuted() | Unknown():
            return part
        case PartNotAttempted():
            why = f": {cancel.wording} [{cancel.code}]" if isinstance(cancel, Refused | NotExecuted) else ""
            return NotAttempted(f"the exchange did not attempt to place it{why}")


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
    """A response that came after its request had been settled. None when it is not about one order: order.cancelReplace
    is about two, see `events_of_replacing_response`."""
    match method:
        case Method.ORDER_PLACE:
            return event_of_placing_response(response)
        case Method.ORDER_CANCEL:
            return event_of_canceling_response(response)
        case Method.ORDER_AMEND:
            return event_of_amending_response(response)
        case Method.ORDER_STATUS:
            return event_of_query_response(response)
        case _:
            return None


def error_of(event: OrderEvent) -> NotSent | Rejected | None:
    """What the caller gets raised for this outcome of a request. None: an outcome that the order itself tells."""
    match event:
        case Acknowledged():  # nearly every outcome
            return None
        case Unsent(reason=reason) | CancelUnsent(reason=reason) | AmendUnsent(reason=reason):
            return NotSent(reason, retry_after_s=event.retry_after_s)
        case NotAttempted(reason=reason):
            return NotSent(reason)
        case Refused() | NotExecuted():
            return Rejected(event.code, event.wording, hint=event.hint)
        case CancelRefused(code=code, wording=wording) | AmendRefused(code=code, wording=wording):
            return Rejected(code, wording)
        case _:
            return None


def error_of_replacing(canceling: OrderEvent, placing: OrderEvent) -> NotSent | Rejected | None:
    """What the caller of a cancelReplace gets raised, for its two events. It says what became of the old order too.

    None: the new order is there, or in doubt, and tells for itself.
    """
    if isinstance(placing, NotAttempted) and isinstance(canceling, CancelRefused):
        hint = _joined("the new order was not placed", hint_for(canceling.code, canceling.wording))
        return Rejected(canceling.code, canceling.wording, hint=hint)
    error = error_of(placing)
    match error:
        case NotSent():
            return NotSent(error.message, hint=_fate(canceling), retry_after_s=error.retry_after_s)
        case Rejected():
            return Rejected(error.code, error.wording, hint=_joined(_fate(canceling), error.hint))
    return None


def _fate(canceling: OrderEvent) -> str:
    match canceling:
        case CancelAcknowledged():
            return "the order to replace is canceled"
        case CancelRefused(code=code, wording=wording):
            return f"the order to replace was not canceled: {wording} [{code}]"
        case CancelUnsent():
            return "the order to replace stays as it was"
        case _:
            return "whether the order to replace is canceled is not known yet"


def _joined(*sentences: str) -> str:
    return "; ".join(sentence for sentence in sentences if sentence)
