"""What all benchmarks share: the peer's process, rounds that take turns, figures, and the table that they end in."""

import argparse
import gc
import os
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import trio
import trustme

from dogwatch.actors.dialler import Dialler, tcp_dialler, tls_dialler

HOST = "localhost"
PEER = Path(__file__).with_name("peer.py")
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class PeerProcess:
    """The peer of `peer.py` on a core of its own, and how to reach it. A context manager."""

    def __init__(self, *, tls: bool) -> None:
        self.tls = tls
        self.context: ssl.SSLContext | None = None
        arguments = []
        if tls:
            authority = trustme.CA()
            self._folder = TemporaryDirectory()
            certificate = Path(self._folder.name) / "peer.pem"
            authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(certificate))
            arguments = [str(certificate)]
            self.context = ssl.create_default_context()
            authority.configure_trust(self.context)
        self._process = subprocess.Popen(
            [sys.executable, str(PEER), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._hear())
        settle_on_cores(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(5)
        self._process.stdout.close()
        if self.tls:
            self._folder.cleanup()

    @property
    def dial(self) -> Dialler:
        """A dialler of Dogwatch's for this peer."""
        if self.context is not None:
            return tls_dialler(HOST, self.port, self.context)
        return tcp_dialler(HOST, self.port)

    def prepare(self, kind: str, count: int) -> None:
        """Have events made. Blocks until they are."""
        self._say(f"blast {kind} {count}")
        assert self._hear() == "ready\n"

    def blast(self) -> None:
        """Have them sent."""
        self._say("")

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@dataclass
class Column:
    """One figure of all contestants, round by round."""

    name: str
    rounds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, contestant: str, value: float) -> None:
        self.rounds.setdefault(contestant, []).append(value)

    def cell(self, contestant: str, base: str) -> str:
        """The median over the rounds, and the median of the ratios to the base, pair by pair."""
        values = self.rounds.get(contestant)
        if not values:
            return "–"
        text = f"{statistics.median(values):,.0f}"
        bases = self.rounds.get(base)
        if contestant == base or not bases:
            return text
        ratio = statistics.median(value / other for value, other in zip(values, bases, strict=True))
        return f"{text} ({ratio:.2f}×)"

    def more(self, contestant: str, base: str) -> float:
        """The median of the differences to the base, pair by pair: what changes from round to round is in both."""
        pairs = zip(self.rounds[contestant], self.rounds[base], strict=True)
        return statistics.median(value - other for value, other in pairs)


def table(title: str, columns: Sequence[Column], *, base: str) -> str:
    """A Markdown table: a row for each contestant, ratios to the row `base`."""
    contestants = list(dict.fromkeys(name for column in columns for name in column.rounds))
    rows = [[title, *(column.name for column in columns)]]
    rows += [[name, *(column.cell(name, base) for column in columns)] for name in contestants]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of all lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def arguments(description: str, **sizes: int) -> argparse.Namespace:
    """`--rounds` and one option for each size, with these defaults."""
    parser = argparse.ArgumentParser(description=description)
    for name, default in sizes.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help=f"default {default}")
    return parser.parse_args()


def run(measure: Callable[..., Awaitable[None]], *args: object) -> None:
    """One measurement in a Trio run of its own, begun without the rubbish of the one before."""
    gc.collect()
    trio.run(partial(measure, *args))


class Stopwatch:
    """Wall time since it was made."""

    def __init__(self) -> None:
        self._began_ns = time.perf_counter_ns()

    def ns(self) -> int:
        return time.perf_counter_ns() - self._began_ns

    def us(self) -> float:
        return self.ns() / 1000

    def per_second(self, count: int) -> float:
        return count * 1e9 / self.ns()


def settle_on_cores(peer: int) -> None:
    """This process on the first core and the peer on the last: neither is moved, neither waits for the other."""
    if CORES:
        os.sched_setaffinity(peer, {CORES[-1]})
        os.sched_setaffinity(0, {CORES[0]})
