"""A paper exchange in memory, over real WebSocket bytes, whose market stands still until the test moves it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from dogwatch.actors.dialler import Door
from dogwatch.actors.paper.armed_faults import Faults
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import ADDRESS, PaperExchange
from dogwatch.actors.paper.ledger import Balance
from dogwatch.actors.paper.order import Fill
from dogwatch.actors.spot.endpoints import RestBases
from dogwatch.actors.spot.keys import load_ed25519_private_key
from dogwatch.actors.spot.signing import Ed25519Signer
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.testing.network import MemoryNetwork

if TYPE_CHECKING:
    from dogwatch.actors.rest_wire import RestDoor

HOST, PORT = "exchange.test", 80
PLENTY = Decimal(100)
FIRST_QUANTITY = Decimal("0.01")


class StagedExchange:
    """The exchange of a test: move its market with `quote` and `trade`, and look into its ledger.

    `paper` is the whole paper exchange, `network` where its connections can be cut, delayed and stalled.
    `address` is where its clients come from.
    """

    def __init__(self, paper: PaperExchange, network: MemoryNetwork, clock: Clock, *, address: str = ADDRESS) -> None:
        self.paper = paper
        self.network = network
        self.clock = clock
        self.address = address

    @property
    def faults(self) -> Faults:
        """What goes wrong at the exchange on purpose: `exchange.faults.add(LoseAnswer())`."""
        return self.paper.faults

    @property
    def api(self) -> Door:
        """Where the WebSocket API is."""
        return Door(self._dial, HOST, "/ws-api/v3")

    @property
    def streams(self) -> Door:
        """Where the market streams are."""
        return Door(self._dial, HOST, "/stream")

    @property
    def rest(self) -> "RestDoor":
        """Where the REST API is."""
        from dogwatch.actors.rest_wire import RestDoor

        transport = partial(self.paper.rest_transport, self.address)
        return RestDoor(bases=RestBases(origins=(f"http://{HOST}",)), open=transport)

    def from_address(self, address: str) -> "StagedExchange":
        """The same exchange as it is reached from another IP address, with limits of its own."""
        return StagedExchange(self.paper, self.network, self.clock, address=address)

    def signer(self) -> Ed25519Signer:
        """Signs for the account."""
        return Ed25519Signer(self.paper.api_key, load_ed25519_private_key(self.paper.private_key_pem))

    def quote(
        self,
        symbol: str,
        bid: Decimal | str,
        ask: Decimal | str,
        *,
        bid_quantity: Decimal | str = PLENTY,
        ask_quantity: Decimal | str = PLENTY,
    ) -> None:
        """The market outside shows this best bid and ask. Takers execute against it; resting orders stay.

        The first quote of a symbol comes with a trade at the bid: a market without a last price takes no MARKET order.
        """
        if self.paper.last_price(symbol) is None:
            self.trade(symbol, bid, FIRST_QUANTITY)
        self.paper.engine.apply_quote(
            symbol, Decimal(bid), Decimal(bid_quantity), Decimal(ask), Decimal(ask_quantity), self.clock.unix_ms()
        )
        self.paper.settle()

    def trade(
        self,
        symbol: str,
        price: Decimal | str,
        quantity: Decimal | str = PLENTY,
        *,
        buyer_is_maker: bool = False,
    ) -> None:
        """The market outside trades. Resting orders that it goes through are filled, at their own prices."""
        self.paper.engine.apply_trade(
            symbol, Decimal(price), Decimal(quantity), self.clock.unix_ms(), buyer_is_maker=buyer_is_maker
        )
        self.paper.settle()

    def balances(self) -> dict[str, Balance]:
        """What the account has, by asset."""
        return self.paper.balances()

    def orders(self) -> list[dict[str, Any]]:
        """Every order of the account, in the words of `order.status`."""
        return self.paper.orders()

    def fills(self) -> list[Fill]:
        """Every fill of the account."""
        return self.paper.fills()

    def position(self, asset: str) -> Decimal:
        """What the account has gained of an asset since the start, commissions included."""
        return self.paper.position(asset)

    def cut(self) -> None:
        """Cut every connection, as a broken line does."""
        self.network.cut_all()

    async def _dial(self) -> trio.abc.Stream:
        return await self.network.connect(HOST, PORT, source=self.address)


@asynccontextmanager
async def staged_exchange(
    *, network: MemoryNetwork, seed: int = 0, config: PaperConfig | None = None
) -> AsyncIterator[StagedExchange]:
    """A running exchange until the block ends. Call it inside the Trio run: its clock begins now."""
    clock = Clock.virtual()
    paper = PaperExchange(config or PaperConfig(), clock=clock, seed=seed)
    async with trio.open_nursery() as nursery:
        await nursery.start(paper.serve, [network.listen(HOST, PORT)])
        nursery.start_soon(paper.run_feed)
        yield StagedExchange(paper, network, clock)
        nursery.cancel_scope.cancel()
