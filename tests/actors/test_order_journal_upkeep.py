"""Keeping the journal small: what is dropped can never be asked for again, and what it amounted to stays exact."""

import sqlite3
from decimal import Decimal
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.actors.order_journal import KEEP_DAYS, OrderJournal
from dogwatch.actors.order_journal_upkeep import ROWS_PER_STEP
from dogwatch.actors.spot.enums import Side
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.mark import Mark
from dogwatch.actors.spot.order import Life, Order
from tests.actors.test_order_journal import (
    DAY_MS,
    START_MS,
    SYMBOL,
    a_fill,
    an_order,
    believed,
    is_filled,
    is_open,
    opened,
    record,
    rows,
)
from tests.runtime.journals import busy_disk, until

LATER_MS = START_MS + (KEEP_DAYS + 1) * DAY_MS
HIGH = Mark(order_id=10**9, trade_id=10**9)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.journal"


def a_life(number: int, *, at_ms: int = START_MS, is_over: bool = True) -> tuple[Order | Fill, ...]:
    """Everything that is recorded of an order that fills in two trades, or in one so far."""
    order = an_order(number, created_ms=at_ms, updated_ms=at_ms)
    name = order.client_order_id
    first, second = (
        a_fill(trade_id, client_order_id=name, order_id=number, traded_ms=at_ms)
        for trade_id in (2 * number, 2 * number + 1)
    )
    half = msgspec.structs.replace(is_open(order, number), filled_quantity=first.quantity)
    if not is_over:
        return order, half, first
    return order, half, first, is_filled(order, at_ms=at_ms, order_id=number, quantity="0.002"), second


def compact(journal: OrderJournal, now_ms: int = LATER_MS, *, steps: int = 20) -> int:
    return sum(journal.compact(now_ms) for _ in range(steps))


def test_what_ended_long_ago_is_dropped_and_the_position_stays(path: Path) -> None:
    lives = [a_life(number) for number in range(1, 5)]
    with opened(path) as journal:
        for life in lives:
            record(journal, *life)
        journal.record_mark(SYMBOL, HIGH)
        before = journal.load().ledgers["one"].positions()
        assert compact(journal) > 0
        assert journal.orders(closed_max=10) == ()
        assert journal.history("dw-one-run-1-1") == ()
        # The last fill's row stays until another one follows it.
        assert (rows(path, "changes"), rows(path, "fills")) == (0, 1)
    fills = [entry for life in lives for entry in life if isinstance(entry, Fill)]
    with opened(path) as journal:
        ledger = journal.load().ledgers["one"]
        assert ledger.positions() == before == believed(*fills).positions()
        assert not any(ledger.record(fill) for fill in fills)


def test_nothing_is_dropped_that_is_young_or_live(path: Path) -> None:
    with opened(path) as journal:
        record(journal, *a_life(1, is_over=False), *a_life(2, at_ms=LATER_MS - DAY_MS))
        journal.record_mark(SYMBOL, HIGH)
        assert compact(journal) == 0
        assert len(journal.orders(closed_max=10)) == 2
        assert rows(path, "fills") == 3
    with opened(path) as journal:
        assert journal.load().booked["dw-one-run-1-1"] == Decimal("0.001")


def test_a_long_live_order_keeps_its_history_and_its_fills_until_it_ends_and_some_days_more(path: Path) -> None:
    with opened(path) as journal:
        record(journal, *a_life(1, is_over=False), *a_life(2))
        journal.record_mark(SYMBOL, HIGH)
        compact(journal)
        assert len(journal.history("dw-one-run-1-1")) == 2
        last = a_fill(3, client_order_id="dw-one-run-1-1", order_id=1, traded_ms=LATER_MS)
        record(journal, is_filled(an_order(1), at_ms=LATER_MS, order_id=1, quantity="0.002"), last)
        compact(journal)
        assert len(journal.history("dw-one-run-1-1")) == 3
        assert journal.load().booked == {"dw-one-run-1-1": Decimal("0.002")}
        record(journal, *a_life(3, at_ms=LATER_MS + KEEP_DAYS * DAY_MS))
        compact(journal, LATER_MS + (KEEP_DAYS + 1) * DAY_MS)
        assert journal.history("dw-one-run-1-1") == ()


def test_above_the_mark_nothing_is_dropped_for_a_recovery_would_list_it_again(path: Path) -> None:
    with opened(path) as journal:
        for number in (1, 2, 3):
            record(journal, *a_life(number))
        journal.record_mark(SYMBOL, Mark(order_id=2, trade_id=3))
        compact(journal)
        assert [order.order_id for order in journal.orders(closed_max=10)] == [3]
        # Of the second order the fills are above the mark, although it is not.
        assert rows(path, "fills") == 4
        ledger = journal.load().ledgers["one"]
        assert not ledger.record(a_fill(4, client_order_id="dw-one-run-1-2"))


def test_without_a_mark_nothing_is_dropped_that_reached_the_exchange(path: Path) -> None:
    never = msgspec.structs.replace(an_order(2), life=Life.NEVER_PLACED)
    with opened(path) as journal:
        record(journal, *a_life(1), an_order(2), never)
        compact(journal)
        assert [order.client_order_id for order in journal.orders(closed_max=10)] == ["dw-one-run-1-1"]


def test_an_order_that_came_back_to_life_is_kept(path: Path) -> None:
    never = msgspec.structs.replace(an_order(1), life=Life.NEVER_PLACED)
    with opened(path) as journal:
        record(journal, an_order(1), never, is_open(an_order(1)))
        journal.record_mark(SYMBOL, HIGH)
        assert compact(journal) == 0
        assert len(journal.orders()) == 1


def test_a_snapshot_in_words_that_are_not_known_here_is_dropped_in_its_time_too(path: Path) -> None:
    with opened(path) as journal:
        record(journal, *a_life(1))
        journal.record_mark(SYMBOL, HIGH)
    with sqlite3.connect(path) as connection:
        connection.execute("""UPDATE changes SET snapshot = json_set(snapshot, '$.life', 'ASLEEP')""")
    connection.close()
    with opened(path) as journal:
        compact(journal)
    assert rows(path, "changes") == 0


def test_one_step_is_small_and_many_do_it_all(path: Path) -> None:
    with opened(path) as journal:
        for number in range(1, 400):
            record(journal, *a_life(number))
        journal.record_mark(SYMBOL, HIGH)
        journal.commit()
        assert 0 < journal.compact(LATER_MS) <= ROWS_PER_STEP
        compact(journal, steps=100)
        assert rows(path, "changes") == 0
        assert compact(journal) == 0


def test_fills_after_everything_was_dropped_count_again(path: Path) -> None:
    """SQLite gives the numbers of rows anew when the last row of a table goes."""
    with opened(path) as journal:
        for number in range(1, 5):
            record(journal, *a_life(number))
        journal.record_mark(SYMBOL, HIGH)
        compact(journal)
    with opened(path) as journal:
        record(journal, *a_life(5, at_ms=LATER_MS))
    with opened(path) as journal:
        assert journal.load().ledgers["one"].position(SYMBOL).fills == 10


def test_a_process_that_dies_within_a_step_loses_nothing(path: Path) -> None:
    """A step is committed whole or not at all, and the rows that it would drop are still there."""
    with opened(path) as journal:
        for number in (1, 2, 3):
            record(journal, *a_life(number))
        journal.record_mark(SYMBOL, HIGH)
        journal.commit()
        whole = journal.load()
        with OrderJournal.read_only(path) as bystander:
            journal._upkeep.step(LATER_MS - KEEP_DAYS * DAY_MS)  # and no commit
            assert bystander.load().orders == whole.orders
            assert bystander.load().ledgers["one"].positions() == whole.ledgers["one"].positions()


def test_of_an_order_that_has_just_ended_nothing_is_dropped_before_the_database_knows_its_end(path: Path) -> None:
    """With a thread the database is a moment behind: for it this order is neither live nor ended."""
    with OrderJournal.open(path) as journal:
        record(journal, *a_life(1, is_over=False), *a_life(2, is_over=False))
        journal.record_mark(SYMBOL, HIGH)
        journal.commit()
        until(lambda: journal.statistics()["pending"] == 0)
        with busy_disk(journal._journal):
            record(journal, is_filled(an_order(1), at_ms=LATER_MS, order_id=1))
            assert journal.compact(LATER_MS) == 0
        until(lambda: journal.statistics()["pending"] == 0)
        assert journal.compact(LATER_MS) == 0
        until(lambda: journal.statistics()["pending"] == 0)
    with opened(path) as journal:
        assert journal.load().booked["dw-one-run-1-1"] == Decimal("0.001")


def test_a_step_waits_until_the_database_has_the_one_before_it(path: Path) -> None:
    with OrderJournal.open(path) as journal:
        record(journal, *a_life(1))
        journal.record_mark(SYMBOL, HIGH)
        journal.commit()
        until(lambda: journal.statistics()["pending"] == 0)
        with busy_disk(journal._journal):
            assert journal.compact(LATER_MS) > 0
            assert compact(journal) == 0  # and not the same rows again
            record(journal, an_order(3))  # whose row may get the number of one that is dropped
        until(lambda: journal.statistics()["pending"] == 0)
        compact(journal)
    with opened(path) as journal:
        assert [order.client_order_id for order in journal.orders(closed_max=10)] == ["dw-one-run-1-3"]


@settings(max_examples=10)  # every example opens files
@given(seed=st.integers(0, 2**32))
def test_the_belief_of_a_process_that_never_stopped_is_that_of_one_that_was_often_killed(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    random = Random(seed)
    path = tmp_path_factory.mktemp("upkeep") / "orders.journal"
    fills: list[Fill] = []
    now_ms = START_MS
    journal = opened(path)
    for number in range(1, 40):
        now_ms += random.randrange(2 * DAY_MS)
        side = random.choice(list(Side))
        fill = a_fill(
            number,
            side=side,
            client_order_id=f"dw-one-run-1-{number}",
            order_id=number,
            traded_ms=now_ms,
            quantity=Decimal(random.randrange(1, 10**6)).scaleb(-5),
            quote_quantity=Decimal(random.randrange(1, 10**9)).scaleb(-4),
        )
        fills.append(fill)
        order = an_order(number, created_ms=now_ms, updated_ms=now_ms)
        record(journal, order, is_filled(order, at_ms=now_ms, order_id=number), fill)
        journal.record_mark(SYMBOL, Mark(order_id=number - 1, trade_id=number - 1))
        journal.commit()
        if random.random() < 0.4:
            compact(journal, now_ms, steps=random.randrange(3))
        if random.random() < 0.2:
            journal.close()
            journal = opened(path)
            journal.load()
    with journal:
        ledger = journal.load().ledgers["one"]
        assert ledger.positions() == believed(*fills).positions()
        assert not any(ledger.record(fill) for fill in fills)
        compact(journal, now_ms)
        young = [fill.order_id for fill in fills[:-1] if fill.traded_ms >= now_ms - KEEP_DAYS * DAY_MS]
        assert [order.order_id for order in journal.orders(closed_max=100)] == [*young, fills[-1].order_id]
