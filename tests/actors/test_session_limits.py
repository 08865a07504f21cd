"""The exchange says that too much was asked: nothing is sent before it says that it may."""

from typing import Any

import pytest
import trio

from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.methods import Method
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.api_stage import ApiStage, staged
from tests.actors.fake_server import FakeServer

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def use_up(stage: ApiStage, server: FakeServer, status: int, data: dict[str, int] | None) -> None:
    stage.request(Method.PING, "once too often")
    request = await stage.expect(server, "ping")
    more: dict[str, Any] = {} if data is None else {"data": data}
    await server.answer(request, status=status, code=-1003, msg="Too much request weight used", **more)
    assert (await stage.answer_to("once too often")).value.error.code == -1003


@pytest.mark.parametrize(
    ("status", "data", "wait_s"),
    [
        (429, {"serverTime": 1_000_000, "retryAfter": 1_042_000}, 42),
        (418, {"serverTime": 1_000_000, "retryAfter": 1_700_000}, 700),
        (418, None, 120),
        (429, None, 10),
    ],
)
async def test_nothing_is_sent_before_the_exchange_wants_it(
    network: MemoryNetwork, status: int, data: Any, wait_s: float
) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        await use_up(stage, server, status, data)
        until_s = trio.current_time() + wait_s
        while trio.current_time() < until_s - 20:
            await server.ping()
            await server.next_pong()
            await trio.sleep(20)
        stage.request(Method.ORDER_CANCEL, "too early", {"symbol": "BTCUSDT", "orderId": 1}, within_s=0.5)
        assert isinstance((await stage.answer_to("too early")).error, NotSent)
        await trio.sleep_until(until_s + 0.1)
        stage.request(Method.ORDER_CANCEL, "in time", {"symbol": "BTCUSDT", "orderId": 1})
        await stage.expect(server, "order.cancel")


async def test_a_session_logs_on_only_when_it_may(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        await use_up(stage, server, 429, {"serverTime": 1_000_000, "retryAfter": 1_040_000})
        refused_s = trio.current_time()
        await server.stream.aclose()
        second = await stage.accept()
        await stage.expect(second, "time")
        assert 39 < trio.current_time() - refused_s < 41


async def test_a_wrong_clock_makes_no_wait_longer(network: MemoryNetwork) -> None:
    """The very first question may be refused: then nobody knows yet how late it is at the exchange."""
    async with staged(network, server_ahead_ms=3_600_000) as stage:
        server = await stage.accept()
        request = await stage.expect(server, "time")
        now_ms = stage.server_time.unix_ms()
        limits = {"serverTime": now_ms, "retryAfter": now_ms + 3_000}
        await server.answer(request, status=429, code=-1003, msg="Too much request weight used", data=limits)
        refused_s = trio.current_time()
        await stage.expect(server, "time")
        assert trio.current_time() - refused_s == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize(("status", "says"), [(418, "BAN 02:00"), (429, "quiet 00:10")])
async def test_a_silence_is_the_first_that_the_tree_says_of_a_session(
    network: MemoryNetwork, status: int, says: str
) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        assert stage.node("session").summary == "logged on"
        await use_up(stage, server, status, None)
        assert stage.node("session").summary == says
        await trio.sleep(121)
        assert stage.node("session").summary in ("logged on", "no session")


async def test_the_tree_shows_how_much_of_a_limit_is_used_when_that_is_much(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        await trio.sleep(1)  # as long as little is used, counts are not looked at in every answer
        stage.request(Method.PING, "by somebody else")
        window = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        usage = {**window, "limit": 6000, "count": 4800}
        request = await stage.expect(server, "ping")
        await server.send_json({"id": request["id"], "status": 200, "result": {}, "rateLimits": [usage]})
        await stage.answer_to("by somebody else")
        assert stage.node("session").summary == "limits 80%"
        await trio.sleep(61)
        assert stage.node("session").summary in ("logged on", "no session")
