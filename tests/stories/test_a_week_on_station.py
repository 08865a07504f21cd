"""Never off station: sockets are replaced, refused, silenced and lost for days, and nobody who trades notices.

The exchange cuts every connection after 24 hours. Orders flow all the time, and as fast as they can while a link has
two sockets; the exchange's own record says what was told, and when somebody was logged on.
"""

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio
from trio.testing import MockClock

from dogwatch import Context, Gap, NotSent, Rejected, Side, Trade, Trades
from dogwatch.actors.connection_settings import ConnectionSettings
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.faults import Door
from dogwatch.actors.testing import RefuseLogon, ShutDown, SilentSubscription, StagedExchange
from tests.stories.scene import (
    SIZE,
    SYMBOL,
    Account,
    Character,
    Part,
    api_lines,
    check_that_all_is_square,
    open_exchange,
    prices_move,
    until,
    walk,
)
from tests.stories.station import Stir, Watch

DAY_S, HOUR_S = 86_400.0, 3_600.0
DAYS = int(os.environ.get("DAYS", "2"))
"""How long the long story goes on: `make week` plays a whole week."""
CALM_S = 240.0
"""How long the trader pauses between its orders while nothing goes on at the links."""
LATENCY_MS = 8.0
DOORS: tuple[Door | None, ...] = ("api", "market", None)


class Trader(Character):
    """Buys and sells at the market, each order to its end: now and then, and without a pause while something stirs."""

    class Config(Character.Config, frozen=True, kw_only=True):
        stir: Stir

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.placed = 0
        self.refused: list[Exception] = []

    async def run(self) -> None:
        while True:
            await self.config.stir.wait(CALM_S)
            side = Side.SELL if self.placed % 2 else Side.BUY
            try:
                await self.closed(await self.place(side, SYMBOL, quantity=SIZE))
                self.placed += 1
            except (NotSent, Rejected) as refusal:
                self.refused.append(refusal)
                await self.sleep(0.05)


class Reader(Character):
    """Reads every public trade."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.read: list[int] = []
        self.gaps: list[Gap] = []

    async def run(self) -> None:
        async for event in self.follow(Trades(SYMBOL)):
            if isinstance(event, Trade):
                self.read.append(event.trade_id)
            else:
                self.gaps.append(event)


class Station:
    """The stage: exchange, account, watch, and the two who use them."""

    def __init__(self, exchange: StagedExchange, *, seed: int, rotate_after_h: float) -> None:
        stir = Stir()
        self.exchange = exchange
        self.random = Random(seed)
        self.trader, self.reader = Part("trader", Trader, stir=stir), Part("reader", Reader)
        self.account = Account(
            exchange,
            self.trader.entry,
            self.reader.entry,
            seed=seed,
            connection_settings=ConnectionSettings(rotate_after_h=rotate_after_h),
        )
        self.stir = stir
        self.watch: Watch

    def check_nothing_was_noticed(self) -> None:
        """Not one event lost or doubled, no order refused, never away."""
        watch = self.watch
        assert watch.passed_on == watch.told()
        assert self.trader.now.refused == []
        assert watch.away() == []
        assert watch.losses == []
        self.check_market_data()

    def check_market_data(self) -> None:
        read = self.reader.now.read
        assert self.reader.now.gaps == []
        assert read == list(range(read[0], read[-1] + 1))

    def check_the_truth_is_known(self) -> None:
        """What was passed on came once and in the exchange's order, and every fill is known, however it was learned."""
        told = iter(self.watch.told())
        assert all(event in told for event in self.watch.passed_on)
        assert self.account.fills_booked() == len(self.exchange.fills())


@asynccontextmanager
async def on_station(seed: int, *, rotate_after_h: float = 23.0) -> AsyncIterator[Station]:
    config = PaperConfig(latency_ms=LATENCY_MS)
    async with open_exchange(seed=seed, config=config, feed=walk(seed, interval_ms=50_000)) as exchange:
        station = Station(exchange, seed=seed, rotate_after_h=rotate_after_h)
        async with station.account.trading():
            station.watch = Watch(exchange, station.account, station.stir)
            await trio.sleep(30)
            async with prices_move(exchange):
                yield station
            await trio.sleep(1)  # the last events are on their way
        check_that_all_is_square(exchange, station.account)


async def test_days_of_rotations_are_noticed_by_nobody(
    virtual_clock: MockClock, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async with on_station(seed) as station:
        await trio.sleep(DAYS * DAY_S)
        watch = station.watch
        station.check_nothing_was_noticed()
        for name in ("link", "market_link"):
            assert len(watch.rotated[name]) == DAYS
            assert all(rotated.is_seamless for rotated in watch.rotated[name])
            assert watch.failed[name] == []
        assert not [reason for reason in watch.endings() if "greatest age" in reason]
        orders = station.trader.now.placed
        assert orders > DAYS * (DAY_S / CALM_S * 0.9 + 50)
        away_s = sum(until_s - since_s for since_s, until_s in watch.away())
    with capsys.disabled():
        sys.stdout.write(
            f"\n{DAYS} days on station: {2 * DAYS} rotations, {orders:,} orders, {len(watch.told()):,} events of the"
            f" account, {len(station.reader.now.read):,} trades,"
            f" none lost, none doubled, {away_s:.0f} s without a logon\n"
        )


async def test_servers_that_announce_their_shutdown_at_any_moment_are_left_in_time(
    virtual_clock: MockClock, seed: int
) -> None:
    async with on_station(seed) as station:
        for _ in range(6):
            await trio.sleep(station.random.uniform(100, 1_000))
            to: Door | None = station.random.choice(DOORS)
            station.exchange.faults.now(ShutDown(notice_s=30), to=to)
            await trio.sleep(station.random.uniform(0, 0.5))
            station.exchange.faults.now(ShutDown(notice_s=30), to=to)  # in the middle of the rotation, and harmless
            await trio.sleep(60)
        station.check_nothing_was_noticed()
        assert sum(map(len, station.watch.rotated.values())) >= 6


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda: (RefuseLogon(code=-1008, status=503), 2), id="logon_refused_twice"),
        pytest.param(lambda: (SilentSubscription(), 1), id="subscription_silent"),
    ],
)
async def test_a_next_link_that_is_no_good_is_never_moved_to(
    fault: Callable[[], tuple[RefuseLogon | SilentSubscription, int]], virtual_clock: MockClock, seed: int
) -> None:
    async with on_station(seed, rotate_after_h=0.5) as station:
        for _ in range(2):
            what, times = fault()
            armed = station.exchange.faults.add(what, times=times)
            station.watch.forget()
            await until(lambda: bool(station.watch.rotated["link"]), within_s=HOUR_S, step_s=10)
            assert armed.hits == times
            assert len(station.watch.failed["link"]) == times
        station.check_nothing_was_noticed()


@pytest.mark.parametrize("victim", ["the old one", "the new one", "either"])
async def test_a_link_that_dies_in_the_middle_of_a_rotation_costs_no_truth(
    victim: str, virtual_clock: MockClock, seed: int
) -> None:
    """With the old socket gone before the new one is logged on nobody is, for a moment; what was missed is found."""
    async with on_station(seed, rotate_after_h=0.3) as station:
        deaths = 0
        for _ in range(6):
            await station.stir.wait(HOUR_S)
            await trio.sleep(station.random.uniform(0, 0.4))
            lines = [line for line in api_lines(station.exchange) if not line.is_closed]
            if len(lines) == 2:
                old, new = lines
                choice = {"the old one": old, "the new one": new}.get(victim) or station.random.choice(lines)
                choice.cut()
                deaths += 1
            await trio.sleep(60)
        assert deaths >= 2
        station.check_the_truth_is_known()
        if victim == "the new one":
            station.check_nothing_was_noticed()
