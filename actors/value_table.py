"""How a typed value of the exchange is shown to a person: what `dogwatch call` and `dogwatch decode` print. Pure.

A value is shown as lines of name and value, many of one kind as a table when its columns fit, else as a few lines
each. Names are those of our types; what the exchange calls them is in the JSON form (`spot/wire_form.py`).
"""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from dogwatch.actors.spot.cancel_replace import Canceled, NotAttempted, Placed, judge_parts
from dogwatch.actors.spot.enums import AttemptResult
from dogwatch.actors.spot.instant import in_us
from dogwatch.actors.spot.outcome import Failure
from dogwatch.actors.spot.results import CancelReplaceResult, OrderListReport, OrderReport
from dogwatch.actors.spot.wire_form import wire_form
from dogwatch.actors.spot.wire_names import field_name

__all__ = ["render_value"]

INDENT = "  "
EMPTY = "(empty)"
TIME_MS_MIN = 1_000_000_000_000
"""Before 2001 there was no exchange: smaller numbers of milliseconds are periods, not times."""


class CancelReplaceParts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the two parts of an order.cancelReplace, each in its own type; None for one not attempted."""

    cancel_result: AttemptResult
    new_order_result: AttemptResult
    cancel: OrderReport | OrderListReport | Failure | None
    new_order: OrderReport | Failure | None


def render_value(value: Any, *, width: int = 80) -> str:
    """The value as text of at most `width` columns, but for names and texts that are longer by themselves."""
    return "\n".join(_lines(value, width))


def _parts(result: CancelReplaceResult) -> CancelReplaceParts:
    outcome = judge_parts(result)
    cancel, placing = outcome.cancel, outcome.placing
    return CancelReplaceParts(
        cancel_result=result.cancel_result,
        new_order_result=result.new_order_result,
        cancel=cancel.report if isinstance(cancel, Canceled) else _attempted(cancel),
        new_order=placing.report if isinstance(placing, Placed) else _attempted(placing),
    )


def _attempted(part: Failure | NotAttempted) -> Failure | None:
    return None if isinstance(part, NotAttempted) else part


def _lines(value: Any, width: int) -> Iterator[str]:
    if isinstance(value, CancelReplaceResult):
        yield from _struct_lines(_parts(value), width)
    elif isinstance(value, msgspec.Struct):
        yield from _struct_lines(value, width)
    elif _is_listing(value):
        yield from _listing_lines(value, width)
    else:
        yield _text(value)


def _struct_lines(value: msgspec.Struct, width: int) -> Iterator[str]:
    members = _members(value)
    if not members:
        yield "nothing to say: it worked"
        return
    column = max(len(name) for name in members) + 2
    for name, member in members.items():
        if _is_plain(member):
            yield from _pair(name.ljust(column), _text(member) + _date(name, member), width)
        else:
            yield name
            yield from _indented(_lines(member, width - len(INDENT)), INDENT)


def _pair(name: str, text: str, width: int) -> list[str]:
    room = max(width - len(name), 20)
    pieces = textwrap.wrap(text, room, break_long_words=False) or [EMPTY]
    return [name + pieces[0], *(" " * len(name) + piece for piece in pieces[1:])]


def _listing_lines(values: Sequence[Any], width: int) -> Iterator[str]:
    if not values:
        yield "(none)"
    elif not all(isinstance(value, msgspec.Struct) for value in values):
        for value in values:
            yield from _lines(value, width)
    else:
        one_by_one = _struct_lines(values[0], width) if len(values) == 1 else _blocks(values, width)
        yield from _table(values, width) or one_by_one


def _table(values: Sequence[msgspec.Struct], width: int) -> list[str]:
    """One line for each value; empty when that does not fit."""
    rows = [_members(value) for value in values]
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not all(_is_plain(member) for row in rows for member in row.values()):
        return []
    texts = [[_text(row[name]) if name in row else "" for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *texts, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) > width:
        return []
    is_number = [all(_is_number(row.get(name)) for row in rows) for name in names]
    return [
        "  ".join(
            cell.rjust(size) if right else cell.ljust(size)
            for cell, size, right in zip(row, widths, is_number, strict=True)
        ).rstrip()
        for row in (names, *texts)
    ]


def _blocks(values: Sequence[msgspec.Struct], width: int) -> Iterator[str]:
    """A few lines for each value: what is plain side by side, the rest below."""
    for number, value in enumerate(values, start=1):
        if number > 1:
            yield ""
        members = _members(value)
        plain = {
            name: f"{_text(member) or EMPTY}{_date(name, member)}"
            for name, member in members.items()
            if _is_plain(member)
        }
        yield from _packed([f"{name} {text}" for name, text in plain.items()], width)
        for name, member in members.items():
            if name not in plain:
                yield INDENT + name
                yield from _indented(_lines(member, width - 2 * len(INDENT)), 2 * INDENT)


def _packed(pairs: Sequence[str], width: int) -> Iterator[str]:
    line = ""
    for pair in pairs:
        longer = f"{line}  {pair}" if line else pair
        if line and len(longer) > width:
            yield line
            longer = INDENT + pair
        *whole, line = _wrapped(longer, width)
        yield from whole
    if line:
        yield line


def _wrapped(line: str, width: int) -> list[str]:
    """A line of one pair that may be longer than the room that there is, the rest below its value."""
    if len(line) <= width:
        return [line]
    below = 2 * INDENT
    return textwrap.wrap(line, width, subsequent_indent=below, break_long_words=False, break_on_hyphens=False)


def _indented(lines: Iterable[str], by: str) -> Iterator[str]:
    return (by + line if line else line for line in lines)


def _members(value: msgspec.Struct) -> dict[str, Any]:
    """What it says, without what was not there; first what tells it from its like, such as the name of a filter."""
    members = {name: getattr(value, name) for name in value.__struct_fields__}
    present = {name: member for name, member in members.items() if member is not None and member is not msgspec.UNSET}
    return _kind(value) | present


def _kind(value: msgspec.Struct) -> dict[str, Any]:
    config = value.__struct_config__
    # An event's type is its own name already, and those for what is unknown have a tag that is ours.
    if config.tag_field is None or len(config.tag_field) == 1 or config.tag == type(value).__name__:
        return {}
    return {field_name(config.tag_field): config.tag}


def _is_listing(value: Any) -> bool:
    return isinstance(value, (tuple, list))


def _is_plain(value: Any) -> bool:
    """Whether one line says it."""
    if _is_listing(value):
        return bool(value) and all(_is_plain(item) and not _is_listing(item) for item in value)
    return not isinstance(value, msgspec.Struct)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, Decimal)) and not isinstance(value, bool))


def _text(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return str(wire_form(value))
    if _is_listing(value):
        return ", ".join(_text(item) for item in value)
    text = bytes(value).decode("utf-8", "replace") if isinstance(value, (bytes, msgspec.Raw)) else str(value)
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(character: str) -> str:
    """What would move a terminal's cursor, or worse, is shown and not done."""
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _date(name: str, value: Any) -> str:
    """Behind a time of the exchange: the same for people."""
    if not name.endswith("_ms") or not isinstance(value, int) or value < TIME_MS_MIN:
        return ""
    us = in_us(value)
    try:
        moment = datetime.fromtimestamp(us // 1_000_000, UTC)
    except (OverflowError, ValueError, OSError):
        return ""  # further away than calendars reach
    fraction = f"{us % 1_000_000:06d}" if us % 1000 else f"{us % 1_000_000 // 1000:03d}"
    return f"  ({moment:%Y-%m-%d %H:%M:%S}.{fraction} UTC)"
