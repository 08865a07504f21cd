"""Connections of the paper exchange over real WebSocket bytes in memory: handshake, pings, limits, ends."""

from contextlib import suppress

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.abc import Stream
from trio.testing import MockClock, wait_all_tasks_blocked
from trio_websocket import ConnectionClosed, ConnectionRejected
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)

from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.connection import PING, TEXT, whole_frame
from dogwatch.actors.paper.rate_limits import RateLimitRules
from tests.actors.paper.visitor import API, HOST, Hall, Visitor, open_hall, trade


async def closed_reason(visitor: Visitor) -> tuple[int, str | None]:
    with suppress(ConnectionClosed):
        while True:
            await visitor.websocket.get_message()
    reason = visitor.websocket.closed
    assert reason is not None
    return reason.code, reason.reason


class RawClient:
    """A client that answers nothing by itself."""

    def __init__(self, hall: Hall, stream: Stream) -> None:
        self.stream = stream
        self.websocket = WSConnection(ConnectionType.CLIENT)
        self.hall = hall

    @classmethod
    async def open(cls, hall: Hall, target: str = API) -> "RawClient":
        client = cls(hall, await hall.connect())
        await client.send(Request(host=HOST, target=target))
        await client.hear()
        return client

    async def send(self, *events: Event) -> None:
        await self.stream.send_all(b"".join(self.websocket.send(event) for event in events))

    async def ask_without_end(self) -> None:
        while True:
            await self.send(TextMessage(data='{"id":1,"method":"exchangeInfo"}'))

    async def hear(self) -> list[Event]:
        self.websocket.receive_data(bytes(await self.stream.receive_some()) or None)
        return list(self.websocket.events())


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/", 404),
        ("/ws-api/v4", 404),
        ("/wsx", 404),
        (f"{API}?timeUnit=SECOND", 400),
        (f"{API}?responseFormat=sbe", 400),
        ("/stream?timeUnit=SECOND", 400),
        ("/stream?streams=" + "/".join(f"s{number}@trade" for number in range(1025)), 400),
    ],
)
async def test_a_target_that_leads_nowhere_is_refused(target: str, status: int, virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        with pytest.RaisesGroup(pytest.RaisesExc(ConnectionRejected, check=lambda error: error.status_code == status)):
            async with trio.open_nursery() as nursery:
                hall.nursery = nursery
                await hall.visit(target)


async def test_what_is_no_websocket_handshake_is_answered_as_http(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        stream = await hall.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: paper\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 400")
        stream = await hall.connect()
        await stream.send_all(b"\x16\x03\x01 this is TLS\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 400")


async def test_a_client_that_never_says_what_it_wants_is_let_go(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        stream = await hall.connect()
        assert await stream.receive_some() == b""
        assert trio.current_time() == 10
        assert hall.exchange.connections() == []


async def test_pings_come_every_20_seconds_and_are_answered(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        await hall.visit()
        await hall.visit("/ws")
        await trio.sleep(24 * 3600 - 1)
        for connection in hall.exchange.connections():
            assert connection.is_open
            assert connection.pings_sent == connection.pongs_matched == 4319


async def test_the_payload_of_a_ping_is_the_servers_time(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        client = await RawClient.open(hall)
        (ping,) = await client.hear()
        assert isinstance(ping, Ping)
        assert ping.payload == str(hall.clock.unix_ms()).encode()
        assert trio.current_time() == 20


@pytest.mark.parametrize("answer", [None, b"", b"something else"])
async def test_without_its_payload_in_a_pong_a_connection_ends_after_a_minute(
    answer: bytes | None, virtual_clock: MockClock
) -> None:
    async with open_hall() as hall:
        client = await RawClient.open(hall)
        for _ in range(3):
            await client.hear()
            if answer is not None:
                await client.send(Pong(payload=answer))
        await client.hear()
        assert trio.current_time() == 80
        await trio.sleep(5)
        (connection,) = hall.exchange.connections()
        assert not connection.is_open
        assert (connection.pings_sent, connection.pongs_matched) == (3, 0)
        assert "Pong timeout" in connection.closed_because


async def test_a_late_pong_keeps_a_connection_and_answers_the_pings_before_it(
    virtual_clock: MockClock,
) -> None:
    async with open_hall() as hall:
        client = await RawClient.open(hall)
        for _ in range(4):
            pings = [(await client.hear())[0] for _ in range(3)]
            newest = pings[-1]
            assert isinstance(newest, Ping)
            await client.send(Pong(payload=bytes(newest.payload)))
        await trio.sleep(1)
        (connection,) = hall.exchange.connections()
        assert connection.is_open
        assert (connection.pings_sent, connection.pongs_matched) == (12, 4)


async def test_no_connection_lives_longer_than_a_day(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        visitor = await hall.visit()
        assert (await closed_reason(visitor))[0] == 1001
        assert trio.current_time() == 24 * 3600


async def test_a_clients_ping_is_answered_with_its_payload(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        client = await RawClient.open(hall)
        await client.send(Ping(payload=b"hello"))
        (pong,) = await client.hear()
        assert isinstance(pong, Pong)
        assert pong.payload == b"hello"


async def test_a_client_that_never_reads_is_cut_off_and_nobody_waits_for_it(
    virtual_clock: MockClock,
) -> None:
    config = PaperConfig(queued_bytes_max=65_536)
    async with open_hall(config, feed=[trade(n, "100") for n in range(3000)]) as hall:
        await RawClient.open(hall, "/ws/btcusdt@trade")
        reader = await hall.visit("/ws/btcusdt@trade")
        hall.nursery.start_soon(hall.exchange.run_feed)
        heard = [(await reader.hear())["t"] for _ in range(3000)]
        assert heard == list(range(3000))
        lazy, prompt = hall.exchange.connections()
        assert (lazy.is_open, prompt.is_open) == (False, True)
        assert lazy.closed_because == "the client does not read: its queue is full"
        assert lazy.queued_bytes <= 65_536


async def test_a_client_that_asks_but_never_reads_is_cut_off(virtual_clock: MockClock) -> None:
    config = PaperConfig(queued_bytes_max=65_536, rate_limits=RateLimitRules(request_weight_per_minute=10**9))
    async with open_hall(config, capacity_bytes=10_000) as hall:
        client = await RawClient.open(hall)
        with pytest.raises(trio.BrokenResourceError):
            await client.ask_without_end()
        assert trio.current_time() == 82
        await wait_all_tasks_blocked()
        assert not hall.exchange.connections()[0].is_open


@pytest.mark.parametrize(
    ("message", "code"),
    [(b"{}", 1003), ("x" * ((1 << 20) + 1), 1009)],
    ids=["binary", "too big"],
)
async def test_frames_that_are_no_requests_end_the_connection(
    message: str | bytes, code: int, virtual_clock: MockClock
) -> None:
    async with open_hall() as hall:
        visitor = await hall.visit()
        await visitor.websocket.send_message(message)
        assert (await closed_reason(visitor))[0] == code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff" * 16, 1002),
        (b"\x81\x02hi", 1002),
        (b"\x81\x82\0\0\0\0\xff\xff", 1007),
    ],
    ids=["no opcode", "not masked", "not UTF-8"],
)
async def test_bytes_that_are_no_frames_end_only_their_own_connection(
    data: bytes, code: int, virtual_clock: MockClock
) -> None:
    async with open_hall() as hall:
        visitor = await hall.visit()
        client = await RawClient.open(hall)
        await client.stream.send_all(data)
        (close,) = await client.hear()
        assert isinstance(close, CloseConnection)
        assert close.code == code
        await client.stream.send_all(data)
        await trio.sleep(3)
        assert [connection.is_open for connection in hall.exchange.connections()] == [False, True]
        assert (await visitor.ask("ping"))["status"] == 200


async def test_a_message_may_come_in_fragments_with_a_ping_between(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        client = await RawClient.open(hall)
        await client.send(TextMessage(data='{"id":1,', message_finished=False), Ping(payload=b"p"))
        await client.send(TextMessage(data='"method":"time"}'))
        events = [*await client.hear()]
        if len(events) < 2:
            events += await client.hear()
        pong, reply = events
        assert isinstance(pong, Pong)
        assert isinstance(reply, TextMessage)
        assert reply.data.startswith('{"id":1,"status":200')


async def test_a_connection_that_breaks_is_forgotten(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        visitor = await hall.visit()
        await visitor.ask_signed("userDataStream.subscribe.signature")
        hall.network.cut_all()
        await trio.sleep(1)
        assert hall.exchange.connections()[0].closed_because == "the client went away"
        again = await hall.visit()
        reply = await again.ask_signed("userDataStream.subscribe.signature")
        assert reply["result"] == {"subscriptionId": 0}


async def test_a_client_may_close_in_order(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        visitor = await hall.visit()
        await visitor.websocket.aclose(1000, "done")
        await trio.sleep(1)
        assert hall.exchange.connections()[0].closed_because == "closed by the client: 1000 done"


async def test_latency_delays_everything_that_is_sent_and_keeps_its_order(
    virtual_clock: MockClock,
) -> None:
    async with open_hall(PaperConfig(latency_ms=250)) as hall:
        visitor = await hall.visit()
        start_s = trio.current_time()
        ids = [await visitor.send("ping") for _ in range(5)]
        assert [(await visitor.hear())["id"] for _ in ids] == ids
        assert trio.current_time() - start_s == pytest.approx(0.25)


async def test_five_messages_a_second_and_no_more_on_market_streams(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        visitor = await hall.visit("/ws")
        for _ in range(3):
            for _ in range(5):
                assert (await visitor.ask("LIST_SUBSCRIPTIONS"))["result"] == []
            await trio.sleep(1)
        for _ in range(3):
            await visitor.websocket.pong(b"unsolicited")
            await visitor.send("LIST_SUBSCRIPTIONS")
        assert await closed_reason(visitor) == (1008, "Too many requests")


async def test_too_many_connection_attempts_are_refused_until_the_window_ends(
    virtual_clock: MockClock,
) -> None:
    async with open_hall(PaperConfig(rate_limits=RateLimitRules(connections_per_5_minutes=2))) as hall:
        await hall.visit()
        await hall.visit("/ws")
        client = RawClient(hall, await hall.connect())
        await client.send(Request(host=HOST, target=API))
        rejection = (await client.hear())[0]
        assert isinstance(rejection, RejectConnection)
        assert rejection.status_code == 429
        retry_after_s = int(dict(rejection.headers)[b"retry-after"])
        await trio.sleep(retry_after_s)
        assert (await (await hall.visit()).ask("ping"))["status"] == 200


async def test_a_ban_drops_every_api_connection_and_refuses_new_ones(virtual_clock: MockClock) -> None:
    rules = RateLimitRules(request_weight_per_minute=10, refusals_before_ban=1)
    async with open_hall(PaperConfig(rate_limits=rules)) as hall:
        bystander, visitor = await hall.visit(), await hall.visit()
        statuses = [(await visitor.ask("exchangeInfo"))["status"] for _ in range(2)]
        assert statuses == [429, 418]
        assert await closed_reason(visitor) == (1008, "disconnected")
        assert await closed_reason(bystander) == (1008, "disconnected")
        client = RawClient(hall, await hall.connect())
        await client.send(Request(host=HOST, target=API))
        rejection = (await client.hear())[0]
        assert isinstance(rejection, RejectConnection)
        assert rejection.status_code == 418
        await trio.sleep(int(dict(rejection.headers)[b"retry-after"]))
        assert (await (await hall.visit()).ask("ping"))["status"] == 200


@given(payload=st.binary(max_size=200) | st.integers(65_530, 65_540).map(bytes))
def test_whole_frames_are_what_wsproto_reads(payload: bytes) -> None:
    client = WSConnection(ConnectionType.CLIENT)
    server = WSConnection(ConnectionType.SERVER)
    server.receive_data(client.send(Request(host="h", target="/")))
    (request,) = server.events()
    assert isinstance(request, Request)
    client.receive_data(server.send(AcceptConnection()))
    list(client.events())
    text = payload.hex().encode()
    client.receive_data(whole_frame(TEXT, text))
    assert "".join(event.data for event in client.events() if isinstance(event, TextMessage)) == text.decode()
    client.receive_data(whole_frame(PING, payload[:125]))
    (ping,) = client.events()
    assert isinstance(ping, Ping)
    assert ping.payload == payload[:125]
