"""Every kind of silence, against the paper exchange: how long until the account is logged on and subscribed again.

Nothing is awaited from TCP here. `pytest -s` prints the measured times, in virtual seconds, as a table.
"""

import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import pytest
import trio
import trustme
from trio.abc import Stream

from dogwatch.actors.connection import FrameBatch
from dogwatch.actors.dialler import secure
from dogwatch.actors.link import api_link
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.actors.paper.faults import (
    ConnectionFault,
    Cut,
    CutAccept,
    CutHandshake,
    Fault,
    GarbleHandshake,
    HalfClose,
    HalfOpen,
    LoseAnswer,
    NoData,
    NoPings,
    RefuseHandshake,
    SkipPings,
    Stall,
    StallAccept,
    StallHandshake,
)
from dogwatch.actors.session import Call, SessionReady, SessionState
from dogwatch.actors.spot.keys import load_ed25519_private_key
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.signing import Ed25519Signer
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import DogwatchError
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import run_system
from dogwatch.runtime.testing.network import MemoryConnection, MemoryNetwork

pytestmark = pytest.mark.usefixtures("virtual_clock")

HOST, PORT = "exchange.test", 443
BEGAN_S = 107.3
"""When the silence begins: in the middle between pings, probes and measurements of the clock."""
REDIALLED_S = 1.0
"""A first back-off is at most 0.75 s; connecting and logging on take no virtual time."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """The rows that the tests have measured, printed when all are there."""
    rows: list[str] = []
    yield rows
    title = f"{'silence':40}  link   ready again   bound"
    sys.stdout.write("\n".join(["", title, *rows, ""]))


class Station:
    """A link to a paper exchange over TLS in memory, and when its session was ready."""

    def __init__(self, network: MemoryNetwork, authority: trustme.CA) -> None:
        self.network = network
        self.clock = Clock.virtual()
        self.exchange = PaperExchange(PaperConfig(), clock=self.clock, seed=1)
        self._client_tls = ssl.create_default_context()
        authority.configure_trust(self._client_tls)
        self._server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(HOST).configure_cert(self._server_tls)
        key = load_ed25519_private_key(self.exchange.private_key_pem)
        self.link = api_link(
            "link",
            dial=self.dial,
            host=HOST,
            resource="/ws-api/v3",
            clock=self.clock,
            signer=Ed25519Signer(self.exchange.api_key, key),
            random=Random(1),
        )
        self.ready_s: list[float] = []
        self.depth: Callable[[], int]
        """How much waits for the consumer that is stuck."""
        self.link.topics.states.tap(self.note, on_error=fail)

    async def dial(self) -> Stream:
        return await secure(await self.network.connect(HOST, PORT), self._client_tls, HOST, PORT, 10)

    def listener(self) -> trio.SSLListener[trio.abc.Stream]:
        return trio.SSLListener(self.network.listen(HOST, PORT), self._server_tls, https_compatible=True)

    def note(self, state: SessionState) -> None:
        if isinstance(state, SessionReady):
            self.ready_s.append(trio.current_time())

    async def ask_all_the_time(self) -> None:
        """What a busy strategy does: many requests are under way whenever something happens."""
        while True:
            await trio.sleep(1)
            try:
                await self.link.session.ask(Call(method=Method.PING), within_s=10)
            except DogwatchError:
                continue

    @property
    def newest(self) -> MemoryConnection:
        return self.network.connections[-1]


def fail(error: Exception) -> None:
    raise error


class Stuck(Actor):
    """A consumer of all that the link brings, who waits for ever in the handler of the first of it."""

    def __init__(self, station: Station) -> None:
        self._station = station

    async def on_start(self) -> None:
        for line in self._station.link.lines:
            self.subscribe(line.topics.frames)

    async def on_frames(self, batch: FrameBatch) -> None:
        await trio.sleep_forever()


@asynccontextmanager
async def on_station(network: MemoryNetwork, authority: trustme.CA, *, is_busy: bool) -> AsyncIterator[Station]:
    station = Station(network, authority)
    async with trio.open_nursery() as nursery:
        await nursery.start(station.exchange.serve, [station.listener()])
        stuck = ChildSpec("stuck", lambda: Stuck(station), actor=Stuck)
        async with run_system(SupervisorSpec("top", [station.link.spec, stuck])) as system:
            station.depth = lambda: system.tree().children[1].depth
            if is_busy:
                nursery.start_soon(station.ask_all_the_time)
            yield station
            nursery.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


@dataclass(frozen=True, kw_only=True)
class Silence:
    """What goes wrong, and the most seconds until the session is ready again; None if nothing needs to be done."""

    name: str
    begin: Callable[[Station], object]
    within_s: float | None


def cut_then(fault: Fault) -> Callable[[Station], object]:
    def begin(station: Station) -> None:
        station.exchange.faults.add(fault)
        station.exchange.faults.now(Cut(), to="api")

    return begin


def now(fault: ConnectionFault) -> Callable[[Station], object]:
    return lambda station: station.exchange.faults.now(fault, to="api")


def no_pings_no_data(station: Station) -> None:
    station.exchange.faults.now(NoPings(), to="api")
    station.exchange.faults.now(NoData(), to="api")


SILENCES = [
    # The line.
    Silence(name="nothing arrives, either way", begin=lambda s: s.newest.stall(), within_s=45 + REDIALLED_S),
    Silence(name="nothing arrives here", begin=lambda s: s.newest.downstream.stall(), within_s=45 + REDIALLED_S),
    Silence(name="nothing arrives there", begin=lambda s: s.newest.upstream.stall(), within_s=45 + REDIALLED_S),
    Silence(name="all stalls for 20 s", begin=now(Stall(for_s=20)), within_s=None),
    Silence(name="all stalls for 10 minutes", begin=now(Stall(for_s=600)), within_s=45 + REDIALLED_S),
    Silence(name="cut", begin=now(Cut()), within_s=REDIALLED_S),
    # The exchange.
    Silence(name="half-open", begin=now(HalfOpen()), within_s=45 + REDIALLED_S),
    Silence(name="it reads no more, and pings", begin=now(HalfClose(way="in")), within_s=45 + REDIALLED_S),
    Silence(name="it sends no more", begin=now(HalfClose(way="out")), within_s=45 + REDIALLED_S),
    Silence(name="pings, but no data", begin=now(NoData()), within_s=45 + REDIALLED_S),
    Silence(name="pings and events, but no answers", begin=now(NoData(what="answers")), within_s=45 + REDIALLED_S),
    Silence(name="data, but no pings", begin=now(NoPings()), within_s=None),
    Silence(name="one ping is missing", begin=now(SkipPings()), within_s=None),
    Silence(name="neither pings nor data", begin=no_pings_no_data, within_s=45 + REDIALLED_S),
    # The next attempt, after a cut.
    Silence(name="the TLS handshake stalls", begin=cut_then(StallAccept()), within_s=10 + 3 * REDIALLED_S),
    Silence(name="the TLS handshake is cut", begin=cut_then(CutAccept()), within_s=3 * REDIALLED_S),
    Silence(name="the upgrade stalls", begin=cut_then(StallHandshake()), within_s=10 + 3 * REDIALLED_S),
    Silence(name="the upgrade is cut", begin=cut_then(CutHandshake()), within_s=3 * REDIALLED_S),
    Silence(name="the upgrade is garbled", begin=cut_then(GarbleHandshake()), within_s=3 * REDIALLED_S),
    Silence(name="the upgrade is refused, 503", begin=cut_then(RefuseHandshake()), within_s=3 * REDIALLED_S),
    Silence(
        name="the upgrade is refused, Retry-After 30",
        begin=cut_then(RefuseHandshake(retry_after_s=30)),
        within_s=30 + REDIALLED_S,
    ),
    Silence(
        name="the logon is not answered",
        begin=cut_then(LoseAnswer(method="session.logon")),
        within_s=10 + 3 * REDIALLED_S,
    ),
    Silence(
        name="the subscription is not answered",
        begin=cut_then(LoseAnswer(method="userDataStream.subscribe")),
        within_s=10 + 3 * REDIALLED_S,
    ),
]


@pytest.mark.parametrize("is_busy", [False, True], ids=["quiet", "busy"])
@pytest.mark.parametrize("silence", SILENCES, ids=[silence.name for silence in SILENCES])
async def test_a_link_is_back_at_work_in_time(
    network: MemoryNetwork, authority: trustme.CA, table: list[str], silence: Silence, is_busy: bool
) -> None:
    async with on_station(network, authority, is_busy=is_busy) as station:
        await trio.sleep_until(BEGAN_S)
        assert len(station.ready_s) == 1
        silence.begin(station)
        await trio.sleep(200)
        took_s = station.ready_s[1] - BEGAN_S if len(station.ready_s) > 1 else None
        shown = "kept" if took_s is None else f"{took_s:.1f} s"
        bound = "" if silence.within_s is None else f"{silence.within_s:.0f} s"
        table.append(f"{silence.name:40}  {'busy' if is_busy else 'quiet':5}  {shown:>11}  {bound:>6}")
        if silence.within_s is None:
            assert took_s is None
        else:
            assert took_s is not None
            assert took_s <= silence.within_s
            assert len(station.ready_s) == 2, "once is enough"
        response = await station.link.session.ask(Call(method=Method.OPEN_ORDERS_STATUS), within_s=5)
        assert response.is_ok


@pytest.mark.parametrize("is_busy", [False, True], ids=["quiet", "busy"])
async def test_a_consumer_that_never_reads_makes_nobody_silent(
    network: MemoryNetwork, authority: trustme.CA, is_busy: bool
) -> None:
    async with on_station(network, authority, is_busy=is_busy) as station:
        await trio.sleep(1800)
        assert station.depth() > 50
        assert station.ready_s == [0.0]
