"""Faults of connections: cut, half-closed, stalled, shut down; before a request, after it, or at once."""

import pytest
import trio
from trio.testing import MockClock

from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.actors.paper.faults import ConnectionFault, Cut, EventsFirst, HalfClose, ShutDown, Stall, When
from dogwatch.runtime.clock import Clock
from tests.actors.paper.guest import Guest, open_guest

STATUS = {"symbol": "BTCUSDT", "origClientOrderId": "a"}


def placed(guest: Guest) -> list[str]:
    return [order["clientOrderId"] for order in guest.hall.exchange.orders()]


@pytest.mark.parametrize(("when", "carried_out"), [("before", []), ("after", ["a"])])
async def test_a_cut_takes_the_answer_and_the_events_with_it(
    when: When, carried_out: list[str], virtual_clock: MockClock
) -> None:
    async with open_guest() as guest:
        other = await Guest.arrive(guest.hall)
        guest.faults.add(Cut(when=when))
        await guest.buy("a")
        await trio.sleep(1)
        assert guest.heard == []
        assert guest.closed_s == 0.0
        assert placed(guest) == carried_out
        assert other.closed_s is None
        assert other.reports() == ["NEW"] * len(carried_out)
        closed, still_open = guest.hall.exchange.connections()
        assert (closed.is_open, closed.closed_because) == (False, "cut by a fault")
        assert still_open.is_open


@pytest.mark.parametrize("when", ["before", "after"])
async def test_what_came_after_the_request_at_which_the_line_was_cut_is_lost(
    when: When, virtual_clock: MockClock
) -> None:
    async with open_guest() as guest:
        guest.faults.add(Cut(when=when), after=1)
        async with trio.open_nursery() as nursery:
            for name in "abc":  # three requests that arrive in one piece
                nursery.start_soon(guest.buy, name)
        await trio.sleep(1)
        assert guest.closed_s is not None
        assert len(placed(guest)) == (1 if when == "before" else 2)
        assert len(guest.faults.struck) == 1


async def test_events_first_does_not_save_them_from_a_cut(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(Cut())
        guest.faults.add(EventsFirst())
        await guest.buy("a")
        await trio.sleep(1)
        assert guest.heard == []
        assert placed(guest) == ["a"]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_after_a_half_close_outwards_requests_are_still_carried_out(when: When, virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(HalfClose(when=when))
        async with trio.open_nursery() as nursery:
            for name in "ab":
                nursery.start_soon(guest.buy, name)
        await trio.sleep(1)
        assert guest.heard == []
        assert guest.closed_s == 0.0
        assert sorted(placed(guest)) == ["a", "b"]


@pytest.mark.parametrize(("when", "carried_out"), [("before", []), ("after", ["a"])])
async def test_after_a_half_close_inwards_nothing_is_read_and_nobody_is_told(
    when: When, carried_out: list[str], virtual_clock: MockClock
) -> None:
    async with open_guest() as guest:
        other = await Guest.arrive(guest.hall)
        guest.faults.add(HalfClose(way="in", when=when))
        await guest.buy("a")
        await trio.sleep(1)
        await guest.buy("b")
        await trio.sleep(1)
        assert placed(guest) == carried_out
        assert len(guest.answers()) == len(carried_out)
        guest.faults.clear()
        await other.buy("c")
        await trio.sleep(1)
        assert guest.told()[-2:] == [(2.0, "NEW"), (2.0, "outboundAccountPosition")]
        await trio.sleep(120)
        assert "Pong timeout" in guest.hall.exchange.connections()[0].closed_because


async def test_a_request_before_a_stall_arrives_when_it_is_over(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(Stall(for_s=4, when="before"))
        await guest.buy("a")
        await trio.sleep(1)
        await guest.buy("b")
        await trio.sleep(1)
        assert placed(guest) == []
        await trio.sleep(10)
        assert placed(guest) == ["a", "b"]
        assert {at_s for at_s, _ in guest.told()} == {4.0}
        assert [answer["status"] for answer in guest.answers()] == [200, 200]


async def test_a_request_that_was_stalled_for_longer_than_its_window_is_refused(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(Stall(for_s=5.5, when="before"))
        await guest.buy("a")
        await trio.sleep(10)
        assert [(at_s, word) for at_s, word in guest.told()] == [(5.5, "400")]
        assert guest.answers()[0]["error"]["code"] == -1021


async def test_an_answer_in_a_stall_comes_when_it_is_over(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(Stall(for_s=30))
        await guest.buy("a")
        await trio.sleep(1)
        assert placed(guest) == ["a"]
        await guest.buy("b")
        await trio.sleep(1)
        assert placed(guest) == ["a"]
        assert guest.heard == []
        await trio.sleep(60)
        assert guest.told() == [
            (30.0, "200"),
            (30.0, "NEW"),
            (30.0, "outboundAccountPosition"),
            (30.0, "400"),  # b was too old
        ]
        assert guest.closed_s is None


async def test_stalls_follow_one_another_in_order(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(Stall(for_s=1, when="before"), times=3)
        start_ms = guest.hall.clock.unix_ms()
        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(guest.buy, name)
        await trio.sleep(10)
        assert [order["time"] - start_ms for order in guest.hall.exchange.orders()] == [1000, 2000, 3000]
        assert [answer["status"] for answer in guest.answers()] == [200, 200, 200]


@pytest.mark.parametrize("latency_ms", [0.0, 250.0])
async def test_a_stall_holds_back_what_the_exchange_says_by_itself(latency_ms: float, virtual_clock: MockClock) -> None:
    async with open_guest(PaperConfig(latency_ms=latency_ms)) as guest:
        await trio.sleep(1)
        guest.faults.now(Stall(for_s=10))
        until_s = round(trio.current_time() + 10, 3)
        await trio.sleep(1)
        exchange = guest.hall.exchange
        exchange.engine.place("main", {**ORDER, "newClientOrderId": "a"}, guest.hall.clock.unix_ms())
        exchange.settle()
        await trio.sleep(8)
        assert guest.heard == []
        await trio.sleep(8)
        assert guest.told() == [(until_s, "NEW"), (until_s, "outboundAccountPosition")]


ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "99", "quantity": "2"}


@pytest.mark.parametrize("notice_s", [0.0, 5.0])
async def test_a_shutdown_is_announced_and_ends_in_order(notice_s: float, virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(ShutDown(notice_s=notice_s))
        await guest.buy("a")
        await trio.sleep(30)
        assert guest.heard[0][1] == {"event": {"e": "serverShutdown", "E": guest.faults.struck[0].at_ms}}
        assert [word for _, word in guest.told()][1:] == ["200", "NEW", "outboundAccountPosition"]
        assert guest.closed_s == notice_s
        reason = guest.visitor.websocket.closed
        assert reason is not None
        assert reason.code == 1001


@pytest.mark.parametrize("fault", [Cut(), HalfClose(), ShutDown()])
async def test_every_connection_can_be_struck_at_once(fault: ConnectionFault, virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        other = await Guest.arrive(guest.hall)
        market = await guest.hall.visit("/ws/btcusdt@trade")
        await trio.sleep(3)
        guest.faults.now(fault)
        await trio.sleep(1)
        assert guest.closed_s == other.closed_s == 3.0
        assert market.websocket.closed is None
        assert [entry.fault for entry in guest.faults.struck] == [fault]
        assert not guest.faults.is_armed


async def test_a_connection_is_struck_by_the_method_that_was_meant(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(Cut(on="order.status"))
        await guest.buy("a")
        await trio.sleep(1)
        assert guest.closed_s is None
        await guest.send("order.status", STATUS)
        await trio.sleep(1)
        assert guest.closed_s == 1.0


async def test_a_stream_of_sockets_is_cut_and_half_closed_too() -> None:
    exchange = PaperExchange(PaperConfig(), clock=Clock.system(), seed=1)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(exchange.serve, listeners)
        port = listeners[0].socket.getsockname()[1]
        for fault in (Cut(), HalfClose()):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(
                b"GET /ws-api/v3 HTTP/1.1\r\nHost: paper\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
            exchange.faults.now(fault)
            assert await stream.receive_some() == b""
            await stream.aclose()
        nursery.cancel_scope.cancel()
