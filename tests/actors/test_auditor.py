"""The auditor reads the ledger twice: when what was before is known, and when the strategies have ended."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch.actors.auditor import (
    AGAIN_S,
    ANSWER_WITHIN_S,
    AUDITOR_STOP_WITHIN_S,
    FILLS_WITHIN_S,
    Audit,
    Auditor,
    Positions,
    moved_between,
    positions_of,
)
from dogwatch.actors.order_messages import AwaitReady
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.session import Call, SessionTopics
from dogwatch.actors.spot.enums import OrderType, Side
from dogwatch.actors.spot.envelope import Response
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.order import Life, Order
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.reply import Reply
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import System, run_system
from tests.actors.fake_session import FakeSession, refusal, result

pytestmark = pytest.mark.usefixtures("virtual_clock")


class Tracker(Actor):
    """Stands for the order tracker: says that it is ready when the test lets it."""

    lanes = (Lane("queries", accepts=(AwaitReady,)),)

    def __init__(self, ready: trio.Event) -> None:
        self._ready = ready

    async def on_await_ready(self, _query: AwaitReady, reply: Reply[None]) -> None:
        await self._ready.wait()
        reply.send(None)


class Stage:
    """The auditor between a tracker and nothing, and what the exchange says next."""

    def __init__(self) -> None:
        self.audit = Audit()
        self.table = OrderTable(run="1")
        self.table.is_tracked = True
        self.caught_up = trio.Event()
        self.session: FakeSession
        self.says: Response | Exception | None = ledger(BTC="1", USDT="100")
        self._trades = 0

    def answer(self, _call: Call) -> Response | Exception | None:
        return self.says

    def start(self) -> dict[str, Decimal] | None:
        """The ledger as it was at the start, if it has been read."""
        return self.audit.at_start

    def left(self) -> Positions | None:
        """What earlier runs have left, if it is known."""
        return self.audit.positions_at_start

    def fill(self, quantity: str, *, strategy: str = "probe") -> None:
        """A purchase at 10 USDT each, for a fee in BNB."""
        self._trades += 1
        fill = Fill(
            symbol="BTCUSDT",
            trade_id=self._trades,
            order_id=1,
            client_order_id="a",
            side=Side.BUY,
            price=Decimal(10),
            quantity=Decimal(quantity),
            quote_quantity=Decimal(10) * Decimal(quantity),
            commission=Decimal("0.1"),
            commission_asset="BNB",
            is_maker=True,
            traded_ms=0,
            strategy=strategy,
        )
        self.table.book(fill, base_asset="BTC", quote_asset="USDT")

    def open(self) -> None:
        """An order that the exchange has open."""
        order = Order(
            client_order_id="b",
            symbol="BTCUSDT",
            side=Side.BUY,
            type=OrderType.LIMIT,
            created_ms=0,
            quantity=Decimal(9),
            strategy="probe",
            life=Life.OPEN,
            order_id=2,
        )
        self.table.put(order)

    def ended(self, filled: str) -> None:
        """An order that the exchange calls filled."""
        order = Order(
            client_order_id="a",
            symbol="BTCUSDT",
            side=Side.BUY,
            type=OrderType.LIMIT,
            created_ms=0,
            quantity=Decimal(filled),
            filled_quantity=Decimal(filled),
            strategy="probe",
            life=Life.FILLED,
            order_id=1,
        )
        self.table.put(order)


def ledger(locked: str = "0", **free: str) -> Response:
    balances = [{"asset": asset, "free": amount, "locked": locked} for asset, amount in free.items()]
    return result({"balances": balances, "canTrade": True, "updateTime": 1})


@asynccontextmanager
async def audited(stage: Stage, *, told_within_s: float = 0.0) -> AsyncIterator[System]:
    def start_session() -> FakeSession:
        stage.session = FakeSession(SessionTopics("fake"))
        stage.session.automatic = stage.answer
        return stage.session

    session = ChildSpec("session", start_session, actor=FakeSession)
    orders = ChildSpec("orders", lambda: Tracker(stage.caught_up), actor=Tracker)
    session_ref: ActorRef[Any] = session.ref
    orders_ref: ActorRef[Any] = orders.ref
    auditor = ChildSpec(
        "auditor",
        lambda: Auditor(
            orders=orders_ref,
            session=session_ref,
            order_table=stage.table,
            audit=stage.audit,
            told_within_s=told_within_s,
        ),
        actor=Auditor,
        stop_within_s=AUDITOR_STOP_WITHIN_S,
    )
    async with run_system(SupervisorSpec("root", [session, orders, auditor])) as system:
        yield system


async def test_what_was_gained_is_the_difference_of_the_ledger_locked_amounts_included() -> None:
    stage = Stage()
    async with audited(stage):
        stage.caught_up.set()
        await wait_all_tasks_blocked()
        assert stage.audit.at_start == {"BTC": Decimal(1), "USDT": Decimal(100)}
        assert stage.audit.gained("BTC") is None
        stage.says = ledger(locked="0.5", BTC="1.25", BNB="3")
    assert stage.audit.is_whole
    gained = {asset: stage.audit.gained(asset) for asset in ("BTC", "USDT", "BNB", "ETH")}
    assert gained == {"BTC": Decimal("0.75"), "USDT": Decimal(-100), "BNB": Decimal("3.5"), "ETH": Decimal(0)}


async def test_a_ledger_that_was_never_reached_is_not_taken_for_an_empty_one() -> None:
    stage = Stage()
    async with audited(stage):
        await wait_all_tasks_blocked()
    assert stage.audit.at_start is None
    assert not stage.audit.is_whole
    assert stage.audit.gained("BTC") is None


@pytest.mark.parametrize(
    "says",
    [
        refusal(-1003, "Too many requests"),
        NotSent("there is no connection to the exchange now"),
        result({"balances": 7}),
    ],
)
async def test_a_ledger_that_cannot_be_read_at_the_end_is_not_known(says: Response | Exception) -> None:
    stage = Stage()
    async with audited(stage):
        stage.caught_up.set()
        await wait_all_tasks_blocked()
        stage.says = says
    assert stage.audit.at_start is not None
    assert not stage.audit.is_whole
    assert stage.audit.gained("BTC") is None


async def test_what_earlier_runs_have_left_is_noted_when_it_is_complete() -> None:
    stage = Stage()
    stage.fill("3")
    async with audited(stage):
        await wait_all_tasks_blocked()
        assert stage.left() is None
        stage.fill("4")  # recovered
        stage.caught_up.set()
        await wait_all_tasks_blocked()
        (position,) = (stage.left() or {}).values()
        assert (position.quantity, position.fills) == (Decimal(7), 2)
        assert stage.start() == {"BTC": Decimal(1), "USDT": Decimal(100)}


async def test_a_ledger_that_was_read_while_something_filled_is_read_again_and_led_back_to_the_beginning() -> None:
    stage = Stage()
    stage.fill("3")
    stage.says = None  # the answer is on its way
    stage.caught_up.set()
    async with audited(stage):
        await wait_all_tasks_blocked()
        stage.fill("2", strategy="other")
        stage.session.answer(ledger(BTC="1", USDT="100"))  # with this fill or without: nobody knows
        await wait_all_tasks_blocked()
        assert stage.start() is None
        await trio.sleep(AGAIN_S + 0.001)
        stage.session.answer(ledger(BTC="3", USDT="80"))
        await wait_all_tasks_blocked()
        assert stage.start() == {"BTC": Decimal(1), "USDT": Decimal(100), "BNB": Decimal("0.1")}
        moved = moved_between(stage.left() or {}, positions_of(stage.table))
        assert moved == {"BTC": Decimal(2), "USDT": Decimal(-20), "BNB": Decimal("-0.1")}


async def test_over_rest_the_ledger_is_read_before_the_strategies_begin() -> None:
    stage = Stage()
    stage.caught_up.set()
    async with audited(stage, told_within_s=3):
        assert stage.start() == {"BTC": Decimal(1), "USDT": Decimal(100)}


async def test_over_rest_strategies_begin_all_the_same_when_the_ledger_cannot_be_read() -> None:
    stage = Stage()
    stage.says = None
    stage.caught_up.set()
    began_s = trio.current_time()
    async with audited(stage, told_within_s=3):
        assert trio.current_time() - began_s == ANSWER_WITHIN_S
        assert stage.start() is None


async def test_a_ledger_that_has_a_fill_before_it_is_told_counts_without_it_over_rest() -> None:
    stage = Stage()
    stage.open()
    stage.caught_up.set()
    stage.says = ledger(BTC="3", USDT="80")  # the fill that the next question finds is in it
    async with audited(stage, told_within_s=3):
        await trio.sleep(2)
        assert stage.start() is None
        stage.fill("2")
        await trio.sleep(60)
        assert stage.start() == {"BTC": Decimal(1), "USDT": Decimal(100), "BNB": Decimal("0.1")}


async def test_a_ledger_that_was_read_while_fills_were_counted_and_not_told_is_read_again() -> None:
    stage = Stage()
    stage.caught_up.set()
    stage.ended("0.5")
    async with audited(stage):
        await wait_all_tasks_blocked()
        assert stage.start() is None
        stage.fill("0.5")
        await trio.sleep(60)
        assert stage.start() == {"BTC": Decimal("0.5"), "USDT": Decimal(105), "BNB": Decimal("0.1")}


async def test_a_ledger_that_cannot_be_read_at_the_start_is_asked_for_again() -> None:
    stage = Stage()
    stage.says = NotSent("there is no connection to the exchange now")
    stage.caught_up.set()
    async with audited(stage):
        await wait_all_tasks_blocked()
        assert stage.start() is None
        stage.says = ledger(BTC="1")
        await trio.sleep(60)
        assert stage.start() == {"BTC": Decimal(1)}


async def test_the_end_waits_for_fills_that_are_counted_and_were_not_told_yet() -> None:
    stage = Stage()
    stage.caught_up.set()

    async def tell_late() -> None:
        await trio.sleep(FILLS_WITHIN_S / 2)
        stage.says = ledger(BTC="1.5", USDT="95")
        stage.fill("0.5")

    async with trio.open_nursery() as nursery, audited(stage):
        await wait_all_tasks_blocked()
        stage.says = ledger(BTC="7")  # what a reading before that would say
        stage.ended("0.5")
        nursery.start_soon(tell_late)
    assert stage.audit.gained("BTC") == Decimal("0.5")
    assert stage.table.unexplained() == ()


async def test_fills_that_are_never_told_do_not_hold_up_the_end() -> None:
    stage = Stage()
    stage.caught_up.set()
    async with audited(stage):
        await wait_all_tasks_blocked()
        stage.ended("0.5")
        began_s = trio.current_time()
    assert stage.audit.is_whole
    assert FILLS_WITHIN_S <= trio.current_time() - began_s < FILLS_WITHIN_S + 1


async def test_a_run_that_is_over_before_the_first_answer_reads_the_ledger_once() -> None:
    stage = Stage()
    stage.caught_up.set()
    stage.says = None
    async with audited(stage):
        await wait_all_tasks_blocked()
        stage.says = ledger(BTC="1", USDT="100")
    assert stage.audit.is_whole
    assert not stage.audit.gained("BTC")
    assert not stage.audit.gained("USDT")


async def test_a_run_that_has_traded_before_the_first_answer_is_not_confirmed_by_one_reading() -> None:
    stage = Stage()
    stage.caught_up.set()
    stage.says = None
    async with audited(stage):
        await wait_all_tasks_blocked()
        stage.fill("0.5")
        stage.says = ledger(BTC="1.5", USDT="95")
    assert not stage.audit.is_whole
