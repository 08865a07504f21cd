"""A recovery between a session that answers out of a given record and a tracker that notes what it is told."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from dogwatch.actors.order_messages import GapOpened, OrdersFound, RecoveryEnded, TradesFound
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.recovery import Recovery
from dogwatch.actors.session import Call, SessionTopics
from dogwatch.actors.spot.enums import OrderType, Side
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.mark import Mark
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Life, Order
from dogwatch.actors.symbols import SymbolTable
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, Scope, SupervisorSpec
from dogwatch.runtime.system import System, run_system
from tests.actors.fake_history import START_MS, SYMBOL, FakeHistory
from tests.actors.fake_session import FakeSession, rules_of

RULES = rules_of(SYMBOL, base="BTC", quote="USDT")
MARK = Mark(order_id=100, trade_id=1_000)


class NotingTracker(Actor):
    """Takes everything in, and knows the orders that were reported to it."""

    def __init__(self, stage: "Stage") -> None:
        self._stage = stage

    def on_orders_found(self, found: OrdersFound) -> None:
        if self._stage.is_crashing:
            raise RuntimeError("a mistake in the tracker")
        self._stage.told.append(found)
        self._stage.known.update(report.order_id for report in found.reports)

    def on_trades_found(self, found: TradesFound) -> tuple[int, ...]:
        self._stage.told.append(found)
        return tuple({trade.order_id for trade in found.trades} - self._stage.known)

    def on_recovery_ended(self, ended: RecoveryEnded) -> None:
        self._stage.ended.append(ended)


class Stage:
    """A recovery between a session that answers out of a record and a tracker that takes notes."""

    def __init__(self, history: FakeHistory, **options: Any) -> None:
        self.history = history
        self.options: dict[str, Any] = {"audit_every_s": 0, **options}
        self.session_topics = SessionTopics("fake")
        self.table = OrderTable(run="run")
        self.topics = OrderTopics()
        self.symbols = SymbolTable([SYMBOL])
        self.clock = Clock.virtual()
        self.told: list[OrdersFound | TradesFound] = []
        self.ended: list[RecoveryEnded] = []
        self.known: set[int] = set()
        self.doubted: list[str] = []
        self.is_crashing = False
        self.session: FakeSession
        self.recovery: ActorRef[Recovery]
        self.topics.reconcile.tap(lambda wish: self.doubted.append(wish.client_order_id), on_error=_raise)

    def spec(self) -> SupervisorSpec:
        def start_session() -> FakeSession:
            self.session = FakeSession(self.session_topics)
            self.session.automatic = self.history
            return self.session

        session = ChildSpec("session", start_session, actor=FakeSession)
        orders: ChildSpec[Any] = ChildSpec("orders", lambda: NotingTracker(self), actor=NotingTracker)
        recovery = ChildSpec(
            "recovery",
            lambda: Recovery(
                orders=orders.ref,
                table=self.table,
                topics=self.topics,
                session=session.ref,  # type: ignore[arg-type]  # it speaks like one
                session_topics=self.session_topics,
                symbols=self.symbols,
                clock=self.clock,
                **self.options,
            ),
            actor=Recovery,
        )
        self.recovery = recovery.ref
        return SupervisorSpec("root", [session, orders, recovery], scope=Scope.REST_FOR_ONE)

    def gap(self, number: int = 1) -> None:
        self.session.ready()
        self.topics.gaps.publish(GapOpened(number=number, reason="a test"))

    def put(self, number: int, **changes: Any) -> Order:
        """An order that is live here."""
        values: dict[str, Any] = {
            "client_order_id": f"dw-one-run-1-{number}",
            "symbol": SYMBOL,
            "side": Side.BUY,
            "type": OrderType.LIMIT,
            "created_ms": START_MS - 3_600_000,
            "quantity": Decimal("0.001"),
            "strategy": "one",
            "life": Life.OPEN,
            "order_id": number,
        }
        order = Order(**{**values, **changes})
        self.table.put(order)
        return order

    def orders_told(self) -> list[int]:
        return [report.order_id for found in self.told if isinstance(found, OrdersFound) for report in found.reports]

    def trades_told(self) -> list[int]:
        return [trade.trade_id for found in self.told if isinstance(found, TradesFound) for trade in found.trades]

    def asked(self, method: Method) -> list[Any]:
        return [call.params for _, call in self.history.asked if call.method is method]


def _raise(error: Exception) -> None:
    raise error


@asynccontextmanager
async def stage(
    history: FakeHistory, *, mark: Mark | None = MARK, is_loaded: bool = True, **options: Any
) -> AsyncIterator[tuple[Stage, System]]:
    made = Stage(history, **options)
    if mark is not None:
        made.table.marks.raise_to(SYMBOL, mark)
    if is_loaded:
        made.symbols.replace([RULES])
    async with run_system(made.spec()) as system:
        yield made, system


def once(answer: Response | Exception, method: Method) -> Callable[[Call], Response | Exception | None]:
    """The next call of this method is answered so, all others as usual."""
    left = [answer]
    return lambda call: left.pop() if left and call.method is method else None
