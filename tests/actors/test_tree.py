"""The whole tree against the paper exchange under virtual time: faults on the line, crashes inside, slow readers."""

from decimal import Decimal
from random import Random

import pytest
import trio

from dogwatch import NotSent, Order, Quotes, Rejected, Side, Strategy, Trades
from dogwatch.actors.auditor import Audit
from dogwatch.actors.order_messages import Evidence
from dogwatch.actors.paper.config import PaperConfig, RandomWalkFeed
from dogwatch.actors.risk import GetExposures
from dogwatch.actors.testing import StagedExchange, StrategyStarter, staged_exchange
from dogwatch.actors.tree import StrategyEntry, Tree, build
from dogwatch.runtime.testing.network import MemoryNetwork

SYMBOL = "BTCUSDT"
SIZE = Decimal("0.001")


class Restless(Strategy):
    """Places, cancels and takes at random, whatever happens to the line."""

    class Config(Strategy.Config, frozen=True):
        symbol: str = SYMBOL
        seed: int = 0

    async def run(self) -> None:
        random = Random(self.config.seed)
        resting: list[Order] = []
        async for quote in self.follow(Quotes(self.config.symbol)):
            try:
                if random.random() < 0.3:
                    await self.place(random.choice(list(Side)), self.config.symbol, quantity=SIZE)
                elif len(resting) < 5:
                    price = quote.bid - random.randrange(3)
                    resting.append(await self.buy(self.config.symbol, quantity=SIZE, price=price, within_s=2))
                else:
                    await self.cancel(resting.pop(0), within_s=2)
            except (NotSent, Rejected) as refusal:
                self.log.info("refused", reason=refusal.message)


def walk(*, latency_ms: float = 0, events_before_replies: bool = False) -> PaperConfig:
    feed = RandomWalkFeed(symbol=SYMBOL, price=Decimal(40_000), step=Decimal("1.5"), interval_ms=400)
    return PaperConfig(feed=feed, latency_ms=latency_ms, events_before_replies=events_before_replies)


def tree_of(exchange: StagedExchange, *entries: StrategyEntry, audit: Audit | None = None) -> Tree:
    return build(
        api=exchange.api,
        streams=exchange.streams,
        clock=exchange.clock,
        signer=exchange.signer(),
        strategies=entries,
        audit=audit,
        random=Random(1),
    )


def entry(name: str, strategy: type[Strategy] = Restless, config: Strategy.Config | None = None) -> StrategyEntry:
    return StrategyEntry(name=name, strategy=strategy, config=config or strategy.Config())


@pytest.mark.parametrize("day_seed", [5, 10, 29, 33])  # each once lost a fill in its own way
async def test_belief_equals_the_ledger_although_the_line_is_cut_and_the_tracker_crashes(
    virtual_clock: object, network: MemoryNetwork, day_seed: int
) -> None:
    random = Random(day_seed)
    audit = Audit()
    config = walk(latency_ms=random.choice([0, 20, 300]), events_before_replies=random.random() < 0.5)
    names = ("one", "two")
    async with staged_exchange(network=network, seed=day_seed, config=config) as exchange:
        entries = [entry(name, config=Restless.Config(seed=day_seed + len(name) * 7)) for name in names]
        tree = tree_of(exchange, *entries, audit=audit)
        table = tree.desk.order_table
        async with tree.system():
            for _ in range(6):
                await trio.sleep(random.uniform(0.5, 15))
                if random.random() < 0.6:
                    network.cut_all(lose_in_flight=random.random() < 0.5)
                else:
                    crash_the_tracker(tree)
            await trio.sleep(60)
        believed = sum((table.position(name, SYMBOL) for name in names), Decimal(0))
        assert table.placed > 100
        assert list(table.all_live()) == []
        assert table.unexplained() == ()
        assert believed == exchange.position("BTC") == audit.gained("BTC")
        fills = sum(position.fills for name in names for position in table.positions(name))
        assert fills == len(exchange.fills())
        assert {order["status"] for order in exchange.orders()} <= {"FILLED", "CANCELED", "EXPIRED_IN_MATCH"}
        placed = [order["clientOrderId"] for order in exchange.orders()]
        assert len(placed) == len(set(placed))


def crash_the_tracker(tree: Tree) -> None:
    table = tree.desk.order_table
    name = next((order.client_order_id for order in table.all_live()), None)
    if name is not None:
        nonsense: object = "no event"
        tree.desk.orders.tell(Evidence(client_order_id=name, event=nonsense))  # type: ignore[arg-type] # it crashes


async def test_ten_minutes_of_market_data_that_nobody_reads_delay_no_order_and_no_pong(
    virtual_clock: object, network: MemoryNetwork
) -> None:
    round_trips: list[float] = []

    class Deaf(Strategy):
        class Config(Strategy.Config, frozen=True):
            symbol: str = SYMBOL

        async def run(self) -> None:
            with self.follow(Trades(self.config.symbol)), self.follow(Quotes(self.config.symbol)):
                while True:
                    began_s = trio.current_time()
                    await self.buy(self.config.symbol, quantity=SIZE)
                    round_trips.append(trio.current_time() - began_s)
                    await self.sell(self.config.symbol, quantity=SIZE)
                    await trio.sleep(5)

    async with (
        staged_exchange(network=network, config=walk()) as exchange,
        tree_of(exchange, entry("deaf", Deaf)).system() as system,
    ):
        await trio.sleep(605)
        assert len(round_trips) >= 115
        assert max(round_trips) == 0
        connections = exchange.paper.connections()
        assert all(connection.pings_sent == connection.pongs_matched >= 29 for connection in connections)
        assert system.tree().children[-1].restarts == 0


async def test_a_crash_of_the_tracker_loses_no_order(exchange: StagedExchange) -> None:
    class Rester(Strategy):
        class Config(Strategy.Config, frozen=True):
            symbol: str = SYMBOL

        async def run(self) -> None:
            await self.buy(self.config.symbol, quantity=SIZE, price=Decimal(39_000))
            await self.buy(self.config.symbol, quantity=SIZE)
            await trio.sleep_forever()

    exchange.quote(SYMBOL, "40000", "40001")
    tree = tree_of(exchange, entry("rester", Rester))
    async with tree.system() as system:
        await trio.sleep(1)
        (order,) = tree.desk.order_table.live("rester")
        crash_the_tracker(tree)
        await trio.sleep(3)
        assert [(node.name, node.life) for node in system.tree().children if node.name == "orders"] == [("orders", 2)]
        assert tree.desk.order_table.latest(order).is_closed
        assert len(exchange.orders()) == 4
    assert tree.desk.order_table.position("rester", SYMBOL) == exchange.position("BTC")
    assert {str(order["status"]) for order in exchange.orders()} == {"CANCELED", "FILLED"}


async def test_risk_adds_up_what_is_exposed(exchange: StagedExchange, start: StrategyStarter) -> None:
    class Rester(Strategy):
        class Config(Strategy.Config, frozen=True):
            symbol: str = SYMBOL

        async def run(self) -> None:
            for price in (39_000, 38_000):
                await self.buy(self.config.symbol, quantity=SIZE, price=Decimal(price))
            await trio.sleep_forever()

    exchange.quote(SYMBOL, "40000", "40001")
    running = await start(Rester)
    await trio.sleep(1)
    (risk,) = [child for child in running.tree.spec.children if child.name == "risk"]
    exposures = await risk.ref.ask(GetExposures(), within_s=1)  # type: ignore[union-attr] # it is an actor
    assert exposures[SYMBOL].buying_base == 2 * SIZE
    assert exposures[SYMBOL].orders == 2


async def test_an_order_placed_by_hand_is_told_and_left_alone(exchange: StagedExchange, start: StrategyStarter) -> None:
    class Idle(Strategy):
        class Config(Strategy.Config, frozen=True):
            symbol: str = SYMBOL

    exchange.quote(SYMBOL, "40000", "40001")
    running = await start(Idle)
    other = await start(Idle, name="other")
    await trio.sleep(1)
    await other.strategy.buy(SYMBOL, quantity=SIZE, price=Decimal(39_000))
    await trio.sleep(1)
    external = running.tree.desk.order_topics.external.last
    assert external is not None
    assert external.client_order_id.startswith("dw-other-")
    await running.stop()
    assert [order["status"] for order in exchange.orders()] == ["NEW"]


async def test_the_same_seed_gives_the_same_day(virtual_clock: object) -> None:
    days = []
    for _ in range(2):
        network = MemoryNetwork()
        async with staged_exchange(network=network, seed=3, config=walk()) as exchange:
            async with tree_of(exchange, entry("restless")).system():
                await trio.sleep(60)
            days.append([(order["side"], order["price"], order["status"]) for order in exchange.orders()])
    assert len(days[0]) > 50
    assert days[0] == days[1]
