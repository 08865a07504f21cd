"""Failure 12: the offset to the exchange's clock is taken once, at the start; requests are signed, then queued past
their recvWindow.

Here the exchange's clock is measured again and again, and anew when it refuses a timestamp; a request is stamped when
it is handed to the socket. What is refused all the same was not executed: it is stamped and sent again, as long as
somebody waits for it.
"""

import pytest
import trio
from trio.testing import MockClock

from dogwatch import NotSent, Order, Rejected
from dogwatch.actors.session import SessionReady
from dogwatch.actors.spot.order import Life
from dogwatch.actors.testing import DelayAnswer, LoseRequest
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.clocks import WrongClock
from tests.stories.hand import ACTS, DEEPER, Deed, Play, play
from tests.stories.scene import SIZE, api_connections, api_line, until

TRAVEL_S = 0.020
RECV_WINDOW_S = 5.0
TOO_LATE_S = RECV_WINDOW_S + 2.0
A_MOMENT_S = 0.001
HOUR_S, DAY_S = 3600.0, 86_400.0
STAMP_REFUSED = -1021


async def check_that_orders_are_accepted(p: Play) -> None:
    """One of each kind of request; a refused timestamp is raised."""
    order = await p.hand.rest()
    assert order.is_open
    for deed in (Deed.AMEND, Deed.QUERY, Deed.CANCEL):
        await deed.do(p.hand, order)
    assert p.latest(order).life is Life.CANCELED


@pytest.mark.parametrize("ahead_s", [-DAY_S, -HOUR_S, -6.0, -1.5, 1.5, 6.0, HOUR_S, DAY_S])
async def test_a_wall_clock_that_is_wrong_spoils_no_timestamp(
    virtual_clock: MockClock, seed: int, ahead_s: float
) -> None:
    async with play(seed, clock=WrongClock(ahead_s=ahead_s)) as p:
        await check_that_orders_are_accepted(p)
        await p.settle()


@pytest.mark.parametrize("drift", [-1e-3, 1e-3])
async def test_clocks_that_drift_apart_for_hours_are_followed(
    virtual_clock: MockClock, seed: int, drift: float, caplog: pytest.LogCaptureFixture
) -> None:
    """One part in a thousand comes to 14 s in four hours: an offset that was taken once is soon of no use."""
    async with play(seed, exchange_clock=WrongClock(drift=drift)) as p:
        for _ in range(8):
            await trio.sleep(HOUR_S / 2)
            await check_that_orders_are_accepted(p)
        await p.settle()
        assert str(STAMP_REFUSED) not in caplog.text, "not even a question was refused"


@pytest.mark.parametrize("step_s", [-HOUR_S, -10.0, 10.0, HOUR_S])
async def test_a_wall_clock_that_is_set_while_orders_are_placed_spoils_none(
    virtual_clock: MockClock, seed: int, step_s: float
) -> None:
    wall = WrongClock()
    async with play(seed, clock=wall) as p:
        await check_that_orders_are_accepted(p)
        wall.ahead_s += step_s
        await check_that_orders_are_accepted(p)
        await p.settle()


@pytest.mark.parametrize("step_s", [-60.0, -3.0, 8.0, 60.0])
@pytest.mark.parametrize("deed", ACTS)
async def test_when_the_exchange_s_clock_jumps_what_it_refuses_is_sent_again_and_nobody_notices(
    virtual_clock: MockClock, seed: int, deed: Deed, step_s: float
) -> None:
    theirs = WrongClock()
    async with play(seed, exchange_clock=theirs) as p:
        order = await p.hand.rest()
        theirs.ahead_s += step_s
        done = await deed.do(p.hand, order)
        assert not done.is_unknown
        assert not p.judge.is_anything_in_doubt
        assert refused_here(p) == 1
        await deed.do(p.hand, await p.hand.rest())
        await p.settle()
        assert refused_here(p) == 1
        assert len(api_connections(p.exchange)) == 1


@pytest.mark.parametrize("step_s", [-60.0, 60.0])
async def test_a_jump_while_the_session_is_restored_only_delays_it(
    virtual_clock: MockClock, seed: int, step_s: float
) -> None:
    theirs = WrongClock()
    async with play(seed, exchange_clock=theirs) as p:
        states = p.account.tree.link.topics.states
        p.exchange.faults.add(LoseRequest(method="session.logon"))
        p.exchange.cut()
        await trio.sleep(5)  # the clock has been measured, and logging on hangs
        theirs.ahead_s += step_s
        await until(lambda: isinstance(states.last, SessionReady), within_s=60, step_s=0.1)
        await trio.sleep(1)
        await check_that_orders_are_accepted(p)
        await p.settle()


@pytest.mark.parametrize("deed", ACTS)
async def test_what_was_stamped_and_waited_in_the_line_too_long_is_refused_and_sent_again(
    virtual_clock: MockClock, seed: int, deed: Deed
) -> None:
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p:
        order = await p.hand.rest()
        await trio.sleep(1)
        await hold_the_line_up(p, TOO_LATE_S)
        done = await deed.do(p.hand, order)
        assert not done.is_unknown
        assert not p.judge.is_anything_in_doubt
        assert refused_here(p) == 1
        await p.settle()


async def test_the_same_when_the_caller_has_no_time_left_for_another_attempt(
    virtual_clock: MockClock, seed: int
) -> None:
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p:
        await hold_the_line_up(p, TOO_LATE_S)
        with pytest.raises(Rejected) as refusal:
            await p.hand.rest(within_s=TOO_LATE_S + 2 * TRAVEL_S)
        assert refusal.value.code == STAMP_REFUSED
        assert refusal.value.hint
        await p.settle()
        assert p.exchange.orders() == []


async def test_the_same_when_the_caller_has_given_up_before_it_was_refused(virtual_clock: MockClock, seed: int) -> None:
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p:
        await hold_the_line_up(p, TOO_LATE_S)
        order = await p.hand.rest(within_s=3)
        assert order.is_unknown
        await trio.sleep(TOO_LATE_S)
        assert p.latest(order).life is Life.REJECTED
        assert str(STAMP_REFUSED) in p.latest(order).reason
        await p.settle()
        assert p.exchange.orders() == []


async def test_what_waits_for_room_in_the_line_is_stamped_late_or_never_carried_out_late(
    virtual_clock: MockClock, seed: int
) -> None:
    """The line takes no more bytes for longer than recvWindow. Nothing is carried out that was stamped before that."""
    network = MemoryNetwork(delay_s=TRAVEL_S, capacity_bytes=700)
    async with play(seed, network=network) as p, trio.open_nursery() as nursery:
        outcomes: list[Order | Exception] = []

        async def place() -> None:
            try:
                outcomes.append(await p.hand.rest(SIZE, DEEPER, within_s=30))
            except (NotSent, Rejected) as refusal:
                outcomes.append(refusal)

        await hold_the_line_up(p, TOO_LATE_S)
        for _ in range(12):
            nursery.start_soon(place)
            await trio.sleep(A_MOMENT_S)
        await trio.sleep(3 * TOO_LATE_S)
        assert len(outcomes) == 12
        accepted = [outcome for outcome in outcomes if isinstance(outcome, Order)]
        refused = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
        assert all(order.is_open for order in accepted)
        assert {refusal.code for refusal in refused} <= {STAMP_REFUSED}
        assert refused_here(p) > 0
        assert len(p.exchange.orders()) == len(accepted)
        await p.settle()
        assert (await p.hand.rest()).is_open


async def test_what_waits_for_room_in_the_exchange_s_limits_is_stamped_when_it_leaves(
    virtual_clock: MockClock, seed: int
) -> None:
    """It waits longer than its recvWindow."""
    async with play(seed, network=MemoryNetwork(delay_s=TRAVEL_S)) as p:
        await trio.sleep(10 - p.exchange.clock.unix_ms() % 10_000 / 1000 + 1)
        p.exchange.paper.use_orders(p.exchange.paper.limits_of_account().ten_seconds.limit - 1)
        await p.hand.rest()  # the last one for these 10 s: its answer says so
        asked_s = trio.current_time()
        assert (await p.hand.rest(within_s=30)).is_open
        assert trio.current_time() - asked_s > RECV_WINDOW_S
        assert all(request.code != STAMP_REFUSED for request in p.exchange.paper.record.requests)
        await p.settle()


async def test_an_answer_to_the_question_for_the_time_that_comes_late_sets_no_wrong_clock(
    virtual_clock: MockClock, seed: int
) -> None:
    async with play(seed) as p:
        p.exchange.faults.add(DelayAnswer(method="time", delay_s=4), times=None)
        p.exchange.cut()
        await trio.sleep(60)
        for _ in range(10):
            await trio.sleep(240)
            await check_that_orders_are_accepted(p)
        p.exchange.faults.clear()
        await p.settle()


def refused_here(p: Play) -> int:
    """How many requests were refused for their timestamps until now, as the session tells it."""
    (session,) = (node for node in p.system.tree().walk() if node.name == "session")
    refused: int = session.statistics["timestamps_refused"]
    return refused


async def hold_the_line_up(p: Play, for_s: float) -> None:
    """Bytes to the exchange arrive only so much later."""
    line = api_line(p.exchange)
    line.upstream.stall()

    async def resume() -> None:
        await trio.sleep(for_s)
        line.upstream.resume()

    trio.lowlevel.spawn_system_task(resume)
