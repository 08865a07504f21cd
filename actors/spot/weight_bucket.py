"""How fast weight may be spent: a bucket that fills slowly and may be emptied at once. Pure; seconds of any one clock.

The exchange's own counters, which all requests of this address share, are not kept here: this only paces one asker.
"""


class WeightBucket:
    """Holds at most `burst` and gains `per_s` every second. It begins full."""

    def __init__(self, *, burst: float, per_s: float) -> None:
        if burst <= 0 or per_s <= 0:
            raise ValueError(f"burst {burst} and per_s {per_s} must both be positive")
        self._burst = burst
        self._per_s = per_s
        self._level = burst
        self._filled_s: float | None = None

    def take(self, weight: float, now_s: float) -> float:
        """Take out `weight`, in advance if it is not there yet. Returns for how many seconds to wait with using it."""
        self._fill(now_s)
        self._level -= weight
        return max(0.0, -self._level / self._per_s)

    def empty(self, now_s: float) -> None:
        """Start over from nothing: whoever counts has said that too much was spent."""
        self._fill(now_s)
        self._level = min(self._level, 0.0)

    def _fill(self, now_s: float) -> None:
        if self._filled_s is not None:
            self._level = min(self._burst, self._level + (now_s - self._filled_s) * self._per_s)
        self._filled_s = now_s
