"""The scene of the stories: an exchange in memory with prices that move, accounts with strategies, and the final count.

What happens on it is told in the tests; every story is played under virtual time, as its seed decides.
"""

import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random
from typing import Any, Generic, TypeVar

import trio

from dogwatch import Context, Order, Strategy
from dogwatch.actors.auditor import Audit
from dogwatch.actors.order_messages import AwaitReady
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import ACCOUNT, PaperExchange
from dogwatch.actors.paper.price_feed import MarketTick, RandomWalk
from dogwatch.actors.paper.terms import ConnectionStatistics
from dogwatch.actors.spot.keys import load_ed25519_private_key
from dogwatch.actors.spot.signing import Ed25519Signer, Signer
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.testing import StagedExchange
from dogwatch.actors.testing.staged_exchange import HOST, PORT
from dogwatch.actors.tree import StrategyEntry, build
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.lifecycle import LifecycleEvent, Restarted
from dogwatch.runtime.specs import Restart
from dogwatch.runtime.system import System
from dogwatch.runtime.testing import MemoryNetwork
from dogwatch.runtime.testing.network import MemoryConnection
from dogwatch.runtime.tree import TreeNode

SYMBOL = "BTCUSDT"
SIZE = Decimal("0.001")


class Character(Strategy):
    """A strategy of a story: `Part.lives` has its objects, one for each life."""

    class Config(Strategy.Config, frozen=True, kw_only=True):
        symbol: str = SYMBOL
        lives: list[Any]

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        context.config.lives.append(self)  # type: ignore[attr-defined]  # every Character's config has them


CharacterT = TypeVar("CharacterT", bound=Character)


class Part(Generic[CharacterT]):
    """A strategy under a name, and whoever has played it so far. `config` are the fields of its Config."""

    def __init__(
        self,
        name: str,
        strategy: type[CharacterT],
        *,
        orders_on_crash: OrdersOnCrash = OrdersOnCrash.CANCEL,
        restart: Restart = Restart.TRANSIENT,
        **config: Any,
    ) -> None:
        self.name = name
        self.lives: list[CharacterT] = []
        self.entry = StrategyEntry(
            name=name,
            strategy=strategy,
            config=strategy.Config(lives=self.lives, **config),
            orders_on_crash=orders_on_crash,
            restart=restart,
        )

    @property
    def now(self) -> CharacterT:
        """The strategy's object of its newest life."""
        return self.lives[-1]


class Account:
    """The account's tree with these strategies, and what it all came to. Make it inside of the Trio run.

    `clock` is this machine's, if it is not the exchange's own; `over_rest`: orders go over REST, not a WebSocket;
    `options` are those of `build`, such as `journal`.
    """

    def __init__(
        self,
        exchange: StagedExchange,
        *strategies: StrategyEntry,
        seed: int,
        signer: Signer | None = None,
        clock: Clock | None = None,
        over_rest: bool = False,
        **options: Any,
    ) -> None:
        self._audit = Audit()
        self._random = Random(seed)
        self.tree = build(
            api=exchange.rest if over_rest else exchange.api,
            streams=exchange.streams,
            clock=clock or exchange.clock,
            signer=signer or exchange.signer(),
            strategies=strategies,
            audit=self._audit,
            random=self._random,
            **options,
        )
        self.restarts: list[Restarted] = []
        self.tree.lifecycle.tap(self._count, on_error=_fail)
        self.table = self.tree.desk.order_table

    @asynccontextmanager
    async def trading(self) -> AsyncIterator[System]:
        """Entered when orders can be placed; at the end of the block the tree is stopped in order."""
        async with self.tree.system(random=self._random.random) as system:
            # Reading much history, after many starts, may have to wait for the exchange's next minutes.
            await self.tree.desk.orders.ask(AwaitReady(), within_s=150)
            yield system

    def believed(self) -> dict[str, Decimal]:
        """Asset → what the fills of all strategies have added to it, commission taken off."""
        amounts: defaultdict[str, Decimal] = defaultdict(Decimal)
        for strategy in self.table.strategies():
            for position in self.table.positions(strategy):
                amounts[position.base_asset] += position.quantity
                amounts[position.quote_asset] += position.realised_pnl - position.cost
        return dict(amounts)

    def read_at_the_end(self, asset: str) -> Decimal | None:
        """What the account has gained of an asset, as the tree's own auditor has read it."""
        return self._audit.gained(asset)

    def fills_booked(self) -> int:
        """How many fills the strategies' ledgers hold."""
        return sum(entry.fills for name in self.table.strategies() for entry in self.table.positions(name))

    def _count(self, event: LifecycleEvent) -> None:
        if isinstance(event, Restarted):
            self.restarts.append(event)


def _fail(error: Exception) -> None:
    raise error


def check_that_all_is_square(exchange: StagedExchange, account: Account, *, ledger: str = ACCOUNT) -> None:
    """Belief, the exchange's ledger and what the auditor read of it are equal; nothing is open, nothing unknown."""
    engine = exchange.paper.engine
    assert list(account.table.all_live()) == []
    assert [order for order in engine.orders(ledger) if order["status"] in ("NEW", "PARTIALLY_FILLED")] == []
    for asset, amount in account.believed().items():
        assert amount == engine.position(ledger, asset) == account.read_at_the_end(asset), asset


@asynccontextmanager
async def open_exchange(
    *,
    seed: int,
    config: PaperConfig | None = None,
    feed: Iterable[MarketTick] | None = None,
    network: MemoryNetwork | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[StagedExchange]:
    """An exchange until the block ends; its prices begin to move with `prices_move`."""
    clock = clock or Clock.virtual()
    network = network or MemoryNetwork()
    paper = PaperExchange(config or PaperConfig(), clock=clock, seed=seed, feed=feed)
    async with trio.open_nursery() as nursery:
        await nursery.start(paper.serve, [network.listen(HOST, PORT)])
        yield StagedExchange(paper, network, clock)
        nursery.cancel_scope.cancel()


def open_account(exchange: StagedExchange, name: str, balances: Mapping[str, Decimal]) -> Signer:
    """Another customer of the same exchange."""
    exchange.paper.open_account(name, balances)
    issued = exchange.paper.keys.issue_ed25519(name)
    return Ed25519Signer(issued.api_key, load_ed25519_private_key(issued.private_key_pem))


@asynccontextmanager
async def prices_move(exchange: StagedExchange) -> AsyncIterator[None]:
    """The exchange's price feed plays until the block ends."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exchange.paper.run_feed)
        yield
        nursery.cancel_scope.cancel()


def walk(seed: int, *, interval_ms: int = 1000, step: str = "1", ticks_max: int | None = None) -> RandomWalk:
    """Prices around 40,000 that move every `interval_ms`."""
    return RandomWalk(
        SYMBOL,
        seed=seed,
        price=Decimal(40_000),
        step=Decimal(step),
        interval_ms=interval_ms,
        ticks_max=ticks_max,
    )


async def until(condition: Callable[[], bool], *, within_s: float = 60, step_s: float = 0.001) -> None:
    """Wait, in small steps of virtual time, until something is the case."""
    with trio.fail_after(within_s):
        for _ in itertools.repeat(None):
            if condition():
                return
            await trio.sleep(step_s)


def api_connections(exchange: StagedExchange) -> list[ConnectionStatistics]:
    """What the exchange has seen of the connections to its WebSocket API, oldest first."""
    return [entry for entry in exchange.paper.connections() if entry.target.startswith("/ws-api/")]


def api_lines(exchange: StagedExchange) -> list[MemoryConnection]:
    """The connections to the WebSocket API as the network sees them, oldest first."""
    targets = {id(entry._stream): entry._target for entry in exchange.paper._server._open}
    lines = exchange.network.connections
    return [line for line in lines if targets.get(id(line.server), "").startswith("/ws-api/")]


def api_line(exchange: StagedExchange) -> MemoryConnection:
    """The newest of them."""
    return api_lines(exchange)[-1]


def strategy_node(system: System, name: str) -> TreeNode:
    """A strategy's place in the tree."""
    return next(node for node in system.tree().walk() if node.path.endswith(f"/strategies/{name}"))


def status_of(exchange: StagedExchange, order: Order | None) -> str:
    """What the exchange's own record says of an order."""
    assert order is not None
    return next(str(row["status"]) for row in exchange.orders() if row["orderId"] == order.order_id)
