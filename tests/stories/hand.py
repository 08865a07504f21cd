"""A strategy that does nothing by itself: the test does things through it. And what can be done, by method."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

import trio

from dogwatch import Context, Fill, Fills, Order, OrderChanged, OrderChanges
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.order_messages import AwaitReady
from dogwatch.actors.order_settings import OrderSettings
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import ACCOUNT
from dogwatch.actors.spot.signing import Signer
from dogwatch.actors.testing import StagedExchange
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.specs import Restart
from dogwatch.runtime.system import System
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.judge import Judge
from tests.stories.scene import SIZE, SYMBOL, Account, Character, Part, open_exchange, until

BID, ASK = Decimal(40_000), Decimal(40_001)
DEEP, DEEPER = Decimal(38_000), Decimal(37_000)
"""Prices at which a bid rests; the lower one is not reached when the market trades at `TOUCHED`."""
TOUCHED = Decimal(37_500)
KNOWN_WITHIN_S = 150.0
"""After this everything is known: the time in which an order may be executed and hidden, and some queries."""


class Hand(Character):
    """Keeps what it hears of its fills and orders."""

    class Config(Character.Config, frozen=True, kw_only=True):
        symbols: tuple[str, ...] = ()

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.fills: list[Fill] = []
        self.changes: list[Order] = []

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear_fills)
            nursery.start_soon(self._hear_changes)

    async def rest(self, quantity: Decimal = 3 * SIZE, price: Decimal = DEEP, **options: Any) -> Order:
        """Place a bid below the market."""
        return await self.buy(self.config.symbol, quantity=quantity, price=price, **options)

    async def _hear_fills(self) -> None:
        async for fill in self.follow(Fills()):
            self.fills.append(fill)

    async def _hear_changes(self) -> None:
        async for change in self.follow(OrderChanges()):
            assert isinstance(change, OrderChanged)
            self.changes.append(change.order)


class Deed(Enum):
    """What may be done to an order, by the method that does it."""

    PLACE = "order.place"
    CANCEL = "order.cancel"
    AMEND = "order.amend.keepPriority"
    REPLACE = "order.cancelReplace"
    QUERY = "order.status"

    async def do(self, hand: Hand, order: Order | None = None, *, within_s: float = 10.0) -> Order:
        """Do it with an order of three sizes that rests; PLACE needs none."""
        if self is Deed.PLACE:
            return await hand.rest(price=DEEPER, within_s=within_s)
        assert order is not None
        match self:
            case Deed.CANCEL:
                return await hand.cancel(order, within_s=within_s)
            case Deed.AMEND:
                return await hand.amend(order, 2 * SIZE, within_s=within_s)
            case Deed.REPLACE:
                return await hand.replace(order, price=DEEPER, within_s=within_s)
            case _:
                return await hand.query(order, within_s=within_s)


ACTS = tuple(deed for deed in Deed if deed is not Deed.QUERY)
"""What changes something at the exchange."""


@dataclass
class Play:
    """One account with a `Hand` at an exchange whose market stands still between `BID` and `ASK`."""

    exchange: StagedExchange
    account: Account
    part: Part[Hand]
    judge: Judge
    system: System

    @property
    def hand(self) -> Hand:
        return self.part.now

    def latest(self, order: Order) -> Order:
        return self.account.table.latest(order)

    def order_of_somebody_else(self, *, quantity: Decimal = SIZE, price: Decimal = DEEPER, symbol: str = SYMBOL) -> int:
        """Somebody places a bid in this account by other means. Its order id."""
        terms = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": str(quantity), "price": str(price)}
        paper = self.exchange.paper
        row = paper.engine.place(ACCOUNT, {"symbol": symbol, **terms}, self.exchange.clock.unix_ms())
        paper.settle()
        order_id: int = row["orderId"]
        self.judge.foreign.add(order_id)
        return order_id

    def cancel_by_hand(self, order_id: int, symbol: str = SYMBOL) -> None:
        """The account's owner cancels an order by other means; the exchange makes up a new name for it."""
        paper = self.exchange.paper
        paper.engine.cancel(ACCOUNT, {"symbol": symbol, "orderId": order_id}, self.exchange.clock.unix_ms())
        paper.settle()

    async def caught_up(self, *, within_s: float = 180.0) -> None:
        """Wait until there is a session and everything is known that happened before it."""
        await self.account.tree.desk.orders.ask(AwaitReady(), within_s=within_s)

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """The exchange cannot be reached while the block lasts; at its end everything is known again."""
        network = self.exchange.network
        network.reachable = False
        network.cut_all()
        await trio.sleep(0.1)
        try:
            yield
        finally:
            network.reachable = True
        await self.caught_up()

    async def settle(self, *, within_s: float = KNOWN_WITHIN_S) -> None:
        """Wait until nothing is in doubt, and hold everything against the ledger."""
        await until(lambda: not self.judge.is_anything_in_doubt, within_s=within_s, step_s=0.25)
        await until(lambda: not self.account.table.unexplained(), within_s=60, step_s=0.25)
        self.judge.check()


@asynccontextmanager
async def perform(
    exchange: StagedExchange,
    seed: int,
    *,
    signer: Signer | None = None,
    ledger: str = ACCOUNT,
    clock: Clock | None = None,
    journal: OrderJournal | None = None,
    order_settings: OrderSettings | None = None,
    over_rest: bool = False,
    judges: list[Judge] | None = None,
    **hand: Any,
) -> AsyncIterator[Play]:
    """One process: entered when orders can be placed; at the end the account's tree is stopped in order.

    `judges` are those of the processes before it, its own is added; `hand` are the options of the Hand's `Part`.
    """
    part = Part("hand", Hand, restart=Restart.TRANSIENT, **hand)
    account = Account(
        exchange,
        part.entry,
        seed=seed,
        signer=signer,
        clock=clock,
        journal=journal,
        order_settings=order_settings,
        over_rest=over_rest,
    )
    judges = [] if judges is None else judges
    judge = Judge(exchange, account.tree, ledger=ledger, earlier=judges[-1] if judges else None)
    judges.append(judge)
    async with account.trading() as system:
        await until(lambda: bool(part.lives), within_s=KNOWN_WITHIN_S, step_s=0.05)
        yield Play(exchange, account, part, judge, system)


@asynccontextmanager
async def play(
    seed: int,
    *,
    config: PaperConfig | None = None,
    network: MemoryNetwork | None = None,
    exchange_clock: Clock | None = None,
    **options: Any,
) -> AsyncIterator[Play]:
    """The same at an exchange of its own. `options` are those of `perform`."""
    async with open_exchange(seed=seed, config=config, network=network, clock=exchange_clock) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        async with perform(exchange, seed, **options) as performed:
            yield performed
