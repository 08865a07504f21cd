"""A session that is lost although its socket stands: the key is refused, or the account's events do not come."""

from typing import Any

import msgspec
import pytest
import trio
import trio.testing
from wsproto.events import TextMessage

from dogwatch.actors.session import KeyRefused, SessionLost, SessionReady
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.methods import Method
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.api_stage import NEWS, ApiStage, revoke, staged
from tests.actors.fake_server import FakeServer

pytestmark = pytest.mark.usefixtures("virtual_clock")

ORDER: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}


async def keep_alive(server: FakeServer) -> None:
    while True:
        await trio.sleep(20)
        await server.ping()


async def next_but_time(stage: ApiStage, server: FakeServer, method: str) -> dict[str, Any]:
    """The next request; pongs are passed over, and questions for the time answered."""
    while True:
        event = await server.next_event()
        if not isinstance(event, TextMessage):
            continue
        request: dict[str, Any] = msgspec.json.decode(event.data)
        if request["method"] != "time":
            assert request["method"] == method, request
            return request
        await server.answer(request, {"serverTime": stage.server_time.unix_ms()})


async def refuse_key(server: FakeServer, request: dict[str, Any]) -> None:
    await server.answer(request, status=401, code=-2015, msg="Invalid API-key, IP, or permissions for action.")


async def test_a_key_that_stays_revoked_stops_trading_and_nothing_else(
    network: MemoryNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    async with staged(network) as stage, trio.open_nursery() as nursery:
        server = await stage.establish()
        nursery.start_soon(keep_alive, server)
        await revoke(stage, server)
        for _ in range(3):
            await refuse_key(server, await next_but_time(stage, server, "session.logon"))
        await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == pytest.approx(2 * 300, abs=1), "tried again every 5 minutes, on the same socket"
        stage.request(Method.ORDER_PLACE, "order", dict(ORDER))
        stage.request(Method.EXCHANGE_INFO, "public")
        refused = (await stage.answer_to("order")).error
        assert isinstance(refused, NotSent)
        assert "refuses the API key" in str(refused)
        await server.answer(await next_but_time(stage, server, "exchangeInfo"))
        assert (await stage.answer_to("public")).value.is_ok
        assert [type(state) for state in stage.states] == [SessionReady, SessionLost, *[KeyRefused] * 3]
        (alarm,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert "trading is stopped: the exchange refuses the API key" in alarm

        await server.answer(await next_but_time(stage, server, "session.logon"))
        subscribe = await next_but_time(stage, server, "userDataStream.subscribe")
        await server.answer(subscribe, {"subscriptionId": 1})
        await trio.testing.wait_all_tasks_blocked()
        assert stage.states[-1] == SessionReady(epoch=1)
        stage.request(Method.ORDER_PLACE, "again", dict(ORDER))
        await server.answer(await next_but_time(stage, server, "order.place"))
        assert (await stage.answer_to("again")).value.is_ok
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("is_gone", [True, False])
async def test_an_order_that_the_key_may_not_place_has_the_key_checked_once(
    network: MemoryNetwork, is_gone: bool
) -> None:
    """The same answer says that the key is none any more, and that it may not do this one thing."""
    async with staged(network) as stage:
        server = await stage.establish()
        for number in range(3):
            stage.request(Method.ORDER_PLACE, f"order {number}", dict(ORDER))
        orders = [await stage.expect(server, "order.place") for _ in range(3)]
        for order in orders:
            await refuse_key(server, order)
        logon = await stage.expect(server, "session.logon")
        if is_gone:
            await refuse_key(server, logon)
            await stage.answer_times(server)
            await refuse_key(server, await stage.expect(server, "session.logon"))
        else:
            await server.answer(logon)
        await trio.testing.wait_all_tasks_blocked()
        expected = [SessionReady, SessionLost, KeyRefused] if is_gone else [SessionReady]
        assert [type(state) for state in stage.states] == expected
        with trio.move_on_after(10):
            pytest.fail(f"sent once too often: {await server.next_request()}")


# A subscription that was acknowledged and stays silent.


async def test_a_socket_that_answers_orders_and_tells_of_none_is_replaced(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        for number in range(3):
            stage.request(Method.ORDER_PLACE, f"order {number}", dict(ORDER))
            await server.answer(await stage.expect(server, "order.place"))
            await trio.sleep(2)
        await stage.establish()
        assert trio.current_time() == pytest.approx(12, abs=2)
        assert [type(state) for state in stage.states] == [SessionReady, SessionLost, SessionReady]
        assert "no event comes" in getattr(stage.states[1], "reason", "")


@pytest.mark.parametrize("what", ["an event", "only refusals", "only questions"])
async def test_a_socket_is_not_called_deaf_without_a_reason(network: MemoryNetwork, what: str) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        method = Method.ORDER_STATUS if what == "only questions" else Method.ORDER_PLACE
        if what == "an event":
            await server.send_json({"subscriptionId": 0, "event": NEWS})
        stage.request(method, "asked", dict(ORDER))
        request = await stage.expect(server, method)
        if what == "only refusals":
            await server.answer(request, status=400, code=-2010, msg="Account has insufficient balance.")
        else:
            await server.answer(request)
        await trio.sleep(30)
        assert stage.states == [SessionReady(epoch=1)]
