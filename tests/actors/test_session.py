"""The session: one outcome for every call, whatever the exchange and the network do."""

from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.actors.session import Call, LogonFailed, SessionLost, SessionReady
from dogwatch.actors.spot.envelope import MalformedFrame, Response
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.keys import Ed25519Key
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.signing import Ed25519Signer, HmacSigner, payload
from dogwatch.actors.spot.user_events import BalanceUpdate, ServerShutdown
from dogwatch.runtime.errors import AskTimeout, ConfigError
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.api_stage import API_KEY, ED25519, NEWS, fail, revoke, staged

pytestmark = pytest.mark.usefixtures("virtual_clock")

ORDER: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}


def signature_is_right(request: dict[str, Any], key: Ed25519Key) -> bool:
    params = request["params"]
    signed = Ed25519Signer(params["apiKey"], key).sign({k: v for k, v in params.items() if k != "signature"})
    return bool(signed["signature"] == params["signature"])


# Logging on.


async def test_it_reads_the_clock_logs_on_subscribes_and_is_ready(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        await stage.answer_times(server)
        logon = await stage.expect(server, "session.logon")
        assert set(logon["params"]) == {"apiKey", "timestamp", "signature"}
        assert logon["params"]["apiKey"] == API_KEY
        assert signature_is_right(logon, Ed25519Key(bytes(32)))
        assert stage.states == []
        await server.answer(logon)
        subscribe = await stage.expect(server, "userDataStream.subscribe")
        assert "params" not in subscribe
        await server.answer(subscribe, {"subscriptionId": 0})
        await trio.testing.wait_all_tasks_blocked()
        assert stage.states == [SessionReady(epoch=1)]


async def test_the_timestamp_is_the_servers_time_however_wrong_this_machines_clock(network: MemoryNetwork) -> None:
    async with staged(network, server_ahead_ms=3_600_000) as stage:
        server = await stage.accept()
        await stage.answer_times(server)
        logon = await stage.expect(server, "session.logon")
        assert abs(logon["params"]["timestamp"] - stage.server_time.unix_ms()) <= 1


async def test_an_hmac_key_signs_every_request_and_subscribes_with_a_signature(network: MemoryNetwork) -> None:
    signer = HmacSigner(API_KEY, "secret")
    async with staged(network, signer=signer) as stage:
        server = await stage.accept()
        await stage.answer_times(server)
        subscribe = await stage.expect(server, "userDataStream.subscribe.signature")
        assert set(subscribe["params"]) == {"apiKey", "timestamp", "signature"}
        await server.answer(subscribe, {"subscriptionId": 0})
        await trio.testing.wait_all_tasks_blocked()
        assert stage.states == [SessionReady(epoch=1)]
        stage.request(Method.ORDER_PLACE, "order", dict(ORDER))
        params = (await stage.expect(server, "order.place"))["params"]
        signature = params.pop("signature")
        assert signer.sign(params)["signature"] == signature
        assert "timestamp=" in payload(params)
        with pytest.raises(NotSent, match="only an Ed25519 key of the session's own account logs on") as failure:
            await stage.session.ask(Call(method=Method.SESSION_LOGON), within_s=5)
        assert "nothing needs to be logged on" in failure.value.hint


async def test_without_a_key_public_calls_work_and_others_are_refused_here(network: MemoryNetwork) -> None:
    async with staged(network, signer=None) as stage:
        server = await stage.establish(logs_on=False, subscribes=False)
        assert stage.states == [SessionReady(epoch=1)]
        stage.request(Method.EXCHANGE_INFO, "info", {"symbol": "BTCUSDT"})
        stage.request(Method.ORDER_PLACE, "order", dict(ORDER))
        request = await stage.expect(server, "exchangeInfo")
        assert request["params"] == {"symbol": "BTCUSDT"}
        await server.answer(request, {"symbols": []})
        answer = await stage.answer_to("info")
        assert isinstance(answer.value, Response)
        refusal = (await stage.answer_to("order")).error
        assert isinstance(refusal, NotSent)
        assert "needs an API key" in str(refusal)


@pytest.mark.parametrize(
    ("code", "wording", "hint"),
    [
        (-2015, "Invalid API-key, IP, or permissions for action.", "IP list"),
        (-1022, "Signature for this request is not valid.", "does not belong to this API key"),
        (-2028, "HMAC-SHA-256 API key is not supported.", "Ed25519"),
    ],
)
async def test_a_key_that_is_refused_for_good_stops_the_link_with_a_clear_reason(
    network: MemoryNetwork, code: int, wording: str, hint: str
) -> None:
    async def log_on() -> None:
        async with staged(network) as stage:
            server = await stage.accept()
            await stage.answer_times(server)
            await server.answer(await stage.expect(server, "session.logon"), status=400, code=code, msg=wording)
            await trio.sleep(60)

    with pytest.raises(ConfigError, match=f"account: the exchange refuses the API key: .*{code}.*{hint}"):
        await log_on()


@pytest.mark.parametrize(
    ("code", "wording"),
    [
        (-1021, "Timestamp for this request is outside of the recvWindow."),
        (-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."),  # too far ahead
    ],
)
async def test_a_logon_that_is_refused_for_its_timestamp_three_times_is_tried_again_later(
    network: MemoryNetwork, code: int, wording: str
) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        logons = 0
        while logons < 4:
            request = await server.next_request()
            if request["method"] == "time":
                await server.answer(request, {"serverTime": stage.server_time.unix_ms()})
                continue
            logons += 1
            assert request["method"] == "session.logon"
            if logons < 4:
                await server.answer(request, status=400, code=code, msg=wording)
            else:
                await server.answer(request)
        await server.answer(await stage.expect(server, "userDataStream.subscribe"), {"subscriptionId": 0})
        await trio.testing.wait_all_tasks_blocked()
        failed, ready = stage.states
        assert isinstance(failed, LogonFailed)
        assert wording in failed.reason
        assert failed.hint
        assert ready == SessionReady(epoch=1)


async def test_a_limit_is_waited_out_as_long_as_the_exchange_says(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        await stage.answer_times(server)
        logon = await stage.expect(server, "session.logon")
        until_ms = stage.server_time.unix_ms() + 40_000
        await server.answer(
            logon, status=429, code=-1003, msg="Too much request weight used", data={"retryAfter": until_ms}
        )
        await stage.expect(server, "time")
        assert stage.server_time.unix_ms() >= until_ms - 2
        assert isinstance(stage.states[0], LogonFailed)
        assert stage.states[0].retry_in_s == pytest.approx(40, abs=0.1)


async def test_a_logon_that_nobody_answers_costs_the_socket_and_not_the_session(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.accept()
        await stage.answer_times(server)
        await stage.expect(server, "session.logon")
        await stage.establish()
        assert stage.states == [SessionReady(epoch=2)]
        assert stage.node("session").life == 1


async def test_a_subscription_that_stands_already_is_as_good_as_a_new_one(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish(subscribes=False)
        subscribe = await stage.expect(server, "userDataStream.subscribe")
        await server.answer(subscribe, status=400, code=-2035, msg="Subscription already active")
        await trio.testing.wait_all_tasks_blocked()
        assert stage.states == [SessionReady(epoch=1)]


# Calls.


async def test_a_call_is_stamped_when_it_is_sent_and_not_signed_within_a_session(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        await trio.sleep(40)
        stage.request(Method.ORDER_PLACE, "order", dict(ORDER))
        request = await stage.expect(server, "order.place")
        timestamp = request["params"].pop("timestamp")
        assert abs(timestamp - stage.server_time.unix_ms()) <= 1
        assert request["params"] == ORDER


async def test_answers_find_their_calls_in_any_order(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        for number in range(20):
            stage.request(Method.ORDER_STATUS, str(number), {"symbol": "BTCUSDT", "orderId": number})
        requests = [await stage.expect(server, "order.status") for _ in range(20)]
        for request in reversed(requests):
            await server.answer(request, {"orderId": request["params"]["orderId"]})
        for number in range(20):
            answer = await stage.answer_to(str(number))
            assert bytes(answer.value.result) == b'{"orderId":%d}' % number


async def test_a_refusal_is_an_answer_and_not_an_error(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        stage.request(Method.ORDER_PLACE, "order", dict(ORDER))
        request = await stage.expect(server, "order.place")
        await server.answer(request, status=400, code=-2010, msg="Account has insufficient balance.")
        answer = await stage.answer_to("order")
        assert answer.error is None
        assert (answer.value.status, answer.value.error.code) == (400, -2010)


async def test_before_the_logon_account_calls_are_not_sent(network: MemoryNetwork) -> None:
    network.reachable = False
    async with staged(network) as stage:
        stage.request(Method.ORDER_PLACE, "no connection", dict(ORDER))
        error = (await stage.answer_to("no connection")).error
        assert isinstance(error, NotSent)
        assert "no connection" in str(error)
        network.reachable = True
        await stage.accept()
        await trio.testing.wait_all_tasks_blocked()
        stage.request(Method.ORDER_PLACE, "no logon", dict(ORDER))
        error = (await stage.answer_to("no logon")).error
        assert isinstance(error, NotSent)
        assert "not logged on yet" in str(error)


async def test_a_call_that_cannot_be_encoded_is_not_sent_and_harms_nobody(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        stage.request(Method.ORDER_PLACE, "bad", {"symbol": object()})  # type: ignore[dict-item]  # that is the mistake
        error = (await stage.answer_to("bad")).error
        assert isinstance(error, NotSent)
        assert "mistake" in error.hint
        stage.request(Method.PING, "good")
        await server.answer(await stage.expect(server, "ping"))
        assert (await stage.answer_to("good")).value.is_ok


async def test_calls_in_flight_are_bounded_and_those_nobody_waits_for_make_room(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        await stage.establish()
        for number in range(1000):
            stage.request(Method.PING, str(number), within_s=5)
        stage.request(Method.PING, "too many")
        error = (await stage.answer_to("too many")).error
        assert isinstance(error, NotSent)
        assert "1000 calls are in flight" in str(error)
        await trio.sleep(6)
        stage.request(Method.PING, "again", within_s=5)
        assert isinstance((await stage.answer_to("again")).error, AskTimeout)


async def test_round_trips_of_order_calls_are_kept_for_reports(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        stage.request(Method.ORDER_PLACE, "order", dict(ORDER))
        stage.request(Method.PING, "ping")
        for _ in range(2):
            await server.answer(await server.next_request())
        await stage.answer_to("ping")
        (round_trip_us,) = stage.link.topics.round_trips_us
        assert 0 < round_trip_us < 10_000_000


# What others get wrong.


async def test_a_late_answer_disturbs_nothing_and_is_published_as_evidence(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        stage.request(Method.ORDER_PLACE, "slow", dict(ORDER), within_s=2)
        request = await stage.expect(server, "order.place")
        assert isinstance((await stage.answer_to("slow")).error, AskTimeout)
        stage.request(Method.ORDER_PLACE, "next", dict(ORDER))
        following = await stage.expect(server, "order.place")
        await server.answer(request, {"orderId": 1})
        await server.answer(following, {"orderId": 2})
        await server.send_json({"subscriptionId": 0, "event": NEWS})
        answer = await stage.answer_to("next")
        assert bytes(answer.value.result) == b'{"orderId":2}'
        (late,) = stage.late
        assert (late.method, late.params) == (Method.ORDER_PLACE, ORDER)
        assert bytes(late.response.result) == b'{"orderId":1}'
        await trio.testing.wait_all_tasks_blocked()
        assert len(stage.events) == 1
        assert stage.states == [SessionReady(epoch=1)]


async def test_a_cancelled_asker_leaves_the_session_unharmed(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        with trio.move_on_after(1):
            await stage.session.ask(Call(method=Method.ORDER_PLACE, params=dict(ORDER)), within_s=60)
        await server.answer(await stage.expect(server, "order.place"), {"orderId": 1})
        await trio.testing.wait_all_tasks_blocked()
        assert len(stage.late) == 1


async def test_a_drop_in_flight_settles_written_as_unknown_and_unsent_as_not_sent_in_the_same_scheduler_pass(
    network: MemoryNetwork,
) -> None:
    network.capacity_bytes = 500
    async with staged(network) as stage:
        await stage.establish()
        stage.request(Method.ORDER_PLACE, "written", {**ORDER, "newClientOrderId": "x" * 2000})
        await trio.testing.wait_all_tasks_blocked()
        stage.request(Method.ORDER_PLACE, "unsent", dict(ORDER))
        await trio.testing.wait_all_tasks_blocked()
        outcomes: dict[str, object] = {}

        def look(_state: object) -> None:
            """Called in the middle of the very step in which the loss is told, after the session has heard of it."""
            mailbox = stage.asker.ref.mailbox
            while (entry := mailbox.take()) is not None:
                outcomes[entry[0].tag] = entry[0].error

        stage.link.lines[0].topics.states.tap(look, on_error=fail)
        network.connections[-1].cut()
        await trio.testing.wait_all_tasks_blocked()
        assert isinstance(outcomes["written"], OutcomeUnknown)
        assert isinstance(outcomes["unsent"], NotSent)
        assert "the link was lost: the connection broke" in str(outcomes["written"])
        assert isinstance(stage.states[-1], SessionLost)


async def test_after_a_drop_the_session_is_whole_again_with_its_subscription(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        await server.stream.aclose()
        server = await stage.establish()
        await server.send_json({"subscriptionId": 0, "event": NEWS})
        stage.request(Method.ORDER_PLACE, "order", dict(ORDER))
        await server.answer(await stage.expect(server, "order.place"))
        assert (await stage.answer_to("order")).value.is_ok
        assert [type(state) for state in stage.states] == [SessionReady, SessionLost, SessionReady]
        assert isinstance(stage.events[0].event, BalanceUpdate)


async def test_two_accounts_in_one_process_never_see_each_others_events() -> None:
    """Both have subscription 0, on sockets of their own."""
    networks = MemoryNetwork(), MemoryNetwork()
    async with staged(networks[0]) as first, staged(networks[1]) as second:
        first_server, second_server = await first.establish(), await second.establish()
        await first_server.send_json({"subscriptionId": 0, "event": {**NEWS, "a": "ONE"}})
        await second_server.send_json({"subscriptionId": 0, "event": {**NEWS, "a": "TWO"}})
        await trio.testing.wait_all_tasks_blocked()
        for stage, asset in ((first, "ONE"), (second, "TWO")):
            (event,) = stage.events
            assert isinstance(event.event, BalanceUpdate)
            assert event.event.asset == asset


async def test_a_revoked_key_settles_the_accounts_calls_and_is_tried_once_more(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        stage.request(Method.ORDER_PLACE, "order", dict(ORDER))
        stage.request(Method.EXCHANGE_INFO, "public")
        order = await stage.expect(server, "order.place")
        public = await stage.expect(server, "exchangeInfo")
        await revoke(stage, server)
        assert isinstance((await stage.answer_to("order")).error, OutcomeUnknown)
        assert stage.unmatched[0].id is None
        await stage.answer_times(server)
        await server.answer(await stage.expect(server, "session.logon"))
        await server.answer(await stage.expect(server, "userDataStream.subscribe"), {"subscriptionId": 1})
        await server.answer(public)
        await server.answer(order, {"orderId": 7})
        assert (await stage.answer_to("public")).value.is_ok
        await trio.testing.wait_all_tasks_blocked()
        assert [type(state) for state in stage.states] == [SessionReady, SessionLost, SessionReady]
        assert [late.method for late in stage.late] == [Method.ORDER_PLACE]


async def test_a_subscription_that_the_exchange_ends_is_made_anew(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        await server.send_json({"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}})
        await stage.answer_times(server)
        await server.answer(await stage.expect(server, "session.logon"))
        await server.answer(await stage.expect(server, "userDataStream.subscribe"), {"subscriptionId": 1})
        await trio.testing.wait_all_tasks_blocked()
        assert [type(state) for state in stage.states] == [SessionReady, SessionLost, SessionReady]


async def test_a_shutdown_notice_reaches_the_listeners_of_the_events(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        await server.send_json({"event": {"e": "serverShutdown", "E": 1}})
        await trio.testing.wait_all_tasks_blocked()
        assert isinstance(stage.events[0].event, ServerShutdown)


async def test_an_answer_that_cannot_be_read_makes_its_call_unknown_at_once(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        stage.request(Method.ORDER_PLACE, "order", dict(ORDER))
        request = await stage.expect(server, "order.place")
        await server.send_json({"id": request["id"], "status": "fine"})
        error = (await stage.answer_to("order")).error
        assert isinstance(error, OutcomeUnknown)
        assert "cannot be read" in str(error)
        assert isinstance(stage.unmatched[0], MalformedFrame)


@settings(max_examples=50)
@given(st.binary(max_size=60))
def test_no_frame_whatever_crashes_the_session(noise: bytes) -> None:
    async def main() -> None:
        async with staged(MemoryNetwork()) as stage:
            server = await stage.establish()
            await server.stream.send_all(bytes((0x82, len(noise))) + noise)
            await trio.testing.wait_all_tasks_blocked()
            assert stage.node("session").life == 1

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_an_unknown_id_is_counted_and_published(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        await server.send_json({"id": 999_999, "status": 200, "result": {}})
        await server.send_json({"id": "stranger", "status": 200, "result": {}})
        await trio.testing.wait_all_tasks_blocked()
        assert [answer.id for answer in stage.unmatched] == [999_999, "stranger"]
        assert stage.node("session").statistics["unmatched"] == 2


# Lives.


async def test_a_session_that_crashes_begins_anew_on_a_new_socket(network: MemoryNetwork) -> None:
    async with staged(network) as stage:
        server = await stage.establish()
        stage.request(Method.ORDER_PLACE, "in flight", dict(ORDER))
        await stage.expect(server, "order.place")
        stage.link.lines[0].topics.frames.publish("no batch")  # type: ignore[arg-type]  # crashes its listeners
        await stage.establish()
        assert trio.current_time() < 5, "at once, and not because nobody answers on the old socket"
        assert stage.states[-1] == SessionReady(epoch=2)
        assert isinstance(stage.states[-2], SessionLost)
        error = (await stage.answer_to("in flight")).error
        assert error is not None
        assert not isinstance(error, NotSent)


async def test_a_stop_settles_what_is_in_flight(network: MemoryNetwork) -> None:
    outcome: list[Exception] = []

    async def ask() -> None:
        try:
            await stage.session.ask(Call(method=Method.ORDER_PLACE, params=dict(ORDER)), within_s=60)
        except OutcomeUnknown as error:
            outcome.append(error)

    async with trio.open_nursery() as nursery:
        async with staged(network) as stage:
            server = await stage.establish()
            nursery.start_soon(ask)
            await stage.expect(server, "order.place")
            nursery.start_soon(server.answer_close)
        assert [str(error) for error in outcome] == [
            "the session was stopped (ask for the order's status before doing anything else)"
        ]
        assert stage.states[-1] == SessionLost(epoch=1, reason="the session was stopped")


def test_secrets_never_show_in_the_representation_of_anything() -> None:
    assert API_KEY not in repr(ED25519)
    assert API_KEY not in repr(Call(method=Method.PING))
