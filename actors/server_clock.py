"""The exchange's clock as seen from here, readable at once. Who measures it is in session.py and clock_sync.py, what
the measurements mean in spot/clock_estimate.py.
"""

from collections.abc import Callable
from math import inf

import trio

from dogwatch.actors.spot.clock_estimate import ClockEstimator, Finding, Measurement, StampRefused
from dogwatch.runtime.clock import Clock

__all__ = ["Finding", "Measurement", "ServerClock"]


class ServerClock:
    """Server time from the latest measurements, carried on by the monotonic clock.

    So a step of this machine's wall clock, by NTP or by hand, moves no timestamp. Before the first measurement the wall
    clock is all there is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._estimator = ClockEstimator()
        # Server time is a straight line over the monotonic clock: one product and one sum for each timestamp.
        self._ms_per_s = 1000.0
        self._ms_at_0 = 0.0
        self.now_s: Callable[[], float] = trio.current_time
        """Trio's clock."""
        self.is_measured = False
        self.is_in_doubt = False
        """Whether it has to be measured before it can be trusted again: a timestamp was refused, or time stood still
        here. It goes on as before until it is measured."""
        self.finding = Finding.FITS
        """What the latest measurement has said."""
        self.stepped_ms = 0.0
        """By how much the latest measurement that counted has moved the server's clock."""
        self.asked_s = -inf
        """When the latest question that counted was asked."""

    @property
    def offset_ms(self) -> float:
        """How far the server's clock is ahead of this machine's wall clock; 0 before the first measurement."""
        if not self.is_measured:
            return 0.0
        return self._now_ms() - self._clock.unix_us() / 1000

    @property
    def uncertainty_ms(self) -> float | None:
        """Server time is known to within plus or minus so many milliseconds; None if it has to be measured first."""
        estimate = self._estimator.estimate
        return None if estimate is None or self.is_in_doubt else estimate.error_ms_at(self._clock.now_s())

    @property
    def drift_ppm(self) -> float | None:
        """By how many parts in a million the server's clock is faster than this machine's; None if not measured."""
        estimate = self._estimator.estimate
        return None if estimate is None else 1000 * estimate.drift_ms_per_s

    @property
    def outliers(self) -> int:
        """How many measurements were left out, for none agreed with them."""
        return self._estimator.outliers

    def now_ms(self) -> int:
        """Server time in milliseconds: what a request's `timestamp` should be."""
        if not self.is_measured:
            return self._clock.unix_ms()
        return int(self.now_s() * self._ms_per_s + self._ms_at_0)

    def ms_at(self, now_s: float) -> int:
        """The same for who has looked at Trio's clock in this step already."""
        if not self.is_measured:
            return self._clock.unix_ms()
        return int(now_s * self._ms_per_s + self._ms_at_0)

    def observe(self, measurement: Measurement) -> None:
        """Take a measurement into account."""
        before_ms, was_measured = self._now_ms(), self.is_measured
        # `trio.current_time` looks for this clock each time: 0.1 instead of 0.3 us.
        self.now_s = trio.lowlevel.current_clock().current_time
        finding = self.finding = self._estimator.observe(measurement)
        estimate = self._estimator.estimate
        if estimate is not None:
            self.is_measured = True
            self._ms_per_s = 1000 + estimate.drift_ms_per_s
            self._ms_at_0 = estimate.ahead_ms - estimate.drift_ms_per_s * estimate.at_s
        if finding in (Finding.FITS, Finding.STEPPED):
            self.stepped_ms = self._now_ms() - before_ms if was_measured else 0.0
            self.asked_s = measurement.asked_s
        self.is_in_doubt = self._estimator.is_in_doubt

    def heed(self, refusal: StampRefused) -> None:
        """A timestamp was refused: doubt the clock, unless the request was too long on its way."""
        self._estimator.heed(refusal)
        self.is_in_doubt = self._estimator.is_in_doubt

    def forget(self) -> None:
        """Trust no earlier measurement: this machine has slept, or nobody knows what was refused."""
        self._estimator.forget(self._clock.now_s())
        self.is_in_doubt = True

    def asleep_s(self) -> float:
        """For how many seconds this machine was suspended: see Clock."""
        return self._clock.asleep_s()

    def _now_ms(self) -> float:
        return self._clock.now_s() * self._ms_per_s + self._ms_at_0
