"""enums.json: every documented word is known here, under the enumeration that it belongs to."""

from enum import Enum

import pytest

from dogwatch.actors.spot import enums
from dogwatch.actors.spot.execution_rules import PriceRange
from tests.conformance.reference import needs_reference, reference

pytestmark = needs_reference

WORDS: dict[str, type[Enum]] = {
    "Symbol status (status)": enums.SymbolStatus,
    "Order status (status)": enums.OrderStatus,
    "Order List Status (listStatusType)": enums.ListStatusType,
    "Order List Order Status (listOrderStatus)": enums.ListOrderStatus,
    "ContingencyType": enums.ContingencyType,
    "AllocationType": enums.AllocationType,
    "Order types (orderTypes, type)": enums.OrderType,
    "Order Response Type (newOrderRespType)": enums.ResponseType,
    "Working Floor": enums.WorkingFloor,
    "Order side (side)": enums.Side,
    "Time in force (timeInForce)": enums.TimeInForce,
    "Rate limiters (rateLimitType)": enums.RateLimitType,
    "Rate limit intervals (interval)": enums.RateLimitInterval,
    "STP Modes": enums.SelfTradePreventionMode,
    "Execution types": enums.ExecutionType,
    "Expiry Reasons": enums.ExpiryReason,
}
OPEN_TEXT = "Account and Symbol Permissions (permissions)"
"""Groups of accounts: names to compare with each other, from which nothing follows. They are read as text."""
STRUCTS = "Execution Rules"
"""Each has fields of its own and is a type."""
BESIDES: dict[type[Enum], set[str]] = {enums.RateLimitType: {"CONNECTIONS"}, enums.RateLimitInterval: {"HOUR"}}
"""Words of live answers that the lists leave out."""

DOCUMENTED: dict[str, list[str]] = {page["enum"]: page["values"] for page in reference("enums").get("enums", [])}


@pytest.mark.parametrize("name", WORDS)
def test_every_documented_word_is_known_and_hardly_any_other(name: str) -> None:
    kind = WORDS[name]
    assert {member.value for member in kind} - BESIDES.get(kind, set()) == set(DOCUMENTED[name])


def test_every_documented_enumeration_is_here() -> None:
    assert DOCUMENTED.keys() == {*WORDS, OPEN_TEXT, STRUCTS}
    assert DOCUMENTED[STRUCTS] == [PriceRange.__struct_config__.tag]
