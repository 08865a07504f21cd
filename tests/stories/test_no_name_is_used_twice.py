"""A client order id that was used once is never sent again: the exchange would take it as soon as the first has filled.

The orders of these stories fill at once, so every name of theirs is free at the exchange.
"""

from pathlib import Path

import pytest
import trio

from dogwatch import NotSent, Order
from dogwatch.actors.spot.client_order_id import parse
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.testing import AnswerUnknown, LoseAnswer
from tests.actors.test_tree import crash_the_tracker
from tests.stories.clocks import WrongClock
from tests.stories.hand import Play, play
from tests.stories.host import Host, a_host
from tests.stories.scene import SIZE, SYMBOL, until

KEEP = OrdersOnCrash.KEEP
DAY_S = 86_400.0

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def trade(p: Play, times: int = 3) -> list[Order]:
    """Orders that have filled."""
    orders = [await p.hand.buy(SYMBOL, quantity=SIZE) for _ in range(times)]
    await until(lambda: all(p.latest(order).is_filled for order in orders))
    return orders


def check_that_all_names_differ(host: Host, orders: list[Order]) -> None:
    names = [order.client_order_id for order in orders]
    assert len(set(names)) == len(names)
    assert host.exchange.paper.intents == dict.fromkeys(names, 1)
    assert len(host.exchange.orders()) == len(names)


@pytest.mark.parametrize("back_s", [0.0, 0.05, 7.0, DAY_S])
async def test_after_a_restart_with_a_clock_that_was_set_back(tmp_path: Path, seed: int, back_s: float) -> None:
    wall = WrongClock()
    async with a_host(seed, tmp_path) as host:
        orders: list[Order] = []
        for _ in range(5):
            p = await host.start(clock=wall)
            orders += await trade(p)
            host.kill()
            wall.ahead_s = -trio.current_time() - back_s  # the clock says what it said at the first start, or less
        p = await host.start(clock=wall)
        orders += await trade(p)
        check_that_all_names_differ(host, orders)
        await p.settle()


async def test_after_restarts_within_the_same_tenth_of_a_second(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path) as host:
        orders: list[Order] = []
        stopped = WrongClock(drift=-1.0)
        for _ in range(20):
            orders += await trade(await host.start(clock=stopped), times=1)
            host.kill()
        p = await host.start(clock=stopped)
        orders += await trade(p)
        check_that_all_names_differ(host, orders)
        await p.settle()


async def test_after_a_process_that_was_killed_before_it_had_learned_anything(tmp_path: Path, seed: int) -> None:
    """Its order was executed; nobody here has heard of that; the next process begins in the same instant."""
    async with a_host(seed, tmp_path) as host, trio.open_nursery() as nursery:
        former = await host.start(orders_on_crash=KEEP)
        host.exchange.faults.add(LoseAnswer())

        async def place() -> None:
            with trio.move_on_after(0.5):
                await former.hand.buy(SYMBOL, quantity=SIZE)

        nursery.start_soon(place)
        await until(lambda: bool(host.exchange.orders()))
        host.kill()
        heir = await host.start(orders_on_crash=KEEP)
        await trade(heir)
        assert set(host.exchange.paper.intents.values()) == {1}
        assert len(host.exchange.paper.intents) == 4
        await heir.settle()


async def test_in_new_lives_of_the_tracker_and_of_the_strategy(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path) as host:
        p = await host.start(orders_on_crash=KEEP)
        resting = await p.hand.rest()
        orders = [resting, *await trade(p)]
        for life in (2, 3, 4):
            crash_the_tracker(p.account.tree)
            await until(lambda life=life: len(p.part.lives) == life)  # type: ignore[misc]
            orders += await trade(p)
        origins = [parse(order.client_order_id) for order in orders]
        assert {origin.life for origin in origins if origin is not None} == {1, 2, 3, 4}
        assert len({origin.run for origin in origins if origin is not None}) == 1
        check_that_all_names_differ(host, orders)
        await p.settle()


async def test_a_name_that_the_record_has_is_refused_with_an_alarm(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever mistake would lead to it: here the numbers begin anew."""
    async with play(seed) as p:
        (first,) = await trade(p, times=1)
        p.account.table._series.clear()
        with pytest.raises(NotSent, match="was given to another order before") as refusal:
            await p.hand.buy(SYMBOL, quantity=SIZE)
        assert refusal.value.hint
        assert p.exchange.paper.intents == {first.client_order_id: 1}
        assert [record for record in caplog.records if "was to be used again" in record.getMessage()]
        assert (await p.hand.buy(SYMBOL, quantity=SIZE)).client_order_id != first.client_order_id
        await trio.sleep(0.1)
        await p.settle()


async def test_not_by_a_replacement_either(seed: int) -> None:
    async with play(seed) as p:
        order = await p.hand.rest()
        for number in range(5):
            order = await p.hand.replace(order, price=order.price if number % 2 else None)
        assert len(p.exchange.paper.intents) == 6
        assert set(p.exchange.paper.intents.values()) == {1}
        await p.settle()


async def test_what_the_exchange_calls_a_duplicate_is_neither_refused_nor_sent_again(seed: int) -> None:
    """Somebody else uses a name of ours while the order is open: which of both is there has to be found out."""
    async with play(seed) as p:
        p.exchange.faults.add(AnswerUnknown(code=-2010, status=400, message="Duplicate order sent."))
        order = await p.hand.rest()
        assert not order.is_closed
        await p.settle()
        assert p.latest(order).is_open
        assert p.exchange.paper.intents == {order.client_order_id: 1}
