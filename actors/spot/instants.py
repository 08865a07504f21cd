"""Times in microseconds, on connections that ask for them (`timeUnit`; WebSocket API, General API information).

Who reads a field called `…_ms` reads milliseconds, whatever the connection says. Where the exchange sends microseconds,
`with_instants` puts an `Instant` in the place of each such time: an integer of milliseconds that knows the microseconds
too. Which of both a number is shows in its size: as both it would be thousands of years apart.
"""

from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar, get_args

import msgspec

from dogwatch.actors.spot.instant import Instant

T = TypeVar("T")

_LEAST_US: Final = 10**14
"""In microseconds since 1970 this is a day in 1973, in milliseconds one in the year 5138. Less is no microseconds."""
_LEAST_MS: Final = 10**11
"""The same day in milliseconds. Less is no time: a duration, or -1 for a time that has not come."""


def with_instants(value: T) -> T:
    """Return what was decoded just now, with an Instant in place of each time that came in microseconds.

    It is a struct or a tuple of them, changed in place at any depth: nobody else may have it yet. One whose first time
    is in milliseconds is left as it is, at the cost of that look.
    """
    plan = _plans.get(type(value))
    if plan is not None and plan.times:
        time = getattr(value, plan.times[0])
        if time is not None and _LEAST_MS <= time < _LEAST_US:
            return value  # nearly all: 0.2 instead of 0.5 us
    if _first_time(value) >= _LEAST_US:
        _convert(value)
    return value


class _Plan(NamedTuple):
    """Where structs of one type have times: in these fields, and within what those hold."""

    times: tuple[str, ...]
    parts: tuple[str, ...]


_plans: Final[dict[type, _Plan]] = {}
_NOWHERE: Final = _Plan(times=(), parts=())
_SCALARS: Final = (int, str, bytes, Decimal, msgspec.Raw, msgspec.UnsetType, type(None))


def _plan_of(kind: type) -> _Plan:
    """The plan of a type is made when it is first met."""
    plan = _NOWHERE
    if issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        plan = _Plan(
            times=tuple(field.name for field in fields if field.name.endswith("_ms")),
            parts=tuple(field.name for field in fields if not is_scalar(field.type)),
        )
    _plans[kind] = plan
    return plan


def is_scalar(kind: Any) -> bool:
    """Whether nothing can be inside a field of this type."""
    return all(isinstance(part, type) and issubclass(part, _SCALARS) for part in get_args(kind) or (kind,))


def _first_time(value: Any) -> int:
    """The first time in a value, as it came; 0 if there is none."""
    if type(value) is tuple:
        return _first_time(value[0]) if value else 0
    plan = _plans.get(type(value)) or _plan_of(type(value))
    for name in plan.times:
        time: int | None = getattr(value, name)
        if time is not None and time >= _LEAST_MS:
            return time
    for name in plan.parts:
        if first := _first_time(getattr(value, name)):
            return first
    return 0


def _convert(value: Any) -> None:
    if type(value) is tuple:
        for item in value:
            _convert(item)
        return
    plan = _plans.get(type(value)) or _plan_of(type(value))
    for name in plan.times:
        time = getattr(value, name)
        if time is not None and time >= _LEAST_US:
            msgspec.structs.force_setattr(value, name, Instant(time))
    for name in plan.parts:
        _convert(getattr(value, name))
