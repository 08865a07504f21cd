"""Opens the venue of a configuration: how to dial it, who signs, and the paper exchange if it runs here."""

from dataclasses import dataclass
from functools import partial

import trio

from dogwatch.actors.dialler import Dialler, Door, tcp_dialler, tls_dialler
from dogwatch.actors.paper.config import PaperConfig
from dogwatch.actors.paper.exchange import PaperExchange
from dogwatch.actors.settings import AccountSettings, Settings
from dogwatch.actors.spot.endpoints import Address, Endpoints
from dogwatch.actors.spot.keys import Ed25519Key, KeyFileError, load_ed25519_private_key
from dogwatch.actors.spot.signing import Ed25519Signer, HmacSigner, Signer
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.config import SecretReference
from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.testing import MemoryNetwork

PAPER_HOST = "paper"


@dataclass(frozen=True, kw_only=True)
class Venue:
    """A venue that can be dialled. `exchange` is the paper exchange in this process, if that is the venue."""

    endpoints: Endpoints
    api: Door
    streams: Door
    signer: Signer
    exchange: PaperExchange | None = None


def far_venue(settings: Settings) -> Venue:
    """A venue outside of this process. Nothing is dialled yet. Raises ConfigError for keys that cannot be used."""
    endpoints, account = settings.endpoints, settings.account
    assert account is not None  # the configuration was checked
    return Venue(
        endpoints=endpoints,
        api=door_to(endpoints.ws_api),
        streams=door_to(endpoints.streams),
        signer=load_signer(account),
    )


async def open_paper_venue(settings: Settings, *, clock: Clock, seed: int, nursery: trio.Nursery) -> Venue:
    """The paper exchange, serving real WebSockets in memory from now on. Its price feed is started by the caller."""
    exchange = PaperExchange(settings.paper or PaperConfig(), clock=clock, seed=seed)
    network = MemoryNetwork()
    listener = network.listen(PAPER_HOST)
    await nursery.start(exchange.serve, [listener])
    dial: Dialler = partial(network.connect, PAPER_HOST, listener.port)
    key = load_ed25519_private_key(exchange.private_key_pem)
    endpoints = settings.endpoints.at(PAPER_HOST, listener.port)
    return Venue(
        endpoints=endpoints,
        api=Door(dial, endpoints.ws_api.authority, endpoints.ws_api.resource),
        streams=Door(dial, endpoints.streams.authority, endpoints.streams.resource),
        signer=Ed25519Signer(exchange.api_key, key),
        exchange=exchange,
    )


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


def load_signer(account: AccountSettings) -> Signer:
    """Read the key and what signs for it. Raises ConfigError with its place in the configuration; shows no secret."""
    try:
        api_key = _text(account.api_key, "account.api_key")
        if account.hmac_secret is not None:
            return HmacSigner(api_key, _text(account.hmac_secret, "account.hmac_secret"))
        return Ed25519Signer(api_key, _ed25519_key(account, "account.private_key"))
    except ValueError as problem:  # its text says which of the two is meant, and shows neither
        raise ConfigError("account", str(problem), hint="copy it again from the exchange's page") from None


def _ed25519_key(account: AccountSettings, where: str) -> Ed25519Key:
    assert account.private_key is not None  # the configuration was checked
    try:
        return load_ed25519_private_key(account.private_key.resolve(where=where).reveal())
    except KeyFileError as problem:
        raise ConfigError(where, problem.message, hint=problem.hint) from problem


def _text(reference: SecretReference, where: str) -> str:
    try:
        return reference.resolve(where=where).reveal().decode("ascii").strip()
    except UnicodeDecodeError:
        raise ConfigError(where, "is not plain text", hint="copy it again from the exchange's page") from None
