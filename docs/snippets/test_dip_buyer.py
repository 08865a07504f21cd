"""The exchange stands in memory, the test moves its prices, and an hour takes no time."""

from decimal import Decimal

import trio
from dip_buyer import DipBuyer

SETTINGS = {
    "symbol": "BTCUSDT",
    "buy_at": "39900",
    "gain": "50",
    "size": "0.00100",
}


async def test_it_waits_for_the_dip_and_sells_above_it(exchange, start):
    running = await start(DipBuyer, **SETTINGS)
    exchange.quote("BTCUSDT", bid="40000", ask="40001")
    await trio.sleep(3600)  # virtual: takes no time
    assert not exchange.orders()

    exchange.quote("BTCUSDT", bid="39899", ask="39900")
    await trio.sleep(1)
    assert running.position("BTCUSDT") == exchange.position("BTC")
    assert running.position("BTCUSDT") == Decimal("0.000999")  # the commission is gone

    exchange.trade("BTCUSDT", price="39951")  # through the offer at 39950
    await running.ended()
    assert statuses(exchange) == ["FILLED", "FILLED"]
    assert running.position("BTCUSDT") == exchange.position("BTC") == Decimal("0.000009")


async def test_a_broken_line_costs_it_nothing(exchange, start):
    running = await start(DipBuyer, **SETTINGS)
    await trio.sleep(1)
    exchange.quote("BTCUSDT", bid="39899", ask="39900")
    await trio.sleep(1)
    exchange.cut()
    await trio.sleep(60)
    (offer,) = running.orders
    assert offer.is_open
    assert not offer.is_unknown


async def test_it_leaves_no_order_behind(exchange, start):
    running = await start(DipBuyer, **SETTINGS)
    await trio.sleep(1)
    exchange.quote("BTCUSDT", bid="39899", ask="39900")
    await trio.sleep(1)
    await running.stop()
    assert statuses(exchange) == ["FILLED", "CANCELED"]


def statuses(exchange):
    return [order["status"] for order in exchange.orders()]
