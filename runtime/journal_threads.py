"""What is done for a journal beside the loop: storing in groups, waiting for the disk, checkpoints.

The thread ends when it is told to; should nobody do so, it ends with the main thread and does not keep the process.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import trio

from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.journal_ahead import Row, Statements
from dogwatch.runtime.journal_file import is_lost_for_good

GROUP_EVERY_S = 0.05
"""How often what lies ahead of the database is stored."""
LOOK_EVERY_S = 1.0
"""How often what could not be stored is tried again, and how soon it is noticed that the main thread has ended."""
CHECKPOINT_ROWS = 2_000

Then = Callable[[JournalError | None], None]


class _Group(NamedTuple):
    """What one commit has handed over, and whom to tell on which loop. `sequence`: its number in the file ahead."""

    rows: Statements
    sequence: int
    then: Then | None
    loop: trio.lowlevel.TrioToken | None


class GroupWriter:
    """Stores on a thread, as many groups at once as have come meanwhile: at once, or every `GROUP_EVERY_S`.

    `store` makes rows durable and empties the list, or leaves it and gives the reason; it is told the number of the
    last of them. `check` raises JournalError for what cannot be mended, which `break_off` then hears.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        store: Callable[[Statements, int], JournalError | None],
        check: Callable[[], None],
        break_off: Callable[[Exception], None],
        is_at_once: bool,
    ) -> None:
        self.checkpoint_failures = 0
        self._connection = connection
        self._store = store
        self._check = check
        self._break_off = break_off
        self._is_at_once = is_at_once
        self._queue: deque[_Group | tuple[str, Row]] = deque()
        self.put_row = self._queue.append
        """Have one row stored, with the next group or within `GROUP_EVERY_S`."""
        self._backlog: Statements = []
        self._sequence = 0
        self._unmoved = 0
        self._is_ending = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._write, name="journal", daemon=False)
        self._thread.start()

    def put(self, rows: Statements, sequence: int = 0, then: Then | None = None) -> None:
        """Have these rows stored after all that came before. `then` is called on the loop that runs here now."""
        loop = None if then is None else trio.lowlevel.current_trio_token()
        self._queue.append(_Group(rows, sequence, then, loop))
        if self._is_at_once:
            self._wake.set()

    def end(self, within_s: float) -> bool:
        """Store what there is, and end. False if the disk did not answer in time."""
        self._is_ending = True
        self._wake.set()
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _write(self) -> None:
        goes_on = True
        while goes_on:
            self._wake.wait(LOOK_EVERY_S if self._backlog else GROUP_EVERY_S)
            self._wake.clear()  # before looking, so that nothing which comes later is missed
            goes_on = not self._is_ending and threading.main_thread().is_alive()
            self._store_all()
        self._checkpoint()

    def _taken(self) -> list[_Group]:
        """What has come goes into the backlog, in its order. Returns the groups, whom somebody waits for."""
        groups: list[_Group] = []
        queue, backlog = self._queue, self._backlog
        known = len(backlog)
        while queue:
            item = queue.popleft()
            if isinstance(item, _Group):
                backlog += item.rows
                self._sequence = item.sequence
                groups.append(item)
            else:
                backlog.append(item)
        self._unmoved += len(backlog) - known
        return groups

    def _store_all(self) -> None:
        try:
            self._check()
        except JournalError as error:
            self._break_off(error)
        groups = self._taken()
        if groups or self._backlog:
            failure = self._store(self._backlog, self._sequence)
            for group in groups:
                _tell(group, failure)
        if self._unmoved >= CHECKPOINT_ROWS:
            self._checkpoint()

    def _checkpoint(self) -> None:
        self._unmoved = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:  # the rows are safe in the WAL; the next checkpoint moves them too
            self.checkpoint_failures += 1
            if is_lost_for_good(error):
                self._break_off(error)


def _tell(group: _Group, failure: JournalError | None) -> None:
    if group.then is not None and group.loop is not None:
        with suppress(trio.RunFinishedError):  # the loop has ended: nobody is left to be told
            group.loop.run_sync_soon(group.then, failure)
