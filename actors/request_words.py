"""A request as somebody types it: a method, and parameters as `name=value`. Pure; what it may be sent to is decided
elsewhere.
"""

import re
import types
import typing
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.requests import Request, request_of
from dogwatch.runtime.config import did_you_mean
from dogwatch.runtime.errors import ConfigError

__all__ = ["read_request"]

MISSING = re.compile(r"missing required field `([^`]*)`")
BOUND = re.compile(r"[<>]=? \S+$")
EXPECTED = {int: "a whole number", Decimal: "a number", bool: "true or false"}


def read_request(method: str, words: Iterable[str]) -> Request[Any]:
    """The request of a method such as `order.place`, with parameters such as `symbol=BTCUSDT`.

    Names are the exchange's (`origClientOrderId`), or ours (`orig_client_order_id`). Several values of one parameter
    are separated by commas. Raises ConfigError for an unknown method or parameter, a missing one, and a value that
    cannot be one, with what there is instead.
    """
    kind = _request_of(method)
    fields = msgspec.structs.fields(kind)
    wires = {field.encode_name: field for field in fields}
    ours = {field.name: field for field in fields}
    values: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise ConfigError(word, "is no parameter", hint=f"write NAME=VALUE; {_usage(kind)}")
        field = wires.get(name) or ours.get(name)
        if field is None:
            hint = did_you_mean(name, wires) or _usage(kind)
            raise ConfigError(name, f"{method} has no such parameter", hint=hint)
        if field.encode_name in values:
            raise ConfigError(name, "is given twice", hint="several values of one parameter are separated by commas")
        values[field.encode_name] = _value(text, field)
    return _made(kind, values)


def _request_of(method: str) -> type[Request[Any]]:
    name = method.removeprefix("v3/")
    if name not in set(Method):
        hint = did_you_mean(name, [str(known) for known in Method]) or "docs/api.md lists all methods"
        raise ConfigError(method, "the exchange has no such method", hint=hint)
    return request_of(Method(name))


def _value(text: str, field: msgspec.structs.FieldInfo) -> Any:
    kinds = set(_kinds(field.type))
    if tuple in kinds:
        return [part.strip() for part in text.strip("[]").replace('"', "").split(",")]
    words = [word for kind in kinds for word in _words(kind)]
    if words and text not in words:
        raise ConfigError(field.encode_name, f"there is no {text!r}", hint=f"one of {', '.join(words)}")
    return text


def _kinds(annotation: Any) -> Iterable[Any]:
    origin = typing.get_origin(annotation)
    if origin is types.UnionType or origin is typing.Union:
        for member in typing.get_args(annotation):
            yield from _kinds(member)
    elif origin is typing.Annotated:
        yield from _kinds(annotation.__origin__)
    else:
        yield annotation if origin is typing.Literal else origin or annotation


def _words(kind: Any) -> Iterable[str]:
    """What there is to choose from; nothing for a parameter that may be anything."""
    if typing.get_origin(kind) is typing.Literal:
        return map(str, typing.get_args(kind))
    return kind if isinstance(kind, type) and issubclass(kind, StrEnum) else ()


def _made(kind: type[Request[Any]], values: Mapping[str, Any]) -> Request[Any]:
    try:
        request: Request[Any] = msgspec.convert(values, kind, strict=False)
        request.params()  # what does not go together shows here
    except msgspec.ValidationError as error:
        raise _refusal(str(error), kind, values) from None
    except (TypeError, ValueError) as error:
        raise ConfigError("", _with_wire_names(str(error), kind), hint=_usage(kind)) from None
    return request


def _refusal(said: str, kind: type[Request[Any]], values: Mapping[str, Any]) -> ConfigError:
    """What msgspec says of the values, for somebody who typed them."""
    missing = MISSING.search(said)
    if missing is not None:
        return ConfigError(missing[1], "is missing", hint=_usage(kind))
    problem, _, place = said.partition(" - at `$.")
    name = place.rstrip("`")
    field = next((field for field in msgspec.structs.fields(kind) if field.encode_name == name), None)
    expected = list(_expected(field.type)) if field is not None else []
    if expected:
        bound = BOUND.search(problem)
        problem = f"{values[name]!r} is not {expected[0]}{f' {bound[0]}' if bound is not None else ''}"
    return ConfigError(name, problem, hint=_usage(kind))


def _expected(annotation: Any) -> Iterable[str]:
    """What a value should be, in words: those of the parameter itself first."""
    if typing.get_origin(annotation) is typing.Annotated:
        yield from (meta.description for meta in annotation.__metadata__ if meta.description)
    for member in typing.get_args(annotation):
        yield from _expected(member)
    if annotation in EXPECTED:
        yield EXPECTED[annotation]


def _with_wire_names(text: str, kind: type[Request[Any]]) -> str:
    """Parameters are called here as they are typed, not as they are in Python."""
    names = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    return re.sub(r"[a-z][a-z0-9_]*", lambda word: names.get(word[0], word[0]), text)


def _usage(kind: type[Request[Any]]) -> str:
    """What the method takes, in one sentence."""
    fields = msgspec.structs.fields(kind)
    if not fields:
        return f"{kind.declaration.method} takes no parameters"
    needed = [field.encode_name for field in fields if field.required]
    optional = [field.encode_name for field in fields if not field.required]
    parts = [f"needs {', '.join(needed)}"] if needed else []
    if optional:
        parts.append(f"may have {', '.join(optional)}")
    return f"{kind.declaration.method} {' and '.join(parts)}"
