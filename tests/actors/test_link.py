"""Links as units of supervision."""

import json
from random import Random

import pytest
import trio
import trio.testing
from trio.abc import Stream
from wsproto.events import Pong, TextMessage

from dogwatch.actors.link import api_link, stream_link
from dogwatch.actors.session import SessionReady
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.specs import Scope, SupervisorSpec, check_spec
from dogwatch.runtime.system import run_system
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.api_stage import HOST, PORT, staged
from tests.actors.fake_server import FakeServer

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def no_dial() -> Stream:
    raise NotImplementedError


async def test_an_api_link_lists_its_actors_in_the_order_in_which_they_depend() -> None:
    link = api_link("trading", dial=no_dial, host=HOST, resource="/ws-api/v3", clock=Clock.virtual())
    check_spec(link.spec)
    assert [child.name for child in link.spec.children] == ["connection", "pong", "session", "clock_sync"]
    assert link.spec.scope is Scope.REST_FOR_ONE
    assert link.topics.states.name == "trading.session"


async def test_a_stream_link_answers_pings_and_publishes_frames(network: MemoryNetwork) -> None:
    listener = network.listen(HOST, PORT)
    link = stream_link(
        "streams", dial=lambda: network.connect(HOST, PORT), host=HOST, resource="/stream", random=Random(1)
    )
    payloads: list[bytes] = []
    link.connection_topics.frames.tap(lambda batch: payloads.extend(batch.payloads), on_error=lambda _: None)
    async with run_system(SupervisorSpec("top", [link.spec])):
        server = FakeServer(await listener.accept())
        await server.accept(together_with=bytes((0x81, 2)) + b"{}")
        await server.ping(b"hello")
        assert await server.next_pong() == b"hello"
        assert payloads == [b"{}"]


async def test_when_the_connection_crashes_the_whole_link_begins_anew(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        await stage.establish()
        stage.link.connection.mailbox.fail_consumer(RuntimeError("a mistake of ours"))
        await stage.establish()
        lives = [child.life for child in stage.system.tree().children[0].children]
        assert lives == [2, 2, 2, 2]
        assert stage.states[-1] == SessionReady(epoch=2)


async def test_when_the_pong_crashes_the_session_goes_on_with_a_socket_of_its_own(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        await stage.establish()
        stage.link.connection_topics.pings.publish("no ping")  # type: ignore[arg-type]  # crashes its listener
        await stage.establish()
        lives = [child.life for child in stage.system.tree().children[0].children]
        assert lives == [1, 2, 2, 2]
        assert stage.states[-1] == SessionReady(epoch=2)


async def test_a_lost_socket_restarts_nobody(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        for _ in range(20):
            server = await stage.establish()
            await server.stream.aclose()
        await stage.establish()
        assert [child.life for child in stage.system.tree().children[0].children] == [1, 1, 1, 1]


async def test_a_day_of_pings_is_answered_on_one_socket(network: MemoryNetwork) -> None:
    async with staged(network) as stage, trio.open_nursery() as nursery:
        server = await stage.establish()

        async def ping() -> None:
            for number in range(4320):
                await trio.sleep(20)
                await server.ping(str(number).encode())

        nursery.start_soon(ping)
        answered = 0
        while answered < 4320:
            event = await server.next_event()
            if isinstance(event, Pong):
                assert event.payload == str(answered).encode()
                answered += 1
            elif isinstance(event, TextMessage):  # the clock asks for the time
                await server.answer(json.loads(event.data), {"serverTime": stage.server_time.unix_ms()})
        assert trio.current_time() >= 86_400
        assert stage.link.connection_topics.epoch == 1
