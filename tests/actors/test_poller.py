"""The poller: while orders are live it asks for them, as often as the limits allow; what has gone is looked for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio

from dogwatch.actors.account import Refresh
from dogwatch.actors.order_messages import OrderChanged, OrdersFound, ReconcileWanted
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.poller import Poller
from dogwatch.actors.rate_limiter import RateLimiter
from dogwatch.actors.session_messages import SessionTopics
from dogwatch.actors.spot.enums import OrderType, Side
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.order import Life, Order
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import run_system
from tests.actors.fake_session import FakeSession, result

pytestmark = pytest.mark.usefixtures("virtual_clock")


class Told(Actor):
    """Stands for the tracker and for the account: notes what it is told."""

    def __init__(self, told: list[Any]) -> None:
        self._told = told

    def on_told(self, message: OrdersFound | Refresh) -> None:
        self._told.append(message)


class Stage:
    """A poller between a fake session, a fake tracker, and a table that the test writes."""

    def __init__(self, poll_every_s: float) -> None:
        self.table = OrderTable(run="run")
        self.topics = OrderTopics()
        self.session_topics = SessionTopics("fake")
        self.session = FakeSession(self.session_topics)
        self.listed: dict[str, list[int]] = {}
        self.asked: list[tuple[str, float]] = []
        self.found: list[OrdersFound] = []
        self.wishes: list[ReconcileWanted] = []
        self.topics.reconcile.tap(self.wishes.append, on_error=fail)
        self.refreshes: list[Refresh] = []
        self.session.automatic = self._answer
        session = ChildSpec("session", lambda: self.session, actor=FakeSession)
        account: ChildSpec[Any] = ChildSpec("account", lambda: Told(self.refreshes), actor=Told)
        orders: ChildSpec[Any] = ChildSpec("orders", lambda: Told(self.found), actor=Told)
        session_ref: ActorRef[Any] = session.ref
        poller = ChildSpec(
            "poller",
            lambda: Poller(
                session=session_ref,
                session_topics=self.session_topics,
                account=account.ref,
                orders=orders.ref,
                table=self.table,
                topics=self.topics,
                limiter=RateLimiter(clock=Clock.virtual()),
                poll_every_s=poll_every_s,
            ),
            actor=Poller,
        )
        self.spec = SupervisorSpec("top", [session, account, orders, poller])

    def live(self, order_id: int | None, symbol: str = "BTCUSDT", life: Life = Life.OPEN) -> Order:
        order = Order(
            client_order_id=f"{symbol}-{order_id}",
            symbol=symbol,
            side=Side.BUY,
            type=OrderType.LIMIT,
            created_ms=0,
            quantity=Decimal(1),
            life=life,
            order_id=order_id,
        )
        self.table.put(order)
        return order

    def _answer(self, call: Any) -> Response | Exception:
        assert call.method is Method.OPEN_ORDERS_STATUS
        symbol = call.params["symbol"]
        self.asked.append((symbol, trio.current_time()))
        listed = self.listed.get(symbol)
        return NotSent("no connection") if listed is None else result([row(symbol, order_id) for order_id in listed])


def row(symbol: str, order_id: int) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "orderId": order_id,
        "orderListId": -1,
        "clientOrderId": f"{symbol}-{order_id}",
        "price": "1",
        "origQty": "1",
        "executedQty": "0",
        "cummulativeQuoteQty": "0",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
    }


def fail(error: Exception) -> None:
    raise error


@asynccontextmanager
async def staged(*, poll_every_s: float = 2.0, is_ready: bool = True) -> AsyncIterator[Stage]:
    stage = Stage(poll_every_s)
    async with run_system(stage.spec):
        if is_ready:
            stage.session.ready()
        yield stage


async def test_nothing_is_asked_while_nothing_is_live() -> None:
    async with staged() as stage:
        await trio.sleep(60)
        assert stage.asked == []


async def test_nothing_is_asked_without_a_session() -> None:
    async with staged(is_ready=False) as stage:
        stage.live(1)
        await trio.sleep(60)
        assert stage.asked == []


async def test_each_symbol_with_a_live_order_is_asked_for_once_in_each_round() -> None:
    async with staged() as stage:
        stage.listed = {"BTCUSDT": [1, 2], "ETHUSDT": [3]}
        stage.live(1)
        stage.live(2)
        stage.live(3, "ETHUSDT")
        await trio.sleep(5)
        assert [(symbol, round(at_s)) for symbol, at_s in stage.asked] == [
            ("BTCUSDT", 2),
            ("ETHUSDT", 2),
            ("BTCUSDT", 4),
            ("ETHUSDT", 4),
        ]
        assert [[report.order_id for report in found.reports] for found in stage.found[:2]] == [[1, 2], [3]]
        assert stage.wishes == []


async def test_an_order_that_is_no_longer_listed_is_left_to_the_reconciler() -> None:
    async with staged() as stage:
        stage.listed = {"BTCUSDT": [1]}
        stage.live(1)
        gone = stage.live(2)
        await trio.sleep(2.5)
        assert [wish.client_order_id for wish in stage.wishes] == [gone.client_order_id]


async def test_an_order_whose_answer_is_awaited_is_not_looked_for() -> None:
    async with staged() as stage:
        stage.listed = {"BTCUSDT": []}
        stage.live(None, life=Life.SENT)
        await trio.sleep(5)
        assert (stage.asked, stage.wishes) == ([], [])


async def test_a_question_without_an_answer_says_nothing_of_any_order() -> None:
    async with staged() as stage:
        stage.live(1)
        await trio.sleep(5)
        assert len(stage.asked) == 2
        assert (stage.found, stage.wishes) == ([], [])


async def test_with_many_symbols_it_is_asked_as_often_as_a_part_of_the_limits_allows() -> None:
    async with staged(poll_every_s=0.1) as stage:
        symbols = [f"S{number}USDT" for number in range(100)]
        stage.listed = {symbol: [1] for symbol in symbols}
        for symbol in symbols:
            stage.live(1, symbol)
        await trio.sleep(120)
        weight_per_minute = 6 * len(stage.asked) / 2
        assert 1_500 < weight_per_minute <= 2_400


async def test_balances_are_read_anew_when_orders_have_changed() -> None:
    async with staged() as stage:
        await trio.sleep(5)
        assert stage.refreshes == []
        stage.topics.publish_change(OrderChanged(order=stage.live(1)))
        stage.topics.publish_change(OrderChanged(order=stage.live(2)))
        await trio.sleep(10)
        assert stage.refreshes == [Refresh()]
