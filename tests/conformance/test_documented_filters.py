"""Every filter of the documentation: it is read as what it is, binds orders by the client's rules, and is known to the
paper exchange, too."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dogwatch.actors.paper.symbol_filters import ExchangeFilters, exchange_filters, my_filters
from dogwatch.actors.paper.symbols import BTCUSDT, describe, with_filters
from dogwatch.actors.spot.account_results import MyFilters
from dogwatch.actors.spot.exchange_info import Filter, decode_exchange_info
from dogwatch.actors.spot.filters import SymbolRules
from dogwatch.actors.spot.results import decode_result
from dogwatch.actors.spot.wire_form import wire_form
from tests.conformance.reference import needs_reference, reference

pytestmark = needs_reference

DOCUMENTED: list[dict[str, Any]] = reference("filters").get("filters", [])
EVERY = pytest.mark.parametrize("documented", DOCUMENTED, ids=[entry["filter"] for entry in DOCUMENTED])
LIMITS = ("orders_max", "algo_orders_max", "iceberg_orders_max", "order_lists_max")
FIELDS = {"str": str, "int": int, "bool": bool}


def read(example: dict[str, Any]) -> Filter:
    """As a part of myFilters, where every kind of filter may stand."""
    result = {"exchangeFilters": [], "symbolFilters": [example], "assetFilters": []}
    (found,) = decode_result(msgspec.json.encode(result), MyFilters).symbol_filters
    return found


def rules_of(*filters: Filter) -> SymbolRules:
    plain = {
        "serverTime": 0,
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": [{**describe(BTCUSDT), "filters": []}],
    }
    (info,) = decode_exchange_info(msgspec.json.encode(plain)).symbols
    return SymbolRules.of(info, mine=MyFilters(exchange_filters=(), symbol_filters=filters, asset_filters=()))


def on_paper() -> dict[str, dict[str, Any]]:
    """Every filter that the paper exchange can have, by name, as it lists it."""
    everything = {"multiplier_up": "2", "min_notional": "1", "iceberg_orders_max": 5, "position_max": "10"}
    definition = with_filters(BTCUSDT, everything)
    limits: dict[str, Any] = dict.fromkeys(LIMITS, 5)
    exchange = ExchangeFilters(asset_max={"BTC": Decimal(1)}, **limits)
    mine = my_filters(definition, exchange, ("BTC", "USDT"))
    listed = (*describe(definition)["filters"], *exchange_filters(exchange), *mine["assetFilters"])
    return {entry["filterType"]: entry for entry in listed}


def test_all_twenty_are_documented() -> None:
    assert len(DOCUMENTED) == 20


@EVERY
def test_a_filter_is_read_and_written_back_as_it_was(documented: dict[str, Any]) -> None:
    assert wire_form(read(documented["example"])) == documented["example"]


@EVERY
def test_a_filter_changes_what_an_order_may_be(documented: dict[str, Any]) -> None:
    example = documented["example"]
    if example.get("asset"):
        example = {**example, "asset": "BTC"}
    rules = rules_of(read(example))
    assert rules != rules_of()
    assert rules.unknown_filters == ()


@EVERY
def test_the_paper_exchange_lists_a_filter_with_the_documented_fields(documented: dict[str, Any]) -> None:
    listed = on_paper()[documented["filter"]]
    assert {name: type(value) for name, value in listed.items() if name != "filterType"} == {
        name: FIELDS[kind] for name, kind in documented["fields"].items()
    }
