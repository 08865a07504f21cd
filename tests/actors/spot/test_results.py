"""Results of methods: one kind of order report for every answer, nothing invented, nothing guessed."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import (
    AttemptResult,
    ListOrderStatus,
    MatchType,
    OrderStatus,
    OrderType,
    Side,
    WorkingFloor,
)
from dogwatch.actors.spot.errors import MalformedResult
from dogwatch.actors.spot.results import (
    AccountBalance,
    AccountStatus,
    AccountTrade,
    AmendResult,
    CancelReplaceResult,
    Empty,
    OrderListReport,
    OrderReport,
    ReportedFill,
    ReportedPreventedMatch,
    ServerTime,
    SessionStatus,
    SubscribeResult,
    decode_cancel,
    decode_cancels,
    decode_result,
    decode_results,
)

ACK: dict[str, Any] = {"symbol": "BTCUSDT", "orderId": 12, "orderListId": -1, "clientOrderId": "a", "transactTime": 5}
RESULT: dict[str, Any] = {
    **ACK,
    "price": "100.50",
    "origQty": "2.0",
    "executedQty": "0.5",
    "origQuoteOrderQty": "0.0",
    "cummulativeQuoteQty": "50.25",
    "status": "PARTIALLY_FILLED",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "BUY",
    "workingTime": 5,
    "selfTradePreventionMode": "NONE",
}
FILL: dict[str, Any] = {
    "price": "100.50",
    "qty": "0.5",
    "commission": "0.0005",
    "commissionAsset": "BTC",
    "tradeId": 77,
    "matchType": "ONE_PARTY_TRADE_REPORT",
}
CANCEL: dict[str, Any] = {**RESULT, "status": "CANCELED", "clientOrderId": "c", "origClientOrderId": "a"}
LIST: dict[str, Any] = {
    "orderListId": 3,
    "contingencyType": "OCO",
    "listStatusType": "ALL_DONE",
    "listOrderStatus": "ALL_DONE",
    "listClientOrderId": "l",
    "transactionTime": 6,
    "symbol": "BTCUSDT",
    "orders": [{"symbol": "BTCUSDT", "orderId": 12, "clientOrderId": "a"}],
    "orderReports": [CANCEL],
}


AMEND: dict[str, Any] = {
    "transactTime": 8,
    "executionId": 16,
    "amendedOrder": {
        "symbol": "BTCUSDT",
        "orderId": 12,
        "orderListId": -1,
        "origClientOrderId": "a",
        "clientOrderId": "b",
        "price": "100.50",
        "qty": "1.5",
        "executedQty": "0.5",
        "preventedQty": "0.25",
        "quoteOrderQty": "0.0",
        "cumulativeQuoteQty": "50.25",
        "status": "PARTIALLY_FILLED",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "workingTime": 5,
        "selfTradePreventionMode": "NONE",
    },
}


def wire(value: object) -> bytes:
    return json.dumps(value).encode()


def test_an_ack_says_where_the_order_is_and_nothing_else() -> None:
    report = decode_result(wire(ACK), OrderReport)
    assert report == OrderReport(symbol="BTCUSDT", order_id=12, client_order_id="a", transaction_time_ms=5)
    assert report.status is None
    assert report.executed_quantity is None
    assert report.fills is None


def test_a_result_says_what_became_of_the_order() -> None:
    report = decode_result(wire(RESULT), OrderReport)
    assert (report.status, report.side, report.order_type) == (
        OrderStatus.PARTIALLY_FILLED,
        Side.BUY,
        OrderType.LIMIT,
    )
    assert (report.price, report.quantity) == (Decimal("100.50"), Decimal("2.0"))
    assert (report.executed_quantity, report.cumulative_quote_quantity) == (Decimal("0.5"), Decimal("50.25"))
    assert report.time_ms == 5


def test_a_full_answer_lists_the_fills() -> None:
    report = decode_result(wire({**RESULT, "fills": [FILL]}), OrderReport)
    assert report.fills == (
        ReportedFill(
            price=Decimal("100.50"),
            quantity=Decimal("0.5"),
            commission=Decimal("0.0005"),
            commission_asset="BTC",
            trade_id=77,
            match_type=MatchType.ONE_PARTY_TRADE_REPORT,
        ),
    )


def test_an_order_that_met_another_of_the_same_account_lists_what_was_prevented() -> None:
    prevented = {"preventedMatchId": 0, "makerOrderId": 3, "price": "5.0", "takerPreventedQuantity": "2.0"}
    full = {**RESULT, "fills": [], "preventedQuantity": "2.0", "preventedMatches": [prevented], "tradeGroupId": 1}
    report = decode_result(wire(full), OrderReport)
    assert report.fills == ()
    assert report.trade_group_id == 1
    assert report.prevented_matches == (
        ReportedPreventedMatch(
            prevented_match_id=0,
            maker_order_id=3,
            price=Decimal("5.0"),
            taker_prevented_quantity=Decimal("2.0"),
        ),
    )


def test_a_fill_from_another_book_is_an_allocation() -> None:
    allocated = {**FILL, "tradeId": -1, "allocId": 7}
    routed = decode_result(wire({**RESULT, "fills": [allocated], "usedSor": True, "workingFloor": "SOR"}), OrderReport)
    assert (routed.used_sor, routed.working_floor) == (True, WorkingFloor.SOR)
    assert routed.fills is not None
    assert [(fill.trade_id, fill.allocation_id) for fill in routed.fills] == [(-1, 7)]


def test_a_query_tells_its_times_under_other_names() -> None:
    query = {name: value for name, value in RESULT.items() if name != "transactTime"}
    report = decode_result(wire({**query, "time": 3, "updateTime": 4, "isWorking": True}), OrderReport)
    assert (report.creation_time_ms, report.update_time_ms, report.transaction_time_ms) == (3, 4, None)
    assert report.time_ms == 4
    assert report.is_working is True


def test_a_canceled_order_is_found_under_the_name_it_was_placed_with() -> None:
    report = decode_cancel(wire(CANCEL))
    assert isinstance(report, OrderReport)
    assert report.client_order_id == "c"
    assert report.placed_client_order_id == "a"
    assert decode_result(wire(RESULT), OrderReport).placed_client_order_id == "a"


def test_an_amend_says_what_the_order_is_now_in_words_of_its_own() -> None:
    result = decode_result(wire(AMEND), AmendResult)
    assert result.list_status is None
    assert (result.transaction_time_ms, result.execution_id) == (8, 16)
    order = result.amended_order
    assert (order.order_id, order.order_list_id, order.status) == (12, -1, OrderStatus.PARTIALLY_FILLED)
    assert (order.original_client_order_id, order.client_order_id) == ("a", "b")
    assert (order.quantity, order.executed_quantity) == (Decimal("1.5"), Decimal("0.5"))
    assert (order.prevented_quantity, order.cumulative_quote_quantity) == (Decimal("0.25"), Decimal("50.25"))


def test_an_amend_of_a_member_of_a_list_says_how_the_list_is_now() -> None:
    listed = {name: LIST[name] for name in LIST if name not in ("listStatusType", "transactionTime", "orderReports")}
    status = decode_result(wire({**AMEND, "listStatus": listed}), AmendResult).list_status
    assert status is not None
    assert (status.order_list_id, status.list_order_status) == (3, ListOrderStatus.ALL_DONE)
    assert [member.client_order_id for member in status.orders] == ["a"]


@pytest.mark.parametrize("missing", ["transactTime", "executionId", "amendedOrder"])
def test_an_amend_that_leaves_something_out_is_malformed(missing: str) -> None:
    with pytest.raises(MalformedResult, match="AmendResult"):
        decode_result(wire({name: value for name, value in AMEND.items() if name != missing}), AmendResult)


def test_the_two_parts_of_a_cancel_replace_are_kept_as_they_came() -> None:
    result = decode_result(
        wire(
            {
                "cancelResult": "SUCCESS",
                "newOrderResult": "NOT_ATTEMPTED",
                "cancelResponse": CANCEL,
                "newOrderResponse": None,
            }
        ),
        CancelReplaceResult,
    )
    assert result.cancel_result is AttemptResult.SUCCESS
    assert result.new_order_result is AttemptResult.NOT_ATTEMPTED
    assert decode_result(result.cancel_response, OrderReport).placed_client_order_id == "a"
    assert bytes(result.new_order_response) == b"null"


def test_canceling_a_member_of_a_list_cancels_the_list() -> None:
    report = decode_cancel(wire(LIST))
    assert isinstance(report, OrderListReport)
    assert [order.placed_client_order_id for order in report.order_reports or ()] == ["a"]


def test_canceling_everything_may_mix_orders_and_lists() -> None:
    reports = decode_cancels(wire([CANCEL, LIST]))
    assert [type(report) for report in reports] == [OrderReport, OrderListReport]
    assert decode_cancels(b"[]") == ()


def test_open_orders_come_as_a_tuple() -> None:
    assert decode_results(wire([RESULT, RESULT]), OrderReport) == (decode_result(wire(RESULT), OrderReport),) * 2


def test_logging_on_and_off_have_one_shape() -> None:
    session = {
        "apiKey": "k" * 64,
        "authorizedSince": 2,
        "connectedSince": 1,
        "returnRateLimits": False,
        "serverTime": 3,
        "userDataStream": False,
    }
    on = decode_result(wire(session), SessionStatus)
    assert (on.api_key, on.authorized_since_ms, on.connected_since_ms, on.server_time_ms) == ("k" * 64, 2, 1, 3)
    assert "k" * 8 not in repr(on)
    off = decode_result(
        wire({**session, "apiKey": None, "authorizedSince": None, "userDataStream": None}), SessionStatus
    )
    assert (off.api_key, off.authorized_since_ms, off.has_user_data_stream) == (None, None, None)


def test_the_small_results_are_read() -> None:
    assert decode_result(b'{"subscriptionId":2}', SubscribeResult).subscription_id == 2
    assert decode_result(b'{"serverTime":1656400526260}', ServerTime).server_time_ms == 1656400526260
    assert decode_result(b"{}", Empty) == Empty()
    assert decode_result(b'{"later":1}', Empty) == Empty()


def test_an_account_lists_its_balances() -> None:
    account = decode_result(
        wire(
            {
                "canTrade": True,
                "updateTime": 9,
                "commissionRates": {"maker": "0.001", "taker": "0.001", "buyer": "0", "seller": "0"},
                "balances": [{"asset": "BTC", "free": "1.5", "locked": "0.5"}],
            }
        ),
        AccountStatus,
    )
    assert account.balances == (AccountBalance(asset="BTC", free=Decimal("1.5"), locked=Decimal("0.5")),)
    assert account.commission_rates is not None
    assert account.commission_rates.maker == Decimal("0.001")


def test_a_trade_of_the_account_is_read() -> None:
    trade = {
        "symbol": "BTCUSDT",
        "id": 1,
        "orderId": 2,
        "orderListId": -1,
        "price": "3",
        "qty": "4",
        "quoteQty": "12",
        "commission": "0.004",
        "commissionAsset": "BNB",
        "time": 5,
        "isBuyer": False,
        "isMaker": True,
        "isBestMatch": True,
    }
    assert decode_results(wire([trade]), AccountTrade) == (
        AccountTrade(
            symbol="BTCUSDT",
            trade_id=1,
            order_id=2,
            price=Decimal(3),
            quantity=Decimal(4),
            quote_quantity=Decimal(12),
            commission=Decimal("0.004"),
            commission_asset="BNB",
            time_ms=5,
            is_buyer=False,
            is_maker=True,
            is_best_match=True,
        ),
    )


@pytest.mark.parametrize("wrong", [b"", b"null", b"[]", b"{}", b'{"symbol":1}', b"\xff", wire({**ACK, "orderId": "x"})])
def test_a_result_of_another_shape_is_said_to_be_malformed(wrong: bytes) -> None:
    with pytest.raises(MalformedResult, match="OrderReport"):
        decode_result(wrong, OrderReport)
    with pytest.raises(MalformedResult):
        decode_cancel(wrong)


def test_one_wrong_element_spoils_the_array() -> None:
    with pytest.raises(MalformedResult, match="array of OrderReport"):
        decode_results(wire([RESULT, {}]), OrderReport)


@given(st.binary(max_size=80))
def test_no_bytes_raise_anything_else(payload: bytes) -> None:
    for decode in (decode_cancel, decode_cancels):
        try:
            decode(payload)
        except MalformedResult:
            continue
