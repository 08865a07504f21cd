"""The pong: every ping answered with its payload whoever is slow, and silence noticed before the exchange cuts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio.abc import Stream
from wsproto.events import Ping, TextMessage

from dogwatch.actors.connection import ConnectionTopics, FrameBatch, PingReceived
from dogwatch.actors.pong import Pong
from dogwatch.actors.transmit import Transmit
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.messages import Message
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import run_system
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.direct_stream import DirectStream
from tests.actors.fake_server import FakeServer
from tests.actors.test_connection import Stage, fail

pytestmark = pytest.mark.usefixtures("virtual_clock")


class Begin(Message, frozen=True, kw_only=True):
    """Start the work that never ends."""


class Stuck(Actor):
    """A consumer that gets every frame and waits for ever in the handler of the first message."""

    def __init__(self, topics: ConnectionTopics) -> None:
        self._topics = topics

    async def on_start(self) -> None:
        self.subscribe(self._topics.frames)

    async def on_frames(self, batch: FrameBatch) -> None:
        await trio.sleep_forever()


class PongStage(Stage):
    """A connection with its pong, and a consumer above them that never reads."""

    def children(self) -> list[ChildSpec[Pong] | ChildSpec[Stuck]]:
        self.pong = ChildSpec("pong", lambda: Pong(connection=self.connection, topics=self.topics), actor=Pong)
        self.stuck = ChildSpec("stuck", lambda: Stuck(self.topics), actor=Stuck)
        return [self.pong, self.stuck]


@asynccontextmanager
async def staged(network: MemoryNetwork) -> AsyncIterator[PongStage]:
    stage = PongStage(network)
    async with run_system(SupervisorSpec("link", [stage.spec, *stage.children()])) as stage.system:
        yield stage


async def test_a_ping_is_answered_with_its_payload_while_the_sessions_consumer_never_reads(
    network: MemoryNetwork,
) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        await server.send_text("the first message, on which the consumer gets stuck")
        for number in range(180):  # an hour
            await server.send(*(TextMessage(data=f"event {number}") for _ in range(20)))
            payload = str(1_700_000_000_000 + number).encode()
            await server.ping(payload)
            asked_s = trio.current_time()
            assert await server.next_pong() == payload
            assert trio.current_time() == asked_s
            await trio.sleep(20)
        assert stage.system.tree().children[2].depth > 100
        statistics = stage.system.tree().children[1].statistics
        assert statistics["pings"] == 180
        assert statistics["last_ping_age_s"] == pytest.approx(20)


async def test_the_pong_overtakes_the_messages_that_wait_to_be_written(network: MemoryNetwork) -> None:
    network.capacity_bytes = 1000
    async with staged(network) as stage:
        server = await stage.accept()
        stage.transmit(1, "x" * 2000)
        await trio.testing.wait_all_tasks_blocked()
        stage.transmit(2, "waits")
        await server.ping(b"now")
        await trio.testing.wait_all_tasks_blocked()
        assert await server.next_text() == "x" * 2000
        assert await server.next_pong() == b"now"
        assert await server.next_text() == "waits"


async def test_pings_of_one_recv_are_all_answered_in_order(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        await server.send(*(Ping(payload=b"%d" % number) for number in range(10)))
        assert [await server.next_pong() for _ in range(10)] == [b"%d" % number for number in range(10)]


async def test_a_ping_is_answered_in_the_readers_step_before_what_stands_behind_it_is_heard(
    network: MemoryNetwork,
) -> None:
    """On a stream that can be written to at once, that is: whoever hears messages for long delays no pong."""
    stream = DirectStream()
    written: list[int] = []

    async def dial() -> Stream:
        return stream

    stage = PongStage(network, dial=dial)
    stage.topics.frames.tap(lambda _: written.append(len(stream.writes)), on_error=fail)
    async with run_system(SupervisorSpec("link", [stage.spec, *stage.children()])):
        server = FakeServer(stream.server)
        await server.accept()
        await trio.testing.wait_all_tasks_blocked()
        stream.writes.clear()
        await server.send(TextMessage(data="before"), Ping(payload=b"now"), TextMessage(data="behind"))
        await trio.testing.wait_all_tasks_blocked()
        assert written == [0, 1]
        assert await server.next_pong() == b"now"
        await stream.server.aclose()


async def test_a_flood_of_pings_crashes_nothing(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        await server.send(*(Ping() for _ in range(5000)))
        assert await server.next_pong() == b""
        await trio.testing.wait_all_tasks_blocked()
        pong = stage.system.tree().children[1]
        assert pong.restarts == 0
        assert pong.statistics["pings"] == 5000
        assert pong.statistics["unanswered"] > 0


async def test_silence_is_noticed_after_more_than_two_pings_and_the_link_is_renewed(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        for _ in range(3):
            await trio.sleep(20)
            await server.ping(b"x")
        await trio.testing.wait_all_tasks_blocked()
        network.connections[-1].stall()
        heard_s = trio.current_time()
        await stage.accept()
        assert 45 <= trio.current_time() - heard_s < 46
        assert stage.topics.epoch == 2


async def test_silence_is_noticed_whenever_it_began(network: MemoryNetwork) -> None:
    """Also at moments t for which t + 45 - t is rounded to less than 45."""
    async with staged(network) as stage:
        for number in range(1, 30):
            server = await stage.accept()
            await trio.sleep(number * 1.1037)
            await server.ping(b"x")
            await trio.testing.wait_all_tasks_blocked()
            network.connections[-1].stall()
            await trio.sleep(45.001)
            for _ in range(1000):  # the silence is over: it is noticed now, or time stands still for ever
                await trio.lowlevel.checkpoint()
            assert stage.topics.epoch is None


@pytest.mark.parametrize("kind", ["pings", "messages"])
async def test_whatever_arrives_is_a_sign_of_life(network: MemoryNetwork, kind: str) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        for _ in range(100):
            await trio.sleep(44)
            await server.send(Ping(payload=b"") if kind == "pings" else TextMessage(data="{}"))
        assert stage.topics.epoch == 1


@pytest.mark.parametrize("seed", range(8))  # decides whether the timer or the reader comes first
async def test_what_came_while_the_event_loop_was_held_up_is_read_before_a_silence_is_called_one(
    network: MemoryNetwork, virtual_clock: trio.testing.MockClock
) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        network.connections[-1].delay(20)
        for _ in range(10):
            await server.ping(b"on its way")
            virtual_clock.jump(60)  # somebody computes for a minute
            await trio.sleep(2)
        assert stage.topics.epoch == 1


async def test_after_a_drop_the_clock_begins_anew_with_the_next_socket(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        await trio.sleep(30)
        await server.stream.aclose()
        network.reachable = False
        await trio.sleep(600)
        network.reachable = True
        server = await stage.accept()
        await trio.sleep(40)
        await server.ping(b"in time")
        assert await server.next_pong() == b"in time"
        assert stage.topics.epoch == 2


async def test_a_restarted_pong_goes_on_with_the_socket_that_stands(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        stage.pong.ref.tell("no such message")
        await trio.sleep(5)
        assert stage.system.tree().children[1].life == 2
        await server.ping(b"still here")
        assert await server.next_pong() == b"still here"
        network.connections[-1].stall()
        await stage.accept()
        assert stage.topics.epoch == 2


async def test_a_pong_for_a_socket_that_is_gone_is_not_sent_on_the_next(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        await server.ping(b"the last of the old")
        await server.stream.aclose()
        server = FakeServer(await stage.listener.accept())
        await server.accept()
        await trio.testing.wait_all_tasks_blocked()
        assert [ping.payload for ping in stage.pings] == [b"the last of the old"]
        stage.connection.tell(Transmit(epoch=2, payload=b"first", tag=1))
        assert await server.next_text() == "first"
        assert isinstance(stage.pings[0], PingReceived)
