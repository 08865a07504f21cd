"""Parameters of requests: their types, and how a value of each is written.

What is not certain to be read by the exchange as it was meant is refused here: floats, words that are not documented,
numbers out of bounds.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

from dogwatch.actors.spot.methods import ParamValue

__all__ = [
    "Amount",
    "ClientOrderId",
    "Count",
    "Limit",
    "Writer",
    "decimal_text",
    "without_none",
    "writer_of",
]

DIGITS_MAX: Final = 20
"""The exchange reads at most this many digits before and after the decimal point."""

Amount: TypeAlias = Decimal | int
"""A price or a quantity, written with every digit; never a float."""
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
"""An id, a number of something, or a time."""
Limit: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=1000)]
"""How many rows at most."""
ClientOrderId: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_-]{1,36}$", description="1 to 36 letters, digits, '-' or '_'")
]

Writer: TypeAlias = Callable[[Any], ParamValue]
"""Takes a value of one parameter, returns what is sent. Raises TypeError and ValueError with the parameter's name."""


def writer_of(hint: Any, name: str) -> Writer:
    """What writes values of the parameter `name`, annotated with `hint`. TypeError for a type that nothing writes."""
    if hint == Amount:
        return _amount(name)
    meta = msgspec.Meta()
    if get_origin(hint) is Annotated:
        hint, meta = get_args(hint)
    if hint is int:
        return partial(_integer, name, meta.ge, meta.le)
    if hint is str:
        return _text(name) if meta.pattern is None else _spelled(name, re.compile(meta.pattern), str(meta.description))
    if hint is bool:
        return partial(_flag, name)
    if hint == tuple[str, ...]:
        return partial(_texts, name, _text(name))
    if get_origin(hint) is Literal:
        return _Choice({text: text for text in get_args(hint)}, name).__getitem__
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _Choice({word: str(word.value) for word in hint}, hint.__name__).__getitem__
    raise TypeError(f"no parameter can be a {hint}")


def without_none(hint: Any) -> Any:
    """`X` of `X | None`; every other hint as it is."""
    if type(None) not in get_args(hint):
        return hint
    kinds = tuple(kind for kind in get_args(hint) if kind is not type(None))
    return Union[kinds]  # noqa: UP007 # of a tuple


def decimal_text(value: object, name: str = "value") -> str:
    """Return a number as the exchange reads it: plain digits, no exponent, no sign, nothing rounded.

    Raises TypeError for a float (it has lost digits already) and whatever else is no Decimal or int; ValueError for
    negative and infinite numbers, NaN, and numbers with more than 20 digits on one side of the decimal point.
    """
    if type(value) is Decimal:
        text = str(value)
        if len(text) <= DIGITS_MAX and text.replace(".", "", 1).isdecimal():
            return text
        return _long_decimal_text(value, name)
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return _long_decimal_text(Decimal(value), name)
    hint = f'write Decimal("{value}")' if isinstance(value, float) else "use decimal.Decimal"
    raise TypeError(f"{name} must be a Decimal, not {type(value).__name__}: {hint}")


def _amount(name: str) -> Writer:
    def write(value: object) -> str:
        if type(value) is Decimal:  # what `decimal_text` would do, without another call: orders pass here
            text = str(value)
            if len(text) <= DIGITS_MAX and text.replace(".", "", 1).isdecimal():
                return text
        return decimal_text(value, name)

    return write


def _text(name: str) -> Writer:
    def write(value: object) -> str:
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a str, not {type(value).__name__}")
        if not value:
            raise ValueError(f"{name} is empty: leave it out, or say what is meant")
        return value

    return write


def _spelled(name: str, pattern: re.Pattern[str], wanted: str) -> Writer:
    fits = pattern.fullmatch

    def write(value: object) -> str:
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a str, not {type(value).__name__}")
        if not fits(value):
            raise ValueError(f"{name} {value!r}: use {wanted}")
        return value

    return write


class _Choice(dict[Any, str]):
    """Word → its text: `.value` of an enumeration costs five times as much, and new words must not be sent."""

    def __init__(self, texts: dict[Any, str], kind: str) -> None:
        super().__init__(texts)
        self._kind = kind

    def __missing__(self, word: object) -> str:
        raise ValueError(f"{self._kind} has no {word!s}: use one of {', '.join(self.values())}")


def _texts(name: str, write: Writer, value: object) -> list[str]:
    if not isinstance(value, tuple | list):
        raise TypeError(f"{name} must be a tuple of str, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} is empty: leave it out to ask without it")
    return [str(write(item)) for item in value]


def _integer(name: str, least: float | None, most: float | None, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if (least is not None and value < least) or (most is not None and value > most):
        bounds = f"{least} or more" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} is {value}: the exchange takes {bounds}")
    return int(value)  # a time may be an Instant, which no encoder takes


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
    return value


def _long_decimal_text(value: Decimal, name: str) -> str:
    """The same for what is unusual: exponents, signs, very long numbers."""
    if not value.is_finite():
        raise ValueError(f"{name} is {value}: the exchange takes finite numbers only")
    if value < 0:
        raise ValueError(
            f"{name} is {value}: the exchange takes no negative numbers; the side tells buying from selling"
        )
    # The bounds come first: a large exponent would fill the memory with zeros.
    if value and value.adjusted() >= DIGITS_MAX:
        raise ValueError(f"{name} is {value}: at most {DIGITS_MAX} digits before the decimal point")
    if not value:
        return "0"
    if value.adjusted() < -DIGITS_MAX:
        raise ValueError(f"{name} is {value}: at most {DIGITS_MAX} digits after the decimal point; round it first")
    text = format(value, "f")
    whole, _, fraction = text.partition(".")
    if len(fraction) <= DIGITS_MAX:
        return text
    fraction = fraction.rstrip("0")
    if len(fraction) > DIGITS_MAX:
        raise ValueError(f"{name} is {value}: at most {DIGITS_MAX} digits after the decimal point; round it first")
    return f"{whole}.{fraction}" if fraction else whole
