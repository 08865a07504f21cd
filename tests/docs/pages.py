"""The documentation as the tests read it: pages, headings, links, fenced blocks, tables. No Sphinx needed."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

DOCS = Path(__file__).parents[2] / "docs"

HEADING = re.compile(r"^#{1,6} +(?P<text>.+)$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\n]*)\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<language>[^\n]*)\n(?P<body>.*?)^(?P=ticks)\s*$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\|(?P<cells>.+)\|$", re.MULTILINE)
CODE = re.compile(r"`(?P<text>[^`\n]+)`")


class Block(msgspec.Struct, frozen=True):
    """A fenced block: what stands behind the ticks, and what is in it."""

    language: str
    body: str


class Page:
    """One page. `prose` is its text without fenced blocks."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.text = path.read_text(encoding="utf-8")
        self.blocks = [Block(match["language"].strip(), match["body"]) for match in FENCE.finditer(self.text)]
        self.prose = FENCE.sub("", self.text)

    def __repr__(self) -> str:
        return self.name

    @property
    def anchors(self) -> set[str]:
        """What `page.md#anchor` may name: the headings as GitHub and MyST spell them."""
        return {slug(match["text"]) for match in HEADING.finditer(self.prose)}

    @property
    def links(self) -> list[str]:
        """The targets of all links outside of code."""
        return [match["target"] for match in LINK.finditer(CODE.sub("", self.prose)) if match["target"]] + [
            match["target"] for match in LINK.finditer(self.prose) if "`" in match["text"]
        ]

    @property
    def codes(self) -> set[str]:
        """Everything between backticks."""
        return {match["text"] for match in CODE.finditer(self.prose)}

    def section(self, heading: str) -> str:
        """The prose below a heading, up to the next one of the same level."""
        start = re.search(rf"^(#+) +{re.escape(heading)}$", self.prose, re.MULTILINE)
        assert start is not None, f"{self.name} has no heading {heading!r}"
        end = re.search(rf"^#{{1,{len(start[1])}}} ", self.prose[start.end() :], re.MULTILINE)
        return self.prose[start.end() :][: end.start() if end else None]

    def rows(self) -> Iterator[list[str]]:
        """The cells of every line of every table."""
        for match in ROW.finditer(self.prose):
            yield [cell.strip() for cell in match["cells"].split(" | ")]


def slug(heading: str) -> str:
    """The anchor of a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower())
    return kept.replace(" ", "-")


def pages() -> dict[str, Page]:
    """Every page by its name."""
    return {path.stem: Page(path) for path in sorted(DOCS.glob("*.md"))}
