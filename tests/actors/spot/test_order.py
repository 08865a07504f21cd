"""An order tells what it is, also to people."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dogwatch.actors.spot.order import CLOSED, Certainty, Life, Order, Request
from dogwatch.actors.spot.order_events import AmendSent, AmendUnknown, Reported, Sent
from dogwatch.actors.spot.outcome import Unknown
from tests.actors.spot.orders_made import a_cancel_report, a_report, after, an_order


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


@pytest.mark.parametrize("encoding", [msgspec.json, msgspec.msgpack], ids=lambda module: module.__name__)
def test_an_order_survives_the_way_through_a_journal(encoding: Any) -> None:
    doubted = after(
        an_order(), Sent(), Reported(a_report(order_list_id=4)), AmendSent(Decimal("0.5")), AmendUnknown("no answer")
    )
    for order in (an_order(), an_order(quantity=None), doubted, after(doubted, Reported(a_cancel_report("0.3", at=9)))):
        read = encoding.decode(encoding.encode(order), type=Order)
        assert read == order
        assert repr(read) == repr(order)


def test_what_an_order_has_by_default_is_not_written() -> None:
    written = msgspec.json.decode(msgspec.json.encode(an_order()))
    assert set(written) == {
        *("client_order_id", "symbol", "side", "type", "created_ms"),
        *("time_in_force", "quantity", "price", "strategy"),
    }


def test_an_order_that_was_read_back_goes_on_where_it_was() -> None:
    doubted = after(an_order(), Sent(), Unknown(reason="no answer"))
    read = msgspec.json.decode(msgspec.json.encode(doubted), type=Order)
    assert after(read, Reported(a_report())) == after(doubted, Reported(a_report()))
