"""Structured logs that never stop the loop: rendered at the call, queued, written by a thread, dropped when it stalls.

What actors see of it is the protocol in `logger.py`. A simulation writes at once, because worker threads break virtual
time.
"""

import os
import select
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from logging import DEBUG, ERROR, INFO, WARNING
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Literal, Self

import msgspec

from dogwatch.runtime.clock import Clock
from dogwatch.runtime.logger import Logger

LEVELS = {"debug": DEBUG, "info": INFO, "warning": WARNING, "error": ERROR}
LINE_BYTES_MAX = 65_536
BATCH_LINES_MAX = 256
OWN_KEYS = frozenset({"at", "level", "actor", "event", "traceback"})

Render = Callable[[dict[str, Any]], bytes]


class LogStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the lines so far. `dropped`: the queue was full, or the writer failed."""

    queued: int
    written: int
    dropped: int


class Logs:
    """Where log lines go. Use as a context manager; at its end what is queued is written, for `flush_within_s` at most,
    and not at all if the writer has been stalled for as long already.

    `write` takes whole lines and may block or raise OSError; `file_writer` makes one. `style` is one JSON object per
    line, or lines for people. With `in_thread=False` lines are written at the call. At most `capacity` lines wait; the
    newest are dropped and counted, and the count is written as soon as writing goes on.
    """

    def __init__(
        self,
        write: Callable[[bytes], object],
        *,
        clock: Clock,
        style: Literal["json", "human"] = "json",
        level: Literal["debug", "info", "warning", "error"] = "info",
        in_thread: bool = True,
        capacity: int = 10_000,
        flush_within_s: float = 2.0,
    ) -> None:
        self._write = write
        self._clock = clock
        self._render: Render = _as_json if style == "json" else _for_people
        self._capacity = capacity
        self._patience = Patience(flush_within_s)
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._accepts = not in_thread
        self._thread = threading.Thread(target=self._write_lines, name="logs", daemon=True) if in_thread else None
        # Each counter has one writing thread: the loop's drops and the writer's losses are added up when read.
        self._refused = 0
        self._lost = 0
        self._written = 0
        self._reported = 0
        self._level = LEVELS[level]

    def get_logger(self, path: str) -> Logger:
        """The logger of the actor at `path`."""
        return BoundLogger(path, self._level, self._add)

    def statistics(self) -> LogStatistics:
        return LogStatistics(queued=self._lines.qsize(), written=self._written, dropped=self._refused + self._lost)

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
            self._accepts = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._accepts = False
        if self._thread is not None:
            self._lines.put(None)
            self._thread.join(self._patience.left_s())  # a daemon: a stalled writer does not keep the process alive

    # On the loop

    def _add(self, level: str, actor: str, event: str, facts: Mapping[str, Any]) -> None:
        self._put(self._line(level, actor, str(event), facts))

    def _line(self, level: str, actor: str, event: str, facts: Mapping[str, Any]) -> bytes:
        record: dict[str, Any] = {
            "at": _timestamp(self._clock.unix_ms()),
            "level": level,
            "actor": actor,
            "event": event,
        }
        for key, value in facts.items():
            if key == "exc_info":
                record["traceback"] = _formatted(value)
            else:
                record[f"{key}_" if key in OWN_KEYS else key] = value
        try:
            line = self._render(record)
        except Exception as failure:  # noqa: BLE001  # a fact whose repr raises must not crash who logs
            words = f"{event} (facts cannot be shown: {type(failure).__name__})"
            line = self._render({"at": record["at"], "level": level, "actor": actor, "event": words})
        return line if len(line) <= LINE_BYTES_MAX else line[: LINE_BYTES_MAX - 4] + "…\n".encode()

    def _put(self, line: bytes) -> None:
        if not self._accepts or self._lines.qsize() >= self._capacity:
            self._refused += 1
        elif self._thread is None:
            self._write_out([line])
        else:
            self._lines.put(line)

    # In the thread

    def _write_lines(self) -> None:
        line: bytes | None = b""
        while line is not None:
            batch: list[bytes] = []
            line = self._lines.get()
            while line is not None:
                batch.append(line)
                if len(batch) == BATCH_LINES_MAX:
                    break
                try:
                    line = self._lines.get_nowait()
                except Empty:
                    break
            self._write_out(batch)

    def _write_out(self, batch: list[bytes]) -> None:
        dropped = self._refused + self._lost
        notice = []
        if dropped > self._reported:
            facts = {"dropped": dropped - self._reported}
            notice = [self._line("warning", "logs", "lines were dropped: their writer could not keep up", facts)]
        try:
            with self._patience:
                self._write(b"".join([*notice, *batch]))
        except OSError:  # there is nowhere left to say so
            self._lost += len(batch)
        else:
            self._reported = dropped
            self._written += len(batch)


class BoundLogger:
    """The logger of one actor: gives what is at or above its level to `add(level, actor, event, facts)`."""

    __slots__ = ("_add", "_least", "_path")

    def __init__(self, path: str, least: int, add: Callable[[str, str, str, Mapping[str, Any]], None]) -> None:
        self._path = path
        self._least = least
        self._add = add

    def debug(self, event: str, **facts: Any) -> None:
        if self._least <= DEBUG:
            self._add("debug", self._path, event, facts)

    def info(self, event: str, **facts: Any) -> None:
        if self._least <= INFO:
            self._add("info", self._path, event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        if self._least <= WARNING:
            self._add("warning", self._path, event, facts)

    def error(self, event: str, **facts: Any) -> None:
        self._add("error", self._path, event, facts)


class Patience:
    """How long the end of somebody who writes is waited for: `within_s`, less the time that the write in progress has
    taken already. Enter it around each write, in the thread that writes."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._began_s: float | None = None

    def left_s(self) -> float:
        """What is left of the time now."""
        began_s = self._began_s
        return self._within_s if began_s is None else max(0.0, self._within_s - (time.monotonic() - began_s))

    def __enter__(self) -> None:
        self._began_s = time.monotonic()

    def __exit__(self, *_exc: object) -> None:
        self._began_s = None


def file_writer(descriptor: int) -> Callable[[bytes], None]:
    """Writes to an open file, pipe or terminal, past every buffer: at exit no lock is held by a stalled write."""

    def write(data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:  # somebody who shares the terminal made it non-blocking
                select.select([], [descriptor], [])

    return write


def _as_json(record: dict[str, Any]) -> bytes:
    return msgspec.json.encode(record, enc_hook=repr) + b"\n"


def _for_people(record: dict[str, Any]) -> bytes:
    trace = record.get("traceback", "")
    facts = [f"{key}={_shown(value)}" for key, value in record.items() if key not in OWN_KEYS]
    words = [record["at"], f"{record['level']:7}", record["actor"], _printable(record["event"]), *facts]
    below = "".join(f"\n    {_printable(line)}" for line in trace.splitlines())
    return f"{' '.join(words)}{below}\n".encode(errors="backslashreplace")


def _shown(value: object) -> str:
    text = str(value)
    return text if text and text.isprintable() and " " not in text else repr(text)


def _printable(text: str) -> str:
    """Words from elsewhere must not move the cursor of a terminal."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _timestamp(unix_ms: int) -> str:
    return f"{datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec='milliseconds')[:-6]}Z"


def _formatted(error: object) -> str:
    """A traceback without the values of variables: those may hold secrets."""
    return "".join(traceback.format_exception(error)).rstrip() if isinstance(error, BaseException) else ""
