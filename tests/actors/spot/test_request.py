"""A request as a value: what it sends, how its result is read, and what it is not."""

from decimal import Decimal
from typing import Any, ClassVar, get_type_hints

import msgspec
import pytest

from dogwatch.actors.spot.errors import MalformedResult
from dogwatch.actors.spot.methods import Method, Params
from dogwatch.actors.spot.parameters import Amount, without_none, writer_of
from dogwatch.actors.spot.request import Declaration, Request
from dogwatch.actors.spot.requests import (
    REQUESTS,
    Depth,
    OrderPlace,
    QueryAccountStatus,
    TickerPrice,
    TradesRecent,
    UserDataStreamUnsubscribe,
    request_of,
)
from dogwatch.actors.spot.results import BookSnapshot, PriceTicker, PublicTrade
from dogwatch.actors.spot.weights import by_limit


class Sample(Request[BookSnapshot], frozen=True, kw_only=True):
    """A request of this test's own."""

    symbol: str
    start_time_ms: int | None = None
    price: Amount | None = None
    is_odd: bool | None = None

    declaration: ClassVar = Declaration(
        method=Method.DEPTH, section="none", weight=by_limit((5, 1), (10, 2), default=5)
    )

    def check(self, params: Params) -> None:
        if "price" in params and "startTime" in params:
            raise ValueError("not both")


def test_what_is_given_is_sent_under_the_exchanges_names_and_nothing_else() -> None:
    assert Sample(symbol="A").params() == {"symbol": "A"}
    assert Sample(symbol="A", start_time_ms=0, is_odd=False).params() == {"symbol": "A", "startTime": 0, "isOdd": False}
    assert Sample(symbol="A", price=Decimal("1E+2")).params() == {"symbol": "A", "price": "100"}


def test_a_request_can_be_prepared_before_it_is_needed() -> None:
    for _ in range(2):
        Sample.prepare()
    assert Sample(symbol="A").params() == {"symbol": "A"}


def test_what_does_not_fit_together_is_refused_with_the_names_that_were_given() -> None:
    with pytest.raises(ValueError, match="not both"):
        Sample(symbol="A", start_time_ms=0, price=1).params()
    with pytest.raises(TypeError, match="start_time_ms must be an int"):
        Sample(symbol="A", start_time_ms="now").params()  # type: ignore[arg-type] # the mistake under test


def test_a_request_is_a_value() -> None:
    request = Depth(symbol="A", limit=5)
    assert request == Depth(symbol="A", limit=5)
    assert repr(request) == "Depth(symbol='A', limit=5, symbol_status=None)"
    with pytest.raises(AttributeError, match="immutable"):
        request.limit = 6  # type: ignore[misc] # the mistake under test
    with pytest.raises(TypeError, match="symbol"):
        Depth()  # type: ignore[call-arg] # the mistake under test


def test_a_request_can_be_made_of_the_exchanges_own_parameters() -> None:
    params = {"symbol": "A", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "1.50", "quantity": "2"}
    request = msgspec.convert(params, OrderPlace, strict=False)
    assert request.price == Decimal("1.50")
    assert request.params() == params


def test_a_result_is_read_as_its_type_says() -> None:
    raw = b'{"lastUpdateId":3,"bids":[["1.00","2.00"]],"asks":[]}'
    snapshot = Depth.decode(raw)
    assert isinstance(snapshot, BookSnapshot)
    assert snapshot.bids[0].price == Decimal("1.00")
    trade = b'{"id":1,"price":"1","qty":"2","quoteQty":"2","time":5,"isBuyerMaker":true,"isBestMatch":true}'
    assert [type(row) for row in TradesRecent.decode(b"[" + trade + b"]")] == [PublicTrade]
    with pytest.raises(MalformedResult, match="a result is not BookSnapshot"):
        Depth.decode(b"[]")


def test_one_row_and_many_come_alike() -> None:
    row = b'{"symbol":"A","price":"1.5"}'
    expected = (PriceTicker(symbol="A", price=Decimal("1.5")),)
    assert TickerPrice.decode(row) == TickerPrice.decode(b"[" + row + b"]") == expected


def test_a_weight_may_depend_on_what_is_asked_for() -> None:
    weigh = Sample.declaration.weight_of
    assert [weigh(params) for params in ({}, {"limit": 5}, {"limit": 6}, {"limit": 99})] == [1, 1, 2, 2]
    assert QueryAccountStatus.declaration.weight_of({}) == 20


@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda kind: kind.__name__)
def test_every_parameter_of_every_request_has_a_writer(request_type: type[Request[Any]]) -> None:
    hints = get_type_hints(request_type, include_extras=True)
    for name in request_type.__struct_fields__:
        assert callable(writer_of(without_none(hints[name]), name))


def test_every_method_has_one_request() -> None:
    assert [request.declaration.method for request in REQUESTS] == list(Method)
    assert request_of(Method.DEPTH) is Depth
    assert UserDataStreamUnsubscribe().params() == {}
    assert UserDataStreamUnsubscribe(subscription_id=0).params() == {"subscriptionId": 0}
