"""What an event does to an order: `apply` takes a snapshot and an event, and gives the next snapshot and what to do.

Pure. The tables live in `order_tables.py`, the snapshot in `order.py`, events and actions in `order_events.py`.

Messages of the exchange may come late, twice and in any order. So evidence is joined, never simply believed: the
filled quantity only grows, a life only gives way to a stronger one, and everything else is taken from the newest
evidence. The same evidence leads to the same order, whatever the order of its arrival.
"""

from typing import Any

import msgspec

from dogwatch.actors.spot.order import CLOSED, Certainty, Life, Order
from dogwatch.actors.spot.order_events import (
    Acknowledged,
    Action,
    Alarm,
    CancelAcknowledged,
    CancelRefused,
    CancelSent,
    CancelUnknown,
    CancelUnsent,
    NeverPlaced,
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
    Evidence,
    fill_of_event,
    fills_of_answer,
    read_execution_report,
    read_order_report,
)
from dogwatch.actors.spot.order_tables import CONTRADICTIONS, RANK, Signal, State, next_state
from dogwatch.actors.spot.outcome import NotExecuted, Refused, Unknown, found_nothing_to_cancel

Changes = dict[str, Any]
Actions = tuple[Action, ...]

_NOTHING: Actions = ()


def apply(order: Order, event: OrderEvent, now_ms: int) -> tuple[Order, Actions]:
    """Say what the order is after the event, and what is to be done about it.

    `now_ms` is the local clock. The same object comes back when the event changes nothing. Raises `UnexpectedEvent`,
    having changed nothing, when the tables do not know the event in this state, or when it is about another order.
    """
    if isinstance(event, Reported):
        changes, actions = _weigh(order, read_execution_report(event.report))
        actions = fill_of_event(order, event.report) + actions
    elif isinstance(event, Acknowledged | CancelAcknowledged | QueryFound):
        changes, actions = _weigh(order, read_order_report(event.report))
        actions = fills_of_answer(order, event.report) + actions
    else:
        changes, actions = _move(order, event, now_ms)
    return _changed(order, changes, now_ms), actions


def _weigh(order: Order, evidence: Evidence) -> tuple[Changes, Actions]:
    """Join what is known with what a report says."""
    _check_belongs(order, evidence)
    state = _state_after(order, evidence.signal)
    changes: Changes = {"life": state.life, "request": state.request, "certainty": state.certainty}
    if order.order_id is None:
        changes["order_id"] = evidence.order_id
    if evidence.strength > (RANK[order.life], order.filled_quantity, order.transaction_time_ms, order.execution_id):
        _take_newest(changes, evidence)
    if evidence.filled_quantity > order.filled_quantity:
        changes["filled_quantity"] = evidence.filled_quantity
        if order.quantity is not None and evidence.filled_quantity > order.quantity:
            changes["quantity"] = evidence.quantity
    if evidence.filled_quote > order.filled_quote:
        changes["filled_quote"] = evidence.filled_quote
    return changes, _actions_of(order, evidence, state)


def _take_newest(changes: Changes, evidence: Evidence) -> None:
    """What cannot be joined is taken from the newest report. Zero and absence both mean that it does not say."""
    changes["transaction_time_ms"] = evidence.transaction_time_ms
    changes["reason"] = evidence.reason
    if evidence.execution_id:
        changes["execution_id"] = evidence.execution_id
    if evidence.status is not None:
        changes["status"] = evidence.status
    if evidence.quantity:
        changes["quantity"] = evidence.quantity
    if evidence.price:
        changes["price"] = evidence.price
    if evidence.prevented_quantity:
        changes["prevented_quantity"] = evidence.prevented_quantity


def _actions_of(order: Order, evidence: Evidence, state: State) -> Actions:
    if evidence.signal in CONTRADICTIONS.get(order.life, _NOTHING):
        return _contradiction(order, evidence.signal)
    if order.life in CLOSED and state.life is not Life.FILLED and evidence.filled_quantity > order.filled_quantity:
        return (Reconcile(f"it has filled further although it is {order.life}"),)
    return _NOTHING


def _contradiction(order: Order, signal: Signal) -> Actions:
    text = f"order {order.client_order_id} of {order.symbol} is {order.life}, and now the exchange says {signal}"
    return Alarm(text), Reconcile(text)


def _check_belongs(order: Order, evidence: Evidence) -> None:
    """Refuse a report of another order, and one that cannot be true of any."""
    if evidence.symbol != order.symbol or (order.order_id is not None and evidence.order_id != order.order_id):
        raise UnexpectedEvent(
            f"order {evidence.order_id} of {evidence.symbol} was reported as {order!r}, whose order id is"
            f" {order.order_id}",
            hint="another order goes by the same client order id",
        )
    quantity = evidence.quantity or order.quantity
    if evidence.filled_quantity < 0 or (quantity is not None and evidence.filled_quantity > quantity):
        raise UnexpectedEvent(
            f"{evidence.filled_quantity} of {quantity} was reported as filled of {order!r}",
            hint="ask for the order's status",
        )


# Events that are not reports: what each means for the tables. CancelRefused depends on what the refusal says.
_SIGNALS: dict[type[Any], Signal] = {
    Sent: Signal.SENT,
    Unsent: Signal.UNSENT,
    Unknown: Signal.UNANSWERED,
    Refused: Signal.REJECTED,
    NotExecuted: Signal.REJECTED,
    CancelSent: Signal.CANCEL_SENT,
    CancelUnsent: Signal.CANCEL_UNSENT,
    CancelUnknown: Signal.CANCEL_UNANSWERED,
    QueryMissing: Signal.MISSING,
    NeverPlaced: Signal.NEVER_PLACED,
    NotCanceled: Signal.NOT_CANCELED,
}


def _move(order: Order, event: OrderEvent, now_ms: int) -> tuple[Changes, Actions]:
    """What an event does that is not a report: it moves the state and says why, nothing else."""
    signal = _signal_of(event)
    state = _state_after(order, signal)
    changes: Changes = {"life": state.life, "request": state.request, "certainty": state.certainty}
    if signal is Signal.SENT:
        changes["sent_ms"] = now_ms
    elif signal is Signal.CANCEL_SENT:
        changes["cancel_sent_ms"] = now_ms
    if signal in CONTRADICTIONS.get(order.life, _NOTHING):
        return changes, _contradiction(order, signal)
    if state.life is order.life and state.certainty is order.certainty:
        return changes, _NOTHING
    reason = _reason_of(event)
    changes["reason"] = reason
    if state.certainty is Certainty.UNKNOWN and order.certainty is Certainty.KNOWN:
        return changes, (Reconcile(reason),)
    return changes, _NOTHING


def _signal_of(event: OrderEvent) -> Signal:
    if isinstance(event, CancelRefused):
        found_nothing = found_nothing_to_cancel(event.code, event.wording)
        return Signal.CANCEL_FOUND_NOTHING if found_nothing else Signal.CANCEL_REFUSED
    return _SIGNALS[type(event)]


def _reason_of(event: OrderEvent) -> str:
    """Why, in the exchange's words where there are any. Empty where the event ends a doubt and explains nothing."""
    match event:
        case Refused() | NotExecuted() | CancelRefused():
            return f"{event.wording} [{event.code}]"
        case Unknown(code=int()):
            return f"{event.reason}: {event.wording} [{event.code}]"
        case Unknown() | CancelUnknown() | Unsent() | NeverPlaced():
            return event.reason
        case _:
            return ""


def _state_after(order: Order, signal: Signal) -> State:
    state = next_state(order.life, order.request, order.certainty, signal)
    if state is None:
        raise UnexpectedEvent(
            f"{signal} cannot happen to {order!r}", hint="this is a mistake in the caller: see order_tables.LIFE"
        )
    return state


def _changed(order: Order, changes: Changes, now_ms: int) -> Order:
    """The next snapshot, or the same one when nothing is different."""
    different = {name: value for name, value in changes.items() if getattr(order, name) != value}
    if not different:
        return order
    certainty = different.get("certainty")
    if certainty is not None:
        different["unknown_since_ms"] = now_ms if certainty is Certainty.UNKNOWN else None
    return msgspec.structs.replace(order, updated_ms=now_ms, **different)
