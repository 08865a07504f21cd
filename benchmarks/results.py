"""What the benchmark has found: figures by transport, contestant, job and round, and what can be said of them."""

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Self

from contestants import ANY, Column

TRANSPORTS = {"plain": "plain sockets", "tls": "TLS"}
"""And what the report calls them."""


@dataclass
class Results:
    """All figures of all rounds."""

    rounds: int
    values: dict[tuple[str, str, str, str], dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    """By transport, contestant, job and figure: round → value."""
    missing: dict[str, str] = field(default_factory=dict)
    """What could not take part, and why."""
    failures: list[str] = field(default_factory=list)
    whole: dict[str, int] = field(default_factory=dict)
    """Transport → how many rounds have come to their end."""
    is_interrupted: bool = False

    def add(self, transport: str, contestant: str, job: str, number: int, figures: dict[str, float]) -> None:
        for figure, value in figures.items():
            self.values[transport, contestant, job, figure][number] = value

    def as_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        keys = ("transport", "contestant", "job", "figure")
        figures = [{**dict(zip(keys, key, strict=True)), "rounds": rounds} for key, rounds in self.values.items()]
        return {
            "rounds": self.rounds,
            "whole": self.whole,
            "is_interrupted": self.is_interrupted,
            "missing": self.missing,
            "failures": self.failures,
            "figures": figures,
        }

    @classmethod
    def from_plain(cls, told: dict[str, Any]) -> Self:
        """What `as_plain` has told, also before it knew of interruptions."""
        results = cls(
            rounds=told["rounds"],
            missing=told["missing"],
            failures=told["failures"],
            whole=told.get("whole", {}),
            is_interrupted=told.get("is_interrupted", False),
        )
        for one in told["figures"]:
            rounds = {int(number): value for number, value in one["rounds"].items()}
            results.values[one["transport"], one["contestant"], one["job"], one["figure"]] = rounds
        return results

    def interrupt(self) -> None:
        """Leave out what a round has given that did not come to its end: not everybody had a turn in it."""
        self.is_interrupted = True
        for key, rounds in tuple(self.values.items()):
            kept = {number: value for number, value in rounds.items() if number < self.whole.get(key[0], 0)}
            if kept:
                self.values[key] = kept
            else:
                del self.values[key]

    def extent(self) -> str:
        """How many rounds these figures are of."""
        if not self.is_interrupted:
            return f"{self.rounds} round{'' if self.rounds == 1 else 's'}"
        pieces = [f"{count} of {self.rounds} rounds over {TRANSPORTS[name]}" for name, count in self.whole.items()]
        return " and ".join(pieces)

    def of(self, transport: str, contestant: str, column: Column) -> dict[int, float]:
        """Round → value. What every job tells anew is the median of all jobs of a round."""
        if column.job != ANY:
            return self.values.get((transport, contestant, column.job, column.figure), {})
        pooled: dict[int, list[float]] = defaultdict(list)
        for (at, who, _, figure), rounds in tuple(self.values.items()):
            if (at, who, figure) == (transport, contestant, column.figure):
                for number, value in rounds.items():
                    pooled[number].append(value)
        return {number: statistics.median(values) for number, values in pooled.items()}

    def median(self, transport: str, contestant: str, column: Column) -> float | None:
        values = self.of(transport, contestant, column).values()
        return statistics.median(values) if values else None

    def ratio(self, transport: str, contestant: str, other: str, column: Column) -> float | None:
        """The median of the ratios, pair by pair: what changes from round to round is in both."""
        ours, theirs = (self.of(transport, name, column) for name in (contestant, other))
        ratios = [ours[number] / theirs[number] for number in ours if number in theirs]
        return statistics.median(ratios) if ratios else None

    def busiest(self, transport: str, contestant: str) -> float | None:
        """The largest share of its core that the exchange has needed for this contestant's orders."""
        shares = [
            statistics.median(rounds.values())
            for (at, who, _, figure), rounds in self.values.items()
            if (at, who, figure) == (transport, contestant, "exchange_busy")
        ]
        return max(shares, default=None)

    def exchange_us(self, transport: str) -> float | None:
        """What an answer costs the exchange when it is asked as fast as it ever is, µs of CPU."""
        costs = [
            statistics.median(rounds.values())
            for (at, _, _, figure), rounds in self.values.items()
            if (at, figure) == (transport, "exchange_request_us")
        ]
        return min(costs, default=None)
