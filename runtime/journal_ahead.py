"""What is committed and not in the database yet: a file of records beside it, which takes one in some microseconds.

The file is mapped into memory. Committing a record is copying it there, and the system keeps what was copied, however
the process ends. The file is zeros before, so that a full disk is found when it grows and never in the middle of a
record. A record has the tag of the file's present life, a number and a checksum, and where it lies means nothing: the
space of records that the database has is used again at once, and whatever a kill leaves around them, half a record or
old ones, is told from those that count.
"""

import mmap
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from dogwatch.runtime.encoding import plain

Row = tuple[str | int | float | bytes | msgspec.Struct | None, ...]
"""A struct, of a type that `store_as_json` was told of, is stored as its JSON. Who writes it need not wait for that."""
Statements = list[tuple[str, Row]]

TAG_BYTES = 8
SUM = Struct("<I")
HEAD = Struct("<IQ")  # bytes of the statements, number of the record
STATEMENTS_AT = TAG_BYTES + SUM.size + HEAD.size

AREA_BYTES = 1024 * 1024
"""The file grows by multiples of this, some 1,500 orders: most of the time one is enough."""
SHARED = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)

_encode_json = msgspec.json.Encoder(enc_hook=plain).encode
_encode = msgspec.msgpack.Encoder(enc_hook=plain).encode
_decode = msgspec.msgpack.Decoder(list[tuple[str, list[Any]]]).decode
_sync = getattr(os, "fdatasync", os.fsync)


def store_as_json(kind: type[msgspec.Struct]) -> None:
    """Let rows of journals have values of this type."""
    sqlite3.register_adapter(kind, _json_of)


def _json_of(value: object) -> str:
    return _encode_json(value).decode()


def record_of(tag: bytes, sequence: int, statements: Statements) -> bytes:
    """Raises what msgspec does for values that no row can have."""
    content = _encode(statements)
    body = HEAD.pack(len(content), sequence) + content
    return tag + SUM.pack(crc32(body)) + body


class Found(NamedTuple):
    """What a file holds beyond what was stored: `statements`, up to the record `newest`.

    `is_damaged`: there are whole records behind one that is missing, which no end of a process can bring about.
    """

    statements: list[tuple[str, list[Any]]]
    newest: int
    is_damaged: bool


def find_above(content: bytes, tag: bytes, stored: int) -> Found:
    """The records with this tag that come after the number `stored`. Raises msgspec.DecodeError for nonsense."""
    records = {sequence: body for sequence, body in _whole_records(content, tag) if sequence > stored}
    statements: list[tuple[str, list[Any]]] = []
    newest = stored
    while newest + 1 in records:
        newest += 1
        statements += [(statement, [*map(_stored, row)]) for statement, row in _decode(records[newest])]
    return Found(statements, newest, is_damaged=len(records) > newest - stored)


def _stored(value: Any) -> Any:
    """What SQLite is given for a value of a record: a struct was written as what it has."""
    return _json_of(value) if isinstance(value, dict) else value


def _whole_records(content: bytes, tag: bytes) -> Iterator[tuple[int, bytes]]:
    at = content.find(tag)
    while at >= 0:
        body_at = at + TAG_BYTES + SUM.size
        if at + STATEMENTS_AT <= len(content):
            (checksum,) = SUM.unpack_from(content, at + TAG_BYTES)
            size, sequence = HEAD.unpack_from(content, body_at)
            body = content[body_at : at + STATEMENTS_AT + size]
            if len(body) == HEAD.size + size and crc32(body) == checksum:
                yield sequence, body[HEAD.size :]
        at = content.find(tag, at + TAG_BYTES)


class Area:
    """A part of the file, as memory. Free when the record `newest` is stored."""

    def __init__(self, view: mmap.mmap) -> None:
        self.view = view
        self.size = len(view)
        self.newest = 0


class AheadFile:
    """The file, to be written by one thread. Another one sets `stored`, the newest record that the database has.

    `sequence`: the newest record that is in the file.
    """

    def __init__(self, path: Path, tag: bytes) -> None:
        """Make it anew. Raises OSError, on a full disk too."""
        self.path = path
        self.sequence = self.stored = 0
        self._tag = tag
        self._size = 0
        self._at = 0
        self._areas: list[Area] = []
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            self._area = self._grow(AREA_BYTES)
        except BaseException:
            os.close(self._descriptor)
            raise

    def append(self, statements: Statements) -> int:
        """Commit these, all or nothing, and return the number of their record.

        Raises OSError when there is no room, and what msgspec does for values that no row can have; then nothing was
        committed.
        """
        sequence = self.sequence + 1
        record = record_of(self._tag, sequence, statements)
        if self.stored >= self.sequence:  # nothing waits: the same page again and again is what the caches like
            self._at = 0
        end = self._at + len(record)
        if end > self._area.size:
            self._area = self._free_area(len(record)) or self._grow(len(record))
            self._at, end = 0, len(record)
        self._area.view[self._at : end] = record
        self._at = end
        self._area.newest = self.sequence = sequence
        return sequence

    def sync(self) -> None:
        """Have the disk take what is in it, while the database takes nothing. Raises OSError."""
        _sync(self._descriptor)

    def close(self) -> None:
        """Release the file. It is of no use any more once everything is stored."""
        for area in self._areas:
            area.view.close()
        os.close(self._descriptor)

    def _free_area(self, size: int) -> Area | None:
        return next((area for area in self._areas if area.newest <= self.stored and area.size >= size), None)

    def _grow(self, size: int) -> Area:
        start, length = self._size, -(-size // AREA_BYTES) * AREA_BYTES
        try:
            _write_zeros(self._descriptor, start, length)
            area = Area(mmap.mmap(self._descriptor, length, flags=SHARED, offset=start))
        except BaseException:
            os.ftruncate(self._descriptor, start)
            raise
        self._size += length
        self._areas.append(area)
        return area


def _write_zeros(descriptor: int, start: int, length: int) -> None:
    zeros = bytes(AREA_BYTES)
    at = start
    while at < start + length:
        at += os.pwrite(descriptor, zeros[: start + length - at], at)
