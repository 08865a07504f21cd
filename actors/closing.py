"""The end of an order, as the upkeep of the journal reads it."""

import msgspec


class Closing(msgspec.Struct, frozen=True):
    """As much of the snapshot of an order that has ended as the upkeep needs: so no strange word gets in its way."""

    symbol: str
    order_id: int | None = None
