"""The server's clock: from midpoints, the best of several, kept current, whatever this machine's wall clock does."""

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.server_clock import Measurement, ServerClock
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.api_stage import staged
from tests.actors.fake_server import FakeServer

pytestmark = pytest.mark.usefixtures("virtual_clock")

START_MS = 1_767_225_600_000


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
