"""The tables of `order_tables.py` as text for people: a Mermaid diagram of the moves, and a grid of every pair.

The documentation is built from these, so it cannot differ from what the code does.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from dogwatch.actors.spot.order_tables import AMEND, CERTAINTY, COUPLED, LIFE, REQUEST, Signal

S = TypeVar("S", bound=StrEnum)

Table = Mapping[S, Mapping[Signal, S]]


def life_diagram() -> str:
    """LIFE as a Mermaid state diagram."""
    return mermaid(LIFE)


def request_diagram() -> str:
    """REQUEST as a Mermaid state diagram. When the order has closed it is NONE again, whatever it was."""
    return mermaid(REQUEST)


def amend_diagram() -> str:
    """AMEND as a Mermaid state diagram. When the order has closed it is NONE again, whatever it was."""
    return mermaid(AMEND)


def certainty_diagram() -> str:
    """CERTAINTY as a Mermaid state diagram. On top of it stand `coupling_text` and: a closed order is KNOWN."""
    return mermaid(CERTAINTY)


def life_grid() -> str:
    """Every pair of LIFE: one line per signal, one column per life, a dot where the pair is a mistake of ours."""
    return grid(LIFE)


def coupling_text() -> str:
    """COUPLED as a table: life, request, amend and the certainty that follows."""
    return columns(
        [["life", "request", "amend", "certainty"], *([*answers, word] for answers, word in COUPLED.items())]
    )


def mermaid(table: Table[S]) -> str:
    """A Mermaid state diagram: an arrow for every move that leads to another state, with all signals that cause it."""
    first = next(iter(table))
    lines = ["stateDiagram-v2", f"    [*] --> {first}"]
    reached = {first}
    for state, moves in table.items():
        for target in table:
            signals = [signal for signal, moved_to in moves.items() if moved_to is target and target is not state]
            if signals:
                lines.append(f"    {state} --> {target}: {', '.join(signals)}")
                reached.add(target)
    lines += [f"    {state}" for state in table if state not in reached]
    return "\n".join(lines)


def grid(table: Table[S]) -> str:
    """All pairs of states and signals, in columns of equal width."""
    header = ["", *(str(state) for state in table)]
    rows = [[str(signal), *(str(table[state].get(signal, ".")) for state in table)] for signal in Signal]
    return columns([header, *rows])


def columns(lines: Sequence[Sequence[str]]) -> str:
    """Lines of equally many cells, one under the other."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
