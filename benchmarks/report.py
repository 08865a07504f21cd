"""The report of the benchmark: for the terminal, as Markdown, as JSON, and as a picture."""

import json
import os
import platform
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import plot
import targets
from contestants import COLUMNS, CONTESTANTS, GROUPS, WHOLE, Column
from results import TRANSPORTS, Results

IN_PYTHON = "The same targets without the compiled build:"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Under which circumstances it was run."""

    minutes: float
    cores: Sequence[int | None]
    versions: dict[str, str]
    is_quick: bool


def write(results: Results, setting: Setting, folder: Path) -> None:
    """All of it; the terminal gets what is narrow enough. The figures first: the rest can be made from them again."""
    keep(results, setting, folder)
    (folder / "report.md").write_text(markdown(results, setting, folder))
    (folder / "report.svg").write_text(plot.svg(results))
    print(terminal(results, folder))
    print()
    for line in remarks(results, setting):
        print(textwrap.fill(line, 80))
    print(f"\nWritten: report.md, report.svg and figures.json in\n{folder}")


def note(results: Results, setting: Setting, folder: Path, page: Path) -> None:
    """Put what is most telling between the marks of a page of the documentation."""
    before, begin, rest = page.read_text().partition("<!-- figures: begin")
    mark, _, rest = rest.partition("-->")
    _, end, after = rest.partition("<!-- figures: end -->")
    if not end:
        raise ValueError(f"{page} has no marks for figures")
    pieces = ["\n".join(f"- {line}" for line in remarks(results, setting))]
    pieces += [
        wide(results, transport, f"medians, {TRANSPORTS[transport]}", contestants(results, transport), median)
        for transport in present(results)
    ]
    heads = ["target", "bound", "plain", "TLS"]
    pieces.append(table([heads, *targets.rows(results, folder)], is_markdown=True))
    pieces.append(IN_PYTHON)
    pieces.append(table([heads, *targets.python_rows(results)], is_markdown=True))
    page.write_text(f"{before}{begin}{mark}-->\n\n" + "\n\n".join(pieces) + f"\n\n{end}{after}")


def median(results: Results, transport: str, name: str, column: Column) -> str:
    value = results.median(transport, name, column)
    return "–" if value is None else number(value)


def terminal(results: Results, folder: Path) -> str:
    """Medians, and in brackets how many times the figure of Dogwatch they are; at most 80 columns."""
    pieces = []
    for transport in TRANSPORTS:
        for title, columns in GROUPS.items():
            heads = [
                column.title.rpartition(": ")[2].replace("requests/s, 100 in flight", "requests/s")
                for column in columns
            ]
            rows = [
                [name, *(brief(results, transport, name, column) for column in columns)]
                for name in contestants(results, transport)
                if any(results.of(transport, name, column) for column in columns)
            ]
            if rows:
                pieces.append(
                    f"{title} ({TRANSPORTS[transport]})\n" + table([["", *shortened(heads)], *rows], is_markdown=False)
                )
    heads = ["target", "bound", "plain", "TLS"]
    pieces.append("Targets\n" + table([heads, *targets.rows(results, folder)], is_markdown=False))
    pieces.append(f"{IN_PYTHON}\n" + table([heads, *targets.python_rows(results)], is_markdown=False))
    return "\n\n".join(pieces)


def shortened(heads: list[str]) -> list[str]:
    return [
        head.replace("CPU µs each, in flight", "CPU µs")
        .replace("CPU µs each", "CPU µs")
        .replace("memory after connecting, MiB", "memory, MiB")
        for head in heads
    ]


def brief(results: Results, transport: str, name: str, column: Column) -> str:
    median = results.median(transport, name, column)
    if median is None:
        return "–"
    ratio = None if name == WHOLE else results.ratio(transport, name, WHOLE, column)
    return number(median) + ("" if ratio is None else f" ({ratio:.2g}×)")


def markdown(results: Results, setting: Setting, folder: Path) -> str:
    pieces = ["# Benchmark", "\n".join(f"- {line}" for line in remarks(results, setting))]
    heads = ["target", "bound", *TRANSPORTS.values()]
    pieces += ["## Targets", table([heads, *targets.rows(results, folder)], is_markdown=True)]
    pieces += [IN_PYTHON, table([heads, *targets.python_rows(results)], is_markdown=True)]
    for transport in present(results):
        names = contestants(results, transport)
        others = [name for name in names if name != WHOLE]
        pieces += [
            f"## {TRANSPORTS[transport][0].upper()}{TRANSPORTS[transport][1:]}",
            wide(results, transport, "median (least to most)", names, cell),
            "Ratios to Dogwatch, pair by pair:",
            wide(results, transport, "times Dogwatch's", others, times),
        ]
    pieces += ["## What each of them does", "\n".join(f"- {one.name}: {one.does}." for one in CONTESTANTS)]
    return "\n\n".join(pieces) + "\n"


def wide(
    results: Results, transport: str, head: str, names: list[str], tell: Callable[[Results, str, str, Column], str]
) -> str:
    """A row for each figure that anybody has, a column for each contestant."""
    columns = [column for column in COLUMNS if any(results.of(transport, name, column) for name in names)]
    rows = [[column.title, *(tell(results, transport, name, column) for name in names)] for column in columns]
    return table([[head, *names], *rows], is_markdown=True)


def cell(results: Results, transport: str, name: str, column: Column) -> str:
    values = results.of(transport, name, column).values()
    median = results.median(transport, name, column)
    if median is None:
        return "–"
    return f"{number(median)} ({number(min(values))} to {number(max(values))})"


def times(results: Results, transport: str, name: str, column: Column) -> str:
    ratio = results.ratio(transport, name, WHOLE, column)
    return "–" if ratio is None else f"{ratio:.2f}"


def present(results: Results) -> list[str]:
    """Over what there are any figures."""
    return [transport for transport in TRANSPORTS if contestants(results, transport)]


def contestants(results: Results, transport: str) -> list[str]:
    """Who has any figures, in their order."""
    present = {name for at, name, _, _ in results.values if at == transport}
    return [one.name for one in CONTESTANTS if one.name in present]


def remarks(results: Results, setting: Setting) -> list[str]:
    """What has to be known to read the figures."""
    found = ", ".join(f"{name} {version}" for name, version in setting.versions.items())
    machine = (
        f"Python {platform.python_version()}, {os.cpu_count()} cores, client on core {setting.cores[0]}, exchange on "
        f"core {setting.cores[1]}"
    )
    extent = f"{results.extent()}, {setting.minutes:.0f} minutes"
    if results.is_interrupted:
        lines = [f"interrupted after {extent}; figures of a round that was not whole are left out", machine]
    else:
        lines = [f"{machine}, {extent}"]
    lines.append(f"the others: {found}")
    if setting.is_quick:
        lines.append("a quick run, for a look: short spans, few events")
    for transport in TRANSPORTS:
        cost_us = results.exchange_us(transport)
        if cost_us is not None:
            busy = ", ".join(
                f"{name} {share:.0%}"
                for name in contestants(results, transport)
                if (share := results.busiest(transport, name)) is not None
            )
            lines.append(
                f"{TRANSPORTS[transport]}: an answer costs the exchange {cost_us:.1f} µs; it is busy with: {busy}"
            )
    lines += [f"missing: {name}: {reason}" for name, reason in results.missing.items()]
    lines += [f"failed: {failure}" for failure in results.failures]
    return lines


def keep(results: Results, setting: Setting, folder: Path) -> None:
    """Write every figure of every round, and under which circumstances they were taken."""
    told = {"setting": asdict(setting), "results": results.as_plain()}
    (folder / "figures.json").write_text(json.dumps(told, indent=1))


def read_again(folder: Path) -> tuple[Results, Setting]:
    """What `keep` has written."""
    told = json.loads((folder / "figures.json").read_text())
    return Results.from_plain(told["results"]), Setting(**told["setting"])


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def table(rows: list[list[str]], *, is_markdown: bool) -> str:
    """The first row is the head; the first column is text, the others are figures."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = [
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in rows
    ]
    if is_markdown:
        lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(line) for line in lines)
