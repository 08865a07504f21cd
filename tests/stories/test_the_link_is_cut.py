"""The line breaks in the middle of trading: the link comes back by itself, and what was in flight is found out.

Bytes travel for 20 ms each way, so that a cut can fall before, on and after a request.
"""

from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from dogwatch import Context, Gap, Order, Quotes, Trade, Trades
from dogwatch.actors.session import SessionLost, SessionReady
from dogwatch.actors.spot.order import Life
from dogwatch.actors.testing import StagedExchange
from dogwatch.runtime.system import System
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.cast import Swinger
from tests.stories.scene import (
    SIZE,
    SYMBOL,
    Account,
    Character,
    Part,
    api_connections,
    check_that_all_is_square,
    open_exchange,
    prices_move,
    until,
    walk,
)

TRAVEL_S = 0.020


class Watcher(Character):
    """Writes down every quote and every trade, and when it came."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.quoted_s: list[float] = []
        self.trades: list[Trade | Gap] = []

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.watch_trades)
            async for _quote in self.follow(Quotes(self.config.symbol)):
                self.quoted_s.append(trio.current_time())

    async def watch_trades(self) -> None:
        async for trade in self.follow(Trades(self.config.symbol)):
            self.trades.append(trade)


class Sender(Character):
    """Sends one market order when it is told to, and writes down when it heard what of it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.go = trio.Event()
        self.returned: Order | None = None
        self.returned_s = 0.0
        self.closed_as: Order | None = None

    async def run(self) -> None:
        await self.go.wait()
        self.returned = await self.buy(self.config.symbol, quantity=SIZE)
        self.returned_s = trio.current_time()
        self.closed_as = await self.closed(self.returned)
        await trio.sleep_forever()


def no_actor_was_restarted(system: System) -> bool:
    return not [node.path for node in system.tree().walk() if node.restarts]


@pytest.mark.parametrize("times", [1, 4])
async def test_trading_goes_on_after_cuts_that_no_order_fell_into(
    virtual_clock: MockClock, seed: int, times: int
) -> None:
    swinger, watcher = Part("swinger", Swinger), Part("watcher", Watcher)
    network = MemoryNetwork(delay_s=TRAVEL_S)
    states: list[object] = []
    async with open_exchange(seed=seed, feed=walk(seed, interval_ms=500), network=network) as exchange:
        account = Account(exchange, swinger.entry, watcher.entry, seed=seed)
        account.tree.link.topics.states.tap(states.append, on_error=_raise)
        async with account.trading() as system, prices_move(exchange):
            for _ in range(times):
                await trio.sleep(20)
                await a_quiet_moment(account)
                network.cut_all()
            cut_s = trio.current_time()
            before = len(swinger.now.orders_placed)
            await trio.sleep(20)
            assert len(swinger.now.orders_placed) > before
            assert watcher.now.quoted_s[-1] > cut_s + 18
            assert no_actor_was_restarted(system)
            assert account.restarts == []
        assert [type(state) for state in states][: 2 * times + 1] == [
            SessionReady,
            *[kind for _ in range(times) for kind in (SessionLost, SessionReady)],
        ]
        assert len(api_connections(exchange)) == times + 1
        check_that_all_is_square(exchange, account)
    assert_that_gaps_are_told(watcher.now.trades)


async def a_quiet_moment(account: Account) -> None:
    """Wait until nothing is in flight and the swinger has just paused."""
    placed = account.table.placed
    await until(lambda: account.table.placed > placed and not any(account.table.all_live()))
    await trio.sleep(3 * TRAVEL_S)


def assert_that_gaps_are_told(trades: list[Trade | Gap]) -> None:
    """Every trade since the first is there, or counted in a Gap."""
    first, *others = trades
    assert isinstance(first, Trade)
    next_id = first.trade_id + 1
    for event in others:
        if isinstance(event, Gap):
            next_id += event.dropped
        else:
            assert event.trade_id == next_id
            next_id += 1


async def send_and_cut(exchange: StagedExchange, sender: Sender, *, after_s: float) -> float:
    """Let the sender send, cut every line so much later, and say when that was."""
    sender.go.set()
    await trio.sleep(after_s)
    exchange.cut()
    return trio.current_time()


async def test_an_order_whose_answer_is_lost_is_unknown_at_once_and_then_found(
    virtual_clock: MockClock, seed: int
) -> None:
    sender = Part("sender", Sender)
    async with open_exchange(seed=seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as exchange:
        exchange.quote(SYMBOL, "40000", "40001")
        account = Account(exchange, sender.entry, seed=seed)
        async with account.trading() as system:
            await trio.sleep(1)
            cut_s = await send_and_cut(exchange, sender.now, after_s=1.5 * TRAVEL_S)
            (executed,) = exchange.orders()
            assert executed["status"] == "FILLED"
            await trio.sleep(0.001)
            returned = sender.now.returned
            assert returned is not None
            assert sender.now.returned_s == cut_s
            assert returned.is_unknown
            assert not returned.is_closed
            assert sender.now.position(SYMBOL) == 0
            await trio.sleep(10)
            assert sender.now.closed_as is not None
            assert sender.now.closed_as.life is Life.FILLED
            assert not sender.now.closed_as.is_unknown
            assert sender.now.position(SYMBOL) == exchange.position("BTC") > 0
            assert no_actor_was_restarted(system)
        assert len(exchange.orders()) == 1
        check_that_all_is_square(exchange, account)


async def test_an_order_that_never_arrived_is_neither_refused_nor_sent_again(
    virtual_clock: MockClock, seed: int
) -> None:
    sender = Part("sender", Sender)
    async with open_exchange(seed=seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as exchange:
        exchange.quote(SYMBOL, "40000", "40001")
        account = Account(exchange, sender.entry, seed=seed)
        async with account.trading() as system:
            await trio.sleep(1)
            cut_s = await send_and_cut(exchange, sender.now, after_s=0.5 * TRAVEL_S)
            await trio.sleep(0.001)
            returned = sender.now.returned
            assert returned is not None
            assert sender.now.returned_s == cut_s
            assert returned.is_unknown
            await trio.sleep(120)
            assert exchange.orders() == []
            latest = account.table.latest(returned)
            assert latest.life in {Life.SENT, Life.NEVER_PLACED}
            assert latest.is_unknown or latest.life is Life.NEVER_PLACED
            assert sender.now.position(SYMBOL) == exchange.position("BTC") == 0
            assert no_actor_was_restarted(system)


async def test_a_resting_order_that_fills_while_the_line_is_down_is_found_filled(
    virtual_clock: MockClock, seed: int
) -> None:
    class Rester(Character):
        async def run(self) -> None:
            self.order = await self.buy(self.config.symbol, quantity=SIZE, price=Decimal(39_900))
            self.filled = await self.closed(self.order)
            await trio.sleep_forever()

    rester = Part("rester", Rester)
    async with open_exchange(seed=seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as exchange:
        exchange.quote(SYMBOL, "40000", "40001")
        account = Account(exchange, rester.entry, seed=seed)
        async with account.trading():
            await trio.sleep(1)
            exchange.network.reachable = False
            exchange.cut()
            await trio.sleep(5)
            exchange.trade(SYMBOL, "39800")
            await trio.sleep(5)
            assert rester.now.order.is_open
            exchange.network.reachable = True
            await trio.sleep(60)
            assert rester.now.filled.is_filled
            assert rester.now.position(SYMBOL) == exchange.position("BTC") > 0
        check_that_all_is_square(exchange, account)


async def test_a_line_that_goes_dead_without_a_word_is_given_up_and_dialled_again(
    virtual_clock: MockClock, seed: int
) -> None:
    watcher, sender = Part("watcher", Watcher), Part("sender", Sender)
    network = MemoryNetwork(delay_s=TRAVEL_S)
    async with open_exchange(seed=seed, feed=walk(seed), network=network) as exchange:
        account = Account(exchange, watcher.entry, sender.entry, seed=seed)
        async with account.trading() as system, prices_move(exchange):
            await trio.sleep(20)
            for connection in network.connections:
                connection.stall()
            await trio.sleep(60)
            _stalled, alive = api_connections(exchange)
            assert alive.is_open
            assert watcher.now.quoted_s[-1] > trio.current_time() - 1.1
            sender.now.go.set()
            await trio.sleep(1)
            assert sender.now.closed_as is not None
            assert sender.now.closed_as.is_filled
            assert no_actor_was_restarted(system)
        check_that_all_is_square(exchange, account)


def _raise(error: Exception) -> None:
    raise error
