"""Twenty strategies ask for everything at once, and the exchange says that it is too much: 429, then a ban.

Judged by the exchange's own record of what reached it.
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from dogwatch import Context, NotSent, Rejected
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.order_messages import EndAllOrders
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import ADDRESS
from dogwatch.actors.paper.rate_limits import RateLimitRules
from dogwatch.actors.paper.record import RequestLog
from dogwatch.actors.rotation_messages import RotateNow
from dogwatch.actors.session import SessionReady
from dogwatch.actors.testing import StagedExchange
from tests.stories.scene import SIZE, SYMBOL, Account, Character, Part, check_that_all_is_square, open_exchange, until

STRATEGIES = 20
WEIGHT_MAX = 1_200


class Glutton(Character):
    """Places, asks about the order again and again, cancels it, and begins anew; rests only when it must."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.is_hungry = True
        self.refusals: list[NotSent | Rejected] = []

    async def run(self) -> None:
        while self.is_hungry:
            try:
                order = await self.buy(SYMBOL, quantity=SIZE, price=Decimal(30_000))
                for _ in range(5):
                    await self.query(order)
                await self.cancel(order)
            except (NotSent, Rejected) as refusal:
                self.refusals.append(refusal)
                for order in self.orders:
                    await self.cancel_when_possible(order.client_order_id)
                await self.sleep(1.0)
        await trio.sleep_forever()

    async def cancel_when_possible(self, name: str) -> None:
        while any(order.client_order_id == name for order in self.orders):
            try:
                await self.cancel_all()
            except (NotSent, Rejected) as refusal:
                self.refusals.append(refusal)
                await self.sleep(1.0)


def gluttons() -> list[Part[Glutton]]:
    return [Part(f"glutton-{number}", Glutton) for number in range(STRATEGIES)]


def opened(exchange: StagedExchange, parts: list[Part[Glutton]], seed: int) -> Account:
    exchange.paper.record.keep(100_000)
    exchange.quote(SYMBOL, "40000", "40001")
    return Account(exchange, *(part.entry for part in parts), seed=seed)


def config(**rules: int) -> PaperConfig:
    return PaperConfig(rate_limits=RateLimitRules(request_weight_per_minute=WEIGHT_MAX, **rules))


def refused(exchange: StagedExchange) -> list[RequestLog]:
    return [request for request in exchange.paper.record.requests if request.status in (418, 429)]


def requested_between(exchange: StagedExchange, from_s: float, until_s: float) -> list[RequestLog]:
    return [request for request in exchange.paper.record.requests if from_s < request.at_s < until_s]


def minute_after_s(exchange: StagedExchange, at_s: float) -> float:
    """When the exchange's next minute begins, on Trio's clock."""
    at_ms = exchange.paper.clock.unix_ms() - (trio.current_time() - at_s) * 1000
    return at_s + (60_000 - at_ms % 60_000) / 1000


def told_when_there_is_room(parts: list[Part[Glutton]]) -> Iterator[float | None]:
    for part in parts:
        yield from (refusal.retry_after_s for refusal in part.now.refusals if isinstance(refusal, NotSent))


async def settle_down(parts: list[Part[Glutton]], account: Account) -> None:
    for part in parts:
        part.now.is_hungry = False
    await until(lambda: not list(account.table.all_live()), within_s=200, step_s=0.5)


async def test_twenty_strategies_use_the_budget_up_and_are_never_refused_by_the_exchange(
    virtual_clock: MockClock, seed: int
) -> None:
    parts = gluttons()
    async with open_exchange(seed=seed, config=config()) as exchange:
        account = opened(exchange, parts, seed)
        async with account.trading():
            await trio.sleep(4 * 60)
            await settle_down(parts, account)
        used = [count for _, count in list(exchange.paper.limits_of_address(ADDRESS).weight.past)[1:4]]
        assert len(used) == 3
        assert 0.95 * WEIGHT_MAX <= min(used) <= max(used) <= WEIGHT_MAX, used
        assert refused(exchange) == []
        assert any(retry_after_s is not None for retry_after_s in told_when_there_is_room(parts))
        check_that_all_is_square(exchange, account)


async def test_after_the_first_429_nothing_is_asked_until_the_exchange_wants_it(
    virtual_clock: MockClock, seed: int
) -> None:
    """Somebody else at the same address uses up what is left."""
    parts = gluttons()
    async with open_exchange(seed=seed, config=config()) as exchange:
        account = opened(exchange, parts, seed)
        async with account.trading():
            for _ in range(2):
                await trio.sleep_until(minute_after_s(exchange, trio.current_time()) + 0.005)
                seen = len(refused(exchange))
                exchange.paper.use_weight(WEIGHT_MAX)
                await trio.sleep(10)
                first_s = refused(exchange)[seen].at_s
                later = requested_between(exchange, first_s, minute_after_s(exchange, first_s))
                assert later == [], later[:3]
                await trio.sleep(60)
            await settle_down(parts, account)
        assert len({request.at_s for request in refused(exchange)}) == 2
        assert {request.status for request in refused(exchange)} == {429}
        check_that_all_is_square(exchange, account)


@pytest.mark.parametrize("is_told", [True, False], ids=["told by an answer", "cut off and told at the door"])
async def test_under_a_ban_nothing_is_sent_and_nobody_dials_until_it_lifts(
    virtual_clock: MockClock, seed: int, caplog: pytest.LogCaptureFixture, is_told: bool
) -> None:
    parts = gluttons()
    async with open_exchange(seed=seed, config=config(refusals_before_ban=1)) as exchange:
        account = opened(exchange, parts, seed)
        async with account.trading():
            await trio.sleep_until(minute_after_s(exchange, trio.current_time()) + 0.005)
            record = exchange.paper.record
            if is_told:
                exchange.paper.use_weight(WEIGHT_MAX)
                await until(lambda: any(request.status == 418 for request in refused(exchange)))
                told_s = refused(exchange)[-1].at_s
            else:
                exchange.paper.ban(120)
                await until(lambda: record.attempts[-1].status == 418)
                told_s = record.attempts[-1].at_s
            lifts_s = trio.current_time() + exchange.paper.limits_of_address(ADDRESS).banned_until_ms / 1000
            lifts_s -= exchange.paper.clock.unix_ms() / 1000
            assert lifts_s - told_s > 100
            await trio.sleep_until(lifts_s + 90)
            assert requested_between(exchange, told_s, lifts_s) == []
            assert [attempt for attempt in record.attempts if told_s < attempt.at_s < lifts_s] == []
            assert requested_between(exchange, lifts_s, lifts_s + 90) != []
            assert isinstance(account.tree.link.topics.states.last, SessionReady)
            await settle_down(parts, account)
        alarms = [entry for entry in caplog.records if entry.levelname == "ERROR" and "is banned" in entry.getMessage()]
        assert len(alarms) == 1
        check_that_all_is_square(exchange, account)


async def test_an_order_that_waits_for_room_while_the_session_moves_is_sent_over_the_new_socket(
    virtual_clock: MockClock, seed: int
) -> None:
    part = Part("quoter", Sleeper)
    async with open_exchange(seed=seed, config=config(orders_per_10_seconds=1)) as exchange:
        exchange.quote(SYMBOL, "40000", "40001")
        account = Account(exchange, part.entry, seed=seed)
        async with account.trading():
            link = account.tree.link
            await trio.sleep_until(minute_after_s(exchange, trio.current_time()) + 1)
            first = await part.now.buy(SYMBOL, quantity=SIZE, price=Decimal(30_000))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(buy_another, part)
                await trio.sleep(0.1)
                assert link.limiter.waiting == 1
                link.rotation.wanted.publish(RotateNow(reason="a test wants it"))
                await until(lambda: sum(bool(log.subscribed) for log in exchange.paper.record.connections) == 2)
                await trio.sleep(1)
                assert link.limiter.waiting == 1
            assert first.is_open
            assert len(part.now.orders) == 2
            requests = [request for request in exchange.paper.record.requests if request.method == "order.place"]
            assert len({request.connection for request in requests}) == 2
            assert refused(exchange) == []


async def test_a_halt_stops_an_order_that_waits_for_room(virtual_clock: MockClock, seed: int) -> None:
    part = Part("quoter", Sleeper)
    async with open_exchange(seed=seed, config=config(orders_per_10_seconds=1)) as exchange:
        exchange.quote(SYMBOL, "40000", "40001")
        account = Account(exchange, part.entry, seed=seed)
        async with account.trading():
            await trio.sleep_until(minute_after_s(exchange, trio.current_time()) + 1)
            await part.now.buy(SYMBOL, quantity=SIZE, price=Decimal(30_000))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(buy_in_vain, part)
                await trio.sleep(0.1)
                account.tree.desk.halts.set("enough", 0)
                await account.tree.desk.orders.ask(EndAllOrders(), within_s=5)
            await trio.sleep(20)
            requests = [request for request in exchange.paper.record.requests if request.method == "order.place"]
            assert len(requests) == 1
        check_that_all_is_square(exchange, account)


async def buy_in_vain(part: "Part[Sleeper]") -> None:
    with pytest.raises(NotSent, match="before it was sent"):
        await part.now.buy(SYMBOL, quantity=SIZE, price=Decimal(30_000), within_s=12)


async def buy_another(part: "Part[Sleeper]") -> None:
    await part.now.buy(SYMBOL, quantity=SIZE, price=Decimal(30_000), within_s=12)


async def test_a_new_process_waits_for_the_end_of_a_ban_that_the_last_one_was_told(
    virtual_clock: MockClock, seed: int, tmp_path: Path
) -> None:
    async with open_exchange(seed=seed, config=config()) as exchange:
        exchange.quote(SYMBOL, "40000", "40001")
        attempts = exchange.paper.record.attempts
        for is_first in (True, False):
            sleeper = Part("sleeper", Sleeper)
            with OrderJournal.open(tmp_path / "orders.journal", in_thread=False) as journal:
                account = Account(exchange, sleeper.entry, seed=seed, journal=journal)
                if is_first:
                    async with account.trading():
                        exchange.paper.ban(600)
                        await trio.sleep(60)
                    attempts = exchange.paper.record.attempts
                    assert attempts[-1].status == 418
                else:
                    async with account.tree.system():
                        await trio.sleep(500)
                        assert exchange.paper.record.attempts == attempts
                        await trio.sleep(60)
                        assert isinstance(account.tree.link.topics.states.last, SessionReady)


class Sleeper(Character):
    async def run(self) -> None:
        await trio.sleep_forever()
