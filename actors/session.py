"""The session: one account's conversation with the exchange over a link. Logs on, subscribes to the account's events,
and gives every request exactly one outcome.

What a response means for an order is decided by who asked; requests are completed and kept in conversation.py, what
comes in is read in intake.py, and answers are settled in answers.py; accounts are kept logged on in standings.py, how
one socket takes over from another is in handover.py, which one brings no events is found in hearing.py, and sockets are
connection.py's.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from math import inf
from typing import Any, ClassVar

import trio

from dogwatch.actors.answers import Answers
from dogwatch.actors.connection import (
    Connected,
    ConnectionState,
    Disconnected,
    NotTransmitted,
    Reconnect,
)
from dogwatch.actors.conversation import BEING_RESTORED, Conversation
from dogwatch.actors.handover import Handover
from dogwatch.actors.handover_times import LOOK_EVERY_S
from dogwatch.actors.hearing import Hearing
from dogwatch.actors.intake import Intake
from dogwatch.actors.line import Line
from dogwatch.actors.probe import Probe
from dogwatch.actors.rate_limiter import RateLimiter
from dogwatch.actors.resync import Resync
from dogwatch.actors.rotation_messages import (
    Adopt,
    Carrying,
    NotAdopted,
    NotReleased,
    Release,
    RotationTopics,
)
from dogwatch.actors.server_clock import ServerClock
from dogwatch.actors.session_messages import (
    Call,
    CallOn,
    KeyRefused,
    LateResponse,
    LogonFailed,
    SessionLost,
    SessionReady,
    SessionState,
    SessionTopics,
    Speaker,
)
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.signing import Signer
from dogwatch.actors.standings import FurtherAccount, Standings, named
from dogwatch.actors.terms import OWN, Party, Terms
from dogwatch.actors.turnstile import Turnstile
from dogwatch.runtime.errors import AskTimeout, DogwatchError
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.reply import Reply

__all__ = [
    "Call",
    "KeyRefused",
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
RELEASE_WITHIN_S = 30.0
"""How long a former socket is kept for answers that somebody waits for."""


class Session(Speaker):
    """Speaks for one account, or with `signer=None` for nobody (public methods only); and for `further` ones by name.

    Ed25519 keys log on once per socket; with keys that cannot, and for further accounts, each request is signed by
    itself. A call names a further account; what it hears goes to that account's topics. At most `pending_max` calls are
    in flight.
    Raises ConfigError, which is never retried, when the exchange refuses the key at the first logon of this process; a
    key that was good and is refused later is a state, KeyRefused.
    """

    lanes: ClassVar[tuple[Lane, ...]] = (
        Lane("rotation", accepts=(Adopt, Release, Carrying), capacity=16),
        Lane("calls", accepts=(Call, CallOn, Probe), capacity=1024, is_direct=True),
    )

    def __init__(
        self,
        *,
        lines: Sequence[Line],
        topics: SessionTopics,
        rotation_topics: RotationTopics,
        server_clock: ServerClock,
        limiter: RateLimiter,
        signer: Signer | None = None,
        further: Mapping[str, FurtherAccount] | None = None,
        recv_window_ms: int | None = None,
        in_microseconds: bool = False,
        pending_max: int = 1000,
    ) -> None:
        self._in_microseconds = in_microseconds
        self._lines = lines
        self._topics = topics
        self._rotation_topics = rotation_topics
        self._server_clock = server_clock

        def party(signer: Signer | None, topics: SessionTopics) -> Party:
            turnstile = Turnstile(limiter, topics=topics, server_clock=server_clock)
            return Party(signer=signer, topics=topics, turnstile=turnstile)

        own = party(signer, topics)
        self._turnstile = own.turnstile
        self._terms = Terms(
            own=own,
            further={name: party(account.signer, account.topics) for name, account in (further or {}).items()},
            recv_window_ms=recv_window_ms,
            server_clock=server_clock,
            carrying=lambda: self._carrying,
            pending_max=pending_max,
        )
        self._conversations: dict[int, Conversation] = {}  # by epoch
        self._carrying: Conversation | None = None
        self._hearing: Hearing
        self._resync: Resync
        self._standings: Standings
        self._answers: Answers
        self._intake: Intake

    async def on_start(self) -> None:
        # During a handover what the other socket brings decides, and nothing has to be lost.
        self._hearing = Hearing(
            self.ref.mailbox.timers, is_alone=lambda one: one is self._carrying and self._intake.handover is None
        )
        self._standings = Standings(self._terms, self._ask_on, self.tasks, self.log)
        self._answers = Answers(
            self._terms,
            hearing=self._hearing,
            standings=self._standings,
            takes_over=lambda *answered: self._resync.takes(*answered),
            restore=self._restore,
            log=self.log,
        )
        self._resync = Resync(
            server_clock=self._server_clock,
            recv_window_ms=self._terms.recv_window_ms,
            carrying=lambda: self._carrying,
            ask=self._ask_on,
            settle=self._answers.give,
            tasks=self.tasks,
            timers=self.ref.mailbox.timers,
            log=self.log,
        )
        self._intake = Intake(
            self._terms,
            conversations=self._conversations,
            answers=self._answers,
            rotation_topics=self._rotation_topics,
            restore=self._restore,
            break_off=self._break_off,
            in_microseconds=self._in_microseconds,
            log=self.log,
        )
        for party in self._terms.parties:
            party.turnstile.open(self.ref.mailbox.timers, self.log)
            self.tap(party.topics.user_events, party.turnstile.hear)
        # Taps: a loss is settled, and an answer delivered, in the same step in which the reader learns of it.
        for line in self._lines:
            self.tap(line.topics.states, partial(self._follow, line))
            self.tap(line.topics.frames, self._intake.read)
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
            if self._intake.handover is not None and self._intake.handover.is_preparing:
                self._break_off(self._intake.handover, "the session was stopped")
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
            **self._answers.statistics(),
            "user_events": self._intake.events,
            "clock_offset_ms": round(self._server_clock.offset_ms, 1),
            "clock_uncertainty_ms": self._server_clock.uncertainty_ms,
            **self._resync.statistics(),
            **self._turnstile.limiter.statistics(),
        }

    def summary(self) -> str:
        carrying = self._carrying
        if self._topics.key_refusal:
            return "KEY REFUSED"
        ready = "logged on" if carrying is not None and carrying.is_ready else "no session"
        return self._turnstile.summary() or ready

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
            for conversation in tuple(self._conversations.values()):
                conversation.take_back(state.tags)

    def _use(self, line: Line, epoch: int) -> None:
        self._carrying = self._converse(line, epoch)
        self._standings.begin(self._carrying)

    def _converse(self, line: Line, epoch: int) -> Conversation:
        self._topics.epoch_begun = max(self._topics.epoch_begun, epoch)
        self._turnstile.note_connection()
        conversation = self._conversations[epoch] = Conversation(epoch, line, self._terms)
        return conversation

    def _use_another(self) -> None:
        """If nothing carries: take a socket that stands already. One that was given up before is made anew."""
        for line in self._lines:
            epoch = line.topics.epoch
            if self._carrying is not None or epoch is None:
                continue
            if epoch in self._conversations:
                line.connection.tell(Reconnect(epoch=epoch, reason="nothing is left to go back to on it"))
            else:
                self._use(line, epoch)

    def _end(self, conversation: Conversation, reason: str, *, unsent: frozenset[int | str]) -> None:
        """The socket is gone: settle every call now."""
        del self._conversations[conversation.epoch]
        stood, carried, handover = self._standings.end(conversation), self._carrying, self._intake.handover
        if handover is not None:
            self._end_in_handover(handover, conversation, reason)
        self._resync.end(conversation, reason)
        if conversation is self._carrying:
            self._carrying = None
        if conversation is carried:
            self._standings.tell_lost(stood, conversation.epoch, reason, unless_on=self._carrying)
        conversation.end(reason, unsent=unsent)
        if handover is not None and handover.is_preparing and handover.former is conversation:
            self._move_without_seam(handover)

    def _restore(self, conversation: Conversation, account: str, reason: str) -> None:
        """Logged out or unsubscribed on a socket that stands: settle the account's calls, then log on again."""
        if self._terms.party(account).signer is None:
            return
        if self._intake.handover is not None:
            self._heed_loss(self._intake.handover, conversation, account, reason)
        if not conversation.is_ready_for(account):
            return
        if conversation is self._carrying:
            self.log.warning("session lost", **named(account), epoch=conversation.epoch, reason=reason)
            self._standings.lose(conversation, account, reason)
        conversation.log_out(reason, account)
        if conversation is self._carrying:
            self._resync.end(conversation, reason, account=account)
            self._standings.establish_anew(conversation, account)

    def _heed_loss(self, handover: Handover, conversation: Conversation, account: str, reason: str) -> None:
        """For its own account the session stays on, or goes back to, the socket that is whole; a further one moves as
        it can."""
        is_newer = conversation is handover.newer
        if account != OWN:
            if handover.is_preparing or is_newer:
                handover.forget(account)
        elif handover.is_preparing:
            self._break_off(handover, reason)
        elif handover.can_go_back and is_newer:
            self._go_back(handover, reason)

    # Handing over from one socket to another.

    def on_adopt(self, wish: Adopt, reply: Reply[None]) -> None:
        carrying = self._carrying
        if carrying is not None and carrying.epoch == wish.epoch:
            self.tasks.start_soon(self._answer_when_ready, carrying, reply)
            return
        line = next((line for line in self._lines if line.topics.epoch == wish.epoch), None)
        if self._intake.handover is not None and not self._intake.handover.is_settled():
            reply.fail(NotAdopted("the handover before is not over yet", hint="try again in some seconds"))
        elif line is None or wish.epoch in self._conversations:
            reply.fail(NotAdopted(f"there is no fresh socket {wish.epoch}"))
        elif carrying is None or not carrying.is_ready:
            reply.fail(NotAdopted("the session is not logged on", hint="what it is told when it logs on is in the log"))
        else:
            newer = self._converse(line, wish.epoch)
            self._intake.handover = Handover(carrying, newer, reply, accounts=self._standings.heard_on(carrying))
            self.tasks.start_soon(self._prepare, self._intake.handover)

    def on_release(self, wish: Release, reply: Reply[None]) -> None:
        handover = self._intake.handover
        if handover is not None and handover.is_preparing and handover.newer.epoch == wish.epoch:
            self._break_off(handover, "the new socket was given up")
        self.tasks.start_soon(self._release, wish.epoch, reply)

    def on_carrying(self, _wish: Carrying) -> int | None:
        return None if self._carrying is None else self._carrying.epoch

    async def _prepare(self, handover: Handover) -> None:
        """Establish the newer socket, then let the former one say all that it has to say from before."""
        former, newer = handover.former, handover.newer
        with handover.preparing:
            try:
                for account in await self._standings.prepare(newer, handover.accounts):
                    handover.forget(account)
                await self._ask_on(newer.epoch, Call(method=Method.PING))
                await self._hear_out(former)
            except DogwatchError as failure:
                if handover.is_preparing:  # else the former socket has died, and the session has moved already
                    self._break_off(handover, failure.message, failure.hint)
            else:
                self._move(handover)

    async def _hear_out(self, former: Conversation) -> None:
        """Ask the former socket something: its answer comes after all that it had to say before."""
        try:
            await self._ask_on(former.epoch, Call(method=Method.PING))
        except AskTimeout:
            # The newer socket answers, so this one is what is broken: it is better lost now than kept.
            former.line.connection.tell(Reconnect(epoch=former.epoch, reason="a question was not answered"))
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint_if_cancelled()

    def _move(self, handover: Handover) -> None:
        handover.newer.is_ready = True
        for account in handover.accounts:
            handover.newer.standing(account).is_ready = True
        self._carry_on(handover)
        self._standings.move(handover.former, to=handover.newer)
        self.log.info("moved", epoch=handover.newer.epoch, from_epoch=handover.former.epoch)
        handover.reply.send(None)
        self.tasks.start_soon(self._watch, handover)

    def _move_without_seam(self, handover: Handover) -> None:
        """The former socket has died too early: what it might have brought is for the recovery of a new session."""
        handover.preparing.cancel()
        self._carry_on(handover)
        self._standings.begin(handover.newer)
        self.tasks.start_soon(self._answer_when_ready, handover.newer, handover.reply)
        self.tasks.start_soon(self._watch, handover)

    def _carry_on(self, handover: Handover) -> None:
        """With the newer one, and with what it has brought already."""
        self._carrying = handover.newer
        for account, frame in handover.move():
            self._terms.party(account).topics.user_events.publish(frame)

    def _break_off(self, handover: Handover, reason: str, hint: str = "") -> None:
        """Stay on the former socket. The newer one, be it alive or not, is none of ours any more."""
        handover.preparing.cancel()
        self._intake.handover = None
        newer = self._conversations.pop(handover.newer.epoch, None)
        if newer is not None:
            self._resync.end(newer, reason)
            newer.end(reason, unsent=frozenset())
        handover.reply.fail(NotAdopted(reason, hint=hint))

    def _go_back(self, handover: Handover, reason: str) -> None:
        self.log.warning("back on the socket before", epoch=handover.former.epoch, reason=reason)
        handover.go_back()
        self._carrying = handover.former
        self._standings.move(handover.newer, to=handover.former)

    def _end_in_handover(self, handover: Handover, conversation: Conversation, reason: str) -> None:
        handover.end_of(conversation)
        if conversation is handover.newer:
            if handover.is_preparing:
                self._break_off(handover, reason)
            elif handover.can_go_back:
                self._go_back(handover, reason)

    async def _watch(self, handover: Handover) -> None:
        """Until it is known that the newer socket hears, and no copies come any more."""
        while self._intake.handover is handover and not handover.is_over():
            await trio.sleep(LOOK_EVERY_S)
            if handover.is_deaf():
                reason = "the newer socket does not bring the account's events"
                if handover.can_go_back:
                    self._go_back(handover, reason)
                else:
                    newer = handover.newer
                    newer.line.connection.tell(Reconnect(epoch=newer.epoch, reason=reason))
                    break
        if self._intake.handover is handover:
            self._intake.handover = None

    async def _release(self, epoch: int, reply: Reply[None]) -> None:
        """Wait until nothing is awaited on this former socket: neither answers nor the proof that it is not needed.

        Asked again, as before the socket is closed, it waits for no answer longer than was promised the first time.
        """
        if (former := self._conversations.get(epoch)) is not None:
            former.kept_until_s = min(former.kept_until_s, trio.current_time() + RELEASE_WITHIN_S)
        while not reply.done:
            conversation, handover = self._conversations.get(epoch), self._intake.handover
            if conversation is None:
                reply.send(None)
            elif conversation is self._carrying:
                conversation.kept_until_s = inf
                reply.fail(NotReleased("the session speaks over it", hint="the log says why it did not stay elsewhere"))
            elif (handover is None or handover.is_proven()) and (
                not conversation.in_flight or trio.current_time() >= conversation.kept_until_s
            ):
                if handover is None or conversation is not handover.former or await self._still_answers(handover):
                    reply.send(None)
            else:
                await trio.sleep(LOOK_EVERY_S)

    async def _still_answers(self, handover: Handover) -> bool:
        """The last look before the former socket is let go: it is of no use when the newer one has died meanwhile."""
        try:
            await self._ask_on(handover.newer.epoch, Call(method=Method.PING))
        except AskTimeout:
            if handover.can_go_back:
                self._go_back(handover, "the newer socket has stopped answering")
            return False
        except DogwatchError:
            await trio.sleep(LOOK_EVERY_S)
            return False
        return True

    async def _answer_when_ready(self, conversation: Conversation, reply: Reply[None]) -> None:
        while not reply.done:
            if conversation is not self._carrying:
                reply.fail(NotAdopted("the socket was lost while the session logged on"))
            elif conversation.is_ready:
                reply.send(None)
            else:
                await trio.sleep(LOOK_EVERY_S)

    async def _ask_on(self, epoch: int, call: Call) -> Response:
        return await self.ref.ask(CallOn(epoch=epoch, call=call), within_s=ANSWER_WITHIN_S)
