"""Opens the venue of a configuration: how to dial it, who signs, and the paper exchange if it runs here."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from dogwatch.actors.dialler import Dialler, Door, tcp_dialler, tls_dialler
from dogwatch.actors.key_loading import load_signer
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.settings import Settings
from dogwatch.actors.spot.endpoints import Address, Endpoints
from dogwatch.actors.spot.keys import load_ed25519_private_key
from dogwatch.actors.spot.signing import Ed25519Signer, Signer
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.testing import MemoryNetwork

if TYPE_CHECKING:
    from dogwatch.actors.paper.exchange import PaperExchange
    from dogwatch.actors.rest_wire import RestDoor

PAPER_HOST = "paper"


@dataclass(frozen=True, kw_only=True)
class Venue:
    """A venue that can be dialled. `exchange` is the paper exchange in this process, if that is the venue."""

    endpoints: Endpoints
    api: "Door | RestDoor"
    streams: Door
    signer: Signer
    exchange: "PaperExchange | None" = None


def far_venue(settings: Settings) -> Venue:
    """A venue outside of this process. Nothing is dialled yet. Raises ConfigError for keys that cannot be used."""
    endpoints, account = settings.endpoints, settings.account
    assert account is not None  # the configuration was checked
    return Venue(
        endpoints=endpoints,
        api=api_door(endpoints, over_rest=settings.connection.api == "rest"),
        streams=door_to(endpoints.streams),
        signer=load_signer(account),
    )


async def open_paper_venue(settings: Settings, *, clock: Clock, seed: int, nursery: trio.Nursery) -> Venue:
    """The paper exchange, serving real WebSockets in memory from now on. Its price feed is started by the caller."""
    from dogwatch.actors.paper.exchange import PaperExchange  # 3 MiB that only this venue needs

    exchange = PaperExchange(settings.paper or PaperConfig(), clock=clock, seed=seed)
    network = MemoryNetwork()
    listener = network.listen(PAPER_HOST)
    await nursery.start(exchange.serve, [listener])
    dial: Dialler = partial(network.connect, PAPER_HOST, listener.port)
    key = load_ed25519_private_key(exchange.private_key_pem)
    endpoints = settings.endpoints.at(PAPER_HOST, listener.port)
    over_rest = settings.connection.api == "rest"
    over_websocket = Door(dial, endpoints.ws_api.authority, endpoints.ws_api.resource)
    return Venue(
        endpoints=endpoints,
        api=_rest_door(endpoints, exchange) if over_rest else over_websocket,
        streams=Door(dial, endpoints.streams.authority, endpoints.streams.resource),
        signer=Ed25519Signer(exchange.api_key, key),
        exchange=exchange,
    )


def api_door(endpoints: Endpoints, *, over_rest: bool) -> "Door | RestDoor":
    """The way to the API of a venue outside of this process."""
    return _rest_door(endpoints) if over_rest else door_to(endpoints.ws_api)


def door_to(address: Address) -> Door:
    """TLS for wss:// with the certificate verified, plain TCP for ws://; and the other port, where there is one."""
    dialler = tls_dialler if address.is_tls else tcp_dialler
    alternative = address.alternative
    return Door(
        dialler(address.host, address.port),
        address.authority,
        address.resource,
        None if alternative is None else door_to(alternative),
    )


def _rest_door(endpoints: Endpoints, exchange: "PaperExchange | None" = None) -> "RestDoor":
    """The REST API of a venue, or of the paper exchange in this process, for which ConfigError may be raised."""
    from dogwatch.actors.rest_wire import RestDoor, rest_door  # what it needs takes a tenth of a second to load

    if exchange is None:
        return rest_door(endpoints.rest)
    exchange.prepare_rest()  # here what is not installed is a plain mistake, later it would be a crash
    return RestDoor(bases=endpoints.rest, open=exchange.rest_transport)
