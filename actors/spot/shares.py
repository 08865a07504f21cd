"""Which part of each limit may be used, and in which order the lanes go short (`rate_windows.py`)."""

from math import floor

import msgspec

from dogwatch.actors.spot.request_costs import Kind, Priority

__all__ = ["Shares"]


class Shares(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of each limit may be used: `usable` in all, less what each lane leaves to those before it."""

    usable: float = 1.0
    cancel_reserve: float = 0.02
    query_reserve: float = 0.02
    bulk: float = 0.67

    def caps(self, kind: Kind, limit: int) -> tuple[int, ...]:
        """The highest count to which a request of each priority may lead. Unfilled orders know one lane only."""
        usable = floor(limit * self.usable)
        if kind is Kind.ORDERS:
            return (usable,) * len(Priority)
        query = usable - floor(usable * self.cancel_reserve)
        place = query - floor(usable * self.query_reserve)
        return (usable, query, place, min(place, floor(usable * self.bulk)))
