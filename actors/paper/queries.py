"""The questions a client may ask about itself and about the exchange; nothing here changes anything.

WebSocket API: Query order, Current open orders, Account order history, Account trade history, Account information,
Exchange information.
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

from dogwatch.actors.paper.accounts import Account
from dogwatch.actors.paper.decimals import ZERO, text
from dogwatch.actors.paper.engine_errors import (
    EngineError,
    bad_combination,
    invalid_symbol,
    no_such_order,
    not_valid,
)
from dogwatch.actors.paper.order import Fill
from dogwatch.actors.paper.parameters import Parameters, order_named, required
from dogwatch.actors.paper.reports import amendment_row, order_row, prevention_row, trade_row
from dogwatch.actors.paper.symbol_filters import ExchangeFilters, exchange_filters
from dogwatch.actors.paper.symbols import ASSET_ORDER, FEE_ASSET, SymbolDefinition, describe, in_exchange_order

Row = dict[str, Any]

DAY_MS = 86_400_000
ROWS_DEFAULT = 500
ROWS_MAX = 1000

RATE_LIMITS: tuple[Row, ...] = (
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000},
    {"rateLimitType": "CONNECTIONS", "interval": "MINUTE", "intervalNum": 5, "limit": 300},
)

NO_DISCOUNT: Row = {
    "enabledForAccount": False,
    "enabledForSymbol": False,
    "discountAsset": FEE_ASSET,
    "discount": text(Decimal("0.75")),
}

# Which conditions of `myTrades` may come together (CHANGELOG 2022; anything else is -1128).
_TRADE_CONDITIONS = frozenset(
    frozenset(names.split())
    for names in ("", "orderId", "startTime", "endTime", "startTime endTime", "fromId", "orderId fromId")
)


def order_status(account: Account, parameters: Parameters, symbol: str) -> Row:
    """Raises EngineError: -1102 without an id, -2013 for no such order, -2039 when the ids do not agree."""
    order_id, client_order_id = order_named(parameters, "orderId", "origClientOrderId")
    history = account.history(symbol)
    found = history.by_client_id.get(client_order_id or "") if order_id is None else history.orders.get(order_id)
    if found is None:
        raise no_such_order()
    if client_order_id is not None and client_order_id not in (found.client_order_id, found.original_client_order_id):
        raise EngineError(-2039, "Client order ID is not correct for this order ID.")
    return order_row(found)


def open_orders(account: Account, symbol: str | None) -> list[Row]:
    """Of one symbol, or of all."""
    histories = [account.history(symbol)] if symbol is not None else account.histories()
    return [order_row(order) for history in histories for order in history.open.values()]


def all_orders(account: Account, parameters: Parameters, symbol: str) -> list[Row]:
    """By time of the last update when a time is given, else from an order id on, else the most recent.

    Always by rising order id. Only a time makes the whole history be looked at.
    """
    start, end = _time_range(parameters)
    first_id = parameters.integer("orderId")
    limit = _limit(parameters)
    history = account.history(symbol)
    if start is not None or end is not None:
        inside = [order for order in history.orders.values() if _is_inside(order.updated_ms, start, end)]
        chosen = inside[:limit] if start is not None else inside[-limit:]
    elif first_id is not None:
        chosen = list(islice(history.orders_since(first_id), limit))
    else:
        chosen = list(islice(reversed(history.orders.values()), limit))[::-1]
    return [order_row(order) for order in chosen]


def my_trades(account: Account, parameters: Parameters, symbol: str) -> list[Row]:
    """From a trade id on, of one order, by time, or the most recent; always by rising trade id.

    Only a time makes the whole history be looked at. Raises EngineError: -1128 for conditions that do not go together,
    -1127 for more than 24 hours.
    """
    given = frozenset(name for name in ("orderId", "startTime", "endTime", "fromId") if name in parameters)
    if given not in _TRADE_CONDITIONS:
        raise bad_combination()
    start, end = _time_range(parameters)
    order_id, first_id = parameters.integer("orderId"), parameters.integer("fromId")
    limit = _limit(parameters)
    history = account.history(symbol)
    chosen: list[Fill]
    if order_id is not None:
        order = history.orders.get(order_id)
        chosen = [fill for fill in order.fills if fill.trade_id >= (first_id or 0)][:limit] if order else []
    elif first_id is not None:
        chosen = history.fills.since(first_id, limit)
    elif start is not None or end is not None:
        inside = [fill for fill in history.fills if _is_inside(fill.time_ms, start, end)]
        chosen = inside[:limit] if start is not None else inside[-limit:]
    else:
        chosen = history.fills.newest(limit)
    return [trade_row(fill) for fill in chosen]


# Which conditions of `myPreventedMatches` may come together.
_PREVENTION_CONDITIONS = frozenset(
    frozenset(names.split()) for names in ("preventedMatchId", "orderId", "orderId fromPreventedMatchId")
)


def prevented_matches(account: Account, parameters: Parameters, symbol: str) -> list[Row]:
    """One by its id, or those of one order, as taker or maker; by rising id. Raises EngineError -1128 for others."""
    given = frozenset(name for name in ("preventedMatchId", "orderId", "fromPreventedMatchId") if name in parameters)
    if given not in _PREVENTION_CONDITIONS:
        raise bad_combination()
    match_id, order_id = parameters.integer("preventedMatchId"), parameters.integer("orderId")
    first_id, limit = parameters.integer("fromPreventedMatchId") or 0, _limit(parameters)
    chosen = (
        prevention
        for prevention in account.history(symbol).preventions
        if match_id in (None, prevention.prevented_match_id)
        and order_id in (None, prevention.taker_order_id, prevention.maker_order_id)
        and prevention.prevented_match_id >= first_id
    )
    return [prevention_row(symbol, prevention) for prevention in islice(chosen, limit)]


def amendments(account: Account, parameters: Parameters, symbol: str) -> list[Row]:
    """Of one order, from an execution id on, oldest first; none of an order that is not the account's."""
    order_id = required(parameters.integer("orderId"), "orderId")
    first_id, limit = parameters.integer("fromExecutionId") or 0, _limit(parameters)
    order = account.history(symbol).orders.get(order_id)
    if order is None:
        return []
    chosen = (amendment for amendment in order.amendments if amendment.execution_id >= first_id)
    return [amendment_row(order, amendment) for amendment in islice(chosen, limit)]


def commission(symbol: str, maker_rate: Decimal, taker_rate: Decimal) -> Row:
    """The rates of the account on a symbol, in the words of `account.commission`."""
    none = {"maker": text(ZERO), "taker": text(ZERO), "buyer": text(ZERO), "seller": text(ZERO)}
    return {
        "symbol": symbol,
        "standardCommission": {**none, "maker": text(maker_rate), "taker": text(taker_rate)},
        "specialCommission": dict(none),
        "taxCommission": dict(none),
        "discount": dict(NO_DISCOUNT),
    }


def account_status(account: Account, parameters: Parameters, maker_rate: Decimal, taker_rate: Decimal) -> Row:
    balances = account.wallet.balances()
    omit_zero = parameters.flag("omitZeroBalances")
    rows = []
    for asset in in_exchange_order(balances.keys() | set(ASSET_ORDER)):
        balance = balances.get(asset)
        free, locked = (balance.free, balance.locked) if balance else (ZERO, ZERO)
        if free or locked or not omit_zero:
            rows.append({"asset": asset, "free": text(free), "locked": text(locked)})
    return {
        "makerCommission": int(maker_rate * 10_000),
        "takerCommission": int(taker_rate * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": text(maker_rate),
            "taker": text(taker_rate),
            "buyer": text(ZERO),
            "seller": text(ZERO),
        },
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": account.updated_ms,
        "accountType": "SPOT",
        "balances": rows,
        "permissions": ["SPOT"],
        "uid": account.uid,
    }


def exchange_info(
    definitions: Mapping[str, SymbolDefinition], filters: ExchangeFilters, parameters: Parameters, now_ms: int
) -> Row:
    """Raises EngineError: -1121 for an unknown symbol, -1128 for selections that do not agree, -1151 for doubles."""
    selections = sum(name in parameters for name in ("symbol", "symbols", "permissions"))
    status = parameters.enumeration("symbolStatus")
    if selections > 1 or (status is not None and ("symbol" in parameters or "symbols" in parameters)):
        raise bad_combination()
    show_permission_sets = parameters.flag("showPermissionSets") is not False
    chosen = [
        definition for definition in _selected(definitions, parameters) if status is None or definition.status == status
    ]
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": [dict(limit) for limit in RATE_LIMITS],
        "exchangeFilters": exchange_filters(filters),
        "symbols": [describe(definition, show_permission_sets=show_permission_sets) for definition in chosen],
    }


def _selected(definitions: Mapping[str, SymbolDefinition], parameters: Parameters) -> list[SymbolDefinition]:
    symbol = parameters.symbol()
    names = [symbol] if symbol is not None else parameters.names("symbols")
    if names is not None:
        if len(set(names)) < len(names):
            raise EngineError(-1151, "Symbol is present multiple times in the list.")
        if any(name not in definitions for name in names):
            raise invalid_symbol()
        return [definitions[name] for name in names]
    permissions = set(parameters.names("permissions") or ("SPOT", "MARGIN", "LEVERAGED"))
    return [
        definition
        for definition in definitions.values()
        if all(permissions & set(group) for group in definition.permission_sets)
    ]


def _time_range(parameters: Parameters) -> tuple[int | None, int | None]:
    start, end = parameters.integer("startTime"), parameters.integer("endTime")
    if start is not None and end is not None and end - start > DAY_MS:
        raise EngineError(-1127, "More than 24 hours between startTime and endTime.")
    return start, end


def _limit(parameters: Parameters) -> int:
    limit = parameters.integer("limit")
    if limit is None:
        return ROWS_DEFAULT
    if not limit:
        raise not_valid("limit")
    return min(limit, ROWS_MAX)


def _is_inside(time_ms: int, start: int | None, end: int | None) -> bool:
    return (start is None or time_ms >= start) and (end is None or time_ms <= end)


def symbol_of(parameters: Parameters, definitions: Mapping[str, SymbolDefinition]) -> str:
    """The mandatory symbol. Raises EngineError: -1102 without one, -1121 for one that does not trade here."""
    symbol = required(parameters.symbol(), "symbol")
    if symbol not in definitions:
        raise invalid_symbol()
    return symbol
