"""Whether our types fit what the documentation's examples say of each field: `field_types.json` against Structs."""

import types
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Union, get_args, get_origin

import msgspec

FITTING: Mapping[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "str": (str, Enum),
    "str:decimal": (Decimal,),
    "str:int": (Decimal,),  # an amount whose example has no decimal point
    "object": (msgspec.Struct,),
    "array": (tuple, msgspec.Struct),  # some structs are written as arrays
}
"""Type of a field in JSON → what it may be read as."""


def misfits(kind: Any, paths: Mapping[str, Mapping[str, int]], ignored: frozenset[str] = frozenset()) -> Iterator[str]:
    """Where examples have a field that `kind` does not read, or not as the JSON type that it has: one line each.

    `paths` is a path such as `$.event.B[].f` → JSON types that were seen there. What is `ignored` need not be read.
    """
    for path, seen in paths.items():
        if path in ignored:
            continue
        kinds = {part for found in _kinds_at(kind, _steps(path)) for part in _members(found)}
        if not kinds:
            yield f"{path} is not read"
        for json_type in seen:
            fitting = FITTING[json_type]
            if kinds and not any(issubclass(part, fitting) for part in kinds):
                yield f"{path} is {json_type}, and read as {', '.join(sorted(part.__name__ for part in kinds))}"


def _steps(path: str) -> list[str]:
    """`$.event.B[].f` → event, B, [], f."""
    return path.removeprefix("$").replace("[]", ".[]").strip(".").split(".") if path != "$" else []


def _kinds_at(kind: Any, steps: list[str]) -> Iterator[Any]:
    if not steps:
        yield kind
        return
    for part in _alternatives(kind):
        for inner in _below(part, steps[0]):
            yield from _kinds_at(inner, steps[1:])


def _below(kind: Any, step: str) -> Iterator[Any]:
    """The types of a struct's field, or of the items of an array."""
    config = _struct_config(kind)
    if step == "[]":
        if get_origin(kind) is tuple:
            yield from (item for item in get_args(kind) if item is not Ellipsis)
        elif config is not None and config.array_like:
            yield from (field.type for field in msgspec.structs.fields(kind))
    elif config is not None:
        if step == config.tag_field:
            yield str
        yield from (field.type for field in msgspec.structs.fields(kind) if field.encode_name == step)


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)


def _members(kind: Any) -> Iterator[type]:
    """The plain types that a type stands for."""
    for part in _alternatives(kind):
        origin = get_origin(part)
        yield origin if isinstance(origin, type) else part


def _struct_config(kind: Any) -> Any:
    """That of a struct, with or without type arguments; None for all else."""
    return getattr(get_origin(kind) or kind, "__struct_config__", None)
