"""What nobody knows is counted as if it were there until it is known; and when that takes too long, a person is called.

Counted are what may still be bought or sold (exposure) and, by fills, what has been (position).
"""

from decimal import Decimal
from random import Random

import pytest
import trio

from dogwatch import NotSent, Order, OrderChanged, Rejected, Side
from dogwatch.actors.exposure import Exposure, exposures
from dogwatch.actors.order_settings import OrderSettings
from dogwatch.actors.spot.order import Life
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.testing import AnswerUnknown, HideOrder, LoseAnswer, LoseEvent, LoseRequest
from tests.actors.test_tree import crash_the_tracker
from tests.stories.hand import ACTS, ASK, DEEP, DEEPER, KNOWN_WITHIN_S, Deed, Play, play
from tests.stories.scene import SIZE, SYMBOL, until

QUERIES = ("order.status", "openOrders.status", "allOrders", "myTrades")
ALARM = "order stays unknown"

pytestmark = pytest.mark.usefixtures("virtual_clock")


def exposed(p: Play) -> Exposure:
    return exposures(p.account.table.all_live()).get(SYMBOL, Exposure())


def alarms(caplog: pytest.LogCaptureFixture) -> int:
    return sum(ALARM in record.getMessage() for record in caplog.records)


async def test_an_order_that_nobody_has_answered_for_counts_until_it_is_proven_absent(seed: int) -> None:
    async with play(seed) as p:
        p.exchange.faults.add(LoseRequest())
        order = await p.hand.rest(within_s=1)
        while not p.latest(order).is_closed:
            assert (exposed(p).buying_base, exposed(p).orders, exposed(p).unknown) == (3 * SIZE, 1, 1)
            await trio.sleep(1)
        assert exposed(p) == Exposure()
        assert p.hand.position(SYMBOL) == 0


async def test_one_that_has_filled_is_exposure_until_it_is_position(seed: int) -> None:
    """Filled at once, hidden for half a minute, its events lost: it is never counted as neither."""
    async with play(seed) as p:
        p.exchange.faults.add(LoseEvent(), times=None)
        p.exchange.faults.add(AnswerUnknown())
        p.exchange.faults.add(HideOrder(for_s=30))
        order = await p.hand.buy(SYMBOL, quantity=3 * SIZE, price=ASK)
        assert order.is_unknown
        assert p.exchange.position("BTC") > 0
        await trio.sleep(29)
        assert exposed(p).buying_base == 3 * SIZE
        assert p.hand.position(SYMBOL) == 0
        await p.settle()
        assert exposed(p) == Exposure()
        assert p.hand.position(SYMBOL) == p.exchange.position("BTC")
        p.exchange.faults.clear()


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, DEEP), (Side.SELL, ASK + 100)])
async def test_a_cancel_in_doubt_leaves_the_order_counted(seed: int, side: Side, price: Decimal) -> None:
    async with play(seed) as p:
        order = await p.hand.place(side, SYMBOL, quantity=3 * SIZE, price=price)
        p.exchange.faults.add(LoseEvent(), times=None)
        p.exchange.faults.add(AnswerUnknown(method="order.cancel", execution="later", execute_after_s=5))
        await p.hand.cancel(order, within_s=1)
        await trio.sleep(1)
        figures, size = exposed(p), 3 * SIZE
        assert figures.buying_base == (size if side is Side.BUY else 0)
        assert figures.selling_base == (size if side is Side.SELL else 0)
        await p.settle()
        assert exposed(p) == Exposure()
        p.exchange.faults.clear()


async def test_an_amend_in_doubt_counts_the_larger_quantity(seed: int) -> None:
    async with play(seed) as p:
        order = await p.hand.rest()
        p.exchange.faults.add(LoseEvent(), times=None)
        p.exchange.faults.add(AnswerUnknown(method=Deed.AMEND.value, execution="later", execute_after_s=5))
        await p.hand.amend(order, SIZE, within_s=1)
        await trio.sleep(1)
        assert exposed(p).buying_base == 3 * SIZE
        await p.settle()
        assert exposed(p).buying_base == SIZE
        p.exchange.faults.clear()


async def test_what_may_be_bought_is_never_counted_too_low(seed: int) -> None:
    """Whatever goes wrong: what is held and what may be bought, as they are known, cover what the ledger says of it."""
    random = Random(seed)
    async with play(seed, orders_on_crash=OrdersOnCrash.KEEP) as p:
        too_low: list[str] = []

        def compare(change: OrderChanged) -> None:
            table, rows = p.account.table, p.exchange.orders()
            missing = sum((table.unbooked(order) for order in table.unexplained()), Decimal(0))
            believed = exposed(p).buying_base + sum((fill.quantity for fill in p.judge.fills), Decimal(0)) + missing
            bought = sum((Decimal(row["executedQty"]) for row in rows), Decimal(0))
            open_there = [row for row in rows if row["status"] in ("NEW", "PARTIALLY_FILLED")]
            left = sum((Decimal(row["origQty"]) - Decimal(row["executedQty"]) for row in open_there), Decimal(0))
            if believed < bought + left:
                too_low.append(f"{believed} < {bought} + {left} at {change.order!r}")

        p.account.tree.desk.order_topics.changes.tap(compare, on_error=lambda error: too_low.append(repr(error)))
        for _ in range(60):
            method = random.choice(ACTS).value
            fault = random.choice([LoseAnswer, LoseRequest, AnswerUnknown])
            if random.random() < 0.4:
                p.exchange.faults.add(fault(method=method))
            if random.random() < 0.2:
                p.exchange.faults.add(LoseEvent())
            live = [order for order in p.hand.orders if order.is_open and not order.is_unknown]
            deed = random.choice(ACTS) if live else Deed.PLACE
            await try_to(p, deed, random.choice(live) if live else None)
            if random.random() < 0.3:
                p.exchange.trade(SYMBOL, random.choice([DEEP, DEEPER]) - 1, SIZE)
            if random.random() < 0.05:
                p.exchange.cut()
            await trio.sleep(random.uniform(0, 1))
        p.exchange.faults.clear()
        await p.caught_up()
        await trio.sleep(KNOWN_WITHIN_S)
        assert too_low == []


async def try_to(p: Play, deed: Deed, order: Order | None) -> None:
    try:
        await deed.do(p.hand, order, within_s=0.5)
    except (NotSent, Rejected):
        pass


@pytest.mark.parametrize("deed", ACTS)
async def test_when_it_stays_unknown_for_too_long_a_person_is_called_once(
    seed: int, deed: Deed, caplog: pytest.LogCaptureFixture
) -> None:
    settings = OrderSettings(unknown_s_max=20)
    async with play(seed, order_settings=settings) as p:
        order = await p.hand.rest()
        for query in QUERIES:
            p.exchange.faults.add(LoseAnswer(method=query), times=None)
        p.exchange.faults.add(LoseEvent(), times=None)
        p.exchange.faults.add(LoseRequest(method=deed.value))
        intents = dict(p.exchange.paper.intents)
        done = await deed.do(p.hand, order, within_s=1)
        await trio.sleep(18)
        assert alarms(caplog) == 0
        await trio.sleep(4)
        called = alarms(caplog)
        assert called == (2 if deed is Deed.REPLACE else 1), "once for each order in doubt"
        await trio.sleep(900)
        assert alarms(caplog) == called
        assert p.latest(done).is_unknown, "it is not guessed, and asked about all the same"
        assert p.exchange.paper.intents == intents
        p.exchange.faults.clear()
        await p.settle()
        assert alarms(caplog) == called


async def test_a_second_doubt_about_the_same_order_calls_again(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    async with play(seed, order_settings=OrderSettings(unknown_s_max=20)) as p:
        order = await p.hand.rest()
        for number in (1, 2):
            p.exchange.faults.add(LoseRequest(method="order.cancel"))
            await p.hand.cancel(order, within_s=1)
            await p.settle()
            assert p.latest(order).is_open
            assert alarms(caplog) == number


async def test_it_is_called_also_while_there_is_no_line_to_ask_on(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    async with play(seed, order_settings=OrderSettings(unknown_s_max=20)) as p:
        p.exchange.faults.add(LoseRequest())
        order = await p.hand.rest(within_s=1)
        p.exchange.network.reachable = False
        p.exchange.cut()
        await trio.sleep(25)
        assert alarms(caplog) == 1
        assert p.latest(order).is_unknown
        await trio.sleep(300)
        assert alarms(caplog) == 1
        assert exposed(p).unknown == 1
        p.exchange.network.reachable = True
        await p.caught_up()
        await p.settle()
        assert p.latest(order).life is Life.NEVER_PLACED


async def test_by_default_nobody_is_called_for_what_silence_settles(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with play(seed) as p:
        p.exchange.faults.add(LoseRequest())
        order = await p.hand.rest(within_s=1)
        await p.settle()
        assert p.latest(order).life is Life.NEVER_PLACED
        assert alarms(caplog) == 0


async def test_a_new_life_of_the_tracker_counts_what_is_unknown_all_the_same(seed: int) -> None:
    async with play(seed, orders_on_crash=OrdersOnCrash.KEEP) as p:
        p.exchange.faults.add(LoseRequest())
        await p.hand.rest(within_s=1)
        crash_the_tracker(p.account.tree)
        await until(lambda: len(p.part.lives) == 2)
        assert (exposed(p).buying_base, exposed(p).unknown) == (3 * SIZE, 1)
        await p.settle()
        assert exposed(p) == Exposure()
