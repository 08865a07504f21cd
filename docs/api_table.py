"""Writes the table of all methods into api.md, between the markers: run it with Python.

The tests compare the page with the declarations, so that neither can change alone.
"""

import re
from pathlib import Path
from typing import Any, get_args

from dogwatch.actors.spot.methods import Security
from dogwatch.actors.spot.request import Request
from dogwatch.actors.spot.requests import REQUESTS
from dogwatch.actors.spot_client import Asks, Spot

PAGE = Path(__file__).with_name("api.md")
BEGIN, END = "<!-- begin methods -->\n", "<!-- end methods -->"
HEAD = "| method, and over REST | function and result | weight | needs |\n|---|---|---|---|\n"
PREFIX = "/api/v3"
NEEDS = {
    Security.NONE: "",
    Security.USER_DATA: "key",
    Security.TRADE: "key that may trade",
    Security.USER_STREAM: "session",
    Security.SIGNED: "signature",
}
CHEAP_AND_DEAR: tuple[dict[str, Any], ...] = (
    {},
    {"symbol": "A", "limit": 1, "preventedMatchId": 1},
    {"symbols": ["A"] * 200, "limit": 5000, "orderId": 1, "computeCommissionRates": True},
    {"orderId": 1},
)
"""Parameters by which a weight is smallest and largest."""

FUNCTIONS: dict[Any, str] = {asks.request: name for name, asks in vars(Spot).items() if isinstance(asks, Asks)}


def row(request: type[Request[Any]]) -> str:
    """What is declared of one method."""
    declaration = request.declaration
    name = FUNCTIONS.get(request)
    endpoint = declaration.endpoint
    cells = (
        f"`{declaration.method}`" + (f"<br>`{endpoint.verb} {endpoint.path.removeprefix(PREFIX)}`" if endpoint else ""),
        f"`{name}` → {result_of(request)}" if name else "the session's own",
        weight_of(request),
        NEEDS[declaration.security],
    )
    return f"| {' | '.join(cells)} |\n"


def result_of(request: type[Request[Any]]) -> str:
    """`BookSnapshot`, several `Candle`, `OrderReport` or `OrderListReport`."""
    (kind,) = get_args(request.__orig_bases__[0])  # type: ignore[attr-defined] # typing sets it
    members = [member for member in get_args(kind) if member is not ...]
    if isinstance(kind, type) and not members:
        return f"`{kind.__name__}`"
    alternatives = get_args(members[0]) or members if len(members) == 1 else members
    names = " or ".join(f"`{member.__name__}`" for member in alternatives)
    return f"several {names}" if len(members) == 1 else names


def weight_of(request: type[Request[Any]]) -> str:
    """`20`, `5 to 250`, and whether a success is free."""
    declaration = request.declaration
    weights = sorted({declaration.weight_of(params) for params in CHEAP_AND_DEAR})
    text = str(weights[0]) if len(weights) == 1 else f"{weights[0]} to {weights[-1]}"
    orders = f", {declaration.orders} order{'s' * (declaration.orders > 1)}" if declaration.orders else ""
    return text + (", 0 if it succeeds" if declaration.is_free_on_success else "") + orders


def with_table(page: str) -> str:
    """The page with what the declarations say now. Raises ValueError when a marker is missing."""
    block = f"{BEGIN}{HEAD}{''.join(row(request) for request in REQUESTS)}{END}"
    page, found = re.subn(f"{BEGIN}.*?{END}", lambda _match: block, page, flags=re.DOTALL)
    if found != 1:
        raise ValueError(f"the table has {found} places on the page, not one: {BEGIN.strip()} … {END}")
    return page


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
