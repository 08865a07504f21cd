"""The filters, case by case: which order passes, and which filter's name comes back (filters.md)."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dogwatch.actors.paper.engine import Engine, EngineError
from dogwatch.actors.paper.symbol_filters import ExchangeFilters
from dogwatch.actors.paper.symbols import BTCUSDT, ETHBTC, ETHUSDT
from tests.actors.paper.trading import NOW_MS, Floor

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
        ({"side": "BUY", "type": "MARKET", "quoteOrderQty": "0"}, "LOT_SIZE"),
        ({"side": "BUY", "type": "MARKET", "quoteOrderQty": "0.0001"}, "NOTIONAL"),
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


# What is only tested here, because it cannot be placed yet: stops, trailing stops, icebergs.

STOP = {"side": "SELL", "type": "STOP_LOSS", "quantity": "1", "stopPrice": "90"}
STOP_LIMIT = {**STOP, "type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "price": "89"}
TRAILING = {"side": "SELL", "type": "TAKE_PROFIT", "quantity": "1", "trailingDelta": "100"}


def verdict(floor: Floor, **params: str) -> str:
    """What order.test says, empty when nothing is wrong."""
    try:
        assert floor.engine.place_test("alice", {"symbol": "BTCUSDT", **params}, floor.now_ms) == {}
    except EngineError as refusal:
        return f"{refusal.code} {refusal.msg}"
    return ""


@pytest.mark.parametrize("params", [STOP, STOP_LIMIT, TRAILING, LIMIT | {"icebergQty": "0.5"}, LIMIT, MARKET])
def test_a_test_accepts_every_type_and_places_nothing(params: dict[str, str]) -> None:
    floor = Floor()
    assert verdict(floor, **params) == ""
    assert floor.engine.open_orders("alice", {}) == []


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (STOP | {"stopPrice": "90.001"}, "-1013 Filter failure: PRICE_FILTER"),
        (STOP_LIMIT | {"price": "501"}, "-1013 Filter failure: PERCENT_PRICE_BY_SIDE"),
        (STOP_LIMIT | {"quantity": "0.00001"}, "-1013 Filter failure: NOTIONAL"),
        (STOP_LIMIT | {"icebergQty": "0.00999"}, "-1013 Filter failure: ICEBERG_PARTS"),
        (STOP | {"quantity": "0.000001"}, "-1013 Filter failure: LOT_SIZE"),
        (TRAILING | {"trailingDelta": "9"}, "-1013 Filter failure: TRAILING_DELTA"),
        (TRAILING | {"trailingDelta": "2001"}, "-1013 Filter failure: TRAILING_DELTA"),
        ({**STOP, "stopPrice": ""}, "-1105 Parameter 'stopPrice' was empty."),
        (LIMIT | {"icebergQty": "2"}, "-2010 IcebergQty exceeds QTY."),
    ],
)
def test_a_test_says_what_is_wrong_with_a_stop_or_an_iceberg(params: dict[str, str], words: str) -> None:
    assert verdict(Floor(), **params) == words


@pytest.mark.parametrize(
    ("params", "missing"),
    [
        ({"side": "SELL", "type": "STOP_LOSS", "quantity": "1"}, "Param 'stopPrice' or 'trailingDelta' must be sent"),
        ({"side": "SELL", "type": "TAKE_PROFIT", "stopPrice": "110"}, "Mandatory parameter 'quantity'"),
        (STOP | {"type": "STOP_LOSS_LIMIT"}, "Mandatory parameter 'timeInForce'"),
        (STOP | {"type": "TAKE_PROFIT_LIMIT", "timeInForce": "GTC"}, "Mandatory parameter 'price'"),
        (STOP | {"price": "89"}, "Parameter 'price' sent when not required"),
        (STOP_LIMIT | {"quoteOrderQty": "89"}, "Parameter 'quoteOrderQty' sent when not required"),
    ],
)
def test_a_stop_needs_what_its_type_needs(params: dict[str, str], missing: str) -> None:
    assert missing in verdict(Floor(), **params)


@pytest.mark.parametrize(
    ("changes", "params", "name"),
    [
        ({"trailing_above_min": 50}, TRAILING | {"trailingDelta": "20"}, "TRAILING_DELTA"),
        ({"trailing_below_min": 50}, TRAILING | {"trailingDelta": "20"}, ""),
        ({"trailing_above_min": 50}, TRAILING | {"trailingDelta": "20", "side": "BUY"}, ""),
        ({"multiplier_up": Decimal("1.05")}, LIMIT | {"price": "105.01", "side": "SELL"}, "PERCENT_PRICE"),
        ({"multiplier_down": Decimal("0.95")}, LIMIT | {"price": "94.99"}, "PERCENT_PRICE"),
        ({"multiplier_down": Decimal("0.95")}, LIMIT | {"price": "95"}, ""),
        ({"min_notional": Decimal(99)}, LIMIT, "MIN_NOTIONAL"),
        ({"min_notional": Decimal(101)}, MARKET, "MIN_NOTIONAL"),
        ({"min_notional": Decimal(101), "min_notional_applies_to_market": False}, MARKET, ""),
        ({"reference_price": Decimal(1000)}, LIMIT, "PERCENT_PRICE_BY_SIDE"),
        ({"iceberg_parts_max": 0}, LIMIT | {"icebergQty": "0.001"}, ""),
        ({"notional_min": Decimal(0), "notional_max": Decimal(0)}, LIMIT | {"quantity": "0.00001"}, ""),
    ],
)
def test_a_filter_is_as_strict_as_its_settings(changes: dict[str, Any], params: dict[str, str], name: str) -> None:
    floor = Floor(msgspec.structs.replace(BTCUSDT, **changes))
    assert verdict(floor, **params) == (f"-1013 Filter failure: {name}" if name else "")


def test_over_zero_minutes_the_average_is_the_last_price() -> None:
    floor = Floor(msgspec.structs.replace(BTCUSDT, average_price_minutes=0))
    floor.trade("300", "3")
    assert verdict(floor, **(LIMIT | {"price": "60"})) == ""
    assert verdict(floor, **(LIMIT | {"price": "59.99"})) == "-1013 Filter failure: PERCENT_PRICE_BY_SIDE"


def test_a_symbol_may_take_no_orders_by_quote_quantity() -> None:
    floor = Floor(msgspec.structs.replace(BTCUSDT, quote_quantity_allowed=False))
    words = "Quote order qty market orders are not support for this symbol."
    assert floor.refusal(side="BUY", type="MARKET", quoteOrderQty="100") == (-2010, words)


def test_digits_are_those_of_the_symbol_s_assets() -> None:
    floor = Floor(msgspec.structs.replace(BTCUSDT, asset_precision=4))
    assert floor.refusal(**(LIMIT | {"quantity": "1.00001"}))[0] == -1111
    assert floor.refusal(symbol="ETHUSDT", **LIMIT) == (-1121, "Invalid symbol.")


def test_limits_of_the_whole_exchange_bind_an_account_on_all_symbols_together() -> None:
    filters = ExchangeFilters(orders_max=2, asset_max={"BTC": Decimal(3), "USDT": Decimal(250)})
    engine = Engine([BTCUSDT, ETHUSDT], filters=filters)
    for account in ("alice", "bob"):
        engine.open_account(account, {"BTC": Decimal(10), "USDT": Decimal(10_000)})

    def place(account: str, **changes: str) -> str:
        order = {"symbol": "BTCUSDT", **LIMIT, **changes}
        try:
            return str(engine.place(account, order, NOW_MS)["status"])
        except EngineError as refusal:
            return refusal.msg

    assert place("alice", quantity="2.6", price="100") == "Filter failure: MAX_ASSET"
    assert place("alice", quantity="3.1", price="2") == "Filter failure: MAX_ASSET"
    assert place("alice") == place("alice", symbol="ETHUSDT") == "NEW"
    assert place("alice") == place("alice", symbol="ETHUSDT") == "Filter failure: EXCHANGE_MAX_NUM_ORDERS"
    assert place("bob") == "NEW"
    assert engine.exchange_info({}, NOW_MS)["exchangeFilters"] == [
        {"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": 2}
    ]
