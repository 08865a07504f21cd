"""A loss that comes in the same scheduler pass as good news outweighs it."""

import json

import pytest
import trio
import trio.testing
from wsproto.events import CloseConnection, TextMessage

from dogwatch.actors.session import SessionLost, SessionReady
from dogwatch.actors.spot.methods import Method
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.api_stage import staged

pytestmark = pytest.mark.usefixtures("virtual_clock")


@pytest.mark.parametrize("last_step", ["session.logon", "userDataStream.subscribe"])
async def test_a_session_whose_socket_is_lost_as_it_becomes_ready_is_not_ready(
    network: MemoryNetwork, last_step: str
) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        await stage.answer_times(server)
        request = await stage.expect(server, "session.logon")
        if last_step != "session.logon":
            await server.answer(request)
            request = await stage.expect(server, last_step)
        # The answer, then the end, before anything else runs.
        answer = {"id": request["id"], "status": 200, "result": {"subscriptionId": 0}}
        await server.send(TextMessage(data=json.dumps(answer)), CloseConnection(code=1001))
        await trio.testing.wait_all_tasks_blocked()
        assert not [state for state in stage.states if isinstance(state, SessionReady)]
        second = await stage.accept()
        stage.request(Method.ORDER_PLACE, "too early", {"symbol": "BTCUSDT"})
        await stage.answer_times(second)
        request = await second.next_request()
        assert request["method"] == "session.logon", "an order was sent before the session was logged on"


async def test_every_loss_of_a_ready_session_is_told_once(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        for _ in range(3):
            server = await stage.establish()
            await server.stream.aclose()
            await trio.sleep(5)
        kinds = [type(state) for state in stage.states]
        assert kinds == [SessionReady, SessionLost] * 3


async def test_a_stream_that_ends_as_it_begins_makes_no_session(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        await stage.answer_times(server)
        await server.answer(await stage.expect(server, "session.logon"))
        request = await stage.expect(server, "userDataStream.subscribe")
        answer = {"id": request["id"], "status": 200, "result": {"subscriptionId": 0}}
        ended = {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}
        await server.send(TextMessage(data=json.dumps(answer)), TextMessage(data=json.dumps(ended)))
        await trio.testing.wait_all_tasks_blocked()
        assert stage.states == []
        await stage.establish()
        assert [type(state) for state in stage.states] == [SessionReady]
