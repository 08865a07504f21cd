"""The two voices of a strategy, told apart when its class is made: `run()`, or `on_<event>` handlers found by
annotation.

Pure: looks at a class, raises TypeError with a text for its author. Calling the handlers is `strategy_host.py`'s work.
"""

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

LIFE_HOOKS = frozenset({"on_start", "on_stop"})

Handler = Callable[[Any, Any], Any]


def handlers_of(strategy: type, *, events: Iterable[type]) -> Mapping[type, Handler]:
    """Return event type → handler for every `on_<event>` method of `strategy`. Empty for the sequential voice.

    `events` are the types that may be handled. Raises TypeError, with what to write instead, when a handler's first
    parameter has no usable annotation, when two handlers take the same event, or when `run()` is defined as well.
    """
    allowed = {event.__name__: event for event in events}
    table: dict[type, Handler] = {}
    names: dict[type, str] = {}
    for name, method in _handler_methods(strategy):
        for event in _annotated_events(strategy, name, method, allowed):
            if event in table:
                raise TypeError(
                    f"{strategy.__name__}.{name} and {strategy.__name__}.{names[event]} both handle {event.__name__}: "
                    "keep one"
                )
            table[event], names[event] = method, name
    if names and _defines_run(strategy):
        raise TypeError(
            f"{strategy.__name__} speaks with two voices: run() and {', '.join(sorted(set(names.values())))}. "
            "Keep run() and follow feeds inside of it, or keep the handlers and drop run()"
        )
    return types.MappingProxyType(table)


def _handler_methods(strategy: type) -> list[tuple[str, Handler]]:
    names = sorted(name for name in dir(strategy) if name.startswith("on_") and name not in LIFE_HOOKS)
    return [(name, getattr(strategy, name)) for name in names if inspect.isfunction(getattr(strategy, name))]


def _defines_run(strategy: type) -> bool:
    return any("run" in vars(base) and not vars(base).get("_is_vocabulary") for base in strategy.__mro__[:-1])


def _annotated_events(strategy: type, name: str, method: Handler, allowed: Mapping[str, type]) -> list[type]:
    where = f"{strategy.__name__}.{name}"
    parameters = list(inspect.signature(method).parameters.values())[1:]
    if len(parameters) != 1:
        raise TypeError(f"{where} must take exactly one event: def {name}(self, event: Quote)")
    try:
        hint = typing.get_type_hints(method).get(parameters[0].name)
    except NameError as unknown:
        raise TypeError(f"{where}: the annotation of {parameters[0].name!r} cannot be resolved: {unknown}") from unknown
    if hint is None:
        raise TypeError(f"{where}: annotate {parameters[0].name!r} with the event it handles: {', '.join(allowed)}")
    found = list(typing.get_args(hint)) if isinstance(hint, types.UnionType) else [hint]
    for event in found:
        if event not in allowed.values():
            shown = getattr(event, "__name__", repr(event))
            raise TypeError(f"{where} handles {shown}, which is no event of a strategy: use {', '.join(allowed)}")
    return found
