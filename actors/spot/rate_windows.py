"""How much of a limit is used up: counters that begin anew where the exchange's do. Pure; server time in milliseconds.

The exchange counts a request when it comes in. One that was sent before a boundary may come in behind it, and our idea
of the exchange's clock is wrong by up to `guard_ms`. So a window is begun so much too late, and whatever was under way
then, or was settled that near to the boundary, counts in the window before it and in the new one.
"""

from collections import deque
from collections.abc import Iterable
from math import inf
from typing import ClassVar, Final

from dogwatch.actors.spot.enums import RateLimitInterval, RateLimitType
from dogwatch.actors.spot.exchange_info import RateLimit
from dogwatch.actors.spot.request_costs import Kind, Priority
from dogwatch.actors.spot.shares import Shares

__all__ = ["LENGTHS_MS", "AccountWindows", "Window", "Windows"]

LENGTHS_MS: Final[dict[str, int]] = {
    RateLimitInterval.SECOND: 1_000,
    RateLimitInterval.MINUTE: 60_000,
    RateLimitInterval.HOUR: 3_600_000,
    RateLimitInterval.DAY: 86_400_000,
}
KINDS: Final[dict[str, Kind]] = {
    RateLimitType.REQUEST_WEIGHT: Kind.WEIGHT,
    RateLimitType.ORDERS: Kind.ORDERS,
    RateLimitType.RAW_REQUESTS: Kind.RAW,
}
CREDIT_AFTER_MS: Final = 1_000
"""A fill lowers the count of unfilled orders after a short delay, of which nothing more is said."""
CREDITS_KEPT: Final = 4_096
NO_LIMIT: Final = (inf,) * len(Priority)


class Window:
    """The counter of one limit. `count` is never less than the exchange's own, as long as nobody else spends.

    `slack`: by how much the exchange's word has lowered it below our own reckoning.
    """

    __slots__ = (
        "_tally",
        "_zero",
        "begins_ms",
        "caps",
        "interval",
        "interval_count",
        "length_ms",
        "limit",
        "near_ms",
        "slack",
        "spill",
        "used_max",
    )

    def __init__(self, tally: "Tally", interval: str, interval_count: int) -> None:
        self._tally = tally
        self._zero = tally.booked - tally.in_flight
        self.interval = interval
        self.interval_count = interval_count
        self.length_ms = LENGTHS_MS[interval] * interval_count
        self.limit = 0
        self.caps: tuple[int, ...] = ()
        self.begins_ms = 0
        self.near_ms = 0
        self.slack = 0
        self.spill = 0
        self.used_max = 0

    @property
    def count(self) -> int:
        return self._tally.booked - self._zero

    @count.setter
    def count(self, count: int) -> None:
        self._zero = self._tally.booked - count

    @property
    def most_booked(self) -> tuple[int, ...]:
        """How much may be booked in all until this limit is used up, for a request of each priority."""
        return tuple(self._zero + cap for cap in self.caps)

    @property
    def name(self) -> str:
        """The limit's name for people, such as `orders_10_second`."""
        return f"{self._tally.kind.name}_{self.interval_count}_{self.interval}".lower()

    @property
    def ends_ms(self) -> int:
        return self.begins_ms + self.length_ms

    def turn(self, now_ms: int, guard_ms: int) -> None:
        """Begin the window of this moment if it is another one."""
        begins_ms = (now_ms - guard_ms) // self.length_ms * self.length_ms
        if begins_ms > self.begins_ms:
            spilled = self.spill if begins_ms == self.ends_ms else 0
            self.used_max = max(self.used_max, self.count)
            self.begins_ms = begins_ms
            self.count = self._tally.in_flight + spilled
            self.slack = self.spill = 0
        elif begins_ms < self.begins_ms:
            # The exchange's clock is behind what we took it for: nobody knows what it counts where.
            self.begins_ms = begins_ms
            self.spill = self.count
        self.near_ms = self.ends_ms - guard_ms

    def carried(self, now_ms: int) -> int:
        """What the next window will begin with, as far as that is known by now."""
        return self.spill + (self._tally.in_flight if now_ms >= self.near_ms else 0)

    def correct(self, said: int, since: int) -> None:
        """The exchange has counted `said` when it answered; `since` may have been counted after that, besides what is
        under way."""
        in_flight = self._tally.in_flight
        if said > self.count:  # somebody else spends, too
            self.count = said + in_flight
            self.slack = 0
        elif (most := said + since + in_flight) < self.count:
            self.slack += self.count - most
            self.count = most

    def credit(self) -> None:
        """An order that was counted is filled. What the exchange has said may contain that already."""
        if self.slack:
            self.slack -= 1
        elif self.count > self._tally.in_flight:
            self.count -= 1


class Tally:
    """What is counted of one kind. All its windows count the same requests, each from its own zero, so one sum does for
    them all, and one comparison tells whether there is room in each.

    `booked` is all that ever was reserved, less what was given back; `in_flight` how much of it is not settled;
    `settled` all that was charged. `most_booked`: up to where there is room in every window, by priority. Call `look`
    when a window has changed.
    """

    __slots__ = ("booked", "in_flight", "kind", "most_booked", "near_ms", "settled", "windows")

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.booked = self.in_flight = self.settled = 0
        self.windows: tuple[Window, ...] = ()
        self.most_booked: tuple[float, ...] = NO_LIMIT
        self.near_ms = inf
        """When the first of the windows is near its end."""

    def look(self) -> None:
        """See how much room the windows leave, and until when they last."""
        self.most_booked = tuple(map(min, zip(NO_LIMIT, *(window.most_booked for window in self.windows), strict=True)))
        self.near_ms = min((window.near_ms for window in self.windows), default=inf)

    def withdraw(self, amount: int) -> None:
        """So much, which was booked, will not be counted."""
        self.in_flight -= amount
        self.booked -= amount

    def spill(self, charge: int, now_ms: float) -> None:
        """So much may have been counted behind the end of those windows that are near it by now."""
        for window in self.windows:
            if now_ms >= window.near_ms:
                window.spill += charge

    def charge(self, amount: int) -> None:
        """So much was counted by now without having been booked, nobody knows in which window."""
        self.booked += amount
        self.settled += amount
        for window in self.windows:
            window.spill += amount


class Windows:
    """Counters with the same owner: an address, by its weight and its raw requests."""

    kinds: ClassVar[tuple[Kind, ...]] = (Kind.WEIGHT, Kind.RAW)

    def __init__(self, shares: Shares) -> None:
        self.shares = shares
        self.tallies = tuple(map(Tally, self.kinds))
        self.guard_ms = 0
        self.from_ms = self.turn_ms = -inf
        """Between these two no window begins."""

    def learn(self, limits: Iterable[RateLimit]) -> None:
        """Take these limits in place of all that are known of the same kinds."""
        limits = tuple(limits)
        for tally in self.tallies:
            told: list[Window] = []
            for limit in limits:
                if KINDS.get(limit.rate_limit_type) is tally.kind and limit.interval in LENGTHS_MS:
                    window = self.find(tally.kind, limit.interval, limit.interval_count)
                    window = window or Window(tally, limit.interval, limit.interval_count)
                    window.limit, window.caps = limit.limit, self.shares.caps(tally.kind, limit.limit)
                    told.append(window)
            if told:
                tally.windows = tuple(told)
        self.turn_ms = -inf  # look at all of them before the next request

    @property
    def windows(self) -> tuple[Window, ...]:
        """All of them, by kind."""
        return tuple(window for tally in self.tallies for window in tally.windows)

    def find(self, kind: Kind, interval: str, interval_count: int) -> Window | None:
        """The window of a limit, None for one that is not known."""
        for tally in self.tallies:
            if tally.kind is kind:
                for window in tally.windows:
                    if window.interval_count == interval_count and window.interval == interval:
                        return window
        return None

    def look(self) -> None:
        """Windows have changed."""
        for tally in self.tallies:
            tally.look()

    def turn(self, now_ms: int) -> None:
        """Begin the windows that are due."""
        for window in self.windows:
            window.turn(now_ms, self.guard_ms)
        self.from_ms = max((window.begins_ms for window in self.windows), default=-inf)
        self.turn_ms = min((window.ends_ms for window in self.windows), default=inf) + self.guard_ms
        self.look()

    def set_guard(self, guard_ms: int) -> None:
        """The exchange's clock is known to within so many milliseconds now."""
        self.guard_ms = guard_ms
        self.turn_ms = -inf

    def doubt_clock(self) -> None:
        """Where the boundaries are was a guess until now: whatever was counted may belong to the next window."""
        for window in self.windows:
            window.spill = window.count


class AccountWindows(Windows):
    """The unfilled orders of an account, over all its keys and connections (FAQ, Spot Unfilled Order Count Rules)."""

    kinds: ClassVar[tuple[Kind, ...]] = (Kind.ORDERS,)

    def __init__(self, shares: Shares) -> None:
        super().__init__(shares)
        (self.orders,) = self.tallies
        self._fills: deque[tuple[int, int]] = deque(maxlen=CREDITS_KEPT)

    def filled(self, *, created_ms: int, at_ms: int) -> None:
        """An order of the account, made at `created_ms`, had its first fill: from then on it does not count.

        Often more is deducted, which is learned from the exchange's own counts. Of an order that was made in an earlier
        window nothing is known for certain: a count that is zero by then goes no lower.
        """
        self._fills.append((at_ms + CREDIT_AFTER_MS, created_ms))

    def has_room(self, orders: int, priority: Priority, now_ms: int) -> bool:
        """Whether there is room for so many orders in every window that is due now, with the fills noticed by now."""
        if not self.from_ms <= now_ms < self.turn_ms:
            self.turn(now_ms)
        tally = self.orders
        if tally.booked + orders > tally.most_booked[priority]:
            self.take_credits(now_ms)
        return tally.booked + orders <= tally.most_booked[priority]

    @property
    def next_credit_ms(self) -> float:
        """When the next fill will have lowered the counts."""
        return self._fills[0][0] + self.guard_ms if self._fills else inf

    def take_credits(self, now_ms: int) -> None:
        """Lower the counts by the fills that have surely been noticed by now, whatever the exchange's clock says."""
        while self._fills and self._fills[0][0] + self.guard_ms <= now_ms:
            _, created_ms = self._fills.popleft()
            for window in self.windows:
                if created_ms - self.guard_ms >= window.begins_ms:
                    window.credit()
        self.look()

    def turn(self, now_ms: int) -> None:
        self.take_credits(now_ms)
        super().turn(now_ms)
