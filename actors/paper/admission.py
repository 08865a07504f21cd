"""May this order be placed, or amended? Symbol, permissions, filters: what is decided before the matching engine.

Refusals are EngineErrors in the order in which the exchange is believed to check (exchange's own texts).
"""

from decimal import Decimal

from dogwatch.actors.paper import rules
from dogwatch.actors.paper.accounts import Account
from dogwatch.actors.paper.decimals import ZERO, floor_to_step
from dogwatch.actors.paper.engine_errors import EngineError, amend_rejected, rejected
from dogwatch.actors.paper.market import Market
from dogwatch.actors.paper.matching import liquidity
from dogwatch.actors.paper.order import PaperOrder
from dogwatch.actors.paper.parameters import Placement


def admit(account: Account, placement: Placement, market: Market, now_ms: int) -> tuple[Decimal, str]:
    """Check everything short of the matching engine; return the order's base quantity and its prevention mode.

    Raises EngineError: -1013 for filters and prevention modes, -2010 for what the symbol does not allow.
    """
    definition = market.definition
    if definition.status != "TRADING":
        raise rejected("Market is closed.")
    if placement.is_pegged:
        raise rejected("Pegged orders are not supported for this symbol.")
    if placement.type not in definition.order_types:
        raise rejected(_TYPE_REFUSALS[placement.type])
    mode = _prevention_mode(placement, market)
    quantity = placement.quantity if placement.quantity is not None else quantity_for_quote(placement, market)
    _check_filters(account, placement, market, quantity, now_ms)
    if placement.iceberg_quantity is not None:
        _refuse_iceberg(placement, quantity)
    if placement.price is not None and not placement.price * quantity:
        raise rejected("Price * QTY is zero or less.")
    return quantity, mode


def admit_amendment(order: PaperOrder, quantity: Decimal, market: Market) -> None:
    """Check whether an open order may be lowered to this quantity.

    Raises EngineError: -1013 for filters, -2038 for what the matching engine refuses.
    """
    definition = market.definition
    if not definition.amend_allowed:
        raise amend_rejected("Order amend is not supported for this symbol.")
    if definition.status not in {"TRADING", "CANCEL_ONLY"}:
        raise amend_rejected("Market is closed.")
    rules.check_quantity(definition, quantity, is_market=False)
    rules.check_notional(definition, order.price * quantity, is_market=False)
    if quantity > order.quantity:
        raise amend_rejected("Order amend (quantity increase) is not supported.")
    if quantity == order.quantity:
        raise amend_rejected("The requested action would change no state; rejecting")
    if definition.amends_max and order.amends >= definition.amends_max:
        raise amend_rejected("Filter failure: MAX_NUM_ORDER_AMENDS")


def quantity_for_quote(placement: Placement, market: Market) -> Decimal:
    """How much base a market order by quote quantity asks for, in whole lots, never worth more than was asked.

    Beyond the liquidity that is there, the rest is reckoned at the last price met: it will expire.
    Raises EngineError -2010 when there is less than one lot to trade with.
    """
    definition = market.definition
    quote_left = placement.quote_quantity or ZERO
    quantity, price = ZERO, ZERO
    for _, price, available in liquidity(market.book, placement.side):
        affordable = floor_to_step(quote_left / price, definition.step_size)
        taken = min(affordable, floor_to_step(available, definition.step_size))
        quantity += taken
        quote_left -= taken * price
        if affordable <= available:
            return quantity
    if quantity < max(definition.quantity_min, definition.step_size):
        raise rejected("Order book liquidity is less than `LOT_SIZE` filter minimum quantity.")
    return quantity + floor_to_step(quote_left / price, definition.step_size)


_TYPE_REFUSALS = {
    "LIMIT": "Limit orders are not supported for this symbol.",
    "LIMIT_MAKER": "Limit maker orders are not supported for this symbol.",
    "MARKET": "Market orders are not supported for this symbol.",
}


def _prevention_mode(placement: Placement, market: Market) -> str:
    definition = market.definition
    mode = placement.self_trade_prevention or definition.default_self_trade_prevention
    if mode not in definition.self_trade_prevention_modes:
        raise EngineError(-1013, "This symbol does not allow the specified self-trade prevention mode.")
    return mode


def _check_filters(account: Account, placement: Placement, market: Market, quantity: Decimal, now_ms: int) -> None:
    definition, is_market = market.definition, placement.price is None
    if placement.price is not None:
        rules.check_price(definition, placement.price)
    rules.check_quantity(definition, quantity, is_market=is_market)
    if placement.iceberg_quantity is not None:
        rules.check_iceberg(definition, quantity, placement.iceberg_quantity)
    average_price = market.average_price(now_ms)
    if placement.price is not None:
        rules.check_price_percent(definition, placement.side, placement.price, average_price)
        rules.check_notional(definition, placement.price * quantity, is_market=False)
    elif placement.quote_quantity is not None:
        rules.check_notional(definition, placement.quote_quantity, is_market=True)
    else:
        notional = None if average_price is None else average_price * quantity
        rules.check_notional(definition, notional, is_market=True)
    history = account.history(definition.symbol)
    rules.check_open_orders(definition, len(history.open))
    if definition.position_max and placement.side == "BUY":
        base = account.wallet.holding(definition.base_asset)
        buys = sum((order.remaining for order in history.open.values() if order.is_buy), ZERO)
        rules.check_position(definition, base.free + base.locked + buys, quantity)


def _refuse_iceberg(placement: Placement, quantity: Decimal) -> None:
    if placement.time_in_force != "GTC":
        raise rejected("Unsupported order combination")
    if placement.iceberg_quantity is not None and placement.iceberg_quantity > quantity:
        raise rejected("IcebergQty exceeds QTY.")
    raise rejected("Iceberg orders are not supported for this symbol.")
