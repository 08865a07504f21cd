"""The exchange's clock, estimated from answers to `time`: how far it is ahead of ours, and how fast they drift apart.

Pure: "our clock" is any that runs evenly, in seconds. An answer bounds the difference from both sides, for the server
read its clock between question and answer (General requests, Check server time); the nearer the two, the closer the
bounds. What fits none of the other bounds is an outlier, until another answer says the same: then a clock was set.
"""

from collections.abc import Sequence
from enum import Enum
from math import inf

import msgspec

__all__ = ["ClockEstimate", "ClockEstimator", "Finding", "Measurement", "StampRefused"]

DRIFT_MS_PER_S_MAX = 0.5
"""How fast two clocks may drift apart: 500 parts in a million, as much as an operating system corrects at most. Quartz
does a tenth of that."""
BOUNDS_KEPT = 16
KEPT_S_MAX = 3_600.0
"""The drift itself changes, with the temperature: within an hour by a few parts in a million."""
ROUNDING_MS = 0.01
AHEAD_MS_MAX = 1_000
"""A timestamp may be less than this ahead of the server's clock (Timing security)."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One question for the time: when it was asked and answered by our clock, and what the server's clock said."""

    asked_s: float
    answered_s: float
    server_time_ms: int

    @property
    def round_trip_s(self) -> float:
        return self.answered_s - self.asked_s


class StampRefused(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A timestamp that the exchange did not take: when it left and was answered by our clock.

    `is_ahead`: whether it was too far ahead of the server's clock, else its recvWindow had passed; None if it is not
    said.
    """

    stamp_ms: int
    sent_s: float
    answered_s: float
    recv_window_ms: int
    is_ahead: bool | None


class Finding(Enum):
    """What a measurement has said."""

    FITS = "fits"
    DOUBTFUL = "doubtful"
    """It contradicts those before it, and is left out: ask again."""
    STEPPED = "stepped"
    """The second that contradicts those before it and agrees with the other: one of the clocks was set."""
    OUTDATED = "outdated"
    """It was asked before what was measured had to be forgotten."""


class ClockEstimate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """At `at_s` of our clock, in seconds, the server's was `ahead_ms` ahead of it, give or take `error_ms`.

    From then on it gains `drift_ms_per_s`, give or take `drift_error_ms_per_s`.
    """

    at_s: float
    ahead_ms: float
    error_ms: float
    drift_ms_per_s: float
    drift_error_ms_per_s: float

    def ahead_ms_at(self, now_s: float) -> float:
        """How far the server's clock is ahead at this moment."""
        return self.ahead_ms + self.drift_ms_per_s * (now_s - self.at_s)

    def error_ms_at(self, now_s: float) -> float:
        """How wrong that can be, as long as neither clock is set."""
        return self.error_ms + self.drift_error_ms_per_s * abs(now_s - self.at_s)


class Bound(msgspec.Struct, frozen=True, gc=False):
    """At `at_s` the server's clock was ahead of ours by at least `low_ms` and at most `high_ms`."""

    at_s: float
    low_ms: float
    high_ms: float


class ClockEstimator:
    """Takes measurements in, gives the estimate. The newest measurement should not be much older than the one before.

    `estimate` is None before the first measurement; after `forget` it stays what it was until the next one.
    """

    def __init__(self) -> None:
        self.estimate: ClockEstimate | None = None
        self.is_in_doubt = False
        """Whether what was measured has been forgotten, and nothing was measured since."""
        self.outliers = 0
        """How many measurements were left out, for none agreed with them."""
        self._bounds: list[Bound] = []
        self._doubtful: list[Bound] = []
        self._forgotten_s = -inf

    def observe(self, measurement: Measurement) -> Finding:
        """Take a measurement into account."""
        if measurement.asked_s < self._forgotten_s:
            return Finding.OUTDATED
        bound = bound_of(measurement)
        self._bounds = [known for known in self._bounds if bound.at_s - known.at_s <= KEPT_S_MAX]
        if all(is_within_reach(known, bound) for known in self._bounds):
            self._take_in(bound, measurement.answered_s)
            return Finding.FITS
        if self._doubtful and all(is_within_reach(known, bound) for known in self._doubtful):
            self._bounds, self._doubtful = self._doubtful, []
            self._take_in(bound, measurement.answered_s)
            return Finding.STEPPED
        self.outliers += len(self._doubtful)
        self._doubtful = [bound]
        return Finding.DOUBTFUL

    def heed(self, refusal: StampRefused) -> bool:
        """Whether the estimate can be right although a timestamp was refused; if not, it is forgotten.

        A request that was on its way for longer than its recvWindow is refused by whatever clock it was stamped.
        """
        estimate, sent_s, answered_s = self.estimate, refusal.sent_s, refusal.answered_s
        if self.is_in_doubt and sent_s <= self._forgotten_s:
            return False  # it was stamped by what is forgotten already; a question may be on its way since
        if estimate is None or refusal.is_ahead is None:
            is_explained = False
        elif refusal.is_ahead:
            ahead_ms_max = refusal.stamp_ms - AHEAD_MS_MAX - 1000 * sent_s
            is_explained = estimate.ahead_ms_at(sent_s) - estimate.error_ms_at(sent_s) <= ahead_ms_max
        else:
            ahead_ms_min = refusal.stamp_ms + refusal.recv_window_ms - 1000 * answered_s
            is_explained = estimate.ahead_ms_at(answered_s) + estimate.error_ms_at(answered_s) >= ahead_ms_min
        if not is_explained:
            self.forget(answered_s)
        return is_explained

    def forget(self, now_s: float) -> None:
        """Trust nothing that was asked before now: one of the clocks was set, or ours has stood still."""
        self._forgotten_s = now_s
        self._bounds.clear()
        self._doubtful.clear()
        self.is_in_doubt = True

    def _take_in(self, bound: Bound, answered_s: float) -> None:
        """A bound that agrees with those we have."""
        if not all(is_within_reach(doubtful, bound) for doubtful in self._doubtful):
            self.outliers += len(self._doubtful)
            self._doubtful.clear()
        self.is_in_doubt = False
        if self._bounds and self._says_nothing_new(bound):
            return
        self._bounds.append(bound)
        self._bounds.sort(key=lambda known: known.at_s)
        if len(self._bounds) > BOUNDS_KEPT:
            self._bounds.remove(max(self._bounds, key=lambda known: open_ms(known, answered_s)))
        while (drift := drift_range(self._bounds)) is None:  # it was another one before
            del self._bounds[0]
        self.estimate = estimate_of(self._bounds, drift, answered_s)

    def _says_nothing_new(self, bound: Bound) -> bool:
        estimate = self.estimate
        if estimate is None:
            return False
        ahead_ms, error_ms = estimate.ahead_ms_at(bound.at_s), estimate.error_ms_at(bound.at_s)
        return bound.low_ms <= ahead_ms - error_ms and ahead_ms + error_ms <= bound.high_ms


def bound_of(measurement: Measurement) -> Bound:
    """What a measurement says for sure. The server cuts off the fraction of its millisecond."""
    asked_s, answered_s, server_time_ms = measurement.asked_s, measurement.answered_s, measurement.server_time_ms
    # The clocks drift also between question and answer.
    margin_ms = ROUNDING_MS + 0.5 * DRIFT_MS_PER_S_MAX * (answered_s - asked_s)
    return Bound(
        0.5 * (asked_s + answered_s),
        server_time_ms - 1000 * answered_s - margin_ms,
        server_time_ms + 1 - 1000 * asked_s + margin_ms,
    )


def open_ms(bound: Bound, now_s: float) -> float:
    """How much a bound alone leaves open at this moment."""
    return bound.high_ms - bound.low_ms + 2 * DRIFT_MS_PER_S_MAX * abs(now_s - bound.at_s)


def is_within_reach(one: Bound, other: Bound) -> bool:
    """Whether drift alone leads from one bound to the other."""
    reach_ms = DRIFT_MS_PER_S_MAX * abs(other.at_s - one.at_s)
    return other.low_ms - reach_ms <= one.high_ms and one.low_ms <= other.high_ms + reach_ms


def drift_range(bounds: Sequence[Bound]) -> tuple[float, float] | None:
    """The drifts in ms/s that are possible if it was the same all the time; None if it was not. Rising by time."""
    least, most = -DRIFT_MS_PER_S_MAX, DRIFT_MS_PER_S_MAX
    for number, later in enumerate(bounds):
        for earlier in bounds[:number]:
            between_s = later.at_s - earlier.at_s
            if between_s > 0:
                least = max(least, (later.low_ms - earlier.high_ms) / between_s)
                most = min(most, (later.high_ms - earlier.low_ms) / between_s)
    return (least, most) if least <= most else None


def estimate_of(bounds: Sequence[Bound], drift: tuple[float, float], now_s: float) -> ClockEstimate:
    """The middle of what all bounds leave open, carried on to `now_s`."""
    least, most = drift
    low_ms = max(bound.low_ms + min(least * (now_s - bound.at_s), most * (now_s - bound.at_s)) for bound in bounds)
    high_ms = min(bound.high_ms + max(least * (now_s - bound.at_s), most * (now_s - bound.at_s)) for bound in bounds)
    return ClockEstimate(
        at_s=now_s,
        ahead_ms=0.5 * (low_ms + high_ms),
        error_ms=max(0.0, 0.5 * (high_ms - low_ms)),
        drift_ms_per_s=0.5 * (least + most),
        drift_error_ms_per_s=0.5 * (most - least),
    )
