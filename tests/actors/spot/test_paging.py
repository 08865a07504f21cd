"""Reading a list page by page: nothing is left out and nothing read twice, however the pages fall."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.paging import Paging
from dogwatch.actors.spot.results import AccountTrade, OrderReport

LATER_MS = 1_000_000


def order(order_id: int, *, time_ms: int = 0) -> OrderReport:
    return OrderReport(symbol="BTCUSDT", order_id=order_id, client_order_id=f"o{order_id}", creation_time_ms=time_ms)


def trade(trade_id: int, *, order_id: int = 1, time_ms: int = 0) -> AccountTrade:
    return AccountTrade(
        symbol="BTCUSDT",
        trade_id=trade_id,
        order_id=order_id,
        price=Decimal(1),
        quantity=Decimal(1),
        quote_quantity=Decimal(1),
        commission=Decimal(0),
        commission_asset="BNB",
        time_ms=time_ms,
        is_buyer=True,
        is_maker=True,
    )


def read_all(record: list[AccountTrade], *, after_id: int, limit: int) -> tuple[list[AccountTrade], int]:
    """What a reader gets of an exchange that gives `limit` rows at most, and how many pages it took."""
    paging, read, pages = Paging(after_id=after_id, until_ms=LATER_MS), list[AccountTrade](), 0
    while not paging.is_complete:
        page = [row for row in record if row.trade_id >= paging.next_id][:limit]
        read += paging.add(page)
        pages += 1
        assert pages <= len(record) + 2, "it does not come to an end"
    return read, pages


def test_it_begins_after_the_mark_and_an_empty_page_ends_it() -> None:
    paging = Paging(after_id=41, until_ms=LATER_MS)
    assert paging.next_id == 42
    assert paging.add(list[OrderReport]()) == []
    assert paging.is_complete
    assert paging.newest_id == 41


def test_a_page_with_fewer_rows_than_asked_for_is_not_taken_for_the_last_one() -> None:
    paging = Paging(after_id=-1, until_ms=LATER_MS)
    ends = []
    for page, new in (([1, 2], [1, 2]), ([2, 3], [3]), ([3], [])):
        assert paging.add([order(order_id) for order_id in page]) == [order(order_id) for order_id in new]
        ends.append((paging.next_id, paging.is_complete))
    assert ends == [(2, False), (3, False), (3, True)]


def test_both_sides_of_a_trade_with_oneself_are_read_although_a_page_ends_between_them() -> None:
    record = [trade(0), trade(1), trade(2, order_id=10), trade(2, order_id=11), trade(3)]
    for limit in (3, 4, 1000):
        read, _ = read_all(record, after_id=-1, limit=limit)
        assert read == record


def test_rows_of_one_millisecond_are_told_apart_by_their_ids() -> None:
    record = [trade(number, time_ms=5) for number in range(10)]
    read, _ = read_all(record, after_id=-1, limit=3)
    assert read == record


def test_what_happens_while_one_reads_ends_the_reading() -> None:
    paging = Paging(after_id=-1, until_ms=100)
    ends = []
    for page in ([trade(1, time_ms=99)], [trade(1, time_ms=99), trade(2, time_ms=100)]):
        assert paging.add(page) == page[-1:]
        ends.append(paging.is_complete)
    assert ends == [False, True]


def test_a_page_out_of_order_is_put_in_order() -> None:
    paging = Paging(after_id=-1, until_ms=LATER_MS)
    assert paging.add([trade(3), trade(1), trade(2)]) == [trade(1), trade(2), trade(3)]
    assert paging.next_id == 3


def test_an_exchange_that_heeds_no_id_does_not_keep_it_reading_for_ever() -> None:
    paging = Paging(after_id=100, until_ms=LATER_MS)
    assert paging.add([order(1), order(2)]) == []
    assert paging.is_complete
    assert paging.newest_id == 100


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 2)), unique=True, max_size=60),
    st.integers(3, 20),
    st.integers(-1, 45),
)
def test_every_row_above_the_mark_is_read_once_in_order(ids: list[tuple[int, int]], limit: int, after_id: int) -> None:
    record = [trade(trade_id, order_id=order_id) for trade_id, order_id in sorted(ids)]
    read, _ = read_all(record, after_id=after_id, limit=limit)
    assert sorted(read, key=lambda row: (row.trade_id, row.order_id)) == [
        row for row in record if row.trade_id > after_id
    ]
    assert [row.trade_id for row in read] == sorted(row.trade_id for row in read)


@pytest.mark.parametrize(("rows", "pages"), [(0, 1), (1, 2), (1000, 2), (1001, 3), (5000, 7)])
def test_a_long_record_takes_few_pages(rows: int, pages: int) -> None:
    """Every page but the first begins with the last row of the one before."""
    read, asked = read_all([trade(number) for number in range(rows)], after_id=-1, limit=1000)
    assert len(read) == rows
    assert asked == pages
