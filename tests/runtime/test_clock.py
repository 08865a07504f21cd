import sys
import time

import pytest
import trio

from dogwatch.runtime.clock import VIRTUAL_START_UNIX_MS, Clock
from dogwatch.runtime.testing.virtual_time import run_virtual


async def test_the_system_clock_tells_the_machines_wall_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_456_789)
    clock = Clock.system()
    assert clock.unix_ms() == 1_700_000_000_123
    assert clock.unix_us() == 1_700_000_000_123_456


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other clocks for this")
def test_the_system_clock_tells_how_long_the_machine_was_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Linux CLOCK_BOOTTIME goes on meanwhile, CLOCK_MONOTONIC does not."""
    readings = {time.CLOCK_BOOTTIME: 7_300.5, time.CLOCK_MONOTONIC: 100.25}
    monkeypatch.setattr(time, "clock_gettime", readings.__getitem__)
    assert Clock.system().asleep_s() == 7_200.25


def test_a_virtual_machine_never_sleeps() -> None:
    async def scenario() -> None:
        assert Clock.virtual().asleep_s() == 0

    run_virtual(scenario)


def test_a_virtual_clock_starts_where_it_is_told_and_moves_with_trios_time() -> None:
    async def scenario() -> None:
        await trio.sleep(10)
        clock = Clock.virtual(start_unix_ms=5_000)
        assert (clock.unix_ms(), clock.unix_us()) == (5_000, 5_000_000)
        await trio.sleep(1.2345678)
        assert (clock.unix_ms(), clock.unix_us()) == (6_234, 6_234_568)
        assert clock.now_s() == trio.current_time()

    run_virtual(scenario)


def test_two_virtual_clocks_can_disagree_by_a_constant() -> None:
    async def scenario() -> None:
        ours, theirs = Clock.virtual(), Clock.virtual(VIRTUAL_START_UNIX_MS + 700)
        await trio.sleep(3600)
        assert theirs.unix_ms() - ours.unix_ms() == 700

    run_virtual(scenario)
