"""What actors say to each other: the base classes of messages, and the few messages that the runtime itself sends.

What belongs to a certain actor stands in that actor's file.
"""

from typing import Any, Generic, TypeVar

import msgspec

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Something told: immutable, built by keyword. Subclasses repeat `frozen=True, kw_only=True`."""


class Query(Message, Generic[R_co], frozen=True, kw_only=True):
    """Something asked, answered with an `R`: `class OrderStatus(Query[Order], frozen=True, kw_only=True)`."""


class Gap(Message, frozen=True, kw_only=True):
    """Stands where a full DROP_OLDEST lane dropped its oldest messages."""

    lane: str
    dropped: int


class Overflowed(Message, frozen=True, kw_only=True):
    """Stands where a full CLEAR lane threw everything away: what was built from that lane must be built anew."""

    lane: str
    dropped: int


class Answer(Message, frozen=True, kw_only=True):
    """The outcome of `ref.request()`, told to the requester: `value`, or else `error`."""

    tag: Any
    value: Any = None
    error: Exception | None = None
