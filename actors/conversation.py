"""A conversation: what a session and the exchange have to say to each other over one socket. Requests are completed,
sent and remembered here until they are settled; what an answer means beyond that is session.py's.
"""

import math
import time
from functools import partial

import trio

from dogwatch.actors.line import Line
from dogwatch.actors.pending import Pending
from dogwatch.actors.session_messages import Call
from dogwatch.actors.spot.booking import Booking
from dogwatch.actors.spot.envelope import Response, UserEvent
from dogwatch.actors.spot.errors import MalformedResult, NotSent, OutcomeUnknown
from dogwatch.actors.spot.methods import Method, Params, Security
from dogwatch.actors.spot.request import Declaration
from dogwatch.actors.spot.request_frames import encode_request, stamp
from dogwatch.actors.spot.requests import DECLARATIONS
from dogwatch.actors.spot.results import SubscribeResult, decode_result
from dogwatch.actors.terms import OWN, Party, Terms
from dogwatch.actors.transmit import Transmit
from dogwatch.runtime.errors import MailboxFull
from dogwatch.runtime.reply import Reply

__all__ = ["BEING_RESTORED", "Conversation", "Standing", "is_bound"]

FORGET_AFTER_S = 300.0
"""How long a request that nobody waits for any more is remembered, to recognise its late answer."""
BEING_RESTORED = "it is being restored; try again soon"
NO_LOGON = "each request of other keys is signed by itself, and nothing needs to be logged on for them"
SUBSCRIBING = frozenset({Method.USER_DATA_STREAM_SUBSCRIBE, Method.USER_DATA_STREAM_SUBSCRIBE_SIGNATURE})


class Standing:
    """How one account stands on one socket. `is_ready` says that it may trade there and that its events flow."""

    __slots__ = ("establishing", "has_stream_ended", "heard_s", "is_listening", "is_ready")

    def __init__(self) -> None:
        self.is_ready = False
        self.has_stream_ended = False
        self.heard_s = -math.inf
        """When an event of the account has last come: only that proves that its subscription is alive."""
        self.is_listening = False
        """Whether somebody waits to see one come."""
        self.establishing = trio.CancelScope()


class Conversation(Standing):
    """Over the socket of `epoch` on `line`; itself, how the session's own account stands there."""

    __slots__ = (
        "_pending",
        "_terms",
        "answered_s",
        "epoch",
        "further",
        "has_ended",
        "is_logged_on",
        "kept_until_s",
        "line",
        "subscriptions",
    )

    def __init__(self, epoch: int, line: Line, terms: Terms) -> None:
        super().__init__()
        self.epoch = epoch
        self.line = line
        self.further = {name: Standing() for name in terms.further}
        self.subscriptions: dict[int, str] = {}
        """Whose events each subscription on this socket brings."""
        self.is_logged_on = False
        self.has_ended = False
        self.answered_s = -math.inf
        """When it has last brought an answer, on Trio's clock."""
        self.kept_until_s = math.inf
        """Until when it is kept, as a former socket, for answers that somebody waits for."""
        self._terms = terms
        self._pending: dict[int | str | None, Pending] = {}

    @property
    def in_flight(self) -> int:
        """How many calls somebody still waits for."""
        return sum(not pending.reply.done for pending in self._pending.values())

    def standing(self, account: str) -> Standing:
        """How an account of the session's stands here."""
        return self.further[account] if account else self

    def is_ready_for(self, account: str) -> bool:
        """Whether it may trade here; no for an account that is none of the session's."""
        return self.is_ready if not account else account in self.further and self.further[account].is_ready

    def note_subscription(self, call: Call, response: Response) -> None:
        """A call has succeeded: if it was to subscribe, what comes of that is its account's."""
        if call.method not in SUBSCRIBING:
            return
        try:
            subscribed = decode_result(response.result, SubscribeResult)
        except MalformedResult:
            return  # where it matters whose an event is, the first one shows that it is not known
        self.subscriptions[subscribed.subscription_id] = call.account

    def account_of(self, frame: UserEvent) -> str | None:
        """Whose event it is, the own account's if it is the whole connection's; None if nobody has made that
        subscription."""
        return OWN if frame.subscription_id is None else self.subscriptions.get(frame.subscription_id)

    def send(self, call: Call, reply: Reply[Response], *, sends: int = 1) -> None:
        """Complete the call and have it written, as soon as the exchange's limits have room for it, or refuse it with
        NotSent. `sends`: the how manieth time this is."""
        terms, declaration = self._terms, DECLARATIONS[call.method]
        refusal = self._refusal_of(call, declaration)
        if refusal is not None:
            reply.fail(refusal)
            return
        clock, turnstile = terms.server_clock, terms.party(call.account).turnstile
        now_s = clock.now_s()
        now_ms = clock.ms_at(now_s)
        booking = turnstile.admit(call, reply, now_ms)
        if booking is None:
            turnstile.keep(call, reply, who=self, go=partial(self._send_late, call, reply, sends))
        else:
            self._write(Pending(call, reply, sends, booking, declaration, now_s, now_ms, time.perf_counter_ns()))

    def send_booked(self, call: Call, reply: Reply[Response], sends: int, booking: Booking) -> None:
        """Send a call that has waited until there was room for it."""
        clock, declaration = self._terms.server_clock, DECLARATIONS[call.method]
        refusal = self._refusal_of(call, declaration)
        if refusal is None:
            now_s = clock.now_s()
            now_ms, now_ns = clock.ms_at(now_s), time.perf_counter_ns()
            self._write(Pending(call, reply, sends, booking, declaration, now_s, now_ms, now_ns))
        else:
            self._terms.own.turnstile.withdraw(booking)
            reply.fail(refusal)

    def _send_late(self, call: Call, reply: Reply[Response], sends: int, booking: Booking) -> None:
        conversation = self if is_bound(call.method) else self._terms.carrying()
        if conversation is None:
            self._terms.own.turnstile.withdraw(booking)
            reply.fail(NotSent("there is no connection to the exchange now", hint=BEING_RESTORED))
        else:
            conversation.send_booked(call, reply, sends, booking)

    def _write(self, pending: Pending) -> None:
        topics = self._terms.own.topics
        request_id = next(topics.request_ids)
        topics.latest_call_s = pending.sent_s
        # It is known before it is told: the socket may turn out to be lost, and all be settled, in that very step.
        self._pending[request_id] = pending
        try:
            payload = encode_request(request_id, pending.call.method, self._completed(pending))
            self.line.connection.tell(Transmit(epoch=self.epoch, payload=payload, tag=request_id))
        except (MailboxFull, TypeError, ValueError) as error:
            hint = error.hint if isinstance(error, MailboxFull) else "this is a mistake in the call as it was built"
            if self._pending.pop(request_id, None) is not None:
                self._terms.own.turnstile.withdraw(pending.booking)
                pending.reply.fail(NotSent(str(error), hint=hint))

    def take(self, request_id: int | str | None) -> Pending | None:
        """The call that has been answered now; None if it is no call of this conversation."""
        return self._pending.pop(request_id, None)

    def take_back(self, request_ids: frozenset[int | str]) -> None:
        """These were never written."""
        for request_id in request_ids:
            pending = self._pending.pop(request_id, None)
            if pending is None:
                continue
            self._terms.own.turnstile.withdraw(pending.booking)
            if not pending.reply.done:
                pending.reply.fail(NotSent("the socket it was meant for is gone", hint=BEING_RESTORED))

    def end(self, reason: str, *, unsent: frozenset[int | str]) -> None:
        """The socket is gone: settle every call now. Nobody learns later what is known at this moment."""
        self.has_ended = True
        turnstile = self._terms.own.turnstile
        pending_calls, self._pending = self._pending, {}
        for request_id, pending in pending_calls.items():
            never_left = request_id in unsent
            if never_left:
                turnstile.withdraw(pending.booking)
            else:
                turnstile.give_up(pending.booking)
            if not pending.reply.done:
                pending.reply.fail(NotSent(reason, hint=BEING_RESTORED) if never_left else OutcomeUnknown(reason))
        carrying = self._terms.carrying()
        turnstile.hand_over(self, None if carrying is self else carrying, NotSent(reason, hint=BEING_RESTORED))

    def log_out(self, reason: str, account: str = OWN) -> None:
        """An account has been logged out or unsubscribed on a socket that stands: settle its calls."""
        standing = self.standing(account)
        standing.is_ready = False
        if account == OWN:
            self.is_logged_on = False
        standing.heard_s = trio.current_time()  # no event is owed any more for what was changed before
        for pending in tuple(self._pending.values()):  # whoever is told may ask again at once
            # They stay pending: what is answered all the same is late, and is evidence.
            is_its_own = pending.call.account == account and not pending.declaration.is_public
            if is_its_own and not pending.reply.done:
                pending.reply.fail(OutcomeUnknown(reason))

    def _refusal_of(self, call: Call, declaration: Declaration) -> NotSent | None:
        """Why a call cannot be sent now, None if it can."""
        if self.has_ended:
            return NotSent("the socket it was meant for is gone", hint=BEING_RESTORED)
        account, terms = call.account, self._terms
        try:
            party = terms.party(account)
        except KeyError:
            hint = f"known: {', '.join(terms.further)}" if terms.further else "leave it out: there is one account"
            return NotSent(f"no account of this session is called {account!r}", hint=hint)
        if not declaration.is_public:
            if party.signer is None:
                return NotSent(f"{call.method} needs an API key", hint="configure one for this venue")
            if declaration.is_of_an_account:
                # What an account does and asks: nothing of it before its events flow.
                if not self.is_ready_for(account):
                    return _not_ready(party)
            elif call.method is Method.SESSION_LOGON and (account or not party.signer.can_log_on):
                return NotSent("only an Ed25519 key of the session's own account logs on", hint=NO_LOGON)
        pending_max = terms.pending_max
        if len(self._pending) >= pending_max and not self._make_room():
            return NotSent(f"{pending_max} calls are in flight already", hint="wait for some of their answers")
        return None

    def _completed(self, pending: Pending) -> Params:
        """The parameters with what the method demands: the time of this very moment, and a signature where due."""
        call, declaration, terms = pending.call, pending.declaration, self._terms
        params = call.params
        if declaration.needs_timestamp:
            params = stamp(params, timestamp_ms=pending.stamp_ms, recv_window_ms=terms.recv_window_ms)
            # A key of its own in a request counts for more than the one that is logged on.
            if call.account or not self.is_logged_on or declaration.security is Security.SIGNED:
                signer = terms.party(call.account).signer
                params = params if signer is None else signer.sign(params)
        return params

    def _make_room(self) -> bool:
        """Forget calls that nobody waits for any more, oldest first."""
        settled = [request_id for request_id, pending in self._pending.items() if pending.reply.done]
        now_s = trio.current_time()
        for request_id in settled:
            if (
                len(self._pending) < self._terms.pending_max
                and now_s - self._pending[request_id].sent_s < FORGET_AFTER_S
            ):
                break
            del self._pending[request_id]
        return len(self._pending) < self._terms.pending_max


def _not_ready(party: Party) -> NotSent:
    refused = party.topics.key_refusal
    if refused:
        return NotSent(refused, hint="see the API management page of the exchange: trading is stopped until then")
    return NotSent("the session is not logged on yet", hint=BEING_RESTORED)


def is_bound(method: Method) -> bool:
    """Whether a call is about one socket, and of no use on another."""
    return DECLARATIONS[method].is_bound
