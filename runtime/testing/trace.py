"""A trace of a run: which task ran when, and what was noted meanwhile. Equal seeds must give equal traces."""

from collections import deque
from hashlib import blake2b
from itertools import zip_longest

import msgspec
import trio
from trio.abc import Instrument
from trio.lowlevel import Task


class TraceRecord(msgspec.Struct, frozen=True):
    """One thing that happened, at a moment of Trio's clock in seconds."""

    at_s: float
    what: str
    name: str


class Trace(Instrument):
    """Hand it to `run_virtual(..., instruments=[trace])`; add what else counts with `note`.

    The digest covers everything from the beginning; `records` keeps the newest `capacity` only.
    """

    def __init__(self, *, capacity: int = 10_000) -> None:
        self.records: deque[TraceRecord] = deque(maxlen=capacity)
        self.length = 0
        self._hash = blake2b(digest_size=16)

    def note(self, what: str, name: str) -> None:
        """Add a record of your own, such as a message: `trace.note("told", "orders")`."""
        record = TraceRecord(trio.current_time(), what, name)
        self.length += 1
        self.records.append(record)
        self._hash.update(f"{record.at_s!r}\0{what}\0{name}\n".encode())

    def digest(self) -> str:
        """A short name for the whole trace: equal traces have equal digests."""
        return self._hash.hexdigest()

    def task_spawned(self, task: Task) -> None:
        self.note("spawned", task.name)

    def before_task_step(self, task: Task) -> None:
        self.note("ran", task.name)

    def task_exited(self, task: Task) -> None:
        self.note("exited", task.name)


def first_difference(one: Trace, other: Trace) -> str:
    """Where two traces part, for the message of a failing test; empty when they are equal."""
    if one.digest() == other.digest():
        return ""
    first_kept = max(trace.length - len(trace.records) for trace in (one, other))
    kept = zip_longest(*(_from(trace, first_kept) for trace in (one, other)))
    for position, (left, right) in enumerate(kept, start=first_kept):
        if left != right:
            return f"record {position}: {left} != {right}"
    return f"the traces part before record {first_kept}, the oldest that is kept: raise `capacity`"


def _from(trace: Trace, position: int) -> list[TraceRecord]:
    return list(trace.records)[position - (trace.length - len(trace.records)) :]
