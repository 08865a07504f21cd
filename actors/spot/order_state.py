"""What an event does to an order: `apply` takes a snapshot and an event, and gives the next snapshot and what to do.

Pure. The tables live in `order_tables.py`, the snapshot in `order.py`, events and actions in `order_events.py`.

Messages of the exchange may come late, twice and in any order. So evidence is joined, never simply believed: what was
filled only grows, a quantity only shrinks, a life only gives way to a stronger one, and everything else is taken from
the newest evidence. The same evidence leads to the same order, whatever the order of its arrival.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

import msgspec

from dogwatch.actors.spot.order import CLOSED, ZERO, Amend, Certainty, Life, Order, Request
from dogwatch.actors.spot.order_events import (
    Acknowledged,
    Action,
    Alarm,
    AmendAcknowledged,
    AmendRefused,
    AmendSent,
    AmendUnknown,
    AmendUnsent,
    CancelAcknowledged,
    CancelRefused,
    CancelSent,
    CancelUnknown,
    CancelUnsent,
    NeverPlaced,
    NotAmended,
    NotAttempted,
    NotCanceled,
    OrderEvent,
    QueryFound,
    QueryMissing,
    Reconcile,
    Reported,
    Sent,
    UnexpectedEvent,
    Unsent,
)
from dogwatch.actors.spot.order_evidence import (
    AMEND_ANSWER,
    Evidence,
    fill_of_event,
    fills_of_answer,
    read_amend_result,
    read_execution_report,
    read_order_report,
)
from dogwatch.actors.spot.order_tables import CLAIMED_RANK, CONTRADICTIONS, MOVES, RANK, Signal, State
from dogwatch.actors.spot.outcome import (
    NotExecuted,
    Refused,
    Unknown,
    found_nothing_to_amend,
    found_nothing_to_cancel,
)
from dogwatch.actors.spot.results import OrderReport

Changes = dict[str, Any]
Actions = tuple[Action, ...]

_NOTHING: Actions = ()

# Looking up a member of an enumeration takes longer than most of what is done with it here.
_UNKNOWN = Certainty.UNKNOWN
_FILLED = Life.FILLED
_EXPIRED = Signal.EXPIRED
_NO_AMEND = Amend.NONE
_with = msgspec.structs.replace

SENT_EVIDENCE = "sent"
PLACE_ANSWER = "answer to order.place"
"""Also of the part of order.cancelReplace that places."""
CANCEL_ANSWER = "answer to order.cancel"
QUERY_ANSWER = "order.status"
LISTED = "listed by the exchange"


def apply(order: Order, event: OrderEvent, now_ms: int) -> tuple[Order, Actions]:
    """Say what the order is after the event, and what is to be done about it.

    `now_ms` is the local clock. The same object comes back when the event changes nothing. Raises `UnexpectedEvent`,
    having changed nothing, when the tables do not know the event in this state, or when it is about another order.
    """
    if event.__class__ in _MEANINGS:
        changes, actions = _move(order, event, now_ms)
    else:
        changes, actions = _hear(order, event)
    if not changes:
        return order, actions
    changes["updated_ms"] = now_ms
    certainty = changes.get("certainty")
    if certainty is not None:
        changes["unknown_since_ms"] = now_ms if certainty is _UNKNOWN else None
    return _with(order, **changes), actions


def adopt(report: OrderReport, *, client_order_id: str, strategy: str, now_ms: int) -> Order:
    """An order that the exchange lists and nobody here knows, as a snapshot: all that the listing says about it.

    `client_order_id` is the name under which it was placed, which a cancel may have changed in the report. Raises
    `UnexpectedEvent` when the report does not say what kind of order it is.
    """
    if report.side is None or report.order_type is None:
        raise UnexpectedEvent(
            f"order {report.order_id} of {report.symbol} is listed without its side or type",
            hint="ask for the order's status",
        )
    draft = Order(
        client_order_id=client_order_id,
        symbol=report.symbol,
        side=report.side,
        type=report.order_type,
        created_ms=report.creation_time_ms or now_ms,
        time_in_force=report.time_in_force,
        quantity=report.quantity or None,
        quote_quantity=report.quote_order_quantity or None,
        price=report.price or None,
        strategy=strategy,
    )
    order, _ = apply(draft, QueryFound(report, is_listed=True), now_ms)
    return order


# Reports.


def _hear(order: Order, event: OrderEvent) -> tuple[Changes, Actions]:
    """What a report does, and the trades that it tells of."""
    match event:
        case Reported(report=report):
            changes, actions = _weigh(order, read_execution_report(report))
            return changes, fill_of_event(order, report) + actions
        case Acknowledged(report=answer):
            changes, actions = _weigh(order, read_order_report(answer, PLACE_ANSWER))
            return changes, fills_of_answer(order, answer) + actions if answer.fills else actions
        case CancelAcknowledged(report=answer):
            return _weigh(order, read_order_report(answer, CANCEL_ANSWER))
        case QueryFound(report=answer, is_listed=is_listed):
            return _weigh(order, read_order_report(answer, LISTED if is_listed else QUERY_ANSWER))
        case AmendAcknowledged(result=result):
            return _weigh(order, read_amend_result(result))
    raise TypeError(f"{event!r} is nothing that happens to an order")


def _weigh(order: Order, evidence: Evidence) -> tuple[Changes, Actions]:
    """Join what is known with what a report says."""
    _check_belongs(order, evidence)
    signal = evidence.signal
    step = _STEPS[order.life, order.request, order.amend, order.certainty].get(signal) or _impossible(order, signal)
    state, changes = step.state, {**step.changes}
    if state.amend is not _NO_AMEND and _shows_amend(order, evidence):
        state = MOVES[state][Signal.AMENDED]
        changes = _state_changes(order, state)
    # What makes one report newer than another: at the exchange none of the four ever goes down. Answers carry no
    # execution id, so the time of the transaction orders them among the events.
    told = CLAIMED_RANK[signal], evidence.filled_quantity, evidence.transaction_time_ms, evidence.execution_id
    known = RANK[order.life], order.filled_quantity, order.transaction_time_ms, order.execution_id
    is_newest = told >= known
    if is_newest:
        _take_newest(changes, order, evidence)
    _join(changes, order, evidence)
    quantity = _quantity_after(order, evidence, is_newest=is_newest)
    if quantity is not order.quantity and quantity != order.quantity:
        changes["quantity"] = quantity
    if state.certainty is not _UNKNOWN:  # until then the reason is why it is unknown
        reason = evidence.reason if is_newest else ""
        if not reason and order.reason and told <= known and order.certainty is not _UNKNOWN:
            reason = order.reason
        if reason != order.reason:
            changes["reason"] = reason
    if changes:
        changes["evidence"] = evidence.source
    if step.is_contradiction:
        return changes, _contradiction(order, signal)
    if order.life in CLOSED and state.life is not _FILLED and evidence.filled_quantity > order.filled_quantity:
        return changes, (Reconcile(f"it has filled further although it is {order.life}"),)
    return changes, _NOTHING


def _shows_amend(order: Order, evidence: Evidence) -> bool:
    """Whether a report, however old, proves that nothing more can come of the amend.

    The exchange refuses to raise a quantity: so what is as low as was asked for, or lower, stays so.
    """
    wanted = order.amend_quantity
    return wanted is not None and evidence.quantity is not None and 0 < evidence.quantity <= wanted


def _take_newest(changes: Changes, order: Order, evidence: Evidence) -> None:
    """What cannot be joined is taken from the newest report. Zero and absence both mean that it does not say."""
    if evidence.transaction_time_ms != order.transaction_time_ms:
        changes["transaction_time_ms"] = evidence.transaction_time_ms
    if evidence.status is not None and evidence.status is not order.status:
        changes["status"] = evidence.status
    if evidence.price and evidence.price != order.price:
        changes["price"] = evidence.price


def _join(changes: Changes, order: Order, evidence: Evidence) -> None:
    """What never changes once it is known, and what only grows."""
    if order.order_id is None and evidence.order_id is not None:
        changes["order_id"] = evidence.order_id
    if order.order_list_id is None and evidence.order_list_id is not None:
        changes["order_list_id"] = evidence.order_list_id
    if evidence.execution_id > order.execution_id:
        changes["execution_id"] = evidence.execution_id
    if evidence.filled_quantity > order.filled_quantity:
        changes["filled_quantity"] = evidence.filled_quantity
    if evidence.filled_quote > order.filled_quote:
        changes["filled_quote"] = evidence.filled_quote
    prevented = evidence.prevented_quantity
    if prevented is not None and prevented > order.prevented_quantity:
        changes["prevented_quantity"] = prevented


def _quantity_after(order: Order, evidence: Evidence, *, is_newest: bool) -> Decimal | None:
    """An amend only lowers it. What is not fixed when an order is placed is taken from the newest report: of an order
    by quote quantity, and of a leg that waits for the fills of another. It is never less than what has filled."""
    known, told = order.quantity, evidence.quantity
    if told and told != known:
        if known is None:
            known = told
        elif order.quote_quantity is None and evidence.order_list_id is None:
            known = min(known, told)
        elif is_newest:
            known = told
    if known is not None:
        if evidence.filled_quantity > known:
            known = evidence.filled_quantity
        if order.filled_quantity > known:
            known = order.filled_quantity
    return known


def _contradiction(order: Order, signal: Signal) -> Actions:
    text = f"order {order.client_order_id} of {order.symbol} is {order.life}, and now the exchange says {signal}"
    return Alarm(text), Reconcile(text)


def _check_belongs(order: Order, evidence: Evidence) -> None:
    """Refuse a report of another order, and one that cannot be true of any."""
    told, known = evidence.order_id, order.order_id
    if (told != known and told is not None and known is not None) or evidence.symbol != order.symbol:
        raise UnexpectedEvent(
            f"order {told} of {evidence.symbol} was reported as {order!r}, whose order id is {known}",
            hint="another order goes by the same client order id",
        )
    filled = evidence.filled_quantity
    if filled and not (evidence.quantity is not None and ZERO < filled <= evidence.quantity):
        # An amend to less than what has filled ends an order, and the lower quantity may be told of it.
        quantity = max(evidence.quantity or ZERO, order.quantity or ZERO)
        is_too_much = quantity and filled > quantity and evidence.signal is not _EXPIRED
        if filled < 0 or is_too_much:
            raise UnexpectedEvent(
                f"{filled} of {quantity} was reported as filled of {order!r}", hint="ask for the order's status"
            )


# Events that are not reports.

# What each means for the tables, and what it rests on. What a refusal means depends on what it says.
_MEANINGS: dict[type[Any], tuple[Signal, str]] = {
    Sent: (Signal.SENT, SENT_EVIDENCE),
    Unsent: (Signal.UNSENT, "not sent"),
    Unknown: (Signal.UNANSWERED, "no answer to order.place that tells the outcome"),
    Refused: (Signal.REJECTED, PLACE_ANSWER),
    NotExecuted: (Signal.REJECTED, PLACE_ANSWER),
    NotAttempted: (Signal.NOT_ATTEMPTED, PLACE_ANSWER),
    CancelSent: (Signal.CANCEL_SENT, "cancel sent"),
    CancelUnsent: (Signal.CANCEL_UNSENT, "cancel not sent"),
    CancelRefused: (Signal.CANCEL_REFUSED, CANCEL_ANSWER),
    CancelUnknown: (Signal.CANCEL_UNANSWERED, "no answer to order.cancel that tells the outcome"),
    AmendSent: (Signal.AMEND_SENT, "amend sent"),
    AmendUnsent: (Signal.AMEND_UNSENT, "amend not sent"),
    AmendRefused: (Signal.AMEND_REFUSED, AMEND_ANSWER),
    AmendUnknown: (Signal.AMEND_UNANSWERED, "no answer to order.amend.keepPriority that tells the outcome"),
    QueryMissing: (Signal.MISSING, "order.status: no such order"),
    NeverPlaced: (Signal.NEVER_PLACED, "order.status: no such order"),
    NotCanceled: (Signal.NOT_CANCELED, QUERY_ANSWER),
    NotAmended: (Signal.NOT_AMENDED, QUERY_ANSWER),
}


_STAMPS: dict[type[Any], str] = {Sent: "sent_ms", CancelSent: "cancel_sent_ms", AmendSent: "amend_sent_ms"}
"""Where it is kept when this side did something."""


def _move(order: Order, event: OrderEvent, now_ms: int) -> tuple[Changes, Actions]:
    """What an event does that is not a report: it moves the state and says why, nothing else."""
    signal, source = _meaning_of(event)
    step = _STEPS[order.life, order.request, order.amend, order.certainty].get(signal) or _impossible(order, signal)
    state, changes = step.state, {**step.changes}
    stamp = _STAMPS.get(event.__class__)
    if stamp is not None:
        changes[stamp] = now_ms
    if isinstance(event, AmendSent):
        _check_amend(order, event.quantity)
        changes["amend_quantity"] = event.quantity
    if changes:
        changes["evidence"] = source
    if step.is_contradiction:
        return changes, _contradiction(order, signal)
    is_new_doubt = state.certainty is _UNKNOWN and _is_new_doubt(order, state)
    if is_new_doubt or "life" in changes or "certainty" in changes:
        reason = _reason_of(event) if is_new_doubt or state.life in CLOSED else ""
        changes["reason"] = reason
        if is_new_doubt:
            return changes, (Reconcile(reason),)
    return changes, _NOTHING


def _meaning_of(event: OrderEvent) -> tuple[Signal, str]:
    if isinstance(event, CancelRefused) and found_nothing_to_cancel(event.code, event.wording):
        return Signal.CANCEL_FOUND_NOTHING, CANCEL_ANSWER
    if isinstance(event, AmendRefused) and found_nothing_to_amend(event.code, event.wording):
        return Signal.AMEND_FOUND_NOTHING, AMEND_ANSWER
    return _MEANINGS[event.__class__]


def _is_new_doubt(order: Order, state: State) -> bool:
    """Whether something has become unknown that was not: the order, its cancel or its amend."""
    return (
        order.certainty is not _UNKNOWN
        or (state.request is Request.IN_DOUBT and order.request is not Request.IN_DOUBT)
        or (state.amend is Amend.IN_DOUBT and order.amend is not Amend.IN_DOUBT)
    )


def _reason_of(event: OrderEvent) -> str:
    """Why, in the exchange's words where there are any. Empty where the event ends a doubt and explains nothing."""
    match event:
        case Refused() | NotExecuted() | CancelRefused() | AmendRefused():
            return f"{event.wording} [{event.code}]"
        case Unknown(code=int()):
            return f"{event.reason}: {event.wording} [{event.code}]"
        case Unknown() | CancelUnknown() | AmendUnknown() | Unsent() | NotAttempted() | NeverPlaced():
            return event.reason
        case _:
            return ""


def _check_amend(order: Order, quantity: Decimal) -> None:
    """Refuse an amend that the exchange would refuse. What a report means for an amend rests on that, too."""
    if quantity <= 0 or order.quantity is None or quantity >= order.quantity:
        raise UnexpectedEvent(
            f"an amend to {quantity} of {order!r}", hint="an amend lowers the quantity to one that is greater than zero"
        )


# What both have in common.


class _Step(NamedTuple):
    """Where a signal leads from a state, what is different there, and whether it contradicts what is known."""

    state: State
    changes: Mapping[str, Any]
    is_contradiction: bool


def _impossible(order: Order, signal: Signal) -> NoReturn:
    raise UnexpectedEvent(
        f"{signal} cannot happen to {order!r}", hint="this is a mistake in the caller: see order_tables.LIFE"
    )


def _state_changes(known: Order | State, state: State) -> Changes:
    changes: Changes = {}
    if state.life is not known.life:
        changes["life"] = state.life
    if state.request is not known.request:
        changes["request"] = state.request
    if state.amend is not known.amend:
        changes["amend"] = state.amend
        if state.amend is _NO_AMEND:
            changes["amend_quantity"] = None
    if state.certainty is not known.certainty:
        changes["certainty"] = state.certainty
    return changes


_STEPS = {
    answers: {
        signal: _Step(
            state=following,
            changes=_state_changes(State(*answers), following),
            is_contradiction=signal in CONTRADICTIONS.get(answers[0], ()),
        )
        for signal, following in moves.items()
    }
    for answers, moves in MOVES.items()
}
"""All of it worked out once, as MOVES is."""
