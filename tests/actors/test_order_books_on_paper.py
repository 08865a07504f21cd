"""The local book in a whole tree, against the paper exchange: whatever becomes of the line, what is shown was true."""

from collections.abc import Iterable
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import trio

from dogwatch import BookLost, Books, OrderBook, PriceLevel, Side, Strategy
from dogwatch.actors.paper.faults import EndSubscriptions
from dogwatch.actors.rotation_messages import RotateNow
from dogwatch.actors.testing import StagedExchange, StrategyStarter
from dogwatch.actors.tree import StrategyEntry, build

pytestmark = pytest.mark.usefixtures("virtual_clock")

SYMBOL = "BTCUSDT"


class Reader(Strategy):
    """Notes every book that it sees, and rests orders that move it."""

    class Config(Strategy.Config, frozen=True):
        symbol: str = SYMBOL

    def feeds(self) -> Iterable[Any]:
        return [Books(self.config.symbol, 3)]

    async def on_start(self) -> None:
        self.books: list[OrderBook] = []
        self.losses: list[str] = []

    def on_book(self, book: OrderBook) -> None:
        self.books.append(book)

    def on_lost(self, event: BookLost) -> None:
        self.losses.append(event.reason)


class Truth:
    """The exchange's book after each of its changes."""

    def __init__(self, exchange: StagedExchange, seed: int) -> None:
        self.exchange = exchange
        self.random = Random(seed)
        self.price = 40_000
        self.states: dict[int, tuple[list[Any], list[Any]]] = {}

    def move(self) -> None:
        self.price += self.random.randint(-3, 3)
        amount = str(self.random.randint(1, 9))
        self.exchange.quote(SYMBOL, str(self.price), str(self.price + 1), bid_quantity=amount)
        self.note()

    def note(self) -> None:
        depth = self.exchange.paper.engine._markets[SYMBOL].depth(5_000)
        self.states[depth["lastUpdateId"]] = depth["bids"], depth["asks"]

    def check(self, books: Iterable[OrderBook]) -> None:
        for book in books:
            bids, asks = self.states[book.update_id]
            assert [of(book.bids), of(book.asks)] == [of(levels(bids))[:3], of(levels(asks))[:3]]
            assert (book.has_all_bids, book.has_all_asks) == (len(bids) <= 3, len(asks) <= 3)


def levels(raw: list[list[str]]) -> list[PriceLevel]:
    return [PriceLevel(price=Decimal(price), quantity=Decimal(quantity)) for price, quantity in raw]


def of(found: Iterable[PriceLevel]) -> list[tuple[Decimal, Decimal]]:
    return [(level.price, level.quantity) for level in found]


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_book_is_true_whenever_it_is_shown_and_comes_back_after_every_loss(
    exchange: StagedExchange, start: StrategyStarter, seed: int
) -> None:
    truth = Truth(exchange, seed)
    truth.move()
    running = await start(Reader)
    strategy = running.strategy
    assert isinstance(strategy, Reader)
    await trio.sleep(1)
    for step in range(150):
        truth.move()
        if step == 20:
            await strategy.place(Side.BUY, SYMBOL, quantity=Decimal("0.5"), price=Decimal(truth.price - 40))
            truth.note()
        elif step == 40:
            exchange.cut()
        elif step == 70:
            running.tree.market_link.rotation.wanted.publish(RotateNow(reason="the test wants it"))
        elif step == 100:
            exchange.faults.now(EndSubscriptions(), to="market")  # found by the list of subscriptions
        await trio.sleep(truth.random.random())
    await trio.sleep(60)
    truth.move()
    await trio.sleep(1)
    assert len(strategy.books) > 50
    assert len(strategy.losses) == 2
    assert strategy.books[-1].update_id == max(truth.states)
    truth.check(strategy.books)
    sweep = strategy.books[-1].sweep(Side.SELL, Decimal(1))
    assert sweep.average_price == truth.price


async def test_snapshots_come_over_rest_where_orders_do(exchange: StagedExchange) -> None:
    truth = Truth(exchange, 3)
    truth.move()
    tree = build(
        api=exchange.rest,
        streams=exchange.streams,
        clock=exchange.clock,
        signer=exchange.signer(),
        strategies=[StrategyEntry(name="reader", strategy=Reader, config=Reader.Config())],
    )
    async with tree.system():
        topic = tree.desk.books.follow(Books(SYMBOL, 3))
        for _ in range(10):
            await trio.sleep(1)
            truth.move()
        await trio.sleep(1)
        assert isinstance(topic.last, OrderBook)
        assert topic.last.update_id == max(truth.states)
        truth.check([topic.last])
