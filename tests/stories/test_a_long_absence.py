"""A process comes back after a long absence: what happened meanwhile is found, entered once, and within the budget.

The first process dies with its journal written; the exchange goes on without it; the second one starts from the file.
Its own part of the tree is built here: link, symbols, tracker, recovery, reconciler.
"""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from dogwatch import Fill
from dogwatch.actors.halt import HaltSwitch
from dogwatch.actors.link import ApiLink, api_link
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.order_messages import AwaitReady, CaughtUp, PlaceOrder
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.orders import Orders
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import ACCOUNT
from dogwatch.actors.reconciler import Reconciler
from dogwatch.actors.recovery import Recovery
from dogwatch.actors.server_time import ServerTime
from dogwatch.actors.spot import client_order_id
from dogwatch.actors.spot.enums import OrderType, Side, TimeInForce
from dogwatch.actors.spot.order import Certainty, Life, Order
from dogwatch.actors.symbols import Symbols, SymbolTable
from dogwatch.actors.testing import StagedExchange
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.specs import ChildSpec, Scope, SupervisorSpec
from dogwatch.runtime.system import System, run_system
from tests.stories.scene import SYMBOL, open_exchange

pytestmark = pytest.mark.usefixtures("virtual_clock")

PRICE = Decimal(40_000)
LOT = Decimal("0.001")
WEIGHT_PER_MINUTE = 6_000
BUDGET_PER_MINUTE = 4_000
"""What the recovery may take of it at worst."""


class Process:
    """One run of the process, from opening its journal to its end."""

    def __init__(self, exchange: StagedExchange, path: Path) -> None:
        self.journal = OrderJournal.open(path, in_thread=False)
        recorded = self.journal.load()
        self.table = OrderTable(run=self.journal.begin_run(exchange.clock.unix_ms()), journal=self.journal)
        self.table.restore(recorded)
        self.topics = OrderTopics()
        self.fills: list[Fill] = []
        self.caught_up: list[CaughtUp] = []
        self.topics.fills.tap(self.fills.append, on_error=_raise)
        self.topics.caught_up.tap(self.caught_up.append, on_error=_raise)
        self.link = api_link(
            "link",
            dial=exchange.api.dial,
            host=exchange.api.host,
            resource=exchange.api.resource,
            clock=exchange.clock,
            signer=exchange.signer(),
        )
        self.orders: ActorRef[Orders]
        self.spec = self._describe(self.link)
        self.system: System

    def _describe(self, link: ApiLink) -> SupervisorSpec:
        symbols = SymbolTable([SYMBOL])
        clock = ServerTime(link.server_clock)
        common: dict[str, Any] = {
            "session": link.session,
            "session_topics": link.topics,
            "table": self.table,
            "topics": self.topics,
            "clock": clock,
        }
        loading = ChildSpec(
            "symbols",
            lambda: Symbols(session=link.session, session_topics=link.topics, table=symbols),
            actor=Symbols,
        )
        orders = ChildSpec("orders", lambda: Orders(symbols=symbols, halts=HaltSwitch(), **common), actor=Orders)
        recovery = ChildSpec("recovery", lambda: Recovery(orders=orders.ref, symbols=symbols, **common), actor=Recovery)
        reconciler = ChildSpec(
            "reconciler", lambda: Reconciler(orders=orders.ref, recovery=recovery.ref, **common), actor=Reconciler
        )
        self.orders = orders.ref
        return SupervisorSpec("root", [link.spec, loading, orders, recovery, reconciler], scope=Scope.REST_FOR_ONE)

    def figures(self) -> dict[str, Any]:
        """What the recovery counts."""
        (node,) = [node for node in self.system.tree().walk() if node.name == "recovery"]
        return node.statistics


def _raise(error: Exception) -> None:
    raise error


@asynccontextmanager
async def running(exchange: StagedExchange, path: Path, *, within_s: float = 600) -> AsyncIterator[Process]:
    """A process that has caught up. At the end of the block it is stopped and its journal closed."""
    process = Process(exchange, path)
    with process.journal:
        async with run_system(process.spec) as process.system:
            await process.orders.ask(AwaitReady(), within_s=within_s)
            yield process


@asynccontextmanager
async def exchange_with_funds(seed: int, *, latency_ms: float = 50.0) -> AsyncIterator[StagedExchange]:
    funds = {"USDT": Decimal(10_000_000), "BTC": Decimal(100)}
    async with open_exchange(seed=seed, config=PaperConfig(balances=funds, latency_ms=latency_ms)) as exchange:
        exchange.quote(SYMBOL, PRICE + 1, PRICE + 2)
        yield exchange


class Absence:
    """What a process did just before it was killed, and what became of it when nobody looked any more.

    Of every order the intent is on record; of some also the answer.
    """

    def __init__(self, exchange: StagedExchange, path: Path) -> None:
        self._exchange = exchange
        self._path = path
        self.placed: list[str] = []

    def place(self, count: int, *, trades: int = 4, answers_lost: int = 10) -> None:
        """Orders that are filled in so many trades each; of one in `answers_lost` no answer was seen."""
        with OrderJournal.open(self._path, in_thread=False) as journal:
            run = journal.begin_run(self._exchange.clock.unix_ms())
            for number in range(len(self.placed), len(self.placed) + count):
                name = client_order_id.make(strategy="one", run=run, life=1, sequence=number)
                self._place(journal, name, trades, is_answered=number % answers_lost != 0)
            journal.commit()
        self._exchange.paper.settle()

    def _place(self, journal: OrderJournal, name: str, trades: int, *, is_answered: bool) -> None:
        exchange, engine = self._exchange, self._exchange.paper.engine
        now_ms = exchange.clock.unix_ms()
        order = Order(
            client_order_id=name,
            symbol=SYMBOL,
            side=Side.BUY,
            type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            quantity=LOT * trades,
            price=PRICE,
            strategy="one",
            created_ms=now_ms,
            updated_ms=now_ms,
            sent_ms=now_ms,
            life=Life.SENT,
            evidence="sent",
        )
        journal.record_order(order)
        answer = engine.place(ACCOUNT, placing(name, LOT * trades), now_ms)
        if is_answered:
            journal.record_order(
                msgspec.structs.replace(
                    order, life=Life.OPEN, order_id=answer["orderId"], evidence="answer to order.place"
                )
            )
        for _ in range(trades):
            engine.apply_trade(SYMBOL, PRICE - 1, LOT, now_ms, buyer_is_maker=True)
        self.placed.append(name)


def placing(name: str, quantity: Decimal) -> dict[str, str]:
    return {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": str(quantity),
        "price": str(PRICE),
        "newClientOrderId": name,
    }


def check_that_the_record_is_the_exchange_s(exchange: StagedExchange, process: Process) -> None:
    """Every order is known, and every trade counted once."""
    assert list(process.table.all_live()) == []
    assert process.table.unexplained() == ()
    (position,) = process.table.positions("one")
    assert position.fills == len(exchange.fills())
    assert position.quantity == exchange.position("BTC")
    assert position.realised_pnl - position.cost == exchange.position("USDT")


async def test_five_thousand_orders_and_twenty_thousand_trades_are_recovered_within_the_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "orders.journal"
    async with exchange_with_funds(seed=1) as exchange:
        async with running(exchange, path):
            pass  # so there is a watermark
        absence = Absence(exchange, path)
        absence.place(5_000)
        await trio.sleep(3_600)
        began = time.process_time()
        async with running(exchange, path) as process:
            cpu_s = time.process_time() - began
            check_that_the_record_is_the_exchange_s(exchange, process)
            lives = [process.table.get(name) for name in absence.placed]
            assert all(order is not None and order.life is Life.FILLED for order in lives)
            assert len(process.fills) == len({fill.trade_id for fill in process.fills}) == 20_000
            assert all(fill.is_recovered for fill in process.fills)
            moments = [(fill.traded_ms, fill.trade_id) for fill in process.fills]
            assert moments == sorted(moments)
            (caught_up,) = process.caught_up
            assert (caught_up.orders, caught_up.trades) == (5_000, 20_000)
            weight = process.figures()["weight"]
            assert weight <= BUDGET_PER_MINUTE < WEIGHT_PER_MINUTE
        async with running(exchange, path) as process:  # and it is all on record now
            check_that_the_record_is_the_exchange_s(exchange, process)
            assert process.fills == []
    with capsys.disabled():
        sys.stdout.write(
            f"\n5,000 orders and 20,000 trades recovered in {caught_up.took_s:.1f} s at 50 ms latency,"
            f" weight {weight}, {cpu_s:.1f} s of CPU with the exchange's\n"
        )


async def test_orders_that_are_older_than_the_watermark_are_found_as_well(tmp_path: Path) -> None:
    """They rested for long, and ended when nobody looked."""
    path = tmp_path / "orders.journal"
    async with exchange_with_funds(seed=2) as exchange:
        async with running(exchange, path):
            pass
        absence = Absence(exchange, path)
        absence.place(60, trades=2)
        newest = max(row["orderId"] for row in exchange.orders())
        with OrderJournal.open(path, in_thread=False) as journal:
            mark = journal.load().marks[SYMBOL]
            journal.record_mark(SYMBOL, msgspec.structs.replace(mark, order_id=newest))
            journal.commit()
        async with running(exchange, path) as process:
            check_that_the_record_is_the_exchange_s(exchange, process)
            assert len(process.fills) == 120


async def test_an_order_that_was_canceled_meanwhile_is_known_although_it_has_another_name_now(tmp_path: Path) -> None:
    path = tmp_path / "orders.journal"
    async with exchange_with_funds(seed=3) as exchange:
        async with running(exchange, path):
            pass
        name = "dw-one-run-1-1"
        now_ms = exchange.clock.unix_ms()
        with OrderJournal.open(path, in_thread=False) as journal:
            order = Order(
                client_order_id=name,
                symbol=SYMBOL,
                side=Side.BUY,
                type=OrderType.LIMIT,
                quantity=LOT,
                price=PRICE,
                strategy="one",
                created_ms=now_ms,
                updated_ms=now_ms,
                sent_ms=now_ms,
                cancel_sent_ms=now_ms,
                life=Life.SENT,
                certainty=Certainty.UNKNOWN,
            )
            journal.record_order(order)
            journal.commit()
        engine = exchange.paper.engine
        engine.place(ACCOUNT, placing(name, LOT), now_ms)
        canceling = {"symbol": SYMBOL, "origClientOrderId": name, "newClientOrderId": client_order_id.cancel_id(name)}
        engine.cancel(ACCOUNT, canceling, now_ms)
        exchange.paper.settle()
        async with running(exchange, path) as process:
            known = process.table.get(name)
            assert known is not None
            assert known.life is Life.CANCELED
            assert list(process.table.all_live()) == []


async def test_orders_of_ours_that_no_journal_knows_are_adopted_and_those_of_others_only_told(tmp_path: Path) -> None:
    """The journal was lost, and somebody trades by hand on the same account."""
    path = tmp_path / "orders.journal"
    async with exchange_with_funds(seed=4) as exchange:
        async with running(exchange, path):
            pass
        engine, now_ms = exchange.paper.engine, exchange.clock.unix_ms()
        engine.place(ACCOUNT, placing("dw-one-lost-1-1", LOT), now_ms)
        engine.place(ACCOUNT, placing("by-hand", LOT), now_ms)
        engine.apply_trade(SYMBOL, PRICE - 1, LOT, now_ms, buyer_is_maker=True)
        exchange.paper.settle()
        async with running(exchange, path) as process:
            adopted = process.table.get("dw-one-lost-1-1")
            assert adopted is not None
            assert (adopted.strategy, adopted.life) == ("one", Life.FILLED)
            assert [fill.client_order_id for fill in process.fills] == ["dw-one-lost-1-1"]
            assert process.table.get("by-hand") is None
            assert process.topics.external.published == 1


async def test_fills_missed_while_the_line_was_down_come_first_once_in_order_and_marked(tmp_path: Path) -> None:
    path = tmp_path / "orders.journal"
    async with exchange_with_funds(seed=5) as exchange, running(exchange, path) as process:
        for _ in range(12):
            await process.orders.ask(intent(), within_s=10)
        trade = partial(exchange.trade, SYMBOL, PRICE - 1, LOT, buyer_is_maker=True)
        for _ in range(3):
            trade()
        await trio.sleep(1)
        exchange.cut()
        for _ in range(4):
            trade()
        while len(process.caught_up) < 2 or len(exchange.fills()) < 12:
            await trio.sleep(0.1)  # it goes on while the line is mended and the gap closed, and afterwards
            if len(exchange.fills()) < 12:
                trade()
        await trio.sleep(1)
        assert [fill.trade_id for fill in process.fills] == sorted(fill.trade_id for fill in exchange.fills())
        recovered = [fill.is_recovered for fill in process.fills]
        assert recovered[:3] == [False] * 3
        assert all(recovered[3:7])
        check_that_the_record_is_the_exchange_s(exchange, process)


def intent() -> PlaceOrder:
    return PlaceOrder(
        strategy="one",
        life=1,
        symbol=SYMBOL,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=LOT,
        price=PRICE,
        deadline_s=trio.current_time() + 10,
    )
