"""Two orders of one account that would trade with each other: what each prevention mode does (STP FAQ)."""

from decimal import Decimal

import pytest

from dogwatch.actors.paper.engine import Switches
from tests.actors.paper.trading import Floor


@pytest.mark.parametrize(
    ("mode", "maker_status", "taker_status", "story"),
    [
        ("EXPIRE_MAKER", "EXPIRED_IN_MATCH", "NEW", ["NEW/NEW", "TRADE_PREVENTION/EXPIRED_IN_MATCH", "position"]),
        ("EXPIRE_TAKER", "NEW", "EXPIRED_IN_MATCH", ["NEW/NEW", "TRADE_PREVENTION/EXPIRED_IN_MATCH", "position"]),
        (
            "EXPIRE_BOTH",
            "EXPIRED_IN_MATCH",
            "EXPIRED_IN_MATCH",
            ["NEW/NEW", "TRADE_PREVENTION/EXPIRED_IN_MATCH", "TRADE_PREVENTION/EXPIRED_IN_MATCH", "position"],
        ),
        (
            "DECREMENT",
            "EXPIRED_IN_MATCH",
            "NEW",
            ["NEW/NEW", "TRADE_PREVENTION/NEW", "TRADE_PREVENTION/EXPIRED_IN_MATCH", "position"],
        ),
    ],
)
def test_the_taker_s_mode_decides_who_expires(
    mode: str, maker_status: str, taker_status: str, story: list[str]
) -> None:
    floor = Floor(quoted=False)
    floor.limit("alice", "BUY", "100", "1", newClientOrderId="maker")
    floor.events()
    floor.limit("alice", "SELL", "100", "3", newClientOrderId="taker", selfTradePreventionMode=mode)
    assert floor.story() == story
    statuses = {order["clientOrderId"]: order["status"] for order in floor.engine.orders("alice")}
    assert statuses == {"maker": maker_status, "taker": taker_status}
    assert floor.engine.fills("alice") == []


def test_decrement_takes_the_smaller_quantity_from_both() -> None:
    floor = Floor(quoted=False)
    floor.limit("alice", "BUY", "100", "3", newClientOrderId="maker")
    floor.events()
    reply = floor.limit("alice", "SELL", "100", "1", selfTradePreventionMode="DECREMENT")
    assert (reply["status"], reply["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "1.00000000")
    assert reply["preventedMatches"] == [
        {
            "preventedMatchId": 0,
            "makerOrderId": 1,
            "price": "100.00000000",
            "takerPreventedQuantity": "1.00000000",
            "makerPreventedQuantity": "1.00000000",
        }
    ]
    assert floor.locked("alice", "USDT") == 200
    assert floor.locked("alice", "BTC") == 0
    assert floor.engine.depth("BTCUSDT", 5)["bids"] == [["100.00000000", "2.00000000"]]


def test_a_prevented_report_says_against_whom_and_how_much() -> None:
    floor = Floor(quoted=False)
    floor.limit("alice", "BUY", "100", "1", newClientOrderId="maker")
    floor.events()
    floor.limit("alice", "SELL", "100", "3")
    report = next(event for event in floor.events() if event.get("x") == "TRADE_PREVENTION")
    prevented = {name: report[name] for name in ("c", "v", "A", "B", "U", "Cs", "pl", "pL", "pY", "l", "L", "Y", "w")}
    assert prevented == {
        "c": "maker", "v": 0, "A": "1.00000000", "B": "1.00000000", "U": 2, "Cs": "BTCUSDT", "pl": "1.00000000",
        "pL": "100.00000000", "pY": "100.00000000", "l": "0.00000000", "L": "0.00000000", "Y": "0.00000000", "w": False,
    }  # fmt: skip


def test_the_taker_goes_on_to_others_after_its_own_orders_expired() -> None:
    floor = Floor(quoted=False)
    floor.limit("alice", "BUY", "100", "1")
    floor.limit("bob", "BUY", "99", "1")
    reply = floor.limit("alice", "SELL", "99", "3")
    assert (reply["status"], reply["executedQty"]) == ("PARTIALLY_FILLED", "1.00000000")


def test_a_market_taker_without_anybody_else_expires() -> None:
    floor = Floor(quoted=False)
    floor.limit("alice", "BUY", "100", "1")
    reply = floor.market("alice", "SELL", "1")
    assert (reply["status"], reply["expiryReason"]) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")


def test_a_fill_or_kill_does_not_count_its_own_orders_as_liquidity() -> None:
    floor = Floor(quoted=False)
    floor.limit("alice", "BUY", "100", "1", newClientOrderId="maker")
    reply = floor.limit("alice", "SELL", "100", "1", timeInForce="FOK")
    assert (reply["status"], reply["expiryReason"]) == ("EXPIRED", "UNFILLED_FOK_ORDER_EXPIRED")
    assert floor.engine.open_orders("alice", {})[0]["clientOrderId"] == "maker"


def test_a_mode_that_the_symbol_does_not_allow_is_refused() -> None:
    floor = Floor()
    code, text = floor.refusal(side="BUY", type="MARKET", quantity="1", selfTradePreventionMode="NONE")
    assert (code, text) == (-1013, "This symbol does not allow the specified self-trade prevention mode.")


def test_switched_off_an_account_trades_with_itself_and_pays_both_commissions() -> None:
    floor = Floor(quoted=False, switches=Switches(self_trade_prevention="NONE"))
    floor.limit("alice", "BUY", "100", "1")
    floor.limit("alice", "SELL", "100", "1")
    assert floor.story() == [
        "NEW/NEW", "position", "NEW/NEW", "TRADE/FILLED", "TRADE/FILLED", "position",
    ]  # fmt: skip
    assert floor.engine.position("alice", "BTC") == Decimal("-0.001")
    assert floor.engine.position("alice", "USDT") == Decimal("-0.1")
    info = floor.engine.exchange_info({"symbol": "BTCUSDT"}, 0)["symbols"][0]
    assert info["defaultSelfTradePreventionMode"] == "NONE"
    assert "NONE" in info["allowedSelfTradePreventionModes"]


def test_the_reply_of_an_expired_taker_lists_what_was_prevented() -> None:
    floor = Floor(quoted=False)
    floor.limit("alice", "BUY", "100", "1")
    floor.limit("alice", "BUY", "100", "3")
    reply = floor.limit("alice", "SELL", "100", "3", selfTradePreventionMode="EXPIRE_BOTH")
    assert reply["preventedMatches"] == [
        {
            "preventedMatchId": 0,
            "makerOrderId": 1,
            "price": "100.00000000",
            "takerPreventedQuantity": "3.00000000",
            "makerPreventedQuantity": "1.00000000",
        }
    ]
    assert (reply["status"], reply["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "3.00000000")
    shown = [(row["orderId"], row.get("preventedMatchId"), row["status"]) for row in floor.engine.orders("alice")]
    assert shown == [(1, 0, "EXPIRED_IN_MATCH"), (2, None, "NEW"), (3, 0, "EXPIRED_IN_MATCH")]
