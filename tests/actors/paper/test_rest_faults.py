"""The same faults by REST: answers that are lost, late or damaged, outcomes that nobody knows, connections that end."""

import httpx2
import pytest
import trio
from trio.testing import MockClock

from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.faults import (
    AnswerUnknown,
    ConnectionFault,
    Cut,
    DelayAnswer,
    GarbleAnswer,
    HalfClose,
    HalfOpen,
    HideOrder,
    LoseAnswer,
    LoseRequest,
    NoData,
    RefuseRequest,
    RequestFault,
    ServerError,
    ShutDown,
    Stall,
)
from tests.actors.paper.rest_visitor import RestVisitor, error_in, open_rest

BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "99", "quantity": "1"}


async def place(rest: RestVisitor, client_order_id: str = "a") -> httpx2.Response:
    return await rest.ask_signed("POST", "order", **BUY, newClientOrderId=client_order_id)


def placed(rest: RestVisitor) -> int:
    return len(rest.hall.exchange.orders())


@pytest.mark.parametrize(("fault", "orders"), [(LoseRequest(), 0), (LoseAnswer(), 1)], ids=["request", "answer"])
async def test_what_is_lost_is_never_answered(fault: RequestFault, orders: int, virtual_clock: MockClock) -> None:
    async with open_rest(timeout_s=30) as rest:
        rest.hall.exchange.faults.add(fault)
        with pytest.raises(httpx2.ReadTimeout):
            await place(rest)
        assert (trio.current_time(), placed(rest)) == (30, orders)
        assert (await place(rest, "b")).status_code == 200


async def test_a_delayed_answer_comes_late(virtual_clock: MockClock) -> None:
    async with open_rest() as rest:
        rest.hall.exchange.faults.add(DelayAnswer(delay_s=7.5))
        assert (await place(rest)).json()["status"] == "NEW"
        assert trio.current_time() == 7.5


async def test_a_garbled_answer_is_no_json(virtual_clock: MockClock) -> None:
    async with open_rest() as rest:
        rest.hall.exchange.faults.add(GarbleAnswer())
        response = await place(rest)
        assert response.content.startswith(b'{"symbol":"BTCUSDT"')
        assert not response.content.endswith(b"}")
        assert placed(rest) == 1


@pytest.mark.parametrize(
    ("fault", "expected", "orders"),
    [
        (AnswerUnknown(), (504, -1007), 1),
        (AnswerUnknown(execution="never", answer_after_s=10), (504, -1007), 0),
        (ServerError(status=502), (502, -1000), 0),
        (ServerError(execution="later", execute_after_s=3), (503, -1000), 0),
    ],
)
async def test_an_error_that_says_nothing_of_the_outcome(
    fault: RequestFault, expected: tuple[int, int], orders: int, virtual_clock: MockClock
) -> None:
    async with open_rest() as rest:
        rest.hall.exchange.faults.add(fault)
        assert error_in(await place(rest))[:2] == expected
        assert placed(rest) == orders
        await trio.sleep(5)
        late = getattr(fault, "execution", "") == "later"
        assert placed(rest) == orders + late


@pytest.mark.parametrize(("status", "code"), [(429, -1003), (418, -1003), (503, -1008)])
async def test_a_refusal_says_in_a_header_when_to_come_back(status: int, code: int, virtual_clock: MockClock) -> None:
    async with open_rest() as rest:
        rest.hall.exchange.faults.add(RefuseRequest(status=status, code=code, retry_after_s=2.5))
        response = await place(rest)
        assert error_in(response)[:2] == (status, code)
        assert response.headers["Retry-After"] == "3"
        assert placed(rest) == 0


@pytest.mark.parametrize(
    ("fault", "orders"),
    [
        (Cut(), 1),
        (Cut(when="before"), 0),
        (HalfClose(way="out"), 1),
        (HalfClose(way="out", when="before"), 1),
        (ShutDown(ending="cut"), 1),
    ],
)
async def test_a_connection_that_ends_leaves_the_outcome_open(
    fault: ConnectionFault, orders: int, virtual_clock: MockClock
) -> None:
    async with open_rest() as rest:
        rest.hall.exchange.faults.add(fault)
        if isinstance(fault, ShutDown):
            rest.hall.exchange.faults.add(DelayAnswer(delay_s=1))
        with pytest.raises(httpx2.ReadError):
            await place(rest)
        assert placed(rest) == orders


@pytest.mark.parametrize(
    ("fault", "orders"),
    [
        (HalfOpen(), 1),
        (HalfOpen(when="before"), 0),
        (HalfClose(way="in", when="before"), 0),
        (NoData(what="answers"), 1),
    ],
)
async def test_a_connection_that_falls_silent_leaves_the_outcome_open(
    fault: ConnectionFault, orders: int, virtual_clock: MockClock
) -> None:
    async with open_rest(timeout_s=5) as rest:
        rest.hall.exchange.faults.add(fault)
        with pytest.raises(httpx2.ReadTimeout):
            await place(rest)
        assert placed(rest) == orders


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_connection_that_stalls_goes_on_later(when: str, virtual_clock: MockClock) -> None:
    async with open_rest() as rest:
        rest.hall.exchange.faults.add(Stall(for_s=4, when="before" if when == "before" else "after"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(place, rest)
            await trio.sleep(3)
            assert placed(rest) == (when == "after")
        assert (trio.current_time(), placed(rest)) == (4, 1)


async def test_a_hidden_order_is_hidden_from_both_apis(virtual_clock: MockClock) -> None:
    async with open_rest() as rest:
        rest.hall.exchange.faults.add(HideOrder(for_s=10))
        await place(rest)
        response = await rest.ask_signed("GET", "order", symbol="BTCUSDT", origClientOrderId="a")
        assert error_in(response)[1] == -2013
        await trio.sleep(10)
        response = await rest.ask_signed("GET", "order", symbol="BTCUSDT", origClientOrderId="a")
        assert response.json()["status"] == "NEW"


async def test_a_fault_may_be_meant_for_certain_parameters(virtual_clock: MockClock) -> None:
    async with open_rest(timeout_s=1) as rest:
        rest.hall.exchange.faults.add(LoseAnswer(), where=lambda params: params["newClientOrderId"] == "b")
        assert (await place(rest, "a")).status_code == 200
        with pytest.raises(httpx2.ReadTimeout):
            await place(rest, "b")


async def test_latency_holds_answers_up(virtual_clock: MockClock) -> None:
    async with open_rest(PaperConfig(latency_ms=250)) as rest:
        await rest.ask("GET", "ping")
        assert trio.current_time() == 0.25
