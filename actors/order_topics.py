"""Where the Orders actor publishes: everything for whoever keeps count, and each strategy's own part for itself."""

from dogwatch.actors.order_messages import CaughtUp, GapOpened, OrderChanged, ReconcileWanted
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.results import OrderReport
from dogwatch.actors.spot.user_events import ExecutionReport
from dogwatch.runtime.topic import Topic


class StrategyTopics:
    """What concerns the orders of one strategy, over all of its lives."""

    def __init__(self, strategy: str) -> None:
        self.changes: Topic[OrderChanged] = Topic(f"order_changes/{strategy}")
        self.fills: Topic[Fill] = Topic(f"fills/{strategy}")


class OrderTopics:
    """The topics of one account's orders. Fills come once each and in order; an order's changes come in order."""

    def __init__(self) -> None:
        self.changes: Topic[OrderChanged] = Topic("order_changes")
        self.fills: Topic[Fill] = Topic("fills")
        self.external: Topic[ExecutionReport | OrderReport] = Topic("external_orders")
        """Events and listed rows about orders that are not ours. They are told, not adopted."""
        self.reconcile: Topic[ReconcileWanted] = Topic("reconcile_wanted")
        self.gaps: Topic[GapOpened] = Topic("gaps")
        """The newest gap in the record; it is closed when `caught_up` names its number."""
        self.caught_up: Topic[CaughtUp] = Topic("caught_up")
        self._strategies: dict[str, StrategyTopics] = {}

    def of(self, strategy: str) -> StrategyTopics:
        """The topics of one strategy. They exist as soon as somebody asks for them."""
        topics = self._strategies.get(strategy)
        if topics is None:
            topics = self._strategies[strategy] = StrategyTopics(strategy)
        return topics

    def publish_change(self, event: OrderChanged) -> None:
        """Tell everybody that an order changed."""
        self.changes.publish(event)
        self.of(event.order.strategy).changes.publish(event)

    def publish_fill(self, fill: Fill) -> None:
        """Tell everybody about a fill."""
        self.fills.publish(fill)
        self.of(fill.strategy).fills.publish(fill)
