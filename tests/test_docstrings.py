"""What users import explains itself: every public name has a docstring, every time carries its unit in its name."""

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import dogwatch
import dogwatch.runtime
import dogwatch.runtime.testing

MODULES: tuple[ModuleType, ...] = (dogwatch, dogwatch.runtime, dogwatch.runtime.testing)
EXPORTED = {f"{module.__name__}.{name}": getattr(module, name) for module in MODULES for name in module.__all__}

WORDS_FOR_TIMES = {"age", "deadline", "delay", "duration", "elapsed", "period", "time", "timeout", "wait", "within"}
UNITS = {"s", "ms", "us", "ns"}
NO_TIMES = {"time_in_force"}  # the exchange's word for when an order expires: GTC, IOC, FOK


def explained(thing: object) -> bool:
    return bool((inspect.getdoc(thing) or "").strip())


def members_of(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that this project gave the class."""
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] != "dogwatch":
            continue
        for name, member in vars(base).items():
            function = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
            if not name.startswith("_") and inspect.isfunction(function):
                yield name, getattr(cls, name)


def names_given_to_users(thing: Any) -> Iterator[str]:
    """The parameters of a function; the fields of a struct; the parameters of a class and of its methods."""
    if not inspect.isclass(thing):
        yield from inspect.signature(thing).parameters
        return
    yield from getattr(thing, "__struct_fields__", ())
    functions = [thing.__init__, *(member for _, member in members_of(thing) if callable(member))]
    for function in functions:
        yield from inspect.signature(function).parameters


def is_a_time_without_unit(name: str) -> bool:
    parts = set(name.split("_"))
    is_a_time = bool(parts & WORDS_FOR_TIMES) or name.endswith("_at")
    return is_a_time and not parts & UNITS and name not in NO_TIMES


@pytest.mark.parametrize("name", EXPORTED)
def test_every_public_name_and_its_methods_are_explained(name: str) -> None:
    thing = EXPORTED[name]
    silent = [] if explained(thing) else [name]
    if inspect.isclass(thing):
        # A struct or an enum without words of its own would show those of its base, which are about something else.
        silent += [name] if thing.__doc__ in [base.__doc__ for base in thing.__mro__[1:]] else []
        silent += [f"{name}.{member}" for member, value in members_of(thing) if not explained(value)]
    assert silent == []


@pytest.mark.parametrize("name", EXPORTED)
def test_every_time_has_its_unit_in_its_name(name: str) -> None:
    thing = EXPORTED[name]
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert [given for given in names_given_to_users(thing) if is_a_time_without_unit(given)] == []


@pytest.mark.parametrize("name", ["timeout", "start_time", "within", "max_age", "created_at"])
def test_a_time_without_its_unit_would_be_found(name: str) -> None:
    assert is_a_time_without_unit(name)
    assert not is_a_time_without_unit(f"{name}_ms")
    assert not is_a_time_without_unit(f"{name}_s_max")
