"""A ban is written into the journal, and the next process reads it there."""

from pathlib import Path

import trio
from trio.testing import MockClock

from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.rate_limiter import RateLimiter
from dogwatch.runtime.clock import Clock


async def test_a_ban_outlives_the_process_and_a_later_one_takes_its_place(
    virtual_clock: MockClock, tmp_path: Path
) -> None:
    clock = Clock.virtual()
    with OrderJournal.open(tmp_path / "orders.journal", in_thread=False) as journal:
        assert journal.banned_until_ms == 0
        RateLimiter(clock=clock, bans=journal).silence(120.0, "IP banned", is_ban=True)
        assert journal.banned_until_ms == clock.unix_ms() + 120_000
    await trio.sleep(50)
    with OrderJournal.open(tmp_path / "orders.journal", in_thread=False) as journal:
        limiter = RateLimiter(clock=clock, bans=journal)
        assert limiter.quiet_s() == 70
        limiter.silence(300.0, "IP banned", is_ban=True)
    with OrderJournal.open(tmp_path / "orders.journal", in_thread=False) as journal:
        assert journal.banned_until_ms == clock.unix_ms() + 300_000
        assert journal.banned_for_ms == 300_000
        assert RateLimiter(clock=Clock.virtual(clock.unix_ms() - 3_600_000), bans=journal).quiet_s() == 300
