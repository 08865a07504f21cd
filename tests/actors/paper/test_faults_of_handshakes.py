"""Faults of attempts to connect: refused, stalled, cut, garbled, before the handshake or instead of its answer."""

import json
from contextlib import suppress
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from dogwatch.actors.paper.faults import (
    AcceptFault,
    CutAccept,
    CutHandshake,
    GarbleHandshake,
    HandshakeFault,
    RefuseHandshake,
    RefuseLogon,
    StallAccept,
    StallHandshake,
)
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.paper.guest import open_guest
from tests.actors.paper.visitor import API, HANDSHAKE, HOST, Hall, open_hall


async def answer_to_a_handshake(hall: Hall, target: str = API) -> bytes:
    stream = await hall.connect()
    await stream.send_all(HANDSHAKE.replace(API.encode(), target.encode()))
    return bytes(await stream.receive_some())


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


def retry_after_of(answer: bytes) -> bytes | None:
    head = answer.partition(b"\r\n\r\n")[0]
    return dict(line.split(b": ") for line in head.lower().split(b"\r\n")[1:]).get(b"retry-after")


@pytest.mark.parametrize("retry_after_s", [None, 7.0])
async def test_a_handshake_is_refused_with_the_status_that_was_asked_for(
    retry_after_s: float | None, virtual_clock: MockClock
) -> None:
    async with open_hall() as hall:
        fault = RefuseHandshake(status=503, retry_after_s=retry_after_s, code=-1008, message="Busy.")
        hall.exchange.faults.add(fault, times=2)
        for _ in range(2):
            answer = await answer_to_a_handshake(hall)
            assert status_of(answer) == 503
            assert retry_after_of(answer) == (b"7" if retry_after_s else None)
            assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"code": -1008, "msg": "Busy."}
        await hall.visit()
        assert [entry.fault for entry in hall.exchange.faults.struck] == [fault, fault]
        assert [attempt.status for attempt in hall.exchange.record.attempts] == [503, 503, 101]
        assert hall.exchange.limits_of_address().connections.count == 3


@pytest.mark.parametrize("status", [101, 200, 600])
def test_a_handshake_is_not_refused_with_a_status_that_refuses_nothing(status: int) -> None:
    with pytest.raises(ValueError, match="RefuseHandshake: status refuses, 300 to 599"):
        RefuseHandshake(status=status)


async def test_a_fault_strikes_only_the_door_that_was_meant(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        armed = hall.exchange.faults.add(RefuseHandshake(to="market", status=403), times=None)
        await hall.visit()
        assert status_of(await answer_to_a_handshake(hall, "/ws/btcusdt@trade")) == 403
        assert status_of(await answer_to_a_handshake(hall, "/stream")) == 403
        assert armed.hits == 2


async def test_a_fault_may_be_meant_for_one_port_or_address(virtual_clock: MockClock) -> None:
    network = MemoryNetwork()
    async with open_hall() as hall, trio.open_nursery() as nursery:
        await nursery.start(hall.exchange.serve, [network.listen(HOST, 443), network.listen(HOST, 9443)])
        faults = hall.exchange.faults
        faults.add(CutHandshake(), times=None, where=lambda facts: facts["port"] == 443)
        faults.add(CutAccept(), times=None, where=lambda facts: facts["address"] == "10.0.0.2")
        answers = {}
        for port in (443, 9443):
            for source in ("10.0.0.1", "10.0.0.2"):
                stream = await network.connect(HOST, port, source=source)
                with suppress(trio.BrokenResourceError):  # it may be cut already
                    await stream.send_all(HANDSHAKE)
                answers[port, source] = bytes(await stream.receive_some())[:12]
        assert answers == {
            (443, "10.0.0.1"): b"",
            (443, "10.0.0.2"): b"",
            (9443, "10.0.0.1"): b"HTTP/1.1 101",
            (9443, "10.0.0.2"): b"",
        }
        attempts = hall.exchange.record.attempts
        assert [(attempt.address, attempt.port, attempt.target, attempt.status) for attempt in attempts] == [
            ("10.0.0.1", 443, API, 0),
            ("10.0.0.2", 443, "", 0),
            ("10.0.0.1", 9443, API, 101),
            ("10.0.0.2", 9443, "", 0),
        ]
        # Who never says anything has not attempted a handshake.
        assert hall.exchange.limits_of_address("10.0.0.1").connections.count == 2
        assert hall.exchange.limits_of_address("10.0.0.2").connections.count == 0
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("fault", [StallHandshake(for_s=40), StallAccept(for_s=40)])
async def test_a_stalled_handshake_is_answered_when_it_is_over(
    fault: HandshakeFault | AcceptFault, virtual_clock: MockClock
) -> None:
    async with open_hall() as hall:
        hall.exchange.faults.add(fault)
        visitor = await hall.visit()
        assert trio.current_time() == 40
        assert (await visitor.ask("ping"))["status"] == 200


@pytest.mark.parametrize("fault", [StallHandshake(), StallAccept()])
async def test_who_leaves_a_stalled_handshake_is_let_go(
    fault: HandshakeFault | AcceptFault, virtual_clock: MockClock
) -> None:
    async with open_hall() as hall:
        hall.exchange.faults.add(fault)
        stream = await hall.connect()
        await stream.send_all(HANDSHAKE)
        with trio.move_on_after(30):
            await stream.receive_some()
        assert trio.current_time() == 30
        await stream.aclose()
        await trio.sleep(4000)
        assert hall.network.connections == []
        assert [log for log in hall.exchange.record.connections if log.is_open] == []


async def test_a_cut_handshake_is_the_end_of_the_stream(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        hall.exchange.faults.add(CutHandshake())
        assert await answer_to_a_handshake(hall) == b""
        assert (await answer_to_a_handshake(hall)).startswith(b"HTTP/1.1 101")


async def test_a_connection_may_end_before_anything_is_said(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        hall.exchange.faults.add(CutAccept())
        stream = await hall.connect()
        assert await stream.receive_some() == b""


async def test_a_garbled_answer_is_no_http(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        hall.exchange.faults.add(GarbleHandshake())
        assert not (await answer_to_a_handshake(hall)).startswith((b"HTTP", b"\x16"))
        assert (await answer_to_a_handshake(hall)).startswith(b"HTTP/1.1 101")


async def test_a_real_limit_refuses_before_a_fault_does(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        hall.exchange.ban(60)
        armed = hall.exchange.faults.add(RefuseHandshake(status=503))
        answer = await answer_to_a_handshake(hall)
        assert (status_of(answer), retry_after_of(answer)) == (418, b"60")
        assert armed.hits == 0


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (RefuseLogon(), (503, -1008)),
        (RefuseLogon(code=-2015, status=401, message="No."), (401, -2015)),
    ],
)
async def test_a_logon_is_refused_as_often_as_was_asked_for(
    fault: RefuseLogon, error: tuple[int, int], virtual_clock: MockClock
) -> None:
    async with open_hall() as hall:
        hall.exchange.faults.add(fault, times=2)
        visitor = await hall.visit()
        replies: list[Any] = [await visitor.log_on() for _ in range(3)]
        assert [(reply["status"], reply["error"]["code"]) for reply in replies[:2]] == [error, error]
        assert replies[2]["result"]["apiKey"] == hall.exchange.api_key


async def test_a_refusal_may_say_when_to_try_again(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(RefuseLogon(method="order.status", retry_after_s=2.5))
        answer = await guest.ask("order.status", symbol="BTCUSDT", origClientOrderId="a")
        data = answer["error"]["data"]
        assert data["retryAfter"] - data["serverTime"] == 2500


async def test_a_stall_over_sockets_lasts_until_the_client_gives_up() -> None:
    async with open_hall() as hall, trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(hall.exchange.serve, listeners)
        port = listeners[0].socket.getsockname()[1]
        hall.exchange.faults.add(StallAccept(), where=lambda facts: facts["port"] == port)
        stalled = await trio.open_tcp_stream("127.0.0.1", port)
        await stalled.send_all(HANDSHAKE)
        second = await trio.open_tcp_stream("127.0.0.1", port)
        await second.send_all(HANDSHAKE)
        assert (await second.receive_some()).startswith(b"HTTP/1.1 101")
        silent = True
        with trio.move_on_after(0.05):
            await stalled.receive_some()
            silent = False
        assert silent
        first, other = hall.exchange.record.attempts
        assert (first.address, first.port, first.status, other.status) == ("127.0.0.1", port, 0, 101)
        await stalled.aclose()
        await second.aclose()
        nursery.cancel_scope.cancel()
