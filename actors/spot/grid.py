"""The values that a price or a quantity may take, and exact rounding to them.

Which filter demands what lives in `filters.py`.
"""

import math
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from enum import StrEnum
from functools import cache
from typing import Self

import msgspec

# The exchange takes 20 digits before and 20 after the point; a product of two such numbers has 80. Anything that would
# have to be rounded raises instead.
EXACT = Context(prec=100, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])


class Rounding(StrEnum):
    """The direction in which a value moves to the next step. There is no nearest: a caller knows its side."""

    DOWN = "DOWN"
    UP = "UP"


class Grid(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The values that a price or a quantity may take: multiples of `step` from `least` to `greatest`, None where there
    is no such limit (PRICE_FILTER, LOT_SIZE, MARKET_LOT_SIZE)."""

    least: Decimal | None = None
    greatest: Decimal | None = None
    step: Decimal | None = None

    @classmethod
    def of(cls, least: Decimal, greatest: Decimal, step: Decimal) -> Self:
        """From the filter's fields, where zero switches a limit off."""
        return cls(least=least or None, greatest=greatest or None, step=_plain(step) if step else None)

    def round(self, value: Decimal, rounding: Rounding) -> Decimal:
        """The nearest multiple of the step in this direction; `value` itself if it is one. Knows no bounds."""
        return value if self.step is None else to_step(value, self.step, rounding)

    def problem(self, value: Decimal) -> str:
        """What is wrong with a value, or an empty string."""
        if self.least is not None and value < self.least:
            return f"is below the least of {text(self.least)}"
        if self.greatest is not None and value > self.greatest:
            return f"is above the greatest of {text(self.greatest)}"
        if self.step is not None and EXACT.remainder(value, self.step):
            return f"is not a multiple of {text(self.step)}"
        return ""

    def nearest(self, value: Decimal) -> Decimal | None:
        """The legal value nearest to this one (the lower of two), which is above zero; None if there is none at all."""
        least = self.step if self.least is None else self.round(self.least, Rounding.UP)
        greatest = None if self.greatest is None else self.round(self.greatest, Rounding.DOWN)
        if least is not None and greatest is not None and least > greatest:
            return None
        if least is not None and value < least:
            return least
        if greatest is not None and value > greatest:
            return greatest
        lower, upper = self.round(value, Rounding.DOWN), self.round(value, Rounding.UP)
        return lower if EXACT.subtract(value, lower) <= EXACT.subtract(upper, value) else upper


def to_step(value: Decimal, step: Decimal, rounding: Rounding) -> Decimal:
    """The nearest multiple of `step` in this direction. Raises ValueError for what is no number."""
    if not value.is_finite():
        raise ValueError(f"{value} cannot be rounded to a multiple of {step}")
    count = EXACT.divide_int(value, step)
    rounded = EXACT.multiply(count, step)
    # Dividing cuts towards zero, which is the wrong way for some signs.
    if rounding is Rounding.UP and rounded < value:
        return EXACT.add(rounded, step)
    if rounding is Rounding.DOWN and rounded > value:
        return EXACT.subtract(rounded, step)
    return rounded


def steps_worth(amount: Decimal, step: Decimal, rounding: Rounding) -> Decimal:
    """How many whole steps the amount has, or just more (UP). The quotient itself may have no end. `step` > 0."""
    count = EXACT.divide_int(amount, step)
    return EXACT.add(count, 1) if rounding is Rounding.UP and EXACT.remainder(amount, step) else count


def _plain(value: Decimal) -> Decimal:
    """Without zeros at the end or an exponent above zero, so that multiples print as the exchange reads them."""
    normal = value.normalize(EXACT)
    _, _, exponent = normal.as_tuple()
    return normal.quantize(Decimal(1), context=EXACT) if isinstance(exponent, int) and exponent > 0 else normal


@cache
def unit(precision: int) -> Decimal:
    """The smallest amount with so many decimals."""
    return Decimal(1).scaleb(-precision)


def common_multiple(one: Decimal, other: Decimal) -> Decimal:
    """The least step that is a multiple of both."""
    top, bottom = one.as_integer_ratio()
    other_top, other_bottom = other.as_integer_ratio()
    multiple = Decimal(math.lcm(top * other_bottom, other_top * bottom))
    return _plain(EXACT.divide(multiple, Decimal(bottom * other_bottom)))


def text(value: Decimal) -> str:
    """For people: without zeros at the end and never with an exponent."""
    return f"{value.normalize(EXACT):f}"
