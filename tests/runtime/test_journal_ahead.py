"""The file ahead of the database: whatever is left of it gives what was committed, from the oldest on, and no more."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogwatch.runtime import journal_ahead
from dogwatch.runtime.journal_ahead import AREA_BYTES, AheadFile, Found, Statements, find_above, record_of
from tests.runtime.journals import INSERT

TAG = b"\x01tag\xff\x00\n8"
OTHER_TAG = b"another."
PAGE = 4_096
values = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=50),
    st.binary(max_size=50),
)
commits = st.lists(
    st.lists(st.tuples(st.sampled_from([INSERT, "DELETE FROM notes"]), st.lists(values, max_size=4).map(tuple))),
    min_size=1,
    max_size=6,
)


@contextmanager
def a_file(tag: bytes = TAG) -> Iterator[AheadFile]:
    """One whose areas are of one page, so that it goes from one to the next all the time."""
    with TemporaryDirectory() as folder, mock.patch.object(journal_ahead, "AREA_BYTES", PAGE):
        file = AheadFile(Path(folder) / "notes.journal-ahead", tag)
        try:
            yield file
        finally:
            file.close()


def content_of(file: AheadFile) -> bytes:
    return file.path.read_bytes()


def as_read(committed: list[Statements]) -> list[tuple[str, list[object]]]:
    return [(statement, list(row)) for statements in committed for statement, row in statements]


def notes(random: Random, sequence: int) -> Statements:
    """Rows of any size, that of a page and more too."""
    count = random.randrange(4)
    return [(INSERT, (sequence, "x" * random.choice([1, 40, 400, 3_000, 9_000]))) for _ in range(count)]


def filled(file: AheadFile, random: Random, count: int) -> list[Statements]:
    """Commit so often, while the database takes some of it now and then. Returns everything."""
    committed: list[Statements] = []
    for sequence in range(1, count + 1):
        committed.append(notes(random, sequence))
        assert file.append(committed[-1]) == file.sequence == sequence
        if random.random() < 0.3:
            file.stored = random.randrange(file.stored, sequence + 1)
    return committed


@given(commits, st.integers(0, 6))
def test_what_was_committed_is_read_back_but_for_what_is_stored(committed: list[Statements], stored: int) -> None:
    content = b"".join(record_of(TAG, 1 + number, statements) for number, statements in enumerate(committed))
    stored = min(stored, len(committed))
    assert find_above(content, TAG, stored) == Found(as_read(committed[stored:]), len(committed), is_damaged=False)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_however_space_is_used_again_everything_that_is_not_stored_is_there(seed: int) -> None:
    random = Random(seed)
    with a_file() as file:
        committed = filled(file, random, random.randrange(60))
        found = find_above(content_of(file), TAG, file.stored)
        assert found == Found(as_read(committed[file.stored :]), len(committed), is_damaged=False)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_killed_in_the_middle_of_a_commit_it_was_made_or_not(seed: int) -> None:
    """A process that is killed has copied some bytes of the record, in no promised order, over whatever lay there."""
    random = Random(seed)
    with a_file() as file:
        committed = filled(file, random, random.randrange(40))
        before = content_of(file)
        last = notes(random, len(committed) + 1)
        file.append(last)
        after = content_of(file)
        before += bytes(len(after) - len(before))
        changed = [at for at, byte in enumerate(after) if byte != before[at]]
        missing = random.sample(changed, random.randrange(1, min(len(changed), 20))) if random.random() < 0.5 else []
        missing = missing or changed[random.randrange(len(changed)) :]
        torn = bytearray(after)
        for at in missing:
            torn[at] = before[at]
        found = find_above(bytes(torn), TAG, file.stored)
        assert found == Found(as_read(committed[file.stored :]), len(committed), is_damaged=False)
        assert find_above(after, TAG, file.stored).statements == as_read([*committed[file.stored :], last])


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32))
def test_whatever_becomes_of_the_file_it_gives_a_beginning_of_what_was_committed(seed: int) -> None:
    random = Random(seed)
    with a_file() as file:
        committed = filled(file, random, random.randrange(1, 30))
        content = bytearray(content_of(file))
    for _ in range(random.randrange(1, 5)):
        at, size = random.randrange(len(content)), random.choice([1, 8, 100, 5_000])
        damage = random.choice([bytes(size), random.randbytes(size), bytes(content[:size]), b""])
        if damage or random.random() < 0.2:
            content[at : at + len(damage)] = damage
        else:
            del content[at:]
        if not content:
            break
    found = find_above(bytes(content), TAG, file.stored)
    assert found.newest >= file.stored
    assert found.statements == as_read(committed[file.stored : found.newest])


def test_a_record_that_is_missing_before_others_is_damage_and_the_last_one_is_not() -> None:
    records = [record_of(TAG, sequence, [(INSERT, (sequence, "x"))]) for sequence in range(1, 6)]
    whole = find_above(b"".join(records), TAG, 1)
    assert (whole.newest, whole.is_damaged) == (5, False)
    without_the_third = find_above(b"".join(records[:2] + records[3:]), TAG, 1)
    assert (without_the_third.newest, without_the_third.is_damaged) == (2, True)
    without_the_first_stored = find_above(b"".join(records[1:]), TAG, 1)
    assert (without_the_first_stored.newest, without_the_first_stored.is_damaged) == (5, False)
    without_the_last = find_above(b"".join(records[:4]), TAG, 1)
    assert (without_the_last.newest, without_the_last.is_damaged) == (4, False)


def test_records_of_another_life_do_not_count() -> None:
    content = record_of(OTHER_TAG, 1, [(INSERT, (1, "x"))]) + record_of(TAG, 1, [(INSERT, (2, "y"))])
    assert find_above(content, TAG, 0).statements == [(INSERT, [2, "y"])]


def test_a_row_that_no_database_has_is_refused_and_nothing_is_committed() -> None:
    with a_file() as file:
        file.append([(INSERT, (1, "x"))])
        for value in (2**64, "\ud800", object()):
            with pytest.raises((OverflowError, UnicodeEncodeError, TypeError)):
                file.append([(INSERT, (2, value))])  # type: ignore[list-item]
        file.append([(INSERT, (3, "z"))])
        assert [row[0] for _, row in find_above(content_of(file), TAG, 0).statements] == [1, 3]


def test_as_long_as_the_database_follows_the_file_does_not_grow(tmp_path: Path) -> None:
    file = AheadFile(tmp_path / "notes.journal-ahead", TAG)
    for number in range(10_000):
        file.append([(INSERT, (number, "x" * 400))])
        if number % 500 == 0:
            file.stored = file.sequence
    assert file.path.stat().st_size == AREA_BYTES
    file.close()


def test_when_the_database_is_always_a_little_behind_two_areas_take_turns(tmp_path: Path) -> None:
    file = AheadFile(tmp_path / "notes.journal-ahead", TAG)
    for number in range(20_000):
        file.append([(INSERT, (number, "x" * 400))])
        file.stored = max(0, file.sequence - 500)
    assert file.path.stat().st_size == 2 * AREA_BYTES
    file.close()
