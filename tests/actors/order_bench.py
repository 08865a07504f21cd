"""An Orders actor and a Reconciler between a fake session and the test, and what a test says and hears through them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.halt import HaltSwitch
from dogwatch.actors.order_messages import CaughtUp, OrderChanged, PlaceOrder, TradesFound
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.orders import Orders
from dogwatch.actors.reconciler import Reconciler
from dogwatch.actors.session import Call, SessionTopics
from dogwatch.actors.spot.enums import ExecutionType, OrderStatus, OrderType, Side, TimeInForce
from dogwatch.actors.spot.order import Order
from dogwatch.actors.spot.results import AccountTrade, OrderReport
from dogwatch.actors.spot.user_events import ExecutionReport
from dogwatch.actors.symbols import SymbolTable
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, Scope, SupervisorSpec
from dogwatch.runtime.system import run_system
from tests.actors.fake_recovery import FakeRecovery
from tests.actors.fake_session import FakeSession, result, rules_of

SYMBOL = "BTCUSDT"
RULES = rules_of(SYMBOL, base="BTC", quote="USDT")


class Bench:
    """An Orders actor and a Reconciler between a fake session, a fake recovery and the test."""

    def __init__(
        self, *, table: OrderTable | None = None, recovers_promptly: bool = True, clock: Clock | None = None
    ) -> None:
        self.clock = Clock.virtual() if clock is None else clock
        self.session_topics = SessionTopics("fake")
        self.table = OrderTable(run="run") if table is None else table
        self.recovers_promptly = recovers_promptly
        self.topics = OrderTopics()
        self.halts = HaltSwitch()
        self.symbols = SymbolTable([SYMBOL])
        self.changes: list[Order] = []
        self.recovered: list[Order] = []
        self.caught_up: list[CaughtUp] = []
        self.fills: list[Any] = []
        self.topics.changes.tap(self._note, on_error=fail)
        self.topics.fills.tap(self.fills.append, on_error=fail)
        self.topics.caught_up.tap(self.caught_up.append, on_error=fail)
        self.session: FakeSession
        self.recovery: FakeRecovery
        self.tracker: Orders
        self.asker: Reconciler
        self.orders: ActorRef[Orders]

    def _note(self, event: OrderChanged) -> None:
        self.changes.append(event.order)
        if event.is_recovered:
            self.recovered.append(event.order)

    def spec(self) -> SupervisorSpec:
        def start_session() -> FakeSession:
            self.session = FakeSession(self.session_topics)
            return self.session

        session = ChildSpec("session", start_session, actor=FakeSession)
        common: dict[str, Any] = {
            "session": session.ref,
            "session_topics": self.session_topics,
            "table": self.table,
            "topics": self.topics,
            "clock": self.clock,
        }

        def start_orders() -> Orders:
            self.tracker = Orders(symbols=self.symbols, halts=self.halts, **common)
            return self.tracker

        orders = ChildSpec("orders", start_orders, actor=Orders)

        def start_recovery() -> FakeRecovery:
            self.recovery = FakeRecovery(
                orders=orders.ref, topics=self.topics, clock=self.clock, is_prompt=self.recovers_promptly
            )
            return self.recovery

        recovery = ChildSpec("recovery", start_recovery, actor=FakeRecovery)
        asking: dict[str, Any] = {**common, "orders": orders.ref, "recovery": recovery.ref}

        def start_reconciler() -> Reconciler:
            self.asker = Reconciler(**asking)
            return self.asker

        reconciler = ChildSpec("reconciler", start_reconciler, actor=Reconciler)
        self.orders = orders.ref
        return SupervisorSpec("root", [session, orders, recovery, reconciler], scope=Scope.REST_FOR_ONE)

    def statistics(self) -> dict[str, Any]:
        """The tracker's own figures."""
        return self.tracker.statistics()

    def latest(self) -> Order:
        return self.changes[-1]

    def known(self, name: str) -> Order:
        order = self.table.get(name)
        assert order is not None
        return order

    def crash_the_tracker(self) -> None:
        """With a finding that is none."""
        nonsense: Any = "no trade"
        self.orders.tell(TradesFound(symbol=SYMBOL, trades=(nonsense,)))


def fail(error: Exception) -> None:
    raise error


@asynccontextmanager
async def bench(
    *, table: OrderTable | None = None, recovers_promptly: bool = True, clock: Clock | None = None
) -> AsyncIterator[Bench]:
    made = Bench(table=table, recovers_promptly=recovers_promptly, clock=clock)
    async with run_system(made.spec()):
        made.symbols.replace([RULES])
        made.session.ready()
        await wait_all_tasks_blocked()
        yield made


def intent(**changes: Any) -> PlaceOrder:
    values: dict[str, Any] = {
        "strategy": "test",
        "life": 1,
        "symbol": SYMBOL,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "quantity": Decimal("0.001"),
        "price": Decimal(40_000),
        "deadline_s": trio.current_time() + 10,
    }
    return PlaceOrder(**{**values, **changes})


def acknowledgement(call: Call, status: str = "NEW", **more: Any) -> dict[str, Any]:
    params = call.params
    return {
        "symbol": SYMBOL,
        "orderId": 7,
        "clientOrderId": params.get("newClientOrderId") or params.get("origClientOrderId") or "asked-by-id",
        "transactTime": 1_767_225_600_000,
        "price": "40000",
        "origQty": "0.001",
        "executedQty": "0",
        "cummulativeQuoteQty": "0",
        "status": status,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        **more,
    }


def canceled(call: Call) -> dict[str, Any]:
    name = call.params["origClientOrderId"]
    return acknowledgement(call, "CANCELED", clientOrderId="made-up", origClientOrderId=name)


def listed(name: str, *, status: str = "NEW", filled: str = "0", order_id: int = 7, **more: Any) -> OrderReport:
    """An order as the exchange lists it."""
    row = {
        "symbol": SYMBOL,
        "orderId": order_id,
        "clientOrderId": name,
        "price": "40000",
        "origQty": "0.001",
        "executedQty": filled,
        "cummulativeQuoteQty": str(Decimal(filled) * 40_000),
        "status": status,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "time": 1_767_225_600_000,
        "updateTime": 1_767_225_600_000,
    }
    return msgspec.convert({**row, **more}, OrderReport, strict=False)


def trade(*, trade_id: int = 5, order_id: int = 7, quantity: str = "0.001", time_ms: int = 1) -> AccountTrade:
    """A trade as the exchange lists it."""
    return AccountTrade(
        symbol=SYMBOL,
        trade_id=trade_id,
        order_id=order_id,
        price=Decimal(40_000),
        quantity=Decimal(quantity),
        quote_quantity=Decimal(quantity) * 40_000,
        commission=Decimal(0),
        commission_asset="BNB",
        time_ms=time_ms,
        is_buyer=True,
        is_maker=True,
    )


def report(name: str, status: OrderStatus, execution: ExecutionType, **more: Any) -> ExecutionReport:
    values: dict[str, Any] = {
        "event_time_ms": 1_767_225_600_001,
        "symbol": SYMBOL,
        "client_order_id": name,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "quantity": Decimal("0.001"),
        "price": Decimal(40_000),
        "execution_type": execution,
        "status": status,
        "order_id": 7,
        "last_executed_quantity": Decimal(0),
        "executed_quantity": Decimal(0),
        "last_executed_price": Decimal(0),
        "commission": Decimal(0),
        "commission_asset": None,
        "transaction_time_ms": 1_767_225_600_001,
        "trade_id": -1,
        "execution_id": 1,
        "is_maker": False,
        "cumulative_quote_quantity": Decimal(0),
        "last_quote_quantity": Decimal(0),
    }
    return ExecutionReport(**{**values, **more})


def trade_report(name: str, *, trade_id: int = 5, last: str = "0.001", total: str = "0.001", of: str = "0.001") -> Any:
    filled, whole = Decimal(total), Decimal(of)
    return report(
        name,
        OrderStatus.FILLED if filled == whole else OrderStatus.PARTIALLY_FILLED,
        ExecutionType.TRADE,
        quantity=whole,
        last_executed_quantity=Decimal(last),
        executed_quantity=filled,
        last_executed_price=Decimal(40_000),
        cumulative_quote_quantity=filled * 40_000,
        last_quote_quantity=Decimal(last) * 40_000,
        trade_id=trade_id,
        execution_id=100 + trade_id,
    )


class Asked:
    """An ask in a task of its own: its answer or error, when there is one."""

    def __init__(self, nursery: trio.Nursery, ref: ActorRef[Any], query: Any, *, within_s: float = 60) -> None:
        self.value: Any = None
        self.error: Exception | None = None
        nursery.start_soon(self._ask, ref, query, within_s)

    @property
    def is_answered(self) -> bool:
        return self.value is not None or self.error is not None

    async def _ask(self, ref: ActorRef[Any], query: Any, within_s: float) -> None:
        try:
            self.value = await ref.ask(query, within_s=within_s)
        except Exception as error:  # noqa: BLE001 - kept for the test
            self.error = error


async def placed(bench: Bench, nursery: trio.Nursery, **changes: Any) -> Order:
    """An order that the exchange has acknowledged as open."""
    asked = Asked(nursery, bench.orders, intent(**changes))
    await wait_all_tasks_blocked()
    call = bench.session.calls[-1][0]
    bench.session.answer(result(acknowledgement(call)), -1)
    await wait_all_tasks_blocked()
    order: Order = asked.value
    assert order.is_open
    return order
