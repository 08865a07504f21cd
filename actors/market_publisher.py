"""Publishes what a market link brings, each event to its topic. Which socket is heard is `market_data.py`'s work."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from dogwatch.actors.feeds import Broken
from dogwatch.actors.interest import Interest
from dogwatch.actors.spot.envelope import UNDECODABLE
from dogwatch.actors.spot.instants import with_instants
from dogwatch.actors.spot.stream_events import (
    AggregateTradeEvent,
    Book,
    BookDiff,
    KlineEvent,
    Quote,
    StreamEvent,
    StreamFrame,
    Trade,
)
from dogwatch.actors.spot.stream_frames import NEWEST_IS_ENOUGH, decode_stream_frame, key_of, stream_of
from dogwatch.actors.spot.stream_overlap import Hole
from dogwatch.actors.spot.user_events import ServerShutdown
from dogwatch.runtime.messages import Gap
from dogwatch.runtime.topic import Topic

NUMBERED = ("@trade", "@aggTrade")
"""Streams whose events have ids without holes: the first one after an interruption tells how many were missed."""
CHANGES = ("@depth", "@depth@100ms")
"""Streams of which nothing can be skipped: what was built from them has to be built anew."""
AS_THEY_COME: frozenset[type] = frozenset({Quote, Trade, AggregateTradeEvent, BookDiff})
"""What is published as it was decoded."""


class MarketPublisher:
    """Hands events to those who follow them in `interest`. `note(frame, epoch)` is told all that is none of theirs.

    `resumed` are the numbered streams of which something may be missing before the next event.
    """

    def __init__(self, interest: Interest, *, is_in_us: bool, note: Callable[[object, int], None]) -> None:
        self.resumed: set[str] = set()
        self._interest = interest
        self._is_in_us = is_in_us
        self._note = note

    def decode(self, payload: bytes) -> StreamFrame:
        """As `decode_stream_frame`, whether the connection tells times in milliseconds or in microseconds."""
        return with_instants(decode_stream_frame(payload)) if self._is_in_us else decode_stream_frame(payload)

    def publish_batch(self, payloads: list[bytes], epoch: int) -> None:
        """What one `recv` has brought. Of quotes and partial books that nobody wants all of, the newest is decoded."""
        if self._is_in_us:
            for payload in payloads:
                self._publish_frame(payload, epoch)
            return
        keys = [key_of(payload) for payload in payloads]
        newest = dict(zip(keys, payloads, strict=True))
        has_repeats = len(newest) < len(payloads)
        interest = self._interest
        for key, payload in zip(keys, payloads, strict=True):
            stream = stream_of(key)
            topic = None if stream is None else interest.topic(stream[0])
            if stream is None or topic is None:
                self._publish_frame(payload, epoch)
                continue
            if has_repeats and topic.is_latest and newest[key] is not payload and key.endswith(NEWEST_IS_ENOUGH):
                interest.events += 1
                continue
            name, decode = stream
            try:
                frame = decode(payload)
            except UNDECODABLE:
                frame = None
            if frame is None or frame.stream != name:  # it has two names
                self._publish_frame(payload, epoch)
            else:
                self._publish(name, frame.event, topic)

    def publish_all(self, outcome: Iterable[tuple[str, Any]]) -> None:
        """What comparing two sockets has made due: events, and holes."""
        for stream, item in outcome:
            topic = self._interest.topic(stream)
            if topic is None:
                continue
            if isinstance(item, Hole):
                topic.publish(_marker_of(item, stream))
                continue
            self._interest.events += 1
            if isinstance(item, tuple):
                _publish_each(topic, item)
            else:
                topic.publish(item)

    def _publish_frame(self, payload: bytes, epoch: int) -> None:
        frame = self.decode(payload)
        if not isinstance(frame, StreamEvent):
            self._note(frame, epoch)
            return
        topic = None if frame.stream is None else self._interest.topic(frame.stream)
        if topic is None or frame.stream is None or isinstance(frame.event, ServerShutdown):
            self._note(frame.event, epoch)
        else:
            self._publish(frame.stream, frame.event, topic)

    def _publish(self, stream: str, event: Any, topic: Topic[Any]) -> None:
        self._interest.events += 1
        if self.resumed and stream in self.resumed:
            self.resumed.discard(stream)
            _tell_gap(topic, event)
        kind = type(event)
        if kind in AS_THEY_COME:  # most
            topic.publish(event)
        elif kind is KlineEvent:
            topic.publish(event.kline)
        elif kind is Book:
            topic.publish(_with_symbol(event, topic))
        elif kind is tuple:
            _publish_each(topic, event)
        else:
            topic.publish(event)


def as_published(event: Any, topic: Topic[Any]) -> Any:
    """What those who follow a stream get for this event."""
    if isinstance(event, KlineEvent):
        return event.kline
    return _with_symbol(event, topic) if isinstance(event, Book) else event


def _with_symbol(book: Book, topic: Topic[Any]) -> Book:
    return msgspec.structs.replace(book, symbol=topic.name.partition("@")[0].upper())


def _marker_of(hole: Hole, stream: str) -> Gap | Broken:
    if stream.endswith(NUMBERED):
        return Gap(lane=stream, dropped=hole.size)
    return Broken(stream=stream, reason=f"the changes {hole.first_id} to {hole.last_id} are missing")


def _publish_each(topic: Topic[Any], tickers: Sequence[Any]) -> None:
    """What a stream of all symbols brings at once comes to those who follow it one by one."""
    for ticker in tickers:
        topic.publish(ticker)


def _tell_gap(topic: Topic[Any], event: object) -> None:
    first, last = _number(event), _number(topic.last)
    if first is not None and last is not None and first > last + 1:
        topic.publish(Gap(lane=topic.name, dropped=first - last - 1))


def _number(event: object) -> int | None:
    if isinstance(event, Trade):
        return event.trade_id
    return event.aggregate_trade_id if isinstance(event, AggregateTradeEvent) else None
