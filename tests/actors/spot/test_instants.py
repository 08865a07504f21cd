"""Times in microseconds: read as milliseconds by everybody, and exact for who asks."""

import copy
import json
import pickle
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.envelope import UserEvent
from dogwatch.actors.spot.errors import ExchangeError
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.instant import Instant, in_us
from dogwatch.actors.spot.instants import with_instants
from dogwatch.actors.spot.results import Candle, ServerTime, decode_result, decode_results
from dogwatch.actors.spot.stream_events import Book, KlineEvent, PriceLevel, StreamEvent
from dogwatch.actors.spot.stream_frames import decode_stream_frame
from dogwatch.actors.spot.user_events import ExecutionReport
from tests.actors.spot.test_stream_events import KLINE, MINI
from tests.actors.spot.test_user_events import TRADE

US = 1_735_689_600_003_217
MS = 1_735_689_600_003


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def report(**changes: int) -> ExecutionReport:
    frame = with_instants(decode_frame(compact({"subscriptionId": 0, "event": {**TRADE, **changes}})))
    assert isinstance(frame, UserEvent)
    assert isinstance(frame.event, ExecutionReport)
    return frame.event


@given(st.integers(10**14, 10**16))
def test_an_instant_is_the_milliseconds_and_knows_the_microseconds(us: int) -> None:
    instant = Instant(us)
    assert instant == us // 1000
    assert hash(instant) == hash(us // 1000)
    assert str(instant) == str(us // 1000)
    assert in_us(instant) == us
    assert type(instant + 1) is int


def test_a_time_in_milliseconds_has_microseconds_too() -> None:
    assert in_us(MS) == MS * 1000


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_of_an_instant_is_as_exact(again: Any) -> None:
    assert in_us(again(Instant(US))) == US


def test_times_of_an_event_that_came_in_microseconds_are_read_in_milliseconds() -> None:
    event = report(E=US + 1000, T=US, W=US, O=US - 1)
    assert (event.event_time_ms, event.transaction_time_ms) == (MS + 1, MS)
    assert [in_us(time) for time in (event.event_time_ms, event.transaction_time_ms, event.order_creation_time_ms)] == [
        US + 1000,
        US,
        US - 1,
    ]


def test_a_time_that_has_not_come_stays_what_it_is() -> None:
    assert report(E=US, T=US, D=-1).trailing_time_ms == -1


def test_what_came_in_milliseconds_is_left_alone() -> None:
    event = report()
    assert type(event.event_time_ms) is int
    assert event.event_time_ms == TRADE["E"]


def test_times_inside_of_parts_are_found() -> None:
    candle = {**KLINE["k"], "t": US, "T": US + 59_999_999}
    frame = with_instants(decode_stream_frame(compact({"stream": "s", "data": {**KLINE, "E": US, "k": candle}})))
    assert isinstance(frame, StreamEvent)
    assert isinstance(frame.event, KlineEvent)
    assert frame.event.kline.start_time_ms == MS
    assert in_us(frame.event.kline.close_time_ms) == US + 59_999_999


def test_times_of_all_items_of_a_tuple_are_found() -> None:
    frame = with_instants(decode_stream_frame(compact([{**MINI, "E": US}, {**MINI, "E": US + 5}])))
    assert isinstance(frame, StreamEvent)
    assert isinstance(frame.event, tuple)
    assert [in_us(ticker.event_time_ms or 0) for ticker in frame.event] == [US, US + 5]


def test_times_of_a_result_are_read_in_milliseconds() -> None:
    answer = decode_result(compact({"serverTime": US}), ServerTime)
    assert answer.server_time_ms == MS
    assert in_us(answer.server_time_ms) == US


def test_times_of_every_candle_of_a_result_are_read_in_milliseconds() -> None:
    row = [US, "1", "2", "0.5", "1.5", "10", US + 59_999_999, "15", 3, "5", "7.5", "0"]
    candles = decode_results(compact([row, row]), Candle)
    assert [candle.start_time_ms for candle in candles] == [MS, MS]
    assert in_us(candles[1].close_time_ms) == US + 59_999_999


def test_times_of_a_refusal_are_read_in_milliseconds() -> None:
    data = msgspec.Raw(compact({"serverTime": US, "retryAfter": US + 60_000_000}))
    error = ExchangeError(code=-1003, message="Too much request weight used", data=data)
    assert (error.server_time_ms, error.retry_after_ms) == (MS, MS + 60_000)


def test_what_has_no_times_passes() -> None:
    book = Book(last_update_id=10**15, bids=(PriceLevel(price=Decimal(1), quantity=Decimal(2)),), asks=())
    assert with_instants(book) is book
    assert with_instants(()) == ()
    assert with_instants(7) == 7
