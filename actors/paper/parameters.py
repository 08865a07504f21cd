"""Request parameters as they come from the wire, read strictly: known names, legal characters, mandatory by order type.

What the values mean for a symbol (filters, funds, priority) is decided later. Errors: errors.md, 11xx.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from dogwatch.actors.paper.engine_errors import (
    EngineError,
    bad_combination,
    empty,
    illegal_characters,
    mandatory,
    not_required,
    not_valid,
    one_of_two,
    overflowed,
    too_precise,
    unread,
)

T = TypeVar("T")

SYMBOL_LEGAL = r"^[\w\-._&&[^a-z]]{1,50}$"
CLIENT_ID_LEGAL = r"^[a-zA-Z0-9-_]{1,36}$"
DECIMAL_LEGAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
INTEGER_LEGAL = r"^[0-9]{1,20}$"
LONG_MAX = 2**63 - 1
DECIMAL_MAX = Decimal(LONG_MAX).scaleb(-8)
STOP_TYPES = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
STRATEGY_TYPE_MIN = 1_000_000
STRATEGY_TYPE_MAX = 2**31 - 1

_CLIENT_ID = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_INTEGER = re.compile(r"[0-9]{1,20}")
_SYMBOL = re.compile(r"[^a-z\s]{1,50}")

# Parameters of the envelope's security; whoever checked them may leave them in.
AUTHENTICATION = frozenset({"apiKey", "signature", "timestamp", "recvWindow"})

_PLACING = (
    "symbol side type timeInForce price quantity quoteOrderQty newClientOrderId newOrderRespType stopPrice "
    "trailingDelta icebergQty strategyId strategyType selfTradePreventionMode pegPriceType pegOffsetValue pegOffsetType"
)

KNOWN: dict[str, frozenset[str]] = {
    method: frozenset(names.split()) | AUTHENTICATION
    for method, names in {
        "order.place": _PLACING,
        "order.test": f"{_PLACING} computeCommissionRates",
        "order.cancel": "symbol orderId origClientOrderId newClientOrderId cancelRestrictions",
        "order.cancelReplace": f"{_PLACING} cancelReplaceMode cancelOrderId cancelOrigClientOrderId "
        "cancelNewClientOrderId cancelRestrictions orderRateLimitExceededMode",
        "order.amend.keepPriority": "symbol orderId origClientOrderId newClientOrderId newQty",
        "order.status": "symbol orderId origClientOrderId",
        "openOrders.status": "symbol",
        "openOrders.cancelAll": "symbol",
        "allOrders": "symbol orderId startTime endTime limit",
        "myTrades": "symbol orderId startTime endTime fromId limit",
        "myPreventedMatches": "symbol preventedMatchId orderId fromPreventedMatchId limit",
        "order.amendments": "symbol orderId fromExecutionId limit",
        "account.status": "omitZeroBalances",
        "exchangeInfo": "symbol symbols permissions showPermissionSets symbolStatus",
    }.items()
}

_ENUMS: dict[str, tuple[frozenset[str], EngineError]] = {
    "side": (frozenset({"BUY", "SELL"}), EngineError(-1117, "Invalid side.")),
    "type": (
        frozenset({"LIMIT", "LIMIT_MAKER", "MARKET", *STOP_TYPES}),
        EngineError(-1116, "Invalid orderType."),
    ),
    "timeInForce": (frozenset({"GTC", "IOC", "FOK"}), EngineError(-1115, "Invalid timeInForce.")),
    "newOrderRespType": (frozenset({"ACK", "RESULT", "FULL"}), not_valid("newOrderRespType")),
    "cancelRestrictions": (
        frozenset({"ONLY_NEW", "ONLY_PARTIALLY_FILLED"}),
        EngineError(-1145, "Invalid cancelRestrictions"),
    ),
    "cancelReplaceMode": (frozenset({"STOP_ON_FAILURE", "ALLOW_FAILURE"}), not_valid("cancelReplaceMode")),
    "orderRateLimitExceededMode": (
        frozenset({"DO_NOTHING", "CANCEL_ONLY"}),
        not_valid("orderRateLimitExceededMode"),
    ),
    "selfTradePreventionMode": (
        frozenset({"NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER"}),
        not_valid("selfTradePreventionMode"),
    ),
    "pegPriceType": (frozenset({"PRIMARY_PEG", "MARKET_PEG"}), EngineError(-1210, "Invalid pegPriceType.")),
    "pegOffsetType": (frozenset({"PRICE_LEVEL"}), EngineError(-1211, "Invalid pegOffsetType.")),
    "symbolStatus": (frozenset({"TRADING", "HALT", "BREAK"}), EngineError(-1122, "Invalid symbolStatus.")),
}


class Parameters:
    """The parameters of one request. A null counts as sent, but not as given; an empty text is an error of its own."""

    __slots__ = ("_sent",)

    def __init__(self, method: str, sent: Mapping[str, Any]) -> None:
        unknown = sent.keys() - KNOWN[method]
        if unknown:
            raise unread(len(sent) - len(unknown), len(sent))
        self._sent = sent

    def __contains__(self, name: str) -> bool:
        return self._sent.get(name) is not None

    def symbol(self) -> str | None:
        return self._text("symbol", _SYMBOL, SYMBOL_LEGAL)

    def client_id(self, name: str) -> str | None:
        return self._text(name, _CLIENT_ID, CLIENT_ID_LEGAL)

    def enumeration(self, name: str) -> str | None:
        value = self._sent.get(name)
        if value is None:
            return None
        legal, error = _ENUMS[name]
        if value == "":
            raise empty(name)
        if not isinstance(value, str) or value not in legal:
            raise EngineError(error.code, error.msg)
        return value

    def decimal(self, name: str, precision: int) -> Decimal | None:
        written = self._text(name, _DECIMAL, DECIMAL_LEGAL)
        if written is None:
            return None
        if len(written.partition(".")[2].rstrip("0")) > precision:
            raise too_precise(name)
        value = Decimal(written)
        if value > DECIMAL_MAX:
            raise overflowed(name)
        return value

    def integer(self, name: str, highest: int = LONG_MAX) -> int | None:
        written = self._text(name, _INTEGER, INTEGER_LEGAL)
        if written is None:
            return None
        value = int(written)
        if value > highest:
            raise overflowed(name)
        return value

    def flag(self, name: str) -> bool | None:
        value = self._sent.get(name)
        if value is None or isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return bool(value == "true")
        raise illegal_characters(name, "^(true|false)$")

    def names(self, name: str) -> list[str] | None:
        """A list of texts; a single text stands for a list of one."""
        value = self._sent.get(name)
        if value is None:
            return None
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise EngineError(-1135, f"JSON sent for parameter '{name}' is not valid")
        if not listed or "" in listed:
            raise empty(name)
        return listed

    def _text(self, name: str, pattern: re.Pattern[str], legal: str) -> str | None:
        value = self._sent.get(name)
        if value is None:
            return None
        if isinstance(value, bool | list | dict):
            raise illegal_characters(name, legal)
        written = value if isinstance(value, str) else str(value)
        if not written:
            raise empty(name)
        if not pattern.fullmatch(written):
            raise illegal_characters(name, legal)
        return written


class Placement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A well-formed request for a new order: every parameter that its type needs is there, none that it forbids."""

    symbol: str
    side: str
    type: str
    time_in_force: str
    price: Decimal | None
    quantity: Decimal | None
    quote_quantity: Decimal | None
    client_order_id: str | None
    response_type: str
    iceberg_quantity: Decimal | None
    stop_price: Decimal | None
    trailing_delta: int | None
    strategy_id: int | None
    strategy_type: int | None
    self_trade_prevention: str | None
    is_pegged: bool = False


def read_placement(parameters: Parameters, precision: int = 8) -> Placement:
    """Read the parameters of `order.place` and `order.test`. `precision`: the decimals of the symbol's assets.

    Raises EngineError: -1100…-1117, -1128, -1134, -1210, -1211.
    """
    symbol = required(parameters.symbol(), "symbol")
    side = required(parameters.enumeration("side"), "side")
    kind = required(parameters.enumeration("type"), "type")
    time_in_force = parameters.enumeration("timeInForce")
    price = parameters.decimal("price", precision)
    quantity = parameters.decimal("quantity", precision)
    quote_quantity = parameters.decimal("quoteOrderQty", precision)
    _check_presence(parameters, kind)
    _check_strategy_type(parameters)
    response_type = parameters.enumeration("newOrderRespType")
    return Placement(
        symbol=symbol,
        side=side,
        type=kind,
        time_in_force=time_in_force or "GTC",
        price=price,
        quantity=quantity,
        quote_quantity=quote_quantity,
        client_order_id=parameters.client_id("newClientOrderId"),
        response_type=response_type or ("FULL" if kind in {"LIMIT", "MARKET"} else "ACK"),
        iceberg_quantity=parameters.decimal("icebergQty", precision),
        stop_price=parameters.decimal("stopPrice", precision),
        trailing_delta=parameters.integer("trailingDelta"),
        strategy_id=parameters.integer("strategyId"),
        strategy_type=parameters.integer("strategyType", STRATEGY_TYPE_MAX),
        self_trade_prevention=parameters.enumeration("selfTradePreventionMode"),
        is_pegged=_is_pegged(parameters),
    )


class Cancellation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which order to cancel, by one of its ids or both; what it will be called; what its status must be."""

    order_id: int | None
    client_order_id: str | None
    new_client_order_id: str | None
    restriction: str | None


def read_cancellation(parameters: Parameters) -> Cancellation:
    """Read the parameters of `order.cancel`. Raises EngineError: -1100…-1108, -1145, -1102 without any id."""
    order_id, client_order_id = order_named(parameters, "orderId", "origClientOrderId")
    return Cancellation(
        order_id=order_id,
        client_order_id=client_order_id,
        new_client_order_id=parameters.client_id("newClientOrderId"),
        restriction=parameters.enumeration("cancelRestrictions"),
    )


class Replacement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A well-formed request to cancel one order and to place another; `stops_on_failure`: only if the cancel works."""

    cancellation: Cancellation
    placement: Placement
    stops_on_failure: bool


def read_replacement(parameters: Parameters, precision: int = 8) -> Replacement:
    """Read the parameters of `order.cancelReplace`. Raises EngineError as those of `order.place` and `order.cancel`."""
    mode = required(parameters.enumeration("cancelReplaceMode"), "cancelReplaceMode")
    parameters.enumeration("orderRateLimitExceededMode")
    order_id, client_order_id = order_named(parameters, "cancelOrderId", "cancelOrigClientOrderId")
    cancellation = Cancellation(
        order_id=order_id,
        client_order_id=client_order_id,
        new_client_order_id=parameters.client_id("cancelNewClientOrderId"),
        restriction=parameters.enumeration("cancelRestrictions"),
    )
    return Replacement(
        cancellation=cancellation,
        placement=read_placement(parameters, precision),
        stops_on_failure=mode == "STOP_ON_FAILURE",
    )


class Amendment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which order to lower to which quantity, and what it will be called."""

    order_id: int | None
    client_order_id: str | None
    new_client_order_id: str | None
    quantity: Decimal


def read_amendment(parameters: Parameters, precision: int = 8) -> Amendment:
    """Read the parameters of `order.amend.keepPriority`. Raises EngineError: -1100…-1111, -1102 without any id."""
    order_id, client_order_id = order_named(parameters, "orderId", "origClientOrderId")
    return Amendment(
        order_id=order_id,
        client_order_id=client_order_id,
        new_client_order_id=parameters.client_id("newClientOrderId"),
        quantity=required(parameters.decimal("newQty", precision), "newQty"),
    )


def order_named(parameters: Parameters, id_name: str, client_id_name: str) -> tuple[int | None, str | None]:
    """The ids that an existing order is named by. Raises EngineError -1102 when there is neither."""
    order_id, client_order_id = parameters.integer(id_name), parameters.client_id(client_id_name)
    if order_id is None and client_order_id is None:
        raise one_of_two(client_id_name, id_name)
    return order_id, client_order_id


def required(value: T | None, name: str) -> T:
    """The value, or the exchange's complaint that it is missing (-1102)."""
    if value is None:
        raise mandatory(name)
    return value


# What each type must carry, and what it must not.
_STOP_LIMIT = ("timeInForce", "price", "quantity")
_MANDATORY = {
    "LIMIT": ("timeInForce", "price", "quantity"),
    "LIMIT_MAKER": ("price", "quantity"),
    "STOP_LOSS": ("quantity",),
    "TAKE_PROFIT": ("quantity",),
    "STOP_LOSS_LIMIT": _STOP_LIMIT,
    "TAKE_PROFIT_LIMIT": _STOP_LIMIT,
}
_FORBIDDEN = {
    "LIMIT": ("quoteOrderQty", "stopPrice", "trailingDelta"),
    "LIMIT_MAKER": ("timeInForce", "quoteOrderQty", "stopPrice", "trailingDelta"),
    "MARKET": ("timeInForce", "price", "stopPrice", "trailingDelta", "icebergQty"),
    "STOP_LOSS": ("timeInForce", "price", "quoteOrderQty", "icebergQty"),
    "TAKE_PROFIT": ("timeInForce", "price", "quoteOrderQty", "icebergQty"),
    "STOP_LOSS_LIMIT": ("quoteOrderQty",),
    "TAKE_PROFIT_LIMIT": ("quoteOrderQty",),
}


def _check_presence(parameters: Parameters, kind: str) -> None:
    for name in _MANDATORY.get(kind, ()):
        if name not in parameters and not (name == "price" and "pegPriceType" in parameters):
            raise mandatory(name)
    for name in _FORBIDDEN[kind]:
        if name in parameters:
            raise not_required(name)
    if kind == "MARKET":
        if "quantity" not in parameters and "quoteOrderQty" not in parameters:
            raise one_of_two("quantity", "quoteOrderQty")
        if "quantity" in parameters and "quoteOrderQty" in parameters:
            raise bad_combination()
    if kind in STOP_TYPES and "stopPrice" not in parameters and "trailingDelta" not in parameters:
        raise one_of_two("stopPrice", "trailingDelta")


def _check_strategy_type(parameters: Parameters) -> None:
    strategy_type = parameters.integer("strategyType", STRATEGY_TYPE_MAX)
    if strategy_type is not None and strategy_type < STRATEGY_TYPE_MIN:
        raise EngineError(-1134, "`strategyType` was less than 1000000.")


def _is_pegged(parameters: Parameters) -> bool:
    pegged = parameters.enumeration("pegPriceType") is not None
    if (parameters.enumeration("pegOffsetType") is None) != (parameters.integer("pegOffsetValue") is None):
        raise bad_combination()
    return pegged
