"""Who waits for room, who goes first, who is refused, and how long nobody may say anything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from dogwatch.actors.rate_limiter import LEFT_S_MIN, WAITING_MAX, RateLimiter, Waiting
from dogwatch.actors.spot.booking import Booking
from dogwatch.actors.spot.enums import RateLimitInterval, RateLimitType
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import ExchangeError, NotSent
from dogwatch.actors.spot.exchange_info import RateLimit
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.request_costs import Cost, Priority, cost_of
from dogwatch.actors.spot.shares import Shares
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.sweep import sweep
from dogwatch.runtime.timers import Timers

pytestmark = pytest.mark.usefixtures("virtual_clock")

CANCEL, QUERY = cost_of(Method.ORDER_CANCEL, {}), cost_of(Method.ALL_ORDERS, {})
PLACE, AMEND = cost_of(Method.ORDER_PLACE, {}), cost_of(Method.ORDER_AMEND, {})
BULK = cost_of(Method.ALL_ORDERS, {}, Priority.BULK)
LIMITS = [
    RateLimit(
        rate_limit_type=RateLimitType.REQUEST_WEIGHT, interval=RateLimitInterval.MINUTE, interval_count=1, limit=100
    ),
    RateLimit(rate_limit_type=RateLimitType.ORDERS, interval=RateLimitInterval.SECOND, interval_count=10, limit=5),
]


class Words:
    """A log that keeps what is said loudly."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def debug(self, event: str, **facts: Any) -> None: ...
    def info(self, event: str, **facts: Any) -> None: ...
    def warning(self, event: str, **facts: Any) -> None: ...

    def error(self, event: str, **_facts: Any) -> None:
        self.errors.append(event)


class Record:
    """Where bans are written down."""

    def __init__(self, banned_until_ms: int = 0, banned_for_ms: int = 60_000) -> None:
        self.banned_until_ms = banned_until_ms
        self.banned_for_ms = banned_for_ms

    def record_ban(self, until_ms: int, for_ms: int) -> None:
        self.banned_until_ms, self.banned_for_ms = until_ms, for_ms


class Stage:
    """A limiter of 100 weight a minute and 5 orders in 10 seconds, and what became of the requests by their names."""

    def __init__(self, record: Record | None = None, **options: Any) -> None:
        self.clock = Clock.virtual()
        self.words = Words()
        options.setdefault("shares", Shares(cancel_reserve=0, query_reserve=0, bulk=1))
        self.limiter = RateLimiter(clock=self.clock, limits=LIMITS, bans=record, log=self.words, **options)
        self.account = self.limiter.budget.account("main")
        self.timers = Timers()
        self.begun_s = trio.current_time()
        self.sent: list[tuple[str, float]] = []
        self.refused: dict[str, tuple[NotSent, float]] = {}
        self.bookings: dict[str, Booking] = {}
        self.given_up: set[str] = set()

    def ask(self, name: str, cost: Cost = QUERY, *, within_s: float = 100.0) -> None:
        booking = self.limiter.book(cost, self.account, self.clock.unix_ms())
        if booking is not None:
            self.send(name, booking)
            return
        self.limiter.keep(
            Waiting(
                who=self,
                cost=cost,
                account=self.account,
                deadline_s=trio.current_time() + within_s,
                now_ms=self.clock.unix_ms,
                timers=self.timers,
                go=lambda booking: self.send(name, booking),
                refuse=lambda error: self.refuse(name, error),
                is_wanted=lambda: name not in self.given_up,
            )
        )

    def send(self, name: str, booking: Booking) -> None:
        self.bookings[name] = booking
        self.sent.append((name, self.now_s()))

    def refuse(self, name: str, error: NotSent) -> None:
        assert name not in self.refused
        self.refused[name] = (error, self.now_s())

    def answer(self, name: str, *, is_ok: bool = True) -> None:
        error = None if is_ok else ExchangeError(code=-2010, message="no")
        response = Response(id=1, status=200 if is_ok else 400, error=error)
        self.limiter.settle(self.bookings[name], self.clock.unix_ms(), response)

    def use_up_weight(self) -> None:
        for number in range(5):
            self.ask(f"first {number}")
            self.answer(f"first {number}")
        self.sent.clear()

    def now_s(self) -> float:
        return round(trio.current_time() - self.begun_s, 2)


@asynccontextmanager
async def staged(record: Record | None = None, **options: Any) -> AsyncIterator[Stage]:
    stage = Stage(record, **options)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sweep, stage.timers)
        yield stage
        nursery.cancel_scope.cancel()


async def test_whoever_finds_no_room_waits_for_the_next_window() -> None:
    async with staged() as stage:
        stage.use_up_weight()
        await trio.sleep(20)
        stage.ask("waits")
        await trio.sleep(39.9)
        assert (stage.sent, stage.limiter.waiting) == ([], 1)
        await trio.sleep(0.2)
        assert stage.sent == [("waits", 60.0)]
        assert stage.limiter.waiting == 0


async def test_whoever_would_come_too_late_is_refused_at_once_and_told_when_there_is_room() -> None:
    async with staged() as stage:
        stage.use_up_weight()
        await trio.sleep(20)
        stage.ask("too late", within_s=39)
        error, at_s = stage.refused["too late"]
        assert at_s == 20
        assert error.retry_after_s == 40
        assert "too late" in error.message


async def test_those_who_wait_count_for_those_behind_them() -> None:
    async with staged() as stage:
        stage.use_up_weight()
        for number in range(6):
            stage.ask(f"{number}", within_s=70)
        error, at_s = stage.refused["5"]  # five fill the next minute
        assert (at_s, error.retry_after_s) == (0, 120)
        await trio.sleep(61)
        assert [name for name, _ in stage.sent] == ["0", "1", "2", "3", "4"]


async def test_the_lanes_go_in_their_order_and_each_by_age() -> None:
    async with staged() as stage:
        stage.use_up_weight()
        for name, cost in [("bulk", BULK), ("place", PLACE), ("query", QUERY), ("cancel", CANCEL), ("query 2", QUERY)]:
            stage.ask(name, cost)
        await trio.sleep(61)
        assert [name for name, _ in stage.sent] == ["cancel", "query", "query 2", "place", "bulk"]


async def test_a_small_request_does_not_overtake_a_large_one_before_it() -> None:
    async with staged() as stage:
        for number in range(4):
            stage.ask(f"{number}")
        stage.ask("five", AMEND)
        stage.ask("large", QUERY)
        stage.ask("small", AMEND)
        stage.ask("cancel", CANCEL)
        assert [name for name, _ in stage.sent] == ["0", "1", "2", "3", "five", "cancel"]
        assert stage.limiter.waiting == 2


async def test_orders_that_wait_for_room_among_the_unfilled_hold_up_nobody_else() -> None:
    async with staged() as stage:
        for number in range(6):
            stage.ask(f"{number}", PLACE)
        stage.ask("amend", AMEND)
        stage.ask("query", QUERY)
        stage.ask("bulk", BULK)
        assert [name for name, _ in stage.sent] == ["0", "1", "2", "3", "4", "amend", "query", "bulk"]
        for number in range(5):
            stage.answer(f"{number}")
        await trio.sleep(10.1)
        assert stage.sent[-1] == ("5", 10.0)


async def test_a_fill_makes_room_for_an_order_that_waits() -> None:
    async with staged() as stage:
        for number in range(6):
            stage.ask(f"{number}", PLACE)
        await trio.sleep(2)
        created_ms = stage.clock.unix_ms() - 2_000
        stage.account.filled(created_ms=created_ms, at_ms=stage.clock.unix_ms())
        for number in range(5):
            stage.answer(f"{number}")
        await trio.sleep(1.1)
        assert stage.sent[-1] == ("5", 3.0)


async def test_a_free_success_makes_room_at_once() -> None:
    async with staged() as stage:
        for number in range(100):
            stage.ask(f"{number}", CANCEL)
        stage.ask("waits", CANCEL)
        assert stage.limiter.waiting == 1
        stage.answer("0")
        assert stage.sent[-1] == ("waits", 0.0)


async def test_nobody_is_sent_who_has_given_up() -> None:
    async with staged() as stage:
        stage.use_up_weight()
        stage.ask("gives up")
        stage.ask("stays")
        stage.given_up.add("gives up")
        await trio.sleep(61)
        assert [name for name, _ in stage.sent] == ["stays"]


async def test_whoever_waits_in_vain_is_refused_before_the_deadline_and_not_called_unanswered() -> None:
    async with staged() as stage:
        stage.use_up_weight()
        stage.ask("in vain", BULK, within_s=65)
        for number in range(5):
            stage.ask(f"{number}", QUERY)  # came later, and goes first
        await trio.sleep(64.9)
        assert stage.refused == {}
        await trio.sleep(0.1 - LEFT_S_MIN / 2)
        error, _ = stage.refused["in vain"]
        assert error.retry_after_s == pytest.approx(55, abs=0.1)
        assert [name for name, _ in stage.sent] == ["0", "1", "2", "3", "4"]


async def test_no_more_wait_than_can_be_remembered() -> None:
    async with staged() as stage:
        stage.limiter.learn([RateLimit(**{**_fields(LIMITS[0]), "limit": 10_000})])
        stage.limiter.silence(10.0, "too much")
        for number in range(WAITING_MAX + 1):
            stage.ask(f"{number}", CANCEL)
        assert stage.limiter.waiting == WAITING_MAX
        assert list(stage.refused) == [f"{WAITING_MAX}"]


async def test_what_is_larger_than_a_limit_is_refused_and_what_to_do_is_said() -> None:
    async with staged() as stage:
        stage.limiter.learn([RateLimit(**{**_fields(LIMITS[0]), "limit": 19})])
        stage.ask("huge")
        error, _ = stage.refused["huge"]
        assert error.retry_after_s is None
        assert "limits.share" in error.hint


async def test_a_limit_that_is_raised_lets_those_go_who_wait() -> None:
    async with staged() as stage:
        stage.use_up_weight()
        stage.ask("waits")
        stage.limiter.learn([RateLimit(**{**_fields(LIMITS[0]), "limit": 200})])
        assert stage.sent == [("waits", 0.0)]


async def test_the_limit_of_connections_that_the_exchange_tells_holds_at_once() -> None:
    async with staged(shares=Shares(usable=0.5)) as stage:
        stage.limiter.learn(
            [
                RateLimit(
                    rate_limit_type=RateLimitType.CONNECTIONS,
                    interval=RateLimitInterval.MINUTE,
                    interval_count=5,
                    limit=6,
                )
            ]
        )
        attempts, now_s = stage.limiter.attempts, trio.current_time()
        assert [attempts.take(now_s) - now_s for _ in range(4)] == [0, 0, 0, 300]


async def test_after_a_429_nothing_is_sent_and_nothing_dialled_until_the_exchange_wants_it() -> None:
    async with staged() as stage:
        stage.limiter.silence(30.0, "Too much request weight used")
        stage.limiter.silence(29.0, "Too much request weight used")
        stage.ask("too early", CANCEL, within_s=29)
        stage.ask("in time", CANCEL, within_s=31)
        error, at_s = stage.refused["too early"]
        assert (at_s, error.retry_after_s) == (0, 30)
        assert stage.limiter.attempts.take(trio.current_time()) == trio.current_time() + 30
        await trio.sleep(31)
        assert stage.sent == [("in time", 30.0)]
        assert stage.words.errors == ["the exchange wants nothing sent"]


async def test_a_ban_silences_everybody_is_told_once_and_written_down() -> None:
    record = Record()
    async with staged(record) as stage:
        stage.use_up_weight()
        stage.ask("waits", within_s=90)
        stage.limiter.silence(120.0, "Way too much request weight used; IP banned", is_ban=True)
        stage.limiter.silence(119.0, "Way too much request weight used; IP banned", is_ban=True)
        stage.limiter.attempts.bar(trio.current_time() + 150, is_ban=True)  # a handshake was refused, too
        error, at_s = stage.refused["waits"]
        assert (at_s, error.retry_after_s) == (0, 120)
        assert "banned" in error.message
        assert len(stage.words.errors) == 1
        assert record.banned_until_ms == stage.clock.unix_ms() + 150_000
        assert stage.limiter.attempts.take(trio.current_time()) == trio.current_time() + 150
        stage.ask("afterwards", CANCEL, within_s=200)
        await trio.sleep(149.9)
        assert stage.sent == []
        await trio.sleep(0.2)
        assert stage.sent == [("afterwards", 150.0)]
        stage.limiter.silence(240.0, "again", is_ban=True)
        assert len(stage.words.errors) == 2
        assert stage.limiter.statistics()["bans"] == 2


async def test_a_recorded_ban_has_no_more_left_than_it_had_when_it_was_told() -> None:
    """The machine's clock was an hour ahead then."""
    until_ms = Clock.virtual().unix_ms() + 3_610_000
    async with staged(Record(until_ms, 10_000)) as stage:
        assert stage.limiter.quiet_s() == 10
        await trio.sleep(10.1)
        stage.ask("afterwards", CANCEL, within_s=10)
        assert "afterwards" in dict(stage.sent)


async def test_a_ban_that_an_earlier_process_was_told_holds_from_the_start() -> None:
    until_ms = Clock.virtual().unix_ms() + 60_000
    async with staged(Record(until_ms)) as stage:
        stage.ask("too early", CANCEL, within_s=10)
        assert "too early" in stage.refused
        assert len(stage.words.errors) == 1
        assert stage.limiter.attempts.take(trio.current_time()) == trio.current_time() + 60
        await trio.sleep(60)
        stage.ask("in time", CANCEL)
        assert [name for name, _ in stage.sent] == ["in time"]


@pytest.mark.parametrize("is_over", [True, False])
async def test_a_recorded_ban_that_is_over_or_not_heeded_holds_up_nobody(is_over: bool) -> None:
    record = Record(Clock.virtual().unix_ms() + (-1 if is_over else 60_000))
    async with staged(record, heeds_recorded_ban=is_over) as stage:
        stage.ask("goes", CANCEL)
        assert [name for name, _ in stage.sent] == ["goes"]


async def test_no_ban_on_record_lasts_longer_than_the_longest_that_there_is() -> None:
    """The wall clock may have been wrong when it was written down."""
    async with staged(Record(Clock.virtual().unix_ms() + 10**12, 10**12)) as stage:
        assert stage.limiter.quiet_s() == 3 * 86_400


def _fields(limit: RateLimit) -> dict[str, Any]:
    return {name: getattr(limit, name) for name in limit.__struct_fields__}


async def test_what_happened_before_anybody_could_be_told_is_told_then() -> None:
    limiter, words = RateLimiter(clock=Clock.virtual(), bans=Record(Clock.virtual().unix_ms() + 60_000)), Words()
    limiter.tell_by(words)
    limiter.tell_by(words)  # a new life of the session
    assert len(words.errors) == 1


async def test_whoever_is_refused_may_withdraw_others_and_ask_again_at_once() -> None:
    async with staged() as stage:
        stage.use_up_weight()

        def refuse_first(name: str, error: NotSent) -> None:
            Stage.refuse(stage, name, error)
            if name == "first":
                assert stage.limiter.turn_back(NotSent("withdrawn"), lambda entry: entry.who == "second") == 1
                stage.ask("again", PLACE, within_s=100.0)

        stage.refuse = refuse_first  # type: ignore[method-assign]
        stage.ask("first", within_s=70.0)
        stage.ask("second", within_s=70.0)
        stage.limiter.rename(stage, "second")
        stage.ask("third", within_s=70.0)
        stage.limiter.silence(80.0, "too much")
        assert {name: error.message for name, (error, _) in stage.refused.items()}["second"] == "withdrawn"
        assert list(stage.refused) == ["first", "second", "third"]
        assert stage.limiter.waiting == 1
        await trio.sleep(81)
        assert [name for name, _ in stage.sent] == ["again"]


async def test_after_a_silence_nobody_is_held_up() -> None:
    async with staged() as stage:
        stage.limiter.silence(5.0, "too much")
        await trio.sleep(5.1)
        stage.ask("goes")
        assert [name for name, _ in stage.sent] == ["goes"]
        assert not stage.limiter._is_held


async def test_orders_of_another_account_that_wait_are_not_in_the_way() -> None:
    async with staged() as stage:
        for number in range(10):
            stage.ask(f"{number}", PLACE)
        stage.account = stage.limiter.budget.account("other")
        for number in range(10, 18):
            stage.ask(f"{number}", PLACE, within_s=11)
        assert [name for name, _ in stage.sent] == ["0", "1", "2", "3", "4", "10", "11", "12", "13", "14"]
        assert stage.limiter.waiting == 8
