"""One socket of the market link: what is subscribed on it, and the requests that keep it so (WebSocket Streams, Live
subscribing/unsubscribing to streams).

Requests go one at a time: the next one waits for the answer and for its turn. Which socket carries, and what is done
with events, is decided in market_data.py.
"""

from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import TypeAlias

import msgspec
import trio

from dogwatch.actors.connection import Reconnect
from dogwatch.actors.interest import STREAMS_MAX
from dogwatch.actors.line import Line
from dogwatch.actors.spot.errors import ExchangeError, NotSent, Rejected
from dogwatch.actors.spot.request_frames import encode_stream_request
from dogwatch.actors.spot.stream_events import StreamResponse
from dogwatch.actors.transmit import Transmit
from dogwatch.runtime.errors import DogwatchError, MailboxFull
from dogwatch.runtime.logger import Logger

__all__ = ["StreamSocket"]

REQUEST_SPACING_S = 0.3
MESSAGES_MAX = 4
MESSAGES_PERIOD_S = 1.1
"""The exchange takes 5 messages a second, pongs included, and cuts the connection above that (WebSocket Streams). So
many in so long leave one for the next pong, and a little for the network, which may bring them closer together."""
STREAMS_PER_REQUEST = 200
ANSWER_WITHIN_S = 10.0
"""A socket that leaves a request unanswered for so long is replaced."""
REFUSED_S = 30.0
"""How long a stream that was refused is not asked for again."""

Lose: TypeAlias = "Callable[[StreamSocket, str], None]"


class StreamSocket:
    """A socket of `line`, on which `wanted()` shall be subscribed. `lose` is called when it has to be given up.

    A raw one is made combined first: only then every event says of which stream it is.
    """

    def __init__(
        self,
        epoch: int,
        line: Line,
        *,
        wanted: Callable[[], frozenset[str]],
        lose: Lose,
        log: Logger,
        is_raw: bool = False,
    ) -> None:
        self.epoch = epoch
        self.line = line
        self.subscribed: set[str] = set()
        """What the exchange has been asked to send here and has not refused."""
        self.confirmed: frozenset[str] = frozenset()
        """What it has said that it sends."""
        self.answered_s = -inf
        """When it has last answered a request."""
        self.ended_because = ""
        self._wanted = wanted
        self._lose = lose
        self._log = log
        self._is_raw = is_raw
        self._turn = trio.Lock()
        self._keeping = trio.CancelScope()
        self._request_id = 0
        self._answer: _Answer | None = None
        self._sent_s: deque[float] = deque(maxlen=MESSAGES_MAX)
        self._asked_s = -inf
        self._refused_until_s: dict[str, float] = {}
        self._woken = trio.Event()
        self._is_complete = trio.Event()

    @property
    def is_asking(self) -> bool:
        """Whether a request waits for its answer."""
        return self._answer is not None

    @property
    def refused(self) -> frozenset[str]:
        """What the exchange has refused a moment ago."""
        return frozenset(self._refused_until_s)

    def check_that_it_stands(self) -> None:
        """Raises NotSent when it does not any more."""
        if self.ended_because:
            raise NotSent(f"the socket is gone: {self.ended_because}")

    async def keep_subscribed(self) -> None:
        """Ask for what is wanted and give back what is not, until the socket's end."""
        with self._keeping:
            if self._is_raw:
                await self._combine()
            while not self.ended_because:
                change = self._next_change()
                if change is None:
                    self._is_complete.set()
                    await self._woken.wait()
                    self._woken = trio.Event()
                else:
                    await self._carry_out(*change)

    async def be_complete(self) -> None:
        """Wait until everything that is wanted is subscribed or refused. Raises NotSent when the socket ends first."""
        await self._is_complete.wait()
        self.check_that_it_stands()

    async def check(self) -> frozenset[str]:
        """Ask what is subscribed here (LIST_SUBSCRIPTIONS). Returns what should be and is not: it is asked for again.

        The answer also proves that everything which the exchange sent before has been read. Raises a DogwatchError when
        there is none.
        """
        async with self._turn:
            response = await self._ask("LIST_SUBSCRIPTIONS")
            if response.error is not None:
                raise Rejected(response.error.code, response.error.message)
            try:
                listed = frozenset(msgspec.json.decode(response.result, type=list[str]))
            except msgspec.DecodeError:
                self._log.warning("the list of subscriptions cannot be read", excerpt=bytes(response.result)[:100])
                return frozenset()
            missing = frozenset(self.subscribed - listed)
            self.subscribed = set(listed)
            self.confirmed = listed
        self.wake()
        if missing:
            self._log.warning("streams were not subscribed any more", epoch=self.epoch, streams=sorted(missing))
        return missing

    def wake(self) -> None:
        """What is wanted may have changed."""
        if self._next_change() is not None:
            self._woken.set()

    def note_message(self, now_s: float) -> None:
        """Another message than a request goes out: a pong."""
        self._sent_s.append(now_s)

    def settle(self, response: StreamResponse, now_s: float) -> None:
        """An answer has come. Some errors come without the id of their request; only one can be meant."""
        self.answered_s = now_s
        answer = self._answer
        if answer is not None and (response.id == answer.request_id or (response.id is None and response.error)):
            answer.response = response
            answer.has_come.set()

    def end(self, reason: str) -> None:
        """It is gone, or nobody listens to it any more: whoever waits for an answer learns it now."""
        self.ended_because = self.ended_because or reason
        self._keeping.cancel()
        self._is_complete.set()
        if self._answer is not None:
            self._answer.has_come.set()

    def _next_change(self) -> tuple[str, list[str]] | None:
        """The next request, None when everything is as it should be."""
        wanted = self._wanted()
        missing = sorted(self._askable(wanted - self.subscribed))
        surplus = sorted(self.subscribed - wanted)
        room = STREAMS_MAX - len(self.subscribed)
        if missing and room > 0:
            return "SUBSCRIBE", missing[: min(STREAMS_PER_REQUEST, room)]
        if surplus:
            return "UNSUBSCRIBE", surplus[:STREAMS_PER_REQUEST]
        return None

    def _askable(self, streams: frozenset[str]) -> frozenset[str]:
        """Without those that were refused a moment ago."""
        now_s = trio.current_time()
        for stream, until_s in tuple(self._refused_until_s.items()):
            if until_s <= now_s:
                del self._refused_until_s[stream]
        return streams - self._refused_until_s.keys()

    async def _combine(self) -> None:
        """Have events come with the names of their streams (Setting Properties), and make sure that they do."""
        async with self._turn:
            try:
                refusal = (await self._ask("SET_PROPERTY", ["combined", True])).error
                answer = await self._ask("GET_PROPERTY", ["combined"])
            except DogwatchError:
                return  # as above
        if refusal is not None or bytes(answer.result) != b"true":
            why = "" if refusal is None else f": {refusal.message}"
            self._give_up(f"the exchange does not name the streams of events{why}")

    async def _carry_out(self, method: str, streams: list[str]) -> None:
        async with self._turn:
            if method == "SUBSCRIBE":
                self.subscribed.update(streams)
            else:
                self.subscribed.difference_update(streams)
            try:
                response = await self._ask(method, streams)
            except DogwatchError:
                return  # the socket's end, or its last moments: `end` will be called
        if response.error is not None:
            self._refuse(method, streams, response.error)
        elif method == "SUBSCRIBE":
            self.confirmed |= frozenset(streams)
        else:
            self.confirmed -= frozenset(streams)

    def _refuse(self, method: str, streams: Sequence[str], error: ExchangeError) -> None:
        self._log.error("streams refused", method=method, streams=streams, code=error.code, reason=error.message)
        self.confirmed -= frozenset(streams)
        self.subscribed.difference_update(streams)  # what could not be given back, `check` will find
        self._refused_until_s.update(dict.fromkeys(streams, trio.current_time() + REFUSED_S))

    async def _ask(self, method: str, params: Sequence[str | bool] = ()) -> StreamResponse:
        """Send one request when it is its turn; return its answer. Raises NotSent or NoAnswer."""
        await self._wait_for_room()
        self.check_that_it_stands()
        self._request_id += 1
        answer = self._answer = _Answer(self._request_id)
        self._asked_s = trio.current_time()
        self._sent_s.append(self._asked_s)
        payload = encode_stream_request(self._request_id, method, params)
        try:
            self.line.connection.tell(Transmit(epoch=self.epoch, payload=payload, tag=self._request_id))
            with trio.move_on_after(ANSWER_WITHIN_S):
                await answer.has_come.wait()
        except MailboxFull as failure:
            self._give_up(failure.message)
        finally:
            self._answer = None
        if answer.response is not None:
            return answer.response
        if not self.ended_because:
            self._give_up(f"{method} was not answered within {ANSWER_WITHIN_S:g} s")
        raise NoAnswer(self.ended_because)

    def _give_up(self, reason: str) -> None:
        self.line.connection.tell(Reconnect(epoch=self.epoch, reason=reason))
        self._lose(self, reason)

    async def _wait_for_room(self) -> None:
        """Return when another message may be sent. Pongs go meanwhile, and count."""
        sent_s = self._sent_s
        while True:
            due_s = self._asked_s + REQUEST_SPACING_S
            if len(sent_s) == MESSAGES_MAX:
                due_s = max(due_s, sent_s[0] + MESSAGES_PERIOD_S)
            if due_s <= trio.current_time():
                return
            await trio.sleep_until(due_s)


class NoAnswer(DogwatchError):
    """The socket is gone, or given up, and has not answered."""


class _Answer:
    """Of one request. Without a response when it comes: the socket has ended."""

    __slots__ = ("has_come", "request_id", "response")

    def __init__(self, request_id: int) -> None:
        self.request_id = request_id
        self.has_come = trio.Event()
        self.response: StreamResponse | None = None
