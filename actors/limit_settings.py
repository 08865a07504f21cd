"""What a configuration may say about the exchange's limits: the table [limits], and what is senseless in it."""

from collections.abc import Iterator

import msgspec

from dogwatch.actors.spot.request_costs import Kind
from dogwatch.actors.spot.shares import Shares
from dogwatch.runtime.errors import ConfigError


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of the exchange's limits this process may use, and what each lane leaves to those before it.

    `share`: of every limit; less than 1 where other programs use the same IP address or the same account.
    `cancel_reserve`, `query_reserve`: of the request weight, what only cancels may use, and what cancels and queries
    may use but new orders may not. `recovery_share`: how much of it the reading of the account's history may use.
    `heed_recorded_ban`: whether a ban that the journal has on record holds. Switch it off after this machine's address
    has changed.
    """

    share: float = 1.0
    cancel_reserve: float = 0.02
    query_reserve: float = 0.02
    recovery_share: float = 0.67
    heed_recorded_ban: bool = True

    def shares(self) -> Shares:
        """The same for the budget."""
        return Shares(
            usable=self.share,
            cancel_reserve=self.cancel_reserve,
            query_reserve=self.query_reserve,
            bulk=self.recovery_share,
        )

    def mistakes(self, where: str = "limits") -> Iterator[ConfigError]:
        """Every value that makes no sense, with its place. None: the settings can be used."""
        wrong = tuple(self._wrong_values(where))
        yield from wrong
        if not wrong and (left := self.shares().caps(Kind.WEIGHT, WEIGHT_A_MINUTE)[-1]) < READING_WEIGHT:
            hint = "raise share or recovery_share, or lower the reserves"
            text = f"leave {left} of weight a minute to reading the account, which needs {READING_WEIGHT} at once"
            yield ConfigError(where, text, hint=hint)

    def _wrong_values(self, where: str) -> Iterator[ConfigError]:
        for name in ("share", "recovery_share"):
            if not 0 < getattr(self, name) <= 1:
                yield ConfigError(f"{where}.{name}", "must be more than 0 and at most 1", hint="1 is all of it")
        for name in ("cancel_reserve", "query_reserve"):
            if not 0 <= getattr(self, name) <= RESERVE_MAX:
                yield ConfigError(
                    f"{where}.{name}", f"must be 0 to {RESERVE_MAX}", hint="0.02 is two parts in a hundred"
                )


RESERVE_MAX = 0.4
WEIGHT_A_MINUTE = 6_000
"""The documented limit; the exchange's own is known too late for a mistake in a file."""
READING_WEIGHT = 80
"""The list of all open orders, without which no session begins to trade."""
