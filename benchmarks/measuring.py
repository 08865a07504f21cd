"""What the benchmarks of single parts share: figures of rounds that take turns, and the table that they end in."""

import argparse
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import trio


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
