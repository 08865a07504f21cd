"""How orders are shown to a person: what `dogwatch orders` prints. Pure; where the orders come from is its command's.

No line is wider than 80 columns: an order's id alone may take 36 of them, so what it is stands below it.
"""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from dogwatch.actors.spot.order import ZERO, Amend, Order, Request

COLUMNS = 80
DETAIL_LINES_MAX = 4
HEADINGS = ("order", "state", "certainty", "age")
HISTORY_HEADINGS = ("time (UTC)", "state", "certainty", "filled", "evidence")

REQUEST_WORDS = {Request.CANCELING: "a cancel is on its way", Request.IN_DOUBT: "a cancel is in doubt"}
AMEND_WORDS = {Amend.AMENDING: "is on its way", Amend.IN_DOUBT: "is in doubt"}


def render_orders(orders: Iterable[Order], *, now_ms: int) -> str:
    """The orders, oldest first, three lines or so for each; "" for none. `now_ms` is what ages are counted from."""
    listed = sorted(orders, key=lambda order: order.created_ms)
    if not listed:
        return ""
    rows = [
        (order.client_order_id, order.life, certainty_of(order), age(now_ms - order.created_ms)) for order in listed
    ]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    lines = [_row(HEADINGS, widths)]
    for order, row in zip(listed, rows, strict=True):
        lines += [_row(row, widths), *details(order, now_ms=now_ms)]
    return "\n".join(lines)


def render_history(snapshots: Sequence[Order], *, now_ms: int) -> str:
    """One order through its snapshots, oldest first: what it is, and then one line for each change, with what it rests
    on. Raises ValueError for no snapshot at all."""
    if not snapshots:
        raise ValueError("an order's history has one snapshot at least")
    latest = snapshots[-1]
    lines = [latest.client_order_id, *details(latest, now_ms=now_ms), ""]
    rows = [
        (moment(order.updated_ms), order.life, certainty_of(order), plain(order.filled_quantity), step(earlier, order))
        for earlier, order in zip((None, *snapshots), snapshots, strict=False)
    ]
    widths = [max(map(len, column)) for column in zip(HISTORY_HEADINGS, *rows, strict=True)]
    date = ""
    lines.append(_row(HISTORY_HEADINGS, widths))
    for order, row in zip(snapshots, rows, strict=True):
        if day(order.updated_ms) != date:
            date = day(order.updated_ms)
            lines.append(date)
        lines += _history_row(row, widths)
    return "\n".join(lines)


def summary(orders: Iterable[Order], *, ended_max: int) -> str:
    """The line below a list that has so many orders at most that have ended."""
    orders = list(orders)
    live = [order for order in orders if not order.is_closed]
    unknown = sum(order.is_unknown for order in live)
    doubt = f", {unknown} of them UNKNOWN" if unknown else ""
    shown = len(orders) - len(live)
    ended = f", {shown} ended" if shown < ended_max else f", and the newest {shown} that ended"
    return f"{len(live)} live{doubt}{ended if ended_max else ''}"


def step(earlier: Order | None, order: Order) -> str:
    """What a change rests on, and what the columns of a history do not tell of it: terms that changed, a reason."""
    texts = [evidence_of(order)]
    if order.amend_quantity is not None and (earlier is None or earlier.amend_quantity != order.amend_quantity):
        texts.append(f"to {plain(order.amend_quantity)}")
    if order.quantity is not None and earlier is not None and order.quantity != earlier.quantity:
        texts.append(f"the quantity is {plain(order.quantity)}")
    if order.reason and (earlier is None or earlier.reason != order.reason):
        texts.append(order.reason)
    return ": ".join(texts)


def details(order: Order, *, now_ms: int) -> list[str]:
    """What an order is, what is known of it and why, in lines below its id."""
    evidence = f"{evidence_of(order)}, {age(now_ms - order.updated_ms)} ago" if order.updated_ms else evidence_of(order)
    lines = []
    for text in (terms(order), *states_in_words(order, now_ms=now_ms), evidence, order.reason):
        if text:
            lines += textwrap.wrap(
                text,
                COLUMNS,
                initial_indent="  ",
                subsequent_indent="    ",
                max_lines=DETAIL_LINES_MAX,
                placeholder=" …",
            )
    return lines


def terms(order: Order) -> str:
    """What was ordered, how much of it is filled, and what the exchange calls it:
    SELL 0.001 BTCUSDT at 39440.5, LIMIT_MAKER, 0.0004 filled, orderId 70."""
    if order.quantity is not None:
        what = f"{plain(order.quantity)} {order.symbol}"
    else:
        what = f"{order.symbol} for {plain(order.quote_quantity or ZERO)} of the quote asset"
    price = "" if order.price is None else f" at {plain(order.price)}"
    filled = f", {plain(order.filled_quantity)} filled" if order.filled_quantity else ""
    number = "" if order.order_id is None else f", orderId {order.order_id}"
    return f"{order.side} {what}{price}, {order.type}{filled}{number}"


def states_in_words(order: Order, *, now_ms: int) -> Iterator[str]:
    """What else is going on with an order than its life says."""
    if order.request in REQUEST_WORDS:
        yield REQUEST_WORDS[order.request]
    if order.amend in AMEND_WORDS and order.amend_quantity is not None:
        yield f"an amend to {plain(order.amend_quantity)} {AMEND_WORDS[order.amend]}"
    if order.unknown_since_ms is not None:
        yield f"unknown for {age(now_ms - order.unknown_since_ms)}"


def certainty_of(order: Order) -> str:
    """In capitals when it should be noticed."""
    return "UNKNOWN" if order.is_unknown else "known"


def evidence_of(order: Order) -> str:
    """What the snapshot rests on."""
    return order.evidence.strip() or "nothing yet"


def age(ms: int) -> str:
    """A span of time in the unit that suits it; clocks may differ, so none is below zero."""
    seconds = max(0, ms) // 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def plain(amount: Decimal) -> str:
    """An amount without idle zeros and without an exponent."""
    return f"{amount.normalize():f}"


def moment(ms: int) -> str:
    """The time of the day, to the millisecond."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%H:%M:%S}.{ms % 1000:03}"


def day(ms: int) -> str:
    """The date."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d}"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _history_row(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Evidence that is too long goes on below itself."""
    *cells, evidence = row
    head = _row(cells, widths[:-1])
    indent = sum(widths[:-1]) + 2 * len(cells)
    return textwrap.wrap(
        evidence, COLUMNS, initial_indent=f"{head:<{indent}}", subsequent_indent=" " * indent, drop_whitespace=True
    )
