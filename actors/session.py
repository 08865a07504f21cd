"""The session: one account's conversation with the exchange over a connection. Logs on, subscribes to the account's
events, stamps and signs requests at the socket's door, and gives every request exactly one outcome.

What a response means for an order is decided by who asked; sockets are connection.py's.
"""

import itertools
import time
from collections import deque
from typing import Any, ClassVar, TypeAlias

import msgspec
import trio

from dogwatch.actors.connection import (
    Connected,
    Connection,
    ConnectionState,
    ConnectionTopics,
    Disconnected,
    FrameBatch,
    NotTransmitted,
    Reconnect,
    Transmit,
)
from dogwatch.actors.server_clock import Measurement, ServerClock
from dogwatch.actors.spot.envelope import MalformedFrame, Response, UserEvent, decode_frame
from dogwatch.actors.spot.errors import ExchangeError, MalformedResult, NotSent, OutcomeUnknown, Rejected
from dogwatch.actors.spot.methods import Method, Params, Security, encode_request, stamp
from dogwatch.actors.spot.results import ServerTime, decode_result
from dogwatch.actors.spot.signing import Signer
from dogwatch.actors.spot.user_events import EventStreamTerminated
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.errors import ConfigError, DogwatchError, MailboxFull
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Message, Query
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.reply import Reply
from dogwatch.runtime.topic import Topic

__all__ = [
    "Call",
    "LateResponse",
    "LogonFailed",
    "Session",
    "SessionLost",
    "SessionReady",
    "SessionState",
    "SessionTopics",
]

ANSWER_WITHIN_S = 10.0
"""How long the session waits for an answer to a request of its own."""
ROUND_TRIPS_KEPT = 4096
CLOCK_QUESTIONS = 3
FORGET_AFTER_S = 300.0
"""How long a request that nobody waits for any more is remembered, to recognise its late answer."""
RETRY_FIRST_S, RETRY_LONGEST_S = 1.0, 60.0

UNTOLD_WAIT_S = {418: 120.0, 429: 10.0}
"""How long to send nothing after an answer with this status that does not say; a ban lasts at least 2 minutes."""
TOO_MUCH_WEIGHT = "whoever goes on is banned; ask less often, market data belongs on streams"

BEING_RESTORED = "it is being restored; try again soon"

NEVER_WITH_THIS_KEY = frozenset({-1002, -1022, -1102, -2008, -2014, -2015, -2028})
"""Refusals of session.logon that another attempt with the same key will not change."""
KEY_REFUSED = -2015
TOO_MANY_REQUESTS = -1003
TIMESTAMP_REFUSED, PARAMETER_REFUSED = -1021, -1102
SUBSCRIBED_ALREADY = -2035


class Call(Query[Response], frozen=True, kw_only=True):
    """A request to the exchange; answered with its Response, be it a result or a refusal.

    Timestamp, API key and signature are added as the method demands. Fails with NotSent (it never left this machine),
    OutcomeUnknown (written, then the link or the key was lost, or the answer could not be read) or AskTimeout (written;
    the answer may still come, on `late_responses`).
    """

    method: Method
    params: Params = msgspec.field(default_factory=dict)


class SessionReady(Message, frozen=True, kw_only=True):
    """From now on calls are taken, and the account's events flow. Without a key: public calls only."""

    epoch: int


class SessionLost(Message, frozen=True, kw_only=True):
    """No more calls for now; whatever was in flight has been settled. Events may be missing until SessionReady."""

    epoch: int
    reason: str


class LogonFailed(Message, frozen=True, kw_only=True):
    """Logging on failed for a reason that may pass; it is tried again in `retry_in_s` seconds."""

    epoch: int
    reason: str
    hint: str
    retry_in_s: float


SessionState: TypeAlias = SessionReady | SessionLost | LogonFailed


class LateResponse(Message, frozen=True, kw_only=True):
    """The answer to a call that was settled before: nobody waits for it, but it is evidence."""

    method: Method
    params: Params
    response: Response


class SessionTopics:
    """What a session publishes. Made where the link is built, so that it outlives the session's lives."""

    def __init__(self, name: str) -> None:
        self.states: Topic[SessionState] = Topic(f"{name}.session")
        self.user_events: Topic[UserEvent] = Topic(f"{name}.user_events")
        """The account's events in the order of the wire, and notices for the whole connection."""
        self.late_responses: Topic[LateResponse] = Topic(f"{name}.late_responses")
        self.unmatched: Topic[Response | MalformedFrame] = Topic(f"{name}.unmatched")
        """Answers that belong to no call, such as errors without an id, and frames that cannot be read."""
        self.round_trips_us: deque[float] = deque(maxlen=ROUND_TRIPS_KEPT)
        """Wall-clock microseconds from stamping to answer of the latest order.* calls."""
        self.epoch_begun = 0
        """The newest socket that a session has used, over all its lives."""
        self.request_ids = itertools.count(1)
        self.barred_until_s = 0.0
        """Until when, on Trio's clock, the exchange wants nothing sent, by its last answer about limits."""


class Pending:
    """A call that was handed to the connection."""

    __slots__ = ("call", "reply", "sent_ns", "sent_s")

    def __init__(self, call: Call, reply: Reply[Response]) -> None:
        self.call = call
        self.reply = reply
        self.sent_s = trio.current_time()
        self.sent_ns = time.perf_counter_ns()


class Session(Actor):
    """Speaks for one account, or with `signer=None` for nobody (public methods only).

    Ed25519 keys log on once per socket; keys that cannot sign each request. At most `pending_max` calls are in flight.
    Raises ConfigError, which is never retried, when the exchange refuses the key for good.
    """

    lanes: ClassVar[tuple[Lane, ...]] = (Lane("calls", accepts=(Call,), capacity=1024),)

    def __init__(
        self,
        *,
        connection: ActorRef[Connection],
        connection_topics: ConnectionTopics,
        topics: SessionTopics,
        server_clock: ServerClock,
        signer: Signer | None = None,
        recv_window_ms: int | None = None,
        pending_max: int = 1000,
    ) -> None:
        self._connection = connection
        self._connection_topics = connection_topics
        self._topics = topics
        self._server_clock = server_clock
        self._signer = signer
        self._recv_window_ms = recv_window_ms
        self._pending_max = pending_max
        self._pending: dict[int | str, Pending] = {}
        self._epoch: int | None = None
        self._is_logged_on = False
        self._is_ready = False
        self._is_measuring = False
        self._has_stream_ended = False
        self._establishing = trio.CancelScope()
        self._answered = self._late = self._unmatched = self._malformed = self._events = 0

    async def on_start(self) -> None:
        # Taps: a loss is settled, and an answer delivered, in the same step in which the reader learns of it.
        self.tap(self._connection_topics.states, self._follow)
        self.tap(self._connection_topics.frames, self._read)
        epoch = self._connection_topics.epoch
        if epoch is None:
            return
        if epoch > self._topics.epoch_begun:
            self._use_socket(epoch)
        else:
            # An earlier life has logged on and asked things here; a socket without a past is simpler to be right on.
            self._connection.tell(Reconnect(epoch=epoch, reason="the session begins anew"))

    async def run(self) -> None:
        try:
            await self.serve()
        finally:
            self._end("the session was stopped", unsent=frozenset())

    def on_call(self, call: Call, reply: Reply[Response]) -> None:
        epoch = self._epoch
        if epoch is None:
            reply.fail(NotSent("there is no connection to the exchange now", hint=BEING_RESTORED))
            return
        refusal = self._refusal_of(call.method)
        if refusal is not None:
            reply.fail(refusal)
            return
        request_id = next(self._topics.request_ids)
        pending = Pending(call, reply)
        try:
            payload = encode_request(request_id, call.method, self._completed(call))
            self._connection.tell(Transmit(epoch=epoch, payload=payload, tag=request_id))
        except (MailboxFull, TypeError, ValueError) as error:
            hint = error.hint if isinstance(error, MailboxFull) else "this is a mistake in the call as it was built"
            reply.fail(NotSent(str(error), hint=hint))
            return
        self._pending[request_id] = pending

    def statistics(self) -> dict[str, Any]:
        return {
            "epoch": self._epoch,
            "is_ready": self._is_ready,
            "in_flight": sum(not pending.reply.done for pending in self._pending.values()),
            "answered": self._answered,
            "late": self._late,
            "unmatched": self._unmatched,
            "malformed": self._malformed,
            "user_events": self._events,
            "clock_offset_ms": round(self._server_clock.offset_ms, 1),
            "clock_uncertainty_ms": self._server_clock.uncertainty_ms,
        }

    # Sending.

    def _refusal_of(self, method: Method) -> NotSent | None:
        """Why a call of this method cannot be sent now, None if it can."""
        security = method.security
        if security is not Security.NONE and self._signer is None:
            return NotSent(f"{method} needs an API key", hint="configure one for this venue")
        if security in (Security.TRADE, Security.USER_DATA) and not self._is_ready:
            return NotSent("the session is not logged on yet", hint=BEING_RESTORED)
        barred_s = self._barred_s()
        if barred_s:
            return NotSent(f"the exchange wants nothing sent for another {barred_s:.0f} s", hint=TOO_MUCH_WEIGHT)
        if len(self._pending) >= self._pending_max and not self._make_room():
            return NotSent(f"{self._pending_max} calls are in flight already", hint="wait for some of their answers")
        return None

    def _completed(self, call: Call) -> Params:
        """The parameters with what the method demands: the time of this very moment, and a signature where due."""
        security = call.method.security
        params = call.params
        if security.needs_timestamp:
            params = stamp(params, timestamp_ms=self._server_clock.now_ms(), recv_window_ms=self._recv_window_ms)
            if self._signer is not None and (security is Security.SIGNED or not self._is_logged_on):
                params = self._signer.sign(params)
        return params

    def _make_room(self) -> bool:
        """Forget calls that nobody waits for any more, oldest first."""
        settled = [request_id for request_id, pending in self._pending.items() if pending.reply.done]
        now_s = trio.current_time()
        for request_id in settled:
            if len(self._pending) < self._pending_max and now_s - self._pending[request_id].sent_s < FORGET_AFTER_S:
                break
            del self._pending[request_id]
        return len(self._pending) < self._pending_max

    # Receiving.

    def _read(self, batch: FrameBatch) -> None:
        if batch.epoch != self._epoch:
            return
        for payload in batch.payloads:
            frame = decode_frame(payload)
            if isinstance(frame, UserEvent):
                self._events += 1
                self._topics.user_events.publish(frame)
                if isinstance(frame.event, EventStreamTerminated):
                    self._has_stream_ended = True
                    self._restore("the exchange has ended the stream of the account's events")
            elif isinstance(frame, Response):
                self._settle(frame, batch.received_s)
            else:
                self._settle_malformed(frame)

    def _settle(self, response: Response, received_s: float) -> None:
        pending = None if response.id is None else self._pending.pop(response.id, None)
        if pending is None:
            self._settle_unmatched(response)
            return
        method = pending.call.method
        if response.error is not None:
            self._heed(response.error)
        if method.startswith("order."):
            self._topics.round_trips_us.append((time.perf_counter_ns() - pending.sent_ns) / 1000)
        elif method is Method.TIME:
            self._observe(pending.sent_s, received_s, response)
        if pending.reply.done:
            self._late += 1
            self._topics.late_responses.publish(
                LateResponse(method=method, params=pending.call.params, response=response)
            )
        else:
            self._answered += 1
            pending.reply.send(response)

    def _settle_unmatched(self, response: Response) -> None:
        self._unmatched += 1
        self._topics.unmatched.publish(response)
        error = response.error
        wording = "" if error is None else error.message
        self.log.warning("an answer to no call", id=response.id, status=response.status, wording=wording)
        if error is not None and (error.code == KEY_REFUSED or response.status == 401):
            self._restore(f"the exchange has logged the key out: {wording}")

    def _settle_malformed(self, frame: MalformedFrame) -> None:
        self._malformed += 1
        self.log.error("a frame that cannot be read", problem=frame.problem, length=frame.length)
        self._topics.unmatched.publish(frame)
        pending = None if frame.id is None else self._pending.pop(frame.id, None)
        if pending is not None and not pending.reply.done:
            pending.reply.fail(OutcomeUnknown(f"the answer cannot be read: {frame.problem}"))

    def _heed(self, error: ExchangeError) -> None:
        """What an error says to the session, besides what it says to whoever asked."""
        if is_about_the_clock(error):
            self._distrust_clock()
        elif error.code == TOO_MANY_REQUESTS and error.status in UNTOLD_WAIT_S:
            now_s, told_ms, retry_ms = trio.current_time(), error.server_time_ms, error.retry_after_ms
            if told_ms is None and self._server_clock.is_measured:
                told_ms = self._server_clock.now_ms()
            # Both times are the server's: before its clock is measured, ours may be wrong by any amount.
            wait_s = UNTOLD_WAIT_S[error.status] if told_ms is None or retry_ms is None else (retry_ms - told_ms) / 1000
            self._topics.barred_until_s = max(self._topics.barred_until_s, now_s + wait_s)
            self.log.error("the exchange wants nothing sent", for_s=round(wait_s, 1), wording=error.message)

    def _barred_s(self) -> float:
        """For how long nothing may be sent; 0 when it may."""
        until_s = self._topics.barred_until_s
        return max(0.0, until_s - trio.current_time()) if until_s else 0.0

    def _distrust_clock(self) -> None:
        """The exchange has refused a timestamp: measure anew, now."""
        self._server_clock.forget()
        if self._is_ready and not self._is_measuring:
            self._is_measuring = True
            self.tasks.start_soon(self._measure_clock)

    async def _measure_clock(self) -> None:
        try:
            for _ in range(CLOCK_QUESTIONS):
                await self.ref.ask(Call(method=Method.TIME), within_s=ANSWER_WITHIN_S)
        except DogwatchError as failure:
            self.log.warning("the exchange's clock could not be read", reason=failure.message)
        finally:
            self._is_measuring = False

    def _observe(self, sent_s: float, received_s: float, response: Response) -> None:
        try:
            server_time_ms = decode_result(response.result, ServerTime).server_time_ms
        except MalformedResult:
            return  # an error, or nonsense: whoever asked will see
        self._server_clock.observe(Measurement(asked_s=sent_s, answered_s=received_s, server_time_ms=server_time_ms))

    # The session's own life on a socket.

    def _follow(self, state: ConnectionState) -> None:
        if isinstance(state, Connected):
            self._use_socket(state.epoch)
        elif isinstance(state, Disconnected) and state.epoch == self._epoch:
            self._end(f"the link was lost: {state.reason}", unsent=state.unsent)
        elif isinstance(state, NotTransmitted):
            for tag in state.tags:
                pending = self._pending.pop(tag, None)
                if pending is not None and not pending.reply.done:
                    pending.reply.fail(NotSent("the socket it was meant for is gone", hint=BEING_RESTORED))

    def _use_socket(self, epoch: int) -> None:
        self._epoch = self._topics.epoch_begun = epoch
        self._establish_anew(epoch)

    def _establish_anew(self, epoch: int) -> None:
        self._establishing.cancel()
        self._establishing = trio.CancelScope()
        self.tasks.start_soon(self._establish, epoch, self._establishing)

    def _end(self, reason: str, *, unsent: frozenset[int | str]) -> None:
        """The socket is gone: settle every call now. Nobody learns later what is known at this moment."""
        self._establishing.cancel()
        was_ready, self._is_ready, self._is_logged_on = self._is_ready, False, False
        epoch, self._epoch = self._epoch, None
        if was_ready and epoch is not None:
            self._topics.states.publish(SessionLost(epoch=epoch, reason=reason))
        pending_calls, self._pending = self._pending, {}
        for request_id, pending in pending_calls.items():
            if not pending.reply.done:
                never_left = request_id in unsent
                pending.reply.fail(NotSent(reason, hint=BEING_RESTORED) if never_left else OutcomeUnknown(reason))

    def _restore(self, reason: str) -> None:
        """Logged out or unsubscribed on a socket that stands: settle the account's calls, then log on again."""
        epoch = self._epoch
        if self._signer is None or epoch is None or not self._is_ready:
            return
        self._is_ready = self._is_logged_on = False
        self.log.warning("session lost", epoch=epoch, reason=reason)
        self._topics.states.publish(SessionLost(epoch=epoch, reason=reason))
        for pending in self._pending.values():
            # They stay pending: what is answered all the same is late, and is evidence.
            if not pending.reply.done and pending.call.method.security is not Security.NONE:
                pending.reply.fail(OutcomeUnknown(reason))
        self._establish_anew(epoch)

    async def _establish(self, epoch: int, scope: trio.CancelScope) -> None:
        """Measure the clock, log on, subscribe; again and again until it works or cannot work."""
        with scope:
            retry_s = RETRY_FIRST_S
            while True:
                try:
                    await self._log_on_and_subscribe(epoch)
                except ConfigError:
                    raise
                except DogwatchError as failure:
                    await self._wait_to_retry(epoch, failure, retry_s)
                    retry_s = min(2 * retry_s, RETRY_LONGEST_S)
                else:
                    break

    async def _log_on_and_subscribe(self, epoch: int) -> None:
        for _ in range(CLOCK_QUESTIONS):
            await self._demand(Call(method=Method.TIME))
        if self._signer is not None and self._signer.can_log_on:
            await self._demand(Call(method=Method.SESSION_LOGON))
            self._is_logged_on = True
            await self._subscribe(Method.USER_DATA_STREAM_SUBSCRIBE)
        elif self._signer is not None:
            await self._subscribe(Method.USER_DATA_STREAM_SUBSCRIBE_SIGNATURE)
        if self._has_stream_ended:
            raise OutcomeUnknown("the stream of the account's events ended as it began")
        self._is_ready = True
        self.log.info("session ready", epoch=epoch, clock_offset_ms=round(self._server_clock.offset_ms, 1))
        self._topics.states.publish(SessionReady(epoch=epoch))

    async def _subscribe(self, method: Method) -> None:
        self._has_stream_ended = False
        try:
            await self._demand(Call(method=method))
        except Rejected as refusal:
            if refusal.code != SUBSCRIBED_ALREADY:
                raise

    async def _demand(self, call: Call) -> Response:
        """Make a call of our own. Raises Rejected when it is refused, ConfigError when it always would be."""
        await trio.sleep(self._barred_s())
        response = await self.ref.ask(call, within_s=ANSWER_WITHIN_S)
        # The socket may have been lost after the answer, in the same scheduler pass: then the answer means nothing.
        await trio.lowlevel.checkpoint_if_cancelled()
        error = response.error
        if error is None:
            return response
        is_clock_wrong = is_about_the_clock(error)
        if is_clock_wrong:
            self._server_clock.forget()
        if error.code in NEVER_WITH_THIS_KEY and not is_clock_wrong and call.method.security is Security.SIGNED:
            raise ConfigError(
                "account", f"the exchange refuses the API key: {error.message} [{error.code}]", hint=error.hint
            )
        raise Rejected(error.code, error.message)

    async def _wait_to_retry(self, epoch: int, failure: DogwatchError, retry_s: float) -> None:
        if not isinstance(failure, Rejected):
            # No answer, or one that cannot be read: this socket is not worth another attempt.
            self._connection.tell(Reconnect(epoch=epoch, reason=f"logging on: {failure.message}"))
            await trio.sleep_forever()
        retry_s = max(retry_s, self._barred_s())
        self.log.warning("not logged on", reason=failure.message, hint=failure.hint, retry_in_s=retry_s)
        self._topics.states.publish(
            LogonFailed(epoch=epoch, reason=failure.message, hint=failure.hint, retry_in_s=retry_s)
        )
        await trio.sleep(retry_s)


def is_about_the_clock(error: ExchangeError) -> bool:
    """Whether a timestamp was refused. One of a far future is no valid parameter to the exchange (Timing security)."""
    return error.code == TIMESTAMP_REFUSED or (error.code == PARAMETER_REFUSED and "'timestamp'" in error.message)
