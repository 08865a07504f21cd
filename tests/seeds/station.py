"""What makes it hard to stay on station: sockets that are replaced, refused, silent or gone without a word, limits that
somebody else uses up, bans, and clocks that jump. Drawn for seeds from `STATION_FROM` on.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from dogwatch.actors.connection_settings import ConnectionSettings
from dogwatch.actors.paper.exchange import ADDRESS
from dogwatch.actors.paper.faults import (
    ConnectionFault,
    Door,
    EndSubscriptions,
    Fault,
    HalfOpen,
    NoData,
    NoPings,
    RefuseHandshake,
    RefuseLogon,
    ShutDown,
    SilentSubscription,
    SkipPings,
    StallAccept,
    StallHandshake,
)
from dogwatch.actors.rotation_messages import RotateNow
from dogwatch.actors.testing import StagedExchange
from dogwatch.actors.tree import Tree
from tests.stories.clocks import WrongClock

STATION_FROM = 24
"""Seeds before this one know of none of this, and stay what they were."""
NEVER_S = 1e9
BAN_S_MAX = 20.0


@dataclass(frozen=True, kw_only=True)
class StationPlan:
    """How long connections live, and how often (seconds) each kind of trouble comes."""

    rotate_after_h: float = 23.0
    connection_life_h: float = 24.0
    sockets_every_s: float = NEVER_S
    """Something happens to a socket that stands."""
    attempts_every_s: float = NEVER_S
    """Something waits for the next socket."""
    limits_every_s: float = NEVER_S
    """Somebody behind the same address, or in the same account, uses limits up."""
    clock_every_s: float = NEVER_S
    """This machine's clock is set, or it sleeps."""

    @property
    def connection_settings(self) -> ConnectionSettings:
        return ConnectionSettings(rotate_after_h=self.rotate_after_h)


def station_of(seed: int) -> StationPlan:
    """What this seed decides."""
    if seed < STATION_FROM:
        return StationPlan()
    random = Random(f"{seed}/station")
    rotate_after_h = random.choice((23.0, 0.02, 0.005, 0.001))
    return StationPlan(
        rotate_after_h=rotate_after_h,
        connection_life_h=random.choice((24.0, max(0.03, 2 * rotate_after_h), 0.006)),
        sockets_every_s=random.choice((NEVER_S, 20.0, 6.0, 2.0)),
        attempts_every_s=random.choice((NEVER_S, 15.0, 4.0)),
        limits_every_s=random.choice((NEVER_S, NEVER_S, 20.0, 5.0)),
        clock_every_s=random.choice((NEVER_S, NEVER_S, 10.0, 2.0)),
    )


class Station:
    """Troubles the station of one process. `clock` is the machine's, where it can be set."""

    def __init__(self, plan: StationPlan, exchange: StagedExchange, tree: Tree, clock: WrongClock) -> None:
        self._plan = plan
        self._exchange = exchange
        self._tree = tree
        self._clock = clock

    def troubles(self) -> tuple[tuple[float, Callable[[Random], Awaitable[None]]], ...]:
        """What to do, and how often."""
        plan = self._plan
        return (
            (plan.sockets_every_s, self.strike_a_socket),
            (plan.attempts_every_s, self.lie_in_wait),
            (plan.limits_every_s, self.use_limits_up),
            (plan.clock_every_s, self.set_the_clock),
        )

    async def strike_a_socket(self, random: Random) -> None:
        """One kind of silence, an end, or a wish for another socket."""
        to: Door | None = random.choice(("api", "api", "market", None))
        kinds: tuple[Callable[[], ConnectionFault], ...] = (
            HalfOpen,
            partial(NoData, what=random.choice(("all", "events", "answers")), for_s=random.choice((2.0, 3_600.0))),
            NoPings,
            partial(SkipPings, count=random.randint(1, 3)),
            partial(EndSubscriptions, is_told=random.random() < 0.7),
            partial(
                ShutDown,
                notice_s=random.uniform(0, 10),
                shape=random.choice((None, "api", "combined", "raw")),
                ending=random.choice(("close", "cut", "none")),
            ),
        )
        number = random.randrange(len(kinds) + 2)
        if number < len(kinds):
            self._exchange.faults.now(kinds[number](), to=to)
        else:
            link = random.choice((self._tree.link, self._tree.market_link))
            link.rotation.wanted.publish(RotateNow(reason="chance wanted it"))

    async def lie_in_wait(self, random: Random) -> None:
        """The next attempts to connect, log on or subscribe come to nothing."""
        to: Door | None = random.choice(("api", "market", None))
        kinds: tuple[Callable[[], Fault], ...] = (
            partial(
                RefuseHandshake, to=to, status=random.choice((500, 503, 403)), retry_after_s=random.choice((None, 3))
            ),
            partial(
                RefuseHandshake, to=to, status=random.choice((418, 429)), retry_after_s=random.uniform(1, BAN_S_MAX)
            ),
            partial(StallHandshake, to=to, for_s=random.choice((3.0, 3_600.0))),
            partial(StallAccept, for_s=random.choice((3.0, 3_600.0))),
            RefuseLogon,
            SilentSubscription,
            partial(SilentSubscription, is_listed=False),
            partial(SilentSubscription, method="SUBSCRIBE", is_listed=random.random() < 0.5),
        )
        self._exchange.faults.add(random.choice(kinds)(), times=random.choice((1, 1, 2, 4)))

    async def use_limits_up(self, random: Random) -> None:
        """429 for what comes now, or a ban."""
        paper = self._exchange.paper
        match random.randrange(4):
            case 0 | 1:
                paper.use_weight(paper.limits_of_address(ADDRESS).weight.limit)
            case 2:
                paper.use_orders(paper.limits_of_account().ten_seconds.limit)
            case _:
                paper.ban(random.uniform(0.5, BAN_S_MAX))

    async def set_the_clock(self, random: Random) -> None:
        """By hand, by the system little by little, or by a lid that was closed: Trio's clock stands still then."""
        match random.randrange(3):
            case 0:
                self._clock.ahead_s += random.choice((-3_600.0, -2.0, 1.5, 60.0))
            case 1:
                self._clock.drift_by(random.choice((-5e-4, 0.0, 2e-4)))
            case _:
                self._clock.sleep(random.choice((5.0, 70.0, 600.0)))


def machine_clock(unix_ms: int) -> WrongClock:
    """A machine's clock that says so now. Make it inside of the run."""
    right = WrongClock()
    return WrongClock(ahead_s=(unix_ms * 1000 - right.unix_us()) / 1_000_000)
