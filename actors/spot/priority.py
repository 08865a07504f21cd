"""Which requests go first when the exchange's limits are nearly used up."""

from enum import IntEnum

__all__ = ["Priority"]


class Priority(IntEnum):
    """Which requests go first when the budget is short. Each leaves a reserve to those before it."""

    CANCEL = 0
    """Cancels, and what keeps a session alive: logging on, subscribing, asking for the time."""
    QUERY = 1
    PLACE = 2
    BULK = 3
    """Long readings that can wait: pages of the account's history."""
