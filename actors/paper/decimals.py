"""Exact money arithmetic at the exchange's eight decimals: text form, rounding, lot steps. No orders here."""

from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal

ZERO = Decimal(0)
UNIT = Decimal("0.00000001")
ZERO_TEXT = "0.00000000"


def text(value: Decimal) -> str:
    """How the exchange writes an amount: eight decimals, no exponent."""
    return f"{value:.8f}" if value else ZERO_TEXT


def rounded_down(value: Decimal) -> Decimal:
    return value.quantize(UNIT, ROUND_DOWN)


def rounded_up(value: Decimal) -> Decimal:
    return value.quantize(UNIT, ROUND_UP)


def rounded_half_up(value: Decimal) -> Decimal:
    return value.quantize(UNIT, ROUND_HALF_UP)


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value`; a zero step leaves the value alone."""
    return value - value % step if step else value
