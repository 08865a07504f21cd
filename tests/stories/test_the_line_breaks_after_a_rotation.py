"""A link moves to a new socket, and soon after that one breaks, or the former one does: nothing stays unheard."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from random import Random
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from dogwatch.actors.paper.record import ToldEvent
from dogwatch.actors.rotation_messages import RotateNow
from dogwatch.actors.testing import Cut, StagedExchange
from tests.stories.scene import SYMBOL, Account, Part, open_exchange
from tests.stories.session_watch import SessionWatch
from tests.stories.test_a_day import Sleeper

EVERY_S = 0.3
BID = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "39000", "quantity": "0.001"}


class Watch(SessionWatch):
    """Somebody else's orders on the account, and what the account's listeners and the exchange say of them."""

    def __init__(self, exchange: StagedExchange, account: Account) -> None:
        super().__init__(account)
        self.exchange = exchange

    def told(self) -> list[ToldEvent]:
        """What there was to be heard, but for what came while there was no session: recovery asks for that."""
        gaps = self.gaps()
        reports = [entry for entry in self.exchange.paper.record.events if entry.event["e"] == "executionReport"]
        return [entry for entry in reports if not any(lost_s <= entry.at_s <= ready_s for lost_s, ready_s in gaps)]

    async def trade(self) -> None:
        paper, clock = self.exchange.paper, self.exchange.clock
        while True:
            row = paper.engine.place("main", BID, clock.unix_ms())
            paper.settle()
            await trio.sleep(EVERY_S)
            paper.engine.cancel("main", {"symbol": SYMBOL, "orderId": row["orderId"]}, clock.unix_ms())
            paper.settle()
            await trio.sleep(EVERY_S)


def _is_meant(struck: str, former: list[int], facts: Mapping[str, Any]) -> bool:
    return struck == "both" or (facts["number"] in former) == (struck == "the former one")


@pytest.mark.parametrize("struck", ["the new one", "the former one", "both"])
@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.5, 1.9, 3.0, 6.0, 11.0])
async def test_every_event_is_heard_once_however_soon_after_a_rotation_a_line_breaks(
    after_s: float, struck: str, virtual_clock: MockClock, seed: int
) -> None:
    random = Random(seed)
    async with AsyncExitStack() as stack:
        exchange = await stack.enter_async_context(open_exchange(seed=seed))
        exchange.quote(SYMBOL, "39950", "40000")
        account = Account(exchange, Part("sleeper", Sleeper).entry, seed=seed)
        watch = Watch(exchange, account)
        async with account.trading(), trio.open_nursery() as nursery:
            nursery.start_soon(watch.trade)
            for _ in range(4):
                await trio.sleep(20 + random.random())
                numbers = [log.number for log in exchange.paper.record.connections if log.is_open and log.to == "api"]
                account.tree.link.rotation.wanted.publish(RotateNow(reason="somebody wants it"))
                await trio.sleep(after_s)
                exchange.faults.now(Cut(), where=partial(_is_meant, struck, numbers))
                await trio.sleep(30)
            nursery.cancel_scope.cancel()
            unheard = [entry for entry in watch.told() if entry.event["I"] not in set(watch.heard)]
            assert unheard == []
            assert exchange.paper.record.away("main", trio.current_time() - 10, trio.current_time()) == []
        assert len(watch.heard) == len(set(watch.heard)) > 500
