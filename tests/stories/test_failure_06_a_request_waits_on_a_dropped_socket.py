"""Failure 6: a request in flight on a socket that drops waits 10 s, 20 s, or for ever.

Here every request is settled in the same instant in which the loss is seen: what was written is unknown, what was not
written is NotSent and never will be. Bytes travel for 20 ms each way.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import trio
from trio.testing import MockClock

from dogwatch import NotSent, Order
from dogwatch.actors.paper.faults import ConnectionFault
from dogwatch.actors.session import SessionLost
from dogwatch.actors.spot.order import Life
from dogwatch.actors.testing import Cut, HalfClose, ShutDown
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.hand import ACTS, DEEPER, Deed, Play, play
from tests.stories.scene import SIZE, SYMBOL, api_connections, api_line

TRAVEL_S = 0.020
A_MOMENT_S = 0.001
FRAME_BYTES = 700
"""Room for the frames of about two orders."""

Drop = Callable[[Play], object]
DROPS: dict[str, Drop] = {
    "the cable is pulled": lambda p: p.exchange.cut(),
    "the exchange breaks off": lambda p: p.exchange.faults.now(Cut()),
    "the exchange sends no more": lambda p: p.exchange.faults.now(HalfClose(way="out")),
    "the exchange closes in order": lambda p: p.exchange.faults.now(ShutDown()),
    "the stream ends": lambda p: api_line(p.exchange).end(),
}
STRUCK: dict[str, Callable[[str], ConnectionFault]] = {
    "before it is carried out": lambda method: Cut(on=method, when="before"),
    "after it is carried out": lambda method: Cut(on=method),
    "its answer can no longer be sent": lambda method: HalfClose(on=method),
    "closed instead of an answer": lambda method: HalfClose(on=method, when="before"),
}


class Told(NamedTuple):
    """What a caller was told, and when."""

    outcome: Order | Exception
    at_s: float


class Losses:
    """When the session was lost, as everybody is told of it."""

    def __init__(self, p: Play) -> None:
        self.at_s: list[float] = []
        p.account.tree.link.topics.states.tap(self._hear, on_error=_raise)

    def _hear(self, state: object) -> None:
        if isinstance(state, SessionLost):
            self.at_s.append(trio.current_time())


async def do(p: Play, deed: Deed, order: Order | None, told: list[Told], **options: Any) -> None:
    try:
        outcome: Order | Exception = await deed.do(p.hand, order, **options)
    except NotSent as refusal:
        outcome = refusal
    told.append(Told(outcome, trio.current_time()))


@pytest.mark.parametrize("drop", DROPS)
@pytest.mark.parametrize("deed", Deed)
async def test_its_caller_is_told_in_the_instant_of_the_loss(
    virtual_clock: MockClock, seed: int, deed: Deed, drop: str
) -> None:
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p, trio.open_nursery() as nursery:
        order = await p.hand.rest()
        losses, told = Losses(p), list[Told]()
        nursery.start_soon(do, p, deed, order, told)
        await trio.sleep(TRAVEL_S / 2)
        assert told == []
        DROPS[drop](p)
        await trio.sleep(2 * TRAVEL_S)
        assert [entry.at_s for entry in told] == losses.at_s
        check_that_it_is_in_doubt(p, deed, order, told)
        await p.settle()


@pytest.mark.parametrize("struck", STRUCK)
@pytest.mark.parametrize("deed", Deed)
async def test_the_same_when_the_request_itself_meets_the_loss(
    virtual_clock: MockClock, seed: int, deed: Deed, struck: str
) -> None:
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p, trio.open_nursery() as nursery:
        order = await p.hand.rest()
        losses, told = Losses(p), list[Told]()
        p.exchange.faults.add(STRUCK[struck](deed.value))
        nursery.start_soon(do, p, deed, order, told)
        await trio.sleep(3 * TRAVEL_S)
        assert [entry.at_s for entry in told] == losses.at_s
        check_that_it_is_in_doubt(p, deed, order, told)
        await p.settle()


def check_that_it_is_in_doubt(p: Play, deed: Deed, order: Order, told: list[Told]) -> None:
    """What was written is neither done nor undone; a query has only not been answered."""
    (entry,) = told
    assert isinstance(entry.outcome, Order), entry.outcome
    assert entry.outcome.is_unknown == (deed is not Deed.QUERY)
    assert deed is not Deed.REPLACE or p.latest(order).is_unknown


async def test_fifty_in_flight_of_every_kind_are_told_in_one_instant(virtual_clock: MockClock, seed: int) -> None:
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p, trio.open_nursery() as nursery:
        orders = [await p.hand.rest(price=DEEPER) for _ in range(50)]
        await trio.sleep(10)
        losses, told = Losses(p), list[Told]()
        for number, order in enumerate(orders):
            nursery.start_soon(do, p, list(Deed)[number % len(Deed)], order, told)
        await trio.sleep(1.5 * TRAVEL_S)
        p.exchange.cut()
        await trio.sleep(A_MOMENT_S)
        assert len(told) == len(orders)
        assert {entry.at_s for entry in told} == set(losses.at_s)
        assert len(losses.at_s) == 1
        await p.settle()


async def test_what_was_not_written_is_not_sent_then_and_not_later(virtual_clock: MockClock, seed: int) -> None:
    """The line takes no more bytes: some orders are written, the others wait for room until it is cut."""
    network = MemoryNetwork(delay_s=TRAVEL_S, capacity_bytes=FRAME_BYTES)
    async with play(seed, network=network) as p, trio.open_nursery() as nursery:
        losses, told = Losses(p), list[Told]()
        api_line(p.exchange).upstream.stall()
        for _ in range(10):
            nursery.start_soon(do, p, Deed.PLACE, None, told)
            await trio.sleep(A_MOMENT_S)
        assert told == []
        p.exchange.cut()
        await trio.sleep(A_MOMENT_S)
        assert {entry.at_s for entry in told} == set(losses.at_s)
        unsent = [entry.outcome for entry in told if isinstance(entry.outcome, NotSent)]
        unknown = [entry.outcome for entry in told if isinstance(entry.outcome, Order)]
        assert len(unsent) + len(unknown) == 10
        assert unsent
        assert unknown
        assert all(order.is_unknown for order in unknown)
        assert all("it is being restored" in str(refusal) for refusal in unsent)
        never = [order for order in p.judge.told.values() if order.life is Life.NEVER_PLACED]
        assert len(never) == len(unsent)
        await p.settle()
        assert p.exchange.paper.intents == {}


async def test_written_before_the_line_filled_up_and_carried_out_is_found(virtual_clock: MockClock, seed: int) -> None:
    """The same, but the line is cut after it has moved again: what had been written was carried out."""
    network = MemoryNetwork(delay_s=TRAVEL_S, capacity_bytes=FRAME_BYTES)
    async with play(seed, network=network) as p, trio.open_nursery() as nursery:
        told: list[Told] = []
        line = api_line(p.exchange)
        line.upstream.stall()
        for _ in range(10):
            nursery.start_soon(do, p, Deed.PLACE, None, told)
            await trio.sleep(A_MOMENT_S)
        line.upstream.resume()
        await trio.sleep(1.5 * TRAVEL_S)
        p.exchange.cut()
        await trio.sleep(A_MOMENT_S)
        assert len(told) == 10
        for entry in told:
            if isinstance(entry.outcome, Order):
                assert entry.outcome.is_unknown or entry.outcome.is_open
        await p.settle()
        unsent = sum(isinstance(entry.outcome, NotSent) for entry in told)
        assert 0 < len(p.exchange.orders()) <= 10 - unsent


@pytest.mark.parametrize("deed", ACTS)
async def test_a_caller_who_has_gone_leaves_nothing_behind_on_a_socket_that_drops(
    virtual_clock: MockClock, seed: int, deed: Deed
) -> None:
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p:
        order = await p.hand.rest()
        with trio.move_on_after(TRAVEL_S / 2):
            await deed.do(p.hand, order)
        p.exchange.cut()
        await trio.sleep(5)
        await p.settle()
        assert len(api_connections(p.exchange)) == 2


async def test_a_cut_market_line_settles_nothing(virtual_clock: MockClock, seed: int) -> None:
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p, trio.open_nursery() as nursery:
        told: list[Told] = []
        begun_s = trio.current_time()
        nursery.start_soon(do, p, Deed.PLACE, None, told)
        await trio.sleep(TRAVEL_S / 2)
        for line in p.exchange.network.connections:
            if line is not api_line(p.exchange):
                line.cut()
        await trio.sleep(2 * TRAVEL_S)
        (entry,) = told
        assert isinstance(entry.outcome, Order)
        assert entry.outcome.is_open
        assert entry.at_s == pytest.approx(begun_s + 2 * TRAVEL_S)


async def test_an_order_after_the_loss_is_not_sent_and_not_kept_for_later(virtual_clock: MockClock, seed: int) -> None:
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p:
        p.exchange.cut()
        await trio.sleep(A_MOMENT_S)
        begun_s = trio.current_time()
        with pytest.raises(NotSent) as refusal:
            await p.hand.buy(SYMBOL, quantity=SIZE)
        assert trio.current_time() == begun_s
        assert "it is being restored" in str(refusal.value)
        await trio.sleep(60)
        assert p.exchange.orders() == []
        assert p.exchange.paper.intents == {}


def _raise(error: Exception) -> None:
    raise error
