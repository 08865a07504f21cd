"""Exposure: what live orders may yet do, the unknown ones included."""

from decimal import Decimal

from dogwatch.actors.exposure import Exposure, exposures
from dogwatch.actors.spot.enums import OrderType, Side
from dogwatch.actors.spot.order import Certainty, Life, Order


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
