"""Faults that nobody tells of: data without pings, pings without data, an end that is gone, and notices of an end."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock
from wsproto.events import Ping, TextMessage

from dogwatch.actors.paper.faults import (
    ConnectionFault,
    Cut,
    EndSubscriptions,
    HalfOpen,
    Lost,
    NoData,
    NoPings,
    ShutDown,
    SkipPings,
    Stall,
    When,
)
from tests.actors.paper.guest import BUY, Guest, open_guest
from tests.actors.paper.test_server import RawClient
from tests.actors.paper.visitor import open_hall


def pings(guest: Guest) -> int:
    return guest.hall.exchange.connections()[0].pings_sent


def place_behind_its_back(guest: Guest, name: str) -> None:
    exchange = guest.hall.exchange
    exchange.engine.place("main", {**BUY, "newClientOrderId": name}, guest.hall.clock.unix_ms())
    exchange.settle()


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("all", []),
        ("events", ["200"]),
        ("answers", ["NEW", "outboundAccountPosition"]),
    ],
)
async def test_pings_come_and_go_while_data_is_lost(what: Lost, told: list[str], virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        assert guest.faults.now(NoData(for_s=100, what=what)) == 1
        await guest.buy("a")
        await trio.sleep(99)
        assert [word for _, word in guest.told()] == told
        assert pings(guest) == guest.hall.exchange.connections()[0].pongs_matched == 4
        await trio.sleep(1)
        await guest.buy("b")
        await trio.sleep(1)
        assert [word for _, word in guest.told()][len(told) :] == ["200", "NEW", "outboundAccountPosition"]
        assert len(guest.hall.exchange.orders()) == 2  # what was lost was carried out


async def test_pings_of_the_client_are_answered_while_data_is_lost(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        client = await RawClient.open(hall)
        hall.exchange.faults.now(NoData())
        await client.send(TextMessage(data='{"id":1,"method":"ping"}'), Ping(payload=b"there?"))
        (pong,) = await client.hear()
        assert getattr(pong, "payload", None) == b"there?"


async def test_data_comes_without_pings_and_no_pong_is_missed(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        await trio.sleep(30)
        guest.faults.now(NoPings(for_s=300))
        await trio.sleep(300)
        assert pings(guest) == 1
        await guest.buy("a")
        await trio.sleep(35)
        assert pings(guest) == 3
        assert guest.reports() == ["NEW"]
        assert guest.closed_s is None


async def test_as_many_pings_are_skipped_as_was_asked_for(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.now(SkipPings(count=2))
        await trio.sleep(45)
        assert pings(guest) == 0
        await trio.sleep(40)
        assert pings(guest) == 2


def test_no_pings_are_skipped_by_a_senseless_number() -> None:
    with pytest.raises(ValueError, match="SkipPings: count is 1 or more, not 0"):
        SkipPings(count=0)


@pytest.mark.parametrize(("when", "carried_out"), [("before", 0), ("after", 1)])
async def test_a_half_open_connection_says_nothing_and_never_ends(
    when: When, carried_out: int, virtual_clock: MockClock
) -> None:
    async with open_guest() as guest:
        guest.faults.add(HalfOpen(when=when))
        await guest.buy("a")
        await trio.sleep(3600)
        await guest.buy("b")
        await trio.sleep(1)
        assert guest.heard == []
        assert guest.closed_s is None
        exchange = guest.hall.exchange
        assert len(exchange.orders()) == carried_out
        # The exchange has forgotten it: it is not subscribed, and not logged on.
        (log,) = exchange.record.connections
        assert (log.closed_s, log.logged_on[0].until_s, log.subscribed[0].until_s) == (0.0, 0.0, 0.0)
        (seen,) = exchange.connections()
        assert (seen.is_open, seen.closed_because) == (False, "vanished by a fault")


async def test_a_half_open_connection_reads_nothing(virtual_clock: MockClock) -> None:
    async with open_hall(capacity_bytes=4096) as hall:
        client = await RawClient.open(hall)
        hall.exchange.faults.now(HalfOpen())
        await trio.sleep(1)
        with trio.move_on_after(60) as scope:
            await client.ask_without_end()
        assert scope.cancelled_caught


async def test_the_stream_of_a_half_open_connection_is_let_go_in_the_end(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        client = await RawClient.open(hall)
        hall.exchange.faults.now(HalfOpen())
        assert await client.stream.receive_some() == b""
        assert trio.current_time() == 2 * 3600


@pytest.mark.parametrize("is_told", [True, False])
async def test_subscriptions_end_while_the_connection_lives(is_told: bool, virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.now(EndSubscriptions(is_told=is_told))
        await guest.buy("a")
        await trio.sleep(1)
        assert [word for _, word in guest.told()] == (["eventStreamTerminated"] if is_told else []) + ["200"]
        await guest.visitor.send("userDataStream.subscribe")
        await trio.sleep(1)
        assert guest.answers()[-1]["result"] == {"subscriptionId": 1}
        await guest.buy("b")
        await trio.sleep(1)
        assert guest.reports() == ["NEW"]


async def test_market_streams_end_without_a_word(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        market = await hall.visit("/ws/btcusdt@trade")
        hall.exchange.faults.now(EndSubscriptions(), to="market")
        assert await market.ask("LIST_SUBSCRIPTIONS") == {"result": [], "id": 1}


NOTICE = {"e": "serverShutdown", "E": 1_767_225_600_000}


@pytest.mark.parametrize(
    ("target", "fault", "notice"),
    [
        ("/ws-api/v3", ShutDown(), {"event": NOTICE}),
        ("/stream?streams=btcusdt@trade", ShutDown(), {"stream": "!serverShutdown", "data": NOTICE}),
        ("/ws/btcusdt@trade", ShutDown(), NOTICE),
        ("/stream", ShutDown(shape="api"), {"event": NOTICE}),
        ("/stream", ShutDown(shape="raw"), NOTICE),
        ("/ws-api/v3", ShutDown(shape="combined"), {"stream": "!serverShutdown", "data": NOTICE}),
    ],
)
async def test_a_shutdown_is_announced_in_the_shape_of_the_connection(
    target: str, fault: ShutDown, notice: Any, virtual_clock: MockClock
) -> None:
    async with open_hall() as hall:
        visitor = await hall.visit(target)
        assert hall.exchange.faults.now(fault, to=None) == 1
        assert await visitor.hear() == notice


@pytest.mark.parametrize(("ending", "closed_s"), [("close", 5.0), ("cut", 5.0), ("none", None)])
async def test_an_announced_shutdown_ends_as_was_asked_for(
    ending: Any, closed_s: float | None, virtual_clock: MockClock
) -> None:
    async with open_guest() as guest:
        guest.faults.now(ShutDown(notice_s=5, ending=ending))
        await trio.sleep(30)
        assert [word for _, word in guest.told()] == ["serverShutdown"]
        assert guest.closed_s == closed_s


# Whom a fault strikes at once.


async def test_one_of_several_connections_is_struck(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        other = await Guest.arrive(guest.hall)
        stranger = await guest.hall.visit()
        faults = guest.faults
        assert faults.now(Cut(), where=lambda facts: facts["is_logged_on"] and facts["number"] == 1) == 1
        await trio.sleep(1)
        assert (guest.closed_s, other.closed_s) == (None, 0.0)
        assert faults.now(Cut(), where=lambda facts: not facts["is_subscribed"]) == 1
        await trio.sleep(1)
        assert stranger.websocket.closed is not None
        assert guest.closed_s is None


@pytest.mark.parametrize(("to", "struck"), [("api", 1), ("market", 2), (None, 3)])
async def test_the_connections_of_one_door_are_struck(to: Any, struck: int, virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        for target in ("/ws-api/v3", "/stream", "/ws"):
            await hall.visit(target)
        assert hall.exchange.faults.now(Cut(), to=to) == struck


async def test_a_market_connection_is_struck_by_the_message_that_was_meant(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        market = await hall.visit("/ws")
        hall.exchange.faults.add(Stall(on="SUBSCRIBE", for_s=7, when="before"))
        hall.exchange.faults.add(Cut(on=None))
        assert (await market.ask("LIST_SUBSCRIPTIONS"))["result"] == []
        assert trio.current_time() == 0
        assert (await market.ask("SUBSCRIBE", ["btcusdt@trade"]))["result"] is None
        assert trio.current_time() == 7


@pytest.mark.parametrize("fault", [HalfOpen(), NoData(), NoPings(), SkipPings(), EndSubscriptions()])
async def test_each_may_be_armed_for_a_request(fault: ConnectionFault, virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        armed = guest.faults.add(fault)
        await guest.buy("a")
        await trio.sleep(1)
        assert armed.hits == 1
        assert len(guest.hall.exchange.orders()) == 1
