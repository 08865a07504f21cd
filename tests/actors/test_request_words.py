"""Requests as somebody types them: the exchange's names or ours, and a clear word for what cannot be one."""

from decimal import Decimal

import pytest

from dogwatch.actors.request_words import read_request
from dogwatch.actors.spot.enums import OrderType, Side, TimeInForce
from dogwatch.actors.spot.requests import Depth, OrderPlace, Ping, QueryExchangeInfo, TickerPrice
from dogwatch.runtime.errors import ConfigError


def test_a_request_is_read_with_the_exchanges_names_and_types() -> None:
    words = ["symbol=BTCUSDT", "side=SELL", "type=LIMIT", "price=1.50", "quantity=2", "timeInForce=GTC"]
    assert read_request("order.place", words) == OrderPlace(
        symbol="BTCUSDT",
        side=Side.SELL,
        type=OrderType.LIMIT,
        price=Decimal("1.50"),
        quantity=Decimal(2),
        time_in_force=TimeInForce.GTC,
    )


def test_our_names_and_the_exchanges_prefix_are_understood_too() -> None:
    assert read_request("v3/depth", ["symbol=１２３", "limit=5"]) == Depth(symbol="１２３", limit=5)
    request = read_request("order.place", ["symbol=A", "side=BUY", "type=MARKET", "quote_order_qty=10"])
    assert request.params()["quoteOrderQty"] == "10"
    assert read_request("ping", []) == Ping()


@pytest.mark.parametrize("text", ["BTCUSDT,ETHUSDT", '["BTCUSDT","ETHUSDT"]', "[BTCUSDT, ETHUSDT]"])
def test_several_values_are_separated_by_commas_or_written_as_json(text: str) -> None:
    assert read_request("ticker.price", [f"symbols={text}"]) == TickerPrice(symbols=("BTCUSDT", "ETHUSDT"))


def test_yes_and_no_are_written_as_in_json() -> None:
    assert read_request("exchangeInfo", ["showPermissionSets=false"]) == QueryExchangeInfo(show_permission_sets=False)


@pytest.mark.parametrize(
    ("method", "words", "said", "hint"),
    [
        ("dept", [], "dept: the exchange has no such method", "did you mean 'depth'?"),
        ("depth", [], "symbol: is missing", "depth needs symbol and may have limit, symbolStatus"),
        ("depth", ["symbl=B"], "symbl: depth has no such parameter", "did you mean 'symbol'?"),
        ("depth", ["symbol"], "symbol: is no parameter", "write NAME=VALUE; depth needs symbol"),
        ("depth", ["symbol=B", "symbol=C"], "symbol: is given twice", "separated by commas"),
        ("depth", ["=5"], "=5: is no parameter", "write NAME=VALUE"),
        ("depth", ["symbol=B", "limit=x"], "limit: 'x' is not a whole number", "depth needs symbol"),
        ("depth", ["symbol=B", "limit=5.5"], "limit: '5.5' is not a whole number", "depth needs symbol"),
        ("depth", ["symbol=B", "limit=0"], "limit: '0' is not a whole number >= 1", "depth needs symbol"),
        ("klines", ["symbol=B", "interval=1x"], "interval: there is no '1x'", "one of 1s, 1m, "),
        ("klines", ["symbol=B", "interval=1m", "startTime=now"], "startTime: 'now' is not a whole number", "klines"),
        ("klines", ["symbol=B", "interval=1m", "startTime=2", "endTime=1"], "endTime is before startTime", "klines"),
        ("exchangeInfo", ["showPermissionSets=si"], "showPermissionSets: 'si' is not true or false", "may have"),
        ("order.place", ["symbol=B", "side=BUY", "type=MARKET", "quantity=1,5"], "quantity: '1,5' is not a number", ""),
        ("order.place", ["symbol=B", "side=SEL", "type=LIMIT"], "side: there is no 'SEL'", "one of BUY, SELL"),
        ("order.place", ["symbol=B", "side=BUY", "type=LIMITED"], "type: there is no 'LIMITED'", "one of LIMIT, "),
        ("order.place", ["symbol=B", "side=BUY", "type=LIMIT"], "LIMIT order needs price, quantity, timeInForce", ""),
        (
            "order.status",
            ["symbol=B", "origClientOrderId=a b"],
            "origClientOrderId: 'a b' is not 1 to 36 letters, digits, '-' or '_'",
            "order.status needs symbol",
        ),
        ("ping", ["a=1"], "a: ping has no such parameter", "ping takes no parameters"),
    ],
)
def test_what_cannot_be_a_request_is_refused_with_what_there_is_instead(
    method: str, words: list[str], said: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        read_request(method, words)
    assert said in refusal.value.message
    assert hint in refusal.value.hint
