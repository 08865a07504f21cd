"""The paper exchange against the documentation: the fields and JSON types of user data events and market streams."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from dogwatch.actors.paper.price_feed import MarketTick
from tests.actors.paper.visitor import Hall, Visitor, open_hall, quote, trade
from tests.conformance import shapes
from tests.conformance.shapes import differences, told
from tests.conformance.test_paper_answers import LIMIT, MARKET, SYMBOL, open_market

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def events_of(visitor: Visitor, method: str, params: Any, count: int) -> list[Any]:
    """The events that a request leads to; its reply comes before them, or after."""
    reply_id = await visitor.send(method, visitor.stamped(params))
    frames = [await visitor.hear() for _ in range(count + 1)]
    (reply,) = [frame for frame in frames if frame.get("id") == reply_id]
    assert reply["status"] == 200, reply
    return [frame for frame in frames if "event" in frame]


def assert_documented(frame: Any) -> Any:
    event = frame["event"]
    assert list(differences(frame, told(shapes.EVENTS[event["e"]]))) == []
    return event


IOC = {**LIMIT, "price": "101", "timeInForce": "IOC", "quantity": "9"}
PREVENTED = {**LIMIT, "side": "SELL", "price": "99", "selfTradePreventionMode": "EXPIRE_TAKER"}


@pytest.mark.parametrize(
    ("params", "told"),
    [
        (LIMIT, ["NEW/NEW", "outboundAccountPosition"]),
        (MARKET, ["NEW/NEW", "TRADE/FILLED", "outboundAccountPosition"]),
        (IOC, ["NEW/NEW", "TRADE/PARTIALLY_FILLED", "EXPIRED/EXPIRED", "outboundAccountPosition"]),
        ({**LIMIT, "strategyId": 1, "strategyType": 1_000_000}, ["NEW/NEW", "outboundAccountPosition"]),
    ],
    ids=["rests", "takes", "takes and expires", "of a strategy"],
)
async def test_what_happens_to_an_order_is_told_in_documented_events(params: Any, told: list[str]) -> None:
    async with open_market() as (_, visitor):
        await visitor.ask("userDataStream.subscribe")
        frames = await events_of(visitor, "order.place", params, len(told))
        events = [assert_documented(frame) for frame in frames]
        assert [f"{e['x']}/{e['X']}" if e["e"] == "executionReport" else e["e"] for e in events] == told
        for event in events[:-1]:
            assert_conditions(event, params)


def assert_conditions(report: Any, params: Any) -> None:
    """Which field comes when (Conditional Fields in Execution Report, and the field's own descriptions)."""
    is_trade = report["x"] == "TRADE"
    assert ("eR" in report) == (report["X"] == "EXPIRED")
    assert ("j" in report) == ("strategyId" in params)
    assert ("J" in report) == ("strategyType" in params)
    assert (report["t"] >= 0) == is_trade
    assert (Decimal(report["l"]) > 0) == is_trade
    assert (report["N"] is not None) == is_trade
    assert report["C"] == ""
    assert report["r"] == "NONE"
    assert "v" not in report


async def test_a_cancel_tells_both_names() -> None:
    async with open_market() as (_, visitor):
        await visitor.ask("userDataStream.subscribe")
        (placed, _) = await events_of(visitor, "order.place", LIMIT, 2)
        name = placed["event"]["c"]
        (canceled, _) = await events_of(visitor, "order.cancel", {"symbol": SYMBOL, "origClientOrderId": name}, 2)
        event = assert_documented(canceled)
        assert (event["x"], event["X"], event["C"], event["w"]) == ("CANCELED", "CANCELED", name, False)
        assert event["c"] not in {name, ""}


async def test_an_amend_is_told_as_a_documented_report_with_both_names() -> None:
    async with open_market() as (_, visitor):
        await visitor.ask("userDataStream.subscribe")
        (placed, _) = await events_of(visitor, "order.place", LIMIT, 2)
        name, order_id = placed["event"]["c"], placed["event"]["i"]
        amend = {"symbol": SYMBOL, "orderId": order_id, "newQty": "0.5"}
        (replaced, position) = await events_of(visitor, "order.amend.keepPriority", amend, 2)
        event = assert_documented(replaced)
        assert (event["x"], event["X"], event["q"], event["i"], event["w"]) == (
            "REPLACED", "NEW", "0.50000000", order_id, True,
        )  # fmt: skip
        assert event["C"] == name
        assert event["I"] > placed["event"]["I"]
        assert assert_documented(position)["e"] == "outboundAccountPosition"


async def test_a_replacement_is_told_as_a_cancel_and_then_as_a_new_order() -> None:
    async with open_market() as (_, visitor):
        await visitor.ask("userDataStream.subscribe")
        (placed, _) = await events_of(visitor, "order.place", LIMIT, 2)
        named = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": placed["event"]["i"]}
        frames = await events_of(visitor, "order.cancelReplace", {**LIMIT, **named}, 4)
        events = [assert_documented(frame) for frame in frames]
        assert [event.get("x", event["e"]) for event in events] == [
            "CANCELED", "outboundAccountPosition", "NEW", "outboundAccountPosition",
        ]  # fmt: skip
        assert (events[0]["C"], events[2]["C"]) == (placed["event"]["c"], "")
        assert events[0]["i"] < events[2]["i"]


async def test_a_new_order_that_is_refused_after_its_cancel_is_told_as_a_documented_report() -> None:
    async with open_market() as (_, visitor):
        await visitor.ask("userDataStream.subscribe")
        (placed, _) = await events_of(visitor, "order.place", LIMIT, 2)
        named = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": placed["event"]["i"]}
        await visitor.send("order.cancelReplace", visitor.stamped({**LIMIT, **named, "quantity": "9000"}))
        frames = [await visitor.hear() for _ in range(4)]
        rejected = assert_documented(frames[-1])
        assert (rejected["x"], rejected["X"], rejected["r"]) == ("REJECTED", "REJECTED", "INSUFFICIENT_BALANCES")


async def test_prevented_self_trades_carry_their_own_fields() -> None:
    async with open_market() as (_, visitor):
        await visitor.ask("userDataStream.subscribe")
        (resting, _) = await events_of(visitor, "order.place", LIMIT, 2)
        frames = await events_of(visitor, "order.place", PREVENTED, 3)
        (prevented,) = [frame for frame in frames if frame["event"].get("x") == "TRADE_PREVENTION"]
        event = assert_documented(prevented)
        assert event["X"] == "EXPIRED_IN_MATCH"
        assert {"v", "A", "B", "U", "Cs", "pl", "pL", "pY"} <= event.keys()
        assert event["U"] == resting["event"]["i"]


async def test_the_end_of_a_subscription_is_told_as_documented() -> None:
    async with open_market() as (_, visitor):
        await visitor.ask("userDataStream.subscribe")
        (frame,) = await events_of_unsigned(visitor, "userDataStream.unsubscribe")
        assert assert_documented(frame)["e"] == "eventStreamTerminated"


async def events_of_unsigned(visitor: Visitor, method: str) -> list[Any]:
    await visitor.send(method)
    return [frame for frame in [await visitor.hear(), await visitor.hear()] if "event" in frame]


# Market streams.

FEED: list[MarketTick] = [
    quote(0, "99", "101"),
    trade(100, "100", "0.25"),
    quote(1200, "99.5", "100.5"),
    trade(1500, "100.25", "0.5"),
    trade(61_000, "100", "1"),
]

STREAMS = [
    ("btcusdt@trade", shapes.TRADE),
    ("btcusdt@bookTicker", shapes.QUOTE),
    ("btcusdt@depth", shapes.BOOK_DIFF),
    ("btcusdt@depth@100ms", shapes.BOOK_DIFF),
    ("btcusdt@depth5", shapes.BOOK),
    ("btcusdt@depth20@100ms", shapes.BOOK),
    ("btcusdt@kline_1m", shapes.KLINE),
    ("btcusdt@kline_1s", shapes.KLINE),
]


async def heard(hall: Hall, target: str, is_wanted: Callable[[Any], bool], count: int = 2) -> list[Any]:
    visitor = await hall.visit(target)
    hall.nursery.start_soon(hall.exchange.run_feed)
    frames: list[Any] = []
    while len(frames) < count:
        frame = await visitor.hear()
        if is_wanted(frame):
            frames.append(frame)
    return frames


@pytest.mark.parametrize(("stream", "shape"), STREAMS, ids=[name for name, _ in STREAMS])
async def test_a_raw_stream_sends_what_is_documented(stream: str, shape: Any) -> None:
    async with open_hall(feed=FEED) as hall:
        for frame in await heard(hall, f"/ws/{stream}", lambda _frame: True):
            assert list(differences(frame, shape)) == []


@pytest.mark.parametrize(("stream", "shape"), STREAMS, ids=[name for name, _ in STREAMS])
async def test_a_combined_stream_wraps_it_with_the_streams_name(stream: str, shape: Any) -> None:
    async with open_hall(feed=FEED) as hall:
        for frame in await heard(hall, f"/stream?streams={stream}", lambda _frame: True):
            assert list(differences(frame, {"stream": "text", "data": shape})) == []
            assert frame["stream"] == stream


async def test_levels_of_a_book_are_pairs() -> None:
    async with open_hall(feed=FEED) as hall:
        (book,) = await heard(hall, "/ws/btcusdt@depth5@100ms", lambda frame: bool(frame["bids"]), 1)
        assert all(len(level) == 2 for level in (*book["bids"], *book["asks"]))


async def test_subscribing_is_answered_as_documented() -> None:
    async with open_hall() as hall:
        visitor = await hall.visit("/stream")

        async def ask(request: Any) -> Any:
            await visitor.websocket.send_message(json.dumps(request))
            return await visitor.hear()

        names = ["btcusdt@trade", "btcusdt@depth"]
        assert await ask({"method": "SUBSCRIBE", "params": names, "id": 1}) == {"result": None, "id": 1}
        listed = await ask({"method": "LIST_SUBSCRIPTIONS", "id": 3})
        assert sorted(listed["result"]) == sorted(names)
        assert await ask({"method": "UNSUBSCRIBE", "params": names[1:], "id": 312}) == {"result": None, "id": 312}
        assert await ask({"method": "GET_PROPERTY", "params": ["combined"], "id": 2}) == {"result": True, "id": 2}
