"""From a strategy's intent to an order and its request, and why something is not sent.

What an order asks for is checked against the filters in `filter_guard.py`. When anything is sent is decided in
`orders.py`.
"""

from decimal import Decimal

from dogwatch.actors.order_messages import PlaceOrder
from dogwatch.actors.session_messages import Call
from dogwatch.actors.spot.client_order_id import cancel_id
from dogwatch.actors.spot.enums import CancelReplaceMode, OrderType, Side, TimeInForce
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.filter_context import Terms
from dogwatch.actors.spot.methods import Method, Params
from dogwatch.actors.spot.order import Amend, Life, Order, Request
from dogwatch.actors.spot.order_requests import OrderCancel, OrderCancelReplace, OrderPlace
from dogwatch.actors.spot.order_state import SENT_EVIDENCE
from dogwatch.actors.spot.parameters import decimal_text

# Looking up a member of an enumeration, or its text, takes longer than what is done with it here.
_LIMIT, _LIMIT_MAKER, _SENT = OrderType.LIMIT, OrderType.LIMIT_MAKER, Life.SENT
_ORDER_PLACE, _ORDER_CANCEL, _ORDER_CANCEL_REPLACE = (
    Method.ORDER_PLACE,
    Method.ORDER_CANCEL,
    Method.ORDER_CANCEL_REPLACE,
)
_STOP_ON_FAILURE = str(CancelReplaceMode.STOP_ON_FAILURE.value)
_TYPES = {kind: str(kind.value) for kind in (_LIMIT, _LIMIT_MAKER)}
_SIDES = {side: str(side.value) for side in Side}
_TIMES_IN_FORCE: dict[TimeInForce | None, str] = {lasts: str(lasts.value) for lasts in TimeInForce}


def terms_of(intent: PlaceOrder) -> Terms:
    """What the filters look at."""
    return Terms(
        side=intent.side,
        type=intent.order_type,
        quantity=intent.quantity,
        quote_quantity=intent.quote_quantity,
        price=intent.price,
    )


def amended_terms(order: Order, quantity: Decimal) -> Terms:
    """The same of an order that is to have another quantity."""
    return Terms(side=order.side, type=order.type, quantity=quantity, price=order.price)


def check_amendable(order: Order, quantity: Decimal) -> None:
    """Raises NotSent for an order that cannot be amended now, and for a quantity that no amend can lead to."""
    check_settled(order, "amended")
    whole = order.quantity
    if whole is None or not order.filled_quantity < quantity < whole:
        raise NotSent(
            f"an amend can only lower the quantity, and not to what has filled: {quantity} is not between"
            f" {order.filled_quantity} and {whole}",
            hint="to end an order cancel it; for more of it place another",
        )


def check_settled(order: Order, what: str) -> None:
    """Raises NotSent for an order that is not known to be open, or that something is on its way for."""
    if not order.is_open or order.is_unknown:
        problem = f"{order.client_order_id} is not known to be open and cannot be {what}"
        raise NotSent(problem, hint="see latest(order), or query it")
    if order.request is not Request.NONE or order.amend is not Amend.NONE:
        raise NotSent(
            f"{order.client_order_id} cannot be {what}: a cancel or an amend of it is on its way",
            hint="wait for its outcome",
        )


def sent_order(intent: PlaceOrder, *, client_order_id: str, now_ms: int) -> Order:
    """The order that is meant, as it is once it is handed over: what the state machine makes of a draft and `Sent`, in
    one step (1.2 instead of 6.6 µs an order). Nobody sees it before."""
    return Order(
        client_order_id=client_order_id,
        strategy=intent.strategy,
        symbol=intent.symbol,
        side=intent.side,
        type=intent.order_type,
        time_in_force=intent.time_in_force,
        quantity=intent.quantity,
        quote_quantity=intent.quote_quantity,
        price=intent.price,
        created_ms=now_ms,
        life=_SENT,
        evidence=SENT_EVIDENCE,
        updated_ms=now_ms,
        sent_ms=now_ms,
    )


def placing_call(order: Order) -> Call:
    """What places the order: `placing_request`, made in 1.6 instead of 5.5 µs. Raises ValueError and TypeError for what
    makes no request.
    """
    params = _plain_params(order)
    return Call.of(placing_request(order)) if params is None else Call(method=_ORDER_PLACE, params=params)


def replacing_call(old: Order, new: Order) -> Call:
    """What places the new order only if the old one was canceled by this: `replacing_request`, made in 3 instead of
    8.7 µs. Raises as `placing_call`."""
    params, name = _plain_params(new), old.client_order_id
    canceled_name = None if params is None else cancel_id(name)
    if params is None or canceled_name is None:
        return Call.of(replacing_request(old, new))
    params["cancelReplaceMode"] = _STOP_ON_FAILURE
    params["cancelOrigClientOrderId"] = name
    params["cancelNewClientOrderId"] = canceled_name
    return Call(method=_ORDER_CANCEL_REPLACE, params=params)


def canceling_call(order: Order) -> Call:
    """What cancels the order: `canceling_request`, made in 1.8 instead of 4.1 µs. Raises as `placing_call`."""
    name = order.client_order_id
    canceled_name = cancel_id(name)
    if canceled_name is None:
        return Call.of(canceling_request(order))
    params: Params = {
        "symbol": order.symbol,
        "origClientOrderId": name,
        "newClientOrderId": canceled_name,
    }
    return Call(method=_ORDER_CANCEL, params=params)


def _plain_params(order: Order) -> Params | None:
    """The parameters of a plain order with a price, as its request writes them. None for any other, and for one that
    something may be wrong with: these, and the words about them, are the request's."""
    price, quantity, kind, lasts, side = order.price, order.quantity, order.type, order.time_in_force, order.side
    is_plain = lasts in _TIMES_IN_FORCE if kind is _LIMIT else kind is _LIMIT_MAKER and lasts is None
    if not is_plain or price is None or quantity is None or order.quote_quantity is not None or side not in _SIDES:
        return None
    params: Params = {"symbol": order.symbol, "side": _SIDES[side], "type": _TYPES[kind]}
    if lasts is not None:
        params["timeInForce"] = _TIMES_IN_FORCE[lasts]
    params["price"] = decimal_text(price, "price")
    params["quantity"] = decimal_text(quantity, "quantity")
    params["newClientOrderId"] = order.client_order_id
    return params


def placing_request(order: Order) -> OrderPlace:
    """What places the order."""
    return OrderPlace(
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        time_in_force=order.time_in_force,
        price=order.price,
        quantity=order.quantity,
        quote_order_qty=order.quote_quantity,
        new_client_order_id=order.client_order_id,
    )


def canceling_request(order: Order) -> OrderCancel:
    """What cancels the order. It is called `cancel_id` from then on, where it has one."""
    name = order.client_order_id
    return OrderCancel(symbol=order.symbol, orig_client_order_id=name, new_client_order_id=cancel_id(name))


def replacing_request(old: Order, new: Order) -> OrderCancelReplace:
    """What places the new order only if the old one was canceled by this."""
    return OrderCancelReplace(
        symbol=new.symbol,
        side=new.side,
        type=new.type,
        time_in_force=new.time_in_force,
        price=new.price,
        quantity=new.quantity,
        quote_order_qty=new.quote_quantity,
        new_client_order_id=new.client_order_id,
        cancel_replace_mode=CancelReplaceMode.STOP_ON_FAILURE,
        cancel_orig_client_order_id=old.client_order_id,
        cancel_new_client_order_id=cancel_id(old.client_order_id),
    )


def no_session() -> NotSent:
    """Nothing can be sent now."""
    return NotSent("there is no session with the exchange now", hint="it is being restored; try again in a moment")


def too_late() -> NotSent:
    """An order that had to wait is stale."""
    return NotSent("the order is too old to be sent: its deadline has passed", hint="raise within_s")


def no_such_order(name: str, what: str) -> NotSent:
    """The table does not know the order (any more)."""
    return NotSent(f"there is no order {name} here", hint=f"{what} what place() has returned")
