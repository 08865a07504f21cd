"""The journal is replaced by an older copy, or gone: what the exchange still knows is found again."""

import shutil
from decimal import Decimal
from pathlib import Path

import pytest
import trio

from dogwatch import Strategy
from dogwatch.actors.testing import StagedExchange, StrategyStarter

SYMBOL = "BTCUSDT"
pytestmark = pytest.mark.usefixtures("virtual_clock")


class Trader(Strategy):
    """Buys at the market in each life, and rests an order unless one rests already."""

    class Config(Strategy.Config, frozen=True):
        symbol: str = SYMBOL

    async def run(self) -> None:
        if not self.orders:
            await self.buy(SYMBOL, quantity=Decimal("0.001"))
            await self.buy(SYMBOL, quantity=Decimal("0.005"), price=Decimal(39_000))
        await trio.sleep_forever()


def remove(journal: Path) -> None:
    for file in journal.parent.glob(f"{journal.name}*"):
        file.unlink()


@pytest.mark.parametrize("orders_on_crash", ["keep", "cancel"])
async def test_an_older_copy_is_gone_on_with_and_what_is_missing_since_is_found(
    exchange: StagedExchange, start: StrategyStarter, tmp_path: Path, orders_on_crash: str
) -> None:
    exchange.quote(SYMBOL, "40000", "40001")
    journal, copy = tmp_path / "orders.journal", tmp_path / "copy"
    first = await start(Trader, journal=journal)
    await trio.sleep(200)  # long enough for the watermarks to rise
    await first.stop()
    shutil.copy(journal, copy)
    second = await start(Trader, journal=journal)
    await trio.sleep(200)
    await second.kill()
    exchange.trade(SYMBOL, "38999", quantity="0.002")
    remove(journal)
    shutil.copy(copy, journal)
    third = await start(Trader, journal=journal, orders_on_crash=orders_on_crash)
    await trio.sleep(1)
    assert third.position(SYMBOL) == exchange.position("BTC") > Decimal("0.003")
    statuses = [order["status"] for order in exchange.orders()]
    if orders_on_crash == "keep":
        assert statuses == ["FILLED", "CANCELED", "FILLED", "PARTIALLY_FILLED"]
    else:
        assert statuses == ["FILLED", "CANCELED", "FILLED", "CANCELED", "FILLED", "NEW"]


async def test_after_a_loss_positions_count_from_zero_and_open_orders_are_adopted_with_their_fills(
    exchange: StagedExchange, start: StrategyStarter, tmp_path: Path
) -> None:
    exchange.quote(SYMBOL, "40000", "40001")
    journal = tmp_path / "orders.journal"
    first = await start(Trader, journal=journal)
    await trio.sleep(1)
    exchange.trade(SYMBOL, "38999", quantity="0.002")
    await trio.sleep(1)
    await first.kill()
    remove(journal)
    second = await start(Trader, journal=journal, orders_on_crash="keep")
    await trio.sleep(2)
    (adopted,) = second.orders
    assert adopted.filled_quantity == Decimal("0.002")
    assert second.position(SYMBOL) == Decimal("0.001998"), "of the order that is open, net of commission"
    await second.stop()
    assert not second.orders
