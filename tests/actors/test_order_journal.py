"""The journal of orders: what is recorded is read back as it was, by the same process, the next one and a bystander."""

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.actors.halt import Halt
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.spot import client_order_id
from dogwatch.actors.spot.enums import OrderStatus, OrderType, Side, TimeInForce
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.fills import FillLedger
from dogwatch.actors.spot.mark import Mark
from dogwatch.actors.spot.order import Amend, Certainty, Life, Order, Request
from dogwatch.runtime.errors import ConfigError, JournalError
from dogwatch.runtime.journal import Durability

START_MS = 1_767_225_600_000
DAY_MS = 86_400_000
SYMBOL = "BTCUSDT"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.journal"


@pytest.fixture
def journal(path: Path) -> Iterator[OrderJournal]:
    with opened(path) as journal:
        yield journal


def opened(path: Path) -> OrderJournal:
    return OrderJournal.open(path, in_thread=False)


def an_order(number: int = 1, **changes: Any) -> Order:
    values: dict[str, Any] = {
        "client_order_id": f"dw-one-run-1-{number}",
        "symbol": SYMBOL,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "created_ms": START_MS,
        "quantity": Decimal("0.003"),
        "price": Decimal("40000.10"),
        "strategy": "one",
        "life": Life.SENT,
        "updated_ms": START_MS,
        "sent_ms": START_MS,
        "evidence": "sent",
    }
    return Order(**{**values, **changes})


def is_open(order: Order, order_id: int = 7) -> Order:
    return msgspec.structs.replace(
        order, life=Life.OPEN, order_id=order_id, status=OrderStatus.NEW, evidence="answer to order.place"
    )


def is_filled(order: Order, *, at_ms: int = START_MS, order_id: int = 7, quantity: str = "0.003") -> Order:
    return msgspec.structs.replace(
        order,
        life=Life.FILLED,
        certainty=Certainty.KNOWN,
        order_id=order_id,
        filled_quantity=Decimal(quantity),
        updated_ms=at_ms,
        evidence="executionReport TRADE",
    )


def a_fill(trade_id: int = 5, **changes: Any) -> Fill:
    values: dict[str, Any] = {
        "symbol": SYMBOL,
        "trade_id": trade_id,
        "order_id": 7,
        "client_order_id": "dw-one-run-1-1",
        "side": Side.BUY,
        "price": Decimal("40000.10"),
        "quantity": Decimal("0.001"),
        "quote_quantity": Decimal("40.00010"),
        "commission": Decimal("0.00000075"),
        "commission_asset": "BTC",
        "is_maker": True,
        "traded_ms": START_MS,
        "execution_id": trade_id * 2,
        "strategy": "one",
    }
    return Fill(**{**values, **changes})


def record(journal: OrderJournal, *recorded: Order | Fill) -> None:
    for entry in recorded:
        if isinstance(entry, Order):
            journal.record_order(entry)
        else:
            journal.record_fill(entry, base_asset="BTC", quote_asset="USDT")
    journal.commit()


def believed(*fills: Fill) -> FillLedger:
    """What a tracker that never stopped would have counted."""
    ledger = FillLedger()
    ledger.follow(SYMBOL, "BTC", "USDT")
    for fill in fills:
        ledger.record(fill)
    return ledger


def rows(path: Path, table: str) -> int:
    with sqlite3.connect(path) as connection:
        count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    connection.close()
    return count


# Orders.


def test_a_new_journal_has_nothing_in_it(journal: OrderJournal) -> None:
    recorded = journal.load()
    assert recorded.orders == ()
    assert (recorded.ledgers, recorded.booked, recorded.marks, recorded.halt) == ({}, {}, {}, None)


def test_the_next_process_finds_each_order_as_it_was_last_and_to_the_last_digit(path: Path) -> None:
    first = an_order(1, quantity=Decimal("0.00100000"), time_in_force=TimeInForce.GTC)
    doubtful = msgspec.structs.replace(
        is_open(an_order(2)),
        request=Request.IN_DOUBT,
        amend=Amend.IN_DOUBT,
        amend_quantity=Decimal("0.002"),
        certainty=Certainty.UNKNOWN,
        unknown_since_ms=START_MS + 5,
        reason="Timeout waiting for response from backend server. [-1007]",
    )
    with opened(path) as journal:
        record(journal, an_order(2), first, is_open(first), doubtful)
    with opened(path) as journal:
        loaded = journal.load().orders
    assert loaded == (is_open(first), doubtful)
    assert str(loaded[0].quantity) == "0.00100000"


def test_what_was_not_committed_is_not_there_and_all_before_it_is(path: Path) -> None:
    with opened(path) as journal:
        record(journal, an_order(1))
        journal.record_order(is_open(an_order(1)))
        with OrderJournal.read_only(path) as bystander:
            assert bystander.orders() == (an_order(1),)
            journal.commit()
            assert bystander.orders() == (is_open(an_order(1)),)


def test_the_history_tells_every_step_and_what_it_rests_on(journal: OrderJournal) -> None:
    order = an_order(1)
    steps = [order, is_open(order), is_filled(order, at_ms=START_MS + 20)]
    record(journal, steps[0], an_order(2), *steps[1:])
    history = journal.history(order.client_order_id)
    assert [change.order for change in history] == steps
    assert [(change.at_ms - START_MS, change.cause) for change in history] == [
        (0, "sent"),
        (0, "answer to order.place"),
        (20, "executionReport TRADE"),
    ]
    assert journal.history("dw-nobody-run-1-1") == ()


def test_ended_orders_are_listed_on_demand_the_newest_of_them(journal: OrderJournal) -> None:
    for number in range(1, 6):
        record(journal, an_order(number), is_filled(an_order(number)))
    record(journal, an_order(9))
    assert [order.client_order_id[-1] for order in journal.orders()] == ["9"]
    assert [order.client_order_id[-1] for order in journal.orders(closed_max=2)] == ["4", "5", "9"]
    assert len(journal.load().orders) == 6


def test_an_order_that_had_ended_and_came_back_on_evidence_is_live(path: Path) -> None:
    order = an_order(1)
    never = msgspec.structs.replace(order, life=Life.NEVER_PLACED)
    with opened(path) as journal:
        record(journal, order, never, is_open(order), an_order(2), is_filled(an_order(2)))
    with opened(path) as journal:
        assert journal.orders() == (is_open(order),)
        assert {order.client_order_id for order in journal.orders(closed_max=5)} == {
            "dw-one-run-1-1",
            "dw-one-run-1-2",
        }
        assert journal.statistics()["live"] == 1
        record(journal, is_filled(order))
        assert journal.orders() == ()
        assert journal.statistics()["live"] == 0


def test_a_canceled_order_that_turns_out_to_be_filled_is_there_once(journal: OrderJournal) -> None:
    order = an_order(1)
    canceled = msgspec.structs.replace(is_open(order), life=Life.CANCELED)
    record(journal, order, canceled, is_filled(order), an_order(2), is_filled(an_order(2)))
    assert [entry.life for entry in journal.orders(closed_max=2)] == [Life.FILLED, Life.FILLED]


def test_fields_that_a_newer_version_has_added_are_ignored(path: Path) -> None:
    with opened(path) as journal:
        record(journal, an_order(1))
    with sqlite3.connect(path) as connection:
        connection.execute("""UPDATE changes SET snapshot = json_set(snapshot, '$.colour', 'red')""")
    connection.close()
    with opened(path) as journal:
        assert journal.orders() == (an_order(1),)


def test_a_word_that_is_not_known_here_is_an_error_that_says_what_to_do(path: Path) -> None:
    with opened(path) as journal:
        record(journal, an_order(1))
    with sqlite3.connect(path) as connection:
        connection.execute("""UPDATE changes SET snapshot = json_set(snapshot, '$.life', 'ASLEEP')""")
    connection.close()
    with opened(path) as journal, pytest.raises(JournalError, match=r"cannot be understood.*newer Dogwatch"):
        journal.load()


# Fills and what they add up to.


def test_positions_go_on_over_processes_and_no_fill_counts_twice(path: Path) -> None:
    fills = [
        a_fill(5),
        a_fill(6, side=Side.SELL, quantity=Decimal("0.002"), quote_quantity=Decimal(81)),
        a_fill(7, price=Decimal(39_000), quote_quantity=Decimal(39), commission_asset="BNB"),
    ]
    with opened(path) as journal:
        record(journal, an_order(1), *fills[:2])
    with opened(path) as journal:
        ledger = journal.load().ledgers["one"]
        assert not any(ledger.record(fill) for fill in fills[:2])
        assert ledger.record(fills[2])
        record(journal, fills[2])
    with opened(path) as journal:
        assert journal.load().ledgers["one"].positions() == believed(*fills).positions()


def test_both_sides_of_a_trade_with_oneself_count(path: Path) -> None:
    sides = [a_fill(5), a_fill(5, side=Side.SELL, client_order_id="dw-one-run-1-2", order_id=8)]
    with opened(path) as journal:
        record(journal, *sides)
    with opened(path) as journal:
        ledger = journal.load().ledgers["one"]
        assert ledger.position(SYMBOL).fills == 2
        assert not any(ledger.record(fill) for fill in sides)


def test_allocations_are_told_apart_by_their_execution(path: Path) -> None:
    allocations = [a_fill(-1, execution_id=31), a_fill(-1, execution_id=32)]
    with opened(path) as journal:
        record(journal, *allocations)
    with opened(path) as journal:
        ledger = journal.load().ledgers["one"]
        assert ledger.position(SYMBOL).fills == 2
        assert not any(ledger.record(fill) for fill in allocations)
        assert ledger.record(a_fill(-1, execution_id=33))


def test_every_strategy_and_symbol_has_a_position_of_its_own(path: Path) -> None:
    with opened(path) as journal:
        record(journal, a_fill(5), a_fill(6, strategy="two"))
        ether = a_fill(5, symbol="ETHUSDT", commission_asset="ETH")
        journal.record_fill(ether, base_asset="ETH", quote_asset="USDT")
        journal.commit()
    with opened(path) as journal:
        ledgers = journal.load().ledgers
    assert {name: [entry.symbol for entry in ledger.positions()] for name, ledger in ledgers.items()} == {
        "one": ["BTCUSDT", "ETHUSDT"],
        "two": ["BTCUSDT"],
    }
    assert ledgers["one"].position("ETHUSDT").base_asset == "ETH"


def test_how_much_of_an_order_its_fills_explain_is_known_again(path: Path) -> None:
    half = is_filled(an_order(1))
    with opened(path) as journal:
        record(journal, an_order(1), half, a_fill(5), a_fill(6))
        # Of this one the trade was listed before the order itself was.
        record(journal, an_order(2), a_fill(7, client_order_id="dw-one-run-1-2", order_id=8))
    with opened(path) as journal:
        expected = {half.client_order_id: Decimal("0.002"), "dw-one-run-1-2": Decimal("0.001")}
        assert journal.load().booked == expected


def test_a_fill_keeps_its_maker_its_time_and_whether_it_was_recovered(path: Path) -> None:
    with opened(path) as journal:
        record(journal, a_fill(5, is_recovered=True, is_maker=False, commission_asset=None))
    with sqlite3.connect(path) as connection:
        kept = connection.execute("SELECT is_recovered, is_maker, commission_asset, traded_ms, price FROM fills")
        assert kept.fetchall() == [(1, 0, None, START_MS, "40000.10")]
    connection.close()


# Marks, halts, runs, accounts.


def test_the_newest_mark_of_a_symbol_counts(path: Path) -> None:
    with opened(path) as journal:
        journal.record_mark(SYMBOL, Mark(order_id=7, trade_id=-1))
        journal.record_mark(SYMBOL, Mark(order_id=9, trade_id=5))
        journal.record_mark("ETHUSDT", Mark())
        journal.commit()
    with opened(path) as journal:
        assert journal.load().marks == {SYMBOL: Mark(order_id=9, trade_id=5), "ETHUSDT": Mark()}


def test_a_halt_holds_over_processes_until_it_is_lifted(path: Path) -> None:
    seen = []
    with opened(path) as journal:
        seen.append(journal.halted)
        journal.halt("the operator said so", START_MS)
        seen.append(journal.halted)
    with opened(path) as journal:
        seen += [journal.halted, journal.load().halt]
        journal.resume(START_MS + 1)
        seen.append(journal.halted)
    with opened(path) as journal:
        seen.append(journal.halted)
    halt = Halt(reason="the operator said so", at_ms=START_MS)
    assert seen == [None, halt, halt, halt, None, None]


@settings(max_examples=20)  # every run opens a file
@given(st.lists(st.integers(START_MS - 10 * DAY_MS, START_MS + 10 * DAY_MS), min_size=2, max_size=8))
def test_no_two_runs_have_the_same_token_whatever_the_clock_says(tmp_path_factory: Any, times: list[int]) -> None:
    path = tmp_path_factory.mktemp("runs") / "orders.journal"
    tokens = []
    for unix_ms in times:
        with opened(path) as journal:
            tokens.append(journal.begin_run(unix_ms))
    assert len(set(tokens)) == len(times)
    assert all(len(token) <= client_order_id.RUN_LENGTH_MAX for token in tokens)


def test_two_runs_that_begin_at_once_are_told_apart_before_the_first_is_in_the_database(path: Path) -> None:
    with OrderJournal.open(path) as journal:
        tokens = [journal.begin_run(START_MS) for _ in range(3)]
    assert len(set(tokens)) == 3
    with opened(path) as journal:
        assert journal.begin_run(START_MS) not in tokens


def test_a_journal_belongs_to_one_account_at_one_venue(path: Path) -> None:
    with opened(path) as journal:
        journal.bind_account(uid=17, venue="live")
    with opened(path) as journal:
        journal.bind_account(uid=17, venue="live")
        with pytest.raises(ConfigError, match=r"journal of account 17, and this is account 18.*name another journal"):
            journal.bind_account(uid=18, venue="live")
        with pytest.raises(ConfigError, match="journal of venue live, and this is venue testnet"):
            journal.bind_account(uid=17, venue="testnet")


# The file.


def test_two_processes_cannot_write_one_journal(journal: OrderJournal, path: Path) -> None:
    with pytest.raises(JournalError, match="is using this journal"):
        opened(path)
    record(journal, an_order(1))
    with OrderJournal.read_only(path) as bystander:
        assert bystander.orders() == (an_order(1),)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE fills SET price = '12.x'",
        "UPDATE fills SET quantity = x'ff00'",
        "UPDATE fills SET side = 'BUYX'",
        "UPDATE fills SET trade_id = 'abc'",
        "UPDATE fills SET traded_ms = 'soon'",
        "UPDATE positions SET position = '{'",
        "UPDATE positions SET symbol = 'XXXUSDT'",
        "DELETE FROM positions",
        "UPDATE marks SET order_id = 'abc'",
        "UPDATE facts SET value = 'abc' WHERE name = 'folded_through'",
        "UPDATE changes SET snapshot = '{'",
        "UPDATE changes SET snapshot = CAST(x'7bff' AS TEXT)",
    ],
)
@pytest.mark.parametrize("is_folded", [False, True])
def test_a_row_that_makes_no_sense_is_damage_and_its_content_is_not_shown(
    path: Path, damage: str, is_folded: bool
) -> None:
    with opened(path) as journal:
        record(journal, an_order(), a_fill(1))
        if is_folded:
            journal.compact(START_MS)
        record(journal, a_fill(2))
        journal.record_mark(SYMBOL, Mark(order_id=7, trade_id=5))
    with sqlite3.connect(path) as connection:
        changed = connection.execute(damage).rowcount
    connection.close()
    if not changed:
        return  # nothing is folded yet
    with pytest.raises(JournalError) as caught, opened(path) as journal:
        journal.load()
    assert f"{path}: not a journal, or damaged" in caught.value.message
    assert "40000.10" not in str(caught.value)
    assert "dw-one" not in str(caught.value)
    assert "move it and its -wal away" in caught.value.hint


def test_a_file_of_another_kind_is_refused(path: Path) -> None:
    path.write_bytes(b"dear diary, " * 100)
    with pytest.raises(JournalError):
        opened(path)
    with pytest.raises(JournalError):
        OrderJournal.read_only(path)


def test_at_host_durability_a_commit_is_answered_too(path: Path) -> None:
    outcomes: list[JournalError | None] = []
    with OrderJournal.open(path, durability=Durability.HOST, in_thread=False) as journal:
        journal.record_order(an_order(1))
        journal.commit(outcomes.append)
    assert outcomes == [None]
    with opened(path) as journal:
        assert journal.orders() == (an_order(1),)
