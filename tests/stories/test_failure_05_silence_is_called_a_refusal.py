"""Failure 5: refusals, timeouts and -1007 come back through one channel; or silence is turned into REJECTED; or the
order is posted again.

Here there are three outcomes: NotSent and Rejected are raised, and each rests on evidence; what nobody knows is an
order that is unknown, until there is evidence. Nothing is ever sent again.
"""

from collections.abc import Callable
from decimal import Decimal
from random import Random

import pytest
import trio
from trio.testing import MockClock

from dogwatch import NotSent, Order, Rejected
from dogwatch.actors.order_settings import OrderSettings
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.faults import AnswerFault, Fault
from dogwatch.actors.paper.rate_limits import RateLimitRules
from dogwatch.actors.spot.order import Life
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.testing import (
    AnswerUnknown,
    Cut,
    FaultRates,
    GarbleAnswer,
    HalfClose,
    HideOrder,
    LoseAnswer,
    LoseEvent,
    LoseRequest,
    ServerError,
)
from dogwatch.runtime.errors import ActorCrashed, ActorStopped, AskTimeout
from tests.actors.test_tree import crash_the_tracker
from tests.stories.hand import ACTS, ASK, DEEP, DEEPER, KNOWN_WITHIN_S, Deed, Play, play
from tests.stories.scene import SIZE, SYMBOL, until

PROVEN_AFTER_S = 80.0
"""The order may be executed for 15 s (recvWindow and the engine's timeout), and then be hidden for 65 s."""
A_MOMENT_S = 0.001

SILENCES: dict[str, Callable[[str], Fault]] = {
    "the request is lost": lambda method: LoseRequest(method=method),
    "the answer is lost": lambda method: LoseAnswer(method=method),
    "the answer breaks off": lambda method: GarbleAnswer(method=method),
    "-1007, executed": lambda method: AnswerUnknown(method=method),
    "-1007, not executed": lambda method: AnswerUnknown(method=method, execution="never"),
    "-1007, executed later": lambda method: AnswerUnknown(method=method, execution="later", execute_after_s=4),
    "-1007, executed after 9 s": lambda method: AnswerUnknown(method=method, execution="later", execute_after_s=9),
    "-1007 under a status of refusals, executed": lambda method: AnswerUnknown(method=method, status=408),
    "-1006, executed": lambda method: AnswerUnknown(method=method, code=-1006, status=500, message="UNEXPECTED_RESP"),
    "-1000, executed": lambda method: ServerError(method=method, status=500, execution="now"),
    "-1001, not executed": lambda method: ServerError(method=method, status=500, code=-1001, message="DISCONNECTED"),
    "502, executed": lambda method: ServerError(method=method, status=502, execution="now"),
    "503, not executed": lambda method: ServerError(method=method),
    "504 of no known code, executed": lambda method: ServerError(
        method=method, status=504, code=-9999, execution="now"
    ),
    "cut before it": lambda method: Cut(on=method, when="before"),
    "cut after it": lambda method: Cut(on=method),
    "half closed after it": lambda method: HalfClose(on=method),
}

EVERYTHING = FaultRates(
    lose_request=0.03,
    lose_answer=0.03,
    delay_answer=0.03,
    garble_answer=0.03,
    answer_unknown=0.05,
    server_error=0.03,
    events_first=0.1,
    hide_order=0.1,
    lose_event=0.03,
    duplicate_event=0.03,
    delay_event=0.03,
    reorder_events=0.03,
    cut=0.01,
    shut_down=0.005,
)


@pytest.mark.parametrize("events", ["told", "lost"])
@pytest.mark.parametrize("silence", SILENCES)
@pytest.mark.parametrize("deed", ACTS)
async def test_what_nobody_knows_is_no_exception_and_becomes_known_by_evidence(
    virtual_clock: MockClock, seed: int, deed: Deed, silence: str, events: str
) -> None:
    async with play(seed) as p:
        order = await p.hand.rest()
        if events == "lost":
            p.exchange.faults.add(LoseEvent(), times=None)
        armed = p.exchange.faults.add(SILENCES[silence](deed.value))
        done = await deed.do(p.hand, order, within_s=2)
        assert armed.hits == 1
        assert done.life not in (Life.REJECTED, Life.NEVER_PLACED)
        assert done.is_unknown or done.order_id is not None, "known on evidence only"
        await p.settle()
        p.exchange.faults.clear()


@pytest.mark.parametrize("deed", ACTS)
async def test_the_same_in_a_new_life_of_the_tracker(virtual_clock: MockClock, seed: int, deed: Deed) -> None:
    for silence in SILENCES.values():
        async with play(seed, orders_on_crash=OrdersOnCrash.KEEP) as p:
            order = await p.hand.rest()
            p.exchange.faults.add(silence(deed.value))
            with trio.move_on_after(1):
                await deed.do(p.hand, order)
            crash_the_tracker(p.account.tree)
            await trio.sleep(1)
            await p.settle()


async def test_silence_takes_its_time_to_prove_anything(virtual_clock: MockClock, seed: int) -> None:
    async with play(seed) as p:
        p.exchange.faults.add(LoseRequest())
        begun_s = trio.current_time()
        order = await p.hand.rest()
        while not p.latest(order).is_closed:
            assert p.latest(order).life is Life.SENT
            assert p.latest(order).is_unknown
            await trio.sleep(0.1)
        took_s = trio.current_time() - begun_s
        assert PROVEN_AFTER_S < took_s <= KNOWN_WITHIN_S
        assert p.latest(order).life is Life.NEVER_PLACED
        assert {change.life for change in p.hand.changes} == {Life.SENT, Life.NEVER_PLACED}
        await p.settle()


@pytest.mark.parametrize("hidden_s", [1, 30, 60])
async def test_an_order_that_cannot_be_found_for_a_while_is_not_called_absent(
    virtual_clock: MockClock, seed: int, hidden_s: float
) -> None:
    async with play(seed) as p:
        p.exchange.faults.add(AnswerUnknown(execution="later", execute_after_s=9, answer_after_s=10))
        p.exchange.faults.add(HideOrder(for_s=hidden_s))
        p.exchange.faults.add(LoseEvent(), times=None)
        begun_s = trio.current_time()
        order = await p.hand.rest(within_s=20)
        assert order.is_unknown
        await trio.sleep_until(begun_s + 9 + hidden_s)
        assert p.latest(order).is_unknown
        await until(lambda: not p.latest(order).is_unknown, within_s=30, step_s=0.1)
        assert p.latest(order).is_open
        await p.settle()
        p.exchange.faults.clear()


async def test_three_outcomes_are_three_things(virtual_clock: MockClock, seed: int) -> None:
    async with play(seed) as p:
        with pytest.raises(NotSent) as not_sent:
            await p.hand.buy(SYMBOL, quantity=Decimal("0.000001"), price=DEEP)
        with pytest.raises(Rejected) as rejected:
            await p.hand.buy(SYMBOL, quantity=Decimal(100), price=DEEP)
        p.exchange.faults.add(AnswerUnknown())
        p.exchange.faults.add(LoseEvent(), times=None)
        unknown = await p.hand.rest()
        assert not_sent.value.hint
        assert rejected.value.code == -2010
        assert "insufficient balance" in rejected.value.message
        assert rejected.value.hint
        assert unknown.is_unknown
        assert "execution status unknown" in unknown.reason
        assert "-1007" in unknown.reason
        await p.settle()
        assert len(p.exchange.paper.intents) == 2
        p.exchange.faults.clear()


async def test_a_refused_cancel_amend_or_replacement_is_raised_and_leaves_nothing_in_doubt(
    virtual_clock: MockClock, seed: int
) -> None:
    # Else the eleventh amend would be refused here: the filters are checked before a request is spent.
    async with play(seed, order_settings=OrderSettings(check_filters=False)) as p:
        order = await p.hand.rest(Decimal("0.020"))
        for step in range(10):
            order = await p.hand.amend(order, Decimal("0.019") - step * SIZE)
        with pytest.raises(Rejected) as too_often:
            await p.hand.amend(order, SIZE)
        assert too_often.value.code == -2038
        with pytest.raises(NotSent):
            await p.hand.amend(order, Decimal(1))
        with pytest.raises(Rejected, match="Order would immediately match and take") as crossing:
            await p.hand.replace(order, price=ASK, post_only=True)
        assert "cancel" in str(crossing.value)
        assert p.latest(order).life is Life.CANCELED
        assert not p.judge.is_anything_in_doubt
        await p.settle()


async def test_many_at_once_each_with_another_silence(virtual_clock: MockClock, seed: int) -> None:
    """Each order meets one of them, and at last the line is cut with all of it in doubt."""
    async with play(seed) as p, trio.open_nursery() as nursery:
        for deed in ACTS:
            faults = [silence(deed.value) for silence in SILENCES.values()]
            faults = [fault for fault in faults if isinstance(fault, AnswerFault)]
            orders = [await p.hand.rest() for _ in faults]
            armed = [p.exchange.faults.add(fault) for fault in faults]
            for order in orders:
                nursery.start_soon(try_to, deed, p, order)
            await trio.sleep(3)
            assert [entry.hits for entry in armed] == [1] * len(armed)
        p.exchange.cut()
        await p.settle()


async def test_nothing_is_posted_again_whatever_happens(virtual_clock: MockClock, seed: int) -> None:
    """Faults by chance, cuts, new lives of the tracker: of three hundred deeds every intent reached the engine once."""
    random = Random(seed)
    config = PaperConfig(rate_limits=RateLimitRules(orders_per_10_seconds=10_000, request_weight_per_minute=1_000_000))
    async with play(seed, config=config, orders_on_crash=OrdersOnCrash.KEEP) as p:
        p.exchange.faults.seeded(EVERYTHING, Random(seed))
        async with trio.open_nursery() as nursery:
            for number in range(300):
                live = [order for order in p.hand.orders if order.is_open]
                deed = random.choice(ACTS) if live else Deed.PLACE
                nursery.start_soon(try_to, deed, p, random.choice(live) if live else None)
                await trio.sleep(random.expovariate(5.0))
                if number % 100 == 99:
                    crash_the_tracker(p.account.tree)
                if random.random() < 0.05:
                    p.exchange.trade(SYMBOL, random.choice([DEEP, DEEPER]) - 1, SIZE)
        p.exchange.faults.seeded(FaultRates(), Random(seed))
        await p.settle(within_s=2 * KNOWN_WITHIN_S)
        assert len(p.exchange.paper.intents) > 10


async def try_to(deed: Deed, p: Play, order: Order | None) -> None:
    """Do it, and take it as it comes."""
    try:
        await deed.do(p.hand, order, within_s=3)
    except (NotSent, Rejected, ActorCrashed, ActorStopped, AskTimeout):
        pass  # each says why, or the tracker is between two lives; what is believed of it is judged in the end
