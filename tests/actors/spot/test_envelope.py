"""Frames of the WebSocket API: every shape becomes a value, and no bytes whatsoever raise."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import RateLimitInterval, RateLimitType
from dogwatch.actors.spot.envelope import MalformedFrame, RateLimitUsage, Response, UserEvent
from dogwatch.actors.spot.errors import ExchangeError
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.user_events import ExecutionReport, ServerShutdown, UnknownEvent
from tests.actors.spot.test_user_events import TRADE

WEIGHT = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 70}
SUCCESS: dict[str, Any] = {"id": "a-1", "status": 200, "result": {"serverTime": 7}, "rateLimits": [WEIGHT]}
FAILURE: dict[str, Any] = {"id": 3, "status": 400, "error": {"code": -2010, "msg": "no"}}
EVENT: dict[str, Any] = {"subscriptionId": 4, "event": TRADE}
FRAMES = [SUCCESS, FAILURE, EVENT, {"event": {"e": "serverShutdown", "E": 1}}]


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def spaced(value: object) -> bytes:
    return b"\n " + json.dumps(value, indent=2).encode() + b"\n"


def backwards(value: dict[str, Any]) -> bytes:
    return compact(dict(reversed(value.items())))


def test_a_response_carries_its_result_undecoded_and_the_limits_it_touched() -> None:
    response = decode_frame(compact(SUCCESS))
    assert isinstance(response, Response)
    assert (response.id, response.status, response.error, response.is_ok) == ("a-1", 200, None, True)
    assert bytes(response.result) == b'{"serverTime":7}'
    assert response.rate_limits == (
        RateLimitUsage(
            rate_limit_type=RateLimitType.REQUEST_WEIGHT,
            interval=RateLimitInterval.MINUTE,
            interval_count=1,
            limit=6000,
            count=70,
        ),
    )


def test_limits_may_be_missing() -> None:
    response = decode_frame(b'{"id":1,"status":200,"result":[]}')
    assert isinstance(response, Response)
    assert response.rate_limits == ()


@pytest.mark.parametrize("raw", [b"7", b"[7]", b'[{"rateLimitType":"ORDERS","count":"many"}]', b'{"ORDERS":1}'])
def test_counts_that_nobody_can_read_cost_nobody_the_answer(raw: bytes) -> None:
    response = decode_frame(b'{"id":1,"status":200,"result":{"orderId":1},"rateLimits":%b}' % raw)
    assert isinstance(response, Response)
    assert response.is_ok
    assert response.rate_limits == ()


def test_an_error_knows_the_status_it_came_with() -> None:
    response = decode_frame(compact(FAILURE))
    assert isinstance(response, Response)
    assert not response.is_ok
    assert response.error == ExchangeError(code=-2010, message="no", status=400)


def test_an_error_that_belongs_to_no_request_has_no_id() -> None:
    response = decode_frame(b'{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key"}}')
    assert isinstance(response, Response)
    assert response.id is None
    assert response.error is not None
    assert response.error.code == -2015


def test_a_banned_client_learns_when_it_may_come_back() -> None:
    response = decode_frame(
        b'{"id":1,"status":418,"error":{"code":-1003,"msg":"banned","data":{"serverTime":5,"retryAfter":9}}}'
    )
    assert isinstance(response, Response)
    assert response.error is not None
    assert (response.error.retry_after_ms, response.error.server_time_ms) == (9, 5)


@pytest.mark.parametrize("request_id", [0, -1, 2**63, "x", None])
def test_an_id_keeps_its_json_type(request_id: int | str | None) -> None:
    response = decode_frame(compact({"id": request_id, "status": 200, "result": {}}))
    assert isinstance(response, Response)
    assert response.id == request_id
    assert type(response.id) is type(request_id)


def test_an_event_names_its_subscription() -> None:
    frame = decode_frame(compact(EVENT))
    assert isinstance(frame, UserEvent)
    assert frame.subscription_id == 4
    assert isinstance(frame.event, ExecutionReport)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"event":{"e":"serverShutdown","E":1}}',
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}',
        b'{"e":"serverShutdown","E":1}',
    ],
)
def test_a_shutdown_notice_is_understood_in_every_shape(payload: bytes) -> None:
    assert decode_frame(payload) == UserEvent(subscription_id=None, event=ServerShutdown(event_time_ms=1))


def test_an_event_of_a_new_type_arrives_with_its_text() -> None:
    frame = decode_frame(b'{"subscriptionId":1,"event":{"e":"marginCall","E":1,"x":[1]}}')
    raw = b'{"e":"marginCall","E":1,"x":[1]}'
    assert frame == UserEvent(subscription_id=1, event=UnknownEvent(event_type="marginCall", raw=raw))


@pytest.mark.parametrize("value", FRAMES)
def test_blanks_and_the_order_of_members_make_no_difference(value: dict[str, Any]) -> None:
    plain, blank, reverse = decode_frame(compact(value)), decode_frame(spaced(value)), decode_frame(backwards(value))
    if isinstance(plain, Response):  # the raw result keeps its blanks
        assert isinstance(blank, Response)
        assert isinstance(reverse, Response)
        assert json.loads(bytes(blank.result) or b"0") == json.loads(bytes(plain.result) or b"0")
        assert bytes(reverse.result) == bytes(plain.result)
        assert blank.rate_limits == plain.rate_limits
        assert reverse.rate_limits_raw == plain.rate_limits_raw
        plain, blank, reverse = (
            msgspec.structs.replace(frame, result=msgspec.Raw(), rate_limits_raw=msgspec.Raw())
            for frame in (plain, blank, reverse)
        )
    assert plain == blank == reverse
    assert not isinstance(plain, MalformedFrame)


def test_the_letter_e_may_come_last_in_an_event() -> None:
    event = {name: TRADE[name] for name in [*[name for name in TRADE if name != "e"], "e"]}
    assert decode_frame(compact({"subscriptionId": 4, "event": event})) == decode_frame(compact(EVENT))


@pytest.mark.parametrize(
    ("payload", "request_id"),
    [
        (b'{"id":7,"status":"fine"}', 7),
        (b'{"id":"q","status":[200],"rateLimits":[]}', "q"),
        (b'{"id":8,"status":400,"error":"no"}', 8),
    ],
)
def test_an_answer_that_cannot_be_read_still_names_its_request(payload: bytes, request_id: int | str) -> None:
    frame = decode_frame(payload)
    assert isinstance(frame, MalformedFrame)
    assert frame.id == request_id
    assert frame.problem


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"id":1}',
        b'{"id":{},"status":200}',
        b'{"id":1,"status":200',
        b'{"id":"\xff","status":200}',
        b'{"id":"\\ud800","status":200}',
        b'{"subscriptionId":0,"event":{"E":1}}',
        b'{"subscriptionId":0,"event":{"e":5}}',
        b'{"subscriptionId":0,"event":[]}',
        b'{"subscriptionId":0,"event":{"e":"executionReport","E":1}}',
        b'{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1,"u":1,"B":[{"a":"X","f":"one","l":"0"}]}}',
        b'{"id":1,"status":200,"x":' + b"[" * 100_000,
        b'{"subscriptionId":0,"event":{"e":"new","x":' + b'{"a":' * 100_000,
        b"9" * 10_000,
    ],
    ids=lambda payload: payload[:60].decode("latin-1"),
)
def test_what_is_neither_a_response_nor_an_event_is_a_value_too(payload: bytes) -> None:
    frame = decode_frame(payload)
    assert isinstance(frame, MalformedFrame)
    assert frame.length == len(payload)
    assert frame.excerpt == payload[:200]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ideEsBab"), inner, max_size=3),
    max_leaves=8,
)
members = st.sampled_from(
    ["id", "status", "result", "error", "rateLimits", "subscriptionId", "event", "stream", "data"]
)


@given(st.binary(max_size=60) | st.dictionaries(members, json_values, max_size=5).map(compact))
def test_no_bytes_raise(payload: bytes) -> None:
    assert isinstance(decode_frame(payload), Response | UserEvent | MalformedFrame)


@given(st.sampled_from(FRAMES).map(compact), st.data())
def test_no_damage_to_a_good_frame_raises(payload: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(payload)))
    end = data.draw(st.integers(start, min(len(payload), start + 8)))
    damaged = payload[:start] + data.draw(st.binary(max_size=4)) + payload[end:]
    assert isinstance(decode_frame(damaged), Response | UserEvent | MalformedFrame)


def test_a_result_does_not_change_when_the_next_frame_is_decoded() -> None:
    first = decode_frame(compact(SUCCESS))
    second = decode_frame(compact({**SUCCESS, "result": {"serverTime": 8}}))
    assert isinstance(first, Response)
    assert isinstance(second, Response)
    assert (bytes(first.result), bytes(second.result)) == (b'{"serverTime":7}', b'{"serverTime":8}')
