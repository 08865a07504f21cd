"""A recovery that asks nobody: it closes each gap at once, or when the test has told what there was to be found."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from dogwatch.actors.order_messages import GapOpened, OrdersFound, RecoverNow, RecoveryEnded, TradesFound
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.orders import Orders
from dogwatch.actors.spot.mark import Mark
from dogwatch.actors.spot.results import AccountTrade, OrderReport
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.ref import ActorRef


class FakeRecovery(Actor):
    """`gaps` are the open ones, oldest first; with `is_prompt` none stays open. `wishes` are wishes for an audit."""

    lanes: ClassVar[tuple[Lane, ...]] = (Lane("messages", accepts=(RecoverNow,)),)

    def __init__(self, *, orders: ActorRef[Orders], topics: OrderTopics, clock: Clock, is_prompt: bool) -> None:
        self._orders = orders
        self._topics = topics
        self._clock = clock
        self.is_prompt = is_prompt
        self.gaps: list[GapOpened] = []
        self.wishes: list[str] = []

    async def on_start(self) -> None:
        self.tap(self._topics.gaps, self._hear)
        if self._topics.gaps.last is not None:
            self._hear(self._topics.gaps.last)

    def on_recover_now(self, wish: RecoverNow) -> None:
        self.wishes.append(wish.reason)

    def _hear(self, gap: GapOpened) -> None:
        self.gaps.append(gap)
        if self.is_prompt:
            self.end(gap.number)

    def find(self, orders: Iterable[OrderReport] = (), trades: Iterable[AccountTrade] = ()) -> None:
        """Tell what the exchange lists."""
        self._orders.tell(OrdersFound(reports=tuple(orders)))
        by_symbol: dict[str, list[AccountTrade]] = {}
        for trade in trades:
            by_symbol.setdefault(trade.symbol, []).append(trade)
        for symbol, rows in by_symbol.items():
            self._orders.tell(TradesFound(symbol=symbol, trades=tuple(rows)))

    def end(self, gap: int | None, *, began_ms: int | None = None, marks: Mapping[str, Mark] | None = None) -> None:
        """Close a gap, or end an audit (None)."""
        self.gaps = [left for left in self.gaps if left.number != gap]
        self._orders.tell(
            RecoveryEnded(
                gap=gap,
                began_ms=self._clock.unix_ms() if began_ms is None else began_ms,
                marks=marks or {},
                orders=0,
                trades=0,
                took_s=0.0,
            )
        )
