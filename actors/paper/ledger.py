"""Who owns what: free and locked balances of every account, fees, and what the market outside gave and took.

Every amount that moves leaves one place and enters another, so the total of an asset never changes but by a deposit.
Which order locks how much is decided by the engine.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from dogwatch.actors.paper.decimals import ZERO
from dogwatch.actors.paper.symbols import in_exchange_order


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What an account holds of one asset: free to use, and locked in open orders."""

    free: Decimal
    locked: Decimal

    @property
    def total(self) -> Decimal:
        return self.free + self.locked


class Holding:
    """The mutable balance of one account in one asset."""

    __slots__ = ("free", "locked")

    def __init__(self, free: Decimal = ZERO) -> None:
        self.free = free
        self.locked = ZERO

    def lock(self, amount: Decimal) -> None:
        """Set aside from what is free. The caller has checked that it is there."""
        self.free -= amount
        self.locked += amount

    def unlock(self, amount: Decimal) -> None:
        self.locked -= amount
        self.free += amount


class Wallet:
    """All holdings of one account, and what it was opened with."""

    __slots__ = ("_holdings", "_opened_with")

    def __init__(self, balances: Mapping[str, Decimal]) -> None:
        self._opened_with = dict(balances)
        self._holdings = {asset: Holding(amount) for asset, amount in balances.items()}

    def holding(self, asset: str) -> Holding:
        held = self._holdings.get(asset)
        if held is None:
            held = self._holdings[asset] = Holding()
        return held

    def balances(self) -> dict[str, Balance]:
        """A copy, in the exchange's asset order."""
        held = self._holdings
        return {asset: Balance(free=held[asset].free, locked=held[asset].locked) for asset in in_exchange_order(held)}

    def position(self, asset: str) -> Decimal:
        """What the account gained (or lost, negative) of the asset since it was opened, commissions included."""
        held = self._holdings.get(asset)
        return (held.free + held.locked if held else ZERO) - self._opened_with.get(asset, ZERO)


class Ledger:
    """The wallets of all accounts, the fees taken, and the net flow to (+) or from (-) the market outside."""

    def __init__(self) -> None:
        self._wallets: dict[str, Wallet] = {}
        self.fees: dict[str, Decimal] = {}
        self.outside: dict[str, Decimal] = {}

    def open(self, account: str, balances: Mapping[str, Decimal]) -> Wallet:
        """Open an account. Raises ValueError for a name that is taken or an amount that is negative or not finite."""
        if account in self._wallets:
            raise ValueError(f"account {account!r} is open already")
        for asset, amount in balances.items():
            if not amount.is_finite() or amount < 0:
                raise ValueError(f"account {account!r}: {amount} {asset} is not an amount one can own")
        wallet = self._wallets[account] = Wallet(balances)
        return wallet

    def take_fee(self, asset: str, amount: Decimal) -> None:
        self.fees[asset] = self.fees.get(asset, ZERO) + amount

    def pay_outside(self, asset: str, amount: Decimal) -> None:
        """The market outside receives the amount, or pays it when negative."""
        self.outside[asset] = self.outside.get(asset, ZERO) + amount

    def total(self, asset: str) -> Decimal:
        """All that exists of the asset: in wallets, in fees, outside. Only opening an account changes it."""
        held = sum(
            (wallet.holding(asset).free + wallet.holding(asset).locked for wallet in self._wallets.values()), ZERO
        )
        return held + self.fees.get(asset, ZERO) + self.outside.get(asset, ZERO)
