"""A time that is known in microseconds, as the integer of milliseconds that every time is here (`instants.py`)."""

from typing import Self

__all__ = ["Instant", "in_us"]


class Instant(int):
    """A time in milliseconds since 1970, rounded down, as the integer that it is; `us` has it in microseconds.

    It compares and computes as milliseconds: two instants of one millisecond are equal. Encoders take it only with
    `enc_hook=plain`.
    """

    us: int

    def __new__(cls, us: int) -> Self:
        """The time that is `us` microseconds since 1970."""
        instant = super().__new__(cls, us // 1000)
        instant.us = us
        return instant

    def __getnewargs__(self) -> tuple[int]:
        return (self.us,)


def in_us(time_ms: int) -> int:
    """A time in microseconds, as exactly as it is known."""
    return time_ms.us if isinstance(time_ms, Instant) else time_ms * 1000
