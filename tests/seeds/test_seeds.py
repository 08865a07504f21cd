"""Simulation by seed: all goes wrong at random, processes die and come back; in the end the record is the ledger.

A failing seed is played again by `SEED=… SEEDS=1`; `make seeds` plays a thousand.
"""

import os
from pathlib import Path

import pytest

from tests.seeds.simulation import simulate

FIRST = int(os.environ.get("SEED", "0"))
SEEDS = int(os.environ.get("SEEDS", "32"))


@pytest.mark.parametrize("number", range(FIRST, FIRST + SEEDS))
def test_whatever_goes_wrong_the_record_becomes_the_ledger(number: int, tmp_path: Path) -> None:
    problems = simulate(number, tmp_path)
    assert not problems, f"play it again: SEED={number} SEEDS=1 pytest {__file__}"
