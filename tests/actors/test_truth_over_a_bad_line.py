"""A slow line that is cut with requests on it: every belief about an order is the exchange's own record, or unknown."""

from collections.abc import Iterable
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import trio

from dogwatch.actors.spot.order import Life, Order
from dogwatch.actors.testing import StagedExchange, staged_exchange
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.test_tree import SYMBOL, Restless, crash_the_tracker, entry, tree_of, walk

ENDED = {"FILLED": Life.FILLED, "CANCELED": Life.CANCELED, "EXPIRED": Life.EXPIRED, "EXPIRED_IN_MATCH": Life.EXPIRED}


@pytest.mark.parametrize("day_seed", [0, 1, 3])
async def test_what_is_known_is_true_and_what_never_arrived_is_unknown(virtual_clock: object, day_seed: int) -> None:
    random = Random(day_seed)
    network = MemoryNetwork(delay_s=random.choice([0.05, 0.3, 1.0]))
    config = walk(latency_ms=random.choice([0, 300]), events_before_replies=random.random() < 0.5)
    names = ("one", "two")
    async with staged_exchange(network=network, seed=day_seed, config=config) as exchange:
        entries = [entry(name, config=Restless.Config(seed=day_seed + ord(name[0]))) for name in names]
        tree = tree_of(exchange, *entries)
        told: dict[str, Order] = {}
        tree.desk.order_topics.changes.tap(
            lambda event: told.update({event.order.client_order_id: event.order}), on_error=fail
        )
        async with tree.system():
            for _ in range(8):
                await trio.sleep(random.uniform(0.5, 20))
                if random.random() < 0.75:
                    network.cut_all(lose_in_flight=random.random() < 0.7)
                else:
                    crash_the_tracker(tree)
            await trio.sleep(90)
        table = tree.desk.order_table
        assert table.placed > 50
        assert all(table.get(name) == order for name, order in told.items())
        check_against_the_record(told.values(), exchange)
        assert table.unexplained() == ()
        believed = sum((table.position(name, SYMBOL) for name in names), Decimal(0))
        assert believed == exchange.position("BTC")


def check_against_the_record(orders: Iterable[Order], exchange: StagedExchange) -> None:
    """The exchange renames what it cancels, so its record is looked up by number; by name what it has never had."""
    record: dict[int | None, dict[str, Any]] = {order["orderId"]: order for order in exchange.orders()}
    assert {order.order_id for order in orders} - {None} == record.keys(), "none of its orders is missing here"
    names = {entry["clientOrderId"] for entry in record.values()}
    for order in orders:
        if order.order_id is None:
            assert order.is_unknown or order.life in {Life.REJECTED, Life.NEVER_PLACED}
            assert order.client_order_id not in names
        else:
            assert order.life is ENDED[record[order.order_id]["status"]]
            assert order.filled_quantity == Decimal(record[order.order_id]["executedQty"])


def fail(error: Exception) -> None:
    raise error
