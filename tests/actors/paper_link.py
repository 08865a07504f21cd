"""A paper exchange and one link to it, in memory and virtual time: what tests of links build on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random

import trio

from dogwatch.actors.connection_settings import ConnectionSettings
from dogwatch.actors.link import ApiLink, api_link
from dogwatch.actors.paper.config import PaperConfig, RandomWalkFeed
from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.actors.session import SessionState
from dogwatch.actors.spot.enums import OrderType, Side, TimeInForce
from dogwatch.actors.spot.envelope import UserEvent
from dogwatch.actors.spot.keys import load_ed25519_private_key
from dogwatch.actors.spot.methods import Params
from dogwatch.actors.spot.order_requests import OrderPlace
from dogwatch.actors.spot.signing import Ed25519Signer, HmacSigner, Signer
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.specs import SupervisorSpec
from dogwatch.runtime.system import System, run_system
from dogwatch.runtime.testing.network import MemoryNetwork

HOST, PORT = "paper", 443
WALK = RandomWalkFeed(symbol="BTCUSDT", price=Decimal(40_000), step=Decimal(1))


class PaperLink:
    """Both of them, the states of the session, and the account's events as they came."""

    def __init__(
        self, network: MemoryNetwork, key: str = "ed25519", settings: ConnectionSettings | None = None
    ) -> None:
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
        self.link.topics.states.tap(self.states.append, on_error=fail)
        self.link.topics.user_events.tap(self.events.append, on_error=fail)
        self.system: System

    def signer(self, key: str) -> Signer:
        if key == "hmac":
            return HmacSigner(self.exchange.hmac_api_key, self.exchange.hmac_secret)
        return Ed25519Signer(self.exchange.api_key, load_ed25519_private_key(self.exchange.private_key_pem))

    @asynccontextmanager
    async def running(self, *, with_prices: bool) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.exchange.serve, [self.network.listen(HOST, PORT)])
            if with_prices:
                nursery.start_soon(self.exchange.run_feed)
            async with run_system(SupervisorSpec("top", [self.link.spec])) as self.system:
                with trio.fail_after(1_000_000):
                    yield
            nursery.cancel_scope.cancel()


def an_order(name: str) -> Params:
    """One that rests, far away from the market."""
    return OrderPlace(
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price=Decimal(30_000),
        quantity=Decimal("0.01"),
        new_client_order_id=name,
    ).params()


def fail(error: Exception) -> None:
    raise error
