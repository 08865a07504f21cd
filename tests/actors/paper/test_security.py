"""Who may ask for what: keys, signatures, timing, the session that stands in for them, user data subscriptions."""

from typing import Any

import pytest

from tests.actors.paper.counter import LIMIT_ORDER, NOW_MS, Counter, error_of, sign_with_ed25519, sign_with_hmac

INVALID_KEY = (401, -2015, "Invalid API-key, IP, or permissions for action.")
INVALID_SIGNATURE = (400, -1022, "Signature for this request is not valid.")
TOO_OLD = (400, -1021, "Timestamp for this request is outside of the recvWindow.")
TOO_EARLY = (400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
NOT_LOGGED_ON = (400, -1193, "WebSocket session not authenticated. Recommendation: use `session.logon`")


def missing(name: str) -> tuple[int, int, str]:
    return 400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."


def test_both_kinds_of_keys_sign_requests() -> None:
    counter = Counter()
    assert counter.ask_signed("account.status")["status"] == 200
    signed = sign_with_ed25519({"timestamp": NOW_MS}, counter.material)
    assert counter.ask("account.status", signed)["status"] == 200


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"apiKey": None}, missing("apiKey")),
        ({"signature": None}, missing("signature")),
        ({"signature": ""}, missing("signature")),
        ({"timestamp": None}, missing("timestamp")),
        ({"apiKey": "short"}, (401, -2014, "API-key format invalid.")),
        ({"apiKey": 5}, (401, -2014, "API-key format invalid.")),
        ({"apiKey": "x" * 64}, INVALID_KEY),
        ({"signature": "0" * 64}, INVALID_SIGNATURE),
        ({"signature": 5}, INVALID_SIGNATURE),
        ({"timestamp": NOW_MS + 1}, INVALID_SIGNATURE),
    ],
)
def test_a_key_or_signature_that_does_not_hold_is_refused(changed: dict[str, Any], expected: Any) -> None:
    counter = Counter()
    signed = {**sign_with_hmac({"timestamp": NOW_MS}, counter.material), **changed}
    assert error_of(counter.ask("account.status", signed)) == expected


def test_nobody_acts_without_a_key() -> None:
    reply = Counter().ask("order.place", {**LIMIT_ORDER, "timestamp": NOW_MS})
    assert error_of(reply) == missing("apiKey")


@pytest.mark.parametrize(
    ("offset_ms", "window", "expected"),
    [
        (-5000, None, None),
        (-5001, None, TOO_OLD),
        (999, None, None),
        (1000, None, TOO_EARLY),
        (-100, 100, None),
        (-101, 100, TOO_OLD),
        (-101, "101.5", None),
        (-60_000, 60_000, None),
        (-60_001, 60_000, TOO_OLD),
        (0, 0, None),
        (-1, 0, TOO_OLD),
        (0, 60_001, (400, -1102, "'recvWindow' contains unexpected value. Cannot be greater than 60000.")),
        (0, "1e999999999", (400, -1102, "'recvWindow' contains unexpected value. Cannot be greater than 60000.")),
        (0, "1.0005", (400, -1111, "Parameter 'recvWindow' has too much precision.")),
        (0, -1, missing("recvWindow")),
        (0, "soon", missing("recvWindow")),
        (0, "NaN", missing("recvWindow")),
        (0, "sNaN", missing("recvWindow")),
        (10_001, None, missing("timestamp")),
        (-NOW_MS, None, missing("timestamp")),
    ],
)
def test_a_request_is_only_good_for_its_window(offset_ms: int, window: Any, expected: Any) -> None:
    params: dict[str, Any] = {"timestamp": NOW_MS + offset_ms}
    if window is not None:
        params["recvWindow"] = window
    reply = Counter().ask_signed("account.status", params)
    assert (reply["status"] == 200) if expected is None else (error_of(reply) == expected)


@pytest.mark.parametrize("timestamp", [str(NOW_MS), NOW_MS * 1000, str(NOW_MS * 1000)])
def test_timestamps_may_be_text_or_microseconds(timestamp: Any) -> None:
    assert Counter().ask_signed("account.status", {"timestamp": timestamp})["status"] == 200


@pytest.mark.parametrize("timestamp", ["", "now", "²", "9" * 30, 1.5, True, [], {}])
def test_a_timestamp_is_a_number(timestamp: Any) -> None:
    assert error_of(Counter().ask_signed("account.status", {"timestamp": timestamp})) == missing("timestamp")


def test_a_session_stands_in_for_key_and_signature_but_not_for_the_time() -> None:
    counter = Counter()
    result = counter.log_on()["result"]
    assert result == {
        "apiKey": counter.material.api_key,
        "authorizedSince": NOW_MS,
        "connectedSince": NOW_MS,
        "returnRateLimits": True,
        "serverTime": NOW_MS,
        "userDataStream": False,
    }
    assert counter.ask("account.status", {"timestamp": NOW_MS})["status"] == 200
    assert error_of(counter.ask("account.status")) == missing("timestamp")
    assert error_of(counter.ask("account.status", {"timestamp": NOW_MS - 5001})) == TOO_OLD


def test_a_key_in_the_request_overrides_the_session() -> None:
    counter = Counter()
    counter.log_on()
    assert counter.ask_signed("account.status")["status"] == 200
    named = {"timestamp": NOW_MS, "apiKey": counter.material.hmac_api_key}
    assert error_of(counter.ask("account.status", named)) == missing("signature")


def test_only_ed25519_keys_log_on() -> None:
    counter = Counter()
    assert error_of(counter.ask_signed("session.logon")) == (400, -2028, "HMAC-SHA-256 API key is not supported.")
    assert error_of(counter.ask("session.logon")) == missing("apiKey")
    signed = sign_with_ed25519({"timestamp": NOW_MS}, counter.material)
    assert error_of(counter.ask("session.logon", {**signed, "signature": "AAAA"})) == INVALID_SIGNATURE


def test_logging_on_needs_a_signature_of_its_own_even_in_a_session() -> None:
    counter = Counter()
    counter.log_on()
    assert error_of(counter.ask("session.logon", {"timestamp": NOW_MS})) == missing("apiKey")


def test_logging_out_forgets_the_key_and_is_harmless_without_one() -> None:
    counter = Counter()
    counter.log_on()
    for _ in range(2):
        result = counter.ask("session.logout")["result"]
        assert (result["apiKey"], result["authorizedSince"]) == (None, None)
    assert error_of(counter.ask("account.status", {"timestamp": NOW_MS})) == missing("apiKey")


def test_a_revoked_key_is_answered_under_no_id_and_ends_the_session() -> None:
    counter = Counter()
    counter.log_on()
    del counter.keys[counter.material.api_key]
    reply = counter.ask("account.status", {"timestamp": NOW_MS})
    assert reply["id"] is None
    assert error_of(reply) == INVALID_KEY
    assert counter.ask("session.status")["result"]["apiKey"] is None


def test_subscribing_needs_a_session_and_takes_no_parameters() -> None:
    counter = Counter()
    assert error_of(counter.ask("userDataStream.subscribe")) == NOT_LOGGED_ON
    counter.log_on()
    reply = counter.ask("userDataStream.subscribe", {"timestamp": NOW_MS})
    assert error_of(reply)[1] == -1104
    assert counter.ask("userDataStream.subscribe")["result"] == {"subscriptionId": 0}
    assert counter.ask("session.status")["result"]["userDataStream"] is True
    assert counter.ask("session.subscriptions")["result"] == [{"subscriptionId": 0}]


def test_an_account_has_one_subscription_per_connection() -> None:
    counter = Counter()
    counter.log_on()
    counter.ask("userDataStream.subscribe")
    expected = (400, -2035, "User Data Stream subscription already active.")
    assert error_of(counter.ask("userDataStream.subscribe")) == expected
    assert error_of(counter.ask_signed("userDataStream.subscribe.signature")) == expected
    other = counter.connect()
    assert counter.ask_signed("userDataStream.subscribe.signature", session=other)["result"] == {"subscriptionId": 0}


def test_subscription_ids_are_never_used_twice_on_a_connection() -> None:
    counter = Counter()
    ids = []
    for _ in range(3):
        ids.append(counter.ask_signed("userDataStream.subscribe.signature")["result"]["subscriptionId"])
        counter.answer('{"id":1,"method":"userDataStream.unsubscribe"}')
    assert ids == [0, 1, 2]


def test_an_ended_subscription_says_so_before_the_reply() -> None:
    counter = Counter()
    counter.ask_signed("userDataStream.subscribe.signature")
    answer = counter.answer('{"id":1,"method":"userDataStream.unsubscribe","params":{"subscriptionId":0}}')
    event, reply = answer.payloads
    assert event == b'{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":%d}}' % NOW_MS
    assert reply.startswith(b'{"id":1,"status":200,"result":{}')
    gone = counter.ask("userDataStream.unsubscribe", {"subscriptionId": 0})
    assert error_of(gone) == (400, -2036, "User Data Stream subscription not active.")
    assert counter.ask("userDataStream.unsubscribe")["status"] == 200


def test_logging_out_ends_the_sessions_subscription_only() -> None:
    counter = Counter()
    counter.log_on()
    counter.ask("userDataStream.subscribe")
    assert len(counter.answer('{"id":1,"method":"session.logout"}').payloads) == 2
    counter.log_on()
    counter.ask_signed("userDataStream.subscribe.signature")
    assert len(counter.answer('{"id":1,"method":"session.logout"}').payloads) == 1
    assert counter.ask("session.subscriptions")["result"] == [{"subscriptionId": 1}]


def test_a_connection_opens_at_most_65535_subscriptions_in_its_life() -> None:
    counter = Counter()
    for _ in range(65_535):
        counter.session.subscribe("main", by_session=False)
        counter.session.unsubscribe(None)
    reply = counter.ask_signed("userDataStream.subscribe.signature")
    assert error_of(reply) == (400, -2042, "Maximum subscription ID reached for this connection.")


def test_events_reach_every_subscription_of_the_account_in_its_own_unit() -> None:
    counter = Counter()
    for session in (counter.session, counter.connect(in_microseconds=True)):
        counter.ask_signed("userDataStream.subscribe.signature", session=session)
    counter.ask_signed("order.place", LIMIT_ORDER)
    for account, event in counter.engine.take_events():
        counter.user_streams.publish(account, event)
    reports = [payload["event"] for payload in counter.delivered if payload["event"]["e"] == "executionReport"]
    assert [(report["x"], report["T"], report["i"]) for report in reports] == [
        ("NEW", NOW_MS, 1),
        ("NEW", NOW_MS * 1000, 1),
    ]
