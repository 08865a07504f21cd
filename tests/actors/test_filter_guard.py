"""What the tracker knows when it checks an order against the filters, and what it says of one that fails them."""

from decimal import Decimal

import msgspec
import pytest

from dogwatch.actors.balance import Balance
from dogwatch.actors.balance_table import BalanceTable
from dogwatch.actors.feeds import AveragePrices, ReferencePrices
from dogwatch.actors.filter_guard import FilterGuard
from dogwatch.actors.interest import Interests
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.spot.enums import OrderType, Side
from dogwatch.actors.spot.errors import NotSent
from dogwatch.actors.spot.exchange_info import (
    ExchangeMaxNumOrders,
    MaxNumOrderAmends,
    MaxNumOrders,
    MaxPosition,
    PercentPrice,
)
from dogwatch.actors.spot.filter_context import Terms
from dogwatch.actors.spot.filters import SymbolRules
from dogwatch.actors.spot.order import Amend, Certainty, Life, Order, Request
from dogwatch.actors.spot.ticker_events import AveragePriceEvent, ReferencePriceEvent
from dogwatch.actors.symbols import SymbolTable
from tests.actors.spot.rules_made import LOT, PRICE, limit, rules_with


def order(name: str, *, life: Life = Life.OPEN, side: Side = Side.BUY, quantity: str = "1") -> Order:
    return Order(
        client_order_id=name,
        symbol="BTCUSDT",
        side=side,
        type=OrderType.LIMIT,
        created_ms=0,
        quantity=Decimal(quantity),
        price=Decimal(100),
        strategy="one",
        life=life,
    )


class Desk:
    """A guard and the tables that it reads."""

    def __init__(self, rules: SymbolRules, *, is_on: bool = True) -> None:
        self.table = OrderTable(run="r")
        self.balances = BalanceTable()
        symbols = SymbolTable(["BTCUSDT"])
        symbols.replace([rules])
        self.interest = Interests()
        self.guard = FilterGuard(
            symbols=symbols, table=self.table, balances=self.balances, interest=self.interest, is_on=is_on
        )

    def refusal(self, terms: Terms) -> str:
        try:
            self.guard.check_placing("BTCUSDT", terms)
        except NotSent as refusal:
            return str(refusal)
        return ""


def test_an_order_that_a_filter_forbids_is_not_sent_and_the_words_say_which_and_what_would_do() -> None:
    desk = Desk(rules_with(PRICE, LOT))
    refusal = desk.refusal(limit("0.000015", "100.001"))
    assert "price 100.001 is not a multiple of 0.01 (PRICE_FILTER)" in refusal
    assert "(LOT_SIZE)" in refusal
    assert "the nearest legal price is 100" in refusal
    assert desk.refusal(limit("0.00001", "100")) == ""


def test_digits_that_nobody_reads_are_refused_too() -> None:
    assert "more digits than the exchange reads" in Desk(rules_with(PRICE)).refusal(limit("1", f"1.{'0' * 120}1"))


def test_a_guard_that_is_off_refuses_nothing_but_symbols_whose_fills_cannot_be_counted() -> None:
    desk = Desk(rules_with(PRICE, LOT), is_on=False)
    assert desk.refusal(limit("0.000015", "100.001")) == ""
    desk.guard.check_amending(order("a"), limit("0.000015"))
    with pytest.raises(NotSent, match="rules of ETHUSDT are not known"):
        desk.guard.check_placing("ETHUSDT", limit())


@pytest.mark.parametrize("limited", [MaxNumOrders(max_num_orders=2), ExchangeMaxNumOrders(max_num_orders=2)])
def test_open_orders_are_counted_and_those_that_may_not_be_open_are_not(
    limited: MaxNumOrders | ExchangeMaxNumOrders,
) -> None:
    desk = Desk(rules_with(exchange_filters=(limited,)))
    desk.table.put(order("a"))
    for name, life in (("b", Life.SENT), ("c", Life.DRAFT), ("d", Life.CANCELED)):
        desk.table.put(order(name, life=life))
    desk.table.put(msgspec.structs.replace(order("e"), certainty=Certainty.UNKNOWN))
    assert desk.refusal(limit()) == ""
    desk.table.put(order("b"))
    assert "there are 2 open orders" in desk.refusal(limit())
    desk.table.put(order("a", life=Life.FILLED))
    assert desk.refusal(limit()) == ""
    assert (desk.table.open_orders, desk.table.open_on("BTCUSDT"), desk.table.open_on("ETHUSDT")) == (1, 1, 0)


def test_an_order_that_is_being_canceled_stands_in_the_way_of_none_that_follows() -> None:
    rules = rules_with(LOT, MaxNumOrders(max_num_orders=1), MaxPosition(max_position=Decimal(10)))
    desk = Desk(rules)
    desk.balances.is_loaded = True
    desk.table.put(order("a", quantity="9"))
    refusal = desk.refusal(limit("9"))
    assert "MAX_NUM_ORDERS" in refusal
    assert "MAX_POSITION" in refusal
    for request in (Request.CANCELING, Request.IN_DOUBT):
        desk.table.put(msgspec.structs.replace(order("a", quantity="9"), request=request))
        assert desk.refusal(limit("9")) == ""
    desk.table.put(order("a", quantity="9"))
    assert desk.refusal(limit("9")) == refusal


def test_a_position_is_what_is_held_and_what_is_being_bought_once_the_balances_are_known() -> None:
    desk = Desk(rules_with(LOT, MaxPosition(max_position=Decimal(10))))
    desk.table.put(order("a", quantity="4"))
    desk.table.put(order("b", quantity="4", side=Side.SELL))
    desk.table.put(order("c", quantity="4", life=Life.SENT))
    assert desk.refusal(limit("9")) == ""
    desk.balances.put(Balance(asset="BTC", free=Decimal(2), locked=Decimal(1)))
    desk.balances.is_loaded = True
    assert desk.refusal(limit("3")) == ""
    assert "quantity 3.1 on top of 7 BTC is above 10 (MAX_POSITION)" in desk.refusal(limit("3.1"))
    assert desk.refusal(limit("3.1", side=Side.SELL)) == ""


def test_amendments_of_an_order_are_counted_when_they_are_known_to_have_been_carried_out() -> None:
    desk = Desk(rules_with(MaxNumOrderAmends(max_num_order_amends=2)))
    desk.table.put(order("a", quantity="9"))

    def amend(quantity: str, *, in_doubt: bool, carried_out: bool) -> None:
        now = desk.table.get("a")
        assert now is not None
        state = Amend.IN_DOUBT if in_doubt else Amend.AMENDING
        asked = msgspec.structs.replace(now, amend=state, amend_quantity=Decimal(quantity))
        desk.table.put(asked)
        after = Decimal(quantity) if carried_out else now.quantity
        desk.table.put(msgspec.structs.replace(asked, amend=Amend.NONE, quantity=after))
        desk.table.put(msgspec.structs.replace(asked, amend=Amend.NONE, quantity=after, updated_ms=1))

    amend("8", in_doubt=False, carried_out=True)
    amend("7", in_doubt=False, carried_out=False)
    desk.guard.check_amending(order("a"), limit("6"))
    amend("7", in_doubt=True, carried_out=True)
    with pytest.raises(NotSent, match=r"there are 2 amendments of this order.*MAX_NUM_ORDER_AMENDS"):
        desk.guard.check_amending(order("a"), limit("6"))


def test_prices_are_compared_with_what_somebody_follows_while_the_exchange_sends_it() -> None:
    desk = Desk(rules_with(PRICE, PERCENT))
    (link,) = desk.interest.links
    assert desk.refusal(limit(price="41")) == "", "nobody follows anything"
    topic = desk.interest.follow(AveragePrices("BTCUSDT").stream)
    topic.publish(average("20"))
    assert desk.refusal(limit(price="41")) == "", "the connection may be gone"
    link.is_served = lambda _stream: True
    assert "price 41 is above 40, too far from the reference price 20" in desk.refusal(limit(price="41"))
    topic.publish(average("20", interval="1m"))
    assert desk.refusal(limit(price="41")) == "", "the filter means another average"
    topic.publish(average("20"))
    reference = desk.interest.follow(ReferencePrices("BTCUSDT").stream)
    assert desk.refusal(limit(price="41")) != "", "none has been told"
    reference.publish(ReferencePriceEvent(symbol="BTCUSDT", price=Decimal(30), time_ms=0))
    assert desk.refusal(limit(price="41")) == ""
    assert "above 60" in desk.refusal(limit(price="61"))
    reference.publish(ReferencePriceEvent(symbol="BTCUSDT", price=None, time_ms=0))
    assert "above 40" in desk.refusal(limit(price="41"))


PERCENT = PercentPrice(multiplier_up=Decimal(2), multiplier_down=Decimal("0.5"), avg_price_mins=5)


def average(price: str, interval: str = "5m") -> AveragePriceEvent:
    return AveragePriceEvent(
        event_time_ms=0, symbol="BTCUSDT", interval=interval, price=Decimal(price), last_trade_time_ms=0
    )
