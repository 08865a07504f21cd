"""May this order be placed, or amended? Symbol, permissions, filters: what is decided before the matching engine.

Refusals are EngineErrors in the order in which the exchange is believed to check (exchange's own texts).
"""

from decimal import Decimal

from dogwatch.actors.paper import rules
from dogwatch.actors.paper.accounts import Account
from dogwatch.actors.paper.decimals import ZERO, floor_to_step
from dogwatch.actors.paper.engine_errors import TYPE_REFUSALS, EngineError, amend_rejected, rejected
from dogwatch.actors.paper.market import Market
from dogwatch.actors.paper.matching import liquidity
from dogwatch.actors.paper.order import PaperOrder
from dogwatch.actors.paper.parameters import STOP_TYPES, Placement
from dogwatch.actors.paper.symbol_filters import ExchangeFilters
from dogwatch.actors.paper.symbols import SymbolDefinition


def admit(
    account: Account,
    placement: Placement,
    market: Market,
    exchange: ExchangeFilters,
    now_ms: int,
    *,
    is_test: bool = False,
) -> tuple[Decimal, str]:
    """Check everything short of the matching engine; return the order's base quantity and its prevention mode.

    Stops and icebergs are only checked (`is_test`): none can be placed here yet. Raises EngineError: -1013 for filters
    and prevention modes, -2010 for what the symbol does not allow.
    """
    definition = market.definition
    if definition.status != "TRADING":
        raise rejected("Market is closed.")
    if placement.is_pegged:
        raise rejected("Pegged orders are not supported for this symbol.")
    if not _is_taken(placement.type, definition, is_test=is_test):
        raise rejected(TYPE_REFUSALS[placement.type])
    if placement.quote_quantity is not None and not definition.quote_quantity_allowed:
        raise rejected("Quote order qty market orders are not support for this symbol.")
    mode = _prevention_mode(placement, market)
    facts = _facts(account, placement, market, exchange, now_ms)
    quantity = placement.quantity
    if quantity is None:
        rules.check_quote_order(definition, exchange, placement, facts)
        quantity = quantity_for_quote(placement, market)
    rules.check_order(definition, exchange, placement, quantity, facts)
    if placement.iceberg_quantity is not None:
        _check_iceberg(placement, placement.iceberg_quantity, quantity, is_allowed=is_test)
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
    if not quantity or quantity < max(definition.quantity_min, definition.step_size):
        raise rejected("Order book liquidity is less than `LOT_SIZE` filter minimum quantity.")
    return quantity + floor_to_step(quote_left / price, definition.step_size)


def _prevention_mode(placement: Placement, market: Market) -> str:
    definition = market.definition
    mode = placement.self_trade_prevention or definition.default_self_trade_prevention
    if mode not in definition.self_trade_prevention_modes:
        raise EngineError(-1013, "This symbol does not allow the specified self-trade prevention mode.")
    return mode


def _is_taken(kind: str, definition: SymbolDefinition, *, is_test: bool) -> bool:
    return is_test if kind in STOP_TYPES else kind in definition.order_types


def _facts(
    account: Account, placement: Placement, market: Market, exchange: ExchangeFilters, now_ms: int
) -> rules.Facts:
    """What no filter asks for is not counted."""
    definition, history = market.definition, account.history(market.symbol)
    position = ZERO
    if definition.position_max and placement.side == "BUY":
        base = account.wallet.holding(definition.base_asset)
        buys = sum((order.remaining for order in history.open.values() if order.is_buy), ZERO)
        position = base.free + base.locked + buys
    return rules.Facts(
        price=market.comparable_price(now_ms),
        position=position,
        on_symbol=rules.OpenCounts(orders=len(history.open)),
        on_account=rules.OpenCounts(orders=_open_everywhere(account)) if exchange.orders_max else rules.NONE_OPEN,
    )


def _open_everywhere(account: Account) -> int:
    return sum(len(history.open) for history in account.histories())


def _check_iceberg(placement: Placement, iceberg_quantity: Decimal, quantity: Decimal, *, is_allowed: bool) -> None:
    if placement.time_in_force != "GTC":
        raise rejected("Unsupported order combination")
    if iceberg_quantity > quantity:
        raise rejected("IcebergQty exceeds QTY.")
    if not is_allowed:
        raise rejected("Iceberg orders are not supported for this symbol.")
