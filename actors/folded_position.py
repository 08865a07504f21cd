"""What the fills of one strategy on one symbol amount to, as far as they are folded."""

import msgspec

from dogwatch.actors.spot.position import Position


class FoldedPosition(msgspec.Struct, kw_only=True):
    """What the fills of one strategy on one symbol amount to, up to a place in the table of fills.

    The marks are the highest trade ids, by side, of fills whose rows are gone: up to them every trade is known.
    """

    position: Position
    bought_mark: int = -1
    sold_mark: int = -1


Positions = dict[tuple[str, str], FoldedPosition]
"""(strategy, symbol) → position."""
