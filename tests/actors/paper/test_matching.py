"""The order book alone: who stands where, who would meet whom. Planning changes nothing."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.paper.matching import Book, BookSide, Match, Outside, liquidity, plan_match
from dogwatch.actors.paper.order import PaperOrder

TICK = Decimal("0.01")
STEP = Decimal("0.00001")


def order(order_id: int, side: str, price: str, quantity: str = "1", *, account: str = "maker") -> PaperOrder:
    return PaperOrder(
        account=account,
        symbol="BTCUSDT",
        order_id=order_id,
        client_order_id=f"id-{order_id}",
        side=side,
        type="LIMIT",
        time_in_force="GTC",
        price=Decimal(price),
        quantity=Decimal(quantity),
        quote_quantity=Decimal(0),
        self_trade_prevention="EXPIRE_MAKER",
        strategy_id=None,
        strategy_type=None,
        created_ms=0,
        updated_ms=0,
        working_ms=0,
    )


def book(*orders: PaperOrder, outside: tuple[str, str, str, str] = ("0", "0", "0", "0")) -> Book:
    made = Book(TICK)
    for resting in orders:
        made.side_of(resting).add(resting)
    bid, bid_quantity, ask, ask_quantity = (Decimal(value) for value in outside)
    made.outside = Outside(bid=bid, bid_quantity=bid_quantity, ask=ask, ask_quantity=ask_quantity)
    return made


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=40), st.booleans())
def test_a_side_keeps_price_then_time_through_any_arrivals_and_departures(
    moves: list[tuple[int, bool]], is_bids: bool
) -> None:
    side = BookSide(is_bids=is_bids)
    standing: list[PaperOrder] = []
    for number, (price, leaves) in enumerate(moves):
        if leaves and standing:
            side.remove(standing.pop(price % len(standing)))
        else:
            standing.append(order(number, "BUY" if is_bids else "SELL", str(price)))
            side.add(standing[-1])
    expected = sorted(standing, key=lambda resting: (-resting.price if is_bids else resting.price, resting.order_id))
    assert list(side.orders()) == expected
    assert side.best == (expected[0].price if expected else None)
    assert len(side.prices()) == len({resting.price for resting in standing})
    for level in side.prices():
        assert side.quantity_at(level) == sum(resting.price == level for resting in standing)


def test_a_taker_meets_better_prices_first_and_the_outside_before_accounts_at_its_price() -> None:
    makers = order(1, "SELL", "101"), order(2, "SELL", "100"), order(3, "SELL", "102")
    met = list(liquidity(book(*makers, outside=("99", "4", "101", "5")), "BUY"))
    assert [(maker.order_id if maker else None, str(price)) for maker, price, _ in met] == [
        (2, "100"),
        (None, "101"),
        (1, "101"),
        (3, "102"),
    ]


def test_a_plan_ends_at_the_limit_price_or_when_the_taker_is_satisfied() -> None:
    first, second = order(1, "BUY", "100"), order(2, "BUY", "98")
    standing = book(first, second, outside=("99", "0.5", "0", "0"))
    taker = order(9, "SELL", "99", "5", account="taker")
    assert plan_match(standing, taker, STEP) == [
        Match(first, Decimal(100), Decimal(1)),
        Match(None, Decimal(99), Decimal("0.5")),
    ]
    taker.quantity = Decimal("0.3")
    assert plan_match(standing, taker, STEP) == [Match(first, Decimal(100), Decimal("0.3"))]
    assert first.remaining == 1


def test_the_outside_trades_in_whole_lots_only() -> None:
    taker = order(9, "BUY", "99", "5", account="taker")
    (match,) = plan_match(book(outside=("0", "0", "99", "0.000263")), taker, STEP)
    assert match.quantity == Decimal("0.00026")
    assert plan_match(book(outside=("0", "0", "99", "0.000003")), taker, STEP) == []


def test_an_outside_quote_never_shows_beyond_a_resting_order() -> None:
    standing = book(order(1, "BUY", "100"), outside=("98", "1", "99", "1"))
    assert standing.outside_ask() == Decimal("100.01")
    assert standing.best_bid() == (Decimal(100), Decimal(1))
    assert not standing.would_take("BUY", Decimal(100))
    assert standing.would_take("BUY", Decimal("100.01"))
    assert standing.would_take("SELL", Decimal(100))
    assert not book().would_take("SELL", Decimal(100))
