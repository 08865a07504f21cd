"""Writes the tables of dogwatch.actors.spot.order_tables into order_truth.md, between the markers: run it with Python.

The tests compare the page with the tables, so that neither can change alone.
"""

import re
from pathlib import Path

from dogwatch.actors.spot import order_diagram

PAGE = Path(__file__).with_name("order_truth.md")
DRAWN = {
    "life_diagram": "mermaid",
    "request_diagram": "mermaid",
    "amend_diagram": "mermaid",
    "certainty_diagram": "mermaid",
    "coupling_text": "text",
    "life_grid": "text",
}
"""Function of order_diagram.py → language of its block on the page."""


def with_tables(page: str) -> str:
    """The page with what the tables say now. Raises ValueError when a marker is missing."""
    for name, language in DRAWN.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        block = f"{begin}```{language}\n{getattr(order_diagram, name)()}\n```\n{end}"
        page, found = re.subn(f"{begin}.*?{end}", lambda _match, block=block: block, page, flags=re.DOTALL)
        if found != 1:
            raise ValueError(f"{name} has {found} places on the page, not one: {begin.strip()} … {end}")
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
