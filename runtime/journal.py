"""A durable record in one SQLite file: rows are written without waiting and committed in groups.

Knows nothing of what is recorded: statements and tables are its user's. How the file is found, locked, checked and
migrated lives in `journal_file.py`; how a commit gets by without SQLite in `journal_ahead.py`; what is done beside the
loop in `journal_threads.py`.
"""

import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from sqlite3 import Connection
from sqlite3 import Error as SQLiteError
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

import trio

from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.journal_ahead import AheadFile, Row, Statements
from dogwatch.runtime.journal_bulk import execute_all
from dogwatch.runtime.journal_file import (
    JournalFile,
    Place,
    Schema,
    explain,
    is_lost_for_good,
    open_for_reading,
    sync_failed,
    wal_of,
)
from dogwatch.runtime.journal_threads import GroupWriter, Then

__all__ = ["Durability", "Journal", "JournalReader", "Schema"]

CLOSE_WITHIN_S = 5.0
"""What `close` gives a disk that does not answer."""

CHECKPOINT_PAGES = 2_000
DURATIONS_KEPT = 1_024

PENDING_MAX = 100_000
"""How many rows wait at most: some 50 MB."""


class Durability(StrEnum):
    """What a committed row survives.

    `PROCESS`: the end of the process, `kill -9` too; a power loss costs the last tenth of a second. `HOST`: a power
    loss; a commit then waits for the disk.
    """

    PROCESS = "process"
    HOST = "host"


class Journal:
    """The one writer of a journal file. All methods belong to one thread, the one that the Trio loop runs in.

    At PROCESS a commit is a record in a file ahead of the database, which a thread stores in the database a moment
    later. At HOST the thread stores it at once. Without a thread it is stored at the call.

    `failure` says why rows wait that were to be committed or stored, or is None. They are kept, in order, and tried
    again at every later commit or after a second; it is final when more than `pending_max` wait, when the disk lost
    what it had taken, or when the file was moved away. Nothing is ever recorded past a gap.
    """

    def __init__(self, file: JournalFile, durability: Durability, *, in_thread: bool, pending_max: int) -> None:
        self.path = file.path
        self.durability = durability
        self._file = file
        self._cursor = file.writer.cursor()
        self._execute = self._cursor.execute
        self._pending_max = pending_max
        self._rows: Statements = []
        self._refused: JournalError | None = None  # why the newest commit found no room ahead of the database
        self._trouble: JournalError | None = None  # why the newest rows could not be stored in it
        self._gap: JournalError | None = None  # why rows were dropped; none may follow
        self._broken: JournalError | None = None  # why nothing is stored any more
        self._closed: JournalError | None = None
        self._written = self._stored = self._commits = self._refusals = self._failures = 0
        self._took_ns: deque[int] = deque(maxlen=DURATIONS_KEPT)
        is_ahead = in_thread and durability is Durability.PROCESS
        self._ahead: AheadFile | None = file.begin_ahead() if is_ahead else None
        self._places = [Place(file.path)] + ([] if self._ahead is None else [Place(self._ahead.path)])
        self._thread: GroupWriter | None = None
        self._hand_over: Callable[[tuple[str, Row]], None] | None = None
        if in_thread:
            self._thread = GroupWriter(
                file.writer,
                store=self._store,
                check=self._check_places,
                break_off=self._break,
                is_at_once=not is_ahead,
            )
            self._hand_over = self._thread.put_row
        else:
            file.writer.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        _open_here.add(self)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        schema: Schema,
        *,
        durability: Durability = Durability.PROCESS,
        in_thread: bool = True,
        pending_max: int = PENDING_MAX,
    ) -> Self:
        """Open the file for this process alone, or make it (mode 0600); its folder must exist.

        The file is checked whole (about a second for 300 MB), gets what a killed process had committed ahead of it, and
        is brought to the schema's newest version. With `in_thread=False` there is no thread and everything happens at
        the call: threads break virtual time.

        Raises JournalError: no journal of this kind, damaged, newer than the schema, in use by another process, not
        writable, or on a file system that cannot hold it.
        """
        synchronous = "FULL" if in_thread or durability is Durability.HOST else "NORMAL"
        file = JournalFile.open(Path(path), schema, synchronous=synchronous)
        try:
            return cls(file, durability, in_thread=in_thread, pending_max=pending_max)
        except (SQLiteError, OSError) as error:
            file.close()
            raise explain(file.path, error) from error

    @staticmethod
    def read_only(path: str | os.PathLike[str], schema: Schema) -> "JournalReader":
        """Read a file that another process may be writing, or that a dead one has left. Changes and blocks nothing.

        Of a process that runs, the commits of the last moment may not be seen. What a dead one had committed is all
        there; if its end came before it was stored, this reads a copy, which takes a moment to make.

        Raises JournalError as `open` does, but for the lock, and not for all damage: the file is not checked whole. A
        file of an older version is refused, not migrated.
        """
        path = Path(path)
        return JournalReader(path, open_for_reading(path, schema))

    @property
    def failure(self) -> JournalError | None:
        """Why what is pending could not be committed, or None. Never an exception to be raised by itself."""
        return self._broken or self._gap or self._refused or self._trouble

    @property
    def written(self) -> int:
        """How many rows were written since the opening."""
        return self._written

    @property
    def stored(self) -> int:
        """How many of them the database has: what `read` sees."""
        return self._stored

    def write(self, statement: str, row: Row) -> None:
        """Add a row to those that the next commit makes durable. Never touches the disk, never raises.

        `statement` is one INSERT, UPDATE or DELETE with a `?` for each value of `row`. It is executed at the commit.
        """
        if self._written - self._stored >= self._pending_max:
            self._overflow()
            return
        self._written += 1
        self._rows.append((statement, row))

    def write_behind(self, statement: str, row: Row) -> None:
        """Add a row that nobody waits for: as `write`, but the thread stores it within a moment, without a commit.

        All rows are stored in the order in which they were written: behind one that waits for a commit this one waits
        too. But a commit that comes later may be durable first, and a kill at that moment costs this row alone. Without
        a thread it is stored by the next commit.
        """
        if self._written - self._stored >= self._pending_max:
            self._overflow()
            return
        self._written += 1
        if self._rows or self._hand_over is None:
            self._rows.append((statement, row))
        else:
            self._hand_over((statement, row))

    @trio.lowlevel.enable_ki_protection
    def commit(self, then: Then | None = None) -> None:
        """Make everything written so far durable, all or nothing, and call `then` with None, or with what went wrong.

        At HOST, with a thread, `then` is called on the Trio loop that runs now, after the disk has it, in the order of
        the commits; otherwise before this returns. `then` must not raise. If the loop has ended nobody is called; if
        none runs, RuntimeError.
        """
        if self._thread is None or self._closed is not None:
            failure = self._store(self._rows)
        elif self._ahead is not None:
            failure = self._commit_ahead(self._ahead, self._thread)
        else:
            self._thread.put(self._rows, then=then)
            self._rows = []
            return
        if then is not None:
            then(failure)

    def read(self, statement: str, params: Row = ()) -> list[tuple[Any, ...]]:
        """All rows that a SELECT gives of what is stored. Raises JournalError.

        With a thread that is a moment behind what was committed.
        """
        if self._closed is not None:
            raise self._closed
        return _read(self._file.reader, self.path, statement, params)

    def statistics(self) -> dict[str, int | float]:
        """Counts since the opening; `pending` rows are not stored, `commit_p50_us` is of the newest commits or 0."""
        took_ns = sorted(self._took_ns.copy())
        return {
            "pending": self._written - self._stored,
            "rows": self._stored,
            "commits": self._commits,
            "failures": self._refusals + self._failures,
            "checkpoint_failures": self._thread.checkpoint_failures if self._thread else 0,
            "commit_p50_us": took_ns[len(took_ns) // 2] / 1000 if took_ns else 0.0,
            "wal_bytes": _size(wal_of(self.path)),
        }

    @trio.lowlevel.enable_ki_protection
    def close(self) -> None:
        """Commit what is pending, end the threads, release the file. Bounded in time, needs no loop, never raises.

        What could not be written is in `failure` afterwards. Closing twice does nothing.
        """
        if self._closed is not None:
            return
        self.commit()
        _open_here.discard(self)
        if self._thread is None or self._thread.end(CLOSE_WITHIN_S):
            self._close_ahead()
            self._file.close()
        else:  # the thread still uses the file
            words = f"{self.path}: the disk did not answer within {CLOSE_WITHIN_S:g} s"
            self._broken = JournalError(words, hint="look at its health")
        self._closed = JournalError(f"{self.path}: this journal is closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _commit_ahead(self, ahead: AheadFile, thread: GroupWriter) -> JournalError | None:
        """Commit what was written in the file ahead of the database, and have it stored; or keep it, and say why."""
        rows = self._rows
        if rows and self._broken is None:
            began_ns = time.perf_counter_ns()
            try:
                sequence = ahead.append(rows)
            except Exception as error:  # noqa: BLE001  # a row that cannot be recorded fails the journal, not the loop
                self._refusals += 1
                self._refused = explain(ahead.path, error)
                return self.failure
            self._rows = []
            thread.put(rows, sequence)
            self._took_ns.append(time.perf_counter_ns() - began_ns)
            self._commits += 1
            self._refused = None
        return self.failure

    def _store(self, rows: Statements, sequence: int = 0) -> JournalError | None:
        """Store these rows and empty the list; or change nothing and say why. On the thread, if there is one.

        `sequence`: the last record of the file ahead of the database that they are from.
        """
        refusal = self._broken or self._closed
        if refusal is not None or not rows:
            return refusal or self.failure
        began_ns = time.perf_counter_ns()
        try:
            self._execute_all(rows, sequence)
        except Exception as error:  # noqa: BLE001  # a row that SQLite cannot hold fails the journal, not the loop
            self._roll_back()
            self._failures += 1
            self._trouble = explain(self.path, error)
            if is_lost_for_good(error):
                self._break(error)
            self._sync_ahead()
            return self.failure
        self._stored += len(rows)
        rows.clear()
        self._trouble = None
        if self._ahead is not None:
            self._ahead.stored = sequence
        else:
            self._took_ns.append(time.perf_counter_ns() - began_ns)
            self._commits += 1
        return self._gap

    def _execute_all(self, rows: Statements, sequence: int) -> None:
        execute = self._execute
        if len(rows) == 1 and not sequence:  # a transaction by itself: 2 us less
            execute(*rows[0])
            return
        execute("BEGIN")
        execute_all(self._cursor, rows)
        if sequence:
            execute("UPDATE _ahead SET stored = ?", (sequence,))
        execute("COMMIT")

    def _sync_ahead(self) -> None:
        """The database takes nothing, so a power loss would cost all that waits for it, and not the last moment."""
        if self._ahead is not None:
            try:
                self._ahead.sync()
            except OSError as error:
                self._break(sync_failed(self._ahead.path, str(error)))

    def _close_ahead(self) -> None:
        ahead = self._ahead
        if ahead is not None:
            ahead.close()
            if ahead.stored == ahead.sequence:
                with suppress(OSError):  # the next opening sees that there is nothing in it
                    ahead.path.unlink()

    def _check_places(self) -> None:
        for place in self._places:
            place.check()

    def _roll_back(self) -> None:
        with suppress(SQLiteError):  # after a full disk SQLite has done so itself, and what failed is reported anyway
            if self._file.writer.in_transaction:
                self._execute("ROLLBACK")

    def _break(self, error: Exception) -> None:
        """Store nothing any more, on whichever thread this was found."""
        self._broken = self._broken or explain(self.path, error)

    def _overflow(self) -> None:
        """From here on rows are dropped: a record with a hole would say what never was. What waits is still tried."""
        self._pending_max = 0
        if self._gap is None:
            words = f"{self.path}: {self._written - self._stored:,} rows wait to be written, and no more are kept"
            reason = f"first mend this: {self._trouble}" if self._trouble else "commit more often"
            self._gap = JournalError(words, hint=f"restart; {reason}")

    def _disown(self) -> None:
        """This process is a copy that another has forked; the file is the other's. Nothing here may touch it again."""
        self._broken = JournalError(
            f"{self.path}: this process was forked from the one that writes the journal",
            hint="open journals after forking, or start processes by 'spawn'",
        )
        self._closed = self._broken
        self._thread = self._ahead = self._hand_over = None
        self._file.lock.release()  # of this copy: the original still holds it


class JournalReader:
    """Reads a journal and never writes. To be used by one thread."""

    def __init__(self, path: Path, connection: Connection) -> None:
        self.path = path
        self._connection = connection

    def read(self, statement: str, params: Row = ()) -> list[tuple[Any, ...]]:
        """All rows that a SELECT gives of what is committed at this moment. Raises JournalError."""
        return _read(self._connection, self.path, statement, params)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read(connection: Connection, path: Path, statement: str, params: Row) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(statement, params).fetchall()
    except SQLiteError as error:
        raise explain(path, error) from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


_open_here: WeakSet[Journal] = WeakSet()


def _disown_all() -> None:
    for journal in _open_here:
        journal._disown()  # noqa: SLF001
    _open_here.clear()


os.register_at_fork(after_in_child=_disown_all)
