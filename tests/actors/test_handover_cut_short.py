"""A handover that ends in its middle, in the worst moment for it."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
import trio
import trio.testing
from wsproto.events import TextMessage

from dogwatch.actors.paper.faults import Cut, EndSubscriptions, RefuseHandshake
from dogwatch.actors.rotation_messages import RotateNow
from dogwatch.actors.session import Call, SessionReady
from dogwatch.actors.spot import overlap
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.methods import Method
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.api_stage import NEWS, staged
from tests.actors.paper_link import an_order
from tests.actors.test_rotation import open_market

pytestmark = pytest.mark.usefixtures("virtual_clock")


def news(number: int) -> TextMessage:
    return TextMessage(data=msgspec.json.encode({"subscriptionId": 0, "event": {**NEWS, "T": number}}).decode())


async def test_what_comes_behind_the_event_that_was_too_many_is_left_to_the_socket_that_stays(
    network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlap, "EVENTS_MAX", 3)
    async with staged(network) as stage:
        old = await stage.establish()
        stage.link.rotation.wanted.publish(RotateNow(reason="the test wants it"))
        new = await stage.establish()
        await new.send(*map(news, range(6)))
        await trio.testing.wait_all_tasks_blocked()
        assert stage.events == [], "they were held, or thrown away with the handover"
        await old.send(*map(news, range(6)))
        await trio.testing.wait_all_tasks_blocked()
        assert len(stage.events) == 6


async def test_a_former_socket_that_was_logged_out_is_not_what_a_link_ends_on(network: MemoryNetwork) -> None:
    def is_old(facts: Mapping[str, Any]) -> bool:
        return bool(facts["number"] == 0)

    def is_new(facts: Mapping[str, Any]) -> bool:
        return bool(facts["number"] == 1)

    async with open_market(network) as market:
        faults = market.exchange.faults
        market.rotate()
        await trio.sleep(1)
        assert faults.now(EndSubscriptions(), where=is_old) == 1
        await trio.sleep(0.1)
        refusing = faults.add(RefuseHandshake(), times=None)
        assert faults.now(Cut(), where=is_new) == 1
        await trio.sleep(90)
        refusing.disarm()
        await trio.sleep(120)
        assert isinstance(market.states[-1], SessionReady)
        assert market.exchange.record.away("main", trio.current_time() - 5, trio.current_time()) == []


@pytest.mark.parametrize("after_s", [0.001, 0.005, 0.01, 0.015, 0.019])
async def test_calls_that_wait_for_the_clock_go_back_with_the_session_and_are_sent_from_there(
    network: MemoryNetwork, after_s: float
) -> None:
    """The order is refused for its timestamp, the socket that is asked for the time dies, and the former carries."""
    network.delay_s = 0.01
    async with open_market(network) as market, trio.open_nursery() as nursery:
        market.rotate()
        await market.until(lambda: len(network.connections) == 2)
        await trio.sleep(1)
        market.exchange.clock.jump(-5)
        responses: list[Response] = []

        async def ask() -> None:
            call = Call(method=Method.ORDER_PLACE, params=an_order("waits"))
            responses.append(await market.link.session.ask(call, within_s=8))

        nursery.start_soon(ask)
        await trio.sleep(0.02 + after_s)
        network.connections[1].cut()
        await market.stop_trading()
        assert [response.is_ok for response in responses] == [True]
        assert market.states == [SessionReady(epoch=1)]
