"""A refused subscription is asked for again, not at once and not in silence."""

from typing import Any

import pytest
import trio

from dogwatch import Quotes, Trades
from tests.actors.test_market_data import market

pytestmark = pytest.mark.usefixtures("virtual_clock")

QUOTES, TRADES = Quotes("BTCUSDT"), Trades("BTCUSDT")


@pytest.mark.parametrize(
    "refusal",
    [{"id": 1, "error": {"code": 2, "msg": "Invalid request"}}, {"code": 2, "msg": "Invalid request"}],
    ids=["with its id", "without an id"],
)
async def test_a_refused_stream_is_asked_for_again_after_a_while(refusal: dict[str, Any]) -> None:
    async with market() as desk:
        desk.answers = False
        desk.connect()
        with desk.follow(QUOTES):
            await trio.sleep(1)
            desk.receive(refusal)
            desk.answers = True
            await trio.sleep(20)
            assert desk.requests() == [("SUBSCRIBE", [QUOTES.stream])]
            with desk.follow(TRADES):
                await trio.sleep(1)
                assert desk.requests()[1:] == [("SUBSCRIBE", [TRADES.stream])]
                await trio.sleep(20)
                assert desk.requests()[2:] == [("SUBSCRIBE", [QUOTES.stream])]
                await trio.sleep(100)
                assert len(desk.requests()) == 3


async def test_on_a_new_socket_nothing_counts_as_refused() -> None:
    async with market() as desk:
        desk.answers = False
        desk.connect()
        with desk.follow(QUOTES):
            await trio.sleep(1)
            desk.receive({"id": 1, "error": {"code": 2, "msg": "Invalid request"}})
            desk.disconnect()
            desk.connect(2)
            await trio.sleep(1)
            assert desk.requests() == [("SUBSCRIBE", [QUOTES.stream])] * 2
