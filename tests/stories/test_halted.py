"""An operator halts trading: what the process did is told, and holds over crashes and restarts until it is lifted."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from dogwatch import DogwatchError, NotSent, Order
from dogwatch.actors.halting import Halted, Halting, HaltNow, ResumeNow
from dogwatch.actors.order_journal import OrderJournal
from dogwatch.actors.order_messages import Evidence
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.faults import LoseRequest
from dogwatch.actors.paper.rate_limits import RateLimitRules
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.tree import Tree
from dogwatch.runtime.logger import StandardLogger
from tests.stories.hand import ASK, BID, DEEP, DEEPER, Play, perform
from tests.stories.scene import SIZE, SYMBOL, Account, Character, Part, open_exchange, until

pytestmark = pytest.mark.usefixtures("virtual_clock")

NOW = HaltNow(reason="a look at the position", within_s=10)


def halting(tree: Tree, obstacle: str = "") -> Halting:
    return Halting(tree.desk, obstacle=lambda: obstacle, log=StandardLogger("test"))


async def halt(play: Play, obstacle: str = "", **changes: Any) -> Halted:
    command = HaltNow(**{"reason": NOW.reason, "within_s": NOW.within_s, **changes})
    return await halting(play.account.tree, obstacle).halt(command)


async def resume(play: Play) -> None:
    await halting(play.account.tree).resume(ResumeNow())


def open_orders(play: Play) -> list[dict[str, Any]]:
    return [row for row in play.exchange.orders() if row["status"] in ("NEW", "PARTIALLY_FILLED")]


async def test_a_halt_ends_every_order_and_says_so_and_trading_goes_on_when_it_is_lifted(seed: int) -> None:
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        async with perform(exchange, seed) as play:
            await play.hand.rest()
            await play.hand.rest(price=DEEPER)
            foreign = play.order_of_somebody_else()
            halted = await halt(play)
            assert halted.ended == {"CANCELED": 2}
            assert halted.is_done
            assert (halted.is_new, halted.is_lasting, halted.trouble) == (True, False, "")
            assert [row["orderId"] for row in open_orders(play)] == [foreign], "what others placed is left alone"
            assert play.hand.is_halted
            assert play.part.now.life == 1, "a strategy lives through it"
            with pytest.raises(NotSent, match=NOW.reason):
                await play.hand.rest()
            await resume(play)
            assert (await play.hand.rest()).is_open
            play.cancel_by_hand(foreign)


async def test_a_fill_that_comes_first_is_told_as_such(seed: int) -> None:
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        async with perform(exchange, seed) as play:
            await play.hand.rest(price=DEEP, quantity=SIZE)
            await play.hand.rest(price=DEEPER)
            play.account.tree.desk.halts.set("early", 0)
            exchange.trade(SYMBOL, price=DEEP - 1, quantity=Decimal(1))
            halted = await halt(play)
            assert halted.ended in ({"CANCELED": 1, "FILLED": 1}, {"CANCELED": 1})  # known of before, or by the halt
            assert (halted.is_new, halted.reason, halted.is_done) == (False, "early", True)
            await play.settle()


async def test_what_is_unknown_is_told_and_pursued_until_it_is_known(seed: int) -> None:
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        async with perform(exchange, seed) as play:
            exchange.faults.add(LoseRequest(method="order.place"))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(play.hand.rest)
                await until(lambda: bool(play.hand.orders))
                exchange.network.reachable = False
                exchange.network.cut_all()
                halted = await halt(play, "connecting", within_s=3)
                assert not halted.is_done
                (order,) = halted.live
                assert isinstance(order, Order)
                assert order.is_unknown
                assert halted.obstacle == "connecting"
                exchange.network.reachable = True
                again = await halt(play, within_s=200)
                assert again.is_done
                assert again.ended == {"NEVER_PLACED": 1}
                assert open_orders(play) == []
            await play.settle()


async def test_a_tracker_that_crashes_while_it_halts_is_asked_again(seed: int) -> None:
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        async with perform(exchange, seed) as play:
            order = await play.hand.rest()
            for line in exchange.network.connections:
                line.delay(1.0)
            nonsense: Any = object()
            results: list[Halted] = []

            async def ask() -> None:
                results.append(await halt(play, within_s=60))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                await trio.sleep(0.5)
                play.account.tree.desk.orders.tell(Evidence(client_order_id=order.client_order_id, event=nonsense))
            assert play.account.restarts
            assert results[0].is_done
            assert open_orders(play) == []


async def test_orders_that_wait_for_room_in_a_limit_are_never_sent(seed: int) -> None:
    config = PaperConfig(rate_limits=RateLimitRules(orders_per_10_seconds=5))
    async with open_exchange(seed=seed, config=config) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        async with perform(exchange, seed) as play, trio.open_nursery() as nursery:
            outcomes: list[Order | NotSent] = []

            async def place() -> None:
                try:
                    outcomes.append(await play.hand.rest(quantity=SIZE, price=DEEPER, within_s=60))
                except NotSent as refusal:
                    outcomes.append(refusal)

            for _ in range(8):
                nursery.start_soon(place)
            await until(lambda: len(open_orders(play)) == 5)
            assert len(play.hand.orders) == 8, "three wait"
            halted = await halt(play)
            assert halted.is_done
            assert halted.ended == {"CANCELED": 5, "NEVER_PLACED": 3}
            await trio.sleep(30)
            assert len(play.exchange.orders()) == 5
            assert sum(isinstance(outcome, NotSent) for outcome in outcomes) == 3


async def test_a_halt_without_a_link_counts_at_once_and_its_cancels_follow(seed: int) -> None:
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        async with perform(exchange, seed) as play:
            await play.hand.rest()
            async with play.away():
                halted = await halt(play, "connecting")
                assert not halted.is_done
                assert len(halted.live) == 1
            await until(lambda: not open_orders(play))
            assert (await halt(play)).is_done


async def test_a_new_process_begins_halted_ends_what_the_last_one_left_and_starts_its_strategies_when_it_is_lifted(
    seed: int, tmp_path: Path
) -> None:
    file = tmp_path / "trade.journal"
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        with OrderJournal.open(file, in_thread=False) as journal:
            async with perform(exchange, seed, journal=journal) as play:
                assert (await halt(play)).is_lasting
        stranger = play.order_of_somebody_else()  # and an order of ours, of which no journal knows
        terms = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": str(SIZE), "price": str(DEEP)}
        exchange.paper.engine.place(
            "main", {"symbol": SYMBOL, **terms, "newClientOrderId": "dw-hand-0lder-1-1"}, exchange.clock.unix_ms()
        )
        with OrderJournal.open(file, in_thread=False) as journal:
            part = Part("hand", Character, orders_on_crash=OrdersOnCrash.KEEP)
            account = Account(exchange, part.entry, seed=seed, journal=journal)
            async with account.trading():
                await trio.sleep(30)
                assert part.lives == [], "no life begins"
                assert [row["orderId"] for row in exchange.orders() if row["status"] == "NEW"] == [stranger]
                assert account.tree.desk.halts.halt is not None
                await halting(account.tree).resume(ResumeNow())
                await until(lambda: len(part.lives) == 1)
        with OrderJournal.open(file, in_thread=False) as journal:
            assert journal.halted is None


async def test_a_strategy_that_crashes_during_a_halt_begins_anew_when_it_is_lifted(seed: int) -> None:
    class Careless(Character):
        async def run(self) -> None:
            while True:
                await self.buy(SYMBOL, quantity=SIZE, price=DEEP)
                await trio.sleep(1)

    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        part = Part("careless", Careless)
        account = Account(exchange, part.entry, seed=seed)
        async with account.trading():
            await trio.sleep(2)
            halted = await halting(account.tree).halt(NOW)
            assert halted.is_done
            await trio.sleep(600)
            assert len(part.lives) == 1
            assert len(account.restarts) == 1
            await halting(account.tree).resume(ResumeNow())
            await until(lambda: len(part.lives) == 2)


async def test_a_wish_to_go_on_that_is_read_when_its_asker_has_gone_is_not_granted(seed: int) -> None:
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        async with perform(exchange, seed) as play:
            await halt(play)
            desk = play.account.tree.desk
            until_ms = desk.clock.unix_ms()
            await trio.sleep(0.001)
            with pytest.raises(DogwatchError, match="too late"):
                await halting(play.account.tree).resume(ResumeNow(until_ms=until_ms))
            assert desk.halts.halt is not None
            await halting(play.account.tree).resume(ResumeNow(until_ms=desk.clock.unix_ms()))
            assert desk.halts.halt is None
