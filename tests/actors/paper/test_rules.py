"""The filters, case by case: which order passes, and which filter's name comes back (filters.md)."""

from decimal import Decimal

import msgspec
import pytest

from dogwatch.actors.paper.symbols import BTCUSDT, ETHBTC, ETHUSDT
from tests.actors.paper.trading import Floor

LIMIT = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "98", "quantity": "1"}
MARKET = {"side": "BUY", "type": "MARKET", "quantity": "1"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"price": "0"}, "PRICE_FILTER"),
        ({"price": "0.001"}, "PRICE_FILTER"),
        ({"price": "98.001"}, "PRICE_FILTER"),
        ({"price": "1000000.01"}, "PRICE_FILTER"),
        ({"quantity": "0"}, "LOT_SIZE"),
        ({"quantity": "0.000001"}, "LOT_SIZE"),
        ({"quantity": "1.000001"}, "LOT_SIZE"),
        ({"quantity": "9000.00001"}, "LOT_SIZE"),
        ({"icebergQty": "0.00999"}, "ICEBERG_PARTS"),
        ({"icebergQty": "0.000001"}, "LOT_SIZE"),
        ({"price": "500.01"}, "PERCENT_PRICE_BY_SIDE"),
        ({"price": "19.99"}, "PERCENT_PRICE_BY_SIDE"),
        ({"side": "SELL", "price": "500.01"}, "PERCENT_PRICE_BY_SIDE"),
        ({"price": "98", "quantity": "0.05102"}, "NOTIONAL"),
    ],
)
def test_a_limit_order_that_breaks_a_filter_is_refused_by_its_name(changes: dict[str, str], name: str) -> None:
    assert Floor().refusal(**(LIMIT | changes)) == (-1013, f"Filter failure: {name}")


@pytest.mark.parametrize(
    "changes", [{"price": "500"}, {"price": "20"}, {"price": "98", "quantity": "0.05103"}, {"quantity": "0.06"}]
)
def test_a_limit_order_at_the_edge_of_a_filter_passes(changes: dict[str, str]) -> None:
    assert Floor().place(**(LIMIT | changes))["orderId"] == 1


@pytest.mark.parametrize(
    ("params", "name"),
    [
        (MARKET | {"quantity": "116.60535"}, "MARKET_LOT_SIZE"),
        (MARKET | {"quantity": "0.000001"}, "LOT_SIZE"),
        (MARKET | {"quantity": "0.04999"}, "NOTIONAL"),
        ({"side": "BUY", "type": "MARKET", "quoteOrderQty": "4.99"}, "NOTIONAL"),
        ({"side": "BUY", "type": "MARKET", "quoteOrderQty": "0.0001"}, "LOT_SIZE"),
    ],
)
def test_a_market_order_that_breaks_a_filter_is_refused_by_its_name(params: dict[str, str], name: str) -> None:
    assert Floor().refusal(**params) == (-1013, f"Filter failure: {name}")


def test_the_reference_price_is_the_average_of_the_last_minutes() -> None:
    floor = Floor()
    floor.trade("300", "3")
    assert floor.engine.average_price("BTCUSDT", floor.now_ms) == 250
    floor.now_ms += 5 * 60_000 + 1
    assert floor.engine.average_price("BTCUSDT", floor.now_ms) == 300
    floor.trade("200", "1")
    assert floor.engine.average_price("BTCUSDT", floor.now_ms) == 200


def test_a_symbol_that_never_traded_takes_limit_orders_but_no_market_orders() -> None:
    floor = Floor()
    order = {"symbol": "ETHUSDT", "side": "BUY"}
    assert floor.refusal(**order, type="MARKET", quantity="1") == (-1013, "Filter failure: NOTIONAL")
    assert floor.place(**order, type="LIMIT_MAKER", price="9", quantity="1")["orderId"] == 1


def test_open_orders_are_counted_per_symbol_and_account() -> None:
    floor = Floor(msgspec.structs.replace(BTCUSDT, orders_max=2), ETHUSDT)
    floor.place(**LIMIT, newClientOrderId="a")
    floor.place(**LIMIT)
    assert floor.refusal(**LIMIT) == (-1013, "Filter failure: MAX_NUM_ORDERS")
    assert floor.place("bob", **LIMIT)["status"] == "NEW"
    assert floor.place(symbol="ETHUSDT", **(LIMIT | {"quantity": "1"}))["status"] == "NEW"
    floor.cancel("alice", origClientOrderId="a")
    assert floor.place(**LIMIT)["status"] == "NEW"


def test_a_position_counts_what_is_owned_and_what_is_being_bought() -> None:
    floor = Floor(msgspec.structs.replace(BTCUSDT, position_max=Decimal(12)))
    floor.place(**LIMIT)
    floor.place(**LIMIT)
    assert floor.refusal(**LIMIT) == (-1013, "Filter failure: MAX_POSITION")
    assert floor.place(**(LIMIT | {"side": "SELL", "price": "105"}))["status"] == "NEW"


def test_a_notional_above_the_maximum_is_refused_for_limit_orders_only() -> None:
    floor = Floor(msgspec.structs.replace(BTCUSDT, notional_max=Decimal(90)))
    assert floor.refusal(**LIMIT) == (-1013, "Filter failure: NOTIONAL")
    assert floor.place(**MARKET)["status"] == "FILLED"


def test_an_order_type_switched_off_is_refused_in_words() -> None:
    floor = Floor(msgspec.structs.replace(BTCUSDT, order_types=("LIMIT",)))
    assert floor.refusal(**MARKET) == (-2010, "Market orders are not supported for this symbol.")


def test_an_unknown_symbol_is_invalid() -> None:
    assert Floor(ETHBTC, BTCUSDT).refusal(**LIMIT, symbol="ETHUSDT") == (-1121, "Invalid symbol.")
