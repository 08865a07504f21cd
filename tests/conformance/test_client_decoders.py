"""The client's decoders against the documentation: what its examples say is what comes out, in the right types."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dogwatch.actors.spot import enums, results, stream_events, user_events
from dogwatch.actors.spot.envelope import Response, UserEvent
from dogwatch.actors.spot.exchange_info import ExchangeInfo
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.results import decode_cancel, decode_result, decode_results
from dogwatch.actors.spot.stream_events import StreamEvent, StreamResponse
from dogwatch.actors.spot.stream_frames import decode_stream_frame

ORDER = {
    "symbol": "BTCUSDT",
    "orderId": 12569099453,
    "orderListId": -1,
    "clientOrderId": "4d96324ff9d44481926157ec08158a40",
}
AMOUNTS = {
    "price": "23416.10000000",
    "origQty": "0.00847000",
    "executedQty": "0.00001000",
    "origQuoteOrderQty": "0.000000",
    "cummulativeQuoteQty": "0.23416100",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "SELL",
    "selfTradePreventionMode": "NONE",
}
PLACED = {**ORDER, "transactTime": 1660801715793, **AMOUNTS, "status": "FILLED", "workingTime": 1660801715793}
FILLS = [
    {
        "price": "23416.10000000",
        "qty": "0.00635000",
        "commission": "0.000000",
        "commissionAsset": "BNB",
        "tradeId": 1650422481,
    },
]
QUERIED = {
    **ORDER,
    **AMOUNTS,
    "status": "FILLED",
    "stopPrice": "0.00000000",
    "trailingDelta": 10,
    "trailingTime": -1,
    "icebergQty": "0.00000000",
    "time": 1660801715639,
    "updateTime": 1660801717945,
    "isWorking": True,
    "workingTime": 1660801715639,
    "strategyId": 37463720,
    "strategyType": 1000000,
    "preventedMatchId": 0,
    "preventedQuantity": "1.200000",
}
CANCELED = {
    **ORDER,
    **AMOUNTS,
    "origClientOrderId": "4d96324ff9d44481926157",
    "clientOrderId": "91fe37ce9e69c90d6358c0",
    "transactTime": 1684804350068,
    "status": "CANCELED",
    "stopPrice": "0.00000000",
    "trailingDelta": 0,
    "icebergQty": "0.00000000",
    "strategyId": 37463720,
    "strategyType": 1000000,
}
LIST_CANCELED = {
    "orderListId": 19431,
    "contingencyType": "OCO",
    "listStatusType": "ALL_DONE",
    "listOrderStatus": "ALL_DONE",
    "listClientOrderId": "iuVNVJYYrByz6C4yGOPPK0",
    "transactionTime": 1660803702431,
    "symbol": "BTCUSDT",
    "orders": [{"symbol": "BTCUSDT", "orderId": 12569099453, "clientOrderId": "bX5wROblo6YeDwa9iTLeyY"}],
    "orderReports": [CANCELED],
}
AMENDED = {
    "transactTime": 1741924229819,
    "executionId": 60,
    "amendedOrder": {
        "symbol": "BTCUSDT",
        "orderId": 23,
        "orderListId": 4,
        "origClientOrderId": "my_pending_order",
        "clientOrderId": "xbxXh5SSwaHS7oUEOCI88B",
        "price": "1.00000000",
        "qty": "5.00000000",
        "executedQty": "0.00000000",
        "preventedQty": "0.00000000",
        "quoteOrderQty": "0.00000000",
        "cumulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "workingTime": 1741924204920,
        "selfTradePreventionMode": "NONE",
    },
    "listStatus": {
        "orderListId": 4,
        "contingencyType": "OTO",
        "listOrderStatus": "EXECUTING",
        "listClientOrderId": "8nOGLLawudj1QoOiwbroRH",
        "symbol": "BTCUSDT",
        "orders": [{"symbol": "BTCUSDT", "orderId": 23, "clientOrderId": "xbxXh5SSwaHS7oUEOCI88B"}],
    },
}
LOGON = {
    "apiKey": "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
    "authorizedSince": 1649729878532,
    "connectedSince": 1649729873021,
    "returnRateLimits": False,
    "serverTime": 1649729878630,
    "userDataStream": False,
}
MY_TRADE = {
    "symbol": "BTCUSDT",
    "id": 1650422481,
    "orderId": 12569099453,
    "orderListId": -1,
    "price": "23416.10000000",
    "qty": "0.00635000",
    "quoteQty": "148.69223500",
    "commission": "0.00000000",
    "commissionAsset": "BNB",
    "time": 1660801715793,
    "isBuyer": False,
    "isMaker": True,
    "isBestMatch": True,
}
ACCOUNT = {
    "makerCommission": 15,
    "takerCommission": 15,
    "buyerCommission": 0,
    "sellerCommission": 0,
    "canTrade": True,
    "canWithdraw": True,
    "canDeposit": True,
    "commissionRates": {"maker": "0.00150000", "taker": "0.00150000", "buyer": "0.00000000", "seller": "0.00000000"},
    "brokered": False,
    "requireSelfTradePrevention": False,
    "preventSor": False,
    "updateTime": 1660801833000,
    "accountType": "SPOT",
    "balances": [{"asset": "BTC", "free": "1.3447112", "locked": "0.08600000"}],
    "permissions": ["SPOT"],
    "uid": 354937868,
}


def fields_of(kind: Any) -> dict[str, str]:
    """The wire's names of a struct's fields → ours."""
    return {field.encode_name: field.name for field in msgspec.structs.fields(kind)}


def assert_same(value: Any, wire: Any, path: str = "$") -> None:
    """Everything that the wire says stands in the value: amounts as Decimal, words as words, integers as integers."""
    if isinstance(wire, dict):
        names = fields_of(type(value))
        for name, item in wire.items():
            if name != "e":
                assert name in names, f"{path}.{name} is not read"
                assert_same(getattr(value, names[name]), item, f"{path}.{name}")
    elif isinstance(wire, list):
        assert len(value) == len(wire), path
        for index, (mine, theirs) in enumerate(zip(value, wire, strict=True)):
            assert_same(mine, theirs, f"{path}[{index}]")
    elif isinstance(value, Decimal):
        assert isinstance(wire, str), f"{path}: an amount came as a number"
        assert str(value) == wire or value == Decimal(wire), path
    else:
        assert type(value) is type(wire) or isinstance(value, enums.Word | enums.Side), f"{path}: {type(value)}"
        assert value == wire, path


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        ({**ORDER, "transactTime": 1660801715639}, results.OrderReport),
        (PLACED, results.OrderReport),
        ({**PLACED, "fills": FILLS}, results.OrderReport),
        ({**PLACED, "expiryReason": "INSUFFICIENT_LIQUIDITY", "peggedPrice": "87523.83710000"}, results.OrderReport),
        (QUERIED, results.OrderReport),
        (CANCELED, results.OrderReport),
        (LIST_CANCELED, results.OrderListReport),
        (AMENDED, results.AmendResult),
        (LOGON, results.SessionStatus),
        ({**LOGON, "apiKey": None, "authorizedSince": None}, results.SessionStatus),
        ({"serverTime": 1656400526260}, results.ServerTime),
        ({"subscriptionId": 1}, results.SubscribeResult),
        (ACCOUNT, results.AccountStatus),
        ({}, results.Empty),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value.__name__,
)
def test_every_documented_field_of_a_result_is_understood(wire: Any, kind: Any) -> None:
    assert_same(decode_result(msgspec.json.encode(wire), kind), wire)


def test_arrays_of_results_are_understood() -> None:
    assert_same(decode_results(msgspec.json.encode([QUERIED]), results.OrderReport), [QUERIED])
    assert_same(decode_results(msgspec.json.encode([MY_TRADE]), results.AccountTrade), [MY_TRADE])


def test_a_cancel_is_told_from_the_cancel_of_a_list() -> None:
    assert isinstance(decode_cancel(msgspec.json.encode(CANCELED)), results.OrderReport)
    assert isinstance(decode_cancel(msgspec.json.encode(LIST_CANCELED)), results.OrderListReport)


def test_the_parts_of_a_cancel_replace_are_the_results_of_a_cancel_and_of_a_placing() -> None:
    wire = {
        "cancelResult": "SUCCESS",
        "newOrderResult": "SUCCESS",
        "cancelResponse": CANCELED,
        "newOrderResponse": {**PLACED, "fills": FILLS},
    }
    result = decode_result(msgspec.json.encode(wire), results.CancelReplaceResult)
    assert fields_of(results.CancelReplaceResult).keys() == wire.keys()
    assert_same(result.cancel_result, "SUCCESS")
    assert_same(decode_cancel(result.cancel_response), CANCELED)
    assert_same(decode_result(result.new_order_response, results.OrderReport), wire["newOrderResponse"])


def test_the_negative_amount_of_an_old_order_is_understood() -> None:
    report = decode_result(msgspec.json.encode({**QUERIED, "cummulativeQuoteQty": "-1.00000000"}), results.OrderReport)
    assert report.cumulative_quote_quantity == -1


REPORT = {
    "e": "executionReport",
    "E": 1499405658658,
    "s": "ETHBTC",
    "c": "mUvoqJxFIILMdfAW5iGSOW",
    "S": "BUY",
    "o": "LIMIT",
    "f": "GTC",
    "q": "1.00000000",
    "p": "0.10264410",
    "P": "0.00000000",
    "F": "0.00000000",
    "g": -1,
    "C": "",
    "x": "NEW",
    "X": "NEW",
    "r": "NONE",
    "i": 4293153,
    "l": "0.00000000",
    "z": "0.00000000",
    "L": "0.00000000",
    "n": "0",
    "N": None,
    "T": 1499405658657,
    "t": -1,
    "v": 3,
    "I": 8641984,
    "w": True,
    "m": False,
    "M": False,
    "O": 1499405658657,
    "Z": "0.00000000",
    "Y": "0.00000000",
    "Q": "0.00000000",
    "W": 1499405658657,
    "V": "NONE",
}
CONDITIONAL = {
    "d": 4,
    "D": 1668680518494,
    "j": 1,
    "J": 1000000,
    "A": "3.000000",
    "B": "3.000000",
    "u": 1,
    "U": 37,
    "Cs": "BTCUSDT",
    "pl": "2.123456",
    "pL": "0.10000001",
    "pY": "0.21234562",
    "b": "ONE_PARTY_TRADE_REPORT",
    "a": 1234,
    "k": "SOR",
    "uS": True,
    "eR": "INSUFFICIENT_LIQUIDITY",
    "gP": "PRIMARY_PEG",
    "gOT": "PRICE_LEVEL",
    "gOV": 5,
    "gp": "1.00000000",
}
REPORT_NOT_READ = {"M"}  # documented as "Ignore"

EVENTS: list[dict[str, Any]] = [
    REPORT,
    {**REPORT, **CONDITIONAL},
    {**REPORT, "x": "TRADE", "X": "FILLED", "t": 7, "n": "0.00100000", "N": "BNB", "l": "1.00000000"},
    {
        "e": "outboundAccountPosition",
        "E": 1564034571105,
        "u": 1564034571073,
        "B": [{"a": "ETH", "f": "10000.000000", "l": "0.000000"}],
    },
    {"e": "balanceUpdate", "E": 1573200697110, "a": "BTC", "d": "100.00000000", "T": 1573200697068},
    {"e": "externalLockUpdate", "E": 1581557507324, "a": "NEO", "d": "-10.00000000", "T": 1581557507268},
    {
        "e": "listStatus",
        "E": 1564035303637,
        "s": "ETHBTC",
        "g": 2,
        "c": "OCO",
        "l": "EXEC_STARTED",
        "L": "EXECUTING",
        "r": "NONE",
        "C": "F4QN4G8DlFATFlIUQ0cjdD",
        "T": 1564035303625,
        "O": [{"s": "ETHBTC", "i": 17, "c": "AJYsMjErWJesZvqlJCTUgL"}],
    },
    {"e": "eventStreamTerminated", "E": 1728973001334},
]


@pytest.mark.parametrize("wire", EVENTS, ids=lambda wire: str(wire["e"]))
def test_every_documented_field_of_an_event_is_understood(wire: dict[str, Any]) -> None:
    frame = decode_frame(msgspec.json.encode({"subscriptionId": 0, "event": wire}))
    assert isinstance(frame, UserEvent)
    assert frame.subscription_id == 0
    assert frame.event.__struct_config__.tag == wire["e"]
    assert_same(frame.event, {name: value for name, value in wire.items() if name not in REPORT_NOT_READ})


def test_fields_that_are_not_read_do_no_harm() -> None:
    frame = decode_frame(msgspec.json.encode({"subscriptionId": 0, "event": {**REPORT, "added later": [{}]}}))
    assert frame == decode_frame(msgspec.json.encode({"subscriptionId": 0, "event": REPORT}))


def test_a_shutdown_is_understood_on_both_kinds_of_connection() -> None:
    notice = {"e": "serverShutdown", "E": 1770123456789}
    frame = decode_frame(msgspec.json.encode({"event": notice}))
    assert isinstance(frame, UserEvent)
    assert frame.event == user_events.ServerShutdown(event_time_ms=1770123456789)
    streamed = decode_stream_frame(msgspec.json.encode({"stream": "!serverShutdown", "data": notice}))
    assert isinstance(streamed, StreamEvent)
    assert streamed.event == frame.event
    raw = decode_stream_frame(msgspec.json.encode(notice))
    assert isinstance(raw, StreamEvent)
    assert raw.event == frame.event


KLINE = {
    "t": 1672515780000,
    "T": 1672515839999,
    "s": "BNBBTC",
    "i": "1m",
    "f": 100,
    "L": 200,
    "o": "0.0010",
    "c": "0.0020",
    "h": "0.0025",
    "l": "0.0015",
    "v": "1000",
    "n": 100,
    "x": False,
    "q": "1.0000",
    "V": "500",
    "Q": "0.500",
}
LEVELS = {"b": [["0.0024", "10"]], "a": [["0.0026", "100"]]}
STREAMS: list[tuple[str, type, dict[str, Any], dict[str, Any]]] = [
    (
        "bnbbtc@trade",
        stream_events.Trade,
        {"e": "trade", "E": 1672515782136, "s": "BNBBTC", "t": 12345, "p": "0.001", "q": "100", "T": 1672515782136},
        {"m": True, "M": True},
    ),
    ("bnbbtc@kline_1m", stream_events.KlineEvent, {"e": "kline", "E": 1672515782136, "s": "BNBBTC", "k": KLINE}, {}),
    (
        "bnbusdt@bookTicker",
        stream_events.Quote,
        {"u": 400900217, "s": "BNBUSDT", "b": "25.35190000", "B": "31.21", "a": "25.36520000", "A": "40.66"},
        {},
    ),
    (
        "bnbbtc@depth",
        stream_events.BookDiff,
        {"e": "depthUpdate", "E": 1672515782136, "s": "BNBBTC", "U": 157, "u": 160, **LEVELS},
        {},
    ),
    ("bnbbtc@depth5", stream_events.Book, {"lastUpdateId": 160, "bids": LEVELS["b"], "asks": LEVELS["a"]}, {}),
]


@pytest.mark.parametrize(("stream", "kind", "wire", "rest"), STREAMS, ids=[entry[0] for entry in STREAMS])
def test_every_documented_field_of_a_stream_is_understood(stream: str, kind: type, wire: Any, rest: Any) -> None:
    raw = decode_stream_frame(msgspec.json.encode({**wire, **rest}))
    combined = decode_stream_frame(msgspec.json.encode({"stream": stream, "data": {**wire, **rest}}))
    assert isinstance(raw, StreamEvent)
    assert isinstance(combined, StreamEvent)
    assert type(raw.event) is kind
    assert raw.event == combined.event
    assert combined.stream == stream
    if isinstance(raw.event, stream_events.Book | stream_events.BookDiff):
        levels = raw.event.bids, raw.event.asks
        assert [[(str(level.price), str(level.quantity)) for level in side] for side in levels] == [
            [("0.0024", "10")],
            [("0.0026", "100")],
        ]
        wire = {name: value for name, value in wire.items() if not isinstance(value, list)}
    assert_same(raw.event, wire)


def test_answers_on_a_market_stream_are_understood() -> None:
    assert decode_stream_frame(b'{"result":null,"id":1}') == StreamResponse(id=1)
    listed = decode_stream_frame(b'{"result":["btcusdt@aggTrade"],"id":3}')
    assert isinstance(listed, StreamResponse)
    assert msgspec.json.decode(listed.result) == ["btcusdt@aggTrade"]
    refused = decode_stream_frame(b'{"code":2,"msg":"Invalid request: property name must be a string"}')
    assert isinstance(refused, StreamResponse)
    assert refused.error is not None
    assert refused.error.code == 2


LIMITED = {
    "id": "fc93a61a-a192-4cf4-bb2a-a8f0f0c51e06",
    "status": 418,
    "error": {
        "code": -1003,
        "msg": "Way too much request weight used; IP banned until 1659146400000. Please use WebSocket Streams for live"
        " updates to avoid bans.",
        "data": {"serverTime": 1659142907531, "retryAfter": 1659146400000},
    },
    "rateLimits": [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 6001}
    ],
}


def test_a_refusal_is_understood_with_its_limits_and_its_time() -> None:
    frame = decode_frame(msgspec.json.encode(LIMITED))
    assert isinstance(frame, Response)
    assert (frame.id, frame.status, frame.is_ok) == (LIMITED["id"], 418, False)
    assert frame.error is not None
    assert (frame.error.code, frame.error.status) == (-1003, 418)
    assert (frame.error.server_time_ms, frame.error.retry_after_ms) == (1659142907531, 1659146400000)
    (usage,) = frame.rate_limits
    assert (usage.rate_limit_type, usage.interval, usage.interval_count) == ("REQUEST_WEIGHT", "MINUTE", 1)
    assert (usage.limit, usage.count) == (6000, 6001)


def test_exchange_information_is_understood() -> None:
    symbol = {
        "symbol": "BNBBTC",
        "status": "TRADING",
        "baseAsset": "BNB",
        "baseAssetPrecision": 8,
        "quoteAsset": "BTC",
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "pegInstructionsAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": True,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": "0.00000100",
                "maxPrice": "100000.00000000",
                "tickSize": "0.00000100",
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": "0.00100000",
                "maxQty": "100000.00000000",
                "stepSize": "0.00100000",
            },
        ],
        "permissions": [],
        "permissionSets": [["SPOT", "MARGIN", "TRD_GRP_004"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }
    wire = {
        "timezone": "UTC",
        "serverTime": 1655969291181,
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
            {"rateLimitType": "CONNECTIONS", "interval": "MINUTE", "intervalNum": 5, "limit": 300},
        ],
        "exchangeFilters": [],
        "symbols": [symbol],
        "sors": [{"baseAsset": "BTC", "symbols": ["BTCUSDT", "BTCUSDC"]}],
    }
    info = decode_result(msgspec.json.encode(wire), ExchangeInfo)
    (known,) = info.symbols
    assert (known.symbol, known.base_asset, known.quote_asset) == ("BNBBTC", "BNB", "BTC")
    assert [type(entry).__name__ for entry in known.filters] == ["PriceFilter", "LotSize"]
    assert list(known.order_types) == symbol["orderTypes"]
