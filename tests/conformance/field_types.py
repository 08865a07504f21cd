"""Where a type of ours expects which kind of JSON value, in the notation of field_types.json (`$.result[].price` is
`str:decimal`), and whether that fits what the documentation's examples have there."""

import types
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

import msgspec

Owner = tuple[type, str]
"""A struct and the name of one of its fields."""


class Place(NamedTuple):
    """A path, what may stand there, and whose it is: of no field where it is what all belongs to, or a tag."""

    path: str
    kinds: frozenset[str]
    owner: Owner | None


_SCALARS: tuple[tuple[type, frozenset[str]], ...] = (
    (bool, frozenset({"bool"})),
    (int, frozenset({"int"})),
    (Decimal, frozenset({"str:decimal", "str:int"})),  # an amount may come without a decimal point
    (Enum, frozenset({"str"})),
    (str, frozenset({"str", "str:int"})),  # a name may consist of digits
    (type(None), frozenset({"null"})),
)


def misfits(places_: Iterator[Place], paths: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Where examples have a field that is not read, or not as the JSON type that it has: one line each.

    `paths` is a path such as `$.event.B[].f` → JSON types that were seen there, and how often.
    """
    ours: dict[str, frozenset[str]] = {}
    for place in places_:
        ours[place.path] = ours.get(place.path, frozenset()) | place.kinds
    misfit = {path: seen.keys() - ours.get(path, frozenset()) for path, seen in paths.items()}
    return [
        f"{path} is {sorted(kinds)}, and read as {sorted(ours.get(path, ()))}"
        for path, kinds in misfit.items()
        if kinds
    ]


def places(
    kind: Any, path: str = "$", *, raw: Mapping[Owner, Any] | None = None, owner: Owner | None = None
) -> Iterator[Place]:
    """Every place of a value of this type. `raw` says what stands in fields that are kept as raw JSON; the others of
    that kind have no places within."""
    raw = raw or {}
    origin = get_origin(kind)
    if kind is msgspec.Raw:
        if owner is not None and owner in raw:
            yield from places(raw[owner], path, raw=raw, owner=owner)
    elif origin is Annotated:
        yield from places(get_args(kind)[0], path, raw=raw, owner=owner)
    elif origin in (types.UnionType, Union):
        for member in get_args(kind):
            yield from places(member, path, raw=raw, owner=owner)
    elif origin is tuple:
        yield Place(path, frozenset({"array"}), owner)
        yield from places(get_args(kind)[0], f"{path}[]", raw=raw, owner=owner)
    elif issubclass(origin or kind, msgspec.Struct):
        yield from _struct_places(kind, path, raw, owner)
    else:
        yield Place(path, next(kinds for scalar, kinds in _SCALARS if issubclass(kind, scalar)), owner)


def _struct_places(kind: Any, path: str, raw: Mapping[Owner, Any], owner: Owner | None) -> Iterator[Place]:
    struct = get_origin(kind) or kind
    if "raw" in struct.__struct_fields__:  # it stands for what is in no documentation
        return
    config = struct.__struct_config__
    yield Place(path, frozenset({"array" if config.array_like else "object"}), owner)
    if config.tag_field is not None:
        yield Place(f"{path}.{config.tag_field}", frozenset({"str"}), None)
    for field in _fields(kind):
        inner = f"{path}[]" if config.array_like else f"{path}.{field.encode_name}"
        yield from places(field.type, inner, raw=raw, owner=(struct, field.name))


@cache
def _fields(kind: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)
