"""Market data: keeps the market connection subscribed to what is followed, and publishes what comes, each to its topic.

Events are decoded and published straight from the reader, and wait with whoever follows them: a slow consumer delays
nobody. What can be followed is in `feeds.py`, who follows what in `interest.py`.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import trio

from dogwatch.actors.connection import (
    Connected,
    Connection,
    ConnectionState,
    ConnectionTopics,
    Disconnected,
    FrameBatch,
    Reconnect,
    Transmit,
)
from dogwatch.actors.feeds import Broken
from dogwatch.actors.interest import Interest
from dogwatch.actors.spot.envelope import MalformedFrame
from dogwatch.actors.spot.errors import ExchangeError
from dogwatch.actors.spot.methods import encode_stream_request
from dogwatch.actors.spot.stream_events import (
    Book,
    KlineEvent,
    Quote,
    StreamEvent,
    StreamResponse,
    Trade,
    decode_stream_frame,
)
from dogwatch.actors.spot.user_events import ServerShutdown
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Gap, Message
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.topic import Topic

REQUEST_SPACING_S = 0.3
"""The exchange takes 5 messages a second, pongs included, and cuts the connection above that (WebSocket Streams)."""
STREAMS_PER_REQUEST = 200
STREAMS_MAX = 1024
"""More on one connection are refused (WebSocket Streams)."""
LINGER_S = 10.0
"""How long a stream that nobody follows stays subscribed: a loop that is left and entered again costs no request."""
LOOK_EVERY_S = 5.0
"""How often streams that have lingered long enough are given back."""
REFUSED_S = 30.0
"""How long a stream that was refused is not asked for again."""


class LookAfter(Message, frozen=True, kw_only=True):
    """What is wanted may have changed."""


class RequestAgain(Message, frozen=True, kw_only=True):
    """A timer's message: the next request may be sent."""


class MarketData(Actor):
    """Subscribes on demand (WebSocket Streams, Live subscribing), again after every reconnect, and publishes."""

    lanes: ClassVar[tuple[Lane, ...]] = (
        Lane("messages", accepts=(LookAfter, RequestAgain), capacity=8, conflate_by=type),
    )

    def __init__(
        self, *, connection: ActorRef[Connection], connection_topics: ConnectionTopics, interest: Interest
    ) -> None:
        self._connection = connection
        self._connection_topics = connection_topics
        self._interest = interest
        self._epoch: int | None = None
        self._subscribed: set[str] = set()
        self._requests: dict[int, tuple[str, ...]] = {}  # what each unanswered request subscribes to
        self._refused_until_s: dict[str, float] = {}
        self._request_id = 0
        self._is_pausing = False
        self._resumed: set[str] = set()
        self.unread = 0

    async def on_start(self) -> None:
        self.tap(self._connection_topics.states, self._follow_state)
        self.tap(self._connection_topics.frames, self._route)
        if self.life > 1:
            # What the life before has subscribed on this socket is not known: a new socket is clean.
            self._connection.tell(Reconnect(reason="market data was restarted"))
        else:
            self._epoch = self._connection_topics.epoch
        self._interest.changed = self._look_soon
        self.tell_every(LOOK_EVERY_S, LookAfter())
        self._look_soon()

    def statistics(self) -> dict[str, Any]:
        return {
            "subscribed": len(self._subscribed),
            "unanswered": len(self._requests),
            "events": self._interest.events,
            "unread": self.unread,
        }

    def on_look_after(self, _message: LookAfter) -> None:
        if not self._is_pausing:
            self._request_next()

    def on_request_again(self, _message: RequestAgain) -> None:
        self._is_pausing = False
        self._request_next()

    def _request_next(self) -> None:
        """Send at most one request; the pause after it leads to the next."""
        epoch = self._epoch
        if epoch is None:
            return
        wanted = self._wanted()
        if missing := sorted(self._askable(wanted - self._subscribed))[:STREAMS_PER_REQUEST]:
            self._subscribed.update(missing)
            self._request(epoch, "SUBSCRIBE", missing)
        elif surplus := sorted(self._subscribed - wanted)[:STREAMS_PER_REQUEST]:
            self._subscribed.difference_update(surplus)
            self._request(epoch, "UNSUBSCRIBE", surplus)

    def _wanted(self) -> frozenset[str]:
        wanted = self._interest.wanted(trio.current_time(), linger_s=LINGER_S)
        if len(wanted) > STREAMS_MAX:
            self.log.error("too many streams", wanted=len(wanted), served=STREAMS_MAX)
            return frozenset(sorted(wanted)[:STREAMS_MAX])
        return wanted

    def _askable(self, streams: frozenset[str]) -> frozenset[str]:
        """Without those that were refused a moment ago."""
        now_s = trio.current_time()
        for stream, until_s in tuple(self._refused_until_s.items()):
            if until_s <= now_s:
                del self._refused_until_s[stream]
        return streams - self._refused_until_s.keys()

    def _request(self, epoch: int, method: str, streams: Sequence[str]) -> None:
        self._request_id += 1
        self._requests[self._request_id] = tuple(streams) if method == "SUBSCRIBE" else ()
        payload = encode_stream_request(self._request_id, method, streams)
        self._connection.tell(Transmit(epoch=epoch, payload=payload, tag=self._request_id))
        self._is_pausing = True
        self.tell_after(REQUEST_SPACING_S, RequestAgain())

    def _look_soon(self) -> None:
        # Offered and not told: a loop that ends after the tree has ended must not fail for it.
        self.ref.mailbox.offer(LookAfter())

    def _follow_state(self, state: ConnectionState) -> None:
        if isinstance(state, Connected):
            self._epoch = state.epoch
            self._look_soon()
        elif isinstance(state, Disconnected) and self._epoch is not None:
            self._epoch = None
            self._forget_socket(state.reason)

    def _forget_socket(self, reason: str) -> None:
        self._requests.clear()
        self._refused_until_s.clear()
        for stream in self._subscribed:
            topic = self._interest.topic(stream)
            if topic is not None and "@depth@" in stream:
                topic.publish(Broken(stream=stream, reason=reason))
        self._resumed.update(stream for stream in self._subscribed if stream.endswith("@trade"))
        self._subscribed.clear()

    def _route(self, batch: FrameBatch) -> None:
        for payload in batch.payloads:
            frame = decode_stream_frame(payload)
            if isinstance(frame, StreamEvent):
                self._publish(frame)
            else:
                self._note(frame)

    def _publish(self, frame: StreamEvent[Any]) -> None:
        stream, event = frame.stream, frame.event
        topic = self._interest.topic(stream) if stream is not None else None
        if topic is None:
            self._note(event)
            return
        self._interest.events += 1
        if event.__class__ is Quote:
            topic.publish(event)
        elif event.__class__ is KlineEvent:
            topic.publish(event.kline)
        elif event.__class__ is Book:
            topic.publish(msgspec.structs.replace(event, symbol=topic.name.partition("@")[0].upper()))
        else:
            if self._resumed and stream in self._resumed:
                self._resumed.discard(stream)
                _tell_gap(topic, event)
            topic.publish(event)

    def _note(self, frame: object) -> None:
        """What is no event that somebody follows."""
        if isinstance(frame, StreamResponse):
            if frame.error is not None:
                self._refuse(frame.id, frame.error)
            elif isinstance(frame.id, int):
                self._requests.pop(frame.id, None)
        elif isinstance(frame, ServerShutdown):
            self._connection.tell(Reconnect(epoch=self._epoch, reason="the server announced its shutdown"))
        else:
            self.unread += 1
            if isinstance(frame, MalformedFrame):
                self.log.warning("frame not understood", problem=frame.problem, excerpt=frame.excerpt)

    def _refuse(self, request_id: int | str | None, error: ExchangeError) -> None:
        """Some errors come without the id of their request: then each that is unanswered may be meant."""
        ids = (request_id,) if isinstance(request_id, int) else tuple(self._requests)
        streams = [stream for known in ids for stream in self._requests.pop(known, ())]
        self.log.error("streams refused", streams=streams, code=error.code, reason=error.message)
        self._subscribed.difference_update(streams)
        self._refused_until_s.update(dict.fromkeys(streams, trio.current_time() + REFUSED_S))


def _tell_gap(topic: Topic[Any], event: object) -> None:
    """Trade ids have no holes: the first one after an interruption tells how many were missed."""
    last = topic.last
    if isinstance(last, Trade) and isinstance(event, Trade) and event.trade_id > last.trade_id + 1:
        topic.publish(Gap(lane=topic.name, dropped=event.trade_id - last.trade_id - 1))
