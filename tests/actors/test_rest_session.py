"""A session over REST: it says when the exchange can be reached and takes the key, and when that is no longer so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
import trio

from dogwatch.actors.link import ApiLink
from dogwatch.actors.rest_link import rest_link
from dogwatch.actors.session_messages import Call, KeyRefused, LogonFailed, SessionLost, SessionReady, SessionState
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.signing import Signer
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.specs import SupervisorSpec
from dogwatch.runtime.system import run_system
from tests.actors.fake_rest import HMAC, FakeRest, Handler, answer, in_turn, ok, refused

pytestmark = pytest.mark.usefixtures("virtual_clock")

START_MS = 1_767_225_600_000
ACCOUNT, OPEN_ORDERS = "GET /api/v3/account", "GET /api/v3/openOrders"
KEY_REFUSED = refused(401, -2015, "Invalid API-key, IP, or permissions for action.")
UNREACHABLE = httpx2.ConnectError("refused")


class Stage:
    """A link over REST, the server behind it, and the states that it has published."""

    def __init__(self, signer: Signer | None) -> None:
        clock = Clock.virtual(START_MS)
        self.server = FakeRest(Clock.virtual(START_MS + 5_000))
        self.link: ApiLink = rest_link("link", door=self.server.door(), clock=clock, signer=signer)
        self.states: list[tuple[SessionState, float]] = []
        self.link.topics.states.tap(lambda state: self.states.append((state, trio.current_time())), on_error=fail)

    def kinds(self) -> list[type[SessionState]]:
        return [type(state) for state, _ in self.states]

    def every_answer(self, handler: Handler) -> None:
        for endpoint in (ACCOUNT, OPEN_ORDERS, "GET /api/v3/time"):
            self.server.handlers[endpoint] = handler


def fail(error: Exception) -> None:
    raise error


@asynccontextmanager
async def staged(signer: Signer | None = HMAC) -> AsyncIterator[Stage]:
    stage = Stage(signer)
    async with run_system(SupervisorSpec("top", [stage.link.spec])):
        yield stage


async def test_it_is_ready_when_the_clock_is_known_and_the_key_is_taken_and_says_that_no_events_come() -> None:
    async with staged() as stage:
        await trio.sleep(1)
        ((state, at_s),) = stage.states
        assert state == SessionReady(epoch=1, hears_events=False)
        assert at_s == pytest.approx(0, abs=0.1)
        assert [seen.endpoint for seen in stage.server.seen[:4]] == ["GET /api/v3/time"] * 3 + [ACCOUNT]
        assert stage.link.server_clock.now_ms() == START_MS + 6_000


async def test_without_a_key_nobody_asks_for_an_account() -> None:
    async with staged(signer=None) as stage:
        await trio.sleep(1)
        assert stage.kinds() == [SessionReady]
        assert stage.server.asked(ACCOUNT) == []


async def test_a_key_that_is_refused_at_the_first_time_is_a_mistake_in_the_configuration() -> None:
    stage = Stage(HMAC)
    stage.server.handlers[ACCOUNT] = in_turn(KEY_REFUSED)
    with pytest.raises(ConfigError, match="the exchange refuses the API key"):
        async with run_system(SupervisorSpec("top", [stage.link.spec])):
            await trio.sleep(1)


async def test_a_key_that_was_good_and_is_refused_is_a_state_and_it_is_tried_again() -> None:
    async with staged() as stage:
        await trio.sleep(1)
        stage.server.handlers[ACCOUNT] = in_turn(KEY_REFUSED, KEY_REFUSED, ok({}))
        stage.server.handlers[OPEN_ORDERS] = in_turn(KEY_REFUSED)
        await stage.link.session.ask(Call(method=Method.OPEN_ORDERS_STATUS), within_s=5)
        await trio.sleep(10)
        assert stage.kinds() == [SessionReady, SessionLost, KeyRefused]
        assert "Invalid API-key" in stage.link.topics.key_refusal
        await trio.sleep(300)
        assert stage.kinds()[3:] == [SessionReady]
        assert stage.link.topics.key_refusal == ""


async def test_what_the_key_may_not_do_is_no_reason_to_stop() -> None:
    async with staged() as stage:
        await trio.sleep(1)
        stage.server.handlers[OPEN_ORDERS] = in_turn(KEY_REFUSED)
        await stage.link.session.ask(Call(method=Method.OPEN_ORDERS_STATUS), within_s=5)
        await trio.sleep(10)
        assert stage.kinds() == [SessionReady]


async def test_while_it_cannot_be_reached_it_is_tried_ever_less_often_and_told_each_time() -> None:
    stage = Stage(HMAC)
    stage.every_answer(in_turn(*[UNREACHABLE] * 4, ok({"serverTime": START_MS})))
    async with run_system(SupervisorSpec("top", [stage.link.spec])):
        await trio.sleep(60)
        assert stage.kinds() == [LogonFailed] * 4 + [SessionReady]
        assert [round(at_s) for _, at_s in stage.states] == [0, 1, 3, 7, 15]


async def test_something_in_front_of_the_exchange_is_not_the_exchange() -> None:
    stage = Stage(HMAC)
    stage.every_answer(in_turn(answer(502, b"<html>Bad Gateway</html>")))
    async with run_system(SupervisorSpec("top", [stage.link.spec])):
        await trio.sleep(10)
    assert set(stage.kinds()) == {LogonFailed}


async def test_it_is_lost_when_nothing_is_answered_for_a_while_and_ready_again_in_another_epoch() -> None:
    async with staged() as stage:
        await trio.sleep(1)
        stage.every_answer(in_turn(UNREACHABLE))
        await trio.sleep(60)
        assert stage.kinds()[:2] == [SessionReady, SessionLost]
        lost, at_s = stage.states[1]
        assert isinstance(lost, SessionLost)
        assert lost.reason == "no request was answered for 45 s"
        assert at_s == pytest.approx(45, abs=2)
        stage.server.handlers.clear()
        stage.server.handlers["GET /api/v3/time"] = in_turn(ok({"serverTime": START_MS + 70_000}))
        await trio.sleep(60)
        assert stage.states[-1][0] == SessionReady(epoch=2, hears_events=False)


async def test_who_answers_is_asked_now_and_then_and_stays() -> None:
    async with staged() as stage:
        await trio.sleep(600)
        assert stage.kinds() == [SessionReady]
        assert 40 <= len(stage.server.asked("GET /api/v3/time")) <= 60


async def test_a_stop_is_told_as_a_loss() -> None:
    async with staged() as stage:
        await trio.sleep(1)
    assert stage.kinds() == [SessionReady, SessionLost]
