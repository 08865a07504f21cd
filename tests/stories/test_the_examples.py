"""The examples, as a user finds them, through quiet and unquiet hours on the paper exchange."""

from decimal import Decimal
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from dogwatch.actors.paper.order import Fill
from dogwatch.actors.settings import StrategyPlan, load_plan
from dogwatch.actors.spot.order import Life
from dogwatch.actors.strategy_host import OrdersOnCrash
from dogwatch.actors.tree import StrategyEntry
from dogwatch.runtime.lifecycle import Reason
from dogwatch.runtime.specs import Restart
from dogwatch.runtime.testing import MemoryNetwork
from tests.stories.scene import Account, check_that_all_is_square, open_exchange, prices_move, walk

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def entry_of(plan: StrategyPlan) -> StrategyEntry:
    return StrategyEntry(
        name=plan.settings.name,
        strategy=plan.strategy,
        config=plan.config,
        orders_on_crash=OrdersOnCrash(plan.settings.orders_on_crash),
        restart=Restart(plan.settings.restart),
    )


async def test_the_quoter_quotes_both_sides_and_ends_with_nothing_open(virtual_clock: MockClock, seed: int) -> None:
    plan = load_plan(EXAMPLES / "quoter.toml")
    (quoter,) = plan.strategies
    async with open_exchange(seed=seed, config=plan.settings.paper) as exchange:
        account = Account(exchange, entry_of(quoter), seed=seed)
        async with account.trading(), prices_move(exchange):
            await trio.sleep(120)
            assert len(account.table.live("quoter")) <= 2
        assert account.restarts == []
        check_that_all_is_square(exchange, account)
        assert account.fills_booked() >= 10
        assert account.table.ended[Life.CANCELED] >= 10
        largest = max(abs(total) for total in running_totals(exchange.fills()))
        assert largest <= quoter.config.position_max + quoter.config.size  # type: ignore[attr-defined]  # the quoter's


def running_totals(fills: list[Fill]) -> list[Decimal]:
    """The position after each fill, before commission."""
    totals, total = [], Decimal(0)
    for fill in fills:
        total += fill.quantity if fill.side == "BUY" else -fill.quantity
        totals.append(total)
    return totals


async def test_the_twap_buys_its_quantity_in_slices_and_ends_the_run_by_itself(
    virtual_clock: MockClock, seed: int
) -> None:
    plan = load_plan(EXAMPLES / "twap.toml")
    (twap,) = plan.strategies
    async with open_exchange(seed=seed, config=plan.settings.paper) as exchange:
        account = Account(exchange, entry_of(twap), seed=seed)
        async with account.trading() as system, prices_move(exchange):
            with trio.fail_after(60):
                await system.wait_ended()
            assert system.ended is Reason.NORMAL
        check_that_all_is_square(exchange, account)
        orders = exchange.orders()
        assert [order["status"] for order in orders] == ["FILLED"] * 10
        assert sum(Decimal(order["executedQty"]) for order in orders) == Decimal("0.01")
        assert orders[-1]["time"] - orders[0]["time"] == 18_000


async def test_both_trade_side_by_side_on_one_account(virtual_clock: MockClock, seed: int) -> None:
    plans = [load_plan(EXAMPLES / f"{name}.toml").strategies[0] for name in ("quoter", "twap")]
    async with open_exchange(seed=seed, feed=walk(seed, interval_ms=100, step="1.50")) as exchange:
        account = Account(exchange, *map(entry_of, plans), seed=seed)
        async with account.trading(), prices_move(exchange):
            await trio.sleep(60)
            bought = sum((fill.quantity for fill in exchange.fills() if "-twap-" in fill.client_order_id), Decimal(0))
            assert bought == Decimal("0.01")
        assert set(account.table.strategies()) == {"quoter", "twap"}
        check_that_all_is_square(exchange, account)


@pytest.mark.parametrize("lines", ["all", "orders", "prices"])
async def test_the_quoter_gets_over_a_broken_line(virtual_clock: MockClock, seed: int, lines: str) -> None:
    plan = load_plan(EXAMPLES / "quoter.toml")
    (quoter,) = plan.strategies
    network = MemoryNetwork(delay_s=0.01)
    async with open_exchange(seed=seed, config=plan.settings.paper, network=network) as exchange:
        account = Account(exchange, entry_of(quoter), seed=seed)
        async with account.trading(), prices_move(exchange):
            await trio.sleep(30.05)
            chosen = {"all": slice(None), "orders": slice(0, 1), "prices": slice(1, 2)}[lines]
            for connection in network.connections[chosen]:  # the link to the API is dialled first
                connection.cut()
            await trio.sleep(45)
            newest_ms = max(order["time"] for order in exchange.orders())
            assert newest_ms > exchange.clock.unix_ms() - 10_000
        assert account.restarts == []
        check_that_all_is_square(exchange, account)
