"""An order that the exchange would refuse for a filter is refused before it is sent, in the same name; if the check is
switched off, the exchange says it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio

from dogwatch import AveragePrices, NotSent, Rejected, Side
from dogwatch.actors.order_settings import OrderSettings
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.symbol_filters import ExchangeFilters
from tests.stories.hand import BID, DEEP, Play, play
from tests.stories.scene import SIZE, SYMBOL

HERE, BY_THE_EXCHANGE = True, False
FILTERS = {
    SYMBOL: {"orders_max": 2, "amends_max": 1, "position_max": "2", "trailing_above_min": 0, "multiplier_down": "0.9"}
}
LIMITS = ExchangeFilters(asset_max={"USDT": Decimal(2000)})


@asynccontextmanager
async def filtered(seed: int, is_checked: bool) -> AsyncIterator[Play]:
    config = PaperConfig(filters=FILTERS, exchange_filters=LIMITS, balances={"BTC": Decimal(1), "USDT": Decimal(10**5)})
    settings = OrderSettings(check_filters=is_checked, account_filters=True)
    async with play(seed, config=config, order_settings=settings) as p:
        await trio.sleep(1)  # for the filters of the account, which no order waits for
        yield p


def sent(p: Play) -> int:
    """How many requests that place or amend have reached the exchange."""
    methods = {"order.place", "order.amend.keepPriority"}
    return sum(request.method in methods for request in p.exchange.paper.record.requests)


async def refused(p: Play, is_checked: bool, name: str, place: Any) -> None:
    before = sent(p)
    with pytest.raises(NotSent if is_checked else Rejected, match=re.escape(name)):
        await place()
    assert sent(p) == before + (not is_checked)


@pytest.mark.usefixtures("virtual_clock")
@pytest.mark.parametrize("is_checked", [HERE, BY_THE_EXCHANGE])
async def test_an_order_that_breaks_a_filter_is_refused_by_the_same_name_on_either_side(
    seed: int, is_checked: bool
) -> None:
    async with filtered(seed, is_checked) as p:
        hand = p.hand

        async def refuses(name: str, quantity: Decimal = SIZE, price: Decimal = DEEP) -> None:
            await refused(p, is_checked, name, lambda: hand.buy(SYMBOL, quantity=quantity, price=price))

        await refuses("PRICE_FILTER", price=DEEP + Decimal("0.001"))
        await refuses("LOT_SIZE", quantity=SIZE + Decimal("0.000001"))
        await refuses("NOTIONAL", quantity=Decimal("0.0001"))
        await refuses("MAX_ASSET", quantity=Decimal("0.1"))
        first = await hand.rest()
        await hand.amend(first, 2 * SIZE)
        await refused(p, is_checked, "MAX_NUM_ORDER_AMENDS", lambda: hand.amend(first, SIZE))
        second = await hand.rest()
        await refuses("MAX_NUM_ORDERS")
        await hand.cancel(second)
        assert hand.why_not(Side.BUY, SYMBOL, quantity=SIZE, price=DEEP) is None
        await hand.rest()


@pytest.mark.usefixtures("virtual_clock")
async def test_a_price_far_from_the_average_is_refused_here_while_somebody_follows_the_average(seed: int) -> None:
    async with filtered(seed, is_checked=HERE) as p:
        far = Decimal(30_000)
        assert p.hand.why_not(Side.BUY, SYMBOL, quantity=SIZE, price=far) is None
        with trio.fail_after(10), p.hand.follow(AveragePrices(SYMBOL)) as averages:
            await trio.sleep(1)
            p.exchange.trade(SYMBOL, price=str(BID))
            average = (await anext(averages)).price
            refusal = p.hand.why_not(Side.BUY, SYMBOL, quantity=SIZE, price=far)
            assert refusal is not None
            assert (refusal.filter, refusal.value) == ("PERCENT_PRICE", far)
            assert refusal.legal == average * Decimal("0.9")
