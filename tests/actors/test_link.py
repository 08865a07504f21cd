"""Links as units of supervision."""

import json
from random import Random

import pytest
import trio
import trio.testing
from trio.abc import Stream
from wsproto.events import Pong, TextMessage

from dogwatch.actors.link import api_link, stream_link
from dogwatch.actors.session import SessionLost, SessionReady
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.specs import Scope, SupervisorSpec, actor_specs, check_spec
from dogwatch.runtime.system import run_system
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.api_stage import HOST, PORT, ApiStage, staged
from tests.actors.fake_server import FakeServer

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def no_dial() -> Stream:
    raise NotImplementedError


async def test_an_api_link_lists_its_actors_in_the_order_in_which_they_depend() -> None:
    link = api_link("trading", dial=no_dial, host=HOST, resource="/ws-api/v3", clock=Clock.virtual())
    check_spec(link.spec)
    assert [child.name for child in link.spec.children] == ["lines", "session", "clock_sync", "liveness", "rotation"]
    assert link.spec.scope is Scope.REST_FOR_ONE
    paths = [path for path, _ in actor_specs(link.spec)]
    assert paths[:4] == [f"trading/lines/{line}/{actor}" for line in ("a", "b") for actor in ("connection", "pong")]
    assert link.topics.states.name == "trading.session"


async def test_a_stream_link_answers_pings_and_publishes_frames(network: MemoryNetwork) -> None:
    listener = network.listen(HOST, PORT)
    link = stream_link(
        "streams", dial=lambda: network.connect(HOST, PORT), host=HOST, resource="/stream", random=Random(1)
    )
    payloads: list[bytes] = []
    link.lines[0].topics.frames.tap(lambda batch: payloads.extend(batch.payloads), on_error=lambda _: None)
    async with run_system(SupervisorSpec("top", [link.lines_spec])):
        server = FakeServer(await listener.accept())
        await server.accept(together_with=bytes((0x81, 2)) + b"{}")
        await server.ping(b"hello")
        assert await server.next_pong() == b"hello"
        assert payloads == [b"{}"]


def lives(stage: ApiStage) -> dict[str, int]:
    """Which life each actor of the link is in."""
    nodes = stage.system.tree().children[0].walk()
    return {node.path.removeprefix("top/link/"): node.life for node in nodes if node.kind == "actor"}


async def test_when_a_connection_crashes_the_session_lives_on_and_uses_the_next_socket(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        await stage.establish()
        before = lives(stage)
        stage.link.lines[0].connection.mailbox.fail_consumer(RuntimeError("a mistake of ours"))
        await stage.establish()
        assert lives(stage) == before | {"lines/a/connection": 2, "lines/a/pong": 2}
        assert [type(state) for state in stage.states] == [SessionReady, SessionLost, SessionReady]


async def test_when_a_pong_crashes_nobody_else_notices_and_pings_are_answered_again(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        before = lives(stage)
        stage.link.lines[0].topics.pings.publish("no ping")  # type: ignore[arg-type]  # crashes its listener
        await trio.sleep(1)
        await server.ping(b"still there?")
        assert await server.next_pong() == b"still there?"
        assert lives(stage) == before | {"lines/a/pong": 2}
        assert stage.states == [SessionReady(epoch=1)]


async def test_a_lost_socket_restarts_nobody(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        for _ in range(20):
            server = await stage.establish()
            await server.stream.aclose()
        await stage.establish()
        assert set(lives(stage).values()) == {1}


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
        assert stage.link.lines[0].topics.epoch == 1
