"""Which base endpoint of the REST API to ask: the first of the list, and past those that have just failed. It dials
nothing.
"""

from dogwatch.actors.spot.endpoints import RestBases

__all__ = ["Origins"]

AVOID_S = 300.0
"""How long one that has failed comes behind the others."""


class Origins:
    """Times are Trio's. With `market_data` what is public is asked where nothing else is served, if there is such a
    place."""

    def __init__(self, bases: RestBases, *, market_data: bool) -> None:
        special = () if bases.market_data is None or not market_data else (bases.market_data,)
        self._listed = bases.origins
        self._listed_for_all = (*special, *bases.origins)
        self._avoided_until_s: dict[str, float] = {}

    def in_order(self, now_s: float, *, is_public: bool = False) -> tuple[str, ...]:
        """All of them, the one to ask first."""
        listed = self._listed_for_all if is_public else self._listed
        if not self._avoided_until_s:
            return listed
        avoided = {origin: until_s for origin, until_s in self._avoided_until_s.items() if until_s > now_s}
        self._avoided_until_s = avoided
        return tuple(sorted(listed, key=lambda origin: avoided.get(origin, 0.0)))

    def avoid(self, origin: str, now_s: float) -> None:
        """It could not be reached, or something in front of it has answered in its place."""
        self._avoided_until_s[origin] = now_s + AVOID_S
