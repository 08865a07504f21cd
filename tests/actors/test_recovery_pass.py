"""What a pass of the recovery asks and tells: the lists, what is in none of them, and answers that do not come."""

from decimal import Decimal
from typing import Any

import pytest
import trio

from dogwatch.actors.order_messages import CaughtUp, OrdersFound, RecoverNow, TradesFound
from dogwatch.actors.recovery_pass import PIECE_ROWS
from dogwatch.actors.session import Call
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.mark import Mark
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Certainty, Life
from dogwatch.actors.spot.request_costs import Priority
from tests.actors.fake_history import START_MS, SYMBOL, FakeHistory, nonsense, order_row, trade_row
from tests.actors.fake_session import refusal
from tests.actors.recovery_stage import MARK, once, stage

pytestmark = pytest.mark.usefixtures("virtual_clock")


# The lists.


async def test_it_reads_from_the_mark_on_and_tells_orders_before_their_trades() -> None:
    history = FakeHistory(
        orders=[order_row(100), order_row(101), order_row(102, status="NEW")],
        trades=[trade_row(1_000, 100), trade_row(1_001, 101)],
    )
    async with stage(history) as (s, _):
        s.gap()
        await trio.sleep(1)
        assert s.orders_told() == [102, 101, 102]  # open orders first
        assert s.trades_told() == [1_001]
        assert [type(found) for found in s.told] == [OrdersFound, OrdersFound, TradesFound]
        (ended,) = s.ended
        assert (ended.gap, ended.orders, ended.trades) == (1, 2, 1)
        assert ended.marks == {SYMBOL: Mark(order_id=102, trade_id=1_001)}
        assert ended.began_ms == START_MS
        assert s.asked(Method.ALL_ORDERS)[0] == {"symbol": SYMBOL, "orderId": 101, "limit": 1000}
        assert s.asked(Method.MY_TRADES)[0] == {"symbol": SYMBOL, "fromId": 1_001, "limit": 1000}


async def test_where_nothing_happened_three_questions_are_enough() -> None:
    async with stage(FakeHistory(orders=[order_row(100)], trades=[trade_row(1_000, 100)])) as (s, _):
        s.gap()
        await trio.sleep(1)
        assert [call.method for _, call in s.history.asked] == [
            Method.OPEN_ORDERS_STATUS,
            Method.ALL_ORDERS,
            Method.MY_TRADES,
        ]
        assert s.ended[0].marks == {SYMBOL: MARK}
        assert s.told == []


async def test_on_a_symbol_that_was_never_recorded_the_record_begins_at_the_newest_ids() -> None:
    history = FakeHistory(orders=[order_row(7), order_row(9)], trades=[trade_row(70, 7), trade_row(90, 9)])
    async with stage(history, mark=None) as (s, _):
        s.gap()
        await trio.sleep(1)
        assert s.ended[0].marks == {SYMBOL: Mark(order_id=9, trade_id=90)}
        assert s.told == []
        assert all(params["limit"] == 1 for params in s.asked(Method.ALL_ORDERS))


async def test_on_a_symbol_that_nobody_ever_traded_the_record_begins_at_the_beginning() -> None:
    async with stage(FakeHistory(), mark=None) as (s, _):
        s.gap()
        await trio.sleep(1)
        assert s.ended[0].marks == {SYMBOL: Mark()}


async def test_a_long_record_is_read_in_pages_and_told_in_pieces() -> None:
    history = FakeHistory(
        orders=[order_row(101 + number) for number in range(2_500)],
        trades=[trade_row(1_001 + number, 101 + number) for number in range(2_500)],
    )
    async with stage(history) as (s, _):
        s.gap()
        await trio.sleep(60)
        assert s.orders_told() == [101 + number for number in range(2_500)]
        assert s.trades_told() == [1_001 + number for number in range(2_500)]
        sizes = [len(found.reports if isinstance(found, OrdersFound) else found.trades) for found in s.told]
        assert max(sizes) == PIECE_ROWS
        assert (s.ended[0].orders, s.ended[0].trades) == (2_500, 2_500)


async def test_an_exchange_that_gives_fewer_rows_than_asked_for_is_asked_until_it_gives_none() -> None:
    history = FakeHistory(
        orders=[order_row(101 + number) for number in range(250)],
        trades=[trade_row(1_001 + number, 101) for number in range(250)],
    )
    history.rows_max = 100
    async with stage(history) as (s, _):
        s.gap()
        await trio.sleep(60)
        assert s.orders_told() == [101 + number for number in range(250)]
        assert s.trades_told() == [1_001 + number for number in range(250)]


async def test_both_sides_of_a_trade_with_oneself_are_told_although_a_page_ends_between_them() -> None:
    trades = [*(trade_row(1_001 + number, 101) for number in range(999)), trade_row(3_000, 101), trade_row(3_000, 102)]
    history = FakeHistory(orders=[order_row(101), order_row(102)], trades=trades)
    async with stage(history) as (s, _):
        s.gap()
        await trio.sleep(10)
        told = [trade for found in s.told if isinstance(found, TradesFound) for trade in found.trades]
        assert [(trade.trade_id, trade.order_id) for trade in told][-2:] == [(3_000, 101), (3_000, 102)]
        assert len(told) == 1_001


async def test_an_account_that_never_rests_is_read_up_to_the_beginning_of_the_pass() -> None:
    history = FakeHistory()
    newest = [100]

    def busy(call: Call) -> None:
        if call.method is Method.ALL_ORDERS:
            newest[0] += 1  # each question takes a twentieth of a second
            history.orders.append(order_row(newest[0], time=START_MS + 50 * history.count(Method.ALL_ORDERS)))

    history.disturb = busy
    async with stage(history) as (s, _):
        s.gap()
        await trio.sleep(120)
        assert len(s.ended) == 1
        assert history.count(Method.ALL_ORDERS) < 100


async def test_symbols_with_a_mark_or_a_live_order_are_read_although_none_is_configured() -> None:
    async with stage(FakeHistory()) as (s, _):
        s.table.marks.raise_to("ETHUSDT", Mark(order_id=5, trade_id=5))
        s.put(7, symbol="LTCUSDT")
        s.gap()
        await trio.sleep(10)
        assert {params["symbol"] for params in s.asked(Method.ALL_ORDERS)} == {SYMBOL, "ETHUSDT", "LTCUSDT"}


async def test_after_a_later_gap_only_symbols_are_read_on_which_something_can_have_been_missed() -> None:
    async with stage(FakeHistory()) as (s, _):
        for number in range(100):
            s.table.marks.raise_to(f"COIN{number}USDT", MARK)
        s.put(7, symbol="COIN7USDT")
        s.gap(1)
        await trio.sleep(100)
        assert len(s.ended[0].marks) == 101
        s.topics.caught_up.publish(CaughtUp(gap=1, began_ms=START_MS, orders=0, trades=0, took_s=60))
        s.session.lost()
        s.gap(2)
        await trio.sleep(1)
        assert list(s.ended[1].marks) == ["COIN7USDT"], "a hundred symbols would keep everybody waiting for a minute"
        s.recovery.tell(RecoverNow(reason="an audit reads all"))
        await trio.sleep(100)
        assert len(s.ended[2].marks) == 101


async def test_a_symbol_that_is_listed_no_more_keeps_nobody_waiting() -> None:
    history = FakeHistory(orders=[order_row(101)])
    history.unlisted = {"OLDUSDT"}
    async with stage(history) as (s, _):
        live = s.put(7, symbol="OLDUSDT")
        s.gap()
        await trio.sleep(10)
        assert s.orders_told() == [101]
        assert set(s.ended[0].marks) == {SYMBOL}
        assert s.doubted == [live.client_order_id]


async def test_nor_does_it_however_many_orders_are_live_there() -> None:
    history = FakeHistory(orders=[order_row(101)])
    history.unlisted = {"OLDUSDT"}
    async with stage(history) as (s, _):
        live = {s.put(number, symbol="OLDUSDT").client_order_id for number in range(20)}
        s.gap()
        await trio.sleep(10)
        assert len(s.ended) == 1
        assert set(s.doubted) == live


# Live orders that no list shows.


async def test_a_live_order_that_ended_meanwhile_is_asked_for_by_its_id() -> None:
    history = FakeHistory(orders=[order_row(50, status="CANCELED"), order_row(60, status="NEW")])
    async with stage(history) as (s, _):
        s.put(50)
        s.put(60)
        s.gap()
        await trio.sleep(1)
        assert s.asked(Method.ORDER_STATUS) == [{"symbol": SYMBOL, "orderId": 50}]
        assert s.orders_told() == [60, 50]
        assert s.doubted == []


async def test_many_of_them_are_found_by_pages() -> None:
    history = FakeHistory(orders=[order_row(number) for number in range(1, 101)])
    async with stage(history) as (s, _):
        for number in range(20, 80):
            s.put(number)
        s.gap()
        await trio.sleep(1)
        assert s.asked(Method.ORDER_STATUS) == []
        assert set(range(20, 80)) <= set(s.orders_told())


async def test_of_the_orders_on_such_a_page_only_those_are_told_that_were_asked_for() -> None:
    """Between them lie orders that ended long before the record began: one with an id of ours would be adopted."""
    history = FakeHistory(orders=[order_row(number) for number in range(20)])
    async with stage(history) as (s, _):
        for number in range(0, 20, 2):
            s.put(number)
        s.gap()
        await trio.sleep(1)
        assert s.orders_told() == list(range(0, 20, 2))


async def test_many_that_lie_far_apart_are_not_paged_for_ever() -> None:
    history = FakeHistory(orders=[order_row(number) for number in range(1, 40)])
    history.rows_max = 2
    async with stage(history) as (s, _):
        for number in range(1, 40, 3):
            s.put(number)
        s.gap()
        await trio.sleep(10)
        assert set(range(1, 40, 3)) <= set(s.orders_told())
        assert len(s.asked(Method.ALL_ORDERS)) <= 2


async def test_an_order_that_is_neither_listed_nor_found_is_given_to_the_reconciler() -> None:
    async with stage(FakeHistory(orders=[order_row(number) for number in range(1, 9)])) as (s, _):
        missing = s.put(50)
        for number in range(1, 9):
            s.put(number)
        s.gap()
        await trio.sleep(10)
        assert s.doubted == [missing.client_order_id]
        assert len(s.ended) == 1


def unknown(**changes: Any) -> dict[str, Any]:
    """An order that was sent, and nobody knows what became of it."""
    return {"life": Life.SENT, "certainty": Certainty.UNKNOWN, "order_id": None, **changes}


async def test_an_order_without_an_id_is_asked_for_by_its_name() -> None:
    async with stage(FakeHistory(orders=[order_row(70, "dw-one-run-1-1")])) as (s, _):
        s.put(1, **unknown())
        s.gap()
        await trio.sleep(1)
        assert s.asked(Method.ORDER_STATUS) == [{"symbol": SYMBOL, "origClientOrderId": "dw-one-run-1-1"}]
        assert s.orders_told() == [70]


async def test_one_whose_cancel_was_sent_is_asked_for_by_the_name_that_the_cancel_gives_it() -> None:
    async with stage(FakeHistory(orders=[order_row(70, "dx-one-run-1-1", status="CANCELED")])) as (s, _):
        s.put(1, **unknown(cancel_sent_ms=START_MS))
        missing = s.put(2, **unknown(cancel_sent_ms=START_MS))
        s.gap()
        await trio.sleep(1)
        names = [params["origClientOrderId"] for params in s.asked(Method.ORDER_STATUS)]
        assert names == ["dw-one-run-1-1", "dx-one-run-1-1", "dw-one-run-1-2", "dx-one-run-1-2"]
        assert s.orders_told() == [70]
        assert s.doubted == [missing.client_order_id]


async def test_an_order_whose_answer_somebody_waits_for_is_left_alone() -> None:
    async with stage(FakeHistory()) as (s, _):
        s.put(1, **unknown(certainty=Certainty.KNOWN))
        s.put(2, created_ms=START_MS + 1)  # placed after the pass began
        s.gap()
        await trio.sleep(1)
        assert s.asked(Method.ORDER_STATUS) == []
        assert len(s.ended) == 1


# Trades of orders that nobody knows.


async def test_trades_of_unknown_orders_are_told_again_when_it_is_known_whose_they_are() -> None:
    history = FakeHistory(orders=[order_row(50)], trades=[trade_row(1_001, 50), trade_row(1_002, 999)])
    async with stage(history) as (s, _):
        s.gap()
        await trio.sleep(1)
        assert s.orders_told() == [50]
        assert s.trades_told() == [1_001, 1_002, 1_001]
        assert len(s.ended) == 1


async def test_a_fill_that_is_missing_leads_to_its_symbol() -> None:
    async with stage(FakeHistory()) as (s, _):
        ended = s.put(7, symbol="LTCUSDT", life=Life.FILLED, filled_quantity=Decimal("0.001"))
        assert s.table.unexplained() == (ended,)
        s.gap()
        await trio.sleep(10)
        assert {params["symbol"] for params in s.asked(Method.MY_TRADES)} == {SYMBOL, "LTCUSDT"}


async def test_fills_from_before_the_mark_that_an_order_is_known_to_have_are_asked_for_by_its_id() -> None:
    history = FakeHistory(
        orders=[order_row(7, status="PARTIALLY_FILLED", executedQty="0.001")],
        trades=[trade_row(900, 7), trade_row(901, 8)],
    )
    async with stage(history) as (s, _):
        adopted = s.put(7, filled_quantity=Decimal("0.001"))
        assert s.table.unexplained() == (adopted,)
        s.gap()
        await trio.sleep(1)
        assert s.trades_told() == [900]
        assert s.asked(Method.MY_TRADES)[-1] == {"symbol": SYMBOL, "orderId": 7, "fromId": 900, "limit": 1000}
        assert len(s.ended) == 1


# Answers that do not come.


@pytest.mark.parametrize(
    "trouble",
    [
        OutcomeUnknown("no answer"),
        NotSent("not now"),
        refusal(-1007, "Timeout waiting for response from backend server.", 504),
        refusal(-1021, "Timestamp for this request is outside of the recvWindow."),
        nonsense(),
    ],
    ids=["no answer", "not sent", "timeout", "clock", "unreadable"],
)
@pytest.mark.parametrize(
    "method", [Method.OPEN_ORDERS_STATUS, Method.ALL_ORDERS, Method.MY_TRADES, Method.ORDER_STATUS]
)
async def test_a_question_is_asked_until_it_is_answered(trouble: Response | Exception, method: str) -> None:
    history = FakeHistory(orders=[order_row(50), order_row(101)], trades=[trade_row(1_001, 101)])
    history.disturb = once(trouble, Method(method))
    async with stage(history) as (s, _):
        s.put(50)
        s.gap()
        await trio.sleep(0.4)
        assert s.ended == []
        await trio.sleep(2)
        assert sorted(s.orders_told()) == [50, 101]
        assert s.trades_told() == [1_001]
        assert len(s.ended) == 1


async def test_an_exchange_that_never_answers_is_asked_ever_more_rarely() -> None:
    history = FakeHistory()
    history.disturb = lambda _call: OutcomeUnknown("no answer")
    async with stage(history) as (s, _):
        s.gap()
        await trio.sleep(300)
        assert s.ended == []
        assert 15 < len(history.asked) < 30


async def test_a_question_for_which_there_is_no_room_is_asked_when_there_will_be() -> None:
    history = FakeHistory(orders=[order_row(101)])
    async with stage(history) as (s, _):

        def refuse(call: Call) -> Response | Exception | None:
            if call.method is Method.ALL_ORDERS and history.count(Method.ALL_ORDERS) == 1:
                return NotSent("the exchange's limits are used up", retry_after_s=120)
            return None

        history.disturb = refuse
        s.gap()
        await trio.sleep(119)
        assert len(history.asked) == 2
        await trio.sleep(2)
        assert len(s.ended) == 1


async def test_every_question_goes_behind_everybody_elses_requests() -> None:
    history = FakeHistory(orders=[order_row(101)], trades=[trade_row(1, 101)])
    async with stage(history) as (s, _):
        s.put(101)
        s.gap()
        await trio.sleep(10)
        assert len(s.ended) == 1
        assert {call.lane for _, call in history.asked} == {Priority.BULK}
