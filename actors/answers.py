"""Answers: gives what comes back to whoever asked, and heeds what it says besides, of limits, the clock and the key.

Which frames are answers is session.py's to see; calls are kept in conversation.py until they are settled here.
"""

import time
from collections.abc import Callable
from functools import partial

from dogwatch.actors.conversation import Conversation
from dogwatch.actors.hearing import Hearing
from dogwatch.actors.logon_keeper import is_about_the_key
from dogwatch.actors.pending import Pending
from dogwatch.actors.server_clock import Measurement
from dogwatch.actors.session_messages import Call, LateResponse
from dogwatch.actors.spot.envelope import MalformedFrame, Response
from dogwatch.actors.spot.errors import MalformedResult, OutcomeUnknown
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.results import ServerTime, decode_result
from dogwatch.actors.standings import Standings
from dogwatch.actors.terms import OWN, Terms
from dogwatch.runtime.logger import Logger
from dogwatch.runtime.reply import Reply

__all__ = ["Answers"]


class Answers:
    """Of one session. `takes_over(conversation, pending, response, received_s)`: whether a refusal is somebody else's
    to settle, who sends the call again. `restore(conversation, account, reason)`: the account is logged out there."""

    def __init__(
        self,
        terms: Terms,
        *,
        hearing: Hearing,
        standings: Standings,
        takes_over: Callable[[Conversation, Pending, Response, float], bool],
        restore: Callable[[Conversation, str, str], None],
        log: Logger,
    ) -> None:
        self._terms = terms
        self._topics = terms.own.topics
        self._server_clock = terms.server_clock
        self._limiter = terms.own.turnstile.limiter
        self._hearing = hearing
        self._standings = standings
        self._takes_over = takes_over
        self._restore = restore
        self._log = log
        self.given = self.late = self.unmatched = self.malformed = 0

    def statistics(self) -> dict[str, int]:
        return {
            "answered": self.given,
            "late": self.late,
            "unmatched": self.unmatched,
            "malformed": self.malformed,
        }

    def settle(self, conversation: Conversation, response: Response, received_s: float) -> None:
        """An answer has come over this conversation's socket."""
        conversation.answered_s = received_s
        pending = conversation.take(response.id)
        if pending is None:
            self._settle_unmatched(conversation, response)
            return
        call, reply, declaration = pending.call, pending.reply, pending.declaration
        self._limiter.settle(pending.booking, self._server_clock.ms_at(received_s), response)
        if response.error is not None:
            account = call.account
            self._terms.party(account).turnstile.heed(response.error)
            if self._takes_over(conversation, pending, response, received_s):
                return
            if is_about_the_key(response) and conversation is self._terms.carrying():
                self._standings.doubt_key(conversation, account, partial(self._restore, conversation, account))
        if declaration.is_about_orders:
            self._topics.round_trips_us.append((time.perf_counter_ns() - pending.sent_ns) / 1000)
            self._hearing.note_answer(conversation, pending, response)
        elif call.method is Method.TIME:
            self._observe(pending.sent_s, received_s, response)
        elif response.is_ok:
            conversation.note_subscription(call, response)
        self.give(call, reply, response)

    def give(self, call: Call, reply: Reply[Response], response: Response) -> None:
        """To whoever waits for it, or as evidence to those who listen when nobody does any more."""
        if reply.done:
            self.late += 1
            late = LateResponse(method=call.method, params=call.params, response=response)
            self._terms.party(call.account).topics.late_responses.publish(late)
        else:
            self.given += 1
            reply.send(response)

    def settle_malformed(self, conversation: Conversation, frame: MalformedFrame) -> None:
        """A frame that nobody can read, so it may be about any account; if it has the id of a call, that was answered,
        and nobody knows how."""
        self.malformed += 1
        self._log.error("a frame that cannot be read", problem=frame.problem, length=frame.length)
        pending = conversation.take(frame.id)
        if pending is None:
            for party in self._terms.parties:
                party.topics.unmatched.publish(frame)
            return
        self._terms.party(pending.call.account).topics.unmatched.publish(frame)
        self._terms.own.turnstile.give_up(pending.booking)
        if not pending.reply.done:
            pending.reply.fail(OutcomeUnknown(f"the answer cannot be read: {frame.problem}"))

    def _settle_unmatched(self, conversation: Conversation, response: Response) -> None:
        self.unmatched += 1
        self._topics.unmatched.publish(response)
        error = response.error
        wording = "" if error is None else error.message
        self._log.warning("an answer to no call", id=response.id, status=response.status, wording=wording)
        if error is not None:
            self._terms.own.turnstile.heed(error)
        if is_about_the_key(response):
            self._restore(conversation, OWN, f"the exchange has logged the key out: {wording}")

    def _observe(self, sent_s: float, received_s: float, response: Response) -> None:
        try:
            server_time_ms = decode_result(response.result, ServerTime).server_time_ms
        except MalformedResult:
            return  # an error, or nonsense: whoever asked will see
        measurement = Measurement(asked_s=sent_s, answered_s=received_s, server_time_ms=server_time_ms)
        self._server_clock.observe(measurement)
        self._terms.own.turnstile.note_clock()
