"""The account's balances: a snapshot when a session stands, then every change, readable by anybody without asking.

Positions of strategies are not here: they are sums of fills, see `order_table.py`.
"""

from typing import Any, ClassVar

from dogwatch.actors.balance_table import BalanceTable
from dogwatch.actors.session_messages import Call, SessionReady, SessionTopics, Speaker
from dogwatch.actors.spot.account_requests import QueryAccountStatus
from dogwatch.actors.spot.envelope import MalformedFrame, Response, UserEvent
from dogwatch.actors.spot.errors import MalformedResult
from dogwatch.actors.spot.results import AccountStatus, decode_result
from dogwatch.actors.spot.user_events import AccountPosition, BalanceUpdate, ExecutionReport, ExternalLockUpdate
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Answer, Message, Query
from dogwatch.runtime.overflow import Overflow
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.reply import Reply

RETRY_S = 2.0
RELOAD_S = 1.0
ANSWER_WITHIN_S = 10.0


class AwaitBalances(Query[None], frozen=True, kw_only=True):
    """Answered when the balances have been loaded once."""


class Refresh(Message, frozen=True, kw_only=True):
    """A timer's message: load the snapshot again."""


class Account(Actor):
    """Keeps the balance table (User Data Streams, Account Update; WebSocket API, Account information)."""

    lanes: ClassVar[tuple[Lane, ...]] = (
        Lane("messages", accepts=(Answer, SessionReady, Refresh), capacity=64, overflow=Overflow.STOP),
        Lane("queries", accepts=(AwaitBalances,), capacity=4_096),
    )

    def __init__(self, *, session: ActorRef[Speaker], session_topics: SessionTopics, table: BalanceTable) -> None:
        self._session = session
        self._session_topics = session_topics
        self._table = table
        self._waiting: list[Reply[None]] = []
        self._is_reload_due = False
        self.snapshots = 0

    async def on_start(self) -> None:
        self.tap(self._session_topics.states, self._hear_state)
        self.tap(self._session_topics.user_events, self._hear_event)
        self.tap(self._session_topics.unmatched, self._hear_unmatched)
        if isinstance(self._session_topics.states.last, SessionReady):
            self._load()

    def statistics(self) -> dict[str, Any]:
        return {"assets": sum(1 for _ in self._table), "snapshots": self.snapshots}

    def on_session_ready(self, _event: SessionReady) -> None:
        self._load()

    def on_refresh(self, _message: Refresh) -> None:
        self._is_reload_due = False
        if isinstance(self._session_topics.states.last, SessionReady):  # else the next session will ask
            self._load()

    def on_await_balances(self, _query: AwaitBalances, reply: Reply[None]) -> None:
        if self._table.is_loaded:
            reply.send(None)
        else:
            self._waiting.append(reply)

    def on_answer(self, answer: Answer) -> None:
        response: Response | None = answer.value
        if response is None or not response.is_ok:
            self._failed(str(answer.error or (response and response.error)))
            return
        try:
            status = decode_result(response.result, AccountStatus)
        except MalformedResult as problem:
            self._failed(str(problem))
            return
        self._take_snapshot(status)

    def _take_snapshot(self, status: AccountStatus) -> None:
        self.snapshots += 1
        self._table.put_all(status.balances, status.update_time_ms)
        self._table.keep_only({entry.asset for entry in status.balances}, status.update_time_ms)
        self._table.is_loaded = True
        for reply in self._waiting:
            if not reply.done:
                reply.send(None)
        self._waiting.clear()

    def _load(self) -> None:
        call = Call.of(QueryAccountStatus(omit_zero_balances=True))
        self._session.request(call, reply_to=self.ref, tag="account_status", within_s=ANSWER_WITHIN_S)

    def _hear_state(self, state: object) -> None:
        if isinstance(state, SessionReady):
            self.ref.tell(state)

    def _hear_event(self, message: UserEvent) -> None:
        """Straight from the reader: nothing of it can wait, and order events need no second way through a mailbox."""
        event = message.event
        if isinstance(event, ExecutionReport):
            return  # most are; to compare them with the others takes 0.4 us
        if isinstance(event, AccountPosition):
            self._table.put_all(event.balances, event.last_update_ms)
        elif isinstance(event, BalanceUpdate | ExternalLockUpdate):
            self._reload_in(RELOAD_S)  # they tell a difference, to an amount that may be included already or not

    def _hear_unmatched(self, frame: object) -> None:
        if isinstance(frame, MalformedFrame):
            self._reload_in(RELOAD_S)  # it may have been about balances

    def _failed(self, reason: str) -> None:
        self.log.warning("balances not loaded", reason=reason)
        self._reload_in(RETRY_S)

    def _reload_in(self, delay_s: float) -> None:
        """Ask for the snapshot, once for all reasons of the next moments."""
        if not self._is_reload_due:
            self._is_reload_due = True
            self.tell_after(delay_s, Refresh())
