"""An order that the exchange lists and nobody here knows becomes one that is known."""

from decimal import Decimal

import msgspec
import pytest

from dogwatch.actors.spot.enums import ExpiryReason, OrderStatus, OrderType, Side, TimeInForce
from dogwatch.actors.spot.order import CLOSED, Amend, Certainty, Life, Order, Request
from dogwatch.actors.spot.order_events import PublishFill, QueryFound, Reported, UnexpectedEvent
from dogwatch.actors.spot.order_state import adopt, apply
from dogwatch.actors.spot.order_tables import STATUS_SIGNALS
from dogwatch.actors.spot.results import OrderReport
from tests.actors.spot.orders_made import ORDER_ID, PRICE, SYMBOL, T0, a_query, a_trade

NAME = "dw-quoter-k3Q9aZ-1-2b"
NOW = T0 + 90_000


def a_row(status: OrderStatus = OrderStatus.NEW, *, filled: str = "0", quantity: str = "1") -> OrderReport:
    return msgspec.structs.replace(
        a_query(status, filled=filled, quantity=quantity, at=7),
        client_order_id=NAME,
        side=Side.SELL,
        order_type=OrderType.LIMIT_MAKER,
        time_in_force=TimeInForce.GTC,
        quote_order_quantity=Decimal("0.00"),
    )


def adopted(row: OrderReport) -> Order:
    return adopt(row, client_order_id=NAME, strategy="quoter", now_ms=NOW)


def test_everything_that_the_listing_says_is_known_afterwards() -> None:
    order = adopted(a_row(OrderStatus.PARTIALLY_FILLED, filled="0.25"))
    assert order == Order(
        client_order_id=NAME,
        symbol=SYMBOL,
        side=Side.SELL,
        type=OrderType.LIMIT_MAKER,
        created_ms=T0,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(1),
        price=PRICE,
        strategy="quoter",
        life=Life.OPEN,
        status=OrderStatus.PARTIALLY_FILLED,
        evidence="listed by the exchange",
        order_id=ORDER_ID,
        filled_quantity=Decimal("0.25"),
        filled_quote=PRICE / 4,
        updated_ms=NOW,
        transaction_time_ms=T0 + 7,
    )


@pytest.mark.parametrize("status", STATUS_SIGNALS)
def test_its_life_is_what_its_status_says_and_nothing_about_it_is_in_doubt(status: OrderStatus) -> None:
    order = adopted(a_row(status, filled="1" if status is OrderStatus.FILLED else "0.5"))
    life = Life(STATUS_SIGNALS[status])
    assert order.life is life
    assert (order.request, order.amend, order.certainty) == (Request.NONE, Amend.NONE, Certainty.KNOWN)
    assert order.is_closed == (life in CLOSED)
    assert order.evidence == "listed by the exchange"


def test_why_it_ended_is_kept() -> None:
    row = msgspec.structs.replace(a_row(OrderStatus.EXPIRED), expiry_reason=ExpiryReason.OCO_TRIGGER, order_list_id=4)
    order = adopted(row)
    assert (order.life, order.reason, order.order_list_id) == (Life.EXPIRED, "OCO_TRIGGER", 4)


def test_a_market_order_by_quote_has_no_price_and_its_quote_quantity() -> None:
    row = msgspec.structs.replace(
        a_row(quantity="0"),
        order_type=OrderType.MARKET,
        price=Decimal("0.00"),
        quote_order_quantity=Decimal(500),
    )
    order = adopted(row)
    assert (order.price, order.quantity, order.quote_quantity) == (None, None, Decimal(500))


def test_without_a_creation_time_it_was_created_now() -> None:
    assert adopted(msgspec.structs.replace(a_row(), creation_time_ms=None)).created_ms == NOW


def test_it_goes_on_like_any_other_order() -> None:
    order, actions = apply(adopted(a_row()), Reported(a_trade("1", "1", at=9, trade_id=1)), NOW)
    assert order.is_filled
    (told,) = actions
    assert isinstance(told, PublishFill)
    assert (told.fill.client_order_id, told.fill.strategy, told.fill.side) == (NAME, "quoter", Side.SELL)


def test_the_row_that_it_was_adopted_from_changes_nothing_more() -> None:
    order = adopted(a_row())
    same, actions = apply(order, QueryFound(a_row(), is_listed=True), NOW + 1)
    assert same is order
    assert actions == ()


def test_an_order_that_an_amend_to_less_than_its_fills_has_ended_can_be_adopted() -> None:
    order = adopted(a_row(OrderStatus.EXPIRED, filled="0.6", quantity="0.5"))
    assert (order.filled_quantity, order.quantity, order.remaining) == (Decimal("0.6"), Decimal("0.6"), Decimal(0))


@pytest.mark.parametrize(
    "row",
    [
        msgspec.structs.replace(a_row(), side=None),
        msgspec.structs.replace(a_row(), order_type=None),
        a_row(OrderStatus("HIBERNATING")),
        a_row(filled="2"),
    ],
    ids=["no side", "no type", "unknown status", "overfilled"],
)
def test_a_row_that_cannot_be_understood_is_refused(row: OrderReport) -> None:
    with pytest.raises(UnexpectedEvent) as caught:
        adopted(row)
    assert caught.value.hint
