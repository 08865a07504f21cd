"""The benchmark: Dogwatch, whole and in parts, beside the other clients, over plain sockets and over TLS.

Each measurement is a fresh process on a core of its own, against the exchange of `exchange.py` on another one. The
contestants take turns over some rounds; the report has medians, and ratios pair by pair. `python benchmarks/run.py
--rounds 5`; `--quick` is one round with short spans; `--only NAME …`, `--jobs NAME …` and `--transports NAME …` choose.
Interrupted, it reports the rounds that are whole. docs/performance.md says more.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import report
from compiled_build import compiled_build
from contestants import CONTESTANTS, JOBS, WHOLE, Contestant
from exchange_process import CLIENT_CORE, EXCHANGE_CORE, HERE, ExchangeProcess
from peers_environment import peers_python, versions
from results import TRANSPORTS, Results

WITHIN_S = 60.0
NAMES = [one.name for one in CONTESTANTS]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Modules are compiled once and not in each process, as on everybody's machine."""
QUICK = {"alone": 150, "span_s": 0.25, "events_max": 10_000}
LOADS = ("under_load", "footprint")
"""Programs of their own, whose figures the report reads."""
INTERRUPTED = 130
"""The exit status of what Ctrl-C has ended."""


@dataclass
class Bench:
    """All measurements of one run."""

    results: Results
    python: str
    """With the peers."""
    compiled: str
    """The folder of the compiled build; empty without one."""
    contestants: list[Contestant]
    jobs: list[str]
    sizes: dict[str, float]
    transports: list[str]
    out: Path

    def measure(self) -> None:
        for transport in self.transports:
            with ExchangeProcess(tls=transport == "tls") as exchange:
                for number in range(self.results.rounds):
                    for job in self.jobs:
                        self._turns(transport, job, number, exchange)
                    self.results.whole[transport] = number + 1

    def _turns(self, transport: str, job: str, number: int, exchange: ExchangeProcess) -> None:
        """One job for everybody who can do it, another one first in each round."""
        able = [one for one in self.contestants if job in one.jobs]
        able = able[number % len(able) :] + able[: number % len(able)] if able else []
        for one in able:
            began = time.perf_counter()
            with TemporaryDirectory(dir=self.out) as folder:  # the disk that one works on, not a memory file system
                figures = self._client(one, exchange.job(**JOBS[job], **self.sizes, folder=folder))
            if isinstance(figures, str):
                self.results.failures.append(f"{one.name}, {job}, {transport}, round {number + 1}: {figures}")
                print(self.results.failures[-1], file=sys.stderr, flush=True)
            else:
                self.results.add(transport, one.name, job, number, figures)
            took_s = time.perf_counter() - began
            progress(f"{transport}, round {number + 1} of {self.results.rounds}: {job}, {one.name} ({took_s:.1f} s)")

    def _client(self, one: Contestant, job: dict[str, object]) -> dict[str, float] | str:
        """Its figures, or why there are none."""
        python = self.python if one.package else sys.executable
        command = [python, str(HERE / "clients" / f"{one.client}.py"), json.dumps(job)]
        try:
            ended = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=WITHIN_S,
                check=False,
                env=environment(self.compiled if one.is_compiled else ""),
            )
        except subprocess.TimeoutExpired:
            return f"not ready after {WITHIN_S:.0f} s"
        lines = ended.stdout.splitlines()
        if not lines or not lines[-1].startswith("{"):
            return (ended.stderr.splitlines() or [f"exit status {ended.returncode}"])[-1]
        figures: dict[str, float] = json.loads(lines[-1])
        return figures


def environment(compiled: str) -> dict[str, str]:
    """Of a process that imports Dogwatch from this folder, if one is given."""
    return ENVIRONMENT | {"PYTHONPATH": compiled} if compiled else ENVIRONMENT


def measure_load(out: Path, compiled: str, *, rounds: int) -> None:
    """Orders and pongs under load, and what importing and running take."""
    for name in LOADS:
        more = ["--rounds", str(rounds)] if name == "under_load" else []
        command = [sys.executable, str(HERE / f"{name}.py"), *more, "--json", str(out / f"{name}.json")]
        progress(name)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False, env=environment(compiled))


def forget_load(out: Path, *, before_s: float) -> None:
    """What an earlier run has found is no part of the report of this one."""
    for name in LOADS:
        file = out / f"{name}.json"
        if file.exists() and file.stat().st_mtime < before_s:
            file.unlink()


def progress(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line[:100]}", end="", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    is_quick = os.environ.get("BENCH") == "quick"
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", 0)))
    parser.add_argument("--quick", action="store_true", default=is_quick, help="short spans, for a look")
    parser.add_argument("--only", nargs="*", default=NAMES, choices=NAMES)
    parser.add_argument("--jobs", nargs="*", default=list(JOBS), choices=list(JOBS))
    parser.add_argument("--out", type=Path, default=HERE / "results", help="where the report is written")
    parser.add_argument("--again", action="store_true", help="report what the last run has found, and measure nothing")
    parser.add_argument("--note", type=Path, help="a page of the documentation to put the figures into")
    parser.add_argument("--transports", nargs="*", default=list(TRANSPORTS), choices=list(TRANSPORTS))
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 5)
    return chosen


def main() -> None:
    chosen = arguments()
    chosen.out.mkdir(exist_ok=True)
    results, setting = report.read_again(chosen.out) if chosen.again else measured(chosen)
    report.write(results, setting, chosen.out)
    has_been_cut = results.is_interrupted and not chosen.again
    if chosen.note and not has_been_cut:
        report.note(results, setting, chosen.out, chosen.note)
    sys.exit(INTERRUPTED if has_been_cut else bool(results.failures))


def measured(chosen: argparse.Namespace) -> tuple[Results, report.Setting]:
    """Everything that was chosen, or the rounds of it that were whole when it was interrupted; and under which
    circumstances."""
    python, missing = peers_python()
    is_compiled = any(one.is_compiled for one in CONTESTANTS if one.name in chosen.only)
    compiled, why_not = compiled_build() if is_compiled else ("", "")
    found = versions(python)
    results = Results(rounds=chosen.rounds, whole=dict.fromkeys(chosen.transports, 0))
    taking_part = []
    for one in CONTESTANTS:
        if one.package in missing:
            results.missing[one.name] = missing[one.package]
        elif one.name not in chosen.only:
            continue
        elif one.name == WHOLE and not compiled:  # its parts take part in Python then, as the whole does anyway
            results.missing[one.name] = why_not
        else:
            taking_part.append(one)
    bench = Bench(
        results=results,
        python=python,
        compiled=compiled,
        contestants=taking_part,
        jobs=chosen.jobs,
        sizes=QUICK if chosen.quick else {},
        transports=chosen.transports,
        out=chosen.out,
    )
    began_s = time.time()
    try:
        bench.measure()
        progress("")
        if chosen.jobs == list(JOBS):
            measure_load(chosen.out, compiled, rounds=min(3, chosen.rounds))
    except KeyboardInterrupt:
        progress("")
        if not any(results.whole.values()):
            print("\nInterrupted before a round was whole: nothing is written.", file=sys.stderr)
            sys.exit(INTERRUPTED)
        results.interrupt()
        if chosen.jobs == list(JOBS):
            forget_load(chosen.out, before_s=began_s)
    minutes = (time.time() - began_s) / 60
    return results, report.Setting(
        minutes=minutes, cores=(CLIENT_CORE, EXCHANGE_CORE), versions=found, is_quick=chosen.quick
    )


if __name__ == "__main__":
    main()
