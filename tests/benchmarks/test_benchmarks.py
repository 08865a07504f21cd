"""Every benchmark still runs, in a small size, and ends in a table with a figure in every row."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SMALL = {
    "order_path.py": ["--rounds=1", "--alone=3", "--in-flight=2", "--together=4"],
    "event_path.py": ["--rounds=1", "--fills=3", "--quotes=3", "--trades=3"],
    "runtime_hops.py": ["--rounds=1", "--messages=500"],
    "journal.py": ["--rounds=1", "--commits=30"],
    "order_book.py": ["--rounds=1", "--changes=3"],
}


def test_every_benchmark_is_known_here() -> None:
    runnable = {path.name for path in BENCHMARKS.glob("*.py") if "__main__" in path.read_text(encoding="utf-8")}
    assert runnable - {"peer.py"} == SMALL.keys()


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_runs_and_prints_its_tables(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, str(BENCHMARKS / name), *SMALL[name]], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    if name == "order_path.py":
        assert re.findall(r"At level (\w+) the journal costs -?\d+ µs p50", ended.stdout) == ["process", "host"] * 2
    rows = [line.split("|")[1:-1] for line in ended.stdout.splitlines() if line.startswith("|") and "| --" not in line]
    assert rows
    for row in rows:
        assert len(row) == len(rows[0])
        assert row[0].strip()
        assert any(cell.strip(" –") for cell in row[1:])
