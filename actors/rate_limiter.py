"""The rate limiter: one for all that one IP address sends to the exchange, whichever session, whichever account.

It is no actor: booking a request is a matter of a microsecond, and it outlives every life. Requests that find no room
wait here by lane, never past their deadline; what the exchange says of too many requests silences everybody. What may
be spent is reckoned in `spot/rate_budget.py`, who asks is in `turnstile.py`.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import trio

from dogwatch.actors.redial import AttemptBudget
from dogwatch.actors.spot.booking import Booking
from dogwatch.actors.spot.enums import RateLimitInterval, RateLimitType
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.exchange_info import RateLimit
from dogwatch.actors.spot.rate_budget import DOCUMENTED, RateBudget
from dogwatch.actors.spot.rate_windows import LENGTHS_MS, AccountWindows
from dogwatch.actors.spot.request_costs import Cost, Kind, Priority
from dogwatch.actors.spot.shares import Shares
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.logger import Logger
from dogwatch.runtime.timers import Timer, Timers

__all__ = ["WAITING_MAX", "BanLog", "RateLimiter", "Waiting"]

WAITING_MAX = 1_024
"""So many requests wait in each lane at most."""
LEFT_S_MIN = 0.005
"""A request that could be sent only so shortly before its deadline is refused instead."""
WAKE_S_MIN = 0.001
BAN_S_MAX = 3 * 86_400.0
"""No ban lasts longer (IP limits)."""
SLOW_DOWN = "ask less often, market data belongs on streams"
BANNED = "do not start other programs from this address; it lifts by itself, and each further attempt makes it longer"


class BanLog(Protocol):
    """Where a ban is written down, so that the next process knows of it. Times are wall clock milliseconds."""

    @property
    def banned_until_ms(self) -> int:
        """When the newest ban ends or ended; 0 for none."""
        ...

    @property
    def banned_for_ms(self) -> int:
        """How long it was to last when it was written down."""
        ...

    def record_ban(self, until_ms: int, for_ms: int) -> None:
        """Remember a ban that ends then, in so long."""


class Waiting:
    """A request for which there is no room now. `go` is called with its booking, or `refuse`, once."""

    __slots__ = (
        "account",
        "cost",
        "deadline_s",
        "go",
        "is_waiting",
        "is_wanted",
        "now_ms",
        "refuse",
        "timer",
        "timers",
        "who",
    )

    def __init__(
        self,
        *,
        who: object,
        cost: Cost,
        account: AccountWindows,
        deadline_s: float,
        now_ms: Callable[[], int],
        timers: Timers,
        go: Callable[[Booking], None],
        refuse: Callable[[NotSent], None],
        is_wanted: Callable[[], bool],
    ) -> None:
        self.who = who
        self.cost = cost
        self.account = account
        self.deadline_s = deadline_s
        self.now_ms = now_ms
        self.timers = timers
        self.go = go
        self.refuse = refuse
        self.is_wanted = is_wanted
        self.is_waiting = False
        self.timer: Timer | None = None


class Queue:
    """Those who wait in one lane for the same windows: with an account, for room among its unfilled orders."""

    __slots__ = ("account", "ahead", "entries", "priority")

    def __init__(self, priority: Priority, account: AccountWindows | None) -> None:
        self.priority = priority
        self.account = account
        self.entries: deque[Waiting] = deque()
        self.ahead = [0, 0, 0]

    def append(self, entry: Waiting) -> None:
        entry.is_waiting = True
        self.entries.append(entry)
        for kind, amount in enumerate(entry.cost.amounts):
            self.ahead[kind] += amount

    def forget(self, entry: Waiting) -> None:
        """It waits no longer."""
        entry.is_waiting = False
        self.entries.remove(entry)
        for kind, amount in enumerate(entry.cost.amounts):
            self.ahead[kind] -= amount
        if entry.timer is not None:
            entry.timer.cancel()


class RateLimiter:
    """Admits requests of this address. `attempts` is its budget of connection attempts.

    `shares` says how much of each limit may be used, `limits` what they are until the exchange has told. A ban that
    `bans` has on record from an earlier process holds from the start, if that is heeded.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        shares: Shares | None = None,
        limits: Iterable[RateLimit] = DOCUMENTED,
        bans: BanLog | None = None,
        heeds_recorded_ban: bool = True,
        log: Logger | None = None,
    ) -> None:
        self.budget = RateBudget(limits, shares=shares)
        self.attempts: AttemptBudget = Attempts(self)
        self.quiet_until_s = 0.0
        """Before then, on Trio's clock, the exchange wants nothing sent."""
        self.banned_until_s = 0.0
        self.waited = self.refused = self.too_many = self.bans = 0
        self._clock = clock
        self._ban_log = bans
        self._log = log
        self._untold: list[tuple[str, dict[str, Any]]] = []
        self._queues: list[Queue] = []  # by priority
        self._is_held = False
        self._is_serving = False
        self._wake: Timer | None = None
        if bans is not None and heeds_recorded_ban:
            # The wall clock may have been set back since: no ban has more left than it had when it was told.
            left_ms = min(bans.banned_until_ms - clock.unix_ms(), bans.banned_for_ms)
            if left_ms > 0:
                self._begin_ban(left_ms / 1000, "an earlier run was told")

    def tell_by(self, log: Logger) -> None:
        """Say by this logger, from now on, what a human has to know; what nobody could be told yet is said now."""
        self._log = log
        untold, self._untold = self._untold, []
        for text, facts in untold:
            log.error(text, **facts)

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(len(queue.entries) for queue in self._queues)

    def quiet_s(self) -> float:
        """For how long nothing may be sent; 0 when it may."""
        return max(0.0, self.quiet_until_s - trio.current_time()) if self.quiet_until_s else 0.0

    def round_s(self, weight: int, priority: Priority, *, share: float) -> float:
        """How long a round of questions of this weight has to last, so that rounds without end take no more than this
        share of what the lane may use; 0 while no limit is known."""
        minute = self.budget.address.find(Kind.WEIGHT, RateLimitInterval.MINUTE, 1)
        return 0.0 if minute is None else weight / (max(1, minute.caps[priority]) * share / 60)

    def is_banned(self) -> bool:
        """Whether a ban is why nothing may be sent."""
        return self.banned_until_s > 0 and self.banned_until_s > trio.current_time()

    def book(self, cost: Cost, account: AccountWindows, now_ms: int) -> Booking | None:
        """Reserve what a request costs, if it may be sent now; else `keep` it."""
        if self._is_held and not self._may_overtake(cost, account, now_ms):
            return None
        return self.budget.book(cost, account, now_ms)

    def keep(self, entry: Waiting) -> None:
        """Have a request wait for its turn, or refuse it at once if that would come too late."""
        queue = self._queue_for(entry)
        wait_s = self._wait_s(entry)
        latest_s = entry.deadline_s - LEFT_S_MIN
        if trio.current_time() + wait_s > latest_s or len(queue.entries) >= WAITING_MAX:
            self._refuse(entry, wait_s)
            return
        self.waited += 1
        queue.append(entry)
        if latest_s < math.inf:
            entry.timer = entry.timers.add(latest_s, lambda: self._expire(entry))
        self._hold()

    def settle(self, booking: Booking, now_ms: int, response: Response) -> None:
        """A request was answered by now. That may make room for others."""
        budget = self.budget
        said = () if budget.heeded_ms <= now_ms < budget.heeds_again_ms else response.rate_limits
        budget.settle(booking, now_ms, is_ok=response.error is None, said=said)
        if self._wake is not None:
            self.serve()

    def serve(self) -> None:
        """Let those go for whom there is room now, by lane and age."""
        if self._is_serving:
            return
        self._is_serving = True
        try:
            if not self.quiet_s():
                self.quiet_until_s = 0.0
                for queue in tuple(self._queues):  # whoever is answered may ask again at once, and wait
                    if not self._serve_queue(queue):
                        break
        finally:
            self._is_serving = False
        self._hold()

    def turn_back(self, error: NotSent, which: Callable[[Waiting], bool]) -> int:
        """Refuse these: they may not be sent any more. Returns how many there were."""
        taken = [(queue, entry) for queue in self._queues for entry in queue.entries if which(entry)]
        for queue, entry in taken:
            if entry.is_waiting:  # else one that was refused before it has withdrawn it
                queue.forget(entry)
                entry.refuse(error)
        if taken:
            self._hold()
        return len(taken)

    def rename(self, who: object, to: object) -> None:
        """What waits on behalf of one waits on behalf of another from now on."""
        for queue in self._queues:
            for entry in queue.entries:
                if entry.who is who:
                    entry.who = to

    def learn(self, limits: Iterable[RateLimit]) -> None:
        """Take the limits that exchangeInfo lists."""
        limits = tuple(limits)
        self.budget.learn(limits)
        for limit in limits:
            # Any stretch of that length is kept below it, wherever the exchange's own begins.
            if limit.rate_limit_type == RateLimitType.CONNECTIONS and limit.interval in LENGTHS_MS:
                within_s = LENGTHS_MS[limit.interval] * limit.interval_count / 1000
                self.attempts.allow(max(1, math.floor(limit.limit * self.budget.shares.usable)), within_s)
        if self._is_held:
            self.serve()

    def silence(self, wait_s: float, wording: str, *, is_ban: bool = False) -> None:
        """The exchange has said that too much was asked (429), or that it hears nothing of us any more (418)."""
        if is_ban:
            self._begin_ban(wait_s, wording)
            return
        until_s = trio.current_time() + wait_s
        if until_s > self.quiet_until_s:
            if not self.quiet_s():
                self.too_many += 1
                self._tell("the exchange wants nothing sent", for_s=round(wait_s, 1), wording=wording)
            self._be_quiet(until_s)

    def hear_of_ban(self, until_s: float) -> None:
        """A handshake was refused for a ban that holds until then, on Trio's clock."""
        self._begin_ban(until_s - trio.current_time(), "a connection attempt was refused")

    def statistics(self) -> dict[str, int | float]:
        """How much of each limit is used, and what that has cost so far."""
        return {
            **self.budget.usage(),
            "waiting": self.waiting,
            "waited": self.waited,
            "refused": self.refused,
            "too_many": self.too_many,
            "bans": self.bans,
            "quiet_s": round(self.quiet_s(), 1),
        }

    # Who waits.

    def _may_overtake(self, cost: Cost, account: AccountWindows, now_ms: int) -> bool:
        """Whether a request may go although others wait: they wait for something that it does not need."""
        if self.quiet_s():
            return False
        if self.quiet_until_s:
            self.quiet_until_s, self._is_held = 0.0, self.waiting > 0
        for queue in self._queues:
            if queue.priority > cost.priority:
                break
            if not queue.entries:
                continue
            is_own = queue.priority is cost.priority and queue.account in (None, account if cost.orders else None)
            if is_own or self.budget.is_for_all(queue.entries[0].cost, now_ms):
                return False
        return True

    def _serve_queue(self, queue: Queue) -> bool:
        """False: what the next one waits for is everybody's, so nobody behind it may go."""
        while queue.entries:
            entry = queue.entries[0]
            if not entry.is_wanted():
                queue.forget(entry)
                continue
            now_ms = entry.now_ms()
            booking = self.budget.book(entry.cost, entry.account, now_ms)
            if booking is None:
                return not self.budget.is_for_all(entry.cost, now_ms)
            queue.forget(entry)
            entry.go(booking)
        return True

    def _queue_for(self, entry: Waiting) -> Queue:
        account = entry.account if entry.cost.orders else None
        for queue in self._queues:
            if queue.priority is entry.cost.priority and queue.account is account:
                return queue
        queue = Queue(entry.cost.priority, account)
        self._queues.append(queue)
        self._queues.sort(key=lambda queue: queue.priority)
        return queue

    def _wait_s(self, entry: Waiting) -> float:
        """When there would be room for it, as far as that can be foreseen."""
        ahead = [0] * len(Kind)
        for queue in self._queues:
            if queue.priority <= entry.cost.priority:
                for kind in Kind:
                    if kind is not Kind.ORDERS or queue.account is entry.account:
                        ahead[kind] += queue.ahead[kind]
        wait_ms = self.budget.wait_ms(entry.cost, entry.account, entry.now_ms(), ahead)
        return max(self.quiet_s(), wait_ms / 1000)

    def _refuse(self, entry: Waiting, wait_s: float) -> None:
        self.refused += 1
        entry.refuse(self._refusal(wait_s))

    def _refusal(self, wait_s: float) -> NotSent:
        if wait_s == math.inf:
            return NotSent("this request alone is more than may be used of a limit", hint="raise limits.share")
        quiet_s = self.quiet_s()
        if quiet_s:
            why = "has banned this machine's address" if self.is_banned() else "wants nothing sent"
            hint = BANNED if self.is_banned() else f"whoever goes on is banned; {SLOW_DOWN}"
            return NotSent(f"the exchange {why} for another {quiet_s:.0f} s", hint=hint, retry_after_s=wait_s)
        text = f"the exchange's limits are used up: there is room in {wait_s:.1f} s, which is too late"
        return NotSent(text, hint=SLOW_DOWN, retry_after_s=wait_s)

    def _expire(self, entry: Waiting) -> None:
        for queue in self._queues:
            if entry in queue.entries:
                queue.forget(entry)
                self._refuse(entry, self._wait_s(entry))
                return

    def _hold(self) -> None:
        """Note whether anybody waits, and wake when the first of them may go."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        heads = [queue.entries[0] for queue in self._queues if queue.entries]
        self._is_held = bool(heads) or self.quiet_until_s > 0
        if heads:
            wait_s = max(WAKE_S_MIN, min(self._first_chance_s(head) for head in heads))
            self._wake = heads[0].timers.add(trio.current_time() + wait_s, self.serve)

    def _first_chance_s(self, head: Waiting) -> float:
        now_ms = head.now_ms()
        wait_ms = self.budget.wait_ms(head.cost, head.account, now_ms)
        if head.cost.orders:
            wait_ms = min(wait_ms, head.account.next_credit_ms - now_ms)
        return max(self.quiet_s(), wait_ms / 1000)

    # Silence.

    def _tell(self, text: str, **facts: Any) -> None:
        if self._log is None:
            self._untold.append((text, facts))
        else:
            self._log.error(text, **facts)

    def _begin_ban(self, wait_s: float, wording: str) -> None:
        wait_s = min(wait_s, BAN_S_MAX)
        until_s = trio.current_time() + wait_s
        if until_s <= self.banned_until_s:
            return
        if not self.is_banned():  # a human is told once
            self.bans += 1
            text = "this machine's address is banned: nothing is sent and nothing dialled until it lifts"
            self._tell(text, for_s=round(wait_s, 1), wording=wording, hint=BANNED)
        self.banned_until_s = until_s
        if self._ban_log is not None:
            for_ms = round(wait_s * 1000)
            self._ban_log.record_ban(self._clock.unix_ms() + for_ms, for_ms)
        self._be_quiet(until_s)

    def _be_quiet(self, until_s: float) -> None:
        self.quiet_until_s = max(self.quiet_until_s, until_s)
        if self.attempts.barred_until_s < until_s:
            self.attempts.bar(until_s)
        late = [(q, entry) for q in self._queues for entry in q.entries if entry.deadline_s - LEFT_S_MIN < until_s]
        for queue, entry in late:
            if entry.is_waiting:
                queue.forget(entry)
                self._refuse(entry, self._wait_s(entry))
        self._hold()


class Attempts(AttemptBudget):
    """Connection attempts, which a ban concerns, and which tell of bans."""

    def __init__(self, limiter: RateLimiter) -> None:
        super().__init__()
        self._limiter = limiter

    def bar(self, until_s: float, *, is_ban: bool = False) -> None:
        super().bar(until_s, is_ban=is_ban)
        if is_ban:
            self._limiter.hear_of_ban(until_s)
