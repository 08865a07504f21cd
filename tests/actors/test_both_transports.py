"""From one declaration both transports follow: whatever is asked over a session and over REST has the same answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pytest
import trio

from dogwatch.actors.link import api_link
from dogwatch.actors.rest_link import rest_caller
from dogwatch.actors.session_messages import SessionReady
from dogwatch.actors.spot.endpoints import TimeUnit
from dogwatch.actors.spot.enums import OrderStatus, OrderType, Side, TimeInForce
from dogwatch.actors.spot.instant import in_us
from dogwatch.actors.spot.request import Request
from dogwatch.actors.spot.requests import (
    AccountRateLimitsOrders,
    AllOrders,
    AvgPrice,
    Depth,
    Klines,
    MyTrades,
    OpenOrdersStatus,
    OrderCancel,
    OrderTest,
    Ping,
    QueryAccountCommission,
    QueryAccountStatus,
    QueryExchangeInfo,
    QueryExecutionRules,
    QueryMyFilters,
    QueryOrderStatus,
    QueryReferencePrice,
    QueryTicker,
    Ticker24hr,
    TickerBook,
    TickerPrice,
    TradesAggregate,
    TradesRecent,
    UiKlines,
)
from dogwatch.actors.spot_client import Spot
from dogwatch.actors.testing import StagedExchange
from dogwatch.runtime.errors import DogwatchError
from dogwatch.runtime.specs import SupervisorSpec
from dogwatch.runtime.system import run_system
from tests.stories.scene import open_exchange

pytestmark = pytest.mark.usefixtures("virtual_clock")

S = "BTCUSDT"
PAIR = (S, "ETHUSDT")
LIMIT: dict[str, Any] = {
    "symbol": S,
    "side": Side.BUY,
    "type": OrderType.LIMIT,
    "time_in_force": TimeInForce.GTC,
    "price": Decimal(38_000),
    "quantity": Decimal("0.01"),
}
MARKET: dict[str, Any] = {"symbol": S, "side": Side.BUY, "type": OrderType.MARKET, "quantity": Decimal("0.01")}
QUESTIONS: tuple[Request[Any], ...] = (
    Ping(),
    QueryExchangeInfo(),
    QueryExchangeInfo(symbols=PAIR, show_permission_sets=False),
    QueryExchangeInfo(symbol="NOSUCH"),
    QueryExecutionRules(symbol=S),
    Depth(symbol=S, limit=5),
    TradesRecent(symbol=S, limit=3),
    TradesAggregate(symbol=S),
    Klines(symbol=S, interval="1m", limit=2),
    UiKlines(symbol=S, interval="1h", time_zone="8:00"),
    AvgPrice(symbol=S),
    Ticker24hr(symbols=PAIR),
    QueryTicker(symbol=S, window_size="1h"),
    TickerPrice(symbols=PAIR),
    TickerBook(symbol=S),
    QueryReferencePrice(symbol=S),
    QueryAccountStatus(omit_zero_balances=True),
    QueryAccountCommission(symbol=S),
    QueryMyFilters(symbol=S),
    AccountRateLimitsOrders(),
    OpenOrdersStatus(symbol=S),
    OpenOrdersStatus(),
    AllOrders(symbol=S, limit=10),
    MyTrades(symbol=S),
    QueryOrderStatus(symbol=S, orig_client_order_id="filled"),
    QueryOrderStatus(symbol=S, orig_client_order_id="never-placed"),
    QueryOrderStatus(symbol=S, order_id=999),
    OrderTest(**LIMIT, compute_commission_rates=True),
    OrderTest(**{**LIMIT, "price": Decimal("38000.001")}),
    OrderCancel(symbol=S, orig_client_order_id="filled"),
)


REFUSED = [
    ("exchangeInfo", "Rejected"),
    ("referencePrice", "Rejected"),
    ("order.status", "Rejected"),
    ("order.status", "Rejected"),
    ("order.test", "Rejected"),
    ("order.cancel", "Rejected"),
]


class Refusal(NamedTuple):
    kind: str
    text: str


class Both:
    """The same exchange over a session and over REST."""

    def __init__(self, exchange: StagedExchange, time_unit: TimeUnit | None) -> None:
        common: dict[str, Any] = {"clock": exchange.clock, "signer": exchange.signer()}
        self.link = api_link("link", **exchange.api._asdict(), **common)
        bases = msgspec.structs.replace(exchange.rest.bases, time_unit=time_unit)
        rest = rest_caller("rest", door=replace(exchange.rest, bases=bases), **common)
        self.over_session = Spot(self.link.session)
        self.over_rest = Spot(rest.ref)
        self.spec = SupervisorSpec("top", [self.link.spec, rest])


@asynccontextmanager
async def both(seed: int, *, time_unit: TimeUnit | None = None) -> AsyncIterator[Both]:
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(S, "40000", "40001")
        exchange.quote("ETHUSDT", "2000", "2001")
        made = Both(exchange, time_unit)
        async with run_system(made.spec):
            with made.link.topics.states.latest() as states:
                while not isinstance(await states.get(), SessionReady):
                    pass
            yield made


async def outcome_of(spot: Spot, request: Request[Any]) -> Any:
    try:
        return await spot.call(request)
    except DogwatchError as failure:
        return Refusal(type(failure).__name__, str(failure))


async def test_what_is_asked_over_both_has_the_same_answer(seed: int) -> None:
    async with both(seed) as exchange:
        for spot, name in ((exchange.over_session, "filled"), (exchange.over_rest, "filled-too")):
            await spot.order_place(**MARKET, new_client_order_id=name)
        await exchange.over_rest.order_place(**LIMIT, new_client_order_id="open")
        await trio.sleep(70)
        refused = []
        for request in QUESTIONS:
            over_rest = await outcome_of(exchange.over_rest, request)
            assert over_rest == await outcome_of(exchange.over_session, request), request
            if isinstance(over_rest, Refusal):
                refused.append((str(request.declaration.method), over_rest.kind))
    assert refused == REFUSED


async def test_an_order_of_one_transport_is_the_other_s_to_cancel(seed: int) -> None:
    async with both(seed) as exchange:
        first = await exchange.over_session.order_place(**LIMIT)
        second = await exchange.over_rest.order_place(**LIMIT)
        canceled = [
            await exchange.over_rest.order_cancel(symbol=S, order_id=first.order_id),
            await exchange.over_session.order_cancel(symbol=S, order_id=second.order_id),
        ]
        assert [getattr(report, "status", None) for report in canceled] == [OrderStatus.CANCELED] * 2


async def test_in_microseconds_the_same_times_are_told_more_exactly(seed: int) -> None:
    async with both(seed, time_unit="MICROSECOND") as exchange:
        exact = await exchange.over_rest.order_place(**LIMIT, new_client_order_id="exact")
        found = await exchange.over_session.order_status(symbol=S, orig_client_order_id="exact")
        assert exact.transaction_time_ms is not None
        assert exact.transaction_time_ms == found.time_ms
        assert in_us(exact.transaction_time_ms) // 1000 == found.time_ms
