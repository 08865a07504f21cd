"""Compares belief with ledger: what the account held when the strategies began and what it holds when they have ended.

It stands right before the strategies in the tree, so it stops right after them, while the link still stands.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, localcontext

import trio

from dogwatch.actors.order_messages import AwaitReady
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.orders import Orders
from dogwatch.actors.session_messages import Call, Speaker
from dogwatch.actors.spot.account_requests import QueryAccountStatus
from dogwatch.actors.spot.errors import MalformedResult
from dogwatch.actors.spot.position import Position
from dogwatch.actors.spot.priority import Priority
from dogwatch.actors.spot.results import AccountStatus, decode_result
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.errors import DogwatchError
from dogwatch.runtime.ref import ActorRef

ANSWER_WITHIN_S = 5.0
FILLS_WITHIN_S = 5.0
"""How long the end waits for fills that are counted and not told yet: over REST they are asked for."""
FILLS_LOOK_EVERY_S = 0.1
AUDITOR_STOP_WITHIN_S = FILLS_WITHIN_S + ANSWER_WITHIN_S + 1.0
TOLD_WITHIN_POLLS = 3
"""Over REST a fill is told so many rounds of asking after the ledger has it, at most: one misses it, one finds that
its order is gone, one is for its trades."""
AGAIN_S, AGAIN_S_MAX = 0.25, 8.0
"""How long after a reading that does not count the next one is asked for: doubling."""

ZERO = Decimal(0)
DIGITS = 60
"""As exact as positions themselves: costs have 20 decimals, which cancel out only when none is cut off."""
Positions = Mapping[tuple[str, str], Position]
"""Strategy and symbol → position."""


class Audit:
    """What was held and believed when this run began, and what is held at its end. Written by the Auditor alone.

    A run begins when everything that happened before it is known: `positions_at_start` is what earlier runs have left,
    `at_start` the ledger of that moment, asset → total. None where it could not be read.
    """

    def __init__(self) -> None:
        self.positions_at_start: Positions | None = None
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
        return self.at_end.get(asset, ZERO) - self.at_start.get(asset, ZERO)


class Auditor(Actor):
    """Reads the ledger twice (WebSocket API, Account information).

    `told_within_s`: how long after the ledger has a fill the tracker learns of it. 0 where an event tells, which comes
    before the answer that counts it.
    """

    def __init__(
        self,
        *,
        orders: ActorRef[Orders],
        session: ActorRef[Speaker],
        order_table: OrderTable,
        audit: Audit,
        told_within_s: float = 0.0,
    ) -> None:
        self._orders = orders
        self._session = session
        self._table = order_table
        self._audit = audit
        self._told_within_s = told_within_s

    async def on_start(self) -> None:
        if self._audit.at_start is not None:
            return
        if self._told_within_s:
            # Strategies begin after this: while no order is live, no fill can be told later than the ledger has it.
            with trio.move_on_after(ANSWER_WITHIN_S):
                await self._note_positions()
                if not any(self._table.all_live()) and await self._has_read_start():
                    return
        self.tasks.start_soon(self._take_stock)

    async def on_stop(self) -> None:
        if not self._table.is_tracked:
            return  # this stop is a part of the tracker's own restart, and strategies wait for it
        if self._audit.at_start is None and not self._has_nothing_happened():
            return
        with trio.move_on_after(FILLS_WITHIN_S):
            while self._table.unexplained():  # noqa: ASYNC110 # the table is written in many places
                await trio.sleep(FILLS_LOOK_EVERY_S)
        try:
            self._audit.at_end = await self._read_ledger()
        except DogwatchError as failure:
            self.log.warning("the ledger could not be read at the end", reason=str(failure))
            return
        if self._audit.at_start is None:
            self._audit.at_start = self._audit.at_end

    def _has_nothing_happened(self) -> bool:
        """Whether the run ended as it had begun, before the ledger was read: then one reading tells of both moments."""
        return self._table.placed == 0 and self._audit.positions_at_start == positions_of(self._table)

    async def _take_stock(self) -> None:
        """Note what is believed once it is complete, then read the ledger as often as it takes: strategies trade
        already, and a reading counts if no fill was entered around it."""
        await self._note_positions()
        again_s = AGAIN_S
        while not await self._has_read_start():
            await trio.sleep(again_s)
            again_s = min(2 * again_s, AGAIN_S_MAX)

    async def _note_positions(self) -> None:
        await self._orders.ask(AwaitReady(), within_s=math.inf)
        if self._audit.positions_at_start is None:
            self._audit.positions_at_start = positions_of(self._table)

    async def _has_read_start(self) -> bool:
        before, was_idle = positions_of(self._table), not any(self._table.all_live())
        try:
            held = await self._read_ledger()
        except DogwatchError as failure:
            self.log.warning("the ledger could not be read at the start", reason=str(failure))
            return False
        if not was_idle or any(self._table.all_live()):
            await trio.sleep(self._told_within_s)
        # The tracker answers this when it has handled what came over the wire before the ledger's answer.
        await self._orders.ask(AwaitReady(), within_s=math.inf)
        if positions_of(self._table) != before or self._table.unexplained():
            return False
        for asset, amount in moved_between(self._audit.positions_at_start or {}, before).items():
            held[asset] = held.get(asset, ZERO) - amount
        self._audit.at_start = held
        return True

    async def _read_ledger(self) -> dict[str, Decimal]:
        # Without it the report is not confirmed: it may use what is kept in reserve.
        call = Call.of(QueryAccountStatus(omit_zero_balances=True), lane=Priority.CANCEL)
        response = await self._session.ask(call, within_s=ANSWER_WITHIN_S)
        if not response.is_ok:
            raise MalformedResult(f"the exchange answered {response.error}")
        status = decode_result(response.result, AccountStatus)
        return {entry.asset: entry.free + entry.locked for entry in status.balances}


def positions_of(table: OrderTable) -> dict[tuple[str, str], Position]:
    """The positions of every strategy, as they are now."""
    return {
        (strategy, position.symbol): position
        for strategy in table.strategies()
        for position in table.positions(strategy)
    }


def moved_between(before: Positions, after: Positions) -> dict[str, Decimal]:
    """Asset → what fills have added to the account from one moment to a later one; without what has not moved."""
    moved = moved_by(after.values())
    with localcontext(prec=DIGITS):
        for asset, amount in moved_by(before.values()).items():
            moved[asset] = moved.get(asset, ZERO) - amount
    return {asset: amount for asset, amount in moved.items() if amount}


def moved_by(positions: Iterable[Position]) -> dict[str, Decimal]:
    """Asset → what all the fills of these positions have added to the account."""
    moved: dict[str, Decimal] = {}
    with localcontext(prec=DIGITS):
        for position in positions:
            for asset, amount in movements(position):
                moved[asset] = moved.get(asset, ZERO) + amount
    return moved


def movements(position: Position) -> Iterator[tuple[str, Decimal]]:
    """What the fills of a position have added to each asset, commission in third assets included."""
    yield position.base_asset, position.quantity
    yield position.quote_asset, position.realised_pnl - position.cost
    for asset, paid in position.commissions.items():
        if asset not in (position.base_asset, position.quote_asset):
            yield asset, -paid
