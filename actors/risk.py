"""Risk: ends the orders that a crashed strategy leaves behind, as its configuration says, and knows what is exposed.

It hears of crashes from the supervisors, not from the crashed code. Sums of exposure are computed in `exposure.py`.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from dogwatch.actors.exposure import Exposure, exposures
from dogwatch.actors.order_messages import CancelStrategyOrders, CaughtUp
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.orders import Orders
from dogwatch.actors.strategy_host import OrdersOnCrash, strategy_at
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.lifecycle import Exited, LifecycleEvent, Reason
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Query
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.topic import Topic

ORDERS_NAMED_MAX = 5


class GetExposures(Query[dict[str, Exposure]], frozen=True, kw_only=True):
    """Answered with symbol → exposure of all live orders of the account that this process knows."""


class Risk(Actor):
    """`policies`: strategy name → what happens to its orders when it crashes."""

    lanes: ClassVar[tuple[Lane, ...]] = (Lane("queries", accepts=(GetExposures,)),)

    def __init__(
        self,
        *,
        orders: ActorRef[Orders],
        table: OrderTable,
        lifecycle: Topic[LifecycleEvent],
        caught_up: Topic[CaughtUp],
        policies: Mapping[str, OrdersOnCrash],
    ) -> None:
        self._orders = orders
        self._table = table
        self._lifecycle = lifecycle
        self._caught_up = caught_up
        self._policies = policies
        self._left_behind: set[str] = set()
        self._strangers: set[str] = set()
        self.crashes = 0

    async def on_start(self) -> None:
        self.tap(self._lifecycle, self._hear)
        self.tap(self._caught_up, self._look_for_strangers)

    def statistics(self) -> dict[str, Any]:
        figures = exposures(self._table.all_live())
        return {
            "crashes": self.crashes,
            "exposures": {symbol: msgspec.to_builtins(exposure) for symbol, exposure in figures.items()},
        }

    def on_get_exposures(self, _query: GetExposures) -> dict[str, Exposure]:
        return exposures(self._table.all_live())

    async def on_stop(self) -> None:
        """Nothing that a strategy left behind stays behind: wait until the end of it is known."""
        if not self._table.is_tracked:
            return  # this stop is a part of the tracker's own restart
        for strategy in self._left_behind:
            await self._orders.ask(CancelStrategyOrders(strategy=strategy), within_s=math.inf)

    def _hear(self, event: LifecycleEvent) -> None:
        """Straight from the supervisor: a strategy that crashed, or had to be killed, has not cleaned up."""
        if not isinstance(event, Exited) or event.reason not in {Reason.CRASHED, Reason.KILLED}:
            return
        strategy = strategy_at(event.path)
        if strategy is None or strategy not in self._policies:
            return
        policy = self._policies[strategy]
        self.crashes += 1
        live = len(self._table.live(strategy))
        log = self.log.warning if live else self.log.info  # without orders there is nothing to worry about
        log(
            "a strategy left without cleaning up",
            strategy=strategy,
            reason=event.reason.value,
            orders_live=live,
            orders_on_crash=policy.value,
        )
        if policy is OrdersOnCrash.CANCEL:
            self._left_behind.add(strategy)
            self._orders.tell(CancelStrategyOrders(strategy=strategy))

    def _look_for_strangers(self, _event: CaughtUp) -> None:
        """A strategy that an earlier process had and this one has not: nobody here will ever cancel its orders."""
        for strategy in {order.strategy for order in self._table.all_live()} - self._policies.keys() - self._strangers:
            self._strangers.add(strategy)
            self.log.warning(
                "orders of a strategy that is not configured: nobody looks after them",
                strategy=strategy,
                orders=[order.client_order_id for order in self._table.live(strategy)][:ORDERS_NAMED_MAX],
                hint="configure it once more, or cancel them at the exchange; `dogwatch orders` lists them",
            )
