"""Rotation against the paper exchange: nobody notices that a link has another socket, whatever happens meanwhile."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random

import msgspec
import pytest
import trio
import trio.testing

from dogwatch.actors.connection_settings import ConnectionSettings
from dogwatch.actors.link import ApiLink, api_link
from dogwatch.actors.paper.config import PaperConfig, RandomWalkFeed
from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.actors.rotation_messages import Rotated, RotateNow, RotationFailed
from dogwatch.actors.session import Call, SessionReady, SessionState
from dogwatch.actors.spot.enums import OrderType, Side, TimeInForce
from dogwatch.actors.spot.envelope import UserEvent, decode_frame
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.keys import load_ed25519_private_key
from dogwatch.actors.spot.methods import Method, cancel_order, place_order
from dogwatch.actors.spot.signing import Ed25519Signer, HmacSigner, Signer
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.specs import SupervisorSpec
from dogwatch.runtime.system import System, run_system
from dogwatch.runtime.testing.network import MemoryNetwork

pytestmark = pytest.mark.usefixtures("virtual_clock")

HOST, PORT = "paper", 443
WALK = RandomWalkFeed(symbol="BTCUSDT", price=Decimal(40_000), step=Decimal(1))


class Market:
    """A paper exchange, a link to it, and what both say of the same events."""

    def __init__(self, network: MemoryNetwork, key: str, settings: ConnectionSettings) -> None:
        self.network = network
        self.clock = Clock.virtual()
        self.exchange = PaperExchange(PaperConfig(feed=WALK), clock=self.clock, seed=1)
        self.link: ApiLink = api_link(
            "link",
            dial=lambda: network.connect(HOST, PORT),
            host=HOST,
            resource="/ws-api/v3",
            clock=self.clock,
            signer=self.signer(key),
            random=Random(1),
            settings=settings,
        )
        self.states: list[SessionState] = []
        self.events: list[UserEvent] = []
        self.rotated: list[Rotated] = []
        self.failed: list[RotationFailed] = []
        self.link.topics.states.tap(self.states.append, on_error=fail)
        self.link.topics.user_events.tap(self.events.append, on_error=fail)
        self.link.rotation.rotated.tap(self.rotated.append, on_error=fail)
        self.link.rotation.failed.tap(self.failed.append, on_error=fail)
        self.placed = 0
        self.refused: list[Exception] = []
        self.system: System

    def signer(self, key: str) -> Signer:
        if key == "hmac":
            return HmacSigner(self.exchange.hmac_api_key, self.exchange.hmac_secret)
        return Ed25519Signer(self.exchange.api_key, load_ed25519_private_key(self.exchange.private_key_pem))

    async def trade(self, every_s: float = 0.05) -> None:
        """Place and cancel orders, one after the other, for ever."""
        while True:
            self.placed += 1
            name = f"order-{self.placed}"
            order = place_order(
                symbol="BTCUSDT",
                side=Side.BUY,
                order_type=OrderType.LIMIT,
                time_in_force=TimeInForce.GTC,
                price=Decimal(30_000),
                quantity=Decimal("0.01"),
                client_order_id=name,
            )
            try:
                for method, params in (
                    (Method.ORDER_PLACE, order),
                    (Method.ORDER_CANCEL, cancel_order(symbol="BTCUSDT", client_order_id=name)),
                ):
                    response = await self.link.session.ask(Call(method=method, params=params), within_s=10)
                    assert response.is_ok, response.error
                    await trio.sleep(every_s)
            except (NotSent, OutcomeUnknown) as error:
                self.refused.append(error)
                await trio.sleep(every_s)

    def rotate(self, reason: str = "the test wants it") -> None:
        self.link.rotation.wanted.publish(RotateNow(reason=reason))

    async def until(self, condition: Callable[[], object], within_s: float = 300.0) -> None:
        with trio.fail_after(within_s):
            while True:
                if condition():
                    return
                await trio.sleep(0.05)

    def check_events(self) -> None:
        """Every event that the exchange has told is here once and in its order."""
        told = [
            decode_frame(msgspec.json.encode({"subscriptionId": 0, "event": event.event}))
            for event in self.exchange.record.events
        ]
        assert all(isinstance(frame, UserEvent) for frame in told)
        assert [frame.event for frame in self.events] == [getattr(frame, "event", None) for frame in told]

    def lines_standing(self) -> list[str]:
        return [line.name for line in self.link.lines if line.topics.epoch is not None]


def fail(error: Exception) -> None:
    raise error


@asynccontextmanager
async def open_market(
    network: MemoryNetwork, *, key: str = "ed25519", settings: ConnectionSettings | None = None
) -> AsyncIterator[Market]:
    market = Market(network, key, settings or ConnectionSettings())
    async with trio.open_nursery() as nursery:
        await nursery.start(market.exchange.serve, [network.listen(HOST, PORT)])
        async with run_system(SupervisorSpec("top", [market.link.spec])) as market.system:
            with trio.fail_after(1_000_000):
                await market.until(lambda: market.states)
                yield market
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("key", ["ed25519", "hmac"])
async def test_under_a_load_of_orders_nothing_is_lost_doubled_or_refused(network: MemoryNetwork, key: str) -> None:
    async with open_market(network, key=key) as market, trio.open_nursery() as nursery:
        nursery.start_soon(market.trade)
        for number in range(3):
            await trio.sleep(1)
            market.rotate()
            await market.until(lambda number=number: len(market.rotated) == number + 1)
        await trio.sleep(15)
        nursery.cancel_scope.cancel()
        assert market.states == [SessionReady(epoch=1)]
        assert [(done.old_epoch, done.new_epoch, done.is_seamless) for done in market.rotated] == [
            (1, 2, True),
            (2, 3, True),
            (3, 4, True),
        ]
        assert market.refused == []
        assert market.placed > 100
        market.check_events()
        assert market.lines_standing() == ["b"]
