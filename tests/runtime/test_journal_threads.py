import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import trio

from dogwatch.runtime import journal_file
from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.journal import Durability, Journal
from dogwatch.runtime.journal_threads import CHECKPOINT_ROWS, GROUP_EVERY_S
from tests.runtime.journals import INSERT, SCHEMA, SELECT, busy_disk, journal_is_alive, note, rows_in, until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.journal"


@pytest.fixture
def host_journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path, SCHEMA, durability=Durability.HOST) as journal:
        yield journal


class Waiting:
    """Somebody who waits for as many calls as there were commits."""

    def __init__(self, count: int) -> None:
        self.called: list[tuple[int, JournalError | None]] = []
        self._count = count
        self._all = trio.Event()
        self._thread = threading.current_thread()

    def then(self, number: int, failure: JournalError | None) -> None:
        assert threading.current_thread() is self._thread
        assert trio.lowlevel.in_trio_run()
        self.called.append((number, failure))
        if len(self.called) == self._count:
            self._all.set()

    async def all(self) -> list[tuple[int, JournalError | None]]:
        with trio.fail_after(20):
            await self._all.wait()
        return self.called


# Rows that nobody waits for


@pytest.mark.parametrize("durability", Durability)
def test_what_is_written_behind_is_stored_without_a_commit(path: Path, durability: Durability) -> None:
    with Journal.open(path, SCHEMA, durability=durability) as journal:
        for number in range(3):
            journal.write_behind(INSERT, note(number))
        until(lambda: journal.stored == journal.written == 3)
        assert journal.read(SELECT) == [note(number) for number in range(3)]


@pytest.mark.parametrize("durability", Durability)
def test_what_is_written_behind_a_row_that_waits_for_a_commit_waits_too(path: Path, durability: Durability) -> None:
    with Journal.open(path, SCHEMA, durability=durability) as journal:
        journal.write(INSERT, note(1))
        journal.write_behind("UPDATE notes SET number = number + 1", ())
        journal.write_behind(INSERT, note(1))
        time.sleep(3 * GROUP_EVERY_S)
        assert journal.stored == 0
        if durability is Durability.PROCESS:
            journal.commit()
            until(lambda: journal.stored == 3)
    assert rows_in(path) == [(1, note(1)[1]), (2, note(1)[1])]


def test_without_a_thread_it_is_stored_with_the_next_commit(path: Path) -> None:
    with Journal.open(path, SCHEMA, in_thread=False) as journal:
        journal.write_behind(INSERT, note(1))
        assert journal.stored == 0
        journal.commit()
        assert journal.stored == 1


# Group commits


async def test_a_commit_that_survives_a_power_loss_calls_back_later_on_the_loop_in_order(host_journal: Journal) -> None:
    waiting = Waiting(20)
    for number in range(20):
        host_journal.write(INSERT, note(number))
        host_journal.commit(partial(waiting.then, number))
        assert not waiting.called  # never before commit returns
    assert await waiting.all() == [(number, None) for number in range(20)]
    assert host_journal.read(SELECT) == [note(number) for number in range(20)]


async def test_commits_that_come_while_the_disk_is_busy_share_one_transaction(host_journal: Journal) -> None:
    waiting = Waiting(100)
    with busy_disk(host_journal):
        for number in range(100):
            host_journal.write(INSERT, note(number))
            host_journal.commit(partial(waiting.then, number))
    await waiting.all()
    assert host_journal.statistics()["rows"] == 100
    assert host_journal.statistics()["commits"] <= 3  # the first by itself, perhaps; the others together


async def test_a_commit_of_nothing_calls_back_after_those_before_it(host_journal: Journal) -> None:
    waiting = Waiting(2)
    host_journal.write(INSERT, note(0))
    host_journal.commit(partial(waiting.then, 0))
    host_journal.commit(partial(waiting.then, 1))
    assert await waiting.all() == [(0, None), (1, None)]


async def test_what_is_written_after_a_commit_is_not_in_it(host_journal: Journal) -> None:
    waiting = Waiting(1)
    with busy_disk(host_journal):
        host_journal.write(INSERT, note(0))
        host_journal.commit(partial(waiting.then, 0))
        host_journal.write(INSERT, note(1))
    await waiting.all()
    assert host_journal.read(SELECT) == [note(0)]


async def test_rows_that_could_not_be_written_go_with_the_next_group_in_order(host_journal: Journal) -> None:
    with closing(sqlite3.connect(host_journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = Waiting(1)
        host_journal.write(INSERT, note(0))
        host_journal.commit(partial(refused.then, 0))
        ((_, failure),) = await refused.all()
        assert "another program holds it locked" in str(failure)
        other.execute("ROLLBACK")
    taken = Waiting(1)
    host_journal.write(INSERT, note(1))
    host_journal.commit(partial(taken.then, 1))
    assert await taken.all() == [(1, None)]
    assert host_journal.failure is None
    assert host_journal.read(SELECT) == [note(0), note(1)]
    assert host_journal.statistics()["pending"] == 0


async def test_a_closed_journal_calls_back_with_the_reason(host_journal: Journal) -> None:
    host_journal.close()
    heard: list[JournalError | None] = []
    host_journal.commit(heard.append)
    assert "is closed" in str(heard[0])


async def test_closing_in_the_middle_commits_all_and_still_calls_back(host_journal: Journal) -> None:
    waiting = Waiting(50)
    for number in range(50):
        host_journal.write(INSERT, note(number))
        host_journal.commit(partial(waiting.then, number))
    host_journal.write(INSERT, note(50))
    host_journal.close()
    assert not journal_is_alive()
    assert len(await waiting.all()) == 50
    assert len(rows_in(host_journal.path)) == 51


def test_a_loop_that_ended_before_its_commit_is_called_back_by_nobody(host_journal: Journal) -> None:
    called: list[JournalError | None] = []

    async def leave() -> None:
        host_journal.write(INSERT, note(0))
        host_journal.commit(called.append)

    with busy_disk(host_journal):
        trio.run(leave)
    until(lambda: host_journal.statistics()["commits"])
    host_journal.write(INSERT, note(1))
    host_journal.close()
    assert host_journal.failure is None
    assert not called
    assert len(rows_in(host_journal.path)) == 2


def test_each_commit_calls_back_on_the_loop_that_it_was_made_on(host_journal: Journal) -> None:
    async def commit(number: int) -> None:
        waiting = Waiting(1)
        host_journal.write(INSERT, note(number))
        host_journal.commit(partial(waiting.then, number))
        assert await waiting.all() == [(number, None)]

    trio.run(commit, 1)
    trio.run(commit, 2)


def test_outside_of_a_loop_a_commit_may_ask_for_no_call(host_journal: Journal) -> None:
    host_journal.write(INSERT, note(0))
    with pytest.raises(RuntimeError):
        host_journal.commit(lambda _failure: None)
    host_journal.commit()
    until(lambda: host_journal.statistics()["commits"])
    assert host_journal.read(SELECT) == [note(0)]


@pytest.mark.parametrize("in_thread", [True, False])
@pytest.mark.parametrize("durability", Durability)
def test_a_loop_waits_for_the_disk_at_host_only_and_a_thread_always(
    path: Path, durability: Durability, in_thread: bool
) -> None:
    with Journal.open(path, SCHEMA, durability=durability, in_thread=in_thread) as journal:
        level = 2 if in_thread or durability is Durability.HOST else 1
        assert journal._file.writer.execute("PRAGMA synchronous").fetchall() == [(level,)]


def test_a_host_journal_without_threads_commits_at_the_call(path: Path) -> None:
    heard: list[JournalError | None] = []
    with Journal.open(path, SCHEMA, durability=Durability.HOST, in_thread=False) as journal:
        assert not journal_is_alive()
        journal.write(INSERT, note(0))
        journal.commit(heard.append)
        assert heard == [None]
        assert journal.read(SELECT) == [note(0)]


# Checkpoints


def write_round(journal: Journal, number: int) -> None:
    for row in range(number * CHECKPOINT_ROWS, (number + 1) * CHECKPOINT_ROWS):
        journal.write(INSERT, note(row))
        if row % 50 == 0:
            journal.commit()
    journal.commit()


def file_bytes(journal: Journal) -> int:
    return journal.path.stat().st_size


@pytest.mark.parametrize("durability", Durability)
def test_the_wal_is_moved_into_the_database_and_begun_anew(path: Path, durability: Durability) -> None:
    with Journal.open(path, SCHEMA, durability=durability) as journal:
        write_round(journal, 0)
        until(lambda: journal.statistics()["rows"] == CHECKPOINT_ROWS)
        one_round = journal.statistics()["wal_bytes"]
        for number in range(1, 12):
            write_round(journal, number)
            until(lambda rows=number * CHECKPOINT_ROWS: file_bytes(journal) > rows * 400)  # type: ignore[misc]
        assert journal.statistics()["wal_bytes"] < 4 * one_round
        assert journal.statistics()["checkpoint_failures"] == 0
        assert journal.failure is None


def test_without_threads_the_wal_is_bounded_too(path: Path) -> None:
    with Journal.open(path, SCHEMA, in_thread=False) as journal:
        for number in range(5):
            write_round(journal, number)
        assert journal.statistics()["wal_bytes"] < 2 * CHECKPOINT_ROWS * journal_file.PAGE_BYTES


def test_a_long_reader_lets_the_wal_grow_until_he_ends_and_holds_nothing_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "WAL_BYTES_KEPT", 1_000_000)
    with Journal.open(path, SCHEMA) as journal:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT count(*) FROM notes").fetchall()
            for number in range(3):
                write_round(journal, number)
            until(lambda: journal.stored == 3 * CHECKPOINT_ROWS)
            assert journal.failure is None
            assert journal.statistics()["wal_bytes"] > 3 * CHECKPOINT_ROWS * 400
            assert other.execute("SELECT count(*) FROM notes").fetchall() == [(0,)]
            other.execute("COMMIT")
        write_round(journal, 3)  # moves the frames
        until(lambda: file_bytes(journal) > 3 * CHECKPOINT_ROWS * 400)
        journal.write(INSERT, note(4 * CHECKPOINT_ROWS))  # begins the WAL anew
        journal.commit()
        until(lambda: journal.stored == journal.written)
        assert journal.statistics()["wal_bytes"] <= 1_000_000
        assert journal.read("SELECT count(*) FROM notes") == [(4 * CHECKPOINT_ROWS + 1,)]
        assert journal.statistics()["checkpoint_failures"] == 0


@pytest.mark.parametrize("durability", Durability)
def test_a_checkpoint_that_fails_is_counted_and_tried_again(path: Path, durability: Durability) -> None:
    with Journal.open(path, SCHEMA, durability=durability) as journal:
        writer = journal._thread
        assert writer is not None
        connection, writer._connection = writer._connection, FailingConnection()  # type: ignore[assignment]
        write_round(journal, 0)
        until(lambda: journal.statistics()["checkpoint_failures"])
        assert journal.failure is None
        writer._connection = connection
        write_round(journal, 1)
        until(lambda: file_bytes(journal) > 2 * CHECKPOINT_ROWS * 400)
        assert journal.failure is None


class FailingConnection:
    def execute(self, _statement: str) -> None:
        raise sqlite3.OperationalError("database is locked")


def test_closing_leaves_no_thread(path: Path) -> None:
    journal = Journal.open(path, SCHEMA)
    assert journal_is_alive()
    journal.close()
    assert not journal_is_alive()
