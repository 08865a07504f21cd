"""How a session says whether a socket still answers."""

from typing import Any

import pytest
import trio
import trio.testing

from dogwatch.actors.probe import Probe
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.methods import Method
from dogwatch.runtime.errors import AskTimeout
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.api_stage import staged

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def test_an_answer_of_late_is_told_without_asking(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        await trio.sleep(5)
        stage.request(Method.TIME, "of late")
        await server.answer(await stage.expect(server, "time"), {"serverTime": stage.server_time.unix_ms()})
        answered_s = trio.current_time()
        await trio.sleep(3)
        assert await stage.session.ask(Probe(epoch=1, since_s=answered_s - 1), within_s=1) == answered_s
        assert trio.current_time() == answered_s + 3


@pytest.mark.parametrize("error", [{}, {"status": 429, "code": -1003, "msg": "Too much request weight used"}])
async def test_otherwise_it_pings_and_any_response_will_do(network: MemoryNetwork, error: dict[str, Any]) -> None:
    async with staged(network) as stage, trio.open_nursery() as nursery:
        server = await stage.establish()
        await trio.sleep(5)
        asked_s = trio.current_time()

        async def probe() -> None:
            assert await stage.session.ask(Probe(epoch=1, since_s=asked_s), within_s=10) == asked_s + 2

        nursery.start_soon(probe)
        request = await stage.expect(server, "ping")
        await trio.sleep(2)
        await server.answer(request, **error)


async def test_no_answer_is_a_timeout_and_a_late_one_counts_for_the_next_question(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        await trio.sleep(5)
        asked_s = trio.current_time()
        with pytest.raises(AskTimeout):
            await stage.session.ask(Probe(epoch=1, since_s=asked_s), within_s=10)
        await server.answer(await stage.expect(server, "ping"))
        await trio.testing.wait_all_tasks_blocked()
        assert await stage.session.ask(Probe(epoch=1, since_s=asked_s), within_s=1) == asked_s + 10


async def test_what_cannot_be_sent_says_nothing_about_the_socket(network: MemoryNetwork) -> None:
    async with staged(network) as stage, trio.open_nursery() as nursery:
        server = await stage.establish()
        with pytest.raises(NotSent):
            await stage.session.ask(Probe(epoch=7, since_s=0), within_s=1)

        async def probe() -> None:
            with pytest.raises(OutcomeUnknown):
                await stage.session.ask(Probe(epoch=1, since_s=trio.current_time()), within_s=10)

        nursery.start_soon(probe)
        await stage.expect(server, "ping")
        await server.stream.aclose()
