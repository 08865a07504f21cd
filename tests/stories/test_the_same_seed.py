"""The same seed tells the same story, to the last step of the last task; another seed tells another."""

from typing import NamedTuple

import trio

from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.runtime.testing import MemoryNetwork, Trace, first_difference, run_virtual
from tests.stories.cast import Swinger
from tests.stories.scene import Account, Part, check_that_all_is_square, open_exchange, prices_move, walk
from tests.stories.test_a_strategy_crashes import Stumbler


class Told(NamedTuple):
    """What came of a story."""

    trace: Trace
    order_ids: list[tuple[str, int]]
    fills: list[tuple[int, int, str, str]]


async def story(seed: int, told: Told) -> None:
    """Two strategies trade, one crashes, bytes come in pieces, and the link is cut once."""
    network = MemoryNetwork(delay_s=0.001)
    swinger, stumbler = Part("swinger", Swinger), Part("stumbler", Stumbler, orders_on_crash=OrdersOnCrash.KEEP)
    async with open_exchange(seed=seed, feed=walk(seed, interval_ms=250), network=network) as exchange:
        account = Account(exchange, swinger.entry, stumbler.entry, seed=seed)
        async with account.trading(), prices_move(exchange):
            for connection in network.connections:
                connection.split_randomly(seed=seed)
            await trio.sleep(10.05)
            network.cut_all()
            await trio.sleep(20)
        check_that_all_is_square(exchange, account)
        told.order_ids.extend((order.client_order_id, order.order_id or 0) for order in swinger.now.orders_placed)
        told.fills.extend(
            (fill.trade_id, fill.time_ms, f"{fill.price}", fill.client_order_id) for fill in exchange.fills()
        )


def tell(seed: int) -> Told:
    told = Told(Trace(capacity=1_000_000), [], [])
    run_virtual(story, seed, told, seed=seed, instruments=[told.trace])
    return told


def test_the_same_seed_gives_the_same_trace_of_exchange_link_and_strategies(seed: int) -> None:
    one, other = tell(seed), tell(seed)
    assert first_difference(one.trace, other.trace) == ""
    assert one.trace.length > 5_000
    assert one.order_ids == other.order_ids
    assert one.fills == other.fills
    assert len(one.fills) >= 30


def test_another_seed_gives_another_trace(seed: int) -> None:
    one, other = tell(seed), tell(seed + 1)
    assert one.trace.digest() != other.trace.digest()
    assert one.fills != other.fills
