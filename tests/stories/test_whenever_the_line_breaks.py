"""One order, one cancel, and a line that breaks at every stage of their way: belief never contradicts the exchange.

Bytes travel for 20 ms each way and the exchange takes 20 ms, so an answer is back after 60 ms. What the exchange has
decided is found out; what never reached it stays unknown rather than being called refused, and nothing is sent twice.
"""

from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from dogwatch import Context, NotSent, Order, Rejected
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.spot.order import Life
from dogwatch.actors.testing import StagedExchange
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.scene import SIZE, SYMBOL, Account, Character, Part, open_exchange

TRAVEL_S = 0.020
THINKING_MS = 20.0
RECOVERED_AFTER_S = 60
"""The back-off of the dialler, and then the longest time that a verdict about an unanswered request may need."""

EVERY_STAGE_MS = [0, 10, 20, 30, 40, 50, 60]


class Placer(Character):
    """Places one order when told to; cancels it when told to."""

    class Config(Character.Config, frozen=True, kw_only=True):
        price: Decimal | None = None

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.place_now, self.cancel_now = trio.Event(), trio.Event()
        self.order: Order | None = None
        self.failure: NotSent | Rejected | None = None
        self.told_after_s = 0.0

    async def run(self) -> None:
        await self.place_now.wait()
        begun_s = trio.current_time()
        try:
            self.order = await self.buy(self.config.symbol, quantity=SIZE, price=self.config.price)
        except (NotSent, Rejected) as failure:
            self.failure = failure
        self.told_after_s = trio.current_time() - begun_s
        await self.cancel_now.wait()
        assert self.order is not None
        try:
            await self.cancel(self.order)
        except (NotSent, Rejected) as failure:
            self.failure = failure
        await trio.sleep_forever()


async def break_the_line(exchange: StagedExchange, *, after_ms: int, lose_in_flight: bool) -> None:
    await trio.sleep(after_ms / 1000)
    exchange.network.cut_all(lose_in_flight=lose_in_flight)
    await trio.sleep(RECOVERED_AFTER_S)


@pytest.mark.parametrize("lose_in_flight", [True, False])
@pytest.mark.parametrize("after_ms", EVERY_STAGE_MS)
@pytest.mark.parametrize("price", [None, Decimal(39_000)], ids=["market", "resting"])
async def test_while_an_order_is_placed(
    virtual_clock: MockClock, seed: int, price: Decimal | None, after_ms: int, lose_in_flight: bool
) -> None:
    placer = Part("placer", Placer, price=price)
    config = PaperConfig(latency_ms=THINKING_MS)
    async with open_exchange(seed=seed, config=config, network=MemoryNetwork(delay_s=TRAVEL_S)) as exchange:
        exchange.quote(SYMBOL, "40000", "40001")
        account = Account(exchange, placer.entry, seed=seed)
        async with account.trading():
            await trio.sleep(1)
            placer.now.place_now.set()
            await break_the_line(exchange, after_ms=after_ms, lose_in_flight=lose_in_flight)
            assert placer.now.told_after_s <= 2 * TRAVEL_S + THINKING_MS / 1000 + 1e-6
            there = exchange.orders()
            assert len(there) <= 1
            if there:
                assert placer.now.order is not None
                latest = account.table.latest(placer.now.order)
                assert not latest.is_unknown
                assert latest.life is (Life.FILLED if price is None else Life.OPEN)
                assert latest.order_id == there[0]["orderId"]
            elif placer.now.failure is None:
                assert placer.now.order is not None
                latest = account.table.latest(placer.now.order)
                assert latest.is_unknown or latest.life is Life.NEVER_PLACED
            else:
                assert isinstance(placer.now.failure, NotSent)
            assert placer.now.position(SYMBOL) == exchange.position("BTC")


@pytest.mark.parametrize("after_ms", EVERY_STAGE_MS)
@pytest.mark.parametrize("fills_meanwhile", [False, True], ids=["untouched", "filled while away"])
async def test_while_an_order_is_canceled(
    virtual_clock: MockClock, seed: int, after_ms: int, fills_meanwhile: bool
) -> None:
    placer = Part("placer", Placer, price=Decimal(39_000))
    config = PaperConfig(latency_ms=THINKING_MS)
    async with open_exchange(seed=seed, config=config, network=MemoryNetwork(delay_s=TRAVEL_S)) as exchange:
        exchange.quote(SYMBOL, "40000", "40001")
        account = Account(exchange, placer.entry, seed=seed)
        async with account.trading():
            await trio.sleep(1)
            placer.now.place_now.set()
            await trio.sleep(1)
            assert placer.now.order is not None
            placer.now.cancel_now.set()
            async with trio.open_nursery() as nursery:
                if fills_meanwhile:
                    nursery.start_soon(trade_through_after, exchange, after_ms / 1000 + 0.001)
                await break_the_line(exchange, after_ms=after_ms, lose_in_flight=True)
            await trio.sleep(60)  # a cancel that was lost stays in doubt until nothing of it can be hidden any more
            (there,) = exchange.orders()
            latest = account.table.latest(placer.now.order)
            assert not latest.is_unknown
            assert latest.status == there["status"]
            assert placer.now.position(SYMBOL) == exchange.position("BTC")
            assert (latest.life is Life.OPEN) == (there["status"] == "NEW")


async def trade_through_after(exchange: StagedExchange, delay_s: float) -> None:
    await trio.sleep(delay_s)
    exchange.trade(SYMBOL, "38900")
