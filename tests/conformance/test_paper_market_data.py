"""The paper exchange against the documentation: market data by both APIs, and what else an account may ask; streams."""

import json
from decimal import Decimal
from typing import Any

import pytest

from dogwatch.actors.paper.methods import METHODS
from dogwatch.actors.paper.rest_endpoints import METHOD_OF
from dogwatch.actors.paper.streams import parse_stream
from dogwatch.actors.spot.stream_events import AggregateTradeEvent, KlineEvent, StreamEvent
from dogwatch.actors.spot.stream_frames import decode_stream_frame
from dogwatch.actors.spot.ticker_events import (
    AveragePriceEvent,
    HourTicker,
    MiniTicker,
    ReferencePriceEvent,
    Ticker24h,
)
from tests.actors.paper.rest_visitor import open_rest
from tests.actors.paper.visitor import open_hall
from tests.conformance import market_shapes, shapes
from tests.conformance.reference import needs_reference, reference
from tests.conformance.shapes import answered, differences
from tests.conformance.test_paper_answers import LIMIT, SYMBOL, open_market
from tests.conformance.test_paper_events import FEED, heard

pytestmark = pytest.mark.usefixtures("virtual_clock")

BOTH = ["BTCUSDT", "ETHUSDT"]
CANDLE: Any = ["decimal|int"]

ASKED: list[tuple[str, dict[str, Any], Any]] = [
    ("executionRules", {"symbols": BOTH}, market_shapes.EXECUTION_RULES),
    ("trades.historical", {"symbol": SYMBOL, "fromId": 0}, [shapes.RECENT_TRADE]),
    ("trades.aggregate", {"symbol": SYMBOL}, [market_shapes.AGGREGATE]),
    ("klines", {"symbol": SYMBOL, "interval": "1d", "timeZone": "8"}, [CANDLE]),
    ("uiKlines", {"symbol": SYMBOL, "interval": "1m"}, [CANDLE]),
    ("avgPrice", {"symbol": SYMBOL}, market_shapes.AVERAGE_PRICE),
    ("ticker.24hr", {"symbol": SYMBOL}, market_shapes.DAY),
    ("ticker.24hr", {}, [market_shapes.DAY]),
    ("ticker.24hr", {"symbols": BOTH, "type": "MINI"}, [market_shapes.MINI]),
    ("ticker.tradingDay", {"symbol": SYMBOL, "timeZone": "-1:00"}, market_shapes.FULL),
    ("ticker.tradingDay", {"symbols": BOTH, "type": "MINI"}, [market_shapes.MINI]),
    ("ticker", {"symbol": SYMBOL, "windowSize": "7d"}, market_shapes.FULL),
    ("ticker", {"symbols": BOTH, "type": "MINI"}, [market_shapes.MINI]),
]
ASKED_OF_AN_ACCOUNT: list[tuple[str, dict[str, Any], Any]] = [
    ("account.commission", {"symbol": SYMBOL}, market_shapes.COMMISSION),
    ("order.amendments", {"symbol": SYMBOL, "orderId": 1}, [market_shapes.AMENDMENT]),
    ("myPreventedMatches", {"symbol": SYMBOL, "orderId": 1}, [market_shapes.PREVENTED_MATCH]),
]


@pytest.mark.parametrize(("method", "params", "shape"), ASKED)
async def test_market_data_is_answered_as_documented(method: str, params: Any, shape: Any) -> None:
    async with open_market() as (_, visitor):
        reply = await visitor.ask(method, params)
        assert list(differences(reply, answered(shape))) == []
        assert reply["result"]


@pytest.mark.parametrize(("method", "params", "shape"), ASKED)
async def test_rest_answers_the_same(method: str, params: Any, shape: Any) -> None:
    ((verb, path),) = [place for place, name in METHOD_OF.items() if name == method]
    texts = {
        name: value if isinstance(value, str | int) else str(value).replace("'", '"') for name, value in params.items()
    }
    async with open_rest() as rest:
        response = await rest.ask(verb, path.removeprefix("/api/v3/"), **texts)
        assert response.status_code == 200
        assert list(differences(response.json(), shape)) == []


@pytest.mark.parametrize(("method", "params", "shape"), ASKED_OF_AN_ACCOUNT)
async def test_an_account_is_answered_as_documented(method: str, params: Any, shape: Any) -> None:
    async with open_market() as (_, visitor):
        await visitor.ask("order.place", visitor.stamped(LIMIT))
        amend = {"symbol": SYMBOL, "orderId": 1, "newQty": "0.5"}
        await visitor.ask("order.amend.keepPriority", visitor.stamped(amend))
        crossing = {**LIMIT, "side": "SELL", "quantity": "0.2", "selfTradePreventionMode": "EXPIRE_BOTH"}
        await visitor.ask("order.place", visitor.stamped(crossing))
        reply = await visitor.ask(method, visitor.stamped(params))
        assert list(differences(reply, answered(shape))) == []
        assert reply["result"]


async def test_filters_of_an_account_are_those_of_the_documentation() -> None:
    async with open_market() as (_, visitor):
        result = (await visitor.ask("myFilters", visitor.stamped({"symbol": SYMBOL})))["result"]
        assert result.keys() == {"exchangeFilters", "symbolFilters", "assetFilters"}
        for row in result["symbolFilters"]:
            assert list(differences(row, {"filterType": "text", **shapes.FILTERS[row["filterType"]]})) == []


async def test_what_never_happens_here_is_an_empty_list() -> None:
    async with open_market() as (_, visitor):
        assert (await visitor.ask("blockTrades.historical", {"symbol": SYMBOL, "fromId": 0}))["result"] == []
        assert (await visitor.ask("myAllocations", visitor.stamped({"symbol": SYMBOL})))["result"] == []


@needs_reference
@pytest.mark.parametrize(
    ("method", "shape"),
    [
        ("executionRules", market_shapes.EXECUTION_RULES),
        ("trades.aggregate", [market_shapes.AGGREGATE]),
        ("avgPrice", market_shapes.AVERAGE_PRICE),
        ("account.commission", market_shapes.COMMISSION),
        ("order.amendments", [market_shapes.AMENDMENT]),
        ("myPreventedMatches", [market_shapes.PREVENTED_MATCH]),
        ("ticker.24hr", market_shapes.DAY),
        ("ticker.tradingDay", market_shapes.FULL),
    ],
)
def test_the_shapes_are_those_of_the_documented_examples(method: str, shape: Any) -> None:
    (found,) = [entry for entry in reference("ws_api")["methods"] if entry["method"] == method]
    assert list(differences(found["responses"][0]["json"]["result"], shape)) == []


# Costs and security.


@needs_reference
@pytest.mark.parametrize("name", METHODS)
def test_a_method_costs_and_demands_what_is_documented(name: str) -> None:
    facts, method = reference("weights")["ws"][name], METHODS[name]
    for params, weight in costs(facts["rule"]):
        assert method.weigh(params) == weight, params
    assert method.is_free_on_success == bool(facts["zero_on_success"])
    (entry,) = [entry for entry in reference("ws_api")["methods"] if entry["method"] == name]
    if method.permission is not None and entry["security"] in ("TRADE", "USER_DATA", "USER_STREAM"):
        assert method.permission == entry["security"]


def costs(rule: dict[str, Any]) -> list[tuple[dict[str, Any], int]]:
    """Parameters and what they cost, by a rule of the documentation."""
    many = [f"S{number}" for number in range(60)]
    match rule["kind"]:
        case "fixed":
            return [({}, rule["weight"])]
        case "limit":
            steps = rule["steps"]
            return [
                ({}, steps[0][1]),
                *[({"limit": limit}, weight) for limit, weight in steps],
                *[({"limit": str(limit)}, weight) for limit, weight in steps],
            ]
        case "flag":
            return [({}, rule["without"]), ({rule["param"]: True}, rule["with"]), ({rule["param"]: 5}, rule["with"])]
        case "symbol_count":
            return [({}, rule["none"]), ({"symbol": "S"}, 2), ({"symbols": many[:20]}, 2), ({"symbols": many}, 40)]
        case "case":
            return [({"preventedMatchId": 1}, rule["preventedMatchId"]), ({"orderId": 1}, rule["orderId"])]
    named = rule.get("symbols") or min(60 * rule.get("per_symbol", 0), rule.get("cap", 0))
    asked: list[tuple[dict[str, Any], int]] = [({"symbol": "S"}, rule["symbol"])]
    if named:
        asked.append(({"symbols": many}, named))
    if "none" in rule:
        asked.append(({}, rule["none"]))
    return asked


# Streams.

TOLD = [
    ("btcusdt@aggTrade", market_shapes.AGGREGATE_TRADE),
    ("btcusdt@miniTicker", market_shapes.MINI_TICKER),
    ("btcusdt@ticker", market_shapes.TICKER),
    ("btcusdt@ticker_1h", market_shapes.ROLLING_TICKER),
    ("btcusdt@ticker_4h", market_shapes.ROLLING_TICKER),
    ("btcusdt@ticker_1d", market_shapes.ROLLING_TICKER),
    ("btcusdt@avgPrice", market_shapes.AVERAGE),
    ("btcusdt@kline_1d@+08:00", shapes.KLINE),
    ("!miniTicker@arr", [market_shapes.MINI_TICKER]),
    ("!ticker_1d@arr", [market_shapes.ROLLING_TICKER]),
]


@pytest.mark.parametrize(("stream", "shape"), TOLD, ids=[name for name, _ in TOLD])
async def test_every_stream_says_what_is_documented(stream: str, shape: Any) -> None:
    async with open_hall(feed=FEED) as hall:
        for frame in await heard(hall, f"/stream?streams={stream}", lambda _frame: True):
            assert list(differences(frame, {"stream": "text", "data": shape})) == []
            assert frame["stream"] == stream


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        ("btcusdt@aggTrade", AggregateTradeEvent),
        ("btcusdt@miniTicker", MiniTicker),
        ("btcusdt@ticker", Ticker24h),
        ("btcusdt@ticker_1h", HourTicker),
        ("btcusdt@avgPrice", AveragePriceEvent),
        ("btcusdt@kline_1d@+08:00", KlineEvent),
        ("btcusdt@referencePrice", ReferencePriceEvent),
        ("!miniTicker@arr", tuple),
        ("!ticker_1d@arr", tuple),
    ],
)
async def test_the_client_reads_every_stream_as_its_type(stream: str, kind: type) -> None:
    async with open_hall(feed=FEED) as hall:
        hall.exchange.engine.set_reference_price("BTCUSDT", Decimal(100))
        for frame in await heard(hall, f"/stream?streams={stream}", lambda _frame: True):
            read = decode_stream_frame(json.dumps(frame, separators=(",", ":")).encode())
            assert isinstance(read, StreamEvent), read
            assert isinstance(read.event, kind)


@needs_reference
def test_every_documented_stream_is_known() -> None:
    words = {"<symbol>": "btcusdt", "<interval>": "1h", "<levels>": "10", "<window_size>": "4h", "<window-size>": "1h"}
    for family in reference("streams")["streams"]:
        for name in family["names"]:
            for word, value in words.items():
                name = name.replace(word, value)
            assert parse_stream(name) is not None, name
