"""Gaps: nobody acts on a record that may miss something, what was missed is told first and once, and marks rise."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio
import trio.lowlevel
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors import bookkeeper
from dogwatch.actors.bookkeeper import EXTERNAL_KEPT, ROTATE_EVERY_S
from dogwatch.actors.catching_up import ENTERED_AT_ONCE
from dogwatch.actors.order_messages import AwaitReady, CancelOrder, OrdersFound, TradesFound
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.spot.enums import ExecutionType, OrderStatus, Side
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.mark import Mark
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Life, Order
from dogwatch.runtime.overflow import Overflow
from tests.actors.fake_journal import FakeJournal
from tests.actors.fake_session import refusal, result
from tests.actors.order_bench import (
    RULES,
    SYMBOL,
    Asked,
    Bench,
    acknowledgement,
    bench,
    fail,
    intent,
    listed,
    placed,
    report,
    trade,
    trade_report,
)

pytestmark = pytest.mark.usefixtures("virtual_clock")

FOREIGN = "made-by-hand"


async def open_order(b: Bench, nursery: trio.Nursery) -> str:
    """The name of an open order, with a gap that stays open until the test closes it."""
    order = await placed(b, nursery)
    b.recovery.is_prompt = False
    b.session.lost()
    b.session.ready()
    await wait_all_tasks_blocked()
    return order.client_order_id


async def test_nothing_is_placed_before_the_record_is_caught_up() -> None:
    async with bench(recovers_promptly=False) as b, trio.open_nursery() as nursery:
        ready = Asked(nursery, b.orders, AwaitReady())
        with pytest.raises(NotSent, match="not caught up"):
            await b.orders.ask(intent(), within_s=1)
        assert b.session.calls == []
        (gap,) = b.recovery.gaps
        b.recovery.end(gap.number)
        await b.orders.ask(AwaitReady(), within_s=1)
        assert ready.error is None
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_PLACE]
        nursery.cancel_scope.cancel()


async def test_while_a_gap_is_open_cancels_are_sent_and_answers_are_heard() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        name = await open_order(b, nursery)
        asked = Asked(nursery, b.orders, CancelOrder(client_order_id=name, deadline_s=100))
        await wait_all_tasks_blocked()
        call = b.session.calls[0][0]
        assert call.method is Method.ORDER_CANCEL
        assert call.params["newClientOrderId"] == name.replace("dw-", "dx-", 1)
        canceled = acknowledgement(call, "CANCELED", clientOrderId=call.params["newClientOrderId"])
        b.session.answer(result(canceled | {"origClientOrderId": name}))
        await wait_all_tasks_blocked()
        assert asked.value.life is Life.CANCELED


async def test_what_was_missed_is_told_before_what_came_since_once_and_marked() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery, quantity=Decimal("0.003"))
        name = order.client_order_id
        b.recovery.is_prompt = False
        b.session.lost()
        b.session.ready()
        await wait_all_tasks_blocked()
        b.session.event(trade_report(name, trade_id=7, total="0.003", of="0.003"))
        await wait_all_tasks_blocked()
        assert b.fills == []
        row = listed(name, status="PARTIALLY_FILLED", filled="0.002", origQty="0.003")
        trades = [trade(trade_id=6, time_ms=20), trade(trade_id=5, time_ms=10)]
        b.recovery.find(orders=[row], trades=trades)
        b.recovery.end(b.recovery.gaps[0].number)
        await wait_all_tasks_blocked()
        assert [(fill.trade_id, fill.is_recovered) for fill in b.fills] == [(5, True), (6, True), (7, False)]
        assert b.known(name).is_filled
        assert [changed.filled_quantity for changed in b.recovered] == [Decimal("0.002")]
        assert b.table.position("test", SYMBOL) == Decimal("0.003")
        await trio.sleep(60)
        assert b.session.calls == [], "nothing is left to be asked"


async def test_missing_fills_are_not_asked_for_while_they_are_being_listed_but_at_the_end() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        name = await open_order(b, nursery)
        b.recovery.find(orders=[listed(name, status="FILLED", filled="0.001")])
        await trio.sleep(10)
        assert b.session.calls == []
        b.recovery.end(b.recovery.gaps[0].number)
        await trio.sleep(1)
        assert b.session.methods() == [Method.MY_TRADES]


async def test_a_pass_for_an_older_gap_closes_no_newer_one() -> None:
    async with bench(recovers_promptly=False) as b:
        first = b.recovery.gaps[0].number
        b.session.lost()
        await wait_all_tasks_blocked()
        b.recovery.end(first)
        await wait_all_tasks_blocked()
        b.session.ready()
        await wait_all_tasks_blocked()
        b.recovery.end(first)
        b.recovery.end(None)
        with pytest.raises(NotSent, match="not caught up"):
            await b.orders.ask(intent(), within_s=1)
        assert b.caught_up == []
        (second,) = b.recovery.gaps
        assert second.number > first
        b.recovery.end(second.number)
        await b.orders.ask(AwaitReady(), within_s=1)
        assert [event.gap for event in b.caught_up] == [second.number]


async def test_a_pass_that_was_told_to_a_life_that_crashed_closes_nothing_in_the_next() -> None:
    async with bench(recovers_promptly=False) as b:
        gap = b.recovery.gaps[0].number
        b.crash_the_tracker()
        b.recovery.end(gap)  # behind the crash, in the mailbox that outlives it
        await trio.sleep(2)
        assert b.caught_up == []
        with pytest.raises(NotSent, match="not caught up"):
            await b.orders.ask(intent(), within_s=1)
        assert [open_gap.number for open_gap in b.recovery.gaps] == [gap + 1]


async def test_words_about_the_session_that_an_earlier_life_was_told_are_old_news() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        b.crash_the_tracker()
        b.session.lost()
        await trio.lowlevel.checkpoint()
        b.session.ready()
        await trio.sleep(2)
        await b.orders.ask(AwaitReady(), within_s=1)
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_PLACE]
        nursery.cancel_scope.cancel()


async def test_a_new_life_of_the_tracker_opens_a_gap_and_holds_what_comes() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.recovers_promptly = False
        b.crash_the_tracker()
        await trio.sleep(2)
        b.session.event(trade_report(order.client_order_id))
        await wait_all_tasks_blocked()
        assert b.fills == []
        assert b.statistics()["held"] == 1
        b.recovery.end(b.recovery.gaps[0].number)
        await wait_all_tasks_blocked()
        assert [fill.trade_id for fill in b.fills] == [5]
        assert b.session.calls == []


async def test_more_events_than_can_be_held_end_the_life_and_the_next_asks_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bookkeeper, "HELD_MAX", 3)
    async with bench() as b, trio.open_nursery() as nursery:
        name = await open_order(b, nursery)
        gap = b.recovery.gaps[0].number
        b.recovers_promptly = False
        for _ in range(4):
            b.session.event(report(name, OrderStatus.NEW, ExecutionType.NEW))
        await trio.sleep(2)
        assert [open_gap.number for open_gap in b.recovery.gaps] == [gap + 1]
        assert b.statistics()["held"] == 0


async def test_what_was_held_is_told_in_pieces_that_whoever_listens_can_take() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery, quantity=Decimal(1))
        b.recovery.is_prompt = False
        b.session.lost()
        b.session.ready()
        await wait_all_tasks_blocked()
        count = 20 * ENTERED_AT_ONCE
        last: list[Order] = []

        async def listen() -> None:
            with b.topics.changes.stream(capacity=count // 2, overflow=Overflow.STOP) as changes:
                async for change in changes:
                    last[:] = [change.order]

        nursery.start_soon(listen)
        for number in range(1, count + 1):
            total = Decimal(number) / count
            event = trade_report(
                order.client_order_id, trade_id=number, last=str(1 / Decimal(count)), total=str(total), of="1"
            )
            b.session.event(event)
        await wait_all_tasks_blocked()
        b.recovery.end(b.recovery.gaps[0].number)
        await wait_all_tasks_blocked()
        assert last[0].is_filled
        assert [fill.trade_id for fill in b.fills] == list(range(1, count + 1))
        nursery.cancel_scope.cancel()


async def test_an_audit_tells_that_it_has_ended_and_holds_nothing() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.recovery.find(orders=[listed(order.client_order_id)])
        b.session.event(trade_report(order.client_order_id))
        await wait_all_tasks_blocked()
        assert len(b.fills) == 1
        b.recovery.end(None, began_ms=17)
        await wait_all_tasks_blocked()
        assert (b.caught_up[-1].gap, b.caught_up[-1].began_ms) == (None, 17)


# What is listed.


async def test_a_listed_order_is_known_by_its_id_whatever_it_is_called_now() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.recovery.find(orders=[listed("named-by-somebody-else", status="CANCELED")])
        await wait_all_tasks_blocked()
        assert b.known(order.client_order_id).life is Life.CANCELED
        assert b.statistics()["external"] == 0


async def test_a_listed_order_whose_id_nobody_knew_is_known_by_the_name_of_its_cancel() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.answer(OutcomeUnknown("no answer"))
        await wait_all_tasks_blocked()
        name = b.latest().client_order_id
        b.recovery.find(orders=[listed(name.replace("dw-", "dx-", 1), status="CANCELED")])
        await wait_all_tasks_blocked()
        assert b.known(name).life is Life.CANCELED
        assert not b.known(name).is_unknown
        nursery.cancel_scope.cancel()


async def test_of_many_that_are_adopted_one_line_tells_and_names_some(caplog: pytest.LogCaptureFixture) -> None:
    async with bench() as b:
        b.recovery.find(orders=[listed(f"dw-test-old-1-{number}", order_id=number) for number in range(1, 51)])
        await wait_all_tasks_blocked()
        assert b.statistics()["adopted"] == 50
    (told,) = [record.getMessage() for record in caplog.records if "adopted" in record.getMessage()]
    assert "count=50" in told
    assert told.count("<Order dw-test-old-1-") == 3


async def test_an_order_with_an_id_of_ours_that_nobody_knows_is_adopted_and_followed() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        name = "dw-test-old-1-7"
        b.recovery.find(orders=[listed(name, order_id=7)])
        await wait_all_tasks_blocked()
        (adopted,) = b.table.live("test")
        assert (adopted.client_order_id, adopted.order_id) == (name, 7)
        assert [order.client_order_id for order in b.recovered] == [name]
        assert b.statistics()["adopted"] == 1
        b.session.event(trade_report(name, trade_id=9))
        await wait_all_tasks_blocked()
        assert b.table.position("test", SYMBOL) == Decimal("0.001")
        b.recovery.find(orders=[listed(name, order_id=7)])
        await wait_all_tasks_blocked()
        assert b.statistics()["adopted"] == 1
        Asked(nursery, b.orders, CancelOrder(client_order_id=name, deadline_s=100))
        await wait_all_tasks_blocked()
        assert b.session.calls == [], "it has filled"


async def test_an_order_that_is_not_ours_is_told_once_and_left_alone() -> None:
    async with bench() as b:
        told: list[Any] = []
        b.topics.external.tap(told.append, on_error=fail)
        for _ in range(3):
            b.recovery.find(orders=[listed(FOREIGN, order_id=99)])
        await wait_all_tasks_blocked()
        assert [row.client_order_id for row in told] == [FOREIGN]
        assert b.statistics()["external"] == 1
        assert b.changes == []
        assert len(b.table) == 0


async def test_so_many_foreign_orders_are_remembered_and_no_more() -> None:
    async with bench() as b:
        rows = tuple(listed(FOREIGN, order_id=number) for number in range(EXTERNAL_KEPT + 1))
        await b.orders.ask(OrdersFound(reports=rows), within_s=10)
        await b.orders.ask(OrdersFound(reports=rows[1:]), within_s=10)
        assert b.statistics()["external"] == EXTERNAL_KEPT + 1
        await b.orders.ask(OrdersFound(reports=rows[:1]), within_s=10)
        assert b.statistics()["external"] == EXTERNAL_KEPT + 2


async def test_trades_of_orders_that_nobody_knows_are_named_and_those_of_foreign_ones_are_not() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        await placed(b, nursery)
        await b.orders.ask(OrdersFound(reports=(listed(FOREIGN, order_id=8),)), within_s=1)
        rows = (trade(order_id=7), trade(trade_id=6, order_id=8), trade(trade_id=7, order_id=9))
        assert await b.orders.ask(TradesFound(symbol=SYMBOL, trades=rows), within_s=1) == (9,)
        assert [fill.trade_id for fill in b.fills] == [5]
        adopted = listed("dw-test-old-1-7", order_id=9, status="FILLED", filled="0.001")
        await b.orders.ask(OrdersFound(reports=(adopted,)), within_s=1)
        assert await b.orders.ask(TradesFound(symbol=SYMBOL, trades=rows), within_s=1) == ()
        assert [fill.trade_id for fill in b.fills] == [5, 7]


async def test_trades_that_are_counted_already_explain_an_order_that_is_adopted_again() -> None:
    async with bench(table=OrderTable(run="run", closed_kept=1)) as b, trio.open_nursery() as nursery:
        order = await placed(b, nursery)
        b.session.event(trade_report(order.client_order_id))
        await wait_all_tasks_blocked()
        for number in range(2):
            Asked(nursery, b.orders, intent())
            await wait_all_tasks_blocked()
            b.session.answer(refusal(-2010, "no"))
            await wait_all_tasks_blocked()
            assert number < 2
        assert b.table.get(order.client_order_id) is None, "it is forgotten"
        b.recovery.find(orders=[listed(order.client_order_id, status="FILLED", filled="0.001")], trades=[trade()])
        await trio.sleep(60)
        assert b.table.position("test", SYMBOL) == Decimal("0.001")
        assert b.table.unexplained() == ()
        assert b.session.calls == []


@pytest.mark.parametrize("by_event", [0, 1, 2])
async def test_a_trade_with_oneself_counts_once_for_each_side_however_it_is_told(by_event: int) -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        names = []
        for side, order_id in ((Side.BUY, 7), (Side.SELL, 8)):
            Asked(nursery, b.orders, intent(side=side))
            await wait_all_tasks_blocked()
            call = b.session.calls[-1][0]
            b.session.answer(result(acknowledgement(call, side=side, orderId=order_id)), -1)
            await wait_all_tasks_blocked()
            names.append(b.latest().client_order_id)
        events = [
            msgspec.structs.replace(trade_report(name), order_id=order_id, side=side)
            for name, order_id, side in zip(names, (7, 8), (Side.BUY, Side.SELL), strict=True)
        ]
        for event in events[:by_event]:
            b.session.event(event)
        for _ in range(2):
            b.recovery.find(trades=[trade(order_id=7), trade(order_id=8)])
        for event in events:
            b.session.event(event)
        await wait_all_tasks_blocked()
        assert sorted((fill.order_id, fill.trade_id) for fill in b.fills) == [(7, 5), (8, 5)]
        assert b.table.position("test", SYMBOL) == 0
        assert b.table.unexplained() == ()


async def test_fills_on_a_symbol_without_rules_are_one_alarm_and_not_asked_for_again_and_again() -> None:
    async with bench() as b:
        name = "dw-test-old-1-7"
        row = listed(name, order_id=70, status="PARTIALLY_FILLED", filled="0.0005", symbol="ETHUSDT")
        await b.orders.ask(OrdersFound(reports=(row,)), within_s=1)
        event = trade_report(name, trade_id=9, last="0.0005")
        b.session.event(msgspec.structs.replace(event, symbol="ETHUSDT", order_id=70))
        await trio.sleep(60)
        assert b.fills == []
        assert b.statistics()["alarms"] == 1
        assert b.known(name).is_filled
        assert b.session.calls == []
        assert [order.client_order_id for order in b.table.unexplained()] == [name]


async def test_fills_that_come_before_the_rules_were_read_are_no_alarm_for_recovery_lists_them_again() -> None:
    async with bench() as b:
        b.symbols.replace([])
        name = "dw-test-old-1-7"
        row = listed(name, order_id=70, status="PARTIALLY_FILLED", filled="0.0005")
        await b.orders.ask(OrdersFound(reports=(row,)), within_s=1)
        event = msgspec.structs.replace(trade_report(name, trade_id=9, last="0.0005"), order_id=70)
        b.session.event(event)
        await wait_all_tasks_blocked()
        assert b.statistics()["alarms"] == 0
        b.symbols.replace([RULES])
        listed_again = trade(trade_id=9, order_id=70, quantity="0.0005")
        await b.orders.ask(TradesFound(symbol=SYMBOL, trades=(listed_again,)), within_s=1)
        assert [fill.trade_id for fill in b.fills] == [9]


# Watermarks.


async def turned(b: Bench, turns: int) -> Mark | None:
    await trio.sleep(turns * ROTATE_EVERY_S + 1)
    return b.table.marks.settled(SYMBOL)


async def test_the_first_mark_counts_at_once_and_is_recorded_with_every_later_one() -> None:
    journal = FakeJournal()
    async with bench(table=OrderTable(run="run", journal=journal)) as b, trio.open_nursery() as nursery:
        b.recovery.end(None, marks={SYMBOL: Mark(order_id=3, trade_id=4)})
        await wait_all_tasks_blocked()
        assert b.table.marks.settled(SYMBOL) == Mark(order_id=3, trade_id=4)
        order = await placed(b, nursery)
        b.session.event(trade_report(order.client_order_id))
        assert await turned(b, 2) == Mark(order_id=3, trade_id=4)
        assert await turned(b, 1) == Mark(order_id=7, trade_id=5)
        marks = [row for row in journal.rows if isinstance(row, tuple)]
        assert marks == [(SYMBOL, Mark(order_id=3, trade_id=4)), (SYMBOL, Mark(order_id=7, trade_id=5))]


async def test_no_intent_is_on_record_without_the_mark_that_its_recovery_would_begin_with() -> None:
    """A process may be killed over its first orders: its heir would take the newest ids for where the record begins."""
    journal = FakeJournal()
    table = OrderTable(run="run", journal=journal)
    async with bench(table=table, recovers_promptly=False) as b, trio.open_nursery() as nursery:
        b.recovery.end(b.recovery.gaps[0].number, marks={SYMBOL: Mark(order_id=3, trade_id=4)})
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        assert b.session.methods() == [Method.ORDER_PLACE]
        assert (SYMBOL, Mark(order_id=3, trade_id=4)) in journal.rows
        nursery.cancel_scope.cancel()


async def test_what_a_later_pass_has_listed_has_to_lie_still_too() -> None:
    async with bench() as b:
        b.recovery.end(None, marks={SYMBOL: Mark(order_id=3, trade_id=4)})
        b.recovery.end(None, marks={SYMBOL: Mark(order_id=8, trade_id=9)})
        assert await turned(b, 1) == Mark(order_id=3, trade_id=4)
        assert await turned(b, 2) == Mark(order_id=8, trade_id=9)


async def test_a_mark_waits_for_an_order_whose_id_nobody_knows() -> None:
    async with bench() as b, trio.open_nursery() as nursery:
        b.recovery.end(None, marks={SYMBOL: Mark(order_id=3, trade_id=4)})
        Asked(nursery, b.orders, intent())
        await wait_all_tasks_blocked()
        b.session.answer(OutcomeUnknown("no answer"))
        await wait_all_tasks_blocked()
        name = b.latest().client_order_id
        b.session.event(report("another", OrderStatus.NEW, ExecutionType.NEW, order_id=50))
        assert await turned(b, 10) == Mark(order_id=3, trade_id=4)
        b.recovery.find(orders=[listed(name, order_id=20)])
        assert await turned(b, 3) == Mark(order_id=50, trade_id=4)
        nursery.cancel_scope.cancel()


async def test_marks_do_not_rise_while_something_may_be_missing() -> None:
    async with bench() as b:
        b.recovery.end(None, marks={SYMBOL: Mark(order_id=3, trade_id=4)})
        b.session.event(report("another", OrderStatus.NEW, ExecutionType.NEW, order_id=50))
        await wait_all_tasks_blocked()
        b.recovery.is_prompt = False
        b.session.lost()
        b.session.ready()
        assert await turned(b, 10) == Mark(order_id=3, trade_id=4)
        b.recovery.end(b.recovery.gaps[0].number)
        assert await turned(b, 3) == Mark(order_id=50, trade_id=4)
