"""Every fault that the exchange can be given, alone and then all together, met by a strategy and all that is below it.

Whatever strikes, the strategy believes in the end what the exchange's ledger says, nothing stays unknown, and the
exchange has seen every order at most once.
"""

from decimal import Decimal
from random import Random
from typing import Any

import pytest
import trio

from dogwatch import NotSent, Order, Rejected, Strategy
from dogwatch.actors.paper.fault_rates import RATES
from dogwatch.actors.paper.faults import Fault
from dogwatch.actors.testing import (
    AnswerUnknown,
    Cut,
    DelayAnswer,
    DelayEvent,
    DuplicateEvent,
    EventsFirst,
    FaultRates,
    GarbleAnswer,
    HalfClose,
    HideOrder,
    LoseAnswer,
    LoseEvent,
    LoseRequest,
    ReorderEvents,
    ServerError,
    ShutDown,
    StagedExchange,
    Stall,
)

FAULTS: list[Fault] = [
    LoseRequest(),
    LoseAnswer(),
    DelayAnswer(delay_s=12),
    GarbleAnswer(),
    AnswerUnknown(execution="never"),
    AnswerUnknown(execution="later", execute_after_s=9, answer_after_s=9.5),
    ServerError(),
    EventsFirst(),
    HideOrder(for_s=60),
    LoseEvent(),
    DuplicateEvent(copies=3),
    DelayEvent(delay_s=20),
    ReorderEvents(count=3),
    Cut(),
    Cut(when="before"),
    HalfClose(),
    HalfClose(way="in"),
    HalfClose(when="before"),
    Stall(for_s=3),
    Stall(for_s=3, when="before"),
    Stall(for_s=90),
    Stall(for_s=90, when="before"),
    ShutDown(),
    ShutDown(notice_s=5, when="before"),
    *(
        make(method="order.cancel")
        for make in (LoseRequest, LoseAnswer, GarbleAnswer, AnswerUnknown, ServerError, EventsFirst)
    ),
    Cut(on="order.cancel"),
    Cut(on="order.cancel", when="before"),
]


class Persistent(Strategy):
    """Bids again and again, and takes back what has not traded within a second."""

    class Config(Strategy.Config, frozen=True):
        symbol: str

    async def run(self) -> None:
        while True:
            order = await self.bid()
            await trio.sleep(1)
            if order is not None and self.latest(order).is_open:
                await self.take_back(order)
            await trio.sleep(7)

    async def bid(self) -> Order | None:
        try:
            return await self.buy(self.config.symbol, quantity=Decimal("0.001"), price=Decimal(39_900))
        except (NotSent, Rejected):
            return None

    async def take_back(self, order: Order) -> None:
        try:
            await self.cancel(order)
        except (NotSent, Rejected):
            pass  # it has traded meanwhile, or there is no session: the next round sees


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{type(fault).__name__}-{FAULTS.index(fault)}")
async def test_belief_and_ledger_agree_after(fault: Fault, exchange: StagedExchange, start: Any) -> None:
    running = await start(Persistent, symbol="BTCUSDT")
    await trio.sleep(1)
    exchange.quote("BTCUSDT", bid="39950", ask="40000")
    armed = exchange.faults.add(fault, after=2, times=2)
    for _ in range(60):
        await trio.sleep(5.3)
        exchange.trade("BTCUSDT", "39899")
        exchange.quote("BTCUSDT", bid="39950", ask="40000")
    await running.stop()
    assert armed.hits == 2
    assert running.position("BTCUSDT") == exchange.position("BTC") > 0
    assert running.orders == ()
    assert {order["status"] for order in exchange.orders()} == {"FILLED", "CANCELED"}
    assert set(exchange.paper.intents.values()) == {1}


@pytest.mark.parametrize("plan", [1, 2, 3])
async def test_belief_and_ledger_agree_after_half_an_hour_of_all_of_them(
    plan: int, exchange: StagedExchange, start: Any, seed: int
) -> None:
    running = await start(Persistent, symbol="BTCUSDT")
    await trio.sleep(1)
    exchange.quote("BTCUSDT", bid="39950", ask="40000")
    rates = FaultRates(**dict.fromkeys(RATES, 0.02), hide_s_max=60)
    exchange.faults.seeded(rates, Random(f"{plan} {seed}"))
    for _ in range(340):
        await trio.sleep(5.3)
        exchange.trade("BTCUSDT", "39899")
        exchange.quote("BTCUSDT", bid="39950", ask="40000")
    exchange.faults.clear()
    await trio.sleep(300)
    await running.stop()
    assert len({type(entry.fault) for entry in exchange.faults.struck}) > 10
    assert running.position("BTCUSDT") == exchange.position("BTC") > 0
    assert running.orders == ()
    assert set(exchange.paper.intents.values()) == {1}
