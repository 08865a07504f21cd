"""The link against the paper exchange, which was written apart from it: they agree on every byte, or one is wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio
import trio.testing

from dogwatch.actors.link import stream_link
from dogwatch.actors.session import Call, KeyRefused, SessionLost, SessionReady
from dogwatch.actors.spot.enums import ExecutionType
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.user_events import ExecutionReport
from dogwatch.runtime.specs import SupervisorSpec
from dogwatch.runtime.system import run_system
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.paper_link import HOST, PORT, PaperLink, an_order, fail

pytestmark = pytest.mark.usefixtures("virtual_clock")

ORDER = an_order("mine")


class Market(PaperLink):
    """Waits for its session."""

    async def until_ready(self, times: int = 1) -> None:
        with self.link.topics.states.latest() as states:
            while sum(isinstance(state, SessionReady) for state in self.states) < times:
                await states.get()


@asynccontextmanager
async def open_market(network: MemoryNetwork, key: str = "ed25519") -> AsyncIterator[Market]:
    market = Market(network, key)
    async with market.running(with_prices=True):
        await market.until_ready()
        yield market


@pytest.mark.parametrize("key", ["ed25519", "hmac"])
async def test_an_order_is_placed_and_its_events_arrive(network: MemoryNetwork, key: str) -> None:
    async with open_market(network, key) as market:
        response = await market.link.session.ask(Call(method=Method.ORDER_PLACE, params=ORDER), within_s=5)
        assert response.is_ok, response.error
        await trio.testing.wait_all_tasks_blocked()
        reports = [event.event for event in market.events if isinstance(event.event, ExecutionReport)]
        assert [(report.client_order_id, report.execution_type) for report in reports] == [("mine", ExecutionType.NEW)]


async def test_pings_of_the_exchange_are_answered_for_hours(network: MemoryNetwork) -> None:
    async with open_market(network) as market:
        await trio.sleep(4 * 3600 + 1)
        (connection,) = market.exchange.connections()
        assert connection.pings_sent == 4 * 180
        assert connection.pongs_matched == connection.pings_sent
        assert market.states == [SessionReady(epoch=1)]


@pytest.mark.parametrize("bytes_max", [1, 7, 1000])
async def test_however_the_bytes_are_split_the_answers_are_the_same(network: MemoryNetwork, bytes_max: int) -> None:
    async with open_market(network) as market:
        network.connections[-1].split_randomly(seed=bytes_max, bytes_max=bytes_max)
        for number in range(5):
            params = {**ORDER, "newClientOrderId": f"order-{number}"}
            response = await market.link.session.ask(Call(method=Method.ORDER_PLACE, params=params), within_s=5)
            assert response.is_ok
        await trio.testing.wait_all_tasks_blocked()
        assert sum(isinstance(event.event, ExecutionReport) for event in market.events) == 5


async def test_an_order_whose_answer_is_cut_off_is_unknown_here_and_placed_there(network: MemoryNetwork) -> None:
    async with open_market(network) as market:
        network.connections[-1].downstream.stall()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cut_after, network, 1.0)
            with pytest.raises(OutcomeUnknown, match="the link was lost"):
                await market.link.session.ask(Call(method=Method.ORDER_PLACE, params=ORDER), within_s=30)
        await market.until_ready(2)
        status = Call(method=Method.ORDER_STATUS, params={"symbol": "BTCUSDT", "origClientOrderId": "mine"})
        assert (await market.link.session.ask(status, within_s=5)).is_ok
        assert [type(state) for state in market.states] == [SessionReady, SessionLost, SessionReady]


async def cut_after(network: MemoryNetwork, delay_s: float) -> None:
    await trio.sleep(delay_s)
    network.connections[-1].cut()


@pytest.mark.parametrize("key", ["ed25519", "hmac"])
async def test_a_revoked_key_stops_trading_until_it_is_good_again_and_public_calls_go_on(
    network: MemoryNetwork, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_market(network, key) as market:
        session = market.link.session
        market.exchange.revoke_key()
        place = Call(method=Method.ORDER_PLACE, params=ORDER)
        if key == "ed25519":  # logged out: the answer has no id
            with pytest.raises(OutcomeUnknown):
                await session.ask(place, within_s=30)
        else:
            assert not (await session.ask(place, within_s=30)).is_ok
        await trio.sleep(3600)
        with pytest.raises(NotSent, match="refuses the API key"):
            await session.ask(place, within_s=30)
        assert (await session.ask(Call(method=Method.EXCHANGE_INFO), within_s=30)).is_ok
        assert isinstance(market.states[-1], KeyRefused)
        assert len(market.states) <= 2 + 3600 / 300 + 1, "every five minutes and no oftener"
        assert len(network.connections) == 1, "on the same socket"
        assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
        market.exchange.restore_key()
        await market.until_ready(2)
        assert (await session.ask(place, within_s=30)).is_ok


async def test_market_streams_arrive_over_a_stream_link(network: MemoryNetwork) -> None:
    async with open_market(network) as market:
        payloads: list[bytes] = []
        streams = stream_link(
            "streams",
            dial=lambda: network.connect(HOST, PORT),
            host=HOST,
            resource="/stream?streams=btcusdt@trade",
            random=Random(2),
        )
        streams.lines[0].topics.frames.tap(lambda batch: payloads.extend(batch.payloads), on_error=fail)
        async with run_system(SupervisorSpec("market_data", [streams.lines_spec])):
            await trio.sleep(60)
        assert len(payloads) >= 55
        assert all(payload.startswith(b'{"stream":"btcusdt@trade"') for payload in payloads)
        assert market.states == [SessionReady(epoch=1)]
