"""A process that records as fast as it can is killed at random moments: what was promised is there, and whole."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dogwatch.runtime.journal import Durability, Journal
from tests.runtime.journals import INSERT, SCHEMA, SELECT, rows_in

KILLS = 4
GROUP = 3
AHEAD_MAX = 1_000

RECORDER = f"""
import os, sys, trio
from functools import partial
from dogwatch.runtime.journal import Durability, Journal, Schema

async def record(path, durability):
    journal = Journal.open(path, {SCHEMA!r}, durability=Durability(durability))
    ((first,),) = journal.read("SELECT coalesce(max(number) + 1, 0) FROM notes")
    group = answered = first // {GROUP}

    def hear(failure, group):
        nonlocal answered
        answered = group
        os.write(1, b"%d\\n" % group if failure is None else b"failed\\n")

    while True:
        for number in range(group * {GROUP}, (group + 1) * {GROUP}):
            journal.write("{INSERT}", (number, "x" * 400))
        journal.commit(partial(hear, group=group))
        group += 1
        await trio.sleep(0)
        while group - answered > {AHEAD_MAX}:  # no more than wait at most, however slow the disk is
            await trio.sleep(0.001)

trio.run(record, *sys.argv[1:])
"""


@pytest.mark.parametrize("durability", Durability)
def test_no_committed_group_is_lost_or_torn_however_often_the_process_is_killed(
    tmp_path: Path, durability: Durability, seed: int
) -> None:
    path = tmp_path / "notes.journal"
    chance = random.Random(seed)
    for _ in range(KILLS):
        promised = promised_until_killed(path, durability, chance.randrange(1, 4_000))
        seen = [number for (number, _text) in rows_in(path)]
        with Journal.open(path, SCHEMA) as journal:
            rows = [number for (number, _text) in journal.read(SELECT)]
        assert seen == rows  # whoever only looked saw it too
        assert rows == list(range(len(rows)))  # in order, none missing
        assert len(rows) % GROUP == 0  # none torn
        assert len(rows) >= (promised + 1) * GROUP  # none lost


def test_killed_again_and_again_on_its_way_up_it_stores_once_what_it_finds(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "notes.journal"
    chance = random.Random(seed)
    promised = promised_until_killed(path, Durability.PROCESS, 2_000)
    for _ in range(2 * KILLS):
        recorder = subprocess.Popen(
            [sys.executable, "-c", RECORDER, path, Durability.PROCESS], stdout=subprocess.PIPE, text=True
        )
        with recorder:
            time.sleep(chance.uniform(0.1, 0.6))
            recorder.send_signal(signal.SIGKILL)
            assert recorder.stdout is not None
            promised = max([promised, *(int(line) for line in recorder.stdout if line.endswith("\n"))])
    numbers = [number for (number, _text) in rows_in(path)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) % GROUP == 0
    assert len(numbers) >= (promised + 1) * GROUP


def promised_until_killed(path: Path, durability: Durability, groups: int) -> int:
    """Let it record about so many groups, kill it, and give the last group that it had called durable."""
    recorder = subprocess.Popen([sys.executable, "-c", RECORDER, path, durability], stdout=subprocess.PIPE, text=True)
    promised = ""
    with recorder:
        assert recorder.stdout is not None
        for _ in range(groups):
            promised = recorder.stdout.readline()
        recorder.send_signal(signal.SIGKILL)
        for line in recorder.stdout:
            if line.endswith("\n"):
                promised = line
    assert recorder.returncode == -signal.SIGKILL
    return int(promised)
