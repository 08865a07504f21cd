"""The file below a journal: found, locked, checked, completed, and brought to the newest version of its schema.

SQLite in WAL mode, and beside it what a process has committed ahead of the database (`journal_ahead.py`). What is
written, when and by which thread, lives in `journal.py`.
"""

import errno
import fcntl
import os
import sqlite3
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote

from dogwatch.runtime.errors import JournalError, JournalInUse
from dogwatch.runtime.journal_ahead import TAG_BYTES, AheadFile, Found, find_above

PAGE_BYTES = 4096
"""Of a new file. Rows are stored in groups: at 2,048 a row of 200 costs a sixth more, and one alone a tenth less."""

BUSY_S = 0.05
"""How long a statement waits for another program that holds the file locked."""

STORED_WITHIN_S = 0.25
"""What lies ahead of the database for longer than this, nobody is about to store."""

WAL_BYTES_KEPT = 16 * 1024 * 1024
"""A WAL that grew beyond this, because somebody read for long, is cut back when it begins anew."""

NOT_UTF8 = "Could not decode to UTF-8"
"""How Python begins to say that a text is none; it has no code for that."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Schema(NamedTuple):
    """What the tables of a journal look like. The file's version is how many of these scripts it has seen.

    `application_id`: marks files of this kind (32 bits, not 0). `versions`: SQL scripts; script i brings a file of
    version i to version i + 1. Scripts are only ever appended.
    """

    application_id: int
    versions: tuple[str, ...]


class LockFile:
    """Who may write: one journal at a time, of all processes. The lock goes when its process does, however it ends.

    Never deleted: a file that somebody has just opened and waits for must stay the one that counts.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, journal: Path) -> Self:
        """Lock FILE.lock beside the journal, or raise JournalInUse that names the process which has it."""
        path = _beside(journal, ".lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise JournalInUse(
                f"{journal}: {_user(holder)} is using this journal", hint="stop it, or give this one a file of its own"
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _user(pid: str) -> str:
    return "this process already" if pid == str(os.getpid()) else f"process {pid or '(unknown)'}"


class Place:
    """A file under its name. Held against: what is written to one that is no longer there, nobody would find again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = self._look()

    def check(self) -> None:
        """Raise JournalError if it is not there any more."""
        try:
            is_there = self._look() == self._identity
        except FileNotFoundError:
            is_there = False
        except OSError:  # who may not look cannot tell
            return
        if not is_there:
            raise JournalError(
                f"{self._path}: the journal was moved, deleted or replaced while it was in use",
                hint="put it back if you can, and restart",
            )

    def _look(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino


class JournalFile(NamedTuple):
    """An open file with its lock and the connections to it. `writer` is the only one that writes rows."""

    path: Path
    lock: LockFile
    writer: sqlite3.Connection
    reader: sqlite3.Connection

    @classmethod
    def open(cls, path: Path, schema: Schema, *, synchronous: str) -> Self:
        """Lock it, make it if need be, check it whole, migrate it. Raises JournalError; then nothing stays open."""
        path = path.absolute()
        with ExitStack() as undo:
            try:
                _check_place(path)
                path = path.resolve()
                lock = LockFile.acquire(path)
                undo.callback(lock.release)
                _make(path)
                writer = connect(path)
                undo.callback(writer.close)
                _prepare(writer, path, schema, synchronous)
                reader = connect(path)
                undo.callback(reader.close)
                reader.execute("PRAGMA query_only = ON")
                file = cls(path, lock, writer, reader)
            except (sqlite3.Error, OSError) as error:
                raise explain(path, error) from error
            undo.pop_all()
        return file

    def begin_ahead(self) -> AheadFile:
        """A file to commit to ahead of the database. What an earlier one held is stored, and counts no more."""
        tag = os.urandom(TAG_BYTES)
        execute = self.writer.execute
        execute("BEGIN")
        execute("CREATE TABLE IF NOT EXISTS _ahead (tag BLOB NOT NULL, boot TEXT NOT NULL, stored INTEGER NOT NULL)")
        execute("DELETE FROM _ahead")
        execute("INSERT INTO _ahead (tag, boot, stored) VALUES (?, ?, 0)", (tag, _boot()))
        execute("COMMIT")
        return AheadFile(ahead_of(self.path), tag)

    def close(self) -> None:
        """Close the connections and release the lock. Whoever closes last, SQLite deletes the WAL."""
        for connection in (self.reader, self.writer):
            with suppress(sqlite3.Error):  # nothing of ours is in it any more
                connection.close()
        self.lock.release()


def open_for_reading(path: Path, schema: Schema) -> sqlite3.Connection:
    """A connection that cannot write, to a file that another process may be writing, or that a dead one has left."""
    path = path.absolute()
    with ExitStack() as undo:
        try:
            _check_place(path)
            if not path.exists():
                raise JournalError(f"{path}: there is no such journal", hint="look at the file's name")
            connection = connect(path, mode="ro")
            undo.callback(connection.close)
            if _is_frozen(connection, path):
                connection.close()
                connection = connect(path, mode="ro&immutable=1")
                undo.callback(connection.close)
            version = _version(connection, path, schema)
        except (sqlite3.Error, OSError) as error:
            raise explain(path, error) from error
        if version == 0:
            raise JournalError(f"{path}: this journal is empty", hint="nothing was ever recorded in it")
        if version < len(schema.versions):
            raise JournalError(
                f"{path}: this journal is of version {version} and was never brought to {len(schema.versions)}",
                hint="start and stop the program that writes it once with this version of Dogwatch",
            )
        try:
            connection = _completed(connection, path.resolve())
        except (sqlite3.Error, OSError) as error:
            raise explain(path, error) from error
        undo.pop_all()
    return connection


def _is_frozen(connection: sqlite3.Connection, path: Path) -> bool:
    """With no WAL, and no right to make one, nobody else writes it either: it is a copy on a read-only disk."""
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        is_refused = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
        if not is_refused or wal_of(path).exists():
            raise
        return True
    return False


def connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    """A connection on which every transaction is explicit, to be used by one thread at a time."""
    address = f"file:{quote(str(path))}?mode={mode}"
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    return connection


def wal_of(path: Path) -> Path:
    return _beside(path, "-wal")


def ahead_of(path: Path) -> Path:
    return _beside(path, "-ahead")


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _check_place(path: Path) -> None:
    if not path.parent.is_dir():
        raise JournalError(f"{path}: the folder {path.parent} does not exist", hint="make it, or name another file")
    if path.exists() and not path.is_file():
        raise JournalError(f"{path}: this is not a file", hint="name a file for the journal")


def _make(path: Path) -> None:
    """A new file is for its owner's eyes, and its name survives a power loss before anything in it needs to."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _prepare(connection: sqlite3.Connection, path: Path, schema: Schema, synchronous: str) -> None:
    version = _version(connection, path, schema)  # before anything is changed: it may be somebody else's file
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise JournalError(
            f"{path}: its file system offers no shared memory, which a journal needs",
            hint="put the journal on a local disk",
        )
    connection.execute("PRAGMA synchronous = FULL")
    _check_whole(connection, path)
    _replay(connection, path)  # first: it was written for tables as they are
    for number in range(version, len(schema.versions)):
        _migrate(connection, path, schema, number)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.execute(f"PRAGMA synchronous = {synchronous}")


def _version(connection: sqlite3.Connection, path: Path, schema: Schema) -> int:
    """The version of the file, 0 if it is empty. Raises JournalError if it is no journal of this kind, or newer."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application_id != schema.application_id and (application_id, version, tables) != (0, 0, 0):
        raise JournalError(f"{path}: this is another program's database", hint="name another file for the journal")
    if version > len(schema.versions):
        known = len(schema.versions)
        raise JournalError(
            f"{path}: this journal is of version {version}, and this Dogwatch knows none above {known}",
            hint="run the newer Dogwatch that wrote it, or name another file",
        )
    return int(version)


def _check_whole(connection: sqlite3.Connection, path: Path) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise damaged(path, " ".join(str(verdict).split()))


def _migrate(connection: sqlite3.Connection, path: Path, schema: Schema, number: int) -> None:
    steps = f"{schema.versions[number]}\n;PRAGMA application_id = {schema.application_id};"
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{steps}PRAGMA user_version = {number + 1};\nCOMMIT;")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        reason = explain(path, error)
        raise JournalError(
            f"{reason.message}, on the way from version {number} to {number + 1}", hint=reason.hint
        ) from error


class Mark(NamedTuple):
    """What the database says of the file ahead of it: its records' tag, the boot it was begun in, what is stored."""

    tag: bytes
    boot: str
    stored: int


def _replay(connection: sqlite3.Connection, path: Path) -> None:
    """Store what a process that was killed had committed ahead of the database."""
    mark = _mark(connection, path)
    if mark is not None:
        _store_found(connection, path, mark)
    ahead_of(path).unlink(missing_ok=True)


def _completed(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """A connection to everything that is committed: to a copy, if a process has left something ahead and is gone.

    One that runs stores it in a moment.
    """
    mark = _mark(connection, path)
    if mark is None or not _lies_ahead(mark, path):
        return connection
    time.sleep(STORED_WITHIN_S)
    if _mark(connection, path) != mark:
        return connection
    with ExitStack() as undo:
        copy = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        undo.callback(copy.close)
        connection.backup(copy)
        _store_found(copy, path, mark)
        copy.execute("PRAGMA query_only = ON")
        undo.pop_all()
    connection.close()
    return copy


def _mark(connection: sqlite3.Connection, path: Path) -> Mark | None:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = '_ahead'").fetchone()
    if not tables:
        return None
    match connection.execute("SELECT tag, boot, stored FROM _ahead").fetchall():
        case [(bytes(tag), str(boot), int(stored))] if len(tag) == TAG_BYTES:
            return Mark(tag, boot, stored)
    raise damaged(path, "what it says of the file ahead of it makes no sense")


def _lies_ahead(mark: Mark, path: Path) -> bool:
    found = _found(mark, path)
    return bool(found.statements) or found.is_damaged


def _found(mark: Mark, path: Path) -> Found:
    try:
        content = ahead_of(path).read_bytes()
    except FileNotFoundError:
        content = b""
    return find_above(content, mark.tag, mark.stored)


def _store_found(connection: sqlite3.Connection, path: Path, mark: Mark) -> None:
    """All of it in one transaction. Raises JournalError if some is missing, unless a power loss may be why."""
    ahead = ahead_of(path)
    found = _found(mark, path)
    loss = f"move {ahead.name} away: then the last moments before the end of that process are missing"
    if found.is_damaged and mark.boot and mark.boot == _boot():
        raise JournalError(f"{ahead}: damaged, record {found.newest + 1} is missing", hint=loss)
    if not found.statements:
        return
    try:
        connection.execute("BEGIN")
        for statement, row in found.statements:
            connection.execute(statement, row)
        connection.execute("UPDATE _ahead SET stored = ?", (found.newest,))
        connection.execute("COMMIT")
    except (sqlite3.Error, OverflowError) as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        reason = explain(path, error)
        raise JournalError(
            f"{reason.message}, while {ahead.name} was stored", hint=f"{reason.hint}, or {loss}"
        ) from error


def _boot() -> str:
    """Which start of the system this is, "" where nothing tells. What the disk has not taken is lost between two."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def is_lost_for_good(error: Exception) -> bool:
    """After a failed sync the system may have dropped pages that it had taken: no later sync can vouch for them."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_FSYNC


def sync_failed(path: Path, reason: str) -> JournalError:
    """What to say of it."""
    words = f"{path}: the disk did not keep what it had taken ({reason})"
    return JournalError(words, hint="look at its health before you restart")


def explain(path: Path, error: Exception) -> JournalError:
    """What SQLite or the system said, in words that help. Never shows a row."""
    if isinstance(error, JournalError):
        return error
    if isinstance(error, OSError):
        return _explain_os(path, error)
    code = getattr(error, "sqlite_errorcode", None)
    match code and code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return JournalError(f"{path}: the disk is full", hint="free space on it")
        case sqlite3.SQLITE_IOERR if is_lost_for_good(error):
            return sync_failed(path, str(error))
        case sqlite3.SQLITE_IOERR:
            words = f"{path}: the disk refused ({getattr(error, 'sqlite_errorname', '')})"
            return JournalError(words, hint="look at its space, quotas and health")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damaged(path, str(error))
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return JournalError(f"{path}: another program holds it locked", hint="close whatever else has it open")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            hint = "look at the permissions of the file, of its -wal and -shm, and of the folder"
            return JournalError(f"{path}: it may not be used: {error}", hint=hint)
        case None if str(error).startswith(NOT_UTF8):  # goes on with the row, which is nobody's business
            return damaged(path, "a text in it is no UTF-8")
        case _:
            return JournalError(f"{path}: {type(error).__name__}: {error}", hint="this is a mistake in the program")


def _explain_os(path: Path, error: OSError) -> JournalError:
    if error.errno in NO_SPACE:
        return JournalError(f"{path}: the disk is full", hint="free space on it")
    return JournalError(f"{path}: {error.strerror or error}", hint="the journal needs a folder that it may write to")


def damaged(path: Path, finding: str) -> JournalError:
    """What to say of a file whose content makes no sense."""
    return JournalError(
        f"{path}: not a journal, or damaged ({finding})",
        hint="name another file; if it was a journal, move it and its -wal away, and the next start begins a new one",
    )
