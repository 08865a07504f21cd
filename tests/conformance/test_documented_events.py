"""Every example of User Data Streams and WebSocket Streams: it decodes into its type, and that is written as the same
JSON again. What the documentation itself says to ignore is not read; it is listed here.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from dogwatch.actors.spot.envelope import UserEvent
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.request_frames import encode_stream_request
from dogwatch.actors.spot.stream_events import (
    AggregateTradeEvent,
    BlockTradeEvent,
    Book,
    BookDiff,
    KlineEvent,
    Quote,
    StreamEvent,
    StreamResponse,
    Trade,
)
from dogwatch.actors.spot.stream_frames import decode_stream_frame
from dogwatch.actors.spot.ticker_events import (
    AveragePriceEvent,
    DayTicker,
    FourHoursTicker,
    HourTicker,
    MiniTicker,
    ReferencePriceEvent,
    Ticker24h,
)
from dogwatch.actors.spot.user_events import (
    AccountPosition,
    BalanceUpdate,
    EventStreamTerminated,
    ExecutionReport,
    ExternalLockUpdate,
    ListStatus,
    ServerShutdown,
)
from dogwatch.actors.spot.wire_form import wire_form
from tests.conformance.field_types import misfits, places
from tests.conformance.reference import needs_reference, reference

pytestmark = needs_reference

USER_EVENTS: dict[str, type[msgspec.Struct]] = {
    "outboundAccountPosition": AccountPosition,
    "balanceUpdate": BalanceUpdate,
    "executionReport": ExecutionReport,
    "listStatus": ListStatus,
    "eventStreamTerminated": EventStreamTerminated,
    "externalLockUpdate": ExternalLockUpdate,
}
STREAMS: dict[str, Any] = {
    "<symbol>@referencePrice": ReferencePriceEvent,
    "<symbol>@aggTrade": AggregateTradeEvent,
    "<symbol>@trade": Trade,
    "<symbol>@blockTrade": BlockTradeEvent,
    "<symbol>@kline_<interval>": KlineEvent,
    "<symbol>@kline_<interval>@+08:00": KlineEvent,
    "<symbol>@miniTicker": MiniTicker,
    "!miniTicker@arr": tuple,
    "<symbol>@ticker": Ticker24h,
    "<symbol>@ticker_<window_size>": HourTicker,
    "!ticker_<window-size>@arr": tuple,
    "<symbol>@bookTicker": Quote,
    "<symbol>@avgPrice": AveragePriceEvent,
    "<symbol>@depth<levels>": Book,
    "<symbol>@depth<levels>@100ms": Book,
    "<symbol>@depth": BookDiff,
    "<symbol>@depth@100ms": BookDiff,
}
IGNORED = {"executionReport": ("M",), "trade": ("M",), "aggTrade": ("M",), "kline": ("k", "B")}
"""Event → the field that the documentation explains with the word "Ignore"."""


def user_events() -> list[Any]:
    return [event["example"]["json"] for event in reference("user_data").get("events", ())]


def payloads() -> Iterator[tuple[str, Any]]:
    """Every name of a stream, with each of its examples."""
    for stream in reference("streams").get("streams", ()):
        for name in stream["names"]:
            yield from ((name, example["json"]) for example in stream["payloads"])


def control() -> Iterator[Any]:
    for part in reference("streams").get("control", ()):
        yield from (example["json"] for example in part["examples"])


STREAM_EXAMPLES = [(name, wire) for name, wire in payloads() if wire != [{}]]
# The examples of streams of all symbols are an empty object in place of a ticker of the stream of one symbol.
TICKERS = {
    "!miniTicker@arr": "<symbol>@miniTicker",
    "!ticker_<window-size>@arr": "<symbol>@ticker_<window_size>",
}


def without_ignored(event: dict[str, Any]) -> Any:
    """An event as it is documented, without the field that the documentation says to ignore, which has to be there."""
    copied = json.loads(json.dumps(event))
    *path, last = IGNORED.get(event.get("e", ""), (None,))
    place = copied
    for step in path:
        place = place[step]
    if last is not None:
        del place[last]
    return copied


@pytest.mark.parametrize("wire", user_events(), ids=lambda wire: str(wire["event"]["e"]))
def test_an_event_of_a_user_is_written_again_as_it_is_documented(wire: dict[str, Any]) -> None:
    frame = decode_frame(msgspec.json.encode(wire))
    assert isinstance(frame, UserEvent)
    assert type(frame.event) is USER_EVENTS[wire["event"]["e"]]
    assert wire_form(frame) == {**wire, "event": without_ignored(wire["event"])}


def test_every_documented_event_of_a_user_has_its_type() -> None:
    assert {wire["event"]["e"] for wire in user_events()} == USER_EVENTS.keys()


@pytest.mark.parametrize(
    "fact", reference("conditional_fields").get("execution_report", ()), ids=lambda fact: str(fact["field"])
)
def test_a_field_that_comes_under_a_condition_is_written_again_as_it_came(fact: dict[str, str]) -> None:
    (report,) = (wire for wire in user_events() if wire["event"]["e"] == "executionReport")
    conditional = json.loads(f"{{{fact['example']}}}")
    assert conditional.keys() == {fact["field"]}
    wire = {**report, "event": {**report["event"], **conditional}}
    assert wire_form(decode_frame(msgspec.json.encode(wire))) == {**wire, "event": without_ignored(wire["event"])}


def test_every_documented_stream_has_its_type() -> None:
    assert {name for name, _ in payloads()} == STREAMS.keys()


@pytest.mark.parametrize(("name", "wire"), STREAM_EXAMPLES, ids=[name for name, _ in STREAM_EXAMPLES])
def test_an_event_of_a_stream_is_written_again_as_it_is_documented(name: str, wire: dict[str, Any]) -> None:
    raw = decode_stream_frame(msgspec.json.encode(wire))
    combined = decode_stream_frame(msgspec.json.encode({"stream": name, "data": wire}))
    assert isinstance(raw, StreamEvent)
    assert type(raw.event) is STREAMS[name]
    assert wire_form(raw.event) == without_ignored(wire)
    assert wire_form(combined) == {"stream": name, "data": without_ignored(wire)}


@pytest.mark.parametrize(("name", "single"), TICKERS.items())
def test_a_stream_of_all_symbols_is_written_again_as_many_of_one(name: str, single: str) -> None:
    assert [wire for other, wire in payloads() if other == name] == [[{}]]
    tickers = [wire for other, wire in STREAM_EXAMPLES if other == single] * 2
    frame = decode_stream_frame(msgspec.json.encode({"stream": name, "data": tickers}))
    assert isinstance(frame, StreamEvent)
    assert type(frame.event) is STREAMS[name]
    assert wire_form(frame) == {"stream": name, "data": tickers}


@pytest.mark.parametrize(("window", "kind"), [("1h", HourTicker), ("4h", FourHoursTicker), ("1d", DayTicker)])
def test_a_ticker_of_every_window_is_written_again_as_that_of_the_hour(window: str, kind: type) -> None:
    (hour,) = (wire for _, wire in STREAM_EXAMPLES if isinstance(wire, dict) and wire.get("e") == "1hTicker")
    wire = {**hour, "e": f"{window}Ticker"}
    frame = decode_stream_frame(msgspec.json.encode(wire))
    assert isinstance(frame, StreamEvent)
    assert type(frame.event) is kind
    assert wire_form(frame.event) == wire


@pytest.mark.parametrize("wire", [wire for wire in control() if "method" in wire], ids=lambda wire: str(wire["method"]))
def test_a_request_on_a_stream_connection_is_written_as_it_is_documented(wire: dict[str, Any]) -> None:
    assert json.loads(encode_stream_request(wire["id"], wire["method"], wire.get("params", ()))) == wire


@pytest.mark.parametrize("wire", [wire for wire in control() if "result" in wire], ids=json.dumps)
def test_an_answer_on_a_stream_connection_is_written_again_as_it_is_documented(wire: dict[str, Any]) -> None:
    answer = decode_stream_frame(msgspec.json.encode(wire))
    assert isinstance(answer, StreamResponse)
    assert wire_form(answer) == wire


@pytest.mark.parametrize(
    "wire", [wire for wire in control() if not wire.keys() & {"method", "result"}], ids=lambda wire: ",".join(wire)
)
def test_the_notice_of_a_shutdown_is_written_again_as_it_is_documented(wire: dict[str, Any]) -> None:
    frame = decode_stream_frame(msgspec.json.encode(wire))
    assert isinstance(frame, StreamEvent)
    assert isinstance(frame.event, ServerShutdown)
    assert wire_form(frame if "stream" in wire else frame.event) == wire


@pytest.mark.parametrize("event", USER_EVENTS)
def test_the_fields_of_a_users_event_have_the_types_that_examples_have(event: str) -> None:
    paths = {
        path.replace("$.event", "$", 1): kinds
        for path, kinds in reference("field_types")["events"][event]["paths"].items()
        if path.startswith("$.event")
    }
    assert misfits(places(USER_EVENTS[event]), read_paths(event, paths)) == []


# Streams stand there by their "e", or by the line of their example where they have none.
STREAM_PATHS: dict[str, Any] = {
    "referencePrice": ReferencePriceEvent,
    "aggTrade": AggregateTradeEvent,
    "trade": Trade,
    "blockTrade": BlockTradeEvent,
    "kline": KlineEvent,
    "24hrMiniTicker": MiniTicker,
    "24hrTicker": Ticker24h,
    "1hTicker": HourTicker,
    "avgPrice": AveragePriceEvent,
    "depthUpdate": BookDiff,
    "serverShutdown": ServerShutdown,
    "combined": StreamEvent[ServerShutdown],
    "line541": Quote,
    "line581": Book,
}


@pytest.mark.parametrize("event", STREAM_PATHS)
def test_the_fields_of_a_streams_event_have_the_types_that_examples_have(event: str) -> None:
    paths = reference("field_types")["streams"][event]["paths"]
    assert misfits(places(STREAM_PATHS[event]), read_paths(event, paths)) == []


def test_no_stream_is_left_out_whose_examples_have_fields() -> None:
    left_out = reference("field_types")["streams"].keys() - STREAM_PATHS.keys()
    placeholders = {"array@427", "array@522"}
    requests_and_answers = {name for name in left_out if name.startswith("line")}
    assert left_out == placeholders | requests_and_answers
    assert len(requests_and_answers) == len([wire for wire in control() if wire.keys() & {"method", "result"}])


def read_paths(event: str, paths: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """The paths of an event without the one that is ignored."""
    ignored = ".".join(("$", *IGNORED.get(event, ())))
    return {path: kinds for path, kinds in paths.items() if path == "$" or path != ignored}
