"""Subscriptions that are acknowledged and bring nothing."""

import pytest
import trio
from trio.testing import MockClock

from dogwatch.actors.paper.faults import DelayAnswer, LoseAnswer, SilentSubscription
from tests.actors.paper.counter import sign_with_hmac
from tests.actors.paper.guest import Guest, open_guest
from tests.actors.paper.visitor import open_hall

TRADES = "btcusdt@trade"


@pytest.mark.parametrize("is_listed", [True, False])
async def test_a_silent_subscription_brings_nothing(is_listed: bool, virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        armed = guest.faults.add(SilentSubscription(is_listed=is_listed))
        silent = await Guest.arrive(guest.hall)
        await guest.buy("a")
        await trio.sleep(1)
        assert armed.hits == 1
        assert guest.reports() == ["NEW"]
        assert silent.heard == []
        await silent.visitor.send("session.subscriptions")
        await trio.sleep(1)
        assert silent.answers()[0]["result"] == ([{"subscriptionId": 0}] if is_listed else [])
        # Only one that is listed is in the way of another.
        await silent.visitor.send("userDataStream.subscribe")
        await trio.sleep(1)
        assert silent.answers()[1]["status"] == (400 if is_listed else 200)


async def test_a_silent_subscription_can_be_ended_and_made_anew(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(SilentSubscription())
        silent = await Guest.arrive(guest.hall)
        await silent.visitor.send("userDataStream.unsubscribe")
        await silent.visitor.send("userDataStream.subscribe")
        await trio.sleep(1)
        await guest.buy("a")
        await trio.sleep(1)
        assert silent.reports() == ["NEW"]


async def test_a_subscription_by_signature_may_be_silent_too(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(SilentSubscription())
        visitor = await guest.hall.visit()
        signed = sign_with_hmac(visitor.stamped(), visitor._material)
        assert (await visitor.ask("userDataStream.subscribe.signature", signed))["status"] == 200
        await guest.buy("a")
        await trio.sleep(1)
        assert (await visitor.ask("ping"))["result"] == {}  # nothing else was told before


async def test_a_refused_subscription_does_not_use_up_the_fault(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        armed = hall.exchange.faults.add(SilentSubscription())
        visitor = await hall.visit()
        assert (await visitor.ask("userDataStream.subscribe"))["error"]["code"] == -1193
        assert armed.hits == 0
        await visitor.log_on()
        assert (await visitor.ask("userDataStream.subscribe"))["status"] == 200
        assert armed.hits == 1


@pytest.mark.parametrize("is_listed", [True, False])
async def test_a_market_stream_may_be_silent(is_listed: bool, virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        market = await guest.hall.visit("/ws")
        guest.faults.add(SilentSubscription(method="SUBSCRIBE", is_listed=is_listed))
        assert (await market.ask("SUBSCRIBE", [TRADES]))["result"] is None
        await guest.buy("a", price="101")
        assert (await market.ask("LIST_SUBSCRIPTIONS"))["result"] == ([TRADES] if is_listed else [])
        await market.ask("SUBSCRIBE", [TRADES])
        await guest.buy("b", price="101")
        assert (await market.hear())["e"] == "trade"


async def test_a_connection_with_silent_streams_ends_in_order(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        market = await hall.visit("/ws")
        hall.exchange.faults.add(SilentSubscription(method="SUBSCRIBE"))
        await market.ask("SUBSCRIBE", [TRADES])
        await market.websocket.aclose()
        await trio.sleep(1)
        assert not hall.exchange.record.connections[0].is_open


async def test_answers_to_market_messages_are_lost_and_late(virtual_clock: MockClock) -> None:
    async with open_hall() as hall:
        market = await hall.visit("/ws")
        hall.exchange.faults.add(LoseAnswer(method="SUBSCRIBE"))
        hall.exchange.faults.add(DelayAnswer(method="LIST_SUBSCRIPTIONS", delay_s=3))
        await market.send("SUBSCRIBE", [TRADES])
        assert await market.ask("LIST_SUBSCRIPTIONS") == {"result": [TRADES], "id": 2}
        assert trio.current_time() == 3


@pytest.mark.parametrize(
    "params", [None, {}, [7], ["btcusdt@trade"] * 2, [f"s{number}@trade" for number in range(1025)]]
)
async def test_a_message_that_subscribes_to_nothing_does_not_use_up_the_fault(
    params: object, virtual_clock: MockClock
) -> None:
    async with open_hall() as hall:
        market = await hall.visit("/ws")
        armed = hall.exchange.faults.add(SilentSubscription(method="SUBSCRIBE"))
        await market.ask("SUBSCRIBE", params)
        assert armed.hits == (params == [TRADES] * 2)


def test_a_method_that_does_not_subscribe_cannot_be_silent() -> None:
    with pytest.raises(ValueError, match="does not subscribe to anything"):
        SilentSubscription(method="order.place")
