"""Ten minutes of full market data, and two strategies that do not read it: nobody else waits for them.

Bytes travel for 2 ms each way and the exchange takes 3 ms, so that a delay would show in the times of the answers.
"""

from collections.abc import Iterable
from typing import Any

import trio
from trio.testing import MockClock

from dogwatch import (
    Book,
    BookDiff,
    Broken,
    Context,
    Depth,
    DepthDiffs,
    Feed,
    Gap,
    Kline,
    Klines,
    Quote,
    Quotes,
    Trade,
    Trades,
)
from dogwatch.actors.feeds import STREAM_CAPACITY
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.strategy_host import StrategyHost
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.cast import Swinger
from tests.stories.scene import (
    SYMBOL,
    Account,
    Character,
    Part,
    check_that_all_is_square,
    open_exchange,
    prices_move,
    strategy_node,
    walk,
)

MINUTES = 10
PRICES_EVERY_MS = 120
TRADES_MADE = MINUTES * 60_000 // PRICES_EVERY_MS
TRAVEL_S, THINKING_MS = 0.002, 3.0
ROUND_TRIP_S = 2 * TRAVEL_S + THINKING_MS / 1000
AWAKE = 10
"""More events of a kind do not come after the ten minutes: prices stand still then, but for the trader's orders."""
FEEDS: tuple[Feed[Any], ...] = (Trades(SYMBOL), Quotes(SYMBOL), Klines(SYMBOL), Depth(SYMBOL), DepthDiffs(SYMBOL))


class Sloth(Character):
    """Follows everything, sleeps for ten minutes, and only then reads what there is."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.read: dict[str, list[Any]] = {}

    async def run(self) -> None:
        followings = [self.follow(feed) for feed in FEEDS]
        await self.sleep(MINUTES * 60 + 1)
        for following in followings:
            self.read[type(following.feed).__name__] = events = list[Any]()
            with trio.move_on_after(0.001):  # long enough for all that waits, too short for what is new
                while True:
                    events.append(await anext(following))
        await trio.sleep_forever()


class Daydreamer(Character):
    """Handles everything, and stays in its first handler for ten minutes."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.handled: list[Any] = []

    def feeds(self) -> Iterable[Any]:
        return FEEDS

    async def on_anything(self, event: Trade | Quote | Kline | Book | BookDiff | Gap | Broken) -> None:
        if not self.handled:
            await self.sleep(MINUTES * 60 + 1)
        self.handled.append(event)

    def of(self, kind: type) -> list[Any]:
        """What it has handled of a kind, after the event that it dreamt over."""
        return [event for event in self.handled[1:] if isinstance(event, kind)]


async def ten_minutes(seed: int, *slow: Part[Any]) -> list[float]:
    """How long each order of a trading strategy took, in seconds."""
    swinger = Part("swinger", Swinger)
    network = MemoryNetwork(delay_s=TRAVEL_S)
    feed = walk(seed, interval_ms=PRICES_EVERY_MS, ticks_max=TRADES_MADE)
    config = PaperConfig(latency_ms=THINKING_MS)
    async with open_exchange(seed=seed, config=config, feed=feed, network=network) as exchange:
        account = Account(exchange, *(part.entry for part in slow), swinger.entry, seed=seed)
        async with account.trading() as system:
            await trio.sleep(0.9)
            async with prices_move(exchange):
                await trio.sleep(MINUTES * 60 - 1)
                for part in slow:
                    node = strategy_node(system, part.name)
                    assert node.life == 1
                    assert node.mailbox is not None
                    waiting = node.mailbox.depth_by_lane
                    assert all(waiting[lane.name] <= lane.capacity for lane in StrategyHost.lanes)
                    assert waiting["quotes"] <= 1
                    assert waiting["books"] <= 1
                await trio.sleep(5)
            for connection in exchange.paper.connections():
                assert connection.is_open
                assert connection.pings_sent >= MINUTES * 3
                # The newest ping may still be on its way.
                assert connection.pings_sent - connection.pongs_matched <= 1
                assert connection.queued_bytes == 0
            assert [node.path for node in system.tree().walk() if node.kind == "actor" and node.restarts] == []
        check_that_all_is_square(exchange, account)
    return swinger.now.took_s


async def test_two_that_do_not_read_delay_no_order_and_no_pong(virtual_clock: MockClock, seed: int) -> None:
    sloth, dreamer = Part("sloth", Sloth), Part("dreamer", Daydreamer)
    took_s = await ten_minutes(seed, sloth, dreamer)
    assert len(took_s) >= MINUTES * 60
    assert took_s == [round(ROUND_TRIP_S, 3)] * len(took_s)
    check_what_the_sloth_found(sloth.now.read)
    check_what_the_dreamer_handled(dreamer.now)


def check_what_the_sloth_found(read: dict[str, list[Any]]) -> None:
    """Never a backlog: the newest, or as much as is bounded behind a marker that tells how much is missing."""
    gap, *trades = read["Trades"]
    assert isinstance(gap, Gap)
    assert gap.dropped >= TRADES_MADE - STREAM_CAPACITY
    assert STREAM_CAPACITY - 1 <= len(trades) <= STREAM_CAPACITY
    ids = [trade.trade_id for trade in trades]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert len(read["Quotes"]) == 1
    assert len(read["Depth"]) == 1
    assert read["Quotes"][0].bid == read["Depth"][0].bids[0].price
    assert MINUTES <= len(read["Klines"]) <= MINUTES + 1
    assert [kline.is_closed for kline in read["Klines"][:-1]] == [True] * (len(read["Klines"]) - 1)
    broken, *diffs = read["DepthDiffs"]
    assert isinstance(broken, Broken)
    assert len(diffs) < STREAM_CAPACITY
    assert all(isinstance(diff, BookDiff) for diff in diffs)


def check_what_the_dreamer_handled(dreamer: Daydreamer) -> None:
    """The same, for the other voice."""
    (gap,) = dreamer.of(Gap)
    assert gap.dropped >= TRADES_MADE - STREAM_CAPACITY
    assert len(dreamer.of(Trade)) <= STREAM_CAPACITY + AWAKE
    assert len(dreamer.of(Broken)) == 1
    # Each candle once, in its last state; then what comes while it is awake, at the pace of its making.
    assert MINUTES <= len(dreamer.of(Kline)) <= MINUTES + AWAKE
    assert 1 <= len(dreamer.of(Quote)) <= AWAKE
