"""Somebody sets this machine's clock: no order is called absent for it, and times of orders stay the exchange's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch import Order, Strategy
from dogwatch.actors.server_clock import Measurement, ServerClock
from dogwatch.actors.server_time import ServerTime
from dogwatch.actors.session import Call
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import OutcomeUnknown
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Life
from dogwatch.actors.testing import staged_exchange
from dogwatch.actors.tree import StrategyEntry, build
from dogwatch.runtime.clock import VIRTUAL_START_UNIX_MS, Clock
from dogwatch.runtime.system import run_system
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.fake_session import refusal
from tests.actors.order_bench import RULES, Asked, Bench, intent

pytestmark = pytest.mark.usefixtures("virtual_clock")

HOUR_S = 3600


class WallClock(Clock):
    """A machine's clock that anybody may set."""

    def __init__(self) -> None:
        self.set_by_s = 0

    def unix_us(self) -> int:
        return VIRTUAL_START_UNIX_MS * 1000 + round((trio.current_time() + self.set_by_s) * 1_000_000)


def measured(wall: WallClock) -> ServerClock:
    clock = ServerClock(wall)
    observe(clock, wall)
    return clock


def observe(clock: ServerClock, wall: WallClock) -> None:
    now_s = trio.current_time()
    clock.observe(Measurement(asked_s=now_s, answered_s=now_s, server_time_ms=wall.unix_ms()))


@asynccontextmanager
async def bench(wall: WallClock, server: ServerClock | None = None) -> AsyncIterator[Bench]:
    made = Bench()
    made.clock = ServerTime(measured(wall) if server is None else server)
    async with run_system(made.spec()):
        made.symbols.replace([RULES])
        made.session.ready()
        await wait_all_tasks_blocked()
        yield made


def missing(call: Call) -> Response | None:
    return refusal(-2013, "Order does not exist.") if call.method is Method.ORDER_STATUS else None


async def test_a_clock_set_forward_makes_no_verdict_due() -> None:
    wall = WallClock()
    async with bench(wall) as b, trio.open_nursery() as nursery:
        b.session.automatic = missing
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.answer(OutcomeUnknown("no answer"))
        await wait_all_tasks_blocked()
        wall.set_by_s = HOUR_S
        await trio.sleep(75)
        assert b.latest().is_unknown
        await trio.sleep(30)
        assert b.latest().life is Life.NEVER_PLACED


async def test_a_clock_set_back_makes_no_interrupted_stream_whole() -> None:
    wall = WallClock()
    async with bench(wall) as b, trio.open_nursery() as nursery:
        b.session.automatic = missing
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.lost()
        b.session.answer(OutcomeUnknown("the link was lost"))
        wall.set_by_s = -HOUR_S
        await trio.sleep(1)
        b.session.ready()
        await trio.sleep(2 * HOUR_S)
        assert b.latest().is_unknown


class Buyer(Strategy):
    class Config(Strategy.Config, frozen=True, kw_only=True):
        symbol: str = "BTCUSDT"
        placed: list[Order]

    async def run(self) -> None:
        self.config.placed.append(await self.buy(self.config.symbol, quantity=Decimal("0.001")))


async def test_the_times_of_orders_are_the_exchanges_however_wrong_this_machines_clock(network: MemoryNetwork) -> None:
    placed: list[Order] = []
    async with staged_exchange(network=network) as exchange:
        exchange.quote("BTCUSDT", "39999", "40001")
        tree = build(
            api=exchange.api,
            streams=exchange.streams,
            clock=Clock.virtual(exchange.clock.unix_ms() + 1000 * HOUR_S),
            signer=exchange.signer(),
            strategies=[StrategyEntry(name="one", strategy=Buyer, config=Buyer.Config(placed=placed))],
        )
        async with tree.system() as system:
            await system.wait_ended()
        (order,) = placed
        assert abs(order.created_ms - exchange.clock.unix_ms()) < 60_000
        assert order.sent_ms is not None
        assert abs(order.sent_ms - order.transaction_time_ms) < 60_000


async def test_an_exchange_that_sets_its_clock_back_makes_no_record_whole_that_has_a_gap() -> None:
    """By its clock the new session seems to be older than the order that was sent before it."""
    wall = WallClock()
    server = measured(wall)
    async with bench(wall, server) as b, trio.open_nursery() as nursery:
        b.session.automatic = missing
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.answer(OutcomeUnknown("no answer"))
        await wait_all_tasks_blocked()
        b.session.lost()
        await trio.sleep(1)
        wall.set_by_s -= 60
        server.forget()
        observe(server, wall)
        b.session.ready()
        await trio.sleep(300)
        assert b.recovery.wishes
        assert b.latest().is_unknown
        b.recovery.end(None)
        await wait_all_tasks_blocked()
        assert b.latest().life is Life.NEVER_PLACED
        nursery.cancel_scope.cancel()
