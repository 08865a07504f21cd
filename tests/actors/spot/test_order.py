"""An order tells what it is, also to people."""

from decimal import Decimal

import msgspec
import pytest

from dogwatch.actors.spot.order import CLOSED, Certainty, Life, Order, Request
from tests.actors.spot.orders_made import an_order


def test_an_order_reads_like_a_sentence() -> None:
    assert repr(an_order()) == "<Order q-1-17 BTCUSDT BUY 1 LIMIT at 40000 DRAFT>"
    doubted = msgspec.structs.replace(
        an_order(life=Life.OPEN, request=Request.IN_DOUBT, certainty=Certainty.UNKNOWN),
        filled_quantity=Decimal("0.4"),
        reason="no answer within 5 s",
    )
    assert str(doubted) == (
        "<Order q-1-17 BTCUSDT BUY 1 LIMIT at 40000 OPEN filled 0.4 IN_DOUBT UNKNOWN (no answer within 5 s)>"
    )
    assert "BUY 40000 quote LIMIT" in repr(an_order(quantity=None))


@pytest.mark.parametrize("life", Life)
def test_an_order_is_open_or_closed_or_neither_yet(life: Life) -> None:
    order = an_order(life=life)
    assert order.is_closed == (life in CLOSED)
    assert order.is_open == (life is Life.OPEN)
    assert order.is_filled == (life is Life.FILLED)
    assert order.remaining == (0 if life in CLOSED else 1)


def test_unknown_is_said_apart_from_how_far_it_is() -> None:
    assert an_order(life=Life.SENT, certainty=Certainty.UNKNOWN).is_unknown
    assert not an_order(life=Life.SENT).is_unknown


def test_the_average_price_is_quote_per_base() -> None:
    order = msgspec.structs.replace(an_order(), filled_quantity=Decimal("0.5"), filled_quote=Decimal(20_500))
    assert order.average_price == 41_000
    assert an_order().average_price is None


def test_an_order_is_a_snapshot() -> None:
    with pytest.raises(AttributeError):
        setattr(an_order(), "life", Life.FILLED)  # noqa: B010 - a plain assignment would not pass the type check


def test_an_order_survives_the_way_through_json() -> None:
    order = an_order(life=Life.OPEN)
    assert msgspec.json.decode(msgspec.json.encode(order), type=Order) == order
