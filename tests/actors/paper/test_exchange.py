"""The whole exchange over WebSocket bytes: what a trader hears, in which order, and what the ledger says of it."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from dogwatch.actors.paper.config import Commission, KlinesFeed, PaperConfig, RandomWalkFeed, TradesFeed
from dogwatch.actors.paper.exchange import PaperExchange, open_feed
from dogwatch.actors.paper.price_feed import FeedError, MarketTick
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.testing.virtual_time import run_virtual
from tests.actors.paper.visitor import Hall, Visitor, open_hall, quote, trade

BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "99", "quantity": "2"}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}


async def opened(hall: Hall) -> Visitor:
    """A visitor who is logged on and hears the account's events; the market stands at 99 to 101."""
    hall.exchange.engine.apply_quote("BTCUSDT", Decimal(99), Decimal(5), Decimal(101), Decimal(5), hall.clock.unix_ms())
    hall.exchange.engine.apply_trade("BTCUSDT", Decimal(100), Decimal(1), hall.clock.unix_ms(), buyer_is_maker=False)
    hall.exchange.settle()
    visitor = await hall.visit()
    assert (await visitor.log_on())["status"] == 200
    assert (await visitor.ask("userDataStream.subscribe"))["result"] == {"subscriptionId": 0}
    return visitor


async def hear_events(visitor: Visitor, count: int) -> list[tuple[str, ...]]:
    told: list[tuple[str, ...]] = []
    for _ in range(count):
        frame = await visitor.hear()
        assert frame["subscriptionId"] == 0
        event = frame["event"]
        kind = event["e"]
        told.append((kind, event["x"], event["X"]) if kind == "executionReport" else (kind,))
    return told


async def test_a_resting_order_is_answered_first_and_reported_after(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        visitor = await opened(hall)
        reply = await visitor.ask("order.place", visitor.stamped(BUY))
        assert (reply["status"], reply["result"]["status"]) == (200, "NEW")
        assert await hear_events(visitor, 2) == [("executionReport", "NEW", "NEW"), ("outboundAccountPosition",)]
        order_id = reply["result"]["orderId"]
        reply = await visitor.ask("order.cancel", visitor.stamped({"symbol": "BTCUSDT", "orderId": order_id}))
        assert reply["result"]["status"] == "CANCELED"
        assert await hear_events(visitor, 2) == [
            ("executionReport", "CANCELED", "CANCELED"),
            ("outboundAccountPosition",),
        ]


async def test_events_come_before_the_reply_when_the_exchange_is_told_so(
    virtual_clock: MockClock,
) -> None:
    async with open_hall(PaperConfig(events_before_replies=True)) as hall:
        visitor = await opened(hall)
        await visitor.send("order.place", visitor.stamped(MARKET))
        assert await hear_events(visitor, 3) == [
            ("executionReport", "NEW", "NEW"),
            ("executionReport", "TRADE", "FILLED"),
            ("outboundAccountPosition",),
        ]
        assert (await visitor.hear())["result"]["status"] == "FILLED"


async def test_a_trade_through_a_resting_order_is_heard_by_its_owner(virtual_clock: MockClock) -> None:
    async with open_hall(feed=[trade(0, "99"), trade(1000, "98.5", "1.5"), trade(2000, "98", "5")]) as hall:
        visitor = await opened(hall)
        await visitor.ask("order.place", visitor.stamped(BUY))
        await hear_events(visitor, 2)
        hall.nursery.start_soon(hall.exchange.run_feed)
        assert await hear_events(visitor, 2) == [
            ("executionReport", "TRADE", "PARTIALLY_FILLED"),
            ("outboundAccountPosition",),
        ]
        assert trio.current_time() == 1
        assert await hear_events(visitor, 2) == [("executionReport", "TRADE", "FILLED"), ("outboundAccountPosition",)]
        exchange = hall.exchange
        assert exchange.finished.is_set()
        assert [(fill.price, fill.quantity) for fill in exchange.fills()] == [
            (Decimal(99), Decimal("1.5")),
            (Decimal(99), Decimal("0.5")),
        ]
        assert exchange.net_position("BTCUSDT") == 2
        assert exchange.position("BTC") == Decimal("1.998")
        assert exchange.position("USDT") == -198
        assert exchange.balances()["BTC"].free == Decimal("2.998")
        assert [order["status"] for order in exchange.orders()] == ["FILLED"]
        assert exchange.last_price("BTCUSDT") == 98


async def test_the_first_fill_gives_back_order_count(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        visitor = await opened(hall)
        for _ in range(3):
            await visitor.ask("order.place", visitor.stamped(MARKET))
            await hear_events(visitor, 3)
        counts = (await visitor.ask("account.rateLimits.orders", visitor.stamped()))["result"]
        assert [limit["count"] for limit in counts] == [0, 0]


async def test_the_order_count_may_be_given_back_late(virtual_clock: MockClock) -> None:
    async with open_hall(PaperConfig(fill_credit_delay_ms=400.0)) as hall:
        visitor = await opened(hall)
        await visitor.ask("order.place", visitor.stamped(MARKET))
        await trio.sleep(0.399)
        limits = hall.exchange.limits_of_account()
        assert (limits.ten_seconds.count, limits.day.count) == (1, 1)
        await trio.sleep(0.002)
        assert (limits.ten_seconds.count, limits.day.count) == (0, 0)


async def test_a_connection_may_be_given_a_shorter_life(virtual_clock: MockClock) -> None:
    async with open_hall(PaperConfig(connection_life_h=0.05)) as hall:
        visitor = await opened(hall)
        await trio.sleep(179)
        assert visitor.websocket.closed is None
        await trio.sleep(2)
        assert visitor.websocket.closed is not None


async def test_commission_is_what_was_configured(virtual_clock: MockClock) -> None:
    config = PaperConfig(commission=Commission(maker=Decimal(0), taker=Decimal("0.01")))
    async with open_hall(config) as hall:
        visitor = await opened(hall)
        await visitor.ask("order.place", visitor.stamped(MARKET))
        assert hall.exchange.position("BTC") == Decimal("0.99")
        assert hall.exchange.net_position("BTCUSDT") == 1


async def test_a_revoked_key_ends_the_session_at_its_next_request(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        visitor = await opened(hall)
        hall.exchange.revoke_key(hall.exchange.api_key)
        event = await visitor.ask("order.place", visitor.stamped(BUY))
        assert event["event"]["e"] == "eventStreamTerminated"
        reply = await visitor.hear()
        assert (reply["id"], reply["status"], reply["error"]["code"]) == (None, 401, -2015)
        assert hall.exchange.orders() == []


async def test_a_revoked_key_may_not_log_on_until_it_is_restored(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        visitor = await opened(hall)
        hall.exchange.revoke_key()
        assert (await visitor.log_on())["error"]["code"] == -2015
        assert (await visitor.ask_signed("account.status"))["error"]["code"] == -2015
        hall.exchange.restore_key()
        assert (await visitor.log_on())["status"] == 200
        assert (await visitor.ask_signed("account.status"))["status"] == 200


async def test_requests_in_one_write_are_answered_in_their_order(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        visitor = await opened(hall)
        ids = [await visitor.send("order.place", visitor.stamped({**BUY, "price": str(price)})) for price in (90, 91)]
        frames = [await visitor.hear() for _ in range(6)]
        assert [frame["id"] for frame in frames if "id" in frame] == ids
        first_report = next(index for index, frame in enumerate(frames) if "event" in frame)
        assert frames[first_report - 1]["id"] == ids[0]


async def test_two_connections_of_one_account_hear_the_same(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        visitor = await opened(hall)
        other = await hall.visit()
        await other.ask_signed("userDataStream.subscribe.signature")
        await visitor.ask("order.place", visitor.stamped(BUY))
        assert await hear_events(visitor, 2) == await hear_events(other, 2)


@pytest.mark.parametrize(
    ("target", "is_combined"),
    [
        ("/ws/btcusdt@trade", False),
        ("/ws/btcusdt%40trade", False),
        ("/stream?streams=btcusdt@trade/ethusdt@trade", True),
    ],
)
async def test_streams_are_raw_below_ws_and_wrapped_below_stream(
    target: str, is_combined: bool, virtual_clock: MockClock
) -> None:
    async with open_hall(feed=[trade(0, "100")]) as hall:
        visitor = await hall.visit(target)
        await hall.exchange.run_feed()
        frame = await visitor.hear()
        if is_combined:
            assert frame["stream"] == "btcusdt@trade"
            frame = frame["data"]
        assert (frame["e"], frame["p"]) == ("trade", "100.00000000")


async def test_candles_and_books_tick_by_the_clock(virtual_clock: MockClock) -> None:
    feed: list[MarketTick] = [quote(0, "99", "101"), trade(0, "100"), quote(700, "98", "102"), trade(2500, "103")]
    async with open_hall(feed=feed) as hall:
        visitor = await hall.visit("/stream")
        reply = await visitor.ask("SUBSCRIBE", ["btcusdt@kline_1s", "btcusdt@depth@100ms", "btcusdt@depth5"])
        assert reply == {"result": None, "id": 1}
        hall.nursery.start_soon(hall.exchange.run_feed)
        told: list[tuple[float, str]] = []
        while trio.current_time() < 2:
            frame = await visitor.hear()
            told.append((round(trio.current_time(), 3), frame["stream"].partition("@")[2]))
        assert sorted(told) == [
            (0.1, "depth@100ms"),
            (0.8, "depth@100ms"),
            (1.0, "depth5"),
            (1.0, "kline_1s"),
            (1.0, "kline_1s"),
            (2.0, "kline_1s"),
        ]


@pytest.mark.parametrize(("speed", "ends_s"), [(1.0, 10.0), (4.0, 2.5), (0.5, 20.0)])
async def test_a_feed_is_paced_by_the_clock(speed: float, ends_s: float, virtual_clock: MockClock) -> None:
    start_ms = 1_610_064_000_278
    feed = [trade(start_ms, "100"), trade(start_ms + 5000, "101"), trade(start_ms + 10_000, "102")]
    async with open_hall(PaperConfig(speed=speed), feed=list(feed)) as hall:
        visitor = await hall.visit("/ws/btcusdt@trade")
        opened_ms = hall.clock.unix_ms()
        await hall.exchange.run_feed()
        assert trio.current_time() == pytest.approx(ends_s)
        times_ms = [(await visitor.hear())["T"] - opened_ms for _ in range(3)]
        assert times_ms == [0, round(ends_s * 500), round(ends_s * 1000)]
        assert hall.exchange.finished.is_set()


async def test_without_a_feed_nothing_is_played(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        await hall.exchange.run_feed()
        assert not hall.exchange.finished.is_set()


def test_feeds_are_opened_as_configured(tmp_path: Path) -> None:
    trades, klines = tmp_path / "trades.csv", tmp_path / "klines.csv"
    trades.write_text("7,100.5,0.2,20.1,1610064000278,True,True\n")
    klines.write_text("1610064000000,1,2,0.5,1.5,8,1610064059999,0,4,0,0,0\n")
    assert open_feed(None, seed=1) is None
    played = open_feed(TradesFeed(symbol="BTCUSDT", file=trades), seed=1)
    assert played is not None
    assert [tick.time_ms for tick in played] == [1610064000278]
    played = open_feed(KlinesFeed(symbol="BTCUSDT", file=klines), seed=1)
    assert played is not None
    assert len(list(played)) == 4
    walk = RandomWalkFeed(symbol="BTCUSDT", price=Decimal(100), step=Decimal(1), interval_ms=500)
    played = open_feed(walk, seed=1)
    assert played is not None
    first = [tick for tick, _ in zip(played, range(20), strict=False)]
    again = open_feed(walk, seed=1)
    assert again is not None
    assert [tick for tick, _ in zip(again, range(20), strict=False)] == first
    assert first[-1].time_ms - first[0].time_ms == 4500


async def test_an_unreadable_feed_says_where(tmp_path: Path, virtual_clock: MockClock) -> None:
    file = tmp_path / "trades.csv"
    file.write_text("7,100.5,0.2,20.1,1610064000278,True,True\n8,oops,0.2,20.1,1610064000279,True,True\n")
    config = PaperConfig(feed=TradesFeed(symbol="BTCUSDT", file=file))
    async with open_hall(config) as hall:
        with pytest.raises(FeedError) as error:
            await hall.exchange.run_feed()
        assert error.value.line == 2
        assert not hall.exchange.finished.is_set()


def test_a_mistake_in_the_configuration_is_raised_before_anything_is_set_up() -> None:
    with pytest.raises(ConfigError, match=r"paper\.symbols\[0\]"):
        PaperExchange(PaperConfig(symbols=("BTCUSD",)), clock=Clock.system(), seed=1)


def test_one_seed_gives_one_day() -> None:
    walk = RandomWalkFeed(symbol="BTCUSDT", price=Decimal(40_000), step=Decimal(1), interval_ms=60_000)

    async def day() -> list[Any]:
        frames: list[Any] = []
        async with open_hall(PaperConfig(feed=walk)) as hall:
            visitor = await opened(hall)
            streams = await hall.visit("/stream?streams=btcusdt@trade/btcusdt@depth/btcusdt@kline_5m")
            hall.nursery.start_soon(hall.exchange.run_feed)

            async def listen(listener: Visitor) -> None:
                while True:
                    frames.append(await listener.hear())

            hall.nursery.start_soon(listen, streams)
            for _ in range(20):
                await trio.sleep(600)
                await visitor.send("order.place", visitor.stamped({**MARKET, "quantity": "0.01"}))
                frames.extend([await visitor.hear() for _ in range(4)])
        return frames

    first = run_virtual(day, seed=3)
    assert len(first) > 500
    assert run_virtual(day, seed=3) == first
