"""The process is killed, and another one takes over: from the journal and the exchange, or from the exchange alone.

What the former one has sent is found, whatever became of it; its fills count once; its orders are kept or canceled as
the configuration says, and nothing is placed before all of that is known. Real processes are killed in test_killed.py.
"""

from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
import trio

from dogwatch import NotSent, Rejected
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.spot.order import Life
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.testing import AnswerUnknown, DelayAnswer, HideOrder, LoseAnswer, LoseEvent, LoseRequest
from dogwatch.runtime.errors import DogwatchError
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.hand import ACTS, ASK, BID, DEEP, DEEPER, TOUCHED, Deed, Play
from tests.stories.host import Host, a_host
from tests.stories.scene import SIZE, SYMBOL, until

KEEP, CANCEL = OrdersOnCrash.KEEP, OrdersOnCrash.CANCEL
OTHER = "ETHUSDT"
TRAVEL_S = 0.020
COMMITTED_AFTER_S = 0.2
"""What was learned is in the journal after this time."""

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def try_to(deed: Deed, p: Play, order: object) -> None:
    """Do it in a process that is about to be killed."""
    try:
        await deed.do(p.hand, order)  # type: ignore[arg-type]
    except DogwatchError:
        pass  # there is nobody any more who would care


def open_there(host: Host) -> list[int]:
    """The ids of the orders that are open at the exchange."""
    return [row["orderId"] for row in host.exchange.orders() if row["status"] in ("NEW", "PARTIALLY_FILLED")]


async def test_kept_orders_positions_and_missed_fills_are_those_of_the_ledger(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path) as host:
        former = await host.start(orders_on_crash=KEEP)
        bought = await former.hand.buy(SYMBOL, quantity=5 * SIZE)
        resting, filled = await former.hand.rest(price=DEEPER), await former.hand.rest(2 * SIZE, DEEP)
        canceled = await former.hand.rest(price=DEEPER)
        former.exchange.trade(SYMBOL, TOUCHED, SIZE)
        await trio.sleep(COMMITTED_AFTER_S)
        host.kill()
        former.exchange.trade(SYMBOL, TOUCHED, SIZE)
        assert canceled.order_id is not None
        former.cancel_by_hand(canceled.order_id)
        heir = await host.start(orders_on_crash=KEEP)
        assert [order.client_order_id for order in heir.hand.orders] == [resting.client_order_id]
        assert heir.latest(bought).is_filled
        assert heir.latest(filled).is_filled
        assert heir.latest(canceled).life is Life.CANCELED
        assert heir.hand.position(SYMBOL) == heir.exchange.position("BTC")
        assert [fill.order_id for fill in heir.judge.fills] == [filled.order_id]
        assert heir.judge.fills[0].is_recovered
        await heir.settle()
        assert (await heir.hand.cancel(heir.hand.orders[0])).life is Life.CANCELED


async def test_orders_to_be_canceled_are_ended_before_the_first_life_begins(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path) as host:
        former = await host.start(orders_on_crash=CANCEL)
        for number in range(5):
            await former.hand.rest(price=DEEP - number)
        host.kill()
        assert len(open_there(host)) == 5
        heir = await host.start(orders_on_crash=CANCEL)
        assert heir.part.lives
        assert heir.hand.orders == ()
        assert open_there(host) == []
        await heir.settle()


async def test_what_lies_beyond_the_verdict_is_not_waited_for_by_a_kept_order(tmp_path: Path, seed: int) -> None:
    """An order whose request was lost with the process is unknown in the next one, until silence proves it absent."""
    async with a_host(seed, tmp_path) as host, trio.open_nursery() as nursery:
        former = await host.start(orders_on_crash=KEEP)
        host.exchange.faults.add(LoseRequest())
        nursery.start_soon(try_to, Deed.PLACE, former, None)
        await trio.sleep(0.001)
        host.kill()
        heir = await host.start(orders_on_crash=KEEP)
        (order,) = heir.hand.orders
        assert order.is_unknown
        assert (await heir.hand.rest(price=DEEP)).is_open
        await heir.settle()
        assert heir.latest(order).life is Life.NEVER_PLACED


@pytest.mark.parametrize("policy", [KEEP, CANCEL])
@pytest.mark.parametrize("after_ms", [0, 10, 20, 30, 40, 50])
@pytest.mark.parametrize("deed", ACTS)
async def test_killed_at_any_stage_of_any_deed_it_loses_nothing(
    tmp_path: Path, seed: int, deed: Deed, after_ms: int, policy: OrdersOnCrash
) -> None:
    async with a_host(seed, tmp_path, network=MemoryNetwork(delay_s=TRAVEL_S)) as host, trio.open_nursery() as nursery:
        former = await host.start(orders_on_crash=policy)
        order = await former.hand.rest(price=DEEP)
        nursery.start_soon(try_to, deed, former, order)
        await trio.sleep(after_ms / 1000)
        host.kill()
        heir = await host.start(orders_on_crash=policy)
        await heir.settle()
        assert len(open_there(host)) == len(heir.hand.orders)
        assert policy is KEEP or heir.hand.orders == ()


@pytest.mark.parametrize("trouble", ["-1007", "-1007 and later", "hidden", "answer lost", "request lost"])
@pytest.mark.parametrize("deed", ACTS)
async def test_killed_while_something_is_in_doubt_it_goes_on_doubting(
    tmp_path: Path, seed: int, deed: Deed, trouble: str
) -> None:
    async with a_host(seed, tmp_path) as host, trio.open_nursery() as nursery:
        former = await host.start(orders_on_crash=KEEP)
        order = await former.hand.rest(price=DEEP)
        faults = host.exchange.faults
        match trouble:
            case "-1007":
                faults.add(AnswerUnknown(method=deed.value, answer_after_s=10))
            case "-1007 and later":
                faults.add(AnswerUnknown(method=deed.value, execution="later", execute_after_s=9, answer_after_s=10))
            case "hidden":
                faults.add(LoseAnswer(method=deed.value))
                faults.add(HideOrder(method=deed.value, for_s=60))
            case "answer lost":
                faults.add(LoseAnswer(method=deed.value))
            case _:
                faults.add(LoseRequest(method=deed.value))
        faults.add(LoseEvent(), times=None)
        nursery.start_soon(try_to, deed, former, order)
        await trio.sleep(0.5)
        host.kill()
        heir = await host.start(orders_on_crash=KEEP)
        await heir.settle()
        faults.clear()


async def test_nothing_is_placed_before_everything_is_known(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path) as host, trio.open_nursery() as nursery:
        former = await host.start(orders_on_crash=KEEP)
        await former.hand.rest(2 * SIZE, DEEP)
        host.kill()
        await trio.sleep(0.01)
        placed = dict(host.exchange.paper.intents)
        host.exchange.trade(SYMBOL, TOUCHED, SIZE)
        host.exchange.faults.add(DelayAnswer(method="myTrades", delay_s=5))
        heirs: list[Play] = []

        async def start() -> None:
            heirs.append(await host.start(orders_on_crash=KEEP))

        nursery.start_soon(start)
        await trio.sleep(4)
        assert heirs == []
        assert len(host.judges) == 2
        await until(lambda: bool(heirs))
        (heir,) = heirs
        assert heir.hand.position(SYMBOL) == host.exchange.position("BTC") > 0
        assert host.exchange.paper.intents == placed
        await heir.settle()


async def test_killed_again_and_again_on_its_way_up(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    async with a_host(seed, tmp_path, network=MemoryNetwork(delay_s=TRAVEL_S)) as host:
        former = await host.start(orders_on_crash=KEEP)
        for number in range(8):
            await former.hand.rest(SIZE, DEEP - number)
        host.kill()
        for _ in range(25):
            if random.random() < 0.3:
                host.exchange.trade(SYMBOL, DEEP - 9, SIZE)
            await host.start_and_kill(random.uniform(0.0, 0.6), orders_on_crash=KEEP)
        heir = await host.start(orders_on_crash=KEEP)
        assert heir.hand.position(SYMBOL) == host.exchange.position("BTC")
        await heir.settle()


async def test_a_week_of_sudden_deaths(tmp_path: Path, seed: int) -> None:
    """Processes place, cancel, amend, replace and trade until they are killed; the record stays the ledger's."""
    random = Random(seed)
    async with a_host(seed, tmp_path, network=MemoryNetwork(delay_s=TRAVEL_S)) as host:
        for _ in range(20):
            p = await host.start(orders_on_crash=KEEP)
            async with trio.open_nursery() as nursery:
                for _ in range(random.randrange(1, 12)):
                    live = [order for order in p.hand.orders if order.is_open]
                    deed = random.choice(ACTS) if live else Deed.PLACE
                    nursery.start_soon(try_to, deed, p, random.choice(live) if live else None)
                    await trio.sleep(random.expovariate(20))
                    if random.random() < 0.2:
                        host.exchange.trade(SYMBOL, DEEPER - 1, random.choice([SIZE, 4 * SIZE]))
                host.kill()
        heir = await host.start(orders_on_crash=KEEP)
        await heir.settle()
        assert heir.hand.position(SYMBOL) == host.exchange.position("BTC") > 0
        for order in heir.hand.orders:
            await heir.hand.cancel(order)
        await heir.settle()
        assert open_there(host) == []


async def test_after_an_end_in_order_the_position_goes_on_and_nothing_is_open(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path) as host:
        former = await host.start(orders_on_crash=KEEP)
        await former.hand.buy(SYMBOL, quantity=5 * SIZE)
        await former.hand.rest()
        await host.stop()
        assert open_there(host) == []
        with OrderJournal.read_only(host.left_behind) as record:
            assert record.orders() == ()
            assert record.load().ledgers["hand"].position(SYMBOL).quantity == host.exchange.position("BTC")
        heir = await host.start(orders_on_crash=KEEP)
        assert heir.hand.orders == ()
        assert heir.hand.position(SYMBOL) == 5 * SIZE * Decimal("0.999")
        assert heir.judge.fills == []
        await heir.hand.sell(SYMBOL, quantity=2 * SIZE)
        await heir.settle()


@pytest.mark.parametrize("policy", [KEEP, CANCEL])
async def test_without_a_journal_orders_with_ids_of_ours_are_adopted(seed: int, policy: OrdersOnCrash) -> None:
    async with a_host(seed, None) as host:
        former = await host.start(orders_on_crash=policy)
        resting, partly = await former.hand.rest(price=DEEPER), await former.hand.rest(price=DEEP)
        host.exchange.trade(SYMBOL, TOUCHED, SIZE)
        host.kill()
        await trio.sleep(1)
        heir = await host.start(orders_on_crash=policy)
        assert heir.hand.position(SYMBOL) == host.exchange.position("BTC") == SIZE * Decimal("0.999")
        assert {resting.client_order_id, partly.client_order_id} <= heir.judge.told.keys()
        await heir.settle()
        assert len(open_there(host)) == len(heir.hand.orders) == (2 if policy is KEEP else 0)


async def test_an_adopted_order_is_as_good_as_one_of_its_own(seed: int) -> None:
    async with a_host(seed, None) as host:
        former = await host.start(orders_on_crash=KEEP)
        for number in range(3):
            await former.hand.rest(price=DEEP - number)
        host.kill()
        await trio.sleep(1)
        heir = await host.start(orders_on_crash=KEEP)
        first, second, third = heir.hand.orders
        assert (await heir.hand.amend(first, 2 * SIZE)).quantity == 2 * SIZE
        assert (await heir.hand.cancel(second)).life is Life.CANCELED
        assert (await heir.hand.replace(third, price=DEEPER)).is_open
        host.exchange.trade(SYMBOL, DEEP - 1, SIZE)
        await trio.sleep(0.1)
        await heir.settle()
        assert [fill.order_id for fill in heir.hand.fills] == [first.order_id]


async def test_orders_of_others_are_reported_once_and_never_touched(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path) as host:
        p = await host.start(orders_on_crash=CANCEL)
        external = p.account.tree.desk.order_topics.external
        reported: list[int] = []
        external.tap(lambda report: reported.append(report.order_id), on_error=_raise)
        before = p.order_of_somebody_else(price=DEEP)
        await trio.sleep(0.1)
        host.kill()
        while_dead = p.order_of_somebody_else(price=DEEP)
        heir = await host.start(orders_on_crash=CANCEL)
        assert reported == [before]
        listed: list[int] = []
        heir.account.tree.desk.order_topics.external.tap(lambda report: listed.append(report.order_id), on_error=_raise)
        for _ in range(3):
            async with heir.away():
                pass
        assert listed == [], "they were reported at the start"
        own = await heir.hand.rest(price=DEEPER)
        host.exchange.trade(SYMBOL, TOUCHED, SIZE)
        await trio.sleep(1)
        assert listed == [before], "it has filled"
        assert heir.hand.fills == []
        assert heir.hand.position(SYMBOL) == 0
        assert [order.order_id for order in heir.hand.orders] == [own.order_id]
        await heir.hand.cancel_all()
        await heir.settle()
        await host.stop()
        assert open_there(host) == [while_dead]


async def test_no_symbol_is_forgotten_because_nobody_is_configured_to_trade_it(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path) as host:
        host.exchange.quote(OTHER, BID, ASK)
        former = await host.start(orders_on_crash=KEEP, symbols=(OTHER,))
        resting = await former.hand.buy(OTHER, quantity=2 * SIZE, price=DEEP)
        host.kill()
        host.exchange.trade(OTHER, DEEP - 1, SIZE)
        heir = await host.start(orders_on_crash=KEEP)
        assert heir.latest(resting).filled_quantity == SIZE
        host.exchange.trade(OTHER, DEEP - 1, SIZE)
        await trio.sleep(1)
        assert heir.latest(resting).is_filled
        assert heir.hand.position(OTHER) == host.exchange.position("ETH")
        await heir.settle()


async def test_what_the_journal_says_of_a_dead_process_can_be_read_while_the_next_one_trades(
    tmp_path: Path, seed: int
) -> None:
    async with a_host(seed, tmp_path) as host:
        former = await host.start(orders_on_crash=KEEP)
        order = await former.hand.rest(price=DEEP)
        host.kill()
        heir = await host.start(orders_on_crash=KEEP)
        await heir.hand.cancel(order)
        await trio.sleep(COMMITTED_AFTER_S)
        assert host.journal is not None
        with OrderJournal.read_only(host.journal.path) as record:
            history = record.history(order.client_order_id)
            assert history[0].order.life is Life.SENT
            assert history[-1].order == heir.latest(order)
            assert history[-1].order.life is Life.CANCELED
            assert record.orders() == ()


async def test_a_refused_order_stays_refused_in_the_next_process(tmp_path: Path, seed: int) -> None:
    async with a_host(seed, tmp_path) as host:
        former = await host.start(orders_on_crash=KEEP)
        with pytest.raises(Rejected):
            await former.hand.buy(SYMBOL, quantity=Decimal(100), price=DEEP)
        with pytest.raises(NotSent):
            await former.hand.buy(SYMBOL, quantity=Decimal("0.000001"), price=DEEP)
        await trio.sleep(COMMITTED_AFTER_S)
        host.kill()
        heir = await host.start(orders_on_crash=KEEP)
        assert [order.life for order in heir.account.table.newest_closed(10)] == [Life.REJECTED]
        assert heir.hand.orders == ()
        await heir.settle()


def _raise(error: Exception) -> None:
    raise error
