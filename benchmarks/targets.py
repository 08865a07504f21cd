"""What Dogwatch is to reach: ratios to others in the same run on the same machine, and a few figures by themselves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from contestants import (
    COLUMNS,
    CONTESTANTS,
    FRAMES,
    IN_PYTHON,
    PICOWS,
    PYTHON_BINANCE,
    SDK,
    TRIO_WEBSOCKET,
    UNICORN,
    WHOLE,
    Column,
)
from results import TRANSPORTS, Results


@dataclass(frozen=True, kw_only=True)
class Target:
    """`ours` is to be at most (a cost) or at least (a rate) `bound` times `other`, or `bound` itself without one."""

    text: str
    bound: float
    job: str = ""
    figure: str = ""
    ours: str = WHOLE
    other: str = ""
    load: str = ""
    """Its name among the figures of under_load.json or footprint.json, for those that another program takes."""

    @property
    def column(self) -> Column | None:
        return next((one for one in COLUMNS if (one.job, one.figure) == (self.job, self.figure)), None)

    @property
    def is_cost(self) -> bool:
        return self.column is None or self.column.is_cost

    def reached(self, value: float) -> bool:
        return value <= self.bound if self.is_cost else value >= self.bound

    def value(self, results: Results, transport: str, loads: dict[tuple[str, str], float]) -> float | None:
        if self.load:
            return loads.get((transport, self.load))
        assert self.column is not None
        if not self.other:
            return results.median(transport, self.ours, self.column)
        if self.other == BEST:
            return _to_the_best(results, transport, self.ours, self.column)
        return results.ratio(transport, self.ours, self.other, self.column)

    def in_python(self) -> Self | None:
        """The same without the compiled build, for what is measured both ways."""
        return None if self.load or self.ours != WHOLE else replace(self, ours=IN_PYTHON)


BEST = "the best complete peer"


def _to_the_best(results: Results, transport: str, ours: str, column: Column) -> float | None:
    """The ratio to whoever else of the complete ones is best in this column."""
    ratios = [
        ratio
        for one in CONTESTANTS
        if one.is_complete and one.name not in (WHOLE, IN_PYTHON)
        if (ratio := results.ratio(transport, ours, one.name, column)) is not None
    ]
    return (max if column.is_cost else min)(ratios, default=None)


def _events(kind: str) -> tuple[Target, ...]:
    job, figure = "user", f"{kind}_s"
    return (
        Target(text=f"{kind}/s, typed, to the official SDK", bound=5, job=job, figure=figure, other=SDK),
        Target(text=f"{kind}/s, typed, to {BEST}", bound=1.5, job=job, figure=figure, other=BEST),
    )


def _bare(other: str, name: str, requests: float, events: float, job: str) -> tuple[Target, ...]:
    return (
        Target(text=f"bare link: {job} requests/s to {name}", bound=requests, job=job, figure="requests_s",
               ours=FRAMES, other=other),
        Target(text=f"bare link: balances/s to {name}", bound=events, job="user", figure="balances_s",
               ours=FRAMES, other=other),
    )  # fmt: skip


TARGETS = (
    Target(text="Ed25519 p50 to the official SDK", bound=0.55, job="ed25519", figure="p50_us", other=SDK),
    Target(text="HMAC p50 to the official SDK", bound=0.55, job="hmac", figure="p50_us", other=SDK),
    Target(text="Ed25519 p50 to python-binance", bound=0.60, job="ed25519", figure="p50_us", other=PYTHON_BINANCE),
    Target(text="HMAC p50 to python-binance", bound=0.60, job="hmac", figure="p50_us", other=PYTHON_BINANCE),
    Target(text="HMAC p50 to unicorn with picows", bound=1.0, job="hmac", figure="p50_us", other=UNICORN),
    Target(text="logged-on p50 to the official SDK", bound=0.85, job="logged on", figure="p50_us", other=SDK),
    Target(text="logged-on p50 to raw trio-websocket", bound=1.0, job="logged on", figure="p50_us",
           other=TRIO_WEBSOCKET),
    Target(text="logged-on requests/s to the official SDK", bound=3.5, job="logged on", figure="requests_s",
           other=SDK),
    Target(text="logged-on requests/s to raw trio-websocket", bound=3, job="logged on", figure="requests_s",
           other=TRIO_WEBSOCKET),
    Target(text="Ed25519 requests/s to the official SDK", bound=4.5, job="ed25519", figure="requests_s", other=SDK),
    Target(text="HMAC requests/s to the official SDK", bound=4.5, job="hmac", figure="requests_s", other=SDK),
    Target(text="Ed25519 requests/s to raw trio-websocket", bound=2, job="ed25519", figure="requests_s",
           other=TRIO_WEBSOCKET),
    Target(text="HMAC requests/s to raw trio-websocket", bound=2, job="hmac", figure="requests_s",
           other=TRIO_WEBSOCKET),
    *_events("fills"),
    *_events("balances"),
    *_bare(TRIO_WEBSOCKET, "raw trio-websocket", 3.5, 9, "ed25519"),
    *_bare(PICOWS, "raw picows", 0.9, 0.9, "logged on"),
    Target(text="order p99 at 20,000 market events/s to unloaded", bound=3, load="order_p99_ratio"),
    Target(text="pong p99 at the same load, ms", bound=5, load="pong_p99_ms"),
    Target(text="import dogwatch, a fresh process, ms", bound=200, load="import import dogwatch"),
    Target(text="import of all that connects, ms", bound=200, job="any", figure="import_ms"),
    Target(text="memory after connecting, MiB", bound=45, job="any", figure="rss_mib"),
)  # fmt: skip


def _loads(folder: Path) -> dict[tuple[str, str], float]:
    """By transport and name, what programs beside this one have measured; empty without them."""
    loads: dict[tuple[str, str], float] = {}
    if (under_load := folder / "under_load.json").exists():
        for transport, figures in json.loads(under_load.read_text()).items():
            loads |= {(transport, name): value for name, value in figures.items()}
    if (footprint := folder / "footprint.json").exists():
        imports = json.loads(footprint.read_text())["imports"]
        loads |= {("plain", f"import {name}"): spent["wall_ms"] for name, spent in imports.items()}
    return loads


def rows(results: Results, folder: Path) -> list[list[str]]:
    """A row for each target: what it is, the bound, and what was found over each transport."""
    return _rows(TARGETS, results, _loads(folder))


def python_rows(results: Results) -> list[list[str]]:
    """The same for Dogwatch as it is without the compiled build."""
    return _rows([one for target in TARGETS if (one := target.in_python()) is not None], results, {})


def _rows(of_targets: Sequence[Target], results: Results, loads: dict[tuple[str, str], float]) -> list[list[str]]:
    told = []
    for target in of_targets:
        times = "" if not target.other and not target.text.endswith("unloaded") else " ×"
        row = [target.text, f"{'≤' if target.is_cost else '≥'} {target.bound:g}{times}"]
        for transport in TRANSPORTS:
            value = target.value(results, transport, loads)
            row.append("–" if value is None else f"{value:.3g}{times} {'✓' if target.reached(value) else '✗'}")
        told.append(row)
    return told
