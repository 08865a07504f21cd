"""What the exchange's documentation says of the shape of its messages: every field and its JSON type, as facts.

An object lists its fields; one that ends in `?` comes only under the condition that the documentation names. A list of
one shape is an array of any length. Words: text, decimal (a JSON string with digits and at most one point), int, bool,
null; `a|b` is either. Sources: WebSocket API, User Data Streams, WebSocket Streams of July 2026.
"""

import re
from collections.abc import Iterator
from typing import Any

Shape = Any
"""A word, a dict of field → shape, or a list of one shape; types cannot say it more exactly and stay readable."""

DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def differences(value: Any, shape: Shape, path: str = "$") -> Iterator[str]:
    """Where a decoded JSON value is not of a shape, one sentence each."""
    if isinstance(shape, dict):
        yield from _object_differences(value, shape, path)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{path} is {value!r}, not an array"
            return
        for index, item in enumerate(value):
            yield from differences(item, shape[0], f"{path}[{index}]")
    elif not any(_is(value, word) for word in shape.split("|")):
        yield f"{path} is {value!r}, not {shape}"


def _object_differences(value: Any, shape: dict[str, Shape], path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path} is {value!r}, not an object"
        return
    fields = {name.rstrip("?"): kind for name, kind in shape.items()}
    for name in sorted(value.keys() - fields.keys()):
        yield f"{path}.{name} is not documented"
    for name in shape:
        if not name.endswith("?") and name not in value:
            yield f"{path}.{name} is missing"
    for name in value.keys() & fields.keys():
        yield from differences(value[name], fields[name], f"{path}.{name}")


def _is(value: Any, word: str) -> bool:
    match word:
        case "null":
            return value is None
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "text":
            return isinstance(value, str)
        case "decimal":
            return isinstance(value, str) and DECIMAL.fullmatch(value) is not None
    raise AssertionError(f"{word} is no word for a type")


RATE_LIMITS: Shape = [
    {"rateLimitType": "text", "interval": "text", "intervalNum": "int", "limit": "int", "count": "int"},
]


def answered(result: Shape) -> Shape:
    """A response with a result (WebSocket API, Response format)."""
    return {"id": "int|text|null", "status": "int", "result": result, "rateLimits?": RATE_LIMITS}


ERROR: Shape = {
    "id": "int|text|null",
    "status": "int",
    "error": {"code": "int", "msg": "text", "data?": {"serverTime": "int", "retryAfter": "int"}},
    "rateLimits?": RATE_LIMITS,
}


def failed(data: Shape) -> Shape:
    """An error that says what became of the parts of its request (WebSocket API, Cancel and replace order)."""
    return {**ERROR, "error": {"code": "int", "msg": "text", "data": data}}


# WebSocket API.

SESSION: Shape = {
    "apiKey": "text|null",
    "authorizedSince": "int|null",
    "connectedSince": "int",
    "returnRateLimits": "bool",
    "serverTime": "int",
    "userDataStream": "bool|null",
}

ACK: Shape = {
    "symbol": "text",
    "orderId": "int",
    "orderListId": "int",
    "clientOrderId": "text",
    "transactTime": "int",
}

ORDER_AMOUNTS: Shape = {
    "price": "decimal",
    "origQty": "decimal",
    "executedQty": "decimal",
    "origQuoteOrderQty": "decimal",
    "cummulativeQuoteQty": "decimal",
    "status": "text",
    "timeInForce": "text",
    "type": "text",
    "side": "text",
    "selfTradePreventionMode": "text",
}

CONDITIONAL: Shape = {
    "icebergQty?": "decimal",
    "preventedMatchId?": "int",
    "preventedQuantity?": "decimal",
    "stopPrice?": "decimal",
    "strategyId?": "int",
    "strategyType?": "int",
    "trailingDelta?": "int",
    "trailingTime?": "int",
    "expiryReason?": "text",
}
"""Place new order, Conditional fields in Order Responses."""

RESULT: Shape = {**ACK, **ORDER_AMOUNTS, **CONDITIONAL, "workingTime": "int"}

FILL: Shape = {
    "price": "decimal",
    "qty": "decimal",
    "commission": "decimal",
    "commissionAsset": "text",
    "tradeId": "int",
}

FULL: Shape = {**RESULT, "fills": [FILL]}

CANCELED: Shape = {**ACK, **ORDER_AMOUNTS, **CONDITIONAL, "origClientOrderId": "text"}

AMENDED: Shape = {
    "transactTime": "int",
    "executionId": "int",
    "amendedOrder": {
        **{name: kind for name, kind in ACK.items() if name != "transactTime"},
        "origClientOrderId": "text",
        "price": "decimal",
        "qty": "decimal",
        "executedQty": "decimal",
        "preventedQty": "decimal",
        "quoteOrderQty": "decimal",
        "cumulativeQuoteQty": "decimal",
        "status": "text",
        "timeInForce": "text",
        "type": "text",
        "side": "text",
        "selfTradePreventionMode": "text",
        "workingTime": "int",
        **CONDITIONAL,
    },
}
"""Order Amend Keep Priority, of a single order: its fields have names of their own."""


def replaced(cancel_response: Shape, new_order_response: Shape) -> Shape:
    """Cancel and replace order: the result, or the `data` of its errors."""
    return {
        "cancelResult": "text",
        "newOrderResult": "text",
        "cancelResponse": cancel_response,
        "newOrderResponse": new_order_response,
    }


REFUSED_PART: Shape = {"code": "int", "msg": "text"}
"""A part of Cancel and replace order that failed."""

QUERIED: Shape = {
    **{name: kind for name, kind in ACK.items() if name != "transactTime"},
    **ORDER_AMOUNTS,
    **{name: kind for name, kind in CONDITIONAL.items() if name not in {"icebergQty?", "stopPrice?"}},
    "stopPrice": "decimal",
    "icebergQty": "decimal",
    "time": "int",
    "updateTime": "int",
    "isWorking": "bool",
    "workingTime": "int",
}

MY_TRADE: Shape = {
    "symbol": "text",
    "id": "int",
    "orderId": "int",
    "orderListId": "int",
    "price": "decimal",
    "qty": "decimal",
    "quoteQty": "decimal",
    "commission": "decimal",
    "commissionAsset": "text",
    "time": "int",
    "isBuyer": "bool",
    "isMaker": "bool",
    "isBestMatch": "bool",
}

ACCOUNT: Shape = {
    "makerCommission": "int",
    "takerCommission": "int",
    "buyerCommission": "int",
    "sellerCommission": "int",
    "canTrade": "bool",
    "canWithdraw": "bool",
    "canDeposit": "bool",
    "commissionRates": {"maker": "decimal", "taker": "decimal", "buyer": "decimal", "seller": "decimal"},
    "brokered": "bool",
    "requireSelfTradePrevention": "bool",
    "preventSor": "bool",
    "updateTime": "int",
    "accountType": "text",
    "balances": [{"asset": "text", "free": "decimal", "locked": "decimal"}],
    "permissions": ["text"],
    "uid": "int",
}

COMMISSION_OF_ORDER: Shape = {"maker": "decimal", "taker": "decimal"}
TESTED_COMMISSION: Shape = {
    "standardCommissionForOrder": COMMISSION_OF_ORDER,
    "specialCommissionForOrder": COMMISSION_OF_ORDER,
    "taxCommissionForOrder": COMMISSION_OF_ORDER,
    "discount": {
        "enabledForAccount": "bool",
        "enabledForSymbol": "bool",
        "discountAsset": "text",
        "discount": "decimal",
    },
}

FILTERS: dict[str, Shape] = {
    "PRICE_FILTER": {"minPrice": "decimal", "maxPrice": "decimal", "tickSize": "decimal"},
    "PERCENT_PRICE": {"multiplierUp": "decimal", "multiplierDown": "decimal", "avgPriceMins": "int"},
    "PERCENT_PRICE_BY_SIDE": {
        "bidMultiplierUp": "decimal",
        "bidMultiplierDown": "decimal",
        "askMultiplierUp": "decimal",
        "askMultiplierDown": "decimal",
        "avgPriceMins": "int",
    },
    "LOT_SIZE": {"minQty": "decimal", "maxQty": "decimal", "stepSize": "decimal"},
    "MARKET_LOT_SIZE": {"minQty": "decimal", "maxQty": "decimal", "stepSize": "decimal"},
    "MIN_NOTIONAL": {"minNotional": "decimal", "applyToMarket": "bool", "avgPriceMins": "int"},
    "NOTIONAL": {
        "minNotional": "decimal",
        "applyMinToMarket": "bool",
        "maxNotional": "decimal",
        "applyMaxToMarket": "bool",
        "avgPriceMins": "int",
    },
    "ICEBERG_PARTS": {"limit": "int"},
    "MAX_NUM_ORDERS": {"maxNumOrders": "int"},
    "MAX_NUM_ALGO_ORDERS": {"maxNumAlgoOrders": "int"},
    "MAX_NUM_ICEBERG_ORDERS": {"maxNumIcebergOrders": "int"},
    "MAX_NUM_ORDER_LISTS": {"maxNumOrderLists": "int"},
    "MAX_NUM_ORDER_AMENDS": {"maxNumOrderAmends": "int"},
    "MAX_POSITION": {"maxPosition": "decimal"},
    "TRAILING_DELTA": {
        "minTrailingAboveDelta": "int",
        "maxTrailingAboveDelta": "int",
        "minTrailingBelowDelta": "int",
        "maxTrailingBelowDelta": "int",
    },
}
"""Filters, each without its `filterType`."""

SYMBOL: Shape = {
    "symbol": "text",
    "status": "text",
    "baseAsset": "text",
    "baseAssetPrecision": "int",
    "quoteAsset": "text",
    "quotePrecision": "int",
    "quoteAssetPrecision": "int",
    "baseCommissionPrecision": "int",
    "quoteCommissionPrecision": "int",
    "orderTypes": ["text"],
    "icebergAllowed": "bool",
    "ocoAllowed": "bool",
    "otoAllowed": "bool",
    "opoAllowed": "bool",
    "quoteOrderQtyMarketAllowed": "bool",
    "allowTrailingStop": "bool",
    "cancelReplaceAllowed": "bool",
    "amendAllowed": "bool",
    "pegInstructionsAllowed": "bool",
    "isSpotTradingAllowed": "bool",
    "isMarginTradingAllowed": "bool",
    "permissions": ["text"],
    "permissionSets": [["text"]],
    "defaultSelfTradePreventionMode": "text",
    "allowedSelfTradePreventionModes": ["text"],
}
"""Exchange information, without `filters`."""

EXCHANGE_INFO: Shape = {
    "timezone": "text",
    "serverTime": "int",
    "rateLimits": [{"rateLimitType": "text", "interval": "text", "intervalNum": "int", "limit": "int"}],
    "exchangeFilters": ["text"],
    "symbols": [SYMBOL],
    "sors?": [{"baseAsset": "text", "symbols": ["text"]}],
}

DEPTH: Shape = {"lastUpdateId": "int", "bids": [["decimal"]], "asks": [["decimal"]]}
RECENT_TRADE: Shape = {
    "id": "int",
    "price": "decimal",
    "qty": "decimal",
    "quoteQty": "decimal",
    "time": "int",
    "isBuyerMaker": "bool",
    "isBestMatch": "bool",
}
TICKER_PRICE: Shape = {"symbol": "text", "price": "decimal"}
TICKER_BOOK: Shape = {
    "symbol": "text",
    "bidPrice": "decimal",
    "bidQty": "decimal",
    "askPrice": "decimal",
    "askQty": "decimal",
}

# User Data Streams.


def told(event: Shape) -> Shape:
    """An event of a subscription (WebSocket API, Event format)."""
    return {"subscriptionId": "int", "event": event}


EXECUTION_REPORT: Shape = {
    "e": "text",
    "E": "int",
    "s": "text",
    "c": "text",
    "S": "text",
    "o": "text",
    "f": "text",
    "q": "decimal",
    "p": "decimal",
    "P": "decimal",
    "F": "decimal",
    "g": "int",
    "C": "text",
    "x": "text",
    "X": "text",
    "r": "text",
    "i": "int",
    "l": "decimal",
    "z": "decimal",
    "L": "decimal",
    "n": "decimal",
    "N": "text|null",
    "T": "int",
    "t": "int",
    "I": "int",
    "w": "bool",
    "m": "bool",
    "M": "bool",
    "O": "int",
    "Z": "decimal",
    "Y": "decimal",
    "Q": "decimal",
    "V": "text",
    # Conditional Fields in Execution Report.
    "W?": "int",
    "d?": "int",
    "D?": "int",
    "j?": "int",
    "J?": "int",
    "v?": "int",
    "A?": "decimal",
    "B?": "decimal",
    "u?": "int",
    "U?": "int",
    "Cs?": "text",
    "pl?": "decimal",
    "pL?": "decimal",
    "pY?": "decimal",
    "eR?": "text",
}
ACCOUNT_POSITION: Shape = {"e": "text", "E": "int", "u": "int", "B": [{"a": "text", "f": "decimal", "l": "decimal"}]}
BALANCE_UPDATE: Shape = {"e": "text", "E": "int", "a": "text", "d": "decimal", "T": "int"}
STREAM_TERMINATED: Shape = {"e": "text", "E": "int"}
EVENTS: dict[str, Shape] = {
    "executionReport": EXECUTION_REPORT,
    "outboundAccountPosition": ACCOUNT_POSITION,
    "balanceUpdate": BALANCE_UPDATE,
    "externalLockUpdate": BALANCE_UPDATE,
    "eventStreamTerminated": STREAM_TERMINATED,
}

# WebSocket Streams.

TRADE: Shape = {
    "e": "text",
    "E": "int",
    "s": "text",
    "t": "int",
    "p": "decimal",
    "q": "decimal",
    "T": "int",
    "m": "bool",
    "M": "bool",
}
QUOTE: Shape = {"u": "int", "s": "text", "b": "decimal", "B": "decimal", "a": "decimal", "A": "decimal"}
BOOK: Shape = DEPTH
BOOK_DIFF: Shape = {
    "e": "text",
    "E": "int",
    "s": "text",
    "U": "int",
    "u": "int",
    "b": [["decimal"]],
    "a": [["decimal"]],
}
KLINE: Shape = {
    "e": "text",
    "E": "int",
    "s": "text",
    "k": {
        "t": "int",
        "T": "int",
        "s": "text",
        "i": "text",
        "f": "int",
        "L": "int",
        "o": "decimal",
        "c": "decimal",
        "h": "decimal",
        "l": "decimal",
        "v": "decimal",
        "n": "int",
        "x": "bool",
        "q": "decimal",
        "V": "decimal",
        "Q": "decimal",
        "B": "decimal",
    },
}
