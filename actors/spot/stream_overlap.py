"""Two sockets that bring the same market streams: what of both is published, so that nothing is lost or comes twice.
Pure.

From its subscription on, what the new socket brings is held, while the old one goes on. `join` ends that, when the old
one has been proven to have brought everything from before. From then on whatever comes first is published and the other
copy is dropped, until one of the two is gone; which kinds of events there are, and where one stands among those of its
stream, is in `place`. Sockets, requests and topics are market_data.py's.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from math import inf
from typing import Any, TypeAlias

import msgspec

from dogwatch.actors.spot.stream_events import (
    AggregateTradeEvent,
    BlockTradeEvent,
    Book,
    BookDiff,
    Kline,
    Quote,
    Trade,
)
from dogwatch.actors.spot.ticker_events import (
    AveragePriceEvent,
    DayTicker,
    FourHoursTicker,
    HourTicker,
    MiniTicker,
    ReferencePriceEvent,
    Ticker24h,
)

__all__ = ["Hole", "Outcome", "Side", "StreamOverlap", "place"]

HELD_MAX = 65_536
"""What is held at most, over all streams: some seconds of the busiest ones."""
HOLE_S = 2.0
"""How long an event waits for those that are missing before it, as long as there are two sockets to bring them."""
SETTLE_S = 1.0
"""For so long after the join the old socket may bring something from before the new one's subscription: servers differ
by milliseconds."""
FITS_ANYWHERE = 0
NOTHING = -1

_CLOSED = 1 << 40
"""Above any number of trades in one candle."""


class Side(Enum):
    """Which of the two sockets."""

    OLD = "old"
    NEW = "new"

    @property
    def other(self) -> "Side":
        return Side.OLD if self is Side.NEW else Side.NEW


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """In this place events are missing, those with the ids from `first_id` to `last_id`."""

    first_id: int
    last_id: int

    @property
    def size(self) -> int:
        return self.last_id - self.first_id + 1


Outcome: TypeAlias = list[tuple[str, Any]]
"""What is to be published now, in order: (stream, event or Hole)."""


def place(event: object) -> tuple[int, int] | None:
    """Where an event begins and ends among those of its stream; None for a kind that has no order of its own.

    Trades and changes of a book are numbered without holes; block trades are numbered. Quotes, partial books, candles,
    tickers and averages are states, which only become newer: they begin anywhere. A candle becomes newer with each
    trade, then by being closed; the tickers of all symbols come as a tuple, as new as the newest of them.
    """
    rule = _PLACES.get(event.__class__)
    return None if rule is None else rule(event)


def _by_event_time(event: Any) -> tuple[int, int]:
    return FITS_ANYWHERE, event.event_time_ms


def _of_candle(event: Kline) -> tuple[int, int]:
    return FITS_ANYWHERE, (event.start_time_ms << 41) + event.is_closed * _CLOSED + event.trade_count


_PLACES: dict[type, Callable[[Any], tuple[int, int]]] = {
    Trade: lambda event: (event.trade_id, event.trade_id),
    AggregateTradeEvent: lambda event: (event.aggregate_trade_id, event.aggregate_trade_id),
    BlockTradeEvent: lambda event: (FITS_ANYWHERE, event.block_trade_id),
    BookDiff: lambda event: (event.first_update_id, event.final_update_id),
    Quote: lambda event: (FITS_ANYWHERE, event.update_id),
    Book: lambda event: (FITS_ANYWHERE, event.last_update_id),
    Kline: _of_candle,
    ReferencePriceEvent: lambda event: (FITS_ANYWHERE, event.time_ms),
    tuple: lambda event: (FITS_ANYWHERE, max((ticker.event_time_ms for ticker in event), default=NOTHING)),
    **dict.fromkeys((MiniTicker, Ticker24h, HourTicker, FourHoursTicker, DayTicker, AveragePriceEvent), _by_event_time),
}


class StreamOverlap:
    """The overlap of an old and a new socket. `newest` tells what was published last on a stream before it began.

    Methods that take events return what is to be published. All times are seconds of one clock.
    """

    def __init__(self, newest: Callable[[str], object], *, held_max: int = HELD_MAX) -> None:
        self._newest = newest
        self._held_max = held_max
        self._seams: dict[str, _Seam] = {}
        self._judged: frozenset[str] = frozenset()
        self._judged_from_s = inf
        self._gone: Side | None = None
        self.is_joined = False
        self.held = 0
        """How many events wait, for the join or for others that are missing before them."""
        self.has_heard_new = False
        """Whether the new socket has brought anything at all."""

    @property
    def is_full(self) -> bool:
        """The old socket is so far behind the new one that the rest of it is not worth waiting for."""
        return self.held >= self._held_max

    @property
    def is_alone(self) -> bool:
        """Only one socket is left; it may still bring what the other has brought already."""
        return self._gone is not None

    def arrive(self, side: Side, stream: str, event: Any, now_s: float) -> list[Any]:
        """An event has come: what of this stream is to be published now."""
        if side is self._gone:
            return []
        if side is Side.NEW:
            self.has_heard_new = True
        where = place(event)
        if where is None:
            return [event] if side is self._speaker() else []
        seam = self._seam(stream)
        before = len(seam.held)
        seam.note(side, where[1], now_s, is_judged=now_s >= self._judged_from_s and stream in self._judged)
        if self.is_joined:
            outcome = seam.offer(event, where, now_s, may_wait=not self.is_alone and not self.is_full)
        elif side is Side.NEW:
            seam.held.append((*where, event))
            outcome = []
        else:
            outcome = seam.pass_on(event, where, now_s)
        self.held += len(seam.held) - before
        return outcome

    def join(self, streams: Iterable[str], now_s: float) -> Outcome:
        """The old socket has brought all from before the new one's subscription to `streams`, by which it is judged
        from now on: publish what the new one has brought beyond that."""
        self.is_joined = True
        self._judged = frozenset(streams)
        self._judged_from_s = now_s + SETTLE_S
        return self._flush(now_s)

    def lose(self, side: Side, now_s: float) -> Outcome:
        """A socket is gone, or is listened to no longer. What was held comes now, with the holes that nobody fills."""
        if self._gone is None:
            self._gone = side
            self.is_joined = True
            self._judged_from_s = inf
            for seam in self._seams.values():
                seam.leave_to(side.other)
        return self._flush(now_s)

    def expire(self, now_s: float) -> Outcome:
        """Tell the holes that nobody has filled in time."""
        return self._flush(now_s) if self.is_joined else []

    def has_brought(self, side: Side, stream: str) -> bool:
        """Whether a socket has brought anything of a stream."""
        seam = self._seams.get(stream)
        return seam is not None and seam.reached[side] != NOTHING

    def forget(self, stream: str) -> None:
        """Whoever follows this stream begins anew: nothing is missing before its next event, and nothing is late."""
        self._seams.pop(stream, None)
        self._judged -= {stream}

    def late(self, before_s: float) -> list[str]:
        """The streams of which the new socket has not brought what the old one has brought before then."""
        return sorted(stream for stream, seam in self._seams.items() if seam.due_since_s < before_s)

    def _speaker(self) -> Side:
        if self._gone is not None:
            return self._gone.other
        return Side.NEW if self.is_joined else Side.OLD

    def _seam(self, stream: str) -> "_Seam":
        seam = self._seams.get(stream)
        if seam is None:
            where = place(self._newest(stream))
            seam = self._seams[stream] = _Seam(NOTHING if where is None else where[1])
        return seam

    def _flush(self, now_s: float) -> Outcome:
        outcome: Outcome = []
        patient = not self.is_alone and not self.is_full
        for stream, seam in self._seams.items():
            if seam.held:
                is_due = not patient or now_s >= seam.hole_since_s + HOLE_S
                outcome += [(stream, event) for event in seam.flush(now_s, through_holes=is_due)]
        self.held = sum(len(seam.held) for seam in self._seams.values())
        return outcome


class _Seam:
    """One stream in an overlap."""

    __slots__ = ("due", "due_since_s", "held", "hole_since_s", "last", "reached")

    def __init__(self, last: int) -> None:
        self.last = last  # where the newest event ends that was published; NOTHING: there was none
        self.reached = {Side.OLD: NOTHING, Side.NEW: NOTHING}
        self.held: deque[tuple[int, int, Any]] = deque()
        self.hole_since_s = inf
        self.due = NOTHING  # what the new socket shall bring, and since when
        self.due_since_s = inf

    def note(self, side: Side, final: int, now_s: float, *, is_judged: bool) -> None:
        """Remember how far each socket is, and what the old one has brought that the new one shall bring, too."""
        reached = self.reached
        reached[side] = max(reached[side], final)
        if side is Side.OLD:
            if is_judged and self.due == NOTHING and final > reached[Side.NEW]:
                self.due, self.due_since_s = final, now_s
        elif self.due != NOTHING and final >= self.due:
            is_behind = reached[Side.OLD] > final
            self.due, self.due_since_s = (reached[Side.OLD], now_s) if is_behind else (NOTHING, inf)

    def leave_to(self, side: Side) -> None:
        """Only this socket is left: what it has not brought yet it will bring, with what is missing before it."""
        self.held = deque(held for held in self.held if held[1] <= self.reached[side])

    def pass_on(self, event: Any, where: tuple[int, int], now_s: float) -> list[Any]:
        """Publish it before the join: what is missing before it is told, unless the new socket has brought that."""
        if where[1] <= self.last:
            return []
        if self._fits(where[0]):
            return self._publish(event, where)
        insort(self.held, (*where, event), key=_begin)
        return self.flush(now_s, through_holes=True, up_to=where[0])

    def offer(self, event: Any, where: tuple[int, int], now_s: float, *, may_wait: bool) -> list[Any]:
        """Publish it if nothing is missing before it; hold it otherwise, for as long as that may be filled."""
        if where[1] <= self.last:
            return []
        if not self.held and self._fits(where[0]):
            return self._publish(event, where)
        insort(self.held, (*where, event), key=_begin)
        return self.flush(now_s, through_holes=not may_wait)

    def flush(self, now_s: float, *, through_holes: bool, up_to: float = inf) -> list[Any]:
        """Publish what is held and begins by `up_to`: as far as the first hole, or through all of them."""
        outcome: list[Any] = []
        held = self.held
        while held and held[0][0] <= up_to:
            first, final, event = held[0]
            if final > self.last:
                if self._fits(first):
                    event = self._cut(event, first)
                elif through_holes:
                    outcome.append(Hole(first_id=self.last + 1, last_id=first - 1))
                else:
                    self.hole_since_s = min(self.hole_since_s, now_s)
                    return outcome
                outcome.append(event)
                self.last = final
                self.hole_since_s = inf
            held.popleft()
        return outcome

    def _publish(self, event: Any, where: tuple[int, int]) -> list[Any]:
        """It is next; what is held of the same need not be held any more."""
        event = self._cut(event, where[0])
        self.last = where[1]
        held = self.held
        while held and held[0][1] <= self.last:
            held.popleft()
        return [event]

    def _fits(self, first: int) -> bool:
        return first <= self.last + 1 or self.last == NOTHING

    def _cut(self, event: Any, first: int) -> Any:
        """Quantities of a change of the book are absolute, so it may also begin where the one before has ended."""
        if isinstance(event, BookDiff) and self.last > NOTHING and first <= self.last:
            return msgspec.structs.replace(event, first_update_id=self.last + 1)
        return event


def _begin(held: tuple[int, int, Any]) -> tuple[int, int]:
    return held[0], held[1]
