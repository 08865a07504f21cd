"""The exchange's clock as seen from here, readable at once. Who measures it is in session.py and clock_sync.py."""

from collections import deque

import msgspec

from dogwatch.runtime.clock import Clock

__all__ = ["Measurement", "ServerClock", "ServerTime"]

MEASUREMENTS_KEPT = 8
DRIFT_MS_PER_S = 0.1
"""How far two clocks may drift apart: 100 parts in a million, several times what quartz does."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One question for the time: when it was asked and answered on Trio's clock, and what the server said.

    The server's clock was read somewhere between, so the middle is wrong by at most half of the round trip.
    """

    asked_s: float
    answered_s: float
    server_time_ms: int

    @property
    def round_trip_s(self) -> float:
        return self.answered_s - self.asked_s

    @property
    def ahead_ms(self) -> float:
        """How far the server's clock is ahead of Trio's."""
        # The server cuts off the fraction of its millisecond: half of one is missing on average.
        return self.server_time_ms + 0.5 - 500.0 * (self.asked_s + self.answered_s)


class ServerClock:
    """Server time from the best of the latest measurements, carried on by the monotonic clock.

    So a step of this machine's wall clock, by NTP or by hand, moves no timestamp. Before the first measurement the wall
    clock is all there is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._measurements: deque[Measurement] = deque(maxlen=MEASUREMENTS_KEPT)
        self._best: Measurement | None = None
        self._ahead_ms = 0.0

    @property
    def is_measured(self) -> bool:
        return self._best is not None

    @property
    def offset_ms(self) -> float:
        """How far the server's clock is ahead of this machine's wall clock; 0 before the first measurement."""
        if self._best is None:
            return 0.0
        return self._clock.now_s() * 1000 + self._ahead_ms - self._clock.unix_us() / 1000

    @property
    def uncertainty_ms(self) -> float | None:
        """Server time is known to within plus or minus so many milliseconds; None before the first measurement."""
        return None if self._best is None else uncertainty_ms(self._best, self._clock.now_s())

    def now_ms(self) -> int:
        """Server time in milliseconds: what a request's `timestamp` should be."""
        if self._best is None:
            return self._clock.unix_ms()
        return int(self._clock.now_s() * 1000 + self._ahead_ms)

    def observe(self, measurement: Measurement) -> None:
        """Take a measurement into account."""
        self._measurements.append(measurement)
        now_s = self._clock.now_s()
        self._best = min(self._measurements, key=lambda known: uncertainty_ms(known, now_s))
        self._ahead_ms = self._best.ahead_ms

    def forget(self) -> None:
        """Trust no earlier measurement: the exchange has refused a timestamp, or this machine has slept."""
        self._measurements.clear()


class ServerTime(Clock):
    """Server time in the shape of a Clock, for times that are compared with one another: whoever sets this machine's
    wall clock moves none of them. Before the first measurement it is the wall clock."""

    def __init__(self, server_clock: ServerClock) -> None:
        self._server_clock = server_clock

    def unix_ms(self) -> int:
        return self._server_clock.now_ms()

    def unix_us(self) -> int:
        return self._server_clock.now_ms() * 1000


def uncertainty_ms(measurement: Measurement, now_s: float) -> float:
    """What the round trip leaves open, and what the clocks may have drifted apart since."""
    return 500.0 * measurement.round_trip_s + DRIFT_MS_PER_S * (now_s - measurement.answered_s)
