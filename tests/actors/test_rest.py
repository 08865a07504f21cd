"""Rest: the Calls of a session over HTTP. Writes go once, questions go where there is an answer, limits hold, and each
call has one outcome."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import httpx2
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.rate_limiter import RateLimiter
from dogwatch.actors.rest import Rest
from dogwatch.actors.rest_wire import RestDoor
from dogwatch.actors.server_clock import ServerClock
from dogwatch.actors.session_messages import Call, LateResponse, SessionTopics
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.methods import Method, Params
from dogwatch.actors.spot.outcome import classify
from dogwatch.actors.spot.signing import Signer
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import AskTimeout
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import run_system
from tests.actors.fake_rest import HMAC, MAIN, SPARE, THIRD, FakeRest, after, answer, in_turn, ok, refused

pytestmark = pytest.mark.usefixtures("virtual_clock")

START_MS = 1_767_225_600_000
ORDER, OPEN_ORDERS = "POST /api/v3/order", "GET /api/v3/openOrders"
LOST = httpx2.RemoteProtocolError("Server disconnected without sending a response.")
CANCELING: Params = {"symbol": "BTCUSDT", "origClientOrderId": "a-1"}
NAMELESS: Params = {"symbol": "BTCUSDT"}
PLACING: Params = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1", "newClientOrderId": "a-1"}


class Stage:
    """A Rest actor, the server that it asks, and what it publishes."""

    def __init__(self, door: RestDoor | None, signer: Signer | None, ahead_ms: int) -> None:
        clock = Clock.virtual(START_MS)
        self.server = FakeRest(Clock.virtual(START_MS + ahead_ms))
        self.topics = SessionTopics("rest")
        self.server_clock = ServerClock(clock)
        self.limiter = RateLimiter(clock=clock)
        self.late: list[LateResponse] = []
        self.topics.late_responses.tap(self.late.append, on_error=fail)
        self.actor: Rest
        self.door = self.server.door() if door is None else door
        self.signer = signer
        self.spec = ChildSpec("rest", self._start, actor=Rest)

    def _start(self) -> Rest:
        self.actor = Rest(
            door=self.door,
            topics=self.topics,
            server_clock=self.server_clock,
            limiter=self.limiter,
            signer=self.signer,
            recv_window_ms=5_000,
        )
        return self.actor

    async def ask(self, method: Method, params: Params | None = None, *, within_s: float = 10.0) -> Response:
        return await self.spec.ref.ask(Call(method=method, params=params or {}), within_s=within_s)


class Bytes(httpx2.AsyncByteStream):
    """A body as it is on the wire, not yet decoded."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


def fail(error: Exception) -> None:
    raise error


@asynccontextmanager
async def staged(*origins: str, signer: Signer | None = HMAC, ahead_ms: int = 0) -> AsyncIterator[Stage]:
    stage = Stage(None, signer, ahead_ms)
    stage.door = stage.server.door(*origins)
    async with run_system(SupervisorSpec("top", [stage.spec])):
        yield stage


async def test_an_order_goes_as_a_form_and_its_answer_is_a_response_as_a_session_gives_it() -> None:
    async with staged() as stage:
        stage.server.handlers[ORDER] = in_turn(ok({"orderId": 7}))
        response = await stage.ask(Method.ORDER_PLACE, PLACING)
        assert response.is_ok
        assert bytes(response.result) == b'{"orderId":7}'
        (seen,) = stage.server.asked(ORDER)
        assert seen.query == ""
        assert seen.headers["x-mbx-apikey"] == HMAC.api_key
        sent, _, signature = seen.body.rpartition("&signature=")
        assert signature == HMAC.signature(sent.encode())
        assert seen.params["timestamp"] == str(START_MS)
        assert seen.params["recvWindow"] == "5000"


async def test_the_first_signed_request_has_the_time_of_the_exchange_not_of_this_machine() -> None:
    async with staged(ahead_ms=3_600_000) as stage:
        await stage.ask(Method.ORDER_PLACE, PLACING)
        (seen,) = stage.server.asked(ORDER)
        assert int(seen.params["timestamp"]) == START_MS + 3_600_000
        assert [seen.endpoint for seen in stage.server.seen] == ["GET /api/v3/time", ORDER]


async def test_without_a_key_public_things_are_asked_and_nothing_else() -> None:
    async with staged(signer=None) as stage:
        assert (await stage.ask(Method.EXCHANGE_INFO)).is_ok
        assert [seen.endpoint for seen in stage.server.seen] == ["GET /api/v3/exchangeInfo"]
        with pytest.raises(NotSent, match="needs an API key"):
            await stage.ask(Method.ORDER_PLACE, PLACING)


async def test_what_only_the_websocket_has_is_refused_with_the_way_to_it() -> None:
    async with staged() as stage:
        with pytest.raises(NotSent, match="WebSocket API only") as refusal:
            await stage.ask(Method.SESSION_LOGON)
        assert refusal.value.hint == "ask a session for it"


async def test_a_question_that_cannot_be_built_costs_nothing_either() -> None:
    wrong: Any = {"symbol": "BTCUSDT", "limit": 0.5}
    async with staged(MAIN, SPARE) as stage:
        with pytest.raises(NotSent, match="limit cannot be sent: a float"):
            await stage.ask(Method.DEPTH, wrong)
        assert stage.limiter.statistics()["weight_1_minute"] == 0


async def test_a_call_that_cannot_be_built_is_not_sent_and_costs_nothing() -> None:
    wrong: Any = {**PLACING, "quantity": 0.1}
    async with staged() as stage:
        with pytest.raises(NotSent, match="quantity cannot be sent: a float"):
            await stage.ask(Method.ORDER_PLACE, wrong)
        assert stage.server.asked(ORDER) == []
        assert stage.limiter.statistics()["orders_10_second"] == 0


# What becomes of a request without an answer.


async def test_a_write_is_never_repeated_whatever_happens_to_it() -> None:
    failures = (LOST, httpx2.ReadError("broken"), httpx2.ReadTimeout(""), httpx2.WriteError("broken"))
    for failure in failures:
        async with staged(MAIN, SPARE) as stage:
            stage.server.handlers[ORDER] = in_turn(failure)
            with pytest.raises(OutcomeUnknown, match=r"the connection to https://main\.example was lost"):
                await stage.ask(Method.ORDER_PLACE, PLACING)
            assert len(stage.server.asked(ORDER)) == 1


async def test_a_5xx_is_passed_on_for_who_asked_to_call_it_unknown_and_the_write_is_not_repeated() -> None:
    async with staged(MAIN, SPARE) as stage:
        stage.server.handlers[ORDER] = in_turn(refused(504, -1007, "Timeout waiting for response"))
        response = await stage.ask(Method.ORDER_PLACE, PLACING)
        assert response.status == 504
        assert response.error is not None
        assert response.error.code == -1007
        assert len(stage.server.asked(ORDER)) == 1


async def test_a_write_that_found_no_connection_was_not_sent_and_gives_its_cost_back() -> None:
    async with staged(MAIN, SPARE) as stage:
        stage.server.handlers[f"{MAIN} {ORDER}"] = in_turn(httpx2.ConnectError("refused"))
        with pytest.raises(NotSent, match=r"no connection to https://main\.example"):
            await stage.ask(Method.ORDER_PLACE, PLACING)
        assert stage.limiter.statistics()["orders_10_second"] == 0
        assert (await stage.ask(Method.ORDER_PLACE, PLACING)).is_ok
        assert [seen.origin for seen in stage.server.asked(ORDER)] == [MAIN, SPARE]


async def test_an_answer_that_comes_after_its_asker_has_gone_is_published_as_late() -> None:
    async with staged() as stage:
        stage.server.handlers[ORDER] = after(20, ok({"orderId": 7}))
        with pytest.raises(AskTimeout):
            await stage.ask(Method.ORDER_PLACE, PLACING, within_s=5)
        await trio.sleep(30)
        (late,) = stage.late
        assert late.method is Method.ORDER_PLACE
        assert late.params == PLACING
        assert late.response.is_ok


async def test_a_success_that_nobody_can_read_leaves_the_outcome_unknown() -> None:
    async with staged() as stage:
        stage.server.handlers[ORDER] = in_turn(answer(200, b"<html>please log in</html>"))
        with pytest.raises(OutcomeUnknown, match="the answer cannot be read"):
            await stage.ask(Method.ORDER_PLACE, PLACING)


async def test_what_is_on_its_way_when_rest_stops_is_unknown_and_what_waits_was_not_sent() -> None:
    outcomes: list[str] = []

    async def ask(stage: Stage, method: Method, params: Params) -> None:
        with pytest.raises((NotSent, OutcomeUnknown)) as failure:
            await stage.ask(method, params, within_s=math.inf)
        outcomes.append(f"{method} {type(failure.value).__name__}")

    async with trio.open_nursery() as nursery, staged() as stage:
        stage.server.handlers[ORDER] = after(math.inf, ok({}))
        nursery.start_soon(ask, stage, Method.ORDER_PLACE, PLACING)
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, stage, Method.ORDER_CANCEL, CANCELING)
        await wait_all_tasks_blocked()
    assert sorted(outcomes) == ["order.cancel NotSent", "order.place OutcomeUnknown"]
    assert stage.server.is_closed


async def test_whatever_a_server_answers_each_call_has_one_outcome_and_the_next_is_made(seed: int) -> None:
    random = Random(seed)
    bodies = (
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"code":"x"}',
        b'{"code":1e999,"msg":1}',
        b"\xff" * 9,
        b"[" * 5_000,
        b"<title>",
    )
    names = (b"Retry-After", b"X-MBX-USED-WEIGHT-1M", b"X-MBX-ORDER-COUNT-10S", b"Content-Encoding", b"Date")
    values = (b"", b"-1", b"9" * 30, b"gzip", b"soon", b"\xe9")

    def nonsense(_seen: object) -> httpx2.Response:
        headers = [(random.choice(names), random.choice(values)) for _ in range(3)]
        status = random.choice((100, 200, 200, 204, 301, 400, 403, 404, 409, 499, 500, 599, 999))
        return httpx2.Response(status, headers=headers, stream=Bytes(random.choice(bodies)))

    async with staged(MAIN, SPARE) as stage:
        await stage.ask(Method.TIME)
        stage.server.handlers[MAIN] = stage.server.handlers[SPARE] = nonsense
        for _ in range(150):
            method, params = random.choice(((Method.ORDER_PLACE, PLACING), (Method.OPEN_ORDERS_STATUS, {})))
            try:
                response = await stage.ask(method, params)
            except (NotSent, OutcomeUnknown):
                pass
            else:
                classify(response.status, response.error)
            await trio.sleep(60)
        stage.server.handlers.clear()
        assert (await stage.ask(Method.ORDER_PLACE, PLACING)).is_ok
        assert stage.actor.life == 1


# Where it is asked.


async def test_a_question_goes_to_the_next_base_endpoint_when_the_first_does_not_answer() -> None:
    answers = (
        httpx2.ConnectError("refused"),
        LOST,
        answer(302, b""),
        answer(502, b"<html></html>"),
        refused(503, -1008, "overloaded"),
    )
    for failure in answers:
        async with staged(MAIN, SPARE) as stage:
            stage.server.handlers[f"{MAIN} {OPEN_ORDERS}"] = in_turn(failure)
            assert (await stage.ask(Method.OPEN_ORDERS_STATUS)).is_ok
            assert [seen.origin for seen in stage.server.asked(OPEN_ORDERS)] == [MAIN, SPARE]


async def test_a_silent_base_endpoint_costs_half_of_the_time_and_the_answer_comes_in_time() -> None:
    async with staged(MAIN, SPARE) as stage:
        stage.server.handlers[f"{MAIN} {OPEN_ORDERS}"] = after(math.inf, ok({}))
        assert (await stage.ask(Method.OPEN_ORDERS_STATUS, within_s=8)).is_ok
        assert trio.current_time() == pytest.approx(4, abs=0.1)


async def test_what_has_failed_comes_last_for_a_while() -> None:
    async with staged(MAIN, SPARE) as stage:
        stage.server.handlers[f"{MAIN} {OPEN_ORDERS}"] = in_turn(httpx2.ConnectError("refused"), ok([]))
        await stage.ask(Method.OPEN_ORDERS_STATUS)
        await stage.ask(Method.OPEN_ORDERS_STATUS)
        await trio.sleep(301)
        await stage.ask(Method.OPEN_ORDERS_STATUS)
        assert [seen.origin for seen in stage.server.asked(OPEN_ORDERS)] == [MAIN, SPARE, SPARE, MAIN]


async def test_when_no_base_endpoint_answers_the_last_failure_is_told() -> None:
    async with staged(MAIN, SPARE, THIRD, "https://fourth.example") as stage:
        stage.server.handlers[OPEN_ORDERS] = in_turn(httpx2.ConnectError("refused"))
        with pytest.raises(NotSent, match=r"no connection to https://third\.example"):
            await stage.ask(Method.OPEN_ORDERS_STATUS)
        assert len(stage.server.asked(OPEN_ORDERS)) == 3


async def test_each_time_that_it_is_asked_is_counted() -> None:
    async with staged(MAIN, SPARE) as stage:
        stage.server.handlers[f"{MAIN} {OPEN_ORDERS}"] = in_turn(LOST)
        await stage.ask(Method.TIME)
        before = stage.limiter.statistics()["weight_1_minute"]
        await stage.ask(Method.OPEN_ORDERS_STATUS, {"symbol": "BTCUSDT"})
        assert stage.limiter.statistics()["weight_1_minute"] - before == 2 * 6


async def test_public_data_without_a_key_comes_from_where_nothing_else_is_served() -> None:
    for signer, origin in ((None, SPARE), (HMAC, MAIN)):
        stage = Stage(None, signer, 0)
        stage.door = stage.server.door(MAIN, market_data=SPARE)
        async with run_system(SupervisorSpec("top", [stage.spec])):
            await stage.ask(Method.EXCHANGE_INFO)
            assert [seen.origin for seen in stage.server.seen] == [origin]


# Limits.


async def test_the_counts_in_the_headers_are_heeded() -> None:
    async with staged() as stage:
        stage.server.handlers[OPEN_ORDERS] = in_turn(ok([], X_MBX_USED_WEIGHT_1M="4000"))
        await stage.ask(Method.TIME)
        await trio.sleep(20)  # near the beginning of a minute nobody knows which one an answer means
        await stage.ask(Method.OPEN_ORDERS_STATUS, {"symbol": "BTCUSDT"})
        assert stage.limiter.statistics()["weight_1_minute"] == 4_000


@pytest.mark.parametrize(("status", "is_ban"), [(429, False), (418, True)])
@pytest.mark.parametrize("body", [b'{"code":-1003,"msg":"Too much request weight used"}', b"<html>slow down</html>"])
async def test_after_too_much_nothing_is_sent_for_as_long_as_retry_after_says(
    status: int, is_ban: bool, body: bytes
) -> None:
    async with staged() as stage:
        stage.server.handlers[OPEN_ORDERS] = in_turn(answer(status, body, Retry_After="47"), ok([]))
        assert (await stage.ask(Method.OPEN_ORDERS_STATUS)).status == status
        assert stage.limiter.is_banned() is is_ban
        with pytest.raises(NotSent) as refusal:
            await stage.ask(Method.OPEN_ORDERS_STATUS, within_s=10)
        assert refusal.value.retry_after_s == pytest.approx(47, abs=0.1)
        assert (await stage.ask(Method.OPEN_ORDERS_STATUS, within_s=60)).is_ok
        assert trio.current_time() == pytest.approx(47, abs=0.1)


async def test_too_many_orders_silence_nobody() -> None:
    async with staged() as stage:
        stage.server.handlers[ORDER] = in_turn(refused(429, -1015, "Too many new orders", Retry_After="9"))
        assert (await stage.ask(Method.ORDER_PLACE, PLACING)).status == 429
        assert (await stage.ask(Method.OPEN_ORDERS_STATUS)).is_ok


async def test_at_most_so_many_requests_are_on_the_wire_at_once_and_the_others_wait() -> None:
    async with staged() as stage:
        stage.server.handlers["GET /api/v3/depth"] = after(1, ok({}))

        async def ask() -> None:
            assert (await stage.ask(Method.EXCHANGE_INFO)).is_ok

        stage.server.handlers["GET /api/v3/exchangeInfo"] = after(1, ok({}))
        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(ask)
            await trio.sleep(0.5)
            assert len(stage.server.seen) == 32
        assert trio.current_time() == pytest.approx(2, abs=0.1)


# The order of things.


async def test_a_cancel_waits_for_the_answer_to_the_placing_of_its_order() -> None:
    async with staged() as stage:
        await stage.ask(Method.TIME)
        stage.server.handlers[ORDER] = after(2, ok({}))

        async def place() -> None:
            await stage.ask(Method.ORDER_PLACE, PLACING)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(place)
            await wait_all_tasks_blocked()
            await stage.ask(Method.ORDER_CANCEL, CANCELING)
        assert [(seen.endpoint, seen.at_s) for seen in stage.server.seen[1:]] == [
            (ORDER, 0),
            ("DELETE /api/v3/order", 2),
        ]


async def test_a_cancel_waits_no_longer_than_whoever_has_placed_the_order() -> None:
    async with staged() as stage:
        await stage.ask(Method.TIME)
        stage.server.handlers[ORDER] = after(40, ok({}))
        with pytest.raises(AskTimeout):
            await stage.ask(Method.ORDER_PLACE, PLACING, within_s=5)
        assert (await stage.ask(Method.ORDER_CANCEL, CANCELING)).is_ok
        assert trio.current_time() == pytest.approx(5, abs=0.1)


async def test_a_cancel_by_order_id_does_not_wait_for_placings_without_a_name() -> None:
    async with staged() as stage:
        stage.server.handlers[ORDER] = after(2, ok({}))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.ask, Method.ORDER_PLACE, NAMELESS)
            await wait_all_tasks_blocked()
            await stage.ask(Method.ORDER_CANCEL, {"symbol": "BTCUSDT", "orderId": 7})
            assert trio.current_time() < 0.1


async def test_a_cancel_does_not_wait_for_questions_that_hang() -> None:
    async with staged() as stage:
        stage.server.handlers[OPEN_ORDERS] = after(9, ok([]))
        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(stage.ask, Method.OPEN_ORDERS_STATUS)
            await trio.sleep(1)
            await stage.ask(Method.ORDER_CANCEL, CANCELING)
            assert trio.current_time() == pytest.approx(1, abs=0.1)
            nursery.cancel_scope.cancel()


async def test_who_was_given_too_little_time_is_not_avoided() -> None:
    async with staged(MAIN, SPARE) as stage:
        stage.server.handlers[MAIN] = after(5, ok([]))
        with pytest.raises((OutcomeUnknown, AskTimeout)):
            await stage.ask(Method.EXCHANGE_INFO, within_s=0.1)
        assert stage.actor.statistics()["origin"] == MAIN


async def test_a_cancel_of_another_order_does_not_wait() -> None:
    async with staged() as stage:
        stage.server.handlers[ORDER] = after(2, ok({}))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.ask, Method.ORDER_PLACE, PLACING)
            await wait_all_tasks_blocked()
            await stage.ask(Method.ORDER_CANCEL, {"symbol": "BTCUSDT", "origClientOrderId": "b-1"})
            assert trio.current_time() < 0.1


# The clock.

STAMP_REFUSED = refused(400, -1021, "Timestamp for this request is outside of the recvWindow.")


async def test_what_is_turned_away_for_its_timestamp_is_sent_again_with_another() -> None:
    async with staged() as stage:
        await stage.ask(Method.TIME)
        stage.server.clock = Clock.virtual(START_MS + 60_000)  # it has moved
        stage.server.handlers[ORDER] = in_turn(STAMP_REFUSED, ok({"orderId": 7}))
        assert (await stage.ask(Method.ORDER_PLACE, PLACING)).is_ok
        first, second = stage.server.asked(ORDER)
        assert int(second.params["timestamp"]) - int(first.params["timestamp"]) == 60_000
        assert stage.actor.statistics()["sent_again"] == 1


async def test_it_is_sent_again_a_few_times_at_most_and_then_the_refusal_is_the_answer() -> None:
    async with staged() as stage:
        stage.server.handlers[ORDER] = in_turn(STAMP_REFUSED)
        response = await stage.ask(Method.ORDER_PLACE, PLACING)
        assert response.error is not None
        assert response.error.code == -1021
        assert len(stage.server.asked(ORDER)) == 3


async def test_when_the_clock_cannot_be_read_nothing_signed_is_sent() -> None:
    async with staged() as stage:
        stage.server.handlers["GET /api/v3/time"] = in_turn(httpx2.ConnectError("refused"))
        with pytest.raises(NotSent, match="the exchange's clock could not be read"):
            await stage.ask(Method.ORDER_PLACE, PLACING)
        assert stage.server.asked(ORDER) == []
        assert stage.limiter.statistics()["orders_10_second"] == 0


async def test_an_order_that_waits_for_the_clock_in_vain_is_known_not_to_have_been_sent() -> None:
    async with staged() as stage:
        stage.server.handlers["GET /api/v3/time"] = after(30, ok({}))
        with pytest.raises(NotSent, match="no time left to send it"):
            await stage.ask(Method.ORDER_PLACE, PLACING, within_s=3)
        assert trio.current_time() == pytest.approx(3, abs=0.1)
        assert stage.server.asked(ORDER) == []


async def test_a_measurement_that_contradicts_the_others_stops_nothing() -> None:
    async with staged() as stage:
        for _ in range(4):
            await stage.ask(Method.TIME)
        stage.server.clock = Clock.virtual(START_MS + 900)
        await stage.ask(Method.TIME)
        before = len(stage.server.seen)
        assert (await stage.ask(Method.ORDER_PLACE, PLACING)).is_ok
        assert len(stage.server.seen) == before + 1
