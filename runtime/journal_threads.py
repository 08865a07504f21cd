"""What is done for a journal beside the order path: syncing and checkpoints at PROCESS, group commits at HOST.

A thread ends when it is told to; should nobody do so, it ends with the main thread and does not keep the process.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import NamedTuple

import trio

from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.journal_file import JournalFile, Row, begin_wal, connect, is_lost_for_good, sync_failed, wal_of

SYNC_EVERY_S = 0.05
CHECKPOINT_ROWS = 2_000
LOOK_EVERY_S = 1.0

Statements = list[tuple[str, Row]]
Then = Callable[[JournalError | None], None]

_sync = getattr(os, "fdatasync", os.fsync)


class Keeper:
    """Syncs the WAL and moves it into the database, on a connection of its own: a commit never waits for the disk.

    `turn` is held by whoever writes the file; `stored` counts rows committed; `break_off` hears what cannot be mended.
    """

    def __init__(
        self,
        file: JournalFile,
        turn: threading.Lock,
        stored: Callable[[], int],
        break_off: Callable[[Exception], None],
    ) -> None:
        self.checkpoint_failures = 0
        self._file = file
        self._turn = turn
        self._stored = stored
        self._break_off = break_off
        self._connection = connect(file.path)
        self._connection.execute("PRAGMA busy_timeout = 0")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._wal = os.open(wal_of(file.path), os.O_RDONLY | os.O_CLOEXEC)
        self._told_to_end = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="journal", daemon=False)
        self._thread.start()

    def end(self, within_s: float) -> bool:
        """Sync and checkpoint what there is, and end. False if the disk did not answer in time."""
        self._told_to_end.set()
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _keep(self) -> None:
        synced = moved = self._stored()
        try:
            while self._goes_on():
                stored = self._stored()
                if stored != synced:
                    self._sync()
                    synced = stored
                if stored - moved >= CHECKPOINT_ROWS:
                    self._checkpoint()
                    moved = stored
                self._file.check_place()
            self._sync()
            with self._counting_failures():
                self._move_frames()  # or closing would, on the loop
        except (sqlite3.Error, JournalError) as error:
            self._break_off(error)
        finally:
            self._connection.close()
            os.close(self._wal)

    def _goes_on(self) -> bool:
        return not self._told_to_end.wait(SYNC_EVERY_S) and threading.main_thread().is_alive()

    def _sync(self) -> None:
        try:
            _sync(self._wal)
        except OSError as error:
            raise sync_failed(self._file.path, str(error)) from error

    def _checkpoint(self) -> None:
        """Most of it while commits go on; the rest, and the first frame of the new WAL, between two of them.

        Somebody who reads for long holds frames back: the WAL grows until he ends.
        """
        with self._counting_failures():
            self._move_frames()
            with self._turn:
                if self._move_frames():
                    begin_wal(self._connection)

    def _move_frames(self) -> bool:
        _, frames, moved = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return bool(frames == moved)

    @contextmanager
    def _counting_failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:  # the rows are safe in the WAL, and will be moved another time
            self.checkpoint_failures += 1
            if is_lost_for_good(error):
                raise


class _Group(NamedTuple):
    """What one commit has handed over, and whom to tell on which loop."""

    rows: Statements
    then: Then | None
    loop: trio.lowlevel.TrioToken | None
    began_ns: int


class GroupWriter:
    """Commits on a thread, as many groups at once as have come while the disk was busy with those before.

    `store` makes rows durable and empties the list, or leaves it and gives the reason.
    """

    def __init__(
        self,
        file: JournalFile,
        store: Callable[[Statements], JournalError | None],
        break_off: Callable[[Exception], None],
    ) -> None:
        self.checkpoint_failures = 0
        self._file = file
        self._store = store
        self._break_off = break_off
        self._groups: SimpleQueue[_Group | None] = SimpleQueue()
        self._backlog: Statements = []
        self._unmoved = 0
        self._thread = threading.Thread(target=self._write, name="journal", daemon=False)
        self._thread.start()

    def put(self, rows: Statements, then: Then | None) -> None:
        """Have these rows committed after all that came before. `then` is called on the loop that runs here now."""
        loop = None if then is None else trio.lowlevel.current_trio_token()
        self._groups.put(_Group(rows, then, loop, time.perf_counter_ns()))

    def end(self, within_s: float) -> bool:
        """Commit what there is, and end. False if the disk did not answer in time."""
        self._groups.put(None)
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _write(self) -> None:
        goes_on = True
        while goes_on:
            try:
                groups = [self._groups.get(timeout=LOOK_EVERY_S)]
            except Empty:
                goes_on = threading.main_thread().is_alive()
                groups = []
            while not self._groups.empty():
                groups.append(self._groups.get_nowait())
            goes_on = goes_on and None not in groups
            self._commit([group for group in groups if group is not None])
        self._checkpoint()

    def _commit(self, groups: list[_Group]) -> None:
        try:
            self._file.check_place()
        except JournalError as error:
            self._break_off(error)
        for group in groups:
            self._backlog += group.rows
        if groups:
            self._unmoved += len(self._backlog)
            failure = self._store(self._backlog)
            for group in groups:
                _tell(group, failure)
        if self._unmoved >= CHECKPOINT_ROWS:
            self._checkpoint()

    def _checkpoint(self) -> None:
        self._unmoved = 0
        try:
            self._file.writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:  # the rows are safe in the WAL; the next checkpoint moves them too
            self.checkpoint_failures += 1
            if is_lost_for_good(error):
                self._break_off(error)


def _tell(group: _Group, failure: JournalError | None) -> None:
    if group.then is not None and group.loop is not None:
        with suppress(trio.RunFinishedError):  # the loop has ended: nobody is left to be told
            group.loop.run_sync_soon(group.then, failure)
