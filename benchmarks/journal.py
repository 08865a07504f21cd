"""What the journal costs: from writing a row of 400 bytes to its commit, at both levels, beside an append to a file.

Microseconds, medians over rounds that take turns, in brackets the ratio to the append. At `process` a commit ends when
the row is in the system's hands; at `host` when the disk has it and the loop was told. `in threes`: for each row, when
three share a commit, as an order, its fill and its mark do.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
from measuring import Column, Stopwatch, arguments, percentile, run, table

from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.journal import Durability, Journal, Schema

SCHEMA = Schema(1, ("CREATE TABLE changes (number INTEGER PRIMARY KEY, at_ms INTEGER, name TEXT, change BLOB);",))
INSERT = "INSERT INTO changes (at_ms, name, change) VALUES (?, ?, ?)"
ROW = (1_767_225_600_000, "dw0000000000000001", b"x" * 400)
BASE = "append to a file"

Commit = Callable[[int], Awaitable[None]]


class Columns:
    """The figures of one way to commit."""

    def __init__(self) -> None:
        self.alone = Column("one row p50, us")
        self.tail = Column("p99, us")
        self.in_threes = Column("in threes p50, us")

    async def measure(self, name: str, commit: Commit, count: int) -> None:
        alone = [await timed(commit, 1) for _ in range(count)]
        self.alone.add(name, percentile(alone, 0.5))
        self.tail.add(name, percentile(alone, 0.99))
        self.in_threes.add(name, percentile([await timed(commit, 3) / 3 for _ in range(count // 3)], 0.5))


async def timed(commit: Commit, rows: int) -> float:
    watch = Stopwatch()
    await commit(rows)
    return watch.us()


async def measure(columns: Columns, folder: Path, commits: int) -> None:
    descriptor = os.open(folder / "appended", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    await columns.measure(BASE, appending(descriptor), commits)
    os.close(descriptor)
    for durability in Durability:
        for in_thread in (True, False):
            name = f"journal, {durability}" + ("" if in_thread else ", no threads")
            count = commits if durability is Durability.PROCESS else commits // 10
            with Journal.open(folder / name, SCHEMA, durability=durability, in_thread=in_thread) as journal:
                await columns.measure(name, committing(journal), count)
            assert journal.failure is None


def appending(descriptor: int) -> Commit:
    async def commit(rows: int) -> None:
        for _ in range(rows):
            os.write(descriptor, ROW[2])

    return commit


def committing(journal: Journal) -> Commit:
    done: list[JournalError | None] = []
    waiting = trio.lowlevel.ParkingLot()

    def hear(failure: JournalError | None) -> None:
        done.append(failure)
        waiting.unpark_all()

    async def commit(rows: int) -> None:
        done.clear()
        for _ in range(rows):
            journal.write(INSERT, ROW)
        journal.commit(hear)
        if not done:
            await waiting.park()
        assert done == [None]

    return commit


def main() -> None:
    sizes = arguments(__doc__ or "", rounds=5, commits=10_000)
    columns = Columns()
    for _ in range(sizes.rounds):
        with TemporaryDirectory(prefix="bench-", dir=Path.cwd()) as folder:  # on a disk, not in memory
            run(measure, columns, Path(folder), sizes.commits)
    print(table("one commit", [columns.alone, columns.tail, columns.in_threes], base=BASE))


if __name__ == "__main__":
    main()
