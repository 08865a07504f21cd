"""Fills and what they add up to: each trade counted once, position, average cost and realised profit per symbol.

Positions are what this ledger's fills amount to, starting from nothing or from what was recorded earlier; balances of
the account live elsewhere. Amounts are exact decimals. Reading fills out of reports lives in `order_state.py`.
"""

from decimal import Decimal
from typing import Final

import msgspec

from dogwatch.actors.spot.enums import Side
from dogwatch.actors.spot.fill import Fill
from dogwatch.actors.spot.position import ARITHMETIC, ZERO, Position

# The context's own methods, and no `localcontext`, which costs as much as eight sums (1.9 instead of 4.1 us a fill).
_add: Final = ARITHMETIC.add
_subtract: Final = ARITHMETIC.subtract
_multiply: Final = ARITHMETIC.multiply
_divide: Final = ARITHMETIC.divide
_with: Final = msgspec.structs.replace
_COST_GRID: Final = Decimal("1E-20")
"""Quotients are cut to it, so that sums stay exact after a division."""

REMEMBERED_TRADES_MAX: Final = 100_000


def with_fill(position: Position, fill: Fill) -> Position:
    """The position with this fill added. Does not ask whether it was counted before."""
    received_base, received_quote = _flows(fill, position.base_asset, position.quote_asset)
    released = _released_cost(position, received_base, received_quote)
    realised = position.realised_pnl
    if released is not received_quote:  # else nothing is realised
        realised = _subtract(_add(realised, received_quote), released)
    commissions, asset = position.commissions, fill.commission_asset
    if asset is not None and fill.commission:
        commissions = {**commissions, asset: _add(commissions.get(asset, ZERO), fill.commission)}
    return _with(
        position,
        quantity=_add(position.quantity, received_base),
        cost=_subtract(position.cost, released),
        realised_pnl=realised,
        volume_base=_add(position.volume_base, fill.quantity),
        volume_quote=_add(position.volume_quote, fill.quote_quantity),
        fills=position.fills + 1,
        commissions=commissions,
    )


def _flows(fill: Fill, base_asset: str, quote_asset: str) -> tuple[Decimal, Decimal]:
    """Base and quote received by a fill, commission taken off; negative where they were given."""
    if fill.side is Side.BUY:
        base, quote = fill.quantity, _subtract(ZERO, fill.quote_quantity)
    else:
        base, quote = _subtract(ZERO, fill.quantity), fill.quote_quantity
    asset = fill.commission_asset
    if asset == base_asset:
        base = _subtract(base, fill.commission)
    if asset == quote_asset:
        quote = _subtract(quote, fill.commission)
    return base, quote


def _released_cost(position: Position, received_base: Decimal, received_quote: Decimal) -> Decimal:
    """By how much a flow lowers the cost of the position; negative where it raises it.

    Adding to a position raises its cost by what was paid. Reducing it releases the same share of the cost. Going
    through zero does the one with all of it and the other with what is left.
    """
    held = position.quantity
    if not received_base:
        return ZERO
    if not held or held.is_signed() == received_base.is_signed():
        return received_quote
    if received_base.copy_abs() < held.copy_abs():
        share = _divide(_multiply(position.cost, received_base.copy_negate()), held)
        return share.quantize(_COST_GRID, context=ARITHMETIC)
    closing_quote = _divide(_multiply(received_quote, held.copy_negate()), received_base)
    closing_quote = closing_quote.quantize(_COST_GRID, context=ARITHMETIC)
    return _subtract(_add(position.cost, received_quote), closing_quote)


class FillLedger:
    """Counts every trade once and keeps the position of each symbol.

    The same trade may be told several times, in any order and by different messages; only the first counts, once for
    each side of it that is ours. Ids are remembered per symbol and side up to `remembered_max`; when there are more,
    the lower half is forgotten, and from then on a trade below that mark counts as known.
    """

    def __init__(self, *, remembered_max: int = REMEMBERED_TRADES_MAX) -> None:
        if remembered_max < 2:
            raise ValueError("remembered_max must be at least 2")
        self._remembered_max = remembered_max
        self._positions: dict[str, Position] = {}
        # A trade has a buyer and a seller, and both orders may be ours: then it counts once for each.
        self._bought: dict[str, _SeenIds] = {}
        self._sold: dict[str, _SeenIds] = {}
        self._allocations: dict[str, _SeenIds] = {}

    def follow(self, symbol: str, base_asset: str, quote_asset: str) -> None:
        """Start counting a symbol. The assets decide what a commission is taken from. Again for the same: no effect."""
        if symbol in self._positions:
            return
        self.restore(Position(symbol=symbol, base_asset=base_asset, quote_asset=quote_asset))

    def restore(
        self, position: Position, *, bought_mark: int = -1, sold_mark: int = -1, allocation_mark: int = -1
    ) -> None:
        """Start counting a symbol from a position that an earlier process recorded.

        Known are buys with trade ids up to `bought_mark`, sells up to `sold_mark`, allocations with execution ids up to
        `allocation_mark`, and what is told by `remember` afterwards. The position must hold exactly these; every other
        fill counts as new. Raises ValueError for a symbol that is followed already: its fills would be lost.
        """
        symbol = position.symbol
        if symbol in self._positions:
            raise ValueError(f"{symbol} is followed already: restore its position before anything follows it")
        self._positions[symbol] = position
        self._bought[symbol] = _SeenIds(self._remembered_max, bought_mark)
        self._sold[symbol] = _SeenIds(self._remembered_max, sold_mark)
        self._allocations[symbol] = _SeenIds(self._remembered_max, allocation_mark)

    def remember(self, symbol: str, side: Side, *, trade_id: int, execution_id: int = 0) -> None:
        """Count a fill as known that is part of the restored position. Raises KeyError as `record` does."""
        self._is_new(symbol, side, trade_id, execution_id)

    def record(self, fill: Fill) -> bool:
        """Count a fill. False if this trade was counted before. Raises KeyError for a symbol that is not followed."""
        symbol = fill.symbol
        position = self._positions[symbol]
        if not self._is_new(symbol, fill.side, fill.trade_id, fill.execution_id):
            return False
        self._positions[symbol] = with_fill(position, fill)
        return True

    def position(self, symbol: str) -> Position:
        """The position of a followed symbol. Raises KeyError for another."""
        return self._positions[symbol]

    def quantity(self, symbol: str) -> Decimal:
        """How much of its base asset is held, zero for a symbol that is not followed."""
        position = self._positions.get(symbol)
        return ZERO if position is None else position.quantity

    def positions(self) -> tuple[Position, ...]:
        """All positions, in the order in which their symbols were first followed."""
        return tuple(self._positions.values())

    def _is_new(self, symbol: str, side: Side, trade_id: int, execution_id: int) -> bool:
        """Whether it was not seen before. From now on it was."""
        if trade_id < 0:
            return self._allocations[symbol].add(execution_id)
        trades = self._bought if side is Side.BUY else self._sold
        return trades[symbol].add(trade_id)


class _SeenIds:
    """The rising ids that were seen: a bounded set, and a mark below which everything counts as seen."""

    __slots__ = ("_ids", "_ids_max", "_mark")

    def __init__(self, ids_max: int, mark: int) -> None:
        self._ids: set[int] = set()
        self._ids_max = ids_max
        self._mark = mark

    def add(self, new_id: int) -> bool:
        """Whether the id is new."""
        if new_id <= self._mark or new_id in self._ids:
            return False
        self._ids.add(new_id)
        if len(self._ids) > self._ids_max:
            rising = sorted(self._ids)
            half = len(rising) // 2
            self._mark = rising[half - 1]
            self._ids = set(rising[half:])
        return True
