"""The exchange's counters: request weight per address, unfilled orders per account, bans. Pure: the time is passed in.

Windows are aligned to the clock and start empty at each boundary (WebSocket API, "Rate limits"). What a request costs
stands in methods.py; who is refused is decided here.
"""

from collections import deque
from typing import Any

import msgspec

MINUTE_MS = 60_000
BAN_FIRST_MS = 2 * MINUTE_MS
BAN_LONGEST_MS = 3 * 24 * 60 * MINUTE_MS


class RateLimitRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of the exchange; `refusals_before_ban` is how many 429 answers in one minute turn into a ban (418)."""

    request_weight_per_minute: int = 6000
    raw_requests_per_5_minutes: int = 300_000
    orders_per_10_seconds: int = 100
    orders_per_day: int = 200_000
    connections_per_5_minutes: int = 300
    refusals_before_ban: int = 100


PAST_MAX = 100_000
"""More than a week of windows of ten seconds."""


class Window:
    """A counter that starts again at every multiple of its length since the epoch.

    `past`: when each finished window began (ms) and what it counted in the end, oldest first, without the empty ones.
    """

    __slots__ = ("_index", "count", "head", "length_ms", "limit", "past", "row", "text")

    def __init__(self, rate_limit_type: str, interval: str, interval_num: int, length_ms: int, limit: int) -> None:
        self.row = {
            "rateLimitType": rate_limit_type,
            "interval": interval,
            "intervalNum": interval_num,
            "limit": limit,
        }
        self.length_ms = length_ms
        self.limit = limit
        self.count = 0
        self.text = f"{interval_num} {interval}"
        self.past: deque[tuple[int, int]] = deque(maxlen=PAST_MAX)
        self._index = -1
        # The entry of `rateLimits` up to the count: all of it but the last number never changes.
        self.head = (
            f'{{"rateLimitType":"{rate_limit_type}","interval":"{interval}","intervalNum":{interval_num},'
            f'"limit":{limit},"count":'
        ).encode()

    def roll(self, now_ms: int) -> None:
        index = now_ms // self.length_ms
        if index != self._index:
            if self.count:
                self.past.append((self._index * self.length_ms, self.count))
            self._index = index
            self.count = 0

    def next_start_ms(self, now_ms: int) -> int:
        return (now_ms // self.length_ms + 1) * self.length_ms

    def entry(self) -> bytes:
        return b"%b%d}" % (self.head, self.count)


class AddressLimits:
    """What one IP address may do: request weight, requests, attempts to connect, bans. All its connections share it."""

    def __init__(self, rules: RateLimitRules) -> None:
        self.weight = Window("REQUEST_WEIGHT", "MINUTE", 1, MINUTE_MS, rules.request_weight_per_minute)
        self.raw_requests = Window("RAW_REQUESTS", "MINUTE", 5, 5 * MINUTE_MS, rules.raw_requests_per_5_minutes)
        self.connections = Window("CONNECTIONS", "MINUTE", 5, 5 * MINUTE_MS, rules.connections_per_5_minutes)
        self.refusals = Window("REFUSALS", "MINUTE", 1, MINUTE_MS, rules.refusals_before_ban)
        self.banned_until_ms = 0
        self._bans = 0

    def admits_connection(self, now_ms: int) -> bool:
        """Count a connection attempt; false when the address is banned or attempts too often."""
        self.connections.roll(now_ms)
        self.connections.count += 1
        return now_ms >= self.banned_until_ms and self.connections.count <= self.connections.limit

    def admits(self, weight: int, now_ms: int) -> bool:
        """Count a request; whether its weight fits into the minute. A refusal is counted and may bring a ban."""
        self.weight.roll(now_ms)
        self.requested(now_ms)
        if now_ms < self.banned_until_ms:
            return False
        raw = self.raw_requests
        if self.weight.count + weight <= self.weight.limit and raw.count <= raw.limit:
            return True
        self.weight.count += weight
        self.refusals.roll(now_ms)
        self.refusals.count += 1
        if self.refusals.count > self.refusals.limit:
            self.ban(now_ms, min(BAN_LONGEST_MS, BAN_FIRST_MS << self._bans))
        return False

    def requested(self, now_ms: int) -> None:
        """Count a request, whatever its weight."""
        self.raw_requests.roll(now_ms)
        self.raw_requests.count += 1

    def exhausted(self) -> Window:
        """The window for which a request was refused just now."""
        raw = self.raw_requests
        return raw if raw.count > raw.limit else self.weight

    def ban(self, now_ms: int, for_ms: int) -> None:
        """Refuse everything for so long."""
        self.banned_until_ms = max(self.banned_until_ms, now_ms + for_ms)
        self._bans += 1

    def charge(self, weight: int, now_ms: int) -> None:
        self.weight.roll(now_ms)
        self.weight.count += weight


class AccountLimits:
    """The unfilled orders of one account, over all its keys and connections (FAQ "Spot Unfilled Order Count Rules")."""

    TAKER_CREDIT = 1
    MAKER_CREDIT = 5

    def __init__(self, rules: RateLimitRules) -> None:
        self.ten_seconds = Window("ORDERS", "SECOND", 10, 10_000, rules.orders_per_10_seconds)
        self.day = Window("ORDERS", "DAY", 1, 24 * 60 * MINUTE_MS, rules.orders_per_day)

    def exhausted(self, now_ms: int) -> Window | None:
        """The window that has no room for one more order, the longer one first; None when both have."""
        for window in (self.day, self.ten_seconds):
            window.roll(now_ms)
            if window.count >= window.limit:
                return window
        return None

    def placed(self, now_ms: int, *, orders: int = 1) -> None:
        for window in (self.day, self.ten_seconds):
            window.roll(now_ms)
            window.count += orders

    def first_filled(self, *, is_maker: bool, now_ms: int) -> None:
        """The first fill of an order gives credit in the current windows, never below zero."""
        credit = self.MAKER_CREDIT if is_maker else self.TAKER_CREDIT
        for window in (self.day, self.ten_seconds):
            window.roll(now_ms)
            window.count = max(0, window.count - credit)

    def rows(self, now_ms: int) -> list[dict[str, Any]]:
        """The result of `account.rateLimits.orders`."""
        self.ten_seconds.roll(now_ms)
        self.day.roll(now_ms)
        return [{**window.row, "count": window.count} for window in (self.ten_seconds, self.day)]

    def entries(self, now_ms: int) -> list[bytes]:
        """The two ORDERS entries of `rateLimits`, the shorter interval first."""
        self.ten_seconds.roll(now_ms)
        self.day.roll(now_ms)
        return [self.ten_seconds.entry(), self.day.entry()]
