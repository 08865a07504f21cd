"""What a configuration may say about the care taken of orders: the table [orders], and what is senseless in it."""

from collections.abc import Iterator
from math import inf

import msgspec

from dogwatch.actors.spot.verdict import VerdictMargins
from dogwatch.runtime.errors import ConfigError

MISSING_ANSWERS_MIN, MISSING_ANSWERS_MAX = 2, 10
MISSING_SPACING_S_MAX = 60.0
AUDIT_EVERY_S_MIN = 10.0


class OrderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an unknown order may be called never placed, when a person is called, how often the record is compared.

    `verdict_margin_s`, `missing_answers_min` and `missing_spacing_s`: see `VerdictMargins`, where each is reasoned.
    `unknown_s_max`: an order that stays unknown for longer raises an alarm. By default that is after the time in which
    silence alone would have settled it (80 s), so an alarm means that something is in the way.
    `audit_every_s`: how often the record is compared with the exchange's while nothing seems wrong; 0 is never.
    `check_filters`: whether orders that the symbol's filters forbid are refused here, before a request is spent.
    `account_filters`: whether the exchange is asked, for each symbol, for what binds this account alone (myFilters).
    """

    verdict_margin_s: float = 65.0
    missing_answers_min: int = 2
    missing_spacing_s: float = 1.0
    unknown_s_max: float = 120.0
    audit_every_s: float = 300.0
    check_filters: bool = True
    account_filters: bool = False

    def margins(self, recv_window_ms: int) -> VerdictMargins:
        """The same for requests that are sent with this recvWindow."""
        return VerdictMargins(
            recv_window_ms=recv_window_ms,
            margin_ms=round(self.verdict_margin_s * 1000),
            answers_min=self.missing_answers_min,
            spacing_ms=round(self.missing_spacing_s * 1000),
        )

    def mistakes(self, where: str = "orders") -> Iterator[ConfigError]:
        """Every value that makes no sense, with its place. None: the settings can be used."""
        if not 0 <= self.verdict_margin_s < inf:
            hint = "orders may be hidden from queries for up to 60 s: 65 is safe"
            yield ConfigError(f"{where}.verdict_margin_s", "must be 0 seconds or more", hint=hint)
        if not MISSING_ANSWERS_MIN <= self.missing_answers_min <= MISSING_ANSWERS_MAX:
            problem = f"must be {MISSING_ANSWERS_MIN} to {MISSING_ANSWERS_MAX}"
            yield ConfigError(f"{where}.missing_answers_min", problem, hint="one answer alone may be out of date")
        if not 0 <= self.missing_spacing_s <= MISSING_SPACING_S_MAX:
            yield ConfigError(f"{where}.missing_spacing_s", f"must be 0 to {MISSING_SPACING_S_MAX:g} seconds")
        if not 0 < self.unknown_s_max < inf:
            yield ConfigError(f"{where}.unknown_s_max", "must be more than 0 seconds")
        if self.audit_every_s != 0 and not AUDIT_EVERY_S_MIN <= self.audit_every_s < inf:
            problem = f"must be {AUDIT_EVERY_S_MIN:g} seconds or more, or 0 for never"
            yield ConfigError(f"{where}.audit_every_s", problem, hint="each comparison costs request weight")
