"""Every benchmark still runs, in a small size, and ends in a table with a figure in every row."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
BY_ITSELF = {"exchange.py", "growth_exchange.py"} | {
    f"{name}.py" for name in ("run", "profile_path", "under_load", "footprint", "growth")
}
"""Servers, and what takes longer than a test may."""
SMALL = {
    "runtime_hops.py": ["--rounds=1", "--messages=500"],
    "journal.py": ["--rounds=1", "--commits=30"],
    "order_book.py": ["--rounds=1", "--changes=3"],
}


def test_every_benchmark_is_known_here() -> None:
    runnable = {path.name for path in BENCHMARKS.glob("*.py") if "__main__" in path.read_text(encoding="utf-8")}
    assert runnable - BY_ITSELF == SMALL.keys()


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_runs_and_prints_its_tables(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, str(BENCHMARKS / name), *SMALL[name]], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    rows = [line.split("|")[1:-1] for line in ended.stdout.splitlines() if line.startswith("|") and "| --" not in line]
    assert rows
    for row in rows:
        assert len(row) == len(rows[0])
        assert row[0].strip()
        assert any(cell.strip(" –") for cell in row[1:])


def test_the_comparison_runs_with_those_who_are_there(tmp_path: Path) -> None:
    ended = subprocess.run(
        [
            *(sys.executable, str(BENCHMARKS / "run.py"), "--quick", "--transports=plain", f"--out={tmp_path}"),
            *("--jobs", "logged on", "user", "--only", "Dogwatch in Python"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PEERS": sys.executable},  # an interpreter without any of the others
    )
    assert ended.returncode == 0, ended.stderr
    assert max(map(len, ended.stdout.splitlines()[:-1])) <= 80
    told = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "missing: official SDK" in told
    assert all(title in told for title in ("logged on: p50", "fills/s", "import, ms"))
    assert (tmp_path / "report.svg").read_text(encoding="utf-8").endswith("</svg>\n")
