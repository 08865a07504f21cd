"""Failure 2: after an unplanned drop there is no reconnect at all, or one without the subscription to account events.

Then orders are placed and nobody hears of their fills. Here a session is ready only when it is logged on and
subscribed, however the line was lost and whatever goes wrong on the way back.
"""

from collections.abc import Callable
from random import Random

import pytest
import trio
from trio.testing import MockClock

from dogwatch import NotSent
from dogwatch.actors.paper.faults import ConnectionFault, Fault
from dogwatch.actors.session import SessionReady
from dogwatch.actors.testing import (
    Cut,
    DelayAnswer,
    GarbleAnswer,
    HalfClose,
    LoseAnswer,
    LoseRequest,
    ServerError,
    ShutDown,
    Stall,
)
from tests.stories.hand import DEEP, DEEPER, Play, play
from tests.stories.scene import SIZE, SYMBOL, until

BACK_WITHIN_S = 180.0
A_MOMENT_S = 0.001
LONG_S = 300.0
"""Longer than a silent line is believed in."""

DROPS: dict[str, ConnectionFault] = {
    "cut": Cut(),
    "the exchange sends no more": HalfClose(way="out"),
    "the exchange reads no more": HalfClose(way="in"),
    "silence": Stall(for_s=LONG_S),
    "closed in order": ShutDown(),
}

STAGES = ("time", "session.logon", "userDataStream.subscribe")
TROUBLES: dict[str, Callable[[str], Fault]] = {
    "cut before it": lambda method: Cut(on=method, when="before"),
    "cut after it": lambda method: Cut(on=method),
    "closed after it": lambda method: ShutDown(on=method),
    "half closed after it": lambda method: HalfClose(on=method),
    "it is lost": lambda method: LoseRequest(method=method),
    "its answer is lost": lambda method: LoseAnswer(method=method),
    "its answer breaks off": lambda method: GarbleAnswer(method=method),
    "its answer is late": lambda method: DelayAnswer(method=method, delay_s=20),
    "it fails": lambda method: ServerError(method=method),
    "it works and is said to fail": lambda method: ServerError(method=method, execution="now"),
    "silence": lambda method: Stall(on=method, for_s=LONG_S),
}


def sessions_of(p: Play) -> list[int]:
    """The sockets on which there was a session, from now on."""
    epochs: list[int] = []

    def hear(state: object) -> None:
        if isinstance(state, SessionReady):
            epochs.append(state.epoch)

    p.account.tree.link.topics.states.tap(hear, on_error=_raise)
    return epochs


async def check_that_events_come_once(p: Play) -> None:
    """An order fills on its own, and the strategy is told at once: by events of one subscription, not by a query."""
    order = await p.hand.rest(SIZE, DEEP)
    assert order.is_open
    await trio.sleep(A_MOMENT_S)
    events, fills = p.account.tree.link.topics.user_events, len(p.hand.fills)
    before = events.published
    p.exchange.trade(SYMBOL, DEEP - 1, SIZE)
    await trio.sleep(A_MOMENT_S)
    assert p.latest(order).is_filled
    assert [fill.order_id for fill in p.hand.fills[fills:]] == [order.order_id]
    assert not p.hand.fills[-1].is_recovered
    assert events.published - before == 2, "executionReport and outboundAccountPosition, once each"


@pytest.mark.parametrize("drop", DROPS)
async def test_events_flow_again_however_the_line_was_lost(virtual_clock: MockClock, seed: int, drop: str) -> None:
    async with play(seed) as p:
        await check_that_events_come_once(p)
        resting, ready = await p.hand.rest(2 * SIZE, DEEPER), sessions_of(p)
        p.exchange.faults.now(DROPS[drop])
        await until(lambda: bool(ready), within_s=BACK_WITHIN_S, step_s=0.1)
        await trio.sleep(1)
        await check_that_events_come_once(p)
        assert p.latest(resting).is_open
        await p.settle()


async def test_events_come_once_all_the_while_when_the_server_says_that_it_will_close(
    virtual_clock: MockClock, seed: int
) -> None:
    """No drop at all: another socket is there before it closes."""
    async with play(seed) as p:
        resting, ready = await p.hand.rest(2 * SIZE, DEEPER), sessions_of(p)
        rotated = p.account.tree.link.rotation.rotated
        p.exchange.faults.now(ShutDown(notice_s=5.0))
        for _ in range(8):
            await check_that_events_come_once(p)
            await trio.sleep(1)
        assert rotated.published == 1
        assert rotated.last is not None
        assert rotated.last.is_seamless
        assert ready == []
        assert p.latest(resting).is_open
        await p.settle()


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("stage", STAGES)
async def test_trouble_at_any_stage_of_the_way_back_only_delays_it(
    virtual_clock: MockClock, seed: int, stage: str, trouble: str, times: int
) -> None:
    async with play(seed) as p:
        states = p.account.tree.link.topics.states
        armed = p.exchange.faults.add(TROUBLES[trouble](stage), times=times)
        p.exchange.faults.now(Cut())
        await until(lambda: armed.hits == times, within_s=times * BACK_WITHIN_S, step_s=0.1)
        await trio.sleep(1)
        await until(lambda: isinstance(states.last, SessionReady), within_s=BACK_WITHIN_S, step_s=0.1)
        await check_that_events_come_once(p)
        await p.settle()


async def test_a_line_that_breaks_again_and_again_ends_subscribed(virtual_clock: MockClock, seed: int) -> None:
    random = Random(seed)
    async with play(seed) as p:
        for _ in range(30):
            await trio.sleep(random.uniform(0.01, 3.0))
            try:
                await p.hand.rest(SIZE, DEEPER, within_s=random.uniform(0.0, 1.0))
            except NotSent:
                pass  # no session just then
            p.exchange.faults.now(random.choice([Cut(), HalfClose(), ShutDown()]))
        await trio.sleep(60)
        await check_that_events_come_once(p)
        await p.settle()


@pytest.mark.parametrize("away_s", [5, 100, 3600])
async def test_it_comes_back_from_a_long_absence_of_the_exchange(
    virtual_clock: MockClock, seed: int, away_s: float
) -> None:
    async with play(seed) as p:
        resting, ready = await p.hand.rest(2 * SIZE), sessions_of(p)
        p.exchange.network.reachable = False
        p.exchange.cut()
        await trio.sleep(away_s)
        with pytest.raises(NotSent):
            await p.hand.rest(SIZE)
        p.exchange.trade(SYMBOL, DEEP - 1, SIZE)
        assert ready == []
        p.exchange.network.reachable = True
        await until(lambda: bool(ready), within_s=BACK_WITHIN_S, step_s=0.1)
        await trio.sleep(1)
        assert p.latest(resting).filled_quantity == SIZE
        await p.hand.cancel(resting)
        await check_that_events_come_once(p)
        await p.settle()


async def test_an_order_on_the_way_of_a_line_that_is_read_no_more_is_not_lost(
    virtual_clock: MockClock, seed: int
) -> None:
    async with play(seed) as p:
        ready = sessions_of(p)
        p.exchange.faults.now(HalfClose(way="in"))
        order = await p.hand.rest(SIZE, within_s=5)
        assert order.is_unknown
        await until(lambda: bool(ready), within_s=BACK_WITHIN_S, step_s=0.1)
        await p.settle()
        assert p.exchange.orders() == []
        await check_that_events_come_once(p)


def _raise(error: Exception) -> None:
    raise error
