"""Faults of requests and answers, and of what queries find, as a client that shares nothing with ours meets them."""

from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from dogwatch.actors.paper.armed_faults import Faults
from dogwatch.actors.paper.faults import (
    AnswerUnknown,
    DelayAnswer,
    EventsFirst,
    Execution,
    GarbleAnswer,
    HideOrder,
    LoseAnswer,
    LoseRequest,
    ServerError,
)
from tests.actors.paper.guest import BUY, Guest, open_guest

RESTING = [(0.0, "NEW"), (0.0, "outboundAccountPosition")]


async def test_a_lost_request_is_neither_carried_out_nor_answered(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        armed = guest.faults.add(LoseRequest())
        await guest.buy("a")
        await trio.sleep(30)
        assert guest.heard == []
        assert guest.hall.exchange.orders() == []
        assert guest.hall.exchange.intents == {}
        assert armed.hits == 1


async def test_a_lost_answer_leaves_its_events(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(LoseAnswer())
        await guest.buy("a")
        await trio.sleep(30)
        assert guest.told() == RESTING
        assert guest.hall.exchange.intents == {"a": 1}


async def test_a_delayed_answer_comes_after_its_events(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(DelayAnswer(delay_s=7.5))
        request_id = await guest.buy("a")
        await trio.sleep(30)
        assert guest.told() == [*RESTING, (7.5, "200")]
        (answer,) = guest.answers()
        assert (answer["id"], answer["result"]["status"]) == (request_id, "NEW")


async def test_the_answers_of_delayed_requests_keep_their_order(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(DelayAnswer(delay_s=2), times=5)
        ids = [await guest.buy(name) for name in "abcde"]
        await trio.sleep(3)
        assert [answer["id"] for answer in guest.answers()] == ids


async def test_a_garbled_answer_is_no_json(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(GarbleAnswer())
        await guest.buy("a")
        await trio.sleep(1)
        assert guest.told() == [(0.0, "garbled"), *RESTING]


async def test_events_go_out_before_their_answer(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(EventsFirst())
        await guest.buy("a")
        await guest.buy("b")
        await trio.sleep(1)
        words = [word for _, word in guest.told()]
        assert words == ["NEW", "outboundAccountPosition", "200", "200", "NEW", "outboundAccountPosition"]


@pytest.mark.parametrize(
    ("execution", "answer_after_s", "told"),
    [
        ("now", 0.0, [(0.0, "504"), *RESTING]),
        ("now", 10.0, [*RESTING, (10.0, "504")]),
        ("never", 0.0, [(0.0, "504")]),
        ("never", 10.0, [(10.0, "504")]),
        ("later", 0.0, [(0.0, "504"), (9.0, "NEW"), (9.0, "outboundAccountPosition")]),
        ("later", 10.0, [(9.0, "NEW"), (9.0, "outboundAccountPosition"), (10.0, "504")]),
    ],
)
async def test_an_unknown_outcome_is_carried_out_now_later_or_never(
    execution: Execution, answer_after_s: float, told: list[tuple[float, str]], virtual_clock: MockClock
) -> None:
    async with open_guest() as guest:
        fault = AnswerUnknown(execution=execution, execute_after_s=9, answer_after_s=answer_after_s)
        guest.faults.add(fault)
        request_id = await guest.buy("a")
        await trio.sleep(30)
        assert guest.told() == told
        (answer,) = guest.answers()
        assert answer["id"] == request_id
        assert answer["error"] == {
            "code": -1007,
            "msg": "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
        }
        assert guest.hall.exchange.intents == ({} if execution == "never" else {"a": 1})
        assert await guest.status("a") == (-2013 if execution == "never" else "NEW")


async def test_what_is_executed_later_bears_the_time_and_the_prices_of_then(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(AnswerUnknown(execution="later", execute_after_s=5))
        placed_ms = guest.hall.clock.unix_ms()
        await guest.buy("a", price="100")
        await trio.sleep(1)
        engine, now_ms = guest.hall.exchange.engine, guest.hall.clock.unix_ms()
        engine.apply_quote("BTCUSDT", Decimal(90), Decimal(5), Decimal(95), Decimal(5), now_ms)
        await trio.sleep(10)
        assert guest.reports() == ["NEW", "TRADE"]
        (fill,) = guest.hall.exchange.fills()
        assert (fill.price, fill.time_ms) == (Decimal(95), placed_ms + 5000)


@pytest.mark.parametrize("execution", ["now", "later"])
async def test_what_the_engine_refuses_under_an_unknown_outcome_leaves_no_trace(
    execution: Execution, virtual_clock: MockClock
) -> None:
    async with open_guest() as guest:
        guest.faults.add(AnswerUnknown(execution=execution, execute_after_s=3))
        await guest.buy("a", price="99.001")
        await trio.sleep(10)
        assert guest.told() == [(0.0, "504")]
        assert guest.hall.exchange.orders() == []
        assert guest.hall.exchange.intents == {"a": 1}


async def test_a_cancel_of_unknown_outcome_may_be_carried_out_later(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        await guest.buy("a")
        guest.faults.add(AnswerUnknown(method="order.cancel", execution="later", execute_after_s=4))
        answer = await guest.ask("order.cancel", symbol="BTCUSDT", origClientOrderId="a", newClientOrderId="b")
        assert (answer["status"], answer["error"]["code"]) == (504, -1007)
        assert await guest.status("a") == "NEW"
        await trio.sleep(4)
        assert await guest.status("a") == "CANCELED"
        assert [(entry.method, entry.client_order_id) for entry in guest.faults.struck] == [("order.cancel", "a")]


async def test_what_was_to_be_canceled_later_may_be_gone_by_then(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        await guest.buy("a")
        guest.faults.add(AnswerUnknown(method="order.cancel", execution="later", execute_after_s=4))
        await guest.ask("order.cancel", symbol="BTCUSDT", origClientOrderId="a")
        exchange = guest.hall.exchange
        exchange.engine.apply_trade(
            "BTCUSDT", Decimal(90), Decimal(9), guest.hall.clock.unix_ms(), buyer_is_maker=False
        )
        exchange.settle()
        await trio.sleep(10)
        assert guest.reports() == ["NEW", "TRADE"]
        assert await guest.status("a") == "FILLED"


@pytest.mark.parametrize(
    ("execution", "quantity"), [("now", "1.00000000"), ("later", "1.00000000"), ("never", "2.00000000")]
)
async def test_an_amend_of_unknown_outcome(execution: Execution, quantity: str, virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        await guest.buy("a")
        method = "order.amend.keepPriority"
        guest.faults.add(AnswerUnknown(method=method, execution=execution, execute_after_s=4))
        answer = await guest.ask(method, symbol="BTCUSDT", origClientOrderId="a", newClientOrderId="a", newQty="1")
        assert answer["error"]["code"] == -1007
        await trio.sleep(5)
        assert [order["origQty"] for order in guest.hall.exchange.orders()] == [quantity]
        assert guest.reports() == (["NEW"] if execution == "never" else ["NEW", "REPLACED"])


@pytest.mark.parametrize(
    ("execution", "orders"),
    [
        ("now", {"a": "CANCELED", "b": "NEW"}),
        ("later", {"a": "CANCELED", "b": "NEW"}),
        ("never", {"a": "NEW"}),
    ],
)
async def test_a_cancel_and_replace_of_unknown_outcome(
    execution: Execution, orders: dict[str, str], virtual_clock: MockClock
) -> None:
    async with open_guest() as guest:
        await guest.buy("a")
        method = "order.cancelReplace"
        guest.faults.add(AnswerUnknown(method=method, execution=execution, execute_after_s=4))
        guest.faults.add(HideOrder(method=method, for_s=2))
        replacing = {
            "cancelReplaceMode": "STOP_ON_FAILURE",
            "cancelOrigClientOrderId": "a",
            "cancelNewClientOrderId": "c",
        }
        answer = await guest.ask(method, **{**BUY, **replacing, "newClientOrderId": "b"})
        assert (answer["status"], answer["error"]["code"]) == (504, -1007)
        await trio.sleep(5)
        assert guest.hall.exchange.intents == dict.fromkeys(orders, 1)
        if "b" in orders:
            assert await guest.status("b") == (-2013 if execution == "later" else "NEW")
        await trio.sleep(5)
        assert {name: await guest.status(name) for name in orders} == orders


async def test_a_server_error_is_carried_out_only_if_it_says_so(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(ServerError())
        guest.faults.add(ServerError(execution="now", status=500))
        for name in "ab":
            await guest.buy(name)
        await trio.sleep(1)
        assert [answer["status"] for answer in guest.answers()] == [503, 500]
        assert {answer["error"]["code"] for answer in guest.answers()} == {-1000}
        assert [order["clientOrderId"] for order in guest.hall.exchange.orders()] == ["b"]


async def test_a_request_that_is_turned_away_before_the_engine_leaves_the_fault_for_the_next(
    virtual_clock: MockClock,
) -> None:
    async with open_guest() as guest:
        armed = guest.faults.add(AnswerUnknown(answer_after_s=5))
        await guest.buy("a", colour="red")
        await trio.sleep(1)
        assert [answer["error"]["code"] for answer in guest.answers()] == [-1104]
        assert armed.hits == 0
        await guest.buy("b")
        await trio.sleep(10)
        assert [answer["status"] for answer in guest.answers()] == [400, 504]
        assert armed.hits == 1


async def test_unknown_outcomes_cost_weight_and_orders_as_others_do(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(AnswerUnknown())
        guest.faults.add(AnswerUnknown(execution="later", execute_after_s=2))
        for name in "ab":
            await guest.buy(name)
        await trio.sleep(5)
        counts = (await guest.ask("account.rateLimits.orders"))["result"]
        assert [limit["count"] for limit in counts] == [2, 2]
        weights = [answer["rateLimits"][-1]["count"] for answer in guest.answers()[:2]]
        assert weights[1] == weights[0] + 1


# Which requests are struck.


async def test_faults_strike_the_methods_and_parameters_they_are_meant_for(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(LoseRequest(method="order.cancel"))
        guest.faults.add(LoseRequest(), where=lambda params: params["newClientOrderId"] == "c")
        for name in "abcd":
            await guest.buy(name)
        await guest.send("order.cancel", {"symbol": "BTCUSDT", "origClientOrderId": "a"})
        await trio.sleep(1)
        assert [order["clientOrderId"] for order in guest.hall.exchange.orders()] == ["a", "b", "d"]
        assert {order["status"] for order in guest.hall.exchange.orders()} == {"NEW"}
        assert [entry.client_order_id for entry in guest.faults.struck] == ["c", "a"]


async def test_a_fault_lets_some_pass_strikes_some_and_is_gone(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        armed = guest.faults.add(LoseRequest(), after=2, times=3)
        for name in "abcdefg":
            await guest.buy(name)
        await trio.sleep(1)
        assert [order["clientOrderId"] for order in guest.hall.exchange.orders()] == ["a", "b", "f", "g"]
        assert armed.hits == 3
        assert not guest.faults.is_armed


async def test_a_fault_for_ever_strikes_until_it_is_disarmed(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        armed = guest.faults.add(LoseRequest(method=None), times=None)
        for name in "abcdefg":
            await guest.buy(name)
        await guest.send("ping", {})
        await trio.sleep(1)
        assert guest.heard == []
        assert armed.hits == 8
        armed.disarm()
        await guest.buy("h")
        await trio.sleep(1)
        assert [order["clientOrderId"] for order in guest.hall.exchange.orders()] == ["h"]
        assert not guest.faults.is_armed


async def test_faults_of_one_role_take_turns_in_the_order_they_were_armed(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(AnswerUnknown())
        guest.faults.add(LoseAnswer())
        guest.faults.add(LoseRequest())
        for name in "abcd":
            await guest.buy(name)
        await trio.sleep(1)
        assert [type(entry.fault) for entry in guest.faults.struck] == [AnswerUnknown, LoseAnswer, LoseRequest]
        assert [answer["status"] for answer in guest.answers()] == [504, 200]
        assert [order["clientOrderId"] for order in guest.hall.exchange.orders()] == ["a", "b", "d"]


async def test_faults_of_several_roles_strike_one_request(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(AnswerUnknown())
        guest.faults.add(EventsFirst())
        guest.faults.add(HideOrder(for_s=60))
        await guest.buy("a")
        await trio.sleep(1)
        assert guest.told() == [*RESTING, (0.0, "504")]
        assert await guest.status("a") == -2013
        assert {type(entry.fault) for entry in guest.faults.struck} == {AnswerUnknown, EventsFirst, HideOrder}


async def test_what_cannot_be_read_is_refused_as_always(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        armed = guest.faults.add(LoseRequest(method=None))
        for frame in ('{"id":7,"method":3}', '{"id":8,"params":' + "[" * 300 + "]" * 300 + "}"):
            await guest.visitor.websocket.send_message(frame)
        await trio.sleep(1)
        assert [answer["error"]["code"] for answer in guest.answers()] == [-1135, -1135]
        assert armed.hits == 0


async def test_everything_can_be_disarmed(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(HideOrder(for_s=600))
        await guest.buy("a")
        guest.faults.add(LoseRequest(method=None), times=None)
        guest.faults.clear()
        assert not guest.faults.is_armed
        assert await guest.status("a") == "NEW"


async def test_what_has_struck_is_told(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        fault = LoseAnswer()
        guest.faults.add(fault)
        await trio.sleep(3)
        at_ms = guest.hall.clock.unix_ms()
        await guest.buy("a")
        await trio.sleep(3)
        (struck,) = guest.faults.struck
        assert (struck.at_ms, struck.fault, struck.method, struck.client_order_id) == (at_ms, fault, "order.place", "a")


@pytest.mark.parametrize(
    "make",
    [
        lambda: DelayAnswer(delay_s=-1),
        lambda: HideOrder(for_s=float("inf")),
        lambda: AnswerUnknown(execution="sometimes"),  # type: ignore[arg-type]
        lambda: AnswerUnknown(answer_after_s=float("nan")),
    ],
)
def test_a_fault_that_cannot_be_meant_is_a_mistake(make: Any) -> None:
    with pytest.raises(ValueError, match=r"^(DelayAnswer|HideOrder|AnswerUnknown): "):
        make()


@pytest.mark.parametrize(("times", "after"), [(0, 0), (-1, 0), (1, -1)])
def test_a_fault_strikes_at_least_once(times: int, after: int) -> None:
    faults = Faults(now_ms=lambda: 0, break_all=lambda *_meant: 0)
    with pytest.raises(ValueError, match="at least once"):
        faults.add(LoseAnswer(), times=times, after=after)
    assert not faults.is_armed


# Hidden orders.


@pytest.mark.parametrize("everywhere", [True, False])
async def test_a_hidden_order_is_there_and_cannot_be_found(everywhere: bool, virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(HideOrder(for_s=10, everywhere=everywhere))
        await guest.buy("a", price="101", quantity="60")
        await guest.buy("b")
        await trio.sleep(1)
        order_id = guest.answers()[0]["result"]["orderId"]
        by_id = await guest.ask("order.status", symbol="BTCUSDT", orderId=order_id)
        assert (by_id["status"], by_id["error"]["code"]) == (400, -2013)
        assert await found(guest) == (-2013, ["b"], ["b"], [] if everywhere else [order_id])
        await trio.sleep(10)
        assert await found(guest) == ("PARTIALLY_FILLED", ["a", "b"], ["a", "b"], [order_id])
        assert not guest.faults.is_armed


async def found(guest: Guest) -> tuple[Any, list[str], list[str], list[int]]:
    """The status of the order "a", then what is listed as open orders, as orders, and whose trades."""
    opened = (await guest.ask("openOrders.status"))["result"]
    orders = (await guest.ask("allOrders", symbol="BTCUSDT"))["result"]
    trades = (await guest.ask("myTrades", symbol="BTCUSDT"))["result"]
    return (
        await guest.status("a"),
        [row["clientOrderId"] for row in opened],
        [row["clientOrderId"] for row in orders],
        [row["orderId"] for row in trades],
    )


async def test_a_hidden_order_can_be_canceled(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(HideOrder(for_s=10))
        await guest.buy("a")
        assert (await guest.ask("openOrders.status"))["result"] == []
        answer = await guest.ask("order.cancel", symbol="BTCUSDT", origClientOrderId="a")
        assert answer["result"]["status"] == "CANCELED"
        assert await guest.status("a") == -2013


async def test_an_order_that_is_placed_later_is_hidden_from_then_on(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(AnswerUnknown(execution="later", execute_after_s=8))
        guest.faults.add(HideOrder(for_s=10))
        await guest.buy("a")
        await trio.sleep(17)
        assert guest.reports() == ["NEW"]
        assert await guest.status("a") == -2013
        await trio.sleep(1.5)
        assert await guest.status("a") == "NEW"


async def test_an_order_that_overtakes_the_hidden_one_is_found(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(AnswerUnknown(execution="later", execute_after_s=8))
        armed = guest.faults.add(HideOrder(for_s=10))
        for name in "ab":
            await guest.buy(name)
        await trio.sleep(9)
        assert guest.reports() == ["NEW", "NEW"]
        assert (await guest.status("a"), await guest.status("b")) == (-2013, "NEW")
        assert armed.hits == 1


async def test_an_order_that_was_refused_leaves_the_fault_for_the_next(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        armed = guest.faults.add(HideOrder(for_s=10))
        await guest.buy("a", price="99.001")
        await trio.sleep(1)
        assert armed.hits == 0
        await guest.buy("b")
        assert await guest.status("b") == -2013


async def test_a_page_with_a_hidden_order_is_filled_up(virtual_clock: MockClock) -> None:
    async with open_guest() as guest:
        guest.faults.add(HideOrder(for_s=600), after=2, times=2)
        for name in "abcdef":
            await guest.buy(name, price="102", quantity="0.1", timeInForce="IOC")
        first = (await guest.ask("allOrders", symbol="BTCUSDT", limit=1))["result"][0]["orderId"] - 5
        orders = await guest.ask("allOrders", symbol="BTCUSDT", orderId=first, limit=3)
        assert [row["clientOrderId"] for row in orders["result"]] == ["a", "b", "e"]
        trades = (await guest.ask("myTrades", symbol="BTCUSDT", fromId=1, limit=3))["result"]
        assert [row["orderId"] - first for row in trades] == [0, 1, 4]
