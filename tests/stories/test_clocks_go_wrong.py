"""Clocks jump, drift, are corrected slowly or at once, and stand still while the machine sleeps; orders flow all the
while. No order fails for longer than it takes to read the exchange's clock once, and whoever asks notices only that.

The exchange counts what it refuses; each story prints a row of what came of it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import pytest
import trio
from trio.testing import MockClock

from dogwatch import DogwatchError, Order
from dogwatch.actors.rotation_messages import Rotated, RotateNow
from dogwatch.actors.session import SessionReady
from dogwatch.actors.spot.order import Life
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.clocks import WrongClock
from tests.stories.hand import DEEPER, Deed, Play, play
from tests.stories.scene import SIZE, api_connections, until

TRAVEL_S = 0.020
ROUND_TRIP_S = 2 * TRAVEL_S
RESYNC_S = 3 * ROUND_TRIP_S
"""To be refused, to ask for the time, to be sent again."""
A_LITTLE_S = 0.002
TRADERS = 3
HOUR_S = 3_600.0
STAMP_REFUSED, PARAMETER_REFUSED = -1021, -1102

pytestmark = pytest.mark.usefixtures("virtual_clock")


@dataclass
class Trade:
    """What the traders have done and heard."""

    play: Play
    wall: WrongClock
    random: Random
    longest_s: float = 0.0
    deeds: int = 0
    failures: list[DogwatchError] = field(default_factory=list)

    def refused(self) -> int:
        """How many timestamps the exchange has refused, by its own record."""
        codes = (STAMP_REFUSED, PARAMETER_REFUSED)
        return sum(request.code in codes for request in self.play.exchange.paper.record.requests)

    def told(self) -> int:
        """Of how many of them somebody has heard."""
        return len(self.failures) + sum(order.life is Life.REJECTED for order in self.play.judge.told.values())

    async def trade(self, pause_s: float) -> None:
        """Place an order, change it in every way there is, and cancel it; again and again."""
        while True:
            order = await self._timed(Deed.PLACE, None, pause_s)
            for deed in (Deed.QUERY, Deed.REPLACE, Deed.QUERY, Deed.CANCEL):
                if order is not None and order.is_open:
                    order = await self._timed(deed, order, pause_s)

    async def _timed(self, deed: Deed, order: Order | None, pause_s: float) -> Order | None:
        await trio.sleep(self.random.uniform(0.2, 1.8) * pause_s)
        self.deeds += 1
        asked_s = trio.current_time()
        try:
            if deed is Deed.PLACE:
                done = await self.play.hand.rest(SIZE, DEEPER)
            else:
                done = await deed.do(self.play.hand, order)
        except DogwatchError as failure:
            self.failures.append(failure)
            return None
        finally:
            self.longest_s = max(self.longest_s, trio.current_time() - asked_s)
        assert not done.is_unknown
        return done

    def check(self, name: str) -> None:
        row = f"{name}: {self.deeds} requests, {self.refused()} timestamps refused at the exchange, {self.told()} told"
        print(f"{row}; the longest took {1000 * self.longest_s:.0f} ms")  # noqa: T201 - the row of the story
        assert self.failures == []
        assert self.told() == 0
        assert self.longest_s <= RESYNC_S + A_LITTLE_S
        assert self.deeds > 100


@asynccontextmanager
async def trading(seed: int, name: str, *, pause_s: float = 0.5) -> AsyncIterator[Trade]:
    """Traders at work until the block ends; then everything is held against the ledger."""
    wall = WrongClock()
    async with play(seed, clock=wall, network=MemoryNetwork(delay_s=TRAVEL_S)) as p:
        trade = Trade(p, wall, Random(seed))
        async with trio.open_nursery() as nursery:
            for _ in range(TRADERS):
                nursery.start_soon(trade.trade, pause_s)
            yield trade
            nursery.cancel_scope.cancel()
        await trio.sleep(1)  # what is on its way arrives
        await p.settle()
        trade.check(name)


@pytest.mark.parametrize("by_s", [5.0, -5.0, 60.0, -60.0])
async def test_the_exchange_s_clock_jumps(seed: int, by_s: float) -> None:
    jumps = 10
    async with trading(seed, f"the exchange's clock jumps by {by_s:+g} s, {jumps} times") as trade:
        for _ in range(jumps):
            await trio.sleep(trade.random.uniform(1, 10))
            trade.play.exchange.paper.clock.jump(by_s)
        await trio.sleep(5)
        assert jumps <= trade.refused() <= jumps * (TRADERS + 1)


async def test_the_exchange_s_clock_jumps_to_and_fro(seed: int) -> None:
    """Sometimes so soon that the next jump comes before what was refused has been sent again."""
    async with trading(seed, "the exchange's clock jumps by ±5 s, to and fro") as trade:
        for number in range(20):
            await trio.sleep(trade.random.uniform(0.15, 5))
            trade.play.exchange.paper.clock.jump(5 if number % 2 else -5)
        await trio.sleep(5)
        assert trade.refused() > 0


@pytest.mark.parametrize("ppm", [-200.0, 200.0])
async def test_the_exchange_s_clock_drifts_for_hours(seed: int, ppm: float) -> None:
    async with trading(seed, f"the exchange's clock drifts by {ppm:+g} ppm for 4 hours", pause_s=60) as trade:
        trade.play.exchange.paper.clock.drift(ppm)
        await trio.sleep(4 * HOUR_S)
        assert abs(trade.play.exchange.paper.clock.ahead_s) > 2.8
        assert trade.refused() == 0


async def test_the_exchange_s_clock_is_corrected_slowly(seed: int) -> None:
    """As slowly, and as fast, as an operating system does it at most."""
    async with trading(seed, "the exchange's clock is corrected by ±3 s at 500 ppm", pause_s=60) as trade:
        for ppm in (500, -500, 0):
            trade.play.exchange.paper.clock.drift(ppm)
            await trio.sleep(6_000)
        assert trade.refused() == 0


async def test_the_exchange_s_clock_is_corrected_at_once_by_little(seed: int) -> None:
    """Less than a second is within what the exchange takes."""
    async with trading(seed, "the exchange's clock is set by up to 0.9 s, now and then", pause_s=30) as trade:
        for _ in range(20):
            await trio.sleep(600)
            clock = trade.play.exchange.paper.clock
            clock.jump(trade.random.uniform(-0.45, 0.45) - clock.ahead_s)
        assert trade.refused() == 0


Event = Callable[[Trade], Awaitable[None]]


async def jump(trade: Trade) -> None:
    """Somebody sets it, forward and back."""
    for by_s in (5, -5, 5, -5, -5, 5):
        trade.wall.ahead_s += by_s
        await trio.sleep(trade.random.uniform(30, 90))


async def drift(trade: Trade) -> None:
    for ppm in (200, -200):
        trade.wall.drift_by(ppm * 1e-6)
        await trio.sleep(HOUR_S)


async def correct_slowly(trade: Trade) -> None:
    trade.wall.ahead_s += 2
    trade.wall.drift_by(-500e-6)
    await trio.sleep(4_000)
    trade.wall.drift_by(0)


@pytest.mark.parametrize(("happens", "times_told"), [(jump, 6), (drift, 0), (correct_slowly, 1)])
async def test_this_machine_s_wall_clock_goes_wrong(
    seed: int, happens: Event, times_told: int, caplog: pytest.LogCaptureFixture
) -> None:
    """No timestamp depends on it. That it is set is told once for each time."""
    async with trading(seed, "this machine's wall clock goes wrong", pause_s=20) as trade:
        await happens(trade)
        await trio.sleep(600)
        assert trade.refused() == 0
    assert caplog.text.count("this machine's clock was set") == times_told


@pytest.mark.parametrize("ppm", [-500.0, -200.0, 200.0, 500.0])
async def test_this_machine_s_monotonic_clock_is_corrected_slowly(seed: int, ppm: float) -> None:
    """Linux corrects that one too. It is the one that we count by, so everything else seems to run off."""
    async with trading(seed, f"this machine's clocks run {-ppm:+g} ppm for an hour", pause_s=30) as trade:
        for rate in (ppm, 0):
            trade.wall.drift_by(rate * 1e-6)
            trade.play.exchange.paper.clock.drift(rate)
            await trio.sleep(HOUR_S)
        assert trade.refused() == 0


@pytest.mark.parametrize("for_s", [5.0, 60.0])
async def test_this_machine_sleeps_and_its_link_survives(
    seed: int, for_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    """The first request after it is refused, unless the sleep is noticed before."""
    async with trading(seed, f"this machine sleeps for {for_s:g} s, 5 times") as trade:
        for _ in range(5):
            await trio.sleep(trade.random.uniform(21, 40))
            trade.wall.sleep(for_s)
            trade.play.exchange.paper.clock.jump(for_s)
        await trio.sleep(60)
        assert 0 < trade.refused() <= 5 * (TRADERS + 1)
    assert caplog.text.count("has slept or stood still") == 5


async def test_this_machine_sleeps_so_long_that_its_link_does_not_survive(seed: int) -> None:
    wall = WrongClock()
    async with play(seed, clock=wall, network=MemoryNetwork(delay_s=TRAVEL_S)) as p:
        for _ in range(3):
            await trio.sleep(60)
            wall.sleep(2 * HOUR_S)
            p.exchange.paper.clock.jump(2 * HOUR_S)
            await trio.sleep(60)
            assert (await p.hand.rest()).is_open
        refused = [request for request in p.exchange.paper.record.requests if request.code == STAMP_REFUSED]
        assert len(refused) <= 3, "at most one each time: what is known of the clock is forgotten, or made anew"
        await p.settle()


async def test_everything_at_once(seed: int) -> None:
    async with trading(seed, "both clocks jump and drift at random") as trade:
        theirs = trade.play.exchange.paper.clock
        for _ in range(40):
            await trio.sleep(trade.random.uniform(0.15, 20))
            match trade.random.randrange(4):
                case 0:
                    theirs.jump(trade.random.choice((-5, 5)))
                case 1:
                    theirs.drift(trade.random.uniform(-200, 200))
                case 2:
                    trade.wall.ahead_s += trade.random.choice((-5, 5))
                case _:
                    trade.wall.drift_by(trade.random.uniform(-500e-6, 500e-6))
        await trio.sleep(60)


async def test_the_exchange_s_clock_jumps_while_the_session_moves_from_one_socket_to_the_next(seed: int) -> None:
    """What is refused on the former socket, which is about to be closed, is sent again over the one that carries."""
    async with trading(seed, "the exchange's clock jumps by ±5 s during 12 rotations", pause_s=0.1) as trade:
        rotated: list[Rotated] = []
        trade.play.account.tree.link.rotation.rotated.tap(rotated.append, on_error=_fail)
        for number in range(12):
            await rotate_and_jump(trade, rotated, 5 if number % 2 else -5)
        assert all(rotation.is_seamless for rotation in rotated)
        assert trade.refused() >= 12
        assert len(api_connections(trade.play.exchange)) == 13


async def rotate_and_jump(trade: Trade, rotated: list[Rotated], by_s: float) -> None:
    """Logging on takes 0.3 s, and some 2 s later the former socket is closed."""
    rotations = len(rotated)
    trade.play.account.tree.link.rotation.wanted.publish(RotateNow(reason="the test wants it"))
    await trio.sleep(trade.random.uniform(0, 0.6))
    trade.play.exchange.paper.clock.jump(by_s)
    await until(lambda: len(rotated) > rotations, within_s=120, step_s=0.1)
    await trio.sleep(1)


async def test_a_jump_while_the_link_is_replaced(seed: int) -> None:
    """What is known when the link is lost is told as such; nothing is in doubt for the clock's sake."""
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p:
        states = p.account.tree.link.topics.states
        for by_s in (5, -5, 60, -60):
            p.exchange.paper.clock.jump(by_s)
            p.exchange.cut()
            await until(lambda: not isinstance(states.last, SessionReady), within_s=5, step_s=0.01)
            await until(lambda: isinstance(states.last, SessionReady), within_s=90, step_s=0.1)
            await p.caught_up()
            asked_s = trio.current_time()
            order = await p.hand.rest()
            assert order.is_open
            assert trio.current_time() - asked_s <= RESYNC_S + A_LITTLE_S
        await p.settle()


async def test_the_virtual_clock_is_the_monotonic_one(virtual_clock: MockClock) -> None:
    """What the stories rest on: however the wall clock is set, Trio's goes on."""
    wall, before_s = WrongClock(), trio.current_time()
    wall.ahead_s -= HOUR_S
    wall.sleep(10)
    await trio.sleep(1)
    assert trio.current_time() == pytest.approx(before_s + 1)
    assert wall.asleep_s() == 10


def _fail(error: Exception) -> None:
    raise error
