"""The session: one account's conversation with the exchange over a link. Logs on, subscribes to the account's events,
and gives every request exactly one outcome.

What a response means for an order is decided by who asked; requests are completed and kept in conversation.py, the
steps of logging on are in logon.py, sockets are connection.py's.
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import trio

from dogwatch.actors.connection import (
    Connected,
    ConnectionState,
    Disconnected,
    FrameBatch,
    NotTransmitted,
    Reconnect,
)
from dogwatch.actors.conversation import BEING_RESTORED, Conversation, Terms
from dogwatch.actors.line import Line
from dogwatch.actors.logon import Logon, LogonRefused
from dogwatch.actors.probe import Probe
from dogwatch.actors.resync import Resync
from dogwatch.actors.server_clock import Measurement, ServerClock
from dogwatch.actors.session_messages import (
    Call,
    CallOn,
    LateResponse,
    LogonFailed,
    SessionLost,
    SessionReady,
    SessionState,
    SessionTopics,
)
from dogwatch.actors.spot.envelope import MalformedFrame, Response, UserEvent, decode_frame
from dogwatch.actors.spot.errors import ExchangeError, MalformedResult, NotSent, OutcomeUnknown, Rejected
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.results import ServerTime, decode_result
from dogwatch.actors.spot.signing import Signer
from dogwatch.actors.spot.user_events import EventStreamTerminated
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.errors import AskTimeout, ConfigError, DogwatchError
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.reply import Reply

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
RETRY_FIRST_S, RETRY_LONGEST_S = 1.0, 60.0

UNTOLD_WAIT_S = {418: 120.0, 429: 10.0}
"""How long to send nothing after an answer with this status that does not say; a ban lasts at least 2 minutes."""
KEY_REFUSED = -2015
TOO_MANY_REQUESTS = -1003


class Session(Actor):
    """Speaks for one account, or with `signer=None` for nobody (public methods only).

    Ed25519 keys log on once per socket; keys that cannot sign each request. At most `pending_max` calls are in flight.
    Raises ConfigError, which is never retried, when the exchange refuses the key for good.
    """

    lanes: ClassVar[tuple[Lane, ...]] = (Lane("calls", accepts=(Call, CallOn, Probe), capacity=1024),)

    def __init__(
        self,
        *,
        lines: Sequence[Line],
        topics: SessionTopics,
        server_clock: ServerClock,
        signer: Signer | None = None,
        recv_window_ms: int | None = None,
        pending_max: int = 1000,
    ) -> None:
        self._lines = lines
        self._topics = topics
        self._server_clock = server_clock
        self._terms = Terms(
            signer=signer,
            recv_window_ms=recv_window_ms,
            server_clock=server_clock,
            topics=topics,
            pending_max=pending_max,
        )
        self._conversations: dict[int, Conversation] = {}  # by epoch
        self._carrying: Conversation | None = None
        self._resync: Resync
        self._answered = self._late = self._unmatched = self._malformed = self._events = 0

    async def on_start(self) -> None:
        self._resync = Resync(
            server_clock=self._server_clock,
            recv_window_ms=self._terms.recv_window_ms,
            carrying=lambda: self._carrying,
            ask=self._ask_on,
            settle=self._deliver,
            tasks=self.tasks,
            timers=self.ref.mailbox.timers,
            log=self.log,
        )
        # Taps: a loss is settled, and an answer delivered, in the same step in which the reader learns of it.
        for line in self._lines:
            self.tap(line.topics.states, partial(self._follow, line))
            self.tap(line.topics.frames, self._read)
        for line in self._lines:
            epoch = line.topics.epoch
            if epoch is not None and epoch <= self._topics.epoch_begun:
                # An earlier life has logged on and asked things here; one without a past is simpler to be right on.
                line.connection.tell(Reconnect(epoch=epoch, reason="the session begins anew"))
            elif epoch is not None and self._carrying is None:
                self._use(line, epoch)

    async def run(self) -> None:
        try:
            await self.serve()
        finally:
            for conversation in tuple(self._conversations.values()):
                self._end(conversation, "the session was stopped", unsent=frozenset())

    def on_call(self, call: Call, reply: Reply[Response]) -> None:
        conversation = self._carrying
        if conversation is None:
            reply.fail(NotSent("there is no connection to the exchange now", hint=BEING_RESTORED))
        elif (self._resync.held or self._server_clock.is_in_doubt) and self._resync.concerns(call, conversation):
            self._resync.hold(call, reply, conversation)
        else:
            conversation.send(call, reply)

    def on_call_on(self, wish: CallOn, reply: Reply[Response]) -> None:
        conversation = self._conversations.get(wish.epoch)
        if conversation is None:
            reply.fail(NotSent("the socket it was meant for is gone", hint=BEING_RESTORED))
        else:
            conversation.send(wish.call, reply)

    def on_probe(self, probe: Probe, reply: Reply[float]) -> None:
        conversation = self._conversations.get(probe.epoch)
        if conversation is not None and conversation.answered_s > probe.since_s:
            reply.send(conversation.answered_s)
        else:
            self.tasks.start_soon(self._ping, probe.epoch, reply)

    def statistics(self) -> dict[str, Any]:
        carrying = self._carrying
        return {
            "epoch": None if carrying is None else carrying.epoch,
            "is_ready": carrying is not None and carrying.is_ready,
            "in_flight": sum(conversation.in_flight for conversation in self._conversations.values()),
            "answered": self._answered,
            "late": self._late,
            "unmatched": self._unmatched,
            "malformed": self._malformed,
            "user_events": self._events,
            "clock_offset_ms": round(self._server_clock.offset_ms, 1),
            "clock_uncertainty_ms": self._server_clock.uncertainty_ms,
            **self._resync.statistics(),
        }

    async def _ping(self, epoch: int, reply: Reply[float]) -> None:
        """Answer a probe with the time of an answer. Without one its asker learns of it from the deadline."""
        ping = CallOn(epoch=epoch, call=Call(method=Method.PING))
        try:
            await self.ref.ask(ping, within_s=reply.remaining_s())
        except AskTimeout:
            return
        except DogwatchError as failure:
            reply.fail(failure)
        else:
            reply.send(trio.current_time())

    # Receiving.

    def _read(self, batch: FrameBatch) -> None:
        conversation = self._conversations.get(batch.epoch)
        if conversation is None:
            return
        for payload in batch.payloads:
            frame = decode_frame(payload)
            if isinstance(frame, UserEvent):
                self._events += 1
                self._topics.user_events.publish(frame)
                if isinstance(frame.event, EventStreamTerminated):
                    conversation.has_stream_ended = True
                    self._restore(conversation, "the exchange has ended the stream of the account's events")
            elif isinstance(frame, Response):
                self._settle(conversation, frame, batch.received_s)
            else:
                self._settle_malformed(conversation, frame)

    def _settle(self, conversation: Conversation, response: Response, received_s: float) -> None:
        conversation.answered_s = received_s
        pending = conversation.take(response.id)
        if pending is None:
            self._settle_unmatched(conversation, response)
            return
        method = pending.call.method
        if response.error is not None:
            self._heed(response.error)
            if self._resync.takes(conversation, pending, response, received_s):
                return
        if method.startswith("order."):
            self._topics.round_trips_us.append((time.perf_counter_ns() - pending.sent_ns) / 1000)
        elif method is Method.TIME:
            self._observe(pending.sent_s, received_s, response)
        self._deliver(pending.call, pending.reply, response)

    def _deliver(self, call: Call, reply: Reply[Response], response: Response) -> None:
        if reply.done:
            self._late += 1
            self._topics.late_responses.publish(LateResponse(method=call.method, params=call.params, response=response))
        else:
            self._answered += 1
            reply.send(response)

    def _settle_unmatched(self, conversation: Conversation, response: Response) -> None:
        self._unmatched += 1
        self._topics.unmatched.publish(response)
        error = response.error
        wording = "" if error is None else error.message
        self.log.warning("an answer to no call", id=response.id, status=response.status, wording=wording)
        if error is not None and (error.code == KEY_REFUSED or response.status == 401):
            self._restore(conversation, f"the exchange has logged the key out: {wording}")

    def _settle_malformed(self, conversation: Conversation, frame: MalformedFrame) -> None:
        self._malformed += 1
        self.log.error("a frame that cannot be read", problem=frame.problem, length=frame.length)
        self._topics.unmatched.publish(frame)
        pending = conversation.take(frame.id)
        if pending is not None and not pending.reply.done:
            pending.reply.fail(OutcomeUnknown(f"the answer cannot be read: {frame.problem}"))

    def _heed(self, error: ExchangeError) -> None:
        """What an error says to the session, besides what it says to whoever asked."""
        if error.code == TOO_MANY_REQUESTS and error.status in UNTOLD_WAIT_S:
            now_s, told_ms, retry_ms = trio.current_time(), error.server_time_ms, error.retry_after_ms
            if told_ms is None and self._server_clock.is_measured:
                told_ms = self._server_clock.now_ms()
            # Both times are the server's: before its clock is measured, ours may be wrong by any amount.
            wait_s = UNTOLD_WAIT_S[error.status] if told_ms is None or retry_ms is None else (retry_ms - told_ms) / 1000
            self._topics.barred_until_s = max(self._topics.barred_until_s, now_s + wait_s)
            self.log.error("the exchange wants nothing sent", for_s=round(wait_s, 1), wording=error.message)

    def _observe(self, sent_s: float, received_s: float, response: Response) -> None:
        try:
            server_time_ms = decode_result(response.result, ServerTime).server_time_ms
        except MalformedResult:
            return  # an error, or nonsense: whoever asked will see
        self._server_clock.observe(Measurement(asked_s=sent_s, answered_s=received_s, server_time_ms=server_time_ms))

    # The session's own life on a socket.

    def _follow(self, line: Line, state: ConnectionState) -> None:
        if isinstance(state, Connected):
            if self._carrying is None:
                self._use(line, state.epoch)
        elif isinstance(state, Disconnected):
            conversation = self._conversations.get(state.epoch)
            if conversation is not None:
                self._end(conversation, f"the link was lost: {state.reason}", unsent=state.unsent)
                self._use_another()
        elif isinstance(state, NotTransmitted):
            for conversation in self._conversations.values():
                conversation.take_back(state.tags)

    def _use(self, line: Line, epoch: int) -> None:
        self._topics.epoch_begun = max(self._topics.epoch_begun, epoch)
        conversation = self._carrying = self._conversations[epoch] = Conversation(epoch, line, self._terms)
        self._establish_anew(conversation)

    def _use_another(self) -> None:
        """Nothing carries: take a socket that stands already, if there is one."""
        for line in self._lines:
            epoch = line.topics.epoch
            if self._carrying is None and epoch is not None and epoch not in self._conversations:
                self._use(line, epoch)

    def _establish_anew(self, conversation: Conversation) -> None:
        conversation.establishing.cancel()
        conversation.establishing = trio.CancelScope()
        self.tasks.start_soon(self._establish, conversation, conversation.establishing)

    def _end(self, conversation: Conversation, reason: str, *, unsent: frozenset[int | str]) -> None:
        """The socket is gone: settle every call now."""
        self._resync.end(conversation, reason)
        conversation.establishing.cancel()
        del self._conversations[conversation.epoch]
        was_ready, conversation.is_ready = conversation.is_ready, False
        if conversation is self._carrying:
            self._carrying = None
            if was_ready:
                self._topics.states.publish(SessionLost(epoch=conversation.epoch, reason=reason))
        conversation.end(reason, unsent=unsent)

    def _restore(self, conversation: Conversation, reason: str) -> None:
        """Logged out or unsubscribed on a socket that stands: settle the account's calls, then log on again."""
        if self._terms.signer is None or not conversation.is_ready:
            return
        conversation.is_ready = conversation.is_logged_on = False
        self.log.warning("session lost", epoch=conversation.epoch, reason=reason)
        self._topics.states.publish(SessionLost(epoch=conversation.epoch, reason=reason))
        conversation.log_out(reason)
        self._resync.end(conversation, reason)
        self._establish_anew(conversation)

    async def _establish(self, conversation: Conversation, scope: trio.CancelScope) -> None:
        """Log on and subscribe; again and again until it works or cannot work."""
        logon = Logon(conversation, self._terms, partial(self._ask_on, conversation.epoch))
        with scope:
            retry_s = RETRY_FIRST_S
            while True:
                try:
                    await logon.establish()
                except LogonRefused as refusal:
                    raise ConfigError("account", refusal.message, hint=refusal.hint) from None
                except DogwatchError as failure:
                    await self._wait_to_retry(conversation, failure, retry_s)
                    retry_s = min(2 * retry_s, RETRY_LONGEST_S)
                else:
                    break
            self._begin(conversation)

    def _begin(self, conversation: Conversation) -> None:
        conversation.is_ready = True
        self.log.info("session ready", epoch=conversation.epoch, clock_offset_ms=round(self._server_clock.offset_ms, 1))
        self._topics.states.publish(SessionReady(epoch=conversation.epoch))

    async def _ask_on(self, epoch: int, call: Call) -> Response:
        return await self.ref.ask(CallOn(epoch=epoch, call=call), within_s=ANSWER_WITHIN_S)

    async def _wait_to_retry(self, conversation: Conversation, failure: DogwatchError, retry_s: float) -> None:
        epoch = conversation.epoch
        if not isinstance(failure, Rejected):
            # No answer, or one that cannot be read: this socket is not worth another attempt.
            conversation.line.connection.tell(Reconnect(epoch=epoch, reason=f"logging on: {failure.message}"))
            await trio.sleep_forever()
        retry_s = max(retry_s, self._terms.barred_s())
        self.log.warning("not logged on", reason=failure.message, hint=failure.hint, retry_in_s=retry_s)
        self._topics.states.publish(
            LogonFailed(epoch=epoch, reason=failure.message, hint=failure.hint, retry_in_s=retry_s)
        )
        await trio.sleep(retry_s)
