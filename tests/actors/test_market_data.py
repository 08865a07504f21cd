"""Market data over a connection that the test plays: subscribing on demand, again after a loss, and slow readers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.connection import (
    Connected,
    ConnectionTopics,
    Disconnected,
    FrameBatch,
    PingReceived,
    Reconnect,
)
from dogwatch.actors.feeds import AggTrades, AllMiniTickers, Broken, Depth, DepthDiffs, Klines, Quotes, Trades
from dogwatch.actors.following import Following
from dogwatch.actors.interest import STREAMS_MAX, Interest
from dogwatch.actors.line import Line
from dogwatch.actors.market_data import LINGER_S, MarketData
from dogwatch.actors.rotation_messages import RotateNow, RotationTopics
from dogwatch.actors.spot.instant import in_us
from dogwatch.actors.spot.stream_events import Trade
from dogwatch.actors.transmit import Transmit
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Gap
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import System, run_system

pytestmark = pytest.mark.usefixtures("virtual_clock")


class FakeConnection(Actor):
    """Notes what it is to transmit, and answers like the exchange while `desk.answers`."""

    lanes = (Lane("all", accepts=(Transmit, Reconnect)),)

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk

    def on_transmit(self, message: Transmit) -> None:
        request = msgspec.json.decode(message.payload)
        self._desk.sent.append((trio.current_time(), request))
        self._desk.sent_on.append(message.epoch)
        if self._desk.answers and message.epoch not in self._desk.deaf:
            self._desk.answer(request, epoch=message.epoch)

    def on_reconnect(self, message: Reconnect) -> None:
        self._desk.reconnects.append(message.reason)


class Desk:
    """What the test sees of market data. The sockets 1, 3, … stand on the first line, the others on the second."""

    def __init__(self) -> None:
        self.topics = (ConnectionTopics("market.a"), ConnectionTopics("market.b", is_wanted=False))
        self.rotation = RotationTopics("market")
        self.interest = Interest()
        self.sent: list[tuple[float, dict[str, Any]]] = []
        self.sent_on: list[int] = []
        self.reconnects: list[str] = []
        self.rotations_wanted: list[RotateNow] = []
        self.rotations_wanted_s: list[float] = []
        self.answers = True
        self.refuses = False
        self.names_streams = False
        self.deaf: set[int] = set()  # epochs of sockets that answer nothing
        self.forgets: set[str] = set()  # streams that the exchange says yes to and does not subscribe
        self.listed: dict[int, dict[str, None]] = {}  # what the exchange has as subscribed, by epoch
        self.listed_max = 0
        self.list_says: object = None  # in place of the streams that are subscribed
        self.data: ActorRef[MarketData]
        self.system: System
        self.rotation.wanted.tap(self._note_rotation, on_error=_fail)

    def connect(self, epoch: int = 1) -> None:
        topics = self.topics[(epoch + 1) % 2]
        topics.epoch = epoch
        self.listed[epoch] = {}
        topics.states.publish(Connected(epoch=epoch))

    def disconnect(self, epoch: int = 1) -> None:
        topics = self.topics[(epoch + 1) % 2]
        topics.epoch = None
        topics.states.publish(Disconnected(epoch=epoch, reason="cut", unsent=frozenset()))

    def receive(self, *frames: dict[str, Any], epoch: int = 1) -> None:
        payloads = [msgspec.json.encode(frame) for frame in frames]
        frames_of = self.topics[(epoch + 1) % 2].frames
        frames_of.publish(FrameBatch(epoch=epoch, payloads=payloads, received_s=trio.current_time()))

    def ping(self, epoch: int = 1) -> None:
        pings = self.topics[(epoch + 1) % 2].pings
        pings.publish(PingReceived(epoch=epoch, payload=b"", received_s=trio.current_time()))

    def crash(self) -> None:
        """What a mistake in a handler does."""
        self.topics[0].frames.publish(FrameBatch(epoch=1, payloads=[3], received_s=0.0))  # type: ignore[list-item]

    def data_statistics(self) -> dict[str, Any]:
        node = next(node for node in self.system.tree().walk() if node.path.endswith("market_data"))
        return dict(node.statistics)

    def answer(self, request: dict[str, Any], *, epoch: int) -> None:
        """As the exchange does."""
        listed = self.listed[epoch]
        if request["method"] in ("SET_PROPERTY", "GET_PROPERTY"):
            if request["method"] == "SET_PROPERTY":
                self.names_streams = not self.refuses
            self.receive({"result": self.names_streams or None, "id": request["id"]}, epoch=epoch)
            return
        if self.refuses and request["method"] == "SUBSCRIBE":
            self.receive({"error": {"code": 2, "msg": "Invalid request"}, "id": request["id"]}, epoch=epoch)
            return
        for stream in request.get("params", ()):
            if request["method"] == "SUBSCRIBE" and stream not in self.forgets:
                listed[stream] = None
            else:
                listed.pop(stream, None)
        self.listed_max = max(self.listed_max, len(listed))
        result = (self.list_says or list(listed)) if request["method"] == "LIST_SUBSCRIPTIONS" else None
        self.receive({"result": result, "id": request["id"]}, epoch=epoch)

    def answer_all(self) -> None:
        """Catch up with what was left unanswered, and answer from now on."""
        for epoch, (_, request) in zip(self.sent_on, self.sent, strict=True):
            if epoch in self.listed:
                self.answer(request, epoch=epoch)
        self.answers = True

    def follow(self, feed: Any) -> Following[Any]:
        topic = self.interest.follow(feed.stream)
        return Following(feed, feed.subscription(topic), lambda: self.interest.release(feed.stream))

    def requests(self, epoch: int | None = None) -> list[tuple[str, list[str]]]:
        """What was asked, on one socket or on all."""
        asked = zip(self.sent_on, self.sent, strict=True)
        return [(one["method"], one.get("params", [])) for on, (_, one) in asked if epoch in (None, on)]

    def _note_rotation(self, wish: RotateNow) -> None:
        self.rotations_wanted.append(wish)
        self.rotations_wanted_s.append(trio.current_time())


def _fail(error: Exception) -> None:
    raise error


@asynccontextmanager
async def market(*, resource: str = "/stream") -> AsyncIterator[Desk]:
    desk = Desk()
    connections = [
        ChildSpec(f"connection_{line}", partial(FakeConnection, desk), actor=FakeConnection) for line in "ab"
    ]
    refs: list[ActorRef[Any]] = [connection.ref for connection in connections]
    lines = [Line(name, ref, topics) for name, ref, topics in zip("ab", refs, desk.topics, strict=True)]
    data = ChildSpec(
        "market_data",
        lambda: MarketData(lines=lines, interest=desk.interest, rotation_topics=desk.rotation, resource=resource),
        actor=MarketData,
    )
    desk.data = data.ref
    async with run_system(SupervisorSpec("root", [*connections, data])) as desk.system:
        yield desk


def quote(update_id: int, bid: str = "1.0") -> dict[str, Any]:
    data = {"u": update_id, "s": "BTCUSDT", "b": bid, "B": "1", "a": "2.0", "A": "1"}
    return {"stream": "btcusdt@bookTicker", "data": data}


def trade(trade_id: int) -> dict[str, Any]:
    data = {"e": "trade", "E": 1, "s": "BTCUSDT", "t": trade_id, "p": "1", "q": "1", "T": 1, "m": True}
    return {"stream": "btcusdt@trade", "data": data}


def diff(update_id: int) -> dict[str, Any]:
    data = {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": update_id, "u": update_id, "b": [["1", "2"]], "a": []}
    return {"stream": "btcusdt@depth@100ms", "data": data}


def kline(opened_ms: int, close: str) -> dict[str, Any]:
    candle = {
        "t": opened_ms,
        "T": opened_ms + 59_999,
        "s": "BTCUSDT",
        "i": "1m",
        "f": 1,
        "L": 2,
        "o": "1",
        "c": close,
        "h": "2",
        "l": "1",
        "v": "3",
        "n": 2,
        "x": False,
        "q": "3",
        "V": "1",
        "Q": "1",
        "B": "0",
    }
    return {"stream": "btcusdt@kline_1m", "data": {"e": "kline", "E": 1, "s": "BTCUSDT", "k": candle}}


async def test_what_is_followed_is_subscribed_in_one_request_as_soon_as_there_is_a_connection() -> None:
    async with market() as desk:
        followings = [desk.follow(Quotes("BTCUSDT")), desk.follow(Quotes("BTCUSDT")), desk.follow(Trades("ETHUSDT"))]
        await wait_all_tasks_blocked()
        assert desk.sent == []
        desk.connect()
        await wait_all_tasks_blocked()
        assert desk.requests() == [("SUBSCRIBE", ["btcusdt@bookTicker", "ethusdt@trade"])]
        assert len(followings) == 3


async def test_requests_keep_below_five_messages_a_second() -> None:
    async with market() as desk:
        desk.connect()
        kept = []
        for number in range(50):
            kept.append(desk.follow(Quotes(f"SYMBOL{number}")))
            await trio.sleep(0.02)
        await trio.sleep(5)
        times = [at_s for at_s, _ in desk.sent]
        assert len(times) > 4
        assert all(later - earlier > 1 for earlier, later in zip(times, times[4:], strict=False)), "one for a pong"
        assert sum(len(params) for _, params in desk.requests()) == 50


async def test_what_nobody_follows_any_more_is_unsubscribed_after_it_has_lingered() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(Quotes("BTCUSDT")):
            await trio.sleep(1)
        with desk.follow(Quotes("BTCUSDT")):
            await trio.sleep(2 * LINGER_S)
        assert [method for method, _ in desk.requests()] == ["SUBSCRIBE"]
        await trio.sleep(2 * LINGER_S)
        assert desk.requests()[-1] == ("UNSUBSCRIBE", ["btcusdt@bookTicker"])
        assert desk.interest.topic("btcusdt@bookTicker") is None


async def test_with_as_many_streams_as_there_may_be_room_is_made_before_another_is_asked_for() -> None:
    async with market() as desk:
        desk.connect()
        before = [desk.follow(Quotes(f"S{number}")) for number in range(STREAMS_MAX)]
        await trio.sleep(10)
        for following in before[:300]:
            following.close()
        after = [desk.follow(Quotes(f"T{number}")) for number in range(300)]
        await trio.sleep(2 * LINGER_S)
        assert desk.listed_max == STREAMS_MAX
        assert desk.listed[1].keys() == desk.interest.wanted(trio.current_time(), linger_s=LINGER_S)
        assert len(desk.listed[1]) == STREAMS_MAX == len(before) - 300 + len(after)


async def test_a_stream_too_many_takes_nothing_from_those_before_it_and_waits_for_room() -> None:
    async with market() as desk:
        desk.connect()
        before = [desk.follow(Quotes(f"S{number}")) for number in range(STREAMS_MAX)]
        await trio.sleep(10)
        subscribed = set(desk.listed[1])
        with desk.follow(Quotes("A1")):
            await trio.sleep(2 * LINGER_S)
            assert set(desk.listed[1]) == subscribed
            desk.disconnect()
            desk.connect(2)
            await trio.sleep(10)
            assert set(desk.listed[2]) == subscribed
            before.pop().close()
            await trio.sleep(10)
            assert "a1@bookTicker" in desk.listed[2]
            assert len(desk.listed[2]) == STREAMS_MAX


async def test_an_iterator_that_nobody_holds_is_followed_no_longer() -> None:
    async with market() as desk:
        following = desk.follow(Quotes("BTCUSDT"))
        del following
        assert desk.interest.wanted(0.0, linger_s=1) == {"btcusdt@bookTicker"}
        assert desk.interest.wanted(1.0, linger_s=1) == frozenset()


async def test_a_new_connection_is_subscribed_to_everything_that_is_followed() -> None:
    async with market() as desk:
        desk.connect()
        kept = desk.follow(Quotes("BTCUSDT"))
        await trio.sleep(1)
        desk.disconnect()
        await trio.sleep(1)
        desk.connect(2)
        await wait_all_tasks_blocked()
        assert desk.requests() == [("SUBSCRIBE", ["btcusdt@bookTicker"])] * 2
        kept.close()


async def test_a_slow_reader_of_quotes_sees_the_newest_only() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(Quotes("BTCUSDT")) as quotes:
            desk.receive(*(quote(number) for number in range(1000)))
            assert (await anext(quotes)).update_id == 999
            with trio.move_on_after(1) as scope:
                await anext(quotes)
            assert scope.cancelled_caught


def odd_frames(number: int) -> list[dict[str, Any]]:
    """What may come between quotes and trades."""
    return [
        {"stream": "btcusdt@bookTicker", "data": NOTICE},
        {"stream": "btcusdt@depth5@100ms", "data": {"lastUpdateId": number, "bids": [["1", "2"]], "asks": []}},
        {"stream": "ethusdt@bookTicker", "data": quote(number)["data"] | {"s": "ETHUSDT"}},
        {"data": quote(number)["data"], "stream": "btcusdt@bookTicker"},
        {"result": None, "id": 9},
        {"stream": "nobody@trade", "data": trade(number)["data"]},
    ]


@pytest.mark.parametrize("seed", range(5))
async def test_of_frames_that_come_together_nothing_is_left_out_but_quotes_that_are_old_already(seed: int) -> None:
    random = Random(seed)
    heard: dict[str, list[int]] = {}
    async with market() as desk:
        desk.connect()

        def hear(feed: Any, name: str, *, is_latest: bool) -> None:
            numbers = heard.setdefault(name, [])
            desk.interest.follow(feed.stream).tap(
                lambda event: numbers.append(getattr(event, name)), on_error=_fail, is_latest=is_latest
            )

        hear(Quotes("BTCUSDT"), "update_id", is_latest=True)
        hear(Depth("BTCUSDT", levels=5), "last_update_id", is_latest=True)
        hear(Trades("BTCUSDT"), "trade_id", is_latest=True)  # who says so of trades gets them all the same
        every_quote: list[int] = []
        desk.interest.follow("ethusdt@bookTicker").tap(
            lambda event: every_quote.append(event.update_id), on_error=_fail
        )
        number = notices = unread = 0
        trades: list[int] = []
        others: list[int] = []
        for _ in range(40):
            batch: list[dict[str, Any]] = []
            quotes: list[int] = []
            books: list[int] = []
            for _ in range(random.randrange(1, 9)):
                number += 1
                kind = random.choice(["quote", "quote", "trade", "odd"])
                odd = random.randrange(6)
                batch.append(
                    quote(number) if kind == "quote" else trade(number) if kind == "trade" else odd_frames(number)[odd]
                )
                quotes += [number] if kind == "quote" or (kind, odd) == ("odd", 3) else []
                books += [number] if (kind, odd) == ("odd", 1) else []
                trades += [number] if kind == "trade" else []
                others += [number] if (kind, odd) == ("odd", 2) else []
                notices += (kind, odd) == ("odd", 0)
                unread += (kind, odd) == ("odd", 5)
            heard["update_id"].clear()
            heard["last_update_id"].clear()
            desk.receive(*batch)
            assert heard["update_id"][-1:] == quotes[-1:]
            assert set(heard["update_id"]) <= set(quotes)
            assert heard["last_update_id"] == books[-1:]
        assert heard["trade_id"] == trades
        assert every_quote == others
        assert len(desk.rotations_wanted) == notices
        assert desk.data_statistics()["unread"] == unread


async def test_a_slow_reader_of_trades_is_told_how_many_it_missed() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(Trades("BTCUSDT")) as trades:
            desk.receive(*(trade(number) for number in range(5000)))
            assert await anext(trades) == Gap(lane="btcusdt@trade", dropped=5000 - 4096)
            assert (await anext(trades)).trade_id == 5000 - 4096


async def test_trades_that_were_missed_while_the_line_was_down_are_counted_by_their_ids() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(Trades("BTCUSDT")) as trades:
            await trio.sleep(1)
            desk.receive(trade(10))
            desk.disconnect()
            desk.connect(2)
            desk.receive(trade(14), trade(15), epoch=2)
            events = [await anext(trades) for _ in range(4)]
            assert [event.trade_id if isinstance(event, Trade) else event.dropped for event in events] == [
                10,
                3,
                14,
                15,
            ]


async def test_aggregate_trades_that_were_missed_are_counted_too() -> None:
    def aggregate(number: int) -> dict[str, Any]:
        data = {"e": "aggTrade", "E": 1, "s": "BTCUSDT", "a": number, "p": "1", "q": "1", "f": 1, "l": 1, "T": 1}
        return {"stream": "btcusdt@aggTrade", "data": data | {"m": True}}

    async with market() as desk:
        desk.connect()
        with desk.follow(AggTrades("BTCUSDT")) as trades:
            await trio.sleep(1)
            desk.receive(aggregate(10))
            desk.disconnect()
            desk.connect(2)
            desk.receive(aggregate(14), epoch=2)
            assert (await anext(trades)).aggregate_trade_id == 10
            assert await anext(trades) == Gap(lane="btcusdt@aggTrade", dropped=3)
            assert (await anext(trades)).aggregate_trade_id == 14


async def test_tickers_that_come_together_are_published_one_by_one() -> None:
    ticker = {"e": "24hrMiniTicker", "E": 1, "c": "1", "o": "1", "h": "1", "l": "1", "v": "1", "q": "1"}
    async with market() as desk:
        desk.connect()
        with desk.follow(AllMiniTickers()) as tickers:
            await trio.sleep(1)
            assert desk.requests() == [("SUBSCRIBE", ["!miniTicker@arr"])]
            for symbols in ("AB", "", "BC"):
                desk.receive({"stream": "!miniTicker@arr", "data": [ticker | {"s": symbol} for symbol in symbols]})
            assert [(await anext(tickers)).symbol for _ in range(3)] == ["A", "B", "C"]


async def test_a_book_that_lost_changes_is_broken_whoever_lost_them() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(DepthDiffs("BTCUSDT")) as diffs:
            await trio.sleep(1)
            desk.receive(*(diff(number) for number in range(4097)))
            assert isinstance(await anext(diffs), Broken)
            assert (await anext(diffs)).final_update_id == 4096
            desk.disconnect()
            assert await anext(diffs) == Broken(stream="btcusdt@depth@100ms", reason="cut")


async def test_each_candle_is_seen_in_its_last_state_and_a_partial_book_knows_its_symbol() -> None:
    async with market() as desk:
        desk.connect()
        book = {"stream": "btcusdt@depth5@100ms", "data": {"lastUpdateId": 7, "bids": [["1", "2"]], "asks": []}}
        with desk.follow(Klines("BTCUSDT")) as klines, desk.follow(Depth("BTCUSDT", levels=5)) as books:
            desk.receive(kline(0, "1"), kline(0, "1.5"), kline(60_000, "1.7"), book)
            assert [str((await anext(klines)).close_price) for _ in range(2)] == ["1.5", "1.7"]
            assert (await anext(books)).symbol == "BTCUSDT"


async def test_a_raw_connection_is_made_combined_before_anything_is_asked_for() -> None:
    async with market(resource="/ws") as desk:
        kept = desk.follow(Quotes("BTCUSDT"))
        desk.connect()
        await trio.sleep(2)
        assert desk.sent[0][1]["params"] == ["combined", True]
        assert [method for method, _ in desk.requests()] == ["SET_PROPERTY", "GET_PROPERTY", "SUBSCRIBE"]
        kept.close()


async def test_a_connection_that_cannot_be_made_combined_is_given_up() -> None:
    async with market(resource="/ws") as desk:
        desk.refuses = True
        desk.connect()
        await trio.sleep(2)
        assert desk.reconnects == ["the exchange does not name the streams of events"]
        assert [method for method, _ in desk.requests()] == ["SET_PROPERTY", "GET_PROPERTY"]


async def test_a_stream_is_served_when_the_exchange_has_said_so() -> None:
    async with market() as desk:
        kept = desk.follow(Quotes("BTCUSDT"))
        desk.answers = False
        desk.connect()
        await trio.sleep(1)
        assert not desk.interest.is_served("btcusdt@bookTicker")
        desk.answer_all()
        await trio.sleep(1)
        assert desk.interest.is_served("btcusdt@bookTicker")
        desk.disconnect()
        assert not desk.interest.is_served("btcusdt@bookTicker")
        kept.close()


async def test_times_in_microseconds_are_milliseconds_that_know_more() -> None:
    async with market(resource="/stream?timeUnit=MICROSECOND") as desk:
        desk.connect()
        with desk.follow(Trades("BTCUSDT")) as trades:
            frame = trade(1)
            frame["data"]["T"] = 1_700_000_000_123_456
            desk.receive(frame)
            event = await anext(trades)
            assert (event.trade_time_ms, in_us(event.trade_time_ms)) == (1_700_000_000_123, 1_700_000_000_123_456)


async def test_refusals_and_nonsense_stop_nothing() -> None:
    async with market() as desk:
        desk.connect()
        with desk.follow(Quotes("BTCUSDT")) as quotes:
            await wait_all_tasks_blocked()
            desk.receive(
                {"error": {"code": 2, "msg": "Invalid request"}, "id": 1},
                {"stream": "btcusdt@nonsense", "data": {"e": "new-kind"}},
                quote(1),
            )
            desk.topics[0].frames.publish(FrameBatch(epoch=1, payloads=[b"{{{"], received_s=0.0))
            assert (await anext(quotes)).update_id == 1
            await wait_all_tasks_blocked()
            assert desk.reconnects == []


NOTICE = {"e": "serverShutdown", "E": 1}


@pytest.mark.parametrize(
    "notice",
    [NOTICE, {"stream": "!serverShutdown", "data": NOTICE}, {"event": NOTICE}],
    ids=["raw", "combined", "as the WebSocket API says it"],
)
async def test_when_the_server_announces_its_shutdown_a_rotation_is_wanted(notice: dict[str, Any]) -> None:
    async with market() as desk:
        desk.connect()
        desk.receive(notice)
        desk.connect(2)
        desk.receive(notice, epoch=2)
        assert desk.rotations_wanted == [
            RotateNow(epoch=1, reason="the server announced its shutdown"),
            RotateNow(epoch=2, reason="the server announced its shutdown"),
        ]
        assert desk.data.statistics().depth == 0
