"""What an author may write, and what a mistake is told."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dogwatch import Context, Fills, NotSent, OrderChanges, OrderType, Quote, Rejected, Side, Strategy, TimeInForce
from dogwatch.actors.orders import Orders
from dogwatch.actors.testing import StagedExchange, StrategyStarter
from dogwatch.runtime.mailbox import Mailbox
from dogwatch.runtime.ref import ActorRef

SYMBOL = "BTCUSDT"


class Idle(Strategy):
    """Does what the test has it do."""

    class Config(Strategy.Config, frozen=True):
        symbol: str = SYMBOL


async def idle(exchange: StagedExchange, start: StrategyStarter) -> Strategy:
    exchange.quote(SYMBOL, "40000", "40001")
    return (await start(Idle)).strategy


def test_two_voices_are_a_type_error_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="two voices"):

        class Both(Strategy):
            async def run(self) -> None: ...

            def on_quote(self, quote: Quote) -> None: ...


def test_a_configuration_is_strict_and_frozen() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `sybmol`"):
        msgspec.convert({"sybmol": "X"}, Idle.Config)
    config: Any = Idle.Config()
    with pytest.raises(AttributeError):
        config.symbol = "ETHUSDT"


async def test_a_strategy_asks_the_exchange_whatever_it_answers(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    strategy = await idle(exchange, start)
    book = await strategy.spot.depth(symbol=SYMBOL, limit=5)
    assert book.bids[0].price == Decimal(40_000)
    rules = await strategy.spot.exchange_info(symbols=(SYMBOL,))
    assert [entry.symbol for entry in rules.symbols] == [SYMBOL]
    assert (await strategy.spot.open_orders_status(symbol=SYMBOL)) == ()


async def test_a_strategy_changes_nothing_behind_the_trackers_back(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    strategy = await idle(exchange, start)
    with pytest.raises(NotSent, match=r"order\.place is not called here") as caught:
        await strategy.spot.order_place(symbol=SYMBOL, side=Side.BUY, type=OrderType.MARKET, quantity=Decimal(1))
    assert "the strategy's own place" in caught.value.hint
    with pytest.raises(NotSent, match=r"openOrders\.cancelAll is not called here"):
        await strategy.spot.open_orders_cancel_all(symbol=SYMBOL)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"quantity": 0.1}, TypeError, r"quantity must be a Decimal, not 0.1: write Decimal\('0.1'\)"),
        ({"quantity": 1}, TypeError, r"write Decimal\('1'\)"),
        ({"quantity": Decimal(1), "price": 40_000.5}, TypeError, "price must be a Decimal"),
        ({}, ValueError, "either quantity or quote_quantity"),
        ({"quantity": Decimal(1), "quote_quantity": Decimal(1)}, ValueError, "either quantity or quote_quantity"),
        ({"quote_quantity": Decimal(1), "price": Decimal(1)}, ValueError, "takes no quote_quantity"),
        ({"quantity": Decimal(1), "post_only": True}, ValueError, "a post-only order needs a price"),
        ({"quantity": Decimal(1), "time_in_force": TimeInForce.IOC}, ValueError, "belongs to limit orders"),
        (
            {"quantity": Decimal(1), "price": Decimal(30_000), "time_in_force": "GTX"},
            ValueError,
            "TimeInForce has no GTX: use one of GTC, IOC, FOK",
        ),
        ({"quantity": Decimal(1), "within_s": -60}, NotSent, "its deadline has passed"),
        ({"quantity": Decimal(0)}, ValueError, "greater than zero"),
        ({"quantity": Decimal("NaN")}, ValueError, "greater than zero"),
        ({"quantity": Decimal(-1)}, ValueError, "greater than zero"),
    ],
)
async def test_what_is_no_order_is_refused_with_a_hint(
    exchange: StagedExchange, start: StrategyStarter, arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    strategy = await idle(exchange, start)
    with pytest.raises(error, match=text):
        await strategy.buy(SYMBOL, **arguments)
    assert exchange.orders() == []


async def test_a_filter_is_named_before_anything_is_sent(exchange: StagedExchange, start: StrategyStarter) -> None:
    strategy = await idle(exchange, start)
    with pytest.raises(NotSent, match="PRICE_FILTER"):
        await strategy.buy(SYMBOL, quantity=Decimal("0.001"), price=Decimal("39000.001"))
    with pytest.raises(NotSent, match="the rules of ETHUSDT are not known"):
        await strategy.buy("ETHUSDT", quantity=Decimal(1))
    assert exchange.orders() == []


async def test_an_order_that_the_tracker_does_not_come_to_was_not_sent(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    """Between two lives of the tracker it waits in the mailbox, and is passed over there once its time is up."""
    strategy = await idle(exchange, start)
    away: ActorRef[Orders] = ActorRef("orders", Mailbox("orders", Orders.lanes))
    away.mailbox.attach("orders", strategy._desk.orders.mailbox.timers)
    strategy._desk = replace(strategy._desk, orders=away)
    with pytest.raises(NotSent, match="has not taken the order"):
        await strategy.buy(SYMBOL, quantity=Decimal("0.001"), within_s=2)
    assert away.mailbox.take() is None


async def test_a_refusal_says_what_the_exchange_said(exchange: StagedExchange, start: StrategyStarter) -> None:
    strategy = await idle(exchange, start)
    with pytest.raises(Rejected, match="would immediately match") as refusal:
        await strategy.buy(SYMBOL, quantity=Decimal("0.001"), price=Decimal(41_000), post_only=True)
    assert refusal.value.code == -2010


async def test_every_kind_of_order_can_be_placed(exchange: StagedExchange, start: StrategyStarter) -> None:
    strategy = await idle(exchange, start)
    amount = Decimal("0.001")
    by_quantity = await strategy.buy(SYMBOL, quantity=amount)
    by_quote = await strategy.buy(SYMBOL, quote_quantity=Decimal(50))
    resting = await strategy.sell(SYMBOL, quantity=amount, price=Decimal(41_000))
    post_only = await strategy.place(Side.SELL, SYMBOL, quantity=amount, price=Decimal(42_000), post_only=True)
    at_once = await strategy.sell(SYMBOL, quantity=amount, price=Decimal(43_000), time_in_force=TimeInForce.IOC)
    assert by_quantity.is_filled
    assert by_quote.is_filled
    assert [order.client_order_id for order in strategy.orders] == [resting.client_order_id, post_only.client_order_id]
    assert at_once.is_closed
    assert strategy.position(SYMBOL) == exchange.position("BTC")


async def test_an_order_s_quantity_is_lowered_and_it_stays_the_same_order(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    strategy = await idle(exchange, start)
    order = await strategy.buy(SYMBOL, quantity=Decimal("0.003"), price=Decimal(39_000))
    amended = await strategy.amend(order, Decimal("0.001"))
    assert (amended.client_order_id, amended.quantity, amended.is_open) == (
        order.client_order_id,
        Decimal("0.001"),
        True,
    )
    exchange.trade(SYMBOL, "38999")
    assert (await strategy.closed(order)).filled_quantity == Decimal("0.001")
    assert [(entry["origQty"], entry["status"]) for entry in exchange.orders()] == [("0.00100000", "FILLED")]


@pytest.mark.parametrize(
    ("quantity", "error", "text"),
    [
        (0.001, TypeError, "quantity must be a Decimal"),
        (None, TypeError, "quantity must be a Decimal"),
        (Decimal(0), ValueError, "quantity must be greater than zero"),
        (Decimal("0.003"), NotSent, "lower"),
        (Decimal("0.0000001"), NotSent, "LOT_SIZE"),
    ],
)
async def test_an_amend_that_lowers_nothing_is_refused_before_it_is_sent(
    exchange: StagedExchange, start: StrategyStarter, quantity: Any, error: type[Exception], text: str
) -> None:
    strategy = await idle(exchange, start)
    order = await strategy.buy(SYMBOL, quantity=Decimal("0.002"), price=Decimal(39_000))
    with pytest.raises(error, match=text):
        await strategy.amend(order, quantity)
    assert strategy.latest(order).quantity == Decimal("0.002")
    assert strategy.latest(order).is_open


async def test_an_order_is_replaced_by_another_and_what_is_left_out_stays(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    strategy = await idle(exchange, start)
    first = await strategy.buy(SYMBOL, quantity=Decimal("0.003"), price=Decimal(39_000))
    exchange.trade(SYMBOL, "38999", "0.001")
    await trio.sleep(1)
    second = await strategy.replace(first, price=Decimal(38_000))
    assert (second.quantity, second.price, second.side, second.is_open) == (
        Decimal("0.002"),
        Decimal(38_000),
        Side.BUY,
        True,
    )
    third = await strategy.replace(second, quantity=Decimal("0.001"), post_only=True)
    fourth = await strategy.replace(third, price=Decimal(37_000))
    assert [str(order.type) for order in (second, third, fourth)] == ["LIMIT", "LIMIT_MAKER", "LIMIT_MAKER"]
    assert (third.price, fourth.quantity) == (Decimal(38_000), Decimal("0.001"))
    assert [str(strategy.latest(order).life) for order in (first, second, third)] == ["CANCELED"] * 3
    assert [order.client_order_id for order in strategy.orders] == [fourth.client_order_id]
    assert strategy.position(SYMBOL) == exchange.position("BTC")


async def test_what_cannot_be_replaced_is_said_and_nothing_is_placed(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    strategy = await idle(exchange, start)
    bought = await strategy.buy(SYMBOL, quantity=Decimal("0.001"))
    with pytest.raises(ValueError, match="only an order with a price can be replaced"):
        await strategy.replace(bought, price=Decimal(39_000))
    order = await strategy.buy(SYMBOL, quantity=Decimal("0.001"), price=Decimal(39_000))
    with pytest.raises(TypeError, match="price must be a Decimal"):
        await strategy.replace(order, price=38_000.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="quantity must be greater than zero"):
        await strategy.replace(order, quantity=Decimal(-1))
    await strategy.cancel(order)
    with pytest.raises(NotSent, match="is not known to be open and cannot be replaced"):
        await strategy.replace(order, price=Decimal(38_000))
    assert len(exchange.orders()) == 2


async def test_a_replacement_that_the_exchange_refuses_says_what_became_of_the_old_order(
    exchange: StagedExchange, start: StrategyStarter
) -> None:
    strategy = await idle(exchange, start)
    order = await strategy.buy(SYMBOL, quantity=Decimal("0.001"), price=Decimal(39_000))
    with pytest.raises(Rejected, match="canceled") as refusal:
        await strategy.replace(order, price=Decimal(41_000), post_only=True)
    assert "would immediately match" in str(refusal.value)
    assert str(strategy.latest(order).life) == "CANCELED"
    assert strategy.orders == ()


async def test_orders_are_queried_canceled_and_waited_for(exchange: StagedExchange, start: StrategyStarter) -> None:
    strategy = await idle(exchange, start)
    amount = Decimal("0.001")
    orders = [await strategy.buy(SYMBOL, quantity=amount, price=Decimal(39_000 + step)) for step in range(4)]
    assert (await strategy.query(orders[0])).is_open
    assert str((await strategy.cancel(orders[0])).life) == "CANCELED"
    assert str((await strategy.cancel(orders[0])).life) == "CANCELED"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(strategy.closed, orders[3])
        await trio.sleep(1)
        exchange.trade(SYMBOL, "39002.5")
        await trio.sleep(1)
    assert strategy.latest(orders[3]).is_filled
    assert len(strategy.orders) == 2
    assert not await strategy.cancel_all()
    assert not strategy.orders


async def test_own_fills_and_changes_can_be_followed(exchange: StagedExchange, start: StrategyStarter) -> None:
    strategy = await idle(exchange, start)
    with strategy.follow(Fills()) as fills, strategy.follow(OrderChanges()) as changes:
        order = await strategy.buy(SYMBOL, quantity=Decimal("0.001"))
        assert (await anext(fills)).client_order_id == order.client_order_id
        lives = [str((await anext(changes)).order.life) for _ in range(2)]
        assert lives == ["SENT", "FILLED"]


async def test_cancelling_the_call_does_not_cancel_the_order(exchange: StagedExchange, start: StrategyStarter) -> None:
    strategy = await idle(exchange, start)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def place() -> None:
                await strategy.buy(SYMBOL, quantity=Decimal("0.001"), price=Decimal(39_000))

            nursery.start_soon(place)
            await wait_all_tasks_blocked()
            scope.cancel()
    await trio.sleep(1)
    assert [order["status"] for order in exchange.orders()] == ["NEW"]
    assert [order.is_open for order in strategy.orders] == [True]


async def test_the_rules_round_in_a_named_direction(exchange: StagedExchange, start: StrategyStarter) -> None:
    from dogwatch import Rounding

    strategy = await idle(exchange, start)
    rules = strategy.symbol(SYMBOL)
    assert rules.round_price(Decimal("40000.129"), Rounding.DOWN) == Decimal("40000.12")
    assert rules.round_price(Decimal("40000.121"), Rounding.UP) == Decimal("40000.13")
    with pytest.raises(KeyError, match="only those of BTCUSDT"):
        strategy.symbol("ETHUSDT")


async def test_following_what_is_no_feed_is_told(exchange: StagedExchange, start: StrategyStarter) -> None:
    strategy = await idle(exchange, start)
    wrong: Any = "BTCUSDT"
    with pytest.raises(TypeError, match="is no feed: use Quotes"):
        strategy.follow(wrong)


def test_the_configuration_says_from_when_on_it_is_there() -> None:
    class Hasty(Strategy):
        def __init__(self, context: Context) -> None:
            self.wanted = self.config
            super().__init__(context)

    with pytest.raises(AttributeError, match=r"after super\(\).__init__\(context\)"):
        Hasty(cast(Context, None))
    assert not hasattr(Strategy, "config")
