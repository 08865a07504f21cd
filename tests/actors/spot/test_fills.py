"""Fills are counted once and add up exactly, against a naive model in fractions."""

from decimal import Decimal
from fractions import Fraction
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogwatch.actors.spot.enums import Side
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.fills import FillLedger, with_fill
from dogwatch.actors.spot.position import Position


def a_fill(
    side: Side = Side.BUY,
    price: str | Decimal = "100",
    quantity: str | Decimal = "1",
    *,
    trade_id: int = 1,
    commission: str | Decimal = "0",
    commission_asset: str | None = None,
    execution_id: int = 0,
    symbol: str = "BTCUSDT",
) -> Fill:
    return Fill(
        symbol=symbol,
        trade_id=trade_id,
        order_id=1,
        client_order_id="q-1-1",
        side=side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        quote_quantity=Decimal(price) * Decimal(quantity),
        commission=Decimal(commission),
        commission_asset=commission_asset,
        is_maker=False,
        traded_ms=1_700_000_000_000,
        execution_id=execution_id,
    )


def a_ledger() -> FillLedger:
    ledger = FillLedger()
    ledger.follow("BTCUSDT", "BTC", "USDT")
    return ledger


def position_after(*fills: Fill) -> Position:
    position = Position(symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT")
    for fill in fills:
        position = with_fill(position, fill)
    return position


def test_buying_and_selling_higher_realises_the_difference() -> None:
    position = position_after(a_fill(Side.BUY, "100", "2"), a_fill(Side.SELL, "110", "0.5"))
    assert position.quantity == Decimal("1.5")
    assert position.average_cost == 100
    assert position.realised_pnl == 5
    assert position.volume_base == Decimal("2.5")
    assert position.volume_quote == 255
    assert position.fills == 2


def test_the_average_cost_weighs_each_buy_by_its_quantity() -> None:
    position = position_after(a_fill(Side.BUY, "100", "1"), a_fill(Side.BUY, "200", "3"))
    assert position.average_cost == 175
    assert position.realised_pnl == 0


def test_a_commission_in_the_base_asset_is_taken_from_what_was_received() -> None:
    position = position_after(a_fill(Side.BUY, "100", "1", commission="0.001", commission_asset="BTC"))
    assert position.quantity == Decimal("0.999")
    assert position.cost == 100
    assert position.commissions == {"BTC": Decimal("0.001")}


def test_a_commission_in_the_quote_asset_lowers_the_profit() -> None:
    bought = a_fill(Side.BUY, "100", "1")
    sold = a_fill(Side.SELL, "110", "1", commission="0.11", commission_asset="USDT")
    assert position_after(bought, sold).realised_pnl == Decimal("9.89")


def test_a_commission_in_a_third_asset_touches_neither_quantity_nor_profit() -> None:
    bought = a_fill(Side.BUY, "100", "1", commission="0.0002", commission_asset="BNB")
    sold = a_fill(Side.SELL, "110", "1", commission="0.0003", commission_asset="BNB")
    position = position_after(bought, sold)
    assert position.quantity == 0
    assert position.realised_pnl == 10
    assert position.commissions == {"BNB": Decimal("0.0005")}


def test_selling_a_base_asset_that_also_pays_the_commission_gives_both() -> None:
    position = position_after(a_fill(Side.SELL, "100", "1", commission="0.01", commission_asset="BTC"))
    assert position.quantity == Decimal("-1.01")


def test_a_commission_that_eats_the_whole_fill_is_a_loss() -> None:
    position = position_after(a_fill(Side.BUY, "100", "0.00000001", commission="0.00000001", commission_asset="BTC"))
    assert position.quantity == 0
    assert position.cost == 0
    assert position.realised_pnl == Decimal("-0.000001")


def test_selling_first_and_buying_back_lower_is_a_profit() -> None:
    position = position_after(a_fill(Side.SELL, "110", "2"), a_fill(Side.BUY, "100", "2"))
    assert position.quantity == 0
    assert position.cost == 0
    assert position.realised_pnl == 20


def test_going_through_zero_closes_the_old_position_and_opens_a_new_one() -> None:
    position = position_after(a_fill(Side.BUY, "100", "1"), a_fill(Side.SELL, "110", "3"))
    assert position.quantity == -2
    assert position.average_cost == 110
    assert position.realised_pnl == 10


def test_nothing_held_has_no_average_cost() -> None:
    assert position_after().average_cost is None
    assert position_after(a_fill(Side.BUY), a_fill(Side.SELL)).average_cost is None


def test_the_unrealised_profit_is_what_is_held_at_a_price_less_its_cost() -> None:
    assert position_after(a_fill(Side.BUY, "100", "2")).unrealised_pnl(Decimal(90)) == -20
    assert position_after(a_fill(Side.SELL, "100", "2")).unrealised_pnl(Decimal(90)) == 20


def test_a_trade_counts_once_however_often_it_is_told() -> None:
    ledger = a_ledger()
    answer = a_fill(trade_id=7)
    event = a_fill(trade_id=7, execution_id=900)
    assert [ledger.record(told) for told in (answer, event, answer)] == [True, False, False]
    assert ledger.position("BTCUSDT").fills == 1


def test_allocations_without_a_trade_id_are_told_apart_by_their_execution() -> None:
    ledger = a_ledger()
    told = [a_fill(trade_id=-1, execution_id=number) for number in (5, 6, 5)]
    assert [ledger.record(fill) for fill in told] == [True, True, False]


def test_equal_trade_ids_of_two_symbols_are_two_trades() -> None:
    ledger = a_ledger()
    ledger.follow("ETHUSDT", "ETH", "USDT")
    assert ledger.record(a_fill(trade_id=1))
    assert ledger.record(a_fill(trade_id=1, symbol="ETHUSDT"))
    assert [position.symbol for position in ledger.positions()] == ["BTCUSDT", "ETHUSDT"]


def test_a_trade_between_two_orders_of_our_own_counts_for_each_of_them() -> None:
    ledger = a_ledger()
    bought = a_fill(Side.BUY, "100", trade_id=7)
    sold = msgspec.structs.replace(a_fill(Side.SELL, "100", trade_id=7), order_id=2, client_order_id="q-1-2")
    assert [ledger.record(fill) for fill in (bought, sold, bought, sold)] == [True, True, False, False]
    assert ledger.position("BTCUSDT").quantity == 0
    assert ledger.position("BTCUSDT").volume_base == 2


def test_following_a_symbol_again_keeps_its_position() -> None:
    ledger = a_ledger()
    ledger.record(a_fill())
    ledger.follow("BTCUSDT", "BTC", "USDT")
    assert ledger.position("BTCUSDT").quantity == 1
    assert not ledger.record(a_fill())


def test_a_fill_of_a_symbol_that_is_not_followed_is_refused() -> None:
    with pytest.raises(KeyError, match="ETHUSDT"):
        a_ledger().record(a_fill(symbol="ETHUSDT"))


def test_the_memory_for_trades_is_bounded_and_what_was_forgotten_counts_as_known() -> None:
    ledger = FillLedger(remembered_max=4)
    ledger.follow("BTCUSDT", "BTC", "USDT")
    assert all(ledger.record(a_fill(trade_id=number)) for number in (10, 20, 30, 40, 50))
    assert [ledger.record(a_fill(trade_id=number)) for number in (10, 15, 20)] == [False, False, False]
    assert not ledger.record(a_fill(trade_id=50))
    assert ledger.record(a_fill(trade_id=25)), "above the mark a late trade is still new"


def test_a_ledger_that_could_remember_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="remembered_max"):
        FillLedger(remembered_max=1)


def test_a_fill_reads_like_a_sentence() -> None:
    fill = a_fill(commission="0.0010", commission_asset="BTC")
    assert repr(fill) == "<Fill BTCUSDT trade 1 BUY 1 at 100 of q-1-1, fee 0.0010 BTC>"
    recovered = msgspec.structs.replace(fill, is_recovered=True)
    assert repr(recovered) == "<Fill BTCUSDT trade 1 BUY 1 at 100 of q-1-1, fee 0.0010 BTC, recovered>"


@pytest.mark.parametrize("is_recovered_first", [False, True])
def test_a_fill_that_is_told_and_recovered_counts_once(is_recovered_first: bool) -> None:
    ledger = a_ledger()
    told = a_fill()
    recovered = msgspec.structs.replace(told, is_recovered=True)
    fills = [recovered, told] if is_recovered_first else [told, recovered]
    assert [ledger.record(fill) for fill in fills] == [True, False]
    assert ledger.position("BTCUSDT").quantity == 1


def test_a_restored_position_counts_what_it_holds_as_known_and_goes_on_from_there() -> None:
    ledger = FillLedger()
    held = position_after(a_fill(Side.BUY, "100", "3", trade_id=20), a_fill(Side.SELL, "110", "1", trade_id=15))
    ledger.restore(held, bought_mark=20, sold_mark=15, allocation_mark=7)
    ledger.follow("BTCUSDT", "BTC", "USDT")
    assert ledger.position("BTCUSDT") == held
    known = [
        a_fill(Side.BUY, trade_id=20),
        a_fill(Side.BUY, trade_id=3),
        a_fill(Side.SELL, trade_id=15),
        a_fill(trade_id=-1, execution_id=7),
    ]
    assert not any(ledger.record(fill) for fill in known)
    new = [
        a_fill(Side.BUY, trade_id=21),
        a_fill(Side.SELL, trade_id=16),
        a_fill(Side.SELL, trade_id=20),
        a_fill(trade_id=-1, execution_id=8),
    ]
    assert all(ledger.record(fill) for fill in new)
    assert ledger.position("BTCUSDT").quantity == 2
    assert ledger.position("BTCUSDT").fills == 6


def test_what_is_remembered_counts_as_known_and_moves_no_position() -> None:
    ledger = FillLedger()
    held = position_after(a_fill(Side.BUY, "100", "3", trade_id=20))
    ledger.restore(held, bought_mark=20)
    ledger.remember("BTCUSDT", Side.BUY, trade_id=25)
    ledger.remember("BTCUSDT", Side.SELL, trade_id=26)
    ledger.remember("BTCUSDT", Side.BUY, trade_id=-1, execution_id=9)
    assert ledger.position("BTCUSDT") == held
    known = [
        a_fill(Side.BUY, trade_id=25),
        a_fill(Side.SELL, trade_id=26),
        a_fill(trade_id=-1, execution_id=9),
    ]
    assert not any(ledger.record(fill) for fill in known)
    assert ledger.record(a_fill(Side.SELL, trade_id=25))
    assert ledger.record(a_fill(Side.BUY, trade_id=24))


def test_a_position_is_not_restored_over_fills_that_were_counted() -> None:
    ledger = a_ledger()
    ledger.record(a_fill())
    with pytest.raises(ValueError, match="BTCUSDT is followed already"):
        ledger.restore(position_after())
    assert ledger.position("BTCUSDT").quantity == 1


@st.composite
def histories(draw: st.DrawFn) -> list[Fill]:
    """Trades with rising ids, in sizes and prices as the exchange has them."""
    fills = []
    for trade_id in range(1, draw(st.integers(1, 12)) + 1):
        price = Decimal(draw(st.integers(1, 10**7))).scaleb(-2)
        quantity = Decimal(draw(st.integers(1, 10**6))).scaleb(-5)
        asset = draw(st.sampled_from(["BTC", "USDT", "BNB", None]))
        rate = Decimal(draw(st.sampled_from(["0", "0.00075", "0.001"])))
        paid = quantity if asset == "BTC" else price * quantity
        fills.append(
            a_fill(
                draw(st.sampled_from(Side)),
                price,
                quantity,
                trade_id=trade_id,
                commission=(paid * rate).quantize(Decimal("1E-8")),
                commission_asset=asset,
            )
        )
    return fills


def naive(fills: list[Fill]) -> tuple[Fraction, Fraction, Fraction]:
    """Quantity, average cost and realised profit, in fractions and without any of the ledger's ideas."""
    held = average = profit = Fraction(0)
    for fill in fills:
        sign = 1 if fill.side is Side.BUY else -1
        base = sign * Fraction(fill.quantity)
        quote = -sign * Fraction(fill.quote_quantity)
        base -= Fraction(fill.commission) if fill.commission_asset == "BTC" else 0
        quote -= Fraction(fill.commission) if fill.commission_asset == "USDT" else 0
        price = -quote / base
        if held * base >= 0:
            average = (abs(held) * average + abs(base) * price) / (abs(held) + abs(base))
        else:
            closed = min(abs(held), abs(base))
            profit += closed * (price - average) * (1 if held > 0 else -1)
            if abs(base) > abs(held):
                average = price
        held += base
    return held, average, profit


@given(histories())
def test_the_ledger_agrees_with_a_naive_model(fills: list[Fill]) -> None:
    held, average, profit = naive(fills)
    ledger = a_ledger()
    for fill in fills:
        assert ledger.record(fill)
    position = ledger.position("BTCUSDT")
    assert Fraction(position.quantity) == held
    assert abs(Fraction(position.realised_pnl) - profit) < Fraction(1, 10**12)
    if position.average_cost is not None:
        assert abs(Fraction(position.average_cost) * abs(held) - average * abs(held)) < Fraction(1, 10**12)


@given(histories(), st.randoms(use_true_random=False))
def test_money_is_neither_made_nor_lost_in_any_order_and_with_any_duplicates(fills: list[Fill], random: Random) -> None:
    told = fills + fills
    random.shuffle(told)
    ledger = a_ledger()
    assert sum(ledger.record(fill) for fill in told) == len(fills)
    position = ledger.position("BTCUSDT")
    held, _, _ = naive(fills)
    assert Fraction(position.quantity) == held
    quote = sum(((1 if fill.side is Side.SELL else -1) * fill.quote_quantity for fill in fills), Decimal(0))
    quote -= sum((fill.commission for fill in fills if fill.commission_asset == "USDT"), Decimal(0))
    assert position.realised_pnl - position.cost == quote, "exactly, not about"
    assert position.volume_base == sum(fill.quantity for fill in fills)
    assert position.volume_quote == sum(fill.quote_quantity for fill in fills)


@given(histories(), st.data())
def test_a_ledger_restored_in_the_middle_ends_like_one_that_was_never_closed(
    fills: list[Fill], data: st.DataObject
) -> None:
    split = data.draw(st.integers(0, len(fills)))
    whole, first, second = a_ledger(), a_ledger(), FillLedger()
    for fill in fills:
        whole.record(fill)
    for fill in fills[:split]:
        first.record(fill)
    mark = fills[split - 1].trade_id if split else -1
    second.restore(first.position("BTCUSDT"), bought_mark=mark, sold_mark=mark)
    assert [second.record(fill) for fill in fills] == [False] * split + [True] * (len(fills) - split)
    assert second.position("BTCUSDT") == whole.position("BTCUSDT")
