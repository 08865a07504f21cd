"""What the account holds of one asset."""

from decimal import Decimal

from dogwatch.runtime.messages import Message

ZERO = Decimal(0)


class Balance(Message, frozen=True, kw_only=True):
    """What the account holds of one asset (Account information; User Data Streams, Account Update).

    `updated_ms`: the exchange's time of the last change in milliseconds since 1970, 0 for none.
    """

    asset: str
    free: Decimal = ZERO
    locked: Decimal = ZERO
    updated_ms: int = 0

    @property
    def total(self) -> Decimal:
        """Free and locked together."""
        return self.free + self.locked
