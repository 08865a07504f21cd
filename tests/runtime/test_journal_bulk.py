import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.runtime.journal_bulk import AT_ONCE, execute_all

SCHEMA = """
    CREATE TABLE notes (number INTEGER PRIMARY KEY, text TEXT, size INTEGER);
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT);
"""
NOTE = "INSERT INTO notes (text, size) VALUES (?, ?)"
PLACED = "\n  insert into notes (size, text)\n  values (?,?)\n"
FACT = "REPLACE INTO facts (name, value) VALUES (?, ?)"
DROP = "DELETE FROM notes WHERE number = ?"
COUNTED = "INSERT INTO notes (text, size) SELECT ?, count(*) FROM notes"


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = fresh()
    yield connection
    connection.close()


def fresh() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    return connection


def content(connection: sqlite3.Connection) -> list[list[tuple[object, ...]]]:
    return [connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in ("notes", "facts")]


statements = st.one_of(
    st.tuples(st.just(NOTE), st.tuples(st.text(max_size=3), st.integers(0, 9))),
    st.tuples(st.just(FACT), st.tuples(st.sampled_from("ab"), st.text(max_size=3))),
    st.tuples(st.just(DROP), st.tuples(st.integers(1, 9))),
    st.tuples(st.just(COUNTED), st.tuples(st.text(max_size=3))),
)


@given(groups=st.lists(st.tuples(statements, st.integers(1, 2 * AT_ONCE[0])), max_size=12))
@settings(max_examples=50, deadline=None)
def test_many_rows_at_once_leave_what_one_after_the_other_leaves(
    groups: list[tuple[tuple[str, tuple[str | int, ...]], int]],
) -> None:
    rows = [row for row, times in groups for _ in range(times)]
    one, all_at_once = fresh(), fresh()
    for statement, values in rows:
        one.execute(statement, values)
    execute_all(all_at_once.cursor(), rows)
    assert content(all_at_once) == content(one)
    one.close()
    all_at_once.close()


def test_rows_of_one_insert_take_few_calls(connection: sqlite3.Connection) -> None:
    executed: list[str] = []
    connection.set_trace_callback(executed.append)
    execute_all(connection.cursor(), [(PLACED, (number, "x")) for number in range(2 * AT_ONCE[0] + AT_ONCE[1] + 1)])
    assert len(executed) == 4
    assert content(connection)[0] == [(number + 1, "x", number) for number in range(len(content(connection)[0]))]


def test_a_row_with_too_many_values_is_refused(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.Error):
        execute_all(connection.cursor(), [(NOTE, ("x", 1)), (NOTE, ("x", 1, 2))])
