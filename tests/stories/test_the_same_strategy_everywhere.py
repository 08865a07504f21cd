"""The same strategy, not changed by a word, over a WebSocket with each kind of key and over REST alone, where no
WebSocket is opened: what it has done, what it believes and what the exchange has on record come out the same.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from dogwatch import Context, Fill, Fills, Order, Side
from dogwatch.actors.connection_settings import ConnectionSettings
from dogwatch.actors.spot.keys import load_private_key
from dogwatch.actors.spot.order import Life
from dogwatch.actors.spot.rsa_key import RsaKey
from dogwatch.actors.spot.signing import HmacSigner, RsaSigner, Signer
from dogwatch.actors.testing import StagedExchange
from tests.stories.hand import ASK, BID, DEEP, DEEPER, TOUCHED
from tests.stories.judge import Judge
from tests.stories.scene import SIZE, SYMBOL, Account, Character, Part, check_that_all_is_square, open_exchange, until


class Allrounder(Character):
    """Does everything that can be done with an order, and notes how each one has ended."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.ended: list[Order] = []
        self.fills: list[Fill] = []
        self.resting: Order | None = None

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.hear_fills)
            await self.trade()
            await self.sleep(5)  # the last fill may be heard of later than the end of its order
            nursery.cancel_scope.cancel()

    async def trade(self) -> None:
        self.ended.append(await self.closed(await self.buy(SYMBOL, quantity=5 * SIZE)))
        self.ended.append(await self.cancel(await self.buy(SYMBOL, quantity=SIZE, price=DEEP)))
        first = await self.buy(SYMBOL, quantity=3 * SIZE, price=DEEPER, post_only=True)
        second = await self.replace(first, price=DEEP)
        self.ended.append(await self.closed(first))
        self.resting = await self.amend(second, 2 * SIZE)
        self.ended.append(await self.closed(self.resting))
        self.ended.append(await self.closed(await self.sell(SYMBOL, quantity=2 * SIZE)))

    async def hear_fills(self) -> None:
        async for fill in self.follow(Fills()):
            self.fills.append(fill)


Fact = tuple[str, Decimal, Decimal, Decimal, str | None, bool]

BUY, SELL = str(Side.BUY), str(Side.SELL)
ENDED = [
    (BUY, "MARKET", Life.FILLED, 5 * SIZE, 5 * SIZE, ASK),
    (BUY, "LIMIT", Life.CANCELED, SIZE, Decimal(0), None),
    (BUY, "LIMIT_MAKER", Life.CANCELED, 3 * SIZE, Decimal(0), None),
    (BUY, "LIMIT_MAKER", Life.FILLED, 2 * SIZE, 2 * SIZE, DEEP),
    (SELL, "MARKET", Life.FILLED, 2 * SIZE, 2 * SIZE, BID),
]
"""Side, type, end, quantity, what was filled and at which price on average."""
FEE = Decimal("0.001")
FILLED: list[Fact] = sorted(
    [
        (BUY, ASK, 5 * SIZE, 5 * SIZE * FEE, "BTC", False),
        (BUY, DEEP, SIZE, SIZE * FEE, "BTC", True),
        (BUY, DEEP, SIZE, SIZE * FEE, "BTC", True),
        (SELL, BID, 2 * SIZE, 2 * SIZE * BID * FEE, "USDT", False),
    ]
)
"""Side, price, quantity, commission, in which asset, whether it rested."""
BELIEVED = {
    "BTC": 7 * SIZE * (1 - FEE) - 2 * SIZE,
    "USDT": 2 * SIZE * BID * (1 - FEE) - 5 * SIZE * ASK - 2 * SIZE * DEEP,
}
RECORDED = [(side, kind, str(life), filled) for side, kind, life, _, filled, _ in ENDED]


def told_of(order: Order) -> tuple[Any, ...]:
    return (
        str(order.side),
        str(order.type),
        order.life,
        order.quantity,
        order.filled_quantity,
        order.average_price,
    )


def told_by(row: dict[str, Any]) -> tuple[str, str, str, Decimal]:
    return row["side"], row["type"], row["status"], Decimal(row["executedQty"])


def fact_of(fill: Fill) -> Fact:
    return str(fill.side), fill.price, fill.quantity, fill.commission, fill.commission_asset, fill.is_maker


def ed25519(exchange: StagedExchange) -> Signer:
    return exchange.signer()


def hmac(exchange: StagedExchange) -> Signer:
    return HmacSigner(exchange.paper.hmac_api_key, exchange.paper.hmac_secret)


def rsa(exchange: StagedExchange) -> Signer:
    issued = exchange.paper.rsa_key
    key = load_private_key(issued.private_key_pem)
    assert isinstance(key, RsaKey)
    return RsaSigner(issued.api_key, key)


WAYS = [
    pytest.param(False, ed25519, id="websocket-ed25519"),
    pytest.param(False, hmac, id="websocket-hmac"),
    pytest.param(False, rsa, id="websocket-rsa"),
    pytest.param(True, ed25519, id="rest-ed25519"),
    pytest.param(True, hmac, id="rest-hmac"),
    pytest.param(True, rsa, id="rest-rsa"),
]


@pytest.mark.parametrize(("over_rest", "signs"), WAYS)
async def test_a_strategy_comes_to_the_same_over_every_way(
    virtual_clock: MockClock, seed: int, over_rest: bool, signs: Callable[[StagedExchange], Signer]
) -> None:
    part = Part("allrounder", Allrounder)
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, BID, ASK)
        way: Any = "rest" if over_rest else "websocket"
        settings = ConnectionSettings(api=way, market=way)
        account = Account(
            exchange, part.entry, seed=seed, signer=signs(exchange), over_rest=over_rest, connection_settings=settings
        )
        judge = Judge(exchange, account.tree)
        async with account.trading() as system:
            await until(lambda: bool(part.lives) and part.now.resting is not None, step_s=0.05)
            exchange.trade(SYMBOL, TOUCHED, SIZE)
            await trio.sleep(4)
            exchange.trade(SYMBOL, TOUCHED, SIZE)
            exchange.quote(SYMBOL, BID, ASK)
            with trio.fail_after(60):
                await system.wait_ended()
    assert (exchange.paper.record.attempted == 0) is over_rest
    strategy = part.now
    assert [told_of(order) for order in strategy.ended] == ENDED
    assert sorted(map(fact_of, strategy.fills)) == FILLED
    assert account.believed() == BELIEVED
    assert [told_by(row) for row in exchange.orders()] == RECORDED
    judge.check()
    check_that_all_is_square(exchange, account)
