"""Answers about markets: one or many become a tuple, a refusal stays a refusal, what is new is named."""

import json
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import CalculationType
from dogwatch.actors.spot.errors import MalformedResult, Rejected
from dogwatch.actors.spot.exchange_info import MaxAsset, UnknownFilter
from dogwatch.actors.spot.execution_rules import ExecutionRules, PriceRange, UnknownRule
from dogwatch.actors.spot.results import (
    AggregateTrade,
    Amendment,
    BookSnapshot,
    BookTicker,
    Candle,
    MyFilters,
    PublicTrade,
    Ticker,
    decode_book_tickers,
    decode_price_tickers,
    decode_reference_price,
    decode_reference_price_calculation,
    decode_result,
    decode_results,
    decode_routed_orders,
    decode_tickers,
)
from dogwatch.actors.spot.stream_events import PriceLevel

MINI: dict[str, Any] = {
    "symbol": "BNBBTC",
    "openPrice": "0.01362800",
    "highPrice": "0.01414900",
    "lowPrice": "0.01346600",
    "lastPrice": "0.01376700",
    "volume": "69412.40500000",
    "quoteVolume": "959.59411487",
    "openTime": 1660014164909,
    "closeTime": 1660100564909,
    "firstId": 194696115,
    "lastId": 194968287,
    "count": 272173,
}
PRICE: dict[str, Any] = {"symbol": "BNBBTC", "price": "0.01361900"}
QUOTE: dict[str, Any] = {"symbol": "BNBBTC", "bidPrice": "1", "bidQty": "2", "askPrice": "3", "askQty": "4"}
ROUTED: dict[str, Any] = {"symbol": "BTCUSDT", "orderId": 2, "orderListId": -1, "clientOrderId": "a", "usedSor": True}
RANGE: dict[str, Any] = {"ruleType": "PRICE_RANGE", "bidLimitMultUp": "1.0001", "askLimitMultDown": "0.9999"}
REFUSAL: dict[str, Any] = {"code": -2043, "msg": "This symbol doesn't have a reference price."}

ONE_OR_MANY: list[tuple[Callable[[bytes], tuple[Any, ...]], dict[str, Any]]] = [
    (decode_tickers, MINI),
    (decode_price_tickers, PRICE),
    (decode_book_tickers, QUOTE),
    (decode_routed_orders, ROUTED),
]


def wire(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(("decode", "one"), ONE_OR_MANY)
def test_one_and_many_are_tuples_alike(decode: Callable[[bytes], tuple[Any, ...]], one: dict[str, Any]) -> None:
    [single] = decode(wire(one))
    assert single.symbol == one["symbol"]
    assert decode(wire([one])) == (single,)
    assert decode(b" \n" + wire([one, one])) == (single, single)
    assert decode(b"[]") == ()


@pytest.mark.parametrize(("decode", "one"), ONE_OR_MANY)
@pytest.mark.parametrize("wrong", [b"", b" ", b"null", b"{}", b"[{}]", b"[[", b"\xff", b"[" * 100_000])
def test_neither_one_nor_many_is_malformed(
    decode: Callable[[bytes], tuple[Any, ...]], one: dict[str, Any], wrong: bytes
) -> None:
    with pytest.raises(MalformedResult):
        decode(wrong)
    with pytest.raises(MalformedResult):
        decode(wire([one, {**one, "symbol": None}]))


@pytest.mark.parametrize(
    ("kind", "document", "meant"),
    [
        (BookTicker, QUOTE, {"bid": 1, "bid_quantity": 2, "ask": 3, "ask_quantity": 4}),
        (
            AggregateTrade,
            {"a": 1, "p": "2", "q": "3", "f": 4, "l": 5, "T": 6, "m": True, "M": False},
            {
                "aggregate_trade_id": 1,
                "price": 2,
                "quantity": 3,
                "first_trade_id": 4,
                "last_trade_id": 5,
                "time_ms": 6,
                "is_buyer_maker": True,
                "is_best_match": False,
            },
        ),
        (
            PublicTrade,
            {"id": 1, "price": "2", "qty": "3", "quoteQty": "6", "time": 4, "isBuyerMaker": True, "isBestMatch": False},
            {"trade_id": 1, "price": 2, "quantity": 3, "quote_quantity": 6, "time_ms": 4, "is_buyer_maker": True},
        ),
        (
            Ticker,
            {
                **MINI,
                **QUOTE,
                "priceChange": "5",
                "priceChangePercent": "6",
                "weightedAvgPrice": "7",
                "prevClosePrice": "8",
                "lastQty": "9",
            },
            {
                "bid": 1,
                "bid_quantity": 2,
                "ask": 3,
                "ask_quantity": 4,
                "price_change": 5,
                "price_change_percent": 6,
                "weighted_average_price": 7,
                "previous_close_price": 8,
                "last_quantity": 9,
                "first_trade_id": 194696115,
                "last_trade_id": 194968287,
                "open_time_ms": 1660014164909,
                "close_time_ms": 1660100564909,
            },
        ),
        (
            PriceRange,
            {
                "ruleType": "PRICE_RANGE",
                "bidLimitMultUp": "4",
                "bidLimitMultDown": "3",
                "askLimitMultUp": "2",
                "askLimitMultDown": "1",
            },
            {"bid_multiplier_up": 4, "bid_multiplier_down": 3, "ask_multiplier_up": 2, "ask_multiplier_down": 1},
        ),
        (
            Amendment,
            {
                "symbol": "A",
                "orderId": 1,
                "executionId": 2,
                "origClientOrderId": "old",
                "newClientOrderId": "new",
                "origQty": "7",
                "newQty": "5",
                "time": 3,
            },
            {
                "original_client_order_id": "old",
                "new_client_order_id": "new",
                "original_quantity": 7,
                "new_quantity": 5,
                "time_ms": 3,
            },
        ),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_names_that_differ_from_the_wires_mean_the_same(
    kind: type[Any], document: dict[str, Any], meant: dict[str, Any]
) -> None:
    value = decode_result(wire(document), kind)
    assert {name: getattr(value, name) for name in meant} == meant


def test_a_short_ticker_has_no_changes() -> None:
    [ticker] = decode_tickers(wire(MINI))
    assert (ticker.price_change, ticker.weighted_average_price, ticker.bid) == (None, None, None)
    assert (ticker.last_price, ticker.trade_count) == (Decimal("0.01376700"), 272173)


def test_a_candle_is_an_array_that_may_grow() -> None:
    row: list[Any] = [1655971200000, "1", "4", "0.5", "2", "10", 1655974799999, "20", 7, "6", "12", "0"]
    [candle, longer] = decode_results(wire([row, [*row, "later"]]), Candle)
    assert candle == longer
    prices = (candle.open_price, candle.high_price, candle.low_price, candle.close_price)
    assert prices == tuple(map(Decimal, row[1:5]))
    assert (candle.volume, candle.quote_volume, candle.trade_count) == (Decimal(10), Decimal(20), 7)
    assert (candle.taker_buy_volume, candle.taker_buy_quote_volume) == (Decimal(6), Decimal(12))
    with pytest.raises(MalformedResult, match="array of Candle"):
        decode_results(wire([row[:10]]), Candle)


def test_a_book_keeps_the_order_of_its_levels() -> None:
    book = decode_result(b'{"lastUpdateId":7,"bids":[["2","1.50"],["1","3"]],"asks":[]}', BookSnapshot)
    assert book.bids[0] == PriceLevel(price=Decimal(2), quantity=Decimal("1.50"))
    assert (book.last_update_id, len(book.bids), book.asks) == (7, 2, ())


def test_a_reference_price_may_be_missing_for_now() -> None:
    price = decode_reference_price(b'{"symbol":"BAZUSD","referencePrice":null,"timestamp":1770946889251}')
    assert (price.reference_price, price.time_ms) == (None, 1770946889251)


@pytest.mark.parametrize("decode", [decode_reference_price, decode_reference_price_calculation])
def test_a_symbol_that_never_had_a_reference_price_is_a_refusal_in_whatever_shape(
    decode: Callable[[bytes], object],
) -> None:
    with pytest.raises(Rejected, match=r"doesn't have a reference price\. \[-2043\]") as refused:
        decode(wire(REFUSAL))
    assert refused.value.hint
    for wrong in (b"{}", b"[]", b'{"code":"x"}', b"\xff"):
        with pytest.raises(MalformedResult, match="ReferencePrice"):
            decode(wrong)


def test_a_calculation_that_is_new_keeps_its_name() -> None:
    calculation = decode_reference_price_calculation(b'{"symbol":"A","calculationType":"MEDIAN","bucketCount":3}')
    assert (calculation.calculation_type, calculation.calculation_type.is_known) == ("MEDIAN", False)
    assert calculation.bucket_width_ms is None
    assert CalculationType.EXTERNAL.is_known


def test_a_rule_that_the_exchange_adds_later_is_named_and_the_others_are_kept() -> None:
    new = {"ruleType": "MOON_PHASE", "phase": {"ruleType": "INNER"}}
    document = {"symbolRules": [{"symbol": "A", "rules": [RANGE, new]}, {"symbol": "B", "rules": [RANGE]}]}
    rules = decode_result(wire(document), ExecutionRules)
    bounds = PriceRange(bid_multiplier_up=Decimal("1.0001"), ask_multiplier_down=Decimal("0.9999"))
    [known, unknown] = rules.of("A")
    assert known == bounds
    assert isinstance(unknown, UnknownRule)
    assert (unknown.name, json.loads(unknown.raw)) == ("MOON_PHASE", new)
    assert (rules.of("B"), rules.of("C")) == ((bounds,), ())


def test_an_accounts_own_filters_are_kept_in_their_three_scopes() -> None:
    asset = {"filterType": "MAX_ASSET", "asset": "JPY", "limit": "1000000.00000000"}
    document = {"exchangeFilters": [], "symbolFilters": [{"filterType": "NEW"}], "assetFilters": [asset]}
    mine = decode_result(wire(document), MyFilters)
    assert mine.asset_filters == (MaxAsset(asset="JPY", limit=Decimal("1000000.00000000")),)
    assert mine.symbol_filters == (UnknownFilter(name="NEW", raw=b'{"filterType":"NEW"}'),)


@pytest.mark.parametrize(
    "wrong", [b"[]", b'{"symbolRules":[{"symbol":"A","rules":[{"ruleType":5}]}]}', b'{"symbolRules":[']
)
def test_what_is_not_execution_rules_is_said_to_be_malformed(wrong: bytes) -> None:
    with pytest.raises(MalformedResult, match="ExecutionRules"):
        decode_result(wrong, ExecutionRules)


@settings(max_examples=50)
@given(st.sampled_from([b"", b"[", b"[[", b'{"', b'[{"symbol":']), st.binary(max_size=40))
def test_no_bytes_raise_anything_but_that_they_are_malformed(beginning: bytes, rest: bytes) -> None:
    payload = beginning + rest
    for decode in (decode_tickers, decode_reference_price, decode_routed_orders):
        with suppress(MalformedResult):
            decode(payload)
    with suppress(MalformedResult):
        decode_results(payload, Candle)
