"""Failure 3: a rotation closes the old socket before it opens the next (5 s without one), loses the subscription of
keys that cannot log on, and forgets the requests that are under way.

Here the next socket is subscribed and proven before the old one is left, and the old one is kept until it has answered.
Witness is the exchange's own record. Bytes travel for 20 ms each way.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from dogwatch import NotSent, Order
from dogwatch.actors.paper.exchange import ACCOUNT
from dogwatch.actors.paper.faults import Fault
from dogwatch.actors.paper.record import ConnectionLog
from dogwatch.actors.rotation_messages import RotateNow, RotationTopics
from dogwatch.actors.session import SessionState
from dogwatch.actors.spot.signing import HmacSigner, Signer
from dogwatch.actors.testing import (
    CutHandshake,
    DelayAnswer,
    LoseAnswer,
    LoseRequest,
    RefuseHandshake,
    RefuseRequest,
    StagedExchange,
    StallHandshake,
)
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.hand import ASK, BID, DEEP, DEEPER, Deed, Play, perform
from tests.stories.scene import SIZE, SYMBOL, open_exchange, until

TRAVEL_S = 0.020
LONG_S = 120.0
LET_GO_WITHIN_S = 45.0
"""The longest that the old socket is kept for requests that nobody answers, and what its end takes."""

KEYS: dict[str, Callable[[StagedExchange], Signer]] = {
    "logs on": lambda exchange: exchange.signer(),
    "signs each request": lambda exchange: HmacSigner(exchange.paper.hmac_api_key, exchange.paper.hmac_secret),
}
SUBSCRIBING = {"logs on": "userDataStream.subscribe", "signs each request": "userDataStream.subscribe.signature"}


class Rotating:
    """A play whose link is to rotate, and what becomes of it."""

    def __init__(self, p: Play) -> None:
        self.p = p
        self.states: list[SessionState] = []
        """What everybody is told of the session: nothing, when all is well."""
        self.began_s = trio.current_time()
        p.account.tree.link.topics.states.tap(self.states.append, on_error=_raise)

    @property
    def topics(self) -> RotationTopics:
        return self.p.account.tree.link.rotation

    def begin(self) -> None:
        self.topics.wanted.publish(RotateNow(reason="it is time"))

    async def is_over(self, times: int = 1, *, within_s: float = 100.0) -> None:
        await until(lambda: self.topics.rotated.published == times, within_s=within_s, step_s=0.1)
        await until(lambda: len(self.standing()) == 1, step_s=0.1)

    async def rotate(self) -> None:
        times = self.topics.rotated.published
        self.begin()
        await trio.sleep(3)  # both sockets are listened to now, until an event has come over both
        await check_that_an_event_comes_once(self.p)
        await self.is_over(times + 1)

    def sockets(self) -> list[ConnectionLog]:
        return [log for log in self.p.exchange.paper.record.connections if log.to == "api"]

    def standing(self) -> list[ConnectionLog]:
        return [log for log in self.sockets() if log.is_open]

    def check_that_nobody_was_ever_away(self) -> None:
        record = self.p.exchange.paper.record
        assert record.away(ACCOUNT, self.began_s, trio.current_time(), what="subscribed") == []
        assert self.states == []


@asynccontextmanager
async def rotating(seed: int, key: str = "logs on") -> AsyncIterator[Rotating]:
    async with open_exchange(seed=seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        async with perform(exchange, seed, signer=KEYS[key](exchange)) as p:
            await check_that_an_event_comes_once(p)
            yield Rotating(p)
            await p.settle()


async def check_that_an_event_comes_once(p: Play) -> None:
    """An order fills on its own, and the strategy is told by an event."""
    order = await p.hand.rest(SIZE, DEEP)
    assert order.is_open
    fills = len(p.hand.fills)
    p.exchange.trade(SYMBOL, DEEP - 1, SIZE)
    await trio.sleep(3 * TRAVEL_S)
    assert [fill.order_id for fill in p.hand.fills[fills:]] == [order.order_id]
    assert not p.hand.fills[-1].is_recovered


@pytest.mark.parametrize("key", KEYS)
async def test_the_next_socket_is_subscribed_before_the_old_one_is_left(
    virtual_clock: MockClock, seed: int, key: str
) -> None:
    async with rotating(seed, key) as rotation:
        for _ in range(3):
            await rotation.rotate()
        sockets = rotation.sockets()
        assert len(sockets) == 4
        for old, new in pairwise(sockets):
            assert old.closed_s is not None
            assert new.subscribed[0].from_s < old.closed_s
            assert bool(new.logged_on) == (key == "logs on")
        rotation.check_that_nobody_was_ever_away()
        await check_that_an_event_comes_once(rotation.p)


@pytest.mark.parametrize("key", KEYS)
async def test_no_order_is_refused_while_it_moves_and_no_fill_is_lost_or_doubled(
    virtual_clock: MockClock, seed: int, key: str
) -> None:
    """One every ten milliseconds: some are under way at every step."""
    async with rotating(seed, key) as rotation:
        p = rotation.p
        placed: list[Order] = []
        filled = len(p.hand.fills)

        async def place() -> None:
            placed.append(await p.hand.buy(SYMBOL, quantity=SIZE))

        async with trio.open_nursery() as nursery:
            rotation.begin()
            for _ in range(90):
                nursery.start_soon(place)
                await trio.sleep(0.01)
        await rotation.is_over()
        requests = [request for request in p.exchange.paper.record.requests if request.method == "order.place"]
        assert len({request.connection for request in requests}) == 2
        assert all(order.is_filled for order in placed)
        told = sorted(fill.order_id for fill in p.hand.fills[filled:])
        assert told == sorted(order.order_id for order in placed if order.order_id is not None)
        assert len(told) == 90
        rotation.check_that_nobody_was_ever_away()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("deed", Deed)
async def test_a_request_under_way_is_answered_on_the_old_socket(
    virtual_clock: MockClock, seed: int, deed: Deed, key: str
) -> None:
    """Longer than everything else in the rotation takes."""
    async with rotating(seed, key) as rotation, trio.open_nursery() as nursery:
        order = None if deed is Deed.PLACE else await rotation.p.hand.rest(price=DEEPER)
        rotation.p.exchange.faults.add(DelayAnswer(method=deed.value, delay_s=20))
        answers: list[Order] = []

        async def do() -> None:
            answers.append(await deed.do(rotation.p.hand, order, within_s=60))

        asked_s = trio.current_time()
        nursery.start_soon(do)
        await trio.sleep(TRAVEL_S / 2)
        rotation.begin()
        await trio.sleep(3)
        await check_that_an_event_comes_once(rotation.p)  # nothing else keeps the old socket
        await trio.sleep(10)
        assert [socket.is_open for socket in rotation.sockets()] == [True, True]
        await rotation.is_over()
        assert len(answers) == 1
        assert not answers[0].is_unknown
        old = rotation.sockets()[0]
        assert old.closed_s is not None
        assert old.closed_s - asked_s > 20
        rotation.check_that_nobody_was_ever_away()


async def test_a_request_that_is_never_answered_holds_the_old_socket_for_a_while_and_not_for_ever(
    virtual_clock: MockClock, seed: int
) -> None:
    """It is unknown then, and the truth is asked for over the next socket."""
    async with rotating(seed) as rotation, trio.open_nursery() as nursery:
        rotation.p.exchange.faults.add(LoseAnswer())
        orders: list[Order] = []

        async def place() -> None:
            orders.append(await rotation.p.hand.rest(SIZE, DEEPER, within_s=100))

        nursery.start_soon(place)
        await trio.sleep(TRAVEL_S / 2)
        began_s = trio.current_time()
        await rotation.rotate()
        old, _new = rotation.sockets()
        assert old.closed_s is not None
        assert old.closed_s - began_s < LET_GO_WITHIN_S
        await until(lambda: bool(orders), within_s=100, step_s=0.1)
        await until(lambda: not rotation.p.judge.is_anything_in_doubt, within_s=LONG_S, step_s=0.1)
        assert rotation.p.latest(orders[0]).is_open
        rotation.check_that_nobody_was_ever_away()


OBSTACLES: dict[str, Callable[[str], Fault]] = {
    "refused at the door": lambda _: RefuseHandshake(to="api"),
    "cut at the door": lambda _: CutHandshake(to="api"),
    "the door says nothing": lambda _: StallHandshake(to="api"),
    "asked for the time it says nothing": lambda _: LoseRequest(method="time"),
    "it does not subscribe": lambda method: RefuseRequest(method=method),
    "it subscribes and does not say so": lambda method: LoseAnswer(method=method),
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("obstacle", OBSTACLES)
async def test_while_the_next_socket_comes_to_nothing_the_old_one_carries_on(
    virtual_clock: MockClock, seed: int, obstacle: str, key: str
) -> None:
    async with rotating(seed, key) as rotation:
        armed = rotation.p.exchange.faults.add(OBSTACLES[obstacle](SUBSCRIBING[key]), times=2)
        rotation.begin()
        while rotation.topics.rotated.published == 0:
            await check_that_an_event_comes_once(rotation.p)
            await trio.sleep(2)
            assert trio.current_time() - rotation.began_s < 400
        assert armed.hits == 2
        await rotation.is_over()
        rotation.check_that_nobody_was_ever_away()
        await check_that_an_event_comes_once(rotation.p)


async def test_orders_that_come_while_nothing_can_be_opened_are_not_refused(
    virtual_clock: MockClock, seed: int
) -> None:
    async with rotating(seed) as rotation:
        rotation.p.exchange.network.reachable = False
        rotation.begin()
        for _ in range(30):
            await trio.sleep(10)
            try:
                await check_that_an_event_comes_once(rotation.p)
            except NotSent as refusal:
                raise AssertionError("the old socket stands") from refusal
        rotation.p.exchange.network.reachable = True
        await rotation.is_over(within_s=400)
        rotation.check_that_nobody_was_ever_away()


def _raise(error: Exception) -> None:
    raise error
