"""The connection on a network in memory: what arrives, what is written, and what is told when the socket is lost."""

import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio
import trio.testing
from trio.abc import Stream
from wsproto.events import CloseConnection, Ping, TextMessage

from dogwatch.actors import frame_writer
from dogwatch.actors.connect_errors import FailureKind
from dogwatch.actors.connection import (
    Close,
    Connected,
    ConnectFailed,
    Connection,
    ConnectionState,
    ConnectionTopics,
    Disconnected,
    FrameBatch,
    NotTransmitted,
    Open,
    PingReceived,
    Reconnect,
    TransmitPong,
)
from dogwatch.actors.dialler import DialFailed, tls_dialler
from dogwatch.actors.redial import AttemptBudget, Redial
from dogwatch.actors.transmit import Transmit
from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import System, run_system
from dogwatch.runtime.testing.network import MemoryListener, MemoryNetwork
from tests.actors.fake_server import FakeServer

pytestmark = pytest.mark.usefixtures("virtual_clock")

HOST, PORT = "exchange.example", 443


class Stage:
    """A connection in a system of its own, all it publishes, and the network below it."""

    def __init__(self, network: MemoryNetwork, *, is_wanted: bool = True, **options: object) -> None:
        self.network = network
        self.listener: MemoryListener = network.listen(HOST, PORT)
        self.topics = ConnectionTopics("link", is_wanted=is_wanted)
        self.dialled = 0
        self.states: list[ConnectionState] = []
        self.pings: list[PingReceived] = []
        self.batches: list[FrameBatch] = []
        self.topics.states.tap(self.states.append, on_error=fail)
        self.topics.pings.tap(self.pings.append, on_error=fail)
        self.topics.frames.tap(self.batches.append, on_error=fail)
        self.options: dict[str, object] = {"redial": Redial(random=Random(1)), **options}
        self.spec = ChildSpec("connection", self.make, actor=Connection)
        self.connection = self.spec.ref
        self.system: System

    def make(self) -> Connection:
        arguments = {
            "dial": self.dial,
            "host": HOST,
            "resource": "/ws-api/v3",
            "topics": self.topics,
            **self.options,
        }
        return Connection(**arguments)  # type: ignore[arg-type]  # the tests choose which to set

    async def dial(self) -> Stream:
        self.dialled += 1
        return await self.network.connect(HOST, PORT)

    async def accept(self) -> FakeServer:
        """The next socket, upgraded."""
        server = FakeServer(await self.listener.accept())
        await server.accept()
        await trio.testing.wait_all_tasks_blocked()
        return server

    def transmit(self, tag: int, text: str = "{}", *, epoch: int = 1) -> None:
        self.connection.tell(Transmit(epoch=epoch, payload=text.encode(), tag=tag))

    def payloads(self) -> list[bytes]:
        return [payload for batch in self.batches for payload in batch.payloads]

    async def until(self, kind: type[ConnectionState], count: int = 1) -> list[ConnectionState]:
        while True:
            found = [state for state in self.states if isinstance(state, kind)]
            if len(found) >= count:
                return found
            await trio.sleep(0.01)


def fail(error: Exception) -> None:
    raise error


@asynccontextmanager
async def staged(network: MemoryNetwork, *, is_wanted: bool = True, **options: object) -> AsyncIterator[Stage]:
    stage = Stage(network, is_wanted=is_wanted, **options)
    with trio.fail_after(3600):
        async with run_system(SupervisorSpec("link", [stage.spec])) as stage.system:
            yield stage


async def test_it_dials_upgrades_and_says_so(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        assert stage.states == [Connected(epoch=1)]
        assert (stage.topics.epoch, stage.topics.opened_s) == (1, 0.0)
        assert server.request is not None
        assert (server.request.host, server.request.target) == (HOST, "/ws-api/v3")


async def test_a_server_that_speaks_first_is_heard_after_connected(network: MemoryNetwork) -> None:
    order: list[object] = []
    async with staged(network) as stage:
        stage.topics.states.tap(order.append, on_error=fail)
        stage.topics.frames.tap(lambda batch: order.extend(batch.payloads), on_error=fail)
        server = FakeServer(await stage.listener.accept())
        await server.accept(together_with=bytes((0x81, 5)) + b"hello")
        await trio.testing.wait_all_tasks_blocked()
        assert order == [Connected(epoch=1), b"hello"]


@pytest.mark.parametrize("seed", range(5))
async def test_any_split_of_the_bytes_gives_the_same_messages(network: MemoryNetwork, seed: int) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        network.connections[-1].split_randomly(seed=seed, bytes_max=5)
        await server.send(TextMessage(data="one π"), Ping(payload=b"now"), TextMessage(data="x" * 300))
        await trio.testing.wait_all_tasks_blocked()
        assert stage.payloads() == ["one π".encode(), b"x" * 300]
        assert [(ping.epoch, ping.payload) for ping in stage.pings] == [(1, b"now")]


async def test_what_waits_is_written_with_one_call(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        for tag in range(100):
            stage.transmit(tag, str(tag))
        assert [await server.next_text() for _ in range(100)] == [str(tag) for tag in range(100)]
        statistics = stage.system.tree().children[0].statistics
        assert (statistics["writes"], statistics["messages_written"]) == (1, 100)


async def test_a_pong_goes_before_the_messages_that_wait(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        stage.transmit(1, "an order")
        stage.transmit(2, "another")
        stage.connection.tell(TransmitPong(epoch=1, payload=b"first"))
        assert await server.next_pong() == b"first"
        assert [await server.next_text(), await server.next_text()] == ["an order", "another"]


async def test_a_pong_or_message_of_another_socket_is_never_written(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        stage.connection.tell(TransmitPong(epoch=7, payload=b"stale"))
        stage.transmit(1, "stale", epoch=7)
        stage.transmit(2, "fresh")
        assert await server.next_text() == "fresh"
        assert stage.states == [Connected(epoch=1), NotTransmitted(tags=frozenset({1}))]


async def test_a_drop_in_flight_tells_written_from_unsent_at_the_moment_it_is_known(network: MemoryNetwork) -> None:
    """The network takes the first message and no more; two wait in the mailbox when the socket breaks."""
    network.capacity_bytes = 1000
    async with staged(network) as stage:
        await stage.accept()
        stage.transmit(1, "x" * 2000)
        await trio.testing.wait_all_tasks_blocked()
        stage.transmit(2)
        stage.transmit(3)
        network.connections[-1].cut()
        (lost,) = await stage.until(Disconnected)
        assert isinstance(lost, Disconnected)
        assert lost.unsent == {2, 3}
        assert lost.reason.startswith("the connection broke")
        assert (stage.topics.epoch, stage.topics.opened_s) == (None, None)


async def test_what_is_turned_away_in_the_very_step_of_a_loss_is_told_before_it(
    network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message makes somebody send twice, with room for one, and the close frame stands right behind it."""
    monkeypatch.setattr(frame_writer, "WAITING_MAX", 1)
    async with staged(network) as stage:
        server = await stage.accept()
        stage.topics.frames.tap(lambda _batch: stage.transmit(1), on_error=fail)
        stage.topics.frames.tap(lambda _batch: stage.transmit(2), on_error=fail)
        await server.send(TextMessage(data="{}"), CloseConnection(code=1001))
        await stage.until(Disconnected)
        await trio.testing.wait_all_tasks_blocked()
        told = [state for state in stage.states if isinstance(state, NotTransmitted | Disconnected)]
        reason = "the server closed the connection: 1001"
        assert told == [
            NotTransmitted(tags=frozenset({2})),
            Disconnected(epoch=1, reason=reason, unsent=frozenset({1})),
        ]


async def test_a_lost_socket_is_replaced_and_the_epoch_moves_on(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        await server.stream.aclose()
        server = await stage.accept()
        assert stage.states == [
            Connected(epoch=1),
            Disconnected(epoch=1, reason="the server ended the connection without a close frame", unsent=frozenset()),
            Connected(epoch=2),
        ]
        stage.transmit(1, "old", epoch=1)
        stage.transmit(2, "new", epoch=2)
        assert await server.next_text() == "new"
        assert stage.system.tree().children[0].life == 1


async def test_a_cut_in_mid_frame_loses_only_the_half_message(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        await server.stream.send_all(bytes((0x81, 4)) + b"full" + bytes((0x81, 9)) + b"half")
        network.connections[-1].cut(lose_in_flight=False)
        await stage.until(Disconnected)
        assert stage.payloads() == [b"full"]
        server = await stage.accept()
        await server.send_text("whole again")
        await trio.testing.wait_all_tasks_blocked()
        assert stage.payloads() == [b"full", b"whole again"]


async def test_a_close_by_the_server_is_answered_and_followed_by_a_new_socket(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        await server.send(CloseConnection(code=1008, reason="disconnected"))
        assert await server.next_close() == (1008, "disconnected")
        await stage.accept()
        assert stage.states[1:] == [
            Disconnected(epoch=1, reason="the server closed the connection: 1008 disconnected", unsent=frozenset()),
            Connected(epoch=2),
        ]


async def test_reconnect_gives_up_the_socket_it_was_told_about_and_no_later_one(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        await stage.accept()
        stage.connection.tell(Reconnect(reason="silence", epoch=1))
        await stage.accept()
        stage.connection.tell(Reconnect(reason="late", epoch=1))
        await trio.testing.wait_all_tasks_blocked()
        assert stage.topics.epoch == 2
        stage.connection.tell(Reconnect(reason="whichever"))
        await stage.accept()
        reasons = [state.reason for state in stage.states if isinstance(state, Disconnected)]
        assert reasons == ["silence", "whichever"]


async def test_close_closes_in_order_and_dials_no_more_until_it_is_told_to_open(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        stage.connection.tell(Close(reason="rotated"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.answer_close)
            await stage.until(Disconnected)
        await trio.sleep(600)
        assert stage.states[1:] == [Disconnected(epoch=1, reason="closed by this side", unsent=frozenset())]
        assert stage.dialled == 1


async def test_whoever_has_read_of_trouble_in_the_log_reads_of_its_end_there(
    network: MemoryNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        assert caplog.records == [], "that a first socket stands is no news"
        network.reachable = False
        await server.stream.aclose()
        await stage.until(ConnectFailed)
        network.reachable = True
        await stage.accept()
        told = [record.getMessage().partition(": ")[2].partition(" epoch")[0] for record in caplog.records]
        assert (told[0], told[-1]) == ("disconnected", "connected again")
        assert {record.levelname for record in caplog.records} == {"WARNING"}


async def test_close_while_dialling_ends_the_dialling(network: MemoryNetwork) -> None:
    network.reachable = False
    async with staged(network) as stage:
        await stage.until(ConnectFailed)
        stage.connection.tell(Close())
        await trio.testing.wait_all_tasks_blocked()
        network.reachable = True
        dialled = stage.dialled
        await trio.sleep(600)
        assert stage.dialled == dialled


async def test_an_idle_connection_dials_when_it_is_told_to_open_and_a_second_time_changes_nothing(
    network: MemoryNetwork,
) -> None:
    async with staged(network, is_wanted=False) as stage:
        await trio.sleep(600)
        assert stage.dialled == 0
        stage.connection.tell(Open(reason="rotation"))
        stage.connection.tell(Open(reason="again"))
        await stage.accept()
        stage.connection.tell(Open(reason="and again"))
        await trio.sleep(600)
        assert stage.states == [Connected(epoch=1)]
        assert (stage.dialled, stage.topics.is_wanted) == (1, True)


async def test_after_a_close_it_opens_again_and_stays_connected_as_before(network: MemoryNetwork) -> None:
    async with staged(network) as stage, trio.open_nursery() as nursery:
        server = await stage.accept()
        for _ in range(3):
            nursery.start_soon(server.answer_close)
            stage.connection.tell(Close(reason="drained"))
            await trio.sleep(60)
            assert isinstance(stage.states[-1], Disconnected)
            stage.connection.tell(Open(reason="needed again"))
            server = await stage.accept()
            await server.stream.aclose()
            server = await stage.accept()
        assert stage.topics.epoch == 7


@pytest.mark.parametrize("orders", ["close open", "close open close"])
async def test_what_is_told_last_counts_when_a_loss_finds_all_of_it_in_the_mailbox(
    network: MemoryNetwork, orders: str
) -> None:
    network.capacity_bytes = 1000
    async with staged(network) as stage:
        await stage.accept()
        stage.transmit(1, "x" * 5000)  # the handler is stuck in the write
        await trio.testing.wait_all_tasks_blocked()
        for order in orders.split():
            stage.connection.tell(Open() if order == "open" else Close())
        network.connections[-1].cut()
        await trio.sleep(10)  # and nobody accepts
        is_wanted = orders.endswith("open")
        assert (stage.topics.is_wanted, stage.dialled) == (is_wanted, 2 if is_wanted else 1)


async def test_close_in_the_middle_of_the_upgrade_leaves_no_socket(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = FakeServer(await stage.listener.accept())
        await server.read_request()
        stage.connection.tell(Close())
        with pytest.raises((trio.EndOfChannel, trio.BrokenResourceError)):
            await server.next_event()
        assert stage.states == []


@pytest.mark.parametrize("is_wanted", [True, False])
async def test_a_new_life_dials_if_the_life_before_was_to_be_connected(network: MemoryNetwork, is_wanted: bool) -> None:
    async with staged(network) as stage:
        await stage.accept()
        if not is_wanted:
            stage.connection.tell(Close())
            await trio.sleep(60)
        stage.connection.mailbox.fail_consumer(RuntimeError("a mistake of ours"))
        await trio.sleep(10)
        assert stage.system.tree().children[0].life == 2
        assert stage.dialled == (2 if is_wanted else 1)


async def test_connections_that_share_their_epochs_never_give_two_sockets_one_number(network: MemoryNetwork) -> None:
    epochs = itertools.count(1)
    a, b = ConnectionTopics("a", epochs), ConnectionTopics("b", epochs)
    assert [a.next_epoch(), b.next_epoch(), b.next_epoch(), a.next_epoch()] == [1, 2, 3, 4]


@pytest.mark.parametrize("answers", [True, False], ids=["answered", "not answered"])
async def test_a_stop_closes_in_order_within_its_deadline(network: MemoryNetwork, answers: bool) -> None:
    async with trio.open_nursery() as nursery:
        async with staged(network) as stage:
            server = await stage.accept()
            stopped_s = trio.current_time()
            stage.system.stop()
            if answers:
                nursery.start_soon(server.answer_close)
            else:
                nursery.start_soon(server.next_close)
        assert trio.current_time() - stopped_s == pytest.approx(0.0 if answers else 2.0, abs=0.01)
        assert isinstance(stage.states[-1], Disconnected)
        assert stage.states[-1].reason == "closed by this side"


async def test_a_stop_in_the_middle_of_a_write_finishes_the_write_first(network: MemoryNetwork) -> None:
    network.capacity_bytes = 1000
    async with trio.open_nursery() as nursery:
        async with staged(network) as stage:
            server = await stage.accept()
            stage.transmit(1, "x" * 5000)
            await trio.testing.wait_all_tasks_blocked()
            stage.system.stop()

            async def read_all() -> None:
                assert await server.next_text() == "x" * 5000
                await server.answer_close()

            nursery.start_soon(read_all)
        assert isinstance(stage.states[-1], Disconnected)
        assert stage.states[-1].reason == "closed by this side"


REFUSED = "nobody listens on exchange.example:443"


async def test_refused_connections_are_states_with_growing_delays_and_no_crash(network: MemoryNetwork) -> None:
    network.reachable = False
    async with staged(network) as stage:
        failures = [state for state in await stage.until(ConnectFailed, 12) if isinstance(state, ConnectFailed)]
        assert [failure.attempt for failure in failures] == list(range(1, 13))
        assert all(REFUSED in failure.reason for failure in failures)
        assert failures[0].retry_in_s <= 0.75
        assert max(failure.retry_in_s for failure in failures) <= 30
        assert sum(failure.retry_in_s for failure in failures) > 10
        network.reachable = True
        await stage.accept()
        node = stage.system.tree().children[0]
        assert (node.life, node.restarts) == (1, 0)


async def refuse(stage: Stage, refuse: Callable[[FakeServer], Awaitable[None]]) -> ConnectFailed:
    server = FakeServer(await stage.listener.accept())
    await refuse(server)
    (failure,) = await stage.until(ConnectFailed)
    assert isinstance(failure, ConnectFailed)
    return failure


async def test_a_refused_upgrade_is_a_state_and_its_retry_after_is_obeyed(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        failure = await refuse(stage, lambda server: server.refuse(429, headers={"Retry-After": "90"}))
        assert "HTTP status 429" in failure.reason
        assert "too many attempts" in failure.hint
        assert failure.retry_in_s == 90
        refused_s = trio.current_time()
        await stage.accept()
        assert trio.current_time() - refused_s >= 89


async def test_a_ban_without_a_date_keeps_us_away_for_two_minutes(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        failure = await refuse(stage, lambda server: server.refuse(418))
        assert failure.retry_in_s == 120


async def test_an_upgrade_that_nobody_answers_ends_at_its_deadline(network: MemoryNetwork) -> None:
    async with staged(network, upgrade_within_s=7.0) as stage:
        await stage.listener.accept()
        (failure,) = await stage.until(ConnectFailed)
        assert isinstance(failure, ConnectFailed)
        assert failure.reason == "exchange.example did not answer the upgrade within 7 s"
        assert failure.kind is FailureKind.UPGRADE
        assert 7.0 <= trio.current_time() < 7.1
        await stage.accept()


async def test_a_dialler_that_never_returns_is_bounded_too(network: MemoryNetwork) -> None:
    async with staged(network, dial=trio.sleep_forever, dial_within_s=9.0) as stage:
        (failure,) = await stage.until(ConnectFailed)
        assert isinstance(failure, ConnectFailed)
        assert (failure.reason, failure.kind) == ("no connection to exchange.example within 9 s", FailureKind.TCP)
        assert 9.0 <= trio.current_time() < 9.1


async def test_what_the_dialler_says_is_passed_on(network: MemoryNetwork) -> None:
    async def dial() -> Stream:
        problem = "the certificate of exchange.example:443 was not accepted"
        raise DialFailed(problem, kind=FailureKind.TLS, hint="check the host name")

    async with staged(network, dial=dial) as stage:
        (failure,) = await stage.until(ConnectFailed)
        assert isinstance(failure, ConnectFailed)
        assert (failure.reason, failure.kind, failure.hint) == (
            "the certificate of exchange.example:443 was not accepted",
            FailureKind.TLS,
            "check the host name",
        )


async def test_a_dialler_that_can_never_work_is_a_configuration_error(network: MemoryNetwork) -> None:
    context = ssl.create_default_context()
    dial = tls_dialler(HOST, PORT, context)
    context.check_hostname = False
    with pytest.raises(ConfigError, match="does not verify"):
        async with staged(network, dial=dial):
            await trio.sleep(60)


async def test_attempts_stay_within_the_budget_of_the_exchange(network: MemoryNetwork) -> None:
    network.reachable = False
    redial = Redial(first_s=0.1, longest_s=0.1)
    budget = AttemptBudget(attempts_max=5, within_s=300)
    async with staged(network, redial=redial, budget=budget) as stage:
        await trio.sleep(299)
        assert len(stage.states) == 5
        await trio.sleep(300)
        assert len(stage.states) == 10


async def test_a_write_that_the_network_does_not_take_means_a_lost_socket(network: MemoryNetwork) -> None:
    network.capacity_bytes = 1000
    async with staged(network) as stage:
        await stage.accept()
        stage.transmit(1, "x" * 5000)
        stage.connection.tell(Reconnect(reason="not seen: the handler is stuck in the write", epoch=99))
        (lost,) = await stage.until(Disconnected)
        assert isinstance(lost, Disconnected)
        assert lost.reason == "the network has taken no data for 10 s"
        assert trio.current_time() < 20
        await stage.accept()


async def test_three_hundred_sockets_in_a_row_leave_nothing_behind(network: MemoryNetwork) -> None:
    """A reconnect is no crash, and spends neither restarts nor tasks."""
    redial, budget = Redial(first_s=0.001, longest_s=0.001), AttemptBudget(attempts_max=10_000)
    async with staged(network, redial=redial, budget=budget) as stage:
        await stage.accept()
        tasks_before = trio.lowlevel.current_statistics().tasks_living
        for number in range(1, 300):
            stage.connection.tell(Reconnect(reason="again", epoch=number))
            await stage.accept()
        assert stage.topics.epoch == 300
        await trio.sleep(10)
        assert trio.lowlevel.current_statistics().tasks_living <= tasks_before
        assert stage.system.tree().children[0].restarts == 0


async def test_a_ban_told_to_one_connection_holds_for_all_that_share_the_budget(network: MemoryNetwork) -> None:
    budget = AttemptBudget()
    async with staged(network, budget=budget) as stage:
        server = FakeServer(await stage.listener.accept())
        await server.refuse(418, headers={"Retry-After": "300"})
        await trio.sleep(1)
        assert budget.take(trio.current_time()) == budget.banned_until_s == pytest.approx(300, abs=1)
