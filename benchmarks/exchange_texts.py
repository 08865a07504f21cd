"""What the benchmarks' exchange says: answers to requests, and events by the thousand. Bytes without any state."""

import time
from collections.abc import Callable
from random import Random

import msgspec
from exchange_wire import text_frame

from dogwatch.actors.paper.parameters import Parameters
from dogwatch.actors.paper.queries import exchange_info
from dogwatch.actors.paper.symbol_filters import ExchangeFilters
from dogwatch.actors.paper.symbols import SYMBOLS

SYMBOL = "BTCUSDT"
LIMIT = 900_000_000
"""Of every kind of request, so that no client's rate limiter has to wait: what is measured is what it costs."""
LEVELS = 1_000
LEVELS_CHANGED = 10
"""Of each side, in one change of the depth."""
CENTS = 4_000_000

RATE_LIMITS = (
    b'"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":900000000,"count":12},'
    b'{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":900000000,"count":4043},'
    b'{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":900000000,"count":321}]'
)
# As the exchange writes it: FULL, which it takes for LIMIT orders unless told otherwise.
ORDER = (
    b'{"id":%b,"status":200,"result":{"symbol":%b,"orderId":%d,"orderListId":-1,"clientOrderId":%b,'
    b'"transactTime":%d,"price":"40000.00000000","origQty":"1.00000000","executedQty":"0.00000000",'
    b'"origQuoteOrderQty":"0.00000000","cummulativeQuoteQty":"0.00000000","status":%b,"timeInForce":%b,'
    b'"type":"LIMIT","side":"BUY","workingTime":%d,"fills":[],"selfTradePreventionMode":"NONE"},' + RATE_LIMITS + b"}"
)
CANCELED = (
    b'{"id":%b,"status":200,"result":{"symbol":"BTCUSDT","origClientOrderId":%b,"orderId":%d,"orderListId":-1,'
    b'"clientOrderId":"c","transactTime":%d,"price":"40000.00000000","origQty":"1.00000000",'
    b'"executedQty":"0.00000000","origQuoteOrderQty":"0.00000000","cummulativeQuoteQty":"0.00000000",'
    b'"status":"CANCELED","timeInForce":"GTC","type":"LIMIT","side":"BUY","selfTradePreventionMode":"NONE"},'
    + RATE_LIMITS
    + b"}"
)
TRADED = (
    b'{"subscriptionId":0,"event":{"e":"executionReport","E":%d,"s":"BTCUSDT","c":"%b","S":"BUY","o":"LIMIT",'
    b'"f":"GTC","q":"1.00000000","p":"40000.00000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"TRADE",'
    b'"X":"PARTIALLY_FILLED","r":"NONE","i":%d,"l":"0.00001000","z":"%.8f","L":"40000.00000000",'
    b'"n":"0.00000001","N":"BTC","T":%d,"t":%d,"I":%d,"w":true,"m":true,"M":true,"O":%d,"Z":"%.8f",'
    b'"Y":"0.40000000","Q":"0.00000000","W":%d,"V":"NONE"}}'
)
POSITION = (
    b'{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":%d,"u":%d,"B":[{"a":"BTC","f":"%d.00000000",'
    b'"l":"1.00000000"}]}}'
)
QUOTE = b'{"u":%d,"s":"BTCUSDT","b":"40000.%02d000000","B":"31.21000000","a":"40001.%02d000000","A":"40.66000000"}'
TRADE = b'{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"40000.%02d000000","q":"0.01000000","T":%d,"m":true,"M":true}'
DEPTH = b'{"e":"depthUpdate","E":%d,"s":"BTCUSDT","U":%d,"u":%d,"b":%b,"a":%b}'
LISTS = frozenset({"openOrders.status", "allOrders", "myTrades", "openOrderLists.status", "allOrderLists"})
"""What a recovery asks for. Here nothing happened before it."""
IMMEDIATE = b'"IOC"'


class _Params(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    new_client_order_id: msgspec.Raw = msgspec.Raw(b'""')
    orig_client_order_id: msgspec.Raw = msgspec.Raw(b'""')
    symbol: msgspec.Raw = msgspec.Raw(b'"BTCUSDT"')
    time_in_force: msgspec.Raw = msgspec.Raw(b'""')


class _Request(msgspec.Struct, frozen=True, gc=False):
    """What an answer needs to know of a request."""

    id: msgspec.Raw
    method: str
    params: _Params | list[str] = _Params()


read_request = msgspec.json.Decoder(_Request).decode


class Answers:
    """The answers to one connection's requests."""

    def __init__(
        self, subscribe: Callable[[list[str]], None], streams: Callable[[], set[str]], depth_id: Callable[[], int]
    ) -> None:
        self._subscribe = subscribe
        self._streams = streams
        self._depth_id = depth_id
        self.count = 0
        """How many requests have been answered."""
        self._resting: dict[bytes, int] = {}
        """Ids by the client's."""
        self.resting_id = 1
        """The id of the latest order that has not expired at once."""

    def to_request(self, text: bytes, out: list[bytes]) -> None:
        """Append the frame that answers it."""
        request = read_request(text)
        params = request.params
        self.count += 1
        now_ms = time.time_ns() // 1_000_000
        if request.method == "order.place" and not isinstance(params, list):
            rests = bytes(params.time_in_force) != IMMEDIATE
            if rests:
                self.resting_id = self._resting[bytes(params.new_client_order_id)] = self.count
            text = ORDER % (
                request.id, params.symbol, self.count, params.new_client_order_id, now_ms,
                b'"NEW"' if rests else b'"EXPIRED"', params.time_in_force, now_ms,
            )  # fmt: skip
        elif request.method == "order.cancel" and not isinstance(params, list):
            own = params.orig_client_order_id
            text = CANCELED % (request.id, own, self._resting.pop(bytes(own), 1), now_ms)
        elif isinstance(params, list):  # SUBSCRIBE and the like
            self._subscribe(params)
            text = b'{"result":null,"id":%b}' % request.id
        elif request.method == "LIST_SUBSCRIPTIONS":
            text = b'{"result":%b,"id":%b}' % (msgspec.json.encode(self._streams()), request.id)
        else:
            if "userDataStream.subscribe" in request.method:
                self._subscribe(["user"])
            result = result_of(request.method, now_ms, self._depth_id())
            text = b'{"id":%b,"status":200,"result":%b,%b}' % (request.id, result, RATE_LIMITS)
        out.append(text_frame(text))

    def to_question(self, path: str) -> bytes:
        """The answer to a question by HTTP."""
        method = path.partition("?")[0].rpartition("/")[2]
        return result_of(method, time.time_ns() // 1_000_000, self._depth_id())


def result_of(method: str, now_ms: int, depth_id: int) -> bytes:
    """As JSON. An empty object for a method that the benchmarks have no use for."""
    if method == "time":
        return b'{"serverTime":%d}' % now_ms
    if method == "session.logon":
        return (
            b'{"apiKey":"k","authorizedSince":%d,"connectedSince":%d,"returnRateLimits":true,"serverTime":%d,'
            b'"userDataStream":true}' % (now_ms, now_ms, now_ms)
        )
    if method.startswith("userDataStream."):
        return b'{"subscriptionId":0}'
    if method == "exchangeInfo":
        info = exchange_info(SYMBOLS, ExchangeFilters(), Parameters("exchangeInfo", {"symbols": [SYMBOL]}), now_ms)
        info["rateLimits"] = [{**limit, "limit": LIMIT} for limit in info["rateLimits"]]
        return msgspec.json.encode(info)
    if method == "account.status":
        return b'{"balances":[],"canTrade":true,"uid":1,"updateTime":%d}' % now_ms
    if method == "depth":
        bids, asks = ([_level(CENTS + step * (away + 1), 5) for away in range(LEVELS)] for step in (-1, 1))
        return b'{"lastUpdateId":%d,"bids":[%b],"asks":[%b]}' % (depth_id, b",".join(bids), b",".join(asks))
    return b"[]" if method in LISTS else b"{}"


def events(kind: str, count: int, first: int, order: str = "", order_id: int = 1) -> list[bytes]:
    """`count` events numbered from `first`: `fills` of the order with these ids, `balances`, `quotes`, `trades`, or
    changes of the `depth`, without the envelope of combined streams."""
    now_ms = time.time_ns() // 1_000_000
    numbers = range(first, first + count)
    match kind:
        case "fills":
            own = order.encode()
            return [
                TRADED % (now_ms, own, order_id, at * 1e-5, now_ms + at, at, at, now_ms, at * 0.4, now_ms)
                for at in numbers
            ]
        case "balances":
            return [POSITION % (now_ms + at, now_ms + at, at) for at in numbers]
        case "quotes":
            return [QUOTE % (at, at % 100, at % 100) for at in numbers]
        case "trades":
            return [TRADE % (now_ms, at, at % 100, now_ms) for at in numbers]
        case "depth":
            random = Random(first)
            return [DEPTH % (now_ms, at, at, _changes(random, -1), _changes(random, 1)) for at in numbers]
    raise ValueError(kind)


def _changes(random: Random, step: int) -> bytes:
    """Levels near the best price, as in a real market; some go, some come back."""
    levels = sorted({min(int(random.expovariate(1 / 60)), LEVELS - 1) for _ in range(LEVELS_CHANGED)})
    return b"[%b]" % b",".join([_level(CENTS + step * (away + 1), random.randrange(10)) for away in levels])


def _level(cents: int, quantity: int) -> bytes:
    return b'["%d.%02d000000","%d.00000000"]' % (cents // 100, cents % 100, quantity)
