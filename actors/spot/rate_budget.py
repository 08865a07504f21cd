"""Whether a request may be sent now, by every limit of the exchange at once. Pure; server time in milliseconds.

A request is booked at its full cost before it is sent, and settled when its answer comes: what was free is given back,
and what the exchange says to have counted corrects our own reckoning (WebSocket API, Rate limits). Who waits, and for
how long a refusal keeps everybody silent, is in `rate_limiter.py`.
"""

from collections.abc import Iterable, Sequence
from math import ceil, inf
from typing import Final

from dogwatch.actors.spot.booking import Booking
from dogwatch.actors.spot.enums import RateLimitInterval, RateLimitType
from dogwatch.actors.spot.envelope import RateLimitUsage
from dogwatch.actors.spot.exchange_info import RateLimit
from dogwatch.actors.spot.rate_windows import AccountWindows, Window, Windows
from dogwatch.actors.spot.request_costs import CONNECTING_WEIGHT, Cost, Kind
from dogwatch.actors.spot.shares import Shares

__all__ = ["DOCUMENTED", "RateBudget"]

WEIGHT: Final = RateLimitType.REQUEST_WEIGHT.value
ORDERS: Final = RateLimitType.ORDERS.value
HEED_PAUSE_MS: Final = 50
"""While less than half of each limit is used, this often is soon enough to look at the counts in answers."""
GONE: Final = object()
"""Of a booking that is closed: some are answered long after they were given up."""
UNANSWERED_MS: Final = 60_000
"""A request without an answer for so long was counted long ago, or never came in."""


def _limit(rate_limit_type: RateLimitType, interval: RateLimitInterval, count: int, limit: int) -> RateLimit:
    return RateLimit(rate_limit_type=rate_limit_type, interval=interval, interval_count=count, limit=limit)


DOCUMENTED: Final[tuple[RateLimit, ...]] = (
    _limit(RateLimitType.REQUEST_WEIGHT, RateLimitInterval.MINUTE, 1, 6_000),
    _limit(RateLimitType.RAW_REQUESTS, RateLimitInterval.MINUTE, 5, 300_000),
    _limit(RateLimitType.ORDERS, RateLimitInterval.SECOND, 10, 50),
    _limit(RateLimitType.ORDERS, RateLimitInterval.DAY, 1, 160_000),
)
"""The limits that the documentation shows: what holds until the exchange has told its own."""


class RateBudget:
    """What one IP address may spend: weight and raw requests for all, unfilled orders for each account.

    `guard_ms` is by how much the idea of the exchange's clock, which `now_ms` is, may be wrong either way.
    """

    def __init__(self, limits: Iterable[RateLimit] = DOCUMENTED, *, shares: Shares | None = None) -> None:
        self.shares = shares or Shares()
        self.address = Windows(self.shares)
        self._weight, self._raw = self.address.tallies
        self._accounts: dict[object, AccountWindows] = {}
        self._names: dict[object, str] = {}
        self._limits: tuple[RateLimit, ...] = ()
        self._open: dict[Booking, object] = {}
        self.heeded_ms = self.heeds_again_ms = 0
        self.learn(limits)

    def account(self, name: str, *, of: object = None) -> AccountWindows:
        """The counters of an account, by any name that tells it from others; or by what it is the account `of`: then
        the name is for people alone, and gets a number where others have it too."""
        key = name if of is None else of
        account = self._accounts.get(key)
        if account is None:
            alike = sum(other.partition("#")[0] == name for other in self._names.values())
            self._names[key] = f"{name}#{alike + 1}" if alike else name
            account = self._accounts[key] = AccountWindows(self.shares)
            account.guard_ms = self.address.guard_ms
            account.learn(self._limits)
        return account

    def learn(self, limits: Iterable[RateLimit]) -> None:
        """Take the limits that exchangeInfo lists (`rateLimits`), in place of all that are known of the same types."""
        told = tuple(limits)
        types = {limit.rate_limit_type for limit in told}
        self._limits = (*(limit for limit in self._limits if limit.rate_limit_type not in types), *told)
        for windows in (self.address, *self._accounts.values()):
            windows.learn(told)

    def set_guard(self, guard_ms: int, *, is_first: bool = False) -> None:
        """The exchange's clock is known to within this now; until now it was not known at all if `is_first`."""
        for windows in (self.address, *self._accounts.values()):
            windows.set_guard(guard_ms)
            if is_first:
                windows.doubt_clock()

    def usage(self) -> dict[str, int]:
        """For people: how much of each limit is used now, the most that was used of it, and the limit itself."""
        several = len(self._accounts) > 1
        named = {f"{self._names[key]}_" if several else "": account for key, account in self._accounts.items()}
        figures: dict[str, int] = {}
        for owner, windows in (("", self.address), *named.items()):
            for window in windows.windows:
                name = owner + window.name
                figures[name] = window.count
                figures[f"{name}_max"] = max(window.used_max, window.count)
                figures[f"{name}_limit"] = window.limit
        return figures

    def share_now(self, now_ms: int) -> float:
        """How much of the limit that is used up most is used at this moment."""
        owners = (self.address, *self._accounts.values())
        windows = [window for owner in owners for window in owner.windows if window.limit and window.ends_ms > now_ms]
        return max((window.count / window.limit for window in windows), default=0.0)

    def highest_shares(self) -> dict[str, float]:
        """The most that was used of each limit, as a share of it."""
        figures = self.usage()
        limits = {name: most for name, most in figures.items() if name.endswith("_limit") and most}
        return {
            name.removesuffix("_limit"): round(figures[name.replace("_limit", "_max")] / most, 4)
            for name, most in limits.items()
        }

    # One request.

    def book(self, cost: Cost, account: AccountWindows, now_ms: int) -> Booking | None:
        """Reserve what a request costs. None: it may not be sent now, see `wait_ms`."""
        address = self.address
        if not address.from_ms <= now_ms < address.turn_ms:
            self._turn(now_ms)
        weight, orders, raw = cost.amounts
        weights, raws, priority = self._weight, self._raw, cost.priority
        if weights.booked + weight > weights.most_booked[priority] or raws.booked + raw > raws.most_booked[priority]:
            return None
        placings = account.orders
        if orders:
            is_evident = (
                account.from_ms <= now_ms < account.turn_ms
                and placings.booked + orders <= placings.most_booked[priority]
            )
            if not is_evident and not account.has_room(orders, priority, now_ms):
                return None
            placings.booked += orders
            placings.in_flight += orders
        weights.booked += weight
        weights.in_flight += weight
        raws.booked += raw
        raws.in_flight += raw
        booking = Booking(cost, account, now_ms, weights.settled, placings.settled)
        self._open[booking] = None
        return booking

    def settle(self, booking: Booking, now_ms: int, *, is_ok: bool, said: Sequence[RateLimitUsage] = ()) -> None:
        """It was answered; `said` are the counts in the answer. From `heeded_ms` until `heeds_again_ms` they do not
        matter."""
        if self._open.pop(booking, GONE) is GONE:
            return
        cost = booking.cost
        charge = 0 if is_ok and cost.is_free else cost.amounts[0]
        self._close(booking, charge, now_ms)
        if said and not self.heeded_ms <= now_ms < self.heeds_again_ms:
            self._heed(booking, charge, said, now_ms)

    def withdraw(self, booking: Booking) -> None:
        """It never left this machine."""
        if self._open.pop(booking, GONE) is not GONE:
            for tally in (*self.address.tallies, booking.account.orders):
                tally.withdraw(booking.cost.amounts[tally.kind])

    def give_up(self, booking: Booking) -> None:
        """It was written, and its answer will not come: nobody knows when it was counted, if it was."""
        if self._open.pop(booking, GONE) is not GONE:
            self._close(booking, booking.cost.amounts[0], inf)

    def charge_connection(self, now_ms: int) -> None:
        """A connection attempt was made. It was counted whether there was room or not."""
        self._turn(now_ms)
        self._weight.charge(CONNECTING_WEIGHT)

    # When there is no room.

    def is_for_all(self, cost: Cost, now_ms: int) -> bool:
        """Whether a request that may not be sent is held up by what everybody shares, and not by its account alone."""
        self._turn(now_ms)
        return any(
            tally.booked + cost.amounts[tally.kind] > tally.most_booked[cost.priority] for tally in self.address.tallies
        )

    def wait_ms(self, cost: Cost, account: AccountWindows, now_ms: int, ahead: Sequence[int] = (0, 0, 0)) -> float:
        """For how long a request has to wait if so much of each kind goes before it; infinite if it never may go.

        That is when a window begins anew; fills may make room earlier.
        """
        self._turn(now_ms)
        account.turn(now_ms)
        until_ms = float(now_ms)
        for tally in (*self.address.tallies, account.orders):
            amount = cost.amounts[tally.kind]
            wanted = ahead[tally.kind] + amount
            for window in tally.windows if amount else ():
                cap = window.caps[cost.priority]
                if amount > cap:
                    return inf
                if window.count + wanted > cap:
                    windows_away = ceil((wanted + window.carried(now_ms)) / cap) - 1
                    begins_ms = window.ends_ms + self.address.guard_ms + windows_away * window.length_ms
                    until_ms = max(until_ms, begins_ms)
        return until_ms - now_ms

    def fill(self, account: AccountWindows | None, now_ms: int) -> None:
        """The exchange has refused for want of room: its shortest window is full, the account's or the address's."""
        windows = self.address if account is None else account
        windows.turn(now_ms)
        tally = self._weight if account is None else account.orders
        full = min(tally.windows, key=lambda window: window.length_ms, default=None)
        if full is not None:
            full.count = max(full.count, full.limit)
            full.slack = 0
            tally.look()

    def _turn(self, now_ms: int) -> None:
        while self._open:
            oldest = next(iter(self._open))
            if oldest.at_ms > now_ms - UNANSWERED_MS:
                break
            self.give_up(oldest)
        self.address.turn(now_ms)

    def _close(self, booking: Booking, charge: int, now_ms: float) -> None:
        weight, orders, raw = booking.cost.amounts
        weights, raws, placings = self._weight, self._raw, booking.account.orders
        # One by one and not in a method of Tally: three calls are 0.7 us of an order.
        weights.in_flight -= weight
        weights.booked -= weight - charge
        weights.settled += charge
        if now_ms >= weights.near_ms:
            weights.spill(charge, now_ms)
        raws.in_flight -= raw
        raws.settled += raw
        if now_ms >= raws.near_ms:
            raws.spill(raw, now_ms)
        if orders:
            placings.in_flight -= orders
            placings.settled += orders
            if now_ms >= placings.near_ms:
                placings.spill(orders, now_ms)

    def _heed(self, booking: Booking, charge: int, said: Sequence[RateLimitUsage], now_ms: int) -> None:
        is_news = is_tight = False
        orders = booking.cost.amounts[1]
        # What was charged to others since: it may have been counted after this answer was written.
        weight_since = self._weight.settled - charge - booking.weight_settled
        orders_since = booking.account.orders.settled - orders - booking.orders_settled
        for usage in said:
            word = usage.rate_limit_type
            if word == WEIGHT:
                window = _heeded(usage, Kind.WEIGHT, self.address, weight_since, booking, now_ms)
            elif orders and word == ORDERS:
                window = _heeded(usage, Kind.ORDERS, booking.account, orders_since, booking, now_ms)
            else:
                continue
            is_news = is_news or window is None
            is_tight = is_tight or (window is not None and 2 * window.count > window.limit)
        if is_news:
            self.learn(
                _limit(usage.rate_limit_type, usage.interval, usage.interval_count, usage.limit) for usage in said
            )
        self.address.look()
        booking.account.look()
        self.heeded_ms, self.heeds_again_ms = now_ms, now_ms if is_tight else now_ms + HEED_PAUSE_MS


def _heeded(
    usage: RateLimitUsage, kind: Kind, windows: Windows, since: int, booking: Booking, now_ms: int
) -> Window | None:
    """Heed what an answer says about one limit; None if that limit is new to us. Near a boundary nobody knows which
    window the answer speaks of."""
    window = windows.find(kind, usage.interval, usage.interval_count)
    if window is None or window.limit != usage.limit:
        return None
    if booking.at_ms - windows.guard_ms >= window.begins_ms and now_ms < window.near_ms:
        window.correct(usage.count, since)
    return window
