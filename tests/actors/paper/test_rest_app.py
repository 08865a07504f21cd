"""The REST API in memory: forms, signatures, statuses, headers, the same limits and accounts as the WebSocket API."""

import hashlib
import hmac
from typing import Any

import pytest
from trio_websocket import ConnectionClosed

from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.keys import Permission
from dogwatch.actors.paper.methods import METHODS
from dogwatch.actors.paper.rate_limits import RateLimitRules
from dogwatch.actors.paper.rest_endpoints import METHOD_OF
from tests.actors.paper.rest_visitor import RestVisitor, error_in, open_rest
from tests.actors.paper.visitor import Visitor
from tests.conformance.reference import needs_reference, reference

pytestmark = pytest.mark.usefixtures("virtual_clock")

BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "99", "quantity": "1"}
INVALID_KEY = (401, -2015, "Invalid API-key, IP, or permissions for action.")
INVALID_SIGNATURE = (400, -1022, "Signature for this request is not valid.")


def unread(read: int, sent: int) -> tuple[int, int, str]:
    text = f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
    return 400, -1104, text


@needs_reference
def test_every_documented_endpoint_leads_to_a_method() -> None:
    documented = {(endpoint["verb"], endpoint["path"]) for endpoint in reference("rest_api")["endpoints"]}
    assert documented == METHOD_OF.keys()


async def test_public_requests_need_nothing_and_say_what_they_weigh() -> None:
    async with open_rest() as rest:
        response = await rest.ask("GET", "ping")
        assert (response.status_code, response.json()) == (200, {})
        assert response.headers["content-type"] == "application/json;charset=UTF-8"
        response = await rest.ask("GET", "depth", symbol="BTCUSDT", limit="500")
        assert response.json()["bids"] == [["98.00000000", "50.00000000"]]
        assert response.headers["X-MBX-USED-WEIGHT-1M"] == "26"


@pytest.mark.parametrize("way", ["query", "form", "mixed"])
async def test_an_order_is_placed_whichever_way_its_parameters_go(way: str) -> None:
    async with open_rest() as rest:
        if way == "query":
            response = await rest.ask_signed("POST", "order", **BUY)
        elif way == "form":
            response = await rest.ask_by_form("POST", "order", **BUY)
        else:
            query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
            rest_of_it = rest.stamped({"price": "99", "quantity": "1"})
            # Nothing stands between the two where they are signed.
            response = await rest.send("POST", "order", query, rest.signed(rest_of_it, query=query), headers=rest.key())
        assert (response.status_code, response.json()["status"]) == (200, "NEW")
        assert response.headers["X-MBX-ORDER-COUNT-10S"] == response.headers["X-MBX-ORDER-COUNT-1D"] == "1"
        assert response.headers["X-MBX-USED-WEIGHT-1M"] == "0"
        (order,) = rest.hall.exchange.orders()
        assert order["price"] == "99.00000000"


async def test_the_query_string_wins_over_the_body() -> None:
    async with open_rest() as rest:
        query = "symbol=BTCUSDT&price=98"
        body = rest.signed(rest.stamped(BUY), query=query)
        response = await rest.send("POST", "order", query, body, headers=rest.key())
        assert response.json()["price"] == "98.00000000"


async def test_text_is_signed_as_it_is_sent() -> None:
    async with open_rest() as rest:
        encoded = f"symbol=%EF%BC%91%EF%BC%92&timestamp={rest.hall.clock.unix_ms()}"
        signature = rest.signature(encoded)
        response = await rest.send("GET", "openOrders", f"{encoded}&signature={signature}", headers=rest.key())
        assert error_in(response) == (400, -1121, "Invalid symbol.")
        signature = rest.signature(encoded.replace("%EF%BC%91%EF%BC%92", "１２"))
        response = await rest.send("GET", "openOrders", f"{encoded}&signature={signature}", headers=rest.key())
        assert error_in(response) == INVALID_SIGNATURE


@pytest.mark.parametrize(
    ("changed", "headers", "expected"),
    [
        ({}, {}, (401, -2014, "API-key format invalid.")),
        ({}, {"X-MBX-APIKEY": "x" * 64}, INVALID_KEY),
        ({"signature": "0" * 64}, None, INVALID_SIGNATURE),
        ({"apiKey": "x"}, None, unread(2, 3)),
        (
            {"signature": ""},
            None,
            (400, -1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed."),
        ),
        (
            {"timestamp": ""},
            None,
            (400, -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."),
        ),
        (
            {"timestamp": "1"},
            None,
            (400, -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."),
        ),
    ],
)
async def test_a_key_or_a_signature_that_does_not_hold_is_refused(changed: Any, headers: Any, expected: Any) -> None:
    async with open_rest() as rest:
        form = rest.stamped({}) | {name: value for name, value in changed.items() if name != "signature"}
        signature = changed.get("signature", rest.signature("&".join(f"{name}={form[name]}" for name in form)))
        query = "&".join(f"{name}={value}" for name, value in {**form, "signature": signature}.items())
        response = await rest.send("GET", "account", query, headers=rest.key() if headers is None else headers)
        assert error_in(response) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("symbol=BTCUSDT&symbol=ETHUSDT", (400, -1101, "Duplicate values for a parameter detected.")),
        ("symbol=%FF", (400, -1100, "Illegal characters found in a parameter.")),
        ("symbol=BTCUSDT&limits=5", unread(1, 2)),
        ("limit=5", (400, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")),
        ("symbol=BTCEUR", (400, -1121, "Invalid symbol.")),
        ("symbol=BTCUSDT&returnRateLimits=true", unread(1, 2)),
    ],
)
async def test_what_cannot_be_read_is_refused_in_the_exchanges_words(query: str, expected: Any) -> None:
    async with open_rest() as rest:
        assert error_in(await rest.send("GET", "depth", query)) == expected


async def test_lists_are_json_texts() -> None:
    async with open_rest() as rest:
        response = await rest.send("GET", "ticker/price", "symbols=%5B%22BTCUSDT%22,%22ETHUSDT%22%5D")
        assert [row["symbol"] for row in response.json()] == ["BTCUSDT", "ETHUSDT"]
        for text in ("BTCUSDT", "%5B", "%5B5%5D"):
            status, code, message = error_in(await rest.send("GET", "ticker/price", f"symbols={text}"))
            assert (status, code) == (400, -1100)
            assert message.startswith("Illegal characters found in parameter 'symbols'; legal range is '")


async def test_microseconds_are_asked_for_in_a_header() -> None:
    async with open_rest() as rest:
        now_ms = rest.hall.clock.unix_ms()
        response = await rest.send("GET", "time", headers={"X-MBX-TIME-UNIT": "MICROSECOND"})
        assert response.json() == {"serverTime": now_ms * 1000}
        response = await rest.send("GET", "time", headers={"X-MBX-TIME-UNIT": "hours"})
        assert error_in(response)[:2] == (400, -1194)


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [("POST", "userDataStream", 410), ("GET", "nothing", 404), ("PUT", "order", 405), ("POST", "session.logon", 404)],
)
async def test_what_is_not_there_is_told_in_html(verb: str, path: str, status: int) -> None:
    async with open_rest() as rest:
        response = await rest.send(verb, path)
        assert (response.status_code, response.headers["content-type"]) == (status, "text/html")
        assert rest.hall.exchange.record.requests == []


async def test_a_body_that_is_no_form_has_no_parameters() -> None:
    async with open_rest() as rest:
        headers = {**rest.key(), "content-type": "application/json"}
        response = await rest.send(
            "POST", "order", rest.signed(rest.stamped({})), '{"symbol":"BTCUSDT"}', headers=headers
        )
        assert error_in(response)[1] == -1102


async def test_both_apis_share_the_weight_of_an_address() -> None:
    async with open_rest() as rest:
        visitor = await rest.hall.visit()
        reply = await visitor.ask("time")
        counted = reply["rateLimits"][0]["count"]
        response = await rest.ask("GET", "time")
        assert response.headers["X-MBX-USED-WEIGHT-1M"] == str(counted + 1)
        elsewhere = RestVisitor(rest.hall, address="192.0.2.7")
        assert (await elsewhere.ask("GET", "time")).headers["X-MBX-USED-WEIGHT-1M"] == "1"


async def test_too_much_weight_is_429_then_a_ban_that_ends_the_connections_too() -> None:
    rules = RateLimitRules(request_weight_per_minute=10, refusals_before_ban=2)
    async with open_rest(PaperConfig(rate_limits=rules)) as rest:
        visitor = await rest.hall.visit()
        statuses = [(await rest.ask("GET", "depth", symbol="BTCUSDT", limit=100)).status_code for _ in range(5)]
        assert statuses == [200, 429, 429, 418, 418]
        response = await rest.ask("GET", "time")
        assert (response.status_code, response.headers["Retry-After"]) == (418, "120")
        assert set(response.json()) == {"code", "msg"}
        assert await _is_closed(visitor)


async def _is_closed(visitor: Visitor) -> bool:
    with pytest.raises(ConnectionClosed):
        await visitor.hear()
    return True


async def test_too_much_weight_says_when_to_come_back() -> None:
    async with open_rest(PaperConfig(rate_limits=RateLimitRules(request_weight_per_minute=4))) as rest:
        response = await rest.ask("GET", "depth", symbol="BTCUSDT")
        assert error_in(response)[:2] == (429, -1003)
        left_ms = 60_000 - rest.hall.clock.unix_ms() % 60_000
        assert response.headers["Retry-After"] == str(-(-left_ms // 1000))


async def test_too_many_orders_are_429_with_a_time_to_come_back() -> None:
    async with open_rest(PaperConfig(rate_limits=RateLimitRules(orders_per_10_seconds=1))) as rest:
        assert (await rest.ask_signed("POST", "order", **BUY)).status_code == 200
        response = await rest.ask_signed("POST", "order", **BUY)
        assert error_in(response)[:2] == (429, -1015)
        assert 1 <= int(response.headers["Retry-After"]) <= 10
        assert response.headers["X-MBX-ORDER-COUNT-10S"] == "1"


async def test_what_became_of_both_parts_of_a_replacement_is_told() -> None:
    async with open_rest() as rest:
        response = await rest.ask_signed(
            "POST", "order/cancelReplace", **BUY, cancelReplaceMode="ALLOW_FAILURE", cancelOrigClientOrderId="gone"
        )
        assert error_in(response)[:2] == (409, -2021)
        assert response.json()["data"]["newOrderResponse"]["status"] == "NEW"


async def test_order_lists_are_refused_as_by_websocket() -> None:
    async with open_rest() as rest:
        response = await rest.ask_signed("POST", "orderList/oco", symbol="BTCUSDT")
        assert error_in(response) == (400, -2010, "OCO orders are not supported for this symbol")


SAME: list[tuple[str, dict[str, Any]]] = [
    ("exchangeInfo", {"symbol": "BTCUSDT"}),
    ("depth", {"symbol": "BTCUSDT", "limit": 5}),
    ("klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 3}),
    ("ticker.24hr", {"symbol": "BTCUSDT"}),
    ("order.status", {"symbol": "BTCUSDT", "orderId": 1}),
    ("openOrders.status", {}),
    ("allOrders", {"symbol": "BTCUSDT", "limit": 10}),
    ("myTrades", {"symbol": "BTCUSDT"}),
    ("account.status", {"omitZeroBalances": "true"}),
    ("account.rateLimits.orders", {}),
    ("account.commission", {"symbol": "BTCUSDT"}),
    ("myFilters", {"symbol": "BTCUSDT"}),
]


async def test_both_apis_say_the_same() -> None:
    async with open_rest() as rest:
        visitor = await rest.hall.visit()
        for params in (BUY, {**BUY, "price": "101"}):
            assert (await rest.ask_signed("POST", "order", **params)).status_code == 200
        for method, params in SAME:
            ((verb, path),) = [place for place, name in METHOD_OF.items() if name == method]
            is_signed = METHODS[method].permission is not None
            ask, told = (rest.ask_signed, visitor.ask_signed) if is_signed else (rest.ask, visitor.ask)
            by_rest = (await ask(verb, path.removeprefix("/api/v3/"), **params)).json()
            by_websocket = (await told(method, params))["result"]
            assert by_rest == by_websocket, method


@pytest.mark.parametrize(
    ("address", "verb", "path", "status"),
    [
        ("192.0.2.7", "GET", "openOrders", 200),
        ("192.0.2.7", "DELETE", "openOrders", 401),
        ("192.0.2.8", "GET", "openOrders", 401),
    ],
)
async def test_a_key_is_good_for_its_permissions_and_addresses(address: str, verb: str, path: str, status: int) -> None:
    async with open_rest() as rest:
        key = rest.hall.exchange.keys.issue_hmac("main", permissions=[Permission.USER_DATA], addresses=["192.0.2.7"])
        client = RestVisitor(rest.hall, address=address)
        form = f"symbol=BTCUSDT&timestamp={rest.hall.clock.unix_ms()}"
        signature = hmac.new(key.secret.encode(), form.encode(), hashlib.sha256).hexdigest()
        headers = {"X-MBX-APIKEY": key.api_key}
        response = await client.send(verb, path, f"{form}&signature={signature}", headers=headers)
        assert response.status_code == status
        assert status == 200 or error_in(response) == INVALID_KEY


async def test_events_of_rest_orders_are_told_to_the_account() -> None:
    async with open_rest() as rest:
        visitor = await rest.hall.visit()
        await visitor.log_on()
        await visitor.ask("userDataStream.subscribe")
        await rest.ask_signed("POST", "order", **BUY, newClientOrderId="by-rest")
        event = (await visitor.hear())["event"]
        assert (event["e"], event["c"]) == ("executionReport", "by-rest")
        assert rest.hall.exchange.intents == {"by-rest": 1}


async def test_the_record_keeps_rest_requests() -> None:
    async with open_rest() as rest:
        await rest.ask_signed("GET", "account")
        (log,) = rest.hall.exchange.record.requests
        assert (log.connection, log.account, log.method, log.status, log.weight) == (
            -1,
            "main",
            "account.status",
            200,
            20,
        )
        assert rest.hall.exchange.record.connections == []
