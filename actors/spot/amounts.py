"""What is no amount of money, though a Decimal reads it: NaN, Infinity, and exponents so large or small that to write
the number out takes a billion zeros. Booked once, such a number stays in all sums after it.
"""

from collections.abc import Callable
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeVar, get_args

import msgspec

from dogwatch.actors.spot.instants import is_scalar

__all__ = ["with_sound_amounts"]

T = TypeVar("T")

_PLACES_MAX = 60
"""On either side of the point. The exchange writes 8 behind it, and nobody owns more than 20 before it."""


_PLACES_MIN = -_PLACES_MAX

_Read = Callable[[Any], tuple[Any, ...]]
_Plan = tuple[_Read, _Read | None]
"""How to read the amounts of structs of one type, and what else may hold some, if anything may."""


_plans: dict[type, _Plan] = {}


def with_sound_amounts(value: T) -> T:
    """Return what was decoded, a struct or a tuple of them. Raises msgspec.ValidationError for one that holds, at any
    depth, a number that is no amount."""
    if isinstance(value, tuple):
        for item in value:
            with_sound_amounts(item)
        return value
    amounts_of, parts_of = _plans.get(type(value)) or _plan_of(type(value))
    for amount in amounts_of(value):
        if amount is not None:
            places = amount.adjusted()  # 0 for what is not finite: so most need not be asked (1.1 instead of 1.5 us)
            if not _PLACES_MIN <= places <= _PLACES_MAX or (not places and not amount.is_finite()):
                raise msgspec.ValidationError(f"a number that is no amount: {str(amount)[:40]}")
    if parts_of is not None:
        for part in parts_of(value):
            if part:  # neither None nor an empty tuple
                with_sound_amounts(part)
    return value


def _plan_of(kind: type) -> _Plan:
    """The plan of a type is made when it is first met."""
    amounts: list[str] = []
    parts: list[str] = []
    if issubclass(kind, msgspec.Struct):
        for field in msgspec.structs.fields(kind):
            if field.type is Decimal or Decimal in get_args(field.type):
                amounts.append(field.name)
            elif not is_scalar(field.type):
                parts.append(field.name)
    plan = _plans[kind] = _reader(amounts), _reader(parts) if parts else None
    return plan


def _reader(names: list[str]) -> _Read:
    """Reads these attributes at once."""
    # With one name alone an attrgetter gives no tuple.
    return attrgetter(*names, names[0]) if names else lambda _value: ()
