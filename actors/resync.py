"""Calls that the exchange's clock stands in the way of: they wait until it has been measured anew and are sent again,
with another timestamp and signature, within their deadline. Whoever asked notices nothing but the time it took.

When an answer proves that a request was not executed is in spot/clock_refusal.py, what a refusal says about the clock
in spot/clock_estimate.py. The session owns the calls again as soon as they are sent.
"""

from collections.abc import Awaitable, Callable

import trio

from dogwatch.actors.conversation import BEING_RESTORED, Conversation, is_bound
from dogwatch.actors.pending import Pending
from dogwatch.actors.server_clock import ServerClock
from dogwatch.actors.session_messages import Call
from dogwatch.actors.spot.clock_estimate import Finding, StampRefused
from dogwatch.actors.spot.clock_refusal import is_ahead, is_turned_away_by_the_clock
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.methods import RECV_WINDOW_MS, Method
from dogwatch.actors.spot.requests import DECLARATIONS
from dogwatch.runtime.errors import DogwatchError
from dogwatch.runtime.logger import Logger
from dogwatch.runtime.reply import Reply
from dogwatch.runtime.timers import Timer, Timers

__all__ = ["Resync"]

SENT_AGAIN_MAX = 2
QUESTIONS, QUESTIONS_MAX = 3, 10
HELD_MAX = 1_000
"""Not counted what was in flight when the first of them was refused."""
LEAST_S = 0.05
"""Whoever waits gets the refusal so long before its deadline: behind that it could only be called unknown."""


class Held:
    """A call that waits. `refusal` is None if it has not been sent yet.

    What is bound to the socket of its `conversation` goes there; everything else, to the one that carries.
    """

    __slots__ = ("call", "conversation", "refusal", "reply", "sends", "timer")

    def __init__(
        self, call: Call, reply: Reply[Response], conversation: Conversation, sends: int, refusal: Response | None
    ) -> None:
        self.call = call
        self.reply = reply
        self.conversation = conversation
        self.sends = sends
        self.refusal = refusal
        self.timer: Timer | None = None


class Resync:
    """One session's. Calls are sent by their Conversation, asked by `ask(epoch, call)` and settled by `settle`.

    `carrying` gives the conversation that new calls go to, None if there is none.
    """

    def __init__(
        self,
        *,
        server_clock: ServerClock,
        recv_window_ms: int | None,
        carrying: Callable[[], Conversation | None],
        ask: Callable[[int, Call], Awaitable[Response]],
        settle: Callable[[Call, Reply[Response], Response], None],
        tasks: trio.Nursery,
        timers: Timers,
        log: Logger,
    ) -> None:
        self._server_clock = server_clock
        self._recv_window_ms = RECV_WINDOW_MS if recv_window_ms is None else recv_window_ms
        self._carrying = carrying
        self._ask = ask
        self._settle = settle
        self._tasks = tasks
        self._timers = timers
        self._log = log
        self.held: dict[Held, None] = {}
        """In the order in which they are to be sent."""
        self._is_measuring = False
        self._resyncs = self._refusals = self._sent_again = 0

    def concerns(self, call: Call, conversation: Conversation) -> bool:
        """Whether a new call has to wait for the clock, or for those before it that do."""
        return conversation.is_ready_for(call.account) and DECLARATIONS[call.method].security.needs_timestamp

    def hold(self, call: Call, reply: Reply[Response], conversation: Conversation) -> None:
        """Send this call when the clock is known again: sent now it would be refused."""
        if len(self.held) >= HELD_MAX:
            reply.fail(NotSent(f"{HELD_MAX} calls wait for the exchange's clock already", hint="try again soon"))
            return
        self._hold(Held(call, reply, conversation, 0, None))
        self._measure(conversation)

    def takes(self, conversation: Conversation, pending: Pending, response: Response, received_s: float) -> bool:
        """Look at an error. True: it will be sent again, or settled from here; False: that is the asker's answer."""
        call, error = pending.call, response.error
        if error is None or not is_turned_away_by_the_clock(call.method, response):
            return False
        self._refusals += 1
        self._server_clock.heed(
            StampRefused(
                stamp_ms=pending.stamp_ms,
                sent_s=pending.sent_s,
                answered_s=received_s,
                recv_window_ms=self._recv_window_ms,
                is_ahead=is_ahead(error.code, error.message),
            )
        )
        # An asker that has given up was told that the outcome is unknown: now it is known, and must stay so.
        is_over = pending.reply.done or pending.sends > SENT_AGAIN_MAX or pending.reply.remaining_s() <= LEAST_S
        if not is_over:
            self._hold(Held(call, pending.reply, conversation, pending.sends, response))
        was_measured_since = self._server_clock.asked_s > pending.sent_s and not self._server_clock.is_in_doubt
        if not was_measured_since:
            self._measure(conversation)
        elif not self._is_measuring:
            self._send_held()
        return not is_over

    def end(self, conversation: Conversation, reason: str, *, account: str | None = None) -> None:
        """This socket is gone, or one account logged out on it: settle what waits for it. What was refused was not
        executed."""
        carries = conversation is self._carrying()
        for held in tuple(self.held):
            if account is not None and held.call.account != account:
                continue
            if held.conversation is conversation if is_bound(held.call.method) else carries:
                self._give_up(held, reason, BEING_RESTORED)

    def statistics(self) -> dict[str, int]:
        return {
            "clock_resyncs": self._resyncs,
            "timestamps_refused": self._refusals,
            "sent_again": self._sent_again,
            "held_for_the_clock": len(self.held),
        }

    def _hold(self, held: Held) -> None:
        self.held[held] = None
        held.timer = self._timers.add(held.reply.deadline_s - LEAST_S, lambda: self._expire(held))

    def _expire(self, held: Held) -> None:
        if held in self.held:
            self._give_up(held, "the exchange's clock could not be read in time", "see the log; try again")

    def _measure(self, conversation: Conversation) -> None:
        if not self._is_measuring:
            self._is_measuring = True
            self._resyncs += 1
            self._tasks.start_soon(self._measure_and_send, conversation)

    async def _measure_and_send(self, conversation: Conversation) -> None:
        """One answer is enough to send by; the others make it better."""
        clock, is_told = self._server_clock, False
        try:
            for number in range(QUESTIONS_MAX):
                if number >= QUESTIONS and not self.held:
                    break
                await self._ask_time(conversation)
                if clock.is_in_doubt or clock.finding is Finding.DOUBTFUL:
                    continue
                if not is_told:
                    is_told, moved_ms = True, round(clock.stepped_ms)
                    self._log.warning("the clock was measured anew", moved_ms=moved_ms, calls_waiting=len(self.held))
                self._send_held()
        except DogwatchError as failure:
            self._log.warning("the exchange's clock could not be read", reason=failure.message)
        finally:
            self._is_measuring = False
        for held in tuple(self.held):
            self._give_up(held, "the exchange's clock could not be read", "see the log; try again")

    async def _ask_time(self, conversation: Conversation) -> None:
        """Ask on the socket that carries, or on this one if none does; again if another one carries by then."""
        while True:
            asked = self._carrying() or conversation
            try:
                await self._ask(asked.epoch, Call(method=Method.TIME))
            except DogwatchError:
                if self._carrying() in (None, asked):
                    raise
            else:
                return

    def _send_held(self) -> None:
        for held in tuple(self.held):
            conversation = held.conversation if is_bound(held.call.method) else self._carrying()
            if conversation is None or held.reply.done:
                self._give_up(held, "there is no connection to the exchange now", BEING_RESTORED)
            else:
                self._release(held)
                self._sent_again += held.sends > 0
                conversation.send(held.call, held.reply, sends=held.sends + 1)

    def _give_up(self, held: Held, reason: str, hint: str) -> None:
        self._release(held)
        if held.refusal is not None:
            self._settle(held.call, held.reply, held.refusal)
        elif not held.reply.done:
            held.reply.fail(NotSent(reason, hint=hint))

    def _release(self, held: Held) -> None:
        del self.held[held]
        if held.timer is not None:
            held.timer.cancel()
