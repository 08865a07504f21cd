"""The client's requests as they arrive: types, spelling, time and signature, checked as the documentation says."""

import base64
import hashlib
import hmac
import json
import re
from decimal import Decimal
from typing import Any

import pytest
import trio
import trio.testing
from nacl.signing import SigningKey, VerifyKey

from dogwatch.actors.link import api_link
from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.actors.session import Call
from dogwatch.actors.spot.enums import (
    CancelReplaceMode,
    CancelRestrictions,
    OrderType,
    ResponseType,
    Side,
    SymbolStatus,
    TickerType,
    TimeInForce,
)
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.keys import Ed25519Key, load_ed25519_private_key
from dogwatch.actors.spot.methods import Method, Params
from dogwatch.actors.spot.request_frames import encode_request
from dogwatch.actors.spot.requests import (
    DECLARATIONS,
    AccountRateLimitsOrders,
    AllOrderLists,
    AllOrders,
    AvgPrice,
    BlockTradesHistorical,
    Depth,
    Klines,
    MyAllocations,
    MyPreventedMatches,
    MyTrades,
    OpenOrderListsStatus,
    OpenOrdersCancelAll,
    OpenOrdersStatus,
    OrderAmendKeepPriority,
    OrderAmendments,
    OrderCancel,
    OrderCancelReplace,
    OrderListCancel,
    OrderListPlace,
    OrderListPlaceOco,
    OrderListPlaceOpo,
    OrderListPlaceOpoco,
    OrderListPlaceOto,
    OrderListPlaceOtoco,
    OrderListStatus,
    OrderPlace,
    OrderTest,
    Ping,
    QueryAccountCommission,
    QueryAccountStatus,
    QueryExchangeInfo,
    QueryExecutionRules,
    QueryMyFilters,
    QueryOrderStatus,
    QueryReferencePrice,
    QueryReferencePriceCalculation,
    QuerySessionStatus,
    QueryTicker,
    Request,
    SessionSubscriptions,
    SorOrderPlace,
    SorOrderTest,
    Ticker24hr,
    TickerBook,
    TickerPrice,
    TickerTradingDay,
    Time,
    TradesAggregate,
    TradesHistorical,
    TradesRecent,
    UiKlines,
)
from dogwatch.actors.spot.signing import Ed25519Signer, HmacSigner, Signer
from dogwatch.actors.spot_client import MANAGED
from dogwatch.runtime.specs import SupervisorSpec
from dogwatch.runtime.system import run_system
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.api_stage import API_KEY, ApiStage, staged
from tests.actors.fake_server import FakeServer
from tests.conformance.test_paper_answers import open_market

pytestmark = pytest.mark.usefixtures("virtual_clock")

SYMBOL = "BTCUSDT"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
HMAC = HmacSigner(API_KEY, SECRET)
SEED = bytes(range(32))
ED25519 = Ed25519Signer(API_KEY, Ed25519Key(SEED))
MEMBERS = {"id", "method", "params"}

DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
AMOUNTS = ("price", "quantity", "qty")
INTEGERS = ("id", "limit", "time", "delta", "timestamp", "recvwindow")
NAMES = re.compile(r"[a-zA-Z0-9\-_.:/]{1,36}")


def limit(price: Decimal, quantity: Decimal | int, **more: Any) -> OrderPlace:
    return OrderPlace(
        symbol=SYMBOL,
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price=price,
        quantity=quantity,
        **more,
    )


REQUESTED: list[Request[Any]] = [
    limit(Decimal("97.0"), Decimal("1E-1"), new_client_order_id="dw-a-b-1-1"),
    limit(Decimal("9E+1"), 1, new_order_resp_type=ResponseType.RESULT),
    limit(Decimal("97.10000000"), Decimal("0.10000"), strategy_id=1, strategy_type=1_000_000),
    OrderPlace(symbol=SYMBOL, side=Side.SELL, type=OrderType.MARKET, quote_order_qty=Decimal("2E+1")),
    OrderPlace(
        symbol=SYMBOL,
        side=Side.SELL,
        type=OrderType.LIMIT_MAKER,
        price=Decimal(105),
        quantity=Decimal("0.1"),
        new_client_order_id="to-cancel",
    ),
    OrderTest(
        symbol=SYMBOL,
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price=Decimal(99),
        quantity=1,
    ),
    QueryOrderStatus(symbol=SYMBOL, orig_client_order_id="to-cancel"),
    OrderCancel(
        symbol=SYMBOL,
        orig_client_order_id="to-cancel",
        new_client_order_id="canceled",
        cancel_restrictions=CancelRestrictions.ONLY_NEW,
    ),
    limit(Decimal("96.0"), 1, new_client_order_id="to-amend"),
    OrderAmendKeepPriority(
        symbol=SYMBOL, orig_client_order_id="to-amend", new_qty=Decimal("5E-1"), new_client_order_id="to-amend"
    ),
    OrderCancelReplace(
        symbol=SYMBOL,
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price=Decimal("95.0"),
        quantity=Decimal("0.50"),
        new_client_order_id="instead",
        cancel_replace_mode=CancelReplaceMode.STOP_ON_FAILURE,
        cancel_orig_client_order_id="to-amend",
        cancel_new_client_order_id="replaced",
        cancel_restrictions=CancelRestrictions.ONLY_NEW,
    ),
    OpenOrdersStatus(symbol=SYMBOL),
    AllOrders(symbol=SYMBOL, order_id=1, limit=10),
    MyTrades(symbol=SYMBOL, order_id=1, from_id=0, limit=1000),
    QueryAccountStatus(omit_zero_balances=True),
    QueryExchangeInfo(symbols=(SYMBOL, "ETHUSDT")),
    OpenOrdersCancelAll(symbol=SYMBOL),
    Ping(),
    Time(),
]
LEG: dict[str, Any] = {
    "symbol": SYMBOL,
    "working_type": OrderType.LIMIT,
    "working_side": Side.BUY,
    "working_price": Decimal("90.0"),
    "working_quantity": 1,
    "working_time_in_force": TimeInForce.GTC,
    "pending_side": Side.SELL,
}
AFTERWARDS: dict[str, Any] = {"pending_above_type": OrderType.LIMIT_MAKER, "pending_above_price": Decimal("120.50")}
NOT_PLAYED: list[Request[Any]] = [
    QueryExecutionRules(symbols=(SYMBOL, "１２３")),
    Depth(symbol="１２３", limit=5000),
    TradesRecent(symbol=SYMBOL, limit=1),
    TradesHistorical(symbol=SYMBOL, from_id=0),
    BlockTradesHistorical(symbol=SYMBOL, from_id=0),
    TradesAggregate(symbol=SYMBOL, start_time_ms=1, end_time_ms=2),
    Klines(symbol=SYMBOL, interval="1M", time_zone="-1:00"),
    UiKlines(symbol=SYMBOL, interval="1s"),
    AvgPrice(symbol=SYMBOL),
    Ticker24hr(),
    TickerTradingDay(symbols=(SYMBOL,), type=TickerType.MINI),
    QueryTicker(symbol=SYMBOL, window_size="7d"),
    TickerPrice(symbol=SYMBOL),
    TickerBook(symbol_status=SymbolStatus.TRADING),
    QueryReferencePrice(symbol=SYMBOL),
    QueryReferencePriceCalculation(symbol=SYMBOL),
    OrderListPlace(symbol=SYMBOL, side=Side.SELL, price=110, quantity=1, trailing_delta=100),
    OrderListPlaceOco(
        symbol=SYMBOL,
        side=Side.SELL,
        quantity=1,
        above_type=OrderType.LIMIT_MAKER,
        above_price=110,
        below_type=OrderType.STOP_LOSS,
        below_stop_price=Decimal("9E+1"),
    ),
    OrderListPlaceOto(**LEG, pending_type=OrderType.MARKET, pending_quantity=1),
    OrderListPlaceOtoco(**LEG, **AFTERWARDS, pending_quantity=1),
    OrderListPlaceOpo(**LEG, pending_type=OrderType.TAKE_PROFIT, pending_trailing_delta=50),
    OrderListPlaceOpoco(**LEG, **AFTERWARDS),
    OrderListCancel(symbol=SYMBOL, order_list_id=7),
    SorOrderPlace(symbol=SYMBOL, side=Side.BUY, type=OrderType.MARKET, quantity=Decimal("0.10")),
    SorOrderTest(symbol=SYMBOL, side=Side.BUY, type=OrderType.MARKET, quantity=1, compute_commission_rates=True),
    OrderListStatus(order_list_id=7),
    OpenOrderListsStatus(),
    AllOrderLists(from_id=0),
    AccountRateLimitsOrders(),
    MyPreventedMatches(symbol=SYMBOL, order_id=1),
    MyAllocations(symbol=SYMBOL, from_allocation_id=0),
    QueryAccountCommission(symbol=SYMBOL),
    OrderAmendments(symbol=SYMBOL, order_id=1),
    QueryMyFilters(symbol=SYMBOL),
    QuerySessionStatus(),
    SessionSubscriptions(),
]
"""What the scene of the last test has nothing for: it is spelled and signed like the others."""

CALLS: list[tuple[Method, Params]] = [(request.declaration.method, request.params()) for request in REQUESTED]
ALL_CALLS = CALLS + [(request.declaration.method, request.params()) for request in NOT_PLAYED]
NAMED = [f"{method}-{index}" for index, (method, _) in enumerate(ALL_CALLS)]


def signed_text(params: dict[str, Any]) -> bytes:
    """WebSocket API, SIGNED request example: sorted by name, joined as they are, without any percent-encoding."""
    pairs = sorted((name, value) for name, value in params.items() if name != "signature")
    texts = [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in pairs]
    return "&".join(texts).encode()


def assert_signature(params: dict[str, Any], *, is_hmac: bool) -> None:
    assert params["apiKey"] == API_KEY
    if is_hmac:
        expected = hmac.new(SECRET.encode(), signed_text(params), hashlib.sha256).hexdigest()
        assert params["signature"] == expected
    else:
        public = VerifyKey(bytes(SigningKey(SEED).verify_key))
        public.verify(signed_text(params), base64.b64decode(params["signature"], validate=True))


def assert_spelled(request: dict[str, Any]) -> None:
    """Request format: nothing but documented members, and no value that has more than one spelling."""
    assert request.keys() <= MEMBERS
    request_id = request["id"]
    assert type(request_id) is int
    assert 0 < request_id < 2**63
    for name, value in request.get("params", {}).items():
        assert value is not None
        assert not isinstance(value, float)
        if name.lower().endswith(AMOUNTS):
            assert DECIMAL.fullmatch(value), f"{name}={value}"
        elif name.lower().endswith("clientorderid"):
            assert NAMES.fullmatch(value), value
        elif name.lower().endswith(INTEGERS):
            assert type(value) is int, name


async def ready(stage: ApiStage, signer: Signer) -> FakeServer:
    if signer.can_log_on:
        return await stage.establish()
    server = await stage.accept()
    await stage.answer_times(server)
    request = await stage.expect(server, "userDataStream.subscribe.signature")
    assert_signature(request["params"], is_hmac=True)
    await server.answer(request, {"subscriptionId": 0})
    await trio.testing.wait_all_tasks_blocked()
    return server


@pytest.mark.parametrize("signer", [ED25519, HMAC], ids=["logged on", "each signed"])
@pytest.mark.parametrize(("method", "params"), ALL_CALLS, ids=NAMED)
async def test_every_request_is_spelled_stamped_and_signed_as_documented(
    network: MemoryNetwork, signer: Signer, method: Method, params: Params
) -> None:
    async with staged(network, signer=signer, server_ahead_ms=3_600_000) as stage:
        server = await ready(stage, signer)
        stage.request(method, "it", params)
        request = await stage.expect(server, method)
        assert_spelled(request)
        sent = request.get("params", {})
        assert {name: value for name, value in sent.items() if name in params} == params
        added = sent.keys() - params.keys()
        if not DECLARATIONS[method].security.needs_timestamp:
            assert not added
            return
        assert sent["timestamp"] == pytest.approx(stage.server_time.unix_ms(), abs=1)
        if signer.can_log_on:
            assert added == {"timestamp"}, "within a session neither key nor signature is needed"
        else:
            assert added == {"timestamp", "apiKey", "signature"}
            assert_signature(sent, is_hmac=True)


def test_no_method_is_left_out_but_those_of_the_session() -> None:
    assert {method for method, _ in ALL_CALLS} | MANAGED == set(Method)


async def test_a_log_on_is_signed_by_the_key(network: MemoryNetwork) -> None:
    async with staged(network, signer=ED25519) as stage:
        server = await stage.accept()
        await stage.answer_times(server)
        request = await stage.expect(server, "session.logon")
        assert_spelled(request)
        assert request["params"].keys() == {"apiKey", "timestamp", "signature"}
        assert_signature(request["params"], is_hmac=False)


async def test_requests_never_share_an_id_over_all_sockets(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        seen: list[int] = []
        for _ in range(3):
            server = await stage.accept()
            for method in ("time", "time", "time", "session.logon", "userDataStream.subscribe"):
                request = await stage.expect(server, method)
                seen.append(request["id"])
                await server.answer(request, {"serverTime": stage.server_time.unix_ms(), "subscriptionId": 0})
            await server.stream.aclose()
        assert len(set(seen)) == len(seen)


def test_a_signature_covers_non_ascii_text_as_utf_8() -> None:
    params = HMAC.sign({"symbol": "１２３４５６", "side": "SELL", "timestamp": 1645423376532})
    assert_signature(params, is_hmac=True)
    frame = encode_request(1, "order.place", params)
    assert json.loads(frame)["params"]["symbol"] == "１２３４５６"


@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
@pytest.mark.parametrize("resource", ["/ws-api/v3", "/ws-api/v3?returnRateLimits=false"])
async def test_the_exchange_takes_every_request_with_and_without_rate_limits(kind: str, resource: str) -> None:
    async with open_market() as (hall, _):
        link = api_link(
            "link",
            dial=hall.connect,
            host="paper",
            resource=resource,
            clock=hall.clock,
            signer=signer_of(hall.exchange, kind),
            recv_window_ms=5_000,
        )
        async with run_system(SupervisorSpec("top", [link.spec])):
            await trio.sleep(1)
            for method, params in CALLS:
                response: Response = await link.session.ask(Call(method=method, params=params), within_s=5)
                assert response.error is None, (method, response.error)
                assert bool(response.rate_limits) == ("false" not in resource)


def signer_of(exchange: PaperExchange, kind: str) -> Signer:
    if kind == "hmac":
        return HmacSigner(exchange.hmac_api_key, exchange.hmac_secret)
    return Ed25519Signer(exchange.api_key, load_ed25519_private_key(exchange.private_key_pem))
