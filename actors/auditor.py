"""Compares belief with ledger: what the account held when the strategies began and what it holds when they have ended.

It stands right before the strategies in the tree, so it stops right after them, while the link still stands.
"""

import math
from decimal import Decimal

from dogwatch.actors.account import Account, AwaitBalances, BalanceTable
from dogwatch.actors.session import Call, Session
from dogwatch.actors.spot import methods
from dogwatch.actors.spot.errors import MalformedResult
from dogwatch.actors.spot.methods import Method
from dogwatch.actors.spot.results import AccountStatus, decode_result
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.errors import DogwatchError
from dogwatch.runtime.ref import ActorRef

ANSWER_WITHIN_S = 5.0


class Audit:
    """Asset → total held at the start and at the end. Written by the Auditor alone; None where it could not be read."""

    def __init__(self) -> None:
        self.at_start: dict[str, Decimal] | None = None
        self.at_end: dict[str, Decimal] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the ledger could be read both times."""
        return self.at_start is not None and self.at_end is not None

    def gained(self, asset: str) -> Decimal | None:
        """What the account has gained of an asset; None if the ledger could not be read twice."""
        if self.at_start is None or self.at_end is None:
            return None
        return self.at_end.get(asset, Decimal(0)) - self.at_start.get(asset, Decimal(0))


class Auditor(Actor):
    """Reads the ledger twice (WebSocket API, Account information)."""

    def __init__(
        self, *, account: ActorRef[Account], session: ActorRef[Session], balances: BalanceTable, audit: Audit
    ) -> None:
        self._account = account
        self._session = session
        self._balances = balances
        self._audit = audit

    async def on_start(self) -> None:
        if self._audit.at_start is None:
            self.tasks.start_soon(self._take_stock)

    async def on_stop(self) -> None:
        if self._audit.at_start is None:
            return
        try:
            self._audit.at_end = await self._read_ledger()
        except DogwatchError as failure:
            self.log.warning("the ledger could not be read at the end", reason=str(failure))

    async def _take_stock(self) -> None:
        await self._account.ask(AwaitBalances(), within_s=math.inf)
        self._audit.at_start = {balance.asset: balance.total for balance in self._balances}

    async def _read_ledger(self) -> dict[str, Decimal]:
        call = Call(method=Method.ACCOUNT_STATUS, params=methods.query_account())
        response = await self._session.ask(call, within_s=ANSWER_WITHIN_S)
        if not response.is_ok:
            raise MalformedResult(f"the exchange answered {response.error}")
        status = decode_result(response.result, AccountStatus)
        return {entry.asset: entry.free + entry.locked for entry in status.balances}
