"""Lowering an order's quantity in place: WebSocket API, Order Amend Keep Priority; FAQ of the same name."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dogwatch.actors.paper.engine import EngineError, Switches
from dogwatch.actors.paper.symbols import BTCUSDT
from tests.actors.paper.trading import NOW_MS, Floor

BTC = {"symbol": "BTCUSDT"}


def refused(floor: Floor, quantity: str, account: str = "alice", **params: Any) -> tuple[int, str]:
    """Code and text of the refusal, which changes nothing and tells nothing."""
    before = floor.engine.orders(account)
    with pytest.raises(EngineError) as refusal:
        floor.amend(account, quantity, **params)
    assert floor.engine.orders(account) == before
    assert floor.story() == []
    return refusal.value.code, refusal.value.msg


@pytest.fixture
def floor() -> Floor:
    """Alice bids 5 at 98 as `mine`; what was told of it is gone."""
    floor = Floor()
    floor.limit("alice", "BUY", "98", "5", newClientOrderId="mine")
    floor.events()
    floor.now_ms += 1000
    return floor


def test_an_amended_order_has_its_new_quantity_everywhere_and_its_surplus_back(floor: Floor) -> None:
    reply = floor.amend("alice", "2", origClientOrderId="mine", newClientOrderId="mine")
    assert reply == {
        "transactTime": NOW_MS + 1000,
        "executionId": 2,
        "amendedOrder": {
            "symbol": "BTCUSDT",
            "orderId": 1,
            "orderListId": -1,
            "origClientOrderId": "mine",
            "clientOrderId": "mine",
            "price": "98.00000000",
            "qty": "2.00000000",
            "executedQty": "0.00000000",
            "preventedQty": "0.00000000",
            "quoteOrderQty": "0.00000000",
            "cumulativeQuoteQty": "0.00000000",
            "status": "NEW",
            "timeInForce": "GTC",
            "type": "LIMIT",
            "side": "BUY",
            "workingTime": NOW_MS,
            "selfTradePreventionMode": "EXPIRE_MAKER",
        },
    }
    row = floor.engine.order_status("alice", BTC | {"orderId": 1})
    assert (row["origQty"], row["status"], row["updateTime"]) == ("2.00000000", "NEW", NOW_MS + 1000)
    assert floor.locked("alice", "USDT") == 2 * 98
    assert floor.engine.depth("BTCUSDT", 5)["bids"] == [["99.00000000", "5.00000000"], ["98.00000000", "2.00000000"]]


def test_an_amend_is_told_as_replaced_with_the_balances_that_it_frees(floor: Floor) -> None:
    floor.amend("alice", "2", origClientOrderId="mine", newClientOrderId="less")
    report, position = floor.events("alice")
    assert (report["x"], report["X"], report["q"], report["I"], report["w"]) == (
        "REPLACED", "NEW", "2.00000000", 2, True,
    )  # fmt: skip
    assert (report["c"], report["C"], report["i"], report["t"], report["r"]) == ("less", "mine", 1, -1, "NONE")
    assert position["B"][-1] == {"a": "USDT", "f": "999804.00000000", "l": "196.00000000"}


def test_only_the_report_of_the_amend_itself_names_the_former_name(floor: Floor) -> None:
    floor.amend("alice", "2", orderId=1, newClientOrderId="less")
    floor.events()
    floor.trade("97", "1")
    trade = floor.events("alice")[0]
    assert (trade["x"], trade["c"], trade["C"], trade["z"]) == ("TRADE", "less", "", "1.00000000")


def test_an_amended_order_keeps_its_place_and_one_that_is_replaced_loses_it() -> None:
    floor = Floor()
    for name in ("first", "second", "third"):
        floor.limit("alice", "BUY", "98", "2", newClientOrderId=name)
    floor.amend("alice", "1", origClientOrderId="second", newClientOrderId="second")
    floor.replace("alice", cancelOrigClientOrderId="first", newClientOrderId="first", price="98", quantity="2")
    floor.events()
    floor.trade("97", "4")
    assert [event["c"] for event in floor.events() if event["e"] == "executionReport"] == ["second", "third", "first"]


def test_without_a_name_an_amended_order_gets_a_made_up_one_and_the_old_one_is_free(floor: Floor) -> None:
    name = floor.amend("alice", "4", origClientOrderId="mine")["amendedOrder"]["clientOrderId"]
    assert len(name) == 22
    assert floor.engine.order_status("alice", BTC | {"origClientOrderId": name})["orderId"] == 1
    with pytest.raises(EngineError, match="does not exist"):
        floor.engine.order_status("alice", BTC | {"origClientOrderId": "mine"})
    assert floor.limit("alice", "BUY", "97", "1", newClientOrderId="mine")["orderId"] == 2
    floor.cancel("alice", origClientOrderId=name)
    assert floor.engine.order_status("alice", BTC | {"origClientOrderId": name})["status"] == "CANCELED"


def test_a_partly_filled_order_is_amended_down_to_more_than_it_has_executed(floor: Floor) -> None:
    floor.trade("97", "1")
    amended = floor.amend("alice", "1.5", orderId=1, newClientOrderId="mine")["amendedOrder"]
    assert (amended["status"], amended["executedQty"], amended["cumulativeQuoteQty"]) == (
        "PARTIALLY_FILLED", "1.00000000", "98.00000000",
    )  # fmt: skip
    assert floor.locked("alice", "USDT") == Decimal("0.5") * 98
    floor.events()
    floor.trade("97", "5")
    last = floor.events("alice")[0]
    assert (last["X"], last["l"], last["z"]) == ("FILLED", "0.50000000", "1.50000000")
    assert floor.locked("alice", "USDT") == 0


@pytest.mark.parametrize("quantity", ["1", "0.5"])
def test_an_amend_to_what_has_executed_or_less_ends_the_order(floor: Floor, quantity: str) -> None:
    floor.trade("97", "1")
    floor.events()
    amended = floor.amend("alice", quantity, orderId=1, newClientOrderId="mine")["amendedOrder"]
    assert (amended["status"], amended["qty"], amended["expiryReason"]) == (
        "EXPIRED",
        "1.00000000",
        "EXCHANGE_CANCELED",
    )
    replaced, expired, _ = floor.events("alice")
    assert (replaced["x"], replaced["X"], replaced["q"]) == ("REPLACED", "PARTIALLY_FILLED", "1.00000000")
    assert (expired["x"], expired["X"], expired["eR"], expired["w"]) == (
        "EXPIRED", "EXPIRED", "EXCHANGE_CANCELED", False,
    )  # fmt: skip
    assert floor.engine.open_orders("alice", BTC) == []
    assert floor.locked("alice", "USDT") == 0
    floor.trade("97", "5")
    assert floor.story() == []
    assert floor.limit("alice", "BUY", "98", "1", newClientOrderId="mine")["status"] == "NEW"


def test_whether_an_amend_may_end_an_order_is_a_switch() -> None:
    floor = Floor(switches=Switches(amend_may_expire=False))
    floor.limit("alice", "BUY", "98", "5", newClientOrderId="mine")
    floor.trade("97", "1")
    floor.events()
    assert refused(floor, "1", orderId=1)[0] == -2038
    assert floor.amend("alice", "1.1", orderId=1)["amendedOrder"]["status"] == "PARTIALLY_FILLED"


def test_what_self_trade_prevention_took_counts_as_gone() -> None:
    floor = Floor()
    floor.limit("alice", "BUY", "98", "5", newClientOrderId="mine")
    # The outside bid of 5 at 99 is met first.
    floor.limit("alice", "SELL", "98", "6", selfTradePreventionMode="DECREMENT", timeInForce="IOC")
    floor.events()
    amended = floor.amend("alice", "4.5", origClientOrderId="mine")["amendedOrder"]
    assert (amended["preventedQty"], amended["qty"]) == ("1.00000000", "4.50000000")
    assert floor.locked("alice", "USDT") == Decimal("3.5") * 98


@pytest.mark.parametrize(
    ("quantity", "params", "refusal"),
    [
        ("6", {}, (-2038, "Order amend (quantity increase) is not supported.")),
        ("5", {}, (-2038, "The requested action would change no state; rejecting")),
        ("5.00", {"newClientOrderId": "other"}, (-2038, "The requested action would change no state; rejecting")),
        ("0", {}, (-1013, "Filter failure: LOT_SIZE")),
        ("0.000015", {}, (-1013, "Filter failure: LOT_SIZE")),
        ("0.00001", {}, (-1013, "Filter failure: NOTIONAL")),
        ("0.123456789", {}, (-1111, "Parameter 'newQty' has too much precision.")),
        ("-1", {}, (-1100, None)),
        ("2", {"orderId": 9}, (-2038, "Unknown order sent.")),
        ("2", {"orderId": 1, "origClientOrderId": "nobody"}, (-2038, "Unknown order sent.")),
        ("2", {"newClientOrderId": "taken"}, (-2038, "Duplicate order sent.")),
        ("2", {"newClientOrderId": "a b"}, (-1100, None)),
    ],
)
def test_an_amend_that_cannot_be_is_refused_and_the_order_stays_as_it_was(
    floor: Floor, quantity: str, params: dict[str, Any], refusal: tuple[int, str | None]
) -> None:
    floor.limit("alice", "BUY", "97", "1", newClientOrderId="taken")
    floor.events()
    named: dict[str, Any] = {"orderId": 1, **params}
    code, text = refused(floor, quantity, **named)
    assert code == refusal[0]
    assert refusal[1] in {text, None}


def test_an_amend_needs_an_id_and_an_order_of_ones_own(floor: Floor) -> None:
    assert refused(floor, "2") == (
        -1102,
        "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
    )
    assert refused(floor, "2", account="bob", orderId=1) == (-2038, "Unknown order sent.")


def test_a_closed_order_is_not_amended(floor: Floor) -> None:
    floor.cancel("alice", orderId=1, newClientOrderId="gone")
    floor.events()
    for name in ("mine", "gone"):
        assert refused(floor, "2", origClientOrderId=name) == (-2038, "Unknown order sent.")
    assert refused(floor, "2", orderId=1) == (-2038, "Unknown order sent.")


def test_an_order_is_amended_no_more_often_than_its_filter_allows() -> None:
    floor = Floor()
    for name, quantity in (("one", "5"), ("two", "5")):
        floor.limit("alice", "BUY", "98", quantity, newClientOrderId=name)
    for step in range(BTCUSDT.amends_max):
        floor.amend("alice", f"4.{9 - step}", orderId=1)
    floor.events()
    assert BTCUSDT.amends_max == 10
    assert refused(floor, "1", orderId=1) == (-2038, "Filter failure: MAX_NUM_ORDER_AMENDS")
    floor.amend("alice", "1", orderId=2)


def test_a_symbol_says_whether_its_orders_can_be_amended() -> None:
    floor = Floor(msgspec.structs.replace(BTCUSDT, amend_allowed=False))
    floor.limit("alice", "BUY", "98", "5")
    floor.events()
    assert refused(floor, "2", orderId=1) == (-2038, "Order amend is not supported for this symbol.")
    assert floor.engine.exchange_info(BTC, 0)["symbols"][0]["amendAllowed"] is False
    assert Floor().engine.exchange_info(BTC, 0)["symbols"][0]["amendAllowed"] is True


@pytest.mark.parametrize(("status", "is_possible"), [("CANCEL_ONLY", True), ("HALT", False), ("BREAK", False)])
def test_a_symbol_that_takes_no_orders_may_still_let_them_be_amended(status: str, is_possible: bool) -> None:
    floor = Floor()
    floor.limit("alice", "BUY", "98", "5")
    floor.events()
    market = floor.engine._market("BTCUSDT")
    market.definition = msgspec.structs.replace(BTCUSDT, status=status)
    if is_possible:
        assert floor.amend("alice", "2", orderId=1)["amendedOrder"]["qty"] == "2.00000000"
    else:
        assert refused(floor, "2", orderId=1) == (-2038, "Market is closed.")
