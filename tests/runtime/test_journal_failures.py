import errno
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from dogwatch.runtime import journal as journal_module
from dogwatch.runtime import journal_ahead
from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.journal import Durability, Journal
from dogwatch.runtime.journal_ahead import AREA_BYTES, AheadFile
from tests.runtime.journals import INSERT, SCHEMA, SELECT, Heard, busy_disk, journal_is_alive, note, rows_in, until


@pytest.fixture(params=[True, False], ids=["threads", "no threads"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "notes.journal", SCHEMA, in_thread=request.param, pending_max=50) as journal:
        yield journal


def committed(journal: Journal, *rows: Any) -> JournalError | None:
    """Write these rows, commit, and say what the commit called back with."""
    heard = Heard()
    for row in rows:
        journal.write(INSERT, row)
    journal.commit(heard)
    (answer,) = heard.answers
    return answer


def refused(journal: Journal, *rows: Any) -> JournalError:
    """Commit these rows, which cannot be stored, and say why: at once, or when the thread has tried."""
    answer = committed(journal, *rows)
    assert answer is None or answer is journal.failure
    until(lambda: journal.failure)
    assert journal.failure is not None
    return journal.failure


def mended(journal: Journal) -> None:
    """What waited is stored: by the next commit, or by the thread by itself."""
    committed(journal)
    until(lambda: journal.failure is None)
    assert journal.statistics()["pending"] == 0


@contextmanager
def full_disk(journal: Journal) -> Iterator[None]:
    """SQLite's own limit of pages: to it the disk is full. The rows of `note` need a new page each few rows."""
    writer = journal._file.writer
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages}")
    yield
    with suppress(sqlite3.ProgrammingError):  # it was closed
        writer.execute("PRAGMA max_page_count = 1073741823")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# What passes


def test_rows_wait_while_the_disk_is_full_and_are_stored_in_order_when_it_is_not(journal: Journal) -> None:
    with full_disk(journal):
        error = refused(journal, *map(note, range(10)))
        assert "the disk is full" in error.message
        assert error.hint
        assert committed(journal, note(10)) is journal.failure is not None
        assert journal.read(SELECT) == []
        assert journal.statistics()["pending"] == 11
        assert int(journal.statistics()["failures"]) >= 1
    committed(journal, note(11))
    mended(journal)
    assert journal.read(SELECT) == [note(number) for number in range(12)]


def test_a_commit_without_new_rows_tries_those_that_wait(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "notes.journal", SCHEMA, in_thread=False) as journal:
        with full_disk(journal):
            refused(journal, *map(note, range(10)))
            assert committed(journal) is journal.failure is not None
        assert committed(journal) is None
        assert len(journal.read(SELECT)) == 10


@pytest.mark.parametrize("durability", Durability)
def test_the_thread_tries_again_by_itself_what_waits(tmp_path: Path, durability: Durability) -> None:
    with Journal.open(tmp_path / "notes.journal", SCHEMA, durability=durability) as journal:
        with full_disk(journal):
            for number in range(10):
                journal.write(INSERT, note(number))
            journal.commit()
            until(lambda: journal.failure)
        until(lambda: journal.stored == 10)
        assert journal.failure is None


def test_a_file_that_may_not_grow_is_an_error_that_passes(journal: Journal) -> None:
    committed(journal, note(0))
    until(lambda: journal.stored == 1)
    with largest_file(int(journal.statistics()["wal_bytes"])):
        assert "SQLITE_IOERR_WRITE" in refused(journal, *map(note, range(1, 10))).message
    mended(journal)
    assert len(journal.read(SELECT)) == 10


def test_a_file_that_another_program_has_locked_is_an_error_that_passes(journal: Journal) -> None:
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for count in (1, 2):  # a row by itself, a transaction of several
            assert "another program holds it locked" in refused(journal, note(count)).message
        other.execute("ROLLBACK")
    mended(journal)
    assert len(journal.read(SELECT)) == 2


@pytest.mark.parametrize("before", [0, 1], ids=["alone", "behind another"])
@pytest.mark.parametrize("value", [None, Decimal(1), 2**64, "\ud800"], ids=["constraint", "type", "size", "surrogate"])
def test_a_row_that_cannot_be_stored_fails_the_journal_and_not_its_user(
    journal: Journal, before: int, value: Any
) -> None:
    assert "mistake in the program" in refused(journal, *map(note, range(before)), (9, value)).hint
    assert committed(journal, note(10)) is not None  # nothing overtakes it
    assert journal.read(SELECT) == []


def test_a_statement_that_is_wrong_is_named(journal: Journal) -> None:
    journal.write("INSERT INTO nowhere VALUES (?)", (1,))
    journal.commit()
    until(lambda: journal.failure)
    assert "no such table: nowhere" in str(journal.failure)


class Interrupting:
    """As `whole`, but Ctrl-C is pressed right after each call of it, or of its method `name`."""

    def __init__(self, whole: Any, name: str = "__call__") -> None:
        self.__dict__.update(_whole=whole, _name=name)

    def __getattr__(self, name: str) -> Any:
        return self if name == self._name else getattr(self._whole, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._whole, name, value)

    def __call__(self, *arguments: Any) -> Any:
        done = getattr(self._whole, self._name)(*arguments)
        signal.raise_signal(signal.SIGINT)
        return done


@pytest.mark.parametrize("in_thread", [True, False])
def test_an_interrupt_in_the_middle_of_a_commit_comes_after_it(tmp_path: Path, in_thread: bool) -> None:
    async def interrupted(journal: Journal) -> None:
        # What is compiled is not patched: something else stands in its place.
        if journal._ahead is None:
            journal._execute = Interrupting(journal._execute)
        else:
            journal._ahead = cast(AheadFile, Interrupting(journal._ahead, "append"))
        for number in range(3):
            journal.write(INSERT, note(number))
        journal.commit()
        assert journal.statistics()["commits"] == 1
        await trio.lowlevel.checkpoint()

    path = tmp_path / "notes.journal"
    with Journal.open(path, SCHEMA, in_thread=in_thread) as journal, pytest.raises(KeyboardInterrupt):
        trio.run(interrupted, journal)
    assert len(rows_in(path)) == 3


def test_what_could_not_be_stored_at_the_end_is_told(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "notes.journal", SCHEMA, in_thread=False) as journal, full_disk(journal):
        refused(journal, *map(note, range(10)))
        journal.close()
    assert "the disk is full" in str(journal.failure)
    assert rows_in(journal.path) == []


def test_what_was_committed_and_could_not_be_stored_at_the_end_is_there_the_next_time(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "notes.journal", SCHEMA) as journal, full_disk(journal):
        refused(journal, *map(note, range(10)))
        journal.close()
    assert "the disk is full" in str(journal.failure)
    assert len(rows_in(journal.path)) == 10
    with Journal.open(journal.path, SCHEMA) as journal:
        assert len(journal.read(SELECT)) == 10


def test_when_there_is_no_room_ahead_of_the_database_the_rows_wait_for_the_next_commit(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "notes.journal", SCHEMA) as journal:
        large = [(number, "x" * AREA_BYTES) for number in range(3)]
        with largest_file(AREA_BYTES):
            error = committed(journal, large[0])
            assert error is not None
            assert error is journal.failure
            assert error.message == f"{journal.path}-ahead: the disk is full"
            assert error.hint
            assert committed(journal, large[1]) is not None
            assert journal.statistics()["failures"] == 2
            assert journal._ahead is not None
            assert journal._ahead.path.stat().st_size == AREA_BYTES  # nothing is left of the attempt
        assert committed(journal, large[2]) is None
    assert rows_in(journal.path) == large


def test_a_journal_that_finds_no_room_at_its_opening_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "notes.journal"
    Journal.open(path, SCHEMA).close()
    with largest_file(AREA_BYTES // 2), pytest.raises(JournalError, match="the disk is full"):
        Journal.open(path, SCHEMA)
    Journal.open(path, SCHEMA).close()
    assert not journal_is_alive()


# What is final


def test_when_too_many_rows_wait_the_oldest_are_kept_and_nothing_is_recorded_past_the_gap(journal: Journal) -> None:
    with full_disk(journal):
        refused(journal, *map(note, range(40)))
        committed(journal, *map(note, range(40, 60)))
        error = journal.failure
        assert error is not None
        assert "50 rows wait to be written, and no more are kept" in error.message
        assert committed(journal) is error
    assert committed(journal) is error
    assert "restart" in error.hint
    assert committed(journal, note(70)) is error
    journal.close()
    assert journal.failure is error
    assert rows_in(journal.path) == [note(number) for number in range(50)]


def test_rows_that_nobody_commits_are_bounded_too(journal: Journal) -> None:
    for number in range(51):
        journal.write(INSERT, note(number))
    assert "commit more often" in str(journal.failure)


def test_the_reason_why_too_many_wait_is_told_with_it(journal: Journal) -> None:
    with full_disk(journal):
        refused(journal, *map(note, range(40)))
        committed(journal, *map(note, range(40, 60)))
    assert "first mend this" in str(journal.failure)
    assert "the disk is full" in str(journal.failure)


@pytest.mark.parametrize("what", ["moved", "deleted", "replaced"])
@pytest.mark.parametrize(
    ("durability", "ending"), [(Durability.HOST, ""), (Durability.PROCESS, ""), (Durability.PROCESS, "-ahead")]
)
def test_a_file_that_is_taken_away_while_it_is_used_is_noticed(
    tmp_path: Path, durability: Durability, ending: str, what: str
) -> None:
    with Journal.open(tmp_path / "notes.journal", SCHEMA, durability=durability) as journal:
        journal.write(INSERT, note(0))
        journal.commit()
        until(lambda: journal.stored)
        taken = tmp_path / f"notes.journal{ending}"
        if what != "deleted":
            taken.rename(tmp_path / "elsewhere")
        else:
            taken.unlink()
        if what == "replaced":
            taken.touch()
        until(lambda: journal.failure)
        assert "moved, deleted or replaced" in str(journal.failure)
        journal.write(INSERT, note(1))
        journal.commit()
    assert journal.statistics()["pending"] == 1


def test_what_the_database_does_not_take_is_given_to_the_disk_ahead_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(journal_ahead, "_sync", synced.append)
    with Journal.open(tmp_path / "notes.journal", SCHEMA) as journal:
        with full_disk(journal):
            assert not synced
            refused(journal, *map(note, range(10)))
            until(lambda: synced)
        mended(journal)


def test_when_the_disk_takes_it_nowhere_nothing_is_stored_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(journal_ahead, "_sync", sync)
    with Journal.open(tmp_path / "notes.journal", SCHEMA) as journal:
        with full_disk(journal):
            committed(journal, *map(note, range(10)))
            until(lambda: "did not keep" in str(journal.failure))
        assert "Input/output error" in str(journal.failure)
        assert committed(journal, note(11)) is journal.failure
        assert journal.read(SELECT) == []


@pytest.mark.parametrize("in_thread", [True, False])
def test_after_a_failed_sync_nothing_is_stored_any_more(tmp_path: Path, in_thread: bool) -> None:
    failed = sqlite3.OperationalError("disk I/O error")
    failed.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC

    def execute(_statement: str, _row: object = ()) -> sqlite3.Cursor:
        raise failed

    with Journal.open(tmp_path / "notes.journal", SCHEMA, in_thread=in_thread) as journal:
        sound = journal._execute
        journal._execute = execute
        assert "the disk did not keep what it had taken" in refused(journal, note(0)).message
        journal._execute = sound
        assert committed(journal) is journal.failure is not None
        assert journal.read(SELECT) == []


@pytest.mark.parametrize("durability", Durability)
def test_a_disk_that_does_not_answer_holds_closing_up_for_a_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: Durability
) -> None:
    monkeypatch.setattr(journal_module, "CLOSE_WITHIN_S", 0.05)
    journal = Journal.open(tmp_path / "notes.journal", SCHEMA, durability=durability)
    with busy_disk(journal):
        journal.write(INSERT, note(0))
        journal.commit()
        journal.close()
        assert "did not answer within 0.05 s" in str(journal.failure)
    until(lambda: not journal_is_alive())
    journal._file.close()


def test_damage_that_comes_while_it_is_open_is_told_by_who_reads(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "notes.journal", SCHEMA) as journal:
        committed(journal, *map(note, range(500)))
    with Journal.open(tmp_path / "notes.journal", SCHEMA) as journal:
        size = journal.path.stat().st_size
        with journal.path.open("r+b") as file:
            file.seek(8_192)
            file.write(b"\xa5" * (size - 8_192))
        with pytest.raises(JournalError, match="damaged"):
            journal.read(SELECT)


# Processes


def ended(script: str, path: Path) -> str:
    """What a process that runs this prints until it ends by itself."""
    done = subprocess.run(
        [sys.executable, "-c", f"{PRELUDE}{script}", path], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


PRELUDE = f"""
import os, sys
from dogwatch.runtime.journal import Durability, Journal, Schema

path = sys.argv[1]
schema = {SCHEMA!r}
insert = "{INSERT}"
"""


def test_a_forked_child_cannot_touch_the_journal_and_its_parent_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "notes.journal"
    printed = ended(
        """
journal = Journal.open(path, schema)
journal.write(insert, (1, "before"))
pid = os.fork()
if pid == 0:
    journal.write(insert, (2, "child"))
    journal.commit(lambda failure: print(failure.message, flush=True))
    journal.close()
    sys.exit(0)
os.waitpid(pid, 0)
journal.write(insert, (3, "parent"))
journal.commit(lambda failure: print(failure, flush=True))
journal.close()
print(journal.failure)
""",
        path,
    )
    assert printed.splitlines() == [
        f"{path}: this process was forked from the one that writes the journal",
        "None",
        "None",
    ]
    assert rows_in(path) == [(1, "before"), (3, "parent")]


def test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent(tmp_path: Path) -> None:
    path = tmp_path / "notes.journal"
    script = """
journal = Journal.open(path, schema)
told, tell = os.pipe()
if os.fork() == 0:
    os.write(tell, b"x")
    sys.stdout.close()
    os.close(1), os.close(2)
    import time
    time.sleep(30)
    os._exit(0)
os.read(told, 1)
print(os.getpid(), flush=True)
os.kill(os.getpid(), 9)
"""
    process = subprocess.Popen([sys.executable, "-c", PRELUDE + script, path], start_new_session=True)
    try:
        process.wait(60)
        Journal.open(path, SCHEMA).close()
    finally:
        os.killpg(process.pid, 9)


@pytest.mark.parametrize("durability", Durability)
def test_a_process_that_forgets_to_close_ends_all_the_same(tmp_path: Path, durability: Durability) -> None:
    path = tmp_path / "notes.journal"
    ended(
        f"""
journal = Journal.open(path, schema, durability={str(durability)!r})
journal.write(insert, (1, "one"))
journal.commit()
""",
        path,
    )
    assert rows_in(path) == [(1, "one")]
