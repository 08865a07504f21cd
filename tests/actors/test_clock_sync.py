"""The server's clock: read in quiet moments, kept current, whatever this machine's clocks do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.clock_sync import ClockSync
from dogwatch.actors.server_clock import Measurement, ServerClock
from dogwatch.actors.session import Call, SessionTopics
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.methods import Method
from dogwatch.runtime.clock import VIRTUAL_START_UNIX_MS, Clock
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import System, run_system
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.api_stage import staged
from tests.actors.fake_server import FakeServer
from tests.actors.fake_session import FakeSession, result
from tests.stories.clocks import WrongClock

pytestmark = pytest.mark.usefixtures("virtual_clock")

START_MS = VIRTUAL_START_UNIX_MS


class SteppingClock(Clock):
    """A wall clock that somebody sets by hand."""

    def __init__(self) -> None:
        self.step_ms = 0

    def unix_us(self) -> int:
        return (START_MS + self.step_ms) * 1000 + round(trio.current_time() * 1_000_000)


def measured(server_ahead_ms: float, *, asked_s: float, there_s: float, back_s: float) -> Measurement:
    """A question to a server whose clock is ahead of Trio's, over a network that is slower one way than the other."""
    return Measurement(
        asked_s=asked_s,
        answered_s=asked_s + there_s + back_s,
        server_time_ms=int(server_ahead_ms + (asked_s + there_s) * 1000),
    )


async def test_before_any_measurement_the_wall_clock_is_all_there_is() -> None:
    clock = ServerClock(Clock.virtual(START_MS))
    assert not clock.is_measured
    assert (clock.now_ms(), clock.offset_ms, clock.uncertainty_ms) == (START_MS, 0.0, None)


delays_s = st.floats(0, 2)


@given(st.lists(st.tuples(delays_s, delays_s), min_size=1, max_size=8), st.integers(-(10**9), 10**9))
def test_the_truth_lies_within_the_uncertainty_and_the_shortest_round_trip_counts(
    delays: list[tuple[float, float]], server_ahead_ms: int
) -> None:
    async def main() -> None:
        clock = ServerClock(Clock.virtual(START_MS))
        for there_s, back_s in delays:
            asked_s = trio.current_time()
            await trio.sleep(there_s + back_s)
            clock.observe(measured(START_MS + server_ahead_ms, asked_s=asked_s, there_s=there_s, back_s=back_s))
        uncertainty_ms = clock.uncertainty_ms
        assert uncertainty_ms is not None
        assert uncertainty_ms <= min(501 * sum(delay) for delay in delays) + 0.5 * trio.current_time() + 0.6
        assert abs(clock.offset_ms - server_ahead_ms) <= uncertainty_ms + 0.1

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_a_step_of_the_wall_clock_moves_no_timestamp() -> None:
    wall = SteppingClock()
    clock = ServerClock(wall)
    clock.observe(measured(START_MS, asked_s=0, there_s=0.01, back_s=0.01))
    wall.step_ms = 86_400_000
    await trio.sleep(5)
    assert abs(clock.now_ms() - (START_MS + 5000)) <= 1
    assert clock.offset_ms == pytest.approx(-86_400_000, abs=1)


async def test_an_old_measurement_loses_its_rank_however_short_its_round_trip() -> None:
    clock = ServerClock(Clock.virtual(START_MS))
    clock.observe(measured(START_MS, asked_s=0, there_s=0, back_s=0))
    assert clock.uncertainty_ms == pytest.approx(0.5, abs=0.05)
    await trio.sleep(600.2)
    assert clock.uncertainty_ms == pytest.approx(300.6, abs=0.1)
    clock.observe(measured(START_MS + 30, asked_s=600, there_s=0.1, back_s=0.1))
    assert clock.offset_ms == pytest.approx(30, abs=1)
    assert clock.uncertainty_ms == pytest.approx(100.6, abs=0.1)


async def test_after_a_refused_timestamp_only_new_measurements_count() -> None:
    clock = ServerClock(Clock.virtual(START_MS))
    clock.observe(measured(START_MS, asked_s=0, there_s=0, back_s=0))
    clock.forget()
    clock.observe(measured(START_MS + 9000, asked_s=1, there_s=0.5, back_s=0.5))
    assert clock.offset_ms == pytest.approx(9000, abs=1)


async def keep_alive(server: FakeServer) -> None:
    while True:
        await trio.sleep(20)
        await server.ping()


async def ping_for_220_s(server: FakeServer) -> None:
    for _ in range(11):
        await trio.sleep(20)
        await server.ping()
        await server.next_pong()


async def test_the_time_is_asked_for_now_and_then_and_a_drift_is_followed(network: MemoryNetwork) -> None:
    """The server's clock gains a millisecond per second."""
    async with staged(network) as stage:
        server = await stage.establish()
        for _ in range(5):
            await ping_for_220_s(server)
            for _ in range(3):
                request = await stage.expect(server, "time")
                await server.answer(request, {"serverTime": stage.server_time.unix_ms() + round(trio.current_time())})
            await trio.testing.wait_all_tasks_blocked()
            assert stage.link.server_clock.offset_ms == pytest.approx(trio.current_time(), abs=1)
        assert trio.current_time() == pytest.approx(5 * 240, abs=1)


async def test_unanswered_questions_block_nothing_and_are_counted(network: MemoryNetwork) -> None:
    async with staged(network) as stage, trio.open_nursery() as nursery:
        server = await stage.establish()
        nursery.start_soon(keep_alive, server)
        await trio.sleep(600)
        clock_sync = stage.node("clock_sync")
        assert clock_sync.statistics["unanswered"] == 2
        assert clock_sync.life == 1
        nursery.cancel_scope.cancel()


async def test_a_wall_clock_far_off_is_said_once(network: MemoryNetwork, caplog: pytest.LogCaptureFixture) -> None:
    async with staged(network, server_ahead_ms=5000) as stage:
        server = await stage.establish()
        for _ in range(2):
            await ping_for_220_s(server)
            await stage.answer_times(server)
        await trio.testing.wait_all_tasks_blocked()
        warnings = [record.getMessage() for record in caplog.records if "set it by NTP" in record.getMessage()]
        assert len(warnings) == 1
        assert "offset_ms=5000" in warnings[0]


class Sync:
    """A ClockSync, this machine's clock, and an exchange that tells the time by its own."""

    def __init__(self) -> None:
        self.wall, self.theirs = WrongClock(), WrongClock()
        self.topics = SessionTopics("link")
        self.session = FakeSession(self.topics)
        self.session.automatic = self.tell
        self.server_clock = ServerClock(self.wall)
        self.asked_s: list[float] = []
        self.wrong_by_ms = 0
        self.is_reachable = True
        self.system: System

    def tell(self, call: Call) -> Response | Exception:
        assert call.method is Method.TIME
        if not self.is_reachable:
            return NotSent("there is no connection")
        now_s = trio.current_time()
        told_ms = self.theirs.unix_ms() + self.wrong_by_ms
        self.wrong_by_ms = 0
        self.asked_s.append(now_s)
        self.server_clock.observe(Measurement(asked_s=now_s, answered_s=now_s, server_time_ms=told_ms))
        return result({"serverTime": told_ms})

    def asked_since(self, since_s: float) -> int:
        return sum(at_s >= since_s for at_s in self.asked_s)

    def off_by_ms(self) -> float:
        return abs(self.server_clock.now_ms() - self.theirs.unix_ms())

    @property
    def statistics(self) -> dict[str, Any]:
        return self.system.tree().children[1].statistics


@asynccontextmanager
async def syncing() -> AsyncIterator[Sync]:
    s = Sync()
    session = ChildSpec("session", lambda: s.session, actor=FakeSession)
    given: dict[str, Any] = {"session": session.ref, "topics": s.topics}
    clock_sync = ChildSpec(
        "clock_sync", lambda: ClockSync(server_clock=s.server_clock, clock=s.wall, **given), actor=ClockSync
    )
    async with run_system(SupervisorSpec("top", [session, clock_sync])) as s.system:
        s.tell(Call(method=Method.TIME))
        s.asked_s.clear()
        yield s


def told(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


async def test_the_time_is_asked_for_in_a_quiet_moment() -> None:
    """An answer behind other answers tells it less well, and the orders need the line."""
    async with syncing() as s, trio.open_nursery() as nursery:

        async def trade() -> None:
            while True:
                s.topics.latest_call_s = trio.current_time()
                await trio.sleep(0.1)

        await trio.sleep(239)
        nursery.start_soon(trade)
        await trio.sleep(100)
        assert s.asked_s == []
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.sleep(1.5)
        assert len(s.asked_s) == 3
        assert s.asked_s[0] == pytest.approx(340, abs=1.5)


async def test_if_there_is_no_quiet_moment_for_another_period_any_will_do() -> None:
    async with syncing() as s, trio.open_nursery() as nursery:

        async def trade() -> None:
            while True:
                s.topics.latest_call_s = trio.current_time()
                await trio.sleep(0.1)

        nursery.start_soon(trade)
        await trio.sleep(482)
        assert s.asked_s == [pytest.approx(480, abs=1.5)] * 3
        nursery.cancel_scope.cancel()


async def test_an_answer_that_contradicts_the_others_is_followed_by_a_question_more_and_not_believed() -> None:
    async with syncing() as s:
        await trio.sleep(239)
        s.wrong_by_ms = 30_000
        await trio.sleep(10)
        assert len(s.asked_s) == 3
        assert s.off_by_ms() <= 1
        assert s.statistics["outliers"] == 1


async def test_when_the_exchange_s_clock_is_set_the_second_answer_moves_ours(caplog: pytest.LogCaptureFixture) -> None:
    async with syncing() as s:
        await trio.sleep(100)
        s.theirs.ahead_s -= 3
        await trio.sleep(150)
        assert s.off_by_ms() <= 1
        (line,) = told(caplog, "moved against each other")
        assert "by_ms=-3000" in line


@pytest.mark.parametrize("by_s", [-3600.0, -0.5, 0.5, 3600.0])
async def test_a_wall_clock_that_is_set_is_told_once_and_moves_no_timestamp(
    caplog: pytest.LogCaptureFixture, by_s: float
) -> None:
    async with syncing() as s:
        await trio.sleep(50)
        s.wall.ahead_s += by_s
        assert s.off_by_ms() <= 1
        await trio.sleep(1000)
        (line,) = told(caplog, "this machine's clock was set")
        assert f"by_s={by_s}" in line
        assert s.off_by_ms() <= 1
        assert s.statistics["wall_steps"] == 1
        assert s.statistics["standstills"] == 0
        assert s.asked_s[0] <= 60, "measured anew, to be sure"


@pytest.mark.parametrize("drift", [-500e-6, 500e-6])
async def test_a_wall_clock_that_is_corrected_slowly_is_not_worth_a_word(
    caplog: pytest.LogCaptureFixture, drift: float
) -> None:
    async with syncing() as s:
        s.wall.drift_by(drift)
        await trio.sleep(1500)
        s.wall.drift_by(0)
        await trio.sleep(1500)
        assert caplog.records == []
        assert s.off_by_ms() <= 1


async def test_after_a_sleep_nothing_measured_before_is_trusted(caplog: pytest.LogCaptureFixture) -> None:
    async with syncing() as s:
        await trio.sleep(50)
        s.wall.sleep(7200)
        s.theirs.ahead_s += 7200
        s.is_reachable = False
        await trio.sleep(20)
        assert s.server_clock.uncertainty_ms is None
        s.is_reachable = True
        s.tell(Call(method=Method.TIME))  # as a session does that logs on
        assert s.off_by_ms() <= 1
        await trio.sleep(1000)
        (line,) = told(caplog, "slept")
        assert "for_s=7200" in line
        assert told(caplog, "clock was set") == []
        assert s.statistics["standstills"] == 1


async def test_after_a_standstill_of_the_whole_process_the_clock_is_measured_anew(
    caplog: pytest.LogCaptureFixture, virtual_clock: trio.testing.MockClock
) -> None:
    async with syncing() as s:
        await trio.sleep(50)
        virtual_clock.jump(45)
        await trio.sleep(1)
        assert told(caplog, "slept or stood still")
        assert s.asked_since(95) == 3
        assert not s.server_clock.is_in_doubt


async def test_the_drift_is_learnt_and_told() -> None:
    async with syncing() as s:
        s.theirs.drift_by(200e-6)
        await trio.sleep(3600)
        assert s.statistics["drift_ppm"] == pytest.approx(200, abs=5)
        assert s.off_by_ms() <= 2
        s.session.automatic = lambda _call: NotSent("nobody there")
        await trio.sleep(1800)
        assert s.off_by_ms() <= 5, "half an hour without an answer costs 360 ms to who takes no drift into account"
