"""Writing values as the exchange writes them, for people and programs that know its names.

Nothing on the way of an order needs it: requests have a faster way of their own (`request.py`).
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

import msgspec

from dogwatch.actors.spot.errors import ExchangeError
from dogwatch.actors.spot.instant import Instant
from dogwatch.actors.spot.stream_events import Book

# What we know besides of what was sent.
_ADDED_HERE: Mapping[type, frozenset[str]] = {ExchangeError: frozenset({"status"}), Book: frozenset({"symbol"})}

_NOTHING = msgspec.Raw(b"")
_PLACES_MAX = 100
"""No amount of the exchange has so many. What has would be written with as many zeros: an exponent is shorter."""


def wire_form(value: Any) -> Any:
    """Return what the JSON of a result, an event or a frame was: dicts, lists, texts, numbers, booleans and None under
    the exchange's names.

    Decimals become text with every digit that came, times are as exact as they came. What is None where the exchange
    leaves out what does not apply is left out, other Nones are null. What is raw JSON within becomes its value, and so
    does what nobody knew (`UnknownEvent`, `UnknownFilter`). TypeError for what is none of our values.
    """
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, msgspec.Struct):
        return _struct_form(value)
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"a {type(value).__name__} is nothing that the exchange sends")


def _as_it_is(value: Any) -> Any:
    return value


def _amount(number: Decimal) -> str:
    return format(number, "f") if abs(number.adjusted()) <= _PLACES_MAX else str(number)


_WRITERS: dict[type, Callable[[Any], Any]] = {
    type(None): _as_it_is,
    bool: _as_it_is,
    int: _as_it_is,
    float: _as_it_is,
    str: _as_it_is,
    Decimal: _amount,
    Instant: lambda instant: instant.us,
    msgspec.Raw: lambda raw: msgspec.json.decode(raw),
    tuple: lambda items: [wire_form(item) for item in items],
    list: lambda items: [wire_form(item) for item in items],
    dict: lambda members: {str(wire_form(name)): wire_form(member) for name, member in members.items()},
}


class _Field(msgspec.Struct, frozen=True):
    name: str
    wire: str
    is_optional: bool


@cache
def _fields_of(kind: type[msgspec.Struct]) -> tuple[_Field, ...]:
    added = _ADDED_HERE.get(kind, frozenset())
    return tuple(
        _Field(name=field.name, wire=field.encode_name, is_optional=field.default is None)
        for field in msgspec.structs.fields(kind)
        if field.name not in added
    )


def _struct_form(value: msgspec.Struct) -> Any:
    raw = getattr(value, "raw", None)
    if isinstance(raw, bytes) and raw:
        return msgspec.json.decode(raw)
    config, fields = value.__struct_config__, _fields_of(type(value))
    if config.array_like:
        return [wire_form(getattr(value, field.name)) for field in fields]
    form = {config.tag_field: config.tag} if config.tag_field is not None else {}
    for field in fields:
        member = getattr(value, field.name)
        if not _is_absent(member, field):
            form[field.wire] = wire_form(member)
    return form


def _is_absent(member: Any, field: _Field) -> bool:
    return (member is None and field.is_optional) or member is msgspec.UNSET or member == _NOTHING
