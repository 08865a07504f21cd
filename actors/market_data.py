"""Market data: keeps the market link subscribed to what is followed, and publishes what comes, each to its topic.

Events are decoded and published straight from the reader, and wait with whoever follows them: a slow consumer delays
nobody. What can be followed is in `feeds.py`, who follows what in `interest.py`; the requests of one socket are in
`stream_socket.py`, a move from one socket to another in `market_handover.py`.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, ClassVar

import trio

from dogwatch.actors.connection import (
    Connected,
    ConnectionState,
    Disconnected,
    FrameBatch,
    Open,
    PingReceived,
    Reconnect,
)
from dogwatch.actors.feeds import Broken
from dogwatch.actors.handover_times import LOOK_EVERY_S as LOOK_AT_HANDOVER_EVERY_S
from dogwatch.actors.interest import STREAMS_MAX, Interest
from dogwatch.actors.line import Line
from dogwatch.actors.look_after import LOOK_LANE, LookAfter, look_soon
from dogwatch.actors.market_handover import MarketHandover
from dogwatch.actors.market_publisher import CHANGES, NUMBERED, MarketPublisher, as_published
from dogwatch.actors.probe import Probe
from dogwatch.actors.rotation_messages import (
    Adopt,
    Carrying,
    NotAdopted,
    NotReleased,
    Release,
    RotateNow,
    RotationTopics,
)
from dogwatch.actors.spot.envelope import MalformedFrame
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.silence import Silence
from dogwatch.actors.spot.stream_events import (
    StreamEvent,
    StreamResponse,
)
from dogwatch.actors.spot.user_events import ServerShutdown
from dogwatch.actors.stream_socket import StreamSocket
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.errors import DogwatchError
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.reply import Reply

LINGER_S = 10.0
"""How long a stream that nobody follows stays subscribed: a loop that is left and entered again costs no request."""
LOOK_EVERY_S = 5.0
"""How often streams that have lingered long enough are given back."""
TOO_FAR_BEHIND = "it is too far behind the new socket"


class MarketData(Actor):
    """Subscribes on demand (WebSocket Streams, Live subscribing), again after every reconnect, and publishes.

    The first socket that stands carries, until Rotation has another one adopted or it is lost. Every event is then
    published once and in its order: what both sockets bring comes once, and what neither has brought is told as Gap
    (trades) or Broken (changes of a book). `resource` is what the lines ask for: events may come with or without the
    names of their streams, and with times in milliseconds or microseconds.
    """

    lanes: ClassVar[tuple[Lane, ...]] = (
        Lane("rotation", accepts=(Adopt, Release, Carrying, Probe), capacity=64),
        LOOK_LANE,
    )

    def __init__(
        self, *, lines: Sequence[Line], interest: Interest, rotation_topics: RotationTopics, resource: str = "/stream"
    ) -> None:
        self._lines = lines
        self._is_raw = not resource.startswith("/stream")
        is_in_us = "timeunit=microsecond" in resource.lower()
        self._publisher = MarketPublisher(interest, is_in_us=is_in_us, note=self._note)
        self._interest = interest
        self._rotation_topics = rotation_topics
        self._sockets: dict[int, StreamSocket] = {}  # those that stand, by epoch
        self._carrying: StreamSocket | None = None
        self._handover: MarketHandover | None = None
        self._simple_epoch = 0  # the socket whose events are published as they come; 0: none, or two are compared
        self._are_too_many = False
        self._seen_events = 0
        self._silence = Silence(trio.current_time())
        self.unread = 0

    async def on_start(self) -> None:
        for line in self._lines:
            self.tap(line.topics.states, partial(self._follow_state, line))
            self.tap(line.topics.frames, self._route)
            self.tap(line.topics.pings, self._count_pong)
        for line in self._lines:
            epoch = line.topics.epoch
            if epoch is not None and self.life > 1:
                # What the life before has subscribed on this socket is not known: a new socket is clean.
                line.connection.tell(Reconnect(epoch=epoch, reason="market data was restarted"))
            elif epoch is not None:
                self._meet(line, epoch)
        if self.life > 1:
            self._tell_loss(self._wanted(), "market data was restarted")
        self._interest.changed = partial(look_soon, self.ref)
        self._interest.is_served = self._is_served
        self._open_when_wanted()
        self.tell_every(LOOK_EVERY_S, LookAfter())

    def statistics(self) -> dict[str, Any]:
        carrying = self._carrying
        return {
            "epoch": None if carrying is None else carrying.epoch,
            "subscribed": 0 if carrying is None else len(carrying.subscribed),
            "unanswered": sum(socket.is_asking for socket in self._sockets.values()),
            "is_moving": self._handover is not None,
            "events": self._interest.events,
            "unread": self.unread,
        }

    def summary(self) -> str:
        count = 0 if self._carrying is None else len(self._carrying.subscribed)
        return f"{count} stream{'' if count == 1 else 's'}"

    def on_look_after(self, _message: LookAfter) -> None:
        self._open_when_wanted()
        for socket in self._sockets.values():
            socket.wake()
        if self._handover is not None and self._handover.is_over():
            self._end_handover()
        self._look_for_silence()

    def on_carrying(self, _query: Carrying) -> int | None:
        return None if self._carrying is None else self._carrying.epoch

    def on_probe(self, probe: Probe, reply: Reply[float]) -> None:
        socket = self._sockets.get(probe.epoch)
        if socket is None:
            reply.fail(NotSent("the socket it was meant for is gone"))
        elif socket.answered_s > probe.since_s:
            reply.send(socket.answered_s)
        else:
            self.tasks.start_soon(self._probe, socket, reply)

    def on_adopt(self, wish: Adopt, reply: Reply[None]) -> None:
        newer, former, handover = self._sockets.get(wish.epoch), self._carrying, self._handover
        if newer is None:
            reply.fail(NotAdopted("the new socket is gone already"))
        elif newer is former or former is None:
            reply.send(None)
        elif handover is not None and not handover.overlap.is_alone:
            reply.fail(NotAdopted("market data is moving between two sockets already"))
        else:
            handover = self._handover = MarketHandover(former, newer, self._newest)
            self._simple_epoch = 0
            self.tasks.start_soon(newer.keep_subscribed)
            self.tasks.start_soon(self._adopt, handover, reply)

    def on_release(self, wish: Release, reply: Reply[None]) -> None:
        socket, handover = self._sockets.get(wish.epoch), self._handover
        if socket is None:
            reply.send(None)
        elif handover is not None and socket is handover.former:
            self.tasks.start_soon(self._release, handover, reply)
        elif socket is self._carrying:
            reply.fail(NotReleased("market data comes over this socket"))
        else:
            self._lose(socket, "it was released")
            reply.send(None)

    # What is wanted.

    def _wanted(self) -> frozenset[str]:
        wanted = self._interest.wanted(trio.current_time(), linger_s=LINGER_S, at_most=STREAMS_MAX)
        were_too_many, self._are_too_many = self._are_too_many, len(self._interest) > STREAMS_MAX
        if self._are_too_many and not were_too_many:
            hint = "raise market_links in [connection]"
            self.log.error("too many streams", wanted=len(self._interest), served=STREAMS_MAX, hint=hint)
        return wanted

    def _open_when_wanted(self) -> None:
        """A spare link stands for nothing until there is a stream for it."""
        if not any(line.topics.is_wanted for line in self._lines) and self._wanted():
            self._lines[0].connection.tell(Open(reason="there are streams for it"))

    def _is_served(self, stream: str) -> bool:
        return self._carrying is not None and stream in self._carrying.confirmed

    def _look_for_silence(self) -> None:
        """A socket that brings nothing may be subscribed and deaf all the same: have another one tried."""
        now_s, carrying, events = trio.current_time(), self._carrying, self._interest.events
        if events != self._seen_events:
            self._seen_events = events
            self._silence.heard(now_s)
        elif carrying is None or not carrying.subscribed:
            self._silence.forget(now_s)
        elif self._silence.is_suspicious(now_s):
            reason = f"no market data for {self._silence.lasts_s(now_s):.0f} s"
            self._rotation_topics.wanted.publish(RotateNow(epoch=carrying.epoch, reason=reason))

    async def _probe(self, socket: StreamSocket, reply: Reply[float]) -> None:
        try:
            missing = await socket.check()
        except DogwatchError as failure:
            reply.fail(failure)
        else:
            reply.send(socket.answered_s)
            if socket is self._carrying:
                self._tell_loss(missing, "it was not subscribed any more")

    # Sockets.

    def _follow_state(self, line: Line, state: ConnectionState) -> None:
        if isinstance(state, Connected):
            self._meet(line, state.epoch)
        elif isinstance(state, Disconnected) and state.epoch in self._sockets:
            self._lose(self._sockets[state.epoch], state.reason)

    def _count_pong(self, ping: PingReceived) -> None:
        socket = self._sockets.get(ping.epoch)
        if socket is not None:
            socket.note_message(ping.received_s)

    def _meet(self, line: Line, epoch: int) -> None:
        """A socket stands. It carries if no other does; else it waits to be adopted."""
        socket = StreamSocket(epoch, line, wanted=self._wanted, lose=self._lose, log=self.log, is_raw=self._is_raw)
        self._sockets[epoch] = socket
        if self._carrying is None:
            self.tasks.start_soon(socket.keep_subscribed)
            self._carry(socket)

    def _carry(self, socket: StreamSocket | None) -> None:
        if self._carrying is None:
            self._silence.forget(trio.current_time())
        self._carrying = socket
        self._simple_epoch = 0 if socket is None or self._handover is not None else socket.epoch

    def _lose(self, socket: StreamSocket, reason: str) -> None:
        """This socket is gone, given up, or not needed any longer."""
        if self._sockets.pop(socket.epoch, None) is None:
            return
        socket.end(reason)
        handover, was_carrying = self._handover, socket is self._carrying
        if handover is not None and handover.side_of(socket) is not None:
            was_joined = handover.overlap.is_joined
            other = handover.newer if socket is handover.former else handover.former
            self._publisher.publish_all(handover.lose(socket, reason))
            if was_carrying and other.epoch in self._sockets:
                self._carry(other)
                if not was_joined:
                    self._tell_loss(socket.subscribed, reason, handover=handover)
                return
        if was_carrying:
            self._handover = None
            self._tell_loss(socket.subscribed, reason)
            others = tuple(self._sockets.values())
            self._carry(others[0] if others else None)
            if others:
                self.tasks.start_soon(others[0].keep_subscribed)

    def _tell_loss(self, streams: Iterable[str], reason: str, *, handover: MarketHandover | None = None) -> None:
        """From now on events of these streams may be missing, unless another socket has taken over in time."""
        for stream in streams:
            topic = self._interest.topic(stream)
            if stream.endswith(NUMBERED):
                self._publisher.resumed.add(stream)
            elif topic is not None and stream.endswith(CHANGES):
                if handover is None:
                    topic.publish(Broken(stream=stream, reason=reason))
                elif not handover.has_taken_over(stream):
                    topic.publish(Broken(stream=stream, reason=reason))
                    handover.overlap.forget(stream)

    # Moving to another socket.

    async def _adopt(self, handover: MarketHandover, reply: Reply[None]) -> None:
        try:
            await handover.prepare()
        except DogwatchError as failure:
            if self._carrying is not handover.newer:
                self._lose(handover.newer, failure.message)
                reply.fail(NotAdopted(failure.message, hint=failure.hint))
                return
        if self._carrying is handover.former:
            self._carry(handover.newer)
            self._publisher.publish_all(handover.join())
            self.tasks.start_soon(self._watch, handover)
        reply.send(None)

    async def _watch(self, handover: MarketHandover) -> None:
        """Until one of the two is gone: tell holes that nobody fills, and find out whether the newer one is deaf."""
        while not handover.overlap.is_alone:
            await trio.sleep(LOOK_AT_HANDOVER_EVERY_S)
            self._publisher.publish_all(handover.overlap.expire(trio.current_time()))
            for stream in handover.overlap.late(trio.current_time()):
                if self._interest.topic(stream) is None:
                    handover.overlap.forget(stream)  # nobody follows it any more, so nobody need bring it
            deafness = handover.deafness()
            if deafness:
                self.log.warning("going back to the former socket", reason=deafness, epoch=handover.former.epoch)
                self._lose(handover.newer, deafness)
            else:
                handover.look_for_proof()

    async def _release(self, handover: MarketHandover, reply: Reply[None]) -> None:
        await handover.decided.wait()
        if self._carrying is handover.former:
            reply.fail(NotReleased(f"market data comes over the former socket again: {handover.failure}"))
        else:
            self._lose(handover.former, "it was released")
            reply.send(None)

    def _end_handover(self) -> None:
        self._handover = None
        self._carry(self._carrying)

    def _newest(self, stream: str) -> object:
        topic = self._interest.topic(stream)
        return None if topic is None else topic.last

    # Events.

    def _route(self, batch: FrameBatch) -> None:
        if batch.epoch == self._simple_epoch:
            self._publisher.publish_batch(batch.payloads, batch.epoch)
        else:
            self._route_with_care(batch)

    def _route_with_care(self, batch: FrameBatch) -> None:
        """Two sockets bring the same streams, or did so a moment ago; or nobody listens to this one."""
        socket = self._sockets.get(batch.epoch)
        if socket is None:
            return
        for payload in batch.payloads:
            frame = self._publisher.decode(payload)
            if isinstance(frame, StreamEvent):
                self._compare(frame, socket)
            else:
                self._note(frame, batch.epoch)

    def _compare(self, frame: StreamEvent[Any], socket: StreamSocket) -> None:
        """Publish what this event makes due, which is nothing while it waits or when it has come already."""
        stream, handover = frame.stream, self._handover
        topic = self._interest.topic(stream) if stream is not None else None
        side = None if handover is None else handover.side_of(socket)
        if topic is None or stream is None or isinstance(frame.event, ServerShutdown):
            self._note(frame.event, socket.epoch)
        elif handover is not None and side is not None:
            overlap, event = handover.overlap, as_published(frame.event, topic)
            due = overlap.arrive(side, stream, event, trio.current_time())
            self._publisher.publish_all((stream, item) for item in due)
            if overlap.is_full and not overlap.is_joined:
                former = handover.former
                former.line.connection.tell(Reconnect(epoch=former.epoch, reason=TOO_FAR_BEHIND))
                self._lose(former, TOO_FAR_BEHIND)

    def _note(self, frame: object, epoch: int) -> None:
        """What is no event that somebody follows."""
        if isinstance(frame, StreamResponse):
            socket = self._sockets.get(epoch)
            if socket is not None:
                socket.settle(frame, trio.current_time())
        elif isinstance(frame, ServerShutdown):
            self._rotation_topics.wanted.publish(RotateNow(epoch=epoch, reason="the server announced its shutdown"))
        else:
            self.unread += 1
            if isinstance(frame, MalformedFrame):
                self.log.warning("frame not understood", problem=frame.problem, excerpt=frame.excerpt)
