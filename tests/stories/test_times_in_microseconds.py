"""An account on connections that tell times in microseconds: all goes on in milliseconds, and the rest is there too."""

from decimal import Decimal
from pathlib import Path

import trio
from trio.testing import MockClock

from dogwatch import Context, Order, Quotes, Trade, Trades
from dogwatch.actors.dialler import Door
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.spot.instant import Instant, in_us
from dogwatch.actors.testing import StagedExchange
from tests.stories.scene import SIZE, SYMBOL, Account, Character, Part, check_that_all_is_square, open_exchange

QUERY = "?timeUnit=MICROSECOND"


class ExactExchange(StagedExchange):
    """The same exchange, asked for microseconds."""

    @property
    def api(self) -> Door:
        return super().api._replace(resource=super().api.resource + QUERY)

    @property
    def streams(self) -> Door:
        return super().streams._replace(resource=super().streams.resource + QUERY)


class Taker(Character):
    """Takes once, and rests one order that is canceled; keeps what it hears of the market."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.taken: Order | None = None
        self.seen: list[Trade] = []

    async def run(self) -> None:
        with self.follow(Trades(SYMBOL)) as trades:
            await self.first(Quotes(SYMBOL))
            self.taken = await self.buy(SYMBOL, quantity=SIZE)
            resting = await self.buy(SYMBOL, quantity=SIZE, price=Decimal(39_000))
            await self.cancel(resting)
            async for trade in trades:
                if isinstance(trade, Trade):
                    self.seen.append(trade)


def is_near(time_ms: int | None, exchange: StagedExchange) -> bool:
    return time_ms is not None and abs(time_ms - exchange.clock.unix_ms()) < 60_000


async def test_orders_fills_journal_and_market_data_are_the_same_in_microseconds(
    virtual_clock: MockClock, seed: int, tmp_path: Path
) -> None:
    assert virtual_clock is not None
    path = tmp_path / "orders.journal"
    async with open_exchange(seed=seed) as plain:
        exchange = ExactExchange(plain.paper, plain.network, plain.clock)
        part = Part("taker", Taker)
        journal = OrderJournal.open(path, in_thread=False)
        account = Account(exchange, part.entry, seed=seed, journal=journal)
        async with account.trading():
            await trio.sleep(1)
            exchange.quote(SYMBOL, "40000", "40001")
            await trio.sleep(1)
            exchange.trade(SYMBOL, "40001", SIZE)
            await trio.sleep(1)
            taken, seen = part.now.taken, part.now.seen
        check_that_all_is_square(exchange, account)
        assert not account.restarts
        assert taken is not None
        assert is_near(taken.updated_ms, exchange)
        assert all(is_near(trade.trade_time_ms, exchange) for trade in seen)
        assert {type(trade.trade_time_ms) for trade in seen} == {Instant}
        assert all(in_us(trade.trade_time_ms) // 1000 == trade.trade_time_ms for trade in seen)
        journal.close()
        with OrderJournal.open(path, in_thread=False) as again:
            orders = again.load().orders
        assert [order.is_closed for order in orders] == [True, True]
        assert all(is_near(order.updated_ms, exchange) for order in orders)
