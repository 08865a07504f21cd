"""The journal cannot be written: the disk is full, or slow. Nothing is sent that is not recorded, and cancels go on.

What happens meanwhile is followed all the same, and recorded when there is room again.
"""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import pytest
import trio

from dogwatch import NotSent, Order
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.spot.order import Life
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.runtime.errors import JournalError
from tests.runtime.test_journal_failures import full_disk
from tests.stories.hand import DEEP, DEEPER, TOUCHED, Deed, Play
from tests.stories.host import Host, a_host
from tests.stories.scene import SIZE, SYMBOL

KEEP = OrdersOnCrash.KEEP
ORDERS_MAX = 200
"""So many orders do not fit on the disk when it is full."""
RETRIED_WITHIN_S = 2.0
LONGER_THAN_RECV_WINDOW_S = 7.0
A_MOMENT_S = 0.001

pytestmark = pytest.mark.usefixtures("virtual_clock")


class SlowDisk:
    """A journal: what is committed is durable `delay_s` later, as on a disk that is very busy."""

    def __init__(self, journal: OrderJournal) -> None:
        self._whole = journal
        self.delay_s = 0.0

    @classmethod
    def open(cls, path: Path, **options: Any) -> Self:
        return cls(OrderJournal.open(path, **options))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._whole.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def commit(self, then: Callable[[JournalError | None], None] | None = None) -> None:
        if self.delay_s and then is not None:
            trio.lowlevel.spawn_system_task(self._commit_later, then, self.delay_s)
        else:
            self._whole.commit(then)

    async def _commit_later(self, then: Callable[[JournalError | None], None], delay_s: float) -> None:
        await trio.sleep(delay_s)
        self._whole.commit(then)


def disk_of(host: Host) -> Any:
    """What `full_disk` fills up."""
    assert host.journal is not None
    return host.journal._journal


async def place_until_refused(p: Play) -> tuple[list[Order], NotSent]:
    placed: list[Order] = []
    for _ in range(ORDERS_MAX):
        try:
            placed.append(await p.hand.rest(price=DEEPER))
        except NotSent as refusal:
            return placed, refusal
    raise AssertionError("the disk is not full")


async def test_new_orders_are_refused_in_words_and_never_sent(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path) as host:
        p = await host.start()
        with full_disk(disk_of(host)):
            placed, refusal = await place_until_refused(p)
            assert "journal cannot be written" in str(refusal)
            assert "the disk is full" in str(refusal)
            assert refusal.hint
            seen = dict(p.exchange.paper.intents)
            assert len(seen) == len(placed)
            began_s = trio.current_time()
            for _ in range(10):
                with pytest.raises(NotSent, match="journal cannot be written"):
                    await p.hand.rest()
            assert trio.current_time() == began_s
            await trio.sleep(60)
        await trio.sleep(60)
        assert p.exchange.paper.intents == seen
        await p.settle()


async def test_cancels_go_on_amends_and_replacements_do_not(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path) as host:
        p = await host.start()
        order, other = await p.hand.rest(), await p.hand.rest()
        with full_disk(disk_of(host)):
            await place_until_refused(p)
            for deed in (Deed.AMEND, Deed.REPLACE):
                with pytest.raises(NotSent, match="journal cannot be written"):
                    await deed.do(p.hand, order)
            assert (p.latest(order).is_open, p.latest(order).quantity) == (True, 3 * SIZE)
            assert (await p.hand.cancel(order)).life is Life.CANCELED
            assert (await p.hand.query(other)).is_open
            assert await p.hand.cancel_all() == ()
        await p.settle()
        assert [row for row in p.exchange.orders() if row["status"] == "NEW"] == []


async def test_what_happens_meanwhile_is_told_and_recorded_when_there_is_room(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path) as host:
        p = await host.start(orders_on_crash=KEEP)
        order, canceled = await p.hand.rest(2 * SIZE, DEEP), await p.hand.rest(price=DEEPER)
        with full_disk(disk_of(host)):
            await place_until_refused(p)
            p.exchange.trade(SYMBOL, TOUCHED, SIZE)
            await trio.sleep(A_MOMENT_S)
            assert [fill.order_id for fill in p.hand.fills] == [order.order_id]
            assert p.hand.position(SYMBOL) == p.exchange.position("BTC") > 0
            await p.hand.cancel(canceled)
        await trio.sleep(RETRIED_WITHIN_S)
        assert (await p.hand.rest()).is_open
        known = p.hand.orders
        await trio.sleep(1)
        host.kill()
        host.exchange.network.reachable = False
        with OrderJournal.read_only(host.left_behind) as record:
            assert {entry.client_order_id for entry in record.orders()} == {entry.client_order_id for entry in known}
            assert record.history(canceled.client_order_id)[-1].order.life is Life.CANCELED
            assert record.load().ledgers["hand"].position(SYMBOL).quantity == host.exchange.position("BTC")
        host.exchange.network.reachable = True
        heir = await host.start(orders_on_crash=KEEP)
        assert heir.judge.fills == []
        await heir.settle()


async def test_killed_while_the_disk_is_full_the_next_process_asks_the_exchange(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path) as host:
        p = await host.start(orders_on_crash=KEEP)
        order, canceled = await p.hand.rest(2 * SIZE, DEEP), await p.hand.rest(price=DEEPER)
        await trio.sleep(1)
        with full_disk(disk_of(host)):
            await place_until_refused(p)
            p.exchange.trade(SYMBOL, TOUCHED, SIZE)
            await p.hand.cancel(canceled)
            await trio.sleep(1)
            host.kill()
        heir = await host.start(orders_on_crash=KEEP)
        assert heir.hand.position(SYMBOL) == host.exchange.position("BTC") > 0
        assert [fill.order_id for fill in heir.judge.fills] == [order.order_id]
        assert heir.latest(canceled).life is Life.CANCELED
        await heir.settle()


async def test_it_alarms_once_and_says_when_it_is_over(
    tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_host(seed, tmp_path) as host:
        p = await host.start()
        with caplog.at_level("INFO"):
            with full_disk(disk_of(host)):
                await place_until_refused(p)
                await trio.sleep(120)
            await trio.sleep(RETRIED_WITHIN_S)
        said = [record.getMessage() for record in caplog.records]
        assert len([text for text in said if "alarm" in text and "journal cannot be written" in text]) == 1
        assert len([text for text in said if "journal can be written again" in text]) == 1


async def test_a_new_life_of_the_tracker_does_not_forget_that_it_is_full(tmp_path: Path, seed: int) -> None:
    from tests.actors.test_tree import crash_the_tracker

    async with a_host(seed, tmp_path) as host:
        p = await host.start(orders_on_crash=KEEP)
        await p.hand.rest()
        with full_disk(disk_of(host)):
            placed, _ = await place_until_refused(p)
            crash_the_tracker(p.account.tree)
            await trio.sleep(5)
            with pytest.raises(NotSent, match="journal cannot be written"):
                await p.hand.rest()
            assert len(p.exchange.paper.intents) == 1 + len(placed)
        await trio.sleep(RETRIED_WITHIN_S)
        assert (await p.hand.rest()).is_open
        await p.settle()


async def test_forty_orders_at_once_while_it_fills_up(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path) as host:
        p = await host.start()
        outcomes: list[Order | NotSent] = []

        async def place() -> None:
            try:
                outcomes.append(await p.hand.rest(price=DEEPER))
            except NotSent as refusal:
                outcomes.append(refusal)

        with full_disk(disk_of(host)):
            async with trio.open_nursery() as nursery:
                for _ in range(40):
                    nursery.start_soon(place)
        placed = [outcome for outcome in outcomes if isinstance(outcome, Order)]
        assert len(outcomes) == 40
        assert {order.client_order_id for order in placed} == set(p.exchange.paper.intents)
        assert len(placed) < 40
        await trio.sleep(RETRIED_WITHIN_S)
        await p.settle()


async def test_an_order_that_waits_for_a_slow_disk_is_stamped_when_it_is_sent(tmp_path: Path, seed: int) -> None:
    """Failure 12 once more: it waits for longer than recvWindow, and is accepted."""
    async with a_host(seed, tmp_path, kind=SlowDisk) as host:
        p = await host.start()
        slow_down(host, LONGER_THAN_RECV_WINDOW_S)
        began_s = trio.current_time()
        order = await p.hand.rest(within_s=20)
        assert order.is_open
        assert trio.current_time() == pytest.approx(began_s + LONGER_THAN_RECV_WINDOW_S, abs=0.1)
        slow_down(host, 0)
        await p.settle()


async def test_one_that_waits_for_too_long_is_not_sent_then_and_not_later(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path, kind=SlowDisk) as host:
        p = await host.start()
        slow_down(host, LONGER_THAN_RECV_WINDOW_S)
        began_s = trio.current_time()
        with pytest.raises(NotSent):
            await p.hand.rest(within_s=3)
        assert trio.current_time() <= began_s + 3.1
        slow_down(host, 0)
        await trio.sleep(60)
        assert p.exchange.paper.intents == {}
        assert {order.life for order in p.judge.told.values()} == {Life.NEVER_PLACED}
        await p.settle()


async def test_one_that_is_canceled_while_it_waits_is_never_sent(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path, kind=SlowDisk) as host, trio.open_nursery() as nursery:
        p = await host.start()
        slow_down(host, 2)
        refusals: list[NotSent] = []

        async def place() -> None:
            with pytest.raises(NotSent) as refusal:
                await p.hand.rest()
            refusals.append(refusal.value)

        nursery.start_soon(place)
        await trio.sleep(1)
        (order,) = p.hand.orders
        assert (await p.hand.cancel(order)).life is Life.NEVER_PLACED
        await trio.sleep(A_MOMENT_S)
        assert len(refusals) == 1
        slow_down(host, 0)
        await trio.sleep(10)
        assert p.exchange.paper.intents == {}
        await p.settle()


async def test_when_the_line_breaks_while_it_waits_it_is_not_sent_and_told_so_at_once(
    tmp_path: Path, seed: int
) -> None:
    async with a_host(seed, tmp_path, kind=SlowDisk) as host, trio.open_nursery() as nursery:
        p = await host.start()
        slow_down(host, 5)
        told_s: list[float] = []

        async def place() -> None:
            with pytest.raises(NotSent):
                await p.hand.rest()
            told_s.append(trio.current_time())

        nursery.start_soon(place)
        await trio.sleep(1)
        cut_s = trio.current_time()
        p.exchange.cut()
        await trio.sleep(A_MOMENT_S)
        assert told_s == [cut_s]
        slow_down(host, 0)
        await trio.sleep(60)
        assert p.exchange.paper.intents == {}
        await p.settle()


async def test_killed_while_it_waits_it_was_never_sent(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path, kind=SlowDisk) as host, trio.open_nursery() as nursery:
        p = await host.start(orders_on_crash=KEEP)
        slow_down(host, 5)

        async def place() -> None:
            with pytest.raises(NotSent):
                await p.hand.rest()

        nursery.start_soon(place)
        await trio.sleep(1)
        host.kill()
        heir = await host.start(orders_on_crash=KEEP)
        await heir.settle()
        assert heir.hand.orders == ()
        assert host.exchange.paper.intents == {}
        assert heir.hand.position(SYMBOL) == Decimal(0)


def slow_down(host: Host, delay_s: float) -> None:
    journal = host.journal
    assert isinstance(journal, SlowDisk)
    journal.delay_s = delay_s
