"""The recovery: compares the record of orders and fills with the exchange's, after every gap and now and then.

A gap is whatever may have kept events from the tracker: its own restart, a new process, a new session. Strategies place
nothing until the newest gap is closed. An audit is the same pass while all is well: it finds what was lost in silence.
When a pass is due is decided here; what it asks is `recovery_pass.py`'s, what the findings mean the tracker's.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import trio

from dogwatch.actors.account_history import AccountHistory
from dogwatch.actors.order_messages import GapOpened, RecoverNow, RecoveryEnded
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.orders import Orders
from dogwatch.actors.recovery_pass import RecoveryPass
from dogwatch.actors.session_messages import SessionReady, SessionState, SessionTopics, Speaker
from dogwatch.actors.symbols import SymbolTable
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import ActorCrashed, ActorStopped
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Message
from dogwatch.runtime.ref import ActorRef

AUDIT_EVERY_S = 300.0


class AuditDue(Message, frozen=True, kw_only=True):
    """A timer's message: it is time for an audit."""


class Recovery(Actor):
    """Makes one pass at a time: for the newest gap, and audits every `audit_every_s` seconds (0: never) or when told.

    A pass lasts until all its questions are answered; it is given up when the session is lost or a newer gap opens.
    `identify`, if given, is called with the number of the account before the first pass tells anything; what it raises
    ends the tree if it is a ConfigError: the record may be another account's.
    """

    lanes: ClassVar[tuple[Lane, ...]] = (
        Lane("messages", accepts=(AuditDue, RecoverNow), capacity=2, conflate_by=type),
    )

    def __init__(
        self,
        *,
        orders: ActorRef[Orders],
        table: OrderTable,
        topics: OrderTopics,
        session: ActorRef[Speaker],
        session_topics: SessionTopics,
        symbols: SymbolTable,
        clock: Clock,
        audit_every_s: float = AUDIT_EVERY_S,
        identify: Callable[[int], None] | None = None,
    ) -> None:
        self._orders = orders
        self._table = table
        self._topics = topics
        self._session = session
        self._session_topics = session_topics
        self._symbols = symbols
        self._clock = clock
        self._audit_every_s = audit_every_s
        self._identify = identify
        self._under_way: trio.CancelScope | None = None
        self._is_audit_wanted = False
        self._passes = self._abandoned = self._rows_orders = self._rows_trades = self._weight = 0
        self._took_s = 0.0

    async def on_start(self) -> None:
        self.tap(self._session_topics.states, self._follow)
        self.tap(self._topics.gaps, self._close)
        if self._audit_every_s:
            self.tell_every(self._audit_every_s, AuditDue())
        gap = self._topics.gaps.last
        if gap is not None:
            self._close(gap)

    def statistics(self) -> dict[str, Any]:
        return {
            "is_under_way": self._under_way is not None,
            "passes": self._passes,
            "abandoned": self._abandoned,
            "orders": self._rows_orders,
            "trades": self._rows_trades,
            "weight": self._weight,
            "last_took_s": round(self._took_s, 3),
        }

    def on_audit_due(self, _message: AuditDue) -> None:
        """A pass that is under way does as well."""
        if self._under_way is None and self._is_session_ready():
            self._begin(None)

    def on_recover_now(self, wish: RecoverNow) -> None:
        """The pass that is wanted begins after the wish, so one that is under way does not do."""
        if self._under_way is not None:
            self._is_audit_wanted = True
        elif self._is_session_ready():
            self.log.info("audit", reason=wish.reason)
            self._begin(None)

    # When a pass begins and ends. Both are called inside of a publish: nothing is missed in between.

    def _close(self, gap: GapOpened) -> None:
        """A newer gap takes the place of an older one, and of an audit. The next session will open another."""
        self._abandon()
        if self._is_session_ready():
            self._begin(gap.number)

    def _follow(self, state: SessionState) -> None:
        if not isinstance(state, SessionReady):
            self._abandon()

    def _is_session_ready(self) -> bool:
        return isinstance(self._session_topics.states.last, SessionReady)

    def _begin(self, gap: int | None) -> None:
        self._is_audit_wanted = False
        self._under_way = scope = trio.CancelScope()
        self.tasks.start_soon(self._run, gap, scope)

    def _abandon(self) -> None:
        if self._under_way is not None:
            self._abandoned += 1
            self._under_way.cancel()
            self._under_way = None

    async def _run(self, gap: int | None, scope: trio.CancelScope) -> None:
        with scope:
            try:
                await self._make(gap)
            except (ActorCrashed, ActorStopped) as failure:
                # It is the tracker's next life that opens the next gap, if there is one.
                self.log.warning("recovery broken off", reason=str(failure))
        if self._under_way is scope:
            self._under_way = None
            if self._is_audit_wanted:
                self._begin(None)

    async def _make(self, gap: int | None) -> None:
        began_s = self._clock.now_s()
        history = AccountHistory(session=self._session, log=self.log)
        recovery = RecoveryPass(
            history=history,
            orders=self._orders,
            table=self._table,
            topics=self._topics,
            symbols=self._symbols_of(gap),
            began_ms=self._clock.unix_ms(),
            log=self.log,
        )
        try:
            await self._know_account(history)
            await self._know_rules()
            await recovery.run()
        finally:
            self._weight += history.weight
        self._took_s = self._clock.now_s() - began_s
        self._orders.tell(
            RecoveryEnded(
                gap=gap,
                began_ms=recovery.began_ms,
                marks=recovery.marks,
                orders=recovery.orders,
                trades=recovery.trades,
                took_s=self._took_s,
            )
        )
        self._note(gap, recovery, history)

    def _symbols_of(self, gap: int | None) -> tuple[str, ...]:
        """What a pass reads whatever orders there are: everything, but for a gap after which this process only goes on.

        Each of its orders is in the table from before it was sent. So where none is live, and none lacks fills, nothing
        of ours can have happened: strategies need not wait until that is read too. The audits read it.
        """
        if gap is not None and self._topics.caught_up.last is not None:
            return ()
        return (*self._symbols.wanted, *self._table.marks.all_settled())

    async def _know_account(self, history: AccountHistory) -> None:
        if self._identify is not None:
            uid = await history.uid()
            if uid is not None:
                self._identify(uid)
            self._identify = None

    async def _know_rules(self) -> None:
        """Without its symbol's rules no fill can be entered."""
        with self._symbols.loaded.latest() as loaded:
            while not self._symbols.is_loaded:
                await loaded.get()

    def _note(self, gap: int | None, recovery: RecoveryPass, history: AccountHistory) -> None:
        self._passes += 1
        self._rows_orders += recovery.orders
        self._rows_trades += recovery.trades
        self.log.info(
            "audited" if gap is None else "caught up",
            orders=recovery.orders,
            trades=recovery.trades,
            symbols=len(recovery.marks),
            weight=history.weight,
            took_s=round(self._took_s, 3),
        )
