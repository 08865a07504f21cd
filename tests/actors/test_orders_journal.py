"""What is sent is in the journal before, what is not in the journal is not sent, and the rest is recorded behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.order_messages import CancelOrder, CancelStrategyOrders
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.outbox import BATCH_MAX, FLUSH_WITHIN_S
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Life, Request
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import JournalError
from tests.actors.fake_journal import FakeJournal
from tests.actors.fake_session import refusal, result
from tests.actors.order_bench import (
    SYMBOL,
    Asked,
    Bench,
    acknowledgement,
    bench,
    intent,
    listed,
    placed,
    trade_report,
)

pytestmark = pytest.mark.usefixtures("virtual_clock")

FULL = JournalError("orders.journal: the disk is full", hint="free some space")


@asynccontextmanager
async def journaled(journal: FakeJournal) -> AsyncIterator[Bench]:
    async with bench(table=OrderTable(run="run", journal=journal)) as b:
        yield b


async def test_nothing_is_sent_before_it_is_recorded() -> None:
    journal = FakeJournal(is_slow=True)
    async with journaled(journal) as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent())
        await trio.sleep(1)
        assert b.session.calls == []
        assert journal.rows == []
        journal.work()
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_PLACE]
        (recorded,) = journal.orders()
        assert recorded.life is Life.SENT
        assert recorded.client_order_id == b.session.calls[0][0].params["newClientOrderId"]
        b.session.answer(result(acknowledgement(b.session.calls[0][0])))
        await wait_all_tasks_blocked()
        assert asked.value.is_open


async def test_a_journal_that_commits_at_once_delays_nothing() -> None:
    journal = FakeJournal()
    async with journaled(journal) as b, trio.open_nursery() as nursery:
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_PLACE]
        assert [order.life for order in journal.orders()] == [Life.SENT]
        assert journal.commits == 1
        nursery.cancel_scope.cancel()


async def test_orders_that_wait_together_are_recorded_together_and_sent_in_their_order() -> None:
    journal = FakeJournal()
    async with journaled(journal) as b, trio.open_nursery() as nursery:
        commits = journal.commits
        for _ in range(BATCH_MAX + 10):
            b.orders.tell(intent())
        await wait_all_tasks_blocked()
        names = [call.params["newClientOrderId"] for call, _ in b.session.calls]
        assert names == [order.client_order_id for order in journal.orders()]
        assert len(names) == BATCH_MAX + 10
        assert journal.commits - commits == 3  # the first by itself, and as many as may go together, and the rest
        nursery.cancel_scope.cancel()


async def test_without_a_journal_that_can_be_written_nothing_new_is_sent_and_cancels_are() -> None:
    journal = FakeJournal()
    async with journaled(journal) as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        journal.broken = FULL
        asked = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, NotSent)
        assert "the disk is full" in asked.error.message
        assert asked.error.hint == "free some space"
        assert b.latest().life is Life.NEVER_PLACED
        tries = journal.commits
        for _ in range(3):
            with pytest.raises(NotSent, match="the disk is full"):
                await b.orders.ask(intent(), within_s=1)
        assert journal.commits == tries, "what is refused for certain is not tried"
        assert b.session.calls == []
        Asked(nursery, b.orders, CancelOrder(client_order_id=order.client_order_id, deadline_s=100))
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_CANCEL]
        nursery.cancel_scope.cancel()


async def test_the_journal_is_tried_again_every_second_and_one_alarm_is_enough() -> None:
    journal = FakeJournal()
    async with journaled(journal) as b, trio.open_nursery() as nursery:
        journal.broken = FULL
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        before = journal.commits
        await trio.sleep(10)
        assert 9 <= journal.commits - before <= 11
        assert b.statistics()["alarms"] == 1
        journal.broken = None
        await trio.sleep(1.1)
        assert [order.life for order in journal.orders()] == [Life.SENT, Life.NEVER_PLACED]
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_PLACE]
        nursery.cancel_scope.cancel()


async def test_a_failure_that_shows_beside_the_commits_is_heeded_and_tried_again() -> None:
    journal = FakeJournal()
    async with journaled(journal) as b, trio.open_nursery() as nursery:
        journal.failure = FULL  # a thread of the journal has found out
        with pytest.raises(NotSent, match="the disk is full"):
            await b.orders.ask(intent(), within_s=1)
        await trio.sleep(1.1)
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_PLACE]
        nursery.cancel_scope.cancel()


async def test_an_order_that_is_canceled_before_it_was_sent_is_never_sent() -> None:
    journal = FakeJournal(is_slow=True)
    async with journaled(journal) as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        name = b.latest().client_order_id
        ended = await b.orders.ask(CancelOrder(client_order_id=name, deadline_s=100), within_s=1)
        assert ended.life is Life.NEVER_PLACED
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, NotSent)
        journal.work()
        await trio.sleep(1)
        journal.work()
        assert b.session.calls == []
        assert [order.life for order in journal.orders()] == [Life.SENT, Life.NEVER_PLACED]


async def test_all_orders_of_a_strategy_end_with_those_that_were_not_sent_yet() -> None:
    journal = FakeJournal(is_slow=True)
    async with journaled(journal) as b, trio.open_nursery() as nursery:
        asked = [Asked(nursery, b.orders, intent()) for _ in range(3)]
        await wait_all_tasks_blocked()
        assert await b.orders.ask(CancelStrategyOrders(strategy="test"), within_s=1) == 3
        await wait_all_tasks_blocked()
        assert all(isinstance(one.error, NotSent) for one in asked)
        journal.work()
        await wait_all_tasks_blocked()
        assert b.session.calls == []


async def test_orders_that_wait_when_the_session_is_lost_are_told_at_once_and_not_sent_in_the_next() -> None:
    journal = FakeJournal(is_slow=True)
    async with journaled(journal) as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.lost()
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, NotSent)
        assert b.latest().life is Life.NEVER_PLACED
        b.session.ready()
        await wait_all_tasks_blocked()
        journal.work()
        await wait_all_tasks_blocked()
        assert b.session.calls == []


async def test_an_order_that_waits_for_the_disk_beyond_its_deadline_is_not_sent() -> None:
    journal = FakeJournal(is_slow=True)
    async with journaled(journal) as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent(deadline_s=trio.current_time() + 2))
        patient = Asked(nursery, b.orders, intent(deadline_s=trio.current_time() + 20))
        await trio.sleep(2 + 2 * FLUSH_WITHIN_S)
        assert isinstance(asked.error, NotSent)
        assert "too old" in asked.error.message
        assert not patient.is_answered
        journal.work()
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_PLACE]
        nursery.cancel_scope.cancel()


async def test_a_disk_that_answers_in_the_last_moment_leaves_the_rest_of_the_time_for_the_exchange() -> None:
    journal = FakeJournal(is_slow=True)
    async with journaled(journal) as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent(deadline_s=trio.current_time() + 2))
        await trio.sleep(1.5)
        journal.work()
        await trio.sleep(0.4)
        assert not asked.is_answered
        await trio.sleep(0.2)
        assert asked.value.is_unknown


async def test_at_a_stop_what_waits_is_told_that_it_was_not_sent_and_recorded_so() -> None:
    journal = FakeJournal(is_slow=True)
    async with trio.open_nursery() as nursery:
        async with journaled(journal) as b:
            asked = Asked(nursery, b.orders, intent())
            await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, NotSent)
        journal.work()
        journal.is_slow = False
        journal.commit()
        assert [order.life for order in journal.orders()] == [Life.SENT, Life.NEVER_PLACED]
        assert b.session.calls == []


async def test_a_disk_that_answers_after_the_trackers_crash_sends_nothing() -> None:
    journal = FakeJournal(is_slow=True)
    async with journaled(journal) as b, trio.open_nursery() as nursery:
        asked = Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.crash_the_tracker()
        await wait_all_tasks_blocked()
        assert isinstance(asked.error, NotSent)
        await trio.sleep(2)
        journal.work()
        await wait_all_tasks_blocked()
        assert b.session.calls == []
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        journal.work()
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_PLACE]
        nursery.cancel_scope.cancel()


async def test_what_comes_of_an_order_is_recorded_a_moment_later_in_its_order() -> None:
    journal = FakeJournal()
    async with journaled(journal) as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.session.event(trade_report(order.client_order_id))
        await wait_all_tasks_blocked()
        assert [row.life for row in journal.orders()] == [Life.SENT]
        await trio.sleep(2 * FLUSH_WITHIN_S)
        assert [row.life for row in journal.orders()] == [Life.SENT, Life.OPEN, Life.FILLED]
        assert [row.trade_id for row in journal.rows if isinstance(row, Fill)] == [5]
        assert journal.pending == []


async def test_a_journal_is_kept_small_while_it_is_used() -> None:
    journal = FakeJournal()
    async with journaled(journal):
        await trio.sleep(95)
        assert journal.compacted == 3


async def test_a_client_order_id_is_not_sent_again_although_the_first_order_has_filled() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.session.event(trade_report(order.client_order_id))
        await wait_all_tasks_blocked()
        assert b.latest().is_filled
        b.table._series.clear()  # it gives out the same ids again
        with pytest.raises(NotSent, match="given to another order before"):
            await b.orders.ask(intent(), within_s=1)
        assert b.session.calls == []
        assert b.known(order.client_order_id).is_filled
        assert b.statistics()["alarms"] == 1


@asynccontextmanager
async def process(path: Path, run: str, clock: Clock | None = None) -> AsyncIterator[Bench]:
    """A process with a journal that is opened at its beginning and not closed in order at its end."""
    journal = OrderJournal.open(path, in_thread=False)
    table = OrderTable(run=run, journal=journal)
    table.restore(journal.load())
    try:
        async with bench(table=table, clock=clock) as b:
            yield b
    finally:
        journal.close()


async def test_a_new_process_goes_on_from_the_record_and_doubts_what_was_on_its_way(tmp_path: Path) -> None:
    path = tmp_path / "orders.journal"
    async with trio.open_nursery() as nursery:
        async with process(path, "one") as b:
            open_one = await placed(b, nursery)
            b.session.event(trade_report(open_one.client_order_id, last="0.0004", total="0.0004"))
            silent = Asked(nursery, b.orders, intent())
            await wait_all_tasks_blocked()
            sent_name = str(b.session.calls[0][0].params["newClientOrderId"])
            Asked(nursery, b.orders, CancelOrder(client_order_id=open_one.client_order_id, deadline_s=100))
            await trio.sleep(1)
            assert not silent.is_answered
        async with process(path, "two") as b:
            assert b.table.position("test", SYMBOL) == b.known(open_one.client_order_id).filled_quantity
            assert b.known(open_one.client_order_id).request is Request.IN_DOUBT
            assert b.known(sent_name).is_unknown
            assert b.table.placed == 0
            b.session.event(trade_report(open_one.client_order_id, last="0.0004", total="0.0004"))
            found = listed(sent_name, status="FILLED", filled="0.001", order_id=8)
            b.recovery.find(orders=[found])
            await wait_all_tasks_blocked()
            assert b.known(sent_name).is_filled
            assert b.fills == [], "a fill of the process before counts once"
            b.orders.tell(intent())
            await wait_all_tasks_blocked()
            names = [call.params.get("newClientOrderId") for call, _ in b.session.calls]
            assert "dw-test-two-1-1" in names
        nursery.cancel_scope.cancel()


async def test_a_process_with_the_mark_of_an_earlier_one_repeats_none_of_its_ids(tmp_path: Path) -> None:
    path = tmp_path / "orders.journal"
    async with trio.open_nursery() as nursery:
        async with process(path, "same") as b:
            first = await placed(b, nursery)
            await trio.sleep(1)
        async with process(path, "same") as b:
            b.orders.tell(intent())
            await wait_all_tasks_blocked()
            call = next(call for call, _ in b.session.calls if call.method is Method.ORDER_PLACE)
            assert call.params["newClientOrderId"] != first.client_order_id
        nursery.cancel_scope.cancel()


async def test_silence_about_an_order_of_the_process_before_is_proof_only_after_a_whole_comparison(
    tmp_path: Path,
) -> None:
    path, clock = tmp_path / "orders.journal", Clock.virtual()
    async with trio.open_nursery() as nursery:
        async with process(path, "one", clock) as b:
            Asked(nursery, b.orders, intent())
            await wait_all_tasks_blocked()
            b.session.answer(OutcomeUnknown("no answer"))
            await trio.sleep(1)
            name = b.latest().client_order_id
        async with process(path, "two", clock) as b:

            def missing(_call: Any) -> Any:
                return refusal(-2013, "Order does not exist.")

            b.session.automatic = missing
            await trio.sleep(79)
            assert b.known(name).is_unknown
            await trio.sleep(60)
            assert b.known(name).life is Life.SENT, "nobody listened all the time"
            assert b.recovery.wishes
            b.recovery.end(None)
            await wait_all_tasks_blocked()
            assert b.known(name).life is Life.NEVER_PLACED
        nursery.cancel_scope.cancel()
