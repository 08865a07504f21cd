"""The local book: by whatever way changes and snapshots come, it equals the exchange's or says that it is not whole."""

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.actors.spot import book as book_module
from dogwatch.actors.spot.book import HELD_MAX, BookSide, LocalBook
from dogwatch.actors.spot.instant import Instant
from dogwatch.actors.spot.stream_events import BookDiff, PriceLevel
from dogwatch.actors.spot.taken import Taken

Levels = dict[int, int]


def levels_of(levels: Levels) -> tuple[PriceLevel, ...]:
    return tuple(PriceLevel(price=Decimal(price), quantity=Decimal(amount)) for price, amount in levels.items())


def diff(first: int, final: int, bids: Levels | None = None, asks: Levels | None = None) -> BookDiff:
    return BookDiff(
        event_time_ms=final,
        symbol="A",
        first_update_id=first,
        final_update_id=final,
        bids=levels_of(bids or {}),
        asks=levels_of(asks or {}),
    )


def take_snapshot(book: LocalBook, last_id: int, bids: Levels, asks: Levels, *, limit: int = 100) -> Taken:
    return book.take_snapshot(last_id, levels_of(bids), levels_of(asks), limit=limit)


def a_book(last_id: int = 10, *, limit: int = 100) -> LocalBook:
    """Bids at 9 and 8, asks at 11 and 12."""
    book = LocalBook("A")
    assert take_snapshot(book, last_id, {9: 1, 8: 2}, {11: 1, 12: 2}, limit=limit) is Taken.APPLIED
    return book


def shown(levels: Iterable[PriceLevel]) -> list[tuple[int, int]]:
    return [(int(level.price), int(level.quantity)) for level in levels]


# The documented algorithm, step by step.


def test_a_new_book_holds_changes_and_shows_nothing() -> None:
    book = LocalBook("A")
    assert book.take_diff(diff(1, 3, {9: 1})) is Taken.HELD
    assert not book.is_whole
    assert "snapshot" in book.reason


def test_the_time_of_a_change_keeps_its_microseconds() -> None:
    book = a_book()
    timed = msgspec.structs.replace(diff(11, 11, {9: 2}), event_time_ms=Instant(1_770_123_456_789_012))
    assert book.take_diff(timed) is Taken.APPLIED
    time_ms = book.view(1).event_time_ms
    assert isinstance(time_ms, Instant)
    assert time_ms.us == 1_770_123_456_789_012


def test_a_snapshot_from_before_the_first_change_that_is_held_is_too_old() -> None:
    book = LocalBook("A")
    book.take_diff(diff(11, 12, {9: 5}))
    assert take_snapshot(book, 9, {9: 1}, {11: 1}) is Taken.OLD
    assert not book.is_whole
    assert take_snapshot(book, 10, {9: 1}, {11: 1}) is Taken.APPLIED
    assert (book.update_id, shown(book.bids.best(5))) == (12, [(9, 5)])


def test_changes_that_the_snapshot_has_already_are_left_out() -> None:
    book = LocalBook("A")
    for change in (diff(8, 9, {9: 4}), diff(10, 11, {9: 5}), diff(12, 12, asks={11: 7})):
        book.take_diff(change)
    assert take_snapshot(book, 11, {9: 5, 8: 1}, {11: 1}) is Taken.APPLIED
    view = book.view(5)
    assert (shown(view.bids), shown(view.asks)) == ([(9, 5), (8, 1)], [(11, 7)])
    assert (view.update_id, view.event_time_ms) == (12, 12)


def test_a_change_sets_adds_and_removes_levels() -> None:
    book = a_book()
    assert book.take_diff(diff(11, 14, {9: 0, 7: 3, 8: 5, 6: 0}, {10: 1})) is Taken.APPLIED
    view = book.view(5)
    assert (shown(view.bids), shown(view.asks)) == ([(8, 5), (7, 3)], [(10, 1), (11, 1), (12, 2)])


def test_an_old_change_is_left_out() -> None:
    book = a_book()
    assert book.take_diff(diff(8, 10, {9: 7})) is Taken.OLD
    assert shown(book.bids.best(1)) == [(9, 1)]


def test_a_change_that_overlaps_with_the_one_before_is_taken() -> None:
    assert a_book().take_diff(diff(9, 12, {9: 7})) is Taken.APPLIED


def test_a_missing_change_breaks_the_book_and_a_new_snapshot_mends_it() -> None:
    book = a_book()
    assert book.take_diff(diff(12, 13, {9: 7})) is Taken.BROKEN
    assert not book.is_whole
    assert book.reason == "the changes 11 to 11 are missing"
    assert book.take_diff(diff(14, 15, {8: 9})) is Taken.HELD
    assert take_snapshot(book, 12, {9: 1, 8: 2}, {11: 1}) is Taken.APPLIED
    assert (book.update_id, shown(book.bids.best(5))) == (15, [(9, 7), (8, 9)])


def test_a_snapshot_older_than_any_change_that_has_come_is_refused_even_if_none_is_held() -> None:
    book = LocalBook("A")
    book.take_diff(diff(20, 21, {12: 1}))
    assert take_snapshot(book, 20, {9: 1}, {11: 1}) is Taken.BROKEN  # with the change held it is crossed
    assert take_snapshot(book, 20, {9: 1}, {11: 1}) is Taken.OLD
    book.take_diff(diff(5, 6, {12: 1}))
    assert take_snapshot(book, 20, {9: 1}, {11: 1}) is Taken.OLD
    assert take_snapshot(book, 21, {9: 1}, {11: 1}) is Taken.APPLIED


def test_a_change_that_comes_twice_or_late_while_others_are_held_is_left_out() -> None:
    book = LocalBook("A")
    for change in (diff(5, 6, {9: 1}), diff(7, 9, {9: 2}), diff(5, 6, {9: 1}), diff(8, 8, {9: 3})):
        book.take_diff(change)
    assert take_snapshot(book, 4, {}, {11: 1}) is Taken.APPLIED
    assert (book.update_id, shown(book.bids.best(5))) == (9, [(9, 2)])


def test_a_whole_book_stays_so_while_a_deeper_snapshot_is_on_its_way() -> None:
    book = a_book(limit=2)
    book.expect_snapshot()
    assert book.take_diff(diff(11, 12, {9: 5})) is Taken.APPLIED
    assert take_snapshot(book, 9, {9: 1, 8: 2}, {11: 1}) is Taken.OLD
    assert book.is_whole
    assert take_snapshot(book, 10, {9: 1, 8: 2, 7: 3}, {11: 1}) is Taken.APPLIED
    assert (book.update_id, shown(book.bids.best(5))) == (12, [(9, 5), (8, 2), (7, 3)])
    assert take_snapshot(book, 11, {9: 1}, {11: 1}) is Taken.OLD  # it would take the book back


def test_a_crossed_book_is_broken_whoever_crosses_it() -> None:
    assert take_snapshot(LocalBook("A"), 1, {9: 1}, {9: 1}) is Taken.BROKEN
    book = a_book()
    assert book.take_diff(diff(11, 11, {11: 1})) is Taken.BROKEN
    assert book.reason == "the best bid 11 is not below the best ask 11"


@pytest.mark.parametrize("number", ["NaN", "sNaN", "-NaN"])
def test_a_level_that_is_no_number_breaks_the_book(number: str) -> None:
    odd = (PriceLevel(price=Decimal(number), quantity=Decimal(1)),)
    book = a_book()
    event = BookDiff(event_time_ms=1, symbol="A", first_update_id=11, final_update_id=11, bids=odd, asks=())
    assert book.take_diff(event) is Taken.BROKEN
    assert "no number" in book.reason
    assert book.take_snapshot(11, odd, odd, limit=5) is Taken.BROKEN
    assert book.take_snapshot(11, levels_of({1: 1}) + odd, (), limit=5) is Taken.BROKEN


def test_what_waits_for_a_snapshot_is_bounded() -> None:
    book = LocalBook("A")
    for number in range(1, HELD_MAX + 11):
        book.take_diff(diff(number, number))
    assert take_snapshot(book, 9, {9: 1}, {11: 1}) is Taken.OLD
    assert take_snapshot(book, 10, {9: 1}, {11: 1}) is Taken.APPLIED
    assert book.update_id == HELD_MAX + 10


# As far as it is known.


def test_what_lies_beyond_a_full_snapshot_is_not_known_and_said_so() -> None:
    book = a_book(limit=2)
    book.take_diff(diff(11, 11, {7: 100}, {13: 100, 10: 1}))
    view = book.view(5)
    assert (shown(view.bids), shown(view.asks)) == ([(9, 1), (8, 2)], [(10, 1), (11, 1), (12, 2)])
    assert not view.has_all_bids
    assert not view.has_all_asks
    assert book.knows(2)
    assert not book.knows(3)


def test_the_last_level_that_is_known_may_go_and_come_back() -> None:
    book = a_book(limit=2)
    book.take_diff(diff(11, 11, {8: 0}, {12: 0}))
    book.take_diff(diff(12, 12, {8: 5}, {12: 5}))
    assert (shown(book.bids.best(5)), shown(book.asks.best(5))) == ([(9, 1), (8, 5)], [(11, 1), (12, 5)])


def test_a_snapshot_that_is_not_full_has_the_whole_side() -> None:
    book = a_book(limit=3)
    view = book.view(5)
    assert view.has_all_bids
    assert view.has_all_asks
    assert book.knows(5_000)
    assert not book.view(1).has_all_bids


def test_a_price_that_leaves_the_known_levels_breaks_the_book() -> None:
    book = a_book(limit=2)
    assert book.take_diff(diff(11, 11, {9: 0, 8: 0}, {7: 1})) is Taken.BROKEN
    assert book.reason == "the price has left the levels that are known"
    assert a_book(limit=3).take_diff(diff(11, 11, {9: 0, 8: 0})) is Taken.APPLIED  # nobody buys: that is known


def test_a_side_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "LEVELS_MAX", 6)
    monkeypatch.setattr(book_module, "LEVELS_KEPT", 4)
    numbers = dict.fromkeys(range(1, 8), 1)
    for is_bids, best in ((True, [7, 6, 5, 4]), (False, [1, 2, 3, 4])):
        side = BookSide((), is_bids=is_bids, limit=100)
        side.change(levels_of(numbers))
        assert [price for price, _ in shown(side.best(10))] == best
        assert (side.known_to, len(side.levels)) == (Decimal(best[-1]), 4)
        side.change(levels_of({best[-1] + (-1 if is_bids else 1): 1}))
        assert len(side) == 4


# Any history.

HISTORY = 24


class Exchange:
    """What the book truly was after each change. Bids live below 50, asks above."""

    def __init__(self, changes: list[tuple[bool, int, int]]) -> None:
        self.changes = [(50 - step if is_bid else 50 + step, is_bid, amount) for is_bid, step, amount in changes]
        self.states: list[tuple[Levels, Levels]] = [({49: 1}, {51: 1})]
        for price, is_bid, amount in self.changes:
            bids, asks = map(dict, self.states[-1])
            side = bids if is_bid else asks
            side[price] = amount
            if not amount:
                del side[price]
            self.states.append((bids, asks))

    def event(self, first: int, final: int) -> BookDiff:
        """The changes from `first` to `final`, each level once with its last quantity."""
        bids: Levels = {}
        asks: Levels = {}
        for price, is_bid, amount in self.changes[first - 1 : final]:
            (bids if is_bid else asks)[price] = amount
        return diff(first, final, bids, asks)

    def snapshot(self, number: int, book: LocalBook, limit: int) -> Taken:
        bids, asks = self.states[number]
        best_bids = dict(sorted(bids.items(), reverse=True)[:limit])
        return take_snapshot(book, number, best_bids, dict(sorted(asks.items())[:limit]), limit=limit)

    def check(self, book: LocalBook) -> None:
        """It is whole, so it has to be true: all that it knows, and nothing missing there."""
        for side, truth in zip((book.bids, book.asks), self.states[book.update_id], strict=True):
            known = {
                price: amount
                for price, amount in truth.items()
                if side.known_to is None or (price >= side.known_to if side.is_bids else price <= side.known_to)
            }
            assert dict(shown(side.best(100))) == known
            assert side.prices == sorted(set(side.prices)) == [level.price for level in side.levels]


changes = st.lists(st.tuples(st.booleans(), st.integers(1, 8), st.integers(0, 3)), min_size=HISTORY, max_size=HISTORY)


@st.composite
def cuts(draw: st.DrawFn) -> list[tuple[int, int]]:
    """The history divided into events without holes."""
    edges = sorted(draw(st.sets(st.integers(1, HISTORY - 1), max_size=HISTORY - 1)) | {0, HISTORY})
    return [(first + 1, final) for first, final in pairwise(edges)]


@settings(max_examples=60)
@given(changes=changes, events=cuts(), snapshot_at=st.integers(0, HISTORY), limit=st.integers(1, 10), data=st.data())
def test_a_history_without_faults_leads_to_the_true_book_and_raises_no_alarm(
    changes: list[Any], events: list[tuple[int, int]], snapshot_at: int, limit: int, data: st.DataObject
) -> None:
    exchange, book = Exchange(changes), LocalBook("A")
    comes_after = data.draw(st.integers(0, len(events)))
    for position, event in enumerate(events):
        if position == comes_after:
            exchange.snapshot(snapshot_at, book, limit)
        outcome = book.take_diff(exchange.event(*event))
        assert outcome is not Taken.BROKEN or book.reason == "the price has left the levels that are known"
        if book.is_whole:
            exchange.check(book)
    if not book.is_whole:
        assert exchange.snapshot(HISTORY, book, limit) in (Taken.APPLIED, Taken.BROKEN)  # broken: a side is empty
    assert book.update_id == HISTORY or not all(exchange.states[HISTORY])
    if book.is_whole:
        exchange.check(book)


@settings(max_examples=100)
@given(changes=changes, events=cuts(), others=cuts(), limit=st.integers(1, 10), data=st.data())
def test_drops_duplicates_and_reordering_end_in_the_true_book_or_in_a_resync(
    changes: list[Any], events: list[tuple[int, int]], others: list[tuple[int, int]], limit: int, data: st.DataObject
) -> None:
    exchange, book = Exchange(changes), LocalBook("A")
    mixed = sorted(events + others, key=lambda event: event[1])  # two sockets, or one and its copy
    steps = st.lists(st.integers(0, len(mixed) - 1), max_size=2 * len(mixed))
    order = data.draw(steps | steps.map(sorted))
    for position in order:
        if data.draw(st.booleans()):
            if data.draw(st.booleans()):
                book.expect_snapshot()
            exchange.snapshot(data.draw(st.integers(0, HISTORY)), book, limit)
        book.take_diff(exchange.event(*mixed[position]))
        if book.is_whole:
            exchange.check(book)
            assert book.update_id >= mixed[position][1]  # as new as all that has come
        else:
            assert book.reason
    exchange.snapshot(HISTORY, book, limit)
    if book.is_whole:
        exchange.check(book)
        assert book.update_id == HISTORY


def test_the_best_levels_are_shown_best_first() -> None:
    book = a_book()
    view = book.view(1)
    assert (view.symbol, view.depth, shown(view.bids), shown(view.asks)) == ("A", 1, [(9, 1)], [(11, 1)])
    assert view.event_time_ms is None


@given(
    changes=st.lists(st.tuples(st.integers(-100, 400), st.integers(0, 2)), max_size=200),
    is_bids=st.booleans(),
    limit=st.sampled_from([300, 301]),
)
@settings(max_examples=100, deadline=None)
def test_a_side_deeper_than_where_most_changes_are_has_the_levels_in_order(
    changes: list[tuple[int, int]], is_bids: bool, limit: int
) -> None:
    expected = {Decimal(cents): Decimal(1) for cents in range(2, 602, 2)}
    levels = [PriceLevel(price=price, quantity=quantity) for price, quantity in expected.items()]
    side = BookSide(levels, is_bids=is_bids, limit=limit)
    worst = min(expected) if is_bids else max(expected)
    is_known = limit > len(levels)
    for cents, size in changes:
        price, quantity = Decimal(cents), Decimal(size)
        side.change([PriceLevel(price=price, quantity=quantity)])
        is_beyond = price < worst if is_bids else price > worst
        if not quantity:
            expected.pop(price, None)
        elif price > 0 and (is_known or not is_beyond):
            expected[price] = quantity
    assert side.prices == sorted(expected) == [level.price for level in side.levels]
    assert {level.price: level.quantity for level in side.levels} == expected
