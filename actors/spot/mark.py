"""A watermark: up to where the record of a symbol is known to be complete. How marks rise is in `marks.py`."""

import msgspec

__all__ = ["NOTHING", "Mark"]

NOTHING = -1
"""The id below every id."""


class Mark(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Every order and every trade of a symbol with an id up to these is recorded. `NOTHING`: none need be."""

    order_id: int = NOTHING
    trade_id: int = NOTHING

    def joined(self, other: "Mark") -> "Mark":
        """The higher of both, each id by itself."""
        return Mark(order_id=max(self.order_id, other.order_id), trade_id=max(self.trade_id, other.trade_id))
