"""Two accounts on one exchange, each in its own tree of one process: neither hears of the other's orders.

Both connections have the subscription id 0, and both accounts use the same names for their strategies.
"""

from decimal import Decimal

import trio
from trio.testing import MockClock

from dogwatch import Balance, Balances, Context, Fill, Fills, Order, OrderChanged, OrderChanges, Side
from tests.stories.scene import (
    SIZE,
    SYMBOL,
    Account,
    Character,
    Part,
    check_that_all_is_square,
    open_account,
    open_exchange,
)

SECOND = "second"


class Listener(Character):
    """Hears everything of its account, and places what it is told to."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.fills: list[Fill] = []
        self.changes: list[Order] = []
        self.balances: list[Balance] = []

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.hear_fills)
            nursery.start_soon(self.hear_changes)
            nursery.start_soon(self.hear_balances)

    async def hear_fills(self) -> None:
        async for fill in self.follow(Fills()):
            self.fills.append(fill)

    async def hear_changes(self) -> None:
        async for change in self.follow(OrderChanges()):
            assert isinstance(change, OrderChanged)
            self.changes.append(change.order)

    async def hear_balances(self) -> None:
        async for balance in self.follow(Balances()):
            self.balances.append(balance)


async def test_accounts_of_one_process_share_what_their_address_may_ask_and_not_how_many_orders_they_may_place(
    virtual_clock: MockClock, seed: int
) -> None:
    busy, idle = Part("same-name", Listener), Part("same-name", Listener)
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, "40000", "40100")
        first = Account(exchange, busy.entry, seed=seed)
        limiter = first.tree.link.limiter
        signer = open_account(exchange, SECOND, {"BTC": Decimal(50), "USDT": Decimal(0)})
        second = Account(exchange, idle.entry, seed=seed + 1, signer=signer, limiter=limiter)
        async with first.trading(), second.trading():
            for _ in range(20):
                await busy.now.buy(SYMBOL, quantity=SIZE, price=Decimal(30_000))
            used = limiter.budget.usage()
            assert second.tree.link.limiter is limiter
            assert used["link.session_orders_10_second"] == 20
            assert used["link.session#2_orders_10_second"] == 0
            assert used["weight_1_minute"] == exchange.paper.limits_of_address().weight.count
        check_that_all_is_square(exchange, first)
        check_that_all_is_square(exchange, second, ledger=SECOND)


async def test_two_accounts_that_trade_with_each_other_hear_only_of_their_own_side(
    virtual_clock: MockClock, seed: int
) -> None:
    buyer, seller = Part("same-name", Listener), Part("same-name", Listener)
    async with open_exchange(seed=seed) as exchange:
        exchange.quote(SYMBOL, "40000", "40100")
        first = Account(exchange, buyer.entry, seed=seed)
        signer = open_account(exchange, SECOND, {"BTC": Decimal(50), "USDT": Decimal(0)})
        second = Account(exchange, seller.entry, seed=seed + 1, signer=signer)
        async with first.trading(), second.trading():
            await trio.sleep(1)
            bid = await buyer.now.buy(SYMBOL, quantity=3 * SIZE, price=Decimal(40_050), post_only=True)
            ask = await seller.now.place(Side.SELL, SYMBOL, quantity=SIZE, price=Decimal(40_050))
            await trio.sleep(1)
            assert bid.client_order_id == ask.client_order_id
            (bought,), (sold,) = buyer.now.fills, seller.now.fills
            assert (bought.trade_id, bought.side, bought.is_maker) == (sold.trade_id, Side.BUY, True)
            assert (sold.side, sold.is_maker) == (Side.SELL, False)
            assert {order.order_id for order in buyer.now.changes} - {None} == {bid.order_id}
            assert {order.order_id for order in seller.now.changes} - {None} == {ask.order_id}
            assert buyer.now.position(SYMBOL) == exchange.position("BTC") == SIZE * Decimal("0.999")
            assert seller.now.position(SYMBOL) == -SIZE
            assert seller.now.balance("BTC").total == Decimal(50) - SIZE
            assert {balance.total for balance in seller.now.balances if balance.asset == "BTC"} == {Decimal(50) - SIZE}
            assert first.tree.desk.order_topics.external.published == 0
            assert second.tree.desk.order_topics.external.published == 0
        check_that_all_is_square(exchange, first)
        check_that_all_is_square(exchange, second, ledger=SECOND)
