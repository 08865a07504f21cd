"""Attempts to connect that give no socket: each told apart, and what follows from each."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random

import pytest
import trio
import trio.testing
from trio.abc import Stream

from dogwatch.actors.connect_errors import DialFailed, FailureKind
from dogwatch.actors.connection import Connected, ConnectFailed, Connection, ConnectionState, ConnectionTopics
from dogwatch.actors.dialler import Door
from dogwatch.actors.redial import AttemptBudget, Redial
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import run_system
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.fake_server import FakeServer

pytestmark = pytest.mark.usefixtures("virtual_clock")

HOST = "exchange.example"
Answer = Callable[[FakeServer], Awaitable[None]]


class DialStage:
    """A connection with two doors to one host, 443 and 9443, and what it is told at each of them."""

    def __init__(self, network: MemoryNetwork, answer: Answer | Exception, at_9443: Answer | Exception) -> None:
        self._network = network
        self._answers = {443: answer, 9443: at_9443}
        self._listeners = {port: network.listen(HOST, port) for port in self._answers}
        self.topics = ConnectionTopics("link")
        self.states: list[ConnectionState] = []
        self.dialled: list[tuple[float, int]] = []
        self.hosts: list[str] = []
        self.budget = AttemptBudget()
        self.topics.states.tap(self.states.append, on_error=fail)
        self.topics.states.tap(lambda _: self.something_happens(), on_error=fail)
        self.happened = trio.Event()
        second = Door(lambda: self.dial(9443), f"{HOST}:9443", "/ws-api/v3")
        self.spec = ChildSpec(
            "connection",
            lambda: Connection(
                dial=lambda: self.dial(443),
                host=HOST,
                resource="/ws-api/v3",
                alternative=second,
                topics=self.topics,
                redial=Redial(random=Random(1)),
                budget=self.budget,
            ),
            actor=Connection,
        )

    async def dial(self, port: int) -> Stream:
        self.dialled.append((trio.current_time(), port))
        self.something_happens()
        answer = self._answers[port]
        if isinstance(answer, Exception):
            raise answer
        return await self._network.connect(HOST, port)

    async def serve(self, port: int) -> None:
        while True:
            server = FakeServer(await self._listeners[port].accept())
            answer = self._answers[port]
            assert not isinstance(answer, Exception)
            with suppress(trio.EndOfChannel):  # a client that has gone without a word
                await answer(server)
            if server.request is not None:
                self.hosts.append(server.request.host)

    def something_happens(self) -> None:
        self.happened.set()
        self.happened = trio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self.happened.wait()

    @property
    def ports(self) -> list[int]:
        return [port for _, port in self.dialled]

    def failures(self) -> list[ConnectFailed]:
        return [state for state in self.states if isinstance(state, ConnectFailed)]

    def has_connected(self) -> bool:
        return any(isinstance(state, Connected) for state in self.states)


def fail(error: Exception) -> None:
    raise error


@asynccontextmanager
async def staged(
    network: MemoryNetwork, answer: Answer | Exception, at_9443: Answer | Exception
) -> AsyncIterator[DialStage]:
    stage = DialStage(network, answer, at_9443)
    async with trio.open_nursery() as nursery:
        for port in (443, 9443):
            nursery.start_soon(stage.serve, port)
        with trio.fail_after(10_000):
            async with run_system(SupervisorSpec("link", [stage.spec])):
                yield stage
        nursery.cancel_scope.cancel()


async def accept(server: FakeServer) -> None:
    await server.accept()


async def hang_up(server: FakeServer) -> None:
    await server.read_request()
    await server.stream.aclose()


async def say_nothing(server: FakeServer) -> None:
    await server.read_request()


def refuse(status: int, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(server: FakeServer) -> None:
        await server.refuse(status, headers=named)

    return answer


@dataclass(frozen=True, kw_only=True)
class Case:
    """What happens at port 443, and what is expected of the connection."""

    name: str
    answer: Answer | Exception
    kind: FailureKind
    waits_s: tuple[float, float] = (0.25, 0.75)
    """The least and the most between the first failure and the next attempt."""
    is_for_all: bool = False
    """Whether the other connections of this machine stay away too."""
    is_ban: bool = False
    tries_9443: bool = True


def tls_failed() -> DialFailed:
    return DialFailed("the certificate was not accepted", kind=FailureKind.TLS)


CASES = [
    Case(
        name="unknown name",
        answer=DialFailed("the host name is unknown", kind=FailureKind.DNS),
        kind=FailureKind.DNS,
        tries_9443=False,
    ),
    Case(
        name="resolver of the dialler's own",
        answer=socket.gaierror(socket.EAI_AGAIN, "try again"),
        kind=FailureKind.DNS,
        tries_9443=False,
    ),
    Case(name="refused", answer=ConnectionRefusedError(111, "Connection refused"), kind=FailureKind.TCP),
    Case(name="no certificate", answer=tls_failed(), kind=FailureKind.TLS),
    Case(name="hung up", answer=hang_up, kind=FailureKind.UPGRADE),
    Case(name="no answer", answer=say_nothing, kind=FailureKind.UPGRADE, waits_s=(10.25, 10.75)),
    Case(name="a redirection", answer=refuse(302), kind=FailureKind.UPGRADE),
    Case(name="wrong path", answer=refuse(404), kind=FailureKind.HTTP_4XX, tries_9443=False),
    Case(
        name="firewall",
        answer=refuse(403),
        kind=FailureKind.HTTP_4XX,
        waits_s=(60, 60),
        is_for_all=True,
        tries_9443=False,
    ),
    Case(
        name="too many",
        answer=refuse(429),
        kind=FailureKind.HTTP_4XX,
        waits_s=(30, 30),
        is_for_all=True,
        tries_9443=False,
    ),
    Case(
        name="too many, and until when",
        answer=refuse(429, Retry_After="77"),
        kind=FailureKind.HTTP_4XX,
        waits_s=(77, 77),
        is_for_all=True,
        tries_9443=False,
    ),
    Case(
        name="banned",
        answer=refuse(418),
        kind=FailureKind.HTTP_4XX,
        waits_s=(120, 120),
        is_for_all=True,
        is_ban=True,
        tries_9443=False,
    ),
    Case(
        name="banned, and until when",
        answer=refuse(418, Retry_After="600"),
        kind=FailureKind.HTTP_4XX,
        waits_s=(600, 600),
        is_for_all=True,
        is_ban=True,
        tries_9443=False,
    ),
    Case(name="overloaded", answer=refuse(503), kind=FailureKind.HTTP_5XX),
    Case(
        name="overloaded, and until when",
        answer=refuse(503, Retry_After="20"),
        kind=FailureKind.HTTP_5XX,
        waits_s=(20, 20),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_each_failure_is_told_apart_and_has_its_consequences(network: MemoryNetwork, case: Case) -> None:
    async with staged(network, case.answer, accept) as stage:
        await stage.until(lambda: bool(stage.failures()))
        (failure,) = stage.failures()
        assert failure.kind is case.kind
        failed_s = trio.current_time()
        barred_s, banned_s = (
            until_s - failed_s for until_s in (stage.budget.barred_until_s, stage.budget.banned_until_s)
        )
        assert (barred_s > 0, banned_s > 0) == (case.is_for_all, case.is_ban)
        await stage.until(lambda: len(stage.dialled) == 2)
        between_s = stage.dialled[1][0] - stage.dialled[0][0]
        assert case.waits_s[0] - 1e-6 <= between_s <= case.waits_s[1] + 0.01
        await stage.until(lambda: len(stage.dialled) == 4)
        assert stage.ports == [443, 443, 443, 9443 if case.tries_9443 else 443]
        await trio.sleep(0.01)
        assert stage.has_connected() == case.tries_9443
        if case.tries_9443:
            assert stage.hosts[-1] == f"{HOST}:9443"


async def test_when_both_ports_fail_they_take_turns_and_the_one_that_opens_is_kept(network: MemoryNetwork) -> None:
    opens_after = [8]

    async def open_in_the_end(server: FakeServer) -> None:
        opens_after[0] -= 1
        await (server.accept() if opens_after[0] < 0 else hang_up(server))

    async with staged(network, open_in_the_end, hang_up) as stage:
        await stage.until(stage.has_connected)
        assert stage.ports == [443] * 3 + [9443] * 3 + [443] * 3 + [9443] * 3 + [443] * 3
        for _ in range(3):
            network.connections[-1].cut()
            await trio.sleep(60)
        assert stage.ports[15:] == [443] * 3


@dataclass
class Shared:
    """Two connections of one machine."""

    budget: AttemptBudget = field(default_factory=AttemptBudget)
    dialled: list[float] = field(default_factory=list)

    def connection(self, name: str, dial: Callable[[], Awaitable[Stream]]) -> ChildSpec[Connection]:
        topics = ConnectionTopics(name)
        return ChildSpec(
            name,
            lambda: Connection(
                dial=dial,
                host=HOST,
                resource="/",
                topics=topics,
                redial=Redial(first_s=1, longest_s=1),
                budget=self.budget,
            ),
            actor=Connection,
        )


async def test_a_bar_that_comes_while_another_connection_waits_for_its_turn_holds_it_back(
    network: MemoryNetwork,
) -> None:
    shared = Shared(budget=AttemptBudget())
    shared.budget.bar(50.0)

    async def refused() -> Stream:
        shared.dialled.append(trio.current_time())
        raise ConnectionRefusedError

    waiting = shared.connection("waiting", refused)
    async with run_system(SupervisorSpec("link", [waiting])):
        await trio.sleep(49)
        assert shared.dialled == []
        shared.budget.bar(200.0, is_ban=True)  # another connection was told
        await trio.sleep(150)
        assert shared.dialled == []
        await trio.sleep(2)
        assert shared.dialled[0] == 200.0


async def test_a_bar_that_comes_while_a_connection_dials_keeps_it_from_asking_for_the_upgrade(
    network: MemoryNetwork,
) -> None:
    network.delay_s = 2.0
    async with staged(network, accept, accept) as stage:
        await trio.sleep(1)
        stage.budget.bar(100.0, is_ban=True)
        await stage.until(lambda: bool(stage.failures()))
        (failure,) = stage.failures()
        assert (failure.kind, failure.reason) == (FailureKind.HTTP_4XX, "the exchange asked for quiet meanwhile")
        await stage.until(stage.has_connected)
        assert [dialled_s for dialled_s, _ in stage.dialled] == [0.0, 100.0]
        assert len(stage.hosts) == 1, "one upgrade was asked for, and that afterwards"


async def test_all_connections_of_a_machine_together_keep_to_its_attempts(network: MemoryNetwork) -> None:
    shared = Shared(budget=AttemptBudget(attempts_max=30, within_s=300))

    async def refused() -> Stream:
        shared.dialled.append(trio.current_time())
        raise ConnectionRefusedError

    async with run_system(SupervisorSpec("link", [shared.connection(f"c{n}", refused) for n in range(4)])):
        await trio.sleep(1200)
    assert len(shared.dialled) >= 4 * 30
    for first_s, thirty_first_s in zip(shared.dialled, shared.dialled[30:], strict=False):
        assert thirty_first_s - first_s >= 300 - 1e-6
