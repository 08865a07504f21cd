"""Over REST no event tells what has become of an order: everything is found out by asking, whatever goes wrong, and
nothing is sent twice.
"""

from collections.abc import Callable

import pytest
import trio

from dogwatch import NotSent, Rejected
from dogwatch.actors.paper.faults import AnswerUnknown, Fault, GarbleAnswer, HideOrder, RefuseRequest, ServerError
from dogwatch.actors.spot.order import Life
from dogwatch.actors.testing import LoseAnswer, LoseRequest
from tests.stories.hand import DEEP, TOUCHED, Deed, Play, play
from tests.stories.scene import SIZE, SYMBOL, until

pytestmark = pytest.mark.usefixtures("virtual_clock")

HEARD_WITHIN_S = 3.0
"""A question each second, one more for an order that has gone, and one for its fills."""

FATES: dict[str, Callable[[str], Fault]] = {
    "carried out, no answer": lambda method: LoseAnswer(method=method),
    "not carried out, no answer": lambda method: LoseRequest(method=method),
    "carried out after 4 s, 504": lambda method: AnswerUnknown(method=method, execution="later", execute_after_s=4),
    "not carried out, 503": lambda method: ServerError(method=method),
    "carried out, an answer that breaks off": lambda method: GarbleAnswer(method=method),
}


@pytest.mark.parametrize(
    ("deed", "fate"),
    [
        *((Deed.PLACE, fate) for fate in FATES),
        *((Deed.CANCEL, fate) for fate in tuple(FATES)[:3]),
        *((Deed.REPLACE, fate) for fate in tuple(FATES)[::4]),
    ],
)
async def test_what_became_of_a_request_is_found_out_and_it_is_not_repeated(seed: int, deed: Deed, fate: str) -> None:
    async with play(seed, over_rest=True) as p:
        order = None if deed is Deed.PLACE else await p.hand.rest(price=DEEP)
        armed = p.exchange.faults.add(FATES[fate](deed.value))
        done = await deed.do(p.hand, order, within_s=3)
        await p.settle()
        assert armed.is_spent
        was_carried_out = not fate.startswith("not")
        if deed is Deed.CANCEL:
            assert (p.latest(done).life is Life.CANCELED) is was_carried_out
        else:
            assert p.latest(done).life is (Life.OPEN if was_carried_out else Life.NEVER_PLACED)


async def test_an_amend_in_doubt_is_found_out_too(seed: int) -> None:
    async with play(seed, over_rest=True) as p:
        order = await p.hand.rest(price=DEEP)
        p.exchange.faults.add(LoseAnswer(method=Deed.AMEND.value))
        await Deed.AMEND.do(p.hand, order, within_s=3)
        await p.settle()
        assert p.latest(order).quantity == 2 * SIZE


async def heard(p: Play, fills: int) -> None:
    await until(lambda: len(p.hand.fills) == fills, within_s=HEARD_WITHIN_S, step_s=0.05)


async def test_each_fill_of_a_resting_order_is_heard_of_once_and_soon_and_the_balances_follow(seed: int) -> None:
    async with play(seed, over_rest=True) as p:
        order = await p.hand.rest(price=DEEP)
        for number in (1, 2, 3):
            p.exchange.trade(SYMBOL, TOUCHED, SIZE)
            await heard(p, number)
        assert p.latest(order).life is Life.FILLED
        await trio.sleep(HEARD_WITHIN_S)
        held = p.exchange.balances()["BTC"]
        assert p.hand.balance("BTC").total == held.free + held.locked
        await p.settle()


@pytest.mark.parametrize("deed", [Deed.CANCEL, Deed.AMEND, Deed.REPLACE])
async def test_what_is_done_to_an_order_that_has_filled_unheard_ends_in_its_fill(seed: int, deed: Deed) -> None:
    async with play(seed, over_rest=True) as p:
        order = await p.hand.rest(price=DEEP)
        p.exchange.trade(SYMBOL, TOUCHED)
        try:
            await deed.do(p.hand, order)
        except (NotSent, Rejected):
            pass  # the exchange has said no, for it knows more
        await heard(p, 1)
        assert p.latest(order).life is Life.FILLED
        await p.settle()


async def test_an_order_that_is_not_visible_for_a_while_is_not_given_up(seed: int) -> None:
    async with play(seed, over_rest=True) as p:
        p.exchange.faults.add(HideOrder(for_s=20, method="order.place"))
        order = await p.hand.rest(price=DEEP)
        for _ in range(250):
            await trio.sleep(0.1)
            assert not p.latest(order).is_closed
        await p.settle()
        assert p.latest(order).life is Life.OPEN


async def test_an_order_that_somebody_cancels_by_other_means_is_heard_of(seed: int) -> None:
    async with play(seed, over_rest=True) as p:
        order = await p.hand.rest(price=DEEP)
        assert order.order_id is not None
        p.cancel_by_hand(order.order_id)
        with trio.fail_after(HEARD_WITHIN_S):
            assert (await p.hand.closed(order)).life is Life.CANCELED
        await p.settle()


async def test_while_the_exchange_wants_silence_nothing_is_asked_and_then_all_goes_on(seed: int) -> None:
    async with play(seed, over_rest=True) as p:
        order = await p.hand.rest(price=DEEP)
        refusal = RefuseRequest(
            method="openOrders.status", status=429, code=-1003, message="Too much request weight used", retry_after_s=20
        )
        p.exchange.faults.add(refusal)
        await trio.sleep(2)
        record = p.exchange.paper.record
        before = len(record.requests)
        assert before > 5
        p.exchange.trade(SYMBOL, TOUCHED)
        await trio.sleep(15)
        assert len(record.requests) == before
        with trio.fail_after(10):
            assert (await p.hand.closed(order)).life is Life.FILLED
        await p.settle()
