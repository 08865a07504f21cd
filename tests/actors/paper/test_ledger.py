"""Balances: what is free, what is locked, what was gained; and that no amount appears from nowhere."""

from decimal import Decimal

import pytest

from dogwatch.actors.paper.decimals import floor_to_step, rounded_down, rounded_half_up, rounded_up, text
from dogwatch.actors.paper.ledger import Balance, Ledger
from dogwatch.actors.paper.symbols import in_exchange_order


def test_locking_moves_between_free_and_locked() -> None:
    wallet = Ledger().open("alice", {"USDT": Decimal(10)})
    wallet.holding("USDT").lock(Decimal(4))
    wallet.holding("USDT").unlock(Decimal(1))
    assert wallet.balances() == {"USDT": Balance(free=Decimal(7), locked=Decimal(3))}
    assert wallet.balances()["USDT"].total == 10
    assert wallet.position("USDT") == 0


def test_a_position_is_the_change_since_opening_also_of_an_asset_not_owned_then() -> None:
    wallet = Ledger().open("alice", {"USDT": Decimal(10)})
    wallet.holding("USDT").free -= 3
    wallet.holding("BTC").free += 2
    assert [wallet.position(asset) for asset in ("USDT", "BTC", "ETH")] == [Decimal(-3), Decimal(2), Decimal(0)]


def test_fees_and_the_outside_count_into_the_total() -> None:
    ledger = Ledger()
    wallet = ledger.open("alice", {"BTC": Decimal(1)})
    ledger.open("bob", {"BTC": Decimal(2)})
    wallet.holding("BTC").free -= Decimal("0.75")
    ledger.take_fee("BTC", Decimal("0.25"))
    ledger.pay_outside("BTC", Decimal("0.5"))
    assert ledger.total("BTC") == 3
    assert ledger.total("ETH") == 0


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity"])
def test_an_account_cannot_own_such_an_amount(amount: str) -> None:
    with pytest.raises(ValueError, match="not an amount one can own"):
        Ledger().open("alice", {"BTC": Decimal(amount)})


def test_balances_stand_in_the_exchange_s_order() -> None:
    assert in_exchange_order({"ZZZ", "USDT", "BNB", "AAA", "BTC", "LTC"}) == ("BTC", "LTC", "BNB", "USDT", "AAA", "ZZZ")


def test_amounts_are_written_with_eight_decimals_and_no_exponent() -> None:
    amounts = [Decimal(0), Decimal("1E+3"), Decimal("1E-8"), Decimal("-0.5"), Decimal("0.123456789")]
    assert [text(amount) for amount in amounts] == [
        "0.00000000", "1000.00000000", "0.00000001", "-0.50000000", "0.12345679",
    ]  # fmt: skip


def test_rounding_has_a_direction() -> None:
    amount = Decimal("0.040229875")
    assert rounded_half_up(amount) == Decimal("0.04022988")
    assert rounded_down(amount) == Decimal("0.04022987")
    assert rounded_up(Decimal("0.040229871")) == Decimal("0.04022988")
    assert floor_to_step(Decimal("1.29"), Decimal("0.25")) == Decimal("1.25")
    assert floor_to_step(Decimal("1.29"), Decimal(0)) == Decimal("1.29")
