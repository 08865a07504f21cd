"""What is asked of a symbol's candles: rows of any time zone, and statistics over a window of time. Pure.

(WebSocket API, "Klines", "Rolling window price change statistics"; WebSocket Streams, "Kline/Candlestick Streams with
timezone offset".)
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from dogwatch.actors.paper.klines import (
    DAY_MS,
    HOUR_MS,
    LENGTHS_MS,
    MINUTE_MS,
    Bar,
    Klines,
    opened_at_ms,
)

_TIME_ZONE = re.compile(r"(?P<sign>[+-]?)(?P<hours>[0-9]{1,2})(:(?P<minutes>[0-5][0-9]))?")
_WEST_MAX_MS, _EAST_MAX_MS = 12 * HOUR_MS, 14 * HOUR_MS
# What candles of other time zones are put together from, the longest that fits.
_PARTS = ("1h", "30m", "15m", "5m", "1m")


def read_time_zone(text: str) -> int | None:
    """How far the clocks are ahead of UTC, in ms: "8", "-1:00", "05:45"; None for what is no time zone here."""
    found = _TIME_ZONE.fullmatch(text)
    if found is None:
        return None
    offset_ms = int(found["hours"]) * HOUR_MS + int(found["minutes"] or 0) * MINUTE_MS
    offset_ms = -offset_ms if found["sign"] == "-" else offset_ms
    return offset_ms if -_WEST_MAX_MS <= offset_ms <= _EAST_MAX_MS else None


class CandleView:
    """The candles of one interval where clocks are `offset_ms` ahead of UTC."""

    def __init__(self, klines: Klines, interval: str, offset_ms: int = 0) -> None:
        self._klines = klines
        self._interval = interval
        self._offset_ms = offset_ms
        self._part = _part(interval, offset_ms)

    def bars(self, from_ms: int | None = None) -> Iterator[Bar]:
        """The bars that are kept and opened then or later, oldest first; the open one is the last."""
        if self._part is None:
            yield from _since(self._klines, self._interval, from_ms)
            return
        whole: Bar | None = None
        for part in _since(self._klines, self._part, from_ms):
            opened_ms = opened_at_ms(self._interval, part.opened_ms, self._offset_ms)
            if whole is not None and whole.opened_ms == opened_ms:
                whole.merge(part)
                continue
            if whole is not None:
                yield whole
            whole = part.copy()
            whole.opened_ms = opened_ms
        if whole is not None:
            yield whole

    def rows(self, *, start_ms: int | None, end_ms: int | None, limit: int) -> list[list[Any]]:
        """A `klines` reply: the newest up to `end_ms`, or the oldest from `start_ms`; the open bar is the last."""
        bars = [bar for bar in self.bars() if end_ms is None or bar.opened_ms <= end_ms]
        if start_ms is not None:
            chosen = list(islice((bar for bar in bars if bar.opened_ms >= start_ms), limit))
        else:
            chosen = bars[-limit:]
        return [bar.row(self._interval, self._offset_ms) for bar in chosen]


def window(klines: Klines, start_ms: int) -> Bar | None:
    """Everything since then as one bar, which opened then; None without a trade.

    Windows of up to a day begin at the minute, longer ones at the hour. Call `advance` before.
    """
    now = klines.current("1h")
    if now is None:
        return None
    first_hour_ms = -(-start_ms // HOUR_MS) * HOUR_MS
    if now.opened_ms - first_hour_ms > DAY_MS:
        first_hour_ms = start_ms // HOUR_MS * HOUR_MS
    minutes = (bar for bar in klines.closed_since("1m", start_ms) if bar.opened_ms < first_hour_ms)
    whole = Bar(start_ms, now.close)
    for bar in minutes:
        whole.merge(bar)
    if first_hour_ms > now.opened_ms:
        # It began within the running hour, and so did the running minute.
        whole.merge(klines.current("1m") or now)
        return whole
    for bar in klines.closed_since("1h", first_hour_ms):
        whole.merge(bar)
    whole.merge(now)
    return whole


def _part(interval: str, offset_ms: int) -> str | None:
    """What its bars are put together from; None where they are those of UTC."""
    length_ms = LENGTHS_MS.get(interval)
    if not offset_ms or (length_ms is not None and length_ms < DAY_MS and offset_ms % length_ms == 0):
        return None
    longest_ms = length_ms or DAY_MS
    return next(part for part in _PARTS if offset_ms % LENGTHS_MS[part] == 0 and longest_ms % LENGTHS_MS[part] == 0)


def _since(klines: Klines, interval: str, from_ms: int | None) -> Iterator[Bar]:
    """Those that opened then or later, and the open one."""
    if from_ms is None:
        yield from klines.all(interval)
        return
    yield from klines.closed_since(interval, from_ms)
    current = klines.current(interval)
    if current is not None:
        yield current
