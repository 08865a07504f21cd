"""Which method handles which message: found by annotation, computed once for each class. Running them is in
reception.py.
"""

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

from dogwatch.runtime.handler import Handler
from dogwatch.runtime.messages import Query

NOT_HANDLERS = frozenset({"on_start", "on_stop"})


def handlers_of(cls: type, *, without: frozenset[str] = NOT_HANDLERS) -> dict[type, Handler]:
    """The handlers of a class by message type: every method `on_<something>(self, message: Type[, reply])`.

    Raises TypeError when a method is no handler by its shape, or when two methods handle one type.
    """
    table: dict[type, Handler] = {}
    for name in dir(cls):
        if not name.startswith("on_") or name in without:
            continue
        function = inspect.getattr_static(cls, name)
        if isinstance(function, staticmethod | classmethod):
            raise TypeError(f"{cls.__name__}.{name} must be a plain method to be a handler")
        if not inspect.isfunction(function):
            continue
        message_types, wants_reply = _shape_of(cls, name, function)
        handler = Handler(function, wants_reply=wants_reply)
        for message_type in message_types:
            if not wants_reply:
                _check_answer(cls, name, function, message_type)
            if message_type in table:
                both = f"{table[message_type].name} and {name}"
                raise TypeError(f"{cls.__name__} has two handlers for {message_type.__name__}: {both}")
            table[message_type] = handler
    return table


def find_handler(table: dict[type, Handler], kind: type) -> Handler | None:
    """The handler for `kind` or its nearest base class; a hit on a base class is remembered in the table."""
    for base in kind.__mro__:
        handler = table.get(base)
        if handler is not None:
            table[kind] = handler
            return handler
    return None


def _shape_of(cls: type, name: str, function: Callable[..., Any]) -> tuple[tuple[type, ...], bool]:
    where = f"{cls.__name__}.{name}"
    parameters = list(inspect.signature(function).parameters.values())[1:]
    if not parameters or len(parameters) > 2 or (len(parameters) == 2 and parameters[1].name != "reply"):
        raise TypeError(f"{where} must be written as {name}(self, message: Type) or {name}(self, message: Type, reply)")
    annotation = parameters[0].annotation
    if annotation is inspect.Parameter.empty:
        raise TypeError(f"{where}: annotate {parameters[0].name!r} with the type of message that it handles")
    if isinstance(annotation, str):
        annotation = _evaluated(where, annotation, function)
    return _types_in(where, annotation), len(parameters) == 2


def _evaluated(where: str, annotation: str, function: Callable[..., Any]) -> Any:
    try:
        return eval(annotation, getattr(function, "__globals__", {}))  # noqa: S307 - the author's own annotation
    except NameError as error:
        raise TypeError(f"{where}: {error}; define the message before the class that handles it") from error


def _types_in(where: str, annotation: Any) -> tuple[type, ...]:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return tuple(kind for part in typing.get_args(annotation) for kind in _types_in(where, part))
    kind = annotation if origin is None else origin
    if not isinstance(kind, type):
        raise TypeError(f"{where}: {annotation!r} is not a type of message")
    return (kind,)


def _check_answer(cls: type, name: str, function: Callable[..., Any], message_type: type) -> None:
    """A handler of a query that declares to return nothing would answer None to somebody who was promised more."""
    promised = next((_promised(base) for base in message_type.__mro__ if _promised(base) is not None), None)
    if promised in (None, types.NoneType, Any) or inspect.signature(function).return_annotation not in (None, "None"):
        return
    answer = getattr(promised, "__name__", promised)
    raise TypeError(
        f"{cls.__name__}.{name} answers {message_type.__name__} with None, which promises {answer}: "
        f"return the answer, or take a parameter `reply` and answer later"
    )


def _promised(kind: type) -> Any:
    for base in kind.__dict__.get("__orig_bases__", ()):
        if typing.get_origin(base) is Query:
            return typing.get_args(base)[0]
    return None
