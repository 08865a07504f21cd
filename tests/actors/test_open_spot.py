"""A program's own way to the exchange: over either transport, with a key or without, and what it is told when wrong."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
import trio

from dogwatch import NotSent, OrderType, Rejected, Side, open_spot
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.actors.paper.port import LOOPBACK, serve_on_port
from dogwatch.actors.spot.endpoints import VENUES, Endpoints
from dogwatch.actors.spot.signing import HmacSigner
from dogwatch.runtime.clock import Clock

TRANSPORTS = pytest.mark.parametrize("over_rest", [False, True], ids=["websocket", "rest"])


@asynccontextmanager
async def standing(folder: Path) -> AsyncIterator[tuple[Endpoints, HmacSigner]]:
    """A paper exchange on two ports, and what signs for its account."""
    exchange = PaperExchange(PaperConfig(), clock=Clock.system(), seed=1)
    async with trio.open_nursery() as nursery:
        serve = partial(serve_on_port, rest_port=0)
        port = await nursery.start(serve, exchange, LOOPBACK, 0, folder / "ready.json")
        ready = json.loads((folder / "ready.json").read_bytes())
        rest_port = int(ready["rest"].rpartition(":")[2])
        signer = HmacSigner(exchange.hmac_api_key, exchange.hmac_secret)
        yield VENUES["paper"].at(LOOPBACK, port, rest_port=rest_port), signer
        nursery.cancel_scope.cancel()


@TRANSPORTS
async def test_a_program_asks_and_trades(tmp_path: Path, *, over_rest: bool) -> None:
    async with standing(tmp_path) as (venue, signer), open_spot(venue, signer=signer, over_rest=over_rest) as spot:
        assert (await spot.depth(symbol="BTCUSDT", limit=5)).last_update_id >= 0
        placed = await spot.order_place(
            symbol="BTCUSDT", side=Side.BUY, type=OrderType.LIMIT_MAKER, price=20_000, quantity=Decimal("0.001")
        )
        (open_order,) = await spot.open_orders_status(symbol="BTCUSDT")
        assert open_order.order_id == placed.order_id
        await spot.open_orders_cancel_all(symbol="BTCUSDT")
        with pytest.raises(Rejected, match=r"-2011"):
            await spot.order_cancel(symbol="BTCUSDT", order_id=placed.order_id)


@TRANSPORTS
async def test_without_a_key_public_questions_are_answered_alone(tmp_path: Path, *, over_rest: bool) -> None:
    async with standing(tmp_path) as (venue, _signer), open_spot(venue, over_rest=over_rest) as spot:
        assert (await spot.time()).server_time_ms > 0
        with pytest.raises(NotSent, match="API key"):
            await spot.account_status()


async def test_what_a_program_raises_itself_arrives_as_it_was(tmp_path: Path) -> None:
    async with standing(tmp_path) as (venue, _signer):
        with pytest.raises(KeyError, match="mine"):
            async with open_spot(venue):
                raise KeyError("mine")


@pytest.mark.parametrize(
    ("venue", "says"), [("mainet", "there are demo, mainnet, paper"), ("paper", "where you serve")]
)
async def test_a_venue_that_is_none_says_which_there_are(venue: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        async with open_spot(venue):
            pass
