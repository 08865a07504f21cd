"""A session's way through the limits: what waits, what a cancel stops, what an answer and an event teach."""

from typing import Any

import pytest
import trio
import trio.testing

from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.methods import Method
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.api_stage import ApiStage, staged
from tests.actors.fake_server import FakeServer

pytestmark = pytest.mark.usefixtures("virtual_clock")

ORDERS_MAX = 3


def counts(orders: int, *, most: int = ORDERS_MAX) -> list[dict[str, Any]]:
    return [
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": most, "count": orders},
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 20},
    ]


def order(name: str) -> dict[str, Any]:
    return {"symbol": "BTCUSDT", "newClientOrderId": name}


async def place(stage: ApiStage, server: FakeServer, name: str, orders: int) -> None:
    stage.request(Method.ORDER_PLACE, name, order(name))
    request = await stage.expect(server, "order.place")
    await server.send_json({"id": request["id"], "status": 200, "result": {"orderId": 1}, "rateLimits": counts(orders)})
    await stage.answer_to(name)


async def use_up_orders(stage: ApiStage) -> FakeServer:
    """Begin a second into a window, and place what it takes."""
    server = await stage.establish()
    await trio.sleep(1)
    for number in range(ORDERS_MAX):
        await place(stage, server, f"first-{number}", number + 1)
    return server


async def test_an_order_for_which_there_is_no_room_is_sent_when_there_is(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await use_up_orders(stage)
        began_s = trio.current_time()
        stage.request(Method.ORDER_PLACE, "waits", order("waits"), within_s=12)
        await trio.sleep(8)
        request = await stage.expect(server, "order.place")
        assert request["params"]["newClientOrderId"] == "waits"
        assert trio.current_time() - began_s == pytest.approx(9, abs=0.1)
        assert request["params"]["timestamp"] == pytest.approx(stage.server_time.unix_ms(), abs=5)  # stamped when sent


async def test_an_order_that_would_come_too_late_is_not_sent_and_says_when_there_will_be_room(
    network: MemoryNetwork,
) -> None:
    async with staged(network) as stage:
        await use_up_orders(stage)
        stage.request(Method.ORDER_PLACE, "too late", order("too-late"), within_s=5)
        error = (await stage.answer_to("too late")).error
        assert isinstance(error, NotSent)
        assert error.retry_after_s == pytest.approx(9, abs=0.1)


async def test_a_cancel_of_an_order_that_still_waits_stops_it(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await use_up_orders(stage)
        stage.request(Method.ORDER_PLACE, "waits", order("waits"), within_s=12)
        stage.request(Method.ORDER_PLACE, "waits too", order("waits-too"), within_s=12)
        await trio.sleep(1)
        stage.request(Method.ORDER_CANCEL, "stop", {"symbol": "BTCUSDT", "origClientOrderId": "waits"})
        assert isinstance((await stage.answer_to("stop")).error, NotSent)
        assert isinstance((await stage.answer_to("waits")).error, NotSent)
        request = await stage.expect(server, "order.place")
        assert request["params"]["newClientOrderId"] == "waits-too"
        stage.request(Method.ORDER_CANCEL, "too late to stop", {"symbol": "BTCUSDT", "origClientOrderId": "waits-too"})
        await stage.expect(server, "order.cancel")


async def test_what_waits_when_the_link_is_lost_is_not_sent(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await use_up_orders(stage)
        stage.request(Method.ORDER_PLACE, "waits", order("waits"), within_s=12)
        await trio.sleep(0.1)
        await server.stream.aclose()
        assert isinstance((await stage.answer_to("waits")).error, NotSent)
        assert stage.link.limiter.waiting == 0


async def test_a_fill_that_is_told_makes_room(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await use_up_orders(stage)
        began_s, now_ms = trio.current_time(), stage.server_time.unix_ms()
        stage.request(Method.ORDER_PLACE, "waits", order("waits"), within_s=12)
        for quantity, total in (("0.1", "0.1"), ("0.1", "0.2")):  # the second fill of the same order counts for nothing
            await server.send_json({"subscriptionId": 0, "event": trade(now_ms, quantity, total)})
        stage.request(Method.ORDER_PLACE, "waits too", order("waits-too"), within_s=12)
        await stage.expect(server, "order.place")
        assert trio.current_time() - began_s == pytest.approx(1, abs=0.1)
        await stage.expect(server, "order.place")
        assert trio.current_time() - began_s == pytest.approx(9, abs=0.1)


async def test_too_many_orders_keeps_orders_back_and_nothing_else(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        await trio.sleep(1)
        stage.request(Method.ORDER_PLACE, "one", order("one"))
        request = await stage.expect(server, "order.place")
        await server.answer(request, status=429, code=-1015, msg="Too many new orders; current limit is 50 orders")
        await stage.answer_to("one")
        stage.request(Method.ORDER_PLACE, "two", order("two"), within_s=5)
        assert isinstance((await stage.answer_to("two")).error, NotSent)
        stage.request(Method.ORDER_CANCEL, "cancel", {"symbol": "BTCUSDT", "orderId": 1})
        await stage.expect(server, "order.cancel")


async def test_a_connection_and_its_logon_weigh_what_the_documentation_says(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        await stage.establish()
        assert stage.link.limiter.statistics()["weight_1_minute"] == 2 + 3 + 2 + 2


async def test_a_refusal_without_an_id_is_heeded_too(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        await server.send_json(
            {"id": None, "status": 418, "error": {"code": -1003, "msg": "Way too much request weight used"}}
        )
        await trio.testing.wait_all_tasks_blocked()
        assert stage.link.limiter.quiet_s() == 120


def trade(now_ms: int, quantity: str, total: str) -> dict[str, Any]:
    return {
        "e": "executionReport",
        "E": now_ms,
        "s": "BTCUSDT",
        "c": "first-0",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "1",
        "p": "1",
        "x": "TRADE",
        "X": "PARTIALLY_FILLED",
        "i": 1,
        "l": quantity,
        "z": total,
        "L": "1",
        "n": "0",
        "N": None,
        "T": now_ms,
        "t": 1,
        "I": 1,
        "m": True,
        "O": now_ms,
        "Z": "1",
        "Y": "1",
    }


@pytest.mark.parametrize(("status", "lasts_s"), [(429, 10.0), (418, 120.0)])
async def test_a_refusal_whose_end_has_passed_as_it_arrives_silences_all_the_same(
    network: MemoryNetwork, status: int, lasts_s: float
) -> None:
    """The exchange's clock has been set back, or the answer was long on its way."""
    async with staged(network) as stage:
        server = await stage.establish()
        stage.request(Method.PING, "too many")
        request = await stage.expect(server, "ping")
        said = {"retryAfter": stage.server_time.unix_ms() - 3_000}
        await server.answer(request, status=status, code=-1003, msg="Too many requests.", data=said)
        await stage.answer_to("too many")
        assert stage.link.limiter.quiet_s() == pytest.approx(lasts_s, abs=0.1)
