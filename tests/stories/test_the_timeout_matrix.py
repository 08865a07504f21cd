"""The exchange does not know what became of an order (-1007): every way in which that can go on.

What the engine does with the order, when its events are told, for how long queries do not find it, what happens to the
link: each with each. In the end the client's record is the exchange's ledger, and every intent was seen at most once.
All orders of one scene are in doubt at the same time, one for each way of execution.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import pytest
import trio
from trio.testing import MockClock

from dogwatch import Context, Fill, Fills, Order, Side
from dogwatch.actors.connection import Reconnect
from dogwatch.actors.paper.faults import AnswerUnknown, DelayEvent, Execution, HideOrder, LoseEvent
from dogwatch.actors.spot.order import Life
from dogwatch.actors.testing import StagedExchange
from dogwatch.runtime.specs import Restart
from tests.stories.scene import Account, Character, Part, open_exchange, until

ANSWER_AFTER_S = 10.0
"""The exchange gives up on its engine after this time (WebSocket API, General API information)."""
KNOWN_WITHIN_S = 120.0
BID, ASK = Decimal(40_000), Decimal(40_001)
DEEP, CROSSING, BEYOND_THE_BAND = Decimal(38_000), Decimal(40_500), Decimal(390_000)


class Way(NamedTuple):
    """What the engine does with an order. The quantity tells the orders of a scene apart."""

    name: str
    quantity: Decimal
    price: Decimal = DEEP
    execution: Execution = "now"
    after_s: float = 0.0
    symbol: str = "BTCUSDT"

    def is_of(self, message: Mapping[str, Any]) -> bool:
        """Whether a request or an event is about this order."""
        symbol = message.get("symbol") or message.get("s")
        quantity = message.get("quantity") or message.get("q")
        return symbol == self.symbol and quantity is not None and Decimal(quantity) == self.quantity


WAYS = (
    Way("executed", Decimal("0.001")),
    Way("not executed", Decimal("0.002"), execution="never"),
    *(
        Way(f"executed after {after_s} s", Decimal(f"0.00{3 + number}"), execution="later", after_s=after_s)
        for number, after_s in enumerate((1.0, 3.0, 6.0, 9.0))
    ),
    Way("filled at once", Decimal("0.011"), price=CROSSING),
    Way("filled after 5 s", Decimal("0.012"), price=CROSSING, execution="later", after_s=5.0),
    Way("partly filled", Decimal("0.013"), price=CROSSING, symbol="ETHUSDT"),
    Way("rejected by a filter", Decimal("0.014"), price=BEYOND_THE_BAND),
)


class Placer(Character):
    """Places one order for each way, all at once, and listens to its fills."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.placed: dict[str, Order] = {}
        self.fills: list[Fill] = []

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear_fills)
            for way in WAYS:
                nursery.start_soon(self._place, way)

    async def _place(self, way: Way) -> None:
        self.placed[way.name] = await self.place(
            Side.BUY, way.symbol, quantity=way.quantity, price=way.price, within_s=20
        )

    @classmethod
    def symbols(cls, config: Any) -> tuple[str, ...]:
        return ("BTCUSDT", "ETHUSDT")

    async def _hear_fills(self) -> None:
        async for fill in self.follow(Fills()):
            self.fills.append(fill)


def set_the_stage(exchange: StagedExchange) -> None:
    exchange.quote("BTCUSDT", bid=BID, ask=ASK)
    exchange.quote("ETHUSDT", bid=BID, ask=ASK, ask_quantity=Decimal("0.005"))


def arm(exchange: StagedExchange, way: Way, *, event: str, hidden_s: float) -> None:
    """Everything that goes wrong with this order."""
    faults = exchange.faults
    unknown = AnswerUnknown(execution=way.execution, execute_after_s=way.after_s, answer_after_s=ANSWER_AFTER_S)
    faults.add(unknown, where=way.is_of)
    if hidden_s:
        faults.add(HideOrder(for_s=hidden_s), where=way.is_of)
    if event == "never":
        faults.add(LoseEvent(), times=None, where=way.is_of)
    elif event == "after":
        faults.add(DelayEvent(delay_s=ANSWER_AFTER_S + 1), times=None, where=way.is_of)


async def trouble_the_link(exchange: StagedExchange, account: Account, link: str) -> None:
    """What happens to the link while nobody knows anything."""
    if link == "drops":
        await trio.sleep(0.5)
        exchange.cut()
    elif link == "drops after the answer":
        await trio.sleep(ANSWER_AFTER_S + 0.5)
        exchange.cut()
    elif link == "rotates":
        await trio.sleep(0.5)
        topics = account.tree.link.lines[0].topics
        assert topics.epoch is not None
        account.tree.link.lines[0].connection.tell(Reconnect(epoch=topics.epoch, reason="it is time for another one"))


def check_the_record(exchange: StagedExchange, account: Account, placed: Mapping[str, Order]) -> None:
    """What is known here is what the exchange's ledger says, order by order."""
    ledger = {row["clientOrderId"]: row for row in exchange.orders()}
    lives = {"NEW": Life.OPEN, "PARTIALLY_FILLED": Life.OPEN, "FILLED": Life.FILLED}
    for way in WAYS:
        order = account.table.latest(placed[way.name])
        row = ledger.get(order.client_order_id)
        if row is None:
            assert order.life is Life.NEVER_PLACED, (way.name, order)
        else:
            assert order.life is lives[row["status"]], (way.name, order)
            assert order.order_id == row["orderId"]
            assert order.filled_quantity == Decimal(row["executedQty"])
        assert not order.is_unknown


def check_that_each_intent_was_seen_at_most_once(exchange: StagedExchange) -> None:
    assert all(times == 1 for times in exchange.paper.intents.values()), exchange.paper.intents


@pytest.mark.parametrize("link", ["stays", "drops", "drops after the answer", "rotates"])
@pytest.mark.parametrize("hidden_s", [0, 1, 20, 60])
@pytest.mark.parametrize("event", ["before", "after", "never"])
async def test_the_record_becomes_the_ledger_and_nothing_is_sent_twice(
    virtual_clock: MockClock, seed: int, event: str, hidden_s: float, link: str
) -> None:
    part = Part("placer", Placer, restart=Restart.TEMPORARY)
    async with open_exchange(seed=seed) as exchange:
        set_the_stage(exchange)
        for way in WAYS:
            arm(exchange, way, event=event, hidden_s=hidden_s)
        account = Account(exchange, part.entry, seed=seed)
        async with account.trading():
            await until(lambda: bool(exchange.paper.intents), within_s=10)
            await trouble_the_link(exchange, account, link)
            await until(lambda: len(part.now.placed) == len(WAYS), within_s=30, step_s=0.1)
            await until(partial(nothing_is_unknown, account), within_s=KNOWN_WITHIN_S, step_s=0.5)
            await trio.sleep(1)
            check_the_record(exchange, account, part.now.placed)
            check_that_each_intent_was_seen_at_most_once(exchange)
            assert traded(part.now.fills) == traded(exchange.fills())
        check_that_each_intent_was_seen_at_most_once(exchange)


def nothing_is_unknown(account: Account) -> bool:
    return not any(order.is_unknown or order.life is Life.SENT for order in account.table.all_live())


def traded(fills: Iterable[Any]) -> list[tuple[str, int]]:
    """Symbols and trade ids, in order: what is there twice stays there twice."""
    return sorted((fill.symbol, fill.trade_id) for fill in fills)
