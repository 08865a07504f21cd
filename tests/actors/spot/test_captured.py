"""Captured frames: each is recognised by what it has, or read as what it is said to be, or it is said why not."""

import json
from typing import Any

import pytest

from dogwatch.actors.spot.captured import REQUESTS_MAX, Captured, ExplainedError, Kind, Parameter, Reader, Unreadable
from dogwatch.actors.spot.enums import AttemptResult
from dogwatch.actors.spot.general_results import Empty
from dogwatch.actors.spot.instant import in_us
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.results import CancelReplaceResult, OrderReport, ServerTime
from dogwatch.actors.spot.stream_events import Book, Quote, Trade
from dogwatch.actors.spot.user_events import BalanceUpdate, ExecutionReport, ServerShutdown
from tests.actors.spot.test_stream_events import KLINE, MINI, MINI_READ, TICKER
from tests.actors.spot.test_stream_events import TRADE as STREAMED_TRADE
from tests.actors.spot.test_user_events import TRADE

BALANCE = {"e": "balanceUpdate", "E": 1573200697110, "a": "BTC", "d": "100.00000000", "T": 1573200697068}
LIMITS = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 1}]
TIME = {"id": 7, "status": 200, "result": {"serverTime": 1656400526260}, "rateLimits": LIMITS}
REFUSED = {"id": 7, "status": 400, "error": {"code": -1121, "msg": "Invalid symbol."}}
BOOK = {"lastUpdateId": 160, "bids": [["0.0024", "10"]], "asks": []}


def read(wire: Any, *, method: Method | None = None, kind: Kind | None = None) -> Captured:
    return Reader(method=method, kind=kind).read(json.dumps(wire).encode())


def why_not(wire: Any, *, method: Method | None = None, kind: Kind | None = None) -> str:
    with pytest.raises(Unreadable) as raised:
        read(wire, method=method, kind=kind)
    return str(raised.value)


@pytest.mark.parametrize(
    ("wire", "title", "kind"),
    [
        ({"stream": "btcusdt@trade", "data": STREAMED_TRADE}, "Trade, btcusdt@trade", Trade),
        (STREAMED_TRADE, "Trade", Trade),
        (TICKER, "Quote", Quote),
        (BOOK, "Book", Book),
        ({"subscriptionId": 3, "event": BALANCE}, "BalanceUpdate, subscription 3", BalanceUpdate),
        (BALANCE, "BalanceUpdate", BalanceUpdate),
        ({"event": {"e": "serverShutdown", "E": 1}}, "ServerShutdown", ServerShutdown),
        ({"code": -1121, "msg": "Invalid symbol."}, "refusal", ExplainedError),
        (REFUSED, "refusal, answer to a request, id 7, status 400", ExplainedError),
        ({"result": None, "id": 1}, "answer on a stream connection, id 1", Empty),
        ({"error": {"code": 2, "msg": "Invalid"}, "id": 1}, "refusal on a stream connection, id 1", ExplainedError),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_frame_is_recognised_by_what_it_has(wire: dict[str, Any], title: str, kind: type) -> None:
    captured = read(wire)
    assert captured.title == title
    assert type(captured.value) is kind
    assert captured.form == {name: without_ignored(value) for name, value in wire.items() if name != "M"}


def without_ignored(value: Any) -> Any:
    return {name: item for name, item in value.items() if name != "M"} if isinstance(value, dict) else value


def test_tickers_of_all_symbols_are_recognised_alone_and_combined() -> None:
    for wire in ([MINI, MINI], {"stream": "!miniTicker@arr", "data": [MINI, MINI]}):
        captured = read(wire)
        assert captured.title.startswith("2 MiniTicker")
        assert captured.value == (MINI_READ, MINI_READ)
        assert captured.form == wire


def test_an_answer_is_read_by_the_request_before_it() -> None:
    reader = Reader()
    request = {"id": 7, "method": "time"}
    asked = reader.read(json.dumps(request).encode())
    assert (asked.title, asked.form) == ("request of time, id 7", request)
    answered = reader.read(json.dumps(TIME).encode())
    assert answered.title == "ServerTime, answer to time, id 7, status 200"
    assert answered.value == ServerTime(server_time_ms=1656400526260)
    assert answered.form == TIME
    assert [usage.count for usage in answered.rate_limits] == [1]


def test_what_a_request_is_signed_with_is_not_shown() -> None:
    params = {"symbol": "BTCUSDT", "recvWindow": 100, "apiKey": "key", "signature": "hush"}
    asked = read({"id": 1, "method": "order.test", "params": params})
    assert asked.value == (Parameter(name="symbol", value="BTCUSDT"), Parameter(name="recvWindow", value="100"))
    assert asked.form == {"id": 1, "method": "order.test", "params": {"symbol": "BTCUSDT", "recvWindow": 100}}


@pytest.mark.parametrize("signed", ["apiKey=hush&signature=hush", [{"signature": "hush"}], [["hush"]], 7])
def test_params_of_another_shape_are_not_shown_for_what_may_be_in_them(signed: Any) -> None:
    why = why_not({"id": 1, "method": "order.test", "params": signed})
    assert "neither an object nor a list of words" in why
    assert "hush" not in why
    nameless = why_not({"id": 1, "params": {"signature": "hush"}}, method=Method.ORDER_PLACE)
    assert nameless == "a request, not an answer"


def test_a_request_on_a_stream_connection_shows_its_streams() -> None:
    wire = {"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1}
    assert read(wire).value == ("btcusdt@trade",)
    assert read(wire).form == wire
    wire = {"method": "SET_PROPERTY", "params": ["combined", True], "id": 5}
    assert read(wire).value == ("combined", "true")
    assert read(wire).form == wire


def test_only_the_newest_requests_are_remembered() -> None:
    reader = Reader()
    for number in range(REQUESTS_MAX + 1):
        reader.read(b'{"id":%d,"method":"time"}' % number)
    with pytest.raises(Unreadable, match="not in this capture"):
        reader.read(json.dumps({**TIME, "id": 0}).encode())
    assert reader.read(json.dumps({**TIME, "id": 1}).encode()).value == ServerTime(server_time_ms=1656400526260)


@pytest.mark.parametrize("wire", [TIME, TIME["result"]], ids=["a frame", "a result alone"])
def test_an_answer_is_read_as_that_to_the_method_which_is_named(wire: dict[str, Any]) -> None:
    captured = read(wire, method=Method.TIME)
    assert captured.value == ServerTime(server_time_ms=1656400526260)
    assert captured.form == wire


def test_a_result_alone_may_be_an_array() -> None:
    price = {"symbol": "BTCUSDT", "price": "1.0"}
    captured = read([price], method=Method.TICKER_PRICE)
    assert captured.title == "1 PriceTicker, result of ticker.price"
    assert captured.form == [price]


def test_a_result_that_has_a_status_is_no_frame() -> None:
    order = {"symbol": "BTCUSDT", "orderId": 1, "clientOrderId": "c", "orderListId": -1, "status": "FILLED"}
    assert type(read(order, method=Method.ORDER_PLACE).value) is OrderReport


def test_a_refusal_says_what_the_code_means_and_what_to_do() -> None:
    for wire in (REFUSED, {"code": -1121, "msg": "Invalid symbol."}):
        refusal = read(wire, method=Method.DEPTH).value
        assert (refusal.code, refusal.name, refusal.message) == (-1121, "BAD_SYMBOL", "Invalid symbol.")
        assert "capitals" in refusal.hint


def test_a_replacement_that_failed_says_what_became_of_each_part() -> None:
    parts = {
        "cancelResult": "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": {"code": -2011, "msg": "Unknown order sent."},
        "newOrderResponse": None,
    }
    wire = {"id": 1, "status": 400, "error": {"code": -2022, "msg": "Order cancel-replace failed.", "data": parts}}
    captured = read(wire)
    assert isinstance(captured.value.data, CancelReplaceResult)
    assert captured.value.data.cancel_result is AttemptResult.FAILURE
    assert captured.form == wire


def test_a_refusal_in_the_result_of_a_success_is_one() -> None:
    wire = {"id": 1, "status": 200, "result": {"code": -2043, "msg": "no price"}}
    captured = read(wire, method=Method.REFERENCE_PRICE)
    assert captured.title.startswith("refusal")
    assert captured.value.code == -2043
    assert captured.form == wire


def test_times_in_microseconds_are_read_and_written_again_as_they_came() -> None:
    wire = {"subscriptionId": 0, "event": {**TRADE, "E": 1735689600003217, "T": 1735689600003216, "M": True}}
    captured = read(wire)
    assert isinstance(captured.value, ExecutionReport)
    assert captured.value.event_time_ms == 1735689600003
    assert in_us(captured.value.transaction_time_ms) == 1735689600003216
    assert captured.form["event"]["E"] == 1735689600003217


@pytest.mark.parametrize(
    ("wire", "kind", "why"),
    [
        ({"nonsense": 1}, None, "cannot be told: give --method, --user-data or --stream"),
        ([{"nonsense": 1}], None, "cannot be told"),
        (7, None, "Expected `object`, got `int`"),
        (TIME, None, "not in this capture: give --method"),
        (TIME, Kind.USER_DATA, "an answer, not an event of a user"),
        ({"e": "invented", "E": 1}, None, "an event of an unknown type: invented"),
        ({"subscriptionId": 0, "event": {"e": "invented"}}, Kind.USER_DATA, "an event of an unknown type: invented"),
        ({**KLINE, "k": {}}, Kind.STREAM, "missing required field"),
        ({**BALANCE, "d": "much"}, Kind.USER_DATA, "$.d"),
        ({"code": "x", "msg": "y"}, None, "Expected `int`"),
    ],
)
def test_why_a_frame_cannot_be_read_is_said(wire: Any, kind: Kind | None, why: str) -> None:
    assert why in why_not(wire, kind=kind)


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        ({"id": 1, "method": "time"}, "a request, not an answer"),
        ({"id": 1, "status": 200}, "a result is not ServerTime"),
        ({"id": 1, "status": 200, "result": {}}, "a result is not ServerTime"),
        ({"id": [], "status": 200, "result": {}}, "$.id"),
        ({"nonsense": 1}, "a result is not ServerTime"),
    ],
)
def test_why_a_frame_is_no_answer_to_the_method_is_said(wire: Any, why: str) -> None:
    assert why in why_not(wire, method=Method.TIME)


def test_an_answer_to_a_method_that_does_not_exist_is_not_guessed() -> None:
    reader = Reader()
    reader.read(b'{"id":7,"method":"fly"}')
    with pytest.raises(Unreadable, match="fly, which is no method"):
        reader.read(json.dumps(TIME).encode())


@pytest.mark.parametrize("text", [b"", b"{", b'{"id":', b"\xff", b"[" * 100_000, b"{}", b'"text"', b"nul"])
@pytest.mark.parametrize("reader", [Reader(), Reader(method=Method.TIME), Reader(kind=Kind.USER_DATA)])
def test_nothing_but_unreadable_is_raised(reader: Reader, text: bytes) -> None:
    with pytest.raises(Unreadable):
        reader.read(text)
