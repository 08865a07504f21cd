"""The traps on the way to the exchange, one test each. Those of the runtime are in tests/runtime/test_traps.py."""

from typing import Any

import trio
import trio.testing
import trio_websocket
from trio.testing import MockClock
from wsproto.events import Ping, TextMessage

import dogwatch.actors
from dogwatch.actors.rotation_messages import Carrying
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.signing import HmacSigner
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors import api_stage, test_pong
from tests.actors.fake_server import FakeServer
from tests.runtime.test_traps import async_generators_of

ORDER: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}


async def pong_to_a_ping_behind_three_messages(server: FakeServer) -> bytes | None:
    """The payload of the pong; None when there is none within the minute after which the exchange disconnects."""
    messages = [TextMessage(data=f"event {number}") for number in range(3)]
    await server.send(*messages, Ping(payload=b"1700000000000"))
    with trio.move_on_after(60):
        return await server.next_pong()
    return None


async def test_trio_websockets_reader_stops_answering_pings_when_its_queue_is_full(virtual_clock: MockClock) -> None:
    """Why received frames never go through that queue: one message that nobody fetches, and the pongs end."""
    client: Any  # the library takes any stream, and says otherwise
    client, server_stream = trio.testing.memory_stream_pair()
    server = FakeServer(server_stream)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.accept)
        await trio_websocket.wrap_client_stream(nursery, client, "exchange.example", "/ws-api/v3")
        assert await pong_to_a_ping_behind_three_messages(server) is None
        nursery.cancel_scope.cancel()


async def test_our_reader_has_pings_answered_although_nobody_reads_the_messages(
    network: MemoryNetwork, virtual_clock: MockClock
) -> None:
    async with test_pong.staged(network) as stage:
        server = await stage.accept()
        await server.send_text("the consumer gets stuck on this one")
        assert await pong_to_a_ping_behind_three_messages(server) == b"1700000000000"


async def test_a_call_that_had_to_wait_is_stamped_and_signed_as_it_goes_out_at_the_sockets_door(
    network: MemoryNetwork, virtual_clock: MockClock
) -> None:
    """Stamped when it was asked for, it would come to the exchange outside of its recvWindow."""
    signer = HmacSigner(api_stage.API_KEY, "secret")
    async with api_stage.staged(network, signer=signer) as stage:
        server = await stage.establish(logs_on=False, subscribes=False)
        await server.answer(await stage.expect(server, "userDataStream.subscribe.signature"), {"subscriptionId": 0})
        await trio.testing.wait_all_tasks_blocked()
        stage.session.request(Carrying(), reply_to=stage.asker.ref, tag="before it", within_s=60)
        stage.request(Method.ORDER_PLACE, "order", dict(ORDER), within_s=60)
        virtual_clock.jump(30)  # and no task ran meanwhile: the call waits in the session's mailbox
        params = (await stage.expect(server, "order.place"))["params"]
        assert abs(params["timestamp"] - stage.server_time.unix_ms()) <= 1
        signature = params.pop("signature")
        assert signer.sign(params)["signature"] == signature


def test_no_public_name_of_the_actors_is_an_async_generator() -> None:
    assert async_generators_of(dogwatch.actors) == []
