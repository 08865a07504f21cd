"""The turnstile: where one session's requests pass into the limits of its address and its account, and out again.

How much there is and who waits is the rate limiter's; requests are written by conversation.py.
"""

from collections.abc import Callable
from math import ceil

import trio

from dogwatch.actors.progress import elapsed
from dogwatch.actors.rate_limiter import WAITING_MAX, RateLimiter, Waiting
from dogwatch.actors.server_clock import ServerClock
from dogwatch.actors.session_messages import Call, SessionTopics
from dogwatch.actors.spot.booking import Booking
from dogwatch.actors.spot.enums import ExecutionType, RateLimitInterval, RateLimitType
from dogwatch.actors.spot.envelope import Response, UserEvent
from dogwatch.actors.spot.errors import ExchangeError, NotSent
from dogwatch.actors.spot.methods import Method, Params
from dogwatch.actors.spot.request_costs import Kind, cost_of
from dogwatch.actors.spot.rest_answers import UNTOLD
from dogwatch.actors.spot.user_events import ExecutionReport
from dogwatch.runtime.logger import Logger
from dogwatch.runtime.reply import Reply
from dogwatch.runtime.timers import Timers

__all__ = ["Turnstile"]

GUARD_MS = 20
"""Added to what is known of the exchange's clock, for what it drifts away until it is measured again."""
UNTOLD_WAIT_S = {418: 120.0, 429: 10.0}
"""How long to send nothing after an answer with this status that does not say; a ban lasts at least 2 minutes."""
TOO_MANY_REQUESTS, TOO_MANY_ORDERS = -1003, -1015
BANNED = 418
MUCH = 0.5
"""From this share of a limit on, `dogwatch tree` shows how much of it is used."""
_TRADE = ExecutionType.TRADE
PLACING = frozenset({Method.ORDER_PLACE, Method.ORDER_CANCEL_REPLACE})


class Turnstile:
    """One session's way through `limiter`, on behalf of the account of which these `topics` tell. `open` it in each
    life."""

    def __init__(self, limiter: RateLimiter, *, topics: SessionTopics, server_clock: ServerClock) -> None:
        self.limiter = limiter
        self._account = limiter.budget.account(topics.states.name, of=topics)
        self._server_clock = server_clock
        self._timers: Timers | None = None
        self._placing: dict[str, Waiting] = {}
        self._ahead_ms: float | None = None
        self._guard_ms = 0

    def open(self, timers: Timers, log: Logger) -> None:
        """A life of the session begins."""
        self._timers = timers
        self.limiter.tell_by(log)

    def hand_over(self, who: object, to: object | None, error: NotSent) -> None:
        """What waits on behalf of `who` waits on behalf of another, or is turned back if there is none."""
        if to is None:
            self.limiter.turn_back(error, lambda entry: entry.who is who)
        else:
            self.limiter.rename(who, to)

    def admit(self, call: Call, reply: Reply[Response], now_ms: int) -> Booking | None:
        """Reserve what a call costs, if it may be sent now, by the exchange's clock; else `keep` it."""
        if self._placing and call.method is Method.ORDER_CANCEL and self._stop_placing(call.params, reply):
            return None
        return self.limiter.book(cost_of(call.method, call.params, call.lane), self._account, now_ms)

    def keep(self, call: Call, reply: Reply[Response], *, who: object, go: Callable[[Booking], None]) -> None:
        """Have a call wait for its turn, which is when `go` is called, or refuse it with NotSent: at once if its turn
        would come too late. Whoever cancels an order that waits here stops it from being sent."""
        if reply.done:
            return
        assert self._timers is not None  # nobody calls a session without a life
        name = call.params.get("newClientOrderId") if call.method in PLACING else None
        entry = Waiting(
            who=who,
            cost=cost_of(call.method, call.params, call.lane),
            account=self._account,
            deadline_s=reply.deadline_s,
            now_ms=self._server_clock.now_ms,
            timers=self._timers,
            go=go,
            refuse=reply.fail,
            is_wanted=lambda: not reply.done,
        )
        self.limiter.keep(entry)
        if isinstance(name, str) and entry.is_waiting:
            if len(self._placing) >= 2 * WAITING_MAX:
                self._placing = {key: kept for key, kept in self._placing.items() if kept.is_waiting}
            self._placing[name] = entry

    def _stop_placing(self, params: Params, reply: Reply[Response]) -> bool:
        """Whether a cancel is about an order that still waits here: sent now, it would come before it."""
        entry = self._placing.pop(str(params.get("origClientOrderId")), None)
        if entry is None or not entry.is_waiting:
            return False
        self.limiter.turn_back(NotSent("it was canceled before it was sent"), lambda waiting: waiting is entry)
        reply.fail(NotSent("the order had not been sent, and will not be"))
        return True

    # What becomes of a booking.

    def withdraw(self, booking: Booking) -> None:
        """It never left this machine."""
        self.limiter.budget.withdraw(booking)

    def give_up(self, booking: Booking) -> None:
        """Its answer will not come."""
        self.limiter.budget.give_up(booking)

    # What else tells of the limits.

    def limit_of(self, limit_type: RateLimitType, interval: RateLimitInterval, interval_count: int) -> int | None:
        """How much a limit is as far as is known, of those that answers count."""
        of_orders = limit_type is RateLimitType.ORDERS
        windows, kind = (self._account, Kind.ORDERS) if of_orders else (self.limiter.budget.address, Kind.WEIGHT)
        window = windows.find(kind, interval, interval_count)
        return None if window is None else window.limit

    def heed(self, error: ExchangeError, *, asked_s: float = 0.0) -> None:
        """An answer refuses: perhaps because too much was asked. `asked_s`: how long a silence it asks for, where that
        stands beside the error."""
        if error.code == TOO_MANY_ORDERS:
            self.limiter.budget.fill(self._account, self._server_clock.now_ms())
        elif error.code in (TOO_MANY_REQUESTS, UNTOLD) and error.status in UNTOLD_WAIT_S:
            wait_s = asked_s or self._asked_wait_s(error)
            self.limiter.silence(wait_s, error.message, is_ban=error.status == BANNED)

    def hear(self, message: UserEvent) -> None:
        """The first fill of an order lowers the count of unfilled orders."""
        event = message.event
        if (
            isinstance(event, ExecutionReport)
            and event.execution_type is _TRADE
            and event.last_executed_quantity == event.executed_quantity
        ):
            self._account.filled(created_ms=event.order_creation_time_ms, at_ms=event.transaction_time_ms)

    def note_connection(self) -> None:
        """A new connection to the WebSocket API stands."""
        self.limiter.budget.charge_connection(self._server_clock.now_ms())

    def note_clock(self) -> None:
        """The exchange's clock was measured. Where a window begins is known as well as that clock is."""
        uncertainty_ms = self._server_clock.uncertainty_ms
        if uncertainty_ms is None:
            return
        guard_ms = ceil(uncertainty_ms) + GUARD_MS
        ahead_ms = self._server_clock.now_ms() - trio.current_time() * 1000
        has_stepped = self._ahead_ms is None or abs(ahead_ms - self._ahead_ms) > self._guard_ms
        if has_stepped or guard_ms != self._guard_ms:
            self.limiter.budget.set_guard(guard_ms, is_first=has_stepped)
        self._ahead_ms, self._guard_ms = ahead_ms, guard_ms

    def summary(self) -> str:
        """In two words how long nothing may be sent, or how much is used of a limit if that is much; else ""."""
        quiet_s = self.limiter.quiet_s()
        if quiet_s:
            return f"{'BAN' if self.limiter.is_banned() else 'quiet'} {elapsed(ceil(quiet_s))}"
        share = self.limiter.budget.share_now(self._server_clock.now_ms())
        return f"limits {share:.0%}" if share >= MUCH else ""

    def _asked_wait_s(self, error: ExchangeError) -> float:
        told_ms, retry_ms = error.server_time_ms, error.retry_after_ms
        if told_ms is None and self._server_clock.is_measured:
            told_ms = self._server_clock.now_ms()
        # Both times are the server's: before its clock is measured, ours may be wrong by any amount. An end that is
        # past when it is told says no more than none: clocks are set, and answers are late.
        if told_ms is None or retry_ms is None or retry_ms <= told_ms:
            return UNTOLD_WAIT_S[error.status]
        return (retry_ms - told_ms) / 1000
