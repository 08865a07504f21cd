"""Many rows in few statements: what a group of a journal is stored with.

Each call of SQLite hands Python's lock over and takes it back, in the middle of whatever the loop does at that moment.
So rows of one INSERT go 64 at a time, as one statement with so many rows of values: 1.8 instead of 3.6 us a row in the
thread, and one hand-over where there were 64.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from sqlite3 import Cursor

from dogwatch.runtime.journal_ahead import Row

AT_ONCE = (64, 8, 1)
VARIABLES_MAX = 999
"""More in one statement not every SQLite takes."""
_INSERT = re.compile(r"\s*INSERT\s.*\bVALUES\s*(\(\s*\?(?:\s*,\s*\?)*\s*\))\s*", re.DOTALL | re.IGNORECASE)


def execute_all(cursor: Cursor, rows: Iterable[tuple[str, Row]]) -> None:
    """Execute statements of one transaction. Rows of one statement go in their order, and so does everything around a
    statement that is no INSERT; of two different INSERTs between such statements either may go first."""
    inserts: dict[str, list[Row]] = {}
    for statement, row in rows:
        waiting = inserts.get(statement)
        if waiting is not None:
            waiting.append(row)
        elif _values_of(statement):
            inserts[statement] = [row]
        else:
            _insert_all(cursor, inserts)
            cursor.execute(statement, row)
    _insert_all(cursor, inserts)


def _insert_all(cursor: Cursor, inserts: dict[str, list[Row]]) -> None:
    for statement, rows in inserts.items():
        columns, first = _values_of(statement).count("?"), 0
        for count in AT_ONCE:
            while len(rows) - first >= count and (count == 1 or count * columns <= VARIABLES_MAX):
                values = [value for row in rows[first : first + count] for value in row]
                cursor.execute(_repeated(statement, count), values)
                first += count
    inserts.clear()


@lru_cache
def _values_of(statement: str) -> str:
    """The `(?, …)` that an INSERT of one row ends with; "" for any other statement."""
    found = _INSERT.fullmatch(statement)
    return found[1] if found else ""


@lru_cache
def _repeated(statement: str, count: int) -> str:
    """The same INSERT for so many rows."""
    return statement + f", {_values_of(statement)}" * (count - 1)
