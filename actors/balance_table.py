"""The account's balances, readable by anybody without asking. The Account actor keeps them true, see `account.py`."""

from collections.abc import Iterable, Iterator
from typing import Any

from dogwatch.actors.balance import Balance
from dogwatch.actors.spot.account_results import AccountBalance
from dogwatch.actors.spot.user_events import PositionBalance
from dogwatch.runtime.topic import Topic


class BalanceTable:
    """Asset → balance. Written by the Account actor alone, read by anybody; lives as long as the tree."""

    def __init__(self) -> None:
        self.changes: Topic[Balance] = Topic("balances")
        self.is_loaded = False
        self._balances: dict[str, Balance] = {}

    def __iter__(self) -> Iterator[Balance]:
        return iter(tuple(self._balances.values()))

    def get(self, asset: str) -> Balance:
        """What the account holds of an asset; zero for an asset it does not hold."""
        return self._balances.get(asset) or Balance(asset=asset)

    def put_all(self, entries: Iterable[AccountBalance | PositionBalance], updated_ms: Any) -> None:
        """Take what the exchange says of several assets, as of one moment.

        `updated_ms` is an int; machine code that was told so would lose an Instant's microseconds.
        """
        for entry in entries:
            self.put(Balance(asset=entry.asset, free=entry.free, locked=entry.locked, updated_ms=updated_ms))

    def put(self, balance: Balance) -> None:
        """Take a balance, unless a newer one is known. Tells it if it is different."""
        known = self._balances.get(balance.asset)
        if known is None or known.updated_ms <= balance.updated_ms:
            self._balances[balance.asset] = balance
            if known is None or (known.free, known.locked) != (balance.free, balance.locked):
                self.changes.publish(balance)

    def keep_only(self, assets: set[str], updated_ms: Any) -> None:
        """What a snapshot without zero balances does not name is zero, unless it changed after the snapshot."""
        for asset in self._balances.keys() - assets:
            self.put(Balance(asset=asset, updated_ms=updated_ms))
