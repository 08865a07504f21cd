"""Writing values back as the exchange writes them."""

import json
from decimal import Decimal

import msgspec
import pytest

from dogwatch.actors.spot.enums import OrderStatus, Side, Word
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import ExchangeError
from dogwatch.actors.spot.exchange_info import ExchangeInfo, UnknownFilter
from dogwatch.actors.spot.instants import with_instants
from dogwatch.actors.spot.market_results import Candle, ReferencePrice, ReferencePriceCalculation
from dogwatch.actors.spot.order_results import CancelReplaceResult, OrderReport
from dogwatch.actors.spot.results import decode_result
from dogwatch.actors.spot.session_results import SessionStatus
from dogwatch.actors.spot.stream_events import Book, PriceLevel
from dogwatch.actors.spot.user_events import UnknownEvent
from dogwatch.actors.spot.wire_form import wire_form

REPORT = OrderReport(symbol="币安USDT", order_id=7, client_order_id="a", status=OrderStatus.NEW, side=Side.SELL)


@pytest.mark.parametrize("text", ["0.00000000", "1E+3", "-0.10", "0E-8", "123456789012345678901234567890.5"])
def test_an_amount_keeps_every_digit_and_has_no_exponent(text: str) -> None:
    form = wire_form(msgspec.structs.replace(REPORT, price=Decimal(text)))["price"]
    assert (Decimal(form), "E" in form) == (Decimal(text), False)
    if "E" not in text:
        assert form == text


@pytest.mark.parametrize("text", ["1E+999999999", "-1E-999999999", "NaN", "Infinity"])
def test_an_absurd_amount_is_not_written_with_a_billion_zeros(text: str) -> None:
    assert wire_form(Decimal(text)) == text


def test_what_does_not_apply_is_left_out() -> None:
    assert wire_form(REPORT) == {
        "symbol": "币安USDT",
        "orderId": 7,
        "orderListId": -1,
        "clientOrderId": "a",
        "status": "NEW",
        "side": "SELL",
    }


def test_an_empty_list_that_was_there_is_kept() -> None:
    assert wire_form(msgspec.structs.replace(REPORT, fills=()))["fills"] == []


def test_what_may_be_null_is_null() -> None:
    none = ReferencePrice(symbol="BTCUSDT", reference_price=None, time_ms=3)
    assert wire_form(none) == {"symbol": "BTCUSDT", "referencePrice": None, "timestamp": 3}


def test_words_are_plain_text_so_that_every_encoder_takes_them() -> None:
    form = wire_form(msgspec.structs.replace(REPORT, status=OrderStatus("SOMETHING_NEW")))
    assert (type(form["status"]), form["status"], type(form["side"])) == (str, "SOMETHING_NEW", str)
    assert not isinstance(form["side"], Word)


def test_an_array_is_an_array_again() -> None:
    wire = b'[1,"2","3","1","2.50","10",59999,"25",7,"4","10","0"]'
    assert wire_form(decode_result(wire, Candle)) == json.loads(wire)


def test_times_are_as_exact_as_they_came() -> None:
    status = with_instants(
        SessionStatus(
            api_key="k",
            authorized_since_ms=1_700_000_000_000_001,
            connected_since_ms=1_700_000_000_000_000,
            server_time_ms=1_700_000_000_000_002,
            has_user_data_stream=None,
        )
    )
    assert status.server_time_ms == 1_700_000_000_000
    assert wire_form(status)["serverTime"] == 1_700_000_000_000_002


def test_a_width_is_no_time() -> None:
    wire = {"symbol": "A", "calculationType": "ARITHMETIC_MEAN", "bucketCount": 10, "bucketWidthMs": 1000}
    assert wire_form(decode_result(json.dumps(wire).encode(), ReferencePriceCalculation)) == wire


def test_raw_parts_become_their_value_and_missing_ones_stay_missing() -> None:
    wire = {"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED", "cancelResponse": {"code": -2011, "msg": "x"}}
    assert wire_form(decode_result(json.dumps(wire).encode(), CancelReplaceResult)) == wire
    with_null = {**wire, "newOrderResponse": None}
    assert wire_form(decode_result(json.dumps(with_null).encode(), CancelReplaceResult)) == with_null


def test_what_nobody_knew_is_written_as_it_came() -> None:
    assert wire_form(UnknownEvent(event_type="new", raw=b'{"e":"new","x":[1]}')) == {"e": "new", "x": [1]}
    wire = {"serverTime": 1, "symbols": [], "exchangeFilters": [{"filterType": "NEW", "x": [1, {"y": None}]}]}
    info = decode_result(json.dumps(wire).encode(), ExchangeInfo)
    assert [type(item) for item in info.exchange_filters] == [UnknownFilter]
    assert wire_form(info)["exchangeFilters"] == wire["exchangeFilters"]


def test_what_was_added_here_is_not_written() -> None:
    book = Book(last_update_id=1, bids=(PriceLevel(price=Decimal("1.0"), quantity=Decimal(2)),), asks=(), symbol="A")
    assert wire_form(book) == {"lastUpdateId": 1, "bids": [["1.0", "2"]], "asks": []}
    error = ExchangeError(code=-1003, message="wait", status=429, data=msgspec.Raw(b'{"retryAfter":5}'))
    assert wire_form(Response(id="1", status=429, error=error))["error"] == {
        "code": -1003,
        "msg": "wait",
        "data": {"retryAfter": 5},
    }


def test_other_values_are_refused() -> None:
    with pytest.raises(TypeError, match="set is nothing that the exchange sends"):
        wire_form((1, {2}))
