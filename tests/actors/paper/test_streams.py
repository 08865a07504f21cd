"""Market stream names, subscriptions and control messages. No connection."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.paper.streams import (
    STREAMS_MAX,
    TOO_MANY_MESSAGES,
    StreamClient,
    StreamControl,
    StreamHub,
    StreamName,
    parse_stream,
)


class Desk:
    """A hub with one connection that hears into a list."""

    def __init__(self, **options: Any) -> None:
        self.now_ms = 0
        self.heard: list[Any] = []
        self.hub = StreamHub()
        self.control = StreamControl(self.hub)
        self.client = StreamClient(deliver=lambda payload: self.heard.append(msgspec.json.decode(payload)), **options)

    def ask(self, method: Any, params: Any = None, request_id: Any = 1) -> Any:
        self.now_ms += 1000
        request = {"method": method, "id": request_id} | ({} if params is None else {"params": params})
        return self.send(msgspec.json.encode(request))

    def send(self, frame: bytes | str) -> Any:
        (payload,) = self.control.answer(frame, self.client, self.now_ms).payloads
        return msgspec.json.decode(payload)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("btcusdt@trade", StreamName(name="btcusdt@trade", symbol="BTCUSDT", kind="trade")),
        ("btcusdt@aggTrade", StreamName(name="btcusdt@aggTrade", symbol="BTCUSDT", kind="aggTrade")),
        ("btcusdt@bookTicker", StreamName(name="btcusdt@bookTicker", symbol="BTCUSDT", kind="bookTicker")),
        (
            "btcusdt@kline_1s",
            StreamName(name="btcusdt@kline_1s", symbol="BTCUSDT", kind="kline", interval="1s", period_ms=1000),
        ),
        (
            "btcusdt@kline_1M",
            StreamName(name="btcusdt@kline_1M", symbol="BTCUSDT", kind="kline", interval="1M", period_ms=2000),
        ),
        (
            "btcusdt@kline_1d@+08:00",
            StreamName(
                name="btcusdt@kline_1d@+08:00",
                symbol="BTCUSDT",
                kind="kline",
                interval="1d",
                offset_ms=28_800_000,
                period_ms=2000,
            ),
        ),
        ("btcusdt@miniTicker", StreamName(name="btcusdt@miniTicker", symbol="BTCUSDT", kind="miniTicker")),
        ("btcusdt@ticker_4h", StreamName(name="btcusdt@ticker_4h", symbol="BTCUSDT", kind="rolling", interval="4h")),
        ("!miniTicker@arr", StreamName(name="!miniTicker@arr", symbol="", kind="miniTicker")),
        ("!ticker_1d@arr", StreamName(name="!ticker_1d@arr", symbol="", kind="rolling", interval="1d")),
        ("btcusdt@depth", StreamName(name="btcusdt@depth", symbol="BTCUSDT", kind="depth", period_ms=1000)),
        ("btcusdt@depth@100ms", StreamName(name="btcusdt@depth@100ms", symbol="BTCUSDT", kind="depth", period_ms=100)),
        (
            "btcusdt@depth10@100ms",
            StreamName(name="btcusdt@depth10@100ms", symbol="BTCUSDT", kind="book", levels=10, period_ms=100),
        ),
        ("BTCUSDT@trade", None),
        ("btcusdt@kline_7m", None),
        ("btcusdt@depth7", None),
        ("btcusdt@trades", None),
        ("trade", None),
        ("", None),
    ],
)
def test_names_are_read_as_documented(name: str, expected: StreamName | None) -> None:
    assert parse_stream(name) == expected


def test_subscriptions_are_confirmed_with_null_and_listed() -> None:
    desk = Desk()
    assert desk.ask("SUBSCRIBE", ["btcusdt@trade", "btcusdt@depth"], 5) == {"result": None, "id": 5}
    assert desk.ask("LIST_SUBSCRIPTIONS") == {"result": ["btcusdt@trade", "btcusdt@depth"], "id": 1}
    assert desk.ask("UNSUBSCRIBE", ["btcusdt@trade", "never@trade"]) == {"result": None, "id": 1}
    assert desk.ask("LIST_SUBSCRIPTIONS") == {"result": ["btcusdt@depth"], "id": 1}


def test_a_stream_that_nobody_publishes_may_be_subscribed_to() -> None:
    desk = Desk()
    assert desk.ask("SUBSCRIBE", ["nope@nothing"]) == {"result": None, "id": 1}


@pytest.mark.parametrize("request_id", [0, -1, None, "abc9"])
def test_ids_come_back(request_id: Any) -> None:
    assert Desk().ask("LIST_SUBSCRIPTIONS", request_id=request_id) == {"result": [], "id": request_id}


@pytest.mark.parametrize(
    ("frame", "code", "message"),
    [
        ("{", 3, "Invalid JSON: expected value at line 1 column 1"),
        ("[]", 2, "Invalid request: missing field `method` at line 1 column 1"),
        ('{"method":"SUBSCRIBE"}', 2, "Invalid request: request ID must be an unsigned integer"),
        ('{"id":1.5,"method":"SUBSCRIBE"}', 2, "Invalid request: request ID must be an unsigned integer"),
        ('{"id":1}', 2, "Invalid request: missing field `method` at line 1 column 1"),
        (
            '{"id":1,"method":"subscribe"}',
            2,
            "Invalid request: unknown variant `subscribe`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, "
            "`LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`",
        ),
        ('{"id":1,"method":"SUBSCRIBE","params":[1]}', 2, "Invalid request: params must be a list of stream names"),
        ('{"id":1,"method":"GET_PROPERTY","params":["colour"]}', 0, "Unknown property"),
        ('{"id":1,"method":"GET_PROPERTY"}', 2, "Invalid request: property name must be a string"),
        ('{"id":1,"method":"GET_PROPERTY","params":["combined",1]}', 2, "Invalid request: too many parameters"),
        ('{"id":1,"method":"SET_PROPERTY","params":["combined",1]}', 1, "Invalid value type: expected Boolean"),
    ],
)
def test_what_cannot_be_understood_is_answered_with_an_error(frame: str, code: int, message: str) -> None:
    reply = Desk().send(frame)
    assert (reply["code"], reply["msg"]) == (code, message)


@pytest.mark.parametrize(
    "place", ["%s", '{"id":%s}', '{"id":1,"method":%s}', '{"id":1,"method":"SUBSCRIBE","params":%s}']
)
def test_absurd_nesting_is_an_error_like_any_other(place: str) -> None:
    assert Desk().send(place % ("[" * 100_000 + "]" * 100_000))["code"] == 3


@given(frame=st.binary() | st.text())
def test_no_control_message_whatever_is_more_than_an_error(frame: bytes | str) -> None:
    Desk().send(frame)


def test_a_connection_hears_raw_or_combined_events_as_it_wishes() -> None:
    desk = Desk()
    desk.ask("SUBSCRIBE", ["btcusdt@trade"])
    assert desk.ask("GET_PROPERTY", ["combined"]) == {"result": False, "id": 1}
    desk.hub.publish("btcusdt@trade", {"e": "trade"})
    assert desk.ask("SET_PROPERTY", ["combined", True]) == {"result": None, "id": 1}
    desk.hub.publish("btcusdt@trade", {"e": "trade"})
    desk.hub.publish("ethusdt@trade", {"e": "trade"})
    assert desk.heard == [{"e": "trade"}, {"stream": "btcusdt@trade", "data": {"e": "trade"}}]


def test_a_connection_listens_to_1024_streams_at_most() -> None:
    desk = Desk()
    names = [f"s{number}@trade" for number in range(STREAMS_MAX)]
    assert desk.hub.subscribe(desk.client, names)
    assert desk.ask("SUBSCRIBE", ["one@more"])["code"] == 2
    assert desk.ask("SUBSCRIBE", names[:5]) == {"result": None, "id": 1}
    assert len(desk.client.names) == STREAMS_MAX


def test_nobody_is_left_in_the_hub_after_the_last_one_went() -> None:
    desk = Desk()
    desk.hub.subscribe(desk.client, ["btcusdt@trade", "btcusdt@depth", "no@where"])
    desk.hub.drop(desk.client)
    assert "btcusdt@trade" not in desk.hub
    assert not list(desk.hub.of_kind("depth"))
    desk.hub.publish("btcusdt@trade", {"e": "trade"})
    assert desk.heard == []


def test_the_sixth_message_within_a_second_ends_the_connection() -> None:
    desk = Desk()
    frame = '{"id":1,"method":"LIST_SUBSCRIPTIONS"}'
    times_ms = (0, 0, 0, 0, 999, 1000, 1000, 1000, 1000, 1998)
    closes = [desk.control.answer(frame, desk.client, now_ms).close for now_ms in times_ms]
    assert closes == [None] * 9 + [TOO_MANY_MESSAGES]
    assert TOO_MANY_MESSAGES.code == 1008
