"""A supervision tree to look at: snapshots that JSON can hold, and their text in 80 columns."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from dogwatch.runtime.mailbox_statistics import MailboxStatistics

HEADINGS = ("state", "life", "restarts", "queued", "oldest")
SUMMARY_HEADING = "now"
NAME_COLUMNS_MIN = 12
SUMMARY_COLUMNS_MIN = 4


class TreeNode(msgspec.Struct, frozen=True, kw_only=True):
    """One member of the tree at one moment. `depth` and `oldest_message_age_s` are its mailbox's."""

    name: str
    path: str
    kind: Literal["actor", "supervisor"]
    state: str
    life: int
    restarts: int
    depth: int = 0
    oldest_message_age_s: float = 0.0
    last_error: str | None = None
    mailbox: MailboxStatistics | None = None
    statistics: dict[str, Any] = {}
    summary: str = ""
    children: tuple["TreeNode", ...] = ()

    def walk(self) -> Iterator["TreeNode"]:
        """This node and everything below it, in start order."""
        yield self
        for child in self.children:
            yield from child.walk()


def render(node: TreeNode, *, width: int = 80) -> str:
    """The tree as text, no line wider than `width`; a last error stands in a line of its own below its actor.

    What actors say of themselves stands in the last column, as far as there is room.
    """
    lines = list(_lines(node, "", ""))
    rows = [cells for _, cells, _, _ in lines]
    widths = [max(len(heading), *(len(row[i]) for row in rows)) for i, heading in enumerate(HEADINGS)]
    figures_width = sum(widths) + 2 * len(widths)
    longest_name = max(len("name"), *(len(label) for label, *_ in lines))
    name_width = max(NAME_COLUMNS_MIN, min(longest_name, width - figures_width))
    heading = SUMMARY_HEADING if any(summary for *_, summary in lines) else ""
    room = width - name_width - figures_width - 2
    text = [_row("name", HEADINGS, name_width, widths) + _summary(heading, room)]
    for label, cells, note, summary in lines:
        text.append(_row(label, cells, name_width, widths) + _summary(summary, room))
        if note:
            text.append(_shortened(note, width))
    return "\n".join(line[:width].rstrip() for line in text)


def _lines(node: TreeNode, first: str, rest: str) -> Iterator[tuple[str, tuple[str, ...], str, str]]:
    is_actor = node.kind == "actor"
    cells = (
        node.state,
        str(node.life),
        str(node.restarts),
        str(node.depth) if is_actor else "",
        _age(node.oldest_message_age_s) if node.depth else "",
    )
    stem = rest + ("│  " if node.children else "   ")
    note = f"{stem}! {' '.join(node.last_error.split())}" if node.last_error else ""
    yield first + node.name, cells, note, " ".join(node.summary.split())
    for position, child in enumerate(node.children, 1):
        is_last = position == len(node.children)
        yield from _lines(child, rest + ("└─ " if is_last else "├─ "), rest + ("   " if is_last else "│  "))


def _row(label: str, cells: tuple[str, ...], name_width: int, widths: list[int]) -> str:
    state, *figures = cells
    numbers = "  ".join(figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True))
    return f"{_shortened(label, name_width).ljust(name_width)}  {state.ljust(widths[0])}  {numbers}"


def _summary(text: str, room: int) -> str:
    return f"  {_shortened(text, room)}" if room >= SUMMARY_COLUMNS_MIN else ""


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _age(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
