"""What the exchange turns away for its timestamp is sent again with another, where that can do no harm."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.session import LogonFailed, SessionReady
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.signing import HmacSigner, Signer, payload
from dogwatch.runtime.clock import VIRTUAL_START_UNIX_MS
from dogwatch.runtime.errors import AskTimeout
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors import api_stage
from tests.actors.api_stage import ED25519, NEWS, ApiStage, staged
from tests.actors.fake_server import FakeServer

pytestmark = pytest.mark.usefixtures("virtual_clock")

ORDER: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
OUTDATED = "Timestamp for this request is outside of the recvWindow."
AHEAD = "Timestamp for this request was 1000ms ahead of the server's time."
FAR_AHEAD = "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."
JUMP_MS = 6_000


class Exchange:
    """The other side, with a clock that anybody may set."""

    def __init__(self, stage: ApiStage, server: FakeServer) -> None:
        self.stage = stage
        self.server = server
        self.ahead_ms = 0

    @property
    def now_ms(self) -> int:
        return self.ahead_ms + VIRTUAL_START_UNIX_MS + int(1000 * trio.current_time())

    def place(self, tag: str, method: Method = Method.ORDER_PLACE, *, within_s: float = 10.0) -> None:
        self.stage.request(method, tag, {**ORDER, "newClientOrderId": tag}, within_s=within_s)

    async def receive(self, method: str = "order.place") -> dict[str, Any]:
        return await self.stage.expect(self.server, method)

    async def refuse(self, request: dict[str, Any], wording: str = OUTDATED, *, status: int = 400) -> None:
        code = -1102 if wording == FAR_AHEAD else -1021
        await self.server.answer(request, status=status, code=code, msg=wording)

    async def tell_time(self, times: int = 1, *, wrong_by_ms: int = 0) -> None:
        for _ in range(times):
            await self.server.answer(await self.receive("time"), {"serverTime": self.now_ms + wrong_by_ms})

    async def receive_telling_time(self, method: str = "order.place") -> dict[str, Any]:
        """The next request, after all questions for the time that come before it."""
        while True:
            request = await self.server.next_request()
            if request["method"] != "time":
                assert request["method"] == method, request
                return request
            await self.server.answer(request, {"serverTime": self.now_ms})

    async def only_the_time_is_asked(self) -> None:
        with trio.move_on_after(25):
            raise AssertionError(await self.receive_telling_time("nothing"))

    async def nothing_is_asked(self) -> None:
        with trio.move_on_after(25):
            raise AssertionError(await self.server.next_request())

    def statistics(self) -> dict[str, Any]:
        return self.stage.node("session").statistics


@asynccontextmanager
async def exchange(
    network: MemoryNetwork, *, signer: Signer = ED25519, logs_on: bool = True
) -> AsyncIterator[Exchange]:
    async with staged(network, signer=signer) as stage:
        server = await stage.establish() if logs_on else await stage.accept()
        yield Exchange(stage, server)


def is_right(request: dict[str, Any], now_ms: int) -> bool:
    return abs(int(request["params"]["timestamp"]) - now_ms) <= 1


def code_of(answer: Any) -> int | None:
    assert isinstance(answer.value, Response), answer
    return None if answer.value.error is None else answer.value.error.code


@pytest.mark.parametrize(
    "method",
    [
        Method.ORDER_PLACE,
        Method.ORDER_CANCEL,
        Method.ORDER_CANCEL_REPLACE,
        Method.ORDER_AMEND,
        Method.ORDER_STATUS,
        Method.OPEN_ORDERS_CANCEL_ALL,
        Method.MY_TRADES,
    ],
)
@pytest.mark.parametrize(("wording", "jump_ms"), [(OUTDATED, JUMP_MS), (AHEAD, -JUMP_MS), (FAR_AHEAD, -60_000)])
async def test_a_request_that_is_refused_for_its_timestamp_is_sent_again_with_the_right_one(
    network: MemoryNetwork, method: Method, wording: str, jump_ms: int
) -> None:
    async with exchange(network) as e:
        e.ahead_ms = jump_ms
        e.place("order", method)
        refused = await e.receive(method)
        assert not is_right(refused, e.now_ms)
        await e.refuse(refused, wording)
        await e.tell_time()
        again = await e.receive(method)
        assert is_right(again, e.now_ms)
        assert again["id"] != refused["id"]
        assert {**again["params"], "timestamp": 0} == {**refused["params"], "timestamp": 0}
        await e.server.answer(again, {"done": True})
        answer = await e.stage.answer_to("order")
        assert answer.error is None
        assert code_of(answer) is None
        assert e.stage.late == []
        assert e.stage.states == [SessionReady(epoch=1)]


async def test_what_was_signed_is_signed_anew(network: MemoryNetwork) -> None:
    signer = HmacSigner(api_stage.API_KEY, "secret")
    async with staged(network, signer=signer) as stage:
        server = await stage.accept()
        await stage.answer_times(server)
        await server.answer(await stage.expect(server, "userDataStream.subscribe.signature"), {"subscriptionId": 0})
        await wait_all_tasks_blocked()
        e = Exchange(stage, server)
        e.ahead_ms = JUMP_MS
        e.place("order")
        refused = await e.receive()
        await e.refuse(refused)
        await e.tell_time()
        params = (await e.receive())["params"]
        assert params["signature"] != refused["params"]["signature"]
        unsigned = {name: value for name, value in params.items() if name not in ("signature", "apiKey")}
        assert signer.sign(unsigned)["signature"] == params["signature"], payload(params)


async def test_three_times_and_no_more(network: MemoryNetwork) -> None:
    async with exchange(network) as e:
        e.place("order")
        for _ in range(3):
            await e.refuse(await e.receive_telling_time(), AHEAD)
        await e.only_the_time_is_asked()
        assert code_of(await e.stage.answer_to("order")) == -1021
        assert e.statistics()["sent_again"] == 2
        assert e.statistics()["timestamps_refused"] == 3


async def test_an_asker_that_has_given_up_is_told_and_nothing_is_sent_behind_its_back(network: MemoryNetwork) -> None:
    async with exchange(network) as e:
        e.place("order", within_s=1.0)
        request = await e.receive()
        await trio.sleep(2)
        assert isinstance((await e.stage.answer_to("order")).error, AskTimeout)
        await e.refuse(request)
        await e.only_the_time_is_asked()
        (late,) = e.stage.late
        assert late.response.error is not None
        assert late.response.error.code == -1021


async def test_when_too_little_time_is_left_the_refusal_is_the_answer(network: MemoryNetwork) -> None:
    async with exchange(network) as e:
        e.place("order", within_s=1.0)
        request = await e.receive()
        await trio.sleep(0.97)
        await e.refuse(request)
        assert code_of(await e.stage.answer_to("order")) == -1021
        await e.only_the_time_is_asked()


async def test_when_the_time_is_not_told_the_refusal_comes_before_the_deadline(network: MemoryNetwork) -> None:
    """Behind it the outcome would be called unknown, and it is known."""
    async with exchange(network) as e:
        e.place("order", within_s=3.0)
        e.place("other", within_s=5.0)
        for _ in range(2):
            await e.refuse(await e.receive())
        await wait_all_tasks_blocked()  # they have been heard
        e.place("new", within_s=4.0)
        await e.receive("time")
        assert code_of(await e.stage.answer_to("order")) == -1021
        assert trio.current_time() < 3
        assert isinstance((await e.stage.answer_to("new")).error, NotSent)
        assert trio.current_time() < 4
        assert code_of(await e.stage.answer_to("other")) == -1021
        assert trio.current_time() < 5


async def test_when_the_time_is_never_told_nobody_waits_longer_than_for_that_answer(network: MemoryNetwork) -> None:
    async with exchange(network) as e:
        e.place("order", within_s=100.0)
        await e.refuse(await e.receive())
        question = await e.receive("time")
        await e.server.answer(question, status=500, code=-1000, msg="An unknown error occurred.")
        for _ in range(9):
            await e.server.answer(await e.receive("time"), status=500, code=-1000, msg="An unknown error occurred.")
        assert code_of(await e.stage.answer_to("order")) == -1021
        assert e.statistics()["held_for_the_clock"] == 0


@pytest.mark.parametrize("is_logged_out", [False, True])
async def test_when_the_session_is_lost_meanwhile_what_is_known_is_told(
    network: MemoryNetwork, is_logged_out: bool
) -> None:
    async with exchange(network) as e:
        e.place("refused")
        e.place("answered never")
        refused, _ = await e.receive(), await e.receive()
        await e.refuse(refused)
        await e.receive("time")
        e.place("not sent")
        await wait_all_tasks_blocked()
        if is_logged_out:
            error = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
            await e.server.send_json({"id": None, "status": 401, "error": error})
        else:
            await e.server.stream.aclose()
        assert code_of(await e.stage.answer_to("refused")) == -1021
        assert isinstance((await e.stage.answer_to("not sent")).error, NotSent)
        assert isinstance((await e.stage.answer_to("answered never")).error, OutcomeUnknown)


async def test_what_was_refused_in_a_row_is_sent_again_in_that_order_and_new_calls_behind_it(
    network: MemoryNetwork,
) -> None:
    """One measurement for all, and nothing is sent meanwhile that would be refused."""
    async with exchange(network) as e:
        e.ahead_ms = JUMP_MS
        names = [f"n{number}" for number in range(5)]
        for name in names:
            e.place(name)
        refused = [await e.receive() for _ in names]
        for request in refused:
            await e.refuse(request)
        question = await e.receive("time")
        await wait_all_tasks_blocked()  # all of them have been heard
        e.place("new")
        e.stage.request(Method.PING, "ping")
        assert (await e.receive("ping"))["method"] == "ping", "what needs no timestamp goes on"
        assert e.statistics()["held_for_the_clock"] == 6
        await e.server.answer(question, {"serverTime": e.now_ms})
        again = [await e.receive() for _ in range(6)]
        assert [request["params"]["newClientOrderId"] for request in again] == [*names, "new"]
        assert all(is_right(request, e.now_ms) for request in again)
        assert e.statistics()["clock_resyncs"] == 1
        assert e.statistics()["sent_again"] == 5


async def test_a_call_that_waited_is_stamped_when_it_leaves(network: MemoryNetwork) -> None:
    async with exchange(network) as e:
        e.stage.link.server_clock.forget()
        e.place("order")
        question = await e.receive("time")
        await trio.sleep(4)
        await e.server.answer(question, {"serverTime": e.now_ms - 2_000})  # read half way
        request = await e.receive()
        assert is_right(request, e.now_ms)
        await e.server.answer(request, {})
        assert code_of(await e.stage.answer_to("order")) is None
        assert e.statistics()["sent_again"] == 0


async def test_a_refusal_of_an_older_stamp_costs_no_further_question(network: MemoryNetwork) -> None:
    async with exchange(network) as e:
        e.ahead_ms = JUMP_MS
        e.place("one")
        e.place("two")
        one, two = await e.receive(), await e.receive()
        await trio.sleep(0.01)
        await e.refuse(one)
        await e.server.answer(await e.receive_telling_time(), {})
        await e.tell_time(2)
        await e.refuse(two)
        await e.server.answer(await e.receive(), {})
        assert code_of(await e.stage.answer_to("two")) is None
        await e.server.send_json({"subscriptionId": 0, "event": NEWS})  # else it would be taken for deaf
        await e.nothing_is_asked()
        assert e.statistics()["clock_resyncs"] == 1


async def test_a_wrong_answer_to_the_question_for_the_time_is_not_believed_when_the_clock_was_right(
    network: MemoryNetwork,
) -> None:
    """The request was too long on its way, which says nothing about the clock."""
    async with exchange(network) as e:
        e.place("order", within_s=30)
        request = await e.receive()
        await trio.sleep(7)
        await e.refuse(request)
        await e.tell_time(wrong_by_ms=30_000)
        again = await e.receive_telling_time()
        assert is_right(again, e.now_ms)


async def test_a_second_jump_is_followed_too(network: MemoryNetwork) -> None:
    async with exchange(network) as e:
        e.place("order")
        e.ahead_ms = JUMP_MS
        await e.refuse(await e.receive())
        await e.tell_time()
        again = await e.receive()
        e.ahead_ms = -JUMP_MS
        outdated = await e.receive("time")
        await trio.sleep(0.01)
        await e.refuse(again, AHEAD)
        await wait_all_tasks_blocked()
        await e.server.answer(outdated, {"serverTime": e.now_ms + 2 * JUMP_MS})  # it had been asked before the refusal
        assert is_right(await e.receive_telling_time(), e.now_ms)


@pytest.mark.parametrize("wording", [OUTDATED, AHEAD, FAR_AHEAD])
async def test_a_logon_is_sent_again_as_well(network: MemoryNetwork, wording: str) -> None:
    async with exchange(network, logs_on=False) as e:
        await e.tell_time(3)
        e.ahead_ms = JUMP_MS if wording == OUTDATED else -JUMP_MS
        refused = await e.receive("session.logon")
        await e.refuse(refused, wording)
        await e.tell_time()
        again = await e.receive("session.logon")
        assert is_right(again, e.now_ms)
        assert again["params"]["signature"] != refused["params"]["signature"]
        await e.tell_time(2)
        await e.server.answer(again)
        await e.server.answer(await e.receive("userDataStream.subscribe"), {"subscriptionId": 0})
        await wait_all_tasks_blocked()
        assert e.stage.states == [SessionReady(epoch=1)]
        assert not any(isinstance(state, LogonFailed) for state in e.stage.states)


@pytest.mark.parametrize("status", [500, 503])
async def test_a_status_that_proves_nothing_repeats_nothing(network: MemoryNetwork, status: int) -> None:
    async with exchange(network) as e:
        e.place("order")
        await e.refuse(await e.receive(), status=status)
        assert code_of(await e.stage.answer_to("order")) == -1021
        await e.nothing_is_asked()


async def test_a_replacement_that_was_carried_out_in_part_is_never_sent_again(network: MemoryNetwork) -> None:
    async with exchange(network) as e:
        e.place("order", Method.ORDER_CANCEL_REPLACE)
        data = {
            "cancelResult": "SUCCESS",
            "newOrderResult": "FAILURE",
            "cancelResponse": {"symbol": "BTCUSDT", "orderId": 1},
            "newOrderResponse": {"code": -1021, "msg": OUTDATED},
        }
        request = await e.receive("order.cancelReplace")
        await e.server.answer(request, status=409, code=-2021, msg="Order cancel-replace partially failed.", data=data)
        assert code_of(await e.stage.answer_to("order")) == -2021
        await e.nothing_is_asked()


async def test_only_so_many_wait(network: MemoryNetwork) -> None:
    async with exchange(network) as e:
        e.stage.link.server_clock.forget()
        for number in range(1000):
            e.place(f"n{number}", within_s=100)
        question = await e.receive("time")
        e.place("one too many")
        answer = await e.stage.answer_to("one too many")
        assert isinstance(answer.error, NotSent)
        await e.server.answer(question, {"serverTime": e.now_ms})
        assert (await e.receive())["params"]["newClientOrderId"] == "n0"
