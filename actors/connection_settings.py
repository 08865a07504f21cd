"""The table [connection] of a configuration: which API is used, when sockets are replaced, and when one is taken for
dead."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from dogwatch.actors.spot.rotation_plan import HOUR_S, RotationRules, time_of_day_s
from dogwatch.runtime.errors import ConfigError

__all__ = ["ConnectionSettings"]

ROTATE_AFTER_H_MAX = 23.9
"""The exchange cuts at 24 hours, and making a new connection takes a moment."""
POLL_EVERY_S_MIN, POLL_EVERY_S_MAX = 0.1, 60.0
MARKET_LINKS_MAX = 16
SILENCE_S_MIN, SILENCE_S_LONGEST = 35.0, 59.0
"""The exchange pings every 20 s and gives up after 60 s; it is asked by itself after 30 s without an answer."""


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How connections are kept. The defaults suit everybody who has no quiet time of the day."""

    api: Literal["websocket", "rest"] = "websocket"
    """What orders and questions go through. Over REST no events of the account come: orders are asked about."""
    poll_every_s: float = 1.0
    """Over REST: how often to ask for the open orders while there are any, if the limits allow."""
    market: Literal["websocket", "rest"] = "websocket"
    """What market data comes through. Over REST it is asked for, and there are fewer feeds."""
    market_poll_every_s: float = 1.0
    """Over REST: how often to ask for what is followed, if the limits allow."""

    time_unit: Literal["millisecond", "microsecond"] = "millisecond"
    """In which unit the exchange writes times. Ours are milliseconds all the same, which know the rest: `in_us`."""
    rotate_at_utc: tuple[str, ...] = ()
    """Times of day, as HH:MM in UTC, at which connections may be replaced: the last one within `rotate_after_h`."""
    rotate_after_h: float = 23.0
    """The age in hours at which a connection is replaced at the latest; a little less is drawn at random."""
    silence_s_max: float = 45.0
    """After so many seconds in which nothing was heard, or nothing answered, a connection is given up."""
    market_links: int = 1
    """How many connections market data may have at most: the exchange takes 1,024 streams on one."""

    def rules(self) -> RotationRules:
        """When to rotate. Only for settings without mistakes."""
        return RotationRules(
            rotate_after_s=self.rotate_after_h * HOUR_S,
            times_of_day_s=tuple(time_of_day_s(text) for text in self.rotate_at_utc),
        )

    def mistakes(self) -> Iterator[ConfigError]:
        """What is wrong with the table."""
        bounds = f"must be between {POLL_EVERY_S_MIN:g} and {POLL_EVERY_S_MAX:g} seconds"
        if not POLL_EVERY_S_MIN <= self.poll_every_s <= POLL_EVERY_S_MAX:
            hint = "each time costs a weight of 6 for each symbol with an open order, of 6,000 a minute"
            yield ConfigError("connection.poll_every_s", bounds, hint=hint)
        if not POLL_EVERY_S_MIN <= self.market_poll_every_s <= POLL_EVERY_S_MAX:
            hint = "each time costs a weight of 2 to 25 for each feed of a symbol, of 6,000 a minute"
            yield ConfigError("connection.market_poll_every_s", bounds, hint=hint)
        if self.market == "rest" and self.api != "rest":
            hint = 'set api = "rest" too: where a WebSocket can be opened, streams cost no request weight'
            yield ConfigError("connection.market", 'goes over REST only together with api = "rest"', hint=hint)
        for position, text in enumerate(self.rotate_at_utc):
            try:
                time_of_day_s(text)
            except ValueError as problem:
                yield ConfigError(f"connection.rotate_at_utc[{position}]", str(problem))
        if not 0 < self.rotate_after_h <= ROTATE_AFTER_H_MAX:
            hint = "the exchange cuts every connection after 24 hours"
            yield ConfigError(
                "connection.rotate_after_h", f"must be more than 0 and at most {ROTATE_AFTER_H_MAX} hours", hint=hint
            )
        if not 1 <= self.market_links <= MARKET_LINKS_MAX:
            yield ConfigError("connection.market_links", f"must be between 1 and {MARKET_LINKS_MAX}")
        if not SILENCE_S_MIN <= self.silence_s_max <= SILENCE_S_LONGEST:
            hint = "the exchange pings every 20 s, one may be late, and it gives up by itself after 60 s"
            yield ConfigError(
                "connection.silence_s_max",
                f"must be between {SILENCE_S_MIN:g} and {SILENCE_S_LONGEST:g} seconds",
                hint=hint,
            )
