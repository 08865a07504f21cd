"""Methods and the frames that carry requests."""

import json

import pytest

from dogwatch.actors.spot.methods import Method, Params, Security
from dogwatch.actors.spot.request_frames import encode_request, encode_stream_request, stamp


def test_a_request_is_stamped_without_changing_what_it_was_made_of() -> None:
    params: Params = {"symbol": "A", "orderId": 1}
    assert stamp(params, timestamp_ms=7, recv_window_ms=60_000) == {**params, "timestamp": 7, "recvWindow": 60_000}
    assert stamp(params, timestamp_ms=7) == {**params, "timestamp": 7}
    assert "timestamp" not in params
    for wrong in (0, -1, 60_001):
        with pytest.raises(ValueError, match="recv_window_ms"):
            stamp(params, timestamp_ms=7, recv_window_ms=wrong)


def test_a_frame_is_the_json_that_the_exchange_reads() -> None:
    assert encode_request(1, Method.ORDER_PLACE, {"symbol": "１２３"}).decode() == (
        '{"id":1,"method":"order.place","params":{"symbol":"１２３"}}'
    )
    assert encode_request("a-1", "time") == b'{"id":"a-1","method":"time"}'
    assert json.loads(encode_request(2, Method.PING, {})) == {"id": 2, "method": "ping"}


@pytest.mark.parametrize("request_id", ["", "a" * 37, "a b", "ü", "a\n"])
def test_an_id_that_would_lose_its_answer_is_refused(request_id: str) -> None:
    with pytest.raises(ValueError, match="request id"):
        encode_request(request_id, Method.TIME)


def test_a_stream_request_is_what_the_streams_read() -> None:
    assert json.loads(encode_stream_request(3, "SUBSCRIBE", ["a@trade"])) == {
        "method": "SUBSCRIBE",
        "params": ["a@trade"],
        "id": 3,
    }
    assert json.loads(encode_stream_request(4, "LIST_SUBSCRIPTIONS")) == {"method": "LIST_SUBSCRIPTIONS", "id": 4}


def test_only_what_is_signed_needs_the_time() -> None:
    assert {security for security in Security if security.needs_timestamp} == {
        Security.USER_DATA,
        Security.TRADE,
        Security.SIGNED,
    }
