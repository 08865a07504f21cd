"""exchangeInfo: filters by their type, and a new filter never stops anybody."""

import json
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest

from dogwatch.actors.spot.enums import OrderType, RateLimitType, SymbolStatus
from dogwatch.actors.spot.errors import MalformedResult
from dogwatch.actors.spot.exchange_info import (
    ExchangeInfo,
    Filter,
    LotSize,
    MaxPosition,
    Notional,
    PercentPriceBySide,
    PriceFilter,
    TrailingDelta,
    UnknownFilter,
)
from dogwatch.actors.spot.results import decode_result

TICK = {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"}
LOT = {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001"}
NEW = {"filterType": "T_PLUS_SELL", "endTime": 1730937600000}

# Each filter as filters.md shows it, with the value of its first field under our name for it.
DOCUMENTED: list[tuple[dict[str, Any], str, object]] = [
    (TICK, "min_price", Decimal("0.01")),
    (
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.3", "multiplierDown": "0.7", "avgPriceMins": 5},
        "multiplier_up",
        Decimal("1.3"),
    ),
    (LOT, "min_quantity", Decimal("0.00001")),
    ({**LOT, "filterType": "MARKET_LOT_SIZE"}, "step_size", Decimal("0.00001")),
    (
        {"filterType": "MIN_NOTIONAL", "minNotional": "5", "applyToMarket": True, "avgPriceMins": 5},
        "min_notional",
        Decimal(5),
    ),
    ({"filterType": "ICEBERG_PARTS", "limit": 10}, "limit", 10),
    ({"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 25}, "max_num_orders", 25),
    ({"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5}, "max_num_algo_orders", 5),
    ({"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": 5}, "max_num_iceberg_orders", 5),
    ({"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10}, "max_num_order_amends", 10),
    ({"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20}, "max_num_order_lists", 20),
    ({"filterType": "MAX_POSITION", "maxPosition": "10.0"}, "max_position", Decimal(10)),
    ({"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": 1000}, "max_num_orders", 1000),
    ({"filterType": "EXCHANGE_MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 200}, "max_num_algo_orders", 200),
    ({"filterType": "EXCHANGE_MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": 100}, "max_num_iceberg_orders", 100),
    ({"filterType": "EXCHANGE_MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20}, "max_num_order_lists", 20),
    ({"filterType": "MAX_ASSET", "asset": "USDC", "limit": "42.00000000"}, "limit", Decimal("42.00000000")),
    (
        {
            "filterType": "NOTIONAL",
            "minNotional": "5",
            "applyMinToMarket": True,
            "maxNotional": "9000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        "max_notional",
        Decimal(9000000),
    ),
    (
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "5",
            "askMultiplierDown": "0.2",
            "avgPriceMins": 5,
        },
        "ask_multiplier_down",
        Decimal("0.2"),
    ),
    (
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": 10,
            "maxTrailingAboveDelta": 2000,
            "minTrailingBelowDelta": 11,
            "maxTrailingBelowDelta": 2001,
        },
        "min_trailing_below_delta",
        11,
    ),
]


def wire(*filters: dict[str, Any], exchange_filters: tuple[dict[str, Any], ...] = ()) -> bytes:
    return json.dumps(
        {
            "timezone": "UTC",
            "serverTime": 7,
            "rateLimits": [
                {"rateLimitType": "CONNECTIONS", "interval": "MINUTE", "intervalNum": 5, "limit": 300},
            ],
            "exchangeFilters": exchange_filters,
            "symbols": [
                {
                    "symbol": "BTCUSDT",
                    "status": "TRADING",
                    "baseAsset": "BTC",
                    "baseAssetPrecision": 8,
                    "quoteAsset": "USDT",
                    "quoteAssetPrecision": 8,
                    "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "SOMETHING_NEW"],
                    "filters": filters,
                    "permissionSets": [["SPOT"]],
                    "addedLater": {},
                }
            ],
        }
    ).encode()


def test_a_symbol_says_what_it_trades_and_how() -> None:
    info = decode_result(wire(TICK, LOT), ExchangeInfo)
    symbol = info.symbol("BTCUSDT")
    assert symbol is not None
    assert (symbol.base_asset, symbol.quote_asset, symbol.status) == ("BTC", "USDT", SymbolStatus.TRADING)
    assert symbol.order_types[:3] == (OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET)
    assert symbol.filters == (
        PriceFilter(min_price=Decimal("0.01"), max_price=Decimal(1000000), tick_size=Decimal("0.01")),
        LotSize(min_quantity=Decimal("0.00001"), max_quantity=Decimal(9000), step_size=Decimal("0.00001")),
    )
    assert info.rate_limits[0].rate_limit_type is RateLimitType.CONNECTIONS
    assert info.symbol("NONSENSE") is None


@pytest.mark.parametrize(("filter_", "field", "value"), DOCUMENTED, ids=lambda item: str(item)[:50])
def test_each_documented_filter_is_known(filter_: dict[str, Any], field: str, value: object) -> None:
    [decoded] = decode_result(wire(filter_), ExchangeInfo).symbols[0].filters
    assert not isinstance(decoded, UnknownFilter)
    assert getattr(decoded, field) == value


def test_the_list_of_documented_filters_is_complete() -> None:
    known = {str(kind.__struct_config__.tag) for kind in get_args(Filter)} - {"UnknownFilter"}
    assert {item["filterType"] for item, _, _ in DOCUMENTED} == known
    assert {PercentPriceBySide, Notional, TrailingDelta, MaxPosition} <= set(get_args(Filter))


def test_a_filter_that_the_exchange_adds_later_is_named_and_the_others_are_kept() -> None:
    info = decode_result(wire(TICK, NEW, LOT, exchange_filters=(NEW,)), ExchangeInfo)
    plain = decode_result(wire(TICK, LOT), ExchangeInfo)
    unknown = UnknownFilter(name="T_PLUS_SELL", raw=msgspec.json.encode(NEW))
    tick, lot = plain.symbols[0].filters
    assert info.symbols[0].filters == (tick, unknown, lot)
    assert info.exchange_filters == (unknown,)


@pytest.mark.parametrize(
    "wrong",
    [
        b"[]",
        b'{"serverTime":1,"symbols":7}',
        b'{"serverTime":1,"symbols":[7]}',
        wire({"filterType": "PRICE_FILTER"}),
        wire(NEW, {"filterType": 5}),
        b'{"serverTime":1,"symbols":[' + b"[" * 100_000,
    ],
    ids=lambda payload: payload[:40].decode(),
)
def test_what_is_not_exchange_info_is_said_to_be_malformed(wrong: bytes) -> None:
    with pytest.raises(MalformedResult, match="ExchangeInfo"):
        decode_result(wrong, ExchangeInfo)
