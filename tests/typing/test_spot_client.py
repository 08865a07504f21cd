"""What the type checkers know of `Spot`: every function has the parameters of its request, and brings its result.

The checks happen when `mypy --strict` and `pyright` read this file; a wrong use stands with an ignore comment.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from decimal import Decimal
from typing import assert_type

from dogwatch.actors.spot.enums import OrderType, Side
from dogwatch.actors.spot.requests import Depth, OrderCancel
from dogwatch.actors.spot.results import (
    AccountStatus,
    BookSnapshot,
    Candle,
    OrderListReport,
    OrderReport,
    ServerTime,
    Ticker,
)
from dogwatch.actors.spot_client import Spot


async def everything(spot: Spot) -> None:
    """Uses every kind once; never run."""
    assert_type(await spot.call(Depth(symbol="A"), within_s=1), BookSnapshot)
    assert_type(await spot.call(OrderCancel(symbol="A", order_id=1)), OrderReport | OrderListReport)
    assert_type(await spot.depth(symbol="A", limit=5), BookSnapshot)
    assert_type(await spot.time(), ServerTime)
    assert_type(await spot.klines(symbol="A", interval="1h", limit=2), tuple[Candle, ...])
    assert_type(await spot.ticker_24hr(), tuple[Ticker, ...])
    assert_type(await spot.account_status(omit_zero_balances=True), AccountStatus)
    assert_type(
        await spot.order_place(symbol="A", side=Side.BUY, type=OrderType.MARKET, quantity=Decimal(1)), OrderReport
    )
    assert_type(await spot.within(60).all_orders(symbol="A"), tuple[OrderReport, ...])
    await spot.depth()  # type: ignore[call-arg] # of which symbol?
    await spot.depth(symbol="A", limits=5)  # type: ignore[call-arg] # no such parameter
    await spot.depth("A")  # type: ignore[call-arg] # parameters have names
    await spot.klines(symbol="A", interval="7m")  # type: ignore[arg-type] # no such candle
    await spot.order_amend_keep_priority(symbol="A", order_id=1, new_qty=0.1)  # type: ignore[arg-type] # a float
    await spot.call("depth")  # type: ignore[arg-type] # a name is no request


def test_a_function_is_found_on_the_class_with_its_request() -> None:
    assert Spot.depth.request is Depth
    assert Spot.depth.__doc__ == Depth.__doc__
