"""What the exchange may do to a strategy, and what must be true all the same."""

from random import Random

import pytest
import trio
from dip_buyer import DipBuyer

from dogwatch.actors.testing import AnswerUnknown, Cut, EventsFirst, FaultRates, LoseAnswer, LoseEvent, ServerError

SETTINGS = {
    "symbol": "BTCUSDT",
    "buy_at": "39900",
    "gain": "50",
    "size": "0.00100",
}


@pytest.mark.parametrize(
    "faults",
    [
        [LoseAnswer()],
        [LoseAnswer(), LoseEvent(kind=None)],
        [AnswerUnknown(), EventsFirst()],
        [AnswerUnknown(execution="later", execute_after_s=9)],
        [ServerError(execution="now")],
        [Cut(when="after")],
    ],
    ids=str,
)
async def test_it_buys_once_whatever_happens_to_its_order(exchange, start, faults):
    running = await start(DipBuyer, **SETTINGS)
    await trio.sleep(1)
    armed = [exchange.faults.add(fault) for fault in faults]
    exchange.quote("BTCUSDT", bid="39899", ask="39900")
    await trio.sleep(300)  # virtual: takes no time

    bought = [fill for fill in exchange.fills() if fill.side == "BUY"]
    assert len(bought) == 1
    assert running.position("BTCUSDT") == exchange.position("BTC")
    assert not any(order.is_unknown for order in running.orders)
    assert set(exchange.paper.intents.values()) == {1}  # no order was sent twice
    assert [fault.hits for fault in armed] == [1] * len(armed)


async def test_it_lives_through_a_bad_day(exchange, start, seed):
    exchange.faults.seeded(FaultRates(lose_answer=0.1, answer_unknown=0.1, delay_event=0.1), Random(seed))
    running = await start(DipBuyer, **SETTINGS)
    await trio.sleep(1)
    exchange.quote("BTCUSDT", bid="39899", ask="39900")
    await trio.sleep(3600)

    exchange.faults.clear()
    await trio.sleep(300)
    assert running.position("BTCUSDT") == exchange.position("BTC"), exchange.faults.struck
    assert set(exchange.paper.intents.values()) <= {1}
