"""The paper exchange against the documentation: the fields and JSON types of every answer, heard by a plain client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.rate_limits import RateLimitRules
from tests.actors.paper.visitor import Hall, Visitor, open_hall
from tests.conformance import shapes
from tests.conformance.shapes import ERROR, answered, differences

pytestmark = pytest.mark.usefixtures("virtual_clock")

SYMBOL = "BTCUSDT"
LIMIT = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "99", "quantity": "1"}
MARKET = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": "0.5"}

ORDERS = ["ORDERS SECOND", "ORDERS DAY", "REQUEST_WEIGHT MINUTE"]
WEIGHT = ["REQUEST_WEIGHT MINUTE"]


@asynccontextmanager
async def open_market(config: PaperConfig | None = None) -> AsyncIterator[tuple[Hall, Visitor]]:
    """Somebody logged on to an exchange whose BTCUSDT stands at 99 to 101, with one trade at 100."""
    async with open_hall(config) as hall:
        now_ms, engine = hall.clock.unix_ms(), hall.exchange.engine
        engine.apply_quote(SYMBOL, Decimal(98), Decimal(5), Decimal(101), Decimal(5), now_ms)
        engine.apply_trade(SYMBOL, Decimal(100), Decimal(1), now_ms, buyer_is_maker=False)
        hall.exchange.settle()
        visitor = await hall.visit()
        assert (await visitor.log_on())["status"] == 200
        yield hall, visitor


def limits_of(reply: Any) -> list[str]:
    return [f"{entry['rateLimitType']} {entry['interval']}" for entry in reply["rateLimits"]]


def assert_shape(reply: Any, shape: Any) -> None:
    assert list(differences(reply, shape)) == []


@pytest.mark.parametrize(
    ("method", "params", "shape"),
    [
        ("ping", None, {}),
        ("time", None, {"serverTime": "int"}),
        ("depth", {"symbol": SYMBOL}, shapes.DEPTH),
        ("trades.recent", {"symbol": SYMBOL}, [shapes.RECENT_TRADE]),
        ("ticker.price", {"symbol": SYMBOL}, shapes.TICKER_PRICE),
        ("ticker.book", {"symbol": SYMBOL}, shapes.TICKER_BOOK),
        ("session.status", None, shapes.SESSION),
        ("session.logout", None, shapes.SESSION),
        ("userDataStream.subscribe", None, {"subscriptionId": "int"}),
        ("session.subscriptions", None, [{"subscriptionId": "int"}]),
        ("userDataStream.unsubscribe", None, {}),
    ],
)
async def test_what_needs_no_signature_is_answered_as_documented(method: str, params: Any, shape: Any) -> None:
    async with open_market() as (_, visitor):
        reply = await visitor.ask(method, params)
        assert reply["status"] == 200
        assert_shape(reply, answered(shape))
        assert limits_of(reply) == WEIGHT


@pytest.mark.parametrize(
    ("method", "params", "shape"),
    [
        ("order.test", LIMIT, {}),
        ("order.test", {**LIMIT, "computeCommissionRates": True}, shapes.TESTED_COMMISSION),
        ("account.status", {}, shapes.ACCOUNT),
        ("account.status", {"omitZeroBalances": True}, shapes.ACCOUNT),
        ("openOrders.status", {"symbol": SYMBOL}, [shapes.QUERIED]),
        ("openOrders.status", {}, [shapes.QUERIED]),
        ("allOrders", {"symbol": SYMBOL}, [shapes.QUERIED]),
        ("myTrades", {"symbol": SYMBOL}, [shapes.MY_TRADE]),
        ("account.rateLimits.orders", {}, shapes.RATE_LIMITS),
        ("openOrders.cancelAll", {"symbol": SYMBOL}, [shapes.CANCELED]),
    ],
)
async def test_what_is_told_of_an_account_is_answered_as_documented(method: str, params: Any, shape: Any) -> None:
    async with open_market() as (_, visitor):
        await visitor.ask("order.place", visitor.stamped(LIMIT))
        await visitor.ask("order.place", visitor.stamped(MARKET))
        reply = await visitor.ask(method, visitor.stamped(params))
        assert reply["status"] == 200
        assert reply["result"] or shape == {}, "an empty list would prove nothing"
        assert_shape(reply, answered(shape))


async def test_a_log_on_is_answered_as_documented() -> None:
    async with open_hall() as hall:
        visitor = await hall.visit()
        reply = await visitor.log_on()
        assert_shape(reply, answered(shapes.SESSION))
        assert reply["result"]["userDataStream"] is False
        await visitor.ask("userDataStream.subscribe")
        assert (await visitor.ask("session.status"))["result"]["userDataStream"] is True


async def test_after_a_log_out_key_and_time_of_the_session_are_null() -> None:
    async with open_market() as (_, visitor):
        result = (await visitor.ask("session.logout"))["result"]
        assert (result["apiKey"], result["authorizedSince"]) == (None, None)


PLACED = [
    ({**LIMIT}, shapes.FULL, "NEW"),
    ({**LIMIT, "newOrderRespType": "RESULT"}, shapes.RESULT, "NEW"),
    ({**LIMIT, "newOrderRespType": "ACK"}, shapes.ACK, None),
    ({**LIMIT, "type": "LIMIT_MAKER", "timeInForce": None}, shapes.ACK, None),
    ({**MARKET}, shapes.FULL, "FILLED"),
    ({**MARKET, "quantity": None, "quoteOrderQty": "50"}, shapes.FULL, "FILLED"),
    ({**LIMIT, "price": "101", "timeInForce": "IOC", "quantity": "9"}, shapes.FULL, "EXPIRED"),
    ({**LIMIT, "strategyId": 1, "strategyType": 1_000_000}, shapes.FULL, "NEW"),
]


@pytest.mark.parametrize(("params", "shape", "status"), PLACED)
async def test_every_order_is_answered_in_the_shape_of_its_response_type(params: Any, shape: Any, status: Any) -> None:
    async with open_market() as (_, visitor):
        sent = {name: value for name, value in params.items() if value is not None}
        reply = await visitor.ask("order.place", visitor.stamped(sent))
        assert reply["status"] == 200
        assert_shape(reply, answered(shape))
        assert reply["result"].get("status") == status
        assert limits_of(reply) == ORDERS
        assert reply["result"]["orderListId"] == -1
        for name in ("strategyId", "strategyType"):
            assert (name in reply["result"]) == (name in sent and shape is not shapes.ACK)
        assert ("expiryReason" in reply["result"]) == (status == "EXPIRED")


async def test_an_order_that_took_lists_its_fills() -> None:
    async with open_market() as (_, visitor):
        result = (await visitor.ask("order.place", visitor.stamped(MARKET)))["result"]
        assert result["fills"]
        assert sum(Decimal(fill["qty"]) for fill in result["fills"]) == Decimal(result["executedQty"])


async def test_a_cancel_is_answered_as_documented_and_counts_no_order() -> None:
    async with open_market() as (_, visitor):
        placed = (await visitor.ask("order.place", visitor.stamped(LIMIT)))["result"]
        named = {"symbol": SYMBOL, "origClientOrderId": placed["clientOrderId"]}
        reply = await visitor.ask("order.cancel", visitor.stamped(named))
        assert_shape(reply, answered(shapes.CANCELED))
        assert limits_of(reply) == WEIGHT
        assert reply["result"]["origClientOrderId"] == placed["clientOrderId"]
        assert reply["result"]["clientOrderId"] != placed["clientOrderId"]


async def test_an_amend_is_answered_as_documented_and_counts_no_order() -> None:
    async with open_market() as (_, visitor):
        for params in (LIMIT, {**LIMIT, "strategyId": 1, "strategyType": 1_000_000}):
            order_id = (await visitor.ask("order.place", visitor.stamped(params)))["result"]["orderId"]
            named = {"symbol": SYMBOL, "orderId": order_id, "newQty": "0.5"}
            reply = await visitor.ask("order.amend.keepPriority", visitor.stamped(named))
            assert_shape(reply, answered(shapes.AMENDED))
            assert limits_of(reply) == WEIGHT
            amended = reply["result"]["amendedOrder"]
            assert (amended["qty"], amended["orderListId"]) == ("0.50000000", -1)
            assert ("strategyId" in amended) == ("strategyId" in params)
            assert amended["origClientOrderId"] != amended["clientOrderId"], "a made-up name unless one is sent"


WILL_NOT_REST = {"type": "LIMIT_MAKER", "price": "102", "timeInForce": None}
REPLACED = [
    ("both work", "STOP_ON_FAILURE", True, {}, 200, None, shapes.CANCELED, shapes.FULL),
    (
        "both work, briefly",
        "STOP_ON_FAILURE",
        True,
        {"newOrderRespType": "ACK"},
        200,
        None,
        shapes.CANCELED,
        shapes.ACK,
    ),
    ("no cancel, then no order", "STOP_ON_FAILURE", False, {}, 400, -2022, shapes.REFUSED_PART, "null"),
    ("only a cancel", "STOP_ON_FAILURE", True, WILL_NOT_REST, 409, -2021, shapes.CANCELED, shapes.REFUSED_PART),
    ("only an order", "ALLOW_FAILURE", False, {}, 409, -2021, shapes.REFUSED_PART, shapes.FULL),
    ("neither", "ALLOW_FAILURE", False, WILL_NOT_REST, 400, -2022, shapes.REFUSED_PART, shapes.REFUSED_PART),
]


@pytest.mark.parametrize(
    ("mode", "is_there", "placing", "status", "code", "canceled", "placed"),
    [case[1:] for case in REPLACED],
    ids=[case[0] for case in REPLACED],
)
async def test_a_replacement_says_of_each_part_what_became_of_it(
    mode: str, is_there: bool, placing: dict[str, Any], status: int, code: int | None, canceled: Any, placed: Any
) -> None:
    async with open_market() as (_, visitor):
        order_id = (await visitor.ask("order.place", visitor.stamped(LIMIT)))["result"]["orderId"]
        named = {"cancelReplaceMode": mode, "cancelOrderId": order_id if is_there else 99}
        sent = {name: value for name, value in {**LIMIT, **named, **placing}.items() if value is not None}
        reply = await visitor.ask("order.cancelReplace", visitor.stamped(sent))
        parts = shapes.replaced(canceled, placed)
        assert_shape(reply, answered(parts) if status == 200 else shapes.failed(parts))
        assert (reply["status"], reply.get("error", {}).get("code")) == (status, code)
        assert limits_of(reply) == ORDERS


async def test_a_replacement_over_the_order_limit_is_refused_whole_or_cancels_only() -> None:
    async with open_market(PaperConfig(rate_limits=RateLimitRules(orders_per_10_seconds=1))) as (_, visitor):
        order_id = (await visitor.ask("order.place", visitor.stamped(LIMIT)))["result"]["orderId"]
        sent = {**LIMIT, "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": order_id}
        whole = await visitor.ask("order.cancelReplace", visitor.stamped(sent))
        assert_shape(whole, ERROR)
        assert (whole["status"], whole["error"]["code"]) == (429, -1015)
        cancel_only = {**sent, "orderRateLimitExceededMode": "CANCEL_ONLY"}
        partial = await visitor.ask("order.cancelReplace", visitor.stamped(cancel_only))
        assert_shape(partial, shapes.failed(shapes.replaced(shapes.CANCELED, shapes.REFUSED_PART)))
        assert (partial["status"], partial["error"]["code"]) == (409, -2021)
        assert partial["error"]["data"]["newOrderResponse"]["code"] == -1015


async def test_an_order_is_told_as_documented_in_every_state() -> None:
    async with open_market() as (_, visitor):
        for params in (LIMIT, MARKET, {**LIMIT, "price": "101", "timeInForce": "IOC", "quantity": "9"}):
            order_id = (await visitor.ask("order.place", visitor.stamped(params)))["result"]["orderId"]
            reply = await visitor.ask("order.status", visitor.stamped({"symbol": SYMBOL, "orderId": order_id}))
            assert_shape(reply, answered(shapes.QUERIED))
            assert limits_of(reply) == WEIGHT


async def test_exchange_information_has_every_documented_field_and_filter() -> None:
    async with open_market() as (_, visitor):
        reply = await visitor.ask("exchangeInfo")
        filters = [entry for symbol in reply["result"]["symbols"] for entry in symbol.pop("filters")]
        assert_shape(reply, answered(shapes.EXCHANGE_INFO))
        assert {"PRICE_FILTER", "LOT_SIZE", "NOTIONAL", "PERCENT_PRICE_BY_SIDE"} <= {
            entry["filterType"] for entry in filters
        }
        for entry in filters:
            kind = entry.pop("filterType")
            assert list(differences(entry, shapes.FILTERS[kind], kind)) == []


async def test_candles_are_arrays_of_twelve() -> None:
    async with open_market() as (_, visitor):
        reply = await visitor.ask("klines", {"symbol": SYMBOL, "interval": "1m"})
        (candle,) = reply["result"]
        kinds = ["int", *["decimal"] * 5, "int", "decimal", "int", "decimal", "decimal", "decimal"]
        assert len(candle) == len(kinds)
        for value, kind in zip(candle, kinds, strict=True):
            assert list(differences(value, kind)) == []


REFUSED = [
    ("no such method", "nonsense", {}, 400, -1020),
    ("a symbol that is none", "depth", {"symbol": "NOPE"}, 400, -1121),
    ("a parameter too much", "time", {"more": 1}, 400, -1104),
    ("a parameter too few", "depth", {}, 400, -1102),
    ("too precise", "order.place", {**LIMIT, "quantity": "0.123456789"}, 400, -1111),
    ("outside of a filter", "order.place", {**LIMIT, "price": "99.001"}, 400, -1013),
    ("no funds", "order.place", {**LIMIT, "quantity": "5000", "price": "100"}, 400, -2010),
    ("would take", "order.place", {**LIMIT, "type": "LIMIT_MAKER", "price": "102", "timeInForce": None}, 400, -2010),
    ("nothing to cancel", "order.cancel", {"symbol": SYMBOL, "orderId": 99}, 400, -2011),
    ("nothing to amend", "order.amend.keepPriority", {"symbol": SYMBOL, "orderId": 99, "newQty": "1"}, 400, -2038),
    ("an amend without a quantity", "order.amend.keepPriority", {"symbol": SYMBOL, "orderId": 1}, 400, -1102),
    ("a replacement without a mode", "order.cancelReplace", {**LIMIT, "cancelOrderId": 1}, 400, -1102),
    ("no such order", "order.status", {"symbol": SYMBOL, "orderId": 99}, 400, -2013),
    ("an order without a name", "order.status", {"symbol": SYMBOL}, 400, -1102),
]


@pytest.mark.parametrize(("method", "params", "status", "code"), [case[1:] for case in REFUSED], ids=lambda case: None)
async def test_a_refusal_has_the_documented_shape_status_and_code(
    method: str, params: dict[str, Any], status: int, code: int
) -> None:
    async with open_market() as (_, visitor):
        sent = {name: value for name, value in params.items() if value is not None}
        is_signed = method.startswith("order.")
        reply = await visitor.ask(method, visitor.stamped(sent) if is_signed else sent)
        assert_shape(reply, ERROR)
        assert (reply["status"], reply["error"]["code"]) == (status, code)


async def test_what_is_wrong_with_key_time_and_signature_has_the_documented_codes() -> None:
    async with open_market() as (hall, visitor):
        query = {"symbol": SYMBOL, "orderId": 1}
        now_ms = hall.clock.unix_ms()
        stale = await visitor.ask("order.status", {**query, "timestamp": now_ms - 6000})
        early = await visitor.ask("order.status", {**query, "timestamp": now_ms + 1000})
        forged = await visitor.ask(
            "session.logon", {"apiKey": hall.exchange.api_key, "timestamp": now_ms, "signature": ""}
        )
        stranger = await hall.visit()
        missing = await stranger.ask("order.status", {**query, "timestamp": now_ms})
        early_bird = await stranger.ask("userDataStream.subscribe")
        wrong_kind = await stranger.ask_signed("session.logon")
        for reply in (stale, early, forged, missing, early_bird, wrong_kind):
            assert_shape(reply, ERROR)
        assert stale["error"] == {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
        ahead = "Timestamp for this request was 1000ms ahead of the server's time."
        assert early["error"] == {"code": -1021, "msg": ahead}
        assert (early_bird["status"], early_bird["error"]["code"]) == (400, -1193)
        assert (wrong_kind["status"], wrong_kind["error"]["code"]) == (400, -2028)
        assert (missing["status"], missing["error"]["code"]) == (400, -1102)


async def test_a_revoked_key_is_told_under_null_after_the_next_request() -> None:
    async with open_market() as (hall, visitor):
        hall.exchange.revoke_key(hall.exchange.api_key)
        reply = await visitor.ask("order.status", visitor.stamped({"symbol": SYMBOL, "orderId": 1}))
        assert_shape(reply, ERROR)
        assert (reply["id"], reply["status"], reply["error"]["code"]) == (None, 401, -2015)


async def test_a_weight_limit_says_when_to_come_back() -> None:
    async with open_market(PaperConfig(rate_limits=RateLimitRules(request_weight_per_minute=6))) as (hall, visitor):
        replies = [await visitor.ask("time") for _ in range(10)]
        refused = next(reply for reply in replies if reply["status"] != 200)
        assert_shape(refused, ERROR)
        assert (refused["status"], refused["error"]["code"]) == (429, -1003)
        data = refused["error"]["data"]
        assert data["serverTime"] == hall.clock.unix_ms()
        assert data["serverTime"] < data["retryAfter"] <= data["serverTime"] + 60_000


async def test_an_order_limit_is_an_error_with_the_counts() -> None:
    async with open_market(PaperConfig(rate_limits=RateLimitRules(orders_per_10_seconds=2))) as (_, visitor):
        replies = [await visitor.ask("order.place", visitor.stamped(LIMIT)) for _ in range(3)]
        assert_shape(replies[2], ERROR)
        assert (replies[2]["status"], replies[2]["error"]["code"]) == (429, -1015)
        assert limits_of(replies[2]) == ORDERS


@pytest.mark.parametrize("request_id", [7, "e2a85d9f-07a5-4f94-8d5f-789dc3deb097", None])
async def test_an_id_comes_back_with_its_type(request_id: Any) -> None:
    async with open_hall() as hall:
        visitor = await hall.visit()
        await visitor.websocket.send_message(
            '{"id":%s,"method":"ping"}' % ("null" if request_id is None else repr(request_id).replace("'", '"'))
        )
        reply = await visitor.hear()
        assert reply["id"] == request_id
        assert type(reply["id"]) is type(request_id)


async def test_rate_limits_are_left_out_when_the_request_or_the_address_says_so() -> None:
    async with open_hall() as hall:
        visitor = await hall.visit()
        assert "rateLimits" not in await visitor.ask("ping", {"returnRateLimits": False})
        assert "rateLimits" in await visitor.ask("ping")
        quiet = await hall.visit("/ws-api/v3?returnRateLimits=false")
        assert "rateLimits" not in await quiet.ask("ping")
        assert "rateLimits" in await quiet.ask("ping", {"returnRateLimits": True})
        assert (await quiet.ask("session.status"))["result"]["returnRateLimits"] is False


async def test_times_are_in_microseconds_on_request() -> None:
    async with open_hall() as hall:
        visitor = await hall.visit("/ws-api/v3?timeUnit=MICROSECOND")
        server_time = (await visitor.ask("time"))["result"]["serverTime"]
        assert server_time // 1_000_000 == hall.clock.unix_ms() // 1000
