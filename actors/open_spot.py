"""A way to the exchange for any program: `async with open_spot("mainnet") as spot`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dogwatch.actors.calling import calling
from dogwatch.actors.spot.endpoints import VENUES, Endpoints
from dogwatch.actors.spot.signing import Signer
from dogwatch.actors.spot_client import Spot
from dogwatch.actors.venue import api_door
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import alone

__all__ = ["open_spot"]


@asynccontextmanager
async def open_spot(
    venue: str | Endpoints, *, signer: Signer | None = None, over_rest: bool = False, within_s: float = 10.0
) -> AsyncIterator[Spot]:
    """Typed calls to a venue until the block ends, over a session that is kept up meanwhile, or over REST.

    `venue` is `mainnet`, `testnet` or `demo`, or says where the exchange is: `VENUES["paper"].at("127.0.0.1", 8765)`.
    Without a signer public methods only. `within_s`: how long to wait for the session, and for each answer.

    Raises ValueError for a venue that is none, NotSent when there is no session in time, ConfigError for a refused key.
    """
    endpoints = venue if isinstance(venue, Endpoints) else _endpoints(venue)
    try:
        async with calling(
            api_door(endpoints, over_rest=over_rest), signer=signer, clock=Clock.system(), within_s=within_s
        ) as speaker:
            yield Spot(speaker, within_s=within_s)
    except ExceptionGroup as group:
        raise alone(group) from None


def _endpoints(venue: str) -> Endpoints:
    endpoints = VENUES.get(venue)
    if endpoints is None:
        raise ValueError(f"there is no venue {venue!r}: there are {', '.join(sorted(VENUES))}")
    if venue == "paper":
        raise ValueError('the paper exchange is where you serve it: give VENUES["paper"].at(host, port)')
    return endpoints
