import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.journal import Journal
from tests.runtime.journals import INSERT, SCHEMA, SELECT, Heard, rows_in, until


@pytest.fixture(params=[True, False], ids=["threads", "no threads"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "notes.journal", SCHEMA, in_thread=request.param) as journal:
        yield journal


def test_what_is_committed_is_read_and_what_is_only_written_is_not(journal: Journal) -> None:
    heard = Heard()
    journal.write(INSERT, (1, "one"))
    assert journal.read(SELECT) == []
    journal.commit(heard)
    journal.write(INSERT, (2, "two"))
    assert heard.answers == [None]
    until(lambda: journal.stored == 1)
    assert journal.written == 2
    assert journal.read(SELECT) == [(1, "one")]
    assert journal.read("SELECT text FROM notes WHERE number = ?", (1,)) == [("one",)]


def test_a_commit_takes_all_rows_in_the_order_in_which_they_were_written(journal: Journal) -> None:
    journal.write(INSERT, (1, "one"))
    journal.write("UPDATE notes SET text = ? WHERE number = ?", ("uno", 1))
    journal.write(INSERT, (2, "two"))
    journal.write("DELETE FROM notes WHERE number = ?", (2,))
    journal.commit()
    until(lambda: journal.stored == 4)
    assert journal.read(SELECT) == [(1, "uno")]
    assert journal.statistics()["rows"] == 4
    assert journal.statistics()["commits"] == 1


def test_a_commit_of_nothing_calls_back_and_writes_nothing(journal: Journal) -> None:
    heard = Heard()
    journal.commit(heard)
    journal.commit()
    assert heard.answers == [None]
    assert journal.statistics()["commits"] == 0


def test_closing_commits_what_is_pending_and_leaves_one_whole_file(journal: Journal) -> None:
    journal.write(INSERT, (1, "one"))
    journal.close()
    journal.close()
    assert journal.failure is None
    assert {path.name for path in journal.path.parent.iterdir()} == {"notes.journal", "notes.journal.lock"}
    with sqlite3.connect(journal.path) as plain:
        assert plain.execute(SELECT).fetchall() == [(1, "one")]
    plain.close()


def test_a_closed_journal_refuses_commits_and_reads(journal: Journal) -> None:
    heard = Heard()
    journal.close()
    journal.write(INSERT, (1, "one"))
    journal.commit(heard)
    assert "is closed" in str(heard.answers[0])
    with pytest.raises(JournalError, match="closed"):
        journal.read(SELECT)
    assert rows_in(journal.path) == []


def test_the_next_journal_on_the_file_finds_what_the_one_before_has_left(tmp_path: Path) -> None:
    path = tmp_path / "notes.journal"
    for number in range(3):
        with Journal.open(path, SCHEMA) as journal:
            assert len(journal.read(SELECT)) == number
            journal.write(INSERT, (number, "x"))
            journal.commit()


def test_a_new_file_is_for_its_owner_alone(journal: Journal) -> None:
    journal.write(INSERT, (1, "one"))
    journal.commit()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in journal.path.parent.iterdir()}
    ahead = set() if journal._thread is None else {"notes.journal-ahead"}
    assert modes.keys() == {"notes.journal", "notes.journal-wal", "notes.journal-shm", "notes.journal.lock"} | ahead
    assert set(modes.values()) == {0o600}


def test_statistics_count_commits_and_their_time(journal: Journal) -> None:
    assert journal.statistics()["commit_p50_us"] == 0
    journal.write(INSERT, (1, "one"))
    assert journal.statistics()["pending"] == 1
    journal.commit()
    until(lambda: journal.stored == 1)
    figures = journal.statistics()
    assert figures["pending"] == figures["failures"] == figures["checkpoint_failures"] == 0
    assert figures["commit_p50_us"] > 0
    assert figures["wal_bytes"] > 0


def test_a_path_with_odd_characters_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a b?mode=ro#%20ü.journal"
    with Journal.open(os.fspath(path), SCHEMA) as journal:
        journal.write(INSERT, (1, "one"))
    assert rows_in(path) == [(1, "one")]
