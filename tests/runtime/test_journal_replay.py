"""What a killed process had committed ahead of the database: the next one stores it, and a reader sees it."""

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import Side
from dogwatch.actors.spot.instant import Instant
from dogwatch.runtime import journal_file
from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.journal import Durability, Journal
from dogwatch.runtime.journal_ahead import Statements, find_above, record_of, store_as_json
from dogwatch.runtime.journal_bulk import execute_all
from tests.runtime.journals import INSERT, SCHEMA, SELECT, busy_disk, note, rows_in, until
from tests.runtime.test_journal_file import SECOND

FILES = ("notes.journal", "notes.journal-wal", "notes.journal-ahead")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.journal"


def killed(path: Path, *, stored: int = 0, ahead: int = 0, statement: str = INSERT) -> Path:
    """What a process leaves that is killed when so many rows are in the database, and so many ahead of it."""
    alive = path.parent / "alive"
    alive.mkdir()
    with Journal.open(alive / path.name, SCHEMA) as journal:
        for number in range(stored):
            journal.write(INSERT, note(number))
            journal.commit()
        until(lambda: journal.stored == stored)
        with busy_disk(journal):
            for number in range(stored, stored + ahead):
                journal.write(statement, note(number))
                journal.commit()
            for name in FILES:
                shutil.copy(alive / name, path.with_name(name))
    shutil.rmtree(alive)
    return path


def ahead_of(path: Path) -> Path:
    return path.with_name("notes.journal-ahead")


def notes(numbers: Sequence[int]) -> list[tuple[int, str]]:
    return [note(number) for number in numbers]


@pytest.mark.parametrize("in_thread", [True, False])
@pytest.mark.parametrize("durability", Durability)
def test_the_next_journal_has_it_from_the_beginning(path: Path, durability: Durability, in_thread: bool) -> None:
    killed(path, stored=3, ahead=4)
    with Journal.open(path, SCHEMA, durability=durability, in_thread=in_thread) as journal:
        assert journal.read(SELECT) == notes(range(7))
        journal.write(INSERT, note(7))
        journal.commit()
    assert not ahead_of(path).exists()
    assert rows_in(path) == notes(range(8))


class Quantity(msgspec.Struct, omit_defaults=True):
    """A value that has JSON of its own."""

    amount: Decimal
    side: Side = Side.BUY
    tags: tuple[str, ...] = ()
    number: int = 0
    parts: dict[str, "Quantity"] = {}


quantities = st.recursive(
    st.builds(
        Quantity,
        amount=st.decimals(allow_nan=False, allow_infinity=False),
        side=st.sampled_from(Side),
        tags=st.tuples(st.text(max_size=3)),
        number=st.integers(-(2**40), 2**62) | st.integers(10**14, 10**16).map(Instant),
    ),
    lambda parts: st.builds(Quantity, amount=st.just(Decimal(1)), parts=st.dictionaries(st.text(max_size=2), parts)),
    max_leaves=3,
)


@given(values=st.lists(quantities, min_size=1, max_size=3))
@settings(max_examples=50, deadline=None)
def test_a_struct_leaves_the_same_text_whether_the_thread_stores_it_or_the_next_process(values: list[Quantity]) -> None:
    store_as_json(Quantity)
    rows: Statements = [(INSERT, (number, value)) for number, value in enumerate(values)]
    found = find_above(record_of(b"12345678", 1, rows), b"12345678", 0)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as stored:
        stored.execute("CREATE TABLE notes (number INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        execute_all(stored.cursor(), rows)
        texts = stored.execute(SELECT).fetchall()
    assert [tuple(row) for _, row in found.statements] == texts
    assert [msgspec.json.decode(text, type=Quantity) for _, text in texts] == values


def test_it_is_stored_once_however_often_the_next_process_is_killed_on_its_way_up(path: Path) -> None:
    killed(path, stored=1, ahead=2)
    for _ in range(2):
        left = ahead_of(path).read_bytes()
        with Journal.open(path, SCHEMA) as journal:
            assert journal.read(SELECT) == notes(range(3))
        ahead_of(path).write_bytes(left)  # as if it had been killed before it was gone


def test_what_the_database_has_of_the_file_is_not_stored_again(path: Path) -> None:
    alive = path.parent / "alive"
    alive.mkdir()
    with Journal.open(alive / path.name, SCHEMA) as journal:
        for number in range(5):
            journal.write("INSERT INTO notes (text) VALUES (?)", (str(number),))
            journal.commit()
        until(lambda: journal.stored == 5)
        for name in FILES:
            shutil.copy(alive / name, path.with_name(name))
    assert ahead_of(path).stat().st_size
    with Journal.open(path, SCHEMA) as journal:
        assert journal.read("SELECT text FROM notes ORDER BY number") == [(str(number),) for number in range(5)]


def test_a_reader_sees_all_of_it_and_leaves_everything_as_it_is(path: Path) -> None:
    killed(path, stored=3, ahead=4)
    left = {name: path.with_name(name).read_bytes() for name in FILES}
    with Journal.read_only(path, SCHEMA) as reader:
        assert reader.read(SELECT) == notes(range(7))
        with pytest.raises(JournalError, match="readonly"):
            reader.read("DELETE FROM notes")
    assert {name: path.with_name(name).read_bytes() for name in FILES} == left


def test_a_reader_follows_a_symbolic_link(path: Path) -> None:
    killed(path, ahead=2)
    (path.parent / "folder").mkdir()
    link = path.parent / "folder" / "link.journal"
    link.symlink_to(path)
    assert rows_in(link) == notes(range(2))


def test_a_reader_of_a_process_that_runs_sees_what_is_stored(path: Path) -> None:
    with Journal.open(path, SCHEMA) as journal:
        with busy_disk(journal):
            journal.write(INSERT, note(0))
            journal.commit()
            assert rows_in(path) == [note(0)]  # nobody stores it: it is read from the file ahead
        until(lambda: journal.stored == 1)
        for number in range(1, 6):
            journal.write(INSERT, note(number))
            journal.commit()
            seen = rows_in(path)
            assert seen == notes(range(len(seen)))
    assert rows_in(path) == notes(range(6))


def test_it_is_stored_in_the_tables_that_it_was_written_for_before_they_change(path: Path) -> None:
    killed(path, stored=1, ahead=3)  # the second version drops number 1 and adds a column
    with Journal.open(path, SECOND) as journal:
        assert journal.read("SELECT number, author FROM notes ORDER BY number") == [
            (0, "nobody"),
            (2, "nobody"),
            (3, "nobody"),
        ]


def test_a_file_of_an_earlier_version_of_the_program_is_opened(path: Path) -> None:
    Journal.open(path, SCHEMA, in_thread=False).close()
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("SELECT count(*) FROM sqlite_master WHERE name = '_ahead'").fetchall() == [(0,)]
    with Journal.open(path, SCHEMA) as journal:
        journal.write(INSERT, note(0))
        journal.commit()
    assert rows_in(path) == [note(0)]


def test_what_lies_ahead_of_another_database_does_not_count(path: Path) -> None:
    killed(path, stored=3, ahead=4)
    path.unlink()
    path.with_name("notes.journal-wal").unlink()
    with Journal.open(path, SCHEMA) as journal:
        assert journal.read(SELECT) == []


def test_of_an_older_copy_of_the_database_neither(path: Path) -> None:
    with Journal.open(path, SCHEMA) as journal:
        journal.write(INSERT, note(100))
    copy = shutil.copy(path, path.with_name("copy"))
    path.unlink()
    killed(path, stored=3, ahead=4)
    path.with_name("notes.journal-wal").unlink()
    shutil.copy(copy, path)
    with Journal.open(path, SCHEMA) as journal:
        assert journal.read(SELECT) == [note(100)]


def test_the_order_and_the_effect_of_statements_is_that_of_the_process_that_was_killed(path: Path) -> None:
    killed(path, ahead=3, statement="REPLACE INTO notes (number, text) VALUES (? % 2, ?)")
    assert rows_in(path) == notes(range(2))


# Damage


def damage(path: Path, record: int) -> None:
    """Make one record unreadable."""
    content = bytearray(ahead_of(path).read_bytes())
    with closing(sqlite3.connect(path)) as plain:
        ((tag, stored),) = plain.execute("SELECT tag, stored FROM _ahead").fetchall()
    assert find_above(bytes(content), tag, stored).statements
    at = -1
    for _ in range(record):
        at = content.find(tag, at + 1)
    content[at + 100] ^= 0xFF
    ahead_of(path).write_bytes(content)


def test_a_record_that_is_missing_in_the_middle_is_damage(path: Path) -> None:
    damage(killed(path, ahead=4), record=3)
    left = ahead_of(path).read_bytes()
    with pytest.raises(JournalError) as caught:
        Journal.open(path, SCHEMA)
    assert caught.value.message == f"{path}-ahead: damaged, record 3 is missing"
    assert "move notes.journal-ahead away" in caught.value.hint
    with pytest.raises(JournalError, match="record 3 is missing"):
        rows_in(path)
    assert ahead_of(path).read_bytes() == left
    ahead_of(path).unlink()
    with Journal.open(path, SCHEMA) as journal:
        assert journal.read(SELECT) == []


def test_after_a_power_loss_it_counts_up_to_what_the_disk_had_not_taken(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(killed(path, ahead=4), record=3)
    next_boot = path.with_name("boot_id")
    next_boot.write_text("another")
    monkeypatch.setattr(journal_file, "BOOT_ID", next_boot)
    assert rows_in(path) == notes(range(2))
    with Journal.open(path, SCHEMA) as journal:
        assert journal.read(SELECT) == notes(range(2))


def test_where_nothing_tells_of_boots_it_is_taken_as_after_a_power_loss(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "BOOT_ID", path.with_name("nowhere"))
    damage(killed(path, ahead=4), record=3)
    with Journal.open(path, SCHEMA) as journal:
        assert journal.read(SELECT) == notes(range(2))


@pytest.mark.parametrize(
    "change", ["DELETE FROM _ahead", "UPDATE _ahead SET tag = x''", "UPDATE _ahead SET stored = 'many'"]
)
def test_a_database_that_says_nonsense_of_the_file_ahead_is_damaged(path: Path, change: str) -> None:
    killed(path, ahead=1)
    with closing(sqlite3.connect(path, isolation_level=None)) as plain:
        plain.execute(change)
    for use in (Journal.open, Journal.read_only):
        with pytest.raises(JournalError, match="damaged"):
            use(path, SCHEMA)


def test_a_statement_that_cannot_be_executed_is_told_and_nothing_of_it_is_stored(path: Path) -> None:
    killed(path, stored=1, ahead=2, statement="INSERT INTO notes (number, text) VALUES (? / 2, ?)")
    with pytest.raises(JournalError, match="UNIQUE constraint failed") as caught:
        Journal.open(path, SCHEMA)
    assert "while notes.journal-ahead was stored" in caught.value.message
    assert "move notes.journal-ahead away" in caught.value.hint
    ahead_of(path).unlink()
    with Journal.open(path, SCHEMA) as journal:
        assert journal.read(SELECT) == [note(0)]


def test_a_reader_of_a_file_without_what_lay_ahead_of_it_reads_what_is_there(path: Path) -> None:
    killed(path, stored=2, ahead=2)
    ahead_of(path).unlink()
    assert rows_in(path) == notes(range(2))
