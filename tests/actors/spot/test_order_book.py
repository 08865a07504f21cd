"""What an order would meet in a book: volume, price to fill, and how far that is known."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import Side
from dogwatch.actors.spot.order_book import OrderBook, Sweep
from dogwatch.actors.spot.stream_events import PriceLevel

BUY, SELL = Side.BUY, Side.SELL
ONE = Decimal(1)


def told(sweep: Sweep) -> tuple[Decimal, Decimal, Decimal | None, bool]:
    return sweep.quantity, sweep.quote_quantity, sweep.worst_price, sweep.is_whole


def of(quantity: str, quote_quantity: str, worst_price: str, *, is_whole: bool = True) -> tuple[Any, ...]:
    return Decimal(quantity), Decimal(quote_quantity), Decimal(worst_price), is_whole


def levels(*pairs: tuple[str, str]) -> tuple[PriceLevel, ...]:
    return tuple(PriceLevel(price=Decimal(price), quantity=Decimal(quantity)) for price, quantity in pairs)


BIDS = levels(("9.5", "1"), ("9.0", "2"), ("8.0", "4"))
ASKS = levels(("10.0", "1"), ("10.5", "2"), ("12.0", "4"))


def book(
    bids: tuple[PriceLevel, ...] = BIDS, asks: tuple[PriceLevel, ...] = ASKS, *, has_all: bool = False
) -> OrderBook:
    return OrderBook(
        symbol="A",
        depth=3,
        update_id=1,
        event_time_ms=1,
        bids=bids,
        asks=asks,
        has_all_bids=has_all,
        has_all_asks=has_all,
    )


def test_the_top_is_the_best_of_both_sides() -> None:
    assert (book().best_bid, book().best_ask) == (BIDS[0], ASKS[0])
    assert (book().middle, book().spread) == (Decimal("9.75"), Decimal("0.5"))


def test_an_empty_side_has_no_best() -> None:
    empty = book(asks=())
    assert [empty.best_ask, empty.middle, empty.spread, book(bids=()).best_bid] == [None] * 4


def test_a_sweep_goes_through_the_levels_of_the_other_side() -> None:
    bought = book().sweep(BUY, Decimal(2))
    assert told(bought) == of("2", "20.5", "10.5")
    assert bought.average_price == Decimal("10.25")
    assert told(book().sweep(SELL, Decimal(3))) == of("3", "27.5", "9")


def test_a_sweep_that_needs_more_than_is_known_says_so() -> None:
    assert told(book().sweep(BUY, Decimal(8))) == of("7", "79", "12", is_whole=False)
    assert book().sweep(BUY, Decimal(7)).is_whole
    nothing = book(asks=()).sweep(BUY, ONE)
    assert told(nothing) == (Decimal(0), Decimal(0), None, False)
    assert nothing.average_price is None


def test_an_amount_of_money_buys_a_part_of_the_last_level() -> None:
    assert told(book().sweep_quote(BUY, Decimal("15.25"))) == of("1.5", "15.25", "10.5")
    assert told(book().sweep_quote(SELL, Decimal(1000))) == of("7", "59.5", "8", is_whole=False)


@pytest.mark.parametrize(
    ("side", "price", "quantity", "is_whole"),
    [
        (BUY, "9.9", "0", True),
        (BUY, "10.5", "3", True),
        (BUY, "11", "3", True),
        (BUY, "12.0", "7", True),
        (BUY, "12.1", "7", False),
        (SELL, "9.6", "0", True),
        (SELL, "9.0", "3", True),
        (SELL, "8", "7", True),
        (SELL, "7.9", "7", False),
    ],
)
def test_the_volume_to_a_price_is_known_as_far_as_the_book(
    side: Side, price: str, quantity: int, is_whole: bool
) -> None:
    sweep = book().sweep_to(side, Decimal(price))
    assert (sweep.quantity, sweep.is_whole) == (Decimal(quantity), is_whole)
    assert book(has_all=True).sweep_to(side, Decimal(price)).is_whole


def test_nothing_is_known_of_a_side_without_levels_unless_that_is_all() -> None:
    assert not book(asks=()).sweep_to(BUY, ONE).is_whole
    assert book(asks=(), has_all=True).sweep_to(BUY, ONE).is_whole


amounts = st.decimals(min_value="0.01", max_value="20", places=2)


@given(quantity=amounts, side=st.sampled_from(Side))
def test_a_sweep_by_quantity_and_one_by_its_value_are_the_same(quantity: Decimal, side: Side) -> None:
    by_quantity = book().sweep(side, quantity)
    by_value = book().sweep_quote(side, by_quantity.quote_quantity)
    assert by_value.worst_price == by_quantity.worst_price
    assert abs(by_value.quantity - by_quantity.quantity) < Decimal("1e-20")
    assert by_value.is_whole
