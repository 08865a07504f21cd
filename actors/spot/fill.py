"""One trade of one of our orders. What fills add up to is in `fills.py`."""

from decimal import Decimal

import msgspec

from dogwatch.actors.spot.enums import Side

__all__ = ["Fill"]


class Fill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One trade of one of our orders.

    `price` is quote per base, `quantity` in the base asset, `quote_quantity` their product as the exchange reports it.
    `trade_id` is unique per symbol, and -1 for an allocation (smart order routing), which only its `execution_id`
    names; 0 is no execution id. `traded_ms` is the exchange's time in milliseconds since 1970. `is_recovered`: it was
    not told when it happened but found by asking afterwards; it is the same fill either way.
    """

    symbol: str
    trade_id: int
    order_id: int
    client_order_id: str
    side: Side
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    commission: Decimal
    commission_asset: str | None
    is_maker: bool
    traded_ms: int
    execution_id: int = 0
    strategy: str = ""
    is_recovered: bool = False

    def __repr__(self) -> str:
        fee = f", fee {self.commission:f} {self.commission_asset}" if self.commission else ""
        return (
            f"<Fill {self.symbol} trade {self.trade_id} {self.side} {self.quantity:f} at {self.price:f}"
            f" of {self.client_order_id}{fee}{', recovered' if self.is_recovered else ''}>"
        )
