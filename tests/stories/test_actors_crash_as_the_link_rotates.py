"""Actors below the strategies crash, and lines break, while the link rotates and orders flow: belief and ledger agree,
and every event of the account is heard once outside of the times for which a loss was told.

CRASH_FUZZES=100 plays so many seeds.
"""

import os
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from dogwatch import Context, NotSent, Rejected, Side
from dogwatch.actors.paper.faults import ConnectionFault, Fault
from dogwatch.actors.paper.record import ToldEvent
from dogwatch.actors.rotation_messages import RotateNow
from dogwatch.actors.session_messages import SessionLost
from dogwatch.actors.testing import (
    Cut,
    EndSubscriptions,
    RefuseHandshake,
    RefuseLogon,
    ShutDown,
    SilentSubscription,
    StagedExchange,
)
from dogwatch.runtime.specs import actor_specs
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.scene import (
    SIZE,
    SYMBOL,
    Account,
    Character,
    Part,
    check_that_all_is_square,
    open_exchange,
    prices_move,
    walk,
)
from tests.stories.session_watch import SessionWatch

SEEDS = range(int(os.environ.get("CRASH_FUZZES", "2")))
BOUTS = 10
ON_THE_WAY_S = 0.25
"""Longer than anything is under way: what was told so shortly before a loss may have been lost with its socket."""
DEAF_S = 15.0
"""A silent subscription is found so much later at the latest, if no other socket is there to show what is missing."""
LINES = ("lines/a/connection", "lines/b/connection", "lines/a/pong", "lines/b/pong")
CRASHING = (
    *("link/session",) * 3,
    *("link/rotation",) * 3,
    *(f"{link}/{actor}" for link in ("link", "market_link") for actor in (*LINES, "liveness", "rotation")),
    "link/clock_sync",
    "market_link/market_data",
)


class Trader(Character):
    """Several at once: what trades at once, what rests, and what is taken back before anybody knows that it stands."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tried = self.refusals = 0

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(2):
                nursery.start_soon(self._trade, Random(number))

    async def _trade(self, random: Random) -> None:
        while True:
            await trio.sleep(random.uniform(0, 0.6))
            self.tried += 1
            try:
                side = random.choice((Side.BUY, Side.SELL))
                if random.random() < 0.5:
                    await self.closed(await self.place(side, SYMBOL, quantity=SIZE))
                else:
                    price = Decimal(39_000) if side is Side.BUY else Decimal(41_000)
                    order = await self.place(side, SYMBOL, quantity=SIZE, price=price)
                    await trio.sleep(random.uniform(0, 0.2))
                    await self.cancel(order)
            except (NotSent, Rejected):
                self.refusals += 1  # no session just now


class Watch(SessionWatch):
    """What the exchange told of the account, beside what the listeners were told, and when a loss was."""

    def __init__(self, exchange: StagedExchange, account: Account) -> None:
        super().__init__(account)
        self.record = exchange.paper.record
        self.record.keep(200_000)

    def unheard(self) -> list[ToldEvent]:
        """What came outside of the times for which a loss was told, and was not passed on."""
        gaps, heard, until_s = self.gaps(), set(self.heard), trio.current_time() - ON_THE_WAY_S
        return [
            told
            for told in self.record.events
            if told.event["e"] == "executionReport"
            and told.event["I"] not in heard
            and told.at_s < until_s
            and not any(lost_s <= told.at_s <= ready_s + ON_THE_WAY_S for lost_s, ready_s in gaps)
        ]

    def doubled(self) -> list[int]:
        return [number for number, times in Counter(self.heard).items() if times > 1]

    def blind_before_s(self, loss: SessionLost) -> float:
        is_deaf = "event" in loss.reason and "stream" not in loss.reason
        return DEAF_S if is_deaf else ON_THE_WAY_S


class Bouts:
    """One after the other: a link rotates, and meanwhile this and that goes wrong."""

    def __init__(self, exchange: StagedExchange, account: Account, random: Random) -> None:
        self._exchange = exchange
        self._links = (account.tree.link, account.tree.market_link)
        self._actors = {path: spec.ref for path, spec in actor_specs(account.tree.spec)}
        self._random = random
        self.log: list[tuple[float, str]] = []

    async def fight(self) -> None:
        random = self._random
        for _ in range(BOUTS):
            await trio.sleep(random.uniform(12, 45))
            for connection in self._exchange.network.connections:
                connection.delay(random.choice((0.0, 0.002, 0.01, 0.05)))
            link = random.choice((*self._links, self._links[0]))
            self._note(f"rotate {link.name}")
            link.rotation.wanted.publish(RotateNow(reason="somebody wants it"))
            for _ in range(random.choice((1, 1, 2, 3))):
                await trio.sleep(random.choice((0.0, random.uniform(0, 0.5), random.uniform(0, 6))))
                for _ in range(random.randrange(3)):
                    await trio.lowlevel.checkpoint()
                self._strike()

    def _strike(self) -> None:
        random = self._random
        match random.randrange(8):
            case 0:
                self._break_line(Cut())
            case 1:
                faults: tuple[Fault, ...] = (RefuseLogon(), SilentSubscription(), Cut(on="ping"), Cut(on="time"))
                fault = random.choice(faults)
                self._note(f"{fault}")
                self._exchange.faults.add(fault)
            case 2:
                self._break_line(random.choice((EndSubscriptions(), ShutDown(notice_s=random.uniform(0, 4)))))
            case 3:
                by_s = random.choice((-5.0, -2.0, 2.0, 5.0))
                self._note(f"the clock jumps by {by_s} s")
                self._exchange.paper.clock.jump(by_s)
            case 4:
                self._note("the limits are nearly used up")
                self._exchange.paper.use_weight(random.choice((3_000, 5_500)))
                self._exchange.faults.add(RefuseHandshake(status=503), times=random.choice((1, 2)))
            case _:
                self._crash(random.choice(CRASHING))

    def _break_line(self, fault: ConnectionFault) -> None:
        numbers = [log.number for log in self._exchange.paper.record.connections if log.is_open]
        struck = set(self._random.sample(numbers, k=min(len(numbers), self._random.choice((1, 1, 2)))))

        def is_meant(facts: Mapping[str, Any]) -> bool:
            return facts["number"] in struck

        self._note(f"{fault} {struck}")
        self._exchange.faults.now(fault, to=None, where=is_meant)

    def _crash(self, path: str) -> None:
        self._note(f"crash {path}")
        self._actors[f"dogwatch/{path}"].mailbox.fail_consumer(RuntimeError("a mistake of ours"))

    def _note(self, what: str) -> None:
        self.log.append((round(trio.current_time(), 3), what))


@pytest.mark.parametrize("number", SEEDS)
async def test_belief_and_ledger_agree_and_events_are_lost_only_where_that_is_told(
    number: int, virtual_clock: MockClock, seed: int
) -> None:
    seed = 1000 * seed + number
    random = Random(seed)
    network = MemoryNetwork(delay_s=random.choice((0.0, 0.001, 0.01)))
    async with open_exchange(seed=seed, network=network, feed=walk(seed)) as exchange, prices_move(exchange):
        trader = Part("trader", Trader)
        account = Account(exchange, trader.entry, seed=seed)
        watch = Watch(exchange, account)
        async with account.trading():
            bouts = Bouts(exchange, account, random)
            await bouts.fight()
            exchange.faults.clear()
            await trio.sleep(100)
            for link in (account.tree.link, account.tree.market_link):
                assert sum(line.topics.epoch is not None for line in link.lines) == 1, bouts.log
            assert exchange.paper.record.away("main", trio.current_time() - 30, trio.current_time()) == [], bouts.log
            played = sorted([*bouts.log, *((at_s, f"{state}") for at_s, state in watch.states)])
            assert [(told.at_s, told.event["I"]) for told in watch.unheard()] == [], played
            assert watch.doubled() == [], played
            assert trader.now.tried > 400
        check_that_all_is_square(exchange, account)
        assert set(exchange.paper.intents.values()) == {1}
