"""What the tests of the journal share: a schema, rows, and somebody whom commits call back."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dogwatch.runtime.errors import JournalError
from dogwatch.runtime.journal import Journal, Schema

SCHEMA = Schema(0x646F6777, ("CREATE TABLE notes (number INTEGER PRIMARY KEY, text TEXT NOT NULL);",))
INSERT = "INSERT INTO notes (number, text) VALUES (?, ?)"
SELECT = "SELECT number, text FROM notes ORDER BY number"


class Heard:
    """What commits have called back with."""

    def __init__(self) -> None:
        self.answers: list[JournalError | None] = []

    def __call__(self, failure: JournalError | None) -> None:
        self.answers.append(failure)


def rows_in(path: Path) -> list[tuple[int, str]]:
    with Journal.read_only(path, SCHEMA) as reader:
        return [(number, text) for number, text in reader.read(SELECT)]


def note(number: int) -> tuple[int, str]:
    return number, "x" * 400


def until(condition: Callable[[], object], within_s: float = 20) -> None:
    """Wait for what a thread is about to do."""
    ends_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends_s, "it did not come about"
        time.sleep(0.005)


def journal_is_alive() -> bool:
    """Whether a thread of a journal runs in this process."""
    return any(thread.name == "journal" for thread in threading.enumerate())


@contextmanager
def busy_disk(journal: Journal) -> Iterator[None]:
    """Until the block ends nothing is stored in the database: the disk is at work."""
    execute, answers = journal._execute, threading.Event()

    def execute_later(statement: str, row: Any = ()) -> Any:
        answers.wait()
        return execute(statement, row)

    journal._execute = execute_later
    try:
        yield
    finally:
        journal._execute = execute
        answers.set()
