"""PRICE_RANGE: a taker executes within multiples of the reference price, what is left beyond them expires."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dogwatch.actors.paper.symbol_filters import execution_rules
from dogwatch.actors.paper.symbols import BTCUSDT
from tests.actors.paper.trading import Floor

BEYOND = "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"
RANGED = msgspec.structs.replace(
    BTCUSDT,
    reference_price=Decimal(100),
    price_range_bid_up=Decimal("1.02"),
    price_range_ask_down=Decimal("0.98"),
)


def floor_with_offers(**changes: Any) -> Floor:
    """The outside bids for 5 at 99 and offers 5 at 101; bob bids for 1 at 97 and offers 1 at 103."""
    floor = Floor(msgspec.structs.replace(RANGED, **changes))
    floor.limit("bob", "BUY", "97", "1")
    floor.limit("bob", "SELL", "103", "1")
    return floor


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_what_a_market_order_would_take_out_of_range_expires(side: str) -> None:
    floor = floor_with_offers()
    reply = floor.market("alice", side, "6")
    assert (reply["status"], reply["executedQty"], reply["expiryReason"]) == ("EXPIRED", "5.00000000", BEYOND)


@pytest.mark.parametrize(("side", "price"), [("BUY", "110"), ("SELL", "90")])
@pytest.mark.parametrize("time_in_force", ["GTC", "IOC"])
def test_a_limit_order_that_would_go_on_expires_too_instead_of_resting(
    side: str, price: str, time_in_force: str
) -> None:
    reply = floor_with_offers().limit("alice", side, price, "6", timeInForce=time_in_force)
    assert (reply["status"], reply["executedQty"], reply["expiryReason"]) == ("EXPIRED", "5.00000000", BEYOND)


def test_a_limit_order_that_stops_by_itself_rests() -> None:
    reply = floor_with_offers().limit("alice", "BUY", "102", "6")
    assert (reply["status"], reply["executedQty"]) == ("PARTIALLY_FILLED", "5.00000000")


def test_a_market_order_that_finds_nothing_more_expires_for_that() -> None:
    reply = Floor(RANGED).market("alice", "BUY", "6")
    assert (reply["status"], reply["expiryReason"]) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")


def test_a_maker_is_filled_at_any_price() -> None:
    floor = floor_with_offers(price_range_bid_up=Decimal(0))
    assert floor.market("alice", "BUY", "6")["status"] == "FILLED"
    assert floor.events("bob")[-2]["L"] == "103.00000000"


@pytest.mark.parametrize("changes", [{"reference_price": Decimal(0)}, {"price_range_bid_up": Decimal(0)}])
def test_without_a_reference_price_or_a_multiple_there_is_no_range(changes: dict[str, Decimal]) -> None:
    assert floor_with_offers(**changes).market("alice", "BUY", "6")["status"] == "FILLED"


def test_the_rule_is_published_with_its_multiples_alone() -> None:
    assert execution_rules(RANGED) == [
        {"ruleType": "PRICE_RANGE", "bidLimitMultUp": "1.02", "askLimitMultDown": "0.98"}
    ]
    assert execution_rules(BTCUSDT) == []
