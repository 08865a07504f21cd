"""Liveness: a server that does not read any more is found, and nothing else is taken for one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from dogwatch.actors.connection import Connected, Disconnected
from dogwatch.actors.line import Line
from dogwatch.actors.liveness import Liveness
from dogwatch.actors.probe import Probe
from dogwatch.actors.spot.errors import NotSent
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.reply import Reply
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import run_system
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.test_connection import Stage
from tests.stories.clocks import WrongClock

pytestmark = pytest.mark.usefixtures("virtual_clock")


class Owner(Actor):
    """Answers probes as the test wants: at once, after `delay_s` seconds, never, or with a refusal."""

    def __init__(self, stage: "LiveStage") -> None:
        self._stage = stage

    def on_probe(self, probe: Probe, reply: Reply[float]) -> None:
        stage = self._stage
        stage.probes.append((trio.current_time(), probe))
        stage.probed.set()
        if stage.refusal is not None:
            reply.fail(stage.refusal)
        elif stage.answered_s > probe.since_s:
            reply.send(stage.answered_s)
        else:
            self.tasks.start_soon(self._answer, reply)

    async def _answer(self, reply: Reply[float]) -> None:
        await trio.sleep(self._stage.delay_s)
        self._stage.answered_s = trio.current_time()
        reply.send(self._stage.answered_s)


class LiveStage(Stage):
    """A connection, an owner who speaks over it, and who watches whether it is answered."""

    delay_s = 0.1
    refusal: NotSent | None = None
    answered_s = 0.0

    def __init__(self, network: MemoryNetwork) -> None:
        super().__init__(network)
        self.probes: list[tuple[float, Probe]] = []
        self.probed = trio.Event()
        owner = ChildSpec("owner", lambda: Owner(self), actor=Owner)
        line = Line("a", self.connection, self.topics)
        self.clock = WrongClock()
        self.liveness = ChildSpec(
            "liveness", lambda: Liveness(owner=owner.ref, lines=[line], clock=self.clock), actor=Liveness
        )
        self.children: list[ChildSpec[Any]] = [self.spec, owner, self.liveness]

    async def next_probe(self) -> None:
        self.probed = trio.Event()
        await self.probed.wait()

    def reasons(self) -> list[str]:
        return [state.reason for state in self.states if isinstance(state, Disconnected)]


@asynccontextmanager
async def staged(network: MemoryNetwork) -> AsyncIterator[LiveStage]:
    stage = LiveStage(network)
    with trio.fail_after(100_000):
        async with run_system(SupervisorSpec("link", stage.children)) as stage.system:
            yield stage


async def test_a_socket_that_answers_is_asked_every_thirty_seconds_and_kept(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        await stage.accept()
        await trio.sleep(3600)
        assert stage.states == [Connected(epoch=1)]
        assert len(stage.probes) == pytest.approx(3600 / 30.1, abs=1)


async def test_a_busy_socket_is_asked_nothing(network: MemoryNetwork) -> None:
    """The owner is, but it has had answers and sends no ping."""
    async with staged(network) as stage:
        await stage.accept()
        stage.delay_s = 1e9
        for _ in range(360):
            stage.answered_s = trio.current_time()
            await trio.sleep(10)
        assert stage.states == [Connected(epoch=1)]
        assert len(stage.probes) <= 3600 / 20


@pytest.mark.parametrize("since_connected_s", [0.0, 29.0, 31.0, 1234.567])
async def test_one_that_answers_no_more_is_given_up_45_seconds_after_its_last_answer(
    network: MemoryNetwork, since_connected_s: float
) -> None:
    async with staged(network) as stage:
        await stage.accept()
        await trio.sleep(since_connected_s)
        last_s = stage.answered_s
        stage.delay_s = 1e9
        await stage.accept()
        assert 45 - 1e-6 <= trio.current_time() - last_s <= 46
        assert stage.reasons() == ["no request was answered for 45 s"]


async def test_an_answer_in_the_last_moment_counts(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        await stage.accept()
        stage.delay_s = 13.9
        await trio.sleep(3600)
        assert stage.states == [Connected(epoch=1)]


@pytest.mark.parametrize("seed", range(8))  # decides whether the deadline or the answer comes first
async def test_what_was_answered_while_the_event_loop_was_held_up_counts(
    network: MemoryNetwork, virtual_clock: trio.testing.MockClock
) -> None:
    async with staged(network) as stage:
        await stage.accept()
        stage.delay_s = 10
        for _ in range(10):
            await stage.next_probe()
            await trio.sleep(1)
            virtual_clock.jump(60)  # somebody computes for a minute
            await trio.sleep(2)
        assert stage.states == [Connected(epoch=1)]


async def test_while_nothing_may_be_sent_nothing_is_given_up_and_it_is_asked_again_soon(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        await stage.accept()
        stage.refusal = NotSent("the exchange wants nothing sent", retry_after_s=3600.0)
        await trio.sleep(3600)
        assert stage.states == [Connected(epoch=1)]
        stage.refusal = None
        stage.delay_s = 1e9
        barred_until_s = trio.current_time()
        await stage.accept()
        assert trio.current_time() - barred_until_s <= 5 + 15 + 1
        statistics = stage.system.tree().children[2].statistics
        assert statistics["postponed"] > 700
        assert statistics["given_up"] == 1


async def test_a_socket_on_which_nobody_speaks_is_given_up_after_five_minutes(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        await stage.accept()
        await trio.sleep(1000)
        stage.refusal = NotSent("the socket it was meant for is gone")
        forgotten_s = trio.current_time()
        await stage.accept()
        assert 300 <= trio.current_time() - forgotten_s <= 300 + 30 + 5 + 1
        assert stage.reasons() == ["nothing could be asked for 300 s: the socket it was meant for is gone"]
        stage.refusal = None
        await trio.sleep(1000)
        assert stage.topics.epoch == 2


async def test_the_wait_for_a_new_owner_is_no_reason(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        await stage.accept()
        for _ in range(5):
            stage.refusal = NotSent("the socket it was meant for is gone")
            await trio.sleep(290)
            stage.refusal = None
            await trio.sleep(20)
        assert stage.states == [Connected(epoch=1)]


@pytest.mark.parametrize("slept_s", [79.0, 81.0, 28_800.0])
async def test_after_a_sleep_longer_than_the_exchange_waits_every_socket_is_replaced_at_once(
    network: MemoryNetwork, slept_s: float
) -> None:
    async with staged(network) as stage:
        await stage.accept()
        await trio.sleep(1003)
        stage.clock.sleep(slept_s)
        await trio.sleep(10)
        if slept_s < 80:
            assert stage.states == [Connected(epoch=1)]
        else:
            assert stage.reasons() == [f"this machine was suspended for {slept_s:.0f} s"]
            await stage.accept()
            await trio.sleep(100)
            assert stage.topics.epoch == 2, "once is enough"


async def test_a_lost_socket_is_asked_about_no_more_and_the_next_one_begins_anew(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        await trio.sleep(25)
        await server.stream.aclose()
        await stage.accept()
        second_s = trio.current_time()
        await trio.sleep(20)
        assert stage.probes == []
        await trio.sleep(20)
        ((asked_s, probe),) = stage.probes
        assert probe.epoch == 2
        assert asked_s == pytest.approx(second_s + 30, abs=0.1)


async def test_a_restart_goes_on_with_the_socket_that_stands(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        await stage.accept()
        stage.liveness.ref.mailbox.fail_consumer(RuntimeError("a mistake of ours"))
        stage.delay_s = 1e9
        await stage.accept()
        assert 45 <= trio.current_time() <= 47
        assert stage.reasons() == ["no request was answered for 45 s"]
