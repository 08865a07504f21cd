"""Typed calls: each method under its name, its result typed, and one exception for each way to fail."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dogwatch.actors.session import Call, SessionTopics
from dogwatch.actors.spot.enums import AttemptResult, CancelReplaceMode, OrderType, Side, TimeInForce
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import ExchangeError, MalformedResult, NotSent, OutcomeUnknown, Rejected
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.priority import Priority
from dogwatch.actors.spot.requests import Depth, OrderCancelReplace, OrderPlace, request_of
from dogwatch.actors.spot.results import CancelReplaceResult, OrderReport, ServerTime
from dogwatch.actors.spot_client import MANAGED, Asks, Spot
from dogwatch.runtime.errors import MailboxFull
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import run_system
from tests.actors.fake_session import FakeSession, refusal, result

pytestmark = pytest.mark.usefixtures("virtual_clock")

BOOK = {"lastUpdateId": 7, "bids": [["1.00", "2.0"]], "asks": []}
ACK = {"symbol": "A", "orderId": 9, "orderListId": -1, "clientOrderId": "c", "transactTime": 5}
LIMIT: dict[str, Any] = {
    "symbol": "A",
    "side": Side.BUY,
    "type": OrderType.LIMIT,
    "time_in_force": TimeInForce.GTC,
    "price": Decimal("1.50"),
    "quantity": 2,
}
ORDER = OrderPlace(**LIMIT)
REPLACING = OrderCancelReplace(**LIMIT, cancel_replace_mode=CancelReplaceMode.ALLOW_FAILURE, cancel_order_id=1)


@asynccontextmanager
async def answering(answer: Response | Exception | None) -> AsyncIterator[tuple[Spot, list[Call]]]:
    """A client of a speaker that gives this answer to everything, none for None, and the calls that it gets."""
    calls: list[Call] = []

    def note(call: Call) -> Response | Exception | None:
        calls.append(call)
        return answer

    def start() -> FakeSession:
        session = FakeSession(SessionTopics("fake"))
        session.automatic = note
        return session

    speaker = ChildSpec("session", start, actor=FakeSession)
    ref: ActorRef[Any] = speaker.ref
    async with run_system(SupervisorSpec("root", [speaker])):
        yield Spot(ref), calls


async def test_a_call_carries_the_parameters_and_brings_the_typed_result() -> None:
    async with answering(result(BOOK)) as (spot, calls):
        book = await spot.call(Depth(symbol="A", limit=5), lane=Priority.BULK)
        assert book.bids[0].price == Decimal("1.00")
        assert await spot.depth(symbol="A", limit=5) == book
        assert [(call.method, call.params) for call in calls] == [(Method.DEPTH, {"symbol": "A", "limit": 5})] * 2
        assert [call.lane for call in calls] == [Priority.BULK, None]


async def test_a_call_may_be_made_for_a_further_account_of_the_session() -> None:
    async with answering(result(ACK)) as (spot, calls):
        other = Spot(spot._speaker, account="second")
        await other.order_status(symbol="A", order_id=9)
        await other.within(3).order_status(symbol="A", order_id=9)
        await spot.order_status(symbol="A", order_id=9)
        assert [call.account for call in calls] == ["second", "second", ""]


async def test_an_order_is_placed_with_exact_amounts() -> None:
    async with answering(result(ACK)) as (spot, calls):
        report = await spot.order_place(**LIMIT)
        assert isinstance(report, OrderReport)
        assert report.order_id == 9
        assert calls[0].params == {
            "symbol": "A",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "price": "1.50",
            "quantity": "2",
        }


async def test_parameters_that_make_no_request_are_refused_before_anything_is_sent() -> None:
    async with answering(result(ACK)) as (spot, calls):
        with pytest.raises(ValueError, match="LIMIT order needs price"):
            await spot.order_place(**{**LIMIT, "price": None})
        with pytest.raises(TypeError, match="price must be a Decimal"):
            await spot.order_place(**{**LIMIT, "price": 1.5})
        assert not calls


@pytest.mark.parametrize(
    ("answer", "error", "says", "hint"),
    [
        (refusal(-2010, "no funds"), Rejected, r"no funds \[-2010\]", None),
        (refusal(-1003, "too much", 429), Rejected, r"too much \[-1003\]", None),
        (refusal(-1007, "timeout", 504), OutcomeUnknown, r"timeout \[-1007\]", "ask for the order's status"),
        (refusal(-2010, "odd", 500), OutcomeUnknown, r"odd \[-2010\]", "ask for the order's status"),
        (Response(id=1, status=503), OutcomeUnknown, "status 503", "ask for the order's status"),
        (result({"odd": 1}), MalformedResult, "not OrderReport", None),
        (NotSent("there is no connection", hint="wait"), NotSent, "there is no connection", "wait"),
        (OutcomeUnknown("the link was lost"), OutcomeUnknown, "the link was lost", "ask for the order's status"),
        (MailboxFull("too many calls", hint="wait"), NotSent, "too many calls", "wait"),
        (None, OutcomeUnknown, "within 10", "ask for the order's status"),
    ],
)
async def test_each_way_to_fail_has_its_own_exception(
    answer: Response | Exception | None, error: type[Exception], says: str, hint: str | None
) -> None:
    async with answering(answer) as (spot, calls):
        with pytest.raises(error, match=says) as caught:
            await spot.call(ORDER)
        if hint is not None:
            assert hint in caught.value.hint  # type: ignore[attr-defined] # all of ours have one
        assert len(calls) == 1, "nothing is ever repeated here"


async def test_a_question_without_an_answer_may_be_asked_again() -> None:
    async with answering(None) as (spot, _calls):
        with pytest.raises(OutcomeUnknown, match="within 3") as caught:
            await spot.within(3).time()
        assert caught.value.hint == "it changes nothing: ask again"
        with pytest.raises(OutcomeUnknown, match="within 2"):
            await spot.call(Depth(symbol="A"), within_s=2)


@pytest.mark.parametrize("code", [-2021, -2022])
async def test_a_cancel_replace_that_failed_in_parts_tells_what_became_of_each(code: int) -> None:
    parts = {
        "cancelResult": "FAILURE",
        "newOrderResult": "SUCCESS",
        "cancelResponse": {"code": -2011, "msg": "Unknown order sent."},
        "newOrderResponse": ACK,
    }
    status = 409 if code == -2021 else 400
    error = ExchangeError(code=code, message="partly", status=status, data=msgspec.Raw(msgspec.json.encode(parts)))
    async with answering(Response(id=1, status=status, error=error)) as (spot, _calls):
        outcome = await spot.call(REPLACING)
        assert isinstance(outcome, CancelReplaceResult)
        assert (outcome.cancel_result, outcome.new_order_result) == (AttemptResult.FAILURE, AttemptResult.SUCCESS)


async def test_a_cancel_replace_that_tells_nothing_of_its_parts_is_what_its_error_says() -> None:
    async with answering(refusal(-1015, "too many orders", 429)) as (spot, _calls):
        with pytest.raises(Rejected, match="too many orders"):
            await spot.call(REPLACING)
    async with answering(refusal(-2021, "partly", 409)) as (spot, _calls):
        with pytest.raises(OutcomeUnknown, match="partly"):
            await spot.call(REPLACING)


@pytest.mark.parametrize("method", sorted(MANAGED))
async def test_what_a_session_does_for_itself_is_not_called_by_hand(method: Method) -> None:
    async with answering(result({})) as (spot, calls):
        with pytest.raises(NotSent, match=f"{method} is not called by hand"):
            await spot.call(request_of(method)())
        assert not calls


async def test_where_only_questions_are_meant_changes_are_refused_and_tests_are_not() -> None:
    async with answering(result({})) as (spot, calls):
        reading = Spot(spot._speaker, changes_hint="place orders with self.place")
        with pytest.raises(NotSent, match=r"order\.place is not called here") as caught:
            await reading.within(5).order_place(**LIMIT)
        assert caught.value.hint == "place orders with self.place"
        with pytest.raises(NotSent, match=r"openOrders\.cancelAll is not called here"):
            await reading.open_orders_cancel_all(symbol="A")
        assert not calls
        await reading.order_test(**LIMIT)
        assert [call.method for call in calls] == [Method.ORDER_TEST]


async def test_a_question_needs_no_parameters() -> None:
    async with answering(result({"serverTime": 5})) as (spot, _calls):
        assert await spot.time() == ServerTime(server_time_ms=5)


def test_every_method_but_those_of_the_session_has_a_function_of_its_name() -> None:
    functions: dict[str, Any] = {name: asks for name, asks in vars(Spot).items() if isinstance(asks, Asks)}
    expected = {snake(method): method for method in Method if method not in MANAGED}
    assert {name: asks.request.declaration.method for name, asks in functions.items()} == expected


def snake(method: Method) -> str:
    """`order.amend.keepPriority` → `order_amend_keep_priority`."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", method.replace(".", "_")).lower()
