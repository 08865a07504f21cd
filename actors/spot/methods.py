"""Requests to the WebSocket API: the methods, the parameters of each, and the frame that carries them (Request format).

The builders return plain parameter dicts in the exchange's names, with decimals as strings. Time, signature and the
moment of sending belong to the session; whether an order fits the symbol's filters belongs to `filters.py`.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum, StrEnum

import msgspec

from dogwatch.actors.spot.enums import (
    CancelReplaceMode,
    CancelRestrictions,
    OrderType,
    ResponseType,
    SelfTradePreventionMode,
    Side,
    TimeInForce,
    Word,
)

ParamValue = str | int | bool | list[str]
Params = dict[str, ParamValue]

RECV_WINDOW_MS, RECV_WINDOW_MS_MAX = 5_000, 60_000
"""What the exchange takes if nothing is said, and at most."""
DIGITS_MAX = 20
"""The exchange reads at most this many digits before and after the decimal point."""


class Security(Enum):
    """What a method demands (Request security)."""

    NONE = "NONE"
    USER_STREAM = "USER_STREAM"
    """A session that is logged on; no timestamp."""
    USER_DATA = "USER_DATA"
    TRADE = "TRADE"
    SIGNED = "SIGNED"
    """An API key and a signature in the request itself, also within a session."""

    @property
    def needs_timestamp(self) -> bool:
        return self in (Security.USER_DATA, Security.TRADE, Security.SIGNED)


class Method(StrEnum):
    """The methods that this project calls."""

    PING = "ping"
    TIME = "time"
    EXCHANGE_INFO = "exchangeInfo"
    SESSION_LOGON = "session.logon"
    SESSION_STATUS = "session.status"
    SESSION_LOGOUT = "session.logout"
    USER_DATA_STREAM_SUBSCRIBE = "userDataStream.subscribe"
    USER_DATA_STREAM_SUBSCRIBE_SIGNATURE = "userDataStream.subscribe.signature"
    USER_DATA_STREAM_UNSUBSCRIBE = "userDataStream.unsubscribe"
    ORDER_PLACE = "order.place"
    ORDER_TEST = "order.test"
    ORDER_CANCEL = "order.cancel"
    ORDER_CANCEL_REPLACE = "order.cancelReplace"
    ORDER_AMEND = "order.amend.keepPriority"
    ORDER_STATUS = "order.status"
    OPEN_ORDERS_STATUS = "openOrders.status"
    OPEN_ORDERS_CANCEL_ALL = "openOrders.cancelAll"
    ALL_ORDERS = "allOrders"
    MY_TRADES = "myTrades"
    ACCOUNT_STATUS = "account.status"

    @property
    def security(self) -> Security:
        return _SECURITY.get(self, Security.NONE)


_SECURITY: dict[Method, Security] = {
    Method.SESSION_LOGON: Security.SIGNED,
    Method.USER_DATA_STREAM_SUBSCRIBE: Security.USER_STREAM,
    Method.USER_DATA_STREAM_SUBSCRIBE_SIGNATURE: Security.SIGNED,
    Method.ORDER_PLACE: Security.TRADE,
    Method.ORDER_TEST: Security.TRADE,
    Method.ORDER_CANCEL: Security.TRADE,
    Method.ORDER_CANCEL_REPLACE: Security.TRADE,
    Method.ORDER_AMEND: Security.TRADE,
    Method.OPEN_ORDERS_CANCEL_ALL: Security.TRADE,
    Method.ORDER_STATUS: Security.USER_DATA,
    Method.OPEN_ORDERS_STATUS: Security.USER_DATA,
    Method.ALL_ORDERS: Security.USER_DATA,
    Method.MY_TRADES: Security.USER_DATA,
    Method.ACCOUNT_STATUS: Security.USER_DATA,
}


def encode_request(request_id: int | str, method: str, params: Mapping[str, ParamValue] | None = None) -> bytes:
    """Return the text frame of a request. A string id is 1 to 36 characters of `[a-zA-Z0-9-_]`, else ValueError."""
    if isinstance(request_id, str) and not _ID.fullmatch(request_id):
        raise ValueError(f"request id {request_id!r}: use 1 to 36 letters, digits, '-' or '_', or an integer")
    if params:
        return _encode({"id": request_id, "method": method, "params": params})
    return _encode({"id": request_id, "method": method})


def encode_stream_request(request_id: int, method: str, streams: Sequence[str] = ()) -> bytes:
    """Return the text frame of SUBSCRIBE, UNSUBSCRIBE or LIST_SUBSCRIPTIONS (WebSocket Streams, Live subscribing)."""
    if streams:
        return _encode({"method": method, "params": streams, "id": request_id})
    return _encode({"method": method, "id": request_id})


def decimal_text(value: Decimal | int, name: str = "value") -> str:
    """Return a number as the exchange reads it: plain digits, no exponent, no sign, nothing rounded.

    Raises TypeError for a float (it has lost digits already) and whatever else is no Decimal or int; ValueError for
    negative and infinite numbers, NaN, and numbers with more than 20 digits on one side of the decimal point.
    """
    if type(value) is Decimal:
        text = str(value)
        if len(text) <= DIGITS_MAX and text.replace(".", "", 1).isdecimal():
            return text
        return _long_decimal_text(value, name)
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return _long_decimal_text(Decimal(value), name)
    hint = f'write Decimal("{value}")' if isinstance(value, float) else "use decimal.Decimal"
    raise TypeError(f"{name} must be a Decimal, not {type(value).__name__}: {hint}")


def stamp(params: Mapping[str, ParamValue], *, timestamp_ms: int, recv_window_ms: int | None = None) -> Params:
    """Return the parameters with the time of the request, and how long after it the exchange may still take it.

    Server time in milliseconds; `recv_window_ms` is 1 to 60,000, the exchange takes 5,000 if it is left out
    (Timing security).
    """
    stamped: Params = {**params, "timestamp": timestamp_ms}
    if recv_window_ms is not None:
        if not 1 <= recv_window_ms <= RECV_WINDOW_MS_MAX:
            raise ValueError(f"recv_window_ms is {recv_window_ms}: the exchange takes 1 to {RECV_WINDOW_MS_MAX}")
        stamped["recvWindow"] = recv_window_ms
    return stamped


def place_order(
    *,
    symbol: str,
    side: Side,
    order_type: OrderType,
    quantity: Decimal | int | None = None,
    quote_order_quantity: Decimal | int | None = None,
    price: Decimal | int | None = None,
    time_in_force: TimeInForce | None = None,
    client_order_id: str | None = None,
    response_type: ResponseType | None = None,
    stop_price: Decimal | int | None = None,
    trailing_delta: int | None = None,
    iceberg_quantity: Decimal | int | None = None,
    self_trade_prevention_mode: SelfTradePreventionMode | None = None,
    strategy_id: int | None = None,
    strategy_type: int | None = None,
) -> Params:
    """Parameters of order.place and order.test (Place new order).

    Quantities are in the base asset, `quote_order_quantity` in the quote asset, prices in quote per base.
    `trailing_delta` is in basis points. Raises ValueError if the order type misses a parameter or does not take one.
    """
    params: Params = {"symbol": symbol, "side": _word(side), "type": _word(order_type)}
    for name, word in (
        ("timeInForce", time_in_force),
        ("newOrderRespType", response_type),
        ("selfTradePreventionMode", self_trade_prevention_mode),
    ):
        if word is not None:
            params[name] = _word(word)
    for name, number in (
        ("quantity", quantity),
        ("quoteOrderQty", quote_order_quantity),
        ("price", price),
        ("stopPrice", stop_price),
        ("icebergQty", iceberg_quantity),
    ):
        if number is not None:
            params[name] = decimal_text(number, name)
    if client_order_id is not None:
        params["newClientOrderId"] = _client_order_id(client_order_id)
    for name, integer in (
        ("trailingDelta", trailing_delta),
        ("strategyId", strategy_id),
        ("strategyType", strategy_type),
    ):
        if integer is not None:
            params[name] = integer
    _check_order_params(order_type, params)
    return params


def cancel_order(
    *,
    symbol: str,
    order_id: int | None = None,
    client_order_id: str | None = None,
    new_client_order_id: str | None = None,
    cancel_restrictions: CancelRestrictions | None = None,
) -> Params:
    """Parameters of order.cancel (Cancel order). With both ids `order_id` finds the order and the other must match.

    The canceled order is renamed to `new_client_order_id`, or to a name that the exchange makes up.
    """
    params = query_order(symbol=symbol, order_id=order_id, client_order_id=client_order_id)
    if new_client_order_id is not None:
        params["newClientOrderId"] = _client_order_id(new_client_order_id)
    if cancel_restrictions is not None:
        params["cancelRestrictions"] = _word(cancel_restrictions)
    return params


def amend_order(
    *,
    symbol: str,
    new_quantity: Decimal | int,
    order_id: int | None = None,
    client_order_id: str | None = None,
    new_client_order_id: str | None = None,
) -> Params:
    """Parameters of order.amend.keepPriority (Order Amend Keep Priority): lower the quantity, keep the place in the
    queue. With both ids `order_id` finds the order and the other must match.

    `new_quantity` is the whole quantity, what has filled included. The amended order is renamed to
    `new_client_order_id`, which may be the name that it has; left out, to a name that the exchange makes up.
    """
    params = query_order(symbol=symbol, order_id=order_id, client_order_id=client_order_id)
    if not new_quantity > 0:
        raise ValueError(f"new_quantity is {new_quantity}: an amend keeps more than nothing; cancel the order instead")
    params["newQty"] = decimal_text(new_quantity, "new_quantity")
    if new_client_order_id is not None:
        params["newClientOrderId"] = _client_order_id(new_client_order_id)
    return params


def cancel_replace_order(
    placing: Params,
    *,
    mode: CancelReplaceMode,
    cancel_order_id: int | None = None,
    cancel_client_order_id: str | None = None,
    cancel_new_client_order_id: str | None = None,
    cancel_restrictions: CancelRestrictions | None = None,
) -> Params:
    """Parameters of order.cancelReplace (Cancel and replace order): cancel one order, then place another on its symbol.

    `placing` is what `place_order` returned. The order to cancel is named as in `cancel_order`, and renamed to
    `cancel_new_client_order_id`. The parts are not one transaction: `cancel_replace.judge` says what became of each.
    """
    params: Params = {**placing, "cancelReplaceMode": _word(mode)}
    if cancel_order_id is None and cancel_client_order_id is None:
        raise ValueError(_UNNAMED)
    if cancel_order_id is not None:
        params["cancelOrderId"] = cancel_order_id
    if cancel_client_order_id is not None:
        params["cancelOrigClientOrderId"] = _client_order_id(cancel_client_order_id)
    if cancel_new_client_order_id is not None:
        params["cancelNewClientOrderId"] = _client_order_id(cancel_new_client_order_id)
    if cancel_restrictions is not None:
        params["cancelRestrictions"] = _word(cancel_restrictions)
    return params


def query_order(*, symbol: str, order_id: int | None = None, client_order_id: str | None = None) -> Params:
    """Parameters of order.status (Query order). Raises ValueError without any id."""
    params: Params = {"symbol": symbol}
    if order_id is not None:
        params["orderId"] = order_id
    if client_order_id is not None:
        params["origClientOrderId"] = _client_order_id(client_order_id)
    if len(params) == 1:
        raise ValueError(_UNNAMED)
    return params


def cancel_open_orders(*, symbol: str) -> Params:
    """Parameters of openOrders.cancelAll (Cancel open orders)."""
    return {"symbol": symbol}


def query_open_orders(*, symbol: str | None = None) -> Params:
    """Parameters of openOrders.status (Current open orders). Without a symbol all are asked for, at weight 80."""
    return {} if symbol is None else {"symbol": symbol}


def query_all_orders(
    *,
    symbol: str,
    order_id: int | None = None,
    start_time_ms: int | None = None,
    end_time_ms: int | None = None,
    limit: int | None = None,
) -> Params:
    """Parameters of allOrders (Account order history). A range of time is 24 hours at most and ignores `order_id`."""
    return _present(symbol=symbol, orderId=order_id, startTime=start_time_ms, endTime=end_time_ms, limit=_limit(limit))


def query_trades(
    *,
    symbol: str,
    order_id: int | None = None,
    start_time_ms: int | None = None,
    end_time_ms: int | None = None,
    from_id: int | None = None,
    limit: int | None = None,
) -> Params:
    """Parameters of myTrades (Account trade history). `from_id` excludes a range of time, which is 24 hours at most."""
    if from_id is not None and (start_time_ms is not None or end_time_ms is not None):
        raise ValueError("from_id and a range of time exclude each other: give one of them")
    return _present(
        symbol=symbol,
        orderId=order_id,
        startTime=start_time_ms,
        endTime=end_time_ms,
        fromId=from_id,
        limit=_limit(limit),
    )


def query_account(*, omit_zero_balances: bool = True) -> Params:
    """Parameters of account.status (Account information). With zero balances the answer lists every asset there is."""
    return {"omitZeroBalances": omit_zero_balances}


def query_exchange_info(*, symbols: Sequence[str] = ()) -> Params:
    """Parameters of exchangeInfo (Exchange information). Without symbols the answer lists all, several megabytes."""
    return {"symbols": list(symbols)} if symbols else {}


def unsubscribe_user_data(*, subscription_id: int | None = None) -> Params:
    """Parameters of userDataStream.unsubscribe. Without an id all subscriptions of the connection end."""
    return {} if subscription_id is None else {"subscriptionId": subscription_id}


_UNNAMED = "an order is named by its order_id or its client_order_id: give one of them"
_ID = re.compile(r"[a-zA-Z0-9_-]{1,36}")
_encode = msgspec.json.Encoder().encode

# What each type must have and may have besides symbol, side and the options that every type takes.
_REQUIRED: dict[str, tuple[str, ...]] = {
    OrderType.LIMIT: ("timeInForce", "price", "quantity"),
    OrderType.LIMIT_MAKER: ("price", "quantity"),
    OrderType.MARKET: (),
    OrderType.STOP_LOSS: ("quantity",),
    OrderType.TAKE_PROFIT: ("quantity",),
    OrderType.STOP_LOSS_LIMIT: ("timeInForce", "price", "quantity"),
    OrderType.TAKE_PROFIT_LIMIT: ("timeInForce", "price", "quantity"),
}
_OPTIONAL: dict[str, tuple[str, ...]] = {
    OrderType.LIMIT: ("icebergQty",),
    OrderType.LIMIT_MAKER: ("icebergQty",),
    OrderType.MARKET: ("quantity", "quoteOrderQty"),
    OrderType.STOP_LOSS: ("stopPrice", "trailingDelta"),
    OrderType.TAKE_PROFIT: ("stopPrice", "trailingDelta"),
    OrderType.STOP_LOSS_LIMIT: ("stopPrice", "trailingDelta", "icebergQty"),
    OrderType.TAKE_PROFIT_LIMIT: ("stopPrice", "trailingDelta", "icebergQty"),
}
_TYPE_DEPENDENT = frozenset(name for names in (*_REQUIRED.values(), *_OPTIONAL.values()) for name in names)
_REFUSED = {
    order_type: tuple(sorted(_TYPE_DEPENDENT.difference(_REQUIRED[order_type], _OPTIONAL[order_type])))
    for order_type in _REQUIRED
}


# A dict of plain strings: `.value` of an enumeration costs five times as much, and new words must not be sent.
_TEXTS: dict[str, str] = {
    word: word.value
    for kind in (
        Side,
        OrderType,
        TimeInForce,
        ResponseType,
        SelfTradePreventionMode,
        CancelRestrictions,
        CancelReplaceMode,
    )
    for word in kind
}


def _check_order_params(order_type: OrderType, params: Params) -> None:
    for name in _REQUIRED[order_type]:
        if name not in params:
            raise ValueError(f"a {order_type} order needs {name}")
    for name in _REFUSED[order_type]:
        if name in params:
            raise ValueError(f"a {order_type} order does not take {name}: leave it out")
    if order_type is OrderType.MARKET and ("quantity" in params) == ("quoteOrderQty" in params):
        raise ValueError("a MARKET order needs either quantity or quoteOrderQty, not both")
    if "stopPrice" in _OPTIONAL[order_type] and not ("stopPrice" in params or "trailingDelta" in params):
        raise ValueError(f"a {order_type} order needs stopPrice, trailingDelta or both")


def _word(word: Side | Word) -> str:
    text = _TEXTS.get(word)
    if text is None:
        raise ValueError(f"{type(word).__name__} has no {word!s}: use one of {', '.join(type(word))}")
    return text


def _client_order_id(client_order_id: str) -> str:
    if not _ID.fullmatch(client_order_id):
        raise ValueError(f"client order id {client_order_id!r}: use 1 to 36 letters, digits, '-' or '_'")
    return client_order_id


def _limit(limit: int | None) -> int | None:
    if limit is not None and not 1 <= limit <= 1000:
        raise ValueError(f"limit is {limit}: the exchange takes 1 to 1000")
    return limit


def _present(**params: ParamValue | None) -> Params:
    return {name: value for name, value in params.items() if value is not None}


def _long_decimal_text(value: Decimal, name: str) -> str:
    """The same for what is unusual: exponents, signs, very long numbers."""
    if not value.is_finite():
        raise ValueError(f"{name} is {value}: the exchange takes finite numbers only")
    if value < 0:
        raise ValueError(
            f"{name} is {value}: the exchange takes no negative numbers; the side tells buying from selling"
        )
    # The bounds come first: a large exponent would fill the memory with zeros.
    if value and value.adjusted() >= DIGITS_MAX:
        raise ValueError(f"{name} is {value}: at most {DIGITS_MAX} digits before the decimal point")
    if not value:
        return "0"
    if value.adjusted() < -DIGITS_MAX:
        raise ValueError(f"{name} is {value}: at most {DIGITS_MAX} digits after the decimal point; round it first")
    text = format(value, "f")
    whole, _, fraction = text.partition(".")
    if len(fraction) <= DIGITS_MAX:
        return text
    fraction = fraction.rstrip("0")
    if len(fraction) > DIGITS_MAX:
        raise ValueError(f"{name} is {value}: at most {DIGITS_MAX} digits after the decimal point; round it first")
    return f"{whole}.{fraction}" if fraction else whole
