"""What an account's history remembers, and what it costs to read on from an id."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.paper.accounts import FillHistory
from dogwatch.actors.paper.engine import Switches
from tests.actors.paper.trading import Floor

BTC = {"symbol": "BTCUSDT"}


class Trade:
    """As much of a fill as a history looks at; it counts how often."""

    looks = 0

    def __init__(self, trade_id: int) -> None:
        self._trade_id = trade_id

    @property
    def trade_id(self) -> int:
        Trade.looks += 1
        return self._trade_id


def history_of(trade_ids: list[int], kept_max: int) -> FillHistory:
    history = FillHistory(kept_max)
    for trade_id in trade_ids:
        fill: Any = Trade(trade_id)
        history.append(fill)
    return history


@given(
    trade_ids=st.lists(st.integers(0, 40)).map(sorted),
    kept_max=st.integers(1, 12),
    first=st.integers(0, 45),
    limit=st.integers(1, 15),
)
def test_fills_are_the_newest_ones_and_are_read_from_an_id_on(
    trade_ids: list[int], kept_max: int, first: int, limit: int
) -> None:
    history = history_of(trade_ids, kept_max)
    kept = trade_ids[-kept_max:]
    assert [fill.trade_id for fill in history] == kept
    assert [fill.trade_id for fill in history.newest(limit)] == kept[-limit:]
    assert [fill.trade_id for fill in history.since(first, limit)] == [one for one in kept if one >= first][:limit]


def test_reading_fills_on_from_an_id_does_not_look_at_those_before() -> None:
    history = history_of(list(range(20_000)), 100_000)
    Trade.looks = 0
    page = history.since(19_000, 1000)
    assert len(page) == 1000
    assert Trade.looks <= 20, "twenty thousand are halved in fifteen steps"


def pages(floor: Floor, first: int, limit: int) -> Iterator[list[int]]:
    """Pages of `allOrders`, each from the id after the last one on, until one is not full."""
    while True:
        rows = floor.engine.all_orders("alice", BTC | {"orderId": first, "limit": limit})
        ids = [row["orderId"] for row in rows]
        yield ids
        if len(ids) < limit:
            return
        first = ids[-1] + 1


@pytest.mark.parametrize(("history_max", "remembered"), [(100, range(1, 41)), (7, [1, 20, *range(34, 41)])])
@pytest.mark.parametrize("limit", [1, 4, 9])
def test_paging_by_order_id_shows_every_remembered_order_once_and_in_order(
    history_max: int, remembered: list[int], limit: int
) -> None:
    floor = Floor(switches=Switches(history_max=history_max))
    for order_id in range(1, 41):
        if order_id in (1, 20):
            floor.limit("alice", "BUY", "90", "1")
        else:
            floor.quote("99", "5", "101", "5")
            floor.market("alice", "BUY", "0.1")
    shown = list(pages(floor, 1, limit))
    assert [order_id for page in shown for order_id in page] == list(remembered)
    assert all(len(page) == limit for page in shown[:-1])
    assert next(pages(floor, 30, 3)) == [order_id for order_id in remembered if order_id >= 30][:3]


def test_paging_by_trade_id_shows_every_trade_once_and_in_order() -> None:
    floor = Floor()
    for _ in range(30):
        floor.quote("99", "5", "101", "5")
        floor.market("alice", "BUY", "0.1")
        floor.trade("100", "1")
    first, seen = 0, []
    while rows := floor.engine.my_trades("alice", BTC | {"fromId": first, "limit": 4}):
        seen += [row["id"] for row in rows]
        first = seen[-1] + 1
    assert seen == [fill.trade_id for fill in floor.engine.fills("alice")]
    assert len(seen) == 30


def test_no_page_is_longer_than_a_thousand_rows_and_five_hundred_is_usual() -> None:
    floor = Floor()
    for _ in range(1100):
        floor.quote("99", "5", "101", "5")
        floor.market("alice", "BUY", "0.1")
        floor.events()
    engine = floor.engine
    for limit, rows in ((None, 500), (1000, 1000), (5000, 1000)):
        params = BTC if limit is None else BTC | {"limit": limit}
        newest = list(range(1101 - rows, 1101))
        oldest = list(range(1, 1 + rows))
        assert [row["orderId"] for row in engine.all_orders("alice", params)] == newest
        assert [row["orderId"] for row in engine.my_trades("alice", params)] == newest
        assert [row["orderId"] for row in engine.all_orders("alice", params | {"orderId": 0})] == oldest
        assert [row["orderId"] for row in engine.my_trades("alice", params | {"fromId": 0})] == oldest


def test_the_trades_of_an_order_begin_with_its_first() -> None:
    floor = Floor()
    floor.limit("alice", "BUY", "98", "5", newClientOrderId="mine")
    for _ in range(4):
        floor.limit("bob", "SELL", "98", "0.5", timeInForce="IOC")
        floor.trade("97", "1")
    whole = floor.engine.my_trades("alice", BTC | {"orderId": 1})
    ids = [row["id"] for row in whole]
    assert len(ids) == 4
    assert ids == sorted(ids)
    assert floor.engine.my_trades("alice", BTC | {"orderId": 1, "limit": 2}) == whole[:2]
    assert floor.engine.my_trades("alice", BTC | {"orderId": 1, "fromId": ids[1] + 1}) == whole[2:]
    assert floor.engine.my_trades("alice", BTC | {"orderId": 2}) == []
