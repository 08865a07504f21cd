"""A strategy that raises begins anew; its orders follow the policy; nobody else notices anything."""

from decimal import Decimal
from functools import partial
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from dogwatch import Context, Order, Quote, Quotes
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.tree import STRATEGY_BACKOFF
from dogwatch.runtime.specs import Restart
from dogwatch.runtime.testing import MemoryNetwork
from dogwatch.runtime.tree import render
from tests.stories.cast import Swinger
from tests.stories.scene import (
    SIZE,
    SYMBOL,
    Account,
    Character,
    Part,
    check_that_all_is_square,
    open_exchange,
    prices_move,
    status_of,
    strategy_node,
    until,
    walk,
)

QUOTES_BEFORE_THE_FALL = 5
FAR_BELOW = Decimal(20_000)
LONGEST_FIRST_BACKOFF_S = STRATEGY_BACKOFF.first_s * (1 + STRATEGY_BACKOFF.jitter)


class Stumbler(Character):
    """Rests an order far from the market and, in its first life, raises at the fifth quote."""

    class Config(Character.Config, frozen=True, kw_only=True):
        falls_in_lives: int = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.seen: list[Quote] = []
        self.inherited: tuple[Order, ...] = self.orders
        self.resting: Order | None = None
        self.fell_ms = 0

    async def run(self) -> None:
        self.resting = await self.buy(self.config.symbol, quantity=SIZE, price=FAR_BELOW)
        async for quote in self.follow(Quotes(self.config.symbol)):
            self.seen.append(quote)
            if self.life <= self.config.falls_in_lives and len(self.seen) == QUOTES_BEFORE_THE_FALL:
                self.fell_ms = self.now_ms()
                raise RuntimeError("the strategy stumbled")


async def fallen(stumbler: Part[Stumbler]) -> None:
    """Wait until the strategy has raised for the first time."""
    await until(lambda: bool(stumbler.lives and stumbler.lives[0].fell_ms))


async def test_it_begins_anew_with_a_fresh_state_and_the_tree_shows_it(virtual_clock: MockClock, seed: int) -> None:
    stumbler = Part("stumbler", Stumbler)
    swinger = Part("swinger", Swinger)
    async with open_exchange(seed=seed, feed=walk(seed)) as exchange:
        account = Account(exchange, stumbler.entry, swinger.entry, seed=seed)
        async with account.trading() as system, prices_move(exchange):
            await trio.sleep(60)
            first, second = stumbler.lives
            assert first is not second
            assert (first.life, second.life) == (1, 2)
            assert len(first.seen) == QUOTES_BEFORE_THE_FALL
            before, after = first.seen[-1].update_id, second.seen[0].update_id
            assert before is not None
            assert after is not None
            assert after > before
            assert second.inherited == ()
            assert second.resting is not None
            assert second.resting.is_open
            node = strategy_node(system, "stumbler")
            assert (node.life, node.restarts, node.state) == (2, 1, "running")
            shown = {line.strip(" ├└─│").split("  ")[0]: line for line in render(system.tree()).splitlines()}
            assert {"running", "2", "1"} <= set(shown["stumbler"].split())
            assert any("the strategy stumbled" in line for line in shown.values())
            others = [entry for entry in system.tree().walk() if entry.path != node.path]
            assert [entry.path for entry in others if entry.kind == "actor" and entry.restarts] == []
        check_that_all_is_square(exchange, account)
        assert [event.path for event in account.restarts] == [node.path]


async def test_another_strategy_trades_on_as_if_nothing_had_happened(virtual_clock: MockClock, seed: int) -> None:
    diaries = []
    for falls in (0, 3):
        stumbler, swinger = Part("stumbler", Stumbler, falls_in_lives=falls), Part("swinger", Swinger)
        async with open_exchange(seed=seed, feed=walk(seed)) as exchange:
            account = Account(exchange, stumbler.entry, swinger.entry, seed=seed)
            began_ms = exchange.clock.unix_ms()
            async with account.trading(), prices_move(exchange):
                await trio.sleep(120)
            assert len(stumbler.lives) == 1 + falls
            assert len(swinger.lives) == 1
            check_that_all_is_square(exchange, account)
            fills = [fill for fill in exchange.fills() if fill.client_order_id.startswith("dw-swinger-")]
            diaries.append([(fill.time_ms - began_ms, fill.side, fill.price, fill.quantity) for fill in fills])
    undisturbed, beside_the_crashes = diaries
    assert len(undisturbed) >= 100
    assert beside_the_crashes == undisturbed


@pytest.mark.parametrize("restart", [Restart.TRANSIENT, Restart.TEMPORARY])
async def test_its_orders_are_canceled_by_risk_and_not_by_its_next_life(
    virtual_clock: MockClock, seed: int, restart: Restart
) -> None:
    stumbler = Part("stumbler", Stumbler, orders_on_crash=OrdersOnCrash.CANCEL, restart=restart)
    swinger = Part("swinger", Swinger)
    async with open_exchange(seed=seed, feed=walk(seed)) as exchange:
        account = Account(exchange, stumbler.entry, swinger.entry, seed=seed)
        async with account.trading(), prices_move(exchange):
            await fallen(stumbler)
            await trio.sleep(0.002)  # nobody has begun anew: the shortest pause is a hundred times longer
            assert len(stumbler.lives) == 1
            assert status_of(exchange, stumbler.now.resting) == "CANCELED"
            assert account.table.live("stumbler") == ()
            await trio.sleep(LONGEST_FIRST_BACKOFF_S + 1)
            if restart is Restart.TRANSIENT:
                assert stumbler.now.life == 2
                assert stumbler.now.inherited == ()
            else:
                assert len(stumbler.lives) == 1
        check_that_all_is_square(exchange, account)


async def test_its_orders_are_kept_and_the_next_life_finds_them(virtual_clock: MockClock, seed: int) -> None:
    stumbler = Part("stumbler", Stumbler, orders_on_crash=OrdersOnCrash.KEEP)
    swinger = Part("swinger", Swinger)
    async with open_exchange(seed=seed, feed=walk(seed)) as exchange:
        account = Account(exchange, stumbler.entry, swinger.entry, seed=seed)
        async with account.trading(), prices_move(exchange):
            await fallen(stumbler)
            await trio.sleep(0.002)
            assert status_of(exchange, stumbler.now.resting) == "NEW"
            await trio.sleep(LONGEST_FIRST_BACKOFF_S + 1)
            first, second = stumbler.lives
            assert status_of(exchange, first.resting) == "NEW"
            assert [order.order_id for order in second.inherited] == [getattr(first.resting, "order_id", None)]
            assert len(second.orders) == 2
        # The clean stop of the second life ends what it has inherited too.
        assert status_of(exchange, first.resting) == "CANCELED"
        check_that_all_is_square(exchange, account)


class Hasty(Character):
    """Raises while its order is on the way to the exchange, once."""

    class Config(Character.Config, frozen=True, kw_only=True):
        after_s: float

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.inherited: tuple[Order, ...] = self.orders

    async def run(self) -> None:
        if self.life > 1:
            await trio.sleep_forever()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(self.buy, self.config.symbol, quantity=SIZE, price=FAR_BELOW))
            await trio.sleep(self.config.after_s)
            raise RuntimeError("the strategy stumbled")


@pytest.mark.parametrize("policy", OrdersOnCrash)
@pytest.mark.parametrize("after_ms", [1, 10, 20, 30, 50])
async def test_an_order_on_its_way_when_its_strategy_falls_follows_the_policy_too(
    virtual_clock: MockClock, seed: int, policy: OrdersOnCrash, after_ms: int
) -> None:
    hasty = Part("hasty", Hasty, orders_on_crash=policy, after_s=after_ms / 1000)
    config = PaperConfig(latency_ms=20)
    async with open_exchange(seed=seed, config=config, network=MemoryNetwork(delay_s=0.02)) as exchange:
        exchange.quote(SYMBOL, "40000", "40001")
        account = Account(exchange, hasty.entry, seed=seed)
        async with account.trading():
            await trio.sleep(10)
            assert hasty.now.life == 2
            statuses = [order["status"] for order in exchange.orders()]
            if policy is OrdersOnCrash.KEEP:
                assert statuses == [order.status for order in hasty.now.inherited] == ["NEW"]
            else:
                assert statuses == ["CANCELED"]
                assert hasty.now.inherited == ()
            assert len(statuses) == 1
        check_that_all_is_square(exchange, account)


async def test_one_that_falls_again_and_again_is_slowed_down_and_stops_nobody(
    virtual_clock: MockClock, seed: int
) -> None:
    stumbler, swinger = Part("stumbler", Stumbler, falls_in_lives=1_000_000), Part("swinger", Swinger)
    async with open_exchange(seed=seed, feed=walk(seed)) as exchange:
        account = Account(exchange, stumbler.entry, swinger.entry, seed=seed)
        async with account.trading() as system, prices_move(exchange):
            await trio.sleep(15 * 60)
            assert 3 < len(stumbler.lives) < 30
            falls_ms = [life.fell_ms for life in stumbler.lives[:-1]]
            pauses_ms = [later - earlier for earlier, later in pairwise(falls_ms)]
            assert pauses_ms[-1] > 5 * pauses_ms[0]
            assert strategy_node(system, "swinger").restarts == 0
            assert len(swinger.now.orders_placed) >= 1_100
        check_that_all_is_square(exchange, account)
