"""Canceling one order and placing another in one request: WebSocket API, Cancel and replace order."""

from typing import Any

import msgspec
import pytest

from dogwatch.actors.paper.engine import EngineError, Switches
from dogwatch.actors.paper.symbols import BTCUSDT
from tests.actors.paper.trading import Floor

BTC = {"symbol": "BTCUSDT"}
POOR = {"quantity": "9000", "price": "120"}
UNKNOWN_ORDER = {"code": -2011, "msg": "Unknown order sent."}
WOULD_TAKE = {"code": -2010, "msg": "Order would immediately match and take."}
NO_FUNDS = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
TOO_MANY = EngineError(-1015, "Too many new orders; current limit is 50 orders per 10 SECOND.", 429)
TAKES = {"type": "LIMIT_MAKER", "timeInForce": None, "price": "105"}


@pytest.fixture
def floor() -> Floor:
    """Alice bids 5 at 98 as `old`; what was told of it is gone."""
    floor = Floor()
    floor.limit("alice", "BUY", "98", "5", newClientOrderId="old")
    floor.events()
    return floor


def failure(floor: Floor, **params: Any) -> EngineError:
    with pytest.raises(EngineError) as refusal:
        floor.replace("alice", **params)
    return refusal.value


def fate(refusal: EngineError) -> tuple[int, int, str, str]:
    """Status, code, and what became of the cancel and of the new order."""
    assert refusal.data is not None
    assert refusal.data.keys() == {"cancelResult", "newOrderResult", "cancelResponse", "newOrderResponse"}
    return refusal.status, refusal.code, refusal.data["cancelResult"], refusal.data["newOrderResult"]


def test_both_parts_are_answered_as_their_own_requests_would_be(floor: Floor) -> None:
    reply = floor.replace(
        "alice", cancelOrigClientOrderId="old", cancelNewClientOrderId="gone", newClientOrderId="new", price="97"
    )
    canceled, placed = reply.pop("cancelResponse"), reply.pop("newOrderResponse")
    assert reply == {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS"}
    assert (canceled["status"], canceled["origClientOrderId"], canceled["clientOrderId"]) == ("CANCELED", "old", "gone")
    assert (placed["status"], placed["clientOrderId"], placed["orderId"], placed["fills"]) == ("NEW", "new", 2, [])
    assert [row["clientOrderId"] for row in floor.engine.open_orders("alice", BTC)] == ["new"]
    assert floor.engine.order_status("alice", BTC | {"origClientOrderId": "gone"})["status"] == "CANCELED"


def test_the_cancel_is_told_before_the_new_order(floor: Floor) -> None:
    floor.replace("alice", cancelOrderId=1, side="BUY", price="101", quantity="2")
    assert floor.story() == ["CANCELED/CANCELED", "position", "NEW/NEW", "TRADE/FILLED", "position"]


@pytest.mark.parametrize(("form", "fields"), [("ACK", 5), ("RESULT", 16), ("FULL", 17), (None, 17)])
def test_the_new_order_is_answered_in_the_form_that_was_asked_for(floor: Floor, form: str | None, fields: int) -> None:
    assert len(floor.replace("alice", cancelOrderId=1, newOrderRespType=form)["newOrderResponse"]) == fields


def test_the_new_order_may_take_the_name_and_the_money_of_the_old_one() -> None:
    floor = Floor()
    floor.limit("alice", "BUY", "97", "8000", newClientOrderId="all")
    floor.limit("alice", "BUY", "98", "1", newClientOrderId="rest")
    assert floor.free("alice", "USDT") < 90 * 9000
    reply = floor.replace(
        "alice", cancelOrigClientOrderId="all", newClientOrderId="all", price="90", quantity="9000",
    )  # fmt: skip
    assert reply["newOrderResponse"]["clientOrderId"] == "all"
    assert floor.engine.order_status("alice", BTC | {"origClientOrderId": "all"})["orderId"] == 3


@pytest.mark.parametrize(
    ("mode", "replaced", "placing", "expected", "cancel_error", "order_error"),
    [
        ("STOP_ON_FAILURE", 9, {}, (400, -2022, "FAILURE", "NOT_ATTEMPTED"), UNKNOWN_ORDER, None),
        ("STOP_ON_FAILURE", 1, TAKES, (409, -2021, "SUCCESS", "FAILURE"), None, WOULD_TAKE),
        ("STOP_ON_FAILURE", 1, POOR, (409, -2021, "SUCCESS", "FAILURE"), None, NO_FUNDS),
        ("ALLOW_FAILURE", 9, {}, (409, -2021, "FAILURE", "SUCCESS"), UNKNOWN_ORDER, None),
        ("ALLOW_FAILURE", 1, TAKES, (409, -2021, "SUCCESS", "FAILURE"), None, WOULD_TAKE),
        ("ALLOW_FAILURE", 9, TAKES, (400, -2022, "FAILURE", "FAILURE"), UNKNOWN_ORDER, WOULD_TAKE),
    ],
)
def test_what_became_of_each_part_is_said_in_the_error(
    floor: Floor,
    mode: str,
    replaced: int,
    placing: dict[str, Any],
    expected: tuple[int, int, str, str],
    cancel_error: dict[str, Any] | None,
    order_error: dict[str, Any] | None,
) -> None:
    refusal = failure(floor, cancelReplaceMode=mode, cancelOrderId=replaced, newClientOrderId="new", **placing)
    assert fate(refusal) == expected
    assert refusal.data is not None
    canceled, placed = refusal.data["cancelResponse"], refusal.data["newOrderResponse"]
    is_canceled, is_placed = expected[2] == "SUCCESS", expected[3] == "SUCCESS"
    assert (canceled["status"] == "CANCELED") if is_canceled else (canceled == cancel_error)
    assert (placed["clientOrderId"] == "new") if is_placed else (placed == order_error)
    open_now = [row["clientOrderId"] for row in floor.engine.open_orders("alice", BTC)]
    assert open_now == [name for name, stands in (("old", not is_canceled), ("new", is_placed)) if stands]


def test_the_texts_of_failures_are_the_documented_ones(floor: Floor) -> None:
    assert failure(floor, cancelOrderId=9).msg == "Order cancel-replace failed."
    assert failure(floor, cancelOrderId=1, **TAKES).msg == "Order cancel-replace partially failed."


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"cancelOrderId": 1, "price": "98.001"}, -1013),
        ({"cancelOrderId": 1, "quantity": "0.00001"}, -1013),
        ({"cancelOrderId": 1, "selfTradePreventionMode": "NONE"}, -1013),
        ({"cancelOrderId": 9, "price": "98.001", "cancelReplaceMode": "ALLOW_FAILURE"}, -1013),
        ({"cancelOrderId": 1, "quantity": None}, -1102),
        ({"cancelOrderId": 1, "cancelReplaceMode": None}, -1102),
        ({"cancelOrderId": 1, "cancelReplaceMode": "SOMETIMES"}, -1130),
        ({"cancelOrderId": 1, "orderRateLimitExceededMode": "NEVER"}, -1130),
        ({"cancelOrderId": 1, "cancelRestrictions": "ONLY_OLD"}, -1145),
        ({"cancelOrderId": 1, "side": "HOLD"}, -1117),
        ({"cancelOrderId": 1, "symbol": "NOPE"}, -1121),
        ({"cancelOrderId": 1, "orderId": 1}, -1104),
        ({}, -1102),
    ],
)
def test_what_is_wrong_before_the_engine_is_asked_cancels_nothing(
    floor: Floor, params: dict[str, Any], code: int
) -> None:
    refusal = failure(floor, **params)
    assert (refusal.code, refusal.status, refusal.data) == (code, 400, None)
    assert floor.story() == []
    assert len(floor.engine.open_orders("alice", BTC)) == 1


def test_the_order_to_be_canceled_still_counts_for_the_filters() -> None:
    floor = Floor(msgspec.structs.replace(BTCUSDT, orders_max=1))
    floor.limit("alice", "BUY", "98", "5")
    refusal = failure(floor, cancelOrderId=1)
    assert (refusal.code, refusal.msg) == (-1013, "Filter failure: MAX_NUM_ORDERS")
    assert len(floor.engine.open_orders("alice", BTC)) == 1


@pytest.mark.parametrize(("mode", "placed"), [("STOP_ON_FAILURE", "NOT_ATTEMPTED"), ("ALLOW_FAILURE", "FAILURE")])
def test_whether_a_filter_is_told_in_parts_is_a_switch(mode: str, placed: str) -> None:
    floor = Floor(switches=Switches(filter_failures_have_parts=True))
    floor.limit("alice", "BUY", "98", "5")
    refusal = failure(floor, cancelOrderId=1, price="98.001", cancelReplaceMode=mode)
    assert fate(refusal) == (400, -2022, "FAILURE", placed)
    assert refusal.data is not None
    assert refusal.data["cancelResponse"] == {"code": -1013, "msg": "Filter failure: PRICE_FILTER"}
    assert len(floor.engine.open_orders("alice", BTC)) == 1


def test_what_the_engine_refuses_comes_after_the_cancel(floor: Floor) -> None:
    floor.limit("alice", "BUY", "97", "1", newClientOrderId="taken")
    refusal = failure(floor, cancelOrderId=1, newClientOrderId="taken")
    assert fate(refusal) == (409, -2021, "SUCCESS", "FAILURE")
    assert refusal.data is not None
    assert refusal.data["newOrderResponse"] == {"code": -2010, "msg": "Duplicate order sent."}


@pytest.mark.parametrize(
    ("restriction", "filled", "is_canceled"),
    [
        ("ONLY_NEW", "0", True),
        ("ONLY_NEW", "1", False),
        ("ONLY_PARTIALLY_FILLED", "1", True),
        ("ONLY_PARTIALLY_FILLED", "0", False),
    ],
)
def test_the_cancel_can_be_restricted_to_a_status(
    floor: Floor, restriction: str, filled: str, is_canceled: bool
) -> None:
    if filled != "0":
        floor.trade("97", filled)
    if is_canceled:
        reply = floor.replace("alice", cancelOrderId=1, cancelRestrictions=restriction)
        assert reply["cancelResponse"]["executedQty"] == f"{filled}.00000000"
        return
    refusal = failure(floor, cancelOrderId=1, cancelRestrictions=restriction)
    assert fate(refusal) == (400, -2022, "FAILURE", "NOT_ATTEMPTED")
    assert refusal.data is not None
    text = "Order was not canceled due to cancel restrictions."
    assert refusal.data["cancelResponse"] == {"code": -2011, "msg": text}


def test_both_ids_must_fit_the_order_to_be_canceled(floor: Floor) -> None:
    assert fate(failure(floor, cancelOrderId=1, cancelOrigClientOrderId="other"))[2] == "FAILURE"
    floor.replace("alice", cancelOrderId=1, cancelOrigClientOrderId="old")


@pytest.mark.parametrize(
    ("mode", "replaced", "expected"),
    [
        ("STOP_ON_FAILURE", 1, (409, -2021, "SUCCESS", "FAILURE")),
        ("STOP_ON_FAILURE", 9, (400, -2022, "FAILURE", "NOT_ATTEMPTED")),
        ("ALLOW_FAILURE", 1, (409, -2021, "SUCCESS", "FAILURE")),
        ("ALLOW_FAILURE", 9, (400, -2022, "FAILURE", "FAILURE")),
    ],
)
def test_over_the_limit_of_orders_only_the_cancel_is_tried(
    floor: Floor, mode: str, replaced: int, expected: tuple[int, int, str, str]
) -> None:
    refusal = failure(floor, cancelReplaceMode=mode, cancelOrderId=replaced, over_limit=TOO_MANY)
    assert fate(refusal) == expected
    assert refusal.data is not None
    not_attempted = expected[3] == "NOT_ATTEMPTED"
    assert refusal.data["newOrderResponse"] == (None if not_attempted else {"code": TOO_MANY.code, "msg": TOO_MANY.msg})
    assert len(floor.engine.open_orders("alice", BTC)) == (0 if replaced == 1 else 1)


@pytest.mark.parametrize(("mode", "status"), [("STOP_ON_FAILURE", 429), ("ALLOW_FAILURE", 409)])
def test_the_status_over_the_limit_is_a_switch_where_text_and_table_differ(mode: str, status: int) -> None:
    floor = Floor(switches=Switches(over_limit_replace_status=429))
    floor.limit("alice", "BUY", "98", "5")
    refusal = failure(floor, cancelReplaceMode=mode, cancelOrderId=1, over_limit=TOO_MANY)
    assert fate(refusal) == (status, -2021, "SUCCESS", "FAILURE")


@pytest.mark.parametrize(
    ("placing", "reason"),
    [(TAKES, "WOULD_MATCH_IMMEDIATELY"), (POOR, "INSUFFICIENT_BALANCES")],
)
def test_a_new_order_that_is_refused_after_its_cancel_is_told_as_rejected(
    floor: Floor, placing: dict[str, Any], reason: str
) -> None:
    failure(floor, cancelOrderId=1, newClientOrderId="new", **placing)
    canceled, _, rejected = floor.events("alice")
    assert canceled["x"] == "CANCELED"
    assert (rejected["x"], rejected["X"], rejected["r"], rejected["c"], rejected["C"]) == (
        "REJECTED", "REJECTED", reason, "new", "",
    )  # fmt: skip
    assert (rejected["i"], rejected["I"], rejected["w"], "W" in rejected) == (-1, -1, False, False)
    assert [row["orderId"] for row in floor.engine.all_orders("alice", BTC)] == [1], "it never was an order"


def test_a_refusal_without_a_documented_reason_or_without_a_cancel_is_not_told(floor: Floor) -> None:
    floor.limit("alice", "BUY", "97", "1", newClientOrderId="taken")
    floor.events()
    failure(floor, cancelOrderId=1, newClientOrderId="taken")
    assert floor.story() == ["CANCELED/CANCELED", "position"]
    failure(floor, cancelOrderId=9, cancelReplaceMode="ALLOW_FAILURE", **TAKES)
    assert floor.story() == []


def test_whether_rejections_are_told_is_a_switch() -> None:
    floor = Floor(switches=Switches(rejected_replacements_are_told=False))
    floor.limit("alice", "BUY", "98", "5")
    floor.events()
    failure(floor, cancelOrderId=1, **TAKES)
    assert floor.story() == ["CANCELED/CANCELED", "position"]


def test_an_order_by_quote_quantity_meets_the_book_as_it_is_after_the_cancel() -> None:
    floor = Floor(quoted=False)
    floor.limit("bob", "SELL", "100", "1")
    floor.limit("alice", "SELL", "99", "1", newClientOrderId="own")
    market: dict[str, Any] = dict.fromkeys(("timeInForce", "price", "quantity"))
    reply = floor.replace("alice", cancelOrigClientOrderId="own", type="MARKET", quoteOrderQty="100", **market)
    assert reply["newOrderResponse"]["executedQty"] == "1.00000000"
    assert reply["newOrderResponse"]["fills"][0]["price"] == "100.00000000"


def test_a_symbol_says_whether_its_orders_can_be_replaced() -> None:
    floor = Floor(msgspec.structs.replace(BTCUSDT, cancel_replace_allowed=False))
    floor.limit("alice", "BUY", "98", "5")
    refusal = failure(floor, cancelOrderId=1)
    assert (refusal.code, refusal.msg) == (-2010, "Order cancel-replace is not supported for this symbol.")
    assert floor.engine.exchange_info(BTC, 0)["symbols"][0]["cancelReplaceAllowed"] is False
    assert Floor().engine.exchange_info(BTC, 0)["symbols"][0]["cancelReplaceAllowed"] is True
