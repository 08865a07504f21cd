"""A strategy's new life begins with what is true now, and nothing that happened to the one before reaches it."""

from decimal import Decimal

import pytest
import trio

from dogwatch import Fill, NotSent, OrderChanged, Quote, Quotes, Strategy
from dogwatch.actors.feeds import Feed
from dogwatch.actors.order_messages import Evidence
from dogwatch.actors.testing import StagedExchange, StrategyStarter
from dogwatch.actors.testing.running_strategy import RunningStrategy

SYMBOL = "BTCUSDT"
pytestmark = pytest.mark.usefixtures("virtual_clock")


class Watcher(Strategy):
    """Notes what it is told; crashes over a bid of 13, while more waits in its mailbox."""

    class Config(Strategy.Config, frozen=True):
        symbol: str = SYMBOL

    def feeds(self) -> list[Feed[Quote]]:
        return [Quotes(self.config.symbol)]

    async def on_start(self) -> None:
        self.told: list[object] = []

    async def on_quote(self, quote: Quote) -> None:
        if quote.bid == 13:
            await trio.sleep(1)
            raise RuntimeError("unlucky")
        self.told.append(quote.bid)

    def on_fill(self, fill: Fill) -> None:
        self.told.append(fill)

    def on_change(self, change: OrderChanged) -> None:
        self.told.append(change.order.life)


async def test_what_waited_for_the_life_before_is_not_told_to_the_next(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    exchange.quote(SYMBOL, "40000", "40001")
    running = await start(Watcher)
    await trio.sleep(1)
    exchange.quote(SYMBOL, "13", "40001")
    await trio.sleep(0.5)
    exchange.quote(SYMBOL, "14", "40001")
    await trio.sleep(60)
    assert len(running.lives) == 2
    exchange.quote(SYMBOL, "39000", "39001")
    await trio.sleep(1)
    strategy = running.strategy
    assert isinstance(strategy, Watcher)
    assert strategy.told == [39_000], "a bid of a minute ago is no bid"


class Crasher(Strategy):
    class Config(Strategy.Config, frozen=True):
        symbol: str = SYMBOL

    async def run(self) -> None:
        if self.life == 1:
            raise RuntimeError("once")
        await self.buy(self.config.symbol, quantity=Decimal("0.001"), price=Decimal(39_000))
        await trio.sleep_forever()


async def test_the_tracker_is_back_at_once_although_a_strategy_has_crashed_before(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    exchange.quote(SYMBOL, "40000", "40001")
    running = await start(Crasher)
    await trio.sleep(5)
    assert len(running.lives) == 2
    crash_the_tracker(running)
    await trio.sleep(3)
    assert len(running.lives) == 3


def crash_the_tracker(running: RunningStrategy) -> None:
    """With evidence that is none, about an order that the table knows."""
    table = running.tree.desk.order_table
    nonsense: object = "no event"
    name = next(iter(table.all_live())).client_order_id
    running.tree.desk.orders.tell(Evidence(client_order_id=name, event=nonsense))  # type: ignore[arg-type] # it crashes


class Flood(Strategy):
    """Places far too much at once."""

    class Config(Strategy.Config, frozen=True):
        symbol: str = SYMBOL

    async def on_start(self) -> None:
        self.sent = 0
        self.not_sent = 0

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(300):
                nursery.start_soon(self.place_one)
        await trio.sleep_forever()

    async def place_one(self) -> None:
        try:
            await self.buy(self.config.symbol, quantity=Decimal("0.001"), price=Decimal(39_000))
            self.sent += 1
        except NotSent:
            self.not_sent += 1


async def test_orders_that_no_queue_takes_are_not_sent_and_crash_nobody(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    exchange.quote(SYMBOL, "40000", "40001")
    await trio.sleep(1)
    running = await start(Flood)
    await trio.sleep(5)
    strategy = running.strategy
    assert isinstance(strategy, Flood)
    assert strategy.life == 1
    # The exchange takes 100 in ten seconds: as many again are sent in time, for the rest the next window is too late.
    assert (strategy.sent, strategy.not_sent) == (100, 44 + 56)
    await trio.sleep(10)
    assert (strategy.sent, strategy.not_sent) == (200, 44 + 56)
