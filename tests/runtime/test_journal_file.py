import errno
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dogwatch.runtime import journal_file
from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.journal import Journal, Schema
from tests.runtime.journals import INSERT, SCHEMA, SELECT, note, rows_in, until

SECOND = Schema(
    SCHEMA.application_id,
    (
        *SCHEMA.versions,
        "ALTER TABLE notes ADD COLUMN author TEXT DEFAULT 'nobody'; DELETE FROM notes WHERE number = 1;",
    ),
)
NOBODY = 65_534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.journal"


def filled(path: Path, count: int) -> Path:
    with Journal.open(path, SCHEMA) as journal:
        for number in range(count):
            journal.write(INSERT, note(number))
    return path


@contextmanager
def without_the_rights_of_root() -> Iterator[None]:
    is_root = os.geteuid() == 0
    try:
        if is_root:
            os.seteuid(NOBODY)
        yield
    finally:
        if is_root:
            os.seteuid(0)


def refusal(path: Path, schema: Schema = SCHEMA) -> JournalError:
    with pytest.raises(JournalError) as caught:
        Journal.open(path, schema)
    assert caught.value.message.startswith(f"{path}: ")  # which file
    assert caught.value.hint
    return caught.value


# Its place


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "notes.journal"
    assert f"the folder {path.parent} does not exist" in refusal(path).message


def test_a_folder_in_the_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir()
    assert "not a file" in refusal(path).message
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_nobody_may_write_to_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.journal"
    tmp_path.chmod(0o500)
    try:
        with without_the_rights_of_root():
            assert "Permission denied" in refusal(path).message
    finally:
        tmp_path.chmod(0o700)


def test_a_file_system_without_shared_memory_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_file, "quote", lambda text: f"{text}?vfs=unix-none&ignored=")
    error = refusal(path)
    assert "no shared memory" in error.message
    assert "local disk" in error.hint


def test_a_file_system_without_locks_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    assert "No locks available" in refusal(path).message


def test_a_symbolic_link_is_the_file_that_it_leads_to(tmp_path: Path) -> None:
    link = tmp_path / "link.journal"
    link.symlink_to(tmp_path / "notes.journal")
    with Journal.open(link, SCHEMA) as journal:
        assert journal.path == tmp_path / "notes.journal"
        assert "this process already" in refusal(tmp_path / "notes.journal").message


# What is in it


def test_another_programs_database_is_left_as_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.executescript("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1);")
    before = path.read_bytes()
    assert "another program's" in refusal(path).message
    assert path.read_bytes() == before


def test_a_journal_of_another_kind_is_refused(path: Path) -> None:
    filled(path, 1)
    assert "another program's" in refusal(path, Schema(7, SCHEMA.versions)).message


def test_a_text_file_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_text("[journal]\n" * 200)
    assert "not a journal" in refusal(path).message
    assert path.read_text() == "[journal]\n" * 200


def test_an_empty_file_becomes_a_journal(path: Path) -> None:
    path.touch()
    filled(path, 2)
    assert len(rows_in(path)) == 2


@pytest.mark.parametrize("damage", ["overwritten", "cut off"])
def test_a_damaged_file_is_refused_whole_and_kept(path: Path, damage: str) -> None:
    content = bytearray(filled(path, 500).read_bytes())
    if damage == "overwritten":
        content[len(content) // 2 : len(content) // 2 + 4_096] = b"\xa5" * 4_096
    else:
        del content[len(content) // 2 :]
    path.write_bytes(content)
    error = refusal(path)
    assert "damaged" in error.message
    assert "move it" in error.hint
    assert path.read_bytes() == content


def test_a_refused_file_is_not_locked_any_more(path: Path) -> None:
    filled(path, 1)
    refusal(path, Schema(7, SCHEMA.versions))
    filled(path, 0)


# Versions


def test_a_file_of_version_1_is_brought_to_version_2_with_its_rows(path: Path) -> None:
    filled(path, 3)
    with Journal.open(path, SECOND) as journal:
        assert journal.read("SELECT number, author FROM notes ORDER BY number") == [(0, "nobody"), (2, "nobody")]
        assert journal.read("PRAGMA user_version") == [(2,)]
    with Journal.open(path, SECOND) as journal:
        assert len(journal.read(SELECT)) == 2


def test_a_new_file_runs_through_all_versions(path: Path) -> None:
    with Journal.open(path, SECOND) as journal:
        assert journal.read("SELECT author FROM notes") == []


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    filled(path, 3)
    broken = Schema(SCHEMA.application_id, (*SCHEMA.versions, "DELETE FROM notes; SELECT * FROM nowhere;"))
    assert "on the way from version 1 to 2" in refusal(path, broken).message
    assert len(rows_in(path)) == 3


def test_a_newer_file_is_refused(path: Path) -> None:
    Journal.open(path, SECOND).close()
    error = refusal(path, SCHEMA)
    assert "of version 2" in error.message
    assert "none above 1" in error.message
    with pytest.raises(JournalError, match="of version 2"):
        Journal.read_only(path, SCHEMA)


# One writer


def test_a_second_journal_of_the_same_process_is_refused(path: Path) -> None:
    with Journal.open(path, SCHEMA) as journal:
        assert "this process already is using" in refusal(path).message
        journal.write(INSERT, (1, "one"))
        journal.commit()
        assert journal.failure is None
    filled(path, 0)


def test_another_process_is_refused_until_the_first_is_gone(path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        assert f"process {holder.pid} is using" in refusal(path).message
        holder.send_signal(signal.SIGKILL)
    assert holder.returncode == -signal.SIGKILL
    assert rows_in(path) == [(1, "one")]
    filled(path, 0)


HOLD = f"""
import sys
from dogwatch.runtime.journal import Journal, Schema

journal = Journal.open(sys.argv[1], {SCHEMA!r})
journal.write("{INSERT}", (1, "one"))
journal.commit()
print("open", flush=True)
sys.stdin.read()
"""


# Readers


@pytest.mark.parametrize("in_thread", [True, False])
def test_a_reader_sees_what_is_stored_and_never_holds_the_writer_up(path: Path, in_thread: bool) -> None:
    with Journal.open(path, SCHEMA, in_thread=in_thread) as journal, Journal.read_only(path, SCHEMA) as reader:
        for number in range(10):
            journal.write(INSERT, note(number))
            journal.commit()
            until(lambda stored=number + 1: journal.stored == stored)  # type: ignore[misc]
            assert reader.read("SELECT max(number) FROM notes") == [(number,)]
        assert journal.failure is None


def test_a_reader_cannot_write(path: Path) -> None:
    filled(path, 1)
    with Journal.read_only(path, SCHEMA) as reader, pytest.raises(JournalError, match="readonly"):
        reader.read("DELETE FROM notes")
    assert len(rows_in(path)) == 1


def test_a_reader_leaves_the_file_of_a_dead_process_as_it_is(path: Path) -> None:
    script = f"{HOLD}\nimport os; os.kill(os.getpid(), 9)"
    nothing = subprocess.DEVNULL
    ended = subprocess.run([sys.executable, "-c", script, path], check=False, stdin=nothing, stdout=nothing)
    assert ended.returncode == -signal.SIGKILL
    left = {name: path.with_name(name).read_bytes() for name in ("notes.journal", "notes.journal-wal")}
    assert rows_in(path) == [(1, "one")]
    assert {name: path.with_name(name).read_bytes() for name in left} == left


def test_a_reader_of_no_file_makes_none(path: Path) -> None:
    with pytest.raises(JournalError, match="no such journal"):
        Journal.read_only(path, SCHEMA)
    assert list(path.parent.iterdir()) == []


def test_a_reader_of_an_empty_file_says_that_nothing_is_in_it(path: Path) -> None:
    path.touch()
    with pytest.raises(JournalError, match="this journal is empty"):
        Journal.read_only(path, SCHEMA)


def test_a_text_that_is_none_is_damage_and_is_not_shown(path: Path) -> None:
    filled(path, 1)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE notes SET text = CAST(x'736563726574ff' AS TEXT)")
    with Journal.read_only(path, SCHEMA) as reader, pytest.raises(JournalError, match="damaged") as caught:
        reader.read(SELECT)
    assert "secret" not in str(caught.value)


def test_a_reader_refuses_an_older_file_and_says_how_it_is_migrated(path: Path) -> None:
    filled(path, 1)
    with pytest.raises(JournalError, match=re.escape("of version 1 and was never brought to 2")):
        Journal.read_only(path, SECOND)


def test_a_reader_says_that_a_file_is_damaged(path: Path) -> None:
    content = bytearray(filled(path, 500).read_bytes())
    content[16_384:] = b"\xa5" * (len(content) - 16_384)
    path.write_bytes(content)
    with Journal.read_only(path, SCHEMA) as reader, pytest.raises(JournalError, match="damaged"):
        reader.read(SELECT)


def test_a_copy_in_a_folder_that_cannot_be_written_to_is_read() -> None:
    with TemporaryDirectory() as name:  # pytest's own folders cannot be entered without the rights of root
        folder = Path(name)
        path = filled(folder / "notes.journal", 3)
        path.chmod(0o644)
        folder.chmod(0o555)
        try:
            with without_the_rights_of_root():
                assert len(rows_in(path)) == 3
        finally:
            folder.chmod(0o700)
        assert {left.name for left in folder.iterdir()} == {"notes.journal", "notes.journal.lock"}
