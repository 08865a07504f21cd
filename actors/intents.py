"""What a strategy wants placed, as the message to the tracker: amounts are exact, and together they make an order."""

from decimal import Decimal

from dogwatch.actors.order_messages import PlaceOrder
from dogwatch.actors.spot.enums import OrderType, Side, TimeInForce
from dogwatch.actors.spot.order import ZERO

# Looking up a member of an enumeration takes longer than what is done with it here.
_GTC = TimeInForce.GTC
_MARKET, _LIMIT, _LIMIT_MAKER = OrderType.MARKET, OrderType.LIMIT, OrderType.LIMIT_MAKER


def intent_to_place(
    strategy: str,
    life: int,
    side: Side,
    symbol: str,
    *,
    quantity: Decimal | None,
    quote_quantity: Decimal | None,
    price: Decimal | None,
    post_only: object,
    time_in_force: TimeInForce | None,
    deadline_s: float,
) -> PlaceOrder:
    """What `Strategy.place` sends. Raises TypeError for an amount that is no Decimal, ValueError for a combination that
    makes no order."""
    order_type = order_type_of(price, post_only=post_only)
    time_in_force = time_in_force_of(order_type, time_in_force)
    check_amounts(order_type, quantity, quote_quantity, price)
    return PlaceOrder(
        strategy=strategy,
        life=life,
        symbol=symbol,
        # A plain "BUY" would be sent as such, and its fills counted as sold.
        side=side if side.__class__ is Side else Side(side),
        order_type=order_type,
        time_in_force=time_in_force,
        quantity=quantity,
        quote_quantity=quote_quantity,
        price=price,
        deadline_s=deadline_s,
    )


def order_type_of(price: Decimal | None, *, post_only: object) -> OrderType:
    """MARKET without a price, LIMIT with one, LIMIT_MAKER when it may only rest."""
    if price is None:
        if post_only:
            raise ValueError("a post-only order needs a price")
        return _MARKET
    return _LIMIT_MAKER if post_only else _LIMIT


def time_in_force_of(order_type: OrderType, wanted: TimeInForce | None) -> TimeInForce | None:
    """Only LIMIT orders carry one; good till canceled unless said otherwise."""
    if order_type is _LIMIT:
        if wanted is None:
            return _GTC
        return wanted if wanted.__class__ is TimeInForce else TimeInForce(wanted)
    if wanted is not None:
        raise ValueError(f"time_in_force belongs to limit orders; a {order_type} order has none")
    return None


def decimal_or_none(name: str, value: Decimal | None) -> Decimal | None:
    """An exact amount, or none."""
    if value is None or type(value) is Decimal:
        return value
    raise inexact(name, value)


def inexact(name: str, value: object) -> TypeError:
    """What to raise for an amount that is no Decimal: a float has already lost digits when it arrives here."""
    return TypeError(
        f"{name} must be a Decimal, not {value!r}: write Decimal({str(value)!r}), or compute it from Decimals"
    )


def check_amounts(
    order_type: OrderType, quantity: Decimal | None, quote_quantity: Decimal | None, price: Decimal | None
) -> None:
    """Refuse what is no order at all; the symbol's filters are checked by the tracker."""
    if quantity is not None:
        check_amount("quantity", quantity)
    if quote_quantity is not None:
        check_amount("quote_quantity", quote_quantity)
    if price is not None:
        check_amount("price", price)
    if order_type is _MARKET:
        if (quantity is None) == (quote_quantity is None):
            raise ValueError("a market order needs either quantity or quote_quantity")
    elif quantity is None or quote_quantity is not None:
        raise ValueError("a limit order needs quantity, and takes no quote_quantity")


def check_amount(name: str, amount: Decimal) -> None:
    """An inexact amount is refused, and an order of nothing, of less or of no number is none."""
    if type(amount) is not Decimal:
        raise inexact(name, amount)
    if not (amount.is_finite() and amount > ZERO):
        raise ValueError(f"{name} must be greater than zero, not {amount}")
