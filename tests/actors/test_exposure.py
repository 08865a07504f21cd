"""Exposure: what live orders may yet do, the unknown ones included."""

from decimal import Decimal

import msgspec
import pytest

from dogwatch.actors.exposure import Exposure, exposures
from dogwatch.actors.spot.enums import OrderType, Side
from dogwatch.actors.spot.order import Certainty, Life, Order
from dogwatch.actors.spot.order_events import (
    AmendAcknowledged,
    AmendRefused,
    AmendSent,
    AmendUnknown,
    CancelSent,
    CancelUnknown,
    NotAmended,
    OrderEvent,
    Reported,
    Sent,
)
from dogwatch.actors.spot.outcome import Unknown
from tests.actors.spot.orders_made import a_cancel_report, a_report, a_trade, after, an_amend_answer, an_order


def order(side: Side, *, life: Life = Life.OPEN, filled: str = "0", unknown: bool = False) -> Order:
    return Order(
        client_order_id="x",
        symbol="BTCUSDT",
        side=side,
        type=OrderType.LIMIT,
        created_ms=0,
        quantity=Decimal(2),
        filled_quantity=Decimal(filled),
        life=life,
        certainty=Certainty.UNKNOWN if unknown else Certainty.KNOWN,
    )


def test_what_is_left_of_live_orders_is_added_up_by_side() -> None:
    found = exposures([order(Side.BUY), order(Side.BUY, filled="0.5"), order(Side.SELL)])
    assert found == {"BTCUSDT": Exposure(buying_base=Decimal("3.5"), selling_base=Decimal(2), orders=3)}


def test_an_unknown_order_counts_as_if_it_were_live() -> None:
    found = exposures([order(Side.SELL, life=Life.SENT, unknown=True)])
    assert found == {"BTCUSDT": Exposure(selling_base=Decimal(2), orders=1, unknown=1)}


def test_closed_orders_count_for_nothing() -> None:
    assert exposures([order(Side.BUY, life=Life.CANCELED, filled="1")]) == {}


def test_a_market_order_by_quote_counts_in_quote_until_its_quantity_is_known() -> None:
    by_quote = Order(
        client_order_id="x",
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.MARKET,
        created_ms=0,
        quote_quantity=Decimal(500),
        filled_quote=Decimal(100),
        life=Life.SENT,
    )
    assert exposures([by_quote]) == {"BTCUSDT": Exposure(buying_quote=Decimal(400), orders=1)}


SENT, NEW, UNKNOWN = Sent(), Reported(a_report()), Unknown(reason="no answer")
CANCELING, CANCEL_UNKNOWN = CancelSent(), CancelUnknown("no answer")
AMENDING, AMEND_UNKNOWN = AmendSent(Decimal("0.4")), AmendUnknown("no answer")
AMENDED = AmendAcknowledged(an_amend_answer("0.4"))


@pytest.mark.parametrize(
    ("events", "counts", "unknown"),
    [
        ([SENT], "1", 0),
        ([SENT, UNKNOWN], "1", 1),
        ([SENT, NEW, CANCELING], "1", 0),
        ([SENT, NEW, CANCELING, CANCEL_UNKNOWN], "1", 1),
        ([SENT, NEW, AMENDING], "1", 0),
        ([SENT, NEW, AMENDING, AMEND_UNKNOWN], "1", 1),
        ([SENT, NEW, AMENDING, AMEND_UNKNOWN, Reported(a_trade("0.3", "0.3", at=2, trade_id=1))], "0.7", 1),
        ([SENT, NEW, AMENDING, AMEND_UNKNOWN, CANCELING, CANCEL_UNKNOWN], "1", 1),
        ([SENT, NEW, AMENDING, AmendRefused(-1003, "Too many requests queued.")], "1", 0),
        ([SENT, NEW, AMENDING, AMEND_UNKNOWN, NotAmended("found with the old quantity")], "1", 0),
        ([SENT, NEW, AMENDING, AMENDED], "0.4", 0),
        ([SENT, NEW, AMENDING, AMEND_UNKNOWN, AMENDED], "0.4", 0),
        ([SENT, NEW, AMENDING, AMENDED, Reported(a_trade("0.3", "0.3", at=3, trade_id=1, quantity="0.4"))], "0.1", 0),
    ],
)
def test_an_order_counts_for_all_that_may_still_fill_until_less_is_known(
    events: list[OrderEvent], counts: str, unknown: int
) -> None:
    found = exposures([after(an_order(), *events)])
    assert found == {"BTCUSDT": Exposure(buying_base=Decimal(counts), orders=1, unknown=unknown)}


def test_a_fill_beyond_the_quantity_that_was_asked_for_leaves_the_rest_of_the_old_one() -> None:
    filled = after(an_order(), SENT, NEW, AMENDING, Reported(a_trade("0.6", "0.6", at=2, trade_id=1)))
    assert exposures([filled])["BTCUSDT"].buying_base == Decimal("0.4")


def test_the_end_of_an_order_ends_what_it_counts_for() -> None:
    ended = after(an_order(), SENT, NEW, AMENDING, AMEND_UNKNOWN, Reported(a_cancel_report(at=3)))
    assert exposures([ended]) == {}


def test_a_sum_over_orders_counts_each_by_its_own_doubt() -> None:
    doubted = after(an_order(), SENT, NEW, AMENDING, AMEND_UNKNOWN)
    other = msgspec.structs.replace(after(an_order(), SENT, UNKNOWN), symbol="ETHUSDT", side=Side.SELL)
    assert exposures([doubted, other, order(Side.SELL)]) == {
        "BTCUSDT": Exposure(buying_base=Decimal(1), selling_base=Decimal(2), orders=2, unknown=1),
        "ETHUSDT": Exposure(selling_base=Decimal(1), orders=1, unknown=1),
    }
