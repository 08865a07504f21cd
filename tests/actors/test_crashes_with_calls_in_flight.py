"""Whoever of a link crashes, at any moment of a rotation and whatever calls wait for: each of them has one outcome, and
it is true.
"""

from collections import Counter
from typing import Any

import pytest
import trio

from dogwatch.actors.session import Call, SessionReady
from dogwatch.actors.spot.errors import NotSent, OutcomeUnknown
from dogwatch.actors.spot.methods import Method
from dogwatch.runtime.mailbox import Mailbox
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.testing.network import MemoryNetwork
from tests.actors.paper_link import an_order
from tests.actors.test_rotation import Market, open_market

pytestmark = pytest.mark.usefixtures("virtual_clock")

MOMENTS_S = [step * 0.0053 for step in range(0, 60, 5)]
"""From before the newer socket stands until the link has moved, at no step of the network's."""


async def ask(market: Market, name: str, outcomes: dict[str, str]) -> None:
    assert name not in outcomes
    try:
        call = Call(method=Method.ORDER_PLACE, params=an_order(name))
        response = await market.link.session.ask(call, within_s=15)
    except (NotSent, OutcomeUnknown) as failure:
        outcomes[name] = type(failure).__name__
    else:
        outcomes[name] = "placed" if response.is_ok else "refused"


async def ask_all_the_time(market: Market, outcomes: dict[str, str]) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(45):
            nursery.start_soon(ask, market, f"order-{number}", outcomes)
            await trio.sleep(0.011)


def mailbox_of(market: Market, who: str) -> Mailbox:
    a, b = market.link.lines
    refs: dict[str, ActorRef[Any]] = {
        "session": market.link.session,
        "rotation": market.rotation,
        "former line": a.connection,
        "newer line": b.connection,
    }
    return refs[who].mailbox


@pytest.mark.parametrize("waits_for", ["nothing", "room", "the clock"])
@pytest.mark.parametrize("crashing", ["session", "rotation", "former line", "newer line"])
async def test_each_call_has_one_outcome_and_it_is_true(network: MemoryNetwork, crashing: str, waits_for: str) -> None:
    seen: Counter[str] = Counter()
    network.delay_s = 0.01
    waited = 0
    for moment_s in MOMENTS_S:
        outcomes: dict[str, str] = {}
        async with open_market(network) as market, trio.open_nursery() as nursery:
            market.rotate()
            if waits_for == "the clock":
                market.exchange.clock.jump(-5)
            elif waits_for == "room":
                market.exchange.use_orders(85)
            nursery.start_soon(ask_all_the_time, market, outcomes)
            await trio.sleep(moment_s)
            mailbox_of(market, crashing).fail_consumer(RuntimeError("a mistake of ours"))
            await trio.sleep(30)
            assert isinstance(market.states[-1], SessionReady)
            assert len(outcomes) == 45, "none is left without an answer"
            placed = market.exchange.intents
            for name, outcome in outcomes.items():
                if outcome in ("placed", "NotSent", "refused"):
                    assert (name in placed) is (outcome == "placed"), (moment_s, name, outcome)
            assert set(placed.values()) == {1}
            assert market.link.limiter.waiting == 0
            seen.update(outcomes.values())
            waited += market.link.limiter.waited
    if crashing == "rotation":
        assert seen.keys() == {"placed"}, seen
    elif crashing != "newer line":
        assert seen.keys() >= {"placed", "NotSent", "OutcomeUnknown"}, seen
    assert (waited > 4 * len(MOMENTS_S)) is (waits_for == "room")
