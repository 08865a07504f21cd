"""What the benchmarks' peer says: answers to the requests of a session, and events by the thousand. Pure texts."""

import time
from collections.abc import Iterator

import msgspec

from dogwatch.actors.paper.parameters import Parameters
from dogwatch.actors.paper.queries import exchange_info
from dogwatch.actors.paper.symbol_filters import ExchangeFilters
from dogwatch.actors.paper.symbols import SYMBOLS

SYMBOL = "BTCUSDT"


class _Params(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    new_client_order_id: str = ""
    orig_client_order_id: str = ""
    time_in_force: str = ""


class Request(msgspec.Struct, frozen=True, gc=False):
    """What an answer needs to know of a request."""

    id: int
    method: str
    params: _Params | list[str] = _Params()


read_request = msgspec.json.Decoder(Request).decode

# As the exchange writes it: FULL, which it takes for LIMIT orders unless told otherwise.
ORDER = (
    '{"id":%d,"status":200,"result":{"symbol":"BTCUSDT","orderId":%d,"orderListId":-1,"clientOrderId":"%s",'
    '"transactTime":%d,"price":"40000.00000000","origQty":"1.00000000","executedQty":"0.00000000",'
    '"origQuoteOrderQty":"0.00000000","cummulativeQuoteQty":"0.00000000","status":"%s","timeInForce":"%s",'
    '"type":"LIMIT","side":"BUY","workingTime":%d,"fills":[],"selfTradePreventionMode":"NONE"},'
    '"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":900000,"count":12},'
    '{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":90000000,"count":4043},'
    '{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":321}]}'
)
CANCELED = (
    '{"id":%d,"status":200,"result":{"symbol":"BTCUSDT","origClientOrderId":"%s","orderId":1,"orderListId":-1,'
    '"clientOrderId":"c","transactTime":%d,"price":"40000.00000000","origQty":"1.00000000",'
    '"executedQty":"0.00000000","origQuoteOrderQty":"0.00000000","cummulativeQuoteQty":"0.00000000",'
    '"status":"CANCELED","timeInForce":"GTC","type":"LIMIT","side":"BUY","selfTradePreventionMode":"NONE"}}'
)
TRADED = (
    '{"subscriptionId":0,"event":{"e":"executionReport","E":%d,"s":"BTCUSDT","c":"%s","S":"BUY","o":"LIMIT",'
    '"f":"GTC","q":"1.00000000","p":"40000.00000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"TRADE",'
    '"X":"PARTIALLY_FILLED","r":"NONE","i":1,"l":"0.00001000","z":"%d.%08d","L":"40000.00000000",'
    '"n":"0.00000001","N":"BTC","T":%d,"t":%d,"I":%d,"w":true,"m":true,"M":true,"O":%d,"Z":"%.8f",'
    '"Y":"0.40000000","Q":"0.00000000","W":%d,"V":"NONE"}}'
)
QUOTE = (
    '{"stream":"btcusdt@bookTicker","data":{"u":%d,"s":"BTCUSDT","b":"40000.%02d000000","B":"31.21000000",'
    '"a":"40001.%02d000000","A":"40.66000000"}}'
)
TRADE = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"40000.%02d000000",'
    '"q":"0.01000000","T":%d,"m":true,"M":true}}'
)
LISTS = frozenset({"openOrders.status", "allOrders", "myTrades"})
"""What a recovery asks for. Here nothing happened before it."""
LOT = 1_000  # of the eighth decimal, in every trade


def answers(method: str, now_ms: int) -> str:
    """The answer to anything but an order; `%d` in it stands for the request's id."""
    return '{"id":%d,"status":200,"result":' + result_of(method, now_ms) + "}"


def result_of(method: str, now_ms: int) -> str:
    """As JSON. An empty object for a method that the benchmarks have no use for."""
    if method == "time":
        return f'{{"serverTime":{now_ms}}}'
    if method == "session.logon":
        return f'{{"apiKey":"k","authorizedSince":{now_ms},"connectedSince":{now_ms},"returnRateLimits":true,' + (
            f'"serverTime":{now_ms},"userDataStream":true}}'
        )
    if method.startswith("userDataStream."):
        return '{"subscriptionId":0}'
    if method == "exchangeInfo":
        chosen = Parameters("exchangeInfo", {"symbols": [SYMBOL]})
        info = exchange_info(SYMBOLS, ExchangeFilters(), chosen, now_ms)
        return msgspec.json.encode(info).decode().replace("%", "%%")
    if method == "account.status":
        return f'{{"balances":[],"canTrade":true,"uid":1,"updateTime":{now_ms}}}'
    if method in LISTS:
        return "[]"
    return "{}"


def events(kind: str, count: int, client_order_id: str) -> Iterator[str]:
    """`count` events: `fills` of the order with this id, `quotes` or `trades` of the market."""
    now_ms = time.time_ns() // 1_000_000
    for number in range(1, count + 1):
        if kind == "fills":
            whole, rest = divmod(number * LOT, 100_000_000)
            quote = number * LOT * 40_000 / 100_000_000
            yield TRADED % (
                now_ms, client_order_id, whole, rest, now_ms + number, number, number, now_ms, quote, now_ms
            )  # fmt: skip
        elif kind == "quotes":
            yield QUOTE % (number, number % 100, number % 100)
        else:
            yield TRADE % (now_ms, number, number % 100, now_ms)
